"""Joining tensors, cutting them into parts, and moving the parts around."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Arrays, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dim, normalize_dims
from .padding import pad
from .shape import (
    broadcast_to,
    clone,
    flip,
    movedim,
    reshape,
    sizes_of,
    transpose,
    unsqueeze,
)

# -- joining -----------------------------------------------------------------------------------


@op(promote="arithmetic", broadcast=False)
def cat(tensors: Arrays, dim: int = 0) -> Any:
    """Join tensors along a dimension; in the others their sizes must agree.

    As in PyTorch, tensors of shape ``(0,)`` are left out whatever the others' shape is.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If the sizes do not agree, or a tensor has no dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cat([tg.zeros(1, 2), tg.ones(2, 2)])
    tensor([[0., 0.],
            [1., 1.],
            [1., 1.]])
    """
    joined = [x for x in tensors if np.shape(x) != (0,)] or tensors
    dim = normalize_dim("cat", dim, np.ndim(joined[0]))
    try:
        return np.concatenate(joined, dim)
    except ValueError:
        shapes = ", ".join(str(np.shape(x)) for x in tensors)
        raise RuntimeError(
            f"cat: shapes {shapes} must have the same dimensions and, except in dim {dim}, sizes"
        ) from None


@cat.gradient("tensors")
def _(g, tensors_shape, dim):
    before = (slice(None),) * (dim % g.ndim)
    pieces, start = [], 0
    for shape in tensors_shape:
        stop = start + (0 if shape == (0,) else shape[dim])
        piece = g[(*before, slice(start, stop))]
        pieces.append(reshape(piece, shape) if piece.ndim != len(shape) else piece)
        start = stop
    return pieces


@cat.onnx
def _(onnx, tensors, dim, out):
    joined = [x for x in tensors if x.shape != (0,)]
    return onnx.node("Concat", *joined, axis=dim % len(out.shape))


@cat.samples
def _(draw):
    shape = draw.shape(min_dims=1, min_side=0)
    dim = draw.dim(len(shape))
    at = dim % len(shape)
    tensors = [
        draw.array((*shape[:at], draw.integer(0, 3), *shape[at + 1 :]))
        for _ in range(draw.integer(1, 3))
    ]
    if draw.boolean():
        tensors.insert(draw.integer(0, len(tensors)), draw.array((0,)))
    return tensors, dim


@op(promote="arithmetic", broadcast=False)
def stack(tensors: Arrays, dim: int = 0) -> Any:
    """Join tensors of one shape along a new dimension.

    Raises
    ------
    RuntimeError
        If the shapes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.stack([tg.zeros(2), tg.ones(2)], dim=1)
    tensor([[0., 1.],
            [0., 1.]])
    """
    dim = normalize_dim("stack", dim, np.ndim(tensors[0]) + 1)
    try:
        return np.stack(tensors, dim)
    except ValueError:
        shapes = ", ".join(str(np.shape(x)) for x in tensors)
        raise RuntimeError(f"stack: all shapes must be the same, got {shapes}") from None


@stack.gradient("tensors")
def _(g, tensors_shape, dim):
    before = (slice(None),) * (dim % g.ndim)
    return [g[(*before, i)] for i in range(len(tensors_shape))]


@stack.onnx
def _(onnx, tensors, dim, out):
    dim %= len(out.shape)
    apart = [onnx.node("Unsqueeze", x, [dim]) for x in tensors]
    return onnx.node("Concat", *apart, axis=dim)


@stack.samples
def _(draw):
    shape = draw.shape()
    tensors = [draw.array(shape) for _ in range(draw.integer(1, 3))]
    return tensors, draw.dim(len(shape) + 1)


def _check_all(name: str, tensors: Sequence[Tensor]) -> None:
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}: tensors must be a sequence of Tensors, got {type(tensors).__name__}")
    for i, x in enumerate(tensors):
        check_tensor(name, x, f"tensors[{i}]")


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second dimension; vectors along their only one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.hstack([tg.tensor([1, 2]), tg.tensor(3)])
    tensor([1, 2, 3])
    """
    _check_all("hstack", tensors)
    parts = [reshape(x, (1,)) if x.ndim == 0 else x for x in tensors]
    return cat(parts, 0 if parts and parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their first dimension; vectors are rows.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.vstack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    _check_all("vstack", tensors)
    return cat([reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their third dimension; vectors are rows.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.dstack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    _check_all("dstack", tensors)
    rows = [reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors]
    return cat([unsqueeze(x, 2) if x.ndim == 2 else x for x in rows], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second dimension; vectors are columns.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.column_stack([tg.tensor([1, 2]), tg.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    _check_all("column_stack", tensors)
    return hstack([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in tensors])


def block_diag(*tensors: Tensor) -> Tensor:
    """Return a matrix with the given ones along its diagonal, and 0 elsewhere.

    Numbers and vectors are matrices of one row.

    Raises
    ------
    RuntimeError
        If a tensor has more than 2 dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.block_diag(tg.tensor([[1, 2]]), tg.tensor([[3], [4]]))
    tensor([[1, 2, 0],
            [0, 0, 3],
            [0, 0, 4]])
    """
    _check_all("block_diag", tensors)
    if any(x.ndim > 2 for x in tensors):
        raise RuntimeError(f"block_diag: expected matrices, got shapes {[x.shape for x in tensors]}")
    matrices = [reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors]
    width, left, rows = sum(x.shape[1] for x in matrices), 0, []
    for x in matrices:
        right = width - left - x.shape[1]
        rows.append(pad(x, (left, right)))
        left += x.shape[1]
    return cat(rows)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors as views of the shape that all broadcast to.

    Raises
    ------
    RuntimeError
        If they do not.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [x.shape for x in tg.broadcast_tensors(tg.zeros(3, 1), tg.zeros(2))]
    [(3, 2), (3, 2)]
    """
    _check_all("broadcast_tensors", tensors)
    shapes = [x.shape for x in tensors]
    try:
        full = np.broadcast_shapes(*shapes)
    except ValueError:
        raise RuntimeError(f"broadcast_tensors: shapes {shapes} do not broadcast") from None
    return tuple(broadcast_to(x, full) for x in tensors)


def _at_least(ndim: int, tensors: tuple[Any, ...], expand: Callable[[Tensor], Tensor]) -> Any:
    given: tuple[Any, ...] = sizes_of(tensors)
    _check_all(f"atleast_{ndim}d", given)
    results = tuple(x if x.ndim >= ndim else expand(x) for x in given)
    return results[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else results


def atleast_1d(*tensors: Any) -> Any:
    """Return each tensor with at least one dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.atleast_1d(tg.tensor(2.0))
    tensor([2.])
    """
    return _at_least(1, tensors, lambda x: reshape(x, (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """Return each tensor with at least two dimensions: a vector is a row."""
    return _at_least(2, tensors, lambda x: reshape(x, (1, -1)))


def atleast_3d(*tensors: Any) -> Any:
    """Return each tensor with at least three dimensions: a matrix has one more at its end."""
    return _at_least(
        3, tensors, lambda x: unsqueeze(x, -1) if x.ndim == 2 else reshape(x, (1, -1, 1))
    )


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Return the coordinates of a grid: for each vector, a view of it along its own dimension.

    Parameters
    ----------
    *tensors : Tensor
        Vectors or numbers of one dtype; or one sequence of them.
    indexing : {"ij", "xy"}
        With "xy" the first two dimensions of the results are swapped.

    Raises
    ------
    RuntimeError
        If there are no tensors, one has more dimensions, the dtypes differ, or there is no such
        `indexing`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, y = tg.meshgrid(tg.tensor([1, 2]), tg.tensor([3, 4]), indexing="ij")
    >>> x
    tensor([[1, 1],
            [2, 2]])
    """
    given: tuple[Any, ...] = sizes_of(tensors)
    _check_all("meshgrid", given)
    vectors = [reshape(x, (-1,)) if x.ndim == 0 else x for x in given]
    if not vectors or any(x.ndim > 1 for x in vectors):
        raise RuntimeError(f"meshgrid: expected vectors, got {[x.shape for x in vectors]}")
    if len({x.dtype for x in vectors}) > 1:
        raise RuntimeError(f"meshgrid: the dtypes differ: {[str(x.dtype) for x in vectors]}")
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    full = tuple(x.shape[0] for x in vectors)
    grids = [
        broadcast_to(reshape(x, (-1,) + (1,) * (len(full) - i - 1)), full)
        for i, x in enumerate(vectors)
    ]
    if indexing == "xy" and len(grids) > 1:
        grids = [transpose(x, 0, 1) for x in grids]
    return tuple(grids)


# -- cutting -----------------------------------------------------------------------------------


@method("narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a view of `length` slices along `dim`, from `start` on.

    Raises
    ------
    RuntimeError
        If the slices are not all there.
    """
    check_tensor("narrow", input)
    dim = normalize_dim("narrow", dim, input.ndim)
    size = input.shape[dim]
    first = start + size if start < 0 else start
    if not 0 <= first <= first + length <= size:
        raise RuntimeError(
            f"narrow: start {start} and length {length} exceed the {size} of dim {dim}"
        )
    return input[(*(slice(None),) * dim, slice(first, first + length))]


@method("split")
def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut a tensor along `dim` into views of a size (the last may be smaller), or of the sizes.

    Raises
    ------
    RuntimeError
        If a size is negative, or the sizes do not sum to that of the dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.split(tg.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    check_tensor("split", tensor, "tensor")
    dim = normalize_dim("split", dim, tensor.ndim)
    total = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0 or (size == 0 and total):
            raise RuntimeError(f"split: the size must be positive, got {size}")
        starts = range(0, max(total, 1), size or 1)
        sections: Sequence[int] = [min(size, total - start) for start in starts]
    else:
        sections = split_size_or_sections
        if sum(sections) != total or min(sections, default=0) < 0:
            raise RuntimeError(
                f"split: sections {tuple(sections)} do not sum to the {total} of dim {dim}"
            )
    parts, start = [], 0
    for size in sections:
        parts.append(narrow(tensor, dim, start, size))
        start += size
    return tuple(parts)


@method("chunk")
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Cut a tensor along `dim` into at most `chunks` views of one size, the last maybe smaller.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.chunk(tg.arange(5), 3)]
    [[0, 1], [2, 3], [4]]
    """
    check_tensor("chunk", input)
    dim = normalize_dim("chunk", dim, input.ndim)
    if chunks < 1:
        raise RuntimeError(f"chunk: chunks must be at least 1, got {chunks}")
    size = -(-input.shape[dim] // chunks)
    return split(input, size if size else [0] * chunks, dim)


@method("tensor_split")
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int] | Tensor, dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut a tensor along `dim` into a number of views of nearly one size, or at the indices.

    Either may be given as an integer tensor, the number as one of no dimensions.

    Raises
    ------
    RuntimeError
        If the number is not positive, or the tensor has no dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.tensor_split(tg.arange(5), 3)]
    [[0, 1], [2, 3], [4]]
    """
    check_tensor("tensor_split", input)
    if input.ndim == 0:
        raise RuntimeError("tensor_split: expected at least 1 dimension, got a 0-d tensor")
    dim = normalize_dim("tensor_split", dim, input.ndim)
    size = input.shape[dim]
    given: Any = indices_or_sections
    if isinstance(given, Tensor):
        given = given.tolist()
    if isinstance(given, int):
        count = given
        if count < 1:
            raise RuntimeError(f"tensor_split: the number must be positive, got {count}")
        large = size % count  # so many parts are one longer
        cuts = [i * (size // count) + min(i, large) for i in range(1, count)]
    else:
        cuts = list(given)
    before = (slice(None),) * dim
    ends = zip([0, *cuts], [*cuts, size], strict=True)
    return tuple(input[(*before, slice(start, stop))] for start, stop in ends)


@method("hsplit")
def hsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut a tensor along its second dimension, a vector along its only one; see `vsplit`."""
    check_tensor("hsplit", input)
    return _cut("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


@method("vsplit")
def vsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut a tensor along its first dimension into a number of equal views, or at the indices.

    Raises
    ------
    RuntimeError
        If it has too few dimensions, or the number does not divide the size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [part.tolist() for part in tg.vsplit(tg.tensor([[1], [2], [3]]), [1])]
    [[[1]], [[2], [3]]]
    """
    check_tensor("vsplit", input)
    return _cut("vsplit", input, indices_or_sections, 0, 2)


@method("dsplit")
def dsplit(input: Tensor, indices_or_sections: int | Sequence[int]) -> tuple[Tensor, ...]:
    """Cut a tensor along its third dimension; see `vsplit`."""
    check_tensor("dsplit", input)
    return _cut("dsplit", input, indices_or_sections, 2, 3)


def _cut(name: str, input: Tensor, where: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    if input.ndim < least:
        raise RuntimeError(f"{name}: expected at least {least} dimensions, got {input.ndim}")
    if isinstance(where, int) and (where < 1 or input.shape[dim] % where):
        raise RuntimeError(
            f"{name}: the {input.shape[dim]} of dim {dim} do not divide into {where} parts"
        )
    return tensor_split(input, where, dim)


@method("unfold")
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return all windows of `size` along a dimension, `step` apart, in a new last dimension.

    Raises
    ------
    RuntimeError
        If the windows are larger than the dimension, or `step` is not positive.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    check_tensor("unfold", input)
    dim = normalize_dim("unfold", dimension, input.ndim)
    n = input.shape[dim] if input.ndim else 1
    if not 0 <= size <= n:
        raise RuntimeError(f"unfold: size {size} is not between 0 and the {n} of dim {dim}")
    if step < 1:
        raise RuntimeError(f"unfold: step must be positive, got {step}")
    if input.ndim == 0:
        return reshape(input, (1,))[:size]
    places = np.arange(0, n - size + 1, step)[:, None] + np.arange(size)
    windows = input[(*(slice(None),) * dim, places)]  # [.., n, ..] -> [.., windows, size, ..]
    return movedim(windows, dim + 1, -1)


@method("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices along `dim`, without it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [row.tolist() for row in tg.unbind(tg.tensor([[1, 2], [3, 4]]), 1)]
    [[1, 3], [2, 4]]
    """
    check_tensor("unbind", input)
    if input.ndim == 0:
        raise RuntimeError("unbind: expected at least 1 dimension, got a 0-d tensor")
    before = (slice(None),) * normalize_dim("unbind", dim, input.ndim)
    return tuple(input[(*before, i)] for i in range(input.shape[len(before)]))


# -- moving parts around -----------------------------------------------------------------------


@method("roll")
def roll(
    input: Tensor, shifts: int | tuple[int, ...], dims: int | tuple[int, ...] | None = None
) -> Tensor:
    """Move the elements along `dims` (of the flat tensor, if None); the last come first again.

    Raises
    ------
    RuntimeError
        If there are not as many shifts as dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.roll(tg.arange(4), 1)
    tensor([3, 0, 1, 2])
    """
    if dims is None:
        return reshape(roll(reshape(input, (-1,)), shifts, 0), input.shape)
    shifts = shifts if isinstance(shifts, (tuple, list)) else (shifts,)
    dims = dims if isinstance(dims, (tuple, list)) else (dims,)
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: {len(shifts)} shifts for {len(dims)} dims")
    for shift, dim in zip(shifts, dims, strict=True):
        dim = normalize_dim("roll", dim, input.ndim)
        if math.prod(input.shape) > 1:
            start = -shift % input.shape[dim]
            size = input.shape[dim] - start
            input = cat([narrow(input, dim, start, size), narrow(input, dim, 0, start)], dim)
    return clone(input)


@method("rot90")
def rot90(input: Tensor, k: int = 1, dims: tuple[int, int] = (0, 1)) -> Tensor:
    """Turn a tensor by 90 degrees `k` times in the plane of two dimensions, from the first on.

    Raises
    ------
    RuntimeError
        If `dims` are not two different dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.rot90(tg.tensor([[1, 2], [3, 4]]))
    tensor([[2, 4],
            [1, 3]])
    """
    check_tensor("rot90", input)
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(f"rot90: dims {tuple(dims)} must be two of shape {input.shape}")
    first, second = normalize_dims("rot90", dims, input.ndim)
    if k % 4 == 2:
        return flip(input, (first, second))
    if k % 4 == 1:
        return transpose(flip(input, (second,)), first, second)
    if k % 4 == 3:
        return flip(transpose(input, first, second), (second,))
    return clone(input)
