"""Arithmetic, comparison and elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.dtypes import get_default_dtype
from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from . import shape

# -- arithmetic --------------------------------------------------------------------------------


@op(name="add", operator="+", inplace=True, promote="arithmetic", formula="x + y")
def _add(input: Array, other: Array) -> Any:
    return np.add(input, other)


@_add.gradient("input")
def _(g): return g


@_add.gradient("other")
def _(g): return g


@_add.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a), draw.array(b)


@method("add", inplace=True)
def add(input: Array, other: Array, *, alpha: float = 1) -> Tensor:
    """Return ``input + alpha * other``, broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.add(tg.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    return _add(input, other if alpha == 1 else mul(other, alpha))


@op(name="sub", operator="-", inplace=True, promote="arithmetic", formula="x - y")
def _sub(input: Array, other: Array) -> Any:
    return np.subtract(input, other)


@_sub.gradient("input")
def _(g): return g


@_sub.gradient("other")
def _(g): return -g


@_sub.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a), draw.array(b)


@method("sub", inplace=True)
def sub(input: Array, other: Array, *, alpha: float = 1) -> Tensor:
    """Return ``input - alpha * other``, broadcast."""
    return _sub(input, other if alpha == 1 else mul(other, alpha))


@op(method=True, operator="*", inplace=True, promote="arithmetic", formula="x · y")
def mul(input: Array, other: Array) -> Any:
    """Return ``input * other``, broadcast."""
    return np.multiply(input, other)


@mul.gradient("input")
def _(g, other): return g * other


@mul.gradient("other")
def _(g, input): return g * input


@op(operator="/", promote="float", formula="x / y")
def true_divide(input: Array, other: Array) -> Any:
    """Return ``input / other``, broadcast; integers give the default floating dtype."""
    return np.true_divide(input, other)


@true_divide.gradient("input")
def _(g, other): return g / other


@true_divide.gradient("other")
def _(g, input, other): return -g * input / (other * other)


@op(method=True, operator="-x", formula="-x")
def neg(input: Array) -> Any:
    """Return ``-input``."""
    return np.negative(input)


@neg.gradient("input")
def _(g): return -g


@op(method="pow", operator="**", inplace=True, promote="arithmetic", formula="x ^ y")
def pow(input: Array, exponent: Array) -> Any:
    """Return ``input ** exponent``, broadcast.

    The gradients at 0 are PyTorch's: ``x**0`` has gradient 0, and so has ``0**y`` by ``y >= 0``.
    """
    return np.power(input, exponent)


@pow.gradient("input")
def _(g, input, exponent):
    # y x^(y-1), and 0 where y = 0, also at x = 0
    return g * where(exponent == 0, 0.0, exponent * input ** where(exponent == 0, 1.0, exponent - 1))


@pow.gradient("exponent")
def _(g, input, exponent, out):
    # x^y log x, and 0 where x = 0 and y >= 0
    zero = (input == 0) & (exponent >= 0)
    return where(zero, 0.0, g * out * log(where(zero, 1.0, input)))


# -- comparison --------------------------------------------------------------------------------


@op(method=True, operator=">", differentiable=False, promote="arithmetic")
def gt(input: Array, other: Array) -> Any:
    """Return whether ``input > other``, elementwise."""
    return np.greater(input, other)


@op(method=True, operator="==", differentiable=False, promote="arithmetic")
def eq(input: Array, other: Array) -> Any:
    """Return whether ``input == other``, elementwise."""
    return np.equal(input, other)


@op(method=True, operator=">=", differentiable=False, promote="arithmetic")
def ge(input: Array, other: Array) -> Any:
    """Return whether ``input >= other``, elementwise."""
    return np.greater_equal(input, other)


@op(operator="&", differentiable=False, method="bitwise_and", promote="arithmetic")
def bitwise_and(input: Array, other: Array) -> Any:
    """Return the bitwise (for bool, logical) and."""
    return np.bitwise_and(input, other)


# -- functions ---------------------------------------------------------------------------------


@op(method=True, inplace=True, promote="float", formula="log x")
def log(input: Array) -> Any:
    """Return the natural logarithm."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(input)


@log.gradient("input")
def _(g, input): return g / input


@op(method=False, promote=None, broadcast=True, constant=("condition",), formula="c ? x : y")
def where(condition: Array, input: Array, other: Array) -> Any:
    """Return `input` where `condition` holds and `other` elsewhere, broadcast."""
    return np.where(condition, input, other)


@where.gradient("input")
def _(g, condition): return where(condition, g, 0)


@where.gradient("other")
def _(g, condition): return where(condition, 0, g)
