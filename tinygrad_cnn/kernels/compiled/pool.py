"""Pooling over one or two axes, of images in C order or channels last.

Arrays are (A, H, W, B) here: A stands for what is before the window's axes in memory, B for the
channels where they are last, and is 1 otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.pool import Shape, Window

from .jit import DTYPES, jit, plain, share


@jit
def _range(tap, out, size, stride):
    """Return the first and the last output + 1 that meet an input at stride * output + tap."""
    first = max(0, -(tap // stride))
    return first, max(first, min(out, (size - 1 - tap) // stride + 1))


@jit
def _max_2x2(x, out, taps, first, last):
    """Windows of 2 x 2 that do not overlap, in C order."""
    for a in range(first, last):
        for y in range(out.shape[1]):
            top, bottom = x[a, 2 * y, :, 0], x[a, 2 * y + 1, :, 0]
            row, chosen = out[a, y, :, 0], taps[a, y, :, 0]
            for i in range(len(row)):
                best, tap = top[2 * i], np.uint8(0)
                v = top[2 * i + 1]
                better = (v > best) | (v != v)
                best, tap = (v if better else best), (np.uint8(1) if better else tap)
                v = bottom[2 * i]
                better = (v > best) | (v != v)
                best, tap = (v if better else best), (np.uint8(2) if better else tap)
                v = bottom[2 * i + 1]
                better = (v > best) | (v != v)
                row[i], chosen[i] = (v if better else best), (np.uint8(3) if better else tap)


@jit
def _max(x, out, taps, window, first, last):
    """From the last tap to the first, so that of equal ones the first stays, and the last nan."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width, inner = x.shape[1], x.shape[2], x.shape[3]
    for a in range(first, last):
        out[a] = -np.inf
        taps[a] = 0
        for y in range(out.shape[1]):
            for i in range(kh - 1, -1, -1):
                at = y * sh + i * dh - ph
                if at < 0 or at >= height:
                    continue
                for j in range(kw - 1, -1, -1):
                    shift, number = j * dw - pw, np.uint8(i * kw + j)
                    begin, end = _range(shift, out.shape[2], width, sw)
                    for p in range(begin, end):
                        met, best, chosen = x[a, at, p * sw + shift], out[a, y, p], taps[a, y, p]
                        for b in range(inner):
                            better = (met[b] >= best[b]) | ((met[b] != met[b]) & (best[b] == best[b]))
                            best[b] = met[b] if better else best[b]
                            chosen[b] = number if better else chosen[b]


@jit
def _max_input_2x2(g, taps, dx, first, last):
    odd_rows, odd_columns = dx.shape[1] > 2 * g.shape[1], dx.shape[2] > 2 * g.shape[2]
    zero = g.dtype.type(0)
    for a in range(first, last):
        if odd_rows:
            dx[a, -1] = 0
        for y in range(g.shape[1]):
            top, bottom = dx[a, 2 * y, :, 0], dx[a, 2 * y + 1, :, 0]
            row, chosen = g[a, y, :, 0], taps[a, y, :, 0]
            for i in range(len(row)):
                top[2 * i] = row[i] if chosen[i] == 0 else zero
                top[2 * i + 1] = row[i] if chosen[i] == 1 else zero
                bottom[2 * i] = row[i] if chosen[i] == 2 else zero
                bottom[2 * i + 1] = row[i] if chosen[i] == 3 else zero
            if odd_columns:
                top[-1] = 0
                bottom[-1] = 0


@jit
def _max_input(g, taps, dx, window, first, last):
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width, inner = dx.shape[1], dx.shape[2], dx.shape[3]
    zero = g.dtype.type(0)
    for a in range(first, last):
        dx[a] = 0
        for y in range(g.shape[1]):
            for i in range(kh):
                at = y * sh + i * dh - ph
                if at < 0 or at >= height:
                    continue
                for j in range(kw):
                    shift, number = j * dw - pw, i * kw + j
                    begin, end = _range(shift, g.shape[2], width, sw)
                    for p in range(begin, end):
                        made, chosen, met = g[a, y, p], taps[a, y, p], dx[a, at, p * sw + shift]
                        for b in range(inner):
                            met[b] += made[b] if chosen[b] == number else zero


@jit
def _average(x, out, divisor, window, first, last):
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width, inner = x.shape[1], x.shape[2], x.shape[3]
    for a in range(first, last):
        out[a] = 0
        for y in range(out.shape[1]):
            for i in range(kh):
                at = y * sh + i * dh - ph
                if at < 0 or at >= height:
                    continue
                for j in range(kw):
                    shift = j * dw - pw
                    begin, end = _range(shift, out.shape[2], width, sw)
                    for p in range(begin, end):
                        met, total = x[a, at, p * sw + shift], out[a, y, p]
                        for b in range(inner):
                            total[b] += met[b]
            for p in range(out.shape[2]):
                out[a, y, p] /= divisor[y, p]


