"""Convolution (cross-correlation) and its two transposes, in one, two or three dimensions.

With N images, C input and O output channels in G groups, all three follow from one contraction,
here in two dimensions, with kernels of KH x KW and outputs of OH x OW (for G = 1)::

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

In other dimensions the rows are along the last of them, and KH and OH stand for the others
together. Both ways return an array of logical shape N, C, H, W in their own memory order.

In nanoseconds for each (n, c, i, y, x), measured on two cores in float32, forward and the two
transposes together: bands 3 * 0.006 * W * O, columns KW * (1.2 + 3 * 0.012 * O); `_prefers_bands`
compares the two. (LeNet-5 at batch 64: bands win by 1.5 to 3 times; 3 -> 16 channels at 32 x 32
with 3 x 3 kernels: columns by 1.7.)
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .dispatch import compiled

TILE = 1 << 22
"""Bytes of columns made at a time.

Of 32 x 16 x 32 x 32 -> 32 channels with 3 x 3 kernels, all three products take 16 ms with tiles
of 1 MiB, 12.7 with 4, 11.4 with the whole batch at once (32 MiB): matrix products as small as the
second-level cache do not keep two threads busy.
"""

_ALL = slice(None)

F = TypeVar("F", bound=Callable[..., np.ndarray])

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


def _guarded(function: F) -> F:
    """Let inf and nan pass without a warning, and compute float16 in float32."""

    @functools.wraps(function)
    def run(*args: Any) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            if args[0].dtype != np.float16:
                return function(*args)
            wide = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
            return function(*wide).astype(np.float16)

    return cast(F, run)


@compiled
@_guarded
def conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, geometry: Geometry
) -> np.ndarray:
    """Return the convolution of `x` (N, C, ...) with `weight` (O, C/G, ...), plus `bias` (O,)."""
    n, width = x.shape[0], x.shape[-1]
    o, kernel = weight.shape[0], weight.shape[2:]
    size = geometry.output_size(x.shape[2:], kernel)
    if _prefers_bands(weight, width, geometry) and _all_finite(x):
        out = _rows(x, kernel, size, geometry) @ _band(weight, width, size[-1], geometry)
        return _plus(_from_rows(out.reshape(n, *size[:-1], o, size[-1])), bias)
    groups = geometry.groups
    out = np.empty((groups, o // groups, n, *size), np.result_type(x, weight))
    kernels = weight.reshape(groups, o // groups, -1)
    for images, lines, columns in _columns(x, kernel, size, geometry):
        target = out[:, :, images, lines]
        target[...] = (kernels @ columns).reshape(target.shape)
    return _plus(out.reshape(o, n, *size).swapaxes(0, 1), bias)


@compiled
@_guarded
def conv_transpose(
    g: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    input_shape: Sizes,
    geometry: Geometry,
) -> np.ndarray:
    """Return the transpose of `conv` in its input: g (N, O, ...) -> (N, C, ...), plus `bias` (C,)."""
    n, c, *_, width = input_shape
    o, kernel, size, out = weight.shape[0], weight.shape[2:], input_shape[2:], g.shape[2:]
    if _prefers_bands(weight, width, geometry) and _all_finite(g) and _all_finite(weight):
        # [N*OH, O*OW] @ [O*OW, KH*C*W] -> what each of the KH rows of input gets
        rows = _to_rows(g).reshape(n * math.prod(out[:-1]), o * out[-1])
        parts = rows @ _band(weight, width, out[-1], geometry).T
        parts = parts.reshape(n, *out[:-1], *kernel[:-1], c, width)
        dx = np.zeros((n, *size[:-1], c, width), parts.dtype)
        for made, taken in _row_taps(kernel, out, size, geometry):
            dx[taken] += parts[made]
        return _plus(_from_rows(dx), bias)
    groups = geometry.groups
    kernels = weight.reshape(groups, o // groups, -1).swapaxes(1, 2)
    full = np.zeros((c, n, *geometry.padded(size)), np.result_type(g, weight))
    by_channel = g.swapaxes(0, 1).reshape(groups, o // groups, n, *out)
    for images, lines in _tiles(c * math.prod(kernel), n, out, full.itemsize):
        part = by_channel[:, :, images, lines]
        columns = kernels @ part.reshape(groups, o // groups, -1)
        columns = columns.reshape(c, math.prod(kernel), *part.shape[2:])
        _add_columns(full[:, images], columns, kernel, lines.start, geometry)
    return _plus(_unpadded(full, size, geometry).swapaxes(0, 1), bias)


@compiled
@_guarded
def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """Return the transpose of `conv` in its weight: g (N, O, ...) -> (O, C/G, ...)."""
    n, width = x.shape[0], x.shape[-1]
    o, c, *_, kw = weight_shape
    kernel, out = weight_shape[2:], g.shape[2:]
    dw = np.zeros(weight_shape, np.result_type(g, x))
    if _prefers_bands(dw, width, geometry):
        # [KH*C*W, N*OH] @ [N*OH, O*OW] -> the band's gradient; a kernel element's is its diagonal's sum
        rows = _to_rows(g).reshape(n * math.prod(out[:-1]), o * out[-1])
        band = _rows(x, kernel, out, geometry).T @ rows
        if _all_finite(band):  # smaller than x and g, and not finite where they are not
            kh = math.prod(kernel[:-1])
            by_column = dw.reshape(o, c, kh, kw)
            for j, diagonal in _diagonals(band.reshape(kh, c, width, o, out[-1]), kw, geometry):
                by_column[..., j] = diagonal.sum(axis=-1).transpose(2, 1, 0)
            return dw
    groups = geometry.groups
    by_channel = g.swapaxes(0, 1).reshape(groups, o // groups, n, *out)
    total = dw.reshape(groups, o // groups, -1)
    for images, lines, columns in _columns(x, kernel, out, geometry):
        part = by_channel[:, :, images, lines].reshape(groups, o // groups, -1)
        total += part @ columns.swapaxes(1, 2)
    return dw


def unfold(x: np.ndarray, kernel: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the columns of `x` (N, C, ...): one for each place of a kernel, (N, C*K, places)."""
    n, c = x.shape[:2]
    size = geometry.output_size(x.shape[2:], kernel)
    windows = _windows(_padded(x, geometry), kernel, size, geometry)
    columns = np.moveaxis(windows, len(kernel) + 1, 0).copy()
    return columns.reshape(n, c * math.prod(kernel), math.prod(size))


