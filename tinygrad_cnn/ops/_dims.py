"""Checks of arguments, shared by the functions that take tensors and dimensions."""

from __future__ import annotations

import operator
from typing import Any


def check_tensor(name: str, value: Any, argument: str = "input") -> None:
    """Raise TypeError where `value` is neither a Tensor nor an array."""
    if not hasattr(value, "ndim"):
        raise TypeError(f"{name}: {argument} must be a Tensor, got {type(value).__name__}")


def check_tensors(name: str, **arguments: Any) -> None:
    """Raise TypeError where one of them is neither a Tensor nor an array."""
    for argument, value in arguments.items():
        check_tensor(name, value, argument)


def normalize_dim(name: str, dim: Any, ndim: int) -> int:
    """Return `dim` counted from the start; a 0-d tensor counts as having one dimension.

    Raises
    ------
    TypeError
        If it is not an integer.
    IndexError
        If it is out of range.
    """
    try:
        index = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: dim must be an int, got {type(dim).__name__}") from None
    count = max(ndim, 1)
    if not -count <= index < count:
        plural = "dimension" if ndim == 1 else "dimensions"
        raise IndexError(
            f"{name}: dim {index} is out of range for {ndim} {plural} "
            f"(expected {-count} to {count - 1})"
        )
    return index % count


def normalize_dims(name: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Return the dimensions that `dim` names: all where it is None or empty.

    Raises
    ------
    TypeError
        If it is neither None, an integer, nor a sequence of integers.
    IndexError
        If one is out of range.
    RuntimeError
        If one is named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        dim = (dim,)
    dims = tuple(normalize_dim(name, d, ndim) for d in dim)
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"{name}: a dimension appears twice in dim={tuple(dim)}")
    if not dims or ndim == 0:
        return tuple(range(ndim))
    return dims
