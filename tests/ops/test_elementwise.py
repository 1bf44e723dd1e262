"""Elementwise operations against Python's arithmetic on single numbers, and their edge cases."""

from __future__ import annotations

import cmath
import math
import operator

import numpy as np
import pytest

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import methods, registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import elementwise as ew, reduce
from tinygrad_cnn.testing import Draw

inf, nan = math.inf, math.nan


def tensor(values, dtype=np.float32, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def drawn(name, seed):
    return registry[name].sampler(Draw.from_seed(seed))


def same(got, expected, dtype=None):
    got = got.data if isinstance(got, Tensor) else np.asarray(got)
    expected = np.asarray(expected, got.dtype if dtype is None else dtype)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def gradients(function, *values, order=1, dtype=np.float64):
    """Return the gradients of the sum of `function`, or those of their sum."""
    inputs = [tensor(v, dtype, requires_grad=True) for v in values]
    found = grad(reduce.sum(function(*inputs)), inputs, create_graph=order == 2)
    if order == 2:
        total = sum((reduce.sum(g) for g in found[1:]), reduce.sum(found[0]))
        found = grad(total, inputs, materialize_grads=True)
    return [g.data.tolist() for g in found]


# -- values ------------------------------------------------------------------------------------


def clamp(x, low, high):
    if low is not None and x < low:
        x = low
    return high if high is not None and x > high else x


ORACLES = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "true_divide": operator.truediv,
    "floor_divide": operator.floordiv,
    "trunc_divide": lambda x, y: math.trunc(x / y),
    "remainder": operator.mod,
    "neg": operator.neg,
    "pow": math.pow,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "logical_not": operator.not_,
    "logical_and": lambda x, y: bool(x) and bool(y),
    "logical_or": lambda x, y: bool(x) or bool(y),
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "bitwise_not": operator.invert,
    "isnan": math.isnan,
    "isinf": math.isinf,
    "isfinite": math.isfinite,
    "abs": abs,
    "sign": lambda x: (x > 0) - (x < 0),
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "log1p": math.log1p,
    "sqrt": math.sqrt,
    "rsqrt": lambda x: x**-0.5,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "sin": lambda x: cmath.exp(1j * x).imag,
    "cos": lambda x: cmath.exp(1j * x).real,
    "where": lambda c, x, y: x if c else y,
    "maximum": max,
    "minimum": min,
    "clamp": clamp,
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_python(name):
    for seed in range(40):
        args = drawn(name, seed)
        shape = np.broadcast_shapes(*(np.shape(x) for x in args))
        columns = [
            [x] * math.prod(shape) if x is None else np.broadcast_to(x, shape).ravel().tolist()
            for x in args
        ]
        expected = [ORACLES[name](*values) for values in zip(*columns, strict=True)]
        got = registry[name](*[Tensor(x) if isinstance(x, np.ndarray) else x for x in args])
        assert got.shape == shape
        np.testing.assert_allclose(got.data, np.reshape(expected, shape), rtol=1e-14, atol=1e-15)


@pytest.mark.oracle("floor_divide", "trunc_divide", "remainder")
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32])
def test_three_ways_to_divide(dtype):
    pairs = [(x, y) for x in range(-7, 8) for y in (-3, -2, -1, 1, 2, 3)]
    x, y = tensor([x for x, _ in pairs], dtype), tensor([y for _, y in pairs], dtype)
    same(x // y, [a // b for a, b in pairs], dtype)
    same(x % y, [a % b for a, b in pairs], dtype)
    same(ew.div(x, y, rounding_mode="floor"), [a // b for a, b in pairs], dtype)
    same(ew.div(x, y, rounding_mode="trunc"), [int(a / b) for a, b in pairs], dtype)
    expected = [a / b for a, b in pairs]
    same(ew.div(x, y), np.array(expected, np.float32), np.float32)


def test_division_by_zero():
    same(tensor([1, -1, 0]) / 0, [inf, -inf, nan])
    same(tensor([1, -1, 0]) // 0, [inf, -inf, nan])
    same(tensor([1, -1, 0]) % 0, [nan, nan, nan])
    whole = tensor([1, 2], np.int64)
    same(whole / 0, [inf, inf], np.float32)
    for divide in (ew.floor_divide, ew.remainder, lambda x, y: ew.div(x, y, rounding_mode="trunc")):
        with pytest.raises(RuntimeError, match=r"^(floor_divide|remainder|div): integer division by zero"):
            divide(whole, 0)
    with pytest.raises(RuntimeError, match="rounding_mode must be None, 'trunc' or 'floor', got 'up'"):
        ew.div(whole, 2, rounding_mode="up")


def test_alpha():
    x = tensor([1, 2])
    same(ew.add(x, x, alpha=3), [4, 8])
    same(ew.sub(x, 1, alpha=0.5), [0.5, 1.5])
    same(ew.add(tensor([1], np.int64), 2.5, alpha=2), [6], np.float32)
    with pytest.raises(RuntimeError, match="sub: alpha must be an integer for integer tensors"):
        ew.sub(tensor([1], np.int64), tensor([1], np.int64), alpha=1.5)


@pytest.mark.filterwarnings("ignore:invalid value encountered in (subtract|multiply)")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_functions_of_special_values(dtype):
    x = tensor([nan, inf, -inf, 0, -1], dtype)
    same(ew.exp(x), [nan, inf, 0, 1, np.exp(np.asarray(-1, dtype))])
    same(ew.log(x), [nan, inf, nan, -inf, nan])
    same(ew.log1p(x), [nan, inf, nan, 0, -inf])
    same(ew.sqrt(x), [nan, inf, nan, 0, nan])
    same(ew.rsqrt(x), [nan, 0, nan, inf, nan])
    same(ew.reciprocal(x), [nan, 0, 0, inf, -1])
    same(ew.abs(x), [nan, inf, inf, 0, 1])
    same(ew.sign(x), [0, 1, -1, 0, -1])
    same(x - x, [nan, nan, nan, 0, 0])
    same(x * 0, [nan, nan, nan, 0, 0])
    same(ew.maximum(x, 0), [nan, inf, 0, 0, 0])
    same(ew.minimum(tensor([0] * 5, dtype), x), [nan, 0, -inf, 0, -1])
    same(ew.clamp(x, -0.5, 0.5), [nan, 0.5, -0.5, 0, -0.5])
    same(ew.isnan(x), [True, False, False, False, False])
    same(x == x, [False, True, True, True, True])


@pytest.mark.parametrize("overflow", [lambda x: x * 10, lambda x: x + x, lambda x: x - -x])
def test_arithmetic_that_overflows_is_inf_with_numpys_warning(overflow):
    with pytest.warns(RuntimeWarning, match="overflow encountered"):
        same(overflow(tensor([3e38])), [inf])


def test_functions_that_overflow_are_inf_and_silent():
    big = tensor([3e38])
    same(big**2, [inf])
    same(ew.square(big), [inf])
    same(ew.exp(tensor([100])), [inf])


def test_small_arguments_keep_their_digits():
    assert ew.expm1(tensor(1e-12, np.float64)).item() == pytest.approx(1e-12, rel=1e-12, abs=0)
    assert ew.log1p(tensor(1e-12, np.float64)).item() == pytest.approx(1e-12, rel=1e-12, abs=0)


# -- dtypes ------------------------------------------------------------------------------------

PROMOTED = [
    (("f4", (2,)), 2.0, "f4"),
    (("f4", (2,)), np.float64(2), "f4"),
    (("f4", (2,)), ("f8", ()), "f4"),
    (("f4", (2,)), ("f8", (1,)), "f8"),
    (("f4", ()), ("f8", ()), "f8"),
    (("f2", (2,)), ("i8", (2,)), "f2"),
    (("f2", ()), 1.5, "f2"),
    (("i8", (2,)), 2, "i8"),
    (("i8", (2,)), 2.0, "f4"),
    (("i8", (2,)), ("f2", ()), "f2"),
    (("i4", (2,)), ("i8", ()), "i4"),
    (("u1", (2,)), ("i1", (2,)), "i2"),
    (("?", (2,)), 1, "i8"),
    (("?", (2,)), ("u1", ()), "u1"),
]


@pytest.mark.parametrize(("left", "right", "expected"), PROMOTED)
def test_promotion(left, right, expected):
    x, y = (Tensor(np.ones(v[1], v[0])) if isinstance(v, tuple) else v for v in (left, right))
    for function in (ew.add, ew.mul, ew.maximum, lambda x, y: ew.where(tensor([True, False], bool), x, y)):
        assert function(x, y).dtype == expected
        assert function(y, x).dtype == expected
    assert ew.true_divide(x, y).dtype == (expected if expected[0] == "f" else "f4")
    assert (x < y).dtype == bool


@pytest.mark.parametrize(
    "name", ["exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "cos"]
)
def test_functions_of_integers_are_float32(name):
    got = registry[name](tensor([1, 2], np.int64))
    same(got, registry[name](tensor([1, 2], np.float32)).data, np.float32)


def test_integers_stay_integers():
    x = tensor([-2, 3], np.int32)
    for got, expected in [
        (abs(x), [2, 3]),
        (-x, [2, -3]),
        (+x, [-2, 3]),
        (ew.sign(x), [-1, 1]),
        (ew.square(x), [4, 9]),
        (x**2, [4, 9]),
        (ew.clamp(x, 0), [0, 3]),
    ]:
        same(got, expected, np.int32)
    same(2**x[1:], [8], np.int32)
    same(ew.clamp(x, 0.5), [0.5, 3], np.float32)
    same(ew.sign(tensor([0, 5], np.uint8)), [0, 1], np.uint8)


def test_a_number_for_an_element_of_two_numbers_takes_the_default_dtype():
    condition = tensor([True, False], bool)
    same(ew.where(condition, 1.0, 2), [1, 2], np.float32)
    same(ew.where(condition, 1, 2), [1, 2], np.int64)


# -- broadcasting and errors -------------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "sub", "mul", "pow", "lt", "logical_and", "maximum"])
def test_shapes_that_do_not_broadcast(name):
    message = rf"{name}: shapes do not broadcast: input \(2, 3\), (other|exponent) \(4,\)"
    with pytest.raises(RuntimeError, match=message):
        registry[name](tensor(np.ones((2, 3))), tensor(np.ones(4)))


def test_errors():
    x = tensor([1.0])
    with pytest.raises(RuntimeError, match="where: condition must be boolean, got float32"):
        ew.where(x, x, x)
    with pytest.raises(RuntimeError, match="clamp: min and max are both None"):
        ew.clamp(x)
    with pytest.raises(RuntimeError, match="pow: an integer to a negative integer power"):
        tensor([2], np.int64) ** -1
    with pytest.raises(TypeError, match="bitwise_and: expected integers or booleans, got float32, float32"):
        x & x
    with pytest.raises(TypeError, match="bitwise_not: expected integers or booleans, got float32"):
        ew.bitwise_not(x)
    with pytest.raises(TypeError, match="mul: other must be a Tensor, an array or a number, got str"):
        x * "2"
    with pytest.raises(TypeError):
        x + None
    with pytest.raises(TypeError):
        x < None  # noqa: B015


def test_equality_with_what_is_no_number():
    x = tensor([1.0])
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "x") is False
    assert (x != "x") is True
    assert None not in [x]


# -- methods, operators, in-place forms --------------------------------------------------------


def test_operators():
    x, y = tensor([5.0, -2.0]), tensor([2.0, 3.0])
    for got, expected in [
        (x + y, [7, 1]),
        (1 + x, [6, -1]),
        (x - y, [3, -5]),
        (1 - x, [-4, 3]),
        (x * y, [10, -6]),
        (x / 2, [2.5, -1]),
        (6 / y, [3, 2]),
        (x // y, [2, -1]),
        (7 // y, [3, 2]),
        (x % y, [1, 1]),
        (7 % y, [1, 1]),
        (x**2, [25, 4]),
        (2**y, [4, 8]),
        (np.array([1.0, 1.0], np.float32) - x, [-4, 3]),
        (-x, [-5, 2]),
        (+x, [5, -2]),
        (abs(x), [5, 2]),
    ]:
        same(got, expected, np.float32)
    m = tensor([True, True, False], bool)
    n = tensor([True, False, False], bool)
    same(m & n, [True, False, False], bool)
    same(m | n, [True, True, False], bool)
    same(m ^ n, [False, True, False], bool)
    same(~m, [False, False, True], bool)
    same(True ^ m, [False, False, True], bool)
    same(6 & tensor([3, 4], np.int64), [2, 4], np.int64)


def test_where_as_a_method():
    x = tensor([1, -1])
    same(x.where(x > 0, 7), [1, 7])


UNARY_IN_PLACE = [
    *("neg", "abs", "sign", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square"),
    *("reciprocal", "sin", "cos"),
]


@pytest.mark.parametrize("name", UNARY_IN_PLACE)
def test_in_place_functions(name):
    x = tensor([0.5, 2.0])
    expected = getattr(x, name)().data
    data = x.data
    assert getattr(x, f"{name}_")() is x
    assert x.data is data
    same(data, expected)


def test_in_place_arithmetic():
    x = tensor([8.0, -8.0])
    data = x.data
    x += 2
    same(data, [10, -6])
    x -= 1
    x *= 2
    same(data, [18, -14])
    x /= 4
    same(data, [4.5, -3.5])
    x //= 1
    same(data, [4, -4])
    x %= 3
    same(data, [1, 2])
    x **= 2
    same(data, [1, 4])
    same(x.add_(1, alpha=2).sub_(1).mul_(2).div_(4).pow_(2), [1, 6.25])
    same(x.clamp_(max=2), [1, 2])
    same(x.div_(0.75, rounding_mode="floor"), [1, 2])
    assert x.data is data
    m = tensor([True, False], bool)
    m &= tensor([True, True], bool)
    m |= tensor([False, True], bool)
    m ^= True
    same(m, [False, False], bool)


def test_in_place_cannot_change_the_dtype_or_shape():
    whole = tensor([1, 2], np.int64)
    with pytest.raises(RuntimeError, match="float32, which cannot be stored in int64"):
        whole.exp_()
    with pytest.raises(RuntimeError, match="cannot be stored"):
        whole /= 2
    with pytest.raises(RuntimeError, match="shape"):
        tensor([1.0]).add_(tensor([1.0, 2.0]))


def test_every_in_place_form_is_listed_here():
    in_place = {name for name in vars(type(tensor(0)).__mro__[1]) if name.endswith("_") and name[0] != "_"}
    own = {name for name in in_place if name == f"{methods[name].__name__}_"}  # not aliases
    mine = {name for name in own if methods[name].__module__ == ew.__name__}
    rest = {"add", "sub", "mul", "div", "true_divide", "floor_divide", "remainder", "pow", "clamp"}
    bits = {f"bitwise_{word}" for word in ("and", "or", "xor", "not", "left_shift", "right_shift")}
    logic = {"eq", "ne", "lt", "le", "gt", "ge", "logical_not", "logical_and", "logical_or"}
    assert mine == {f"{name}_" for name in {*UNARY_IN_PLACE, *rest, *bits, *logic}}


def test_in_place_comparisons_store_numbers():
    x = tensor([1.0, 2.0])
    data = x.data
    same(x.ge_(2), [0, 1])
    same(x.eq_(tensor([0.0, 0.0])), [1, 0])
    same(x.logical_or_(tensor([0.0, 3.0])).ne_(1).lt_(1).le_(0).gt_(5), [0, 0])
    same(x.logical_not_().logical_and_(tensor([0.0, 1.0])), [0, 1])
    assert x.data is data


# -- gradients where the fuzz tests do not look ------------------------------------------------


def test_gradient_of_integer_powers_at_zero():
    x = [0.0, 3.0]
    for n, value, slope, bend in [
        (0, [1, 1], [0, 0], None),
        (1, [0, 3], [1, 1], [0, 0]),
        (2, [0, 9], [0, 6], [2, 2]),
        (3, [0, 27], [0, 27], [0, 18]),
        (2.0, [0, 9], [0, 6], [2, 2]),
    ]:
        same(tensor(x) ** n, value)
        assert gradients(lambda x, n=n: x**n, x) == [slope]
        if bend is not None:
            assert gradients(lambda x, n=n: x**n, x, order=2) == [bend]
    assert gradients(lambda x: x**0.5, [0.0]) == [[inf]]
    assert gradients(lambda x: x**-1, [0.0]) == [[-inf]]


def test_gradient_of_zero_to_a_power():
    base, exponent = gradients(ew.pow, [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, -1.0])
    assert base == [0, 1, 0, -inf]
    assert exponent == [0, 0, 0, -inf]
    assert gradients(lambda y: 0**y, [0.0, 1.0, -1.0]) == [[0, 0, -inf]]
    base, exponent = gradients(ew.pow, [0.0, 0.0, 0.0], [0.0, 1.0, 2.0], order=2)
    assert base == [0, 0, 2]  # not NaN, as in PyTorch
    assert exponent == [0, 1, 0]


def test_gradient_of_a_power_of_a_number_keeps_double_precision():
    (slope,) = gradients(lambda y: 2**y, [0.5])
    assert slope == [pytest.approx(2**0.5 * math.log(2), rel=1e-15)]
    assert np.isnan(gradients(lambda y: (-2.0) ** y, [2.0])[0]).all()


def test_ties_share_the_gradient():
    for function in (ew.maximum, ew.minimum):
        assert gradients(function, [1.0, nan], [1.0, 0.0]) == [[0.5, 1], [0.5, 1]]


def test_gradient_of_clamp_at_the_bounds():
    x = [-1.0, 0.0, 0.5, 1.0, 2.0, nan]
    assert gradients(lambda x: ew.clamp(x, 0, 1), x) == [[0, 1, 1, 1, 0, 0]]
    low, high = [0.0] * 6, [1.0] * 6
    assert gradients(ew.clamp, x, low, high) == [
        [0, 1, 1, 1, 0, 0],
        [1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0],
    ]
    # a lower bound above the upper one: the upper one wins
    assert gradients(ew.clamp, [5.0, 2.0, 0.0], [3.0] * 3, [1.0] * 3) == [[0] * 3, [0] * 3, [1] * 3]


def test_gradients_at_kinks_and_steps():
    assert gradients(ew.abs, [-2.0, 0.0, 2.0]) == [[-1, 0, 1]]
    assert gradients(ew.sign, [-2.0, 0.0, inf, nan]) == [[0, 0, 0, 0]]
    assert gradients(ew.sqrt, [0.0]) == [[inf]]
    assert gradients(lambda x, y: x // y, [7.0], [2.0]) == [[0], [0]]
    assert gradients(lambda x, y: ew.div(x, y, rounding_mode="trunc"), [7.0], [2.0]) == [[0], [0]]
    assert gradients(ew.remainder, [7.0, -7.0], [2.0, 2.0]) == [[1, 1], [-3, 4]]


@pytest.mark.oracle("where")
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_where_drops_inf_and_nan(dtype):
    condition = np.array([True, False] * 4)
    x = np.array([1, 2, inf, inf, nan, nan, -inf, -inf], dtype)
    kept, dropped = [1, 0, inf, 0, nan, 0, -inf, 0], [0, 2, 0, inf, 0, nan, 0, -inf]
    for turn in (lambda a: a, lambda a: a[::-1], lambda a: a.reshape(2, 4).T):
        for wrap in (np.asarray, Tensor):
            same(ew.where(wrap(turn(condition)), wrap(turn(x)), 0), turn(np.array(kept, dtype)), dtype)
            same(ew.where(wrap(turn(condition)), 0, wrap(turn(x))), turn(np.array(dropped, dtype)), dtype)
    same(ew.where(tensor(False, bool), tensor(nan, dtype), 0), 0, dtype)
    same(ew.where(condition[:2, None], np.full((3,), inf, dtype), 0), [[inf] * 3, [0] * 3], dtype)


def test_where_does_not_let_nan_through_from_the_other_branch():
    (slope,) = gradients(lambda x: ew.where(x > 0, ew.sqrt(ew.where(x > 0, x, 1)), 0), [-1.0, 4.0])
    assert slope == [0, 0.25]


# -- PyTorch -----------------------------------------------------------------------------------

SPECIAL = [nan, inf, -inf, 0.0, 1.0, -1.0, 2.5, -2.5, 1e-30, 1e30]
UNARY = [*UNARY_IN_PLACE, "isnan", "isinf", "isfinite", "logical_not"]
BINARY = [
    *("add", "sub", "mul", "true_divide", "floor_divide", "remainder", "pow", "maximum"),
    *("minimum", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", UNARY + BINARY)
def test_agrees_with_pytorch_on_special_values(name):
    torch = pytest.importorskip("torch")
    grids = [SPECIAL] if name in UNARY else [g.ravel() for g in np.meshgrid(SPECIAL, SPECIAL)]
    theirs = [torch.tensor(np.array(g), requires_grad=True) for g in grids]
    ours = [tensor(g, np.float64, requires_grad=True) for g in grids]
    expected, got = getattr(torch, name)(*theirs), registry.get(name, getattr(ew, name))(*ours)
    np.testing.assert_allclose(got.data, expected.detach().numpy(), rtol=1e-12)
    if not got.requires_grad or name == "floor_divide":  # PyTorch has no gradient for it
        return
    expected.backward(torch.ones_like(expected))
    got.backward(np.ones(got.shape))
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.data, y.grad.numpy(), rtol=1e-12)


@pytest.mark.oracle("bitwise_left_shift", "bitwise_right_shift")
@pytest.mark.parametrize("dtype", ["i1", "i4", "i8", "u1"])
def test_shifts(dtype):
    values, bits = np.array([[1], [7], [100], [-3 if dtype != "u1" else 3]]), [0, 1, 3, 6, 70]
    x, by = Tensor(values.astype(dtype)), Tensor(np.array(bits, dtype))
    wrapped = np.array([[(int(v) << b) % 2**64 for b in bits] for (v,) in values], "u8")
    assert (x << by).tolist() == wrapped.astype(dtype).tolist()
    assert (x >> by).tolist() == [[int(v) >> b for b in bits] for (v,) in values]
    assert (2 << Tensor(np.array([1, 2], dtype))).tolist() == [4, 8]
    assert (x >> 1).dtype == x.dtype
    y = x.clone()
    y <<= 1
    assert y.bitwise_right_shift_(1).dtype == x.dtype
    with pytest.raises(TypeError, match="bitwise_left_shift: expected integers or booleans"):
        Tensor([1.0]) << 1
