"""Distances, and the losses that compare them, against Python; extremes, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

inf = math.inf
RNG = np.random.default_rng(0)
X, Y, Z = RNG.normal(size=(3, 4, 3))
SIGNS = np.array([1, -1, 0, -1])


def norm(values, p):
    sizes = [abs(v) for v in values]
    if p == inf:
        return max(sizes)
    return sum(s > 0 for s in sizes) if p == 0 else math.fsum(s**p for s in sizes) ** (1 / p)


def distance(x, y, p=2.0, eps=0.0):
    return norm([a - b + eps for a, b in zip(x, y, strict=True)], p)


def cosine(x, y, eps=0.0):
    product = math.fsum(a * b for a, b in zip(x, y, strict=True))
    return product / (max(norm(x, 2), eps) * max(norm(y, 2), eps))


def test_cosine_similarity_agrees_with_python():
    got = tg.cosine_similarity(tg.Tensor(X), tg.Tensor(Y))
    np.testing.assert_allclose(got.data, [cosine(x, y) for x, y in zip(X, Y, strict=True)])
    got = F.cosine_similarity(tg.Tensor(X), tg.Tensor(Y), dim=0, eps=1.5)
    np.testing.assert_allclose(got.data, [cosine(x, y, 1.5) for x, y in zip(X.T, Y.T, strict=True)])


def test_cosine_similarity_broadcasts_and_promotes():
    x, y = tg.Tensor(X[:, None]), tg.Tensor(Y.astype(np.float32))
    got = F.cosine_similarity(x, y, dim=-1)
    assert got.dtype == np.float64
    expected = [[cosine(a, b) for b in Y.astype(np.float32).tolist()] for a in X]
    np.testing.assert_allclose(got.data, expected)
    got = F.cosine_similarity(tg.tensor([3.0, 4.0]), tg.tensor([[1, 0], [0, 2]]), dim=0)
    expected = [cosine([3, 3], [1, 0]), cosine([4, 4], [0, 2])]
    np.testing.assert_allclose(got.data, expected, rtol=1e-6)
    with pytest.raises(RuntimeError, match=r"cosine_similarity: \(2,\) and \(3,\) do not broadcast"):
        F.cosine_similarity(tg.ones(2), tg.ones(3))
    with pytest.raises(IndexError, match="dim 2"):
        F.cosine_similarity(tg.ones(1, 2), tg.ones(2), dim=2)


def test_cosine_of_extremes():
    x = tg.tensor([[0.0, 0.0], [1e30, 1e30], [1e-4, 0.0]], requires_grad=True)
    out = F.cosine_similarity(x, tg.tensor([[1.0, 0.0]]))
    np.testing.assert_allclose(out.detach().data, [0, math.sqrt(0.5), 1], rtol=1e-6)
    out.sum().backward()
    np.testing.assert_allclose(x.grad.data[0], [1e8, 0])
    np.testing.assert_allclose(x.grad.data[1:], 0, atol=1e-6)


@pytest.mark.parametrize("p", [1.0, 2.0, 3.0, inf, 0.0])
def test_distances_agree_with_python(p):
    got = tg.pairwise_distance(tg.Tensor(X), tg.Tensor(Y), p, 0.01)
    np.testing.assert_allclose(
        got.data, [distance(x, y, p, 0.01) for x, y in zip(X, Y, strict=True)]
    )
    assert F.pairwise_distance(tg.Tensor(X), tg.Tensor(Y), p, keepdim=True).shape == (4, 1)
    got = tg.cdist(tg.Tensor(X), tg.Tensor(Z[:2]), p)
    np.testing.assert_allclose(got.data, [[distance(x, z, p) for z in Z[:2]] for x in X])


def test_cdist_over_batches_and_of_nothing():
    x, y = RNG.normal(size=(2, 1, 3, 4)), RNG.normal(size=(5, 2, 4))
    got = tg.cdist(tg.Tensor(x), tg.Tensor(y))
    assert got.shape == (2, 5, 3, 2)
    assert math.isclose(float(got.data[1, 4, 2, 0]), distance(x[1, 0, 2], y[4, 0]))
    assert tg.cdist(tg.ones(0, 2), tg.ones(3, 2)).shape == (0, 3)
    assert tg.cdist(tg.ones(2, 0), tg.ones(1, 0)).tolist() == [[0], [0]]


def test_a_distance_of_0_has_no_slope_and_a_large_one_is_exact():
    x = tg.tensor([[1e4, -1e4]], requires_grad=True)
    near = tg.cdist(x, x.detach())
    near.sum().backward()
    assert near.item() == 0
    assert x.grad.tolist() == [[0, 0]]
    x = tg.tensor([[3e30, 4e30]])
    assert math.isclose(tg.cdist(x, x - x).item(), 5e30, rel_tol=1e-6)


def test_losses_agree_with_python():
    x, y, z, signs = map(tg.Tensor, (X, Y, Z, SIGNS))
    cosines = [cosine(a, b) for a, b in zip(X, Y, strict=True)]
    expected = [
        1 - c if sign == 1 else max(0, c - 0.1) if sign == -1 else 0
        for c, sign in zip(cosines, SIGNS, strict=True)
    ]
    got = F.cosine_embedding_loss(x, y, signs, 0.1, reduction="none")
    np.testing.assert_allclose(got.data, expected, rtol=1e-10)
    ranks = np.array([[1, -1, 1]] * 4)
    expected = [max(0, 0.3 - s * (a - b)) for a, b, s in zip(X.flat, Y.flat, ranks.flat, strict=True)]
    got = F.margin_ranking_loss(x, y, tg.Tensor(ranks), 0.3, reduction="none")
    np.testing.assert_allclose(got.data.ravel(), expected, rtol=1e-12)
    for swap in (False, True):
        expected = []
        for a, p, n in zip(X, Y, Z, strict=True):
            far = distance(a, n, 3, 0.1)
            far = min(far, distance(p, n, 3, 0.1)) if swap else far
            expected.append(max(0, 0.7 + distance(a, p, 3, 0.1) - far))
        got = F.triplet_margin_loss(x, y, z, 0.7, 3, 0.1, swap, reduction="none")
        np.testing.assert_allclose(got.data, expected, rtol=1e-10)
        assert F.triplet_margin_loss(x, y, z, 0.7, 3, 0.1, swap).item() == pytest.approx(
            np.mean(expected)
        )
        got = F.triplet_margin_with_distance_loss(
            x, y, z, margin=0.7, swap=swap, reduction="none",
            distance_function=lambda u, v: F.pairwise_distance(u, v, 3, 0.1),
        )  # fmt: skip
        np.testing.assert_allclose(got.data, expected, rtol=1e-10)


def test_single_vectors():
    x = tg.tensor([3.0, 4.0])
    assert F.cosine_embedding_loss(x, x, tg.tensor(1)).item() == pytest.approx(0, abs=1e-6)
    assert F.triplet_margin_loss(x, x, x).item() == 1
    assert F.triplet_margin_with_distance_loss(x, x, x).item() == 1
    assert F.pairwise_distance(x, 0 * x).item() == pytest.approx(5)


def test_cosine_embedding_of_zeros():
    x = tg.zeros(1, 2, requires_grad=True)
    loss = F.cosine_embedding_loss(x, tg.zeros(1, 2), tg.tensor([1]))
    loss.backward()
    assert loss.item() == 1
    assert x.grad.tolist() == [[0, 0]]


@fuzz_gradients(x=arrays((3, 2), distinct=True), y=arrays((3, 2), 3, 5, distinct=True), examples=10)
def test_gradients(x, y):
    third = tg.tensor([[9.0, 0.3], [-7.0, 2.0], [0.0, 8.0]]).to(x)
    return (
        F.cosine_similarity(x, y)
        + F.pairwise_distance(x, y, 3.0)
        + tg.cdist(x, y).sum(1)
        + F.cosine_embedding_loss(x, y, tg.tensor([1, 1, 1]))
        + F.triplet_margin_loss(x, y, third, margin=20.0, swap=True, reduction="none")
    )


def test_errors():
    two, three = tg.ones(2), tg.ones(2, 3)
    with pytest.raises(RuntimeError, match=r"cdist: expected .*, got \(2,\) and \(2, 3\)"):
        tg.cdist(two, three)
    with pytest.raises(RuntimeError, match=r"cdist: expected .*, got \(2, 3\) and \(3, 2\)"):
        tg.cdist(three, tg.ones(3, 2))
    with pytest.raises(RuntimeError, match="cdist: p must not be negative, got -1"):
        tg.cdist(three, three, p=-1)
    for target in (tg.ones(2, 3), tg.tensor(1)):
        with pytest.raises(RuntimeError, match="cosine_embedding_loss: expected inputs"):
            F.cosine_embedding_loss(three, three, target)
    for function in (F.margin_ranking_loss, F.triplet_margin_loss):
        with pytest.raises(RuntimeError, match=f"{function.__name__}: expected as many dimensions"):
            function(three, three, two)
    for function in (F.triplet_margin_loss, F.triplet_margin_with_distance_loss):
        with pytest.raises(ValueError, match=f"{function.__name__}: margin must be positive, got 0"):
            function(three, three, three, margin=0)
