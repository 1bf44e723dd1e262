"""Padding layers."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F
from .module import Module


class _Pad(Module):
    """What all share; each class says for how many axes it is, and in which mode it pads."""

    _axes: int
    _mode: str
    value: float | None = None

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        count = 2 * self._axes
        self.padding = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != count:
            raise ValueError(
                f"{type(self).__name__}: padding must be an int or {count} of them, got {padding}"
            )

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes."""
        axes = self._axes
        if self._mode != "constant" and input.ndim not in (axes + 1, axes + 2):
            raise ValueError(
                f"{type(self).__name__}: expected {axes + 1} or {axes + 2} dimensions, "
                f"got shape {input.shape}"
            )
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    _mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """Return the widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Padding with a value, of the last axis: ``(left, right)``."""

    _axes = 1


class ConstantPad2d(_ConstantPad):
    """Padding with a value, of the last two axes: ``(left, right, top, bottom)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ConstantPad2d((1, 0, 0, 1), 7.0)(tg.tensor([[1.0, 2.0]]))
    tensor([[7., 1., 2.],
            [7., 7., 7.]])
    """

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """Padding with a value, of the last three axes: ``(left, right, top, bottom, front, back)``."""

    _axes = 3


class ZeroPad1d(_Pad):
    """Padding with zeros, of the last axis: ``(left, right)``."""

    _axes, _mode = 1, "constant"


class ZeroPad2d(_Pad):
    """Padding with zeros, of the last two axes: ``(left, right, top, bottom)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ZeroPad2d((1, 0, 0, 1))(tg.tensor([[1.0, 2.0]]))
    tensor([[0., 1., 2.],
            [0., 0., 0.]])
    """

    _axes, _mode = 2, "constant"


class ZeroPad3d(_Pad):
    """Padding with zeros, of the last three axes: ``(left, right, top, bottom, front, back)``."""

    _axes, _mode = 3, "constant"


class ReflectionPad1d(_Pad):
    """Padding with the mirror image, of the last axis: ``(left, right)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReflectionPad1d(2)(tg.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _axes, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Padding with the mirror image, of the last two axes: ``(left, right, top, bottom)``."""

    _axes, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Padding with the mirror image: ``(left, right, top, bottom, front, back)``."""

    _axes, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Padding with the border, of the last axis: ``(left, right)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReplicationPad1d(2)(tg.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 1., 2., 3., 3., 3.]])
    """

    _axes, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Padding with the border, of the last two axes: ``(left, right, top, bottom)``."""

    _axes, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Padding with the border: ``(left, right, top, bottom, front, back)``."""

    _axes, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Padding with the other end, of the last axis: ``(left, right)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.CircularPad1d(2)(tg.tensor([[1.0, 2.0, 3.0]]))
    tensor([[2., 3., 1., 2., 3., 1., 2.]])
    """

    _axes, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """Padding with the other end, of the last two axes: ``(left, right, top, bottom)``."""

    _axes, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """Padding with the other end: ``(left, right, top, bottom, front, back)``."""

    _axes, _mode = 3, "circular"
