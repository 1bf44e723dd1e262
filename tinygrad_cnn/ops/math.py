"""Mathematical functions: powers and logarithms, angles, error function, rounding, mixtures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import result_type

from .elementwise import (
    _check_divisor,
    _divided,
    _two,
    _without_ties,
    _zeros,
    add,
    clamp,
    div,
    exp,
    isfinite,
    isnan,
    quiet,
    rsqrt,
    sign,
    square,
    where,
)

_LN2, _LN10 = math.log(2), math.log(10)
_ROOT_PI = math.sqrt(math.pi)


@method("sgn", inplace=True)
def sgn(input: Array) -> Tensor:
    """Return `sign`: of complex numbers they would differ."""
    return sign(input)


# -- powers and logarithms ---------------------------------------------------------------------


@op(method=True, inplace=True, promote="float", formula="2^x")
@quiet
def exp2(input: Array) -> Any:
    """Return 2 to the power of each element."""
    return np.exp2(input)


@exp2.gradient("input")
def _(g, out): return g * (out * _LN2)


@exp2.onnx
def _(onnx, input): return onnx.node("Pow", 2, input)


@op(method=True, inplace=True, promote="float", formula="log₂ x")
@quiet
def log2(input: Array) -> Any:
    """Return the logarithm of base 2."""
    return np.log2(input)


@log2.gradient("input")
def _(g, input): return g / (input * _LN2)


@log2.onnx
def _(onnx, input): return onnx.node("Div", onnx.node("Log", input), _LN2)


@op(method=True, inplace=True, promote="float", formula="log₁₀ x")
@quiet
def log10(input: Array) -> Any:
    """Return the logarithm of base 10."""
    return np.log10(input)


@log10.gradient("input")
def _(g, input): return g / (input * _LN10)


@log10.onnx
def _(onnx, input): return onnx.node("Div", onnx.node("Log", input), _LN10)


@log2.samples
@log10.samples
def _(draw): return (draw.array(draw.shape(), 0.3, 3.0),)


@op(method=True, promote="float", formula="log(e^x + e^y)")
@quiet
def logaddexp(input: Array, other: Array) -> Any:
    """Return ``log(exp(input) + exp(other))``, broadcast, of which no power overflows.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.logaddexp(tg.tensor([1e4]), tg.tensor([1e4]))
    tensor([10000.693])
    """
    return np.logaddexp(input, other)


@logaddexp.gradient("input")
@quiet
def _(g, input, other): return g / (1 + exp(other - input))


@logaddexp.gradient("other")
@quiet
def _(g, input, other): return g / (1 + exp(input - other))


logaddexp.samples(_two)


@op(method=True, inplace=True, promote="float", formula="x log y")
@quiet
def xlogy(input: Array, other: Array) -> Any:
    """Return ``input * log(other)``, broadcast: 0 where `input` is 0, unless `other` is NaN.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.xlogy(tg.tensor([0.0, 2.0]), tg.tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    product = input * np.log(other, dtype=np.result_type(input, other))
    return np.where(np.equal(input, 0) & ~np.isnan(other), 0, product)


@xlogy.gradient("input")
def _(g, input, other): return where((input == 0) & (other <= 0), 0, xlogy(g, other))


@xlogy.gradient("other")
def _(g, input, other): return g * (input / other)


@xlogy.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a), draw.choice([draw.array(b, 0.3, 3.0), 1.5])


# -- angles ------------------------------------------------------------------------------------


@op(method=True, inplace=True, promote="float", formula="tan x")
@quiet
def tan(input: Array) -> Any:
    """Return the tangent."""
    return np.tan(input)


@tan.gradient("input")
def _(g, out): return g * (square(out) + 1)


tan.onnx("Tan")


@op(method=True, inplace=True, promote="float", formula="asin x")
@quiet
def asin(input: Array) -> Any:
    """Return the angle of which `input` is the sine; NaN outside [-1, 1]."""
    return np.arcsin(input)


