"""Which boxes and arrows of a snapshot a view shows, and what they say."""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

from .findings import Finding
from .labels import duration, magnitude, size, sizes, within
from .snapshot import Edge, Snapshot, Vertex
from .theme import THEMES
from .view import Box, View

MOST = 200  # boxes, above which modules are closed by themselves
_MOST_GROUPS = 5  # boxes of unreached parameters
_MOST_WARNINGS = 2  # lines of one box
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")  # their class says nothing
_CHOICES = {
    "params": ("inline", "nodes", "hide"),
    "color": ("op", "grad_norm", "bytes", "time"),
    "direction": ("TB", "LR", "BT", "RL"),
    "theme": tuple(THEMES),
}


def select(
    snapshot: Snapshot,
    depth: int | None = None,
    fold_repeats: bool = True,
    params: Literal["inline", "nodes", "hide"] = "inline",
    color: Literal["op", "grad_norm", "bytes", "time"] = "op",
    direction: Literal["TB", "LR", "BT", "RL"] = "TB",
    focus: str | None = None,
    legend: bool = True,
    theme: Literal["light", "dark"] = "light",
) -> View:
    """Select what to show of a snapshot; its method `view` is this function.

    Parameters
    ----------
    snapshot : Snapshot
    depth : int, optional
        How many levels of modules are open; 0 makes a box of each outermost one. As many as
        `MOST` boxes allow, where not given; if they are still too many, straight lines of
        operations are one box. A module of one operation is never closed.
    fold_repeats : bool
        Draw modules that follow each other and are alike once, with their number; not where the
        colour tells them apart.
    params : {"inline", "nodes", "hide"}
        Write the parameters and buffers of a module into the operation that takes them, draw each
        as a box, or leave them out. Those outside all modules are boxes, unless hidden.
    color : {"op", "grad_norm", "bytes", "time"}
        What the colour says: the kind of box; the norm of the gradient (of a result that retains
        it, or of the parameters), the bytes kept for backward, or the time that backward took
        (as `tinygrad_cnn.viz.record` measured it), each on a logarithmic scale.
    direction : {"TB", "LR", "BT", "RL"}
        From top to bottom, from left to right, and so on.
    focus : str, optional
        Path of a module, such as ``features.3``: draw what is in it, and its neighbours.
    legend : bool
        Say what the colours mean, and what there is to note.
    theme : {"light", "dark"}
        Dark ink on white paper, or light ink on dark paper.

    Returns
    -------
    View

    Raises
    ------
    ValueError
        If an option has another value, no module in the graph has the path `focus`, or times are
        asked for and there are none.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> block = lambda: tg.nn.Sequential(tg.nn.Linear(4, 4), tg.nn.ReLU())
    >>> model = tg.nn.Sequential(block(), block(), block())
    >>> snapshot = tg.viz.trace(model(tg.ones(2, 4)).sum(), model)
    >>> view = snapshot.view()
    >>> [label for label in view.labels if "×" in label]
    ['0–2 ×3']
    >>> [box.vertex.title for box in view.boxes]
    ['input', 'linear', 'relu', 'sum', '']
    """
    given = {"params": params, "color": color, "direction": direction, "theme": theme}
    for name, value in given.items():
        if value not in _CHOICES[name]:
            raise ValueError(f"view: {name} must be one of {_CHOICES[name]}, got {value!r}")
    if depth is not None and depth < 0:
        raise ValueError(f"view: depth must be 0 or more, got {depth}")
    if color == "time" and all(vertex.time is None for vertex in snapshot.vertices):
        raise ValueError(
            "view: color='time' needs times, which come from `viz.record`: `with viz.record(model) "
            "as rec: loss.backward()`, then rec.view(color='time')"
        )
    paths = [frame.path for frame in snapshot.frames]
    if focus is not None and focus not in paths[1:]:
        near = difflib.get_close_matches(focus, paths[1:]) or sorted(set(paths[1:]))[:8]
        raise ValueError(
            f"view: no module {focus!r} in the graph; there are {', '.join(near)}, ..."
        )
    fold = fold_repeats and color == "op"
    return _Selector(snapshot, fold, params, color, focus).run(depth, direction, legend, theme)


