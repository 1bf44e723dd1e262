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


def of_each_size(*names):
    """Name the operation for 1, 2 and 3 dimensions, and mark the test as their oracle."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(f"{name}{dims}d", marks=pytest.mark.oracle(f"{name}{dims}d"))
            for name in names
            for dims in (1, 2, 3)
        ],
    )


def output_length(n, k, s, p, d, ceil_mode):
    """Count the window starts, one by one."""
    count, start = 0, -p
    while start + d * (k - 1) <= n - 1 + p:
        count, start = count + 1, start + s
    sticks_out = (n + 2 * p - d * (k - 1) - 1) % s != 0
    return count + (ceil_mode and sticks_out and start < n)


def windows(size, window):
    """Yield each output's place, and the place of each of its taps, outside ones too."""
    kernel, stride, padding, dilation, ceil_mode = window
    axes = list(zip(size, kernel, stride, padding, dilation, strict=True))
    for output in itertools.product(*[range(output_length(*axis, ceil_mode)) for axis in axes]):
        yield (
            output,
            [
                tuple(
                    o * s - p + t * d
                    for o, t, (_, _, s, p, d) in zip(output, tap, axes, strict=True)
                )
                for tap in itertools.product(*map(range, kernel))
            ],
        )


def is_inside(place, size, margin=None):
    return all(
        -m <= i < n + m for i, n, m in zip(place, size, margin or (0,) * len(size), strict=True)
    )


def parted(shape, window):
    """Return the shape of the batch, and that of the images."""
    dims = len(window.kernel)
    return shape[:-dims], shape[-dims:]


def naive_max(x, window):
    """Return maxima and taps, by comparing one element after the other as PyTorch does."""
    batch, size = parted(x.shape, window)
    found = dict(windows(size, window))
    shape = (*batch, *[n + 1 for n in max(found)])
    out, taps = np.zeros(shape), np.zeros(shape, int)
    for b in np.ndindex(batch):
        for place, places in found.items():
            inside = [(t, at) for t, at in enumerate(places) if is_inside(at, size)]
            best, tap = -math.inf, inside[0][0] if inside else 0
            for t, at in inside:
                value = x[(*b, *at)]
                if value > best or math.isnan(value):
                    best, tap = value, t
            out[(*b, *place)], taps[(*b, *place)] = best, tap
    return out, taps


def with_ties(x, seed, nan):
    """Return few different values, of the shape of `x`; with `nan`, infinite ones too."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, x.shape).astype(float)
    if nan:
        for value in (np.nan, np.inf, -np.inf):
            x[rng.random(x.shape) < 0.2] = value
    return x


@of_each_size("max_pool")
@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("values", ["distinct", "ties", "nan"])
def test_max_pool_against_loops(name, seed, values):
    x, window = drawn(name, seed)
    if values != "distinct":
        x = with_ties(x, seed, values == "nan")
    out, taps = registry[name](x, window)
    expected, expected_taps = naive_max(x, window)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(taps, expected_taps)


@pytest.mark.oracle("max_pool_input")
@pytest.mark.parametrize("seed", range(40))
def test_max_pool_input_against_loops(seed):
    g, taps, shape, window = drawn("max_pool_input", seed)
    batch, size = parted(shape, window)
    expected = np.zeros(shape)
    for b in np.ndindex(batch):
        for place, places in windows(size, window):
            at = (*b, *place)
            expected[(*b, *places[taps[at]])] += g[at]
    np.testing.assert_allclose(registry["max_pool_input"](g, taps, shape, window), expected)


@pytest.mark.oracle("max_pool_pick")
@pytest.mark.parametrize("seed", range(40))
def test_max_pool_pick_against_loops(seed):
    x, taps, window = drawn("max_pool_pick", seed)
    batch, size = parted(x.shape, window)
    expected = np.zeros(taps.shape)
    for b in np.ndindex(batch):
        for place, places in windows(size, window):
            at = (*b, *place)
            expected[at] = x[(*b, *places[taps[at]])]
    np.testing.assert_array_equal(registry["max_pool_pick"](x, taps, window), expected)


def shares(size, window, count_include_pad, override):
    """Yield each output's place, the places of its taps inside, and what their sum is divided by."""
    for place, places in windows(size, window):
        inside = [at for at in places if is_inside(at, size)]
        padded = [at for at in places if is_inside(at, size, window.padding)]
        yield place, inside, override or len(padded if count_include_pad else inside)


