"""Reads IDX files, the format of MNIST (described at http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Return the array in an IDX file, which may be gzipped.

    Raises
    ------
    ValueError
        If the file is not an IDX file, or holds less or more than its header says.
    """
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error, struct.error) as error:
            raise ValueError(f"{path}: damaged gzip file ({error})") from None
    if len(data) < 4:
        raise ValueError(f"{path}: truncated: {len(data)} bytes, expected an IDX header of 4")
    if data[:2] != b"\0\0" or data[2] not in _DTYPES:
        raise ValueError(f"{path}: not an IDX file: it starts with the bytes {data[:4].hex(' ')}")
    ndim = data[3]
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(
            f"{path}: truncated: {len(data)} bytes, expected a header of {start} "
            f"for {ndim} dimensions"
        )
    shape = struct.unpack_from(f">{ndim}I", data, 4)
    dtype = np.dtype(_DTYPES[data[2]])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        wrong = "truncated" if len(data) < expected else "bytes left over at the end"
        raise ValueError(
            f"{path}: {wrong}: {len(data)} bytes, expected {expected} "
            f"for {dtype.name} of shape {shape}"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
