"""`Function`: operations of one's own, as in PyTorch."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from tinygrad_cnn import autograd
from tinygrad_cnn.autograd import Function
from tinygrad_cnn.autograd.function import once_differentiable
from tinygrad_cnn.core.modes import is_grad_enabled, no_grad
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.testing import gradcheck, gradgradcheck


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Exp(Function):
    """Keeps its output."""

    @staticmethod
    def forward(ctx, x):
        out = registry["exp"](x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, g):
        (out,) = ctx.saved_tensors
        return g * out


class Product(Function):
    """With setup_context, an option, and a gradient only where it is wanted."""

    wanted: ClassVar[list] = []

    @staticmethod
    def forward(x, y, scale):
        return x * y * scale

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, y, ctx.scale = inputs
        ctx.save_for_backward(x, y)

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        Product.wanted.append(ctx.needs_input_grad)
        gx = g * y * ctx.scale if ctx.needs_input_grad[0] else None
        gy = g * x * ctx.scale if ctx.needs_input_grad[1] else None
        return gx, gy, None


class Many(Function):
    """Two outputs with gradient, one without, one that is no tensor."""

    @staticmethod
    def forward(ctx, x):
        sign = Tensor(np.sign(x.data))
        ctx.mark_non_differentiable(sign)
        ctx.save_for_backward(x)
        return x * 2, sign, x * x, "words"

    @staticmethod
    def backward(ctx, double, sign, square, words):
        (x,) = ctx.saved_tensors
        assert words is None
        assert sign.shape == x.shape
        assert not sign.data.any()
        return double * 2 + square * 2 * x


def test_right_to_second_order():
    x, y = leaf(1.0, 2.0), leaf(0.5, -1.0)
    assert gradcheck(Cube.apply, x)
    assert gradgradcheck(Cube.apply, x)
    assert gradcheck(Exp.apply, x)
    assert gradgradcheck(Exp.apply, x)
    assert gradcheck(lambda x, y: Product.apply(x, y, 3), (x, y))
    assert gradgradcheck(lambda x, y: Product.apply(x, y, 3), (x, y))
    assert gradcheck(lambda x: Many.apply(x)[::2], x)
    assert gradgradcheck(lambda x: Many.apply(x)[::2], x)


def test_third_order():
    x = leaf(2.0)
    y = Cube.apply(x)
    for expected in (12, 12, 6):
        (y,) = autograd.grad(y.sum(), x, create_graph=True)
        assert y.item() == expected


def test_the_node():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x)
    node = y.grad_fn
    assert node.name() == "Cube"
    assert repr(node).startswith("<Cube #")
    assert (node.shape, node.dtype) == ((2,), np.float64)
    assert node.next_functions == ((x, 0),)
    assert "ctx.saved_tensors" in node.rule
    np.testing.assert_array_equal(node.saved["saved_tensors[0]"], x.data)
    y.sum().backward()
    assert node.freed
    assert node.saved == {}


def test_needs_input_grad_and_none():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    Product.wanted.clear()
    Product.apply(x, y.detach(), 2).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [6, 8])
    Product.apply(x.detach(), y, 2).sum().backward()
    np.testing.assert_array_equal(y.grad.data, [2, 4])
    assert Product.wanted == [(True, False, False), (False, True, False)]


def test_forward_records_nothing_of_its_own():
    recording = []

    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            recording.append(is_grad_enabled())
            return x * 1

        @staticmethod
        def backward(ctx, g):
            recording.append(is_grad_enabled())
            return g

    x = leaf(1.0)
    Same.apply(x).sum().backward()
    autograd.grad(Same.apply(x).sum(), x, create_graph=True)
    assert recording == [False, False, False, True]


def test_without_grad_nothing_is_recorded():
    x = leaf(1.0)
    with no_grad():
        assert Cube.apply(x).grad_fn is None
    assert Cube.apply(x.detach()).grad_fn is None
    assert not Many.apply(x.detach())[0].requires_grad


def test_several_outputs():
    x = leaf(1.0, -2.0)
    double, sign, square, words = Many.apply(x)
    assert words == "words"
    assert (double.output_nr, square.output_nr) == (0, 2)
    assert double.grad_fn is square.grad_fn
    assert sign.grad_fn is None
    assert not sign.requires_grad
    square.sum().backward()  # double's gradient arrives as zeros
    np.testing.assert_array_equal(x.grad.data, [2, -4])


def test_missing_gradients_may_arrive_as_none():
    class Pair(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert b is None
            return a * 2

    x = leaf(1.0)
    Pair.apply(x)[0].sum().backward()
    assert x.grad.item() == 2


def test_integer_outputs_have_no_gradient():
    class Order(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1, Tensor(np.argsort(x.data))

        @staticmethod
        def backward(ctx, g, order):
            assert not order.data.any()
            return g

    x = leaf(2.0, 1.0)
    values, order = Order.apply(x)
    assert not order.requires_grad
    values.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [1, 1])


def test_a_gradient_that_broadcasts_is_summed_as_in_pytorch():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x * w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * w, g * x

    x, w = Tensor(np.ones((2, 3)), requires_grad=True), leaf(1.0, 2.0, 3.0)
    Scale.apply(x, w).sum().backward()
    np.testing.assert_array_equal(w.grad.data, [2, 2, 2])


def test_an_input_returned_as_it_is():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(1.0, 2.0)
    y = Same.apply(x)
    assert y is not x
    assert x.is_leaf
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5, 5])
    z = (y * y).sum()
    with no_grad():
        x.zero_()  # y's memory too
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_saved_tensors_changed_since():
    x = leaf(1.0, 2.0)
    h = x * 1
    y = Cube.apply(h)
    h += 1
    with pytest.raises(RuntimeError, match=r"Cube: .*changed in place since"):
        y.sum().backward()
    y = Exp.apply(x)
    y += 1
    with pytest.raises(RuntimeError, match=r"Exp: .*changed in place since"):
        y.sum().backward()


def test_saved_tensors_changed_between_first_and_second_backward():
    x, v = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (g,) = autograd.grad(Cube.apply(x), x, v, create_graph=True)
    with no_grad():
        x *= 2
    with pytest.raises(RuntimeError, match="changed in place since"):
        autograd.grad(g.sum(), v)


def test_once_differentiable():
    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            assert not is_grad_enabled()
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    x, v = leaf(1.0, 2.0), leaf(1.0, 1.0)
    assert gradcheck(Once.apply, x)
    (g,) = autograd.grad(Once.apply(x), x, v, create_graph=True)
    np.testing.assert_array_equal(g.data, [3, 12])
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


def test_a_function_inside_a_functions_backward():
    class Checkpoint(Function):
        """Computes again in backward, with a graph of its own."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return Cube.apply(x) * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            inner = x.detach().requires_grad_()
            with autograd.enable_grad():
                out = Cube.apply(inner) * inner
            out.backward(g)
            return inner.grad

    x = leaf(1.0, 2.0)
    Checkpoint.apply(x).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [4, 32])


