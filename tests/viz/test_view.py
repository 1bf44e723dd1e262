from __future__ import annotations

import dataclasses
import json
import re
import shutil
import time
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from graphs import leaf, module, recorded_graphs
from hypothesis import assume, given, strategies as st

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz import Snapshot, View, dot, graph, svg, trace
from tinygrad_cnn.viz.labels import duration, within
from tinygrad_cnn.viz.mermaid import flowchart
from tinygrad_cnn.viz.theme import THEMES

PATHS = ("", "a", "a.b", "c", "c.0", "c.1", "c.2")
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs graphviz's program dot")


class Block(nn.Module):
    def __init__(self, width: int = 4, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return (x + self.norm(self.conv(x))).relu()


class Net(nn.Module):
    """A stem, blocks, and a head."""

    def __init__(self, *blocks: nn.Module) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def net(*blocks: nn.Module, backward: bool = False) -> Snapshot:
    model = Net(*blocks)
    loss = model(tg.ones(2, 1, 8, 8)).sum()
    if backward:
        loss.backward()
    return trace(loss, model)


def titles(view: View) -> list[str]:
    return [box.vertex.title.split("\n")[0] for box in view.boxes]


# -- random graphs -----------------------------------------------------------------------------


def images(view: View) -> dict[int, int]:
    """Return the box of each vertex of the snapshot."""
    boxes = [(v, i) for i, box in enumerate(view.boxes) for v in box.members]
    assert len(dict(boxes)) == len(boxes)  # in one box only
    return dict(boxes)


@given(recorded_graphs(PATHS))
def test_full_view_is_the_snapshot(case):
    roots, leaves = case
    snapshot = trace(roots, params=leaves)
    view = snapshot.view(depth=9, fold_repeats=False, params="nodes")
    assert [box.vertex for box in view.boxes] == list(snapshot.vertices)
    assert view.edges == snapshot.edges


OPTIONS = st.fixed_dictionaries(
    {
        "depth": st.none() | st.integers(0, 3),
        "fold_repeats": st.booleans(),
        "params": st.sampled_from(["inline", "nodes", "hide"]),
        "color": st.sampled_from(["op", "grad_norm", "bytes", "time"]),
        "direction": st.sampled_from(["TB", "LR", "BT", "RL"]),
        "legend": st.booleans(),
        "theme": st.sampled_from(["light", "dark"]),
    }
)


def timed(snapshot: Snapshot, seconds: float = 1e-3) -> Snapshot:
    """Return the snapshot with a time for each operation."""
    vertices = (
        replace(vertex, time=seconds * i) if vertex.kind == "operation" else vertex
        for i, vertex in enumerate(snapshot.vertices, 1)
    )
    return replace(snapshot, vertices=tuple(vertices))


@given(recorded_graphs(PATHS), OPTIONS, st.booleans())
def test_views_keep_each_path_and_invent_none(case, options, backward):
    roots, leaves = case
    if backward:
        roots[0].backward(np.ones(roots[0].shape, np.float32), retain_graph=True)
    snapshot = timed(trace(roots, params=leaves))
    assume(options["color"] != "time" or any(v.kind == "operation" for v in snapshot.vertices))
    view = snapshot.view(**options)
    params = options["params"]
    box_of = images(view)
    hidden = {i for i, vertex in enumerate(snapshot.vertices) if i not in box_of}
    assert all(snapshot.vertices[i].kind == "parameter" for i in hidden)
    assert not (hidden and params == "nodes")

    folded = {
        i
        for i, box in enumerate(view.boxes)
        if (len(box.members) > 1 and box.vertex.kind != "module")
        or any("×" in view.labels[frame] for frame in around(view, box.vertex.frame))
    }
    drawn = {(edge.tail, edge.head) for edge in view.edges}
    wanted = {
        (box_of[edge.tail], box_of[edge.head]) for edge in snapshot.edges if edge.tail not in hidden
    }
    assert drawn <= wanted
    for tail, head in wanted - drawn:
        assert tail == head or (tail in folded and head in folded)
    assert acyclic(drawn)
    for tail, head in reachable(wanted):  # what led to another still does
        assert tail == head or tail in folded or head in folded or (tail, head) in reachable(drawn)

    source = view.to_graphviz().source
    assert sorted(re.findall(r"^\t+n(\d+) \[", source, re.M), key=int) == [
        str(i) for i in range(len(view.boxes))
    ]
    arrows = [(str(edge.tail), str(edge.head)) for edge in view.edges]
    assert re.findall(r"^\tn(\d+) -> n(\d+)", source, re.M) == arrows
    assert re.findall(r"^ +n(\d+) -->.* n(\d+)$", flowchart(view), re.M) == arrows


def reachable(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the transitive closure."""
    closed = set(edges)
    while True:
        more = {(a, d) for a, b in closed for c, d in edges if b == c} - closed
        if not more:
            return closed
        closed |= more


@given(recorded_graphs(PATHS), OPTIONS, st.data())
def test_focus_shows_what_is_inside_and_all_neighbours(case, options, data):
    roots, leaves = case
    snapshot = timed(trace(roots, params=leaves))
    paths = sorted({frame.path for frame in snapshot.frames[1:]})
    assume(paths)
    focus = data.draw(st.sampled_from(paths))
    whole = snapshot.view(**{**options, "depth": 9, "fold_repeats": False, "params": "nodes"})
    view = snapshot.view(
        **{**options, "depth": 9, "fold_repeats": False, "params": "nodes", "focus": focus}
    )
    inside = {
        i for i, box in enumerate(whole.boxes) if within(whole.frames[box.vertex.frame].path, focus)
    }
    wanted = {(e.tail, e.head) for e in whole.edges if e.tail in inside or e.head in inside}
    box_of = images(view)
    assert inside <= box_of.keys()
    drawn = {(edge.tail, edge.head) for edge in view.edges}
    assert drawn == {(box_of[tail], box_of[head]) for tail, head in wanted}
    assert set(range(len(view.boxes))) == {box_of[i] for i in inside}.union(*drawn)


def around(view: View, frame: int) -> list[int]:
    frames = []
    while frame:
        frames.append(frame)
        frame = view.frames[frame].parent
    return frames


def acyclic(edges: set[tuple[int, int]]) -> bool:
    while edges:
        heads = {head for _, head in edges}
        rest = {(tail, head) for tail, head in edges if tail in heads}
        if len(rest) == len(edges):
            return False
        edges = rest
    return True


@given(recorded_graphs(PATHS), st.sampled_from(["op", "grad_norm", "bytes"]))
def test_views_are_deterministic(case, color):
    roots, leaves = case
    first, second = (trace(roots, params=leaves).view(color=color) for _ in range(2))
    assert repr(first) == repr(second)
    assert first.to_graphviz().source == second.to_graphviz().source


@given(recorded_graphs(), st.data())
def test_tracing_a_nan_changes_nothing(case, data):
    """Results are computed again there; what is kept and learned stays the same."""
    roots, leaves = case
    data.draw(st.sampled_from(list(leaves.values()))).data[0] = np.nan
    seed = np.ones(roots[0].shape, np.float32)
    before = tg.autograd.grad(roots[0], list(leaves.values()), seed, True, allow_unused=True)
    trace(roots, params=leaves).view()
    after = tg.autograd.grad(roots[0], list(leaves.values()), seed, True, allow_unused=True)
    for one, other in zip(before, after, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one.data, other.data)


# -- what is selected --------------------------------------------------------------------------


def test_depth_closes_modules():
    snapshot = net(Block(), Block(kernel=1))
    closed = snapshot.view(depth=0)
    assert titles(closed) == [
        "input", "conv2d 3×3, stride 1", "blocks", "mean dim (2, 3)", "linear", "sum", ""
    ]  # fmt: skip
    assert closed.boxes[2].vertex.title == "blocks\n8 operations, 184 parameters"
    assert titles(snapshot.view(depth=1))[2:4] == ["blocks.0: Block", "blocks.1: Block"]
    assert "batch_norm" in titles(snapshot.view(depth=2))


def test_repeats_fold_into_one():
    snapshot = net(Block(), Block(), Block(), Block(kernel=1), Block(kernel=1))
    view = snapshot.view()
    labels = [label for label in view.labels if "×" in label]
    assert labels == ["0–2: Block ×3", "3–4: Block ×2"]
    assert Counter(titles(view))["batch_norm"] == 2
    assert Counter(titles(snapshot.view(fold_repeats=False)))["batch_norm"] == 5
    assert titles(snapshot.view(depth=1))[2:4] == ["blocks.0–2: Block ×3", "blocks.3–4: Block ×2"]
    whole = snapshot.view(depth=0).boxes[2].vertex.title
    assert whole.startswith("blocks\n20 operations")


def test_repeats_do_not_fold_across_other_operations_or_shapes():
    x = y = leaf(1.0, 2.0)
    for i in range(3):
        with module(f"block.{i}"):
            y = (y * x).exp()
        y = -y
    assert not any("×" in label for label in trace(y).view().labels)
    with module("block.0"):
        first = x.exp().exp()
    with module("block.1"):
        second = leaf(1.0, 2.0, 3.0).exp().exp().sum() + first
    assert not any("×" in label for label in trace(second).view().labels)


def test_edges_of_a_fold_come_and_go_once():
    view = net(Block(), Block(), Block()).view(depth=1)
    names = titles(view)
    edges = [(names[e.tail], names[e.head]) for e in view.edges]
    assert edges == [
        ("input", "conv2d 3×3, stride 1"),
        ("conv2d 3×3, stride 1", "blocks.0–2: Block ×3"),
        ("blocks.0–2: Block ×3", "mean dim (2, 3)"),
        ("mean dim (2, 3)", "linear"),
        ("linear", "sum"),
        ("sum", ""),
    ]


def test_params():
    snapshot = net(Block())
    inline = snapshot.view()
    assert inline.boxes[1].lines == ("weight 4×1×3×3, bias 4",)
    assert not any(box.vertex.kind == "parameter" for box in inline.boxes)
    assert sum(b.vertex.kind == "parameter" for b in snapshot.view(params="nodes").boxes) == 8
    assert snapshot.view(params="hide").boxes[1].lines == ()


def test_buffers_and_frozen_parameters_go_with_the_parameters():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)).eval()
    model[0].weight.requires_grad_(False)
    x = tg.randn(1, 1, 4, 4, requires_grad=True)
    snapshot = trace(model(x).sum(), model)
    conv, norm = snapshot.view().boxes[1:3]
    assert conv.lines == ("bias 4", "weight 4×1×3×3")
    assert norm.lines == ("weight 4, bias 4", "running_mean 4, running_var 4")
    assert [box.vertex.kind for box in snapshot.view(params="hide").boxes].count("data") == 0
    titles = {box.vertex.title for box in snapshot.view(params="nodes").boxes}
    assert {"0.weight", "1.running_mean", "1.running_var"} <= titles


def test_tied_parameter_counts_once():
    layer = nn.Linear(4, 4)
    model = nn.Sequential(layer, nn.ReLU(), layer)
    snapshot = trace(model(tg.ones(1, 4)).sum(), model)
    assert snapshot.parameter_count == 20
    assert [box.lines for box in snapshot.view().boxes if box.lines] == []  # of no one module
    kinds = Counter(box.vertex.kind for box in snapshot.view().boxes)
    assert kinds["parameter"] == 2


def test_focus_shows_a_module_and_its_neighbours():
    view = net(Block(), Block(kernel=1)).view(focus="blocks.1")
    assert titles(view) == [
        "blocks.0: Block", "conv2d 1×1, stride 1", "batch_norm", "add", "relu", "mean dim (2, 3)"
    ]  # fmt: skip
    alike = net(Block(), Block(), Block()).view(focus="blocks.1")
    assert titles(alike)[0] == "blocks.0: Block"
    assert titles(alike)[-1] == "blocks.2: Block"
    assert len(alike.boxes) == 6
    with pytest.raises(ValueError, match=r"no module 'block\.1'.*blocks\.1"):
        net(Block(), Block()).view(focus="block.1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"params": "boxes"}, "params must be one of"),
        ({"color": "red"}, "color must be one of"),
        ({"direction": "down"}, "direction must be one of"),
        ({"theme": "solarized"}, "theme must be one of"),
        ({"depth": -1}, "depth must be 0 or more"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        trace(leaf(1.0) * 2).view(**options)


def test_too_many_boxes_close_modules_and_say_so():
    snapshot = net(*(Block(kernel=1 + 2 * (i % 2)) for i in range(60)))
    view = snapshot.view()
    assert len(view.boxes) == 66
    assert any("modules are closed below depth 1" in note for note in view.notes)
    assert "modules are closed below depth 1" in view.to_graphviz().source
    assert len(snapshot.view(depth=9).boxes) == 246


def test_too_many_operations_without_modules_are_runs():
    x = y = leaf(1.0)
    for i in range(300):
        y = y.sin() if i % 100 else y * x
    view = trace(y).view()
    assert titles(view) == ["", "100 operations", "100 operations", "100 operations", ""]
    assert view.boxes[1].vertex.title.endswith("sin ×99, mul ×1")
    assert any("straight lines" in note for note in view.notes)


# -- what is said ------------------------------------------------------------------------------


def test_notes():
    notes = net(Block()).view().notes
    assert notes[0] == "206 parameters"
    assert notes[1].endswith("kept for backward")
    assert notes[2] == "gradients are not computed yet"
    assert net(Block()).view(legend=False).notes == ()
    assert "gradients are not computed yet" not in net(Block(), backward=True).view().notes


def test_statistics_bytes_and_the_line_of_the_program():
    x = leaf(3.0, -4.0)
    with tg.autograd.detect_anomaly():
        y = x.exp()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    x_vertex, exp, mul, _, _ = trace(z).vertices
    assert x_vertex.value is not None
    assert x_vertex.grad is not None
    assert (x_vertex.value.norm, x_vertex.value.low, x_vertex.value.high) == (5.0, -4.0, 3.0)
    assert x_vertex.value.mean == -0.5
    assert x_vertex.value.std == pytest.approx(3.5)
    assert x_vertex.grad.high == pytest.approx(2 * np.exp(6), rel=1e-5)
    assert (exp.kept, mul.kept) == (8, 0)  # the same array
    assert exp.site is not None
    assert "test_view.py" in exp.site
    assert mul.site is None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_statistics_of_what_is_huge_empty_or_not_finite(dtype):
    big = np.full((2, 2), np.finfo(dtype).max / 4, dtype)
    value = trace(tg.Tensor(big, requires_grad=True)).vertices[0].value
    assert value is not None
    assert value.finite
    assert value.norm == pytest.approx(2 * float(big[0, 0]), rel=1e-3)
    value = trace(tg.Tensor(np.zeros((0, 3), dtype), requires_grad=True)).vertices[0].value
    assert value is not None
    assert (value.size, value.zero) == (0, False)
    bad = np.array([1, np.nan, np.inf, -np.inf], dtype)
    value = trace(tg.Tensor(bad, requires_grad=True)).vertices[0].value
    assert value is not None
    assert (value.nan, value.inf, value.finite) == (1, 2, False)


def test_colour_of_gradients_is_a_logarithmic_scale():
    view = net(Block(), Block(), backward=True).view(color="grad_norm")
    assert not any("×" in label for label in view.labels)
    amounts = {b.vertex.title: b.amount for b in view.boxes if b.amount is not None}
    source = view.to_graphviz().source
    most = max(amounts, key=lambda title: amounts[title] or 0)
    (line,) = re.findall(rf'label="{re.escape(most)}\\n.*', source)
    assert 'fillcolor="#08519c"' in line
    assert "‖gradient‖" in line
    assert "without colour: no gradient is known here" in view.notes
    assert "‖gradient‖" in source.split("legend")[-1]


def test_colour_of_gradients_before_backward():
    view = net(Block()).view(color="grad_norm")
    assert "gradients are not computed yet" in view.notes
    assert "#dcebf7" in view.to_graphviz().source


def test_colour_of_bytes():
    view = net(Block()).view(color="bytes")
    kept = {box.vertex.op: box.amount for box in view.boxes}
    assert kept["relu"] == 2 * 4 * 6 * 6 * 4
    assert "keeps 1.15 kB" in view.to_graphviz().source


def test_colour_of_time():
    snapshot = net(Block())
    with pytest.raises(ValueError, match=r"times, which come from `viz\.record`"):
        snapshot.view(color="time")
    with pytest.raises(ValueError, match=r"viz\.record"):
        tg.viz.draw(leaf(1.0) * 2, color="time")
    view = timed(snapshot).view(color="time", depth=0)
    took = {box.vertex.title.split("\n")[0]: box.amount for box in view.boxes}
    times = [vertex.time for vertex in timed(snapshot).vertices if vertex.time]
    assert took["input"] is None
    assert sum(filter(None, took.values())) == pytest.approx(sum(times))
    assert took["blocks"] == pytest.approx(sum(times[1:5]))
    source = view.to_graphviz().source
    assert f"took {sum(times[1:5]) * 1e3:.3g} ms" in source
    assert "time in backward" in source
    assert "without colour: no time is known here" in view.notes
    assert not any("×" in label for label in timed(net(Block(), Block())).view(color="time").labels)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2e-7, "0.2 µs"), (1.5e-6, "1.5 µs"), (0.0123, "12.3 ms"), (3.0, "3 s"), (4321.0, "4,321 s")],
)
def test_times_in_words(seconds, words):
    assert duration(seconds) == words


def test_direction():
    assert "rankdir=LR" in net(Block()).view(direction="LR").to_graphviz().source


# -- colours -----------------------------------------------------------------------------------


def luminance(color: str) -> float:
    """Return the relative luminance, by the Web Content Accessibility Guidelines."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def contrast(one: str, other: str) -> float:
    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES.keys())
def test_text_and_lines_can_be_read(theme):
    for fill, outline in theme.kinds.values():
        assert contrast(theme.ink, fill) >= 4.5
        assert contrast(outline, theme.paper) >= 3
    for fill, ink in theme.shades:
        assert contrast(ink, fill) >= 4.5
    assert contrast(theme.faint, theme.paper) >= 4.5
    assert contrast(theme.ink, theme.paper) >= 4.5
    for color in (theme.line, theme.frame, theme.red, theme.green, theme.amber):
        assert contrast(color, theme.paper) >= 3


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES.keys())
def test_shades_stay_in_order_in_print(theme):
    steps = np.diff([luminance(fill) for fill, _ in theme.shades])
    assert (steps > 0).all() or (steps < 0).all()


