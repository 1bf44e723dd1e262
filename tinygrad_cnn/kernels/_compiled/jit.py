"""How kernels are compiled, and what they take."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.core import event
from numba.core.dispatcher import Dispatcher

PACKAGE = __name__.rpartition(".")[0]
DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` when it is first called, and keep the result on disk where that works.

    It is compiled anew when its file changes, but not when only a file that it imports from does.
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


@jit
def _is_finite(x):
    check = x.dtype.type(0)
    for i in range(len(x)):
        check += x[i] * 0
    return check == 0


@jit
def _add_up(sums):
    for k in range(1, len(sums)):
        for i in range(sums.shape[1]):
            sums[0, i] += sums[k, i]


def is_finite(x: np.ndarray) -> bool:
    """Whether no element is inf or nan."""
    return bool(_is_finite(plain(x).reshape(-1)))


def add_up(sums: np.ndarray) -> np.ndarray:
    """Return the sum over the first axis, in the memory of its first element."""
    if len(sums) > 1:
        _add_up(sums.reshape(len(sums), -1))
    first: np.ndarray = sums[0]
    return first


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
