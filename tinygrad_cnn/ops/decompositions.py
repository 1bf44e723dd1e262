"""Inverses, determinants, factors and norms of matrices, over batches of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dims
from .diagonals import diag_embed, tril, triu
from .elementwise import abs, where
from .extrema import amax, amin
from .joining import cat
from .reduce import any, sum, vector_norm
from .shape import convert, movedim, unsqueeze


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive definite, or an iteration did not converge."""

    __module__ = "tinygrad_cnn.linalg"  # where users find it


def _check(name: str, A: Any, square: bool = True) -> None:
    """Raise for what is no batch of matrices that LAPACK takes."""
    check_tensor(name, A, "A")
    if A.ndim < 2 or (square and A.shape[-1] != A.shape[-2]):
        kind = "square matrices (..., n, n)" if square else "matrices (..., n, m)"
        raise RuntimeError(f"{name}: expected {kind}, got shape {A.shape}")
    if A.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}: expected float32 or float64, got {A.dtype}")


def _run(name: str, fault: str, function: Callable[..., Any], *arrays: Any) -> Any:
    """Call a function of `numpy.linalg`; where it fails, say for which of the batch."""
    try:
        return function(*arrays)
    except np.linalg.LinAlgError:
        for index in np.ndindex(arrays[0].shape[:-2]):
            try:
                function(*[x[index] for x in arrays])
            except np.linalg.LinAlgError:
                place = f"batch element {index}: " if index else ""
                raise LinAlgError(f"{name}: {place}{fault}") from None
        raise


def _draw_matrices(draw: Any, rows: int, columns: int) -> Any:
    """Draw matrices whose singular values lie apart, and away from 0."""
    batch = draw.shape(max_dims=1)
    k = min(rows, columns)
    sizes = np.arange(1, k + 1) + draw.array((*batch, k), -0.3, 0.3)
    left = draw.orthogonal((*batch, rows, k))
    right = draw.orthogonal((*batch, columns, k))
    return (left * sizes[..., None, :]) @ right.mT


def _draw_square(draw: Any) -> Any:
    n = draw.integer(1, 4)
    return _draw_matrices(draw, n, n)


def _draw_any(draw: Any) -> Any:
    return _draw_matrices(draw, draw.integer(1, 4), draw.integer(1, 4))


# -- inverses ----------------------------------------------------------------------------------


@op(formula="A⁻¹")
def inv(A: Array) -> Any:
    """Return the inverse of a square matrix, or of each of a batch.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64.

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    RuntimeError
        If `A` has another shape or dtype.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.inv(tg.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5 , 0.  ],
            [0.  , 0.25]])
    """
    _check("inv", A)
    return _run("inv", "the matrix is singular", np.linalg.inv, A)


@inv.gradient("A")
def _(g, out): return -(out.mT @ g @ out.mT)  # d(A⁻¹) = -A⁻¹ dA A⁻¹


inv.samples(_draw_square)


@method("inverse")
def inverse(input: Tensor) -> Tensor:
    """Return the inverse; see `linalg.inv`."""
    return inv(input)


@op(name="solve", broadcast=True, formula="A⁻¹ B")
def _solve(A: Array, B: Array) -> Any:
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A = np.broadcast_to(A, (*batch, *A.shape[-2:]))
    B = np.broadcast_to(B, (*batch, *B.shape[-2:]))
    return _run("solve", "the matrix is singular", np.linalg.solve, A, B)


@_solve.gradient("A", "B")
def _(g, A, out):
    g = _solve(A.mT, g)
    return -(g @ out.mT), g


@_solve.samples
def _(draw):
    A = _draw_square(draw)
    batch = draw.choice([A.shape[:-2], (), (2, *A.shape[:-2])])
    return A, draw.array((*batch, A.shape[-1], draw.integer(1, 3)))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """Return the solution X of ``A @ X = B``.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64.
    B : Tensor, shape (..., n, k), (n,) or (..., n)
        It has A's dtype. The batches broadcast; of the last form is a `B` of A's shape without
        its last dimension.
    left : bool
        False is for ``X @ A = B``, with `B` of shape (..., k, n).

    Raises
    ------
    LinAlgError
        If a matrix is singular.
    RuntimeError
        If shapes do not match, or the dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.solve(tg.tensor([[2.0, 0.0], [0.0, 4.0]]), tg.tensor([2.0, 2.0]))
    tensor([1. , 0.5])
    """
    _check_system("solve", A, B)
    vector = B.ndim == 1 or B.shape == A.shape[:-1]
    if vector and not left:
        raise RuntimeError("solve: left=False is not for vectors")
    if vector:
        B = unsqueeze(B, -1)
    _check_sides("solve", A, B, left)
    X = _solve(A, B) if left else _solve(A.mT, B.mT).mT
    return X[..., 0] if vector else X


