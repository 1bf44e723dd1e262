"""Operations: how they are declared, called and recorded, and what is refused."""

from __future__ import annotations

import operator
import pickle
import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import autograd
from tinygrad_cnn.core.methods import TensorMethods
from tinygrad_cnn.core.op import (
    Array,
    Arrays,
    _short_way,
    incomplete,
    method,
    methods,
    op,
    registry,
)
from tinygrad_cnn.core.tensor import Tensor


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


@op(name="test_op.scaled")
def scaled(input: Array, bias: Array | None = None, scale: float = 2.0, *, shift: float = 0.0):
    out = input * scale + shift
    return out if bias is None else out + bias


@scaled.gradient("input")
def _(g, scale):
    return g * scale


@scaled.gradient("bias")
def _(g):
    return g


# -- declaring ---------------------------------------------------------------------------------


def test_what_a_declaration_says():
    assert scaled.name == "test_op.scaled"
    assert scaled.parameters == ("input", "bias", "scale", "shift")
    assert scaled.inputs == (0, 1)
    assert scaled.option_names == ("scale", "shift")
    assert registry["test_op.scaled"] is scaled
    assert "return g * scale" in scaled.rule_source
    assert repr(scaled).startswith("<op test_op.scaled(input")


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match=r"named 'mul' exists, in tinygrad_cnn\.ops\.elementwise"):

        @op(name="mul")
        def other(x):
            return x


def test_declaring_again_the_same_function_is_a_reload():
    def declare():
        @op
        def reloaded(x):
            return x

        return reloaded

    assert declare() is not declare()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda g, y: g, r"the rule for \('x',\) has parameters \['g', 'y'\]"),
        (lambda x, g: g, "expected g first"),
        (lambda: 0, "expected g first"),
        (lambda g, *, x: g, r"none of them after a \*"),
        (lambda g, *x: g, r"none of them after a \*"),
        (lambda g, z_shape: g, "has parameters"),
    ],
)
def test_a_rule_may_name_only_what_there_is(rule, words):
    @op
    def single(x):
        return x

    with pytest.raises(TypeError, match=words):
        single.gradient("x")(rule)


def test_a_rule_is_for_an_input_and_comes_once():
    @op(constant=("index",))
    def indexed(x, index, *, scale=1):
        return x

    for name in ("y", "scale", "index"):
        with pytest.raises(TypeError, match=rf"gradient\('{name}'\) is for an input that gets none"):
            indexed.gradient(name)(lambda g: g)
    with pytest.raises(TypeError, match="yet has a rule"):
        indexed.gradient()(lambda g: g)
    indexed.gradient("x")(lambda g: g)
    with pytest.raises(TypeError, match="input 'x' has two gradient rules"):
        indexed.gradient("x")(lambda g: g)

    @op(differentiable=False)
    def flat(x):
        return x

    with pytest.raises(TypeError, match="not differentiable, yet has a rule"):
        flat.gradient("x")(lambda g: g)


def test_a_missing_rule_is_reported():
    @op(name="test_op.missing")
    def missing(x, y):
        return x + y

    missing.gradient("x")(lambda g: g)
    assert "test_op.missing: no gradient rule for y" in list(incomplete())
    x, y = leaf(1.0), leaf(2.0)
    missing(x, y.detach()).sum().backward()
    with pytest.raises(RuntimeError, match=r"test_op.missing: no gradient rule for input 'y'"):
        missing(x, y)


def refuse(words, **settings):
    def declare(function):
        with pytest.raises(TypeError, match=words):
            op(**settings)(function)
        assert function.__name__ not in registry

    return declare


def test_refused_declarations():
    @refuse(r"cannot take \*args")
    def f1(*args): ...

    @refuse("at least one array input")
    def f2(*, k): ...

    @refuse("must be the only array input")
    def f3(x: Arrays, y): ...

    @refuse(r"constant names \['z'\]", constant=("z",))
    def f4(x): ...

    @refuse("unexpected keyword argument 'diferentiable'", diferentiable=False)
    def f5(x): ...

    @refuse("promote", promote="yes")
    def f6(x): ...

    @refuse("operator", operator="+++")
    def f7(x, y): ...

    @refuse("twice", outputs=("x",))
    def f8(x): ...

    @refuse("twice", outputs=("a", "b"), auxiliary=("a",))
    def f9(x): ...


# -- calling -----------------------------------------------------------------------------------


