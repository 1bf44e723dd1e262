"""L-BFGS on problems with known minima, and against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.optim import LBFGS
from tinygrad_cnn.optim.lbfgs import strong_wolfe


def closure_of(optimizer, loss):
    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_a_quadratic_is_solved(line_search):
    rng = np.random.default_rng(0)
    root, target = rng.normal(size=(6, 6)), rng.normal(size=6)
    matrix = root @ root.T + np.eye(6)
    w = tg.zeros(2, 3, dtype=tg.float64, requires_grad=True)

    def loss():
        x = w.flatten()
        return x @ (tg.tensor(matrix) @ x) / 2 - x @ tg.tensor(target)

    optimizer = LBFGS(
        [w], 1 if line_search else 0.5, 200, tolerance_change=1e-14, line_search_fn=line_search
    )
    optimizer.step(closure_of(optimizer, loss))
    np.testing.assert_allclose(w.data.ravel(), np.linalg.solve(matrix, target), rtol=1e-5)


def test_in_one_dimension_the_second_step_is_newtons():
    w = tg.tensor([5.0], dtype=tg.float64, requires_grad=True)
    optimizer = LBFGS([w], max_iter=2, max_eval=9)
    optimizer.step(closure_of(optimizer, lambda: (3 * (w - 2) ** 2).sum()))
    assert w.item() == pytest.approx(2, abs=1e-12)


@pytest.mark.parametrize("line_search", [None, "strong_wolfe"])
def test_parameters_of_several_shapes_and_steps_in_several_calls(line_search):
    torch = pytest.importorskip("torch")
    found = []
    for lib in (tg, torch):
        start = np.random.default_rng(0).normal(size=(3, 2))
        a, b = lib.tensor(start, requires_grad=True), lib.tensor([0.5, 0.5], requires_grad=True)
        optimizer = lib.optim.LBFGS([a, b], lr=0.3, max_iter=3, line_search_fn=line_search)
        closure = closure_of(optimizer, lambda a=a, b=b: ((a * b - 1) ** 2).sum() + (b**4).sum())
        losses = [optimizer.step(closure).item() for _ in range(6)]
        found.append((losses, a.detach().numpy(), b.detach().numpy()))
    (mine, a, b), (theirs, c, d) = found
    if line_search:  # another search finds other lengths, and the same valley
        assert mine[-1] == pytest.approx(theirs[-1], rel=0.02)
    else:
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
        np.testing.assert_allclose(a, c, rtol=1e-5)
        np.testing.assert_allclose(b, d, rtol=1e-5)


@pytest.mark.parametrize("first", [1e-4, 0.1, 1.0, 30.0])
def test_the_line_search_satisfies_the_strong_wolfe_conditions(first):
    def f(t):
        return np.sin(3 * t) - t + 0.3 * t**2

    def slope(t):
        return 3 * np.cos(3 * t) - 1 + 0.6 * t

    direction = np.array([-np.sign(slope(0.0))])

    def along(t):
        x = float(t * direction[0])
        return float(f(x)), np.array([slope(x)])

    length, loss, gradient = strong_wolfe(along, first, f(0.0), np.array([slope(0.0)]), direction)
    start = float(slope(0.0) * direction[0])
    assert loss == along(length)[0]
    assert loss <= f(0.0) + 1e-4 * length * start
    assert abs(gradient[0] * direction[0]) <= 0.9 * abs(start)


def test_a_saved_state_goes_on_the_same():
    def run(w, optimizer, calls):
        for _ in range(calls):
            optimizer.step(closure_of(optimizer, lambda: ((w**2 - 1) ** 2).sum()))

    start = [0.3, 2.0]
    whole = tg.tensor(start, requires_grad=True)
    run(whole, LBFGS([whole], max_iter=2), 4)
    w = tg.tensor(start, requires_grad=True)
    optimizer = LBFGS([w], max_iter=2)
    run(w, optimizer, 2)
    again = w.detach().clone().requires_grad_()
    other = LBFGS([again], max_iter=2)
    other.load_state_dict(optimizer.state_dict())
    run(again, other, 2)
    np.testing.assert_array_equal(again.data, whole.data)


def test_evaluations_are_limited_and_counted():
    w = tg.tensor([3.0, 1.0], requires_grad=True)
    optimizer = LBFGS([w], lr=0.1, max_iter=100, max_eval=7)
    optimizer.step(closure_of(optimizer, lambda: (w**4).sum()))
    assert optimizer.state[w]["func_evals"] == 7


def test_parameters_without_gradient_stay():
    w, idle = tg.ones(2, requires_grad=True), tg.ones(3, requires_grad=True)
    optimizer = LBFGS([w, idle])
    optimizer.step(closure_of(optimizer, lambda: (w**2).sum()))
    assert abs(w.data).max() < 1e-5
    assert idle.tolist() == [1, 1, 1]


def test_wrong_options():
    w = tg.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="line_search_fn must be None or 'strong_wolfe', got 'x'"):
        LBFGS([w], line_search_fn="x")
    with pytest.raises(ValueError, match="LBFGS: all parameters form one group"):
        LBFGS([{"params": [w]}, {"params": [tg.ones(1)]}])
    with pytest.raises(TypeError, match="LBFGS: step needs a closure"):
        LBFGS([w]).step()
