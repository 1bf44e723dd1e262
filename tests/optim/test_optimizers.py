"""Optimizers against their papers' formulas on single numbers, and against PyTorch."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import optim

STEPS = 25


def sgd(p, gradients, *, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    """Yield a number after each step, by the definition."""
    buffer = None
    for g in gradients:
        g += weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p -= lr * g
        yield p


def adam(
    p, gradients, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False,
    decoupled=False,
):  # fmt: skip
    """The same for Adam: the moments as the sums of which the recursions are short forms."""
    seen, largest = [], 0.0
    for t, g in enumerate(gradients, 1):
        if decoupled:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        seen.append(g)
        mean, square = (
            math.fsum((1 - beta) * beta ** (t - 1 - i) * g**power for i, g in enumerate(seen))
            for beta, power in zip(betas, (1, 2), strict=True)
        )
        largest = max(largest, square) if amsgrad else square
        p -= lr * (mean / (1 - betas[0] ** t)) / (math.sqrt(largest / (1 - betas[1] ** t)) + eps)
        yield p


def adamw(p, gradients, *, weight_decay=0.01, **options):
    return adam(p, gradients, weight_decay=weight_decay, decoupled=True, **options)


def rmsprop(
    p, gradients, *, lr=0.01, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    mean = square = buffer = 0.0
    for g in gradients:
        g += weight_decay * p
        mean = alpha * mean + (1 - alpha) * g
        square = alpha * square + (1 - alpha) * g**2
        variance = square - mean**2 if centered else square
        buffer = momentum * buffer + g / (math.sqrt(variance) + eps)
        p -= lr * buffer
        yield p


def adagrad(
    p, gradients, *, lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10
):
    squares = initial_accumulator_value
    for t, g in enumerate(gradients):
        g += weight_decay * p
        squares += g**2
        p -= lr / (1 + t * lr_decay) * g / (math.sqrt(squares) + eps)
        yield p


def adadelta(p, gradients, *, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    square = steps = 0.0
    for g in gradients:
        g += weight_decay * p
        square = rho * square + (1 - rho) * g**2
        step = g * math.sqrt((steps + eps) / (square + eps))
        steps = rho * steps + (1 - rho) * step**2
        p -= lr * step
        yield p


def adamax(p, gradients, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    mean = largest = 0.0
    for t, g in enumerate(gradients, 1):
        g += weight_decay * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        largest = max(betas[1] * largest, abs(g) + eps)
        p -= lr * mean / (1 - betas[0] ** t) / largest
        yield p


def nadam(
    p, gradients, *, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
    decoupled_weight_decay=False,
):  # fmt: skip
    mean = square = 0.0
    momenta = [
        betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2) for t in range(1, len(gradients) + 2)
    ]
    for t, g in enumerate(gradients, 1):
        if decoupled_weight_decay:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        ahead = momenta[t] / (1 - math.prod(momenta[: t + 1])) * mean
        here = (1 - momenta[t - 1]) / (1 - math.prod(momenta[:t])) * g
        p -= lr * (ahead + here) / (math.sqrt(square / (1 - betas[1] ** t)) + eps)
        yield p


def radam(
    p, gradients, *, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    decoupled_weight_decay=False,
):  # fmt: skip
    mean = square = 0.0
    last = 2 / (1 - betas[1]) - 1
    for t, g in enumerate(gradients, 1):
        if decoupled_weight_decay:
            p -= lr * weight_decay * p
        else:
            g += weight_decay * p
        mean = betas[0] * mean + (1 - betas[0]) * g
        square = betas[1] * square + (1 - betas[1]) * g**2
        step = lr * mean / (1 - betas[0] ** t)
        now = last - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
        if now > 5:
            r = math.sqrt((now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now))
            step *= r * math.sqrt(1 - betas[1] ** t) / (math.sqrt(square) + eps)
        p -= step
        yield p


CASES = [
    (optim.SGD, sgd, {"lr": 0.1}),
    (optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.2}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4, "weight_decay": 0.2}),
    (optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.2}),
    (optim.Adam, adam, {}),
    (optim.Adam, adam, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.01, "weight_decay": 0.2}),
    (optim.Adam, adam, {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.5)}),
    (optim.AdamW, adamw, {}),
    (optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True, "betas": (0.5, 0.5)}),
    (optim.RMSprop, rmsprop, {}),
    (optim.RMSprop, rmsprop, {"alpha": 0.9, "momentum": 0.5, "weight_decay": 0.2, "eps": 0.1}),
    (optim.RMSprop, rmsprop, {"alpha": 0.9, "centered": True, "eps": 0.1}),
    (optim.Adagrad, adagrad, {}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "lr_decay": 0.2, "weight_decay": 0.2}),
    (optim.Adagrad, adagrad, {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 0.1}),
    (optim.Adadelta, adadelta, {}),
    (optim.Adadelta, adadelta, {"lr": 0.5, "rho": 0.5, "eps": 0.01, "weight_decay": 0.2}),
    (optim.Adamax, adamax, {}),
    (optim.Adamax, adamax, {"lr": 0.1, "betas": (0.5, 0.7), "eps": 0.1, "weight_decay": 0.2}),
    (optim.NAdam, nadam, {}),
    (optim.NAdam, nadam, {"lr": 0.1, "betas": (0.5, 0.7), "momentum_decay": 0.5, "eps": 0.1}),
    (optim.NAdam, nadam, {"lr": 0.1, "weight_decay": 0.2}),
    (optim.NAdam, nadam, {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    (optim.RAdam, radam, {}),
    (optim.RAdam, radam, {"lr": 0.1, "betas": (0.5, 0.99), "eps": 0.1, "weight_decay": 0.2}),
    (optim.RAdam, radam, {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
]
IDS = [f"{c.__name__}-{'-'.join(k) or 'defaults'}" for c, _, k in CASES]


def gradients_of(shape):
    return np.random.default_rng(1).normal(size=(STEPS, *shape)) ** 3


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("kind", "formula", "options"), CASES, ids=IDS)
def test_agrees_with_the_formula(kind, formula, options, maximize):
    start, gradients = np.random.default_rng(0).normal(size=(2, 3)), gradients_of((2, 3))
    w = tg.tensor(start.copy(), requires_grad=True)
    optimizer = kind([w], **options, maximize=maximize)
    sign = -1 if maximize else 1
    expected = {
        index: list(formula(float(start[index]), (sign * gradients[(slice(None), *index)]).tolist(), **options))
        for index in np.ndindex(start.shape)
    }
    for step, gradient in enumerate(gradients):
        w.grad = tg.tensor(gradient)
        optimizer.step()
        np.testing.assert_array_equal(w.grad.data, gradient)
        for index, values in expected.items():
            assert math.isclose(w.data[index], values[step], rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "formula", "options"), CASES, ids=IDS)
def test_agrees_with_pytorch(kind, formula, options, dtype):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        start = np.random.default_rng(0).normal(size=(2, 3)).astype(dtype)
        w, b = lib.from_numpy(start).requires_grad_(), lib.from_numpy(start[0] + 1).requires_grad_()
        groups = [{"params": [w]}, {"params": [b], "lr": 0.05}]
        optimizer = getattr(lib.optim, kind.__name__)(groups, **options)
        for _ in range(STEPS):
            optimizer.zero_grad()
            ((w * b) ** 2 + (w - 1) ** 2).sum().backward()
            optimizer.step()
        results.append([w.detach().numpy(), b.detach().numpy()])
    for got, expected in zip(*results, strict=True):
        assert got.dtype == dtype
        rtol = 1e-9 if dtype == np.float64 else 1e-4
        if kind is optim.NAdam:
            rtol = max(rtol, 1e-7)  # PyTorch keeps its product of momenta in float32
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * 1e-2)


@pytest.mark.parametrize(("kind", "formula", "options"), CASES, ids=IDS)
def test_large_parameters_are_updated_piece_by_piece(kind, formula, options):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=3 * 2**16 + 5), rng.normal(size=(2, 3 * 2**16 + 5))
    large = tg.tensor(start, requires_grad=True)
    strided = tg.Tensor(np.stack([start, start], axis=1)[:, 0], requires_grad=True)
    indices = [0, 2**16, 3 * 2**16 + 4]
    small = tg.tensor(start[indices], requires_grad=True)
    optimizer = kind([large, strided, small], **options)
    for gradient in gradients:
        large.grad = strided.grad = tg.tensor(gradient)
        small.grad = tg.tensor(gradient[indices])
        optimizer.step()
    np.testing.assert_allclose(large.data[indices], small.data, rtol=1e-12)
    np.testing.assert_allclose(large.data, strided.data, rtol=1e-12)


@pytest.mark.parametrize(("kind", "formula", "options"), CASES, ids=IDS)
def test_a_step_needs_no_memory_of_the_parameters_size(kind, formula, options):
    w = tg.ones(2**20, requires_grad=True)
    w.grad = tg.ones(2**20)
    optimizer = kind([w], **options)
    optimizer.step()  # makes the state
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < w.data.nbytes / 2


KINDS = list(dict.fromkeys(kind for kind, _, _ in CASES))


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_change_in_place_and_only_those_with_a_gradient(kind):
    w, frozen = tg.ones(3, requires_grad=True), tg.ones(3)
    data, version = w.data, w._version
    w.grad = tg.ones(3)
    optimizer = kind([w, frozen], lr=0.1)
    optimizer.step()
    assert w.data is data
    assert w._version > version
    assert (w.data < 1).all()
    assert frozen.tolist() == [1, 1, 1]
    assert list(optimizer.state) == [w]


def test_a_step_between_forward_and_backward_is_noticed():
    w = tg.ones(2, requires_grad=True)
    loss = (w * w).sum()
    w.grad = tg.ones(2)
    optim.SGD([w], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_0d_and_an_empty_parameter(kind):
    scalar, empty = tg.tensor(1.0, requires_grad=True), tg.zeros(0, 3, requires_grad=True)
    optimizer = kind([scalar, empty], lr=0.5)
    (scalar + empty.sum()).backward()
    optimizer.step()
    assert scalar.item() == pytest.approx(0.5)
    assert scalar.shape == ()


def test_zero_grad():
    w = tg.ones(2, requires_grad=True)
    optimizer = optim.SGD([w])
    w.grad = gradient = tg.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert w.grad.tolist() == [0, 0]
    assert gradient.tolist() == [1, 1]
    optimizer.zero_grad()
    assert w.grad is None


def test_step_calls_the_closure_with_gradients_on_and_returns_its_loss():
    w = tg.tensor([3.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with tg.no_grad():
        assert optimizer.step(closure).item() == 9
    assert w.tolist() == [0]
    assert optimizer.step() is None


def test_groups_have_their_own_options():
    a, b, c = (tg.ones(1, requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.25}], lr=0.5)
    optimizer.add_param_group({"params": [c], "lr": 0.125})
    for w in (a, b, c):
        w.grad = tg.ones(1)
    optimizer.step()
    assert [w.item() for w in (a, b, c)] == [0.5, 0.75, 0.875]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert a.item() == 0.5


def trained(kind, options, steps, optimizer=None, w=None):
    w = tg.tensor([1.0, -2.0], requires_grad=True) if w is None else w
    optimizer = kind([w], **options) if optimizer is None else optimizer
    for _ in range(steps):
        optimizer.zero_grad()
        (w**4).sum().backward()
        optimizer.step()
    return w, optimizer


@pytest.mark.parametrize(("kind", "formula", "options"), CASES, ids=IDS)
def test_a_saved_state_goes_on_bit_identically(kind, formula, options, tmp_path):
    pytest.importorskip("safetensors")
    options = {**options, "lr": 0.01}
    whole, _ = trained(kind, options, 7)
    w, optimizer = trained(kind, options, 4)
    tg.save({"w": w.detach(), "optimizer": optimizer.state_dict()}, tmp_path / "state.safetensors")
    saved = tg.load(tmp_path / "state.safetensors")
    again = saved["w"].requires_grad_()
    other = kind([again], lr=123.0)
    other.load_state_dict(saved["optimizer"])
    assert other.param_groups[0]["lr"] == 0.01
    trained(kind, options, 3, other, again)
    np.testing.assert_array_equal(again.data, whole.data)


def test_load_state_dict_copies_and_takes_the_parameters_dtype():
    _, optimizer = trained(optim.Adam, {}, 2)
    w = tg.zeros(2, dtype=tg.float64, requires_grad=True)
    other = optim.Adam([w])
    other.load_state_dict(optimizer.state_dict())
    (mine,), (theirs,) = other.state.values(), optimizer.state.values()
    assert mine["exp_avg"].dtype == np.float64
    assert mine["step"] == theirs["step"] == 2
    before = theirs["exp_avg"].tolist()
    mine["exp_avg"].data[...] = 5
    other.param_groups[0]["lr"] = 7
    assert theirs["exp_avg"].tolist() == before
    assert optimizer.param_groups[0]["lr"] == 1e-3


def test_load_state_dict_refuses_what_does_not_fit_and_changes_nothing():
    _, optimizer = trained(optim.Adam, {"lr": 0.5}, 1)
    state = optimizer.state_dict()
    two = optim.Adam([tg.ones(2), tg.ones(2)], lr=0.25)
    with pytest.raises(ValueError, match=r"the groups have \[1\] parameters, the optimizer's \[2\]"):
        two.load_state_dict(state)
    longer = optim.Adam([tg.ones(3)], lr=0.25)
    with pytest.raises(ValueError, match=r"exp_avg of parameter 0 has shape \(2,\), the par"):
        longer.load_state_dict(state)
    for untouched in (two, longer):
        assert untouched.state == {}
        assert untouched.param_groups[0]["lr"] == 0.25


def test_wrong_parameters():
    w = tg.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="SGD: got no parameters"):
        optim.SGD([])
    with pytest.raises(TypeError, match="must be an iterable of Tensors or dicts, got Tensor"):
        optim.SGD(w)
    with pytest.raises(TypeError, match="expected Tensors, got int"):
        optim.SGD([1])
    with pytest.raises(TypeError, match="a parameter group must be a dict with 'params'"):
        optim.SGD([{"lr": 1}])
    with pytest.raises(ValueError, match="must be a leaf"):
        optim.SGD([w * 2])
    with pytest.raises(ValueError, match=r"a parameter of shape \(2,\) is given twice"):
        optim.SGD([w, w])
    with pytest.raises(ValueError, match="given twice"):
        optim.SGD([{"params": w}, {"params": w}])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (optim.SGD, {"lr": -1}, "SGD: lr must be at least 0, got -1"),
        (optim.Adam, {"lr": math.nan}, "Adam: lr must be at least 0, got nan"),
        (optim.AdamW, {"weight_decay": -1}, "AdamW: weight_decay must be at least 0, got -1"),
        (optim.SGD, {"momentum": -1}, "momentum must be at least 0"),
        (optim.SGD, {"nesterov": True}, "nesterov needs a momentum and no dampening"),
        (optim.SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "no dampening"),
        (optim.Adam, {"eps": -1}, "eps must be at least 0"),
        (optim.Adam, {"betas": (0.9, 1.0)}, r"betas must be at least 0 and below 1, got \(0.9, 1"),
        (optim.RMSprop, {"alpha": -1}, "RMSprop: alpha must be at least 0, got -1"),
        (optim.Adadelta, {"rho": 2}, "Adadelta: rho must be 0 to 1, got 2"),
        (optim.Adagrad, {"lr_decay": -1}, "Adagrad: lr_decay must be at least 0, got -1"),
    ],
)
def test_wrong_options(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind([tg.ones(2)], **options)
    good = kind([tg.ones(2)])
    with pytest.raises(ValueError, match=message):
        good.add_param_group({"params": tg.ones(2), **options})
    assert len(good.param_groups) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_pytorchs_engine_do_nothing(kind):
    optimizer = kind([tg.ones(2)], foreach=True, fused=None, capturable=False, differentiable=False)
    assert "foreach" not in optimizer.param_groups[0]
    with pytest.raises(TypeError, match=f"{kind.__name__}: no such option: beta, foreeach"):
        kind([tg.ones(2)], foreeach=True, beta=1)


def test_repr_is_pytorchs_layout():
    assert repr(optim.SGD([tg.ones(1)], lr=0.1, momentum=0.9)) == (
        "SGD (\n"
        "Parameter Group 0\n"
        "    dampening: 0\n"
        "    lr: 0.1\n"
        "    maximize: False\n"
        "    momentum: 0.9\n"
        "    nesterov: False\n"
        "    weight_decay: 0\n"
        ")"
    )
