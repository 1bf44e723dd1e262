"""Write ``core/methods.pyi``: the Tensor methods and operators, for editors and type checkers.

They come from the registry of operations. ``--check`` fails where the file is not up to date.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import tinygrad_cnn
from tinygrad_cnn.core.methods import TensorMethods
from tinygrad_cnn.core.op import Op, methods
from tinygrad_cnn.core.tensor import Tensor

TARGET = Path(tinygrad_cnn.__file__).parent / "core" / "methods.pyi"
HEADER = '''"""Generated from the registry of operations by .ci/make_stubs.py; do not edit."""

import builtins
from typing import Any

from .tensor import Tensor

class TensorMethods:
'''


def annotation(value: Any) -> str:
    """Return an annotation that needs no import; methods hide the names of built-in types."""
    text = value if isinstance(value, str) else getattr(value, "__name__", "Any")
    known = {"int", "float", "bool", "str", "None", "tuple[int, ...]"}
    if not {part.strip() for part in text.split("|")} <= known:
        return "Any"
    return re.sub(r"\b(int|float|bool)\b", r"builtins.\1", text)


def default(value: Any) -> str:
    """Return a default as source text."""
    return repr(value) if isinstance(value, (int, float, str, bool, type(None))) else "..."


def arguments(name: str, signature: inspect.Signature) -> str:
    """Return a method's arguments as source text."""
    if name in ("__neg__", "__pos__", "__invert__", "__abs__"):
        return "self"
    if name == "__setitem__":
        return "self, index: Any, value: Any"
    if name.startswith("__"):
        return "self, other: Any"
    texts = ["self"]
    star = False
    for p in list(signature.parameters.values())[1:]:
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind is p.KEYWORD_ONLY and not star:
            texts.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        value = "" if p.default is p.empty else f" = {default(p.default)}"
        texts.append(f"{mark}{p.name}: {annotation(p.annotation)}{value}")
    return ", ".join(texts)


def result(name: str, function: Any, signature: inspect.Signature) -> str:
    """Return a method's return annotation."""
    if name == "__setitem__":
        return "None"
    if isinstance(function, Op):
        several = function.auxiliary or len(function.outputs) > 1
        return "tuple[Tensor, ...]" if several else "Tensor"
    given = signature.return_annotation
    return "Tensor" if given in ("Tensor", Tensor) else annotation(given)


def stub(name: str, function: Any) -> str:
    """Return one method's declaration and the first line of its docstring."""
    if isinstance(function, Op):
        signature = function.signature
    else:
        signature = inspect.signature(function, follow_wrapped=False)
    head = "@property\n" if isinstance(getattr(TensorMethods, name), property) else ""
    line = (inspect.getdoc(function) or "").split("\n")[0].replace('"', "'").replace("\\", "\\\\")
    body = f'"""{line}"""' if line else "..."
    declared = f"def {name}({arguments(name, signature)}) -> {result(name, function, signature)}:"
    return textwrap.indent(f"{head}{declared}\n    {body}\n", "    ")


def main() -> int:
    """Write the file, or compare it with what would be written."""
    text = HEADER + "".join(stub(name, methods[name]) for name in sorted(methods))
    text = subprocess.run(
        ["ruff", "format", "--stdin-filename", str(TARGET), "-"],
        input=text, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    if "--check" in sys.argv:
        if TARGET.read_text() != text:
            print(f"{TARGET} is out of date: run python .ci/make_stubs.py")
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
