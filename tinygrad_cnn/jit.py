"""`torch.jit`'s names, which do nothing: all runs as Python, so that source written for it runs."""

from __future__ import annotations

from typing import Any, Final as Final, TypeVar

T = TypeVar("T")


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """Return `obj`, a function, class or module, as it is.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> @tg.jit.script
    ... def twice(x):
    ...     return 2 * x
    >>> twice(tg.ones(2))
    tensor([2., 2.])
    """
    return obj


def export(fn: T) -> T:
    """Return a method as it is."""
    return fn


def unused(fn: T) -> T:
    """Return a function as it is."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Return a function as it is; also a decorator with options, as in ``@ignore()``."""
    return drop if callable(drop) else script


def _overload_method(func: T) -> T:  # DenseNet's source has it
    return func


def annotate(the_type: Any, the_value: T) -> T:
    """Return the value as it is."""
    return the_value


def is_scripting() -> bool:
    """Return whether this runs as compiled code: False."""
    return False


def is_tracing() -> bool:
    """Return whether this is being traced: False."""
    return False
