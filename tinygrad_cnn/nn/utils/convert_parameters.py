"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from tinygrad_cnn.core.tensor import Tensor, changed_in_place
from tinygrad_cnn.ops.joining import cat
from tinygrad_cnn.ops.shape import reshape


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all elements of `parameters`, one after the other, with their gradient.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Linear(2, 3)
    >>> tg.nn.utils.parameters_to_vector(model.parameters()).shape
    (9,)
    """
    return cat([reshape(parameter, (-1,)) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set `parameters` to the elements of `vec`, in order.

    Raises
    ------
    TypeError
        If `vec` is not a Tensor.
    ValueError
        If it has another number of elements. Nothing is changed then.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> w, b = tg.ones(2), tg.ones(1)
    >>> tg.nn.utils.vector_to_parameters(tg.tensor([1.0, 2.0, 3.0]), [w, b])
    >>> w, b
    (tensor([1., 2.]), tensor([3.]))
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: vec must be a Tensor, got {type(vec).__name__}")
    parameters = list(parameters)
    count = sum(parameter.data.size for parameter in parameters)
    if vec.shape != (count,):
        raise ValueError(f"vector_to_parameters: vec has shape {vec.shape}, expected ({count},)")
    offset = 0
    for parameter in parameters:
        part = vec.data[offset : offset + parameter.data.size]
        parameter.data[...] = part.reshape(parameter.shape)
        changed_in_place(parameter)
        offset += parameter.data.size
