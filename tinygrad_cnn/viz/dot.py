"""From a view to DOT, the language of graphviz: a pure function on text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .labels import magnitude, size, sizes
from .snapshot import Edge, Kind, Vertex
from .view import Box, View

FONT = "Helvetica,Arial,sans-serif"
GRAPH_STYLE = {
    "fontname": FONT,
    "fontsize": "10",
    "fontcolor": "#555555",
    "nodesep": "0.25",
    "ranksep": "0.35",
    "newrank": "true",
}
NODE_STYLE = {
    "fontname": FONT,
    "fontsize": "11",
    "height": "0.3",
    "margin": "0.13,0.06",
    "style": "filled",
}
EDGE_STYLE = {
    "fontname": FONT,
    "fontsize": "9",
    "color": "#666666",
    "fontcolor": "#444444",
    "arrowsize": "0.6",
}
# Tints and shades of Okabe and Ito's palette, which colour-blind people can tell apart; each kind
# also has an outline of its own, so that a grey print does.
STYLES: dict[Kind, dict[str, str]] = {
    "operation": {
        "shape": "box",
        "style": "rounded,filled",
        "fillcolor": "#dcebf7",
        "color": "#0072b2",
    },
    "parameter": {"shape": "box", "fillcolor": "#fbe3b5", "color": "#a86400"},
    "input": {"shape": "ellipse", "fillcolor": "#c9ecdc", "color": "#00734f"},
    "data": {
        "shape": "ellipse",
        "style": "filled,dashed",
        "fillcolor": "#f4f4f4",
        "color": "#666666",
    },
    "output": {"shape": "box", "peripheries": "2", "fillcolor": "#f6dcea", "color": "#a8477f"},
    "module": {"shape": "folder", "fillcolor": "#e6ebf0", "color": "#44546a"},
}
_UNTITLED: dict[Kind, str] = {"data": "constant", "output": "output"}
_FRAME = 'labeljust=l style=rounded color="#aaaaaa"'
_LEGEND: dict[Kind, tuple[str, str]] = {  # with what a table has for the outline
    "parameter": ("parameter", 'border="1"'),
    "input": ("input that requires grad", 'style="rounded"'),
    "data": ("data, no gradient", 'style="rounded,dashed"'),
    "operation": ("operation", 'style="rounded"'),
    "module": ("several operations", 'border="2"'),
    "output": ("output", 'border="3"'),
}
_SCALES: dict[str, tuple[str, Any]] = {
    "grad_norm": ("‖gradient‖", magnitude),
    "bytes": ("kept for backward", size),
}
RED = "#c8102e"
_MARKS = {
    "": {},
    "first": {"color": RED, "penwidth": "4"},
    "trail": {"color": RED, "penwidth": "2"},
    "warning": {"color": RED, "penwidth": "2", "style": "filled,dashed"},
    "added": {"color": "#00734f", "penwidth": "3"},
    "removed": {"color": RED, "penwidth": "3", "style": "filled,dashed"},
    "changed": {"color": "#a86400", "penwidth": "3", "style": "filled,dotted"},
}
_DIFFERENCES = {
    "added": "+ only in the second",
    "removed": "− only in the first",
    "changed": "≠ differs",
}
# of one hue from light to dark, so that they stay in order for everybody and in print
_SHADES = ("#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#3182bd", "#08519c")


def statements(view: View) -> list[str]:
    """Return the lines of DOT between the braces: boxes in nested frames, edges, a legend.

    Box number 7 is called ``n7``, frame number 2 ``cluster_2``. A frame around one operation
    alone is not drawn: its path stands in the operation's box.
    """
    writer = _Writer(view)
    lines = [] if view.direction == "TB" else [f"\trankdir={view.direction}\n"]
    lines.extend(writer.frame(0))
    lines.extend(writer.edges())
    if view.legend:
        lines.append(_scale(view.color, *writer.levels) if writer.levels else _legend(view))
    if view.notes:  # at the end, as subgraphs that follow would inherit it
        notes = _quoted(" · ".join(view.notes))
        lines.append(f"\tlabel={notes} labelloc=b\n")
    return lines


def levels(view: View) -> tuple[float, float] | None:
    """Return the least and the largest amount that colours show; None where they show kinds."""
    amounts = [box.amount for box in view.boxes if box.amount] if view.color != "op" else []
    finite = [amount for amount in amounts if amount < math.inf]
    return (min(finite), max(finite)) if finite else None


def box_style(box: Box, scale: tuple[float, float] | None) -> dict[str, str]:
    """Return the attributes of a box but its label, in graphviz's words."""
    style = STYLES[box.vertex.kind]
    if scale:
        fill, ink = _shade(box.amount, *scale)
        style = {**style, "fillcolor": fill, "fontcolor": ink}
    return {**style, **_MARKS[box.mark]}


