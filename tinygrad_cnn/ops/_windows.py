"""Checks of the arguments that say how a window moves over one, two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

Size = int | Sequence[int]
"""One number for every axis, or one for each."""


def ntuple(name: str, argument: str, value: Any, dims: int, low: int) -> tuple[int, ...]:
    """Return an option as `dims` integers, each at least `low`.

    Raises
    ------
    TypeError
        If it is neither an integer nor a sequence of integers.
    RuntimeError
        If the sequence has another length, or an integer is too small.
    """
    # the usual cases, several times as fast as all that follows
    if value.__class__ is int and value >= low:
        return (value,) * dims
    if value.__class__ is tuple and [*map(type, value)] == [int] * dims and min(value) >= low:
        return value
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    for v in values:
        if type(v) is not int and (isinstance(v, bool) or not isinstance(v, (int, np.integer))):
            raise TypeError(f"{name}: {argument} must be an int or {dims} ints, got {value!r}")
    if len(values) not in (1, dims):
        raise RuntimeError(f"{name}: {argument} must be an int or {dims} ints, got {value!r}")
    if min(values) < low:
        raise RuntimeError(f"{name}: {argument} must be at least {low}, got {value!r}")
    return tuple(map(int, values)) * (dims // len(values))


def check_images(name: str, input: Any, dims: int) -> None:
    """Refuse what is not (N, C, *size) or (C, *size), with `dims` axes in size and none empty.

    Raises
    ------
    TypeError
        If it is no tensor.
    RuntimeError
        If its shape does not fit.
    """
    if not isinstance(input, (Tensor, np.ndarray)):
        raise TypeError(f"{name}: input must be a Tensor, got {type(input).__name__}")
    if input.ndim not in (dims + 1, dims + 2) or 0 in input.shape[-dims - 1 :]:
        size = ("L", "H, W", "D, H, W")[dims - 1]
        raise RuntimeError(
            f"{name}: input must be (N, C, {size}) or (C, {size}), with C, {size} > 0, "
            f"got {input.shape}"
        )
