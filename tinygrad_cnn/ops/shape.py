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
from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dim, normalize_dims
from .devices import is_device, require_cpu


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


@reshape.onnx
def _(onnx, input, out): return onnx.reshape(input, out.shape)


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
    check_tensor("flatten", input)
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
    check_tensor("unflatten", input)
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
    check_tensor("squeeze", input)
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
    check_tensor("unsqueeze", input)
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


@permute.onnx
def _(onnx, input, dims):
    return onnx.node("Transpose", input, perm=[dim % len(dims) for dim in dims])


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


@transpose.onnx
def _(onnx, input, dim0, dim1):
    order = list(range(len(input.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return onnx.node("Transpose", input, perm=order)


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
    check_tensor("t", input)
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
    check_tensor("movedim", input)
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


@flip.onnx
def _(onnx, input, dims):
    if dims == ():
        return input
    dims = normalize_dims("flip", dims, len(input.shape))
    count = len(dims)
    return onnx.node("Slice", input, [-1] * count, [-(2**63)] * count, dims, [-1] * count)


@flip.samples
def _(draw):
    shape = draw.shape(min_dims=1)
    return draw.array(shape), draw.dims(len(shape)) or ()


_method_of_sizes(flip)


@method("fliplr")
def fliplr(input: Tensor) -> Tensor:
    """Return a copy with its second dimension reversed.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    check_tensor("fliplr", input)
    if input.ndim < 2:
        raise RuntimeError(f"fliplr: expected at least 2 dimensions, got shape {input.shape}")
    return flip(input, (1,))


@method("flipud")
def flipud(input: Tensor) -> Tensor:
    """Return a copy with its first dimension reversed.

    Raises
    ------
    RuntimeError
        If there is none.
    """
    check_tensor("flipud", input)
    if input.ndim < 1:
        raise RuntimeError("flipud: expected at least 1 dimension, got a 0-d tensor")
    return flip(input, (0,))


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


@broadcast_to.onnx
def _(onnx, input, out): return onnx.node("Expand", input, out.shape)


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
    check_tensor("tile", input)
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


# -- copies and dtypes -------------------------------------------------------------------------


@op(method=True)
def clone(input: Array) -> Any:
    """Return a copy, in the same order in memory."""
    return np.array(input)


@clone.gradient("input")
def _(g): return g


clone.onnx("Identity")


@op(name="contiguous")
def _contiguous(input: Array) -> Any:
    return np.array(input, order="C")


@_contiguous.gradient("input")
def _(g): return g


_contiguous.onnx("Identity")


@clone.samples
@_contiguous.samples
def _(draw): return (draw.array(draw.shape()),)


@method("contiguous")
def contiguous(input: Tensor, memory_format: Any = None) -> Tensor:
    """Return a copy in C order; the tensor itself if it has it. `memory_format` has no effect."""
    return input if input.is_contiguous() else _contiguous(input)


@op
def to(input: Array, dtype: Any) -> Any:
    """Return a copy in another dtype."""
    with np.errstate(all="ignore"):  # NaN to an integer, a double beyond float32
        return np.asarray(input).astype(dtype)


@to.gradient("input")
def _(g): return g


@to.onnx
def _(onnx, input, out): return onnx.cast(input, out.dtype)


@to.samples
def _(draw): return draw.array(draw.shape()), np.dtype("f8")


@method("to")
def convert(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return the values in another dtype; the tensor itself where nothing changes.

    Also takes a tensor, whose dtype is then meant, or the CPU, where every tensor is already.

    Parameters
    ----------
    input : Tensor
    *args : dtype, device or Tensor
        Also, after these, `non_blocking` and `copy`.
    dtype : dtype, optional
    device : device or str, optional
    non_blocking, memory_format
        Without effect.
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
    check_tensor("to", input)
    flags = [arg for arg in args if isinstance(arg, bool)]  # non_blocking, copy
    copy = copy or flags[1:] == [True]
    for arg in args:
        if isinstance(arg, bool):
            continue
        if isinstance(arg, Tensor):
            dtype = arg.dtype
        elif is_device(arg):
            device = arg
        else:
            dtype = arg
    require_cpu("to", device)
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
    def converted(input: Tensor, memory_format: Any = None) -> Tensor:
        return convert(input, dtype)

    converted.__doc__ = f"Return the values as {dtype}."
    method(name)(converted)


_conversion("half", dtypes.float16)
_conversion("float", dtypes.float32)
_conversion("double", dtypes.float64)
_conversion("byte", dtypes.uint8)
_conversion("char", dtypes.int8)
_conversion("short", dtypes.int16)
_conversion("int", dtypes.int32)
_conversion("long", dtypes.int64)
_conversion("bool", dtypes.bool_)
