"""Hypothesis strategies for the arguments of differentiable functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .draw import Draw


def drawn(function: Callable[[Draw], Any]) -> Any:
    """Return a strategy of what `function` makes of a `Draw`.

    Examples
    --------
    >>> from tinygrad_cnn.testing import strategies
    >>> images = strategies.drawn(lambda draw: draw.array((1, 1, draw.integer(3, 5), 3)))
    """
    from hypothesis import strategies

    def make(draw: Any) -> Any:
        return function(Draw(lambda low, high: draw(strategies.integers(low, high))))

    return strategies.composite(make)()


def arrays(
    shape: Sequence[int] | None = None,
    low: float = -2.0,
    high: float = 2.0,
    *,
    avoid: Sequence[float] = (),
    distinct: bool = False,
) -> Any:
    """Return a strategy of float64 arrays with values in [low, high].

    Parameters
    ----------
    shape : sequence of int, optional
        Without it, up to three dimensions are drawn.
    avoid : sequence of float
        Kinks: every value stays at least 0.05 from each.
    distinct : bool
        All values differ, by an equal spacing: no ties.

    Examples
    --------
    >>> from tinygrad_cnn.testing import strategies
    >>> nonzero = strategies.arrays((2, 3), avoid=[0])
    """
    return drawn(
        lambda draw: draw.array(
            draw.shape() if shape is None else shape, low, high, avoid=avoid, distinct=distinct
        )
    )


def broadcastable(
    *names: str, low: float = -2.0, high: float = 2.0, avoid: Sequence[float] = ()
) -> Any:
    """Return a strategy of dictionaries: arrays with these names that broadcast together.

    Examples
    --------
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.broadcastable("x", "y"), examples=5)
    ... def test_product(x, y):
    ...     return x * y
    >>> test_product()
    """

    def make(draw: Draw) -> dict[str, Any]:
        shapes = draw.broadcastable(len(names))
        return {
            name: draw.array(shape, low, high, avoid=avoid)
            for name, shape in zip(names, shapes, strict=True)
        }

    return drawn(make)
