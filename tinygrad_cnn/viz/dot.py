"""From a snapshot to DOT, the language of graphviz: a pure function on text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .labels import sizes
from .snapshot import Edge, Kind, Snapshot, Vertex

_FONT = "Helvetica,Arial,sans-serif"
GRAPH_STYLE = {
    "fontname": _FONT,
    "fontsize": "10",
    "fontcolor": "#555555",
    "nodesep": "0.25",
    "ranksep": "0.35",
}
NODE_STYLE = {
    "fontname": _FONT,
    "fontsize": "11",
    "height": "0.3",
    "margin": "0.13,0.06",
    "style": "filled",
}
EDGE_STYLE = {
    "fontname": _FONT,
    "fontsize": "9",
    "color": "#666666",
    "fontcolor": "#444444",
    "arrowsize": "0.6",
}
# Tints and shades of Okabe and Ito's palette, which colour-blind people can tell apart; each kind
# also has an outline of its own, so that a grey print does.
_STYLES: dict[Kind, str] = {
    "operation": 'shape=box style="rounded,filled" fillcolor="#dcebf7" color="#0072b2"',
    "parameter": 'shape=box fillcolor="#fbe3b5" color="#a86400"',
    "input": 'shape=ellipse fillcolor="#c9ecdc" color="#00734f"',
    "data": 'shape=ellipse style="filled,dashed" fillcolor="#f4f4f4" color="#666666"',
    "output": 'shape=box peripheries=2 fillcolor="#f6dcea" color="#a8477f"',
}
_UNTITLED: dict[Kind, str] = {"data": "constant", "output": "output"}
_FRAME = 'labeljust=l style=rounded color="#aaaaaa"'
_LEGEND: dict[Kind, str] = {
    "parameter": "parameter",
    "input": "input that requires grad",
    "data": "data, no gradient",
    "operation": "operation",
    "output": "output",
}


def statements(snapshot: Snapshot, legend: bool) -> list[str]:
    """Return the lines of DOT between the braces: vertices in nested frames, then edges.

    Vertex number 7 is called ``n7``, frame number 2 ``cluster_2``. A frame around one operation
    alone is not drawn: its path stands in the operation's box.
    """
    return [
        *_frame(snapshot, _contents(snapshot), _columns(snapshot), 0),
        *_edges(snapshot),
        *(_legend(snapshot) if legend else ()),
    ]


def _contents(snapshot: Snapshot) -> list[list[tuple[str, int]]]:
    """Return what stands in each frame, ("vertex", 7) or ("frame", 2), in the snapshot's order."""
    contents: list[list[tuple[str, int]]] = [[] for _ in snapshot.frames]
    placed = {0}
    for number, vertex in enumerate(snapshot.vertices):
        frame = vertex.frame
        while frame not in placed:
            placed.add(frame)
            parent = snapshot.frames[frame].parent
            contents[parent].append(("frame", frame))
            frame = parent
        contents[vertex.frame].append(("vertex", number))
    return contents


def _columns(snapshot: Snapshot) -> dict[int, int]:
    """Return for each vertex of a straight line the line's first vertex.

    A line goes from an operation's first input that is itself an operation's result, but from
    each vertex only one goes on.
    """
    columns: dict[int, int] = {}
    before: set[int] = set()
    after: set[int] = set()
    for edge in snapshot.edges:
        if snapshot.vertices[edge.tail].kind == "operation" and edge.head not in before:
            before.add(edge.head)
            if edge.tail not in after:
                after.add(edge.tail)
                columns[edge.head] = columns.setdefault(edge.tail, edge.tail)
    return columns


