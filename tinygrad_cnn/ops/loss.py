"""Losses of classification: scores against the class, or the classes, that are right."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor, as_array

from . import reduce, shape
from ._dims import check_tensors
from ._reduction import check_reduction, reduced
from .activation import log_softmax, logsigmoid
from .along_dim import gather
from .elementwise import clamp, exp, log, log1p, quiet, square, where
from .math import xlogy

# -- one class of several ----------------------------------------------------------------------


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
    if input.ndim == 2:
        picked = input[np.arange(len(label)), label]
    else:
        picked = np.take_along_axis(input, np.expand_dims(label, dim), dim).squeeze(dim)
    picked = reduce.widened(picked)
    factor = counted if weight is None else np.where(counted, weight[label], 0)
    factor = factor.astype(picked.dtype)
    loss = np.where(counted, -picked * factor, 0)
    if reduction == "mean":
        total = factor.sum()
        loss, factor = loss.sum() / total, np.where(counted, factor / total, 0)
    elif reduction == "sum":
        loss = loss.sum()
    return loss.astype(input.dtype), -factor.astype(input.dtype)


@_nll_loss.gradient("input")
def _(g, input_shape, target, scale):
    # -weight (over the sum of all, for the mean) at the target's class, 0 at the others
    dim = 1 if len(input_shape) > 1 else 0
    classes = np.arange(input_shape[dim]).reshape((-1,) + (1,) * (len(input_shape) - dim - 1))
    chosen = shape.unsqueeze(target, dim) == classes
    return where(chosen, shape.unsqueeze(g * scale, dim), 0)


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
    check_reduction("nll_loss", reduction)
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
    check_tensors("cross_entropy", input=input, target=target)
    check_reduction("cross_entropy", reduction)
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
        return reduced("cross_entropy", -reduce.sum(weighted * target, dim), reduction)

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


def kl_div(
    input: Tensor, target: Tensor, *, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """Return the Kullback-Leibler divergence, ``target * (log(target) - input)``.

    Parameters
    ----------
    input : Tensor
        Log-probabilities.
    target : Tensor
        Probabilities, or with `log_target` their logarithms.
    reduction : {"mean", "batchmean", "sum", "none"}
        "batchmean" is the divergence as it is defined: the sum over the number of samples.
        "mean" divides by that of all elements, and warns.
    log_target : bool

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> logs = tg.log(tg.tensor([[0.5, 0.5]]))
    >>> tg.nn.functional.kl_div(logs, tg.tensor([[1.0, 0.0]]), reduction="batchmean")
    tensor(0.6931)
    """
    check_tensors("kl_div", input=input, target=target)
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction='mean' divides by the number of all elements; "
            "'batchmean' is the Kullback-Leibler divergence",
            stacklevel=2,
        )
    if log_target:
        loss = exp(target) * (target - input)
    else:
        loss = xlogy(target, target) - target * input
    if reduction == "batchmean":
        return reduce.sum(loss) / (input.shape[0] if input.ndim else 1)
    return reduced("kl_div", loss, reduction)


@quiet  # of an infinite score less itself
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return by how much the wrong scores are not `margin` below the right one.

    For the scores x of a sample of class y, it is the sum of ``max(0, margin - x[y] + x[i]) ** p``
    over all other classes i, divided by the number of classes.

    Parameters
    ----------
    input : Tensor
        Scores of shape (N, C) or (C,).
    target : Tensor
        Integer labels from 0 to C - 1, of shape (N,) or ().
    p : {1, 2}
    margin : float
    weight : Tensor, optional
        A weight for each class, (C,); that of the right one counts.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    IndexError
        If a label is out of range.
    RuntimeError
        If a shape is wrong.
    ValueError
        If `p` or `reduction` is none of these, or `weight` is not 1-d.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.multi_margin_loss(tg.tensor([[2.0, 1.5, 0.0]]), tg.tensor([0]))
    tensor(0.1667)
    """
    check_tensors("multi_margin_loss", input=input, target=target)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2, got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"multi_margin_loss: weight must be 1-d, got shape {weight.shape}")
    classes = input.shape[-1] if input.ndim else 1
    labels = input.shape[0] if input.ndim == 2 else 1
    fits = input.ndim < 3 and classes and target.ndim < 2 and target.numel() == labels
    if not fits or (weight is not None and weight.shape != (classes,)):
        raise RuntimeError(
            "multi_margin_loss: expected input (N, C) and target (N,), or (C,) and (), and weight "
            f"(C,); got {input.shape}, {target.shape}"
            + ("" if weight is None else f", {weight.shape}")
        )
    input = shape.reshape(input, (*input.shape[:-1], classes))
    label = shape.reshape(target, (*input.shape[:-1], 1))
    hinge = input - gather(input, -1, label) + margin
    hinge = where((hinge > 0) & (label != np.arange(classes)), hinge, 0)
    if p == 2:
        hinge = square(hinge)
    if weight is not None:
        hinge = hinge * weight[label]
    return reduced("multi_margin_loss", reduce.mean(hinge, -1), reduction)


