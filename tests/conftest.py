"""Settings for all tests, and the `oracle` marker.

``@pytest.mark.oracle("conv2d")`` says that a test compares the forward of these operations with
an independent computation. Without a name, the test's parameter `name` is the operation's. A test
in ``ops/test_registry.py`` fails for an operation that no test is an oracle of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # else each worker's threads would wait for the others'
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from tinygrad_cnn.core.modes import anomaly_mode, grad_mode, scope
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.dtypes import get_default_dtype
from tinygrad_cnn.random import manual_seed

TESTS = Path(__file__).parent
collect_ignore = ["compat/sources"]  # written for PyTorch

# The same examples in every run. `--hypothesis-profile=fresh` draws new ones.
hypothesis.settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, print_blob=False
)
hypothesis.settings.register_profile("fresh", deadline=None)
hypothesis.settings.load_profile("same")

_oracles = pytest.StashKey[set[str] | None]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "oracle(*names): compares the forward of these operations with an oracle"
    )


@pytest.hookimpl(tryfirst=True)  # before -k deselects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    names = {name for item in items for name in oracle_names(item)}
    if unknown := names.difference(registry):
        raise pytest.UsageError(f"oracle marker: no such operations: {sorted(unknown)}")
    whole = any(Path(arg).resolve() in (TESTS, TESTS.parent) for arg in config.args)
    config.stash[_oracles] = names if whole else None


@pytest.fixture
def oracles(pytestconfig: pytest.Config) -> set[str]:
    """The operations that some test is an oracle of."""
    names = pytestconfig.stash[_oracles]
    if names is None:
        pytest.skip("only a part of the tests was collected")
    return names


def oracle_names(item: pytest.Item) -> list[str]:
    """Return the operations that a test says it is an oracle of."""
    names: list[str] = []
    for marker in item.iter_markers("oracle"):
        names += marker.args or [item.callspec.params["name"]]  # type: ignore[attr-defined]
    return names


@pytest.fixture(autouse=True)
def _oracle_runs_its_operation(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    names = oracle_names(request.node)
    called = set()
    for name in names:
        known = registry[name]

        def counted(*values, forward=known._forward, name=name):
            called.add(name)
            return forward(*values)

        monkeypatch.setattr(known, "_forward", counted)
    yield
    if names and not called:
        pytest.fail(f"marked as an oracle of {names}, but called none of them")


@pytest.fixture(autouse=True)
def _leaves_no_trace() -> Iterator[None]:
    manual_seed(0)
    before = dict(registry)
    yield
    registry.clear()
    registry.update(before)
    assert grad_mode.get() is True
    assert anomaly_mode.get() is False
    assert scope.get() == ""
    assert get_default_dtype() == np.float32
