"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import default_generator

from ._dims import check_tensor
from .activation import SELU_ALPHA, SELU_SCALE
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
    return _dropped("dropout", input, p, training)


def _dropped(
    name: str, input: Tensor, p: float, training: bool, leading: int | None = None
) -> Tensor:
    mask = _mask(name, input, p, training, leading)
    return input if mask is None else _dropout(input, mask, p)


def _mask(
    name: str, input: Tensor, p: float, training: bool, leading: int | None
) -> np.ndarray | None:
    """Return which places in the `leading` dimensions (None: all) are kept; None if every one."""
    check_tensor(name, input)
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be a probability between 0 and 1, got {p}")
    if not training or p == 0:
        return None
    if leading is None:
        leading = input.ndim
    if input.ndim < leading:
        raise RuntimeError(f"{name}: input must be (N, C, ...), got shape {input.shape}")
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must have a floating dtype, got {input.dtype}")
    sizes = (*input.shape[:leading], *(1,) * (input.ndim - leading))
    return default_generator.numpy.random(sizes, np.float32) >= p


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero each channel as a whole with probability `p`, and divide the others by ``1 - p`` [1]_.

    The elements of a channel are much alike: what `dropout` zeroes, its neighbours would tell.

    Parameters
    ----------
    input : Tensor
        (N, C, L) or (C, L).
    p, training, inplace
        As in `dropout`.

    Raises
    ------
    ValueError
        If `p` is not a probability.
    RuntimeError
        If the input has other dimensions, or no floating dtype.

    References
    ----------
    .. [1] J. Tompson et al., "Efficient object localization using convolutional networks",
       CVPR 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> tg.nn.functional.dropout1d(tg.ones(1, 4, 2))
    tensor([[[2., 2.],
             [2., 2.],
             [2., 2.],
             [0., 0.]]])
    """
    check_tensor("dropout1d", input)
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: input must be (N, C, L) or (C, L), got {input.shape}")
    return _dropped("dropout1d", input, p, training, input.ndim - 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop out channels of (N, C, H, W), as `dropout1d`.

    The first two dimensions are N and C, whatever follows.
    """
    return _dropped("dropout2d", input, p, training, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Drop out channels of (N, C, D, H, W), or (C, D, H, W), as `dropout1d`."""
    check_tensor("dropout3d", input)
    return _dropped("dropout3d", input, p, training, 1 if input.ndim == 4 else 2)


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Drop out elements such that mean 0 and variance 1 stay, as after `selu` [1]_.

    What is dropped takes the value of `selu` at minus infinity; then all are scaled and shifted.

    Parameters
    ----------
    input : Tensor
        Of any shape; floating.
    p, training, inplace
        As in `dropout`.

    Raises
    ------
    ValueError
        If `p` is not a probability.
    RuntimeError
        If the dtype is not a floating one.

    References
    ----------
    .. [1] G. Klambauer et al., "Self-normalizing neural networks", NeurIPS 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0)
    >>> tg.nn.functional.alpha_dropout(tg.zeros(4), training=True)
    tensor([ 0.7792,  0.7792,  0.7792, -0.7792])
    """
    return _alpha_dropped("alpha_dropout", input, p, training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Drop out channels of (N, C, ...) as a whole, as `alpha_dropout` does elements."""
    return _alpha_dropped("feature_alpha_dropout", input, p, training, 2)


def _alpha_dropped(
    name: str, input: Tensor, p: float, training: bool, leading: int | None = None
) -> Tensor:
    mask = _mask(name, input, p, training, leading)
    if mask is None:
        return input
    if p == 1:
        return where(mask, input, 0)
    # of variance 1 before: (1 - p) + p (1 - p) low² after
    low = -SELU_SCALE * SELU_ALPHA
    scale = ((1 - p) * (1 + p * low**2)) ** -0.5
    return where(mask, input * scale, low * scale) - p * low * scale
