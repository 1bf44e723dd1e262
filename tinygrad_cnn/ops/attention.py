"""Attention."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor
from .activation import softmax
from .dropout import dropout
from .elementwise import where
from .reduce import all
from .shape import repeat_interleave


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return for each query a mean of the values, weighted by how its key agrees with it [1]_.

    ``softmax(query @ key.mT * scale + attn_mask) @ value``.

    Parameters
    ----------
    query : Tensor, shape (..., L, E)
    key : Tensor, shape (..., S, E)
    value : Tensor, shape (..., S, V)
    attn_mask : Tensor, optional
        Broadcast to (..., L, S). Booleans say what takes part; floating values are added to the
        scores. A query that may look at nothing gets 0.
    dropout_p : float
        The probability with which a weight is dropped; 0 in evaluation.
    is_causal : bool
        Let query i see the keys up to i only.
    scale : float, optional
        ``1 / sqrt(E)`` where not given.
    enable_gqa : bool
        Let several heads, dimension -3, of the query share one of key and value.

    Returns
    -------
    Tensor, shape (..., L, V)

    Raises
    ------
    RuntimeError
        If shapes or dtypes do not fit, or there are both `attn_mask` and `is_causal`.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention is all you need", NeurIPS 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> query, key = tg.tensor([[0.0, 0.0]]), tg.ones(2, 2)
    >>> tg.nn.functional.scaled_dot_product_attention(query, key, tg.tensor([[1.0], [2.0]]))
    tensor([[1.5]])
    """
    name = "scaled_dot_product_attention"
    for kind, tensor in (("query", query), ("key", key), ("value", value)):
        check_tensor(name, tensor, kind)
        if tensor.ndim < 2:
            raise RuntimeError(f"{name}: {kind} must be at least 2-d, got {tensor.shape}")
        if tensor.dtype != query.dtype:
            raise RuntimeError(
                f"{name}: {kind} must be {query.dtype} as the query, got {tensor.dtype}"
            )
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(f"{name}: give attn_mask or is_causal, not both")
        attn_mask = Tensor(np.tri(query.shape[-2], key.shape[-2], dtype=bool))
    if enable_gqa:
        key, value = (_shared(name, heads, query.shape[-3]) for heads in (key, value))
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ key.mT
    if attn_mask is not None:
        if attn_mask.dtype == bool:
            scores = where(attn_mask, scores, -math.inf)
        elif attn_mask.dtype == query.dtype:
            scores = scores + attn_mask
        else:
            raise RuntimeError(
                f"{name}: attn_mask must be boolean or {query.dtype}, got {attn_mask.dtype}"
            )
    blind = all(scores == -math.inf, -1, keepdim=True)
    weights = where(blind, 0, softmax(where(blind, 0, scores), -1))
    return dropout(weights, dropout_p) @ value


def _shared(name: str, heads: Tensor, count: int) -> Tensor:
    if heads.ndim < 3 or not heads.shape[-3] or count % heads.shape[-3]:
        raise RuntimeError(f"{name}: {heads.shape} does not divide {count} heads of the query")
    return repeat_interleave(heads, count // heads.shape[-3], -3)
