"""Fuzz tests: a function at drawn arguments, and everything that must hold there."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.engine import backward, grad
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.core.tensor import Tensor

from . import session
from .check import check_gradient, check_vjp_at, copies, same, unchanged
from .diagnosis import (
    arguments as written,
    literal,
    name_of,
    program,
    reference,
    reproduced_by,
    short,
    types_in,
)
from .draw import LAYOUTS, Draw, bind, laid
from .numeric import GradcheckError, precision_of, size_of
from .session import draw_of
from .strategies import drawn

Run = Callable[[Sequence[Any]], list[Any]]
"""Calls the function under test with these as its float inputs; returns its float outputs."""

LEAST = 10.0
"""The size that is assumed of the terms of a value: all of them may cancel, but for rounding."""


def check_op(op: Op[Any, Any], draw: Draw | tuple[Any, ...], *, seed: int | None = None) -> None:
    """Check one operation at arguments drawn from its own sampler.

    - Called with arrays and with Tensors it gives the same, changes no argument, and returns no
      argument's memory unless it is a view.
    - The arguments' memory layout, and whether they can be written, make no difference.
    - First derivatives agree with central differences of the value, second derivatives with
      those of the first, and the rules give the same on arrays and recorded.
    - Gradients are linear in what arrives, add up where an argument is used twice, and depend
      on no other call.
    - Rules give their input's shape, unless the operation broadcasts, and keep float32.

    Parameters
    ----------
    op : Op
    draw : Draw or tuple
        What to draw the arguments from; or the arguments, as a sampler returns them.
    seed : int, optional
        Of all that is random in the checks. By default it is drawn.

    Raises
    ------
    GradcheckError
        Naming the operation, its arguments, and what is wrong, with lines that reproduce it.
    LookupError
        If the operation has no sampler.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import Draw, check_op
    >>> check_op(tg.mul, Draw.from_seed(0))
    >>> check_op(tg.mul, (np.ones((2, 3)), np.zeros(3)))
    """
    if isinstance(draw, Draw):
        sample = draw.sample(op)
        seed = int(draw.rng.integers(2**32)) if seed is None else seed
    else:
        sample = draw
    given = sample if isinstance(sample, tuple) else (sample,)

    def lines() -> str:
        call = f"check_op(registry[{op.name!r}], {literal(given)}, seed={seed or 0})"
        builtin = op.__module__.startswith("tinygrad_cnn.")
        return program(
            call,
            *(() if builtin else (f"import {op.__module__}  # where it is registered",)),
            *sorted(types_in(given)),
            "from tinygrad_cnn.core.op import registry",
            "from tinygrad_cnn.testing import check_op",
        )

    with draw_of(op.name), reproduced_by(lines):
        _check_op(op, bind(op, copy.deepcopy(given)), Draw.from_seed(seed or 0))


def _check_op(op: Op[Any, Any], bound: inspect.BoundArguments, draw: Draw) -> None:
    label = label_of(op.name, bound.arguments)
    names, arrays, rebuild = _inputs(op, bound)
    before = [x.copy() for x in arrays]

    def call(values: Sequence[Any]) -> list[Any]:
        args, kwargs = rebuild(values)
        result = op(*args, **kwargs)
        return [result] if op._single else list(result)

    # the value
    plain = [np.array(out) for out in call(arrays)]
    unchanged(label, names, before, arrays)
    if arrays:
        recorded = [out.data for out in call([Tensor(x) for x in arrays])]
        same(f"{label}: on Tensors", plain, recorded, exact=True)
    if not op.view and any(np.may_share_memory(out, x) for out in call(arrays) for x in arrays):
        raise GradcheckError(f"{label}: the result shares its memory with an argument")
    relaid = [relaid_copy(x, draw) for x in arrays]
    same(f"{label}: in another memory layout, read-only", plain, call(relaid))
    unchanged(label, names, before, arrays)

    # the gradients
    floats = [
        i
        for i, (name, x) in enumerate(zip(names, arrays, strict=True))
        if x.dtype.kind == "f" and name.partition("[")[0] not in op.constant
    ]

    def run(values: Sequence[Any]) -> list[Any]:
        full: list[Any] = list(arrays)
        for i, value in zip(floats, values, strict=True):
            full[i] = value
        return call(full)[: len(op.outputs)]

    points = [arrays[i] for i in floats]
    float_names = [names[i] for i in floats]
    if not op.differentiable:
        if any(out.requires_grad for out in run([_variable(x) for x in points]) if floats):
            raise GradcheckError(f"{label}: not differentiable, yet the result requires grad")
        return
    dtype = {name: bound.arguments[name] for name in op.option_names}.get("dtype")
    if floats and dtype is None:
        _keeps_dtype(label, run([Tensor(x) for x in points]), np.float64)
    cotangents, gradients = check_function(label, float_names, run, points, draw)

    chosen = [draw.boolean() for _ in floats]
    inputs = [Tensor(relaid[i], requires_grad=c) for i, c in zip(floats, chosen, strict=True)]
    found = _gradients(run(inputs), inputs, [relaid_copy(v, draw) for v in cotangents])
    for name, c, plain_g, g in zip(float_names, chosen, gradients, found, strict=True):
        if c:
            what = f"{label}: in another memory layout, gradient of {name}"
            same(what, [plain_g], [g])
    if floats:
        _check_float32(op, label, float_names, run, points, cotangents, dtype)
        _check_memory(label, float_names, run, points, cotangents)
    unchanged(label, names, before, arrays)


def _check_memory(
    label: str,
    names: Sequence[str],
    run: Run,
    points: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
) -> None:
    """Check that what leaves get as their grad is in no other use."""
    inputs = [_variable(x) for x in points]
    outs = run(inputs)
    given = [(out, v) for out, v in zip(outs, cotangents, strict=True) if out.requires_grad]
    if not given:
        return
    saved = outs[0].grad_fn.saved.values() if outs[0].grad_fn else ()
    used = [*points, *cotangents, *saved]
    for _ in range(2):
        backward([out for out, _ in given], [Tensor(v) for _, v in given], retain_graph=True)
        for name, x in zip(names, inputs, strict=True):
            if x.grad is None:
                continue
            if any(np.shares_memory(x.grad.data, array) for array in used):
                raise GradcheckError(
                    f"{label}: the rule for {name} is declared fresh, yet its array is in other use"
                )
            used.append(x.grad.data)
            x.grad = None


def _check_float32(
    op: Op[Any, Any],
    label: str,
    names: Sequence[str],
    run: Run,
    points: Sequence[np.ndarray],
    cotangents: Sequence[np.ndarray],
    dtype: Any,
) -> None:
    """Check that float32 stays float32, in what the rules return before the engine casts it."""
    inputs = [_variable(x.astype(np.float32)) for x in points]
    outs = run(inputs)
    if dtype is None:
        _keeps_dtype(label, outs, np.float32)
    node = outs[0].grad_fn
    if node is None or node.op is not op:  # promoted first
        return
    given = [v.astype(out.dtype) for v, out in zip(cotangents, outs, strict=True)]
    name_of = {id(x): name for x, name in zip(inputs, names, strict=True)}
    for parent, g in zip(
        node.parents, op.vjp(node, given[0] if len(given) == 1 else tuple(given)), strict=True
    ):
        if parent is None or g is None:
            continue
        name = name_of[id(parent)]
        if not op.broadcast and g.shape != parent.shape:
            raise GradcheckError(
                f"{label}: the rule for {name} gives shape {g.shape}, expected {parent.shape}"
            )
        if dtype is None and g.dtype != np.float32:
            raise GradcheckError(f"{label}: the rule for {name} gives {g.dtype} for float32")


def _keeps_dtype(label: str, outs: Sequence[Tensor], dtype: Any) -> None:
    for out in outs:
        if out.dtype != dtype:
            raise GradcheckError(f"{label}: of {dtype.__name__} arguments it makes {out.dtype}")


def check_function(
    label: str,
    names: Sequence[str],
    run: Run,
    points: Sequence[np.ndarray],
    draw: Draw,
    order: int = 2,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Check the derivatives of `run` at `points`, up to the first or second order.

    Returns
    -------
    cotangents, gradients : list of numpy.ndarray
        Random gradients of the outputs, and the gradients of the inputs that follow from them.
    """

    def value(*at: np.ndarray) -> list[np.ndarray]:
        return [out.data for out in run([Tensor(x) for x in at])]

    def linearize(at: Sequence[np.ndarray]) -> tuple[list[np.ndarray], Any]:
        inputs = [_variable(x) for x in at]
        outs = run(inputs)
        return [out.data for out in outs], lambda given: _gradients(outs, inputs, given)

    cotangents, gradients, kinks = check_vjp_at(
        label, names, value, linearize, points, draw.rng, least=LEAST
    )
    _no_kinks(label, kinks)

    # used twice
    inputs = [_variable(x) for x in points]
    twice = _gradients([*run(inputs), *run(inputs)], inputs, [*cotangents, *cotangents])
    doubled = [2 * g for g in gradients]
    same(f"{label}: where the arguments are used twice, the gradient", doubled, twice)
    if order == 1:
        return cotangents, gradients

    # second order: the gradient of sum(weight * gradient), by the inputs and by the cotangents;
    # the latter is the jvp of `weights`
    point = [*points, *cotangents]
    all_names = [*names, *(f"the gradient of output {i}" for i in range(len(cotangents)))]
    before = copies(point)

    def first(*at: np.ndarray) -> list[np.ndarray]:
        inputs = [_variable(x) for x in at[: len(points)]]
        return _gradients(run(inputs), inputs, at[len(points) :])

    variables = [_variable(x) for x in point]
    inputs, seeds = variables[: len(points)], variables[len(points) :]
    recorded = _grad(run(inputs), inputs, seeds, create_graph=True)
    arrays = [g.data for g in recorded]
    same(f"{label}: recorded rules, not on arrays, gradient", gradients, arrays)
    weights = [draw.rng.uniform(-1, 1, x.shape) for x in points]
    second = [g.data for g in _grad(recorded, variables, [Tensor(w) for w in weights])]

    def weighted(*at: np.ndarray) -> float:
        return sum(float(np.sum(w * g)) for w, g in zip(weights, first(*at), strict=True))

    magnitude = sum(size_of(w * g) * g.size for w, g in zip(weights, gradients, strict=True))
    kinks = check_gradient(
        label,
        all_names,
        weighted,
        point,
        second,
        draw.rng,
        magnitude=max(magnitude, LEAST),
        order=2,
        precision=precision_of(*points),
    )
    _no_kinks(label, kinks)
    unchanged(label, all_names, before, point)
    return cotangents, gradients


