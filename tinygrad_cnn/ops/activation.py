"""Activation functions; where `inplace` is accepted, the result is a new tensor all the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels import elementwise as kernel
from tinygrad_cnn.random import default_generator

from . import joining, shape
from ._dims import normalize_dim
from .elementwise import abs, clamp, exp, quiet, square, where
from .math import erfc
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
    return kernel.relu(input)


@relu.gradient("input")
def _(g, out): return relu_input(g, out)


relu.onnx("Relu")


@relu.samples
def _(draw): return (draw.array(draw.shape(), avoid=[0]),)


@op(constant=("result",))
def relu_input(cotangent: Array, result: Array) -> Any:
    """Return the gradient of `relu` with respect to its input, given its result."""
    return kernel.relu_input(cotangent, result)


@relu_input.gradient("cotangent")
def _(g, result): return relu_input(g, result)


@relu_input.samples
def _(draw):
    shape = draw.shape()
    return draw.array(shape), draw.array(shape, avoid=[0])


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


@leaky_relu.onnx
def _(onnx, input, negative_slope): return onnx.node("LeakyRelu", input, alpha=negative_slope)


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


sigmoid.onnx("Sigmoid")


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


tanh.onnx("Tanh")


@sigmoid.samples
@tanh.samples
def _(draw): return (draw.array(draw.shape()),)


# -- softmax -----------------------------------------------------------------------------------


@op(name="softmax", formula="softmax x")
@quiet
def _softmax(input: Array, dim: int) -> Any:
    powers = np.exp(_shifted(input, dim))
    total = np.add.reduce(powers, axis=dim, keepdims=True)
    return (powers / total).astype(input.dtype, copy=False)


@_softmax.gradient("input")
def _(g, out, dim):
    # out_i (g_i - sum_j g_j out_j)
    weighted = g * out
    return weighted - out * sum(weighted, dim, True)


@_softmax.onnx
def _(onnx, input, dim): return onnx.node("Softmax", input, axis=dim)


@op(name="log_softmax", formula="log softmax x")
@quiet
def _log_softmax(input: Array, dim: int) -> Any:
    shifted = _shifted(input, dim)
    total = np.log(np.add.reduce(np.exp(shifted), axis=dim, keepdims=True))
    return (shifted - total).astype(input.dtype, copy=False)


@_log_softmax.gradient("input")
def _(g, out, dim): return g - exp(out) * sum(g, dim, True)


@_log_softmax.onnx
def _(onnx, input, dim): return onnx.node("LogSoftmax", input, axis=dim)


@_softmax.samples
@_log_softmax.samples
def _(draw):
    full = draw.shape()
    return draw.array(full, -5, 5), draw.dim(len(full) or 1)


def _shifted(input: Any, dim: int) -> Any:
    """Return `input` less its maximum, of which no power overflows."""
    wide = widened(input)
    return wide - np.maximum.reduce(wide, axis=dim, keepdims=True, initial=-np.inf)


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


def softmin(input: Tensor, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Return ``softmax(-input, dim)``, with its parameters and errors."""
    return softmax(-input, dim, dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Draw from a distribution with these logits, such that the draw has a gradient [1]_ [2]_.

    Parameters
    ----------
    logits : Tensor
        Logarithms of probabilities, up to a constant.
    tau : float
        The temperature: the lower, the closer to one-hot.
    hard : bool
        Return a one-hot draw, with the gradient of the soft one.
    eps : float
        Not used; PyTorch has it for old programs.
    dim : int
        Along which the draw sums to 1.

    References
    ----------
    .. [1] E. Jang, S. Gu, B. Poole, "Categorical reparameterization with Gumbel-softmax", 2016.
    .. [2] C. J. Maddison, A. Mnih, Y. W. Teh, "The Concrete distribution", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> tg.nn.functional.gumbel_softmax(tg.tensor([0.0, 1.0]), hard=True).sum()
    tensor(1.)
    """
    noise = default_generator.numpy.gumbel(size=logits.shape).astype(logits.dtype)
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    one_hot = np.zeros_like(soft.data)
    np.put_along_axis(one_hot, np.argmax(soft.data, axis=dim, keepdims=True), 1, axis=dim)
    return Tensor(one_hot) - soft.detach() + soft


# -- smooth ------------------------------------------------------------------------------------


@op(promote="float", formula="log(1 + e^(βx)) / β")
@quiet
def softplus(input: Array, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return ``log(1 + exp(beta * input)) / beta``.

    Where ``beta * input > threshold``, it is `input`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.softplus(tg.tensor([-1e4, 0.0, 25.0]))
    tensor([ 0.    ,  0.6931, 25.    ])
    """
    scaled = input * beta
    return np.where(scaled > threshold, input, np.log1p(np.exp(scaled)) / beta)


@softplus.gradient("input")
def _(g, input, beta, threshold):
    return where(input * beta > threshold, g, g * sigmoid(input * beta))


@softplus.onnx
def _(onnx, input, beta, threshold):
    scaled = input if beta == 1 else onnx.node("Mul", input, beta)
    smooth = onnx.node("Softplus", scaled)
    if beta != 1:
        smooth = onnx.node("Div", smooth, beta)
    if threshold >= 20:  # from there on, the difference is beyond the digits of float32
        return smooth
    return onnx.node("Where", onnx.node("Greater", scaled, threshold), input, smooth)


@softplus.samples
def _(draw):
    x = draw.array(draw.shape(), avoid=[0.25, 1])
    return x, draw.choice([1.0, 2.0]), draw.choice([20.0, 2.0, 0.5])


@op(promote="float", formula="log σ(x)")
@quiet
def logsigmoid(input: Array) -> Any:
    """Return ``log(sigmoid(input))``, exact also far from 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.logsigmoid(tg.tensor([-1e4, 0.0]))
    tensor([-1.0000e+04, -6.9315e-01])
    """
    return np.minimum(input, 0) - np.log1p(np.exp(-np.absolute(input)))


@logsigmoid.gradient("input")
def _(g, input): return g * sigmoid(-input)


@logsigmoid.onnx
def _(onnx, input):
    return onnx.node("Neg", onnx.node("Softplus", onnx.node("Neg", input)))


@op(promote="float", formula="x Φ(x)")
@quiet
def gelu(input: Array, *, approximate: str = "none") -> Any:
    """Return ``input * Φ(input)``, where Φ is the normal distribution function [1]_.

    Parameters
    ----------
    input : Tensor
    approximate : {"none", "tanh"}
        "tanh": for Φ(x), take ``(1 + tanh(√(2/π) (x + 0.044715 x³))) / 2``.

    Raises
    ------
    RuntimeError
        If `approximate` is neither.

    References
    ----------
    .. [1] D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.gelu(tg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.    ,  0.8413])
    """
    if approximate == "none":
        return input * (0.5 * erfc(input * -math.sqrt(0.5)))
    if approximate == "tanh":  # (1 + tanh u) / 2 = σ(2u), which keeps its digits below 0
        return input * sigmoid(_TWICE * (input + 0.044715 * input * input * input))
    raise RuntimeError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


_TWICE = 2 * math.sqrt(2 / math.pi)


@gelu.gradient("input")
@quiet
def _(g, input, approximate):
    near = clamp(input, -40, 40)  # beyond, Φ is 0 or 1; and squares and cubes may be infinite
    if approximate == "none":  # Φ(x) + x Φ'(x)
        bell = exp(square(near) * -0.5) * (1 / math.sqrt(2 * math.pi))
        return g * (0.5 * erfc(near * -math.sqrt(0.5)) + near * bell)
    cubic = 0.044715 * square(near)
    share = sigmoid(_TWICE * (near + cubic * near))
    return g * (share + near * (share * (1 - share)) * (_TWICE * (1 + 3 * cubic)))


@gelu.onnx
def _(onnx, input, approximate):
    if approximate == "none":  # x (1 + erf(x / √2)) / 2
        part = onnx.node("Erf", onnx.node("Mul", input, math.sqrt(0.5)))
        return onnx.node("Mul", onnx.node("Mul", input, 0.5), onnx.node("Add", part, 1))
    cubic = onnx.node("Mul", onnx.node("Pow", input, 3), 0.044715)
    share = onnx.node("Sigmoid", onnx.node("Mul", onnx.node("Add", input, cubic), _TWICE))
    return onnx.node("Mul", input, share)


@gelu.samples
def _(draw): return draw.array(draw.shape()), {"approximate": draw.choice(["none", "tanh"])}


@op(name="silu", promote="float", formula="x σ(x)")
@quiet
def _silu(input: Array) -> Any:
    return input * sigmoid(input)


@_silu.gradient("input")
@quiet
def _(g, input):
    share = sigmoid(input)
    return g * (share * (1 + input * (1 - share)))


@_silu.onnx
def _(onnx, input): return onnx.node("Mul", input, onnx.node("Sigmoid", input))


@op(name="mish", promote="float", formula="x tanh(softplus x)")
@quiet
def _mish(input: Array) -> Any:
    return input * np.tanh(softplus(input))


@_mish.gradient("input")
@quiet
def _(g, input):
    share = tanh(softplus(input))
    near = clamp(input, None, 30)  # beyond, the share is 1
    return g * (share + near * (1 - square(share)) * sigmoid(input))


@_mish.onnx
def _(onnx, input):
    return onnx.node("Mul", input, onnx.node("Tanh", onnx.node("Softplus", input)))


@logsigmoid.samples
@_silu.samples
@_mish.samples
def _(draw): return (draw.array(draw.shape()),)


def silu(input: Array, inplace: bool = False) -> Tensor:
    """Return ``input * sigmoid(input)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.silu(tg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.2689,  0.    ,  0.7311])
    """
    return _silu(input)


def mish(input: Array, inplace: bool = False) -> Tensor:
    """Return ``input * tanh(softplus(input))``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.mish(tg.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.3034,  0.    ,  0.8651])
    """
    return _mish(input)


def softsign(input: Array) -> Tensor:
    """Return ``input / (1 + |input|)``."""
    return input / (abs(input) + 1)


def tanhshrink(input: Array) -> Tensor:
    """Return ``input - tanh(input)``."""
    return input - tanh(input)


# -- exponential below 0 -----------------------------------------------------------------------


@op(name="elu", promote="float", formula="x > 0 ? s x : s α (e^(βx) - 1)")
@quiet
def _elu(input: Array, alpha: float, scale: float, input_scale: float) -> Any:
    below = (scale * alpha) * np.expm1(np.minimum(input, 0) * input_scale)
    return np.where(np.greater(input, 0), input * scale, below)


@_elu.gradient("input")
def _(g, input, alpha, scale, input_scale):
    positive = input > 0
    slope = (alpha * input_scale) * exp(where(positive, 0, input) * input_scale)
    return where(positive, g, g * slope) * scale


@_elu.onnx
def _(onnx, input, alpha, scale, input_scale):
    # with β for input_scale: (s / β) Elu(β x) of slope α β
    if input_scale != 1:
        input = onnx.node("Mul", input, input_scale)
    result = onnx.node("Elu", input, alpha=alpha * input_scale)
    return result if scale == input_scale else onnx.node("Mul", result, scale / input_scale)


@_elu.samples
def _(draw):
    factors = draw.choice([(1.0, 1.0, 1.0), (0.7, 1.0, 1.0), (1.6, 1.1, 0.5)])
    return draw.array(draw.shape(), avoid=[0]), *factors


def elu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `input` where it is positive, and ``alpha * (exp(input) - 1)`` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.elu(tg.tensor([-1e4, -1.0, 2.0]))
    tensor([-1.    , -0.6321,  2.    ])
    """
    return _elu(input, alpha, 1.0, 1.0)


def selu(input: Array, inplace: bool = False) -> Tensor:
    """Return `elu`, so scaled that normal inputs stay normal through many layers [1]_.

    References
    ----------
    .. [1] G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.
    """
    return _elu(input, SELU_ALPHA, SELU_SCALE, 1.0)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def celu(input: Array, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return `input` where it is positive, and ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Raises
    ------
    RuntimeError
        If `alpha` is 0.
    """
    if alpha == 0:
        raise RuntimeError("celu: alpha must not be 0")
    return _elu(input, alpha, 1.0, 1 / alpha)


# -- piecewise ---------------------------------------------------------------------------------


@op(name="hardtanh", promote="arithmetic", formula="clamp x")
@quiet
def _hardtanh(input: Array, min_val: float, max_val: float) -> Any:
    return np.minimum(np.maximum(input, min_val), max_val)


@_hardtanh.gradient("input")
def _(g, input, min_val, max_val): return where((input <= min_val) | (input >= max_val), 0, g)


@_hardtanh.onnx
def _(onnx, input, min_val, max_val): return onnx.node("Clip", input, min_val, max_val)


@_hardtanh.samples
def _(draw):
    low, high = draw.choice([(-1.0, 1.0), (0.0, 6.0), (-0.5, 0.25)])
    return draw.array(draw.shape(), avoid=[low, high]), low, high


def hardtanh(
    input: Array, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return `input`, at least `min_val` and at most `max_val`; gradient 0 at both and beyond.

    Raises
    ------
    ValueError
        If `min_val` is greater than `max_val`.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is greater than max_val {max_val}")
    return _hardtanh(input, min_val, max_val)


def relu6(input: Array, inplace: bool = False) -> Tensor:
    """Return ``min(max(input, 0), 6)``."""
    return _hardtanh(input, 0, 6)


def hardsigmoid(input: Array, inplace: bool = False) -> Tensor:
    """Return ``relu6(input + 3) / 6``."""
    return relu6(input + 3) / 6


@op(name="hardswish", promote="float", formula="x relu6(x + 3) / 6")
@quiet
def _hardswish(input: Array) -> Any:
    return input * (np.minimum(np.maximum(input + 3, 0), 6) / 6)


@_hardswish.gradient("input")
def _(g, input):
    inner = (input > -3) & (input < 3)
    return where(inner, g * (where(inner, input, 0) / 3 + 0.5), where(input <= -3, 0, g))


_hardswish.onnx("HardSwish")


@_hardswish.samples
def _(draw): return (draw.array(draw.shape(), -5, 5, avoid=[-3, 3]),)


def hardswish(input: Array, inplace: bool = False) -> Tensor:
    """Return ``input * relu6(input + 3) / 6``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.hardswish(tg.tensor([0.0, 1.5, 4.0]))
    tensor([0.   , 1.125, 4.   ])
    """
    return _hardswish(input)


def threshold(input: Array, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return `input` where it is greater than `threshold`, and `value` elsewhere."""
    return where(input <= threshold, value, input)


def hardshrink(input: Array, lambd: float = 0.5) -> Tensor:
    """Return `input` where it is outside [-lambd, lambd], and 0 elsewhere."""
    return where((input >= -lambd) & (input <= lambd), 0, input)


def softshrink(input: Array, lambd: float = 0.5) -> Tensor:
    """Return `input` brought nearer to 0 by `lambd`, and 0 where it is nearer than that.

    Raises
    ------
    RuntimeError
        If `lambd` is negative.
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambd must not be negative, got {lambd}")
    return input - clamp(input, -lambd, lambd)


@op(name="prelu", promote="arithmetic", formula="x > 0 ? x : w x")
@quiet
def _prelu(input: Array, weight: Array) -> Any:
    return np.where(np.greater(input, 0), input, weight * input)


@_prelu.gradient("input")
@quiet
def _(g, input, weight): return where(input > 0, g, weight * g)


@_prelu.gradient("weight")
@quiet
def _(g, input): return where(input > 0, 0, input * g)


@_prelu.onnx
def _(onnx, input, weight, out):
    wide = input if input.shape == out.shape else onnx.node("Expand", input, out.shape)
    return onnx.node("PRelu", wide, weight)


@_prelu.samples
def _(draw):
    a, b = draw.broadcastable(2)
    return draw.array(a, avoid=[0]), draw.array(b)


@method("prelu")
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return `input` where it is positive, and ``weight * input`` elsewhere [1]_.

    Parameters
    ----------
    input : Tensor
        (N, C, ...), or of any shape if there is one weight.
    weight : Tensor
        One, or one per channel: (), (1,) or (C,).

    Raises
    ------
    RuntimeError
        If the weight has another shape.

    References
    ----------
    .. [1] K. He et al., "Delving deep into rectifiers", ICCV 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.prelu(tg.tensor([[-1.0, -1.0]]), tg.tensor([0.1, 0.2]))
    tensor([[-0.1, -0.2]])
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: weight {weight.shape} must have 1 element or one for each of {channels} channels"
        )
    if weight.numel() == 1:
        return _prelu(input, shape.reshape(weight, ()))
    return _prelu(input, shape.reshape(weight, (channels,) + (1,) * (input.ndim - 2)))


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Return `input` where it is positive, and elsewhere a random share of it [1]_.

    Parameters
    ----------
    input : Tensor
        Floating.
    lower, upper : float
        The shares are drawn evenly between these.
    training : bool
        If False, they are all the mean of both.
    inplace : bool
        Accepted, but the result is always a new tensor.

    Raises
    ------
    RuntimeError
        If `lower` is greater than `upper`.

    References
    ----------
    .. [1] B. Xu et al., "Empirical evaluation of rectified activations in convolutional
       network", 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.rrelu(tg.tensor([-1.0, 2.0]), 0.25, 0.75)
    tensor([-0.5,  2. ])
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: lower {lower} is greater than upper {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    shares = default_generator.numpy.uniform(lower, upper, input.shape)
    return _prelu(input, shares.astype(input.dtype))


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half along `dim`, times the `sigmoid` of the second [1]_.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If its size is odd, or `input` has no dimensions.

    References
    ----------
    .. [1] Y. Dauphin et al., "Language modeling with gated convolutional networks", ICML 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.glu(tg.tensor([2.0, 4.0, 0.0, 0.0]))
    tensor([1., 2.])
    """
    if input.ndim == 0:
        raise RuntimeError("glu: input has no dimensions to halve")
    dim = normalize_dim("glu", dim, input.ndim)
    side = input.shape[dim]
    if side % 2:
        raise RuntimeError(f"glu: dim {dim} has size {side}, which is odd")
    values, gates = joining.split(input, side // 2, dim)
    return values * sigmoid(gates)