@of_each_size("avg_pool")
@pytest.mark.parametrize("seed", range(25))
def test_avg_pool_against_loops(name, seed):
    x, window, include, override = drawn(name, seed)
    batch, size = parted(x.shape, window)
    out = registry[name](x, window, include, override)
    seen = 0
    for b in np.ndindex(batch):
        for place, inside, divisor in shares(size, window, include, override):
            expected = sum(x[(*b, *at)] for at in inside) / divisor
            assert out[(*b, *place)] == pytest.approx(expected, abs=1e-12)
            seen += 1
    assert seen == out.size


@pytest.mark.oracle("avg_pool_input")
@pytest.mark.parametrize("seed", range(40))
def test_avg_pool_input_against_loops(seed):
    g, shape, window, include, override = drawn("avg_pool_input", seed)
    batch, size = parted(shape, window)
    expected = np.zeros(shape)
    for b in np.ndindex(batch):
        for place, inside, divisor in shares(size, window, include, override):
            for at in inside:
                expected[(*b, *at)] += g[(*b, *place)] / divisor
    got = registry["avg_pool_input"](g, shape, window, include, override)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def regions(size, out):
    """Yield each output's place, and the places of its region."""
    for place in itertools.product(*map(range, out)):
        sides = [
            range(math.floor(i * n / m), math.ceil((i + 1) * n / m))
            for i, n, m in zip(place, size, out, strict=True)
        ]
        yield place, list(itertools.product(*sides))


@of_each_size("adaptive_avg_pool")
@pytest.mark.parametrize("seed", range(20))
def test_adaptive_avg_pool_against_loops(name, seed):
    x, out_size = drawn(name, seed)
    batch, size = x.shape[: -len(out_size)], x.shape[-len(out_size) :]
    out = registry[name](x, out_size)
    assert out.shape == (*batch, *out_size)
    for b in np.ndindex(batch):
        for place, region in regions(size, out_size):
            expected = np.mean([x[(*b, *at)] for at in region])
            assert out[(*b, *place)] == pytest.approx(expected, abs=1e-12)


@pytest.mark.oracle("adaptive_avg_pool_input")
@pytest.mark.parametrize("seed", range(40))
def test_adaptive_avg_pool_input_against_loops(seed):
    g, size = drawn("adaptive_avg_pool_input", seed)
    batch, out_size = g.shape[: -len(size)], g.shape[-len(size) :]
    expected = np.zeros((*batch, *size))
    for b in np.ndindex(batch):
        for place, region in regions(size, out_size):
            for at in region:
                expected[(*b, *at)] += g[(*b, *place)] / len(region)
    got = registry["adaptive_avg_pool_input"](g, size)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@of_each_size("adaptive_max_pool")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("values", ["distinct", "ties", "nan"])
def test_adaptive_max_pool_against_loops(name, seed, values):
    x, out_size = drawn(name, seed)
    if values != "distinct":
        x = with_ties(x, seed, values == "nan")
    batch, size = x.shape[: -len(out_size)], x.shape[-len(out_size) :]
    out, indices = registry[name](x, out_size)
    assert out.shape == indices.shape == (*batch, *out_size)
    for b in np.ndindex(batch):
        for place, region in regions(size, out_size):
            best, index = -math.inf, region[0]
            for at in region:
                if x[(*b, *at)] > best or math.isnan(x[(*b, *at)]):
                    best, index = x[(*b, *at)], at
            np.testing.assert_equal(out[(*b, *place)], best)
            assert np.unravel_index(indices[(*b, *place)], size) == index


@of_each_size("max_unpool")
@pytest.mark.parametrize("seed", range(20))
def test_max_unpool_against_loops(name, seed):
    x, indices, size = drawn(name, seed)
    batch = x.shape[: -len(size)]
    expected = np.zeros((*batch, math.prod(size)))
    for at in np.ndindex(x.shape):
        expected[(*at[: len(batch)], indices[at])] = x[at]
    out = registry[name](x, indices, size)
    np.testing.assert_array_equal(out, expected.reshape(*batch, *size))


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_lp_pool_against_loops(dims, seed):
    x, window, *_ = drawn(f"avg_pool{dims}d", seed)
    window = window._replace(padding=(0,) * dims)
    size = tuple(map(max, x.shape[-dims:], window.kernel))
    x = np.random.default_rng(seed).uniform(0.1, 2, (2, *size))
    p = (1, 2, 3, 1.5)[seed % 4]
    lp_pool = getattr(F, f"lp_pool{dims}d")
    out = lp_pool(tg.tensor(x), p, window.kernel, window.stride, window.ceil_mode)
    seen = 0
    for c in range(2):
        for place, inside, divisor in shares(size, window, True, None):
            total = sum(x[(c, *at)] ** p for at in inside) * math.prod(window.kernel) / divisor
            assert out[(c, *place)].item() == pytest.approx(total ** (1 / p))
            seen += 1
    assert seen == out.numel()


