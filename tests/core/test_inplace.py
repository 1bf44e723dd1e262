"""In-place changes: what is kept for backward is either unchanged or an error."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tinygrad_cnn import autograd
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.op import Arrays, op, registry
from tinygrad_cnn.core.tensor import Tensor

exp = registry["exp"]
CHANGED = r"changed in place since"


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def gradient(y: Tensor, x: Tensor) -> np.ndarray:
    (g,) = autograd.grad(y.sum(), x)
    return g.data


# -- what is right -----------------------------------------------------------------------------


def test_in_place_is_recorded():
    x = leaf(1.0, 2.0)
    y = x * 2
    before = y
    y += 1
    y *= 3
    assert y is before
    np.testing.assert_array_equal(y.data, [9, 15])
    np.testing.assert_array_equal(gradient(y, x), [6, 6])


def test_in_place_operation_that_keeps_the_old_value():
    x, w = leaf(1.0, 2.0), leaf(3.0, 5.0)
    y = x * 2
    y *= w  # the gradient of w is y's old value
    np.testing.assert_array_equal(gradient(y, w), [2, 4])
    y = x * 2
    y *= y  # and by itself
    np.testing.assert_array_equal(gradient(y, x), [8, 16])
    y = x * 2
    y /= w
    np.testing.assert_allclose(gradient(y, w), [-2 / 9, -4 / 25])
    y = x * 1
    y.pow_(3)
    np.testing.assert_allclose(gradient(y, x), [3, 12])


def test_in_place_on_what_its_rule_keeps_as_output():
    x = leaf(1.0, 2.0)
    y = x * 1
    y.exp_()
    np.testing.assert_allclose(gradient(y, x), np.exp([1, 2]))


def test_in_place_before_it_is_kept():
    x = leaf(1.0, 2.0)
    y = x * 2
    y += 1
    np.testing.assert_array_equal(gradient(y * y, x), [12, 20])


def test_in_place_after_a_use_that_keeps_nothing():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y + 1
    y *= 5
    np.testing.assert_array_equal(gradient(z, x), [2, 2])


def test_a_tensor_without_history_takes_one():
    x = leaf(1.0, 2.0)
    total = Tensor(np.zeros(2))
    total += x
    total += x * 2
    assert total.requires_grad
    np.testing.assert_array_equal(gradient(total, x), [3, 3])


def test_copy_():
    x = leaf(1.0, 2.0)
    y = Tensor(np.zeros((2, 2), np.float32))
    y.copy_(x)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.data, [[1, 2], [1, 2]])
    np.testing.assert_array_equal(gradient(y, x), [2, 2])


def test_leaf_in_place_under_no_grad():
    x = leaf(1.0, 2.0)
    with no_grad():
        x -= 0.5
        x.mul_(2)
        x.zero_()
        x.fill_(7)
        x.copy_(np.array([1.0, 5.0]))
    assert x.is_leaf
    assert x.requires_grad
    np.testing.assert_array_equal(x.data, [1, 5])
    np.testing.assert_array_equal(gradient(x * x, x), [2, 10])


def test_narrower_result_is_cast():
    x = Tensor(np.ones(2, np.float32))
    x += Tensor(np.ones(2))
    assert x.dtype == np.float32


# -- what is an error --------------------------------------------------------------------------


def test_leaf_that_requires_grad():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        x += 1
    with pytest.raises(RuntimeError, match="leaf that requires grad"):
        x.zero_()
    np.testing.assert_array_equal(x.data, [1, 2])


@pytest.mark.parametrize("change", ["+=", "zero_", "leaf", "detached", "view"])
def test_a_kept_array_changed_since(change):
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y if change != "leaf" else x * x
    match change:
        case "+=":
            y += 1
        case "zero_":
            with no_grad():
                y.zero_()
        case "leaf":
            with no_grad():
                x += 1
        case "detached":
            y.detach().mul_(2)
        case "view":
            with no_grad():
                y.reshape(2, 1)[0] += 1
    with pytest.raises(RuntimeError, match=rf"mul: .*{CHANGED}"):
        z.sum().backward()


def test_a_kept_output_changed_since():
    x = leaf(1.0, 2.0)
    y = exp(x)
    y += 1
    with pytest.raises(RuntimeError, match=CHANGED):
        y.sum().backward()


@op(outputs=("double", "square"), auxiliary=("index",), name="test_inplace.many")
def many(x):
    return x * 2, x * x, np.argsort(x)


@many.gradient("x")
def _(g, square, index):
    return (g[0] + g[1] * square)[index]


def test_only_the_outputs_that_are_kept_count():
    x = leaf(1.0, 2.0)
    double, square, index = many(x)
    double += 1  # kept by no rule
    (double + square).sum().backward()
    for changed in (1, 2):
        outs = many(x)
        with no_grad():
            outs[changed].zero_()
        with pytest.raises(RuntimeError, match=CHANGED):
            (outs[0] + outs[1]).sum().backward()
    assert index.dtype == np.int64


def test_auxiliary_indices_changed_since():
    x = leaf(1.0, 3.0, 2.0)
    values, indices = registry["max"](x, 0, False)
    indices.zero_()
    with pytest.raises(RuntimeError, match=CHANGED):
        values.backward()


@pytest.mark.parametrize("keep", ["leaf", "interior", "out", "sequence"])
def test_a_kept_array_changed_between_first_and_second_backward(keep):
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    changed = x if keep == "leaf" else x * 1
    if keep == "out":
        changed = y = exp(x)
    elif keep == "sequence":
        y = product_of([changed, x])
    else:
        y = changed * changed
    (g,) = autograd.grad(y, x, v, create_graph=True)
    with no_grad():
        changed.mul_(10)
    with pytest.raises(RuntimeError, match=CHANGED):
        autograd.grad(g.sum(), v)


@op(name="test_inplace.product_of")
def product_of(tensors: Arrays):
    return tensors[0] * tensors[1]


@product_of.gradient("tensors")
def _(g, tensors):
    return [g * tensors[1], g * tensors[0]]


def test_what_cannot_be_stored():
    x = leaf(1.0, 2.0) * 1
    with pytest.raises(RuntimeError, match=r"add_: the result has shape \(3, 2\), the tensor \(2,\)"):
        x.add_(np.ones((3, 2)))
    whole = Tensor(np.arange(3))
    with pytest.raises(RuntimeError, match="cannot be stored in int64"):
        whole += 0.5
    np.testing.assert_array_equal(whole.data, [0, 1, 2])


@pytest.mark.parametrize("tracked", [False, True])
def test_memory_that_cannot_be_written(tracked):
    x = leaf(1.0, 2.0) * 1 if tracked else Tensor(np.ones(2))
    expanded = registry["broadcast_to"](x, (3, 2)).detach()
    with pytest.raises(RuntimeError, match="read-only"):
        expanded += 1
    array = np.ones(2)
    array.flags.writeable = False
    with pytest.raises(RuntimeError, match="read-only"):
        Tensor(array).zero_()


def test_an_error_leaves_the_history_as_it_was():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.data.flags.writeable = False
    node = y.grad_fn
    with pytest.raises(RuntimeError, match="read-only"):
        y *= 3
    assert y.grad_fn is node


def test_a_view_and_its_base():
    x = leaf(1.0, 2.0)
    y = x * 2
    view = y.reshape(2, 1)
    with pytest.raises(RuntimeError, match=r"shares its memory.*clone"):
        view += 1
    with pytest.raises(RuntimeError, match=r"shares its memory.*clone"):
        y += 1
    y.clone().add_(1)


@pytest.mark.parametrize("kind", ["owner", "buffer", "slice", "subclass"])
def test_views_share_a_version_whoever_owns_the_memory(kind):
    array = np.arange(4.0)
    if kind == "buffer":
        array = np.frombuffer(bytearray(array.tobytes()))
    elif kind == "slice":
        array = np.arange(8.0)[2:6]
    elif kind == "subclass":
        array = np.asarray(np.arange(4.0).view(np.recarray), np.float64).view(np.ndarray)
    base = Tensor(array)
    view = base.reshape(2, 2)
    w = leaf(1.0, 1.0)
    y = (view * w).sum()
    base.zero_()
    with pytest.raises(RuntimeError, match=CHANGED):
        y.backward()


def test_copies_share_no_version():
    base = Tensor(np.arange(4.0))
    copied = base.reshape(2, 2).clone()
    w = leaf(1.0, 1.0)
    y = (copied * w).sum()
    base.zero_()
    y.backward()
    np.testing.assert_array_equal(w.grad.data, [2, 4])


# -- hooks and grad of what is changed ---------------------------------------------------------


def test_retain_grad_follows_the_tensor():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    y *= 3
    (y * 5).sum().backward()
    np.testing.assert_array_equal(y.grad.data, [5, 5])


def test_many_in_place_steps_do_not_pile_up():
    x = leaf(1.0)
    y = x * 1
    for _ in range(1000):
        y *= 1.001
    gc.collect()
    np.testing.assert_allclose(gradient(y, x), [1.001**1000])
