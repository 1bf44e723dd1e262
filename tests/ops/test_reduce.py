"""Reductions against loops over slices, and their edge cases."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.extrema import Extrema
from tinygrad_cnn.ops.reduce import vector_norm
from tinygrad_cnn.testing import Draw

inf, nan = math.inf, math.nan


def tensor(values, dtype=np.float32, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


def same(got, expected, dtype=None):
    expected = np.asarray(expected, got.dtype if dtype is None else dtype)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.data, expected)


def gradients(function, values, order=1):
    """Return the gradient of the sum of `function`, or of its own sum."""
    x = tensor(values, np.float64, requires_grad=True)
    (found,) = grad(tg.sum(function(x)), x, create_graph=order == 2)
    if order == 2:
        (found,) = grad(tg.sum(found), x)
    return found.data.tolist()


# -- values ------------------------------------------------------------------------------------


def reduced(x, dims, keepdim, function):
    """Apply `function` to the list of elements that go into each element of the result."""
    dims = range(x.ndim) if dims is None or dims == () else np.atleast_1d(dims) % max(x.ndim, 1)
    kept = [1 if i in dims else n for i, n in enumerate(x.shape)]
    slices = {index: [] for index in np.ndindex(*kept)}
    for index in np.ndindex(x.shape):
        slices[tuple(0 if i in dims else k for i, k in enumerate(index))].append(x[index].item())
    out = np.array([function(values) for values in slices.values()]).reshape(kept)
    return out if keepdim else out.reshape([n for i, n in enumerate(x.shape) if i not in dims])


def variance(values, correction):
    mean = math.fsum(values) / len(values)
    return math.fsum((v - mean) ** 2 for v in values) / (len(values) - correction)


ORACLES = {
    "sum": math.fsum,
    "mean": lambda v: math.fsum(v) / len(v),
    "prod": math.prod,
    "logsumexp": lambda v: math.log(math.fsum(map(math.exp, v))),
    "amax": max,
    "amin": min,
    "argmax": lambda v: v.index(max(v)),
    "argmin": lambda v: v.index(min(v)),
    "all": lambda v: False not in v,
    "any": lambda v: True in v,
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_loops(name):
    for seed in range(60):
        x, dims, keepdim = drawn(name, seed)
        got = getattr(tg, name)(Tensor(x), dims, keepdim)
        expected = reduced(x, dims, keepdim, ORACLES[name])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "function"), [("var", variance), ("std", None)])
def test_variances_agree_with_loops(name, function):
    function = function or (lambda v, correction: math.sqrt(variance(v, correction)))
    for seed in range(60):
        x, dims, correction, keepdim = drawn(name, seed)
        got = getattr(Tensor(x), name)(dims, correction=correction, keepdim=keepdim)
        expected = reduced(x, dims, keepdim, functools.partial(function, correction=correction))
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.data, expected, rtol=1e-13)


def test_ways_to_say_the_correction():
    x = tensor([1, 2, 3, 4])
    for got in (x.var(), x.var(0), x.var(unbiased=True), x.var(True), x.var(0, True)):
        same(got, 5 / 3)
    for got in (x.var(False), x.var(0, False), x.var(unbiased=False), x.var(correction=0)):
        same(got, 1.25)
    same(x.std(0, False, True), [1.25**0.5])
    same(x.var(correction=2), 2.5)
    with pytest.raises(TypeError, match="std: give unbiased or correction, not both"):
        x.std(unbiased=True, correction=1)


def test_variance_far_from_zero():
    x = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    far = (x + 1e4).astype(np.float32)
    expected = np.var(far.astype(np.float64), ddof=1)
    assert tensor(far).var().item() == pytest.approx(expected, rel=1e-4)


# -- dtypes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_keep_their_dtype(dtype):
    x = tensor([[1, 2], [3, 5]], dtype)
    for function in (tg.sum, tg.mean, tg.prod, tg.amax, tg.amin, tg.var, tg.std, tg.max):
        for result in (function(x), function(x, 0)):
            values = result.values if isinstance(result, Extrema) else result
            assert values.dtype == dtype
    assert tg.logsumexp(x, 1).dtype == dtype


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64])
def test_integers_sum_to_int64(dtype):
    x = tensor([[1, 0], [1, 1]], dtype)
    same(tg.sum(x), 3, np.int64)
    same(tg.sum(x, 1), [1, 2], np.int64)
    same(tg.prod(x, 0), [1, 0], np.int64)
    same(tg.amax(x, 1), [1, 1], dtype)
    same(tg.max(x, 1).values, [1, 1], dtype)
    for function in (tg.mean, tg.var, tg.std):
        with pytest.raises(RuntimeError, match=f"{function.__name__}: input must be floating, got {x.dtype}"):
            function(x)


def test_dtype_is_converted_first():
    x = tensor([1.6, 2.6])
    same(tg.sum(x, dtype=np.int64), 3, np.int64)
    same(tg.prod(x, dtype=np.int64), 2, np.int64)
    same(tg.mean(tensor([1, 2], np.int64), dtype=np.float64), 1.5, np.float64)
    leaf = tensor([1.0, 2.0], requires_grad=True)
    tg.sum(leaf, dtype=np.float64).backward()
    same(leaf.grad, [1, 1], np.float32)


def test_float16_is_summed_in_float32():
    x = tensor(np.full((3000, 2), 0.1), np.float16)
    exact = 3000 * float(np.float16(0.1))
    assert tg.sum(x, 0).tolist() == [np.float16(exact)] * 2
    assert tg.mean(tensor(np.full(3000, 60000), np.float16)).item() == np.float16(60000)
    assert tg.sum(tensor([60000, 60000], np.float16)).item() == inf
    assert tg.var(tensor([-300, 300], np.float16), correction=0).item() == inf
    assert tg.std(tensor([-300, 300], np.float16), correction=0).item() == 300


# -- dimensions --------------------------------------------------------------------------------

BY_DIMS = [tg.sum, tg.mean, tg.amax, tg.amin, tg.var, tg.std, tg.logsumexp, tg.all, tg.any]
BY_DIM = [tg.prod, tg.max, tg.min, tg.argmax, tg.argmin]


@pytest.mark.parametrize("function", BY_DIMS + BY_DIM)
def test_dim_out_of_range(function):
    x = tensor(np.ones((2, 3)))
    name = getattr(function, "__name__", "")
    for dim in (2, -3):
        with pytest.raises(
            IndexError,
            match=rf"{name}: dim {dim} is out of range for 2 dimensions \(expected -2 to 1\)",
        ):
            function(x, dim)
    with pytest.raises(IndexError, match=r"dim 1 is out of range for 0 dimensions \(expected -1 to 0\)"):
        function(tensor(1.0), 1)
    with pytest.raises(TypeError, match=f"{name}: dim must be an int, got str"):
        function(x, "x")


@pytest.mark.parametrize("function", BY_DIMS)
def test_dim_twice(function):
    with pytest.raises(RuntimeError, match=r"a dimension appears twice in dim=\(0, -2\)"):
        function(tensor(np.ones((2, 3))), (0, -2))


@pytest.mark.parametrize("function", BY_DIMS)
def test_no_dims_are_all(function):
    x = tensor([[1.0, 2.0], [3.0, 4.0]])
    same(function(x, ()), function(x, (0, 1)).data)
    same(function(x, [0, 1]), function(x, (0, 1)).data)


@pytest.mark.parametrize("dim", [0, -1])
def test_dim_of_a_number(dim):
    x = tensor(3.0)
    for function in (tg.sum, tg.mean, tg.prod, tg.amax, tg.amin, tg.logsumexp):
        same(function(x, dim), 3.0)
    for result in (tg.max(x, dim), tg.min(x, dim, True)):
        same(result.values, 3.0)
        same(result.indices, 0, np.int64)
    same(tg.argmax(x, dim), 0, np.int64)
    assert gradients(lambda x: tg.max(x, dim).values, 3.0) == 1


# -- nothing to reduce -------------------------------------------------------------------------


def test_empty_sums():
    x = tensor(np.ones((0, 3)))
    same(tg.sum(x), 0)
    same(tg.sum(x, 0), [0, 0, 0])
    same(tg.sum(x, 1), [])
    same(tg.prod(x), 1)
    same(tg.mean(x), nan)
    same(tg.mean(x, 0), [nan] * 3)
    same(tg.var(x), nan)
    same(tg.logsumexp(x, 0), [-inf] * 3)
    same(tg.all(x), True)
    same(tg.any(x), False)
    assert gradients(tg.sum, np.ones((0, 3))) == []
    assert gradients(tg.mean, np.ones((0, 3))) == []


def test_variance_of_too_few():
    same(tg.var(tensor([1.0])), nan)
    same(tg.std(tensor([[1.0], [2.0]]), 1), [nan, nan])
    same(tg.var(tensor([1.0, 1.0]), correction=5), nan)
    same(tg.var(tensor([1.0, 2.0]), correction=5), inf)
    assert np.isnan(gradients(tg.var, [1.0])).all()


# -- gradients where the fuzz tests do not look ------------------------------------------------


def test_gradient_of_prod_with_zeros():
    assert gradients(tg.prod, [0.0, 2.0, 3.0]) == [6, 0, 0]
    assert gradients(tg.prod, [0.0, 0.0, 3.0]) == [0, 0, 0]
    assert gradients(tg.prod, [0.0, 2.0, 3.0], order=2) == [5, 3, 2]
    assert gradients(tg.prod, [0.0, 0.0, 3.0], order=2) == [3, 3, 0]
    x = [[0.0, 2.0], [4.0, 5.0]]
    assert gradients(lambda x: tg.prod(x, 0), x) == [[4, 5], [0, 2]]
    assert gradients(lambda x: tg.prod(x, 1), x) == [[2, 0], [5, 4]]


def test_gradient_of_std_at_zero():
    assert gradients(tg.std, [2.0, 2.0]) == [0, 0]
    assert gradients(tg.std, [2.0, 2.0], order=2) == [0, 0]


def test_logsumexp_is_stable():
    x = tensor([[1e4, 1e4], [-1e4, -1e4], [-inf, 1], [-inf, -inf], [inf, 1], [nan, 1]], np.float64)
    log2 = math.log(2)
    same(tg.logsumexp(x, 1), [1e4 + log2, -1e4 + log2, 1, -inf, inf, nan])
    same(tg.logsumexp(tensor([60000, 1], np.float16), 0), 60000, np.float16)
    same(tg.logsumexp(tensor([0, 0], np.int64), 0), log2, np.float32)
    for order, expected in ((1, [[0.5, 0.5], [0, 1], [0, 0]]), (2, [[0, 0]] * 3)):
        x = [[1e4, 1e4], [-inf, 1], [-inf, -inf]]
        assert gradients(lambda x: tg.logsumexp(x, 1), x, order) == expected


# -- norms -------------------------------------------------------------------------------------


def length(values, ord):
    sizes = [abs(v) for v in values]
    if ord == 0:
        return sum(v != 0 for v in values)
    if math.isinf(ord):
        return max(sizes) if ord > 0 else min(sizes)
    return math.fsum(v**ord for v in sizes) ** (1 / ord)


@pytest.mark.oracle("vector_norm")
def test_norms_agree_with_loops():
    for seed in range(60):
        x, ord, dims, keepdim = drawn("vector_norm", seed)
        expected = reduced(x, dims, keepdim, functools.partial(length, ord=ord))
        for got in (vector_norm(Tensor(x), ord, dims, keepdim), Tensor(x).norm(ord, dims, keepdim)):
            assert got.shape == expected.shape
            assert got.dtype == x.dtype
            np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_ways_to_say_the_norm():
    x = tensor([[3, 4], [0, 12]])
    for got in (x.norm(), tg.norm(x, "fro"), tg.norm(x, None), tg.norm(x, dim=(0, 1)), vector_norm(x)):
        same(got, 13)
    same(tg.norm(x, 1, 0, True), [[3, 16]])
    same(tg.norm(x, dtype=np.float64), 13, np.float64)
    same(vector_norm(tensor([3, 4], np.float16)), 5)
    assert tg.norm(x, "nuc").item() == pytest.approx(np.linalg.svd(x.data)[1].sum())
    with pytest.raises(RuntimeError, match="norm: p must be a number, 'fro' or 'nuc', got 'max'"):
        tg.norm(x, "max")
    with pytest.raises(RuntimeError, match="norm: p='nuc' is for two dimensions, got 1"):
        tg.norm(x, "nuc", 0)
    with pytest.raises(TypeError, match="vector_norm: ord must be a number, got 'fro'"):
        vector_norm(x, "fro")
    with pytest.raises(RuntimeError, match="vector_norm: input must be floating, got int64"):
        tg.norm(tensor([1, 2], np.int64), dtype=np.float32)
    with pytest.raises(RuntimeError, match="vector_norm: float64 would lose digits as float32"):
        tg.norm(tensor([1, 2], np.float64), dtype=np.float32)
    with pytest.raises(RuntimeError, match="no elements, for which there is no norm of order inf"):
        vector_norm(tensor([]), inf)
    same(vector_norm(tensor(np.ones((2, 0))), 3, 1), [0, 0])


@pytest.mark.parametrize("ord", [2, 3, 0.5, -1])
@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e30), (np.float32, 1e-40), (np.float64, 1e200)])
def test_norms_neither_overflow_nor_vanish(dtype, scale, ord):
    x = tensor([scale, scale], dtype, requires_grad=True)
    norm = vector_norm(x, ord)
    np.testing.assert_allclose(norm.item(), scale * 2 ** (1 / ord), rtol=1e-4)
    norm.backward()
    np.testing.assert_allclose(x.grad.data, 2 ** (1 / ord - 1), rtol=1e-4)


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 2, 2.5, 3, inf, -inf, -1, 0])
def test_norms_are_flat_at_zero(ord):
    for order in (1, 2) if ord else (1,):  # the number of elements does not depend on them
        assert gradients(lambda x: vector_norm(x, ord), [0.0, 0.0], order) == [0, 0]
        assert np.isfinite(gradients(lambda x: vector_norm(x, ord), [0.0, 2.0], order)).all()
    expected = {0: [0, 0], -inf: [0, 0], -1: [0, 0]}.get(ord, [0, 1])
    assert gradients(lambda x: vector_norm(x, ord), [0.0, 2.0]) == expected


def test_norms_of_what_is_not_finite():
    x = tensor([[inf, 1], [nan, 1], [inf, -inf]])
    same(vector_norm(x, 2, 1), [inf, nan, inf])
    same(vector_norm(x, inf, 1), [inf, nan, inf])
    same(vector_norm(x, -1, 1), [1, nan, inf])
    same(vector_norm(x, 0, 1), [2, 2, 2])


# -- without NaN, and two at once --------------------------------------------------------------


def test_nan_is_left_out():
    x = tensor([[1, nan, 4], [nan, nan, nan]])
    same(tg.nansum(x, 1), [5, 0])
    same(tg.nansum(x), 5)
    same(tg.nanmean(x, 1, keepdim=True), [[2.5], [nan]])
    same(tg.nansum(tensor([1, 2], np.int64)), 3)
    assert gradients(tg.nansum, x.data) == [[1, 0, 1], [0, 0, 0]]
    assert gradients(tg.nanmean, x.data) == [[0.5, 0, 0.5], [0, 0, 0]]
    with pytest.raises(RuntimeError, match="nanmean: input must be floating, got int64"):
        tg.nanmean(tensor([1], np.int64))


def test_count_nonzero():
    x = tensor([[1, 0, nan], [0, 0, -2]])
    same(tg.count_nonzero(x), 3, np.int64)
    same(x.count_nonzero(0), [1, 0, 2], np.int64)
    same(tg.count_nonzero(x != 0, (0, 1)), 3, np.int64)


def test_variance_and_mean():
    x = tensor([[1, 2], [3, 7]])
    for both, spread in ((tg.var_mean, tg.var), (tg.std_mean, tg.std)):
        for args, options in (((), {}), ((1,), {"correction": 0, "keepdim": True}), ((0, False), {})):
            first, second = both(x, *args, **options)
            same(first, spread(x, *args, **options).data)
            same(second, tg.mean(x, *args[:1], keepdim="keepdim" in options).data)


def test_equal_elements_have_no_variance():
    x = np.full((5, 5, 5), 0.7, np.float32)
    assert tg.std(tensor(x)).item() == 0
    assert not np.any(gradients(tg.std, x))


# -- PyTorch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_agrees_with_pytorch(dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    rtol = {np.float16: 2e-3, np.float32: 1e-5, np.float64: 1e-12}[dtype]
    calls = [
        (name, (dim, keepdim), {})
        for name in ("sum", "mean", "amax", "amin", "logsumexp", "nansum", "nanmean")
        for dim, keepdim in itertools.product([0, -1, (0, 2)], [False, True])
    ]
    calls += [(name, (), {}) for name in ("sum", "mean", "amax", "max", "min", "prod", "var", "std")]
    calls += [(n, (1,), {"correction": c}) for n in ("var", "std") for c in (0, 1, 2)]
    calls += [("prod", (1, True), {}), ("max", (1,), {}), ("min", (-1, True), {})]
    for name, args, kwargs in calls:
        values = rng.normal(size=(2, 4, 3)).astype(dtype)
        theirs, ours = torch.tensor(values, requires_grad=True), tensor(values, dtype, True)
        expected, got = (getattr(x, name)(*args, **kwargs) for x in (theirs, ours))
        if isinstance(got, tuple):
            np.testing.assert_array_equal(got.indices.data, expected.indices.numpy())
            expected, got = expected.values, got.values
        np.testing.assert_allclose(got.data, expected.detach().numpy(), rtol=rtol, atol=rtol)
        g = rng.normal(size=got.shape).astype(dtype)
        expected.backward(torch.tensor(g))
        got.backward(g)
        np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int32, np.float16, np.float64])
@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod"])
def test_the_result_has_the_dtype_asked_for(name, dtype):
    function = getattr(tg, name)
    args = (0,) if name.startswith("cum") else ()
    got = function(tg.tensor([3, 5]), *args, dtype=dtype)
    assert got.dtype == dtype
    expected = getattr(np, name)(np.array([3, 5]), *args)
    np.testing.assert_array_equal(got.data, np.asarray(expected).astype(dtype))
