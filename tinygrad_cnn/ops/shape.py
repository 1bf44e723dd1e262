"""Shapes and dtypes: views, rearrangements, joining, cutting, padding and conversions.

Four operations make all views of one tensor: `reshape`, `permute` (with `transpose`),
`broadcast_to`, and indexing. The other functions here are spelt in them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import dtypes
from tinygrad_cnn.core.op import Array, Arrays, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import normalize_dim, normalize_dims


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the sizes given as ``(2, 3)`` or as one sequence, ``((2, 3),)``."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return sizes


def _method_of_sizes(function: Callable[..., Tensor]) -> None:
    """Make ``function(input, sizes)`` also the method ``input.function(*sizes)``."""

    def call(input: Tensor, *sizes: Any) -> Tensor:
        return function(input, sizes_of(sizes))

    method(function.__name__)(functools.update_wrapper(call, function, updated=()))


# -- one tensor in another shape ---------------------------------------------------------------


@op(view=True)
def reshape(input: Array, shape: tuple[int, ...]) -> Any:
    """Return the elements, in their order, in another shape; a view where that is possible.

    Parameters
    ----------
    input : Tensor
    shape : tuple of int
        One size may be -1: it follows from the others. As a method also ``x.reshape(2, -1)``.

    Raises
    ------
    RuntimeError
        If `shape` is not one for this number of elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.reshape(tg.arange(6), (2, -1))
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    try:
        result = input.reshape(shape)
    except ValueError:
        result = None
    if result is None or (shape and min(shape) < -1):
        raise RuntimeError(
            f"reshape: shape {tuple(shape)} is invalid for {np.size(input)} elements"
        )
    return result


@reshape.gradient("input")
def _(g, input_shape): return reshape(g, input_shape)


@reshape.samples
def _(draw):
    full = draw.shape()
    count = math.prod(full)
    return draw.array(full), draw.choice([(-1,), (count,), full[::-1], (1, *full, 1), (count, -1)])


_method_of_sizes(reshape)


@method("view")
def view(input: Tensor, *shape: Any) -> Tensor:
    """Return the elements, in their order, in another shape, sharing their memory.

    Raises
    ------
    RuntimeError
        If that needs a copy, or `shape` is not one for this number of elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.arange(6).view(3, 2).shape
    (3, 2)
    """
    result = reshape(input, sizes_of(shape))
    data = input.data
    if (
        data.flags.c_contiguous
        or data.size == 0
        or np.may_share_memory(result.data, data)
        or _dense_images(data)
    ):
        return result
    raise RuntimeError(
        f"view: shape {result.shape} needs a copy of the tensor of shape {input.shape} "
        f"and strides {data.strides} bytes; use reshape"
    )


def _dense_images(data: np.ndarray) -> bool:
    # Convolution and pooling leave their results in an order in memory of their own, of which a
    # program that flattens them by `view` need not know: these are copied.
    order = sorted(range(data.ndim), key=lambda dim: -data.strides[dim])
    return data.ndim == 4 and data.transpose(order).flags.c_contiguous


@method("view_as")
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input.view(other.shape)``."""
    return view(input, other.shape)


@method("reshape_as")
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Return ``input.reshape(other.shape)``."""
    return reshape(input, other.shape)


@method("flatten")
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Join the dimensions from `start_dim` to `end_dim`, both included, into one.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If `start_dim` comes after `end_dim`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.flatten(tg.zeros(2, 3, 4), 1).shape
    (2, 12)
    """
    shape = input.shape
    start = normalize_dim("flatten", start_dim, len(shape))
    end = normalize_dim("flatten", end_dim, len(shape))
    if start > end:
        raise RuntimeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    if start == end and shape:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@method("ravel")
def ravel(input: Tensor) -> Tensor:
    """Return the elements, in their order, as a vector."""
    return reshape(input, (-1,))


@method("unflatten")
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the dimension `dim` into several, of which one may be -1.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.unflatten(tg.zeros(2, 12), 1, (3, -1)).shape
    (2, 3, 4)
    """
    dim = normalize_dim("unflatten", dim, input.ndim)
    try:
        # of the sizes alone, so that -1 stands for what is left of this dimension
        inner = np.broadcast_to(0, input.shape[dim : dim + 1]).reshape(sizes).shape
    except ValueError:
        raise RuntimeError(
            f"unflatten: sizes {tuple(sizes)} do not multiply to the {input.shape[dim]} "
            f"of dim {dim}"
        ) from None
    return reshape(input, (*input.shape[:dim], *inner, *input.shape[dim + 1 :]))


