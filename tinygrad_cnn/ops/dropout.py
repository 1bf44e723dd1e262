"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import default_generator

from .elementwise import where


@op(name="dropout", constant=("mask",), formula="mask · x / (1 - p)")
def _dropout(input: Array, mask: Array, p: float) -> Any:
    return where(mask, input * (1 / (1 - p)) if p < 1 else input, 0)


@_dropout.gradient("input")
def _(g, mask, p): return _dropout(g, mask, p)


@_dropout.samples
def _(draw):
    shape = draw.shape()
    return draw.array(shape), draw.mask(shape), draw.choice([0.5, 0.0, 0.9])


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero each element with probability `p`, and divide the others by ``1 - p`` [1]_.

    Parameters
    ----------
    input : Tensor
        Of any shape; floating.
    p : float
    training : bool
        If False, the input is returned as it is.
    inplace : bool
        Accepted, but the result is always a new tensor.

    Returns
    -------
    Tensor
        Of the same shape and dtype. A dropped infinity or NaN is 0 too.

    Raises
    ------
    ValueError
        If `p` is not a probability.
    RuntimeError
        If the dtype is not a floating one.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
       overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> tg.nn.functional.dropout(tg.ones(4))
    tensor([2., 2., 2., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability between 0 and 1, got {p}")
    if not training or p == 0:
        return input
    if input.dtype.kind != "f":
        raise RuntimeError(f"dropout: input must have a floating dtype, got {input.dtype}")
    return _dropout(input, default_generator.numpy.random(input.shape, np.float32) >= p, p)
