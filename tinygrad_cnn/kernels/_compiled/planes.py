"""Convolution and its two transposes, directly: no matrix of columns is made.

Each image is copied, with its padding, to planes that lie one after the other; with a stride, to a
plane for each remainder (phase) of the position. The input that a kernel element (tap) meets for
the output at flat position p is then at p plus a number of its own::

    out[o, p] = sum over taps t of weight[o, t] * planes[offset[t] + p]

which holds for any number of dimensions, padding, stride and dilation. Positions between the end of
an output row and the begin of the next are computed too, and dropped. The innermost loop is over
taps: it holds a block of output channels by two vectors of positions in registers, and so reaches
the processor's peak (on one core at 4.1 GHz with AVX-512, 265 GFLOP/s).

The transpose in the input is of the same form, once for each phase of the position that it is
for: only every s-th tap meets it, and the positions in `g` that taps meet do not depend on it.
In the transpose in the weight the innermost loop is over positions, and a block of output channels
by taps is in registers.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.geometry import Geometry, Sizes

from .emit import I64, VECTOR, WIDE, Vectors, loop
from .jit import jit
from .lanes import transpose
from .plan import axes_of, flat, phases_of
from .workers import shared

BLOCKS = (8, 6, 4) if WIDE else (4,)
"""Output channels that a block may have, by two vectors of positions, or one at the end."""
ROWS, TAPS = 4, 5 if WIDE else 2
"""Output channels and taps that a block of the transpose in the weight has."""

# -- the innermost loops -----------------------------------------------------------------------


def _correlate(block: int, vectors: int) -> Any:
    @intrinsic
    def correlate(typing: Any, planes: Any, at: Any, offsets: Any, first: Any, count: Any, weight: Any,
                   begin: Any, out: Any, place: Any, row: Any) -> Any:  # fmt: skip
        """Make a block, ``out[place + b * row + p]`` for b < `block` and some vectors of p.

        It is the sum over t from first to first + count of
        ``weight[begin + (t - first) * block + b] * planes[at + offsets[t] + p]``.
        """
        signature = types.void(planes, at, offsets, first, count, weight, begin, out, place, row)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args)
            pointers = [v.pointer(i) for i in (0, 2, 5, 7)]
            inputs = v.at(pointers[0], args[1])
            numbers = v.at(pointers[1], args[3])
            weights = v.at(pointers[2], args[6])
            outs = v.at(pointers[3], args[8])
            t, state, end = loop(builder, args[4], 1, "taps")
            sums = [state(v.zero) for _ in range(vectors * block)]
            base = v.at(inputs, builder.load(v.at(numbers, t)))
            met = [v.load(v.at(base, i * v.lanes)) for i in range(vectors)]
            column = v.at(weights, builder.mul(t, ir.Constant(I64, block)))
            made = []
            for b in range(block):
                factor = v.spread(v.at(column, b))
                made += [v.fma(factor, met[i], sums[vectors * b + i]) for i in range(vectors)]
            end(made)
            for b in range(block):
                line = v.at(outs, builder.mul(args[9], ir.Constant(I64, b)))
                for i in range(vectors):
                    v.store(made[vectors * b + i], v.at(line, i * v.lanes))
            return context.get_dummy_value()

        return signature, emit

    return correlate


_4x1, _6x1, _8x1 = _correlate(4, 1), _correlate(6, 1), _correlate(8, 1)
_4x2, _6x2, _8x2 = _correlate(4, 2), _correlate(6, 2), _correlate(8, 2)


@intrinsic
def _correlate_weight(typing: Any, g: Any, at: Any, row: Any, planes: Any, start: Any, offsets: Any,
                      first: Any, images: Any, g_step: Any, step: Any, length: Any,
                      out: Any, place: Any, width: Any) -> Any:  # fmt: skip
    """Add to ``out[place + b * width + t]`` for ``b < ROWS`` and ``t < TAPS``.

    It gets the sum over images n and positions p < length, which is a number of whole vectors, of
    ``g[at + n * g_step + b * row + p] * planes[start + n * step + offsets[first + t] + p]``.
    """
    signature = types.void(g, at, row, planes, start, offsets, first, images, g_step, step, length,
                           out, place, width)  # fmt: skip

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        pointers = [v.pointer(i) for i in (0, 3, 5, 11)]
        cotangents = v.at(pointers[0], args[1])
        inputs = v.at(pointers[1], args[4])
        outs = v.at(pointers[3], args[12])
        numbers = [builder.load(v.at(pointers[2], args[6], t)) for t in range(TAPS)]
        n, outer_state, outer_end = loop(builder, args[7], 1, "images")
        outer = [outer_state(v.zero) for _ in range(ROWS * TAPS)]
        lines = [v.at(cotangents, builder.mul(n, args[8]), builder.mul(args[2], ir.Constant(I64, b)))
                 for b in range(ROWS)]  # fmt: skip
        image = v.at(inputs, builder.mul(n, args[9]))
        bases = [v.at(image, number) for number in numbers]
        p, state, end = loop(builder, args[10], v.lanes, "positions")
        sums = [state(value) for value in outer]
        factors = [v.load(v.at(line, p)) for line in lines]
        made: list[Any] = [None] * len(sums)
        for t, base in enumerate(bases):
            met = v.load(v.at(base, p))
            for b, factor in enumerate(factors):
                made[b * TAPS + t] = v.fma(factor, met, sums[b * TAPS + t])
        end(made)
        outer_end(made)
        for b in range(ROWS):
            line = v.at(outs, builder.mul(args[13], ir.Constant(I64, b)))
            for t in range(TAPS):
                cell = v.at(line, t)
                total = v.total(made[b * TAPS + t])
                builder.store(builder.fadd(builder.load(cell), total), cell)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def _copy(typing: Any, x: Any, at: Any, out: Any, to: Any, count: Any, shift: Any) -> Any:
    """Write ``x[at + i] + shift`` to ``out[to + i]`` for i < count."""
    signature = types.void(x, at, out, to, count, shift)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        added = v.filled(args[5])
        p, _, end = loop(builder, args[4], v.lanes, "row")
        bits = v.below(builder.sub(args[4], p))
        row = v.load_where(bits, v.at(v.pointer(0), args[1], p))
        v.store_where(bits, v.add(row, added), v.at(v.pointer(2), args[3], p))
        end([])
        return context.get_dummy_value()

    return signature, emit


# -- the loops around them ---------------------------------------------------------------------


@jit
def _divide(n, by):
    return (n // by, n % by) if by > 1 else (n, 0)


@jit
def _fill(x, at, strides, size, count, planes, start, layout):
    """Copy channels of an image to their planes; what is padding there stays as it is."""
    sd, sh, sw, pd, ph, pw, depth, height, width, channel = layout
    zero = x.dtype.type(0)
    last = strides[1] == 1 and sw == 1 and min(size[2], count) >= VECTOR // x.itemsize
    for c in range(1 if last else count):  # or all at once
        for z in range(size[0]):
            zs, z_phase = _divide(z + pd, sd)
            for y in range(size[1]):
                ys, y_phase = _divide(y + ph, sh)
                line = ((z_phase * sh + y_phase) * sw * depth + zs) * height + ys
                begin = at + c * strides[1] + z * strides[2] + y * strides[3]
                to = start + c * channel + line * width
                if last:
                    transpose(x, begin, strides[4], size[2], count, planes, to + pw, channel)
                elif sw == 1 and strides[4] == 1:
                    _copy(x, begin, planes, to + pw, size[2], zero)
                elif sw == 1:
                    for i in range(size[2]):
                        planes[to + pw + i] = x[begin + i * strides[4]]
                else:
                    for i in range(size[2]):
                        xs = i + pw
                        place = to + xs % sw * depth * height * width + xs // sw
                        planes[place] = x[begin + i * strides[4]]


@jit
def _positions(planes, at, offsets, tap, taps, weight, begin, block, sums, length):
    """Make `block` output channels at all positions."""
    lanes = VECTOR // planes.itemsize
    for p in range(0, length, 2 * lanes):
        if p + lanes < length:
            if block == 8:
                _8x2(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)
            elif block == 6:
                _6x2(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)
            else:
                _4x2(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)
        elif block == 8:
            _8x1(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)
        elif block == 6:
            _6x1(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)
        else:
            _4x1(planes, at + p, offsets, tap, taps, weight, begin, sums, p, length)


@shared
def convolve(x, strides, size, offsets, weight, bias, out, size_out, made, parts, layout, block, taken, groups, first, last):  # fmt: skip
    """Fill the images from first to last of `out`; each of `parts` is a phase of its positions."""
    channel, height, width = layout[9], layout[7], layout[8]
    blocks = (made + block - 1) // block
    longest = 0
    for part in range(len(parts)):
        longest = max(longest, parts[part, 4])
    planes = np.zeros(taken * channel + parts[0, 14], x.dtype)
    sums = np.zeros(block * longest, x.dtype)
    for n in range(first, last):
        for group in range(groups):
            at = n * strides[0] + group * taken * strides[1]
            _fill(x, at, strides, size, taken, planes, 0, layout)
            for part in range(len(parts)):
                tap, taps, begin, at, length = parts[part, :5]
                depth, rows, columns, z0, y0, x0, sd, sh, sw = parts[part, 5:14]
                if not taps:
                    sums[:] = 0
                for k in range(blocks):
                    if taps:
                        where = begin + (group * blocks + k) * taps * block
                        _positions(planes, at, offsets, tap, taps, weight, where, block, sums, length)
                    for b in range(min(block, made - k * block)):
                        o = group * made + k * block + b
                        shift = bias[o] if len(bias) else x.dtype.type(0)
                        for z in range(depth):
                            for y in range(rows):
                                p = b * length + (z * height + y) * width
                                zo, yo = z0 + z * sd, y0 + y * sh
                                to = (((n * groups * made + o) * size_out[0] + zo) * size_out[1] + yo) * size_out[2] + x0
                                if sw == 1:
                                    _copy(sums, p, out, to, columns, shift)
                                else:
                                    for i in range(columns):
                                        out[to + i * sw] = sums[p + i] + shift


@jit
def _add_weight(g, g_strides, g_size, x, strides, size, offsets, out, layout, lines_layout, length, slack, taken, made, groups, tile, first, last):  # fmt: skip
    """Add to `out` [O rounded up, taps rounded up] what the images from first to last give."""
    channel = layout[9]
    rounded = (made + ROWS - 1) // ROWS * ROWS
    planes = np.zeros(tile * taken * channel + slack, x.dtype)
    lines = np.zeros(tile * rounded * length, x.dtype)
    flat = out.reshape(-1)
    for group in range(groups):
        for begin in range(first, last, tile):
            images = min(tile, last - begin)
            for k in range(images):
                at = (begin + k) * strides[0] + group * taken * strides[1]
                _fill(x, at, strides, size, taken, planes, k * taken * channel, layout)
                at = (begin + k) * g_strides[0] + group * made * g_strides[1]
                _fill(g, at, g_strides, g_size, made, lines, k * rounded * length, lines_layout)
            for block in range(0, rounded, ROWS):
                for t in range(0, len(offsets), TAPS):
                    _correlate_weight(
                        lines, block * length, length, planes, 0, offsets, t, images,
                        rounded * length, taken * channel, length,
                        flat, (group * rounded + block) * len(offsets) + t, len(offsets),
                    )  # fmt: skip


@shared
def convolve_weight(g, g_strides, g_size, x, strides, size, offsets, sums, images, layout, lines_layout, length, slack, taken, made, groups, tile, first, last):  # fmt: skip
    """Fill sums [parts, O rounded up, taps rounded up], each with what its part of the images gives."""
    parts = len(sums)
    for part in range(first, last):
        _add_weight(g, g_strides, g_size, x, strides, size, offsets, sums[part], layout, lines_layout,
                    length, slack, taken, made, groups, tile,
                    images * part // parts, images * (part + 1) // parts)  # fmt: skip


# -- plans: what can be known before the arrays ------------------------------------------------


def rounded(n: int, unit: int) -> int:
    """Return the least multiple of `unit` from n on."""
    return -(-n // unit) * unit


class Plan(NamedTuple):
    """How planes lie, which taps meet them where, and what of it is output."""

    layout: tuple[int, ...]
    """Stride, padding before, size of a plane; size of a channel's planes together."""
    offsets: np.ndarray
    gather: np.ndarray
    block: int
    parts: np.ndarray
    used: float
    """The part of the positions computed that is output."""
    cost: float


