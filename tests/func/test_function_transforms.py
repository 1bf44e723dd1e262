"""Derivatives as functions of functions: against formulas, each other, and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import func
from tinygrad_cnn.autograd._transform import tensors_of
from tinygrad_cnn.func import grad, hessian, jacfwd, jacrev, jvp, linearize, value_and_grad, vjp

DRAWN = np.random.default_rng(0)
X, W = DRAWN.standard_normal((2, 3))
Y = DRAWN.standard_normal((2, 3))


def close(got, expected):
    np.testing.assert_allclose(got.detach().numpy(), expected, rtol=1e-10, atol=1e-12)


def cubes(x):
    return (x**3).sum()


def test_orders_of_a_derivative():
    x = tg.tensor(X)
    close(grad(cubes)(x), 3 * X**2)
    close(grad(lambda x: grad(cubes)(x).sum())(x), 6 * X)
    close(grad(lambda x: grad(lambda x: grad(cubes)(x).sum())(x).sum())(x), np.full(3, 6.0))
    for one, two in [(jacrev, jacrev), (jacrev, jacfwd), (jacfwd, jacrev), (jacfwd, jacfwd)]:
        close(one(two(cubes))(x), np.diag(6 * X))
    close(hessian(cubes)(x), np.diag(6 * X))
    close(jacrev(grad(cubes))(x), np.diag(6 * X))
    assert jacfwd(jacrev(jacfwd(cubes)))(x).shape == (3, 3, 3)


def test_no_perturbation_confusion():
    # d/dx (x * d/dy (x + y)) = 1, not 2
    inner = lambda x: x * grad(lambda y: x + y)(tg.tensor(1.0))
    close(grad(inner)(tg.tensor(1.0)), 1)
    # d/dx (x * d/dy (x y)) = 2 x
    inner = lambda x: x * jvp(lambda y: x * y, (tg.tensor(2.0),), (tg.tensor(1.0),))[1]
    close(grad(inner)(tg.tensor(5.0)), 10)
    close(jvp(inner, (tg.tensor(5.0),), (tg.tensor(1.0),))[1], 10)


def test_jvp_is_linear_in_the_tangents_and_exact():
    f = lambda x, y: (x.sin() * y, x.sum())
    x, y = tg.tensor(X), tg.tensor(Y)
    output, (first, second) = jvp(f, (x, y), (tg.tensor(W), tg.tensor(2 * Y)))
    close(output[0], np.sin(X) * Y)
    close(first, np.cos(X) * W * Y + np.sin(X) * 2 * Y)
    close(second, W.sum())
    assert first.dtype == np.float64
    output, jvp_fn = linearize(f, x, y)
    close(output[1], X.sum())
    close(jvp_fn(tg.tensor(W), tg.tensor(2 * Y))[0], first.numpy())
    close(jvp_fn(tg.tensor(2 * W), tg.tensor(4 * Y))[0], 2 * first.numpy())


def test_vjp_can_be_called_again_and_differentiated_for_its_cotangent():
    x = tg.tensor(X)
    output, vjp_fn, aux = vjp(lambda x: (x**2, {"twice": 2 * x}), x, has_aux=True)
    close(output, X**2)
    close(aux["twice"], 2 * X)
    for scale in (1.0, -2.0):
        close(vjp_fn(tg.tensor(scale * W))[0], scale * 2 * X * W)
    v = tg.tensor(W, requires_grad=True)
    with tg.no_grad():
        assert not vjp_fn(v)[0].requires_grad
    vjp_fn(v)[0].sum().backward()
    close(v.grad, 2 * X)


def test_argnums_trees_and_aux():
    f = lambda d, y, scale=1.0: (d["a"] * y * scale).sum() + d["b"][0].sum()
    d = {"a": tg.tensor(X), "b": (tg.tensor(W), [])}
    gradient = grad(f)(d, tg.tensor(Y), scale=2.0)
    close(gradient["a"], 2 * Y.sum(0))
    close(gradient["b"][0], np.ones(3))
    assert gradient["b"][1] == []
    both = grad(f, argnums=(-1, 0))(d, tg.tensor(Y))
    assert isinstance(both, tuple)
    close(both[0], np.broadcast_to(X, (2, 3)))

    f = lambda x: ((x**2).sum(), ("aux", x))
    (value, aux), gradient = value_and_grad(f, has_aux=True)(tg.tensor(X))
    close(value, (X**2).sum())
    close(gradient, 2 * X)
    assert aux[0] == "aux"
    assert not aux[1].requires_grad
    gradient, (value, _) = func.grad_and_value(f, has_aux=True)(tg.tensor(X))
    close(gradient, 2 * X)
    assert grad(f, has_aux=True)(tg.tensor(X))[1][0] == "aux"
    jacobian, aux = jacrev(lambda x: ({"y": 2 * x}, x), has_aux=True)(tg.tensor(X))
    close(jacobian["y"], 2 * np.eye(3))


def test_what_does_not_depend_is_zero_and_empty_works():
    x, y = tg.tensor(X), tg.tensor(Y)
    close(grad(lambda x, y: x.sum(), argnums=1)(x, y), np.zeros((2, 3)))
    close(grad(lambda x: tg.tensor(3.0))(x), np.zeros(3))
    for jacobian in (jacrev, jacfwd):
        close(jacobian(lambda x: tg.ones(2, dtype=tg.float64))(x), np.zeros((2, 3)))
        assert jacobian(lambda x: x[:0])(x).shape == (0, 3)
        assert jacobian(lambda x: x.sum())(x[:0]).shape == (0,)
    close(jvp(lambda x: tg.ones(2), (x,), (x,))[1], np.zeros(2))
    with pytest.raises(RuntimeError, match="jvp: output 0 has no part in the derivative"):
        jvp(lambda x: tg.ones(2), (x,), (x,), strict=True)


def test_forward_and_reverse_agree_through_a_network():
    F = tg.nn.functional

    def loss(x, weight, matrix):
        h = F.batch_norm(F.conv2d(x, weight, padding=1), None, None, training=True)
        h = F.layer_norm(F.max_pool2d(F.gelu(h), 3).flatten(1), (12,))
        return F.cross_entropy(h @ matrix, tg.tensor([0, 1]))

    shapes = [(2, 2, 6, 6), (3, 2, 3, 3), (12, 2)]
    primals, tangents = (tuple(tg.tensor(DRAWN.standard_normal(s)) for s in shapes) for _ in range(2))
    gradient = grad(loss, argnums=(0, 1, 2))
    _, slope = jvp(loss, primals, tangents)
    expected = sum((g * t).sum() for g, t in zip(gradient(*primals), tangents, strict=True))
    close(slope, expected.numpy())
    _, forward = jvp(gradient, primals, tangents)
    _, reverse = func.vhp(loss, primals, tangents)
    for one, other in zip(forward, reverse, strict=True):
        close(one, other.numpy())


@pytest.mark.parametrize("outer", [False, True])
def test_results_lead_to_what_is_outside(outer):
    x, w = tg.tensor(X), tg.tensor(W, requires_grad=outer)
    value, gradient = value_and_grad(lambda x: (w * x**2).sum())(x)
    assert value.requires_grad == gradient.requires_grad == outer
    assert not x.requires_grad
    assert x.grad is None
    results = [
        jacfwd(lambda x: w * x)(x), hessian(lambda x: (w * x**3).sum())(x),
        jvp(lambda x: w * x, (x,), (x,))[1], vjp(lambda x: w * x, x)[1](x)[0],
    ]  # fmt: skip
    assert {t.requires_grad for t in results} == {outer}
    if outer:
        gradient.sum().backward()
        close(w.grad, 2 * X)
        (by_w,) = tg.autograd.grad(results[1].sum(), w)
        close(by_w, 6 * X)
        with tg.no_grad():
            gradient = grad(lambda x: (w * x**2).sum())(x)
        assert not gradient.requires_grad
        close(gradient, 2 * X * W)


def test_inputs_that_require_grad_and_autograd_inside():
    x = tg.tensor(X, requires_grad=True)

    def f(x):
        (inside,) = tg.autograd.grad((x**3).sum(), x, create_graph=True)
        return (inside * x).sum()  # 3 x^3

    gradient = grad(f)(x)
    close(gradient, 9 * X**2)
    assert x.grad is None
    gradient.sum().backward()
    close(x.grad, 18 * X)


def test_a_finished_transform_is_nothing_outside():
    x = tg.tensor(X)
    constant = tg.tensor(2.0)

    def f(x):  # the inner transform's own inputs must not count as something outside
        return (x * grad(lambda c: c**2)(constant)).sum()

    assert not grad(f)(x).requires_grad
    assert not jvp(lambda x: grad(f)(x), (x,), (x,))[1].requires_grad
    assert x.requires_grad is constant.requires_grad is False


def test_the_function_may_change_its_arguments_in_place():
    x = tg.tensor(X, requires_grad=True)

    def f(x):
        x *= 2
        return (x**2).sum()

    close(grad(f)(x), 8 * X)
    close(x, X)
    with tg.no_grad():
        close(grad(f)(x), 8 * X)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: grad(lambda x: x)(x), r"grad: func must return a 0-d Tensor, got shape \(3,\)"),
        (lambda x: grad(lambda x: 3.0)(x), "grad: what func returns must be Tensors, got float"),
        (lambda x: grad(cubes)(3.0), "grad: the inputs must be Tensors, got float"),
        (lambda x: grad(cubes)(tg.arange(2)), "only floating tensors can require grad"),
        (lambda x: grad(cubes, argnums=1)(x), "argnums must be numbers of the 1 positional"),
        (lambda x: grad(cubes, argnums=())(x), "argnums must not be empty"),
        (lambda x: grad(cubes, has_aux=True)(x), r"func must return \(output, aux\)"),
        (lambda x: vjp(lambda x: x, x)[1](x[:2]), r"cotangents .* shapes \(3,\), got \(2,\)"),
        (lambda x: vjp(lambda x: (x, x), x)[1](x), "cotangents .* shapes"),
        (lambda x: vjp(lambda x: x, x)[1](X), "the cotangents must be Tensors, got ndarray"),
        (lambda x: jvp(cubes, (x,), (x, x)), "tangents .* shapes"),
        (lambda x: jvp(cubes, x, x), "must be tuples"),
    ],
)  # fmt: skip
def test_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(tg.tensor(X))
    assert grad(cubes)(tg.tensor(1.0)).item() == 3  # an error leaves nothing running


# -- against PyTorch ---------------------------------------------------------------------------

CASES = {
    "grad": lambda f, x, y, w: f.grad(lambda x: (x.exp() * w).sum())(x),
    "grad_and_value": lambda f, x, y, w: f.grad_and_value(
        lambda x, y: ((x * w * y).sum(), [x * x, w * 1]), argnums=-1, has_aux=True
    )(x, y),
    "grad_grad": lambda f, x, y, w: f.grad(
        lambda x: f.grad(lambda v: (x * v**3).sum())(x).sum()
    )(x),
    "vjp": lambda f, x, y, w: f.vjp(lambda x, y: (x * y, x.sum() * w), x, y)[1]((y * 1, w * 1)),
    "vjp_vjp": lambda f, x, y, w: f.vjp(lambda x: f.vjp(lambda z: z.sin() * x, x)[1](x)[0], x)[1](w),
    "jvp": lambda f, x, y, w: f.jvp(lambda x, y: (x * y, x.sin() * w), (x, y), (w, y * 2)),
    "jvp_jvp": lambda f, x, y, w: f.jvp(
        lambda x: f.jvp(lambda z: z.sin() * x * w, (x,), (x,))[1], (x,), (w,)
    ),
    "jacrev": lambda f, x, y, w: f.jacrev(
        lambda x, y: {"a": x.sin() * y, "b": x.sum() * w}, argnums=(0, 1)
    )(x, y),
    "jacfwd": lambda f, x, y, w: f.jacfwd(
        lambda x, y: {"a": x.sin() * y, "b": x.sum() * w}, argnums=(0, 1)
    )(x, y),
    "hessian": lambda f, x, y, w: f.hessian(lambda x, y: (x.exp() * y * w).sum(), (0, 1))(x, y),
    "third": lambda f, x, y, w: f.jacfwd(f.hessian(lambda x: (x.sin() * x).sum()))(x),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("outside", ["", "x", "w", "xyw"])
def test_against_torch(name, outside):
    """Results, and their gradients for what is outside, are those of ``torch.func``."""
    torch = pytest.importorskip("torch")

    def run(library, numbers, transforms, leaves_of):
        leaves = [
            library.tensor(value, requires_grad=key in outside)
            for key, value in zip("xyw", (X, Y, W), strict=True)
        ]
        results = leaves_of(CASES[name](transforms, *leaves))
        values = [numbers(result) for result in results]
        total = sum((t**2).sum() for t in [*results, *leaves] if t.requires_grad)
        sources = [leaf for leaf in leaves if leaf.requires_grad]
        return values + [numbers(g) for g in library.autograd.grad(total, sources)] if sources else values

    def torch_leaves(tree):
        return torch.utils._pytree.tree_leaves(tree)

    got = run(tg, lambda t: t.detach().numpy(), func, tensors_of)
    expected = run(torch, lambda t: t.numpy(force=True), torch.func, torch_leaves)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
