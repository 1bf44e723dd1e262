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


@pytest.mark.parametrize("name", ["column_stack", "atleast_1d", "atleast_2d", "atleast_3d"])
def test_as_numpy_arranges(name):
    arrays = [np.float64(2.0), np.arange(3.0), np.arange(6.0).reshape(3, 2), np.ones((3, 2, 2))]
    if name == "column_stack":
        arrays = [np.arange(3.0), *arrays[1:3]]
        got, expected = [tg.column_stack([tg.tensor(x) for x in arrays])], [np.column_stack(arrays)]
    else:
        got, expected = getattr(tg, name)(*map(tg.tensor, arrays)), getattr(np, name)(*arrays)
        assert getattr(tg, name)(tg.tensor(2.0)).shape == (1,) * int(name[-2])
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a.data, b)


@pytest.mark.parametrize(("name", "shape"), [("hsplit", (4,)), ("hsplit", (2, 4, 3)), ("vsplit", (4, 2)), ("dsplit", (1, 2, 4))])
@pytest.mark.parametrize("where", [2, [1, 3]])
def test_as_numpy_cuts(name, shape, where):
    x = np.arange(float(np.prod(shape))).reshape(shape)
    got, expected = getattr(tg, name)(tg.tensor(x), where), getattr(np, name)(x, where)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a.data, b)


def test_wrong_cuts():
    with pytest.raises(RuntimeError, match="vsplit: the 3 of dim 0 do not divide into 2 parts"):
        tg.vsplit(tg.ones(3, 1), 2)
    with pytest.raises(RuntimeError, match="dsplit: expected at least 3 dimensions, got 2"):
        tg.dsplit(tg.ones(3, 1), 1)


def test_block_diagonal_and_its_gradient():
    blocks = [tg.tensor(v, requires_grad=True) for v in (2.0, [3.0, 4.0], [[5.0], [6.0]])]
    matrix = tg.block_diag(*blocks)
    assert matrix.tolist() == [[2, 0, 0, 0], [0, 3, 4, 0], [0, 0, 0, 5], [0, 0, 0, 6]]
    (matrix * tg.arange(16.0).reshape(4, 4)).sum().backward()
    assert [b.grad.tolist() for b in blocks] == [0, [5, 6], [[11], [15]]]
    with pytest.raises(RuntimeError, match="block_diag: expected matrices"):
        tg.block_diag(tg.ones(1, 1, 1))


def test_broadcast_tensors():
    a, b = tg.broadcast_tensors(tg.ones(3, 1), tg.arange(2.0))
    assert a.shape == b.shape == (3, 2)
    assert b.tolist() == [[0, 1]] * 3
    with pytest.raises(RuntimeError, match=r"shapes \[\(3,\), \(2,\)\] do not broadcast"):
        tg.broadcast_tensors(tg.ones(3), tg.ones(2))


@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize(("size", "step"), [(1, 1), (2, 1), (2, 3), (4, 2), (0, 1)])
def test_windows_along_a_dimension(dim, size, step):
    x = np.arange(5 * 4 * 6.0).reshape(5, 4, 6)
    n = x.shape[dim]
    windows = [np.moveaxis(np.take(x, range(i, i + size), dim), dim, -1) for i in range(0, n - size + 1, step)]
    np.testing.assert_array_equal(tg.tensor(x).unfold(dim, size, step).data, np.stack(windows, dim % 3))


def test_wrong_windows():
    with pytest.raises(RuntimeError, match="unfold: size 6 is not between 0 and the 5 of dim 0"):
        tg.arange(5).unfold(0, 6, 1)
    with pytest.raises(RuntimeError, match="unfold: step must be positive, got 0"):
        tg.arange(5).unfold(0, 2, 0)