@method("squeeze")
def squeeze(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove the dimensions of size 1: all, or those of `dim` that have it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.zeros(1, 3, 1)
    >>> x.squeeze().shape, x.squeeze(0).shape, x.squeeze((0, 1)).shape
    ((3,), (3, 1), (3, 1))
    """
    dims = () if dim == () else normalize_dims("squeeze", dim, input.ndim)
    return reshape(input, tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims))


@method("unsqueeze")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert a dimension of size 1 at `dim`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.zeros(3).unsqueeze(0).shape, tg.zeros(3).unsqueeze(-1).shape
    ((1, 3), (3, 1))
    """
    dim = normalize_dim("unsqueeze", dim, input.ndim + 1)
    return reshape(input, (*input.shape[:dim], 1, *input.shape[dim:]))


# -- dimensions in another order ---------------------------------------------------------------


@op(view=True)
def permute(input: Array, dims: tuple[int, ...]) -> Any:
    """Return a view with the dimensions in the order `dims`.

    As a method also ``x.permute(2, 0, 1)``.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If `dims` does not name each once.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.permute(tg.zeros(2, 3, 4), (2, 0, 1)).shape
    (4, 2, 3)
    """
    order = [normalize_dim("permute", dim, input.ndim) for dim in dims]
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(
            f"permute: dims {tuple(dims)} must name each of {input.ndim} dimensions once"
        )
    return input.transpose(order)


@permute.gradient("input")
def _(g, dims): return permute(g, tuple(int(i) for i in np.argsort([d % g.ndim for d in dims])))


@permute.samples
def _(draw):
    shape = draw.shape()
    dims = draw.rng.permutation(len(shape))
    return draw.array(shape), tuple(int(d) - (len(shape) if draw.boolean() else 0) for d in dims)


_method_of_sizes(permute)


@op(method=True, view=True)
def transpose(input: Array, dim0: int, dim1: int) -> Any:
    """Return a view with two dimensions swapped.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.transpose(tg.zeros(2, 3, 4), 0, -1).shape
    (4, 3, 2)
    """
    first = normalize_dim("transpose", dim0, input.ndim)
    second = normalize_dim("transpose", dim1, input.ndim)
    return input.swapaxes(first, second) if input.ndim else input


@transpose.gradient("input")
def _(g, dim0, dim1): return transpose(g, dim0, dim1)


@transpose.samples
def _(draw):
    shape = draw.shape()
    return draw.array(shape), draw.dim(len(shape) or 1), draw.dim(len(shape) or 1)


@method("swapaxes")
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Return ``transpose(input, axis0, axis1)``."""
    return transpose(input, axis0, axis1)


@method("swapdims")
def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Return ``transpose(input, dim0, dim1)``."""
    return transpose(input, dim0, dim1)


@method("t")
def t(input: Tensor) -> Tensor:
    """Return the transpose of a matrix; vectors and numbers stay as they are.

    Raises
    ------
    RuntimeError
        If there are more than two dimensions.
    """
    if input.ndim > 2:
        raise RuntimeError(f"t: expected at most 2 dimensions, got shape {input.shape}")
    return _reversed(input)


@method("T", as_property=True)
def _reversed(input: Tensor) -> Tensor:
    """The view with all dimensions in reverse order."""
    return permute(input, tuple(range(input.ndim))[::-1]) if input.ndim > 1 else input


@method("mT", as_property=True)
@method("mH", as_property=True)
def _matrix_transpose(input: Tensor) -> Tensor:
    """The view with the last two dimensions swapped; mH is the same, as numbers are real."""
    if input.ndim < 2:
        raise RuntimeError(f"mT: expected at least 2 dimensions, got shape {input.shape}")
    return transpose(input, -2, -1)


@method("movedim")
def movedim(
    input: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...]
) -> Tensor:
    """Move the dimensions `source` to the places `destination`; the others keep their order.

    Raises
    ------
    RuntimeError
        If they differ in number, or one is named twice.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.movedim(tg.zeros(2, 3, 4), 0, -1).shape
    (3, 4, 2)
    """
    source = normalize_dims("movedim", source, input.ndim)
    destination = normalize_dims("movedim", destination, input.ndim)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: source names {len(source)} dimensions, destination {len(destination)}"
        )
    order = [dim for dim in range(input.ndim) if dim not in source]
    for place, dim in sorted(zip(destination, source, strict=True)):
        order.insert(place, dim)
    return permute(input, tuple(order))