def _no_kinks(label: str, kinks: Sequence[str]) -> None:
    if kinks:
        raise GradcheckError(
            f"{label}: {'; '.join(kinks)}, where there is no derivative to compare with; draw "
            "arguments that keep away from it (avoid=, distinct=)"
        )


def fuzz_op(op: Op[Any, Any], *, examples: int = 50) -> None:
    """Run `check_op` on many examples that Hypothesis draws, and shrinks where one fails.

    Raises
    ------
    GradcheckError
        For the simplest example found that fails.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import fuzz_op
    >>> fuzz_op(tg.mul, examples=5)
    """

    def sample(draw: Draw) -> tuple[Any, int]:
        return draw.sample(op), int(draw.rng.integers(2**32))

    def check(example: tuple[Any, int]) -> None:
        arguments, seed = example
        check_op(op, arguments, seed=seed)

    _run(check, drawn(sample), examples, f"{op.__module__}.{op.name}")


def fuzz_gradients(
    *groups: Any, order: int = 2, examples: int = 50, **strategies: Any
) -> Callable[[Callable[..., Any]], Callable[[], None]]:
    """Make a pytest test of the gradients of a function of Tensors.

    The decorated function is called with drawn arguments: float arrays arrive as Tensors that
    require grad, everything else as drawn. What it returns is checked as `check_op` checks an
    operation.

    Parameters
    ----------
    groups : strategy of dict
        For arguments that hang together, as `strategies.broadcastable` gives them.
    order : {1, 2}
        1 for a function that can be differentiated only once.
    examples : int
        How many to draw.
    strategies : strategy
        For each other argument, such as `strategies.arrays`.

    Returns
    -------
    callable
        The test, without parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import fuzz_gradients
    >>> from tinygrad_cnn.testing.strategies import arrays
    >>> @fuzz_gradients(x=arrays(low=0.5), examples=5)
    ... def test_my_power(x):
    ...     return x**1.5
    >>> test_my_power()
    """

    def decorate(function: Callable[..., Any]) -> Callable[[], None]:
        def check(*, seed: int = 0, **arguments: Any) -> None:
            names = [k for k, v in arguments.items() if is_float(v)]
            points = copies([arguments[name] for name in names])
            label = label_of(name_of(function), arguments)

            def run(values: Sequence[Any]) -> list[Any]:
                result = function(**{**arguments, **dict(zip(names, values, strict=True))})
                outs = list(result) if isinstance(result, (tuple, list)) else [result]
                if not all(isinstance(out, Tensor) for out in outs):
                    raise TypeError(f"{label}: expected it to return Tensors, got {outs}")
                return [out for out in outs if out.dtype.kind == "f"]

            _check_user_function(label, names, run, points, Draw.from_seed(seed), order)

        return make_test(function, check, groups, strategies, examples)

    return decorate


