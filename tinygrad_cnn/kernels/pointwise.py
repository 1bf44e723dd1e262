"""Convolution with kernels of 1 x 1, without padding: one product of matrices.

The pixels that the stride takes, with their channels last, are the rows of one::

    pixels [N*OH*OW, C]  @  weight [C, O]  ->  out [N,OH,OW,O]
"""

from __future__ import annotations

import numpy as np

from .geometry import Geometry, Sizes, channels_last, channels_second

_ALL = slice(None)


def conv(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv`."""
    x = channels_last(x[_taken(geometry)])
    out = _pixels(x) @ weight.reshape(weight.shape[:2]).T
    return channels_second(out.reshape(*x.shape[:-1], len(weight)))


def conv_transpose(
    g: np.ndarray, weight: np.ndarray, input_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_transpose`."""
    n, c, *size = input_shape
    g = channels_last(g)
    part = channels_second((_pixels(g) @ weight.reshape(-1, c)).reshape(*g.shape[:-1], c))
    if part.shape == input_shape:
        return part
    dx = channels_second(np.zeros((n, *size, c), part.dtype))
    dx[_taken(geometry)] = part
    return dx


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_weight`."""
    x, g = channels_last(x[_taken(geometry)]), channels_last(g)
    return (_pixels(g).T @ _pixels(x)).reshape(weight_shape)


def _taken(geometry: Geometry) -> tuple[slice, ...]:
    """Return the index of the pixels that are taken from (N, C, ...)."""
    return (_ALL, _ALL, *[slice(None, None, step) for step in geometry.stride])


def _pixels(x: np.ndarray) -> np.ndarray:
    """Return (N, ..., C) as a matrix of one row for each pixel."""
    return x.reshape(x.size // max(1, x.shape[-1]), x.shape[-1])
