"""Numerical derivatives that know their own error, and the verdict on a gradient from them.

Central differences at steps h, h/2, h/4 ... are extrapolated to h = 0 (Richardson). Neighbours in
that tableau tell how far to trust it (Ridders, Advances in Engineering Software 4, 1982), and the
precision of the values tells the rounding, which grows as the step shrinks. A gradient is wrong
if it is further off than `SAFETY` times this error.

At a kink the slopes from left and right differ by a jump that does not shrink with the step.
There is no derivative there, and no verdict.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

SAFETY = 10.0
"""How many times the estimated error a gradient may be off."""
LEVELS = 5
"""How often a tableau halves its step."""
ROUNDS = 4
"""How many tableaus are tried, each at another step."""


class GradcheckError(RuntimeError):
    """A gradient, or another property of a differentiable function, is wrong."""

    __module__ = "tinygrad_cnn.testing"  # where users find it


class KinkWarning(UserWarning):
    """Elements of a gradient were not checked, because the function has a kink there."""

    __module__ = "tinygrad_cnn.testing"


class Precision(NamedTuple):
    """What can be asked of values with the relative rounding error `eps`."""

    eps: float

    @property
    def close(self) -> float:
        """Relative difference of numbers that are the same but for their rounding."""
        return float(self.eps**0.6)

    @property
    def tiny(self) -> float:
        """Absolute difference of numbers that may be nothing but rounding, of terms of order 1."""
        return float(self.eps**0.8)

    @property
    def limit(self) -> float:
        """Relative error above which a numerical derivative says nothing."""
        return float(self.eps**0.4)

    @property
    def step(self) -> float:
        """The largest step; half of it is the best for differences of fourth order."""
        return float(2 * self.eps**0.2)

    @property
    def blank(self) -> float:
        """The slope that nothing but rounding may make of terms of order 1."""
        return SAFETY * self.eps / self.step

    @property
    def apart(self) -> float:
        """The factor between the steps of two tableaus: the third one ends at sqrt(eps)."""
        return float(max(self.eps**-0.15 / 3, 2.0))


DOUBLE = Precision(float(np.finfo(np.float64).eps))


def precision_of(*arrays: Any) -> Precision:
    """Return the precision of the coarsest of these arrays, of those that hold floats."""
    known = [float(np.finfo(x.dtype).eps) for x in arrays if x.dtype.kind == "f"]
    return Precision(max(known, default=DOUBLE.eps))


class Estimate(NamedTuple):
    """A derivative, its error, the part of rounding in that, and the slopes on both sides.

    `jump` is by how much these differ, extrapolated to step 0; `slope` the steeper one.
    """

    value: np.ndarray
    error: np.ndarray
    rounding: float
    jump: np.ndarray
    slope: np.ndarray


def tableau(
    f: Callable[[float], Any], origin: Any, step: float, noise: float
) -> Iterator[Estimate]:
    """Yield ever better estimates of the derivative of `f` at 0, from smaller and smaller steps.

    `origin` is ``f(0)``; `noise` the rounding error of a value.
    """
    older: list[Any] = []
    bend_before = None
    for level in range(LEVELS):
        h = step / 2**level
        high, low = f(h), f(-h)
        newer = [(high - low) / (2 * h)]
        for k, previous in enumerate(older, 1):
            newer.append(newer[-1] + (newer[-1] - previous) / (4**k - 1))
        right, left = (high - origin) / h, (origin - low) / h
        bend = right - left  # the jump + O(h)
        if older:
            value = newer[-1]
            rounding = noise / min(h, 1.0)  # never less than that of the rules
            error = np.maximum(abs(value - newer[-2]), abs(value - older[-1])) + rounding
            slope = np.maximum(abs(right), abs(left))
            yield Estimate(value, error, rounding, abs(2 * bend - bend_before), slope)
        older, bend_before = newer, bend


def estimates(
    f: Callable[[float], Any], noise: float, scale: float, precision: Precision, step: float | None
) -> Iterator[Estimate]:
    """Yield estimates of the derivative of `f` at 0, from one tableau and then others.

    Steps are made wider where rounding outweighs the derivative, and narrower elsewhere.
    """
    origin = f(0.0)
    step = step or precision.step
    for _ in range(ROUNDS):
        for found in tableau(f, origin, step, noise):
            yield found
        size = max(scale, size_of(found.value))
        coarse = SAFETY * found.rounding > precision.limit * size
        step = step * precision.apart if coarse else step / precision.apart


class Judgement(NamedTuple):
    """The numerical derivative and its error, whether the analytic one is right, or at a kink."""

    numeric: np.ndarray
    error: np.ndarray
    right: np.ndarray
    kink: np.ndarray

    @property
    def wrong(self) -> np.ndarray:
        return ~(self.right | self.kink)


def judge(
    analytic: Any,
    f: Callable[[float], Any],
    *,
    noise: float,
    scale: float,
    precision: Precision = DOUBLE,
    step: float | None = None,
    atol: float = 0.0,
    rtol: float = 0.0,
    continued: bool = False,
) -> Judgement:
    """Compare `analytic` with the derivative of `f` at 0.

    It takes four values of `f`, where the function is smooth and the derivative right, and more
    only where these do not settle it.

    Parameters
    ----------
    analytic : float or array
        Of the shape of f's values.
    f : callable
        Takes a step, relative to the scale of the input.
    noise : float
        The rounding error of f's values.
    scale : float
        The size of `analytic`, or of the terms it is the sum of.
    precision : Precision
        That of the computation.
    step : float, optional
        The largest step, where it should not be chosen.
    atol, rtol : float
        A difference up to ``atol + rtol * abs(numeric)`` is allowed besides.
    continued : bool
        Try complex numbers, too.
    """
    analytic = np.asarray(analytic, np.float64)
    with np.errstate(all="ignore"):
        numeric, error, size, kink = _search(analytic, f, noise, scale, precision, step, atol)
        off, margin = abs(analytic - numeric), SAFETY * error
        told = margin <= precision.limit * (size + noise / precision.eps) + SAFETY * precision.blank
        # zero: what the rules give is rounding, of terms that may be larger than the value's
        rounding = np.where(abs(numeric) <= margin, SAFETY**2 * noise, 0)
        right = (off <= precision.close * size) | ((off <= margin) & told) | (off <= rounding)
        right |= off <= atol + rtol * abs(numeric)
        exact = complex_step(f) if continued and np.all(np.isfinite(error)) else None
        if exact is not None and np.all(abs(exact - numeric) <= margin + precision.close * size):
            numeric, error = np.asarray(exact), 100 * precision.eps * size
            right = abs(analytic - exact) <= SAFETY * error + rounding
    return Judgement(numeric, error, right, kink)


def _search(
    analytic: np.ndarray,
    f: Callable[[float], Any],
    noise: float,
    scale: float,
    precision: Precision,
    step: float | None,
    atol: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the derivative of `f` at 0, as exactly as it takes to tell whether it is `analytic`.

    Returns
    -------
    numeric, error, size, kink : numpy.ndarray
        The error is infinite where there is no derivative to be seen. Differences count relative
        to the size: that of the derivative, the terms it sums, and the slopes on both sides.
    """
    numeric, error = np.full(analytic.shape, np.nan), np.full(analytic.shape, np.inf)
    wide = fine = numeric  # the jumps at the first, largest, and the last, smallest step
    steep = error  # the slope at the first
    for count, found in enumerate(estimates(f, noise, scale, precision, step)):
        size = np.maximum(scale, np.where(np.isfinite(found.slope), found.slope, 0))
        steep = found.slope if count == 0 else steep
        shrinks = found.jump <= fine / 4
        wide, fine = np.where(np.isnan(wide), found.jump, wide), found.jump
        rounding = SAFETY * found.rounding
        smooth = shrinks | (found.jump <= precision.limit * size + rounding)
        usable = smooth & (found.error <= size / SAFETY + rounding)
        usable |= SAFETY * np.maximum(found.error, found.jump) <= atol
        better = usable & (found.error < error)
        numeric, error = np.where(better, found.value, numeric), np.where(better, found.error, error)
        off, least = abs(analytic - numeric), precision.close * size
        settled = (off > 100 * error) | (SAFETY * error <= least)
        if np.all((off <= least) | (count > 0) & settled):
            break
    # terms of order 1 that cancel leave noise below that of their sum's value: it is zero. That
    # noise may well have a kink itself, as the rounding of t (ab - cd) has
    noisy = np.isinf(error) & (steep <= precision.blank)
    # a jump of the value itself, or noise, would have grown with 1 / step
    kink = np.isinf(error) & ~noisy & (fine > precision.limit * size) & (fine <= 8 * wide)
    return np.where(noisy, 0.0, numeric), np.where(noisy, steep, error), size, kink


