"""Convolution layers."""

from __future__ import annotations

from typing import Any, TypeAlias

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels.conv import same_padding

from . import functional as F, init
from .module import Module
from .parameter import uninitialised

Pair: TypeAlias = "int | tuple[int, int]"


def pair(value: Any) -> tuple[int, int]:
    """Return an option given as one number or two as two."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


class Conv2d(Module):
    """Convolves images with learnt kernels; see `functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair of int
    padding : int, pair of int, "same" or "valid"
    groups : int
        Divides both numbers of channels.
    bias : bool
    padding_mode : {"zeros", "reflect", "replicate", "circular"}
        What the padding is filled with.

    Attributes
    ----------
    weight : Parameter
        (out_channels, in_channels / groups, KH, KW).
    bias : Parameter or None
        (out_channels,).

    Raises
    ------
    ValueError
        If an option has no meaning.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv2d(3, 8, 5, padding=2)(tg.zeros(1, 3, 28, 28)).shape
    (1, 8, 28, 28)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups < 1:
            raise ValueError(f"Conv2d: groups must be positive, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"Conv2d: {name} {channels} is not divisible by groups {groups}")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "Conv2d: padding_mode must be zeros, reflect, replicate or circular, "
                f"got {padding_mode!r}"
            )
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(f'Conv2d: padding must be "same", "valid" or ints, got {padding!r}')
            if padding == "same" and pair(stride) != (1, 1):
                raise ValueError(f'Conv2d: padding="same" needs stride 1, got {stride!r}')
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = padding if isinstance(padding, str) else pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        factory = {"device": device, "dtype": dtype}
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = uninitialised(*shape, **factory)
        self.register_parameter("bias", uninitialised(out_channels, **factory) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniformly within ``1 / sqrt(fan_in)``."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, H, W) or (C, H, W)."""
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            input = F.pad(input, self._sides(), mode=self.padding_mode)
            padding = (0, 0)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def _sides(self) -> tuple[int, int, int, int]:
        """Return the padding as F.pad wants it: left, right, top, bottom."""
        if isinstance(self.padding, tuple):
            height, width = self.padding
            return width, width, height, height
        (top, bottom), (left, right) = same_padding(self.kernel_size, self.dilation)
        return left, right, top, bottom

    def extra_repr(self) -> str:
        """Return the options that differ from their defaults, and the sizes."""
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            text += f", padding={self.padding}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text
