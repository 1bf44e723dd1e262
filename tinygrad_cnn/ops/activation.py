"""Activation functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from . import shape
from ._dims import normalize_dim
from .elementwise import exp, quiet, where
from .reduce import sum, widened


@op(method=True, inplace=True, formula="max(x, 0)")
def relu(input: Array) -> Any:
    """Return ``max(input, 0)``; its gradient at 0 is 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.relu(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return np.maximum(input, 0)


@relu.gradient("input")
def _(g, out): return where(out <= 0, 0, g)


@relu.samples
def _(draw): return (draw.array(draw.shape(), avoid=[0]),)


@op(promote="float", formula="x > 0 ? x : a x")
@quiet
def leaky_relu(input: Array, negative_slope: float = 0.01) -> Any:
    """Return `input` where it is positive, and ``negative_slope * input`` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.leaky_relu(tg.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1,  2. ])
    """
    return np.maximum(input, 0) + negative_slope * np.minimum(input, 0)


@leaky_relu.gradient("input")
def _(g, input, negative_slope):
    positive = input > 0
    return where(positive, g, 0) + where(positive, 0, negative_slope * g)


@leaky_relu.samples
def _(draw): return draw.array(draw.shape(), avoid=[0]), draw.choice([0.01, 0.0, 1.5, -0.5])


@op(method=True, inplace=True, promote="float", formula="σ(x)")
def sigmoid(input: Array) -> Any:
    """Return ``1 / (1 + exp(-input))``, accurate also far from 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.sigmoid(tg.tensor([-1e4, 0.0, 1e4]))
    tensor([0. , 0.5, 1. ])
    """
    # e^x / (1 + e^x) below 0 and 1 / (1 + e^-x) above: no power overflows
    return np.exp(np.minimum(input, 0)) / (1 + np.exp(-np.absolute(input)))


@sigmoid.gradient("input")
def _(g, out): return g * (out * (1 - out))


@op(method=True, inplace=True, promote="float", formula="tanh x")
def tanh(input: Array) -> Any:
    """Return the hyperbolic tangent.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tanh(tg.tensor([0.0, 1.0]))
    tensor([0.    , 0.7616])
    """
    return np.tanh(input)


@tanh.gradient("input")
def _(g, out): return g * (1 - out * out)


@sigmoid.samples
@tanh.samples
def _(draw): return (draw.array(draw.shape()),)


# -- softmax -----------------------------------------------------------------------------------


@op(name="softmax", formula="softmax x")
@quiet
def _softmax(input: Array, dim: int) -> Any:
    powers = np.exp(_shifted(input, dim))
    return (powers / np.sum(powers, axis=dim, keepdims=True)).astype(input.dtype, copy=False)


@_softmax.gradient("input")
def _(g, out, dim):
    # out_i (g_i - sum_j g_j out_j)
    weighted = g * out
    return weighted - out * sum(weighted, dim, True)


@op(name="log_softmax", formula="log softmax x")
@quiet
def _log_softmax(input: Array, dim: int) -> Any:
    shifted = _shifted(input, dim)
    total = np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))
    return (shifted - total).astype(input.dtype, copy=False)


@_log_softmax.gradient("input")
def _(g, out, dim): return g - exp(out) * sum(g, dim, True)


@_softmax.samples
@_log_softmax.samples
def _(draw):
    full = draw.shape()
    return draw.array(full, -5, 5), draw.dim(len(full) or 1)


def _shifted(input: Any, dim: int) -> Any:
    """Return `input` less its maximum, of which no power overflows."""
    wide = widened(input)
    return wide - np.max(wide, axis=dim, keepdims=True, initial=-np.inf)


@method("softmax")
def softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return ``exp(input) / exp(input).sum(dim)``, stable for inputs of any size.

    Parameters
    ----------
    input : Tensor
        Floating. Where it is -inf, the result is 0; a slice of nothing but -inf gives NaN.
    dim : int
        The dimension along which the result sums to 1.
    dtype : dtype, optional
        Convert the input first.

    Raises
    ------
    TypeError
        If `dim` is not given.
    IndexError
        If there is no such dimension.
    RuntimeError
        If the input is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.softmax(tg.tensor([1e4, 1e4, -float("inf")]), dim=0)
    tensor([0.5, 0.5, 0. ])
    """
    return _softmax(*_prepared("softmax", input, dim, dtype))


@method("log_softmax")
def log_softmax(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return the logarithm of `softmax`, exact also where that is as good as 0.

    The parameters and errors are those of `softmax`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.log_softmax(tg.tensor([1e4, 0.0]), dim=0)
    tensor([     0., -10000.])
    """
    return _log_softmax(*_prepared("log_softmax", input, dim, dtype))


def _prepared(name: str, input: Tensor, dim: int | None, dtype: Any) -> tuple[Tensor, int]:
    if dim is None:
        raise TypeError(f"{name}: dim must be given: which dimension shall sum to 1?")
    if dtype is not None:
        input = shape.convert(input, dtype)
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must be floating, got {input.dtype}; convert by dtype=")
    return input, normalize_dim(name, dim, input.ndim)
