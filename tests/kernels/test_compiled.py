"""Each compiled kernel against its NumPy twin and against loops; threads, forks, and the choice."""

from __future__ import annotations

import itertools
import logging
import math
import os
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import conv, dispatch, elementwise, pool
from tinygrad_cnn.kernels.geometry import Geometry

pytest.importorskip("numba")

from numba.core.errors import TypingError

from tinygrad_cnn.kernels._compiled import (
    conv as fast_conv,
    elementwise as fast_elementwise,
    emit,
    jit,
    lanes,
    norm as fast_norm,
    planes,
    pool as fast_pool,
    winograd,
)

LANES = emit.VECTOR // 4
DTYPES = (np.float32, np.float64)
LAYOUTS = ("C", "channels last", "reversed", "strided", "read-only", "broadcast")


@pytest.fixture(autouse=True)
def _as_before():
    before = dispatch._choice
    yield
    dispatch._choice, dispatch._twins = before, None


def laid_out(x, layout):
    """Return the same array in another memory."""
    if layout == "channels last":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    if layout == "reversed":
        return x[..., ::-1].copy()[..., ::-1]
    if layout == "strided":
        wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
        wide[..., ::2] = x
        return wide[..., ::2]
    x = x.copy()
    if layout == "broadcast" and x.shape[0]:
        return np.broadcast_to(x[:1], x.shape)
    x.flags.writeable = layout != "read-only"
    return x


def close(got, expected, x_dtype):
    assert got is not NotImplemented
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    rtol, atol = (1e-4, 1e-3) if x_dtype == np.float32 else (1e-11, 1e-11)
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


# -- convolution -------------------------------------------------------------------------------


@st.composite
def convolutions(draw, channels=None):
    """Draw an input, a weight, and how the one moves over the other."""
    dims = draw(st.integers(1, 3))
    sizes = lambda low, high: tuple(draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims)))
    kernel, stride, dilation = sizes(1, 4), sizes(1, 3), sizes(1, 2)
    padding = tuple(zip(sizes(0, 3), sizes(0, 3), strict=True))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    taken = draw(st.integers(1, 4)) if channels is None else draw(st.sampled_from(channels))
    made = draw(st.integers(1, 10)) if channels is None else draw(st.sampled_from(channels))
    geometry = Geometry(stride, padding, dilation, groups)
    window = geometry.window(kernel)
    least = [max(1, w - sum(sides)) for w, sides in zip(window, padding, strict=True)]
    size = tuple(n + extra for n, extra in zip(least, sizes(0, 6), strict=True))
    shapes = (draw(st.integers(1, 3)), groups * taken, *size), (groups * made, taken, *kernel)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from(DTYPES))
    x, weight = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    x = laid_out(x, draw(st.sampled_from(LAYOUTS)))
    return x, laid_out(weight, draw(st.sampled_from(LAYOUTS))), geometry, rng


def naive_conv(x, weight, geometry):
    """Return the convolution, one output and one tap after the other."""
    out = geometry.output_size(x.shape[2:], weight.shape[2:])
    made, taken = weight.shape[0] // geometry.groups, weight.shape[1]
    result = np.zeros((x.shape[0], weight.shape[0], *out))
    for place, tap in itertools.product(np.ndindex(*out), np.ndindex(*weight.shape[2:])):
        steps = zip(place, tap, geometry.stride, geometry.dilation, geometry.padding, strict=True)
        at = [p * s + t * d - before for p, t, s, d, (before, _) in steps]
        if not all(0 <= i < n for i, n in zip(at, x.shape[2:], strict=True)):
            continue
        for group in range(geometry.groups):
            rows = slice(group * made, (group + 1) * made)
            met = x[(slice(None), slice(group * taken, (group + 1) * taken), *at)]
            result[(slice(None), rows, *place)] += met @ weight[(rows, slice(None), *tap)].T
    return result.astype(x.dtype)


