"""Faults in losses, normalisations, dropout and embeddings."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.op import registry
from tinygrad_cnn.ops import dropout, loss, norm
from tinygrad_cnn.ops._reduction import reduced
from tinygrad_cnn.ops.elementwise import abs, clamp, where
from tinygrad_cnn.ops.shape import broadcast_to, unsqueeze

from .catalogue import detached, mutant, right_rule

right_nll = right_rule("nll_loss", "input")
right_batch_norm = right_rule("batch_norm", "input weight bias")
right_embedding = right_rule("embedding", "weight")
right_logit_loss = loss._logit_loss
right_track, right_affine = norm._track, norm._affine
right_mask = dropout._mask


# -- losses --------------------------------------------------------------------------------------


@mutant("nll_loss", "the sign is forgotten", rule="input")
def _(g, input_shape, target, scale): return -right_nll(g, input_shape, target, scale)


@mutant("nll_loss", "the mean's divisor and the weights are forgotten", rule="input")
def _(g, input_shape, target, scale):
    return right_nll(g, input_shape, target, np.where(scale == 0, 0, -1).astype(scale.dtype))


@mutant("nll_loss", "gradient for ignored targets, too", rule="input")
def _(g, input_shape, target, scale):
    usual = float(np.min(detached(scale), initial=0))
    return right_nll(g, input_shape, target, np.where(scale == 0, usual, scale))


@mutant("nll_loss", "a whole class's row gets the gradient", rule="input")
def _(g, input_shape, scale):
    return broadcast_to(unsqueeze(g * scale, 1 if len(input_shape) > 1 else 0), input_shape)


@mutant("nll_loss", "one label too far", rule="input")
def _(g, input_shape, target, scale):
    classes = input_shape[1 if len(input_shape) > 1 else 0]
    return right_nll(g, input_shape, (target + 1) % classes, scale)


@mutant("nll_loss", "ignore_index is ignored")
def _(input, target, weight=None, *, ignore_index: int, reduction: str):
    return registry["nll_loss"].forward(
        input, np.abs(target), weight, ignore_index=-1, reduction=reduction
    )


@mutant("nll_loss", "the weight is dropped")
def _(input, target, weight=None, *, ignore_index: int, reduction: str):
    right = registry["nll_loss"].forward
    right(input, target, weight, ignore_index=ignore_index, reduction=reduction)  # the checks
    return right(input, target, ignore_index=ignore_index, reduction=reduction)


@mutant("nll_loss", "the mean is over the batch, not the weights")
def _(input, target, weight=None, *, ignore_index: int, reduction: str):
    right = registry["nll_loss"].forward
    if reduction != "mean" or not target.size:
        return right(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    total, scale = right(input, target, weight, ignore_index=ignore_index, reduction="sum")
    return total / target.size, scale / target.size


@mutant("nll_loss", "the sum for the mean")
def _(input, target, weight=None, *, ignore_index: int, reduction: str):
    return registry["nll_loss"].forward(
        input,
        target,
        weight,
        ignore_index=ignore_index,
        reduction="sum" if reduction == "mean" else reduction,
    )


@mutant("binary_cross_entropy", "the sign is wrong", rule="input")
def _(g, input, target): return g * ((target - input) / (input * (1 - input)))


@mutant("binary_cross_entropy", "not divided by x (1 - x), as of logits", rule="input")
def _(g, input, target): return g * (input - target)


@mutant("binary_cross_entropy", "1 / 0 at 0 and 1", rule="input")
def _(g, input, target): return g * ((1 - target) / (1 - input) - target / input)


@mutant("binary_cross_entropy", "the target gets no gradient", rule="target")
def _(g, input): return where(True, 0, g * input)


@mutant("binary_cross_entropy", "no bound on the logarithm")
def _(input, target):
    registry["binary_cross_entropy"].forward(input, target)  # the checks
    return (target - 1) * np.log1p(-input) - target * np.log(input)


@mutant("binary_cross_entropy", "eps inside the logarithm")
def _(input, target):
    registry["binary_cross_entropy"].forward(input, target)  # the checks
    return (target - 1) * np.log1p(1e-7 - input) - target * np.log(input + 1e-7)


@mutant("binary_cross_entropy_with_logits", "pos_weight is for both", helper="ops.loss:_logit_loss")
def _(input, target, pos_weight=None):
    right = right_logit_loss(input, target)
    return right if pos_weight is None else right * pos_weight


@mutant("mse_loss", "not divided by the weights", helper="ops.regression_loss:_weighted_mean")
def _(name, loss, weight, input, reduction):
    return reduced(name, loss if weight is None else loss * weight, reduction)


@mutant("huber_loss", "the linear part is not shifted", helper="ops.regression_loss:_huber")
def _(difference, delta):
    size = abs(difference)
    return where(size < delta, difference * difference * 0.5, size * delta)


@mutant("huber_loss", "1 for delta", helper="ops.regression_loss:_huber")
def _(difference, delta):
    capped = clamp(difference, -1, 1)
    return capped * (difference - capped * 0.5)


# -- normalisations ------------------------------------------------------------------------------


def batch_norm_rule(g, input, weight, var, eps, *, through_mean=True, through_var=True, r=None):
    """Return the input's gradient from that of `out`, without some ways through the statistics."""
    n = max(math.prod(input.shape) // max(input.shape[1], 1), 1)
    r = (var + eps) ** -0.5 if r is None else r
    gy = g[0] if weight is None else g[0] * channels(weight, input)
    mean = registry["channel_sum"](input) / n
    centred = input - channels(mean, input)
    dx = gy
    if through_mean:
        dx = dx - channels(registry["channel_sum"](gy) / n, input)
    if through_var:
        dx = dx - centred * channels(registry["channel_dot"](gy, centred) * r * r / n, input)
    return dx * channels(r, input)


def channels(values, input):
    """Return `values` of (C,) in the shape that broadcasts with (N, C, ...)."""
    return values.reshape((-1,) + (1,) * (input.ndim - 2))


def with_rule(g, input, weight, mean, var, eps, **options):
    """Return what the right rule does, but with `batch_norm_rule` for what arrives at `out`."""
    right = right_batch_norm(g, input, weight, mean, var, eps)
    if g[0] is None:
        return right
    alone = right_batch_norm((g[0], None, None), input, weight, mean, var, eps)
    return right[0] - alone[0] + batch_norm_rule(g, input, weight, var, eps, **options), *right[1:]


@mutant(
    "batch_norm",
    "through mean and variance one by one",
    rule="input weight bias",
    equivalent="the same derivative, in steps; those below leave one out",
)
def _(g, input, weight, mean, var, eps): return with_rule(g, input, weight, mean, var, eps)


@mutant("batch_norm", "the mean is taken for a constant", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    return with_rule(g, input, weight, mean, var, eps, through_mean=False)


@mutant("batch_norm", "the variance is taken for a constant", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    return with_rule(g, input, weight, mean, var, eps, through_var=False)


@mutant("batch_norm", "eps outside the root in the gradient", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    return with_rule(g, input, weight, mean, var, eps, r=1 / (var**0.5 + eps))


@mutant("batch_norm", "the weight is forgotten in the input's gradient", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    _, *others = right_batch_norm(g, input, weight, mean, var, eps)
    return right_batch_norm(g, input, None, mean, var, eps)[0], *others


@mutant("batch_norm", "the weight's gradient is not normalised", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    dx, dw, db = right_batch_norm(g, input, weight, mean, var, eps)
    return dx, dw * (var + eps) ** 0.5, db


@mutant("batch_norm", "the gradient of the variance output is lost", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    return right_batch_norm((g[0], g[1], None), input, weight, mean, var, eps)


@mutant("batch_norm", "the statistics are detached", rule="input weight bias")
def _(g, input, weight, mean, var, eps):
    return right_batch_norm(g, input, weight, detached(mean), detached(var), eps)


@mutant("batch_norm", "the unbiased variance")
def _(input, weight=None, bias=None, eps: float = 1e-5):
    out, mean, var = registry["batch_norm"].forward(input, weight, bias, eps)
    n = math.prod(input.shape) // max(input.shape[1], 1)
    return out, mean, var * (n / max(n - 1, 1))


@mutant("batch_norm", "eps outside the root")
def _(input, weight=None, bias=None, eps: float = 1e-5):
    _, mean, var = registry["batch_norm"].forward(input, weight, bias, eps)
    out = (input - channels(mean, input)) / (np.sqrt(channels(var, input)) + eps)
    out = out if weight is None else out * channels(weight, input)
    return out if bias is None else out + channels(bias, input), mean, var


@mutant("batch_norm", "the momentum is swapped", helper="ops.norm:_track")
def _(running_mean, running_var, mean, var, count, momentum):
    right_track(running_mean, running_var, mean, var, count, 1 - momentum)


@mutant("batch_norm", "the biased variance is tracked", helper="ops.norm:_track")
def _(running_mean, running_var, mean, var, count, momentum):
    right_track(running_mean, running_var, mean, var * ((count - 1) / count), count, momentum)


@mutant("batch_norm", "the running mean is not updated", helper="ops.norm:_track")
def _(running_mean, running_var, mean, var, count, momentum):
    right_track(None, running_var, mean, var, count, momentum)


@mutant("channel_sum", "the mean's gradient", rule="input")
def _(g, input_shape):
    shape = (-1,) + (1,) * (len(input_shape) - 2)
    share = input_shape[1] / max(math.prod(input_shape), 1)
    return broadcast_to(g.reshape(shape), input_shape) * share


@mutant("channel_dot", "its own operand", rule="other")
def _(g, other): return channels(g, other) * other


@mutant("layer_norm", "the scale is forgotten", helper="ops.norm:_affine")
def _(out, dtype, scales, weight, bias=None): return right_affine(out, dtype, scales, None, bias)


# -- dropout and embedding -----------------------------------------------------------------------


@mutant("dropout", "the gradient is not scaled", rule="input")
def _(g, mask): return where(mask, g, 0)


@mutant("dropout", "multiplies by p for 1 - p", rule="input")
def _(g, mask, p): return where(mask, g * (1 / p if p else 1), 0)


@mutant("dropout", "the dropped pass", rule="input")
def _(g, mask, p): return where(~mask, g * (1 / (1 - p) if p < 1 else 1), 0)


@mutant("dropout", "not scaled in value and gradient")
def _(input, mask, p: float): return np.where(mask, input, 0).astype(np.result_type(input))


@mutant("dropout", "keeps with probability p", helper="ops.dropout:_mask")
def _(name, input, p, training, leading):
    mask = right_mask(name, input, p, training, leading)
    return mask if mask is None else ~mask


@mutant("embedding", "the padding row learns", rule="weight")
def _(g, input, weight_shape, scale_grad_by_freq):
    return right_embedding(g, input, weight_shape, None, scale_grad_by_freq)


@mutant("embedding", "repeated words count once", rule="weight")
def _(g, input, weight_shape, padding_idx):
    return right_embedding(g, input, weight_shape, padding_idx, True)


@mutant("embedding", "multiplied by the frequency", rule="weight")
def _(g, input, weight_shape, padding_idx, scale_grad_by_freq):
    counts = np.bincount(np.ravel(input), minlength=weight_shape[0])[input]
    g = g * counts[..., None].astype(g.dtype) if scale_grad_by_freq else g
    return right_embedding(g, input, weight_shape, padding_idx, False)


@mutant(
    "nll_loss",
    "the scale is detached",
    rule="input",
    equivalent="an auxiliary output carries no gradient",
)
def _(g, input_shape, target, scale): return right_nll(g, input_shape, target, detached(scale))
