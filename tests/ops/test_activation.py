"""Activations against Python's arithmetic on single numbers, and their edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import activation as ops, reduce
from tinygrad_cnn.testing import Draw

inf, nan = math.inf, math.nan


def tensor(values, dtype=np.float32, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


def same(got, expected, dtype=np.float32):
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.data, np.asarray(expected, dtype))


def gradients(function, values, seed=None, dtype=np.float64):
    x = tensor(values, dtype, requires_grad=True)
    (found,) = grad(function(x), x, np.ones(x.shape, dtype) if seed is None else np.asarray(seed, dtype))
    assert found.dtype == dtype
    return found.data.tolist()


ORACLES = {
    "relu": lambda x: x if x > 0 else 0,
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_python(name):
    for seed in range(40):
        x, *options = drawn(name, seed)
        expected = [ORACLES[name](v, *options) for v in x.ravel().tolist()]
        got = registry[name](Tensor(x), *options)
        np.testing.assert_allclose(got.data, np.reshape(expected, x.shape), rtol=1e-14, atol=0)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_agrees_with_loops(name):
    for seed in range(60):
        x, dim = drawn(name, seed)
        last = np.moveaxis(np.atleast_1d(x), dim, -1)
        expected = np.empty_like(last)
        for index in np.ndindex(last.shape[:-1]):
            powers = [math.exp(v) for v in last[index].tolist()]
            shares = [p / math.fsum(powers) for p in powers]
            expected[index] = shares if name == "softmax" else [math.log(p) for p in shares]
        got = getattr(Tensor(x), name)(dim)
        expected = np.moveaxis(expected, -1, dim).reshape(x.shape)
        np.testing.assert_allclose(got.data, expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_special_values(dtype):
    x = tensor([nan, inf, -inf, 0, -1], dtype)
    same(ops.relu(x), [nan, inf, 0, 0, 0], dtype)
    same(ops.leaky_relu(x, 0.5), [nan, inf, -inf, 0, -0.5], dtype)
    same(ops.sigmoid(x[:4]), [nan, 1, 0, 0.5], dtype)
    same(ops.tanh(x[:4]), [nan, 1, -1, 0], dtype)


def test_relu_of_a_negative_number_is_plus_zero():
    assert not np.signbit(ops.relu(tensor([-1.0, -inf])).data).any()


def test_relu_of_integers():
    same(ops.relu(tensor([-1, 2], np.int64)), [0, 2], np.int64)
    same(ops.sigmoid(tensor([0], np.int64)), [0.5], np.float32)
    same(ops.leaky_relu(tensor([-100, 2], np.int64)), [-1, 2], np.float32)


def test_gradients_at_kinks():
    x = [-1.0, 0.0, 1.0, nan]
    assert gradients(ops.relu, x) == [0, 0, 1, 1]
    assert gradients(ops.relu, x, [inf, nan, inf, 1]) == [0, 0, inf, 1]
    assert gradients(ops.leaky_relu, x) == [0.01, 0.01, 1, 0.01]


def test_in_place():
    for name in ("relu", "sigmoid", "tanh"):
        x = tensor([-1.0, 2.0])
        expected = getattr(x, name)().data
        data = x.data
        assert getattr(x, f"{name}_")() is x
        assert x.data is data
        same(x, expected)


def test_sigmoid_far_from_zero():
    x = [-1e4, -100.0, -50.0, 50.0, 1e4]
    expected = [0, math.exp(-100), math.exp(-50), 1, 1]
    np.testing.assert_allclose(ops.sigmoid(tensor(x, np.float64)).data, expected, rtol=1e-15)
    np.testing.assert_allclose(
        gradients(ops.sigmoid, x), [0, math.exp(-100), math.exp(-50), 0, 0], rtol=1e-15
    )
    assert ops.sigmoid(tensor(-12, np.float16)).item() == pytest.approx(math.exp(-12), rel=0.01)


# -- softmax far from zero ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("offset", [-1e4, 0, 1e4])
def test_softmax_does_not_depend_on_an_offset(dtype, offset):
    x = [[offset, offset + 16, offset - 16], [offset, offset, -inf]]
    high, low = 1 / (1 + math.exp(-16) + math.exp(-32)), math.exp(-16)
    expected = [[low * high, high, low * low * high], [0.5, 0.5, 0]]
    rtol = 4 * np.finfo(dtype).eps
    tiny = float(np.finfo(dtype).smallest_subnormal)
    got = ops.softmax(tensor(x, dtype), 1)
    assert got.dtype == dtype
    np.testing.assert_allclose(got.data, expected, rtol=rtol, atol=tiny)
    logs = ops.log_softmax(tensor(x, dtype), 1)
    assert logs.dtype == dtype
    near = [[-16 + math.log(high), math.log(high), -32 + math.log(high)], [-math.log(2)] * 2 + [-inf]]
    np.testing.assert_allclose(logs.data, near, rtol=rtol, atol=np.finfo(dtype).eps)

    seed = [[1, 0, 0], [1, 0, 0]]
    p = np.array(expected)
    slopes = p * (np.array(seed) - p[:, :1])
    found = gradients(lambda x: ops.softmax(x, 1), x, seed, dtype)
    np.testing.assert_allclose(found, slopes, rtol=4 * rtol, atol=tiny)
    found = gradients(lambda x: ops.log_softmax(x, 1), x, seed, dtype)
    np.testing.assert_allclose(found, np.array(seed) - p, rtol=4 * rtol, atol=tiny)


def test_softmax_of_nothing_but_minus_inf():
    x = tensor([[-inf, -inf], [0, -inf]])
    same(ops.softmax(x, 1), [[nan, nan], [1, 0]])
    same(ops.log_softmax(x, 1), [[nan, nan], [0, -inf]])


def test_softmax_of_nothing():
    for function in (ops.softmax, ops.log_softmax):
        assert function(tensor(np.ones((0, 3))), 0).shape == (0, 3)
        assert function(tensor(np.ones((2, 0))), 1).shape == (2, 0)


def test_softmax_of_a_number():
    same(ops.softmax(tensor(3.0), 0), 1)
    same(ops.log_softmax(tensor(3.0), -1), 0)


def test_softmax_sums_many_float16_in_float32():
    got = ops.softmax(tensor(np.zeros((2, 4096)), np.float16), 1)
    assert reduce.sum(got, 1).tolist() == [1, 1]


@pytest.mark.parametrize("function", [ops.softmax, ops.log_softmax])
def test_softmax_arguments(function):
    name = function.__name__
    x = tensor([[1.0, 2.0]])
    with pytest.raises(TypeError, match=f"{name}: dim must be given"):
        function(x)
    with pytest.raises(IndexError, match=f"{name}: dim 2 is out of range for 2 dimensions"):
        function(x, 2)
    whole = tensor([[1, 2]], np.int64)
    with pytest.raises(RuntimeError, match=f"{name}: input must be floating, got int64"):
        function(whole, 1)
    same(function(whole, 1, dtype=np.float64), function(tensor(x.data, np.float64), 1).data, np.float64)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "leaky_relu", "softmax", "log_softmax"])
def test_agrees_with_pytorch(name):
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).normal(size=(3, 4, 5)) * 10
    values[0, 0, :2] = 0
    values[0, 1, 0] = -inf if "softmax" in name else 30
    args = (1,) if "softmax" in name else ()
    theirs, ours = torch.tensor(values, requires_grad=True), tensor(values, np.float64, True)
    expected = getattr(torch.nn.functional, name)(theirs, *args)
    got = getattr(ops, name)(ours, *args)
    np.testing.assert_allclose(got.data, expected.detach().numpy(), rtol=1e-12)
    g = np.random.default_rng(1).normal(size=values.shape)
    expected.backward(torch.tensor(g))
    got.backward(g)
    np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=1e-10, atol=1e-14)
