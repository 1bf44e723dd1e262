"""Draws arguments for operations: shapes and options from Hypothesis, values from a seeded stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


class Draw:
    """What an operation's sampler draws its arguments from (see `Op.samples`).

    Every choice is one integer from `source`. So Hypothesis can shrink the choices, and a plain
    random generator can stand in its place.

    Parameters
    ----------
    source : callable
        ``source(low, high)`` returns an integer of that range, both ends included.

    Examples
    --------
    >>> from tinygrad_cnn.testing import Draw
    >>> draw = Draw.from_seed(0)
    >>> draw.array((2, 3)).shape
    (2, 3)
    """

    def __init__(self, source: Callable[[int, int], int]) -> None:
        self._source = source
        self.rng = np.random.default_rng(source(0, 2**32 - 1))

    @classmethod
    def from_seed(cls, seed: int) -> Draw:
        """Draw from a random generator with this seed."""
        rng = np.random.default_rng(seed)
        return cls(lambda low, high: int(rng.integers(low, high, endpoint=True)))

    @classmethod
    def from_hypothesis(cls, data: Any) -> Draw:
        """Draw from what ``hypothesis.strategies.data()`` gives."""
        from hypothesis import strategies

        return cls(lambda low, high: data.draw(strategies.integers(low, high)))

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return self._source(low, high)

    def boolean(self) -> bool:
        """Return False or True."""
        return bool(self._source(0, 1))

    def choice(self, options: Sequence[T]) -> T:
        """Return one of `options`; the first is the simplest."""
        return options[self._source(0, len(options) - 1)]

    def shape(
        self, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3
    ) -> tuple[int, ...]:
        """Return a shape."""
        ndim = self.integer(min_dims, max_dims)
        return tuple(self.integer(min_side, max_side) for _ in range(ndim))

    def broadcastable(self, count: int, max_dims: int = 3) -> list[tuple[int, ...]]:
        """Return `count` shapes that broadcast together."""
        full = self.shape(max_dims=max_dims)
        shapes = []
        for _ in range(count):
            kept = tuple(1 if self.integer(0, 3) == 3 else side for side in full)
            shapes.append(kept[self.integer(0, len(full)) if self.boolean() else 0 :])
        return shapes

    def array(
        self,
        shape: Sequence[int],
        low: float = -2.0,
        high: float = 2.0,
        *,
        avoid: Sequence[float] = (),
        distinct: bool = False,
    ) -> np.ndarray:
        """Return float64 values in [low, high].

        Parameters
        ----------
        avoid : sequence of float
            Kinks: every value stays at least 0.05 from each.
        distinct : bool
            All values differ, by an equal spacing.
        """
        if distinct:
            count = int(np.prod(shape))
            values = self.rng.permutation(np.linspace(low, high, count + 2)[1:-1]).reshape(shape)
        else:
            values = self.rng.uniform(low, high, tuple(shape))
        for kink in avoid:
            near = np.abs(values - kink) < 0.05
            values = np.where(near, kink + np.where(values < kink, -0.1, 0.1), values)
        return np.asarray(values)

    def integers(self, shape: Sequence[int], low: int, high: int) -> np.ndarray:
        """Return int64 values from `low` to `high`, both included."""
        return np.asarray(self.rng.integers(low, high, tuple(shape), endpoint=True))

    def mask(self, shape: Sequence[int]) -> np.ndarray:
        """Return random booleans."""
        return np.asarray(self.rng.random(tuple(shape)) < 0.5)

    def dim(self, ndim: int) -> int:
        """Return a dimension, at times counted from the end."""
        return self.integer(0, ndim - 1) - (ndim if self.boolean() else 0)

    def dims(self, ndim: int) -> int | tuple[int, ...] | None:
        """Return None (all), one dimension, or a tuple of different ones."""
        kind = self.integer(0, 2) if ndim else 0
        if kind == 0:
            return None
        if kind == 1:
            return self.dim(ndim)
        order = [int(d) for d in self.rng.permutation(ndim)]
        return tuple(d - ndim if self.boolean() else d for d in order[: self.integer(1, ndim)])
