"""Checkpointing: less memory for more time, by running parts of the forward again in backward.

After Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost" (2016).
"""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from tinygrad_cnn.autograd._transform import tensors_of
from tinygrad_cnn.core.function import FunctionCtx
from tinygrad_cnn.core.modes import grad_mode
from tinygrad_cnn.core.node import Node, sequence
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import get_rng_state, set_rng_state


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)``, and keep nothing that it computed for backward.

    When backward comes to it, the function runs once more for what it would have kept. Gradients
    of any order, also for tensors that it uses beside its arguments, such as a module's
    parameters, are those without checkpoint. Checkpoints nest.

    Parameters
    ----------
    function : callable
        Must do the same in the second run. What it does beside returning something, such as
        batch-norm's running statistics, it does twice.
    *args, **kwargs : Any
        Its arguments.
    use_reentrant : bool, optional
        Without effect: all works as under PyTorch's ``use_reentrant=False``.
    preserve_rng_state : bool
        Let the second run draw the same numbers from the default generator, as for dropout.

    Returns
    -------
    Any
        What `function` returns: a tensor, or tuples, lists and dictionaries of them.

    Raises
    ------
    RuntimeError
        In backward, if the second run records other operations than the first, or uses other
        tensors that require grad.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(0.5, requires_grad=True)
    >>> y = tg.utils.checkpoint.checkpoint(lambda x: (x.sin() * 2).exp(), x)
    >>> y.grad_fn.saved
    {}
    >>> y.backward()
    >>> x.grad
    tensor(4.5787)
    """
    context = contextvars.copy_context()  # its modes
    state = get_rng_state() if preserve_rng_state else None
    start = next(sequence)
    result = function(*args, **kwargs)
    if not grad_mode.get():
        return result

    def again() -> list[Node]:
        start = next(sequence)
        before = get_rng_state()
        if state is not None:
            set_rng_state(state)
        try:
            return _nodes_since(start, context.run(function, *args, **kwargs))
        finally:
            if state is not None:
                set_rng_state(before)

    _Segment(_nodes_since(start, result), again)
    return result


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """Run functions one after the other, in `segments` parts, each but the last a `checkpoint`.

    Parameters
    ----------
    functions : Sequential or sequence of callable
    segments : int
    input : Any
        The argument of the first.
    use_reentrant, preserve_rng_state : bool
        As for `checkpoint`.

    Raises
    ------
    ValueError
        If there are fewer functions than segments, or no segments.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> layers = [tg.sin, tg.exp, tg.square]
    >>> x = tg.tensor([0.0], requires_grad=True)
    >>> tg.utils.checkpoint.checkpoint_sequential(layers, 2, x).sum().backward()
    >>> x.grad
    tensor([2.])
    """
    layers = list(functions.children() if hasattr(functions, "children") else functions)
    if not 0 < segments <= len(layers):
        raise ValueError(
            f"checkpoint_sequential: segments must be 1 to {len(layers)}, the number of "
            f"functions, got {segments}"
        )

    def run(part: Sequence[Callable[..., Any]], value: Any) -> Any:
        for layer in part:
            value = layer(value)
        return value

    size = len(layers) // segments
    last = size * (segments - 1)
    for i in range(0, last, size):
        part = layers[i : i + size]
        input = checkpoint(run, part, input, preserve_rng_state=preserve_rng_state)
    return run(layers[last:], input)


def _nodes_since(start: int, result: Any) -> list[Node]:
    """Return the nodes that made `result` and are younger than `start`, oldest first."""
    stack: list[Node | Tensor | None] = [tensor.grad_fn for tensor in tensors_of(result)]
    found: set[Node] = set()
    while stack:
        node = stack.pop()
        if isinstance(node, Node) and node.seq > start and node not in found:
            found.add(node)
            stack += [parent for parent, _ in node.next_functions]
    return sorted(found, key=lambda node: node.seq)


class _Segment:
    """The nodes of one call of `checkpoint`, and how to get again what they kept.

    The nodes refer to their segment, so it refers to them weakly.
    """

    def __init__(self, nodes: Sequence[Node], again: Callable[[], list[Node]]) -> None:
        self.nodes: list[Callable[[], Node | None]] = [weakref.ref(node) for node in nodes]
        self._again = again
        self._made = _made(nodes)
        self._outside = _outside(nodes)
        for i, node in enumerate(nodes):
            if isinstance(node._kept, FunctionCtx):
                node._kept._saved = [(None, *rest) for _, *rest in node._kept._saved]
            elif node._kept is not None and node._plan.frees:
                node._kept = ()
            node.op = _Forgetful(node.op, self, i)  # type: ignore[assignment]

    def recall(self) -> None:
        """Give the nodes what they kept, from a second run."""
        second = self._again()
        if _made(second) != self._made:
            raise RuntimeError(
                "checkpoint: the function did other things in the second run: it recorded "
                f"{_made(second)}, and {self._made} in the first"
            )
        if [id(edge) for edge in self._outside] != [id(edge) for edge in _outside(second)]:
            raise RuntimeError(
                "checkpoint: the function used other tensors that require grad in the second run"
            )
        for reference, new in zip(self.nodes, second, strict=True):
            node = reference()
            if node is None:
                continue
            if isinstance(node._kept, FunctionCtx):
                saved = zip(new._kept._saved, node._kept._saved, strict=True)
                node._kept._saved = [(data, *rest) for (data, *_), (_, *rest) in saved]
            else:
                node._kept = new._kept
            node.op = new.op
            if isinstance(new.op, _Forgetful):  # of a checkpoint in this one
                new.op.segment.nodes[new.op.i] = reference


def _made(nodes: Sequence[Node]) -> list[tuple[str, Any]]:
    return [(node.name(), node.shape) for node in nodes]


def _outside(nodes: Sequence[Node]) -> list[Node | Tensor]:
    """Return where gradients leave `nodes`."""
    inside = set(nodes)
    parents = [parent for node in nodes for parent, _ in node.next_functions]
    return [p for p in parents if isinstance(p, Tensor) or (p is not None and p not in inside)]


class _Forgetful:
    """Stands for the operation of a node that will need the second run."""

    def __init__(self, op: Any, segment: _Segment, i: int) -> None:
        self._op = op
        self.segment = segment
        self.i = i

    def __getattr__(self, name: str) -> Any:
        return getattr(self._op, name)

    def vjp(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        self.segment.recall()
        return node.op.vjp(node, g, wanted)

    def vjp_recorded(self, node: Node, g: Any, wanted: Sequence[bool] | None = None) -> list[Any]:
        self.segment.recall()
        return node.op.vjp_recorded(node, g, wanted)