@op
def flip(input: Array, dims: tuple[int, ...]) -> Any:
    """Return a copy with the order of the elements reversed along `dims`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.flip(tg.arange(3), (0,))
    tensor([2, 1, 0])
    """
    return np.flip(input, () if dims == () else normalize_dims("flip", dims, input.ndim)).copy()


@flip.gradient("input")
def _(g, dims): return flip(g, dims)


@flip.samples
def _(draw):
    shape = draw.shape(min_dims=1)
    return draw.array(shape), draw.dims(len(shape)) or ()


_method_of_sizes(flip)


# -- broadcasting ------------------------------------------------------------------------------


@op(method="broadcast_to", view=True)
def broadcast_to(input: Array, size: tuple[int, ...]) -> Any:
    """Return a read-only view broadcast to shape `size`.

    Raises
    ------
    RuntimeError
        If the shape does not broadcast to it.
    """
    try:
        return np.broadcast_to(input, size)
    except ValueError:
        raise RuntimeError(
            f"broadcast_to: shape {np.shape(input)} does not broadcast to {tuple(size)}"
        ) from None


@broadcast_to.gradient("input")
def _(g, input_shape): return sum_to_size(g, input_shape)


@broadcast_to.samples
def _(draw):
    small, _ = draw.broadcastable(2)
    full = tuple(draw.integer(0, 3) if n == 1 else n for n in small)
    return draw.array(small), draw.shape(max_dims=1) + full


@op
def sum_to_size(input: Array, size: tuple[int, ...]) -> Any:
    """Sum over the axes along which an array of shape `size` was broadcast to `input`'s shape.

    Raises
    ------
    RuntimeError
        If it was not.
    """
    shape = input.shape
    lead = len(shape) - len(size)
    inner = shape[lead:] if lead >= 0 else ()
    if len(inner) != len(size) or any(
        n not in (m, 1) for n, m in zip(size, inner, strict=True)
    ):
        raise RuntimeError(
            f"sum_to_size: shape {tuple(size)} does not broadcast to the input's {shape}"
        )
    axes = [i + lead for i, n in enumerate(size) if n == 1 and inner[i] != 1]
    wide = np.float32 if input.dtype == np.float16 else None  # in which such sums are exact enough
    total = np.sum(input, axis=(*range(lead), *axes), dtype=wide).reshape(size)
    return total if wide is None else total.astype(input.dtype)


@sum_to_size.gradient("input")
def _(g, input_shape): return broadcast_to(g, input_shape)


@sum_to_size.samples
def _(draw):
    shape = draw.shape()
    size = tuple(1 if draw.boolean() else n for n in shape)
    return draw.array(shape), size[draw.integer(0, len(size)) :]


_method_of_sizes(sum_to_size)


