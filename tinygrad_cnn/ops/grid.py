"""Spatial transformers: images sampled at the points of a grid, and the grid of an affine map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor
from .elementwise import quiet, where
from .interpolate import taps
from .joining import stack
from .linalg import matmul
from .reduce import sum
from .shape import reshape

# -- affine_grid -------------------------------------------------------------------------------


@op
def affine_grid(theta: Array, size: Sequence[int], align_corners: bool | None = None) -> Any:
    """Return the grid of points, for `grid_sample`, that affine maps take an image's grid to.

    Parameters
    ----------
    theta : Tensor
        (N, 2, 3) or (N, 3, 4): for each image a matrix and, as the last column, a shift.
    size : sequence of int
        (N, C, H, W) or (N, C, D, H, W), of the result of `grid_sample`.
    align_corners : bool, optional
        Whether -1 and 1 are the centres of the outermost pixels, not the borders of the image.

    Returns
    -------
    Tensor
        (N, H, W, 2) or (N, D, H, W, 3): points (x, y) or (x, y, z).

    Raises
    ------
    ValueError
        If `theta` is not floating, its shape does not fit, or `size` is not positive.
    NotImplementedError
        If `size` has another length.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> theta = tg.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    >>> tg.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
    tensor([[[[0., 0.],
              [1., 0.]]]])
    """
    check_tensor("affine_grid", theta, "theta")
    axes = len(size) - 2
    if axes not in (2, 3):
        raise NotImplementedError(
            f"affine_grid: size must be (N, C, H, W) or (N, C, D, H, W), got {tuple(size)}"
        )
    if theta.dtype.kind != "f":
        raise ValueError(f"affine_grid: theta must be floating, got {theta.dtype}")
    if min(size) < 1:
        raise ValueError(f"affine_grid: size must be positive, got {tuple(size)}")
    if theta.shape != (size[0], axes, axes + 1):
        raise ValueError(
            f"affine_grid: theta has shape {theta.shape}, size {tuple(size)} expects "
            f"{(size[0], axes, axes + 1)}"
        )
    base = _base_grid(size, align_corners, theta.dtype)
    return (base @ theta.swapaxes(1, 2)).reshape(size[0], *size[2:], axes)


@affine_grid.gradient("theta")
def _(g, size, align_corners):
    points = reshape(g, (size[0], -1, g.shape[-1]))
    return matmul(points.mT, _base_grid(size, align_corners, g.dtype))  # [N,d,P] x [P,d+1]


@affine_grid.samples
def _(draw):
    axes = draw.integer(2, 3)
    size = draw.shape(axes + 2, axes + 2)
    return draw.array((size[0], axes, axes + 1)), size, draw.boolean()


def _base_grid(size: Sequence[int], align_corners: bool | None, dtype: np.dtype) -> np.ndarray:
    """Return the points of an image's own grid, each as (x, y, 1) or (x, y, z, 1)."""
    lines = []
    for n in size[2:]:
        line = np.linspace(-1, 1, n, dtype=dtype) if n > 1 else np.zeros(1, dtype)
        lines.append(line if align_corners else line * ((n - 1) / n))
    points = np.stack([*np.meshgrid(*lines, indexing="ij")[::-1], np.ones(size[2:], dtype)], -1)
    return points.reshape(-1, points.shape[-1])


# -- grid_sample -------------------------------------------------------------------------------


class Sampling(NamedTuple):
    """How `grid_sample` samples.

    It is a sum over taps, ``out[p] = sum of w(x) v(y) input[tap]`` with ``(x, y) = grid[p]``, and
    the weights are polynomials, piece by piece. The gradient of the grid needs their derivatives:
    so these are what is sampled with where `orders` asks for it, and the set is closed.
    """

    kernel: str
    padding_mode: str
    align_corners: bool
    orders: tuple[int, ...]
    """Of the weights' derivatives, for each axis of the image."""

    def derivative(self, axis: int) -> Sampling:
        """Return the same with weights differentiated once more along `axis`."""
        orders = [order + (k == axis) for k, order in enumerate(self.orders)]
        return self._replace(orders=tuple(orders))


