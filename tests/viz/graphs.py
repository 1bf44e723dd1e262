"""Small graphs to draw."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_cnn.core.modes import scope
from tinygrad_cnn.core.op import Array, Arrays, op
from tinygrad_cnn.core.tensor import Tensor


@op(name="viz_test_halves", outputs=("low", "high"))
def halves(input: Array) -> Any:
    return input / 2, input - input / 2


@halves.gradient("input")
def _(g):
    return sum(part for part in g if part is not None) / 2


@op(name="viz_test_total")
def total(tensors: Arrays) -> Any:
    return sum(tensors)


@total.gradient("tensors")
def _(g, tensors):
    return [g] * len(tensors)


@op(name="viz_test_maximum", auxiliary=("mask",))
def larger(input: Array, other: Array, *, by: float = 0.0, of: Any = None) -> Any:
    mask = input > other
    return np.where(mask, input, other), mask


@larger.gradient("input")
def _(g, mask):
    return g * mask


@larger.gradient("other")
def _(g, mask):
    return g * ~mask


def leaf(*values: float, shape: tuple[int, ...] | None = None, grad: bool = True) -> Tensor:
    if shape is not None:
        return Tensor(np.ones(shape, np.float32), requires_grad=grad)
    return Tensor(np.array(values if len(values) != 1 else values[0], np.float32), grad)


@contextlib.contextmanager
def module(path: str) -> Iterator[None]:
    token = scope.set(path)
    try:
        yield
    finally:
        scope.reset(token)


@st.composite
def recorded_graphs(
    draw: Any, paths: tuple[str, ...] = ("",)
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return some tensors of a random graph made in modules of `paths`, and its leaves by name."""
    leaves = {f"leaf{i}": leaf(float(i), float(i + 1)) for i in range(draw(st.integers(1, 3)))}
    pool = [*leaves.values(), leaf(5.0, 6.0, grad=False)]
    kinds = st.sampled_from(["add", "mul", "neg", "number", "halves", "total", "larger"])
    steps = st.lists(st.tuples(kinds, st.sampled_from(paths)), min_size=1, max_size=12)
    for kind, path in draw(steps):
        a, b = (draw(st.sampled_from(pool)) for _ in range(2))
        with module(path):
            if kind == "add":
                pool.append(a + b)
            elif kind == "mul":
                pool.append(a * b)
            elif kind == "neg":
                pool.append(-a)
            elif kind == "number":
                pool.append(2 * a)
            elif kind == "halves":
                pool.extend(halves(a))
            elif kind == "total":
                pool.append(total(draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4))))
            else:
                pool.append(larger(a, b)[0])
    recorded = [tensor for tensor in pool if tensor.requires_grad]
    return draw(st.lists(st.sampled_from(recorded), min_size=1, max_size=3)), leaves
