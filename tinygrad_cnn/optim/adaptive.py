"""Optimizers that give each element a step size of its own; all but `Adam`, the most used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .optimizer import Optimizer, blocks, decayed

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


def _begun(
    param: np.ndarray, grad: np.ndarray, state: dict[str, Any], *names: str
) -> Iterable[Sequence[np.ndarray]]:
    """Count a step; return the `blocks` of parameter, gradient and the named entries of `state`.

    Before the first step, these are set to zeros.
    """
    if not state:
        state["step"] = 0
        state.update((name, Tensor(np.zeros_like(param))) for name in names)
    state["step"] += 1
    return blocks(param, grad, *[state[name]._data for name in names])


def _mix(average: np.ndarray, value: np.ndarray, decay: float, scratch: np.ndarray) -> None:
    """Move a running average towards `value`, in place."""
    average *= decay
    average += np.multiply(value, 1 - decay, out=scratch)


def _mix_square(average: np.ndarray, value: np.ndarray, decay: float, scratch: np.ndarray) -> None:
    """Move a running average towards the square of `value`, in place."""
    np.multiply(value, value, out=scratch)
    _mix(average, scratch, decay, scratch)


class RMSprop(Optimizer):
    """Divides the gradient by the root of its running mean square [1]_.

    With the gradient g (plus ``weight_decay * p``) it keeps ``v = alpha * v + (1 - alpha) * g**2``
    and steps by ``-lr * g / (sqrt(v) + eps)``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr, alpha, eps, weight_decay : float
    momentum : float
        Step by ``-lr * b`` with ``b = momentum * b + g / (sqrt(v) + eps)``.
    centered : bool
        Take from v the square of the running mean of g: the variance.
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine Learning,
       2012.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.RMSprop([w], lr=0.1, alpha=0.0)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, -1.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        momentum, alpha = group["momentum"], group["alpha"]
        names = ["square_avg"]
        names += ["momentum_buffer"] if momentum else []
        names += ["grad_avg"] if group["centered"] else []
        for p, g, square, *rest, scratch in _begun(param, grad, state, *names):
            g = decayed(p, g, group)
            _mix_square(square, g, alpha, scratch)
            if group["centered"]:
                mean = rest[-1]
                _mix(mean, g, alpha, scratch)
                np.multiply(mean, mean, out=scratch)
                square = np.subtract(square, scratch, out=scratch)
            np.sqrt(square, out=scratch)
            scratch += group["eps"]
            step = np.divide(g, scratch, out=scratch)
            if momentum:
                step = rest[0]
                step *= momentum
                step += scratch
            p -= np.multiply(step, group["lr"], out=scratch)


class Adagrad(Optimizer):
    """Divides the gradient by the root of the sum of its squares so far [1]_.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    lr_decay : float
        The rate of step t (from 0) is ``lr / (1 + t * lr_decay)``.
    weight_decay : float
    initial_accumulator_value : float
        What the sum starts from.
    eps : float
        Added to the root.
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and
       stochastic optimization", JMLR 12, 2011.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adagrad([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9, -1.9], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        if not state:
            start = np.full_like(param, group["initial_accumulator_value"])
            state.update(step=0, sum=Tensor(start))
        rate = group["lr"] / (1 + state["step"] * group["lr_decay"])
        for p, g, total, scratch in _begun(param, grad, state, "sum"):
            g = decayed(p, g, group)
            total += np.multiply(g, g, out=scratch)
            np.sqrt(total, out=scratch)
            scratch += group["eps"]
            np.divide(g, scratch, out=scratch)
            scratch *= rate
            p -= scratch


class Adadelta(Optimizer):
    """Adagrad with running means, and steps in the parameters' own units [1]_.

    With the gradient g (plus ``weight_decay * p``), the running means v of g² and u of the squared
    steps d, it steps by ``-lr * d``, where ``d = g * sqrt(u + eps) / sqrt(v + eps)``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    rho : float
        The decay of both means, from 0 to 1.
    eps, weight_decay : float
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] M. D. Zeiler, "ADADELTA: an adaptive learning rate method", arXiv:1212.5701, 2012.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adadelta([w], rho=0.0, eps=0.01)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.9001, -1.9   ], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def check(self, group: dict[str, Any]) -> None:
        """Raise ``ValueError`` if an option of `group` has no meaning."""
        super().check(group)
        if not 0 <= group["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be 0 to 1, got {group['rho']}")

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        rho, eps = group["rho"], group["eps"]
        for p, g, square, steps, scratch in _begun(param, grad, state, "square_avg", "acc_delta"):
            g = decayed(p, g, group)
            _mix_square(square, g, rho, scratch)
            step = np.sqrt(steps + eps)
            step /= np.sqrt(np.add(square, eps, out=scratch), out=scratch)
            step *= g
            _mix_square(steps, step, rho, scratch)
            p -= np.multiply(step, group["lr"], out=scratch)


