"""Saves and loads nested state: tensors as safetensors, the rest as JSON in its header."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.utils._files import write_whole

_KEY = "tinygrad_cnn"
_DTYPES = [np.dtype(code) for code in ("?", *np.typecodes["AllInteger"], "e", "f", "d")]


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
    safetensors = _safetensors()
    arrays: dict[str, np.ndarray] = {}
    tree = _encode(obj, "", arrays)
    write_whole(f, safetensors.numpy.save(arrays, {_KEY: json.dumps(tree)}))


def load(f: str | os.PathLike[str]) -> Any:
    """Return what `save` wrote.

    Tensors do not require grad, subclasses of dict come back as dict, and a NumPy number as a
    Python number. From a safetensors file that another program wrote comes the dictionary of its
    tensors.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged or not a safetensors file.
    ImportError
        If the package safetensors is missing.
    """
    safetensors = _safetensors()
    with open(f, "rb"):  # the errors of opening are clearer than those of safe_open
        pass
    try:
        with safetensors.safe_open(f, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            tree = (file.metadata() or {}).get(_KEY)
        if tree is None:
            return {name: Tensor(array) for name, array in arrays.items()}
        return _decode(json.loads(tree), arrays)
    except (safetensors.SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{os.fspath(f)}: not a whole safetensors file ({error})") from None


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise ImportError(
            "tg.save and tg.load need the package safetensors: pip install safetensors"
        ) from None
    return safetensors


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return `value` as JSON can hold it, its arrays moved to `arrays`."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and value.dtype in _DTYPES:
        return value.item()
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.data if isinstance(value, Tensor) else value
        dtype = array.dtype.newbyteorder("=")
        if dtype not in _DTYPES:
            raise TypeError(f"save: {path or 'obj'}: cannot store an array of {array.dtype}")
        name = path or "tensor"
        while name in arrays or name == "__metadata__":
            name += "'"
        arrays[name] = np.array(array, dtype, order="C")
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
