"""Pooling layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops._windows import Size, ntuple
from tinygrad_cnn.ops.pool import Regions

from . import functional as F
from .module import Module


class _MaxPool(Module):
    _pool: Callable[..., Any]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Pool a batch of images, or one."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The maximum of each window; see `functional.max_pool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MaxPool1d(2)(tg.zeros(1, 6, 28)).shape
    (1, 6, 14)
    """

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """The maximum of each window; see `functional.max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MaxPool2d(2)(tg.zeros(1, 6, 28, 28)).shape
    (1, 6, 14, 14)
    """

    _pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """The maximum of each window; see `functional.max_pool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.MaxPool3d(2)(tg.zeros(1, 6, 8, 28, 28)).shape
    (1, 6, 4, 14, 14)
    """

    _pool = staticmethod(F.max_pool3d)


class _MaxUnpool(Module):
    _dims: int
    _pool: Callable[..., Tensor]

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        name, dims = type(self).__name__, self._dims
        self.kernel_size = ntuple(name, "kernel_size", kernel_size, dims, 1)
        self.stride = ntuple(name, "stride", kernel_size if stride is None else stride, dims, 1)
        self.padding = ntuple(name, "padding", padding, dims, 0)

    def forward(
        self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None
    ) -> Tensor:
        """Put the maxima back at their places."""
        return self._pool(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of `MaxPool1d` back at their places; see `functional.max_unpool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> maxima, indices = tg.nn.MaxPool1d(2, return_indices=True)(tg.zeros(1, 6, 28))
    >>> tg.nn.MaxUnpool1d(2)(maxima, indices).shape
    (1, 6, 28)
    """

    _dims = 1
    _pool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of `MaxPool2d` back at their places; see `functional.max_unpool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> maxima, indices = tg.nn.MaxPool2d(2, return_indices=True)(tg.zeros(1, 6, 28, 28))
    >>> tg.nn.MaxUnpool2d(2)(maxima, indices).shape
    (1, 6, 28, 28)
    """

    _dims = 2
    _pool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of `MaxPool3d` back at their places; see `functional.max_unpool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> maxima, indices = tg.nn.MaxPool3d(2, return_indices=True)(tg.zeros(1, 6, 8, 28, 28))
    >>> tg.nn.MaxUnpool3d(2)(maxima, indices).shape
    (1, 6, 8, 28, 28)
    """

    _dims = 3
    _pool = staticmethod(F.max_unpool3d)


class _AvgPool(Module):
    _pool: Callable[..., Tensor]

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Pool a batch of images, or one."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPool):
    """The mean of each window; see `functional.avg_pool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AvgPool1d(2)(tg.zeros(1, 6, 28)).shape
    (1, 6, 14)
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            ntuple("AvgPool1d", "kernel_size", kernel_size, 1, 1),
            ntuple("AvgPool1d", "stride", kernel_size if stride is None else stride, 1, 1),
            ntuple("AvgPool1d", "padding", padding, 1, 0),
            ceil_mode,
            count_include_pad,
        )

    def forward(self, input: Tensor) -> Tensor:
        """Pool (N, C, L) or (C, L)."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


class AvgPool2d(_AvgPool):
    """The mean of each window; see `functional.avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AvgPool2d(2)(tg.zeros(1, 6, 28, 28)).shape
    (1, 6, 14, 14)
    """

    _pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """The mean of each window; see `functional.avg_pool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AvgPool3d(2)(tg.zeros(1, 6, 8, 28, 28)).shape
    (1, 6, 4, 14, 14)
    """

    _pool = staticmethod(F.avg_pool3d)


class _LPPool(Module):
    _pool: Callable[..., Tensor]

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Pool a batch of images, or one."""
        return self._pool(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        """Return the options."""
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPool):
    """The p-norm of each window; see `functional.lp_pool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LPPool1d(2, 2)(tg.zeros(1, 6, 28)).shape
    (1, 6, 14)
    """

    _pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """The p-norm of each window; see `functional.lp_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LPPool2d(2, 2)(tg.zeros(1, 6, 28, 28)).shape
    (1, 6, 14, 14)
    """

    _pool = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """The p-norm of each window; see `functional.lp_pool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LPPool3d(2, 2)(tg.zeros(1, 6, 8, 28, 28)).shape
    (1, 6, 4, 14, 14)
    """

    _pool = staticmethod(F.lp_pool3d)


class _AdaptiveAvgPool(Module):
    _pool: Callable[..., Tensor]

    def __init__(self, output_size: Regions) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """Pool a batch of images, or one."""
        return self._pool(input, self.output_size)

    def extra_repr(self) -> str:
        """Return the output size."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of regions of nearly equal size; see `functional.adaptive_avg_pool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveAvgPool1d(7)(tg.zeros(2, 512, 30)).shape
    (2, 512, 7)
    """

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of regions of nearly equal size; see `functional.adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveAvgPool2d((1, 1))(tg.zeros(2, 512, 7, 7)).shape
    (2, 512, 1, 1)
    """

    _pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of regions of nearly equal size; see `functional.adaptive_avg_pool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveAvgPool3d((None, 2, 2))(tg.zeros(2, 8, 3, 7, 7)).shape
    (2, 8, 3, 2, 2)
    """

    _pool = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPool(Module):
    _pool: Callable[..., Any]

    def __init__(self, output_size: Regions, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Pool a batch of images, or one."""
        return self._pool(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        """Return the output size."""
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of regions of nearly equal size; see `functional.adaptive_max_pool1d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveMaxPool1d(7)(tg.zeros(2, 512, 30)).shape
    (2, 512, 7)
    """

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of regions of nearly equal size; see `functional.adaptive_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveMaxPool2d((1, 1))(tg.zeros(2, 512, 7, 7)).shape
    (2, 512, 1, 1)
    """

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The maxima of regions of nearly equal size; see `functional.adaptive_max_pool3d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.AdaptiveMaxPool3d((None, 2, 2))(tg.zeros(2, 8, 3, 7, 7)).shape
    (2, 8, 3, 2, 2)
    """

    _pool = staticmethod(F.adaptive_max_pool3d)
