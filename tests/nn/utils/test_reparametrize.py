"""Weight and spectral normalisation against their definitions, and against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn.utils import (
    remove_spectral_norm,
    remove_weight_norm,
    spectral_norm,
    weight_norm,
)


@pytest.mark.parametrize("dim", [0, 1, -1, None])
def test_weight_norm_keeps_the_weight_and_splits_its_gradient(dim):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype("f4")
    layer = nn.Conv2d(3, 4, 3)
    weight = layer.weight.data.copy()
    theirs = torch.nn.Conv2d(3, 4, 3)
    theirs.load_state_dict({k: torch.tensor(t.numpy()) for k, t in layer.state_dict().items()})
    with pytest.warns(FutureWarning):
        torch.nn.utils.weight_norm(theirs, dim=dim)
    assert weight_norm(layer, dim=dim) is layer
    assert sorted(layer.state_dict()) == sorted(theirs.state_dict())
    np.testing.assert_allclose(layer.weight.data, weight, rtol=1e-6)
    for lib, conv in ((tg, layer), (torch, theirs)):
        (conv(lib.tensor(x)) ** 2).sum().backward()
    for name, parameter in theirs.named_parameters():
        own = layer.get_parameter(name)
        assert own.shape == parameter.shape
        np.testing.assert_allclose(own.grad.data, parameter.grad.numpy(), rtol=1e-3, atol=1e-3)


def test_weight_norm_follows_its_parts_and_can_be_taken_back():
    layer = weight_norm(nn.Linear(2, 3))
    layer.weight_v.data[...] = [[3, 4], [0, 2], [5, 12]]
    layer.weight_g.data[...] = [[5], [1], [26]]
    layer(tg.ones(1, 2))
    np.testing.assert_allclose(layer.weight.data, [[3, 4], [0, 1], [10, 24]], rtol=1e-6)
    assert remove_weight_norm(layer) is layer
    assert {name for name, _ in layer.named_parameters()} == {"weight", "bias"}
    np.testing.assert_allclose(layer.weight.data, [[3, 4], [0, 1], [10, 24]], rtol=1e-6)
    layer(tg.ones(1, 2)).sum().backward()
    assert layer.weight.grad is not None


def test_spectral_norm_divides_by_the_largest_singular_value():
    layer = spectral_norm(nn.Conv2d(2, 4, 3))
    matrix = layer.weight_orig.data.reshape(4, -1)
    for _ in range(60):
        layer(tg.ones(1, 2, 3, 3))
    expected = matrix / np.linalg.svd(matrix)[1][0]
    np.testing.assert_allclose(layer.weight.data.reshape(4, -1), expected, rtol=1e-4)
    u = layer.weight_u.data.copy()
    layer.eval()(tg.ones(1, 2, 3, 3))
    np.testing.assert_array_equal(layer.weight_u.data, u)
    remove_spectral_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(layer.weight.data.reshape(4, -1), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["Linear", "ConvTranspose2d"])
def test_spectral_norm_agrees_with_pytorch(kind):
    torch = pytest.importorskip("torch")
    args, shape = ((3, 4), (2, 3)) if kind == "Linear" else ((3, 4, 2), (2, 3, 3, 3))
    layer = spectral_norm(getattr(nn, kind)(*args))
    theirs = torch.nn.utils.spectral_norm(getattr(torch.nn, kind)(*args))
    theirs.load_state_dict({k: torch.tensor(t.numpy().copy()) for k, t in layer.state_dict().items()})
    x = np.random.default_rng(0).normal(size=shape).astype("f4")
    for lib, module in ((tg, layer), (torch, theirs)):
        for _ in range(2):
            module.zero_grad()
            (module(lib.tensor(x)) ** 2).sum().backward()
    for name, expected in theirs.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[name].data, expected.numpy(), rtol=1e-4, atol=1e-6)
    got, expected = layer.weight_orig.grad.data, theirs.weight_orig.grad.numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)


def test_wrong_uses():
    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="remove_weight_norm: 'weight' of Linear has none"):
        remove_weight_norm(layer)
    with pytest.raises(ValueError, match="n_power_iterations must be positive, got 0"):
        spectral_norm(layer, n_power_iterations=0)
    with pytest.raises(AttributeError, match="has no parameter 'wight'"):
        weight_norm(layer, "wight")
    weight_norm(layer)
    with pytest.raises(RuntimeError, match="spectral_norm: 'weight' is computed already"):
        spectral_norm(layer)
