"""Products with Jacobians and Hessians of functions, and these themselves; after PyTorch's module.

Each function here calls `func` once, with copies of `inputs`: one tensor, or a tuple of them. What
it returns is cut off the graph, unless ``create_graph=True``: then gradients flow through it to the
inputs and to whatever else `func` uses. Where an output does not depend on an input the result is
zeros; with ``strict=True`` a ``RuntimeError`` says so. `tinygrad_cnn.func` has the same as functions
of functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor, tensor_from

from ._transform import Record, rebuild, tensors_of


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return the outputs of `func`, and the product of `v` with its Jacobian.

    Parameters
    ----------
    func : callable
        Takes `inputs`, and returns a tensor or a tuple of them.
    inputs : Tensor or tuple of Tensor
    v : Tensor or tuple of Tensor, optional
        In the form of the outputs; 1 where not given, for a single output of one element.
    create_graph : bool
        Keep the results in the graph.
    strict : bool
        Refuse outputs that do not depend on an input.

    Raises
    ------
    RuntimeError
        If `v` has not the form and shapes of the outputs, or an input is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> tg.autograd.functional.vjp(lambda x: x**2, x, tg.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    record = _record("vjp", func, inputs, create_graph, strict)
    products = record.pull(_or_one("vjp", v, record.output))
    return record.settle((record.output, rebuild(inputs, products)))


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return the outputs of `func`, and the product of its Jacobian with `v`.

    `v` has the form of the inputs; for the rest see `vjp`. Two reverse passes compute it: the
    product of a vector with the Jacobian is linear in the vector, and its transpose is this one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0])
    >>> tg.autograd.functional.jvp(lambda x: x.sum() * x, x, tg.tensor([1.0, 0.0]))
    (tensor([3., 6.]), tensor([4., 2.]))
    """
    record = _record("jvp", func, inputs, create_graph, strict)
    tangents = _as_tuple(_or_one("jvp", v, inputs))
    products = record.push(tangents, record.transpose())
    return record.settle((record.output, rebuild(record.output, products)))


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the Jacobian of `func`, of shape ``output.shape + input.shape``.

    For a tuple of outputs, a tuple of one for each; for a tuple of inputs, each of these a tuple.
    See `vjp` for the parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.autograd.functional.jacobian(lambda x: x * x[0], tg.tensor([3.0, 5.0]))
    tensor([[6., 0.],
            [5., 3.]])
    """
    record = _record("jacobian", func, inputs, create_graph, strict)
    rows = [rebuild(inputs, row) for row in record.jacobian()]
    return record.settle(rebuild(record.output, rows))


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False
) -> Any:
    """Return the second derivatives of `func`, which returns one number.

    For a tuple of inputs, a tuple of tuples. See `vjp` for the parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.autograd.functional.hessian(lambda x: x[0] ** 2 * x[1], tg.tensor([3.0, 5.0]))
    tensor([[10.,  6.],
            [ 6.,  0.]])
    """
    record = _gradient("hessian", func, inputs, create_graph, strict)
    rows = [rebuild(inputs, row) for row in record.jacobian()]
    return record.settle(rebuild(inputs, rows))


def vhp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return the output of `func`, one number, and the product of `v` with its Hessian.

    `v` has the form of the inputs; for the rest see `vjp`. The cost is that of two backwards.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([3.0, 5.0])
    >>> tg.autograd.functional.vhp(lambda x: x[0] ** 2 * x[1], x, tg.tensor([1.0, 0.0]))
    (tensor(45.), tensor([10.,  6.]))
    """
    record = _gradient("vhp", func, inputs, create_graph, strict)
    products = record.pull(_as_tuple(_or_one("vhp", v, inputs)))
    return record.settle((record.aux, rebuild(inputs, products)))


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """Return the output of `func`, one number, and the product of its Hessian with `v`.

    As a Hessian is symmetric this is `vhp`.
    """
    return vhp(func, inputs, v, create_graph, strict)


def _record(
    name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> Record:
    return Record(name, func, _as_tuple(inputs), create_graph=create_graph, strict=strict)


def _gradient(
    name: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> Record:
    """Return the record of the gradient of `func`; `aux` is the output of `func` itself."""

    def gradient(*primals: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        record = Record(name, func, primals, strict=strict)
        return tuple(record.pull(_or_one(name, None, record.output))), record.output

    return Record(
        name, gradient, _as_tuple(inputs), has_aux=True, create_graph=create_graph, strict=strict
    )


def _as_tuple(inputs: Any) -> tuple[Any, ...]:
    return inputs if isinstance(inputs, tuple) else (inputs,)


def _or_one(name: str, v: Any, like: Any) -> Any:
    """Return `v`, or 1 in the form of `like`."""
    if v is not None:
        return v
    tensors = tensors_of(like)
    if len(tensors) != 1 or tensors[0].numel() != 1:
        raise RuntimeError(
            f"{name}: only for one tensor of one element goes 1 without saying, "
            f"got shapes {[t.shape for t in tensors]}"
        )
    return rebuild(like, [tensor_from(np.ones(tensors[0].shape, tensors[0].dtype))])
