"""`record`: what backward does, rule by rule, to be played."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinygrad_cnn.core.modes import watcher
from tinygrad_cnn.core.node import Node, Slot
from tinygrad_cnn.core.op import Op, Rule, registry, source_of
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module

from .formula import rule_formula
from .labels import argument_name
from .preview import Preview, preview
from .snapshot import Snapshot, statistics
from .tracing import Tracer, kept_arrays
from .view import View

_MOST_ELEMENTS = 8192  # shown of one array; fewer where there are many
_ELEMENTS = 75_000  # over the number of operations

_WINDOW = ("kernel", "stride", "padding", "dilation")

Rules = Callable[..., Sequence[Any]]


@dataclass(frozen=True)
class RuleRun:
    """A gradient rule that ran.

    Attributes
    ----------
    inputs : tuple of str
        Whose gradients it computed.
    code, formula : str
        Its source; the same as a formula, empty where it has branches.
    kept : dict of str to Preview
        The arrays that the graph kept for it.
    """

    inputs: tuple[str, ...]
    code: str
    formula: str
    kept: dict[str, Preview]


@dataclass(frozen=True)
class Contribution:
    """What goes along one edge, and the sum that it is added to.

    Attributes
    ----------
    edge : int or None
        Number of the snapshot's edge, against whose direction it goes.
    gradient : Preview
        As it arrives: of the input's shape and dtype.
    broadcast : tuple of int or None
        The shape that the rule gave, where it was summed over broadcast axes.
    before, after : Preview or None
        The sum without it, None where it is the first; and with it.
    """

    edge: int | None
    gradient: Preview
    broadcast: tuple[int, ...] | None
    before: Preview | None
    after: Preview


@dataclass(frozen=True)
class Event:
    """One step of backward.

    Attributes
    ----------
    kind : {"start", "rule", "leaf"}
        The gradient that backward starts with; an operation's rules run; the gradient of a leaf
        is complete, and is added to its ``grad``.
    vertex : int
        Number of the snapshot's vertex: an output, an operation, a leaf.
    arrives : tuple of Preview or None
        The gradient of each output of the operation (else one), complete; None where none came.
    hooked : bool
        Whether a hook made it another one than the sum of what was contributed.
    rules : tuple of RuleRun
    contributions : tuple of Contribution
        Of a leaf, the one to its ``grad``; none where `autograd.grad` returns the gradient.
    seconds : float
        What the rules took.
    """

    kind: Literal["start", "rule", "leaf"]
    vertex: int
    arrives: tuple[Preview | None, ...]
    hooked: bool = False
    rules: tuple[RuleRun, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    seconds: float = 0.0


class Recording:
    """What `record` returns: the backward passes that ran in its block.

    Attributes
    ----------
    passes : list of Pass
        One for each call of ``backward`` or ``autograd.grad``.
    """

    def __init__(
        self, model: Module | None = None, params: Mapping[str, Tensor] | None = None
    ) -> None:
        self.passes: list[Pass] = []
        self._model = model
        self._params = dict(params or {})
        self._token: Token[Any] | None = None

    def __enter__(self) -> Recording:
        self._token = watcher.set(self._begin)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._token is not None:
            watcher.reset(self._token)
        self._finish()

    def _begin(self, roots: list[Tensor], cotangents: list[Any]) -> Callable[[Rules], Rules] | None:
        if self.passes and self.passes[-1].running:
            return None  # a rule itself runs backward, as a checkpoint's does
        self._finish()
        self.passes.append(Pass(roots, cotangents, self._model, dict(self._params)))
        return self.passes[-1].watch

    def _finish(self) -> None:
        if self.passes:
            self.passes[-1].finish()

    @property
    def last(self) -> Pass:
        """The last pass.

        Raises
        ------
        RuntimeError
            If no backward ran in the block.
        """
        if not self.passes:
            raise RuntimeError("record: no backward ran inside the block")
        return self.passes[-1]

    @property
    def snapshot(self) -> Snapshot:
        """The graph of the last pass, with values, gradients and times."""
        return self.last.snapshot

    @property
    def events(self) -> list[Event]:
        """The steps of the last pass, in the order in which the engine took them."""
        return self.last.events

    def view(self, **options: Any) -> View:
        """Select what to show of the last pass; see `Snapshot.view`."""
        return self.last.snapshot.view(**options)

    def save(self, path: str | os.PathLike[str], **options: Any) -> str:
        """Save the last pass; see `Pass.save`."""
        return self.last.save(path, **options)

    def _repr_html_(self) -> str | None:
        """Return the page in a frame, for notebooks."""
        if not self.passes:
            return None
        style = "width:100%;height:720px;border:1px solid #d5dae0"
        return f'<iframe style="{style}" srcdoc="{escape(self.last.page())}"></iframe>'


def record(
    model: Module | None = None, params: Mapping[str, Tensor] | None = None
) -> Recording:
    """Record what backward does, to be played in a browser.

    Used in a ``with`` statement around ``backward`` (or ``autograd.grad``). Recording changes no
    value and no gradient. The forward pass may have run before; results that no rule keeps are
    computed again from those that are known, to be shown.

    Parameters
    ----------
    model, params : optional
        Names, as for `trace`.

    Returns
    -------
    Recording
        ``save("backprop.html")`` writes a page, by itself and without network: it plays the
        forward pass and each step of backward, with the gradient that arrives, the rule, the
        arrays it uses, and what it adds to each input's gradient.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(3.0, requires_grad=True)
    >>> loss = x * x
    >>> with tg.viz.record(params={"x": x}) as rec:
    ...     loss.backward()
    >>> for event in rec.events:
    ...     print(event.kind, rec.snapshot.vertices[event.vertex].title)
    start
    rule mul
    leaf x
    >>> first, second = rec.events[1].contributions
    >>> second.before.statistics.item, second.gradient.statistics.item, second.after.statistics.item
    (3.0, 3.0, 6.0)
    >>> rec.events[1].rules[0].formula
    '∂L/∂input = g · other'
    """
    return Recording(model, params)


@dataclass
class _Leaf:
    """A leaf whose gradient is complete, and soon added to its ``grad``."""

    tensor: Tensor
    arrived: np.ndarray
    place: int  # of its event


class Pass:
    """One run of backward.

    Attributes
    ----------
    snapshot : Snapshot
        The graph as it was before, with the gradients and times of the run.
    events : list of Event
    values : dict of int to tuple of (Preview or None)
        For each vertex whose value is known, its outputs.
    edge_outputs : dict of int to int
        For each edge that comes from an operation of several outputs, which one it is.
    windows : dict of int to dict
        For each convolution and pooling of images, how its window moves: "stride", "padding" and
        "dilation", of pooling also "kernel".
    """

    def __init__(
        self,
        roots: list[Tensor],
        cotangents: list[Any],
        model: Module | None,
        names: dict[str, Tensor],
    ) -> None:
        tracer = self._tracer = Tracer(roots, model, names, again=True)
        self.snapshot = tracer.run()
        self.events: list[Event] = []
        self.running = False
        self._limit = min(_MOST_ELEMENTS, max(64, _ELEMENTS // (len(tracer.nodes) or 1)))
        self._order = tracer.nodes[::-1]  # the engine's
        self._waiting: list[_Leaf] = []
        self._pending: dict[Any, np.ndarray] = {}  # by leaf, or by node and output
        self._seconds: dict[int, float] = {}
        self._arrived: dict[int, Any] = {}  # the norm of what came, by vertex
        parents = [p for node in tracer.nodes for p in node.parents if isinstance(p, Tensor)]
        self._uses = Counter(parents)
        self._grads = {leaf: leaf.grad for leaf in (*parents, *roots)}
        self.values = self._known_values()
        self.edge_outputs = {
            edge: parent.index
            for (node, i), edge in tracer.edge_of.items()
            if isinstance(parent := node.parents[i], Slot)
        }
        self.windows = {
            tracer.numbers[node]: window for node in tracer.nodes if (window := _window(node))
        }
        for root, cotangent in zip(roots, cotangents, strict=True):
            array = _array(cotangent)
            self._add(_key(root if root.grad_fn is None else (root.grad_fn, root.output_nr)), array)
            vertex = tracer.numbers["output", root] if root.grad_fn else tracer.numbers[root]
            self.events.append(Event("start", vertex, (self._preview(array),)))
            self._arrived[vertex] = statistics(array)
            if root.grad_fn is None and root not in self._uses:
                self._complete(root)

    def watch(self, rules: Rules) -> Rules:
        """Return `rules`, watched; see `core.modes.watcher`."""

        def run(node: Node, g: Any, wanted: Sequence[bool] | None) -> Sequence[Any]:
            self._pass_over(node)
            kept = kept_arrays(node)
            start = time.perf_counter()
            self.running = True
            try:
                gradients = rules(node, g, wanted)
            finally:
                self.running = False
            self._rule(node, g, gradients, wanted, kept, time.perf_counter() - start)
            return gradients

        return run

    def finish(self) -> None:
        """Close the events of the leaves, and let go of the graph."""
        if self._tracer is None:
            return
        self._pass_over(None)
        vertices = list(self.snapshot.vertices)
        for number, seconds in self._seconds.items():
            vertices[number] = replace(vertices[number], time=seconds)
        for number, grad in self._arrived.items():
            vertices[number] = replace(vertices[number], grad=grad)
        self.snapshot = replace(self.snapshot, vertices=tuple(vertices))
        self._tracer = None  # type: ignore[assignment]
        for held in (self._pending, self._uses, self._grads):
            held.clear()

    def save(self, path: str | os.PathLike[str], **options: Any) -> str:
        """Write the pass to a file, whole or not at all, and return the path.

        Parameters
        ----------
        path : path
            ``.html`` is a page that plays it; the other endings are those of `View.save`.
        **options
            What to show; see `Snapshot.view`. On a page all modules are open, repeats are not
            folded and parameters are boxes, where not said otherwise.
        """
        from .graph import write

        if Path(path).suffix.lower() != ".html":
            return self.snapshot.view(**options).save(path)
        write(Path(path), self.page(**options).encode())
        return str(path)

    def page(self, **options: Any) -> str:
        """Return the page as text; the options are those of `save`."""
        from .page import html, open_view

        return html(open_view(self.snapshot, **{"params": "nodes", **options}), self)

    # -- watching ------------------------------------------------------------------------------

    def _pass_over(self, node: Node | None) -> None:
        """Go on to `node`; what no gradient came to before it is done with."""
        while self._order and self._order[0] is not node:
            self._done_with(self._order.pop(0))
        self._settle()

    def _done_with(self, node: Node) -> None:
        for parent in node.parents:
            if isinstance(parent, Tensor):
                self._uses[parent] -= 1
                if not self._uses[parent]:
                    self._complete(parent)

    def _rule(
        self,
        node: Node,
        g: Any,
        gradients: Sequence[Any],
        wanted: Sequence[bool] | None,
        kept: dict[str, np.ndarray],
        seconds: float,
    ) -> None:
        tracer = self._tracer
        number = tracer.numbers[node]
        parts = list(g) if isinstance(g, tuple) else [g]
        hooked = False
        arrives: list[Preview | None] = []
        for i, part in enumerate(parts):
            summed = self._pending.pop((node, i), None)
            array = None if part is None else _array(part)
            arrives.append(None if array is None else self._preview(array))
            if array is not None and summed is not None:
                hooked |= not np.array_equal(array, summed, equal_nan=array.dtype.kind == "f")
        if len(parts) == 1:
            self._arrived[number] = statistics(_array(parts[0]))
        contributions = []
        for i, (parent, gradient) in enumerate(zip(node.parents, gradients, strict=True)):
            if parent is None or gradient is None or (wanted is not None and not wanted[i]):
                continue
            array = _array(gradient)
            broadcast = array.shape if array.shape != parent.shape else None
            if broadcast:
                array = registry["sum_to_size"](array, parent.shape)
            array = array.astype(parent.dtype, copy=False)
            before = self._add(_key(parent), array)
            contributions.append(
                Contribution(
                    tracer.edge_of.get((node, i)),
                    self._preview(array),
                    broadcast,
                    None if before is None else self._preview(before),
                    self._preview(self._pending[_key(parent)]),
                )
            )
        self._seconds[number] = seconds
        rules = tuple(self._rule_runs(node, gradients, kept))
        self.events.append(
            Event("rule", number, tuple(arrives), hooked, rules, tuple(contributions), seconds)
        )
        self._order.pop(0)
        self._done_with(node)

    def _rule_runs(
        self, node: Node, gradients: Sequence[Any], kept: dict[str, np.ndarray]
    ) -> list[RuleRun]:
        given = [argument_name(node, i) for i, g in enumerate(gradients) if g is not None]
        if not isinstance(node.op, Op):
            arrays = {name: self._preview(array) for name, array in kept.items()}
            return [RuleRun((), node.rule, "", arrays)]
        runs = []
        for rule in node.op.rules:
            inputs = tuple(n for n in rule.inputs if n in given or node.op.variadic)
            if inputs:
                runs.append(RuleRun(inputs, *_words(rule), self._kept_for(rule, kept)))
        return runs

    def _kept_for(self, rule: Rule, kept: dict[str, np.ndarray]) -> dict[str, Preview]:
        wanted = (name for name in kept if name.partition("[")[0] in rule.needs)
        return {name: self._preview(kept[name]) for name in wanted}

    def _add(self, key: Any, array: np.ndarray) -> np.ndarray | None:
        """Add to what is pending; return the sum before."""
        before = self._pending.get(key)
        with np.errstate(all="ignore"):
            self._pending[key] = array if before is None else before + array
        return before

    def _complete(self, leaf: Tensor) -> None:
        """Note that the gradient of a leaf is complete; its ``grad`` has it a moment later."""
        arrived = self._pending.pop(leaf, None)
        if arrived is not None:
            self._waiting.append(_Leaf(leaf, arrived, len(self.events)))
            vertex = self._tracer.numbers[leaf]
            self.events.append(Event("leaf", vertex, (self._preview(arrived),)))

    def _settle(self) -> None:
        """See what became of the ``grad`` of the leaves whose gradients are complete."""
        for leaf in self._waiting:
            event = self.events[leaf.place]
            self._arrived[event.vertex] = statistics(leaf.arrived)
            now, old = leaf.tensor.grad, self._grads[leaf.tensor]
            if now is None or now is old:
                continue  # autograd.grad returns it
            before = None if old is None else old.data
            with np.errstate(all="ignore"):
                expected = leaf.arrived if before is None else before + leaf.arrived
            hooked = not np.array_equal(now.data, expected, equal_nan=True)
            step = Contribution(
                None,
                self._preview(leaf.arrived),
                None,
                None if before is None else self._preview(before),
                self._preview(now.data),
            )
            self.events[leaf.place] = replace(event, hooked=hooked, contributions=(step,))
            self._arrived[event.vertex] = statistics(now.data)
        self._waiting.clear()

    # -- values --------------------------------------------------------------------------------

    def _preview(self, array: Any) -> Preview:
        return preview(np.asarray(array), self._limit)

    def _known_values(self) -> dict[int, tuple[Preview | None, ...]]:
        """Return the values of vertices, as they are before backward."""
        tracer = self._tracer
        found: dict[int, list[Any]] = {}
        for node in tracer.nodes:
            count = len(node.op.outputs_of(node))
            found[tracer.numbers[node]] = [tracer.values.get((node, i)) for i in range(count)]
            kept = kept_arrays(node)
            for i, parent in enumerate(node.parents):
                edge = tracer.edge_of.get((node, i))
                if edge is None or isinstance(parent, (Node, Slot)):
                    continue
                name = argument_name(node, i)
                value = kept.get(name, node.numbers.get(name)) if parent is None else parent.data
                found[tracer.edges[edge].tail] = [value]
        for root in tracer.roots:
            if root.grad_fn is None:
                found[tracer.numbers[root]] = [root.data]
            else:
                found[tracer.numbers["output", root]] = [root.data]
                found[tracer.numbers[root.grad_fn]][root.output_nr] = root.data
        return {
            number: tuple(None if value is None else self._preview(value) for value in values)
            for number, values in found.items()
        }


def _words(rule: Rule) -> tuple[str, str]:
    return source_of(rule.function), rule_formula(rule.function, rule.inputs)


def _window(node: Node) -> dict[str, Any]:
    """Return how the window of a convolution or pooling of images moves; {} of any other."""
    if node.name() not in ("conv2d", "max_pool2d", "avg_pool2d"):
        return {}
    options = node.options
    if "window" in options:
        options = options["window"]._asdict()
    return {name: options[name] for name in _WINDOW if name in options}


def _key(edge: Any) -> Any:
    if isinstance(edge, Node):
        return edge, 0
    return (edge.node, edge.index) if isinstance(edge, Slot) else edge


def _array(value: Any) -> np.ndarray:
    return value.data if isinstance(value, Tensor) else np.asarray(value)
