from __future__ import annotations

import html
import os
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import graphviz
import numpy as np
import pytest
from graphs import halves, larger, leaf, module, recorded_graphs, total
from hypothesis import given, settings, strategies as st

from tinygrad_cnn.core import engine
from tinygrad_cnn.core.function import Function
from tinygrad_cnn.core.modes import no_grad, scope
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.nn.parameter import Parameter
from tinygrad_cnn.ops.conv import conv2d, unfold
from tinygrad_cnn.ops.pool import max_pool2d
from tinygrad_cnn.viz import Graph, draw
from tinygrad_cnn.viz.snapshot import Snapshot
from tinygrad_cnn.viz.tracing import trace

GOLDEN = Path(__file__).parent / "golden"
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="needs graphviz's program dot")


@pytest.fixture
def no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tinygrad_cnn.viz.graph._graphviz_pure", lambda: None)


def gradient(tensor: Tensor) -> Any:
    return "none" if tensor.grad is None else tensor.grad.data


def layers() -> tuple[Tensor, dict[str, Tensor]]:
    """Two convolutions, a module `act` that is called twice, and a shortcut around the second."""
    image = leaf(shape=(2, 3, 8, 8), grad=False)
    params = {
        "stem.weight": leaf(shape=(4, 3, 5, 5)),
        "stem.bias": leaf(shape=(4,)),
        "body.0.conv.weight": leaf(shape=(4, 4, 3, 3)),
    }
    with module("stem"):
        stem = conv2d(image, params["stem.weight"], params["stem.bias"], stride=2, padding=2)
    with module("body.0"):
        with module("body.0.act"):
            x = -stem
        with module("body.0.conv"):
            x = conv2d(x, params["body.0.conv.weight"], padding="same")
        with module("body.0.act"):
            x = -x
        x = x + stem
    return x, params


# -- golden drawings ---------------------------------------------------------------------------


def scalar_expression() -> Graph:
    a, b, c = leaf(2.0), leaf(-3.0), leaf(10.0)
    product = a * b
    result = product + c
    result.backward()
    return draw(result, params={"a": a, "b": b, "c": c, "a·b": product, "L": result})


def nested_modules() -> Graph:
    result, params = layers()
    return draw(result, params=params, legend=False)


def several_outputs() -> Graph:
    low, high = halves(leaf(shape=(3, 2)))
    return draw([total([low, high, low]), high], legend=False)


def second_order() -> Graph:
    x = leaf(3.0)
    (first,) = engine.grad(x * x * x, x, create_graph=True)
    return draw(first, params={"x": x}, legend=False)


def one_leaf() -> Graph:
    return draw(leaf(shape=(2, 3)))


@pytest.mark.parametrize(
    "example", [scalar_expression, nested_modules, several_outputs, second_order, one_leaf]
)
def test_golden(example):
    """Compare with the file; UPDATE_GOLDEN=1 in the environment writes it anew."""
    path = GOLDEN / f"{example.__name__}.dot"
    source = example().source
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")


# -- random graphs -----------------------------------------------------------------------------


def recorded_edges(roots: list[Tensor], leaves: dict[str, Tensor]) -> tuple[list[Node], Counter]:
    """Walk the graph by itself: its nodes, and each edge as (what made it, what takes it)."""
    names = {id(tensor): name for name, tensor in leaves.items()}
    nodes: dict[int, Node] = {}
    edges: Counter = Counter()

    def visit(node: Node) -> None:
        if node.seq in nodes:
            return
        nodes[node.seq] = node
        for parent, output in node.next_functions:
            if isinstance(parent, Node):
                edges[parent.seq, output, node.seq] += 1
                visit(parent)
            elif parent is not None:
                edges[names[id(parent)], 0, node.seq] += 1

    for root in roots:
        if root.grad_fn is not None:
            visit(root.grad_fn)
    return [nodes[seq] for seq in sorted(nodes)], edges


