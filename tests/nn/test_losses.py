"""Each loss, distance and embedding as a layer: options, state, and that it is its function."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F

RNG = np.random.default_rng(0)
X, Y, Z = (RNG.standard_normal((4, 3)).astype(np.float32) for _ in range(3))
UNIT = RNG.uniform(0.1, 0.9, (4, 3)).astype(np.float32)
WEIGHT = np.array([0.5, 1.0, 2.0], np.float32)
LABELS, SIGN = np.array([0, 2, 1, 1]), np.array([1, -1, -1, 1])

# name of the layer and of the function, inputs, options
LOSSES = [
    ("CrossEntropyLoss", "cross_entropy", (X, LABELS), {"ignore_index": 2, "label_smoothing": 0.2}),
    ("CrossEntropyLoss", "cross_entropy", (X, LABELS), {"weight": WEIGHT}),
    ("NLLLoss", "nll_loss", (X, LABELS), {"weight": WEIGHT, "ignore_index": 1}),
    ("KLDivLoss", "kl_div", (X, Y), {"log_target": True}),
    ("MultiMarginLoss", "multi_margin_loss", (X, LABELS), {"p": 2, "margin": 0.5, "weight": WEIGHT}),
    ("BCELoss", "binary_cross_entropy", (UNIT, UNIT[::-1].copy()), {"weight": WEIGHT}),
    (
        "BCEWithLogitsLoss", "binary_cross_entropy_with_logits", (X, UNIT),
        {"weight": WEIGHT, "pos_weight": WEIGHT[::-1].copy()},
    ),
    ("MultiLabelSoftMarginLoss", "multilabel_soft_margin_loss", (X, UNIT), {"weight": WEIGHT}),
    ("SoftMarginLoss", "soft_margin_loss", (X, np.sign(Y)), {}),
    ("HingeEmbeddingLoss", "hinge_embedding_loss", (X, np.sign(Y)), {"margin": 0.5}),
    ("MultiLabelMarginLoss", "multilabel_margin_loss", (X, np.array([[0, -1, 1]] * 4)), {}),
    ("MSELoss", "mse_loss", (X, Y), {}),
    ("L1Loss", "l1_loss", (X, Y), {}),
    ("SmoothL1Loss", "smooth_l1_loss", (X, Y), {"beta": 0.5}),
    ("HuberLoss", "huber_loss", (X, Y), {"delta": 0.5}),
    ("PoissonNLLLoss", "poisson_nll_loss", (X, UNIT * 9), {"full": True}),
    ("PoissonNLLLoss", "poisson_nll_loss", (UNIT, UNIT * 9), {"log_input": False, "eps": 0.1}),
    ("GaussianNLLLoss", "gaussian_nll_loss", (X, Y, UNIT), {"full": True, "eps": 0.5}),
    ("CosineEmbeddingLoss", "cosine_embedding_loss", (X, Y, SIGN), {"margin": 0.25}),
    ("MarginRankingLoss", "margin_ranking_loss", (X, Y, np.sign(Z)), {"margin": 0.25}),
    (
        "TripletMarginLoss", "triplet_margin_loss", (X, Y, Z),
        {"margin": 2.0, "p": 3.0, "eps": 1e-3, "swap": True},
    ),
    (
        "TripletMarginWithDistanceLoss", "triplet_margin_with_distance_loss", (X, Y, Z),
        {"distance_function": lambda x, y: ((x - y) ** 2).sum(-1), "margin": 2.0, "swap": True},
    ),
]
each_loss = pytest.mark.parametrize(("name", "function", "inputs", "options"), LOSSES)
each_reduction = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
quietly = pytest.mark.filterwarnings("ignore:.*reduction:UserWarning", "ignore:kl_div:UserWarning")


def tensors(lib, options):
    return {k: lib.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}


@quietly
@each_reduction
@each_loss
def test_is_the_function(name, function, inputs, options, reduction):
    options = {**tensors(tg, options), "reduction": reduction}
    got = getattr(nn, name)(**options)(*map(tg.tensor, inputs))
    expected = getattr(F, function)(*map(tg.tensor, inputs), **options)
    np.testing.assert_array_equal(got.data, expected.data)
    plain = getattr(F, function)(*map(tg.tensor, inputs), reduction=reduction)
    assert len(options) == 1 or (got.data != plain.data).any()


@quietly
@each_reduction
@each_loss
def test_as_pytorch(name, function, inputs, options, reduction):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        leaf, *others = map(lib.tensor, inputs)
        leaf.requires_grad_()
        loss = getattr(lib.nn, name)(**tensors(lib, options), reduction=reduction)
        assert repr(loss).startswith(name)
        out = loss(leaf, *others)
        out.sum().backward()
        results.append([out.detach().numpy(), leaf.grad.numpy(), list(loss.state_dict())])
    for got, expected in zip(*map(list, results), strict=True):
        if isinstance(got, list):
            assert got == expected
        else:
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted({name for name, *_ in LOSSES}))
def test_options_are_pytorchs_but_the_deprecated(name):
    torch = pytest.importorskip("torch")
    parameters = [inspect.signature(getattr(lib.nn, name)).parameters for lib in (tg, torch)]
    mine, theirs = ({key: p.default for key, p in each.items()} for each in parameters)
    kept = {k: v for k, v in theirs.items() if k not in ("size_average", "reduce")}
    assert list(mine.items()) == list(kept.items())


@pytest.mark.parametrize("name", sorted({name for name, *_ in LOSSES}))
def test_repr(name):
    assert repr(getattr(nn, name)()) == f"{name}()"


def test_weights_are_buffers():
    loss = nn.BCEWithLogitsLoss(tg.tensor(WEIGHT), pos_weight=tg.tensor(WEIGHT))
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert not list(loss.parameters())
    assert loss.double().weight.dtype == tg.float64
    assert not nn.NLLLoss().state_dict()


def test_inputs_may_be_named():
    x, y = tg.tensor(X), tg.tensor(Y)
    assert nn.MSELoss()(input=x, target=y).item() == nn.MSELoss()(x, y).item()


def test_options_are_named():  # PyTorch has `size_average` in their place
    for make in (
        lambda: nn.CrossEntropyLoss(None, 1),
        lambda: nn.BCELoss(None, 1),
        lambda: nn.L1Loss("sum"),
    ):
        with pytest.raises(TypeError, match="positional"):
            make()


@pytest.mark.parametrize(("name", "function", "inputs", "options"), LOSSES)
def test_wrong_reduction(name, function, inputs, options):
    with pytest.raises(ValueError, match=f"{function}: reduction must be .*, got 'average'"):
        getattr(nn, name)(reduction="average")(*map(tg.tensor, inputs))


# -- distances ---------------------------------------------------------------------------------


def test_distances_are_the_functions():
    x, y = tg.tensor(X), tg.tensor(Y)
    got = nn.CosineSimilarity(0, 5.0)(x, y)
    np.testing.assert_array_equal(got.data, F.cosine_similarity(x, y, 0, 5.0).data)
    got = nn.PairwiseDistance(1.0, 0.5, keepdim=True)(x, y)
    np.testing.assert_array_equal(got.data, F.pairwise_distance(x, y, 1.0, 0.5, True).data)


# -- embedding ---------------------------------------------------------------------------------


class TestEmbedding:
    def test_starts_normal_with_a_padding_of_0(self) -> None:
        tg.manual_seed(0)
        layer = nn.Embedding(500, 8, padding_idx=-2)
        weight = layer.weight.data
        assert layer.padding_idx == 498
        assert not weight[498].any()
        assert abs(weight.mean()) < 0.05
        assert abs(weight.std() - 1) < 0.05

    def test_is_the_function(self) -> None:
        numbers = tg.tensor([[0, 2], [2, 1]])
        options = (1, 0.5, 1.0, True)
        layer = nn.Embedding(3, 4, *options)
        weight = tg.tensor(layer.weight.data, requires_grad=True)
        out, expected = layer(numbers), F.embedding(numbers, weight, *options)
        out.sum().backward()
        expected.sum().backward()
        np.testing.assert_array_equal(out.numpy(force=True), expected.numpy(force=True))
        np.testing.assert_array_equal(layer.weight.grad.numpy(), weight.grad.numpy())
        assert list(layer.state_dict()) == ["weight"]

    def test_from_pretrained(self) -> None:
        table = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
        layer = nn.Embedding.from_pretrained(table, padding_idx=0)
        assert np.shares_memory(layer.weight.data, table.data)
        assert not layer.weight.requires_grad
        assert layer(tg.tensor([0])).tolist() == [[1.0, 2.0]]
        assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad
        with pytest.raises(ValueError, match=r"expected a matrix, got shape \(2,\)"):
            nn.Embedding.from_pretrained(tg.ones(2))

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({}, "Embedding(3, 4)"),
            ({"padding_idx": -1}, "Embedding(3, 4, padding_idx=2)"),
            (
                {"max_norm": 1.0, "norm_type": 1.0, "scale_grad_by_freq": True},
                "Embedding(3, 4, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)",
            ),
        ],
    )
    def test_repr(self, options, text) -> None:
        assert repr(nn.Embedding(3, 4, **options)) == text

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match="padding_idx 3 is none of 3 rows"):
            nn.Embedding(3, 4, padding_idx=3)
        with pytest.raises(NotImplementedError, match="sparse must be False"):
            nn.Embedding(3, 4, sparse=True)