class _Writer:
    def __init__(self, view: View) -> None:
        self.view = view
        self.contents = contents(view)
        self.columns = _columns(view)
        self.levels = levels(view)

    def frame(self, outer: int, indent: str = "\t") -> Iterator[str]:
        """Yield the lines of what stands in the frame number `outer`."""
        for what, number, path in self.contents[outer]:
            if what == "frame":
                yield f"{indent}subgraph cluster_{number} {{\n"
                yield f"{indent}\tlabel={_quoted(self.view.labels[number])} {_FRAME}\n"
                yield from self.frame(number, f"{indent}\t")
                yield f"{indent}}}\n"
            else:
                box = self.view.boxes[number]
                label = _quoted(box_label(box, path))
                style = box_style(box, self.levels)
                if number in self.columns:
                    style["group"] = str(self.columns[number])
                words = " ".join(
                    f"{k}={v if v.isalnum() else _quoted(v)}" for k, v in style.items()
                )
                yield f"{indent}n{number} [label={label} {words}]\n"

    def edges(self) -> Iterator[str]:
        """Yield the edges; those between operations are kept short and straight.

        An edge into a frame is long enough to pass the row of parameters in it. So a chain of
        layers goes straight down.
        """
        boxes = self.view.boxes
        fed = {e.head for e in self.view.edges if boxes[e.tail].vertex.kind == "parameter"}
        for edge in self.view.edges:
            tail, head = boxes[edge.tail].vertex, boxes[edge.head].vertex
            text = edge_label(edge, tail)
            attributes = [f"label={_quoted(f' {text}')}"] if text else []
            if tail.kind in ("operation", "module"):
                attributes.append("weight=4")
                if edge.head in fed and tail.frame != head.frame:
                    attributes.append("minlen=2")
            if mark := edge_mark(self.view, edge):
                attributes.append(f'color="{mark[0]}" penwidth={mark[1]}')
            suffix = f" [{' '.join(attributes)}]" if attributes else ""
            yield f"\tn{edge.tail} -> n{edge.head}{suffix}\n"


def contents(view: View) -> list[list[tuple[str, int, str]]]:
    """Return what stands in each frame, in the view's order.

    That is ("frame", 2, "") or ("box", 7, ""); ("box", 7, "features.0") where the box stands for
    the frame around it, which has nothing else.
    """
    inside: list[list[tuple[str, int, str]]] = [[] for _ in view.frames]
    placed = {0}
    for number, box in enumerate(view.boxes):
        frame = box.vertex.frame
        while frame not in placed:
            placed.add(frame)
            parent = view.frames[frame].parent
            inside[parent].append(("frame", frame, ""))
            frame = parent
        inside[box.vertex.frame].append(("box", number, ""))
    for entries in inside:
        for i, (what, number, _) in enumerate(entries):
            if what == "frame" and len(inside[number]) == 1 and inside[number][0][0] == "box":
                alone = inside[number][0][1]
                closed = view.boxes[alone].vertex.kind == "module"  # and says its path
                entries[i] = ("box", alone, "" if closed else view.frames[number].path)
    return inside


def _columns(view: View) -> dict[int, int]:
    """Return for each vertex of a straight line the line's first vertex.

    A line goes from an operation's first input that is itself an operation's result, but from
    each vertex only one goes on.
    """
    columns: dict[int, int] = {}
    before: set[int] = set()
    after: set[int] = set()
    for edge in view.edges:
        if view.boxes[edge.tail].vertex.kind in ("operation", "module") and edge.head not in before:
            before.add(edge.head)
            if edge.tail not in after:
                after.add(edge.tail)
                columns[edge.head] = columns.setdefault(edge.tail, edge.tail)
    return columns


def box_label(box: Box, path: str) -> str:
    """Return what a box says, line by line; `path` is that of a module which is this box alone."""
    vertex = box.vertex
    title = vertex.title or _UNTITLED.get(vertex.kind, "")
    name = title
    lines = []
    if vertex.kind in ("operation", "module"):
        lines = [title, f"({path})"] if path else [title]
        name = vertex.name
    item = None if vertex.value is None else vertex.value.item
    if item is not None:
        known = _short(item)
        lines.append(f"{name} = {known}" if name else f"= {known}" if lines else known)
    elif name:
        lines.append(name)
    if vertex.kind != "operation" and item is None and vertex.shape is not None:
        floating = vertex.dtype is None or vertex.dtype.kind == "f"
        lines.append(sizes(vertex.shape) + ("" if floating else f" {vertex.dtype}"))
    if vertex.grad is not None:
        grad = vertex.grad
        lines.append(
            f"grad {_short(grad.item)}" if grad.size == 1 else f"‖gradient‖ {magnitude(grad.norm)}"
        )
    if vertex.mark:
        lines.append(_DIFFERENCES[vertex.mark])
    return "\n".join((*lines, *box.lines))


