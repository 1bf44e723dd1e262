"""What is in a tensor, and where: different elements, counts, and places in a sorted order."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import method
from tinygrad_cnn.core.tensor import Tensor, tensor_from

from ._dims import check_tensor, normalize_dim
from .along_dim import gather


@method("unique")
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the different elements, or slices along `dim`, in ascending order.

    No gradient passes. Each NaN differs from any other.

    Parameters
    ----------
    input : Tensor
    sorted : bool
        The result is sorted in either case.
    return_inverse : bool
        Also return, for each element or slice, the index of it in the result.
    return_counts : bool
        Also return how often each of the result occurs.
    dim : int, optional

    Returns
    -------
    Tensor, or tuple of them

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.unique(tg.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    check_tensor("unique", input)
    data = input.data
    axis = None if dim is None else normalize_dim("unique", dim, data.ndim)
    if data.ndim == 0:
        axis = None
    values, inverse, counts = np.unique(
        data, return_inverse=True, return_counts=True, axis=axis, equal_nan=False
    )
    inverse = inverse.reshape(data.shape if axis is None else (-1,))
    extra = [inverse] * return_inverse + [counts] * return_counts
    results = tuple(tensor_from(np.asarray(array)) for array in (values, *extra))
    return results if extra else results[0]


@method("unique_consecutive")
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """Return the elements, or slices along `dim`, without those that equal the one before.

    Otherwise as `unique`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.unique_consecutive(tg.tensor([3, 3, 1, 3]), return_counts=True)
    (tensor([3, 1, 3]), tensor([2, 1, 1]))
    """
    check_tensor("unique_consecutive", input)
    data = input.data.reshape(-1) if dim is None else input.data
    axis = 0 if dim is None else normalize_dim("unique_consecutive", dim, data.ndim)
    slices = np.moveaxis(data, axis, 0)
    changes = slices[1:] != slices[:-1]
    first = np.ones(len(slices), bool)
    first[1:] = changes.any(axis=tuple(range(1, changes.ndim)))
    inverse = np.cumsum(first) - 1
    values = np.moveaxis(slices[first], 0, axis)
    if dim is None:
        inverse = inverse.reshape(input.shape)
    counts = np.bincount(inverse.reshape(-1), minlength=0)
    extra = [inverse] * return_inverse + [counts] * return_counts
    results = tuple(tensor_from(array) for array in (values, *extra))
    return results if extra else results[0]


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False
) -> Tensor:
    """Return for each of `elements` whether it is one of `test_elements`.

    Parameters
    ----------
    elements, test_elements : Tensor or number
        One of them must be a Tensor.
    assume_unique : bool
        Whether both hold nothing twice; it may be faster.
    invert : bool
        Return whether it is not.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.isin(tg.tensor([1, 2, 3]), tg.tensor([2, 5]))
    tensor([False,  True, False])
    """
    if not isinstance(test_elements, Tensor):
        check_tensor("isin", elements, "elements")
    a, b = (x.data if isinstance(x, Tensor) else x for x in (elements, test_elements))
    found = np.isin(a, b, assume_unique=assume_unique, invert=invert)
    return tensor_from(np.asarray(found))


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Return where to insert each value into a sorted vector so that it stays sorted.

    Parameters
    ----------
    sorted_sequence : Tensor
        A vector; or several, along the last dimension.
    input : Tensor or number
        Of any shape for one vector; else of the same shape but for the last dimension.
    out_int32 : bool
        Return int32, not int64.
    right : bool
        Insert after equal elements, not before.
    side : {"left", "right"}, optional
        Another way to say `right`.
    sorter : Tensor of int, optional
        The indices that sort `sorted_sequence`, if it is not sorted.

    Raises
    ------
    RuntimeError
        If shapes do not fit, or there is no such `side`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.searchsorted(tg.tensor([1, 3, 5]), tg.tensor([[0, 3], [4, 9]]))
    tensor([[0, 1],
            [2, 3]])
    """
    if side not in (None, "left", "right") or (right and side == "left"):
        raise RuntimeError(f"searchsorted: side {side!r} does not go with right={right}")
    check_tensor("searchsorted", sorted_sequence, "sorted_sequence")
    vectors = sorted_sequence.data
    values = input.data if isinstance(input, Tensor) else np.asarray(input)
    if sorter is not None:
        if sorter.shape != vectors.shape or sorter.dtype != np.int64:
            raise RuntimeError(
                f"searchsorted: sorter must be int64 {vectors.shape}, got {sorter.dtype} {sorter.shape}"
            )
        vectors = gather(sorted_sequence, -1, sorter).data
    lead = vectors.shape[:-1]
    if not vectors.ndim or (lead and lead != values.shape[:-1]):
        raise RuntimeError(
            f"searchsorted: sorted_sequence {vectors.shape} must be a vector, or as "
            f"input {values.shape} in all but the last dimension"
        )
    places = np.empty(values.shape, np.int32 if out_int32 else np.int64)
    where_equal: Any = "right" if right or side == "right" else "left"
    for index in np.ndindex(lead):
        places[index] = np.searchsorted(vectors[index], values[index], where_equal)
    return tensor_from(places)


