"""Picking and writing along one dimension, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import int64
from tinygrad_cnn.ops import along_dim as ops
from tinygrad_cnn.ops.creation import arange, ones, rand, tensor, zeros
from tinygrad_cnn.testing import Draw


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


@pytest.mark.oracle("gather")
@pytest.mark.parametrize("seed", range(30))
def test_gather(seed):
    x, dim, index = drawn("gather", seed)
    expected = np.empty(index.shape)
    for place in np.ndindex(index.shape):
        source = list(place)
        if source:
            source[dim] = index[place]
        expected[place] = x[tuple(source)]
    np.testing.assert_array_equal(ops.gather(Tensor(x), dim, Tensor(index)).data, expected)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["scatter", "scatter_add"])
@pytest.mark.parametrize("seed", range(30))
def test_scatter(name, seed):
    x, dim, index, src = drawn(name, seed)
    expected = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        if target:
            target[dim] = index[place]
        expected[tuple(target)] = src[place] + (name == "scatter_add") * expected[tuple(target)]
    got = getattr(ops, name)(Tensor(x), dim, Tensor(index), Tensor(src))
    np.testing.assert_allclose(got.data, expected, rtol=1e-12)


def test_ways_to_scatter():
    x, index = ones(2, 3), tensor([[2], [0]])
    written = [[1, 1, 5], [5, 1, 1]]
    for got in (x.scatter(1, index, 5), x.scatter(1, index, value=5.0), x.scatter(1, index, src=5 * ones(2, 1))):
        assert got.tolist() == written
    assert x.scatter(1, index, 4, reduce="add").tolist() == written
    assert arange(3).scatter(0, tensor([1, 1]), tensor([7, 8])).tolist() == [0, 8, 2]
    x.scatter_(1, index, 5)
    assert x.tolist() == written


def test_a_number_stands_for_one_element():
    x, one = tensor(5.0), tensor([1.0])
    assert x.gather(0, tensor([0, 0])).tolist() == [5, 5]
    assert one.gather(0, tensor(0)).item() == 1
    assert x.scatter(0, tensor([0]), one).item() == 1
    assert x.scatter_add(-1, tensor([0, 0]), ones(2)).item() == 7
    assert one.scatter_add(0, tensor(0), x).tolist() == [6]
    for index in (tensor(0), tensor([0])):
        assert x.index_select(0, index).item() == 5
        assert x.index_add(0, index, one).item() == 6
        assert x.index_copy(0, index, tensor(2.0)).item() == 2
        assert x.index_fill(0, index, 3).item() == 3


def test_an_index_without_elements_may_have_any_shape():
    x, index = rand(2, 3, requires_grad=True), zeros(0, 4, 5, dtype=int64)
    src = ones(2, requires_grad=True)
    assert x.gather(1, index).shape == (0, 4, 5)
    for out in (x.scatter(1, index, src), x.scatter_add(1, index, src)):
        assert out.tolist() == x.tolist()
        assert grad(out.sum(), [x, src])[1].tolist() == [0, 0]
    assert x.index_add(1, tensor([], dtype=int64), zeros(2, 0)).tolist() == x.tolist()


def test_scatter_add_of_part_of_src():
    src = ones(2, 3, requires_grad=True)
    out = zeros(2, 2).scatter_add(1, tensor([[0, 0]]), src)
    assert out.tolist() == [[2, 0], [0, 0]]
    assert grad(out.sum(), src)[0].tolist() == [[1, 1, 0], [0, 0, 0]]
    x = zeros(2)
    x.scatter_add_(0, tensor([1]), ones(1))
    assert x.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.gather(1, tensor([[3]])), IndexError, "gather: index 3 is out of range for size 3"),
        (lambda x: x.gather(1, tensor([[-1]])), IndexError, "gather: index -1 is out of range"),
        (lambda x: x.gather(2, tensor([[0]])), IndexError, "gather: dim 2"),
        (lambda x: x.gather(0, tensor([0])), RuntimeError, r"gather: index \(1,\) does not fit"),
        (lambda x: x.gather(1, tensor([[0]] * 3)), RuntimeError, r"index \(3, 1\) does not fit shape \(2, 3\)"),
        (lambda x: x.gather(1, tensor([[0.0]])), RuntimeError, "gather: index must be of integers, got float32"),
        (lambda x: x.scatter_add(1, tensor([[5]]), ones(1, 1)), IndexError, "scatter_add: index 5"),
        (lambda x: x.scatter_add(1, tensor([[0, 0]]), ones(1, 1)), RuntimeError, "src .* is smaller than index"),
        (lambda x: x.scatter_add(1, tensor([[0]]), tensor([[1]])), RuntimeError, "input is float32, src int64"),
        (lambda x: x.scatter(1, tensor([[0]])), TypeError, "scatter: expected one of src and value"),
        (lambda x: x.scatter(1, tensor([[0]]), 1, value=1), TypeError, "scatter: expected one of src and value"),
        (lambda x: x.scatter(1, tensor([[0]]), 1, reduce="mean"), RuntimeError, "reduce must be None or 'add', got 'mean'"),
        (lambda x: x.scatter(1, tensor([[0]]), ones(1)), RuntimeError, r"scatter: src \(1,\) is smaller than index"),
        (lambda x: x.index_add(1, tensor([3]), ones(2, 1)), IndexError, "index_add: index 3 is out of range"),
        (lambda x: x.index_add(1, tensor([0]), ones(2, 2)), RuntimeError, r"must be float32 \(2, 1\), got float32 \(2, 2\)"),
        (lambda x: x.index_copy(1, tensor([0]), arange(2).reshape(2, 1)), RuntimeError, "index_copy: source .* got int64"),
        (lambda x: x.index_fill(1, tensor([-4]), 1), IndexError, "index_fill: index -1 is out of range"),
        (lambda x: x.index_fill(1, tensor([0]), ones(1)), RuntimeError, "index_fill: value must be a number"),
        (lambda x: x.index_fill(1, tensor([0.0]), 1), IndexError, "index_fill: index must be a vector of integers"),
        (lambda x: x.select_scatter(ones(1), 0, 1), RuntimeError, r"select_scatter: src must have shape \(3,\), got \(1,\)"),
        (lambda x: x.select_scatter(ones(3), 0, 2), IndexError, "index 2 is out of bounds"),
        (lambda x: x.slice_scatter(ones(1), 1, 2), RuntimeError, r"slice_scatter: src must have shape \(2, 1\)"),
        (lambda x: x.diagonal_scatter(ones(1)), RuntimeError, r"diagonal_scatter: src must have shape \(2,\)"),
        (lambda x: x.index_select(1, tensor([3])), IndexError, "index_select: index 3"),
        (lambda x: x.index_select(1, tensor([-1])), IndexError, "index_select: index -1"),
        (lambda x: x.index_select(0, tensor([[0]])), IndexError, "must be a vector of integers"),
        (lambda x: x.take_along_dim(tensor([0]), 0), RuntimeError, "must have as many dimensions"),
        (lambda x: x.take_along_dim(tensor([[0]] * 3), 1), RuntimeError, "do not broadcast"),
    ],
)  # fmt: skip
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(zeros(2, 3))


@pytest.mark.parametrize(
    ("shape", "dim"), [((2, 1), 1), ((1, 4), 1), ((2, 3), -1), ((5, 3), 0), ((1, 1), 0)]
)
def test_take_along_dim(shape, dim):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3))
    index = rng.integers(0, x.shape[dim], shape)
    expected = np.take_along_axis(x, index, dim)
    np.testing.assert_array_equal(Tensor(x).take_along_dim(Tensor(index), dim).data, expected)


def test_take_along_dim_of_the_flat_tensor():
    assert arange(6).reshape(2, 3).take_along_dim(tensor([[5], [0]])).tolist() == [5, 0]


def test_index_select():
    x = np.arange(12.0).reshape(3, 4)
    for dim, index in ((0, [2, 0, 2]), (-1, [3]), (1, [])):
        got = Tensor(x).index_select(dim, tensor(index, dtype=int64))
        np.testing.assert_array_equal(got.data, np.take(x, np.array(index, int), dim))
    assert arange(3).index_select(0, tensor(1)).tolist() == [1]


def test_take_along_dim_counts_negative_indices_from_the_end():
    x = tensor([[3, 1, 2], [5, 6, 4]])
    assert ops.take_along_dim(x, tensor([[-1], [0]]), dim=1).tolist() == [[2], [5]]


# -- slices ------------------------------------------------------------------------------------

SLICES = [((3, 4), 0, [2, 0, 2]), ((3, 4), -1, [3]), ((3, 4), 1, []), ((5,), 0, [1, 1]), ((2, 3, 4), 1, [2, 1])]


@pytest.mark.parametrize(("shape", "dim", "index"), SLICES)
def test_writing_slices(shape, dim, index):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    source = rng.normal(size=np.take(x, np.array(index, int), dim).shape)
    added, copied, filled = x.copy(), x.copy(), x.copy()
    for i, place in enumerate(index):
        at = (slice(None),) * (dim % x.ndim)
        added[(*at, place)] += 0.5 * source[(*at, i)]
        copied[(*at, place)] = source[(*at, i)]
        filled[(*at, place)] = 7
    places = tensor(index, dtype=int64)
    calls = {
        "index_add": (added, (dim, places, Tensor(source)), {"alpha": 0.5}),
        "index_copy": (copied, (dim, places, Tensor(source)), {}),
        "index_fill": (filled, (dim, places, 7), {}),
    }
    for name, (expected, args, options) in calls.items():
        np.testing.assert_allclose(getattr(ops, name)(Tensor(x), *args, **options).data, expected, rtol=1e-12)
        changed = Tensor(x.copy())
        getattr(changed, f"{name}_")(*args, **options)
        np.testing.assert_allclose(changed.data, expected, rtol=1e-12)


def test_a_negative_index_fills_from_the_end_and_a_value_counts_once():
    value = tensor(1.0, requires_grad=True)
    out = zeros(2, 3).index_fill(1, tensor([-1, 2, 2]), value)
    assert out.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert grad(out.sum(), value)[0].item() == 2


def test_scattering_into_parts():
    x = np.arange(24.0).reshape(2, 3, 4)
    for name, args, place in (
        ("select_scatter", (1, -1), (slice(None), -1)),
        ("slice_scatter", (2, 1, None, 2), (slice(None), slice(None), slice(1, None, 2))),
        ("slice_scatter", (), ()),
    ):
        expected = x.copy()
        expected[place] *= -1
        got = getattr(Tensor(x), name)(Tensor(-x[place]), *args)
        np.testing.assert_array_equal(got.data, expected)
    for offset, first, second in ((0, 0, 1), (1, 1, 2), (-1, 2, 0)):
        src = -x.diagonal(offset, first, second)
        got = Tensor(x).diagonal_scatter(Tensor(src), offset, first, second)
        expected = np.where(np.isin(x, -src), -x, x)
        np.testing.assert_array_equal(got.data, expected)
