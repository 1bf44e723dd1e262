"""Convolutions, their transposes, and columns, against loops over every index; and their errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.kernels import conv as kernel, dispatch, geometry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw, gradcheck, gradgradcheck

CONVS = ("conv1d", "conv2d", "conv3d")


def each(value, dims):
    return value if isinstance(value, tuple) else (value,) * dims


def triples(image, weight, stride=1, padding=0, dilation=1, groups=1):
    """Return (output index, input index, weight index) of every product, and the output's shape."""
    n, _, *size = image
    o, c, *taps = weight
    dims = len(size)
    steps, gaps = each(stride, dims), each(dilation, dims)
    if padding == "same":
        before = [d * (k - 1) // 2 for d, k in zip(gaps, taps, strict=True)]
        out = size
    else:
        before = each(0 if padding == "valid" else padding, dims)
        out = [
            len(range(0, size[a] + 2 * before[a] - gaps[a] * (taps[a] - 1), steps[a]))
            for a in range(dims)
        ]
    found = []
    for b, channel, at, k, tap in itertools.product(
        range(n), range(o), np.ndindex(*out), range(c), np.ndindex(*taps)
    ):
        place = [at[a] * steps[a] + tap[a] * gaps[a] - before[a] for a in range(dims)]
        if all(0 <= i < m for i, m in zip(place, size, strict=True)):
            source = (b, channel // (o // groups) * c + k, *place)
            found.append(((b, channel, *at), source, (channel, k, *tap)))
    return found, (n, o, *out)


def batched(x, weight):
    return x if x.ndim == len(np.shape(weight) or weight) else x[None]


def drawn(name, seed):
    *args, options = registry[name].sampler(Draw.from_seed(seed))
    return args, options


WAYS = {
    "as chosen": lambda shape, geometry: True,
    "bands": lambda shape, geometry: geometry.groups == 1,
    "columns": lambda shape, geometry: True,
    "windows": lambda shape, geometry: max(geometry.dilation) == 1,
    "depthwise": lambda shape, geometry: shape[1] == 1 and geometry.groups == shape[0],
    "pointwise": lambda shape, geometry: (
        geometry.groups == 1 and np.prod(shape[2:]) == 1 and not np.any(geometry.padding)
    ),
}
"""For each way to compute a convolution, whether it can; otherwise it is done by columns."""


@pytest.fixture(params=[*WAYS, "columns, small tiles", "windows, small tiles"])
def way(request, monkeypatch):
    """Every way to compute a convolution in NumPy, wherever it can."""
    monkeypatch.setattr(dispatch, "_twins", {})  # none is compiled
    name, _, small = request.param.partition(", ")
    can, module = WAYS[name], getattr(kernel, name, None)
    if module is not None:
        choose = lambda shape, size, geometry, transpose=False: (
            module if can(shape, geometry) and np.prod(shape) * np.prod(size) else kernel.columns
        )
        monkeypatch.setattr(kernel, "_way", choose)
    if small:
        monkeypatch.setattr(geometry, "TILE", 256)


@pytest.mark.parametrize(
    ("expected", "shape", "image", "options"),
    [
        ("bands", (16, 6, 5, 5), (64, 6, 14, 14), {}),
        ("bands", (12, 12, 3, 3), (32, 12, 8, 8), {}),
        ("windows", (32, 16, 3, 3), (32, 16, 32, 32), {}),
        ("windows", (64, 16, 3, 3), (16, 64, 16, 16), {"groups": 4}),
        ("windows", (32, 16, 1, 1), (32, 16, 32, 32), {"padding": 1}),
        ("pointwise", (32, 16, 1, 1), (32, 16, 32, 32), {"stride": 2}),
        ("depthwise", (16, 1, 3, 3), (32, 16, 32, 32), {"groups": 16}),
        ("windows", (32, 3, 3, 3), (32, 3, 32, 32), {}),
        ("columns", (32, 2, 3, 3), (32, 2, 32, 32), {}),
        ("columns", (16, 16, 3, 3), (1, 16, 20, 20), {}),
        ("columns", (64, 4, 3, 3), (16, 64, 16, 16), {"groups": 16}),
        ("columns", (32, 16, 3, 3), (32, 16, 32, 32), {"dilation": 2}),
        ("columns", (4, 0, 3, 3), (2, 0, 8, 8), {}),
    ],
)
def test_the_rule_that_picks_a_way(expected, shape, image, options):
    given = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **options}
    pairs = {name: (n, n) for name, n in given.items() if name != "groups"}
    pairs["padding"] = (pairs["padding"],) * 2
    given = geometry.Geometry(**pairs, groups=given["groups"])
    assert kernel._way(shape, image, given) is getattr(kernel, expected)


def test_a_single_small_image_is_done_by_columns_but_not_in_the_transpose():
    given = geometry.Geometry((1, 1), ((0, 0), (0, 0)), (1, 1))
    assert kernel._way((16, 6, 5, 5), (1, 6, 14, 14), given) is kernel.columns
    assert kernel._way((16, 6, 5, 5), (1, 6, 14, 14), given, transpose=True) is kernel.bands


def test_few_channels_are_done_by_windows_but_not_in_the_transpose():
    given = geometry.Geometry((1, 1), ((0, 0), (0, 0)), (1, 1))
    assert kernel._way((32, 3, 3, 3), (32, 3, 32, 32), given) is kernel.windows
    assert kernel._way((32, 3, 3, 3), (32, 3, 32, 32), given, transpose=True) is kernel.columns


@pytest.mark.oracle
@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("seed", range(20))
def test_convolution_against_loops(way, name, seed):
    (x, weight, bias), options = drawn(name, seed)
    products, shape = triples(batched(x, weight).shape, weight.shape, **options)
    expected = np.zeros(shape)
    for out, source, w in products:
        expected[out] += batched(x, weight)[source] * weight[w]
    if bias is not None:
        expected += bias.reshape(-1, *[1] * (weight.ndim - 2))
    got = getattr(F, name)(tg.tensor(x), tg.tensor(weight), None if bias is None else tg.tensor(bias), **options)
    np.testing.assert_allclose(batched(got.data, weight), expected, atol=1e-12)
    assert got.ndim == x.ndim


@pytest.mark.oracle("conv_transpose")
@pytest.mark.parametrize("seed", range(40))
def test_transpose_in_the_input_against_loops(way, seed):
    (g, weight, bias, shape), options = drawn("conv_transpose", seed)
    products, _ = triples(shape if len(shape) == weight.ndim else (1, *shape), weight.shape, **options)
    expected = np.zeros(shape if len(shape) == weight.ndim else (1, *shape))
    for out, source, w in products:
        expected[source] += batched(g, weight)[out] * weight[w]
    if bias is not None:
        expected += bias.reshape(-1, *[1] * (weight.ndim - 2))
    got = registry["conv_transpose"](g, weight, bias, shape, **options)
    np.testing.assert_allclose(batched(got, weight), expected, atol=1e-12)
    assert got.shape == shape


@pytest.mark.oracle("conv_weight")
@pytest.mark.parametrize("seed", range(40))
def test_transpose_in_the_weight_against_loops(way, seed):
    (g, x, shape), options = drawn("conv_weight", seed)
    g_batch, x_batch = (a if a.ndim == len(shape) else a[None] for a in (g, x))
    products, _ = triples(x_batch.shape, shape, **options)
    expected = np.zeros(shape)
    for out, source, w in products:
        expected[w] += g_batch[out] * x_batch[source]
    np.testing.assert_allclose(registry["conv_weight"](g, x, shape, **options), expected, atol=1e-12)


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
def test_a_non_finite_input_stays_in_its_windows(way, bad):
    x = np.zeros((1, 1, 6, 6), np.float32)
    x[0, 0, 3, 0] = bad
    weight = np.ones((1, 1, 3, 3), np.float32)
    out = F.conv2d(tg.tensor(x), tg.tensor(weight)).data[0, 0]
    touched = np.zeros((4, 4), bool)
    touched[1:4, 0] = True
    np.testing.assert_array_equal(np.isfinite(out), ~touched)
    g = np.zeros((1, 1, 4, 4), np.float32)
    g[0, 0, 2, 0] = bad
    assert np.isfinite(registry["conv_transpose"](g, weight, None, x.shape)).sum() == 36 - 9
    clean = np.zeros_like(x)
    clean[0, 0, 2:5, 0:3] = 1
    assert not np.isfinite(registry["conv_weight"](g, clean, weight.shape)).any()
    weight[0, 0, 0, 0] = bad
    out = registry["conv_transpose"](np.ones_like(g), weight, None, x.shape)[0, 0]
    np.testing.assert_array_equal(np.isfinite(out), np.pad(np.zeros((4, 4)), (0, 2), constant_values=1))


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((8, 1, 28, 28), (6, 1, 5, 5), {"padding": 2}),
        ((8, 6, 14, 14), (16, 6, 5, 5), {}),
        ((4, 16, 16, 16), (32, 16, 3, 3), {"padding": 1}),
        ((4, 32, 16, 16), (64, 32, 3, 3), {"padding": 1, "stride": 2}),
        ((4, 16, 16, 16), (32, 16, 1, 1), {"stride": 2}),
        ((4, 32, 16, 16), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ],
)
def test_float32_and_repeated_runs(way, shape, weight, options):
    """As exact as products of float32 are; and the same bits again."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(s) for s in (shape, weight))
    g = rng.standard_normal(registry["conv2d"](x, w, None, **options).shape)
    given = [(x, w, None), (g, w, None, shape), (g, x, weight)]
    for name, args in zip(("conv2d", "conv_transpose", "conv_weight"), given, strict=True):
        narrow = [a.astype(np.float32) if isinstance(a, np.ndarray) else a for a in args]
        got = registry[name](*narrow, **options)
        expected = registry[name](*args, **options)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_array_equal(registry[name](*narrow, **options), got)


def test_float16_is_summed_in_float32():
    x = tg.ones(1, 1, 64, 64, dtype=tg.float16)
    out = F.conv2d(x, tg.ones(1, 1, 64, 64, dtype=tg.float16) * 0.5)
    assert out.dtype == tg.float16
    assert out.item() == 2048
    one = tg.ones(1, 4096, 1, 1, dtype=tg.float16, requires_grad=True)
    weight = tg.ones(4096, 1, 1, 1, dtype=tg.float16, requires_grad=True) * 0.5
    out = F.conv_transpose2d(one, weight)
    assert (out.dtype, out.item()) == (tg.float16, 2048)
    (gradient,) = tg.autograd.grad(out, one)
    assert gradient.dtype == tg.float16


def test_what_is_not_a_number_warns_nobody(way):
    x = tg.tensor([[[np.inf, np.inf, 1.0]]])
    weight = tg.tensor([[[1.0, -1.0]]])
    assert F.conv1d(x, weight).isnan().tolist() == [[[True, False]]]
    out = F.conv_transpose1d(x, weight, tg.tensor([-np.inf]))
    assert out.isnan().tolist() == [[[True, True, False, False]]]


def test_an_empty_batch():
    weight = tg.zeros(2, 1, 3, 3, requires_grad=True)
    out = F.conv2d(tg.zeros(0, 1, 5, 5), weight, padding=1)
    assert out.shape == (0, 2, 5, 5)
    out.sum().backward()
    assert weight.grad.tolist() == tg.zeros(2, 1, 3, 3).tolist()


def test_no_channels():
    x, weight = (tg.zeros(*shape, requires_grad=True) for shape in [(2, 0, 5, 5), (3, 0, 3, 3)])
    out = F.conv2d(x, weight, tg.ones(3))
    assert out.tolist() == tg.ones(2, 3, 3, 3).tolist()
    out.sum().backward()
    assert (x.grad.shape, weight.grad.shape) == (x.shape, weight.shape)


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
        ((X, tg.zeros(0, 4, 3, 3)), {}, RuntimeError, r"weight \(0, 4, 3, 3\) is empty"),
        ((X, tg.zeros(8, 4, 3, 0)), {}, RuntimeError, r"weight \(8, 4, 3, 0\) is empty"),
        ((X, W, tg.zeros(7)), {}, RuntimeError, r"bias has shape \(7,\)"),
        ((X, W.double()), {}, RuntimeError, "must have one dtype, got float32, float64"),
        ((X, W), {"groups": 2}, RuntimeError, r"expects 8 \(groups=2\)"),
        ((X, tg.zeros(3, 2, 3, 3)), {"groups": 2}, RuntimeError, "2 groups do not divide"),
        ((X, W), {"groups": 0}, ValueError, "groups must be a positive int"),
        ((X, W), {"stride": 0}, RuntimeError, "stride must be at least 1"),
        ((X, W), {"padding": -1}, RuntimeError, "padding must be at least 0"),
        ((X, W), {"padding": "full"}, ValueError, "padding must be"),
        ((X, W), {"padding": "same", "stride": 2}, ValueError, "needs stride 1"),
        ((X, W), {"stride": 1.5}, TypeError, "stride must be an int or 2 ints"),
        ((X, W), {"stride": (1, 2, 3)}, RuntimeError, "stride must be an int or 2 ints"),
        ((X, 2.0), {}, TypeError, "weight must be a Tensor, got float"),
        ((X, W, 2.0), {}, TypeError, "bias must be a Tensor, got float"),
    ],
)
def test_errors(args, options, error, message):
    with pytest.raises(error, match=message):
        F.conv2d(*args, **options)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", CONVS)
@pytest.mark.parametrize("seed", range(20))
def test_against_pytorch(way, name, seed):
    torch = pytest.importorskip("torch")
    (x, weight, bias), options = drawn(name, seed)
    ours = [tg.tensor(a, requires_grad=True) for a in (x, weight)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, weight)]
    out = getattr(F, name)(*ours, None if bias is None else tg.tensor(bias), **options)
    expected = getattr(torch.nn.functional, name)(
        *theirs, None if bias is None else torch.tensor(bias), **options
    )
    np.testing.assert_allclose(out.data, expected.detach().numpy(), atol=1e-12)
    (out * out).sum().backward()
    (expected * expected).sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), atol=1e-11)


# -- transposed convolution --------------------------------------------------------------------


def draw_transposed(dims, seed):
    """Draw x, weight, bias and options."""
    options = Draw.from_seed(seed).transposed_convolution(dims)
    return [options.pop(name) for name in ("input", "weight", "bias")], options


def transposed(x, weight, stride, padding, output_padding, groups, dilation):
    """Add each element of x (N, C, ...), times the kernel, to its window of the output."""
    n, c, *size = x.shape
    _, o, *taps = weight.shape
    axes = range(len(size))
    out = [
        (size[a] - 1) * stride[a] - 2 * padding[a] + dilation[a] * (taps[a] - 1) + output_padding[a] + 1
        for a in axes
    ]
    result = np.zeros((n, o * groups, *out))
    for b, channel, at, k, tap in itertools.product(
        range(n), range(c), np.ndindex(*size), range(o), np.ndindex(*taps)
    ):
        place = tuple(at[a] * stride[a] + tap[a] * dilation[a] - padding[a] for a in axes)
        if all(0 <= place[a] < out[a] for a in axes):
            target = channel // (c // groups) * o + k
            result[(b, target, *place)] += x[(b, channel, *at)] * weight[(channel, k, *tap)]
    return result


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_transposed_convolution_against_loops(way, dims, seed):
    (x, weight, bias), options = draw_transposed(dims, seed)
    expected = transposed(batched(x, weight), weight, **options)
    if bias is not None:
        expected += bias.reshape(-1, *[1] * dims)
    got = getattr(F, f"conv_transpose{dims}d")(
        tg.tensor(x), tg.tensor(weight), None if bias is None else tg.tensor(bias), **options
    )
    np.testing.assert_allclose(batched(got.data, weight), expected, atol=1e-12)
    assert got.ndim == x.ndim


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(10))
def test_gradients_of_transposed_convolution(dims, seed):
    (x, weight, bias), options = draw_transposed(dims, seed)
    inputs = tuple(tg.tensor(a, requires_grad=True) for a in (x, weight, bias) if a is not None)
    function = getattr(F, f"conv_transpose{dims}d")
    assert gradcheck(lambda *a: function(*a, **options), inputs, fast_mode=True)
    assert gradgradcheck(lambda *a: function(*a, **options), inputs, fast_mode=True)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_transposed_convolution_against_pytorch(dims, seed):
    torch = pytest.importorskip("torch")
    arrays, options = draw_transposed(dims, seed)
    name = f"conv_transpose{dims}d"
    got = getattr(F, name)(*[a if a is None else tg.tensor(a) for a in arrays], **options)
    expected = getattr(torch.nn.functional, name)(
        *[a if a is None else torch.tensor(a) for a in arrays], **options
    )
    np.testing.assert_allclose(got.data, expected.numpy(), atol=1e-12)


T = tg.zeros(4, 3, 2, 2)


@pytest.mark.parametrize(
    ("args", "options", "error", "message"),
    [
        ((tg.zeros(1, 3, 5, 5), T), {}, RuntimeError,
         r"conv_transpose2d: input has 3 channels, weight \(4, 3, 2, 2\) expects 4 \(groups=1\)"),
        ((X, tg.zeros(4, 3, 2)), {}, RuntimeError, r"weight must have 4 dimensions \(C, O, KH, KW\)"),
        ((X, T), {"groups": 3}, RuntimeError, "3 groups do not divide"),
        ((X, tg.zeros(4, 0, 2, 2)), {}, RuntimeError, r"weight \(4, 0, 2, 2\) is empty"),
        ((X, T, tg.zeros(4)), {}, RuntimeError, r"expects \(3,\)"),
        ((X, T), {"output_padding": 1}, RuntimeError, "output_padding must be smaller than"),
        ((X, T), {"output_padding": -1}, RuntimeError, "output_padding must be at least 0"),
        ((X, T), {"padding": 3}, RuntimeError,
         r"an input of size \(5, 5\) gives an output of size \(0, 0\)"),
        ((tg.zeros(1, 4, 0, 5), tg.zeros(4, 3, 3, 3)), {}, RuntimeError, r"an input of size \(0, 5\)"),
        ((X, T), {"padding": "same"}, TypeError, "padding must be an int or 2 ints"),
        ((X, 1.0), {}, TypeError, "weight must be a Tensor, got float"),
    ],
)
def test_errors_of_transposed_convolution(args, options, error, message):
    with pytest.raises(error, match=message):
        F.conv_transpose2d(*args, **options)


# -- columns of an image -----------------------------------------------------------------------


def copies(shape, options):
    """Yield (index of the image, index of the columns), of an image (N, C, H, W)."""
    n, c, *size = shape
    taps, gaps, padding, steps = (
        each(options[key], 2) for key in ("kernel_size", "dilation", "padding", "stride")
    )
    places = [range(0, size[a] + 2 * padding[a] - gaps[a] * (taps[a] - 1), steps[a]) for a in (0, 1)]
    for b, k in itertools.product(range(n), range(c)):
        for row, tap in enumerate(np.ndindex(*taps)):
            for column, corner in enumerate(itertools.product(*places)):
                y, x = (corner[a] + tap[a] * gaps[a] - padding[a] for a in (0, 1))
                if 0 <= y < size[0] and 0 <= x < size[1]:
                    yield (b, k, y, x), (b, k * taps[0] * taps[1] + row, column)


@pytest.mark.oracle("unfold")
@pytest.mark.parametrize("seed", range(40))
def test_unfold_against_loops(seed):
    (image,), options = drawn("unfold", seed)
    got = F.unfold(tg.tensor(image), **options)
    batch = image if image.ndim == 4 else image[None]
    expected = np.zeros(got.shape if got.ndim == 3 else (1, *got.shape))
    for pixel, place in copies(batch.shape, options):
        expected[place] = batch[pixel]
    np.testing.assert_array_equal(got.data, expected if image.ndim == 4 else expected[0])


@pytest.mark.oracle("fold")
@pytest.mark.parametrize("seed", range(40))
def test_fold_against_loops(seed):
    (columns, size), options = drawn("fold", seed)
    batch = columns if columns.ndim == 3 else columns[None]
    taps = np.prod(options["kernel_size"])
    expected = np.zeros((len(batch), batch.shape[1] // taps, *size))
    for pixel, place in copies(expected.shape, options):
        expected[pixel] += batch[place]
    got = F.fold(tg.tensor(columns), size, **options)
    np.testing.assert_allclose(got.data, expected if columns.ndim == 3 else expected[0], atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.unfold(tg.zeros(4, 4), 2), RuntimeError, r"input must be \(N, C, H, W\)"),
        (lambda: F.unfold(X, 6), RuntimeError, r"the window \(6, 6\) is larger than .* \(5, 5\)"),
        (lambda: F.unfold(X, 0), RuntimeError, "kernel_size must be at least 1"),
        (lambda: F.unfold(X, 2, padding="same"), TypeError, "padding must be an int or 2 ints"),
        (lambda: F.unfold([1.0], 2), TypeError, "input must be a Tensor"),
        (lambda: F.fold(tg.zeros(1, 12, 8), 4, 2), RuntimeError, r"multiple of 4, 9\).* got \(1, 12, 8\)"),
        (lambda: F.fold(tg.zeros(1, 11, 9), 4, 2), RuntimeError, "a multiple of 4"),
        (lambda: F.fold(tg.zeros(1, 0, 9), 4, 2), RuntimeError, "a multiple of 4"),
        (lambda: F.fold(tg.zeros(9), 4, 2), RuntimeError, "a multiple of 4"),
        (lambda: F.fold(X, 4, 5), RuntimeError, "the window"),
    ],
)
def test_errors_of_columns(call, error, message):
    with pytest.raises(error, match=message):
        call()
