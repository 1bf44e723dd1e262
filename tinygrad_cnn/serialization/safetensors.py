"""The safetensors format: tensors by name, and in the header a tree of the rest, as JSON."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .arrays import BFLOAT16, DTYPES, from_bytes

_TREE = "tinygrad_cnn"
_CHECKSUM = "tinygrad_cnn.sha256"
_CODES = {"BOOL": np.dtype(bool), "BF16": BFLOAT16} | {
    f"{dtype.kind.upper()}{8 * dtype.itemsize}": dtype for dtype in DTYPES if dtype.kind != "b"
}


def pack(obj: Any) -> bytes:
    """Return the file that holds `obj`."""
    safetensors = _safetensors()
    arrays: dict[str, np.ndarray] = {}
    try:
        tree = json.dumps(_encode(obj, "", arrays))
    except RecursionError:
        raise ValueError("save: obj is nested too deeply, or holds itself") from None
    metadata = {_TREE: tree, _CHECKSUM: _checksum(arrays, tree)}
    packed: bytes = safetensors.numpy.save(arrays, metadata)
    return packed


def unpack(data: bytes) -> Any:
    """Return what `pack` was given, or, from another program's file, its tensors by name."""
    safetensors = _safetensors()
    try:
        entries = safetensors.deserialize(data)  # checks the header
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end], object_pairs_hook=_unique)
        metadata = header.get("__metadata__", {})
        arrays = {name: _array(name, entry) for name, entry in entries}
        tree = metadata.get(_TREE)
        if metadata.get(_CHECKSUM, "") not in ("", _checksum(arrays, tree or "")):
            raise ValueError("the checksum does not fit")
        if tree is None:
            return {name: Tensor(arrays[name]) for name in header if name in arrays}
        return _decode(json.loads(tree), arrays)
    except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"not a whole safetensors file ({error})") from None
    except RecursionError:
        raise ValueError("not a whole safetensors file (nested too deeply)") from None


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "safetensors files need the package safetensors: pip install safetensors"
        ) from None
    return safetensors


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name stands twice in the header")
    return result


def _array(name: str, entry: dict[str, Any]) -> np.ndarray:
    if entry["dtype"] not in _CODES:
        raise ValueError(f"{name}: there are no tensors of {entry['dtype']} here")
    return from_bytes(entry["data"], _CODES[entry["dtype"]]).reshape(entry["shape"])


def _checksum(arrays: dict[str, np.ndarray], tree: str) -> str:
    """Return the SHA-256 of all that a file says, in whichever order it says it."""
    digest = hashlib.sha256(tree.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.name, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` as JSON can hold it, its arrays moved to `arrays`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and value.dtype in DTYPES:
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.data if isinstance(value, Tensor) else value
        dtype = array.dtype.newbyteorder("=")
        if dtype not in DTYPES:
            raise TypeError(f"save: {path or 'obj'}: cannot store an array of {array.dtype}")
        name = path or "tensor"
        while name in arrays or name == "__metadata__":
            name += "'"
        arrays[name] = np.asarray(array, dtype, order="C")
        return {"tensor" if isinstance(value, Tensor) else "array": name}
    prefix = f"{path}." if path else ""
    if isinstance(value, dict):
        if any(not isinstance(key, (str, int)) for key in value):
            raise TypeError(f"save: {path or 'obj'}: expected keys str or int, got {list(value)}")
        return {"dict": [[k, _encode(v, f"{prefix}{k}", arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        entries = [_encode(entry, f"{prefix}{i}", arrays) for i, entry in enumerate(value)]
        return entries if isinstance(value, list) else {"tuple": entries}
    raise TypeError(
        f"save: {path or 'obj'}: expected tensors, arrays, numbers, strings, None, or lists, "
        f"tuples and dictionaries of them, got {type(value).__name__}"
    )


def _decode(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(tree, list):
        return [_decode(entry, arrays) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    [(kind, content)] = tree.items()
    if kind == "dict":
        return {key: _decode(entry, arrays) for key, entry in content}
    if kind == "tuple":
        return tuple(_decode(entry, arrays) for entry in content)
    if kind == "tensor":
        return Tensor(arrays[content])
    if kind == "array":
        return arrays[content]
    raise ValueError(f"unknown kind {kind!r}")
