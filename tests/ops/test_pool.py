"""Pooling and its transposes against loops over windows, and its errors."""

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


def output_length(n, k, s, p, d, ceil_mode):
    """Count the window starts, one by one."""
    count, start = 0, -p
    while start + d * (k - 1) <= n - 1 + p:
        count, start = count + 1, start + s
    sticks_out = (n + 2 * p - d * (k - 1) - 1) % s != 0
    return count + (ceil_mode and sticks_out and start < n)


def windows(size, window):
    """Yield (output y, x) and the list of (tap, y, x) of its places, outside ones too."""
    (kh, kw), (sy, sx), (py, px), (dy, dx), ceil_mode = window
    oh = output_length(size[0], kh, sy, py, dy, ceil_mode)
    ow = output_length(size[1], kw, sx, px, dx, ceil_mode)
    for y, x in itertools.product(range(oh), range(ow)):
        yield (y, x), [
            (i * kw + j, y * sy - py + i * dy, x * sx - px + j * dx)
            for i, j in itertools.product(range(kh), range(kw))
        ]


def inside(places, size):
    return [(t, y, x) for t, y, x in places if 0 <= y < size[0] and 0 <= x < size[1]]


def planes(x):
    return itertools.product(range(x.shape[0]), range(x.shape[1]))


def naive_max(x, window):
    """Return maxima and taps, by comparing one element after the other as PyTorch does."""
    size = x.shape[2:]
    found = list(windows(size, window))
    oh, ow = (1 + max(place[axis] for place, _ in found) for axis in range(2))
    out, taps = np.zeros((*x.shape[:2], oh, ow)), np.zeros((*x.shape[:2], oh, ow), int)
    for n, c in planes(x):
        for place, places in found:
            best, tap = -math.inf, inside(places, size)[0][0]
            for t, y, xx in inside(places, size):
                value = x[n, c, y, xx]
                if value > best or math.isnan(value):
                    best, tap = value, t
            out[(n, c, *place)], taps[(n, c, *place)] = best, tap
    return out, taps


@pytest.mark.oracle("max_pool2d")
@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("values", ["distinct", "ties", "nan"])
def test_max_pool2d_against_loops(seed, values):
    x, window = drawn("max_pool2d", seed)
    rng = np.random.default_rng(seed)
    if values != "distinct":
        x = rng.integers(-1, 2, x.shape).astype(float)
    if values == "nan":
        x[rng.random(x.shape) < 0.2] = np.nan
        x[rng.random(x.shape) < 0.2] = np.inf
        x[rng.random(x.shape) < 0.2] = -np.inf
    out, taps = registry["max_pool2d"](x, window)
    expected, expected_taps = naive_max(x, window)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(taps, expected_taps)


@pytest.mark.oracle("max_pool2d_input")
@pytest.mark.parametrize("seed", range(40))
def test_max_pool2d_input_against_loops(seed):
    g, taps, shape, window = drawn("max_pool2d_input", seed)
    expected = np.zeros(shape)
    for n, c in planes(g):
        for place, places in windows(shape[2:], window):
            _, y, x = places[taps[(n, c, *place)]]
            expected[n, c, y, x] += g[(n, c, *place)]
    np.testing.assert_allclose(registry["max_pool2d_input"](g, taps, shape, window), expected)


@pytest.mark.oracle("max_pool2d_pick")
@pytest.mark.parametrize("seed", range(40))
def test_max_pool2d_pick_against_loops(seed):
    x, taps, window = drawn("max_pool2d_pick", seed)
    expected = np.zeros(taps.shape)
    for n, c in planes(x):
        for place, places in windows(x.shape[2:], window):
            _, y, xx = places[taps[(n, c, *place)]]
            expected[(n, c, *place)] = x[n, c, y, xx]
    np.testing.assert_array_equal(registry["max_pool2d_pick"](x, taps, window), expected)


def divisors(size, window, count_include_pad, override):
    py, px = window.padding
    for place, places in windows(size, window):
        padded = [
            1 for _, y, x in places if -py <= y < size[0] + py and -px <= x < size[1] + px
        ]
        count = len(padded) if count_include_pad else len(inside(places, size))
        yield place, inside(places, size), override or count


@pytest.mark.oracle("avg_pool2d")
@pytest.mark.parametrize("seed", range(60))
def test_avg_pool2d_against_loops(seed):
    x, window, include, override = drawn("avg_pool2d", seed)
    out = registry["avg_pool2d"](x, window, include, override)
    seen = 0
    for n, c in planes(x):
        for place, places, divisor in divisors(x.shape[2:], window, include, override):
            expected = sum(x[n, c, y, xx] for _, y, xx in places) / divisor
            assert out[(n, c, *place)] == pytest.approx(expected, abs=1e-12)
            seen += 1
    assert seen == out.size


@pytest.mark.oracle("avg_pool2d_input")
@pytest.mark.parametrize("seed", range(40))
def test_avg_pool2d_input_against_loops(seed):
    g, shape, window, include, override = drawn("avg_pool2d_input", seed)
    expected = np.zeros(shape)
    for n, c in planes(g):
        for place, places, divisor in divisors(shape[2:], window, include, override):
            for _, y, x in places:
                expected[n, c, y, x] += g[(n, c, *place)] / divisor
    got = registry["avg_pool2d_input"](g, shape, window, include, override)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def regions(size, out):
    for y, x in itertools.product(range(out[0]), range(out[1])):
        rows, columns = (
            range(math.floor(i * n / m), math.ceil((i + 1) * n / m))
            for i, n, m in ((y, size[0], out[0]), (x, size[1], out[1]))
        )
        yield (y, x), list(itertools.product(rows, columns))


