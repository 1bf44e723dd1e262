"""PyTorch's checkpoints (`.pt`, `.pth`), read without executing anything.

Such a file is a zip file with one member for the bytes of each storage, and a member ``data.pkl``
for the rest. That is a pickle, a program for a stack machine, which Python's `pickle` runs with
whatever it calls. The machine here knows only the instructions that build plain data. A function
that the pickle names is one of a few names that `_Machine.call` tells apart, and never called.
"""

from __future__ import annotations

import pickletools
import warnings
from collections import Counter, OrderedDict
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .arrays import BFLOAT16, DTYPES, from_bytes


@dataclass(frozen=True)
class _Function:
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype


_FUNCTIONS = {
    "collections.Counter",
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
}
_STORAGES = {
    "torch.BFloat16Storage": BFLOAT16,
    "torch.BoolStorage": np.dtype(np.bool_),
    "torch.ByteStorage": np.dtype(np.uint8),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.HalfStorage": np.dtype(np.float16),
    "torch.IntStorage": np.dtype(np.int32),
    "torch.LongStorage": np.dtype(np.int64),
    "torch.ShortStorage": np.dtype(np.int16),
    "torch.storage.UntypedStorage": np.dtype(np.uint8),
}
_NAMES: dict[str, _Function | np.dtype] = {
    **{name: _Function(name) for name in _FUNCTIONS},
    **_STORAGES,
    **{f"torch.{dtype.name}": dtype for dtype in DTYPES},
}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_TAKEN = {"APPEND": 1, "SETITEM": 2, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
"""How many values an instruction takes from the stack; others take those above the mark."""


def is_checkpoint(members: dict[str, bytearray]) -> bool:
    """Return whether a zip file with these members is one of PyTorch's."""
    return any(name.endswith("/data.pkl") for name in members)


def from_checkpoint(members: dict[str, bytearray]) -> Any:
    """Return the value whose zip file, written by ``torch.save``, has these members.

    Raises
    ------
    ValueError
        If there is more in it than tensors and plain data, or it is damaged.
    """
    pickles = [name for name in members if name.endswith("/data.pkl")]
    if len(pickles) > 1:
        raise ValueError(f"there are {len(pickles)} checkpoints in it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # genops warns of names with odd escapes
            return _Machine(members, pickles[0]).run()
    except ValueError as error:
        raise ValueError(f"data.pkl: {error}") from None
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError(f"data.pkl: not a whole pickle ({error!r})") from None


class _Machine:
    """Runs the pickle in one checkpoint."""

    def __init__(self, members: dict[str, bytearray], name: str) -> None:
        root = name.removesuffix("data.pkl")
        self.pickle = bytes(members[name])
        self.storages = {
            name.removeprefix(f"{root}data/"): data
            for name, data in members.items()
            if name.startswith(f"{root}data/")
        }
        self.big_endian = members.get(f"{root}byteorder") == b"big"
        self.arrays: dict[_Storage, np.ndarray] = {}
        self.stack: list[Any] = []
        self.marks: list[int] = []

    def run(self) -> Any:
        stack = self.stack
        memo: dict[int, Any] = {}
        argument: Any
        for opcode, argument, _ in pickletools.genops(self.pickle):
            match opcode.name:
                case "PROTO" | "FRAME" | "STOP":
                    pass
                case name if name in _CONSTANTS:
                    stack.append(_CONSTANTS[name])
                case name if name in _LITERALS:
                    stack.append(argument)
                case "EMPTY_DICT":
                    stack.append({})
                case "EMPTY_LIST":
                    stack.append([])
                case "MARK":
                    self.marks.append(len(stack))
                case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
                    stack.append(tuple(self.take(name)))
                case "APPEND" | "APPENDS" as name:
                    entries = self.take(name)
                    self.top(list).extend(entries)
                case "SETITEM" | "SETITEMS" as name:
                    items = self.take(name)
                    if not all(isinstance(key, (str, int, float, NoneType)) for key in items[::2]):
                        raise ValueError("a key of a dictionary is neither a number nor a string")
                    self.top(dict).update(zip(items[::2], items[1::2], strict=True))
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "GLOBAL":
                    stack.append(_named(argument.replace(" ", ".")))
                case "STACK_GLOBAL":
                    name, module = stack.pop(), stack.pop()
                    stack.append(_named(".".join((module, name))))
                case "BINPERSID":
                    stack.append(self.storage(stack.pop()))
                case "REDUCE":
                    arguments = stack.pop()
                    stack.append(self.call(stack.pop(), arguments))
                case "BUILD":
                    attributes = stack.pop()
                    _set_attributes(self.top(OrderedDict), attributes)
                case name:
                    raise ValueError(f"the instruction {name} is not for data")
        return _without_machinery(stack.pop())

    def take(self, instruction: str) -> list[Any]:
        """Remove what the instruction works on from the stack."""
        count = _TAKEN.get(instruction)
        start = self.marks.pop() if count is None else len(self.stack) - count
        if not 0 <= start <= len(self.stack):
            raise IndexError("the stack is too short")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise TypeError(f"a {kind.__name__} is not where it should be")
        return self.stack[-1]

    def storage(self, description: Any) -> _Storage:
        match description:
            case (str(), np.dtype() as dtype, str() as key, str(), int() as count):
                if len(self.storages.get(key, "")) != count * dtype.itemsize:
                    raise ValueError(f"there is no data/{key} with {count} elements")
                return _Storage(key, dtype)
        raise ValueError("a storage is described in an unknown way")

    def call(self, function: Any, arguments: Any) -> Any:
        """Return what PyTorch's function of that name would."""
        name = function.name if isinstance(function, _Function) else None
        match name, arguments:
            case "collections.OrderedDict", ():
                return OrderedDict()
            case "collections.Counter", (dict() as counts,):
                return Counter(counts)
            case "torch.Size", (tuple() as size,):
                return size
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, *_):
                return tensor
            case "torch._utils._rebuild_tensor_v2", (_Storage() as storage, *layout, _, _):
                return self.tensor(storage, *layout)
            case (
                "torch._utils._rebuild_tensor_v3",
                (_Storage() as storage, *layout, _, _, np.dtype() as dtype),
            ):
                return self.tensor(_Storage(storage.key, dtype), *layout)
        raise ValueError(f"{name or type(function).__name__} is called in an unknown way")

    def tensor(self, storage: _Storage, offset: int, size: Any, stride: Any) -> Tensor:
        if storage not in self.arrays:
            data = self.storages[storage.key]
            self.arrays[storage] = from_bytes(data, storage.dtype, self.big_endian)
        array = self.arrays[storage]
        if any(type(number) is not int or number < 0 for number in (offset, *size, *stride)):
            raise ValueError("a tensor has no proper offset, size and stride")
        if 0 in size:
            return Tensor(np.empty(size, array.dtype))
        if offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) >= array.size:
            raise ValueError(f"a tensor reaches past the end of data/{storage.key}")
        step = array.itemsize
        return Tensor(
            np.ndarray(size, array.dtype, array, offset * step, [step * s for s in stride])
        )


def _named(name: str) -> _Function | np.dtype:
    if name not in _NAMES:
        raise ValueError(
            f"there is a {name} in it; only tensors, numbers, strings, None, and lists, tuples and "
            "dictionaries of them are read (save model.state_dict(), not the model)"
        )
    return _NAMES[name]


def _set_attributes(value: OrderedDict[Any, Any], attributes: Any) -> None:
    """Set the one attribute that PyTorch's state dicts have: the versions of the modules."""
    match attributes:
        case {"_metadata": dict() as metadata, **rest} if not rest:
            vars(value)["_metadata"] = metadata
        case _:
            raise ValueError("an OrderedDict has unknown attributes")


def _without_machinery(value: Any) -> Any:
    """Return `value`, in which there must be no part of a tensor outside of a tensor."""
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, (_Function, _Storage)):
            raise ValueError(f"{part} stands in it outside of a tensor")
        if isinstance(part, (dict, list, tuple)) and id(part) not in seen:
            seen.add(id(part))
            waiting += part
            if isinstance(part, dict):
                waiting += part.values()
                waiting.append(getattr(part, "_metadata", None))
    return value