class _Selector:
    def __init__(
        self, snapshot: Snapshot, fold: bool, params: str, color: str, focus: str | None
    ) -> None:
        self.snapshot = snapshot
        self.params = params
        self.color = color
        self.focus = focus
        frames = snapshot.frames
        self.chains: list[tuple[int, ...]] = [()]  # the frames around each, outermost first
        for i, frame in enumerate(frames[1:], 1):
            self.chains.append((*self.chains[frame.parent], i))
        self.inputs: dict[int, list[Edge]] = defaultdict(list)
        for edge in snapshot.edges:
            self.inputs[edge.head].append(edge)
        self.home = self._homes()
        self.members: list[list[int]] = [[] for _ in frames]
        for number, vertex in enumerate(snapshot.vertices):
            for i in self.chains[vertex.frame]:
                self.members[i].append(number)
        self.closable = [sum(v not in self.home for v in part) > 1 for part in self.members]
        self.copies: dict[int, list[int]] = {}  # the first of frames that are alike -> all
        self.twins: dict[int, int] = {}  # vertex of a copy -> the same one in the first
        self.copy_of: dict[int, dict[int, int]] = defaultdict(dict)  # vertex -> first frame -> copy
        if fold:
            self._fold()

    def run(self, depth: int | None, direction: str, legend: bool, theme: str) -> View:
        deepest = max(map(len, self.chains))
        level = deepest if depth is None else depth
        images = self._images(level)
        count = len(set(images) - {None})
        while depth is None and level and len(set(images) - {None}) > MOST:
            level -= 1
            images = self._images(level)
        notes = self._notes()
        if depth is None and level < deepest:
            notes.append(f"{count:,} boxes are too many: modules are closed below depth {level}")
        if depth is None and len(set(images) - {None}) > MOST:
            images = self._runs(images)
            notes.append("straight lines of operations are one box")
        edges = self._edges(images)
        if self.focus is not None:
            images, edges = self._focused(images, edges)
        groups: dict[Any, list[int]] = defaultdict(list)
        for number, image in enumerate(images):
            if image is not None:
                groups[image].append(number)
        numbers = {image: i for i, image in enumerate(groups)}
        warnings = self._warnings(images)
        boxes = [self._box(image, groups[image], warnings[image]) for image in groups]
        if self.focus is None:
            boxes.extend(self._unreached())
        return View(
            tuple(boxes),
            tuple(replace(e, tail=numbers[e.tail], head=numbers[e.head]) for e in edges),
            self.snapshot.frames,
            tuple(self._frame_label(i, self._outer(i)) for i in range(len(self.snapshot.frames))),
            tuple(notes) if legend else (),
            self.color,
            direction,
            legend,
            theme,
        )

    # -- which boxes ---------------------------------------------------------------------------

    def _homes(self) -> dict[int, list[int]]:
        """Return what the model has and gets no box, each with the operations that take it."""
        homes: dict[int, list[int]] = {}
        for number, vertex in enumerate(self.snapshot.vertices):
            if (vertex.kind == "parameter" or vertex.stored) and (
                self.params == "hide" or (self.params == "inline" and vertex.frame)
            ):
                homes[number] = []
        for edge in self.snapshot.edges:
            if edge.tail in homes:
                homes[edge.tail].append(edge.head)
        return homes

    def _fold(self) -> None:
        frames = self.snapshot.frames
        before: dict[int, int] = {}  # frame -> the last one in it
        first_of: dict[int, int] = {}
        signatures: dict[int, Any] = {}
        for i, frame in enumerate(frames[1:], 1):
            previous = before.get(frame.parent)
            before[frame.parent] = i
            if previous is None or not self._may_be_alike(previous, i):
                continue
            for one in (previous, i):
                if one not in signatures:
                    signatures[one] = self._signature(one)
            if signatures[previous] == signatures[i]:
                first = first_of[i] = first_of.get(previous, previous)
                self.copies.setdefault(first, [first]).append(i)
        for first, alike in self.copies.items():
            for copy, one in enumerate(alike):
                for twin, number in zip(self.members[first], self.members[one], strict=True):
                    self.copy_of[number][first] = copy
                    if copy:
                        self.twins[number] = twin

    def _may_be_alike(self, first: int, second: int) -> bool:
        """Return whether nothing is between two frames, and they are of one size."""
        one, other = self.members[first], self.members[second]
        between = self.snapshot.vertices[one[-1] + 1 : other[0]]
        paths = [self.snapshot.frames[frame].path for frame in (first, second)]
        return (
            len(one) == len(other)
            and self.closable[second]
            and not any(vertex.kind == "operation" for vertex in between)
            and not (self.focus and any(within(self.focus, path) for path in paths))
        )

    def _signature(self, frame: int) -> Any:
        """Return what two frames have in common that are drawn alike."""
        path = self.snapshot.frames[frame].path + "."
        place = {number: i for i, number in enumerate(self.members[frame])}
        rows = []
        for number in self.members[frame]:
            vertex = self.snapshot.vertices[number]
            inner = self.snapshot.frames[vertex.frame].path.removeprefix(path[:-1])
            title = vertex.title.removeprefix(path)
            sources = tuple((place.get(e.tail), e.output, e.shape) for e in self.inputs[number])
            rows.append((vertex.kind, title, vertex.shape, vertex.mark, inner, sources))
        return rows

    def _images(self, depth: int) -> list[Any]:
        """Return what shows each vertex: itself, ("frame", 3), or None."""
        images: list[Any] = []
        base = 0
        if self.focus is not None:
            base = max(
                len(chain)
                for frame, chain in zip(self.snapshot.frames, self.chains, strict=True)
                if frame.path == self.focus
            )
        for number in range(len(self.snapshot.vertices)):
            image: Any = number
            if number in self.home:
                image = None
            else:
                while image in self.twins:
                    image = self.twins[image]
                for level, frame in enumerate(self.chains[self.snapshot.vertices[image].frame], 1):
                    if self.closable[frame] and self._is_closed(frame, level, base + depth):
                        image = ("frame", frame)
                        break
            images.append(image)
        return images

    def _is_closed(self, frame: int, level: int, depth: int) -> bool:
        if self.focus is None:
            return level > depth
        path = self.snapshot.frames[frame].path
        if within(self.focus, path):
            return False
        return level > depth or not within(path, self.focus)

    def _runs(self, images: list[Any]) -> list[Any]:
        """Take operations that follow each other in a straight line together, as ("run", 3)."""
        vertices = self.snapshot.vertices
        heads: dict[Any, set[Any]] = defaultdict(set)
        tails: dict[Any, set[Any]] = defaultdict(set)
        for edge in self._edges(images):
            heads[edge.tail].add(edge.head)
            if not isinstance(edge.tail, int) or vertices[edge.tail].kind != "data":
                tails[edge.head].add(edge.tail)
        run_of: dict[Any, Any] = {}
        for image in dict.fromkeys(images):
            if not isinstance(image, int) or vertices[image].kind != "operation":
                continue
            run_of[image] = ("run", image)
            if len(tails[image]) == 1:
                (before,) = tails[image]
                straight = before in run_of and len(heads[before]) == 1
                if straight and vertices[before].frame == vertices[image].frame:
                    run_of[image] = run_of[before]
        for image in images:
            if isinstance(image, int) and vertices[image].kind == "data" and len(heads[image]) == 1:
                run_of[image] = run_of.get(next(iter(heads[image])))
        length = Counter(run_of.values())
        return [
            run_of[image] if length.get(run_of.get(image), 0) > 2 else image for image in images
        ]

    def _edges(self, images: list[Any]) -> list[Edge]:
        """Return the edges between boxes, tail and head being images."""
        edges: dict[Any, Edge] = {}
        for number, edge in enumerate(self.snapshot.edges):
            tail, head = images[edge.tail], images[edge.head]
            if tail is None or (tail == head and isinstance(tail, tuple)):
                continue
            copies, others = self.copy_of.get(edge.tail, {}), self.copy_of.get(edge.head, {})
            if any(others.get(first, copy) != copy for first, copy in copies.items()):
                continue  # from one of the repeated modules to the next
            if any(copy and first in others for first, copy in copies.items()):
                continue  # inside a copy, as inside the first
            moved = (tail, head) != (edge.tail, edge.head)
            key = (tail, head, edge.shape, edge.output) if moved else number
            edges.setdefault(key, replace(edge, tail=tail, head=head))
        return list(edges.values())

    def _focused(self, images: list[Any], edges: list[Edge]) -> tuple[list[Any], list[Edge]]:
        """Leave out what is neither in the focus nor next to it."""
        inside = {
            image
            for vertex, image in zip(self.snapshot.vertices, images, strict=True)
            if within(self.snapshot.frames[vertex.frame].path, self.focus or "")
        }
        edges = [edge for edge in edges if edge.tail in inside or edge.head in inside]
        shown = inside.union(*((edge.tail, edge.head) for edge in edges))
        return [image if image in shown else None for image in images], edges

    # -- what they say -------------------------------------------------------------------------

    def _box(self, image: Any, members: list[int], said: list[Finding]) -> Box:
        vertices = self.snapshot.vertices
        lines: list[str] = []
        if isinstance(image, tuple):
            own = self.members[image[1]] if image[0] == "frame" else members
            vertex = self._closed(image, own)
        else:
            vertex = vertices[image]
            own = [image, *(e.tail for e in self.inputs[image] if e.tail in self.home)]
            lines = list(self._parameter_lines(image))
        amount: float | None = sum(vertices[v].kept for v in own)
        if self.color == "time":
            times = [time for v in own if (time := vertices[v].time) is not None]
            amount = sum(times) if times else None
            if amount is not None:
                lines.append(f"took {duration(amount)}")
        elif self.color == "grad_norm":
            grads = [
                vertices[v].grad for v in dict.fromkeys(own) if vertices[v].kind == "parameter"
            ]
            amount = _norm(grads if vertex.grad is None else [vertex.grad])
            if amount is not None and vertex.grad is None:
                lines.append(f"‖gradient‖ {magnitude(amount)}")
        elif self.color == "bytes" and amount:
            lines.append(f"keeps {size(amount)}")
        texts = list(dict.fromkeys(f"⚠ {finding.short}" for finding in said))
        lines.extend(texts[:_MOST_WARNINGS])
        if len(texts) > _MOST_WARNINGS:
            lines.append(f"⚠ and {len(texts) - _MOST_WARNINGS} more")
        return Box(vertex, tuple(members), tuple(lines), amount, self._mark(members, said))

    def _mark(self, members: list[int], said: list[Finding]) -> str:
        differs = {self.snapshot.vertices[v].mark for v in members} - {""}
        if differs:
            return differs.pop() if len(differs) == 1 else "changed"
        if any(finding.trail for finding in said):
            return "first"
        if self.trail.intersection(members):
            return "trail"
        return "warning" if said else ""

    def _closed(self, image: tuple[str, int], inside: list[int]) -> Vertex:
        """Return the vertex that stands for a closed module, or for a run of operations."""
        vertices = [self.snapshot.vertices[v] for v in inside]
        operations = Counter(v.op for v in vertices if v.kind == "operation")
        count = f"{sum(operations.values()):,} operations"
        if image[0] == "run":
            most = ", ".join(f"{name} ×{n:,}" for name, n in operations.most_common(3))
            return Vertex("module", f"{count}\n{most}", frame=vertices[0].frame)
        parameters = sum(v.value.size for v in vertices if v.kind == "parameter" and v.value)
        if parameters:
            count += f", {parameters:,} parameters"
        if image[1] in self.copies:
            count += " each"
        frame = self.snapshot.frames[image[1]].parent
        return Vertex("module", f"{self._frame_label(image[1])}\n{count}", frame=frame)

    def _outer(self, i: int) -> str:
        """Return the path of the frame around one, inside which it need not be said again."""
        return self.snapshot.frames[self.snapshot.frames[i].parent].path

    def _frame_label(self, i: int, outer: str = "") -> str:
        frame = self.snapshot.frames[i]
        alike = self.copies.get(i, [i])
        label = frame.path.removeprefix(f"{outer}.")
        if (end := self.snapshot.frames[alike[-1]].path) != frame.path:
            label += f"–{end.rpartition('.')[2]}"
        if i and frame.module and frame.module not in _CONTAINERS:
            label += f": {frame.module}"
        return f"{label} ×{len(alike)}" if len(alike) > 1 else label

    def _parameter_lines(self, number: int) -> Iterator[str]:
        if self.params == "hide":
            return
        path = self.snapshot.frames[self.snapshot.vertices[number].frame].path
        inside = [self.snapshot.vertices[e.tail] for e in self.inputs[number] if e.tail in self.home]
        for stored in (False, True):
            words = []
            for vertex in inside:
                if vertex.stored == stored:
                    name = vertex.title.removeprefix(f"{path}.") if path else vertex.title
                    words.append(f"{name} {sizes(vertex.shape or ())}".rstrip())
            if words:
                yield ", ".join(words)

    def _warnings(self, images: list[Any]) -> dict[Any, list[Finding]]:
        """Return the findings for each image, and note the trail of the first NaN."""
        found: dict[Any, list[Finding]] = defaultdict(list)
        self.trail: set[int] = set()
        for finding in self.snapshot.findings:
            if finding.vertex is None:
                continue
            for home in self.home.get(finding.vertex, [finding.vertex])[:1]:
                if images[home] is not None:
                    found[images[home]].append(finding)
            self.trail.update(finding.trail)
        return found

    def _unreached(self) -> Iterator[Box]:
        """Yield a box for the unreached parameters of each module, or of each outermost one."""
        unreached = self.snapshot.unreached
        owners = [vertex.title.rpartition(".")[0] for vertex in unreached]
        if len(set(owners)) > _MOST_GROUPS:
            owners = [owner.partition(".")[0] for owner in owners]
        for owner in dict.fromkeys(owners):
            group = [v for v, o in zip(unreached, owners, strict=True) if o == owner]
            lines = [f"{v.title} {sizes(v.shape or ())}".rstrip() for v in group[:2]]
            if len(group) > 2:
                lines = [f"{len(group)} parameters of {owner or 'the model'}"]
            finding = next(f for f in self.snapshot.findings if f.where == group[0].title)
            vertex = Vertex("parameter", "\n".join(lines))
            yield Box(vertex, (), (f"⚠ {finding.kind}",), None, "warning")

    def _notes(self) -> list[str]:
        snapshot = self.snapshot
        notes = []
        if self.color == "grad_norm":
            notes.append("without colour: no gradient is known here")
        elif self.color == "time":
            notes.append("without colour: no time is known here")
        if len(snapshot.frames) > 1 and snapshot.parameter_count:
            notes.append(f"{snapshot.parameter_count:,} parameters")
        kept = sum(vertex.kept for vertex in snapshot.vertices)
        if kept and len(snapshot.frames) > 1:
            notes.append(f"{size(kept)} kept for backward")
        if snapshot.parameter_count and not snapshot.has_gradients:
            notes.append("gradients are not computed yet")
        return notes


def _norm(parts: Iterable[Any]) -> float | None:
    norms = [part.norm for part in parts if part is not None]
    return math.hypot(*norms) if norms else None
