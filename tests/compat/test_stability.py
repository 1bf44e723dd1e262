"""At extreme inputs, value and gradient are finite and right wherever PyTorch's are.

The samples that PyTorch publishes keep their shapes and options; their numbers become extreme.
What is right, PyTorch says in float64; what can be had in float32, PyTorch says in float32.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")

from test_op_db import (  # noqa: E402
    ENTRIES,
    NoCounterpartError,
    arguments_of,
    array_of,
    flat,
    gradients,
    is_random,
    ours,
    samples_of,
)

EXTREMES = {
    "large": lambda x, draw: draw.choice([-1e4, 1e4], x.shape),
    "mixed": lambda x, draw: draw.choice([-1e4, -1.0, 0.5, 1e4], x.shape),
    "minus infinity": lambda x, draw: np.where(draw.random(x.shape) < 0.3, -np.inf, x),
    "subnormal": lambda x, draw: draw.choice([1e-40, -1e-42, 0.0], x.shape),
    "all equal": lambda x, draw: np.full(x.shape, 0.7),
}


def extreme(sample, change, dtype):
    """Return the sample with other numbers in the tensors that require grad."""
    draw = np.random.default_rng(0)

    def changed(value):
        if not isinstance(value, torch.Tensor) or not value.dtype.is_floating_point:
            return value
        numbers = value.detach().numpy()
        if value.requires_grad:
            numbers = np.asarray(change(numbers, draw), np.float32)
        return torch.tensor(numbers, dtype=dtype, requires_grad=value.requires_grad)

    return sample.transform(changed)


def results(outcome, leaves):
    """Return pairs (PyTorch's, ours) of what has a floating dtype: values, then gradients."""
    theirs, mine = (flat(value) for value in outcome)
    pairs = [(a, b) for a, b in zip(theirs, mine, strict=True) if array_of(a).dtype.kind == "f"]
    if any(a.requires_grad for a, _ in pairs):
        pairs += gradients(theirs, mine, leaves)[0]
    return [(array_of(a), array_of(b)) for a, b in pairs]


def compare(entry, sample, change):
    """Say where a value or gradient is worse than PyTorch's; None where none is."""
    single, double = (extreme(sample, change, dtype) for dtype in (torch.float32, torch.float64))
    found = []
    for case in (single, double):
        args, kwargs, leaves = arguments_of(case)
        try:
            theirs = entry.op(case.input, *case.args, **case.kwargs)
        except (RuntimeError, ValueError):  # such as of a matrix that has no inverse
            return None
        found.append(results((theirs, ours(entry.name)(*args, **kwargs)), leaves))
    with np.errstate(over="ignore", invalid="ignore"):
        for (theirs, mine), (exact, _) in zip(*found, strict=True):
            fair = np.isfinite(theirs) & np.isfinite(exact.astype(np.float32))
            if not np.isfinite(mine[fair]).all():
                return f"{mine[fair]}, expected {exact[fair]}"
            error, allowed = (np.abs(x[fair] - exact[fair]) for x in (mine, theirs))
            scale = np.abs(exact[fair]).max(initial=1e-3)
            # subnormal numbers have few digits
            if (error > 10 * allowed.max(initial=0) + 1e-2 * scale).any():
                return f"{mine[fair]}, expected {exact[fair]}"
    return None


LEFT_OUT = {
    **dict.fromkeys(("kthvalue", "msort", "sort", "topk"), "any of equal elements may come first"),
    **dict.fromkeys(("linalg.eigh", "linalg.svd", "linalg.qr"), "vectors may have any sign"),
    "linalg.pinv.singular": "the entry is about pinv(a @ b.mT)",
    "linalg.solve_triangular": "what is singular is refused; PyTorch divides by 0",
    "atan2": "near the origin the gradient overflows; PyTorch's squares underflow to a gradient of 0",
}
CASES = [
    name
    for name, entry in ENTRIES.items()
    if entry.supports_autograd and entry.supports_dtype(torch.float32, "cpu") and not is_random(entry)
    if name not in LEFT_OUT and not name.endswith("_")
]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of + - * NumPy says where it makes inf or NaN
def test_finite_and_right_where_pytorch_is(name):
    failures = []
    for sample in list(samples_of(ENTRIES[name], torch.float32))[::5]:
        for kind, change in EXTREMES.items():
            try:
                found = compare(ENTRIES[name], sample, change)
            except NoCounterpartError:
                break
            if found is not None:
                failures.append(f"{kind}: {found}\n    for {sample.summary()}")
    assert failures == []
