"""L-BFGS: a quasi-Newton method, for losses of all the data at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensor import Tensor, changed_in_place

from .optimizer import Optimizer

Line = Callable[[float], tuple[float, np.ndarray]]
"""The loss and its gradient at a step length along the present direction."""


class LBFGS(Optimizer):
    """Limited-memory BFGS [1]_: steps by ``-lr * H g``, with an inverse Hessian H from past steps.

    All parameters form one vector. A call of ``step(closure)`` makes up to `max_iter` steps.

    Parameters
    ----------
    params : iterable of Tensor
        There is one group only.
    lr : float
        The length of a step; the very first is ``lr * min(1, 1 / sum(abs(g)))``.
    max_iter : int
        Steps in one call.
    max_eval : int, optional
        Evaluations of the closure in one call; ``max_iter * 5 // 4`` where not given.
    tolerance_grad : float
        Stop where no element of the gradient is larger.
    tolerance_change : float
        Stop where neither a parameter nor the loss changes by more.
    history_size : int
        How many past steps to keep.
    line_search_fn : {None, "strong_wolfe"}
        With a line search, `lr` is only the length that is tried first.

    Raises
    ------
    ValueError
        If there are several groups, or an option has no meaning.

    References
    ----------
    .. [1] J. Nocedal and S. J. Wright, "Numerical Optimization", 2nd ed., 2006, algorithms 7.4
       and 3.5.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([-1.2, 1.0], dtype=tg.float64, requires_grad=True)
    >>> optimizer = tg.optim.LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")
    >>> def closure():  # Rosenbrock's valley
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> w
    tensor([1., 1.], dtype=float64, requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}"
            )
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse a second group."""
        if self.param_groups:
            raise ValueError("LBFGS: all parameters form one group, with the same options")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make up to ``max_iter`` steps.

        Parameters
        ----------
        closure : callable
            Sets the gradients to zero, computes the loss, runs backward and returns the loss; it
            is called many times.

        Returns
        -------
        What `closure` returned first.

        Raises
        ------
        TypeError
            If there is no closure.
        """
        if closure is None:
            raise TypeError("LBFGS: step needs a closure that computes the loss anew")
        (group,) = self.param_groups
        params = group["params"]
        begin = {"func_evals": 0, "n_iter": 0, "steps": [], "changes": []}
        state = self.state.setdefault(params[0], begin)
        evaluations = 0

        def evaluate() -> tuple[Any, np.ndarray]:
            nonlocal evaluations
            evaluations += 1
            with enable_grad():
                loss = closure()
            return loss, _flat(params)

        def along(start: Any, direction: np.ndarray, length: float) -> tuple[float, np.ndarray]:
            _move(params, start, length * direction)
            loss, gradient = evaluate()
            return float(loss), gradient

        first, gradient = evaluate()
        loss = float(first)
        for i in range(group["max_iter"]):
            if np.abs(gradient).max(initial=0) <= group["tolerance_grad"]:
                break
            length = group["lr"]
            if state["n_iter"] == 0:
                length *= min(1.0, 1.0 / float(np.abs(gradient).sum()))
            else:
                _remember(state, gradient, group["history_size"])
            state["n_iter"] += 1
            direction = -_inverse_hessian_times(gradient, state["steps"], state["changes"])
            slope = float(gradient @ direction)
            if slope > -group["tolerance_change"]:
                break
            before, start = loss, [p._data.copy() for p in params]
            last = Tensor(gradient)
            if group["line_search_fn"]:
                line = partial(along, start, direction)
                length, loss, gradient = strong_wolfe(line, length, loss, gradient, direction)
                _move(params, start, length * direction)
            elif i < group["max_iter"] - 1:
                loss, gradient = along(start, direction, length)
            else:  # the next call begins with the evaluation
                _move(params, start, length * direction)
            state["last"] = [last, Tensor(length * direction)]
            if evaluations >= group["max_eval"]:
                break
            change = np.abs(length * direction).max()
            if change <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break
        state["func_evals"] += evaluations
        return first


def _flat(params: list[Tensor]) -> np.ndarray:
    """Return all gradients as one vector."""
    parts = [np.zeros(p.data.size, p.dtype) if p.grad is None else p.grad.data.ravel() for p in params]
    return np.concatenate(parts)


def _move(params: list[Tensor], start: list[np.ndarray], step: np.ndarray) -> None:
    """Set the parameters to `start` plus `step`."""
    offset = 0
    for param, origin in zip(params, start, strict=True):
        part = step[offset : offset + origin.size]
        np.add(origin, part.reshape(origin.shape), out=param._data)
        changed_in_place(param)
        offset += origin.size


def _remember(state: dict[str, Any], gradient: np.ndarray, size: int) -> None:
    """Add the last step, and how it changed the gradient, to the history."""
    last_gradient, last_step = state["last"]
    change = gradient - last_gradient.data
    if change @ last_step.data > 1e-10:  # the curvature along it is positive
        state["steps"] = [*state["steps"], last_step][-size:]
        state["changes"] = [*state["changes"], Tensor(change)][-size:]


def _inverse_hessian_times(
    gradient: np.ndarray, steps: list[Tensor], changes: list[Tensor]
) -> np.ndarray:
    """Return H g by the two-loop recursion."""
    pairs = [(s.data, y.data) for s, y in zip(steps, changes, strict=True)]
    q = gradient.copy()
    shares = []
    for s, y in reversed(pairs):
        shares.append((s @ q) / (y @ s))
        q -= shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= (s @ y) / (y @ y)
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q += (share - (y @ q) / (y @ s)) * s
    return q


def strong_wolfe(
    along: Line,
    length: float,
    loss: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    trials: int = 25,
) -> tuple[float, float, np.ndarray]:
    """Return a step length that satisfies the strong Wolfe conditions, with loss and gradient there.

    The loss falls by at least `decrease` times what the slope promises, and the slope shrinks to
    `curvature` of what it was. If `trials` do not suffice, the best length found is returned.
    """
    slope = float(gradient @ direction)
    low = (0.0, loss, slope, gradient)  # the best so far: length, loss, slope, gradient
    high = None  # the other end of an interval that holds a solution
    for _ in range(trials):
        value, there = along(length)
        point = (length, value, float(there @ direction), there)
        if not value <= loss + decrease * length * slope or (low[0] > 0 and value >= low[1]):
            high = point
        else:
            if abs(point[2]) <= -curvature * slope:
                return length, value, there
            if high is None:
                if point[2] >= 0:
                    high = low
            elif point[2] * (high[0] - low[0]) >= 0:
                high = low
            low = point
        if high is None:
            length *= 2
        else:
            if abs(high[0] - low[0]) * np.abs(direction).max() < 1e-12:
                break
            length = _between(low, high)
    return low[0], low[1], low[3]


def _between(low: tuple[Any, ...], high: tuple[Any, ...]) -> float:
    """Return where the cubic through both ends is least, at least a tenth of the way from either."""
    (a, fa, ga, _), (b, fb, gb, _) = low, high
    d1 = ga + gb - 3 * (fa - fb) / (a - b)
    square = d1 * d1 - ga * gb
    part = 0.5
    if np.isfinite(square) and square >= 0:
        d2 = np.sqrt(square) * (1 if b > a else -1)
        if gb - ga + 2 * d2:
            part = 1 - (gb + d2 - d1) / (gb - ga + 2 * d2)  # from a to b
    return float(a + min(max(part, 0.1), 0.9) * (b - a))
