"""Convolution and its transposes with the channels that are made side by side in a register.

For as many output channels as a multiple of a vector. Images are copied, with their padding, to
channels-last order; then the input that a kernel element and channel (tap) meets for an output
position is at a sum of two numbers, one of the position's and one of the tap's::

    out[position, o] = bias[o] + sum over taps t of weight[t, o] * image[where[position] + offset[t]]

which holds for any number of dimensions, padding, stride and dilation, and no work is wasted. The
innermost loop holds some positions by one or two vectors of channels in registers, and reaches 80
to 95 % of the processor's peak. All three return channels-last memory order, or take it without a
copy.
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
from .jit import jit, memory
from .plan import axes_of, flat, phases_of
from .workers import share, shared

POSITIONS = 8 if WIDE else 5
"""Output positions of a block, and taps of one in the transpose in the weight."""


def _lanes(vectors: int) -> Any:
    @intrinsic
    def lanes(typing: Any, image: Any, at: Any, offsets: Any, first: Any, count: Any, weight: Any,
              begin: Any, where: Any, put: Any, q: Any, last: Any, out: Any, base: Any, bias: Any,
              shift: Any) -> Any:  # fmt: skip
        """Make the positions from q on, `last` at most, of some channels."""
        signature = types.void(image, at, offsets, first, count, weight, begin, where, put, q, last,
                               out, base, bias, shift)  # fmt: skip

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args)
            images, offset = v.at(v.pointer(0), args[1]), v.at(v.pointer(2), args[3])
            weights = v.at(v.pointer(5), args[6])
            outs, biases = v.at(v.pointer(11), args[12]), v.at(v.pointer(13), args[14])
            inputs, targets = [], []
            for p in range(POSITIONS):
                place = builder.add(args[9], ir.Constant(I64, p))
                inside = builder.icmp_signed("<", place, args[10])
                place = builder.select(inside, place, args[10])
                inputs.append(v.at(images, builder.load(v.at(v.pointer(7), place))))
                targets.append(v.at(outs, builder.load(v.at(v.pointer(8), place))))
            starts = [v.load(v.at(biases, i * v.lanes)) for i in range(vectors)]
            t, state, end = loop(builder, args[4], 1, "taps")
            sums = [state(start) for _ in range(POSITIONS) for start in starts]
            step = builder.load(v.at(offset, t))
            column = v.at(weights, builder.mul(t, ir.Constant(I64, vectors * v.lanes)))
            factors = [v.load(v.at(column, i * v.lanes)) for i in range(vectors)]
            made = []
            for p, pointer in enumerate(inputs):
                met = v.spread(v.at(pointer, step))
                made += [v.fma(met, f, sums[p * vectors + i]) for i, f in enumerate(factors)]
            end(made)
            for p, target in enumerate(targets):
                for i in range(vectors):
                    v.store(made[p * vectors + i], v.at(target, i * v.lanes))
            return context.get_dummy_value()

        return signature, emit

    return lanes


def _lanes_weight(vectors: int) -> Any:
    @intrinsic
    def lanes_weight(typing: Any, image: Any, at: Any, starts: Any, block: Any, where: Any,
                     count: Any, g: Any, place: Any, step: Any, out: Any, cell: Any,
                     width: Any, images: Any, apart: Any) -> Any:  # fmt: skip
        """Add what `count` positions of some images give a block of taps, for some channels."""
        signature = types.void(image, at, starts, block, where, count, g, place, step, out, cell,
                               width, images, apart)  # fmt: skip

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args)
            cotangents = v.at(v.pointer(6), args[7])
            start = v.at(v.pointer(0), args[1], builder.load(v.at(v.pointer(2), args[3])))
            cells = []
            for t in range(POSITIONS):
                line = builder.mul(args[11], ir.Constant(I64, t))
                line = v.at(v.pointer(9), args[10], line)
                cells += [v.at(line, i * v.lanes) for i in range(vectors)]
            n, outer_state, outer_end = loop(builder, args[12], 1, "images")
            outer = [outer_state(v.zero) for _ in cells]
            whole = builder.mul(args[5], args[8])
            line, base = v.at(cotangents, builder.mul(n, whole)), v.at(start, builder.mul(n, args[13]))
            q, state, end = loop(builder, args[5], 1, "positions")
            sums = [state(total) for total in outer]
            row = v.at(line, builder.mul(q, args[8]))
            factors = [v.load(v.at(row, i * v.lanes)) for i in range(vectors)]
            met_at = v.at(base, builder.load(v.at(v.pointer(4), q)))
            made = []
            for t in range(POSITIONS):
                met = v.spread(v.at(met_at, t))
                made += [v.fma(met, f, sums[t * vectors + i]) for i, f in enumerate(factors)]
            end(made)
            outer_end(made)
            for target, total in zip(cells, made, strict=True):
                v.store(v.add(v.load(target), total), target)
            return context.get_dummy_value()

        return signature, emit

    return lanes_weight


_one, _two = _lanes(1), _lanes(2)
_one_weight, _two_weight = _lanes_weight(1), _lanes_weight(2)


@intrinsic
def _turn(typing: Any, x: Any, at: Any, row: Any, out: Any, to: Any, column: Any) -> Any:
    """Write the square ``x[at + i * row + j]`` to ``out[to + j * column + i]``; a vector is a side."""
    signature = types.void(x, at, row, out, to, column)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        source, target = v.at(v.pointer(0), args[1]), v.at(v.pointer(3), args[4])
        rows = [v.load(v.at(source, builder.mul(args[2], ir.Constant(I64, i)))) for i in range(v.lanes)]
        for j, line in enumerate(v.turned(rows)):
            v.store(line, v.at(target, builder.mul(args[5], ir.Constant(I64, j))))
        return context.get_dummy_value()

    return signature, emit


# -- the loops around them ---------------------------------------------------------------------


@jit
def transpose(x, at, step, rows, columns, out, to, apart):
    """Write the matrix ``x[at + i * step + j]`` to ``out[to + j * apart + i]``, by squares.

    Its rows and columns fill a vector at least; the last squares overlap those before.
    """
    side = VECTOR // x.itemsize
    for j in range(0, columns, side):
        j = min(j, columns - side)
        for i in range(0, rows, side):
            i = min(i, rows - side)
            _turn(x, at + i * step + j, step, out, to + j * apart + i, apart)


@jit
def _fill(x, start, strides, taken, size, extent, before, image):
    """Copy the channels of an image to channels-last order, inside its padding."""
    _, sc, sz, sy, sx = strides
    depth, height, width = size
    side = VECTOR // x.itemsize
    for z in range(depth):
        for y in range(height):
            to = (((z + before[0]) * extent[1] + y + before[1]) * extent[2] + before[2]) * taken
            at = start + z * sz + y * sy
            # no slices: these would be counted, and two threads be in each other's way
            if sc == 1 and sx == taken:
                for i in range(width * taken):
                    image[to + i] = x[at + i]
            elif sx == 1 and min(width, taken) >= side:
                transpose(x, at, sc, taken, width, image, to, taken)
            elif taken < 8:
                for c in range(taken):
                    for i in range(width):
                        image[to + i * taken + c] = x[at + c * sc + i * sx]
            else:
                for i in range(width):
                    for c in range(taken):
                        image[to + i * taken + c] = x[at + c * sc + i * sx]


@shared
def _fill_all(x, strides, size, channels, out, first, last):
    whole = size[0] * size[1] * size[2] * channels
    for n in range(first, last):
        _fill(x, n * strides[0], strides, channels, size, size, (0, 0, 0), out[n * whole :])


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return the memory of an array (N, ..., C)."""
    last = x.transpose(0, *range(2, x.ndim), 1)
    if last.flags.carray:
        return last.reshape(-1)
    out = np.empty(x.size, x.dtype)
    n, channels, *size = x.shape
    if x.flags.carray:  # an image is one long row
        size = [math.prod(size)]
    source, strides = memory(x.reshape(n, channels, *size))
    share(n, x[0].size, _fill_all, source, strides, (*(1,) * (3 - len(size)), *size), channels, out)
    return out


