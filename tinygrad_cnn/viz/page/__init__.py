"""A page that shows a graph, and plays a recorded backward: one file, and no network."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

from tinygrad_cnn.core.op import registry

from .. import svg
from ..dot import box_label, box_style, edge_label, levels, printable
from ..labels import sizes
from ..layout import Point, place
from ..preview import Preview, as_json
from ..snapshot import Snapshot, Statistics, Vertex
from ..theme import THEMES
from ..view import View

if TYPE_CHECKING:
    from ..recording import Event, Pass

_MOST_OPEN = 2000  # vertices, of which a page has all in boxes of their own
_LINE, _FONT = 14.0, 11.0


def open_view(snapshot: Snapshot, **options: Any) -> View:
    """Return the view for a page, which itself can close modules: with all of them open."""
    if len(snapshot.vertices) <= _MOST_OPEN:
        options = {"depth": len(snapshot.frames), "fold_repeats": False, **options}
    return snapshot.view(**options)


def html(view: View, played: Pass | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    view : View
    played : Pass, optional
        A run of backward, of whose snapshot the view is.

    Raises
    ------
    ValueError
        If the view goes in another direction than from top to bottom.
    """
    if view.direction != "TB":
        raise ValueError(f"save: a page is drawn from top to bottom, got direction={view.direction!r}")
    data = json.dumps(_Data(view, played).plain(), separators=(",", ":"), allow_nan=False)
    page = _file("page.html")
    for name, text in (
        ("/* style */", _colors("light", ":root") + _colors("dark", ":root.dark") + _file("page.css")),
        ("/* script */", _file("page.js")),
        ("{}", data.replace("<", "\\u003c")),
    ):
        page = page.replace(name, text, 1)
    return page


