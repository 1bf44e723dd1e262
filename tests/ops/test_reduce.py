"""Reductions against loops over slices, and their edge cases."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import reduce as ops
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
    (found,) = grad(ops.sum(function(x)), x, create_graph=order == 2)
    if order == 2:
        (found,) = grad(ops.sum(found), x)
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
        got = getattr(ops, name)(Tensor(x), dims, keepdim)
        expected = reduced(x, dims, keepdim, ORACLES[name])
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-15)


@pytest.mark.oracle("max", "min")
@pytest.mark.parametrize(("name", "best"), [("max", max), ("min", min)])
def test_extrema_along_a_dimension_agree_with_loops(name, best):
    for seed in range(60):
        x, dim, keepdim = drawn(name, seed)
        got = getattr(Tensor(x), name)(dim, keepdim)
        np.testing.assert_array_equal(got.values.data, reduced(x, dim, keepdim, best))
        places = reduced(x, dim, keepdim, lambda v: v.index(best(v)))
        np.testing.assert_array_equal(got.indices.data, places)
        assert got.values.shape == got.indices.shape == places.shape
        assert got.indices.dtype == np.int64


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
    for function in (ops.sum, ops.mean, ops.prod, ops.amax, ops.amin, ops.var, ops.std, ops.max):
        for result in (function(x), function(x, 0)):
            values = result.values if isinstance(result, ops.Extrema) else result
            assert values.dtype == dtype
    assert ops.logsumexp(x, 1).dtype == dtype


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.int64])
def test_integers_sum_to_int64(dtype):
    x = tensor([[1, 0], [1, 1]], dtype)
    same(ops.sum(x), 3, np.int64)
    same(ops.sum(x, 1), [1, 2], np.int64)
    same(ops.prod(x, 0), [1, 0], np.int64)
    same(ops.amax(x, 1), [1, 1], dtype)
    same(ops.max(x, 1).values, [1, 1], dtype)
    for function in (ops.mean, ops.var, ops.std):
        with pytest.raises(RuntimeError, match=f"{function.__name__}: input must be floating, got {x.dtype}"):
            function(x)


def test_dtype_is_converted_first():
    x = tensor([1.6, 2.6])
    same(ops.sum(x, dtype=np.int64), 3, np.int64)
    same(ops.prod(x, dtype=np.int64), 2, np.int64)
    same(ops.mean(tensor([1, 2], np.int64), dtype=np.float64), 1.5, np.float64)
    leaf = tensor([1.0, 2.0], requires_grad=True)
    ops.sum(leaf, dtype=np.float64).backward()
    same(leaf.grad, [1, 1], np.float32)


def test_float16_is_summed_in_float32():
    x = tensor(np.full((3000, 2), 0.1), np.float16)
    exact = 3000 * float(np.float16(0.1))
    assert ops.sum(x, 0).tolist() == [np.float16(exact)] * 2
    assert ops.mean(tensor(np.full(3000, 60000), np.float16)).item() == np.float16(60000)
    assert ops.sum(tensor([60000, 60000], np.float16)).item() == inf
    assert ops.var(tensor([-300, 300], np.float16), correction=0).item() == inf
    assert ops.std(tensor([-300, 300], np.float16), correction=0).item() == 300


# -- dimensions --------------------------------------------------------------------------------

BY_DIMS = [ops.sum, ops.mean, ops.amax, ops.amin, ops.var, ops.std, ops.logsumexp, ops.all, ops.any]
BY_DIM = [ops.prod, ops.max, ops.min, ops.argmax, ops.argmin]


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
    for function in (ops.sum, ops.mean, ops.prod, ops.amax, ops.amin, ops.logsumexp):
        same(function(x, dim), 3.0)
    for result in (ops.max(x, dim), ops.min(x, dim, True)):
        same(result.values, 3.0)
        same(result.indices, 0, np.int64)
    same(ops.argmax(x, dim), 0, np.int64)
    assert gradients(lambda x: ops.max(x, dim).values, 3.0) == 1


# -- nothing to reduce -------------------------------------------------------------------------


def test_empty_sums():
    x = tensor(np.ones((0, 3)))
    same(ops.sum(x), 0)
    same(ops.sum(x, 0), [0, 0, 0])
    same(ops.sum(x, 1), [])
    same(ops.prod(x), 1)
    same(ops.mean(x), nan)
    same(ops.mean(x, 0), [nan] * 3)
    same(ops.var(x), nan)
    same(ops.logsumexp(x, 0), [-inf] * 3)
    same(ops.all(x), True)
    same(ops.any(x), False)
    assert gradients(ops.sum, np.ones((0, 3))) == []
    assert gradients(ops.mean, np.ones((0, 3))) == []


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_empty_extrema(name):
    function = getattr(ops, name)
    x = tensor(np.ones((0, 3)))
    message = r"nothing to choose from: dim \(0(, 1)?,?\) of shape \(0, 3\) has no elements"
    with pytest.raises(IndexError if "arg" in name else RuntimeError, match=message):
        function(x)
    with pytest.raises(IndexError, match=name + ": " + message):
        function(x, 0)
    result = function(x, 1)
    assert (result.values if isinstance(result, ops.Extrema) else result).shape == (0,)


def test_variance_of_too_few():
    same(ops.var(tensor([1.0])), nan)
    same(ops.std(tensor([[1.0], [2.0]]), 1), [nan, nan])
    same(ops.var(tensor([1.0, 1.0]), correction=5), nan)
    same(ops.var(tensor([1.0, 2.0]), correction=5), inf)
    assert np.isnan(gradients(ops.var, [1.0])).all()


# -- extrema -----------------------------------------------------------------------------------


def test_max_of_two_tensors():
    x, y = tensor([1, 5]), tensor([3, 2])
    same(ops.max(x, y), [3, 5])
    same(x.min(y), [1, 2])
    with pytest.raises(TypeError, match="max: dim must be an int, got float"):
        ops.max(x, 1.5)


def test_result_has_names():
    values, indices = result = tensor([[1.0, 3.0, 3.0]]).max(dim=1, keepdim=True)
    assert result.values is values
    same(values, [[3]])
    same(indices, [[1]], np.int64)


def test_nan_is_the_extremum():
    x = tensor([[1, nan, 5, nan], [1, 2, 3, 4]])
    for function, best, place in ((ops.max, 4, 3), (ops.min, 1, 0)):
        same(function(x), nan)
        same(function(x, 1).values, [nan, best])
        same(function(x, 1).indices, [1, place], np.int64)
    same(ops.argmax(x, 1), [1, 3], np.int64)
    same(ops.argmin(x), 1, np.int64)
    same(ops.amax(x, 0), [1, nan, 5, nan])


def test_ties():
    x = [[1.0, 7.0, 7.0], [7.0, 0.0, 7.0]]
    quarter = [[0, 0.25, 0.25], [0.25, 0, 0.25]]
    half = [[0, 0.5, 0.5], [0.5, 0, 0.5]]
    first = [[0, 1, 0], [1, 0, 0]]
    for sign, best, along in ((1, ops.max, ops.amax), (-1, ops.min, ops.amin)):
        y = (sign * np.array(x)).tolist()
        assert gradients(best, y) == quarter
        assert gradients(lambda x, along=along: along(x, (0, 1)), y) == quarter
        assert gradients(lambda x, along=along: along(x, 1), y) == half
        assert gradients(lambda x, best=best: best(x, 1).values, y) == first
    assert gradients(ops.max, [1.0, nan, nan]) == [0, 0.5, 0.5]
    same(ops.argmax(tensor(x)), 1, np.int64)


# -- gradients where the fuzz tests do not look ------------------------------------------------


def test_gradient_of_prod_with_zeros():
    assert gradients(ops.prod, [0.0, 2.0, 3.0]) == [6, 0, 0]
    assert gradients(ops.prod, [0.0, 0.0, 3.0]) == [0, 0, 0]
    assert gradients(ops.prod, [0.0, 2.0, 3.0], order=2) == [5, 3, 2]
    assert gradients(ops.prod, [0.0, 0.0, 3.0], order=2) == [3, 3, 0]
    x = [[0.0, 2.0], [4.0, 5.0]]
    assert gradients(lambda x: ops.prod(x, 0), x) == [[4, 5], [0, 2]]
    assert gradients(lambda x: ops.prod(x, 1), x) == [[2, 0], [5, 4]]


def test_gradient_of_std_at_zero():
    assert gradients(ops.std, [2.0, 2.0]) == [0, 0]
    assert gradients(ops.std, [2.0, 2.0], order=2) == [0, 0]


def test_logsumexp_is_stable():
    x = tensor([[1e4, 1e4], [-1e4, -1e4], [-inf, 1], [-inf, -inf], [inf, 1], [nan, 1]], np.float64)
    log2 = math.log(2)
    same(ops.logsumexp(x, 1), [1e4 + log2, -1e4 + log2, 1, -inf, inf, nan])
    same(ops.logsumexp(tensor([60000, 1], np.float16), 0), 60000, np.float16)
    same(ops.logsumexp(tensor([0, 0], np.int64), 0), log2, np.float32)
    for order, expected in ((1, [[0.5, 0.5], [0, 1], [0, 0]]), (2, [[0, 0]] * 3)):
        x = [[1e4, 1e4], [-inf, 1], [-inf, -inf]]
        assert gradients(lambda x: ops.logsumexp(x, 1), x, order) == expected


# -- PyTorch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_agrees_with_pytorch(dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    rtol = {np.float16: 2e-3, np.float32: 1e-5, np.float64: 1e-12}[dtype]
    calls = [
        (name, (dim, keepdim), {})
        for name in ("sum", "mean", "amax", "amin", "logsumexp")
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