# what a colour (linear red, green, blue) is to people without red, green or blue cones: Machado,
# Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency"
WITHOUT = {
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(color: str, cones: str) -> np.ndarray:
    """Return the CIE L*a*b* of a colour as it is seen without some cones."""
    parts = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(WITHOUT[cones]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES.keys())
@pytest.mark.parametrize("cones", WITHOUT)
def test_kinds_differ_for_the_colour_blind(theme, cones):
    """In the outline's colour by 8 (2 can be seen side by side), or also in the shape."""
    shapes = {"parameter": "box", "operation": "round", "output": "double", "module": "folder"}
    kinds = list(theme.kinds)
    for i, one in enumerate(kinds):
        for other in kinds[:i]:
            apart = np.linalg.norm(
                lab(theme.kinds[one][1], cones) - lab(theme.kinds[other][1], cones)
            )
            assert apart > 8 or shapes.get(one, "ellipse") != shapes.get(other, "ellipse")


@pytest.mark.parametrize("name", THEMES)
def test_theme_gives_all_colours(name, tmp_path):
    model = Net(Block())
    model.unused = nn.Linear(2, 2)
    snapshot = trace(model(tg.ones(2, 1, 8, 8)).sum(), model)
    theme = THEMES[name]
    fields = [getattr(theme, f.name) for f in dataclasses.fields(theme)]
    allowed = set(re.findall(r"#[0-9a-f]{6}", repr(fields)))
    for color in ("op", "bytes"):
        view = snapshot.view(theme=name, color=color, params="nodes")
        source, drawn, text = view.to_graphviz().source, svg.draw(view), flowchart(view)
        for made in (source, drawn, text):
            assert set(re.findall(r"#[0-9a-f]{6}", made)) <= allowed
        assert f'bgcolor="{theme.paper}"' in source
        assert f'fill="{theme.paper}"' in drawn
        assert ("dark" in text.splitlines()[0]) == (name == "dark")


# -- files -------------------------------------------------------------------------------------


def test_json_holds_all_that_is_shown(tmp_path):
    view = net(Block()).view()
    view.save(tmp_path / "net.json")
    read = json.loads((tmp_path / "net.json").read_text("utf-8"))
    assert len(read["boxes"]) == len(view.boxes)
    vertex = read["boxes"][1]["vertex"]
    assert (vertex["op"], vertex["dtype"], vertex["shape"]) == ("conv2d", "float32", [2, 4, 6, 6])
    assert ["stride", "(1, 1)"] in vertex["options"]


def test_json_is_json_though_a_value_is_not_finite(tmp_path):
    trace(leaf(1.0, np.nan)).save(tmp_path / "net.json")
    text = (tmp_path / "net.json").read_text("utf-8")
    read = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert read["boxes"][0]["vertex"]["value"]["norm"] == "nan"


def test_unknown_format(tmp_path):
    with pytest.raises(
        ValueError, match=r"must end in \.svg, \.png, \.pdf, \.dot, \.gv, \.html, \.mmd or"
    ):
        trace(leaf(1.0)).save(tmp_path / "net.jpg")


def test_mermaid(tmp_path):
    snapshot = net(Block())
    snapshot.save(tmp_path / "net.mmd", direction="LR")
    text = (tmp_path / "net.mmd").read_text("utf-8")
    assert text.startswith("flowchart LR\n")
    assert 'n1("conv2d 3×3, stride 1<br/>(stem)<br/>weight 4×1×3×3, bias 4"):::operation' in text
    assert text.count("subgraph") == text.count(" end\n") == 2  # blocks and blocks.0
    (frames,) = re.findall(r"    class (\S+) frame\n", text)
    assert sorted(frames.split(",")) == sorted(re.findall(r"subgraph (\w+)", text))
    assert text.count(" -->") == len(snapshot.view().edges)
    awkward = 'a "b" <c> #1; [x] end\n'
    named = leaf(1.0, 2.0)
    trace(named, params={awkward: named}).save(tmp_path / "net.mmd")
    text = (tmp_path / "net.mmd").read_text("utf-8")
    assert "a #34;b#34; #60;c#62; #35;1#59; #91;x#93; end<br/>" in text


def test_mermaid_has_the_colours_of_the_other_drawings():
    x = leaf(1.0, -2.0)
    view = trace((x.log() * 2).exp().sum()).view(color="bytes", theme="dark")
    text = flowchart(view)
    scale, theme = dot.levels(view), THEMES["dark"]
    assert "fill" not in "".join(re.findall("classDef operation.*", text))  # it would win
    for i, box in enumerate(view.boxes):
        style = dot.box_style(box, scale, theme)
        assert f"    style n{i} fill:{style['fillcolor']},color:{style['fontcolor']}\n" in text
    trail = {i for i, edge in enumerate(view.edges) if dot.edge_mark(view, edge)}
    assert {int(i) for i in re.findall(rf"linkStyle (\d+) stroke:{theme.red}", text)} == trail != set()


@needs_dot
def test_large_png_is_made_smaller_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(graph, "_MOST_PIXELS", 20_000)
    with pytest.warns(UserWarning, match=r"megapixels.*save as \.svg"):
        net(Block()).save(tmp_path / "net.png")
    header = (tmp_path / "net.png").read_bytes()[16:24]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
    assert width * height < 21_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net(Block()).save(tmp_path / "net.svg")


@pytest.mark.skipif(graph._graphviz_pure() is None, reason="needs graphviz-pure")
def test_graphviz_pure_takes_the_place_of_dot(tmp_path, monkeypatch):
    program = graph._graphviz_pure()
    monkeypatch.setattr(graph, "_graphviz_pure", lambda: program)
    monkeypatch.setenv("PATH", str(tmp_path))
    snapshot = net(Block())
    snapshot.save(tmp_path / "net.svg")
    assert "conv2d 3×3" in (tmp_path / "net.svg").read_text("utf-8")
    snapshot.save(tmp_path / "net.png")
    assert (tmp_path / "net.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in snapshot._repr_mimebundle_()["image/svg+xml"]
    with pytest.raises(RuntimeError, match="no PDF"):
        snapshot.save(tmp_path / "net.pdf")


def test_draw_takes_a_model_and_an_example():
    source = tg.viz.draw(Net(Block()), tg.ones(2, 1, 8, 8)).source
    assert "(stem)" in source
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    state, random = model.state_dict(), tg.get_rng_state()
    before = {name: value.data.copy() for name, value in state.items()}
    tg.viz.draw(model, tg.ones(4, 3))
    tg.viz.draw(model, (tg.ones(4, 3),))
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.data, before[name])
    assert repr(tg.get_rng_state()) == repr(random)
    with pytest.raises(TypeError, match="needs an example"):
        tg.viz.draw(Net(Block()))


def test_many_paths_are_no_trouble():
    y = leaf(1.0)
    for _ in range(40):
        y = y + y
    start = time.perf_counter()
    source = trace(y).to_graphviz().source
    assert time.perf_counter() - start < 0.5  # 0.005 on a machine that does nothing else
    assert source.count(" -> ") == 81
