"""Property-based testing of gradients."""

from .draw import Draw as Draw
from .fuzz import check_op as check_op