def _check_system(name: str, A: Any, B: Any) -> None:
    _check(name, A)
    check_tensor(name, B, "B")
    if A.dtype != B.dtype:
        raise RuntimeError(f"{name}: expected tensors of one dtype, got {A.dtype} and {B.dtype}")


def _check_sides(name: str, A: Any, B: Any, left: bool) -> None:
    if B.ndim < 2 or B.shape[-2 if left else -1] != A.shape[-1]:
        what = "rows" if left else "columns"
        raise RuntimeError(f"{name}: A {A.shape} needs B with {A.shape[-1]} {what}, got {B.shape}")


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """Return the solution X of ``A @ X = B`` for a triangular `A`.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        Only the triangle is read.
    B : Tensor, shape (..., n, k)
    upper : bool
        Which triangle.
    left : bool
        False is for ``X @ A = B``, with `B` of shape (..., k, n).
    unitriangular : bool
        Take the diagonal of `A` to be ones, whatever it is.

    Raises
    ------
    LinAlgError
        If there is a 0 on the diagonal (PyTorch: the result is not finite).
    RuntimeError
        If shapes do not match, or the dtypes differ.
    """
    _check_system("solve_triangular", A, B)
    _check_sides("solve_triangular", A, B, left)
    A = triu(A) if upper else tril(A)
    if unitriangular:
        A = where(np.eye(A.shape[-1], dtype=bool), 1, A)
    return _solve(A, B) if left else _solve(A.mT, B.mT).mT


@method("matrix_power")
def matrix_power(A: Tensor, n: int) -> Tensor:
    """Return the product of `n` factors `A`; of its inverse, where `n` is negative.

    Raises
    ------
    LinAlgError
        If `n` is negative, and a matrix singular.
    RuntimeError
        If `A` is not of square matrices.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.matrix_power(tg.tensor([[1.0, 1.0], [0.0, 1.0]]), 5)
    tensor([[1., 5.],
            [0., 1.]])
    """
    _check("matrix_power", A)
    if n < 0:
        A, n = inv(A), -n
    result = where(np.eye(A.shape[-1], dtype=bool), 1, where(True, 0, A))
    while n:
        if n % 2:
            result = result @ A
        n //= 2
        A = A @ A if n else A
    return result


@op(name="pinv", constant=("atol", "rtol"), formula="A⁺")
def _pinv(A: Array, atol: Array | None = None, rtol: Array | None = None) -> Any:
    U, S, Vh = _run("pinv", "it did not converge", partial(np.linalg.svd, full_matrices=False), A)
    usable = _threshold(A, S, atol, rtol) < S
    inverses = np.where(usable, 1 / np.where(usable, S, 1), 0).astype(A.dtype, copy=False)
    return (Vh.mT * inverses[..., None, :]) @ U.mT


@_pinv.gradient("A")
def _(g, A, out):
    # Golub & Pereyra 1973, with P = A⁺, where the rank stays:
    # dP = -P dA P + P Pᵀ dAᵀ (1 - A P) + (1 - P A) dAᵀ Pᵀ P
    P, G = out.mT, g.mT
    rest = G @ out @ P
    other = P @ out @ G
    return (rest - A @ (out @ rest)) + (other - (other @ out) @ A) - P @ g @ P


@_pinv.samples
def _(draw): return (_draw_any(draw), *draw.choice([(), (1e-3,), (None, 1e-3)]))


def _threshold(A: Any, S: Any, atol: Any, rtol: Any) -> Any:
    """Return below what a singular value counts as 0."""
    atol = np.asarray(0 if atol is None else atol)
    if rtol is None:
        rtol = np.where(atol > 0, 0, max(A.shape[-2:]) * np.finfo(A.dtype).eps)
    return np.maximum(atol, np.asarray(rtol) * np.max(S, -1, initial=0))[..., None]


