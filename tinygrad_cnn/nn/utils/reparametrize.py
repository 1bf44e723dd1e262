"""A weight that is computed from other parameters before each forward pass."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor, changed_in_place
from tinygrad_cnn.ops.linalg import dot, mv
from tinygrad_cnn.ops.reduce import vector_norm
from tinygrad_cnn.ops.shape import movedim, reshape
from tinygrad_cnn.random import default_generator

from ..module import Module
from ..parameter import Parameter

M = TypeVar("M", bound=Module)


class _Computed:
    """A forward pre-hook that sets a module's parameter to what it computes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.compute(module))

    def compute(self, module: Module) -> Tensor:
        """Return the value of the parameter."""
        raise NotImplementedError

    def attach(self, module: Module, function: str) -> Tensor:
        """Take the parameter off the module, and return it."""
        for hook, _ in module._forward_pre_hooks.values():
            if isinstance(hook, _Computed) and hook.name == self.name:
                raise RuntimeError(f"{function}: {self.name!r} is computed already")
        parameter = module.get_parameter(self.name)
        del module._parameters[self.name]
        module.register_forward_pre_hook(self)
        return parameter


def _remove(function: str, kind: type[_Computed], module: Module, name: str) -> _Computed:
    for key, (hook, _) in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            del module._forward_pre_hooks[key]
            return hook
    raise ValueError(f"{function}: {name!r} of {type(module).__name__} has none")


def _restore(module: M, hook: _Computed, *parts: str) -> M:
    """Register the present value as a parameter, in the place of what it is computed from."""
    with no_grad():
        value = hook.compute(module)
    for part in ("", *parts):
        delattr(module, hook.name + part)
    module.register_parameter(hook.name, Parameter(value.data))
    return module


class WeightNorm(_Computed):
    """Computes a weight from its direction and its length."""

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = dim

    def length(self, direction: Tensor) -> Tensor:
        """Return the norm over all dimensions but one."""
        if self.dim in (None, -1):
            return vector_norm(direction)
        dims = tuple(i for i in range(direction.ndim) if i != self.dim)
        return vector_norm(direction, dim=dims, keepdim=True) if dims else direction.abs()

    def compute(self, module: Module) -> Tensor:
        """Return ``g * v / ‖v‖``."""
        length, direction = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return direction * (length / self.length(direction))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Split a weight into its length ``weight_g`` and its direction ``weight_v`` [1]_.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.
    dim : int, optional
        There is a length for each index of this dimension; one for all where it is None or -1.

    Returns
    -------
    Module
        The same one.

    Raises
    ------
    RuntimeError
        If the parameter is computed already.

    References
    ----------
    .. [1] T. Salimans and D. P. Kingma, "Weight normalization", NeurIPS 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.utils.weight_norm(tg.nn.Linear(4, 2))
    >>> [(name, p.shape) for name, p in layer.named_parameters()]
    [('bias', (2,)), ('weight_g', (2, 1)), ('weight_v', (2, 4))]
    """
    hook = WeightNorm(name, dim)
    weight = hook.attach(module, "weight_norm")
    module.register_parameter(f"{name}_g", Parameter(hook.length(weight.detach()).data))
    module.register_parameter(f"{name}_v", Parameter(weight.data))
    hook(module, ())
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter again, with its present value; see `weight_norm`.

    Raises
    ------
    ValueError
        If it is none that `weight_norm` split.
    """
    return _restore(module, _remove("remove_weight_norm", WeightNorm, module, name), "_g", "_v")


class SpectralNorm(_Computed):
    """Computes a weight by dividing by its largest singular value, found by power iteration."""

    def __init__(self, name: str, n_power_iterations: int, eps: float, dim: int) -> None:
        super().__init__(name)
        self.n_power_iterations = n_power_iterations
        self.eps = eps
        self.dim = dim

    def matrix(self, weight: Tensor) -> Tensor:
        """Return the weight with the output's dimension first and the others as one."""
        return reshape(movedim(weight, self.dim, 0), (weight.shape[self.dim], -1))

    def compute(self, module: Module) -> Tensor:
        """Return ``W / (u · W v)``; in training, bring u and v nearer first."""
        weight = getattr(module, f"{self.name}_orig")
        u, v = (getattr(module, f"{self.name}_{part}") for part in "uv")
        matrix = self.matrix(weight)
        if module.training:
            self.iterate(matrix.data, u, v, self.n_power_iterations)
        return weight / dot(u.clone(), mv(matrix, v.clone()))

    def iterate(self, matrix: np.ndarray, u: Tensor, v: Tensor, times: int) -> None:
        """Move u and v towards the first singular vectors, in place."""
        for _ in range(times):
            for vector, map, other in ((v, matrix.T, u), (u, matrix, v)):
                image = map @ other.data
                vector.data[...] = image / max(float(np.linalg.norm(image)), self.eps)
                changed_in_place(vector)


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divide a weight by its largest singular value, so that the layer is 1-Lipschitz [1]_.

    Each forward pass in training makes `n_power_iterations` steps towards the singular vectors.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter.
    n_power_iterations : int
    eps : float
        The least norm that is divided by.
    dim : int, optional
        The dimension of the outputs; 0, and 1 for transposed convolutions, where not given.

    Returns
    -------
    Module
        The same one.

    Raises
    ------
    RuntimeError
        If the parameter is computed already.
    ValueError
        If `n_power_iterations` is not positive.

    References
    ----------
    .. [1] T. Miyato et al., "Spectral normalization for generative adversarial networks",
       ICLR 2018.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.utils.spectral_norm(tg.nn.Linear(4, 4), n_power_iterations=50)
    >>> round(tg.linalg.svdvals(layer.weight)[0].item(), 3)
    1.0
    """
    if n_power_iterations < 1:
        raise ValueError(
            f"spectral_norm: n_power_iterations must be positive, got {n_power_iterations}"
        )
    if dim is None:
        dim = 1 if "ConvTranspose" in type(module).__name__ else 0
    hook = SpectralNorm(name, n_power_iterations, eps, dim)
    weight = hook.attach(module, "spectral_norm")
    module.register_parameter(f"{name}_orig", Parameter(weight.data))
    for part, size in zip("uv", hook.matrix(weight.detach()).shape, strict=True):
        vector = default_generator.numpy.standard_normal(size)
        unit = (vector / np.linalg.norm(vector)).astype(weight.dtype)
        module.register_buffer(f"{name}_{part}", Tensor(unit))
    hook(module, ())
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make the weight a parameter again, with its present value; see `spectral_norm`.

    Raises
    ------
    ValueError
        If it is none that `spectral_norm` divides.
    """
    return _restore(module, _remove("remove_spectral_norm", SpectralNorm, module, name), "_orig", "_u", "_v")
