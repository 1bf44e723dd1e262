"""NumPy's `.npy` and `.npz` files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from tinygrad_cnn.core.tensor import Tensor

from .arrays import DTYPES, from_bytes

_CODES = {dtype.str[1:]: dtype for dtype in DTYPES}
_HEADER = re.compile(  # of a Python dictionary, which is matched rather than evaluated
    r"\{'descr': '([<>|])(\w+)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\),? ?\}\s*"
)


def from_npy(data: bytes | bytearray) -> Tensor:
    """Return the array in a `.npy` file.

    Raises
    ------
    ValueError
        If the file is damaged, or its dtype is not a tensor's.
    """
    start = 10 if data[6:7] == b"\1" else 12  # by the version; the header's length ends there
    end = start + int.from_bytes(data[8:start], "little")
    header = _HEADER.fullmatch(data[start:end].decode("latin1"))
    if header is None:
        raise ValueError("not a whole npy file, or one of records or Python objects")
    order, code, fortran, sizes = header.groups()
    if code not in _CODES:
        raise ValueError(f"there are no tensors of the dtype {order}{code} here")
    shape = [int(size) for size in sizes.split(",") if size.strip()]
    if len(data) - end != math.prod(shape) * _CODES[code].itemsize:
        raise ValueError(f"not a whole npy file (the shape is {shape}, with {len(data)} bytes)")
    values = from_bytes(bytearray(data[end:]), _CODES[code], big_endian=order == ">")
    return Tensor(values.reshape(shape, order="F" if fortran == "True" else "C"))


def from_npz(members: Mapping[str, bytearray]) -> dict[str, Tensor]:
    """Return the arrays in a `.npz` file by name."""
    result = {}
    for name, data in members.items():
        try:
            result[name.removesuffix(".npy")] = from_npy(data)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return result
