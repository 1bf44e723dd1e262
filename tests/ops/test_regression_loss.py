"""Losses of regression against Python, against PyTorch, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import regression_loss as ops
from tinygrad_cnn.testing import fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

inf = math.inf
REDUCTIONS = ["mean", "sum", "none"]


def tensor(values, dtype=np.float32, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def labels(values):
    return tensor(values, np.int64)


def zeros(*shape):
    return tensor(np.zeros(shape))


# -- mse_loss ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss(reduction):
    x, y = tensor([[1, 2], [3, 4]], requires_grad=True), tensor([[1, 0], [0, 8]])
    each = np.array([[0, 4], [9, 16]])
    got = ops.mse_loss(x, y, reduction=reduction)
    expected = {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]
    np.testing.assert_array_equal(got.data, expected)
    got.backward(np.ones(got.shape))
    scale = 4 if reduction == "mean" else 1
    np.testing.assert_array_equal(x.grad.data, 2 * np.array([[0, 2], [3, -4]]) / scale)


def test_mse_loss_of_nothing():
    assert math.isnan(ops.mse_loss(zeros(0), zeros(0)).item())
    assert ops.mse_loss(zeros(0), zeros(0), reduction="sum").item() == 0


def test_mse_loss_promotes():
    assert ops.mse_loss(zeros(2), tensor([1, 2], np.int64)).item() == 2.5
    assert ops.mse_loss(zeros(2), tensor([1, 2], np.float64)).dtype == np.float64
    with pytest.raises(RuntimeError, match="mse_loss: input must be floating, got int64"):
        ops.mse_loss(labels([1]), labels([2]))


def test_mse_loss_warns_of_broadcasting():
    with pytest.warns(UserWarning, match=r"input \(3, 1\) and target \(3,\) differ in shape"):
        assert ops.mse_loss(zeros(3, 1), zeros(3), reduction="none").shape == (3, 3)
    with pytest.warns(UserWarning, match="differ"), pytest.raises(RuntimeError, match="broadcast"):
        ops.mse_loss(zeros(2), zeros(3))


# -- each against Python -----------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 3, 4)) * 2
V = RNG.uniform(0.5, 3, (3, 4))
COUNTS = np.array([[0, 1, 2, 3], [4, 0, 7, 1], [1, 1, 2, 30]], float)


def huber(x, y, delta):
    d = abs(x - y)
    return d * d / 2 if d <= delta else delta * (d - delta / 2)


def poisson(x, y, full=False):
    stirling = y * math.log(y) - y + math.log(2 * math.pi * y) / 2 if full and y > 1 else 0
    return math.exp(x) - y * x + stirling


CASES = {
    "mse_loss": (X, Y, {}, lambda x, y: (x - y) ** 2),
    "l1_loss": (X, Y, {}, lambda x, y: abs(x - y)),
    "huber_loss": (X, Y, {"delta": 0.7}, lambda x, y: huber(x, y, 0.7)),
    "smooth_l1_loss": (X, Y, {"beta": 0.7}, lambda x, y: huber(x, y, 0.7) / 0.7),
    "smooth_l1_loss of beta 0": (X, Y, {"beta": 0}, lambda x, y: abs(x - y)),
    "poisson_nll_loss": (X, COUNTS, {}, poisson),
    "poisson_nll_loss in full": (X, COUNTS, {"full": True}, lambda x, y: poisson(x, y, True)),
    "poisson_nll_loss of counts": (
        V, COUNTS, {"log_input": False, "eps": 0.1}, lambda x, y: x - y * math.log(x + 0.1)
    ),
    "gaussian_nll_loss": (
        X, Y, {"var": 0.3, "full": True},
        lambda x, y: (math.log(0.3) + (x - y) ** 2 / 0.3 + math.log(2 * math.pi)) / 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_python(case, reduction):
    x, y, options, naive = CASES[case]
    each = np.array([naive(*pair) for pair in zip(x.flat, y.flat, strict=True)]).reshape(x.shape)
    function = getattr(ops, case.partition(" ")[0])
    got = function(Tensor(x), Tensor(y), reduction=reduction, **options)
    expected = {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]
    assert got.shape == np.shape(expected)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_weights():
    x, y, w = Tensor(X), Tensor(Y), Tensor(V)
    for function in (ops.mse_loss, ops.l1_loss, ops.huber_loss):
        each = function(x, y, reduction="none").data * V
        got = function(x, y, reduction="none", weight=w)
        np.testing.assert_allclose(got.data, each, rtol=1e-12)
        got = function(x, y, reduction="sum", weight=w)
        np.testing.assert_allclose(got.data, each.sum(), rtol=1e-12)
        mean = each.mean() if function is ops.huber_loss else each.sum() / V.sum()
        np.testing.assert_allclose(function(x, y, weight=w).data, mean, rtol=1e-12)
        with pytest.raises(ValueError, match=r"weight \(2,\) must have the shape of input \(3, 4\)"):
            function(x, y, weight=zeros(2))


@pytest.mark.parametrize("function", [ops.l1_loss, ops.huber_loss, ops.smooth_l1_loss])
def test_others_warn_of_broadcasting_too(function):
    message = rf"{function.__name__}: input \(3, 1\) and target \(3,\) differ"
    with pytest.warns(UserWarning, match=message) as caught:
        assert function(zeros(3, 1), zeros(3), reduction="none").shape == (3, 3)
    assert caught[0].filename == __file__
    with pytest.raises(RuntimeError, match="input must be floating, got int64"):
        function(labels([1]), labels([2]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_far_and_near(dtype):
    values = np.array([-inf, -1e4, -1, -1e-3, 0, 1e-3, 1, 1e4, inf])
    x = tensor(values, dtype, requires_grad=True)
    out = ops.huber_loss(x, tensor(np.zeros(9), dtype), "none", 0.5)
    expected = [huber(v, 0, 0.5) for v in values]
    np.testing.assert_allclose(out.data, expected, rtol=2e-3, atol=1e-7)
    out.backward(np.ones(9))
    np.testing.assert_allclose(x.grad.data, np.clip(values, -0.5, 0.5), rtol=1e-3)


def test_variances_of_fewer_dimensions():
    x, y = Tensor(X), Tensor(Y)
    for var in (V[:, 0], V[:, :1], V[:1]):
        full = var[:, None] if var.ndim == 1 else var
        expected = (np.log(full) + (X - Y) ** 2 / full) / 2
        got = ops.gaussian_nll_loss(x, y, Tensor(var), reduction="none")
        np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_a_small_variance_counts_as_eps_but_learns():
    var = tensor([0.0, 1e-3], np.float64, requires_grad=True)
    out = ops.gaussian_nll_loss(zeros(2).double(), tensor([0.0, 1.0]).double(), var, eps=0.1)
    assert math.isclose(out.item(), (math.log(0.1) * 2 + 10) / 4)
    out.backward()
    np.testing.assert_allclose(var.grad.data, [2.5, 2.5 - 25])
    assert var.tolist() == [0.0, 1e-3]


def test_errors():
    one = tensor([1.0])
    with pytest.raises(ValueError, match="var has negative elements"):
        ops.gaussian_nll_loss(one, one, tensor([-1.0]))
    with pytest.raises(ValueError, match="var has negative elements"):
        ops.gaussian_nll_loss(one, one, -1.0)
    for shape in ((3,), (1, 1), (2, 2)):
        with pytest.raises(ValueError, match=r"var .* does not fit input \(2, 3\)"):
            ops.gaussian_nll_loss(zeros(2, 3), zeros(2, 3), zeros(*shape))
    with pytest.raises(RuntimeError, match="huber_loss: delta must be positive, got 0"):
        ops.huber_loss(one, one, delta=0)
    with pytest.raises(RuntimeError, match="smooth_l1_loss: beta must not be negative, got -1"):
        ops.smooth_l1_loss(one, one, beta=-1)


@fuzz_gradients(x=arrays((2, 3), distinct=True), v=arrays((2,), 0.5), w=arrays((2, 3), 0.5), examples=10)
def test_gradients(x, v, w):
    y = tensor(np.full((2, 3), 4.1)).to(x)
    return (
        ops.mse_loss(x, y, weight=w)
        + ops.l1_loss(x, y, weight=w)
        + ops.huber_loss(x, y, delta=4.0, weight=w)
        + ops.smooth_l1_loss(x, y, beta=4.0)
        + ops.poisson_nll_loss(x, y, full=True)
        + ops.gaussian_nll_loss(x, y, v)
    )