def _frame(
    snapshot: Snapshot,
    contents: list[list[tuple[str, int]]],
    columns: dict[int, int],
    outer: int,
    indent: str = "\t",
) -> Iterator[str]:
    """Yield the lines of what stands in the frame number `outer`."""
    for what, number in contents[outer]:
        path = ""
        if what == "frame":
            path = snapshot.frames[number].path
            if len(contents[number]) > 1 or contents[number][0][0] == "frame":
                yield f"{indent}subgraph cluster_{number} {{\n"
                yield f"{indent}\tlabel={_quoted(path)} {_FRAME}\n"
                yield from _frame(snapshot, contents, columns, number, f"{indent}\t")
                yield f"{indent}}}\n"
                continue
            _, number = contents[number][0]  # one operation alone
        vertex = snapshot.vertices[number]
        label = _quoted(_label(vertex, path))
        column = f" group={columns[number]}" if number in columns else ""
        yield f"{indent}n{number} [label={label} {_STYLES[vertex.kind]}{column}]\n"


def _edges(snapshot: Snapshot) -> Iterator[str]:
    """Yield the edges; those between operations are kept short and straight.

    An edge into a frame is long enough to pass the row of parameters in it. So a chain of layers
    goes straight down.
    """
    vertices = snapshot.vertices
    fed = {edge.head for edge in snapshot.edges if vertices[edge.tail].kind == "parameter"}
    for edge in snapshot.edges:
        tail, head = vertices[edge.tail], vertices[edge.head]
        text = _edge_label(edge, tail)
        attributes = [f"label={_quoted(text)}"] if text else []
        if tail.kind == "operation":
            attributes.append("weight=4")
            if edge.head in fed and tail.frame != head.frame:
                attributes.append("minlen=2")
        suffix = f" [{' '.join(attributes)}]" if attributes else ""
        yield f"\tn{edge.tail} -> n{edge.head}{suffix}\n"


def _label(vertex: Vertex, path: str) -> str:
    title = vertex.title or _UNTITLED.get(vertex.kind, "")
    name = title
    lines = []
    if vertex.kind == "operation":
        lines = [title, f"({path})"] if path else [title]
        name = vertex.name
    if vertex.value is not None:
        known = _short(vertex.value)
        lines.append(f"{name} = {known}" if name else f"= {known}" if lines else known)
    elif name:
        lines.append(name)
    if vertex.kind != "operation" and vertex.value is None and vertex.shape is not None:
        floating = vertex.dtype is None or vertex.dtype.kind == "f"
        lines.append(sizes(vertex.shape) + ("" if floating else f" {vertex.dtype}"))
    if vertex.grad is not None:
        lines.append(f"grad {_short(vertex.grad)}")
    return "\n".join(lines)


def _edge_label(edge: Edge, tail: Vertex) -> str:
    """Return the shape, unless the vertex at the tail says it."""
    shape = sizes(edge.shape) if edge.shape and tail.kind == "operation" else ""
    return f"{edge.output} {shape}".strip()


def _short(number: Any) -> str:
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def _legend(snapshot: Snapshot) -> Iterator[str]:
    present = {vertex.kind for vertex in snapshot.vertices}
    kinds = [kind for kind in _LEGEND if kind in present]
    if len(kinds) < 2:
        return
    yield "\tsubgraph cluster_legend {\n"
    yield '\t\tstyle=invis node [fontsize=9 height=0.2 margin="0.08,0.03"]\n'
    for kind in kinds:
        yield f"\t\tlegend_{kind} [label={_quoted(_LEGEND[kind])} {_STYLES[kind]}]\n"
    chain = " -> ".join(f"legend_{kind}" for kind in kinds)
    yield f"\t\t{chain} [style=invis]\n"
    yield "\t}\n"


def _quoted(text: str) -> str:
    r"""Return `text` as a DOT string that shows exactly it.

    In a label, a backslash starts an escape such as ``\N`` and an ampersand an HTML entity.
    Characters that cannot be shown (or stored in UTF-8 or in SVG) appear as Python escapes.
    """
    shown = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("&", "&amp;")):
        shown = shown.replace(plain, escaped)
    return f'"{shown}"'
