"""Words for operations: ``conv2d 5×5, stride 1, pad 2``."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor

_WORDS = {"padding": "pad", "output_size": "to"}
_SPATIAL = frozenset(["kernel_size", "stride", "padding", "dilation", "output_size"])
_ALWAYS = frozenset(["kernel_size", "stride"])  # shown at their defaults, too
_LONGEST = 32  # characters of one option


def describe(node: Node) -> str:
    """Return the name of the operation with its kernel's size and the options that matter.

    Those are the options that differ from the operation's defaults, and always a stride.
    """
    words = [kernel] if (kernel := _kernel(node)) else []
    for name, value in node.options.items():
        default = node.op.signature.parameters[name].default
        if value is None or (name not in _ALWAYS and _same(value, default)):
            continue
        words.append(_option(name, value, node.name()))
    return f"{node.name()} {', '.join(words)}".rstrip()


def argument_name(node: Node, i: int) -> str:
    """Return what the operation calls its input `i`; "" for a `Function`."""
    op = node.op
    if not isinstance(op, Op):
        return ""
    return f"{op.parameters[op.inputs[0]]}[{i}]" if op.variadic else op.parameters[op.inputs[i]]


def input_title(node: Node, i: int) -> str:
    """Return what to call input `i` where it has no name: ``weight``, but not ``other``."""
    name = argument_name(node, i)
    return "" if node.op.broadcast and name in ("input", "other") else name


def is_optional(node: Node, i: int) -> bool:
    """Return whether input `i` may have been left out."""
    op = node.op
    if not isinstance(op, Op):
        return True
    return not op.variadic and op.signature.parameters[argument_name(node, i)].default is None


def sizes(shape: tuple[int, ...]) -> str:
    """Return a shape as in ``64×1×28×28``."""
    return "×".join(map(str, shape))


def _kernel(node: Node) -> str:
    for i, parent in enumerate(node.parents):
        if argument_name(node, i) == "weight":
            weight = node.saved.get("weight") if parent is None else parent
            return "" if weight is None else sizes(weight.shape[2:])
    return ""


def _option(name: str, value: Any, operation: str) -> str:
    if value is True:
        return name
    if name in _SPATIAL:
        plane = operation.endswith("2d") and name in ("kernel_size", "output_size")
        if plane and isinstance(value, int):
            value = (value, value)
        if isinstance(value, tuple) and all(isinstance(side, int) for side in value):
            text = str(value[0]) if len(set(value)) == 1 and not plane else sizes(value)
        else:
            text = _text(value)
    else:
        text = _text(value)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}…"
    return text if name == "kernel_size" else f"{_WORDS.get(name, name)} {text}"


def _text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(_text, value))
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, slice):
        ends = ("" if end is None else _text(end) for end in (value.start, value.stop))
        return ":".join(ends) + ("" if value.step is None else f":{_text(value.step)}")
    if isinstance(value, (np.ndarray, Tensor)):
        return f"array {sizes(value.shape)}" if value.ndim else _text(value.item())
    if value is Ellipsis:
        return "…"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, type):
        return np.dtype(value).name if issubclass(value, np.generic) else value.__name__
    if isinstance(value, np.dtype):
        return value.name
    return re.sub(r"\s+", " ", str(value))


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, tuple) and isinstance(default, int):
        return all(side == default for side in value)
    return isinstance(value, (bool, int, float, str, tuple)) and bool(value == default)
