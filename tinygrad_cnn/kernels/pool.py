"""Pooling over windows, and its transposes.

Images are (..., *size): a window spans as many of the last axes as it has sides, and whatever
stands before them is a batch. A window is a grid of taps. Everything here loops over the taps,
and handles all windows of all images at once: one tap of every window is one strided slice of
the input. Slices are copied before they are compared: of 64 x 6 x 28 x 28, to copy one of four taps
takes 0.023 ms, to compare two copies 0.003, and two slices 0.048.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from .dispatch import compiled
from .mask import keep
from .reduce import sum_over

Shape = tuple[int, ...]


class Window(NamedTuple):
    """How a pooling window moves over its input: a number for each of its axes."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    ceil_mode: bool

    def size_of(self, shape: Shape) -> Shape:
        """Return the axes of `shape` that the window spans."""
        return shape[len(shape) - len(self.kernel) :]

    @functools.lru_cache(maxsize=256)  # noqa: B019  (a window is a few numbers)
    def output_size(self, size: Shape) -> Shape:
        """Return the number of windows along each axis of an input of `size`."""
        return tuple(self._length(n, axis) for axis, n in enumerate(size))

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of the output for an input of `shape`."""
        size = self.size_of(shape)
        return (*shape[: len(shape) - len(size)], *self.output_size(size))

    def _length(self, n: int, axis: int) -> int:
        stride, padding = self.stride[axis], self.padding[axis]
        room = n + 2 * padding - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        out = room // stride + 1
        # with ceil_mode one more window may stick out, but it has to start inside
        if self.ceil_mode and room % stride and out * stride < n + padding:
            out += 1
        return out

    @functools.lru_cache(maxsize=256)  # noqa: B019
    def taps(self, shape: Shape) -> list[tuple[int, Any, Any]]:
        """Return each tap's number, where in the output it is inside, and the inputs it meets."""
        size = self.size_of(shape)
        lines = [
            [self._line(i, out, n, axis) for i in range(self.kernel[axis])]
            for axis, (n, out) in enumerate(zip(size, self.output_size(size), strict=True))
        ]
        found = []
        for number, slices in enumerate(itertools.product(*lines)):
            if None not in slices:
                outputs, inputs = zip(*slices, strict=True)
                found.append((number, (..., *outputs), (..., *inputs)))
        return found

    def _line(self, i: int, out: int, n: int, axis: int) -> tuple[slice, slice] | None:
        stride = self.stride[axis]
        start = i * self.dilation[axis] - self.padding[axis]
        first = max(0, -(start // stride))
        last = min(out, (n - 1 - start) // stride + 1)
        if first >= last:
            return None
        begin = first * stride + start
        return slice(first, last), slice(begin, begin + (last - first - 1) * stride + 1, stride)

    @property
    def overlaps(self) -> bool:
        """Whether two windows may share an input."""
        return any(
            d * (k - 1) >= s for k, s, d in zip(self.kernel, self.stride, self.dilation, strict=True)
        )

    def tiles(self, size: Shape) -> bool:
        """Whether each element of an input of `size` is in just one window."""
        covered = tuple(k * n for k, n in zip(self.kernel, self.output_size(size), strict=True))
        dense = not any(self.padding) and max(self.dilation) == 1
        return dense and self.stride == self.kernel and covered == tuple(size)


@compiled
def max_pool(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the maxima of `x` (..., *size), and the number of the tap that each came from.

    Of equal taps the first counts. A nan counts as larger than any number, and the last one wins.
    """
    out, taps = _max_pool(x, window, nan=False)
    if x.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            suspicious = np.isnan(out.sum())
        if suspicious:
            out, taps = _max_pool(x, window, nan=True)
    return out, taps


def _max_pool(x: np.ndarray, window: Window, nan: bool) -> tuple[np.ndarray, np.ndarray]:
    shape = window.output_shape(x.shape)
    taps = np.zeros_like(x, np.min_scalar_type(math.prod(window.kernel)), shape=shape)
    places = window.taps(x.shape)
    if not places or any(window.padding):  # a window's first tap may be outside
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        best = np.full_like(x, lowest, shape=shape)
        for number, outputs, _ in reversed(places):
            taps[outputs] = number
    else:
        (_, _, inputs), *places = places
        best = x[inputs].copy("K")
    for number, outputs, inputs in places:
        value, highest, chosen = x[inputs].copy("K"), best[outputs], taps[outputs]
        better = np.greater(value, highest)
        if nan:
            better |= np.isnan(value)
        np.maximum(highest, value, out=highest)
        # numbers grow, so the last improvement is the largest number; no branch per element
        np.maximum(chosen, better.view(np.uint8) * taps.dtype.type(number), out=chosen)
    return best, taps


@compiled
def max_pool_input(g: np.ndarray, taps: np.ndarray, input_shape: Shape, window: Window) -> np.ndarray:
    """Return an array of `input_shape` with each element of `g` added at its window's tap."""
    # in the memory order of the forward pass, which the next gradient rules compute in
    make = np.empty_like if window.tiles(window.size_of(input_shape)) else np.zeros_like
    dx = make(taps, g.dtype, shape=input_shape)
    for number, outputs, inputs in window.taps(input_shape):
        # of integers as wide as g, which need no cast piece by piece
        mask, part, target = (taps[outputs] == number).astype(f"i{g.itemsize}"), g[outputs], dx[inputs]
        if window.overlaps:
            target += keep(mask, part)
        else:
            keep(mask, part, out=target)
    return dx


def max_pool_pick(x: np.ndarray, taps: np.ndarray, window: Window) -> np.ndarray:
    """Return the element of `x` at each window's tap: the transpose of `max_pool_input`."""
    out = np.zeros_like(taps, x.dtype)
    for number, outputs, inputs in window.taps(x.shape):
        out[outputs] += keep(taps[outputs] == number, x[inputs])
    return out


def max_pool_indices(taps: np.ndarray, size: Shape, window: Window) -> np.ndarray:
    """Return the place of each window's tap in the flattened image of `size`."""
    out, places = window.output_size(size), []
    for axis, offset in enumerate(np.unravel_index(taps, window.kernel)):
        start = np.arange(out[axis]) * window.stride[axis] - window.padding[axis]
        later = (1,) * (len(out) - 1 - axis)
        places.append(start.reshape(-1, *later) + offset * window.dilation[axis])
    # a dilated window may step over a small image, and have no tap inside: it gets a corner
    return np.ravel_multi_index(places, size, mode="clip")


@compiled
def avg_pool(x: np.ndarray, window: Window, divisor: np.ndarray) -> np.ndarray:
    """Return the sum over each window of `x` (..., *size), divided by `divisor` (*out)."""
    total = np.zeros_like(x, shape=window.output_shape(x.shape))
    for _, outputs, inputs in window.taps(x.shape):
        total[outputs] += x[inputs]
    divisor = divisor.astype(x.dtype)
    if x.dtype.kind == "f":
        total /= divisor
    else:  # towards zero, as integers are divided in C
        total -= np.fmod(total, divisor)
        total //= divisor
    return total


@compiled
def avg_pool_input(
    g: np.ndarray, input_shape: Shape, window: Window, divisor: np.ndarray
) -> np.ndarray:
    """Return the transpose of `avg_pool`: g (..., *out) -> (..., *size)."""
    shares = g / divisor.astype(g.dtype)
    dx = np.zeros_like(g, shape=input_shape)
    for _, outputs, inputs in window.taps(input_shape):
        dx[inputs] += shares[outputs]
    return dx


def avg_divisor(
    size: Shape, window: Window, count_include_pad: bool, override: int | None
) -> np.ndarray:
    """Return what each window's sum is divided by, (*out).

    Padding counts if `count_include_pad`, but what sticks out beyond it (ceil_mode) never does.
    """
    out = window.output_size(size)
    if override is not None:
        return np.full(out, override)
    lengths = []
    for axis, n in enumerate(size):
        k, padding = window.kernel[axis], window.padding[axis]
        start = np.arange(out[axis]) * window.stride[axis] - padding
        stop = np.minimum(start + k, n + padding)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        lengths.append(stop - start)
    return functools.reduce(np.multiply.outer, lengths)


def adaptive_regions(n: int, out: int) -> list[slice]:
    """Return the `out` regions, alike in length, into which adaptive pooling cuts `n`."""
    return [slice(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def adaptive_avg_pool(x: np.ndarray, out: Shape) -> np.ndarray:
    """Return the mean of each of *out regions of `x` (..., *size)."""
    first = x.ndim - len(out)
    lengths = _equal_lengths(x.shape[first:], out)
    if lengths and x.dtype != np.float16:  # [.., out * length, ..] -> [.., out, length, ..]
        blocks = x.reshape(*x.shape[:first], *itertools.chain.from_iterable(zip(out, lengths, strict=True)))
        inner = tuple(range(first + 1, blocks.ndim, 2))
        return sum_over(blocks, inner) / x.dtype.type(math.prod(lengths))
    for axis, count in enumerate(out, first):
        result = np.empty_like(x, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))
        for i, region in enumerate(adaptive_regions(x.shape[axis], count)):
            at: tuple[Any, ...] = (slice(None),) * axis
            np.mean(x[(*at, region)], axis=axis, out=result[(*at, i)])
        x = result
    return x


def adaptive_avg_pool_input(g: np.ndarray, size: Shape) -> np.ndarray:
    """Return the transpose of `adaptive_avg_pool`: g (..., *out) -> (..., *size)."""
    first = g.ndim - len(size)
    lengths = _equal_lengths(size, g.shape[first:])
    if lengths:
        shares = g / g.dtype.type(math.prod(lengths))
        pairs = tuple(itertools.chain.from_iterable(zip(g.shape[first:], lengths, strict=True)))
        inner = tuple(range(first + 1, first + len(pairs), 2))
        blocks = np.broadcast_to(np.expand_dims(shares, inner), g.shape[:first] + pairs)
        return blocks.reshape(*g.shape[:first], *size)
    for axis, n in enumerate(size, first):
        result = np.zeros_like(g, shape=(*g.shape[:axis], n, *g.shape[axis + 1 :]))
        for i, region in enumerate(adaptive_regions(n, g.shape[axis])):
            at: tuple[Any, ...] = (slice(None),) * axis
            length = region.stop - region.start
            result[(*at, region)] += g[(*at, slice(i, i + 1))] / g.dtype.type(length)
        g = result
    return g


def _equal_lengths(size: Shape, out: Shape) -> Shape:
    """Return the regions' lengths along each axis where all are alike, else nothing."""
    if any(count == 0 or n % count for n, count in zip(size, out, strict=True)):
        return ()
    return tuple(n // count for n, count in zip(size, out, strict=True))


def adaptive_max_pool(x: np.ndarray, out: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each of *out regions of `x` (..., *size), and its index in the image.

    Equal maxima and nan count as for `max_pool`.
    """
    first = x.ndim - len(out)
    size = x.shape[first:]
    places: list[np.ndarray] = []
    # the last axis first, so that of equal maxima the one in the first row is found
    for axis in reversed(range(first, x.ndim)):
        regions = adaptive_regions(x.shape[axis], out[axis - first])
        longest = max((r.stop - r.start for r in regions), default=1)
        # a shorter region has its last element twice: so all are one window, and the maxima stay
        lines = np.array([[min(r.start + i, r.stop - 1) for i in range(longest)] for r in regions], int)
        ones = (1,) * (x.ndim - 1 - axis)
        side = (longest, *ones)
        window = Window(side, side, (0,) * len(side), (1, *ones), ceil_mode=False)
        x, taps = max_pool(x.take(lines.ravel(), axis), window)
        place = lines.reshape(-1, longest)[np.arange(len(regions)).reshape(-1, *ones), taps]
        places = [place, *(np.take_along_axis(p, place, axis) for p in places)]
    return x, np.ravel_multi_index(places, size)
