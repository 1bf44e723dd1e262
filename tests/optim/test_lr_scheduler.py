"""Schedules against closed forms, and step for step against PyTorch."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.optim import SGD, Adam, lr_scheduler


def made(name, lr=0.1, **options):
    optimizer = SGD([tg.ones(1)], lr=lr, momentum=0.9)
    return getattr(lr_scheduler, name)(optimizer, **options)


def rates(schedule, steps):
    """Return the rate at the start and after each step."""
    found = [schedule.get_last_lr()[0]]
    for _ in range(steps):
        schedule.step()
        found.append(schedule.get_last_lr()[0])
        assert schedule.optimizer.param_groups[0]["lr"] == found[-1]
    return found


def cosine(start, end, part):
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2


def one_cycle(step):
    """The rate of a cycle of 20 steps, 0.3 of which rise."""
    low, high = 1 / 25, 1.0
    return cosine(low, high, step / 5) if step <= 5 else cosine(high, low / 1e4, (step - 5) / 14)


@pytest.mark.parametrize(
    ("name", "options", "closed_form"),
    [
        ("StepLR", {"step_size": 3, "gamma": 0.5}, lambda t: 0.1 * 0.5 ** (t // 3)),
        ("LambdaLR", {"lr_lambda": lambda t: 1 / (1 + t)}, lambda t: 0.1 / (1 + t)),
        (
            "CosineAnnealingLR",
            {"T_max": 7, "eta_min": 0.01},
            lambda t: cosine(0.1, 0.01, t / 7),  # beyond T_max it rises again
        ),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}, one_cycle),
    ],
)
def test_agrees_with_the_closed_form(name, options, closed_form):
    steps = 19
    expected = [closed_form(t) for t in range(steps + 1)]
    np.testing.assert_allclose(rates(made(name, **options), steps), expected, rtol=1e-9, atol=1e-12)


CASES = [
    ("StepLR", {"step_size": 4}),
    ("CosineAnnealingLR", {"T_max": 5}),
    ("LambdaLR", {"lr_lambda": [lambda t: 0.9**t, lambda t: 1.0]}),
    ("OneCycleLR", {"max_lr": [0.1, 0.2], "total_steps": 21}),
    ("OneCycleLR", {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": 8, "anneal_strategy": "linear"}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 24, "three_phase": True, "pct_start": 0.4}),
    ("OneCycleLR", {"max_lr": 0.1, "total_steps": 20, "cycle_momentum": False, "div_factor": 4.0}),
]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_agrees_with_pytorch(name, options, optimizer):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        groups = [{"params": [lib.ones(1)]}, {"params": [lib.ones(1)], "lr": 0.3}]
        made = getattr(lib.optim, optimizer)(groups, lr=0.1)
        schedule = getattr(lib.optim.lr_scheduler, name)(made, **options)
        found = []
        for _ in range(20):
            for group, rate in zip(made.param_groups, schedule.get_last_lr(), strict=True):
                found += [rate, group["lr"], group["betas"][0] if optimizer == "Adam" else group["momentum"]]
            schedule.step()
        results.append(found)
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_schedules_chain():
    optimizer = SGD([tg.ones(1)], lr=1.0)
    halves = lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    tenths = lr_scheduler.StepLR(optimizer, 2, gamma=0.1)
    for _ in range(4):
        halves.step()
        tenths.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5**4 * 0.1**2)
    assert tenths.get_last_lr() == [optimizer.param_groups[0]["lr"]]
    assert halves.base_lrs == tenths.base_lrs == [1.0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("StepLR", {"step_size": 3}),
        ("CosineAnnealingLR", {"T_max": 4}),
        ("LambdaLR", {"lr_lambda": lambda t: 0.9**t}),
        ("OneCycleLR", {"max_lr": 1.0, "total_steps": 12}),
    ],
)
def test_a_saved_state_goes_on_the_same(name, options):
    whole = rates(made(name, **options), 9)
    schedule = made(name, **options)
    rates(schedule, 4)
    state = json.loads(json.dumps(schedule.state_dict()))
    optimizer_state = json.loads(json.dumps(schedule.optimizer.state_dict()))
    other = made(name, **options)
    other.optimizer.load_state_dict(optimizer_state)
    other.load_state_dict(state)
    assert other.last_epoch == 4
    assert rates(other, 5) == whole[4:]


def test_last_epoch_goes_on_from_the_groups_initial_lr():
    optimizer = SGD([tg.ones(1)], lr=0.05)
    with pytest.raises(KeyError, match="parameter group 0 has no 'initial_lr'"):
        lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    optimizer.param_groups[0]["initial_lr"] = 0.1
    schedule = lr_scheduler.StepLR(optimizer, 2, last_epoch=3)
    assert (schedule.base_lrs, schedule.get_last_lr(), schedule.last_epoch) == ([0.1], [0.05], 4)


def test_wrong_options():
    optimizer = SGD([tg.ones(1)])
    with pytest.raises(TypeError, match="StepLR: expected an Optimizer, got list"):
        lr_scheduler.StepLR([], 1)
    with pytest.raises(ValueError, match="lr_lambda has 2 values for 1 parameter groups"):
        lr_scheduler.LambdaLR(optimizer, [abs, abs])
    one_cycle = lr_scheduler.OneCycleLR
    with pytest.raises(TypeError, match="OneCycleLR: expected an Optimizer"):
        one_cycle(None, 1.0, 10)
    with pytest.raises(ValueError, match="give total_steps, or epochs and steps_per_epoch"):
        one_cycle(optimizer, 1.0, epochs=3)
    with pytest.raises(ValueError, match="total_steps must be a positive int, got 0"):
        one_cycle(optimizer, 1.0, 0)
    with pytest.raises(ValueError, match="pct_start must be between 0 and 1, got 2"):
        one_cycle(optimizer, 1.0, 10, pct_start=2)
    with pytest.raises(ValueError, match="anneal_strategy must be 'cos' or 'linear', got 'sin'"):
        one_cycle(optimizer, 1.0, 10, anneal_strategy="sin")
    with pytest.raises(ValueError, match="max_lr has 2 values for 1 parameter groups"):
        one_cycle(optimizer, [1.0, 2.0], 10)


def test_one_cycle_ends():
    schedule = made("OneCycleLR", max_lr=1.0, total_steps=3)
    rates(schedule, 3)
    with pytest.raises(ValueError, match=r"step\(\) was called 4 times, the cycle has 3 steps"):
        schedule.step()


def test_one_cycle_moves_the_momentum_the_other_way():
    for optimizer, momentum in (
        (SGD([tg.ones(1)], momentum=0.9), lambda group: group["momentum"]),
        (Adam([tg.ones(1)]), lambda group: group["betas"][0]),
    ):
        schedule = lr_scheduler.OneCycleLR(optimizer, 1.0, 10)
        found = []
        for _ in range(9):
            found.append(momentum(optimizer.param_groups[0]))
            schedule.step()
        found.append(momentum(optimizer.param_groups[0]))
        assert found[0] == found[-1] == pytest.approx(0.95)
        assert min(found) == found[2] == pytest.approx(0.85)
