"""Run with ``pytest tests/benchmarks --benchmark-enable``; PyTorch's rows appear where it is installed."""

from __future__ import annotations

import importlib

import pytest

from .cases import CASES


@pytest.mark.parametrize("library", ["tinygrad_cnn", "torch"])
@pytest.mark.parametrize("case", CASES)
def test_speed(benchmark, case, library):
    lib = pytest.importorskip(library)
    importlib.import_module(f"{library}.nn")
    benchmark.group = case
    benchmark(CASES[case](lib))
