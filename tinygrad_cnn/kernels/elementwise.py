"""A sum, the rectifier and its gradient, in one pass each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dispatch import compiled
from .mask import keep


@compiled
def add(x: Any, y: Any) -> Any:
    """Return ``x + y``, of two arrays or two Tensors."""
    return x + y


@compiled
def relu(x: np.ndarray) -> np.ndarray:
    """Return the larger of `x` and 0; nan stays."""
    return np.maximum(x, np.zeros_like(x))  # takes 0.6 of the time that it does with a number


@compiled
def relu_input(g: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return 0 where `out` is not positive, and `g` elsewhere, where `out` is nan too."""
    return keep(np.logical_not(out <= 0), g)
