"""From a view to SVG, with the layout of this package, where no program is installed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from html import escape
from itertools import pairwise

from .dot import FONT, box_label, box_style, edge_label, edge_mark, legend_styles, levels, printable
from .labels import text_width as text_width
from .layout import Point, place
from .theme import THEMES
from .view import View

_SIZE, _SMALL = 11.0, 9.0
_LINE = 1.2  # of the font's size
_MARGIN = 12.0
_ARROW = 7.0
_SOLID = 100.0  # how much it matters that a label hides no box or text; no line: 1


def draw(view: View) -> str:
    """Return the drawing of a view as SVG."""
    return _Drawing(view).text()


class _Drawing:
    def __init__(self, view: View) -> None:
        self.view = view
        self.theme = THEMES[view.theme]
        self.sideways = view.direction in ("LR", "RL")
        scale = levels(view)
        self.styles = [box_style(box, scale, self.theme) for box in view.boxes]
        self.labels = [""] * len(view.boxes)
        self.sizes = [(0.0, 0.0)] * len(view.boxes)
        self.shapes = [
            printable(edge_label(edge, view.boxes[edge.tail].vertex)) for edge in view.edges
        ]
        self.placed = place(
            view,
            self._size,
            lambda label: text_width(label, _SMALL + 1),
            lambda number: text_width(self.shapes[number], _SMALL),
        )
        self.taken = _Taken()

    def _size(self, number: int, path: str) -> Point:
        self.labels[number] = printable(box_label(self.view.boxes[number], path))
        lines = self.labels[number].split("\n")
        width, height = max(map(text_width, lines)) + 18, len(lines) * _SIZE * _LINE + 10
        style = self.styles[number]
        if style["shape"] == "ellipse":
            width, height = width * 1.3, height * 1.3
        elif "peripheries" in style:
            width, height = width + 6, height + 6
        self.sizes[number] = (width, height)
        return self.sizes[number]

    def text(self) -> str:
        """Return the whole drawing; of what overlaps, the later is above."""
        body = [*self._frames(), *self._edges(), *self._words(), *self._boxes()]
        legend, (right, below) = self._legend()
        notes = printable(" · ".join(self.view.notes))
        width, height = max(self.placed.width, right), max(self.placed.height, below)
        body.extend(legend)
        if notes:
            height += 2 * _SIZE
            body.append(self._text(notes, (width / 2, height - 4), _SMALL + 1, "middle"))
        margin = _MARGIN + max(0.0, text_width(notes, _SMALL + 1) - width) / 2
        left, width, height = -margin, width + 2 * margin, height + 2 * _MARGIN
        return (
            f'<svg width="{width:.0f}pt" height="{height:.0f}pt" '
            f'viewBox="{left:.2f} {-_MARGIN:g} {width:.2f} {height:.2f}" '
            f'xmlns="http://www.w3.org/2000/svg" font-family="{FONT}">\n'
            f'<rect x="{left:.2f}" y="{-_MARGIN:g}" width="100%" height="100%" '
            f'fill="{self.theme.paper}"/>\n' + "\n".join(body) + "\n</svg>\n"
        )

    # -- boxes ---------------------------------------------------------------------------------

    def _boxes(self) -> Iterator[str]:
        for i, style in enumerate(self.styles):
            yield from self._box(self.labels[i], self.placed.boxes[i], self.sizes[i], style)

    def _box(
        self, label: str, middle: Point, size: Point, style: dict[str, str], font: float = _SIZE
    ) -> Iterator[str]:
        """Yield a box in the words that graphviz has for its shape, outline and colours."""
        (x, y), (width, height) = middle, size
        left, top = x - width / 2, y - height / 2
        look = style.get("style", "filled")
        fill, color, thick = style["fillcolor"], style["color"], style.get("penwidth", "1")
        paint = f'fill="{fill}" stroke="{color}" stroke-width="{thick}"'
        for word, dashes in (("dashed", "5 3"), ("dotted", "1 3")):
            if word in look:
                paint += f' stroke-dasharray="{dashes}"'
        if style["shape"] == "ellipse":
            rx, ry = width / 2, height / 2
            yield f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{rx:.1f}" ry="{ry:.1f}" {paint}/>'
        else:
            corner = 8 if "rounded" in look else 0
            if style["shape"] == "folder":
                tab = f"{left + width - 34:.1f},{top:.1f} l4,-5 h26 l4,5"
                yield f'<path d="M{tab}" {paint}/>'
            yield _rectangle(left, top, width, height, corner, paint)
            if "peripheries" in style:
                yield _rectangle(left + 3, top + 3, width - 6, height - 6, corner, paint)
        lines = label.split("\n")
        ink = style.get("fontcolor", self.theme.ink)
        for i, line in enumerate(lines):
            baseline = y + font * (0.35 + _LINE * (i - (len(lines) - 1) / 2))
            yield self._text(line, (x, baseline), font, "middle", ink)

    def _legend(self) -> tuple[list[str], Point]:
        """Return the legend, beside the drawing or under it, and where it ends."""
        rows = legend_styles(self.view) if self.view.legend else []
        if not rows:
            return [], (0.0, 0.0)
        scale = levels(self.view) is not None
        wide = max(text_width(words, _SMALL) for words, _ in rows[scale:]) + (10 if scale else 30)
        if scale:
            wide = max(wide, text_width(rows[0][0], _SMALL) / (len(rows) - 1))
        left = top = 0.0
        if self.sideways:
            top = self.placed.height + 16
        else:
            left = self._right(50.0 if scale else 26.0 * len(rows)) + 24
        body: list[str] = []
        right = below = 0.0
        for i, (words, style) in enumerate(rows):
            x, y, width = 0.0, 26.0 * i, wide
            if scale:  # a title, and under it a row of shades
                x, y = max(i - 1, 0) * wide, 20.0 * min(i, 1)
                width = wide if i else wide * (len(rows) - 1)
            elif self.sideways:
                x, y = (wide + 8) * i, 0.0
            middle = (left + x + width / 2, top + y + 10)
            body.extend(self._box(words, middle, (width, 20), style, _SMALL))
            right, below = max(right, left + x + width), max(below, top + y + 20)
        return body, (right, below)

    def _right(self, below: float) -> float:
        """Return where the part of the drawing ends that is above a height."""
        parts = [(y, x + width) for x, y, width, _ in self.placed.frames.values()]
        for i, (x, y) in self.placed.boxes.items():
            width, height = self.sizes[i]
            parts.append((y - height / 2, x + width / 2))
        for points in self.placed.edges:
            for (x0, y0), (x1, y1) in pairwise(points):
                parts.append((min(y0, y1), max(x0, x1)))
        return max(right for top, right in parts if top < below)

    # -- edges and frames ----------------------------------------------------------------------

    def _edges(self) -> Iterator[str]:
        for edge, points in zip(self.view.edges, self.placed.edges, strict=True):
            color, width = edge_mark(self.view, edge) or (self.theme.line, 1)
            path, arrow = self._path(points)
            yield f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'
            yield f'<path d="{arrow}" fill="{color}"/>'

    def _path(self, points: list[Point]) -> tuple[str, str]:
        """Return the line through points, and the arrow at its end."""
        line = [points[0]]
        for point in points[1:]:
            if abs(point[0] - line[-1][0]) + abs(point[1] - line[-1][1]) > 0.05:
                line.append(point)
        towards = 1 if self.view.direction in ("TB", "LR") else -1
        dx, dy = (towards, 0) if self.sideways else (0, towards)
        x, y = line.pop()
        base = (x - _ARROW * dx, y - _ARROW * dy)
        line.append((x - (_ARROW - 1) * dx, y - (_ARROW - 1) * dy))
        path = f"M{line[0][0]:.1f},{line[0][1]:.1f}"
        for one, other in pairwise(line):
            if self._is_straight(one, other):
                path += f"L{other[0]:.1f},{other[1]:.1f}"
                ends = (sorted(pair) for pair in zip(one, other, strict=True))
                (left, right), (top, bottom) = ends
                self.taken.add(left - 1, top - 1, right + 1, bottom + 1)
            else:
                (ax, ay), (bx, by) = self._controls(one, other)
                path += f"C{ax:.1f},{ay:.1f} {bx:.1f},{by:.1f} {other[0]:.1f},{other[1]:.1f}"
                for i in range(1, 16):
                    px, py = self._between(one, other, i / 16)
                    self.taken.add(px - 1, py - 1, px + 1, py + 1)
        side, up = 3 * dy, 3 * dx
        arrow = (
            f"M{x:.1f},{y:.1f}L{base[0] + side:.1f},{base[1] + up:.1f} "
            f"{base[0] - side:.1f},{base[1] - up:.1f}z"
        )
        return path, arrow

    def _is_straight(self, one: Point, other: Point) -> bool:
        return abs(other[self.sideways] - one[self.sideways]) < 0.05

    def _controls(self, one: Point, other: Point) -> tuple[Point, Point]:
        """Return the control points of a curve that leaves and arrives in the drawing's direction."""
        if self.sideways:
            middle = (one[0] + other[0]) / 2
            return (middle, one[1]), (middle, other[1])
        middle = (one[1] + other[1]) / 2
        return (one[0], middle), (other[0], middle)

    def _between(self, one: Point, other: Point, t: float) -> Point:
        """Return a point of the curve."""
        points = one, *self._controls(one, other), other
        weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3
        x, y = (sum(w * p[i] for w, p in zip(weights, points, strict=True)) for i in (0, 1))
        return x, y

    def _frames(self) -> Iterator[str]:
        for left, top, width, height in self.placed.frames.values():
            paint = f'fill="none" stroke="{self.theme.frame}"'
            yield _rectangle(left, top, width, height, 8, paint)

    def _words(self) -> Iterator[str]:
        """Yield the labels of frames and edges, where there is place."""
        for i, (x, y) in self.placed.boxes.items():
            w, h = self.sizes[i]
            self.taken.add(x - w / 2, y - h / 2, x + w / 2, y + h / 2, _SOLID)
        for number, (left, top, width, height) in self.placed.frames.items():
            for x, y, w, h in (
                (left, top, width, 0.0),
                (left, top + height, width, 0.0),
                (left, top, 0.0, height),
                (left + width, top, 0.0, height),
            ):
                self.taken.add(x, y, x + w, y + h)
            label = printable(self.view.labels[number])
            ends = (left + 7, "start"), (left + width - 7, "end")
            places = [((x, top + 13), anchor) for x, anchor in ends]
            yield from self._free(label, places, _SMALL + 1)
        entering = Counter(edge.head for edge in self.view.edges)
        for number, (one, other) in enumerate(self.placed.labels):
            if label := self.shapes[number]:
                shared = entering[self.view.edges[number].head] > 1
                yield from self._free(label, self._beside(one, other, shared), _SMALL)

    def _beside(self, one: Point, other: Point, shared: bool) -> list[tuple[Point, str]]:
        """Return where a label can stand beside an edge, the best place first.

        That is near the end that the edge has to itself, on the side that it does not come from.
        """
        places: list[tuple[Point, str]] = []
        (x0, y0), (x1, y1) = one, other
        if not self._is_straight(one, other):
            left, right = ("end", "start") if x1 > x0 else ("start", "end")
            if self.sideways:
                above, below = (11, -4) if y1 > y0 else (-4, 11)
                side = 3 if x1 > x0 else -3
                places = [((x1 - side, y1 + above), left), ((x0 + side, y0 + below), right)]
            else:
                side = 4 if x1 > x0 else -4
                towards = 3 + max(-12.0, min(0.3 * (y1 - y0), 12.0))
                places = [((x1 + side, y1 - towards + 6), right), ((x0 - side, y0 + towards), left)]
            if shared:
                places.reverse()
        for t in (0.4, 0.6, 0.25, 0.75):
            x, y = self._between(one, other, t)
            if self.sideways:
                places += [((x, y - 4), "middle"), ((x, y + 11), "middle")]
            else:
                places += [((x + 4, y + 3), "start"), ((x - 4, y + 3), "end")]
        return places

    def _free(self, label: str, places: list[tuple[Point, str]], size: float) -> Iterator[str]:
        """Yield a text at the first place that is free, or at the one that hides least."""
        wide = text_width(label, size)
        rectangles = []
        for (x, y), anchor in places:
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            rectangles.append((left, y - 0.8 * size, left + wide, y + 0.2 * size))
        costs = [self.taken.cost(*rectangle) for rectangle in rectangles]
        best = costs.index(min(costs))
        left, top, right, bottom = rectangles[best]
        self.taken.add(left, top, right, bottom, _SOLID)
        if costs[best]:  # a line ends before the text, and goes on after it
            paint = f'fill="{self.theme.paper}"'
            yield _rectangle(left - 2, top - 1, right - left + 4, bottom - top + 2, 0, paint)
        at, anchor = places[best]
        yield self._text(label, at, size, anchor)

    def _text(self, text: str, at: Point, size: float, anchor: str, color: str = "") -> str:
        return (
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
            f'fill="{color or self.theme.faint}">{escape(text)}</text>'
        )


