"""Picking and writing elements, or whole slices, by an index along one dimension.

A 0-d tensor counts as one of shape (1,) here, as in PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dim
from .diagonals import diagonal, diagonal_backward
from .elementwise import mul, where
from .indexing import filling, getitem, index_put
from .shape import broadcast_to, reshape

# -- elements ----------------------------------------------------------------------------------


@op(method=True, constant=("index",))
def gather(input: Array, dim: int, index: Array) -> Any:
    """Pick elements along `dim`: ``out[i, j] = input[i, index[i, j]]`` for ``dim=1``.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of int
        As many dimensions as `input`, none longer except `dim`, unless it has no elements; its
        shape is the result's.

    Raises
    ------
    IndexError
        If an index is out of range.
    RuntimeError
        If the shape or dtype of `index` does not fit.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.gather(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    places = _along("gather", input.shape, dim, index)
    return np.atleast_1d(input)[places].reshape(index.shape)


@gather.gradient("input")
def _(g, dim, index, input_shape):
    return _scatter_add(np.zeros(input_shape, g.dtype), dim, index, g)


@gather.onnx
def _(onnx, input, dim, index): return onnx.node("GatherElements", input, index, axis=dim)


@op(name="scatter", constant=("index",))
def _scatter(input: Array, dim: int, index: Array, src: Array) -> Any:
    result = np.array(input)
    places = _along("scatter", result.shape, dim, index)
    if index.size:
        np.atleast_1d(result)[places] = src
    return result


@_scatter.gradient("input")
def _(g, dim, index): return _scatter(g, dim, index, 0)


@_scatter.gradient("src")
def _(g, dim, index): return gather(g, dim, index)


@op(name="scatter_add", constant=("index",))
def _scatter_add(input: Array, dim: int, index: Array, src: Array) -> Any:
    result = np.array(input)
    places = _along("scatter_add", result.shape, dim, index)
    if index.size:
        np.add.at(np.atleast_1d(result), places, src)
    return result


@_scatter_add.gradient("input")
def _(g): return g


@_scatter_add.gradient("src")
def _(g, dim, index): return gather(g, dim, index)


@gather.samples
def _(draw):
    shape = draw.shape()
    dim = draw.dim(len(shape) or 1)
    return draw.array(shape), dim, _draw_index(draw, shape, dim)


@_scatter.samples
def _(draw):
    shape = draw.shape(min_dims=1)
    dim = draw.dim(len(shape))
    # no element twice: only the last value is written, but each gets the gradient
    order = np.argsort(draw.array(shape), dim)
    index = order[tuple(slice(draw.integer(1, n)) for n in shape)]
    return draw.array(shape), dim, index, draw.array(index.shape)


@_scatter_add.samples
def _(draw):
    shape = draw.shape()
    dim = draw.dim(len(shape) or 1)
    index = _draw_index(draw, shape, dim)
    return draw.array(shape), dim, index, draw.array(index.shape)


def _draw_index(draw: Any, shape: tuple[int, ...], dim: int) -> np.ndarray:
    size = [draw.integer(1, n) for n in shape]
    if shape:
        size[dim] = draw.integer(1, 4)
    return draw.integers(size, 0, shape[dim] - 1 if shape else 0)


@method("scatter", inplace=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """Write each element of `src` to its index along `dim`: ``out[i, index[i, j]] = src[i, j]``.

    Of several values for one element the last is written; the gradient goes to all.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of int
        As many dimensions as `input`, none longer except `dim`, unless it has no elements.
    src : Tensor or number
        No dimension shorter than that of `index`; what is beyond it is left out.
    value : number
        Another way to give a number.
    reduce : {"add"}, optional
        Add the values to what is there, as `scatter_add`.

    Raises
    ------
    IndexError
        If an index is out of range.
    RuntimeError
        If shapes or dtypes do not fit, or there is no such `reduce`.
    TypeError
        If not one of `src` and `value` is given.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.scatter(tg.zeros(2, 3), 1, tg.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    check_tensor("scatter", input)
    check_tensor("scatter", index, "index")
    if (src is None) == (value is None):
        raise TypeError("scatter: expected one of src and value")
    if reduce not in (None, "add"):
        raise RuntimeError(f"scatter: reduce must be None or 'add', got {reduce!r}")
    if isinstance(src, Tensor):
        src = _source("scatter", input, index, src)
    else:
        number = filling("scatter", value if src is None else src, input.dtype)
        src = broadcast_to(number, index.shape)
    return (_scatter_add if reduce else _scatter)(input, dim, index, src)


@method("scatter_add", inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add each element of `src` at its index along `dim`: ``out[i, index[i, j]] += src[i, j]``.

    The parameters and errors are those of `scatter`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.scatter_add(tg.zeros(3), 0, tg.tensor([2, 0, 2]), tg.ones(3))
    tensor([1., 0., 2.])
    """
    check_tensor("scatter_add", input)
    check_tensor("scatter_add", index, "index")
    return _scatter_add(input, dim, index, _source("scatter_add", input, index, src))


def _source(name: str, input: Tensor, index: Tensor, src: Tensor) -> Tensor:
    """Return the part of `src` that `index` covers."""
    check_tensor(name, src, "src")
    if src.dtype != input.dtype:
        raise RuntimeError(f"{name}: input is {input.dtype}, src {src.dtype}")
    if src.shape == index.shape:
        return src
    if not index.numel():
        return reshape(reshape(src, (-1,))[:0], index.shape)
    sizes, wanted = src.shape or (1,), index.shape or (1,)
    if len(sizes) != len(wanted) or any(map(int.__lt__, sizes, wanted)):
        raise RuntimeError(f"{name}: src {src.shape} is smaller than index {index.shape}")
    return reshape(reshape(src, sizes)[tuple(slice(n) for n in wanted)], index.shape)


def _along(name: str, shape: tuple[int, ...], dim: int, index: Any) -> tuple[np.ndarray, ...]:
    """Return the NumPy index that `index` stands for: it along `dim`, its own place elsewhere."""
    dim = normalize_dim(name, dim, len(shape))
    if index.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: index must be of integers, got {index.dtype}")
    sizes, places = shape or (1,), np.atleast_1d(index)
    if not index.size:
        return (np.empty(0, np.int64),) * len(sizes)
    if places.ndim != len(sizes) or any(
        n > m for i, (n, m) in enumerate(zip(places.shape, sizes, strict=True)) if i != dim
    ):
        raise RuntimeError(f"{name}: index {index.shape} does not fit shape {shape} with dim={dim}")
    _check_range(name, places, sizes[dim])
    grid = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    grid[dim] = places
    return tuple(grid)


def _check_range(name: str, index: np.ndarray, size: int) -> None:
    outside = (index < 0) | (index >= size)
    if outside.any():
        raise IndexError(f"{name}: index {index[outside][0]} is out of range for size {size}")


@method("take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Pick elements along `dim` (of the flat tensor, if None), broadcasting the other dimensions.

    With `dim`, a negative index counts from the end.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3, 1, 2], [5, 6, 4]])
    >>> tg.take_along_dim(x, tg.argmax(x, dim=1, keepdim=True), dim=1)
    tensor([[3],
            [6]])
    """
    check_tensor("take_along_dim", input)
    check_tensor("take_along_dim", indices, "indices")
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            f"take_along_dim: input {input.shape} and indices {indices.shape} must have "
            "as many dimensions"
        )
    dim = normalize_dim("take_along_dim", dim, input.ndim)
    pairs = list(zip(input.shape, indices.shape, strict=True))
    if any(n != m and 1 not in (n, m) for i, (n, m) in enumerate(pairs) if i != dim):
        raise RuntimeError(
            f"take_along_dim: input {input.shape} and indices {indices.shape} do not broadcast "
            f"except in dim {dim}"
        )
    full = [m if n == 1 else n for n, m in pairs]
    source = broadcast_to(input, (*full[:dim], input.shape[dim], *full[dim + 1 :]))
    indices = where(indices < 0, indices + input.shape[dim], indices)
    places = broadcast_to(indices, (*full[:dim], indices.shape[dim], *full[dim + 1 :]))
    return gather(source, dim, places)


# -- slices ------------------------------------------------------------------------------------


@method("index_select")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Return the slices of `input` along `dim` that a vector of integers names.

    Raises
    ------
    IndexError
        If there is no such dimension or slice, or `index` is not a vector of integers.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.index_select(tg.tensor([[1, 2, 3], [4, 5, 6]]), 1, tg.tensor([2, 0]))
    tensor([[3, 1],
            [6, 4]])
    """
    places = _slices("index_select", input, dim, index)
    picked = getitem(_vector(input), places)
    return picked if input.ndim else reshape(picked, ())


