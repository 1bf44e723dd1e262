"""Pooling over one or two axes, of images in C order or channels last.

In C order each channel is an image of its own, and windows are made a row at a time; with the
channels last, a window is, for all channels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.geometry import channels_second
from tinygrad_cnn.kernels.pool import Shape, Window

from .emit import I8, I32, I64, Vectors, loop
from .jit import DTYPES, jit, plain
from .workers import share, shared


def _shuffle(v: Vectors, a: Any, b: Any, places: Any) -> Any:
    return v.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, v.lanes), list(places)))


def _dealt(v: Vectors, first: Any, second: Any) -> list[Any]:
    """Return every other one of the numbers of two vectors, and the others."""
    return [_shuffle(v, first, second, range(i, 2 * v.lanes, 2)) for i in range(2)]


def _riffled(v: Vectors, left: Any, right: Any) -> list[Any]:
    """Return what `_dealt` has taken apart."""
    places = [i // 2 + i % 2 * v.lanes for i in range(2 * v.lanes)]
    return [_shuffle(v, left, right, half) for half in (places[: v.lanes], places[v.lanes :])]


def _below_two(v: Vectors, count: Any) -> list[Any]:
    """Return which lanes of two vectors are inside that `count` numbers fill."""
    return [v.below(count), v.below(v.builder.sub(count, ir.Constant(I64, v.lanes)))]


def _is_better(v: Vectors, value: Any, best: Any) -> Any:
    """Return where a value is larger than those before it, or nan."""
    larger = v.builder.fcmp_ordered(">", value, best)
    return v.builder.or_(larger, v.builder.fcmp_unordered("uno", value, value))


@intrinsic
def _max_row(typing: Any, x: Any, top: Any, bottom: Any, out: Any, taps: Any, at: Any, count: Any) -> Any:
    """Make `count` maxima, at `at`, of pairs of two rows of `x`."""
    signature = types.void(x, top, bottom, out, taps, at, count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[6], v.lanes, "row")
        rest = builder.sub(args[6], p)
        inside, bits = _below_two(v, builder.add(rest, rest)), v.below(rest)
        met = []
        for start in args[1:3]:
            row = v.at(v.pointer(0), start, p, p)
            met += _dealt(v, *[v.load_where(b, v.at(row, i * v.lanes)) for i, b in enumerate(inside)])
        numbers = ir.VectorType(I8, v.lanes)
        best, chosen = met[0], ir.Constant(numbers, [0] * v.lanes)
        for tap, value in enumerate(met[1:], 1):
            better = _is_better(v, value, best)
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
        inside, bits = _below_two(v, builder.add(rest, rest)), v.below(rest)
        made = v.load_where(bits, v.at(v.pointer(0), args[2], p))
        numbers = ir.VectorType(I8, v.lanes)
        chosen = v.load_where(bits, v.at(v.pointer(1), args[2], p), numbers)
        parts = []
        for tap in range(4):
            here = builder.icmp_signed("==", chosen, ir.Constant(numbers, [tap] * v.lanes))
            parts.append(builder.select(here, made, v.zero))
        for start, (left, right) in zip(args[5:7], (parts[:2], parts[2:]), strict=True):
            row = v.at(v.pointer(4), start, p, p)
            for i, half in enumerate(_riffled(v, left, right)):
                v.store_where(inside[i], half, v.at(row, i * v.lanes))
        end([])
        return context.get_dummy_value()

    return signature, emit


_WINDOWS = 8
"""How many arguments say which taps a row of windows has.

