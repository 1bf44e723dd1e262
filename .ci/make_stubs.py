"""Write ``core/methods.pyi``: the Tensor methods and operators, for editors and type checkers.

They come from the registry of operations. ``--check`` fails where the file is not up to date.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import tinygrad_cnn
from tinygrad_cnn.core.op import Op, methods

TARGET = Path(tinygrad_cnn.__file__).parent / "core" / "methods.pyi"
HEADER = '''"""Generated from the registry of operations by .ci/make_stubs.py; do not edit."""

from typing import Any

from .tensor import Tensor

class TensorMethods:
'''


def annotation(value: Any) -> str:
    """Return an annotation that needs no import."""
    text = value if isinstance(value, str) else getattr(value, "__name__", "Any")
    known = {"int", "float", "bool", "str", "None", "tuple[int, ...]"}
    parts = {part.strip() for part in text.split("|")}
    return text if parts <= known else "Any"


def default(value: Any) -> str:
    """Return a default as source text."""
    return repr(value) if isinstance(value, (int, float, str, bool, type(None))) else "..."


def stub(name: str, function: Any) -> str:
    """Return one method's declaration and the first line of its docstring."""
    signature = function.signature if isinstance(function, Op) else inspect.signature(function)
    parameters = list(signature.parameters.values())
    if name.startswith("__"):
        arity = 1 if name in UNARY else len(parameters)
        if name in TERNARY:
            arity = 3
        arguments = ["self", "other: Any", "value: Any"][: min(arity, 3 if name in TERNARY else 2)]
    else:
        arguments = ["self"]
        star = False
        for p in parameters[1:]:
            if p.kind is p.KEYWORD_ONLY and not star:
                arguments.append("*")
                star = True
            mark = "*" if p.kind is p.VAR_POSITIONAL else ""
            star = star or bool(mark)
            text = f"{mark}{p.name}: {annotation(p.annotation)}"
            if p.default is not p.empty:
                text += f" = {default(p.default)}"
            arguments.append(text)
    result = "Tensor"
    if isinstance(function, Op):
        if function.auxiliary or len(function.outputs) > 1:
            result = "tuple[Tensor, ...]"
    elif annotation(signature.return_annotation) != "Any":
        result = annotation(signature.return_annotation)
    elif signature.return_annotation not in ("Tensor", "Any"):
        result = "Any"
    if name == "__setitem__":
        result = "None"
    note = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    line = (inspect.getdoc(function) or "").split("\n")[0].replace('"', "'").replace("\\", "\\\\")
    body = f'"""{line}"""' if line else "..."
    return textwrap.indent(f"def {name}({', '.join(arguments)}) -> {result}:{note}\n    {body}\n", "    ")


UNARY = {"__neg__", "__pos__", "__invert__", "__abs__"}
TERNARY = {"__setitem__"}


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