# -- any number of classes ---------------------------------------------------------------------


@op(name="binary_cross_entropy", promote="float", formula="-y log x - (1 - y) log(1 - x)")
@quiet
def _binary_cross_entropy(input: Array, target: Array) -> Any:
    if not np.all((input >= 0) & (input <= 1)):
        raise RuntimeError("binary_cross_entropy: input must be probabilities from 0 to 1")
    yes, no = np.log(input), np.log1p(-input)
    return (target - 1) * np.maximum(no, -100) - target * np.maximum(yes, -100)


@_binary_cross_entropy.gradient("input")
def _(g, input, target):
    smallest = max(1e-12, float(np.finfo(input.dtype).tiny))
    return g * ((input - target) / clamp(input * (1 - input), smallest))


@_binary_cross_entropy.gradient("target")
@quiet
def _(g, input): return g * (clamp(log1p(-input), -100) - clamp(log(input), -100))


@_binary_cross_entropy.samples
def _(draw):
    full = draw.shape()
    return draw.array(full, 0.1, 0.9), draw.array(full, 0, 1)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the cross-entropy of probabilities, each by itself, of a yes.

    ``-(target * log(input) + (1 - target) * log(1 - input))``, where a logarithm is at least
    -100. With scores, `binary_cross_entropy_with_logits` is more exact.

    Parameters
    ----------
    input, target : Tensor
        Of one shape. The input must be from 0 to 1, such as `sigmoid` gives.
    weight : Tensor, optional
        Broadcast with them.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the input is not from 0 to 1.
    ValueError
        If the shapes differ, or `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.binary_cross_entropy(tg.tensor([0.5, 1.0]), tg.tensor([1.0, 1.0]))
    tensor(0.3466)
    """
    _check_same_shape("binary_cross_entropy", input, target)
    loss = _binary_cross_entropy(input, target)
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the cross-entropy of scores (logits), each by itself, of a yes.

    It is `binary_cross_entropy` of ``sigmoid(input)``, exact for scores of any size.

    Parameters
    ----------
    input, target : Tensor
        Of one shape.
    weight : Tensor, optional
        Broadcast with them.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        Times which a yes counts; broadcast with them.

    Raises
    ------
    RuntimeError
        If shapes do not broadcast.
    ValueError
        If input and target differ in shape, or `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> scores, target = tg.tensor([0.0, 1e4]), tg.tensor([1.0, 0.0])
    >>> tg.nn.functional.binary_cross_entropy_with_logits(scores, target, reduction="none")
    tensor([6.9315e-01, 1.0000e+04])
    """
    _check_same_shape("binary_cross_entropy_with_logits", input, target)
    loss = _logit_loss(input, target, pos_weight)
    if weight is not None:
        loss = loss * weight
    return reduced("binary_cross_entropy_with_logits", loss, reduction)


def _check_same_shape(name: str, input: Tensor, target: Tensor) -> None:
    check_tensors(name, input=input, target=target)
    if input.shape != target.shape:
        raise ValueError(f"{name}: input {input.shape} and target {target.shape} differ in shape")


def _logit_loss(input: Tensor, target: Tensor, pos_weight: Tensor | None = None) -> Tensor:
    yes = target if pos_weight is None else target * pos_weight
    return -(yes * logsigmoid(input) + (1 - target) * logsigmoid(-input))


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return `binary_cross_entropy_with_logits`, averaged over the classes: the last dimension.

    Parameters
    ----------
    input, target : Tensor
        (N, C) or (C,).
    weight : Tensor, optional
        A weight for each class, (C,).
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    RuntimeError
        If the shapes do not broadcast.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.multilabel_soft_margin_loss(tg.zeros(1, 2), tg.ones(1, 2))
    tensor(0.6931)
    """
    check_tensors("multilabel_soft_margin_loss", input=input, target=target)
    loss = _logit_loss(input, target)
    if weight is not None:
        loss = loss * weight
    return reduced("multilabel_soft_margin_loss", reduce.mean(loss, -1), reduction)


