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
        ("MultiplicativeLR", {"lr_lambda": lambda t: 0.5 if t % 3 == 0 else 1}, lambda t: 0.1 * 0.5 ** (t // 3)),
        ("MultiStepLR", {"milestones": [4, 9, 9], "gamma": 0.5}, lambda t: 0.1 * 0.5 ** ((t >= 4) + 2 * (t >= 9))),
        ("ExponentialLR", {"gamma": 0.9}, lambda t: 0.1 * 0.9**t),
        ("ConstantLR", {"factor": 0.25, "total_iters": 3}, lambda t: 0.025 if t < 3 else 0.1),
        ("LinearLR", {"start_factor": 0.2, "end_factor": 0.6}, lambda t: 0.1 * (0.2 + 0.4 * min(t / 5, 1))),
        ("PolynomialLR", {"total_iters": 12, "power": 2}, lambda t: 0.1 * max(0, 1 - t / 12) ** 2),
        (
            "CosineAnnealingWarmRestarts",
            {"T_0": 3, "T_mult": 2, "eta_min": 0.01},
            lambda t: cosine(0.1, 0.01, t / 3 if t < 3 else (t - 3) / 6 if t < 9 else (t - 9) / 12),
        ),
        (
            "CyclicLR",
            {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "step_size_down": 4},
            lambda t: np.interp(t % 6, [0, 2, 6], [0.1, 0.5, 0.1]),
        ),
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
    ("MultiplicativeLR", {"lr_lambda": lambda t: 0.95}),
    ("MultiStepLR", {"milestones": [7, 3, 7], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.8}),
    ("ConstantLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.9, "total_iters": 6}),
    ("PolynomialLR", {"total_iters": 9, "power": 1.5}),
    ("CosineAnnealingWarmRestarts", {"T_0": 4, "T_mult": 2}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.1, 0.3], "step_size_up": 3}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "mode": "triangular2"}),
    (
        "CyclicLR",
        {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4, "step_size_down": 1, "mode": "exp_range",
         "gamma": 0.9, "cycle_momentum": False},
    ),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 2, "scale_fn": lambda c: 1 / c}),
]  # fmt: skip


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
        ("MultiStepLR", {"milestones": [2, 6]}),
        ("LinearLR", {}),
        ("PolynomialLR", {"total_iters": 12}),
        ("CosineAnnealingWarmRestarts", {"T_0": 3}),
        ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 2, "scale_fn": lambda c: 1 / c}),
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


def sequence(lib, optimizer):
    schedules = lib.optim.lr_scheduler
    warm = schedules.LinearLR(optimizer, 0.1, total_iters=3)
    fall = schedules.ExponentialLR(optimizer, 0.9)
    steps = schedules.StepLR(optimizer, 2)
    return schedules.SequentialLR(optimizer, [warm, fall, steps], milestones=[4, 9])


def chain(lib, optimizer):
    schedules = lib.optim.lr_scheduler
    warm = schedules.ConstantLR(optimizer, 0.1, total_iters=4)
    return schedules.ChainedScheduler([warm, schedules.ExponentialLR(optimizer, 0.9)])


@pytest.mark.parametrize("combine", [sequence, chain])
@pytest.mark.filterwarnings("ignore:Detected call of")
def test_combined_schedules_agree_with_pytorch(combine):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        optimizer = lib.optim.SGD([{"params": [lib.ones(1)]}, {"params": [lib.ones(1)], "lr": 0.3}], 0.1)
        schedule = combine(lib, optimizer)
        found = []
        for _ in range(15):
            found += [*schedule.get_last_lr(), *(group["lr"] for group in optimizer.param_groups)]
            schedule.step()
        results.append(found)
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_schedules_in_sequence():
    """Each begins at the initial rate."""
    schedule = sequence(tg, SGD([tg.ones(1)], lr=1.0))
    expected = [0.1, 0.4, 0.7, 1, 1, 0.9, 0.81, 0.729, 0.6561, 1, 1, 0.1, 0.1, 0.01]
    np.testing.assert_allclose(rates(schedule, 13), expected, rtol=1e-12)


