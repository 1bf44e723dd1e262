"""Einsum and its kin against sums in loops, against PyTorch, and their errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import einsum as ops
from tinygrad_cnn.testing import fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

CASES = [
    ("i->", [(3,)]),
    ("i->i", [(3,)]),
    ("ij->ji", [(2, 3)]),
    ("ba", [(2, 3)]),
    ("ij->j", [(2, 3)]),
    ("ii", [(3, 3)]),
    ("ii->i", [(3, 3)]),
    ("iji->j", [(3, 2, 3)]),
    ("iii->i", [(2, 2, 2)]),
    ("iijj->ji", [(2, 2, 3, 3)]),
    ("->", [()]),
    (",i->i", [(), (3,)]),
    ("i,i", [(3,), (3,)]),
    ("i,j->ij", [(3,), (2,)]),
    ("ij,ij->ij", [(2, 3), (2, 3)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("ij,kj->ik", [(2, 3), (4, 3)]),
    ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("bij,bjk->kb", [(5, 2, 3), (5, 3, 4)]),
    ("ij,kl->", [(2, 3), (4, 2)]),
    ("ii,ij->j", [(3, 3), (3, 2)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("ij,ik,il->jkl", [(2, 3), (2, 4), (2, 2)]),
    ("i,i,i,i->i", [(3,)] * 4),
    ("zA,Az->Az", [(2, 3), (3, 2)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    ("ij,jk", [(0, 2), (2, 3)]),
    # sizes of 1 broadcast
    ("ij,ij->ij", [(1, 3), (2, 1)]),
    ("ij,jk->ik", [(2, 1), (3, 4)]),
    ("ij,jk->ik", [(2, 3), (1, 4)]),
    ("i,i,i->", [(1,), (3,), (3,)]),
    ("i,i->i", [(1,), (0,)]),
]
# and with "..." written out, for the oracle, where letters alone can say it
DOTS = [
    ("...->...", [(2, 3)], "AB->AB"),
    ("...i->i...", [(2, 3)], "Ai->iA"),
    ("...ij,...jk", [(5, 2, 3), (5, 3, 4)], "Aij,Ajk->Aik"),
    ("...ij,jk->...ik", [(5, 6, 2, 3), (3, 4)], "ABij,jk->ABik"),
    ("...i,...i->...", [(5, 2, 3), (2, 3)], "ABi,Bi->AB"),
    ("i...,...->i...", [(3, 2), (4, 2)], None),
    ("...,...", [(4, 1), (3,)], None),
    ("b...i,o...i->bo", [(2, 3, 4), (5, 3, 4)], "bAi,oAi->bo"),
    ("i...i->...", [(2, 3, 2)], "iAi->A"),
    ("...i->i", [(2, 3)], "Ai->i"),
]


def naive_einsum(equation, *xs):
    """Sum over every assignment of indices to letters; the result's letters must be given."""
    terms, _, result = equation.partition("->")
    terms = terms.split(",")
    sizes = {}
    for term, x in zip(terms, xs, strict=True):
        for name, size in zip(term, x.shape, strict=True):
            sizes[name] = size if sizes.get(name, 1) == 1 else sizes[name]
    out = np.zeros([sizes[name] for name in result])
    for values in itertools.product(*map(range, sizes.values())):
        at = dict(zip(sizes, values, strict=True))
        product = 1.0
        for term, x in zip(terms, xs, strict=True):
            product *= x[tuple(at[n] % s for n, s in zip(term, x.shape, strict=True))]
        out[tuple(at[n] for n in result)] += product
    return out


def with_result(equation):
    if "->" in equation:
        return equation
    letters = equation.replace(",", "")
    return equation + "->" + "".join(n for n in sorted(set(letters)) if letters.count(n) == 1)