@asin.gradient("input")
def _(g, input): return g * rsqrt(1 - square(input))


asin.onnx("Asin")


@op(method=True, inplace=True, promote="float", formula="acos x")
@quiet
def acos(input: Array) -> Any:
    """Return the angle of which `input` is the cosine; NaN outside [-1, 1]."""
    return np.arccos(input)


@acos.gradient("input")
def _(g, input): return -g * rsqrt(1 - square(input))


acos.onnx("Acos")


@op(method=True, inplace=True, promote="float", formula="atan x")
@quiet
def atan(input: Array) -> Any:
    """Return the angle of which `input` is the tangent."""
    return np.arctan(input)


@atan.gradient("input")
def _(g, input): return g / (square(input) + 1)


atan.onnx("Atan")


@op(method=True, inplace=True, promote="float", formula="atan y/x")
@quiet
def atan2(input: Array, other: Array) -> Any:
    """Return the angle of the point whose ordinate is `input` and whose abscissa is `other`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.atan2(tg.tensor([1.0, -1.0]), tg.tensor([-1.0, 1.0]))
    tensor([ 2.3562, -0.7854])
    """
    return np.arctan2(input, other)


# x / (x² + y²), of which no square overflows; 0 at the origin
@atan2.gradient("input")
def _(g, input, other):
    length = hypot(input, other)
    length = where(length == 0, 1, length)
    return g * (other / length / length)


@atan2.gradient("other")
def _(g, input, other):
    length = hypot(input, other)
    length = where(length == 0, 1, length)
    return -g * (input / length / length)


@op(method=True, inplace=True, promote="float", formula="√(x² + y²)")
@quiet
def hypot(input: Array, other: Array) -> Any:
    """Return ``sqrt(input**2 + other**2)``, of which no square overflows; gradient NaN at 0."""
    return np.hypot(input, other)


@hypot.gradient("input")
def _(g, input, out): return g * (input / out)


@hypot.gradient("other")
def _(g, other, out): return g * (other / out)


@atan2.samples
@hypot.samples
def _(draw):
    a, b = draw.broadcastable(2)
    sides = [draw.array(shape, 0.3, 2.0) * draw.choice([1, -1]) for shape in (a, b)]
    return np.asarray(sides[0]), np.asarray(sides[1])


@op(method=True, inplace=True, promote="float", formula="sinh x")
@quiet
def sinh(input: Array) -> Any:
    """Return the hyperbolic sine."""
    return np.sinh(input)


@sinh.gradient("input")
def _(g, input): return g * cosh(input)


sinh.onnx("Sinh")


@op(method=True, inplace=True, promote="float", formula="cosh x")
@quiet
def cosh(input: Array) -> Any:
    """Return the hyperbolic cosine."""
    return np.cosh(input)


@cosh.gradient("input")
def _(g, input): return g * sinh(input)


cosh.onnx("Cosh")


@op(method=True, inplace=True, promote="float", formula="asinh x")
@quiet
def asinh(input: Array) -> Any:
    """Return the inverse of `sinh`."""
    return np.arcsinh(input)


@asinh.gradient("input")
def _(g, input): return g * rsqrt(square(input) + 1)


asinh.onnx("Asinh")


@op(method=True, inplace=True, promote="float", formula="acosh x")
@quiet
def acosh(input: Array) -> Any:
    """Return the inverse of `cosh`; NaN below 1."""
    return np.arccosh(input)


@acosh.gradient("input")
def _(g, input): return g * rsqrt(square(input) - 1)


acosh.onnx("Acosh")


@acosh.samples
def _(draw): return (draw.array(draw.shape(), 1.3, 3.0),)


@op(method=True, inplace=True, promote="float", formula="atanh x")
@quiet
def atanh(input: Array) -> Any:
    """Return the inverse of `tanh`; NaN outside [-1, 1]."""
    return np.arctanh(input)


