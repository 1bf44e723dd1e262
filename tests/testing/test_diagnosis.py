"""What is said of a wrong gradient, and that the code printed with it shows it again."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import op, registry
from tinygrad_cnn.testing import (
    Draw,
    GradcheckError,
    check_op,
    check_vjp,
    fuzz_gradients,
    fuzz_op,
    fuzz_vjp,
    gradcheck,
    gradgradcheck,
    strategies,
)
from tinygrad_cnn.testing.diagnosis import likely_fault, literal, program, types_in

X = np.arange(1.0, 13).reshape(3, 4) ** 1.5
SQUARE = X[:, :3]


@pytest.mark.parametrize(
    ("analytic", "numeric", "words"),
    [
        (-X, X, "the sign is wrong"),
        (X * 0.5, X, "it is 1/2 times what it should be"),
        (X * 0.123456, X, "it is 0.123456 times what it should be"),
        (X * 0, X, "the rules give zero"),
        (X, X * 0, "the derivative is zero"),
        (X * np.nan, X, "not finite"),
        (SQUARE.T, SQUARE, "it is transposed"),
        (X[:, ::-1], X, "it is reversed along dimension 1"),
        (np.roll(X, 1, 0), X, "it is shifted by one along dimension 0"),
        (np.pad(X, ((0, 0), (0, 1)))[:, 1:], X, "it is shifted by one along dimension 1"),
        (X * 1e-10, X * 0, ""),
        (X, X * 3 * np.sqrt(X), ""),
        (X, np.full(X.shape, np.nan), ""),
    ],
)
def test_known_faults(analytic, numeric, words):
    found = likely_fault(analytic, numeric)
    assert words in found
    assert words or not found


def test_faults_that_take_knowledge_of_the_arguments():
    v = np.linspace(-1, 2, X.size).reshape(X.shape)
    assert likely_fault(X, X * v, factors={"v": v}) == "the factor v is missing"
    assert likely_fault(v, X, others={"it is that of y": v}) == "it is that of y"
    assert likely_fault(v, X, others={"it is that of y": v[:1]}) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.array([[1.0, 0.1]]), "array([[1.0, 0.1]])"),
        (np.array(2, np.float32), "array(2.0, dtype='float32')"),
        (np.zeros((0, 2), np.int64), "array([], dtype='int64').reshape((0, 2))"),
        (np.float32(1.5), "1.5"),
        ((1, [np.ones(1)], {"dim": None}), "(1, [array([1.0])], {'dim': None})"),
        ((slice(None),), "(slice(None, None, None),)"),
        ((np.dtype("float32"),), "(dtype('float32'),)"),
        (np.zeros(2000), "..."),
    ],
)
def test_literals(value, text):
    assert literal(value) == text


def test_the_arguments_of_every_operation_can_be_written():
    for name, known in registry.items():
        if not known.__module__.startswith("tinygrad_cnn."):
            continue  # of another test
        sample = known.sampler(Draw.from_seed(1))
        code = program(f"again = {literal(sample)}", *types_in(sample))
        found: dict = {}
        exec(code, found)
        assert literal(found["again"]) == literal(sample), name


# -- the code in the message -------------------------------------------------------------------


def code_of(error: BaseException) -> str:
    _, code = str(error).split("To reproduce:\n")
    return "\n".join(line[4:] for line in code.splitlines())


def raises_again(call, **known):
    """Run `call`, then the code that its message holds, and compare what they say."""
    with pytest.raises(GradcheckError) as first:
        call()
    with pytest.raises(GradcheckError) as second:
        exec(code_of(first.value), known)
    numbers = r"± \S+|-?\d\.?\d*e-\d+"
    first_line, second_line = (
        re.sub(numbers, "", str(e.value).split("\nTo reproduce")[0]) for e in (first, second)
    )
    assert first_line == second_line
    return str(first.value)


def wrong(name, rule, forward=lambda x: x * x * x):
    made = op(name=name)(forward)
    made.gradient("x")(rule)
    made.samples(lambda draw: (draw.array(draw.shape(1, 2)),))
    return made


def test_check_op_and_fuzz_op():
    broken = wrong("under_test", lambda g, x: g * 2 * x * x)
    text = raises_again(lambda: fuzz_op(broken))
    assert "it is 2/3 times what it should be" in text
    assert "check_op(registry['under_test'], (array([" in text
    raises_again(lambda: check_op(broken, Draw.from_seed(4)))


def test_check_op_where_the_argument_was_changed():
    broken = wrong("under_test", lambda g: g * 2, lambda x: np.multiply(x, 2, out=x))
    raises_again(lambda: fuzz_op(broken))


def test_check_op_where_only_one_memory_layout_fails():
    forward = lambda x: np.asarray(x).ravel(order="K").reshape(x.shape) * 2
    broken = wrong("under_test", lambda g: g * 2, forward)
    raises_again(lambda: [check_op(broken, Draw.from_seed(i)) for i in range(50)])


def test_check_op_with_options():
    @op(name="under_test")
    def scaled(x, *, by: float, dims: tuple[int, ...]):
        return x * by

    scaled.gradient("x")(lambda g: g)
    scaled.samples(lambda draw: (draw.array((2,)), {"by": 2.0, "dims": (1,)}))
    assert "{'by': 2.0, 'dims': (1,)}" in raises_again(lambda: fuzz_op(scaled))


class Scale(NamedTuple):
    by: float
    dims: tuple[int, ...] = (0,)


def test_check_op_with_an_option_that_is_a_named_tuple():
    @op(name="under_test")
    def scaled(x, scale: Scale):
        return x * scale.by

    scaled.gradient("x")(lambda g: g)
    scaled.samples(lambda draw: (draw.array((2,)), Scale(2.0)))
    text = raises_again(lambda: fuzz_op(scaled))
    assert "Scale(by=2.0, dims=(0,)))" in text
    assert f"from {__name__} import Scale" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="errors take notes since Python 3.11")
def test_an_error_in_a_rule_is_reproduced_too():
    broken = wrong("under_test", lambda g, x: {}["slope"])
    with pytest.raises(KeyError, match="slope") as raised:
        fuzz_op(broken)
    notes = [note for note in raised.value.__notes__ if note.startswith("To reproduce:")]
    assert len(notes) == 1
    assert "check_op(registry['under_test'], (array([" in notes[0]


def halved(x):
    return wrong("halved", lambda g, x: g * x, lambda x: x * x)(x)


def test_gradcheck_of_a_function_that_can_be_imported(monkeypatch):
    monkeypatch.setattr(halved, "__module__", "halving")
    monkeypatch.setitem(sys.modules, "halving", SimpleNamespace(halved=halved))
    x = tg.tensor(np.array([0.5, 2.0]), requires_grad=True)
    text = raises_again(lambda: gradcheck(halved, x, rtol=1e-4))
    assert "from halving import halved" in text
    assert "requires_grad=True),), rtol=0.0001)" in text


def test_gradcheck_of_a_function_that_cannot():
    x = tg.tensor(np.array([0.5, 2.0]), requires_grad=True)
    call = lambda: gradcheck(lambda x, k: halved(x) * k, (x, 3))
    assert "# f = test_gradcheck" in raises_again(call, f=lambda x, k: halved(x) * k)


class Cube(tg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * tg.Tensor(x.data) * x


def test_gradgradcheck_of_a_function_class(monkeypatch):
    monkeypatch.setattr(Cube, "__module__", "__main__")
    x = tg.tensor(np.array([0.5, 2.0]), requires_grad=True)
    raises_again(lambda: gradgradcheck(Cube.apply, x), Cube=Cube)


def test_large_arrays_are_not_written_out():
    x = tg.tensor(np.ones((40, 40)), requires_grad=True)
    with pytest.raises(GradcheckError) as raised:
        gradcheck(lambda x: halved(x).sum(), x)
    assert "To reproduce" not in str(raised.value)


def test_fuzz_gradients():
    @fuzz_gradients(x=strategies.arrays())
    def under_test(x):
        return halved(x)

    text = raises_again(under_test, under_test=under_test)
    assert "under_test.check(x=array(" in text


def square(x):
    return x**2


def square_vjp(g, x):
    return g * x


def test_check_vjp():
    x = np.array([1.0, np.inf, 3.0])[::2]
    text = raises_again(
        lambda: check_vjp(square, square_vjp, x), square=square, square_vjp=square_vjp
    )
    assert "it is 1/2 times" in text


def test_fuzz_vjp():
    @fuzz_vjp(square, x=strategies.arrays())
    def under_test(g, x):
        return g * x

    raises_again(under_test, under_test=under_test)
