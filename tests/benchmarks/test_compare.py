"""The comparison's table: what is in it, and where it goes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import compare

ROOT = Path(__file__).parents[2]


def run(*options: str) -> str:
    command = [sys.executable, "-m", "tests.benchmarks.compare", "--quick", *options]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_table(tmp_path):
    file = tmp_path / "page.md"
    file.write_text(f"Before.\n\n{compare.BEGIN}\nold\n{compare.END}\n\nAfter.\n", "utf-8")
    printed = run("--only", "400 tiny", "--markdown", str(file))
    about, versions, _, head, _, row = printed.splitlines()
    assert "threads for each; OpenBLAS core type" in about
    assert f"Python {sys.version.split()[0]}, numpy " in versions
    assert head == "| ms | NumPy | compiled | PyTorch | PyTorch / NumPy | PyTorch / compiled |"
    name, ours, *_ = row.strip("|").split("|")
    assert name.strip() == "400 tiny operations"
    assert 0.1 < float(ours) < 1000
    begin, end = f"Before.\n\n{compare.BEGIN}\n", f"{compare.END}\n\nAfter.\n"
    assert file.read_text("utf-8") == f"{begin}{printed}{end}"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a parent's peak may hide it")
def test_the_memory_of_a_step():
    row = compare.memory("LeNet-5, batch 256", ["NumPy"])
    assert 5 < row["NumPy"] < 100  # the first layer's output alone has 4.6 MiB


def test_ratios_are_medians_over_pairs():
    each = {"NumPy": [1.0, 1.0, 10.0], "PyTorch": [2.0, 3.0, 3.0, 100.0]}
    assert compare.with_ratios({}, each) == {"PyTorch / NumPy": 2.0}
    assert compare.with_ratios({}, {"compiled": [1.0]}) == {}


def test_a_page_without_marks_is_refused(tmp_path):
    file = tmp_path / "page.md"
    compare.put(file, "table")
    assert file.read_text("utf-8") == f"{compare.BEGIN}\ntable\n{compare.END}\n"
    file.write_text("text\n", "utf-8")
    with pytest.raises(ValueError, match=r"page\.md: expected the lines"):
        compare.put(file, "table")
    assert file.read_text("utf-8") == "text\n"


def test_numbers_have_three_digits():
    assert [compare.number(x) for x in (None, 0.01234, 1.5, 12.34, 1234.5)] == [
        *("-", "0.0123", "1.5", "12.3", "1234"),
    ]
