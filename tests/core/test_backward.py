"""`backward` and `grad`: what arrives where, how often, and in whose memory."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

from tinygrad_cnn import autograd
from tinygrad_cnn.core.op import op, registry
from tinygrad_cnn.core.tensor import Tensor

exp, log, where = registry["exp"], registry["log"], registry["where"]


def leaf(*values, dtype=np.float64) -> Tensor:
    return Tensor(np.array(values[0] if len(values) == 1 else values, dtype), requires_grad=True)


@op(outputs=("double", "square"), auxiliary=("sign",), name="test_backward.many")
def many(x):
    return x * 2, x * x, x > 0


@many.gradient("x")
def _(g, x):
    double, square = g
    total = None if double is None else double * 2
    if square is not None:
        part = square * 2 * x
        total = part if total is None else total + part
    return total


# -- accumulating ------------------------------------------------------------------------------


def test_gradients_add_up_over_backwards():
    x = leaf(3.0)
    (x * x).backward()
    first = x.grad
    (x * x).backward()
    assert x.grad.item() == 12
    assert first.item() == 6, "the earlier gradient was written to"
    x.grad = None
    (x * x).backward()
    assert x.grad.item() == 6


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0,)])
def test_an_accumulated_gradient_is_an_array_that_can_be_written(shape):
    x = Tensor(np.ones(shape), requires_grad=True)
    for _ in range(3):
        (x * 2).backward(np.ones(shape))
        assert isinstance(x.grad.data, np.ndarray)
        assert x.grad.shape == shape
    np.testing.assert_array_equal(x.grad.data, np.full(shape, 6.0))
    x.grad.zero_()
    np.testing.assert_array_equal(x.grad.data, np.zeros(shape))


def test_fan_out_adds():
    x = leaf(2.0)
    y = x * x
    (y * y + y * 3 + x).backward()  # x^4 + 3 x^2 + x
    assert x.grad.item() == 4 * 8 + 6 * 2 + 1


def test_diamond_visits_each_node_once():
    visits = []
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: visits.append(g.item()))
    (y * 3 + y * 4 + y).backward()
    assert visits == [8.0]
    assert x.grad.item() == 16


def test_a_wide_diamond_takes_linear_time():
    x = leaf(1.0)
    y = x
    for _ in range(200):  # 2^200 paths
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.item() == 1


def test_a_tensor_used_twice_by_one_operation():
    x = leaf(3.0)
    (x * x).backward()
    assert x.grad.item() == 6
    a = leaf([1.0, 2.0])
    registry["cat"]([a, a, a * 2]).backward(np.arange(6.0))
    np.testing.assert_array_equal(a.grad.data, [0 + 2 + 8, 1 + 3 + 10])


def test_gradient_has_the_leafs_shape_and_dtype():
    x = leaf([[1.0], [2.0]], dtype=np.float32)
    y = leaf([1.0, 2.0, 3.0])
    z = x * y
    assert z.dtype == np.float64
    z.backward(np.ones((2, 3)))
    assert (x.grad.shape, x.grad.dtype) == ((2, 1), np.float32)
    assert (y.grad.shape, y.grad.dtype) == ((3,), np.float64)
    np.testing.assert_array_equal(x.grad.data, [[6], [6]])
    np.testing.assert_array_equal(y.grad.data, [3, 3, 3])


def test_a_leaf_is_its_own_root():
    x = leaf(2.0)
    x.backward()
    x.backward(np.array(3.0))
    assert x.grad.item() == 4


def test_several_roots():
    x = leaf([1.0, 2.0])
    y = x * 2
    autograd.backward([y, y * x, x.sum()], [np.ones(2), np.ones(2), None], True)
    np.testing.assert_array_equal(x.grad.data, [2 + 4 + 1, 2 + 8 + 1])
    autograd.backward([y.sum(), y.sum()])
    np.testing.assert_array_equal(x.grad.data, [11.0, 15.0])


def test_backward_into_some_inputs_only():
    x, w = leaf(2.0), leaf(3.0)
    h = x * w
    y = h * w
    y.backward(inputs=[w], retain_graph=True)
    assert w.grad.item() == 12
    assert x.grad is None
    y.backward(inputs=h, retain_graph=True)
    assert h.grad.item() == 3
    w.grad = None
    y.backward(inputs=[w, w, x])  # named twice, added once
    assert w.grad.item() == 12
    assert x.grad.item() == 9
    with pytest.raises(RuntimeError, match="inputs is empty"):
        (x * w).backward(inputs=[])


def test_rules_for_inputs_that_want_none_are_not_run():
    ran = []

    @op(name="test_backward.counted")
    def product(x, y):
        return x * y

    @product.gradient("x")
    def _(g, y):
        ran.append("x")
        return g * y

    @product.gradient("y")
    def _(g, x):
        ran.append("y")
        return g * x

    x, y = leaf(1.0), leaf(2.0)
    product(x, y).backward(inputs=[x])
    product(x, y.detach()).backward()
    assert ran == ["x", "x"]


# -- several outputs ---------------------------------------------------------------------------


def test_several_outputs_with_gradients_for_some():
    x = leaf([1.0, -2.0])
    double, square, sign = many(x)
    assert (double.requires_grad, square.requires_grad, sign.requires_grad) == (True, True, False)
    assert (double.output_nr, square.output_nr) == (0, 1)
    assert double.grad_fn is square.grad_fn
    double.sum().backward(retain_graph=True)
    np.testing.assert_array_equal(x.grad.data, [2, 2])
    x.grad = None
    (double * square).sum().backward()  # 2 x^3
    np.testing.assert_array_equal(x.grad.data, [6, 24])


def test_grad_by_one_of_several_outputs():
    x = leaf([1.0, -2.0])
    double, square, _ = many(x)
    y = (double * square).sum()
    by_double, by_square, by_x = autograd.grad(y, [double, square, x])
    np.testing.assert_array_equal(by_double.data, square.data)
    np.testing.assert_array_equal(by_square.data, double.data)
    np.testing.assert_array_equal(by_x.data, [6, 24])


# -- grad --------------------------------------------------------------------------------------


def test_grad_touches_no_grad():
    x, y = leaf(2.0), leaf(3.0)
    h = x * y
    gx, gh = autograd.grad(h * h, [x, h])
    assert (gx.item(), gh.item()) == (36, 12)
    assert x.grad is None
    assert y.grad is None
    assert h.grad is None
    assert not gx.requires_grad


def test_grad_of_an_output_by_itself():
    x = leaf([1.0, 2.0])
    y = x * 2
    v = np.array([5.0, 7.0])
    for target in (x, y):
        (g,) = autograd.grad(target, target, v, retain_graph=True)
        np.testing.assert_array_equal(g.data, v)
        assert not np.shares_memory(g.data, v)


def test_grad_unused():
    x, y = leaf(2.0), leaf([3.0, 4.0])
    z = x * x
    with pytest.raises(RuntimeError, match="do not depend on input 1"):
        autograd.grad(z, [x, y], retain_graph=True)
    gx, gy = autograd.grad(z, [x, y], retain_graph=True, allow_unused=True)
    assert gx.item() == 4
    assert gy is None
    _, gy = autograd.grad(z, [x, y], materialize_grads=True)
    np.testing.assert_array_equal(gy.data, [0, 0])
    with pytest.raises(ValueError, match="allow_unused"):
        autograd.grad(x * x, [x, y], allow_unused=False, materialize_grads=True)


def test_grad_by_an_input_twice():
    x = leaf(2.0)
    first, second = autograd.grad(x * x, [x, x])
    assert first.item() == second.item() == 4
    assert not np.shares_memory(first.data, second.data)


def test_grad_outputs():
    x = leaf([1.0, 2.0])
    y = x * x
    (g,) = autograd.grad(y, x, Tensor(np.array([1.0, 10.0])), retain_graph=True)
    np.testing.assert_array_equal(g.data, [2, 40])
    (g,) = autograd.grad([y, y.sum()], x, [np.array([1.0, 10.0]), None])
    np.testing.assert_array_equal(g.data, [4, 44])


def test_higher_derivatives():
    x = leaf(2.0)
    y = x * x * x * x
    values = []
    for _ in range(5):
        (y,) = autograd.grad(y, x, create_graph=True, materialize_grads=True)
        values.append(y.item())
        if not y.requires_grad:
            break
    assert values[:4] == [32, 48, 48, 24]


def test_second_order_through_grad_outputs():
    x, v = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    (g,) = autograd.grad(x * x, x, v, create_graph=True)  # 2 x v
    gx, gv = autograd.grad(g, [x, v], np.array([1.0, 10.0]))
    np.testing.assert_array_equal(gx.data, [6, 100])
    np.testing.assert_array_equal(gv.data, [2, 40])


def test_backward_of_a_penalty_on_the_gradient():
    x = leaf([1.0, 2.0])
    (g,) = autograd.grad((x * x * x).sum(), x, create_graph=True)
    (g * g).sum().backward()  # 9 x^4 -> 36 x^3
    np.testing.assert_allclose(x.grad.data, [36, 288])


def test_second_order_through_a_kept_output():
    x = leaf(0.5)
    (g,) = autograd.grad(exp(x * x), x, create_graph=True)
    (h,) = autograd.grad(g, x)
    np.testing.assert_allclose(h.item(), (2 + 4 * 0.25) * np.exp(0.25))


def test_backward_with_create_graph_leaves_a_recorded_grad():
    x = leaf(2.0)
    (x * x * x).backward(create_graph=True)
    assert x.grad.requires_grad
    g = x.grad
    x.grad = None
    g.backward()
    assert x.grad.item() == 12


def test_first_order_records_nothing():
    x = leaf(2.0)
    (x * x).backward()
    assert x.grad.grad_fn is None


# -- errors ------------------------------------------------------------------------------------


def test_backward_of_what_requires_no_grad():
    with pytest.raises(RuntimeError, match="does not require grad"):
        Tensor(np.ones(())).backward()
    with pytest.raises(RuntimeError, match="input 0 does not require grad"):
        autograd.grad(leaf(1.0) * 2, Tensor(np.ones(())))
    with pytest.raises(TypeError, match="input 0 must be a Tensor"):
        autograd.grad(leaf(1.0) * 2, [np.ones(())])
    with pytest.raises(TypeError, match="output 0 must be a Tensor"):
        autograd.grad([np.ones(())], leaf(1.0))


def test_implicit_gradient_is_for_one_element():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"one element.*\(2,\)"):
        (x * 2).backward()
    (leaf([[3.0]]) * 2).backward()


def test_a_gradient_of_the_wrong_shape_or_number():
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"shape \(3,\), its output \(2,\)"):
        (x * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="got 2 gradients for 1 outputs"):
        autograd.grad(x * 2, x, [np.ones(2), np.ones(2)])


@pytest.mark.parametrize("seed", [2, 2.0, np.float32(2), np.float64(2), np.array(2.0), np.int64(2)])
def test_a_gradient_may_be_a_number(seed):
    x = leaf(3.0)
    (x * x).backward(seed)
    assert x.grad.item() == 12
    assert x.grad.dtype == np.float64


def test_backward_twice():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match=r"mul: backward a second time .*retain_graph=True"):
        y.backward()
    z = x + 1  # keeps nothing
    z.backward()
    z.backward()


def test_a_shared_part_of_the_graph_is_freed():
    x = leaf(2.0)
    h = x * x
    (h * 2).backward()
    with pytest.raises(RuntimeError, match="second time"):
        (h * 3).backward()


def test_a_rule_of_the_wrong_shape():
    @op(name="test_backward.wrong")
    def wrong(x):
        return x * 2

    wrong.gradient("x")(lambda g: g.sum())
    with pytest.raises(RuntimeError, match=r"wrong: a gradient rule gave shape \(\) for .*\(2,\)"):
        wrong(leaf([1.0, 2.0])).sum().backward()

    @op(name="test_backward.short", promote="arithmetic")
    def short(x, y):
        return x + y

    short.gradient("x", "y")(lambda g: (g.sum(), g))
    with pytest.raises(RuntimeError, match=r"short: a gradient rule gave shape \(\)"):
        short(leaf([1.0, 2.0]), leaf([1.0, 2.0])).sum().backward()


# -- whose memory ------------------------------------------------------------------------------


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_share_memory_with_nothing(create_graph):
    a, b, c = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([5.0, 6.0])
    h = a + b
    h.retain_grad()
    seed = Tensor(np.array([1.0, 1.0]))
    (h + c).backward(seed, create_graph=create_graph)
    grads = [a.grad, b.grad, c.grad, h.grad]
    for i, g in enumerate(grads):
        assert not np.shares_memory(g.data, seed.data)
        assert not any(np.shares_memory(g.data, other.data) for other in grads[:i])
    a.grad.data *= 100
    for g in (b.grad, c.grad, h.grad, seed):
        np.testing.assert_array_equal(g.data, [1, 1])


def test_a_leaf_takes_over_what_a_rule_declares_fresh():
    given, seen = [], []

    def doubled(g):
        given.append(g * 2)
        return given[-1]

    for fresh in (True, False):
        twice = op(name="test_backward.twice")(lambda x: x * 2)
        twice.gradient("x", fresh=fresh)(doubled)
        x = leaf([1.0, 2.0])
        twice(x).sum().backward()
        assert np.shares_memory(x.grad.data, given[-1]) == fresh
        (twice(x) + twice(x)).sum().backward()
        np.testing.assert_array_equal(x.grad.data, [6, 6])
        x.grad = None
        x.register_hook(seen.append)
        twice(x).sum().backward()
        assert not np.shares_memory(x.grad.data, seen[-1].data)


def test_gradients_do_not_share_memory_with_kept_arrays():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    y = x * w
    y.backward(np.ones(2), retain_graph=True)
    x.grad.data *= 100  # was w's values
    np.testing.assert_array_equal(w.data, [3, 4])
    x.grad = None
    y.backward(np.ones(2))
    np.testing.assert_array_equal(x.grad.data, [3, 4])


def test_a_broadcast_gradient_can_be_written():
    x = leaf([1.0, 2.0])
    x.sum().backward()
    x.grad.zero_()
    assert x.grad.data.strides == (8,)


def test_gradient_given_by_the_user_is_not_written():
    v = np.array([1.0, 2.0])
    x = leaf([1.0, 2.0])
    y = x + 0
    autograd.backward([y, y], [Tensor(v), Tensor(v)])
    np.testing.assert_array_equal(v, [1, 2])
    np.testing.assert_array_equal(x.grad.data, [2, 4])


# -- memory ------------------------------------------------------------------------------------


@pytest.fixture
def _no_gc():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_gc")
@pytest.mark.parametrize("how", ["dropped", "backward", "hooks", "create_graph", "function"])
def test_a_dropped_graph_is_freed_at_once(how):
    x = leaf([1.0, 2.0])
    h = exp(x * x)
    double, square, _ = many(h)
    y = double * square
    nodes = [weakref.ref(t.grad_fn) for t in (h, double, y)]
    tensors = [weakref.ref(t) for t in (h, double, y)]
    if how == "backward":
        y.sum().backward()
    elif how == "hooks":
        h.retain_grad()
        y.register_hook(lambda g: g * 2)
        y.sum().backward()
    elif how == "create_graph":
        (g,) = autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
        del g
    elif how == "function":

        class Both(autograd.Function):
            @staticmethod
            def forward(ctx, x):
                out = x * 2
                ctx.save_for_backward(x, out)
                return out

            @staticmethod
            def backward(ctx, g):
                return g * 2

        z = Both.apply(y)
        nodes.append(weakref.ref(z.grad_fn))
        z.sum().backward()
        del z
    del h, double, square, _, y
    assert [ref() for ref in nodes + tensors] == [None] * (len(nodes) + len(tensors))


def test_a_node_keeps_what_its_rules_ask_for_and_nothing_else():
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    assert (x + w).grad_fn.saved == {}
    assert set((x * w).grad_fn.saved) == {"input", "other"}
    assert set((x * w.detach()).grad_fn.saved) == {"other"}
    assert set((x.detach() * w).grad_fn.saved) == {"input"}
    assert set(exp(x).grad_fn.saved) == {"out"}
    assert set(log(x).grad_fn.saved) == {"input"}
    assert (x.detach() * w.detach()).grad_fn is None


@pytest.mark.usefixtures("_no_gc")
def test_an_intermediate_array_that_no_rule_asks_for_is_freed():
    x = leaf(np.ones(1000))
    h = x * 2
    array = weakref.ref(h.data)
    y = h + 1
    del h
    assert array() is None
    y.sum().backward()


def test_backward_frees_what_was_kept():
    x = leaf([1.0, 2.0])
    h = x * x
    y = exp(h)
    assert not y.grad_fn.freed
    y.sum().backward()
    assert y.grad_fn.freed
    assert h.grad_fn.freed
    assert y.grad_fn.saved == {}


# -- size and threads --------------------------------------------------------------------------


def test_a_chain_of_200000_operations():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0
        y = y + 0.0
    y.backward()
    assert x.grad.item() == 1
    del y  # and freed without recursion
    y = x
    for _ in range(200_000):
        y = y * 1.0
    del y  # not run backward at all


def test_a_long_chain_of_second_order():
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0
    (g,) = autograd.grad(y * y, x, create_graph=True)
    (h,) = autograd.grad(g, x)
    assert h.item() == 2


def test_threads_share_a_leaf():
    x = leaf([1.0, 2.0])
    failures = []

    def work():
        try:
            for _ in range(50):
                (x * x).sum().backward()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    np.testing.assert_array_equal(x.grad.data, [400, 800])


def test_threads_train_models_of_their_own():
    results = {}

    def train(seed):
        rng = np.random.default_rng(seed)
        w = Tensor(rng.standard_normal(5), requires_grad=True)
        data = Tensor(rng.standard_normal((20, 5)))
        for _ in range(30):
            error = (data * w).sum(1) - 1
            w.grad = None
            (error * error).mean().backward()
            w = Tensor(w.data - 0.1 * w.grad.data, requires_grad=True)
        return w.data

    threads = [
        threading.Thread(target=lambda s=s: results.update({s: train(s)})) for s in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in range(4):
        np.testing.assert_array_equal(results[seed], train(seed))


# -- against PyTorch ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_agree_with_pytorch(seed):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    arrays = [rng.uniform(0.5, 1.5, (2, 3)) for _ in range(3)]

    def build(leaves, functions):
        choose = np.random.default_rng(seed)
        values = list(leaves)
        for _ in range(12):
            a, b = (values[i] for i in choose.integers(len(values), size=2))
            match choose.integers(5):
                case 0:
                    values.append(a * b)
                case 1:
                    values.append(a + b * 0.5)
                case 2:
                    values.append(functions["exp"](a * -0.1))
                case 3:
                    values.append(a / (b * b + 1))
                case _:
                    values.append(functions["log"](a * a + 1))
        return (values[-1] * values[-2]).sum() + values[-3].mean()

    ours = [leaf(a) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = build(ours, {"exp": exp, "log": log})
    t = build(theirs, {"exp": torch.exp, "log": torch.log})
    first = autograd.grad(y, ours, create_graph=True, materialize_grads=True)
    first_t = torch.autograd.grad(t, theirs, create_graph=True, materialize_grads=True)
    for g, e in zip(first, first_t, strict=True):
        np.testing.assert_allclose(g.data, e.detach().numpy(), rtol=1e-10, atol=1e-12)
    second = autograd.grad(sum((g * g).sum() for g in first), ours, materialize_grads=True)
    second_t = torch.autograd.grad(
        sum((g * g).sum() for g in first_t), theirs, materialize_grads=True
    )
    for g, e in zip(second, second_t, strict=True):
        np.testing.assert_allclose(g.data, e.detach().numpy(), rtol=1e-9, atol=1e-11)


# -- batches of cotangents ---------------------------------------------------------------------


def test_is_grads_batched():
    x, y = Tensor([1.0, 2.0], requires_grad=True), Tensor(3.0, requires_grad=True)
    out = [x**2 * y, x.sum()]
    batches = [Tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), Tensor([0.0, 0.0, 1.0])]
    gx, gy = autograd.grad(out, [x, y], batches, is_grads_batched=True, create_graph=True)
    assert gx.tolist() == [[6, 0], [0, 12], [7, 13]]
    assert gy.tolist() == [1, 4, 5]
    (second,) = autograd.grad(gx.sum(), y)
    assert second.item() == 12
    unused = autograd.grad(
        out, [x, Tensor(1.0, requires_grad=True)], batches, is_grads_batched=True, allow_unused=True
    )
    assert unused[1] is None
    (array,) = autograd.grad(x * 2, x, np.eye(2), is_grads_batched=True)
    assert array.tolist() == [[2, 0], [0, 2]]
    assert array.dtype == np.float32


@pytest.mark.parametrize("batches", [None, [], [np.ones((0, 2)), np.ones(0)]])
def test_is_grads_batched_needs_rows(batches):
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="needs grad_outputs of one row or more"):
        autograd.grad([x * 2, x.sum()], x, batches, is_grads_batched=True)


def test_is_grads_batched_needs_as_many_rows_for_each_output():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        autograd.grad([x * 2, x * 3], x, [np.ones((3, 2)), np.ones((2, 2))], is_grads_batched=True)
    with pytest.raises(RuntimeError, match="the gradient has shape"):
        autograd.grad(x * 2, x, np.ones((2, 3)), is_grads_batched=True)
