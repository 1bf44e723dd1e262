"""Embedding: rows of a table, looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor, as_array, changed_in_place

from ._dims import check_tensors
from .elementwise import where
from .indexing import getitem_backward


@op(name="embedding", constant=("input",), formula="w[x]")
def _embedding(
    input: Array, weight: Array, padding_idx: int | None, scale_grad_by_freq: bool
) -> Any:
    return weight[input]


@_embedding.gradient("weight")
def _(g, input, weight_shape, padding_idx, scale_grad_by_freq):
    if padding_idx is not None:
        g = where(np.not_equal(input, padding_idx)[..., None], g, 0)
    if scale_grad_by_freq:
        counts = np.bincount(np.ravel(input), minlength=weight_shape[0])[input]
        g = g / counts[..., None].astype(g.dtype)
    return getitem_backward(g, (input,), weight_shape)


@_embedding.onnx
def _(onnx, input, weight): return onnx.node("Gather", weight, input)


@_embedding.samples
def _(draw):
    rows, columns = draw.shape(2, 2)
    input = draw.integers(draw.shape(), 0, rows - 1)
    return input, draw.array((rows, columns)), None, False


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of `weight` that `input` numbers.

    Parameters
    ----------
    input : Tensor
        Integers, of any shape.
    weight : Tensor, shape (num_embeddings, embedding_dim)
    padding_idx : int, optional
        A row that gets no gradient.
    max_norm : float, optional
        Rows that are looked up and longer than this are first shortened to it, in place.
    norm_type : float
        The order of the norm that measures them.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often it was looked up.
    sparse : bool
        Must be False: gradients are dense.

    Returns
    -------
    Tensor, shape (*input.shape, embedding_dim)

    Raises
    ------
    IndexError
        If there is no such row.
    RuntimeError
        If the input is not integer, `weight` is no matrix, or `padding_idx` is out of range.
    NotImplementedError
        If `sparse` is asked for.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> table = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.nn.functional.embedding(tg.tensor([1, 1, 0]), table)
    tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    check_tensors("embedding", input=input, weight=weight)
    if sparse:
        raise NotImplementedError("embedding: gradients are dense; sparse must be False")
    if input.dtype.kind not in "iu":
        raise RuntimeError(f"embedding: input must be integer, got {input.dtype}")
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: weight must be a matrix, got shape {weight.shape}")
    rows = weight.shape[0]
    numbers = as_array(input)
    wrong = numbers[(numbers < 0) | (numbers >= rows)]
    if wrong.size:
        raise IndexError(f"embedding: input has {wrong[0]}, expected 0 to {rows - 1}")
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise RuntimeError(f"embedding: padding_idx {padding_idx} is none of {rows} rows")
        padding_idx %= rows
    if max_norm is not None:
        _shorten(weight, np.unique(numbers), max_norm, norm_type)
    return _embedding(input, weight, padding_idx, scale_grad_by_freq)


def _shorten(weight: Tensor, used: np.ndarray, max_norm: float, norm_type: float) -> None:
    norms = np.linalg.norm(weight.data[used], norm_type, axis=1)
    long = norms > max_norm
    weight.data[used[long]] *= (max_norm / (norms[long] + 1e-7))[:, None]
    changed_in_place(weight)
