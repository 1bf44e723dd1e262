"""What is no tensor is refused by a TypeError that names the function and the argument."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional as F

ONE = tg.ones(1)
CALLS = {
    "input": [
        *(getattr(F, f"dropout{kind}") for kind in ("", "1d", "2d", "3d")),
        *(F.alpha_dropout, F.feature_alpha_dropout, F.instance_norm),
        *(lambda x, f=f: f(x, 1) for f in (F.local_response_norm, F.normalize, F.group_norm)),
        *(lambda x, f=f: f(x, [1]) for f in (F.layer_norm, F.rms_norm)),
        lambda x: F.embedding(x, tg.ones(1, 1)),
    ],
    "weight": [lambda x: F.embedding(tg.tensor([0]), x)],
    "x1": [lambda x, f=f: f(x, ONE) for f in (tg.cdist, F.cosine_similarity, F.pairwise_distance)],
    "key": [lambda x: F.scaled_dot_product_attention(tg.ones(1, 1), x, x)],
    "negative": [
        lambda x, f=f: f(ONE, ONE, x)
        for f in (F.triplet_margin_loss, F.triplet_margin_with_distance_loss)
    ],
}
LOSSES = [
    *(F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.poisson_nll_loss, F.kl_div),
    *(F.binary_cross_entropy, F.binary_cross_entropy_with_logits, F.cross_entropy),
    *(F.multilabel_margin_loss, F.multilabel_soft_margin_loss, F.multi_margin_loss),
    *(F.soft_margin_loss, F.hinge_embedding_loss),
]


@pytest.mark.parametrize("argument", CALLS)
def test_refused(argument):
    for call in CALLS[argument]:
        with pytest.raises(TypeError, match=rf"^\w+: {argument} must be a Tensor.*, got list"):
            call([1.0])


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_refuse(loss):
    for argument, inputs in (("input", ([1.0], ONE)), ("target", (ONE, [1.0]))):
        with pytest.raises(TypeError, match=f"^{loss.__name__}: {argument} must be a Tensor, got list"):
            loss(*inputs)
