"""Images of another size: interpolation, and moving elements between channels and pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor

from . import pool
from ._dims import check_tensor
from .elementwise import quiet

# -- interpolation kernels ---------------------------------------------------------------------

_A = -0.75  # of Keys' cubic convolution, as in PyTorch and OpenCV

# A point at t in [0, 1) after element i is a sum over taps: the elements i + first, i + first + 1,
# ..., each times a polynomial in t, of which these are the coefficients of 1, t, t^2, t^3.
_KERNELS: dict[str, tuple[int, list[list[float]]]] = {
    "nearest": (0, [[1]]),
    "linear": (0, [[1, -1], [0, 1]]),
    "cubic": (
        -1,
        [[0, _A, -2 * _A, _A], [1, 0, -_A - 3, _A + 2], [0, -_A, 2 * _A + 3, -_A - 2], [0, 0, _A, -_A]],
    ),
}


def taps(kernel: str, base: np.ndarray, t: np.ndarray, order: int = 0) -> tuple[Any, Any]:
    """Return where the taps of points at ``base + t`` are, and their weights.

    Parameters
    ----------
    kernel : {"nearest", "linear", "cubic"}
    base, t : numpy.ndarray, shape (points,)
    order : int
        Of the weights, take this derivative by `t`.

    Returns
    -------
    places, weights : numpy.ndarray, shape (taps, points)
    """
    first, polynomials = _KERNELS[kernel]
    places = np.stack([base + (first + tap) for tap in range(len(polynomials))])
    weights = np.empty_like(places, dtype=t.dtype)
    for weight, coefficients in zip(weights, polynomials, strict=True):
        for _ in range(order):
            coefficients = [k * c for k, c in enumerate(coefficients)][1:]
        weight[:] = coefficients[-1] if coefficients else 0
        for c in coefficients[-2::-1]:
            weight *= t
            weight += c
    return places, weights


# -- interpolate -------------------------------------------------------------------------------


@op(name="interpolate")
@quiet
def _interpolate(
    input: Array, size: tuple[int, ...], steps: tuple[float, ...], mode: str, align_corners: bool
) -> Any:
    # Along each axis by itself, the last (the quickest to grow by) first.
    dtype = np.result_type(input.dtype, np.float32)
    out = input
    for axis in range(input.ndim - 1, 1, -1):
        k = axis - 2
        places, weights = _bands(mode, input.shape[axis], size[k], steps[k], align_corners, dtype)
        if "nearest" in mode:
            out = np.take(out, places[0], axis)
        else:
            out = _combine(out.astype(dtype, copy=False), axis, places, weights)
    return out.astype(input.dtype, copy=False)


@_interpolate.gradient("input")
def _(g, input_shape, steps, mode, align_corners):
    return interpolate_input(g, input_shape, steps, mode, align_corners)


@_interpolate.onnx
def _(onnx, input, size, steps, mode, align_corners):
    fits = all(
        step == _step(n, m, None, mode, align_corners)
        for n, m, step in zip(input.shape[2:], size, steps, strict=True)
    )
    scales = None if fits else np.array([1 / step for step in steps], np.float32)
    coordinates = "asymmetric" if mode == "nearest" else "half_pixel"
    return onnx.node(
        "Resize",
        input,
        None,
        scales,
        size if fits else None,
        axes=range(2, len(input.shape)),
        mode=mode.partition("-")[0],
        coordinate_transformation_mode="align_corners" if align_corners else coordinates,
        nearest_mode="floor" if mode == "nearest" else "round_prefer_ceil",
        cubic_coeff_a=_A,
    )


@op
@quiet
def interpolate_input(
    cotangent: Array,
    input_shape: tuple[int, ...],
    steps: tuple[float, ...],
    mode: str,
    align_corners: bool,
) -> Any:
    """Return the gradient of interpolation with respect to its input, of shape `input_shape`."""
    dtype = np.result_type(cotangent.dtype, np.float32)
    out = cotangent.astype(dtype, copy=False)
    for axis in range(2, cotangent.ndim):
        n, m = input_shape[axis], cotangent.shape[axis]
        bands = _bands(mode, n, m, steps[axis - 2], align_corners, dtype)
        out = _combine(out, axis, *_transposed(*bands, n))
    return out.astype(cotangent.dtype, copy=False)


@interpolate_input.gradient("cotangent")
def _(g, cotangent_shape, steps, mode, align_corners):
    return _interpolate(g, cotangent_shape[2:], steps, mode, align_corners)


@_interpolate.samples
def _(draw):
    shape, size, options = _draw_case(draw)
    return draw.array(shape), size, *options


@interpolate_input.samples
def _(draw):
    shape, size, options = _draw_case(draw)
    return draw.array((*shape[:2], *size)), shape, *options


def _draw_case(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], tuple[Any, ...]]:
    shape = draw.shape(3, 5, max_side=4)
    mode = draw.choice(["nearest", "nearest-exact", "linear", "cubic"])
    align_corners = draw.boolean() and "nearest" not in mode
    size = tuple(draw.integer(1, 6) for _ in shape[2:])
    steps = tuple(
        _step(n, m, draw.choice([None, (m + 0.5) / n]), mode, align_corners)
        for n, m in zip(shape[2:], size, strict=True)
    )
    return shape, size, (steps, mode, align_corners)


def _step(n: int, m: int, scale: float | None, mode: str, align_corners: bool) -> float:
    """Return how far apart, in elements of the input, two elements of the output are."""
    if mode in ("nearest", "linear") and n == m:  # whatever the scale factor, as in PyTorch
        return 1.0
    if align_corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / scale if scale else n / m


def _bands(
    mode: str, n: int, m: int, step: float, align_corners: bool, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for `m` elements made of `n`: places (taps, m) in the input, and their weights.

    Computed in `dtype`, rounded to float32 before the nearest is taken: then what lies on the
    border between two elements falls on the same side as in PyTorch.
    """
    points, by = np.arange(m, dtype=dtype), dtype.type(step)
    if mode == "nearest":
        source = (points * by).astype(np.float32)
    elif mode == "nearest-exact":
        source = ((points + 0.5) * by).astype(np.float32)
    elif align_corners:
        source = points * by
    else:
        source = (points + 0.5) * by - 0.5
    if mode == "linear":
        source = np.maximum(source, 0)
    base = np.minimum(np.floor(source), n - 1)
    kernel = "nearest" if "nearest" in mode else mode
    places, weights = taps(kernel, base, np.clip(source - base, 0, 1))
    return np.clip(places, 0, n - 1).astype(np.intp), weights