def drawn(shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


@pytest.mark.parametrize(
    ("equation", "shapes", "plain"),
    [(e, shapes, with_result(e)) for e, shapes in CASES] + [case for case in DOTS if case[2]],
)
def test_einsum_is_the_sum_of_products(equation, shapes, plain):
    xs = drawn(shapes)
    found = tg.einsum(equation, *[Tensor(x) for x in xs])
    expected = naive_einsum(plain, *xs)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "shapes"), CASES + [(equation, shapes) for equation, shapes, _ in DOTS]
)
def test_einsum_as_pytorch(equation, shapes):
    torch = pytest.importorskip("torch")
    results = []
    for module, leaf, backward in (
        (tg, lambda x: Tensor(x, requires_grad=True), grad),
        (torch, lambda x: torch.tensor(x, requires_grad=True), torch.autograd.grad),
    ):
        leaves = [leaf(x) for x in drawn(shapes)]
        out = module.einsum(equation, leaves)
        firsts = backward((out**3).sum(), leaves, create_graph=True)
        seconds = backward(sum((g**2).sum() for g in firsts), leaves)
        results.append([t.detach().numpy() for t in (out, *firsts, *seconds)])
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@fuzz_gradients(
    x=arrays(shape=(2, 3, 3)), y=arrays(shape=(3, 1, 2)), z=arrays(shape=(4,)), examples=10
)
def test_gradients_of_einsum(x, y, z):
    return tg.einsum("ijj,jik,l->kl", x, y, z)


def test_ways_to_call_einsum():
    x, y = (Tensor(a) for a in drawn([(2, 3), (3, 4)]))
    expected = (x @ y).tolist()
    assert tg.einsum("ij,jk->ik", x, y).tolist() == expected
    assert tg.einsum(" i j, j k -> i k ", [x, y]).tolist() == expected
    assert tg.einsum(x, [0, 1], y, [1, 51], [0, 51]).tolist() == expected
    assert tg.einsum(x, [0, 1], y, [1, 2]).tolist() == expected
    assert tg.einsum(x, [..., 1], y, [1, 2], [..., 2]).tolist() == expected


@pytest.mark.parametrize("dtype", [tg.float16, tg.float32, tg.int64])
@pytest.mark.parametrize("equation", ["ij->", "ij,jk", "ij,jk->k", "ij,ij->ij", "ij,kl->"])
def test_einsum_keeps_the_dtype(equation, dtype):
    found = tg.einsum(equation, *[tg.ones(2, 2, dtype=dtype)] * (equation.count(",") + 1))
    assert found.dtype == dtype


def test_einsum_without_sums_is_no_matrix_product(monkeypatch):
    monkeypatch.setattr(ops, "matmul", None)
    x = tg.ones(2, 3)
    assert tg.einsum("ij,ij->ij", x, x).tolist() == x.tolist()