@shared
def convolve(x, strides, size, offsets, weight, bias, where, put, parts, out, shape, layout, block, direct, first, last):  # fmt: skip
    """Fill the images from first to last of `out`; each of `parts` is a phase of its positions."""
    groups, taken, made, whole = shape
    extent, before = layout[:3], layout[3:6]
    image = x if direct else np.zeros(extent[0] * extent[1] * extent[2] * taken, x.dtype)
    for n in range(first, last):
        for group in range(groups):
            at = n * strides[0] if direct else 0
            if not direct:
                _fill(x, n * strides[0] + group * taken * strides[1], strides, taken, size, extent, before, image)
            for part in range(len(parts)):
                tap, taps, begin, table, count = parts[part]
                for o in range(0, made, block):
                    base = n * whole + group * made + o
                    weights = begin + (group * made + o) * taps
                    for q in range(table, table + count, POSITIONS):
                        if taps == 0:
                            for i in range(q, min(q + POSITIONS, table + count)):
                                for k in range(block):
                                    out[base + put[i] + k] = bias[group * made + o + k]
                        elif block * x.itemsize == VECTOR:
                            _one(image, at, offsets, tap, taps, weight, weights, where, put, q,
                                 table + count - 1, out, base, bias, group * made + o)  # fmt: skip
                        else:
                            _two(image, at, offsets, tap, taps, weight, weights, where, put, q,
                                 table + count - 1, out, base, bias, group * made + o)  # fmt: skip


