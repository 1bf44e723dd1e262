"""Faults in activations."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.activation import sigmoid, softplus, tanh
from tinygrad_cnn.ops.elementwise import exp, square, where
from tinygrad_cnn.ops.math import erf
from tinygrad_cnn.ops.reduce import sum

from .catalogue import detached, mutant


@mutant("relu", "the gradient passes at 0", rule="input")
def _(g, input): return where(input >= 0, g, 0)


@mutant("relu", "masks by the arriving gradient", rule="input")
def _(g): return where(g > 0, g, 0)


@mutant("relu", "multiplies by a mask, which makes -0 and NaN")
def _(input): return input * (input > 0)


@mutant("leaky_relu", "the slope is applied above 0", rule="input")
def _(g, input, negative_slope): return where(input > 0, negative_slope * g, g)


@mutant("leaky_relu", "the slope is the default's", rule="input")
def _(g, input): return where(input > 0, g, 0.01 * g)


@mutant("leaky_relu", "1 at 0", rule="input")
def _(g, input, negative_slope): return where(input >= 0, g, negative_slope * g)


@mutant("elu", "the scale is forgotten", rule="input")
def _(g, input, alpha, input_scale):
    slope = (alpha * input_scale) * exp(where(input > 0, 0, input) * input_scale)
    return where(input > 0, g, g * slope)


@mutant("elu", "e^x for e^x - 1")
def _(input, alpha: float, scale: float, input_scale: float):
    below = scale * alpha * np.exp(np.minimum(input, 0) * input_scale)
    return np.where(input > 0, input * scale, below)


@mutant("sigmoid", "the inverse's derivative", rule="input")
def _(g, out): return g / (out * (1 - out))


@mutant("sigmoid", "takes the input for the output", rule="input")
def _(g, input): return g * (input * (1 - input))


@mutant("sigmoid", "powers overflow")
def _(input): return np.exp(input) / (1 + np.exp(input))


@mutant("tanh", "the square is forgotten", rule="input")
def _(g, out): return g * (1 - out)


@mutant("tanh", "by the quotient of powers, which overflow")
def _(input): return (np.exp(2 * input) - 1) / (np.exp(2 * input) + 1)


@mutant("softmax", "only the diagonal of the Jacobian", rule="input")
def _(g, out): return g * out * (1 - out)


@mutant("softmax", "sums over the last dimension, not its own", rule="input")
def _(g, out): return g * out - out * sum(g * out, -1, True)


@mutant("softmax", "sums over all elements", rule="input")
def _(g, out): return g * out - out * sum(g * out)


@mutant("softmax", "the subtracted sum is detached", rule="input")
def _(g, out, dim): return g * out - out * detached(sum(g * out, dim, True))


@mutant("softmax", "no shift: powers overflow")
def _(input, dim: int): return np.exp(input) / np.sum(np.exp(input), axis=dim, keepdims=True)


@mutant("log_softmax", "the output is no logarithm", rule="input")
def _(g, out, dim): return g - out * sum(g, dim, True)


@mutant("log_softmax", "the sum is forgotten: one-hot gradients only", rule="input")
def _(g, out): return g - exp(out)


@mutant("log_softmax", "the logarithm of a softmax, which underflows")
def _(input, dim: int):
    powers = np.exp(input - np.max(input, axis=dim, keepdims=True))
    return np.log(powers / np.sum(powers, axis=dim, keepdims=True))


@mutant("softplus", "β once too often", rule="input")
def _(g, input, beta): return g * sigmoid(input * beta) * beta


@mutant("softplus", "the threshold is compared without β")
def _(input, beta: float = 1.0, threshold: float = 20.0):
    return np.where(input > threshold, input, np.log1p(np.exp(input * beta)) / beta)


@mutant("logsigmoid", "the sign is forgotten inside", rule="input")
def _(g, input): return g * sigmoid(input)


@mutant("logsigmoid", "powers overflow")
def _(input): return -np.log(1 + np.exp(-input))


@mutant("gelu", "x Φ'(x) is forgotten", rule="input")
def _(g, input): return g * (0.5 * (1 + erf(input * math.sqrt(0.5))))


@mutant("gelu", "the approximation's rule for both", rule="input")
def _(g, input):
    inner = math.sqrt(2 / math.pi) * (input + 0.044715 * input * square(input))
    slope = math.sqrt(2 / math.pi) * (1 + 0.134145 * square(input))
    return g * (0.5 * (1 + tanh(inner)) + 0.5 * input * (1 - square(tanh(inner))) * slope)


@mutant("gelu", "another constant in value and gradient", helper="ops.activation:_TWICE")
def _(): return 2 * 0.8  # for √(2 / π)


@mutant("silu", "the product's second term is forgotten", rule="input")
def _(g, input): return g * sigmoid(input)


@mutant("mish", "the square is forgotten", rule="input")
def _(g, input):
    share = tanh(softplus(input))
    return g * (share + input * (1 - share) * sigmoid(input))


@mutant("hardtanh", "the gradient passes at the bounds", rule="input")
def _(g, input, min_val, max_val): return where((input < min_val) | (input > max_val), 0, g)


@mutant("hardtanh", "the upper bound is minus the lower", rule="input")
def _(g, input, min_val): return where((input <= min_val) | (input >= -min_val), 0, g)


@mutant("hardswish", "x / 3 is forgotten", rule="input")
def _(g, input):
    return where((input > -3) & (input < 3), g * 0.5, where(input <= -3, 0, g))


@mutant("hardswish", "the upper bound is 6, not 3", rule="input")
def _(g, input):
    return where((input > -3) & (input < 6), g * (input / 3 + 0.5), where(input <= -3, 0, g))


@mutant("prelu", "the weight's gradient above 0", rule="weight")
def _(g, input): return where(input > 0, input * g, 0)


@mutant("prelu", "the weight is detached", rule="input")
def _(g, input, weight): return where(input > 0, g, detached(weight) * g)


@mutant("sigmoid", "keeps the output of an earlier call", rule="input")
def _(g, out):
    out = stale.setdefault((out.shape, type(out)), out)
    return g * (out * (1 - out))


stale: dict[object, Tensor | np.ndarray] = {}


@mutant(
    "relu",
    "the mask is taken from the input",
    rule="input",
    equivalent="out > 0 and input > 0 are the same",
)
def _(g, input): return where(input <= 0, 0, g)
