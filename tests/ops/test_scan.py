"""Running sums, sorting and selection against loops, Python's own sorting, and PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float16, float32, float64, int64
from tinygrad_cnn.ops import scan as ops
from tinygrad_cnn.ops.creation import ones, tensor, zeros

NAN = np.nan


def slices(x, dim):
    """Return every vector of `x` along `dim` as a list, with its index."""
    moved = np.moveaxis(x, dim, -1)
    for index in np.ndindex(moved.shape[:-1]):
        yield index, moved[index].tolist()


def along(x, dim, function):
    """Return ``function`` of every vector of `x` along `dim`, a list of the same or other length."""
    results = [function(vector) for _, vector in slices(x, dim)]
    lead = np.moveaxis(x, dim, -1).shape[:-1]
    return np.moveaxis(np.array(results).reshape(*lead, -1), -1, dim)


def running(function):
    return lambda vector: [function(vector[: i + 1]) for i in range(len(vector))]


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "function"), [("cumsum", sum), ("cumprod", math.prod)])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (3, 2, 2)])
def test_running(name, function, shape):
    x = np.random.default_rng(0).normal(size=shape)
    for dim in range(-len(shape), len(shape)):
        got = registry[name](x, dim)
        np.testing.assert_allclose(got, along(x, dim, running(function)), rtol=1e-12)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_dtypes_and_edges(name):
    call = getattr(ops, name)
    for dtype in (float16, float32, float64):
        assert call(ones(3, dtype=dtype), 0).dtype == dtype
        assert call(ones((), dtype=dtype), -1).dtype == dtype
    assert call(tensor([True, True]), 0).dtype == int64
    assert call(tensor(2), 0).item() == 2
    assert call(tensor([1, 2]), 0, dtype=float64).dtype == float64
    assert call(zeros(0, 3), 0).shape == (0, 3)
    assert np.isnan(call(tensor([1.0, NAN, 1.0]), 0).data).tolist() == [False, True, True]
    with pytest.raises(IndexError, match=f"{name}: dim 2 is out of range"):
        call(zeros(2, 2), 2)


@pytest.mark.parametrize("zeros_at", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_gradient_of_cumprod_where_elements_are_zero(zeros_at):
    x = np.array([2.0, -1.0, 3.0, 0.5])
    x[list(zeros_at)] = 0
    g = np.array([1.0, 2.0, 3.0, 4.0])
    expected = [
        sum(g[j] * math.prod(x[i] for i in range(j + 1) if i != k) for j in range(k, 4))
        for k in range(4)
    ]
    leaf = Tensor(x, requires_grad=True)
    (found,) = grad(ops.cumprod(leaf, 0), leaf, Tensor(g))
    np.testing.assert_allclose(found.data, expected)


def log_sum_exp(vector):
    top = max(vector)
    return top + math.log(math.fsum(math.exp(v - top) for v in vector))


@pytest.mark.oracle("logcumsumexp")
@pytest.mark.parametrize("shape", [(4,), (2, 3), (3, 2, 2)])
def test_running_logsumexp(shape):
    x = 5 * np.random.default_rng(0).normal(size=shape)
    for dim in range(-len(shape), len(shape)):
        got = ops.logcumsumexp(Tensor(x), dim)
        np.testing.assert_allclose(got.data, along(x, dim, running(log_sum_exp)), rtol=1e-12)


def test_running_logsumexp_is_stable():
    x = tensor([-np.inf, -1e4, -1e4, 1e4], dtype=float64, requires_grad=True)
    out = ops.logcumsumexp(x, 0)
    assert out.tolist() == [-np.inf, -1e4, -1e4 + math.log(2), 1e4]
    (found,) = grad(out, x, ones(4), create_graph=True)
    np.testing.assert_allclose(found.data, [0, 1.5, 0.5, 1])
    (second,) = grad(found, x, tensor([1.0, 1, 0, 0]))
    np.testing.assert_allclose(second.data, [0, 0.25, -0.25, 0])
    assert ops.logcumsumexp(zeros(0, 3), 1).shape == (0, 3)
    assert ops.logcumsumexp(ones(2, dtype=float16), 0).dtype == float16
    assert np.isnan(ops.logcumsumexp(tensor([1.0, NAN, 1.0]), 0).data).tolist() == [False, True, True]


@pytest.mark.parametrize("sign", [1, -1])
def test_running_extrema(sign):
    def highest_so_far(vector):
        best, places = -math.inf, []
        for i, v in enumerate(vector):
            if math.isnan(v) or sign * v >= best:
                best, place = (v if math.isnan(v) else sign * v), i
            places.append(place)
        return places

    function = ops.cummax if sign == 1 else ops.cummin
    for x in CASES:
        for dim in range(-x.ndim, x.ndim):
            values, indices = function(Tensor(x), dim)
            expected = along(x, dim, highest_so_far)
            np.testing.assert_array_equal(indices.data, expected)
            np.testing.assert_array_equal(values.data, np.take_along_axis(x, expected, dim))
    assert function(zeros(0, 3), 0).indices.shape == (0, 3)


def test_differences():
    x = np.array([[1, 3, 2], [5, 0, 7]])
    assert ops.diff(Tensor(x)).tolist() == [[2, -1], [-5, 7]]
    assert ops.diff(Tensor(x), dim=0).tolist() == [[4, -3, 5]]
    assert ops.diff(Tensor(x), 2).tolist() == [[-3], [12]]
    assert ops.diff(Tensor(x), 5).shape == (2, 0)
    assert ops.diff(Tensor(x), 0, append=Tensor(x)).tolist() == x.tolist()
    assert tensor([1, 4]).diff(prepend=tensor([-1]), append=tensor([0, 0])).tolist() == [2, 3, -4, 0]
    assert ops.diff(tensor([True, False, False])).tolist() == [True, False]


def key(descending):
    def of(pair):
        value, place = pair
        return (math.isnan(value) != descending, 0 if math.isnan(value) else -value if descending else value, place)

    return of


def order(descending):
    def of(vector):
        return [i for _, i in sorted(((v, i) for i, v in enumerate(vector)), key=key(descending))]

    return of


CASES = [
    np.array([3.0, 1.0, 2.0, 1.0, 3.0]), np.array([1.0, NAN, -np.inf, NAN, np.inf, 1.0]),
    np.array([[1, 0, 1, 0], [0, 0, 0, 1]]), np.random.default_rng(0).integers(0, 3, (3, 4, 5)).astype(float),
]  # fmt: skip


@pytest.mark.oracle("argsort")
@pytest.mark.parametrize("x", CASES)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting(x, descending):
    for dim in range(-x.ndim, x.ndim):
        places = along(x, dim, order(descending))
        np.testing.assert_array_equal(ops.argsort(Tensor(x), dim, descending).data, places)
        values, indices = Tensor(x).sort(dim, descending)
        np.testing.assert_array_equal(indices.data, places)
        np.testing.assert_array_equal(values.data, np.take_along_axis(x, places, dim))
        for k in range(x.shape[dim] + 1):
            values, indices = ops.topk(Tensor(x), k, dim, descending)
            np.testing.assert_array_equal(indices.data, np.take(places, range(k), dim))
            np.testing.assert_array_equal(values.data, np.take_along_axis(x, indices.data, dim))


@pytest.mark.parametrize("x", CASES)
def test_kthvalue(x):
    for dim in range(-x.ndim, x.ndim):
        for k in range(1, x.shape[dim] + 1):
            expected = along(x, dim, lambda vector, k=k: [vector[order(False)(vector)[k - 1]]])
            kept = ops.kthvalue(Tensor(x), k, dim, keepdim=True)
            np.testing.assert_array_equal(kept.values.data, expected)
            np.testing.assert_array_equal(np.take_along_axis(x, kept.indices.data, dim), expected)
            assert ops.kthvalue(Tensor(x), k, dim).values.shape == np.squeeze(expected, dim).shape


def lower_median(vector):
    if any(map(math.isnan, vector)):
        return [NAN]
    return [sorted(vector)[(len(vector) - 1) // 2]]


@pytest.mark.oracle("median")
@pytest.mark.parametrize("x", CASES)
def test_median(x):
    np.testing.assert_array_equal(ops.median(Tensor(x)).data, lower_median(x.flatten().tolist())[0])
    for dim in range(-x.ndim, x.ndim):
        kept = ops.median(Tensor(x), dim, keepdim=True)
        expected = along(x, dim, lower_median)
        np.testing.assert_array_equal(kept.values.data, expected)
        np.testing.assert_array_equal(np.take_along_axis(x, kept.indices.data, dim), expected)
        assert Tensor(x).median(dim).indices.shape == np.squeeze(expected, dim).shape


def test_gradient_of_median_is_shared_or_goes_to_the_element_named():
    x = tensor([[3.0, 2.0, 2.0, 5.0]], requires_grad=True)
    (found,) = grad(ops.median(x), x)
    assert found.tolist() == [[0, 0.5, 0.5, 0]]
    values, indices = ops.median(x, 1)
    (found,) = grad(values.sum(), x)
    assert found.tolist()[0][indices.item()] == 1
    assert found.sum().item() == 1


def test_mode():
    x = np.random.default_rng(0).integers(0, 3, (3, 7, 5))

    def commonest(vector):
        best = min(set(vector), key=lambda v: (-vector.count(v), v))
        return [best, len(vector) - 1 - vector[::-1].index(best)]

    for dim in range(-3, 3):
        expected = np.split(along(x, dim, commonest), 2, dim)
        for got, wanted in zip(ops.mode(Tensor(x), dim, True), expected, strict=True):
            np.testing.assert_array_equal(got.data, wanted)
        assert ops.mode(Tensor(x), dim).values.shape == np.squeeze(expected[0], dim).shape


def test_numbers_without_dimensions_and_empty_ones():
    x = tensor(3.0, requires_grad=True)
    for result in (
        ops.sort(x), ops.topk(x, 1), ops.kthvalue(x, 1), ops.median(x, 0), ops.mode(x), ops.cummax(x, -1)
    ):  # fmt: skip
        assert result.values.item() == 3
        assert result.indices.item() == 0
        assert result.values.shape == ()
        (found,) = grad(result.values, x)
        assert found.item() == 1
    assert ops.sort(zeros(0)).indices.shape == (0,)
    assert ops.topk(zeros(2, 0), 0).values.shape == (2, 0)
    assert np.isnan(ops.median(zeros(0)).item())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.sort(zeros(2), 1), IndexError, "dim 1 is out of range"),
        (lambda: ops.topk(zeros(2), 3), RuntimeError, "topk: k=3 is out of range for the 2 elements of dim -1"),
        (lambda: ops.topk(zeros(2), -1), RuntimeError, "topk: k=-1"),
        (lambda: ops.kthvalue(zeros(2), 0), RuntimeError, "kthvalue: k=0 is out of range"),
        (lambda: ops.kthvalue(zeros(2), 3), RuntimeError, "kthvalue: k=3 is out of range"),
        (lambda: ops.median(zeros(2, 0), 1), IndexError, r"median: dim 1 of shape \(2, 0\) has no elements"),
        (lambda: ops.median(zeros(0, dtype=int64)), RuntimeError, "median: int64"),
        (lambda: ops.mode(zeros(2, 0), 1), IndexError, r"mode: dim 1 of shape \(2, 0\) has no elements"),
        (lambda: ops.logcumsumexp(tensor([1, 2]), 0), RuntimeError, "logcumsumexp: input must be floating, got int64"),
        (lambda: ops.cummax(zeros(2), 1), IndexError, "cummax: dim 1 is out of range"),
        (lambda: ops.diff(tensor(1)), RuntimeError, "diff: expected at least 1 dimension"),
        (lambda: ops.diff(zeros(2), -1), RuntimeError, "diff: n must not be negative, got -1"),
        (lambda: ops.diff(zeros(2), prepend=zeros(1, 1)), RuntimeError, r"as many dimensions, got \[\(1, 1\), \(2,\)\]"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


CALLS = [
    *[(name, (d,)) for name in ("cumsum", "cumprod") for d in (0, -1)],
    ("sort", (0,)), ("sort", (1, True)), ("topk", (2, 0)), ("topk", (2, -1, False)),
    ("kthvalue", (2, 1)), ("median", ()), ("median", (1,)), ("median", (0, True)), ("msort", ()),
    ("logcumsumexp", (1,)), ("cummax", (0,)), ("cummin", (-1,)), ("diff", (2, 0)), ("mode", (0,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), CALLS)
def test_as_pytorch(name, args):
    torch = pytest.importorskip("torch")
    data = np.random.default_rng(0).normal(size=(3, 4))
    values = []
    for module, leaf, backward in (
        (ops, Tensor(data, requires_grad=True), grad),
        (torch, torch.tensor(data, requires_grad=True), torch.autograd.grad),
    ):
        out = getattr(module, name)(leaf, *args)
        out = out[0] if isinstance(out, tuple) else out
        (first,) = backward((out**3).sum(), [leaf], create_graph=True)
        (second,) = backward((first**2).sum(), [leaf])
        values.append([np.asarray(t.detach().numpy()) for t in (out, first, second)])
    for ours, theirs in zip(*values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
