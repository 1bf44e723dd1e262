"""The threads that share the work of compiled kernels."""

from __future__ import annotations

import importlib
import math
import os
import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import threads

workers = pytest.importorskip("tinygrad_cnn.kernels._compiled.workers", exc_type=ImportError)

LONG = 1e6
"""A cost for which all threads pay, ns."""


@pytest.fixture(autouse=True)
def _threads():
    before = tg.get_num_threads()
    yield
    tg.set_num_threads(before)


@workers.shared
def bounds(out, first, last):
    out[first] = last


@workers.shared
def steps(x, first, last):
    """As many steps for each element as its number, in units of about 1 us."""
    for i in range(first, last):
        for _ in range(i * 500):
            x[i] = x[i] * 0.5 + 1


@workers.shared
def greedy(x, size, first, last):
    """Where several threads share, the caller is busy until another has failed."""
    if last == 10:
        np.empty(size)
    else:
        for _ in range(200_000):
            x[first] = x[first] * 0.5 + 1


@pytest.mark.parametrize("threads", range(1, 5))
def test_parts_are_equal_and_without_gaps(threads):
    tg.set_num_threads(threads)
    assert workers.parts_of(10, LONG) == threads
    for _ in range(50):
        out = np.zeros(10, np.int64)
        workers.share(10, LONG, bounds, out)
        ends = [10 * (part + 1) // threads for part in range(threads)]
        assert [*out[out > 0]] == ends
        assert [*np.flatnonzero(out)] == [0, *ends[:-1]]


def test_little_work_is_not_shared():
    tg.set_num_threads(4)
    assert workers.parts_of(10, 1.0) == workers.parts_of(1, LONG) == 1
    assert workers.parts_of(10, 2.1 * workers.WORTH / 10) == 3
    out = np.zeros(10, np.int64)
    workers.share(10, 1.0, bounds, out)
    assert [*out] == [10, *[0] * 9]


def _alone(x):
    expected = x.copy()
    workers.share(len(x), 0.0, steps, expected)
    return expected


def test_the_other_thread_does_its_part():
    tg.set_num_threads(2)
    for _ in range(1000):
        x = np.zeros(40)
        workers._lines[1, workers.FAILED] = -1
        workers.share(len(x), LONG, steps, x)
        np.testing.assert_array_equal(x, _alone(np.zeros(40)))
        if workers._lines[1, workers.FAILED] == 0:
            break
    else:
        pytest.fail("in 1000 tries the other thread has done nothing")
    assert workers._lines[1, workers.STATE] in (workers.FREE, workers.ASLEEP)


def test_what_a_thread_has_not_begun_the_caller_does(monkeypatch):
    tg.set_num_threads(3)
    monkeypatch.setattr(workers._Worker, "wake", lambda self: None)
    monkeypatch.setattr(workers, "_workers", [])
    monkeypatch.setattr(workers, "_lines", np.zeros_like(workers._lines))
    workers.share(10, LONG, bounds, np.zeros(10, np.int64))  # makes the threads, which sleep
    for state in (workers.ASLEEP, workers.FREE):  # FREE: woken, but not there yet
        workers._lines[1:3, workers.STATE] = state
        x = np.zeros(40)
        workers.share(len(x), LONG, steps, x)
        np.testing.assert_array_equal(x, _alone(np.zeros(40)))
        assert [*workers._lines[1:3, workers.STATE]] == [state] * 2


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_error_is_raised_and_the_threads_go_on(threads):
    tg.set_num_threads(threads)
    for _ in range(10):
        with pytest.raises(MemoryError, match="no memory for the temporaries"):
            workers.share(10, LONG, greedy, np.zeros(10), 1 << 58)  # in the last part only
        out = np.zeros(10, np.int64)
        workers.share(10, LONG, bounds, out)
        assert out.max() == 10


def test_python_threads_share_at_once():
    tg.set_num_threads(2)
    expected, wrong = _alone(np.zeros(20)), []

    def run():
        for _ in range(200):
            x = np.zeros(20)
            workers.share(len(x), LONG, steps, x)
            if not np.array_equal(x, expected):
                wrong.append(x)

    several = [threading.Thread(target=run) for _ in range(4)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # threads and fork, from Python 3.12 on
def test_a_child_after_fork_has_threads_of_its_own():
    tg.set_num_threads(2)
    expected = _alone(np.zeros(40))
    workers.share(10, LONG, bounds, np.zeros(10, np.int64))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(20):
                x = np.zeros(40)
                workers.share(len(x), LONG, steps, x)
                np.testing.assert_array_equal(x, expected)
            code = 0 if len(workers._workers) == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_products_are_left_to_one_thread_while_kernels_share_theirs(monkeypatch):
    product = importlib.import_module("tinygrad_cnn.kernels._compiled.product")
    told = []
    monkeypatch.setattr(product, "_blas", threads.Blas(told.append, lambda: 2))
    monkeypatch.setattr(workers, "_shared_at", -math.inf)
    tg.set_num_threads(2)
    x, small = np.ones((64, 64)), np.ones((8, 8))
    product.product(x, x)
    assert told == []
    product.product_beside(x, x)
    assert told == [1, 2]
    told.clear()
    workers.share(2, LONG, bounds, np.empty(2))
    product.product(small, small)
    assert told == []
    np.testing.assert_array_equal(product.product(x, x), np.full((64, 64), 64.0))
    assert told == [1, 2]
    with pytest.raises(ValueError, match="not aligned"):
        product.product(x, np.ones((2, 64)))
    assert told == [1, 2, 1, 2]