def judge_elements(
    analytic: np.ndarray,
    f: Callable[[np.ndarray], Any],
    x: np.ndarray,
    *,
    atol: float = 0.0,
    **settings: Any,
) -> Judgement:
    """Compare a gradient with the derivatives of `f` by each element of `x`.

    Where the values of `f` are arrays, `analytic` is the Jacobian: their shape, then x's. For
    `settings` see `judge`.
    """
    lead = analytic.ndim - x.ndim
    reach = element_reach(x)
    parts = []
    for index in np.ndindex(x.shape):

        def moved(t: float, index: Any = index) -> Any:
            at = x.astype(np.result_type(np.float64, type(t)))
            at[index] += t * reach[index]
            return f(at)

        unit = float(reach[index])
        column = analytic[(..., *index)] * unit
        scale = unit * size_of(analytic)
        parts.append(judge(column, moved, scale=scale, atol=atol * unit, **settings))
    numeric, error, right, kink = (
        np.moveaxis(
            np.array([getattr(part, name) for part in parts]).reshape(
                x.shape + analytic.shape[:lead]
            ),
            range(x.ndim),
            range(lead, analytic.ndim),
        )
        for name in Judgement._fields
    )
    return Judgement(numeric / reach, error / reach, right.astype(bool), kink.astype(bool))


