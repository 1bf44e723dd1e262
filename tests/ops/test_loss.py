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