@method("expand")
def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Return a read-only view broadcast to `sizes`, in which -1 keeps a dimension's size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    size = sizes_of(sizes)
    lead = len(size) - input.ndim
    if lead < 0 or -1 in size[:lead]:
        raise RuntimeError(f"expand: shape {input.shape} does not broadcast to {size}")
    return broadcast_to(
        input, tuple(input.shape[i - lead] if n == -1 else n for i, n in enumerate(size))
    )


@method("expand_as")
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """Return a read-only view broadcast to the shape of `other`."""
    return broadcast_to(input, other.shape)


@method("repeat")
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """Return the tensor copied `repeats` times along each dimension, new ones first.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    counts = sizes_of(repeats)
    if len(counts) < input.ndim or min(counts, default=0) < 0:
        raise RuntimeError(
            f"repeat: repeats {counts} must give a count for each dimension of {input.shape}"
        )
    shape = (1,) * (len(counts) - input.ndim) + input.shape
    # [n, m] -> [1, n, 1, m] -> [r, n, s, m] -> [r n, s m]
    apart = reshape(input, tuple(side for n in shape for side in (1, n)))
    wide = tuple(side for r, n in zip(counts, shape, strict=True) for side in (r, n))
    joined = tuple(r * n for r, n in zip(counts, shape, strict=True))
    return reshape(clone(broadcast_to(apart, wide)), joined)


def tile(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    """Return the tensor copied `dims` times along its last dimensions, or along new ones too.

    As a method also ``x.tile(2, 2)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tile(tg.tensor([[1, 2]]), (2,))
    tensor([[1, 2, 1, 2]])
    """
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


_method_of_sizes(tile)


@method("repeat_interleave")
def repeat_interleave(
    input: Tensor, repeats: int | Sequence[int] | Tensor, dim: int | None = None
) -> Tensor:
    """Return each slice along `dim` (of the flat tensor, if None) copied a number of times.

    Parameters
    ----------
    input : Tensor
    repeats : int, or Tensor or sequence of int
        How often: one number for all, or one for each slice.
    dim : int, optional

    Raises
    ------
    RuntimeError
        If a number is negative, or they are not as many as the slices.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.repeat_interleave(tg.tensor([1, 2]), tg.tensor([1, 3]))
    tensor([1, 2, 2, 2])
    """
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    dim = normalize_dim("repeat_interleave", dim, input.ndim)
    counts = np.asarray(repeats.data if isinstance(repeats, Tensor) else repeats)
    size = input.shape[dim] if input.ndim else 1
    if counts.dtype.kind not in "iu" or counts.ndim > 1 or (counts < 0).any():
        raise RuntimeError(f"repeat_interleave: repeats must be counts, got {counts.tolist()}")
    if counts.size not in (1, size):
        raise RuntimeError(
            f"repeat_interleave: {counts.size} repeats for the {size} slices of dim {dim}"
        )
    places = np.repeat(np.arange(size), counts)
    return reshape(input, input.shape or (1,))[(*(slice(None),) * dim, places)]


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


# -- diagonals ---------------------------------------------------------------------------------


@op(method=True, view=True)
def diagonal(input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a view of the diagonals of the planes of two dimensions, as a new last dimension.

    Parameters
    ----------
    input : Tensor
    offset : int
        How far above the main diagonal.
    dim1, dim2 : int

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If both are the same.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diagonal(tg.arange(6).reshape(2, 3), 1)
    tensor([1, 5])
    """
    first, second = _plane("diagonal", input.ndim, dim1, dim2)
    result = input.diagonal(offset, first, second)
    if input.flags.writeable:
        result.flags.writeable = True
    return result


