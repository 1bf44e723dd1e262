"""Padding layers against `numpy.pad`."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn

MODES = {"Zero": "constant", "Reflection": "reflect", "Replication": "edge", "Circular": "wrap"}


@pytest.mark.parametrize("name", [*MODES, "Constant"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("batch", [(2,), ()])
def test_against_numpy(name, axes, batch):
    x = np.random.default_rng(0).standard_normal((*batch, 3, 4, 3, 5)[: len(batch) + 1 + axes])
    widths = (1, 2, 0, 1, 2, 1)[: 2 * axes]
    value = (3.5,) if name == "Constant" else ()
    layer = getattr(nn, f"{name}Pad{axes}d")(widths, *value)
    pairs = [(0, 0)] * (len(batch) + 1) + [widths[i : i + 2] for i in range(0, 2 * axes, 2)][::-1]
    if name == "Constant":
        expected = np.pad(x, pairs, constant_values=3.5)
        text = f"padding={widths}, value=3.5"
    else:
        expected = np.pad(x, pairs, MODES[name])
        text = f"{widths}"
    np.testing.assert_array_equal(layer(tg.tensor(x)).data, expected)
    assert repr(layer) == f"{name}Pad{axes}d({text})"
    one = getattr(nn, f"{name}Pad{axes}d")(1, *value)
    assert one.padding == (1,) * 2 * axes
    torch = pytest.importorskip("torch")
    assert repr(one) == repr(getattr(torch.nn, f"{name}Pad{axes}d")(1, *value))


@pytest.mark.parametrize("name", ["Reflection", "Replication", "Circular"])
def test_the_dimensions(name):
    layer = getattr(nn, f"{name}Pad2d")(1)
    for shape in ((4, 4), (1, 1, 1, 4, 4)):
        with pytest.raises(ValueError, match=f"{name}Pad2d: expected 3 or 4 dimensions"):
            layer(tg.zeros(shape))


def test_a_constant_goes_around_anything():
    assert nn.ZeroPad1d(1)(tg.ones(2)).tolist() == [0, 1, 1, 0]
    assert nn.ConstantPad1d((0, 1), 2)(tg.ones(2, dtype=tg.int64)).tolist() == [1, 1, 2]


def test_the_number_of_widths():
    with pytest.raises(
        ValueError, match=r"ZeroPad2d: padding must be an int or 4 of them, got \(1, 2\)"
    ):
        nn.ZeroPad2d((1, 2))
