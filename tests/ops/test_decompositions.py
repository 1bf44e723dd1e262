"""Inverses, determinants, factors and norms against their definitions, against PyTorch, and their errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import linalg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing import Draw, gradcheck, gradgradcheck

inf = math.inf


def drawn(name):
    for seed in range(40):
        args = registry[name].sampler(Draw.from_seed(seed))
        yield args if isinstance(args, tuple) else (args,)


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape)


def leaf(x):
    return Tensor(np.asarray(x), requires_grad=True)


def close(x, y, rtol=1e-9):
    x, y = (np.asarray(v.data if isinstance(v, Tensor) else v) for v in (x, y))
    assert x.shape == y.shape
    np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-10)


def orthonormal(x):
    close(x.mT @ x, np.broadcast_to(np.eye(x.shape[-1]), (*x.shape[:-2], *[x.shape[-1]] * 2)))


def leibniz(A):
    """Return the determinant: the sum over all permutations."""
    n = A.shape[-1]
    total = np.zeros(A.shape[:-2])
    for order in itertools.permutations(range(n)):
        inversions = sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n))
        term = np.full(A.shape[:-2], (-1.0) ** inversions)
        for i, j in enumerate(order):
            term = term * A[..., i, j]
        total += term
    return total


# -- forward -----------------------------------------------------------------------------------


@pytest.mark.oracle("inv", "solve", "pinv")
def test_inverses():
    for (A,) in drawn("inv"):
        identity = np.broadcast_to(np.eye(A.shape[-1]), A.shape)
        close(A @ linalg.inv(A), identity)
        close(Tensor(A).inverse().data @ A, identity)
    for A, B in drawn("solve"):
        X = registry["solve"](A, B)
        close(A @ X, np.broadcast_to(B, X.shape))
    for A, *tolerances in drawn("pinv"):
        P = registry["pinv"](A, *tolerances)
        for first, second in ((A, P), (P, A)):  # the Penrose conditions
            close(first @ second @ first, first)
            close((first @ second).mT, first @ second)


@pytest.mark.oracle("det", "slogdet")
def test_determinants():
    for (A,) in drawn("det"):
        close(linalg.det(A), leibniz(A))
    for (A,) in drawn("slogdet"):
        expected = leibniz(A)
        sign, logabsdet = linalg.slogdet(Tensor(A))
        close(sign, np.sign(expected))
        close(logabsdet, np.log(np.abs(expected)))
        close(tg.logdet(Tensor(A)), np.where(expected > 0, logabsdet.data, np.nan))


def test_determinant_of_a_singular_matrix():
    A = tg.tensor([[1.0, 2.0], [2.0, 4.0]])
    assert tg.det(A).item() == 0
    assert A.slogdet() == (0, -inf)
    assert A.logdet() == -inf


@pytest.mark.oracle("cholesky", "qr", "svd", "eigh", "matrix_rank")
def test_factors():
    for (A,) in drawn("cholesky"):
        L = linalg.cholesky(Tensor(A)).data
        assert (np.triu(L, 1) == 0).all()
        assert (np.diagonal(L, 0, -2, -1) > 0).all()
        close(L @ L.mT, A)
    for (A,) in drawn("qr"):
        Q, R = (x.data for x in linalg.qr(Tensor(A)))
        orthonormal(Q)
        assert (np.tril(R, -1) == 0).all()
        close(Q @ R, A)
    for A, full_matrices in drawn("svd"):
        U, S, Vh = (x.data for x in linalg.svd(Tensor(A), full_matrices))
        n, m = A.shape[-2:]
        assert U.shape[-2:] == (n, n if full_matrices else min(n, m))
        assert Vh.shape[-2:] == (m if full_matrices else min(n, m), m)
        orthonormal(U)
        orthonormal(Vh.mT)
        assert (S >= 0).all()
        assert (np.diff(S) <= 0).all()
        k = S.shape[-1]
        close(U[..., :k] * S[..., None, :] @ Vh[..., :k, :], A)
        close(linalg.svdvals(Tensor(A)), S)
        for tolerance in ({"atol": 1.5}, {"rtol": 0.5}, {"atol": Tensor(np.array(2.5)), "rtol": 0.1}):
            atol, rtol = (float(tolerance.get(key, 0)) for key in ("atol", "rtol"))
            counts = (np.maximum(atol, rtol * S.max(-1, keepdims=True)) < S).sum(-1)
            assert (linalg.matrix_rank(Tensor(A), **tolerance).data == counts).all()
    for (A,) in drawn("eigh"):
        L, V = registry["eigh"](A)
        orthonormal(V)
        assert (np.diff(L) >= 0).all()
        close((A + A.mT) / 2 @ V, V * L[..., None, :])


def test_qr_of_wide_matrices():
    A = normal(4, 2, 5)
    Q, R = (x.data for x in linalg.qr(Tensor(A)))
    orthonormal(Q)
    assert (np.tril(R, -1) == 0).all()
    close(Q @ R, A)


def test_only_one_triangle_is_read():
    A = normal(3, 3)
    A = A @ A.T
    junk = 1e30 * normal(3, 3)
    lower, upper = Tensor(np.tril(A) + np.triu(junk, 1)), Tensor(np.triu(A) + np.tril(junk, -1))
    close(linalg.cholesky(lower), np.linalg.cholesky(A))
    close(linalg.cholesky(upper, upper=True), np.linalg.cholesky(A).T)
    close(linalg.eigvalsh(lower), np.linalg.eigvalsh(A))
    close(linalg.eigh(upper, UPLO="U").eigenvalues, np.linalg.eigvalsh(A))
    close(linalg.pinv(lower, hermitian=True), np.linalg.inv(A), rtol=1e-6)
    assert linalg.matrix_rank(lower, hermitian=True).item() == 3


def test_solve_decides_what_is_a_vector():
    A = Tensor(normal(2, 3, 3))
    for shape in ((3,), (2, 3)):
        b = normal(*shape)
        X = linalg.solve(A, Tensor(b))
        assert X.shape == (2, 3)
        close((A @ X[..., None])[..., 0], np.broadcast_to(b, (2, 3)))
    B = normal(4, 3)
    close(linalg.solve(A, Tensor(B), left=False) @ A, np.broadcast_to(B, (2, 4, 3)))
    B = normal(5, 1, 3, 4)
    close(A @ linalg.solve(A, Tensor(B)), np.broadcast_to(B, (5, 2, 3, 4)))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("unitriangular", [False, True])
def test_solve_triangular(upper, left, unitriangular):
    A, B = normal(2, 3, 3), normal(3, 3)
    X = linalg.solve_triangular(Tensor(A), Tensor(B), upper=upper, left=left, unitriangular=unitriangular)
    triangle = np.triu(A) if upper else np.tril(A)
    if unitriangular:
        triangle[:, range(3), range(3)] = 1
    close(triangle @ X.data if left else X.data @ triangle, np.broadcast_to(B, X.shape))


def test_matrix_power():
    A = normal(2, 3, 3)
    product = np.broadcast_to(np.eye(3), A.shape)
    for n in range(8):
        close(linalg.matrix_power(Tensor(A), n), product)
        close(linalg.matrix_power(Tensor(A), -n) @ Tensor(product), np.broadcast_to(np.eye(3), A.shape))
        product = product @ A


def test_pinv_leaves_out_small_values():
    A = Tensor(np.diag([4.0, 2.0, 1e-20]))
    close(linalg.pinv(A), np.diag([0.25, 0.5, 0]))
    close(linalg.pinv(A, rtol=0.5), np.diag([0.25, 0, 0]))
    close(linalg.pinv(A, atol=3), np.diag([0.25, 0, 0]))
    assert linalg.matrix_rank(A).item() == 2


FUNCTIONS = {
    "inv": linalg.inv, "det": linalg.det, "slogdet": linalg.slogdet, "cholesky": linalg.cholesky,
    "svd": linalg.svd, "eigh": linalg.eigh, "qr": linalg.qr, "pinv": linalg.pinv,
    "matrix_norm": linalg.matrix_norm, "solve": lambda x: linalg.solve(x, x),
    "matrix_power": lambda x: linalg.matrix_power(x, 3),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(2, 2), (0, 2, 2), (0, 0), (3, 0, 0)])
def test_keeps_float32_without_elements_too(name, shape):
    x = Tensor(np.broadcast_to(np.diag([1, 2] if shape[-1] else []), shape).astype("f4"), requires_grad=True)
    outs = FUNCTIONS[name](x)
    outs = outs if isinstance(outs, tuple) else (outs,)
    assert all(out.dtype == np.float32 for out in outs)
    (found,) = grad(outs, x, [tg.ones_like(out) for out in outs])
    assert found.shape == shape
    assert found.dtype == np.float32


# -- norms -------------------------------------------------------------------------------------

NORMS = {
    "fro": lambda x: math.sqrt(sum(v * v for row in x for v in row)),
    inf: lambda x: max(sum(abs(v) for v in row) for row in x),
    -inf: lambda x: min(sum(abs(v) for v in row) for row in x),
    1: lambda x: max(sum(abs(v) for v in column) for column in x.T),
    -1: lambda x: min(sum(abs(v) for v in column) for column in x.T),
    2: lambda x: math.sqrt(max(np.linalg.eigvalsh(x @ x.T if len(x) < len(x.T) else x.T @ x))),
    -2: lambda x: math.sqrt(min(np.linalg.eigvalsh(x @ x.T if len(x) < len(x.T) else x.T @ x))),
    "nuc": lambda x: np.sqrt(np.linalg.eigvalsh(x @ x.T if len(x) < len(x.T) else x.T @ x)).sum(),
}


@pytest.mark.parametrize("ord", NORMS)
def test_matrix_norm(ord):
    x = normal(3, 2, 4)
    close(linalg.matrix_norm(Tensor(x), ord), [NORMS[ord](m) for m in x])
    close(linalg.norm(Tensor(x[0]), ord), NORMS[ord](x[0]))
    found = linalg.matrix_norm(Tensor(x), ord, (2, 0), keepdim=True)
    close(found, np.reshape([NORMS[ord](x[:, i].T) for i in range(2)], (1, 2, 1)))
    close(linalg.norm(Tensor(x), ord, (2, 0)), found.data.reshape(2))
    assert linalg.norm(Tensor(x), ord, (0, 1), dtype=tg.float64).dtype == np.float64


def test_norm_of_vectors():
    x = normal(3, 4)
    length = np.sqrt((x * x).sum())
    close(linalg.norm(Tensor(x)), length)
    close(linalg.norm(Tensor(x), keepdim=True), [[length]])
    close(linalg.norm(Tensor(x.reshape(3, 2, 2))), length)
    close(linalg.norm(Tensor(x), dim=1), np.sqrt((x * x).sum(1)))
    close(linalg.norm(Tensor(x), 1, dim=-1), np.abs(x).sum(1))
    close(linalg.norm(Tensor(x[0]), inf), np.abs(x[0]).max())


# -- gradients beyond those of the fuzz tests --------------------------------------------------


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_determinant_has_derivatives_where_there_is_no_inverse(rank):
    A = normal(3, rank) @ normal(rank, 3)
    assert gradcheck(linalg.det, leaf(A))
    assert gradgradcheck(linalg.det, leaf(A))
    batch = np.stack([np.eye(3), A])
    assert gradgradcheck(linalg.det, leaf(batch))
    (found,) = grad(linalg.det(x := leaf(A)), x)
    cofactors = [
        [(-1.0) ** (i + j) * leibniz(np.delete(np.delete(A, i, 0), j, 1)) for j in range(3)] for i in range(3)
    ]
    close(found, np.array(cofactors))


@pytest.mark.parametrize("shape", [(3, 5), (2, 2, 3)])
def test_gradient_of_qr_of_wide_matrices(shape):
    assert gradgradcheck(lambda A: tuple(linalg.qr(A)), leaf(normal(*shape)))


@pytest.mark.parametrize("ord", [ord for ord in NORMS if ord != "fro"])
def test_gradient_of_matrix_norms(ord):
    assert gradgradcheck(lambda x: linalg.matrix_norm(x, ord), leaf(normal(2, 3, 4)))


def test_singular_values_have_a_gradient_where_they_are_equal():
    (found,) = grad(linalg.svdvals(x := leaf(np.eye(3))).sum(), x)
    close(found, np.eye(3))
    (found,) = grad(linalg.eigvalsh(x := leaf(np.eye(3))).sum(), x)
    close(found, np.eye(3))


def test_the_gradient_of_a_symmetric_matrix_is_symmetric():
    A = normal(3, 3)
    for function in (linalg.cholesky, lambda x: linalg.eigh(x).eigenvectors):
        out = function(x := leaf(A @ A.T))
        (found,) = grad(out, x, normal(3, 3))
        close(found, found.mT)


def test_as_pytorch():
    torch = pytest.importorskip("torch")
    A, B = normal(2, 3, 3), normal(2, 3, 2)
    calls = [
        lambda m, a, b: m.linalg.inv(a),
        lambda m, a, b: m.linalg.solve(a, b),
        lambda m, a, b: m.linalg.det(a),
        lambda m, a, b: m.linalg.cholesky(a @ a.mT),
        lambda m, a, b: m.linalg.cholesky(a + 9 * m.eye(3, dtype=a.dtype)),  # not symmetric
        lambda m, a, b: m.linalg.cholesky(a + 9 * m.eye(3, dtype=a.dtype), upper=True),
        lambda m, a, b: m.linalg.svd(b, full_matrices=True).S,
        lambda m, a, b: m.linalg.eigh(a @ a.mT).eigenvectors.abs(),
        lambda m, a, b: m.linalg.qr(b).Q,
        lambda m, a, b: m.linalg.qr(b.mT).R,
        lambda m, a, b: m.linalg.pinv(b),
        lambda m, a, b: m.linalg.slogdet(a).logabsdet,
    ]
    for call in calls:
        results = []
        for module, inputs, backward in (
            (tg, [leaf(A), leaf(B)], grad),
            (torch, [torch.tensor(x, requires_grad=True) for x in (A, B)], torch.autograd.grad),
        ):
            out = call(module, *inputs)
            wanted = {"allow_unused": True}
            firsts = [g for g in backward((out**2).sum() + out.sum(), inputs, create_graph=True, **wanted) if g is not None]
            seconds = [g for g in backward((firsts[0] ** 2).sum(), inputs, **wanted) if g is not None]
            results.append([t.detach().numpy() for t in (out, *firsts, *seconds)])
        for ours, theirs in zip(*results, strict=True):
            close(ours, theirs, rtol=1e-7)


# -- errors ------------------------------------------------------------------------------------

SINGULAR = tg.tensor([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]])
X = tg.ones(2, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: linalg.inv(SINGULAR), r"inv: batch element \(1,\): the matrix is singular"),
        (lambda: linalg.inv(SINGULAR[1]), "inv: the matrix is singular"),
        (lambda: linalg.solve(SINGULAR, tg.ones(3, 1, 2, 1)), r"solve: batch element \(0, 1\): the matrix is singular"),
        (lambda: linalg.solve_triangular(tg.zeros(1, 1), tg.ones(1, 1), upper=True), "solve: the matrix is singular"),
        (lambda: linalg.cholesky(-SINGULAR), r"cholesky: batch element \(0,\): the matrix is not positive definite"),
        (lambda: linalg.matrix_power(SINGULAR, -1), "inv: batch element"),
        (lambda: linalg.svd(SINGULAR * math.nan), "svd: batch element .* did not converge"),
        (lambda: linalg.slogdet(SINGULAR.double().requires_grad_())[1].sum().backward(), "inv: batch element"),
    ],
)  # fmt: skip
def test_failures_name_the_batch_element(call, message):
    with pytest.raises(linalg.LinAlgError, match=message) as info:
        call()
    assert isinstance(info.value, RuntimeError)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linalg.inv(X), RuntimeError, r"inv: expected square matrices \(..., n, n\), got shape \(2, 3\)"),
        (lambda: linalg.det(tg.ones(3)), RuntimeError, "det: expected square matrices"),
        (lambda: linalg.svd(tg.ones(3)), RuntimeError, r"svd: expected matrices \(..., n, m\), got shape \(3,\)"),
        (lambda: linalg.inv(tg.eye(2, dtype=tg.int64)), RuntimeError, "inv: expected float32 or float64, got int64"),
        (lambda: linalg.qr(X.half()), RuntimeError, "qr: expected float32 or float64, got float16"),
        (lambda: linalg.cholesky(X), RuntimeError, "cholesky: expected square"),
        (lambda: linalg.eigh(X), RuntimeError, "eigh: expected square"),
        (lambda: linalg.eigh(tg.eye(2), "A"), RuntimeError, "UPLO must be 'L' or 'U', got 'A'"),
        (lambda: linalg.qr(X, "full"), RuntimeError, "qr: mode must be 'reduced', got 'full'"),
        (lambda: linalg.pinv(X, hermitian=True), RuntimeError, "pinv: expected square"),
        (lambda: linalg.solve(X, X), RuntimeError, "solve: expected square"),
        (lambda: linalg.solve(tg.eye(2), tg.ones(3)), RuntimeError, r"A \(2, 2\) needs B with 2 rows, got \(3, 1\)"),
        (lambda: linalg.solve(tg.eye(2), X, left=False), RuntimeError, "needs B with 2 columns"),
        (lambda: linalg.solve(tg.eye(2), tg.ones(2), left=False), RuntimeError, "left=False is not for vectors"),
        (lambda: linalg.solve(tg.eye(2), X.double()), RuntimeError, "solve: expected tensors of one dtype"),
        (lambda: linalg.solve(tg.ones(3, 2, 2), tg.ones(4, 2, 1)), RuntimeError, "solve: shapes do not broadcast"),
        (lambda: linalg.solve_triangular(tg.eye(2), tg.ones(2), upper=True), RuntimeError, "needs B with 2 rows"),
        (lambda: linalg.matrix_norm(X, 3), RuntimeError, "matrix_norm: there is no order 3"),
        (lambda: linalg.matrix_norm(X, "l2"), RuntimeError, "matrix_norm: there is no order 'l2'"),
        (lambda: linalg.matrix_norm(X, dim=(0,)), RuntimeError, "dim must name two dimensions"),
        (lambda: linalg.matrix_norm(X, dim=(0, 0)), RuntimeError, "twice"),
        (lambda: linalg.matrix_norm(X, dim=(0, 2)), IndexError, "out of range"),
        (lambda: linalg.norm(tg.ones(2, 2, 2), 2), RuntimeError, "norm: order 2 is for one or two dimensions, got 3"),
        (lambda: linalg.norm(tg.ones(2, 2, 2), "fro"), RuntimeError, "matrix_norm: dim must name two"),
        (lambda: linalg.norm(tg.ones(2), "fro"), RuntimeError, "matrix_norm: expected matrices"),
        (lambda: linalg.inv([[1.0]]), TypeError, "inv: "),
        (lambda: linalg.cholesky([[1.0]]), TypeError, "cholesky: .* must be a Tensor, got list"),
        (lambda: linalg.solve(tg.eye(2), 1.0), TypeError, "solve: .* must be a Tensor, got float"),
        (lambda: linalg.norm(1.0, 2), TypeError, "norm: .* must be a Tensor, got float"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
