"""The networks: the published sizes and names, and PyTorch's results from the same source."""

from __future__ import annotations

import hashlib
import inspect
from pathlib import Path

import numpy as np
import pytest
from as_torch import compare, load, same_state, set_mode

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn

# The number of parameters, and the start of the SHA-256 of what torchvision 0.28 has in its
# state dict: a line "name shape" for each.
PUBLISHED = [
    ("alexnet", 61_100_840, "214045a0c08ffc98"),
    ("vgg11", 132_863_336, "a4a2a4a84e73de05"),
    ("vgg13", 133_047_848, "9dc9518e7646fe47"),
    ("vgg16", 138_357_544, "6f36a6fd49b61819"),
    ("vgg19", 143_667_240, "e05a894c9ad13251"),
    ("vgg11_bn", 132_868_840, "6aaf84aad4159200"),
    ("vgg13_bn", 133_053_736, "9a11dd9903f0e3cf"),
    ("vgg16_bn", 138_365_992, "5f99e428d932f79e"),
    ("vgg19_bn", 143_678_248, "4c042cc97e1d6342"),
    ("googlenet", 13_004_888, "e2cf6c5ea7661fad"),
    ("resnet18", 11_689_512, "761022b221a39ceb"),
    ("resnet34", 21_797_672, "1a060acae7a42530"),
    ("resnet50", 25_557_032, "3fa57287149b51c4"),
    ("resnet101", 44_549_160, "0e9191dd134cb07d"),
    ("resnet152", 60_192_808, "47360b6062c7afaa"),
    ("resnext50_32x4d", 25_028_904, "01e2eaa8da40cc0c"),
    ("resnext101_32x8d", 88_791_336, "07e967fd83ade70c"),
    ("resnext101_64x4d", 83_455_272, "ea9d27eaae83f943"),
    ("wide_resnet50_2", 68_883_240, "07e4b58a5307698f"),
    ("wide_resnet101_2", 126_886_696, "e730908dc76a952e"),
    ("squeezenet1_0", 1_248_424, "dc8fa2e3e593554c"),
    ("squeezenet1_1", 1_235_496, "9879b1f214fa0244"),
    ("mobilenet_v2", 3_504_872, "5c45000c8dea04db"),
    ("densenet121", 7_978_856, "d52aa585c6714985"),
    ("densenet161", 28_681_000, "726b4d40ddb188d1"),
    ("densenet169", 14_149_480, "04c0da21c3018d60"),
    ("densenet201", 20_013_928, "8fd3fcb6e2757522"),
]

# The channels of the image, its size, and which numbers in the source make the network narrower.
SMALL = {
    "lenet5": (1, 28, {}),
    "alexnet": (3, 63, {"4096": "32"}),
    **dict.fromkeys(
        ["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"],
        (3, 32, {"4096": "32", "512": "32", "256": "32"}),
    ),
    "googlenet": (3, 32, {}),
    **dict.fromkeys(
        ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d"],
        (3, 32, {"512": "64", "256": "64", "128": "64"}),
    ),
    **dict.fromkeys(["resnet20", "resnet32", "resnet44", "resnet56"], (3, 16, {})),
    "squeezenet1_0": (3, 32, {}),
    "squeezenet1_1": (3, 32, {}),
    "mobilenet_v2": (3, 32, {}),
    "densenet121": (3, 32, {}),
}


@pytest.fixture
def unset(monkeypatch):
    """Leave parameters as their memory was found: random numbers take most of the time."""
    for method in ("normal_", "uniform_"):
        monkeypatch.setattr(tg.Tensor, method, lambda tensor, *_, **__: tensor)
    monkeypatch.setattr(nn.init, "trunc_normal_", lambda tensor, *_: tensor)


def size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("name", "parameters", "digest"), PUBLISHED)
def test_names_and_sizes_are_the_published_ones(unset, name, parameters, digest):
    model = getattr(models, name)()
    assert size(model) == parameters
    lines = [f"{path} {value.shape}\n" for path, value in model.state_dict().items()]
    assert hashlib.sha256("".join(lines).encode()).hexdigest().startswith(digest)


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("lenet5", {}, 61_706),
        ("googlenet", {"aux_logits": False}, 6_624_904),
        ("resnet20", {}, 269_722),  # the paper: 0.27 million
        ("resnet32", {}, 464_154),  # 0.46
        ("resnet44", {}, 658_586),  # 0.66
        ("resnet56", {}, 853_018),  # 0.85
    ],
)
def test_other_sizes(unset, name, options, parameters):
    assert size(getattr(models, name)(**options)) == parameters


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", SMALL)
def test_agrees_with_pytorch(unset, name, training):
    torch = pytest.importorskip("torch")
    channels, side, replace = SMALL[name]
    file = Path(inspect.getfile(getattr(models, name)))
    ours, theirs = (
        getattr(load(file, library, "tinygrad_cnn.models", replace), name)(num_classes=5)
        for library in ("tinygrad_cnn", "torch")
    )
    same_state(ours, theirs)
    set_mode(ours, training)
    set_mode(theirs, training)
    images = np.random.default_rng(0).standard_normal((2, channels, side, side), np.float32)
    if training:  # batch norm over 2 values blows up what float32 rounds
        ours, theirs, images = ours.double(), theirs.double(), images.astype(np.float64)
    compare(ours, theirs, images)
    assert torch.is_grad_enabled()
