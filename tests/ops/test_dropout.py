"""Dropout against single numbers, its statistics, and its errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw


@pytest.mark.oracle("dropout")
def test_agrees_with_python():
    for seed in range(40):
        x, mask, p = registry["dropout"].sampler(Draw.from_seed(seed))
        expected = [
            value / (1 - p) if kept else 0
            for value, kept in zip(x.ravel().tolist(), mask.ravel().tolist(), strict=True)
        ]
        got = registry["dropout"](tg.Tensor(x), mask, p)
        np.testing.assert_allclose(got.data, np.reshape(expected, x.shape), rtol=1e-15)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_drops_a_part_p_and_keeps_the_mean(p):
    out = F.dropout(tg.ones(200, 500), p).numpy()
    assert abs((out == 0).mean() - p) < 0.01
    np.testing.assert_allclose(out[out != 0], 1 / (1 - p), rtol=1e-6)


def test_the_generators_seed_decides():
    def draw():
        tg.manual_seed(3)
        return F.dropout(tg.ones(50)).tolist()

    assert draw() == draw() != F.dropout(tg.ones(50)).tolist()


def test_the_gradient_has_the_same_mask():
    x = tg.randn(30, requires_grad=True)
    out = F.dropout(x, 0.25)
    out.sum().backward()
    expected = np.where(out.detach().numpy() == 0, 0, np.float32(1 / 0.75))
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_nothing_is_dropped_in_evaluation_or_by_p_0():
    x = tg.randn(3)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x
    assert F.dropout(tg.arange(3), training=False).tolist() == [0, 1, 2]


def test_p_1_drops_everything_infinities_too():
    x = tg.tensor([1.0, float("inf"), float("nan")], requires_grad=True)
    out = F.dropout(x, 1.0)
    out.sum().backward()
    assert out.tolist() == x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.float64])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4)])
def test_keeps_shape_and_dtype(shape, dtype):
    out = F.dropout(tg.Tensor(np.ones(shape, dtype)), 0.5)
    assert (out.shape, out.dtype) == (shape, dtype)


def test_the_input_is_unchanged():
    x = tg.ones(100)
    F.dropout(x, inplace=True)
    assert x.tolist() == [1.0] * 100


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_must_be_a_probability(p):
    with pytest.raises(ValueError, match="dropout: p must be a probability between 0 and 1, got"):
        F.dropout(tg.ones(2), p)


def test_integers_are_refused():
    with pytest.raises(RuntimeError, match="dropout: input must have a floating dtype, got int64"):
        F.dropout(tg.arange(3))


# -- of channels, and alpha dropout ------------------------------------------------------------

OF_CHANNELS = [
    (F.dropout1d, (50, 40, 3), 2), (F.dropout1d, (2000, 3), 1), (F.dropout2d, (50, 40, 2, 3), 2),
    (F.dropout2d, (50, 40, 3), 2), (F.dropout3d, (50, 40, 2, 1, 3), 2),
    (F.dropout3d, (2000, 2, 1, 3), 1), (F.feature_alpha_dropout, (50, 40, 2, 3), 2),
]  # fmt: skip


@pytest.mark.parametrize(("function", "shape", "leading"), OF_CHANNELS)
def test_channels_are_dropped_as_a_whole(function, shape, leading):
    tg.manual_seed(0)
    x = tg.ones(*shape, requires_grad=True)
    out = function(x, 0.3, training=True)
    out.sum().backward()
    for values in (out.detach().numpy(), x.grad.numpy()):
        channels = values.reshape(*shape[:leading], -1)
        assert (channels == channels[..., :1]).all()
        low, high = np.unique(channels)
        assert abs((channels == low).mean() - 0.3) < 0.04
        if function is not F.feature_alpha_dropout:
            assert low == 0
            np.testing.assert_allclose(high, 1 / 0.7, rtol=1e-6)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_alpha_dropout_keeps_mean_and_variance(p):
    tg.manual_seed(0)
    x = tg.randn(200, 500)
    out = F.alpha_dropout(x, p, training=True).numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.std() - 1) < 0.02
    low = -1.7580993408473766  # selu of minus infinity
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5
    shift = -p * low * scale
    dropped = np.isclose(out, low * scale + shift, rtol=1e-6)
    assert abs(dropped.mean() - p) < 0.01
    np.testing.assert_allclose(out[~dropped], (x.numpy() * scale + shift)[~dropped], rtol=1e-5)


@pytest.mark.parametrize("function", [F.alpha_dropout, F.feature_alpha_dropout, F.dropout2d])
def test_the_others_in_evaluation_and_by_p_1(function):
    x = tg.randn(2, 3, 4, 5)
    assert function(x, 0.5, training=False) is x
    assert function(x, 0.0, training=True) is x
    assert not function(x, 1.0, training=True).numpy().any()
    assert function(x.half(), 0.5, training=True).dtype == np.float16


def test_errors_of_the_others():
    one = tg.ones(3)
    for function in (F.dropout2d, F.dropout3d, F.feature_alpha_dropout):
        name = function.__name__
        with pytest.raises(RuntimeError, match=rf"{name}: input must be \(N, C, ...\), got shape"):
            function(one, training=True)
        with pytest.raises(ValueError, match=f"{name}: p must be a probability between 0 and 1"):
            function(tg.ones(2, 3, 4), 1.5)
    for shape in ((3,), (2, 3, 4, 5)):
        with pytest.raises(RuntimeError, match=r"dropout1d: input must be \(N, C, L\) or \(C, L\)"):
            F.dropout1d(tg.ones(*shape))
    with pytest.raises(RuntimeError, match="alpha_dropout: input must have a floating dtype"):
        F.alpha_dropout(tg.arange(3), training=True)