@atanh.gradient("input")
def _(g, input): return g / (1 - square(input))


atanh.onnx("Atanh")


@asin.samples
@acos.samples
@atanh.samples
@tan.samples
def _(draw): return (draw.array(draw.shape(), -0.8, 0.8),)


# -- error function ----------------------------------------------------------------------------


@op(method=True, inplace=True, promote="float", formula="erf x")
def erf(input: Array) -> Any:
    """Return the error function, the integral of ``2/√π exp(-t²)`` from 0 to `input` [1]_.

    References
    ----------
    .. [1] W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics of
       Computation 23, 1969.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.erf(tg.tensor([0.0, 1.0, 1e4]))
    tensor([0.    , 0.8427, 1.    ])
    """
    return _error_function(input, False)


@erf.gradient("input")
def _(g, input): return g * (2 / _ROOT_PI * exp(-square(input)))


erf.onnx("Erf")


@op(method=True, inplace=True, promote="float", formula="erfc x")
def erfc(input: Array) -> Any:
    """Return ``1 - erf(input)``, exact also where that is as good as 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.erfc(tg.tensor([0.0, 5.0]))
    tensor([1.0000e+00, 1.5375e-12])
    """
    return _error_function(input, True)


@erfc.gradient("input")
def _(g, input): return g * (-2 / _ROOT_PI * exp(-square(input)))


@erfc.onnx
def _(onnx, input): return onnx.node("Sub", 1, onnx.node("Erf", input))


@exp2.samples
@atan.samples
@sinh.samples
@cosh.samples
@asinh.samples
@erf.samples
@erfc.samples
def _(draw): return (draw.array(draw.shape()),)


# Cody's coefficients, from the highest power down
_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)  # fmt: skip
_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1,
     6.05183413124413191e-2, 2.33520497626869185e-3),
)  # fmt: skip


@quiet
def _error_function(input: Any, complement: bool) -> Any:
    """Return erf or 1 - erf: near 0, Cody's form of erf; elsewhere, his two forms of 1 - erf."""
    x = np.asarray(input).astype(np.result_type(input, np.float32), copy=False)
    size = np.minimum(np.abs(x), 30)  # there 1 - erf is 0 in any precision
    out = np.empty_like(x)
    near = size <= 0.46875
    middle = (size > 0.46875) & (size <= 4)
    far = ~(near | middle)  # and NaN

    part = x[near]
    value = part * _ratio(_NEAR, part * part)
    out[near] = 1 - value if complement else value

    tail = np.empty_like(x)
    part = size[middle]
    tail[middle] = _bell(part) * _ratio(_MIDDLE, part)
    part = size[far]
    inverse = 1 / (part * part)
    tail[far] = _bell(part) * (1 / _ROOT_PI - inverse * _ratio(_FAR, inverse)) / part
    negative = x < 0
    if complement:
        value = np.where(negative, 2 - tail, tail)
    else:
        value = np.where(negative, tail - 1, 1 - tail)
    return np.where(near, out, value).astype(np.result_type(input), copy=False)


def _bell(x: Any) -> Any:
    """Return exp(-x²); x² is split, as its rounding error would show in the power."""
    head = np.trunc(x * 16) / 16
    return np.exp(-head * head) * np.exp(-(x - head) * (x + head))


def _ratio(coefficients: Sequence[Sequence[float]], x: Any) -> Any:
    top, bottom = (_polynomial(each, x) for each in coefficients)
    return top / bottom


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    value = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value


# -- rounding ----------------------------------------------------------------------------------


def _rounded(function: Any, input: Any) -> Any:
    return function(input) if np.result_type(input).kind == "f" else np.array(input)


@op(method=True, inplace=True, formula="⌊x⌋")
def floor(input: Array) -> Any:
    """Return the largest integer that is not above; gradient 0."""
    return _rounded(np.floor, input)


@floor.gradient("input")
def _(g): return _zeros(g)