@pytest.mark.parametrize("p", [1, 2])
def test_lp_pool_of_zeros_has_no_gradient(p):
    x = tg.zeros(1, 2, 2, requires_grad=True)
    F.lp_pool2d(x, p, 2).sum().backward()
    assert x.grad.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


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


def test_a_window_of_many_taps():
    x = tg.arange(400.0).reshape(1, 20, 20).requires_grad_()
    out, indices = F.max_pool2d(x, 20, return_indices=True)
    assert (out.item(), indices.item()) == (399, 399)
    out.sum().backward()
    assert np.argwhere(x.grad.data).tolist() == [[0, 19, 19]]


def test_a_window_that_steps_over_its_image():
    x = tg.ones(1, 1, requires_grad=True)
    out, indices = F.max_pool1d(x, 2, 1, padding=1, dilation=2, return_indices=True)
    assert out.tolist() == [[-math.inf]]
    assert indices.tolist() == [[0]]
    out.sum().backward()
    assert x.grad.tolist() == [[0.0]]


@pytest.mark.parametrize("pool", [F.max_pool1d, F.adaptive_max_pool1d])
def test_where_the_gradient_of_a_maximum_goes(pool):
    nan = math.nan
    x = tg.tensor([[1.0, 3.0, 3.0, 2.0, nan, 5.0]], requires_grad=True)
    out = pool(x, 3 if pool is F.max_pool1d else 2)
    np.testing.assert_array_equal(out.data, [[3.0, nan]])
    out.backward(tg.tensor([[7.0, 8.0]]))
    assert x.grad.tolist() == [[0.0, 7.0, 0.0, 0.0, 8.0, 0.0]]


def test_unpooling_undoes_pooling():
    x = tg.arange(1.0, 26).reshape(1, 5, 5)
    out, indices = F.max_pool2d(x, 2, return_indices=True)
    back = F.max_unpool2d(out, indices, 2, output_size=(5, 5))
    assert back.shape == x.shape
    again = F.max_pool2d(back, 2)
    assert again.tolist() == out.tolist()
    assert back.sum().item() == out.sum().item()
    assert F.max_unpool2d(out, indices.clamp(max=15), 2).shape == (1, 4, 4)


def test_of_two_maxima_for_one_place_the_last_stays_and_both_get_its_gradient():
    x = tg.tensor([[5.0, 6.0, 7.0]], requires_grad=True)
    out = F.max_unpool1d(x, tg.tensor([[1, 1, 4]]), 2)
    assert out.tolist() == [[0.0, 6.0, 0.0, 0.0, 7.0, 0.0]]
    out.backward(tg.arange(6.0).reshape(1, 6))
    assert x.grad.tolist() == [[1.0, 1.0, 4.0]]


def test_integers():
    x = tg.tensor([[-7, 2, 3, 4]])
    assert F.max_pool1d(x, 2).tolist() == [[2, 4]]
    assert F.avg_pool1d(x, 2).tolist() == [[-2, 3]]  # towards zero
    assert F.avg_pool1d(x, 2).dtype == tg.int64


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
def test_the_dtype_stays(dtype):
    x = tg.ones(1, 2, 5, 5, dtype=dtype, requires_grad=True)
    for out in (
        F.max_pool2d(x, 2),
        F.avg_pool2d(x, 2),
        F.lp_pool2d(x, 2, 2),
        F.adaptive_avg_pool2d(x, 3),
        F.adaptive_max_pool2d(x, 3),
        F.max_unpool2d(x, tg.arange(25).expand(1, 2, 25).reshape(1, 2, 5, 5), 2),
    ):
        assert out.dtype == dtype
        out.sum().backward()
        assert x.grad.dtype == dtype