def test_arrays_give_arrays_and_tensors_give_tensors():
    x = np.array([1.0, 2.0])
    assert isinstance(scaled(x), np.ndarray)
    out = scaled(Tensor(x))
    assert isinstance(out, Tensor)
    assert not out.requires_grad
    np.testing.assert_array_equal(out.data, scaled(x))


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {}, 6),
        ((10.0,), {}, 16),
        ((None, 3.0), {}, 9),
        ((), {"scale": 3.0}, 9),
        ((), {"shift": 1.0}, 7),
        ((), {"bias": 10.0, "scale": 3.0, "shift": 1.0}, 20),
        ((10.0, 3.0), {"shift": 1.0}, 20),
    ],
)
def test_arguments_by_place_and_name(args, kwargs, expected):
    x = leaf(3.0)
    out = scaled(x, *args, **kwargs)
    assert out.item() == expected
    scale = 3.0 if expected in (9, 20) else 2.0
    assert out.grad_fn.options == {"scale": scale, "shift": kwargs.get("shift", 0.0)}
    out.backward()
    assert x.grad.item() == scale
    assert scaled(input=x, **kwargs).requires_grad


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing a required argument: 'input'"),
        ((1.0, None, 2.0, 3.0), {}, "too many positional arguments"),
        ((1.0,), {"input": 2.0}, "multiple values for argument 'input'"),
        ((1.0,), {"skale": 2.0}, "unexpected keyword argument 'skale'"),
        (("words",), {}, "input must be a Tensor, an array or a number, got str"),
        (([1.0],), {}, "input must be a Tensor, an array or a number, got list"),
    ],
)
def test_wrong_arguments(args, kwargs, words):
    with pytest.raises(TypeError, match=f"^test_op.scaled: .*{words}"):
        scaled(*args, **kwargs)


def test_an_input_beside_a_tensor_is_checked():
    with pytest.raises(TypeError, match="bias must be a Tensor"):
        scaled(leaf(1.0), "words")


def test_shapes_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match=r"mul: shapes do not broadcast: input \(2,\), other \(3,\)"):
        leaf(1.0, 2.0) * leaf(1.0, 2.0, 3.0)


def test_a_sequence_of_tensors():
    cat = registry["cat"]
    for wrong in (leaf(1.0), np.ones(2), 3.0, None):
        with pytest.raises(TypeError, match="cat: tensors must be a sequence of Tensors"):
            cat(wrong)
    with pytest.raises(TypeError, match="got an empty one"):
        cat([])
    with pytest.raises(TypeError, match=r"cat: tensors must be .* got str"):
        cat([leaf(1.0), "words"])
    x, y = leaf(1.0), leaf(2.0)
    out = cat((x, np.array([5.0]), y, x))
    assert out.tolist() == [1, 5, 2, 1]
    out.backward(np.array([1.0, 10.0, 100.0, 1000.0]))
    assert (x.grad.item(), y.grad.item()) == (1001, 100)
    assert not cat([x.detach(), np.ones(1)]).requires_grad


def test_a_scalar_result_becomes_an_array():
    @op(name="test_op.total")
    def total(x):
        return x.sum()

    total.gradient("x")(lambda g, x_shape: registry["broadcast_to"](g, x_shape))
    x = leaf(1.0, 2.0)
    out = total(x)
    assert isinstance(out.data, np.ndarray)
    assert out.shape == ()
    out.backward()
    np.testing.assert_array_equal(x.grad.data, [1, 1])


# -- recording ---------------------------------------------------------------------------------


def test_the_node():
    x = leaf(1.0, 2.0)
    h = x * 3
    y = scaled(h, x, shift=1.0)
    node = y.grad_fn
    assert node.op is scaled
    assert node.name() == "test_op.scaled"
    assert node.parents == (h.grad_fn, x)
    assert node.next_functions == ((h.grad_fn, 0), (x, 0))
    assert node.options == {"scale": 2.0, "shift": 1.0}
    assert node.saved == {}
    assert (node.shape, node.dtype) == ((2,), np.float64)
    assert node.seq > h.grad_fn.seq
    assert node.site is None
    assert node.scope == ""
    assert "g * scale" in node.rule
    assert repr(node) == f"<test_op.scaled #{node.seq}>"
    assert scaled(x.detach(), x).grad_fn.parents == (None, x)


def test_a_rule_for_several_inputs_and_one_that_gives_none():
    @op(name="test_op.both")
    def both(x, y):
        return x * y

    both.gradient("x", "y")(lambda g, x, y: (g * y, None))
    x, y = leaf(2.0), leaf(3.0)
    both(x, y).sum().backward()
    assert x.grad.item() == 3
    assert y.grad is None

    @op(name="test_op.short")
    def short(x, y):
        return x * y

    short.gradient("x", "y")(lambda g: (g,))
    with pytest.raises(ValueError, match="zip"):
        short(x, y).sum().backward()


