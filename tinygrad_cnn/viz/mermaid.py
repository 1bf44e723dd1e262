"""From a view to Mermaid, which GitHub, GitLab and many notebooks draw from text."""

from __future__ import annotations

from collections.abc import Iterator

from .dot import box_label, contents, edge_label
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
    lines += [f"flowchart {view.direction}", *_frame(view, contents(view), 0)]
    for edge in view.edges:
        text = edge_label(edge, view.boxes[edge.tail].vertex)
        lines.append(f"    n{edge.tail} -->{f'|{_quoted(text)}|' if text else ''} n{edge.head}")
    present = {box.vertex.kind for box in view.boxes}
    for kind, (fill, outline) in theme.kinds.items():
        if kind in present:
            dashes = ",stroke-dasharray:4" if kind == "data" else ""
            colors = f"fill:{fill},stroke:{outline},color:{theme.ink}"
            lines.append(f"    classDef {kind} {colors}{dashes}")
    if marked := [f"n{i}" for i, box in enumerate(view.boxes) if box.mark]:
        lines.append(f"    classDef marked stroke:{theme.red},stroke-width:3px")
        lines.append(f"    class {','.join(marked)} marked")
    if view.notes:
        lines.append(f"    notes[{_quoted(' · '.join(view.notes))}]")
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