def check_convolution(case):
    x, weight, geometry, rng = case
    bias = rng.normal(size=weight.shape[0]).astype(x.dtype)
    expected = naive_conv(x, weight, geometry)
    close(fast_conv.conv(x, weight, None, geometry), expected, x.dtype)
    shift = bias.reshape(-1, *(1,) * (x.ndim - 2))
    got = fast_conv.conv(x, weight, bias, geometry)
    close(got, expected + shift, x.dtype)
    close(got, conv.conv.__wrapped__(x, weight, bias, geometry), x.dtype)
    g = np.asarray(rng.normal(size=got.shape).astype(x.dtype))
    g = laid_out(g, LAYOUTS[rng.integers(len(LAYOUTS))])
    # <g, conv(x, w)> = <transpose(g), x> = <weight's(g), w>
    other = rng.normal(size=weight.shape[1] * geometry.groups).astype(x.dtype)
    args = g, weight, other, x.shape, geometry
    close(fast_conv.conv_transpose(*args), conv.conv_transpose.__wrapped__(*args), x.dtype)
    args = g, x, weight.shape, geometry
    close(fast_conv.conv_weight(*args), conv.conv_weight.__wrapped__(*args), x.dtype)


@given(convolutions())
@settings(max_examples=150)
def test_convolution_of_few_channels(case):
    check_convolution(case)


@given(convolutions(channels=[3, 8, 16, 32, 48]))
@settings(max_examples=80)
def test_convolution_of_many_channels(case):
    check_convolution(case)


@st.composite
def wide_images(draw):
    """Draw convolutions whose rows and channels fill vectors, so that squares are turned."""
    number = lambda low, high: draw(st.integers(low, high))
    side = (number(1, 3), number(15, 36))
    channels = (number(15, 34), draw(st.sampled_from([3, LANES, 3 * LANES])))
    stride = number(1, 2)
    geometry = Geometry((1, stride), ((1, 0), (number(0, 2), number(0, 2))), (1, 1))
    rng = np.random.default_rng(number(0, 2**32 - 1))
    dtype = draw(st.sampled_from(DTYPES))
    shapes = (2, channels[0], *side), (channels[1], channels[0], 2, 3)
    x, weight = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    return laid_out(x, draw(st.sampled_from(LAYOUTS))), weight, geometry, rng


@given(wide_images())
@settings(max_examples=60)
def test_convolution_of_wide_images(case):
    check_convolution(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 7, 8, 15, 16, 17, 40])
@pytest.mark.parametrize("size", [(3,), (16,), (4, 4), (1, 33), (9, 9), (2, 3, 8)])
def test_channels_last(dtype, channels, size):
    x = np.random.default_rng(0).normal(size=(3, channels, *size)).astype(dtype)
    for part in (x, x[::2], x[..., ::-1], x.astype(dtype, order="F")):
        expected = np.moveaxis(part, 1, -1).reshape(-1)
        np.testing.assert_array_equal(lanes.channels_last(part), expected)


@pytest.mark.parametrize(("channels", "way"), [((1, 6), planes), ((6, 32), lanes), ((LANES, LANES), planes)])
def test_each_way_is_taken(channels, way):
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    plan = fast_conv._plan((32, 32), (32, 32), (channels[1], channels[0], 3, 3), geometry, 4)
    assert isinstance(plan, way.Plan)


@st.composite
def kernels_of_3x3(draw):
    """Draw convolutions that Winograd's way takes."""
    number = lambda low, high: draw(st.integers(low, high))
    padding = ((number(0, 3), number(0, 3)), (number(0, 3), number(0, 3)))
    size = [max(1, 3 - sum(sides)) + number(0, 9) for sides in padding]
    taken, made = draw(st.sampled_from([(32, 32), (32, 64), (64, 32), (48, 32)]))
    rng = np.random.default_rng(number(0, 2**32 - 1))
    dtype = draw(st.sampled_from(DTYPES))
    shapes = (number(1, 4), taken, *size), (made, taken, 3, 3)
    x, weight = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    x = laid_out(x, draw(st.sampled_from(LAYOUTS)))
    return x, laid_out(weight, draw(st.sampled_from(LAYOUTS))), Geometry((1, 1), padding, (1, 1)), rng


