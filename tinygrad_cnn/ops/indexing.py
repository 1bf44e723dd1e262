"""Reading and writing by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import grad_mode
from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor, as_array, changed_in_place, tensor_from
from tinygrad_cnn.dtypes import int64

from ._dims import check_tensor, normalize_dim
from .elementwise import where
from .shape import broadcast_to, convert, reshape, sum_to_size

# -- x[index] ----------------------------------------------------------------------------------


class _Twice(tuple[Any, Any]):
    """Two indices, of which the second applies to what the first gives.

    Where integers and arrays are mixed with slices, NumPy counts an integer as an array when it
    places the arrays' dimensions: ``zeros((3, 4, 5))[0, :, [0, 1]]`` has shape (2, 4). PyTorch
    takes the integers first, and has (4, 2).
    """


@op(name="getitem", view=True)
def _getitem(input: Array, index: Any) -> Any:
    try:
        input, index = _last(input, index)
        result = input[index]
        if isinstance(result, np.generic):  # with the dots, NumPy gives a view of no dimensions
            result = input[(*index, ...) if isinstance(index, tuple) else (index, ...)]
        return result
    except IndexError as error:
        raise _error("getitem", error) from None


@_getitem.gradient("input")
def _(g, index, input_shape): return getitem_backward(g, index, input_shape)


@_getitem.onnx
def _(onnx, input, index, out):
    if isinstance(index, _Twice):
        raise NotImplementedError("an index of integers and arrays has no translation")
    parts = index if isinstance(index, tuple) else (index,)
    if sum(isinstance(part, np.ndarray) for part in parts) > 1:
        raise NotImplementedError("an index of several arrays has no translation")
    dims = sum(part is not None and part is not ... for part in parts)
    slices, gathers, dim = [], [], 0
    for part in parts:
        if part is ...:
            dim += len(input.shape) - dims
        elif isinstance(part, slice):
            if part != slice(None):
                stop = 2**63 - 1 if part.stop is None else part.stop
                slices.append((part.start or 0, stop, dim, part.step or 1))
            dim += 1
        elif isinstance(part, int) or (isinstance(part, np.ndarray) and part.dtype.kind in "iu"):
            gathers.append((np.array(part, np.int64), dim))
            dim += 1
        elif part is not None:
            raise NotImplementedError("an index of booleans has no translation")
    if slices:
        input = onnx.node("Slice", input, *zip(*slices, strict=True))
    for places, axis in reversed(gathers):  # the last first: an integer takes its dimension away
        input = onnx.node("Gather", input, places, axis=axis)
    return onnx.reshape(input, out.shape) if any(part is None for part in parts) else input


@op
def getitem_backward(g: Array, index: Any, shape: tuple[int, ...]) -> Any:
    """Return zeros of `shape` with `g` added at `index`: the gradient of ``x[index]``."""
    result = np.zeros(shape, g.dtype)
    target, index = _last(result, index)
    if _may_repeat(index):
        np.add.at(target, index, g)
    else:
        target[index] = g
    return result


@getitem_backward.gradient("g")
def _(g, index): return _getitem(g, index)


@op(name="index_put")
def _index_put(input: Array, index: Any, value: Array) -> Any:
    result = np.array(input)
    _write(result, index, value)
    return result


@_index_put.gradient("input")
def _(g, index): return _index_put(g, index, 0)


@_index_put.gradient("value")
def _(g, index, value_shape): return sum_to_size(_getitem(g, index), value_shape)


def _draw_index(draw: Any, shape: tuple[int, ...], distinct: bool) -> Any:
    """Draw an index of each kind for each of some dimensions; `distinct`: no element twice."""
    length = draw.integer(1, min(shape, default=1) if distinct else 3)
    arrays = draw.boolean()
    count = draw.integer(0, len(shape))
    dots = draw.integer(0, count) if draw.boolean() else count  # those before the dots
    parts: list[Any] = []
    for size in shape[:dots] + shape[len(shape) - count + dots :]:
        kind = draw.choice(["slice", "int", "fancy"])
        if kind == "int":
            parts.append(draw.integer(-size, size - 1))
        elif kind == "slice" or (not arrays and any(isinstance(p, np.ndarray) for p in parts)):
            parts.append(slice(draw.integer(0, 1), draw.integer(1, size), draw.integer(1, 2)))
        elif not arrays:
            parts.append(draw.mask((size,)))
        elif distinct:
            parts.append(draw.rng.permutation(size)[:length])
        else:
            parts.append(draw.integers((length,), -size, size - 1))
    if dots < count or draw.boolean():
        parts.insert(dots, ...)
    if draw.boolean():
        parts.insert(draw.integer(0, len(parts)), None)
    return _normalized(parts[0] if len(parts) == 1 else tuple(parts), keep=False)


@_getitem.samples
def _(draw):
    shape = draw.shape(max_dims=4)
    return draw.array(shape), _draw_index(draw, shape, distinct=False)


@getitem_backward.samples
def _(draw):
    shape = draw.shape(max_dims=4)
    index = _draw_index(draw, shape, distinct=False)
    return draw.array(_getitem(np.empty(shape), index).shape), index, shape


@_index_put.samples
def _(draw):
    shape = draw.shape(max_dims=4)
    index = _draw_index(draw, shape, distinct=True)
    target = _getitem(np.empty(shape), index).shape
    small = tuple(1 if draw.boolean() else n for n in target)
    return draw.array(shape), index, draw.array(small[draw.integer(0, len(small)) :])


@method(operator="[]")
def getitem(input: Tensor, index: Any) -> Tensor:
    """Return ``input[index]``, as in PyTorch.

    Integers, slices, ``...`` and None give a view. Integer and boolean tensors, arrays and lists
    give a copy; they may be mixed with the others.

    Raises
    ------
    IndexError
        If an index is out of range or of another type, or there are too many.
    ValueError
        If the step of a slice is not positive.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(6).reshape(2, 3)
    >>> x[0, 1:], x[:, [2, 0]], x[x > 3]
    (tensor([1, 2]), tensor([[2, 0],
            [5, 3]]), tensor([4, 5]))
    """
    if index.__class__ is not int:
        index = _normalized(index, keep=input.requires_grad)
    return _getitem(input, index)


@method("__setitem__")
def setitem(input: Tensor, index: Any, value: Any) -> None:
    """Write `value`, broadcast and cast, to ``input[index]``; see `getitem` for the index.

    It is an in-place operation: recorded where `input` or `value` requires grad. An element that
    the index names twice takes the last of its values; the gradient goes to both.

    Raises
    ------
    IndexError
        If an index is out of range or of another type, or there are too many.
    RuntimeError
        If `value` does not broadcast to the indexed shape, or `input` cannot be changed in place.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.zeros(2, 3)
    >>> x[:, 1] = tg.tensor([1.0, 2.0])
    >>> x
    tensor([[0., 1., 0.],
            [0., 2., 0.]])
    """
    index = _normalized(index, keep=True)
    if not isinstance(value, Tensor):
        value = tensor_from(as_array(value, input.dtype))
    while value.ndim and value.shape[0] == 1:  # as to broadcasting, leading ones make no difference
        value = reshape(value, value.shape[1:])
    if grad_mode.get() and (input.requires_grad or value.requires_grad):
        input._assign(_index_put(input, index, value), "setitem")
    else:
        _write(input.data, index, value.data)
        changed_in_place(input)


def _write(array: np.ndarray, index: Any, value: Any) -> None:
    if not array.flags.writeable:
        raise RuntimeError(
            "setitem: the tensor is read-only (expanded, or of a read-only array); clone() it first"
        )
    try:
        array, index = _last(array, index)
        with np.errstate(all="ignore"):  # a cast may overflow
            array[index] = value
    except IndexError as error:
        raise _error("setitem", error) from None
    except (ValueError, TypeError) as error:  # the latter where a mask meets several dimensions
        raise RuntimeError(f"setitem: {error}") from None


def _last(array: Any, index: Any) -> tuple[Any, Any]:
    """Return what the last step of an index applies to, and that step."""
    return (array[index[0]], index[1]) if index.__class__ is _Twice else (array, index)


def _may_repeat(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, np.ndarray) and part.dtype.kind != "b" for part in parts)


def _error(name: str, error: IndexError) -> IndexError:
    return IndexError(f"{name}: {error}".replace("axis", "dimension"))


_BASIC = frozenset([int, slice, type(None), type(Ellipsis)])


def _normalized(index: Any, keep: bool) -> Any:
    """Return an index for NumPy that means what `index` means in PyTorch.

    With `keep`, arrays are copied: those of the graph must not change under it.
    """
    parts = index if index.__class__ is tuple else (index,)
    kinds = {part.__class__ for part in parts}
    if not kinds <= _BASIC:
        parts = tuple([_part(part, keep) for part in parts])
        kinds = {part.__class__ for part in parts}
    if slice in kinds:
        for part in parts:
            if part.__class__ is slice and part.step is not None and part.step < 1:
                raise ValueError(f"index: the step of a slice must be positive, got {part.step}")
    if {int, np.ndarray} <= kinds and not kinds <= {int, np.ndarray}:
        return _integers_first(parts)
    return parts


def _part(part: Any, keep: bool) -> Any:
    """Return one index as an int, slice, None, Ellipsis, bool or ndarray."""
    if part.__class__ in _BASIC or isinstance(part, bool):
        return part
    if isinstance(part, Tensor):
        part = part.data
    elif isinstance(part, (list, tuple, range)):
        part = as_array(part) if len(part) else np.empty(0, int64)
    if isinstance(part, (np.ndarray, np.generic)) and part.dtype.kind in "iub":
        return (part.copy() if keep else part) if part.ndim else part.item()
    what = f"an array of {part.dtype}" if hasattr(part, "dtype") else type(part).__name__
    raise IndexError(
        f"index: expected integers, slices, None, ... or arrays of integers or bools, got {what}"
    )


def _integers_first(parts: tuple[Any, ...]) -> _Twice:
    first: list[Any] = []
    second: list[Any] = []
    for part in parts:
        if part.__class__ is int:
            first.append(part)
        elif isinstance(part, np.ndarray):
            first += [slice(None)] * (part.ndim if part.dtype.kind == "b" else 1)
            second.append(part)
        elif part is Ellipsis:
            first.append(part)
            second.append(part)
        else:
            first.append(part)
            second.append(slice(None))
    return _Twice((tuple(first), tuple(second)))


@method("index_put", inplace=True)
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with `values`, broadcast, written to ``input[indices]``, or added there.

    Parameters
    ----------
    input : Tensor
    indices : tuple
        An index as of `getitem`.
    values : Tensor
        Of the dtype of `input`.
    accumulate : bool
        Add the values, all where an element is named several times. Otherwise the last is
        written, and the gradient goes to all.

    Raises
    ------
    IndexError
        If an index is out of range or of another type, or there are too many.
    RuntimeError
        If the dtypes differ, or `values` does not broadcast to the indexed shape.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> index = (tg.tensor([0, 2, 2]),)
    >>> tg.index_put(tg.zeros(3), index, tg.tensor([1.0, 2.0, 3.0]), accumulate=True)
    tensor([1., 0., 5.])
    """
    check_tensor("index_put", input)
    check_tensor("index_put", values, "values")
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put: indices must be a tuple, got {type(indices).__name__}")
    if values.dtype != input.dtype:
        raise RuntimeError(f"index_put: input is {input.dtype}, values {values.dtype}")
    index = _normalized(tuple(indices), keep=True)
    if not accumulate:
        return _index_put(input, index, values)
    places = _getitem(np.broadcast_to(0, input.shape), index)
    return input + getitem_backward(broadcast_to(values, places.shape), index, input.shape)


