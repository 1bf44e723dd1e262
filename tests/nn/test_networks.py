"""Random small CNNs: against finite differences, and against PyTorch in everything it shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

import tinygrad_cnn as tg
from tinygrad_cnn.testing import gradcheck, gradgradcheck, strategies


def blueprint(draw):
    """Draw an input shape and a list of (layer, positional arguments, keyword arguments)."""
    channels, side = draw.integer(1, 3), draw.integer(5, 8)
    shape = (draw.integer(2, 3), channels, side, side)
    layers = []
    for _ in range(draw.integer(1, 3)):
        groups = draw.choice([1, channels])
        out = groups * draw.integer(1, 2)
        stride, padding = draw.choice([(1, 0), (1, 1), (2, 1), (1, "same")])
        kernel = min(draw.choice([3, 1, 2]), side)
        options = {"stride": stride, "padding": padding, "groups": groups, "bias": draw.boolean()}
        layers.append(("Conv2d", (channels, out, kernel), options))
        channels = out
        side = side if padding == "same" else (side + 2 * padding - kernel) // stride + 1
        if draw.boolean():
            layers.append(("BatchNorm2d", (channels,), {"affine": draw.boolean()}))
        layers.append((draw.choice(["Tanh", "ReLU", "LeakyReLU", "Sigmoid", "Identity"]), (), {}))
        if side >= 2 and draw.boolean():
            layers.append((draw.choice(["MaxPool2d", "AvgPool2d"]), (2,), {}))
            side //= 2
    if draw.boolean():
        layers.append(("AdaptiveAvgPool2d", (1,), {}))
        side = 1
    layers.append(("Flatten", (), {}))
    layers.append(("Linear", (channels * side * side, 3), {}))
    if draw.boolean():
        layers.append(("BatchNorm1d", (3,), {"momentum": draw.choice([None, 0.3])}))
    return shape, layers


def build(lib, layers):
    return lib.nn.Sequential(*(getattr(lib.nn, kind)(*args, **kw) for kind, args, kw in layers))


def planned(draw):
    """Return a blueprint, images and labels."""
    shape, layers = blueprint(draw)
    return layers, draw.array(shape), draw.integers(shape[:1], 0, 2)


def fresh(draw):
    """Return a float64 model, images and labels."""
    layers, images, labels = planned(draw)
    model = build(tg, layers).double()
    with tg.no_grad():
        for parameter in model.parameters():
            parameter.copy_(tg.tensor(draw.array(parameter.shape, -1, 1)))
    return model, images, labels


@given(strategies.drawn(fresh))
@settings(max_examples=25)
@pytest.mark.filterwarnings("ignore::tinygrad_cnn.testing.KinkWarning")
def test_gradients_of_first_and_second_order_agree_with_finite_differences(example):
    model, images, labels = example
    leaves = (tg.tensor(images, requires_grad=True), *model.parameters())

    def loss(x, *_):
        return tg.nn.functional.cross_entropy(model(x), tg.tensor(labels))

    assert gradcheck(loss, leaves, fast_mode=True)
    assert gradgradcheck(loss, leaves, fast_mode=True)


@pytest.fixture(scope="module")
def torch():
    """PyTorch, on one thread: its others would wait busily for work on such small arrays."""
    module = pytest.importorskip("torch")
    threads = module.get_num_threads()
    module.set_num_threads(1)
    yield module
    module.set_num_threads(threads)


@given(strategies.drawn(planned))
@settings(max_examples=40)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_agrees_with_pytorch(torch, example):
    layers, images, labels = example
    theirs = build(torch, layers).double()
    mine = build(tg, layers).double()
    shown = repr(theirs).replace("True, bias=True, track", "True, track")  # newer ones show it
    assert repr(mine) == shown.replace("False, bias=False, track", "False, track")
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    assert list(mine.state_dict()) == list(state)
    mine.load_state_dict(state)
    results = []
    for lib, model in ((tg, mine), (torch, theirs)):
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        x = lib.tensor(images, requires_grad=True)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = lib.nn.CrossEntropyLoss()(model(x), lib.tensor(labels))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        final = [model(x).detach().numpy(), x.grad.numpy(), *(p.grad.numpy() for p in model.parameters())]
        state = [tensor.numpy() for tensor in model.state_dict().values()]
        results.append([np.asarray(losses), *final, *state])
    for got, expected in zip(*results, strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
