"""Schedules made of others: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler


class _Combined(LRScheduler):
    """What both have in common: their state is that of the schedules in it."""

    _schedulers: list[LRScheduler]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer, and the state of each schedule."""
        state = super().state_dict()
        state["_schedulers"] = [schedule.state_dict() for schedule in self._schedulers]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; the optimizer's own state holds the present rate."""
        state = dict(state_dict)
        for schedule, own in zip(self._schedulers, state.pop("_schedulers"), strict=True):
            schedule.load_state_dict(own)
        self.__dict__.update(state)

    def _check(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler]) -> None:
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: got no schedules")
        if any(schedule.optimizer is not optimizer for schedule in schedulers):
            raise ValueError(f"{name}: all schedules must be of the same optimizer")


class SequentialLR(_Combined):
    """Follows one schedule after the other.

    Parameters
    ----------
    schedulers : list of LRScheduler
    milestones : list of int
        The steps at which the second, the third, ... begins.

    Raises
    ------
    ValueError
        If there are not as many milestones as changes, or a schedule is of another optimizer.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.optim.lr_scheduler import ConstantLR, ExponentialLR, SequentialLR
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> warm = ConstantLR(optimizer, factor=0.5, total_iters=2)
    >>> schedule = SequentialLR(optimizer, [warm, ExponentialLR(optimizer, 0.5)], milestones=[2])
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step(); schedule.step()
    >>> rates
    [0.5, 0.5, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        self._check(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, "
                f"got {len(milestones)}"
            )
        self.optimizer = optimizer
        self._schedulers = list(schedulers)
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        self._begin(self._schedulers[0])

    def _begin(self, schedule: LRScheduler) -> None:
        """Start a schedule, as if it had just been made."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        schedule.last_epoch = -1
        schedule._is_initial = True
        schedule.step()
        schedule._is_initial = False
        self._last_lr = schedule.get_last_lr()

    def step(self) -> None:
        """Set the next rate; to be called after the optimizer's ``step()``."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            self._begin(schedule)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()


class ChainedScheduler(_Combined):
    """Follows several schedules at once: each changes what the one before it left.

    Parameters
    ----------
    schedulers : list of LRScheduler
    optimizer : Optimizer, optional
        That of the schedules.

    Raises
    ------
    ValueError
        If there are none, or they are not of the same optimizer.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> both = [ConstantLR(optimizer, factor=0.5, total_iters=1), ExponentialLR(optimizer, 0.5)]
    >>> schedule = ChainedScheduler(both)
    >>> schedule.get_last_lr()
    [0.5]
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if not schedulers:
            raise ValueError("ChainedScheduler: got no schedules")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        self._check(self.optimizer, schedulers)
        self._schedulers = list(schedulers)
        self._last_lr = self._present()

    def step(self) -> None:
        """Set the next rate; to be called after the optimizer's ``step()``."""
        for schedule in self._schedulers:
            schedule.step()
        self._last_lr = self._present()
