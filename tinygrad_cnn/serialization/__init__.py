"""Saves and loads nested state: tensors, numbers, strings, and what holds them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tinygrad_cnn.ops.devices import require_cpu

from . import archive, npz, pt, safetensors
from .files import write_whole


def save(obj: Any, f: str | os.PathLike[str]) -> None:
    """Write nested state to a safetensors file, whole or not at all.

    Parameters
    ----------
    obj : Tensor, ndarray, int, float, bool, str, None, or a list, tuple or dict of such
        Keys are strings or integers. A tensor's name in the file is the path of keys to it, so
        a saved ``state_dict()`` is read by every program that knows safetensors.
    f : path

    Raises
    ------
    TypeError
        If `obj` holds anything else. Nothing is pickled.
    ValueError
        If it is nested too deeply.
    ImportError
        If the package safetensors is missing.

    Examples
    --------
    >>> import tempfile
    >>> import tinygrad_cnn as tg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tg.save({"epoch": 3, "weights": [tg.ones(2)]}, f"{folder}/state.safetensors")
    ...     tg.load(f"{folder}/state.safetensors")
    {'epoch': 3, 'weights': [tensor([1., 1.])]}
    """
    write_whole(f, safetensors.pack(obj))


def load(
    f: str | os.PathLike[str],
    map_location: Any = None,
    pickle_module: None = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
) -> Any:
    """Return what a file holds, without executing anything that is in it.

    What kind of file it is shows in its first bytes, whatever it is called.

    - safetensors: what `save` wrote. Tensors do not require grad, subclasses of dict come back as
      dict, and a NumPy number as a Python number. From another program's file comes the dictionary
      of its tensors.
    - ``.pt`` and ``.pth``, from PyTorch 1.6 on: tensors, numbers, strings, None, and lists, tuples
      and dictionaries of them. Parameters come back as tensors.
    - ``.npz``: the dictionary of its arrays, as tensors. ``.npy``: a tensor.

    bfloat16 becomes float32.

    Parameters
    ----------
    f : path
    map_location : device, str, dict or function, optional
        Where PyTorch puts the tensors; here that is the CPU in any case.
    pickle_module : None
    weights_only : bool, optional
        Not False.
    mmap : bool, optional
        Changes nothing.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of another kind, or holds anything else, which the message names;
        or if `pickle_module` or `weights_only` asks for what would execute code.
    RuntimeError
        If `map_location` names another device than the CPU.
    ImportError
        If it is a safetensors file, and the package safetensors is missing.
    """
    if pickle_module is not None or weights_only is False:
        raise ValueError("load: nothing is unpickled; leave out pickle_module and weights_only")
    if not callable(map_location):
        places = map_location.values() if isinstance(map_location, dict) else [map_location]
        for place in places:
            require_cpu("load", place)
    data = Path(f).read_bytes()
    try:
        return _read(data)
    except ValueError as error:
        raise ValueError(f"{os.fspath(f)}: {error}") from None


def _read(data: bytes) -> Any:
    if data.startswith((b"PK\3\4", b"PK\5\6")):
        members = archive.members(data)
        return pt.from_checkpoint(members) if pt.is_checkpoint(members) else npz.from_npz(members)
    if data.startswith(b"\x93NUMPY"):
        return npz.from_npy(data)
    is_pickle = data.startswith(b"\x80") or data[257:262] == b"ustar"
    if is_pickle and data[8:9] != b"{":  # where the header of safetensors begins
        raise ValueError(
            "a pickle, such as PyTorch wrote before version 1.6, is not read, as that would execute "
            "it; if you trust the file, convert it with PyTorch: torch.save(torch.load(f), f)"
        )
    return safetensors.unpack(data)
