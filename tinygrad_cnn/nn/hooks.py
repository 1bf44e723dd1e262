"""What stands between a module and its surroundings while backward hooks are registered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_cnn.core.function import Function, FunctionCtx
from tinygrad_cnn.core.tensor import RemovableHandle, Tensor

Gradients = tuple[Any, ...]


class Hook(NamedTuple):
    """A forward hook, and whether it also takes the keyword arguments."""

    function: Callable[..., Any]
    with_kwargs: bool = False

    def __call__(self, module: Any, args: Any, kwargs: Any, *result: Any) -> Any:
        """Call it."""
        given = (args, kwargs) if self.with_kwargs else (args,)
        return self.function(module, *given, *result)


def register(hooks: OrderedDict[int, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    """Add a hook at the end, or at the beginning."""
    handle = RemovableHandle(hooks, hook)
    if prepend:
        hooks.move_to_end(next(reversed(hooks)), last=False)
    return handle


class BackwardHook(Function):
    """The identity; in backward it shows the gradients to a function that may replace them."""

    @staticmethod
    def forward(ctx: FunctionCtx, arrived: Callable[[Gradients], Gradients], *values: Any) -> Any:
        """Return the values."""
        ctx.set_materialize_grads(False)
        constant = [v for v in values if isinstance(v, Tensor) and not v.requires_grad]
        ctx.mark_non_differentiable(*constant)
        ctx.arrived = arrived  # type: ignore[attr-defined]
        return values

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Any) -> Gradients:
        """Return what `arrived` makes of the gradients."""
        return (None, *ctx.arrived(gradients))  # type: ignore[attr-defined]


class Watch:
    """Calls a module's full backward hooks, for one call of the module."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.grad_output: Gradients | None = None
        self.count = 0  # of arguments
        self.has_inputs = False

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, watched."""
        self.count = len(args)
        self.has_inputs = any(isinstance(a, Tensor) and a.requires_grad for a in args)
        return BackwardHook.apply(self._input_arrived, *args) if self.has_inputs else args

    def outputs(self, result: Any) -> Any:
        """Return the result, watched.

        Raises
        ------
        TypeError
            If it is neither a Tensor nor a tuple.
        """
        if isinstance(result, Tensor):
            return BackwardHook.apply(self._output_arrived, result)[0]
        if isinstance(result, tuple):
            return BackwardHook.apply(self._output_arrived, *result)
        raise TypeError(
            f"{type(self.module).__name__}: full backward hooks need a forward that returns a "
            f"Tensor or a tuple, got {type(result).__name__}"
        )

    def _output_arrived(self, gradients: Gradients) -> Gradients:
        for hook in tuple(self.module._backward_pre_hooks.values()):
            gradients = _replaced(gradients, hook(self.module, gradients))
        self.grad_output = gradients
        if not self.has_inputs:
            self._input_arrived((None,) * self.count)
        return gradients

    def _input_arrived(self, gradients: Gradients) -> Gradients:
        if self.grad_output is None:  # a second derivative comes here from inside of the module
            return gradients
        for hook in tuple(self.module._backward_hooks.values()):
            gradients = _replaced(gradients, hook(self.module, gradients, self.grad_output))
        self.grad_output = None
        return gradients


def _replaced(gradients: Gradients, returned: Any) -> Gradients:
    if returned is None:
        return gradients
    returned = returned if isinstance(returned, tuple) else (returned,)
    if len(returned) != len(gradients):
        raise RuntimeError(
            f"backward hook: returned {len(returned)} gradients, expected {len(gradients)}"
        )
    return returned
