"""``autograd.functional``: against formulas and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.autograd import functional
from tinygrad_cnn.autograd._transform import tensors_of

DRAWN = np.random.default_rng(0)
X, W = DRAWN.standard_normal((2, 3))
Y = DRAWN.standard_normal((2, 3))


def pair(x, y):
    return x.sin() * y * x, x.sum() * x.exp()


def number(x, y):
    return (x.exp() * y * y).sum()


CASES = {
    "vjp": lambda f, x, y, w, **options: f.vjp(pair, (x, y), (y, x), **options),
    "jvp": lambda f, x, y, w, **options: f.jvp(pair, (x, y), (w, y), **options),
    "jacobian": lambda f, x, y, w, **options: f.jacobian(pair, (x, y), **options),
    "jacobian of one": lambda f, x, y, w, **options: f.jacobian(lambda x: x * x * w, x, **options),
    "hessian": lambda f, x, y, w, **options: f.hessian(number, (x, y), **options),
    "hvp": lambda f, x, y, w, **options: f.hvp(number, (x, y), (w, y), **options),
    "vhp": lambda f, x, y, w, **options: f.vhp(number, (x, y), (w, y), **options),
    "vhp of one": lambda f, x, y, w, **options: f.vhp(lambda x: number(x, w), x, w, **options),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_against_torch(name, create_graph):
    torch = pytest.importorskip("torch")
    results = []
    for library, leaves_of in [(tg, tensors_of), (torch, torch.utils._pytree.tree_leaves)]:
        x, y, w = (library.tensor(value, requires_grad=True) for value in (X, Y, W))
        found = leaves_of(
            CASES[name](library.autograd.functional, x, y, w, create_graph=create_graph)
        )
        assert any(t.requires_grad for t in found) == create_graph
        assert x.grad is None
        if create_graph:
            total = sum((t**2).sum() for t in found)
            found += library.autograd.grad(total, (x, y, w), allow_unused=True)
        results.append([None if t is None else t.detach().numpy() for t in found])
    for got, expected in zip(*results, strict=True):
        if expected is None:
            assert got is None
        else:
            np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_formulas():
    x, w = tg.tensor(X), tg.tensor(W)
    value, product = functional.vhp(lambda x: (x**3).sum(), x, w)
    np.testing.assert_allclose(value.numpy(), (X**3).sum())
    np.testing.assert_allclose(product.numpy(), 6 * X * W)
    np.testing.assert_allclose(functional.hvp(lambda x: (x**3).sum(), x, w)[1].numpy(), 6 * X * W)
    np.testing.assert_allclose(functional.vjp(lambda x: x.sum(), x)[1].numpy(), np.ones(3))
    np.testing.assert_allclose(functional.jvp(lambda x: 2 * x, tg.tensor(1.0))[1].numpy(), 2)
    ((by_x,),) = functional.hessian(lambda x: (x**3).sum(), (x,))
    np.testing.assert_allclose(by_x.numpy(), np.diag(6 * X))


def test_strict_and_other_errors():
    x = tg.tensor(X)
    constant = lambda x: tg.ones(2)
    assert functional.vjp(constant, x, tg.ones(2))[1].tolist() == [0, 0, 0]
    for call in (
        lambda: functional.vjp(constant, x, tg.ones(2), strict=True),
        lambda: functional.jvp(constant, x, x, strict=True),
        lambda: functional.jacobian(constant, x, strict=True),
        lambda: functional.hessian(lambda x: x.sum(), x, strict=True),
        lambda: functional.vhp(lambda x: x.sum(), x, x, strict=True),
    ):
        with pytest.raises(RuntimeError, match="has no part in the derivative"):
            call()
    for call in (
        lambda: functional.vjp(lambda x: x, x),
        lambda: functional.jvp(lambda x: x, x),
        lambda: functional.hessian(lambda x: x, x),
    ):
        with pytest.raises(RuntimeError, match="one tensor of one element"):
            call()
    with pytest.raises(RuntimeError, match="vjp: the cotangents must be Tensors of shapes"):
        functional.vjp(lambda x: x, x, x[:2])