def pinv(
    A: Tensor,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
    hermitian: bool = False,
) -> Tensor:
    """Return the pseudo-inverse (Moore-Penrose).

    Parameters
    ----------
    A : Tensor, shape (..., n, m)
    atol, rtol : float or Tensor, optional
        Singular values of at most ``max(atol, rtol * largest)`` count as 0. `rtol` is
        ``max(n, m)`` times the dtype's eps where neither is given, otherwise 0.
    hermitian : bool
        `A` is symmetric; its lower triangle is read.

    Returns
    -------
    Tensor, shape (..., m, n)

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.pinv(tg.tensor([[2.0], [0.0]]))
    tensor([[0.5, 0. ]])
    """
    _check("pinv", A, square=hermitian)
    return _pinv(_mirrored(A) if hermitian else A, atol, rtol)


@op(name="matrix_rank", differentiable=False)
def _matrix_rank(A: Array, atol: Array | None = None, rtol: Array | None = None) -> Any:
    S = _run("matrix_rank", "it did not converge", np.linalg.svdvals, A)
    return np.count_nonzero(_threshold(A, S, atol, rtol) < S, axis=-1)


@_matrix_rank.samples
def _(draw): return (_draw_any(draw), *draw.choice([(), (1.5,), (None, 0.6)]))


def matrix_rank(
    A: Tensor,
    *,
    atol: float | Tensor | None = None,
    rtol: float | Tensor | None = None,
    hermitian: bool = False,
) -> Tensor:
    """Return how many singular values do not count as 0; the parameters are those of `pinv`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.matrix_rank(tg.ones(3, 3))
    tensor(1)
    """
    _check("matrix_rank", A, square=hermitian)
    return _matrix_rank(_mirrored(A) if hermitian else A, atol, rtol)


# -- determinants ------------------------------------------------------------------------------


@op(method=True, formula="det A")
def det(A: Array) -> Any:
    """Return the determinant of a square matrix, or of each of a batch.

    The gradient is right for singular matrices, too, to any order.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64.

    Raises
    ------
    RuntimeError
        If `A` has another shape or dtype.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.det(tg.tensor([[2.0, 1.0], [0.0, 4.0]]))
    tensor(8.)
    """
    _check("det", A)
    return np.linalg.det(A)


@det.gradient("A")
def _(g, A, out):
    # The cofactors: det(A) A⁻ᵀ, where there is an inverse.
    cofactors = _minors(A) if _nearly_singular(A) else out[..., None, None] * inv(A).mT
    return g[..., None, None] * cofactors


def _nearly_singular(A: Any) -> bool:
    """Return whether the inverse of a matrix would be wrong in half of its digits."""
    if not A.shape[-1]:
        return False
    S = svdvals(A)
    return bool(any(S[..., -1] <= np.finfo(A.dtype).eps ** 0.5 * S[..., 0]))


def _minors(A: Any) -> Any:
    """Return the determinants of `A` without row i and column j, with their signs.

    That takes n² determinants: for the rare matrix that has no inverse.
    """
    n = A.shape[-1]
    places = np.arange(n)
    others = np.array([places[places != i] for i in places], dtype=int)
    minors = det(A[..., others[:, None, :, None], others[None, :, None, :]])
    return where((places[:, None] + places) % 2 == 0, minors, -minors)


@det.samples
def _(draw):
    A = _draw_square(draw)
    if draw.boolean():  # of a lower rank
        A[..., draw.integer(1, A.shape[-1]) - 1 :] = 0
    return A


@op(name="slogdet", outputs=("sign", "logabsdet"), formula="log |det A|")
def _slogdet(A: Array) -> Any:
    _check("slogdet", A)
    return tuple(np.linalg.slogdet(A))


@_slogdet.gradient("A")
def _(g, A):
    _, g = g  # that of the sign is 0
    return where(True, 0, A) if g is None else g[..., None, None] * inv(A).mT


_slogdet.samples(_draw_square)


class Slogdet(NamedTuple):
    """What `slogdet` returns."""

    sign: Tensor
    logabsdet: Tensor


@method("slogdet")
def slogdet(A: Tensor) -> Slogdet:
    """Return the sign of the determinant, and the logarithm of its magnitude.

    That neither overflows nor underflows. A singular matrix has 0 and -inf, and no gradient:
    backward raises `LinAlgError`.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64.

    Returns
    -------
    Slogdet
        ``Slogdet(sign, logabsdet)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.slogdet(-tg.eye(3))
    Slogdet(sign=tensor(-1.), logabsdet=tensor(0.))
    """
    return Slogdet(*_slogdet(A))