def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return ``log(1 + exp(-target * input))``, for targets of 1 and -1; stable for any input.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.soft_margin_loss(tg.tensor([0.0, 1e4]), tg.tensor([1.0, -1.0]))
    tensor(5000.3467)
    """
    check_tensors("soft_margin_loss", input=input, target=target)
    return reduced("soft_margin_loss", -logsigmoid(target * input), reduction)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """Return `input` where the target is 1, and ``max(0, margin - input)`` where it is -1.

    The input is how far two things are from each other, the target whether they belong together.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> far, target = tg.tensor([0.2, 0.2, 3.0]), tg.tensor([1, -1, -1])
    >>> tg.nn.functional.hinge_embedding_loss(far, target, reduction="none")
    tensor([0.2, 0.8, 0. ])
    """
    check_tensors("hinge_embedding_loss", input=input, target=target)
    loss = where(target != -1, input, 0) + where(target != 1, clamp(margin - input, 0), 0)
    return reduced("hinge_embedding_loss", loss, reduction)


@quiet  # as above
def multilabel_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return by how much the wrong scores are not 1 below the right ones.

    For the scores x of a sample, it is the sum of ``max(0, 1 - x[j] + x[i])`` over each right
    class j and each wrong one i, divided by the number of classes.

    Parameters
    ----------
    input : Tensor
        Scores of shape (N, C) or (C,).
    target : Tensor
        Integers, of the same shape: the right classes of each sample, then -1.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    IndexError
        If a label is out of range.
    RuntimeError
        If a shape is wrong.
    ValueError
        If `reduction` is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> scores, target = tg.tensor([0.1, 0.2, 0.4, 0.8]), tg.tensor([3, 0, -1, 1])
    >>> tg.nn.functional.multilabel_margin_loss(scores, target)
    tensor(0.85)
    """
    check_tensors("multilabel_margin_loss", input=input, target=target)
    classes = input.shape[-1] if input.ndim else 1
    if input.ndim > 2 or not classes or target.numel() != input.numel():
        raise RuntimeError(
            "multilabel_margin_loss: expected input and target (N, C) or (C,), "
            f"got {input.shape} and {target.shape}"
        )
    rows = (*input.shape[:-1], classes)
    input, target = shape.reshape(input, rows), shape.reshape(target, rows)
    right = np.logical_and.accumulate(as_array(target) >= 0, axis=-1)
    label = where(right, target, 0)
    picked = gather(input, -1, label)  # [.., J]
    wrong = ~reduce.any((label[..., None] == np.arange(classes)) & right[..., None], -2)
    table = 1 - picked[..., None] + input[..., None, :]  # [.., J, I]
    table = where((table > 0) & right[..., None] & wrong[..., None, :], table, 0)
    loss = reduce.sum(table, (-2, -1)) / classes
    return reduced("multilabel_margin_loss", loss, reduction)
