"""Losses as modules: each holds the options of the function it is named after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F
from .module import Module


class _Loss(Module):
    _function: Callable[..., Tensor]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = tuple(options)
        for name, value in options.items():
            if name in ("weight", "pos_weight"):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Return the loss: what the function of this name does with the options."""
        options = {name: getattr(self, name) for name in self._options}
        return type(self)._function(*inputs, **named, **options)


class CrossEntropyLoss(_Loss):
    """Softmax and negative log-likelihood in one; see `functional.cross_entropy`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.CrossEntropyLoss()(tg.zeros(3, 10), tg.tensor([0, 1, 2]))
    tensor(2.3026)
    """

    _function = F.cross_entropy

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            weight=weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )


class NLLLoss(_Loss):
    """Negative log-likelihood of log-probabilities; see `functional.nll_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.NLLLoss()(tg.tensor([[-1.0, -2.0]]), tg.tensor([1]))
    tensor(2.)
    """

    _function = F.nll_loss

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(weight=weight, ignore_index=ignore_index, reduction=reduction)


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence, of log-probabilities; see `functional.kl_div`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.KLDivLoss(reduction="batchmean")(tg.zeros(1, 2), tg.tensor([[1.0, 0.0]]))
    tensor(0.)
    """

    _function = F.kl_div

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction=reduction, log_target=log_target)


class MultiMarginLoss(_Loss):
    """By how much wrong scores are not below the right one; see `functional.multi_margin_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MultiMarginLoss()(tg.tensor([[2.0, 1.5]]), tg.tensor([0]))
    tensor(0.25)
    """

    _function = F.multi_margin_loss

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(p=p, margin=margin, weight=weight, reduction=reduction)


class BCELoss(_Loss):
    """Cross-entropy of probabilities of a yes; see `functional.binary_cross_entropy`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.BCELoss()(tg.tensor([0.5]), tg.tensor([1.0]))
    tensor(0.6931)
    """

    _function = F.binary_cross_entropy

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight=weight, reduction=reduction)


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of scores of a yes; see `functional.binary_cross_entropy_with_logits`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.BCEWithLogitsLoss()(tg.tensor([0.0]), tg.tensor([1.0]))
    tensor(0.6931)
    """

    _function = F.binary_cross_entropy_with_logits

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight=weight, reduction=reduction, pos_weight=pos_weight)


class MultiLabelSoftMarginLoss(_Loss):
    """Cross-entropy of scores of a yes, averaged over the classes; see `functional.multilabel_soft_margin_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MultiLabelSoftMarginLoss()(tg.zeros(1, 2), tg.ones(1, 2))
    tensor(0.6931)
    """

    _function = F.multilabel_soft_margin_loss

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(weight=weight, reduction=reduction)


class SoftMarginLoss(_Loss):
    """``log(1 + exp(-target * input))``; see `functional.soft_margin_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.SoftMarginLoss()(tg.tensor([0.0]), tg.tensor([-1.0]))
    tensor(0.6931)
    """

    _function = F.soft_margin_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class HingeEmbeddingLoss(_Loss):
    """Distances, or how much they are below the margin; see `functional.hinge_embedding_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.HingeEmbeddingLoss()(tg.tensor([0.25]), tg.tensor([-1]))
    tensor(0.75)
    """

    _function = F.hinge_embedding_loss

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class MultiLabelMarginLoss(_Loss):
    """By how much wrong scores are not below the right ones; see `functional.multilabel_margin_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MultiLabelMarginLoss()(tg.tensor([0.0, 0.5]), tg.tensor([1, -1]))
    tensor(0.25)
    """

    _function = F.multilabel_margin_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class MSELoss(_Loss):
    """Mean squared error; see `functional.mse_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MSELoss()(tg.tensor([1.0, 2.0]), tg.tensor([0.0, 0.0]))
    tensor(2.5)
    """

    _function = F.mse_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class L1Loss(_Loss):
    """Mean absolute error; see `functional.l1_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.L1Loss()(tg.tensor([1.0, 2.0]), tg.tensor([0.0, 0.0]))
    tensor(1.5)
    """

    _function = F.l1_loss

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class SmoothL1Loss(_Loss):
    """Squared error near 0, absolute error further off; see `functional.smooth_l1_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.SmoothL1Loss()(tg.tensor([1.0, 2.0]), tg.tensor([0.0, 0.0]))
    tensor(1.)
    """

    _function = F.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction, beta=beta)


class HuberLoss(_Loss):
    """Squared error near 0, growing linearly further off; see `functional.huber_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.HuberLoss()(tg.tensor([1.0, 2.0]), tg.tensor([0.0, 0.0]))
    tensor(1.)
    """

    _function = F.huber_loss

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction, delta=delta)


class PoissonNLLLoss(_Loss):
    """Negative log-likelihood of counts; see `functional.poisson_nll_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.PoissonNLLLoss()(tg.tensor([0.0]), tg.tensor([3.0]))
    tensor(1.)
    """

    _function = F.poisson_nll_loss

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__(log_input=log_input, full=full, eps=eps, reduction=reduction)


class GaussianNLLLoss(_Loss):
    """Negative log-likelihood by normal distributions; see `functional.gaussian_nll_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.GaussianNLLLoss()(tg.zeros(1), tg.tensor([2.0]), tg.ones(1))
    tensor(2.)
    """

    _function = F.gaussian_nll_loss

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(full=full, eps=eps, reduction=reduction)


class CosineEmbeddingLoss(_Loss):
    """How far the cosine is from what it should be; see `functional.cosine_embedding_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.CosineEmbeddingLoss()(tg.ones(1, 2), tg.ones(1, 2), tg.tensor([-1]))
    tensor(1.)
    """

    _function = F.cosine_embedding_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class MarginRankingLoss(_Loss):
    """By how much the first is not above the second; see `functional.margin_ranking_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MarginRankingLoss()(tg.zeros(1), tg.tensor([2.0]), tg.ones(1))
    tensor(2.)
    """

    _function = F.margin_ranking_loss

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__(margin=margin, reduction=reduction)


class TripletMarginLoss(_Loss):
    """By how much the like is not nearer than the unlike; see `functional.triplet_margin_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.TripletMarginLoss()(tg.zeros(1, 1), tg.ones(1, 1), tg.ones(1, 1))
    tensor(1.)
    """

    _function = F.triplet_margin_loss

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin=margin, p=p, eps=eps, swap=swap, reduction=reduction)


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` of any distance; see `functional.triplet_margin_with_distance_loss`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> loss = tg.nn.TripletMarginWithDistanceLoss(distance_function=tg.nn.PairwiseDistance(1.0))
    >>> loss(tg.zeros(1, 1), tg.ones(1, 1), tg.ones(1, 1))
    tensor(1.)
    """

    _function = F.triplet_margin_with_distance_loss

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(
            distance_function=distance_function, margin=margin, swap=swap, reduction=reduction
        )
