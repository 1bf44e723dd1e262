"""`gradcheck` and `gradgradcheck`, after PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.tensor import Tensor

from .fuzz import name_of
from .numeric import GradcheckError, likely_fault, worst


def gradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Compare the gradients of `fn` at `inputs` with central differences.

    Parameters
    ----------
    fn : callable
        Takes `inputs`, returns a Tensor or a tuple of them.
    inputs : Tensor or sequence
        Those that require grad are checked; they should be float64. Each is moved in turn, and
        put back, so `fn` may also reach them in other ways, as a module does its parameters.
    eps : float
        The step of the differences.
    atol, rtol : float
        Agreement is ``abs(analytic - numeric) <= atol + rtol * abs(numeric)``.
    raise_exception : bool
        Return False, rather than raise, where they disagree.
    nondet_tol : float
        By how much two runs of backward may differ.
    fast_mode : bool
        Compare one random projection of the Jacobian, not each of its elements.

    Returns
    -------
    bool

    Raises
    ------
    GradcheckError
        Naming the input, the element, both values and the likely fault.
    ValueError
        If no input requires grad.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(np.array([0.5, 1.0]), requires_grad=True)
    >>> tg.testing.gradcheck(tg.log, x)
    True
    """
    try:
        _check(fn, _as_tuple(inputs), eps, atol, rtol, nondet_tol, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """Compare the second derivatives of `fn` with central differences of the first.

    As `gradcheck`, of the function that maps `inputs` and `grad_outputs` to the gradients. Where
    `grad_outputs` are not given, they are random.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(np.array([0.5, 1.0]), requires_grad=True)
    >>> tg.testing.gradgradcheck(tg.log, x)
    True
    """
    args = _as_tuple(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        seeds = tuple(
            Tensor(rng.standard_normal(out.shape).astype(out.dtype), requires_grad=True)
            for out in _outputs(fn, args)
            if out.requires_grad
        )
    else:
        seeds = _as_tuple(grad_outputs)

    def first_derivative(*values: Any) -> tuple[Tensor, ...]:
        at, cotangents = values[: len(args)], values[len(args) :]
        outs = [out for out in _outputs(fn, at) if out.requires_grad]
        variables = [x for x in at if _requires_grad(x)]
        found = grad(outs, variables, cotangents, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    first_derivative.__name__ = f"first derivative of {name_of(fn)}"
    return gradcheck(
        first_derivative,
        (*args, *seeds),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )


def _check(
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    fast_mode: bool,
) -> None:
    checked = [(i, x) for i, x in enumerate(args) if _requires_grad(x)]
    if not checked:
        raise ValueError("gradcheck: expected at least one input that requires grad")
    for i, x in checked:
        if x.dtype != np.float64:
            warnings.warn(
                f"gradcheck: input {i} is {x.dtype}; differences with a step of {eps} are "
                "likely to be wrong in anything but float64",
                stacklevel=3,
            )
    rng = np.random.default_rng(0)
    for number, out in enumerate(_outputs(fn, args)):
        operation = "" if out.grad_fn is None else f" ({out.grad_fn.name()})"
        label = f"{name_of(fn)}: output {number}{operation}"

        def value(number: int = number) -> np.ndarray:
            return np.array(_outputs(fn, args)[number].data)

        projections: Any = np.eye(out.data.size).reshape(-1, *out.shape)
        if fast_mode:
            projections = _unit(rng, out.shape)[None]
        rows = [_vjp(out, [x for _, x in checked], u) for u in projections]
        again = [_vjp(out, [x for _, x in checked], u) for u in projections]
        for k, (i, x) in enumerate(checked):
            analytic = np.array([row[k] for row in rows]).reshape(len(rows), *x.shape)
            repeated = np.array([row[k] for row in again]).reshape(analytic.shape)
            with np.errstate(invalid="ignore"):
                spread = np.abs(analytic - repeated).max(initial=0)
            if spread > nondet_tol:
                raise GradcheckError(
                    f"{label}, input {i}: backward is not deterministic, two runs differ by "
                    f"{spread:.3g}; a difference up to nondet_tol={nondet_tol} is allowed"
                )
            if fast_mode:
                u, v = projections[0], _unit(rng, x.shape)
                numeric = float(np.sum(u * _moved(x, v, value, eps)))
                with np.errstate(invalid="ignore"):
                    found = float(np.sum(analytic * v))
                slack = atol * float(np.abs(u).sum() * np.abs(v).sum())
                if abs(found - numeric) <= slack + rtol * abs(numeric):
                    continue
                # look at each element, for the message
                projections_k: Any = np.eye(out.data.size).reshape(-1, *out.shape)
                analytic = np.array([_vjp(out, [x], u)[0] for u in projections_k])
                analytic = analytic.reshape(len(projections_k), *x.shape)
            jacobian = np.empty(analytic.shape)
            for index in np.ndindex(x.shape):
                unit = np.zeros(x.shape)
                unit[index] = 1
                jacobian[(slice(None), *index)] = _moved(x, unit, value, eps).reshape(-1)
            _compare(f"{label}, input {i}", out.shape, analytic, jacobian, rtol, atol)
            if fast_mode:
                raise GradcheckError(
                    f"{label}, input {i}: along random directions the gradient is {found:.8g}, "
                    f"central differences give {numeric:.8g}"
                )


def _compare(
    label: str,
    out_shape: tuple[int, ...],
    analytic: np.ndarray,
    numeric: np.ndarray,
    rtol: float,
    atol: float,
) -> None:
    """Compare Jacobians of shape ``(out.numel(), *input.shape)``."""
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(analytic - numeric) <= atol + rtol * np.abs(numeric))
    if not wrong.any():
        return
    at = worst(wrong, analytic, numeric)
    row, *place = at
    output = tuple(int(j) for j in np.unravel_index(int(row), out_shape)) if out_shape else ()
    text = (
        f"{label}: the derivative of output element {output} by input element "
        f"{tuple(int(j) for j in place)} is {analytic[at]:.8g}, central differences give "
        f"{numeric[at]:.8g} ({int(wrong.sum())} of {wrong.size} elements differ)"
    )
    weights = np.random.default_rng(1).uniform(0.5, 1.5, len(analytic))
    summed = [np.tensordot(weights, jacobian, 1) for jacobian in (analytic, numeric)]
    fault = likely_fault(*summed)
    raise GradcheckError(f"{text}; {fault}" if fault else text)


def _vjp(out: Tensor, inputs: list[Tensor], u: np.ndarray) -> list[np.ndarray]:
    """Return the gradients of ``sum(u * out)``; zeros where `out` does not depend on an input."""
    if not out.requires_grad:
        return [np.zeros(x.shape) for x in inputs]
    found = grad(out, inputs, Tensor(u), retain_graph=True, materialize_grads=True)
    return [g.data for g in found if g is not None]


def _moved(
    x: Tensor, direction: np.ndarray, value: Callable[[], np.ndarray], eps: float
) -> np.ndarray:
    """Return the derivative of `value` as `x` moves in `direction`, by central differences."""
    data = x.data
    try:
        x.data = (data + eps * direction).astype(data.dtype)
        high = value()
        x.data = (data - eps * direction).astype(data.dtype)
        low = value()
    finally:
        x.data = data
    return np.asarray((high - low) / (2 * eps))


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    vector = rng.standard_normal(shape)
    return np.asarray(vector / max(float(np.sqrt(np.sum(vector * vector))), 1e-12))


def _outputs(fn: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    result = fn(*args)
    outs = list(result) if isinstance(result, (tuple, list)) else [result]
    for out in outs:
        if not isinstance(out, Tensor):
            raise TypeError(f"{name_of(fn)}: expected Tensors from it, got {type(out).__name__}")
    return [out for out in outs if out.dtype.kind == "f"]


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, Tensor) else tuple(value)


def _requires_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad
