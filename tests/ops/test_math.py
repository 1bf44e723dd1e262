"""Mathematical functions against Python's `math`, and against PyTorch at special points."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import methods, registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import math as ops
from tinygrad_cnn.testing import Draw

inf, nan = math.inf, math.nan


def tensor(values, dtype=np.float64, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def drawn(name, seed):
    args = registry[name].sampler(Draw.from_seed(seed))
    return (args[:-1], args[-1]) if isinstance(args[-1], dict) else (args, {})


def same(got, expected, dtype=np.float64):
    assert got.dtype == dtype
    np.testing.assert_array_equal(got.data, np.asarray(expected, dtype))


ORACLES = {
    "exp2": lambda x: 2**x,
    "log2": math.log2,
    "log10": math.log10,
    "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
    "xlogy": lambda x, y: x * math.log(y),
    "tan": math.tan,
    "asin": math.asin,
    "acos": math.acos,
    "atan": math.atan,
    "atan2": math.atan2,
    "hypot": math.hypot,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "asinh": math.asinh,
    "acosh": math.acosh,
    "atanh": math.atanh,
    "erf": math.erf,
    "erfc": math.erfc,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "frac": lambda x: math.modf(x)[0],
    "round": lambda x, decimals: round(x, decimals),
    "fmod": math.fmod,
    "fmax": max,
    "fmin": min,
    "lerp": lambda x, y, w: (1 - w) * x + w * y,
    "nan_to_num": lambda x, nan, posinf, neginf: x,
    "isclose": lambda x, y, rtol, atol: abs(x - y) <= atol + rtol * abs(y),
}


@pytest.mark.oracle
@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_python(name):
    for seed in range(40):
        args, options = drawn(name, seed)
        shape = np.broadcast_shapes(*(np.shape(x) for x in args))
        columns = [
            [x] * math.prod(shape) if x is None else np.broadcast_to(x, shape).ravel().tolist()
            for x in args
        ]
        expected = [ORACLES[name](*values, **options) for values in zip(*columns, strict=True)]
        got = registry[name](*[Tensor(x) if isinstance(x, np.ndarray) else x for x in args], **options)
        assert got.shape == shape
        np.testing.assert_allclose(got.data, np.reshape(expected, shape), rtol=4e-15, atol=1e-15)


@pytest.mark.parametrize(("name", "function"), [("erf", math.erf), ("erfc", math.erfc)])
def test_error_function_is_exact_everywhere(name, function):
    x = np.concatenate([np.linspace(-7, 27, 20_001), np.logspace(-300, 0, 301), [0.46875, 4]])
    x = np.concatenate([x, np.nextafter(x, 100)])
    expected = np.array([function(v) for v in x.tolist()])
    got = registry[name](Tensor(x)).data
    normal = np.abs(expected) > 1e-300
    np.testing.assert_allclose(got[normal], expected[normal], rtol=8 * np.finfo(float).eps, atol=0)
    np.testing.assert_allclose(got[~normal], expected[~normal], rtol=1e-4, atol=1e-322)
    small = registry[name](Tensor(x.astype(np.float32)))
    assert small.dtype == np.float32
    exact = np.array([function(v) for v in x.astype(np.float32).tolist()])
    normal = np.abs(exact) > 1e-37
    np.testing.assert_allclose(small.data[normal], exact[normal], rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_error_function_of_special_values(dtype):
    x = tensor([nan, inf, -inf, 0, -0.0, 1e4, -1e4], dtype)
    same(ops.erf(x), [nan, 1, -1, 0, -0.0, 1, -1], dtype)
    assert np.signbit(ops.erf(x).data[4])
    same(ops.erfc(x), [nan, 0, 2, 1, 1, 0, 2], dtype)
    assert ops.erf(tensor(0.5, dtype)).shape == ()
    assert ops.erf(tensor([], dtype)).shape == (0,)


def test_rounding_special_values():
    x = tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
    same(ops.round(x), [-2, -2, -0.0, 0, 2, 2])
    same(ops.floor(x), [-3, -2, -1, 0, 1, 2])
    same(ops.ceil(x), [-2, -1, -0.0, 1, 2, 3])
    same(ops.trunc(x), [-2, -1, -0.0, 0, 1, 2])
    same(ops.frac(x), [-0.5, -0.5, -0.5, 0.5, 0.5, 0.5])
    whole = tensor([-2, 3], np.int64)
    for function in (ops.floor, ops.ceil, ops.trunc, ops.round):
        same(function(whole), [-2, 3], np.int64)
    same(ops.frac(whole), [0, 0], np.int64)


def test_integers_become_float32():
    one = tensor([1], np.int64)
    for name in ("exp2", "log2", "tan", "atan", "erf", "acosh", "sinh"):
        assert registry[name](one).dtype == np.float32
    for name in ("xlogy", "atan2", "hypot", "logaddexp"):
        assert registry[name](one, one).dtype == np.float32


def test_of_a_number_and_nan_the_number():
    x, y = tensor([nan, 1, nan, 2], requires_grad=True), tensor([1, nan, nan, 2], requires_grad=True)
    same(ops.fmax(x, y), [1, 1, nan, 2])
    same(ops.fmin(x, y), [1, 1, nan, 2])


def test_lerp_is_exact_at_both_ends():
    x, y = tensor([0.1, 1e30]), tensor([0.7, -3.3])
    same(ops.lerp(x, y, 0), x.data)
    same(ops.lerp(x, y, 1), y.data)


def test_squares_and_powers_do_not_overflow():
    assert ops.hypot(tensor(3e200), tensor(-4e200)).item() == pytest.approx(5e200)
    assert ops.logaddexp(tensor(1e4), tensor(2e4)).item() == pytest.approx(2e4)
    assert ops.logaddexp(tensor(-1e4), tensor(-2e4)).item() == pytest.approx(-1e4)


def test_addcmul_and_addcdiv():
    x, y, z = tensor([1.0, 2]), tensor([[3.0], [4]]), tensor([2.0])
    same(ops.addcmul(x, y, z, value=0.5), [[4, 5], [5, 6]])
    same(ops.addcdiv(x, y, z, value=2), [[4, 5], [5, 6]])
    whole = tensor([1], np.int64)
    same(ops.addcmul(whole, whole, whole, value=2), [3], np.int64)
    with pytest.raises(RuntimeError, match="alpha must be an integer"):
        ops.addcmul(whole, whole, whole, value=0.5)
    with pytest.raises(RuntimeError, match="addcdiv: tensor1 and tensor2 are both of integers"):
        ops.addcdiv(whole, whole, whole)


def test_nan_to_num():
    x = tensor([nan, inf, -inf, 3], np.float32)
    top = np.finfo(np.float32).max
    same(ops.nan_to_num(x), [0, top, -top, 3], np.float32)
    same(ops.nan_to_num(x, 1, 2, -2), [1, 2, -2, 3], np.float32)
    same(ops.nan_to_num(tensor([1], np.int64)), [1], np.int64)


def test_closeness():
    x, y = tensor([1, nan, inf, inf]), tensor([1 + 1e-6, nan, inf, -inf])
    same(ops.isclose(x, y), [True, False, True, False], bool)
    same(ops.isclose(x, y, equal_nan=True), [True, True, True, False], bool)
    small, large = tensor([1.0]), tensor([1.1])
    same(ops.isclose(small, large, rtol=0.095), [True], bool)  # relative to the second
    same(ops.isclose(large, small, rtol=0.095), [False], bool)
    assert not x.allclose(y)
    assert x[:1].allclose(y[:1])
    assert x[1:3].allclose(y[1:3], equal_nan=True)
    assert not x[:1].equal(y[:1])
    assert x[2:].equal(x[2:])
    assert not x[2:].equal(x[2:3])


def test_clamp_min_and_max():
    x = tensor([-1, 0.5, 2])
    same(x.clamp_min(0), [0, 0.5, 2])
    same(x.clamp_max(tensor([-2, 1, 1])), [-2, 0.5, 1])
    same(tg.sgn(x), [-1, 1, 1])


def test_integer_division_by_zero():
    with pytest.raises(RuntimeError, match="fmod: integer division by zero"):
        ops.fmod(tensor([1], np.int64), 0)
    same(ops.fmod(tensor([-7, 7], np.int64), 4), [-3, 3], np.int64)


def test_in_place_forms():
    mine = {
        name
        for name, f in methods.items()
        if f.__module__ == ops.__name__ and name == f"{f.__name__}_"  # no second name
    }
    several = {
        "atan2": (2.0,), "hypot": (2.0,), "xlogy": (2.0,), "fmod": (0.3,), "clamp_min": (1.0,),
        "clamp_max": (0.2,), "lerp": (2.0, 0.3), "addcmul": (2.0, 3.0), "addcdiv": (2.0, 3.0),
    }  # fmt: skip
    for name in mine:
        x = tensor([0.5, 0.75])
        args = several.get(name[:-1], ())
        expected = getattr(x, name[:-1])(*args).data
        data = x.data
        assert getattr(x, name)(*args) is x
        assert x.data is data
        same(x, expected)
    assert len(mine) == 30
    assert not {"fmax_", "fmin_", "logaddexp_", "isclose_"} & mine


# -- PyTorch -----------------------------------------------------------------------------------

POINTS = [-1e4, -3.0, -1.5, -1.0, -0.5, -1e-3, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 9.0, 1e4, inf, -inf, nan]
UNARY = [
    *("exp2", "log2", "log10", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh"),
    *("atanh", "erf", "erfc", "floor", "ceil", "trunc", "frac", "round", "nan_to_num"),
]
BINARY = ["logaddexp", "xlogy", "atan2", "hypot", "fmod", "fmax", "fmin"]


def compare(name, columns, dtype):
    """Compare values, gradients, and the gradients of the gradients' sum."""
    torch = pytest.importorskip("torch")
    theirs = [torch.tensor(np.asarray(c, dtype), requires_grad=True) for c in columns]
    ours = [tensor(c, dtype, requires_grad=True) for c in columns]
    found = [registry[name](*ours)]
    wanted = [getattr(torch, name)(*theirs)]
    rate = torch.linspace(0.5, 1.5, len(columns[0]), dtype=wanted[0].dtype)
    for order in range(3):
        rtol, atol = (1e-11, 1e-12) if dtype == np.float64 else (3e-5, 1e-4)
        for i, (got, expected) in enumerate(zip(found, wanted, strict=True)):
            np.testing.assert_allclose(
                got.data, expected.detach().numpy(), rtol, atol, err_msg=f"order {order}, {i}"
            )
        if not wanted[0].requires_grad:
            break
        total = sum((each * Tensor(rate.numpy())).sum() for each in found)
        other = sum((each * rate).sum() for each in wanted)
        found = grad(total, ours, create_graph=True, materialize_grads=True)
        wanted = torch.autograd.grad(other, theirs, create_graph=True, materialize_grads=True)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UNARY)
def test_agrees_with_pytorch(name, dtype):
    compare(name, [POINTS], dtype)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", BINARY)
def test_pairs_agree_with_pytorch(name, dtype):
    pairs = [(x, y) for x in POINTS for y in POINTS]
    compare(name, list(zip(*pairs, strict=True)), dtype)
