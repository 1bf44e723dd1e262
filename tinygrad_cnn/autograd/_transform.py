"""What the function transforms of `autograd.functional` and `func` share.

A transform calls the function with copies of its inputs, each the start of a graph of its own, and
takes gradients with respect to those. A copy of a tensor that requires grad still leads on to it,
so transforms nest, and their results can be differentiated by whatever is outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.modes import enable_grad, grad_mode
from tinygrad_cnn.core.node import Node
from tinygrad_cnn.core.tensor import Tensor, tensor_from

_running: ContextVar[frozenset[Node | None]] = ContextVar("_running", default=frozenset())
"""The inputs of the transforms whose function runs now."""


def map_tensors(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """Return `tree`, of tuples, lists and dictionaries, with `function` of its tensors."""
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: map_tensors(function, value) for key, value in tree.items()}
    if isinstance(tree, (tuple, list)):
        values = [map_tensors(function, value) for value in tree]
        return type(tree)(*values) if hasattr(tree, "_fields") else type(tree)(values)
    return tree


def tensors_of(tree: Any) -> list[Tensor]:
    """Return the tensors in `tree`, in order."""
    found: list[Tensor] = []
    map_tensors(found.append, tree)
    return found


def rebuild(tree: Any, values: Iterable[Any]) -> Any:
    """Return `tree` with `values` in the places of its tensors."""
    rest = iter(values)
    return map_tensors(lambda _: next(rest), tree)


def require_tensors(name: str, what: str, tree: Any) -> None:
    """Raise RuntimeError if anything in `tree` is not a tensor."""
    if isinstance(tree, (tuple, list, dict)):
        for value in tree.values() if isinstance(tree, dict) else tree:
            require_tensors(name, what, value)
    elif not isinstance(tree, Tensor):
        raise RuntimeError(f"{name}: {what} must be Tensors, got {type(tree).__name__}")


Transposed = tuple[list[Tensor | None], list[Tensor]]


def depends(tensors: Iterable[Tensor]) -> bool:
    """Return whether gradients reach anything but the inputs of transforms that have finished."""
    running = _running.get()
    stack: list[Node | Tensor | None] = [t.grad_fn or t for t in tensors if t.requires_grad]
    seen = set()
    while stack:
        edge = stack.pop()
        if isinstance(edge, Tensor) or edge in running:
            return True
        if edge is not None and edge not in seen:
            seen.add(edge)
            stack += [parent for parent, _ in edge.next_functions]
    return False


def _start(tensor: Tensor) -> Tensor:
    """Return a copy of `tensor` that a node made, even where `tensor` does not require grad."""
    linked = tensor.requires_grad
    copy = (tensor if linked else tensor.detach().requires_grad_()).clone()
    if not linked and copy.grad_fn is not None:
        copy.grad_fn.parents = (None,)
    return copy


class Record:
    """A call ``func(*primals)`` with its graph, and products with its Jacobian.

    Attributes
    ----------
    output, aux : Any
        What the function returned.
    outputs, inputs : list of Tensor
        The tensors in `output`, and the copies that the function was given.
    """

    def __init__(
        self,
        name: str,
        func: Callable[..., Any],
        primals: tuple[Any, ...],
        *,
        has_aux: bool = False,
        create_graph: bool = True,
        strict: bool = False,
    ) -> None:
        require_tensors(name, "the inputs", primals)
        self._name = name
        self._primals = primals
        self._create_graph = create_graph
        self._strict = strict
        with enable_grad():
            copies = map_tensors(_start, primals)
            # other tensors than the function gets, which it may change in place
            self.inputs = [tensor_from(t.data, t.grad_fn) for t in tensors_of(copies)]
            token = _running.set(_running.get().union(t.grad_fn for t in self.inputs))
            try:
                self.output = func(*copies)
            finally:
                _running.reset(token)
        self.aux = None
        if has_aux:
            if not isinstance(self.output, tuple) or len(self.output) != 2:
                raise RuntimeError(f"{name}: with has_aux=True, func must return (output, aux)")
            self.output, self.aux = self.output
        require_tensors(name, "what func returns", self.output)
        self.outputs = tensors_of(self.output)

    def settle(self, tree: Any) -> Any:
        """Return `tree` with the tensors cut off the graph that lead to nothing outside."""
        return map_tensors(lambda t: t if self._leads_out([t]) else t.detach(), tree)

    def _leads_out(self, tensors: Iterable[Tensor]) -> bool:
        return self._create_graph and grad_mode.get() and depends(tensors)

    def pull(self, cotangents: Any) -> list[Tensor]:
        """Return for each input the product of `cotangents`, in the form of `output`, and Jacobian."""
        given = self._vector("the cotangents", cotangents, self.output)
        parts = self._products(self.outputs, self.inputs, given)
        return self._filled("input", parts, self.inputs)

    def transpose(self) -> Transposed:
        """Return ``pull(u)`` for each input, and the ``u``.

        It is linear in u. So its own gradients for u are products of the Jacobian with tangents
        of the inputs, as forward mode gives them, and exact.
        """
        with enable_grad():
            starts = [_start(tensor_from(np.zeros(t.shape, t.dtype))) for t in self.outputs]
        return self._products(self.outputs, self.inputs, starts, create_graph=True), starts

    def push(self, tangents: Any, transposed: Transposed) -> list[Tensor]:
        """Return for each output the product of Jacobian and `tangents`, in the form of the inputs."""
        given = self._vector("the tangents", tangents, self._primals)
        return self._filled("output", self._products(*transposed, given), self.outputs)

    def jacobian(self) -> list[list[Tensor]]:
        """Return for each output and input the Jacobian, by reverse mode: row by row."""
        rows = []
        for output in self.outputs:
            parts = self._products([output], self.inputs, [_unit_vectors(output)], batched=True)
            rows.append(self._filled("input", parts, self.inputs, before=output.shape))
        return rows

    def jacobian_forward(self) -> list[list[Tensor]]:
        """Return the same by forward mode: column by column."""
        pulled, starts = self.transpose()
        columns = []
        for gradient, input in zip(pulled, self.inputs, strict=True):
            parts = self._products([gradient], starts, [_unit_vectors(input)], batched=True)
            last = [None if part is None else part.movedim(0, -1) for part in parts]
            columns.append(self._filled("output", last, self.outputs, after=input.shape))
        return [list(row) for row in zip(*columns, strict=True)]

    def _vector(self, what: str, given: Any, like: Any) -> list[Tensor]:
        require_tensors(self._name, what, given)
        form, expected = (map_tensors(lambda t: t.shape, tree) for tree in (given, like))
        if form != expected:
            raise RuntimeError(
                f"{self._name}: {what} must be Tensors of shapes {expected}, got {form}"
            )
        return tensors_of(given)

    def _products(
        self,
        outputs: Sequence[Tensor | None],
        inputs: Sequence[Tensor],
        cotangents: Sequence[Tensor],
        batched: bool = False,
        create_graph: bool = False,
    ) -> list[Tensor | None]:
        """Return the gradients for `inputs`; None where `outputs` do not depend on them."""
        pairs = [
            (output, cotangent)
            for output, cotangent in zip(outputs, cotangents, strict=True)
            if output is not None and output.requires_grad and not (batched and not len(cotangent))
        ]
        if not pairs:
            return [None] * len(inputs)
        return list(
            grad(
                [output for output, _ in pairs],
                inputs,
                [cotangent for _, cotangent in pairs],
                retain_graph=True,
                create_graph=create_graph or self._leads_out([*self.outputs, *cotangents]),
                allow_unused=True,
                is_grads_batched=batched,
            )
        )

    def _filled(
        self,
        kind: str,
        parts: Sequence[Tensor | None],
        tensors: Sequence[Tensor],
        before: tuple[int, ...] = (),
        after: tuple[int, ...] = (),
    ) -> list[Tensor]:
        """Return `parts` in the shapes of `tensors` between `before` and `after`; zeros for None."""
        filled = []
        for i, (part, tensor) in enumerate(zip(parts, tensors, strict=True)):
            if part is None and self._strict:
                raise RuntimeError(
                    f"{self._name}: {kind} {i} has no part in the derivative, "
                    "which strict=True forbids"
                )
            shape = before + tensor.shape + after
            filled.append(
                tensor_from(np.zeros(shape, tensor.dtype)) if part is None else part.reshape(shape)
            )
        return filled


def _unit_vectors(tensor: Tensor) -> Tensor:
    n = tensor.numel()
    return tensor_from(np.eye(n, dtype=tensor.dtype).reshape(n, *tensor.shape))
