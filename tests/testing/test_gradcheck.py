"""`gradcheck` and `gradgradcheck`: what passes, what fails, and what they say."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.function import Function
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.elementwise import log, where
from tinygrad_cnn.testing import GradcheckError, KinkWarning, gradcheck, gradgradcheck

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
    first, *_ = str(raised.value).splitlines()
    assert re.fullmatch(
        r"half_wrong: output 0 \(Cube\), input 0: the derivative of output element \(1, 2\) by "
        rf"input element \(1, 2\): the rules give {2 * value:.8g}, central differences "
        rf"{value:.8g} ± \de-1\d \(1 of 36 elements differ\)",
        first,
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
    noisy = with_gradient(lambda g, x: g * (3 * x * x + 1e-9 * rng.standard_normal()))
    with pytest.raises(GradcheckError, match="not deterministic"):
        gradcheck(noisy, variable(2))
    assert gradcheck(noisy, variable(2), nondet_tol=1e-6)


def test_bad_arguments():
    with pytest.raises(ValueError, match="at least one input that requires grad"):
        gradcheck(log, Tensor(np.ones(2)))
    with pytest.raises(TypeError, match="expected Tensors"):
        gradcheck(lambda x: 1, variable(2))
    for option in ("check_batched_grad", "check_batched_forward_grad", "check_forward_ad"):
        with pytest.raises(NotImplementedError, match="backward gradients, one at a time"):
            gradcheck(log, variable(2), **{option: True})
    with pytest.raises(NotImplementedError):
        gradcheck(log, variable(2), check_backward_ad=False)
    with pytest.raises(NotImplementedError):
        gradgradcheck(log, variable(2), check_batched_grad=True)


def test_grad_outputs_can_be_given():
    x = variable(2)
    v = Tensor(np.ones(2), requires_grad=True)
    assert gradgradcheck(right, x, v)


# -- precision ---------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("fn", "values"),
    [
        (tg.exp, [1e-8, 1e-3]),
        (log, [1e-6, 1.0, 1e4]),
        (tg.sin, [1e4, 2e3]),
        (lambda x: tg.tanh(1000 * x), [1e-3, 2e-3]),
        (lambda x: x * x + 1e6, [1.0, 2e-3]),
        (lambda x: x**4, [0.0, 0.0]),
        (lambda x: tg.exp(-x * x), [30.0, 0.0]),
    ],
    ids=["small", "wide", "large", "sharp", "offset", "flat", "vanishing"],
)
def test_right_gradients_pass_with_no_tolerance(fn, values, fast_mode):
    x = Tensor(np.array(values), requires_grad=True)
    assert gradcheck(fn, x, atol=0, rtol=0, fast_mode=fast_mode)


@BOTH
@pytest.mark.parametrize(("dtype", "least"), [(np.float16, 0.3), (np.float32, 0.01)])
def test_other_precisions_are_judged_by_their_own_error(dtype, least, fast_mode):
    x = Tensor(np.array([least, 0.5, 2], dtype), requires_grad=True)
    for fn in (log, lambda x: tg.tanh(x * x), lambda x: tg.softmax(x, 0)):
        assert gradcheck(fn, x, atol=0, rtol=0, fast_mode=fast_mode)
    wrong = with_gradient(lambda g, x: g * 2.5 * x * x)
    assert not gradcheck(wrong, x, raise_exception=False, fast_mode=fast_mode)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_a_fault_in_the_ninth_digit_is_seen_where_no_tolerance_is_given(fast_mode):
    nearly = with_gradient(lambda g, x: g * (3 + 3e-8) * x * x)
    x = variable(2)
    assert gradcheck(nearly, x, fast_mode=fast_mode)
    assert not gradcheck(nearly, x, atol=0, rtol=0, raise_exception=False, fast_mode=fast_mode)


def test_values_rounded_to_float32_are_no_float64():
    def leak(x):
        return tg.tanh(x).float().double()

    with pytest.raises(GradcheckError):
        gradcheck(leak, variable(2), atol=0, rtol=0)


def test_eps_is_the_largest_step():
    seen = []

    def fn(x):
        seen.append(float(abs(x.data - 1).max()))
        return x * x

    one = Tensor(np.ones(()), requires_grad=True)
    assert gradcheck(fn, one, eps=1e-5)
    assert max(seen) == pytest.approx(1e-5)


# -- kinks -------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("fn", "values", "elements"),
    [
        (tg.relu, [0.0, 1.0, -1.0], "(0, 0)"),
        (tg.abs, [1e-5, 1.0, 1e-13], "(2, 2)"),
        (lambda x: x.max(), [1.0, 1.0, 0.0], "(0,), (1,)"),
        (lambda x: x.clamp(0, 1), [1.0, 0.5, 0.0], "(0, 0), (2, 2)"),
        (lambda x: tg.maximum(x, x.flip(0) * 2), [2.0, 5.0, 1.0], "(0, 0), (0, 2)"),
    ],
)
def test_elements_at_a_kink_are_left_out_and_reported(fn, values, elements, fast_mode):
    x = Tensor(np.array(values), requires_grad=True)
    with pytest.warns(KinkWarning, match="is at a kink") as caught:
        assert gradcheck(fn, x, fast_mode=fast_mode)
    assert f"(elements {elements})" in str(caught[0].message)
    assert caught[0].filename == __file__


@BOTH
def test_the_other_elements_still_count(fast_mode):
    def fn(x):
        return tg.relu(x) + FAULTS["the sign is wrong"](x)

    x = Tensor(np.array([0.0, 1.0]), requires_grad=True)
    with pytest.raises(GradcheckError, match="element \\(1,\\): the rules give -2"):
        gradcheck(fn, x, fast_mode=fast_mode)


@BOTH
def test_a_check_of_nothing_but_kinks_fails(fast_mode):
    x = Tensor(np.zeros(2), requires_grad=True)
    with pytest.raises(GradcheckError, match="nothing can be checked"):
        gradcheck(tg.relu, x, fast_mode=fast_mode)


@BOTH
def test_a_jump_of_the_value_is_no_kink(fast_mode):
    x = Tensor(np.array([1.0, 0.5]), requires_grad=True)
    with pytest.raises(GradcheckError, match="central differences do not converge"):
        gradcheck(lambda x: x + tg.floor(x), x, fast_mode=fast_mode)


# -- properties --------------------------------------------------------------------------------


@BOTH
def test_a_backward_that_ignores_what_arrives(fast_mode):
    scalar = with_gradient(lambda g, x: g * 0 + 3 * x * x)
    with pytest.raises(GradcheckError, match=r"not linear|elements differ"):
        gradcheck(scalar, variable(), fast_mode=fast_mode)


class Pair(Function):
    """Two outputs; what arrives at them may be None."""

    missing = 0.0

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    @classmethod
    def backward(cls, ctx, g, h):
        if g is None:
            return h * 3 + cls.missing
        return g * 2 if h is None else g * 2 + h * 3


class WrongPair(Pair):
    missing = 1e-4


def test_undefined_gradients_count_as_zeros():
    assert gradcheck(Pair.apply, variable(2))
    with pytest.raises(GradcheckError, match="arrives at output 1 only"):
        gradcheck(WrongPair.apply, variable(2), atol=1e-3)
    assert gradcheck(WrongPair.apply, variable(2), atol=1e-3, check_undefined_grad=False)


def test_options_that_change_nothing_here():
    assert gradcheck(log, variable(2), check_grad_dtypes=True, masked=True)
    assert gradgradcheck(log, variable(2), gen_non_contig_grad_outputs=True, masked=False)


def test_the_probability_that_fast_mode_misses_a_fault():
    """The worst case is a Jacobian whose error has rank one; see `gradcheck`."""
    rng = np.random.default_rng(0)
    t = 1e-2
    missed = np.mean(abs(rng.standard_normal(400_000) * rng.standard_normal(400_000)) <= t)
    bound = 2 / np.pi * t * (1.12 + np.log(1 / t))
    assert 0.9 * bound < missed < 1.05 * bound


# -- PyTorch -----------------------------------------------------------------------------------


@pytest.fixture
def torch():
    """PyTorch with one thread: more wait for each other on a busy machine."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def test_verdicts_agree_with_pytorch(torch):
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


