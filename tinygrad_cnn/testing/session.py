"""What one run sets for all fuzz tests, and what it counts: for pytest's plugin, and the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import perf_counter

examples: int | None = None
"""How many examples each test draws, whatever it says itself."""
seed: int | None = None
"""Of what Hypothesis draws. Without, it draws other examples each time."""


@dataclass
class Record:
    """What was checked of one function, or operation.

    Attributes
    ----------
    draws : int
        How many examples.
    first, second : int
        How many derivatives of first and second order were compared with differences.
    worst : float
        The largest difference, relative to the terms that the derivative sums, or to 5e-7 of
        the value's, where those vanish.
    seconds : float
        Spent in all checks.
    """

    draws: int = 0
    first: int = 0
    second: int = 0
    worst: float = 0.0
    seconds: float = 0.0


_records: dict[str, Record] = {}
_current: ContextVar[Record | None] = ContextVar("current", default=None)


@contextmanager
def draw_of(name: str) -> Iterator[None]:
    """Count what is checked inside as one draw of the function `name`."""
    record = _records.setdefault(name, Record())
    record.draws += 1
    token = _current.set(record)
    start = perf_counter()
    try:
        yield
    finally:
        record.seconds += perf_counter() - start
        _current.reset(token)


def compared(order: int, error: float) -> None:
    """Count one derivative that was compared, with a relative difference of `error`."""
    record = _current.get()
    if record is not None:
        record.first += order == 1
        record.second += order == 2
        record.worst = max(record.worst, error)


def take() -> dict[str, Record]:
    """Return what was counted since the last time."""
    taken = dict(_records)
    _records.clear()
    return taken
