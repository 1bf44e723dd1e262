"""Sums per channel, and batch normalisation, of images in C order or channels last.

A thread takes whole images. Its sums over one image are made in the arrays' dtype, and those of
all images in float64.
"""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.kernels.norm import count

from .jit import DTYPES, jit, quiet
from .workers import share, shared

WIDTH = 128
"""Sums side by side, so that one does not wait for the other: several rows of channels."""


@jit
def _add(row, total):
    for i in range(len(total)):
        total[i] += row[i]


@jit
def _add_square(row, mean, total, squares):
    for i in range(len(total)):
        centred = row[i] - mean[i]
        total[i] += centred
        squares[i] += centred * centred


@jit
def _add_product(row, other, mean, total):
    for i in range(len(total)):
        total[i] += row[i] * (other[i] - mean[i])


@jit
def _sum_of(row):
    total = row.dtype.type(0)
    for i in range(len(row)):
        total += row[i]
    return total


@jit
def _squares_of(row, mean):
    total = squares = row.dtype.type(0)
    for i in range(len(row)):
        centred = row[i] - mean
        total += centred
        squares += centred * centred
    return total, squares


@jit
def _products_of(row, other, mean):
    total = row.dtype.type(0)
    for i in range(len(row)):
        total += row[i] * (other[i] - mean)
    return total


@jit
def _fold(total, channels, out):
    for c in range(channels):
        made = 0.0
        for i in range(c, len(total), channels):
            made += total[i]
        out[c] = made


@jit
def _repeat(mean, total):
    channels = len(mean)
    for i in range(len(total)):
        total[i] = mean[i % channels]


