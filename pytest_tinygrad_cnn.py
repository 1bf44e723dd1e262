"""The pytest plugin of `tinygrad_cnn.testing`: options, a marker, and a line in the summary.

It stands beside the package, and imports nothing of it unless an option asks for it: pytest loads
a plugin in each run, and a module inside the package would bring NumPy along.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tinygrad_cnn.testing.session import Record


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("gradcheck", "fuzz tests of gradients (tinygrad_cnn)")
    group.addoption(
        "--gradcheck-examples",
        type=_positive,
        metavar="N",
        help="how many examples each fuzz test draws, whatever it says itself",
    )
    group.addoption(
        "--gradcheck-seed", type=int, metavar="S", help="draw the same examples in each run"
    )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def pytest_configure(config: pytest.Config) -> None:
    """Tell the fuzz tests what the options say."""
    config.addinivalue_line("markers", "gradcheck: a fuzz test of gradients (tinygrad_cnn)")
    _set(config.option.gradcheck_examples, config.option.gradcheck_seed)


def pytest_unconfigure() -> None:
    """Forget the options."""
    _set(None, None)


def _set(examples: int | None, seed: int | None) -> None:
    if (examples, seed) != (None, None) or "tinygrad_cnn.testing.session" in sys.modules:
        from tinygrad_cnn.testing import session

        session.examples, session.seed = examples, seed


@pytest.hookimpl(tryfirst=True)  # before -m deselects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that `fuzz_gradients` and `fuzz_vjp` made."""
    for item in items:
        if getattr(getattr(item, "function", None), "is_gradcheck", False):
            item.add_marker("gradcheck")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep with a test what it counted; so it reaches the summary from other processes, too."""
    try:
        return (yield)
    finally:
        session = sys.modules.get("tinygrad_cnn.testing.session")
        if session is not None and (records := session.take()):
            item.user_properties.append(("gradcheck", {k: _numbers(r) for k, r in records.items()}))


def _numbers(record: Record) -> list[Any]:
    return [record.draws, record.first + record.second, record.seconds]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write how much was checked."""
    names, totals = set(), [0, 0, 0.0]
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for records in [v for k, v in report.user_properties if k == "gradcheck"]:
                    names.update(records)
                    totals = [sum(part) for part in zip(totals, *records.values(), strict=True)]
    if names:
        draws, checks, seconds = totals
        rate = f"{checks / seconds:.0f} checks per second" if seconds else "no time spent"
        terminalreporter.write_line(
            f"gradcheck: {len(names)} operations, {draws} draws, {checks} derivatives compared, "
            f"{rate}"
        )