class Adamax(Optimizer):
    """Adam, with the largest gradient in the place of the mean square [1]_.

    With the gradient g (plus ``weight_decay * p``) it keeps ``m = beta1 * m + (1 - beta1) * g`` and
    ``u = max(beta2 * u, abs(g) + eps)`` and steps by ``-lr / (1 - beta1**t) * m / u``.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    betas : tuple of float
        beta1 and beta2.
    eps, weight_decay : float
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.Adamax([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.75, -1.75], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        beta1, beta2 = group["betas"]
        for p, g, mean, largest, scratch in _begun(param, grad, state, "exp_avg", "exp_inf"):
            g = decayed(p, g, group)
            _mix(mean, g, beta1, scratch)
            np.abs(g, out=scratch)
            scratch += group["eps"]
            largest *= beta2
            np.maximum(largest, scratch, out=largest)
            np.divide(mean, largest, out=scratch)
            scratch *= group["lr"] / (1 - beta1 ** state["step"])
            p -= scratch


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, whose beta1 grows from half to whole [1]_.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    betas : tuple of float
        beta1 and beta2.
    eps, weight_decay : float
    momentum_decay : float
        Step t has the momentum ``beta1 * (1 - 0.96**(t * momentum_decay) / 2)``.
    decoupled_weight_decay : bool
        Shrink the parameters directly, as `AdamW` does.
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.NAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.8944, -1.8944], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        pieces = _begun(param, grad, state, "exp_avg", "exp_avg_sq")
        beta1, beta2 = group["betas"]
        t, lr = state["step"], group["lr"]
        momentum, following = (
            beta1 * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"])) for i in (t, t + 1)
        )
        product = state["mu_product"] = state.get("mu_product", 1.0) * momentum
        for p, g, mean, square, scratch in pieces:
            g = decayed(p, g, group)
            _mix(mean, g, beta1, scratch)
            _mix_square(square, g, beta2, scratch)
            np.divide(square, 1 - beta2**t, out=scratch)
            np.sqrt(scratch, out=scratch)
            scratch += group["eps"]
            step = np.multiply(g, lr * (1 - momentum) / (1 - product))
            step += mean * (lr * following / (1 - product * following))
            p -= np.divide(step, scratch, out=scratch)


class RAdam(Optimizer):
    """Adam that waits until it has seen enough to divide by, and then scales what it knows [1]_.

    Parameters
    ----------
    params : iterable of Tensor, or of dict
        See `Optimizer`.
    lr : float
    betas : tuple of float
        beta1 and beta2.
    eps, weight_decay : float
    decoupled_weight_decay : bool
        Shrink the parameters directly, as `AdamW` does.
    maximize : bool
        Ascend instead.
    **engine
        See `Optimizer`.

    References
    ----------
    .. [1] L. Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = tg.optim.RAdam([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.8, -1.6], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **engine: Any,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, engine)

    def update(
        self, param: np.ndarray, grad: np.ndarray, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place, given its gradient, its `state` and its group's options."""
        pieces = _begun(param, grad, state, "exp_avg", "exp_avg_sq")
        beta1, beta2 = group["betas"]
        t = state["step"]
        rate = group["lr"] / (1 - beta1**t)
        # the length of the simple moving average that the exponential one is like: now, at last
        last = 2 / (1 - beta2) - 1
        now = last - 2 * t * beta2**t / (1 - beta2**t)
        if now > 5:
            share = (now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now)
            rate *= math.sqrt(share * (1 - beta2**t))
        for p, g, mean, square, scratch in pieces:
            g = decayed(p, g, group)
            _mix(mean, g, beta1, scratch)
            _mix_square(square, g, beta2, scratch)
            step = mean
            if now > 5:
                np.sqrt(square, out=scratch)
                scratch += group["eps"]
                step = np.divide(mean, scratch, out=scratch)
            p -= np.multiply(step, rate, out=scratch)
