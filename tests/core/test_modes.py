"""Grad modes: as blocks, decorators, on generators, and in threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tinygrad_cnn.core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from tinygrad_cnn.core.tensor import Tensor

OFF = [no_grad, inference_mode, lambda: set_grad_enabled(False), lambda: inference_mode(True)]
ON = [enable_grad, lambda: set_grad_enabled(True), lambda: inference_mode(False)]


@pytest.fixture(autouse=True)
def _as_it_was():
    yield
    assert is_grad_enabled()


@pytest.mark.parametrize("mode", OFF)
def test_off_in_a_block(mode):
    x = Tensor(np.ones(2), requires_grad=True)
    with mode():
        assert not is_grad_enabled()
        y = x * 2
    assert not y.requires_grad
    assert y.grad_fn is None
    assert (x * 2).requires_grad


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("on", ON)
def test_nested(off, on):
    with off():
        with on():
            assert is_grad_enabled()
            with off():
                assert not is_grad_enabled()
            assert is_grad_enabled()
        assert not is_grad_enabled()


@pytest.mark.parametrize("mode", OFF)
def test_an_exception_ends_the_block(mode):
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert is_grad_enabled()


@pytest.mark.parametrize("decorator", ["no_grad()", "no_grad", "inference_mode", "enabled"])
def test_decorators(decorator):
    expected = decorator == "enabled"
    with set_grad_enabled(not expected):
        decorate = {
            "no_grad()": no_grad,
            "no_grad": lambda: no_grad,
            "inference_mode": lambda: inference_mode,
            "enabled": lambda: set_grad_enabled(True),
        }[decorator]()

        @decorate
        def function(a, b=2):
            """Words."""
            return is_grad_enabled(), a, b

        assert function(1, b=3) == (expected, 1, 3)
        assert function.__name__ == "function"
        assert function.__doc__ == "Words."
        assert is_grad_enabled() is not expected


def test_a_decorated_function_may_call_itself():
    @no_grad()
    def down(n):
        assert not is_grad_enabled()
        return 0 if n == 0 else down(n - 1) + 1

    assert down(5) == 5


def test_one_instance_used_again_and_nested():
    mode = no_grad()
    for _ in range(2):
        with mode:
            with enable_grad(), mode:
                assert not is_grad_enabled()
            assert not is_grad_enabled()
        assert is_grad_enabled()


def test_set_grad_enabled_acts_at_once():
    set_grad_enabled(False)
    assert not is_grad_enabled()
    set_grad_enabled(True)
    assert is_grad_enabled()
    mode = set_grad_enabled(False)
    assert not is_grad_enabled()
    for _ in range(2):
        with mode:
            pass
        assert is_grad_enabled()


def test_set_grad_enabled_decorates_several_functions():
    mode = set_grad_enabled(False)
    first, second = mode(is_grad_enabled), mode(is_grad_enabled)
    assert is_grad_enabled(), "as a decorator it acts in the function only"
    assert (first(), second()) == (False, False)


# -- generators --------------------------------------------------------------------------------


@no_grad()
def counting(calls):
    """Yield whether grad is enabled inside, and take what is sent."""
    try:
        while True:
            try:
                received = yield is_grad_enabled()
            except ValueError as error:
                received = error
            calls.append((received, is_grad_enabled()))
            if received == "stop":
                return "returned"
    finally:
        calls.append(("closed", is_grad_enabled()))


def test_a_decorated_generator_has_the_mode_inside_only():
    calls = []
    generator = counting(calls)
    assert next(generator) is False
    assert is_grad_enabled()
    assert generator.send(7) is False
    assert is_grad_enabled()
    error = ValueError()
    assert generator.throw(error) is False
    assert is_grad_enabled()
    with pytest.raises(StopIteration) as stopped:
        generator.send("stop")
    assert stopped.value.value == "returned"
    assert calls == [(7, False), (error, False), ("stop", False), ("closed", False)]


def test_closing_a_decorated_generator():
    calls = []
    generator = counting(calls)
    next(generator)
    generator.close()
    assert calls == [("closed", False)]
    assert is_grad_enabled()


def test_an_exception_from_a_decorated_generator():
    @no_grad
    def failing():
        yield 1
        raise KeyError("inside")

    generator = failing()
    next(generator)
    with pytest.raises(KeyError, match="inside"):
        next(generator)
    assert is_grad_enabled()


# -- threads -----------------------------------------------------------------------------------


def test_a_mode_holds_in_its_own_thread():
    seen = {}
    inside, done = threading.Event(), threading.Event()

    def other():
        seen["at start"] = is_grad_enabled()
        with no_grad():
            seen["in block"] = is_grad_enabled()
            inside.set()
            done.wait()

    with no_grad():
        thread = threading.Thread(target=other)
        thread.start()
        inside.wait()
    assert is_grad_enabled()
    done.set()
    thread.join()
    assert seen == {"at start": True, "in block": False}


def test_a_decorated_function_runs_in_several_threads_at_once():
    barrier = threading.Barrier(4)
    seen = []

    @no_grad()
    def work():
        barrier.wait()
        seen.append(is_grad_enabled())
        barrier.wait()

    def run():
        work()
        seen.append(is_grad_enabled())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [False] * 4 + [True] * 4