def test_a_rule_may_ask_for_shapes_options_and_outputs():
    @op(name="test_op.asks")
    def asks(x, y, k=1, *, m=2):
        return x * x * y * k * m

    @asks.gradient("x")
    def _(g, x_shape, y_shape, out, k, m, x):
        assert x_shape == y_shape == (2,)
        assert (k, m) == (3, 5)
        return g * out * 2 / x

    asks.gradient("y")(lambda g, out, y: g * out / y)
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = asks(x, y, 3, m=5)
    assert set(out.grad_fn.saved) == {"x", "y", "out"}
    gx, gy = autograd.grad(out.sum(), [x, y], create_graph=True)
    np.testing.assert_allclose(gx.data, 2 * x.data * y.data * 15)
    np.testing.assert_allclose(gy.data, x.data**2 * 15)
    (gxy,) = autograd.grad(gx.sum(), y)
    np.testing.assert_allclose(gxy.data, 2 * x.data * 15)


def test_constant_and_boolean_arrays_stay_arrays_in_recorded_rules():
    kinds = []

    @op(name="test_op.masked", constant=("mask",), auxiliary=("index",))
    def masked(x, mask):
        return x * mask, np.argsort(x)

    @masked.gradient("x")
    def _(g, mask, index):
        kinds.append((type(mask), type(index)))
        return g * mask

    x = leaf(1.0, 2.0)
    out, _ = masked(x, Tensor(np.array([True, False])))
    (g,) = autograd.grad(out.sum(), x, create_graph=True)
    np.testing.assert_array_equal(g.data, [1, 0])
    assert kinds == [(np.ndarray, np.ndarray)]


# -- Tensor methods and operators --------------------------------------------------------------


@pytest.fixture
def _restore_methods():
    attributes, names = dict(vars(TensorMethods)), dict(methods)
    yield
    for name, value in dict(vars(TensorMethods)).items():
        if name not in attributes:
            delattr(TensorMethods, name)
        elif value is not attributes[name]:
            setattr(TensorMethods, name, attributes[name])
    methods.clear()
    methods.update(names)


@pytest.mark.usefixtures("_restore_methods")
def test_methods_and_operators():
    @op(name="test_op.mixed", method="mixed_with", operator="^", inplace=True)
    def mixed(x, y):
        """Words."""
        return x * 10 + y

    mixed.gradient("x")(lambda g: g * 10)
    mixed.gradient("y")(lambda g: g)
    x, y = leaf(1.0), leaf(2.0)
    assert x.mixed_with(y).item() == 12
    assert x.mixed_with(y=y).item() == 12
    assert (x ^ y).item() == (x ^ 2.0).item() == 12
    assert (2.0 ^ x).item() == 21
    assert (np.array([2.0]) ^ x).item() == 21
    z = x * 1
    assert z.mixed_with_(y) is z
    z ^= y
    assert z.item() == 122
    assert Tensor.mixed_with.__doc__ == "Words."
    assert Tensor.mixed_with.__qualname__ == "Tensor.mixed_with"
    assert methods["mixed_with"] is mixed

    @method("twice", as_property=True)
    def twice(x):
        return x * 2

    assert x.twice.item() == 2


@pytest.mark.parametrize("other", ["words", [1.0], {}, 1j])
def test_an_operand_that_is_no_array(other):
    for operate, name in ((operator.add, "add"), (operator.mul, "mul"), (operator.lt, "lt")):
        with pytest.raises(TypeError, match=f"{name}: other must be a Tensor, an array or a number"):
            operate(leaf(1.0), other)


def test_equality_with_what_is_no_number_as_in_pytorch():
    x = leaf(1.0, 2.0)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "words") is False
    assert x not in ["words", None]


def test_errors_inside_an_operation_are_not_hidden():
    with pytest.raises(RuntimeError, match="do not broadcast"):
        operator.eq(leaf(1.0, 2.0), leaf(1.0, 2.0, 3.0))


def test_array_on_the_left():
    x = leaf(1.0, 2.0)
    for out in (np.array([3.0, 4.0]) * x, np.float64(3) * x, np.array(3.0) - x):
        assert isinstance(out, Tensor)
        assert out.requires_grad


