"""Normalisation within each sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F, init
from .module import Module
from .parameter import uninitialised


class Affine(Module):
    """A layer that may learn to scale (`weight`) and to shift (`bias`) what it has normalised."""

    def _learn(
        self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: Any
    ) -> None:
        for name, learnt in (("weight", weight), ("bias", weight and bias)):
            parameter = uninitialised(*shape, device=device, dtype=dtype) if learnt else None
            self.register_parameter(name, parameter)

    def reset_parameters(self) -> None:
        """Set the weight to 1 and the bias to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(Affine):
    """Normalises over the last dimensions, then scales and shifts each of their elements [1]_.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of these dimensions.
    eps : float
        Added to the variance.
    elementwise_affine : bool
        Whether to learn a scale.
    bias : bool
        Whether to learn a shift, too.

    Attributes
    ----------
    weight, bias : Parameter or None
        Of shape `normalized_shape`.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LayerNorm(2)(tg.tensor([[1.0, 3.0]])).tolist()[0][1] > 0.999
    True
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._learn(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (..., *normalized_shape)."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}"
        )


class RMSNorm(Affine):
    """Divides by the root of the mean square over the last dimensions, then scales [1]_.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of these dimensions.
    eps : float, optional
        Added to the mean square; where not given, the spacing of the dtype's numbers at 1.
    elementwise_affine : bool
        Whether to learn a scale, `weight`.

    References
    ----------
    .. [1] B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.RMSNorm(3, elementwise_affine=False)(tg.tensor([3.0, 3.0, -3.0]))
    tensor([ 1.,  1., -1.])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._learn(self.normalized_shape, elementwise_affine, False, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (..., *normalized_shape)."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    extra_repr = LayerNorm.extra_repr


def _shape(sizes: int | Sequence[int]) -> tuple[int, ...]:
    return (sizes,) if isinstance(sizes, int) else tuple(sizes)


class GroupNorm(Affine):
    """Normalises each group of channels of each sample, then scales and shifts the channels [1]_.

    Parameters
    ----------
    num_groups, num_channels : int
        The first a divisor of the second.
    eps : float
        Added to the variance.
    affine : bool
        Whether to learn a scale.
    bias : bool
        Whether to learn a shift, too.

    Attributes
    ----------
    weight, bias : Parameter or None
        (num_channels,).

    Raises
    ------
    ValueError
        If the groups do not divide the channels.

    References
    ----------
    .. [1] Y. Wu, K. He, "Group normalization", ECCV 2018.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.GroupNorm(2, 4)(tg.randn(5, 4, 8, 8)).shape
    (5, 4, 8, 8)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels {num_channels} is not divisible by "
                f"num_groups {num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._learn((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Divides by ``(k + alpha * mean of squares) ** beta`` over neighbouring channels [1]_.

    The options are those of `functional.local_response_norm`.

    References
    ----------
    .. [1] A. Krizhevsky, I. Sutskever, G. E. Hinton, "ImageNet classification with deep
       convolutional neural networks", NeurIPS 2012.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LocalResponseNorm(5)(tg.randn(2, 8, 4, 4)).shape
    (2, 8, 4, 4)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
