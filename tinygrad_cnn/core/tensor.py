"""The Tensor: an array that remembers how it was made."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.dtypes import get_default_dtype

from .methods import TensorMethods
from .modes import grad_mode
from .node import Edge, Node, Slot, sequence

Hooks = dict[int, Callable[["Tensor"], "Tensor | None"]]


class Tensor(TensorMethods):
    """An n-dimensional array on which operations are recorded for reverse-mode differentiation.

    Most methods and all operators come from the registry of operations.

    Parameters
    ----------
    data : array_like
        An ndarray is shared, not copied. Python numbers become int64, bool or the default
        floating dtype, as in `tinygrad_cnn.tensor`.
    requires_grad : bool
        Whether operations on it are recorded and backward gives it a `grad`.

    Attributes
    ----------
    data : numpy.ndarray
        The values.
    requires_grad : bool
    grad : Tensor or None
        For a leaf (or after `retain_grad`), the gradient that backward has summed up.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    _data: np.ndarray
    requires_grad: bool
    grad: Tensor | None = None
    _edge: Edge | None
    _counter: list[int] | None = None
    _is_view: bool = False
    _hooks: Hooks | None = None
    _after: dict[int, Callable[[Tensor], None]] | None = None
    _retained: RemovableHandle | None = None

    __array_ufunc__ = None  # ndarray * Tensor is Tensor.__rmul__
    __hash__ = object.__hash__

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self._data = as_array(data)
        self._edge = None
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()

    # -- what it is ----------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """The values; can be set to other ones, an array or a Tensor."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._data = as_array(data)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each dimension."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the values."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self._data.ndim

    @property
    def grad_fn(self) -> Node | None:
        """The `Node` that made this tensor; None for a leaf."""
        edge = self._edge
        if isinstance(edge, Tensor):  # stands for a leaf inside a recorded rule
            return None
        return edge.node if isinstance(edge, Slot) else edge

    @property
    def output_nr(self) -> int:
        """Which output of its `grad_fn` this tensor is."""
        return self._edge.index if isinstance(self._edge, Slot) else 0

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made it."""
        return self._edge is None

    @property
    def _version(self) -> int:
        return 0 if self._counter is None else self._counter[0]

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the length of one dimension."""
        return self._data.shape if dim is None else self._data.shape[dim]

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self._data.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self._data.size

    def is_floating_point(self) -> bool:
        """Return whether the dtype is a floating one."""
        return self._data.dtype.kind == "f"

    # -- out of the graph ----------------------------------------------------------------------

    def detach(self) -> Tensor:
        """Return a tensor that shares the values and is cut off the graph."""
        result = tensor_from(self._data)
        result._counter = counter_of(self)
        return result

    def detach_(self) -> Tensor:
        """Cut this tensor off the graph that made it."""
        self._edge = None
        self.requires_grad = False
        return self

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """Return the values, shared.

        Raises
        ------
        RuntimeError
            If the tensor requires grad, and `force` is not given: changes of the array would go
            unseen.
        """
        if self.requires_grad and not force:
            raise RuntimeError("numpy: the tensor requires grad; use tensor.detach().numpy()")
        return self._data

    def item(self) -> Any:
        """Return the only element as a Python number.

        Raises
        ------
        RuntimeError
            If there is not exactly one.
        """
        if self._data.size != 1:
            raise RuntimeError(f"item: expected one element, got shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers."""
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, value: Any) -> bool:
        return bool((self._data == (value._data if isinstance(value, Tensor) else value)).any())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise RuntimeError(
                f"bool: the truth of a tensor of shape {self.shape} is ambiguous; use any() or all()"
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(f"index: expected one integer, got {self.dtype} of shape {self.shape}")
        return int(self._data.item())

    def __repr__(self) -> str:
        name = type(self).__name__
        start = "tensor(" if name == "Tensor" else f"{name}("
        parts = [np.array2string(self._data, separator=", ", precision=4, prefix=start)]
        known = ("int64", "bool") if self._data.size else ()
        if self.dtype.name not in (*known, get_default_dtype().name):
            parts.append(f"dtype={self.dtype}")
        if 0 in self.shape and self.ndim != 1:
            parts.append(f"size={self.shape}")
        if self.grad_fn is not None:
            parts.append(f"grad_fn=<{self.grad_fn.name()}>")
        elif self.requires_grad and name == "Tensor":
            parts.append("requires_grad=True")
        return f"{start}{', '.join(parts)})"

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec) if self.ndim else format(self.item(), spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if self._edge is not None:
            raise RuntimeError("deepcopy: only leaf tensors can be copied; detach() first")
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        for name in self.__dict__.keys() - {"_counter", "_is_view", "_hooks", "_after"}:
            result.__dict__[name] = copy.deepcopy(self.__dict__[name], memo)
        return result

    def __reduce__(self) -> Any:
        if self._edge is not None:
            raise RuntimeError("pickle: only leaf tensors can be pickled; detach() first")
        return type(self), (self._data, self.requires_grad)

    # -- gradients -----------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set whether operations on this tensor are recorded, and return it.

        Raises
        ------
        RuntimeError
            If the dtype is not a floating one, or False is asked of a tensor that an operation
            made.
        """
        if requires_grad and self._data.dtype.kind != "f":
            raise RuntimeError(
                f"requires_grad: only floating tensors can require grad, got {self.dtype}"
            )
        if not requires_grad and self._edge is not None:
            raise RuntimeError("requires_grad: only a leaf can be told False; use detach()")
        self.requires_grad = bool(requires_grad)
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add the gradient of this tensor to the ``grad`` of the leaves that it came from.

        Parameters
        ----------
        gradient : array_like, optional
            The gradient arriving at this tensor; 1 where not given, for a tensor of one element.
        retain_graph : bool, optional
            Keep the graph for another backward; the value of `create_graph` where not given.
        create_graph : bool
            Record the gradient's own computation, for higher derivatives.
        inputs : Tensor or sequence of Tensor, optional
            Accumulate into these only.

        Raises
        ------
        RuntimeError
            If the tensor does not require grad, has several elements and no `gradient` is given,
            or its graph was freed or changed in place since.

        Examples
        --------
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor([1.0, 2.0], requires_grad=True)
        >>> (x**3).backward(tg.tensor([1.0, 10.0]))
        >>> x.grad
        tensor([  3., 120.])
        """
        from . import engine

        engine.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def retain_grad(self) -> None:
        """Let backward leave this tensor's gradient in ``grad``, though it is not a leaf.

        Raises
        ------
        RuntimeError
            If the tensor does not require grad.
        """
        if not self.requires_grad:
            raise RuntimeError("retain_grad: the tensor does not require grad")
        if self._edge is None or self._retained is not None:
            return
        reference = weakref.ref(self)

        def keep(gradient: Tensor) -> None:
            tensor = reference()
            if tensor is not None:
                total = gradient if tensor.grad is None else tensor.grad + gradient
                tensor.grad = total if total.requires_grad else tensor_from(total._data.copy())

        self._retained = RemovableHandle(self._hook_table(), keep, last=True)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook` with this tensor's gradient whenever backward has it.

        What it returns, if not None, is taken in the gradient's place.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` takes the hook away.

        Raises
        ------
        RuntimeError
            If the tensor does not require grad.

        Examples
        --------
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor(3.0, requires_grad=True)
        >>> handle = x.register_hook(lambda g: 2 * g)
        >>> (x * x).backward()
        >>> x.grad
        tensor(12.)
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook: the tensor does not require grad")
        return RemovableHandle(self._hook_table(), hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook` with this leaf whenever backward has added to its ``grad``.

        Returns
        -------
        RemovableHandle
            ``handle.remove()`` takes the hook away.

        Raises
        ------
        RuntimeError
            If the tensor is no leaf, or does not require grad.

        Examples
        --------
        >>> import tinygrad_cnn as tg
        >>> x = tg.tensor(3.0, requires_grad=True)
        >>> handle = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (x * x).backward()
        tensor(6.)
        """
        if self._edge is not None or not self.requires_grad:
            raise RuntimeError("register_post_accumulate_grad_hook: no leaf that requires grad")
        self._after = self._after or {}
        return RemovableHandle(self._after, hook)

    def _hook_table(self) -> Hooks:
        node = self.grad_fn
        if node is None:
            leaf: Any = self if self._edge is None else self._edge
            leaf._hooks = leaf._hooks or {}
            return leaf._hooks
        node._hooks = node._hooks or {}
        return node._hooks.setdefault(self.output_nr, {})

    # -- in place ------------------------------------------------------------------------------

    def _assign(self, result: Tensor, name: str) -> Tensor:
        """Take the values and the history of `result`, as an in-place operation does."""
        if not isinstance(result, Tensor):
            return result
        if result.shape != self.shape:
            raise RuntimeError(
                f"{name}: the result has shape {result.shape}, the tensor {self.shape}, "
                "which an in-place operation cannot change"
            )
        if result.dtype != self.dtype and not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise RuntimeError(
                f"{name}: the result is {result.dtype}, which cannot be stored in {self.dtype}"
            )
        if not self._data.flags.writeable:
            raise RuntimeError(
                f"{name}: the tensor's memory is read-only, as an expanded tensor's is; "
                "clone() it first"
            )
        if grad_mode.get() and (self.requires_grad or result.requires_grad):
            if self.requires_grad and self._edge is None:
                raise RuntimeError(
                    f"{name}: a leaf that requires grad cannot be changed in place; "
                    "do it under no_grad(), or out of place"
                )
            if self._is_view:
                raise RuntimeError(
                    f"{name}: the tensor shares its memory with another one (through a view), "
                    "whose history an in-place change would make wrong; clone() it first"
                )
            if result.grad_fn is not None:  # its rule may ask for the values before
                result.grad_fn.keep_copies(self._data, self._counter)
            self._edge = result._edge
            self.requires_grad = result.requires_grad
            if self._retained is not None:
                self._retained.remove()
                self._retained = None
                if self.requires_grad:
                    self.retain_grad()
        self._data[...] = result._data
        changed_in_place(self)
        return self


class RemovableHandle:
    """Takes a hook away again."""

    def __init__(self, hooks: dict[int, Any], hook: Any, last: bool = False) -> None:
        self._hooks = hooks
        self._key = -1 if last else next(sequence)
        final = {-1: hooks.pop(-1)} if -1 in hooks else {}
        hooks.update({self._key: hook, **final})

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def tensor_from(data: np.ndarray, edge: Edge | None = None) -> Tensor:
    """Return a Tensor of `data` as it is, whose gradient goes along `edge`."""
    result: Tensor = Tensor.__new__(Tensor)
    result._data = data
    result._edge = edge
    result.requires_grad = edge is not None
    return result


def counter_of(value: Any) -> list[int] | None:
    """Return a Tensor's version counter: how often, and when last, it was changed in place."""
    if not isinstance(value, Tensor):
        return None
    if value._counter is None:
        value._counter = [0, -1]
    return value._counter


def changed_in_place(tensor: Tensor) -> None:
    """Note that the values of `tensor` were changed in place."""
    counter: Any = counter_of(tensor)
    counter[:] = counter[0] + 1, next(sequence)


def as_array(data: Any, dtype: Any = None) -> np.ndarray:
    """Return `data` as an ndarray of `dtype`; Python floats take the default dtype.

    Raises
    ------
    TypeError
        If it is not made of numbers.
    ValueError
        If nested sequences differ in length.
    """
    if isinstance(data, Tensor):
        return data._data if dtype is None else data._data.astype(dtype, copy=False)
    if isinstance(data, (list, tuple)):
        data = _without_tensors(data)
    try:
        array = np.asarray(data, dtype=dtype)
    except ValueError as error:
        raise ValueError(f"tensor: expected nested sequences of equal lengths: {error}") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"tensor: expected numbers, got {type(data).__name__} of {array.dtype}")
    if dtype is None and array.dtype == np.float64 and not hasattr(data, "dtype"):
        array = array.astype(get_default_dtype())
    return array


def _without_tensors(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data._data
    if isinstance(data, (list, tuple)):
        return [_without_tensors(value) for value in data]
    return data
