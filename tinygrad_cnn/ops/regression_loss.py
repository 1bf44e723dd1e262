"""Losses of regression: how far numbers are from those they should be."""

from __future__ import annotations

import math
import warnings

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.op import Array
from tinygrad_cnn.core.tensor import Tensor, as_array

from . import reduce, shape
from ._dims import check_tensors
from ._reduction import check_reduction, reduced
from .elementwise import abs, clamp, exp, log, square, where


def _difference(name: str, input: Array, target: Array) -> Tensor:
    check_tensors(name, input=input, target=target)
    if input.shape != target.shape:
        warnings.warn(
            f"{name}: input {input.shape} and target {target.shape} differ in shape "
            "and are broadcast",
            stacklevel=3,
        )
    difference: Tensor = input - target
    if difference.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must be floating, got {input.dtype}")
    return difference


def _weighted(name: str, loss: Tensor, weight: Tensor, input: Array) -> Tensor:
    if weight.shape != input.shape:
        raise ValueError(
            f"{name}: weight {weight.shape} must have the shape of input {input.shape}"
        )
    return loss * weight


def _weighted_mean(
    name: str, loss: Tensor, weight: Tensor | None, input: Array, reduction: str
) -> Tensor:
    """Reduce `loss`, weighted; the mean is over the sum of the weights."""
    if weight is not None:
        loss = _weighted(name, loss, weight, input)
        if reduction == "mean":
            return reduce.sum(loss) / reduce.sum(weight)
    return reduced(name, loss, reduction)


def mse_loss(
    input: Array, target: Array, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """Return the squared differences, ``(input - target) ** 2``.

    Parameters
    ----------
    input, target : Tensor
        Of one shape. Others that broadcast are taken with a warning: a column less a row is a
        table, which is rarely meant.
    reduction : {"mean", "sum", "none"}
        What is returned: the mean of all elements, their sum, or each.
    weight : Tensor, optional
        Of the input's shape: how much each difference counts.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast, or both are integers.
    ValueError
        If `reduction` is none of these, or `weight` has another shape.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    loss = square(_difference("mse_loss", input, target))
    return _weighted_mean("mse_loss", loss, weight, input, reduction)


def l1_loss(
    input: Array, target: Array, *, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """Return the absolute differences, ``abs(input - target)``; otherwise as `mse_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.l1_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(1.)
    """
    loss = abs(_difference("l1_loss", input, target))
    return _weighted_mean("l1_loss", loss, weight, input, reduction)


def _huber(difference: Tensor, delta: float) -> Tensor:
    # d² / 2 up to delta, where c = d; then delta (|d| - delta / 2)
    capped = clamp(difference, -delta, delta)
    return capped * (difference - capped * 0.5)


def huber_loss(
    input: Array,
    target: Array,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return half the squared difference, from `delta` on growing only linearly [1]_.

    Parameters
    ----------
    input, target : Tensor
        Of one shape; others that broadcast are taken with a warning.
    reduction : {"mean", "sum", "none"}
    delta : float
        Positive.
    weight : Tensor, optional
        Of the input's shape. The mean is over the number of elements all the same.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast, both are integers, or `delta` is not positive.
    ValueError
        If `reduction` is none of these, or `weight` has another shape.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", 1964.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([0.0, 1.0, 3.0])
    >>> tg.nn.functional.huber_loss(x, tg.zeros(3), reduction="none")
    tensor([0. , 0.5, 2.5])
    """
    if delta <= 0:
        raise RuntimeError(f"huber_loss: delta must be positive, got {delta}")
    loss = _huber(_difference("huber_loss", input, target), delta)
    if weight is not None:
        loss = _weighted("huber_loss", loss, weight, input)
    return reduced("huber_loss", loss, reduction)


def smooth_l1_loss(
    input: Array, target: Array, *, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """Return `huber_loss` divided by its delta, here `beta`; `l1_loss` where that is 0.

    Raises
    ------
    RuntimeError
        If `beta` is negative, or as in `huber_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([0.0, 1.0, 3.0])
    >>> tg.nn.functional.smooth_l1_loss(x, tg.zeros(3), reduction="none", beta=2.0)
    tensor([0.  , 0.25, 2.  ])
    """
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: beta must not be negative, got {beta}")
    difference = _difference("smooth_l1_loss", input, target)
    loss = _huber(difference, beta) / beta if beta else abs(difference)
    return reduced("smooth_l1_loss", loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood of counts by Poisson distributions.

    ``exp(input) - target * input``, up to a constant that depends on the target only.

    Parameters
    ----------
    input : Tensor
        The logarithm of the expected count, or without `log_input` the expected count.
    target : Tensor
        Counts.
    log_input : bool
    full : bool
        Add the constant, by Stirling's approximation, where the target is greater than 1.
    eps : float
        Added to an expected count before its logarithm is taken.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.poisson_nll_loss(tg.tensor([0.0, 1.0]), tg.tensor([3.0, 0.0]))
    tensor(1.8591)
    """
    check_tensors("poisson_nll_loss", input=input, target=target)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        counted = target > 1
        count = where(counted, target, 1)
        stirling = count * log(count) - count + 0.5 * log(2 * math.pi * count)
        loss = loss + where(counted, stirling, 0)
    return reduced("poisson_nll_loss", loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood by normal distributions [1]_.

    ``(log(var) + (input - target) ** 2 / var) / 2``, up to a constant.

    Parameters
    ----------
    input, target : Tensor
        The expected values, and those that came.
    var : Tensor or float
        The variances: of the input's shape, or that without its last dimension, or with a single
        1 in it.
    full : bool
        Add the constant, ``log(2 π) / 2``.
    eps : float
        What `var` is raised to where it is less; its gradient takes no notice.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If a variance is negative, `var` has another shape, or `reduction` is none of these.

    References
    ----------
    .. [1] D. A. Nix, A. S. Weigend, "Estimating the mean and variance of the target probability
       distribution", 1994.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.gaussian_nll_loss(tg.zeros(2), tg.tensor([0.0, 2.0]), tg.ones(2))
    tensor(1.)
    """
    check_tensors("gaussian_nll_loss", input=input, target=target)
    check_reduction("gaussian_nll_loss", reduction)
    variance = var if isinstance(var, Tensor) else input.detach() * 0 + var
    if (as_array(variance) < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative elements")
    if variance.shape != input.shape:
        if variance.shape == input.shape[:-1]:
            variance = shape.unsqueeze(variance, -1)
        elif variance.ndim != input.ndim or [
            n for n, m in zip(variance.shape, input.shape, strict=True) if n != m
        ] != [1]:
            raise ValueError(
                f"gaussian_nll_loss: var {variance.shape} does not fit input {input.shape}"
            )
    variance = shape.clone(variance)
    with no_grad():
        variance.clamp_(min=eps)
    loss = 0.5 * (log(variance) + square(input - target) / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced("gaussian_nll_loss", loss, reduction)