X = tg.zeros(1, 1, 4, 4)
Z = tg.zeros(1, 1, 2, 2, dtype=tg.int64)
INTEGERS = tg.ones(1, 4, dtype=tg.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.max_pool2d(X, 5), RuntimeError, "larger than the padded input"),
        (lambda: F.max_pool2d(X, 2, padding=2), RuntimeError, "more than half of kernel_size"),
        (lambda: F.max_pool2d(X, 0), RuntimeError, "kernel_size must be at least 1"),
        (lambda: F.max_pool2d(X, 2, stride=0), RuntimeError, "stride must be at least 1"),
        (lambda: F.max_pool2d(tg.zeros(4, 4), 2), RuntimeError, r"input must be \(N, C, H, W\)"),
        (lambda: F.max_pool1d(X, 2), RuntimeError, r"input must be \(N, C, L\)"),
        (lambda: F.max_pool2d(tg.zeros(1, 1, 0, 4), 2), RuntimeError, "with C, H, W > 0"),
        (lambda: F.max_pool3d([1.0], 2), TypeError, "input must be a Tensor, got list"),
        (lambda: F.max_pool1d(INTEGERS.bool(), 2), RuntimeError, "of numbers, got bool"),
        (lambda: F.avg_pool2d(X, "2"), TypeError, "kernel_size must be an int"),
        (lambda: F.avg_pool2d(X, (2, 2, 2)), RuntimeError, "kernel_size must be an int or 2 ints"),
        (lambda: F.avg_pool2d(X, 2, divisor_override=0), RuntimeError, "must not be 0"),
        (lambda: F.lp_pool2d(X, 2, 5), RuntimeError, "lp_pool2d: the window"),
        (lambda: F.adaptive_avg_pool2d(X, (1, 2, 3)), RuntimeError, "output_size must be"),
        (lambda: F.adaptive_avg_pool2d(X, -1), RuntimeError, "output_size must be at least 0"),
        (lambda: F.adaptive_max_pool1d(INTEGERS, 2), RuntimeError, "must be floating, got int64"),
        (lambda: F.max_unpool1d(INTEGERS, INTEGERS, 2), RuntimeError, "must be floating"),
        (lambda: F.max_unpool2d(X, Z, 2), RuntimeError, r"input's shape \(1, 1, 4, 4\), got int64"),
        (lambda: F.max_unpool2d(X, X, 2), RuntimeError, "must be int64 .* got float32"),
        (lambda: F.max_unpool2d(X, [1], 2), TypeError, "indices must be a Tensor, .* got list"),
        (lambda: F.max_unpool2d(X, 1, 2), RuntimeError, r"got int64 of \(\)"),
        (lambda: F.max_unpool2d(Z * 1.0, Z + 16, 2), RuntimeError, r"index 16 .* output \(4, 4\)"),
        (lambda: F.max_unpool2d(Z * 1.0, Z - 1, 2), RuntimeError, "index -1 is out"),
        (lambda: F.max_unpool2d(Z * 1.0, Z, 2, padding=2), RuntimeError, r"have size \(0, 0\)"),
        (lambda: F.max_unpool2d(Z * 1.0, Z, 2, output_size=(4, 6)), ValueError, "less than the stride"),
        (lambda: F.max_unpool2d(Z * 1.0, Z, 2, output_size=(4,)), ValueError, "must be 2 or 4 ints"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nothing_in_nothing_out():
    for pool in (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        assert pool(tg.zeros(0, 1, 4, 4), 2).shape == (0, 1, 2, 2)
    assert F.max_unpool2d(Z[:0] * 1.0, Z[:0], 2).shape == (0, 1, 4, 4)
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        assert pool(X, (0, 2)).shape == (1, 1, 0, 2)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_against_pytorch(seed, dims):
    torch = pytest.importorskip("torch")
    x, window = drawn(f"max_pool{dims}d", seed)
    kernel, stride, padding, dilation, ceil_mode = window
    # PyTorch has errors, and places outside, for windows larger than the image
    batch = x.shape[:-dims]
    sides = [n + d * (k - 1) for n, d, k in zip(x.shape[-dims:], dilation, kernel, strict=True)]
    x = np.random.default_rng(seed).standard_normal((*batch, *sides))
    regions = [min(n, 3) for n in x.shape[-dims:]]
    for name, *args in (
        ("max_pool", kernel, stride, padding, dilation, ceil_mode, True),
        ("avg_pool", kernel, stride, padding, ceil_mode, bool(seed % 2)),
        ("adaptive_max_pool", regions, True),
        ("adaptive_avg_pool", regions),
    ):
        ours, theirs = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got = getattr(F, f"{name}{dims}d")(ours, *args)
        expected = getattr(torch.nn.functional, f"{name}{dims}d")(theirs, *args)
        if isinstance(got, tuple):
            (got, indices), (expected, places) = got, expected
            np.testing.assert_array_equal(indices.data, places.numpy())
        np.testing.assert_allclose(got.data, expected.detach().numpy(), atol=1e-12)
        (got * got).sum().backward()
        (expected * expected).sum().backward()
        np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), atol=1e-12)


@pytest.mark.parametrize("p", [2.0, 1.5, 3.0, math.inf, -math.inf])
def test_lp_pool_against_pytorch(p):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).uniform(0.1, 2, (1, 2, 5, 4)) * (1 if p % 2 else -1)
    ours, theirs = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    options = ((2, 3), 2, True)
    got = F.lp_pool2d(ours, p, *options)
    expected = torch.nn.functional.lp_pool2d(theirs, p, *options)
    np.testing.assert_allclose(got.data, expected.detach().numpy())
    got.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy())
