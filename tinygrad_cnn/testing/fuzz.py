"""Checks one operation on drawn arguments: value, first and second derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor

from .draw import Draw

STEP = 1e-5


def sample(op: Op[Any, Any], draw: Draw) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return drawn positional and keyword arguments for `op`.

    Raises
    ------
    LookupError
        If the operation does not say how to draw them.
    """
    if op.sampler is None:
        raise LookupError(f"{op.name}: no sampler; declare one with @{op.name}.samples")
    args = op.sampler(draw)
    args = args if isinstance(args, tuple) else (args,)
    if args and isinstance(args[-1], dict):
        return args[:-1], args[-1]
    return args, {}


def check_op(op: Op[Any, Any], draw: Draw, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    """Check `op` on arguments drawn from its own sampler.

    The Tensor and the array call agree, no input is changed, first derivatives agree with
    central differences of the values, and second derivatives with central differences of the
    first.

    Raises
    ------
    AssertionError
        Naming the operation, the argument, the element and both values.
    """
    args, kwargs = sample(op, draw)
    if not op.differentiable:
        _values(op, args, kwargs)
        return
    flat, rebuild = _split(op, args)
    before = [x.copy() for x in flat]
    outs = _values(op, args, kwargs)
    cotangents = [draw.array(out.shape, -1, 1) for out in outs]

    def first(*point: np.ndarray) -> list[np.ndarray]:
        inputs = [Tensor(x, requires_grad=True) for x in point[: len(flat)]]
        results = _outputs(op, op(*rebuild(inputs), **kwargs))
        seeds = [Tensor(v) for v in point[len(flat) :]]
        found = grad(results, inputs, seeds, allow_unused=True, materialize_grads=True)
        return [g.data for g in found if g is not None]

    def value(*point: np.ndarray) -> float:
        results = _outputs(op, op(*rebuild(list(point)), **kwargs))
        return float(sum(np.sum(v * out) for v, out in zip(cotangents, results, strict=True)))

    analytic = first(*flat, *cotangents)
    for i, (x, g) in enumerate(zip(flat, analytic, strict=True)):
        numeric = np.empty_like(x)
        for index in np.ndindex(x.shape):
            low, high = x.copy(), x.copy()
            low[index] -= STEP
            high[index] += STEP
            numeric[index] = (
                value(*flat[:i], high, *flat[i + 1 :]) - value(*flat[:i], low, *flat[i + 1 :])
            ) / (2 * STEP)
        _compare(op, f"first derivative, input {i}", g, numeric, rtol, atol)

    # Second order: differentiate sum(u * gradient) by the inputs and the cotangents, on Tensors.
    inputs = [Tensor(x, requires_grad=True) for x in flat]
    seeds = [Tensor(v, requires_grad=True) for v in cotangents]
    results = _outputs(op, op(*rebuild(inputs), **kwargs))
    recorded = grad(
        results, inputs, seeds, create_graph=True, allow_unused=True, materialize_grads=True
    )
    gradients = [g for g in recorded if g is not None]
    for i, (g, array_mode) in enumerate(zip(gradients, analytic, strict=True)):
        _compare(op, f"recorded against array rules, input {i}", g.data, array_mode, 1e-9, 1e-12)
    tracked = [g for g in gradients if g.requires_grad]
    if tracked:
        weights = [draw.array(g.shape, -1, 1) for g in gradients]
        second = grad(
            tracked,
            [*inputs, *seeds],
            [Tensor(u) for u, g in zip(weights, gradients, strict=True) if g.requires_grad],
            allow_unused=True,
            materialize_grads=True,
        )
        point = [*flat, *cotangents]
        for i, g2 in enumerate(second):
            direction = draw.array(point[i].shape, -1, 1)
            ends = []
            for sign in (1, -1):
                moved = list(point)
                moved[i] = point[i] + sign * STEP * direction
                ends.append(sum(float(np.sum(u * d)) for u, d in zip(weights, first(*moved), strict=True)))
            numeric = np.asarray((ends[0] - ends[1]) / (2 * STEP))
            assert g2 is not None
            exact = np.asarray(np.sum(g2.data * direction))
            _compare(op, f"second derivative, input {i}", exact, numeric, rtol, atol)
    for i, (x, was) in enumerate(zip(flat, before, strict=True)):
        if not np.array_equal(x, was):
            raise AssertionError(f"{op.name}: input {i} was changed")


def _values(op: Op[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[np.ndarray]:
    """Return the float outputs, after comparing the call on arrays with that on Tensors."""
    flat, rebuild = _split(op, args)
    on_arrays = op(*rebuild(flat), **kwargs)
    on_tensors = op(*rebuild([Tensor(x) for x in flat]), **kwargs)
    if not op._single:
        pairs = list(zip(on_arrays, on_tensors, strict=True))
    else:
        pairs = [(on_arrays, on_tensors)]
    for array, tensor in pairs:
        if isinstance(tensor, Tensor):
            _compare(op, "value on arrays against Tensors", tensor.data, np.asarray(array), 0, 0)
    return [np.asarray(out) for out in _outputs(op, on_arrays)]


def _outputs(op: Op[Any, Any], result: Any) -> list[Any]:
    return [result] if op._single else list(result[: len(op.outputs)])


def _split(op: Op[Any, Any], args: tuple[Any, ...]) -> tuple[list[np.ndarray], Any]:
    """Return the float arrays among the inputs, and how to put others in their place."""

    def is_float(i: int, value: Any) -> bool:
        return (
            i in op.inputs
            and op.parameters[i] not in op.constant
            and isinstance(value, np.ndarray)
            and value.dtype.kind == "f"
        )

    if op.variadic:
        return list(args[0]), lambda flat: (flat, *args[1:])
    places = [i for i, value in enumerate(args) if is_float(i, value)]

    def rebuild(flat: list[Any]) -> tuple[Any, ...]:
        values = list(args)
        for i, value in zip(places, flat, strict=True):
            values[i] = value
        return tuple(values)

    return [args[i] for i in places], rebuild


def _compare(
    op: Op[Any, Any], what: str, got: np.ndarray, expected: np.ndarray, rtol: float, atol: float
) -> None:
    if got.shape != expected.shape:
        raise AssertionError(f"{op.name}: {what}: shape {got.shape}, expected {expected.shape}")
    with np.errstate(invalid="ignore"):
        wrong = ~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        error = np.where(wrong, np.abs(got - expected), -1)
        index = np.unravel_index(int(np.argmax(error)), got.shape)
        place = tuple(int(i) for i in index)
        raise AssertionError(
            f"{op.name}: {what}, element {place}: got {got[index]!r}, expected {expected[index]!r}"
        )
