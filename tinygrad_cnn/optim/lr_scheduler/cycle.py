"""Schedules that go up and down."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, for_groups


class CosineAnnealingLR(LRScheduler):
    """Lowers the rate to `eta_min` along half a cosine, over `T_max` steps, without restarts [1]_.

    ``eta_min + (initial - eta_min) * (1 + cos(pi * step / T_max)) / 2``, as a recursion.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
       ICLR 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step(); schedule.step()
    >>> round(schedule.get_last_lr()[0], 6)
    0.5
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        present, low = self._present(), self.eta_min
        if self._is_initial:
            return present
        angle = math.pi / self.T_max
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # leaving the minimum
            rise = (1 - math.cos(angle)) / 2
            return [
                rate + (base - low) * rise for rate, base in zip(present, self.base_lrs, strict=True)
            ]
        above, below = (1 + math.cos(angle * (self.last_epoch - back)) for back in (0, 1))
        return [above / below * (rate - low) + low for rate in present]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Lowers the rate to `eta_min` along half a cosine, and begins again [1]_.

    Parameters
    ----------
    T_0 : int
        The steps of the first period.
    T_mult : int
        Each period is so many times as long as the one before.
    eta_min : float
        The lowest rate.

    Raises
    ------
    ValueError
        If `T_0` or `T_mult` is not a positive int, or a step is below 0.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
       ICLR 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=2)
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step(); schedule.step()
    >>> [round(rate, 6) for rate in rates]
    [1.0, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        for name, value in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"CosineAnnealingWarmRestarts: {name} must be a positive int, got {value!r}"
                )
        self.T_0 = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self._time = float(last_epoch)
        super().__init__(optimizer, last_epoch)

    def step(self, epoch: float | None = None) -> None:
        """Set the next rate, or that of `epoch`, which may lie between two steps."""
        if epoch is not None and epoch < 0:
            raise ValueError(f"CosineAnnealingWarmRestarts: epoch must be at least 0, got {epoch}")
        self._time = self._time + 1 if epoch is None else epoch
        self.last_epoch = math.floor(self._time) - 1
        super().step()

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        part, period = self._time, self.T_0
        while part >= period:
            part -= period
            period *= self.T_mult
        share = (1 + math.cos(math.pi * part / period)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class CyclicLR(LRScheduler):
    """Raises the rate from `base_lr` to `max_lr` and lowers it again, over and over [1]_.

    Parameters
    ----------
    base_lr, max_lr : float or list of float
        For all groups or for each.
    step_size_up : int
        The steps of a rise,
    step_size_down : int, optional
        and of a fall; the same where not given.
    mode : {"triangular", "triangular2", "exp_range"}
        Cycle c (from 1) is as high as all, is scaled by ``1 / 2**(c - 1)``, or its step t by
        ``gamma**t``.
    gamma : float
    scale_fn : callable, optional
        The scale, in the place of `mode`,
    scale_mode : {"cycle", "iterations"}
        as a function of the cycle or of the step.
    cycle_momentum : bool
        Whether momentum (or beta1) falls while the rate rises, and the other way round: from
        `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float or list of float

    Raises
    ------
    ValueError
        If an option has no meaning.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical learning rates for training neural networks", WACV 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=0.1, momentum=0.9)
    >>> schedule = tg.optim.lr_scheduler.CyclicLR(optimizer, 0.25, 1.25, step_size_up=2)
    >>> rates = []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step(); schedule.step()
    >>> rates
    [0.25, 0.75, 1.25, 0.75, 0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | Sequence[float],
        max_lr: float | Sequence[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.8,
        max_momentum: float | Sequence[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError(
                f"CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range', got {mode!r}"
            )
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"CyclicLR: expected an Optimizer, got {type(optimizer).__name__}")
        check_momentum("CyclicLR", optimizer, cycle_momentum)
        self.step_size_up = step_size_up
        self.step_size_down = step_size_up if step_size_down is None else step_size_down
        self.mode = mode
        self.gamma = gamma
        self.scale_fn = scale_fn
        self.scale_mode = scale_mode
        self.cycle_momentum = cycle_momentum
        self.max_lrs = for_groups("CyclicLR", "max_lr", optimizer, max_lr)
        for group, rate in zip(
            optimizer.param_groups, for_groups("CyclicLR", "base_lr", optimizer, base_lr), strict=True
        ):
            if last_epoch == -1:
                group["lr"] = group["initial_lr"] = rate
        self.base_momentums = for_groups("CyclicLR", "base_momentum", optimizer, base_momentum)
        self.max_momentums = for_groups("CyclicLR", "max_momentum", optimizer, max_momentum)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`, and set the groups' momentum."""
        length = self.step_size_up + self.step_size_down
        cycle, place = divmod(self.last_epoch, length)
        rising = place / self.step_size_up if self.step_size_up else 1.0
        height = rising if rising <= 1 else (length - place) / self.step_size_down
        height *= self._scale(cycle + 1)
        if self.cycle_momentum:
            for group, low, high in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                set_momentum(group, high - (high - low) * height)
        return [
            base + (high - base) * height
            for base, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def _scale(self, cycle: int) -> float:
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / 2 ** (cycle - 1)
        return self.gamma**self.last_epoch

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and the function."""
        return {k: v for k, v in super().state_dict().items() if k != "scale_fn"}


class OneCycleLR(LRScheduler):
    """Raises the rate to `max_lr` and lowers it far below the start, once, a step per batch [1]_.

    Parameters
    ----------
    max_lr : float or list of float
        The highest rate, for all groups or for each.
    total_steps : int, optional
        Or else `epochs` and `steps_per_epoch`.
    pct_start : float
        The part of the cycle in which the rate rises.
    anneal_strategy : {"cos", "linear"}
    cycle_momentum : bool
        Whether momentum (or beta1) falls while the rate rises, and the other way round: from
        `max_momentum` to `base_momentum` and back.
    base_momentum, max_momentum : float or list of float
    div_factor : float
        The cycle starts at ``max_lr / div_factor``,
    final_div_factor : float
        and ends at that divided by `final_div_factor`.
    three_phase : bool
        Come down to the start first, as steeply as it rose, and then to the end.

    Raises
    ------
    ValueError
        If an option has no meaning, or ``step()`` is called more than `total_steps` times.

    References
    ----------
    .. [1] L. N. Smith and N. Topin, "Super-convergence: very fast training of neural networks
       using large learning rates", arXiv:1708.07120, 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], momentum=0.9)
    >>> schedule = tg.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> rates = schedule.get_last_lr()
    >>> for _ in range(9):
    ...     optimizer.step(); schedule.step()
    ...     rates += schedule.get_last_lr()
    >>> [round(rate, 3) for rate in rates]
    [0.04, 0.52, 1.0, 0.95, 0.812, 0.611, 0.389, 0.188, 0.05, 0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"OneCycleLR: expected an Optimizer, got {type(optimizer).__name__}")
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ValueError(f"OneCycleLR: total_steps must be a positive int, got {total_steps}")
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be between 0 and 1, got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        check_momentum("OneCycleLR", optimizer, cycle_momentum)
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.three_phase = three_phase
        if last_epoch == -1:
            options = {"max_lr": max_lr}
            if cycle_momentum:
                options.update(base_momentum=base_momentum, max_momentum=max_momentum)
            for name, value in options.items():
                values = for_groups("OneCycleLR", name, optimizer, value)
                for group, own in zip(optimizer.param_groups, values, strict=True):
                    group[name] = own
            for group in optimizer.param_groups:
                group["initial_lr"] = group["max_lr"] / div_factor
                group["min_lr"] = group["initial_lr"] / final_div_factor
        super().__init__(optimizer, last_epoch)

    def _phases(self) -> list[tuple[float, str, str, str, str]]:
        """Return (last step, rate from, rate to, momentum from, momentum to) of each phase."""
        rise = self.pct_start * self.total_steps - 1
        end = self.total_steps - 1
        up = (rise, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        if not self.three_phase:
            return [up, (end, "max_lr", "min_lr", "base_momentum", "max_momentum")]
        return [
            up,
            (2 * rise, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
            (end, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
        ]

    def _between(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "linear":
            return start + (end - start) * part
        return end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`, and set the groups' momentum."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step() was called {step} times, the cycle has {self.total_steps} steps"
            )
        begin, phases = 0.0, self._phases()
        while len(phases) > 1 and step > phases[0][0]:
            begin = phases.pop(0)[0]
        end, start_lr, end_lr, start_momentum, end_momentum = phases[0]
        part = (step - begin) / (end - begin) if end > begin else 1.0
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[start_lr], group[end_lr], part))
            if self.cycle_momentum:
                momentum = self._between(group[start_momentum], group[end_momentum], part)
                set_momentum(group, momentum)
        return rates


def check_momentum(name: str, optimizer: Optimizer, cycle_momentum: bool) -> None:
    """Raise ``ValueError`` where momentum is to move and there is none."""
    if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
        raise ValueError(f"{name}: cycle_momentum needs an optimizer with momentum or betas")


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set a group's momentum, or its beta1."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
