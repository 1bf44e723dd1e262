"""Losses: from predictions and targets to the number that training makes small."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor

from . import reduce, shape
from .activation import log_softmax
from .elementwise import quiet, square, where


def _check_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _reduced(loss: Any, reduction: str) -> Any:
    if reduction == "none":
        return loss
    return reduce.mean(loss) if reduction == "mean" else reduce.sum(loss)


def mse_loss(input: Array, target: Array, *, reduction: str = "mean") -> Tensor:
    """Return the squared differences, ``(input - target) ** 2``.

    Parameters
    ----------
    input, target : Tensor
        Of one shape. Others that broadcast are taken with a warning: a column less a row is a
        table, which is rarely meant.
    reduction : {"mean", "sum", "none"}
        What is returned: the mean of all elements, their sum, or each.

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast, or both are integers.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.mse_loss(tg.tensor([1.0, 2.0]), tg.tensor([1.0, 4.0]))
    tensor(2.)
    """
    _check_reduction("mse_loss", reduction)
    if input.shape != target.shape:
        warnings.warn(
            f"mse_loss: input {input.shape} and target {target.shape} differ in shape "
            "and are broadcast",
            stacklevel=2,
        )
    difference = input - target
    if difference.dtype.kind != "f":
        raise RuntimeError(f"mse_loss: input must be floating, got {input.dtype}")
    return _reduced(square(difference), reduction)


# -- classes -----------------------------------------------------------------------------------


def _class_dim(name: str, input: Any) -> int:
    if input.ndim == 0:
        raise ValueError(f"{name}: input must have shape (C,) or (N, C, ...), got ()")
    return 1 if input.ndim > 1 else 0


@op(name="nll_loss", constant=("target", "weight"), auxiliary=("scale",))
@quiet
def _nll_loss(
    input: Array,
    target: Array,
    weight: Array = None,
    *,
    ignore_index: int,
    reduction: str,
) -> Any:
    dim = _class_dim("nll_loss", input)
    counted = _check_classes(input, target, weight, dim, ignore_index)
    label = np.where(counted, target, 0)
    picked = np.take_along_axis(input, np.expand_dims(label, dim), dim).squeeze(dim)
    picked = reduce.widened(picked)
    factor = np.where(counted, 1 if weight is None else weight[label], 0).astype(picked.dtype)
    loss = np.where(counted, -picked * factor, 0)
    if reduction == "mean":
        total = np.sum(factor)
        loss, factor = np.sum(loss) / total, np.where(counted, factor / total, 0)
    elif reduction == "sum":
        loss = np.sum(loss)
    return loss.astype(input.dtype), -factor.astype(input.dtype)


@_nll_loss.gradient("input")
def _(g, input_shape, target, scale):
    # -weight (over the sum of all, for the mean) at the target's class, 0 at the others
    dim = 1 if len(input_shape) > 1 else 0
    classes = np.arange(input_shape[dim]).reshape((-1,) + (1,) * (len(input_shape) - dim - 1))
    return where(np.expand_dims(target, dim) == classes, shape.unsqueeze(g * scale, dim), 0)


@_nll_loss.samples
def _(draw):
    classes = draw.integer(1, 4)
    batch = draw.shape()
    input = draw.array((*batch[:1], classes, *batch[1:]))
    target = draw.integers(batch, 0, classes - 1)
    weight = draw.choice([None, draw.array((classes,), 0.1, 2.0)])
    ignored = draw.choice([-100, 1])
    reductions = ["none", "sum"] if np.all(target == ignored) else ["none", "sum", "mean"]
    return input, target, weight, {"ignore_index": ignored, "reduction": draw.choice(reductions)}


def _check_classes(input: Any, target: Any, weight: Any, dim: int, ignore_index: int) -> Any:
    """Check the arguments of `nll_loss`; return which targets are not to be ignored."""
    classes = input.shape[dim]
    if input.dtype.kind != "f":
        raise RuntimeError(f"nll_loss: input must be floating, got {input.dtype}")
    if target.dtype.kind not in "iu":
        raise RuntimeError(f"nll_loss: target must be integer class labels, got {target.dtype}")
    if dim and target.shape[:1] != input.shape[:1]:
        raise ValueError(
            f"nll_loss: input {input.shape} and target {target.shape} differ in batch size"
        )
    expected = (*input.shape[:dim], *input.shape[dim + 1 :])
    if target.shape != expected:
        raise RuntimeError(
            f"nll_loss: input {input.shape} expects a target of shape {expected}, "
            f"got {target.shape}"
        )
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"nll_loss: weight must have shape ({classes},), one for each class, got {weight.shape}"
        )
    counted = np.not_equal(target, ignore_index)
    wrong = target[counted & ((target < 0) | (target >= classes))]
    if wrong.size:
        raise IndexError(
            f"nll_loss: target has the label {wrong[0]}, expected 0 to {classes - 1} "
            f"for {classes} classes"
        )
    return counted


def nll_loss(
    input: Array,
    target: Array,
    weight: Array = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the negative log-likelihood, ``-weight[target] * input[target]``.

    Parameters
    ----------
    input : Tensor
        Log-probabilities, such as `log_softmax` gives, of shape (N, C), (N, C, d1, ...) or (C,).
    target : Tensor
        Integer labels from 0 to C - 1, of shape (N,), (N, d1, ...) or ().
    weight : Tensor, optional
        A weight for each class, (C,). It gets no gradient.
    ignore_index : int
        Targets of this label count for nothing.
    reduction : {"mean", "sum", "none"}
        What is returned: the sum over the sum of the weights that went into it (NaN where there
        are none), the sum, or each.

    Raises
    ------
    IndexError
        If a label is out of range.
    RuntimeError
        If the target is not integer, or a shape or the input's dtype is wrong.
    ValueError
        If the batches differ in size, or `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> logs = tg.tensor([[-0.1, -2.3], [-1.6, -0.2]])
    >>> tg.nn.functional.nll_loss(logs, tg.tensor([0, 1]))
    tensor(0.15)
    """
    _check_reduction("nll_loss", reduction)
    loss, _ = _nll_loss(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    return loss


def cross_entropy(
    input: Array,
    target: Array,
    weight: Array = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross-entropy between scores and the classes that should have had the highest.

    It is `nll_loss` of `log_softmax`, stable for scores of any size.

    Parameters
    ----------
    input : Tensor
        Scores (logits) of shape (N, C), (N, C, d1, ...) or (C,).
    target : Tensor
        Integer labels as in `nll_loss`; or probabilities, floating and of the input's shape.
    weight : Tensor, optional
        A weight for each class, (C,).
    ignore_index : int
        Targets of this label count for nothing; for labels only.
    reduction : {"mean", "sum", "none"}
        As in `nll_loss`; for probabilities, the mean is over the batch.
    label_smoothing : float
        The part of each target that is spread over all classes, from 0 to 1 [1]_.

    Raises
    ------
    IndexError
        If a label is out of range.
    RuntimeError
        If a shape, a dtype, or `label_smoothing` is wrong, or `ignore_index` is given for
        probabilities.
    ValueError
        If the batches differ in size, or `reduction` is none of these.

    References
    ----------
    .. [1] C. Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> scores = tg.tensor([[2.0, 0.0], [0.0, 0.0]])
    >>> tg.nn.functional.cross_entropy(scores, tg.tensor([0, 1]), reduction="none")
    tensor([0.1269, 0.6931])
    """
    _check_reduction("cross_entropy", reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be 0 to 1, got {label_smoothing}")
    dim = _class_dim("cross_entropy", input)
    classes = input.shape[dim]
    logs = log_softmax(input, dim)
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight must have shape ({classes},), one for each class, "
            f"got {weight.shape}"
        )
    weighted = logs
    if weight is not None:
        weighted = logs * shape.reshape(weight, (-1,) + (1,) * (input.ndim - dim - 1))

    if target.shape == input.shape:
        if target.dtype.kind != "f":
            raise RuntimeError(
                f"cross_entropy: a target of the input's shape {input.shape} holds probabilities "
                f"and must be floating, got {target.dtype}"
            )
        if ignore_index >= 0:
            raise RuntimeError("cross_entropy: ignore_index is for labels, not for probabilities")
        if label_smoothing:
            target = target * (1 - label_smoothing) + label_smoothing / classes
        return _reduced(-reduce.sum(weighted * target, dim), reduction)

    loss = nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
    if not label_smoothing:
        return loss
    counted = target != ignore_index
    spread = where(counted, -reduce.sum(weighted, dim), 0)
    if reduction == "sum":
        spread = reduce.sum(spread)
    elif reduction == "mean":
        shares = counted if weight is None else where(counted, weight[where(counted, target, 0)], 0)
        spread = reduce.sum(spread) / reduce.sum(shares)
    return (1 - label_smoothing) * loss + label_smoothing / classes * spread
