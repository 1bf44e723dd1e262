"""From a view to SVG, with the layout of this package, where no program is installed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape

from .dot import FONT, box_label, box_style, edge_label, edge_mark, legend_styles, levels, printable
from .layout import Placed, Point, place
from .view import View

_SIZE, _SMALL = 11.0, 9.0
_LINE = 1.2  # of the font's size
_MARGIN = 12.0
_NARROW, _WIDE = "ijlI.,:;'|!()[]/ ftr", "mwMW@%—…⚠"


def draw(view: View) -> str:
    """Return the drawing of a view as SVG."""
    scale = levels(view)
    labels: dict[int, str] = {}

    def size_of(number: int, path: str) -> Point:
        labels[number] = printable(box_label(view.boxes[number], path))
        lines = labels[number].split("\n")
        width, height = max(map(text_width, lines)) + 18, len(lines) * _SIZE * _LINE + 10
        style = box_style(view.boxes[number], scale)
        if style["shape"] == "ellipse":
            width, height = width * 1.3, height * 1.3
        elif "peripheries" in style:
            width, height = width + 6, height + 6
        sizes[number] = (width, height)
        return sizes[number]

    sizes: dict[int, Point] = {}
    placed = place(view, size_of, lambda label: text_width(label, _SMALL + 1))
    legend = legend_styles(view) if view.legend else []
    notes = " · ".join(view.notes)
    side = max((text_width(words, _SMALL) + 30 for words, _ in legend), default=0.0)
    width = max(placed.width + side, text_width(notes, _SMALL + 1)) + 2 * _MARGIN
    height = max(placed.height, 26 * len(legend)) + 2 * _MARGIN + (20 if notes else 0)
    body = [
        *_frames(view, placed),
        *_edges(view, placed),
        *(
            line
            for i, box in enumerate(view.boxes)
            for line in _box(labels[i], placed.boxes[i], sizes[i], box_style(box, scale))
        ),
    ]
    for i, (words, style) in enumerate(legend):
        middle = (placed.width + side / 2 + 8, 10 + 26.0 * i)
        body.extend(_box(words, middle, (text_width(words, _SMALL) + 16, 18), style, _SMALL))
    if notes:
        y = height - 2 * _MARGIN
        body.append(_text(notes, placed.width / 2 + side / 2, y, _SMALL + 1, "middle", "#555555"))
    return (
        f'<svg width="{width:.0f}pt" height="{height:.0f}pt" '
        f'viewBox="{-_MARGIN:g} {-_MARGIN:g} {width:.2f} {height:.2f}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="{FONT}">\n'
        f'<rect x="{-_MARGIN:g}" y="{-_MARGIN:g}" width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def text_width(text: str, size: float = _SIZE) -> float:
    """Return about how wide a text is in Helvetica."""
    return size * sum(_width(character) for character in text)


def _width(character: str) -> float:
    if character in _NARROW:
        return 0.32
    if character in _WIDE:
        return 0.88
    if ord(character) > 0x2E80:  # Chinese, Japanese, Korean, emoji
        return 1.0
    return 0.7 if character.isupper() else 0.56


def _frames(view: View, placed: Placed) -> Iterator[str]:
    for number, (left, top, width, height) in placed.frames.items():
        yield _rectangle(left, top, width, height, 8, 'fill="none" stroke="#aaaaaa"')
        label = printable(view.labels[number])
        yield _text(label, left + 7, top + 13, _SMALL + 1, "start", "#555555")


def _edges(view: View, placed: Placed) -> Iterator[str]:
    entering = Counter(edge.head for edge in view.edges)
    for number, (edge, points) in enumerate(zip(view.edges, placed.edges, strict=True)):
        color, width = edge_mark(view, edge) or ("#666666", 1)
        (x, y), (end_x, end_y) = points[0], points[-1]
        path = f"M{x:.1f},{y:.1f}"
        for one, other in zip(points, [*points[1:-1], (end_x, end_y - 6)], strict=False):
            if one[0] == other[0]:
                path += f"L{other[0]:.1f},{other[1]:.1f}"
            else:
                middle = (one[1] + other[1]) / 2
                path += f"C{one[0]:.1f},{middle:.1f} {other[0]:.1f},{middle:.1f} "
                path += f"{other[0]:.1f},{other[1]:.1f}"
        yield f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'
        arrow = f"M{end_x:.1f},{end_y:.1f}l-3,-7h6z"
        yield f'<path d="{arrow}" fill="{color}"/>'
        if label := edge_label(edge, view.boxes[edge.tail].vertex):
            start, end = placed.labels[number]
            near, far = (start, end) if entering[edge.head] > 1 else (end, start)
            side = -1 if far[0] > near[0] + 1 else 1  # away from where the edge goes
            at = (near[0] + 4 * side, near[1] + 0.3 * (far[1] - near[1]) + 3)
            anchor = "start" if side > 0 else "end"
            yield _text(printable(label), *at, _SMALL, anchor, "#444444")


def _box(
    label: str, middle: Point, size: Point, style: dict[str, str], font: float = _SIZE
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
        yield f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{width / 2:.1f}" ry="{height / 2:.1f}" {paint}/>'
    else:
        corner = 8 if "rounded" in look else 0
        if style["shape"] == "folder":
            tab = f"{left + width - 34:.1f},{top:.1f} l4,-5 h26 l4,5"
            yield f'<path d="M{tab}" {paint}/>'
        yield _rectangle(left, top, width, height, corner, paint)
        if "peripheries" in style:
            yield _rectangle(left + 3, top + 3, width - 6, height - 6, corner, paint)
    lines = label.split("\n")
    for i, line in enumerate(lines):
        baseline = y + font * (0.35 + _LINE * (i - (len(lines) - 1) / 2))
        yield _text(line, x, baseline, font, "middle", style.get("fontcolor", "#000000"))


def _rectangle(
    left: float, top: float, width: float, height: float, corner: int, paint: str
) -> str:
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{corner}" {paint}/>'
    )


def _text(text: str, x: float, y: float, size: float, anchor: str, color: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
        f'fill="{color}">{escape(text)}</text>'
    )
