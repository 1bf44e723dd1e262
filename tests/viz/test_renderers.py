"""The drawings of the documentation, by each of the three renderers."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn
from tinygrad_cnn.viz import View, graph, trace

NAMESPACE = "{http://www.w3.org/2000/svg}"
IMAGES = Path(__file__).parents[2] / "docs" / "images"


def lenet() -> View:
    model = tg.models.lenet5()
    loss = F.cross_entropy(model(tg.ones(2, 1, 28, 28)), tg.tensor([1, 2]))
    return trace(loss, model).view()


def block() -> View:
    model = tg.models.resnet18()
    return trace(model(tg.ones(2, 3, 32, 32)).sum(), model).view(focus="layer2.0")


def inception() -> View:
    model = tg.models.googlenet(aux_logits=False)
    return trace(model(tg.ones(2, 3, 32, 32)).sum(), model).view(focus="inception3a")


def expression() -> View:
    w, x = tg.tensor(2.0, requires_grad=True), tg.tensor(1.5)
    out = (w * x + 1).tanh()
    out.backward(retain_graph=True)
    return trace(out, params={"w": w, "x": x, "out": out}).view()


def second_order() -> View:
    x = tg.tensor(2.0, requires_grad=True)
    y = x * x.sin()
    (slope,) = tg.autograd.grad(y, x, create_graph=True)
    return trace([y, slope], params={"x": x, "y": y, "slope": slope}).view()


def nan() -> View:
    w = tg.tensor([1.0, -2.0], requires_grad=True)
    return trace(((w * 3).log().exp() + w).sum(), params={"w": w}).view()


def resnet50() -> View:
    model = tg.models.resnet50()
    loss = F.cross_entropy(model(tg.ones(2, 3, 32, 32)), tg.tensor([1, 2]))
    return trace(loss, model).view(depth=1)


def gradients() -> View:
    layers = [layer for _ in range(3) for layer in (nn.Linear(4, 4), nn.Sigmoid())]
    model = nn.Sequential(*layers)
    loss = model(tg.ones(2, 4)).sum()
    loss.backward()
    return trace(loss, model).view(color="grad_norm")


def words(svg: bytes) -> Counter[str]:
    """Return what the texts say; some lines are broken at a colon."""
    texts = ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")
    return Counter(
        word.removesuffix(":") for text in texts for word in "".join(text.itertext()).split()
    )


@pytest.fixture
def without_dot(tmp_path, monkeypatch):
    program = graph._graphviz_pure()
    monkeypatch.setattr(graph, "_graphviz_pure", lambda: program)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.parametrize(
    "picture", [lenet, block, inception, expression, second_order, nan, resnet50, gradients]
)
def test_each_renderer_says_the_same(picture, without_dot, monkeypatch, request):
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
    for name, svg in made.items():
        assert words(svg) == words(made["built-in"]), name


@pytest.mark.parametrize("path", sorted(IMAGES.glob("built-in/*.svg")), ids=lambda path: path.stem)
def test_the_documentation_has_each_picture_by_each_renderer(path):
    said = words(path.read_bytes())
    assert words((IMAGES / path.name).read_bytes()) == said
    assert words((IMAGES / "graphviz-pure" / path.name).read_bytes()) == said