@method("logdet")
def logdet(A: Tensor) -> Tensor:
    """Return the logarithm of the determinant: NaN where that is negative; see `slogdet`."""
    sign, logabsdet = slogdet(A)
    return where(sign < 0, math.nan, logabsdet)


# -- factors -----------------------------------------------------------------------------------


def _mirrored(A: Tensor, upper: bool = False) -> Tensor:
    """Return the symmetric matrix of which `A` has the lower, or the upper, triangle.

    Its gradient goes to all of `A`, as if that were symmetric: PyTorch's convention.
    """
    plain = A.detach()
    lower = triu(plain).mT if upper else tril(plain)
    return lower + tril(lower, -1).mT + (A - plain)


def _symmetric(x: Any) -> Any:
    return (x + x.mT) / 2


@op(name="cholesky", formula="A = L Lᵀ")
def _cholesky(A: Array) -> Any:
    """Return the factor of the symmetric part of `A`."""
    fault = "the matrix is not positive definite"
    return _run("cholesky", fault, np.linalg.cholesky, _symmetric(A))


@_cholesky.gradient("A")
def _(g, out):
    # Murray 2016, "Differentiation of the Cholesky decomposition": the symmetric part of
    # L⁻ᵀ Φ(Lᵀ G) L⁻¹, where Φ takes the lower triangle, with half of the diagonal
    inner = tril(out.mT @ g)
    inner = where(np.eye(inner.shape[-1], dtype=bool), inner / 2, inner)
    return _symmetric(_solve(out.mT, _solve(out.mT, inner).mT))


@_cholesky.samples
def _(draw):
    A = _draw_square(draw)
    return A @ A.mT


@method("cholesky")
def cholesky(A: Tensor, upper: bool = False) -> Tensor:
    """Return the triangular factor L of a symmetric positive definite matrix, ``L @ L.mT``.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64. Only its lower triangle is read; the gradient is symmetric.
    upper : bool
        Read the upper triangle, and return ``L.mT``.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite.
    RuntimeError
        If `A` has another shape or dtype.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.cholesky(tg.tensor([[4.0, 2.0], [2.0, 10.0]]))
    tensor([[2., 0.],
            [1., 3.]])
    """
    _check("cholesky", A)
    L = _cholesky(_mirrored(A, upper))
    return L.mT if upper else L


def _skew(x: Any) -> Any:
    return x - x.mT


def _differences(x: Any) -> Any:
    """Return ``x[j] - x[i]`` at i, j, and 1 where the two are one."""
    return where(np.eye(x.shape[-1], dtype=bool), 1, x[..., None, :] - x[..., :, None])


@op(name="svd", outputs=("U", "S", "Vh"), auxiliary=("U_rest", "Vh_rest"), formula="A = U S Vᵀ")
def _svd(A: Array, full_matrices: bool) -> Any:
    _check("svd", A, square=False)
    U, S, Vh = _run("svd", "it did not converge", partial(np.linalg.svd, full_matrices=full_matrices), A)
    k = S.shape[-1]
    return U[..., :k], S, Vh[..., :k, :], U[..., k:], Vh[..., k:, :]


@_svd.gradient("A")
def _(g, U, S, Vh):
    # Townsend 2016, "Differentiating the singular value decomposition", for distinct values
    gU, gS, gVh = g
    rows, columns, gaps = S[..., :, None], S[..., None, :], _differences(S * S)
    inner = 0 if gS is None else diag_embed(gS)
    outer = 0
    if gU is not None:
        inner = inner + _skew(U.mT @ gU) / gaps * columns
        if U.shape[-2] > S.shape[-1]:
            outer = ((gU - U @ (U.mT @ gU)) / columns) @ Vh
    if gVh is not None:
        inner = inner + rows * (_skew(Vh @ gVh.mT) / gaps)
        if Vh.shape[-1] > S.shape[-1]:
            outer = outer + U @ ((gVh - (gVh @ Vh.mT) @ Vh) / rows)
    return U @ inner @ Vh + outer