@method("select")
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """Return a view of the slice number `index` along `dim`, without that dimension.

    Raises
    ------
    IndexError
        If there is no such dimension, or no such slice.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.select(tg.tensor([[1, 2], [3, 4]]), 1, -1)
    tensor([2, 4])
    """
    check_tensor("select", input)
    if input.ndim == 0:
        raise IndexError("select: expected at least 1 dimension, got a 0-d tensor")
    return input[(*(slice(None),) * normalize_dim("select", dim, input.ndim), index)]


# -- in the flat tensor ------------------------------------------------------------------------


@method("take")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Pick elements of the flat tensor; the result has the shape of `index`.

    Raises
    ------
    IndexError
        If an index is out of range; a negative one counts from the end.
    RuntimeError
        If `index` is not of integers.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.take(tg.tensor([[1, 2], [3, 4]]), tg.tensor([0, -1]))
    tensor([1, 4])
    """
    check_tensor("take", input)
    _check_integers("take", index)
    return reshape(input, (-1,))[index]


@method("put", inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Return `input` with each element of `source` written to its index in the flat tensor.

    Otherwise as `index_put`; ``RuntimeError`` also where `index` is not of integers, or `source`
    has not as many elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.put(tg.tensor([[1, 2], [3, 4]]), tg.tensor([0, -1]), tg.tensor([5, 6]))
    tensor([[5, 2],
            [3, 6]])
    """
    check_tensor("put", input)
    _check_integers("put", index)
    check_tensor("put", source, "source")
    if index.numel() != source.numel():
        raise RuntimeError(f"put: {index.numel()} indices for {source.numel()} elements")
    places, values = reshape(index, (-1,)), reshape(source, (-1,))
    return reshape(index_put(reshape(input, (-1,)), (places,), values, accumulate), input.shape)


