"""Tensors shared with other libraries, and how a tensor lies in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import method
from tinygrad_cnn.core.tensor import Tensor

from ._dims import normalize_dim
from .creation import as_tensor

# -- other libraries ---------------------------------------------------------------------------


@method("__dlpack__")
def _dlpack(input: Tensor, **options: Any) -> Any:
    """Return a DLPack capsule that shares the memory; for `from_dlpack` of any library.

    Raises
    ------
    BufferError
        If the tensor requires grad: changes of the memory would go unseen.
    """
    if input.requires_grad:
        raise BufferError("__dlpack__: the tensor requires grad; export tensor.detach()")
    return input.data.__dlpack__(**options)


@method("__dlpack_device__")
def _dlpack_device(input: Tensor) -> Any:
    """Return the device, in DLPack's numbers."""
    return input.data.__dlpack_device__()


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor that shares the memory of another library's tensor or array.

    Raises
    ------
    TypeError
        If it does not export itself by DLPack, or not as numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> a = np.zeros(2)
    >>> x = tg.from_dlpack(a)
    >>> a[0] = 1
    >>> x, np.from_dlpack(x)
    (tensor([1., 0.], dtype=float64), array([1., 0.]))
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: expected an object with __dlpack__, got {type(ext_tensor).__name__}"
        )
    return as_tensor(np.from_dlpack(ext_tensor))


# -- memory ------------------------------------------------------------------------------------


@method("stride")
def stride(input: Tensor, dim: int | None = None) -> Any:
    """Return by how many elements each dimension, or one of them, steps through memory.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.zeros(2, 3).stride(), tg.zeros(2, 3).T.stride(0)
    ((3, 1), 1)
    """
    steps = tuple(n // input.data.itemsize for n in input.data.strides)
    return steps if dim is None else steps[normalize_dim("stride", dim, input.ndim)]


@method("is_contiguous")
def is_contiguous(input: Tensor) -> bool:
    """Return whether the elements lie in memory in C order."""
    return input.data.flags.c_contiguous


@method("element_size")
def element_size(input: Tensor) -> int:
    """Return the bytes of one element."""
    return input.data.itemsize


@method("data_ptr")
def data_ptr(input: Tensor) -> int:
    """Return the address of the first element."""
    return input.data.ctypes.data


@method("nbytes", as_property=True)
def _nbytes(input: Tensor) -> int:
    """The bytes of all elements."""
    return input.data.nbytes


@method("itemsize", as_property=True)
def _itemsize(input: Tensor) -> int:
    """The bytes of one element."""
    return input.data.itemsize


# -- questions ---------------------------------------------------------------------------------


def is_tensor(obj: Any) -> bool:
    """Return whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Return whether the dtype of a tensor is a floating one."""
    return input.is_floating_point()


@method("is_nonzero")
def is_nonzero(input: Tensor) -> bool:
    """Return whether the only element is not 0; RuntimeError where there is not exactly one."""
    return bool(input)


@method("nelement")
def numel(input: Tensor) -> int:
    """Return the number of elements of a tensor."""
    return input.numel()


@method("ndimension")
def _ndimension(input: Tensor) -> int:
    """Return the number of dimensions."""
    return input.ndim
