"""Convolution with kernels of 3 x 3 by Winograd's F(2 x 2, 3 x 3) [1]_: 16 products for 4 outputs.

In one dimension, two outputs of a kernel (w0, w1, w2) over four inputs d are ``Aᵀ (G w * Bᵀ d)``::

         1  0 -1  0         1    0   0
    Bᵀ = 0  1  1  0    G = 1/2  1/2 1/2    Aᵀ = 1  1  1  0
         0 -1  1  0        1/2 -1/2 1/2         0  1 -1 -1
         0  1  0 -1         0    0   1

with 4 products instead of 6; in two dimensions, by rows and then by columns, 16 instead of 36. Sums
over channels are made between ``*`` and ``Aᵀ``, so each of the 16 is a product of matrices, [tiles,
C] x [C, O]. The transpose in the weight is ``Gᵀ (A g * Bᵀ d)``, and that in the input a convolution.

The rounding error in float32 is below 5e-7 of the sum of the products' absolute values, as it is
without Winograd's way (measured: 0.1 to 0.2e-6, with 32 to 512 channels). Where the result is not
finite it is wrong, as 0 * inf = nan.

References
----------
.. [1] A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", CVPR 2016.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from tinygrad_cnn.kernels.geometry import Geometry, Sizes, channels_second
from tinygrad_cnn.kernels.threads import get_num_threads

from .emit import VECTOR, Vectors, loop
from .jit import add_up, is_finite, jit, plain
from .lanes import POSITIONS, _one, _one_weight, _two, _two_weight, block_of, channels_last
from .product import product_beside
from .workers import parts_of, share, shared

BLOCK = 3 << 17
"""Bytes of transformed inputs and outputs that a thread holds at a time."""

WORTH = 32 * 32
"""The products of channels from which on it is faster."""

PAD = 16
"""Numbers between the 16 products' matrices, without which they often share their place in the cache."""

_G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
KERNEL = np.kron(_G, _G)
"""[16, 9]"""


# -- a tile's transforms, for all channels -----------------------------------------------------


def _before(v: Vectors, d: list[Any]) -> list[Any]:
    """Return ``Bᵀ d``."""
    return [v.sub(d[0], d[2]), v.add(d[1], d[2]), v.sub(d[2], d[1]), v.sub(d[1], d[3])]


def _after(v: Vectors, m: list[Any]) -> list[Any]:
    """Return ``Aᵀ m``."""
    return [v.add(v.add(m[0], m[1]), m[2]), v.sub(v.sub(m[1], m[2]), m[3])]


def _after_transposed(v: Vectors, y: list[Any]) -> list[Any]:
    """Return ``A y``."""
    return [y[0], v.add(y[0], y[1]), v.sub(y[0], y[1]), v.sub(v.zero, y[1])]


def _both(v: Vectors, transform: Any, lines: list[list[Any]]) -> list[list[Any]]:
    """Apply a transform to each row, and then to each column."""
    columns = zip(*[transform(v, line) for line in lines], strict=True)
    return [list(row) for row in zip(*[transform(v, list(c)) for c in columns], strict=True)]


def _into(transform: Any, side: int) -> Any:
    @intrinsic
    def into(typing: Any, x: Any, at: Any, row: Any, pixel: Any, out: Any, to: Any, apart: Any, count: Any) -> Any:
        """Write the 16 transformed numbers of a tile at `at`, `apart` from each other."""
        signature = types.void(x, at, row, pixel, out, to, apart, count)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            v = Vectors(context, builder, signature, args)
            c, _, end = loop(builder, args[7], v.lanes, "channels")
            pointer, tile = v.at(v.pointer(0), args[1], c), []
            for _ in range(side):
                tile.append([v.load(v.at(pointer, *[args[3]] * j)) for j in range(side)])
                pointer = v.at(pointer, args[2])
            target = v.at(v.pointer(4), args[5], c)
            for number in itertools.chain(*_both(v, transform, tile)):
                v.store(number, target)
                target = v.at(target, args[6])
            end([])
            return context.get_dummy_value()

        return signature, emit

    return into


_into_tile, _into_outputs = _into(_before, 4), _into(_after_transposed, 2)