@jit
def _image_sums(image, layout, out):
    channels, places, rows = layout
    step = rows * channels
    if rows:
        total = np.zeros(step, image.dtype)
        for i in range(0, len(image) - step + 1, step):
            _add(image[i : i + step], total)
        for i in range(len(image) // step * step, len(image), channels):
            _add(image[i : i + channels], total[:channels])
        _fold(total, channels, out)
    else:
        for c in range(channels):
            out[c] = _sum_of(image[c * places : (c + 1) * places])


@shared
def _sums(x, layout, out, first, last):
    """Write each image's sum per channel to `out` [N, C]."""
    size = layout[0] * layout[1]
    for n in range(first, last):
        _image_sums(x[n * size : (n + 1) * size], layout, out[n])


@shared
def _statistics(x, layout, means, rests, squares, first, last):
    """Write each image's mean per channel, and the sums of what differs from it and its square."""
    channels, places, rows = layout
    size = channels * places
    step = rows * channels
    repeated, total, total_squares = np.empty(step, x.dtype), np.empty(step, x.dtype), np.empty(step, x.dtype)
    for n in range(first, last):
        image = x[n * size : (n + 1) * size]
        _image_sums(image, layout, means[n])
        for c in range(channels):
            means[n, c] = x.dtype.type(means[n, c] / places)
        if rows:
            _repeat(means[n], repeated)
            total[:] = 0
            total_squares[:] = 0
            for i in range(0, size - step + 1, step):
                _add_square(image[i : i + step], repeated, total, total_squares)
            for i in range(size // step * step, size, channels):
                _add_square(image[i : i + channels], repeated[:channels], total[:channels], total_squares[:channels])
            _fold(total, channels, rests[n])
            _fold(total_squares, channels, squares[n])
        else:
            for c in range(channels):
                row = image[c * places : (c + 1) * places]
                rests[n, c], squares[n, c] = _squares_of(row, x.dtype.type(means[n, c]))


@shared
def _products(x, y, layout, mean, out, first, last):
    """Write each image's sum of ``x * (y - mean)`` per channel to `out` [N, C]."""
    channels, places, rows = layout
    size = channels * places
    step = rows * channels
    total, repeated = np.empty(step, x.dtype), np.empty(step, x.dtype)
    if rows:
        _repeat(mean, repeated)
    for n in range(first, last):
        image, other = x[n * size : (n + 1) * size], y[n * size : (n + 1) * size]
        if rows:
            total[:] = 0
            for i in range(0, size - step + 1, step):
                _add_product(image[i : i + step], other[i : i + step], repeated, total)
            for i in range(size // step * step, size, channels):
                _add_product(image[i : i + channels], other[i : i + channels], repeated[:channels], total[:channels])
            _fold(total, channels, out[n])
        else:
            for c in range(channels):
                a, b = c * places, (c + 1) * places
                out[n, c] = _products_of(image[a:b], other[a:b], mean[c])


@jit
def _mix_row(x, a, y, mean, b, c, out):
    for i in range(len(out)):
        out[i] = x[i] * a[i] + (y[i] - mean[i]) * b[i] + c[i]


@jit
def _mix_channel(x, a, y, mean, b, c, out):
    for i in range(len(out)):
        out[i] = x[i] * a + (y[i] - mean) * b + c


@shared
def _mix(x, a, y, mean, b, c, layout, out, first, last):
    channels, places, rows = layout
    size = channels * places
    if rows:
        step = rows * channels
        many = np.empty((4, step), x.dtype)
        _repeat(a, many[0])
        _repeat(mean, many[1])
        _repeat(b, many[2])
        _repeat(c, many[3])
        end = last * size
        for i in range(first * size, end, step):
            n = min(step, end - i)
            _mix_row(x[i : i + n], many[0, :n], y[i : i + n], many[1, :n], many[2, :n], many[3, :n], out[i : i + n])
    else:
        for n in range(first, last):
            for k in range(channels):
                at, to = n * size + k * places, n * size + (k + 1) * places
                _mix_channel(x[at:to], a[k], y[at:to], mean[k], b[k], c[k], out[at:to])


@jit
def _normalise_row(x, mean, scale, shift, out):
    for i in range(len(out)):
        out[i] = (x[i] - mean[i]) * scale[i] + shift[i]


@jit
def _normalise_channel(x, mean, scale, shift, out):
    for i in range(len(out)):
        out[i] = (x[i] - mean) * scale + shift


@shared
def _normalise(x, mean, scale, shift, layout, out, first, last):
    channels, places, rows = layout
    size = channels * places
    if rows:
        step = rows * channels
        many = np.empty((3, step), x.dtype)
        _repeat(mean, many[0])
        _repeat(scale, many[1])
        _repeat(shift, many[2])
        end = last * size
        for i in range(first * size, end, step):
            n = min(step, end - i)
            _normalise_row(x[i : i + n], many[0, :n], many[1, :n], many[2, :n], out[i : i + n])
    else:
        for n in range(first, last):
            for k in range(channels):
                at, to = n * size + k * places, n * size + (k + 1) * places
                _normalise_channel(x[at:to], mean[k], scale[k], shift[k], out[at:to])


# -- the kernels -------------------------------------------------------------------------------


def _layout(x: np.ndarray) -> tuple[int, int, int] | None:
    """Return channels, places of an image, and the rows of channels to add at once.

    None where the array is not for these kernels; no rows where it is in C order.
    """
    if x.ndim < 3 or x.dtype not in DTYPES or x.size < 1000:
        return None
    channels = x.shape[1]
    places = x[0, 0].size
    if x.flags.carray:
        return channels, places, 0
    if x.transpose(0, *range(2, x.ndim), 1).flags.carray:
        return channels, places, max(1, min(places, WIDTH // channels))
    return None


def _flat(x: np.ndarray, layout: tuple[int, int, int]) -> np.ndarray:
    return (x.transpose(0, *range(2, x.ndim), 1) if layout[2] else x).reshape(-1)


def _match(x: np.ndarray, *arrays: np.ndarray) -> bool:
    return all(a.dtype == x.dtype and a.flags.carray for a in arrays)


@quiet
def channel_sum(x: np.ndarray) -> np.ndarray:
    layout = _layout(x)
    if layout is None:
        return NotImplemented
    sums = np.empty(x.shape[:2])
    args = _flat(x, layout), layout, sums
    share(len(x), x[0].size * 0.1, _sums, *args)
    return sums.sum(axis=0).astype(x.dtype)


@quiet
def channel_dot(x: np.ndarray, y: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    layout = _layout(x)
    if mean is None:
        mean = np.zeros(x.shape[1], x.dtype)
    if layout is None or _layout(y) != layout or not _match(x, mean) or y.dtype != x.dtype:
        return NotImplemented
    sums = np.empty(x.shape[:2])
    args = _flat(x, layout), _flat(y, layout), layout, mean, sums
    share(len(x), x[0].size * 0.15, _products, *args)
    return sums.sum(axis=0).astype(x.dtype)


def channel_mix(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, mean: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    layout = _layout(y)
    if layout is None or _layout(x) != layout or not _match(x, a, mean, b, c) or y.dtype != x.dtype:
        return NotImplemented
    out = np.empty_like(y)
    args = _flat(x, layout), a, _flat(y, layout), mean, b, c, layout, _flat(out, layout)
    share(len(x), x[0].size * 0.2, _mix, *args)
    return out


def normalise(
    x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    layout = _layout(x)
    if shift is None:
        shift = np.zeros_like(mean)
    if layout is None or not _match(x, mean, scale, shift):
        return NotImplemented
    out = np.empty_like(x)
    args = _flat(x, layout), mean, scale, shift, layout, _flat(out, layout)
    share(len(x), x[0].size * 0.15, _normalise, *args)
    return out


@quiet
def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    layout = _layout(x)
    if layout is None:
        return NotImplemented
    means, rests, squares = np.empty((3, *x.shape[:2]))
    args = _flat(x, layout), layout, means, rests, squares
    share(len(x), x[0].size * 0.2, _statistics, *args)
    n, places = count(x.shape), layout[1]
    mean = (means * places + rests).sum(axis=0) / n
    # sum of (x - mean)^2 = sum of (d + e)^2, d = x - the image's mean, e = that - mean
    e = means - mean
    var = (squares + 2 * e * rests + places * e * e).sum(axis=0) / n
    return mean.astype(x.dtype), np.maximum(var, 0).astype(x.dtype)