@op(name="grid_sample")
@quiet
def _grid_sample(input: Array, grid: Array, sampling: Sampling) -> Any:
    n, channels, *size = input.shape
    dtype = np.result_type(input.dtype, np.float32)
    pixels, image = _outlined((channels, n, *size), dtype)
    image[...] = input.swapaxes(0, 1)
    out = np.zeros((channels, grid.size // len(size)), dtype)
    for place, weight in _taps(grid, size, sampling):
        part = np.take(pixels, place, 1)
        part *= weight
        out += part
    out = out.reshape(channels, *grid.shape[:-1]).swapaxes(0, 1)
    return np.ascontiguousarray(out, input.dtype)


@_grid_sample.gradient("input")
def _(g, grid, input_shape, sampling): return grid_sample_input(g, grid, input_shape, sampling)


@_grid_sample.gradient("grid")
def _(g, input, grid, sampling): return _grid_gradient(g, input, grid, sampling)


@op
@quiet
def grid_sample_input(
    cotangent: Array, grid: Array, input_shape: tuple[int, ...], sampling: Sampling
) -> Any:
    """Return the gradient of `grid_sample` with respect to its input, of shape `input_shape`."""
    n, channels, *size = input_shape
    g = cotangent.swapaxes(0, 1).reshape(channels, grid.size // len(size))
    pixels, image = _outlined((channels, n, *size), np.dtype(np.float64))
    for place, weight in _taps(grid, size, sampling):
        for total, row in zip(pixels, g * weight, strict=True):
            total += np.bincount(place, row, total.size)
    return np.ascontiguousarray(image.swapaxes(0, 1), cotangent.dtype)


@grid_sample_input.gradient("cotangent")
def _(g, grid, sampling): return _grid_sample(g, grid, sampling)


@grid_sample_input.gradient("grid")
def _(g, cotangent, grid, sampling): return _grid_gradient(cotangent, g, grid, sampling)


def _grid_gradient(g: Any, input: Any, grid: Any, sampling: Sampling) -> Any:
    """Return the gradient of ``sum(g * grid_sample(input, grid))`` with respect to the grid."""
    if sampling.kernel == "nearest":
        return where(True, 0, grid)  # also where a pixel is infinite
    slopes = [
        sum(g * _grid_sample(input, grid, sampling.derivative(axis)), 1)
        for axis in range(grid.shape[-1])
    ]
    return stack(slopes[::-1], -1)  # points are (x, y), axes are (H, W)


@_grid_sample.samples
def _(draw):
    shape, grid, sampling = _draw_case(draw)
    return draw.array(shape), grid, sampling


@grid_sample_input.samples
def _(draw):
    shape, grid, sampling = _draw_case(draw)
    return draw.array((*shape[:2], *grid.shape[1:-1])), grid, shape, sampling


def _draw_case(draw: Any) -> tuple[tuple[int, ...], np.ndarray, Sampling]:
    shape = draw.shape(4, 5)
    size = shape[2:]
    kernel = draw.choice(["linear", "nearest", "cubic"])
    align_corners = draw.boolean()
    points = (shape[0], *(draw.integer(1, 3) for _ in size))
    grid = np.empty((*points, len(size)))
    for k, n in enumerate(size[::-1]):
        # away from the centres of pixels and the borders between them: there are kinks
        pixels = draw.integers(points, -n - 1, 2 * n) + 0.5 * draw.mask(points)
        pixels = pixels + draw.rng.uniform(0.1, 0.4, points)
        grid[..., k] = 2 * pixels / max(n - 1, 1) - 1 if align_corners else (2 * pixels + 1) / n - 1
    orders = tuple(draw.integer(0, 1) for _ in size) if draw.boolean() else (0,) * len(size)
    padding_mode = draw.choice(["zeros", "border", "reflection"])
    return shape, grid, Sampling(kernel, padding_mode, align_corners, orders)


def _outlined(shape: tuple[int, ...], dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Return zeros, as (C, pixels), and of these the images, as `shape` (C, N, ...).

    The images have one pixel more at the end of each axis, for what is outside.
    """
    outlined = np.zeros((*shape[:2], *(m + 1 for m in shape[2:])), dtype)
    pixels = outlined.reshape(shape[0], math.prod(outlined.shape[1:]))
    return pixels, outlined[tuple(map(slice, shape))]


def _taps(
    grid: np.ndarray, size: Sequence[int], sampling: Sampling
) -> list[tuple[np.ndarray, Any]]:
    """Return, for each tap, its places among the pixels of `_outlined` and its weights, (points,)."""
    points = grid.reshape(-1, len(size)).astype(np.result_type(grid.dtype, np.float32), copy=False)
    image = np.repeat(np.arange(len(grid)), math.prod(grid.shape[1:-1]))
    combined: list[tuple[np.ndarray, Any]] = [(image, 1)]
    for axis, n in enumerate(size):
        along = _axis_taps(points[:, -1 - axis], n, sampling, sampling.orders[axis])
        combined = [
            (place * (n + 1) + position, weight * factor)
            for place, weight in combined
            for position, factor in zip(*along, strict=True)
        ]
    return combined


def _axis_taps(
    coordinates: np.ndarray, n: int, sampling: Sampling, order: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return positions along an axis, `n` outside, and weights, both (taps, points)."""
    kernel = sampling.kernel
    if sampling.align_corners:
        x, slope = (coordinates + 1) / 2 * (n - 1), (n - 1) / 2
    else:
        x, slope = ((coordinates + 1) * n - 1) / 2, n / 2
    if kernel != "cubic":  # there not the point is moved into the image, but each of its taps
        x, turn = _into_image(x, n, sampling)
        slope = slope * turn
    base = np.rint(x) if kernel == "nearest" else np.floor(x)
    rest = np.where(np.isinf(x), 0, x - base)  # what is infinitely far is outside
    positions, weights = taps(kernel, base, rest, order)
    if kernel == "cubic":
        positions, _ = _into_image(positions, n, sampling)
    if order:
        weights = weights * slope**order
    inside = (positions >= 0) & (positions < n)
    return np.where(inside, positions, n).astype(np.intp), weights


def _into_image(x: np.ndarray, n: int, sampling: Sampling) -> tuple[np.ndarray, Any]:
    """Return positions moved into the image, by padding mode, and the derivative of that by x."""
    if sampling.padding_mode == "zeros":
        return x, 1
    turn: Any = 1
    if sampling.padding_mode == "reflection":
        low, span = (0, n - 1) if sampling.align_corners else (-0.5, n)
        if span == 0:
            return np.zeros_like(x), 0
        distance = np.abs(x - low)
        odd = np.floor(distance / span) % 2 == 1
        rest = np.fmod(distance, span)
        turn = np.where((x < low) ^ odd, -1, 1)
        x = np.where(odd, span - rest, rest) + low
    return np.clip(x, 0, n - 1), turn * ((x > 0) & (x < n - 1))


_MODES = {"bilinear": "linear", "nearest": "nearest", "bicubic": "cubic"}


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Return what `input` is at the points of a grid, between its elements interpolated.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (N, C, D, H, W).
    grid : Tensor
        (N, OH, OW, 2) or (N, OD, OH, OW, 3): points (x, y) or (x, y, z), of which -1 and 1 are
        the ends of the image. A NaN makes NaN, but with ``mode="nearest"`` is outside.
    mode : {"bilinear", "nearest", "bicubic"}
        "bilinear" means trilinear for three axes; "bicubic" takes two.
    padding_mode : {"zeros", "border", "reflection"}
        What is outside the image: 0, its border, or its mirror image.
    align_corners : bool, optional
        Whether -1 and 1 are the centres of the outermost pixels, not the borders of the image.

    Returns
    -------
    Tensor
        (N, C, OH, OW) or (N, C, OD, OH, OW).

    Raises
    ------
    ValueError
        If there is no such mode or padding mode.
    RuntimeError
        If shapes or dtypes do not fit, or the image is empty.

    References
    ----------
    .. [1] M. Jaderberg et al., "Spatial transformer networks", NeurIPS 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> image = tg.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    >>> grid = tg.tensor([[[[0.0, 0.0], [-0.5, 0.5]]]])
    >>> tg.nn.functional.grid_sample(image, grid, align_corners=False)
    tensor([[[[1.5, 2. ]]]])
    """
    check_tensor("grid_sample", input)
    check_tensor("grid_sample", grid, "grid")
    if mode not in _MODES:
        raise ValueError(f"grid_sample: mode must be bilinear, nearest or bicubic, got {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            f"grid_sample: padding_mode must be zeros, border or reflection, got {padding_mode!r}"
        )
    axes = input.ndim - 2
    if axes not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != axes:
        raise RuntimeError(
            "grid_sample: expected input (N, C, H, W) and grid (N, OH, OW, 2), or "
            f"(N, C, D, H, W) and (N, OD, OH, OW, 3), got {input.shape} and {grid.shape}"
        )
    if grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            f"grid_sample: {input.shape[0]} images, but {grid.shape[0]} grids ({grid.shape})"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(f"grid_sample: input {input.shape} has empty images")
    if input.dtype != grid.dtype or input.dtype.kind != "f":
        raise RuntimeError(
            "grid_sample: input and grid must have one floating dtype, "
            f"got {input.dtype} and {grid.dtype}"
        )
    if mode == "bicubic" and axes == 3:
        raise RuntimeError("grid_sample: mode bicubic takes images of two axes, got three")
    sampling = Sampling(_MODES[mode], padding_mode, bool(align_corners), (0,) * axes)
    return _grid_sample(input, grid, sampling)
