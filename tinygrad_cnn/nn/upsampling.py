"""Layers that make images of another size, and that shuffle channels."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F
from .module import Module


class Upsample(Module):
    """Images of another size; see `functional.interpolate`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Upsample(scale_factor=2, mode="bilinear")(tg.zeros(1, 3, 8, 8)).shape
    (1, 3, 16, 16)
    """

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            self.scale_factor: Any = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = None if scale_factor is None else float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Interpolate (N, C, L), (N, C, H, W) or (N, C, D, H, W)."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Return the size or scale factor, and the mode."""
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor}, mode={self.mode!r}"
        return f"size={self.size}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Images of another size, of the nearest elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.UpsamplingNearest2d(scale_factor=2)(tg.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1., 1., 2., 2.],
              [1., 1., 2., 2.]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Images of another size, bilinear, with the centres of the corners on each other.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.UpsamplingBilinear2d(size=(1, 3))(tg.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1. , 1.5, 2. ]]]])
    """

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class PixelShuffle(Module):
    """Pixels made of channels; see `functional.pixel_shuffle`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.PixelShuffle(3)(tg.zeros(1, 9, 4, 4)).shape
    (1, 1, 12, 12)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Shuffle (..., C * r * r, H, W), r the factor."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """Channels made of pixels; see `functional.pixel_unshuffle`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.PixelUnshuffle(3)(tg.zeros(1, 1, 12, 12)).shape
    (1, 9, 4, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """Unshuffle (..., C, H * r, W * r), r the factor."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        """Return the factor."""
        return f"downscale_factor={self.downscale_factor}"


class ChannelShuffle(Module):
    """One channel of each group in turn; see `functional.channel_shuffle`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ChannelShuffle(2)(tg.tensor([[[0.0], [1.0], [2.0], [3.0]]])).flatten()
    tensor([0., 2., 1., 3.])
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        """Shuffle (N, C, *)."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        """Return the number of groups."""
        return f"groups={self.groups}"
