"""What differs between two recorded graphs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from tinygrad_cnn.core.tensor import Tensor

from .snapshot import Edge, Snapshot, Vertex
from .tracing import trace


def diff(
    first: Snapshot | Tensor | Sequence[Tensor], second: Snapshot | Tensor | Sequence[Tensor]
) -> Snapshot:
    """Return the second graph with what the first one has besides, and each difference marked.

    Vertices are the same where kind, operation and module are, in the order of the forward pass;
    of those, a vertex with another title (options) or shape counts as changed.

    Parameters
    ----------
    first, second : Snapshot, Tensor or sequence of Tensor

    Returns
    -------
    Snapshot
        Its vertices' `mark` is ``"added"``, ``"removed"``, ``"changed"`` or empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.ones(2, 3, requires_grad=True)
    >>> difference = tg.viz.diff(x.exp().sum(0), x.exp().relu().sum(1))
    >>> [(v.mark, v.title) for v in difference.vertices if v.mark]
    [('added', 'relu'), ('changed', 'sum dim 1'), ('changed', '')]
    """
    old, new = (g if isinstance(g, Snapshot) else trace(g) for g in (first, second))
    old_keys, new_keys = ([_key(s, v) for v in s.vertices] for s in (old, new))
    matcher = difflib.SequenceMatcher(None, old_keys, new_keys, autojunk=False)
    frames = {frame.path: i for i, frame in reversed(list(enumerate(new.frames)))}
    vertices: list[Vertex] = []
    places: dict[tuple[str, int], int] = {}  # of a vertex of the old or the new graph
    for tag, start, stop, new_start, new_stop in matcher.get_opcodes():
        for i in range(start, stop):
            vertex = old.vertices[i]
            places["old", i] = len(vertices)
            if tag == "equal":
                places["new", new_start + i - start] = len(vertices)
                now = new.vertices[new_start + i - start]
                same = (vertex.title, vertex.shape) == (now.title, now.shape)
                vertices.append(now if same else replace(now, mark="changed"))
            else:
                frame = frames.get(old.frames[vertex.frame].path, 0)
                vertices.append(replace(vertex, frame=frame, mark="removed"))
        if tag != "equal":
            for i in range(new_start, new_stop):
                places["new", i] = len(vertices)
                vertices.append(replace(new.vertices[i], mark="added"))
    edges = [_moved(edge, places, "new") for edge in new.edges]
    for edge in old.edges:
        moved = _moved(edge, places, "old")
        if "removed" in (vertices[moved.tail].mark, vertices[moved.head].mark):
            edges.append(moved)
    return Snapshot(tuple(vertices), tuple(edges), new.frames, new.unreached, new.modules)


def _key(snapshot: Snapshot, vertex: Vertex) -> tuple[str, str, str]:
    name = vertex.op if vertex.kind == "operation" else vertex.title
    return vertex.kind, name, snapshot.frames[vertex.frame].path


def _moved(edge: Edge, places: dict[tuple[str, int], int], side: str) -> Edge:
    return replace(edge, tail=places[side, edge.tail], head=places[side, edge.head])
