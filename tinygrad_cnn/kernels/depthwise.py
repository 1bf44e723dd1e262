"""Depthwise convolution, each channel with a kernel of its own, as a sum over taps.

With the channels last, a tap multiplies whole rows of pixels by its weights, repeated for each
pixel (where the stride is 1; else pixel by pixel). That is done for as many images at a time as
stay in the second-level cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .geometry import Geometry, Sizes, channels_last, channels_second, taps

CACHE = 1 << 18
"""Bytes of the images that are convolved at a time."""

_ALL = slice(None)


def conv(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv`."""
    x, size = channels_last(x), geometry.output_size(x.shape[2:], weight.shape[2:])
    out = np.zeros((len(x), *size, x.shape[-1]), np.result_type(x, weight))
    places = [*_taps(weight, size, x.shape[1:-1], geometry)]
    for images in _tiles(out):
        source, target = _rows(x[images], geometry), _rows(out[images], geometry)
        for _, row, made, taken in places:
            target[made] += source[taken] * row
    return channels_second(out)


def conv_transpose(
    g: np.ndarray, weight: np.ndarray, input_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_transpose`."""
    n, c, *size = input_shape
    g = channels_last(g)
    dx = np.zeros((n, *size, c), np.result_type(g, weight))
    places = [*_taps(weight, g.shape[1:-1], tuple(size), geometry)]
    for images in _tiles(dx):
        source, target = _rows(g[images], geometry), _rows(dx[images], geometry)
        for _, row, made, taken in places:
            target[taken] += source[made] * row
    return channels_second(dx)


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_weight`."""
    x, g = channels_last(x), channels_last(g)
    dw = np.zeros(weight_shape, np.result_type(g, x))
    places = [*_taps(dw, g.shape[1:-1], x.shape[1:-1], geometry)]
    for images in _tiles(g):
        inputs, outputs = _rows(x[images], geometry), _rows(g[images], geometry)
        for tap, _, made, taken in places:
            one, other = outputs[made], inputs[taken]
            axes = list(range(one.ndim))
            inner = axes[-1:] if geometry.stride[-1] == 1 else axes[-2:]
            total = np.einsum(one, axes, other, axes, inner)
            at: tuple[Any, ...] = (_ALL, 0, *tap)
            dw[at] += total.reshape(-1, weight_shape[0]).sum(axis=0)
    return dw


def _rows(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Return (N, ..., W, C) as (N, ..., W*C), where the stride is 1 along W."""
    if geometry.stride[-1] > 1:
        return x
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


def _taps(
    weight: np.ndarray, out: Sizes, size: Sizes, geometry: Geometry
) -> Iterator[tuple[tuple[int, ...], np.ndarray, Any, Any]]:
    """Yield each tap, its weights for a row, and the places in `_rows` that it makes and takes."""
    c, kernel = len(weight), weight.shape[2:]
    axes = [taps(*sides, axis, geometry) for axis, sides in enumerate(zip(kernel, out, size, strict=True))]
    for places in itertools.product(*axes):
        tap, made, taken = zip(*places, strict=True)
        row = weight[(_ALL, 0, *tap)]
        if geometry.stride[-1] == 1:
            row = np.tile(row, made[-1].stop - made[-1].start)
            made, taken = ((*at[:-1], slice(at[-1].start * c, at[-1].stop * c)) for at in (made, taken))
        yield tap, row, (_ALL, *made), (_ALL, *taken)


def _tiles(x: np.ndarray) -> Iterator[slice]:
    """Yield slices of images."""
    count = max(1, CACHE * len(x) // max(1, x.nbytes))
    for first in range(0, len(x), count):
        yield slice(first, first + count)
