"""Losses of regression against Python, against PyTorch, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import regression_loss as ops

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
