"""NumPy's `.npy` and `.npz` files."""

from __future__ import annotations

import io
import math
import tokenize
from collections.abc import Mapping

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .arrays import DTYPES


def from_npy(data: bytes | bytearray) -> Tensor:
    """Return the array in a `.npy` file.

    Raises
    ------
    ValueError
        If the file is damaged, or its dtype is not a tensor's: nothing is unpickled.
    """
    file = io.BytesIO(data)
    formats = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        shape, fortran, dtype = formats[np.lib.format.read_magic(file)](file)
    except (ValueError, TypeError, LookupError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a whole npy file ({error})") from None
    native = dtype.newbyteorder("=")
    if native not in DTYPES:
        raise ValueError(f"there are no tensors of {dtype} here")
    start = file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ValueError(f"not a whole npy file (shape {shape} needs another number of bytes)")
    order = "F" if fortran else "C"
    array = np.ndarray(shape, dtype, bytearray(data), start, order=order)
    return Tensor(array.astype(native, copy=False))


def from_npz(members: Mapping[str, bytearray]) -> dict[str, Tensor]:
    """Return the arrays in a `.npz` file by name."""
    result = {}
    for name, data in members.items():
        try:
            result[name.removesuffix(".npy")] = from_npy(data)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return result
