"""Elementwise functions met now and then: odds, degrees, signs and steps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float64

from .elementwise import _without_ties, _zeros, clamp, pow, quiet, sign
from .shape import to


@op(name="logit", promote="float", formula="log(x / (1 - x))")
@quiet
def _logit(input: Array) -> Any:
    return np.log(input) - np.log1p(np.negative(input))


@_logit.gradient("input")
def _(g, input): return g / (input * (1 - input))


@_logit.samples
def _(draw): return (draw.array(draw.shape(), 0.1, 0.9),)


@method("logit", inplace=True)
def logit(input: Array, eps: float | None = None) -> Tensor:
    """Return the logarithm of the odds, ``log(input / (1 - input))``: the inverse of `sigmoid`.

    Parameters
    ----------
    input : Tensor
        Probabilities.
    eps : float, optional
        Clamp them to ``[eps, 1 - eps]``. Without it 0 and 1 give infinities, and what is outside
        gives NaN.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.logit(tg.tensor([0.5, 0.9, 1.0]))
    tensor([0.    , 2.1972,    inf])
    """
    return _logit(input if eps is None else clamp(input, eps, 1 - eps))


@op(method=True, inplace=True, promote="float", formula="x π / 180")
def deg2rad(input: Array) -> Any:
    """Return degrees as radians."""
    return input * (math.pi / 180)


@deg2rad.gradient("input")
def _(g): return g * (math.pi / 180)


@op(method=True, inplace=True, promote="float", formula="x 180 / π")
def rad2deg(input: Array) -> Any:
    """Return radians as degrees."""
    return input * (180 / math.pi)


@rad2deg.gradient("input")
def _(g): return g * (180 / math.pi)


@deg2rad.samples
@rad2deg.samples
def _(draw): return (draw.array(draw.shape()),)


@method("float_power", inplace=True)
def float_power(input: Any, exponent: Any) -> Tensor:
    """Return `pow`, computed in float64.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.float_power(tg.tensor([2, 3]), -1)
    tensor([0.5   , 0.3333], dtype=float64)
    """
    base, power = (
        to(x, float64) if isinstance(x, Tensor) else x for x in (input, exponent)
    )
    return pow(base, power)


@op(method=True, inplace=True, promote="float", formula="|x| sign y")
def copysign(input: Array, other: Array) -> Any:
    """Return the size of `input` with the sign of `other`, broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.copysign(tg.tensor([1.0, -2.0]), tg.tensor([-1.0, 0.0]))
    tensor([-1.,  2.])
    """
    return np.copysign(input, other)


@copysign.gradient("input")
def _(g, input, out): return g * (sign(input) * sign(out))


@copysign.gradient("other")
def _(g): return _zeros(g)


@copysign.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a, avoid=[0]), draw.choice([draw.array(b, avoid=[0]), -1.5])


@op(method=True, inplace=True, differentiable=False, broadcast=True, formula="x > 0")
def heaviside(input: Array, values: Array) -> Any:
    """Return the step function: 0 below 0, 1 above, and `values` at 0.

    Raises
    ------
    RuntimeError
        If the dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.heaviside(tg.tensor([-1.0, 0.0, 2.0]), tg.tensor(0.5))
    tensor([0. , 0.5, 1. ])
    """
    if np.result_type(input) != np.result_type(values):
        raise RuntimeError(
            f"heaviside: input and values must have one dtype, "
            f"got {np.result_type(input)} and {np.result_type(values)}"
        )
    step = np.where(np.equal(input, 0), values, np.greater(input, 0))
    return np.where(np.isnan(input), input, step).astype(np.result_type(input), copy=False)


@heaviside.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.integers(a, -1, 1) / 2, draw.array(b)


@op(method=True, inplace=True, differentiable=False, broadcast=True, formula="x xor y")
def logical_xor(input: Array, other: Array) -> Any:
    """Return whether one of the elements, but not both, is not 0, broadcast."""
    return np.logical_xor(input, other)


logical_xor.samples(_without_ties)


@op(method=True, differentiable=False)
def signbit(input: Array) -> Any:
    """Return whether each element is negative, or -0.0."""
    return np.signbit(input) if np.result_type(input).kind == "f" else np.less(input, 0)


@op(method=True, differentiable=False)
def isposinf(input: Array) -> Any:
    """Return whether each element is infinite and positive."""
    return np.equal(input, math.inf)


@op(method=True, differentiable=False)
def isneginf(input: Array) -> Any:
    """Return whether each element is infinite and negative."""
    return np.equal(input, -math.inf)


@signbit.samples
@isposinf.samples
@isneginf.samples
def _(draw): return (np.asarray(draw.array(draw.shape()) * draw.choice([1.0, np.inf])),)
