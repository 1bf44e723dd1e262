"""Programs of several processes, on one machine or more, after ``torch.distributed``, over MPI.

``mpiexec -n 2 python program.py`` starts them; they are numbered from 0 on, the rank. All run the
same program and must call the functions here in the same order, except those that only ask.
"""

from __future__ import annotations

import atexit
import enum
import importlib.util
import sys
import time
from collections.abc import Callable
from typing import Any

from .core.tensor import Tensor, changed_in_place

_world: Any = None
"""The communicator of all processes, while there is a process group."""
_leave: Callable[[], None]
"""Undoes what `_end_together` did."""


class ReduceOp(enum.Enum):
    """What `all_reduce` makes of the elements of all processes."""

    SUM = "SUM"
    PRODUCT = "PROD"
    MIN = "MIN"
    MAX = "MAX"


class Work:
    """An operation that goes on in the background.

    Parameters
    ----------
    request : mpi4py.MPI.Request
    """

    def __init__(self, request: Any) -> None:
        self._request = request

    def wait(self) -> bool:
        """Return True when it is done."""
        self._request.Wait()
        return True

    def is_completed(self) -> bool:
        """Return whether it is done; MPI takes the occasion to go on with it."""
        return self._request.Test()


def is_available() -> bool:
    """Return whether mpi4py is installed."""
    return importlib.util.find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Return whether there is a process group."""
    return _world is not None


def init_process_group(backend: str | None = None) -> None:
    """Join the processes that ``mpiexec`` started; started without it, be the only one.

    From here on, a process that an exception or ``sys.exit`` with an error ends shows its error as
    always, and then ends all the others too: they would wait for it forever.

    Parameters
    ----------
    backend : str, optional
        ``"mpi"``.

    Raises
    ------
    ValueError
        If it is another one, or there is a process group already.
    ImportError
        If mpi4py is missing.
    """
    global _world
    if backend not in (None, "mpi"):
        raise ValueError(f"init_process_group: backend must be 'mpi', got {backend!r}")
    if _world is not None:
        raise ValueError("init_process_group: there is a process group already")
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            "init_process_group needs mpi4py and MPI: pip install 'tinygrad_cnn[mpi]'"
        ) from error
    _world = MPI.COMM_WORLD
    _end_together()


def destroy_process_group() -> None:
    """Leave the process group; a process may then end as it likes.

    Raises
    ------
    ValueError
        If there is none.
    """
    global _world
    _communicator().Barrier()
    _world = None
    _leave()


def get_rank() -> int:
    """Return the number of this process.

    Raises
    ------
    ValueError
        If there is no process group.
    """
    return _communicator().Get_rank()


def get_world_size() -> int:
    """Return the number of processes.

    Raises
    ------
    ValueError
        If there is no process group.
    """
    return _communicator().Get_size()


def all_reduce(
    tensor: Tensor, op: ReduceOp = ReduceOp.SUM, *, async_op: bool = False
) -> Work | None:
    """Replace each element by the sum (or what `op` says) of those of all processes, in place.

    Parameters
    ----------
    tensor : Tensor
        Contiguous, and of the same shape and dtype in all processes.
    op : ReduceOp
    async_op : bool
        Return at once; `tensor` has its new values, and may be used, when the `Work` is done.

    Returns
    -------
    Work or None

    Raises
    ------
    ValueError
        If there is no process group, or `tensor` is not contiguous.
    """
    start = _communicator().Iallreduce
    from mpi4py import MPI

    work = Work(start(MPI.IN_PLACE, tensor._data, getattr(MPI, op.value)))
    changed_in_place(tensor)
    if async_op:
        return work
    work.wait()
    return None


def broadcast(tensor: Tensor, src: int) -> None:
    """Give `tensor` in all processes the values that it has in process `src`, in place.

    Parameters
    ----------
    tensor : Tensor
        Contiguous, and of the same shape and dtype in all processes.
    src : int

    Raises
    ------
    ValueError
        If there is no process group, or `tensor` is not contiguous.
    """
    _communicator().Bcast(tensor._data, src)
    changed_in_place(tensor)


def barrier() -> None:
    """Wait until all processes are here.

    Raises
    ------
    ValueError
        If there is no process group.
    """
    _communicator().Barrier()


def _communicator() -> Any:
    if _world is None:
        raise ValueError("there is no process group; call distributed.init_process_group()")
    return _world


def _end_together() -> None:
    """Let a process that dies end all of them."""
    global _leave
    show, leave, world = sys.excepthook, sys.exit, _world

    def abort(status: int) -> None:
        sys.stderr.flush()
        time.sleep(0.2)  # mpiexec drops what it has not passed on by then
        world.Abort(status)

    def excepthook(*error: Any) -> None:
        show(*error)
        abort(1)

    def exit(status: Any = None) -> Any:
        if status not in (None, 0):  # when its message is shown, and before MPI would wait
            atexit.register(abort, status if isinstance(status, int) else 1)
        leave(status)

    def undo() -> None:
        sys.excepthook, sys.exit = show, leave
        atexit.unregister(abort)

    sys.excepthook, sys.exit, _leave = excepthook, exit, undo
