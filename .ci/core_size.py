"""Check that the core stays readable in an evening: under 1,500 lines of code.

Counted are lines that hold code: not docstrings, comments or blank lines.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

LIMIT = 1500
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def code_lines(source: str) -> int:
    """Return how many lines of `source` hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


core = Path(__file__).parent.parent / "tinygrad_cnn" / "core"
total = sum(code_lines(path.read_text(encoding="utf-8")) for path in core.glob("*.py"))
print(f"core: {total} lines of code, of {LIMIT}")
sys.exit(total >= LIMIT)