@pytest.mark.oracle("adaptive_avg_pool2d")
@pytest.mark.parametrize("seed", range(40))
def test_adaptive_avg_pool2d_against_loops(seed):
    x, size = drawn("adaptive_avg_pool2d", seed)
    out = registry["adaptive_avg_pool2d"](x, size)
    assert out.shape == (*x.shape[:2], *size)
    for n, c in planes(x):
        for place, region in regions(x.shape[2:], size):
            expected = np.mean([x[n, c, y, xx] for y, xx in region])
            assert out[(n, c, *place)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.oracle("adaptive_avg_pool2d_input")
@pytest.mark.parametrize("seed", range(40))
def test_adaptive_avg_pool2d_input_against_loops(seed):
    g, shape = drawn("adaptive_avg_pool2d_input", seed)
    expected = np.zeros(shape)
    for n, c in planes(g):
        for place, region in regions(shape[2:], g.shape[2:]):
            for y, x in region:
                expected[n, c, y, x] += g[(n, c, *place)] / len(region)
    np.testing.assert_allclose(registry["adaptive_avg_pool2d_input"](g, shape), expected, atol=1e-12)


def test_an_all_negative_input_keeps_its_maximum_beside_padding():
    out = F.max_pool2d(tg.full((1, 1, 2, 2), -3.0), 2, padding=1)
    assert out.tolist() == [[[[-3.0, -3.0], [-3.0, -3.0]]]]


def test_the_first_of_equal_elements_gets_the_gradient():
    x = tg.zeros(1, 1, 2, 2, requires_grad=True)
    F.max_pool2d(x, 2).backward(tg.full((1, 1, 1, 1), 5.0))
    assert x.grad.tolist() == [[[[5.0, 0.0], [0.0, 0.0]]]]


def test_height_and_width_are_not_swapped():
    x = tg.arange(6.0).reshape(1, 1, 2, 3)
    assert F.max_pool2d(x, (1, 3)).tolist() == [[[[2.0], [5.0]]]]
    assert F.avg_pool2d(x, (2, 1)).tolist() == [[[[1.5, 2.5, 3.5]]]]


def test_a_single_image():
    x = tg.arange(16.0).reshape(1, 4, 4)
    assert F.max_pool2d(x, 2).tolist() == [[[5.0, 7.0], [13.0, 15.0]]]
    assert F.avg_pool2d(x, 2).shape == (1, 2, 2)
    assert F.adaptive_avg_pool2d(x, (None, 1)).shape == (1, 4, 1)


def test_return_indices():
    out, indices = F.max_pool2d(tg.arange(16.0).reshape(1, 1, 4, 4), 2, return_indices=True)
    assert out.tolist() == [[[[5.0, 7.0], [13.0, 15.0]]]]
    assert indices.tolist() == [[[[5, 7], [13, 15]]]]


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
def test_the_dtype_stays(dtype):
    x = tg.ones(1, 2, 5, 5, dtype=dtype, requires_grad=True)
    for out in (F.max_pool2d(x, 2), F.avg_pool2d(x, 2), F.adaptive_avg_pool2d(x, 3)):
        assert out.dtype == dtype
        out.sum().backward()
        assert x.grad.dtype == dtype


X = tg.zeros(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.max_pool2d(X, 5), RuntimeError, "larger than the padded input"),
        (lambda: F.max_pool2d(X, 2, padding=2), RuntimeError, "more than half of kernel_size"),
        (lambda: F.max_pool2d(X, 0), ValueError, "kernel_size must be at least 1"),
        (lambda: F.max_pool2d(X, 2, stride=0), ValueError, "stride must be at least 1"),
        (lambda: F.max_pool2d(tg.zeros(4, 4), 2), RuntimeError, r"input must be \(N, C, H, W\)"),
        (lambda: F.max_pool2d(tg.zeros(1, 1, 0, 4), 2), RuntimeError, "with C, H, W > 0"),
        (lambda: F.avg_pool2d(X, "2"), TypeError, "kernel_size must be an int"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=0), RuntimeError, "must not be 0"),
        (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), TypeError, "output_size must be"),
        (lambda: F.adaptive_avg_pool2d(X, -1), ValueError, "output_size must be at least 0"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_an_empty_batch():
    for out in (F.max_pool2d(tg.zeros(0, 1, 4, 4), 2), F.avg_pool2d(tg.zeros(0, 1, 4, 4), 2)):
        assert out.shape == (0, 1, 2, 2)


@pytest.mark.parametrize("seed", range(60))
def test_against_pytorch(seed):
    torch = pytest.importorskip("torch")
    x, window = drawn("max_pool2d", seed)
    options = window._asdict()
    options["kernel_size"] = options.pop("kernel")
    ours, theirs = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, indices = F.max_pool2d(ours, **options, return_indices=True)
    expected, places = torch.nn.functional.max_pool2d(theirs, **options, return_indices=True)
    np.testing.assert_array_equal(out.data, expected.detach().numpy())
    np.testing.assert_array_equal(indices.data, places.numpy())
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy())
    if window.dilation == (1, 1):
        del options["dilation"]
        out = F.avg_pool2d(ours, **options, count_include_pad=bool(seed % 2))
        expected = torch.nn.functional.avg_pool2d(
            theirs, **options, count_include_pad=bool(seed % 2)
        )
        np.testing.assert_allclose(out.data, expected.detach().numpy(), atol=1e-12)
