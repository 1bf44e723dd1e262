"""`check_vjp` and `fuzz_vjp`: gradients of plain NumPy functions, right and wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from tinygrad_cnn.testing import GradcheckError, KinkWarning, check_vjp, fuzz_vjp, strategies

rng = np.random.default_rng(0)
X, Y, W = rng.standard_normal((2, 3)), rng.standard_normal(3), rng.standard_normal((4, 3))


def linear(x, w, b):
    return x @ w.T + b


def linear_vjp(g, x, w, b):
    return g @ w, g.T @ x, g.sum(0)


def product(x, y):
    return x * y


def product_vjp(g, x, y):
    return g * y, (g * x).sum(0)


def relu(x):
    return np.maximum(x, 0)


def relu_vjp(g, x):
    return g * (x > 0)


def both(x):
    return np.sin(x), x.sum()


def both_vjp(g, x):
    a, b = g
    return a * np.cos(x) + b


def test_right_gradients_pass():
    check_vjp(linear, linear_vjp, X, W, np.zeros(4))
    check_vjp(product, product_vjp, X, Y)
    check_vjp(both, both_vjp, X)
    check_vjp(lambda x, p: x**p, lambda g, x, p: g * p * x ** (p - 1), abs(X), 3)
    check_vjp(lambda x: float(np.sum(x * x)), lambda g, x: 2 * g * x, X)
    check_vjp(np.tanh, lambda g, x: g / np.cosh(x) ** 2, X)
    check_vjp(lambda x, i: x[i], index_vjp, X, np.array([0, 0, 1]))
    check_vjp(lambda x: x.T, lambda g, x: g.T, X, view=True)
    check_vjp(lambda x: np.log(x), lambda g, x: g / x, np.array(0.5))


def softmax(x):
    e = np.exp(x - np.real(x).max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sum_vjp(g, x):
    y, g = softmax(x), g[..., None]
    return y * (g - (g * y).sum(-1, keepdims=True))


@pytest.mark.parametrize("seed", range(10))
def test_a_gradient_that_is_nothing_but_rounding(seed):
    """The sum of a softmax is 1 everywhere; a complex step sees its rounding exactly."""
    x = np.random.default_rng(seed).normal(scale=3, size=(4, 5))
    check_vjp(lambda x: softmax(x).sum(-1), sum_vjp, x)
    with pytest.raises(GradcheckError, match=r"the rules give .*e-11"):
        check_vjp(lambda x: softmax(x).sum(-1), lambda g, x: 1e-11 * x, x)


def index_vjp(g, x, i):
    result = np.zeros_like(x)
    np.add.at(result, i, g)
    return result


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_other_precisions(dtype):
    check_vjp(product, product_vjp, X.astype(dtype), Y.astype(dtype))
    wrong = lambda g, x, y: (g * y * dtype(1.2), (g * x).sum(0))
    with pytest.raises(GradcheckError, match="first derivative"):
        check_vjp(product, wrong, X.astype(dtype), Y.astype(dtype))


cache: dict[str, np.ndarray] = {}


def caching(x):
    cache["x"] = x
    return x**3


buffer = np.empty_like(X)


def buffered(g, x):
    return np.multiply(g, 3 * x**2, out=buffer)


def doubling(g, x):
    g *= 2
    return g * 1.5 * x**2


def clearing(g, x):
    result = g * 3 * x**2
    x[:] = 0
    return result


cube = lambda x: x**3
FAULTS = {
    # name: (function, gradient, arguments, what the message must say)
    "sign": (cube, lambda g, x: -3 * g * x**2, [X], "the sign is wrong"),
    "factor": (cube, lambda g, x: 2 * g * x**2, [X], "it is 2/3 times"),
    "zero": (cube, lambda g, x: g * 0, [X], "the rules give zero"),
    "factor x": (cube, lambda g, x: 3 * g * x, [X], "the factor of the input is missing"),
    "factor g": (
        cube,
        lambda g, x: 3 * x**2,
        [X],
        "the factor that is the gradient that arrives is missing",
    ),
    "passed on": (cube, lambda g, x: g * 1, [X], "it is the gradient that arrives, unchanged"),
    "transposed": (
        lambda x: x.T * 2,
        lambda g, x: 2 * g,
        [W[:3]],
        "it is transposed",
    ),
    "not summed": (product, lambda g, x, y: (g * y, g * x), [X, Y], "the sum over the axes"),
    "one slice": (
        product,
        lambda g, x, y: (g * y, (g * x)[0]),
        [X, Y],
        "it is of the first slice only: the sum over axis 0 is missing",
    ),
    "last slice": (
        product,
        lambda g, x, y: (g * y, (g * x)[-1]),
        [X, Y],
        "it is of the last slice only",
    ),
    "swapped": (
        lambda x, y: x * y,
        lambda g, x, y: (g * x, g * y),
        [X, 2 * X + 1],
        "it is the gradient of y",
    ),
    "shape": (cube, lambda g, x: (3 * g * x**2).T, [X], r"float64\[3, 2\], expected float64\[2, 3"),
    "dtype": (
        cube,
        lambda g, x: (3 * g * x**2).astype(np.float32),
        [X],
        "the gradient of x is float32",
    ),
    "None": (cube, lambda g, x: None, [X], "the gradient of x is .*NoneType"),
    "count": (product, lambda g, x, y: g * y, [X, Y], "1 gradients for 2 float arguments"),
    "stale": (
        caching,
        lambda g, x: 3 * g * cache["x"] ** 2,
        [X],
        "it is stale, that of a later call's arguments",
    ),
    "random": (
        cube,
        lambda g, x: 3 * g * x**2 * (1 + 1e-8 * rng.standard_normal()),
        [X],
        "computed twice|first derivative",
    ),
    "random value": (
        lambda x: x**3 + 1e-6 * rng.standard_normal(),
        lambda g, x: 3 * g * x**2,
        [X],
        "called again, the value",
    ),
    "clipped": (cube, lambda g, x: 3 * x**2 * np.clip(g, -1, 1), [X], "is not linear"),
    "buffer": (cube, buffered, [X], "a later call changed gradients returned by an earlier one"),
    "changes g": (cube, doubling, [X], "the gradient of output 0 was changed in place"),
    "changes x": (cube, clearing, [X], "x was changed in place"),
    "changes x, forward": (
        lambda x: np.multiply(x, 2, out=x) * 1,
        lambda g, x: 2 * g,
        [X],
        "x was changed in place",
    ),
    "aliased": (lambda x: x, lambda g, x: g, [X], "shares its memory with an argument"),
    "layout": (
        cube,
        lambda g, x: 3 * g * x.ravel("K").reshape(x.shape) ** 2,
        [X],
        "in another memory layout the gradient of x",
    ),
    "layout, forward": (
        lambda x: x.ravel("K").reshape(x.shape) * 2,
        lambda g, x: 2 * g,
        [X],
        "in another memory layout the value",
    ),
    "eleventh digit": (cube, lambda g, x: (3 + 1e-10) * g * x**2, [X], "first derivative"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_seeded_fault_is_caught(fault):
    f, vjp, arguments, words = FAULTS[fault]
    with pytest.raises(GradcheckError, match=words):
        check_often(f, vjp, arguments)


def check_often(f, vjp, arguments):
    for seed in range(20):
        check_vjp(f, vjp, *[x.copy() for x in arguments], seed=seed)


def test_kinks_are_reported_and_left_out():
    with pytest.warns(KinkWarning, match=r"x is at a kink \(elements \(1,\)\)") as caught:
        check_vjp(relu, relu_vjp, np.array([1.0, 0.0, -1.0]))
    assert caught[0].filename == __file__
    with pytest.raises(GradcheckError, match="nothing can be checked"):
        check_vjp(relu, relu_vjp, np.zeros(2))
    with pytest.raises(GradcheckError, match="first derivative: x"):
        check_vjp(relu, lambda g, x: -g * (x > 0), np.array([1.0, 0.0, -1.0]))


def test_functions_that_complex_numbers_break():
    """NumPy drops the imaginary part in some of these, and fails in others."""
    check_vjp(lambda x: np.abs(x) ** 3, lambda g, x: g * 3 * x * np.abs(x), X)
    check_vjp(lambda x: np.cbrt(x), lambda g, x: g / 3 / np.cbrt(x) ** 2, X)
    check_vjp(lambda x: np.where(x > 0, x, 0.1 * x) ** 2, leaky_vjp, X)


def leaky_vjp(g, x):
    return g * 2 * np.where(x > 0, x, 0.01 * x)


@fuzz_vjp(linear, x=strategies.arrays((2, 3)), w=strategies.arrays((4, 3)), b=strategies.arrays((4,)))
def test_linear(g, x, w, b):
    return linear_vjp(g, x, w, b)


@fuzz_vjp(lambda x, n: x**n, x=strategies.arrays(), n=st.integers(1, 3))
def test_options_are_passed_on(g, x, n):
    return g * n * x ** (n - 1)


def test_fuzz_vjp_finds_what_one_point_does_not():
    @fuzz_vjp(product, strategies.broadcastable("x", "y"))
    def broadcast(g, x, y):
        """Right as long as nothing is broadcast."""
        return g * y, g * x

    x = rng.standard_normal((2, 2))
    broadcast.check(x=x, y=x + 1)
    with pytest.raises(GradcheckError, match="the sum over the axes it was broadcast along"):
        broadcast()
    assert broadcast.__name__ == "broadcast"
    assert broadcast.__doc__ == "Right as long as nothing is broadcast."


def test_fuzz_vjp_wants_kinks_avoided():
    near = strategies.drawn(lambda draw: draw.integers((2,), 0, 1) * 1.0)
    with pytest.raises(GradcheckError, match=r"is at a kink|nothing can be checked"):
        fuzz_vjp(relu, x=near)(relu_vjp)()
    fuzz_vjp(relu, x=strategies.arrays(avoid=[0]))(relu_vjp)()