@_svd.samples
def _(draw):
    # The signs of the vectors are LAPACK's choice, which small steps of the input do not change:
    # so central differences of the vectors themselves are those of smooth functions.
    return _draw_any(draw), draw.boolean()


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(A: Tensor, full_matrices: bool = True) -> SVD:
    """Return the singular value decomposition, ``U @ diag(S) @ Vh``.

    Parameters
    ----------
    A : Tensor, shape (..., n, m)
        float32 or float64.
    full_matrices : bool
        Complete `U` and `Vh` to square matrices. What is added has no gradient.

    Returns
    -------
    SVD
        ``SVD(U, S, Vh)``, of shapes (..., n, k), (..., k), (..., k, m), with k the smaller of n
        and m. The values in `S` descend. The vectors are determined up to their signs, and only
        where values differ; otherwise their gradient is not finite.

    Raises
    ------
    LinAlgError
        If it does not converge, as for NaN.
    RuntimeError
        If `A` has another shape or dtype.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.svd(tg.tensor([[0.0, 2.0], [-3.0, 0.0]])).S
    tensor([3., 2.])
    """
    U, S, Vh, U_rest, Vh_rest = _svd(A, full_matrices)
    return SVD(cat([U, U_rest], -1), S, cat([Vh, Vh_rest], -2)) if full_matrices else SVD(U, S, Vh)


def svdvals(A: Tensor) -> Tensor:
    """Return the singular values, in descending order; see `svd`."""
    return _svd(A, False)[1]


@op(name="eigh", outputs=("L", "V"), formula="A = V L Vᵀ")
def _eigh(A: Array) -> Any:
    """Return those of the symmetric part of `A`."""
    return _run("eigh", "it did not converge", np.linalg.eigh, _symmetric(A))


@_eigh.gradient("A")
def _(g, L, V):
    # V (diag(dL) + (Vᵀ dV) / (Lj - Li)) Vᵀ: Giles 2008, "An extended collection of matrix
    # derivative results"
    gL, gV = g
    inner = 0 if gL is None else diag_embed(gL)
    if gV is not None:
        inner = inner + _skew(V.mT @ gV) / (2 * _differences(L))
    return V @ inner @ V.mT


@_eigh.samples
def _(draw):
    Q = np.linalg.qr(_draw_square(draw))[0]
    values = np.arange(Q.shape[-1]) - 1 + draw.array(Q.shape[:-1], -0.3, 0.3)
    return (Q * values[..., None, :]) @ Q.mT + _skew(draw.array(Q.shape))


