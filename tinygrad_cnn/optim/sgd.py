"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .optimizer import Optimizer, blocks, decayed


class SGD(Optimizer):
    """Stochastic gradient descent, with (Nesterov) momentum [1]_.

    With the gradient g (plus ``weight_decay * p``) it keeps ``b = momentum * b + (1 - dampening)
    * g``, at first ``b = g``, and steps by ``-lr * b``; with `nesterov` by
    ``-lr * (g + momentum * b)``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr, momentum, dampening, weight_decay : float
    nesterov : bool
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    Raises
    ------
    ValueError
        If an option is negative, or `nesterov` is asked for without momentum or with dampening.

    References
    ----------
    .. [1] I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization
       and momentum in deep learning", ICML 2013.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = tg.optim.SGD([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.5, 1. ], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ``ValueError`` if an option of `group` has no meaning."""
        super().check(group)
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum and no dampening")

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        lr = np.array(group["lr"], param.dtype)  # a number would cost more at each use
        if not group["momentum"]:
            for p, g, scratch in blocks(param, grad):
                p -= np.multiply(decayed(p, g, group), lr, out=scratch)
            return
        momentum = np.array(group["momentum"], param.dtype)
        share = 1 - group["dampening"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = Tensor(np.zeros_like(param))
            share = 1
        for p, g, buffer, scratch in blocks(param, grad, state["momentum_buffer"]._data):
            g = decayed(p, g, group)
            buffer *= momentum
            buffer += g if share == 1 else np.multiply(g, share, out=scratch)
            if group["nesterov"]:
                np.multiply(buffer, momentum, out=scratch)
                scratch += g
                scratch *= lr
            else:
                np.multiply(buffer, lr, out=scratch)
            p -= scratch