class _Taken:
    """What stands where, by squares of the plane, so that a label can find a free place."""

    _SIDE = 32.0

    def __init__(self) -> None:
        self.squares: dict[tuple[int, int], list[tuple[float, ...]]] = defaultdict(list)

    def add(
        self, left: float, top: float, right: float, bottom: float, weight: float = 1.0
    ) -> None:
        for square in self._squares(left, top, right, bottom):
            self.squares[square].append((left, top, right, bottom, weight))

    def cost(self, left: float, top: float, right: float, bottom: float) -> float:
        """Return the weight of all that a rectangle would hide."""
        hidden = {
            other
            for square in self._squares(left, top, right, bottom)
            for other in self.squares.get(square, ())
            if other[0] < right and left < other[2] and other[1] < bottom and top < other[3]
        }
        return sum(other[4] for other in hidden)

    def _squares(
        self, left: float, top: float, right: float, bottom: float
    ) -> Iterator[tuple[int, int]]:
        for column in range(int(left // self._SIDE), int(right // self._SIDE) + 1):
            for row in range(int(top // self._SIDE), int(bottom // self._SIDE) + 1):
                yield column, row


def _rectangle(
    left: float, top: float, width: float, height: float, corner: int, paint: str
) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{corner}" {paint}/>'
    )
