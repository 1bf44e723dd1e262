"""Convolution layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels.conv import Geometry, same_padding
from tinygrad_cnn.ops._windows import Size, ntuple

from . import functional as F, init
from .module import Module
from .parameter import uninitialised


class _ConvBase(Module):
    """What convolutions and transposed convolutions share."""

    _dims: int
    _function: Callable[..., Any]
    _transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size,
        padding: Size | str,
        output_padding: Size,
        dilation: Size,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        kind, dims = type(self).__name__, self._dims
        if groups < 1:
            raise ValueError(f"{kind}: groups must be positive, got {groups}")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups:
                raise ValueError(f"{kind}: {name} {channels} is not divisible by groups {groups}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kind, "kernel_size", kernel_size, dims, 1)
        self.stride = ntuple(kind, "stride", stride, dims, 1)
        self.padding = (
            padding if isinstance(padding, str) else ntuple(kind, "padding", padding, dims, 0)
        )
        self.output_padding = ntuple(kind, "output_padding", output_padding, dims, 0)
        self.dilation = ntuple(kind, "dilation", dilation, dims, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        factory = {"device": device, "dtype": dtype}
        first, second = (
            (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        )
        self.weight = uninitialised(first, second // groups, *self.kernel_size, **factory)
        self.register_parameter("bias", uninitialised(out_channels, **factory) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniformly within ``1 / sqrt(fan_in)``."""
        init.default_(self.weight, self.bias)

    def _sides(self) -> tuple[tuple[int, int], ...]:
        """Return the padding before and after, for each dimension."""
        if isinstance(self.padding, str):
            return same_padding(self.kernel_size, self.dilation)
        return tuple((side, side) for side in self.padding)

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        text = (
            f"{self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0,) * self._dims:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._dims:
            text += f", dilation={self.dilation}"
        if any(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvBase):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kind = type(self).__name__
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                f"{kind}: padding_mode must be zeros, reflect, replicate or circular, "
                f"got {padding_mode!r}"
            )
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f'{kind}: padding must be "same", "valid" or ints, got {padding!r}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0,
            dilation, groups, bias, padding_mode, device, dtype,
        )  # fmt: skip
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f'{kind}: padding="same" needs stride 1, got {stride!r}')

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, ...) or (C, ...)."""
        padding: Size | str = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            widths = [side for sides in reversed(self._sides()) for side in sides]
            input = F.pad(input, widths, mode=self.padding_mode)
            padding = 0
        return self._function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(_Conv):
    """Convolves signals with learnt kernels; see `functional.conv1d`.

    Its arguments are those of `Conv2d`, with one number for each size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv1d(2, 8, 5, padding=2)(tg.zeros(1, 2, 100)).shape
    (1, 8, 100)
    """

    _dims = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_Conv):
    """Convolves images with learnt kernels; see `functional.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple of int
    padding : int, tuple of int, "same" or "valid"
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

    _dims = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_Conv):
    """Convolves volumes with learnt kernels; see `functional.conv3d`.

    Its arguments are those of `Conv2d`, with three numbers for each size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Conv3d(1, 4, 3, padding=1)(tg.zeros(1, 1, 8, 16, 16)).shape
    (1, 4, 8, 16, 16)
    """

    _dims = 3
    _function = staticmethod(F.conv3d)


class _ConvTranspose(_ConvBase):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        kind = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{kind}: padding_mode must be zeros, got {padding_mode!r}")
        if isinstance(padding, str):
            raise TypeError(f"{kind}: padding must be an int or a tuple of ints, got {padding!r}")
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding,
            dilation, groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Spread (N, C, ...) or (C, ...); `output_size` overrides `output_padding`."""
        extra = self.output_padding
        if output_size is not None:
            extra = self._output_padding(input, output_size)
        return self._function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """Return the output padding which makes the output so large."""
        kind, dims = type(self).__name__, self._dims
        if len(output_size) not in (dims, input.ndim):
            raise ValueError(
                f"{kind}: output_size must have {dims} or {input.ndim} numbers for an input "
                f"{input.shape}, got {tuple(output_size)}"
            )
        geometry = Geometry(self.stride, self._sides(), self.dilation)
        least = geometry.input_size(input.shape[-dims:], self.kernel_size)
        extra = tuple(n - m for n, m in zip(output_size[-dims:], least, strict=True))
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = tuple(m + s - 1 for m, s in zip(least, self.stride, strict=True))
            raise ValueError(
                f"{kind}: output_size must be from {least} to {most} for an input {input.shape}, "
                f"got {tuple(output_size)}"
            )
        return extra


class ConvTranspose1d(_ConvTranspose):
    """Spreads each element of a signal by learnt kernels; see `functional.conv_transpose1d`.

    Its arguments are those of `ConvTranspose2d`, with one number for each size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ConvTranspose1d(8, 2, 4, stride=2, padding=1)(tg.zeros(1, 8, 50)).shape
    (1, 2, 100)
    """

    _dims = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTranspose):
    """Spreads each pixel by learnt kernels; see `functional.conv_transpose2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or tuple of int
    padding : int or tuple of int
        So much is cut off from each side of the output.
    output_padding : int or tuple of int
        So much is the output larger at the right and the bottom. In its place, `forward` takes
        ``output_size``.
    groups : int
        Divides both numbers of channels.
    bias : bool
    padding_mode : {"zeros"}

    Attributes
    ----------
    weight : Parameter
        (in_channels, out_channels / groups, KH, KW).
    bias : Parameter or None
        (out_channels,).

    Raises
    ------
    ValueError
        If an option has no meaning.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> down, up = tg.nn.Conv2d(3, 8, 3, stride=2), tg.nn.ConvTranspose2d(8, 3, 3, stride=2)
    >>> image = tg.zeros(1, 3, 28, 28)
    >>> down(image).shape, up(down(image)).shape
    ((1, 8, 13, 13), (1, 3, 27, 27))
    >>> up(down(image), output_size=image.shape).shape
    (1, 3, 28, 28)
    """

    _dims = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTranspose):
    """Spreads each voxel by learnt kernels; see `functional.conv_transpose3d`.

    Its arguments are those of `ConvTranspose2d`, with three numbers for each size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ConvTranspose3d(4, 1, 2, stride=2)(tg.zeros(1, 4, 4, 8, 8)).shape
    (1, 1, 8, 16, 16)
    """

    _dims = 3
    _function = staticmethod(F.conv_transpose3d)


class Unfold(Module):
    """The windows of an image as columns; see `functional.unfold`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Unfold(3)(tg.zeros(1, 2, 5, 5)).shape
    (1, 18, 9)
    """

    def __init__(
        self, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """Unfold (N, C, H, W) or (C, H, W)."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """An image from columns, which add up where they overlap; see `functional.fold`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Fold(5, 3)(tg.zeros(1, 18, 9)).shape
    (1, 2, 5, 5)
    """

    def __init__(
        self,
        output_size: Size,
        kernel_size: Size,
        dilation: Size = 1,
        padding: Size = 0,
        stride: Size = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        """Fold (N, C * KH * KW, places), or without N."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