def fold(columns: np.ndarray, kernel: Sizes, size: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the transpose of `unfold`, (N, C, *size): each element the sum of its copies."""
    n, depth = columns.shape[:2]
    taps = math.prod(kernel)
    full = np.zeros((n, depth // taps, *geometry.padded(size)), columns.dtype)
    columns = columns.reshape(n, depth // taps, taps, *geometry.output_size(size, kernel))
    _add_columns(full.swapaxes(0, 1), np.moveaxis(columns, 0, 2), kernel, 0, geometry)
    return _unpadded(full, size, geometry)


def _plus(out: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """Add `bias` (O,) to `out` (N, O, ...), in place."""
    if bias is not None:
        out += bias.reshape(-1, *(1,) * (out.ndim - 2))
    return out


def _prefers_bands(weight: np.ndarray, width: int, geometry: Geometry) -> bool:
    o, kw = weight.shape[0], weight.shape[-1]
    return geometry.groups == 1 and width * o < kw * (67 + 2 * o) and weight.size > 0


def _all_finite(x: np.ndarray) -> bool:
    """Whether no element is inf or nan; a band would spread it over its row as 0 * inf = nan."""
    return bool(np.isfinite(x.sum()))


# -- bands -------------------------------------------------------------------------------------


def _to_rows(x: np.ndarray) -> np.ndarray:
    """Return (N, C, ..., W) as (N, ..., C, W)."""
    last = x.ndim - 1
    return x.transpose(0, *range(2, last), 1, last)


def _from_rows(x: np.ndarray) -> np.ndarray:
    """Return (N, ..., C, W) as (N, C, ..., W)."""
    last = x.ndim - 1
    return x.transpose(0, last - 1, *range(1, last - 1), last)


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


def _row_taps(
    kernel: Sizes, out: Sizes, size: Sizes, geometry: Geometry
) -> Iterator[tuple[tuple[slice | int, ...], tuple[slice, ...]]]:
    """Yield, for each tap of all axes but the last, the rows that it makes and takes.

    Of an array [N, *outputs, *taps, C, W] and of one [N, *inputs, C, W].
    """
    axes = [
        _taps(kernel[axis], out[axis], size[axis], axis, geometry) for axis in range(len(kernel) - 1)
    ]
    for taps in itertools.product(*axes):
        made = [outputs for _, outputs, _ in taps]
        yield (_ALL, *made, *[i for i, _, _ in taps]), (_ALL, *[inputs for _, _, inputs in taps])


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
    for j, outputs, inputs in _taps(kw, ow, width, -1, geometry):
        shape = (kh, c, o, outputs.stop - outputs.start)
        start = inputs.start * sx + outputs.start * sy
        yield j, np.ndarray(shape, band.dtype, band, start, strides)


# -- columns -----------------------------------------------------------------------------------


def _padded(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    size = x.shape[2:]
    full = geometry.padded(size)
    if full == size:
        return x
    padded = np.zeros((*x.shape[:2], *full), x.dtype)
    _unpadded(padded, size, geometry)[...] = x
    return padded


def _unpadded(padded: np.ndarray, size: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the view of what is not padding; `size` is its size."""
    sides = zip(size, geometry.padding, strict=True)
    inner = [slice(before, before + n) for n, (before, _) in sides]
    return padded[(_ALL, _ALL, *inner)]


def _windows(padded: np.ndarray, kernel: Sizes, out: Sizes, geometry: Geometry) -> np.ndarray:
    """Return the view [C, *kernel, N, *out] of the input that each kernel element meets."""
    n, c = padded.shape[:2]
    sn, sc, *steps = padded.strides
    taps = map(operator.mul, steps, geometry.dilation)
    moves = map(operator.mul, steps, geometry.stride)
    shape, strides = (c, *kernel, n, *out), (sc, *taps, sn, *moves)
    if padded.flags.c_contiguous:  # the same in 0.5 us, where as_strided takes 3
        return np.ndarray(shape, padded.dtype, padded, 0, strides)
    return as_strided(padded, shape, strides)


def _tiles(depth: int, n: int, out: Sizes, itemsize: int) -> Iterator[tuple[slice, slice]]:
    """Yield slices of images, and of outputs along the first axis, that make about one tile."""
    length = out[0]
    lines = max(1, TILE // max(1, depth * math.prod(out[1:]) * itemsize))
    images = max(1, lines // length)
    lines = length if images > 1 else min(lines, length)
    for first in range(0, n, images):
        for line in range(0, length, lines):
            yield slice(first, min(first + images, n)), slice(line, min(line + lines, length))


def _columns(
    x: np.ndarray, kernel: Sizes, out: Sizes, geometry: Geometry
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yield each tile with its columns [G, K, n*lines*OW]; the buffer is reused."""
    n, c = x.shape[:2]
    windows = _windows(_padded(x, geometry), kernel, out, geometry)
    groups, depth = geometry.groups, c * math.prod(kernel)
    buffer = np.empty(0, x.dtype)
    every = (_ALL,) * (1 + len(kernel))
    for images, lines in _tiles(depth, n, out, x.itemsize):
        part = windows[(*every, images, lines)]
        if part.size > buffer.size:
            buffer = np.empty(part.size, x.dtype)
        columns = buffer[: part.size].reshape(part.shape)
        np.copyto(columns, part)
        places = math.prod(part.shape[len(every) :])
        yield images, lines, columns.reshape(groups, depth // groups, places)


def _add_columns(
    padded: np.ndarray, columns: np.ndarray, kernel: Sizes, first: int, geometry: Geometry
) -> None:
    """Add columns [C, K, N, *out] to the inputs [C, N, ...] that kernel elements meet.

    The outputs begin with number `first` along their first axis.
    """
    axes = []
    for k, count, s, d in zip(
        kernel, columns.shape[3:], geometry.stride, geometry.dilation, strict=True
    ):
        begins = range(first * s, first * s + k * d, d)
        axes.append([slice(begin, begin + (count - 1) * s + 1, s) for begin in begins])
        first = 0  # along the other axes
    for tap, place in enumerate(itertools.product(*axes)):
        padded[(_ALL, _ALL, *place)] += columns[:, tap]
