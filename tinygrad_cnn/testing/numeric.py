"""Numerical derivatives, and the words for a gradient that disagrees with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

STEPS = (1e-4, 1e-6)
"""The second one is for functions that bend too sharply for the first."""
RTOL, ATOL = 1e-6, 1e-8


class GradcheckError(RuntimeError):
    """A gradient, or another property of a differentiable function, is wrong."""

    __module__ = "tinygrad_cnn.testing"  # where users find it


def slope(f: Callable[[float], Any], step: float) -> Any:
    """Return the derivative of `f` at 0, by central differences of fourth order.

    The error is about ``step**4 / 30`` times the fifth derivative, and rounding.
    """
    near = f(step) - f(-step)
    far = f(2 * step) - f(-2 * step)
    return (8 * near - far) / (12 * step)


def check_gradient(
    label: str,
    names: Sequence[str],
    f: Callable[..., float],
    point: Sequence[np.ndarray],
    gradient: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Check that `gradient` is that of the scalar function `f` of arrays at `point`.

    The check is along one random direction, which a wrong gradient passes only if its error is
    nearly orthogonal to it. Where it fails, each element is looked at, for the message.

    Raises
    ------
    GradcheckError
        Naming the argument, the element, both values, and the likely fault.
    """
    directions = [rng.uniform(-1, 1, x.shape) for x in point]
    terms = [g * d for g, d in zip(gradient, directions, strict=True)]
    analytic = sum(float(np.sum(t)) for t in terms)
    scale = sum(float(np.sum(np.abs(t))) for t in terms)

    def along(t: float) -> float:
        return f(*[x + t * d for x, d in zip(point, directions, strict=True)])

    for step in STEPS:
        numeric = slope(along, step)
        if abs(analytic - numeric) <= ATOL + RTOL * max(scale, abs(numeric)):
            return
    for i, (name, x, g) in enumerate(zip(names, point, gradient, strict=True)):

        def moved(x: np.ndarray, i: int = i) -> float:
            return f(*point[:i], x, *point[i + 1 :])

        elements = min(
            (_elementwise(moved, x, step) for step in STEPS),
            key=lambda found: float(np.abs(found - g).max(initial=0)),
        )
        if text := difference(g, elements, RTOL, ATOL):
            raise GradcheckError(f"{label}: {name}, {text}")
    raise GradcheckError(
        f"{label}: along a random direction the rules give {analytic:.8g}, "
        f"central differences {numeric:.8g}"
    )


def _elementwise(f: Callable[[np.ndarray], float], x: np.ndarray, step: float) -> np.ndarray:
    result = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index] = 1
        result[index] = slope(lambda t, unit=unit: f(x + t * unit), step)  # type: ignore[misc]
    return result


def difference(analytic: np.ndarray, numeric: np.ndarray, rtol: float, atol: float) -> str:
    """Say where two gradients differ and what the fault looks like; "" where they agree."""
    if analytic.shape != numeric.shape:
        return f"the rules give shape {analytic.shape}, expected {numeric.shape}"
    bound = atol + rtol * max(float(np.abs(numeric).max(initial=0)), 1.0)
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(analytic - numeric) <= bound)
    if not wrong.any():
        return ""
    index = worst(wrong, analytic, numeric)
    place = f"element {tuple(int(i) for i in index)}: " if index else ""
    text = (
        f"{place}the rules give {analytic[index]:.8g}, central differences {numeric[index]:.8g} "
        f"({int(wrong.sum())} of {wrong.size} elements differ)"
    )
    fault = likely_fault(analytic, numeric)
    return f"{text}; {fault}" if fault else text


def worst(wrong: np.ndarray, analytic: np.ndarray, numeric: np.ndarray) -> tuple[Any, ...]:
    """Return the index of the largest difference among those that are wrong."""
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(analytic - numeric), nan=np.inf)
    return np.unravel_index(int(np.argmax(np.where(wrong, error, -1))), error.shape)


def likely_fault(analytic: np.ndarray, numeric: np.ndarray) -> str:
    """Name the common fault that `analytic` shows, or "" if it shows none."""
    bound = 1e-4 * float(np.abs(numeric).max(initial=0)) + 1e-7

    def same(a: Any, b: Any) -> bool:
        return bool(np.all(np.abs(a - b) <= bound))

    if not np.isfinite(analytic).all():
        return "the rules give a value that is not finite"
    if same(analytic, 0):
        return "the rules give zero"
    if same(numeric, 0):
        return "the derivative is zero"
    if same(-analytic, numeric):
        return "the sign is wrong"
    factor = float(np.sum(analytic * numeric) / np.sum(numeric * numeric))
    simple = Fraction(factor).limit_denominator(12)
    if factor and same(analytic / factor, numeric):
        if abs(factor - simple) < 1e-5:
            return f"it is {simple} times what it should be"
        if analytic.size > 1:
            return f"it is {factor:.6g} times what it should be"
    square = analytic.ndim >= 2 and analytic.shape[-1] == analytic.shape[-2]
    if square and same(analytic.swapaxes(-1, -2), numeric):
        return "it is transposed"
    for axis, side in enumerate(analytic.shape):
        if side < 2:
            continue
        if same(np.flip(analytic, axis), numeric):
            return f"it is reversed along dimension {axis}"
        for shift in (1, -1):
            if same(np.roll(analytic, shift, axis), numeric):
                return f"it is shifted by one along dimension {axis}"
    return ""