def drawn_edges(snapshot: Snapshot, nodes: list[Node]) -> Counter:
    """Return the snapshot's edges between operations, parameters and inputs, as above."""
    operations = [i for i, v in enumerate(snapshot.vertices) if v.kind == "operation"]
    names: dict[int, Any] = {i: node.seq for i, node in zip(operations, nodes, strict=True)}
    outputs = {"": 0, "low": 0, "high": 1}
    edges: Counter = Counter()
    for edge in snapshot.edges:
        tail, head = snapshot.vertices[edge.tail], snapshot.vertices[edge.head]
        if tail.kind != "data" and head.kind != "output":
            maker = names[edge.tail] if tail.kind == "operation" else tail.title
            edges[maker, outputs[edge.output], names[edge.head]] += 1
    return edges


@given(recorded_graphs())
def test_every_node_and_edge_once_and_none_invented(case):
    roots, leaves = case
    nodes, edges = recorded_edges(roots, leaves)
    snapshot = trace(roots, params=leaves)
    operations = [vertex for vertex in snapshot.vertices if vertex.kind == "operation"]
    assert [v.title for v in operations] == [node.name() for node in nodes]
    assert drawn_edges(snapshot, nodes) == edges
    drawn = Counter(v.title for v in snapshot.vertices if v.kind == "parameter")
    reached = {maker for maker, _, _ in edges if isinstance(maker, str)}
    reached |= {name for name, tensor in leaves.items() if any(tensor is root for root in roots)}
    assert drawn == Counter(reached)
    wanted = Counter((root.grad_fn, root.output_nr) for root in set(roots) if root.grad_fn)
    assert sum(v.kind == "output" for v in snapshot.vertices) == len(wanted)


@given(recorded_graphs())
def test_data_is_what_gets_no_gradient(case):
    roots, leaves = case
    nodes, _ = recorded_edges(roots, leaves)
    snapshot = trace(roots)
    without = sum(parent is None for node in nodes for parent in node.parents)
    from_data = [e for e in snapshot.edges if snapshot.vertices[e.tail].kind == "data"]
    assert len(from_data) == without


@given(recorded_graphs())
def test_dot_holds_the_snapshot_and_nothing_else(case):
    roots, leaves = case
    snapshot = trace(roots, params=leaves)
    source = draw(roots, params=leaves, legend=False).source
    assert re.findall(r"^\t+n(\d+) \[", source, re.M) == [
        str(i) for i in range(len(snapshot.vertices))
    ]
    assert re.findall(r"n(\d+) -> n(\d+)", source) == [
        (str(edge.tail), str(edge.head)) for edge in snapshot.edges
    ]


@given(st.data())
def test_drawing_is_deterministic_and_changes_nothing(data):
    roots, leaves = data.draw(recorded_graphs())
    nodes, _ = recorded_edges(roots, leaves)
    root = roots[0]
    seed = np.arange(root.data.size, dtype=np.float32).reshape(root.shape)
    engine.backward(root, seed, retain_graph=True)
    before = {name: gradient(tensor) for name, tensor in leaves.items()}
    kept = [{name: (id(a), a.copy()) for name, a in node.saved.items()} for node in nodes]
    values = [tensor.data.copy() for tensor in (*leaves.values(), *roots)]

    source = draw(roots, params=leaves).source
    assert draw(roots, params=leaves).source == source

    for node, arrays in zip(nodes, kept, strict=True):
        assert node.saved.keys() == arrays.keys()
        for name, (identity, array) in arrays.items():
            assert id(node.saved[name]) == identity
            np.testing.assert_array_equal(node.saved[name], array)
    for tensor, value in zip((*leaves.values(), *roots), values, strict=True):
        np.testing.assert_array_equal(tensor.data, value)
    for tensor in leaves.values():
        tensor.grad = None
    engine.backward(root, seed)
    for name, tensor in leaves.items():
        np.testing.assert_array_equal(gradient(tensor), before[name])


