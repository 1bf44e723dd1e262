"""Arithmetic, comparison and elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import bool_, result_type
from tinygrad_cnn.kernels.mask import keep

quiet = np.errstate(all="ignore")
"""Decorates a forward of which NumPy would warn where it makes inf or NaN; PyTorch never does.

Not on + - *: it would cost them a tenth of their time, and there NumPy's warning is of use.
"""


def _zeros(g: Any) -> Any:
    """Return zeros in the place of `g`: the gradient of a function that is flat in steps."""
    return where(True, 0, g)


# -- samples -----------------------------------------------------------------------------------


def _one(draw):
    return (draw.array(draw.shape()),)


def _positive(draw):
    return (draw.array(draw.shape(), 0.3, 3.0),)


def _two(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a), draw.choice([draw.array(b), 1.5, 2])


def _without_ties(draw):
    a, b = draw.broadcastable(2)
    return _on_grid(draw, a, 0.0), _on_grid(draw, b, 0.1)


def _on_grid(draw, shape, offset):
    return np.asarray(np.round(draw.array(shape) * 5) / 5 + offset)


def _divided(draw):
    """Draw a dividend and a divisor whose quotient is well away from an integer."""
    a, b = draw.broadcastable(2)
    divisor = draw.array(b, 0.5, 2.0) * draw.choice([1, -1])
    quotient = draw.integers(np.broadcast_shapes(a, b), -3, 3) + draw.array(a, 0.2, 0.8)
    return np.asarray(quotient * divisor), np.asarray(divisor)


# -- arithmetic --------------------------------------------------------------------------------


@op(name="add", operator="+", inplace=True, promote="arithmetic", formula="x + y")
def _add(input: Array, other: Array) -> Any:
    return np.add(input, other)


@_add.gradient("input")
def _(g): return g


@_add.gradient("other")
def _(g): return g


_add.samples(_two)
_add.onnx("Add")


@method("add", inplace=True)
def add(input: Array, other: Array, *, alpha: float = 1) -> Tensor:
    """Return ``input + alpha * other``, broadcast.

    Parameters
    ----------
    input, other : Tensor or number
        Of any dtypes; the result has their common one.
    alpha : number
        Not a float where both are integers.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.add(tg.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    return _add(input, _scaled("add", input, other, alpha))


@op(name="sub", operator="-", inplace=True, promote="arithmetic", formula="x - y")
def _sub(input: Array, other: Array) -> Any:
    return np.subtract(input, other)


@_sub.gradient("input")
def _(g): return g


@_sub.gradient("other")
def _(g): return -g


_sub.samples(_two)
_sub.onnx("Sub")


@method("sub", inplace=True)
def sub(input: Array, other: Array, *, alpha: float = 1) -> Tensor:
    """Return ``input - alpha * other``, broadcast; otherwise as `add`."""
    return _sub(input, _scaled("sub", input, other, alpha))


def _scaled(name: str, input: Any, other: Any, alpha: float) -> Any:
    if alpha == 1:
        return other
    if isinstance(alpha, float) and result_type(input, other).kind != "f":
        raise RuntimeError(f"{name}: alpha must be an integer for integer tensors, got {alpha}")
    return other * alpha


@op(method=True, operator="*", inplace=True, promote="arithmetic", formula="x · y")
def mul(input: Array, other: Array) -> Any:
    """Return ``input * other``, broadcast.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.
    """
    return np.multiply(input, other)


@mul.gradient("input")
def _(g, other): return g * other


@mul.gradient("other")
def _(g, input): return g * input


mul.samples(_two)
mul.onnx("Mul")


@op(method=True, operator="/", inplace=True, promote="float", formula="x / y")
@quiet
def true_divide(input: Array, other: Array) -> Any:
    """Return ``input / other``, broadcast; integers give the default floating dtype."""
    return np.true_divide(input, other)


@true_divide.gradient("input")
def _(g, other): return g / other


@true_divide.gradient("other")
def _(g, other, out): return -g * (out / other)


true_divide.onnx("Div")


@true_divide.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a), draw.choice([draw.array(b, 0.5, 2.0), -1.5, 2])


