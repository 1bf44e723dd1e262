"""Padding, and cropping."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor


@op(name="pad")
def _pad(input: Array, pad: tuple[int, ...], value: float = 0) -> Any:
    befores, afters = _per_dim(pad, input.ndim)
    shape = tuple(n + b + a for n, b, a in zip(input.shape, befores, afters, strict=True))
    if min(shape, default=0) < 0:
        raise RuntimeError(f"pad: {tuple(pad)} crops more than there is in shape {input.shape}")
    result = np.full(shape, value, input.dtype)
    # an input element i lands on i + before; negative ones crop
    source = tuple(
        slice(max(-b, 0), n - max(-a, 0))
        for n, b, a in zip(input.shape, befores, afters, strict=True)
    )
    target = tuple(
        slice(max(b, 0), n - max(a, 0)) for n, b, a in zip(shape, befores, afters, strict=True)
    )
    result[target] = input[source]
    return result


@_pad.gradient("input")
def _(g, pad): return _pad(g, tuple(-n for n in pad))


@_pad.onnx
def _(onnx, input, pad, value):
    befores, afters = _per_dim(pad, len(input.shape))
    return onnx.node("Pad", input, [*befores, *afters], value)


@_pad.samples
def _(draw):
    shape = draw.shape(max_dims=3, min_side=2)
    sides = draw.integer(0, len(shape))
    return draw.array(shape), tuple(draw.integer(-1, 2) for _ in range(2 * sides)), 0.5


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad a tensor, or crop it where a width is negative.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        Widths ``(left, right, top, bottom, ...)``: a pair for each dimension from the last on.
    mode : {"constant", "reflect", "replicate", "circular"}
        What to pad with: `value`; or, from the tensor itself, its mirror image without the
        border, its border, its other end.
    value : float, optional
        0 where not given.

    Raises
    ------
    ValueError
        If there is no such mode.
    RuntimeError
        If the widths are not pairs, are too many, or do not fit the size.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.pad(tg.tensor([[1, 2, 3]]), (1, 1))
    tensor([[0, 1, 2, 3, 0]])
    >>> tg.nn.functional.pad(tg.tensor([[1, 2, 3]]), (2, 0), mode="reflect")
    tensor([[3, 2, 1, 2, 3]])
    """
    check_tensor("pad", input)
    if mode == "constant":
        return _pad(input, tuple(pad), 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise ValueError(f"pad: mode must be constant, reflect, replicate or circular, got {mode!r}")
    if value is not None:
        raise ValueError(f"pad: mode {mode!r} takes no value, got {value}")
    for dim, (before, after) in enumerate(zip(*_per_dim(pad, input.ndim), strict=True)):
        if not before and not after:
            continue
        size = input.shape[dim]
        kept = size + min(before, 0) + min(after, 0)
        widest = {"reflect": size - 1, "replicate": math.inf if size else 0, "circular": kept}
        if kept < 0 or max(before, after) > widest[mode]:
            raise RuntimeError(f"pad: {mode} by {(before, after)} does not fit dim {dim} of {size}")
        places = np.arange(-before, size + after)
        if mode == "reflect":
            index = size - 1 - np.abs(size - 1 - np.abs(places))
        elif mode == "replicate":
            index = np.clip(places, 0, size - 1)
        else:  # of what is left after cropping
            index = (places - max(-before, 0)) % max(kept, 1) + max(-before, 0)
        input = input[(*(slice(None),) * dim, index)]
    return input


def _per_dim(pad: Sequence[int], ndim: int) -> tuple[list[int], list[int]]:
    """Return the widths before and after each dimension."""
    if len(pad) % 2 or len(pad) > 2 * ndim:
        raise RuntimeError(
            f"pad: expected up to {ndim} pairs of widths for {ndim} dimensions, got {tuple(pad)}"
        )
    rest = [0] * (ndim - len(pad) // 2)
    return rest + list(pad[-2::-2]), rest + list(pad[::-2])
