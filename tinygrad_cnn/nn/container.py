"""Modules that hold others, or parameters, in order or by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from .module import Module
from .parameter import Parameter


class _Container(Module):
    """Holds modules, or parameters, by name."""

    _kind = "_modules"

    @property
    def _held(self) -> dict[str, Any]:
        return getattr(self, self._kind)

    def _set(self, name: str, value: Any) -> None:
        self.register_module(name, value)

    def __len__(self) -> int:
        return len(self._held)


class _Parameters(_Container):
    """Holds parameters; tensors become parameters."""

    _kind = "_parameters"

    def _set(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor) and not isinstance(value, Parameter):
            value = Parameter(value)
        self.register_parameter(name, value)

    def _child_reprs(self) -> Iterator[tuple[str, str]]:
        for name, value in self._parameters.items():
            yield name, "None" if value is None else f"Parameter of shape {value.shape}"


class _Numbered(_Container):
    """Names what it holds 0, 1, 2, ..."""

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held.values())

    def _name(self, index: int) -> str:
        try:
            return list(self._held)[index]
        except IndexError:
            what = self._kind.strip("_")
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(self)} {what}"
            ) from None

    def _slice(self, index: slice) -> Any:
        raise NotImplementedError

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._slice(index)
        return self._held[self._name(index)]

    def __setitem__(self, index: int, value: Any) -> None:
        self._set(self._name(index), value)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._held)[index] if isinstance(index, slice) else [self._name(index)]
        self._renumber([value for name, value in self._held.items() if name not in names])

    def _renumber(self, values: Iterable[Any]) -> None:
        self._held.clear()
        self.extend(values)

    def append(self, value: Any) -> Any:
        """Add one at the end; return the container."""
        number = len(self)
        while str(number) in self._held:  # a slice keeps the names that it had
            number += 1
        self._set(str(number), value)
        return self

    def extend(self, values: Iterable[Any]) -> Any:
        """Add some at the end; return the container."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def insert(self, index: int, value: Any) -> Any:
        """Add one before the one at `index`, and number all anew; return the container."""
        values = list(self.append(value))
        values.insert(index, values.pop())
        self._renumber(values)
        return self

    def pop(self, index: int = -1) -> Any:
        """Take one out, number the others anew, and return it."""
        value = self[index]
        del self[index]
        return value


class _Named(_Container):
    """Is a dictionary of what it holds."""

    def __init__(self, values: Any = None) -> None:
        super().__init__()
        self.update(() if values is None else values)

    def __getitem__(self, name: str) -> Any:
        return self._held[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._set(name, value)

    def __delitem__(self, name: str) -> None:
        del self._held[name]

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def keys(self) -> Iterable[str]:
        """Return the names."""
        return self._held.keys()

    def values(self) -> Iterable[Any]:
        """Return what it holds."""
        return self._held.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return pairs of name and value."""
        return self._held.items()

    def update(self, values: Any) -> None:
        """Add those of a mapping, or of pairs of name and value."""
        for name, value in dict(values).items():
            self._set(name, value)

    def pop(self, name: str) -> Any:
        """Take one out, and return it."""
        return self._held.pop(name)

    def clear(self) -> None:
        """Take all out."""
        self._held.clear()


class Sequential(_Numbered):
    """Calls modules one after the other.

    Parameters
    ----------
    *modules : Module, or one mapping of names to modules

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Flatten(), tg.nn.Linear(4, 2))
    >>> model(tg.ones(3, 2, 2)).shape
    (3, 2)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.register_module(name, module)
        else:
            self.extend(modules)

    def _slice(self, index: slice) -> Sequential:
        return Sequential(dict(list(self._modules.items())[index]))

    def forward(self, input: Any) -> Any:
        """Return the last module's output."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_Numbered):
    """A list of modules, which are registered.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> layers = tg.nn.ModuleList(tg.nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), len(list(layers.parameters()))
    (3, 6)
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(() if modules is None else modules)

    def _slice(self, index: slice) -> ModuleList:
        return ModuleList(list(self)[index])

    def _child_reprs(self) -> Iterator[tuple[str, str]]:
        """Yield equal neighbours as one, as in ``(0-2): 3 x ReLU()``."""
        for text, group in itertools.groupby(super()._child_reprs(), key=lambda item: item[1]):
            names = [name for name, _ in group]
            if len(names) == 1:
                yield names[0], text
            else:
                yield f"{names[0]}-{names[-1]}", f"{len(names)} x {text}"


class ModuleDict(_Named):
    """A dictionary of modules, which are registered.

    Parameters
    ----------
    modules : mapping, or iterable of (str, Module), optional

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> heads = tg.nn.ModuleDict({"a": tg.nn.Linear(2, 1)})
    >>> list(heads)
    ['a']
    """

    def __init__(
        self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None
    ) -> None:
        super().__init__(modules)


class ParameterList(_Parameters, _Numbered):
    """A list of parameters, which are registered; tensors become parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> scales = tg.nn.ParameterList(tg.ones(n) for n in (2, 3))
    >>> scales
    ParameterList(
      (0): Parameter of shape (2,)
      (1): Parameter of shape (3,)
    )
    """

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(() if values is None else values)

    def _slice(self, index: slice) -> ParameterList:
        return ParameterList(list(self)[index])


class ParameterDict(_Parameters, _Named):
    """A dictionary of parameters, which are registered; tensors become parameters.

    Parameters
    ----------
    parameters : mapping, or iterable of (str, Tensor), optional

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> scales = tg.nn.ParameterDict({"x": tg.ones(2)})
    >>> scales["y"] = tg.nn.Parameter(tg.zeros(3))
    >>> [name for name, _ in scales.named_parameters()]
    ['x', 'y']
    """

    def __init__(
        self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None
    ) -> None:
        super().__init__(parameters)
