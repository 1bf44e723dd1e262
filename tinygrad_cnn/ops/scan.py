"""Running sums, products and extrema, and what comes from sorting, along one dimension."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor, tensor_from

from . import diagonals, joining, shape
from ._dims import check_tensor, normalize_dim
from .along_dim import gather
from .elementwise import exp, quiet, where
from .reduce import any, in_dtype, shared_among_equals, sum, widened


class Selected(NamedTuple):
    """Elements along a dimension, and where they are: what `sort`, `topk`, `cummax`, ... return."""

    values: Tensor
    indices: Tensor


# -- running sums and products -----------------------------------------------------------------


@op(name="cumsum", formula="x₁ + … + xᵢ")
@quiet
def _cumsum(input: Array, dim: int) -> Any:
    return _accumulate("cumsum", np.add, input, dim)


@_cumsum.gradient("input")
def _(g, dim): return shape.flip(_cumsum(shape.flip(g, (dim,)), dim), (dim,))


@op(name="cumprod", formula="x₁ · … · xᵢ")
@quiet
def _cumprod(input: Array, dim: int) -> Any:
    return _accumulate("cumprod", np.multiply, input, dim)


@_cumprod.gradient("input")
def _(g, input, out, dim):
    if not any(input == 0):
        return shape.flip(_cumsum(shape.flip(g * out, (dim,)), dim), (dim,)) / input
    if input.ndim == 0:
        return g
    # Division fails: for each element k, the products up to j without it, where j >= k.
    # [..., n] -> [..., 1, n], ones on the diagonal of [..., k, j] -> [..., k]
    rows = shape.unsqueeze(shape.movedim(input, dim, -1), -2)
    ends = shape.unsqueeze(shape.movedim(g, dim, -1), -2)
    others = _cumprod(where(np.eye(rows.shape[-1], dtype=bool), 1, rows), -1)
    return shape.movedim(sum(diagonals.triu(others) * ends, -1), -1, dim)


def _accumulate(name: str, function: np.ufunc, input: Any, dim: int) -> Any:
    dim = normalize_dim(name, dim, input.ndim)
    dtype = input.dtype if input.dtype.kind == "f" else np.int64
    if input.ndim == 0:
        return np.array(input, dtype)
    wide = widened(input.astype(dtype, copy=False))
    return function.accumulate(wide, axis=dim).astype(dtype, copy=False)


@_cumsum.samples
def _(draw):
    full = draw.shape()
    return draw.array(full), draw.dim(len(full) or 1)


@_cumprod.samples
def _(draw):
    full = draw.shape()
    x = draw.array(full, avoid=[0])
    return np.where(draw.mask(full), x, 0) if draw.boolean() else x, draw.dim(len(full) or 1)


@method("cumsum", inplace=True)
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the sums of the elements up to each one along `dim`.

    Parameters
    ----------
    input : Tensor
        Integers and booleans sum up to int64.
    dim : int
    dtype : dtype, optional
        Convert the input first.

    Raises
    ------
    IndexError
        If there is no such dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cumsum(tg.tensor([[1, 2], [3, 4]]), dim=1)
    tensor([[1, 3],
            [3, 7]])
    """
    return in_dtype(dtype, _cumsum, input, dim)


