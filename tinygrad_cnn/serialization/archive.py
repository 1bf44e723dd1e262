"""Zip files, of which PyTorch's checkpoints and NumPy's `.npz` are made."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

_MOST = 1032
"""How many bytes one byte can become by the method deflate."""


def members(data: bytes) -> dict[str, bytearray]:
    """Return the files in a zip file by name, after a check of all that it declares.

    Raises
    ------
    ValueError
        If it is damaged, or declares what cannot be.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            _check(data, entries)
            return {entry.filename: bytearray(archive.read(entry)) for entry in entries}
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ValueError,
        OverflowError,
        EOFError,
        RuntimeError,
    ) as error:
        raise ValueError(f"not a whole zip file ({str(error) or 'cut short'})") from None


def _check(data: bytes, entries: list[zipfile.ZipInfo]) -> None:
    # the last 22 bytes are the "end of central directory", with the number of entries at 10
    count = int.from_bytes(data[-12:-10], "little")  # 65535 stands for more, too
    if data[-22:-18] != b"PK\5\6" or count != min(len(entries), 65535):
        raise ValueError("its end does not fit")
    if min((entry.header_offset for entry in entries), default=len(data) - 22) != 0:
        raise ValueError("there is something before its first part")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ValueError("a name stands twice in it")
    if sum(entry.compress_size for entry in entries) > len(data):
        raise ValueError("its parts overlap")
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{entry.filename}: unknown compression")
        most = entry.compress_size * (1 if entry.compress_type == zipfile.ZIP_STORED else _MOST)
        if entry.file_size > most:
            raise ValueError(f"{entry.filename}: declares more bytes than it can hold")
