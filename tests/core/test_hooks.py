"""Hooks and `retain_grad`."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn import autograd
from tinygrad_cnn.core.op import op
from tinygrad_cnn.core.tensor import Tensor


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


@op(outputs=("double", "square"), name="test_hooks.many")
def many(x):
    return x * 2, x * x


@many.gradient("x")
def _(g, x):
    parts = [part * d for part, d in zip(g, (2, 2 * x), strict=True) if part is not None]
    return sum(parts[1:], parts[0])


def test_hook_on_a_leaf_sees_the_sum_once():
    seen = []
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: seen.append(g.data.copy()))
    (x * 2 + x * 3).sum().backward()
    np.testing.assert_array_equal(seen, [[5, 5]])
    np.testing.assert_array_equal(x.grad.data, [5, 5])


def test_what_a_hook_returns_takes_the_gradients_place():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: -g)
    y.retain_grad()
    y.sum().backward()
    np.testing.assert_array_equal(y.grad.data, [10, 10])
    np.testing.assert_array_equal(x.grad.data, [-30, -30])


def test_hooks_run_in_order_and_can_be_removed():
    calls = []

    def hook(name):
        return lambda g: calls.append(name)

    y = leaf(1.0) * 2
    handles = [y.register_hook(hook(i)) for i in range(3)]
    z = y.sum()
    z.backward(retain_graph=True)
    assert calls == [0, 1, 2]
    handles[1].remove()
    handles[1].remove()
    calls.clear()
    z.backward(retain_graph=True)
    assert calls == [0, 2]
    with handles[0]:
        pass
    calls.clear()
    z.backward()
    assert calls == [2]


@pytest.mark.parametrize("kind", ["leaf", "interior"])
def test_the_same_hook_twice_is_two_hooks(kind):
    calls = []

    def hook(g):
        calls.append(1)

    x = leaf(1.0)
    y = x if kind == "leaf" else x * 2
    first, second = y.register_hook(hook), y.register_hook(hook)
    first.remove()
    first.remove()
    (y + 0).sum().backward(retain_graph=True)
    assert calls == [1]
    second.remove()
    (y + 0).sum().backward()
    assert calls == [1]


def test_a_hook_that_removes_itself():
    calls = []
    x = leaf(1.0)

    def once(g):
        calls.append("once")
        handle.remove()

    handle = x.register_hook(once)
    x.register_hook(lambda g: calls.append("always"))
    for _ in range(2):
        (x * 2).sum().backward()
    assert calls == ["once", "always", "always"]


def test_hooks_on_each_of_several_outputs():
    x = leaf(3.0)
    double, square = many(x)
    seen = {}
    double.register_hook(lambda g: seen.update(double=g.item()))
    square.register_hook(lambda g: g * 2)
    (double + square * 3).sum().backward(retain_graph=True)
    assert seen == {"double": 1.0}
    assert x.grad.item() == 2 + 2 * 3 * 6
    seen.clear()
    square.sum().backward()
    assert seen == {}, "nothing arrived at double"


def test_retain_grad():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad.data, [4, 8])
    (y + 0).sum().backward()
    np.testing.assert_array_equal(y.grad.data, [5, 9])
    x.retain_grad()  # a leaf has its gradient anyway
    z = x * 3
    z.sum().backward()
    assert z.grad is None


def test_retain_grad_comes_after_hooks_registered_later():
    y = leaf(1.0) * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 7)
    y.sum().backward()
    assert y.grad.item() == 7


def test_retain_grad_on_one_of_several_outputs():
    x = leaf(3.0)
    double, square = many(x)
    square.retain_grad()
    (double * square).sum().backward()
    assert square.grad.item() == 6
    assert double.grad is None


def test_retained_grad_is_recorded_with_create_graph():
    x = leaf(2.0)
    y = x * x
    y.retain_grad()
    (y * y).sum().backward(create_graph=True)  # y.grad = 2 y = 2 x^2
    (g,) = autograd.grad(y.grad.sum(), x)
    assert g.item() == 8


def test_a_hook_is_recorded_with_create_graph():
    x = leaf(2.0)
    y = x * x
    handle = y.register_hook(lambda g: g * g)
    (g,) = autograd.grad(y * y, x, create_graph=True)  # (2 y)^2 2 x = 8 x^5
    handle.remove()
    (h,) = autograd.grad(g, x)
    assert (g.item(), h.item()) == (256, 640)


def test_a_hook_records_nothing_otherwise():
    x, w = leaf(2.0), leaf(3.0)
    seen = []
    x.register_hook(lambda g: seen.append(g * w))
    (x * x).sum().backward()
    assert not seen[0].requires_grad


def test_grad_and_inputs_see_the_hooked_gradient():
    x = leaf(2.0)
    y = x * 3
    x.register_hook(lambda g: g * 5)
    y.register_hook(lambda g: g * 7)
    gx, gy = autograd.grad(y * 1, [x, y])
    assert (gx.item(), gy.item()) == (105, 7)


def test_hooks_on_leaves_that_are_not_asked_for_do_not_run():
    calls = []

    @op(name="test_hooks.both")
    def product(x, y):
        return x * y

    product.gradient("x", "y")(lambda g, x, y: (g * y, g * x))
    x, y = leaf(2.0), leaf(3.0)
    y.register_hook(lambda g: calls.append(g))
    autograd.grad(product(x, y), x)
    assert calls == []


def test_errors():
    with pytest.raises(RuntimeError, match="register_hook: the tensor does not require grad"):
        Tensor(np.ones(2)).register_hook(lambda g: g)
    with pytest.raises(RuntimeError, match="retain_grad: the tensor does not require grad"):
        Tensor(np.ones(2)).retain_grad()
    x = leaf(1.0, 2.0)
    handle = x.register_hook(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"hook: expected a Tensor of shape \(2,\), got \(\)"):
        (x * 2).sum().backward()
    handle.remove()
    x.register_hook(lambda g: 3)
    with pytest.raises(RuntimeError, match=r"hook: expected a Tensor .* got int"):
        (x * 2).sum().backward()


def test_a_hook_after_accumulating_sees_the_whole_gradient():
    seen = []
    x = leaf(1.0)
    x.register_hook(lambda g: g * 10)
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.item())))
    (x * 2 + x).sum().backward()
    (x * 2).sum().backward(inputs=[x])
    assert seen == [(True, 30), (True, 50)]
    autograd.grad((x * 2).sum(), x)
    handle.remove()
    (x * 2).sum().backward()
    assert len(seen) == 2


def test_a_hook_after_accumulating_may_take_the_gradient_away():
    x = leaf(1.0)
    x.register_post_accumulate_grad_hook(lambda t: setattr(t, "grad", None))
    (x * 2).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("tensor", [Tensor(1.0), leaf(1.0) * 2])
def test_a_hook_after_accumulating_needs_a_leaf(tensor):
    with pytest.raises(RuntimeError, match="no leaf that requires grad"):
        tensor.register_post_accumulate_grad_hook(print)
