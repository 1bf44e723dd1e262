"""A layered layout in pure Python, for where no program of graphviz is installed.

Each frame is laid out by itself and then is one item of the frame around it. Items stand in rows,
so that every edge goes down (Sugiyama, Tagawa and Toda, 1981); an edge that passes rows holds a
place in each; rows are sorted by the medians of their neighbours to have few crossings, and items
move towards their neighbours as far as their order allows. An edge that enters or leaves a frame
does so at a port: an item without size in the frame's first or last row.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .dot import contents
from .view import View

Point = tuple[float, float]
Item = tuple[Any, ...]
"""What stands in a row: ("box", 7), ("frame", 2), the port ("in", 3) or ("out", 3) of edge 3 in a
frame that it enters or leaves, or ("pass", 3, 5), its place in row 5."""
Near = dict[Item, list[tuple[Item, float]]]
"""For each item, those in the next row, and how far from its middle it wants to be of theirs."""

_ROW_GAP = 34.0  # room for a shape on the edge
_PORT_GAP = 12.0
_GAP = 16.0
_PASSING = 14.0  # width that an edge which passes a row takes
_MARGIN = 10.0
_HEADER = 18.0  # of a frame, for its label
_SWEEPS = 8


@dataclass
class Placed:
    """A laid-out drawing; y grows downwards.

    Attributes
    ----------
    width, height : float
    boxes : dict of int to Point
        The centre of each box.
    frames : dict of int to (left, top, width, height)
    edges : list of list of Point
        For each edge of the view, where it passes.
    labels : list of (Point, Point)
        For each edge, the two ends of the part beside which its label can stand.
    """

    width: float
    height: float
    boxes: dict[int, Point] = field(default_factory=dict)
    frames: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    edges: list[list[Point]] = field(default_factory=list)
    labels: list[tuple[Point, Point]] = field(default_factory=list)


@dataclass
class _Group:
    """What stands in a frame: items with sizes, edges between them, and in the end their places."""

    sizes: dict[Item, Point] = field(default_factory=dict)
    edges: dict[int, tuple[Item, Item]] = field(default_factory=dict)
    places: dict[Item, Point] = field(default_factory=dict)
    bends: dict[int, list[Point]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def place(
    view: View, size_of: Callable[[int, str], Point], label_width: Callable[[str], float]
) -> Placed:
    """Lay out a view.

    Parameters
    ----------
    view : View
    size_of : callable
        From the number of a box, and the path that it is to show, to its width and height.
    label_width : callable
        From the label of a frame to its width.

    Returns
    -------
    Placed
    """
    layout = _Layout(view)
    layout.collect(size_of)
    layout.route()
    for frame in reversed(layout.order):
        group = layout.groups[frame]
        _arrange(group, layout.groups)
        if frame:
            group.width = max(group.width, label_width(view.labels[frame]))
            size = (group.width + 2 * _MARGIN, group.height + _HEADER + _MARGIN)
            layout.groups[layout.parent_of[frame]].sizes["frame", frame] = size
    return layout.placed()


class _Layout:
    def __init__(self, view: View) -> None:
        self.view = view
        self.groups: dict[int, _Group] = defaultdict(_Group)
        self.order: list[int] = []  # of the frames, each after the one around it
        self.parent_of: dict[int, int] = {}
        self.home: dict[int, int] = {}  # box -> the frame that is drawn around it
        self.routes: list[tuple[list[int], int]] = []  # frames of each edge; which has both ends

    def collect(self, size_of: Callable[[int, str], Point]) -> None:
        """Put boxes and frames into the group of the frame around them."""
        inside = contents(self.view)
        stack = [0]
        while stack:
            frame = stack.pop()
            self.order.append(frame)
            sizes = self.groups[frame].sizes
            for what, number, path in inside[frame]:
                if what == "frame":
                    self.parent_of[number] = frame
                    sizes["frame", number] = (0.0, 0.0)  # until it is laid out
                    stack.append(number)
                else:
                    self.home[number] = frame
                    sizes["box", number] = size_of(number, path)

    def route(self) -> None:
        """Put each edge into the groups that it goes through, with ports where it changes."""
        for number, edge in enumerate(self.view.edges):
            tails, heads = self._around(edge.tail), self._around(edge.head)
            pairs = zip(tails, heads, strict=False)
            common = max(i for i, (one, other) in enumerate(pairs) if one[0] == other[0])
            self.groups[tails[common][0]].edges[number] = tails[common][1], heads[common][1]
            for links, end in ((tails, "out"), (heads, "in")):
                for frame, item in links[common + 1 :]:
                    port = (end, number)
                    self.groups[frame].sizes[port] = (_PASSING, 0.0)
                    pair = (item, port) if end == "out" else (port, item)
                    self.groups[frame].edges[number] = pair
            up = [frame for frame, _ in reversed(tails[common + 1 :])]
            down = [frame for frame, _ in heads[common:]]
            self.routes.append((up + down, tails[common][0]))

    def _around(self, box: int) -> list[tuple[int, Item]]:
        """Return each frame around a box, outermost first, with the item in it that has the box."""
        frame = self.home[box]
        links: list[tuple[int, Item]] = [(frame, ("box", box))]
        while frame:
            item = ("frame", frame)
            frame = self.parent_of[frame]
            links.append((frame, item))
        return links[::-1]

    def placed(self) -> Placed:
        """Return the places in the whole drawing, from those in each group."""
        placed = Placed(self.groups[0].width, self.groups[0].height)
        origins = {0: (0.0, 0.0)}
        for frame in self.order:
            left, top = origins[frame]
            for item, (x, y) in self.groups[frame].places.items():
                number = item[1]
                if item[0] == "box":
                    placed.boxes[number] = (left + x, top + y)
                elif item[0] == "frame":
                    width, height = self.groups[frame].sizes[item]
                    corner = (left + x - width / 2, top + y - height / 2)
                    placed.frames[number] = (*corner, width, height)
                    origins[number] = (corner[0] + _MARGIN, corner[1] + _HEADER)
        for number, (frames, common) in enumerate(self.routes):
            points: list[Point] = []
            for frame in frames:
                left, top = origins[frame]
                part = [(left + x, top + y) for x, y in self.groups[frame].bends[number]]
                points += part
                if frame == common:
                    placed.labels.append((part[1], part[2]))
            placed.edges.append(points)
        return placed


def _arrange(group: _Group, groups: dict[int, _Group]) -> None:
    """Give the items of one frame their places, and its edges their bends."""
    row_of = _rows(group)
    rows: list[list[Item]] = [[] for _ in range(max(row_of.values(), default=-1) + 1)]
    for item, level in row_of.items():
        rows[level].append(item)
    sizes = dict(group.sizes)
    chains: dict[int, list[Item]] = {}
    above: Near = defaultdict(list)
    below: Near = defaultdict(list)

    def port(item: Item, number: int, end: str) -> float:
        """Return where at an item an edge ends, from its middle."""
        if item[0] != "frame":
            return 0.0
        frame = groups[item[1]]
        return frame.places[end, number][0] - frame.width / 2

    for number, (tail, head) in group.edges.items():
        chain: list[Item] = [tail]
        for level in range(row_of[tail] + 1, row_of[head]):
            passing = ("pass", number, level)
            sizes[passing] = (_PASSING, 0.0)
            row_of[passing] = level
            rows[level].append(passing)
            chain.append(passing)
        chains[number] = [*chain, head]
        shifts = [0.0] * (len(chain) + 1)
        shifts[0], shifts[-1] = port(tail, number, "out"), port(head, number, "in")
        for i, (one, other) in enumerate(zip(chain, chains[number][1:], strict=True)):
            below[one].append((other, shifts[i + 1] - shifts[i]))
            above[other].append((one, shifts[i] - shifts[i + 1]))

    _sort(rows, above, below)
    x = _columns(rows, sizes, above, below)
    left = min((x[item] - sizes[item][0] / 2 for item in x), default=0.0)
    group.width = max((x[item] + sizes[item][0] / 2 for item in x), default=0.0) - left
    spans: list[Point] = []  # top and bottom of each row
    for row in rows:
        height = max(sizes[item][1] for item in row)
        ports = not height or not (spans and spans[-1][1] > spans[-1][0])
        gap = (_PORT_GAP if ports else _ROW_GAP) if spans else 0.0
        top = (spans[-1][1] if spans else 0.0) + gap
        spans.append((top, top + height))
        for item in row:
            group.places[item] = (x[item] - left, top + height / 2)
    group.height = spans[-1][1] if spans else 0.0
    for number, chain in chains.items():
        bends: list[Point] = []
        for item in chain:
            px, py = group.places[item]
            top, bottom = spans[row_of[item]]
            half = sizes[item][1] / 2
            if item == chain[0]:
                px += port(item, number, "out")
                bends += [(px, py + half), (px, bottom)]
            elif item == chain[-1]:
                px += port(item, number, "in")
                bends += [(px, top), (px, py - half)]
            else:
                bends += [(px, top), (px, bottom)]
        group.bends[number] = bends


def _rows(group: _Group) -> dict[Item, int]:
    """Return a row for each item: below what it comes from, and near what it goes to."""
    heads: dict[Item, list[Item]] = defaultdict(list)
    waiting = dict.fromkeys(group.sizes, 0)
    for tail, head in group.edges.values():
        heads[tail].append(head)
        waiting[head] += 1
    rows = {item: int(item[0] != "in") for item in group.sizes}
    ready = [item for item, count in waiting.items() if not count]
    sources = list(ready)
    for item in ready:  # grows
        for head in heads[item]:
            rows[head] = max(rows[head], rows[item] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    for item in sources:
        if item[0] != "in" and heads[item]:
            rows[item] = max(1, min(rows[head] for head in heads[item]) - 1)
    last = max((row for item, row in rows.items() if item[0] != "out"), default=0)
    rows.update((item, last + 1) for item in rows if item[0] == "out")
    first = min(rows.values(), default=0)
    return {item: row - first for item, row in rows.items()}


def _sort(rows: list[list[Item]], above: Near, below: Near) -> None:
    """Sort each row by the medians of its neighbours, in sweeps down and up."""
    for sweep in range(_SWEEPS):
        neighbours, order = (below, rows[::-1]) if sweep % 2 else (above, rows)
        place: dict[Item, float] = {}
        for row in order:
            keys: dict[Item, float] = {}
            for i, item in enumerate(row):
                here = (i + 1) / (len(row) + 1)
                near = [place[other] for other, _ in neighbours[item]]
                keys[item] = statistics.median(near) if near else here
            row.sort(key=keys.__getitem__)
            place.update((item, (i + 1) / (len(row) + 1)) for i, item in enumerate(row))


def _columns(
    rows: list[list[Item]], sizes: dict[Item, Point], above: Near, below: Near
) -> dict[Item, float]:
    """Return the middle of each item, in sweeps towards its neighbours."""
    x: dict[Item, float] = {}
    for row in rows:
        x.update(zip(row, _apart([0.0] * len(row), row, sizes), strict=True))
    for sweep in range(_SWEEPS):
        neighbours, order = (below, rows[::-1]) if sweep % 2 else (above, rows)
        for row in order:
            wanted = []
            for item in row:
                near = [x[other] + shift for other, shift in neighbours[item]]
                wanted.append(statistics.fmean(near) if near else x[item])
            x.update(zip(row, _apart(wanted, row, sizes), strict=True))
    return x


def _apart(wanted: Iterable[float], row: list[Item], sizes: dict[Item, Point]) -> list[float]:
    """Return the places nearest to `wanted`, by least squares, that keep order and gaps.

    Less the widths before it, each place must be no less than the one before: isotonic
    regression, by pooling neighbours that violate it. Passing edges weigh more, to be straight.
    """
    offsets = [0.0]
    for one, other in pairwise(row):
        offsets.append(offsets[-1] + (sizes[one][0] + sizes[other][0]) / 2 + _GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for item, want, offset in zip(row, wanted, offsets, strict=True):
        mean, weight, count = want - offset, 4.0 if item[0] == "pass" else 1.0, 1
        while pools and pools[-1][0] >= mean:
            before, heavy, number = pools.pop()
            mean = (mean * weight + before * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + number
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
