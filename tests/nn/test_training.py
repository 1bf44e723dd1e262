"""LeNet-5 and small networks in training: sizes, gradients, learning, and the same in every run."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


def lenet(lib):
    """Return LeNet-5 made of the layers of `lib`, this package or torch."""
    n = lib.nn
    return n.Sequential(
        *(n.Conv2d(1, 6, 5, padding=2), n.ReLU(), n.MaxPool2d(2)),
        *(n.Conv2d(6, 16, 5), n.ReLU(), n.MaxPool2d(2)),
        *(n.Flatten(), n.Linear(400, 120), n.ReLU(), n.Linear(120, 84), n.ReLU(), n.Linear(84, 10)),
    )


def batch(size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 1, 28, 28)), rng.integers(0, 10, size)


def test_lenet_has_61706_parameters() -> None:
    model = lenet(tg)
    assert sum(p.numel() for p in model.parameters()) == 61_706
    assert [p.shape for p in model.parameters() if p.ndim > 1] == [
        *((6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)),
    ]
    assert model(tg.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-4), ("float64", 1e-10)])
def test_lenet_as_pytorch(dtype: str, rtol: float) -> None:
    torch = pytest.importorskip("torch")
    mine, other = lenet(tg).to(dtype), lenet(torch).to(getattr(torch, dtype))
    mine.load_state_dict({name: value.numpy() for name, value in other.state_dict().items()})
    assert repr(mine) == repr(other)
    images, labels = batch()
    a = tg.tensor(images.astype(dtype), requires_grad=True)
    b = torch.tensor(images.astype(dtype), requires_grad=True)
    loss = nn.CrossEntropyLoss()(mine(a), tg.tensor(labels))
    expected = torch.nn.CrossEntropyLoss()(other(b), torch.tensor(labels))
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=rtol)
    pairs = [(a, b), *zip(mine.parameters(), other.parameters(), strict=True)]
    for ours, theirs in pairs:
        scale = float(theirs.grad.abs().max())
        np.testing.assert_allclose(ours.grad.data, theirs.grad.numpy(), rtol=rtol, atol=rtol * scale)


def test_lenet_scopes() -> None:
    model = lenet(tg)
    loss = nn.CrossEntropyLoss()(model(tg.zeros(1, 1, 28, 28)), tg.tensor([3]))
    found, todo = set(), [loss.grad_fn]
    while todo:
        node = todo.pop()
        if hasattr(node, "scope"):
            found.add(node.scope)
            todo += [parent for parent, _ in node.next_functions]
    assert found == {"", *(str(i) for i in range(12))}


def test_each_layer_computes_in_the_dtype_of_the_model() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.AvgPool2d(2))
    for dtype in (tg.float64, tg.float32):
        out = model.to(dtype)(tg.zeros(2, 1, 6, 6, dtype=dtype))
        assert out.dtype == dtype


def train(steps: int, **options: float) -> tuple[nn.Module, float]:
    """Train a network with every kind of layer on one batch; return it and the last loss."""
    tg.manual_seed(5)
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.1)),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 49, 10)),
    )
    images, labels = batch()
    x, target = tg.tensor(images, dtype=tg.float32), tg.tensor(labels)
    optimizer = tg.optim.SGD(model.parameters(), lr=0.1, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
    return model, loss.item()


def test_one_batch_is_learnt_by_heart() -> None:
    model, last = train(60, momentum=0.9)
    assert last < 0.01
    images, labels = batch()
    scores = model.eval()(tg.tensor(images, dtype=tg.float32))
    assert scores.argmax(1).tolist() == labels.tolist()


def test_the_same_seed_gives_the_same_bits() -> None:
    (a, loss_a), (b, loss_b) = train(10, momentum=0.9), train(10, momentum=0.9)
    assert loss_a == loss_b
    for mine, its in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert mine.data.tobytes() == its.data.tobytes()


def test_going_on_from_a_state_gives_the_same_bits() -> None:
    model, _ = train(3)
    twin = train(1)[0]
    twin.load_state_dict(model.state_dict())
    images, labels = batch()
    x, target = tg.tensor(images, dtype=tg.float32), tg.tensor(labels)
    gradients = []
    for m in (model, twin):
        tg.manual_seed(9)
        m.zero_grad()
        nn.functional.cross_entropy(m(x), target).backward()
        gradients.append([p.grad.data.tobytes() for p in m.parameters()])
    assert gradients[0] == gradients[1]
