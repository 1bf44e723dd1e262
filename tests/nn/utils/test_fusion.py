"""A fused layer does what both layers did."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn.utils import fuse_conv_bn_eval, fuse_linear_bn_eval


def statistics(bn):
    draw = np.random.default_rng(0)
    for name, tensor in bn.state_dict().items():
        if tensor.is_floating_point():
            values = draw.uniform(0.5, 2, tensor.shape) * (1 if name == "running_var" else draw.choice([-1, 1]))
            tensor.data[...] = values
    return bn.eval()


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("layer", "bn", "shape", "transpose"),
    [
        (lambda bias: nn.Conv2d(4, 6, 3, groups=2, bias=bias), nn.BatchNorm2d, (2, 4, 5, 5), False),
        (lambda bias: nn.Conv1d(4, 6, 3, bias=bias), nn.BatchNorm1d, (2, 4, 5), False),
        (lambda bias: nn.ConvTranspose2d(4, 6, 3, bias=bias), nn.BatchNorm2d, (2, 4, 5, 5), True),
    ],
)
def test_convolutions(layer, bn, shape, transpose, bias, affine):
    conv, bn = layer(bias).eval(), statistics(bn(6, affine=affine))
    before = {name: t.data.copy() for name, t in conv.state_dict().items()}
    fused = fuse_conv_bn_eval(conv, bn, transpose)
    x = tg.randn(*shape)
    np.testing.assert_allclose(fused(x).data, bn(conv(x)).data, rtol=1e-4, atol=1e-5)
    assert type(fused) is type(conv)
    for name, values in before.items():
        np.testing.assert_array_equal(conv.state_dict()[name].data, values)


def test_linear():
    linear, bn = nn.Linear(3, 5).eval(), statistics(nn.BatchNorm1d(5))
    x = tg.randn(4, 3)
    np.testing.assert_allclose(
        fuse_linear_bn_eval(linear, bn)(x).data, bn(linear(x)).data, rtol=1e-4, atol=1e-5
    )


def test_what_cannot_be_fused():
    conv, bn = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)
    with pytest.raises(RuntimeError, match=r"both layers must be in evaluation mode; call eval\(\)"):
        fuse_conv_bn_eval(conv.eval(), bn)
    bn = nn.BatchNorm2d(1, track_running_stats=False).eval()
    with pytest.raises(RuntimeError, match="BatchNorm2d has no running statistics"):
        fuse_conv_bn_eval(conv, bn)
