"""Backward: runs gradient rules from outputs to inputs, in reverse order of creation."""

from __future__ import annotations

import operator
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.kernels.elementwise import add

from .modes import anomaly_mode, enable_grad, no_grad, watcher
from .node import Edge, Node, Slot
from .op import has_nan, registry
from .tensor import Hooks, Tensor, as_array, tensor_from

_accumulating = threading.Lock()


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    *,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to the ``grad`` of the leaves that they came from.

    See `Tensor.backward`; here for several tensors at once, with a gradient (or None) for each.
    """
    roots = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    cotangents = _cotangents("backward", roots, grad_tensors, create_graph)
    targets = None
    if inputs is not None:
        targets = [inputs] if isinstance(inputs, Tensor) else list(dict.fromkeys(inputs))
        if not targets:
            raise RuntimeError("backward: inputs is empty")
        _check_inputs("backward", targets)
    keep = create_graph if retain_graph is None else retain_graph
    found = _run(roots, cotangents, targets, keep, create_graph)
    for target in targets or ():
        gradient = found.get(_edge(target))
        if gradient is not None:
            _accumulate(target, gradient, create_graph, owned=False)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Return the gradients of `outputs` with respect to `inputs`, and touch no ``grad``.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs need not be leaves.
    grad_outputs : Tensor or sequence, optional
        The gradient arriving at each output; None (1) for one of a single element.
    retain_graph : bool, optional
        Keep the graph for another backward; the value of `create_graph` where not given.
    create_graph : bool
        Record the gradients' own computation, for higher derivatives.
    only_inputs : bool
        Without effect, as in PyTorch: no other ``grad`` is ever touched.
    allow_unused : bool, optional
        Return None for an input that the outputs do not depend on, rather than raise.
    is_grads_batched : bool
        Take the first dimension of each of `grad_outputs` as one of several cotangents: run
        backward with one after the other, and stack the gradients.
    materialize_grads : bool
        Return zeros for it instead.

    Returns
    -------
    tuple of Tensor

    Raises
    ------
    RuntimeError
        If an input does not require grad, or is unused and that is not allowed.
    ValueError
        If `materialize_grads` comes with ``allow_unused=False``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor(2.0, requires_grad=True)
    >>> (first,) = tg.autograd.grad(x**3, x, create_graph=True)
    >>> (second,) = tg.autograd.grad(first, x)
    >>> first.item(), second.item()
    (12.0, 12.0)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused=True, or not given")
    roots = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    targets = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    _check_inputs("grad", targets)
    if is_grads_batched:
        options = (True, create_graph, only_inputs, allow_unused, False, materialize_grads)
        batches = [grad_outputs] if isinstance(grad_outputs, (Tensor, np.ndarray)) else grad_outputs
        each = [grad(roots, targets, row, *options) for row in zip(*batches or (), strict=True)]
        if not each:
            raise RuntimeError("grad: is_grads_batched=True needs grad_outputs of one row or more")
        return tuple(
            None if rows[0] is None else registry["stack"](rows) for rows in zip(*each, strict=True)
        )
    cotangents = _cotangents("grad", roots, grad_outputs, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    found = _run(roots, cotangents, targets, keep, create_graph)
    results: list[Tensor | None] = []
    for i, target in enumerate(targets):
        gradient = found.get(_edge(target))
        if gradient is None and materialize_grads:
            gradient = np.zeros(target.shape, target.dtype)
        elif gradient is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i}; "
                "pass allow_unused=True to get None for it"
            )
        is_array = isinstance(gradient, (np.ndarray, np.generic))
        results.append(_fresh(gradient) if is_array else gradient)
    return tuple(results)


def _run(
    roots: list[Tensor],
    cotangents: list[Any],
    targets: list[Tensor] | None,
    retain_graph: bool,
    create_graph: bool,
) -> dict[Edge, Any]:
    """Run backward; return the gradient that arrived at each of `targets`.

    With no targets, the gradients of all leaves are accumulated into their ``grad``.
    """
    pending: dict[Any, Any] = {}  # node or leaf -> what has arrived; a list for several outputs
    found: dict[Edge, Any] = {}
    captured = None if targets is None else {_key(_edge(target)) for target in targets}
    order, uses = _reachable(roots)
    needed = None if captured is None else _needed(order, captured)
    for root, cotangent in zip(roots, cotangents, strict=True):
        edge = _edge(root)
        _deliver(pending, edge, cotangent)
        if isinstance(edge, Tensor):
            uses.setdefault(edge, 0)

    def finish(leaf: Tensor, owned: bool) -> None:
        gradient = pending.pop(leaf, None)
        if gradient is None:
            return
        if leaf._hooks:
            gradient = _call_hooks(leaf._hooks, gradient, create_graph)
        if targets is None:
            _accumulate(leaf, gradient, create_graph, owned and not leaf._hooks)
        else:
            found[leaf] = gradient

    watch = watcher.get()(roots, cotangents)
    anomaly = anomaly_mode.get()
    with enable_grad() if create_graph else no_grad(), np.errstate(all="ignore"):
        for leaf in [leaf for leaf, count in uses.items() if count == 0]:
            finish(leaf, owned=False)
        for node in order:
            g = pending.pop(node, None)
            if g is not None and node._hooks:
                for i, hooks in list(node._hooks.items()):
                    if isinstance(g, list):
                        if g[i] is not None:
                            g[i] = _call_hooks(hooks, g[i], create_graph)
                    else:
                        g = _call_hooks(hooks, g, create_graph)
            wanted = None
            if captured is not None:
                if g is not None and node in captured:
                    found.update(_captures(node, g, targets or []))
                wanted = [_key(parent) in needed for parent in node.parents]  # type: ignore[operator]
            if g is None or (wanted is not None and not any(wanted)):
                gradients: Sequence[Any] = [None] * len(node.parents)
            else:
                rules = node.op.vjp_recorded if create_graph else node.op.vjp
                if watch is not None:
                    rules = watch(rules)
                gradients = rules(node, tuple(g) if isinstance(g, list) else g, wanted)
                if wanted is not None:  # a rule for several inputs gives more
                    gradients = [g if w else None for g, w in zip(gradients, wanted, strict=True)]
                if anomaly:
                    _check_nan(node, g, gradients)
                if not retain_graph and node._plan.frees:
                    node._kept = None
            for i, parent in enumerate(node.parents):
                if parent is None:
                    continue
                gradient = gradients[i]
                owned = False
                if gradient is not None:
                    if gradient.shape != parent.shape or gradient.dtype is not parent.dtype:
                        gradient = _fit(node, gradient, parent)
                    if parent.__class__ is Node:
                        before = pending.get(parent)
                        pending[parent] = gradient if before is None else add(before, gradient)
                        continue
                    owned = watch is None and (parent in pending or i in node._plan.fresh)
                    _deliver(pending, parent, gradient)
                if isinstance(parent, Tensor):
                    uses[parent] -= 1
                    if not uses[parent]:
                        finish(parent, owned)
    return found


def _reachable(roots: list[Tensor]) -> tuple[list[Node], dict[Tensor, int]]:
    """Return the nodes under `roots`, youngest first, and how many edges lead to each leaf."""
    seen = {root.grad_fn for root in roots if root.grad_fn is not None}
    uses: dict[Tensor, int] = {}
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent is None:
                continue
            if isinstance(parent, Tensor):
                uses[parent] = uses.get(parent, 0) + 1
                continue
            node = parent if parent.__class__ is Node else parent.node  # type: ignore[union-attr]
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return sorted(seen, key=operator.attrgetter("seq"), reverse=True), uses


def _needed(order: list[Node], captured: set[Any]) -> set[Any]:
    """Return the nodes and leaves through which a gradient must pass to reach a captured one."""
    needed = set(captured)
    for node in reversed(order):
        if any(_key(parent) in needed for parent in node.parents):
            needed.add(node)
    return needed


def _edge(tensor: Tensor) -> Edge:
    return tensor if tensor._edge is None else tensor._edge


def _key(edge: Edge | None) -> Any:
    return edge.node if isinstance(edge, Slot) else edge


def _deliver(pending: dict[Any, Any], edge: Edge, gradient: Any) -> None:
    if isinstance(edge, Slot):
        slots = pending.setdefault(edge.node, [None] * len(edge.node.op.outputs_of(edge.node)))
        before = slots[edge.index]
        slots[edge.index] = gradient if before is None else add(before, gradient)
    else:
        before = pending.get(edge)
        pending[edge] = gradient if before is None else add(before, gradient)


def _captures(node: Node, g: Any, targets: list[Tensor]) -> dict[Edge, Any]:
    found: dict[Edge, Any] = {}
    for target in targets:
        edge = _edge(target)
        if edge is node:
            found[edge] = g
        elif isinstance(edge, Slot) and edge.node is node and g[edge.index] is not None:
            found[edge] = g[edge.index]
    return found


def _fit(node: Node, gradient: Any, parent: Edge) -> Any:
    """Sum over broadcast axes and cast, so that a gradient has its input's shape and dtype."""
    if gradient.shape != parent.shape:
        try:
            if not node.op.broadcast:
                raise RuntimeError
            gradient = registry["sum_to_size"](gradient, parent.shape)
        except RuntimeError:
            raise RuntimeError(
                f"{node.name()}: a gradient rule gave shape {gradient.shape} "
                f"for an input of shape {parent.shape}"
            ) from None
    if gradient.dtype != parent.dtype:
        gradient = registry["to"](gradient, parent.dtype)
    return gradient


