"""Watching a model run: which operations it calls, in which order, and on what."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.modes import scope
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor


class Ref(int):
    """The number of an array in `Trace.arrays`."""


class Call(NamedTuple):
    """One call of an operation."""

    op: Op
    scope: str
    values: list[Any]
    """For each parameter of the operation its value, where an array that is known is a `Ref`."""
    outs: list[Ref]

    def refs(self) -> Iterator[Ref]:
        """Yield the known arrays among the inputs."""
        for value in self.values:
            yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, Ref))


class Trace:
    """The calls of operations that were made by what ran inside `watch`.

    Arrays are told apart by identity, so all of them are kept.
    """

    def __init__(self, known: Iterable[np.ndarray]) -> None:
        self.arrays: list[np.ndarray] = []
        self.calls: list[Call] = []
        self._refs: dict[int, Ref] = {}
        for array in known:
            self.add(array)

    def add(self, array: np.ndarray) -> Ref:
        """Make an array known."""
        ref = self._refs[id(array)] = Ref(len(self.arrays))
        self.arrays.append(array)
        return ref

    def ref(self, value: Any) -> Any:
        """Return the number of an array that is known; anything else as it is."""
        if isinstance(value, list):
            return [self.ref(v) for v in value]
        return self._refs.get(id(value), value) if isinstance(value, np.ndarray) else value

    def run(self, op: Op, forward: Callable[..., Any], *values: Any) -> Any:
        """Run an operation's forward and note the call; not those which it makes itself."""
        token = _current.set(None)
        try:
            returned = forward(*values)
        finally:
            _current.reset(token)
        outs = returned if isinstance(returned, tuple) else (returned,)
        outs = tuple(np.asarray(out) for out in outs)
        refs = [self.ref(value) if i in op.inputs else value for i, value in enumerate(values)]
        self.calls.append(Call(op, scope.get(), refs, [self.add(out) for out in outs]))
        return outs if isinstance(returned, tuple) else outs[0]

    def assigned(self, array: np.ndarray, values: np.ndarray) -> None:
        """Note that an array took the values of another one, in place."""
        if id(values) in self._refs:
            self._refs[id(array)] = self._refs[id(values)]
            self.arrays.append(array)

    def needed(self, outs: Iterable[Ref]) -> list[Call]:
        """Return the calls that `outs` depend on."""
        wanted = set(outs)
        calls = []
        for call in reversed(self.calls):
            if wanted.intersection(call.outs):
                wanted.update(call.refs())
                calls.append(call)
        return calls[::-1]


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
_lock = threading.Lock()


class _Watched:
    """Stands in the class `Op` where each operation has its forward, while something is traced."""

    def __get__(self, op: Any, owner: type) -> Any:
        forward, trace = op.__dict__["_forward"], _current.get()
        return forward if trace is None else functools.partial(trace.run, op, forward)

    def __set__(self, op: Any, forward: Any) -> None:
        op.__dict__["_forward"] = forward


@contextmanager
def watch(trace: Trace) -> Iterator[None]:
    """Note in `trace` which operations this thread calls.

    Nothing is switched on the way of an operation outside this block: there, tracing costs nothing.
    """
    assign = Tensor._assign

    def watched_assign(tensor: Tensor, result: Any, name: str) -> Any:
        changed = assign(tensor, result, name)
        if (current := _current.get()) is not None and isinstance(result, Tensor):
            current.assigned(tensor._data, result._data)
        return changed

    token = _current.set(trace)
    with _lock:
        Op._forward = _Watched()  # type: ignore[assignment]
        Tensor._assign = watched_assign  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            del Op._forward  # type: ignore[misc]
            Tensor._assign = assign  # type: ignore[method-assign]
            _current.reset(token)