def _file(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _colors(theme: str, selector: str) -> str:
    """Return a theme's colours as variables of CSS."""
    colors = THEMES[theme]
    variables = {
        name: getattr(colors, name) for name in ("paper", "ink", "faint", "line", "frame", "red")
    }
    for kind, (fill, outline) in colors.kinds.items():
        variables |= {kind: fill, f"{kind}-line": outline}
    return f"{selector} {{ {' '.join(f'--{name}: {c};' for name, c in variables.items())} }}\n"


class _Data:
    """Gathers what the page's script reads, as `page.js` says at its top."""

    def __init__(self, view: View, played: Pass | None) -> None:
        self.view = view
        self.played = played
        self.arrays: list[dict[str, Any]] = []
        self.known: dict[str, int] = {}

    def plain(self) -> dict[str, Any]:
        made = {**self._drawing(), "notes": self.view.notes, "theme": self.view.theme}
        if self.played is None:
            vertices = [box.vertex for box in self.view.boxes]
            made["vertices"] = [self._vertex(v, i, ()) for i, v in enumerate(vertices)]
            made["links"] = made["steps"] = []
        else:
            made.update(self._play(self.played))
        return {**made, "arrays": self.arrays}

    # -- the drawing ---------------------------------------------------------------------------

    def _drawing(self) -> dict[str, Any]:
        view, scale = self.view, levels(self.view)
        paths: dict[int, str] = {}

        def size_of(number: int, path: str) -> Point:
            paths[number] = path
            lines = printable(box_label(view.boxes[number], path)).split("\n")
            return max(map(svg.text_width, lines)) + 18, len(lines) * _LINE + 10

        placed = place(view, size_of, lambda label: svg.text_width(label, 10) + 20)
        boxes = []
        for i, box in enumerate(view.boxes):
            style = box_style(box, scale, THEMES[view.theme])
            width, height = size_of(i, paths[i])
            before = replace(box, vertex=replace(box.vertex, grad=None))
            known = box_label(before, paths[i]).split("\n")
            lines = box_label(box, paths[i]).split("\n")
            boxes.append(
                {
                    "lines": [printable(line) for line in lines],
                    "later": [n for n, line in enumerate(lines) if line not in known],
                    "kind": box.vertex.kind,
                    "fill": style["fillcolor"] if scale else "",
                    "ink": style.get("fontcolor", "") if scale else "",
                    "mark": box.mark,
                    "frame": box.vertex.frame,
                    "at": _rounded(*placed.boxes[i], width, height),
                }
            )
        edges = []
        for edge, points in zip(view.edges, placed.edges, strict=True):
            label = printable(edge_label(edge, view.boxes[edge.tail].vertex))
            line = [_rounded(*point) for point in points]
            edges.append({"tail": edge.tail, "head": edge.head, "points": line, "label": label})
        frames = [
            {
                "path": frame.path,
                "parent": frame.parent,
                "label": printable(view.labels[i]) if i else "",
                "at": _rounded(*placed.frames[i]) if i in placed.frames else None,
            }
            for i, frame in enumerate(view.frames)
        ]
        return {
            "size": _rounded(placed.width, placed.height),
            "boxes": boxes,
            "edges": edges,
            "frames": frames,
        }

    # -- what is played ------------------------------------------------------------------------

    def _play(self, played: Pass) -> dict[str, Any]:
        snapshot = played.snapshot
        box_of = {v: i for i, box in enumerate(self.view.boxes) for v in box.members}
        for edge in snapshot.edges:  # a parameter without a box is in that of what takes it
            if edge.tail not in box_of and edge.head in box_of:
                box_of[edge.tail] = box_of[edge.head]
        drawn: dict[Any, list[int]] = defaultdict(list)
        for i, edge in enumerate(self.view.edges):
            drawn[edge.tail, edge.head, edge.output].append(i)
        links = []
        for i, edge in enumerate(snapshot.edges):
            alike = drawn[box_of.get(edge.tail), box_of.get(edge.head), edge.output]
            line = alike.pop(0) if len(alike) > 1 else alike[0] if alike else None
            links.append(
                {
                    "tail": edge.tail,
                    "head": edge.head,
                    "argument": edge.argument,
                    "output": played.edge_outputs.get(i, 0),
                    "edge": line,
                }
            )
        vertices = [
            {
                **self._vertex(vertex, box_of.get(i), played.values.get(i, ())),
                **({"window": played.windows[i]} if i in played.windows else {}),
            }
            for i, vertex in enumerate(snapshot.vertices)
        ]
        forward = [
            {"phase": "forward", "vertex": i}
            for i, vertex in enumerate(snapshot.vertices)
            if vertex.kind == "operation"
        ]
        backward = [self._event(event) for event in played.events]
        return {"vertices": vertices, "links": links, "steps": forward + backward}

    def _vertex(
        self, vertex: Vertex, box: int | None, values: Sequence[Preview | None]
    ) -> dict[str, Any]:
        op = registry.get(vertex.op)
        return {
            "box": box,
            "kind": vertex.kind,
            "title": printable(vertex.title or vertex.name or vertex.kind),
            "path": self.view.frames[vertex.frame].path,
            "shape": None if vertex.shape is None else sizes(vertex.shape) or "a number",
            "dtype": "" if vertex.dtype is None else vertex.dtype.name,
            "options": vertex.options,
            "kept": vertex.kept,
            "site": printable(vertex.site or ""),
            "formula": (op.formula or "") if op is not None else "",
            "value": _numbers(vertex.value),
            "grad": _numbers(vertex.grad),
            "time": vertex.time,
            "outputs": op.outputs if op is not None and len(values) > 1 else (),
            "arrays": [self._array(value) for value in values],
        }

    def _event(self, event: Event) -> dict[str, Any]:
        return {
            "phase": event.kind,
            "vertex": event.vertex,
            "arrives": [self._array(part) for part in event.arrives],
            "hooked": event.hooked,
            "seconds": event.seconds,
            "rules": [
                {
                    "inputs": rule.inputs,
                    "code": rule.code,
                    "formula": rule.formula,
                    "kept": {name: self._array(array) for name, array in rule.kept.items()},
                }
                for rule in event.rules
            ],
            "contributions": [
                {
                    "link": part.edge,
                    "gradient": self._array(part.gradient),
                    "broadcast": part.broadcast and sizes(part.broadcast),
                    "before": self._array(part.before),
                    "after": self._array(part.after),
                }
                for part in event.contributions
            ],
        }

    def _array(self, array: Preview | None) -> int | None:
        """Return the number of an array; those that are alike are stored once."""
        if array is None:
            return None
        plain = array.plain()
        key = json.dumps(plain)
        if key not in self.known:
            self.known[key] = len(self.arrays)
            self.arrays.append(plain)
        return self.known[key]


def _numbers(value: Statistics | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return {name: as_json(number) for name, number in asdict(value).items()}


def _rounded(*numbers: float) -> list[float]:
    return [round(number, 1) for number in numbers]
