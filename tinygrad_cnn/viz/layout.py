"""A layered layout in pure Python, for where no program of graphviz is installed.

Each frame is laid out by itself and then is one item of the frame around it. Items stand in rows,
so that every edge goes down (Sugiyama, Tagawa and Toda, 1981); an edge that passes rows holds a
place in each; rows are sorted by the medians of their neighbours to have few crossings. Items that
a line goes straight through are bound together and move as one (Brandes and Köpf, 2001), towards
their neighbours as far as the order allows. An edge that enters or leaves a frame does so at a
port: an item without size in the frame's first or last row.

All of that goes downwards, with x across and y along; another direction swaps the sizes before,
and turns the drawing after.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from .dot import contents, straight
from .view import View

Point = tuple[float, float]
Item = tuple[Any, ...]
"""What stands in a row: ("box", 7), ("frame", 2), the port ("in", 3) or ("out", 3) of edge 3 in a
frame that it enters or leaves, or ("pass", 3, 5), its place in row 5."""

_ROW_GAP = 34.0  # room for a shape on the edge
_PORT_GAP = 12.0
_LEAST_SLOPE = 0.12  # of an edge, which makes room for it
_MOST_GAP = 90.0
_GAP = 16.0
_SPREAD = 14.0  # between edges that enter a box, at most
_PASSING = 14.0  # width that an edge which passes a row takes
_MARGIN = 10.0
_HEADER = 18.0  # of a frame, for its label
_SWEEPS = 8
_FIRM = 1e9  # weight of what the others give way to
_Near = dict[Item, list[tuple[Item, float]]]
"""For each item, its neighbours, and how far from their middles it wants its own to be."""


class _Step(NamedTuple):
    """An edge on its way from an item to one in the next row."""

    edge: int
    tail: Item
    head: Item
    start: float  # where it leaves the tail, from its middle
    end: float  # where it arrives at the head
    straight: int  # how much it matters that it is straight; 0 where it does not

    @property
    def shift(self) -> float:
        """From the middle of the tail to the head's, where it is straight."""
        return self.start - self.end


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
    labels: dict[int, float] = field(default_factory=dict)  # edge -> length of its label
    places: dict[Item, Point] = field(default_factory=dict)
    bends: dict[int, list[Point]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def place(
    view: View,
    size_of: Callable[[int, str], Point],
    label_width: Callable[[str], float],
    edge_width: Callable[[int], float] = lambda number: 0.0,
) -> Placed:
    """Lay out a view, in its direction.

    Parameters
    ----------
    view : View
    size_of : callable
        From the number of a box, and the path that it is to show, to its width and height.
    label_width : callable
        From the label of a frame to its width.
    edge_width : callable
        From the number of an edge to the width of its label, for which there is to be room.

    Returns
    -------
    Placed
    """
    layout = _Layout(view)
    layout.collect(size_of)
    layout.route(edge_width)
    for frame in reversed(layout.order):
        layout.arrange(frame, label_width(view.labels[frame]) if frame else 0.0)
    return layout.placed()


class _Layout:
    def __init__(self, view: View) -> None:
        self.view = view
        self.sideways = view.direction in ("LR", "RL")
        self.straight = set(straight(view))
        self.outs: dict[tuple[int, int], int] = {}  # frame, box that leaves it -> edge of the port
        self.groups: dict[int, _Group] = defaultdict(_Group)
        self.order: list[int] = []  # of the frames, each after the one around it
        self.parent_of: dict[int, int] = {}
        self.home: dict[int, int] = {}  # box -> the frame that is drawn around it
        self.routes: list[tuple[list[tuple[int, int]], int]] = []  # see `route`
        self.before: Point = (_MARGIN, _HEADER)  # what stands in a frame; the label is on top
        self.after: Point = (_MARGIN, _MARGIN)
        if view.direction == "BT":
            self.before, self.after = self.after, self.before
        elif self.sideways:
            self.before = (_HEADER, _MARGIN)

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
                    width, height = size_of(number, path)
                    sizes["box", number] = (height, width) if self.sideways else (width, height)

    def route(self, edge_width: Callable[[int], float]) -> None:
        """Put each edge into the groups that it goes through, with ports where it changes.

        Edges from one box leave a frame together. The route of an edge is the frames that it goes
        through, each with the edge that it goes along there; and the frame that has both its ends.
        """
        for number, edge in enumerate(self.view.edges):
            tails, heads = self._around(edge.tail), self._around(edge.head)
            pairs = zip(tails, heads, strict=False)
            common = max(i for i, (one, other) in enumerate(pairs) if one[0] == other[0])
            group = self.groups[tails[common][0]]
            group.edges[number] = tails[common][1], heads[common][1]
            group.labels[number] = edge_width(number)
            up = []
            for frame, item in tails[:common:-1]:
                first = self.outs.setdefault((frame, edge.tail), number)
                up.append((frame, first))
                self.groups[frame].sizes["out", first] = (_PASSING, 0.0)
                self.groups[frame].edges[first] = item, ("out", first)
                if number in self.straight:
                    self.straight.add(first)
            for frame, item in heads[common + 1 :]:
                self.groups[frame].sizes["in", number] = (_PASSING, 0.0)
                self.groups[frame].edges[number] = ("in", number), item
            down = [(frame, number) for frame, _ in heads[common:]]
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

    def arrange(self, frame: int, label: float) -> None:
        """Give the items of one frame their places, its edges their bends, and it its size."""
        group = self.groups[frame]
        row_of = _rows(group)
        rows: list[list[Item]] = [[] for _ in range(max(row_of.values(), default=-1) + 1)]
        for item, level in row_of.items():
            rows[level].append(item)
        sizes = dict(group.sizes)
        chains = _chains(group, rows, row_of, sizes)
        steps = self._steps(group, chains)
        _sort(rows, steps)
        lines = _lines(rows, steps)
        x = _columns(rows, sizes, steps, *lines)
        ends = _ends(sizes, steps, x, lines[0])
        left, width = self._extent(group, sizes, steps, x)
        spans = self._spans(group, rows, row_of, sizes, steps, x)
        height = spans[-1][1] if spans else 0.0
        group.width, group.height = width, height
        if self.sideways:
            group.height = max(height, label)
        else:
            group.width = max(width, label)
        right, down = (group.width - width) / 2 - left, (group.height - height) / 2
        for row, (top, bottom) in zip(rows, spans, strict=True):
            from_top = any(item[0] == "frame" for item in row)
            for item in row:
                y = top + sizes[item][1] / 2 if from_top else (top + bottom) / 2
                group.places[item] = (x[item] + right, y + down)
        for number, chain in chains.items():
            bends: list[Point] = []
            for item in chain:
                px, py = group.places[item]
                top, bottom = (end + down for end in spans[row_of[item]])
                half = sizes[item][1] / 2
                if item == chain[0]:
                    px += self._port(group, item, number, "out")
                    bends += [(px, py + half), (px, bottom)]
                elif item == chain[-1]:
                    px += self._port(group, item, number, "in") + ends.get(number, 0.0)
                    bends += [(px, top), (px, py - half)]
                else:
                    bends += [(px, top), (px, bottom)]
            group.bends[number] = bends
        if frame:
            margins = [one + other for one, other in zip(self.before, self.after, strict=True)]
            size = (group.width + margins[0], group.height + margins[1])
            self.groups[self.parent_of[frame]].sizes["frame", frame] = size

    def _port(self, group: _Group, item: Item, number: int, end: str) -> float:
        """Return where at an item an edge ends, from the item's middle."""
        if item[0] != "frame":
            return 0.0
        if end == "out":
            number = self.outs[item[1], self.view.edges[number].tail]
        inside = self.groups[item[1]].places[end, number][0]
        return self.before[0] + inside - group.sizes[item][0] / 2

    def _steps(self, group: _Group, chains: dict[int, list[Item]]) -> list[_Step]:
        steps = []
        leaving: Counter[Item] = Counter()
        entering: Counter[Item] = Counter()
        for tail, head in group.edges.values():
            leaving[tail] += 1
            entering[head] += 1
        for number, chain in chains.items():
            tail, head = group.edges[number]
            alone = len(chain) > 2 or leaving[tail] == entering[head] == 1
            for one, other in pairwise(chain):
                start = self._port(group, tail, number, "out") if one == tail else 0.0
                end = self._port(group, head, number, "in") if other == head else 0.0
                straight = 1 if alone else 0
                if number in self.straight:
                    straight = 3
                elif one != tail and other != head:
                    straight = 2
                steps.append(_Step(number, one, other, start, end, straight))
        return steps

    def _extent(
        self,
        group: _Group,
        sizes: dict[Item, Point],
        steps: list[_Step],
        x: dict[Item, float],
    ) -> Point:
        """Return where the items and the labels begin, and their width."""
        lefts = [x[item] - sizes[item][0] / 2 for item in x]
        rights = [x[item] + sizes[item][0] / 2 for item in x]
        for step in steps:
            length = group.labels.get(step.edge, 0.0)
            if length and not self.sideways and step.tail == group.edges[step.edge][0]:
                ends = [x[step.tail] + step.start, x[step.head] + step.end]
                lefts.append(min(ends) - (length + 4 if ends[1] < ends[0] - 1 else 0.0))
                rights.append(max(ends) + length + 4)
        left = min(lefts, default=0.0)
        return left, max(rights, default=0.0) - left

    def _spans(
        self,
        group: _Group,
        rows: list[list[Item]],
        row_of: dict[Item, int],
        sizes: dict[Item, Point],
        steps: list[_Step],
        x: dict[Item, float],
    ) -> list[Point]:
        """Return where each row begins and ends."""
        gaps = [0.0] * len(rows)
        for step in steps:
            across = abs(x[step.head] - x[step.tail] - step.shift)
            gap = min(across * _LEAST_SLOPE, _MOST_GAP)
            length = group.labels.get(step.edge, 0.0)
            if self.sideways and length and step.tail == group.edges[step.edge][0]:
                gap = max(gap, length + 20 if across < 1 else 2 * length + 30)
            gaps[row_of[step.tail]] = max(gaps[row_of[step.tail]], gap)
        spans: list[Point] = []
        for level, row in enumerate(rows):
            height = max(sizes[item][1] for item in row)
            top = 0.0
            if spans:
                ports = not height or spans[-1][0] == spans[-1][1]
                top = spans[-1][1] + max(gaps[level - 1], _PORT_GAP if ports else _ROW_GAP)
            spans.append((top, top + height))
        return spans

    def placed(self) -> Placed:
        """Return the places in the whole drawing, from those in each group."""
        whole = self.groups[0]
        size = (whole.height, whole.width) if self.sideways else (whole.width, whole.height)
        placed = Placed(*size)

        def turned(x: float, y: float) -> Point:
            along = whole.height - y if self.view.direction in ("BT", "RL") else y
            return (along, x) if self.sideways else (x, along)

        origins = {0: (0.0, 0.0)}
        for frame in self.order:
            left, top = origins[frame]
            for item, (x, y) in self.groups[frame].places.items():
                number = item[1]
                if item[0] == "box":
                    placed.boxes[number] = turned(left + x, top + y)
                elif item[0] == "frame":
                    width, height = self.groups[frame].sizes[item]
                    first = (left + x - width / 2, top + y - height / 2)
                    ends = turned(*first), turned(first[0] + width, first[1] + height)
                    (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(*ends, strict=True))
                    placed.frames[number] = (x0, y0, x1 - x0, y1 - y0)
                    origins[number] = (first[0] + self.before[0], first[1] + self.before[1])
        for frames, common in self.routes:
            points: list[Point] = []
            for frame, along in frames:
                left, top = origins[frame]
                part = [turned(left + x, top + y) for x, y in self.groups[frame].bends[along]]
                points += part
                if frame == common:
                    placed.labels.append((part[1], part[2]))
            placed.edges.append(points)
        return placed


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


def _chains(
    group: _Group, rows: list[list[Item]], row_of: dict[Item, int], sizes: dict[Item, Point]
) -> dict[int, list[Item]]:
    """Return the items on the way of each edge; where it passes a row, put one into it."""
    chains: dict[int, list[Item]] = {}
    for number, (tail, head) in group.edges.items():
        chains[number] = [tail]
        for level in range(row_of[tail] + 1, row_of[head]):
            passing = ("pass", number, level)
            sizes[passing] = (_PASSING, 0.0)
            row_of[passing] = level
            rows[level].append(passing)
            chains[number].append(passing)
        chains[number].append(head)
    return chains


def _sort(rows: list[list[Item]], steps: list[_Step]) -> None:
    """Sort each row by the medians of its neighbours, in sweeps down and up; keep the best."""
    above: _Near = defaultdict(list)
    below: _Near = defaultdict(list)
    for step in steps:  # next to one frame, they stand in the order of its ports
        above[step.head].append((step.tail, step.start * 1e-9))
        below[step.tail].append((step.head, step.end * 1e-9))
    least, best = math.inf, rows
    for sweep in range(_SWEEPS):
        neighbours, order = (below, rows[::-1]) if sweep % 2 else (above, rows)
        place: dict[Item, float] = {}
        for row in order:
            keys: dict[Item, float] = {}
            for i, item in enumerate(row):
                here = (i + 1) / (len(row) + 1)
                near = [place[other] + shift for other, shift in neighbours[item]]
                keys[item] = statistics.median(near) if near else here
            row.sort(key=keys.__getitem__)
            place.update((item, (i + 1) / (len(row) + 1)) for i, item in enumerate(row))
        if (crossings := _crossings(rows, steps)) < least:
            least, best = crossings, [list(row) for row in rows]
        if not crossings:
            break
    rows[:] = best


def _crossings(rows: list[list[Item]], steps: list[_Step]) -> int:
    """Return how many pairs of edges cross."""
    place = {item: (level, i) for level, row in enumerate(rows) for i, item in enumerate(row)}
    ends = []
    for step in steps:
        (level, tail), (_, head) = place[step.tail], place[step.head]
        ends.append((level, tail + step.start * 1e-9, head + step.end * 1e-9))
    ends.sort()
    count = 0
    for _, group in groupby(ends, key=itemgetter(0)):
        heads: list[float] = []
        for _, _, end in group:
            count += len(heads) - bisect(heads, end)
            insort(heads, end)
    return count


def _columns(
    rows: list[list[Item]],
    sizes: dict[Item, Point],
    steps: list[_Step],
    up: dict[Item, _Step],
    down: dict[Item, _Step],
) -> dict[Item, float]:
    """Return the middle of each item.

    At first each moves towards its neighbours, in sweeps down and up: where a line goes straight
    through it, towards that alone. Then the items of a line move as one to where the sweeps put
    them on average, or as near as the order allows, and the others once more.
    """
    bound = up.keys() | down.keys()
    above: _Near = defaultdict(list)
    below: _Near = defaultdict(list)
    for step in steps:
        if up.get(step.head, step) is step:
            above[step.head].append((step.tail, step.shift))
        if down.get(step.tail, step) is step:
            below[step.tail].append((step.head, -step.shift))
    x: dict[Item, float] = {}
    for row in rows:
        x.update(zip(row, _apart([0.0] * len(row), row, sizes, [1.0] * len(row)), strict=True))

    def move(row: list[Item], near: _Near, weight: float) -> None:
        wanted = []
        for item in row:
            places = [x[other] + shift for other, shift in near.get(item, ())]
            wanted.append(statistics.fmean(places) if places else x[item])
        weights = [weight if item in bound else 1.0 for item in row]
        x.update(zip(row, _apart(wanted, row, sizes, weights), strict=True))

    for sweep in range(_SWEEPS):
        near, order = (below, rows[::-1]) if sweep % 2 else (above, rows)
        for row in order:
            move(row, near, 8.0)
    _bind(x, rows, sizes, steps, up)
    free = {item: above[item] + below[item] for item in x if item not in bound}
    for row in (*rows, *rows[::-1]):
        move(row, free, _FIRM)
    return x


def _lines(
    rows: list[list[Item]], steps: list[_Step]
) -> tuple[dict[Item, _Step], dict[Item, _Step]]:
    """Return by head, and by tail, the steps that are straight: no two of them meet or cross."""
    place = {item: (level, i) for level, row in enumerate(rows) for i, item in enumerate(row)}
    up: dict[Item, _Step] = {}
    down: dict[Item, _Step] = {}
    taken: list[list[tuple[int, int]]] = [[] for _ in rows]  # below each row, from left to right
    for step in sorted(steps, key=lambda step: -step.straight):
        if step.straight and step.head not in up and step.tail not in down:
            level, i = place[step.tail]
            ends = (i, place[step.head][1])
            at = bisect(taken[level], ends)
            left, right = taken[level][:at][-1:], taken[level][at:][:1]
            if all(end < ends[1] for _, end in left) and all(end > ends[1] for _, end in right):
                taken[level].insert(at, ends)
                up[step.head] = down[step.tail] = step
    return up, down


def _bind(
    x: dict[Item, float],
    rows: list[list[Item]],
    sizes: dict[Item, Point],
    steps: list[_Step],
    up: dict[Item, _Step],
) -> None:
    """Move the items of each line to its mean, or as near as is apart from the others.

    Of the moves that put each line no further left than the mean, and of those that put it no
    further right, the average is taken: as both keep the distances, it does. Then each line moves
    towards what it has edges to, until it meets another.
    """
    first: dict[Item, Item] = {}  # of the line
    shift: dict[Item, float] = {}  # from there
    means: dict[Item, list[float]] = defaultdict(list)
    for row in rows:
        for item in row:
            step = up.get(item)
            first[item] = first[step.tail] if step else item
            shift[item] = shift[step.tail] + step.shift if step else 0.0
            means[first[item]].append(x[item] - shift[item])
    after: dict[Item, list[tuple[Item, float]]] = defaultdict(list)
    waiting: dict[Item, int] = dict.fromkeys(means, 0)
    for row in rows:
        for one, other in pairwise(row):
            distance = _distance(one, other, sizes) + shift[one] - shift[other]
            after[first[one]].append((first[other], distance))
            waiting[first[other]] += 1
    left = {line: statistics.fmean(places) for line, places in means.items()}
    right = dict(left)
    order = [line for line, count in waiting.items() if not count]
    for line in order:  # grows
        for other, distance in after[line]:
            right[other] = max(right[other], right[line] + distance)
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    before: dict[Item, list[tuple[Item, float]]] = defaultdict(list)
    for line in reversed(order):
        left[line] = min([left[line], *(left[other] - by for other, by in after[line])])
        for other, distance in after[line]:
            before[other].append((line, distance))
    place = {line: (left[line] + right[line]) / 2 for line in order}
    near: dict[Item, list[tuple[Item, float]]] = defaultdict(list)
    for step in steps:
        one, other = first[step.tail], first[step.head]
        if one != other:
            between = shift[step.head] - shift[step.tail] - step.shift
            near[one].append((other, between))
            near[other].append((one, -between))
    for sweep in range(_SWEEPS):
        for line in order if sweep % 2 else order[::-1]:
            if near[line]:
                want = statistics.fmean(place[other] + by for other, by in near[line])
                want = min([want, *(place[other] - by for other, by in after[line])])
                place[line] = max([want, *(place[other] + by for other, by in before[line])])
    for item, line in first.items():
        x[item] = place[line] + shift[item]


def _ends(
    sizes: dict[Item, Point], steps: list[_Step], x: dict[Item, float], up: dict[Item, _Step]
) -> dict[int, float]:
    """Return where edges end that enter a box with others, from the box's middle.

    They come from left to right; one that is straight ends in the middle.
    """
    entering: dict[Item, list[_Step]] = defaultdict(list)
    for step in steps:
        if step.head[0] == "box":
            entering[step.head].append(step)
    ends: dict[int, float] = {}
    for head, found in entering.items():
        if len(found) > 1:
            found.sort(key=lambda step: x[step.tail] + step.shift)
            middle = found.index(up[head]) if head in up else (len(found) - 1) / 2
            most = max(middle, len(found) - 1 - middle)
            apart = min(_SPREAD, (sizes[head][0] / 2 - 5) / most)
            for i, step in enumerate(found):
                ends[step.edge] = (i - middle) * apart
    return ends


def _distance(one: Item, other: Item, sizes: dict[Item, Point]) -> float:
    """Return how far the middles of two neighbours are apart, at least."""
    return (sizes[one][0] + sizes[other][0]) / 2 + _GAP


def _apart(
    wanted: Iterable[float],
    row: list[Item],
    sizes: dict[Item, Point],
    weights: Iterable[float],
) -> list[float]:
    """Return the places nearest to `wanted`, by least squares, that keep order and distances.

    Less the distances before it, each place must be no less than the one before: isotonic
    regression, by pooling neighbours that violate it.
    """
    offsets = [0.0]
    for one, other in pairwise(row):
        offsets.append(offsets[-1] + _distance(one, other, sizes))
    pools: list[tuple[float, float, int]] = []  # mean, weight, count
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] >= mean:
            before, heavy, number = pools.pop()
            mean = (mean * weight + before * heavy) / (weight + heavy)
            weight, count = weight + heavy, count + number
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
