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

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba.core import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.conv import Geometry, Sizes

from .jit import DTYPES, jit, plain, share

# -- the innermost loops -----------------------------------------------------------------------


def _machine() -> tuple[int, int]:
    """Return the bytes of a vector register, and how many output channels a block has."""
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 8
    if features.get("avx"):
        return 32, 4  # of 16 registers, 8 are sums
    return 16, 8 if features.get("neon") else 4


VECTOR, BLOCK = _machine()
ROW = 2 * VECTOR // 4
"""Positions that a block has in float32; in float64 it is filled in two steps."""
TAPS = 5 if BLOCK == 8 else 2
"""Taps that a block of the transpose in the weight has."""
ROWS = 4
"""Output channels that it has."""

_I64 = ir.IntType(64)


class _Vectors:
    """Emits code on vectors of the dtype of `array`, whose elements are addressed by numbers."""

    def __init__(self, context: Any, builder: Any, array: Any) -> None:
        self.context, self.builder = context, builder
        self.scalar = context.get_value_type(array.dtype)
        self.size = context.get_abi_sizeof(self.scalar)
        self.lanes = VECTOR // self.size
        self.type = ir.VectorType(self.scalar, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def at(self, pointer: Any, *steps: Any) -> Any:
        for step in steps:
            step = ir.Constant(_I64, step) if isinstance(step, int) else step
            pointer = self.builder.gep(pointer, [step])
        return pointer

    def load(self, pointer: Any) -> Any:
        return self.builder.load(
            self.builder.bitcast(pointer, self.type.as_pointer()), align=self.size
        )

    def store(self, vector: Any, pointer: Any) -> None:
        self.builder.store(
            vector, self.builder.bitcast(pointer, self.type.as_pointer()), align=self.size
        )

    def spread(self, pointer: Any) -> Any:
        """Return a vector of the number at `pointer`."""
        undefined = ir.Constant(self.type, ir.Undefined)
        i32 = ir.IntType(32)
        one = self.builder.insert_element(
            undefined, self.builder.load(pointer), ir.Constant(i32, 0)
        )
        zeros = ir.Constant(ir.VectorType(i32, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, zeros)

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=("contract",))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.add(self.builder.fmul(a, b, flags=("contract",)), c)

    def total(self, vector: Any) -> Any:
        """Return the sum of the elements."""
        lanes = self.lanes
        while lanes > 1:
            lanes //= 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            halves = [
                self.builder.shuffle_vector(
                    vector,
                    undefined,
                    ir.Constant(ir.VectorType(ir.IntType(32), lanes), list(range(i, i + lanes))),
                )
                for i in (0, lanes)
            ]
            vector = self.add(*halves)
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _loop(builder: Any, stop: Any, step: int, name: str) -> tuple[Any, Any, Any]:
    """Begin a loop that runs at least once; return its index and how to add state and to end it."""
    start = builder.block
    body = builder.append_basic_block(name)
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(_I64)
    index.add_incoming(ir.Constant(_I64, 0), start)
    states = []

    def state(value: Any) -> Any:
        phi = builder.phi(value.type)
        phi.add_incoming(value, start)
        states.append(phi)
        return phi

    def end(values: Any) -> None:
        after = builder.append_basic_block(name + ".end")
        following = builder.add(index, ir.Constant(_I64, step))
        here = builder.block
        index.add_incoming(following, here)
        for phi, value in zip(states, values, strict=True):
            phi.add_incoming(value, here)
        builder.cbranch(builder.icmp_signed("<", following, stop), body, after)
        builder.position_at_end(after)

    return index, state, end


def _pointer(context: Any, builder: Any, array: Any, value: Any) -> Any:
    return context.make_array(array)(context, builder, value).data


