"""Convolution by windows: of an input with its channels last, each window is one run of memory.

For each output row, the KH rows of input that it needs are laid out so that a pixel x has them one
after the other, [W, KH, C]. The window at x is then KW*KH*C elements that lie together, and begin
with pixel x*stride. Every m-th of them (m = KW/stride, rounded up) do not overlap: they are the
rows of a matrix, with no further copy. So m products do it all::

    windows [rows*OW/m, KW*KH*C]  @  kernel [KW*KH*C, O]  ->  every m-th pixel of out [N,OH,OW,O]

KH copies of the input are made, for a tile of images at a time. Windows that begin near the end of
a row reach into the next one: their slots are computed, too, and dropped.

The transpose in the input is a convolution itself: with a stride, one for each remainder (phase)
of the position, with the taps that meet it. In other dimensions the rows are along the last of
them, and KH and OH stand for the others together. The dilation must be 1.

Where the weight is not finite, `conv_transpose` is wrong (0 * inf = nan, in the padding); where
the result of `conv_weight` is not, it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from .geometry import Geometry, Sizes, channels_last, channels_second, taps, tiles

_ALL = slice(None)


def conv(x: np.ndarray, weight: np.ndarray, geometry: Geometry) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv`."""
    size, groups = geometry.output_size(x.shape[2:], weight.shape[2:]), geometry.groups
    out = np.empty((len(x), *size, len(weight)), np.result_type(x, weight))
    x = channels_last(x)
    for part, kernels, target in zip(
        _split(x, groups), np.split(weight, groups), _split(out, groups), strict=True
    ):
        _correlate(part, kernels, geometry, target)
    return channels_second(out)