@pytest.mark.parametrize("combine", [sequence, chain])
def test_a_saved_combination_goes_on_the_same(combine):
    def fresh():
        return combine(tg, SGD([tg.ones(1)], lr=0.1))

    whole = rates(fresh(), 12)
    schedule, other = fresh(), fresh()
    rates(schedule, 6)
    other.optimizer.load_state_dict(json.loads(json.dumps(schedule.optimizer.state_dict())))
    other.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert rates(other, 6) == whole[6:]


MEASURES = [5, 4, 4, 3.9999, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 2.99, 2.98, 2.97, 2.96, 2.95, 9, 9, 9, -1, -1]


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 2},
        {"patience": 1, "factor": 0.5, "cooldown": 2, "min_lr": [0.02, 0.1]},
        {"patience": 0, "threshold": 0.5, "threshold_mode": "abs"},
        {"patience": 1, "mode": "max", "threshold": 0.2},
        {"patience": 1, "eps": 0.05},
    ],
)
def test_plateaus_agree_with_pytorch(options):
    torch = pytest.importorskip("torch")
    results = []
    for lib in (tg, torch):
        optimizer = lib.optim.SGD([{"params": [lib.ones(1)]}, {"params": [lib.ones(1)], "lr": 0.3}], 0.1)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        found = []
        for measure in MEASURES:
            schedule.step(lib.tensor(measure))
            found += [group["lr"] for group in optimizer.param_groups]
        results.append(found)
    np.testing.assert_allclose(*results, rtol=1e-12)


def test_a_plateau():
    optimizer = SGD([tg.ones(1)], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    found = []
    for measure in [3, 3, 3, 3, 3, 2, 2, 2, 2, float("nan")]:
        schedule.step(measure)
        found += schedule.get_last_lr()
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]
    other = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=2)
    other.load_state_dict(schedule.state_dict())
    assert (other.best, other.num_bad_epochs) == (2, 1)


def test_a_restart_between_steps():
    schedule = made("CosineAnnealingWarmRestarts", lr=1.0, T_0=4)
    schedule.step(1.5)
    assert schedule.get_last_lr() == [pytest.approx(cosine(1, 0, 1.5 / 4))]
    schedule.step()
    assert schedule.get_last_lr() == [pytest.approx(cosine(1, 0, 2.5 / 4))]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ConstantLR", {"factor": 2}, "factor must be 0 to 1, got 2"),
        ("LinearLR", {"start_factor": 0}, "start_factor must be above 0, at most 1, got 0"),
        ("LinearLR", {"end_factor": 1.5}, "end_factor must be 0 to 1, got 1.5"),
        ("CosineAnnealingWarmRestarts", {"T_0": 0}, "T_0 must be a positive int, got 0"),
        ("CyclicLR", {"base_lr": 1, "max_lr": 2, "mode": "sin"}, "mode must be 'triangular'"),
        ("ReduceLROnPlateau", {"factor": 1.0}, "factor must be below 1, got 1.0"),
        ("ReduceLROnPlateau", {"mode": "least"}, "mode must be 'min' or 'max', got 'least'"),
        ("ReduceLROnPlateau", {"threshold_mode": "x"}, "threshold_mode must be 'rel' or 'abs'"),
    ],
)
def test_wrong_options_of_each(name, options, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        made(name, **options)


def test_wrong_combinations():
    optimizer, other = SGD([tg.ones(1)]), SGD([tg.ones(1)])
    mine, theirs = (lr_scheduler.ExponentialLR(o, 0.9) for o in (optimizer, other))
    with pytest.raises(ValueError, match="SequentialLR: 2 schedules need 1 milestones, got 0"):
        lr_scheduler.SequentialLR(optimizer, [mine, mine], [])
    with pytest.raises(ValueError, match="SequentialLR: all schedules must be of the same optimizer"):
        lr_scheduler.SequentialLR(optimizer, [mine, theirs], [3])
    with pytest.raises(ValueError, match="ChainedScheduler: got no schedules"):
        lr_scheduler.ChainedScheduler([])
    adagrad = tg.optim.Adagrad([tg.ones(1)])
    with pytest.raises(ValueError, match="cycle_momentum needs an optimizer with momentum or betas"):
        lr_scheduler.CyclicLR(adagrad, 0.1, 0.2)
