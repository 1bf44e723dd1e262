"""Losses against loops over targets, against PyTorch, and their errors."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops import loss as ops
from tinygrad_cnn.testing import Draw, fuzz_gradients
from tinygrad_cnn.testing.strategies import arrays

inf, nan = math.inf, math.nan
REDUCTIONS = ["mean", "sum", "none"]


def tensor(values, dtype=np.float32, requires_grad=False):
    return Tensor(np.asarray(values, dtype), requires_grad=requires_grad)


def labels(values):
    return tensor(values, np.int64)


def zeros(*shape):
    return tensor(np.zeros(shape))


# -- nll_loss ----------------------------------------------------------------------------------


def naive_nll(x, target, weight, ignore_index, reduction):
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    weight = [1.0] * classes if weight is None else weight.tolist()
    losses, weights = np.zeros(target.shape), []
    for index in np.ndindex(target.shape):
        label = int(target[index])
        if label != ignore_index:
            losses[index] = -weight[label] * x[(*index[:1], label, *index[1:])]
            weights.append(weight[label])
    if reduction == "none":
        return losses
    total = math.fsum(losses.ravel())
    return total / math.fsum(weights) if reduction == "mean" else total


@pytest.mark.oracle("nll_loss")
def test_nll_loss_agrees_with_loops():
    for seed in range(100):
        x, target, weight, options = registry["nll_loss"].sampler(Draw.from_seed(seed))
        got = ops.nll_loss(
            Tensor(x), Tensor(target), None if weight is None else Tensor(weight), **options
        )
        expected = naive_nll(x, target, weight, **options)
        assert got.shape == np.shape(expected)
        np.testing.assert_allclose(got.data, expected, rtol=1e-13)


def test_nll_loss_ignores():
    x = tensor([[-inf, -1], [nan, -3], [-5, -7]], requires_grad=True)
    loss = ops.nll_loss(x, labels([0, 0, 1]), ignore_index=0)
    assert loss.item() == 7
    loss.backward()
    np.testing.assert_array_equal(x.grad.data, [[0, 0], [0, 0], [0, -1]])


@pytest.mark.parametrize("function", [ops.nll_loss, ops.cross_entropy])
def test_nothing_counts(function):
    x = tensor([[-1, -2], [-3, -4]], requires_grad=True)
    for target in (labels([-100, -100]), tensor([255, 255], np.uint8)):
        ignored = int(target.data[0])
        loss = function(x, target, ignore_index=ignored)
        assert math.isnan(loss.item())
        x.grad = None
        loss.backward()
        np.testing.assert_array_equal(x.grad.data, np.zeros((2, 2)))
        assert function(x, target, ignore_index=ignored, reduction="sum").item() == 0
    empty, none = zeros(0, 3), labels(np.ones(0))
    assert math.isnan(function(empty, none).item())
    assert function(empty, none, reduction="sum").item() == 0
    assert function(empty, none, reduction="none").shape == (0,)


@pytest.mark.parametrize(
    ("x", "target", "error", "message"),
    [
        (zeros(2, 3), labels([0, 5]), IndexError, "nll_loss: target has the label 5, expected 0 to 2 for 3 classes"),
        (zeros(2, 3), labels([-1, 0]), IndexError, "nll_loss: target has the label -1"),
        (zeros(3), labels(3), IndexError, "nll_loss: target has the label 3"),
        (zeros(2, 3), tensor([0, 1]), RuntimeError, "nll_loss: target must be integer class labels, got float32"),
        (zeros(2, 3), tensor([0, 1], bool), RuntimeError, "nll_loss: target must be integer class labels, got bool"),
        (zeros(2, 3), labels([0, 1, 2]), ValueError, r"nll_loss: input \(2, 3\) and target \(3,\) differ in batch size"),
        (zeros(2, 3, 4), labels([0, 1]), RuntimeError, r"nll_loss: input \(2, 3, 4\) expects a target of shape \(2, 4\), got \(2,\)"),
        (zeros(3), labels([1]), RuntimeError, r"nll_loss: input \(3,\) expects a target of shape \(\), got \(1,\)"),
        (zeros(), labels(0), ValueError, r"must have shape \(C,\) or \(N, C, ...\), got \(\)"),
    ],
)
def test_wrong_targets(x, target, error, message):
    for function in (ops.nll_loss, ops.cross_entropy):
        with pytest.raises(error, match=message):
            function(x, target)


@pytest.mark.parametrize("function", [ops.nll_loss, ops.cross_entropy])
def test_wrong_reduction(function):
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got 'max'"):
        function(zeros(2, 3), labels([0, 1]), reduction="max")


@pytest.mark.parametrize("function", [ops.nll_loss, ops.cross_entropy])
def test_wrong_weight(function):
    message = rf"{function.__name__}: weight must have shape \(3,\), one for each class, got \(2,\)"
    with pytest.raises(RuntimeError, match=message):
        function(zeros(2, 3), labels([0, 1]), tensor([1, 1]))


def test_nll_loss_needs_floating_input():
    with pytest.raises(RuntimeError, match="nll_loss: input must be floating, got int64"):
        ops.nll_loss(labels([[1, 2]]), labels([0]))


# -- cross_entropy -----------------------------------------------------------------------------


def test_cross_entropy_is_nll_of_log_softmax_in_the_graph():
    loss = ops.cross_entropy(tensor([[1, 2]], requires_grad=True), labels([0]))
    assert loss.grad_fn.name() == "nll_loss"
    assert loss.grad_fn.next_functions[0][0].name() == "log_softmax"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_cross_entropy_of_large_scores(dtype):
    x = tensor([[1e4, -1e4], [-1e4, 1e4], [0, -inf]], dtype, requires_grad=True)
    each = ops.cross_entropy(x, labels([0, 0, 0]), reduction="none")
    np.testing.assert_array_equal(each.data, np.array([0, 2e4, 0], dtype))
    each.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad.data, [[0, 0], [-1, 1], [0, 0]])


def test_labels_as_probabilities_give_the_same():
    rng = np.random.default_rng(0)
    x, target = tensor(rng.normal(size=(5, 3)), np.float64), rng.integers(0, 3, 5)
    sure = tensor(np.eye(3)[target], np.float64)
    for reduction, smoothing in itertools.product(REDUCTIONS, [0.0, 0.3, 1.0]):
        options = {"reduction": reduction, "label_smoothing": smoothing}
        by_label = ops.cross_entropy(x, labels(target), **options)
        np.testing.assert_allclose(
            ops.cross_entropy(x, sure, **options).data, by_label.data, rtol=1e-14
        )


def test_wrong_probabilities():
    x = zeros(2, 3)
    with pytest.raises(RuntimeError, match=r"of the input's shape \(2, 3\) holds probabilities"):
        ops.cross_entropy(x, labels(np.ones((2, 3))))
    with pytest.raises(RuntimeError, match="ignore_index is for labels"):
        ops.cross_entropy(x, x, ignore_index=0)
    for smoothing in (-0.1, 1.5, nan):
        with pytest.raises(RuntimeError, match="label_smoothing must be 0 to 1"):
            ops.cross_entropy(x, x, label_smoothing=smoothing)
    with pytest.raises(RuntimeError, match="log_softmax: input must be floating, got int64"):
        ops.cross_entropy(labels([[1, 2]]), labels([0]))


@fuzz_gradients(x=arrays(shape=(3, 4)), weight=arrays(shape=(4,), low=0.1), target=arrays(shape=(3, 4)), examples=20)
def test_gradient_of_cross_entropy_of_probabilities(x, weight, target):
    return ops.cross_entropy(x, target, weight, label_smoothing=0.1)


@fuzz_gradients(x=arrays(shape=(3, 4, 2)), examples=20)
def test_gradient_of_smoothed_cross_entropy(x):
    target = labels([[0, 3], [1, 1], [-100, 2]])
    return ops.cross_entropy(x, target, tensor([0.5, 1, 2, 0.1]), label_smoothing=0.2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 4, 2), (2, 4, 3, 2), (0, 4)])
def test_agrees_with_pytorch(shape, dtype):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    tolerance = {np.float16: 1e-2, np.float32: 2e-6, np.float64: 1e-12}[dtype]
    at = 1 if len(shape) > 1 else 0
    for weighted, reduction, smoothing, ignored, target in itertools.product(
        [False, True], REDUCTIONS, [0.0, 0.1], [-100, 1], ["labels", "probabilities"]
    ):
        if target == "probabilities" and ignored == 1:
            continue
        values = (rng.normal(size=shape) * 3).astype(dtype)
        if target == "labels":
            goal = np.asarray(rng.integers(0, 4, shape[:at] + shape[at + 1 :]))
        else:
            goal = rng.random(shape).astype(dtype)
        weight = rng.random(4).astype(dtype) if weighted else None
        for name in ("cross_entropy", "nll_loss"):
            options = {"reduction": reduction, "ignore_index": ignored}
            if name == "cross_entropy":
                options["label_smoothing"] = smoothing
            elif target == "probabilities" or smoothing:
                continue
            learn = goal.dtype.kind == "f"
            ours = [tensor(values, dtype, True), Tensor(goal, requires_grad=learn)]
            # in double precision, as its float16 is less exact
            theirs = [torch.tensor(x.data.astype("f8" if x.requires_grad else "i8")) for x in ours]
            for x, y in zip(ours, theirs, strict=True):
                y.requires_grad_(x.requires_grad)
            weights = torch.tensor(weight.astype("f8")) if weighted else None
            expected = getattr(torch.nn.functional, name)(*theirs, weights, **options)
            got = getattr(ops, name)(*ours, Tensor(weight) if weighted else None, **options)
            assert got.dtype == dtype
            g = np.asarray(rng.normal(size=got.shape), dtype)
            expected.backward(torch.tensor(g.astype("f8")))
            got.backward(g)
            pairs = [(got, expected.detach()), (ours[0].grad, theirs[0].grad)]
            if learn:
                pairs.append((ours[1].grad, theirs[1].grad))
            for x, y in pairs:
                np.testing.assert_allclose(x.data, y.numpy(), rtol=tolerance, atol=tolerance)


# -- each loss against Python ------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def naive_kl(x, y):
    return (y * math.log(y) if y else 0) - y * x


def naive_bce(p, y):
    def log(q):
        return max(math.log(q), -100) if q else -100

    return -(y * log(p) + (1 - y) * log(1 - p))


def naive_multi_margin(scores, label, p, margin, weight):
    each = [
        max(0, margin - scores[label] + score) ** p for i, score in enumerate(scores) if i != label
    ]
    return weight[label] * sum(each) / len(scores)


def naive_multilabel_margin(scores, target):
    right = list(itertools.takewhile(lambda label: label >= 0, target))
    wrong = [score for i, score in enumerate(scores) if i not in right]
    return sum(max(0, 1 - scores[j] + score) for j in right for score in wrong) / len(scores)


RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(2, 4, 3)) * 2
P, Q = RNG.uniform(0.05, 0.95, (2, 4, 3))
SIGNS = RNG.choice([-1, 1, 0], (4, 3))
W = np.array([0.5, 1.0, 2.0])
LABELS = np.array([0, 2, 1, 1])
SETS = np.array([[0, -1, 2], [2, 1, -1], [-1, 0, 1], [1, 1, 0]])

# function, inputs, options, what it is for each element (or row)
CASES = {
    "kl_div": (X, Q, {}, naive_kl),
    "kl_div of logarithms": (X, Y, {"log_target": True}, lambda x, y: math.exp(y) * (y - x)),
    "binary_cross_entropy": (P, Q, {}, naive_bce),
    "binary_cross_entropy_with_logits": (X, Q, {}, lambda x, y: naive_bce(sigmoid(x), y)),
    "soft_margin_loss": (X, SIGNS, {}, lambda x, y: math.log(1 + math.exp(-y * x))),
    "hinge_embedding_loss": (
        X, SIGNS, {"margin": 0.5},
        lambda x, y: (x if y != -1 else 0) + (max(0, 0.5 - x) if y != 1 else 0),
    ),
    "multi_margin_loss": (
        X, LABELS, {"p": 2, "margin": 0.5, "weight": Tensor(W)},
        lambda row, label: naive_multi_margin(row, label, 2, 0.5, W),
    ),
    "multilabel_margin_loss": (X, SETS, {}, naive_multilabel_margin),
    "multilabel_soft_margin_loss": (
        X, Q, {},
        lambda row, target: sum(naive_bce(sigmoid(x), y) for x, y in zip(row, target, strict=True)) / 3,
    ),
}  # fmt: skip
BY_ROW = {"multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss"}
quietly = pytest.mark.filterwarnings("ignore:kl_div:UserWarning")


@quietly
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_python(case, reduction):
    x, y, options, naive = CASES[case]
    name = case.partition(" ")[0]
    rows = x.tolist() if name in BY_ROW else x.ravel().tolist()
    targets = y.tolist() if name in BY_ROW else y.ravel().tolist()
    each = np.array([naive(*pair) for pair in zip(rows, targets, strict=True)])
    if reduction == "none":
        each = each.reshape(4, -1).squeeze() if name in BY_ROW else each.reshape(x.shape)
    else:
        each = each.mean() if reduction == "mean" else each.sum()
    got = getattr(ops, name)(Tensor(x), Tensor(y), reduction=reduction, **options)
    assert got.shape == np.shape(each)
    np.testing.assert_allclose(got.data, each, rtol=1e-12)


@pytest.mark.oracle("binary_cross_entropy")
def test_binary_cross_entropy_agrees_with_python():
    for seed in range(40):
        x, y = registry["binary_cross_entropy"].sampler(Draw.from_seed(seed))
        expected = [naive_bce(*pair) for pair in zip(x.flat, y.flat, strict=True)]
        got = registry["binary_cross_entropy"](Tensor(x), Tensor(y))
        np.testing.assert_allclose(got.data, np.reshape(expected, x.shape), rtol=1e-12)


def test_weights_of_yes_and_no():
    x, y, w = Tensor(X), Tensor(Q), Tensor(W)
    for function, input in (
        (ops.binary_cross_entropy, Tensor(P)),
        (ops.binary_cross_entropy_with_logits, x),
    ):
        each = function(input, y, reduction="none").data * W
        np.testing.assert_allclose(function(input, y, w, reduction="none").data, each)
        np.testing.assert_allclose(function(input, y, w).data, each.mean())
    got = ops.binary_cross_entropy_with_logits(x, y, pos_weight=w, reduction="none")
    logs = np.log(1 / (1 + np.exp(-X))), np.log(1 / (1 + np.exp(X)))
    np.testing.assert_allclose(got.data, -(W * Q * logs[0] + (1 - Q) * logs[1]), rtol=1e-10)
    each = ops.binary_cross_entropy_with_logits(x, y, reduction="none").data * W
    got = ops.multilabel_soft_margin_loss(x, y, w, reduction="none")
    np.testing.assert_allclose(got.data, each.mean(1))


@quietly
def test_reductions_of_kl_div():
    x, y = Tensor(X), Tensor(Q)
    total = ops.kl_div(x, y, reduction="sum").item()
    assert math.isclose(ops.kl_div(x, y, reduction="batchmean").item(), total / 4)
    assert math.isclose(ops.kl_div(x, y).item(), total / 12)
    assert ops.kl_div(x[0, 0], y[0, 0], reduction="batchmean").shape == ()


def test_kl_div_warns_that_the_mean_is_none():
    with pytest.warns(UserWarning, match="'batchmean' is the Kullback-Leibler divergence"):
        ops.kl_div(zeros(2), zeros(2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sure_probabilities(dtype):
    x = tensor([0, 0, 1, 1, 0.5], dtype, requires_grad=True)
    out = ops.binary_cross_entropy(x, tensor([0, 1, 0, 1, 1], dtype), reduction="none")
    np.testing.assert_allclose(out.data, [0, 100, 100, 0, math.log(2)], rtol=1e-6)
    out.backward(np.ones(5))
    np.testing.assert_allclose(x.grad.data, [0, -1e12, 1e12, 0, -2], rtol=1e-6)


def test_sure_probabilities_in_float16():
    x = tensor([0, 1, 1], np.float16, requires_grad=True)
    out = ops.binary_cross_entropy(x, tensor([0, 1, 0], np.float16), reduction="none")
    out.backward(np.ones(3))
    assert out.tolist() == [0, 0, 100]
    assert np.isfinite(x.grad.data).all()
    assert x.grad.tolist()[:2] == [0, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_large_logits(dtype):
    big, y = np.array([-1e4, 1e4, -1e4, 1e4, 0]), np.array([0, 1, 1, 0, 0.5])
    loss, slope = np.array([0, 0, 1e4, 1e4, math.log(2)]), np.array([0, 0, -1, 1, 0])
    for function, target in (
        (ops.binary_cross_entropy_with_logits, y),
        (ops.soft_margin_loss, 2 * y - 1),
    ):
        x = tensor(big, dtype, requires_grad=True)
        out = function(x, tensor(target, dtype), reduction="none")
        np.testing.assert_allclose(out.data, loss, rtol=1e-3)
        out.backward(np.ones(5))
        np.testing.assert_allclose(x.grad.data, slope, atol=1e-3)


def test_small_losses_keep_their_digits():
    x = tensor([20.0, -20.0])
    out = ops.binary_cross_entropy_with_logits(x, tensor([1, 0]), reduction="none")
    np.testing.assert_allclose(out.data, math.log1p(math.exp(-20)), rtol=1e-6)


def test_kl_div_of_impossible_classes():
    x = tensor([-1e4, -1.0, 0.0], requires_grad=True)
    y = tensor([0.0, 0.0, 1.0], requires_grad=True)
    out = ops.kl_div(x, y, reduction="none")
    out.backward(np.ones(3))
    assert out.tolist() == [0, 0, 0]
    assert x.grad.tolist() == [0, 0, -1]


def test_an_infinitely_wrong_score_counts_for_nothing():
    assert ops.multi_margin_loss(tensor([-inf, -1]), labels(0)).item() == inf
    for function, target in (
        (ops.multi_margin_loss, labels([1])),
        (ops.multilabel_margin_loss, labels([[1, -1, -1]])),
    ):
        x = tensor([[-inf, 0.5, 1.0]], requires_grad=True)
        out = function(x, target)
        out.backward()
        assert out.item() == 0.5
        np.testing.assert_allclose(x.grad.data, [[0, -1 / 3, 1 / 3]], rtol=1e-6)


def test_single_samples():
    assert math.isclose(ops.multi_margin_loss(tensor([0.0, 0.5]), labels(1)).item(), 0.25)
    assert ops.multilabel_margin_loss(tensor([0.0, 0.5]), labels([1, -1])).item() == 0.25
    got = ops.multi_margin_loss(tensor([0.0, 0.5]), labels([1]), reduction="none")
    assert got.tolist() == 0.25


@fuzz_gradients(x=arrays((2, 3), distinct=True), examples=10)
def test_gradients_of_margin_losses(x):
    target = labels([2, 0])
    return ops.multi_margin_loss(x, target, 2, 0.37) + ops.multilabel_margin_loss(
        x * 1.03, labels([[2, -1, 0], [1, 0, -1]])
    )


@fuzz_gradients(x=arrays((2, 3)), p=arrays((2, 3), 0.1, 0.9), w=arrays((3,), 0.5), examples=10)
def test_gradients_of_losses_of_yes_and_no(x, p, w):
    return (
        ops.binary_cross_entropy_with_logits(x, p, w, pos_weight=w)
        + ops.multilabel_soft_margin_loss(x, p, w)
        + ops.soft_margin_loss(x, p)
        + ops.kl_div(x, p, reduction="sum")
        + ops.kl_div(x, p, reduction="sum", log_target=True)
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.binary_cross_entropy(tensor([1.5]), zeros(1)), RuntimeError, "from 0 to 1"),
        (lambda: ops.binary_cross_entropy(tensor([nan]), zeros(1)), RuntimeError, "from 0 to 1"),
        (lambda: ops.binary_cross_entropy(zeros(1), zeros(2)), ValueError, "differ in shape"),
        (
            lambda: ops.binary_cross_entropy_with_logits(zeros(2, 1), zeros(2)),
            ValueError, r"input \(2, 1\) and target \(2,\) differ in shape",
        ),
        (lambda: ops.multi_margin_loss(zeros(2, 3), labels([0, 1]), 3), ValueError, "p must be 1 or 2"),
        (
            lambda: ops.multi_margin_loss(zeros(2, 3), labels([0, 1]), weight=zeros(2)),
            RuntimeError, r"weight \(C,\); got \(2, 3\), \(2,\), \(2,\)",
        ),
        (
            lambda: ops.multi_margin_loss(zeros(2, 3), labels([0, 1]), weight=zeros(1, 3)),
            ValueError, "weight must be 1-d",
        ),
        (lambda: ops.multi_margin_loss(zeros(2, 3), labels([0])), RuntimeError, r"got \(2, 3\), \(1,\)"),
        (lambda: ops.multi_margin_loss(zeros(2, 0), labels([0, 0])), RuntimeError, "expected input"),
        (lambda: ops.multilabel_margin_loss(zeros(2, 3), labels([0, 1])), RuntimeError, "expected input"),
        (lambda: ops.kl_div(zeros(2), zeros(3), reduction="sum"), RuntimeError, "broadcast"),
    ],
)  # fmt: skip
def test_errors_of_the_others(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_labels_out_of_range():
    with pytest.raises((IndexError, RuntimeError), match="3"):
        ops.multi_margin_loss(zeros(2, 3), labels([0, 3]))
    with pytest.raises((IndexError, RuntimeError), match="3"):
        ops.multilabel_margin_loss(zeros(3), labels([3, -1, -1]))
