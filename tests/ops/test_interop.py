"""Tensors shared with other libraries, and how they lie in memory."""

from __future__ import annotations

import multiprocessing
import pickle

import numpy as np
import pytest

import tinygrad_cnn as tg

DTYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "?"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_with_numpy(dtype):
    x = tg.tensor(np.arange(6).reshape(2, 3), dtype=dtype)
    array = np.from_dlpack(x.T)
    assert array.dtype == x.dtype
    assert np.shares_memory(array, x.data)
    back = tg.from_dlpack(x.T)
    assert (back.shape, back.dtype) == ((3, 2), x.dtype)
    assert np.shares_memory(back.data, x.data)
    assert x.__dlpack_device__() == (1, 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_with_torch(dtype):
    torch = pytest.importorskip("torch")
    x = tg.tensor(np.arange(6).reshape(2, 3), dtype=dtype)
    there = torch.from_dlpack(x)
    there[0, 0] = 1
    assert x[0, 0].item() == 1
    back = tg.from_dlpack(there)
    assert back.dtype == x.dtype
    assert np.shares_memory(back.data, x.data)
    there.zero_()
    assert not back.data.any()


def test_what_cannot_be_shared():
    x = tg.ones(2, requires_grad=True)
    with pytest.raises(BufferError, match=r"export tensor.detach\(\)"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.detach()).tolist() == [1, 1]
    with pytest.raises(TypeError, match="from_dlpack: expected an object with __dlpack__, got int"):
        tg.from_dlpack(3)
    with pytest.raises(TypeError, match="expected numbers"):
        tg.from_dlpack(np.ones(2, complex))


OPERATORS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a // b,
    lambda a, b: a % b, lambda a, b: a**b, lambda a, b: a < b, lambda a, b: a >= b, lambda a, b: a == b,
    lambda a, b: a != b,
]  # fmt: skip


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    "left", [2, 2.5, True, np.float32(2.5), np.float64(2.5), np.int64(2), np.array([2.0, 3.0], "f4")]
)
def test_anything_on_the_left(operator, left):
    x = tg.tensor([1.5, 2.5])
    result = operator(left, x)
    assert isinstance(result, tg.Tensor)
    np.testing.assert_allclose(result.numpy(), operator(np.asarray(left, "f4"), x.numpy()))
    assert result.dtype in (tg.float32, tg.bool)


@pytest.mark.parametrize("left", [6, np.int64(6), np.array([6, 6])])
def test_bits_with_anything_on_the_left(left):
    x = tg.tensor([3, 5])
    for result, expected in ((left & x, [2, 4]), (left | x, [7, 7]), (left ^ x, [5, 3])):
        assert isinstance(result, tg.Tensor)
        assert result.tolist() == expected


def test_matmul_of_an_array_on_the_left():
    result = np.ones((2, 2), "f4") @ tg.eye(2)
    assert isinstance(result, tg.Tensor)
    assert result.tolist() == [[1, 1], [1, 1]]


def test_memory():
    x = tg.zeros(2, 3, dtype=tg.float64)
    assert (x.stride(), x.stride(0), x.stride(-1), x.T.stride()) == ((3, 1), 3, 1, (1, 3))
    assert tg.tensor(1.0).stride() == ()
    assert (x.nbytes, x.itemsize, x.element_size()) == (48, 8, 8)
    assert x[1:].data_ptr() == x.data_ptr() + 24
    with pytest.raises(IndexError, match="stride"):
        x.stride(2)


def test_questions():
    x = tg.zeros(2, 3)
    assert (tg.is_tensor(x), tg.is_tensor(x.data)) == (True, False)
    assert (tg.is_floating_point(x), tg.is_floating_point(x.long())) == (True, False)
    assert (tg.numel(x), x.ndimension()) == (6, 2)
    assert (tg.is_nonzero(tg.tensor([2])), tg.tensor(0.0).is_nonzero()) == (True, False)
    with pytest.raises(RuntimeError, match="ambiguous"):
        tg.is_nonzero(x)


def _doubled(tensor):
    return (tensor * 2).detach(), tensor.requires_grad


def test_tensors_go_to_other_processes_and_back():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        doubled, required = pool.apply(_doubled, (x,))
    assert doubled.tolist() == [2, 4]
    assert required
    with pytest.raises(RuntimeError, match="only leaf tensors can be pickled"):
        pickle.dumps(x * 2)


def test_a_pickled_module_is_the_same():
    layers = tg.nn.Sequential(tg.nn.Linear(2, 3), tg.nn.BatchNorm1d(3))
    again = pickle.loads(pickle.dumps(layers))
    assert [type(p) for p in again.parameters()] == [tg.nn.Parameter] * 4
    x = tg.rand(4, 2)
    np.testing.assert_array_equal(again(x).detach().numpy(), layers(x).detach().numpy())
