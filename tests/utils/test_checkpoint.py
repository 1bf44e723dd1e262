"""Checkpoints: gradients as without, less kept, and what goes wrong said."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.utils.checkpoint import checkpoint, checkpoint_sequential

DRAWN = np.random.default_rng(0)
IMAGES = DRAWN.standard_normal((4, 2, 6, 6))


class Cube(tg.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(None, x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        _, x = ctx.saved_tensors
        return 3 * x**2 * g


def network():
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, dtype=tg.float64),
        nn.BatchNorm2d(3, dtype=tg.float64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(48, 2, dtype=tg.float64),
        nn.Tanh(),
    )


def plainly(function, *args, **kwargs):
    return function(*args, **kwargs)


def gradients(run, order):
    """Return the derivative of this order of a network's output for its inputs and parameters."""
    net = network()
    x = tg.tensor(IMAGES, requires_grad=True)
    leaves = [x, *net.parameters()]
    tg.manual_seed(1)
    value = (run(net, x).sin() ** 2).sum()
    for _ in range(order - 1):
        parts = tg.autograd.grad(value, leaves, create_graph=True)
        value = sum((part**2).sum() for part in parts)
    value.backward()
    return [value.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]


def nested(net, x):
    inner = lambda x: checkpoint(lambda x: net[2:5](x), net[1](x), preserve_rng_state=True) * 1.0
    return checkpoint(lambda x: net[5:](checkpoint(inner, net[0](x))), x)


WAYS = {
    "whole": lambda net, x: checkpoint(net, x, use_reentrant=False),
    "two": lambda net, x: checkpoint(net[4:], checkpoint(net[:4], x)),
    "sequential": lambda net, x: checkpoint_sequential(net, 3, x, use_reentrant=False),
    "nested": nested,
    "the inputs closed over": lambda net, x: checkpoint(lambda: net(x)),
    "keywords and a tree": lambda net, x: checkpoint(lambda *, x: {"y": (net(x), 1)}, x=x)["y"][0],
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradients_are_those_without(way, order):
    expected = gradients(plainly, order)
    for got, wanted in zip(gradients(WAYS[way], order), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def test_nothing_is_kept():
    made = []

    def function(x):
        y = x.exp()
        made.append(weakref.ref(y.data))
        return y.sin() * y

    x = tg.tensor(IMAGES, requires_grad=True)
    out = checkpoint(function, x)
    assert made[0]() is None
    assert out.grad_fn.saved == {}
    assert not out.grad_fn.freed
    assert [parent.name() for parent, _ in out.grad_fn.next_functions] == ["sin", "exp"]
    out.sum().backward(retain_graph=True)
    assert len(made) == 2
    assert made[1]() is not None
    y = np.exp(IMAGES)
    np.testing.assert_allclose(x.grad.numpy(), (np.cos(y) * y + np.sin(y)) * y)
    out.sum().backward()  # once more from what was kept then
    assert len(made) == 2
    assert made[1]() is None
    with pytest.raises(RuntimeError, match="a second time"):
        out.sum().backward()


def test_a_dropped_graph_is_freed_at_once():
    gc.collect()
    gc.disable()
    try:
        x = tg.tensor(2.0, requires_grad=True)
        out = checkpoint(lambda x: checkpoint(tg.exp, x).sin(), x)
        node = weakref.ref(out.grad_fn)
        del out
        assert node() is None
    finally:
        gc.enable()


def test_a_function_with_its_own_gradient():
    x = tg.tensor(2.0, requires_grad=True)
    out = checkpoint(lambda x: Cube.apply(x * 1), x)
    assert out.grad_fn.saved == {}
    (first,) = tg.autograd.grad(out, x, create_graph=True)
    (second,) = tg.autograd.grad(first, x)
    assert (first.item(), second.item()) == (12, 12)


def test_changes_in_place_of_what_the_function_made():
    def function(x):
        y = x * 3
        y += 1
        z = y * 2
        z *= y
        return z

    a, b = (tg.tensor([0.1, 0.2], requires_grad=True) for _ in range(2))
    checkpoint(function, a).sum().backward()
    function(b).sum().backward()
    np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy())


def test_random_numbers_go_on_as_without():
    x = tg.ones(100)
    x.requires_grad_()
    tg.manual_seed(0)
    out = checkpoint(nn.functional.dropout, x, 0.5)
    after = tg.rand(3)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.detach().numpy())
    later = tg.rand(3)
    tg.manual_seed(0)
    nn.functional.dropout(x, 0.5)
    assert tg.rand(3).tolist() == after.tolist()
    assert tg.rand(3).tolist() == later.tolist()

    x.grad = None
    out = checkpoint(nn.functional.dropout, x, 0.5, preserve_rng_state=False)
    out.sum().backward()
    assert (x.grad.numpy() != out.detach().numpy()).any()


def test_without_gradients_it_is_a_call():
    calls = []

    def function(x):
        calls.append(1)
        return x * 2, "more"

    x = tg.tensor(1.0, requires_grad=True)
    with tg.no_grad():
        out, more = checkpoint(function, x)
    assert not out.requires_grad
    assert more == "more"
    assert not checkpoint(function, tg.tensor(1.0))[0].requires_grad
    assert checkpoint(lambda x: x, x) is x
    assert len(calls) == 2


def test_in_a_transform_and_a_drawing():
    x = tg.tensor([0.1, 0.2])
    f = lambda x: (x.exp() * x).sum()
    second = tg.func.hessian(lambda x: checkpoint(f, x))(x)
    np.testing.assert_allclose(second.numpy(), tg.func.hessian(f)(x).numpy(), rtol=1e-6)
    jacobian = tg.func.jacrev(lambda x: checkpoint(tg.func.grad(f), x))(x)
    np.testing.assert_allclose(jacobian.numpy(), second.numpy(), rtol=1e-6)
    x.requires_grad_()
    assert "exp" in tg.viz.draw(checkpoint(f, x)).source
    with tg.autograd.detect_anomaly():
        checkpoint(f, x).backward()
    assert x.grad is not None


def test_other_tensors_in_the_second_run():
    linear = nn.Linear(2, 2)
    params = {"weight": tg.ones(2, 2, requires_grad=True), "bias": tg.ones(2, requires_grad=True)}
    apply = lambda x: checkpoint(linear.forward, x)
    block = nn.Sequential(linear)
    block.forward = apply
    out = tg.func.functional_call(
        block, {f"0.{name}": p for name, p in params.items()}, tg.ones(1, 2)
    )
    with pytest.raises(RuntimeError, match="used other tensors that require grad"):
        out.sum().backward()


def test_errors():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    calls = []

    def changing(x):
        calls.append(1)
        return x.sin() if len(calls) == 1 else x.exp()

    with pytest.raises(RuntimeError, match="checkpoint: the function did other things"):
        checkpoint(changing, x).sum().backward()
    w = tg.tensor([1.0, 2.0], requires_grad=True)
    out = checkpoint(lambda x: x * w, x)
    with tg.no_grad():
        w += 1
    with pytest.raises(RuntimeError, match="mul: an array kept for backward was changed in place"):
        out.sum().backward()
    for segments in (0, 3):
        with pytest.raises(ValueError, match="segments must be 1 to 2"):
            checkpoint_sequential([tg.sin, tg.exp], segments, x)
