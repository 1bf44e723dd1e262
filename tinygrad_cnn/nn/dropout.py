"""Dropout."""

from __future__ import annotations

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F
from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(
                f"{type(self).__name__}: p must be a probability between 0 and 1, got {p}"
            )
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the options."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training, zeroes each element with probability `p` and divides the others by ``1 - p``.

    References
    ----------
    .. [1] N. Srivastava et al., "Dropout: a simple way to prevent neural networks from
       overfitting", JMLR 15, 2014.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Dropout(0.5).eval()(tg.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop out elements in training; return the input in evaluation."""
        return F.dropout(input, self.p, self.training)


class Dropout1d(_Dropout):
    """In training, drops out channels of (N, C, L) or (C, L); see `functional.dropout1d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop out in training; return the input in evaluation."""
        return F.dropout1d(input, self.p, self.training)


class Dropout2d(_Dropout):
    """In training, drops out channels of (N, C, H, W); see `functional.dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop out in training; return the input in evaluation."""
        return F.dropout2d(input, self.p, self.training)


class Dropout3d(_Dropout):
    """In training, drops out channels of (N, C, D, H, W) or (C, D, H, W); see `functional.dropout3d`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop out in training; return the input in evaluation."""
        return F.dropout3d(input, self.p, self.training)


class AlphaDropout(_Dropout):
    """In training, drops out elements such that mean 0 and variance 1 stay; see `functional.alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop out in training; return the input in evaluation."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_Dropout):
    """In training, drops out channels such that mean 0 and variance 1 stay; see `functional.feature_alpha_dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop out in training; return the input in evaluation."""
        return F.feature_alpha_dropout(input, self.p, self.training)
