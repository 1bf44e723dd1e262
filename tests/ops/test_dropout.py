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
