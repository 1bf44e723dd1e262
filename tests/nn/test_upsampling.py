"""The layers that change an image's size, or shuffle, are the functions of their names."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F

LAYERS = [
    (
        nn.Upsample(scale_factor=2),
        lambda x: F.interpolate(x, scale_factor=2),
        "scale_factor=2.0, mode='nearest'",
    ),
    (
        nn.Upsample(7, mode="bilinear"),
        lambda x: F.interpolate(x, 7, mode="bilinear"),
        "size=7, mode='bilinear'",
    ),
    (
        nn.Upsample((5, 7), None, "bicubic", True),
        lambda x: F.interpolate(x, (5, 7), mode="bicubic", align_corners=True),
        "size=(5, 7), mode='bicubic'",
    ),
    (
        nn.Upsample(scale_factor=(1.6, 2), mode="bilinear", recompute_scale_factor=True),
        lambda x: F.interpolate(
            x, scale_factor=(1.6, 2), mode="bilinear", recompute_scale_factor=True
        ),
        "scale_factor=(1.6, 2.0), mode='bilinear'",
    ),
    (
        nn.UpsamplingNearest2d(scale_factor=3),
        lambda x: F.interpolate(x, scale_factor=3),
        "scale_factor=3.0, mode='nearest'",
    ),
    (
        nn.UpsamplingBilinear2d((3, 9)),
        lambda x: F.interpolate(x, (3, 9), mode="bilinear", align_corners=True),
        "size=(3, 9), mode='bilinear'",
    ),
    (nn.PixelShuffle(2), lambda x: F.pixel_shuffle(x, 2), "upscale_factor=2"),
    (nn.PixelUnshuffle(2), lambda x: F.pixel_unshuffle(x, 2), "downscale_factor=2"),
    (nn.ChannelShuffle(4), lambda x: F.channel_shuffle(x, 4), "groups=4"),
]


@pytest.mark.parametrize(("layer", "function", "text"), LAYERS)
def test_is_the_function(layer, function, text):
    x = tg.tensor(np.random.default_rng(0).standard_normal((2, 8, 4, 6)))
    np.testing.assert_array_equal(layer(x).data, function(x).data)
    assert repr(layer) == f"{type(layer).__name__}({text})"


@pytest.mark.parametrize("layer", [layer for layer, _, _ in LAYERS])
def test_reads_as_in_pytorch(layer):
    torch = pytest.importorskip("torch")
    kind = getattr(torch.nn, type(layer).__name__)
    options = {k: v for k, v in vars(layer).items() if k[0] != "_" and k != "training"}
    if kind is not torch.nn.Upsample and isinstance(layer, nn.Upsample):
        options = {k: options[k] for k in ("size", "scale_factor")}
    assert repr(kind(**options)) == repr(layer)
