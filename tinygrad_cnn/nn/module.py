"""`Module`: holds parameters, buffers and other modules, and knows how they are called."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_cnn.core.modes import scope
from tinygrad_cnn.core.tensor import RemovableHandle, Tensor, as_array, changed_in_place

from .hooks import Hook, Watch, register
from .parameter import Parameter

M = TypeVar("M", bound="Module")

_paths: ContextVar[dict[int, str] | None] = ContextVar("paths", default=None)
"""While a module runs: the path, by id, of each module that the outermost running one holds."""
_pending: ContextVar[list[tuple[Tensor, np.ndarray]]] = ContextVar("pending")
"""While a state is loaded: the tensors that will be set, if nothing is wrong, and to what."""


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` found on one side only."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        missing, unexpected = self
        return f"IncompatibleKeys(missing_keys={missing}, unexpected_keys={unexpected})"


class Module:
    """Base class of networks and layers: define ``__init__`` and ``forward``.

    Parameters, buffers and modules set as attributes are registered under their names.

    Attributes
    ----------
    training : bool
        Whether layers such as dropout and batch norm behave as in training.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> class Net(tg.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = tg.nn.Linear(4, 2)
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> net = Net()
    >>> net
    Net(
      (fc): Linear(in_features=4, out_features=2, bias=True)
    )
    >>> [name for name, _ in net.named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _transient: set[str]
    _forward_hooks: OrderedDict[int, Hook]
    _forward_pre_hooks: OrderedDict[int, Hook]
    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]
    _version = 1

    def __init__(self) -> None:
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _modules={}, _transient=set()
        )
        self.__dict__.update({name: OrderedDict() for name in _HOOKS})

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; define it in the subclass.

        Raises
        ------
        NotImplementedError
            If the subclass does not.
        """
        raise NotImplementedError(f"{type(self).__name__}: define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        paths = _paths.get()
        if paths is None:  # the outermost call
            root = _paths.set({id(module): path for path, module in self.named_modules()})
            try:
                return self._run(args, kwargs)
            finally:
                _paths.reset(root)
        # a module that the outermost one does not hold counts as where it is called
        token = scope.set(paths.get(id(self), scope.get()))
        try:
            return self._run(args, kwargs)
        finally:
            scope.reset(token)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        forward_hooks = self._forward_pre_hooks or self._forward_hooks
        if not (forward_hooks or self._backward_hooks or self._backward_pre_hooks):
            return self.forward(*args, **kwargs)
        for pre_hook in tuple(self._forward_pre_hooks.values()):
            changed = pre_hook(self, args, kwargs)
            if changed is not None and pre_hook.with_kwargs:
                args, kwargs = changed
            elif changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        watch = Watch(self) if self._backward_hooks or self._backward_pre_hooks else None
        if watch:
            args = watch.inputs(args)
        result = self.forward(*args, **kwargs)
        for hook in tuple(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, result)
            if changed is not None:
                result = changed
        return watch.outputs(result) if watch else result

    # -- registering ---------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Module)):
            if "_parameters" not in self.__dict__:
                raise AttributeError(
                    f"{type(self).__name__}: call super().__init__() before setting {name!r}"
                )
            known: Any = self._parameters if isinstance(value, Parameter) else self._modules
            if name not in known:
                self._forget(name)
            self._check_name(type(self).__name__, name, known)
            known[name] = value
            return
        for kind, expected in _KINDS.items():
            registered = self.__dict__.get(kind, ())
            if name in registered:
                if value is not None and not isinstance(value, expected):
                    raise TypeError(
                        f"{type(self).__name__}: {name!r} can be set to a {expected.__name__} "
                        f"or None, not {type(value).__name__}"
                    )
                registered[name] = value
                return
        super().__setattr__(name, value)

    def _forget(self, name: str) -> None:
        for registered in (self.__dict__, self._parameters, self._buffers, self._modules):
            registered.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        for kind in _KINDS:
            registered = self.__dict__.get(kind, ())
            if name in registered:
                return registered[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if any(name in known for known in (self._parameters, self._buffers, self._modules)):
            self._forget(name)
        else:
            super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _check_name(self, what: str, name: str, known: Mapping[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{what}: name must be a str, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{what}: name must be without dots and not empty, got {name!r}")
        if name not in known and hasattr(self, name):
            raise KeyError(f"{what}: attribute {name!r} exists already")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None as its absence.

        Raises
        ------
        TypeError
            If it is neither.
        KeyError
            If the name cannot be used.
        """
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: expected a Parameter or None, got {type(param).__name__}"
            )
        self._check_name("register_parameter", name, self._parameters)
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module but is not learnt, such as a running mean.

        Parameters
        ----------
        persistent : bool
            Whether it is part of `state_dict`.
        """
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"register_buffer: expected a Tensor or None, got {type(tensor).__name__}"
            )
        self._check_name("register_buffer", name, self._buffers)
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child module under `name`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module: expected a Module or None, got {type(module).__name__}"
            )
        self._check_name("register_module", name, self._modules)
        self._modules[name] = module

    add_module = register_module

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after forward; what it returns replaces the output.

        Parameters
        ----------
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs, output)``.
        """
        return register(self._forward_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before forward; what it returns replaces the arguments.

        Parameters
        ----------
        prepend : bool
            Call it before the hooks that are there.
        with_kwargs : bool
            Call ``hook(module, args, kwargs)``, which returns None or new ``(args, kwargs)``.
        """
        return register(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the gradients of its inputs are there.

        Both are tuples, with None where there is no gradient; those of the inputs are what this
        call of the module adds. What it returns replaces `grad_input`.

        Examples
        --------
        >>> import tinygrad_cnn as tg
        >>> layer = tg.nn.ReLU()
        >>> _ = layer.register_full_backward_hook(lambda module, inputs, outputs: print(inputs))
        >>> layer(tg.tensor([-1.0, 2.0], requires_grad=True)).sum().backward()
        (tensor([0., 1.]),)
        """
        return register(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before the module's backward.

        What it returns replaces `grad_output`.
        """
        return register(self._backward_pre_hooks, hook, prepend)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, prefix, keep_vars)`` before `state_dict`."""
        return register(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, local_metadata)`` after `state_dict`.

        It may change the state dict in place.
        """
        return register(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, state_dict, prefix, ...)`` before the module's part is loaded.

        The arguments are those of `_load_from_state_dict`. It may change the state dict, which is
        a copy of what the user gave.
        """
        return register(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, incompatible_keys)`` after the module is loaded.

        It may change the lists ``missing_keys`` and ``unexpected_keys`` in place, before they
        count.
        """
        return register(self._load_state_dict_post_hooks, hook)

    # -- what it holds -------------------------------------------------------------------------

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all under it with their paths, each once."""
        seen: set[int] = set()

        def walk(module: Module, path: str) -> Iterator[tuple[str, Module]]:
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                for name, child in module._modules.items():
                    if child is not None:
                        yield from walk(child, f"{path}.{name}" if path else name)

        return walk(self, prefix)

    def modules(self) -> Iterator[Module]:
        """Yield this module and all under it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules directly under this one with their names, each once."""
        seen: set[int] = set()
        for name, child in self._modules.items():
            if child is not None and id(child) not in seen:
                seen.add(id(child))
                yield name, child

    def children(self) -> Iterator[Module]:
        """Yield the modules directly under this one, each once."""
        return (child for _, child in self.named_children())

    def _named(self, kind: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, tensor in getattr(module, kind).items():
                if tensor is not None and id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their paths; one that is shared comes once."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters; one that is shared comes once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their paths."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """Return the module at a path such as ``features.0``; this one for an empty path.

        Raises
        ------
        AttributeError
            If there is none.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(f"{type(module).__name__} has no module {name!r} (of {target!r})")
            module = child
        return module

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path such as ``features.0.weight``."""
        path, _, name = target.rpartition(".")
        parameter = self.get_submodule(path)._parameters.get(name)
        if parameter is None:
            raise AttributeError(f"{type(self).__name__} has no parameter {target!r}")
        return parameter

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a path such as ``features.1.running_mean``."""
        path, _, name = target.rpartition(".")
        buffer = self.get_submodule(path)._buffers.get(name)
        if buffer is None:
            raise AttributeError(f"{type(self).__name__} has no buffer {target!r}")
        return buffer

    # -- changing all of it --------------------------------------------------------------------

    def apply(self: M, fn: Callable[[Module], Any]) -> M:
        """Call `fn` with every module under this one, and with it last; return it."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self: M, mode: bool = True) -> M:
        """Set training mode, here and in all modules under it; return the module."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool, got {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: M) -> M:
        """Set evaluation mode, here and in all modules under it; return the module."""
        return self.train(False)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Freeze the parameters, or let them learn again; return the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Take the gradients off the parameters, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
            elif parameter.grad is not None:
                parameter.grad.detach_().zero_()

    def to(self: M, *args: Any, **kwargs: Any) -> M:
        """Bring floating parameters and buffers to a dtype; return the module.

        The arguments are those of `Tensor.to`.

        Raises
        ------
        TypeError
            If the dtype is not a floating one.
        RuntimeError
            If it is asked for a device other than ``"cpu"``.
        """
        dtype = Tensor(np.empty(0, np.float32)).to(*args, **kwargs).dtype
        if dtype.kind != "f":
            raise TypeError(f"to: modules take floating dtypes, got {dtype}")
        for tensor in (*self.parameters(), *self.buffers()):
            if tensor.is_floating_point():
                tensor.data = tensor.detach().to(*args, **kwargs).data
                if tensor.grad is not None:
                    tensor.grad = tensor.grad.detach().to(*args, **kwargs)
        return self

    def cpu(self: M) -> M:
        """Return the module itself: every module is on the CPU."""
        return self

    def cuda(self: M, device: Any = None) -> M:
        """Raise ``RuntimeError``: there is no other device."""
        return self.to("cuda" if device is None else device)

    def float(self: M) -> M:
        """Bring parameters and buffers to float32; return the module."""
        return self.to(np.float32)

    def double(self: M) -> M:
        """Bring parameters and buffers to float64; return the module."""
        return self.to(np.float64)

    def half(self: M) -> M:
        """Bring parameters and buffers to float16; return the module."""
        return self.to(np.float16)

    # -- state ---------------------------------------------------------------------------------

    def _local_state(self) -> dict[str, Tensor]:
        """Return the module's own parameters and persistent buffers."""
        named = {**self._parameters, **self._buffers}
        return {
            name: tensor
            for name, tensor in named.items()
            if tensor is not None and name not in self._transient
        }

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Add the module's own part of `state_dict`; a subclass may define it otherwise."""
        for name, tensor in self._local_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()

    def state_dict(
        self,
        *,
        destination: OrderedDict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> OrderedDict[str, Tensor]:
        """Return parameters and persistent buffers by path, sharing memory with the module.

        Parameters
        ----------
        destination : OrderedDict, optional
            Add them to this one.
        prefix : str
            Put before every path.
        keep_vars : bool
            Return the parameters themselves, not detached from the graph.
        """
        if destination is None:
            destination = OrderedDict()
        metadata = destination.__dict__.setdefault("_metadata", {})
        local_metadata = metadata[prefix[:-1]] = {"version": self._version}
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            hook(self, destination, prefix, local_metadata)
        return destination

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load the module's own part of a state; a subclass may define it otherwise.

        Values are only noted here, and set when nothing in the whole state is wrong.
        """
        own = self._local_state()
        assign = local_metadata.get("assign_to_params_buffers", False)
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                if strict:
                    missing_keys.append(key)
                continue
            array = as_array(state_dict[key])
            if array.shape != tensor.shape:
                error_msgs.append(f"{key}: the shape is {array.shape}, the module has {tensor.shape}")
            elif assign and array.dtype.kind != tensor.dtype.kind:
                error_msgs.append(f"{key}: the dtype is {array.dtype}, the module has {tensor.dtype}")
            else:
                _pending.get().append((tensor, array))
        if strict:
            for key in state_dict:
                if key.startswith(prefix):
                    name, dot, _ = key[len(prefix) :].partition(".")
                    if name not in (self._modules if dot else own):
                        unexpected_keys.append(key)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy parameters and buffers from what `state_dict` gave; all of them or none.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
        strict : bool
            Whether the names must agree exactly.
        assign : bool
            Take the arrays themselves, with their dtypes, instead of copying their values.

        Returns
        -------
        IncompatibleKeys
            The ``missing_keys`` and ``unexpected_keys``.

        Raises
        ------
        RuntimeError
            Listing every missing and unexpected name and every shape that differs; with
            `assign`, also every dtype of another kind.
        TypeError
            If `state_dict` is not a mapping of names to tensors or arrays.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected a mapping, got {type(state_dict).__name__}"
            )
        given = OrderedDict(state_dict)
        metadata = getattr(state_dict, "_metadata", {})
        found = IncompatibleKeys([], [])
        problems: list[str] = []

        def load(module: Module, path: str) -> None:
            prefix = f"{path}." if path else ""
            local = {**metadata.get(path, {}), "assign_to_params_buffers": assign}
            arguments = (given, prefix, local, True, *found, problems)
            for hook in module._load_state_dict_pre_hooks.values():
                hook(module, *arguments)
            module._load_from_state_dict(*arguments)
            for name, child in module._modules.items():
                if child is not None:
                    load(child, prefix + name)
            for hook in module._load_state_dict_post_hooks.values():
                hook(module, found)

        values: list[tuple[Tensor, np.ndarray]] = []
        token = _pending.set(values)
        try:
            load(self, "")
        finally:
            _pending.reset(token)
        if strict and found.unexpected_keys:
            problems.insert(0, "unexpected: " + ", ".join(found.unexpected_keys))
        if strict and found.missing_keys:
            problems.insert(0, "missing: " + ", ".join(found.missing_keys))
        if problems:
            raise RuntimeError(
                f"load_state_dict: cannot load into {type(self).__name__}:\n  "
                + "\n  ".join(problems)
            )
        for tensor, array in values:
            if assign:
                tensor.data = array
            else:
                tensor.data[...] = array
            changed_in_place(tensor)
        return found

    def save(self, f: str | os.PathLike[str]) -> None:
        """Write `state_dict` to a safetensors file, as `tinygrad_cnn.save` does."""
        from tinygrad_cnn.serialization import save

        save(self.state_dict(), f)

    def load(self, f: str | os.PathLike[str], strict: bool = True) -> IncompatibleKeys:
        """Load the state dict in a file of any kind that `tinygrad_cnn.load` reads.

        Result and errors are those of `load_state_dict`, and the errors of `tinygrad_cnn.load`.

        Examples
        --------
        >>> import tempfile
        >>> import tinygrad_cnn as tg
        >>> net = tg.nn.Linear(2, 1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save(f"{folder}/net.safetensors")
        ...     tg.nn.Linear(2, 1).load(f"{folder}/net.safetensors")
        <All keys matched successfully>
        """
        from tinygrad_cnn.serialization import load

        return self.load_state_dict(load(f), strict)

    # -- showing -------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """Return what stands in the parentheses of the repr; define it in the subclass."""
        return ""

    def _child_reprs(self) -> Iterable[tuple[str, str]]:
        return ((name, repr(child)) for name, child in self._modules.items())

    def __repr__(self) -> str:
        name, extra = type(self).__name__, self.extra_repr()
        children = [f"({path}): {text}" for path, text in self._child_reprs()]
        if not children and "\n" not in extra:
            return f"{name}({extra})"
        parts = [extra, *children] if extra else children
        inner = "\n".join(parts).replace("\n", "\n  ")
        return f"{name}(\n  {inner}\n)"


_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_KINDS: dict[str, type] = {"_parameters": Parameter, "_buffers": Tensor, "_modules": Module}
"""What is registered, by the attribute that holds it."""
