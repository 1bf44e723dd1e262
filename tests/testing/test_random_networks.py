"""Random convolutional networks agree with finite differences, to second order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.testing import Draw, gradcheck, gradgradcheck


class Network:
    """A few convolutions, activations, poolings and a loss, with all its parameters."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.parameters: list[tg.Tensor] = []
        self.layers: list = []
        batch, channels, side = draw.integer(1, 2), draw.integer(1, 2), draw.integer(4, 6)
        self.input = self.variable((batch, channels, side, side))
        x = self.input
        for _ in range(draw.integer(1, 2)):
            for layer in (self.convolution(x), self.activation(), self.pooling()):
                self.layers.append(layer)
                x = layer(x)
        self.layers.append(lambda x: F.adaptive_avg_pool2d(x, (1, 2)).flatten(1))
        features, classes = 2 * x.shape[1], draw.integer(2, 3)
        weight, bias = self.variable((classes, features)), self.variable((classes,))
        self.layers.append(lambda x: F.linear(x, weight, bias))
        self.target = tg.tensor(draw.integers((batch,), 0, classes - 1))

    def variable(self, shape: tuple[int, ...]) -> tg.Tensor:
        made = tg.Tensor(self.draw.array(shape, -1, 1), requires_grad=True)
        self.parameters.append(made)
        return made

    def convolution(self, x: tg.Tensor):
        groups = self.draw.choice([1, x.shape[1]])
        out = groups * self.draw.integer(1, 2)
        kernel = (self.draw.integer(1, 3), self.draw.integer(1, 3))
        weight = self.variable((out, x.shape[1] // groups, *kernel))
        bias = self.variable((out,)) if self.draw.boolean() else None
        options = {
            "stride": self.draw.integer(1, 2),
            "padding": (self.draw.integer(1, 2), self.draw.integer(1, 2)),
            "dilation": self.draw.integer(1, 2),
            "groups": groups,
        }
        return lambda x: F.conv2d(x, weight, bias, **options)

    def activation(self):
        return self.draw.choice([tg.tanh, tg.sigmoid, lambda x: F.leaky_relu(x + 5, 0.1)])

    def pooling(self):
        average = lambda x: F.avg_pool2d(x, 2, 1, padding=1, ceil_mode=True)
        return self.draw.choice([lambda x: x, average])

    def loss(self, *_: tg.Tensor) -> tg.Tensor:
        x = self.input
        for layer in self.layers:
            x = layer(x)
        return F.cross_entropy(x, self.target)


@settings(max_examples=25)
@given(st.data())
def test_first_and_second_order(data):
    network = Network(Draw.from_hypothesis(data))
    everything = tuple(network.parameters)
    assert gradcheck(network.loss, everything, fast_mode=True)
    assert gradgradcheck(network.loss, everything, fast_mode=True)


def test_each_element_of_one():
    network = Network(Draw.from_seed(3))
    assert gradcheck(network.loss, tuple(network.parameters))


def test_a_broken_layer_is_noticed(monkeypatch):
    conv2d = registry["conv2d"]
    (rule,) = [rule for rule in conv2d.rules if "bias" in rule.inputs]
    right = rule.function
    monkeypatch.setattr(rule, "function", lambda *kept: right(*kept) * 2)
    monkeypatch.setattr(conv2d, "_plans", {})
    for seed in range(10):
        network = Network(Draw.from_seed(seed))
        if not gradcheck(
            network.loss, tuple(network.parameters), fast_mode=True, raise_exception=False
        ):
            return
    pytest.fail("a wrong bias gradient went unseen")


def test_values_are_float64_throughout():
    network = Network(Draw.from_seed(0))
    assert network.loss().dtype == np.float64
