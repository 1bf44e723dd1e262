"""Clipping and flattening against their formulas, and against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.nn import utils


def with_gradients(*values):
    found = []
    for value in values:
        w = tg.zeros(*np.shape(value), requires_grad=True)
        w.grad = tg.tensor(value)
        found.append(w)
    return found


@pytest.mark.parametrize(("order", "norm"), [(2.0, 13.0), (1, 19.0), (math.inf, 12.0)])
def test_norms_are_scaled(order, norm):
    a, b = with_gradients([3.0, -4.0], [[12.0]])
    idle = tg.ones(2, requires_grad=True)
    assert utils.clip_grad_norm_([a, idle, b], norm / 2, order).item() == pytest.approx(norm)
    np.testing.assert_allclose(a.grad.data, [1.5, -2], rtol=1e-6)
    np.testing.assert_allclose(b.grad.data, [[6]], rtol=1e-6)
    assert idle.grad is None


def test_short_gradients_stay():
    (a,) = with_gradients([0.3, 0.4])
    gradient = a.grad.data
    utils.clip_grad_norm_(a, 1.0)
    assert a.grad.data is gradient
    assert a.grad.tolist() == tg.tensor([0.3, 0.4]).tolist()


def test_no_gradients_have_norm_0():
    assert utils.clip_grad_norm_([tg.ones(2, requires_grad=True)], 1.0).item() == 0


def test_a_norm_that_is_not_finite():
    (a,) = with_gradients([math.inf, 1.0])
    with pytest.raises(RuntimeError, match=r"the norm of order 2\.0 is inf"):
        utils.clip_grad_norm_([a], 1.0, error_if_nonfinite=True)
    assert a.grad.tolist() == [math.inf, 1]


def test_values_are_clamped():
    (a,) = with_gradients([3.0, -4.0, 0.5])
    utils.clip_grad_value_([a], 2)
    assert a.grad.tolist() == [2, -2, 0.5]


def test_a_change_of_a_gradient_is_noticed():
    (a,) = with_gradients([3.0])
    loss = (a.grad.requires_grad_() ** 2).sum()
    with tg.no_grad():
        utils.clip_grad_value_([a], 1)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_parameters_as_a_vector_and_back():
    model = tg.nn.Linear(2, 3)
    vector = utils.parameters_to_vector(model.parameters())
    np.testing.assert_array_equal(vector.data, [*model.weight.data.ravel(), *model.bias.data])
    (vector**2).sum().backward()
    np.testing.assert_allclose(model.weight.grad.data, 2 * model.weight.data)
    utils.vector_to_parameters(tg.arange(9.0), model.parameters())
    assert model.weight.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert model.bias.tolist() == [6, 7, 8]
    with pytest.raises(ValueError, match=r"vec has shape \(8,\), expected \(9,\)"):
        utils.vector_to_parameters(tg.arange(8.0), model.parameters())
    with pytest.raises(TypeError, match="vec must be a Tensor, got list"):
        utils.vector_to_parameters([1.0], model.parameters())