def _transposed(places: np.ndarray, weights: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bands of the transpose: for each input element, the outputs made of it."""
    m = places.shape[1]
    matrix = np.zeros((n, m), weights.dtype)
    np.add.at(matrix, (places, np.arange(m)), weights)
    rows = np.arange(n)
    # places grow along both axes, so the outputs in question are adjacent
    start = np.searchsorted(places[-1], rows, "left")
    stop = np.searchsorted(places[0], rows, "right")
    length = int((stop - start).max())
    bands = np.minimum(start, m - length) + np.arange(length)[:, None]
    return bands, matrix[rows, bands]


def _combine(x: np.ndarray, axis: int, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the sum over taps of the elements at `places` along `axis`, times `weights`."""
    shape = (-1,) + (1,) * (x.ndim - axis - 1)
    total = np.take(x, places[0], axis) * weights[0].reshape(shape)
    for place, weight in zip(places[1:], weights[1:], strict=True):
        part = np.take(x, place, axis)
        part *= weight.reshape(shape)
        total += part
    return total


_NDIM = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Return images of another size, their elements interpolated between those of `input`.

    Parameters
    ----------
    input : Tensor
        (N, C, L), (N, C, H, W) or (N, C, D, H, W).
    size : int or sequence of int, optional
        Of the result, for all axes or each. Either this or `scale_factor` is given.
    scale_factor : float or sequence of float, optional
        How much larger the result is; its size is rounded down.
    mode : str
        "nearest" (the element at or before), "nearest-exact" (the element around the same point),
        "linear", "bilinear" or "trilinear" (for 1, 2 or 3 axes), "bicubic" (for 2), or "area"
        (means over regions, see `adaptive_avg_pool2d`).
    align_corners : bool, optional
        For the linear and cubic modes: lay the centres of the corner elements on each other, not
        the corners themselves.
    recompute_scale_factor : bool, optional
        Use the ratio of the sizes instead of `scale_factor`, from which it differs by the rounding.
    antialias : bool
        Not available.

    Returns
    -------
    Tensor
        (N, C, OL), (N, C, OH, OW) or (N, C, OD, OH, OW), in the dtype of `input`.

    Raises
    ------
    ValueError
        If not exactly one of `size` and `scale_factor` is given, its length does not fit, or
        `align_corners` or `recompute_scale_factor` has no meaning.
    NotImplementedError
        If there is no such mode for so many dimensions, or with `antialias`.
    TypeError
        If the input is no tensor, or a size no integer.
    RuntimeError
        If the input is empty or not floating (uint8 with the nearest modes), or the output would
        be empty.

    References
    ----------
    .. [1] R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans.
       Acoustics, Speech, and Signal Processing 29 (6), 1981.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[[0.0, 4.0]]])
    >>> tg.nn.functional.interpolate(x, scale_factor=2, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    >>> tg.nn.functional.interpolate(x, 3)
    tensor([[[0., 0., 4.]]])
    """
    check_tensor("interpolate", input)
    if antialias:
        raise NotImplementedError("interpolate: antialias=True is not available")
    nearest = mode in ("nearest", "nearest-exact")
    if input.ndim not in (3, 4, 5) or not (
        nearest or mode == "area" or _NDIM.get(mode) == input.ndim
    ):
        raise NotImplementedError(
            f"interpolate: there is no mode {mode!r} for an input of {input.ndim} dimensions; "
            "nearest, nearest-exact and area take 3, 4 or 5, linear 3, bilinear and bicubic 4, "
            "trilinear 5"
        )
    if align_corners is not None and mode not in _NDIM:
        raise ValueError(f"interpolate: mode {mode!r} takes no align_corners")
    shape = input.shape[2:]
    if (size is None) is (scale_factor is None):
        raise ValueError(
            f"interpolate: give either size or scale_factor, got {size} and {scale_factor}"
        )
    scales: Sequence[float | None]
    if scale_factor is None:
        if recompute_scale_factor:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor, not size")
        sizes, scales = _per_axis("size", size, shape, int, np.integer), [None] * len(shape)
    else:
        scales = _per_axis("scale_factor", scale_factor, shape, float, int, np.number)
        sizes = [int(n * scale) for n, scale in zip(shape, scales, strict=True)]
        if recompute_scale_factor:
            scales = [None] * len(shape)
    if min(sizes) < 1 or 0 in input.shape[1:]:
        raise RuntimeError(
            f"interpolate: input {input.shape} and output size {tuple(sizes)} must not be empty"
        )
    if input.dtype.kind != "f" and not (nearest and input.dtype == np.uint8):
        raise RuntimeError(f"interpolate: mode {mode!r} does not take {input.dtype}")
    if mode == "area":
        means = (pool.adaptive_avg_pool1d, pool.adaptive_avg_pool2d, pool.adaptive_avg_pool3d)
        return means[len(shape) - 1](input, sizes)
    kernel = mode if nearest else "cubic" if mode == "bicubic" else "linear"
    aligned = bool(align_corners)
    steps = tuple(
        _step(n, m, scale, kernel, aligned)
        for n, m, scale in zip(shape, sizes, scales, strict=True)
    )
    return _interpolate(input, tuple(sizes), steps, kernel, aligned)


def _per_axis(argument: str, value: Any, shape: tuple[int, ...], *kinds: type) -> list[Any]:
    values = list(value) if isinstance(value, (tuple, list)) else [value] * len(shape)
    if len(values) != len(shape):
        raise ValueError(
            f"interpolate: {argument} must have one value for each axis of {shape}, got {value}"
        )
    if not all(isinstance(v, kinds) for v in values):
        raise TypeError(f"interpolate: {argument} must be of {kinds[0].__name__}, got {value!r}")
    return values


# -- between channels and pixels ---------------------------------------------------------------


@op
def pixel_shuffle(input: Array, upscale_factor: int) -> Any:
    """Lay the channels of each group of ``r * r`` out as ``r x r`` pixels, r the factor.

    Parameters
    ----------
    input : Tensor, shape (..., C * r * r, H, W)
    upscale_factor : int

    Returns
    -------
    Tensor, shape (..., C, H * r, W * r)

    Raises
    ------
    RuntimeError
        If the channels are not such groups, or there are fewer than 3 dimensions.

    References
    ----------
    .. [1] W. Shi et al., "Real-time single image and video super-resolution using an efficient
       sub-pixel convolutional neural network", CVPR 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.pixel_shuffle(tg.arange(8.0).reshape(4, 1, 2), 2)
    tensor([[[0., 2., 1., 3.],
             [4., 6., 5., 7.]]])
    """
    _check_factor("pixel_shuffle", "upscale_factor", upscale_factor, input)
    r = upscale_factor
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(f"pixel_shuffle: {c} channels are not groups of {r * r} (shape {input.shape})")
    blocks = input.reshape(*batch, c // (r * r), r, r, h, w)
    # [.., c, i, j, h, w] -> [.., c, h, i, w, j]
    out = np.array(np.moveaxis(blocks, (-2, -1), (-4, -2)), order="C")
    return out.reshape(*batch, c // (r * r), h * r, w * r)


@pixel_shuffle.onnx
def _(onnx, input, upscale_factor, out):
    r = upscale_factor
    *batch, c, h, w = input.shape
    k = len(batch)
    blocks = onnx.reshape(input, (*batch, c // (r * r), r, r, h, w))
    order = [*range(k), k, k + 3, k + 1, k + 4, k + 2]
    return onnx.reshape(onnx.node("Transpose", blocks, perm=order), out.shape)


@pixel_shuffle.gradient("input")
def _(g, upscale_factor): return pixel_unshuffle(g, upscale_factor)


@op
def pixel_unshuffle(input: Array, downscale_factor: int) -> Any:
    """Make channels of the pixels of each ``r x r`` block: what undoes `pixel_shuffle`.

    Parameters
    ----------
    input : Tensor, shape (..., C, H * r, W * r)
    downscale_factor : int

    Returns
    -------
    Tensor, shape (..., C * r * r, H, W)

    Raises
    ------
    RuntimeError
        If the image is not made of such blocks, or there are fewer than 3 dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.pixel_unshuffle(tg.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    _check_factor("pixel_unshuffle", "downscale_factor", downscale_factor, input)
    r = downscale_factor
    *batch, c, h, w = input.shape
    if h % r or w % r:
        raise RuntimeError(f"pixel_unshuffle: {h} x {w} is not made of blocks of {r} x {r}")
    blocks = input.reshape(*batch, c, h // r, r, w // r, r)
    # [.., c, h, i, w, j] -> [.., c, i, j, h, w]
    out = np.array(np.moveaxis(blocks, (-4, -2), (-2, -1)), order="C")
    return out.reshape(*batch, c * r * r, h // r, w // r)


@pixel_unshuffle.onnx
def _(onnx, input, downscale_factor, out):
    r = downscale_factor
    *batch, c, h, w = input.shape
    k = len(batch)
    blocks = onnx.reshape(input, (*batch, c, h // r, r, w // r, r))
    order = [*range(k), k, k + 2, k + 4, k + 1, k + 3]
    return onnx.reshape(onnx.node("Transpose", blocks, perm=order), out.shape)


@pixel_unshuffle.gradient("input")
def _(g, downscale_factor): return pixel_shuffle(g, downscale_factor)


def _check_factor(name: str, argument: str, factor: Any, input: Any) -> None:
    check_tensor(name, input)
    if input.ndim < 3:
        raise RuntimeError(f"{name}: input must be (..., C, H, W), got shape {input.shape}")
    if factor < 1:
        raise RuntimeError(f"{name}: {argument} must be positive, got {factor}")


@pixel_shuffle.samples
def _(draw):
    r = draw.integer(1, 3)
    *batch, c, h, w = draw.shape(3, 5)
    return draw.array((*batch, c * r * r, h, w)), r


@pixel_unshuffle.samples
def _(draw):
    r = draw.integer(1, 3)
    *batch, c, h, w = draw.shape(3, 5)
    return draw.array((*batch, c, h * r, w * r)), r


@op
def channel_shuffle(input: Array, groups: int) -> Any:
    """Take one channel of each of `groups` groups in turn.

    Parameters
    ----------
    input : Tensor, shape (N, C, *)
    groups : int

    Raises
    ------
    RuntimeError
        If the channels do not make so many groups of one size, or there are fewer than 3
        dimensions.

    References
    ----------
    .. [1] X. Zhang et al., "ShuffleNet: an extremely efficient convolutional neural network for
       mobile devices", CVPR 2018.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.channel_shuffle(tg.arange(6).reshape(1, 6, 1), 2).flatten()
    tensor([0, 3, 1, 4, 2, 5])
    """
    check_tensor("channel_shuffle", input)
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle: input must be (N, C, *), got shape {input.shape}")
    n, c, *rest = input.shape
    if groups < 1 or c % groups:
        raise RuntimeError(f"channel_shuffle: {c} channels do not make {groups} groups of one size")
    rows = input.reshape(n, groups, c // groups, *rest)
    return np.array(rows.swapaxes(1, 2), order="C").reshape(input.shape)


@channel_shuffle.onnx
def _(onnx, input, groups, out):
    n, c, *rest = input.shape
    rows = onnx.reshape(input, (n, groups, c // groups, *rest))
    order = [0, 2, 1, *range(3, len(rest) + 3)]
    return onnx.reshape(onnx.node("Transpose", rows, perm=order), out.shape)


@channel_shuffle.gradient("input")
def _(g, groups): return channel_shuffle(g, g.shape[1] // groups)


@channel_shuffle.samples
def _(draw):
    groups = draw.integer(1, 3)
    n, c, *rest = draw.shape(3, 5)
    return draw.array((n, c * groups, *rest)), groups
