"""Which kernels run: NumPy's, or their twins compiled by Numba.

A kernel is a function on arrays, written in NumPy and decorated with `compiled`. Where Numba is
installed, the function of the same name in ``_compiled/<the same file>.py`` is asked first. It may
return `NotImplemented`, and then the NumPy function runs.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

CHOICES = ("numpy", "numba", "auto")
VARIABLE = "TINYGRAD_CNN_KERNELS"

_kernels: list[tuple[str, str]] = []
_twins: dict[tuple[str, str], Callable[..., Any]] | None = None  # None: not looked for yet
_choice: str | None = None  # None: as the environment says


def use(kernels: str) -> None:
    """Choose the kernels that operations run on, in all threads from now on.

    The environment variable ``TINYGRAD_CNN_KERNELS`` holds the choice to begin with.

    Parameters
    ----------
    kernels : {"auto", "numpy", "numba"}
        NumPy's; those that Numba compiles for this machine when they are first needed, and that
        cover the usual cases of the slow operations; or Numba's where it is installed.

    Raises
    ------
    ValueError
        If `kernels` is none of these.
    ModuleNotFoundError
        If Numba is asked for and not installed.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> before = tg.kernels.active()
    >>> tg.kernels.use("numpy")
    >>> tg.kernels.active()
    'numpy'
    >>> tg.kernels.use(before)
    """
    global _choice, _twins
    _resolve(kernels, "kernels.use")
    _choice, _twins = kernels, None


def active() -> str:
    """Return which kernels operations run on now, "numpy" or "numba"."""
    if _choice is not None:
        return _resolve(_choice, "kernels.use")
    return _resolve(os.environ.get(VARIABLE) or "auto", VARIABLE)


def _resolve(choice: str, source: str) -> str:
    if choice not in CHOICES:
        raise ValueError(f"{source}: expected one of {', '.join(CHOICES)}, got {choice!r}")
    if choice == "numpy":
        return choice
    if importlib.util.find_spec("numba"):
        return "numba"
    if choice == "numba":
        raise ModuleNotFoundError(
            f"{source}: numba is not installed; pip install 'tinygrad_cnn[fast]'", name="numba"
        )
    return "numpy"


def compiled(function: F) -> F:
    """Ask the compiled twin of `function` first."""
    global _twins
    package, _, file = function.__module__.rpartition(".")
    key = (f"{package}._compiled.{file}", function.__name__)
    _kernels.append(key)
    _twins = None

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        twins = _twins
        if twins is None:
            twins = _find()
        twin = twins.get(key)
        if twin is not None:
            out = twin(*args)
            if out is not NotImplemented:
                return out
        return function(*args)

    return cast(F, run)


def _find() -> dict[tuple[str, str], Callable[..., Any]]:
    """Import the twins, if they are wanted."""
    global _twins
    twins = {}
    if active() == "numba":
        for module, name in _kernels:
            twins[module, name] = getattr(importlib.import_module(module), name)
    _twins = twins
    return twins