# -- errors ------------------------------------------------------------------------------------


def returning(*gradients):
    class Returning(Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return gradients if len(gradients) != 1 else gradients[0]

    return Returning.apply(leaf(1.0, 2.0), 3).sum()


def test_wrong_returns():
    with pytest.raises(RuntimeError, match=r"Returning: backward returned 1 gradients for 2 inputs"):
        returning(Tensor(np.ones(2))).backward()
    with pytest.raises(RuntimeError, match="3 gradients for 2 inputs"):
        returning(Tensor(np.ones(2)), None, Tensor(np.ones(2))).backward()
    returning(Tensor(np.ones(2)), None, None).backward()  # one None too many is forgiven
    with pytest.raises(TypeError, match="must return Tensors or None, got ndarray for input 0"):
        returning(np.ones(2), None).backward()
    with pytest.raises(RuntimeError, match=r"Returning: .*shape \(3,\) .*shape \(2,\)"):
        returning(Tensor(np.ones(3)), None).backward()


def test_backward_twice():
    y = Cube.apply(leaf(1.0)).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match=r"second time .*retain_graph=True"):
        y.backward()


def test_save_for_backward_takes_tensors():
    class Saves(Cube):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, 3)
            return x

    with pytest.raises(TypeError, match="save_for_backward: expected Tensors, got int"):
        Saves.apply(leaf(1.0))


def test_a_gradient_is_cast_to_its_inputs_dtype():
    class Wide(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return Tensor(g.data.astype(np.float64))

    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    Wide.apply(x).sum().backward()
    assert x.grad.dtype == np.float32


def test_agrees_with_pytorch():
    torch = pytest.importorskip("torch")

    def build(Function, exp):
        class Gated(Function):
            @staticmethod
            def forward(ctx, x, y, power):
                out = x * y
                extra = exp(out)
                ctx.power = power
                ctx.save_for_backward(x, y, extra)
                return out**power, extra

            @staticmethod
            def backward(ctx, g, h):
                x, y, extra = ctx.saved_tensors
                inner = g * ctx.power * (x * y) ** (ctx.power - 1) + h * extra
                return inner * y, inner * x, None

        def f(x, y):
            a, b = Gated.apply(x, y, 3)
            return (a * b).sum()

        return f

    arrays = [np.array([0.5, 1.0]), np.array([1.5, 0.3])]
    results = []
    for lib, f, make in (
        (autograd, build(Function, registry["exp"]), lambda a: Tensor(a, requires_grad=True)),
        (
            torch.autograd,
            build(torch.autograd.Function, torch.exp),
            lambda a: torch.tensor(a, requires_grad=True),
        ),
    ):
        x, y = (make(a) for a in arrays)
        first = lib.grad(f(x, y), [x, y], create_graph=True)
        second = lib.grad(first[0].sum() + (first[1] * first[1]).sum(), [x, y])
        results.append([np.asarray(g.detach()) for g in (*first, *second)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
