"""The three axes of a convolution, and the phases of its transpose in the input."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

from tinygrad_cnn.kernels.geometry import Geometry, Sizes


class Axis(NamedTuple):
    """One dimension of a convolution."""

    size: int
    out: int
    kernel: int
    stride: int
    before: int
    after: int
    dilation: int


def axes_of(size: Sizes, out: Sizes, kernel: Sizes, geometry: Geometry) -> list[Axis]:
    """Return three axes, the first ones of length 1 where there are fewer."""
    given = [
        Axis(n, m, k, s, before, after, d)
        for n, m, k, s, (before, after), d in zip(
            size, out, kernel, geometry.stride, geometry.padding, geometry.dilation, strict=True
        )
    ]
    return [Axis(1, 1, 1, 1, 0, 0, 1)] * (3 - len(given)) + given


class Line(NamedTuple):
    """The inputs of one axis whose position, counted from the padding's begin, is s * q + r."""

    r: int
    taps: list[tuple[int, int]]
    """The kernel elements i that meet them, each with m: they meet output q - m."""
    q: int
    """The first q."""
    length: int


def phases_of(axes: list[Axis]) -> tuple[list[tuple[Line, ...]], list[int], list[int]]:
    """Return the phases of a transpose, zeros needed before the outputs, and their size with all."""
    lines, before, extent = [], [], []
    for a in axes:
        mine, low, high = [], 0, 0
        for r in range(a.stride):
            shifts = [divmod(i * a.dilation, a.stride) for i in range(a.kernel)]
            taps = [(i, m) for i, (m, rest) in enumerate(shifts) if rest == r]
            first = -((r - a.before) // a.stride)  # the least q with s * q + r >= before
            last = (a.before + a.size - 1 - r) // a.stride
            if first > last:
                continue
            mine.append(Line(r, taps, first, last - first + 1))
            for _, m in taps:
                low, high = max(low, m - first), max(high, last - m - (a.out - 1))
        lines.append(mine)
        before.append(low)
        extent.append(low + a.out + high)
    return list(itertools.product(*lines)), before, extent


def flat(place: Any, extent: Any) -> int:
    """Return the place in a flat image of this extent."""
    return int((place[0] * extent[1] + place[1]) * extent[2] + place[2])
