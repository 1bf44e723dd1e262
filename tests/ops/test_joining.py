"""Joining and cutting: promotion, empty tensors, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from test_shape import same

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.dtypes import float32, float64, int64
from tinygrad_cnn.ops.creation import arange, ones, tensor, zeros


def test_cat_promotes():
    assert tg.cat([ones(1), arange(2)]).dtype == float32
    assert tg.cat([ones(1), ones(1, dtype=float64)]).dtype == float64
    assert tg.cat([arange(1) > 0, arange(2)]).dtype == int64
    assert tg.stack([ones(2), arange(2)]).tolist() == [[1, 1], [0, 1]]


def test_cat_gradient_of_a_promoted_and_of_a_legacy_empty_tensor():
    a, b = ones(2, 2, requires_grad=True), ones(1, 2, dtype=float64, requires_grad=True)
    empty = zeros(0, requires_grad=True)
    weights = arange(6.0).reshape(3, 2)
    ga, gb, g0 = grad(tg.cat([a, empty, b], -2), [a, b, empty], weights)
    same(ga, np.array([[0, 1], [2, 3]], "f4"))
    same(gb, np.array([[4, 5]], "f8"))
    same(g0, np.zeros(0, "f4"))


def test_cat_of_empty_tensors_alone():
    assert tg.cat([zeros(0), zeros(0)]).shape == (0,)
    assert tg.cat([zeros(0), zeros(0, 3)]).shape == (0, 3)


def test_cat_and_stack_errors():
    with pytest.raises(RuntimeError, match=r"cat: shapes \(2, 2\), \(3, 3\)"):
        tg.cat([ones(2, 2), ones(3, 3)])
    with pytest.raises(RuntimeError, match=r"cat: shapes \(2,\), \(1, 2\)"):
        tg.cat([ones(2), ones(1, 2)])
    with pytest.raises(RuntimeError, match="cat: shapes"):
        tg.cat([tensor(1.0), tensor(2.0)])
    with pytest.raises(IndexError, match="cat: dim 2"):
        tg.cat([ones(2, 2)], 2)
    with pytest.raises(TypeError, match="cat: tensors must be a sequence"):
        tg.cat(ones(2))
    with pytest.raises(RuntimeError, match=r"stack: all shapes must be the same, got \(2,\), \(3,\)"):
        tg.stack([ones(2), ones(3)])
    with pytest.raises(IndexError, match="stack: dim 2"):
        tg.stack([ones(2)], 2)


@pytest.mark.parametrize(("size", "expected"), [(2, [2, 2, 1]), (5, [5]), (9, [5]), ([1, 4], [1, 4]), ([0, 5], [0, 5])])
def test_split(size, expected):
    x = arange(10).reshape(2, 5)
    parts = x.split(size, -1)
    assert [part.shape for part in parts] == [(2, n) for n in expected]
    same(tg.cat(list(parts), 1), x.data)


def test_cutting_nothing():
    assert [part.shape for part in zeros(0).split(2)] == [(0,)]
    assert [part.shape for part in zeros(0).split(0)] == [(0,)]
    assert [part.shape for part in zeros(0).chunk(2)] == [(0,), (0,)]
    assert zeros(0, 2).unbind() == ()


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5, 6])
def test_chunk(chunks):
    sizes = {1: [5], 2: [3, 2], 3: [2, 2, 1], 4: [2, 2, 1], 5: [1] * 5, 6: [1] * 5}
    assert [len(part) for part in arange(5).chunk(chunks)] == sizes[chunks]


def test_tensor_split_as_a_tensor_says():
    x = arange(5)
    assert [part.tolist() for part in x.tensor_split(tensor(2))] == [[0, 1, 2], [3, 4]]
    assert [part.tolist() for part in x.tensor_split(tensor([1, 3]))] == [[0], [1, 2], [3, 4]]


def test_narrow_and_unbind():
    x = arange(6).reshape(2, 3)
    assert x.narrow(1, 1, 2).tolist() == x.narrow(-1, -2, 2).tolist() == [[1, 2], [4, 5]]
    assert [part.tolist() for part in x.unbind(-1)] == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.split(0), RuntimeError, "split: the size must be positive, got 0"),
        (lambda x: x.split(-1), RuntimeError, "split: the size must be positive, got -1"),
        (lambda x: x.split([2, 2]), RuntimeError, r"split: sections \(2, 2\) do not sum to the 5"),
        (lambda x: x.split([6, -1]), RuntimeError, "split: sections"),
        (lambda x: x.split(2, 1), IndexError, "split: dim 1"),
        (lambda x: x.chunk(0), RuntimeError, "chunk: chunks must be at least 1, got 0"),
        (lambda x: x.narrow(0, 3, 3), RuntimeError, "narrow: start 3 and length 3"),
        (lambda x: x.narrow(0, -6, 1), RuntimeError, "narrow: start -6"),
        (lambda x: x.narrow(0, 0, -1), RuntimeError, "narrow: start 0 and length -1"),
        (lambda x: x[0].unbind(), RuntimeError, "unbind: expected at least 1 dimension"),
    ],
)
def test_cutting_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(zeros(5))