@diagonal.gradient("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


@op
def diagonal_backward(
    g: Array, shape: tuple[int, ...], offset: int, dim1: int, dim2: int
) -> Any:
    """Return zeros of `shape` with `g` on its diagonals: the gradient of `diagonal`."""
    result = np.zeros(shape, g.dtype)
    diagonal(result, offset, dim1, dim2)[...] = g
    return result


@diagonal_backward.gradient("g")
def _(g, offset, dim1, dim2): return diagonal(g, offset, dim1, dim2)


def _draw_plane(draw: Any) -> Any:
    shape = draw.shape(min_dims=2)
    first, second = (int(dim) for dim in draw.rng.permutation(len(shape))[:2])
    return shape, draw.integer(-2, 2), first - len(shape) * draw.boolean(), second


@diagonal.samples
def _(draw):
    shape, *options = _draw_plane(draw)
    return draw.array(shape), *options


@diagonal_backward.samples
def _(draw):
    shape, *options = _draw_plane(draw)
    return draw.array(diagonal(np.empty(shape), *options).shape), shape, *options


def _plane(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = normalize_dim(name, dim1, ndim), normalize_dim(name, dim2, ndim)
    if first == second:
        raise RuntimeError(f"{name}: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return first, second


@method("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return zeros with the last dimension of `input` on the diagonals of a plane `dim1`, `dim2`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diag_embed(tg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 0:
        raise RuntimeError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    first, second = sorted(_plane("diag_embed", input.ndim + 1, dim1, dim2))
    shape, side = list(input.shape[:-1]), input.shape[-1] + abs(offset)
    shape.insert(first, side)
    shape.insert(second, side)
    return diagonal_backward(input, tuple(shape), offset, dim1, dim2)


@method("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return a vector as the diagonal of a matrix, or a copy of the diagonal of a matrix.

    Raises
    ------
    RuntimeError
        If it is neither.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diag(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    return diag_embed(input, diagonal) if input.ndim == 1 else clone(_diagonal_of(input, diagonal))


_diagonal_of = diagonal  # `diag` has an argument of this name


# -- joining and cutting -----------------------------------------------------------------------


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


@stack.samples
def _(draw):
    shape = draw.shape()
    tensors = [draw.array(shape) for _ in range(draw.integer(1, 3))]
    return tensors, draw.dim(len(shape) + 1)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join tensors along their second dimension; vectors along their only one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.hstack([tg.tensor([1, 2]), tg.tensor(3)])
    tensor([1, 2, 3])
    """
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
    rows = [reshape(x, (1, -1)) if x.ndim < 2 else x for x in tensors]
    return cat([unsqueeze(x, 2) if x.ndim == 2 else x for x in rows], 2)


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


@method("narrow")
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """Return a view of `length` slices along `dim`, from `start` on.

    Raises
    ------
    RuntimeError
        If the slices are not all there.
    """
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
    dim = normalize_dim("chunk", dim, input.ndim)
    if chunks < 1:
        raise RuntimeError(f"chunk: chunks must be at least 1, got {chunks}")
    size = -(-input.shape[dim] // chunks)
    return split(input, size if size else [0] * chunks, dim)


@method("tensor_split")
def tensor_split(
    input: Tensor, indices_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Cut a tensor along `dim` into a number of views of nearly one size, or at the indices.

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
    if input.ndim == 0:
        raise RuntimeError("tensor_split: expected at least 1 dimension, got a 0-d tensor")
    dim = normalize_dim("tensor_split", dim, input.ndim)
    size = input.shape[dim]
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count < 1:
            raise RuntimeError(f"tensor_split: the number must be positive, got {count}")
        large = size % count  # so many parts are one longer
        cuts = [i * (size // count) + min(i, large) for i in range(1, count)]
    else:
        cuts = list(indices_or_sections)
    before = (slice(None),) * dim
    ends = zip([0, *cuts], [*cuts, size], strict=True)
    return tuple(input[(*before, slice(start, stop))] for start, stop in ends)


@method("unbind")
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Return the slices along `dim`, without it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [row.tolist() for row in tg.unbind(tg.tensor([[1, 2], [3, 4]]), 1)]
    [[1, 3], [2, 4]]
    """
    if input.ndim == 0:
        raise RuntimeError("unbind: expected at least 1 dimension, got a 0-d tensor")
    before = (slice(None),) * normalize_dim("unbind", dim, input.ndim)
    return tuple(input[(*before, i)] for i in range(input.shape[len(before)]))


# -- padding and masking by place --------------------------------------------------------------


@op(name="pad")
def _pad(input: Array, pad: tuple[int, ...], value: float = 0) -> Any:
    befores, afters = _per_dim(pad, input.ndim)
    shape = tuple(n + b + a for n, b, a in zip(input.shape, befores, afters, strict=True))
    if min(shape, default=0) < 0:
        raise RuntimeError(f"pad: {tuple(pad)} crops more than there is in shape {input.shape}")
    result = np.full(shape, value, input.dtype)
    # an input element i lands on i + before; negative ones crop
    source = tuple(
        slice(max(-b, 0), n - max(-a, 0))
        for n, b, a in zip(input.shape, befores, afters, strict=True)
    )
    target = tuple(
        slice(max(b, 0), n - max(a, 0)) for n, b, a in zip(shape, befores, afters, strict=True)
    )
    result[target] = input[source]
    return result


@_pad.gradient("input")
def _(g, pad): return _pad(g, tuple(-n for n in pad))


@_pad.samples
def _(draw):
    shape = draw.shape(max_dims=3, min_side=2)
    sides = draw.integer(0, len(shape))
    return draw.array(shape), tuple(draw.integer(-1, 2) for _ in range(2 * sides)), 0.5


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad a tensor, or crop it where a width is negative.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        Widths ``(left, right, top, bottom, ...)``: a pair for each dimension from the last on.
    mode : {"constant", "reflect", "replicate", "circular"}
        What to pad with: `value`; or, from the tensor itself, its mirror image without the
        border, its border, its other end.
    value : float, optional
        0 where not given.

    Raises
    ------
    ValueError
        If there is no such mode.
    RuntimeError
        If the widths are not pairs, are too many, or do not fit the size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.pad(tg.tensor([[1, 2, 3]]), (1, 1))
    tensor([[0, 1, 2, 3, 0]])
    >>> tg.nn.functional.pad(tg.tensor([[1, 2, 3]]), (2, 0), mode="reflect")
    tensor([[3, 2, 1, 2, 3]])
    """
    if mode == "constant":
        return _pad(input, tuple(pad), 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}")
    if value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    for dim, (before, after) in enumerate(zip(*_per_dim(pad, input.ndim), strict=True)):
        if not before and not after:
            continue
        size = input.shape[dim]
        kept = size + min(before, 0) + min(after, 0)
        widest = {"reflect": size - 1, "replicate": math.inf if size else 0, "circular": kept}
        if kept < 0 or max(before, after) > widest[mode]:
            raise RuntimeError(f"pad: {mode} by {(before, after)} does not fit dim {dim} of {size}")
        places = np.arange(-before, size + after)
        if mode == "reflect":
            index = size - 1 - np.abs(size - 1 - np.abs(places))
        elif mode == "replicate":
            index = np.clip(places, 0, size - 1)
        else:  # of what is left after cropping
            index = (places - max(-before, 0)) % max(kept, 1) + max(-before, 0)
        input = input[(*(slice(None),) * dim, index)]
    return input


def _per_dim(pad: Sequence[int], ndim: int) -> tuple[list[int], list[int]]:
    """Return the widths before and after each dimension."""
    if len(pad) % 2 or len(pad) > 2 * ndim:
        raise RuntimeError(
            f"pad: expected up to {ndim} pairs of widths for {ndim} dimensions, got {tuple(pad)}"
        )
    rest = [0] * (ndim - len(pad) // 2)
    return rest + list(pad[-2::-2]), rest + list(pad[::-2])


@op(method=True)
def tril(input: Array, diagonal: int = 0) -> Any:
    """Return the lower triangle of matrices, up to a diagonal, and 0 above."""
    return np.tril(_matrices("tril", input), diagonal)


@tril.gradient("input")
def _(g, diagonal): return tril(g, diagonal)


@op(method=True)
def triu(input: Array, diagonal: int = 0) -> Any:
    """Return the upper triangle of matrices, from a diagonal on, and 0 below."""
    return np.triu(_matrices("triu", input), diagonal)


@triu.gradient("input")
def _(g, diagonal): return triu(g, diagonal)


@tril.samples
@triu.samples
def _(draw): return draw.array(draw.shape(min_dims=2)), draw.integer(-2, 2)


def _matrices(name: str, input: Any) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: expected at least 2 dimensions, got shape {input.shape}")
    return input


# -- copies and dtypes -------------------------------------------------------------------------


@op(method=True)
def clone(input: Array) -> Any:
    """Return a copy, in the same order in memory."""
    return np.array(input)


@clone.gradient("input")
def _(g): return g


@op(name="contiguous")
def _contiguous(input: Array) -> Any:
    return np.array(input, order="C")


@_contiguous.gradient("input")
def _(g): return g


@clone.samples
@_contiguous.samples
def _(draw): return (draw.array(draw.shape()),)


@method("contiguous")
def contiguous(input: Tensor) -> Tensor:
    """Return a copy in C order; the tensor itself if it has it."""
    return input if input.is_contiguous() else _contiguous(input)


@op
def to(input: Array, dtype: Any) -> Any:
    """Return a copy in another dtype."""
    with np.errstate(all="ignore"):  # NaN to an integer, a double beyond float32
        return np.asarray(input).astype(dtype)


@to.gradient("input")
def _(g): return g


@to.samples
def _(draw): return draw.array(draw.shape()), np.dtype("f8")


@method("to")
def convert(
    input: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False
) -> Tensor:
    """Return the values in another dtype; the tensor itself where nothing changes.

    Also takes a tensor, whose dtype is then meant, or ``"cpu"``, where every tensor is already.

    Parameters
    ----------
    input : Tensor
    *args : dtype, Tensor or "cpu"
    dtype : dtype, optional
    device : "cpu", optional
    copy : bool
        Copy even where nothing changes.

    Raises
    ------
    TypeError
        If there is no such dtype.
    RuntimeError
        If it is asked for another device.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensor([1.7, -1.7]).to(tg.int64)
    tensor([ 1, -1])
    """
    for arg in args:
        if isinstance(arg, Tensor):
            dtype = arg.dtype
        elif isinstance(arg, str) and arg.partition(":")[0] in ("cpu", "cuda", "mps"):
            device = arg
        else:
            dtype = arg
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise RuntimeError(f"to: every tensor is on the CPU, got device {device!r}")
    dtype = input.dtype if dtype is None else as_dtype("to", dtype)
    if dtype == input.dtype:
        return clone(input) if copy else input
    return to(input if dtype.kind == "f" else input.detach(), dtype)


def as_dtype(name: str, dtype: Any) -> np.dtype:
    """Return the NumPy dtype; TypeError where it is not one of numbers."""
    try:
        result = np.dtype(dtype)
    except TypeError:
        result = None
    if result is None or result.kind not in "biuf":
        raise TypeError(f"{name}: expected a dtype of numbers, got {dtype!r}")
    return result


@method("type")
def _type(input: Tensor, dtype: Any) -> Tensor:
    """Return the values in another dtype; see `to`."""
    return convert(input, dtype)


@method("type_as")
def _type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return the values in the dtype of `other`."""
    return convert(input, other.dtype)


def _conversion(name: str, dtype: np.dtype) -> None:
    def converted(input: Tensor) -> Tensor:
        return convert(input, dtype)

    converted.__doc__ = f"Return the values as {dtype}."
    method(name)(converted)


_conversion("half", dtypes.float16)
_conversion("float", dtypes.float32)
_conversion("double", dtypes.float64)
_conversion("int", dtypes.int32)
_conversion("long", dtypes.int64)
_conversion("bool", dtypes.bool_)
