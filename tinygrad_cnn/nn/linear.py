"""Affine layers, and the one that does nothing."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F, init
from .module import Module
from .parameter import uninitialised


class Linear(Module):
    """``input @ weight.T + bias``.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last dimension, before and after.
    bias : bool

    Attributes
    ----------
    weight : Parameter
        (out_features, in_features).
    bias : Parameter or None
        (out_features,).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Linear(20, 3)(tg.zeros(5, 20)).shape
    (5, 3)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        factory = {"device": device, "dtype": dtype}
        self.weight = uninitialised(out_features, in_features, **factory)
        self.register_parameter("bias", uninitialised(out_features, **factory) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniformly within ``1 / sqrt(in_features)``."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """``input1 @ weight[o] @ input2 + bias[o]`` for each output feature o.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Sizes of the last dimension, of both inputs and of the output.
    bias : bool

    Attributes
    ----------
    weight : Parameter
        (out_features, in1_features, in2_features).
    bias : Parameter or None
        (out_features,).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Bilinear(20, 30, 3)(tg.zeros(5, 20), tg.zeros(5, 30)).shape
    (5, 3)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        factory = {"device": device, "dtype": dtype}
        self.weight = uninitialised(out_features, in1_features, in2_features, **factory)
        self.register_parameter("bias", uninitialised(out_features, **factory) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniformly within ``1 / sqrt(in1_features)``."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Map (..., in1_features) and (..., in2_features) to (..., out_features)."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """Returns its input; takes any arguments.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Identity(54, unused=True)(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input
