"""Devices, of which there is one: the CPU."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.op import method
from tinygrad_cnn.core.tensor import Tensor

_TYPES = ("cpu", "cuda", "mps", "xpu", "meta")


class device:
    """The name of a device, such as programs for PyTorch pass around.

    Any can be named, but tensors can be on the CPU only.

    Parameters
    ----------
    type : str or device
        ``"cpu"``, or with an index ``"cuda:0"``.
    index : int, optional

    Raises
    ------
    RuntimeError
        If there is no such device.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.device("cpu")
    device(type='cpu')
    >>> tg.zeros(2).device == tg.device("cpu")
    True
    """

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        name, colon, number = str(type).partition(":")
        if not is_device(type) or (colon and (not number.isdigit() or index is not None)):
            raise RuntimeError(
                f"device: expected one of {', '.join(_TYPES)}, which may have an index, got {type!r}"
            )
        self.type = name
        self.index = int(number) if colon else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"


def is_device(value: Any) -> bool:
    """Return whether `value` is a device, or the name of one."""
    return isinstance(value, device) or (
        isinstance(value, str) and value.partition(":")[0] in _TYPES
    )


CPU = device("cpu")


def require_cpu(name: str, wanted: Any) -> None:
    """Raise RuntimeError for any device but the CPU; None stands for it."""
    if wanted is not None and device(wanted).type != "cpu":
        raise RuntimeError(f"{name}: every tensor is on the CPU, got device {str(wanted)!r}")


def get_default_device() -> device:
    """Return the device that tensors are made on: the CPU."""
    return CPU


@method("device", as_property=True)
def _device(input: Tensor) -> device:
    """The device that the tensor is on: the CPU."""
    return CPU


@method("is_cuda", as_property=True)
def _is_cuda(input: Tensor) -> bool:
    """Whether the tensor is on a GPU: never."""
    return False


@method("cpu")
def _cpu(input: Tensor) -> Tensor:
    """Return the tensor itself: every tensor is on the CPU."""
    return input


@method("cuda")
def _cuda(input: Tensor, device: Any = None) -> Tensor:
    """Raise RuntimeError: every tensor is on the CPU."""
    raise RuntimeError("cuda: every tensor is on the CPU; there is no GPU support")
