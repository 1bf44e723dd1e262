"""From a view to DOT, the language of graphviz: a pure function on text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .labels import duration, magnitude, size, sizes, text_width
from .snapshot import Edge, Kind, Vertex
from .theme import THEMES, Theme
from .view import Box, View

FONT = "Helvetica,Arial,sans-serif"
_SHAPES: dict[Kind, dict[str, str]] = {  # of each kind, so that a grey print tells them apart
    "operation": {"shape": "box", "style": "rounded,filled"},
    "parameter": {"shape": "box"},
    "input": {"shape": "ellipse"},
    "data": {"shape": "ellipse", "style": "filled,dashed"},
    "output": {"shape": "box", "peripheries": "2"},
    "module": {"shape": "folder"},
}
_UNTITLED: dict[Kind, str] = {"data": "constant", "output": "output"}
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
    "time": ("time in backward", duration),
}
_MARKS = {  # the name of the theme's colour, and how thick the outline is
    "first": ("red", {"penwidth": "4"}),
    "trail": ("red", {"penwidth": "2"}),
    "warning": ("red", {"penwidth": "2", "style": "filled,dashed"}),
    "added": ("green", {"penwidth": "3"}),
    "removed": ("red", {"penwidth": "3", "style": "filled,dashed"}),
    "changed": ("amber", {"penwidth": "3", "style": "filled,dotted"}),
}
_DIFFERENCES = {
    "added": "+ only in the second",
    "removed": "− only in the first",
    "changed": "≠ differs",
}


def attributes(theme: Theme) -> dict[str, dict[str, str]]:
    """Return what holds for the whole drawing, all boxes and all edges."""
    return {
        "graph_attr": {
            "fontname": FONT,
            "fontsize": "10",
            "fontcolor": theme.faint,
            "bgcolor": theme.paper,
            "nodesep": "0.25",
            "ranksep": "0.35",
            "newrank": "true",
        },
        "node_attr": {
            "fontname": FONT,
            "fontsize": "11",
            "fontcolor": theme.ink,
            "height": "0.3",
            "margin": "0.13,0.06",
            "style": "filled",
        },
        "edge_attr": {
            "fontname": FONT,
            "fontsize": "9",
            "color": theme.line,
            "fontcolor": theme.faint,
            "arrowsize": "0.6",
        },
    }


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
        lines.append(_scale(view, *writer.levels) if writer.levels else _legend(view))
    if view.notes:  # at the end, as subgraphs that follow would inherit it
        notes = _quoted(" · ".join(view.notes))
        lines.append(f"\tlabel={notes} labelloc=b\n")
    return lines


def levels(view: View) -> tuple[float, float] | None:
    """Return the least and the largest amount that colours show; None where they show kinds."""
    amounts = [box.amount for box in view.boxes if box.amount] if view.color != "op" else []
    finite = [amount for amount in amounts if amount < math.inf]
    return (min(finite), max(finite)) if finite else None


def box_style(
    box: Box, scale: tuple[float, float] | None, theme: Theme = THEMES["light"]
) -> dict[str, str]:
    """Return the attributes of a box but its label, in graphviz's words."""
    style = _kind_style(box.vertex.kind, theme)
    if scale:
        fill, ink = _shade(box.amount, *scale, theme)
        style |= {"fillcolor": fill, "fontcolor": ink}
    if box.mark:
        color, outline = _MARKS[box.mark]
        style |= {"color": getattr(theme, color), **outline}
    return style


def _kind_style(kind: Kind, theme: Theme) -> dict[str, str]:
    fill, outline = theme.kinds[kind]
    return {**_SHAPES[kind], "fillcolor": fill, "color": outline}


