"""Batch norm and the sums per channel against loops, its running statistics, and its errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw

SHAPES = [(5, 3), (4, 2, 3), (2, 3, 4, 5), (1, 2, 3, 1), (2, 1, 2, 2, 2)]


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


def channels(x):
    """Return the values of each channel, as lists."""
    return [x[:, c].ravel().tolist() for c in range(x.shape[1])]


def statistics(values):
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((v - mean) ** 2 for v in values) / len(values)


def naive_batch_norm(x, weight, bias, eps):
    out = np.empty_like(x)
    for c, values in enumerate(channels(x)):
        mean, var = statistics(values)
        for index in np.ndindex(x[:, c].shape):
            place = (index[0], c, *index[1:])
            normal = (float(x[place]) - mean) / math.sqrt(var + eps)
            normal = normal if weight is None else normal * float(weight[c])
            out[place] = normal if bias is None else normal + float(bias[c])
    return out


def memory_orders(x):
    """Yield `x` in C order, channels-last, and as a strided view."""
    yield x
    yield np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    yield np.repeat(x, 2, axis=0)[::2]
    yield np.asfortranarray(x)


@pytest.mark.oracle("batch_norm")
def test_agrees_with_loops():
    for seed in range(40):
        x, weight, bias, eps = drawn("batch_norm", seed)
        out, mean, var = registry["batch_norm"](tg.Tensor(x), weight, bias, eps)
        expected = [statistics(values) for values in channels(x)]
        np.testing.assert_allclose(mean.data, [m for m, _ in expected], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(var.data, [v for _, v in expected], rtol=1e-12)
        np.testing.assert_allclose(
            out.data, naive_batch_norm(x, weight, bias, eps), rtol=1e-10, atol=1e-12
        )


@pytest.mark.oracle("channel_sum", "channel_dot")
def test_channel_sums_agree_with_loops():
    for seed in range(20):
        x, y = drawn("channel_dot", seed)
        sums = [math.fsum(values) for values in channels(x)]
        np.testing.assert_allclose(registry["channel_sum"](x), sums, rtol=1e-12, atol=1e-14)
        dots = [math.fsum(values) for values in channels(x * y)]
        np.testing.assert_allclose(registry["channel_dot"](x, y), dots, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_memory_order_gives_the_same(shape):
    x = np.random.default_rng(0).normal(size=shape)
    expected = naive_batch_norm(x, None, None, 1e-5)
    for ordered in memory_orders(x):
        out = F.batch_norm(tg.Tensor(ordered), None, None, training=True)
        np.testing.assert_allclose(out.data, expected, rtol=1e-10, atol=1e-12)


def test_channels_last_stays_channels_last():
    x = np.moveaxis(np.ones((2, 4, 5, 3), np.float32), -1, 1)
    assert F.batch_norm(tg.Tensor(x), None, None, training=True).data.strides == x.strides


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_uses_the_running_statistics(shape):
    rng = np.random.default_rng(0)
    x, count = rng.normal(size=shape), shape[1]
    mean, weight, bias = (rng.normal(size=count) for _ in range(3))
    var = rng.uniform(0.5, 2, count)
    out = F.batch_norm(*map(tg.Tensor, (x, mean, var, weight, bias)), eps=1e-3)
    for index in np.ndindex(shape):
        c = index[1]
        expected = (x[index] - mean[c]) / math.sqrt(var[c] + 1e-3) * weight[c] + bias[c]
        assert math.isclose(float(out.data[index]), expected, rel_tol=1e-9, abs_tol=1e-12)
    plain = F.batch_norm(*map(tg.Tensor, (x, mean, var)), eps=1e-3)
    np.testing.assert_allclose(
        plain.data * weight.reshape(-1, *(1,) * (len(shape) - 2))
        + bias.reshape(-1, *(1,) * (len(shape) - 2)),
        out.data,
        rtol=1e-9,
        atol=1e-12,
    )


def test_running_statistics_move_by_the_momentum_with_the_unbiased_variance():
    x = np.random.default_rng(0).normal(3, 2, size=(4, 2, 3))
    mean, var = tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])
    F.batch_norm(tg.Tensor(x), mean, var, training=True, momentum=0.3)
    for c, values in enumerate(channels(x)):
        batch_mean, batch_var = statistics(values)
        assert math.isclose(mean.tolist()[c], 0.7 * (1 + c) + 0.3 * batch_mean, rel_tol=1e-6)
        unbiased = batch_var * 12 / 11
        assert math.isclose(var.tolist()[c], 0.7 * (3 + c) + 0.3 * unbiased, rel_tol=1e-6)


def test_one_of_the_running_statistics_may_be_missing():
    mean = tg.zeros(1)
    F.batch_norm(tg.tensor([[1.0], [3.0]]), mean, None, training=True, momentum=1.0)
    assert mean.tolist() == [2.0]


def test_evaluation_leaves_the_running_statistics_alone():
    mean, var = tg.tensor([1.0]), tg.tensor([4.0])
    F.batch_norm(tg.tensor([[1.0], [3.0]]), mean, var)
    assert (mean.tolist(), var.tolist()) == ([1.0], [4.0])


def test_running_statistics_used_before_an_update_are_noticed_by_backward():
    x = tg.randn(3, 2, requires_grad=True)
    mean, var = tg.zeros(2), tg.ones(2)
    out = x * var
    F.batch_norm(x, mean, var, training=True)
    with pytest.raises(RuntimeError, match="changed in place"):
        out.sum().backward()


def test_the_output_may_be_changed_in_place():
    x = tg.randn(4, 2, requires_grad=True)
    out = F.batch_norm(x, None, None, training=True)
    out += x
    (out * out).sum().backward()
    y = tg.tensor(x.detach().numpy(), requires_grad=True)
    again = F.batch_norm(y, None, None, training=True) + y
    (again * again).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


def test_a_constant_channel_gives_the_bias_and_no_gradient():
    x = tg.full((4, 1, 2), 7.0).requires_grad_()
    out = F.batch_norm(x, None, None, bias=tg.tensor([2.0]), training=True)
    assert out.tolist() == tg.full((4, 1, 2), 2.0).tolist()
    out.sum().backward()
    assert x.grad.tolist() == tg.zeros(4, 1, 2).tolist()


def test_a_large_mean_does_not_spoil_float32():
    x = np.random.default_rng(0).normal(1000, 1, size=(64, 2, 28, 28))
    expected = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    for ordered in memory_orders(x.astype(np.float32)):
        out = F.batch_norm(tg.Tensor(ordered), None, None, training=True)
        assert out.dtype == np.float32
        np.testing.assert_allclose(out.data, expected, atol=1e-3)


def test_float16_is_computed_in_float32():
    x = np.random.default_rng(0).normal(0, 200, size=(300, 2, 4, 4)).astype(np.float16)
    inputs = tg.Tensor(x, requires_grad=True)
    weight = tg.ones(2, dtype=tg.float16, requires_grad=True)
    mean, var = tg.zeros(2), tg.ones(2)
    out = F.batch_norm(inputs, mean, var, weight, training=True, momentum=1.0)
    assert out.dtype == np.float16
    wide = x.astype(np.float64)
    np.testing.assert_allclose(mean.data, wide.mean((0, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(var.data, wide.var((0, 2, 3), ddof=1), rtol=1e-4)  # above 65504 / 2
    out.sum().backward()
    assert inputs.grad.dtype == weight.grad.dtype == np.float16
    assert np.isfinite(inputs.grad.data).all()
    evaluated = F.batch_norm(tg.Tensor(x), mean, var, weight)
    assert evaluated.dtype == np.float16
    np.testing.assert_allclose(evaluated.detach().data, out.detach().data, atol=2e-3)


def test_nan_and_infinity_spoil_their_channel_only():
    x = np.random.default_rng(0).normal(size=(4, 3))
    x[1, 0], x[2, 1] = np.inf, np.nan
    out = F.batch_norm(tg.Tensor(x), None, None, training=True).data
    assert np.isnan(out[1, 0])
    assert np.isnan(out[:, 1]).all()
    assert np.isfinite(out[:, 2]).all()


@pytest.mark.parametrize("shape", [(0, 3, 2, 2), (2, 3, 0), (2, 0, 2)])
def test_empty_batches_pass_and_leave_the_running_statistics_alone(shape):
    mean, var = tg.zeros(shape[1]), tg.ones(shape[1])
    x = tg.zeros(*shape, requires_grad=True)
    for training in (True, False):
        out = F.batch_norm(x, mean, var, training=training)
        assert out.shape == shape
        out.sum().backward()
        assert x.grad.shape == shape
    assert mean.tolist() == [0] * shape[1]
    assert var.tolist() == [1] * shape[1]


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1)])
def test_training_needs_more_than_one_value(shape):
    with pytest.raises(ValueError, match=r"batch_norm: training needs more than 1 value per chan"):
        F.batch_norm(tg.ones(*shape), None, None, training=True)


def test_errors_name_the_argument_and_the_shapes():
    x, three, four = tg.ones(2, 3), tg.ones(3), tg.ones(4)
    with pytest.raises(RuntimeError, match="evaluation needs running_mean and running_var"):
        F.batch_norm(x, None, three)
    for name in ("running_mean", "running_var", "weight", "bias"):
        arguments = {"running_mean": three, "running_var": three, name: four}
        message = rf"batch_norm: {name} has shape \(4,\), an input of shape \(2, 3\) expects \(3,\)"
        with pytest.raises(RuntimeError, match=message):
            F.batch_norm(x, **arguments)
    with pytest.raises(RuntimeError, match=r"input must be \(N, C, ...\), got shape \(3,\)"):
        F.batch_norm(three, None, None, training=True)
    with pytest.raises(RuntimeError, match="floating dtype, got int64"):
        F.batch_norm(tg.ones(2, 3, dtype=tg.int64), None, None, training=True)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_pytorch(shape, affine, training):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    count = shape[1]
    arrays = [rng.normal(size=shape), rng.normal(size=count), rng.uniform(0.5, 2, count)]
    arrays += [rng.normal(size=count), rng.normal(size=count)] if affine else []
    results = []
    for lib in (tg, torch):
        x, mean, var, *scale = (lib.from_numpy(a.copy()) for a in arrays)
        for leaf in (x, *scale):
            leaf.requires_grad_()
        out = lib.nn.functional.batch_norm(x, mean, var, *scale, training=training)
        (out * out * out).sum().backward()
        tensors = [out.detach(), mean, var, x.grad, *(leaf.grad for leaf in scale)]
        results.append([tensor.numpy() for tensor in tensors])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-9)
