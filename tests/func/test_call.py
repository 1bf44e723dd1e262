"""Modules as functions of their parameters and buffers."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.func import functional_call, grad, hessian

X = tg.tensor(np.random.default_rng(0).standard_normal((4, 2)))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(2, 2, dtype=tg.float64)
        self.second = nn.Linear(2, 2, dtype=tg.float64)
        self.second.weight = self.first.weight
        self.register_buffer("shift", tg.zeros(2, dtype=tg.float64))

    def forward(self, x, scale=1.0):
        return self.second(self.first(x).tanh()) * scale + self.shift


def test_other_tensors_stand_in_and_are_taken_out_again():
    net = Net()
    before = dict(net.named_parameters())
    out = functional_call(net, {"shift": tg.ones(2)}, X, {"scale": 2.0})
    np.testing.assert_allclose(out.detach().numpy(), net(X, 2.0).detach().numpy() + 1)
    with pytest.raises(RuntimeError, match=r"matmul|linear"):
        functional_call(net, {"first.weight": tg.ones(3, 3)}, (X,))
    assert all(tensor is before[name] for name, tensor in net.named_parameters())
    assert net.shift.tolist() == [0, 0]


def test_tied_weights():
    net = Net()
    weight = tg.zeros(2, 2, dtype=tg.float64)
    out = functional_call(net, {"first.weight": weight}, X)
    np.testing.assert_allclose(out.detach().numpy(), np.tile(net.second.bias.detach().numpy(), (4, 1)))
    untied = functional_call(net, {"first.weight": weight}, X, tie_weights=False)
    assert not np.allclose(out.detach().numpy(), untied.detach().numpy())


def test_gradients_and_hessian_of_a_module():
    net = Net()
    params = {name: p.detach() for name, p in net.named_parameters()}
    loss = lambda params: (functional_call(net, params, X) ** 2).mean()
    gradient = grad(loss)(params)
    (net(X) ** 2).mean().backward()
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(gradient[name].numpy(), parameter.grad.numpy())
        assert not gradient[name].requires_grad
    second = hessian(loss)(params)
    weights = second["first.weight"]["first.weight"].numpy().reshape(4, 4)
    np.testing.assert_allclose(weights, weights.T, atol=1e-12)


def test_names_that_do_not_match():
    net = Net()
    out = functional_call(net, {"nothing": X}, X)
    np.testing.assert_array_equal(out.detach().numpy(), net(X).detach().numpy())
    with pytest.raises(RuntimeError, match=r"missing \['first.bias', .* not in the module \['nothing'\]"):
        functional_call(net, {"nothing": X, "first.weight": X}, X, strict=True)
    everything = [dict(net.named_parameters()), dict(net.named_buffers())]
    functional_call(net, everything, X, strict=True)
    with pytest.raises(ValueError, match=r"\['shift'\] are in two"):
        functional_call(net, [*everything, {"shift": X}], X)
