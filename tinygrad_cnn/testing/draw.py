"""Draws arguments for operations: shapes and options from Hypothesis, values from a seeded stream."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.core.op import Op

T = TypeVar("T")

LAYOUTS = ("C", "F", "sliced", "reversed", "readonly")
"""Ways for the same values to lie in memory."""
GAP = 0.05
"""How far drawn values stay from kinks: much further than a numerical derivative steps."""


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

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return self._source(low, high)

    def boolean(self) -> bool:
        """Return False or True."""
        return bool(self._source(0, 1))

    def choice(self, options: Sequence[T]) -> T:
        """Return one of `options`; the first is the simplest."""
        return options[self._source(0, len(options) - 1) if len(options) > 1 else 0]

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
        dtype: Any = np.float64,
        layouts: Sequence[str] = ("C",),
        avoid: Sequence[float] = (),
        distinct: bool = False,
    ) -> np.ndarray:
        """Return values in [low, high].

        Parameters
        ----------
        dtype : numpy dtype
            Of floats, integers or booleans.
        layouts : sequence of str
            One is chosen: "C", "F" (the first axis fastest), "sliced" (each second element of
            a wider array), "reversed" (negative strides), "readonly", "broadcast" (a stride of
            zero: equal values along an axis).
        avoid : sequence of float
            Kinks: every value stays at least 0.05 from each.
        distinct : bool
            All values differ; floats, by an equal spacing.
        """
        shape, layout = tuple(shape), self.choice(layouts)
        if layout == "broadcast" and shape:
            axis = self.integer(0, len(shape) - 1)
            narrow = (*shape[:axis], min(shape[axis], 1), *shape[axis + 1 :])
            settings: Any = {"dtype": dtype, "avoid": avoid, "distinct": distinct}
            return np.broadcast_to(self.array(narrow, low, high, **settings), shape)
        return laid(self._values(shape, low, high, np.dtype(dtype), avoid, distinct), layout)

    def _values(
        self,
        shape: tuple[int, ...],
        low: float,
        high: float,
        dtype: np.dtype,
        avoid: Sequence[float],
        distinct: bool,
    ) -> np.ndarray:
        if dtype.kind == "b":
            return self.mask(shape)
        if dtype.kind in "iu":
            known = np.arange(np.ceil(low), np.floor(high) + 1, dtype=dtype)
            far = [all(abs(value - kink) >= GAP for kink in avoid) for value in known]
            return np.asarray(self.rng.choice(known[far], shape, replace=not distinct))
        gaps, end = [], low
        for kink in sorted(avoid):
            start = max(kink - GAP, end)
            end = max(min(kink + GAP, high), end)
            gaps.append((start, max(end - start, 0.0)))
        top = high - sum(width for _, width in gaps)  # with the gaps taken out
        if top <= low < high:
            raise ValueError(f"values in [{low}, {high}] cannot avoid {list(avoid)}")
        if distinct:
            spaced = np.linspace(low, top, math.prod(shape) + 2)[1:-1]
            values = self.rng.permutation(spaced).reshape(shape)
        else:
            values = np.asarray(self.rng.uniform(low, top, shape))
        for start, width in gaps:
            values = values + width * (values >= start)
        return np.asarray(values, dtype)

    def integers(self, shape: Sequence[int], low: int, high: int) -> np.ndarray:
        """Return int64 values from `low` to `high`, both included."""
        return np.asarray(self.rng.integers(low, high, tuple(shape), endpoint=True))

    def mask(self, shape: Sequence[int]) -> np.ndarray:
        """Return random booleans."""
        return np.asarray(self.rng.random(tuple(shape)) < 0.5)

    def labels(self, shape: Sequence[int], classes: int, one_hot: bool = False) -> np.ndarray:
        """Return numbers of classes; or, along another dimension, a 1.0 at each of them."""
        numbers = self.integers(shape, 0, classes - 1)
        return np.eye(classes)[numbers] if one_hot else numbers

    def permutation(self, count: int) -> np.ndarray:
        """Return the integers below `count` in any order."""
        return self.rng.permutation(count)

    def probabilities(self, shape: Sequence[int]) -> np.ndarray:
        """Return positive numbers whose sum along the last dimension is 1."""
        parts = self.array(shape, 0.1, 1.0)
        return parts / parts.sum(-1, keepdims=True)

    def orthogonal(self, shape: Sequence[int]) -> np.ndarray:
        """Return matrices (..., m, n) with orthonormal columns; where m < n, rows."""
        *batch, m, n = shape
        tall = np.linalg.qr(self.rng.standard_normal((*batch, max(m, n), min(m, n))))[0]
        return tall if m >= n else tall.mT

    def positive_definite(self, shape: Sequence[int]) -> np.ndarray:
        """Return symmetric matrices (..., n, n) with eigenvalues that lie apart, from 0.7 on."""
        *batch, n, _ = shape
        values = np.arange(1, n + 1) + self.array((*batch, n), -0.3, 0.3)
        vectors = self.orthogonal(shape)
        product = (vectors * values[..., None, :]) @ vectors.mT
        return (product + product.mT) / 2

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

    def sample(self, op: Op[Any, Any]) -> Any:
        """Return arguments of an operation, from its own sampler."""
        if op.sampler is None:
            raise LookupError(f"{op.name}: no sampler; declare one with @{op.name}.samples")
        return op.sampler(self)

    def transposed_convolution(self, dims: int) -> dict[str, Any]:
        """Return the arguments of a transposed convolution, by name."""
        most = 3 if dims < 3 else 2

        def each(low: int, *high: int) -> tuple[int, ...]:
            return tuple(self.integer(low, h) for h in high)

        stride, dilation, kernel, size = (each(1, *[most] * dims) for _ in range(4))
        extra = each(0, *(max(s, d) - 1 for s, d in zip(stride, dilation, strict=True)))
        whole = [
            (n - 1) * s + d * (k - 1) + e + 1
            for n, s, d, k, e in zip(size, stride, dilation, kernel, extra, strict=True)
        ]
        padding = each(0, *((n - 1) // 2 for n in whole))  # something is left
        groups, inputs, outputs = (self.integer(1, 2) for _ in range(3))
        batch = () if self.boolean() else (self.integer(1, 2),)
        return {
            "input": self.array((*batch, groups * inputs, *size)),
            "weight": self.array((groups * inputs, outputs, *kernel)),
            "bias": self.array((groups * outputs,)) if self.boolean() else None,
            "stride": stride,
            "padding": padding,
            "output_padding": extra,
            "groups": groups,
            "dilation": dilation,
        }


def laid(x: np.ndarray, layout: str) -> np.ndarray:
    """Return a copy of `x` that lies in memory in the given one of `LAYOUTS`."""
    if layout == "sliced":
        wide = np.full((*x.shape, 2), 7, x.dtype)
        wide[..., 0] = x
        return wide[..., 0]
    if layout == "reversed":
        flip = (slice(None, None, -1),) * x.ndim
        return x[flip].copy()[flip] if x.ndim else x.copy()
    result = np.array(x, order="F" if layout == "F" else "C")
    result.flags.writeable = layout != "readonly"
    return result


def bind(op: Op[Any, Any], sample: Any) -> inspect.BoundArguments:
    """Return the arguments of an operation that its sampler returned, and the defaults."""
    args = list(sample) if isinstance(sample, tuple) else [sample]
    kwargs = args.pop() if args and isinstance(args[-1], dict) else {}
    bound = op.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return bound
