"""Runs one source with PyTorch and with this package in its imports, and compares what comes out."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np

import tinygrad_cnn as tg


def load(
    path: Path, library: str, package: str = "", replace: Mapping[str, str] = MappingProxyType({})
) -> ModuleType:
    """Run a source with `library` where it imports ``torch`` or ``tinygrad_cnn``.

    Nothing but imports is changed, and what `replace` says. Relative imports are of `package`.
    """
    source = path.read_text()
    for old, new in replace.items():
        source = source.replace(old, new)
    source = re.sub(r"^( *import) torch$", r"\1 torch as torch", source, flags=re.M)
    source = re.sub(
        r"^( *(?:from|import)) (?:torch|tinygrad_cnn)\b", rf"\1 {library}", source, flags=re.M
    )
    module = ModuleType(f"{path.stem}_with_{library}")
    module.__package__ = package
    sys.modules[module.__name__] = module  # where NamedTuple and dataclasses look
    exec(compile(source, str(path), "exec"), vars(module))
    return module


def same_state(ours: Any, theirs: Any) -> None:
    """Give both models the same random state, in which nothing is without effect."""
    import torch

    rng = np.random.default_rng(0)
    state, other = ours.state_dict(), theirs.state_dict()
    assert [(name, value.shape) for name, value in state.items()] == [
        (name, tuple(value.shape)) for name, value in other.items()
    ]
    for name, value in state.items():
        shape = value.shape
        if name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
            array = rng.uniform(0.5, 1.5, shape)
        elif value.ndim > 1:  # He's distribution
            array = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        else:
            array = rng.normal(0, 0.1, shape)
        state[name] = array.astype(value.dtype)
        other[name] = torch.tensor(state[name])
    ours.load_state_dict(state)
    theirs.load_state_dict(other)


def set_mode(model: Any, training: bool) -> None:
    """Set the mode, without dropout, which draws other numbers in PyTorch."""
    model.train(training)
    for module in model.modules():
        if type(module).__name__.startswith("Dropout"):
            module.p = 0.0


def compare(ours: Any, theirs: Any, *arrays: np.ndarray) -> None:
    """Check that two models with the same state agree.

    In evaluation the outputs in float32 do; in float64 the outputs, all gradients of their weighted
    sum, and the buffers afterwards. (In float32 rounding now and then turns the sign of what a ReLU
    gets, which changes gradients at once, and batch norm of few values blows it up.)
    """
    import torch

    torch.set_num_threads(1)  # its threads and NumPy's would wait for each other
    if not ours.training:
        got = flat(ours(*map(tg.tensor, arrays)))
        expected = flat(theirs(*map(torch.tensor, arrays)))
        for i, (a, b) in enumerate(zip(got, expected, strict=True)):
            close(f"output {i} in float32", a, b)
    ours, theirs = ours.double(), theirs.double()
    arrays = tuple(a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays)
    mine = [tg.tensor(array, requires_grad=array.dtype == np.float64) for array in arrays]
    other = [torch.tensor(array, requires_grad=array.dtype == np.float64) for array in arrays]
    got, expected = flat(ours(*mine)), flat(theirs(*other))
    assert len(got) == len(expected)
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        close(f"output {i}", a, b)

    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(a.shape).astype(a.dtype) for a in got]
    sum((a * tg.tensor(w)).sum() for a, w in zip(got, weights, strict=True)).backward()
    sum((b * torch.tensor(w)).sum() for b, w in zip(expected, weights, strict=True)).backward()
    pairs = zip(
        [*ours.named_parameters(), *((f"input {i}", a) for i, a in enumerate(mine))],
        [*theirs.parameters(), *other],
        strict=True,
    )
    gradients = [(name, a.grad, b.grad) for (name, a), b in pairs if b.grad is not None]
    largest = max(b.abs().max().item() for _, _, b in gradients)
    for name, a, b in gradients:
        close(f"gradient of {name}", a, b, least=1e-3 * largest)
    for (name, a), b in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        close(name, a, b)


def close(what: str, got: Any, expected: Any, least: float = 0.0) -> None:
    """Check that two tensors agree to 1e-5 of the largest value, or of `least`."""
    a, b = got.detach().numpy(), expected.detach().numpy()
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    scale = np.abs(b).max(initial=least)
    worst = np.abs(a - b).max(initial=0.0)
    assert worst <= 1e-5 * scale, f"{what}: differs by {worst}, values are up to {scale}"


def flat(value: Any) -> list[Any]:
    """Return the tensors in a tensor, a dictionary or a nested tuple."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]