@floor.onnx
def _(onnx, input): return onnx.node("Floor", input) if input.dtype.kind == "f" else input


@op(method=True, inplace=True, formula="⌈x⌉")
def ceil(input: Array) -> Any:
    """Return the smallest integer that is not below; gradient 0."""
    return _rounded(np.ceil, input)


@ceil.gradient("input")
def _(g): return _zeros(g)


@ceil.onnx
def _(onnx, input): return onnx.node("Ceil", input) if input.dtype.kind == "f" else input


@op(method=True, inplace=True, formula="trunc x")
def trunc(input: Array) -> Any:
    """Return the integer next to it towards 0; gradient 0."""
    return _rounded(np.trunc, input)


@trunc.gradient("input")
def _(g): return _zeros(g)


@op(method=True, inplace=True, formula="x - trunc x")
@quiet
def frac(input: Array) -> Any:
    """Return what `trunc` takes away, with the sign of `input`; gradient 1."""
    return input - _rounded(np.trunc, input)


@frac.gradient("input")
def _(g): return g


@op(method=True, inplace=True, formula="round x")
@quiet
def round(input: Array, *, decimals: int = 0) -> Any:
    """Return the nearest multiple of ``10**-decimals``, of two the even one; gradient 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.round(tg.tensor([0.5, 1.5, 2.25])), tg.round(tg.tensor([123.456]), decimals=-1)
    (tensor([0., 2., 2.]), tensor([120.]))
    """
    return np.round(input, decimals)


@round.gradient("input")
def _(g): return _zeros(g)


@round.onnx
def _(onnx, input, decimals):
    if decimals or input.dtype.kind != "f":
        raise NotImplementedError("only floating numbers, to integers, have a translation")
    return onnx.node("Round", input)


def _between_halves(draw):
    whole = draw.integers(draw.shape(), -3, 3)
    return np.asarray(whole + draw.choice([0.2, 0.7]) + draw.array(whole.shape, -0.1, 0.1))


@floor.samples
@ceil.samples
@trunc.samples
@frac.samples
def _(draw): return (_between_halves(draw),)


@round.samples
def _(draw):
    decimals = draw.choice([0, 1, -1])
    return np.asarray(_between_halves(draw) / 10.0**decimals), {"decimals": decimals}


@op(method=True, inplace=True, promote="arithmetic", formula="x mod y")
@quiet
def fmod(input: Array, other: Array) -> Any:
    """Return what division rounded towards 0 leaves, with the sign of `input`, as C's ``fmod``.

    Raises
    ------
    RuntimeError
        If an integer is divided by zero, or the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-7.0, 7.0])
    >>> tg.fmod(x, 4), tg.remainder(x, 4)
    (tensor([-3.,  3.]), tensor([1., 3.]))
    """
    _check_divisor("fmod", input, other)
    return np.fmod(input, other)


@fmod.gradient("input")
def _(g): return g


@fmod.gradient("other")
def _(g, input, other): return -g * div(input, other, rounding_mode="trunc")


fmod.samples(_divided)


# -- choice and mixture ------------------------------------------------------------------------


@op(method=True, promote="arithmetic", formula="max(x, y)")
def fmax(input: Array, other: Array) -> Any:
    """Return the larger of both, broadcast, and of a number and NaN the number.

    Where they are equal, `input` gets the gradient.
    """
    return np.fmax(input, other)


@fmax.gradient("input")
def _(g, input, other): return where((input >= other) | isnan(other), g, 0)


@fmax.gradient("other")
def _(g, input, other): return where((input >= other) | isnan(other), 0, g)


@op(method=True, promote="arithmetic", formula="min(x, y)")
def fmin(input: Array, other: Array) -> Any:
    """Return the smaller of both, broadcast, and of a number and NaN the number.

    Where they are equal, `input` gets the gradient.
    """
    return np.fmin(input, other)


@fmin.gradient("input")
def _(g, input, other): return where((input <= other) | isnan(other), g, 0)