@method("cumprod", inplace=True)
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Return the products of the elements up to each one along `dim`.

    The parameters and errors are those of `cumsum`. The gradient is right also where elements
    are 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cumprod(tg.tensor([1, 2, 3, 4]), dim=0)
    tensor([ 1,  2,  6, 24])
    """
    return in_dtype(dtype, _cumprod, input, dim)


@op(method=True, formula="log Σ e^x")
@quiet
def logcumsumexp(input: Array, dim: int) -> Any:
    """Return the logarithm of the sums of ``exp(input)`` up to each element along `dim`.

    It is stable for inputs of any size; nothing but -inf so far gives -inf, with gradient 0.
    The gradient takes memory for the square of the dimension's length.

    Parameters
    ----------
    input : Tensor
        Floating.
    dim : int

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If the input is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.logcumsumexp(tg.tensor([0.0, 0.0, 1e4]), dim=0)
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+04])
    """
    if input.dtype.kind != "f":
        raise RuntimeError(f"logcumsumexp: input must be floating, got {input.dtype}")
    return _accumulate("logcumsumexp", np.logaddexp, input, dim)


@logcumsumexp.gradient("input")
def _(g, input, out, dim):
    if input.ndim == 0:
        return g
    # the sum over j >= k of g_j e^(x_k - out_j), of which no power is above 1; [..., k, j]
    starts = shape.unsqueeze(shape.movedim(input, dim, -1), -1)
    ends = shape.unsqueeze(shape.movedim(out, dim, -1), -2)
    n = ends.shape[-1]
    counts = (ends > -np.inf) & np.triu(np.ones((n, n), bool))
    powers = exp(where(counts, starts - ends, -np.inf))
    g = shape.unsqueeze(shape.movedim(g, dim, -1), -2)
    return shape.movedim(sum(g * powers, -1), -1, dim)


@logcumsumexp.samples
def _(draw):
    full = draw.shape()
    return draw.array(full), draw.dim(len(full) or 1)


# -- running extrema ---------------------------------------------------------------------------


@method("cummax")
def cummax(input: Tensor, dim: int) -> Selected:
    """Return the maximum of the elements up to each one along `dim`, and where it is.

    Returns
    -------
    Selected
        ``Selected(values, indices)``: the index is that of the last of several equal maxima, to
        which the gradient goes. A NaN counts as the maximum.

    Raises
    ------
    IndexError
        If there is no such dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cummax(tg.tensor([1, 3, 2, 3]), dim=0)
    Selected(values=tensor([1, 3, 3, 3]), indices=tensor([0, 1, 1, 3]))
    """
    return _running_extremum("cummax", np.maximum, input, dim)


@method("cummin")
def cummin(input: Tensor, dim: int) -> Selected:
    """Return the minimum of the elements up to each one along `dim`, and where it is.

    Otherwise as `cummax`.
    """
    return _running_extremum("cummin", np.minimum, input, dim)


def _running_extremum(name: str, function: np.ufunc, input: Tensor, dim: int) -> Selected:
    check_tensor(name, input)
    axis = normalize_dim(name, dim, input.ndim)
    data = input.data
    if data.ndim == 0:
        return _at(input, axis, tensor_from(np.zeros((), np.int64)))
    is_new = (data == function.accumulate(data, axis)) | (data != data)
    places = np.arange(data.shape[axis]).reshape((-1,) + (1,) * (data.ndim - axis - 1))
    return _at(input, axis, tensor_from(np.maximum.accumulate(np.where(is_new, places, 0), axis)))


@method("diff")
@quiet
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Return the difference of each element along `dim` from the one before.

    Parameters
    ----------
    input : Tensor
        Of booleans, True is where they differ.
    n : int
        How many times to take differences.
    dim : int
    prepend, append : Tensor, optional
        Put before or after `input` along `dim` first.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If the input has no dimension, `n` is negative, or shapes do not fit.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 4, 8])
    >>> tg.diff(x), tg.diff(x, n=2)
    (tensor([1, 2, 4]), tensor([1, 2]))
    """
    check_tensor("diff", input)
    if input.ndim == 0:
        raise RuntimeError("diff: expected at least 1 dimension, got a 0-d tensor")
    axis = normalize_dim("diff", dim, input.ndim)
    if n < 0:
        raise RuntimeError(f"diff: n must not be negative, got {n}")
    parts = [part for part in (prepend, input, append) if part is not None]
    if {part.ndim for part in parts} != {input.ndim}:
        shapes = [part.shape for part in parts]
        raise RuntimeError(f"diff: what is joined must have as many dimensions, got {shapes}")
    result = joining.cat(parts, axis) if n and len(parts) > 1 else input
    for _ in range(min(n, result.shape[axis])):
        rest = result.shape[axis] - 1
        later, earlier = joining.narrow(result, axis, 1, rest), joining.narrow(result, axis, 0, rest)
        result = later != earlier if result.dtype == bool else later - earlier
    return result


# -- sorting -----------------------------------------------------------------------------------


