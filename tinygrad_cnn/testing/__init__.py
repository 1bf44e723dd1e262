"""Property-based testing of gradients.

`gradcheck` and `gradgradcheck` compare a function's derivatives with numerical ones at one point,
as PyTorch's do. `fuzz_gradients` makes a pytest test that does so, and more, at points and shapes
that Hypothesis draws; `fuzz_op` does it for a registered operation.
"""

from . import strategies as strategies
from .draw import Draw as Draw
from .fuzz import check_op as check_op, fuzz_gradients as fuzz_gradients, fuzz_op as fuzz_op
from .gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck
from .numeric import GradcheckError as GradcheckError
