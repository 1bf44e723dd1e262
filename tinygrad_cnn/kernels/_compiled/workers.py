"""Threads that share the work of a kernel.

A kernel does the part of its work (images, mostly) from `first` to `last` that it is told. Between
two kernels the threads wait actively for a while, without Python's lock: to wake one that sleeps,
or to hand it Python's lock, takes 20 to 50 us, as long as many a kernel. Numba's own threads, which
may be unsafe when two Python threads start kernels, or after a fork, are not needed.

Each thread has a line of numbers that it shares with the thread that calls, and whose first is its
state::

    ASLEEP --wake--> FREE --post--> POSTED --serve--> RUNNING --serve--> DONE --collect--> FREE

A part that its thread has not begun when the caller is through with its own, the caller does, too:
so it never waits for a thread that the machine has no time for.
"""

from __future__ import annotations

import math
import os
import threading
import time
import types as python_types
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.types.containers import UniTuple
from numba.extending import intrinsic

from ..threads import get_num_threads
from .emit import I32, I64
from .jit import jit

FREE, POSTED, RUNNING, DONE, ASLEEP = range(5)
STATE, FUNCTION, CONTEXT, FIRST, LAST, FAILED = range(6)  # in a line
LINE = 16
"""Numbers of a line: two cache lines, so that no two threads write to the same."""

THREADS = 64
"""At most."""

WORTH = 10_000
"""The ns of work for which another thread pays."""

IDLE = 10_000
"""How often a thread looks for work before it sleeps: about 0.3 ms."""

PATIENCE = 1000
"""How often the caller looks whether a thread is through, before it lets others run."""


# -- what LLVM has to be told ------------------------------------------------------------------


