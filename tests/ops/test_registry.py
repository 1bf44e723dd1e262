"""What holds for every registered operation, whoever wrote it."""

from __future__ import annotations

import pytest
from conftest import OPERATIONS, complete, covered

from tinygrad_cnn.core.op import incomplete, registry


def test_every_operation_has_rules_or_says_that_it_needs_none():
    assert list(incomplete()) == []


def test_every_operation_has_a_sampler():
    assert [name for name in OPERATIONS if registry[name].sampler is None] == []


def test_every_operation_has_an_oracle(request):
    if not request.config.stash[complete]:
        pytest.skip("only part of the tests was collected")
    missing = sorted(set(OPERATIONS) - request.config.stash[covered])
    assert missing == [], "mark their tests with @pytest.mark.oracle"
