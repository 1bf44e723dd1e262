"""Which kernels run: NumPy's, or their twins compiled by Numba.

A kernel is a function on arrays, written in NumPy and decorated with `compiled`. Where Numba is
installed, the function of the same name in ``_compiled/<the same file>.py`` is asked first. It may
return `NotImplemented`, and then the NumPy function runs. So it does, after a warning, where Numba
does not work on a machine, unless it was asked for by name.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

CHOICES = ("numpy", "numba", "auto")
VARIABLE = "TINYGRAD_CNN_KERNELS"

_kernels: list[tuple[str, str]] = []
_twins: dict[tuple[str, str], Callable[..., Any]] | None = None  # None: not looked for yet
_choice: str | None = None  # None: as the environment says
_works = True  # whether Numba does, as far as is known


def use(kernels: str) -> None:
    """Choose the kernels that operations run on, in all threads from now on.

    The environment variable ``TINYGRAD_CNN_KERNELS`` holds the choice to begin with.

    Parameters
    ----------
    kernels : {"auto", "numpy", "numba"}
        NumPy's; those that Numba compiles for this machine when they are first needed, and that
        cover the usual cases of the slow operations; or Numba's where it is installed and works.

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
    global _choice, _twins, _works
    _resolve(kernels, "kernels.use")
    _choice, _twins, _works = kernels, None, True


def active() -> str:
    """Return which kernels operations run on now, "numpy" or "numba"."""
    return _resolve(*_asked())


def _asked() -> tuple[str, str]:
    """Return what was asked for, and where."""
    if _choice is not None:
        return _choice, "kernels.use"
    return os.environ.get(VARIABLE) or "auto", VARIABLE


def _resolve(choice: str, source: str) -> str:
    if choice not in CHOICES:
        raise ValueError(f"{source}: expected one of {', '.join(CHOICES)}, got {choice!r}")
    if choice == "numpy" or (choice == "auto" and not _works):
        return "numpy"
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
            try:
                out = twin(*args)
            except Exception as error:
                if not _cannot_compile(error):
                    raise
                _go_without(key, error)
            else:
                if out is not NotImplemented:
                    return out
        return function(*args)

    return cast(F, run)


def _find() -> dict[tuple[str, str], Callable[..., Any]]:
    """Import the twins, if they are wanted."""
    global _twins
    twins = {}
    if active() == "numba":
        for key in _kernels:
            try:
                twins[key] = getattr(importlib.import_module(key[0]), key[1])
            except Exception as error:  # whatever keeps Numba from being imported
                _go_without(key, error)
                return {}
    _twins = twins
    return twins


def _cannot_compile(error: Exception) -> bool:
    """Whether Numba or LLVM has failed, not a kernel on its arguments."""
    from numba.core.errors import NumbaError

    return isinstance(error, NumbaError) or type(error) is RuntimeError


def _go_without(key: tuple[str, str], error: Exception) -> None:
    """Use NumPy's kernels from now on, unless Numba's were asked for by name."""
    global _twins, _works
    if _asked()[0] == "numba":
        raise error
    _twins, _works = {}, False
    warnings.warn(
        f"kernels: Numba does not work here, so NumPy's kernels are used; {key[1]}: "
        f"{type(error).__name__}: {error}",
        RuntimeWarning,
        stacklevel=3,
    )
