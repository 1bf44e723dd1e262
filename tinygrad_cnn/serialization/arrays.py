"""The arrays that files may hold."""

from __future__ import annotations

import numpy as np

_CODES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
DTYPES = [np.dtype(code) for code in _CODES]
BFLOAT16 = np.dtype("V2")
"""Stands for bfloat16, which NumPy has not: the upper half of a float32."""


def from_bytes(data: bytearray, dtype: np.dtype, big_endian: bool = False) -> np.ndarray:
    """Return the values in `data`, whose memory they share where they can; bfloat16 as float32."""
    if dtype == BFLOAT16:
        halves = from_bytes(data, np.dtype(np.uint16), big_endian)
        return (halves.astype(np.uint32) << 16).view(np.float32)
    stored = dtype.newbyteorder(">" if big_endian else "<")
    return np.frombuffer(data, stored).astype(dtype, copy=False)