class Eigh(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(A: Tensor, UPLO: str = "L") -> Eigh:
    """Return the eigenvalues, ascending, and eigenvectors of a symmetric matrix.

    Parameters
    ----------
    A : Tensor, shape (..., n, n)
        float32 or float64. The gradient is symmetric.
    UPLO : {"L", "U"}
        Which triangle is read: the lower or the upper one.

    Returns
    -------
    Eigh
        ``Eigh(eigenvalues, eigenvectors)``; the vectors are columns, determined up to their
        signs, and only where values differ; otherwise their gradient is not finite.

    Raises
    ------
    LinAlgError
        If it does not converge, as for NaN.
    RuntimeError
        If `A` has another shape or dtype, or there is no such triangle.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.eigh(tg.tensor([[2.0, 1.0], [1.0, 2.0]])).eigenvalues
    tensor([1., 3.])
    """
    _check("eigh", A)
    if UPLO not in ("L", "U"):
        raise RuntimeError(f"eigh: UPLO must be 'L' or 'U', got {UPLO!r}")
    return Eigh(*_eigh(_mirrored(A, UPLO == "U")))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Return the eigenvalues of a symmetric matrix, in ascending order; see `eigh`."""
    return eigh(A, UPLO)[0]


@op(name="qr", outputs=("Q", "R"), formula="A = Q R")
def _qr(A: Array) -> Any:
    """Return the factors of matrices with no more columns than rows."""
    return np.linalg.qr(A)


@_qr.gradient("A")
def _(g, Q, R):
    # (Q̄ + Q copyltu(R R̄ᵀ - Q̄ᵀ Q)) R⁻ᵀ, where copyltu mirrors the lower triangle: Walter & Lehmann
    # 2018, "Algorithmic differentiation of linear algebra functions"
    gQ, gR = g
    inner = 0
    if gR is not None:
        inner = R @ gR.mT
    if gQ is not None:
        inner = inner - gQ.mT @ Q
    result = Q @ (tril(inner) + tril(inner, -1).mT)
    if gQ is not None:
        result = gQ + result
    return _solve(R, result.mT).mT


@_qr.samples
def _(draw):
    n = draw.integer(1, 3)
    return _draw_matrices(draw, n + draw.integer(0, 2), n)


class QR(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


def qr(A: Tensor, mode: str = "reduced") -> QR:
    """Return ``Q @ R = A``, with orthonormal columns in Q, and R upper triangular.

    Parameters
    ----------
    A : Tensor, shape (..., n, m)
        float32 or float64.
    mode : {"reduced"}
        PyTorch's "complete" and "r" are not there.

    Returns
    -------
    QR
        ``QR(Q, R)``, of shapes (..., n, k) and (..., k, m), with k the smaller of n and m.
        Gradients need the first k columns to be linearly independent.

    Raises
    ------
    RuntimeError
        If `A` has another shape or dtype, or there is no such mode.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> Q, R = tg.linalg.qr(tg.tensor([[0.0, 2.0], [-3.0, 0.0]]))
    >>> (Q @ R).tolist()
    [[0.0, 2.0], [-3.0, 0.0]]
    """
    _check("qr", A, square=False)
    if mode != "reduced":
        raise RuntimeError(f"qr: mode must be 'reduced', got {mode!r}")
    n = A.shape[-2]
    if n >= A.shape[-1]:
        return QR(*_qr(A))
    Q, R = _qr(A[..., :n])
    return QR(Q, cat([R, Q.mT @ A[..., n:]], -1))


# -- norms -------------------------------------------------------------------------------------


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: tuple[int, ...] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return a norm of a matrix, or of each of a batch.

    Parameters
    ----------
    A : Tensor
    ord : {"fro", "nuc", inf, -inf, 1, -1, 2, -2}
        The root of the sum of squares; the sum of the singular values; the largest or smallest
        sum of magnitudes over a row (``inf``, ``-inf``) or column (1, -1); the largest or
        smallest singular value (2, -2).
    dim : two int
        The dimensions of the matrix: rows, columns.
    keepdim : bool
        Leave the reduced dimensions in the shape, with size 1.
    dtype : dtype, optional
        Convert the input first.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If there is no such norm, `dim` does not name two dimensions, or `A` is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> tg.linalg.matrix_norm(x), tg.linalg.matrix_norm(x, "nuc"), tg.linalg.matrix_norm(x, 2)
    (tensor(5.), tensor(7.), tensor(4.))
    """
    _check("matrix_norm", A, square=False)
    if dtype is not None:
        A = convert(A, dtype)
    dims = normalize_dims("matrix_norm", dim, A.ndim)
    if len(dims) != 2:
        raise RuntimeError(f"matrix_norm: dim must name two dimensions, got {dim}")
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    extremum = amin if not isinstance(ord, str) and ord < 0 else amax
    if ord in (1, -1, math.inf, -math.inf):
        over, along = dims if ord in (1, -1) else dims[::-1]
        result = extremum(sum(abs(A), over, True), along, True)
        return result if keepdim else result.squeeze(dims)
    if ord not in ("nuc", 2, -2):
        raise RuntimeError(f"matrix_norm: there is no order {ord!r}")
    S = svdvals(movedim(A, dims, (-2, -1)))
    result = sum(S, -1) if ord == "nuc" else extremum(S, -1)
    for axis in sorted(dims) if keepdim else ():
        result = unsqueeze(result, axis)
    return result


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: int | tuple[int, ...] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """Return a norm of vectors (`vector_norm`) or of matrices (`matrix_norm`).

    Parameters
    ----------
    A : Tensor
    ord : number or str, optional
        The order; where it is not given, the root of the sum of squares.
    dim : int or tuple of int, optional
        One dimension is that of vectors, two are those of matrices. Without it, and with an
        order, the shape of `A` decides.
    keepdim : bool
        Leave the reduced dimensions in the shape, with size 1.
    dtype : dtype, optional
        Convert the input first.

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If there is no such norm, or neither vectors nor matrices are meant.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> tg.linalg.norm(x), tg.linalg.norm(x, 1), tg.linalg.norm(x, 1, dim=1)
    (tensor(5.), tensor(4.), tensor([3., 4.]))
    """
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    check_tensor("norm", A, "A")
    dims = normalize_dims("norm", dim, A.ndim)
    if len(dims) == 2 or isinstance(ord, str):
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    if len(dims) != 1:
        raise RuntimeError(f"norm: order {ord!r} is for one or two dimensions, got {len(dims)}")
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)
