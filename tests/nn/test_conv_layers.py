"""Convolution layers beyond Conv2d: parameters, padding modes, the size of transposed ones, errors."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F

MODES = [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_parameters(dims, transposed) -> None:
    layer = getattr(nn, f"Conv{'Transpose' if transposed else ''}{dims}d")
    conv = layer(4, 6, 3, groups=2)
    kernel = (3,) * dims
    assert conv.weight.shape == ((4, 3, *kernel) if transposed else (6, 2, *kernel))
    assert conv.bias.shape == (6,)
    assert layer(4, 6, 3, bias=False, dtype=tg.float64).weight.dtype == tg.float64
    bound = 1 / np.sqrt(conv.weight.shape[1] * 3**dims)
    for parameter in (conv.weight, conv.bias):
        before = parameter.data.copy()
        conv.reset_parameters()
        assert (before != parameter.data).all()
        assert np.abs(parameter.data).max() <= bound


@pytest.mark.parametrize(("mode", "numpy_mode"), MODES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_padding_modes(dims, mode, numpy_mode) -> None:
    x = np.random.default_rng(0).standard_normal((2, 1, 4, 5, 6)[: 2 + dims]).astype(np.float32)
    conv = getattr(nn, f"Conv{dims}d")(1, 2, 2, padding=(1, 2, 3)[:dims], padding_mode=mode)
    widths = [(0, 0), (0, 0), (1, 1), (2, 2), (3, 3)][: 2 + dims]
    expected = conv._function(tg.tensor(np.pad(x, widths, numpy_mode)), conv.weight, conv.bias)
    np.testing.assert_array_equal(conv(tg.tensor(x)).data, expected.data)


@pytest.mark.parametrize("size", [(11, 13), (12, 14), (11, 14)])
def test_output_size_of_a_transposed_convolution(size) -> None:
    up = nn.ConvTranspose2d(4, 3, 3, stride=2)
    x = tg.randn(2, 4, 5, 6)
    extra = (size[0] - 11, size[1] - 13)
    expected = F.conv_transpose2d(x, up.weight, up.bias, 2, 0, extra)
    for given in (size, [2, 3, *size]):
        np.testing.assert_array_equal(up(x, given).data, expected.data)
    assert up(x[0], (3, *size)).shape == (3, *size)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nn.ConvTranspose2d(4, 3, 3, stride=2)(tg.zeros(1, 4, 5, 6), (13, 13)), ValueError,
         r"ConvTranspose2d: output_size must be from \(11, 13\) to \(12, 14\) .* got \(13, 13\)"),
        (lambda: nn.ConvTranspose2d(4, 3, 3)(tg.zeros(1, 4, 5, 6), [9]), ValueError,
         r"output_size must have 2 or 4 numbers for an input \(1, 4, 5, 6\), got \(9,\)"),
        (lambda: nn.ConvTranspose1d(4, 3, 3, padding_mode="reflect"), ValueError, "must be zeros"),
        (lambda: nn.ConvTranspose3d(4, 3, 3, padding="same"), TypeError, "padding must be an int"),
        (lambda: nn.ConvTranspose1d(4, 3, 3, groups=2), ValueError, "out_channels 3 is not divisible"),
        (lambda: nn.Conv3d(4, 3, (3, 3)), RuntimeError, "Conv3d: kernel_size must be an int or 3 ints"),
        (lambda: nn.Conv1d(4, 3, 3, padding="same", stride=2), ValueError, "needs stride 1, got 2"),
    ],
)  # fmt: skip
def test_errors(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_an_autoencoder_learns() -> None:
    tg.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Tanh()),
        nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=1),
    )
    images = tg.randn(8, 1, 6, 6)
    optimizer = tg.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = F.mse_loss(model(images), images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]