def make_test(
    function: Callable[..., Any],
    check: Callable[..., None],
    groups: Sequence[Any],
    strategies: dict[str, Any],
    examples: int,
) -> Callable[[], None]:
    """Return a test, named as `function`, that runs `check` on what Hypothesis draws.

    `check` takes the arguments by name, and a seed. It is an attribute of the test, too, which
    the code that reproduces a failure calls.
    """
    from hypothesis import strategies as st

    path = f"{function.__module__}.{name_of(function)}"

    def reproducible(*, seed: int = 0, **arguments: Any) -> None:
        def lines() -> str:
            call, known = reference(function)
            return program(f"{call}.check({written((), arguments)}, seed={seed})", known, *sorted(types_in(arguments)))

        with draw_of(path), reproduced_by(lines):
            check(seed=seed, **arguments)

    seeds = st.integers(0, 2**32 - 1)
    strategy = st.tuples(st.tuples(*groups), st.fixed_dictionaries(strategies), seeds)

    def check_drawn(example: tuple[tuple[dict[str, Any], ...], dict[str, Any], int]) -> None:
        parts, arguments, seed = example
        for part in parts:
            arguments = {**part, **arguments}
        reproducible(seed=seed, **arguments)

    def test() -> None:
        _run(check_drawn, strategy, examples, path)

    test.__name__ = test.__qualname__ = name_of(function)
    test.__module__ = function.__module__
    test.__doc__ = function.__doc__
    test.check = reproducible  # type: ignore[attr-defined]
    test.is_gradcheck = True  # type: ignore[attr-defined]  # pytest's plugin marks it
    return test


