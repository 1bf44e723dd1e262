"""Learning-rate schedules.

Each changes the ``lr`` of an optimizer's parameter groups when its ``step()`` is called. All but
`LambdaLR` and `OneCycleLR` start from the group's present value, so that several can be chained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer


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
        self.lr_lambdas: list[Any] = _for_groups("LambdaLR", "lr_lambda", optimizer, lr_lambda)
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
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError("OneCycleLR: cycle_momentum needs an optimizer with momentum or betas")
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
                values = _for_groups("OneCycleLR", name, optimizer, value)
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
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates


def _for_groups(name: str, option: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """Return one value for each parameter group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * count
    if len(value) != count:
        raise ValueError(f"{name}: {option} has {len(value)} values for {count} parameter groups")
    return list(value)
