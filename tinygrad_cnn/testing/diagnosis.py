"""What is said of a wrong gradient: where, by how much, what fault it looks like, how to see it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from .numeric import GradcheckError

LITERAL = 1000
"""Arrays of more elements are not written out."""


def difference(
    analytic: np.ndarray,
    numeric: np.ndarray,
    error: np.ndarray,
    wrong: np.ndarray,
    fault: str = "",
    place: Callable[[tuple[int, ...]], str] | None = None,
) -> str:
    """Describe a wrong gradient by its worst element."""
    with np.errstate(invalid="ignore"):
        off = np.nan_to_num(np.abs(analytic - numeric), nan=np.inf)
    index = np.unravel_index(int(np.argmax(np.where(wrong, off, -1))), off.shape)
    where = tuple(int(i) for i in index)
    if place is not None:
        at = f"{place(where)}: "
    else:
        at = f"element {where}: " if where else ""
    found = f"central differences {numeric[index]:.8g} ± {error[index]:.1g}"
    if not np.isfinite(error[index]):
        found = "but central differences do not converge"
    text = (
        f"{at}the rules give {analytic[index]:.8g}, {found} "
        f"({int(wrong.sum())} of {wrong.size} elements differ)"
    )
    return f"{text}; {fault}" if fault else text


def likely_fault(
    analytic: np.ndarray,
    numeric: np.ndarray,
    *,
    factors: Mapping[str, np.ndarray] | None = None,
    others: Mapping[str, np.ndarray] | None = None,
) -> str:
    """Name the common fault that `analytic` shows, or "" if it shows none.

    Parameters
    ----------
    factors : mapping, optional
        What may be missing as a factor: the arriving gradient, the input.
    others : mapping, optional
        Gradients that it may be instead, each with what that would mean.
    """
    bound = 1e-4 * float(np.abs(numeric).max(initial=0)) + 1e-7

    def same(a: Any, b: Any) -> bool:
        return bool(np.all(np.abs(a - b) <= bound))

    if not np.isfinite(analytic).all():
        return "the rules give a value that is not finite"
    if not np.isfinite(numeric).all():
        return ""
    if same(analytic, 0) and same(numeric, 0):
        return ""
    if same(analytic, 0):
        return "the rules give zero"
    if same(numeric, 0):
        return "the derivative is zero"
    if same(-analytic, numeric):
        return "the sign is wrong"
    factor = float(np.sum(analytic * numeric) / np.sum(numeric * numeric))
    simple = Fraction(factor).limit_denominator(12)
    if factor and same(analytic / factor, numeric):
        if abs(factor - simple) < 1e-5:
            return f"it is {simple} times what it should be"
        if analytic.size > 1:
            return f"it is {factor:.6g} times what it should be"
    if words := _rearranged(analytic, numeric, same):
        return words
    for words, other in (others or {}).items():
        if other.shape == analytic.shape and same(analytic, other):
            return words
    for words, missing in (factors or {}).items():
        known = analytic.size > 1 and missing.shape == analytic.shape
        if known and same(analytic * missing, numeric):
            return f"the factor {words} is missing"
    return ""


def _rearranged(
    analytic: np.ndarray, numeric: np.ndarray, same: Callable[[Any, Any], bool]
) -> str:
    """Name the rearrangement of its elements that makes `analytic` right."""
    square = analytic.ndim >= 2 and analytic.shape[-1] == analytic.shape[-2]
    if square and same(analytic.swapaxes(-1, -2), numeric):
        return "it is transposed"
    for axis, side in enumerate(analytic.shape):
        if side < 2:
            continue
        if same(np.flip(analytic, axis), numeric):
            return f"it is reversed along dimension {axis}"
        a, n = np.moveaxis(analytic, axis, 0), np.moveaxis(numeric, axis, 0)
        for behind, ahead in ((a[1:], n[:-1]), (a[:-1], n[1:])):
            if behind.size > 1 and not same(ahead, 0) and same(behind, ahead):
                return f"it is shifted by one along dimension {axis}"
    return ""


# -- code that shows the failure again ---------------------------------------------------------


@contextmanager
def reproduced_by(lines: Callable[[], str]) -> Iterator[None]:
    """Add to an error the lines of Python that raise it again."""
    try:
        yield
    except Exception as error:
        if code := lines():
            text = "\n".join(["To reproduce:", *(f"    {line}" for line in code.splitlines())])
            if isinstance(error, GradcheckError):
                error.args = (f"{error}\n{text}",)
            elif sys.version_info >= (3, 11):  # an error in the function or its gradient
                error.add_note(text)
        raise


def program(call: str, *imports: str) -> str:
    """Return a call of a check with the imports it needs; "" if it is too long to be of use."""
    if "..." in call:
        return ""
    known = ("array", "dtype", "inf", "nan")
    names = [name for name in known if re.search(rf"\b{name}\b(?!=)", call)]
    head = [f"from numpy import {', '.join(names)}"] if names else []
    return "\n".join([*head, *imports, call])


def literal(value: Any) -> str:
    """Write a value as Python; an array too large for that as ``...``."""
    if isinstance(value, np.ndarray):
        if value.size > LITERAL:
            return "..."
        dtype = "" if value.dtype == np.float64 else f", dtype={value.dtype.name!r}"
        if value.size:
            return f"array({value.tolist()!r}{dtype})"
        return f"array([]{dtype}).reshape({value.shape})"
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k!r}: {literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(literal(v) for v in value)}]"
    if isinstance(value, tuple):
        if _is_named(value):
            return f"{reference(type(value))[0]}({arguments((), value._asdict())})"
        inner = ", ".join(literal(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def types_in(value: Any) -> set[str]:
    """Return the lines that make the named tuples known that `literal` writes for a value."""
    if not isinstance(value, (dict, list, tuple)):
        return set()
    own = {reference(type(value))[1]} if _is_named(value) else set()
    return own.union(*map(types_in, value.values() if isinstance(value, dict) else value))


def _is_named(value: Any) -> TypeGuard[NamedTuple]:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def arguments(positional: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    """Write the arguments of a call."""
    words = [literal(v) for v in positional] + [f"{k}={literal(v)}" for k, v in keywords.items()]
    return ", ".join(words)


def name_of(function: Callable[..., Any]) -> str:
    """Return a function's name, for messages; of ``F.apply`` that of the `Function` F."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__name__
    return getattr(function, "__name__", None) or type(function).__name__


def reference(function: Callable[..., Any]) -> tuple[str, str]:
    """Return how to call a function in code, and the line that makes it known.

    A function that cannot be imported, such as a lambda, must stand in the code already.
    """
    owner = getattr(function, "__self__", None)
    known: Any = owner if isinstance(owner, type) else function
    module = getattr(known, "__module__", None) or "__main__"
    name = getattr(known, "__qualname__", None) or name_of(function)
    call = f"{name}.{function.__name__}" if known is owner else name
    if module == "__main__" or not call.replace(".", "").replace("_", "").isalnum():
        given = name_of(function)
        given = given if given.isidentifier() else "f"
        call = f"{given}.{function.__name__}" if known is owner else given
        same = given if given == name else f"{given} = {name}"
        return call, f"# {same}, as defined where this failed"
    return call, f"from {module} import {name.partition('.')[0]}"


def short(value: Any) -> str:
    """Show an argument in a label: small arrays whole, others by their shape."""
    if isinstance(value, np.ndarray):
        if value.size <= 4:
            text = np.array2string(value, separator=", ", precision=6)
            return " ".join(text.split())
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return f"[{', '.join(short(v) for v in value)}]"
    return repr(value)