def test_leaves_can_be_pickled():
    x = leaf(1.0, 2.0)
    again = pickle.loads(pickle.dumps(x))
    np.testing.assert_array_equal(again.data, x.data)
    assert again.requires_grad
    with pytest.raises(RuntimeError, match="only leaf tensors"):
        pickle.dumps(x * 2)


def test_a_rule_that_calls_numpy_says_so_under_create_graph():
    @tg.op(name="numpy_in_a_rule")
    def grow(x):
        return np.exp(x)

    @grow.gradient("x")
    def _(g, x):
        return g * np.exp(x)

    x = tg.tensor(1.0, requires_grad=True)
    grow(x).backward()
    assert x.grad.item() == pytest.approx(np.e)
    message = "numpy_in_a_rule: the gradient rule for x calls a NumPy function on a Tensor"
    with pytest.raises(TypeError, match=message):
        tg.autograd.grad(grow(x), x, create_graph=True)


def test_a_node_knows_the_inputs_that_were_numbers():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    assert (x * 3).grad_fn.numbers == {"other": 3}
    assert (2.5 - x).grad_fn.numbers == {"input": 2.5}
    assert (x + x).grad_fn.numbers == {}
    y = x**3
    y.sum().backward()
    assert y.grad_fn.numbers == {"exponent": 3}


OPERANDS = {
    "leaf": lambda: leaf(0.5, 2.0),
    "recorded": lambda: leaf(0.5, 2.0).exp(),
    "column": lambda: Tensor(np.array([[1.0], [3.0]]), requires_grad=True),
    "constant": lambda: Tensor(np.array([2.0, 3.0])),
    "0-d": lambda: Tensor(np.array(2.0), requires_grad=True),
    "float32": lambda: Tensor(np.array([2, 3], np.float32), requires_grad=True),
    "integers": lambda: Tensor(np.array([1, 2])),
    "float": lambda: 1.5,
    "int": lambda: 2,
    "array": lambda: np.array([1.0, 2.0]),
}


@pytest.mark.parametrize("right", OPERANDS)
@pytest.mark.parametrize("left", ["leaf", "recorded", "column", "constant", "0-d", "integers"])
@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "true_divide", "pow", "lt", "maximum"])
def test_operators_do_what_their_operations_do(symbol, left, right):
    """`_short_way` is the one way, `Op.__call__` the other."""
    known, apply = registry[symbol], _short_way(registry[symbol])
    a, b = OPERANDS[left](), OPERANDS[right]()
    result, expected = apply(a, b), known(a, b)
    np.testing.assert_array_equal(result.data, expected.data, strict=True)
    assert result.requires_grad == expected.requires_grad
    node, other = result.grad_fn, expected.grad_fn
    assert (node is None) == (other is None) == (not expected.requires_grad)
    if node is not None:
        mixed = a.dtype != getattr(b, "dtype", a.dtype)  # then a parent is a new conversion
        assert list(map(type, node.parents)) == list(map(type, other.parents))
        assert mixed or all(map(operator.is_, node.parents, other.parents))
        assert node.numbers == other.numbers
        assert node.saved.keys() == other.saved.keys()
        assert (node.shape, node.dtype, node.scope) == (other.shape, other.dtype, other.scope)
        with tg.no_grad():
            assert apply(a, b).grad_fn is None
        with autograd.detect_anomaly():
            assert "test_op.py" in apply(a, b).grad_fn.site


@op(name="test_op.first", promote="arithmetic")
def first(x, y):
    return x + 0 * y


@first.gradient("x")
def _(g, x_shape):
    return g.reshape(g.shape[len(g.shape) - len(x_shape) :])


@first.gradient("y")
def _(g):
    return 0 * g


@pytest.mark.parametrize("apply", [first, _short_way(first)])
def test_rules_may_ask_for_shapes_either_way(apply):
    x = leaf(1.0, 2.0)
    apply(x, x).sum().backward()
    assert x.grad.tolist() == [1, 1]


@pytest.mark.parametrize("wrong", [leaf(1.0, 2.0, 3.0), "2", [1.0, 2.0]])
def test_operators_refuse_what_their_operations_refuse(wrong):
    with pytest.raises((RuntimeError, TypeError)) as expected:
        registry["mul"](leaf(1.0, 2.0), wrong)
    with pytest.raises(type(expected.value), match=re.escape(str(expected.value))):
        leaf(1.0, 2.0) * wrong


def test_a_changed_array_is_noticed_where_several_rules_keep_it():
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = x * 1
    z = y**w  # both rules keep the base, and one keeps the result
    y.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place since"):
        z.sum().backward()