@method("div", inplace=True)
def div(input: Array, other: Array, *, rounding_mode: str | None = None) -> Tensor:
    """Return ``input / other``, broadcast, and rounded as `rounding_mode` says.

    Parameters
    ----------
    input, other : Tensor or number
    rounding_mode : {None, "trunc", "floor"}
        None: not rounded, and floating also for integers. "trunc": towards zero, as in C.
        "floor": down, as Python's ``//``. Rounded, the dtype is the operands' common one, and
        the gradient is 0.

    Raises
    ------
    RuntimeError
        If `rounding_mode` is none of these, an integer is divided by zero with rounding, or the
        shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([7, -7])
    >>> tg.div(x, 2), tg.div(x, 2, rounding_mode="trunc"), tg.div(x, 2, rounding_mode="floor")
    (tensor([ 3.5, -3.5]), tensor([ 3, -3]), tensor([ 3, -4]))
    """
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "trunc":
        return _trunc_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    raise RuntimeError(
        f"div: rounding_mode must be None, 'trunc' or 'floor', got {rounding_mode!r}"
    )


def _check_divisor(name: str, input: Any, other: Any) -> None:
    if np.result_type(input, other).kind != "f" and not np.all(other):
        raise RuntimeError(f"{name}: integer division by zero")


@op(method=True, operator="//", inplace=True, promote="arithmetic", formula="⌊x / y⌋")
@quiet
def floor_divide(input: Array, other: Array) -> Any:
    """Return ``input / other`` rounded down, broadcast, as Python's ``//``.

    Raises
    ------
    RuntimeError
        If an integer is divided by zero, or the shapes do not broadcast.
    """
    _check_divisor("floor_divide", input, other)
    return np.floor_divide(input, other)


@floor_divide.gradient("input")
def _(g): return _zeros(g)


@floor_divide.gradient("other")
def _(g): return _zeros(g)


floor_divide.samples(_divided)


@floor_divide.onnx
def _(onnx, input, other, out):
    if out.dtype.kind != "f":  # ONNX divides integers towards 0
        raise NotImplementedError("the division of integers has no translation")
    return onnx.node("Floor", onnx.node("Div", input, other))


@op(name="trunc_divide", promote="arithmetic")
@quiet
def _trunc_divide(input: Array, other: Array) -> Any:
    _check_divisor("div", input, other)
    if np.result_type(input, other).kind == "f":
        return np.trunc(np.true_divide(input, other))
    quotient, remainder = np.divmod(input, other)
    return quotient + ((remainder != 0) & ((remainder < 0) != (input < 0)))


@_trunc_divide.gradient("input")
def _(g): return _zeros(g)


@_trunc_divide.gradient("other")
def _(g): return _zeros(g)


_trunc_divide.samples(_divided)


@op(method=True, operator="%", inplace=True, promote="arithmetic", formula="x mod y")
@quiet
def remainder(input: Array, other: Array) -> Any:
    """Return what ``input // other`` leaves, with the sign of `other`, as Python's ``%``.

    Raises
    ------
    RuntimeError
        If an integer is divided by zero, or the shapes do not broadcast.
    """
    _check_divisor("remainder", input, other)
    return np.remainder(input, other)


@remainder.gradient("input")
def _(g): return g


@remainder.gradient("other")
def _(g, input, other): return -g * floor_divide(input, other)


remainder.samples(_divided)


@remainder.onnx
def _(onnx, input, other, out):
    if out.dtype.kind != "f":
        return onnx.node("Mod", input, other)
    quotient = onnx.node("Floor", onnx.node("Div", input, other))
    return onnx.node("Sub", input, onnx.node("Mul", quotient, other))


@op(method=True, operator="-x", inplace=True, formula="-x")
def neg(input: Array) -> Any:
    """Return ``-input``."""
    return np.negative(input)


@neg.gradient("input")
def _(g): return -g


neg.samples(_one)
neg.onnx("Neg")


@method("positive", operator="+x")
def positive(input: Tensor) -> Tensor:
    """Return `input` itself."""
    return input


@op(method=True, operator="**", inplace=True, promote="arithmetic", formula="x ^ y")
@quiet
def pow(input: Array, exponent: Array) -> Any:
    """Return ``input ** exponent``, broadcast; either may be a number.

    The gradients at 0 are PyTorch's: ``x**0`` has gradient 0, and so has ``0**y`` by ``y >= 0``.

    Raises
    ------
    RuntimeError
        If an integer is raised to a negative integer, or the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([0.0, 3.0], requires_grad=True)
    >>> (x**2).sum().backward()
    >>> x.grad
    tensor([0., 6.])
    """
    try:
        return input**exponent  # the operator has short cuts for squares and roots
    except ValueError:
        if np.result_type(exponent).kind == "i" and np.any(np.less(exponent, 0)):
            raise RuntimeError("pow: an integer to a negative integer power is no integer") from None
        raise