@intrinsic
def _correlate(typing: Any, planes: Any, at: Any, offsets: Any, first: Any, count: Any, weight: Any,
               begin: Any, out: Any, place: Any, row: Any) -> Any:  # fmt: skip
    """Make a block, ``out[place + b * row + p]`` for ``b < BLOCK`` and two vectors of p.

    It is the sum over t from first to first + count of
    ``weight[begin + (t - first) * BLOCK + b] * planes[at + offsets[t] + p]``.
    """
    signature = types.void(planes, at, offsets, first, count, weight, begin, out, place, row)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = [_pointer(context, builder, signature.args[i], args[i]) for i in (0, 2, 5, 7)]
        v = _Vectors(context, builder, planes)
        inputs = v.at(pointers[0], args[1])
        numbers = v.at(pointers[1], args[3])
        weights = v.at(pointers[2], args[6])
        outs = v.at(pointers[3], args[8])
        t, state, end = _loop(builder, args[4], 1, "taps")
        sums = [state(v.zero) for _ in range(2 * BLOCK)]
        base = v.at(inputs, builder.load(v.at(numbers, t)))
        met = [v.load(v.at(base, i * v.lanes)) for i in range(2)]
        column = v.at(weights, builder.mul(t, ir.Constant(_I64, BLOCK)))
        made = []
        for b in range(BLOCK):
            factor = v.spread(v.at(column, b))
            made += [v.fma(factor, met[i], sums[2 * b + i]) for i in range(2)]
        end(made)
        for b in range(BLOCK):
            line = v.at(outs, builder.mul(args[9], ir.Constant(_I64, b)))
            for i in range(2):
                v.store(made[2 * b + i], v.at(line, i * v.lanes))
        return context.get_dummy_value()

    return signature, emit


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
        pointers = [_pointer(context, builder, signature.args[i], args[i]) for i in (0, 3, 5, 11)]
        v = _Vectors(context, builder, planes)
        cotangents = v.at(pointers[0], args[1])
        inputs = v.at(pointers[1], args[4])
        outs = v.at(pointers[3], args[12])
        numbers = [builder.load(v.at(pointers[2], args[6], t)) for t in range(TAPS)]
        n, outer_state, outer_end = _loop(builder, args[7], 1, "images")
        outer = [outer_state(v.zero) for _ in range(ROWS * TAPS)]
        lines = [v.at(cotangents, builder.mul(n, args[8]), builder.mul(args[2], ir.Constant(_I64, b)))
                 for b in range(ROWS)]  # fmt: skip
        image = v.at(inputs, builder.mul(n, args[9]))
        bases = [v.at(image, number) for number in numbers]
        p, state, end = _loop(builder, args[10], v.lanes, "positions")
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
            line = v.at(outs, builder.mul(args[13], ir.Constant(_I64, b)))
            for t in range(TAPS):
                cell = v.at(line, t)
                total = v.total(made[b * TAPS + t])
                builder.store(builder.fadd(builder.load(cell), total), cell)
        return context.get_dummy_value()

    return signature, emit


# -- the loops around them ---------------------------------------------------------------------


