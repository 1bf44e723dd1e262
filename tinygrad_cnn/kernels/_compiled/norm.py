"""Sums per channel, and batch normalisation, of images in C order or channels last.

A thread takes whole images. Its sums over one image are made in the arrays' dtype, and those of
all images in float64.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from tinygrad_cnn.kernels.geometry import channels_second

from .jit import DTYPES, jit
from .workers import share, shared

WIDTH = 128
"""Sums side by side, so that one does not wait for the other: several rows of channels."""

# The arrays are [N, L, W] here. In C order the lines L are the channels; with channels last a line
# is some rows of channels, and `many` has a number for each of its elements. Loops go over the
# arrays themselves, as slices of them would be counted, and two threads be in each other's way.


@jit
def _fold(total, out):
    """Add up the elements of a line that belong to the same channel."""
    channels = len(out)
    for c in range(channels):
        made = 0.0
        for i in range(c, len(total), channels):
            made += total[i]
        out[c] = made


@jit
def _repeat(numbers, width):
    many = np.empty(width, numbers.dtype)
    for i in range(width):
        many[i] = numbers[i % len(numbers)]
    return many


@jit
def _image_sums(x, n, last, total, out):
    _, lines, width = x.shape
    if last:
        total[:] = 0
        for k in range(lines):
            for i in range(width):
                total[i] += x[n, k, i]
        _fold(total, out)
    else:
        for k in range(lines):
            one = x.dtype.type(0)
            for i in range(width):
                one += x[n, k, i]
            out[k] = one


@shared
def _sums(x, is_last, out, first, last):
    """Write each image's sum per channel to `out` [N, C]."""
    total = np.empty(x.shape[2], x.dtype)
    for n in range(first, last):
        _image_sums(x, n, is_last, total, out[n])


@shared
def _statistics(x, is_last, means, rests, squares, first, last):
    """Write each image's mean per channel, and the sums of what differs from it and its square."""
    _, lines, width = x.shape
    total, total_squares = np.empty(width, x.dtype), np.empty(width, x.dtype)
    for n in range(first, last):
        mean = means[n]
        _image_sums(x, n, is_last, total, mean)
        for c in range(len(mean)):
            mean[c] = x.dtype.type(mean[c] * len(mean) / (lines * width))
        if is_last:
            many = _repeat(mean.astype(x.dtype), width)
            total[:] = 0
            total_squares[:] = 0
            for k in range(lines):
                for i in range(width):
                    centred = x[n, k, i] - many[i]
                    total[i] += centred
                    total_squares[i] += centred * centred
            _fold(total, rests[n])
            _fold(total_squares, squares[n])
        else:
            for k in range(lines):
                middle = x.dtype.type(mean[k])
                one = square = x.dtype.type(0)
                for i in range(width):
                    centred = x[n, k, i] - middle
                    one += centred
                    square += centred * centred
                rests[n, k], squares[n, k] = one, square


@jit
def _combine(means, rests, squares, places, mean, var):
    """Write mean and variance of all images, of `places` each."""
    n = len(means) * places
    for c in range(len(mean)):
        total = 0.0
        for k in range(len(means)):
            total += means[k, c] * places + rests[k, c]
        middle = total / n
        # sum of (x - mean)^2 = sum of (d + e)^2, d = x - the image's mean, e = that - mean
        total = 0.0
        for k in range(len(means)):
            e = means[k, c] - middle
            total += squares[k, c] + 2 * e * rests[k, c] + places * e * e
        mean[c], var[c] = middle, 0.0 if total < 0 else total / n


@jit
def _total(sums, out):
    """Return the sum over all images."""
    for c in range(len(out)):
        total = 0.0
        for k in range(len(sums)):
            total += sums[k, c]
        out[c] = total
    return out


@shared
def _products(x, y, is_last, mean, out, first, last):
    """Write each image's sum of ``x * (y - mean)`` per channel to `out` [N, C]."""
    _, lines, width = x.shape
    total, many = np.empty(width, x.dtype), _repeat(mean, width)
    for n in range(first, last):
        if is_last:
            total[:] = 0
            for k in range(lines):
                for i in range(width):
                    total[i] += x[n, k, i] * (y[n, k, i] - many[i])
            _fold(total, out[n])
        else:
            for k in range(lines):
                one = x.dtype.type(0)
                for i in range(width):
                    one += x[n, k, i] * (y[n, k, i] - mean[k])
                out[n, k] = one