def edge_label(edge: Edge, tail: Vertex) -> str:
    """Return the shape, unless the vertex at the tail says it."""
    shown = edge.shape and tail.kind in ("operation", "module")
    return f"{edge.output} {sizes(edge.shape or ()) if shown else ''}".strip()


def _short(number: Any) -> str:
    return f"{number:.4g}" if isinstance(number, float) else str(number)


def edge_mark(view: View, edge: Edge) -> tuple[str, int] | None:
    """Return the colour and the width of an edge on the trail of the first NaN."""
    marks = {view.boxes[edge.tail].mark, view.boxes[edge.head].mark}
    on_trail = view.boxes[edge.head].mark == "trail" and marks <= {"first", "trail"}
    return (RED, 2) if on_trail else None


def legend_styles(view: View) -> list[tuple[str, dict[str, str]]]:
    """Return the legend as boxes, each with what it says and its style."""
    if scale := levels(view):
        title, say = _SCALES[view.color]
        white = {"shape": "box", "fillcolor": "#ffffff", "color": "#ffffff"}
        shades = [(say(tick), *_shade(tick, *scale)) for tick in _ticks(*scale)]
        return [
            (title, white),
            *((text, {**white, "fillcolor": fill, "fontcolor": ink}) for text, fill, ink in shades),
        ]
    present = {box.vertex.kind for box in view.boxes}
    kinds = [kind for kind in _LEGEND if kind in present]
    return [(_LEGEND[kind][0], STYLES[kind]) for kind in kinds] if len(kinds) > 1 else []


def _scale(color: str, low: float, high: float) -> str:
    """Return a legend of the scale's shades, from the least amount to the most."""
    title, say = _SCALES[color]
    cells = []
    for tick in _ticks(low, high):
        fill, ink = _shade(tick, low, high)
        cells.append(f'<td bgcolor="{fill}"><font color="{ink}">{say(tick)}</font></td>')
    return _table(
        [f'<td colspan="{len(cells)}" border="0">{title}</td>', "".join(cells)], 'border="1"'
    )


def _ticks(low: float, high: float) -> list[float]:
    steps = 5 if high > low else 1
    return [low * (high / low) ** (i / max(steps - 1, 1)) for i in range(steps)]


def _legend(view: View) -> str:
    """Return a legend of the kinds of box that there are; nothing of one alone."""
    present = {box.vertex.kind for box in view.boxes}
    rows = []
    for kind, (words, outline) in _LEGEND.items():
        if kind in present:
            color, fill = STYLES[kind]["color"], STYLES[kind]["fillcolor"]
            cell = f'{outline} color="{color}" bgcolor="{fill}"'
            key = (
                f'<table cellspacing="0" cellborder="0" {cell}><tr><td> {words} </td></tr></table>'
            )
            rows.append(f"<td>{key}</td>")
    return _table(rows, 'border="0"') if len(rows) > 1 else ""


def _table(rows: list[str], cell: str) -> str:
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    table = (
        f'<table border="0" cellspacing="0" cellpadding="2" {cell.replace("border", "cellborder")}>'
    )
    return f'\tlegend [label=<{table}{body}</table>> shape=plain style="" fontsize=9]\n'


def _shade(amount: float | None, low: float, high: float) -> tuple[str, str]:
    """Return a fill and an ink on a logarithmic scale: white where it is 0 or unknown."""
    if not amount or not amount < math.inf:
        return "#ffffff", "#000000"
    position = math.log(amount / low) / math.log(high / low) if high > low else 0.5
    level = round(position * (len(_SHADES) - 1))
    return _SHADES[level], "#ffffff" if level >= len(_SHADES) - 2 else "#000000"


def _quoted(text: str) -> str:
    r"""Return `text` as a DOT string that shows exactly it.

    In a label, a backslash starts an escape such as ``\N`` and an ampersand an HTML entity.
    """
    shown = printable(text)
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("&", "&amp;")):
        shown = shown.replace(plain, escaped)
    return f'"{shown}"'


def printable(text: str) -> str:
    """Return `text`; what cannot be shown (or stored in UTF-8 or in SVG) as Python escapes."""
    return "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text
    )
