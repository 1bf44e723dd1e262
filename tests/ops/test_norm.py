"""Batch norm and the sums per channel against loops, its running statistics, and its errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw, fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

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
        x, y, mean = drawn("channel_dot", seed)
        sums = [math.fsum(values) for values in channels(x)]
        np.testing.assert_allclose(registry["channel_sum"](x), sums, rtol=1e-12, atol=1e-14)
        means = np.zeros(len(sums)) if mean is None else mean
        dots = [
            math.fsum(a * (b - m) for a, b in zip(one, other, strict=True))
            for one, other, m in zip(channels(x), channels(y), means, strict=True)
        ]
        np.testing.assert_allclose(registry["channel_dot"](x, y, mean), dots, rtol=1e-12, atol=1e-14)


@pytest.mark.oracle("channel_mix")
def test_channel_mix_agrees_with_loops():
    for seed in range(20):
        x, scale, y, mean, factor, shift = drawn("channel_mix", seed)
        expected = np.empty_like(x)
        for at in np.ndindex(x.shape):
            c = at[1]
            expected[at] = x[at] * scale[c] + (y[at] - mean[c]) * factor[c] + shift[c]
        got = registry["channel_mix"](x, scale, y, mean, factor, shift)
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


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


@pytest.mark.oracle("batch_norm_eval")
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


# -- within each sample ------------------------------------------------------------------------


def normal_values(values, eps):
    mean, var = statistics(values)
    return [(v - mean) / math.sqrt(var + eps) for v in values]


def naive_groups(x, groups, weight, bias, eps):
    """Normalise each group of channels of each sample; an instance norm has a group per channel."""
    samples, channels = x.shape[:2]
    out = np.empty_like(x)
    for n in range(samples):
        for group in np.array_split(range(channels), groups):
            part = x[n, group[0] : group[-1] + 1]
            normal = normal_values(part.ravel().tolist(), eps)
            out[n, group[0] : group[-1] + 1] = np.reshape(normal, part.shape)
        for c in range(channels):
            out[n, c] = out[n, c] * weight[c] + bias[c]
    return out


def drawn_affine(shape):
    rng = np.random.default_rng(0)
    return rng.normal(2, 3, size=shape), rng.normal(size=shape[1]), rng.normal(size=shape[1])


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", [(3, 8), (2, 4, 3), (1, 4, 2, 3)])
def test_group_norm_agrees_with_loops(shape, groups):
    x, weight, bias = drawn_affine(shape)
    expected = naive_groups(x, groups, weight, bias, 1e-3)
    for ordered in memory_orders(x):
        got = F.group_norm(tg.Tensor(ordered), groups, tg.Tensor(weight), tg.Tensor(bias), 1e-3)
        np.testing.assert_allclose(got.data, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 3, 2, 3), (1, 1, 2, 1, 2)])
def test_instance_norm_agrees_with_loops(shape):
    x, weight, bias = drawn_affine(shape)
    expected = naive_groups(x, shape[1], weight, bias, 1e-3)
    for ordered in memory_orders(x):
        got = F.instance_norm(
            tg.Tensor(ordered), None, None, tg.Tensor(weight), tg.Tensor(bias), eps=1e-3
        )
        np.testing.assert_allclose(got.data, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("shape", "last"), [((3, 4), 1), ((2, 3, 4), 2), ((4,), 1), ((2, 1), 1)])
def test_layer_and_rms_norm_agree_with_loops(shape, last):
    rng = np.random.default_rng(0)
    x, weight, bias = rng.normal(2, 3, size=shape), *rng.normal(size=(2, *shape[-last:]))
    rows = x.reshape(-1, math.prod(shape[-last:]))
    normal = np.reshape([normal_values(row.tolist(), 1e-3) for row in rows], shape)
    got = F.layer_norm(tg.Tensor(x), shape[-last:], tg.Tensor(weight), tg.Tensor(bias), 1e-3)
    np.testing.assert_allclose(got.data, normal * weight + bias, rtol=1e-10, atol=1e-12)
    sizes = [math.sqrt(math.fsum(v * v for v in row.tolist()) / len(row) + 1e-3) for row in rows]
    expected = np.reshape(rows / np.reshape(sizes, (-1, 1)), shape) * weight
    got = F.rms_norm(tg.Tensor(x), list(shape[-last:]), tg.Tensor(weight), 1e-3)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_the_eps_of_rms_norm_is_that_of_the_dtype():
    for dtype in (np.float32, np.float64):
        tiny = F.rms_norm(tg.Tensor(np.array([1e-12], dtype)), [1]).item()
        assert math.isclose(tiny, 1e-12 / math.sqrt(np.finfo(dtype).eps), rel_tol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("shape", [(2, 4, 3), (1, 3, 2, 2)])
def test_local_response_norm_agrees_with_loops(shape, size):
    x, _, _ = drawn_affine(shape)
    expected = np.empty_like(x)
    for index in np.ndindex(shape):
        n, c, *place = index
        first = c - size // 2
        near = [x[(n, d, *place)] for d in range(max(first, 0), min(first + size, shape[1]))]
        mean = math.fsum(float(v) ** 2 for v in near) / size
        expected[index] = x[index] / (2.0 + 0.5 * mean) ** 0.75
    got = F.local_response_norm(tg.Tensor(x), size, 0.5, 0.75, 2.0)
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


@pytest.mark.parametrize(("p", "dim"), [(2.0, 1), (1.0, -1), (3.0, 0), (math.inf, (0, 2))])
def test_normalize_makes_the_norm_1(p, dim):
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    got = F.normalize(tg.Tensor(x), p, dim).data
    size = np.abs(got).max(dim) if p == math.inf else (np.abs(got) ** p).sum(dim)
    np.testing.assert_allclose(size, 1, rtol=1e-12)
    assert (got * x > 0).all()


def test_normalize_of_zeros_and_of_extremes():
    x = tg.tensor([[0.0, 0.0], [1e30, 1e30], [1e-30, 0.0]], requires_grad=True)
    out = F.normalize(x)
    out.sum().backward()
    root = math.sqrt(0.5)
    np.testing.assert_allclose(out.detach().data, [[0, 0], [root, root], [1e-18, 0]], rtol=1e-6)
    np.testing.assert_allclose(x.grad.data[0], 1e12)
    assert np.isfinite(x.grad.data).all()


@fuzz_gradients(x=arrays((2, 4, 2), distinct=True), w=arrays((4,)), b=arrays((4,)), examples=10)
def test_gradients_of_group_and_instance_norm(x, w, b):
    return F.group_norm(x, 2, w, b) + F.instance_norm(x, None, None, w, b)


@fuzz_gradients(x=arrays((2, 3, 2), distinct=True), w=arrays((3, 2)), examples=10)
def test_gradients_of_layer_and_rms_norm(x, w):
    return F.layer_norm(x, [3, 2], w, w) + F.rms_norm(x, (3, 2), w)


@fuzz_gradients(x=arrays((1, 4, 2), avoid=[0]), examples=10)
def test_gradients_of_local_response_norm_and_normalize(x):
    return F.local_response_norm(x, 3, 0.5) * F.normalize(x, 3.0)


def test_instance_norm_moves_the_running_statistics_by_the_mean_over_the_samples():
    x, _, _ = drawn_affine((3, 2, 4))
    mean, var = tg.tensor([1.0, 2.0]), tg.tensor([3.0, 4.0])
    F.instance_norm(tg.Tensor(x), mean, var, momentum=0.25)
    np.testing.assert_allclose(mean.data, 0.75 * np.array([1, 2]) + 0.25 * x.mean((0, 2)), rtol=1e-6)
    expected = x.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(var.data, 0.75 * np.array([3, 4]) + 0.25 * expected, rtol=1e-6)
    used = F.instance_norm(tg.Tensor(x), mean, var, use_input_stats=False)
    np.testing.assert_array_equal(used.data, F.batch_norm(tg.Tensor(x), mean, var).data)


WITHIN = {
    "instance_norm": lambda x: F.instance_norm(x),
    "group_norm": lambda x: F.group_norm(x, 2),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[2:]),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[2:], eps=1e-6),
    "local_response_norm": lambda x: F.local_response_norm(x, 3),
    "normalize": lambda x: F.normalize(x, dim=2),
}
EXTREMES = {
    "large": np.random.default_rng(0).choice([-1e4, 1e4], (2, 4, 6)),
    "subnormal": np.random.default_rng(0).choice([-1e-40, 0, 1e-42], (2, 4, 6)),
    "all equal": np.full((2, 4, 6), 0.7),
    "zeros": np.zeros((2, 4, 6)),
    "far from 0": np.random.default_rng(0).normal(1e4, 1, (2, 4, 6)),
}


@pytest.mark.parametrize("kind", EXTREMES)
@pytest.mark.parametrize("name", WITHIN)
def test_value_and_gradient_of_extremes_are_those_of_float64(name, kind):
    values = EXTREMES[kind].astype(np.float32)
    results = []
    for dtype in (np.float32, np.float64):
        x = tg.Tensor(values.astype(dtype), requires_grad=True)
        out = WITHIN[name](x)
        out.backward(np.arange(48, dtype=dtype).reshape(2, 4, 6) / 48)
        assert (out.dtype, x.grad.dtype) == (dtype, dtype)
        results.append((out.detach().data, x.grad.data))
    # a mean of 1e4 is kept to 1e-3
    tolerances = (1e-3, 3e-2 if kind == "far from 0" else 1e-3)
    for got, expected, tolerance in zip(*results, tolerances, strict=True):
        atol = tolerance * np.abs(expected).max()
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=atol)


@pytest.mark.parametrize("name", WITHIN)
def test_within_samples_float16_is_computed_in_float32(name):
    values = np.random.default_rng(0).normal(0, 300, (2, 4, 6)).astype(np.float16)
    x = tg.Tensor(values, requires_grad=True)
    out = WITHIN[name](x)
    out.sum().backward()
    assert out.dtype == x.grad.dtype == np.float16
    expected = WITHIN[name](tg.Tensor(values.astype(np.float64)))
    np.testing.assert_allclose(out.detach().data, expected.data, rtol=2e-3, atol=2e-3)
    assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("name", WITHIN)
@pytest.mark.parametrize("shape", [(0, 4, 6), (2, 4, 0)])
def test_within_samples_there_may_be_nothing(name, shape):
    x = tg.zeros(*shape, requires_grad=True)
    out = WITHIN[name](x)
    out.sum().backward()
    assert out.shape == x.grad.shape == shape


def test_errors_within_samples():
    x, three = tg.ones(2, 4, 5), tg.ones(3)
    with pytest.raises(ValueError, match=r"instance_norm: needs more than 1 value per channel"):
        F.instance_norm(tg.ones(2, 3, 1))
    with pytest.raises(RuntimeError, match="instance_norm: without input statistics it needs"):
        F.instance_norm(x, use_input_stats=False)
    with pytest.raises(RuntimeError, match=r"instance_norm: weight has shape \(3,\), an input of"):
        F.instance_norm(x, weight=three)
    with pytest.raises(RuntimeError, match="group_norm: 3 groups do not divide 4 channels"):
        F.group_norm(x, 3)
    with pytest.raises(RuntimeError, match="group_norm: 0 groups do not divide 4 channels"):
        F.group_norm(x, 0)
    with pytest.raises(ValueError, match="group_norm: needs more than 1 value per group"):
        F.group_norm(tg.ones(1, 4), 4)
    with pytest.raises(RuntimeError, match=r"group_norm: input must be \(N, C, ...\), got"):
        F.group_norm(three, 3)
    with pytest.raises(RuntimeError, match=r"group_norm: bias has shape \(3,\)"):
        F.group_norm(x, 2, bias=three)
    for function in (F.layer_norm, F.rms_norm):
        name = function.__name__
        with pytest.raises(RuntimeError, match=rf"{name}: input \(2, 4, 5\) does not end in norm"):
            function(x, [4])
        with pytest.raises(RuntimeError, match=rf"{name}: input .* normalized_shape \(\)"):
            function(x, [])
        with pytest.raises(RuntimeError, match=rf"{name}: weight has shape \(3,\), expected \(5,\)"):
            function(x, [5], three)
        with pytest.raises(RuntimeError, match=rf"{name}: input must have a floating dtype"):
            function(tg.ones(5, dtype=tg.int64), [5])
    with pytest.raises(ValueError, match=r"local_response_norm: input must be .*, at least 3-d"):
        F.local_response_norm(tg.ones(2, 3), 2)
    with pytest.raises(RuntimeError, match="local_response_norm: size must be at least 1, got 0"):
        F.local_response_norm(x, 0)
