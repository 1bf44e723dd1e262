"""Functions of functions that take derivatives.

They nest to any order, and call the function with copies of its arguments. Arguments and results
can be tuples, lists and dictionaries of tensors. Gradients flow through a result to tensors outside
that require grad: arguments, and what the function uses beside them. Under ``no_grad()`` outside, a
result has no graph; the function itself always runs with grad mode on.

There is no ``vmap``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.autograd._transform import Record, rebuild
from tinygrad_cnn.core.tensor import Tensor, tensor_from


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return the output of ``func(*primals)``, and a function for products with its Jacobian.

    Parameters
    ----------
    func : callable
    *primals : Tensor, or tuple, list or dict of Tensors
    has_aux : bool
        `func` returns ``(output, aux)``: differentiate the output only, and return aux too.

    Returns
    -------
    output : Any
        What `func` returned.
    vjp_fn : callable
        Takes cotangents in the form of the output, and returns a tuple of one product for each of
        `primals`. Can be called many times.
    aux : Any
        With `has_aux`.

    Raises
    ------
    RuntimeError
        If a primal is not a floating tensor, or the output not made of tensors.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> output, vjp_fn = tg.func.vjp(lambda x: x**2, tg.tensor([1.0, 2.0]))
    >>> vjp_fn(tg.tensor([1.0, 10.0]))
    (tensor([ 2., 40.]),)
    """
    record = Record("vjp", func, primals, has_aux=has_aux)

    def vjp_fn(cotangents: Any) -> Any:
        return record.settle(rebuild(primals, record.pull(cotangents)))

    return _with_aux(record, has_aux, record.settle(record.output), vjp_fn)