def _accumulate(leaf: Tensor, gradient: Any, create_graph: bool, owned: bool) -> None:
    with _accumulating:
        if create_graph:
            # a copy, as another leaf may get the same Tensor
            copied = registry["to"](gradient, gradient.dtype)
            leaf.grad = copied if leaf.grad is None else leaf.grad + copied
        elif leaf.grad is None:
            leaf.grad = tensor_from(np.asarray(gradient)) if owned else _fresh(gradient)
        else:
            leaf.grad = tensor_from(np.asarray(leaf.grad._data + gradient))
    for hook in list(leaf._after.values()) if leaf._after else ():
        hook(leaf)


def _fresh(gradient: Any) -> Tensor:
    """Return a Tensor of a copy: the array may be in use elsewhere, or be a view."""
    return tensor_from(np.array(gradient))


def _call_hooks(hooks: Hooks, gradient: Any, create_graph: bool) -> Any:
    tensor = gradient if create_graph else tensor_from(np.asarray(gradient))
    for hook in list(hooks.values()):
        returned = hook(tensor)
        if returned is not None:
            if not isinstance(returned, Tensor) or returned.shape != tensor.shape:
                raise RuntimeError(
                    f"hook: expected a Tensor of shape {tensor.shape}, got "
                    f"{getattr(returned, 'shape', type(returned).__name__)}"
                )
            tensor = returned
    return tensor if create_graph else tensor._data


