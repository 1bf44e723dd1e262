"""Convolution (cross-correlation) and its two transposes, in one, two or three dimensions.

With N images, C input and O output channels in G groups, all three follow from one contraction,
here in two dimensions, with kernels of KH x KW and outputs of OH x OW (for G = 1)::

    out[n,o,y,x] = sum over c,i,j of weight[o,c,i,j] * input[n, c, y*sh + i*dh - top, x*sw + j*dw - left]

There are five ways to compute it, each in a module with the same three functions. All return an
array of logical shape N, C, H, W in their own memory order.

* `pointwise`: kernels of 1 x 1, one product of matrices.
* `depthwise`: a channel for each group, sums of products over taps.
* `bands`: few channels in narrow images.
* `windows`: the most of all; channels last.
* `columns`: dilated kernels, and many small groups.
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
from .geometry import Geometry, Sizes, channels_last, same_padding

__all__ = [
    "Geometry", "Sizes", "conv", "conv_transpose", "conv_weight", "fold", "same_padding", "unfold",
]  # fmt: skip

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
    way = _way(weight.shape, x.shape[-1], geometry)
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
    way = _way(weight.shape, input_shape[-1], geometry)
    if (way is bands and not _all_finite(g)) or not _all_finite(weight):
        way = columns
    return _plus(way.conv_transpose(g, weight, input_shape, geometry), bias)


@compiled
@_guarded
def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """Return the transpose of `conv` in its weight: g (N, O, ...) -> (O, C/G, ...)."""
    way = _way(weight_shape, x.shape[-1], geometry)
    dw: np.ndarray = way.conv_weight(g, x, weight_shape, geometry)
    if way is columns or _all_finite(dw):  # smaller than x and g, and not finite where they are not
        return dw
    return columns.conv_weight(g, x, weight_shape, geometry)


def _way(weight_shape: Sizes, width: int, geometry: Geometry) -> ModuleType:
    """Return the module to use, for an input of `width`."""
    o, c, *kernel = weight_shape
    if math.prod(weight_shape) == 0:
        return columns
    if geometry.groups == o and c == 1 and o > 1:
        return depthwise
    if geometry.groups == 1:
        if set(kernel) == {1} and not any(map(any, geometry.padding)):
            return pointwise
        if width * o < kernel[-1] * (67 + 2 * o):
            return bands
    if c >= 8 and set(geometry.dilation) == {1}:
        return windows
    return columns


def _all_finite(x: np.ndarray) -> bool:
    """Whether no element is inf or nan; most ways would spread it, as 0 * inf = nan."""
    return bool(np.isfinite(x.sum()))


def _plus(out: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Add `bias` (O,) to `out` (N, O, ...), in place."""
    if bias is not None:
        out += bias.reshape(-1, *(1,) * (out.ndim - 2))
    return out
