"""Different elements, counts and places in a sorted order, against Python's own."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float64, int64
from tinygrad_cnn.ops import counting as ops
from tinygrad_cnn.ops.creation import tensor, zeros
from tinygrad_cnn.ops.scan import argsort

NAN = np.nan


def test_unique():
    x = np.random.default_rng(0).integers(0, 4, (3, 5))
    values, inverse, counts = Tensor(x).unique(return_inverse=True, return_counts=True)
    assert values.tolist() == sorted(set(x.flatten().tolist()))
    np.testing.assert_array_equal(values.data[inverse.data], x)
    assert counts.tolist() == [int((x == v).sum()) for v in values.tolist()]
    assert ops.unique(tensor([NAN, NAN])).shape == (2,)
    assert ops.unique(tensor(2), return_inverse=True)[1].shape == ()
    rows = np.array([[1, 2], [0, 5], [1, 2]])
    values, inverse, counts = ops.unique(Tensor(rows), True, True, True, dim=0)
    assert values.tolist() == [[0, 5], [1, 2]]
    assert inverse.tolist() == [1, 0, 1]
    assert counts.tolist() == [1, 2]
    assert ops.unique(Tensor(rows), dim=-1).tolist() == rows.tolist()
    assert ops.unique(zeros(0)).shape == (0,)


def test_search():
    values = np.array([[-1.0, 0.0, 2.5], [3.0, 7.0, 9.0]])
    for row in ([0, 2, 2, 3], [], [7]):
        before = [[sum(v < x for v in row) for x in line] for line in values]
        after = [[sum(v <= x for v in row) for x in line] for line in values]
        vector = tensor(row, dtype=float64)
        for found, expected in (
            (ops.searchsorted(vector, Tensor(values)), before),
            (ops.searchsorted(vector, Tensor(values), side="right"), after),
            (ops.bucketize(Tensor(values), vector), before),
            (ops.bucketize(Tensor(values), vector, right=True, out_int32=True), after),
        ):
            assert found.tolist() == expected
    rows = tensor([[3, 1, 2], [0, 5, 5]])
    found = ops.searchsorted(rows, tensor([[2, 4], [5, 0]]), sorter=argsort(rows))
    assert found.tolist() == [[1, 3], [1, 0]]
    assert ops.searchsorted(tensor([1, 2]), 2).item() == 1
    assert ops.searchsorted(tensor([1, 2]), 2, out_int32=True).dtype == np.int32


def test_counts():
    x = np.random.default_rng(0).integers(0, 5, 20)
    weights = np.random.default_rng(1).normal(size=20)
    assert ops.bincount(Tensor(x), minlength=8).tolist() == [x.tolist().count(i) for i in range(8)]
    expected = [math.fsum(weights[x == i]) for i in range(5)]
    np.testing.assert_allclose(ops.bincount(Tensor(x), Tensor(weights)).data, expected)
    assert ops.bincount(tensor([1]), tensor([1])).dtype == float64
    assert ops.bincount(tensor([], dtype=int64)).shape == (0,)

    x = tensor([[0.0, 0.5, 1.0], [3.0, -1.0, NAN]])
    assert ops.histc(x, 3, 0, 3).tolist() == [2, 1, 1]
    assert ops.histc(tensor([1.0, 2.0, 2.0]), 2).tolist() == [1, 2]
    assert ops.histc(tensor([1.0, 1.0]), 2).tolist() == [0, 2]
    assert ops.histc(zeros(0), 2).tolist() == [0, 0]
    assert ops.histc(tensor([1.0], dtype=float64), 1).dtype == float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.searchsorted(zeros(2, 3), zeros(3, 1)), RuntimeError, r"sorted_sequence \(2, 3\) must be"),
        (lambda: ops.searchsorted(zeros(2), 1, right=True, side="left"), RuntimeError, "side 'left' does not go with"),
        (lambda: ops.searchsorted(zeros(2), 1, sorter=tensor([1])), RuntimeError, r"sorter must be int64 \(2,\)"),
        (lambda: ops.bucketize(1, zeros(2, 3)), RuntimeError, "boundaries must be a vector"),
        (lambda: ops.bincount(zeros(2)), RuntimeError, "bincount: input must be a vector of integers"),
        (lambda: ops.bincount(tensor([-1])), RuntimeError, "bincount: input must be a vector of integers"),
        (lambda: ops.bincount(tensor([1]), minlength=-1), RuntimeError, "minlength must not be negative"),
        (lambda: ops.bincount(tensor([1]), zeros(2)), RuntimeError, r"weights \(2,\) are not as input \(1,\)"),
        (lambda: ops.histc(tensor([1])), RuntimeError, "histc: input must be floating, got int64"),
        (lambda: ops.histc(zeros(2), 0), RuntimeError, "histc: 0 bins from"),
        (lambda: ops.histc(zeros(2), 2, 3, 1), RuntimeError, "histc: 2 bins from 3 to 1"),
        (lambda: ops.unique(zeros(2), dim=1), IndexError, "unique: dim 1 is out of range"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_unique_consecutive_slices():
    x = tg.tensor([[1, 1, 2, 1], [3, 3, 3, 3]])
    values, inverse, counts = tg.unique_consecutive(x, True, True, dim=1)
    assert values.tolist() == [[1, 2, 1], [3, 3, 3]]
    assert (inverse.tolist(), counts.tolist()) == ([0, 0, 1, 2], [2, 1, 1])
    assert tg.unique_consecutive(x).tolist() == [1, 2, 1, 3]


def test_isin():
    x = tg.tensor([[1, 2], [3, 2]])
    assert tg.isin(x, tg.tensor([2, 9])).tolist() == [[False, True], [False, True]]
    assert tg.isin(x, 3, invert=True).tolist() == [[True, True], [False, True]]
    with pytest.raises(TypeError, match="isin: elements must be a Tensor, got int"):
        tg.isin(1, 2)


def test_flipped_matrices():
    x = tg.tensor([[1, 2], [3, 4]])
    assert tg.fliplr(x).tolist() == [[2, 1], [4, 3]]
    assert x.flipud().tolist() == [[3, 4], [1, 2]]
    with pytest.raises(RuntimeError, match="fliplr: expected at least 2 dimensions"):
        tg.fliplr(tg.ones(2))
