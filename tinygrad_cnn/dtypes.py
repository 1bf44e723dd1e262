"""Dtypes: their names, the default one, and PyTorch's rule of type promotion."""

from __future__ import annotations

from typing import Any

import numpy as np

float16, float32, float64 = np.dtype("f2"), np.dtype("f4"), np.dtype("f8")
int8, int16, int32, int64 = np.dtype("i1"), np.dtype("i2"), np.dtype("i4"), np.dtype("i8")
uint8, bool_ = np.dtype("u1"), np.dtype("?")

_default = float32
_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}


def get_default_dtype() -> np.dtype:
    """Return the dtype that Python floats take; float32 at the start."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype that Python floats take.

    Raises
    ------
    TypeError
        If `dtype` is not a floating dtype.
    """
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"set_default_dtype: expected a floating dtype, got {dtype}")
    _default = dtype


def _wider(a: np.dtype | None, b: np.dtype | None) -> np.dtype | None:
    if a is None or b is None:
        return b if a is None else a
    category_a, category_b = _CATEGORY[a.kind], _CATEGORY[b.kind]
    if category_a == category_b:
        return np.promote_types(a, b)
    return a if category_a > category_b else b


def result_type(*operands: Any) -> np.dtype:
    """Return the dtype that an operation on `operands` gives, by PyTorch's rule.

    Tensors with dimensions decide; 0-d tensors, then Python numbers, count only where they
    bring a higher category (bool < integer < float). An integer does not widen a float.

    Parameters
    ----------
    operands : Tensor, ndarray or number

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.result_type(tg.ones(2), 1.5), tg.result_type(tg.ones(2), tg.arange(2))
    (dtype('float32'), dtype('float32'))
    """
    ranked: list[np.dtype | None] = [None, None, None]
    for operand in operands:
        dtype: np.dtype | None
        if isinstance(operand, (bool, np.bool_)):
            rank, dtype = 2, bool_
        elif isinstance(operand, (int, np.integer)):
            rank, dtype = 2, int64
        elif isinstance(operand, (float, np.floating)):
            rank, dtype = 2, _default
        else:
            rank, dtype = (0 if operand.ndim else 1), operand.dtype
        ranked[rank] = _wider(ranked[rank], dtype)
    result = None
    for dtype in ranked:
        if dtype is not None and (
            result is None or _CATEGORY[dtype.kind] > _CATEGORY[result.kind]
        ):
            result = dtype
    if result is None:
        raise ValueError("result_type: expected at least one operand, got none")
    return result
