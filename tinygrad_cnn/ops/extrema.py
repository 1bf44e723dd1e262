"""Extrema and where they are, over some or all dimensions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from . import shape
from ._dims import check_tensor, normalize_dim, normalize_dims
from .elementwise import maximum, minimum, quiet, where
from .reduce import reduced, shared_among_equals


def _check_not_empty(
    name: str, full: tuple[int, ...], dim: Any, error: type[Exception] = RuntimeError
) -> None:
    """Raise IndexError where a given dimension is empty, and `error` where all are reduced."""
    dims = normalize_dims(name, dim, len(full))
    if 0 in [full[i] for i in dims]:
        raise (error if dim is None or dim == () else IndexError)(
            f"{name}: nothing to choose from: dim {dims} of shape {full} has no elements"
        )


class Extrema(NamedTuple):
    """What `max` and `min` return along a dimension."""

    values: Tensor
    indices: Tensor


@op(method=True, formula="max x")
@quiet
def amax(input: Array, dim: int | tuple[int, ...] = (), keepdim: bool = False) -> Any:
    """Return the maximum over one dimension, several, or all; NaN where there is one.

    The gradient is shared evenly among the elements that are the maximum. The parameters and
    errors are those of `sum`.

    Raises
    ------
    IndexError, RuntimeError
        If there are no elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 1.0], [0.0, 2.0]], requires_grad=True)
    >>> tg.amax(x, 1).sum().backward()
    >>> x.grad
    tensor([[0.5, 0.5],
            [0. , 1. ]])
    """
    _check_not_empty("amax", input.shape, dim)
    return np.max(input, axis=normalize_dims("amax", dim, input.ndim), keepdims=keepdim)


@op(method=True, formula="min x")
@quiet
def amin(input: Array, dim: int | tuple[int, ...] = (), keepdim: bool = False) -> Any:
    """Return the minimum over one dimension, several, or all; otherwise as `amax`."""
    _check_not_empty("amin", input.shape, dim)
    return np.min(input, axis=normalize_dims("amin", dim, input.ndim), keepdims=keepdim)


@amax.gradient("input")
def _(g, input, out, dim, keepdim): return shared_among_equals(g, input, out, dim, keepdim)


@amax.onnx
def _(onnx, input, dim, keepdim): return reduced(onnx, "ReduceMax", input, dim, keepdim)


@amin.gradient("input")
def _(g, input, out, dim, keepdim): return shared_among_equals(g, input, out, dim, keepdim)


@amin.onnx
def _(onnx, input, dim, keepdim): return reduced(onnx, "ReduceMin", input, dim, keepdim)


@amax.samples
@amin.samples
def _(draw):
    full = draw.shape()
    return draw.array(full, distinct=True), draw.dims(len(full)) or (), draw.boolean()


@op(name="max", auxiliary=("indices",), formula="max x")
def _max(input: Array, dim: int, keepdim: bool) -> Any:
    return _chosen("max", np.argmax, input, dim, keepdim)


@op(name="min", auxiliary=("indices",), formula="min x")
def _min(input: Array, dim: int, keepdim: bool) -> Any:
    return _chosen("min", np.argmin, input, dim, keepdim)


def _chosen(name: str, argument: Any, input: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    axis = normalize_dim(name, dim, input.ndim)
    _check_not_empty(name, input.shape, axis)
    if input.ndim == 0:
        return input.copy(), np.zeros((), np.int64)
    indices = argument(input, axis=axis, keepdims=True)
    values = np.take_along_axis(input, indices, axis)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


def _to_chosen(g: Any, indices: Any, full: tuple[int, ...], dim: int, keepdim: bool) -> Any:
    """Return `g` in the places that `indices` names along `dim`, and 0 elsewhere."""
    if not full:
        return g
    axis = dim % len(full)
    reduced = tuple(1 if i == axis else n for i, n in enumerate(full))
    places = np.arange(full[axis]).reshape((-1,) + (1,) * (len(full) - axis - 1))
    return where(places == np.reshape(indices, reduced), shape.reshape(g, reduced), 0)


@_max.gradient("input")
def _(g, indices, input_shape, dim, keepdim):
    return _to_chosen(g, indices, input_shape, dim, keepdim)


@_max.onnx
def _(onnx, input, dim, keepdim):
    indices = onnx.node("ArgMax", input, axis=dim, keepdims=int(keepdim))
    return reduced(onnx, "ReduceMax", input, dim, keepdim), indices


@_min.gradient("input")
def _(g, indices, input_shape, dim, keepdim):
    return _to_chosen(g, indices, input_shape, dim, keepdim)


@_min.onnx
def _(onnx, input, dim, keepdim):
    indices = onnx.node("ArgMin", input, axis=dim, keepdims=int(keepdim))
    return reduced(onnx, "ReduceMin", input, dim, keepdim), indices


@_max.samples
@_min.samples
def _(draw):
    full = draw.shape()
    return draw.array(full, distinct=True), draw.dim(len(full) or 1), draw.boolean()


@method("max")
def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Return the maximum of all elements, those along a dimension, or the larger of two tensors.

    Parameters
    ----------
    input : Tensor
    dim : int or Tensor, optional
        A dimension; or the other tensor, for `maximum`.
    keepdim : bool
        Leave the reduced dimension in the shape, with size 1.

    Returns
    -------
    Tensor, or Extrema for a dimension
        ``Extrema(values, indices)``: the indices are those of the first maximum, to which the
        gradient goes. With no dimension it is shared evenly among all maxima. A NaN counts as
        the maximum.

    Raises
    ------
    IndexError
        If there is no such dimension, or it is empty.
    RuntimeError
        If there are no elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 5.0], [4.0, 3.0]])
    >>> tg.max(x)
    tensor(5.)
    >>> tg.max(x, 1).indices
    tensor([1, 0])
    """
    check_tensor("max", input)
    if dim is None:
        _check_not_empty("max", input.shape, None)
        return amax(input)
    return maximum(input, dim) if isinstance(dim, Tensor) else Extrema(*_max(input, dim, keepdim))