@op(method=True, differentiable=False)
def argsort(
    input: Array, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Any:
    """Return the indices that sort a tensor along `dim`; see `sort`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.argsort(tg.tensor([3.0, 1.0, 2.0]))
    tensor([1, 2, 0])
    """
    axis = normalize_dim("argsort", dim, input.ndim)
    if input.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(input, axis, kind="stable")
    # from the back, so that equal elements keep their order
    order = np.argsort(np.flip(input, axis), axis, kind="stable")
    return input.shape[axis] - 1 - np.flip(order, axis)


@argsort.samples
def _(draw):
    full = draw.shape()
    options = {"stable": draw.boolean()}
    return draw.integers(full, -2, 2), draw.dim(len(full) or 1), draw.boolean(), options


@method("sort")
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Selected:
    """Sort a tensor along `dim`.

    Parameters
    ----------
    input : Tensor
        NaN counts as larger than anything.
    dim : int
    descending : bool
        The largest first.
    stable : bool
        Whether equal elements keep their order; here they always do.

    Returns
    -------
    Selected
        ``Selected(values, indices)``. The gradient goes to where the values came from.

    Raises
    ------
    IndexError
        If there is no such dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.sort(tg.tensor([3.0, 1.0, 2.0]), descending=True)
    Selected(values=tensor([3., 2., 1.]), indices=tensor([0, 2, 1]))
    """
    return _at(input, dim, argsort(input, dim, descending, stable=stable))


@method("msort")
def msort(input: Tensor) -> Tensor:
    """Sort a tensor along its first dimension; see `sort`."""
    return sort(input, 0).values


@method("topk")
def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Selected:
    """Return the `k` largest elements along `dim`, or the smallest, in order.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If it has not that many elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.topk(tg.tensor([3.0, 1.0, 2.0]), 2).indices
    tensor([0, 2])
    """
    check_tensor("topk", input)
    axis = normalize_dim("topk", dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk: k={k} is out of range for the {size} elements of dim {dim}")
    order = argsort(input, dim, largest)
    if input.ndim == 0:  # one element, even where none is asked for
        return _at(input, dim, order)
    return _at(input, dim, order[(*(slice(None),) * axis, slice(k))])


@method("kthvalue")
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Selected:
    """Return the `k`-th smallest element along `dim`, counted from 1.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If it has not that many elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.kthvalue(tg.tensor([3.0, 1.0, 2.0]), 2)
    Selected(values=tensor(2.), indices=tensor(2))
    """
    check_tensor("kthvalue", input)
    axis = normalize_dim("kthvalue", dim, input.ndim)
    size = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue: k={k} is out of range for the {size} elements of dim {dim}")
    return _one_at(input, axis, _kth(input.data, axis, k), keepdim)


@op(name="median", formula="median x")
def _median(input: Array) -> Any:
    flat = np.reshape(input, (-1,))
    if not flat.size:
        if input.dtype.kind != "f":
            raise RuntimeError(f"median: {input.dtype} {input.shape} has no elements")
        return np.asarray(np.nan, input.dtype)
    return flat[_middle(flat, 0)[0]]


@_median.gradient("input")
def _(g, input, out): return shared_among_equals(g, input, out, None, False)


@_median.samples
def _(draw): return (draw.array(draw.shape(), distinct=True),)


@method("median")
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the median of all elements, or along `dim`; of an even number, the lower middle one.

    NaN where there is one.

    Returns
    -------
    Tensor, or Selected for a dimension
        ``Selected(values, indices)``: the gradient goes to the element named. With no dimension
        it is shared evenly among all elements equal to the median.

    Raises
    ------
    IndexError
        If there is no such dimension, or it is empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[4.0, 1.0, 2.0, 3.0]])
    >>> tg.median(x)
    tensor(2.)
    >>> tg.median(x, dim=1)
    Selected(values=tensor([2.]), indices=tensor([2]))
    """
    check_tensor("median", input)
    if dim is None:
        return _median(input)
    axis = normalize_dim("median", dim, input.ndim)
    if input.ndim and not input.shape[axis]:
        raise IndexError(f"median: dim {dim} of shape {input.shape} has no elements")
    return _one_at(input, axis, _middle(input.data, axis), keepdim)


def _middle(array: np.ndarray, axis: int) -> np.ndarray:
    """Return the index of the lower median along `axis`, which stays; of the first NaN, if any."""
    middle = _kth(array, axis, (array.shape[axis] + 1) // 2 if array.ndim else 1)
    if array.dtype.kind != "f" or array.ndim == 0:
        return middle
    missing = np.isnan(array)
    first = np.argmax(missing, axis, keepdims=True)
    return np.where(missing.any(axis, keepdims=True), first, middle)


def _kth(array: np.ndarray, axis: int, k: int) -> np.ndarray:
    """Return the index of the `k`-th smallest element along `axis`, which stays."""
    if array.ndim == 0:
        return np.zeros((), np.int64)
    return np.take(np.argsort(array, axis, kind="stable"), [k - 1], axis)


@method("mode")
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Selected:
    """Return the most frequent element along `dim`, the smallest of several, and where it is last.

    Returns
    -------
    Selected
        ``Selected(values, indices)``. The gradient goes to where the values came from.

    Raises
    ------
    IndexError
        If there is no such dimension, or it is empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.mode(tg.tensor([2, 1, 2, 1, 3]))
    Selected(values=tensor(1), indices=tensor(3))
    """
    check_tensor("mode", input)
    axis = normalize_dim("mode", dim, input.ndim)
    if input.ndim == 0:
        return _at(input, axis, tensor_from(np.zeros((), np.int64)))
    if not input.shape[axis]:
        raise IndexError(f"mode: dim {dim} of shape {input.shape} has no elements")
    order = np.argsort(input.data, axis, kind="stable")
    ranked = np.moveaxis(np.take_along_axis(input.data, order, axis), axis, -1)
    ranks = np.arange(ranked.shape[-1])
    begins = np.ones(ranked.shape, bool)
    begins[..., 1:] = ranked[..., 1:] != ranked[..., :-1]
    repeats = ranks - np.maximum.accumulate(np.where(begins, ranks, 0), -1)
    last = np.expand_dims(np.argmax(repeats, -1), axis)
    return _one_at(input, axis, np.take_along_axis(order, last, axis), keepdim)


def _at(input: Tensor, dim: int, indices: Tensor) -> Selected:
    return Selected(gather(input, dim, indices), indices)


def _one_at(input: Tensor, axis: int, indices: np.ndarray, keepdim: bool) -> Selected:
    found = _at(input, axis, tensor_from(indices))
    if keepdim or input.ndim == 0:
        return found
    return Selected(shape.squeeze(found.values, axis), shape.squeeze(found.indices, axis))
