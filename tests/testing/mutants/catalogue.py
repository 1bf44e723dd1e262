"""What a mutant is, how one is put in place of the right code, and which check speaks."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis.errors import Flaky

from tinygrad_cnn.core.op import Op, registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels import dispatch
from tinygrad_cnn.testing import fuzz_op

TESTS = Path(__file__).parents[2]

# what the message of a failed check says, and what the table calls the check
CHECKS = {
    "first derivative": "first derivative",
    "second derivative": "second derivative",
    "recorded rules": "recorded rules",
    "used twice": "accumulation",
    "not linear": "linearity",
    "after backward, the value": "value after backward",
    "a later call changed": "later calls",
    "computed twice": "determinism",
    "in another memory layout": "memory layout",
    "changed in place": "changed in place",
    "shares its memory": "shared memory",
    "arguments it makes": "dtype",
    "for float32": "dtype",
    "gives shape": "gradient's shape",
    "gave shape": "gradient's shape",
    "on Tensors": "arrays and Tensors",
    "there is no derivative": "kink",
    "is NaN": "NaN",
}


@dataclass(frozen=True)
class Mutant:
    """A faulty forward, gradient rule or helper, and what it replaces.

    Attributes
    ----------
    op : str
        Whose fuzz test and oracle tests should see the fault.
    place : str
        ``forward``, the inputs of a gradient rule, or a helper as ``ops.norm:_track``.
    fault : str
    body : callable
        With the parameters that a right one may have; for a constant, it returns the wrong one.
    equivalent : str
        Why no test can see it; empty where one must.
    """

    op: str
    place: str
    fault: str
    body: Callable[..., Any]
    equivalent: str

    def __str__(self) -> str:
        return f"{self.op}, {self.place}: {self.fault}"

    @property
    def family(self) -> str:
        """The file of the catalogue that it stands in."""
        return self.body.__module__.rpartition(".")[2]

    @property
    def tests(self) -> Path:
        """The file of the operation's own tests."""
        known = registry.get(self.op)
        module = known.__module__ if known else self.place.partition(":")[0]
        return TESTS / "ops" / f"test_{module.rpartition('.')[2]}.py"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put it in place of the right code."""
        with pytest.MonkeyPatch.context() as patch:
            if ":" in self.place:
                path, name = self.place.split(":")
                module = import_module(f"tinygrad_cnn.{path}")
                value = self.body if callable(getattr(module, name)) else self.body()
                patch.setattr(module, name, value)
            elif self.place == "forward":
                known, made = registry[self.op], Op(self.body, name=self.op)
                if made.parameters != known.parameters:
                    raise TypeError(f"{self}: expected the parameters {known.parameters}")
                quiet = np.errstate(all="ignore")  # a warning shall not give it away
                patch.setattr(known, "_forward", quiet(made._forward))
            else:
                known, inputs = registry[self.op], tuple(self.place.split())
                patch.setattr(known, "rules", [r for r in known.rules if r.inputs != inputs])
                patch.setattr(known, "_plans", {})
                known.gradient(*inputs)(self.body)  # refuses a second rule, or unknown names
            yield


MUTANTS: list[Mutant] = []


def mutant(
    op: str, fault: str, *, rule: str = "", helper: str = "", equivalent: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the decorated function in the catalogue: a forward, a `rule`, or a `helper`."""

    def enter(body: Callable[..., Any]) -> Callable[..., Any]:
        MUTANTS.append(Mutant(op, rule or helper or "forward", fault, body, equivalent))
        return body

    return enter


def right_rule(op: str, inputs: str) -> Callable[..., Any]:
    """Return the right gradient rule of `op` for `inputs`."""
    (rule,) = [r for r in registry[op].rules if r.inputs == tuple(inputs.split())]
    return rule.function


def detached(x: Any) -> Any:
    """Return the numbers of `x`, cut from the graph."""
    return x.data if isinstance(x, Tensor) else x


def killers(mutants: Iterable[Mutant]) -> dict[Mutant, str]:
    """Return the check of the default run that fails for each mutant, "" where none does.

    First the operation's fuzz test, then its oracle tests, then the other tests of their file.
    """
    found = {mutant: _fuzzed(mutant) for mutant in mutants}
    survivors = [mutant for mutant in found if not found[mutant]]
    return found | _tested(survivors) if survivors else found


def _fuzzed(mutant: Mutant) -> str:
    if mutant.op not in registry:
        return ""
    fuzz = import_module("tinygrad_cnn.testing.fuzz")
    # the examples of the default run, of which the first that fails is enough
    chosen = {"derandomize": True, "database": None, "phases": [Phase.generate]}
    unshrunk = settings(fuzz._settings(100), **chosen)
    with pytest.MonkeyPatch.context() as patch, mutant.applied(), warnings.catch_warnings():
        patch.setattr(fuzz, "_settings", lambda examples: unshrunk)
        patch.setattr(dispatch, "_choice", "numpy")
        patch.setattr(dispatch, "_twins", None)
        warnings.simplefilter("error")
        try:
            fuzz_op(registry[mutant.op])
        except Flaky:
            return "determinism"
        except Exception as error:
            message = str(error).partition("To reproduce")[0]
            return next((CHECKS[words] for words in CHECKS if words in message), "an error")
    return ""


def _tested(mutants: list[Mutant]) -> dict[Mutant, str]:
    loop = _Loop(mutants)
    options = ["-s", "-p", "no:cacheprovider", "-p", "no:terminal", "-o", "addopts="]
    # an oracle may stand in another file, but names its operation
    own, names = {m.tests for m in mutants}, [f'"{m.op}"' for m in mutants]
    files = [
        str(path)
        for path in sorted((TESTS / "ops").glob("test_*.py"))
        if path in own or any(name in path.read_text("utf-8") for name in names)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        patch.setitem(sys.modules, "torch", None)  # an oracle must do without
        settings.register_profile("outside", settings.default)
        status = pytest.main([*files, *options], plugins=[loop])
        settings.load_profile("outside")  # conftest loads one
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {status!r} on {files}")
    return loop.found


class _Loop:
    """A plugin of pytest that runs the collected tests for each mutant until one fails."""

    def __init__(self, mutants: list[Mutant]) -> None:
        self.found = dict.fromkeys(mutants, "")
        self.failed = False

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        conftest = session.config.pluginmanager.get_plugin(str(TESTS / "conftest.py"))
        named = {item: conftest.oracle_names(item) for item in session.items}
        for mutant in self.found:
            oracles = [item for item in session.items if mutant.op in named[item]]
            own = [item for item in session.items if item.path == mutant.tests]
            for item in dict.fromkeys(oracles + own):
                with mutant.applied():
                    failed = self._fails(item)
                if failed and not self._fails(item):  # without it, it passes
                    kind = "oracle" if item in oracles else "test"
                    self.found[mutant] = f"{kind} `{item.originalname}`"
                    break
        return True

    def _fails(self, item: pytest.Item) -> bool:
        self.failed = False
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return self.failed

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed
