"""How kernels are compiled, and run on several threads.

A kernel is compiled without the global lock, and does the part of its work (images, mostly) from
`first` to `last` that it is told; `share` gives each thread a part. So Numba's own threads, which
may be unsafe when two Python threads start kernels, or after a fork, are not needed.
"""

from __future__ import annotations

import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import event
from numba.core.dispatcher import Dispatcher

from ..threads import get_num_threads

PACKAGE = __name__.rpartition(".")[0]
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))

quiet = np.errstate(over="ignore", invalid="ignore")
"""For what NumPy does with the kernels' results, which may hold inf and nan."""


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` when it is first called, and keep the result on disk where that works.

    Sums may be reordered and products fused into them; nan and inf are as the processor has them.
    """
    options = {"nogil": True, "fastmath": {"reassoc", "contract"}, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # Numba finds no folder that it may write to
        return numba.njit(**options)(function)


def plain(x: np.ndarray) -> np.ndarray:
    """Return `x`, or a copy, in C order and writable: all that kernels are compiled for."""
    return x if x.flags.carray else np.array(x, order="C")


def memory(x: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return the memory of `x` (N, C, ...), and how far apart its elements are along N, C, D, H, W.

    Of a copy where the elements do not fill their memory, in whatever order of the axes.
    """
    if not x.flags.carray:
        ordered = x.transpose(sorted(range(x.ndim), key=lambda i: -x.strides[i]))
        if not ordered.flags.carray:
            x = ordered = np.array(x, order="C")
    else:
        ordered = x
    steps = tuple([s // x.itemsize for s in x.strides])
    return ordered.reshape(-1), (*steps[:2], *(0,) * (5 - x.ndim), *steps[2:])


# -- threads -----------------------------------------------------------------------------------


class _Worker:
    """A thread that runs what it is given, one call after the other."""

    def __init__(self) -> None:
        self._given, self._done = threading.Lock(), threading.Lock()
        self._given.acquire()
        self._done.acquire()
        self._error: BaseException | None = None
        threading.Thread(target=self._loop, name="tinygrad_cnn kernels", daemon=True).start()

    def start(self, call: Callable[[], object]) -> None:
        self._call = call
        self._given.release()

    def wait(self) -> None:
        self._done.acquire()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _loop(self) -> None:
        while True:
            self._given.acquire()
            try:
                self._call()
            except BaseException as error:  # raised in the thread that waits
                self._error = error
            del self._call
            self._done.release()


_workers: list[_Worker] = []
_free = threading.Lock()


def _after_fork() -> None:
    """Forget the threads, which the child does not have."""
    global _free
    _workers.clear()
    _free = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def share(count: int, cost: float, kernel: Callable[[int, int, int], object]) -> int:
    """Run ``kernel(part, first, last)`` over `count` items of `cost` ns each; return the parts.

    On one thread where the work is too small to share, or another Python thread has the workers.
    """
    parts = min(get_num_threads(), count, int(count * cost / 20_000) + 1)
    if parts < 2 or not _free.acquire(blocking=False):
        kernel(0, 0, count)
        return 1
    free = _free
    try:
        while len(_workers) < parts - 1:
            _workers.append(_Worker())
        started = []
        try:
            for part in range(1, parts):
                first, last = count * part // parts, count * (part + 1) // parts
                _workers[part - 1].start(functools.partial(kernel, part, first, last))
                started.append(_workers[part - 1])
            kernel(0, 0, count // parts)
        finally:
            for worker in started:
                worker.wait()
    finally:
        free.release()
    return parts


# -- what compiling took -----------------------------------------------------------------------


class _Listener(event.Listener):
    """Says once that kernels were compiled, when that has taken more than a second."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._begun, self._said = 0.0, 0, 0.0, False

    def on_start(self, event: Any) -> None:
        if self._depth == 0:
            self._begun = time.perf_counter()
        self._depth += 1

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        dispatcher: Dispatcher = event.data["dispatcher"]
        if self._depth or not dispatcher.py_func.__module__.startswith(PACKAGE):
            return
        self.seconds += time.perf_counter() - self._begun
        if self.seconds > 1 and not self._said:
            self._said = True
            logging.getLogger("tinygrad_cnn").warning(
                "Numba is compiling kernels for this machine, each when it is first needed; "
                "later runs load them from disk."
            )


event.register("numba:compile", _Listener())
