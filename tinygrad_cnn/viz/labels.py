"""Words for operations: ``conv2d 5×5, stride 1, pad 2``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor

_KERNEL = ("kernel_size", "kernel")
_SPATIAL = (*_KERNEL, "stride", "padding", "dilation")
_WORDS = {"kernel_size": "", "kernel": "", "padding": "pad", "output_size": "to"}
# PyTorch's defaults, for operations that leave them to the function which calls them
_USUAL = {
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "count_include_pad": True,
    "keepdim": False,
    "correction": 1,
    "reduction": "mean",
    "ignore_index": -100,
    "align_corners": False,
    "padding_mode": "zeros",
    "orders": 0,  # grid_sample's weights as they are, not their derivatives
}
_LONGEST = 32  # characters of one option
_NARROW, _WIDE = "ijlI.,:;'|!()[]/ ftr", "mwMW@%—…⚠"


def describe(node: Node) -> str:
    """Return the name of the operation with its kernel's size and the options that matter.

    Those are the options that differ from the operation's defaults, and always a stride.
    """
    words = [kernel] if (kernel := _kernel(node)) else []
    for name, value, default in _options(node):
        if name != "stride" and name not in _KERNEL and _same(value, default):
            continue
        if value is None or name.endswith("_shape") or _repeats_shape(name, value, node):
            continue
        words.append(_option(name, value, node.name().endswith(("2d", "fold"))))
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


def within(path: str, outer: str) -> bool:
    """Return whether a module's path is `outer` or inside it."""
    return not outer or path == outer or path.startswith(f"{outer}.")


def size(count: float) -> str:
    """Return a number of bytes as in ``1.5 MB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} GB"


def duration(seconds: float) -> str:
    """Return a time as in ``1.5 ms``."""
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    for unit in ("s", "ms"):
        if seconds >= 1:
            return f"{seconds:.3g} {unit}"
        seconds *= 1000
    return f"{seconds:.3g} µs"


def magnitude(number: float) -> str:
    """Return a norm to two digits, in full where that is short."""
    return f"{number:,.0f}" if 100 <= number < 1e6 else f"{number:.2g}"


def text(value: Any) -> str:
    """Return an option's value in a few characters."""
    if isinstance(value, (tuple, list)):
        inner = ", ".join(map(text, value))
        return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
    if isinstance(value, slice):
        ends = ("" if end is None else text(end) for end in (value.start, value.stop))
        return ":".join(ends) + ("" if value.step is None else f":{text(value.step)}")
    if isinstance(value, (np.ndarray, Tensor)):
        return f"array {sizes(value.shape)}" if value.ndim else text(value.item())
    if value is Ellipsis:
        return "…"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, type):
        return np.dtype(value).name if issubclass(value, np.generic) else value.__name__
    if isinstance(value, np.dtype):
        return value.name
    return re.sub(r"\s+", " ", str(value))


def text_width(text: str, size: float = 11.0) -> float:
    """Return about how wide a text is in Helvetica."""
    return size * sum(_width(character) for character in text)


def _kernel(node: Node) -> str:
    for i, parent in enumerate(node.parents):
        if argument_name(node, i) == "weight":
            weight = node.saved.get("weight") if parent is None else parent
            return "" if weight is None else sizes(weight.shape[2:])
    return ""


def _options(node: Node) -> Iterator[tuple[str, Any, Any]]:
    """Yield each option's name, value and default; a named tuple is several options."""
    for name, value in node.options.items():
        if hasattr(value, "_asdict"):
            for field, part in value._asdict().items():
                yield field, part, _USUAL.get(field)
        else:
            parameter = node.op.signature.parameters[name]
            given = parameter.default is not parameter.empty
            yield name, value, parameter.default if given else _USUAL.get(name)


def _repeats_shape(name: str, value: Any, node: Node) -> bool:
    """Return whether the option says what the arrow under the operation says: its shape."""
    return name in ("shape", "size") and isinstance(value, tuple) and value == node.shape


def _option(name: str, value: Any, plane: bool) -> str:
    if value is True:
        return name
    if plane and name in _KERNEL and isinstance(value, int):
        value = (value, value)
    if isinstance(value, tuple) and all(isinstance(side, int) for side in value):
        if name in _SPATIAL and name not in _KERNEL and len(set(value)) == 1:
            value = value[0]
        elif name in _SPATIAL or name.endswith("size"):
            value = sizes(value)
    words = text(value)
    if len(words) > _LONGEST:
        words = f"{words[: _LONGEST - 1]}…"
    return f"{_WORDS.get(name, name)} {words}".lstrip()


def _same(value: Any, default: Any) -> bool:
    if isinstance(value, tuple) and isinstance(default, int):
        return all(side == default for side in value)
    return isinstance(value, (bool, int, float, str, tuple)) and bool(value == default)


def _width(character: str) -> float:
    if character in _NARROW:
        return 0.32
    if character in _WIDE:
        return 0.88
    if ord(character) > 0x2E80:  # Chinese, Japanese, Korean, emoji
        return 1.0
    return 0.7 if character.isupper() else 0.56
