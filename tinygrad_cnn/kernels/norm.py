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


def per_channel(values: np.ndarray, ndim: int) -> np.ndarray:
    """Reshape (C,) so that it broadcasts with `ndim` dimensions (N, C, ...)."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def wide(dtype: np.dtype) -> np.dtype:
    """Return the dtype that sums are made in: float32 for float16."""
    return np.promote_types(dtype, np.float32)


@compiled
def channel_sum(x: np.ndarray) -> np.ndarray:
    """Return the sum of each channel."""
    return np.einsum(x, range(x.ndim), [1], dtype=wide(x.dtype))


@compiled
def channel_dot(x: np.ndarray, y: np.ndarray, mean: np.ndarray | None) -> np.ndarray:
    """Return the sum over each channel of ``x * (y - mean)``."""
    axes = range(x.ndim)
    centred = y if mean is None else y - per_channel(mean, y.ndim)
    return np.einsum(x, axes, centred, axes, [1], dtype=wide(np.result_type(x, centred)))


@compiled
def channel_mix(
    x: np.ndarray, a: np.ndarray, y: np.ndarray, mean: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """Return ``x * a + (y - mean) * b + c``."""
    ndim = x.ndim
    out = y - per_channel(mean, ndim)
    out *= per_channel(b, ndim)
    out += x * per_channel(a, ndim)
    out += per_channel(c, ndim)
    return out


@compiled
def normalise(
    x: np.ndarray, mean: np.ndarray, scale: np.ndarray, shift: np.ndarray | None
) -> np.ndarray:
    """Return ``(x - mean) * scale + shift``."""
    out = x - per_channel(mean, x.ndim)
    out *= per_channel(scale, x.ndim)
    if shift is not None:
        out += per_channel(shift, x.ndim)
    return out


@compiled
def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each channel and its variance (biased)."""
    n = count(x.shape)
    mean = channel_sum(x) / n
    centred = x - per_channel(mean, x.ndim)
    rest = np.einsum(centred, range(x.ndim), [1]) / n  # what rounding left of the mean
    axes = range(x.ndim)
    var = np.einsum(centred, axes, centred, axes, [1]) / n
    return mean + rest, np.maximum(var - rest * rest, 0)
