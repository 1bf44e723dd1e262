"""Arithmetic, comparison and elementwise functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op


@op(method=True, operator="+", inplace=True, promote="arithmetic", formula="x + y")
def add(input: Array, other: Array) -> Any:
    return np.add(input, other)

@add.gradient("input")
def _(g): return g

@add.gradient("other")
def _(g): return g

@op(method=True, operator="*", inplace=True, promote="arithmetic", formula="x · y")
def mul(input: Array, other: Array) -> Any:
    return np.multiply(input, other)

@mul.gradient("input")
def _(g, other): return g * other

@mul.gradient("other")
def _(g, input): return g * input

@op
def total(x):
    return x.sum()
@total.gradient("x")
def _(g, x_shape): return fill(g, x_shape)
@op
def fill(x, *, shape):
    return np.broadcast_to(x, shape)
@fill.gradient("x")
def _(g): return total(g)