@jit
def _add_weight(g, x, strides, size, starts, where, out, shape, layout, block, direct, tile, first, last):  # fmt: skip
    """Add to `out` [G, blocks of taps, O/G] what the images from first to last give, `tile` at a time."""
    groups, taken, made, _ = shape
    extent, before = layout[:3], layout[3:6]
    whole = extent[0] * extent[1] * extent[2] * taken
    image = x if direct else np.zeros(tile * whole + POSITIONS, x.dtype)
    apart = strides[0] if direct else whole
    count, blocks = len(where), len(starts)
    for n in range(first, last, tile):
        images = min(tile, last - n)
        for group in range(groups):
            at = n * strides[0] if direct else 0
            if not direct:
                for i in range(images):
                    start = (n + i) * strides[0] + group * taken * strides[1]
                    _fill(x, start, strides, taken, size, extent, before, image[i * whole :])
            for o in range(0, made, block):
                place = n * count * groups * made + group * made + o
                for t in range(blocks):
                    cell = (group * blocks + t) * POSITIONS * made + o
                    if block * x.itemsize == VECTOR:
                        _one_weight(image, at, starts, t, where, count, g, place, groups * made,
                                    out, cell, made, images, apart)  # fmt: skip
                    else:
                        _two_weight(image, at, starts, t, where, count, g, place, groups * made,
                                    out, cell, made, images, apart)  # fmt: skip


