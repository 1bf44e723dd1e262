"""`record`: the events are what the engine does, and watching changes nothing."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from graphs import recorded_graphs
from hypothesis import given, strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.viz import record
from tinygrad_cnn.viz.formula import rule_formula
from tinygrad_cnn.viz.preview import BINS, preview
from tinygrad_cnn.viz.recording import Contribution, Recording


def number(part: Any) -> Any:
    return part.statistics.item


def same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one.sample, other.sample, equal_nan=True))


def titles(rec: Recording) -> list[tuple[str, str]]:
    return [(event.kind, rec.snapshot.vertices[event.vertex].title) for event in rec.events]


def lenet(batch: int = 3) -> tuple[nn.Module, tg.Tensor, tg.Tensor]:
    tg.manual_seed(0)
    return tg.models.lenet5(), tg.rand(batch, 1, 28, 28), tg.arange(batch)


def small() -> nn.Sequential:
    tg.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(),
        nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip


class TestEvents:
    def test_a_sum_of_two_paths(self):
        x = tg.tensor(3.0, requires_grad=True)
        loss = x * 2 + x * x
        with record(params={"x": x}) as rec:
            loss.backward()
        assert titles(rec) == [
            ("start", ""), ("rule", "add"), ("rule", "mul"), ("rule", "mul"), ("leaf", "x"),
        ]  # fmt: skip
        square, double = rec.events[2:4]
        first, second = square.contributions
        assert first.before is None
        assert [number(p) for p in (first.gradient, first.after)] == [3, 3]
        assert [number(p) for p in (second.before, second.gradient, second.after)] == [3, 3, 6]
        (third,) = double.contributions
        assert [number(p) for p in (third.before, third.gradient, third.after)] == [6, 2, 8]
        leaf = rec.events[-1]
        assert number(leaf.arrives[0]) == 8
        assert leaf.contributions[0].before is None
        assert number(leaf.contributions[0].after) == 8 == x.grad.item()

    def test_the_rule_and_what_it_keeps(self):
        x = tg.tensor([0.5, 1.0], requires_grad=True)
        with record() as rec:
            x.tanh().sum().backward()
        (rule,) = rec.events[2].rules
        assert rule.inputs == ("input",)
        assert "1 - out * out" in rule.code
        assert rule.formula == "∂L/∂input = g · (1 − out · out)"
        np.testing.assert_allclose(rule.kept["out"].sample.ravel(), np.tanh([0.5, 1.0]), rtol=1e-6)

    def test_only_rules_that_run(self):
        x = tg.tensor(2.0, requires_grad=True)
        with record() as rec:
            (x * tg.tensor(3.0)).backward()
        assert [rule.inputs for rule in rec.events[1].rules] == [("input",)]

    def test_grad_that_was_there_before(self):
        x = tg.tensor(3.0, requires_grad=True)
        (x * 5).backward()
        with record() as rec:
            (x * 2).backward()
        (step,) = rec.events[-1].contributions
        assert [number(p) for p in (step.before, step.gradient, step.after)] == [5, 2, 7]
        assert rec.snapshot.vertices[rec.events[-1].vertex].grad.item == 7

    def test_autograd_grad_adds_nothing(self):
        x, y = (tg.tensor(v, requires_grad=True) for v in (3.0, 4.0))
        with record(params={"x": x, "y": y}) as rec:
            tg.autograd.grad(x * y, x)
        assert titles(rec)[-1] == ("leaf", "x")
        assert number(rec.events[-1].arrives[0]) == 4
        assert rec.events[-1].contributions == ()
        assert [part.edge for part in rec.events[1].contributions] == [0]

    def test_only_what_was_asked_for(self):
        x, weight = tg.rand(2, 3, 4, requires_grad=True), tg.ones(3, requires_grad=True)
        out = F.batch_norm(x, None, None, weight, training=True)
        with record() as rec:  # one rule gives the gradients of both
            tg.autograd.grad(out.square().sum(), weight)
        assert [len(event.contributions) for event in rec.events] == [0, 1, 1, 1, 0]

    def test_broadcast(self):
        x, y = tg.ones(2, 3, requires_grad=True), tg.ones(3, requires_grad=True)
        with record() as rec:
            (x * y).sum().backward()
        one, other = rec.events[2].contributions
        assert one.broadcast is None
        assert other.broadcast == (2, 3)
        np.testing.assert_array_equal(other.gradient.sample.ravel(), [2, 2, 2])

    def test_hooks_are_noticed(self):
        x = tg.tensor(3.0, requires_grad=True)
        y = x * 2
        y.register_hook(lambda g: g * 10)
        x.register_hook(lambda g: g + 1)
        with record() as rec:
            (y * 1).backward()
        assert [event.hooked for event in rec.events] == [False, False, True, True]
        assert number(rec.events[2].arrives[0]) == 10
        assert number(rec.events[3].contributions[0].after) == 21

    def test_several_outputs(self):
        x = tg.tensor([3.0, 1.0], requires_grad=True)
        values, _ = x.sort()
        low, high = values.split(1)
        with record() as rec:
            (low * 2 + high * 5).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [5, 2])
        np.testing.assert_array_equal(rec.events[-1].arrives[0].sample.ravel(), [5, 2])

    def test_one_output_of_two_without_gradient(self):
        matrix = tg.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
        values, _ = tg.linalg.eigh(matrix)
        with record() as rec:
            values.sum().backward()
        rule = next(e for e in rec.events if rec.snapshot.vertices[e.vertex].op == "eigh")
        assert [part is not None for part in rule.arrives] == [True, False]

    def test_a_function_of_the_user(self):
        class Cube(tg.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 3 * x**2 * g

        x = tg.tensor(2.0, requires_grad=True)
        with record() as rec:
            Cube.apply(x).backward()
        (rule,) = rec.events[1].rules
        assert "ctx.saved_tensors" in rule.code
        assert [number(part) for part in rule.kept.values()] == [2]
        assert number(rec.events[1].contributions[0].gradient) == 12

    def test_recorded_gradients(self):
        x = tg.tensor(2.0, requires_grad=True)
        with record() as rec:
            (first,) = tg.autograd.grad(x**3, x, create_graph=True)
            first.backward()
        assert len(rec.passes) == 2
        assert number(rec.passes[0].events[-1].arrives[0]) == 12
        assert number(rec.events[-1].arrives[0]) == 12 == x.grad.item()

    def test_backward_inside_a_rule_is_no_pass_of_its_own(self):
        x = tg.tensor(2.0, requires_grad=True)
        y = tg.utils.checkpoint.checkpoint(lambda v: v.sin() * v, x, use_reentrant=True)
        with record() as rec:
            (y * 2).backward()
        assert len(rec.passes) == 1
        assert rec.events[-1].kind == "leaf"

    def test_an_error_leaves_what_went_before(self):
        @tg.op(name="recording_test_fails")
        def fails(x):
            return x * 1

        @fails.gradient("x")
        def _(g):
            raise ZeroDivisionError

        x = tg.tensor(2.0, requires_grad=True)
        with pytest.raises(ZeroDivisionError), record() as rec:
            (fails(x) * 3).backward()
        assert titles(rec) == [("start", ""), ("rule", "mul")]
        with record() as again:  # nothing is left behind
            (x * 3).backward()
        assert len(again.passes) == 1
        assert len(rec.passes) == 1

    def test_no_backward(self):
        with record() as rec:
            pass
        with pytest.raises(RuntimeError, match="no backward ran inside the block"):
            rec.save("never.html")

    def test_the_loss_is_a_leaf(self):
        x = tg.tensor(2.0, requires_grad=True)
        with record() as rec:
            x.backward()
        assert [event.kind for event in rec.events] == ["start", "leaf"]


class TestSnapshot:
    def test_gradients_and_times(self):
        model, images, labels = lenet()
        loss = F.cross_entropy(model(images), labels)
        with record(model) as rec:
            loss.backward()
        operations = [v for v in rec.snapshot.vertices if v.kind == "operation"]
        assert all(v.time > 0 and v.grad is not None for v in operations)
        assert rec.view(color="time").boxes
        for name, parameter in model.named_parameters():
            (vertex,) = (v for v in rec.snapshot.vertices if v.title == name)
            assert vertex.grad.norm == pytest.approx(np.linalg.norm(parameter.grad.data), rel=1e-5)

    def test_values_are_those_of_the_forward_pass(self):
        model = small()
        seen: list[Any] = []
        for layer in model:
            layer.register_forward_hook(lambda m, args, out: seen.append(out.data.copy()))
        out = model(tg.rand(4, 1, 4, 4))
        with record(model) as rec:
            out.square().sum().backward()
        last = {}
        for i, vertex in enumerate(rec.snapshot.vertices):
            if vertex.kind == "operation" and vertex.frame:
                last[rec.snapshot.frames[vertex.frame].path] = rec.last.values[i][0]
        assert len(last) == len(seen) == 7
        for value, expected in zip(last.values(), seen, strict=True):
            shown = value.sample.ravel()
            np.testing.assert_allclose(shown, expected.ravel()[: shown.size], rtol=1e-5, atol=1e-7)


class TestNothingChanges:
    @given(recorded_graphs(), st.booleans())
    def test_values_gradients_and_order(self, graph: Any, retain: bool):
        roots, leaves = graph
        roots = [root for root in roots if root.requires_grad]
        nodes = reachable(roots)
        values = [root.data.copy() for root in roots]
        cotangents = [np.ones(root.shape, root.dtype) for root in roots]
        tg.autograd.backward(roots, cotangents, retain_graph=True)
        plain = {name: leaf.grad for name, leaf in leaves.items()}
        kept = [{name: array.copy() for name, array in node.saved.items()} for node in nodes]
        for leaf in leaves.values():
            leaf.grad = None
        with record(params=leaves) as rec:
            tg.autograd.backward(roots, cotangents, retain_graph=retain)
        for name, leaf in leaves.items():
            if plain[name] is None:
                assert leaf.grad is None
            else:
                np.testing.assert_array_equal(leaf.grad.data, plain[name].data, strict=True)
        for root, value in zip(roots, values, strict=True):
            np.testing.assert_array_equal(root.data, value)
        for node, before in zip(nodes, kept, strict=True):
            assert node.freed or {n: a.tolist() for n, a in node.saved.items()} == {
                n: a.tolist() for n, a in before.items()
            }
        names = [rec.snapshot.vertices[e.vertex].op for e in rec.events if e.kind == "rule"]
        assert names == [node.name() for node in reversed(nodes)]  # all of them get a gradient
        for part in parts(rec):
            if part.before is None:
                assert same(part.gradient, part.after)
            else:
                total = part.before.sample + part.gradient.sample
                np.testing.assert_array_equal(total, part.after.sample)
        arrived = {rec.snapshot.vertices[e.vertex].title for e in rec.events if e.kind == "leaf"}
        assert arrived == {name for name, gradient in plain.items() if gradient is not None}

    def test_later_steps(self):
        first = small()
        second = copy.deepcopy(first)
        images, labels = tg.rand(6, 1, 4, 4), tg.arange(6) % 3
        for model in (first, second):
            tg.manual_seed(5)
            optimizer = tg.optim.Adam(model.parameters())
            for _ in range(3):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images), labels)
                if model is first:
                    loss.backward()
                else:
                    with record(model) as rec:
                        loss.backward()
                    rec.last.snapshot.view()
                optimizer.step()
        for name, value in first.state_dict().items():
            np.testing.assert_array_equal(value.data, second.state_dict()[name].data, strict=True)

    def test_it_lets_go_of_the_graph(self):
        import gc
        import weakref

        model, images, labels = lenet()
        loss = F.cross_entropy(model(images), labels)
        watched = weakref.ref(loss.grad_fn)
        with record(model) as rec:
            loss.backward()
        del loss
        gc.collect()
        assert watched() is None
        assert rec.events


class TestPreview:
    def test_small_arrays_are_whole(self):
        array = np.arange(24.0).reshape(2, 3, 2, 2)
        made = preview(array, 100)
        np.testing.assert_array_equal(made.sample, array)
        assert (made.tiles, made.steps, sum(made.histogram)) == ((2, 3), (1, 1), 24)

    @given(
        st.lists(st.integers(0, 7), max_size=5).map(tuple), st.integers(1, 60), st.integers(0, 2**32)
    )
    def test_any_shape(self, shape: tuple[int, ...], limit: int, seed: int):
        array = np.random.default_rng(seed).normal(size=shape)
        made = preview(array, limit)
        assert made.shape == shape
        assert len(made.histogram) == BINS
        assert sum(made.histogram) == array.size
        if array.size:
            assert 0 < made.sample.size <= max(limit, 1)
            assert made.plain()["norm"] == pytest.approx(np.linalg.norm(array.ravel()), rel=1e-6)

    def test_the_largest_of_a_block_is_shown(self):
        array = np.zeros((10, 1000))
        array[3, 777] = -5
        array[4, 500] = 2
        made = preview(array, 200)
        assert made.sample.min() == -5
        assert made.sample.size <= 200

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite(self, bad: float):
        array = np.ones((4, 500))
        array[2, 3] = bad
        made = preview(array, 40)
        assert np.count_nonzero(~np.isfinite(made.sample)) == 1
        assert sum(made.histogram) == array.size - 1
        assert isinstance(made.plain()["norm"], str)

    @pytest.mark.parametrize("array", [np.array(3), np.array([True, False]), np.float16(2.5)])
    def test_other_dtypes(self, array: Any):
        made = preview(np.asarray(array), 10)
        np.testing.assert_array_equal(made.sample.ravel(), np.ravel(array))


class TestFormula:
    def test_a_lambda_has_none(self):
        assert rule_formula(lambda g: g, ["x"]) == ""

    def test_precedence_and_powers(self):
        def rule(g, x, y):
            return g * (x - (y - 1)) / (2 * x) - -x**2 * y ** (x + 1)

        assert rule_formula(rule, ["x"]) == (
            "∂L/∂x = g · (x − (y − 1)) / (2 · x) − −x² · y^(x + 1)"
        )

    def test_calls_and_comparisons(self):
        def rule(g, x, dim):
            return where(x >= 0, g.mT @ x.sum(dim), other=None)  # noqa: F821

        assert rule_formula(rule, ["x"]) == "∂L/∂x = where(x ≥ 0, gᵀ @ x.sum(dim))"

    def test_lines_and_several_inputs(self):
        def rule(g, x):
            """Say something."""
            half = g / 2
            return half, half * x

        assert rule_formula(rule, ["x", "y"]) == "half = g / 2\n∂L/∂x = half\n∂L/∂y = half · x"

    def test_branches_have_none(self):
        def rule(g, x):
            if x is None:
                return g
            return g * x

        assert rule_formula(rule, ["x"]) == ""


def reachable(roots: list[tg.Tensor]) -> list[Node]:
    """Return the nodes under `roots`, oldest first."""
    found: set[Node] = set()
    stack = [root.grad_fn for root in roots]
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node not in found:
            found.add(node)
            stack.extend(parent for parent, _ in node.next_functions)
    return sorted(found, key=lambda node: node.seq)


def parts(rec: Recording) -> list[Contribution]:
    return [part for event in rec.events if event.kind == "rule" for part in event.contributions]