def _check_integers(name: str, index: Any) -> None:
    check_tensor(name, index, "index")
    if index.dtype.kind not in "iu":
        raise RuntimeError(f"{name}: index must be of integers, got {index.dtype}")


@method("argwhere")
def argwhere(input: Tensor) -> Tensor:
    """Return the places of the elements that are not 0, one in each row.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.argwhere(tg.tensor([[0, 1], [2, 0]]))
    tensor([[0, 1],
            [1, 0]])
    """
    check_tensor("argwhere", input)
    return tensor_from(np.argwhere(input.data))


@method("nonzero")
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Return the places of the elements that are not 0, as `argwhere`.

    With `as_tuple`, instead, a vector for each dimension: ``x[x.nonzero(as_tuple=True)]`` is the
    vector of these elements.
    """
    check_tensor("nonzero", input)
    if not as_tuple:
        return argwhere(input)
    return tuple(map(tensor_from, np.nonzero(np.atleast_1d(input.data))))


# -- by a mask ---------------------------------------------------------------------------------


@method("masked_fill", inplace=True)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return `input` with `value`, a number, where `mask`, broadcast, holds.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 3])
    >>> tg.masked_fill(x, x > 1, 0)
    tensor([1, 0, 0])
    """
    check_tensor("masked_fill", input)
    _check_mask("masked_fill", mask)
    return where(mask, filling("masked_fill", value, input.dtype), input)


