"""How long one draw's check takes; run with ``pytest tests/benchmarks --benchmark-enable``."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tinygrad_cnn.nn  # noqa: F401  (registers the operations)
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.testing import Draw
from tinygrad_cnn.testing.draw import bind
from tinygrad_cnn.testing.fuzz import check_function


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", ["exp", "mul", "conv2d"])
def test_checks(benchmark, name, order):
    op, seeds = registry[name], itertools.count()

    def sample():
        draw = Draw.from_seed(next(seeds))
        given = bind(op, op.sampler(draw)).arguments
        floats = [k for k, v in given.items() if isinstance(v, np.ndarray)]
        run = lambda values: [op(**{**given, **dict(zip(floats, values, strict=True))})]
        return (name, floats, run, [given[k] for k in floats], draw, order), {}

    benchmark.group = f"order {order}"
    benchmark.pedantic(check_function, setup=sample, rounds=200)
