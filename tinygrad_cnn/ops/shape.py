"""Shapes: views, rearrangements, joining, padding and indexing."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op


@op(method=True)
def sum_to_size(input: Array, size: tuple[int, ...]) -> Any:
    """Sum over the axes along which an array of shape `size` was broadcast to `input`'s shape."""
    lead = input.ndim - len(size)
    axes = tuple(range(lead)) + tuple(
        i + lead for i, side in enumerate(size) if side == 1 and input.shape[i + lead] != 1
    )
    return np.sum(input, axis=axes).reshape(size)


@sum_to_size.gradient("input")
def _(g, input_shape): return broadcast_to(g, input_shape)


@op(method="broadcast_to", view=True)
def broadcast_to(input: Array, size: tuple[int, ...]) -> Any:
    """Return a view broadcast to shape `size`."""
    return np.broadcast_to(input, size)


@broadcast_to.gradient("input")
def _(g, input_shape): return sum_to_size(g, input_shape)


@op(method=False)
def to(input: Array, dtype: Any) -> Any:
    """Return the values in another dtype."""
    return np.asarray(input).astype(dtype)


@to.gradient("input")
def _(g): return g
