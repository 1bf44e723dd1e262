"""Attention against loops, masks that leave nothing, and errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

inf = math.inf
attention = F.scaled_dot_product_attention
RNG = np.random.default_rng(0)


def naive(query, key, value, added, scale):
    """Attend with one query after another; `added` goes to the scores."""
    out = np.zeros((len(query), value.shape[1]))
    for i, q in enumerate(query):
        scores = [scale * math.fsum(q * k) + added[i, j] for j, k in enumerate(key)]
        powers = [math.exp(score) for score in scores]
        if any(powers):
            out[i] = sum(p * v for p, v in zip(powers, value, strict=True)) / sum(powers)
    return out


def drawn(*lead):
    return RNG.normal(size=(*lead, 4, 2)), RNG.normal(size=(*lead, 3, 2)), RNG.normal(size=(*lead, 3, 5))


@pytest.mark.parametrize("scale", [None, 0.3, -2.0])
@pytest.mark.parametrize("kind", ["none", "causal", "bool", "float"])
def test_agrees_with_loops(kind, scale):
    query, key, value = drawn(2)
    allowed = RNG.random((4, 3)) < 0.6
    allowed[1] = False
    options, added = {
        "none": ({}, np.zeros((4, 3))),
        "causal": ({"is_causal": True}, np.triu(np.full((4, 3), -inf), 1)),
        "bool": ({"attn_mask": tg.Tensor(allowed)}, np.where(allowed, 0, -inf)),
        "float": ({"attn_mask": tg.Tensor(np.arange(12.0).reshape(4, 3))}, np.arange(12.0).reshape(4, 3)),
    }[kind]
    got = attention(tg.Tensor(query), tg.Tensor(key), tg.Tensor(value), scale=scale, **options)
    used = 1 / math.sqrt(2) if scale is None else scale
    expected = [naive(q, k, v, added, used) for q, k, v in zip(query, key, value, strict=True)]
    np.testing.assert_allclose(got.data, expected, rtol=1e-10, atol=1e-12)


def test_heads_may_share_keys_and_values():
    query, (key, value) = RNG.normal(size=(2, 6, 4, 2)), drawn(2, 3)[1:]
    got = attention(*map(tg.Tensor, (query, key, value)), enable_gqa=True)
    for head in range(6):
        expected = attention(*map(tg.Tensor, (query[:, head], key[:, head // 2], value[:, head // 2])))
        np.testing.assert_allclose(got.data[:, head], expected.data, rtol=1e-12)


@pytest.mark.parametrize("mask", [np.array([[False] * 3, [True] * 3]), np.array([[-inf] * 3, [0] * 3])])
def test_a_query_that_sees_nothing_gives_0_and_no_gradient(mask):
    mask = mask if mask.dtype == bool else mask.astype(np.float32)
    query, key, value = (tg.ones(*shape, requires_grad=True) for shape in ((2, 4), (3, 4), (3, 1)))
    out = attention(query, key, value, tg.Tensor(mask))
    assert out.tolist() == [[0], [1]]
    out.sum().backward(create_graph=True)
    for leaf in (query, key, value):
        assert np.isfinite(leaf.grad.detach().data).all()
    np.testing.assert_allclose(value.grad.detach().data, 1 / 3, rtol=1e-6)


def test_large_scores():
    query, key = tg.tensor([[1e4]], requires_grad=True), tg.tensor([[1.0], [-1.0]])
    out = attention(query, key, tg.tensor([[3.0], [5.0]]))
    out.backward()
    assert out.tolist() == [[3]]
    assert query.grad.tolist() == [[0]]


def test_dropout():
    tg.manual_seed(0)
    query, value = tg.zeros(1, 1), tg.ones(2000, 1)
    out = attention(query, value, value, dropout_p=0.25).item()
    assert out != 1
    assert abs(out - 1) < 0.05


def test_nothing_to_see():
    assert attention(tg.ones(2, 3), tg.ones(0, 3), tg.ones(0, 1)).tolist() == [[0], [0]]


@fuzz_gradients(
    q=arrays((2, 2)), k=arrays((3, 2)), v=arrays((3, 1)), m=arrays((2, 3)), examples=10
)
def test_gradients(q, k, v, m):
    return attention(q, k, v, m)


def test_errors():
    x = tg.ones(2, 3)
    with pytest.raises(RuntimeError, match="give attn_mask or is_causal, not both"):
        attention(x, x, x, tg.ones(2, 2), is_causal=True)
    with pytest.raises(RuntimeError, match=r"key must be at least 2-d, got \(3,\)"):
        attention(x, tg.ones(3), x)
    with pytest.raises(RuntimeError, match="value must be float32 as the query, got float64"):
        attention(x, x, x.double())
    with pytest.raises(RuntimeError, match="attn_mask must be boolean or float32, got float64"):
        attention(x, x, x, tg.ones(2, 2).double())
    with pytest.raises(RuntimeError, match=r"\(4, 2, 3\) does not divide 6 heads"):
        attention(tg.ones(6, 2, 3), tg.ones(4, 2, 3), tg.ones(4, 2, 3), enable_gqa=True)
    with pytest.raises(RuntimeError, match="matmul"):
        attention(x, tg.ones(2, 4), x)
