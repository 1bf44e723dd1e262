"""Gradients written by hand on plain NumPy arrays."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .check import apart, check_vjp_at, copies, warn_of_kinks
from .diagnosis import (
    arguments as written,
    name_of,
    program,
    reference,
    reproduced_by,
    short,
    types_in,
)
from .draw import Draw
from .fuzz import is_float, label_of, make_test, relaid_copy
from .numeric import DOUBLE, GradcheckError, precision_of

Function = Callable[..., Any]


def check_vjp(f: Function, vjp: Function, *args: Any, view: bool = False, seed: int = 0) -> None:
    """Check a function on NumPy arrays and its gradient written by hand, at `args`.

    - The gradients have their arguments' shape and dtype, and agree with central differences, and
      with a complex step where `f` takes complex numbers.
    - They are linear in `g`, and the same after `f` and `vjp` were called elsewhere.
    - Neither changes an array that it was given, or one that was returned before, and `f`
      does not return the memory of an argument. Memory layout makes no difference.

    Neither needs to know of this package.

    Parameters
    ----------
    f : callable
        ``f(*args)`` returns an array, a number, or a tuple of them.
    vjp : callable
        ``vjp(g, *args)`` returns the gradient of each argument that is an array of floats: a
        tuple of them, or the one. `g` is the gradient that arrives at what `f` returns, of the
        same shape; a tuple where that is one.
    args
        Arrays of floats are differentiated, everything else is passed on.
    view : bool
        Whether `f` may return the memory of an argument.
    seed : int
        Of the random directions.

    Raises
    ------
    GradcheckError
        Naming the argument, the element, both values, the likely fault, and lines that reproduce it.

    Warns
    -----
    KinkWarning
        Where `f` has a kink, so that an element cannot be checked.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_cnn.testing import check_vjp
    >>> def softplus(x):
    ...     return np.log1p(np.exp(x))
    >>> def softplus_vjp(g, x):
    ...     return g / (1 + np.exp(-x))
    >>> check_vjp(softplus, softplus_vjp, np.array([-1.0, 0.5]))
    """
    arguments = dict(zip(_parameters(f, len(args)), args, strict=True))

    def lines() -> str:
        (f_call, f_known), (vjp_call, vjp_known) = reference(f), reference(vjp)
        option = ", view=True" if view else ""
        call = f"check_vjp({f_call}, {vjp_call}, {written(args, {})}{option}, seed={seed})"
        known = dict.fromkeys([f_known, vjp_known, *sorted(types_in(args))])
        return program(call, *known, "from tinygrad_cnn.testing import check_vjp")

    with reproduced_by(lines):
        kinks = _check(
            label_of(name_of(f), arguments),
            arguments,
            lambda values: f(*values.values()),
            lambda g, values: vjp(g, *values.values()),
            view,
            seed,
        )
    warn_of_kinks(name_of(f), kinks, stacklevel=2)


def fuzz_vjp(
    f: Function, *groups: Any, view: bool = False, examples: int = 50, **strategies: Any
) -> Callable[[Function], Callable[[], None]]:
    """Make a pytest test of a gradient written by hand, for a function on NumPy arrays.

    The decorated function is the gradient, ``vjp(g, **arguments)``; each drawn example is
    checked as `check_vjp` does. Both functions get the arguments by name.

    Parameters
    ----------
    f : callable
        The function that is differentiated.
    groups, examples, strategies
        As for `fuzz_gradients`.
    view : bool
        Whether `f` may return the memory of an argument.

    Returns
    -------
    callable
        The test, without parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_cnn.testing import fuzz_vjp
    >>> from tinygrad_cnn.testing.strategies import arrays
    >>> @fuzz_vjp(lambda x: np.sum(x**2), x=arrays(), examples=5)
    ... def test_sum_of_squares(g, x):
    ...     return g * 2 * x
    >>> test_sum_of_squares()
    """

    def decorate(vjp: Function) -> Callable[[], None]:
        def check(*, seed: int, **arguments: Any) -> None:
            # the gradients come in the order of the parameters, which Hypothesis may not keep
            known = [name for name in inspect.signature(vjp).parameters if name in arguments]
            arguments = {name: arguments[name] for name in known} | arguments
            label = label_of(name_of(vjp), arguments)
            pull = lambda g, values: vjp(g, **values)
            kinks = _check(label, arguments, lambda values: f(**values), pull, view, seed)
            if kinks:
                raise GradcheckError(f"{label}: {'; '.join(kinks)}: draw values away from it")

        return make_test(vjp, check, groups, strategies, examples)

    return decorate


def _check(
    label: str,
    arguments: Mapping[str, Any],
    f: Callable[[Mapping[str, Any]], Any],
    vjp: Callable[[Any, Mapping[str, Any]], Any],
    view: bool,
    seed: int,
) -> list[str]:
    """Check `f` and `vjp`, which take all arguments by name; return where there are kinks."""
    names = [name for name, x in arguments.items() if is_float(x)]
    points = copies([arguments[name] for name in names])
    if not points:
        raise ValueError(f"{label}: expected an array of floats among the arguments")
    draw = Draw.from_seed(seed)
    several = False

    def at(values: Sequence[Any]) -> dict[str, Any]:
        parts = zip(names, values, points, strict=True)
        # a moved array comes in float64, or complex
        real = {k: v if np.iscomplexobj(v) else np.asarray(v, x.dtype) for k, v, x in parts}
        return {**arguments, **real}

    def value(*values: Any) -> list[np.ndarray]:
        nonlocal several
        returned = f(at(values))
        several = isinstance(returned, (tuple, list))
        return [np.asarray(out) for out in (returned if several else [returned])]

    def linearize(values: Sequence[np.ndarray]) -> Any:
        outs = value(*values)

        def pull(given: Sequence[np.ndarray]) -> list[Any]:
            returned = vjp(tuple(given) if several else given[0], at(values))
            parts = returned if isinstance(returned, (tuple, list)) else [returned]
            return [np.asarray(g) if isinstance(g, (float, np.floating)) else g for g in parts]

        return outs, pull

    double = precision_of(*points) == DOUBLE
    cotangents, gradients, kinks = check_vjp_at(
        label, names, value, linearize, points, draw.rng, continued=double
    )
    outs, _ = linearize(points)
    if not view and any(np.may_share_memory(out, x) for out in outs for x in points):
        raise GradcheckError(
            f"{label}: the result shares its memory with an argument; say view=True if it should"
        )
    relaid, pull = linearize([relaid_copy(x, draw) for x in points])
    found = pull([relaid_copy(v, draw) for v in cotangents])
    whats = [*("value" for _ in outs), *(f"gradient of {name}" for name in names)]
    pairs = zip(whats, [*outs, *gradients], [*relaid, *found], strict=True)
    for what, one, other in pairs:
        if apart(one, other, precision_of(*points, one)):
            raise GradcheckError(
                f"{label}: in another memory layout the {what} is {short(other)}, not {short(one)}"
            )
    return kinks


def _parameters(f: Function, count: int) -> list[str]:
    """Return names for the positional arguments of `f`."""
    try:
        names = [
            p.name
            for p in inspect.signature(f).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):  # some of NumPy's own tell no signature
        names = []
    return names[:count] + [f"argument {i}" for i in range(len(names), count)]