# -- what the boxes say ------------------------------------------------------------------------


def title(result: Tensor) -> str:
    (vertex,) = (v for v in trace([result]).vertices if v.kind == "operation")
    return vertex.title


def test_titles_name_the_options_that_matter():
    image, weight = leaf(shape=(1, 2, 9, 9), grad=False), leaf(shape=(4, 2, 5, 3))
    assert title(conv2d(image, weight)) == "conv2d 5×3, stride 1"
    assert title(conv2d(image, weight, None, 1, 2)) == "conv2d 5×3, stride 1, pad 2"
    assert title(conv2d(image, weight, None, (2, 2), (0, 2))) == "conv2d 5×3, stride 2, pad 0×2"
    assert title(conv2d(image, weight, None, (2, 1), "valid")) == (
        "conv2d 5×3, stride 2×1, pad valid"
    )
    assert title(conv2d(image, weight, dilation=2)) == "conv2d 5×3, stride 1, dilation 2"
    assert title(unfold(leaf(shape=(1, 2, 4, 4)), 2, padding=1)) == "unfold 2×2, pad 1, stride 1"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (True, "of"),
        (False, "of False"),
        ((0, -1), "of (0, -1)"),
        (1 / 3, "of 0.3333"),
        ("sum", "of sum"),
        (np.dtype("float32"), "of float32"),
        (np.float64, "of float64"),
        ((slice(1, None, 2), Ellipsis, None, 3), "of (1::2, …, None, 3)"),
        (np.zeros((2, 3)), "of array 2×3"),
        (Tensor(np.array(7)), "of 7"),
        ("x" * 50, "of " + "x" * 31 + "…"),
        ("two\nlines", "of two lines"),
    ],
)
def test_options_of_any_kind(option, words):
    result, _ = larger(leaf(1.0, 2.0), 0, of=option)
    assert title(result) == f"viz_test_maximum {words}"


def test_named_tuple_is_several_options():
    image = leaf(shape=(1, 2, 9, 9))
    assert title(max_pool2d(image, 3, 2, 1)) == "max_pool2d 3×3, stride 2, pad 1"
    assert title(max_pool2d(image, (2, 3))) == "max_pool2d 2×3, stride 2×3"
    assert title(max_pool2d(image, 2, ceil_mode=True)) == "max_pool2d 2×2, stride 2, ceil_mode"


def test_shape_is_left_to_the_arrow():
    assert title(leaf(shape=(2, 3)).reshape(6)) == "reshape"


def test_option_at_its_default_is_left_out():
    assert title(larger(leaf(1.0, 2.0), 0, by=0.0)[0]) == "viz_test_maximum"
    assert title(larger(leaf(1.0, 2.0), 0, by=0.5)[0]) == "viz_test_maximum by 0.5"


def test_frozen_weight_still_tells_the_kernel():
    image, weight = leaf(shape=(1, 2, 9, 9)), leaf(shape=(4, 2, 5, 3), grad=False)
    assert title(conv2d(image, weight)) == "conv2d 5×3, stride 1"


def test_values_and_gradients_of_scalars():
    a, b = leaf(2.0), leaf(-3.0)
    product = a * b
    product.retain_grad()
    result = product * product
    assert "grad" not in draw(result, legend=False).source
    result.backward()
    source = draw(result, params={"a": a, "b": b, "p": product}).source
    for text in ("a = 2\\ngrad 36", "b = -3\\ngrad -24", "mul\\np = -6\\ngrad -12", "output = 36"):
        assert f'"{text}"' in source


def test_value_that_was_changed_in_place_is_not_shown():
    a = leaf(2.0)
    product = a * 3
    squared = product * product
    assert "= 6" in draw(squared, legend=False).source
    with no_grad():
        product.fill_(7.0)
    source = draw(squared, legend=False).source
    assert "= 6" not in source
    assert "= 7" not in source


