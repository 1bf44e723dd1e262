"""Pooling over one or two axes, of images in C order or channels last.

Arrays are (A, H, W, B) here: A stands for what is before the window's axes in memory, B for the
channels where they are last, and is 1 otherwise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.pool import Shape, Window

from .emit import I8, I32, I64, Vectors, loop
from .jit import DTYPES, jit, plain, share


@jit
def _range(tap, out, size, stride):
    """Return the first and the last output + 1 that meet an input at stride * output + tap."""
    first = max(0, -(tap // stride))
    return first, max(first, min(out, (size - 1 - tap) // stride + 1))


def _shuffle(v: Vectors, a: Any, b: Any, places: Any) -> Any:
    return v.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, v.lanes), list(places)))


def _pairs(v: Vectors, count: Any) -> list[Any]:
    """Return which lanes of the two vectors that `count` pairs fill are inside."""
    twice = v.builder.add(count, count)
    return [v.below(twice), v.below(v.builder.sub(twice, ir.Constant(I64, v.lanes)))]


@intrinsic
def _max_row(typing: Any, x: Any, top: Any, bottom: Any, out: Any, taps: Any, at: Any, count: Any) -> Any:
    """Make `count` maxima, at `at`, of pairs of two rows of `x`."""
    signature = types.void(x, top, bottom, out, taps, at, count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[6], v.lanes, "row")
        rest = builder.sub(args[6], p)
        inside, bits = _pairs(v, rest), v.below(rest)
        met = []
        for start in args[1:3]:
            row = v.at(v.pointer(0), start, p, p)
            first, second = (v.load_where(b, v.at(row, i * v.lanes)) for i, b in enumerate(inside))
            met += [_shuffle(v, first, second, range(i, 2 * v.lanes, 2)) for i in range(2)]
        numbers = ir.VectorType(I8, v.lanes)
        best, chosen = met[0], ir.Constant(numbers, [0] * v.lanes)
        for tap, value in enumerate(met[1:], 1):
            # larger, or nan
            better = builder.or_(
                builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value)
            )
            best = builder.select(better, value, best)
            chosen = builder.select(better, ir.Constant(numbers, [tap] * v.lanes), chosen)
        v.store_where(bits, best, v.at(v.pointer(3), args[5], p))
        v.store_where(bits, chosen, v.at(v.pointer(4), args[5], p))
        end([])
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _max_input_row(typing: Any, g: Any, taps: Any, at: Any, count: Any, out: Any, top: Any, bottom: Any) -> Any:
    """Write two rows of `out` of which `count` pairs had the maxima that `g` arrives at."""
    signature = types.void(g, taps, at, count, out, top, bottom)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[3], v.lanes, "row")
        rest = builder.sub(args[3], p)
        inside, bits = _pairs(v, rest), v.below(rest)
        made = v.load_where(bits, v.at(v.pointer(0), args[2], p))
        numbers = ir.VectorType(I8, v.lanes)
        chosen = v.load_where(bits, v.at(v.pointer(1), args[2], p), numbers)
        parts = []
        for tap in range(4):
            here = builder.icmp_signed("==", chosen, ir.Constant(numbers, [tap] * v.lanes))
            parts.append(builder.select(here, made, v.zero))
        for start, (left, right) in zip(args[5:7], (parts[:2], parts[2:]), strict=True):
            row = v.at(v.pointer(4), start, p, p)
            places = [i // 2 + i % 2 * v.lanes for i in range(2 * v.lanes)]
            for i, b in enumerate(inside):
                half = _shuffle(v, left, right, places[i * v.lanes : (i + 1) * v.lanes])
                v.store_where(b, half, v.at(row, i * v.lanes))
        end([])
        return context.get_dummy_value()

    return signature, emit


@jit
def _max_2x2(x, out, taps, height, width, first, last):
    """Windows of 2 x 2 that do not overlap, in C order."""
    rows, columns = height // 2, width // 2
    for a in range(first, last):
        for y in range(rows):
            top = (a * height + 2 * y) * width
            _max_row(x, top, top + width, out, taps, (a * rows + y) * columns, columns)


@jit
def _max_input_2x2(g, taps, dx, height, width, first, last):
    rows, columns = height // 2, width // 2
    for a in range(first, last):
        dx[(a * height + 2 * rows) * width : (a + 1) * height * width] = 0
        for y in range(rows):
            top = (a * height + 2 * y) * width
            _max_input_row(g, taps, (a * rows + y) * columns, columns, dx, top, top + width)
            if width % 2:
                dx[top + width - 1] = dx[top + 2 * width - 1] = 0


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
    cost = x.size / len(args[0]) * 0.2
    if _is_2x2(numbers, last) and not window.ceil_mode:
        flat = *[a.reshape(-1) for a in args], *x.shape[-2:]
        share(len(args[0]), cost, lambda part, first, end: _max_2x2(*flat, first, end))
    else:
        share(len(args[0]), cost, lambda part, first, end: _max(*args, numbers, first, end))
    return out, taps


def max_pool_input(g: np.ndarray, taps: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    if not _covers(g, window) or not math.prod(input_shape):
        return NotImplemented
    last, numbers = _channels_last(taps, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    args = [_four(a, window, last) for a in (g, taps, dx)]
    cost = dx.size / len(args[0]) * 0.2
    if _is_2x2(numbers, last) and not window.ceil_mode:
        flat = *[a.reshape(-1) for a in args], *input_shape[-2:]
        share(len(args[0]), cost, lambda part, first, end: _max_input_2x2(*flat, first, end))
    else:
        share(len(args[0]), cost, lambda part, first, end: _max_input(*args, numbers, first, end))
    return dx


def avg_pool(x: np.ndarray, window: Window, divisor: np.ndarray) -> np.ndarray:
    if not _covers(x, window):
        return NotImplemented
    last, numbers = _channels_last(x, window), _numbers(window)
    out = _empty(window.output_shape(x.shape), x.dtype, last)
    source, target = (_four(a, window, last) for a in (x, out))
    args = source, target, _divisor(divisor, x), numbers
    cost = x.size / len(source)
    share(len(source), cost, lambda part, first, end: _average(*args, first, end))
    return out


def avg_pool_input(
    g: np.ndarray, input_shape: Shape, window: Window, divisor: np.ndarray
) -> np.ndarray:
    if not _covers(g, window) or not math.prod(input_shape):
        return NotImplemented
    last, numbers = _channels_last(g, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    source, target = (_four(a, window, last) for a in (g, dx))
    args = source, target, _divisor(divisor, g), numbers
    cost = dx.size / len(source)
    share(len(source), cost, lambda part, first, end: _average_input(*args, first, end))
    return dx


def _divisor(divisor: np.ndarray, x: np.ndarray) -> np.ndarray:
    divisor = np.array(divisor, x.dtype, order="C")
    return divisor.reshape(-1, divisor.shape[-1])
