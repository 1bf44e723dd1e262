"""A view: the boxes and arrows that a drawing shows, and how it is saved."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .snapshot import Edge, Frame, Vertex

if TYPE_CHECKING:
    from .graph import Graph


@dataclass(frozen=True)
class Box:
    """One box of a view.

    Attributes
    ----------
    vertex : Vertex
        What it shows; of a closed module, a vertex of kind ``"module"``.
    members : tuple of int
        Numbers of the snapshot's vertices that it stands for.
    lines : tuple of str
        What it says below its title: parameters, and warnings.
    amount : float or None
        What its colour says: the norm of the gradient, the bytes kept, or the seconds.
    mark : str
        ``"first"`` of the first NaN or infinity, ``"trail"`` of what lies behind it,
        ``"warning"`` of another finding; in a comparison ``"added"``, ``"removed"``, ``"changed"``.
    """

    vertex: Vertex
    members: tuple[int, ...]
    lines: tuple[str, ...] = ()
    amount: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class View:
    """What a drawing shows: boxes, arrows between them, frames around them, and notes.

    Attributes
    ----------
    boxes : tuple of Box
    edges : tuple of Edge
        Their ends are numbers of boxes.
    frames : tuple of Frame
        As in the snapshot.
    labels : tuple of str
        For each frame, what it says: its path from the frame around it.
    notes : tuple of str
        What is said below the drawing.
    color, direction, legend, theme
        As they were asked for.
    """

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    frames: tuple[Frame, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]
    color: str
    direction: str
    legend: bool
    theme: str

    def to_graphviz(self) -> Graph:
        """Return the drawing as a `graphviz.Digraph`."""
        from .graph import Graph

        return Graph.of(self)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the view to a file, whole or not at all, and return the path.

        Parameters
        ----------
        path : path
            Its ending says the format: ``.svg``, ``.png`` and ``.pdf`` are rendered, see
            `Graph.save`; ``.dot`` is text for graphviz, ``.mmd`` for Mermaid (which GitHub and
            many notebooks show), ``.html`` a page to look around in, and ``.json`` holds all that
            is known of the boxes shown.

        Raises
        ------
        ValueError
            If the name ends in something else.
        RuntimeError
            If a program is needed and not installed.
        """
        from .graph import FORMATS, write

        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".html":
            from .page import html

            write(path, html(self).encode())
        elif suffix == ".mmd":
            from .mermaid import flowchart

            write(path, flowchart(self).encode())
        elif suffix == ".json":
            write(path, json.dumps(_plain(self), indent=1).encode())
        elif suffix in FORMATS:
            self.to_graphviz().save(path)
        else:
            formats = ", ".join((*filter(None, FORMATS), ".html, .mmd or .json"))
            raise ValueError(f"save: cannot write {path.name!r}: the name must end in {formats}")
        return str(path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **_: Any) -> Any:
        return self.to_graphviz()._repr_mimebundle_(include, exclude)


def _plain(value: Any) -> Any:
    """Return `value` as JSON can hold it; what is not finite as text."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.dtype) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    return value
