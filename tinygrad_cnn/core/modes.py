"""What holds for the code that runs now: grad mode, anomaly mode and module scope.

Each lives in a `contextvars.ContextVar`, so every thread has its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

grad_mode: ContextVar[bool] = ContextVar("grad_mode", default=True)
anomaly_mode: ContextVar[bool] = ContextVar("anomaly_mode", default=False)
scope: ContextVar[str] = ContextVar("scope", default="")
"""Path of the module whose forward is running, such as ``features.0``."""
watcher: ContextVar[Callable[..., Any]] = ContextVar("watcher", default=lambda *_: None)
"""Called with the tensors that a backward starts from and their gradients.

What it returns, unless None, wraps the call of each node's gradient rules: it is called with
``rules`` and returns what is called instead, as ``rules(node, g, wanted)``.
"""


class _Setting:
    """Sets a context variable for a ``with`` block, or for each call of a decorated function."""

    def __init__(self, variable: ContextVar[bool], value: bool) -> None:
        self._variable = variable
        self._value = bool(value)
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(self._variable.get())
        self._variable.set(self._value)

    def __exit__(self, *exception: object) -> None:
        self._variable.set(self._before.pop())

    def __call__(self, function: F) -> F:
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with _Setting(self._variable, self._value):
                return function(*args, **kwargs)

        return wrapper  # type: ignore[return-value]

    def _wrap_generator(self, function: Any) -> Any:
        """Return a generator function that runs under the setting, but yields outside it."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            setting = _Setting(self._variable, self._value)
            generator = function(*args, **kwargs)
            resume, sent = generator.send, None
            while True:
                try:
                    with setting:
                        item = resume(sent)
                except StopIteration as stopped:
                    return stopped.value
                try:
                    resume, sent = generator.send, (yield item)
                except GeneratorExit:
                    with setting:
                        generator.close()
                    raise
                except BaseException as error:
                    resume, sent = generator.throw, error

        return wrapper


class _Bare(_Setting):
    """Can also decorate without parentheses, as in PyTorch: ``@no_grad``."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return super().__new__(cls) if function is None else cls()(function)


class no_grad(_Bare):
    """Context manager and decorator: nothing is recorded.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(grad_mode, False)


class enable_grad(_Bare):
    """Context manager and decorator: operations are recorded again inside `no_grad`."""

    def __init__(self) -> None:
        super().__init__(grad_mode, True)


class inference_mode(_Setting):
    """Context manager and decorator: nothing is recorded.

    Here the same as ``set_grad_enabled(not mode)``. PyTorch also forbids later use of the
    results in recorded operations; here they are ordinary tensors.
    """

    def __new__(cls, mode: Any = True) -> Any:
        return cls()(mode) if callable(mode) else super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(grad_mode, not mode)


class set_grad_enabled(_Setting):
    """Set grad mode: at once when called, for a block as a context manager, or as a decorator."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad_mode, mode)
        self._outside = grad_mode.get()
        grad_mode.set(self._value)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        grad_mode.set(self._outside)

    def __call__(self, function: F) -> F:
        grad_mode.set(self._outside)
        return super().__call__(function)


class detect_anomaly(_Setting):
    """Context manager and decorator that finds the operation which makes the first NaN.

    Inside it every recorded operation remembers the line of the program that called it.
    ``RuntimeError`` is raised, with the operation and that line, as soon as the forward of an
    operation turns NaN-free inputs into a NaN, or one of its gradient rules returns a NaN.
    (PyTorch looks at backward only.)

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([-1.0, 4.0], requires_grad=True)
    >>> with tg.autograd.detect_anomaly():
    ...     tg.sqrt(x).sum().backward()
    Traceback (most recent call last):
        ...
    RuntimeError: sqrt: the forward made the first NaN, called at ...
    """

    def __init__(self) -> None:
        super().__init__(anomaly_mode, True)


def is_grad_enabled() -> bool:
    """Return whether operations are recorded in this thread."""
    return grad_mode.get()