@intrinsic
def _out_of(typing: Any, x: Any, at: Any, apart: Any, out: Any, to: Any, row: Any, pixel: Any, bias: Any, count: Any) -> Any:
    """Write the four outputs of a tile, and return 0, or nan where one is not finite."""
    signature = x.dtype(x, at, apart, out, to, row, pixel, bias, count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        v = Vectors(context, builder, signature, args)
        c, state, end = loop(builder, args[8], v.lanes, "channels")
        check, pointer = state(v.zero), v.at(v.pointer(0), args[1], c)
        tile: list[list[Any]] = []
        for _ in range(4):
            tile.append([])
            for _ in range(4):
                tile[-1].append(v.load(pointer))
                pointer = v.at(pointer, args[2])
        shift, target = v.load(v.at(v.pointer(7), c)), v.at(v.pointer(3), args[4], c)
        for line in _both(v, _after, tile):
            for j, number in enumerate(line):
                made = v.add(number, shift)
                check = v.fma(made, v.zero, check)
                v.store(made, v.at(target, *[args[6]] * j))
            target = v.at(target, args[5])
        end([check])
        return v.total(check)

    return signature, emit


# -- tiles of images ---------------------------------------------------------------------------


@jit
def _transform(x, size, before, channels, tiles, begin, end, side, out):
    """Transform the tiles from begin to end of all images; `side` is 4 for inputs, 2 for outputs."""
    height, width = size
    down, across = tiles
    apart = (end - begin) * channels + PAD
    patch = np.empty(side * side * channels, x.dtype)
    for t in range(begin, end):
        n, rest = divmod(t, down * across)
        y, z = 2 * (rest // across) - before[0], 2 * (rest % across) - before[1]
        image, to = n * height * width, (t - begin) * channels
        if y >= 0 and z >= 0 and y + side <= height and z + side <= width:
            at, row, source = (image + y * width + z) * channels, width * channels, x
        else:
            for i in range(side):
                for j in range(side):
                    cell = (i * side + j) * channels
                    if 0 <= y + i < height and 0 <= z + j < width:
                        met = (image + (y + i) * width + z + j) * channels
                        for c in range(channels):
                            patch[cell + c] = x[met + c]
                    else:
                        for c in range(channels):
                            patch[cell + c] = 0
            at, row, source = 0, side * channels, patch
        if side == 4:
            _into_tile(source, at, row, channels, out, to, apart, channels)
        else:
            _into_outputs(source, at, row, channels, out, to, apart, channels)


@shared
def convolve(x, size, before, weight, bias, out, size_out, made, block, tiles, total, step, where, put, offsets, wrong, first, last):  # fmt: skip
    """Fill the blocks of `step` tiles from first to last; the weight is [16, O/block, C, block]."""
    height, width = size_out
    down, across = tiles
    taken = len(offsets)
    seen, sums = np.empty(16 * (step * taken + PAD), x.dtype), np.empty(16 * (step * made + PAD), x.dtype)
    four, zeros = np.empty(4 * made, x.dtype), np.zeros(block, x.dtype)
    for number in range(first, last):
        begin, end = number * step, min((number + 1) * step, total)
        count = end - begin
        from_seen, to_sums = count * taken + PAD, count * made + PAD
        _transform(x, size, before, taken, tiles, begin, end, 4, seen)
        for k in range(16):
            for o in range(0, made, block):
                for q in range(0, count, POSITIONS):
                    if block * x.itemsize == VECTOR:
                        _one(seen, k * from_seen, offsets, 0, taken, weight, (k * made + o) * taken,
                             where, put, q, count - 1, sums, k * to_sums + o, zeros, 0)  # fmt: skip
                    else:
                        _two(seen, k * from_seen, offsets, 0, taken, weight, (k * made + o) * taken,
                             where, put, q, count - 1, sums, k * to_sums + o, zeros, 0)  # fmt: skip
        check = x.dtype.type(0)
        for t in range(begin, end):
            n, rest = divmod(t, down * across)
            y, z = 2 * (rest // across), 2 * (rest % across)
            to = ((n * height + y) * width + z) * made
            at = (t - begin) * made
            if y + 2 <= height and z + 2 <= width:
                check += _out_of(sums, at, to_sums, out, to, width * made, made, bias, made)
            else:
                check += _out_of(sums, at, to_sums, four, 0, 2 * made, made, bias, made)
                for i in range(min(2, height - y)):
                    for j in range(min(2, width - z)):
                        for o in range(made):
                            out[to + (i * width + j) * made + o] = four[(2 * i + j) * made + o]
        wrong[number] = check


@shared
def convolve_weight(g, size_g, x, size, before, sums, taken, made, block, tiles, total, step, blocks, where, starts, first, last):  # fmt: skip
    """Fill sums [parts, 16, C, O], each with what its part of the blocks of `step` tiles gives.

    C is rounded up to a multiple of `POSITIONS`.
    """
    parts, rows = len(sums), len(starts) * POSITIONS
    seen, given = np.empty(16 * (step * taken + PAD), x.dtype), np.empty(16 * (step * made + PAD), x.dtype)
    for part in range(first, last):
        out = sums[part]
        for number in range(blocks * part // parts, blocks * (part + 1) // parts):
            begin, end = number * step, min((number + 1) * step, total)
            count = end - begin
            from_seen, from_given = count * taken + PAD, count * made + PAD
            _transform(x, size, before, taken, tiles, begin, end, 4, seen)
            _transform(g, size_g, (0, 0), made, tiles, begin, end, 2, given)
            for k in range(16):
                for o in range(0, made, block):
                    for t in range(len(starts)):
                        cell = (k * rows + t * POSITIONS) * made + o
                        if block * x.itemsize == VECTOR:
                            _one_weight(seen, k * from_seen, starts, t, where, count, given,
                                        k * from_given + o, made, out, cell, made, 1, 0)  # fmt: skip
                        else:
                            _two_weight(seen, k * from_seen, starts, t, where, count, given,
                                        k * from_given + o, made, out, cell, made, 1, 0)  # fmt: skip


# -- the kernels -------------------------------------------------------------------------------


class Plan(NamedTuple):
    """How tiles are put together."""

    block: int
    tiles: tuple[int, int]
    """Of an image, down and across."""
    total: int
    step: int
    """Tiles that a thread transforms at a time."""
    where: np.ndarray
    put: np.ndarray
    offsets: np.ndarray
    starts: np.ndarray
    cost: float
    """The ns of a step."""


@functools.lru_cache(maxsize=256)
def plan(n: int, out: Sizes, weight_shape: Sizes, geometry: Geometry, itemsize: int) -> Plan | None:
    """Plan a convolution of `n` images, with outputs of `out`; None where it is not for this way."""
    made, taken, *kernel = weight_shape
    lanes, block = VECTOR // itemsize, block_of(made, itemsize)
    if kernel != [3, 3] or geometry.stride != (1, 1) or geometry.dilation != (1, 1) or geometry.groups > 1:
        return None
    if not block or taken % lanes or taken * made < WORTH:
        return None
    tiles = -(-out[0] // 2), -(-out[1] // 2)
    total = n * math.prod(tiles)
    step = min(BLOCK // (16 * (taken + made) * itemsize), -(-total // (2 * get_num_threads())))
    step = -(-step // POSITIONS) * POSITIONS
    places = np.arange(step)
    starts = np.arange(0, taken, POSITIONS)
    cost = step * 16 * (taken * made / 100 + (taken + made) / 20)
    return Plan(block, tiles, total, step, places * taken, places * made, np.arange(taken), starts, cost)


@np.errstate(over="ignore", invalid="ignore")
def _transform_kernels(matrix: np.ndarray, kernels: np.ndarray) -> Any:
    return product_beside(matrix.astype(kernels.dtype), kernels)


def run(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, shape: Sizes, before: Sizes, plan: Plan) -> np.ndarray | None:
    """Return the convolution (N, O, H, W) of this shape; None where it is not finite.

    The weight is [3, 3, O, C].
    """
    n, made, *size = shape
    # [16, 9] x [9, O/block * C * block]
    packed = weight.reshape(3, 3, made // plan.block, plan.block, -1).swapaxes(3, 4).reshape(9, -1)
    kernels = _transform_kernels(KERNEL, packed)
    out = np.empty((n, *size, made), x.dtype)
    bias = np.zeros(made, x.dtype) if bias is None else plain(bias)
    blocks = -(-plan.total // plan.step)
    wrong = np.empty(blocks, x.dtype)
    share(
        blocks, plan.cost, convolve, channels_last(x), x.shape[2:], before, kernels.reshape(-1), bias,
        out.reshape(-1), shape[2:], made, plan.block, plan.tiles, plan.total, plan.step,
        plan.where, plan.put, plan.offsets, wrong,
    )  # fmt: skip
    return channels_second(out) if np.isfinite(wrong.sum()) else None


def run_weight(g: np.ndarray, x: np.ndarray, before: Sizes, plan: Plan) -> np.ndarray | None:
    """Return the transpose in the weight (O, C, 3, 3); None where it is not finite."""
    made, taken = g.shape[1], x.shape[1]
    blocks = -(-plan.total // plan.step)
    parts = parts_of(blocks, plan.cost)
    sums = np.zeros((parts, 16, len(plan.starts) * POSITIONS, made), x.dtype)
    share(
        parts, blocks * plan.cost / parts, convolve_weight, channels_last(g), g.shape[2:], channels_last(x),
        x.shape[2:], before, sums.reshape(parts, -1), taken, made, plan.block, plan.tiles,
        plan.total, plan.step, blocks, plan.where, plan.starts,
    )  # fmt: skip
    total = add_up(sums)[:, :taken]
    weight = _transform_kernels(KERNEL.T, total.reshape(16, -1))
    if not is_finite(weight):
        return None
    return np.ascontiguousarray(weight.reshape(3, 3, taken, made).transpose(3, 2, 0, 1))