def plan_conv(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> Plan:
    """Plan the convolution itself."""
    o, c, *_ = weight_shape
    groups = geometry.groups
    block = _block(o // groups)
    axes = axes_of(size, out, weight_shape[2:], geometry)
    steps = [a.stride for a in axes]
    extent = [-(-(a.size + a.before + a.after) // a.stride) for a in axes]
    plane = math.prod(extent)
    channel = math.prod(steps) * plane
    places = []
    for tap in itertools.product(*[range(0, a.kernel * a.dilation, a.dilation) for a in axes]):
        phase = flat([m % s for m, s in zip(tap, steps, strict=True)], steps)
        place = flat([m // s for m, s in zip(tap, steps, strict=True)], extent)
        places.append(phase * plane + place)
    offsets = np.array([k * channel + place for k in range(c) for place in places], np.int64)
    gather = _gather(np.arange(o * len(offsets)).reshape(groups, o // groups, -1), block)
    length = rounded(flat([a.out - 1 for a in axes], extent) + 1, VECTOR // itemsize)
    row = (0, len(offsets), 0, 0, length, *[a.out for a in axes], 0, 0, 0, 1, 1, 1, length + VECTOR)
    layout = (*steps, *[a.before for a in axes], *extent, channel)
    cost = _cost(o, len(offsets), length)
    used = math.prod(a.out for a in axes) / length
    return Plan(layout, offsets, gather.ravel(), block, np.array([row], np.int64), used, cost)


def plan_transpose(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> Plan:
    """Plan the transpose in the input: `size` is that of the input, `out` that of `g`."""
    groups = geometry.groups
    o, c, *_ = weight_shape
    block = _block(c)
    axes = axes_of(size, out, weight_shape[2:], geometry)
    phases, before, extent = phases_of(axes)
    made, plane = o // groups, math.prod(extent)
    numbers = np.arange(o * c * math.prod(a.kernel for a in axes))
    numbers = numbers.reshape(groups, made, c, *[a.kernel for a in axes]).swapaxes(1, 2)
    offsets: list[int] = []
    gathers, rows, begin, slack, cost = [np.zeros(0, np.int64)], [], 0, 0, 0.0
    for lines in phases:
        taps = list(itertools.product(*[line.taps for line in lines]))
        shifts = [
            [b + line.q - m for b, line, (_, m) in zip(before, lines, tap, strict=True)]
            for tap in taps
        ]
        first = len(offsets)
        offsets += [k * plane + flat(s, extent) for k in range(made) for s in shifts]
        counts = [line.length for line in lines]
        starts = [a.stride * line.q + line.r - a.before for a, line in zip(axes, lines, strict=True)]
        length = rounded(flat([n - 1 for n in counts], extent) + 1, VECTOR // itemsize)
        steps = [a.stride for a in axes]
        rows.append((first, len(offsets) - first, begin, 0, length, *counts, *starts, *steps))
        if taps:
            chosen = [numbers[:, :, :, i, j, k] for (i, _), (j, _), (k, _) in taps]
            gathers.append(_gather(np.stack(chosen, -1).reshape(groups, c, -1), block).ravel())
            begin += len(gathers[-1])
        slack = max(slack, length + VECTOR)
        cost += _cost(c * groups, len(offsets) - first, length)
    layout = (1, 1, 1, *before, *extent, plane)
    parts = np.array([(*row, slack) for row in rows], np.int64)
    used = math.prod(a.size for a in axes) / max(1, sum(row[4] for row in rows))
    return Plan(layout, np.array(offsets or [0], np.int64), np.concatenate(gathers), block, parts, used, cost)


def _block(channels: int) -> int:
    """Return the block with which the fewest channels are made in vain."""
    return min(BLOCKS, key=lambda block: rounded(channels, block))


def _gather(numbers: np.ndarray, block: int) -> np.ndarray:
    """Return which weights each block has, tap by tap: [G, O, taps] -> [G, O/block, taps, block]."""
    groups, o, taps = numbers.shape
    full = np.zeros((groups, rounded(o, block), taps), np.int64)
    full[:, :o] = numbers
    return full.reshape(groups, -1, block, taps).swapaxes(2, 3)


def _cost(o: int, taps: int, length: int) -> float:
    """Return about how many ns an image takes, at 100 multiplications a ns."""
    return o * length * (taps / 100 + 0.3)