def label_of(name: str, arguments: Mapping[str, Any]) -> str:
    """Return how a call is called in messages."""
    return f"{name}({', '.join(f'{k}={short(v)}' for k, v in arguments.items())})"


def _check_user_function(
    label: str,
    names: Sequence[str],
    run: Run,
    points: Sequence[np.ndarray],
    draw: Draw,
    order: int,
) -> None:
    for dtype in (np.float64, np.float32):
        _keeps_dtype(label, run([Tensor(x.astype(dtype)) for x in points]), dtype)
    cotangents, gradients = check_function(label, names, run, points, draw, order)
    inputs = [_variable(relaid_copy(x, draw)) for x in points]
    found = _gradients(run(inputs), inputs, cotangents)
    same(f"{label}: in another memory layout, gradient", gradients, found)


def _run(check: Callable[[Any], None], strategy: Any, examples: int, key: str) -> None:
    """Run `check` on examples; `key` is what Hypothesis keeps those under that fail."""
    from hypothesis import given, seed

    @_settings(session.examples or examples)
    @given(strategy)
    def fuzz(example: Any) -> None:
        check(example)

    # by default it is made of this source, the same for all
    fuzz._hypothesis_internal_database_key = key.encode()
    if session.seed is not None:
        fuzz = seed(session.seed)(fuzz)
    fuzz()


