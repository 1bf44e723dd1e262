"""The drawings of the documentation, by each of the three renderers."""

from __future__ import annotations

import itertools
import shutil
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from texts import NAMESPACE, texts

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn
from tinygrad_cnn.viz import View, graph, svg, trace

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@cache
def lenet() -> View:
    model = tg.models.lenet5()
    loss = F.cross_entropy(model(tg.ones(2, 1, 28, 28)), tg.tensor([1, 2]))
    return trace(loss, model).view()


@cache
def block() -> View:
    model = tg.models.resnet18()
    return trace(model(tg.ones(2, 3, 32, 32)).sum(), model).view(focus="layer2.0")


@cache
def inception() -> View:
    model = tg.models.googlenet(aux_logits=False)
    return trace(model(tg.ones(2, 3, 32, 32)).sum(), model).view(focus="inception3a")


@cache
def expression() -> View:
    w, x = tg.tensor(2.0, requires_grad=True), tg.tensor(1.5)
    out = (w * x + 1).tanh()
    out.backward(retain_graph=True)
    return trace(out, params={"w": w, "x": x, "out": out}).view()


@cache
def second_order() -> View:
    x = tg.tensor(2.0, requires_grad=True)
    y = x * x.sin()
    (slope,) = tg.autograd.grad(y, x, create_graph=True)
    return trace([y, slope], params={"x": x, "y": y, "slope": slope}).view()


@cache
def nan() -> View:
    w = tg.tensor([1.0, -2.0], requires_grad=True)
    return trace(((w * 3).log().exp() + w).sum(), params={"w": w}).view()


@cache
def resnet50() -> View:
    model = tg.models.resnet50()
    loss = F.cross_entropy(model(tg.ones(2, 3, 32, 32)), tg.tensor([1, 2]))
    return trace(loss, model).view(depth=1)


@cache
def gradients() -> View:
    layers = [layer for _ in range(3) for layer in (nn.Linear(4, 4), nn.Sigmoid())]
    model = nn.Sequential(*layers)
    loss = model(tg.ones(2, 4)).sum()
    loss.backward()
    return trace(loss, model).view(color="grad_norm")


PICTURES = [lenet, block, inception, expression, second_order, nan, resnet50, gradients]


def words(drawing: bytes) -> Counter[str]:
    """Return what the texts say; some lines are broken at a colon."""
    found = ElementTree.fromstring(drawing).iter(f"{NAMESPACE}text")
    return Counter(
        word.removesuffix(":") for text in found for word in "".join(text.itertext()).split()
    )


@pytest.fixture
def without_dot(tmp_path, monkeypatch):
    program = graph._graphviz_pure()
    monkeypatch.setattr(graph, "_graphviz_pure", lambda: program)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize("picture", PICTURES)
def test_each_renderer_says_the_same(picture, without_dot, monkeypatch):
    view = picture()
    made = {}
    if graph._graphviz_pure() is not None:
        made["graphviz-pure"] = view.to_graphviz().pipe("svg")
    monkeypatch.setattr(graph, "_graphviz_pure", lambda: None)
    made["built-in"] = view.to_graphviz().pipe("svg")
    monkeypatch.undo()
    if shutil.which("dot") is not None:
        made["dot"] = view.to_graphviz().pipe("svg")
    assert words(made["built-in"])
    for name, drawing in made.items():
        assert words(drawing) == words(made["built-in"]), name


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("direction", ["TB", "BT", "LR", "RL"])
def test_built_in_drawing_writes_over_nothing(picture, direction):
    root = ElementTree.fromstring(svg.draw(replace(picture(), direction=direction)))
    found = texts(root)
    for one, other in itertools.combinations(found, 2):
        beside = one.right <= other.left or other.right <= one.left
        assert beside or one.bottom <= other.top or other.bottom <= one.top, (one, other)
    for rectangle in list(root.iter(f"{NAMESPACE}rect"))[1:]:  # after the paper
        x, y, width, height = (float(rectangle.attrib[k]) for k in ("x", "y", "width", "height"))
        for text in found:
            in_x, in_y = (
                x <= text.left <= text.right <= x + width,
                y <= text.top <= text.bottom <= y + height,
            )
            beside = text.right <= x or x + width <= text.left
            assert (in_x and in_y) or beside or text.bottom <= y or y + height <= text.top, text


@pytest.mark.parametrize("path", sorted(IMAGES.glob("built-in/*.svg")), ids=lambda path: path.stem)
def test_the_documentation_has_each_picture_by_each_renderer(path):
    said = words(path.read_bytes())
    assert words((IMAGES / path.name).read_bytes()) == said
    assert words((IMAGES / "graphviz-pure" / path.name).read_bytes()) == said
