"""Products of matrices and vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels.product import product

from ._dims import check_tensor, normalize_dim
from .diagonals import diagonal
from .elementwise import mul, quiet
from .joining import roll
from .reduce import sum
from .shape import broadcast_to, reshape, sum_to_size, unsqueeze

# -- matmul ------------------------------------------------------------------------------------


@op(method=True, operator="@", broadcast=True, formula="x y")
@quiet
def matmul(input: Array, other: Array) -> Any:
    """Return the matrix product, over batches of matrices, which broadcast.

    A vector on the left is a row, on the right a column, and its dimension is left out of the
    result.

    Parameters
    ----------
    input : Tensor, shape (..., n, k) or (k,)
    other : Tensor, shape (..., k, m) or (k,)

    Returns
    -------
    Tensor, shape (..., n, m)

    Raises
    ------
    RuntimeError
        If the shapes do not match, the dtypes differ, or one has no dimension.
    TypeError
        If one is no tensor.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensor([[1.0, 2.0], [3.0, 4.0]]) @ tg.tensor([1.0, 10.0])
    tensor([21., 43.])
    """
    _check_dtypes("matmul", input, other)
    try:
        if other.ndim == 2 and input.ndim > 2:  # one product, not one for each of the batch
            return product(_rows(input), other).reshape(*input.shape[:-1], other.shape[1])
        if other.ndim == input.ndim == 2:
            return product(input, other)
        return np.matmul(input, other)
    except ValueError:
        raise RuntimeError(_mismatch(np.shape(input), np.shape(other))) from None


@matmul.gradient("input")
def _(g, other, input_shape):
    if other.ndim == 1:  # [.., n] x [k] -> [.., n, k]
        return unsqueeze(g, -1) * other
    if len(input_shape) == 1:  # [.., k, m] x [.., m] -> [.., k]
        return reshape(other @ unsqueeze(g, -1), other.shape[:-1])
    return matmul(g, other.mT)  # [.., n, m] x [.., m, k] -> [.., n, k]


@matmul.gradient("other")
def _(g, input, other_shape):
    if input.ndim == 1:  # [k] x [.., m] -> [.., k, m]
        return input * g if len(other_shape) == 1 else unsqueeze(input, -1) * unsqueeze(g, -2)
    if len(other_shape) == 1:  # [.. n] x [.. n, k] -> [k]
        return reshape(g, (-1,)) @ _rows(input)
    if len(other_shape) == 2:  # [k, .. n] x [.. n, m] -> [k, m]
        return matmul(_rows(input).mT, _rows(g))
    return input.mT @ g  # [.., k, n] x [.., n, m] -> [.., k, m]


matmul.onnx("MatMul")


@matmul.samples
def _(draw):
    n, k, m = draw.shape(3, 3)
    left, right = draw.broadcastable(2, max_dims=2)
    batch = draw.shape(1, 2)
    first, second = draw.choice(
        [
            *[((n, k), (k, m)), ((k,), (k, m)), ((n, k), (k,)), ((k,), (k,))],
            *[((*batch, n, k), (k, m)), ((*batch, n, k), (k,)), ((*left, n, k), (*right, k, m))],
            *[((n, k), (*batch, k, m)), ((k,), (*batch, k, m))],
        ]
    )
    return draw.array(first), draw.array(second)


def _rows(x: Any) -> Any:
    """Return ``x`` as one matrix, of as many columns as its last dimension is long."""
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _check_dtypes(name: str, x: Any, y: Any) -> None:
    for value in (x, y):
        check_tensor(name, value, "each argument")
    if x.dtype != y.dtype:
        raise RuntimeError(f"{name}: expected tensors of one dtype, got {x.dtype} and {y.dtype}")


def _mismatch(input: tuple[int, ...], other: tuple[int, ...]) -> str:
    if not input or not other:
        what = "both need at least one dimension"
    elif input[-1] != other[-2:][0]:
        what = f"{input[-1]} columns against {other[-2:][0]} rows"
    else:
        what = "the batch dimensions do not broadcast"
    return f"matmul: {input} and {other} do not match: {what}"


def _with_ndim(name: str, ndim: int, **tensors: Tensor) -> None:
    for key, tensor in tensors.items():
        check_tensor(name, tensor, key)
        if tensor.ndim != ndim:
            plural = "dimension" if ndim == 1 else "dimensions"
            raise RuntimeError(f"{name}: {key} must have {ndim} {plural}, got {tensor.shape}")


@method("mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the product of two matrices, (n, k) and (k, m)."""
    _with_ndim("mm", 2, input=input, mat2=mat2)
    return matmul(input, mat2)


