"""Operations: how one is declared, called, recorded, and run backward.

An operation is one function on arrays together with its gradient rules::

    @op(method="relu")
    def relu(input):
        return np.maximum(input, 0)

    @relu.gradient("input")
    def _(g, out):              # keeps `out`, and nothing else
        return where(out > 0, g, 0)

Called with arrays, an operation computes on arrays. Called with at least one Tensor, it returns
Tensors and, where gradients are wanted, records a `Node` that keeps what the rules name. A rule
is written with operators and other operations only, so the same lines run on arrays in a
first-order backward and are themselves recorded under ``create_graph=True``.
"""

from __future__ import annotations

import inspect
import operator
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

import numpy as np

from tinygrad_cnn.dtypes import get_default_dtype, result_type

from .methods import TensorMethods
from .modes import anomaly_mode, grad_mode
from .node import Node, Slot
from .tensor import Tensor, counter_of, tensor_from

P = ParamSpec("P")
R = TypeVar("R")

Array = Any
"""An operation's input: an ndarray inside the operation; for its caller, also a Tensor or number."""
Arrays = Sequence[Any]
"""An operation's input that is a sequence of arrays, such as `cat`'s."""
Values = Sequence[Any]
"""Something for each parameter of an operation, or for each of its inputs or outputs."""

registry: dict[str, Op[Any, Any]] = {}
"""Every operation, by name."""
methods: dict[str, Callable[..., Any]] = {}
"""What `@op` and `@method` attached to Tensor, by name."""

