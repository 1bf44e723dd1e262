"""Indexing against PyTorch's rules spelt out in loops, writing by index, and its errors."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float32, float64, int64
from tinygrad_cnn.ops import indexing as ops
from tinygrad_cnn.ops.creation import arange, ones, rand, tensor, zeros

SHAPE = (3, 4, 5)
MASK = np.arange(12).reshape(3, 4) % 3 == 0


def naive(x, index):
    """Return ``x[index]``: integers, slices and None in turn, then all arrays at once."""
    parts = []
    for part in index if isinstance(index, tuple) else (index,):
        part = part.data if isinstance(part, Tensor) else part
        part = np.asarray(part) if isinstance(part, (list, tuple, range, np.ndarray)) else part
        if isinstance(part, np.ndarray) and part.ndim == 0:
            part = part.item()
        is_mask = isinstance(part, np.ndarray) and part.dtype == bool
        parts += list(np.argwhere(part).T) if is_mask else [part]
    rest = x.ndim - sum(part is not None and part is not Ellipsis for part in parts)
    dots = [i for i, part in enumerate(parts) if part is Ellipsis] or [len(parts)]
    parts[dots[0] : dots[0] + 1] = [slice(None)] * rest
    dim, arrays = 0, {}
    for part in parts:
        if part is None:
            x = np.expand_dims(x, dim)
        elif isinstance(part, int):
            x = np.take(x, part, dim)
            continue
        elif isinstance(part, slice):
            x = np.take(x, range(*part.indices(x.shape[dim])), dim)
        else:
            arrays[dim] = part
        dim += 1
    if not arrays:
        return x
    block = np.broadcast_shapes(*[a.shape for a in arrays.values()])
    arrays = {dim: np.broadcast_to(a, block) for dim, a in arrays.items()}
    adjacent = max(arrays) - min(arrays) == len(arrays) - 1
    at = min(arrays) if adjacent else 0
    others = [dim for dim in range(x.ndim) if dim not in arrays]
    shape = [x.shape[dim] for dim in others]
    out = np.empty((*shape[:at], *block, *shape[at:]), x.dtype)
    for place in np.ndindex(out.shape):
        inner = place[at : at + len(block)]
        outer = iter(place[:at] + place[at + len(block) :])
        out[place] = x[tuple(arrays[d][inner] if d in arrays else next(outer) for d in range(x.ndim))]
    return out


INDICES = [
    0, -1, slice(None), slice(1, None), slice(None, None, 2), slice(-2, -1), slice(2, 1), ..., None, (),
    (0, 1), (0, 1, 2), (..., 0), (0, ...), (slice(1), None, ..., 2), (None, None, 1), (..., None),
    np.int64(1), (np.int32(2), slice(None)), tensor(2), (tensor(1), 0),
    [0, 2], [2, 2, -1], [], [[0, 1], [1, 2]], range(2), np.array([1, 1]), tensor([0, 0, 2]),
    ([0, 1], [2, 3]), ([0, 1], slice(None), [2, 3]), (slice(None), [0, 1], [[1], [4]]),
    ([0, 1], ..., [4, 4]), (..., [3, 0]), ([1, 0], None, [2, 2]), ([[0], [1]], [1, 2, 3], 4),
    (0, slice(None), [0, 1]), ([0, 1], slice(None), 0), (0, [1, 1]), ([1, 2], 0), (0, ..., [0, 4]),
    (None, 0, slice(None), [0, 1, 1]), (slice(None), 0, [1, 2]), (0, [0, 1], None), ([0, 2], 1, slice(1, 3)),
    MASK, tensor(MASK), (MASK, slice(0, 2)), (slice(None), MASK[0]), (MASK[:, 0], slice(None), 1),
    (MASK, [0, 1, 2, 4]), (0, ..., np.arange(5) > 2), np.zeros(SHAPE, bool), (0, slice(None), np.arange(5) > 1),
]  # fmt: skip
"""Of each kind, for a tensor of shape (3, 4, 5)."""


def label(index):
    return " ".join(str(index).split())[:40]


indices = pytest.mark.parametrize("index", INDICES, ids=label)


# -- x[index] ----------------------------------------------------------------------------------


@pytest.mark.oracle("getitem")
@indices
def test_getitem(index):
    x = np.arange(60.0).reshape(SHAPE)
    expected = naive(x, index)
    for dtype in (float64, float32, int64):
        got = Tensor(x.astype(dtype))[index]
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.data, expected.astype(dtype), strict=True)


@pytest.mark.oracle("getitem_backward")
@indices
def test_gradient_of_getitem_is_added_where_the_element_came_from(index):
    places = naive(np.arange(60).reshape(SHAPE), index)
    g = np.random.default_rng(0).normal(size=places.shape)
    expected = np.zeros(60)
    for place in np.ndindex(places.shape):
        expected[places[place]] += g[place]
    x = rand(SHAPE, dtype=float64, requires_grad=True)
    (found,) = grad(x[index], x, g)
    np.testing.assert_allclose(found.data, expected.reshape(SHAPE), rtol=1e-12)


@pytest.mark.oracle("index_put")
@indices
def test_setitem_recorded(index):
    places = naive(np.arange(60).reshape(SHAPE), index)
    rng = np.random.default_rng(0)
    start = np.arange(60.0).reshape(SHAPE)
    value = rng.normal(size=places.shape)
    expected = start.flatten()
    kept = np.ones(60)
    for place in np.ndindex(places.shape):
        expected[places[place]] = value[place]
        kept[places[place]] = 0

    x, v = Tensor(start, requires_grad=True), Tensor(value, requires_grad=True)
    y = x.clone()
    y[index] = v
    np.testing.assert_array_equal(y.data, expected.reshape(SHAPE))
    g = rng.normal(size=SHAPE)
    gx, gv = grad(y, [x, v], g)
    np.testing.assert_array_equal(gx.data, (g * kept.reshape(SHAPE)))
    np.testing.assert_array_equal(gv.data, naive(g, index))

    z = Tensor(start.copy())  # not recorded: written directly
    z[index] = value
    np.testing.assert_array_equal(z.data, y.data)
    assert z._version == 1


def test_basic_indexing_is_a_view():
    x = zeros(2, 3)
    for view in (x[0], x[:, 1:], x[..., 0], x[None], x[0, 0], x[()], x[tensor(1)]):
        assert np.may_share_memory(view.data, x.data)
    for copy in (x[[0]], x[tensor([1])], x[x == 0], x[:, [0, 1]]):
        assert not np.may_share_memory(copy.data, x.data)
    x[0, 0].fill_(7)
    assert x[0, 0].item() == 7
    assert x[0, 0]._version == x._version > 0


def test_iteration_and_length():
    assert [row.tolist() for row in arange(4).reshape(2, 2)] == [[0, 1], [2, 3]]


def test_an_index_may_change_after_it_was_used():
    x = ones(3, requires_grad=True)
    for index in (np.array([0, 1]), tensor([0, 1])):
        y = x[index]
        data = index.data if isinstance(index, Tensor) else index
        data[...] = 2
        (g,) = grad(y.sum(), x)
        assert g.tolist() == [1, 1, 0]


def test_second_order_through_an_index():
    x = tensor([1.0, 2.0, 3.0], requires_grad=True)
    (g,) = grad((x[[0, 2, 2]] ** 3).sum(), x, create_graph=True)
    (h,) = grad(g[2], x)
    assert h.tolist() == [0, 0, 36]


@pytest.mark.parametrize(
    ("index", "kind", "message"),
    [
        (3, IndexError, "getitem: index 3 is out of bounds for dimension 0 with size 3"),
        (-4, IndexError, "getitem: index -4 is out of bounds"),
        ((0, 0, 5), IndexError, "index 5 is out of bounds for dimension 2 with size 5"),
        (tensor([0, 7]), IndexError, "index 7 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0, 0), IndexError, "getitem: too many indices"),
        ((0, slice(None), [0], 0), IndexError, "getitem: too many indices"),
        (np.ones(2, bool), IndexError, "size of dimension is 3 but .* is 2"),
        (([0, 1], [0, 1, 2]), IndexError, "getitem: shape mismatch"),
        (1.5, IndexError, "expected integers, slices.* got float"),
        ("a", IndexError, "got str"),
        ([1.5], IndexError, "got an array of float32"),
        (tensor(1.0), IndexError, "got an array of float32"),
        ((..., ...), IndexError, "getitem: an index can only have a single ellipsis"),
        (slice(None, None, -1), ValueError, "step of a slice must be positive, got -1"),
        (slice(None, None, 0), ValueError, "step of a slice must be positive, got 0"),
        ((0, slice(3, 0, -2)), ValueError, "step of a slice must be positive, got -2"),
    ],
    ids=label,
)
def test_index_errors(index, kind, message):
    with pytest.raises(kind, match=message):
        zeros(SHAPE)[index]
    with pytest.raises(kind, match=message.replace("getitem", "setitem")):
        zeros(SHAPE)[index] = 0


# -- x[index] = value --------------------------------------------------------------------------


def test_setitem_broadcasts_and_casts():
    x = zeros(2, 3, dtype=float64)
    x[0] = 0.1
    assert x[0].tolist() == [0.1] * 3
    x[:, 1:] = np.array([[[5], [6]]])
    assert x[:, 1:].tolist() == [[5, 5], [6, 6]]
    x[1] = [1, 2, 3]
    x[0] = tensor([1.5, 2.5, 3.5])
    assert x.tolist() == [[1.5, 2.5, 3.5], [1, 2, 3]]
    n = arange(3)
    n[0] = 1.7
    n[n == 2] = tensor([9.0])
    assert n.tolist() == [1, 1, 9]
    half = zeros(1, dtype="f2")
    half[0] = tensor(1e9)
    assert half.tolist() == [np.inf]


def test_setitem_gradient_of_a_broadcast_value():
    x, v = zeros(2, 3), tensor([[[1.0]], [[2.0]]], dtype=float64, requires_grad=True)
    x[:, 1:] = v.reshape(2, 1)
    gv = grad(x, v, arange(6.0).reshape(2, 3))[0]
    assert gv.tolist() == [[[3.0]], [[9.0]]]
    assert gv.dtype == float64
    number = tensor(1.0, requires_grad=True)
    y = zeros(2)
    y[...] = number.reshape(1, 1, 1)
    assert grad(y.sum(), number)[0].item() == 2


def test_setitem_of_a_tracked_tensor_leaves_its_former_values_behind():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y[0] = 10.0
    assert y.tolist() == [10, 6]
    assert grad(y.sum(), x)[0].tolist() == [0, 3]


def test_setitem_through_an_augmented_assignment():
    x = arange(3.0)
    x[1:] += 10
    x[[0, 0]] *= 5
    assert x.tolist() == [0, 11, 12]


def test_setitem_of_a_kept_tensor_is_noticed():
    w = ones(2)
    x = ones(2, requires_grad=True)
    y = (x * w).sum()
    w[0] = 5
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_setitem_errors():
    x = zeros(3)
    for index in (slice(None), [0, 1, 2], x == 0):
        with pytest.raises(RuntimeError, match=r"setitem: .*(shape|2 input values)"):
            x[index] = ones(2)
        with pytest.raises(RuntimeError, match=r"setitem: .*(shape|dimensions)"):
            x[index] = ones(2, 3)
    with pytest.raises(RuntimeError, match="setitem: the tensor is read-only"):
        x.expand(2, 3)[0] = 1
    leaf = zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="setitem: a leaf that requires grad"):
        leaf[0] = 1
    assert leaf.tolist() == [0, 0, 0]
    with no_grad():
        leaf[0] = 1
    assert leaf.tolist() == [1, 0, 0]


# -- the same, as functions --------------------------------------------------------------------


def test_index_put():
    index = (tensor([0, 2, 0]), tensor([1, 1, 1]))
    values = tensor([1.0, 2.0, 3.0], requires_grad=True)
    x = ones(3, 2, requires_grad=True)
    assert ops.index_put(x, index, values).tolist() == [[1, 3], [1, 1], [1, 2]]
    out = x.index_put(index, values, accumulate=True)
    assert out.tolist() == [[1, 5], [1, 1], [1, 3]]
    assert [g.tolist() for g in grad(out.sum(), [x, values])] == [[[1, 1]] * 3, [1, 1, 1]]
    assert x.index_put(index, tensor(2.0), True).tolist() == [[1, 5], [1, 1], [1, 3]]
    y = zeros(3)
    y.index_put_((tensor([True, False, True]),), tensor(1.0))
    assert y.tolist() == [1, 0, 1]


def test_select_is_a_view():
    x = arange(6).reshape(2, 3)
    assert x.select(1, -1).tolist() == [2, 5]
    x.select(0, 1)[0] = 9
    assert x.tolist() == [[0, 1, 2], [9, 4, 5]]


def test_take_and_put():
    x = arange(6.0).reshape(2, 3)
    index = tensor([[0, -1], [2, 2]])
    assert x.take(index).tolist() == [[0, 5], [2, 2]]
    source = tensor([10.0, 20.0, 30.0, 40.0])
    assert x.put(index, source).tolist() == [[10, 1, 40], [3, 4, 20]]
    assert ops.put(x, index, source, accumulate=True).tolist() == [[10, 1, 72], [3, 4, 25]]
    x.put_(tensor(1), tensor(7.0))
    assert x.tolist()[0] == [0, 7, 2]


def test_nonzero():
    x = np.random.default_rng(0).integers(-1, 2, (3, 2, 4))
    places = [list(place) for place in np.ndindex(x.shape) if x[place] != 0]
    assert ops.nonzero(Tensor(x)).tolist() == ops.argwhere(Tensor(x)).tolist() == places
    assert [dim.tolist() for dim in Tensor(x).nonzero(as_tuple=True)] == [list(c) for c in zip(*places, strict=True)]
    assert ops.nonzero(tensor(3)).shape == (1, 0)
    assert [dim.tolist() for dim in ops.nonzero(tensor(3), as_tuple=True)] == [[0]]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda x: x.index_put((tensor([0]),), tensor([1])), RuntimeError, "index_put: input is float32, values int64"),
        (lambda x: x.index_put(tensor([0]), ones(3)), TypeError, "index_put: indices must be a tuple, got Tensor"),
        (lambda x: x.index_put((tensor([2]),), ones(3)), IndexError, "index 2 is out of bounds"),
        (lambda x: x.select(1, 3), IndexError, "index 3 is out of bounds"),
        (lambda x: x[0, 0].select(0, 0), IndexError, "select: expected at least 1 dimension"),
        (lambda x: x.take(tensor([6])), IndexError, "index 6 is out of bounds"),
        (lambda x: x.take(tensor([0.0])), RuntimeError, "take: index must be of integers, got float32"),
        (lambda x: x.put(tensor([0]), ones(2)), RuntimeError, "put: 1 indices for 2 elements"),
        (lambda x: x.masked_scatter(x == 0, ones(5)), RuntimeError, "source has 5 elements, mask holds for 6"),
        (lambda x: x.masked_scatter(x == 0, arange(6)), RuntimeError, "input is float32, values int64"),
        (lambda x: x.masked_fill(tensor([1, 0, 1]), 0), RuntimeError, "mask must be of bools, got int64"),
        (lambda x: x.masked_fill(x > 0, ones(3)), RuntimeError, "masked_fill: value must be a number"),
        (lambda x: x.masked_select(tensor([True, False])), RuntimeError, "masked_select: shapes"),
    ],
)  # fmt: skip
def test_errors_of_functions(call, kind, message):
    with pytest.raises(kind, match=message):
        call(zeros(2, 3))


# -- by a mask ---------------------------------------------------------------------------------


def test_masked_fill():
    x = tensor([[1.0, -2.0], [np.nan, 4.0]], requires_grad=True)
    mask = tensor([[False, True], [True, False]])
    y = x.masked_fill(mask, -np.inf)
    assert y.tolist() == [[1, -np.inf], [-np.inf, 4]]
    assert y.dtype == float32
    assert grad(y, x, ones(2, 2))[0].tolist() == [[1, 0], [0, 1]]
    assert x.masked_fill(tensor([True, False]), 0.5).tolist()[0] == [0.5, -2]
    value = tensor(2.0, dtype=float64, requires_grad=True)
    assert grad(x.masked_fill(mask, value), value, ones(2, 2))[0].item() == 2
    assert arange(2).masked_fill(tensor([True, False]), 1.5).tolist() == [1, 1]
    z = zeros(2, 2)
    z.masked_fill_(mask, 3)
    assert z.tolist() == [[0, 3], [3, 0]]


def test_masked_select():
    x = arange(6.0, requires_grad=True).reshape(2, 3)
    picked = x.masked_select(tensor([True, False, True]))
    assert picked.tolist() == [0, 2, 3, 5]


def test_masked_scatter():
    x, source = zeros(2, 3, requires_grad=True), arange(5.0, requires_grad=True)
    mask = tensor([True, False, True])
    out = x.masked_scatter(mask, source)
    assert out.tolist() == [[0, 0, 1], [2, 0, 3]]
    assert [g.tolist() for g in grad(out.sum(), [x, source])] == [[[0, 1, 0]] * 2, [1, 1, 1, 1, 0]]
    y = zeros(3)
    y.masked_scatter_(mask, ones(2))
    assert y.tolist() == [1, 0, 1]


def test_one_hot():
    assert ops.one_hot(tensor([[1], [0]])).tolist() == [[[0, 1]], [[1, 0]]]
    assert ops.one_hot(tensor(1), 3).tolist() == [0, 1, 0]
    assert ops.one_hot(tensor([], dtype=int64), 2).shape == (0, 2)
    assert ops.one_hot(tensor([0])).dtype == int64
    for bad, classes in (([3], 3), ([-1], 3), ([0.5], 2), ([0], 0)):
        with pytest.raises(RuntimeError, match="one_hot"):
            ops.one_hot(tensor(bad), classes)
    with pytest.raises(RuntimeError, match="one_hot: an empty tensor needs num_classes"):
        ops.one_hot(tensor([], dtype=int64))


# -- with PyTorch ------------------------------------------------------------------------------


@indices
def test_agrees_with_pytorch(index):
    torch = pytest.importorskip("torch")

    def convert(part):
        part = part.data if isinstance(part, Tensor) else part
        if isinstance(part, list):
            part = np.array(part, int)
        return torch.tensor(part) if isinstance(part, np.ndarray) else part

    theirs = tuple(map(convert, index)) if isinstance(index, tuple) else convert(index)
    x = np.arange(60.0).reshape(SHAPE)
    np.testing.assert_array_equal(Tensor(x)[index].data, torch.tensor(x)[theirs].numpy(), strict=True)
