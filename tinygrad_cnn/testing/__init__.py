"""Property-based testing of gradients.

`gradcheck` and `gradgradcheck` compare a function's derivatives with numerical ones at one point,
as PyTorch's do. `fuzz_gradients` makes a pytest test that does so, and more, at points and shapes
that Hypothesis draws; `fuzz_op` does it for a registered operation.
`check_vjp` and `fuzz_vjp` are for plain NumPy functions with a gradient written by hand.
"""

from . import strategies as strategies
from .draw import Draw as Draw
from .fuzz import check_op as check_op, fuzz_gradients as fuzz_gradients, fuzz_op as fuzz_op
from .gradcheck import gradcheck as gradcheck, gradgradcheck as gradgradcheck
from .numeric import GradcheckError as GradcheckError, KinkWarning as KinkWarning
from .vjp import check_vjp as check_vjp, fuzz_vjp as fuzz_vjp
