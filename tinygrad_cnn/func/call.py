"""A module as a function of its parameters and buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_cnn.core.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Mapping[str, Tensor] | Sequence[Mapping[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call `module` with other tensors in the place of its parameters and buffers.

    Parameters
    ----------
    module : Module
    parameter_and_buffer_dicts : dict of Tensor, or sequence of them
        By name, as in ``module.named_parameters()``. The module's own take the other places.
    args : Any
        The argument, or a tuple of them.
    kwargs : dict, optional
    tie_weights : bool
        A tensor that the module has under several names is replaced under all of them.
    strict : bool
        Refuse names that the module does not have, or does not get.

    Raises
    ------
    RuntimeError
        If names do not match, and `strict` is given.
    ValueError
        If a name is in two of the dictionaries.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> linear = tg.nn.Linear(2, 1)
    >>> loss = lambda params, x: tg.func.functional_call(linear, params, x).sum()
    >>> params = {"weight": tg.ones(1, 2), "bias": tg.zeros(1)}
    >>> tg.func.grad(loss)(params, tg.tensor([[3.0, 5.0]]))
    {'weight': tensor([[3., 5.]]), 'bias': tensor([1.])}
    """
    dicts = parameter_and_buffer_dicts
    given: dict[str, Tensor] = {}
    for one in [dicts] if isinstance(dicts, Mapping) else dicts:
        if twice := given.keys() & one.keys():
            raise ValueError(f"functional_call: {sorted(twice)} are in two of the dictionaries")
        given.update(one)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)

    places = {
        f"{path}.{name}" if path else name: (tensors, name)
        for path, part in module.named_modules()
        for tensors in (part._parameters, part._buffers)
        for name in tensors
    }
    missing, unexpected = places.keys() - given.keys(), given.keys() - places.keys()
    before = {path: tensors[name] for path, (tensors, name) in places.items()}
    replaced = {path: tensor for path, tensor in given.items() if path in places}
    if tie_weights:
        by_id = {id(before[path]): tensor for path, tensor in replaced.items()}
        for path, tensor in before.items():
            if tensor is not None and id(tensor) in by_id:
                replaced.setdefault(path, by_id[id(tensor)])
        missing -= replaced.keys()
    if strict and (missing or unexpected):
        raise RuntimeError(
            f"functional_call: missing {sorted(missing)}, not in the module {sorted(unexpected)}"
        )
    try:
        for path, tensor in replaced.items():
            tensors, name = places[path]
            tensors[name] = tensor
        return module(*args, **(kwargs or {}))
    finally:
        for path in replaced:
            tensors, name = places[path]
            tensors[name] = before[path]