def test_pytorchs_functions_through_an_adapter(torch):
    """Its functions, and deliberately wrong ones, get the verdict that its own gradcheck gives."""
    F = torch.nn.functional

    def adapt(fn):
        """Return a function of PyTorch's tensors as one of ours."""

        class Adapted(Function):
            @staticmethod
            def forward(ctx, *args):
                ctx.args = [torch.tensor(x.data, requires_grad=True) for x in args]
                ctx.out = fn(*ctx.args)
                return Tensor(ctx.out.detach().numpy())

            @staticmethod
            def backward(ctx, g):
                found = torch.autograd.grad(
                    ctx.out, ctx.args, torch.tensor(g.data), retain_graph=True, allow_unused=True
                )
                return tuple(None if x is None else Tensor(x.numpy()) for x in found)

        return Adapted.apply

    def scaled(fn, change):
        """Return `fn` with its gradients changed."""

        class Wrong(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *args):
                with torch.enable_grad():
                    ctx.args = [x.detach().requires_grad_() for x in args]
                    ctx.out = fn(*ctx.args)
                return ctx.out.detach()

            @staticmethod
            def backward(ctx, g):
                found = torch.autograd.grad(ctx.out, ctx.args, g, retain_graph=True)
                return tuple(change(x) for x in found)

        return Wrong.apply

    rng = np.random.default_rng(0)
    x, y = rng.uniform(0.5, 2, (2, 3)), rng.uniform(0.5, 2, (3,))
    image, kernel = rng.standard_normal((2, 1, 3, 3)), rng.standard_normal((1, 1, 3, 3))
    functions = [
        (torch.exp, [x]),
        (torch.mul, [x, y]),
        (lambda x: torch.softmax(x, -1), [x]),
        (lambda x, y: torch.atan2(x, y), [x, y]),
        (lambda x: x.norm(dim=-1), [x]),
        (lambda x, w: F.conv2d(x, w, padding=1, stride=2), [image, kernel]),
        (lambda x: F.max_pool2d(x, 2), [image]),
        (lambda x: F.batch_norm(x, None, None, training=True), [image]),
    ]
    changes = [
        lambda g: g,
        lambda g: -g,
        lambda g: g * 1.01,
        lambda g: g * (1 + 1e-5),
        lambda g: g.flip(-1),
        lambda g: g * 0,
        lambda g: g + 1e-6,
        lambda g: g + 1e-3,
    ]
    for number, (fn, arrays) in enumerate(functions):
        for kind, change in enumerate(changes):
            theirs = scaled(fn, change)
            given = [torch.tensor(a, requires_grad=True) for a in arrays]
            expected = torch.autograd.gradcheck(theirs, given, raise_exception=False)
            variables = [Tensor(a, requires_grad=True) for a in arrays]
            got = gradcheck(adapt(theirs), variables, raise_exception=False)
            assert got == expected, (number, kind)


@pytest.mark.parametrize("seed", range(40))
def test_the_determinant_of_a_matrix_of_rank_1_has_no_kink(seed):
    """It is 0 all around: its differences are the rounding of products that cancel."""
    column = np.random.default_rng(seed).normal(size=(3, 1)) * 0.3
    matrix = tg.tensor(column @ column.T, requires_grad=True)
    assert gradcheck(tg.linalg.det, (matrix,))
