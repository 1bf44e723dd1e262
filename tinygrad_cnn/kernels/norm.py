"""Sums per channel of (N, C, ...), and batch normalisation, which is made of them.

Per channel means shape (C,). Sums of float16 are made in float32.
"""

from __future__ import annotations

import math

import numpy as np

from .dispatch import compiled


def count(shape: tuple[int, ...]) -> int:
    """Return how many values each channel has; 1 where there is nothing to divide."""
    return max(math.prod(shape) // max(shape[1], 1), 1)


def wide(dtype: np.dtype) -> np.dtype:
    """Return the dtype that sums are made in: float32 for float16."""
    return np.promote_types(dtype, np.float32)


class _Layout:
    """How NumPy passes over arrays of (N, C, ...) and values per channel.

    Where the channels are last in memory, it is fast on long rows of pixels only: an array is then
    taken as the matrix [N*H, W*C], and the values are repeated for each pixel. (The sum of a row's
    16 channels with 16 values takes 25 ns, that of 512 with 512 takes 65.)
    """

    def __init__(self, x: np.ndarray) -> None:
        self.axes = (0, *range(2, x.ndim), 1)
        last = x.transpose(self.axes)
        self.shape = last.shape
        self.rows = x.ndim > 2 and x.shape[1] > 1 and last.flags.c_contiguous

    def view(self, x: np.ndarray) -> np.ndarray:
        """Return `x` as it is passed over."""
        if not self.rows:
            return x
        *lines, width, channels = self.shape
        return x.transpose(self.axes).reshape(math.prod(lines), width * channels)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return (C,) so that it broadcasts with a view."""
        if self.rows:
            return np.tile(values, self.shape[-2])
        return values.reshape(-1, *(1,) * (len(self.shape) - 2))

    def total(self, *views: np.ndarray) -> np.ndarray:
        """Return the sum of the product of one or two views, (C,)."""
        axes = range(views[0].ndim)
        operands = [part for view in views for part in (view, axes)]
        sums: np.ndarray = np.einsum(*operands, [1], dtype=wide(np.result_type(*views)))
        return sums.reshape(self.shape[-2:]).sum(axis=0) if self.rows else sums

    def restore(self, view: np.ndarray) -> np.ndarray:
        """Return a view as (N, C, ...)."""
        if not self.rows:
            return view
        last = len(self.shape) - 1
        return view.reshape(self.shape).transpose(0, last, *range(1, last))


@compiled
def channel_sum(x: np.ndarray) -> np.ndarray:
    """Return the sum of each channel."""
    layout = _Layout(x)
    return layout.total(layout.view(x))


@compiled
def channel_dot(x: np.ndarray, y: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """Return the sum over each channel of ``x * (y - mean)``; no mean is 0."""
    layout = _Layout(y)
    other = layout.view(y)
    if mean is not None:
        other = other - layout.spread(mean)
    return layout.total(layout.view(x), other)


@compiled
def channel_mix(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, mean: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """Return ``x * a + (y - mean) * b + c``."""
    layout = _Layout(y)
    out = layout.view(y) - layout.spread(mean)
    out *= layout.spread(b)
    out += layout.view(x) * layout.spread(a)
    out += layout.spread(c)
    return layout.restore(out)


@compiled
def normalise(
    x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    """Return ``(x - mean) * scale + shift``."""
    layout = _Layout(x)
    out = layout.view(x) - layout.spread(mean)
    out *= layout.spread(scale)
    if shift is not None:
        out += layout.spread(shift)
    return layout.restore(out)


@compiled
def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each channel and its variance (biased)."""
    layout, n = _Layout(x), count(x.shape)
    view = layout.view(x)
    mean = layout.total(view) / n
    centred = view - layout.spread(mean)
    rest = layout.total(centred) / n  # what rounding left of the mean
    var = layout.total(centred, centred) / n - rest * rest
    return mean + rest, np.maximum(var, 0)