@jit
def _average_input(g, dx, divisor, window, first, last):
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width, inner = dx.shape[1], dx.shape[2], dx.shape[3]
    for a in range(first, last):
        dx[a] = 0
        for y in range(g.shape[1]):
            for i in range(kh):
                at = y * sh + i * dh - ph
                if at < 0 or at >= height:
                    continue
                for j in range(kw):
                    shift = j * dw - pw
                    begin, end = _range(shift, g.shape[2], width, sw)
                    for p in range(begin, end):
                        made, met = g[a, y, p], dx[a, at, p * sw + shift]
                        for b in range(inner):
                            met[b] += made[b] / divisor[y, p]


# -- the kernels -------------------------------------------------------------------------------


def _numbers(window: Window) -> tuple[int, ...]:
    """Return the window as numbers for two axes."""
    one = len(window.kernel) == 1
    sides = window.kernel, window.stride, window.padding, window.dilation
    return tuple([n for side, rest in zip(sides, (1, 1, 0, 1), strict=True) for n in ((rest, *side) if one else side)])


def _covers(x: np.ndarray, window: Window) -> bool:
    taps = math.prod(window.kernel)
    return x.dtype in DTYPES and x.size > 0 and len(window.kernel) < 3 and 0 < taps < 256


def _channels_last(x: np.ndarray, window: Window) -> bool:
    """Whether `x` (N, C, *size) lies channels last."""
    return (
        not x.flags.c_contiguous
        and x.ndim == len(window.kernel) + 2
        and x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous
    )


def _four(x: np.ndarray, window: Window, last: bool) -> np.ndarray:
    """Return (..., *size) as (A, H, W, B)."""
    dims = len(window.kernel)
    if last:
        x = x.transpose(0, *range(2, x.ndim), 1)
        dims += 1
    x = plain(x)
    size = x.shape[x.ndim - dims :]
    size = size if last else (*size, 1)
    return x.reshape(-1, *(1,) * (3 - len(size)), *size)


def _empty(shape: Shape, dtype: Any, last: bool) -> np.ndarray:
    if not last:
        return np.empty(shape, dtype)
    order = 0, len(shape) - 1, *range(1, len(shape) - 1)
    return np.empty((shape[0], *shape[2:], shape[1]), dtype).transpose(order)


def _is_2x2(numbers: tuple[int, ...], last: bool) -> bool:
    return numbers == (2, 2, 2, 2, 0, 0, 1, 1) and not last


def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    if not _covers(x, window):
        return NotImplemented
    last, numbers, shape = _channels_last(x, window), _numbers(window), window.output_shape(x.shape)
    out, taps = _empty(shape, x.dtype, last), _empty(shape, np.uint8, last)
    args = [_four(a, window, last) for a in (x, out, taps)]
    cost = x.size / len(args[0]) * 0.3
    if _is_2x2(numbers, last) and not window.ceil_mode:
        share(len(args[0]), cost, lambda part, first, end: _max_2x2(*args, first, end))
    else:
        share(len(args[0]), cost, lambda part, first, end: _max(*args, numbers, first, end))
    return out, taps


def max_pool_input(g: np.ndarray, taps: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    if not _covers(g, window) or not math.prod(input_shape):
        return NotImplemented
    last, numbers = _channels_last(taps, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    args = [_four(a, window, last) for a in (g, taps, dx)]
    cost = dx.size / len(args[0]) * 0.3
    if _is_2x2(numbers, last) and not window.ceil_mode:
        share(len(args[0]), cost, lambda part, first, end: _max_input_2x2(*args, first, end))
    else:
        share(len(args[0]), cost, lambda part, first, end: _max_input(*args, numbers, first, end))
    return dx


def avg_pool(x: np.ndarray, window: Window, divisor: np.ndarray) -> np.ndarray:
    if not _covers(x, window):
        return NotImplemented
    last, numbers = _channels_last(x, window), _numbers(window)
    out = _empty(window.output_shape(x.shape), x.dtype, last)
    args = *[_four(a, window, last) for a in (x, out)], _divisor(divisor, x), numbers
    cost = x.size / len(args[0])
    share(len(args[0]), cost, lambda part, first, end: _average(*args, first, end))
    return out


def avg_pool_input(
    g: np.ndarray, input_shape: Shape, window: Window, divisor: np.ndarray
) -> np.ndarray:
    if not _covers(g, window) or not math.prod(input_shape):
        return NotImplemented
    last, numbers = _channels_last(g, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    args = *[_four(a, window, last) for a in (g, dx)], _divisor(divisor, g), numbers
    cost = dx.size / len(args[0])
    share(len(args[0]), cost, lambda part, first, end: _average_input(*args, first, end))
    return dx


def _divisor(divisor: np.ndarray, x: np.ndarray) -> np.ndarray:
    divisor = np.array(divisor, x.dtype, order="C")
    return divisor.reshape(-1, divisor.shape[-1])
