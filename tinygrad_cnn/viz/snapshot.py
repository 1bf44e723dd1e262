"""An immutable picture in words of a recorded graph: what a drawing shows, and nothing else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

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
    time : float or None
        Seconds that the operation's rule took in backward, where they were recorded.
    stored : bool
        Whether it is data that the model has: a buffer, or a parameter that does not learn.
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
    time: float | None = None
    stored: bool = False


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
        """Write a view to a file; see `View.save`.

        On a page (``.html``), which can close modules itself, all of them are open and repeats are
        not folded, where not said otherwise.
        """
        if Path(path).suffix.lower() == ".html":
            from .page import open_view

            return open_view(self, **options).save(path)
        return self.view(**options).save(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        return self.view()._repr_mimebundle_(include, exclude)


def statistics(data: Any) -> Statistics | None:
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
