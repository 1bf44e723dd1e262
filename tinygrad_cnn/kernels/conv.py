"""Two-dimensional convolution (cross-correlation) and its two transposes.

With N images, C input and O output channels in G groups, kernels of KH x KW and outputs of
OH x OW, all three follow from one contraction (for G = 1)::

    out[n,o,y,x] = sum over c,i,j of weight[o,c,i,j] * input[n, c, y*sh + i*dh - top, x*sw + j*dw - left]

There are two ways to make matrix products of it.

*Bands*: a row of output is a product of KH rows of input with a banded matrix that holds the
kernel, shifted for each output column::

    rows [N*OH, KH*C*W]  @  band [KH*C*W, O*OW]  ->  out [N,OH,O,OW]

Padding costs nothing, and only KH copies of the input are made, not KH*KW. But every output
element is a sum over W columns, of which only KW count.

*Columns* (im2col): each output element has its own column of inputs::

    weight [G, O/G, K]  @  columns [G, K, n*OH*OW]  ->  out [O,n,OH,OW],   K = C/G*KH*KW

made for a tile of images at a time, so that the columns stay in the cache.

Both return an array of logical shape N, C, H, W in their own memory order.

In nanoseconds for each (n, c, i, y, x), measured on two cores in float32, forward and the two
transposes together: bands 3 * 0.006 * W * O, columns KW * (1.2 + 3 * 0.012 * O); `_prefers_bands`
compares the two. (LeNet-5 at batch 64: bands win by 1.5 to 3 times; 3 -> 16 channels at 32 x 32
with 3 x 3 kernels: columns by 1.7.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

TILE = 1 << 22
"""Bytes of columns made at a time.

