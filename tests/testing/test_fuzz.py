"""The checks pass what is right, and catch what is wrong: seeded faults."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import strategies as st

from tinygrad_cnn.core.function import Function, once_differentiable
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.testing import (
    Draw,
    GradcheckError,
    check_op,
    fuzz_gradients,
    fuzz_op,
    strategies,
)
from tinygrad_cnn.testing.fuzz import _check_memory


def declare(forward, rule, *, name="under_test", **settings):
    """Return an operation of one input `x`."""
    made = op(name=name, **settings)(forward)
    made.gradient("x")(rule)
    made.samples(lambda draw: (draw.array(draw.shape(1, 3), avoid=[0]),))
    return made


def cube(x):
    return x * x * x


def plain(x):
    return x.data if isinstance(x, Tensor) else x


def keep_and_change_g(g):
    g *= 2
    return g


def change_kept(g, x):
    if not isinstance(x, Tensor):
        x *= 3
    return g * x


def change_out(g, x, out):
    if not isinstance(out, Tensor):
        out *= 0
    return g * 3 * x * x


buffers: dict = {}


def exp_into_buffer(x):
    """Returns the same array each time."""
    key = (x.shape, x.dtype)
    return np.exp(x, out=buffers.setdefault(key, np.empty(*key)))


def only_inside(g, x):
    """Forgets the last element."""
    mask = np.ones(x.shape)
    mask[..., -1] = 0
    return g * 3 * x * x * mask


def check_often(operation):
    for seed in range(30):
        check_op(operation, Draw.from_seed(seed))


calls = iter(range(10**9))

FAULTS = {
    # name: (forward, rule, what the message must say)
    "sign": (cube, lambda g, x: -(g * 3 * x * x), "sign is wrong"),
    "factor": (cube, lambda g, x: g * 2 * x * x, "2/3 times"),
    "zero": (cube, lambda g, x: g * x * 0, "give zero"),
    "ignores the arriving gradient": (cube, lambda g, x: g * 0 + 3 * x * x, "first derivative"),
    "missing term": (lambda x: x * x + x, lambda g, x: g * 2 * x, "first derivative"),
    "missing element": (cube, only_inside, "first derivative"),
    "reversed": (
        lambda x: x[..., ::-1] * 2,
        lambda g, x_shape: g * 2,
        "reversed along",
    ),
    "second derivative stale": (cube, lambda g, x: g * 3 * plain(x) ** 2, "second derivative"),
    "second derivative with its own output for g": (
        cube,
        lambda g, x, out: 3 * out / x * plain(g),
        "second derivative",
    ),
    "float32 leak, forward": (
        lambda x: np.asarray(x, np.float64) * 2,
        lambda g: g * 2,
        "of float32 arguments it makes float64",
    ),
    "float32 leak, rule": (
        cube,
        lambda g, x, x_shape: g * x * x * np.full(x_shape, 3.0),
        "gives float64 for float32",
    ),
    "float32 of float64": (
        lambda x: np.asarray(x * 2, np.float32),
        lambda g: g * 2,
        "of float64 arguments it makes float32",
    ),
    "one buffer for all results": (exp_into_buffer, lambda g, out: g * out, "it is stale"),
    "not linear": (cube, lambda g, x: 3 * x * x * g * (abs(g) <= 1), "is not linear in"),
    "changes its argument": (
        lambda x: np.multiply(x, 2, out=x),
        lambda g: g * 2,
        "x was changed in place",
    ),
    "rule changes g": (lambda x: x * 2, keep_and_change_g, "changed in place"),
    "rule changes a kept input": (lambda x: x * x * 1.5, change_kept, "changed in place"),
    "rule changes the result": (cube, change_out, "after backward, the value"),
    "shape": (lambda x: x * 2, lambda g: g.reshape((1, *g.shape)) * 2, "gave shape"),
    "returns its argument": (lambda x: x, lambda g: g, "shares its memory"),
    "layout": (
        lambda x: np.asarray(x).ravel(order="K").reshape(x.shape) * 2,
        lambda g: g * 2,
        "in another memory layout",
    ),
    "not deterministic": (lambda x: x * 2 + next(calls), lambda g: g * 2, "on Tensors is"),
    "NaN": (lambda x: x * np.nan, lambda g: g * 2, "the value is NaN"),
    "NaN in the rule": (cube, lambda g, x: g * x * np.nan, "not finite"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_caught(fault):
    forward, rule, words = FAULTS[fault]
    broken = declare(forward, rule)
    with pytest.raises(RuntimeError) as raised:
        check_often(broken)
    assert words in str(raised.value)
    assert "under_test" in str(raised.value)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - {"layout", "reversed", "missing element"}))
def test_most_faults_are_caught_by_the_first_example(fault):
    forward, rule, _ = FAULTS[fault]
    with pytest.raises(RuntimeError):
        check_op(declare(forward, rule), Draw.from_seed(0))


def test_a_right_operation_passes():
    fuzz_op(declare(cube, lambda g, x: g * 3 * x * x))
    fuzz_op(declare(lambda x: x, lambda g: g, name="same", view=True))


@pytest.mark.parametrize("kind", ["its argument", "what it kept", "one buffer"])
def test_a_gradient_that_is_not_fresh_is_caught(kind):
    kept = np.full(3, 2.0)
    rules = {
        "its argument": lambda g, x: g,
        "what it kept": lambda g, x: x,
        "one buffer": lambda g, x: kept if isinstance(g, np.ndarray) else g * 2,
    }

    @op(name="under_test")
    def lying(x):
        return {"its argument": x * 1, "what it kept": x * x / 2, "one buffer": x * 2}[kind]

    lying.gradient("x", fresh=True)(rules[kind])
    lying.samples(lambda draw: (draw.array((3,)),))
    with pytest.raises(GradcheckError, match="declared fresh, yet"):
        _check_memory("under_test", ["x"], lambda xs: [lying(*xs)], [np.ones(3)], [np.ones(3)])


def test_a_transposed_gradient_is_named():
    @op(name="under_test")
    def transposed(x):
        return x.swapaxes(-1, -2) * 1.0

    transposed.gradient("x")(lambda g: g * 1.0)
    transposed.samples(lambda draw: (draw.array((3, 3)),))
    with pytest.raises(GradcheckError, match="it is transposed"):
        check_op(transposed, Draw.from_seed(0))


def test_a_wrong_rule_for_one_of_several_inputs_is_named():
    @op(name="under_test", promote="arithmetic")
    def product(x, y):
        return np.multiply(x, y)

    product.gradient("x")(lambda g, y: g * y)
    product.gradient("y")(lambda g, x: g * x * 2)

    @product.samples
    def _(draw):
        a, b = draw.broadcastable(2)
        return draw.array(a), draw.array(b)

    with pytest.raises(GradcheckError, match="first derivative: y"):
        check_op(product, Draw.from_seed(0))


def test_an_operation_that_should_have_no_gradient():
    @op(name="under_test", differentiable=False)
    def positive(x):
        return x > 0

    positive.samples(lambda draw: (draw.array(draw.shape()),))
    fuzz_op(positive)


def test_several_and_auxiliary_outputs():
    @op(name="under_test", outputs=("double", "square"), auxiliary=("sign",))
    def many(x):
        return x * 2, x * x, x > 0

    @many.gradient("x")
    def _(g, x):
        double, square = g
        result = x * 0
        if double is not None:
            result = result + double * 2
        if square is not None:
            result = result + square * 2 * x
        return result

    many.samples(lambda draw: (draw.array(draw.shape(), avoid=[0]),))
    fuzz_op(many)


def test_infinite_elements_are_left_out():
    @op(name="under_test")
    def padded(x):
        return np.concatenate([x, np.full(1, -np.inf, x.dtype)])

    padded.gradient("x")(lambda g: g[:-1])
    padded.samples(lambda draw: (draw.array((3,)),))
    fuzz_op(padded)


def test_an_operation_without_sampler_is_refused():
    bare = op(name="under_test")(cube)
    with pytest.raises(LookupError, match="no sampler"):
        check_op(bare, Draw.from_seed(0))


def test_hypothesis_shrinks_to_a_small_example():
    broken = declare(cube, only_inside)
    with pytest.raises(GradcheckError) as raised:
        fuzz_op(broken)
    assert "under_test(x=[" in str(raised.value)  # so small that it is shown whole


# -- fuzz_gradients ----------------------------------------------------------------------------


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class WrongCube(Cube):
    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 2 * x * x


class OnceCube(Cube):
    backward = staticmethod(once_differentiable(Cube.backward))


@fuzz_gradients(x=strategies.arrays())
def test_function(x):
    return Cube.apply(x)


@fuzz_gradients(x=strategies.arrays(), order=1)
def test_once_differentiable_function(x):
    return OnceCube.apply(x)


@fuzz_gradients(strategies.broadcastable("x", "y"), k=st.integers(1, 3))
def test_groups_and_arguments_that_are_not_arrays(x, y, k):
    return x * y * k, x * k


@fuzz_gradients(x=strategies.arrays(avoid=[0]))
def test_kinks_are_avoided(x):
    return where(x > 0, x * x, -x)


@fuzz_gradients(x=strategies.arrays(dtype=st.sampled_from(["float32", "float64"]), low=0.5))
def test_float32_is_judged_by_its_own_error(x):
    return x * x.log()


def test_fuzz_gradients_catches_a_wrong_function():
    test = fuzz_gradients(x=strategies.arrays())(lambda x: WrongCube.apply(x))
    with pytest.raises(GradcheckError, match="2/3 times"):
        test()


def test_fuzz_gradients_catches_a_random_function():
    rng = np.random.default_rng(0)
    test = fuzz_gradients(x=strategies.arrays())(lambda x: x * rng.standard_normal())
    with pytest.raises(GradcheckError, match="called again, the value is"):
        test()


def test_fuzz_gradients_wants_tensors():
    with pytest.raises(TypeError, match="expected it to return Tensors"):
        fuzz_gradients(x=strategies.arrays())(lambda x: 1)()


def test_fuzz_gradients_keeps_the_name_and_the_words():
    @fuzz_gradients(x=strategies.arrays())
    def test_something(x):
        """Words."""
        return x * 2

    assert test_something.__name__ == "test_something"
    assert test_something.__doc__ == "Words."


def test_gradcheck_needs_no_hypothesis():
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import numpy as np, tinygrad_cnn\n"
        "from tinygrad_cnn.core.tensor import Tensor\n"
        "from tinygrad_cnn.testing import gradcheck, check_op, Draw\n"
        "from tinygrad_cnn.ops.elementwise import mul\n"
        "assert gradcheck(mul, (Tensor(np.ones(2), requires_grad=True), 2.0))\n"
        "check_op(mul, Draw.from_seed(0))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_sampler_that_draws_kinks_is_told():
    @op(name="under_test")
    def relu(x):
        return np.maximum(x, 0)

    relu.gradient("x")(lambda g, x: g * (x > 0))
    relu.samples(lambda draw: (np.array([0.0, 1.0, draw.integer(-1, 1)]),))
    with pytest.raises(GradcheckError, match=r"x is at a kink \(elements \(0,\).*avoid=") as raised:
        check_often(relu)
    assert "To reproduce" in str(raised.value)
