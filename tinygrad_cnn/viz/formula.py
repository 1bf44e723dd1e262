"""From the source of a gradient rule to a formula: ``∂L/∂input = g · (1 − out²)``."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

_SIGNS: dict[type[ast.operator], tuple[str, int]] = {  # with their precedence
    ast.Add: (" + ", 1),
    ast.Sub: (" − ", 1),
    ast.Mult: (" · ", 2),
    ast.Div: (" / ", 2),
    ast.MatMult: (" @ ", 2),
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.Eq: "==",
    ast.NotEq: "≠",
}
_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_UNARY, _POWER, _ATOM = 3, 4, 5


def rule_formula(rule: Callable[..., Any], inputs: Sequence[str]) -> str:
    """Return the formula of a rule, a line for each assignment; "" of one that has branches.

    Parameters
    ----------
    rule : callable
        The function.
    inputs : sequence of str
        Whose gradients it returns.
    """
    try:
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(rule))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return ""
    if not isinstance(function, ast.FunctionDef):
        return ""
    *before, last = [line for line in function.body if not _is_docstring(line)]
    lines = []
    for line in before:
        if not isinstance(line, ast.Assign) or len(line.targets) > 1:
            return ""
        lines.append(f"{ast.unparse(line.targets[0])} = {_text(line.value)[0]}")
    if not isinstance(last, ast.Return) or last.value is None:
        return ""
    names = [f"∂L/∂{name}" for name in inputs]
    if isinstance(last.value, ast.Tuple) and len(last.value.elts) == len(names) > 1:
        pairs = zip(names, last.value.elts, strict=True)
        return "\n".join([*lines, *(f"{name} = {_text(part)[0]}" for name, part in pairs)])
    return "\n".join([*lines, f"{', '.join(names)} = {_text(last.value)[0]}"])


def _is_docstring(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _text(node: ast.expr) -> tuple[str, int]:
    """Return an expression's text, and how tightly its outermost operator binds."""
    if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
        sign, level = _SIGNS[type(node.op)]
        return f"{_within(node.left, level)}{sign}{_within(node.right, level + 1)}", level
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        base, exponent = _within(node.left, _ATOM), ast.unparse(node.right)
        if exponent.lstrip("-").isdigit():
            return base + exponent.translate(_SUPERSCRIPTS), _POWER
        return f"{base}^{_within(node.right, _ATOM)}", _POWER
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return f"−{_within(node.operand, _UNARY)}", _UNARY
    if isinstance(node, ast.Call) and not isinstance(node.func, ast.Lambda):
        given = [argument for argument in node.args if not _is_none(argument)]
        words = [_text(argument)[0] for argument in given]
        words += [f"{k.arg}={_text(k.value)[0]}" for k in node.keywords if not _is_none(k.value)]
        return f"{_text(node.func)[0].lstrip('_')}({', '.join(words)})", _ATOM
    if isinstance(node, ast.Attribute):
        owner = _within(node.value, _ATOM)
        return f"{owner}ᵀ" if node.attr in ("T", "mT") else f"{owner}.{node.attr}", _ATOM
    if isinstance(node, ast.Compare) and all(type(sign) in _COMPARISONS for sign in node.ops):
        words = [_within(node.left, 1)]
        for comparison, other in zip(node.ops, node.comparators, strict=True):
            words += [_COMPARISONS[type(comparison)], _within(other, 1)]
        return " ".join(words), 0
    atom = isinstance(node, (ast.Name, ast.Constant, ast.Subscript, ast.Tuple))
    return ast.unparse(node), _ATOM if atom else 0


def _within(node: ast.expr, level: int) -> str:
    text, own = _text(node)
    return text if own >= level else f"({text})"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