@pow.gradient("input")
def _(g, input, exponent):
    # y x^(y-1), and 0 where y = 0, also at x = 0
    if isinstance(exponent, (int, float)):
        return g * (exponent * input ** (exponent - 1)) if exponent else _zeros(g)
    zero = exponent == 0
    return g * where(zero, 0, exponent * input ** where(zero, 1, exponent - 1))


@pow.gradient("exponent")
def _(g, input, exponent, out):
    # x^y log x, and 0 where x = 0 and y >= 0
    if isinstance(input, (int, float)):
        input = np.asarray(input, out.dtype)
    zero = (input == 0) & (exponent >= 0)
    return where(zero, 0, g * out * log(where(zero, 1, input)))


pow.onnx("Pow")


@pow.samples
def _(draw):
    a, b = draw.broadcastable(2)
    exponent = draw.choice([2, 3.0, 1, 0, -2, None])
    if exponent is not None:
        return draw.array(a, avoid=[0]), exponent
    return draw.choice([draw.array(a, 0.3, 2.0), 1.5, 2]), draw.array(b)


# -- comparison and logic ----------------------------------------------------------------------


@op(method=True, inplace=True, differentiable=False, promote="arithmetic", formula="x = y")
def eq(input: Array, other: Array) -> Any:
    """Return whether ``input == other``, elementwise and broadcast, as booleans.

    The operator gives plain False for what cannot be compared, such as None.
    """
    return np.equal(input, other)


eq.onnx("Equal")


@method(operator="==")
def _(input: Any, other: Any) -> Any:
    return NotImplemented if other is None or isinstance(other, str) else eq(input, other)


@op(method=True, inplace=True, differentiable=False, promote="arithmetic", formula="x ≠ y")
def ne(input: Array, other: Array) -> Any:
    """Return whether ``input != other``, elementwise and broadcast, as booleans.

    The operator gives plain True for what cannot be compared, such as None.
    """
    return np.not_equal(input, other)


@ne.onnx
def _(onnx, input, other): return onnx.node("Not", onnx.node("Equal", input, other))


@method(operator="!=")
def _(input: Any, other: Any) -> Any:
    return NotImplemented if other is None or isinstance(other, str) else ne(input, other)


@op(method=True, operator="<", inplace=True, differentiable=False, promote="arithmetic", formula="x < y")
def lt(input: Array, other: Array) -> Any:
    """Return whether ``input < other``, elementwise and broadcast, as booleans."""
    return np.less(input, other)


lt.onnx("Less")


@op(method=True, operator="<=", inplace=True, differentiable=False, promote="arithmetic", formula="x ≤ y")
def le(input: Array, other: Array) -> Any:
    """Return whether ``input <= other``, elementwise and broadcast, as booleans."""
    return np.less_equal(input, other)


le.onnx("LessOrEqual")


@op(method=True, operator=">", inplace=True, differentiable=False, promote="arithmetic", formula="x > y")
def gt(input: Array, other: Array) -> Any:
    """Return whether ``input > other``, elementwise and broadcast, as booleans."""
    return np.greater(input, other)


gt.onnx("Greater")


@op(method=True, operator=">=", inplace=True, differentiable=False, promote="arithmetic", formula="x ≥ y")
def ge(input: Array, other: Array) -> Any:
    """Return whether ``input >= other``, elementwise and broadcast, as booleans."""
    return np.greater_equal(input, other)


ge.onnx("GreaterOrEqual")


@eq.samples
@ne.samples
@lt.samples
@le.samples
@gt.samples
@ge.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.integers(a, -2, 2), draw.choice([draw.integers(b, -2, 2), 1, 0.5])


@op(method=True, inplace=True, differentiable=False, formula="not x")
def logical_not(input: Array) -> Any:
    """Return whether each element is 0."""
    return np.logical_not(input)


@logical_not.onnx
def _(onnx, input): return onnx.node("Not", onnx.cast(input, bool))


@op(method=True, inplace=True, differentiable=False, broadcast=True, formula="x and y")
def logical_and(input: Array, other: Array) -> Any:
    """Return whether both elements are not 0, broadcast."""
    return np.logical_and(input, other)


@logical_and.onnx
def _(onnx, input, other):
    return onnx.node("And", onnx.cast(input, bool), onnx.cast(other, bool))


