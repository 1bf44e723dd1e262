"""How many threads NumPy's BLAS and the compiled kernels use.

By default as many as there are cores that this process may use, or fewer where the environment
says so to BLAS (``OPENBLAS_NUM_THREADS``, ``OMP_NUM_THREADS``).
"""

from __future__ import annotations

import ctypes
import importlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

CGROUPS = Path("/sys/fs/cgroup")

_FUNCTIONS = (
    *(
        (f"{prefix}openblas_set_num_threads{suffix}", f"{prefix}openblas_get_num_threads{suffix}")
        for prefix in ("scipy_", "")
        for suffix in ("64_", "")
    ),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
    ("bli_thread_set_num_threads", "bli_thread_get_num_threads"),
)


class Blas(NamedTuple):
    """How to set and get the number of threads of a BLAS."""

    set: Callable[[int], object]
    get: Callable[[], int]


def cores() -> int:
    """Return how many cores this process may use: by its affinity, and its container's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        count = os.cpu_count() or 1
    return max(1, min(count, _quota() or count))


def _quota() -> int | None:
    """Return how many cores' time the control group gets, rounded down; None if unlimited."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # versions 2, 1
        try:
            text = " ".join((CGROUPS / name).read_text() for name in files)
        except OSError:
            continue
        quota, period = text.split()
        return None if quota in ("max", "-1") else int(quota) // int(period)
    return None


def linked_blas() -> Blas | None:
    """Find the functions in the library that NumPy is linked to; None where that fails."""
    numpy = importlib.import_module("numpy._core._multiarray_umath")
    try:
        library = ctypes.CDLL(numpy.__file__)  # a name is looked for in what it is linked to, too
    except OSError:
        return None
    for names in _FUNCTIONS:
        if all(hasattr(library, name) for name in names):
            return Blas(*(getattr(library, name) for name in names))
    return None


def _another_blas() -> Blas | None:
    """Find the BLAS by threadpoolctl, which knows more ways."""
    try:
        import threadpoolctl
    except ModuleNotFoundError:
        return None
    found = threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    if not found:
        return None
    return Blas(lambda n: [one.set_num_threads(n) for one in found], found[0].get_num_threads)


def _default() -> int:
    """Return the threads to begin with. BLAS knows of affinity, but takes no notice of a quota."""
    count, blas = cores(), linked_blas()
    if blas is None or blas.get() == count:
        return count
    if blas.get() > count:
        blas.set(count)
    return blas.get()


_count = _default()


def get_num_threads() -> int:
    """Return how many threads an operation may use.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.get_num_threads() >= 1
    True
    """
    return _count


def set_num_threads(count: int, /) -> None:
    """Set how many threads an operation may use: in NumPy's BLAS, and in compiled kernels.

    BLAS is told for the whole process, so for other uses of NumPy, too.

    Parameters
    ----------
    count : int
        At least 1.

    Raises
    ------
    RuntimeError
        If it is no positive integer.

    Warns
    -----
    UserWarning
        Where the BLAS that NumPy uses cannot be told, and keeps its threads.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> threads = tg.get_num_threads()
    >>> tg.set_num_threads(1)
    >>> tg.get_num_threads()
    1
    >>> tg.set_num_threads(threads)
    """
    global _count
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise RuntimeError(f"set_num_threads: expected a positive integer, got {count!r}")
    _count = count
    blas = linked_blas() or _another_blas()
    if blas is not None:
        blas.set(count)
        return
    warnings.warn(
        "set_num_threads: no way is known to tell NumPy's BLAS, so it keeps its threads; "
        "more ways are known with threadpoolctl: pip install 'tinygrad_cnn[fast]'",
        stacklevel=2,
    )
