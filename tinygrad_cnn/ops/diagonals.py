"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, method, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dim
from .shape import clone


@op(method=True, view=True)
def diagonal(input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a view of the diagonals of the planes of two dimensions, as a new last dimension.

    Parameters
    ----------
    input : Tensor
    offset : int
        How far above the main diagonal.
    dim1, dim2 : int

    Raises
    ------
    IndexError
        If there is no such dimension.
    RuntimeError
        If both are the same.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diagonal(tg.arange(6).reshape(2, 3), 1)
    tensor([1, 5])
    """
    first, second = _plane("diagonal", input.ndim, dim1, dim2)
    result = input.diagonal(offset, first, second)
    if input.flags.writeable:
        result.flags.writeable = True
    return result


@diagonal.gradient("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


@op
def diagonal_backward(
    g: Array, shape: tuple[int, ...], offset: int, dim1: int, dim2: int
) -> Any:
    """Return zeros of `shape` with `g` on its diagonals: the gradient of `diagonal`."""
    result = np.zeros(shape, g.dtype)
    diagonal(result, offset, dim1, dim2)[...] = g
    return result


@diagonal_backward.gradient("g")
def _(g, offset, dim1, dim2): return diagonal(g, offset, dim1, dim2)


def _draw_plane(draw: Any) -> Any:
    shape = draw.shape(min_dims=2)
    first, second = (int(dim) for dim in draw.rng.permutation(len(shape))[:2])
    return shape, draw.integer(-2, 2), first - len(shape) * draw.boolean(), second


@diagonal.samples
def _(draw):
    shape, *options = _draw_plane(draw)
    return draw.array(shape), *options


@diagonal_backward.samples
def _(draw):
    shape, *options = _draw_plane(draw)
    return draw.array(diagonal(np.empty(shape), *options).shape), shape, *options


def _plane(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = normalize_dim(name, dim1, ndim), normalize_dim(name, dim2, ndim)
    if first == second:
        raise RuntimeError(f"{name}: dim1 and dim2 must differ, got {dim1} and {dim2}")
    return first, second


@method("diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Return zeros with the last dimension of `input` on the diagonals of a plane `dim1`, `dim2`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diag_embed(tg.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    check_tensor("diag_embed", input)
    if input.ndim == 0:
        raise RuntimeError("diag_embed: expected at least 1 dimension, got a 0-d tensor")
    first, second = sorted(_plane("diag_embed", input.ndim + 1, dim1, dim2))
    shape, side = list(input.shape[:-1]), input.shape[-1] + abs(offset)
    shape.insert(first, side)
    shape.insert(second, side)
    return diagonal_backward(input, tuple(shape), offset, dim1, dim2)


@method("diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """Return a vector as the diagonal of a matrix, or a copy of the diagonal of a matrix.

    Raises
    ------
    RuntimeError
        If it is neither.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.diag(tg.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    check_tensor("diag", input)
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag: expected a vector or a matrix, got shape {input.shape}")
    return diag_embed(input, diagonal) if input.ndim == 1 else clone(_diagonal_of(input, diagonal))


_diagonal_of = diagonal  # `diag` has an argument of this name


@op(method=True, inplace=True)
def tril(input: Array, diagonal: int = 0) -> Any:
    """Return the lower triangle of matrices, up to a diagonal, and 0 above."""
    return np.tril(_matrices("tril", input), diagonal)


@tril.gradient("input")
def _(g, diagonal): return tril(g, diagonal)


@op(method=True, inplace=True)
def triu(input: Array, diagonal: int = 0) -> Any:
    """Return the upper triangle of matrices, from a diagonal on, and 0 below."""
    return np.triu(_matrices("triu", input), diagonal)


@triu.gradient("input")
def _(g, diagonal): return triu(g, diagonal)


@tril.samples
@triu.samples
def _(draw): return draw.array(draw.shape(min_dims=2)), draw.integer(-2, 2)


def _matrices(name: str, input: Any) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: expected at least 2 dimensions, got shape {input.shape}")
    return input