@given(kernels_of_3x3())
@settings(max_examples=60)
def test_convolution_by_winograd(case):
    x, weight, geometry, _ = case
    size = geometry.output_size(x.shape[2:], weight.shape[2:])
    assert winograd.plan(len(x), size, weight.shape, geometry, x.itemsize)
    check_convolution(case)


def test_the_rounding_error_of_winograd():
    """Below 5e-7 of the sum of the products' absolute values, in float32."""
    rng = np.random.default_rng(0)
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    for channels in (32, 128, 512):
        x = rng.normal(size=(2, channels, 9, 8)).astype(np.float32) + 1
        weight = rng.normal(size=(32, channels, 3, 3)).astype(np.float32)
        g = rng.normal(size=(2, 32, 9, 8)).astype(np.float32)
        for function, *arrays, rest in (
            (conv.conv, x, weight, (None, geometry)),
            (conv.conv_transpose, g, weight, (None, x.shape, geometry)),
            (conv.conv_weight, g, x, (weight.shape, geometry)),
        ):
            got = getattr(fast_conv, function.__name__)(*arrays, *rest)
            wide = [a.astype(np.float64) for a in arrays]
            exact = function.__wrapped__(*wide, *rest)
            size = function.__wrapped__(*map(abs, wide), *rest)
            assert np.max(abs(got - exact) / size) < 5e-7


def test_winograd_leaves_what_it_would_make_overflow():
    x = np.full((1, 32, 6, 6), 2e38, np.float32) * np.where(np.arange(6) % 3, 1, -1).astype(np.float32)
    weight = np.full((32, 32, 3, 3), 1e-3, np.float32)
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    expected = conv.conv.__wrapped__(x.astype(np.float64), weight.astype(np.float64), None, geometry)
    np.testing.assert_allclose(fast_conv.conv(x, weight, None, geometry), expected, rtol=1e-3, atol=1e34)