def test_data_shows_its_name_shape_and_dtype_while_it_is_kept():
    image, weight = leaf(shape=(2, 3, 8, 8), grad=False), leaf(shape=(4, 3, 5, 5))
    result = conv2d(image, weight)
    assert '"input\\n2×3×8×8"' in draw(result).source
    assert '"photo\\n2×3×8×8"' in draw(result, params={"photo": image}).source
    assert draw(result).source.count("dashed") == 1 + 1  # with the legend's
    engine.backward(result, np.ones(result.shape, np.float32))
    assert '"input"' in draw(result).source


def test_data_taken_twice_is_one_box():
    x, a, b = leaf(1.0, 2.0, grad=False), leaf(1.0, 1.0), leaf(2.0, 2.0)
    vertices = trace([x * a + b * x]).vertices
    assert [v.kind for v in vertices].count("data") == 1


def test_tied_parameter_is_one_box():
    tied = leaf(1.0, 2.0)
    source = draw((tied * tied) * tied, params={"first": tied, "second": tied}, legend=False).source
    assert source.count("first") == 1
    assert "second" not in source
    assert source.count("n0 -> ") == 3


def test_missing_bias_is_not_drawn():
    kinds = [
        v.kind
        for v in trace(
            [conv2d(leaf(shape=(1, 1, 3, 3)), leaf(shape=(1, 1, 3, 3)))]
        ).vertices
    ]
    assert kinds == ["input", "input", "operation", "output"]


