"""`gradcheck` and `gradgradcheck`: what passes, what fails, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.core.function import Function
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.elementwise import log, where
from tinygrad_cnn.testing import GradcheckError, gradcheck, gradgradcheck

BOTH = pytest.mark.parametrize("fast_mode", [False, True])


def variable(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(1).uniform(0.5, 2, shape), requires_grad=True)


def with_gradient(rule):
    """Return the cube of a tensor, with a gradient of one's own."""

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return rule(g, x)

    return Cube.apply


right = with_gradient(lambda g, x: g * 3 * x * x)
FAULTS = {
    "the sign is wrong": with_gradient(lambda g, x: g * -3 * x * x),
    "it is 2/3 times": with_gradient(lambda g, x: g * 2 * x * x),
    "the rules give zero": with_gradient(lambda g, x: g * 0 * x),
    "not finite": with_gradient(lambda g, x: g * x * np.inf),
    "elements differ": with_gradient(lambda g, x: g * 3 * x),
}


@BOTH
def test_right_gradients_pass(fast_mode):
    x, y = variable(2, 3), variable(3)
    assert gradcheck(right, x, fast_mode=fast_mode) is True
    assert gradcheck(lambda x, y: (x * y, y * y), (x, y), fast_mode=fast_mode)
    assert gradcheck(lambda x, k: x * k, (x, 3), fast_mode=fast_mode)
    assert gradcheck(log, [x], fast_mode=fast_mode)
    assert gradcheck(lambda x: x, x, fast_mode=fast_mode)
    assert gradcheck(lambda x: (x * x, x > 1), variable(), fast_mode=fast_mode)
    assert gradgradcheck(right, x, fast_mode=fast_mode) is True
    assert gradgradcheck(lambda x, y: (x * y, y * y), (x, y), fast_mode=fast_mode)


@BOTH
@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_gradients_fail_and_say_why(fault, fast_mode):
    x = variable(2, 3)
    with pytest.raises(GradcheckError, match=fault):
        gradcheck(FAULTS[fault], x, fast_mode=fast_mode)
    assert gradcheck(FAULTS[fault], x, raise_exception=False, fast_mode=fast_mode) is False


def test_the_message_names_the_place_and_both_values():
    def half_wrong(x):
        return with_gradient(
            lambda g, x: g * 3 * x * x * where(np.array([[1, 1, 1], [1, 1, 0]]) > 0, 1.0, 2.0)
        )(x)

    x = variable(2, 3)
    with pytest.raises(GradcheckError) as raised:
        gradcheck(half_wrong, x)
    value = 3 * x.data[1, 2] ** 2
    assert str(raised.value) == (
        "half_wrong: output 0 (Cube), input 0: the derivative of output element (1, 2) by input "
        f"element (1, 2) is {2 * value:.8g}, central differences give {value:.8g} "
        "(1 of 36 elements differ)"
    )


@BOTH
def test_a_wrong_second_derivative_fails(fast_mode):
    stale = with_gradient(lambda g, x: g * 3 * Tensor(x.data**2))
    assert gradcheck(stale, variable(2), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match=r"first derivative of .*the rules give zero"):
        gradgradcheck(stale, variable(2), fast_mode=fast_mode)


@BOTH
def test_an_input_left_out_of_the_graph_fails(fast_mode):
    x, y = variable(2), variable(2)
    with pytest.raises(GradcheckError, match=r"input 1.*the rules give zero"):
        gradcheck(lambda x, y: x * y.detach(), (x, y), fast_mode=fast_mode)
    with pytest.raises(GradcheckError, match="input 0"):
        gradcheck(lambda x: x.detach() * 2, x, fast_mode=fast_mode)


def test_inputs_reached_by_closure_are_moved_too():
    x, w = variable(2), variable(2)
    assert gradcheck(lambda _: x * w, w)
    before = w.data
    with pytest.raises(GradcheckError):
        gradcheck(lambda _: FAULTS["the sign is wrong"](w), w)
    assert w.data is before


def test_nothing_is_left_behind():
    x = variable(2)
    data, values = x.data, x.data.copy()
    gradcheck(right, x)
    gradgradcheck(right, x)
    assert x.data is data
    np.testing.assert_array_equal(x.data, values)
    assert x.grad is None


def test_backward_that_differs_from_run_to_run():
    rng = np.random.default_rng(0)
    noisy = with_gradient(lambda g, x: g * 3 * x * x + 1e-9 * rng.standard_normal())
    with pytest.raises(GradcheckError, match="not deterministic"):
        gradcheck(noisy, variable(2))
    assert gradcheck(noisy, variable(2), nondet_tol=1e-6)


def test_bad_arguments():
    with pytest.raises(ValueError, match="at least one input that requires grad"):
        gradcheck(log, Tensor(np.ones(2)))
    with pytest.raises(TypeError, match="expected Tensors"):
        gradcheck(lambda x: 1, variable(2))
    single = Tensor(np.ones(2, np.float32), requires_grad=True)
    with pytest.warns(UserWarning, match="input 0 is float32"):
        gradcheck(lambda x: x * 2, single, eps=1e-2)


def test_grad_outputs_can_be_given():
    x = variable(2)
    v = Tensor(np.ones(2), requires_grad=True)
    assert gradgradcheck(right, x, v)


def test_verdicts_agree_with_pytorch():
    torch = pytest.importorskip("torch")

    def theirs(rule):
        class Cube(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return rule(g, x)

        return Cube.apply

    for scale in (1.0, 1 + 1e-5, 1 + 1e-2, -1.0):
        for shift in (0.0, 1e-6, 1e-3):
            for fast in (False, True):

                def rule(g, x, scale=scale, shift=shift):
                    return g * (3 * scale * x * x + shift)

                x = variable(2, 2)
                expected = torch.autograd.gradcheck(
                    theirs(rule),
                    torch.tensor(x.data, requires_grad=True),
                    raise_exception=False,
                    fast_mode=fast,
                )
                got = gradcheck(with_gradient(rule), x, raise_exception=False, fast_mode=fast)
                assert got == expected, (scale, shift, fast)
