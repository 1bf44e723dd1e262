"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .optimizer import Optimizer, blocks, decayed


class Adam(Optimizer):
    """Adam [1]_: each element's step is divided by the root of its mean squared gradient.

    With the gradient g (plus ``weight_decay * p``) it keeps ``m = beta1 * m + (1 - beta1) * g``
    and ``v = beta2 * v + (1 - beta2) * g**2`` and steps by ``-lr * m' / (sqrt(v') + eps)``, where
    ``m' = m / (1 - beta1**t)`` and ``v' = v / (1 - beta2**t)``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    betas : tuple of float
        beta1 and beta2.
    eps, weight_decay : float
    amsgrad : bool
        Take the largest v so far [2]_.
    maximize : bool
        Ascend instead.
    decoupled_weight_decay : bool
        As `AdamW`.
    **engine
        See `Optimizer`.

    Raises
    ------
    ValueError
        If an option is negative, or a beta is not in [0, 1).

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    .. [2] S. J. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond", ICLR 2018.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * bool(group["amsgrad"])]
        if not state:
            state["step"] = 0
            state.update((name, Tensor(np.zeros_like(param))) for name in names)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        # -lr m' / (sqrt(v') + eps), times sqrt(1 - beta2^t) above and below
        root = math.sqrt(1 - beta2 ** state["step"])
        rate, eps = group["lr"] * root / (1 - beta1 ** state["step"]), group["eps"] * root
        averages = [state[name]._data for name in names]
        for p, g, mean, square, *largest, scratch in blocks(param, grad, *averages):
            g = decayed(p, g, group)
            np.multiply(g, 1 - beta1, out=scratch)
            mean *= beta1
            mean += scratch
            np.multiply(g, g, out=scratch)
            scratch *= 1 - beta2
            square *= beta2
            square += scratch
            for most in largest:
                square = np.maximum(most, square, out=most)
            np.sqrt(square, out=scratch)
            scratch += eps
            np.divide(mean, scratch, out=scratch)
            scratch *= rate
            p -= scratch


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters directly, by ``lr * weight_decay * p`` [1]_.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, amsgrad, maximize, **engine
        See `Adam`.

    References
    ----------
    .. [1] I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.ones(2, requires_grad=True)
    >>> optimizer = tg.optim.AdamW([w], lr=0.5, weight_decay=0.5)
    >>> (w * 0).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.75, 0.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad,
            maximize=maximize, decoupled_weight_decay=True, **engine,
        )  # fmt: skip