class _Writer:
    def __init__(self, view: View) -> None:
        self.view = view
        self.theme = THEMES[view.theme]
        self.contents = contents(view)
        self.columns: dict[int, int] = {}  # box of a straight line -> the line's first
        lines = set(straight(view))
        for number in sorted(lines):
            edge = view.edges[number]
            self.columns[edge.head] = self.columns.setdefault(edge.tail, edge.tail)
        self.entered: set[int] = set()  # frames into which a result comes from the side
        for number, edge in enumerate(view.edges):
            if number not in lines and view.boxes[edge.tail].vertex.kind in ("operation", "module"):
                self.entered.update(set(self.around(edge.head)).difference(self.around(edge.tail)))
        self.labels: dict[int, str] = {}
        self.widths: dict[int, float] = {}  # of the widest box of each frame
        self._measure(0)
        self.levels = levels(view)

    def _measure(self, outer: int) -> float:
        """Note the labels of the boxes in a frame, and return the width of the widest."""
        widest = 0.0
        for what, number, path in self.contents[outer]:
            if what == "frame":
                widest = max(widest, self._measure(number))
            else:
                label = self.labels[number] = box_label(self.view.boxes[number], path)
                widest = max(widest, *map(text_width, label.split("\n")))
        self.widths[outer] = widest
        return widest

    def around(self, box: int) -> Iterator[int]:
        """Yield the frames around a box, from the inside."""
        frame = self.view.boxes[box].vertex.frame
        while frame:
            yield frame
            frame = self.view.frames[frame].parent

    def header(self, frame: int) -> str:
        """Return the attributes that show a frame's label beside the arrows into it.

        Graphviz lets arrows run over it. They come straight down to the frame's first boxes, or
        else from the left. So the label goes on two lines where it is wider than half a box, and
        to the right where arrows come from the left.
        """
        text, side = self.view.labels[frame], "l"
        label = _quoted(text)
        if self.view.direction in ("TB", "BT"):
            side = "r" if frame in self.entered else "l"
            path, colon, module = label[1:-1].partition(": ")
            if colon and text_width(text, 10) > self.widths[frame] / 2:
                label = f'"{path}\\{side}{module}\\{side}"'
        return f"label={label} labeljust={side}"

    def frame(self, outer: int, indent: str = "\t") -> Iterator[str]:
        """Yield the lines of what stands in the frame number `outer`."""
        for what, number, _ in self.contents[outer]:
            if what == "frame":
                yield f"{indent}subgraph cluster_{number} {{\n"
                look = f'style=rounded color="{self.theme.frame}"'
                yield f"{indent}\t{self.header(number)} {look}\n"
                yield from self.frame(number, f"{indent}\t")
                yield f"{indent}}}\n"
            else:
                box = self.view.boxes[number]
                label = _quoted(self.labels[number])
                style = box_style(box, self.levels, self.theme)
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


def straight(view: View) -> list[int]:
    """Return the numbers of the edges along which the drawing goes straight on.

    Such a line goes on from each operation once, and to each from the first that it can.
    """
    along: list[int] = []
    tails: set[int] = set()
    heads: set[int] = set()
    for number, edge in enumerate(view.edges):
        if view.boxes[edge.tail].vertex.kind not in ("operation", "module"):
            continue
        if edge.tail not in tails and edge.head not in heads:
            tails.add(edge.tail)
            heads.add(edge.head)
            along.append(number)
    return along


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
    return (THEMES[view.theme].red, 2) if on_trail else None


def legend_styles(view: View) -> list[tuple[str, dict[str, str]]]:
    """Return the legend as boxes, each with what it says and its style."""
    theme = THEMES[view.theme]
    if scale := levels(view):
        title, say = _SCALES[view.color]
        shades = [(say(tick), *_shade(tick, *scale, theme)) for tick in _ticks(*scale)]
        rows = [(title, theme.paper, theme.ink), *shades]
        return [
            (text, {"shape": "box", "fillcolor": fill, "color": fill, "fontcolor": ink})
            for text, fill, ink in rows
        ]
    present = {box.vertex.kind for box in view.boxes}
    kinds = [kind for kind in _LEGEND if kind in present]
    styles = [(_LEGEND[kind][0], _kind_style(kind, theme)) for kind in kinds]
    return styles if len(styles) > 1 else []


def _scale(view: View, low: float, high: float) -> str:
    """Return a legend of the scale's shades, from the least amount to the most."""
    title, say = _SCALES[view.color]
    cells = []
    for tick in _ticks(low, high):
        fill, ink = _shade(tick, low, high, THEMES[view.theme])
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
            fill, color = THEMES[view.theme].kinds[kind]
            cell = f'{outline} color="{color}" bgcolor="{fill}" cellpadding="4"'
            key = f'<table cellspacing="0" cellborder="0" {cell}><tr><td>{words}</td></tr></table>'
            rows.append(f"<td>{key}</td>")
    return _table(rows, 'border="0"') if len(rows) > 1 else ""


def _table(rows: list[str], cell: str) -> str:
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    table = (
        f'<table border="0" cellspacing="0" cellpadding="2" {cell.replace("border", "cellborder")}>'
    )
    return f'\tlegend [label=<{table}{body}</table>> shape=plain style="" fontsize=9]\n'


def _shade(amount: float | None, low: float, high: float, theme: Theme) -> tuple[str, str]:
    """Return a fill and an ink on a logarithmic scale: the paper's where it is 0 or unknown."""
    if not amount or not amount < math.inf:
        return theme.paper, theme.ink
    position = math.log(amount / low) / math.log(high / low) if high > low else 0.5
    return theme.shades[round(position * (len(theme.shades) - 1))]


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
