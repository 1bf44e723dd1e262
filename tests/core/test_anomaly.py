"""`detect_anomaly` names the operation that made the first NaN, and the user's line."""

from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from tinygrad_cnn import autograd
from tinygrad_cnn.core.op import op, registry
from tinygrad_cnn.core.tensor import Tensor

sqrt, log = registry["sqrt"], registry["log"]


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


@op(name="test_anomaly.bad", constant=("bias",))
def bad(x, bias=None):
    return x * 1


@bad.gradient("x")
def _(g, x):
    return g * np.nan


def test_forward():
    x = leaf(-1.0, 4.0)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError) as raised:
        sqrt(x)  # this line
    assert re.fullmatch(
        r"sqrt: the forward made the first NaN, called at .*test_anomaly.py:\d+, "
        r"in test_forward: sqrt\(x\)  # this line",
        str(raised.value),
    )


def test_forward_without_grad_and_with_an_optional_input():
    @op(name="test_anomaly.rooted", differentiable=False)
    def rooted(x, bias=None):
        with np.errstate(invalid="ignore"):
            return np.sqrt(x)

    x = Tensor(np.array([-1.0]))
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match="rooted: the forward"):
        rooted(x)


def test_a_nan_that_came_in_is_no_new_one():
    x = leaf(np.nan, 4.0)
    with autograd.detect_anomaly():
        y = x * 2 + 1
        registry["cat"]([y, y])
    assert np.isnan(y.data[0])


def test_a_sequence_of_inputs_and_integers():
    with autograd.detect_anomaly():
        registry["cat"]([Tensor(np.arange(2)), Tensor(np.arange(2))])
        Tensor(np.arange(3)) * 2


def test_backward():
    x = leaf(1.0, 2.0)
    with autograd.detect_anomaly():
        y = bad(x)  # made here
        with pytest.raises(RuntimeError) as raised:
            (y * 2).sum().backward()
    assert re.fullmatch(
        r"test_anomaly.bad: its gradient rule made the first NaN, for x, called at "
        r".*test_anomaly.py:\d+, in test_backward: y = bad\(x\)  # made here",
        str(raised.value),
    )
    assert y.grad_fn.site.endswith("y = bad(x)  # made here")
    assert x.grad is None


def test_backward_of_a_graph_made_before():
    y = bad(leaf(1.0))
    with (
        autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match=r"bad: its gradient rule .* for x$"),
    ):
        y.backward()


def test_recorded_backward():
    x = leaf(1.0)
    with autograd.detect_anomaly(), pytest.raises(RuntimeError, match=r"bad: its gradient rule"):
        autograd.grad(bad(x), x, create_graph=True)


def test_a_nan_that_arrived_is_not_the_rules():
    x = leaf(1.0)
    with autograd.detect_anomaly():
        y = x * 2
        (g,) = autograd.grad(y, x, np.array([np.nan]))
    assert np.isnan(g.data[0])


def test_function():
    class Bad(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return Tensor(g.data * np.nan)

    with autograd.detect_anomaly():
        y = Bad.apply(leaf(1.0))  # made here
        with pytest.raises(RuntimeError, match=r"Bad: its gradient rule .* for input 0, .*made here"):
            y.backward()


def test_outside_nothing_is_checked_or_remembered():
    x = leaf(-1.0)
    y = sqrt(x)
    assert np.isnan(y.item())
    assert y.grad_fn.site is None
    with autograd.detect_anomaly():
        pass
    assert np.isnan(sqrt(x).item())


def test_as_a_decorator_and_in_its_own_thread():
    @autograd.detect_anomaly()
    def work(x):
        thread = threading.Thread(target=lambda: sqrt(x))
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="sqrt"):
            sqrt(x)

    work(leaf(-1.0))
