"""Schedules that only go down, or up, or as a function says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, for_groups


class LambdaLR(LRScheduler):
    """Multiplies each group's initial rate by a function of the step's number.

    Parameters
    ----------
    lr_lambda : callable or list of callable
        ``factor = lr_lambda(step)``, one for all groups or one for each. Not part of the state.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas: list[Any] = for_groups("LambdaLR", "lr_lambda", optimizer, lr_lambda)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        return [
            rate * factor(self.last_epoch)
            for rate, factor in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer and the functions."""
        state = super().state_dict()
        del state["lr_lambdas"]
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, with the functions that are here."""
        super().load_state_dict({**state_dict, "lr_lambdas": self.lr_lambdas})


class MultiplicativeLR(LambdaLR):
    """Multiplies each group's present rate by a function of the step's number.

    Parameters
    ----------
    lr_lambda : callable or list of callable
        ``factor = lr_lambda(step)``, one for all groups or one for each. Not part of the state.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda step: 0.5)
    >>> for _ in range(3):
    ...     optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.125]
    """

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        if self._is_initial:
            return self._present()
        return [
            rate * factor(self.last_epoch)
            for rate, factor in zip(self._present(), self.lr_lambdas, strict=True)
        ]


class StepLR(LRScheduler):
    """Multiplies the rate by `gamma` every `step_size` steps.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        if self._is_initial or self.last_epoch % self.step_size:
            return self._present()
        return [rate * self.gamma for rate in self._present()]


class MultiStepLR(LRScheduler):
    """Multiplies the rate by `gamma` at each of `milestones`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 3], gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = sorted(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        times = 0 if self._is_initial else self.milestones.count(self.last_epoch)
        return [rate * self.gamma**times for rate in self._present()]

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, here or in PyTorch."""
        super().load_state_dict(state_dict)
        if isinstance(self.milestones, Mapping):  # PyTorch's has how often each stands there
            self.milestones = sorted(Counter(self.milestones).elements())


class ExponentialLR(LRScheduler):
    """Multiplies the rate by `gamma` at each step.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        return [rate * (1 if self._is_initial else self.gamma) for rate in self._present()]


class _FactorLR(LRScheduler):
    """A schedule of the initial rate times `factor`, as a recursion; so that schedules chain."""

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        now, before = self.factor_at(self.last_epoch), self.factor_at(self.last_epoch - 1)
        if self.last_epoch == 0 or self._is_initial:
            change = now if self.last_epoch == 0 else 1.0
        else:
            change = now / before if before else 0.0
        return [rate * change for rate in self._present()]

    def factor_at(self, step: int) -> float:
        """Return what the initial rate is multiplied by."""
        raise NotImplementedError


class ConstantLR(_FactorLR):
    """Multiplies the rate by `factor` for the first `total_iters` steps.

    Raises
    ------
    ValueError
        If `factor` is not between 0 and 1.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.ConstantLR(optimizer, factor=0.25, total_iters=1)
    >>> schedule.get_last_lr()
    [0.25]
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be 0 to 1, got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor_at(self, step: int) -> float:
        """Return what the initial rate is multiplied by."""
        return self.factor if step < self.total_iters else 1.0


class LinearLR(_FactorLR):
    """Moves the rate from `start_factor` to `end_factor` of the initial one, in equal steps.

    Raises
    ------
    ValueError
        If `start_factor` is not above 0 and at most 1, or `end_factor` is not 0 to 1.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must be above 0, at most 1, got {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must be 0 to 1, got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def factor_at(self, step: int) -> float:
        """Return what the initial rate is multiplied by."""
        part = min(step / self.total_iters, 1) if self.total_iters else 1
        return self.start_factor + (self.end_factor - self.start_factor) * part


class PolynomialLR(_FactorLR):
    """Lowers the rate to 0 over `total_iters` steps: ``(1 - step / total_iters) ** power`` of it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> optimizer = tg.optim.SGD([tg.ones(2)], lr=1.0)
    >>> schedule = tg.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4, power=2.0)
    >>> optimizer.step(); schedule.step()
    >>> schedule.get_last_lr()
    [0.5625]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def factor_at(self, step: int) -> float:
        """Return what the initial rate is multiplied by."""
        return max(0.0, 1 - step / self.total_iters) ** self.power