@shared
def _mix(x, a, y, mean, b, c, is_last, out, first, last):
    _, lines, width = x.shape
    if is_last:
        a, mean, b, c = _repeat(a, width), _repeat(mean, width), _repeat(b, width), _repeat(c, width)
        for n in range(first, last):
            for k in range(lines):
                for i in range(width):
                    out[n, k, i] = x[n, k, i] * a[i] + (y[n, k, i] - mean[i]) * b[i] + c[i]
    else:
        for n in range(first, last):
            for k in range(lines):
                for i in range(width):
                    out[n, k, i] = x[n, k, i] * a[k] + (y[n, k, i] - mean[k]) * b[k] + c[k]


@shared
def _normalise(x, mean, scale, shift, is_last, out, first, last):
    _, lines, width = x.shape
    if is_last:
        mean, scale, shift = _repeat(mean, width), _repeat(scale, width), _repeat(shift, width)
        for n in range(first, last):
            for k in range(lines):
                for i in range(width):
                    out[n, k, i] = (x[n, k, i] - mean[i]) * scale[i] + shift[i]
    else:
        for n in range(first, last):
            for k in range(lines):
                for i in range(width):
                    out[n, k, i] = (x[n, k, i] - mean[k]) * scale[k] + shift[k]


# -- the kernels -------------------------------------------------------------------------------


def _lines(x: np.ndarray) -> tuple[np.ndarray, bool] | None:
    """Return `x` as [N, L, W], and whether its channels are last in memory.

    None where the array is not for these kernels.
    """
    if x.ndim < 3 or x.dtype not in DTYPES or x.size < 1000:
        return None
    if x.flags.carray:
        return x.reshape(*x.shape[:2], -1), False
    x = x.transpose(0, *range(2, x.ndim), 1)
    if not x.flags.carray:
        return None
    n, *size, channels = x.shape
    return x.reshape(n, -1, _rows(math.prod(size), channels) * channels), True


def _restore(lines: np.ndarray, shape: tuple[int, ...], last: bool) -> np.ndarray:
    """Return lines as an array of `shape`, (N, C, ...)."""
    if not last:
        return lines.reshape(shape)
    n, channels, *size = shape
    return channels_second(lines.reshape(n, *size, channels))


@functools.cache
def _rows(places: int, channels: int) -> int:
    """Return how many rows of channels make a line of at most `WIDTH`."""
    return max(n for n in range(1, max(1, WIDTH // channels) + 1) if places % n == 0)


def _match(x: np.ndarray, *arrays: np.ndarray) -> bool:
    """Whether these have a number for each channel of `x`."""
    return all(a.dtype == x.dtype and a.flags.carray and a.shape == x.shape[1:2] for a in arrays)


def _both(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool] | None:
    """Return two arrays alike as [N, L, W], and whether their channels are last in memory."""
    one, other = _lines(x), _lines(y)
    if one is None or other is None or one[1] != other[1] or x.shape != y.shape or x.dtype != y.dtype:
        return None
    return one[0], *other


def channel_sum(x: np.ndarray) -> np.ndarray:
    given = _lines(x)
    if given is None:
        return NotImplemented
    sums = np.empty(x.shape[:2])
    share(len(x), x[0].size * 0.1, _sums, *given, sums)
    return _total(sums, np.empty(x.shape[1], x.dtype))


def channel_dot(x: np.ndarray, y: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    given = _both(x, y)
    if given is None or not (mean is None or _match(x, mean)):
        return NotImplemented
    if mean is None:
        mean = np.zeros(x.shape[1], x.dtype)
    sums = np.empty(x.shape[:2])
    share(len(x), x[0].size * 0.15, _products, *given, mean, sums)
    return _total(sums, np.empty(x.shape[1], x.dtype))


def channel_mix(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, mean: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    given = _both(x, y)
    if given is None or not _match(x, a, mean, b, c):
        return NotImplemented
    one, other, last = given
    out = np.empty_like(other)
    share(len(x), x[0].size * 0.2, _mix, one, a, other, mean, b, c, last, out)
    return _restore(out, y.shape, last)


def normalise(
    x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    given = _lines(x)
    if shift is None:
        shift = np.zeros_like(mean)
    if given is None or not _match(x, mean, scale, shift):
        return NotImplemented
    lines, last = given
    out = np.empty_like(lines)
    share(len(x), x[0].size * 0.15, _normalise, lines, mean, scale, shift, last, out)
    return _restore(out, x.shape, last)


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    given = _lines(x)
    if given is None:
        return NotImplemented
    means, rests, squares = np.empty((3, *x.shape[:2]))
    share(len(x), x[0].size * 0.2, _statistics, *given, means, rests, squares)
    mean, var = np.empty((2, x.shape[1]), x.dtype)
    _combine(means, rests, squares, x[0, 0].size, mean, var)
    return mean, var