def reach_of(x: np.ndarray) -> float:
    """Return the scale of an input: its steps are fractions of it."""
    return size_of(x) or 1.0


def element_reach(x: np.ndarray) -> np.ndarray:
    """Return the scale of each element: its magnitude, and for zeros that of all."""
    least = np.sqrt(np.finfo(x.dtype).eps) * size_of(x)
    magnitude = np.maximum(np.abs(np.where(np.isfinite(x), x, 0)), least)
    return np.where(x == 0, reach_of(x), magnitude).astype(np.float64)


def size_of(x: Any) -> float:
    """Return the largest finite magnitude in an array."""
    return float(np.max(np.abs(x), where=np.isfinite(x), initial=0))


def random_direction(points: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Return a direction to move all inputs in, each by at most its scale."""
    return [rng.uniform(-1, 1, x.shape) * reach_of(x) for x in points]


def complex_step(f: Callable[[Any], Any]) -> float | None:
    """Return the derivative of `f` at 0 to full precision, or None where f does not allow it.

    The imaginary part of ``f(ih) / h`` has no cancellation, so h can be tiny (Squire and Trapp,
    SIAM Review 40, 1998). Whether NumPy continues `f` to complex numbers as mathematics does,
    only a comparison with differences tells: it does not with ``abs``.
    """
    h = 2.0**-100
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # that an imaginary part is dropped
            value = f(1j * h)
    except Exception:  # whatever it is that f makes of a complex number
        return None
    return float(value.imag / h) if isinstance(value, np.complexfloating) else None
