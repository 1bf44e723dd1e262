"""The default test run sees every fault of the catalogue; `-s` shows which check sees which."""

from __future__ import annotations

import numpy as np
import pytest
from mutants import FAMILIES, MUTANTS, PAGE, Mutant, described, killers, section

import tinygrad_cnn as tg


@pytest.mark.parametrize("family", FAMILIES)
def test_each_mutant_is_killed_but_the_equivalent(family):
    found = killers(mutant for mutant in MUTANTS if mutant.family == family)
    print(f"\n{section(family, found)}")
    assert [str(m) for m in found if not found[m] and not m.equivalent] == []
    assert [f"{m}: {found[m]}" for m in found if found[m] and m.equivalent] == []


def test_the_page_lists_all():
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    mutants = sorted(MUTANTS, key=lambda mutant: FAMILIES.index(mutant.family))
    listed = [row.rpartition(" | ")[0] for row in rows]
    assert listed == [described(m) for m in mutants], "run python docs/make_mutants.py"
    assert len(set(listed)) == len(listed) > 120


def test_a_mutant_is_undone():
    before = tg.mul.rules, tg.mul._plans, tg.mul._forward
    wrong = Mutant("mul", "input", "zero", lambda g: g * 0, "")
    with wrong.applied():
        x = tg.tensor(2.0, requires_grad=True)
        (x * 3).backward()
        assert x.grad.item() == 0
    assert before == (tg.mul.rules, tg.mul._plans, tg.mul._forward)
    (x * 3).backward()
    assert x.grad.item() == 3


@pytest.mark.parametrize(
    ("place", "body", "words"),
    [
        ("input", lambda g, inputs: g, "has parameters"),
        ("inputs", lambda g: g, "is for an input that gets none"),
        ("input other", lambda g: (g, g), "has two gradient rules"),
        ("forward", lambda x, y: np.add(x, y), "expected the parameters"),
    ],
)
def test_a_mutant_replaces_something(place, body, words):
    with (
        pytest.raises(TypeError, match=words),
        Mutant("mul", place, "", body, "").applied(),
    ):
        pass
