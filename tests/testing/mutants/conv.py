"""Faults in convolution, pooling and resampling."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tinygrad_cnn.core.op import Array, registry
from tinygrad_cnn.kernels import columns, conv as conv_kernel, geometry, pool as pool_kernel
from tinygrad_cnn.ops import grid, interpolate
from tinygrad_cnn.ops._windows import Size
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.ops.joining import roll
from tinygrad_cnn.ops.reduce import mean, sum
from tinygrad_cnn.ops.shape import flip

from .catalogue import detached, mutant, right_rule

conv_transpose = registry["conv_transpose"]
conv_weight = registry["conv_weight"]
right_transposed = right_rule("conv_transpose", "input")
right_theta = right_rule("affine_grid", "theta")
right_taps = geometry.taps
right_divisor = pool_kernel.avg_divisor
right_add_columns = columns._add_columns
right_axis_taps = grid._axis_taps
right_bands = interpolate._bands


# -- convolution ---------------------------------------------------------------------------------


@mutant("conv2d", "the kernel is flipped", rule="input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    flipped = flip(weight, (2, 3))
    return conv_transpose(g, flipped, None, input_shape, stride, padding, dilation, groups)


@mutant("conv2d", "the padding is off by one, so all is shifted", rule="input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    right = conv_transpose(g, weight, None, input_shape, stride, padding, dilation, groups)
    return roll(right, 1, -1)


@mutant("conv2d", "the rows that the stride leaves over are lost", rule="input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    right = conv_transpose(g, weight, None, input_shape, stride, padding, dilation, groups)
    step = stride if isinstance(stride, int) else stride[0]
    return right[..., : right.shape[-2] // step * step, :] if step > 1 else right


@mutant("conv2d", "the dilation is dropped", rule="weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return conv_weight(g, input, weight_shape, stride, padding, 1, groups)


@mutant("conv2d", "stride and dilation are swapped", rule="weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return conv_weight(g, input, weight_shape, dilation, padding, stride, groups)


@mutant("conv2d", "the next group's slice", rule="input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    right = conv_transpose(g, weight, None, input_shape, stride, padding, dilation, groups)
    return roll(right, input_shape[-3] // groups, -3)


@mutant("conv2d", "all groups get the first one's gradient", rule="weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    right = conv_weight(g, input, weight_shape, stride, padding, dilation, groups)
    return right[np.arange(weight_shape[0]) % (weight_shape[0] // groups)]


@mutant("conv2d", "height and width are swapped in a square kernel", rule="weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    right = conv_weight(g, input, weight_shape, stride, padding, dilation, groups)
    return right.mT if weight_shape[-1] == weight_shape[-2] else right


@mutant("conv2d", "the batch's mean", rule="weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    right = conv_weight(g, input, weight_shape, stride, padding, dilation, groups)
    return right / (input.shape[0] if input.ndim == 4 else 1)


@mutant("conv2d", "the weight is detached", rule="input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    options = (input_shape, stride, padding, dilation, groups)
    return conv_transpose(g, detached(weight), None, *options)


@mutant("conv2d", "the mean over all places", rule="bias")
def _(g): return mean(g, tuple(i for i in range(g.ndim) if i != g.ndim - 3))


@mutant("conv1d", "the bias's gradient of the first image only", rule="bias")
def _(g): return sum(g[0] if g.ndim == 3 else g, -1)


@mutant("conv1d", "computed in float64")
def _(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
):
    wide = [x if x is None else x.astype(np.float64) for x in (input, weight, bias)]
    return registry["conv1d"].forward(*wide, stride, padding, dilation, groups)


@mutant("conv2d", "the bias is forgotten", helper="kernels.conv:_plus")
def _(out, bias): return out


@mutant("conv2d", "the kernel is flipped in bands", helper="kernels.bands:taps")
def _(k, out, size, axis, geometry):
    for i, outputs, inputs in right_taps(k, out, size, axis, geometry):
        yield k - 1 - i, outputs, inputs


@mutant("conv2d", "padding before and after are swapped", helper="ops.conv:same_padding")
def _(kernel, dilation):
    return tuple((after, before) for before, after in conv_kernel.same_padding(kernel, dilation))


@mutant("conv_transpose", "what overlaps replaces", helper="kernels.columns:_add_columns")
def _(padded, columns, kernel, first, geometry):
    for tap in range(columns.shape[1]):
        place, alone = np.zeros_like(padded), np.zeros_like(columns)
        alone[:, tap] = columns[:, tap]
        right_add_columns(place, alone, kernel, first, geometry)
        np.copyto(padded, place, where=place != 0)


@mutant("conv_transpose", "the kernel is flipped", rule="input")
def _(g, weight, stride, padding, dilation, groups):
    flipped = flip(weight, tuple(range(2, weight.ndim)))
    return right_transposed(g, flipped, stride, padding, dilation, groups)


@mutant("conv_weight", "a factor 2", rule="input")
def _(g, cotangent, input_shape, stride, padding, dilation, groups):
    return 2 * conv_transpose(
        cotangent, g, None, input_shape, stride, padding, dilation, groups
    )


@mutant("unfold", "the taps before the channels")
def _(
    input: Array, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
):
    right = registry["unfold"].forward(input, kernel_size, dilation, padding, stride)
    c = input.shape[-3]
    blocks = right.reshape(*right.shape[:-2], c, -1, right.shape[-1])
    return np.ascontiguousarray(blocks.swapaxes(-3, -2)).reshape(right.shape)


@mutant("unfold", "what overlaps is averaged", rule="input")
def _(g, input_shape, kernel_size, dilation, padding, stride):
    fold, size = registry["fold"], input_shape[-2:]
    counts = fold(np.ones(g.shape, g.dtype), size, kernel_size, dilation, padding, stride)
    total = fold(g, size, kernel_size, dilation, padding, stride)
    return total / np.maximum(counts, 1)


# -- pooling -------------------------------------------------------------------------------------


@mutant("max_pool2d", "the first of the window gets the gradient", rule="input")
def _(g, taps, input_shape, window):
    return registry["max_pool_input"](g, taps * 0, input_shape, window)


@mutant("max_pool2d", "padded with 0 instead of -inf")
def _(input, window: object):
    out, taps = registry["max_pool2d"].forward(input, window)
    size = np.prod(window.kernel)
    padded = pool_kernel.avg_pool(np.ones_like(input), window, np.ones(1)) < size
    taps[padded & (out < 0)] = size  # of which there is none
    return np.where(padded, np.maximum(out, 0), out), taps


@mutant("max_pool2d", "the last of equal elements")
def _(input, window: object):
    out, taps = registry["max_pool2d"].forward(input, window)
    for number, outputs, inputs in window.taps(input.shape):
        taps[outputs] = np.where(input[inputs] == out[outputs], number, taps[outputs])
    return out, taps


@mutant("max_pool2d", "NaN is passed over")
def _(input, window: object):
    return registry["max_pool2d"].forward(np.where(np.isnan(input), -np.inf, input), window)


@mutant("max_pool_input", "an element chosen by two windows gets one gradient")
def _(cotangent, taps, input_shape: tuple[int, ...], window: object):
    dx = np.zeros(input_shape, cotangent.dtype)
    for number, outputs, inputs in window.taps(input_shape):
        dx[inputs] = np.where(taps[outputs] == number, cotangent[outputs], dx[inputs])
    return dx


@mutant("avg_pool2d", "padding counts always", rule="input")
def _(g, input_shape, window, divisor_override):
    return registry["avg_pool_input"](g, input_shape, window, True, divisor_override)


@mutant("avg_pool2d", "the divisor's override is forgotten", rule="input")
def _(g, input_shape, window, count_include_pad):
    return registry["avg_pool_input"](g, input_shape, window, count_include_pad, None)


@mutant("avg_pool2d", "count_include_pad is ignored", helper="kernels.pool:avg_divisor")
def _(size, window, count_include_pad, override):
    return right_divisor(size, window, True, override)


@mutant("avg_pool2d", "what ceil_mode adds counts, too", helper="kernels.pool:avg_divisor")
def _(size, window, count_include_pad, override):
    right = right_divisor(size, window, count_include_pad, override)
    return right * 0 + np.prod(window.kernel) if override is None and count_include_pad else right


@mutant("avg_pool2d", "the sum for the mean", helper="kernels.pool:avg_divisor")
def _(size, window, count_include_pad, override):
    return right_divisor(size, window, count_include_pad, 1)


@mutant("avg_pool1d", "ceil_mode is ignored")
def _(input, window: object, count_include_pad: bool, divisor_override: int | None):
    window = window._replace(ceil_mode=False)
    return registry["avg_pool1d"].forward(input, window, count_include_pad, divisor_override)


@mutant("adaptive_avg_pool2d", "regions do not overlap", helper="kernels.pool:adaptive_regions")
def _(n, out):
    starts = [i * n // out for i in range(out + 1)]
    return [slice(a, max(b, a + 1)) for a, b in pairwise(starts)]


@mutant("adaptive_avg_pool_input", "all regions have one length")
def _(cotangent, size: tuple[int, ...]):
    for axis, n in enumerate(size, cotangent.ndim - len(size)):
        out = cotangent.shape[axis]
        shares = np.zeros((n, out), cotangent.dtype)
        for i, region in enumerate(pool_kernel.adaptive_regions(n, out)):
            shares[region, i] = max(out, 1) / n
        cotangent = np.moveaxis(np.moveaxis(cotangent, axis, -1) @ shares.T, -1, axis)
    return cotangent


@mutant("adaptive_max_pool1d", "the gradient goes to the first element", rule="input")
def _(g, indices, input_shape):
    places = np.arange(input_shape[-1]) == 0
    return where(places, sum(g, -1, True), 0)


# -- resampling ----------------------------------------------------------------------------------


@mutant("interpolate", "align_corners is ignored in the gradient", rule="input")
def _(g, input_shape, steps, mode):
    return registry["interpolate_input"](g, input_shape, steps, mode, False)


@mutant("interpolate", "no half pixels", helper="ops.interpolate:_bands")
def _(mode, n, m, step, align_corners, dtype):
    return right_bands("nearest" if mode == "nearest-exact" else mode, n, m, step, True, dtype)


@mutant("interpolate", "nearest rounds", helper="ops.interpolate:_bands")
def _(mode, n, m, step, align_corners, dtype):
    exact = "nearest-exact" if mode == "nearest" else mode
    return right_bands(exact, n, m, step, align_corners, dtype)


@mutant("pixel_shuffle", "rows and columns of a block are swapped", rule="input")
def _(g, upscale_factor):
    return registry["pixel_unshuffle"](g.mT, upscale_factor).mT


@mutant("channel_shuffle", "shuffled again instead of back", rule="input")
def _(g, groups): return registry["channel_shuffle"](g, groups)


@mutant("grid_sample", "align_corners is ignored", helper="ops.grid:_axis_taps")
def _(coordinates, n, sampling, order):
    return right_axis_taps(coordinates, n, sampling._replace(align_corners=True), order)


@mutant("grid_sample", "the slope of the coordinates is forgotten", helper="ops.grid:_axis_taps")
def _(coordinates, n, sampling, order):
    positions, weights = right_axis_taps(coordinates, n, sampling, order)
    return positions, weights / (n / 2) ** order


@mutant("affine_grid", "x and y are swapped in the gradient", rule="theta")
def _(g, size, align_corners): return flip(right_theta(g, size, align_corners), (1,))


@mutant(
    "conv2d",
    "the bias's gradient in two sums",
    rule="bias",
    equivalent="sums may be taken in any order",
)
def _(g): return sum(sum(g, -1), tuple(i for i in range(g.ndim - 1) if i != g.ndim - 3))
