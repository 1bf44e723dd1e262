"""Convolution (cross-correlation) and its two transposes, in one, two or three dimensions.

With N images, C input and O output channels in G groups, all three follow from one contraction,
here in two dimensions, with kernels of KH x KW and outputs of OH x OW (for G = 1)::

    out[n,o,y,x] = sum over c,i,j of weight[o,c,i,j] * input[n, c, y*sh + i*dh - top, x*sw + j*dw - left]

There are five ways to compute it, each in a module with the same three functions, and one rule that
picks by shape, `_way`. Each returns an array of logical shape N, C, H, W in its own memory order.

* `pointwise`: kernels of 1 x 1, as one product of matrices.
* `depthwise`: each channel with a kernel of its own, as a sum over taps.
* `bands`: few channels in narrow images; products with a banded matrix.
* `windows`: most others; channels last, products with windows that lie in memory as they are.
* `columns`: all the rest: dilated kernels, many small groups, a few small images.

The rule stands on times in nanoseconds for each (n, c, i, y, x), measured on two cores (AVX-512) in
float32, forward and the two transposes together::

    bands      0.018 * W * O
    windows    KW * (0.6 + 0.012 * O),  from 8 channels on
    columns    KW * (1.2 + 0.036 * O)

From 3 to 7 channels, windows and columns are level but for the transpose in the input, which takes
twice as long by windows. But with windows a network's first convolution has the memory order of all
others, which saves ResNet-20 at batch 32 6 ms of 82: what is added or compared lies alike.

LeNet-5 at batch 64 goes by bands, 1.5 to 3 times as fast as by columns. By windows,
32 x 16 x 32 x 32 -> 32 with 3 x 3 kernels takes 4.2 ms (columns 8.1), 32 x 64 x 8 x 8 -> 64 1.7
(4.2), and PyTorch 2.5 and 1.0. Winograd's F(2 x 2, 3 x 3), as 16 products of matrices, took 1.2
times as long as windows with 64 channels at 16 x 16, and 0.9 times with 128: its transforms,
elementwise in NumPy, eat what it saves in products.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np

from . import bands, columns, depthwise, pointwise, windows
from .columns import fold, unfold
from .dispatch import compiled
from .geometry import Geometry, Sizes, same_padding

__all__ = [
    "Geometry", "Sizes", "conv", "conv_transpose", "conv_weight", "fold", "same_padding", "unfold",
]  # fmt: skip

SMALL = 1 << 17
"""Up to so many products for each output channel, the time is Python's, where `columns` has least.

For LeNet-5's convolutions of one image, `columns` takes 15 us each, `bands` 35; their transposes in
the weight 16 and 50, but those in the input 60 and 50.
"""

F = TypeVar("F", bound=Callable[..., np.ndarray])


def _guarded(function: F) -> F:
    """Let inf and nan pass without a warning, and compute float16 in float32."""

    @functools.wraps(function)
    def run(*args: Any) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            if args[0].dtype != np.float16:
                return function(*args)
            wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
            return function(*wide).astype(np.float16)

    return cast(F, run)


@compiled
@_guarded
def conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry
) -> np.ndarray:
    """Return the convolution of `x` (N, C, ...) with `weight` (O, C/G, ...), plus `bias` (O,)."""
    way = _way(weight.shape, x.shape, geometry)
    if way is bands and not _all_finite(x):
        way = columns
    return _plus(way.conv(x, weight, geometry), bias)


@compiled
@_guarded
def conv_transpose(
    g: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    input_shape: Sizes,
    geometry: Geometry,
) -> np.ndarray:
    """Return the transpose of `conv` in its input: g (N, O, ...) -> (N, C, ...), plus `bias` (C,)."""
    way = _way(weight.shape, input_shape, geometry, transpose=True)
    if (way is bands and not _all_finite(g)) or not _all_finite(weight):
        way = columns
    return _plus(way.conv_transpose(g, weight, input_shape, geometry), bias)


@compiled
@_guarded
def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """Return the transpose of `conv` in its weight: g (N, O, ...) -> (O, C/G, ...)."""
    way = _way(weight_shape, x.shape, geometry)
    dw: np.ndarray = way.conv_weight(g, x, weight_shape, geometry)
    if way is columns or _all_finite(dw):  # smaller than x and g, and not finite where they are not
        return dw
    return columns.conv_weight(g, x, weight_shape, geometry)


def _way(
    weight_shape: Sizes, input_shape: Sizes, geometry: Geometry, transpose: bool = False
) -> ModuleType:
    """Return the module to use; `transpose` is for the transpose in the input."""
    o, c, *kernel = weight_shape
    size, taps = math.prod(input_shape), math.prod(kernel)
    if not size * math.prod(weight_shape):
        return columns
    if c == 1 and geometry.groups == o > 1:
        return depthwise
    if taps == 1 and geometry.groups == 1 and not any(map(any, geometry.padding)):
        return pointwise
    small = size * taps <= SMALL
    dense = max(geometry.dilation) == 1 and not small
    price = (33 + 0.67 * o) if dense and c >= 8 else (67 + 2 * o)
    narrow = geometry.groups == 1 and input_shape[-1] * o < kernel[-1] * price
    if narrow and (transpose or not small):
        return bands
    least = 8 if transpose or geometry.groups > 1 else 3
    return windows if dense and c >= least else columns


def _all_finite(x: np.ndarray) -> bool:
    """Whether no element is inf or nan; most ways would spread it, as 0 * inf = nan."""
    return bool(np.isfinite(x.sum()))


def _plus(out: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Add `bias` (O,) to `out` (N, O, ...), in place."""
    if bias is None:
        return out
    last = out.transpose(0, *range(2, out.ndim), 1)
    if last.flags.c_contiguous:  # whole rows of pixels at once
        width, channels = last.shape[-2:]
        rows = last.reshape(*last.shape[:-2], width * channels)
        rows += np.tile(bias, width)
    else:
        out += bias.reshape(-1, *(1,) * (out.ndim - 2))
    return out