@method("min")
def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """Return the minimum of all elements, those along a dimension, or the smaller of two tensors.

    Otherwise as `max`.
    """
    check_tensor("min", input)
    if dim is None:
        _check_not_empty("min", input.shape, None)
        return amin(input)
    return minimum(input, dim) if isinstance(dim, Tensor) else Extrema(*_min(input, dim, keepdim))


class MinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Tensor
    max: Tensor


@method("aminmax")
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> MinMax:
    """Return the minimum and the maximum, of all elements or along a dimension.

    Returns
    -------
    MinMax
        ``MinMax(min, max)``: `amin` and `amax`, whose gradients and errors they have.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.aminmax(tg.tensor([3.0, 1.0, 2.0]))
    MinMax(min=tensor(1.), max=tensor(3.))
    """
    dims = () if dim is None else dim
    return MinMax(amin(input, dims, keepdim), amax(input, dims, keepdim))


@op(method=True, differentiable=False)
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the first maximum along a dimension, or in the flattened tensor.

    Raises
    ------
    IndexError
        If there is no such dimension, or there are no elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 5.0], [4.0, 3.0]])
    >>> tg.argmax(x), tg.argmax(x, dim=0)
    (tensor(1), tensor([1, 0]))
    """
    _check_not_empty("argmax", input.shape, dim, IndexError)
    axis = None if dim is None else normalize_dim("argmax", dim, input.ndim)
    return np.argmax(input, axis=axis, keepdims=keepdim)


@argmax.onnx
def _(onnx, input, dim, keepdim): return _place(onnx, "ArgMax", input, dim, keepdim)


@op(method=True, differentiable=False)
def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    """Return the index of the first minimum along a dimension, or in the flattened tensor.

    Otherwise as `argmax`.
    """
    _check_not_empty("argmin", input.shape, dim, IndexError)
    axis = None if dim is None else normalize_dim("argmin", dim, input.ndim)
    return np.argmin(input, axis=axis, keepdims=keepdim)


@argmin.onnx
def _(onnx, input, dim, keepdim): return _place(onnx, "ArgMin", input, dim, keepdim)


def _place(onnx: Any, op_type: str, input: Any, dim: int | None, keepdim: bool) -> Any:
    """Add the ONNX node that finds an extremum."""
    if dim is None:
        if keepdim:
            raise NotImplementedError("keepdim=True without dim has no translation")
        return onnx.node(op_type, onnx.reshape(input, (-1,)), axis=0, keepdims=0)
    return onnx.node(op_type, input, axis=dim, keepdims=int(keepdim))


@argmax.samples
@argmin.samples
def _(draw):
    full = draw.shape()
    dim = draw.choice([None, draw.dim(len(full) or 1)])
    return draw.integers(full, -2, 2), dim, draw.boolean()
