"""Batch normalisation, and the sums per channel that it is made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor, as_array, changed_in_place

from .shape import broadcast_to, reshape, to

# A channel is an index of dimension 1 of (N, C, ...); per channel means shape (C,).


def _per_channel(values: Any, ndim: int) -> Any:
    """Reshape (C,) so that it broadcasts with `ndim` dimensions (N, C, ...)."""
    return reshape(values, (len(values), *(1,) * (ndim - 2)))


def _wide(dtype: np.dtype) -> np.dtype:
    """Return the dtype that sums are made in: float32 for float16."""
    return np.promote_types(dtype, np.float32)


@op
def channel_sum(input: Array) -> Any:
    """Return the sum of each channel of (N, C, ...), shape (C,); float16 gives float32.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.ops.norm.channel_sum(tg.ones(2, 3, 5))
    tensor([10., 10., 10.])
    """
    return np.einsum(input, range(input.ndim), [1], dtype=_wide(input.dtype))


@channel_sum.gradient("input")
def _(g, input_shape): return broadcast_to(_per_channel(g, len(input_shape)), input_shape)


@channel_sum.samples
def _(draw): return (draw.array(draw.shape(min_dims=2, max_dims=4)),)


@op
def channel_dot(input: Array, other: Array) -> Any:
    """Return the sum over each channel of ``input * other``, shape (C,); float16 gives float32.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.ops.norm.channel_dot(tg.ones(2, 3, 5), 2 * tg.ones(2, 3, 5))
    tensor([20., 20., 20.])
    """
    axes = range(input.ndim)
    return np.einsum(input, axes, other, axes, [1], dtype=_wide(np.result_type(input, other)))


@channel_dot.gradient("input")
def _(g, other): return _per_channel(g, other.ndim) * other


@channel_dot.gradient("other")
def _(g, input): return _per_channel(g, input.ndim) * input


@channel_dot.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    return draw.array(shape), draw.array(shape)


@op(name="batch_norm", outputs=("out", "mean", "var"), formula="(x - mean) / √(var + ε) · w + b")
def _batch_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        count = _count(input)
        mean = channel_sum(input) / count
        centred = input - _per_channel(mean, input.ndim)
        rest = channel_sum(centred) / count  # what rounding left of the mean
        var = np.maximum(channel_dot(centred, centred) / count - rest * rest, 0)
        scale = (var + eps) ** -0.5
        if weight is not None:
            scale = scale * weight
        out = centred
        out *= _per_channel(scale, input.ndim)
        out += _per_channel(-rest * scale if bias is None else bias - rest * scale, input.ndim)
        return out.astype(input.dtype, copy=False), mean + rest, var


@_batch_norm.gradient("input", "weight", "bias")
def _(g, input, weight, mean, var, eps):
    # Per channel of n values, with gy, gm, gv arriving at out, mean and var:
    #   c = x - mean,  r = (var + eps)^(-1/2),  out = c r w + b,  mean = Σx/n,  var = Σc²/n
    #   db = Σ gy,     dw = r Σ gy c
    # The whole gradients of mean and var, through out too (Σc = 0, so none through var):
    #   dmean = gm - r w Σ gy,     dvar = gv - r³ w / 2 Σ gy c
    #   dx = gy r w + dmean / n + dvar 2 c / n
    gy = np.zeros(input.shape, input.dtype) if g[0] is None else g[0]
    gm, gv = (0.0 if part is None else part for part in g[1:])
    n, ndim = _count(input), input.ndim
    centred = input - _per_channel(mean, ndim)
    r = (var + eps) ** -0.5
    rw = r if weight is None else r * weight
    dot, total = channel_dot(gy, centred), channel_sum(gy)
    dmean = gm - rw * total
    dvar = gv - 0.5 * r * r * rw * dot
    dx = gy * _per_channel(rw, ndim) + centred * _per_channel(2 / n * dvar, ndim)
    return dx + _per_channel(dmean / n, ndim), r * dot, total


@_batch_norm.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    # spread values: with a variance near 0 finite differences see the rounding only
    x = draw.array((shape[0] + 1, *shape[1:]), distinct=True)
    weight = draw.array(shape[1:2]) if draw.boolean() else None
    bias = draw.array(shape[1:2]) if draw.boolean() else None
    return x, weight, bias, draw.choice([1e-5, 1e-2])


def _count(x: Any) -> int:
    """Return how many values each channel has; 1 where there is nothing to divide."""
    return max(math.prod(x.shape) // max(x.shape[1], 1), 1)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it [1]_.

    ``(input - mean) / sqrt(var + eps) * weight + bias``, with the mean and (biased) variance of
    the batch in training, else with the running ones.

    Parameters
    ----------
    input : Tensor
        (N, C, ...). float16 is computed in float32.
    running_mean, running_var : Tensor or None
        (C,). In training they are changed in place: to ``1 - momentum`` of themselves and
        `momentum` of the batch's mean and unbiased variance.
    weight, bias : Tensor, optional
        (C,).
    training : bool
    momentum, eps : float

    Returns
    -------
    Tensor
        Of the input's shape and dtype.

    Raises
    ------
    ValueError
        If training on a single value per channel.
    RuntimeError
        If shapes do not fit, the dtype is not a floating one, or running statistics are
        missing in evaluation.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by
       reducing internal covariate shift", ICML 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> mean, var = tg.zeros(1), tg.ones(1)
    >>> tg.nn.functional.batch_norm(tg.tensor([[1.0], [3.0]]), mean, var, training=True)
    tensor([[-1.],
            [ 1.]])
    >>> mean, var
    (tensor([0.2]), tensor([1.1]))
    """
    _check(input, running_mean, running_var, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: evaluation needs running_mean and running_var")
        scale = (running_var + eps) ** -0.5
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        out = input * _per_channel(scale, input.ndim) + _per_channel(shift, input.ndim)
        return to(out, input.dtype) if out.dtype != input.dtype else out
    count = math.prod(input.shape) // max(input.shape[1], 1)
    if count == 1:
        raise ValueError(
            f"batch_norm: training needs more than 1 value per channel, got shape {input.shape}"
        )
    out, mean, var = _batch_norm(input, weight, bias, eps)
    if count:
        unbiased = as_array(var) * (count / (count - 1))
        for running, batch in ((running_mean, as_array(mean)), (running_var, unbiased)):
            if running is not None:
                running.data[...] = (1 - momentum) * running.data + momentum * batch
                changed_in_place(running)
    return out


def _check(input: Tensor, *per_channel: Tensor | None) -> None:
    if input.ndim < 2:
        raise RuntimeError(f"batch_norm: input must be (N, C, ...), got shape {input.shape}")
    if input.dtype.kind != "f":
        raise RuntimeError(f"batch_norm: input must have a floating dtype, got {input.dtype}")
    names = ("running_mean", "running_var", "weight", "bias")
    for name, values in zip(names, per_channel, strict=True):
        if values is not None and values.shape != input.shape[1:2]:
            raise RuntimeError(
                f"batch_norm: {name} has shape {values.shape}, "
                f"an input of shape {input.shape} expects {input.shape[1:2]}"
            )