X, Y = tg.ones(2, 3), tg.ones(3, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tg.einsum("ij,jk", X), RuntimeError, "'ij,jk' is for 2 operands, got 1"),
        (lambda: tg.einsum("ij"), ValueError, "at least one operand"),
        (lambda: tg.einsum("ij", []), ValueError, "at least one operand"),
        (lambda: tg.einsum(X), ValueError, "expected an equation"),
        (lambda: tg.einsum("i->i", X), RuntimeError, "names 1 dimensions in 'i', the operand has 2"),
        (lambda: tg.einsum("...ijk", X), RuntimeError, "names 3 dimensions in '...ijk', the operand has 2"),
        (lambda: tg.einsum("ij,jk", X, X), RuntimeError, "dimension 'j' has sizes 3 and 2"),
        (lambda: tg.einsum("...,...", X, Y), RuntimeError, "a dimension of '...' has sizes 2 and 3"),
        (lambda: tg.einsum("ii", X), RuntimeError, "dimension 'i' has sizes 2 and 3"),
        (lambda: tg.einsum("ii", X[:, :1]), RuntimeError, "diagonal where 'i' occurs twice, of sizes 2 and 1"),
        (lambda: tg.einsum("ij->ii", X), RuntimeError, "each dimension of the result once"),
        (lambda: tg.einsum("ij->ijk", X), RuntimeError, "an operand must have it"),
        (lambda: tg.einsum("i1", X), RuntimeError, "more than letters"),
        (lambda: tg.einsum("i....j", X), RuntimeError, "more than letters"),
        (lambda: tg.einsum("...i...j", X), RuntimeError, "more than letters"),
        (lambda: tg.einsum("ij->i->j", X), RuntimeError, "more than letters"),
        (lambda: tg.einsum(X, [0, 52]), RuntimeError, "numbers from 0 to 51"),
        (lambda: tg.einsum(X, [0, -1]), RuntimeError, "numbers from 0 to 51"),
        (lambda: tg.einsum(X, 0), RuntimeError, "expected a list of numbers"),
        (lambda: tg.einsum("ij,jk", X, Y.double()), RuntimeError, "expected tensors of one dtype"),
        (lambda: tg.einsum("i,", X[0], 2.0), TypeError, "einsum: .* must be a Tensor, got float"),
        (lambda: tg.tensordot(X, 2.0, 0), TypeError, "tensordot: .* must be a Tensor, got float"),
        (lambda: tg.tensordot(X, X, 2.5), RuntimeError, "tensordot: dims must be"),
        (lambda: tg.tensordot(X, X, 3), RuntimeError, "tensordot: no 3 dimensions to sum over"),
        (lambda: tg.tensordot(X, X, -1), RuntimeError, "tensordot: no -1 dimensions"),
        (lambda: tg.tensordot(X, X, ([0, 1], [0])), RuntimeError, "names 2 dimensions of a, 1 of b"),
        (lambda: tg.tensordot(X, X, ([0, 0], [0, 1])), RuntimeError, "twice"),
        (lambda: tg.tensordot(X, X, ([2], [0])), IndexError, "out of range"),
        (lambda: tg.tensordot(X, X, 1), RuntimeError, "a has size 3 in dim 1, b 2 in dim 0"),
        (lambda: tg.inner(X, Y), RuntimeError, "inner: the last sizes differ"),
        (lambda: tg.inner(X, 2.0), TypeError, "inner: .* must be a Tensor"),
        (lambda: tg.kron(X, 2.0), TypeError, "kron: .* must be a Tensor"),
        (lambda: tg.nn.functional.bilinear(X, Y, tg.ones(2, 3, 4)), RuntimeError, "do not match"),
        (lambda: tg.nn.functional.bilinear(X, X, tg.ones(2, 3, 4)), RuntimeError, "do not match"),
        (lambda: tg.nn.functional.bilinear(X, X, tg.ones(3, 3)), RuntimeError, "do not match"),
        (lambda: tg.nn.functional.bilinear(X, X, tg.ones(2, 3, 3), tg.ones(3)), RuntimeError, "bias"),
        (lambda: tg.nn.functional.bilinear(X, None, tg.ones(2, 3, 3)), TypeError, "bilinear: .* must be a Tensor"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("left", "right", "dims", "equation"),
    [
        ((2, 3, 4), (3, 4, 5), 2, "abc,bcd->ad"),
        ((2, 3), (4, 5), 0, "ab,cd->abcd"),
        ((2, 3), (3, 2), ([0, -1], [1, 0]), "ab,ba->"),
        ((2, 3, 4), (4, 5, 2), ((0,), (2,)), "abc,dea->bcde"),
        ((2, 1), (3, 4), 1, "ab,bc->ac"),
        ((2, 3), (2,), ([0], [0]), "ab,a->b"),
        ((), (), 0, ",->"),
    ],
)
def test_tensordot(left, right, dims, equation):
    x, y = drawn([left, right])
    found = tg.tensordot(Tensor(x), Tensor(y), dims)
    expected = naive_einsum(equation, x, y)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.data, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"), [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 5, 3)), ((), (2,)), ((2,), ())]
)
def test_inner(left, right):
    x, y = drawn([left, right])
    np.testing.assert_allclose(Tensor(x).inner(Tensor(y)).data, np.inner(x, y), rtol=1e-12)


@pytest.mark.parametrize(
    ("left", "right"), [((2, 3), (4, 5)), ((2,), (3, 4)), ((2, 1, 3), (2,)), ((), (2, 3)), ((0, 2), (3, 1))]
)
def test_kron(left, right):
    x, y = drawn([left, right])
    found, expected = Tensor(x).kron(Tensor(y)), np.kron(x, y)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.data, expected, rtol=1e-12)


@pytest.mark.parametrize("batch", [(), (2,), (2, 5), (0,)])
@pytest.mark.parametrize("with_bias", [False, True])
def test_bilinear(batch, with_bias):
    x, y, weight, bias = drawn([(*batch, 3), (*batch, 4), (2, 3, 4), (2,)])
    expected = np.zeros((*batch, 2))
    for *at, o in np.ndindex(expected.shape):
        expected[(*at, o)] = x[tuple(at)] @ weight[o] @ y[tuple(at)] + with_bias * bias[o]
    given = [Tensor(a) for a in (x, y, weight, *[bias] * with_bias)]
    np.testing.assert_allclose(tg.nn.functional.bilinear(*given).data, expected, rtol=1e-12)
