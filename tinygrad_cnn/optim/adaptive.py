"""Optimizers that give each element a step size of its own; all but `Adam`, the most used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor

from .optimizer import Optimizer

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


def _begin(state: dict[str, Any], param: np.ndarray, *names: str) -> None:
    """Count a step; before the first, set the named entries of `state` to zeros."""
    if not state:
        state["step"] = 0
        for name in names:
            state[name] = Tensor(np.zeros_like(param))
    state["step"] += 1


def _mix(average: np.ndarray, value: np.ndarray, decay: float) -> None:
    """Move a running average towards `value`, in place."""
    average *= decay
    average += (1 - decay) * value


def _decayed(param: np.ndarray, grad: np.ndarray, group: dict[str, Any]) -> np.ndarray:
    """Return the gradient with weight decay, or shrink `param` where it is decoupled."""
    decay = group["weight_decay"]
    if not decay:
        return grad
    if group.get("decoupled_weight_decay"):
        param *= 1 - group["lr"] * decay
        return grad
    return grad + decay * param


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
        names = ["square_avg"]
        names += ["momentum_buffer"] if group["momentum"] else []
        names += ["grad_avg"] if group["centered"] else []
        _begin(state, param, *names)
        grad = _decayed(param, grad, group)
        square = state["square_avg"].data
        _mix(square, grad * grad, group["alpha"])
        if group["centered"]:
            mean = state["grad_avg"].data
            _mix(mean, grad, group["alpha"])
            square = square - mean * mean
        step = grad / (np.sqrt(square) + group["eps"])
        if group["momentum"]:
            buffer = state["momentum_buffer"].data
            buffer *= group["momentum"]
            buffer += step
            step = buffer
        param -= group["lr"] * step


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
        state["step"] += 1
        grad = _decayed(param, grad, group)
        total = state["sum"].data
        total += grad * grad
        param -= rate * grad / (np.sqrt(total) + group["eps"])


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
        _begin(state, param, "square_avg", "acc_delta")
        grad = _decayed(param, grad, group)
        square, steps = state["square_avg"].data, state["acc_delta"].data
        _mix(square, grad * grad, group["rho"])
        step = np.sqrt(steps + group["eps"]) / np.sqrt(square + group["eps"]) * grad
        _mix(steps, step * step, group["rho"])
        param -= group["lr"] * step


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
        _begin(state, param, "exp_avg", "exp_inf")
        grad = _decayed(param, grad, group)
        beta1, beta2 = group["betas"]
        mean, largest = state["exp_avg"].data, state["exp_inf"].data
        _mix(mean, grad, beta1)
        np.maximum(beta2 * largest, np.abs(grad) + group["eps"], out=largest)
        param -= group["lr"] / (1 - beta1 ** state["step"]) * mean / largest


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
        _begin(state, param, "exp_avg", "exp_avg_sq")
        grad = _decayed(param, grad, group)
        beta1, beta2 = group["betas"]
        t, lr = state["step"], group["lr"]
        momentum, following = (
            beta1 * (1 - 0.5 * 0.96 ** (i * group["momentum_decay"])) for i in (t, t + 1)
        )
        product = state["mu_product"] = state.get("mu_product", 1.0) * momentum
        mean, square = state["exp_avg"].data, state["exp_avg_sq"].data
        _mix(mean, grad, beta1)
        _mix(square, grad * grad, beta2)
        root = np.sqrt(square / (1 - beta2**t)) + group["eps"]
        param -= lr * (1 - momentum) / (1 - product) * grad / root
        param -= lr * following / (1 - product * following) * mean / root


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
        _begin(state, param, "exp_avg", "exp_avg_sq")
        grad = _decayed(param, grad, group)
        beta1, beta2 = group["betas"]
        t = state["step"]
        mean, square = state["exp_avg"].data, state["exp_avg_sq"].data
        _mix(mean, grad, beta1)
        _mix(square, grad * grad, beta2)
        step = group["lr"] / (1 - beta1**t) * mean
        # the length of the simple moving average that the exponential one is like: now, at last
        last = 2 / (1 - beta2) - 1
        now = last - 2 * t * beta2**t / (1 - beta2**t)
        if now > 5:
            share = (now - 4) * (now - 2) * last / ((last - 4) * (last - 2) * now)
            step *= math.sqrt(share * (1 - beta2**t)) / (np.sqrt(square) + group["eps"])
        param -= step