def _check_inputs(name: str, inputs: list[Tensor]) -> None:
    for i, tensor in enumerate(inputs):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: input {i} must be a Tensor, got {type(tensor).__name__}")
        if not tensor.requires_grad:
            raise RuntimeError(f"{name}: input {i} does not require grad")


def _cotangents(name: str, roots: list[Tensor], given: Any, create_graph: bool) -> list[Any]:
    if given is None:
        given = [None] * len(roots)
    elif isinstance(given, (Tensor, np.ndarray, np.generic, float, int)):
        given = [given]
    if len(given) != len(roots):
        raise RuntimeError(f"{name}: got {len(given)} gradients for {len(roots)} outputs")
    cotangents = []
    for i, (root, gradient) in enumerate(zip(roots, given, strict=True)):
        if not isinstance(root, Tensor):
            raise TypeError(f"{name}: output {i} must be a Tensor, got {type(root).__name__}")
        if not root.requires_grad:
            raise RuntimeError(
                f"{name}: the output does not require grad: nothing that made it does, "
                "or it was made under no_grad()"
            )
        if gradient is None:
            if root._data.size != 1:
                raise RuntimeError(
                    f"{name}: only an output of one element has an implicit gradient, "
                    f"got shape {root.shape}; pass the gradient, or reduce it first"
                )
            gradient = tensor_from(np.ones(root.shape, root.dtype))
        if not isinstance(gradient, Tensor):
            gradient = tensor_from(as_array(gradient, root.dtype))
        if gradient.shape != root.shape:
            raise RuntimeError(
                f"{name}: the gradient has shape {gradient.shape}, its output {root.shape}"
            )
        if gradient.dtype != root.dtype:
            gradient = registry["to"](gradient, root.dtype)
        cotangents.append(gradient if create_graph else gradient._data)
    return cotangents


def _check_nan(node: Node, g: Any, gradients: Sequence[Any]) -> None:
    if any(has_nan(part) for part in (g if isinstance(g, list) else [g])):
        return
    for i, gradient in enumerate(gradients):
        if has_nan(gradient):
            where = f", called at {node.site}" if node.site else ""
            raise RuntimeError(
                f"{node.name()}: its gradient rule made the first NaN, for "
                f"{node.op.input_name(i)}{where}"
            )
