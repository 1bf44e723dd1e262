"""How a kernel moves over its input, and what the ways to convolve share."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

TILE = 1 << 22
"""Bytes of columns, or of windows, made at a time.

Of 32 x 16 x 32 x 32 -> 32 channels with 3 x 3 kernels, all three products by windows take 5.0 ms
with tiles of 1 MiB, 4.6 with 2, 4.4 with 4 and 4.5 with 8: matrix products as small as the
second-level cache do not keep two threads busy.
"""

Sizes = tuple[int, ...]


class Geometry(NamedTuple):
    """How a kernel moves over its input, for each spatial dimension."""

    stride: Sizes
    padding: tuple[tuple[int, int], ...]
    """Before and after."""
    dilation: Sizes
    groups: int = 1

    def window(self, kernel: Sizes) -> Sizes:
        """Return the extent of a kernel of this size, with the gaps of its dilation."""
        return tuple([d * (k - 1) + 1 for k, d in zip(kernel, self.dilation, strict=True)])

    def input_size(self, out: Sizes, kernel: Sizes) -> Sizes:
        """Return the least size of an input whose output has the size `out`."""
        options = zip(out, kernel, self.stride, self.dilation, self.padding, strict=True)
        return tuple([(n - 1) * s + d * (k - 1) + 1 - sum(sides) for n, k, s, d, sides in options])

    def padded(self, size: Sizes) -> Sizes:
        """Return the size of an input together with its padding."""
        return tuple(map(operator.add, size, map(sum, self.padding)))

    def output_size(self, size: Sizes, kernel: Sizes) -> Sizes:
        """Return the size of the output for an input and a kernel of these sizes."""
        options = zip(self.padded(size), kernel, self.stride, self.dilation, strict=True)
        return tuple([(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in options])


def same_padding(kernel: Sizes, dilation: Sizes) -> tuple[tuple[int, int], ...]:
    """Return the padding with which stride 1 keeps the size; an odd zero goes to the end."""
    added = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((n // 2, n - n // 2) for n in added)


def taps(
    k: int, out: int, size: int, axis: int, geometry: Geometry, first: int = 0
) -> Iterator[tuple[int, slice, slice]]:
    """Yield each kernel position, the outputs it has inside the input, and the inputs they meet.

    There are `out` outputs along the axis, which begin with number `first`.
    """
    stride, dilation = geometry.stride[axis], geometry.dilation[axis]
    for i in range(k):
        start = i * dilation - geometry.padding[axis][0] + first * stride
        begin = max(0, -(start // stride))
        end = min(out, (size - 1 - start) // stride + 1)
        if begin < end:
            at = begin * stride + start
            yield i, slice(begin, end), slice(at, at + (end - begin - 1) * stride + 1, stride)
        else:
            yield i, slice(0, 0), slice(0, 0)


def tiles(depth: int, n: int, length: int, itemsize: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of `n` images, and of their `length` lines, that make about one tile.

    A line has `depth` elements.
    """
    lines = max(1, TILE // max(1, depth * itemsize))
    images = max(1, lines // max(1, length))
    lines = length if images > 1 else min(lines, length)
    for first in range(0, n, images):
        for line in range(0, length, lines):
            yield slice(first, min(first + images, n)), slice(line, min(line + lines, length))


def channels_last(x: np.ndarray) -> np.ndarray:
    """Return (N, C, ...) as (N, ..., C), where a pixel's channels lie together."""
    moved = x.transpose(0, *range(2, x.ndim), 1)
    return moved if moved.strides[-1] == x.itemsize else np.ascontiguousarray(moved)


def channels_second(x: np.ndarray) -> np.ndarray:
    """Return (N, ..., C) as (N, C, ...)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))
