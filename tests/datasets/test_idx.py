"""The IDX reader: whole files are read exactly, and every damage is told."""

import gzip
import struct

import numpy as np
import pytest

from tinygrad_cnn.datasets.idx import read_idx


def idx_bytes(array, code):
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


DTYPES = [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]


@pytest.mark.parametrize(("code", "dtype"), DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_reads_every_dtype_and_shape(tmp_path, code, dtype, shape, pack):
    expected = (np.arange(np.prod(shape, dtype=int)) * 5 - 3).astype(dtype).reshape(shape)
    path = tmp_path / "file"
    path.write_bytes(pack(idx_bytes(expected, code)))
    array = read_idx(path)
    assert array.dtype == np.dtype(dtype)
    assert array.shape == shape
    assert (array == expected).all()
    assert array.flags.writeable


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_every_truncation_is_told(tmp_path, pack):
    whole = pack(idx_bytes(np.arange(6, dtype="i2").reshape(2, 3), 0x0B))
    path = tmp_path / "file"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"file: (truncated|damaged gzip)"):
            read_idx(path)


def test_truncation_inside_an_intact_gzip_file(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros((2, 3), "u1"), 0x08)[:-1]))
    with pytest.raises(
        ValueError, match=r"truncated: 17 bytes, expected 18 for uint8 of shape \(2, 3\)"
    ):
        read_idx(path)


def test_a_changed_byte_in_a_gzip_file_is_told(tmp_path):
    whole = bytearray(gzip.compress(idx_bytes(np.arange(250, dtype="u1"), 0x08)))
    whole[40] ^= 0x10
    path = tmp_path / "file.gz"
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"file.gz: damaged gzip file"):
        read_idx(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (idx_bytes(np.zeros(3, "u1"), 0x08) + b"x", "bytes left over at the end: 12 bytes, expec"),
        (b"\1\0\x08\1\0\0\0\1x", "not an IDX file: it starts with the bytes 01 00 08 01"),
        (b"\0\0\x0a\1\0\0\0\1x", "not an IDX file"),
        (b"<html>", "not an IDX file"),
        # claims 2**96 elements: told from the header, without asking for the memory
        (b"\0\0\x08\3" + b"\xff" * 12, "truncated: 16 bytes"),
    ],
)
def test_other_damage_is_told(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_idx(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
