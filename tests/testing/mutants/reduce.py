"""Faults in sums, extrema and running sums."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.op import registry
from tinygrad_cnn.ops import reduce
from tinygrad_cnn.ops.elementwise import abs, exp, sign, where
from tinygrad_cnn.ops.reduce import sum
from tinygrad_cnn.ops.shape import broadcast_to, flip

from .catalogue import detached, mutant, right_rule

spread = reduce._spread
right_variance = reduce._variance
right_norm = right_rule("vector_norm", "input")


@mutant("sum", "the dimension is lost where it is not kept", rule="input")
def _(g, input_shape): return broadcast_to(g, input_shape)


@mutant("sum", "the mean's gradient", rule="input")
def _(g, input_shape, dim, keepdim):
    share = math.prod(g.shape) / max(math.prod(input_shape), 1)
    return spread(g, input_shape, dim, keepdim) * share


@mutant("sum", "keepdim is ignored")
def _(input, dim: object = None, keepdim: bool = False):
    return registry["sum"].forward(input, dim, False)


@mutant("mean", "the sum's gradient", rule="input")
def _(g, input_shape, dim, keepdim): return spread(g, input_shape, dim, keepdim)


@mutant("mean", "divides by the number of all elements", rule="input")
def _(g, input_shape, dim, keepdim):
    return spread(g, input_shape, dim, keepdim) / math.prod(input_shape)


@mutant("mean", "divides by the length of the first dimension", rule="input")
def _(g, input_shape, dim, keepdim):
    return spread(g, input_shape, dim, keepdim) / (input_shape or (1,))[0]


@mutant("prod", "the output is not divided", rule="input")
def _(g, input, out, dim, keepdim): return spread(g * out, input.shape, dim, keepdim)


@mutant("prod", "0 / 0 where an element is 0", rule="input")
def _(g, input, out, dim, keepdim):
    safe = where(input == 0, 1, input)
    return where(input == 0, 0, spread(g * out, input.shape, dim, keepdim) / safe)


@mutant("prod", "the output is detached", rule="input")
def _(g, input, out, dim, keepdim):
    return spread(g * detached(out), input.shape, dim, keepdim) / input


@mutant("logsumexp", "not normalised", rule="input")
def _(g, input, top, dim, keepdim):
    return spread(g, input.shape, dim, keepdim) * exp(input - top)


@mutant("logsumexp", "normalised over all elements", rule="input")
def _(g, input, top, dim, keepdim):
    powers = exp(input - top)
    return spread(g, input.shape, dim, keepdim) * (powers / sum(powers))


@mutant("logsumexp", "no shift: powers overflow")
def _(input, dim: object, keepdim: bool = False):
    _, top = registry["logsumexp"].forward(input, dim, keepdim)
    return np.log(registry["sum"].forward(np.exp(input), dim, keepdim)), top


@mutant("var", "the correction is ignored", rule="input")
def _(g, input, dim, keepdim): return reduce._variance_gradient(g, input, dim, 0, keepdim)


@mutant("var", "ddof 0 in value and gradient", helper="ops.reduce:_var")
def _(input, dim, correction, keepdim): return registry["var"](input, dim, 0, keepdim)


@mutant("var", "the factor 2 is forgotten", rule="input")
def _(g, input, dim, correction, keepdim):
    return reduce._variance_gradient(g, input, dim, correction, keepdim) / 2


@mutant("var", "the mean is of all elements, in the gradient", helper="ops.reduce:_mean")
def _(input, dim, keepdim): return registry["mean"](input)


@mutant("var", "mean of squares minus square of mean, which cancels", helper="ops.reduce:_variance")
def _(name, input, dim, correction, keepdim):
    unbiased = right_variance(name, input, dim, correction, keepdim)
    biased = right_variance(name, input, dim, 0, keepdim)
    squares = np.mean(input * input, axis=dim, keepdims=keepdim)
    cancelled = squares - np.mean(input, axis=dim, keepdims=keepdim) ** 2
    return np.where(biased > 0, unbiased * (cancelled / np.where(biased > 0, biased, 1)), unbiased)


@mutant("std", "the root is not differentiated", rule="input")
def _(g, input, dim, correction, keepdim):
    return reduce._variance_gradient(g, input, dim, correction, keepdim)


@mutant("std", "0 / 0 where all elements are the same", rule="input")
def _(g, input, out, dim, correction, keepdim):
    return reduce._variance_gradient(g / (2 * out), input, dim, correction, keepdim)


@mutant("std", "eps inside the root")
def _(input, dim: object, correction: float, keepdim: bool):
    return np.sqrt(np.var(input, axis=dim, ddof=correction, keepdims=keepdim) + 1e-8)


@mutant("vector_norm", "every order is 2", rule="input")
def _(g, input, out, dim, keepdim):
    g, out = spread(g, input.shape, dim, keepdim), spread(out, input.shape, dim, keepdim)
    return g * input / where(out == 0, 1, out)


@mutant("vector_norm", "the sign is forgotten for odd orders", rule="input")
def _(g, input, out, ord, dim, keepdim):
    if ord in (0, 2) or math.isinf(ord):
        return right_norm(g, input, out, ord, dim, keepdim)
    right = right_norm(g, input, out, ord, dim, keepdim)
    return abs(right) * sign(spread(g, input.shape, dim, keepdim))


@mutant("amax", "ties: all to each", rule="input")
def _(g, input, out, dim, keepdim):
    return where(
        input == spread(out, input.shape, dim, keepdim), spread(g, input.shape, dim, keepdim), 0
    )


@mutant("amax", "ties are counted over all elements", rule="input")
def _(g, input, out, dim, keepdim):
    chosen = input == spread(out, input.shape, dim, keepdim)
    return where(chosen, spread(g, input.shape, dim, keepdim), 0) / float(np.sum(detached(chosen)))


@mutant("max", "the index counts along the last dimension", rule="input")
def _(g, indices, input_shape, dim, keepdim):
    if not input_shape:
        return g * 1
    places = np.arange(input_shape[-1])
    chosen = places == spread(indices, input_shape, dim, keepdim)
    return where(chosen, spread(g, input_shape, dim, keepdim), 0)


@mutant("max", "the last of equal elements")
def _(input, dim: int, keepdim: bool):
    values, first = registry["max"].forward(input, dim, keepdim)
    if not input.ndim:
        return values, first
    last = np.argmax(np.flip(input, dim), axis=dim, keepdims=keepdim)
    return values, input.shape[dim] - 1 - last


@mutant("argmin", "the largest")
def _(input, dim: int | None = None, keepdim: bool = False):
    return registry["argmax"].forward(input, dim, keepdim)


@mutant("median", "the mean of the two in the middle")
def _(input): return np.median(input)


@mutant("cumsum", "sums from the wrong end", rule="input")
def _(g, dim): return registry["cumsum"](g, dim)


@mutant("cumsum", "leaves out the element itself", rule="input")
def _(g, dim): return flip(registry["cumsum"](flip(g, (dim,)), dim), (dim,)) - g


@mutant("cumprod", "wrong where an element is 0", rule="input")
def _(g, input, out, dim):
    total = flip(registry["cumsum"](flip(g * out, (dim,)), dim), (dim,))
    return total / where(input == 0, 1, input)


@mutant("logcumsumexp", "the powers are of the whole output", rule="input")
def _(g, input, out, dim):
    return g * exp(input - out)


@mutant("argsort", "not stable")
def _(input, dim: int = -1, descending: bool = False, *, stable: bool = False):
    order = np.argsort(input, dim, kind="stable") if input.ndim else np.zeros((), np.int64)
    return np.flip(order, dim) if descending and input.ndim else order


@mutant("all", "any")
def _(input, dim: object = None, keepdim: bool = False):
    return registry["any"].forward(input, dim, keepdim)


@mutant(
    "sum",
    "spread by adding to zeros",
    rule="input",
    equivalent="adding 0 changes no number, and broadcasts as well",
)
def _(g, input_shape, dim, keepdim):
    return spread(g, input_shape, dim, keepdim) + np.zeros(input_shape, g.dtype)