@op(method=True, inplace=True, differentiable=False, broadcast=True, formula="x or y")
def logical_or(input: Array, other: Array) -> Any:
    """Return whether one of the elements or both are not 0, broadcast."""
    return np.logical_or(input, other)


@logical_or.onnx
def _(onnx, input, other):
    return onnx.node("Or", onnx.cast(input, bool), onnx.cast(other, bool))


@op(method=True, operator="&", inplace=True, differentiable=False, promote="arithmetic")
def bitwise_and(input: Array, other: Array) -> Any:
    """Return the bitwise (for booleans, logical) and, broadcast.

    Raises
    ------
    TypeError
        If one of them is floating; so do the other bitwise operations.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0])
    >>> (x > 1) & (x < 3)
    tensor([False,  True, False])
    """
    return _on_bits("bitwise_and", np.bitwise_and, input, other)


@bitwise_and.onnx
def _(onnx, input, other, out):
    return onnx.node("And" if out.dtype == bool_ else "BitwiseAnd", input, other)


@op(method=True, operator="|", inplace=True, differentiable=False, promote="arithmetic")
def bitwise_or(input: Array, other: Array) -> Any:
    """Return the bitwise (for booleans, logical) or, broadcast."""
    return _on_bits("bitwise_or", np.bitwise_or, input, other)


@bitwise_or.onnx
def _(onnx, input, other, out):
    return onnx.node("Or" if out.dtype == bool_ else "BitwiseOr", input, other)


@op(method=True, operator="^", inplace=True, differentiable=False, promote="arithmetic")
def bitwise_xor(input: Array, other: Array) -> Any:
    """Return the bitwise (for booleans, logical) exclusive or, broadcast."""
    return _on_bits("bitwise_xor", np.bitwise_xor, input, other)


@op(method=True, operator="<<", inplace=True, differentiable=False, promote="arithmetic")
def bitwise_left_shift(input: Array, other: Array) -> Any:
    """Return the integers shifted left by `other` bits, broadcast."""
    return _on_bits("bitwise_left_shift", np.left_shift, input, other)


@op(method=True, operator=">>", inplace=True, differentiable=False, promote="arithmetic")
def bitwise_right_shift(input: Array, other: Array) -> Any:
    """Return the integers shifted right by `other` bits, broadcast; the sign stays."""
    return _on_bits("bitwise_right_shift", np.right_shift, input, other)


@op(method=True, operator="~x", inplace=True, differentiable=False)
def bitwise_not(input: Array) -> Any:
    """Return the bitwise (for booleans, logical) not."""
    return _on_bits("bitwise_not", np.bitwise_not, input)


@bitwise_not.onnx
def _(onnx, input, out): return onnx.node("Not" if out.dtype == bool_ else "BitwiseNot", input)


def _on_bits(name: str, function: np.ufunc, *operands: Any) -> Any:
    try:
        return function(*operands)
    except TypeError:
        found = ", ".join(str(np.result_type(operand)) for operand in operands)
        raise TypeError(f"{name}: expected integers or booleans, got {found}") from None


@logical_and.samples
@logical_or.samples
@bitwise_and.samples
@bitwise_or.samples
@bitwise_xor.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.integers(a, -5, 5), draw.integers(b, -5, 5)


@bitwise_left_shift.samples
@bitwise_right_shift.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.integers(a, -99, 99), draw.integers(b, 0, 70)


@logical_not.samples
@bitwise_not.samples
def _(draw): return (draw.integers(draw.shape(), -2, 2),)


@op(method=True, differentiable=False)
def isnan(input: Array) -> Any:
    """Return whether each element is not a number."""
    return np.isnan(input)


isnan.onnx("IsNaN")


@op(method=True, differentiable=False)
def isinf(input: Array) -> Any:
    """Return whether each element is infinite."""
    return np.isinf(input)


isinf.onnx("IsInf")


@op(method=True, differentiable=False)
def isfinite(input: Array) -> Any:
    """Return whether each element is neither infinite nor NaN."""
    return np.isfinite(input)


@isfinite.onnx
def _(onnx, input):
    return onnx.node("Not", onnx.node("Or", onnx.node("IsNaN", input), onnx.node("IsInf", input)))


@isnan.samples
@isinf.samples
@isfinite.samples
def _(draw): return (np.asarray(draw.array(draw.shape()) * draw.choice([1.0, np.inf, np.nan])),)


# -- functions ---------------------------------------------------------------------------------


@op(method=True, operator="abs", inplace=True, formula="|x|")
def abs(input: Array) -> Any:
    """Return the absolute value; its gradient at 0 is 0."""
    return np.absolute(input)


