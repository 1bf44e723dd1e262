"""The functions met now and then, and the second names."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.ops import aliases

inf, nan = math.inf, math.nan
ANY = [-inf, -2.5, -1.0, -0.0, 0.0, 0.25, 0.5, 1.0, 3.0, inf, nan]


def odds(p):
    if not 0 <= p <= 1:
        return nan
    return -inf if p == 0 else inf if p == 1 else math.log(p / (1 - p))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("logit", odds),
        ("deg2rad", math.radians),
        ("rad2deg", math.degrees),
        ("signbit", lambda x: math.copysign(1, x) < 0),
        ("isposinf", lambda x: x == inf),
        ("isneginf", lambda x: x == -inf),
    ],
)
def test_of_one_number(name, oracle):
    got = registry[name](tg.tensor(ANY, dtype=tg.float64))
    np.testing.assert_allclose(got.data, [oracle(x) for x in ANY], rtol=1e-15)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("copysign", math.copysign),
        ("logical_xor", lambda x, y: bool(x) is not bool(y)),
        ("heaviside", lambda x, y: x if math.isnan(x) else y if x == 0 else float(x > 0)),
    ],
)
def test_of_two_numbers(name, oracle):
    x, y = tg.tensor(ANY, dtype=tg.float64)[:, None], tg.tensor(ANY, dtype=tg.float64)
    expected = [[oracle(a, b) for b in ANY] for a in ANY]
    np.testing.assert_array_equal(registry[name](x, y).data, expected)


def test_dtypes():
    whole = tg.tensor([1, -2])
    assert tg.deg2rad(whole).dtype == tg.float32
    assert tg.copysign(whole, 1).dtype == tg.float32
    assert tg.float_power(whole, 2).dtype == tg.float64
    assert tg.heaviside(whole, tg.tensor(7)).dtype == tg.int64
    assert tg.signbit(whole).tolist() == [False, True]
    with pytest.raises(RuntimeError, match="heaviside: input and values must have one dtype"):
        tg.heaviside(whole, tg.tensor(0.5))


def test_clamped_odds():
    x = tg.tensor([0.0, 0.5, 1.0], requires_grad=True)
    out = tg.logit(x, eps=0.1)
    np.testing.assert_allclose(out.data, [-math.log(9), 0, math.log(9)], rtol=1e-6)
    out.sum().backward()
    assert x.grad.tolist() == [0, 4, 0]


def test_in_place_of_a_second_name():
    x = tg.tensor([-1.0, 2.0])
    assert x.absolute_() is x
    assert x.tolist() == [1, 2]


def test_second_names_are_public():
    names = [name for name, value in vars(aliases).items() if callable(value) and name != "method"]
    assert len(names) > 20
    assert [n for n in names if getattr(tg, n) is not getattr(aliases, n)] == []


def test_comparisons_in_place_keep_the_dtype():
    x = tg.tensor([1.0, 2.0, 3.0])
    assert x.gt_(2) is x
    assert x.dtype == tg.float32
    assert x.tolist() == [0, 0, 1]
    assert x.logical_not_().tolist() == [1, 1, 0]
    assert x.less_equal_(0).tolist() == [0, 0, 1]
    assert tg.ones(2, 2).tril_().cumsum_(0).tolist() == [[1, 0], [2, 1]]
