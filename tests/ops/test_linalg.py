"""Matrix products against sums in loops, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import float16, float32, float64, int64
from tinygrad_cnn.ops import linalg as ops
from tinygrad_cnn.ops.creation import arange, ones, rand, tensor, zeros
from tinygrad_cnn.testing import Draw


def naive_matmul(x, y):
    row, column = x.ndim == 1, y.ndim == 1
    x = x[None] if row else x
    y = y[:, None] if column else y
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    n, k, m = *x.shape[-2:], y.shape[-1]
    x, y = np.broadcast_to(x, (*batch, n, k)), np.broadcast_to(y, (*batch, k, m))
    out = np.zeros((*batch, n, m))
    for index in np.ndindex(out.shape):
        *b, i, j = index
        for s in range(k):
            out[index] += x[(*b, i, s)] * y[(*b, s, j)]
    out = out[..., 0, :] if row else out
    return out[..., 0] if column else out


def naive_linear(x, weight, bias=None):
    out = np.zeros((*x.shape[:-1], len(weight)))
    for *index, o in np.ndindex(out.shape):
        total = 0.0 if bias is None else bias[o]
        for i in range(x.shape[-1]):
            total += x[(*index, i)] * weight[o, i]
        out[(*index, o)] = total
    return out


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["matmul", "linear"])
def test_agrees_with_its_definition(name):
    oracle = {"matmul": naive_matmul, "linear": naive_linear}[name]
    for seed in range(80):
        args = registry[name].sampler(Draw.from_seed(seed))
        got, expected = np.asarray(registry[name](*args)), oracle(*args)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)), ((0, 2, 3), (3, 4)), ((5, 2, 0), (0, 4)), ((2, 3), (3, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_matmul_gradients_are_sums_over_the_products(left, right):
    x, y = rand(left, dtype=float64, requires_grad=True), rand(right, dtype=float64, requires_grad=True)
    out = x @ y
    np.testing.assert_allclose(out.data, naive_matmul(x.data, y.data), rtol=1e-12)
    g = rand(out.shape, dtype=float64)
    gx, gy = grad(out, [x, y], g)
    assert gx.shape == left
    assert gy.shape == right
    # linear in each: the gradient at an element is the value with only that element set
    for tensor_, found, value in ((x, gx, lambda e: naive_matmul(e, y.data)), (y, gy, lambda e: naive_matmul(x.data, e))):
        for index in np.ndindex(tensor_.shape):
            unit = np.zeros(tensor_.shape)
            unit[index] = 1
            np.testing.assert_allclose(found.data[index], np.sum(value(unit) * g.data), rtol=1e-10)


@pytest.mark.parametrize("dtype", [float16, float32, int64])
def test_keeps_the_dtype(dtype):
    x, y = ones(2, 3, dtype=dtype), ones(3, 4, dtype=dtype)
    assert (x @ y).dtype == dtype
    assert ops.linear(x, y.T, ones(4, dtype=dtype)).dtype == dtype


def test_nan_and_inf_pass_through():
    x = tensor([[np.nan, 1.0], [np.inf, 0.0]])
    out = x @ ones(2, 1)
    assert np.isnan(out.data[0, 0])
    assert out.data[1, 0] == np.inf


def test_arrays_take_part():
    x = ones(2, 2)
    for product in (x @ np.ones((2, 2), "f4"), np.ones((2, 2), "f4") @ x):
        assert isinstance(product, Tensor)
        assert product.tolist() == [[2, 2], [2, 2]]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (zeros(2, 3), zeros(4, 5), r"matmul: \(2, 3\) and \(4, 5\) do not match: 3 columns against 4 rows"),
        (zeros(3), zeros(4), "3 columns against 4 rows"),
        (zeros(2, 3), zeros(4), "3 columns against 4 rows"),
        (zeros(5, 2, 3), zeros(4, 5), "3 columns against 4 rows"),
        (zeros(2, 2, 3), zeros(3, 3, 5), "the batch dimensions do not broadcast"),
        (zeros(2, 3), tensor(1.0), "both need at least one dimension"),
        (tensor(1.0), zeros(2, 3), "both need at least one dimension"),
        (zeros(2, 3), zeros(3, 2, dtype=float64), "expected tensors of one dtype, got float32 and float64"),
        (zeros(2, 3), arange(3), "expected tensors of one dtype, got float32 and int64"),
    ],
)  # fmt: skip
def test_matmul_errors(x, y, message):
    with pytest.raises(RuntimeError, match=message):
        x @ y


def test_thin_forms():
    x, y = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(Tensor(x).mm(Tensor(y)).data, naive_matmul(x, y))
    np.testing.assert_array_equal(Tensor(x[None]).bmm(Tensor(y[None])).data, naive_matmul(x, y)[None])
    np.testing.assert_array_equal(Tensor(x).mv(Tensor(y[:, 0])).data, naive_matmul(x, y[:, 0]))
    assert arange(3).dot(arange(3)).item() == 5
    assert arange(2).outer(arange(3)).tolist() == [[0, 0, 0], [0, 1, 2]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.mm(zeros(3), zeros(3, 2)), r"mm: input must have 2 dimensions, got \(3,\)"),
        (lambda: ops.mm(zeros(2, 3), zeros(3)), r"mm: mat2 must have 2 dimensions"),
        (lambda: ops.bmm(zeros(2, 3, 4), zeros(4, 5)), "bmm: mat2 must have 3 dimensions"),
        (lambda: ops.bmm(zeros(1, 2, 3), zeros(4, 3, 2)), "bmm: the batches differ"),
        (lambda: ops.mv(zeros(2, 3), zeros(3, 1)), "mv: vec must have 1 dimension,"),
        (lambda: ops.dot(zeros(2, 3), zeros(3)), "dot: input must have 1 dimension,"),
        (lambda: ops.outer(zeros(2), zeros(1, 2)), "outer: vec2 must have 1 dimension,"),
        (lambda: ops.linear(zeros(2, 3), zeros(4, 5)), r"linear: input \(2, 3\) and weight \(4, 5\) do not match"),
        (lambda: ops.linear(zeros(2, 3), zeros(3)), "linear: input .* and weight"),
        (lambda: ops.linear(tensor(1.0), zeros(2, 3)), "linear: input .* and weight"),
        (lambda: ops.linear(zeros(2, 3), zeros(4, 3), zeros(3)), r"linear: bias \(3,\) does not match weight"),
        (lambda: ops.linear(zeros(2, 3), zeros(4, 3, dtype=float64)), "linear: expected tensors of one dtype"),
        (lambda: ops.linear(zeros(2, 3), zeros(4, 3), zeros(4, dtype=float64)), "linear: expected tensors of one"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), (0, 3), (2, 0, 3)])
def test_linear_of_any_number_of_dimensions(shape):
    x, weight, bias = (rand(s, dtype=float64, requires_grad=True) for s in (shape, (5, 3), (5,)))
    out = ops.linear(x, weight, bias)
    np.testing.assert_allclose(out.data, naive_linear(x.data, weight.data, bias.data), rtol=1e-12)
    g = rand(out.shape, dtype=float64)
    gx, gw, gb = grad(out, [x, weight, bias], g)
    rows, columns = x.data.reshape(-1, 3), g.data.reshape(-1, 5)
    np.testing.assert_allclose(gx.data, naive_matmul(g.data, weight.data), rtol=1e-12)
    np.testing.assert_allclose(gw.data, np.einsum("ni,no->oi", rows, columns), rtol=1e-12)
    np.testing.assert_allclose(gb.data, columns.sum(0), rtol=1e-12)


def test_linear_is_one_node_without_bias_too():
    x, weight = ones(2, 3), ones(4, 3, requires_grad=True)
    out = ops.linear(x, weight)
    assert out.grad_fn.name() == "linear"
    assert list(out.grad_fn.saved) == ["input"]


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    for left, right in SHAPES:
        x, y = (np.random.default_rng(0).normal(size=s) for s in (left, right))
        a, b = (torch.tensor(v, requires_grad=True) for v in (x, y))
        p, q = (Tensor(v, requires_grad=True) for v in (x, y))
        out, ours = a @ b, p @ q
        np.testing.assert_allclose(ours.data, out.detach().numpy(), rtol=1e-10)
        out.sum().backward()
        for mine, theirs in zip(grad(ours, [p, q], np.ones(ours.shape)), (a.grad, b.grad), strict=True):
            np.testing.assert_allclose(mine.data, theirs.numpy(), rtol=1e-10)


ADDED = {
    "addmm": ((3,), (2, 4), (4, 3)), "addmv": ((), (2, 4), (4,)), "addr": ((2, 1), (2,), (3,)),
    "baddbmm": ((2, 3), (5, 2, 4), (5, 4, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (0.5, 2), (2, 0), (0, 3)])
def test_products_added(name, beta, alpha):
    rng = np.random.default_rng(0)
    start, x, y = (rng.normal(size=shape) for shape in ADDED[name])
    if name == "addr":
        product = x[:, None] * y
    else:
        product = naive_matmul(x, y)
    found = getattr(Tensor(start), name)(Tensor(x), Tensor(y), beta=beta, alpha=alpha)
    np.testing.assert_allclose(found.data, beta * start + alpha * product, rtol=1e-12)
    missing = getattr(ops, name)(Tensor(start * np.nan), Tensor(x), Tensor(y), beta=0)
    np.testing.assert_allclose(missing.data, product, rtol=1e-12)


@pytest.mark.parametrize("name", ADDED)
def test_products_added_as_pytorch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in ADDED[name]]
    results = []
    for module, leaves, backward in (
        (ops, [Tensor(a, requires_grad=True) for a in arrays], grad),
        (torch, [torch.tensor(a, requires_grad=True) for a in arrays], torch.autograd.grad),
    ):
        out = getattr(module, name)(*leaves, beta=0.5, alpha=2)
        firsts = backward((out**3).sum(), leaves, create_graph=True)
        seconds = backward((firsts[1] ** 2).sum(), leaves)
        results.append([t.detach().numpy() for t in (out, *firsts, *seconds)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_trace():
    x = rand(2, 3, dtype=float64, requires_grad=True)
    out = ops.trace(x)
    assert out.item() == x.data[0, 0] + x.data[1, 1]
    (found,) = grad(out, x)
    assert found.tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.addmm(zeros(4), zeros(2, 3), zeros(3, 2)), "does not broadcast"),
        (lambda: ops.addmm(zeros(2, dtype=float64), zeros(2, 3), zeros(3, 2)), "addmm: expected tensors of one"),
        (lambda: ops.addmv(zeros(5, 2), zeros(2, 3), zeros(3)), "does not broadcast"),
        (lambda: ops.trace(zeros(3)), "trace: input must have 2 dimensions"),
    ],
)  # fmt: skip
def test_errors_of_sums_and_traces(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: zeros(2, 3) @ 2.0,
        lambda: 2.0 @ zeros(2, 3),
        lambda: ops.mm(zeros(2, 3), None),
        lambda: ops.cross(zeros(3), 1),
        lambda: ops.cross(None, zeros(3)),
        lambda: ops.multi_dot([zeros(3), 1.0]),
    ],
)
def test_what_is_no_tensor(call):
    with pytest.raises(TypeError, match="must be a Tensor, got "):
        call()


def test_cross():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 3, 1, 3)), rng.normal(size=(1, 3, 4, 3))
    found = ops.linalg_cross(Tensor(x), Tensor(y))
    np.testing.assert_allclose(found.data, np.cross(x, y), rtol=1e-12)
    found = ops.linalg_cross(Tensor(x), Tensor(y), dim=1)
    np.testing.assert_allclose(found.data, np.cross(x, y, axis=1), rtol=1e-12)
    assert Tensor(x).cross(Tensor(y)).tolist() == found.tolist()  # the first dim of size 3


def test_inner_products_of_vectors():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1, 3)), rng.normal(size=(4, 3))
    expected = np.array([[sum(a * b for a, b in zip(row[0], v, strict=True)) for v in y] for row in x])
    np.testing.assert_allclose(ops.vecdot(Tensor(x), Tensor(y)).data, expected, rtol=1e-12)
    np.testing.assert_allclose(ops.vecdot(Tensor(x.T), Tensor(y.T[..., None]), dim=0).data, expected.T, rtol=1e-12)
    assert ops.vdot(arange(3), arange(3)).item() == 5


@pytest.mark.parametrize("shapes", [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4), (4, 5), (5,)), ((10, 1), (1, 10), (10, 1), (1, 10)),
    ((2, 9), (9, 1), (1, 9), (9, 2)), ((0, 3), (3, 4), (4, 2)),
])  # fmt: skip
def test_multi_dot(shapes, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in shapes]
    expected = arrays[0]
    for x in arrays[1:]:
        expected = naive_matmul(expected, x)
    work = []

    def counted(x, y):
        work.append(np.prod(x.shape, dtype=int) * (y.shape[1] if y.ndim == 2 else 1))
        return x @ y

    monkeypatch.setattr(ops, "matmul", counted)
    found = ops.multi_dot([Tensor(x) for x in arrays])
    np.testing.assert_allclose(found.data, expected, rtol=1e-10)

    def least(sizes):  # over all ways to put parentheses
        if len(sizes) == 2:
            return 0
        return min(
            least(sizes[: k + 1]) + least(sizes[k:]) + sizes[0] * sizes[k] * sizes[-1]
            for k in range(1, len(sizes) - 1)
        )

    first = (1, *shapes[0]) if len(shapes[0]) == 1 else shapes[0]
    assert sum(work) == least([first[0], *(shape[0] for shape in shapes[1:]), *(shapes[-1][1:] or (1,))])


def test_diagonals_of_matrices():
    x = arange(8).reshape(2, 2, 2)
    assert ops.linalg_diagonal(x).tolist() == [[0, 3], [4, 7]]
    assert ops.linalg_diagonal(x, offset=1, dim1=0).tolist() == [[1], [3]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.linalg_cross(zeros(2), zeros(2)), RuntimeError, "cross: expected .* 3 elements"),
        (lambda: ops.linalg_cross(zeros(3), zeros(1, 3)), RuntimeError, "cross: expected as many"),
        (lambda: ops.linalg_cross(zeros(3), zeros(3), dim=1), IndexError, "cross: dim 1 is out of range"),
        (lambda: ops.linalg_cross(tensor(1.0), tensor(1.0)), RuntimeError, "cross: expected"),
        (lambda: ops.cross(zeros(2), zeros(2)), RuntimeError, "cross: no dimension of size 3"),
        (lambda: ops.multi_dot([zeros(2)]), RuntimeError, "multi_dot: expected at least 2 tensors, got 1"),
        (lambda: ops.multi_dot([zeros(2), zeros(2), zeros(2)]), RuntimeError, r"multi_dot: tensors\[1\] must be a matrix"),
        (lambda: ops.multi_dot([zeros(2, 3), zeros(2, 3)]), RuntimeError, "matmul: .* do not match"),
    ],
)  # fmt: skip
def test_errors_of_vectors_and_chains(call, error, message):
    with pytest.raises(error, match=message):
        call()
