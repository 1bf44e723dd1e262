"""Two-dimensional pooling and its transposes.

A window is a grid of taps. Everything here loops over the taps, and handles all windows of all
images at once: tap (i, j) of every window is one strided slice of the input.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .mask import keep


class Window(NamedTuple):
    """How a pooling window moves over its input."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    ceil_mode: bool

    def output_size(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Return OH, OW for an input of H, W."""
        height, width = (self._length(n, axis) for axis, n in enumerate(size))
        return height, width

    def _length(self, n: int, axis: int) -> int:
        stride, padding = self.stride[axis], self.padding[axis]
        room = n + 2 * padding - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        out = room // stride + 1
        # with ceil_mode one more window may stick out, but it has to start inside
        if self.ceil_mode and room % stride and out * stride < n + padding:
            out += 1
        return out

    def taps(
        self, size: tuple[int, ...]
    ) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """Yield each tap's number, the outputs for which it is inside, and the inputs it meets."""
        out = self.output_size(size)
        columns = [self._line(j, out[1], size[1], 1) for j in range(self.kernel[1])]
        for i in range(self.kernel[0]):
            row = self._line(i, out[0], size[0], 0)
            for j, column in enumerate(columns):
                if row and column:
                    yield i * self.kernel[1] + j, (row[0], column[0]), (row[1], column[1])

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


def max_pool2d(x: np.ndarray, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return the maxima of `x` (N, C, H, W), and the number of the tap that each came from.

    Of equal taps the first counts. A nan counts as larger than any number, and the last one wins.
    """
    out, taps = _max_pool2d(x, window, nan=False)
    if x.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            suspicious = np.isnan(out.sum())
        if suspicious:
            out, taps = _max_pool2d(x, window, nan=True)
    return out, taps


def _max_pool2d(x: np.ndarray, window: Window, nan: bool) -> tuple[np.ndarray, np.ndarray]:
    size = x.shape[2:]
    shape = (*x.shape[:2], *window.output_size(size))
    count = window.kernel[0] * window.kernel[1]
    taps = np.zeros_like(x, np.min_scalar_type(count), shape=shape)
    places = list(window.taps(size))
    if any(window.padding):  # a window's first tap may be outside
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        best = np.full_like(x, lowest, shape=shape)
        for number, (rows, columns), _ in reversed(places):
            taps[:, :, rows, columns] = number
    else:
        (_, _, (rows, columns)), *places = places
        best = x[:, :, rows, columns].copy("K")
    for number, (rows, columns), inputs in places:
        value = x[:, :, inputs[0], inputs[1]]
        highest = best[:, :, rows, columns]
        better = np.greater(value, highest)
        if nan:
            better |= np.isnan(value)
        np.maximum(highest, value, out=highest)
        chosen = taps[:, :, rows, columns]
        # numbers grow, so the last improvement is the largest number; no branch per element
        np.maximum(chosen, better.view(np.uint8) * taps.dtype.type(number), out=chosen)
    return best, taps


def max_pool2d_input(
    g: np.ndarray, taps: np.ndarray, input_shape: tuple[int, ...], window: Window
) -> np.ndarray:
    """Return an array of `input_shape` with each element of `g` added at its window's tap."""
    # in the memory order of the forward pass, which the next gradient rules compute in
    dx = np.zeros_like(taps, g.dtype, shape=input_shape)
    for number, (rows, columns), inputs in window.taps(input_shape[2:]):
        mask, part = taps[:, :, rows, columns] == number, g[:, :, rows, columns]
        target = dx[:, :, inputs[0], inputs[1]]
        if window.overlaps:
            target += keep(mask, part)
        else:
            keep(mask, part, out=target)
    return dx


def max_pool2d_pick(x: np.ndarray, taps: np.ndarray, window: Window) -> np.ndarray:
    """Return the element of `x` at each window's tap: the transpose of `max_pool2d_input`."""
    out = np.zeros_like(taps, x.dtype)
    for number, (rows, columns), inputs in window.taps(x.shape[2:]):
        value = x[:, :, inputs[0], inputs[1]]
        out[:, :, rows, columns] += keep(taps[:, :, rows, columns] == number, value)
    return out


def avg_pool2d(x: np.ndarray, window: Window, divisor: np.ndarray) -> np.ndarray:
    """Return the sum over each window of `x` (N, C, H, W), divided by `divisor` (OH, OW)."""
    total = np.zeros_like(x, shape=(*x.shape[:2], *divisor.shape))
    for _, (rows, columns), inputs in window.taps(x.shape[2:]):
        total[:, :, rows, columns] += x[:, :, inputs[0], inputs[1]]
    total /= divisor.astype(x.dtype)
    return total


def avg_pool2d_input(
    g: np.ndarray, input_shape: tuple[int, ...], window: Window, divisor: np.ndarray
) -> np.ndarray:
    """Return the transpose of `avg_pool2d`: g (N, C, OH, OW) -> (N, C, H, W)."""
    shares = g / divisor.astype(g.dtype)
    dx = np.zeros_like(g, shape=input_shape)
    for _, (rows, columns), inputs in window.taps(input_shape[2:]):
        dx[:, :, inputs[0], inputs[1]] += shares[:, :, rows, columns]
    return dx


def avg_divisor(
    size: tuple[int, ...], window: Window, count_include_pad: bool, override: int | None
) -> np.ndarray:
    """Return what each window's sum is divided by, (OH, OW).

    Padding counts if `count_include_pad`, but what sticks out beyond it (ceil_mode) never does.
    """
    out = window.output_size(size)
    if override is not None:
        return np.full(out, override)
    lengths = []
    for axis in range(2):
        n, k, padding = size[axis], window.kernel[axis], window.padding[axis]
        start = np.arange(out[axis]) * window.stride[axis] - padding
        stop = np.minimum(start + k, n + padding)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, n)
        lengths.append(stop - start)
    return np.outer(*lengths)


def adaptive_regions(n: int, out: int) -> list[slice]:
    """Return the `out` regions, alike in length, into which adaptive pooling cuts `n`."""
    return [slice(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


def adaptive_avg_pool2d(x: np.ndarray, out: tuple[int, int]) -> np.ndarray:
    """Return the mean of each of OH x OW regions of `x` (N, C, H, W)."""
    for axis, count in zip((2, 3), out, strict=True):
        result = np.empty_like(x, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))
        for i, region in enumerate(adaptive_regions(x.shape[axis], count)):
            at: tuple[Any, ...] = (slice(None),) * axis
            np.mean(x[(*at, region)], axis=axis, out=result[(*at, i)])
        x = result
    return x


def adaptive_avg_pool2d_input(g: np.ndarray, input_shape: tuple[int, ...]) -> np.ndarray:
    """Return the transpose of `adaptive_avg_pool2d`: g (N, C, OH, OW) -> (N, C, H, W)."""
    for axis in (2, 3):
        n = input_shape[axis]
        result = np.zeros_like(g, shape=(*g.shape[:axis], n, *g.shape[axis + 1 :]))
        for i, region in enumerate(adaptive_regions(n, g.shape[axis])):
            at: tuple[Any, ...] = (slice(None),) * axis
            length = region.stop - region.start
            result[(*at, region)] += g[(*at, slice(i, i + 1))] / g.dtype.type(length)
        g = result
    return g
