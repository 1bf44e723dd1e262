"""Faults in operations on each element."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.elementwise import abs, exp, floor_divide, log, sign, sin, where

from .catalogue import detached, mutant

# -- sign and factor ---------------------------------------------------------------------------


@mutant("sub", "the sign is forgotten", rule="other")
def _(g): return g


@mutant("cos", "the sign is forgotten", rule="input")
def _(g, input): return g * sin(input)


@mutant("true_divide", "the sign is forgotten", rule="other")
def _(g, other, out): return g * (out / other)


@mutant("square", "the factor 2 is forgotten", rule="input")
def _(g, input): return g * input


@mutant("sqrt", "2 multiplies instead of divides", rule="input")
def _(g, out): return g * (2 / out)


@mutant("rsqrt", "the power is off by one", rule="input")
def _(g, out): return g * (-0.5 * out**2)


@mutant("exp2", "log 2 is forgotten", rule="input")
def _(g, out): return g * out


@mutant("log10", "log 2 for log 10", rule="input")
def _(g, input): return g / (input * math.log(2))


@mutant("erf", "√π for π", rule="input")
def _(g, input): return g * (2 / math.pi * exp(-(input * input)))


@mutant("deg2rad", "the inverse for the transpose", rule="input")
def _(g): return g * (180 / math.pi)


@mutant("reciprocal", "squares the input, not the output", rule="input")
def _(g, input): return -g * (input * input)


# -- the wrong operand -------------------------------------------------------------------------


@mutant("mul", "its own operand", rule="input")
def _(g, input): return g * input


@mutant("hypot", "the other's share", rule="input")
def _(g, other, out): return g * (other / out)


@mutant("atan2", "the operands are swapped", rule="input")
def _(g, input, other): return g * (input / (input * input + other * other))


@mutant("lerp", "the weight's complement is forgotten", rule="input")
def _(g, weight): return g * weight


@mutant("lerp", "the ends are swapped", rule="weight")
def _(g, input, end): return g * (input - end)


@mutant("xlogy", "the logarithm is of the wrong operand", rule="input")
def _(g, input, other): return g * log(abs(input) + 1)


@mutant("logaddexp", "gets the other's share", rule="input")
def _(g, input, other): return g / (1 + exp(input - other))


@mutant("copysign", "the sign of the operand instead of the result", rule="input")
def _(g, input): return g * sign(input)


# -- a missing term or case --------------------------------------------------------------------


@mutant("expm1", "the 1 is forgotten", rule="input")
def _(g, out): return g * out


@mutant("tan", "the 1 is forgotten", rule="input")
def _(g, out): return g * (out * out)


@mutant("log1p", "the 1 is forgotten", rule="input")
def _(g, input): return g / input


@mutant("pow", "the exponent does not fall", rule="input")
def _(g, input, exponent): return g * (exponent * input**exponent)


@mutant("pow", "0 to the power 0 is NaN", rule="input")
def _(g, input, exponent): return g * (exponent * input ** (exponent - 1.0))


@mutant("pow", "the logarithm is forgotten", rule="exponent")
def _(g, out): return g * out


@mutant("remainder", "no gradient of the divisor", rule="other")
def _(g): return g * 0


@mutant("fmod", "rounds down instead of to zero", rule="other")
def _(g, input, other): return -g * floor_divide(input, other)


@mutant("remainder", "the sign is the dividend's")
def _(input, other): return np.fmod(input, other)


# -- ties and boundaries -----------------------------------------------------------------------


@mutant("maximum", "a tie gives all to both", rule="input")
def _(g, input, other): return where(input >= other, g, 0)


@mutant("minimum", "a tie gives nothing to either", rule="input")
def _(g, input, other): return where(input < other, g, 0)


@mutant("abs", "1 at 0 instead of 0", rule="input")
def _(g, input): return where(input >= 0, g, -g)


@mutant("clamp", "> for >= at the lower bound", rule="input")
def _(g, input, min, max):
    if min is not None:
        g = where(input > min, g, 0)
    return g if max is None else where(input <= max, g, 0)


@mutant("clamp", "the upper bound is ignored", rule="input")
def _(g, input, min): return g if min is None else where(input >= min, g, 0)


@mutant("clamp", "min wins over max")
def _(input, min=None, max=None):
    out = input if max is None else np.minimum(input, max)
    return np.array(out) if min is None else np.maximum(out, min)


@mutant("where", "the condition is not negated", rule="other")
def _(g, condition): return where(condition, g, 0)


@mutant("sign", "1 at 0")
def _(input): return np.where(input >= 0, 1, -1).astype(np.result_type(input))


# -- what is recorded: second order only ---------------------------------------------------------


@mutant("mul", "the operand is detached", rule="input")
def _(g, other): return g * detached(other)


@mutant("exp", "the output is detached", rule="input")
def _(g, out): return g * detached(out)


@mutant("sin", "the factor is computed by NumPy", rule="input")
def _(g, input): return g * np.cos(detached(input))


@mutant("log", "the gradient is detached", rule="input")
def _(g, input): return detached(g) / input


@mutant("tanh", "its own output for the gradient in the second derivative", rule="input")
def _(g, out): return (out if isinstance(out, Tensor) else g) * (1 - out * out)


@mutant("square", "another formula when recorded", rule="input")
def _(g, input): return g * (input if isinstance(input, Tensor) else 2 * input)


@mutant("cosh", "NumPy on the input", rule="input")
def _(g, input): return g * np.sinh(input)


# -- memory and dtypes ---------------------------------------------------------------------------


@mutant("neg", "changes its argument")
def _(input): return np.negative(input, out=input)


@mutant("neg", "changes the arriving gradient", rule="input")
def _(g):
    g *= -1
    return g


@mutant("mul", "changes what it kept", rule="input")
def _(g, other):
    if isinstance(other, np.ndarray) and other.flags.writeable:
        other *= detached(g)
        return other
    return g * other


@mutant("sigmoid", "overwrites its output", rule="input")
def _(g, out):
    if isinstance(out, Tensor):
        return g * (out * (1 - out))
    slope = np.multiply(out, 1 - out, out=out)
    return g * slope


@mutant("clone", "returns its argument")
def _(input): return input


@mutant("contiguous", "shares memory where the order is right")
def _(input): return np.ascontiguousarray(input)


@mutant("frac", "the order of memory instead of indices")
def _(input): return np.modf(input.ravel(order="K"))[0].reshape(input.shape)


@mutant("erfc", "√π is a float64 of NumPy", rule="input")
def _(g, input): return g * exp(-(input * input)) * (-2 / np.sqrt(np.pi))


@mutant("cosh", "computed in float64")
def _(input): return np.cosh(input, dtype=np.float64)


# -- forwards that agree with their gradient -----------------------------------------------------


@mutant("hypot", "squares overflow")
def _(input, other): return np.sqrt(input * input + other * other)


@mutant("logaddexp", "no shift: powers overflow")
def _(input, other):
    return np.log(np.exp(input) + np.exp(other)).astype(np.result_type(input, other))


@mutant("expm1", "cancels near 0")
def _(input): return np.exp(input) - 1


@mutant("log1p", "cancels near 0")
def _(input): return np.log(1 + input)


@mutant("round", "halves go up instead of to the even")
def _(input, *, decimals: int = 0): return np.floor(input * 10.0**decimals + 0.5) / 10.0**decimals


@mutant("floor", "truncates")
def _(input): return np.trunc(input)


@mutant("ceil", "floor + 1")
def _(input): return np.floor(input) + 1


@mutant("fmax", "NaN wins")
def _(input, other): return np.maximum(input, other)


@mutant("atan2", "the quotient's quadrant only")
def _(input, other): return np.arctan(input / other)


@mutant("lerp", "the end is missed in the last digit")
def _(input, end, weight): return input + weight * (end - input)


@mutant("nan_to_num", "infinities pass")
def _(
    input, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
): return np.where(np.isnan(input), input.dtype.type(nan or 0), input)


@mutant("isclose", "relative to the first instead of the second")
def _(
    input, other, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
): return np.isclose(other, input, rtol, atol, equal_nan)


@mutant("ge", "> for >=")
def _(input, other): return np.greater(input, other)


# -- equivalent ----------------------------------------------------------------------------------


@mutant(
    "cos",
    "the sign stands elsewhere",
    rule="input",
    equivalent="the same product: a sign may stand at any factor",
)
def _(g, input): return g * -sin(input)
