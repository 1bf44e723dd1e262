"""A sum, the rectifier and its gradient, in one pass each, over the memory in whatever order."""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import DTYPES
from .workers import share, shared


@shared
def _add(x, y, out, first, last):
    one, other, made = x[first:last], y[first:last], out[first:last]
    for i in range(len(made)):
        made[i] = one[i] + other[i]


@shared
def _relu(x, out, first, last):
    part, made = x[first:last], out[first:last]
    zero = x.dtype.type(0)
    for i in range(len(part)):
        made[i] = zero if part[i] <= zero else part[i]


@shared
def _relu_input(g, out, dx, first, last):
    part, passed, made = g[first:last], out[first:last], dx[first:last]
    zero = g.dtype.type(0)
    for i in range(len(part)):
        made[i] = zero if passed[i] <= zero else part[i]


def _order(x: np.ndarray) -> Any:
    """Return the order of axes in which `x` fills its memory, or None."""
    if x.flags.carray:
        return range(x.ndim)
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    return order if x.transpose(order).flags.carray else None


def relu(x: np.ndarray) -> np.ndarray:
    if not isinstance(x, np.ndarray) or x.dtype not in DTYPES or x.size < 1000:
        return NotImplemented
    order = _order(x)
    if order is None:
        return NotImplemented
    out = np.empty_like(x)
    args = [a.transpose(order).reshape(-1) for a in (x, out)]
    share(x.size, 0.1, _relu, *args)
    return out


def _common_order(x: np.ndarray, y: np.ndarray) -> Any:
    """Return the order of axes in which two arrays alike fill their memory, or None."""
    if x.dtype != y.dtype or x.dtype not in DTYPES or x.size < 1000 or x.shape != y.shape:
        return None
    order = _order(x)
    return order if order is not None and y.transpose(order).flags.carray else None


def add(x: Any, y: Any) -> Any:
    if x.__class__ is not np.ndarray or y.__class__ is not np.ndarray:
        return NotImplemented
    order = _common_order(x, y)
    if order is None:
        return NotImplemented
    out = np.empty_like(x)
    args = [a.transpose(order).reshape(-1) for a in (x, y, out)]
    share(x.size, 0.1, _add, *args)
    return out


def relu_input(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    order = _common_order(out, g)
    if order is None:
        return NotImplemented
    dx = np.empty_like(out)
    args = [a.transpose(order).reshape(-1) for a in (g, out, dx)]
    share(g.size, 0.15, _relu_input, *args)
    return dx