def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Return which of the intervals between the sorted `boundaries` each value is in.

    Interval ``i`` is ``boundaries[i - 1] < x <= boundaries[i]``; with `right`, a value on a
    boundary is in the next one. The errors are those of `searchsorted`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.bucketize(tg.tensor([0, 1, 9]), tg.tensor([1, 5]))
    tensor([0, 0, 2])
    """
    check_tensor("bucketize", boundaries, "boundaries")
    if boundaries.ndim != 1:
        raise RuntimeError(f"bucketize: boundaries must be a vector, got shape {boundaries.shape}")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@method("bincount")
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Return how often each number from 0 on occurs in a vector; no gradient passes.

    Parameters
    ----------
    input : Tensor of int
        A vector, of nothing negative.
    weights : Tensor, optional
        What each element counts; of the same shape.
    minlength : int
        The least number of counts to return.

    Raises
    ------
    RuntimeError
        If one of these does not hold.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.bincount(tg.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    check_tensor("bincount", input)
    numbers = input.data
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu" or (numbers < 0).any():
        raise RuntimeError(
            f"bincount: input must be a vector of integers from 0 on, got {input.dtype} {input.shape}"
        )
    if minlength < 0:
        raise RuntimeError(f"bincount: minlength must not be negative, got {minlength}")
    if weights is None:
        return tensor_from(np.bincount(numbers, minlength=minlength))
    if weights.shape != input.shape:
        raise RuntimeError(f"bincount: weights {weights.shape} are not as input {input.shape}")
    counts = np.bincount(numbers, weights.data, minlength)
    return tensor_from(counts.astype(np.float32 if weights.dtype == np.float32 else np.float64))


@method("histc")
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Return how many elements are in each of `bins` intervals of equal width; no gradient passes.

    Parameters
    ----------
    input : Tensor
        Floating; its dtype is the result's.
    bins : int
    min, max : number
        Where the intervals begin and end, both included; what is outside is not counted. Where
        they are the same, the input's own minimum and maximum.

    Raises
    ------
    RuntimeError
        If the input is not floating, there are no bins, or the range is not one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.histc(tg.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    check_tensor("histc", input)
    if input.dtype.kind != "f":
        raise RuntimeError(f"histc: input must be floating, got {input.dtype}")
    values = input.data.reshape(-1)
    if min == max and values.size:
        min, max = values.min().item(), values.max().item()
    if bins < 1 or not min <= max or not np.isfinite([min, max]).all():
        raise RuntimeError(f"histc: {bins} bins from {min} to {max}")
    if min == max:
        min, max = min - 1, max + 1
    counts, _ = np.histogram(values[~np.isnan(values)], bins, (min, max))
    return tensor_from(counts.astype(input.dtype))
