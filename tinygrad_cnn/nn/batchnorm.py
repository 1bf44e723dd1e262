"""Batch normalisation.

References
----------
.. [1] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by
   reducing internal covariate shift", ICML 2015.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import creation

from . import functional as F, init
from .module import Module
from .parameter import uninitialised


class _BatchNorm(Module):
    _dims: tuple[int, ...]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name in ("weight", "bias"):
            parameter = uninitialised(num_features, device=device, dtype=dtype) if affine else None
            self.register_parameter(name, parameter)
        buffers = {
            "running_mean": creation.zeros(num_features, dtype=dtype),
            "running_var": creation.ones(num_features, dtype=dtype),
            "num_batches_tracked": creation.tensor(0),
        }
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running mean and variance."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set the weight to 1, the bias to 0, and forget the running statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel, over the batch in training, else by the running statistics."""
        if input.ndim not in self._dims:
            expected = " or ".join(map(str, self._dims))
            raise ValueError(
                f"{type(self).__name__}: expected {expected} dimensions, got shape {input.shape}"
            )
        running = self.running_mean, self.running_var
        momentum = self.momentum
        if self.training and not self.track_running_stats:
            running = None, None
        elif self.training:
            self.num_batches_tracked += 1
            if momentum is None:  # the mean over all batches so far
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(
            input,
            *running,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            0.0 if momentum is None else momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Normalises each channel of (N, C) or (N, C, L) to mean 0 and variance 1 [1]_.

    The options and attributes are `BatchNorm2d`'s.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.BatchNorm1d(1, affine=False)(tg.tensor([[1.0], [3.0]]))
    tensor([[-1.],
            [ 1.]])
    """

    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Normalises each channel of (N, C, H, W) to mean 0 and variance 1, then scales and shifts [1]_.

    Parameters
    ----------
    num_features : int
        C.
    eps : float
        Added to the variance.
    momentum : float or None
        The weight of a new batch in the running statistics; None takes the mean of all batches.
    affine : bool
        Whether to learn a scale (`weight`) and a shift (`bias`).
    track_running_stats : bool
        Whether to keep running statistics for evaluation; otherwise each batch's own are used.

    Attributes
    ----------
    weight, bias : Parameter or None
        (C,).
    running_mean, running_var : Tensor or None
        Buffers of shape (C,).
    num_batches_tracked : Tensor or None

    Raises
    ------
    ValueError
        If the input has another number of dimensions, or one value per channel in training.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.BatchNorm2d(3)(tg.randn(4, 3, 8, 8)).shape
    (4, 3, 8, 8)
    """

    _dims = (4,)
