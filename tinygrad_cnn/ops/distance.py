"""Distances and similarities of vectors, and the losses that compare them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import result_type

from . import reduce, shape
from ._dims import check_tensors
from ._reduction import reduced
from .elementwise import clamp, minimum, sqrt, square, where
from .norm import normalize
from .reduce import vector_norm


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between vectors along `dim`.

    Parameters
    ----------
    x1, x2 : Tensor
        Floating; broadcast.
    dim : int
    eps : float
        What the length of a vector counts for at least.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If the shapes do not broadcast, or neither is floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cosine_similarity(tg.tensor([[1.0, 0.0]]), tg.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    check_tensors("cosine_similarity", x1=x1, x2=x2)
    try:
        full = np.broadcast_shapes(x1.shape, x2.shape)
    except ValueError:
        raise RuntimeError(
            f"cosine_similarity: {x1.shape} and {x2.shape} do not broadcast"
        ) from None
    dtype = result_type(x1, x2)
    x1, x2 = (shape.broadcast_to(shape.convert(x, dtype), full) for x in (x1, x2))
    return reduce.sum(normalize(x1, 2, dim, eps) * normalize(x2, 2, dim, eps), dim)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the distance between vectors: the norm of ``x1 - x2 + eps`` in the last dimension.

    Parameters
    ----------
    x1, x2 : Tensor
        Floating; broadcast.
    p : float
        The order of the norm, as in `linalg.vector_norm`.
    eps : float
        Added to each difference.
    keepdim : bool
        Leave the last dimension in the shape, with size 1.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.pairwise_distance(tg.tensor([[3.0, 0.0]]), tg.tensor([[0.0, 4.0]]))
    tensor([5.])
    """
    check_tensors("pairwise_distance", x1=x1, x2=x2)
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


def cdist(
    x1: Tensor,
    x2: Tensor,
    p: float = 2.0,
    compute_mode: str = "use_mm_for_euclid_dist_if_necessary",
) -> Tensor:
    """Return the distance of each vector of one list to each of another.

    Parameters
    ----------
    x1 : Tensor, shape (..., n, k)
    x2 : Tensor, shape (..., m, k)
        The dimensions before these are broadcast.
    p : float
        The order of the norm; not negative.
    compute_mode : str
        Accepted, but no matrix product is used: it would lose small distances.

    Returns
    -------
    Tensor, shape (..., n, m)

    Raises
    ------
    RuntimeError
        If shapes do not match, or `p` is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cdist(tg.tensor([[0.0, 0.0], [3.0, 0.0]]), tg.tensor([[0.0, 4.0]]))
    tensor([[4.],
            [5.]])
    """
    check_tensors("cdist", x1=x1, x2=x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"cdist: expected (..., n, k) and (..., m, k), got {x1.shape} and {x2.shape}"
        )
    if p < 0:
        raise RuntimeError(f"cdist: p must not be negative, got {p}")
    return vector_norm(shape.unsqueeze(x1, -2) - shape.unsqueeze(x2, -3), p, -1)


# -- losses ------------------------------------------------------------------------------------


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return 1 less the cosine where the target is 1, and its excess over `margin` where it is -1.

    Parameters
    ----------
    input1, input2 : Tensor
        (N, D) or (D,).
    target : Tensor
        1 or -1, (N,) or (): whether the vectors belong together.
    margin : float
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the shapes do not fit.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, y = tg.tensor([[1.0, 0.0], [1.0, 0.0]]), tg.tensor([[0.0, 2.0], [3.0, 0.0]])
    >>> tg.nn.functional.cosine_embedding_loss(x, y, tg.tensor([1, -1]), reduction="none")
    tensor([1., 1.])
    """
    check_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    if target.ndim > 1 or {input1.ndim, input2.ndim} != {target.ndim + 1}:
        raise RuntimeError(
            "cosine_embedding_loss: expected inputs (N, D) and target (N,), or (D,) and (); "
            f"got {input1.shape}, {input2.shape} and {target.shape}"
        )
    size1, size2 = (sqrt(reduce.sum(square(x), -1) + 1e-12) for x in (input1, input2))
    cosine = reduce.sum(input1 * input2, -1) / (size1 * size2)
    loss = where(target == 1, 1 - cosine, 0)
    loss = loss + where(target == -1, clamp(cosine - margin, 0), 0)
    return reduced("cosine_embedding_loss", loss, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return ``max(0, margin - target * (input1 - input2))``.

    A target of 1 says that the first should rank higher than the second, -1 the other way round.

    Parameters
    ----------
    input1, input2, target : Tensor
        Of as many dimensions; broadcast.
    margin : float
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the shapes do not fit.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, y = tg.tensor([1.0, 1.0]), tg.tensor([3.0, 0.5])
    >>> tg.nn.functional.margin_ranking_loss(x, y, tg.ones(2), reduction="none")
    tensor([2., 0.])
    """
    _check_dims("margin_ranking_loss", input1=input1, input2=input2, target=target)
    loss = clamp(margin - target * (input1 - input2), 0)
    return reduced("margin_ranking_loss", loss, reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return by how much the anchor is not `margin` nearer to what is like it than to what is not.

    ``max(0, margin + distance(anchor, positive) - distance(anchor, negative))`` [1]_, of
    distances by `pairwise_distance`.

    Parameters
    ----------
    anchor, positive, negative : Tensor
        (N, D) or (D,).
    margin : float
    p, eps : float
        Those of `pairwise_distance`.
    swap : bool
        Take the positive's distance to the negative, if it is the smaller one.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the shapes do not fit.
    ValueError
        If `margin` is not positive, or `reduction` is none of these.

    References
    ----------
    .. [1] V. Balntas et al., "Learning shallow convolutional feature descriptors with triplet
       losses", BMVC 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> a, p, n = tg.tensor([[0.0]]), tg.tensor([[1.0]]), tg.tensor([[-1.5]])
    >>> tg.nn.functional.triplet_margin_loss(a, p, n)
    tensor(0.5)
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return _triplet(
        "triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return `triplet_margin_loss` of any distance; of `pairwise_distance` where none is given.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> a, p, n = tg.tensor([[0.0]]), tg.tensor([[1.0]]), tg.tensor([[-1.5]])
    >>> tg.nn.functional.triplet_margin_with_distance_loss(
    ...     a, p, n, distance_function=lambda x, y: ((x - y) ** 2).sum(-1), margin=2.0
    ... )
    tensor(0.75)
    """
    return _triplet(
        "triplet_margin_with_distance_loss",
        anchor,
        positive,
        negative,
        distance_function or pairwise_distance,
        margin,
        swap,
        reduction,
    )


def _triplet(
    name: str,
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if margin <= 0:
        raise ValueError(f"{name}: margin must be positive, got {margin}")
    _check_dims(name, anchor=anchor, positive=positive, negative=negative)
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(name, clamp(margin + near - far, 0), reduction)


def _check_dims(name: str, **tensors: Tensor) -> None:
    check_tensors(name, **tensors)
    if len({x.ndim for x in tensors.values()}) > 1:
        shapes = ", ".join(f"{key} {x.shape}" for key, x in tensors.items())
        raise RuntimeError(f"{name}: expected as many dimensions of each, got {shapes}")
