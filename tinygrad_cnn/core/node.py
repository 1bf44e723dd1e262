"""One recorded operation of the graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from .modes import scope

if TYPE_CHECKING:
    from .op import Op, Plan
    from .tensor import Tensor

sequence = itertools.count()
"""Numbers nodes and in-place changes in the order in which they happen."""


class Node:
    """One recorded operation: what backward runs, and what a drawing shows.

    A node refers to its parents only, never to a Tensor that it made. So there are no cycles,
    and a dropped graph is freed at once.

    Attributes
    ----------
    op : Op
        The operation.
    parents : tuple
        For each input, where its gradient goes: the `Node` (or the `Slot` of a node with several
        outputs) that made it, the leaf `Tensor` itself, or None where none is wanted.
    shape, dtype : tuple of int, numpy.dtype
        Of the output; None for a node with several outputs, whose slots have their own.
    scope : str
        Path of the module whose forward made the node, such as ``features.0``.
    seq : int
        Creation order.
    site : str or None
        Under `detect_anomaly`, the line of the user's program that called the operation.
    """

    __slots__ = (
        "__weakref__", "_hooks", "_kept", "_numbers", "_options", "_plan", "_versions", "dtype",
        "op", "parents", "scope", "seq", "shape", "site",
    )  # fmt: skip

    def __init__(
        self, op: Op, plan: Plan | None, parents: tuple[Edge | None, ...], kept: Any,
        options: tuple[Any, ...], versions: Sequence[list[int] | None], out: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        self.op = op
        self.parents = parents
        self.seq = next(sequence)
        self.scope = scope.get()
        self.shape: Any = None if out is None else out.shape
        self.dtype: Any = None if out is None else out.dtype
        self.site: str | None = None
        self._plan: Any = plan
        self._kept = kept
        self._options = options
        self._numbers: tuple[Any, ...] = ()  # place, number, place, number, ...
        self._versions = versions
        self._hooks: dict[int, dict[int, Callable[[Any], Any]]] | None = None

    def name(self) -> str:
        """Return the name of the operation."""
        return self.op.name

    @property
    def next_functions(self) -> tuple[tuple[Node | Tensor | None, int], ...]:
        """For each input, the node (or leaf tensor) its gradient goes to and the output's number."""
        return tuple((p.node, p.index) if isinstance(p, Slot) else (p, 0) for p in self.parents)

    @property
    def saved(self) -> dict[str, np.ndarray]:
        """The arrays kept for backward, by name; empty after they were freed."""
        return self.op.saved_arrays(self)

    @property
    def numbers(self) -> dict[str, float]:
        """The inputs that were plain numbers, by name."""
        places = [self.op.parameters[i] for i in self._numbers[::2]]
        return dict(zip(places, self._numbers[1::2], strict=True))

    @property
    def options(self) -> dict[str, Any]:
        """The operation's options, by name."""
        return dict(zip(self.op.option_names, self._options, strict=False))

    @property
    def rule(self) -> str:
        """The source text of the operation's gradient rules."""
        return self.op.rule_source

    def keep_copies(self, data: np.ndarray, version: list[int] | None) -> None:
        """Keep copies of what it keeps in the memory of `data`, which will be overwritten."""
        if isinstance(self._kept, tuple):
            self._kept = tuple(
                np.array(value)
                if isinstance(value, np.ndarray) and np.may_share_memory(value, data)
                else value
                for value in self._kept
            )
            self._versions = [
                None if v is version and v is not None and v[1] <= self.seq else v
                for v in self._versions
            ]

    @property
    def freed(self) -> bool:
        """Whether backward has run through this node and freed what it kept."""
        return self._kept is None

    def __repr__(self) -> str:
        where = f" in {self.scope}" if self.scope else ""
        return f"<{self.name()} #{self.seq}{where}>"


class Slot:
    """One output of a node that has several."""

    __slots__ = ("dtype", "index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.node = node
        self.index = index
        self.shape = shape
        self.dtype = dtype


Edge = Union[Node, Slot, "Tensor"]
