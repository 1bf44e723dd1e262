"""An immutable picture in words of a recorded graph: what a drawing shows, and nothing else."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tinygrad_cnn.core.node import Node, Slot
from tinygrad_cnn.core.op import check_kept
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.parameter import Parameter

from .labels import argument_name, describe, input_title, is_optional

Kind = Literal["operation", "parameter", "input", "data", "output"]


@dataclass(frozen=True)
class Vertex:
    """One box of the drawing.

    Attributes
    ----------
    kind : str
        ``"operation"``; ``"parameter"``, a leaf that learns; ``"input"``, another leaf that
        requires grad; ``"data"``, what an operation took that gets no gradient; ``"output"``, a
        tensor that was asked for.
    title : str
        An operation with its options, or the name of a tensor; empty where it has none.
    name : str
        The name given to an operation's result.
    shape : tuple of int or None
        None where it is not recorded.
    dtype : numpy.dtype or None
    frame : int
        Number of the frame that it stands in.
    value, grad : number or None
        Of a tensor of one element, where known.
    """

    kind: Kind
    title: str
    name: str = ""
    shape: tuple[int, ...] | None = None
    dtype: np.dtype | None = None
    frame: int = 0
    value: Any = None
    grad: Any = None


@dataclass(frozen=True)
class Edge:
    """A tensor on its way from the vertex that made it to one that takes it.

    Attributes
    ----------
    tail, head : int
        Numbers of the two vertices.
    shape : tuple of int or None
    output : str
        Which output it is, where the operation at the tail has several.
    """

    tail: int
    head: int
    shape: tuple[int, ...] | None
    output: str = ""


@dataclass(frozen=True)
class Frame:
    """One call of a module: what goes on in it, inside the call (the frame) that made it.

    A module that is called twice, such as a shared ReLU, has two frames. The frame number 0 is
    around everything, and its path is empty.

    Attributes
    ----------
    path : str
        Such as ``features.0``.
    parent : int
        Number of the frame around it.
    """

    path: str
    parent: int


@dataclass(frozen=True)
class Snapshot:
    """A recorded graph at one moment; vertices stand in the order of the forward pass."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...]


def trace(
    tensors: Sequence[Tensor],
    names: Mapping[str, Tensor],
    parameters: Collection[Tensor],
) -> Snapshot:
    """Take a snapshot of the graph that made `tensors`.

    Nothing is computed and nothing changed. What the graph does not hold is left out: the value
    of an intermediate result is there only where `names` has the tensor or a rule keeps it, and
    an input that gets no gradient has a shape only while a rule keeps it.

    Parameters
    ----------
    tensors : sequence of Tensor
    names : mapping of str to Tensor
        Names for leaves, intermediate results and data; of two names for one, the first counts.
    parameters : collection of Tensor
        Leaves that count as parameters, beside every `tinygrad_cnn.nn.Parameter`.

    Returns
    -------
    Snapshot
    """
    return _Tracer(tensors, names, parameters).run()


