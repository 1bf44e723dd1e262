"""`Parameter`: a tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, as_array
from tinygrad_cnn.dtypes import get_default_dtype


class ParameterData(np.ndarray):
    """A parameter's values: an array that also has the methods which only Tensors have.

    So that programs written for PyTorch can say ``layer.weight.data.normal_(0, 0.01)``. What
    arrays have themselves, such as ``sum``, is NumPy's.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> layer = tg.nn.Linear(2, 1)
    >>> _ = layer.bias.data.fill_(0.5)
    >>> layer.bias.data
    ParameterData([0.5], dtype=float32)
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(Tensor(self.view(np.ndarray)), name)


class Parameter(Tensor):
    """A leaf tensor that a `Module` registers when it is set as an attribute.

    Parameters
    ----------
    data : Tensor or array_like
        Shared, not copied.
    requires_grad : bool
        True unless the parameter is frozen.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Parameter(tg.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data.data if isinstance(data, Tensor) else data, requires_grad)

    @property
    def data(self) -> np.ndarray:
        """The values; can be set to other ones, an array or a Tensor."""
        return self._data.view(ParameterData)

    @data.setter
    def data(self, data: Any) -> None:
        self._data = np.asarray(as_array(data))

    def __repr__(self) -> str:
        return f"Parameter containing:\n{Tensor(self.data, self.requires_grad)!r}"


def uninitialised(*shape: int, device: Any, dtype: Any) -> Parameter:
    """Return a parameter whose values an initialiser shall set."""
    empty = Tensor(np.empty(shape, get_default_dtype() if dtype is None else dtype))
    return Parameter(empty.to(device=device))