def _settings(examples: int) -> Any:
    """Return Hypothesis's settings: the number of examples counts, and one failure is enough.

    Its explanation, which lines ran where an example failed, would name those of the check.
    """
    from hypothesis import HealthCheck, Phase, settings

    return settings(
        max_examples=examples,
        deadline=None,
        report_multiple_bugs=False,
        phases=[phase for phase in Phase if phase is not Phase.explain],
        suppress_health_check=list(HealthCheck),
    )


# -- the arguments of an operation -------------------------------------------------------------


def _inputs(
    op: Op[Any, Any], bound: inspect.BoundArguments
) -> tuple[list[str], list[np.ndarray], Callable[[Sequence[Any]], tuple[Any, Any]]]:
    """Return the arrays among the inputs, their names, and how to call with others instead."""
    names: list[str] = []
    arrays: list[np.ndarray] = []
    inputs = [op.parameters[i] for i in op.inputs]
    if op.variadic:
        (only,) = inputs
        arrays = list(bound.arguments[only])
        names = [f"{only}[{i}]" for i in range(len(arrays))]
    else:
        names = [name for name in inputs if isinstance(bound.arguments[name], np.ndarray)]
        arrays = [bound.arguments[name] for name in names]

    def rebuild(values: Sequence[Any]) -> tuple[Any, Any]:
        new = inspect.BoundArguments(op.signature, bound.arguments.copy())
        if op.variadic:
            new.arguments[only] = list(values)
        else:
            new.arguments.update(zip(names, values, strict=True))
        return new.args, new.kwargs

    return names, arrays, rebuild


def _variable(x: np.ndarray) -> Tensor:
    return Tensor(x, requires_grad=x.dtype.kind == "f")


def is_float(value: Any) -> bool:
    """Say whether an argument is an array of floats, which is differentiated."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def relaid_copy(x: np.ndarray, draw: Draw) -> np.ndarray:
    """Return an equal read-only array that lies otherwise in memory."""
    result = laid(x, draw.choice(LAYOUTS))
    result.flags.writeable = False
    return result


# -- comparing ---------------------------------------------------------------------------------


def _grad(
    outs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    create_graph: bool = False,
) -> list[Tensor]:
    """Return the inputs' gradients, zeros where no output depends on one."""
    pairs = [(out, v) for out, v in zip(outs, cotangents, strict=True) if out.requires_grad]
    if not pairs:
        return [Tensor(np.zeros(x.shape, x.dtype)) for x in inputs]
    found = grad(
        [out for out, _ in pairs],
        inputs,
        [v for _, v in pairs],
        retain_graph=True,
        create_graph=create_graph,
        materialize_grads=True,
    )
    return [g for g in found if g is not None]


def _gradients(
    outs: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return the gradients on arrays: zeros, too, for an input that does not require one."""
    wanted = [x for x in inputs if x.requires_grad]
    found = iter(_grad(outs, wanted, [Tensor(v) for v in cotangents]) if wanted else ())
    return [next(found).data if x.requires_grad else np.zeros(x.shape) for x in inputs]
