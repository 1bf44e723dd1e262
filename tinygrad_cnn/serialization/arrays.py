"""The arrays that files may hold."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPES = [np.dtype(code) for code in "? u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8".split()]
BFLOAT16 = np.dtype("V2")
"""Stands for bfloat16, which NumPy has not: the upper half of a float32."""


def from_bytes(data: bytearray, dtype: np.dtype[Any], byteorder: str = "little") -> np.ndarray:
    """Return the values in `data`, which they share where they can; bfloat16 as float32."""
    order = {"little": "<", "big": ">"}[byteorder]
    if dtype == BFLOAT16:
        halves = np.frombuffer(data, f"{order}u2")
        return (halves.astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, dtype.newbyteorder(order)).astype(dtype, copy=False)