def test_user_function():
    class Both(Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor, x + factor

        @staticmethod
        def backward(ctx, g, h):
            return g + h, None

    first, second = Both.apply(leaf(1.0, 2.0), 3)
    source = draw(first + second, legend=False).source
    assert '"Both"' in source
    assert '" output 0 2"' in source
    assert '" output 1 2"' in source


class Net(Module):
    """A parameter, a buffer, a shared child that is called twice, and a frozen parameter."""

    def __init__(self):
        super().__init__()
        self.scale = Parameter(leaf(1.0, 2.0))
        self.frozen = Parameter(leaf(3.0, 4.0), requires_grad=False)
        self.register_buffer("mean", leaf(5.0, 6.0, grad=False))
        self.act = Act()

    def forward(self, x):
        return self.act(self.act((x - self.mean * self.scale) * self.scale) * self.frozen)


class Act(Module):
    def forward(self, x):
        return -x


def test_model_gives_names_and_tells_parameters_from_inputs():
    net, x = Net(), leaf(3.0, 4.0)
    source = draw(net(x), model=net, params={"x": x}, legend=False).source
    assert '"scale\\n2" shape=box' in source
    assert '"mean\\n2" shape=ellipse style="filled,dashed"' in source
    assert '"frozen\\n2" shape=ellipse style="filled,dashed"' in source
    assert '"x\\n2" shape=ellipse fillcolor' in source
    assert source.count('"neg\\n(act)"') == 2


def test_parameter_without_model_is_still_a_parameter():
    net, x = Net(), leaf(3.0, 4.0)
    kinds = Counter(vertex.kind for vertex in trace([net(x)]).vertices)
    assert kinds["parameter"] == kinds["input"] == 1


# -- frames ------------------------------------------------------------------------------------


def test_frames_nest_as_the_modules_do_and_each_call_has_its_own():
    result, params = layers()
    snapshot = trace([result], params=params)
    paths = [frame.path for frame in snapshot.frames]
    assert paths == ["", "stem", "body", "body.0", "body.0.act", "body.0.conv", "body.0.act"]
    assert [frame.parent for frame in snapshot.frames] == [0, 0, 0, 2, 3, 3, 3]
    of = {v.title: paths[v.frame] for v in snapshot.vertices}
    assert of["stem.weight"] == "stem"
    assert of["body.0.conv.weight"] == "body.0.conv"
    assert of["input"] == ""
    assert of["add"] == "body.0"


def test_parameter_of_two_modules_stands_around_both():
    tied = leaf(1.0, 2.0)
    with module("net.a"):
        x = tied * 2
    with module("net.b"):
        x = x * tied
    snapshot = trace([x], params={"tied": tied})
    assert snapshot.frames[snapshot.vertices[0].frame].path == "net"


def test_module_whose_name_starts_with_another_is_not_in_it():
    x = leaf(1.0, 2.0)
    with module("conv1"):
        x = -x
    with module("conv10"):
        x = -x
    assert [(f.path, f.parent) for f in trace([x]).frames] == [
        ("", 0),
        ("conv1", 0),
        ("conv10", 0),
    ]


# -- any name is safe --------------------------------------------------------------------------


def shown(label: str) -> str:
    """Return what graphviz shows for a quoted label."""
    escapes = {"n": "\n", "\\": "\\", '"': '"'}
    return html.unescape(re.sub(r"\\(.)", lambda m: escapes[m.group(1)], label))


def visible(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


@given(st.text(min_size=1))
@settings(max_examples=300)
def test_any_name_is_shown_as_it_is(name):
    tensor = leaf(1.0, 2.0)
    source = draw(tensor, params={name: tensor}).source
    source.encode()
    (label,) = re.findall(r'n0 \[label="((?:[^"\\]|\\.)*)" shape', source, re.S)
    assert "\n" not in label
    assert shown(label) == f"{visible(name)}\n2"


AWKWARD = [
    'quote " quote', "back\\slash", "\\N \\G \\l", "<b>bold</b>", "<b>", "a & b", "&lt;", "&amp;amp;",
    "naïve 畳み込み 🦔", "tab\there", "nul\0", "\ud800", "\ufffe", "{a|b}", "//", "/*", "# hash",
    "graph", "ends with \\",
]  # fmt: skip


@needs_dot
def test_awkward_names_reach_the_svg(tmp_path):
    leaves = {name: leaf(1.0, 2.0) for name in AWKWARD}
    token = scope.set('mod "<&\\')
    try:
        result = total(list(leaves.values()))
    finally:
        scope.reset(token)
    path = trace(result, params=leaves).save(tmp_path / "names.svg", params="nodes")
    texts = [e.text for e in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]
    spaces = {ord("\xa0"): " "}
    texts = [(text or "").translate(spaces) for text in texts]
    for name in AWKWARD:
        assert visible(name) in texts
    assert 'mod "<&\\' in texts


# -- files and notebooks -----------------------------------------------------------------------


@needs_dot
@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")],
)
def test_save_renders_by_the_suffix(tmp_path, suffix, start):
    path = tmp_path / "new" / f"net{suffix}"
    assert draw(leaf(1.0) * 2).save(path) == str(path)
    assert path.read_bytes().startswith(start)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@needs_dot
def test_svg_has_each_box_and_arrow():
    result, params = layers()
    snapshot = trace([result], params=params)
    view = snapshot.view(params="nodes", legend=False)
    root = ElementTree.fromstring(view.to_graphviz().pipe("svg"))
    groups = Counter(group.get("class") for group in root.iter("{http://www.w3.org/2000/svg}g"))
    assert groups["node"] == len(snapshot.vertices)
    assert groups["edge"] == len(snapshot.edges)
    assert groups["cluster"] == 4  # none around the operations of `act`


def test_save_dot_needs_no_program(tmp_path, no_program):
    graph = draw(leaf(1.0) * 2)
    for name in ("net.dot", "net.gv", "net"):
        graph.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == graph.source
    graph.save("in.dot", tmp_path)
    assert (tmp_path / "in.dot").exists()


def test_save_skips_an_existing_file_if_told(tmp_path):
    (tmp_path / "net.dot").write_text("mine")
    draw(leaf(1.0) * 2).save(tmp_path / "net.dot", skip_existing=True)
    assert (tmp_path / "net.dot").read_text() == "mine"


@pytest.mark.parametrize("name", ["net.jpg", "net.html", "net.svgz"])
def test_save_other_suffix(tmp_path, name):
    with pytest.raises(ValueError, match=r"must end in \.svg, \.png, \.pdf or \.dot"):
        draw(leaf(1.0) * 2).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_dot_the_error_says_how_to_get_it(tmp_path, no_program):
    target = tmp_path / "net.png"
    target.write_text("the last good one")
    graph = draw(leaf(1.0) * 2)
    for attempt in (lambda: graph.save(target), graph.pipe, lambda: graph.render(tmp_path / "x")):
        with pytest.raises(RuntimeError, match="apt-get install graphviz") as caught:
            attempt()
        for words in ("brew install", "winget install", "conda install", "pip install", ".dot"):
            assert words in str(caught.value)
    assert target.read_text() == "the last good one"
    assert not list(tmp_path.glob(".*"))


def test_without_any_program_svg_is_drawn_by_the_package(tmp_path, no_program):
    graph = draw(leaf(1.0) * 2)
    graph.save(tmp_path / "net.svg")
    root = ElementTree.parse(tmp_path / "net.svg").getroot()
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"mul", "output = 2"} <= set(texts)
    assert "<svg" in graph._repr_mimebundle_()["image/svg+xml"]


