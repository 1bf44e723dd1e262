"""From a view to Mermaid, which GitHub, GitLab and many notebooks draw from text."""

from __future__ import annotations

from collections.abc import Iterator

from .dot import box_label, box_style, contents, edge_label, edge_mark, levels
from .snapshot import Kind
from .theme import THEMES
from .view import View

_SHAPES: dict[Kind, tuple[str, str]] = {
    "operation": ("(", ")"),
    "parameter": ("[", "]"),
    "input": ("([", "])"),
    "data": ("([", "])"),
    "output": ("[[", "]]"),
    "module": ("[/", "/]"),
}


def flowchart(view: View) -> str:
    """Return the text of a Mermaid flowchart that shows the view."""
    theme = THEMES[view.theme]
    lines = ['%%{init: {"theme": "dark"}}%%'] if view.theme == "dark" else []
    inside = contents(view)
    lines += [f"flowchart {view.direction}", *_frame(view, inside, 0)]
    for edge in view.edges:
        text = edge_label(edge, view.boxes[edge.tail].vertex)
        lines.append(f"    n{edge.tail} -->{f'|{_quoted(text)}|' if text else ''} n{edge.head}")
    present = {box.vertex.kind for box in view.boxes}
    scale = levels(view)
    for kind, (fill, outline) in theme.kinds.items():
        if kind in present:
            dashes = ",stroke-dasharray:4" if kind == "data" else ""
            # a class's colours win over a box's own
            colors = "" if scale else f",fill:{fill},color:{theme.ink}"
            lines.append(f"    classDef {kind} stroke:{outline}{colors}{dashes}")
    for i, box in enumerate(view.boxes if scale else ()):
        style = box_style(box, scale, theme)
        lines.append(f"    style n{i} fill:{style['fillcolor']},color:{style['fontcolor']}")
    if frames := [f"f{number}" for line in inside for what, number, _ in line if what == "frame"]:
        lines.append(f"    classDef frame fill:none,stroke:{theme.frame},color:{theme.faint}")
        lines.append(f"    class {','.join(frames)} frame")
    if marked := [f"n{i}" for i, box in enumerate(view.boxes) if box.mark]:
        lines.append(f"    classDef marked stroke:{theme.red},stroke-width:3px")
        lines.append(f"    class {','.join(marked)} marked")
    for i, edge in enumerate(view.edges):
        if mark := edge_mark(view, edge):
            lines.append(f"    linkStyle {i} stroke:{mark[0]},stroke-width:{mark[1]}px")
    if view.notes:
        lines.append(f"    notes[{_quoted(' · '.join(view.notes))}]")
        lines.append(f"    style notes fill:none,stroke:none,color:{theme.faint}")
    return "\n".join(lines) + "\n"


def _frame(
    view: View, inside: list[list[tuple[str, int, str]]], outer: int, indent: str = "    "
) -> Iterator[str]:
    for what, number, path in inside[outer]:
        if what == "frame":
            yield f"{indent}subgraph f{number}[{_quoted(view.labels[number])}]"
            yield from _frame(view, inside, number, f"{indent}    ")
            yield f"{indent}end"
        else:
            box = view.boxes[number]
            start, end = _SHAPES[box.vertex.kind]
            yield f"{indent}n{number}{start}{_quoted(box_label(box, path))}{end}:::{box.vertex.kind}"


def _quoted(text: str) -> str:
    """Return `text` in quotes, where Mermaid's and HTML's signs are numbered entities."""
    return (
        '"'
        + "".join(
            "<br/>" if c == "\n" else c if c.isalnum() or c in " .,:×()=·‖–" else f"#{ord(c)};"
            for c in text
        )
        + '"'
    )