@shared
def convolve_weight(g, x, strides, size, starts, where, sums, images, shape, layout, block, direct, tile, first, last):  # fmt: skip
    """Fill sums [parts, G, blocks of taps, O/G], each with what its part of the images gives."""
    parts = len(sums)
    for part in range(first, last):
        _add_weight(g, x, strides, size, starts, where, sums[part], shape, layout, block, direct, tile,
                    images * part // parts, images * (part + 1) // parts)  # fmt: skip


# -- plans: what can be known before the arrays ------------------------------------------------


class Plan(NamedTuple):
    """Where in a channels-last image positions and taps are."""

    layout: Sizes
    """The padded image's size, and the padding before it."""
    offsets: np.ndarray
    gather: np.ndarray
    where: np.ndarray
    put: np.ndarray
    parts: np.ndarray
    block: int
    narrow: bool
    """Whether a block is one vector."""
    starts: np.ndarray
    """For the transpose in the weight: where blocks of taps begin, which are side by side."""
    run: int
    """Taps that are side by side: of all channels, and of a row of the kernel if not dilated."""
    cost: float


def block_of(channels: int, itemsize: int) -> int:
    """Return how many channels to make at once, 0 where they do not fill vectors."""
    lanes = VECTOR // itemsize
    if channels % lanes:
        return 0
    return lanes if channels // lanes % 2 else 2 * lanes


def _grid(starts: Any, steps: Any, counts: Any, extent: Any, scale: int) -> np.ndarray:
    """Return the place in a flat image of each position of a grid."""
    lines = [s + step * np.arange(n) for s, step, n in zip(starts, steps, counts, strict=True)]
    z, y, x = np.ix_(*lines)
    return (((z * extent[1] + y) * extent[2] + x) * scale).ravel().astype(np.int64)


def _pack(numbers: np.ndarray, block: int) -> np.ndarray:
    """Return weights [G, O, taps] as [G, O/block, taps, block]."""
    groups, _, taps = numbers.shape
    return numbers.reshape(groups, -1, block, taps).swapaxes(2, 3).ravel()


def plan_conv(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> Plan | None:
    """Plan the convolution itself, or return None where it is not for this way."""
    o, c, *_ = weight_shape
    groups = geometry.groups
    block = block_of(o // groups, itemsize)
    if not block:
        return None
    narrow = block * itemsize == VECTOR
    axes = axes_of(size, out, weight_shape[2:], geometry)
    extent = [a.size + a.before + a.after for a in axes]
    taps = list(itertools.product(*[range(0, a.kernel * a.dilation, a.dilation) for a in axes]))
    offsets = [flat(tap, extent) * c + k for k in range(c) for tap in taps]
    counts = [a.out for a in axes]
    where = _grid((0, 0, 0), [a.stride for a in axes], counts, extent, c)
    put = np.arange(len(where)) * o
    whole = axes[2].dilation == 1
    run = c * axes[2].kernel if whole else c
    rows = itertools.product(*[range(0, 1 if whole and i == 2 else a.kernel * a.dilation, a.dilation) for i, a in enumerate(axes)])
    starts = [flat(row, extent) * c + k for row in rows for k in range(0, run, POSITIONS)]
    numbers = np.arange(o * len(offsets)).reshape(groups, o // groups, -1)
    parts = np.array([(0, len(offsets), 0, 0, len(where))], np.int64)
    cost = o * len(where) * len(offsets) / 100
    layout = (*extent, *[a.before for a in axes])
    return Plan(layout, np.array(offsets, np.int64), _pack(numbers, block), where, put, parts, block, narrow, np.array(starts, np.int64), run, cost)


def plan_transpose(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> Plan | None:
    """Plan the transpose in the input: `size` is that of the input, `out` that of `g`.

    With position Y = stride * q + r in the padded input, its sum is over taps i with i * dilation =
    stride * m + r for a whole number m, and they meet g at q - m.
    """
    groups = geometry.groups
    o, c, *_ = weight_shape
    block = block_of(c, itemsize)
    if not block:
        return None
    narrow = block * itemsize == VECTOR
    axes = axes_of(size, out, weight_shape[2:], geometry)
    phases, before, extent = phases_of(axes)
    made = o // groups
    numbers = np.arange(o * c * math.prod(a.kernel for a in axes))
    numbers = numbers.reshape(groups, made, c, *[a.kernel for a in axes]).swapaxes(1, 2)
    offsets: list[int] = []
    gathers, tables, puts, parts, begin, cost = [np.zeros(0, np.int64)], [], [], [], 0, 0.0
    for lines in phases:
        taps = list(itertools.product(*[line.taps for line in lines]))
        first = len(offsets)
        # `where` counts from what the last tap meets, so that no number is negative
        low = [max((m for _, m in line.taps), default=0) for line in lines]
        shifts = [[b - m for b, (_, m) in zip(low, tap, strict=True)] for tap in taps]
        offsets += [flat(s, extent) * made + k for k in range(made) for s in shifts]
        counts = [line.length for line in lines]
        starts = [b + line.q - m for b, line, m in zip(before, lines, low, strict=True)]
        tables.append(_grid(starts, (1, 1, 1), counts, extent, made))
        begins = [a.stride * line.q + line.r - a.before for a, line in zip(axes, lines, strict=True)]
        puts.append(_grid(begins, [a.stride for a in axes], counts, [a.size for a in axes], c * groups))
        count = len(offsets) - first
        parts.append((first, count, begin, sum(map(len, tables[:-1])), len(tables[-1])))
        if taps:
            chosen = [numbers[:, :, :, i, j, k] for (i, _), (j, _), (k, _) in taps]
            gathers.append(_pack(np.stack(chosen, -1).reshape(groups, c, -1), block))
            begin += len(gathers[-1])
        cost += c * groups * len(tables[-1]) * count / 100
    return Plan(
        (*extent, *before), np.array(offsets or [0], np.int64), np.concatenate(gathers),
        np.concatenate(tables), np.concatenate(puts), np.array(parts, np.int64), block, narrow, np.zeros(0, np.int64), 0, cost,
    )  # fmt: skip