class _Tracer:
    def __init__(
        self,
        tensors: Sequence[Tensor],
        names: Mapping[str, Tensor],
        parameters: Collection[Tensor],
    ) -> None:
        self.parameters = set(parameters)
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
        self.frames = [Frame("", 0)]
        self.frame_of: dict[Node | Tensor, int] = {}
        self.numbers: dict[Any, int] = {}  # node, leaf or data -> its vertex

    def run(self) -> Snapshot:
        kept = {node: _kept(node) for node in self.nodes}
        values = self._kept_values(kept)
        self._enter_frames()
        for node in self.nodes:
            sources = [
                self._source(node, i, kept[node].get(argument_name(node, i)))
                for i in range(len(node.parents))
            ]
            number = self._add(node, self._operation(node, values))
            for parent, source in zip(node.parents, sources, strict=True):
                if source is not None:
                    shape = self.vertices[source].shape if parent is None else parent.shape
                    self._connect(source, number, shape, parent)
        for root in self.roots:
            self._output(root)
        return Snapshot(tuple(self.vertices), tuple(self.edges), tuple(self.frames))

    def _enter_frames(self) -> None:
        """Find the frame of each node, and of each leaf: the innermost one around its uses."""
        current = 0
        for node in self.nodes:
            while not _within(node.scope, self.frames[current].path):
                current = self.frames[current].parent
            path = self.frames[current].path
            deeper = node.scope[len(path) :].strip(".")
            for part in deeper.split(".") if deeper else ():
                path = f"{path}.{part}" if path else part
                self.frames.append(Frame(path, current))
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

    def _connect(self, tail: int, head: int, shape: Any, parent: Any) -> None:
        output = _output_name(parent.node, parent.index) if isinstance(parent, Slot) else ""
        self.edges.append(Edge(tail, head, shape, output))

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
            title = self.data_names.get(id(kept)) or input_title(node, i)
            frame = 0 if i == 0 else self.frame_of[node]  # the first comes from outside the module
            if kept is None:
                vertex = Vertex("data", title, frame=frame, value=number)
            else:
                vertex = Vertex("data", title, "", kept.shape, kept.dtype, frame, _number(kept))
            self._add(key, vertex)
        return self.numbers[key]

    def _leaf(self, leaf: Tensor, argument: str = "") -> Vertex:
        title = self.leaf_names.get(leaf, argument)
        learns = isinstance(leaf, Parameter) or leaf in self.parameters
        kind: Kind = "parameter" if learns else "input"
        frame = self.frame_of.get(leaf, 0) if kind == "parameter" else 0
        value, grad = _number(leaf.data), _gradient(leaf)
        return Vertex(kind, title, "", leaf.shape, leaf.dtype, frame, value, grad)

    def _operation(self, node: Node, values: dict[Any, Any]) -> Vertex:
        title, name, value, grad = describe(node), "", None, None
        if node.shape is not None and (node, 0) not in self.outputs:
            known = self.results.get((node, 0))
            name = self.result_names.get((node, 0), "")
            value = values.get((node, 0)) if known is None else _number(known.data)
            grad = None if known is None else _gradient(known)
        frame = self.frame_of[node]
        return Vertex("operation", title, name, node.shape, node.dtype, frame, value, grad)

    def _output(self, root: Tensor) -> None:
        node = root.grad_fn
        if node is None:
            if root not in self.numbers:
                self._add(root, self._leaf(root))
            return
        name = self.result_names.get((node, root.output_nr), "")
        value, grad = _number(root.data), _gradient(root)
        vertex = Vertex("output", name, "", root.shape, root.dtype, 0, value, grad)
        output = _output_name(node, root.output_nr) if node.shape is None else ""
        self.edges.append(Edge(self.numbers[node], self._add(object(), vertex), root.shape, output))

    def _kept_values(self, kept: dict[Node, dict[str, np.ndarray]]) -> dict[Any, Any]:
        """Return the results of one element that some rule keeps, by node and output."""
        values = {}
        for node, arrays in kept.items():
            for i, parent in enumerate(node.parents):
                array = arrays.get(argument_name(node, i))
                if array is not None and array.size == 1 and isinstance(parent, (Node, Slot)):
                    slot = (parent, 0) if isinstance(parent, Node) else (parent.node, parent.index)
                    values[slot] = array.item()
            if node.shape is not None and "out" in arrays:
                values[node, 0] = _number(arrays["out"])
        return values


def _reachable(roots: Sequence[Tensor]) -> list[Node]:
    """Return the nodes under `roots`, oldest first."""
    seen = {root.grad_fn for root in roots if root.grad_fn is not None}
    stack = list(seen)
    while stack:
        for parent, _ in stack.pop().next_functions:
            if isinstance(parent, Node) and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=operator.attrgetter("seq"))


def _kept(node: Node) -> dict[str, np.ndarray]:
    """Return the arrays that the node keeps; none where they were freed, or changed in place."""
    try:
        check_kept(node, node._versions)
    except RuntimeError:
        return {}
    return node.saved


def _output_name(node: Node, index: int) -> str:
    """Return what an arrow says of the output it starts from; nothing of the one called out."""
    name = node.op.outputs_of(node)[index]
    if name == "out":
        return ""
    return name if isinstance(name, str) else f"output {index}"


def _within(scope: str, path: str) -> bool:
    return not path or scope == path or scope.startswith(f"{path}.")


def _number(array: np.ndarray) -> Any:
    return array.item() if array.size == 1 else None


def _gradient(tensor: Tensor) -> Any:
    return None if tensor.grad is None else _number(tensor.grad.data)
