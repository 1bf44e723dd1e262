"""`gradcheck` and `gradgradcheck`, after PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.tensor import Tensor

from .check import apart, check_linear, hints, kinks_of, warn_of_kinks
from .diagnosis import (
    difference,
    likely_fault,
    literal,
    name_of,
    program,
    reference,
    reproduced_by,
    short,
    types_in,
)
from .numeric import (
    GradcheckError,
    Judgement,
    Precision,
    judge,
    judge_elements,
    precision_of,
    reach_of,
    size_of,
)


def gradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float | None = None,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `fn` at `inputs` with central differences.

    The differences are extrapolated from several steps, chosen for the inputs' scale and
    precision, and their error is estimated. Where the function has a kink, such as ReLU at 0,
    there is nothing to compare with: such elements are left out, with a `KinkWarning`.

    Parameters
    ----------
    fn : callable
        Takes `inputs`, returns a Tensor or a tuple of them.
    inputs : Tensor or sequence
        Those that require grad are checked. Each is moved in turn, and put back, so `fn` may also
        reach them in other ways, as a module does its parameters. In float64 the most is seen;
        other types are judged by their own precision.
    eps : float, optional
        The largest step of the differences, where it should not be chosen.
    atol, rtol : float
        A difference up to ``atol + rtol * abs(numeric)`` is allowed, and one up to ten times the
        error of the numeric value. With both zero, only that error counts.
    raise_exception : bool
        Return False, rather than raise, where they disagree.
    nondet_tol : float
        By how much two runs of backward may differ.
    check_undefined_grad : bool
        Whether an output that gets no gradient counts as one that gets zeros.
    check_grad_dtypes : bool
        Whether each gradient has its input's dtype.
    fast_mode : bool
        Compare one random projection of the Jacobian, ``u @ J @ v`` with standard normal `u` and
        `v`, and all elements only if that differs by more than rounding, at most 1e-9 of the
        terms it sums. If the error of the Jacobian has a singular value s, this misses it with a
        probability of at most ``2 / pi * t * (1.12 + log(1 / t))`` for a tolerance of ``t * s``:
        1.4e-8 for t = 1e-9.
    masked : bool, optional
        Nothing, as there are no sparse tensors.
    check_batched_grad, check_batched_forward_grad, check_forward_ad, check_backward_ad : bool
        Only their defaults: gradients are computed backward, and one at a time.

    Returns
    -------
    bool

    Raises
    ------
    GradcheckError
        Naming the input, the element, both values, the likely fault, and lines that reproduce it.
    ValueError
        If no input requires grad.
    NotImplementedError
        For forward-mode or batched gradients.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(np.array([0.5, 1.0]), requires_grad=True)
    >>> tg.testing.gradcheck(tg.log, x)
    True
    """
    if check_batched_grad or check_batched_forward_grad or check_forward_ad or not check_backward_ad:
        raise NotImplementedError("gradcheck: it checks backward gradients, one at a time, only")
    args = _as_tuple(inputs)

    def check() -> None:
        checked = _Check(fn, args, eps, atol, rtol)
        checked.run(nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode)

    given = _given(eps, atol, rtol, nondet_tol, fast_mode)
    return _verdict(check, lambda: _program("gradcheck", fn, [args], given), raise_exception)