def conv_transpose(
    g: np.ndarray, weight: np.ndarray, input_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_transpose`."""
    n, c, *size = input_shape
    groups, kernel = geometry.groups, weight.shape[2:]
    dx = np.empty((n, *size, c), np.result_type(g, weight))
    g = channels_last(g)
    for part, kernels, target in zip(
        _split(g, groups), np.split(weight, groups), _split(dx, groups), strict=True
    ):
        for phase in itertools.product(*map(range, geometry.stride)):
            # input position y*s + phase meets the taps tap, tap + s, ... of the outputs y + shift,
            # y + shift - 1, ...
            axes = list(zip(phase, geometry.stride, geometry.padding, kernel, strict=True))
            first = [(y + before) % s for y, s, (before, _), _ in axes]
            shift = [(y + before) // s for y, s, (before, _), _ in axes]
            every = tuple(map(slice, first, kernel, geometry.stride))
            chosen = np.flip(kernels[(_ALL, _ALL, *every)], tuple(range(2, weight.ndim)))
            place = target[(_ALL, *(slice(y, None, s) for y, s, _, _ in axes))]
            if chosen.size and place.size:
                before = [k - 1 - m for k, m in zip(chosen.shape[2:], shift, strict=True)]
                ones = (1,) * len(kernel)
                dense = Geometry(ones, tuple((m, 0) for m in before), ones)
                _correlate(part, chosen.swapaxes(0, 1), dense, place)
            else:
                place[...] = 0
    return channels_second(dx)


def conv_weight(
    g: np.ndarray, x: np.ndarray, weight_shape: Sizes, geometry: Geometry
) -> np.ndarray:
    """See `tinygrad_cnn.kernels.conv.conv_weight`."""
    o, c, *kernel = weight_shape
    groups, size = geometry.groups, g.shape[2:]
    dw = np.zeros((groups, math.prod(kernel) * c, o // groups), np.result_type(g, x))
    x, g = channels_last(x), channels_last(g)
    for inputs, outputs, total in zip(_split(x, groups), _split(g, groups), dw, strict=True):
        for at, slots, windows in _windows(inputs, tuple(kernel), size, geometry):
            part = outputs[at]
            spread = np.empty((*part.shape[:-2], slots, part.shape[-1]), g.dtype)
            spread[..., : size[-1], :] = part
            spread[..., size[-1] :, :] = 0
            flat = spread.reshape(-1, part.shape[-1])
            for phase, matrix in enumerate(windows):
                total += matrix.T @ flat[phase :: len(windows)]
    # [G, KW, *lead, C, O/G] -> [G, O/G, C, *lead, KW]
    dims = len(kernel)
    by_tap = dw.reshape(groups, kernel[-1], *kernel[:-1], c, o // groups)
    return by_tap.transpose(0, dims + 2, dims + 1, *range(2, dims + 1), 1).reshape(weight_shape)


def _split(x: np.ndarray, groups: int) -> list[np.ndarray]:
    return np.split(x, groups, axis=-1)


def _correlate(x: np.ndarray, weight: np.ndarray, geometry: Geometry, out: np.ndarray) -> None:
    """Write the convolution of `x` (N, ..., C) with `weight` (O, C, ...) to `out` (N, ..., O)."""
    o, kernel, width = len(weight), weight.shape[2:], out.shape[-2]
    # [KW, *lead, C, O], as a window lies in memory
    by_tap = weight.transpose(weight.ndim - 1, *range(2, weight.ndim - 1), 1, 0)
    matrix = by_tap.reshape(-1, o)
    for at, slots, windows in _windows(x, kernel, out.shape[1:-1], geometry):
        target = out[at]
        products = np.empty((math.prod(target.shape[:-2]) * slots, o), out.dtype)
        for phase, part in enumerate(windows):
            np.matmul(part, matrix, out=products[phase :: len(windows)])
        target[...] = products.reshape(*target.shape[:-2], slots, o)[..., :width, :]


def _windows(
    x: np.ndarray, kernel: Sizes, size: Sizes, geometry: Geometry
) -> Iterator[tuple[tuple[slice, ...], int, list[np.ndarray]]]:
    """Yield for each tile its place in the output, the slots of a row, and the matrices of windows.

    Row r of matrix m is the window of slot r*M + m of all rows in the tile, for M matrices. The
    buffer is reused.
    """
    n, c = len(x), x.shape[-1]
    *lead, kw = kernel
    step = geometry.stride[-1]
    phases = -(-kw // step)
    slots = size[-1] + phases - 1
    pixel = math.prod(lead) * c
    buffer = np.empty(0, x.dtype)
    per_line = slots * step * pixel * math.prod(size[1:-1])
    for images, lines in tiles(per_line, n, (*size[:-1], 1)[0], x.itemsize):
        at = (images, lines)[: len(kernel)]
        rows = (images.stop - images.start, lines.stop - lines.start, *size[1:-1])[: len(kernel)]
        count = math.prod(rows) * slots
        end = count * step * pixel
        if buffer.size < end + kw * pixel:
            buffer = np.empty(end + kw * pixel, x.dtype)
        buffer[end : end + kw * pixel] = 0  # the last slots reach into it
        pixels = buffer[:end].reshape(*rows, slots * step, math.prod(lead), c)
        _lay_out(pixels, x[images], lead, lines.start, geometry)
        windows = []
        for phase in range(phases):
            shape = (len(range(phase, count, phases)), kw * pixel)
            strides = (phases * step * pixel * x.itemsize, x.itemsize)
            offset = phase * step * pixel * x.itemsize
            windows.append(np.ndarray(shape, x.dtype, buffer, offset, strides))
        yield at, slots, windows


def _lay_out(
    pixels: np.ndarray, x: np.ndarray, lead: list[int], first: int, geometry: Geometry
) -> None:
    """Write the rows of `x` (N, ..., W, C) that the outputs need to `pixels` (N, ..., W', KH, C).

    With zeros where there is padding; the output lines begin with number `first`.
    """
    *size, width, c = x.shape[1:]
    left = geometry.padding[-1][0]
    begin, end = max(0, left), max(0, min(pixels.shape[-3], left + width))
    columns = slice(begin, max(begin, end)), slice(begin - left, max(begin, end) - left)
    axes = [
        taps(k, out, n, axis, geometry, 0 if axis else first)
        for axis, (k, out, n) in enumerate(zip(lead, pixels.shape[1:-3], size, strict=True))
    ]
    # items of a pixel's channels are copied two to three times as fast as channels, where few
    chunk = np.dtype((np.void, c * x.itemsize)) if lead else x.dtype
    for tap, lines in enumerate(itertools.product(*axes)):
        target = pixels[..., tap, :]
        made = (*[outputs for _, outputs, _ in lines], columns[0])
        taken = (*[inputs for _, _, inputs in lines], columns[1])
        for axis, inner in enumerate(made, 1):
            target[(_ALL,) * axis + (slice(0, inner.start),)] = 0
            target[(_ALL,) * axis + (slice(inner.stop, None),)] = 0
        target[(_ALL, *made)].view(chunk)[...] = x[(_ALL, *taken)].view(chunk)
