"""Activations against Python's arithmetic on single numbers, and their edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn import functional as F
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


def normal(x):
    return math.erfc(-x / math.sqrt(2)) / 2


def gelu(x, approximate):
    if approximate == "none":
        return x * normal(x)
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ORACLES = {
    "softplus": lambda x, beta, limit: x if x * beta > limit else math.log(1 + math.exp(beta * x)) / beta,
    "logsigmoid": lambda x: -math.log(1 + math.exp(-x)),
    "gelu": gelu,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
    "elu": lambda x, alpha, scale, rate: scale * (x if x > 0 else alpha * (math.exp(x * rate) - 1)),
    "hardtanh": lambda x, low, high: min(max(x, low), high),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
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
        named = options.pop() if options and isinstance(options[-1], dict) else {}
        expected = [ORACLES[name](v, *options, **named) for v in x.ravel().tolist()]
        got = registry[name](Tensor(x), *options, **named)
        np.testing.assert_allclose(got.data, np.reshape(expected, x.shape), rtol=1e-13, atol=0)


@pytest.mark.oracle("relu_input")
def test_relu_input_agrees_with_python():
    for seed in range(20):
        g, result = drawn("relu_input", seed)
        pairs = zip(g.ravel().tolist(), result.ravel().tolist(), strict=True)
        expected = np.reshape([0.0 if out <= 0 else passed for passed, out in pairs], g.shape)
        np.testing.assert_array_equal(registry["relu_input"](g, result), expected)


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
    assert gradients(F.hardtanh, x) == [0, 1, 0, 1]


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


# -- compositions ------------------------------------------------------------------------------


@pytest.mark.oracle("prelu")
def test_prelu():
    x = np.random.default_rng(0).normal(size=(2, 3, 2))
    weight = np.array([0.5, -1.0, 2.0])
    expected = [
        [[v if v > 0 else w * v for v in row] for w, row in zip(weight, image, strict=True)] for image in x
    ]
    same(F.prelu(tensor(x, np.float64), tensor(weight, np.float64)), expected, np.float64)
    same(F.prelu(tensor([-2.0, 2.0]), tensor([0.5])), [-1, 2])
    same(F.prelu(tensor(-2.0), tensor(0.5)), -1)
    for shape in [(2,), (1, 3)]:
        with pytest.raises(RuntimeError, match=r"prelu: weight .* must have 1 element or one for each of 3"):
            F.prelu(tensor(x), tensor(np.ones(shape)))


def test_glu():
    x = np.arange(8.0).reshape(2, 4)
    expected = x[:, :2] / (1 + np.exp(-x[:, 2:]))
    np.testing.assert_allclose(F.glu(tensor(x, np.float64)).data, expected, rtol=1e-14)
    assert F.glu(tensor(x), 0).shape == (1, 4)
    with pytest.raises(RuntimeError, match="glu: dim 0 has size 3, which is odd"):
        F.glu(tensor([1.0, 2, 3]))
    with pytest.raises(RuntimeError, match="glu: input has no dimensions"):
        F.glu(tensor(1.0))
    with pytest.raises(IndexError, match="glu: dim 2 is out of range"):
        F.glu(tensor(x), 2)


def test_errors_of_options():
    x = tensor([1.0])
    with pytest.raises(RuntimeError, match="gelu: approximate must be 'none' or 'tanh', got 'erf'"):
        F.gelu(x, approximate="erf")
    with pytest.raises(RuntimeError, match="celu: alpha must not be 0"):
        F.celu(x, 0)
    with pytest.raises(RuntimeError, match="softshrink: lambd must not be negative, got -1"):
        F.softshrink(x, -1)
    with pytest.raises(ValueError, match="hardtanh: min_val 2 is greater than max_val 1"):
        F.hardtanh(x, 2, 1)


def test_shrinking():
    x = tensor([-2, -0.5, 0.25, 0.5, 2, nan])
    same(F.hardshrink(x), [-2, 0, 0, 0, 2, nan])
    same(F.softshrink(x), [-1.5, 0, 0, 0, 1.5, nan])
    same(F.threshold(x, 0.25, 7), [7, 7, 7, 0.5, 2, nan])


def test_gumbel_softmax_draws_in_proportion():
    tg.manual_seed(0)
    logits = tensor(np.broadcast_to(np.log([0.1, 0.2, 0.7]), (20_000, 3)), np.float32, requires_grad=True)
    draws = F.gumbel_softmax(logits, hard=True)
    np.testing.assert_allclose(np.sort(draws.data, 1), np.sort(np.eye(3)[draws.data.argmax(1)], 1), atol=1e-6)
    np.testing.assert_allclose(draws.data.mean(0), [0.1, 0.2, 0.7], atol=0.01)
    (g,) = grad(draws[:, 0].sum(), [logits])
    assert np.abs(g.data).max() > 0
    tg.manual_seed(0)
    soft = F.gumbel_softmax(logits, tau=0.5, dim=1)
    np.testing.assert_allclose(soft.data.sum(1), 1, rtol=1e-5)
    assert (soft.data.argmax(1) == draws.data.argmax(1)).all()


SMOOTH = ["gelu", "silu", "mish", "softplus", "logsigmoid", "elu", "selu", "celu"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SMOOTH)
def test_far_from_zero(name, dtype):
    x = tensor([-1e4, -100, 100, 1e4], dtype, requires_grad=True)
    out = getattr(F, name)(x)
    (first,) = grad(out.sum(), [x], create_graph=True)
    (second,) = grad(first.sum(), [x])
    for found in (out, first, second):
        assert np.isfinite(found.data).all()
    np.testing.assert_allclose(second.data, 0, atol=1e-30)


COMPARED = [
    *[(name, {}) for name in SMOOTH],
    *[(name, {}) for name in ("relu6", "hardtanh", "hardswish", "hardsigmoid", "softsign", "tanhshrink")],
    *[(name, {}) for name in ("hardshrink", "softshrink")],
    ("elu", {"alpha": 0.7}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {"approximate": "tanh"}),
    ("softplus", {"beta": 2, "threshold": 5}),
    ("threshold", {"threshold": 0.5, "value": 2.0}),
    ("glu", {"dim": 0}),
    ("softmin", {"dim": 0}),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), COMPARED)
def test_two_derivatives_agree_with_pytorch(name, options, dtype):
    torch = pytest.importorskip("torch")
    points = [-100, -40, -6, -3, -1.5, -1, -0.5, -1e-3, 1e-3, 0.25, 0.5, 1, 1.5, 3, 6, 9, 25, 40]
    if name in SMOOTH[:5] or name.startswith(("hard", "relu")):
        points += [0.0, 0.0]
    theirs = torch.tensor(np.asarray(points, dtype), requires_grad=True)
    ours = tensor(points, dtype, requires_grad=True)
    wanted, found = getattr(torch.nn.functional, name)(theirs, **options), getattr(F, name)(ours, **options)
    # PyTorch's hardsigmoid rounds its slope of 1/6 to float32
    rtol, atol = (1e-10, 1e-14) if dtype == np.float64 and name != "hardsigmoid" else (3e-5, 1e-6)
    for _ in range(3):
        np.testing.assert_allclose(found.data, wanted.detach().numpy(), rtol, atol)
        rate = torch.linspace(0.5, 1.5, len(wanted), dtype=wanted.dtype)
        if not (wanted.requires_grad and found.requires_grad):
            break
        (wanted,) = torch.autograd.grad(
            (wanted * rate).sum(), theirs, create_graph=True, materialize_grads=True
        )
        (found,) = grad(
            (found * Tensor(rate.numpy())).sum(), [ours], create_graph=True, materialize_grads=True
        )


FAR = [-6e4, -1e4, -300.0, -30.0, -3.0, -6e-8, 0.0, 6e-8, 3.0, 30.0, 300.0, 1e4, 6e4]
FOR_ALL_NUMBERS = {
    **{name: getattr(F, name) for name in ("relu", "relu6", "leaky_relu", "elu", "selu", "celu")},
    **{name: getattr(F, name) for name in ("gelu", "silu", "mish", "softplus", "logsigmoid")},
    **{name: getattr(F, name) for name in ("sigmoid", "tanh", "softsign", "tanhshrink", "rrelu")},
    **{name: getattr(F, name) for name in ("hardtanh", "hardsigmoid", "hardswish", "hardshrink")},
    "softshrink": F.softshrink,
    "gelu by tanh": lambda x: F.gelu(x, approximate="tanh"),
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", FOR_ALL_NUMBERS)
def test_far_from_0_value_and_gradients_are_those_of_float64(name, dtype):
    results = []
    for kind in (dtype, np.float64):
        x = tensor(np.asarray(FAR, dtype), kind, requires_grad=True)
        y = FOR_ALL_NUMBERS[name](x)
        (slope,) = grad(y, x, np.ones(x.shape, kind), create_graph=True)
        (bend,) = grad(slope + 0 * x, x, np.ones(x.shape, kind))
        results.append([y.detach().data, slope.detach().data, bend.data])
    tolerance = 1e-2 if dtype == np.float16 else 1e-5
    for got, expected in zip(*results, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.oracle("prelu")
def test_rrelu_draws_a_share_for_each_element():
    tg.manual_seed(0)
    x = tg.full((2000,), -2.0).requires_grad_()
    out = F.rrelu(x, 0.2, 0.4, training=True)
    out.sum().backward()
    shares = x.grad.numpy()
    np.testing.assert_allclose(out.detach().numpy(), -2 * shares, rtol=1e-6)
    assert 0.2 <= shares.min() < 0.201
    assert 0.399 < shares.max() <= 0.4
    assert abs(shares.mean() - 0.3) < 0.01
    assert F.rrelu(tg.tensor([3.0]), training=True).tolist() == [3.0]
    with pytest.raises(RuntimeError, match=r"rrelu: lower 0\.5 is greater than upper 0\.1"):
        F.rrelu(x, 0.5, 0.1)
