from __future__ import annotations

import itertools
import re
import time
import xml.etree.ElementTree as ElementTree

from graphs import leaf, module, recorded_graphs
from hypothesis import given, settings, strategies as st

from tinygrad_cnn.viz import View, svg, trace
from tinygrad_cnn.viz.layout import Placed, place

PATHS = ("", "a", "a.b", "a.b.c", "d")
SIZE = (60.0, 20.0)
CLOSE = 1e-6


def laid_out(view: View) -> Placed:
    return place(view, lambda number, path: SIZE, lambda label: 50.0)


def rectangle(placed: Placed, kind: str, number: int) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom."""
    if kind == "box":
        x, y = placed.boxes[number]
        return x - SIZE[0] / 2, y - SIZE[1] / 2, x + SIZE[0] / 2, y + SIZE[1] / 2
    left, top, width, height = placed.frames[number]
    return left, top, left + width, top + height


@given(recorded_graphs(PATHS), st.sampled_from([0, 1, 9]))
@settings(max_examples=200)
def test_nothing_overlaps_and_edges_go_down_from_box_to_box(case, depth):
    roots, leaves = case
    view = trace(roots, params=leaves).view(depth=depth)
    placed = laid_out(view)
    assert placed.boxes.keys() == set(range(len(view.boxes)))
    inside: dict[int, list[tuple[str, int]]] = {}
    for number, box in enumerate(view.boxes):
        frame = box.vertex.frame
        while frame and frame not in placed.frames:  # one box alone
            frame = view.frames[frame].parent
        inside.setdefault(frame, []).append(("box", number))
    for number in placed.frames:
        inside.setdefault(view.frames[number].parent, []).append(("frame", number))
    for frame, items in inside.items():
        around = rectangle(placed, "frame", frame) if frame else (0, 0, placed.width, placed.height)
        places = [rectangle(placed, *item) for item in items]
        for left, top, right, bottom in places:
            assert around[0] - CLOSE <= left
            assert around[1] - CLOSE <= top
            assert right <= around[2] + CLOSE
            assert bottom <= around[3] + CLOSE
        for one, other in itertools.combinations(places, 2):
            apart_in_x = one[2] <= other[0] + CLOSE or other[2] <= one[0] + CLOSE
            assert apart_in_x or one[3] <= other[1] + CLOSE or other[3] <= one[1] + CLOSE
    for edge, points in zip(view.edges, placed.edges, strict=True):
        _, _, _, bottom = rectangle(placed, "box", edge.tail)
        _, top, _, _ = rectangle(placed, "box", edge.head)
        assert abs(points[0][0] - placed.boxes[edge.tail][0]) < CLOSE
        assert abs(points[-1][0] - placed.boxes[edge.head][0]) <= SIZE[0] / 2
        assert abs(points[0][1] - bottom) < CLOSE
        assert abs(points[-1][1] - top) < CLOSE
        for (_, y), (_, lower) in itertools.pairwise(points):
            assert y <= lower + CLOSE


def test_a_chain_is_straight_and_a_shortcut_goes_around():
    x = y = leaf(1.0, 2.0)
    with module("block"):
        for _ in range(4):
            y = y.exp()
    view = trace((y + x).sum()).view()
    placed = laid_out(view)
    chain = [i for i, box in enumerate(view.boxes) if box.vertex.op == "exp"]
    assert max(placed.boxes[i][0] for i in chain) - min(placed.boxes[i][0] for i in chain) < CLOSE
    (shortcut,) = (
        points
        for edge, points in zip(view.edges, placed.edges, strict=True)
        if (view.boxes[edge.tail].vertex.kind, view.boxes[edge.head].vertex.op) == ("input", "add")
    )
    left, top, right, bottom = rectangle(placed, "frame", 1)
    assert all(not left < x < right for x, y in shortcut if top < y < bottom)


def test_branches_do_not_cross():
    x = leaf(1.0, 2.0)
    ends = [x.exp().neg(), x.sin().neg(), x.cos().neg(), x.tanh().neg()]
    view = trace((ends[3] + ends[1]) + (ends[2] + ends[0])).view()
    placed = laid_out(view)
    for kind in ("neg", "add"):
        lines = sorted(
            (placed.boxes[edge.tail][0], placed.boxes[edge.head][0])
            for edge in view.edges
            if view.boxes[edge.head].vertex.op == kind and view.boxes[edge.tail].vertex.op != "add"
        )
        heads = [head for _, head in lines]
        assert len(heads) == 4
        assert heads == sorted(heads)


def test_svg_is_well_formed_and_shows_each_text():
    awkward = 'a <b> & "c" \0 畳'
    x = leaf(1.0, float("nan"))
    text = svg.draw(trace((x * 2).sum(), params={awkward: x}).view())
    root = ElementTree.fromstring(text)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert 'a <b> & "c" \\x00 畳' in texts
    assert "⚠ the first NaN" in texts
    assert text.count("#c8102e") > 4  # the box, the trail, and its arrows
    assert not re.search(r"\b(nan|inf)\b", re.sub(r">[^<]*<", "", text))


def test_scale_in_svg():
    x = leaf(1.0, 2.0)
    text = svg.draw(trace(x.exp().sigmoid()).view(color="bytes"))
    assert "kept for backward" in text
    assert "#9ecae1" in text


def test_large_graphs_are_quick():
    x = leaf(1.0, 2.0)
    for _ in range(2_000):
        x = -x
    view = trace(x).view(depth=0)
    start = time.perf_counter()
    svg.draw(view)
    assert time.perf_counter() - start < 2  # 0.2 on a machine that does nothing else
