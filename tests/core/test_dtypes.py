"""Type promotion: PyTorch's table, as literals, and the default dtype."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor, as_array
from tinygrad_cnn.dtypes import get_default_dtype, result_type, set_default_dtype

# torch.promote_types; rows and columns: u1 i1 i2 i4 i8 f2 f4 f8 ?
NAMES = ["u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]
PROMOTED = ["u1", "i2", "i2", "i4", "i8", "f2", "f4", "f8", "u1", "i2", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "i1", "i2", "i2", "i2", "i4", "i8", "f2", "f4", "f8", "i2", "i4", "i4", "i4", "i4", "i8", "f2", "f4", "f8", "i4", "i8", "i8", "i8", "i8", "i8", "f2", "f4", "f8", "i8", "f2", "f2", "f2", "f2", "f2", "f2", "f4", "f8", "f2", "f4", "f4", "f4", "f4", "f4", "f4", "f4", "f8", "f4", "f8", "f8", "f8", "f8", "f8", "f8", "f8", "f8", "f8", "u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]
TABLE = dict(zip(itertools.product(NAMES, NAMES), PROMOTED, strict=True))
KIND = {name: "f" if name[0] == "f" else "b" if name == "?" else "i" for name in NAMES}
RANK = {"b": 0, "i": 1, "f": 2}


def tensor(name: str, ndim: int = 1) -> Tensor:
    return Tensor(np.ones((1,) * ndim, name))


@pytest.mark.parametrize(("a", "b"), TABLE)
def test_two_tensors(a, b):
    expected = np.dtype(TABLE[a, b])
    for ndim in (0, 1):
        assert result_type(tensor(a, ndim), tensor(b, ndim)) == expected
        assert (tensor(a, ndim) * tensor(b, ndim)).dtype == expected
    assert result_type(tensor(a).data, tensor(b)) == expected


@pytest.mark.parametrize(("a", "b"), TABLE)
def test_a_tensor_without_dimensions_counts_by_its_category(a, b):
    higher = RANK[KIND[b]] > RANK[KIND[a]]
    expected = np.dtype(b if higher else a)
    assert result_type(tensor(a, 1), tensor(b, 0)) == expected
    assert (tensor(a, 1) + tensor(b, 0)).dtype == expected
    assert (tensor(b, 0) + tensor(a, 1)).dtype == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("number", "kind"),
    [(True, "b"), (2, "i"), (2.0, "f"), (np.float64(2), "f"), (np.int32(2), "i"), (np.True_, "b")],
)
@pytest.mark.parametrize("ndim", [0, 2])
def test_a_number_counts_by_its_category(name, number, kind, ndim):
    taken = {"b": "?", "i": "i8", "f": "f4"}[kind]
    expected = np.dtype(taken if RANK[kind] > RANK[KIND[name]] else name)
    assert result_type(tensor(name, ndim), number) == expected
    assert (tensor(name, ndim) * number).dtype == expected
    assert (number * tensor(name, ndim)).dtype == expected


def test_three_operands():
    assert result_type(tensor("i4"), tensor("f8", 0), 2.0) == np.float64
    assert result_type(tensor("?"), tensor("i2", 0), 2.5) == np.float32
    assert result_type(tensor("f2"), tensor("f8", 0), 2.5) == np.float16
    assert result_type(2, 2.0) == np.float32
    assert result_type(2, True) == np.int64
    with pytest.raises(ValueError, match="at least one operand"):
        result_type()


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    names = {
        "u1": torch.uint8,
        "i1": torch.int8,
        "i2": torch.int16,
        "i4": torch.int32,
        "i8": torch.int64,
        "f2": torch.float16,
        "f4": torch.float32,
        "f8": torch.float64,
        "?": torch.bool,
    }
    for a, b in TABLE:
        for m, n in itertools.product((0, 1), (0, 1)):
            theirs = torch.result_type(
                torch.ones((1,) * m, dtype=names[a]), torch.ones((1,) * n, dtype=names[b])
            )
            assert names[result_type(tensor(a, m), tensor(b, n)).str.lstrip("<|").replace("b1", "?")] == theirs


def test_the_default_dtype():
    try:
        set_default_dtype(np.float64)
        assert get_default_dtype() == np.float64
        assert as_array(1.5).dtype == np.float64
        assert (Tensor(np.ones(1, "i8")) * 1.5).dtype == np.float64
        assert (Tensor(np.ones(1, "f4")) * 1.5).dtype == np.float32
    finally:
        set_default_dtype(np.float32)
    assert as_array([1.5]).dtype == np.float32
    with pytest.raises(TypeError, match="expected a floating dtype, got int64"):
        set_default_dtype(np.int64)


def test_float32_stays_float32():
    x = Tensor(np.ones(2, "f4"), requires_grad=True)
    y = ((x * 2.0 + 1) / 3 - 0.5) ** 2
    assert y.dtype == np.float32
    y.sum().backward()
    assert x.grad.dtype == np.float32
    scalar = Tensor(np.ones((), "f4"), requires_grad=True)
    z = scalar * 2.0 * np.float64(3.0)
    assert z.dtype == np.float32
    z.backward()
    assert scalar.grad.dtype == np.float32


def test_mixed_dtypes_are_differentiable():
    x = Tensor(np.full(2, 2.0, "f4"), requires_grad=True)
    y = Tensor(np.full(2, 3.0, "f8"), requires_grad=True)
    n = Tensor(np.full(2, 5))
    (x * y * n).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(x.grad.data, [15, 15])
    np.testing.assert_array_equal(y.grad.data, [10, 10])
