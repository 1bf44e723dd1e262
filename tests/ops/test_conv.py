"""conv2d and its transposes against loops over every index, and its errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.kernels import conv as kernel
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw


def triples(image, weight, stride=1, padding=0, dilation=1, groups=1):
    """Yield (output index, input index, weight index) of every product, and the output's size."""
    pairs = [v if isinstance(v, tuple) else (v, v) for v in (stride, dilation)]
    (sy, sx), (dy, dx) = pairs
    n, _, height, width = image
    o, c, kh, kw = weight
    if padding == "valid":
        padding = 0
    if padding == "same":
        top, left = dy * (kh - 1) // 2, dx * (kw - 1) // 2
        oh, ow = height, width
    else:
        top, left = padding if isinstance(padding, tuple) else (padding, padding)
        oh = len(range(0, height + 2 * top - dy * (kh - 1), sy))
        ow = len(range(0, width + 2 * left - dx * (kw - 1), sx))
    found = []
    ranges = (range(m) for m in (n, o, oh, ow, c, kh, kw))
    for b, out, y, x, channel, i, j in itertools.product(*ranges):
        iy, ix = y * sy + i * dy - top, x * sx + j * dx - left
        if 0 <= iy < height and 0 <= ix < width:
            source = (b, out // (o // groups) * c + channel, iy, ix)
            found.append(((b, out, y, x), source, (out, channel, i, j)))
    return found, (n, o, oh, ow)


def batched(x):
    return x if x.ndim == 4 else x[None]



def drawn(name, seed):
    *args, options = registry[name].sampler(Draw.from_seed(seed))
    return args, options


@pytest.fixture(params=["bands", "columns", "small tiles"])
def way(request, monkeypatch):
    """Every way to compute a convolution, whatever the shape."""
    bands = request.param == "bands"
    monkeypatch.setattr(kernel, "_prefers_bands", lambda w, width, g: bands and g.groups == 1)
    if request.param == "small tiles":
        monkeypatch.setattr(kernel, "TILE", 256)


@pytest.mark.oracle("conv2d")
@pytest.mark.parametrize("seed", range(40))
def test_conv2d_against_loops(way, seed):
    (x, weight, bias), options = drawn("conv2d", seed)
    products, shape = triples(batched(x).shape, weight.shape, **options)
    expected = np.zeros(shape)
    for out, source, w in products:
        expected[out] += batched(x)[source] * weight[w]
    if bias is not None:
        expected += bias[:, None, None]
    got = F.conv2d(tg.tensor(x), tg.tensor(weight), None if bias is None else tg.tensor(bias), **options)
    np.testing.assert_allclose(batched(got.data), expected, atol=1e-12)
    assert got.ndim == x.ndim


@pytest.mark.oracle("conv2d_input")
@pytest.mark.parametrize("seed", range(40))
def test_conv2d_input_against_loops(way, seed):
    (g, weight, shape), options = drawn("conv2d_input", seed)
    products, _ = triples(shape if len(shape) == 4 else (1, *shape), weight.shape, **options)
    expected = np.zeros(shape if len(shape) == 4 else (1, *shape))
    for out, source, w in products:
        expected[source] += batched(g)[out] * weight[w]
    got = registry["conv2d_input"](g, weight, shape, **options)
    np.testing.assert_allclose(batched(got), expected, atol=1e-12)
    assert got.shape == shape


@pytest.mark.oracle("conv2d_weight")
@pytest.mark.parametrize("seed", range(40))
def test_conv2d_weight_against_loops(way, seed):
    (g, x, shape), options = drawn("conv2d_weight", seed)
    products, _ = triples(batched(x).shape, shape, **options)
    expected = np.zeros(shape)
    for out, source, w in products:
        expected[w] += batched(g)[out] * batched(x)[source]
    np.testing.assert_allclose(registry["conv2d_weight"](g, x, shape, **options), expected, atol=1e-12)


# The numbers of the lecture.
IMAGE = [[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]]
KERNEL = [[2, 0, 1], [0, 1, 2], [1, 0, 2]]
LARGE = [[1, 0, 3, 2, 3], [0, 1, 2, 3, 0], [2, 0, 1, 2, 3], [3, 3, 0, 1, 2], [0, 2, 3, 0, 1]]


@pytest.mark.parametrize(
    ("image", "pad_with", "stride", "expected"),
    [
        (IMAGE, None, 1, [[15, 16], [6, 15]]),
        (IMAGE, 0, 1, [[7, 12, 10, 2], [4, 15, 16, 10], [10, 6, 15, 6], [8, 10, 4, 3]]),
        (IMAGE, 1, 1, [[11, 15, 13, 9], [7, 15, 16, 15], [13, 6, 15, 11], [13, 13, 7, 9]]),
        (LARGE, None, 1, [[14, 14, 19], [7, 15, 16], [14, 6, 15]]),
        (LARGE, None, 2, [[14, 19], [14, 15]]),
    ],
)
@pytest.mark.parametrize("dtype", [tg.float32, tg.float64])
def test_the_numbers_of_the_lecture(way, image, pad_with, stride, expected, dtype):
    x = tg.tensor(image, dtype=dtype).reshape(1, 1, len(image), len(image))
    if pad_with is not None:
        x = F.pad(x, (1, 1, 1, 1), value=pad_with)
    out = F.conv2d(x, tg.tensor(KERNEL, dtype=dtype).reshape(1, 1, 3, 3), stride=stride)
    assert out[0, 0].tolist() == expected
    assert out.dtype == dtype


def test_padding_by_the_option_equals_padding_by_hand(way):
    x = tg.tensor(IMAGE, dtype=tg.float32).reshape(1, 1, 4, 4)
    weight = tg.tensor(KERNEL, dtype=tg.float32).reshape(1, 1, 3, 3)
    by_hand = F.conv2d(F.pad(x, (1, 1, 1, 1)), weight)
    assert F.conv2d(x, weight, padding=1).tolist() == by_hand.tolist()
    assert F.conv2d(x, weight, padding="same").tolist() == by_hand.tolist()


def test_output_size_of_the_lecture():
    out = F.conv2d(tg.zeros(1, 1, 7, 7), tg.zeros(1, 1, 3, 3), padding=1, stride=2)
    assert out.shape == (1, 1, 4, 4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_input_stays_in_its_windows(bad):
    x = np.zeros((1, 1, 6, 6), np.float32)
    x[0, 0, 3, 0] = bad
    weight = np.ones((1, 1, 3, 3), np.float32)
    assert kernel._prefers_bands(weight, 6, kernel.Geometry((1, 1), ((0, 0), (0, 0)), (1, 1), 1))
    out = F.conv2d(tg.tensor(x), tg.tensor(weight)).data[0, 0]
    touched = np.zeros((4, 4), bool)
    touched[1:4, 0] = True
    np.testing.assert_array_equal(np.isfinite(out), ~touched)
    g = np.zeros((1, 1, 4, 4), np.float32)
    g[0, 0, 2, 0] = bad
    assert np.isfinite(registry["conv2d_input"](g, weight, x.shape)).sum() == 36 - 9
    clean = np.zeros_like(x)
    clean[0, 0, 2:5, 0:3] = 1
    assert not np.isfinite(registry["conv2d_weight"](g, clean, weight.shape)).any()


def test_both_ways_agree_in_float32_on_the_shapes_of_lenet(monkeypatch):
    rng = np.random.default_rng(0)
    for shape, weight, padding in [((8, 1, 28, 28), (6, 1, 5, 5), 2), ((8, 6, 14, 14), (16, 6, 5, 5), 0)]:
        x = rng.standard_normal(shape, dtype=np.float32)
        w = rng.standard_normal(weight, dtype=np.float32)
        results = []
        for bands in (True, False):
            monkeypatch.setattr(kernel, "_prefers_bands", lambda *_, bands=bands: bands)
            results.append(registry["conv2d"](x, w, None, 1, padding))
        np.testing.assert_allclose(*results, rtol=1e-4, atol=1e-4)


def test_float16_is_summed_in_float32():
    x = tg.ones(1, 1, 64, 64, dtype=tg.float16)
    out = F.conv2d(x, tg.ones(1, 1, 64, 64, dtype=tg.float16) * 0.5)
    assert out.dtype == tg.float16
    assert out.item() == 2048


def test_an_empty_batch():
    weight = tg.zeros(2, 1, 3, 3, requires_grad=True)
    out = F.conv2d(tg.zeros(0, 1, 5, 5), weight, padding=1)
    assert out.shape == (0, 2, 5, 5)
    out.sum().backward()
    assert weight.grad.tolist() == tg.zeros(2, 1, 3, 3).tolist()


X, W = tg.zeros(1, 4, 5, 5), tg.zeros(8, 4, 3, 3)


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        ((tg.zeros(1, 3, 5, 5), W), {}, RuntimeError,
         r"conv2d: input has 3 channels, weight \(8, 4, 3, 3\) expects 4 \(groups=1\)"),
        ((X, tg.zeros(8, 4, 3)), {}, RuntimeError, "weight must have 4 dimensions"),
        ((tg.zeros(5, 5), W), {}, RuntimeError, "input must have 4 dimensions"),
        ((X, tg.zeros(8, 4, 6, 6)), {}, RuntimeError,
         r"conv2d: the window \(6, 6\) is larger than the padded input \(5, 5\)"),
        ((X, W), {"dilation": 3}, RuntimeError, r"the window \(7, 7\) is larger"),
        ((X, W, tg.zeros(7)), {}, RuntimeError, r"bias has shape \(7,\)"),
        ((X, W.double()), {}, RuntimeError, "must have one dtype, got float32, float64"),
        ((X, W), {"groups": 2}, RuntimeError, r"expects 8 \(groups=2\)"),
        ((X, tg.zeros(3, 2, 3, 3)), {"groups": 2}, RuntimeError, "2 groups do not divide"),
        ((X, W), {"groups": 0}, ValueError, "groups must be a positive int"),
        ((X, W), {"stride": 0}, ValueError, "stride must be at least 1"),
        ((X, W), {"padding": -1}, ValueError, "padding must be at least 0"),
        ((X, W), {"padding": "full"}, ValueError, "padding must be"),
        ((X, W), {"padding": "same", "stride": 2}, ValueError, "needs stride 1"),
        ((X, W), {"stride": 1.5}, TypeError, "stride must be an int or a pair of ints"),
        ((X, W), {"stride": (1, 2, 3)}, TypeError, "stride must be an int or a pair of ints"),
    ],
)
def test_errors(args, options, error, message):
    with pytest.raises(error, match=message):
        F.conv2d(*args, **options)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("seed", range(60))
def test_against_pytorch(way, seed):
    torch = pytest.importorskip("torch")
    (x, weight, bias), options = drawn("conv2d", seed)
    ours = [tg.tensor(a, requires_grad=True) for a in (x, weight)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, weight)]
    out = F.conv2d(*ours, None if bias is None else tg.tensor(bias), **options)
    expected = torch.nn.functional.conv2d(
        *theirs, None if bias is None else torch.tensor(bias), **options
    )
    np.testing.assert_allclose(out.data, expected.detach().numpy(), atol=1e-12)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), atol=1e-11)