@pytest.mark.parametrize("channels", [(2, 3), (16, 32), (32, 32)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_convolution_of_what_is_not_finite(channels, stride, value):
    rng = np.random.default_rng(0)
    geometry = Geometry((stride, stride), ((1, 1), (1, 1)), (1, 1))
    x = rng.normal(size=(2, channels[0], 9, 9)).astype(np.float32)
    weight = rng.normal(size=(channels[1], channels[0], 3, 3)).astype(np.float32)
    x[0, 1, 4, 8] = x[1, 0, 0, 0] = value
    with np.errstate(invalid="ignore"):
        expected = naive_conv(x, weight, geometry)
    assert not np.isfinite(expected).all()
    close(fast_conv.conv(x, weight, None, geometry), expected, np.float32)
    g = rng.normal(size=expected.shape).astype(np.float32)
    expected = conv.conv_weight.__wrapped__(g, x, weight.shape, geometry)
    got = conv.conv_weight(g, x, weight.shape, geometry)  # NumPy's, where there is nan for nothing
    np.testing.assert_array_equal(np.isfinite(got), np.isfinite(expected))
    g[1, 2, 0, 3] = value
    expected = conv.conv_transpose.__wrapped__(g, weight, None, x.shape, geometry)
    close(fast_conv.conv_transpose(g, weight, None, x.shape, geometry), expected, np.float32)
    weight[0, 0, 0, 0] = value
    assert fast_conv.conv_transpose(g, weight, None, x.shape, geometry) is NotImplemented
    expected = conv.conv.__wrapped__(x, weight, None, geometry)
    close(fast_conv.conv(x, weight, None, geometry), expected, np.float32)


def test_convolution_declines_what_it_does_not_cover():
    geometry = Geometry((1,), ((0, 0),), (1,))
    empty = np.zeros((0, 2, 5), np.float32)
    weight = np.ones((3, 2, 3), np.float32)
    assert fast_conv.conv(empty, weight, None, geometry) is NotImplemented
    for dtype in (np.float16, np.int64):
        x = np.ones((1, 2, 5), dtype)
        assert fast_conv.conv(x, weight.astype(dtype), None, geometry) is NotImplemented
    assert conv.conv(empty, weight, None, geometry).shape == (0, 3, 3)


@pytest.mark.parametrize("channels", [(2, 3), (32, 32)])
def test_kernels_decline_shapes_that_do_not_match(channels):
    c, o = channels
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    x, weight, g = np.ones((2, c, 8, 8)), np.ones((o, c, 3, 3)), np.ones((2, o, 8, 8))
    assert fast_conv.conv(x[:, 1:], weight, None, geometry) is NotImplemented
    assert fast_conv.conv(x, weight, np.ones(o - 1), geometry) is NotImplemented
    for wrong in (g[:1], g[:, 1:], g[..., 1:]):
        assert fast_conv.conv_transpose(wrong, weight, None, x.shape, geometry) is NotImplemented
        assert fast_conv.conv_weight(wrong, x, weight.shape, geometry) is NotImplemented
    assert fast_conv.conv_transpose(g, weight, np.ones(c - 1), x.shape, geometry) is NotImplemented
    x, y, one, few = np.ones((2, 20, 8, 8)), np.ones((2, 20, 8, 7)), np.ones(20), np.ones(19)
    assert fast_norm.channel_dot(x, y, None) is fast_norm.channel_dot(x, x, few) is NotImplemented
    assert fast_norm.channel_mix(x, one, y, one, one, one) is NotImplemented
    assert fast_norm.channel_mix(x, one, x, few, one, one) is NotImplemented
    assert fast_norm.normalise(x, one, few, None) is NotImplemented
    window = pool.Window((2, 2), (2, 2), (0, 0), (1, 1), False)
    out, taps = fast_pool.max_pool(x, window)
    assert fast_pool.max_pool_input(out, taps, y.shape, window) is NotImplemented
    assert fast_pool.max_pool_input(out, taps[1:], x.shape, window) is NotImplemented
    assert fast_pool.max_pool_input(out, taps.astype(int), x.shape, window) is NotImplemented
    assert fast_pool.avg_pool_input(out[1:], x.shape, window, np.ones((4, 4))) is NotImplemented
    # whatever the taps, it stays inside its arrays
    taps[...] = 255
    assert fast_pool.max_pool_input(out, taps, x.shape, window).shape == x.shape


# -- pooling -----------------------------------------------------------------------------------


@st.composite
def windows(draw):
    """Draw an input and a window over it, often the usual one."""
    dims = draw(st.integers(1, 2))
    sizes = lambda low, high: tuple(draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims)))
    if draw(st.booleans()):
        window = pool.Window((2,) * dims, (2,) * dims, (0,) * dims, (1,) * dims, draw(st.booleans()))
    else:
        kernel, stride, dilation = sizes(1, 3), sizes(1, 3), sizes(1, 2)
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
        window = pool.Window(kernel, stride, padding, dilation, draw(st.booleans()))
    least = [d * (k - 1) + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    size = [n + extra for n, extra in zip(least, sizes(0, 37), strict=True)]
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), *size)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.integers(-4, 5, shape).astype(draw(st.sampled_from(DTYPES)))  # with ties
    return x, window, draw(st.sampled_from(LAYOUTS)), rng


@given(windows())
@settings(max_examples=150)
def test_pooling(case):
    x, window, layout, rng = case
    if rng.integers(2):
        x[rng.random(x.shape) < 0.1] = np.nan
        x[rng.random(x.shape) < 0.2] = -np.inf
    x = laid_out(x, layout)
    out, taps = fast_pool.max_pool(x, window)
    expected, expected_taps = pool.max_pool.__wrapped__(x, window)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(taps, expected_taps)
    assert taps.dtype == expected_taps.dtype
    g = laid_out(rng.normal(size=out.shape).astype(x.dtype), layout)
    args = g, taps, x.shape, window
    close(fast_pool.max_pool_input(*args), pool.max_pool_input.__wrapped__(*args), x.dtype)
    divisor = rng.integers(1, 9, out.shape[2:])
    finite = laid_out(rng.normal(size=x.shape).astype(x.dtype), layout)
    args = finite, window, divisor
    close(fast_pool.avg_pool(*args), pool.avg_pool.__wrapped__(*args), x.dtype)
    args = g, x.shape, window, divisor
    close(fast_pool.avg_pool_input(*args), pool.avg_pool_input.__wrapped__(*args), x.dtype)


