"""The page of the documentation that lists all mutants, and the check that sees each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from . import activation, conv, elementwise, linalg, loss, reduce, shape
from .catalogue import MUTANTS, Mutant

FAMILIES = [
    module.__name__.rpartition(".")[2]
    for module in (elementwise, activation, reduce, shape, linalg, loss, conv)
]
PAGE = Path(__file__).parents[3] / "docs" / "mutants.md"

INTRO = """\
# Seeded faults

A test that has never failed proves little. So the tests of this package are tested in their turn:
{count} faults, of the kinds that people make, are put one at a time in place of the right code (a
forward, a gradient rule, or a helper of either), and each must make the default test run fail.
A fault that is not seen is a hole in the tests, and is mended there.

The tables name the check that speaks first:

- a check of the fuzz test, which runs for every operation with 100 drawn examples: *first
  derivative* and *second derivative* compare with numerical ones, *recorded rules* with the same
  rules on Tensors, *accumulation* uses an argument twice; *linearity*, *determinism*, *memory
  layout*, *changed in place*, *shared memory*, *dtype* and *gradient's shape* are what they say;
  *kink* is a derivative that does not exist where it should, and *an error* is one that is raised;
- or an *oracle*, a test that compares the value with an independent computation: a fault that is in
  the value and in its gradient alike can be seen by nothing else;
- or another *test* of the operation's own, of ties, bounds, overflow and the like, which drawn
  examples keep away from.

A few mutants are equivalent: they look like faults and are none. No test may fail for them, which
shows that it is the fault that makes the others fail.

The faults are in `tests/testing/mutants`, a few lines each, and `tests/testing/test_mutants.py`
runs them; with `-s` it prints these tables as they are now. `python docs/make_mutants.py` writes
the page.
"""


def page(found: Mapping[Mutant, str]) -> str:
    """Return the whole page."""
    intro = INTRO.format(count=sum(not mutant.equivalent for mutant in found))
    return "\n".join([intro, *(section(family, found) for family in FAMILIES)])


def section(family: str, found: Mapping[Mutant, str]) -> str:
    """Return the table of one family."""
    mutants = [mutant for mutant in MUTANTS if mutant.family == family]
    kinds = Counter(found[m].partition(" `")[0] or "equivalent" for m in mutants)
    lines = [
        f"## {family.capitalize()}",
        "",
        ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()),
        "",
        "| operation | where | fault | seen by |",
        "|---|---|---|---|",
    ]
    lines += [
        f"{described(m)} | {found[m] or f'*equivalent:* {m.equivalent}'} |" for m in mutants
    ]
    return "\n".join(lines) + "\n"


def described(mutant: Mutant) -> str:
    """Return a row of the table but for its last column."""
    where = mutant.place
    if ":" in where:
        where = f"`{where.replace(':', '.')}`"
    elif where != "forward":
        where = f"rule for {where}"
    return f"| `{mutant.op}` | {where} | {mutant.fault}"
