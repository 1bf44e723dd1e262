"""Convolution by columns (im2col): each output element has its own column of inputs.

With G groups and K = C/G*KH*KW::

    weight [G, O/G, K]  @  columns [G, K, n*OH*OW]  ->  out [O,n,OH,OW]

made for a tile of images at a time, so that the columns stay in the cache. It works for every
geometry.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .geometry import Geometry, Sizes, tiles

_ALL = slice(None)


def conv(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv`."""
    n, o, groups, kernel = x.shape[0], weight.shape[0], geometry.groups, weight.shape[2:]
    size = geometry.output_size(x.shape[2:], kernel)
    out = np.empty((groups, o // groups, n, *size), np.result_type(x, weight))
    kernels = weight.reshape(groups, o // groups, -1)
    for images, lines, columns in _columns(x, kernel, size, geometry):
        target = out[:, :, images, lines]
        target[...] = (kernels @ columns).reshape(target.shape)
    return out.reshape(o, n, *size).swapaxes(0, 1)


def conv_transpose(
    g: np.ndarray, weight: np.ndarray, input_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_transpose`."""
    n, c, *size = input_shape
    o, groups, kernel, out = weight.shape[0], geometry.groups, weight.shape[2:], g.shape[2:]
    kernels = weight.reshape(groups, o // groups, -1).swapaxes(1, 2)
    full = np.zeros((c, n, *geometry.padded(tuple(size))), np.result_type(g, weight))
    by_channel = g.swapaxes(0, 1).reshape(groups, o // groups, n, *out)
    line = c * math.prod(kernel) * math.prod(out[1:])
    for images, lines in tiles(line, n, out[0], full.itemsize):
        part = by_channel[:, :, images, lines]
        columns = kernels @ part.reshape(groups, o // groups, -1)
        columns = columns.reshape(c, math.prod(kernel), *part.shape[2:])
        _add_columns(full[:, images], columns, kernel, lines.start, geometry)
    return _unpadded(full, tuple(size), geometry).swapaxes(0, 1)


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_weight`."""
    n, o, groups, out = x.shape[0], weight_shape[0], geometry.groups, g.shape[2:]
    dw = np.zeros(weight_shape, np.result_type(g, x))
    by_channel = g.swapaxes(0, 1).reshape(groups, o // groups, n, *out)
    total = dw.reshape(groups, o // groups, -1)
    for images, lines, columns in _columns(x, weight_shape[2:], out, geometry):
        part = by_channel[:, :, images, lines].reshape(groups, o // groups, -1)
        total += part @ columns.swapaxes(1, 2)
    return dw


def unfold(x: np.ndarray, kernel: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the columns of `x` (N, C, ...): one for each place of a kernel, (N, C*K, places)."""
    n, c = x.shape[:2]
    size = geometry.output_size(x.shape[2:], kernel)
    windows = _windows(_padded(x, geometry), kernel, size, geometry)
    columns = np.moveaxis(windows, len(kernel) + 1, 0).copy()
    return columns.reshape(n, c * math.prod(kernel), math.prod(size))


def fold(columns: np.ndarray, kernel: Sizes, size: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the transpose of `unfold`, (N, C, *size): each element the sum of its copies."""
    n, depth = columns.shape[:2]
    taps = math.prod(kernel)
    full = np.zeros((n, depth // taps, *geometry.padded(size)), columns.dtype)
    columns = columns.reshape(n, depth // taps, taps, *geometry.output_size(size, kernel))
    _add_columns(full.swapaxes(0, 1), np.moveaxis(columns, 0, 2), kernel, 0, geometry)
    return _unpadded(full, size, geometry)


def _padded(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    size = x.shape[2:]
    full = geometry.padded(size)
    if full == size:
        return x
    padded = np.zeros((*x.shape[:2], *full), x.dtype)
    _unpadded(padded, size, geometry)[...] = x
    return padded


def _unpadded(padded: np.ndarray, size: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the view of what is not padding; `size` is its size."""
    sides = zip(size, geometry.padding, strict=True)
    inner = [slice(before, before + n) for n, (before, _) in sides]
    return padded[(_ALL, _ALL, *inner)]


def _windows(padded: np.ndarray, kernel: Sizes, out: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the view [C, *kernel, N, *out] of the input that each kernel element meets."""
    n, c = padded.shape[:2]
    sn, sc, *steps = padded.strides
    taps = map(operator.mul, steps, geometry.dilation)
    moves = map(operator.mul, steps, geometry.stride)
    shape, strides = (c, *kernel, n, *out), (sc, *taps, sn, *moves)
    if padded.flags.c_contiguous:  # the same in 0.5 us, where as_strided takes 3
        return np.ndarray(shape, padded.dtype, padded, 0, strides)
    return as_strided(padded, shape, strides)


def _columns(
    x: np.ndarray, kernel: Sizes, out: Sizes, geometry: Geometry
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield each tile with its columns [G, K, n*lines*OW]; the buffer is reused."""
    n, c = x.shape[:2]
    windows = _windows(_padded(x, geometry), kernel, out, geometry)
    groups, depth = geometry.groups, c * math.prod(kernel)
    buffer = np.empty(0, x.dtype)
    every = (_ALL,) * (1 + len(kernel))
    for images, lines in tiles(depth * math.prod(out[1:]), n, out[0], x.itemsize):
        part = windows[(*every, images, lines)]
        if part.size > buffer.size:
            buffer = np.empty(part.size, x.dtype)
        columns = buffer[: part.size].reshape(part.shape)
        np.copyto(columns, part)
        places = math.prod(part.shape[len(every) :])
        yield images, lines, columns.reshape(groups, depth // groups, places)


def _add_columns(
    padded: np.ndarray, columns: np.ndarray, kernel: Sizes, first: int, geometry: Geometry
) -> None:
    """Add columns [C, K, N, *out] to the inputs [C, N, ...] that kernel elements meet.

    The outputs begin with number `first` along their first axis.
    """
    axes = []
    for k, count, s, d in zip(
        kernel, columns.shape[3:], geometry.stride, geometry.dilation, strict=True
    ):
        begins = range(first * s, first * s + k * d, d)
        axes.append([slice(begin, begin + (count - 1) * s + 1, s) for begin in begins])
        first = 0  # along the other axes
    for tap, place in enumerate(itertools.product(*axes)):
        padded[(_ALL, _ALL, *place)] += columns[:, tap]
