"""`LRScheduler`: sets the rates of an optimizer's parameter groups, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..optimizer import Optimizer


class LRScheduler:
    """Base class of schedules: define `get_lr`.

    Parameters
    ----------
    optimizer : Optimizer
    last_epoch : int
        The number of steps already taken, less one; -1 at the start. Otherwise the groups of
        the optimizer must have an ``initial_lr`` (load its state first).

    Attributes
    ----------
    base_lrs : list of float
        Each group's initial rate.
    last_epoch : int
        How often ``step()`` was called.

    Raises
    ------
    TypeError
        If `optimizer` is not one.
    KeyError
        If a group lacks ``initial_lr``.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: expected an Optimizer, got {type(optimizer).__name__}")
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{name}: last_epoch={last_epoch}, but parameter group {i} has no "
                    "'initial_lr'; load the optimizer's state first"
                )
        self.optimizer = optimizer
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._is_initial = True
        self.step()
        self._is_initial = False

    def get_lr(self) -> list[float]:
        """Return each group's rate for the step `last_epoch`."""
        raise NotImplementedError(f"{type(self).__name__}: define get_lr()")

    def step(self) -> None:
        """Set the next rate; to be called after the optimizer's ``step()``."""
        self.last_epoch += 1
        rates = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = rates

    def get_last_lr(self) -> list[float]:
        """Return each group's present rate."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; the optimizer's own state holds the present rate."""
        self.__dict__.update(state_dict)

    def _present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


def for_groups(name: str, option: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return one value for each parameter group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name}: {option} has {len(value)} values for {count} parameter groups")
    return list(value)
