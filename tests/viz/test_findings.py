from __future__ import annotations

import numpy as np
import pytest
from graphs import leaf

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn
from tinygrad_cnn.viz import Finding, check, diff, trace, why_no_grad


class Net(nn.Module):
    """`aux` is never called, `body` detached, `dead` behind a relu that is never on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)
        self.dead = nn.Linear(3, 3)
        self.aux = nn.Linear(4, 3)
        self.frozen = nn.Parameter(tg.ones(3), requires_grad=False)

    def forward(self, x):
        h = self.head(self.body(x).detach())
        return h + self.frozen * (self.dead(h) - 100).relu()


def broken() -> tuple[Net, tg.Tensor]:
    tg.manual_seed(0)
    model = Net()
    return model, F.cross_entropy(model(tg.ones(2, 4)), tg.tensor([0, 1]))


def kinds(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(f.kind, f.where) for f in findings]


def test_each_parameter_that_does_not_learn(capsys):
    model, loss = broken()
    loss.backward(retain_graph=True)
    found = check(loss, model)
    assert kinds(found) == [
        ("detached", "body.weight"),
        ("detached", "body.bias"),
        ("unreached", "aux.weight"),
        ("unreached", "aux.bias"),
        ("zero gradient", "dead.weight"),
        ("zero gradient", "dead.bias"),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "input of linear in head" in lines[0]
    assert lines[1].endswith("`aux` was never called")
    assert lines[2].startswith("dead.weight, dead.bias: zero gradient")
    assert "relu gives only zeros" in lines[2]


def test_before_backward_and_when_all_is_well(capsys):
    x = leaf(1.0, 2.0)
    loss = (nn.Parameter(x) * x).sum()
    assert kinds(check(loss)) == [("no gradients yet", "")]
    loss.backward()
    assert check(loss) == []
    assert capsys.readouterr().out.splitlines() == [
        "gradients are not computed yet: call backward()",
        "nothing is wrong",
    ]


def test_findings_are_marked_in_the_picture():
    model, loss = broken()
    loss.backward(retain_graph=True)
    view = trace(loss, model).view()
    marked = {box.vertex.title: box.lines[-1] for box in view.boxes if box.mark}
    assert marked == {
        "linear": "⚠ zero gradient: bias",
        "body.weight 4×4\nbody.bias 4": "⚠ detached",
        "aux.weight 3×4\naux.bias 3": "⚠ unreached",
    }
    assert view.to_graphviz().source.count('color="#c8102e"') == 3


def test_many_unreached_parameters_are_few_boxes():
    model = nn.Sequential(nn.Sequential(*(nn.Linear(2, 2) for _ in range(8))), nn.Linear(2, 2))
    loss = model[1](model[0](tg.ones(1, 2)).detach()).sum()
    boxes = [box for box in trace(loss, model).view().boxes if not box.members]
    assert [box.vertex.title for box in boxes] == ["16 parameters of 0"]


# -- NaN ---------------------------------------------------------------------------------------


def test_the_first_nan_is_found_though_it_is_not_kept():
    x = leaf(1.0, -1.0)
    y = x * 2
    loss = (y.log().exp() + x).sum()
    snapshot = trace(loss)
    (found,) = snapshot.findings
    assert (found.kind, found.where) == ("NaN", "log")
    assert found.text == "the first NaN in the forward pass, in 1 of 2 elements"
    assert [snapshot.vertices[v].op for v in found.trail] == ["exp", "add", "sum", ""]
    marks = {box.vertex.op: box.mark for box in snapshot.view().boxes}
    assert marks == {
        "": "trail",
        "mul": "",
        "log": "first",
        "exp": "trail",
        "add": "trail",
        "sum": "trail",
    }
    source = snapshot.to_graphviz().source
    assert source.count('color="#c8102e" penwidth=4') == 1
    assert source.count('[label=" 2" weight=4 color="#c8102e" penwidth=2]') == 3


def test_a_nan_in_a_parameter_is_the_first():
    weight = nn.Parameter(leaf(1.0, np.nan))
    found = trace((weight * leaf(1.0, 2.0)).sum(), params={"weight": weight}).findings
    assert (found[1].kind, found[1].where) == ("NaN", "weight")
    assert "not known" not in found[1].text


def test_what_was_freed_may_have_the_nan():
    x = leaf(1.0, -1.0, grad=False)
    loss = (leaf(1.0, 1.0) * x).log().exp().sum()
    loss.backward()
    found = trace(loss).findings[0]
    assert found.kind == "NaN"
    assert "3 results that it comes from are not known" in found.text


def test_an_infinity_is_found_but_not_that_of_a_mask():
    x = leaf(1.0, 0.0)
    (found,) = trace((1 / x).exp().sum()).findings
    assert (found.kind, found.where) == ("infinity", "true_divide")
    masked = leaf(1.0, 2.0) + leaf(0.0, -np.inf, grad=False)
    assert trace(masked.softmax(0).sum()).findings == ()
    with np.errstate(invalid="ignore"):
        difference = 1 / x - 1 / x
    (found,) = trace(difference.sum()).findings
    assert (found.kind, found.where) == ("NaN", "sub")
    assert "true_divide before it has infinities" in found.text


def test_the_trail_of_a_nan_that_came_later_ends():
    weight = nn.Parameter(leaf(1.0, 2.0))
    loss = (weight * 3).sum()
    with tg.no_grad():
        weight.fill_(np.nan)
    snapshot = trace(loss, params={"weight": weight})
    found = snapshot.findings[1]
    assert (found.kind, found.where) == ("NaN", "weight")
    assert [snapshot.vertices[v].op for v in found.trail] == ["mul"]  # the sum is known


def test_nan_gradient_of_a_finite_loss():
    x = leaf(0.0, 4.0)
    y = x * 2
    loss = (y.sqrt() * 0).sum()
    loss.backward()
    (found,) = trace(loss, params={"x": x}).findings
    assert (found.kind, found.where) == ("NaN gradient", "x")


def test_where_a_gradient_is_lost():
    first, second = leaf(1.0, 2.0), leaf(3.0, 4.0)
    loss = ((first * 0).exp() * second).sum()
    loss.backward()
    (found,) = trace(loss, params={"first": first, "second": second}).findings
    assert (found.kind, found.where) == ("zero gradient", "first")
    assert found.text.endswith("it is in order at mul (second), and lost before")
    alone = leaf(-1.0, -2.0)
    loss = alone.relu().sum()
    loss.backward(retain_graph=True)
    assert trace(loss).findings[0].text.endswith("relu gives only zeros")
    loss.backward()
    assert "backward(retain_graph=True)" in trace(loss).findings[0].text


def test_tiny_gradient():
    x = leaf(1e5, 1e5)
    loss = (x * 1e-6).sum()
    loss.backward()
    assert trace(loss).findings[0].kind == "tiny gradient"


# -- why there is none -------------------------------------------------------------------------


def test_why_no_grad_names_the_cut():
    model, loss = broken()
    assert "input of linear in head (2×4)" in why_no_grad(model.body.weight, loss, model)
    assert "input of linear in head (2×4)" in why_no_grad(model.body.weight, loss)
    assert why_no_grad(model.aux.weight, loss, model).endswith("`aux` was never called")
    assert why_no_grad(model.frozen, loss, model).startswith("its requires_grad is False")
    assert why_no_grad(model.head.weight, loss, model).startswith("gradients are not computed yet")
    loss.backward()
    assert (
        why_no_grad(model.head.weight, loss, model)
        == "it has a gradient, and nothing is wrong with it"
    )
    assert why_no_grad(model.dead.weight, loss, model).startswith("zero gradient")
    model.head.weight.grad = None
    assert why_no_grad(model.head.weight, loss, model).startswith("no gradient: backward did not")


@pytest.mark.parametrize(
    "cut",
    [
        lambda h: h.detach(),
        lambda h: tg.Tensor(h.numpy(force=True)),
        lambda h: (h > 0).float(),
    ],
)
def test_every_cut_is_named(cut):
    weight, scale = leaf(1.0, 2.0, 3.0), leaf(1.0, 1.0, 1.0)
    assert "input of mul (3)" in why_no_grad(weight, (cut(weight * 2) * scale).sum())


def test_cut_by_argmax():
    weight, table = leaf(1.0, 3.0, 2.0), leaf(shape=(3, 2))
    chosen = F.embedding(tg.stack([(weight * 2).argmax(), (weight * 3).argmin()]), table)
    assert "int64, which carries no gradient: from argmax" in why_no_grad(weight, chosen.sum())


def test_loss_without_graph_and_a_tensor_that_is_no_leaf():
    weight = leaf(1.0, 2.0)
    assert "retain_grad()" in why_no_grad(weight * 2, weight.sum())
    assert "made under no_grad()" in why_no_grad(weight, (weight * 2).detach().sum())


# -- differences -------------------------------------------------------------------------------


def test_diff_marks_what_differs():
    image = tg.ones(1, 1, 6, 6)
    weight = {k: tg.ones(2, 1, k, k, requires_grad=True) for k in (1, 3)}
    first = F.conv2d(image, weight[3]).relu().sum()
    second = F.conv2d(image, weight[1]).sigmoid().sum()
    difference = diff(first, second)
    marks = [(v.mark, v.op or v.title) for v in difference.vertices if v.mark]
    assert marks == [
        ("changed", "weight"),
        ("changed", "conv2d"),
        ("removed", "relu"),
        ("added", "sigmoid"),
    ]
    ends = [
        (difference.vertices[e.tail].op, difference.vertices[e.head].op) for e in difference.edges
    ]
    assert ("conv2d", "relu") in ends
    assert ("relu", "sum") in ends
    source = difference.to_graphviz().source
    for text in ("≠ differs", "+ only in the second", "− only in the first"):
        assert source.count(text) >= 1


def test_diff_of_the_same_graph_is_that_graph():
    x = leaf(1.0, 2.0)
    loss = (x * x).exp().sum()
    assert diff(loss, loss) == trace(loss)
    assert repr(diff(loss, loss)) == repr(trace(loss))
