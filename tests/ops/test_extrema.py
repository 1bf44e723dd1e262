"""Extrema against loops over slices; their ties, NaN and empty dimensions."""

from __future__ import annotations

import numpy as np
import pytest
from test_reduce import drawn, gradients, nan, reduced, same, tensor

import tinygrad_cnn as tg
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.extrema import Extrema


@pytest.mark.oracle("max", "min")
@pytest.mark.parametrize(("name", "best"), [("max", max), ("min", min)])
def test_extrema_along_a_dimension_agree_with_loops(name, best):
    for seed in range(60):
        x, dim, keepdim = drawn(name, seed)
        got = getattr(Tensor(x), name)(dim, keepdim)
        np.testing.assert_array_equal(got.values.data, reduced(x, dim, keepdim, best))
        places = reduced(x, dim, keepdim, lambda v: v.index(best(v)))
        np.testing.assert_array_equal(got.indices.data, places)
        assert got.values.shape == got.indices.shape == places.shape
        assert got.indices.dtype == np.int64


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin", "argmax", "argmin"])
def test_empty_extrema(name):
    function = getattr(tg, name)
    x = tensor(np.ones((0, 3)))
    message = r"nothing to choose from: dim \(0(, 1)?,?\) of shape \(0, 3\) has no elements"
    with pytest.raises(IndexError if "arg" in name else RuntimeError, match=message):
        function(x)
    with pytest.raises(IndexError, match=name + ": " + message):
        function(x, 0)
    result = function(x, 1)
    assert (result.values if isinstance(result, Extrema) else result).shape == (0,)


def test_max_of_two_tensors():
    x, y = tensor([1, 5]), tensor([3, 2])
    same(tg.max(x, y), [3, 5])
    same(x.min(y), [1, 2])
    with pytest.raises(TypeError, match="max: dim must be an int, got float"):
        tg.max(x, 1.5)


def test_result_has_names():
    values, indices = result = tensor([[1.0, 3.0, 3.0]]).max(dim=1, keepdim=True)
    assert result.values is values
    same(values, [[3]])
    same(indices, [[1]], np.int64)


def test_nan_is_the_extremum():
    x = tensor([[1, nan, 5, nan], [1, 2, 3, 4]])
    for function, best, place in ((tg.max, 4, 3), (tg.min, 1, 0)):
        same(function(x), nan)
        same(function(x, 1).values, [nan, best])
        same(function(x, 1).indices, [1, place], np.int64)
    same(tg.argmax(x, 1), [1, 3], np.int64)
    same(tg.argmin(x), 1, np.int64)
    same(tg.amax(x, 0), [1, nan, 5, nan])


def test_ties():
    x = [[1.0, 7.0, 7.0], [7.0, 0.0, 7.0]]
    quarter = [[0, 0.25, 0.25], [0.25, 0, 0.25]]
    half = [[0, 0.5, 0.5], [0.5, 0, 0.5]]
    first = [[0, 1, 0], [1, 0, 0]]
    for sign, best, along in ((1, tg.max, tg.amax), (-1, tg.min, tg.amin)):
        y = (sign * np.array(x)).tolist()
        assert gradients(best, y) == quarter
        assert gradients(lambda x, along=along: along(x, (0, 1)), y) == quarter
        assert gradients(lambda x, along=along: along(x, 1), y) == half
        assert gradients(lambda x, best=best: best(x, 1).values, y) == first
    assert gradients(tg.max, [1.0, nan, nan]) == [0, 0.5, 0.5]
    same(tg.argmax(tensor(x)), 1, np.int64)


def test_minimum_and_maximum_at_once():
    x = tensor([[1, 7, 7], [7, 0, nan]])
    found = tg.aminmax(x, dim=1, keepdim=True)
    same(found.min, [[1], [nan]])
    same(found.max, [[7], [nan]])
    lowest, highest = x[:, :2].aminmax()
    same(lowest, 0)
    same(highest, 7)
    with pytest.raises(RuntimeError, match="amin: nothing to choose from"):
        tg.aminmax(tensor([]))