@jit
def _fill(x, n, channel, count, planes, start, layout):
    """Copy channels of image n to their planes; what is padding there stays as it is."""
    sd, sh, sw, pd, ph, pw, depth, height, width, _ = layout
    for c in range(count):
        for z in range(x.shape[2]):
            zs = z + pd
            for y in range(x.shape[3]):
                ys = y + ph
                phase = (zs % sd * sh + ys % sh) * sw
                line = ((c * sd * sh * sw + phase) * depth + zs // sd) * height + ys // sh
                if sw == 1:
                    to = start + line * width + pw
                    for i in range(x.shape[4]):
                        planes[to + i] = x[n, channel + c, z, y, i]
                else:
                    for i in range(x.shape[4]):
                        xs = i + pw
                        to = start + (line + xs % sw * depth * height) * width + xs // sw
                        planes[to] = x[n, channel + c, z, y, i]


@jit
def _convolve(x, offsets, weight, bias, out, parts, layout, groups, first, last):
    """Fill the images from first to last of `out`; each of `parts` is a phase of its positions."""
    size = layout[9]
    _, height, width = layout[6], layout[7], layout[8]
    taken, made = x.shape[1] // groups, out.shape[1] // groups
    blocks = (made + BLOCK - 1) // BLOCK
    longest = 0
    for part in range(len(parts)):
        longest = max(longest, parts[part, 4])
    planes = np.zeros(taken * size + parts[0, 14], x.dtype)
    step = ROW if x.itemsize == 4 else ROW // 2
    sums = np.zeros(BLOCK * longest, x.dtype)
    for n in range(first, last):
        for group in range(groups):
            _fill(x, n, group * taken, taken, planes, 0, layout)
            for part in range(len(parts)):
                tap, taps, begin, at, length = parts[part, :5]
                depth, rows, columns, z0, y0, x0, sd, sh, sw = parts[part, 5:14]
                if not taps:
                    sums[:] = 0
                for block in range(blocks):
                    if taps:
                        where = begin + (group * blocks + block) * taps * BLOCK
                        for p in range(0, length, step):
                            _correlate(planes, at + p, offsets, tap, taps, weight, where, sums, p, length)
                    for b in range(min(BLOCK, made - block * BLOCK)):
                        o = group * made + block * BLOCK + b
                        shift = bias[o] if len(bias) else x.dtype.type(0)
                        for z in range(depth):
                            for y in range(rows):
                                p = b * length + (z * height + y) * width
                                zo, yo = z0 + z * sd, y0 + y * sh
                                if sw == 1:
                                    for i in range(columns):
                                        out[n, o, zo, yo, x0 + i] = sums[p + i] + shift
                                else:
                                    for i in range(columns):
                                        out[n, o, zo, yo, x0 + i * sw] = sums[p + i] + shift


@jit
def _convolve_weight(g, x, offsets, out, layout, length, slack, groups, tile, first, last):
    """Add to `out` [O rounded up, taps rounded up] what the images from first to last give."""
    size = layout[9]
    height, width = layout[7], layout[8]
    taken, made = x.shape[1] // groups, g.shape[1] // groups
    rounded = (made + ROWS - 1) // ROWS * ROWS
    planes = np.zeros(tile * taken * size + slack, x.dtype)
    lines = np.zeros(tile * rounded * length, x.dtype)
    flat = out.reshape(-1)
    for group in range(groups):
        for begin in range(first, last, tile):
            images = min(tile, last - begin)
            for k in range(images):
                _fill(x, begin + k, group * taken, taken, planes, k * taken * size, layout)
                for o in range(made):
                    for z in range(g.shape[2]):
                        for y in range(g.shape[3]):
                            to = (k * rounded + o) * length + (z * height + y) * width
                            for i in range(g.shape[4]):
                                lines[to + i] = g[begin + k, group * made + o, z, y, i]
            for block in range(0, rounded, ROWS):
                for t in range(0, len(offsets), TAPS):
                    _correlate_weight(
                        lines, block * length, length, planes, 0, offsets, t, images,
                        rounded * length, taken * size, length,
                        flat, (group * rounded + block) * len(offsets) + t, len(offsets),
                    )  # fmt: skip


# -- plans: what can be known before the arrays ------------------------------------------------


class _Axis(NamedTuple):
    """One dimension of a convolution."""

    size: int
    out: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int


def _axes(size: Sizes, out: Sizes, kernel: Sizes, geometry: Geometry) -> list[_Axis]:
    """Return three axes, the first ones of length 1 where there are fewer."""
    given = [
        _Axis(n, m, k, s, before, after, d)
        for n, m, k, s, (before, after), d in zip(
            size, out, kernel, geometry.stride, geometry.padding, geometry.dilation, strict=True
        )
    ]
    return [_Axis(1, 1, 1, 1, 0, 0, 1)] * (3 - len(given)) + given


def _round(n: int, unit: int) -> int:
    return -(-n // unit) * unit


def _flat(place: Any, extent: Any) -> int:
    return int((place[0] * extent[1] + place[1]) * extent[2] + place[2])


class _Plan(NamedTuple):
    """How planes lie, which taps meet them where, and what of it is output."""

    layout: tuple[int, ...]
    offsets: np.ndarray
    gather: np.ndarray
    parts: np.ndarray
    cost: float


@functools.lru_cache(maxsize=256)
def _plan(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> _Plan | None:
    """Plan the convolution itself."""
    o, c, *_ = weight_shape
    kernel = weight_shape[2:]
    axes = _axes(size, out, kernel, geometry)
    steps = [a.stride for a in axes]
    extent = [max(-(-(a.size + a.before + a.after) // a.stride), 1) for a in axes]
    phases = math.prod(steps)
    plane = math.prod(extent)
    taps = list(itertools.product(*[range(a.kernel) for a in axes]))
    places = []
    for tap in taps:
        met = [i * a.dilation for i, a in zip(tap, axes, strict=True)]
        phase = _flat([m % s for m, s in zip(met, steps, strict=True)], steps)
        places.append(phase * plane + _flat([m // s for m, s in zip(met, steps, strict=True)], extent))
    channel = phases * plane
    offsets = np.array([i * channel + place for i in range(c) for place in places], np.int64)
    gather = _gather(np.arange(o * c * len(taps)).reshape(geometry.groups, o // geometry.groups, -1))
    length = _flat([a.out - 1 for a in axes], extent) + 1
    length = _round(length, 2 * VECTOR // itemsize)
    row = (0, len(offsets), 0, 0, length, *[a.out for a in axes], 0, 0, 0, 1, 1, 1, length + VECTOR)
    layout = (*steps, *[a.before for a in axes], *extent, channel)
    return _Plan(layout, offsets, gather.ravel(), np.array([row], np.int64), _cost(o, c, len(taps), length))


@functools.lru_cache(maxsize=256)
def _plan_transpose(
    size: Sizes, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int
) -> _Plan | None:
    """Plan the transpose in the input: `size` is that of the input, `out` that of `g`.

    With position Y = stride * q + r in the padded input, its sum is over taps i with i * dilation =
    stride * m + r for a whole number m, and they meet g at q - m.
    """
    groups = geometry.groups
    o, c, *_ = weight_shape
    axes = _axes(size, out, weight_shape[2:], geometry)
    ranges, before, after = [], [], []
    for a in axes:
        lines, low, high = [], 0, 0
        for r in range(a.stride):
            taps = [(i, i * a.dilation // a.stride) for i in range(a.kernel) if i * a.dilation % a.stride == r]
            q0 = -((r - a.before) // a.stride)  # the least q with stride * q + r >= before
            q1 = (a.before + a.size - 1 - r) // a.stride
            if q1 < q0:
                continue
            lines.append((r, taps, q0, q1 - q0 + 1))
            for _, m in taps:
                low, high = max(low, m - q0), max(high, q1 - m - (a.out - 1))
        ranges.append(lines)
        before.append(low)
        after.append(high)
    extent = [a.out + b + e for a, b, e in zip(axes, before, after, strict=True)]
    plane = math.prod(extent)
    # weights as [groups, C/G, O/G, taps]
    numbers = np.arange(o * c * math.prod(a.kernel for a in axes))
    numbers = numbers.reshape(groups, o // groups, c, *[a.kernel for a in axes]).swapaxes(1, 2)
    offsets, gathers, rows, begin, slack, cost = [], [], [], 0, 0, 0.0
    for lines in itertools.product(*ranges):
        taps = list(itertools.product(*[line[1] for line in lines]))
        shifts = [
            [b + q0 - m for b, (_, _, q0, _), (_, m) in zip(before, lines, tap, strict=True)]
            for tap in taps
        ]
        first = len(offsets)
        offsets += [k * plane + _flat(shift, extent) for k in range(o // groups) for shift in shifts]
        counts = [line[3] for line in lines]
        starts = [a.stride * q0 + r - a.before for a, (r, _, q0, _) in zip(axes, lines, strict=True)]
        length = _round(_flat([n - 1 for n in counts], extent) + 1, 2 * VECTOR // itemsize)
        rows.append((first, len(offsets) - first, begin, 0, length, *counts, *starts,
                     *[a.stride for a in axes]))  # fmt: skip
        if taps:
            chosen = [numbers[:, :, :, i, j, k] for (i, _), (j, _), (k, _) in taps]
            gather = _gather(np.stack(chosen, -1).reshape(groups, c, -1))
            gathers.append(gather.ravel())
            begin += gather.size
        slack = max(slack, length + VECTOR)
        cost += _cost(c * groups, o // groups, len(taps), length)
    layout = (1, 1, 1, *before, *extent, plane)
    if not gathers or not rows:
        return None
    parts = np.array([(*row, slack) for row in rows], np.int64)
    return _Plan(layout, np.array(offsets, np.int64), np.concatenate(gathers), parts, cost)


def _gather(numbers: np.ndarray) -> np.ndarray:
    """Return which weights each block has, tap by tap; [G, O, taps] -> [G, O/BLOCK, taps, BLOCK]."""
    groups, o, taps = numbers.shape
    full = np.zeros((groups, _round(o, BLOCK), taps), np.int64)
    full[:, :o] = numbers
    return full.reshape(groups, -1, BLOCK, taps).swapaxes(2, 3)


def _cost(o: int, c: int, taps: int, length: int) -> float:
    """Return about how many ns an image takes, at 100 multiplications a ns."""
    return o * length * (c * taps / 100 + 0.3)


# -- the kernels -------------------------------------------------------------------------------


def _five(x: np.ndarray) -> np.ndarray:
    """Return (N, C, ...) as (N, C, D, H, W)."""
    x = plain(x)
    return x if x.ndim == 5 else x.reshape(*x.shape[:2], *(1,) * (5 - x.ndim), *x.shape[2:])


def _covers(x: np.ndarray, y: np.ndarray) -> bool:
    return x.dtype == y.dtype and x.dtype in DTYPES and x.size > 0 and y.size > 0


def _run(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, shape: Sizes, plan: _Plan | None, groups: int
) -> Any:
    if plan is None:
        return NotImplemented
    if bias is None:
        bias = np.empty(0, x.dtype)
    elif bias.dtype != x.dtype:
        return NotImplemented
    packed = plain(weight).ravel().take(plan.gather)
    out = np.empty(shape, x.dtype)
    args = _five(x), plan.offsets, packed, plain(bias), _five(out), plan.parts, plan.layout, groups
    share(shape[0], plan.cost, lambda part, first, last: _convolve(*args, first, last))
    return out


def conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry
) -> np.ndarray:
    if not _covers(x, weight):
        return NotImplemented
    out = geometry.output_size(x.shape[2:], weight.shape[2:])
    plan = _plan(x.shape[2:], out, weight.shape, geometry, x.itemsize)
    return _run(x, weight, bias, (x.shape[0], weight.shape[0], *out), plan, geometry.groups)


def conv_transpose(
    g: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    input_shape: Sizes,
    geometry: Geometry,
) -> np.ndarray:
    if not _covers(g, weight) or not math.prod(input_shape):
        return NotImplemented
    plan = _plan_transpose(input_shape[2:], g.shape[2:], weight.shape, geometry, g.itemsize)
    return _run(g, weight, bias, tuple(input_shape), plan, geometry.groups)


TILE = 1 << 18
"""Bytes of planes and cotangents that the transpose in the weight keeps in the cache."""


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    if not _covers(g, x) or not math.prod(weight_shape):
        return NotImplemented
    n, groups = x.shape[0], geometry.groups
    plan = _plan(x.shape[2:], g.shape[2:], tuple(weight_shape), geometry, x.itemsize)
    if plan is None:
        return NotImplemented
    o, taps = weight_shape[0] // groups, len(plan.offsets)
    rows, columns = _round(o, ROWS), _round(taps, TAPS)
    offsets = np.zeros(columns, np.int64)
    offsets[:taps] = plan.offsets
    length, slack = int(plan.parts[0, 4]), int(plan.parts[0, 14])
    image = (x.shape[1] // groups * plan.layout[9] + rows * length) * x.itemsize
    sums: list[np.ndarray] = []
    args = _five(g), _five(x), offsets
    rest = plan.layout, length, slack, groups, max(1, TILE // image)

    def kernel(part: int, first: int, last: int) -> None:
        total = np.zeros((groups * rows, columns), x.dtype)
        _convolve_weight(*args, total, *rest, first, last)
        sums.append(total)

    share(n, plan.cost, kernel)
    total = sum(sums[1:], sums[0])
    if not np.isfinite(total.sum()):  # 0 * inf between two rows is nan, where it should be nothing
        return NotImplemented
    return total.reshape(groups, rows, columns)[:, :o, :taps].reshape(weight_shape)
