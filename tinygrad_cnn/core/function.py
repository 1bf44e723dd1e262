"""`Function`: an operation of one's own, written as in PyTorch."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .modes import anomaly_mode, enable_grad, grad_mode, no_grad
from .node import Node, Slot
from .op import check_kept, share_version, source_of, user_line
from .tensor import Tensor, counter_of, tensor_from


class FunctionCtx:
    """What a `Function`'s forward leaves for its backward.

    Attributes
    ----------
    needs_input_grad : tuple of bool
        Which inputs want a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: list[tuple[Any, Any, list[int] | None]] = []
        self._to_save: tuple[Tensor | None, ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._materialize = True
        self._node: Callable[[], Node | None] = lambda: None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs, outputs or other tensors; backward finds them in `saved_tensors`."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward: expected Tensors, got {type(tensor).__name__}; "
                    "set an attribute of ctx for anything else"
                )
        self._to_save = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs carry no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether an output's missing gradient arrives as zeros (the default) or as None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """The tensors given to `save_for_backward`."""
        node = self._node()
        tensors = []
        for data, edge, version in self._saved:
            if isinstance(edge, int):  # the number of an output
                edge = node and _output_edge(node, edge)
            tensor = None if data is None else tensor_from(data, edge)
            if tensor is not None:
                tensor._counter = version
            tensors.append(tensor)
        return tuple(tensors)

    def _keep(self, outputs: Sequence[Any]) -> None:
        """Take the arrays of the saved tensors, not the tensors: they would refer to the node."""
        for tensor in self._to_save:
            if tensor is None:
                self._saved.append((None, None, None))
                continue
            edge: Any = tensor._edge
            if edge is None and tensor.requires_grad:
                edge = tensor
            for i, output in enumerate(outputs):
                if tensor is output and not any(tensor is c for c in self._constant):
                    edge = i
            self._saved.append((tensor._data, edge, counter_of(tensor)))
        self._to_save = ()


class _Kept:
    """Stands where an `Op` has its plan."""

    frees = True
    fresh: frozenset[int] = frozenset()


class _FunctionOp:
    """Shows a `Function` class to the engine as an operation."""

    broadcast = True  # as in PyTorch, backward may leave summing over broadcast axes to the engine
    formula = None
    option_names: tuple[str, ...] = ()

    def __init__(self, function: type[Function]) -> None:
        self.function = function
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def input_name(self, i: int) -> str:
        return f"input {i}"

    def outputs_of(self, node: Node) -> tuple[Any, ...]:
        return node._options

    @property
    def rule_source(self) -> str:
        return source_of(self.function.backward)

    def saved_arrays(self, node: Node) -> dict[str, np.ndarray]:
        saved = node._kept._saved if node._kept else ()
        return {
            f"saved_tensors[{i}]": data for i, (data, *_) in enumerate(saved) if data is not None
        }

    def vjp(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        with no_grad():
            given = [None if part is None else tensor_from(np.asarray(part)) for part in _parts(g)]
            gradients = self._run(node, given)
        return [None if gradient is None else gradient._data for gradient in gradients]

    def vjp_recorded(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        with enable_grad():
            return self._run(node, list(_parts(g)))

    def _run(self, node: Node, given: list[Any]) -> list[Any]:
        ctx = node._kept
        check_kept(node, [version for *_, version in ctx._saved] if ctx else [])
        if ctx._materialize:
            given = [
                tensor_from(np.zeros(shape, dtype)) if part is None and shape is not None else part
                for part, (shape, dtype) in zip(given, node._options, strict=True)
            ]
        returned = self.function.backward(ctx, *given)
        gradients = list(returned) if isinstance(returned, tuple) else [returned]
        while len(gradients) > len(node.parents) and gradients[-1] is None:
            gradients.pop()
        if len(gradients) != len(node.parents):
            raise RuntimeError(
                f"{self.name}: backward returned {len(gradients)} gradients "
                f"for {len(node.parents)} inputs"
            )
        for i, gradient in enumerate(gradients):
            if gradient is not None and not isinstance(gradient, Tensor):
                raise TypeError(
                    f"{self.name}: backward must return Tensors or None, "
                    f"got {type(gradient).__name__} for input {i}"
                )
        return gradients


class Function:
    """Base class of an operation with its own gradient; call it by ``apply``.

    Define the static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``, which
    returns a gradient (or None) for each argument of forward. With ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)`` instead, forward knows nothing of ctx.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> class Cube(tg.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    setup_context: Callable[..., Any] | None = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward and record it; returns what forward returns."""
        ctx = FunctionCtx(tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
        with no_grad():
            if cls.setup_context is None:
                returned = cls.forward(ctx, *args)
            else:
                returned = cls.forward(*args)
                cls.setup_context(ctx, args, returned)
        outputs = list(returned) if isinstance(returned, tuple) else [returned]
        if not any(ctx.needs_input_grad) or not grad_mode.get():
            return returned
        ctx._keep(outputs)
        parents = tuple(
            (a if a._edge is None else a._edge) if needed else None
            for a, needed in zip(args, ctx.needs_input_grad, strict=True)
        )
        shapes = tuple(
            (out.shape, out.dtype) if isinstance(out, Tensor) else (None, None) for out in outputs
        )
        node = Node(_function_op(cls), _Kept, parents, ctx, shapes, [])  # type: ignore[arg-type]
        ctx._node = weakref.ref(node)
        if len(outputs) == 1:
            node.shape, node.dtype = shapes[0]
        if anomaly_mode.get():
            node.site = user_line()
        for i, output in enumerate(outputs):
            constant = any(output is c for c in ctx._constant)
            if constant or not isinstance(output, Tensor) or output.dtype.kind != "f":
                continue
            if output.requires_grad or any(output is a for a in args):  # it has a history
                outputs[i] = tensor_from(output._data)
                share_version(output, outputs[i])
            outputs[i]._edge = _output_edge(node, i)
            outputs[i].requires_grad = True
        return tuple(outputs) if isinstance(returned, tuple) else outputs[0]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a `Function`'s backward that cannot itself be differentiated.

    A second derivative through it raises ``RuntimeError``.
    """

    @functools.wraps(backward)
    def wrapper(ctx: FunctionCtx, *gradients: Any) -> Any:
        recording = grad_mode.get()
        with no_grad():
            returned = backward(ctx, *gradients)
        if not recording:
            return returned
        parts = returned if isinstance(returned, tuple) else (returned,)
        return tuple(None if part is None else _Forbidden.apply(part, *gradients) for part in parts)

    return wrapper


class _Forbidden(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, value: Tensor, *gradients: Any) -> Tensor:
        return tensor_from(value._data)

    @staticmethod
    def backward(ctx: FunctionCtx, g: Tensor) -> Any:
        raise RuntimeError("once_differentiable: this backward cannot be differentiated again")


@functools.cache
def _function_op(function: type[Function]) -> Any:
    return _FunctionOp(function)


def _output_edge(node: Node, i: int) -> Any:
    shape, dtype = node._options[i]
    return node if len(node._options) == 1 else Slot(node, i, shape, dtype)


def _parts(g: Any) -> tuple[Any, ...]:
    return g if isinstance(g, tuple) else (g,)