@method("bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Return the products of two batches of matrices, (b, n, k) and (b, k, m)."""
    _with_ndim("bmm", 3, input=input, mat2=mat2)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: the batches differ: {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


@method("mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Return the product of a matrix (n, k) and a vector (k,)."""
    _with_ndim("mv", 2, input=input)
    _with_ndim("mv", 1, vec=vec)
    return matmul(input, vec)


@method("dot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Return the inner product of two vectors."""
    _with_ndim("dot", 1, input=input, tensor=tensor)
    return matmul(input, tensor)


@method("outer")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Return the products of each element of one vector with each of another, (n, m).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.outer(tg.tensor([1, 2]), tg.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    _with_ndim("outer", 1, input=input, vec2=vec2)
    return mul(unsqueeze(input, 1), vec2)


def _added(name: str, input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """Return ``beta * input + alpha * product``; without `input` where `beta` is 0."""
    _check_dtypes(name, input, product)
    product = product if alpha == 1 else product * alpha
    start = broadcast_to(input, product.shape)
    if beta == 0:  # NaN in it must not pass
        return product
    return (start if beta == 1 else start * beta) + product


@method("addmm", inplace=True)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return ``beta * input + alpha * (mat1 @ mat2)``, for two matrices.

    Parameters
    ----------
    input : Tensor
        Broadcast to the shape of the product; left out where `beta` is 0.
    mat1 : Tensor, shape (n, k)
    mat2 : Tensor, shape (k, m)
    beta, alpha : number

    Raises
    ------
    RuntimeError
        If shapes do not match or dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.addmm(tg.ones(2), tg.ones(1, 3), tg.ones(3, 2), beta=2)
    tensor([[5., 5.]])
    """
    return _added("addmm", input, mm(mat1, mat2), beta, alpha)


@method("baddbmm", inplace=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return ``beta * input + alpha * (batch1 @ batch2)``, for two batches; see `addmm`."""
    return _added("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@method("addmv", inplace=True)
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return ``beta * input + alpha * (mat @ vec)``; see `addmm`."""
    return _added("addmv", input, mv(mat, vec), beta, alpha)


@method("addr", inplace=True)
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """Return ``beta * input + alpha * outer(vec1, vec2)``; see `addmm`."""
    return _added("addr", input, outer(vec1, vec2), beta, alpha)


@method("trace")
def trace(input: Tensor) -> Tensor:
    """Return the sum of the diagonal of a matrix.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.trace(tg.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    _with_ndim("trace", 2, input=input)
    return sum(diagonal(input))


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return the diagonals of matrices: `tinygrad_cnn.diagonal`, of the last two dimensions."""
    return diagonal(A, offset, dim1, dim2)


@method("vdot")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Return the inner product of two vectors; as `dot`, since numbers here are real."""
    return dot(input, other)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Return the inner products of vectors along `dim`; the other dimensions broadcast.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.vecdot(tg.tensor([[1.0, 2.0], [3.0, 4.0]]), tg.tensor([1.0, 10.0]))
    tensor([21., 43.])
    """
    return sum(mul(x, y), dim)


def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Return the cross products of vectors of three elements along `dim`; the rest broadcasts.

    Raises
    ------
    RuntimeError
        If `dim` is not of size 3 in both, or they have not as many dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.cross(tg.tensor([1.0, 0.0, 0.0]), tg.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    check_tensor("cross", input)
    check_tensor("cross", other, "other")
    axis = normalize_dim("cross", dim, input.ndim)
    sizes = input.shape[axis : axis + 1], other.shape[axis : axis + 1]
    if input.ndim != other.ndim or sizes != ((3,), (3,)):
        raise RuntimeError(
            f"cross: expected as many dimensions in both, and 3 elements in dim {dim}, "
            f"got shapes {input.shape}, {other.shape}"
        )
    # (x × y)[i] = x[i+1] y[i+2] - x[i+2] y[i+1], the indices modulo 3
    return roll(input, -1, dim) * roll(other, -2, dim) - roll(input, -2, dim) * roll(other, -1, dim)


@method("cross")
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Return the cross products along `dim`: the first of size 3, where it is not given.

    Otherwise as `linalg.cross`.
    """
    if dim is None:
        check_tensor("cross", input)
        if 3 not in input.shape:
            raise RuntimeError(f"cross: no dimension of size 3 in shape {input.shape}")
        dim = input.shape.index(3)
    return linalg_cross(input, other, dim=dim)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Return the product of a chain of matrices, in the order that takes the least work.

    Parameters
    ----------
    tensors : sequence of Tensor
        Two or more matrices. The first may be a vector, which is a row; the last, a column.

    Raises
    ------
    RuntimeError
        If there are fewer, or shapes do not match, or dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linalg.multi_dot([tg.ones(2, 3), tg.ones(3, 4), tg.ones(4)])
    tensor([12., 12.])
    """
    count = len(tensors)
    if count < 2:
        raise RuntimeError(f"multi_dot: expected at least 2 tensors, got {count}")
    for i, x in enumerate(tensors):
        check_tensor("multi_dot", x, f"tensors[{i}]")
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, count - 1)):
            raise RuntimeError(f"multi_dot: tensors[{i}] must be a matrix, got shape {x.shape}")
    rows = [1 if x.ndim == 1 and i == 0 else x.shape[0] for i, x in enumerate(tensors)]
    sizes = [*rows, tensors[-1].shape[1] if tensors[-1].ndim == 2 else 1]

    # for tensors i to j: the least number of multiplications, and after which to split
    best: dict[tuple[int, int], tuple[int, int]] = {(i, i): (0, i) for i in range(count)}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            best[i, j] = min(
                (best[i, k][0] + best[k + 1, j][0] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )

    def chain(i: int, j: int) -> Tensor:
        k = best[i, j][1]
        return tensors[i] if i == j else matmul(chain(i, k), chain(k + 1, j))

    return chain(0, count - 1)


# -- linear ------------------------------------------------------------------------------------


@op(formula="x Wᵀ + b")
@quiet
def linear(input: Array, weight: Array, bias: Array | None = None) -> Any:
    """Return ``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor, shape (..., k)
    weight : Tensor, shape (n, k)
    bias : Tensor, shape (n,), optional

    Returns
    -------
    Tensor, shape (..., n)

    Raises
    ------
    RuntimeError
        If shapes do not match or dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, weight = tg.tensor([[1.0, 2.0]]), tg.tensor([[1.0, 0.0], [1.0, 1.0]])
    >>> tg.nn.functional.linear(x, weight, tg.tensor([0.0, 0.5]))
    tensor([[1. , 3.5]])
    """
    if weight.ndim != 2 or not input.ndim or input.shape[-1] != weight.shape[1]:
        raise RuntimeError(
            f"linear: input {input.shape} and weight {weight.shape} do not match: "
            "expected (..., in_features) and (out_features, in_features)"
        )
    _check_dtypes("linear", input, weight)
    result = product(_rows(input), weight.T)
    if bias is not None:
        _check_dtypes("linear", bias, weight)
        if bias.shape != weight.shape[:1]:
            raise RuntimeError(f"linear: bias {bias.shape} does not match weight {weight.shape}")
        result += bias
    return result if input.ndim == 2 else result.reshape(*input.shape[:-1], weight.shape[0])


@linear.gradient("input", fresh=True)
def _(g, weight): return matmul(g, weight)  # [.. n] x [n, k] -> [.. k]


@linear.gradient("weight", fresh=True)
def _(g, input): return matmul(_rows(g).mT, _rows(input))  # [n, ..] x [.., k] -> [n, k]


@linear.gradient("bias")
def _(g, bias_shape): return sum_to_size(g, bias_shape)


@linear.onnx
def _(onnx, input, weight, bias):
    if len(input.shape) == 2:
        return onnx.node("Gemm", input, weight, bias, transB=1)
    product = onnx.node("MatMul", input, onnx.node("Transpose", weight, perm=[1, 0]))
    return product if bias is None else onnx.node("Add", product, bias)


@linear.samples
def _(draw):
    n, k = draw.shape(2, 2)
    bias = draw.array((n,)) if draw.boolean() else None
    return draw.array((*draw.shape(max_dims=2), k)), draw.array((n, k)), bias
