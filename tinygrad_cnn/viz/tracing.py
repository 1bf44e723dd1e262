"""From a recorded graph to a snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.node import Node, Slot
from tinygrad_cnn.core.op import Op, check_kept
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.nn.parameter import Parameter

from .labels import argument_name, describe, input_title, is_optional, text, within
from .snapshot import Edge, Frame, Kind, Snapshot, Statistics, Vertex, statistics


def trace(
    tensors: Tensor | Sequence[Tensor],
    model: Module | None = None,
    params: Mapping[str, Tensor] | None = None,
) -> Snapshot:
    """Take a snapshot of the graph that made `tensors`.

    Nothing is changed. What the graph does not hold is left out: the value of an intermediate
    result is there only where `params` has the tensor or a rule keeps it, and an input that gets
    no gradient has a shape only while a rule keeps it. Only where there is a NaN or an infinity,
    results whose operation has all of its inputs are computed again, to find the first.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        Such as the loss.
    model : Module, optional
        Its parameters and buffers have the names that they have in ``state_dict``, and modules
        the names of their classes; parameters that the graph does not lead to are noted.
    params : mapping of str to Tensor, optional
        More names: for results of operations, for data, and for leaves. Where no model is given,
        these leaves count as parameters, as an `nn.Parameter` always does.

    Returns
    -------
    Snapshot
        It keeps no tensor alive. ``view()`` selects, ``save("net.svg")`` draws.

    Raises
    ------
    TypeError
        If something else than Tensors is given.
    RuntimeError
        If there is no graph: the tensor does not require grad.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Linear(4, 3), tg.nn.ReLU())
    >>> snapshot = tg.viz.trace(model(tg.ones(2, 4)).sum(), model)
    >>> [vertex.title for vertex in snapshot.vertices if vertex.kind == "operation"]
    ['linear', 'relu', 'sum']
    >>> snapshot.parameter_count
    15
    """
    roots = _checked(tensors)
    snapshot = Tracer(roots, model, dict(params or {})).run()
    if any(v.value is not None and not v.value.finite for v in snapshot.vertices):
        return Tracer(roots, model, dict(params or {}), again=True).run()
    return snapshot


def _checked(tensors: Any) -> list[Tensor]:
    roots = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    if not roots:
        raise RuntimeError("trace: no tensors given")
    for i, root in enumerate(roots):
        if not isinstance(root, Tensor):
            raise TypeError(
                f"trace: expected a Tensor or a sequence of Tensors, got {type(root).__name__}"
            )
        if not root.requires_grad:
            which = "the tensor" if len(roots) == 1 else f"tensor {i}"
            raise RuntimeError(
                f"trace: {which} has no recorded graph: it does not require grad, because nothing "
                "that made it does, or because it was made under no_grad() or detached"
            )
    return roots


class Tracer:
    """Makes a snapshot; `recording` also asks it what stands where.

    Attributes
    ----------
    nodes : list of Node
        Oldest first.
    numbers : dict
        The vertex of each node, leaf tensor and ("output", tensor).
    edge_of : dict of (Node, int) to int
        The edge that brings a node its input.
    values : dict of (Node, int) to ndarray
        The results that are known, by the output's number.
    """

    def __init__(
        self,
        tensors: Sequence[Tensor],
        model: Module | None,
        names: dict[str, Tensor],
        again: bool = False,
    ) -> None:
        self.again = again
        self.parameters = set(names.values()) if model is None else set()
        self.modules: dict[str, str] = {}
        self.learnable: dict[str, Tensor] = {}
        self.stored: set[int] = set()  # identities of the model's arrays
        if model is not None:
            self.modules = {path: type(m).__name__ for path, m in model.named_modules()}
            self.learnable = {n: p for n, p in model.named_parameters() if p.requires_grad}
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                names.setdefault(name, tensor)
                self.stored.add(id(tensor._data))
        self.roots = list(dict.fromkeys(tensors))
        self.nodes = _reachable(self.roots)
        self.vertices: list[Vertex] = []
        self.edges: list[Edge] = []
        self.leaf_names: dict[Tensor, str] = {}
        self.data_names: dict[int, str] = {}  # by the identity of the array
        self.results: dict[Any, Tensor] = {}  # (node, number of the output) -> known tensor
        self.result_names: dict[Any, str] = {}
        for name, tensor in names.items():
            self.data_names.setdefault(id(tensor._data), name)
            if tensor.grad_fn is None:
                self.leaf_names.setdefault(tensor, name)
            else:
                self.result_names.setdefault((tensor.grad_fn, tensor.output_nr), name)
        for tensor in (*names.values(), *self.roots):
            if tensor.grad_fn is not None:
                self.results[tensor.grad_fn, tensor.output_nr] = tensor
        self.outputs = {(root.grad_fn, root.output_nr) for root in self.roots}
        self.frames = [Frame("", 0, self.modules.get("", ""))]
        self.frame_of: dict[Node | Tensor, int] = {}
        self.numbers: dict[Any, int] = {}  # also of data
        self.edge_of: dict[tuple[Node, int], int] = {}

    def run(self) -> Snapshot:
        """Return the snapshot."""
        kept = {node: kept_arrays(node) for node in self.nodes}
        self.values = self._kept_values(kept)
        self.bytes = self._kept_bytes(kept)
        if self.again:
            self._compute_again(kept)
        self._enter_frames()
        for node in self.nodes:
            sources = [
                self._source(node, i, kept[node].get(argument_name(node, i)))
                for i in range(len(node.parents))
            ]
            number = self._add(node, self._operation(node))
            for i, (parent, source) in enumerate(zip(node.parents, sources, strict=True)):
                if source is not None:
                    shape = self.vertices[source].shape if parent is None else parent.shape
                    output = (
                        _output_name(parent.node, parent.index) if isinstance(parent, Slot) else ""
                    )
                    argument = argument_name(node, i)
                    self.edge_of[node, i] = len(self.edges)
                    self.edges.append(Edge(source, number, shape, output, argument))
        for root in self.roots:
            self._output(root)
        unreached = [p for p in self.learnable.values() if p not in self.numbers]
        return Snapshot(
            tuple(self.vertices),
            tuple(self.edges),
            tuple(self.frames),
            tuple(self._leaf(parameter) for parameter in unreached),
            tuple(self.modules),
        )

    def _enter_frames(self) -> None:
        """Find the frame of each node, and of each leaf: the innermost one around its uses."""
        current = 0
        for node in self.nodes:
            while not within(node.scope, self.frames[current].path):
                current = self.frames[current].parent
            path = self.frames[current].path
            deeper = node.scope[len(path) :].strip(".")
            for part in deeper.split(".") if deeper else ():
                path = f"{path}.{part}" if path else part
                self.frames.append(Frame(path, current, self.modules.get(path, "")))
                current = len(self.frames) - 1
            self.frame_of[node] = current
            for parent in node.parents:
                if isinstance(parent, Tensor):
                    self.frame_of[parent] = self._around(
                        self.frame_of.get(parent, current), current
                    )

    def _around(self, first: int, second: int) -> int:
        """Return the innermost frame around both; a frame's number is above its parent's."""
        while first != second:
            first, second = sorted((first, second))
            second = self.frames[second].parent
        return first

    def _add(self, key: Any, vertex: Vertex) -> int:
        self.numbers[key] = len(self.vertices)
        self.vertices.append(vertex)
        return self.numbers[key]

    def _source(self, node: Node, i: int, kept: np.ndarray | None) -> int | None:
        """Return the vertex that input `i` of `node` comes from; None where there is no input."""
        parent = node.parents[i]
        if isinstance(parent, (Node, Slot)):
            return self.numbers[parent if isinstance(parent, Node) else parent.node]
        if parent is not None:
            if parent not in self.numbers:
                self._add(parent, self._leaf(parent, input_title(node, i)))
            return self.numbers[parent]
        number = node.numbers.get(argument_name(node, i))
        if kept is None and number is None and is_optional(node, i):
            return None  # most likely not given
        key = (node, i) if kept is None else ("data", id(kept))
        if key not in self.numbers:
            name = self.data_names.get(id(kept), "")
            title = name or input_title(node, i)
            stored = id(kept) in self.stored
            # otherwise the first comes from outside the module
            frame = self.frame_of[node] if i or stored else 0
            if kept is None:
                vertex = Vertex("data", title, frame=frame, value=statistics(number))
            else:
                value = statistics(kept)
                vertex = Vertex(
                    "data", title, name, kept.shape, kept.dtype, frame, value, stored=stored
                )
            self._add(key, vertex)
        return self.numbers[key]

    def _leaf(self, leaf: Tensor, argument: str = "") -> Vertex:
        title = self.leaf_names.get(leaf, argument)
        learns = isinstance(leaf, Parameter) or leaf in self.parameters
        kind: Kind = "parameter" if learns else "input"
        frame = self.frame_of.get(leaf, 0) if kind == "parameter" else 0
        value, grad = statistics(leaf.data), _gradient(leaf)
        return Vertex(kind, title, "", leaf.shape, leaf.dtype, frame, value, grad)

    def _operation(self, node: Node) -> Vertex:
        title, name, value, grad = describe(node), "", None, None
        if node.shape is not None and (node, 0) not in self.outputs:
            known = self.results.get((node, 0))
            name = self.result_names.get((node, 0), "")
            value = statistics(self.values.get((node, 0)) if known is None else known.data)
            grad = None if known is None else _gradient(known)
        return Vertex(
            "operation",
            title,
            name,
            node.shape,
            node.dtype,
            self.frame_of[node],
            value,
            grad,
            op=node.name(),
            options=tuple((name, text(option)) for name, option in node.options.items()),
            kept=self.bytes[node],
            site=node.site,
        )

    def _output(self, root: Tensor) -> None:
        node = root.grad_fn
        if node is None:
            if root not in self.numbers:
                self._add(root, self._leaf(root))
            return
        name = self.result_names.get((node, root.output_nr), "")
        value, grad = statistics(root.data), _gradient(root)
        vertex = Vertex("output", name, "", root.shape, root.dtype, 0, value, grad)
        output = _output_name(node, root.output_nr) if node.shape is None else ""
        self.edges.append(Edge(self.numbers[node], self._add(("output", root), vertex), root.shape, output))

    def _kept_values(self, kept: dict[Node, dict[str, np.ndarray]]) -> dict[Any, np.ndarray]:
        """Return the results that some rule keeps, by node and number of the output."""
        values = {}
        for node, arrays in kept.items():
            for i, parent in enumerate(node.parents):
                array = arrays.get(argument_name(node, i))
                if array is not None and isinstance(parent, (Node, Slot)):
                    slot = (parent, 0) if isinstance(parent, Node) else (parent.node, parent.index)
                    values[slot] = array
            if node.shape is not None and "out" in arrays:
                values[node, 0] = arrays["out"]
        return values

    def _compute_again(self, kept: dict[Node, dict[str, np.ndarray]]) -> None:
        """Compute the results that are not known, where all inputs are."""
        for node in self.nodes:
            if (node, 0) in self.values or not isinstance(node.op, Op):
                continue
            known = {**node.numbers, **kept[node]}
            for i, parent in enumerate(node.parents):
                name = argument_name(node, i)
                slot = (parent.node, parent.index) if isinstance(parent, Slot) else (parent, 0)
                if isinstance(parent, Tensor):
                    if parent._counter is None or parent._counter[1] < node.seq:  # as it was
                        known[name] = parent._data
                elif slot in self.values:
                    known[name] = self.values[slot]
                elif parent is None and is_optional(node, i):
                    known.setdefault(name, None)
            names = [argument_name(node, i) for i in range(len(node.parents))]
            if known.keys() >= set(names):
                given = {name: known[name] for name in names}
                if node.op.variadic:
                    given = {node.op.parameters[node.op.inputs[0]]: list(given.values())}
                with np.errstate(all="ignore"):
                    made = node.op.forward(**given, **node.options)
                single = len(node.op.outputs) == 1 and not node.op.auxiliary
                for i, out in enumerate([made] if single else made[: len(node.op.outputs)]):
                    self.values[node, i] = np.asarray(out)

    def _kept_bytes(self, kept: dict[Node, dict[str, np.ndarray]]) -> dict[Node, int]:
        leaves = [p for node in self.nodes for p in node.parents if isinstance(p, Tensor)]
        counted = {id(_memory(leaf._data)) for leaf in leaves}
        sizes = {}
        for node, arrays in kept.items():
            memory = {id(part): part.nbytes for part in map(_memory, arrays.values())}
            sizes[node] = sum(memory[part] for part in memory.keys() - counted)
            counted.update(memory)
        return sizes


def _reachable(roots: Sequence[Tensor]) -> list[Node]:
    """Return the nodes under `roots`, oldest first."""
    seen = {root.grad_fn for root in roots if root.grad_fn is not None}
    stack = list(seen)
    while stack:
        for parent, _ in stack.pop().next_functions:
            if isinstance(parent, Node) and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.seq)


def kept_arrays(node: Node) -> dict[str, np.ndarray]:
    """Return the arrays that the node keeps; none where they were freed, or changed in place."""
    try:
        check_kept(node, node._versions)
    except RuntimeError:
        return {}
    return node.saved


def _memory(array: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory."""
    return array.base if isinstance(array.base, np.ndarray) else array


def _output_name(node: Node, index: int) -> str:
    """Return what an arrow says of the output it starts from; nothing of the one called out."""
    name = node.op.outputs_of(node)[index]
    if name == "out":
        return ""
    return name if isinstance(name, str) else f"output {index}"


def _gradient(tensor: Tensor) -> Statistics | None:
    return None if tensor.grad is None else statistics(tensor.grad.data)
