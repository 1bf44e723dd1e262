"""Convolution by bands: a row of output is a product of rows of input with a banded matrix.

The matrix holds the kernel, shifted for each output column::

    rows [N*OH, KH*C*W]  @  band [KH*C*W, O*OW]  ->  out [N,OH,O,OW]

Padding costs nothing, and only KH copies of the input are made, not KH*KW. But every output
element is a sum over W columns, of which only KW count: this is for narrow images. In other
dimensions the rows are along the last of them, and KH and OH stand for the others together.

An infinity or nan spreads over its row, as 0 * inf = nan: `x` of `conv`, and both arguments of
`conv_transpose`, must be finite, and where the result of `conv_weight` is not, it is wrong.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from .geometry import Geometry, Sizes, taps

_ALL = slice(None)


def conv(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv`."""
    n, width, kernel = x.shape[0], x.shape[-1], weight.shape[2:]
    size = geometry.output_size(x.shape[2:], kernel)
    out = _rows(x, kernel, size, geometry) @ _band(weight, width, size[-1], geometry)
    return _from_rows(out.reshape(n, *size[:-1], weight.shape[0], size[-1]))


def conv_transpose(
    g: np.ndarray, weight: np.ndarray, input_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_transpose`."""
    n, c, *_, width = input_shape
    kernel, size, out = weight.shape[2:], input_shape[2:], g.shape[2:]
    # [N*OH, O*OW] @ [O*OW, KH*C*W] -> what each of the KH rows of input gets
    parts = _flat_rows(g) @ _band(weight, width, out[-1], geometry).T
    parts = parts.reshape(n, *out[:-1], *kernel[:-1], c, width)
    dx = np.zeros((n, *size[:-1], c, width), parts.dtype)
    for made, taken in _row_taps(kernel, out, size, geometry):
        dx[taken] += parts[made]
    return _from_rows(dx)


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_weight`."""
    o, c, *lines, kw = weight_shape
    kh, width, out = math.prod(lines), x.shape[-1], g.shape[2:]
    # [KH*C*W, N*OH] @ [N*OH, O*OW] -> the band's gradient; a kernel element's is its diagonal's sum
    band = _rows(x, weight_shape[2:], out, geometry).T @ _flat_rows(g)
    dw = np.empty((o, c, kh, kw), band.dtype)
    for j, diagonal in _diagonals(band.reshape(kh, c, width, o, out[-1]), kw, geometry):
        dw[..., j] = diagonal.sum(axis=-1).transpose(2, 1, 0)
    return dw.reshape(weight_shape)


def _to_rows(x: np.ndarray) -> np.ndarray:
    """Return (N, C, ..., W) as (N, ..., C, W)."""
    last = x.ndim - 1
    return x.transpose(0, *range(2, last), 1, last)


def _from_rows(x: np.ndarray) -> np.ndarray:
    """Return (N, ..., C, W) as (N, C, ..., W)."""
    last = x.ndim - 1
    return x.transpose(0, last - 1, *range(1, last - 1), last)


def _flat_rows(g: np.ndarray) -> np.ndarray:
    """Return (N, O, ..., OW) as a matrix [N*OH, O*OW]."""
    n, o, *lines, width = g.shape
    return _to_rows(g).reshape(n * math.prod(lines), o * width)


def _row_taps(
    kernel: Sizes, out: Sizes, size: Sizes, geometry: Geometry
) -> Iterator[tuple[tuple[slice | int, ...], tuple[slice, ...]]]:
    """Yield, for each tap of all axes but the last, the rows that it makes and takes.

    Of an array [N, *outputs, *taps, C, W] and of one [N, *inputs, C, W].
    """
    axes = [
        taps(kernel[axis], out[axis], size[axis], axis, geometry) for axis in range(len(kernel) - 1)
    ]
    for lines in itertools.product(*axes):
        made = [outputs for _, outputs, _ in lines]
        yield (_ALL, *made, *[i for i, _, _ in lines]), (_ALL, *[inputs for _, _, inputs in lines])


def _rows(x: np.ndarray, kernel: Sizes, out: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the KH input rows of each output row, zeros where padded: [N*OH, KH*C*W]."""
    n, c, *_, width = x.shape
    make = np.zeros if any(map(any, geometry.padding[:-1])) else np.empty
    rows = make((n, *out[:-1], *kernel[:-1], c, width), x.dtype)
    by_row = _to_rows(x)
    for made, taken in _row_taps(kernel, out, x.shape[2:], geometry):
        rows[made] = by_row[taken]
    return rows.reshape(n * math.prod(out[:-1]), math.prod(kernel[:-1]) * c * width)


def _band(weight: np.ndarray, width: int, ow: int, geometry: Geometry) -> np.ndarray:
    """Return the banded matrix [KH*C*W, O*OW]."""
    o, c, *lines, kw = weight.shape
    kh = math.prod(lines)
    band = np.zeros((kh, c, width, o, ow), weight.dtype)
    by_column = weight.reshape(o, c, kh, kw)
    for j, diagonal in _diagonals(band, kw, geometry):
        diagonal[...] = by_column[..., j].transpose(2, 1, 0)[..., None]
    return band.reshape(kh * c * width, o * ow)


def _diagonals(
    band: np.ndarray, kw: int, geometry: Geometry
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield for each kernel column j its elements' places in the band: a view [KH, C, O, outputs]."""
    kh, c, width, o, ow = band.shape
    si, sc, sx, so, sy = band.strides
    strides = (si, sc, so, sx * geometry.stride[-1] + sy)
    for j, outputs, inputs in taps(kw, ow, width, -1, geometry):
        shape = (kh, c, o, outputs.stop - outputs.start)
        start = inputs.start * sx + outputs.start * sy
        yield j, np.ndarray(shape, band.dtype, band, start, strides)
