"""Sizes, costs and receptive fields, against what the operations do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.utils import conv_macs, conv_output_size, receptive_field


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [*itertools.product([1, 2, 3], [1, 2, 3], [0, 1], [1, 2]), (3, 1, "same", 2), (2, 2, "valid", 1)],
)
def test_output_size_is_the_convolutions(kernel, stride, padding, dilation) -> None:
    for size in (5, 6, 7):
        out = F.conv1d(tg.zeros(1, size), tg.zeros(1, 1, kernel), None, stride, padding, dilation)
        assert conv_output_size(size, kernel, stride, padding, dilation) == out.shape[-1]


def test_output_size_along_each_axis() -> None:
    out = F.conv2d(tg.zeros(1, 9, 8), tg.zeros(1, 1, 3, 2), None, (2, 1), (1, 0), (1, 3))
    assert conv_output_size((9, 8), (3, 2), (2, 1), (1, 0), (1, 3)) == out.shape[1:]
    assert conv_output_size([9, 8], 3, 2) == (4, 3)
    with pytest.raises(RuntimeError, match=r"window .5, 5. is larger than the padded input .4, 9."):
        conv_output_size((4, 9), 5)
    with pytest.raises(RuntimeError, match="stride must be at least 1"):
        conv_output_size(4, 3, 0)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("bias", [False, True])
def test_macs_by_counting(groups: int, bias: bool) -> None:
    # with ones everywhere, each output is the number of its products
    weight = tg.ones(6, 4 // groups, 3, 2)
    out = F.conv2d(tg.ones(4, 8, 7), weight, tg.ones(6) if bias else None, 2, groups=groups)
    assert conv_macs(4, 6, (3, 2), out.shape[1:], groups, bias) == out.sum().item()


CHAINS = [
    [nn.Conv1d(1, 1, 3)],
    [nn.Conv1d(1, 1, 3, stride=2, padding=1), nn.ReLU(), nn.Conv1d(1, 1, 3, dilation=2, padding=2)],
    [nn.Conv1d(1, 1, 5, padding="same"), nn.AvgPool1d(2), nn.BatchNorm1d(1), nn.Conv1d(1, 1, 2)],
    [nn.Conv1d(1, 1, 3, stride=3), nn.Dropout(), nn.Conv1d(1, 1, 3, stride=2), nn.AvgPool1d(3, 1)],
]


@pytest.mark.parametrize("chain", CHAINS)
def test_receptive_field_is_where_the_gradient_goes(chain) -> None:
    model = nn.Sequential(*chain).eval()
    for name, parameter in model.named_parameters():
        parameter.data[...] = 0 if name.endswith("bias") else 1
    size, stride, padding = receptive_field(model)
    assert receptive_field(chain) == (size, stride, padding)
    x = tg.rand(1, 1, 60, requires_grad=True)  # positive: no activation cuts a gradient off
    out = model(x + 1)
    for i in (3, 4):
        (gradient,) = tg.autograd.grad(out[0, 0, i], x, retain_graph=True)
        seen = np.flatnonzero(gradient.data)
        start = i * stride[0] - padding[0]
        assert (seen[0], seen[-1]) == (start, start + size[0] - 1)


def test_receptive_fields_known_from_the_literature() -> None:
    convolutions = [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
    alexnet = [nn.Conv2d(1, 1, *options) for options in convolutions]
    for place in (1, 3, 7):
        alexnet.insert(place, nn.MaxPool2d(3, 2))
    assert receptive_field(alexnet).size == (195, 195)  # Araujo et al., table 1
    three = [nn.Conv2d(1, 1, 3) for _ in range(3)]  # as one of 7 x 7: Simonyan and Zisserman
    assert receptive_field(three) == receptive_field(nn.Conv2d(1, 1, 7))
    mixed = [nn.Conv2d(1, 1, (3, 1)), nn.MaxPool2d((1, 2)), nn.Sequential(nn.Conv2d(1, 1, 3))]
    assert receptive_field(mixed) == ((5, 6), (1, 2), (0, 0))


def test_what_has_no_receptive_field() -> None:
    with pytest.raises(TypeError, match="receptive_field: Linear is not a convolution"):
        receptive_field([nn.Conv2d(1, 1, 3), nn.Linear(3, 3)])
    with pytest.raises(TypeError, match="AdaptiveAvgPool2d is not"):
        receptive_field(nn.Sequential(nn.AdaptiveAvgPool2d(1)))
    with pytest.raises(ValueError, match="no layer has a window"):
        receptive_field([nn.ReLU()])
