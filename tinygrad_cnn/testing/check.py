"""What must hold for a function and its gradient at one point, whatever computes them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .diagnosis import difference, likely_fault, short
from .numeric import (
    DOUBLE,
    GradcheckError,
    Judgement,
    KinkWarning,
    Precision,
    judge,
    judge_elements,
    precision_of,
    random_direction,
    size_of,
)
from .session import compared

Arrays = Sequence[np.ndarray]
Value = Callable[..., list[Any]]
"""Takes the float arguments, returns the float results."""
Pull = Callable[[Arrays], list[np.ndarray]]
"""Takes gradients of the results, returns those of the arguments."""
Linearize = Callable[[Arrays], tuple[list[np.ndarray], Pull]]
"""Takes the arguments; returns the results and how to pull gradients back, as jax.vjp does."""
Hints = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
"""The `factors` and `others` of `likely_fault`."""


def check_vjp_at(
    label: str,
    names: Sequence[str],
    value: Value,
    linearize: Linearize,
    points: Arrays,
    rng: np.random.Generator,
    *,
    least: float = 0.0,
    continued: bool = False,
) -> tuple[list[np.ndarray], list[np.ndarray], list[str]]:
    """Check the gradients of a function at `points`.

    - They have their arguments' shape and dtype.
    - They agree with central differences of the value, which is the same each time.
    - Computed again, after the function was called elsewhere, they are the same.
    - They are linear in the gradients of the results.
    - No array is changed that was given or returned before.

    Parameters
    ----------
    least : float
        The least size of the terms that the values sum, where these may cancel.
    continued : bool
        Try complex numbers, too.

    Returns
    -------
    cotangents, gradients : list of numpy.ndarray
        Random gradients of the results, and the gradients of the arguments that follow.
    kinks : list of str
        Where they could not be checked.
    """
    arguments = copies(points)
    outs, pull = linearize(points)
    unchanged(label, names, arguments, points)
    if any(np.isnan(out).any() for out in outs):
        raise GradcheckError(f"{label}: the value is NaN, so it has no derivative")
    precision = precision_of(*points, *outs)
    for out, again in zip(outs, value(*points), strict=True):
        if apart(out, again, precision):
            raise GradcheckError(
                f"{label}: called again, the value is {short(again)}, not {short(out)}; is it random?"
            )
    # an element that is infinite, such as the maximum of a window of padding, is left out
    finite = [np.isfinite(out) for out in outs]

    def random() -> list[np.ndarray]:
        return [
            np.asarray(rng.uniform(-1, 1, out.shape) * f, out.dtype)
            for out, f in zip(outs, finite, strict=True)
        ]

    cotangents, more = random(), random()
    given = [*names, *(f"the gradient of output {i}" for i in range(len(outs)))]
    before = [*arguments, *copies(cotangents)]
    values = copies(outs)
    try:
        gradients = pull(cotangents)
    except RuntimeError as error:  # of a rule, such as a gradient of the wrong shape
        if isinstance(error, GradcheckError):
            raise
        raise GradcheckError(f"{label}: {error}") from error
    same(f"{label}: after backward, the value", values, outs, exact=True)
    unchanged(label, given, before, [*points, *cotangents])
    check_forms(label, names, points, gradients)
    kept = copies(gradients)

    # the value
    def projected(weights: Arrays, *at: Any) -> Any:
        parts = zip(weights, value(*at), finite, strict=True)
        return sum((np.sum(v[f] * out[f]) for v, out, f in parts), start=np.float64(0))

    def along(*at: Any) -> Any:
        return projected(before[len(points) :], *at)

    def clues(i: int, g: np.ndarray) -> Hints:
        def pulled(given: Arrays) -> np.ndarray:
            partial = lambda x: projected(given, *points[:i], x, *points[i + 1 :])
            noise = precision.eps * magnitude
            return judge_elements(g, partial, points[i], noise=noise, precision=precision).numeric

        return hints(points[i], cotangents, pulled)

    magnitude = sum(
        float(np.sum(np.abs(v[f] * out[f])))
        for v, out, f in zip(cotangents, outs, finite, strict=True)
    )
    kinks = check_gradient(
        label,
        names,
        along,
        points,
        gradients,
        rng,
        magnitude=max(magnitude, least),
        precision=precision,
        continued=continued,
        clues=clues,
    )

    # the function called at another point in between
    moved = [
        np.asarray(x + precision.step * d / 16, x.dtype)
        for x, d in zip(points, random_direction(points, rng), strict=True)
    ]
    _, pull_moved = linearize(moved)
    again = copies(pull(cotangents))
    check_repeats(label, names, kept, again, lambda: pull_moved(cotangents), precision)
    mixed = [np.asarray(2 * v - 3 * w, v.dtype) for v, w in zip(cotangents, more, strict=True)]
    check_linear(label, names, kept, copies(pull(more)), pull(mixed), precision)
    if any(not np.array_equal(k, g, equal_nan=True) for k, g in zip(kept, gradients, strict=True)):
        raise GradcheckError(f"{label}: a later call changed gradients returned by an earlier one")
    unchanged(label, given, before, [*points, *cotangents])
    return cotangents, gradients, kinks


def check_gradient(
    label: str,
    names: Sequence[str],
    f: Callable[..., Any],
    point: Arrays,
    gradient: Arrays,
    rng: np.random.Generator,
    *,
    magnitude: float,
    order: int = 1,
    precision: Precision = DOUBLE,
    continued: bool = False,
    clues: Callable[[int, np.ndarray], Hints] | None = None,
) -> list[str]:
    """Check that `gradient` is that of the scalar function `f` of arrays at `point`.

    The check is along one random direction, which a wrong gradient passes only if its error is
    nearly orthogonal to it. Only where that fails, each element is looked at.

    Parameters
    ----------
    magnitude : float
        The size of f's value, or of the terms it is the sum of; its rounding follows from it.
    order : {1, 2}
        That of the derivative.
    continued : bool
        Try complex numbers, too.
    clues : callable, optional
        What is known about the arguments that a fault may have to do with.

    Returns
    -------
    list of str
        Where it could not be checked, because there is a kink.

    Raises
    ------
    GradcheckError
        Naming the argument, the element, both values, and the likely fault.
    """
    label = f"{label}: {'first' if order == 1 else 'second'} derivative"
    directions = random_direction(point, rng)
    terms = [g.astype(np.float64) * d for g, d in zip(gradient, directions, strict=True)]
    scale = sum(float(np.sum(np.abs(t), where=np.isfinite(t))) for t in terms)
    noise = precision.eps * (magnitude + scale)

    def along(t: float) -> Any:
        return f(*[x + t * d for x, d in zip(point, directions, strict=True)])

    with np.errstate(invalid="ignore"):
        analytic = sum(np.sum(t) for t in terms)
    verdict = judge(
        analytic,
        along,
        noise=noise,
        scale=scale,
        precision=precision,
        continued=continued,
    )
    off = float(abs(analytic - verdict.numeric))
    compared(order, off / (max(scale, precision.limit * magnitude) or 1.0))
    if verdict.right:
        return []
    found: list[Judgement] = []
    for i, (x, g) in enumerate(zip(point, gradient, strict=True)):
        moved = lambda x, i=i: f(*point[:i], x, *point[i + 1 :])
        found.append(
            judge_elements(g, moved, x, noise=noise, precision=precision, continued=continued)
        )
    for i, (name, g, one) in enumerate(zip(names, gradient, found, strict=True)):
        if one.wrong.any():
            factors, others = clues(i, g) if clues is not None else ({}, {})
            others |= {
                f"it is the gradient of {names[k]}": other.numeric
                for k, other in enumerate(found)
                if k != i
            }
            fault = likely_fault(g, one.numeric, factors=factors, others=others)
            text = difference(g, one.numeric, one.error, one.wrong, fault)
            raise GradcheckError(f"{label}: {name}, {text}")
    kinks = [kinks_of(name, one.kink) for name, one in zip(names, found, strict=True)]
    if found and all(one.kink.all() for one in found if one.kink.size):
        raise GradcheckError(f"{label}: nothing can be checked: {'; '.join(filter(None, kinks))}")
    if verdict.kink and not any(kinks):
        return ["a kink is met along a random direction"]
    return [text for text in kinks if text]


def kinks_of(name: str, kink: np.ndarray) -> str:
    """Say which elements are at a kink; "" if none is."""
    places = [tuple(int(i) for i in index) for index in np.argwhere(kink)]
    if not places:
        return ""
    shown = ", ".join(map(str, places[:5])) + (", ..." if len(places) > 5 else "")
    return f"{name} is at a kink (elements {shown})" if kink.ndim else f"{name} is at a kink"


def warn_of_kinks(label: str, kinks: Sequence[str], stacklevel: int) -> None:
    """Warn the caller of a check, if there were kinks."""
    if kinks:
        text = "the slopes from both sides differ, so these are not checked"
        warnings.warn(f"{label}: {'; '.join(kinks)}: {text}", KinkWarning, stacklevel + 1)


def check_forms(
    label: str, names: Sequence[str], points: Arrays, gradients: Sequence[Any]
) -> None:
    """Check that each gradient is an array like its argument."""
    if len(gradients) != len(points):
        raise GradcheckError(
            f"{label}: {len(gradients)} gradients for {len(points)} float arguments"
        )
    for name, x, g in zip(names, points, gradients, strict=True):
        if not isinstance(g, np.ndarray) or g.shape != x.shape or g.dtype != x.dtype:
            got = short(type(g)) if not isinstance(g, np.ndarray) else f"{g.dtype}{list(g.shape)}"
            lacks = isinstance(g, np.ndarray) and _broadcasts(x.shape, g.shape)
            hint = "; the sum over the axes it was broadcast along is missing" if lacks else ""
            raise GradcheckError(
                f"{label}: the gradient of {name} is {got}, "
                f"expected {x.dtype}{list(x.shape)}{hint}"
            )


def check_repeats(
    label: str,
    names: Sequence[str],
    gradients: Arrays,
    again: Arrays,
    elsewhere: Callable[[], Arrays],
    precision: Precision,
) -> None:
    """Check that gradients do not depend on what was called in between."""
    for i, (name, g, h) in enumerate(zip(names, gradients, again, strict=True)):
        if apart(g, h, precision):
            stale = not apart(elsewhere()[i], h, precision)
            fault = "it is stale, that of a later call's arguments" if stale else "random?"
            raise GradcheckError(
                f"{label}: computed twice, the gradient of {name} is {short(g)} and {short(h)}; "
                f"{fault}"
            )


def check_linear(
    label: str,
    names: Sequence[str],
    of_v: Arrays,
    of_w: Arrays,
    of_mixed: Arrays,
    precision: Precision,
    rtol: float = 0.0,
    atol: float = 0.0,
) -> None:
    """Check that gradients are linear in what arrives: ``2 v - 3 w`` gives ``2 f(v) - 3 f(w)``."""
    for name, v, w, got in zip(names, of_v, of_w, of_mixed, strict=True):
        scale = 2 * size_of(v) + 3 * size_of(w)
        bound = max(atol, precision.tiny) + max(rtol, precision.close) * scale
        with np.errstate(invalid="ignore"):
            off = np.abs(2.0 * v - 3.0 * w - got)
        if np.any(off > bound):
            raise GradcheckError(
                f"{label}: the gradient of {name} is not linear in the gradient that arrives: "
                f"of 2 v - 3 w it is {short(got)}, expected {short(2.0 * v - 3.0 * w)}"
            )


def hints(x: np.ndarray, cotangents: Arrays, pulled: Callable[[Arrays], np.ndarray]) -> Hints:
    """Return what `likely_fault` may compare the gradient of `x` with.

    `pulled` makes the right gradient of `x` from others that arrive.
    """
    factors, others = {"of the input": x}, {}
    for v in cotangents:
        factors["that is the gradient that arrives"] = v
        others["it is the gradient that arrives, unchanged"] = v
    if len(cotangents) == 1:
        (v,) = cotangents
        padded = (1,) * (v.ndim - x.ndim) + x.shape
        for axis, side in enumerate(v.shape):
            if len(padded) == v.ndim and padded[axis] == 1 < side:
                for k, word in ((0, "first"), (side - 1, "last")):
                    index = (slice(None),) * axis + (k,)
                    one = np.zeros_like(v)
                    one[index] = v[index]
                    words = f"it is of the {word} slice only: the sum over axis {axis} is missing"
                    others[words] = pulled([one])
    return factors, others


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large != small
    except ValueError:
        return False


# -- comparing ---------------------------------------------------------------------------------


def copies(arrays: Sequence[Any]) -> list[np.ndarray]:
    """Return a copy of each array."""
    return [np.array(x) for x in arrays]


def apart(x: np.ndarray, y: np.ndarray, precision: Precision) -> bool:
    """Say whether two arrays differ by more than rounding."""
    return not np.allclose(x, y, rtol=precision.close, atol=precision.tiny, equal_nan=True)


def unchanged(label: str, names: Sequence[str], before: Arrays, now: Arrays) -> None:
    """Check that the arrays are as they were."""
    for name, was, x in zip(names, before, now, strict=True):
        if not np.array_equal(was, x, equal_nan=x.dtype.kind in "fc"):
            raise GradcheckError(f"{label}: {name} was changed in place")


def same(what: str, expected: Arrays, got: Sequence[Any], exact: bool = False) -> None:
    """Check that two computations give arrays of the same shape, dtype and values."""
    for i, (x, other) in enumerate(zip(expected, got, strict=True)):
        y = np.asarray(other)
        number = f" {i}" if len(expected) > 1 else ""
        if x.shape != y.shape or x.dtype != y.dtype:
            raise GradcheckError(
                f"{what}{number} is {y.dtype}{list(y.shape)}, expected {x.dtype}{list(x.shape)}"
            )
        differ = not np.array_equal(x, y, equal_nan=x.dtype.kind == "f")
        if differ and (exact or apart(x, y, precision_of(x))):
            raise GradcheckError(f"{what}{number} is {short(y)}, expected {short(x)}")
