"""Clipping of gradients, in place."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, changed_in_place
from tinygrad_cnn.ops.joining import stack
from tinygrad_cnn.ops.reduce import vector_norm


def get_total_norm(
    tensors: Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of all `tensors` as one vector.

    Parameters
    ----------
    tensors : iterable of Tensor
    norm_type : float
        The order; ``inf`` is the largest magnitude.
    error_if_nonfinite : bool
        Raise where the norm is inf or NaN.
    foreach : bool, optional
        Accepted as in PyTorch; it has no meaning here.

    Raises
    ------
    RuntimeError
        If the norm is not finite and `error_if_nonfinite`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.utils.get_total_norm([tg.tensor([3.0]), tg.tensor([[4.0]])])
    tensor(5.)
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not tensors:
        return Tensor(np.float32(0))
    norms = [vector_norm(tensor.detach(), norm_type) for tensor in tensors]
    total = vector_norm(stack(norms), norm_type)
    if error_if_nonfinite and not np.isfinite(total.data):
        raise RuntimeError(f"get_total_norm: the norm of order {norm_type} is {total.item()}")
    return total


def clip_grads_with_norm_(
    parameters: Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale gradients whose norm `total_norm` is known to be at most `max_norm` long.

    Parameters
    ----------
    parameters : iterable of Tensor
        Those without gradient are left out.
    max_norm : float
    total_norm : Tensor
        As `get_total_norm` gives.
    foreach : bool, optional
        Accepted as in PyTorch; it has no meaning here.
    """
    factor = max_norm / (float(total_norm.data) + 1e-6)
    if not factor >= 1:  # NaN is passed on
        for gradient in _gradients(parameters):
            gradient.data[...] *= factor
            changed_in_place(gradient)


def clip_grad_norm_(
    parameters: Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of `parameters`, as one vector, to be at most `max_norm` long.

    Parameters
    ----------
    parameters : iterable of Tensor, or one Tensor
    max_norm, norm_type, error_if_nonfinite, foreach
        See `get_total_norm`.

    Returns
    -------
    Tensor
        The norm before.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> tg.nn.utils.clip_grad_norm_([w], max_norm=1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6, 0.8])
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(
    parameters: Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Clamp each element of the gradients to ``[-clip_value, clip_value]``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w = tg.tensor([3.0, -0.25], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> tg.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.  , -0.25])
    """
    for gradient in _gradients(parameters):
        np.clip(gradient.data, -clip_value, clip_value, out=gradient.data)
        changed_in_place(gradient)


def _gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
