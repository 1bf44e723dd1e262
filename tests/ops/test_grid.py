"""Sampling at the points of a grid against loops over points and taps, affine grids, and errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


# -- affine_grid -------------------------------------------------------------------------------


def coordinate(i, n, align_corners):
    if align_corners:
        return -1 + 2 * i / (n - 1) if n > 1 else 0.0
    return (2 * i + 1) / n - 1


@pytest.mark.oracle("affine_grid")
@pytest.mark.parametrize("seed", range(30))
def test_affine_grid_against_loops(seed):
    theta, size, align_corners = drawn("affine_grid", seed)
    out = registry["affine_grid"](theta, size, align_corners)
    assert out.shape == (size[0], *size[2:], len(size) - 2)
    for n, *pixel in itertools.product(range(size[0]), *map(range, size[2:])):
        own = [coordinate(i, m, align_corners) for i, m in zip(pixel, size[2:], strict=True)]
        expected = theta[n] @ [*own[::-1], 1]
        np.testing.assert_allclose(out[(n, *pixel)], expected, atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 3, 2, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_identity_gives_the_image(shape, align_corners, mode):
    axes = len(shape) - 2
    if mode == "bicubic" and axes == 3:
        return
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    theta = tg.tensor(np.stack([np.eye(axes, axes + 1, dtype=np.float32)] * shape[0]))
    grid = F.affine_grid(theta, shape, align_corners)
    assert grid.dtype == tg.float32
    out = F.grid_sample(tg.tensor(x), grid, mode, align_corners=align_corners)
    np.testing.assert_allclose(out.data, x, atol=1e-5)


@pytest.mark.parametrize(
    ("theta", "size", "kind", "message"),
    [
        (tg.zeros(1, 2, 3), (1, 1, 4), NotImplementedError, r"size must be .* got \(1, 1, 4\)"),
        (
            tg.zeros(1, 2, 3, dtype=tg.int64),
            (1, 1, 2, 2),
            ValueError,
            "must be floating, got int64",
        ),
        (tg.zeros(1, 2, 3), (1, 1, 0, 2), ValueError, "size must be positive"),
        (tg.zeros(2, 2, 3), (1, 1, 2, 2), ValueError, r"shape \(2, 2, 3\), size .* \(1, 2, 3\)"),
        (tg.zeros(1, 2, 3), (1, 1, 2, 2, 2), ValueError, r"expects \(1, 3, 4\)"),
    ],
)
def test_affine_grid_errors(theta, size, kind, message):
    with pytest.raises(kind, match=f"affine_grid: .*{message}"):
        F.affine_grid(theta, size, align_corners=False)


# -- grid_sample -------------------------------------------------------------------------------


def folded(x, n, padding_mode, align_corners):
    """Move a position into the image, turning back at one end after the other."""
    if padding_mode == "reflection":
        low, high = (0, n - 1) if align_corners else (-0.5, n - 0.5)
        while low < high and not low <= x <= high:
            x = 2 * low - x if x < low else 2 * high - x
    return x if padding_mode == "zeros" else min(max(x, 0), n - 1)


def hat(distance):
    return max(0.0, 1 - abs(distance))


def keys(distance, a=-0.75):
    s = abs(distance)
    if s < 1:
        return (a + 2) * s**3 - (a + 3) * s**2 + 1
    return a * s**3 - 5 * a * s**2 + 8 * a * s - 4 * a if s < 2 else 0.0


def weights_along(at, n, mode, padding_mode, align_corners):
    """Return {pixel: weight} of a coordinate along one axis."""
    x = (at + 1) / 2 * (n - 1) if align_corners else ((at + 1) * n - 1) / 2
    if mode != "cubic":
        x = folded(x, n, padding_mode, align_corners)
    if mode == "nearest":
        taps = {round(x): 1.0}
    else:
        near = range(math.floor(x) - 1, math.floor(x) + 3)
        taps = {j: hat(x - j) if mode == "linear" else keys(x - j) for j in near}
    result: dict = {}
    for j, weight in taps.items():
        place = round(folded(j, n, padding_mode, align_corners)) if mode == "cubic" else j
        if 0 <= place < n:
            result[place] = result.get(place, 0.0) + weight
    return result


def derivative_along(at, order, *args):
    """Return the same weights, or their central difference."""
    if not order:
        return weights_along(at, *args)
    h = 1e-5
    after, before = weights_along(at + h, *args), weights_along(at - h, *args)
    places = after.keys() | before.keys()
    return {j: (after.get(j, 0.0) - before.get(j, 0.0)) / (2 * h) for j in places}


def contributions(point, size, mode, padding_mode, align_corners, orders):
    """Yield (pixel, weight) for a point (x, y) or (x, y, z)."""
    along = [
        derivative_along(at, order, n, mode, padding_mode, align_corners)
        for at, n, order in zip(point[::-1], size, orders, strict=True)
    ]
    for chosen in itertools.product(*(weights.items() for weights in along)):
        yield tuple(j for j, _ in chosen), math.prod(weight for _, weight in chosen)


@pytest.mark.oracle("grid_sample")
@pytest.mark.parametrize("seed", range(150))
def test_grid_sample_against_loops(seed):
    x, grid, sampling = drawn("grid_sample", seed)
    expected = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for n, *place in np.ndindex(grid.shape[:-1]):
        for pixel, weight in contributions(grid[(n, *place)], x.shape[2:], *sampling):
            expected[(n, slice(None), *place)] += weight * x[(n, slice(None), *pixel)]
    np.testing.assert_allclose(registry["grid_sample"](x, grid, sampling), expected, atol=1e-8)


@pytest.mark.oracle("grid_sample_input")
@pytest.mark.parametrize("seed", range(150))
def test_grid_sample_input_against_loops(seed):
    g, grid, shape, sampling = drawn("grid_sample_input", seed)
    expected = np.zeros(shape)
    for n, *place in np.ndindex(grid.shape[:-1]):
        for pixel, weight in contributions(grid[(n, *place)], shape[2:], *sampling):
            expected[(n, slice(None), *pixel)] += weight * g[(n, slice(None), *place)]
    out = registry["grid_sample_input"](g, grid, shape, sampling)
    np.testing.assert_allclose(out, expected, atol=1e-8)


def sample(image, points, **options):
    """Return (values, gradient of the points) of a 2-d image at some points."""
    grid = tg.tensor([[points]], dtype=tg.float64, requires_grad=True)
    out = F.grid_sample(tg.tensor([[image]], dtype=tg.float64), grid, **options)
    out.sum().backward()
    return out.flatten().tolist(), grid.grad.data[0, 0].tolist()


IMAGE = [[1.0, 2.0, 4.0]]


@pytest.mark.parametrize("padding_mode", ["border", "reflection"])
def test_at_the_border_the_gradient_is_zero(padding_mode):
    options = {"padding_mode": padding_mode, "align_corners": True}
    assert sample(IMAGE, [(-1.0, 0.0), (1.0, 0.0)], **options) == ([1.0, 4.0], [[0.0, 0.0]] * 2)
    values, gradient = sample(IMAGE, [(0.0, 0.0)], align_corners=True)
    assert values == [2.0]
    assert gradient[0][0] == 2.0  # the slope to the right of a pixel


def test_halfway_the_nearest_is_the_even_pixel():
    values, gradient = sample(IMAGE, [(-0.5, 0), (0.5, 0)], mode="nearest", align_corners=True)
    assert values == [1.0, 4.0]
    assert gradient == [[0.0, 0.0]] * 2


def test_far_away():
    far = [(1e30, 0.0), (-1e30, 0.0)]
    for mode in ("bilinear", "nearest", "bicubic"):
        assert sample(IMAGE, far, mode=mode, align_corners=False)[0] == [0.0, 0.0]
    for mode in ("bilinear", "nearest"):
        border = {"mode": mode, "padding_mode": "border", "align_corners": False}
        infinite = [(np.inf, 0.0), (-np.inf, 0.0)]
        assert sample(IMAGE, infinite, **border) == ([4.0, 1.0], [[0.0, 0.0]] * 2)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_nan_makes_nan_and_the_nearest_is_outside(padding_mode):
    point = [(np.nan, 0.0)]
    options = {"padding_mode": padding_mode, "align_corners": False}
    for mode in ("bilinear", "bicubic"):
        assert np.isnan(sample(IMAGE, point, mode=mode, **options)[0])
    assert sample(IMAGE, point, mode="nearest", **options) == ([0.0], [[0.0, 0.0]])


def test_an_infinite_pixel_outside_is_not_read():
    x = tg.tensor([[[[np.inf, 1.0, 2.0]]]])
    grid = tg.tensor([[[[0.5, 0.0], [3.0, 0.0]]]])
    assert F.grid_sample(x, grid, align_corners=True).tolist() == [[[[1.5, 0.0]]]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_keeps_the_dtype(dtype):
    x = tg.tensor(np.arange(6.0).reshape(1, 1, 2, 3), dtype=dtype, requires_grad=True)
    grid = tg.tensor([[[[0.25, 0.0]]]], dtype=dtype, requires_grad=True)
    out = F.grid_sample(x, grid, align_corners=True)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == grid.grad.dtype == dtype
    assert out.tolist() == [[[[2.75]]]]
    assert grid.grad.tolist() == [[[[1.0, 1.5]]]]


@pytest.mark.parametrize(("n", "channels", "points"), [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_nothing_to_sample(n, channels, points):
    x, grid = tg.zeros(n, channels, 4, 4, requires_grad=True), tg.zeros(n, points, 2, 2)
    out = F.grid_sample(x, grid, align_corners=False)
    assert out.shape == (n, channels, points, 2)
    out.sum().backward()
    assert not x.grad.data.any()


@pytest.mark.parametrize(
    ("shape", "grid", "options", "kind", "message"),
    [
        ((1, 1, 2, 2), (1, 2, 2, 2), {"mode": "cubic"}, ValueError, "mode must be .* got 'cubic'"),
        (
            (1, 1, 2, 2),
            (1, 2, 2, 2),
            {"padding_mode": "wrap"},
            ValueError,
            "padding_mode .* 'wrap'",
        ),
        ((1, 1, 2), (1, 2, 2), {}, RuntimeError, r"expected input .* got \(1, 1, 2\)"),
        ((1, 1, 2, 2), (1, 2, 2, 3), {}, RuntimeError, "expected input"),
        ((1, 1, 2, 2), (1, 2, 2, 2, 2), {}, RuntimeError, "expected input"),
        ((1, 1, 2, 2), (2, 2, 2, 2), {}, RuntimeError, "1 images, but 2 grids"),
        ((1, 1, 0, 2), (1, 2, 2, 2), {}, RuntimeError, "has empty images"),
        (
            (1, 1, 2, 2, 2),
            (1, 1, 1, 1, 3),
            {"mode": "bicubic"},
            RuntimeError,
            "two axes, got three",
        ),
    ],
)
def test_grid_sample_errors(shape, grid, options, kind, message):
    with pytest.raises(kind, match=f"grid_sample: .*{message}"):
        F.grid_sample(tg.zeros(shape), tg.zeros(grid), **options, align_corners=False)


def test_one_floating_dtype():
    for x in (tg.zeros(1, 1, 2, 2, dtype=tg.float64), tg.zeros(1, 1, 2, 2, dtype=tg.int64)):
        with pytest.raises(RuntimeError, match=f"one floating dtype, got {x.dtype} and float32"):
            F.grid_sample(x, tg.zeros(1, 1, 1, 2), align_corners=False)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_infinitely_far_is_outside(mode):
    image = tg.ones(1, 1, 3, 3, requires_grad=True)
    grid = tg.tensor([[[[-math.inf, 0.0], [0.0, math.inf], [0.0, 0.0]]]], requires_grad=True)
    out = tg.nn.functional.grid_sample(image, grid, mode, align_corners=True)
    assert out.tolist() == [[[[0, 0, 1]]]]
    out.sum().backward()
    assert image.grad.sum().item() == 1
    assert grid.grad.isfinite().all()