def test_notebook_falls_back_to_text(no_program):
    graph = draw(leaf(1.0) * 2).copy()  # without the view that was drawn
    (text,) = graph._repr_mimebundle_().values()
    assert text.startswith("// the program `dot` of graphviz is not installed")
    assert text.endswith(graph.source)


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for dot")
def test_notebook_survives_a_dot_that_fails(tmp_path, monkeypatch):
    fake = tmp_path / "dot"
    fake.write_text("#!/bin/sh\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    graph = draw(leaf(1.0) * 2)
    assert graph.source in graph._repr_mimebundle_()["text/plain"]


@needs_dot
def test_notebook_shows_svg():
    assert "<svg" in draw(leaf(1.0) * 2)._repr_mimebundle_()["image/svg+xml"]


def test_it_is_a_digraph_that_can_be_changed():
    graph = draw(leaf(1.0) * 2)
    assert isinstance(graph, graphviz.Digraph)
    graph.graph_attr["rankdir"] = "LR"
    assert "rankdir=LR" in graph.source
    assert graph.copy().source == graph.source


def test_no_size_and_no_alpha():
    result, params = layers()
    source = draw(result, params=params).source
    assert not re.search(r"\bsize=", source)
    assert all(len(color) == 7 for color in re.findall(r"#[0-9a-fA-F]+", source))


# -- errors and limits -------------------------------------------------------------------------


def test_tensor_without_graph():
    with pytest.raises(RuntimeError, match=r"the tensor has no recorded graph.*no_grad"):
        draw(leaf(1.0, grad=False) * 2)
    with no_grad():
        detached = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="tensor 1 has no recorded graph"):
        draw([leaf(1.0), detached])


@pytest.mark.parametrize("wrong", [3.0, [np.zeros(2)], None, [None]])
def test_not_a_tensor(wrong):
    with pytest.raises(TypeError, match=r"trace: expected a Tensor or a sequence of Tensors"):
        draw(wrong)


def test_no_tensors():
    with pytest.raises(RuntimeError, match="no tensors given"):
        draw([])


def test_long_chain():
    x = leaf(1.0, 2.0)
    for _ in range(10_000):
        x = -x
    start = time.perf_counter()
    snapshot = trace(x)
    source = snapshot.view(depth=0).to_graphviz().source
    assert time.perf_counter() - start < 2
    assert source.count(" -> ") == 10_001
    assert "10,000 operations\\nneg ×10,000" in draw(x).source


def test_many_paths():
    x = leaf(1.0)
    for _ in range(60):
        x = x + x
    assert draw(x, legend=False).source.count(" -> ") == 121