def filling(name: str, value: Any, dtype: np.dtype) -> Tensor:
    """Return the number `value` as a 0-d tensor of `dtype`."""
    if np.ndim(value):
        raise RuntimeError(f"{name}: value must be a number, got shape {np.shape(value)}")
    return convert(value if isinstance(value, Tensor) else tensor_from(as_array(value, dtype)), dtype)


@method("masked_scatter", inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return `input` with the first elements of `source`, in turn, where `mask`, broadcast, holds.

    Raises
    ------
    RuntimeError
        If `mask` is not of bools or does not broadcast, the dtypes differ, or `source` has too
        few elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 3])
    >>> tg.masked_scatter(x, x != 2, tg.tensor([7, 8, 9]))
    tensor([7, 2, 8])
    """
    input, mask = _with_mask("masked_scatter", input, mask)
    check_tensor("masked_scatter", source, "source")
    count = int(np.count_nonzero(mask.data))
    if source.numel() < count:
        raise RuntimeError(
            f"masked_scatter: source has {source.numel()} elements, mask holds for {count}"
        )
    return index_put(input, (mask,), reshape(source, (-1,))[:count])


@method("masked_select")
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Return the vector of the elements where `mask` holds; both are broadcast together.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1, 2, 3])
    >>> tg.masked_select(x, x > 1)
    tensor([2, 3])
    """
    input, mask = _with_mask("masked_select", input, mask)
    return input[mask]


def _with_mask(name: str, input: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return both broadcast together."""
    check_tensor(name, input)
    _check_mask(name, mask)
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError:
        raise RuntimeError(
            f"{name}: shapes do not broadcast: input {input.shape}, mask {mask.shape}"
        ) from None
    return broadcast_to(input, shape), broadcast_to(mask, shape)


def _check_mask(name: str, mask: Any) -> None:
    check_tensor(name, mask, "mask")
    if mask.dtype.kind != "b":
        raise RuntimeError(f"{name}: mask must be of bools, got {mask.dtype}")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return int64 vectors, in a new last dimension, that are 1 at the class and 0 elsewhere.

    Parameters
    ----------
    tensor : Tensor of int
        Classes from 0 on.
    num_classes : int
        One more than the largest class there is, where not given.

    Raises
    ------
    RuntimeError
        If there are no integers, or a class is out of range.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.one_hot(tg.tensor([2, 0]))
    tensor([[0, 0, 1],
            [1, 0, 0]])
    """
    check_tensor("one_hot", tensor, "tensor")
    data = tensor.data
    if data.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot: expected integers, got {data.dtype}")
    if num_classes == -1:
        if not data.size:
            raise RuntimeError("one_hot: an empty tensor needs num_classes")
        num_classes = int(data.max()) + 1
    if num_classes < 1:
        raise RuntimeError(f"one_hot: num_classes must be positive, got {num_classes}")
    if data.size and (data.min() < 0 or data.max() >= num_classes):
        raise RuntimeError(
            f"one_hot: classes must be 0 to {num_classes - 1}, got {data.min()} to {data.max()}"
        )
    return tensor_from((data[..., None] == np.arange(num_classes)).astype(int64))