_OPERATORS = {
    **{"+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod"},
    **{"**": "pow", "@": "matmul", "&": "and", "|": "or", "^": "xor", "<<": "lshift", ">>": "rshift"},
    **{"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"},
    **{"-x": "neg", "+x": "pos", "~x": "invert", "abs": "abs", "[]": "getitem"},
}
_REFLECTED = frozenset(["+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "<<", ">>"])
_NUMBERS = frozenset([float, int, bool])
_PLAIN = _NUMBERS | {np.ndarray, type(None)}
_PACKAGE = str(Path(__file__).parent.parent) + os.sep


@dataclass(slots=True)
class Rule:
    """A gradient rule: what it computes, for which inputs, and the names of what it keeps."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    needs: list[str]
    fresh: bool = False


class Plan:
    """What one combination of differentiable inputs keeps, and the rules it runs.

    A node keeps each of `fields` once: first the inputs and outputs (`arrays`), which have a
    version, then the options and the shapes (`rest`). `fresh` numbers the inputs whose gradient
    is an array of its own.
    """

    __slots__ = ("arrays", "calls", "fields", "frees", "fresh", "rest", "shapes")

    def __init__(self, op: Op[Any, Any], differentiable: tuple[int, ...]) -> None:
        wanted = {op.parameters[op.inputs[i]] for i in differentiable}
        rules = [rule for rule in op.rules if wanted.intersection(rule.inputs)]
        known = [*op.parameters, *op.outputs, *op.auxiliary]
        fields = dict.fromkeys(name for rule in rules for name in rule.needs)
        shaped = [name for name in fields if name not in known]
        self.shapes = [op.parameters.index(name.removesuffix("_shape")) for name in shaped]
        plain = {*op.option_names, *shaped}
        self.fields = sorted(fields, key=plain.__contains__)  # the arrays first
        # where each field is found among the parameters, the outputs and the shapes
        places = [[*known, *shaped].index(name) for name in self.fields]
        count = len(fields.keys() - plain)
        self.arrays, self.rest = places[:count], places[count:]
        self.frees = count > 0
        self.fresh: set[int] = set()
        self.calls = []
        for rule in rules:
            targets = [op.inputs.index(op.parameters.index(name)) for name in rule.inputs]
            needs = [self.fields.index(name) for name in rule.needs]
            self.calls.append((_on_kept(rule.function, needs), targets))
            if rule.fresh:
                self.fresh.update(targets)

    def keep(self, found: Values) -> tuple[tuple[Any, ...], Sequence[list[int] | None]]:
        """Return what is kept of the parameters, outputs and shapes, and the arrays' versions."""
        kept, versions = [], []
        for i in self.arrays:
            value = found[i]
            if isinstance(value, Tensor):
                kept.append(value._data)
                versions.append(value._counter or counter_of(value))
            else:
                kept.append(value)
                versions.append(None)
        for i in self.rest:
            kept.append(found[i])
        return tuple(kept), versions


def _on_kept(rule: Callable[..., Any], places: list[int]) -> Callable[[Any, Values], Any]:
    """Return `rule` as a function of the gradient and all that the node keeps."""
    if not places:
        return lambda g, kept: rule(g)
    if len(places) == 1:
        return lambda g, kept: rule(g, kept[places[0]])
    pick = operator.itemgetter(*places)
    return lambda g, kept: rule(g, *pick(kept))


class Op(Generic[P, R]):
    """A differentiable operation; made by `op`, called like a function.

    Attributes
    ----------
    name : str
    forward : callable
        The function on arrays.
    parameters : tuple of str
        The names of all of them: inputs and options.
    outputs, auxiliary : tuple of str
        Names of the outputs that carry gradient, and of those that do not.
    rules : list of Rule
    sampler : callable or None
        Draws valid arguments for the fuzz tests; see `samples`.
    translation : str, callable or None
        How the operation is written in ONNX; see `onnx`.
    """

    def __init__(
        self,
        forward: Callable[P, Any],
        *,
        name: str,
        differentiable: bool = True,
        constant: Sequence[str] = (),
        outputs: Sequence[str] = ("out",),
        auxiliary: Sequence[str] = (),
        promote: str | None = None,
        broadcast: bool | None = None,
        view: bool = False,
        formula: str | None = None,
    ) -> None:
        if promote not in (None, "arithmetic", "float"):
            raise TypeError(f"{name}: promote must be 'arithmetic' or 'float', got {promote!r}")
        self.forward = forward
        self.name = self.__name__ = name
        self.__doc__ = forward.__doc__
        self.__module__ = forward.__module__
        self.__qualname__ = forward.__qualname__
        self.__wrapped__ = forward
        self.differentiable = differentiable
        self.outputs = tuple(outputs)
        self.auxiliary = tuple(auxiliary)
        self.promote = promote
        self.view = view
        self.formula = formula
        self.rules: list[Rule] = []
        self.sampler: Callable[[Any], Any] | None = None
        self.translation: Any = None

        self.signature = inspect.signature(forward)
        parameters = list(self.signature.parameters.values())
        self.parameters = tuple(p.name for p in parameters)
        names = [*self.parameters, *self.outputs, *self.auxiliary]
        if len(set(names)) < len(names):
            raise TypeError(f"{name}: it names a parameter or output twice: {names}")
        self.inputs = tuple(i for i, p in enumerate(parameters) if _is_input(p))
        if not self.inputs:
            raise TypeError(f"{name}: an operation needs at least one array input")
        self.variadic = "Arrays" in str(parameters[self.inputs[0]].annotation)
        if self.variadic and len(self.inputs) > 1:
            raise TypeError(f"{name}: a sequence of arrays must be the only array input")
        self.constant = frozenset(constant)
        if unknown := self.constant.difference(self.parameters):
            raise TypeError(f"{name}: constant names {sorted(unknown)}, which are not parameters")
        self._promoted = tuple(i for i in self.inputs if self.parameters[i] not in self.constant)
        several = self.variadic or len(self.inputs) > 1
        self.broadcast = (promote is not None and several) if broadcast is None else broadcast
        self._options = tuple(i for i in range(len(parameters)) if i not in self.inputs)
        self.option_names = tuple(self.parameters[i] for i in self._options)
        self._index = {p.name: i for i, p in enumerate(parameters)}
        self._defaults = tuple(p.default for p in parameters)
        self._count = len(parameters)
        self._positional = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
        # a call with just this many positional arguments needs no binding
        self._plain_count = self._count if self._positional == self._count else -1
        self._required = sum(p.default is p.empty for p in parameters)
        last = self._positional
        keywords = self.parameters[last:]
        self._forward: Callable[..., Any] = forward
        if keywords:
            self._forward = lambda *values: forward(
                *values[:last], **dict(zip(keywords, values[last:], strict=True))
            )
        self._single = len(self.outputs) == 1 and not self.auxiliary
        self._outputs = range(len(self.outputs))
        self._plans: dict[Any, Plan] = {}

    # -- declaring -----------------------------------------------------------------------------

    def gradient(
        self, *inputs: str, fresh: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the rule for the gradient of `inputs`.

        The rule's first parameter is ``g``, the gradient of the output (a tuple, None where
        nothing arrived, if the operation has several outputs). Each other parameter names what
        the graph shall keep for it: an input, ``<input>_shape``, an output (``out``), or an
        option. It returns the gradient of the input, or a tuple for several inputs. With `fresh`,
        what it returns is always a new array that nothing else refers to, so that a leaf may have
        it as its ``grad``; it is copied otherwise.

        Raises
        ------
        TypeError
            If the rule names anything else, or an input has a rule already.
        """

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            names = {self.parameters[i] for i in self.inputs}
            for name in inputs:
                if name not in names or name in self.constant:
                    raise TypeError(
                        f"{self.name}: gradient({name!r}) is for an input that gets none; "
                        f"those that do: {sorted(names - self.constant)}"
                    )
                if any(name in rule.inputs for rule in self.rules):
                    raise TypeError(f"{self.name}: input {name!r} has two gradient rules")
            parameters = inspect.signature(function).parameters
            needs = list(parameters)
            known = {*self.parameters, *self.outputs, *self.auxiliary}
            known.update(f"{name}_shape" for name in names)
            plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters.values())
            if not plain or needs[:1] != ["g"] or not known.issuperset(needs[1:]):
                raise TypeError(
                    f"{self.name}: the rule for {inputs} has parameters {needs}; expected g "
                    f"first, then any of {sorted(known)}, and none of them after a *"
                )
            if not self.differentiable or not inputs:
                raise TypeError(f"{self.name}: not differentiable, yet has a rule for {inputs}")
            self.rules.append(Rule(function, inputs, needs[1:], fresh))
            self._plans.clear()
            return function

        return declare

    def samples(self, sampler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Declare how to draw valid arguments for the fuzz tests.

        `sampler` takes a `tinygrad_cnn.testing.Draw` and returns the positional arguments, as a
        tuple; a dictionary at its end holds keyword arguments.
        """
        self.sampler = sampler
        return sampler

    def onnx(self, translation: Any) -> Any:
        """Declare how to write the operation in ONNX; see `tinygrad_cnn.onnx`.

        `translation` is the type of the node that takes the inputs, such as ``"Relu"``, or a
        function: its first parameter is the `tinygrad_cnn.onnx.Builder`, and each other one names
        an input, an option, or ``out``. It returns the output's `tinygrad_cnn.onnx.Value`.
        """
        self.translation = translation
        return translation

    def missing_rules(self) -> list[str]:
        """Return the inputs that have neither a rule nor the word that they need none."""
        if not self.differentiable:
            return []
        covered = {name for rule in self.rules for name in rule.inputs} | self.constant
        return [self.parameters[i] for i in self.inputs if self.parameters[i] not in covered]

    @property
    def rule_source(self) -> str:
        """The source text of the gradient rules."""
        return source_of(*[rule.function for rule in self.rules])

    def __repr__(self) -> str:
        return f"<op {self.name}{self.signature}>"

    # -- calling -------------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        values = args if len(args) == self._plain_count and not kwargs else self._bind(args, kwargs)
        if values[self.inputs[0]].__class__ is np.ndarray and not self.variadic:
            for i in self.inputs:
                if values[i].__class__ not in _PLAIN:
                    break
            else:  # nothing but arrays, as in a gradient rule
                return self._forward(*values)
        arrays = [*values]
        traced = mixed = False
        dtype: Any = None
        parents: list[Any] = []
        numbers: tuple[Any, ...] = ()
        wanted = 0  # a bit for each input that requires grad
        if self.variadic:
            (i,) = self.inputs
            arrays[i], parents, traced = self._unpack(values[i])
            wanted = any(parent is not None for parent in parents)
            mixed = True
        else:
            for i in self.inputs:
                value = values[i]
                wanted += wanted
                if isinstance(value, Tensor):
                    traced = True
                    arrays[i] = data = value._data
                    if data.dtype is not dtype:
                        if dtype is not None:
                            mixed = True
                        dtype = data.dtype
                    if value.requires_grad:
                        wanted += 1
                        edge = value._edge
                        parents.append(value if edge is None else edge)
                        continue
                elif value.__class__ in _NUMBERS:
                    numbers += (i, value)
                elif value is not None:
                    mixed = True
                    if value.__class__ is not np.ndarray:
                        self._check_input(i, value)
                parents.append(None)
        if not traced:
            try:
                return self._forward(*arrays)
            except AttributeError:  # None or a number, where only an array will do
                first, name = arrays[self.inputs[0]], self.parameters[self.inputs[0]]
                if self.variadic or hasattr(first, "ndim"):
                    raise
                kind = type(first).__name__
                raise TypeError(f"{self.name}: {name} must be a Tensor, got {kind}") from None
        if self.promote is not None and (mixed or dtype.kind != "f"):
            promoted = self._promote(values)
            if promoted is not None:
                return self._call_bound(promoted)
        try:
            out = self._forward(*arrays)
        except ValueError as error:
            if not self.broadcast:
                raise
            raise self._broadcast_error(arrays) from error
        if self._single:
            results = [tensor_from(out if isinstance(out, np.ndarray) else np.asarray(out))]
        else:
            results = [tensor_from(np.asarray(part)) for part in out]
        if self.view:
            share_version(values[0], results[0])
        if wanted and self.differentiable and grad_mode.get():
            node = self._record(values, arrays, results, tuple(parents), wanted)
            node._numbers = numbers
            for i in self._outputs:
                result = results[i]
                result._edge = node if self._single else self._edge(node, i, result._data)
                result.requires_grad = True
        if anomaly_mode.get():
            self._examine(arrays, results)
        return results[0] if self._single else tuple(results)  # type: ignore[return-value]

    def _call_bound(self, values: Values) -> Any:
        named = zip(self.parameters[self._positional :], values[self._positional :], strict=True)
        return self(*values[: self._positional], **dict(named))

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        count = len(args)
        valid = count <= self._positional
        if valid and not kwargs and count >= self._required:
            return args + self._defaults[count:]
        values = [*args, *self._defaults[count:]]
        for name, value in kwargs.items():
            i = self._index.get(name, -1)
            if i < count:
                valid = False
                break
            values[i] = value
        if not valid or any(value is inspect.Parameter.empty for value in values):
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{self.name}: {error}") from None
        return tuple(values)

    def _check_input(self, i: int, value: Any) -> None:
        if not isinstance(value, np.generic) and not hasattr(value, "__array_function__"):
            raise TypeError(
                f"{self.name}: {self.parameters[i]} must be a Tensor, an array or a number, "
                f"got {type(value).__name__}"
            )

    def _unpack(self, sequence: Any) -> tuple[list[Any], list[Any], bool]:
        name = self.parameters[self.inputs[0]]
        if not isinstance(sequence, (list, tuple)) or not sequence:
            what = "an empty one" if isinstance(sequence, (list, tuple)) else type(sequence).__name__
            raise TypeError(f"{self.name}: {name} must be a sequence of Tensors, got {what}")
        arrays: list[Any] = []
        parents: list[Any] = []
        for value in sequence:
            parent = None
            if isinstance(value, Tensor):
                if value.requires_grad:
                    parent = value if value._edge is None else value._edge
                value = value._data
            elif value.__class__ not in _PLAIN:
                self._check_input(self.inputs[0], value)
            arrays.append(value)
            parents.append(parent)
        return arrays, parents, any(isinstance(value, Tensor) for value in sequence)

    def _promote(self, values: Values) -> list[Any] | None:
        """Return `values` brought to one dtype, or None where they have it already."""
        inputs = list(values[self.inputs[0]] if self.variadic else [values[i] for i in self._promoted])
        changed = False
        for i, value in enumerate(inputs):
            if isinstance(value, np.generic):
                inputs[i] = value.item()
                changed = True
        dtype = result_type(*[value for value in inputs if value is not None])
        if self.promote == "float" and dtype.kind != "f":
            dtype = get_default_dtype()
        cast = registry["to"]
        for i, value in enumerate(inputs):
            if isinstance(value, (Tensor, np.ndarray)) and value.dtype != dtype:
                inputs[i] = cast(tensor_from(value) if isinstance(value, np.ndarray) else value, dtype)
                changed = True
        if not changed:
            return None
        if self.variadic:
            inputs = [inputs]
        promoted = list(values)
        for i, value in zip(self._promoted, inputs, strict=True):
            promoted[i] = value
        return promoted

    def _broadcast_error(self, arrays: list[Any]) -> RuntimeError:
        shapes = [f"{self.parameters[i]} {np.shape(arrays[i])}" for i in self.inputs]
        return RuntimeError(f"{self.name}: shapes do not broadcast: {', '.join(shapes)}")

    # -- recording -----------------------------------------------------------------------------

    def _record(
        self, values: Values, arrays: Values, results: Values, parents: tuple[Any, ...], wanted: int
    ) -> Node:
        plan = self._plans.get(wanted) or self._plan(wanted)
        found = [*(arrays if self.variadic else values), *results]
        for i in plan.shapes:
            array = arrays[i]
            shape = [np.shape(a) for a in array] if self.variadic else getattr(array, "shape", ())
            found.append(shape)
        kept, versions = plan.keep(found)
        if self.variadic and self.parameters[self.inputs[0]] in plan.fields:
            versions = [*versions, *map(counter_of, values[self.inputs[0]])]
        options = tuple([values[i] for i in self._options]) if self._options else ()
        out = results[0]._data if len(self.outputs) == 1 else None
        return Node(self, plan, parents, kept, options, versions, out)

    def _plan(self, wanted: int) -> Plan:
        last = len(self.inputs) - 1
        differentiable = tuple(i for i in range(last + 1) if wanted >> (last - i) & 1)
        missing = self.missing_rules()
        for i in differentiable:
            name = self.parameters[self.inputs[i]]
            if name in missing:
                raise RuntimeError(f"{self.name}: no gradient rule for input {name!r}")
        plan = self._plans[wanted] = Plan(self, differentiable)
        return plan

    def _examine(self, arrays: Values, results: list[Tensor]) -> None:
        """Note where the operation was called, and look for the first NaN."""
        if (node := results[0].grad_fn) is not None:
            node.site = user_line()
        inputs = arrays[self.inputs[0]] if self.variadic else [arrays[i] for i in self.inputs]
        if any(has_nan(out) for out in results) and not any(has_nan(x) for x in inputs):
            raise RuntimeError(
                f"{self.name}: the forward made the first NaN, called at {user_line()}"
            )

    # -- running backward ----------------------------------------------------------------------

    def vjp(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        """Return the gradient for each of the node's parents, computed on arrays."""
        if node._kept is None or node._versions:
            check_kept(node, node._versions)
        return self._run_rules(node, g, node._kept, wanted)

    def vjp_recorded(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        """The same, on Tensors: what the rules compute is recorded."""
        check_kept(node, node._versions)
        count = len(node._plan.arrays)
        tensors = [*[self._as_tensor(node, place) for place in range(count)], *node._kept[count:]]
        return self._run_rules(node, g, tensors, wanted)

    def _run_rules(
        self, node: Node, g: Any, kept: Sequence[Any], wanted: Sequence[bool] | None
    ) -> list[Any]:
        gradients: list[Any] = [None] * len(node.parents)
        for rule, targets in node._plan.calls:
            if wanted and not any(wanted if self.variadic else [wanted[i] for i in targets]):
                continue
            try:
                gradient = rule(g, kept)
            except TypeError as error:
                if "__array_ufunc__" not in str(error):
                    raise
                inputs = ", ".join(self.parameters[self.inputs[i]] for i in targets)
                raise TypeError(
                    f"{self.name}: the gradient rule for {inputs} calls a NumPy function on a "
                    "Tensor; use operators and this package's operations, which can be recorded"
                ) from error
            if self.variadic:
                gradients = [part for _, part in zip(gradients, gradient, strict=True)]
            elif len(targets) == 1:
                gradients[targets[0]] = gradient
            else:
                for i, part in zip(targets, gradient, strict=True):
                    gradients[i] = part
        return gradients

    def _as_tensor(self, node: Node, place: int) -> Any:
        """Return a kept array as the Tensor that it was; masks and indices stay arrays."""
        name, value = node._plan.fields[place], node._kept[place]
        if self.variadic and name in self._index:
            versions = node._versions[len(node._plan.arrays) :]
            return [_linked(*parts) for parts in zip(value, node.parents, versions, strict=False)]
        edge: Any = None
        if name in self.outputs:
            edge = self._edge(node, self.outputs.index(name), value)
        elif name in self._index:
            edge = node.parents[self.inputs.index(self._index[name])]
        return _linked(value, edge, node._versions[place])

    def _edge(self, node: Node, i: int, out: Any) -> Node | Slot:
        return node if len(self.outputs) == 1 else Slot(node, i, out.shape, out.dtype)

    def input_name(self, i: int) -> str:
        """Return what messages call the input of a node's parent number `i`."""
        if self.variadic:
            return f"{self.parameters[self.inputs[0]]}[{i}]"
        return self.parameters[self.inputs[i]]

    def outputs_of(self, node: Node) -> tuple[str, ...]:
        """Return something for each output that carries gradient."""
        return self.outputs

    def saved_arrays(self, node: Node) -> dict[str, np.ndarray]:
        """Return the arrays that `node` keeps, by name."""
        saved: dict[str, np.ndarray] = {}
        for name, value in zip(node._plan.fields, node._kept or (), strict=False):
            if isinstance(value, np.ndarray):
                saved[name] = value
            elif isinstance(value, list):
                saved.update(
                    (f"{name}[{i}]", v) for i, v in enumerate(value) if isinstance(v, np.ndarray)
                )
        return saved


def _short_way(op: Op[Any, Any]) -> Callable[[Any, Any], Any]:
    """Return `op` as a function of its two inputs: what `Op.__call__` does, without its loops.

    The inputs are Tensors of one floating dtype, or the second one is a number. Anything else
    goes the long way.
    """

    def call(input: Any, other: Any) -> Any:
        first = second = None
        wanted = 0
        numbers: Any = ()
        if not isinstance(input, Tensor) or anomaly_mode.get():
            return op(input, other)
        x = y = input._data
        if input.requires_grad:
            wanted = 2
            first = input if input._edge is None else input._edge
        if isinstance(other, Tensor):
            y = other._data
            if other.requires_grad:
                wanted += 1
                second = other if other._edge is None else other._edge
        elif other.__class__ in _NUMBERS:
            numbers = (1, other)
        else:
            return op(input, other)
        if x.dtype is not y.dtype or x.dtype.kind != "f":
            return op(input, other)
        try:
            out = op._forward(x, other if numbers else y)
        except ValueError:
            return op(input, other)
        result = tensor_from(out if isinstance(out, np.ndarray) else np.asarray(out))
        if wanted and op.differentiable and grad_mode.get():
            plan = op._plans.get(wanted) or op._plan(wanted)
            if plan.shapes:
                return op(input, other)
            kept, versions = plan.keep((input, other, result)) if plan.fields else ((), ())
            result._edge = node = Node(op, plan, (first, second), kept, (), versions, out)
            node._numbers = numbers
            result.requires_grad = True
        return result

    return call


def _is_input(parameter: inspect.Parameter) -> bool:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        raise TypeError(f"an operation cannot take *{parameter.name}")
    if parameter.annotation is parameter.empty:
        return parameter.kind is not parameter.KEYWORD_ONLY
    return "Array" in str(parameter.annotation) or "Tensor" in str(parameter.annotation)


def _linked(value: Any, edge: Any, version: list[int] | None) -> Any:
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    tensor = tensor_from(value, edge)
    tensor._counter = version
    return tensor


def share_version(base: Any, view: Tensor) -> None:
    """Let `view` share its version counter with `base`, if it shares its memory."""
    if isinstance(base, Tensor) and _owner(base._data) is _owner(view._data):
        view._counter = counter_of(base)
        view._is_view = True
        base._is_view = True


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def check_kept(node: Node, versions: Iterable[list[int] | None]) -> None:
    """Make sure that what the node keeps is there and unchanged."""
    if node._kept is None:
        raise RuntimeError(
            f"{node.name()}: backward a second time through a graph whose kept arrays were "
            "freed; pass retain_graph=True to the first backward"
        )
    for version in versions:
        if version is not None and version[1] > node.seq:
            raise RuntimeError(
                f"{node.name()}: an array kept for backward was changed in place since; "
                "use the out-of-place form, or change a clone()"
            )


def source_of(*functions: Callable[..., Any]) -> str:
    """Return the source text of `functions`."""
    try:
        return "\n".join(textwrap.dedent(inspect.getsource(f)) for f in functions)
    except (OSError, TypeError):  # typed at a prompt, or not written in Python
        return "# source not available"


def has_nan(value: Any) -> bool:
    """Return whether a Tensor, array, number or None has a NaN in it."""
    array = value._data if isinstance(value, Tensor) else np.asarray(value)
    return array.dtype.kind == "f" and bool(np.isnan(array).any())


def user_line() -> str:
    """Return the line of the user's program that runs now, as ``file:line, in f: source``."""
    for frame in reversed(traceback.extract_stack(sys._getframe(1))):
        if not frame.filename.startswith(_PACKAGE):
            return f"{frame.filename}:{frame.lineno}, in {frame.name}: {frame.line}"
    return "an unknown line"


@overload
def op(function: Callable[P, Any], /) -> Op[P, Tensor]: ...
@overload
def op(
    *,
    name: str | None = None,
    method: bool | str = False,
    operator: str | None = None,
    inplace: bool = False,
    differentiable: bool = True,
    constant: Sequence[str] = (),
    promote: str | None = None,
    broadcast: bool | None = None,
    view: bool = False,
    formula: str | None = None,
) -> Callable[[Callable[P, Any]], Op[P, Tensor]]: ...
@overload
def op(
    *, outputs: Sequence[str] = ("out",), auxiliary: Sequence[str] = (), **settings: Any
) -> Callable[[Callable[P, Any]], Op[P, Any]]: ...
def op(function: Callable[P, Any] | None = None, /, **settings: Any) -> Any:
    """Declare an operation.

    The parameters of the decorated function that are annotated ``Array`` or not annotated are
    its inputs; those annotated otherwise, or keyword-only, are its options.

    Parameters
    ----------
    name : str, optional
        The function's name where not given.
    method : bool or str
        Make it a Tensor method, under the operation's name or under this one.
    operator : str, optional
        Make it a Tensor operator: ``"*"``, ``"<"``, ``"-x"``, ``"[]"``, ...
    inplace : bool
        Also make the in-place method (``mul_``) and operator (``*=``).
    differentiable : bool
        False for operations without gradient, such as comparisons.
    constant : sequence of str
        Inputs that get no gradient, such as an index.
    outputs : sequence of str
        The names of the outputs that carry gradient.
    auxiliary : sequence of str
        The names of further outputs that do not, such as the index of a maximum.
    promote : {"arithmetic", "float"}, optional
        Bring the inputs (but the constant ones) to one dtype first, by `result_type`; with
        ``"float"``, a floating one.
    broadcast : bool, optional
        The inputs broadcast: the engine sums a gradient over the broadcast axes. True where not
        given if `promote` is and there are several inputs.
    view : bool
        The output may share the first input's memory.
    formula : str, optional
        For drawings.

    Returns
    -------
    Op

    Raises
    ------
    ValueError
        If another operation has this name.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> @tg.op
    ... def cube(x):
    ...     return x**3
    >>> @cube.gradient("x")
    ... def _(g, x):
    ...     return g * 3 * x**2
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    tensor(12.)
    """

    def declare(forward: Callable[P, Any]) -> Op[P, Any]:
        given = dict(settings)
        method_name = given.pop("method", False)
        symbol = given.pop("operator", None)
        inplace = given.pop("inplace", False)
        name = given.pop("name", None) or forward.__name__
        if symbol is not None and symbol not in _OPERATORS:
            raise TypeError(f"{name}: operator must be one of {sorted(_OPERATORS)}, got {symbol!r}")
        known = registry.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (
            forward.__module__,
            forward.__qualname__,
        ):
            raise ValueError(f"op: an operation named {name!r} exists, in {known.__module__}")
        made: Op[P, Any] = Op(forward, name=name, **given)
        registry[name] = made
        if method_name or symbol:
            attach = name if method_name is True else method_name
            method(attach or None, operator=symbol, inplace=inplace)(made)
        return made

    return declare if function is None else declare(function)


def method(
    name: str | None = None,
    *,
    operator: str | None = None,
    inplace: bool = False,
    as_property: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a Tensor method, an operator, or both; with `inplace`, also ``name_``.

    With `as_property`, it is read as ``tensor.name`` instead.
    """

    def attach(function: Callable[P, R]) -> Callable[P, R]:
        call: Any = function.__call__ if isinstance(function, Op) else function
        if name is not None and as_property:
            setattr(TensorMethods, name, property(function))
            methods[name] = function
        elif name is not None:
            _attach(name, function, lambda self, *args, **kwargs: call(self, *args, **kwargs))
            if inplace:
                assign: Any = lambda self, *args, **kwargs: self._assign(call(self, *args, **kwargs), f"{name}_")
                _attach(f"{name}_", function, assign)
        if operator is not None:
            word = _OPERATORS[operator]
            apply: Any = lambda self, other: call(self, other)
            if operator in ("-x", "+x", "~x", "abs"):
                apply = lambda self: call(self)
            elif isinstance(function, Op) and function.promote and function._plain_count == 2:
                apply = _short_way(function)
            _attach(f"__{word}__", function, apply)
            if operator in _REFLECTED:
                _attach(f"__r{word}__", function, lambda self, other: call(other, self))
            if inplace and operator in _REFLECTED:
                assign = lambda self, other: self._assign(apply(self, other), f"{word}_")
                _attach(f"__i{word}__", function, assign)
        return function

    return attach


def _attach(name: str, function: Any, wrapper: Any) -> None:
    wrapper.__name__ = name
    wrapper.__qualname__ = f"Tensor.{name}"
    wrapper.__doc__ = function.__doc__
    wrapper.__module__ = function.__module__
    wrapper.__wrapped__ = function
    setattr(TensorMethods, name, wrapper)
    methods[name] = function


def incomplete() -> Iterator[str]:
    """Yield a line for each registered operation that lacks a rule and does not say so."""
    for name, known in registry.items():
        if missing := known.missing_rules():
            yield f"{name}: no gradient rule for {', '.join(missing)}"
