"""The table of a model's layers: its numbers by hand, and torchinfo's on the zoo."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from as_torch import load
from models.test_models import SMALL

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn


class Block(nn.Module):
    """A residual block whose activation runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.act = nn.ReLU()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 1, 2), nn.BatchNorm2d(8))

    def forward(self, x):
        return self.act(self.act(self.norm(self.conv(x))) + self.down(x))


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(Block(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


# conv: 8 * 27 products at 64 places of 2 images; down: 8 * (3 + 1), with the bias; norms: a weight
# and a bias for each of 8 channels and 2 images; linear: 45 for each image
TABLE = """\
==================================================================
Layer                     Output shape  Params  Mult-adds   Output
==================================================================
Sequential                (2, 5)            --         --     40 B
├─ 0 (Block)              (2, 8, 8, 8)      --         --  4.10 kB
│  ├─ conv (Conv2d)       (2, 8, 8, 8)     216     27,648  4.10 kB
│  ├─ norm (BatchNorm2d)  (2, 8, 8, 8)      16         32  4.10 kB
│  ├─ act (ReLU) x2       (2, 8, 8, 8)      --         --  8.19 kB
│  └─ down (Sequential)   (2, 8, 8, 8)      --         --  4.10 kB
│     ├─ 0 (Conv2d)       (2, 8, 8, 8)      32      4,096  4.10 kB
│     └─ 1 (BatchNorm2d)  (2, 8, 8, 8)      16         32  4.10 kB
├─ 1 (AdaptiveAvgPool2d)  (2, 8, 1, 1)      --         --     64 B
├─ 2 (Flatten)            (2, 8)            --         --     64 B
└─ 3 (Linear)             (2, 5)            45         90     40 B
==================================================================
Total params: 325
Trainable params: 325
Non-trainable params: 0
Total mult-adds: 31,898
Input: 6.14 kB
Forward and backward pass: 32.85 kB
Params: 1.30 kB
Estimated total: 40.29 kB
=================================================================="""


def test_table(model) -> None:
    table = tg.summary(model, (2, 3, 16, 16))
    assert str(table) == repr(table) == TABLE


def test_depth(model) -> None:
    lines = str(tg.summary(model, (2, 3, 16, 16), depth=1)).split("\n")
    assert lines[4].split() == ["├─", "0", "(Block)", "(2,", "8,", "8,", "8)", "280", "31,808", "4.10", "kB"]
    assert lines[5].startswith("├─ 1 (AdaptiveAvgPool2d)")
    assert len(lines) == len(TABLE.split("\n")) - 6
    (line,) = str(tg.summary(model, (2, 3, 16, 16), depth=0)).split("\n")[3:4]
    assert line.split() == ["Sequential", "(2,", "5)", "325", "31,898", "40", "B"]


def test_the_model_stays_as_it_was(model) -> None:
    model.train()
    model[0].norm.eval()
    state = {key: value.data.copy() for key, value in model.state_dict().items()}
    tg.summary(model, (2, 3, 16, 16))
    assert model.training
    assert not model[0].norm.training
    assert not any(module._forward_hooks for module in model.modules())
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.data, state[key])
    with pytest.raises(RuntimeError, match="channels"):
        tg.summary(model, (2, 4, 16, 16))
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3, bias=False))
    model[1].weight = model[2].weight = model[0].weight
    model[1].bias.requires_grad_(False)
    table = tg.summary(model, (4, 3))
    assert (table.total_params, table.trainable_params, table.total_param_bytes) == (15, 12, 60)
    assert [row.params for row in table.rows] == [0, 12, 3, 0]
    assert [row.shared_params for row in table.rows] == [0, 0, 9, 9]
    assert [row.mult_adds for row in table.rows] == [0, 48, 48, 36]
    assert "3 (+ shared)" in str(table)
    assert "(shared)" in str(table).split("\n")[6]
    assert "Non-trainable params: 3" in str(table)


def test_without_input_there_are_the_parameters_only(model) -> None:
    table = tg.summary(model)
    assert table.total_params == 325
    assert [row.calls for row in table.rows] == [0] * len(table.rows)
    assert "mult-adds:" not in str(table)


def test_inputs() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(5, 4)
            self.unused = nn.Linear(2, 2)

        def forward(self, numbers, x):
            return {"sum": self.table(numbers) + x, "x": x}

    numbers = tg.tensor([[0, 1], [2, 3]])
    table = tg.summary(Two(), input_data=[numbers, tg.zeros(2, 2, 4)])
    assert table.total_input == 4 * 8 + 16 * 4
    assert table.rows[0].output_bytes == 2 * 64
    assert str(table).split("\n")[5].split() == ["└─", "unused", "(Linear)", "--", "6", "--", "--"]

    added = tg.summary(nn.Bilinear(3, 4, 2).double(), [(5, 3), (5, 4)])
    assert added.total_input == 5 * 7 * 8
    assert tg.summary(nn.Identity(), (3,)).rows[0].output_shape == (3,)
    assert tg.summary(nn.Conv1d(2, 3, 2), (2, 7)).total_mult_adds == 3 * 5 * 6


@pytest.mark.parametrize("name", SMALL)
def test_agrees_with_torchinfo(name: str) -> None:
    torchinfo = pytest.importorskip("torchinfo")
    channels, side, narrower = SMALL[name]
    file = Path(inspect.getfile(getattr(models, name)))
    ours, theirs = (
        getattr(load(file, library, "tinygrad_cnn.models", narrower), name)(num_classes=5)
        for library in ("tinygrad_cnn", "torch")
    )
    shape = (2, channels, side, side)
    mine, other = tg.summary(ours, shape), torchinfo.summary(theirs, shape, verbose=0)
    assert mine.total_params == other.total_params
    assert mine.trainable_params == other.trainable_params
    assert mine.total_mult_adds == other.total_mult_adds
    assert mine.total_output_bytes == other.total_output_bytes
    if name != "googlenet":  # of which torchinfo leaves out the heads that do not run
        assert mine.total_param_bytes == other.total_param_bytes
