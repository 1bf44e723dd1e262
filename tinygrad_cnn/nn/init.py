"""How parameters start: the usual distributions, in place.

References
----------
.. [1] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural
   networks", AISTATS 2010.
.. [2] K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers: surpassing human-level
   performance on ImageNet classification", ICCV 2015.
.. [3] A. M. Saxe, J. L. McClelland and S. Ganguli, "Exact solutions to the nonlinear dynamics of
   learning in deep linear neural networks", ICLR 2014.
"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import Generator, default_generator


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with values from the uniform distribution on [a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with values from the normal distribution."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with values from the normal distribution, as far as they are in [a, b].

    Raises
    ------
    ValueError
        If `a` is not below `b`, or `std` is not positive.
    """
    if not a < b or not std > 0:
        raise ValueError(f"trunc_normal_: expected a < b and std > 0, got a={a}, b={b}, std={std}")
    rng = (generator or default_generator).numpy
    low, high = (a - mean) / std, (b - mean) / std
    nearest = min(max(0.0, low), high)
    uniform = nearest or high - low < math.sqrt(2 * math.pi)  # then more of it is accepted
    values = np.empty(math.prod(tensor.shape))
    missing = np.arange(values.size)
    while missing.size:
        if uniform:
            z = rng.uniform(low, high, missing.size)
            accepted = rng.random(missing.size) < np.exp((nearest**2 - z**2) / 2)
        else:
            z = rng.standard_normal(missing.size)
            accepted = (low <= z) & (z <= high)
        values[missing[accepted]] = z[accepted]
        missing = missing[~accepted]
    return tensor.copy_(Tensor(values.reshape(tensor.shape) * std + mean))


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill so that the rows, of all but the first dimension as one, are orthonormal times `gain` [3]_.

    Where there are more rows than columns, the columns are.

    Raises
    ------
    ValueError
        If there are fewer than 2 dimensions.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: expected at least 2 dimensions, got {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    rng = (generator or default_generator).numpy
    matrix = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(matrix)
    q *= np.sign(np.diag(r))  # then q is uniformly distributed
    q = q if rows >= columns else q.T
    return tensor.copy_(Tensor(gain * q.reshape(tensor.shape)))


@no_grad()
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill a matrix normally, and set the part `sparsity` of each column to 0.

    Raises
    ------
    ValueError
        If there are not 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected 2 dimensions, got {tensor.shape}")
    normal_(tensor, 0.0, std, generator)
    rng = (generator or default_generator).numpy
    zeros = math.ceil(sparsity * tensor.shape[0])
    places = rng.permuted(np.indices(tensor.shape)[0], axis=0)[:zeros]
    keep = np.ones(tensor.shape)
    np.put_along_axis(keep, places, 0, axis=0)
    return tensor.mul_(Tensor(keep.astype(tensor.dtype)))


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity.

    Raises
    ------
    ValueError
        If there are not 2 dimensions.
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected 2 dimensions, got {tensor.shape}")
    with no_grad():
        return tensor.copy_(Tensor(np.eye(tensor.shape[0], tensor.shape[1])))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that it returns its input, as many channels as there are.

    Raises
    ------
    ValueError
        If there are not 3, 4 or 5 dimensions, or `groups` does not divide the output channels.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected 3, 4 or 5 dimensions, got {tensor.shape}")
    if tensor.shape[0] % groups:
        raise ValueError(f"dirac_: {tensor.shape[0]} output channels do not divide by groups={groups}")
    values = np.zeros(tensor.shape)
    centre = tuple(n // 2 for n in tensor.shape[2:])
    for group in values.reshape(groups, -1, *tensor.shape[1:]):
        for i in range(min(group.shape[:2])):
            group[(i, i, *centre)] = 1
    return tensor.copy_(Tensor(values))


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much a nonlinearity wants its weights scaled up.

    Parameters
    ----------
    nonlinearity : str
        "linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
    param : float, optional
        The negative slope of "leaky_relu"; 0.01 where not given.

    Raises
    ------
    ValueError
        If the name is another.
    """
    slope = 0.01 if param is None else param
    gains = {
        **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1.0),
        "tanh": 5 / 3,
        "relu": math.sqrt(2),
        "leaky_relu": math.sqrt(2 / (1 + slope**2)),
        "selu": 3 / 4,
    }
    if nonlinearity not in gains:
        raise ValueError(
            f"calculate_gain: nonlinearity must be one of {sorted(gains)}, got {nonlinearity!r}"
        )
    return gains[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.ndim < 2:
        raise ValueError(f"init: fan in and fan out need at least 2 dimensions, got {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    fans = dict(zip(("fan_in", "fan_out"), _calculate_fan_in_and_fan_out(tensor), strict=True))
    if mode not in fans:
        raise ValueError(f'init: mode must be "fan_in" or "fan_out", got {mode!r}')
    return max(fans[mode], 1)  # a fan of 0 is one of no elements


def _fan_sum(tensor: Tensor) -> int:
    return max(sum(_calculate_fan_in_and_fan_out(tensor)), 1)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill uniformly with variance ``gain^2 * 2 / (fan_in + fan_out)`` [1]_."""
    bound = gain * math.sqrt(6 / _fan_sum(tensor))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill normally with variance ``gain^2 * 2 / (fan_in + fan_out)`` [1]_."""
    std = gain * math.sqrt(2 / _fan_sum(tensor))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly with variance ``gain^2 / fan`` [2]_; `a` is leaky_relu's negative slope."""
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill normally with variance ``gain^2 / fan`` [2]_; `a` is leaky_relu's negative slope."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """Set a layer's weight and bias as PyTorch does: uniformly within ``1 / sqrt(fan_in)``."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = _calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        uniform_(bias, -bound, bound)