@method("index_add", inplace=True)
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """Add the slices of `source`, times `alpha`, to those of `input` that `index` names.

    Parameters
    ----------
    input : Tensor
    dim : int
    index : Tensor of int
        A vector.
    source : Tensor
        Of the shape and dtype of ``input.index_select(dim, index)``.
    alpha : number

    Raises
    ------
    IndexError
        If there is no such dimension or slice, or `index` is not a vector of integers.
    RuntimeError
        If the shape or dtype of `source` does not fit.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.index_add(x, 1, tg.tensor([0, 0]), tg.ones(2, 2))
    tensor([[3., 2.],
            [5., 4.]])
    """
    source = source if alpha == 1 else mul(source, alpha)
    return _with_slices("index_add", input, dim, index, source, accumulate=True)


@method("index_copy", inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Return `input` with the slices that `index` names replaced by those of `source`.

    The parameters and errors are those of `index_add`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.index_copy(x, 1, tg.tensor([0]), tg.zeros(2, 1))
    tensor([[0., 2.],
            [0., 4.]])
    """
    return _with_slices("index_copy", input, dim, index, source)


@method("index_fill", inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Return `input` with `value`, a number, in the slices that `index` names.

    A negative index counts from the end; the errors are those of `index_add`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.index_fill(tg.tensor([[1, 2], [3, 4]]), 1, tg.tensor([0]), 9)
    tensor([[9, 2],
            [9, 4]])
    """
    check_tensor("index_fill", input)
    check_tensor("index_fill", index, "index")
    size = (input.shape or (1,))[normalize_dim("index_fill", dim, input.ndim)]
    *before, places = _slices("index_fill", input, dim, where(index < 0, index + size, index))
    # each slice once, so that the gradient of `value` counts it once
    place = (*before, np.unique(places))
    filled = index_put(_vector(input), place, filling("index_fill", value, input.dtype))
    return reshape(filled, input.shape)


def _with_slices(
    name: str, input: Tensor, dim: int, index: Tensor, source: Tensor, accumulate: bool = False
) -> Tensor:
    places = _slices(name, input, dim, index)
    check_tensor(name, source, "source")
    full, at = input.shape or (1,), len(places) - 1
    expected = (*full[:at], places[at].size, *full[at + 1 :])
    if (source.shape or (1,)) != expected or source.dtype != input.dtype:
        raise RuntimeError(
            f"{name}: source must be {input.dtype} {expected}, got {source.dtype} {source.shape}"
        )
    return reshape(index_put(_vector(input), places, _vector(source), accumulate), input.shape)


def _vector(x: Tensor) -> Tensor:
    return x if x.ndim else reshape(x, (1,))


def _slices(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[Any, ...]:
    """Return the NumPy index of the slices along `dim` that `index` names."""
    check_tensor(name, input)
    check_tensor(name, index, "index")
    dim = normalize_dim(name, dim, input.ndim)
    if index.ndim > 1 or index.dtype.kind not in "iu":
        raise IndexError(f"{name}: index must be a vector of integers, got {index.dtype} {index.shape}")
    places = np.atleast_1d(index.data)
    _check_range(name, places, (input.shape or (1,))[dim])
    return (*(slice(None),) * dim, places)


@method("select_scatter")
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Return `input` with `src` in the place of ``select(input, dim, index)``.

    Raises
    ------
    IndexError
        If there is no such dimension, or no such slice.
    RuntimeError
        If the shape or dtype of `src` does not fit.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.select_scatter(tg.zeros(2, 2), tg.ones(2), 1, 0)
    tensor([[1., 0.],
            [1., 0.]])
    """
    check_tensor("select_scatter", input)
    place = (*(slice(None),) * normalize_dim("select_scatter", dim, input.ndim), index)
    _check_shape("select_scatter", src, getitem(input, place).shape)
    return index_put(input, place, src)


@method("slice_scatter")
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """Return `input` with `src` in the place of the slice ``start:end:step`` along `dim`.

    The errors are those of `select_scatter`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.slice_scatter(tg.zeros(2, 3), tg.ones(2, 2), 1, start=1)
    tensor([[0., 1., 1.],
            [0., 1., 1.]])
    """
    check_tensor("slice_scatter", input)
    before = (slice(None),) * normalize_dim("slice_scatter", dim, input.ndim)
    place = (*before, slice(start, end, step))
    _check_shape("slice_scatter", src, getitem(input, place).shape)
    return index_put(input, place, src)


@method("diagonal_scatter")
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """Return `input` with `src` in the place of ``diagonal(input, offset, dim1, dim2)``.

    The errors are those of `select_scatter`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diagonal_scatter(tg.zeros(2, 2), tg.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    check_tensor("diagonal_scatter", input)
    _check_shape("diagonal_scatter", src, diagonal(input, offset, dim1, dim2).shape)
    place = (input.shape, offset, dim1, dim2)
    chosen = diagonal_backward(np.ones(src.shape, bool), *place)
    return where(chosen, diagonal_backward(src, *place), input)


def _check_shape(name: str, src: Tensor, expected: tuple[int, ...]) -> None:
    check_tensor(name, src, "src")
    if src.shape != expected:
        raise RuntimeError(f"{name}: src must have shape {expected}, got {src.shape}")
