"""Shape and dtype operations against loops over elements, and their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float16, float32, float64, int32, int64
from tinygrad_cnn.ops.creation import arange, ones, rand, tensor, zeros
from tinygrad_cnn.testing import Draw


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


def built(shape, element, dtype=np.float64):
    """Return an array whose element at each index is ``element(*index)``."""
    out = np.empty(shape, dtype)
    for index in np.ndindex(out.shape):
        out[index] = element(*index)
    return out


def same(got, expected):
    got = got.data if isinstance(got, Tensor) else np.asarray(got)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected, strict=True)


# -- one oracle for each operation -------------------------------------------------------------


def naive_reshape(x, shape):
    known = math.prod(n for n in shape if n != -1)
    shape = tuple(x.size // known if n == -1 else n for n in shape)
    flat = [x[index] for index in np.ndindex(x.shape)]
    places = {index: i for i, index in enumerate(np.ndindex(shape))}
    return built(shape, lambda *index: flat[places[index]])


def naive_permute(x, dims):
    dims = [d % x.ndim for d in dims]
    shape = [x.shape[d] for d in dims]
    return built(shape, lambda *index: x[tuple(index[dims.index(d)] for d in range(x.ndim))])


def naive_transpose(x, dim0, dim1):
    order = list(range(x.ndim))
    if order:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    return naive_permute(x, order)


def naive_flip(x, dims):
    dims = dims if isinstance(dims, tuple) else (dims,)
    turned = {d % x.ndim for d in dims}
    return built(
        x.shape,
        lambda *index: x[tuple(x.shape[d] - 1 - i if d in turned else i for d, i in enumerate(index))],
    )


def naive_broadcast_to(x, size):
    lead = len(size) - x.ndim
    return built(
        size,
        lambda *index: x[tuple(0 if n == 1 else i for i, n in zip(index[lead:], x.shape, strict=True))],
    )


def naive_sum_to_size(x, size):
    lead = x.ndim - len(size)
    out = np.zeros(size)
    for index in np.ndindex(x.shape):
        out[tuple(0 if n == 1 else i for i, n in zip(index[lead:], size, strict=True))] += x[index]
    return out


def naive_cat(tensors, dim):
    tensors = [x for x in tensors if x.shape != (0,)] or tensors
    rest = list(tensors[0].shape)
    at = dim % len(rest)
    rest[at] = sum(x.shape[at] for x in tensors)
    slices = [(x, i) for x in tensors for i in range(x.shape[at])]

    def element(*index):
        x, i = slices[index[at]]
        return x[(*index[:at], i, *index[at + 1 :])]

    return built(rest, element)


def naive_stack(tensors, dim):
    shape = list(tensors[0].shape)
    at = dim % (len(shape) + 1)
    shape.insert(at, len(tensors))
    return built(shape, lambda *index: tensors[index[at]][(*index[:at], *index[at + 1 :])])


def naive_pad(x, pad, value):
    befores, afters = [0] * x.ndim, [0] * x.ndim
    for i in range(len(pad) // 2):
        befores[-1 - i], afters[-1 - i] = pad[2 * i], pad[2 * i + 1]
    shape = [n + b + a for n, b, a in zip(x.shape, befores, afters, strict=True)]

    def element(*index):
        source = tuple(i - b for i, b in zip(index, befores, strict=True))
        inside = all(0 <= i < n for i, n in zip(source, x.shape, strict=True))
        return x[source] if inside else value

    return built(shape, element)


def naive_tril(x, diagonal):
    return built(x.shape, lambda *index: x[index] if index[-1] - index[-2] <= diagonal else 0)


def naive_triu(x, diagonal):
    return built(x.shape, lambda *index: x[index] if index[-1] - index[-2] >= diagonal else 0)


def naive_copy(x, dtype=None):
    return built(x.shape, lambda *index: x[index], x.dtype if dtype is None else dtype)


ORACLES = {
    "reshape": naive_reshape,
    "permute": naive_permute,
    "transpose": naive_transpose,
    "flip": naive_flip,
    "broadcast_to": naive_broadcast_to,
    "sum_to_size": naive_sum_to_size,
    "cat": naive_cat,
    "stack": naive_stack,
    "pad": naive_pad,
    "tril": naive_tril,
    "triu": naive_triu,
    "clone": naive_copy,
    "contiguous": naive_copy,
    "to": naive_copy,
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_its_definition(name):
    for seed in range(60):
        args = drawn(name, seed)
        got = np.asarray(registry[name](*args))
        expected = ORACLES[name](*args)
        assert got.shape == expected.shape, args
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12, err_msg=str(args))


@pytest.mark.parametrize("name", sorted(set(ORACLES) - {"to"}))
@pytest.mark.parametrize("dtype", [float16, float32, int32])
def test_keeps_the_dtype(name, dtype):
    args = drawn(name, 3)
    if name in ("cat", "stack"):
        args = ([x.astype(dtype) for x in args[0]], *args[1:])
    else:
        args = (args[0].astype(dtype), *args[1:])
    summed = name == "sum_to_size" and dtype == int32
    assert registry[name](*args).dtype == (int64 if summed else dtype)


# -- views -------------------------------------------------------------------------------------


def test_reshape_takes_sizes_or_a_tuple():
    x = arange(6)
    for y in (x.reshape(2, -1), x.reshape((2, 3)), x.reshape([2, 3]), tg.reshape(x, (2, 3))):
        same(y, np.array([[0, 1, 2], [3, 4, 5]]))
    assert tensor(1.0).reshape(1).shape == (1,)
    assert tensor([1.0]).reshape(()).shape == ()
    assert zeros(0, 3).reshape(3, -1).shape == (3, 0)


@pytest.mark.parametrize("shape", [(2, -1, 4), (-1, -1), (-2, 3), (4,), (3, -3), ()])
def test_reshape_to_an_impossible_shape(shape):
    message = rf"reshape: shape \({', '.join(map(str, shape))},?\) is invalid for 9 elements"
    with pytest.raises(RuntimeError, match=message):
        tg.reshape(zeros(9), shape)


def test_reshape_of_nothing_with_an_ambiguous_size():
    with pytest.raises(RuntimeError, match="invalid for 0 elements"):
        zeros(0, 3).reshape(0, -1)


def test_view_shares_memory_or_raises():
    x = zeros(2, 3, 4)
    x.view(6, 4)[0, 0] = 1
    assert x[0, 0, 0].item() == 1
    assert x.view_as(zeros(24)).shape == x.reshape_as(zeros(4, 6)).view(24).shape == (24,)
    assert x.transpose(0, 1).view(3, 2, 2, 2).shape == (3, 2, 2, 2)
    with pytest.raises(RuntimeError, match=r"view: shape \(6, 4\) needs a copy .* use reshape"):
        x.transpose(0, 1).view(6, 4)
    assert x.transpose(0, 1).reshape(6, 4).shape == (6, 4)
    assert zeros(0, 3).t().view(-1).shape == (0,)


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (0, 2, 3, 1)])
def test_view_flattens_images_in_a_convolutions_memory_order(order):
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    inverse = np.argsort(order)
    images = Tensor(np.ascontiguousarray(x.transpose(order)).transpose(inverse))
    same(images.view(2, -1), x.reshape(2, 60))


def test_a_view_shares_its_version():
    x = rand(2, 3, requires_grad=True) * 1
    for view in (
        x.reshape(6), x.view(3, 2), x.T, x.mT, x.permute(1, 0), x.expand(4, 2, 3), x.squeeze(),
        x.unsqueeze(0), x.flatten(), x.transpose(0, 1), x.movedim(0, 1), *x.split(1), *x.unbind(),
    ):  # fmt: skip
        assert np.may_share_memory(view.data, x.data)
        before = view._version
        with no_grad():
            x.zero_()
        assert view._version == before + 1
    assert x.clone()._version == 0


def test_flatten_and_unflatten():
    x = zeros(2, 3, 4)
    assert x.flatten().shape == (24,)
    assert x.flatten(1).shape == (2, 12)
    assert x.flatten(0, -2).shape == (6, 4)
    assert x.flatten(1, 1) is x
    assert tensor(1.0).flatten().shape == (1,)
    assert zeros(0, 3).flatten(1).shape == (0, 3)
    assert x.unflatten(-1, (2, -1)).shape == (2, 3, 2, 2)
    assert zeros(0, 3).unflatten(0, (0, 2)).shape == (0, 2, 3)
    with pytest.raises(RuntimeError, match="flatten: start_dim 2 comes after end_dim 1"):
        x.flatten(2, 1)
    with pytest.raises(IndexError, match="flatten: dim 3"):
        x.flatten(3)
    with pytest.raises(RuntimeError, match=r"unflatten: sizes \(3, -1\).* 4 of dim 2"):
        x.unflatten(2, (3, -1))


def test_squeeze_and_unsqueeze():
    x = zeros(1, 3, 1, 1)
    assert x.squeeze().shape == (3,)
    assert x.squeeze(0).shape == (3, 1, 1)
    assert x.squeeze(1).shape == (1, 3, 1, 1)
    assert x.squeeze((0, 1, -1)).shape == (3, 1)
    assert x.squeeze(()).shape == (1, 3, 1, 1)
    assert tensor(1.0).squeeze().shape == tensor(1.0).squeeze(0).shape == ()
    assert tensor(1.0).unsqueeze(0).shape == tensor(1.0).unsqueeze(-1).shape == (1,)
    assert zeros(2, 3).unsqueeze(1).shape == zeros(2, 3).unsqueeze(-2).shape == (2, 1, 3)
    with pytest.raises(IndexError, match="squeeze: dim 4"):
        x.squeeze(4)
    with pytest.raises(IndexError, match="unsqueeze: dim 3"):
        zeros(2, 3).unsqueeze(3)


def test_transposes():
    x = arange(6).reshape(2, 3)
    expected = np.array([[0, 3], [1, 4], [2, 5]])
    for y in (x.T, x.mT, x.t(), x.transpose(0, 1), x.permute(1, 0), x.permute((-1, 0))):
        same(y, expected)
    assert zeros(2, 3, 4).T.shape == (4, 3, 2)
    assert zeros(2, 3, 4).mT.shape == (2, 4, 3)
    assert zeros(3).T.shape == zeros(3).t().shape == (3,)
    assert tensor(1.0).transpose(0, -1).shape == tensor(1.0).permute(()).shape == ()
    with pytest.raises(RuntimeError, match="t: expected at most 2 dimensions"):
        zeros(2, 3, 4).t()
    with pytest.raises(RuntimeError, match="mT: expected at least 2 dimensions"):
        _ = zeros(3).mT
    with pytest.raises(IndexError, match="transpose: dim 2"):
        x.transpose(0, 2)


@pytest.mark.parametrize("dims", [(0,), (0, 0), (0, -2), (0, 1, 2)])
def test_permute_must_name_each_dimension_once(dims):
    kind = IndexError if 2 in dims else RuntimeError
    with pytest.raises(kind, match="permute"):
        zeros(2, 3).permute(dims)


@pytest.mark.parametrize(
    ("source", "destination"), [(0, 2), (2, 0), (-1, 1), ((0, 1), (1, 2)), ((2, 0), (0, -1))]
)
def test_movedim(source, destination):
    x = np.zeros((2, 3, 4))
    assert tg.movedim(Tensor(x), source, destination).shape == np.moveaxis(
        x, source, destination
    ).shape


def test_movedim_of_dimensions_that_do_not_pair():
    with pytest.raises(RuntimeError, match="source names 2 dimensions, destination 1"):
        zeros(2, 3).movedim((0, 1), 0)


def test_flip_is_a_copy():
    x = arange(3)
    y = x.flip(0)
    y[0] = 7
    assert x.tolist() == [0, 1, 2]
    assert arange(4).reshape(2, 2).flip(0, 1).tolist() == [[3, 2], [1, 0]]
    assert arange(2).flip(()).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="flip: a dimension appears twice"):
        x.flip(0, -1)


# -- broadcasting ------------------------------------------------------------------------------


def test_expand():
    x = tensor([[1], [2]])
    same(x.expand(2, 3), np.array([[1, 1, 1], [2, 2, 2]]))
    assert x.expand(-1, 3).shape == x.expand((2, 3)).shape == (2, 3)
    assert x.expand(4, -1, -1).shape == (4, 2, 1)
    assert x.expand_as(zeros(5, 2, 3)).shape == (5, 2, 3)
    assert zeros(1).expand(0).shape == (0,)
    for bad in ((3, 3), (-1, 2, 1), (2,), (-2, 1)):
        with pytest.raises(RuntimeError, match=r"(expand|broadcast_to): shape \(2, 1\)"):
            x.expand(bad)


def test_sum_to_size_of_a_shape_that_was_not_broadcast():
    x = ones(2, 3)
    assert x.sum_to_size(1, 3).tolist() == [[2, 2, 2]]
    assert x.sum_to_size(()).item() == 6
    for bad in ((3, 2), (2,), (1, 1, 2, 3), (2, 2)):
        with pytest.raises(RuntimeError, match=r"sum_to_size: shape .* the input's \(2, 3\)"):
            x.sum_to_size(bad)


def test_sum_to_size_of_many_halves():
    assert ones(5000, 2, dtype=float16).sum_to_size(2).tolist() == [5000, 5000]


@pytest.mark.parametrize("repeats", [(2,), (1, 3), (2, 1, 2), (0, 2)])
def test_repeat(repeats):
    x = np.arange(2.0) if len(repeats) == 1 else np.arange(6.0).reshape(2, 3)
    same(Tensor(x).repeat(*repeats), np.tile(x, repeats))


def test_repeat_is_a_copy_and_needs_enough_counts():
    x = ones(2)
    x.repeat(1).zero_()
    assert x.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="repeat: repeats"):
        ones(2, 3).repeat(2)
    with pytest.raises(RuntimeError, match="repeat: repeats"):
        ones(2).repeat(-1)


# -- copies and dtypes -------------------------------------------------------------------------


def test_clone_and_contiguous():
    x = zeros(2, 3)
    y = x.clone()
    y[0] = 1
    assert x.tolist() == [[0, 0, 0]] * 2
    assert x.contiguous() is x
    turned = x.t().contiguous()
    assert turned.is_contiguous()
    assert turned.shape == (3, 2)
    assert not x.t().clone().is_contiguous()


def test_to_returns_itself_where_nothing_changes():
    x = zeros(2)
    for same_tensor in (
        x.to(float32), x.to("cpu"), x.to(zeros(1)), x.to(dtype=float32), x.float(), x.to("cpu", float32),
        x.to(device="cpu"), x.type_as(zeros(1)), x.type(float32), x.to("float32"),
    ):  # fmt: skip
        assert same_tensor is x
    assert x.to(float32, copy=True) is not x


def test_conversions():
    x = tensor([1.7, -1.7, 0.0])
    assert x.int().dtype == int32
    assert x.long().tolist() == [1, -1, 0]
    assert x.bool().tolist() == [True, True, False]
    assert x.half().dtype == float16
    assert [y.dtype.name for y in (x.byte(), x.char(), x.short())] == ["uint8", "int8", "int16"]
    assert x.double().dtype == x.to(zeros(1, dtype=float64)).dtype == float64
    assert x.long().float().dtype == float32


def test_conversions_of_values_beyond_the_range_do_not_warn():
    assert tensor([1e300], dtype=float64).float().item() == math.inf
    tensor([math.nan, math.inf, -1e30]).long()
    assert tensor([math.nan]).bool().item() is True


def test_conversion_is_differentiable_between_floats_only():
    x = ones(2, requires_grad=True)
    (g,) = grad((x.double() * 3).to(float16), x, ones(2, dtype=float16))
    same(g, np.array([3, 3], "f4"))
    assert not x.long().requires_grad


def test_to_errors():
    with pytest.raises(RuntimeError, match="every tensor is on the CPU, got device 'cuda:0'"):
        zeros(2).to("cuda:0")
    for dtype in ("nonsense", "complex64", object()):
        with pytest.raises(TypeError, match="to: expected a dtype of numbers"):
            zeros(2).to(dtype)


# -- with PyTorch ------------------------------------------------------------------------------


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    x = np.arange(24.0).reshape(2, 3, 4)
    ours, theirs = Tensor(x), torch.tensor(x)
    for call in (
        lambda t: t.flatten(1), lambda t: t.permute(2, 0, 1), lambda t: t.movedim((0, 2), (1, 0)),
        lambda t: t.unflatten(2, (2, 2)), lambda t: t.repeat(2, 1, 3, 1), lambda t: t.flip(0, 2),
        lambda t: t.expand(5, -1, 3, -1), lambda t: t.tril(-1), lambda t: t.mT, lambda t: t.narrow(1, -2, 2),
        lambda t: t.sum_to_size(3, 1), lambda t: t.transpose(-1, 0),
    ):  # fmt: skip
        same(call(ours), call(theirs).numpy())


# -- copies, diagonals, stacks, grids ----------------------------------------------------------

X = np.arange(24.0).reshape(2, 3, 4)
ALIKE = [
    (lambda m, x: m.roll(x, 1), lambda x: np.roll(x, 1)),
    (lambda m, x: m.roll(x, (-1, 5), (0, -1)), lambda x: np.roll(x, (-1, 5), (0, -1))),
    *[(lambda m, x, k=k: m.rot90(x, k, (0, -1)), lambda x, k=k: np.rot90(x, k, (0, -1))) for k in range(-2, 5)],
    (lambda m, x: m.tile(x, (2,)), lambda x: np.tile(x, 2)),
    (lambda m, x: m.tile(x, (2, 1, 2, 3)), lambda x: np.tile(x, (2, 1, 2, 3))),
    (lambda m, x: m.repeat_interleave(x, 2), lambda x: np.repeat(x, 2)),
    (lambda m, x: m.repeat_interleave(x, 3, -2), lambda x: np.repeat(x, 3, 1)),
    (lambda m, x: m.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1)),
    (lambda m, x: m.swapdims(x, 1, 2), lambda x: np.swapaxes(x, 1, 2)),
    (lambda m, x: m.ravel(x), np.ravel),
    (lambda m, x: m.diagonal(x, 1, -1, 0), lambda x: np.diagonal(x, 1, 2, 0)),
    (lambda m, x: m.diag(x[0], -1), lambda x: np.diag(x[0], -1)),
    (lambda m, x: m.diag(x[0, 0], 2), lambda x: np.diag(x[0, 0], 2)),
    (lambda m, x: m.hstack((x, x)), lambda x: np.hstack((x, x))),
    (lambda m, x: m.hstack((x[0, 0], x[0, 0, 0])), lambda x: np.hstack((x[0, 0], x[0, 0, 0]))),
    (lambda m, x: m.vstack((x[0, 0], x[0])), lambda x: np.vstack((x[0, 0], x[0]))),
    (lambda m, x: m.dstack((x[0], x[0])), lambda x: np.dstack((x[0], x[0]))),
    (lambda m, x: m.dstack((x[0, 0], x[0, 1])), lambda x: np.dstack((x[0, 0], x[0, 1]))),
    *[(lambda m, x, n=n, d=d: m.tensor_split(x, n, d)[-1], lambda x, n=n, d=d: np.array_split(x, n, d)[-1])
      for n in (2, 3, 5, [1], [2, 1]) for d in (1, -1)],
    (lambda m, x: m.meshgrid(x[0, 0], x[0, :, 0], indexing="ij")[1], lambda x: np.meshgrid(x[0, 0], x[0, :, 0], indexing="ij")[1]),
    (lambda m, x: m.meshgrid(x[0, 0], x[0, :, 0], indexing="xy")[0], lambda x: np.meshgrid(x[0, 0], x[0, :, 0])[0]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "oracle"), ALIKE)
def test_as_numpy(call, oracle):
    np.testing.assert_array_equal(call(tg, Tensor(X)).data, oracle(X), strict=True)


@pytest.mark.parametrize("call", [call for call, _ in ALIKE])
def test_as_pytorch(call):
    torch = pytest.importorskip("torch")
    ours, theirs = Tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    out, expected = call(tg, ours), call(torch, theirs)
    np.testing.assert_array_equal(out.data, expected.detach().numpy(), strict=True)
    (first,) = grad((out**3).sum(), [ours], create_graph=True)
    (gradient,) = torch.autograd.grad((expected**3).sum(), [theirs], create_graph=True)
    np.testing.assert_allclose(first.data, gradient.detach().numpy())
    (second,) = grad((first**2).sum(), [ours])
    (gradient,) = torch.autograd.grad((gradient**2).sum(), [theirs])
    np.testing.assert_allclose(second.data, gradient.numpy())


def test_repeats_for_each_slice():
    assert tg.repeat_interleave(arange(3), [2, 0, 1]).tolist() == [0, 0, 2]
    assert tg.repeat_interleave(tensor(5), 2).tolist() == [5, 5]
    assert tensor([[1], [2]]).repeat_interleave(tensor([1, 2]), 0).tolist() == [[1], [2], [2]]
    assert tensor([1, 2]).tile(2, 1).tolist() == [[1, 2], [1, 2]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.roll(arange(3), (1, 2), 0), RuntimeError, "roll: 2 shifts for 1 dims"),
        (lambda: tg.roll(arange(3), 1, 1), IndexError, "roll: dim 1 is out of range"),
        (lambda: tg.rot90(arange(3)), RuntimeError, "rot90: dims"),
        (lambda: tg.diagonal(arange(3)), IndexError, "diagonal: dim 1 is out of range"),
        (lambda: tg.diagonal(Tensor(X), 0, 1, -2), RuntimeError, "diagonal: dim1 and dim2 must differ"),
        (lambda: tg.diag(Tensor(X)), RuntimeError, "diag: expected a vector or a matrix"),
        (lambda: tg.diag_embed(tensor(1)), RuntimeError, "diag_embed: expected at least 1 dimension"),
        (lambda: tg.repeat_interleave(arange(3), [1, 2]), RuntimeError, "2 repeats for the 3 slices of dim 0"),
        (lambda: tg.repeat_interleave(arange(3), -1), RuntimeError, "repeats must be counts, got -1"),
        (lambda: tg.tensor_split(arange(3), 0), RuntimeError, "tensor_split: the number must be positive"),
        (lambda: tg.tensor_split(tensor(1), 1), RuntimeError, "tensor_split: expected at least 1 dimension"),
        (lambda: tg.meshgrid(), RuntimeError, "meshgrid: expected vectors"),
        (lambda: tg.meshgrid(Tensor(X)), RuntimeError, "meshgrid: expected vectors"),
        (lambda: tg.meshgrid(arange(2), tensor([0.5])), RuntimeError, "meshgrid: the dtypes differ"),
        (lambda: tg.meshgrid(arange(2), indexing="yx"), RuntimeError, "indexing must be 'ij' or 'xy'"),
    ],
)  # fmt: skip
def test_errors_of_copies_and_diagonals(call, error, message):
    with pytest.raises(error, match=message):
        call()
