"""Padding in each mode against loops, and its errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_shape import built, same

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.ops.creation import arange, tensor, zeros


def mirrored(i, n):
    """Return the index inside 0 to n - 1 that a walk to `i` ends on, turning back at the ends."""
    walk = list(range(n)) + list(range(n - 2, 0, -1))
    return walk[i % len(walk)]


MODES = {
    "reflect": mirrored,
    "replicate": lambda i, n: min(max(i, 0), n - 1),
    "circular": lambda i, n: i % n,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pad", [(1, 2), (-1, 2), (2, -2), (1, 1, 0, 2), (-1, -1, 1, 0), (0, 0)])
def test_pad_from_the_tensor_itself(mode, pad):
    x = np.arange(24.0).reshape(2, 3, 4)
    widths = [(0, 0), (0, 0), (0, 0)]
    for i in range(len(pad) // 2):
        widths[-1 - i] = pad[2 * i : 2 * i + 2]
    index = []
    for n, (before, after) in zip(x.shape, widths, strict=True):
        first, stop = 0, n
        if mode == "circular":  # goes round what is left after cropping
            first, stop = max(-before, 0), n + min(after, 0)
        places = range(-before, n + after)
        index.append([first + MODES[mode](i - first, stop - first) for i in places])
    expected = built([len(i) for i in index], lambda *at: x[tuple(i[k] for i, k in zip(index, at, strict=True))])
    same(F.pad(Tensor(x), pad, mode), expected)


def test_pad_by_a_constant():
    x = tensor([[1.0, 2.0]])
    same(F.pad(x, (1, 0), value=-math.inf), np.array([[-math.inf, 1, 2]], "f4"))
    same(F.pad(arange(2), (1, -1)), np.array([0, 0]))
    assert F.pad(x, []).tolist() == x.tolist()
    assert F.pad(zeros(0, 2), (1, 1, 1, 0)).shape == (1, 4)


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        (((1,),), RuntimeError, "expected up to 1 pairs of widths"),
        (((1, 1, 1, 1),), RuntimeError, "expected up to 1 pairs of widths"),
        (((-2, -2),), RuntimeError, r"pad: \(-2, -2\) crops more than there is"),
        (((1, 1), "mirror"), ValueError, "mode must be constant, reflect, replicate or circular"),
        (((3, 0), "reflect"), RuntimeError, r"reflect by \(3, 0\) does not fit dim 0 of 3"),
        (((4, 0), "circular"), RuntimeError, r"circular by \(4, 0\) does not fit"),
        (((-2, -2), "replicate"), RuntimeError, r"replicate by \(-2, -2\) does not fit"),
        (((1, 1), "replicate", 1.0), ValueError, "takes no value"),
    ],
)
def test_pad_errors(args, kind, message):
    with pytest.raises(kind, match=message):
        F.pad(zeros(3), *args)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pad", [(1, 2), (2, -1), (0, 3)])
def test_as_pytorch(mode, pad):
    torch = pytest.importorskip("torch")
    x = np.arange(24.0).reshape(2, 3, 4)
    same(F.pad(Tensor(x), pad, mode), torch.nn.functional.pad(torch.tensor(x), pad, mode).numpy())
