"""What differs from PyTorch on purpose, where its own tests' inputs show it."""

# The operation as `op_db` names it, a pattern of what the comparison says, and the reason.
DIFFERS = [
    ("copysign", "double gradient: other", "the second gradient is 0; PyTorch's is what rounding leaves of 0"),
    ("logcumsumexp", r"gradient: other values\s.*float32", "PyTorch's gradient in float32 is off by 0.3 % beside values of 1e4"),
    ("linalg.norm", r"double gradient.*\s.*size=\(0,\)", "the second gradient at 0 is 0; PyTorch's is NaN"),
    ("linalg.norm.subgradients_at_zero", "double gradient: other", "at 0 it is 0; PyTorch's is NaN"),
    ("linalg.pinv.singular", "positional", "the entry is about pinv(a @ b.mT)"),
    ("normal.in_place", "", "the entry is about Tensor.normal_"),
    ("nn.functional.batch_norm", r"got shape \(0,\)", "an input without channels, of shape (0,), is refused"),
    ("repeat_interleave", "output_size", "the size follows from the repeats"),
]
ERRORS_DIFFER = [
    ("roll", r"args=\(0,0\)", "a 0-d tensor has a dim 0, as in most of PyTorch"),
    ("narrow", "dtype=torch.bool", "False and True count as 0 and 1"),
]
