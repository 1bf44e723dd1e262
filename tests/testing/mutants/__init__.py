"""A catalogue of faults that people make in operations and gradient rules: a file a family."""

from .catalogue import MUTANTS, Mutant, killers
from .page import FAMILIES, PAGE, described, page, section

__all__ = ["FAMILIES", "MUTANTS", "PAGE", "Mutant", "described", "killers", "page", "section"]
