"""Write ``docs/mutants.md``: the faults that the tests must see, and the check that sees each."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "testing"))
from mutants import MUTANTS, PAGE, killers, page

if __name__ == "__main__":
    PAGE.write_text(page(killers(MUTANTS)), "utf-8")