@abs.gradient("input")
def _(g, input): return g * sign(input)


abs.onnx("Abs")


@op(method=True, inplace=True, formula="sign x")
def sign(input: Array) -> Any:
    """Return 1, 0 or -1: the sign of each element; 0 for NaN."""
    kind = np.result_type(input)
    return np.subtract(np.greater(input, 0).astype(kind), np.less(input, 0), dtype=kind)


@sign.gradient("input")
def _(g): return _zeros(g)


sign.onnx("Sign")


@abs.samples
@sign.samples
def _(draw): return (draw.array(draw.shape(), avoid=[0]),)


@op(method=True, inplace=True, promote="float", formula="e^x")
@quiet
def exp(input: Array) -> Any:
    """Return e to the power of each element."""
    return np.exp(input)


@exp.gradient("input")
def _(g, out): return g * out


exp.samples(_one)
exp.onnx("Exp")


@op(method=True, inplace=True, promote="float", formula="e^x - 1")
@quiet
def expm1(input: Array) -> Any:
    """Return ``exp(input) - 1``, accurate also near 0."""
    return np.expm1(input)


@expm1.gradient("input")
def _(g, out): return g * (out + 1)


expm1.samples(_one)


@expm1.onnx
def _(onnx, input): return onnx.node("Sub", onnx.node("Exp", input), 1)


@op(method=True, inplace=True, promote="float", formula="log x")
@quiet
def log(input: Array) -> Any:
    """Return the natural logarithm: -inf at 0, NaN below."""
    return np.log(input)


@log.gradient("input")
def _(g, input): return g / input


log.samples(_positive)
log.onnx("Log")


@op(method=True, inplace=True, promote="float", formula="log(1 + x)")
@quiet
def log1p(input: Array) -> Any:
    """Return ``log(1 + input)``, accurate also near 0."""
    return np.log1p(input)


@log1p.gradient("input")
def _(g, input): return g / (input + 1)


log1p.samples(_positive)


@log1p.onnx
def _(onnx, input): return onnx.node("Log", onnx.node("Add", input, 1))


@op(method=True, inplace=True, promote="float", formula="√x")
@quiet
def sqrt(input: Array) -> Any:
    """Return the square root: NaN below 0, and gradient inf at 0."""
    return np.sqrt(input)


@sqrt.gradient("input")
def _(g, out): return g / (2 * out)


sqrt.samples(_positive)
sqrt.onnx("Sqrt")


@op(method=True, inplace=True, promote="float", formula="1 / √x")
@quiet
def rsqrt(input: Array) -> Any:
    """Return ``1 / sqrt(input)``."""
    return np.reciprocal(np.sqrt(input))


@rsqrt.gradient("input")
def _(g, out): return g * (-0.5 * out**3)


rsqrt.samples(_positive)


@rsqrt.onnx
def _(onnx, input): return onnx.node("Reciprocal", onnx.node("Sqrt", input))


@op(method=True, inplace=True, formula="x²")
@quiet
def square(input: Array) -> Any:
    """Return ``input ** 2``."""
    return np.square(input)


@square.gradient("input")
def _(g, input): return g * (2 * input)


square.samples(_one)


@square.onnx
def _(onnx, input): return onnx.node("Mul", input, input)


@op(method=True, inplace=True, promote="float", formula="1 / x")
@quiet
def reciprocal(input: Array) -> Any:
    """Return ``1 / input``."""
    return np.reciprocal(input)


@reciprocal.gradient("input")
def _(g, out): return -g * (out * out)


reciprocal.samples(_positive)
reciprocal.onnx("Reciprocal")


@op(method=True, inplace=True, promote="float", formula="sin x")
@quiet
def sin(input: Array) -> Any:
    """Return the sine."""
    return np.sin(input)


@sin.gradient("input")
def _(g, input): return g * cos(input)


sin.samples(_one)
sin.onnx("Sin")


@op(method=True, inplace=True, promote="float", formula="cos x")
@quiet
def cos(input: Array) -> Any:
    """Return the cosine."""
    return np.cos(input)


@cos.gradient("input")
def _(g, input): return -g * sin(input)


cos.samples(_one)
cos.onnx("Cos")


# -- choice ------------------------------------------------------------------------------------


