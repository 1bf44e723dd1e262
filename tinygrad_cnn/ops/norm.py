"""Normalisation: of channels, groups and layers; and the sums per channel that it is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor, as_array, changed_in_place
from tinygrad_cnn.kernels import norm as kernel

from ._dims import check_tensor
from .elementwise import clamp, quiet, rsqrt, square
from .padding import pad
from .reduce import mean, vector_norm
from .shape import broadcast_to, convert, reshape

# A channel is an index of dimension 1 of (N, C, ...); per channel means shape (C,).


def _per_channel(values: Any, ndim: int) -> Any:
    """Reshape (C,) so that it broadcasts with `ndim` dimensions (N, C, ...)."""
    return reshape(values, (len(values), *(1,) * (ndim - 2)))


@op
def channel_sum(input: Array) -> Any:
    """Return the sum of each channel of (N, C, ...), shape (C,); float16 gives float32.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.ops.norm.channel_sum(tg.ones(2, 3, 5))
    tensor([10., 10., 10.])
    """
    return kernel.channel_sum(input)


@channel_sum.gradient("input")
def _(g, input_shape): return broadcast_to(_per_channel(g, len(input_shape)), input_shape)


@channel_sum.samples
def _(draw): return (draw.array(draw.shape(min_dims=2, max_dims=4)),)


@op
def channel_dot(input: Array, other: Array, mean: Array = None) -> Any:
    """Return the sum over each channel of ``input * (other - mean)``, shape (C,).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.ops.norm.channel_dot(tg.ones(2, 3, 5), 2 * tg.ones(2, 3, 5), tg.ones(3))
    tensor([10., 10., 10.])
    """
    return kernel.channel_dot(input, other, mean)


@channel_dot.gradient("input")
def _(g, other, mean):
    centred = other if mean is None else other - _per_channel(mean, other.ndim)
    return _per_channel(g, other.ndim) * centred


@channel_dot.gradient("other")
def _(g, input): return _per_channel(g, input.ndim) * input


@channel_dot.gradient("mean")
def _(g, input): return -g * channel_sum(input)


@channel_dot.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    mean = draw.array(shape[1:2]) if draw.boolean() else None
    return draw.array(shape), draw.array(shape), mean


@op
def channel_mix(
    input: Array, scale: Array, other: Array, mean: Array, factor: Array, shift: Array
) -> Any:
    """Return ``input * scale + (other - mean) * factor + shift``, the last four per channel.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, one = tg.ones(1, 2, 2), tg.ones(2)
    >>> tg.ops.norm.channel_mix(x, 2 * one, 5 * x, one, 10 * one, 100 * one)
    tensor([[[142., 142.],
             [142., 142.]]])
    """
    return kernel.channel_mix(input, scale, other, mean, factor, shift)


@channel_mix.gradient("input")
def _(g, scale): return g * _per_channel(scale, g.ndim)


@channel_mix.gradient("scale")
def _(g, input): return channel_dot(g, input)


@channel_mix.gradient("other")
def _(g, factor): return g * _per_channel(factor, g.ndim)


@channel_mix.gradient("mean")
def _(g, factor): return -factor * channel_sum(g)


@channel_mix.gradient("factor")
def _(g, other, mean): return channel_dot(g, other, mean)


@channel_mix.gradient("shift")
def _(g): return channel_sum(g)


@channel_mix.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    scale, mean, factor, shift = (draw.array(shape[1:2]) for _ in range(4))
    return draw.array(shape), scale, draw.array(shape), mean, factor, shift


@op(name="batch_norm", outputs=("out", "mean", "var"), formula="(x - mean) / √(var + ε) · w + b")
def _batch_norm(
    input: Array, weight: Array | None = None, bias: Array | None = None, eps: float = 1e-5
) -> Any:
    with np.errstate(invalid="ignore", over="ignore"):
        mean, var = kernel.statistics(input)
        out = kernel.normalise(input, mean, _scale(var, weight, eps), bias)
        return out.astype(input.dtype, copy=False), mean, var


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
    n = kernel.count(input.shape)
    r = (var + eps) ** -0.5
    rw = r if weight is None else r * weight
    dot, total = channel_dot(gy, input, mean), channel_sum(gy)
    dmean = gm - rw * total
    dvar = gv - 0.5 * r * r * rw * dot
    dx = channel_mix(gy, rw, input, mean, 2 / n * dvar, dmean / n)
    return dx, r * dot, total


@_batch_norm.onnx
def _(onnx, input, weight, bias, eps):
    axes = [i for i in range(len(input.shape)) if i != 1]
    mean = onnx.node("ReduceMean", input, axes, keepdims=1)
    centred = onnx.node("Sub", input, mean)
    var = onnx.node("ReduceMean", onnx.node("Mul", centred, centred), axes, keepdims=1)
    out = onnx.node("Div", centred, onnx.node("Sqrt", onnx.node("Add", var, eps)))
    channels = (-1, *(1,) * (len(axes) - 1))
    if weight is not None:
        out = onnx.node("Mul", out, onnx.reshape(weight, channels))
    if bias is not None:
        out = onnx.node("Add", out, onnx.reshape(bias, channels))
    return out, onnx.node("Squeeze", mean, axes), onnx.node("Squeeze", var, axes)


@_batch_norm.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    # spread values: with a variance near 0 finite differences see the rounding only
    x = draw.array((shape[0] + 1, *shape[1:]), distinct=True)
    weight = draw.array(shape[1:2]) if draw.boolean() else None
    bias = draw.array(shape[1:2]) if draw.boolean() else None
    return x, weight, bias, draw.choice([1e-5, 1e-2])


@op(
    name="batch_norm_eval",
    promote="arithmetic",
    formula="(x - mean) / √(var + ε) · w + b",
)
def _batch_norm_eval(
    input: Array,
    running_mean: Array,
    running_var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Any:
    return kernel.normalise(input, running_mean, _scale(running_var, weight, eps), bias)


@quiet
def _scale(var: Any, weight: Any, eps: float) -> Any:
    root = (var + eps) ** -0.5
    return root if weight is None else root * weight


@_batch_norm_eval.gradient("input")
def _(g, running_var, weight, eps): return g * _per_channel(_scale(running_var, weight, eps), g.ndim)


@_batch_norm_eval.gradient("running_mean")
def _(g, running_var, weight, eps): return -channel_sum(g) * _scale(running_var, weight, eps)


@_batch_norm_eval.gradient("running_var")
def _(g, input, running_mean, running_var, weight, eps):
    # d (v + ε)^(-1/2) = -1/2 (v + ε)^(-1/2) / (v + ε)
    dot = channel_dot(g, input, running_mean)
    return -0.5 * dot * _scale(running_var, weight, eps) / (running_var + eps)


@_batch_norm_eval.gradient("weight")
def _(g, input, running_mean, running_var, eps):
    return channel_dot(g, input, running_mean) * _scale(running_var, None, eps)


@_batch_norm_eval.gradient("bias")
def _(g): return channel_sum(g)


@_batch_norm_eval.onnx
def _(onnx, input, running_mean, running_var, weight, bias, eps):
    count = running_mean.shape
    weight = np.ones(count, running_mean.dtype) if weight is None else weight
    bias = np.zeros(count, running_mean.dtype) if bias is None else bias
    statistics = running_mean, running_var
    return onnx.node("BatchNormalization", input, weight, bias, *statistics, epsilon=eps)


@_batch_norm_eval.samples
def _(draw):
    shape = draw.shape(min_dims=2, max_dims=4)
    mean, var = draw.array(shape[1:2]), draw.array(shape[1:2], 0.3, 3.0)
    weight, bias = (draw.array(shape[1:2]) if draw.boolean() else None for _ in range(2))
    return draw.array(shape), mean, var, weight, bias, draw.choice([1e-5, 1e-2])


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
    _check("batch_norm", input, running_mean, running_var, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("batch_norm: evaluation needs running_mean and running_var")
        out = _batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
        return convert(out, input.dtype)
    count = math.prod(input.shape) // max(input.shape[1], 1)
    if count == 1:
        raise ValueError(
            f"batch_norm: training needs more than 1 value per channel, got shape {input.shape}"
        )
    out, mean, var = _batch_norm(input, weight, bias, eps)
    _track(running_mean, running_var, mean, var, count, momentum)
    return out


def _track(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    mean: Tensor,
    var: Tensor,
    count: int,
    momentum: float,
) -> None:
    """Move the running statistics of (C,) towards the mean of those of (..., C)."""
    if not mean.numel() or not count:
        return
    unbiased = as_array(var) * (count / (count - 1))
    for running, batch in ((running_mean, as_array(mean)), (running_var, unbiased)):
        if running is not None:
            if len(batch) > len(running):
                batch = np.mean(batch.reshape(-1, len(running)), axis=0)
            data = running.data
            data *= 1 - momentum
            data += momentum * batch
            changed_in_place(running)


def _check_input(name: str, input: Tensor, min_dims: int = 1) -> None:
    check_tensor(name, input)
    if input.ndim < min_dims:
        expected = "(N, C, ...)" if min_dims == 2 else "at least 1-d"
        raise RuntimeError(f"{name}: input must be {expected}, got shape {input.shape}")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must have a floating dtype, got {input.dtype}")


def _check(name: str, input: Tensor, *per_channel: Tensor | None) -> None:
    _check_input(name, input, 2)
    names = ("running_mean", "running_var", "weight", "bias")
    for key, values in zip(names, per_channel, strict=True):
        if values is not None and values.shape != input.shape[1:2]:
            raise RuntimeError(
                f"{name}: {key} has shape {values.shape}, "
                f"an input of shape {input.shape} expects {input.shape[1:2]}"
            )


# -- within each sample ------------------------------------------------------------------------


def _normalised(
    input: Tensor, rows: int, eps: float, scales: tuple[int, ...], *affine: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise each of `rows` equal parts of `input`, then scale and shift.

    Weight and bias are brought to shape `scales` first. Also returns the means and variances.
    """
    # to batch norm, the parts are the channels of a single image
    wide = reshape(convert(input, kernel.wide(input.dtype)), (1, rows, input.numel() // max(rows, 1)))
    out, mean, var = _batch_norm(wide, None, None, eps)
    return _affine(reshape(out, input.shape), input.dtype, scales, *affine), mean, var


def _affine(
    out: Tensor,
    dtype: Any,
    scales: tuple[int, ...],
    weight: Tensor | None,
    bias: Tensor | None = None,
) -> Tensor:
    if weight is not None:
        out = out * reshape(weight, scales)
    if bias is not None:
        out = out + reshape(bias, scales)
    return convert(out, dtype)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each sample by itself, then scale and shift the channels [1]_.

    Parameters
    ----------
    input : Tensor
        (N, C, ...). float16 is computed in float32.
    running_mean, running_var : Tensor or None
        (C,). With `use_input_stats` they are moved towards the mean of the samples' statistics,
        as by `batch_norm`; without, they are used instead of those.
    weight, bias : Tensor, optional
        (C,).
    use_input_stats : bool
    momentum, eps : float

    Raises
    ------
    ValueError
        If there is one value per channel and sample.
    RuntimeError
        As in `batch_norm`.

    References
    ----------
    .. [1] D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient
       for fast stylization", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.instance_norm(tg.tensor([[[1.0, 3.0], [5.0, 9.0]]]))
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    _check("instance_norm", input, running_mean, running_var, weight, bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("instance_norm: without input statistics it needs the running ones")
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    samples, channels, *sides = input.shape
    count = math.prod(sides)
    if count == 1:
        raise ValueError(
            f"instance_norm: needs more than 1 value per channel, got shape {input.shape}"
        )
    scales = (channels, *(1,) * len(sides))
    out, mean, var = _normalised(input, samples * channels, eps, scales, weight, bias)
    _track(running_mean, running_var, mean, var, count, momentum)
    return out


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each group of channels of each sample, then scale and shift the channels [1]_.

    Parameters
    ----------
    input : Tensor
        (N, C, ...). float16 is computed in float32.
    num_groups : int
        A divisor of C.
    weight, bias : Tensor, optional
        (C,).
    eps : float

    Raises
    ------
    ValueError
        If there is only one value.
    RuntimeError
        If the groups do not divide C, or a shape or the dtype is wrong.

    References
    ----------
    .. [1] Y. Wu, K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.group_norm(tg.tensor([[1.0, 3.0, 5.0, 9.0]]), 2)
    tensor([[-1.,  1., -1.,  1.]])
    """
    _check("group_norm", input, None, None, weight, bias)
    samples, channels, *sides = input.shape
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(f"group_norm: {num_groups} groups do not divide {channels} channels")
    if input.numel() == num_groups:
        raise ValueError(f"group_norm: needs more than 1 value per group, got shape {input.shape}")
    scales = (channels, *(1,) * len(sides))
    return _normalised(input, samples * num_groups, eps, scales, weight, bias)[0]


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions, then scale and shift each of their elements [1]_.

    Parameters
    ----------
    input : Tensor
        (..., *normalized_shape). float16 is computed in float32.
    normalized_shape : sequence of int
    weight, bias : Tensor, optional
        Of shape `normalized_shape`.
    eps : float

    Raises
    ------
    RuntimeError
        If a shape or the dtype is wrong.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.layer_norm(tg.tensor([[1.0, 3.0], [5.0, 9.0]]), [2])
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    shape = _trailing("layer_norm", input, normalized_shape, weight, bias)
    rows = math.prod(input.shape[: input.ndim - len(shape)])
    return _normalised(input, rows, eps, shape, weight, bias)[0]


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divide by the root of the mean square over the last dimensions, then scale [1]_.

    Parameters
    ----------
    input : Tensor
        (..., *normalized_shape). float16 is computed in float32.
    normalized_shape : sequence of int
    weight : Tensor, optional
        Of shape `normalized_shape`.
    eps : float, optional
        Added to the mean square; where not given, the spacing of the dtype's numbers at 1.

    Raises
    ------
    RuntimeError
        If a shape or the dtype is wrong.

    References
    ----------
    .. [1] B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.rms_norm(tg.tensor([3.0, 3.0, -3.0]), [3])
    tensor([ 1.,  1., -1.])
    """
    shape = _trailing("rms_norm", input, normalized_shape, weight)
    wide = convert(input, kernel.wide(input.dtype))
    if eps is None:
        eps = float(np.finfo(wide.dtype).eps)
    size = mean(square(wide), tuple(range(-len(shape), 0)), keepdim=True)
    return _affine(wide * rsqrt(size + eps), input.dtype, shape, weight)


def _trailing(
    name: str, input: Tensor, normalized_shape: Sequence[int], *affine: Tensor | None
) -> tuple[int, ...]:
    """Return `normalized_shape`, if the shapes of all others end in it."""
    _check_input(name, input)
    shape = tuple(normalized_shape)
    if not shape or input.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"{name}: input {input.shape} does not end in normalized_shape {shape}"
        )
    for key, values in zip(("weight", "bias"), affine, strict=False):
        if values is not None and values.shape != shape:
            raise RuntimeError(f"{name}: {key} has shape {values.shape}, expected {shape}")
    return shape


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by ``(k + alpha * mean of squares) ** beta``, over `size` neighbouring channels [1]_.

    Parameters
    ----------
    input : Tensor
        (N, C, ...), at least 3-d.
    size : int
        How many channels: ``size // 2`` of them before, missing ones counted as 0.
    alpha, beta, k : float

    Raises
    ------
    ValueError
        If the input has fewer dimensions.

    References
    ----------
    .. [1] A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep
       convolutional neural networks", NeurIPS 2012.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.local_response_norm(tg.ones(1, 3, 1), 2, alpha=1.0, beta=1.0)
    tensor([[[0.6667],
             [0.5   ],
             [0.5   ]]])
    """
    check_tensor("local_response_norm", input)
    if input.ndim < 3:
        raise ValueError(
            f"local_response_norm: input must be (N, C, ...), at least 3-d, got shape {input.shape}"
        )
    if size < 1:
        raise RuntimeError(f"local_response_norm: size must be at least 1, got {size}")
    wide = convert(input, kernel.wide(input.dtype))
    around = (0, 0) * (input.ndim - 2) + (size // 2, (size - 1) // 2)
    squares = pad(square(wide), around)
    channels = input.shape[1]
    total = squares[:, :channels]
    for i in range(1, size):
        total = total + squares[:, i : i + channels]
    return convert(wide / (total * (alpha / size) + k) ** beta, input.dtype)


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12
) -> Tensor:
    """Divide by the norm along `dim`: by ``sum(abs(input) ** p) ** (1 / p)``, at least `eps`.

    Parameters
    ----------
    input : Tensor
        Floating.
    p : float
        The order of the norm, as in `linalg.vector_norm`.
    dim : int or tuple of int
    eps : float

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If the dtype is not a floating one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.normalize(tg.tensor([[3.0, 4.0], [0.0, 0.0]]))
    tensor([[0.6, 0.8],
            [0. , 0. ]])
    """
    check_tensor("normalize", input)
    return input / clamp(vector_norm(input, p, dim, keepdim=True), eps)