def test_pooling_of_2x2_agrees_with_loops():
    window = pool.Window((2, 2), (2, 2), (0, 0), (1, 1), False)
    x = np.random.default_rng(0).integers(0, 3, (2, 3, 7, 41)).astype(np.float32)
    out, taps = fast_pool.max_pool(x, window)
    dx = fast_pool.max_pool_input(out, taps, x.shape, window)
    expected = np.zeros_like(x)
    for n, c, y, i in np.ndindex(out.shape):
        block = x[n, c, 2 * y : 2 * y + 2, 2 * i : 2 * i + 2].ravel().tolist()
        assert out[n, c, y, i] == max(block)
        assert taps[n, c, y, i] == block.index(max(block))
        expected[n, c, 2 * y + taps[n, c, y, i] // 2, 2 * i + taps[n, c, y, i] % 2] = max(block)
    np.testing.assert_array_equal(dx, expected)


def test_pooling_declines_what_it_does_not_cover():
    window = pool.Window((2, 2), (2, 2), (0, 0), (1, 1), False)
    for x in (np.zeros((1, 1, 4, 4), np.int64), np.zeros((1, 1, 4, 4), np.float16), np.zeros((0, 1, 4, 4))):
        assert fast_pool.max_pool(x, window) is NotImplemented
        assert pool.max_pool(x, window)[0].shape == (len(x), 1, 2, 2)


# -- elementwise, and sums per channel ---------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_relu(dtype, order):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(2, 9, 11, 13)).astype(dtype)
    x.flat[:5] = g.flat[5:10] = [np.nan, np.inf, -np.inf, 0, -0.0]
    x, g = x.transpose(order), g.transpose(order)
    out = fast_elementwise.relu(x)
    np.testing.assert_array_equal(out, np.maximum(x, 0))
    assert not np.signbit(out).any()
    assert out.strides == x.strides
    got = fast_elementwise.relu_input(g, out)
    np.testing.assert_array_equal(got, elementwise.relu_input.__wrapped__(g, out))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_add(dtype, order):
    x, y = np.random.default_rng(0).normal(size=(2, 19, 23, 31)).astype(dtype)
    x.flat[:3] = [np.nan, np.inf, -np.inf]
    x, y = x.transpose(order), y.transpose(order)
    got = fast_elementwise.add(x, y)
    np.testing.assert_array_equal(got, x + y)
    assert got.strides == x.strides
    for other in (np.broadcast_to(y[:1], y.shape), y.astype(np.float16), tg.tensor(y)):
        assert fast_elementwise.add(x, other) is NotImplemented


def test_relu_declines_what_it_does_not_cover():
    x = np.random.default_rng(0).normal(size=(20, 60))
    others = x[:, ::2], x.astype(np.float16), x.astype(int), x[:2, :2], np.broadcast_to(x[0], x.shape)
    for other in others:
        assert fast_elementwise.relu(other) is NotImplemented
        np.testing.assert_array_equal(elementwise.relu(other), np.maximum(other, 0))
    assert fast_elementwise.relu_input(x.T.copy().T, x) is NotImplemented  # in another order


@given(
    st.sampled_from([(40, 3, 3, 5), (7, 16, 6, 6), (2, 130, 5), (9, 1, 11, 13), (5, 32, 3, 3, 3)]),
    st.sampled_from(LAYOUTS[:2]), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=30)
def test_sums_per_channel(shape, layout, dtype, seed):
    rng = np.random.default_rng(seed)
    x, y = (laid_out(rng.normal(size=shape).astype(dtype), layout) for _ in range(2))
    a, b, c, mean = rng.normal(size=(4, shape[1])).astype(dtype)
    x64, y64 = x.astype(float), y.astype(float)
    axes = (0, *range(2, len(shape)))
    wide = lambda v: v.astype(float).reshape(-1, *(1,) * (len(shape) - 2))
    close(fast_norm.channel_sum(x), x64.sum(axes).astype(dtype), dtype)
    for m in (mean, None):
        centred = y64 if m is None else y64 - wide(mean)
        close(fast_norm.channel_dot(x, y, m), (x64 * centred).sum(axes).astype(dtype), dtype)
    expected = x64 * wide(a) + (y64 - wide(mean)) * wide(b) + wide(c)
    close(fast_norm.channel_mix(x, a, y, mean, b, c), expected.astype(dtype), dtype)
    for shift in (c, None):
        expected = (x64 - wide(mean)) * wide(a) + (0 if shift is None else wide(c))
        close(fast_norm.normalise(x, mean, a, shift), expected.astype(dtype), dtype)
    for got, expected in zip(fast_norm.statistics(x), (x64.mean(axes), x64.var(axes)), strict=True):
        close(got, expected.astype(dtype), dtype)


@pytest.mark.parametrize("layout", LAYOUTS[:2])
def test_statistics_far_from_zero(layout):
    x = 1e4 + np.random.default_rng(0).normal(size=(8, 16, 12, 12))
    x = laid_out(x.astype(np.float32), layout)
    wide = x.astype(float)
    mean, var = fast_norm.statistics(x)
    np.testing.assert_allclose(mean, wide.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(var, wide.var((0, 2, 3)), rtol=1e-4)
    x[0, 3, 0, 0] = np.inf
    mean, var = fast_norm.statistics(x)
    assert np.isnan([mean[3], var[3]]).all()
    assert np.isfinite(np.delete([mean, var], 3, axis=1)).all()


# -- a whole network ---------------------------------------------------------------------------


def trained(seed, steps=4):
    """Return the parameters of a small network after some steps."""
    nn = tg.nn
    generator = np.random.default_rng(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(16 * 9, 10),
    ).double()  # fmt: skip
    for p in model.parameters():
        p.data[...] = generator.normal(size=p.shape) * 0.1
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        images = tg.tensor(generator.normal(size=(32, 1, 16, 16)))
        labels = tg.tensor(generator.integers(0, 10, 32))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return [p.detach().numpy().copy() for p in model.parameters()]


def same(one, other):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_training_is_the_same_with_both():
    tg.kernels.use("numpy")
    expected = trained(0)
    tg.kernels.use("numba")
    same(trained(0), expected)


def test_training_in_two_threads_at_once_is_as_alone():
    tg.kernels.use("numba")
    seeds = range(3)
    alone = [trained(seed, 20) for seed in seeds]
    found, start = {}, threading.Barrier(len(seeds))

    def run(seed):
        start.wait()
        found[seed] = trained(seed, 20)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in seeds:
        same(found[seed], alone[seed])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_training_after_a_fork_is_as_before():
    tg.kernels.use("numba")
    expected = trained(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork, from Python 3.12 on
        child = os.fork()
    if child == 0:
        code = 1
        try:
            same(trained(0), expected)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- the choice --------------------------------------------------------------------------------


def test_use_and_active(monkeypatch):
    monkeypatch.delenv(dispatch.VARIABLE, raising=False)
    dispatch._choice = None
    assert tg.kernels.active() == "numba"
    tg.kernels.use("numpy")
    assert tg.kernels.active() == "numpy"
    tg.relu(tg.ones(3))
    assert dispatch._twins == {}
    tg.kernels.use("auto")
    assert tg.kernels.active() == "numba"
    tg.relu(tg.ones(3))
    assert dispatch._twins


def test_the_environment_chooses(monkeypatch):
    dispatch._choice = None
    monkeypatch.setenv(dispatch.VARIABLE, "numpy")
    assert tg.kernels.active() == "numpy"
    monkeypatch.setenv(dispatch.VARIABLE, "fortran")
    with pytest.raises(ValueError, match="TINYGRAD_CNN_KERNELS: expected one of numpy, numba, auto, got 'fortran'"):
        tg.kernels.active()


def test_errors_of_the_choice(monkeypatch):
    with pytest.raises(ValueError, match="expected one of numpy, numba, auto, got 'cuda'"):
        tg.kernels.use("cuda")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tinygrad_cnn\[fast\]'"):
        tg.kernels.use("numba")
    tg.kernels.use("auto")
    assert tg.kernels.active() == "numpy"


@pytest.fixture
def broken(monkeypatch):
    """Break a compiled kernel with an error; the choice is as without any."""

    def broken(error):
        def fail(*args):
            raise error

        monkeypatch.delenv(dispatch.VARIABLE, raising=False)
        tg.kernels.use("auto")
        monkeypatch.setattr(fast_elementwise, "relu", fail)

    yield broken
    dispatch._works = True


NOT_COMPILED = TypingError("no such type"), RuntimeError("LLVM: no such instruction")


@pytest.mark.parametrize("error", NOT_COMPILED)
def test_where_numba_does_not_work_numpy_does(broken, error):
    broken(error)
    with pytest.warns(RuntimeWarning, match=f"NumPy's kernels are used; relu: {type(error).__name__}"):
        out = tg.relu(tg.tensor([-1.0, 2.0]))
    assert out.tolist() == [0.0, 2.0]
    tg.relu(tg.ones(2))  # and no other warning
    assert tg.kernels.active() == "numpy"
    tg.kernels.use("auto")  # tries again
    assert tg.kernels.active() == "numba"


@pytest.mark.parametrize("error", NOT_COMPILED)
def test_where_numba_is_asked_for_by_name_its_errors_are_raised(broken, error):
    broken(error)
    tg.kernels.use("numba")
    with pytest.raises(type(error), match="no such"):
        tg.relu(tg.ones(3))
    assert tg.kernels.active() == "numba"


@pytest.mark.parametrize("error", [MemoryError("none"), ValueError("wrong"), NotImplementedError("never")])
def test_other_errors_are_raised(broken, error):
    broken(error)
    with pytest.raises(type(error), match=str(error)):
        tg.relu(tg.ones(3))
    assert tg.kernels.active() == "numba"


@pytest.mark.parametrize("error", [ImportError("Numba needs NumPy 1"), SystemError("initialization")])
def test_where_numba_cannot_be_imported_numpy_works(broken, monkeypatch, error):
    broken(error)

    def fail(name):
        raise error

    monkeypatch.setattr(dispatch.importlib, "import_module", fail)
    with pytest.warns(RuntimeWarning, match=str(error)):
        out = tg.relu(tg.tensor([-1.0, 2.0]))
    assert out.tolist() == [0.0, 2.0]
    tg.relu(tg.ones(2))  # and no other warning
    tg.kernels.use("numba")
    with pytest.raises(type(error)):
        tg.relu(tg.ones(3))


def test_every_twin_exists():
    twins = dispatch._find()
    assert set(twins) == set(dispatch._kernels)
    assert all(callable(twin) for twin in twins.values())


def test_numba_is_imported_with_the_first_kernel():
    code = "import sys, tinygrad_cnn as tg, tinygrad_cnn.nn; print('numba' in sys.modules);"
    code += "tg.relu(tg.ones(2)); print('numba' in sys.modules, tg.kernels.active())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True", "numba"]


def test_where_nothing_can_be_written_kernels_are_compiled_anew(monkeypatch):
    def locate(*args):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr("numba.core.caching.CacheImpl.__init__", locate)
    assert jit.jit(lambda x: x + 1)(1) == 2


def test_compiling_is_said_once(caplog, monkeypatch):
    listener = jit._Listener()
    monkeypatch.setattr("time.perf_counter", itertools.count(0, 0.8).__next__)

    class Event:
        data = {"dispatcher": fast_elementwise._relu}  # noqa: RUF012

    with caplog.at_level(logging.WARNING, "tinygrad_cnn"):
        for said in (0, 1, 1):
            listener.on_start(Event)
            listener.on_end(Event)
            assert len(caplog.messages) == said
    assert "Numba is compiling" in caplog.messages[0]
    assert math.isclose(listener.seconds, 2.4)
