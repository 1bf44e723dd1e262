"""The Tensor itself: making, reading, copying."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor, as_array


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def test_an_array_is_shared():
    array = np.array([1.0, 2.0])
    assert Tensor(array).data is array
    assert np.shares_memory(Tensor(array).numpy(), array)
    assert Tensor(Tensor(array)).data is array


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, "i8"),
        (1.5, "f4"),
        (True, "?"),
        ([1, 2.5], "f4"),
        ([[True], [False]], "?"),
        ([], "f4"),
        (np.float64(1.5), "f8"),
        ([Tensor(np.float32(1)), Tensor(np.float32(2))], "f4"),
        (np.ones(2, "f2"), "f2"),
        (range(3), "i8"),
    ],
)
def test_dtypes_of_what_it_is_made_of(data, dtype):
    tensor = Tensor(data)
    assert isinstance(tensor.data, np.ndarray)
    assert tensor.dtype == np.dtype(dtype)


def test_what_it_cannot_be_made_of():
    for wrong in ("words", None, object(), 1j, ["a"]):
        with pytest.raises(TypeError, match="tensor: expected numbers"):
            Tensor(wrong)
    for wrong in (np.array(["a"]), np.array([1j]), np.array([None])):
        with pytest.raises(TypeError, match="tensor: expected numbers"):
            Tensor(wrong)
    with pytest.raises(ValueError, match="inhomogeneous"):
        Tensor([[1, 2], [3]])


def test_only_floats_require_grad():
    for data in (1, True, np.arange(3)):
        with pytest.raises(RuntimeError, match="only floating tensors can require grad"):
            Tensor(data, requires_grad=True)
    x = leaf(1.0)
    assert x.requires_grad_(False) is x
    assert not x.requires_grad
    with pytest.raises(RuntimeError, match="only a leaf"):
        (leaf(1.0) * 2).requires_grad_(False)


def test_properties():
    x = Tensor(np.zeros((2, 3), "f4"))
    assert (x.shape, x.size(), x.size(1), x.size(-1)) == ((2, 3), (2, 3), 3, 3)
    assert (x.ndim, x.dim(), x.numel(), x.nelement(), len(x)) == (2, 2, 6, 6, 2)
    assert x.element_size() == 4
    assert x.is_floating_point()
    assert x.is_contiguous()
    assert not x.T.is_contiguous()
    assert x.cpu() is x
    with pytest.raises(IndexError):
        x.size(2)


def test_leaves_and_others():
    x = leaf(1.0)
    y = x * 2
    assert (x.is_leaf, x.grad_fn, x.requires_grad) == (True, None, True)
    assert not y.is_leaf
    assert y.requires_grad
    assert y.output_nr == 0
    assert Tensor(1.0).is_leaf


def test_detach():
    y = leaf(1.0, 2.0) * 2
    d = y.detach()
    assert d.data is y.data
    assert d.is_leaf
    assert not d.requires_grad
    assert y.requires_grad
    assert y.detach_() is y
    assert y.is_leaf
    assert not y.requires_grad


def test_to_numpy_and_python():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"use tensor.detach\(\).numpy\(\)"):
        x.numpy()
    with pytest.raises(RuntimeError, match="requires grad"):
        np.asarray(x)
    array = np.asarray(x.detach())
    assert array is x.data
    assert np.array(x.detach(), dtype="f4").dtype == np.float32
    assert not np.shares_memory(np.array(x.detach()), x.data)
    assert x.tolist() == [1.0, 2.0]
    assert [float(v) for v in x] == [1.0, 2.0]
    assert leaf(3.0).item() == 3.0
    assert (float(Tensor(2.5)), int(Tensor(2.5)), bool(Tensor(0.0))) == (2.5, 2, False)
    assert list(range(5))[Tensor(3)] == 3
    assert 2.0 in x
    assert 5 not in x
    assert x.numpy(force=True) is x.data
    with pytest.raises(RuntimeError, match="expected one element"):
        x.item()
    for number in (int, float):
        with pytest.raises(ValueError, match="array of size 1"):
            number(x)
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(x)
    for wrong in (Tensor(3.0), Tensor([1, 2])):
        with pytest.raises(TypeError, match="index: expected one integer"):
            list(range(5))[wrong]
    for wrong in (lambda: len(Tensor(1.0)), lambda: iter(Tensor(1.0))):
        with pytest.raises(TypeError, match="0-d tensor"):
            wrong()


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (Tensor(3), "tensor(3)"),
        (Tensor(True), "tensor(True)"),
        (Tensor(np.ones(2)), "tensor([1., 1.], dtype=float64)"),
        (Tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
        (Tensor([1.0], requires_grad=True) * 2, "tensor([2.], grad_fn=<mul>)"),
        (Tensor(np.ones((2, 0), "f4")), "tensor([], size=(2, 0))"),
        (Tensor(np.ones(0, int)), "tensor([], dtype=int64)"),
        (Tensor(np.arange(2000)), "tensor([   0,    1,    2, ..., 1997, 1998, 1999])"),
        (Tensor([1e-8, np.nan]), "tensor([1.e-08,    nan])"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_format():
    assert f"{Tensor(2.0):.3f}" == "2.000"
    assert f"{Tensor(2.0)}" == "2.0"
    assert f"{Tensor([2.0])}" == "tensor([2.])"
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{Tensor([2.0]):.3f}"


def test_deepcopy():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    x.register_hook(lambda g: g * 100)
    view = x.reshape(2, 1)
    again = copy.deepcopy(x)
    assert again.requires_grad
    np.testing.assert_array_equal(again.grad.data, x.grad.data)
    again.grad.zero_()
    again.detach().zero_()
    assert x.tolist() == [1, 2]
    assert view.tolist() == [[1], [2]]
    (again * 3).sum().backward()
    np.testing.assert_array_equal(again.grad.data, [3, 3])
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        copy.deepcopy(x * 2)
    pair = copy.deepcopy([x, x])
    assert pair[0] is pair[1]


def test_hash_is_identity():
    x, y = leaf(1.0), leaf(1.0)
    assert len({x, y, x}) == 2


def test_as_array():
    assert as_array([1, 2], np.float64).dtype == np.float64
    x = Tensor(np.ones(2))
    assert as_array(x) is x.data
    assert as_array(x, np.float32).dtype == np.float32


def test_data_can_be_set_to_an_array_or_a_tensor():
    p = Tensor(np.ones(3, np.float32), requires_grad=True)
    (p * p).sum().backward()
    p.data = p.data - 0.25 * p.grad  # an ndarray minus a Tensor is a Tensor
    assert type(p.data) is np.ndarray
    assert p.tolist() == [0.5, 0.5, 0.5]
    p.data = np.zeros(3, np.float32)
    assert (p * p).sum().item() == 0
    with pytest.raises(TypeError, match="expected numbers, got str"):
        p.data = "1"


def test_nested_sequences_of_different_lengths():
    with pytest.raises(ValueError, match="tensor: expected nested sequences of equal lengths"):
        Tensor([[1, 2], [3]])
