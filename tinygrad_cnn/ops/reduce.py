"""Reductions: sums, means, norms and what is made of them, over some or all dimensions."""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels.reduce import sum_over

from . import shape
from ._dims import check_tensor, normalize_dim, normalize_dims
from .elementwise import abs, exp, quiet, sign, where

# -- what reductions share ---------------------------------------------------------------------


def widened(x: Any) -> Any:
    """Return float16 as float32, in which sums are exact enough; anything else as it is."""
    return x.astype(np.float32) if x.dtype == np.float16 else x


def _count(full: Sequence[int], dims: tuple[int, ...]) -> int:
    """Return how many elements of shape `full` go into one of the result."""
    return math.prod(full[i] for i in dims)


def _spread(g: Any, full: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """Return `g`, of a result's shape, broadcast to the shape `full` that was reduced."""
    if not keepdim:
        dims = normalize_dims("dim", dim, len(full))
        g = shape.reshape(g, tuple(1 if i in dims else n for i, n in enumerate(full)))
    return shape.broadcast_to(g, full)


def shared_among_equals(g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    """Return `g` shared evenly among the elements that are equal to `out`.

    A NaN is the extremum of its slice, though not equal to itself.
    """
    chosen = (input == _spread(out, input.shape, dim, keepdim)) | (input != input)
    share = g / shape.to(_sum(chosen, dim, keepdim), g.dtype)
    return where(chosen, _spread(share, input.shape, dim, keepdim), 0)


def reduced(onnx: Any, op_type: str, input: Any, dim: Any, keepdim: bool) -> Any:
    """Add an ONNX node that reduces."""
    dims = (dim,) if isinstance(dim, builtins.int) else dim or None
    return onnx.node(op_type, input, dims, keepdims=int(keepdim))


def _sample(draw):
    full = draw.shape()
    return draw.array(full, distinct=True), draw.dims(len(full)), draw.boolean()


# -- sums --------------------------------------------------------------------------------------


def in_dtype(dtype: Any, function: Callable[..., Tensor], input: Any, *options: Any) -> Tensor:
    """Return ``function(input, *options)``, both input and result of `dtype` if one is given."""
    if dtype is None:
        return function(input, *options)
    return shape.convert(function(shape.convert(input, dtype), *options), dtype)


@op(name="sum", formula="Σ x")
@quiet
def _sum(input: Array, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Any:
    dims = normalize_dims("sum", dim, input.ndim)
    if input.dtype.kind != "f":
        return np.sum(input, axis=dims, keepdims=keepdim, dtype=np.int64)
    total = sum_over(widened(input), dims, keepdim)
    return total.astype(input.dtype, copy=False)


@_sum.gradient("input")
def _(g, input_shape, dim, keepdim): return _spread(g, input_shape, dim, keepdim)


_sum.samples(_sample)


@_sum.onnx
def _(onnx, input, dim, keepdim, out):
    return reduced(onnx, "ReduceSum", onnx.cast(input, out.dtype), dim, keepdim)


@method("sum")
def sum(
    input: Array,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return the sum over one dimension, several, or all; 0 where there are no elements.

    Parameters
    ----------
    input : Tensor
        Integers and booleans sum up to int64.
    dim : int or tuple of int, optional
        All dimensions where not given.
    keepdim : bool
        Leave the reduced dimensions in the shape, with size 1.
    dtype : dtype, optional
        Convert the input first.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If one is named twice.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.sum(x), tg.sum(x, 0), tg.sum(x, (0, 1), keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[10.]]))
    """
    return in_dtype(dtype, _sum, input, dim, keepdim)


@op(name="mean", formula="mean x")
@quiet
def _mean(input: Array, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> Any:
    dims = normalize_dims("mean", dim, input.ndim)
    _check_floating("mean", input)
    total = sum_over(widened(input), dims, keepdim)
    return np.true_divide(total, _count(input.shape, dims)).astype(input.dtype, copy=False)


@_mean.gradient("input")
def _(g, input_shape, dim, keepdim):
    count = _count(input_shape, normalize_dims("mean", dim, len(input_shape)))
    return _spread(g / count, input_shape, dim, keepdim)


_mean.samples(_sample)


@_mean.onnx
def _(onnx, input, dim, keepdim): return reduced(onnx, "ReduceMean", input, dim, keepdim)


@method("mean")
def mean(
    input: Array,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return the mean over one dimension, several, or all; NaN where there are no elements.

    The parameters and errors are those of `sum`; integers need a floating `dtype`, or
    ``RuntimeError`` is raised.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.mean(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), dim=1)
    tensor([1.5, 3.5])
    """
    return _mean(input if dtype is None else shape.convert(input, dtype), dim, keepdim)


def _check_floating(name: str, input: Any) -> None:
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must be floating, got {input.dtype}; convert it first")


@method("nansum")
def nansum(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return the sum of the elements that are not NaN; otherwise as `sum`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nansum(tg.tensor([1.0, float("nan"), 3.0]))
    tensor(4.)
    """
    check_tensor("nansum", input)
    return sum(where(input != input, 0, input), dim, keepdim, dtype=dtype)


@method("nanmean")
def nanmean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return the mean of the elements that are not NaN, or NaN; otherwise as `mean`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nanmean(tg.tensor([1.0, float("nan"), 3.0]))
    tensor(2.)
    """
    check_tensor("nanmean", input)
    _check_floating("nanmean", input)
    return nansum(input, dim, keepdim, dtype=dtype) / _sum(input == input, dim, keepdim)


@op(name="prod", formula="Π x")
@quiet
def _prod(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    axis = None if dim is None else normalize_dim("prod", dim, input.ndim)
    if input.dtype.kind != "f":
        return np.prod(input, axis=axis, keepdims=keepdim, dtype=np.int64)
    return np.prod(widened(input), axis=axis, keepdims=keepdim).astype(input.dtype, copy=False)


@_prod.gradient("input")
def _(g, input, out, dim, keepdim):
    if not any(input == 0):
        return _spread(g * out, input.shape, dim, keepdim) / input
    # Division fails: for each element, multiply the others.
    # [..., n] -> [..., 1, n], ones on the diagonal of [..., n, n] -> [..., n]
    flat = dim is None or input.ndim < 2
    rows = shape.reshape(input, (-1,)) if flat else shape.movedim(input, dim, -1)
    n = rows.shape[-1]
    rows = shape.reshape(rows, (*rows.shape[:-1], 1, n))
    others = _prod(where(np.eye(n, dtype=bool), 1, rows), -1)
    others = shape.reshape(others, input.shape) if flat else shape.movedim(others, -1, dim)
    return _spread(g, input.shape, dim, keepdim) * others


@_prod.onnx
def _(onnx, input, dim, keepdim, out):
    return reduced(onnx, "ReduceProd", onnx.cast(input, out.dtype), dim, keepdim)


@_prod.samples
def _(draw):
    full = draw.shape()
    x = draw.array(full, avoid=[0])
    if draw.boolean():
        x = np.where(draw.mask(full), x, 0)
    return x, draw.choice([None, draw.dim(len(full) or 1)]), draw.boolean()


@method("prod")
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Return the product over one dimension, or all; 1 where there are no elements.

    The parameters and errors are those of `sum`. The gradient is right also where elements
    are 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([0.0, 2.0, 3.0], requires_grad=True)
    >>> tg.prod(x).backward()
    >>> x.grad
    tensor([6., 0., 0.])
    """
    return in_dtype(dtype, _prod, input, dim, keepdim)


@op(name="logsumexp", auxiliary=("top",), promote="float", formula="log Σ e^x")
@quiet
def _logsumexp(input: Array, dim: int | tuple[int, ...], keepdim: bool = False) -> Any:
    dims = normalize_dims("logsumexp", dim, input.ndim)
    wide = widened(input)
    top = np.max(wide, axis=dims, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(wide.dtype)
    total = np.log(np.sum(np.exp(wide - top), axis=dims, keepdims=True)) + top
    total = total if keepdim else np.squeeze(total, dims)
    return total.astype(input.dtype, copy=False), top.astype(input.dtype, copy=False)


@_logsumexp.gradient("input")
def _(g, input, top, dim, keepdim):
    # softmax(x), and 0 where all of x is -inf; e^(x - out) would lose the digits that out lacks
    powers = exp(input - top)
    total = _sum(powers, dim, True)
    return _spread(g, input.shape, dim, keepdim) * (powers / where(total == 0, 1, total))


_logsumexp.samples(_sample)


@_logsumexp.onnx
def _(onnx, input, dim, keepdim): return reduced(onnx, "ReduceLogSumExp", input, dim, keepdim)


@method("logsumexp")
def logsumexp(input: Tensor, dim: int | tuple[int, ...], keepdim: bool = False) -> Tensor:
    """Return ``log(sum(exp(input), dim))``, stable for inputs of any size.

    The parameters and errors are those of `sum`. A slice of nothing but -inf gives -inf, with
    gradient 0 (PyTorch: NaN).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.logsumexp(tg.tensor([1e4, 1e4]), dim=0)
    tensor(10000.693)
    """
    return _logsumexp(input, dim, keepdim)[0]


# -- norms -------------------------------------------------------------------------------------


@op(name="vector_norm", formula="‖x‖")
@quiet
def _vector_norm(
    input: Array, ord: float, dim: int | tuple[int, ...] | None, keepdim: bool
) -> Any:
    dims = normalize_dims("vector_norm", dim, input.ndim)
    _check_floating("vector_norm", input)
    if (ord < 0 or ord == math.inf) and not _count(input.shape, dims):
        raise RuntimeError(
            f"vector_norm: dim {dims} of shape {input.shape} has no elements, "
            f"for which there is no norm of order {ord}"
        )
    size = np.abs(widened(input))
    if ord == 0:
        result = np.count_nonzero(size, axis=dims, keepdims=keepdim)
    elif math.isinf(ord):
        result = (np.max if ord > 0 else np.min)(size, axis=dims, keepdims=keepdim)
    else:
        # relative to the element that counts most, so that no power overflows or underflows
        extremum = np.max(size, dims, initial=0, keepdims=True) if ord > 0 else (
            np.min(size, dims, keepdims=True)
        )
        usable = np.isfinite(extremum) & (extremum > 0)
        scale = np.where(usable, extremum, 1).astype(size.dtype)
        total = sum_over((size / scale) ** ord, dims, keepdim)
        result = total ** (1 / ord) * (scale if keepdim else np.squeeze(scale, dims))
    return np.asarray(result).astype(input.dtype, copy=False)


@_vector_norm.gradient("input")
def _(g, input, out, ord, dim, keepdim):
    if math.isinf(ord):
        return sign(input) * shared_among_equals(g, abs(input), out, dim, keepdim)
    g, out = _spread(g, input.shape, dim, keepdim), _spread(out, input.shape, dim, keepdim)
    if ord == 0:
        return where(True, 0, g)
    # sign(x) (|x| / out)^(ord - 1), and 0 where that, or its own derivative, is not defined
    undefined = out == 0 if ord == 2 else (out == 0) | (input == 0)
    out = where(undefined, 1, out)
    if ord == 2:
        slope = input / out
    else:
        slope = sign(input) * (where(undefined, 1, abs(input)) / out) ** (ord - 1)
    return where(undefined, 0, g * slope)


@_vector_norm.onnx
def _(onnx, input, ord, dim, keepdim):
    if ord in (1, 2):
        return reduced(onnx, f"ReduceL{int(ord)}", input, dim, keepdim)
    size = onnx.node("Abs", input)
    if math.isinf(ord):
        return reduced(onnx, "ReduceMax" if ord > 0 else "ReduceMin", size, dim, keepdim)
    if ord == 0:
        raise NotImplementedError("the number of nonzero elements has no translation")
    total = reduced(onnx, "ReduceSum", onnx.node("Pow", size, ord), dim, keepdim)
    return onnx.node("Pow", total, 1 / ord)


@_vector_norm.samples
def _(draw):
    full = draw.shape()
    sizes = draw.array(full, 0.3, 3.0, distinct=True)
    x = np.where(draw.mask(full), sizes, -sizes)
    ord = draw.choice([2, 1, 0, 3, 2.5, 1.5, 0.5, -1, math.inf, -math.inf])
    return x, ord, draw.dims(len(full)), draw.boolean()


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return the norm of vectors: ``sum(abs(x) ** ord) ** (1 / ord)``.

    It neither overflows nor underflows where the result does not. The gradient is 0 where it is
    not defined, as that of the length of a vector of zeros.

    Parameters
    ----------
    x : Tensor
        Floating.
    ord : number
        ``inf`` is the largest magnitude, ``-inf`` the smallest, 0 the number of elements that
        are not 0.
    dim : int or tuple of int, optional
        The dimensions of the vectors; all, as one vector, where not given.
    keepdim : bool
        Leave the reduced dimensions in the shape, with size 1.
    dtype : dtype, optional
        Convert the input first; not to a smaller one.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If one is named twice, `x` is not floating, or a vector without elements has no
        such norm.
    TypeError
        If `ord` is not a number.

    Examples
    --------
    >>> import math
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3.0, 4.0], [0.0, -2.0]])
    >>> tg.linalg.vector_norm(x, dim=1), tg.linalg.vector_norm(x, math.inf)
    (tensor([5., 2.]), tensor(4.))
    """
    check_tensor("vector_norm", x, "x")
    if not isinstance(ord, (builtins.int, builtins.float)):
        raise TypeError(f"vector_norm: ord must be a number, got {ord!r}")
    if dtype is not None:
        _check_floating("vector_norm", x)
        dtype = shape.as_dtype("vector_norm", dtype)
        if not np.can_cast(x.dtype, dtype):
            raise RuntimeError(f"vector_norm: {x.dtype} would lose digits as {dtype}")
        x = shape.convert(x, dtype)
    return _vector_norm(x, ord, dim, keepdim)


@method("norm")
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Tensor:
    """Return the norm of all elements, or of vectors along `dim`; see `linalg.vector_norm`.

    Parameters
    ----------
    input : Tensor
    p : number, "fro", "nuc" or None
        The order; "fro" and None mean 2, and "nuc" the sum of the singular values of matrices.
    dim : int or tuple of int, optional
    keepdim : bool
    dtype : dtype, optional

    Raises
    ------
    RuntimeError
        If there is no such norm.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3.0, 4.0], [0.0, 12.0]])
    >>> tg.norm(x), tg.norm(x, 1, dim=0)
    (tensor(13.), tensor([ 3., 16.]))
    """
    check_tensor("norm", input)
    if p == "nuc":
        from .decompositions import matrix_norm  # which is made of what is here

        dims = normalize_dims("norm", dim, input.ndim)
        if len(dims) != 2:
            raise RuntimeError(f"norm: p='nuc' is for two dimensions, got {len(dims)}")
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    ord = 2 if p is None or isinstance(p, str) else p
    return vector_norm(input, ord, dim, keepdim, dtype=dtype)


# -- variance ----------------------------------------------------------------------------------


@op(name="var", formula="var x")
@quiet
def _var(
    input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool
) -> Any:
    return _variance("var", input, dim, correction, keepdim).astype(input.dtype, copy=False)


@_var.gradient("input")
def _(g, input, dim, correction, keepdim):
    return _variance_gradient(g, input, dim, correction, keepdim)


@_var.onnx
def _(onnx, input, dim, correction, keepdim):
    return _variance_onnx(onnx, input, dim, correction, keepdim)


@op(name="std", formula="std x")
@quiet
def _std(
    input: Array, dim: int | tuple[int, ...] | None, correction: float, keepdim: bool
) -> Any:
    variance = _variance("std", input, dim, correction, keepdim)
    return np.sqrt(variance).astype(input.dtype, copy=False)


@_std.gradient("input")
def _(g, input, out, dim, correction, keepdim):
    # 1 / (2 std) times that of var; 0 where all elements are the same, as in PyTorch
    flat = out == 0
    g = where(flat, 0, g / (2 * where(flat, 1, out)))
    return _variance_gradient(g, input, dim, correction, keepdim)


@_std.onnx
def _(onnx, input, dim, correction, keepdim):
    return onnx.node("Sqrt", _variance_onnx(onnx, input, dim, correction, keepdim))


def _variance(name: str, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    dims = normalize_dims(name, dim, input.ndim)
    _check_floating(name, input)
    wide = widened(input)
    count = _count(input.shape, dims)
    # less the first of each, so that equal elements differ by nothing at all from their mean
    wide = wide - wide[tuple(slice(1) if i in dims else slice(None) for i in range(wide.ndim))]
    centered = wide - np.true_divide(np.sum(wide, axis=dims, keepdims=True), count)
    total = np.sum(np.square(centered), axis=dims, keepdims=keepdim)
    return np.true_divide(total, builtins.max(count - correction, 0))


def _variance_gradient(g: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    # 2 (x - mean) / (n - correction): the mean's own gradient cancels
    count = _count(input.shape, normalize_dims("var", dim, input.ndim))
    g = _spread(g * 2 / builtins.max(count - correction, 0), input.shape, dim, keepdim)
    return g * (input - _mean(input, dim, True))


def _variance_onnx(onnx: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    count = _count(input.shape, normalize_dims("var", dim, len(input.shape)))
    centered = onnx.node("Sub", input, reduced(onnx, "ReduceMean", input, dim, True))
    square = onnx.node("Mul", centered, centered)
    total = reduced(onnx, "ReduceSum", square, dim, keepdim)
    return onnx.node("Div", total, builtins.max(count - correction, 0))


@_var.samples
@_std.samples
def _(draw):
    full = draw.shape(min_side=2, min_dims=1)
    return draw.array(full, distinct=True), draw.dims(len(full)), draw.choice([1, 0, 0.5]), draw.boolean()


@method("var")
def var(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the variance over one dimension, several, or all.

    Parameters
    ----------
    input : Tensor
        Floating.
    dim : int or tuple of int, optional
        All dimensions where not given.
    unbiased : bool, optional
        The older way to say `correction`: True is 1, False is 0.
    keepdim : bool
        Leave the reduced dimensions in the shape, with size 1.
    correction : number
        The sum of the squared differences is divided by the count less this; 1 where not given.
        Where that leaves nothing, the result is NaN.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If one is named twice, or the input is not floating.
    TypeError
        If both `unbiased` and `correction` are given.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0, 4.0])
    >>> tg.var(x), tg.var(x, correction=0)
    (tensor(1.6667), tensor(1.25))
    """
    return _var(input, *_corrected("var", dim, unbiased, correction), keepdim)


@method("std")
def std(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Tensor:
    """Return the standard deviation: the square root of `var`, whose parameters it has.

    Where it is 0, so is its gradient.
    """
    return _std(input, *_corrected("std", dim, unbiased, correction), keepdim)


def var_mean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the variance and the mean, as `var` and `mean` do.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.var_mean(tg.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    dim, correction = _corrected("var_mean", dim, unbiased, correction)
    return _var(input, dim, correction, keepdim), _mean(input, dim, keepdim)


def std_mean(
    input: Tensor,
    dim: int | tuple[int, ...] | None = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the standard deviation and the mean, as `std` and `mean` do."""
    dim, correction = _corrected("std_mean", dim, unbiased, correction)
    return _std(input, dim, correction, keepdim), _mean(input, dim, keepdim)


def _corrected(
    name: str, dim: Any, unbiased: bool | None, correction: float | None
) -> tuple[Any, float]:
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if unbiased is None:
        return dim, 1 if correction is None else correction
    if correction is not None:
        raise TypeError(f"{name}: give unbiased or correction, not both")
    return dim, int(unbiased)


# -- logic -------------------------------------------------------------------------------------


@op(method=True, differentiable=False)
def all(
    input: Array, dim: int | tuple[int, ...] | None = None, keepdim: bool = False
) -> Any:
    """Return whether all elements are not 0, over one dimension, several, or all.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.all(tg.tensor([[True, False], [True, True]]), dim=1)
    tensor([False,  True])
    """
    return np.all(input, axis=normalize_dims("all", dim, input.ndim), keepdims=keepdim)


@op(method=True, differentiable=False)
def any(
    input: Array, dim: int | tuple[int, ...] | None = None, keepdim: bool = False
) -> Any:
    """Return whether some element is not 0, over one dimension, several, or all."""
    return np.any(input, axis=normalize_dims("any", dim, input.ndim), keepdims=keepdim)


@all.onnx
def _(onnx, input, dim, keepdim): return _reduced_truth(onnx, "ReduceMin", input, dim, keepdim)


@any.onnx
def _(onnx, input, dim, keepdim): return _reduced_truth(onnx, "ReduceMax", input, dim, keepdim)


def _reduced_truth(onnx: Any, op_type: str, input: Any, dim: Any, keepdim: bool) -> Any:
    numbers = onnx.cast(onnx.cast(input, bool), np.int32)
    return onnx.cast(reduced(onnx, op_type, numbers, dim, keepdim), bool)


@all.samples
@any.samples
def _(draw):
    full = draw.shape()
    return draw.mask(full), draw.dims(len(full)), draw.boolean()


@method("count_nonzero")
def count_nonzero(input: Tensor, dim: int | tuple[int, ...] | None = None) -> Tensor:
    """Return how many elements are not 0, over one dimension, several, or all.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.count_nonzero(tg.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    check_tensor("count_nonzero", input)
    return _sum(input != 0, dim)