def gradgradcheck(
    fn: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float | None = None,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the second derivatives of `fn` with central differences of the first.

    As `gradcheck`, of the function that maps `inputs` and `grad_outputs` to the gradients. Where
    `grad_outputs` are not given, they are random; with `gen_non_contig_grad_outputs`, not
    contiguous in memory.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(np.array([0.5, 1.0]), requires_grad=True)
    >>> tg.testing.gradgradcheck(tg.log, x)
    True
    """
    if check_batched_grad:
        raise NotImplementedError("gradgradcheck: it checks gradients one at a time only")
    args = _as_tuple(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(0)
        seeds = []
        for out in _outputs(fn, args):
            if out.requires_grad:
                v = rng.standard_normal(out.shape).astype(out.dtype)
                if gen_non_contig_grad_outputs:
                    v = np.stack([v, v], axis=-1)[..., 0]
                seeds.append(Tensor(v, requires_grad=True))
    else:
        seeds = list(_as_tuple(grad_outputs))

    def first_derivative(*values: Any) -> tuple[Tensor, ...]:
        at, cotangents = values[: len(args)], values[len(args) :]
        outs = [out for out in _outputs(fn, at) if out.requires_grad]
        variables = [x for x in at if _requires_grad(x)]
        found = grad(outs, variables, cotangents, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    first_derivative.__name__ = f"first derivative of {name_of(fn)}"

    def check() -> None:
        checked = _Check(first_derivative, (*args, *seeds), eps, atol, rtol)
        checked.run(nondet_tol, check_undefined_grad, check_grad_dtypes, fast_mode)

    given = _given(eps, atol, rtol, nondet_tol, fast_mode)
    shown = [args, seeds]
    return _verdict(check, lambda: _program("gradgradcheck", fn, shown, given), raise_exception)


def _verdict(check: Callable[[], None], lines: Callable[[], str], raise_exception: bool) -> bool:
    try:
        with reproduced_by(lines):
            check()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _given(
    eps: float | None, atol: float, rtol: float, nondet_tol: float, fast_mode: bool
) -> dict[str, Any]:
    """Return the options that are not the defaults."""
    given = {
        "eps": eps, "atol": atol, "rtol": rtol, "nondet_tol": nondet_tol, "fast_mode": fast_mode
    }
    usual = {"eps": None, "atol": 1e-5, "rtol": 1e-3, "nondet_tol": 0.0, "fast_mode": False}
    return {name: value for name, value in given.items() if value != usual[name]}


class _Check:
    """A function of Tensors at one point: its outputs, its gradients, and how they compare."""

    def __init__(
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        eps: float | None,
        atol: float,
        rtol: float,
    ) -> None:
        self.fn = fn
        self.args = args
        self.eps = eps
        self.atol = atol
        self.rtol = rtol
        self.checked = [i for i, x in enumerate(args) if _requires_grad(x)]
        if not self.checked:
            raise ValueError("gradcheck: expected at least one input that requires grad")
        self.inputs = [args[i] for i in self.checked]
        self.names = [f"input {i}" for i in self.checked]
        self.outs = _outputs(fn, args)
        self.precision: Precision = precision_of(*self.inputs, *self.outs)
        self.rng = np.random.default_rng(0)

    def run(self, nondet_tol: float, undefined: bool, dtypes: bool, fast: bool) -> None:
        u = [np.asarray(self.rng.standard_normal(out.shape)) for out in self.outs]
        w = [np.asarray(self.rng.standard_normal(out.shape)) for out in self.outs]
        gradients = self.gradients(u)
        for name, g, again in zip(self.names, gradients, self.gradients(u), strict=True):
            with np.errstate(invalid="ignore"):
                spread = size_of(g - again)
            if spread > nondet_tol:
                raise GradcheckError(
                    f"{name_of(self.fn)}: {name}: backward is not deterministic, two runs differ "
                    f"by {spread:.3g}; a difference up to nondet_tol={nondet_tol} is allowed"
                )
        if not (fast and self.agrees_along(u, gradients)):
            self.compare_elements()
        mixed = self.gradients([2 * v - 3 * x for v, x in zip(u, w, strict=True)])
        label = name_of(self.fn)
        check_linear(
            label,
            self.names,
            gradients,
            self.gradients(w),
            mixed,
            self.precision,
            self.rtol,
            self.atol,
        )
        of_zeros = self.gradients([np.zeros(out.shape) for out in self.outs])
        for name, g in zip(self.names, of_zeros, strict=True):
            if np.any(g != 0):
                raise GradcheckError(
                    f"{label}: the gradient of {name} is not linear in the gradient that arrives: "
                    f"of zeros it is {short(g)}"
                )
        if undefined and len(self.outs) > 1:
            self.check_undefined(u)
        if dtypes:
            for name, x, g in zip(self.names, self.inputs, gradients, strict=True):
                if g.dtype != x.dtype:
                    raise GradcheckError(f"{label}: {name} is {x.dtype}, its gradient {g.dtype}")

    def gradients(self, cotangents: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """Return the gradients of the inputs; zeros where the outputs do not depend on one."""
        given = [
            (out, Tensor(np.asarray(v, out.dtype)))
            for out, v in zip(self.outs, cotangents, strict=True)
            if out.requires_grad and v is not None
        ]
        if not given:
            return [np.zeros(x.shape, x.dtype) for x in self.inputs]
        outs, seeds = zip(*given, strict=True)
        found = grad(outs, self.inputs, seeds, retain_graph=True, materialize_grads=True)
        return [g.data for g in found if g is not None]

    def values_at(self, inputs: Sequence[Tensor], points: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return the outputs where `inputs` have other values; `fn` may reach them by itself."""
        kept = [x.data for x in inputs]
        try:
            for x, data, at in zip(inputs, kept, points, strict=True):
                x.data = at.astype(data.dtype)
            return [out.data.astype(np.float64) for out in _outputs(self.fn, self.args)]
        finally:
            for x, data in zip(inputs, kept, strict=True):
                x.data = data

    def agrees_along(self, u: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> bool:
        """Compare ``u @ J @ v`` for a random `v`."""
        points = [x.data for x in self.inputs]
        directions = [self.rng.standard_normal(x.shape) * reach_of(x) for x in points]
        terms = [g * d for g, d in zip(gradients, directions, strict=True)]
        scale = sum(float(np.sum(np.abs(t), where=np.isfinite(t))) for t in terms)
        values = self.values_at([], [])
        magnitude = sum(float(np.sum(np.abs(v * y))) for v, y in zip(u, values, strict=True))

        def along(t: float) -> Any:
            at = [x + t * d for x, d in zip(points, directions, strict=True)]
            parts = zip(u, self.values_at(self.inputs, at), strict=True)
            return sum((np.sum(v * y) for v, y in parts), start=np.float64(0))

        with np.errstate(invalid="ignore"):
            analytic = sum(np.sum(t) for t in terms)
        verdict = judge(
            analytic,
            along,
            noise=self.precision.eps * (magnitude + scale),
            scale=scale,
            precision=self.precision,
            step=self.eps,
        )
        return bool(verdict.right)

    def compare_elements(self) -> None:
        """Compare the whole Jacobian, output by output and input by input."""
        kinks: list[str] = []
        unseen = [np.zeros(x.shape, bool) for x in self.inputs]
        for number, out in enumerate(self.outs):
            units = np.eye(out.data.size).reshape(-1, *out.shape)
            rows = [self.gradients(self.only(number, unit)) for unit in units]
            found = []
            for k, x in enumerate(self.inputs):
                analytic = np.array([row[k] for row in rows], np.float64)
                analytic = analytic.reshape(out.shape + x.shape)
                found.append((analytic, self.judge(number, x, analytic)))
            operation = "" if out.grad_fn is None else f" ({out.grad_fn.name()})"
            label = f"{name_of(self.fn)}: output {number}{operation}"
            for k, (_, verdict) in enumerate(found):
                unseen[k] |= verdict.kink.any(axis=tuple(range(out.ndim)))
                if verdict.wrong.any():
                    raise GradcheckError(f"{label}, {self.describe(number, k, found)}")
                if text := kinks_of(self.names[k], verdict.kink):
                    kinks.append(f"output {number} by {text}")
        if kinks and all(kink.all() for kink in unseen):
            raise GradcheckError(f"{name_of(self.fn)}: nothing can be checked: {'; '.join(kinks)}")
        warn_of_kinks(name_of(self.fn), kinks, stacklevel=6)

    def only(self, number: int, v: np.ndarray) -> list[np.ndarray | None]:
        """Return gradients that arrive at one output only."""
        return [v if i == number else None for i in range(len(self.outs))]

    def judge(self, number: int, x: Tensor, jacobian: np.ndarray) -> Judgement:
        scale = reach_of(x.data) * size_of(jacobian)
        return judge_elements(
            jacobian,
            lambda at: self.values_at([x], [at])[number],
            x.data,
            noise=self.precision.eps * (size_of(self.outs[number].data) + scale),
            precision=self.precision,
            step=self.eps,
            atol=self.atol,
            rtol=self.rtol,
        )

    def describe(self, number: int, k: int, found: list[tuple[np.ndarray, Judgement]]) -> str:
        """Describe the wrong gradient of input `k`."""
        analytic, verdict = found[k]
        out, x = self.outs[number], self.inputs[k]
        weights = np.random.default_rng(1).uniform(0.5, 1.5, out.shape)
        pull = lambda v, jacobian: np.tensordot(v, jacobian, out.ndim)
        factors, others = hints(x.data, [weights], lambda v: pull(v[0], verdict.numeric))
        for i, (_, other) in enumerate(found):
            if i != k:
                words = f"it is the gradient of {self.names[i]}"
                others[words] = pull(weights, other.numeric)
        fault = likely_fault(
            pull(weights, analytic), pull(weights, verdict.numeric), factors=factors, others=others
        )

        def place(index: tuple[int, ...]) -> str:
            output, element = index[: out.ndim], index[out.ndim :]
            return f"the derivative of output element {output} by input element {element}"

        text = difference(analytic, verdict.numeric, verdict.error, verdict.wrong, fault, place)
        return f"{self.names[k]}: {text}"

    def check_undefined(self, u: Sequence[np.ndarray]) -> None:
        """Check that an output without a gradient counts as one with zeros."""
        for number, v in enumerate(u):
            zeros = [v if i == number else np.zeros_like(w) for i, w in enumerate(u)]
            undefined = self.gradients(self.only(number, v))
            for name, g, expected in zip(
                self.names, undefined, self.gradients(zeros), strict=True
            ):
                if apart(expected, g, self.precision):
                    raise GradcheckError(
                        f"{name_of(self.fn)}: the gradient of {name} is {short(g)} where a "
                        f"gradient arrives at output {number} only, but {short(expected)} where "
                        "zeros arrive at the others"
                    )


def _program(
    check: str,
    fn: Callable[..., Any],
    groups: Sequence[Sequence[Any]],
    options: dict[str, Any],
) -> str:
    """Return the code of a call of `gradcheck` or `gradgradcheck`."""
    call, known = reference(fn)
    tuples = [f"({', '.join(map(_written, group))},)" for group in groups]
    words = [call, *tuples, *(f"{name}={value!r}" for name, value in options.items())]
    return program(
        f"tg.testing.{check}({', '.join(words)})",
        "import tinygrad_cnn as tg",
        known,
        *sorted(types_in(groups)),
    )


def _written(x: Any) -> str:
    if not isinstance(x, Tensor):
        return literal(x)
    return f"tg.Tensor({literal(x.data)}{', requires_grad=True' if x.requires_grad else ''})"


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