@op(constant=("condition",), promote="arithmetic", formula="c ? x : y")
def where(condition: Array, input: Array, other: Array) -> Any:
    """Return `input` where `condition` holds and `other` elsewhere, broadcast.

    Parameters
    ----------
    condition : Tensor
        Booleans; gets no gradient.
    input, other : Tensor or number

    Raises
    ------
    RuntimeError
        If `condition` is not boolean, or the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 2.0])
    >>> tg.where(x > 0, x, 0)
    tensor([0., 2.])
    """
    kind = getattr(condition, "dtype", type(condition))
    if bool_ != kind:
        raise RuntimeError(f"where: condition must be boolean, got {kind}")
    if _is_zero(other) and _is_floating(input):
        return keep(condition, input)
    if _is_zero(input) and _is_floating(other):
        return keep(np.logical_not(condition), other)
    out: Any = np.where(condition, input, other)
    if type(input) in _NUMBERS and type(other) in _NUMBERS:  # np.float64 is a float, too
        return out.astype(result_type(input, other))
    return out


def _is_zero(value: Any) -> bool:
    return type(value) in _NUMBERS and value == 0


def _is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


_NUMBERS = (int, float, bool)


@where.gradient("input")
def _(g, condition): return where(condition, g, 0)


@where.gradient("other")
def _(g, condition): return where(condition, 0, g)


where.onnx("Where")


@where.samples
def _(draw):
    a, b, c = draw.broadcastable(3)
    values = draw.choice([(draw.array(b), draw.array(c)), (0, draw.array(c)), (draw.array(b), 1.5)])
    return draw.mask(a), *values


@method("where")
def _(input: Array, condition: Array, other: Array) -> Tensor:
    """Return ``where(condition, input, other)``."""
    return where(condition, input, other)


@op(method=True, promote="arithmetic", formula="max(x, y)")
def maximum(input: Array, other: Array) -> Any:
    """Return the larger of both, broadcast; NaN where one is NaN.

    Where they are equal, each gets half of the gradient.
    """
    return np.maximum(input, other)


@maximum.gradient("input")
def _(g, input, other): return (where(input < other, 0, g) + where(input <= other, 0, g)) / 2


@maximum.gradient("other")
def _(g, input, other): return (where(input > other, 0, g) + where(input >= other, 0, g)) / 2


maximum.samples(_without_ties)
maximum.onnx("Max")


@op(method=True, promote="arithmetic", formula="min(x, y)")
def minimum(input: Array, other: Array) -> Any:
    """Return the smaller of both, broadcast; NaN where one is NaN.

    Where they are equal, each gets half of the gradient.
    """
    return np.minimum(input, other)


@minimum.gradient("input")
def _(g, input, other): return (where(input > other, 0, g) + where(input >= other, 0, g)) / 2


@minimum.gradient("other")
def _(g, input, other): return (where(input < other, 0, g) + where(input <= other, 0, g)) / 2


minimum.samples(_without_ties)
minimum.onnx("Min")


@op(method=True, inplace=True, promote="arithmetic", formula="clamp x")
def clamp(input: Array, min: Array = None, max: Array = None) -> Any:
    """Return `input`, raised to `min` and then lowered to `max`.

    Parameters
    ----------
    input : Tensor
    min, max : Tensor, number or None
        Broadcast; None for no bound. The gradient goes to `input` where
        ``min <= input <= max``, both bounds included, and to the bound elsewhere.

    Raises
    ------
    RuntimeError
        If both are None, or the shapes do not broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.clamp(tg.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: min and max are both None; give at least one")
    out = input if min is None else np.maximum(input, min)
    return out if max is None else np.minimum(out, max)


@clamp.gradient("input")
def _(g, input, min, max):
    if min is not None:
        g = where(input >= min, g, 0)
    return g if max is None else where(input <= max, g, 0)


@clamp.gradient("min")
def _(g, input, min, max):
    g = where(input < min, g, 0)
    return g if max is None else where(min < max, g, 0)


@clamp.gradient("max")
def _(g, input, min, max):
    return where(input > max if min is None else (input > max) | (max < min), g, 0)


@clamp.onnx
def _(onnx, input, min, max):
    above = input if min is None else onnx.node("Max", input, min)
    return above if max is None else onnx.node("Min", above, max)


@clamp.samples
def _(draw):
    a, b, c = draw.broadcastable(3)
    low = draw.choice([-0.5, _on_grid(draw, b, 0.05), None])
    high = draw.choice([0.5, _on_grid(draw, c, 0.12), None if low is not None else 1])
    return _on_grid(draw, a, 0.02), low, high
