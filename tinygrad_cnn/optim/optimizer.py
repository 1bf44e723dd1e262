"""`Optimizer`: groups of parameters with their options, and what is remembered for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensor import Tensor, changed_in_place

_AT_LEAST_0 = {
    "lr", "weight_decay", "eps", "alpha", "momentum", "momentum_decay", "lr_decay",
    "initial_accumulator_value",
}  # fmt: skip
_ENGINE = {"foreach", "fused", "capturable", "differentiable"}
_BLOCK = 1 << 16
"""Elements: a few float32 arrays of this size fit the second-level cache together."""


class Optimizer:
    """Base class of optimizers: define `update`, and where options need it `check`.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        A dictionary is a parameter group: ``"params"`` and options that differ from `defaults`.
    defaults : dict
        The options of groups that do not set them.
    engine : dict, optional
        PyTorch's ``foreach``, ``fused``, ``capturable`` and ``differentiable``. They choose among
        its implementations, so that every optimizer accepts them and does nothing with them.

    Attributes
    ----------
    param_groups : list of dict
        Their options can be changed at any time.
    state : dict
        For each parameter that was updated, what the optimizer remembers.

    Raises
    ------
    TypeError
        If `params` are not Tensors, or there is no such option.
    ValueError
        If there are none, one comes twice or is not a leaf, or an option has no meaning.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        defaults: dict[str, Any],
        engine: Mapping[str, Any] | None = None,
    ) -> None:
        name = type(self).__name__
        if unknown := set(engine or ()) - _ENGINE:
            raise TypeError(f"{name}: no such option: {', '.join(sorted(unknown))}")
        if isinstance(params, (Tensor, Mapping)):
            raise TypeError(
                f"{name}: params must be an iterable of Tensors or dicts, "
                f"got {type(params).__name__}"
            )
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        given: list[Any] = list(params)
        if not given:
            raise ValueError(f"{name}: got no parameters")
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ``ValueError`` if an option of `group` has no meaning."""
        name = type(self).__name__
        for option in _AT_LEAST_0 & group.keys():
            if not group[option] >= 0:
                raise ValueError(f"{name}: {option} must be at least 0, got {group[option]}")
        if not all(0 <= beta < 1 for beta in group.get("betas", ())):
            raise ValueError(f"{name}: betas must be at least 0 and below 1, got {group['betas']}")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options that differ from the defaults."""
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{name}: a parameter group must be a dict with 'params'")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"{name}: expected Tensors, got {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError(f"{name}: a parameter must be a leaf, not made by an operation")
            if id(param) in known:
                raise ValueError(f"{name}: a parameter of shape {param.shape} is given twice")
            known.add(id(param))
        group = {**self.defaults, **param_group, "params": params}
        self.check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients off the parameters, or set them to zero."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = Tensor(np.zeros_like(param.grad.data))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient, in place.

        Parameters
        ----------
        closure : callable, optional
            Called first: computes the loss anew and runs backward.

        Returns
        -------
        What `closure` returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    gradient = param.grad.data
                    if group["maximize"]:
                        gradient = -gradient
                    state = self.state.setdefault(param, {})
                    self.update(param._data, gradient, state, group)
                    changed_in_place(param)
        return loss

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        raise NotImplementedError(f"{type(self).__name__}: define update()")

    def state_dict(self) -> dict[str, Any]:
        """Return state and options, with a number in each parameter's place.

        The Tensors in it share memory with the optimizer's.
        """
        params = [p for group in self.param_groups for p in group["params"]]
        number = {id(p): i for i, p in enumerate(params)}
        return {
            "state": {number[id(p)]: dict(state) for p, state in self.state.items()},
            "param_groups": [
                {**group, "params": [number[id(p)] for p in group["params"]]}
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a copy of what `state_dict` gave.

        Raises
        ------
        ValueError
            If its groups do not fit this optimizer's. Nothing is changed then.
        """
        sizes = [len(group["params"]) for group in self.param_groups]
        loaded = [len(group["params"]) for group in state_dict["param_groups"]]
        if sizes != loaded:
            raise ValueError(
                f"load_state_dict: the groups have {loaded} parameters, the optimizer's {sizes}"
            )
        params = [p for group in self.param_groups for p in group["params"]]
        numbers = [n for group in state_dict["param_groups"] for n in group["params"]]
        by_number = dict(zip(numbers, params, strict=True))
        state = {}
        for number, entries in state_dict["state"].items():
            param = by_number[number]
            for name, value in entries.items():
                if isinstance(value, Tensor) and value.ndim and value.shape != param.shape:
                    raise ValueError(
                        f"load_state_dict: {name} of parameter {number} has shape {value.shape}, "
                        f"the parameter {param.shape}"
                    )
            state[param] = {name: _like(name, value, param) for name, value in entries.items()}
        self.state = state
        self.param_groups = [
            {**copy.deepcopy(group), "params": mine["params"]}
            for group, mine in zip(state_dict["param_groups"], self.param_groups, strict=True)
        ]

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _like(name: str, value: Any, param: Tensor) -> Any:
    """Return a copy of an entry of the state; a Tensor in the parameter's dtype."""
    if not isinstance(value, Tensor):
        return copy.deepcopy(value)
    if name in ("step", "mu_product"):  # numbers, which PyTorch keeps in tensors
        return value.item()
    return Tensor(np.array(value.data, param.dtype if value.is_floating_point() else None))


def blocks(*arrays: np.ndarray) -> Iterable[Sequence[np.ndarray]]:
    """Return arrays of one shape piece by piece, as views, each time with scratch memory as well.

    An update makes several passes over each piece while it is in the cache, so that it passes
    over memory once, and needs no more scratch memory than a piece.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_cnn.optim.optimizer import blocks
    >>> a, b = np.ones(100_000), np.ones(100_000)
    >>> for x, y, scratch in blocks(a, b):
    ...     x -= np.multiply(y, 0.5, out=scratch)
    >>> float(a.sum())
    50000.0
    """
    first = arrays[0]
    if first.size <= _BLOCK or not all(array.flags.c_contiguous for array in arrays):
        return ((*arrays, np.empty_like(first)),)
    scratch = np.empty(_BLOCK, first.dtype)
    flat = [array.reshape(-1) for array in arrays]
    pieces = range(0, first.size, _BLOCK)
    return [
        [*[array[i : i + _BLOCK] for array in flat], scratch[: first.size - i]] for i in pieces
    ]


def decayed(param: np.ndarray, grad: np.ndarray, group: dict[str, Any]) -> np.ndarray:
    """Return the gradient with weight decay, or shrink `param` where it is decoupled."""
    decay = group["weight_decay"]
    if not decay:
        return grad
    if group.get("decoupled_weight_decay"):
        param *= 1 - group["lr"] * decay
        return grad
    result = np.multiply(param, decay)
    result += grad
    return result
