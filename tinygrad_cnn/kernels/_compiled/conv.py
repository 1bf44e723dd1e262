"""Convolution and its two transposes: the way is chosen, and threads share the images."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.geometry import Geometry, Sizes, channels_second

from . import lanes, planes, winograd
from .jit import DTYPES, add_up, is_finite, memory, plain
from .workers import parts_of, share

TILE = 1 << 18
"""Bytes of planes and cotangents that the transpose in the weight keeps in the cache."""

SUMMED = 256
"""Positions that it sums at least, before the sums go back to memory."""


def _choose(wide: Any, narrow: Any) -> Any:
    """Choose between plans: by lanes of channels, by planes of positions.

    By planes where channels do not fill vectors, or fill one only, for which each input is loaded
    anew, and where most of the positions count.
    """

    @functools.lru_cache(maxsize=256)
    def plan(*given: Any) -> Any:
        by_lanes = wide(*given)
        if by_lanes is not None and not by_lanes.narrow:
            return by_lanes
        by_planes = narrow(*given)
        return by_lanes if by_lanes is not None and by_planes.used < 0.55 else by_planes

    return plan


_plan = _choose(lanes.plan_conv, planes.plan_conv)
_plan_transpose = _choose(lanes.plan_transpose, planes.plan_transpose)


def _covers(*arrays: np.ndarray | None) -> bool:
    return len(dtypes := {a.dtype for a in arrays if a is not None}) == 1 and dtypes <= DTYPES


def _match(bias: np.ndarray | None, shape: Sizes) -> bool:
    """Whether the bias has a number for each channel."""
    return bias is None or bias.shape == shape[1:2]


@functools.lru_cache(maxsize=1024)
def _output_shape(shape: Sizes, weight_shape: Sizes, geometry: Geometry) -> Sizes | None:
    """Return the shape of a convolution; None where it is empty, or the shapes do not match."""
    (n, channels, *size), (o, c, *kernel) = shape, weight_shape
    out = n, o, *geometry.output_size(tuple(size), tuple(kernel))
    match = channels == c * geometry.groups and o % geometry.groups == 0
    return out if match and min(*shape, *weight_shape, *out) > 0 else None


def _three(size: Sizes) -> Sizes:
    return (*(1,) * (3 - len(size)), *size)


def _run(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, shape: Sizes, plan: Any, geometry: Geometry
) -> np.ndarray:
    """Run a plan of the convolution itself, or of its transpose in the input."""
    n, o, *size = shape
    groups = geometry.groups
    taken = x.shape[1] // groups
    source, strides = memory(x)
    packed = plain(weight).reshape(-1).take(plan.gather)
    common = source, strides, _three(x.shape[2:]), plan.offsets, packed
    if isinstance(plan, planes.Plan):
        out = np.empty((n, o, *_three(tuple(size))), x.dtype)
        bias = np.empty(0, x.dtype) if bias is None else plain(bias)
        args = *common, bias, out.reshape(-1), out.shape[2:], o // groups
        rest = plan.parts, plan.layout, plan.block, taken, groups
        share(n, plan.cost, planes.convolve, *args, *rest)
        return out.reshape(shape)
    out = np.empty((n, *size, o), x.dtype)
    bias = np.zeros(o, x.dtype) if bias is None else plain(bias)
    direct = _is_direct(strides, x.shape, plan.layout, groups)
    made = *common, bias, plan.where, plan.put, plan.parts, out.reshape(-1)
    how = (groups, taken, o // groups, out.size // n), plan.layout, plan.block, direct
    share(n, plan.cost, lanes.convolve, *made, *how)
    return channels_second(out)


def _is_direct(strides: Sizes, shape: Sizes, layout: Sizes, groups: int) -> bool:
    """Whether an image lies in memory as a plan wants it, with no padding."""
    c, size = shape[1], _three(shape[2:])
    same = groups == 1 and layout[:3] == size and strides[1] == 1 and strides[4] == c
    return same and strides[3] == c * size[2] and (size[0] == 1 or strides[2] == c * size[2] * size[1])


def conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry
) -> np.ndarray:
    shape = _output_shape(x.shape, weight.shape, geometry)
    if shape is None or not _covers(x, weight, bias) or not _match(bias, shape):
        return NotImplemented
    size = shape[2:]
    if tiles := winograd.plan(len(x), size, weight.shape, geometry, x.itemsize):
        before = tuple([side for side, _ in geometry.padding])
        out = winograd.run(x, weight.transpose(2, 3, 0, 1), bias, shape, before, tiles)
        if out is not None:
            return out
    given = x.shape[2:], size, weight.shape, geometry, x.itemsize
    return _run(x, weight, bias, shape, _plan(*given), geometry)


def conv_transpose(
    g: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    input_shape: Sizes,
    geometry: Geometry,
) -> np.ndarray:
    input_shape = tuple(input_shape)
    if _output_shape(input_shape, weight.shape, geometry) != g.shape:
        return NotImplemented
    if not _covers(g, weight, bias) or not _match(bias, input_shape):
        return NotImplemented
    o, c, *sides = weight.shape
    if tiles := winograd.plan(len(g), input_shape[2:], (c, o, *sides), geometry, g.itemsize):
        before = tuple([2 - side for side, _ in geometry.padding])
        flipped = weight.transpose(2, 3, 1, 0)[::-1, ::-1]
        out = winograd.run(g, flipped, bias, input_shape, before, tiles)
        if out is not None:
            return out
    if not is_finite(weight):  # the zeros around g would make nan of it
        return NotImplemented
    given = input_shape[2:], g.shape[2:], weight.shape, geometry, g.itemsize
    return _run(g, weight, bias, input_shape, _plan_transpose(*given), geometry)


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    weight_shape = tuple(weight_shape)
    if _output_shape(x.shape, weight_shape, geometry) != g.shape or not _covers(g, x):
        return NotImplemented
    if tiles := winograd.plan(len(x), g.shape[2:], weight_shape, geometry, x.itemsize):
        before = tuple([side for side, _ in geometry.padding])
        out = winograd.run_weight(g, x, before, tiles)
        if out is not None:
            return out
    given = x.shape[2:], g.shape[2:], weight_shape, geometry, x.itemsize
    plan = _plan(*given)
    run = _lanes_weight if isinstance(plan, lanes.Plan) else _planes_weight
    return run(g, x, weight_shape, plan, geometry.groups)


@functools.lru_cache(maxsize=256)
def _offsets(offsets: bytes, unit: int) -> np.ndarray:
    """Return the numbers, and zeros after them until they are a multiple of `unit`."""
    numbers = np.frombuffer(offsets, np.int64)
    return np.append(numbers, np.zeros(-len(numbers) % unit, np.int64))


def _lanes_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, plan: lanes.Plan, groups: int
) -> np.ndarray:
    o, taken, *sides = weight_shape
    made, unit = o // groups, lanes.POSITIONS
    source, strides = memory(x)
    direct = plan.run % unit == 0 and _is_direct(strides, x.shape, plan.layout, groups)
    positions = len(plan.where)
    size = (math.prod(plan.layout[:3]) * taken + positions * o) * x.itemsize
    tile = max(1, TILE // size, SUMMED // positions)
    args = lanes.channels_last(g), source, strides, _three(x.shape[2:]), plan.starts, plan.where
    rest = (groups, taken, made, 0), plan.layout, plan.block, direct, tile
    blocks = -(-plan.run // unit)
    parts = parts_of(len(x), plan.cost)
    sums = np.zeros((parts, groups, len(plan.starts) // blocks, blocks * unit, made), x.dtype)
    whole = len(x) * plan.cost / parts
    share(parts, whole, lanes.convolve_weight, *args, sums.reshape(parts, -1), len(x), *rest)
    total = add_up(sums)[:, :, : plan.run]
    # [G, taps * C/G, O/G] -> [O, C/G, *sides]
    total = total.reshape(groups, math.prod(sides), taken, made).transpose(0, 3, 2, 1)
    return np.ascontiguousarray(total).reshape(weight_shape)


def _planes_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, plan: planes.Plan, groups: int
) -> np.ndarray:
    o, taken, *_ = weight_shape
    made, taps = o // groups, len(plan.offsets)
    rows = planes.rounded(made, planes.ROWS)
    offsets = _offsets(plan.offsets.tobytes(), planes.TAPS)
    length, slack = int(plan.parts[0, 4]), int(plan.parts[0, 14])
    tile = max(1, TILE // ((taken * plan.layout[9] + rows * length) * x.itemsize))
    args = *memory(g), _three(g.shape[2:]), *memory(x), _three(x.shape[2:]), offsets
    lines = (1, 1, 1, 0, 0, 0, *plan.layout[6:9], length)
    rest = plan.layout, lines, length, slack, taken, made, groups, tile
    parts = parts_of(len(x), plan.cost)
    sums = np.zeros((parts, groups * rows, len(offsets)), x.dtype)
    share(parts, len(x) * plan.cost / parts, planes.convolve_weight, *args, sums, len(x), *rest)
    total = add_up(sums)
    if not is_finite(total):  # 0 * inf between two rows is nan, where it should be nothing
        return NotImplemented
    return total.reshape(groups, rows, -1)[:, :made, :taps].reshape(weight_shape)