def jvp(
    func: Callable[..., Any],
    primals: tuple[Any, ...],
    tangents: tuple[Any, ...],
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """Return the output of ``func(*primals)``, and the product of its Jacobian with `tangents`.

    Two reverse passes compute it, exactly: the product of a vector with the Jacobian is linear in
    the vector, and the transpose of that linear function is this one.

    Parameters
    ----------
    func : callable
    primals, tangents : tuple of Tensor, or of tuples, lists or dicts of Tensors
        Of the same form and shapes.
    strict : bool
        Refuse an output that does not depend on the primals.
    has_aux : bool
        As for `vjp`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.func.jvp(lambda x: x**2, (tg.tensor([1.0, 2.0]),), (tg.tensor([1.0, 10.0]),))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp: primals and tangents must be tuples, as for func(*primals)")
    record = Record("jvp", func, primals, has_aux=has_aux, strict=strict)
    products = rebuild(record.output, record.push(tangents, record.transpose()))
    return _with_aux(record, has_aux, record.settle(record.output), record.settle(products))


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return the output of ``func(*primals)``, and its linear approximation there.

    That is a function of tangents, one for each primal; `func` is not called again for it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> output, jvp_fn = tg.func.linearize(lambda x: x**2, tg.tensor([1.0, 2.0]))
    >>> jvp_fn(tg.tensor([1.0, 0.0])), jvp_fn(tg.tensor([0.0, 1.0]))
    (tensor([2., 0.]), tensor([0., 4.]))
    """
    record = Record("linearize", func, primals)
    transposed = record.transpose()

    def jvp_fn(*tangents: Any) -> Any:
        return record.settle(rebuild(record.output, record.push(tangents, transposed)))

    return record.settle(record.output), jvp_fn


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return a function for ``(gradient, value)`` of `func`; with `has_aux`, ``(gradient, (value, aux))``.

    See `grad` for the parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.func.grad_and_value(lambda x: x**3)(tg.tensor(2.0))
    (tensor(12.), tensor(8.))
    """

    @functools.wraps(func)
    def gradient_and_value(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        record, pick = _record_of("grad", func, argnums, args, kwargs, has_aux)
        value = record.output
        if not isinstance(value, Tensor) or value.ndim:
            what = f"shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
            raise RuntimeError(f"grad: func must return a 0-d Tensor, got {what}")
        gradient = record.settle(pick(record.pull(tensor_from(np.ones((), value.dtype)))))
        value = record.settle(value)
        return gradient, (value, record.settle(record.aux)) if has_aux else value

    return gradient_and_value


def value_and_grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return `grad_and_value` in the order of JAX: ``(value, gradient)``.

    With `has_aux`, ``((value, aux), gradient)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.func.value_and_grad(lambda x: x**3)(tg.tensor(2.0))
    (tensor(8.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def value_and_gradient(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        gradient, value = both(*args, **kwargs)
        return value, gradient

    return value_and_gradient


def grad(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function for the gradient of `func`, which returns a 0-d tensor.

    Parameters
    ----------
    func : callable
    argnums : int or tuple of int
        The positional arguments to differentiate for: tensors, or tuples, lists or dicts of them.
        For a tuple, the gradient is a tuple.
    has_aux : bool
        `func` returns ``(output, aux)``; the new function then returns ``(gradient, aux)``.

    Raises
    ------
    RuntimeError
        When called: if there is no such argument, it is not made of floating tensors, or `func`
        does not return a 0-d tensor.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> cube = lambda x: x**3
    >>> tg.func.grad(cube)(tg.tensor(2.0)), tg.func.grad(tg.func.grad(cube))(tg.tensor(2.0))
    (tensor(12.), tensor(12.))
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        result, value = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def jacrev(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function for the Jacobian of `func`, by reverse mode: one backward for each output.

    It has the form of the output, with a Jacobian of shape ``output.shape + input.shape`` for each
    tensor in it; for a tuple `argnums`, a tuple of them. See `grad` for the parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.func.jacrev(lambda x: x * x[0])(tg.tensor([3.0, 5.0]))
    tensor([[6., 0.],
            [5., 3.]])
    """
    return _jacobian("jacrev", Record.jacobian, func, argnums, has_aux)


def jacfwd(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False
) -> Callable[..., Any]:
    """Return `jacrev` by forward mode (see `jvp`): one backward for each element of the inputs."""
    return _jacobian("jacfwd", Record.jacobian_forward, func, argnums, has_aux)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """Return a function for the second derivatives of `func`: ``jacfwd(jacrev(func))``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.func.hessian(lambda x: x[0] ** 2 * x[1])(tg.tensor([3.0, 5.0]))
    tensor([[10.,  6.],
            [ 6.,  0.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


def _jacobian(
    name: str,
    compute: Callable[[Record], list[list[Tensor]]],
    func: Callable[..., Any],
    argnums: int | tuple[int, ...],
    has_aux: bool,
) -> Callable[..., Any]:
    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        record, pick = _record_of(name, func, argnums, args, kwargs, has_aux)
        result = rebuild(record.output, [pick(row) for row in compute(record)])
        result = record.settle(result)
        return (result, record.settle(record.aux)) if has_aux else result

    return jacobian


def _record_of(
    name: str,
    func: Callable[..., Any],
    argnums: int | tuple[int, ...],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    has_aux: bool,
) -> tuple[Record, Callable[[list[Tensor]], Any]]:
    """Return the record for the arguments `argnums`, and what brings results into their form."""
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    for n in numbers:
        if not isinstance(n, int) or not -len(args) <= n < len(args):
            raise RuntimeError(
                f"{name}: argnums must be numbers of the {len(args)} positional arguments, "
                f"got {argnums!r}"
            )
    if not numbers:
        raise RuntimeError(f"{name}: argnums must not be empty")
    chosen = tuple(args[n] for n in numbers)

    def call(*primals: Any) -> Any:
        given = list(args)
        for n, primal in zip(numbers, primals, strict=True):
            given[n] = primal
        return func(*given, **kwargs)

    def pick(results: list[Tensor]) -> Any:
        form = rebuild(chosen, results)
        return form if isinstance(argnums, tuple) else form[0]

    return Record(name, call, chosen, has_aux=has_aux), pick


def _with_aux(record: Record, has_aux: bool, *results: Any) -> tuple[Any, ...]:
    return (*results, record.settle(record.aux)) if has_aux else results
