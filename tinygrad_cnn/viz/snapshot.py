"""An immutable picture in words of a recorded graph: what a drawing shows, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tinygrad_cnn.core.node import Node, Slot
from tinygrad_cnn.core.op import Op, check_kept
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.nn.parameter import Parameter

from .labels import argument_name, describe, input_title, is_optional, text, within

if TYPE_CHECKING:
    from .findings import Finding
    from .graph import Graph
    from .view import View

Kind = Literal["operation", "parameter", "input", "data", "output", "module"]


@dataclass(frozen=True)
class Statistics:
    """What an array is like, in a few numbers.

    Attributes
    ----------
    size : int
        Number of elements.
    norm, mean, std, low, high : float
        The Euclidean norm, and so on; NaN where there are NaNs.
    nan, inf : int
        How many elements are NaN, and infinite.
    """

    size: int
    norm: float
    mean: float
    std: float
    low: Any
    high: Any
    nan: int
    inf: int

    @property
    def item(self) -> Any:
        """The only element; None where there are several."""
        return self.low if self.size == 1 else None

    @property
    def finite(self) -> bool:
        """Whether no element is NaN or infinite."""
        return not (self.nan or self.inf)

    @property
    def zero(self) -> bool:
        """Whether there are elements, and all are 0."""
        return self.size > 0 and self.low == 0 == self.high


@dataclass(frozen=True)
class Vertex:
    """One box of the drawing.

    Attributes
    ----------
    kind : str
        ``"operation"``; ``"parameter"``, a leaf that learns; ``"input"``, another leaf that
        requires grad; ``"data"``, what an operation took that gets no gradient; ``"output"``, a
        tensor that was asked for. In a view also ``"module"``, a call of one that is closed.
    title : str
        An operation with its options, or the name of a tensor; empty where it has none.
    name : str
        The name given to an operation's result, or to data.
    shape : tuple of int or None
        None where it is not recorded.
    dtype : numpy.dtype or None
    frame : int
        Number of the frame that it stands in.
    value, grad : Statistics or None
        Of the tensor, where they are known.
    op : str
        Name of the operation.
    options : tuple of (str, str)
        The operation's options.
    kept : int
        Bytes that the operation keeps for backward; an array that several keep counts once, a
        parameter not at all.
    site : str or None
        The line of the user's program, where recorded: under `detect_anomaly`.
    mark : str
        In a comparison, ``"added"``, ``"removed"`` or ``"changed"``.
    """

    kind: Kind
    title: str
    name: str = ""
    shape: tuple[int, ...] | None = None
    dtype: np.dtype | None = None
    frame: int = 0
    value: Statistics | None = None
    grad: Statistics | None = None
    op: str = ""
    options: tuple[tuple[str, str], ...] = ()
    kept: int = 0
    site: str | None = None
    mark: str = ""


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
    argument : str
        What the operation at the head calls it.
    """

    tail: int
    head: int
    shape: tuple[int, ...] | None
    output: str = ""
    argument: str = ""


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
    module : str
        Name of the module's class; empty where no model was given.
    """

    path: str
    parent: int
    module: str = ""


@dataclass(frozen=True)
class Snapshot:
    """A recorded graph at one moment; vertices stand in the order of the forward pass.

    Attributes
    ----------
    vertices, edges, frames : tuple
        `Vertex`, `Edge` and `Frame`.
    unreached : tuple of Vertex
        Parameters of the model that require grad and that the graph does not lead to.
    modules : tuple of str
        Paths of the model's modules, in the order of their definition.
    """

    vertices: tuple[Vertex, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...]
    unreached: tuple[Vertex, ...] = ()
    modules: tuple[str, ...] = ()

    @cached_property
    def parameter_count(self) -> int:
        """Number of elements of the parameters that the graph leads to; a tied one counts once."""
        return sum(v.value.size for v in self.vertices if v.kind == "parameter" and v.value)

    @cached_property
    def has_gradients(self) -> bool:
        """Whether backward has left a gradient on any leaf."""
        return any(v.grad is not None for v in self.vertices if v.kind in ("parameter", "input"))

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the values, the gradients and the parameters; see `check`."""
        from .findings import find

        return tuple(find(self))

    def view(self, **options: Any) -> View:
        """Select what to show; see `tinygrad_cnn.viz.selection.select` for the options."""
        from .selection import select

        return select(self, **options)

    def to_graphviz(self) -> Graph:
        """Return the default view's drawing."""
        return self.view().to_graphviz()

    def save(self, path: str | os.PathLike[str], **options: Any) -> str:
        """Write a view to a file; see `View.save`."""
        return self.view(**options).save(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        return self.view()._repr_mimebundle_(include, exclude)


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
    snapshot = _Tracer(roots, model, dict(params or {})).run()
    if any(v.value is not None and not v.value.finite for v in snapshot.vertices):
        return _Tracer(roots, model, dict(params or {}), again=True).run()
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


class _Tracer:
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
        if model is not None:
            self.modules = {path: type(m).__name__ for path, m in model.named_modules()}
            self.learnable = {n: p for n, p in model.named_parameters() if p.requires_grad}
            for name, tensor in (*model.named_parameters(), *model.named_buffers()):
                names.setdefault(name, tensor)
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
        self.numbers: dict[Any, int] = {}  # node, leaf or data -> its vertex

    def run(self) -> Snapshot:
        kept = {node: _kept(node) for node in self.nodes}
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
                    output = _output_name(parent.node, parent.index) if isinstance(parent, Slot) else ""
                    argument = argument_name(node, i)
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
            frame = 0 if i == 0 else self.frame_of[node]  # the first comes from outside the module
            if kept is None:
                vertex = Vertex("data", title, frame=frame, value=_statistics(number))
            else:
                value = _statistics(kept)
                vertex = Vertex("data", title, name, kept.shape, kept.dtype, frame, value)
            self._add(key, vertex)
        return self.numbers[key]

    def _leaf(self, leaf: Tensor, argument: str = "") -> Vertex:
        title = self.leaf_names.get(leaf, argument)
        learns = isinstance(leaf, Parameter) or leaf in self.parameters
        kind: Kind = "parameter" if learns else "input"
        frame = self.frame_of.get(leaf, 0) if kind == "parameter" else 0
        value, grad = _statistics(leaf.data), _gradient(leaf)
        return Vertex(kind, title, "", leaf.shape, leaf.dtype, frame, value, grad)

    def _operation(self, node: Node) -> Vertex:
        title, name, value, grad = describe(node), "", None, None
        if node.shape is not None and (node, 0) not in self.outputs:
            known = self.results.get((node, 0))
            name = self.result_names.get((node, 0), "")
            value = _statistics(self.values.get((node, 0)) if known is None else known.data)
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
        value, grad = _statistics(root.data), _gradient(root)
        vertex = Vertex("output", name, "", root.shape, root.dtype, 0, value, grad)
        output = _output_name(node, root.output_nr) if node.shape is None else ""
        self.edges.append(Edge(self.numbers[node], self._add(object(), vertex), root.shape, output))

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
            if (node, 0) in self.values or node.shape is None or not isinstance(node.op, Op):
                continue
            known = {**node.numbers, **kept[node]}
            for i, parent in enumerate(node.parents):
                name = argument_name(node, i)
                if isinstance(parent, Tensor):
                    known[name] = parent._data
                elif isinstance(parent, Node) and (parent, 0) in self.values:
                    known[name] = self.values[parent, 0]
                elif parent is None and is_optional(node, i):
                    known.setdefault(name, None)
            names = [argument_name(node, i) for i in range(len(node.parents))]
            if known.keys() >= set(names) and not node.op.auxiliary:
                given = {name: known[name] for name in names}
                if node.op.variadic:
                    given = {node.op.parameters[node.op.inputs[0]]: list(given.values())}
                with np.errstate(all="ignore"):
                    self.values[node, 0] = np.asarray(node.op.forward(**given, **node.options))

    def _kept_bytes(self, kept: dict[Node, dict[str, np.ndarray]]) -> dict[Node, int]:
        leaves = [p for node in self.nodes for p in node.parents if isinstance(p, Tensor)]
        counted = {id(leaf._data) for leaf in leaves}
        sizes = {}
        for node, arrays in kept.items():
            new = {id(array): array.nbytes for array in arrays.values() if id(array) not in counted}
            counted.update(new)
            sizes[node] = sum(new.values())
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


def _statistics(data: Any) -> Statistics | None:
    """Return what `data` is like; None of None."""
    if data is None:
        return None
    array = np.asarray(data)
    if not array.size:
        return Statistics(0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0)
    if array.size == 1:
        item = array.item()
        nan, inf = int(item != item), int(abs(item) == np.inf)
        return Statistics(1, abs(float(item)), float(item), 0.0, item, item, nan, inf)
    low, high = array.min().item(), array.max().item()
    peak = max(-low, high)
    flat = array.ravel("K")
    scale = 1.0
    if 0 < peak < np.inf and not 1e-15 < peak < 1e15:  # whose squares may be out of range
        scale = float(peak)
        flat = flat / np.float64(scale)
    elif array.dtype.name not in ("float32", "float64"):
        flat = flat.astype(np.float64)
    nan = inf = 0
    if not abs(low) + abs(high) < np.inf:
        nan, inf = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
    with np.errstate(all="ignore"):
        norm, mean = float(np.dot(flat, flat)) ** 0.5, float(flat.mean())
        std = scale * max(norm**2 / flat.size - mean**2, 0.0) ** 0.5
        norm, mean = scale * norm, scale * mean
    return Statistics(flat.size, norm, mean, std, low, high, nan, inf)


def _gradient(tensor: Tensor) -> Statistics | None:
    return None if tensor.grad is None else _statistics(tensor.grad.data)
