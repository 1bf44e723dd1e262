"""The peers compute what this package does: else the comparison would mean nothing."""

from __future__ import annotations

import warnings
from contextlib import contextmanager

import numpy as np
import pytest

import tinygrad_cnn as tg

from . import cases, peers

MODELS = {
    "lenet": (cases.lenet, cases.GRAY),
    "mlp": (cases.mlp, cases.GRAY),
    "vgg": (cases.vgg, cases.COLOUR),
    "resnet20": (cases.resnet20, cases.COLOUR),
}
WALKING = sorted(peers.PEERS.keys() - {"PyTorch compile"})


@pytest.fixture(scope="module", params=WALKING)
def peer(request):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = peers.load(request.param)
    if found is None:
        pytest.skip(f"{request.param} does not run here")
    return found


@contextmanager
def skipping():
    """Skip what a peer cannot express."""
    try:
        yield
    except NotImplementedError:
        pytest.skip("cannot be expressed")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MODELS)
def test_scores_in_evaluation(peer, model):
    make, image = MODELS[model]
    images, _ = peers.images_and_labels(2, image)
    with tg.no_grad():
        expected = peers.Network(make).module.eval()(tg.tensor(images)).numpy()
    with skipping():
        got = np.asarray(peer.inference(make, 2, image)())
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MODELS)
def test_losses_in_training(peer, model):
    make, image = MODELS[model]
    images, labels = peers.images_and_labels(4, image)
    module = peers.Network(make).module
    optimizer = tg.optim.SGD(module.parameters(), peers.RATE, peers.MOMENTUM)
    step = peer.training(make, 4, image)
    for _ in range(4):
        optimizer.zero_grad()
        loss = tg.nn.functional.cross_entropy(module(tg.tensor(images)), tg.tensor(labels))
        loss.backward()
        optimizer.step()
        with skipping():
            got = float(np.asarray(step()))
        assert got == pytest.approx(loss.item(), rel=5e-3)
