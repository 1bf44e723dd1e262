"""Embedding against Python, who gets gradient, shortening, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw


def table(requires_grad=True):
    return tg.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=requires_grad)


@pytest.mark.oracle("embedding")
def test_agrees_with_python():
    for seed in range(40):
        numbers, weight, *options = registry["embedding"].sampler(Draw.from_seed(seed))
        rows = weight.tolist()
        expected = np.array([rows[i] for i in numbers.ravel().tolist()])
        got = registry["embedding"](numbers, tg.Tensor(weight), *options)
        np.testing.assert_array_equal(got.data, expected.reshape(*numbers.shape, -1))


@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
def test_shapes(shape):
    numbers = tg.zeros(*shape, dtype=tg.int64) if shape else tg.tensor(0)
    weight = table()
    out = F.embedding(numbers, weight)
    assert out.shape == (*shape, 2)
    out.sum().backward()
    assert weight.grad.tolist() == [[numbers.numel()] * 2, [0, 0], [0, 0]]


def test_rows_looked_up_twice_get_both_gradients_and_padding_none():
    numbers = tg.tensor([[0, 1], [1, 2]])
    for options, expected in (
        ({}, [1, 2, 1]),
        ({"padding_idx": 1}, [1, 0, 1]),
        ({"padding_idx": -1}, [1, 2, 0]),
        ({"scale_grad_by_freq": True}, [1, 1, 1]),
    ):
        weight = table()
        out = F.embedding(numbers, weight, **options)
        assert out.tolist() == [[[3, 4], [1, 0]], [[1, 0], [0, 2]]]
        out.sum().backward()
        assert weight.grad.tolist() == [[n, n] for n in expected]


def test_long_rows_are_shortened_where_they_are_looked_up():
    weight = table()
    out = F.embedding(tg.tensor([0, 0, 1]), weight, max_norm=1.0)
    out.sum().backward()
    expected = [[0.6, 0.8], [1.0, 0.0], [0.0, 2.0]]
    np.testing.assert_allclose(weight.detach().data, expected, rtol=1e-6)
    np.testing.assert_allclose(out.detach().data, [expected[0], expected[0], expected[1]], rtol=1e-6)
    assert weight.grad.tolist() == [[2, 2], [1, 1], [0, 0]]
    weight = table()
    F.embedding(tg.tensor([0]), weight, max_norm=3.5, norm_type=1.0)
    np.testing.assert_allclose(weight.detach().data[0], [1.5, 2.0], rtol=1e-6)


def test_shortening_is_a_change_in_place():
    weight = table()
    product = weight * weight
    F.embedding(tg.tensor([0]), weight, max_norm=1.0)
    with pytest.raises(RuntimeError, match="changed in place"):
        product.sum().backward()


def test_second_order():
    weight = table()
    out = F.embedding(tg.tensor([0, 0, 2]), weight, padding_idx=2)
    (slope,) = tg.autograd.grad((out**3).sum(), weight, create_graph=True)
    assert slope.tolist() == [[54, 96], [0, 0], [0, 0]]
    (bend,) = tg.autograd.grad(slope.sum(), weight)
    assert bend.tolist() == [[36, 48], [0, 0], [0, 0]]


def test_errors():
    weight, one = table(), tg.tensor([1])
    for number in (3, -1):
        with pytest.raises(IndexError, match=f"embedding: input has {number}, expected 0 to 2"):
            F.embedding(tg.tensor([0, number]), weight)
    with pytest.raises(RuntimeError, match="embedding: input must be integer, got float32"):
        F.embedding(tg.ones(1), weight)
    with pytest.raises(RuntimeError, match=r"embedding: weight must be a matrix, got shape \(2,\)"):
        F.embedding(one, tg.ones(2))
    for padding in (3, -4):
        with pytest.raises(RuntimeError, match=f"padding_idx {padding} is none of 3 rows"):
            F.embedding(one, weight, padding)
    with pytest.raises(NotImplementedError, match="gradients are dense; sparse must be False"):
        F.embedding(one, weight, sparse=True)
