"""Numerical derivatives: their value, their error, and what they say of kinks and noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_cnn.testing.numeric import (
    DOUBLE,
    SAFETY,
    Precision,
    complex_step,
    estimates,
    judge,
    precision_of,
    tableau,
)

SINGLE = precision_of(np.zeros(1, np.float32))
SMOOTH = {
    "polynomial": (lambda t: (1 + t) ** 5, 5.0),
    "exp": (lambda t: math.exp(0.7 + t), math.exp(0.7)),
    "sine": (lambda t: math.sin(3 + 10 * t), 10 * math.cos(3)),
    "reciprocal": (lambda t: 1 / (0.02 + t), -2500.0),
    "tanh": (lambda t: math.tanh(50 * t), 50.0),
}


def doubles(f):
    return lambda t: np.float64(f(t))


@pytest.mark.parametrize("name", SMOOTH)
def test_the_error_is_not_underestimated(name):
    f, right = SMOOTH[name]
    f = doubles(f)
    noise = DOUBLE.eps * (abs(f(0.0)) + abs(right))
    best = min(estimates(f, noise, abs(right), DOUBLE, None), key=lambda found: found.error)
    assert abs(best.value - right) <= SAFETY * best.error
    assert best.error <= 1e-9 * abs(right)


def test_extrapolation_gains_digits():
    first, *_, last = tableau(doubles(math.exp), 1.0, 0.1, 1e-16)
    assert abs(first.value - 1) < 1e-6
    assert abs(last.value - 1) < 1e-12
    assert last.error < first.error


@pytest.mark.parametrize("name", SMOOTH)
def test_a_right_value_takes_few_evaluations(name):
    f, right = SMOOTH[name]
    calls = []

    def counted(t):
        calls.append(t)
        return np.float64(f(t))

    found = judge(right, counted, noise=DOUBLE.eps * abs(right), scale=abs(right))
    assert found.right
    assert len(calls) <= (5 if name in ("polynomial", "exp") else 25)


@pytest.mark.parametrize("name", SMOOTH)
def test_a_wrong_value_is_told(name):
    f, right = SMOOTH[name]
    noise = DOUBLE.eps * abs(right)
    for factor in (-1, 0, 1.1, 1 + 1e-5, 1 + 1e-8):
        assert judge(factor * right, doubles(f), noise=noise, scale=abs(right)).wrong
    assert judge(np.nan, doubles(f), noise=noise, scale=abs(right)).wrong
    assert judge(np.inf, doubles(f), noise=noise, scale=abs(right)).wrong


def test_arrays_are_judged_element_by_element():
    values = np.array([0.5, 1.0, 2.0])
    right = 2 * values
    given = right * [1, -1, 1]
    found = judge(given, lambda t: (values + t) ** 2, noise=1e-15, scale=4.0)
    assert found.right.tolist() == [True, False, True]
    np.testing.assert_allclose(found.numeric, right, rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e-14])
@pytest.mark.parametrize("given", [0.0, 1.0, -1.0, 0.3])
def test_a_kink_is_neither_right_nor_wrong(given, offset):
    found = judge(given, lambda t: np.float64(abs(t - offset)), noise=1e-16, scale=1.0)
    assert found.kink
    assert not found.right
    assert not found.wrong


@pytest.mark.parametrize("offset", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_kink_beside_the_point_is_none(offset):
    found = judge(-1.0, lambda t: np.float64(abs(t - offset)), noise=1e-17, scale=1.0)
    assert found.right
    assert not judge(1.0, lambda t: np.float64(abs(t - offset)), noise=1e-17, scale=1.0).right


def test_a_small_jump_of_the_slope_is_seen():
    leaky = lambda t: np.float64(math.exp(t) + max(t, 0) * 1e-4)
    assert judge(1.0, leaky, noise=1e-16, scale=1.0).kink


def test_jumps_and_noise_are_no_kinks():
    step = lambda t: np.float64(t >= 0)
    assert judge(0.0, step, noise=1e-16, scale=1.0).wrong
    rng = np.random.default_rng(0)
    noise = lambda t: np.float64(t + 1e-3 * rng.standard_normal())
    assert judge(1.0, noise, noise=1e-16, scale=1.0).wrong


def test_what_is_nothing_but_rounding_is_zero():
    rng = np.random.default_rng(0)
    noise = lambda t: np.float64(1e-17 * rng.standard_normal())
    assert judge(1e-18, noise, noise=1e-33, scale=1e-18).right
    assert judge(1e-10, noise, noise=1e-33, scale=1e-10).wrong
    # and what is small, but no noise, is judged like anything else
    small = lambda t: np.float64(1e-20 * math.exp(t))
    assert judge(1e-20, small, noise=1e-36, scale=1e-20).right
    assert judge(-1e-20, small, noise=1e-36, scale=1e-20).wrong
    # but for a kink: the rounding of terms of order 1 that cancel has kinks of this size
    assert judge(0, lambda t: 1e-20 * abs(t), noise=1e-36, scale=0).right
    assert judge(0, lambda t: 1e-9 * abs(t), noise=1e-25, scale=0).kink


def test_terms_of_a_rule_may_be_larger_than_those_of_the_value():
    """They cancel to their own rounding, whether or not the differences come out as zero."""
    rng = np.random.default_rng(0)
    for zero in (lambda t: np.float64(0), lambda t: np.float64(1e-16 * rng.standard_normal())):
        for slope in (lambda t: 0.0, lambda t: 1e-14 * t):
            f = lambda t: zero(t) + slope(t)  # noqa: B023
            assert judge(1e-13, f, noise=10 * DOUBLE.eps, scale=1e-13).right
            assert judge(1e-11, f, noise=10 * DOUBLE.eps, scale=1e-11).wrong
            assert judge(1e-13, f, noise=DOUBLE.eps / 10, scale=1e-13).wrong


def test_a_function_that_is_not_defined_on_both_sides():
    root = lambda t: np.sqrt(np.float64(t))
    found = judge(1.0, root, noise=1e-16, scale=1.0)
    assert found.wrong
    assert np.isinf(found.error)


def test_large_values_get_wide_steps():
    seen = []

    def f(t):
        seen.append(abs(t))
        return np.float64(1e9 + 1e-3 * t)

    assert judge(1e-3, f, noise=DOUBLE.eps * 1e9, scale=1e-3).right
    assert max(seen) > 10 * DOUBLE.step
    assert judge(2e-3, f, noise=DOUBLE.eps * 1e9, scale=1e-3).wrong


def test_single_precision():
    f = lambda t: np.float64(np.exp(np.float32(0.5 + t)))
    right = math.exp(0.5)
    noise = SINGLE.eps * 2 * right
    assert judge(right, f, noise=noise, scale=right, precision=SINGLE).right
    assert judge(right * 1.01, f, noise=noise, scale=right, precision=SINGLE).wrong
    assert judge(right, f, noise=DOUBLE.eps, scale=right).wrong  # it is not what it is taken for


def test_precision_of_several_arrays_is_the_coarsest():
    assert precision_of(np.zeros(1), np.zeros(1, np.float16)) == Precision(2.0**-10)


def test_complex_step():
    assert complex_step(lambda t: np.exp(np.complex128(1 + t))) == pytest.approx(math.e, rel=1e-15)
    assert complex_step(lambda t: np.abs(np.complex128(1 + t))) is None
    assert complex_step(lambda t: math.exp(1 + t)) is None
    assert complex_step(lambda t: np.complex128(t).astype(float)) is None


def test_a_complex_step_sharpens_the_verdict():
    f = lambda t: np.exp(np.asarray(0.5 + t)[()])
    right = math.exp(0.5)
    settings = {"noise": 4e-16, "scale": right}
    assert judge(right * (1 + 1e-11), f, **settings).right
    assert judge(right * (1 + 1e-11), f, continued=True, **settings).wrong
    assert judge(right, f, continued=True, **settings).right


def test_a_complex_step_that_differences_contradict_is_left():
    half_real = lambda t: np.real(np.exp(np.asarray(0.5 + t)[()])) + 0 * t
    assert judge(math.exp(0.5), half_real, noise=4e-16, scale=1.0, continued=True).right
