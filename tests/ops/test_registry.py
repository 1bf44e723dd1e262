"""What holds for every registered operation, whoever wrote it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tinygrad_cnn import kernels
from tinygrad_cnn.core.op import incomplete, registry
from tinygrad_cnn.testing import Draw, GradcheckError, check_op, fuzz_op

OPERATIONS = sorted(n for n, known in registry.items() if known.__module__.startswith("tinygrad_"))


def test_importing_the_package_registers_every_operation():
    program = (
        "import importlib, pkgutil, tinygrad_cnn\n"
        "from tinygrad_cnn.core.op import registry\n"
        "before = set(registry)\n"
        "for module in pkgutil.iter_modules(tinygrad_cnn.ops.__path__, 'tinygrad_cnn.ops.'):\n"
        "    importlib.import_module(module.name)\n"
        "assert set(registry) == before, set(registry) - before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_operation_has_rules_or_says_that_it_needs_none():
    assert list(incomplete()) == []


def test_every_operation_has_a_sampler():
    assert [name for name in OPERATIONS if registry[name].sampler is None] == []


def test_every_operation_has_an_oracle(oracles):
    missing = [name for name in OPERATIONS if name not in oracles]
    assert missing == [], "mark their tests with @pytest.mark.oracle"


@pytest.fixture
def numpy_kernels(monkeypatch):
    monkeypatch.setattr(kernels.dispatch, "_choice", "numpy")
    monkeypatch.setattr(kernels.dispatch, "_twins", None)


@pytest.mark.usefixtures("numpy_kernels")
@pytest.mark.parametrize("name", [name for name in OPERATIONS if registry[name].sampler])
def test_every_operation_passes_the_fuzz_test(name):
    fuzz_op(registry[name], examples=100)


def test_operations_with_compiled_kernels_pass_the_fuzz_test(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(kernels.dispatch, "_choice", "numba")
    used = []

    def spied(twin):
        def spy(*args):
            out = twin(*args)
            used.append(out is not NotImplemented)
            return out

        return spy

    twins = {key: spied(twin) for key, twin in kernels.dispatch._find().items()}
    monkeypatch.setattr(kernels.dispatch, "_twins", twins)
    compiled = []
    for name in OPERATIONS:
        used.clear()
        check_op(registry[name], Draw.from_seed(0))
        if any(used):
            compiled.append(name)
            fuzz_op(registry[name], examples=50)
    assert {"conv1d", "conv2d", "conv3d", "conv_transpose", "conv_weight", "max_pool2d", "avg_pool2d"} <= {*compiled}


@pytest.mark.parametrize("name", [name for name in OPERATIONS if registry[name].rules])
def test_the_fuzz_test_sees_each_rule(name, monkeypatch):
    """A rule that is off by a thousandth is noticed, so the sampler does reach it."""
    known = registry[name]

    def off(gradient):
        return None if gradient is None else gradient + 1e-3

    for rule in known.rules:
        right = rule.function

        def wrong(*kept, right=right):
            gradient = right(*kept)
            if isinstance(gradient, (tuple, list)):
                return [off(g) for g in gradient]
            return off(gradient)

        with monkeypatch.context() as patch:
            patch.setattr(rule, "function", wrong)
            patch.setattr(known, "_plans", {})
            with pytest.raises(GradcheckError):
                check_often(known)


def check_often(known):
    for seed in range(20):
        check_op(known, Draw.from_seed(seed))
