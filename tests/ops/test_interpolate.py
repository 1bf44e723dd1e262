"""Interpolation against matrices made entry by entry, the shuffles against loops, and errors."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


# -- interpolate -------------------------------------------------------------------------------


def hat(distance):
    return max(0.0, 1 - abs(distance))


def keys(distance, a=-0.75):
    """Cubic convolution: R. Keys, 1981, equation (4), as a function of the distance."""
    s = abs(distance)
    if s < 1:
        return (a + 2) * s**3 - (a + 3) * s**2 + 1
    return a * s**3 - 5 * a * s**2 + 8 * a * s - 4 * a if s < 2 else 0.0


def matrix(mode, n, m, step, align_corners):
    """Return what makes `m` elements of `n`."""
    result = np.zeros((m, n))
    for i in range(m):
        if "nearest" in mode:
            place = i * step if mode == "nearest" else (i + 0.5) * step
            result[i, min(math.floor(place + 1e-6), n - 1)] = 1
            continue
        place = i * step if align_corners else (i + 0.5) * step - 0.5
        if mode == "linear":
            place = min(max(place, 0), n - 1)
        else:  # a rounded scale factor may lead beyond the last element
            place = min(place, n)
        for j in range(math.floor(place) - 1, math.floor(place) + 3):
            weight = hat(place - j) if mode == "linear" else keys(place - j)
            result[i, min(max(j, 0), n - 1)] += weight
    return result


def along_each_axis(x, matrices):
    for axis, each in enumerate(matrices, 2):
        x = np.moveaxis(np.tensordot(x, each, (axis, 1)), -1, axis)
    return x


@pytest.mark.oracle("interpolate")
@pytest.mark.parametrize("seed", range(100))
def test_interpolate_against_matrices(seed):
    x, size, steps, mode, align_corners = drawn("interpolate", seed)
    per_axis = [
        matrix(mode, n, m, step, align_corners)
        for n, m, step in zip(x.shape[2:], size, steps, strict=True)
    ]
    out = registry["interpolate"](x, size, steps, mode, align_corners)
    np.testing.assert_allclose(out, along_each_axis(x, per_axis), atol=1e-12)


@pytest.mark.oracle("interpolate_input")
@pytest.mark.parametrize("seed", range(100))
def test_interpolate_input_against_matrices(seed):
    g, shape, steps, mode, align_corners = drawn("interpolate_input", seed)
    per_axis = [
        matrix(mode, n, m, step, align_corners).T
        for n, m, step in zip(shape[2:], g.shape[2:], steps, strict=True)
    ]
    out = registry["interpolate_input"](g, shape, steps, mode, align_corners)
    np.testing.assert_allclose(out, along_each_axis(g, per_axis), atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_is_exact_where_an_element_falls_on_a_border(mode):
    for n, m in itertools.product(range(1, 24), range(1, 50)):
        out = F.interpolate(tg.arange(n, dtype=tg.float64).reshape(1, 1, n), m, mode=mode)
        half = Fraction(1, 2) if mode == "nearest-exact" else 0
        assert out.flatten().tolist() == [math.floor((i + half) * n / m) for i in range(m)], (n, m)


def linear_at(places):
    """Return the values of 0, 10, 20, 30, 40 at these places."""
    return [10 * min(max(place, 0), 4) for place in places]


@pytest.mark.parametrize(
    ("options", "places"),
    [
        ({"size": 3}, [(i + 0.5) * 5 / 3 - 0.5 for i in range(3)]),
        ({"size": 9, "align_corners": True}, [i * 4 / 8 for i in range(9)]),
        ({"size": 1, "align_corners": True}, [0]),
        ({"scale_factor": 1.5}, [(i + 0.5) / 1.5 - 0.5 for i in range(7)]),
        (
            {"scale_factor": 1.5, "recompute_scale_factor": True},
            [(i + 0.5) * 5 / 7 - 0.5 for i in range(7)],
        ),
        ({"scale_factor": (0.5,)}, [(i + 0.5) / 0.5 - 0.5 for i in range(2)]),
        ({"scale_factor": 1.1}, [0, 1, 2, 3, 4]),  # the size stays, so all stays
    ],
)
def test_where_the_elements_are_taken(options, places):
    x = tg.tensor([[[0.0, 10, 20, 30, 40]]], dtype=tg.float64)
    out = F.interpolate(x, mode="linear", **options)
    np.testing.assert_allclose(out.flatten().tolist(), linear_at(places), atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "mode", "kernel"),
    [
        ((2, 1, 4), "linear", "linear"),
        ((1, 2, 3, 4), "bilinear", "linear"),
        ((1, 2, 3, 4), "bicubic", "cubic"),
        ((1, 1, 2, 3, 4), "trilinear", "linear"),
        ((1, 1, 2, 3, 4), "nearest", "nearest"),
        ((1, 2, 3, 4), "nearest-exact", "nearest-exact"),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_modes_and_dtypes(shape, mode, kernel, dtype):
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    size = tuple(range(5, 5 + len(shape) - 2))
    out = F.interpolate(tg.tensor(x), size, mode=mode)
    expected = along_each_axis(
        x.astype(float),
        [matrix(kernel, n, m, n / m, False) for n, m in zip(shape[2:], size, strict=True)],
    )
    assert out.dtype == dtype
    np.testing.assert_allclose(out.data, expected, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 7, 5), (1, 2, 3, 4, 5)])
def test_area_is_the_mean_of_regions(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    expected = x
    for axis, n in enumerate(shape[2:], 2):
        regions = [expected.take(range(i * n // 3, -(-(i + 1) * n // 3)), axis) for i in range(3)]
        expected = np.stack([region.mean(axis) for region in regions], axis)
    np.testing.assert_allclose(F.interpolate(tg.tensor(x), 3, mode="area").data, expected)
    scaled = F.interpolate(tg.tensor(x), scale_factor=0.7, mode="area")
    assert scaled.shape == (*shape[:2], *(int(n * 0.7) for n in shape[2:]))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_it_is(mode, value):
    x = np.zeros((1, 1, 15, 15))
    x[0, 0, 7, 7] = value
    x = tg.tensor(x, requires_grad=True)
    out = F.interpolate(x, 45, mode=mode)
    finite = np.isfinite(out.data[0, 0])
    assert not finite[22, 22]
    assert finite[:14].all()
    assert finite[:, 31:].all()
    out.backward(out.detach())
    assert np.isfinite(x.grad.data[0, 0, :2]).all()


def test_integers_only_with_the_nearest():
    x = tg.tensor(np.array([[[1, 2]]], np.uint8))
    for mode in ("nearest", "nearest-exact"):
        out = F.interpolate(x, 4, mode=mode)
        assert out.dtype == np.uint8
        assert out.tolist() == [[[1, 1, 2, 2]]]
    with pytest.raises(RuntimeError, match="'linear' does not take uint8"):
        F.interpolate(x, 4, mode="linear")
    with pytest.raises(RuntimeError, match="'nearest' does not take int64"):
        F.interpolate(tg.tensor([[[1, 2]]]), 4)


def test_an_empty_batch():
    assert F.interpolate(tg.zeros(0, 3, 4, 4), 2, mode="bilinear").shape == (0, 3, 2, 2)


@pytest.mark.parametrize(
    ("shape", "options", "kind", "message"),
    [
        ((1, 1, 4), {}, ValueError, "either size or scale_factor, got None and None"),
        ((1, 1, 4), {"size": 2, "scale_factor": 2}, ValueError, "either .* got 2 and 2"),
        ((1, 1, 4), {"size": (2, 2)}, ValueError, "size must have one value for each axis"),
        ((1, 1, 4, 4), {"scale_factor": (2,)}, ValueError, "scale_factor must have one value"),
        ((1, 1, 4), {"size": 2.5}, TypeError, "size must be of int, got 2.5"),
        ((1, 1, 4), {"size": 2, "align_corners": True}, ValueError, "'nearest' takes no align"),
        ((1, 1, 4), {"size": 2, "recompute_scale_factor": True}, ValueError, "needs scale_factor"),
        ((1, 1, 4), {"size": 2, "mode": "bilinear"}, NotImplementedError, "input of 3 dimensions"),
        ((1, 4), {"size": 2}, NotImplementedError, "input of 2 dimensions"),
        ((1, 1, 4), {"size": 2, "mode": "sinc"}, NotImplementedError, "no mode 'sinc'"),
        (
            (1, 1, 4, 4),
            {"size": 2, "mode": "bilinear", "antialias": True},
            NotImplementedError,
            "anti",
        ),
        ((1, 1, 4), {"size": 0}, RuntimeError, r"output size \(0,\) must not be empty"),
        ((1, 1, 4), {"scale_factor": 0.2}, RuntimeError, r"output size \(0,\) must not be empty"),
        ((1, 0, 4), {"size": 2}, RuntimeError, r"input \(1, 0, 4\)"),
    ],
)
def test_interpolate_errors(shape, options, kind, message):
    with pytest.raises(kind, match=f"interpolate: .*{message}"):
        F.interpolate(tg.zeros(shape), **options)


def test_upsample_is_interpolate():
    assert F.upsample is F.interpolate


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_agrees_with_pytorch_for_every_size(mode, dtype):
    torch = pytest.importorskip("torch")
    for n in (1, 2, 3, 7, 10, 13):
        x = np.random.default_rng(n).standard_normal((1, 2, n)).astype(dtype)
        for size in range(1, 40):
            out = F.interpolate(tg.tensor(x), size, mode=mode).data
            expected = torch.nn.functional.interpolate(torch.tensor(x), size, mode=mode).numpy()
            np.testing.assert_allclose(out, expected, atol=1e-5)


# -- shuffles ----------------------------------------------------------------------------------


@pytest.mark.oracle("pixel_shuffle")
@pytest.mark.parametrize("seed", range(20))
def test_pixel_shuffle_against_loops(seed):
    x, r = drawn("pixel_shuffle", seed)
    out = registry["pixel_shuffle"](x, r)
    *batch, c, h, w = x.shape
    expected = np.empty((*batch, c // r**2, h * r, w * r))
    for channel, row, column in itertools.product(*map(range, expected.shape[-3:])):
        source = channel * r**2 + row % r * r + column % r
        expected[..., channel, row, column] = x[..., source, row // r, column // r]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.oracle("pixel_unshuffle")
@pytest.mark.parametrize("seed", range(20))
def test_pixel_unshuffle_against_loops(seed):
    x, r = drawn("pixel_unshuffle", seed)
    out = registry["pixel_unshuffle"](x, r)
    *batch, c, h, w = x.shape
    expected = np.empty((*batch, c * r**2, h // r, w // r))
    for channel, row, column in itertools.product(*map(range, expected.shape[-3:])):
        tap = channel % r**2
        expected[..., channel, row, column] = x[
            ..., channel // r**2, row * r + tap // r, column * r + tap % r
        ]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.oracle("channel_shuffle")
@pytest.mark.parametrize("seed", range(20))
def test_channel_shuffle_against_loops(seed):
    x, groups = drawn("channel_shuffle", seed)
    each = x.shape[1] // groups
    order = [group * each + i for i in range(each) for group in range(groups)]
    np.testing.assert_array_equal(registry["channel_shuffle"](x, groups), x[:, order])


def test_shuffles_keep_the_dtype_and_copy():
    x = tg.arange(4).reshape(4, 1, 1)
    for out in (F.pixel_shuffle(x, 1), F.pixel_unshuffle(x, 1), F.channel_shuffle(x, 1)):
        assert out.dtype == tg.int64
        assert not np.may_share_memory(out.data, x.data)
    assert F.pixel_shuffle(tg.zeros(0, 4, 2, 2), 2).shape == (0, 1, 4, 4)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.interpolate(x, 2),
        lambda x: F.pixel_shuffle(x, 1),
        lambda x: F.pixel_unshuffle(x, 1),
        lambda x: F.channel_shuffle(x, 1),
    ],
)
@pytest.mark.parametrize("value", [None, 3, [[[1.0]]]])
def test_tensors_only(call, value):
    with pytest.raises(TypeError, match=type(value).__name__):
        call(value)


@pytest.mark.parametrize(
    ("function", "shape", "factor", "message"),
    [
        (F.pixel_shuffle, (3, 2, 2), 2, "3 channels are not groups of 4"),
        (F.pixel_shuffle, (4, 2), 2, r"input must be \(..., C, H, W\)"),
        (F.pixel_shuffle, (4, 2, 2), 0, "upscale_factor must be positive, got 0"),
        (F.pixel_unshuffle, (1, 4, 3), 2, "4 x 3 is not made of blocks of 2 x 2"),
        (F.pixel_unshuffle, (4, 2), 2, r"input must be \(..., C, H, W\)"),
        (F.pixel_unshuffle, (4, 2, 2), -1, "downscale_factor must be positive, got -1"),
        (F.channel_shuffle, (1, 3, 2), 2, "3 channels do not make 2 groups"),
        (F.channel_shuffle, (1, 3, 2), 0, "3 channels do not make 0 groups"),
        (F.channel_shuffle, (1, 4), 2, r"input must be \(N, C, \*\)"),
    ],
)
def test_shuffle_errors(function, shape, factor, message):
    with pytest.raises(RuntimeError, match=message):
        function(tg.zeros(shape), factor)