@fmin.gradient("other")
def _(g, input, other): return where((input <= other) | isnan(other), 0, g)


fmax.samples(_without_ties)
fmin.samples(_without_ties)


@method("clamp_min", inplace=True)
def clamp_min(input: Array, min: Array) -> Tensor:
    """Return ``clamp(input, min=min)``."""
    return clamp(input, min)


@method("clamp_max", inplace=True)
def clamp_max(input: Array, max: Array) -> Tensor:
    """Return ``clamp(input, max=max)``."""
    return clamp(input, None, max)


@op(method=True, inplace=True, promote="arithmetic", formula="x + w (y - x)")
@quiet
def lerp(input: Array, end: Array, weight: Array) -> Any:
    """Return ``input + weight * (end - input)``, broadcast; exact at weights 0 and 1.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.lerp(tg.tensor([0.0, 10.0]), tg.tensor([10.0, 20.0]), 0.5)
    tensor([ 5., 15.])
    """
    way = np.subtract(end, input)
    return np.where(np.less(weight, 0.5), input + weight * way, end - way * (1 - weight))


@lerp.gradient("input")
def _(g, weight): return g * (1 - weight)


@lerp.gradient("end")
def _(g, weight): return g * weight


@lerp.gradient("weight")
def _(g, input, end): return g * (end - input)


@lerp.samples
def _(draw):
    a, b, c = draw.broadcastable(3)
    return draw.array(a), draw.array(b), draw.choice([draw.array(c), 0.25, 1.5])


@method("addcmul", inplace=True)
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return ``input + value * tensor1 * tensor2``, broadcast."""
    return add(input, tensor1 * tensor2, alpha=value)


@method("addcdiv", inplace=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """Return ``input + value * tensor1 / tensor2``, broadcast.

    Raises
    ------
    RuntimeError
        If both `tensor1` and `tensor2` are of integers: shall it be rounded?
    """
    if result_type(tensor1, tensor2).kind != "f":
        raise RuntimeError("addcdiv: tensor1 and tensor2 are both of integers; convert one")
    return add(input, tensor1 / tensor2, alpha=value)


@op(method=True, inplace=True)
def nan_to_num(
    input: Array, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Return `input`, with numbers for NaN and the infinities; gradient 0 there.

    Parameters
    ----------
    input : Tensor
    nan : float, optional
        0 where not given.
    posinf, neginf : float, optional
        The largest and the smallest finite number of the dtype where not given.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nan_to_num(tg.tensor([float("nan"), float("inf"), 2.0]), posinf=7)
    tensor([0., 7., 2.])
    """
    return np.nan_to_num(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)


@nan_to_num.gradient("input")
def _(g, input): return where(isfinite(input), g, 0)


@nan_to_num.samples
def _(draw): return draw.array(draw.shape()), draw.choice([None, 1.0]), 2.0, draw.choice([None, 3.0])


# -- comparison with a tolerance ---------------------------------------------------------------


@op(method=True, differentiable=False, promote="arithmetic", formula="x ≈ y")
@quiet
def isclose(
    input: Array, other: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """Return whether ``|input - other| <= atol + rtol * |other|``, elementwise and broadcast.

    Equal infinities are close, and NaN to NaN if `equal_nan`.
    """
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    return np.isclose(input, other, rtol, atol, equal_nan)


@isclose.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.integers(a, -1, 1) / 8, draw.integers(b, -1, 1) / 8, 0.0, draw.choice([1e-8, 0.13])


@method("allclose")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Return whether all elements are close, as `isclose` says."""
    return bool(isclose(input, other, rtol, atol, equal_nan).data.all())


@method("equal")
def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether both have the same shape and elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.equal(tg.ones(2), tg.ones(2)), tg.equal(tg.ones(2), tg.ones(1, 2))
    (True, False)
    """
    return input.shape == other.shape and bool(np.all(input.data == other.data))