def _state(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Return the address of a thread's state: of lines, and the thread's number."""
    lines = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(lines, [builder.mul(args[1], ir.Constant(I64, LINE))])


@intrinsic
def _get(typing: Any, lines: Any, thread: Any) -> Any:
    """Return the state of a thread, and see what it wrote before."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = _state(context, builder, signature, args)
        return builder.load_atomic(state, "acquire", 8)

    return types.int64(lines, types.int64), emit


@intrinsic
def _put(typing: Any, lines: Any, thread: Any, value: Any) -> Any:
    """Set the state of a thread, for it to see what was written before."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = _state(context, builder, signature, args)
        builder.store_atomic(args[2], state, "release", 8)
        return context.get_dummy_value()

    return types.void(lines, types.int64, types.int64), emit


@intrinsic
def _change(typing: Any, lines: Any, thread: Any, old: Any, new: Any) -> Any:
    """Set the state of a thread to `new` if it is `old`, and return whether it was."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state = _state(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(state, args[2], args[3], "seq_cst"), 1)

    return types.boolean(lines, types.int64, types.int64, types.int64), emit


@intrinsic
def _pause(typing: Any) -> Any:
    """Let the processor, and the other thread of its core, know that this one waits."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        processor = builder.module.triple.partition("-")[0]
        if processor in ("x86_64", "i686"):
            wait = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, wait, "llvm.x86.sse2.pause"), [])
        elif processor in ("aarch64", "arm64"):
            hint = ir.FunctionType(ir.VoidType(), [I32])
            hint = cgutils.get_or_insert_function(builder.module, hint, "llvm.aarch64.hint")
            builder.call(hint, [ir.Constant(I32, 1)])
        return context.get_dummy_value()

    return types.void(), emit


_give_way = types.ExternalFunction("sched_yield" if os.name == "posix" else "SwitchToThread", types.int32())
"""Let another thread run here, which may be the one waited for."""

_FUNCTION = ir.FunctionType(I64, [cgutils.voidptr_t, I64, I64])
"""A function with a context, `first` and `last`, that returns whether it failed."""


@intrinsic
def _bind(typing: Any, kernel: Any, args: Any) -> Any:
    """Return a `_FUNCTION` that calls `kernel`, and its context: `args`, while the caller runs."""
    called = kernel.get_call_type(typing, (*args.types, types.int64, types.int64), {})
    kernel = kernel.dispatcher

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        compiled = kernel.overloads[called.args]
        context.active_code_library.add_linking_library(compiled.library)
        name = context.mangler(f"{compiled.fndesc.mangled_name}.part", [])
        function = ir.Function(builder.module, _FUNCTION, name)
        function.linkage = "internal"
        inside = ir.IRBuilder(function.append_basic_block())
        kept = inside.load(inside.bitcast(function.args[0], values[1].type.as_pointer()))
        given = [*cgutils.unpack_tuple(inside, kept), *function.args[1:]]
        status, _ = context.call_internal_no_propagate(inside, compiled.fndesc, called, given)
        inside.ret(inside.zext(status.is_error, I64))
        place = cgutils.alloca_once_value(builder, values[1])
        addresses = [builder.ptrtoint(p, I64) for p in (function, place)]
        return context.make_tuple(builder, signature.return_type, addresses)

    return UniTuple(types.int64, 2)(types.Dispatcher(kernel), args), emit


@intrinsic
def _call(typing: Any, function: Any, context: Any, first: Any, last: Any) -> Any:
    """Call a function that `_bind` made."""

    def emit(_: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], _FUNCTION.as_pointer())
        return builder.call(function, [builder.inttoptr(args[1], cgutils.voidptr_t), *args[2:]])

    return types.int64(*[types.int64] * 4), emit


# -- the two sides -----------------------------------------------------------------------------


@jit
def _run(lines, count, parts, function, context):
    """Call a function for all parts, the first in this thread; return whether one failed."""
    for thread in range(1, parts):
        line = lines[thread]
        line[FUNCTION], line[CONTEXT] = function, context
        line[FIRST], line[LAST] = count * thread // parts, count * (thread + 1) // parts
        _change(lines, thread, FREE, POSTED)
    failed = _call(function, context, 0, count // parts)
    for thread in range(1, parts):
        line = lines[thread]
        if _get(lines, thread) == ASLEEP or _change(lines, thread, POSTED, FREE):
            failed |= _call(function, context, line[FIRST], line[LAST])
        else:
            looks = 0
            while _get(lines, thread) != DONE:
                _pause()
                looks += 1
                if looks % PATIENCE == 0:
                    _give_way()
            failed |= line[FAILED]
            _put(lines, thread, FREE)
    return failed


@jit
def _serve(lines, thread):
    """Do what is posted for a thread, until nothing has come for a while."""
    line, idle = lines[thread], 0
    while idle < IDLE or not _change(lines, thread, FREE, ASLEEP):
        if _get(lines, thread) == POSTED and _change(lines, thread, POSTED, RUNNING):
            line[FAILED] = _call(line[FUNCTION], line[CONTEXT], line[FIRST], line[LAST])
            _put(lines, thread, DONE)
            idle = 0
        else:
            _pause()
            idle += 1


def _shared(lines, count, parts, *args):
    function, context = _bind(kernel, args)  # type: ignore[name-defined]  # noqa: F821
    return _run(lines, count, parts, function, context)


def shared(kernel: Any) -> Any:
    """Compile a kernel for `share`: its last arguments are `first` and `last`, and it returns None."""
    # Numba keeps it on disk by the file, the name and the first line
    where = kernel.__code__
    code = _shared.__code__.replace(co_filename=where.co_filename, co_firstlineno=where.co_firstlineno)
    function = python_types.FunctionType(code, {**globals(), "kernel": jit(kernel)})
    function.__qualname__ = f"{kernel.__qualname__}.shared"
    return jit(function)


# -- the threads -------------------------------------------------------------------------------


class _Worker:
    """A thread that serves, and sleeps where there is nothing to do."""

    def __init__(self, thread: int) -> None:
        self._thread, self._wake = thread, threading.Lock()
        self._wake.acquire()
        _lines[thread, STATE] = ASLEEP
        threading.Thread(target=self._loop, name="tinygrad_cnn kernels", daemon=True).start()

    def wake(self) -> None:
        if _lines[self._thread, STATE] == ASLEEP:
            _lines[self._thread, STATE] = FREE
            self._wake.release()

    def _loop(self) -> None:
        while True:
            self._wake.acquire()
            _serve(_lines, self._thread)


_lines = np.zeros((THREADS, LINE), np.int64)
_workers: list[_Worker] = []
_free = threading.Lock()
_shared_at = -math.inf


def _after_fork() -> None:
    """Forget the threads, which the child does not have."""
    global _free
    _workers.clear()
    _free = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def parts_of(count: int, cost: float) -> int:
    """Return between how many threads `count` items of `cost` ns each are worth sharing."""
    return min(get_num_threads(), THREADS, count, int(count * cost / WORTH) + 1)


def shared_lately() -> bool:
    """Whether work was shared in the last tenth of a second."""
    return time.perf_counter() - _shared_at < 0.1


def share(count: int, cost: float, kernel: Any, *args: Any) -> None:
    """Run a kernel over `count` items of `cost` ns each.

    On one thread where the work is too small to share, or another Python thread has the workers.

    Raises
    ------
    MemoryError
        If the kernel has no memory for its temporaries.
    """
    global _shared_at
    parts, free = parts_of(count, cost), _free
    if parts < 2 or not free.acquire(blocking=False):
        failed = kernel(_lines, count, 1, *args)
    else:
        try:
            while len(_workers) < parts - 1:
                _workers.append(_Worker(len(_workers) + 1))
            for worker in _workers[: parts - 1]:
                worker.wake()
            failed = kernel(_lines, count, parts, *args)
        finally:
            _shared_at = time.perf_counter()
            free.release()
    if failed:
        raise MemoryError("compiled kernels: no memory for the temporaries")
