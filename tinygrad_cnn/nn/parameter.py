"""`Parameter`: a tensor that a module learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import get_default_dtype


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

    def __repr__(self) -> str:
        return f"Parameter containing:\n{Tensor(self.data, self.requires_grad)!r}"


def uninitialised(*shape: int, device: Any, dtype: Any) -> Parameter:
    """Return a parameter whose values an initialiser shall set."""
    empty = Tensor(np.empty(shape, get_default_dtype() if dtype is None else dtype))
    return Parameter(empty.to(device=device))