Of 32 x 16 x 32 x 32 -> 32 channels with 3 x 3 kernels, all three products take 16 ms with tiles
of 1 MiB, 12.7 with 4, 11.4 with the whole batch at once (32 MiB): matrix products as small as the
second-level cache do not keep two threads busy.
"""


class Geometry(NamedTuple):
    """How a kernel moves over its input."""

    stride: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]
    """(top, bottom), (left, right)"""
    dilation: tuple[int, int]
    groups: int

    def output_size(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int]:
        """Return OH, OW for an input of H, W and a kernel of KH, KW."""
        height, width = (
            (n + before + after - d * (k - 1) - 1) // s + 1
            for n, k, s, (before, after), d in zip(
                size, kernel, self.stride, self.padding, self.dilation, strict=True
            )
        )
        return height, width


def same_padding(
    kernel: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the padding with which stride 1 keeps the size; an odd zero goes to the end."""
    height, width = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    return (height // 2, height - height // 2), (width // 2, width - width // 2)


def conv2d(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry
) -> np.ndarray:
    """Return the convolution of `x` (N, C, H, W) with `weight` (O, C/G, KH, KW), plus `bias` (O,)."""
    if x.dtype == np.float16:
        wide = bias if bias is None else bias.astype("f4")
        return conv2d(x.astype("f4"), weight.astype("f4"), wide, geometry).astype(x.dtype)
    n, _, height, width = x.shape
    o, _, kh, kw = weight.shape
    oh, ow = geometry.output_size((height, width), (kh, kw))
    if _prefers_bands(weight, width, geometry) and _all_finite(x):
        out = (_rows(x, kh, oh, geometry) @ _band(weight, width, ow, geometry)).reshape(n, oh, o, ow)
        if bias is not None:
            out += bias[:, None]
        return out.transpose(0, 2, 1, 3)
    g = geometry.groups
    out = np.empty((g, o // g, n, oh, ow), np.result_type(x, weight))
    kernels = weight.reshape(g, o // g, -1)
    for tile, columns in _columns(_padded(x, geometry), (kh, kw), (oh, ow), geometry):
        target = out[:, :, tile[0], tile[1]]
        target[...] = (kernels @ columns).reshape(target.shape)
    out = out.reshape(o, n, oh, ow)
    if bias is not None:
        out += bias[:, None, None, None]
    return out.transpose(1, 0, 2, 3)


def conv2d_input(
    g: np.ndarray, weight: np.ndarray, input_shape: tuple[int, ...], geometry: Geometry
) -> np.ndarray:
    """Return the transpose of `conv2d` in its input: g (N, O, OH, OW) -> (N, C, H, W)."""
    if g.dtype == np.float16:
        return conv2d_input(g.astype("f4"), weight.astype("f4"), input_shape, geometry).astype(g.dtype)
    n, c, height, width = input_shape
    o, _, kh, kw = weight.shape
    oh, ow = g.shape[2:]
    (top, bottom), (left, right) = geometry.padding
    if _prefers_bands(weight, width, geometry) and _all_finite(g) and _all_finite(weight):
        # [N*OH, O*OW] @ [O*OW, KH*C*W] -> what each of the KH rows of input gets
        parts = g.transpose(0, 2, 1, 3).reshape(n * oh, o * ow) @ _band(weight, width, ow, geometry).T
        parts = parts.reshape(n, oh, kh, c, width)
        dx = np.zeros((n, height, c, width), parts.dtype)
        for i, outputs, inputs in _taps(kh, oh, height, 0, geometry):
            dx[:, inputs] += parts[:, outputs, i]
        return dx.transpose(0, 2, 1, 3)
    groups = geometry.groups
    kernels = weight.reshape(groups, o // groups, -1).transpose(0, 2, 1)
    full = np.zeros((c, n, height + top + bottom, width + left + right), np.result_type(g, weight))
    by_channel = g.transpose(1, 0, 2, 3).reshape(groups, o // groups, n, oh, ow)
    for images, lines in _tiles(kernels.shape[1] * groups, n, oh, ow, full.itemsize):
        part = by_channel[:, :, images, lines]
        columns = kernels @ part.reshape(groups, o // groups, -1)
        columns = columns.reshape(c, kh, kw, *part.shape[2:])
        for i in range(kh):
            y = _slice(i, lines.start, part.shape[3], 0, geometry)
            for j in range(kw):
                full[:, images, y, _slice(j, 0, ow, 1, geometry)] += columns[:, i, j]
    return full[:, :, top : top + height, left : left + width].transpose(1, 0, 2, 3)


def conv2d_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: tuple[int, ...], geometry: Geometry
) -> np.ndarray:
    """Return the transpose of `conv2d` in its weight: g (N, O, OH, OW) -> (O, C/G, KH, KW)."""
    if g.dtype == np.float16:
        return conv2d_weight(g.astype("f4"), x.astype("f4"), weight_shape, geometry).astype(g.dtype)
    n, _, _, width = x.shape
    o, c, kh, kw = weight_shape
    oh, ow = g.shape[2:]
    dtype = np.result_type(g, x)
    dw = np.zeros(weight_shape, dtype)
    if _prefers_bands(dw, width, geometry):
        # [KH*C*W, N*OH] @ [N*OH, O*OW] -> the band's gradient; a kernel element's is its diagonal's sum
        with np.errstate(invalid="ignore", over="ignore"):
            band = _rows(x, kh, oh, geometry).T @ g.transpose(0, 2, 1, 3).reshape(n * oh, o * ow)
        if _all_finite(band):  # smaller than x and g, and not finite where they are not
            for j, diagonal in _diagonals(band.reshape(kh, c, width, o, ow), kw, geometry):
                dw[..., j] = diagonal.sum(axis=-1).transpose(2, 1, 0)
            return dw
    groups = geometry.groups
    by_channel = g.transpose(1, 0, 2, 3).reshape(groups, o // groups, n, oh, ow)
    total = dw.reshape(groups, o // groups, -1)
    for tile, columns in _columns(_padded(x, geometry), (kh, kw), (oh, ow), geometry):
        part = by_channel[:, :, tile[0], tile[1]].reshape(groups, o // groups, -1)
        total += part @ columns.transpose(0, 2, 1)
    return dw


def _prefers_bands(weight: np.ndarray, width: int, geometry: Geometry) -> bool:
    o, _, _, kw = weight.shape
    return geometry.groups == 1 and width * o < kw * (67 + 2 * o)


def _all_finite(x: np.ndarray) -> bool:
    """Whether no element is inf or nan; a band would spread it over its row as 0 * inf = nan."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(x.sum()))


# -- bands -------------------------------------------------------------------------------------


def _taps(
    k: int, out: int, size: int, axis: int, geometry: Geometry
) -> Iterator[tuple[int, slice, slice]]:
    """Yield each kernel position, the outputs it has inside the input, and the inputs they meet."""
    stride, dilation = geometry.stride[axis], geometry.dilation[axis]
    for i in range(k):
        start = i * dilation - geometry.padding[axis][0]
        first = max(0, -(start // stride))
        last = min(out, (size - 1 - start) // stride + 1)
        if first < last:
            begin = first * stride + start
            yield i, slice(first, last), slice(begin, begin + (last - first - 1) * stride + 1, stride)


def _rows(x: np.ndarray, kh: int, oh: int, geometry: Geometry) -> np.ndarray:
    """Return the KH input rows of each output row, zeros where padded: [N*OH, KH*C*W]."""
    n, c, height, width = x.shape
    make = np.zeros if any(geometry.padding[0]) else np.empty
    rows = make((n, oh, kh, c, width), x.dtype)
    for i, outputs, inputs in _taps(kh, oh, height, 0, geometry):
        rows[:, outputs, i] = x[:, :, inputs].transpose(0, 2, 1, 3)
    return rows.reshape(n * oh, kh * c * width)


def _band(weight: np.ndarray, width: int, ow: int, geometry: Geometry) -> np.ndarray:
    """Return the banded matrix [KH*C*W, O*OW]."""
    o, c, kh, kw = weight.shape
    band = np.zeros((kh, c, width, o, ow), weight.dtype)
    for j, diagonal in _diagonals(band, kw, geometry):
        diagonal[...] = weight[:, :, :, j].transpose(2, 1, 0)[..., None]
    return band.reshape(kh * c * width, o * ow)


def _diagonals(
    band: np.ndarray, kw: int, geometry: Geometry
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield for each kernel column j its elements' places in the band: a view [KH, C, O, outputs]."""
    kh, c, width, o, ow = band.shape
    si, sc, sx, so, sy = band.strides
    for j, outputs, inputs in _taps(kw, ow, width, 1, geometry):
        corner = band[:, :, inputs.start :, :, outputs.start :]
        shape = (kh, c, o, outputs.stop - outputs.start)
        yield j, as_strided(corner, shape, (si, sc, so, sx * geometry.stride[1] + sy))


# -- columns -----------------------------------------------------------------------------------


def _padded(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    (top, bottom), (left, right) = geometry.padding
    if not (top or bottom or left or right):
        return x
    n, c, height, width = x.shape
    padded = np.zeros((n, c, height + top + bottom, width + left + right), x.dtype)
    padded[:, :, top : top + height, left : left + width] = x
    return padded


def _slice(tap: int, first: int, count: int, axis: int, geometry: Geometry) -> slice:
    """Return the padded inputs that kernel position `tap` meets for `count` outputs from `first`."""
    stride, dilation = geometry.stride[axis], geometry.dilation[axis]
    begin = first * stride + tap * dilation
    return slice(begin, begin + (count - 1) * stride + 1, stride)


def _tiles(depth: int, n: int, oh: int, ow: int, itemsize: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of images and output rows whose columns of `depth` fill about one tile."""
    rows = max(1, TILE // max(1, depth * ow * itemsize))
    images = max(1, rows // max(1, oh))
    rows = min(rows, oh)
    if images > 1:
        rows = oh
    for first in range(0, n, images):
        for line in range(0, oh, rows):
            yield slice(first, min(first + images, n)), slice(line, min(line + rows, oh))


def _columns(
    padded: np.ndarray, kernel: tuple[int, int], out: tuple[int, int], geometry: Geometry
) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Yield for each tile its columns [G, K, n*lines*OW]; the buffer is reused."""
    n, c = padded.shape[:2]
    kh, kw = kernel
    oh, ow = out
    (sh, sw), (dh, dw) = geometry.stride, geometry.dilation
    sn, sc, sy, sx = padded.strides
    windows = as_strided(
        padded, (c, kh, kw, n, oh, ow), (sc, sy * dh, sx * dw, sn, sy * sh, sx * sw), writeable=False
    )
    groups = geometry.groups
    buffer = np.empty(0, padded.dtype)
    for images, lines in _tiles(c * kh * kw, n, oh, ow, padded.itemsize):
        part = windows[:, :, :, images, lines]
        if part.size > buffer.size:
            buffer = np.empty(part.size, padded.dtype)
        columns = buffer[: part.size].reshape(part.shape)
        np.copyto(columns, part)
        yield (images, lines), columns.reshape(groups, c // groups * kh * kw, -1)
