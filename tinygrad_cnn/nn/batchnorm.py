"""Batch and instance normalisation, which can keep running statistics.

References
----------
.. [1] S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by
   reducing internal covariate shift", ICML 2015.
.. [2] D. Ulyanov, A. Vedaldi, V. Lempitsky, "Instance normalization: the missing ingredient for
   fast stylization", 2016.
"""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.tensor import Tensor, changed_in_place
from tinygrad_cnn.ops import creation

from . import functional as F
from .normalization import Affine


class _Norm(Affine):
    _dims: tuple[int, ...]
    _version = 2  # 1 had no num_batches_tracked

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self._learn((num_features,), affine, bias, device, dtype)
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
        super().reset_parameters()
        self.reset_running_stats()

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *others: Any
    ) -> None:
        if self.track_running_stats and local_metadata.get("version", 1) < 2:
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *others)

    def _check_dims(self, input: Tensor) -> None:
        if input.ndim not in self._dims:
            expected = " or ".join(map(str, self._dims))
            raise ValueError(
                f"{type(self).__name__}: expected {expected} dimensions, got shape {input.shape}"
            )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Norm):
    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel, over the batch in training, else by the running statistics."""
        self._check_dims(input)
        running = self.running_mean, self.running_var
        momentum = self.momentum
        if self.training and not self.track_running_stats:
            running = None, None
        elif self.training:
            batches: Tensor = self.num_batches_tracked
            batches.data[...] += 1  # as a Tensor it takes 10 us
            changed_in_place(batches)
            if momentum is None:  # the mean over all batches so far
                momentum = 1 / self.num_batches_tracked.item()
        return F.batch_norm(
            input,
            *running,
            self.weight,
            self.bias,
            self.training or self.running_mean is None,
            momentum or 0.0,
            self.eps,
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
        Whether to learn a scale, `weight`.
    bias : bool
        Whether to learn a shift too, `bias`.
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


class BatchNorm3d(_BatchNorm):
    """Normalises each channel of (N, C, D, H, W) to mean 0 and variance 1 [1]_.

    The options and attributes are `BatchNorm2d`'s.
    """

    _dims = (5,)


class _InstanceNorm(_Norm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel of each sample; by running statistics in evaluation, if kept."""
        self._check_dims(input)
        if input.ndim == min(self._dims):
            return self.forward(input.unsqueeze(0)).squeeze(0)
        if self.affine and input.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: expected {self.num_features} channels, "
                f"got shape {input.shape}"
            )
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum or 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, L) or (C, L) [2]_.

    The options and attributes are `InstanceNorm2d`'s.
    """

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, H, W) or (C, H, W) [2]_.

    The options and attributes are those of `BatchNorm2d`; but with the defaults, it learns nothing
    and keeps no running statistics, so that it does the same in evaluation.

    Raises
    ------
    ValueError
        If the input has another number of dimensions or, if affine, of channels; or one value
        per channel.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.InstanceNorm2d(3)(tg.randn(4, 3, 8, 8)).shape
    (4, 3, 8, 8)
    """

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each sample of (N, C, D, H, W) or (C, D, H, W) [2]_.

    The options and attributes are `InstanceNorm2d`'s.
    """

    _dims = (4, 5)
