"""What holds for every registered operation, whoever wrote it."""

from __future__ import annotations

import pytest

from tinygrad_cnn.core.op import incomplete, registry
from tinygrad_cnn.testing import fuzz_op

OPERATIONS = sorted(n for n, known in registry.items() if known.__module__.startswith("tinygrad_"))


def test_every_operation_has_rules_or_says_that_it_needs_none():
    assert list(incomplete()) == []


def test_every_operation_has_a_sampler():
    assert [name for name in OPERATIONS if registry[name].sampler is None] == []


def test_every_operation_has_an_oracle(oracles):
    missing = [name for name in OPERATIONS if name not in oracles]
    assert missing == [], "mark their tests with @pytest.mark.oracle"


@pytest.mark.parametrize("name", [name for name in OPERATIONS if registry[name].sampler])
def test_every_operation_passes_the_fuzz_test(name):
    fuzz_op(registry[name], examples=40)