The array and the place that the first tap of window 0 has in it; how far apart rows of taps are,
and how many there are; for a tap of a row [3, K]: how far it is from the first, the first window of
those that it is inside of, and the last + 1; the first tap, how many, and K.
"""


def _over_taps(v: Vectors, p: Any, start: list[Any], combine: Any) -> list[Any]:
    """Go over the taps of the windows from p on."""
    builder, (at, down, rows, _row, first, count, whole) = v.builder, v.args[1:_WINDOWS]
    source = v.at(v.pointer(0), at, p)
    i, outer_state, outer_end = loop(builder, rows, 1, "rows")
    outer = [outer_state(vector) for vector in start]
    line = v.at(source, builder.mul(i, down))
    t, state, end = loop(builder, count, 1, "taps")
    states = [state(vector) for vector in outer]
    j = builder.add(t, first)
    place, begin, stop = (
        builder.load(v.at(v.pointer(4), builder.mul(whole, ir.Constant(I64, k)), j)) for k in range(3)
    )
    inside = v.below(builder.sub(stop, p))
    inside = builder.and_(inside, builder.not_(v.below(builder.sub(begin, p))))
    number = builder.add(builder.mul(i, whole), j)
    made = combine(number, inside, v.load_where(inside, v.at(line, place)), *states)
    end(made)
    outer_end(made)
    return made


@intrinsic
def _maxima(typing: Any, x: Any, at: Any, down: Any, rows: Any, row: Any, first: Any, count: Any, whole: Any,
            number: Any, out: Any, taps: Any, to: Any, width: Any) -> Any:  # fmt: skip
    """Write the maxima of a row of windows, and the numbers of their taps: tap 0 has `number`."""
    signature = types.void(x, at, down, rows, row, first, count, whole, number, out, taps, to, width)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        kind = ir.VectorType(I8, v.lanes)
        none, zeros = (ir.Constant(kind, [number] * v.lanes) for number in (-1, 0))
        p, _, end = loop(builder, args[12], v.lanes, "columns")

        def combine(number: Any, inside: Any, value: Any, best: Any, chosen: Any) -> list[Any]:
            first = builder.icmp_signed("==", chosen, none)
            better = builder.and_(inside, builder.or_(first, _is_better(v, value, best)))
            numbers = v.filled(builder.trunc(builder.add(number, args[8]), I8))
            return [builder.select(better, value, best), builder.select(better, numbers, chosen)]

        lowest = ir.Constant(v.type, [float("-inf")] * v.lanes)
        best, chosen = _over_taps(v, p, [lowest, none], combine)
        chosen = builder.select(builder.icmp_signed("==", chosen, none), zeros, chosen)
        bits = v.below(builder.sub(args[12], p))
        v.store_where(bits, best, v.at(v.pointer(9), args[11], p))
        v.store_where(bits, chosen, v.at(v.pointer(10), args[11], p))
        end([])
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _totals(typing: Any, x: Any, at: Any, down: Any, rows: Any, row: Any, first: Any, count: Any, whole: Any,
            out: Any, to: Any, width: Any) -> Any:  # fmt: skip
    """Write the sums of a row of windows."""
    signature = types.void(x, at, down, rows, row, first, count, whole, out, to, width)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[10], v.lanes, "columns")
        add = lambda number, inside, value, total: [v.add(total, value)]
        (total,) = _over_taps(v, p, [v.zero], add)
        v.store_where(v.below(builder.sub(args[10], p)), total, v.at(v.pointer(8), args[9], p))
        end([])
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _deal(typing: Any, x: Any, at: Any, out: Any, to: Any, apart: Any, count: Any) -> Any:
    """Write every other one of `count` numbers at `to`, and the others `apart` from there."""
    signature = types.void(x, at, out, to, apart, count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[5], 2 * v.lanes, "pairs")
        half = builder.lshr(p, ir.Constant(I64, 1))
        rest = builder.sub(args[5], p)
        source, target = v.at(v.pointer(0), args[1], p), v.at(v.pointer(2), args[3], half)
        whole = [v.load_where(b, v.at(source, i * v.lanes)) for i, b in enumerate(_below_two(v, rest))]
        for i, part in enumerate(_dealt(v, *whole)):
            count = builder.lshr(builder.add(rest, ir.Constant(I64, 1 - i)), ir.Constant(I64, 1))
            v.store_where(v.below(count), part, target)
            target = v.at(target, args[4])
        end([])
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _riffle(typing: Any, x: Any, at: Any, apart: Any, out: Any, to: Any, count: Any) -> Any:
    """Write what `_deal` has taken apart."""
    signature = types.void(x, at, apart, out, to, count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        p, _, end = loop(builder, args[5], 2 * v.lanes, "pairs")
        half = builder.lshr(p, ir.Constant(I64, 1))
        rest = builder.sub(args[5], p)
        source, parts = v.at(v.pointer(0), args[1], half), []
        for i in range(2):
            count = builder.lshr(builder.add(rest, ir.Constant(I64, 1 - i)), ir.Constant(I64, 1))
            parts.append(v.load_where(v.below(count), source))
            source = v.at(source, args[2])
        target = v.at(v.pointer(3), args[4], p)
        for i, (bits, whole) in enumerate(zip(_below_two(v, rest), _riffled(v, *parts), strict=True)):
            v.store_where(bits, whole, v.at(target, i * v.lanes))
        end([])
        return context.get_dummy_value()

    return signature, emit


# -- windows of 2 x 2 that do not overlap, in C order ------------------------------------------


@shared
def _max_2x2(x, out, taps, height, width, first, last):
    rows, columns = height // 2, width // 2
    for a in range(first, last):
        for y in range(rows):
            top = (a * height + 2 * y) * width
            _max_row(x, top, top + width, out, taps, (a * rows + y) * columns, columns)


@shared
def _max_input_2x2(g, taps, dx, height, width, first, last):
    rows, columns = height // 2, width // 2
    for a in range(first, last):
        for i in range((a * height + 2 * rows) * width, (a + 1) * height * width):
            dx[i] = 0
        for y in range(rows):
            top = (a * height + 2 * y) * width
            _max_input_row(g, taps, (a * rows + y) * columns, columns, dx, top, top + width)
            if width % 2:
                dx[top + width - 1] = dx[top + 2 * width - 1] = 0


# -- all windows -------------------------------------------------------------------------------

# In C order an image's columns are laid out by their remainder of the stride, the first of each row
# first: so what a row of windows meets with one tap lies together. With the channels last it does
# for the channels of one window.


@jit
def _each(width, stride):
    """Return the columns for each remainder."""
    return (width + stride - 1) // stride


@jit
def _split(x, at, size, stride, lines):
    """Lay out an image's columns by their remainder of the stride."""
    height, width = size
    each = _each(width, stride)
    for y in range(height):
        if stride == 2:
            _deal(x, at + y * width, lines, y * 2 * each, each, width)
        else:
            for i in range(width):
                lines[(y * stride + i % stride) * each + i // stride] = x[at + y * width + i]


@jit
def _join(lines, size, stride, x, at):
    """Lay out an image's columns in their order."""
    height, width = size
    each = _each(width, stride)
    for y in range(height):
        if stride == 2:
            _riffle(lines, y * 2 * each, each, x, at + y * width, width)
        else:
            for i in range(width):
                x[at + y * width + i] = lines[(y * stride + i % stride) * each + i // stride]


@jit
def _inside(y, size, kernel, stride, padding, dilation):
    """Return the first tap of window y that is inside, and the last + 1."""
    start = y * stride - padding
    first = max(0, -(start // dilation))
    return first, max(first, min(kernel, (size - 1 - start) // dilation + 1))


@jit
def _limits(size, size_out, window):
    """Return which taps of each window are inside, down [2, rows] and across [2, columns]."""
    kh, kw, sh, sw, ph, pw, dh, dw = window
    down, across = np.empty((2, size_out[0]), np.int64), np.empty((2, size_out[1]), np.int64)
    for y in range(size_out[0]):
        down[:, y] = _inside(y, size[0], kh, sh, ph, dh)
    for z in range(size_out[1]):
        across[:, z] = _inside(z, size[1], kw, sw, pw, dw)
    return down, across


@jit
def _row(size, size_out, inner, window):
    """Return where the taps of a row are; see `_WINDOWS`."""
    kw, sw, pw, dw = window[1], window[3], window[5], window[7]
    row = np.empty((3, kw), np.int64)
    for j in range(kw):
        if inner == 1:
            shift = j * dw - pw
            row[0, j] = shift % sw * _each(size[1], sw) + shift // sw
            row[1, j] = min(size_out[1], max(0, -(shift // sw)))
            row[2, j] = min(size_out[1], (size[1] - 1 - shift) // sw + 1)
        else:
            row[0, j], row[1, j], row[2, j] = j * dw * inner, 0, inner
    return row


@jit
def _layout(size, size_out, inner, window, x):
    """Return `_limits`, `_row`, room for a split image, and how far apart rows are."""
    stride = window[3]
    each = stride * _each(size[1], stride)
    lines = np.zeros(size[0] * each, x.dtype)
    length = each if inner == 1 else size[1] * inner
    return *_limits(size, size_out, window), _row(size, size_out, inner, window), lines, length


@shared
def _max(x, out, taps, size, size_out, inner, window, first, last):
    _kh, kw, sh, sw, ph, pw, dh, _dw = window
    rows, columns = size_out
    (i0, i1), (j0, j1), row, lines, length = _layout(size, size_out, inner, window, x)
    split = inner == 1
    for a in range(first, last):
        at = a * size[0] * size[1] * inner
        if split:
            _split(x, at, size, sw, lines)
        for y in range(rows):
            to, count = (a * rows + y) * columns * inner, i1[y] - i0[y]
            start = (y * sh + i0[y] * dh - ph) * length
            if split and count:
                _maxima(lines, start, dh * length, count, row, 0, kw, kw, i0[y] * kw, out, taps, to, columns)
                continue
            for z in range(columns):
                if count and j0[z] < j1[z]:
                    place = at + start + (z * sw - pw) * inner
                    _maxima(x, place, dh * length, count, row, j0[z], j1[z] - j0[z], kw, i0[y] * kw,
                            out, taps, to + z * inner, inner)  # fmt: skip
                else:
                    for c in range(to + z * inner, to + (z + 1) * inner):
                        out[c], taps[c] = -np.inf, 0


@shared
def _max_input(g, taps, dx, size, size_out, inner, window, first, last):
    kh, kw, sh, sw, ph, pw, dh, dw = window
    height, width = size
    rows, columns = size_out
    (i0, i1), (j0, j1) = _limits(size, size_out, window)
    places = np.zeros(256, np.int64)  # for any number that a tap may have
    for i in range(kh):
        for j in range(kw):
            places[i * kw + j] = (i * dh * width + j * dw) * inner
    for a in range(first, last):
        for i in range(a * height * width * inner, (a + 1) * height * width * inner):
            dx[i] = 0
        for y in range(rows):
            for z in range(columns if i0[y] < i1[y] else 0):
                at = ((a * height + y * sh - ph) * width + z * sw - pw) * inner
                to = ((a * rows + y) * columns + z) * inner
                for c in range(inner if j0[z] < j1[z] else 0):
                    met = at + places[taps[to + c]] + c
                    if 0 <= met < len(dx):  # as it is, if the tap is one of the window's
                        dx[met] += g[to + c]


@shared
def _average(x, out, divisor, size, size_out, inner, window, first, last):
    _kh, kw, sh, sw, ph, pw, dh, _dw = window
    rows, columns = size_out
    (i0, i1), (j0, j1), row, lines, length = _layout(size, size_out, inner, window, x)
    split = inner == 1
    for a in range(first, last):
        at = a * size[0] * size[1] * inner
        if split:
            _split(x, at, size, sw, lines)
        for y in range(rows):
            to, count = (a * rows + y) * columns * inner, i1[y] - i0[y]
            start = (y * sh + i0[y] * dh - ph) * length
            if split and count:
                _totals(lines, start, dh * length, count, row, 0, kw, kw, out, to, columns)
                for z in range(columns):
                    out[to + z] /= divisor[y, z]
                continue
            for z in range(columns):
                if count and j0[z] < j1[z]:
                    place = at + start + (z * sw - pw) * inner
                    _totals(x, place, dh * length, count, row, j0[z], j1[z] - j0[z], kw,
                            out, to + z * inner, inner)  # fmt: skip
                    for c in range(inner):
                        out[to + z * inner + c] /= divisor[y, z]
                else:
                    for c in range(to + z * inner, to + (z + 1) * inner):
                        out[c] = 0


@shared
def _average_input(g, dx, divisor, size, size_out, inner, window, first, last):
    _kh, kw, sh, sw, ph, pw, dh, dw = window
    rows, columns = size_out
    whole = size[0] * size[1] * inner
    (i0, i1), (j0, j1), row, lines, length = _layout(size, size_out, inner, window, g)
    split = inner == 1
    shares = np.empty(columns * inner, g.dtype)
    for a in range(first, last):
        if split:
            lines[:] = 0
        else:
            for i in range(a * whole, (a + 1) * whole):
                dx[i] = 0
        for y in range(rows):
            at = (a * rows + y) * columns * inner
            if split:
                for z in range(columns):
                    shares[z] = g[at + z] / divisor[y, z]
            else:
                for z in range(columns):
                    for c in range(inner):
                        shares[z * inner + c] = g[at + z * inner + c] / divisor[y, z]
            for i in range(i0[y], i1[y]):
                start = (y * sh + i * dh - ph) * length
                if split:
                    for j in range(kw):
                        to = start + row[0, j]
                        for z in range(row[1, j], row[2, j]):
                            lines[to + z] += shares[z]
                else:
                    for z in range(columns):
                        place = a * whole + start + (z * sw - pw) * inner
                        for j in range(j0[z], j1[z]):
                            for c in range(inner):
                                dx[place + j * dw * inner + c] += shares[z * inner + c]
        if split:
            _join(lines, size, sw, dx, a * whole)


# -- the kernels -------------------------------------------------------------------------------


def _numbers(window: Window) -> tuple[int, ...]:
    """Return the window as numbers for two axes."""
    one = len(window.kernel) == 1
    sides = window.kernel, window.stride, window.padding, window.dilation
    return tuple([n for side, rest in zip(sides, (1, 1, 0, 1), strict=True) for n in ((rest, *side) if one else side)])


def _covers(x: np.ndarray, out: Shape, shape: Shape, window: Window) -> bool:
    """Whether the kernels are for `x`; `out` is the shape of the pooling of `shape`."""
    if x.dtype not in DTYPES or len(window.kernel) > 2 or not 0 < math.prod(window.kernel) < 256:
        return False
    return min(*shape, *out) > 0 and window.output_shape(shape) == out


def _channels_last(x: np.ndarray, window: Window) -> bool:
    """Whether `x` (N, C, *size) lies channels last."""
    return (
        not x.flags.c_contiguous
        and x.ndim == len(window.kernel) + 2
        and x.transpose(0, *range(2, x.ndim), 1).flags.c_contiguous
    )


def _flat(x: np.ndarray, last: bool) -> np.ndarray:
    """Return the elements in C order, or with the channels last."""
    return plain(x.transpose(0, *range(2, x.ndim), 1) if last else x).reshape(-1)


def _sizes(shape: Shape, window: Window, last: bool) -> tuple[int, Shape, Shape, int]:
    """Return how many images there are, their size, that of their output, and the channels."""
    size = window.size_of(shape)
    out = window.output_size(size)
    one = (1,) * (2 - len(size))
    count = shape[0] if last else math.prod(shape[: len(shape) - len(size)])
    return count, (*one, *size), (*one, *out), shape[1] if last else 1


def _empty(shape: Shape, dtype: Any, last: bool) -> np.ndarray:
    if not last:
        return np.empty(shape, dtype)
    return channels_second(np.empty((shape[0], *shape[2:], shape[1]), dtype))


def _is_2x2(numbers: tuple[int, ...], last: bool) -> bool:
    return numbers == (2, 2, 2, 2, 0, 0, 1, 1) and not last


def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    shape = window.output_shape(x.shape)
    if not _covers(x, shape, x.shape, window):
        return NotImplemented
    last, numbers = _channels_last(x, window), _numbers(window)
    out, taps = _empty(shape, x.dtype, last), _empty(shape, np.uint8, last)
    args = [_flat(a, last) for a in (x, out, taps)]
    count, size, *rest = _sizes(x.shape, window, last)
    if _is_2x2(numbers, last) and not window.ceil_mode:
        share(count, x.size / count * 0.1, _max_2x2, *args, *size)
    else:
        share(count, x.size / count * 0.3, _max, *args, size, *rest, numbers)
    return out, taps


def max_pool_input(g: np.ndarray, taps: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    if not _covers(g, g.shape, input_shape, window) or taps.shape != g.shape or taps.dtype != np.uint8:
        return NotImplemented
    last, numbers = _channels_last(taps, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    args = [_flat(a, last) for a in (g, taps, dx)]
    count, size, *rest = _sizes(input_shape, window, last)
    if _is_2x2(numbers, last) and not window.ceil_mode:
        share(count, dx.size / count * 0.1, _max_input_2x2, *args, *size)
    else:
        share(count, (dx.size * 0.1 + g.size) / count, _max_input, *args, size, *rest, numbers)
    return dx


def avg_pool(x: np.ndarray, window: Window, divisor: np.ndarray) -> np.ndarray:
    shape = window.output_shape(x.shape)
    if not _covers(x, shape, x.shape, window):
        return NotImplemented
    last, numbers = _channels_last(x, window), _numbers(window)
    out = _empty(shape, x.dtype, last)
    count, *sizes = _sizes(x.shape, window, last)
    args = _flat(x, last), _flat(out, last), _divisor(divisor, x)
    share(count, x.size / count * 0.3, _average, *args, *sizes, numbers)
    return out


def avg_pool_input(
    g: np.ndarray, input_shape: Shape, window: Window, divisor: np.ndarray
) -> np.ndarray:
    if not _covers(g, g.shape, input_shape, window):
        return NotImplemented
    last, numbers = _channels_last(g, window), _numbers(window)
    dx = _empty(input_shape, g.dtype, last)
    count, *sizes = _sizes(input_shape, window, last)
    args = _flat(g, last), _flat(dx, last), _divisor(divisor, g)
    share(count, dx.size / count * 0.5, _average_input, *args, *sizes, numbers)
    return dx


def _divisor(divisor: np.ndarray, x: np.ndarray) -> np.ndarray:
    divisor = np.array(divisor, x.dtype, order="C")
    return divisor.reshape(-1, divisor.shape[-1])
