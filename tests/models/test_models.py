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
    pytest.importorskip("torch")
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
    compare(ours, theirs, images)


CONSTRUCTORS = [*(name for name, _, _ in PUBLISHED), "lenet5", *(f"resnet{n}" for n in (20, 32, 44, 56))]


def test_every_constructor_is_tested():
    public = {name for name, value in vars(models).items() if inspect.isfunction(value)}
    assert public == set(CONSTRUCTORS)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_weights_are_not_downloaded(name):
    for options in ({"weights": "DEFAULT"}, {"pretrained": True}):
        with pytest.raises(ValueError, match=r"not downloaded; .* load a file: model\.load"):
            getattr(models, name)(**options)


def test_options_that_ask_for_nothing():
    model = models.resnet20(weights=None, progress=False, num_classes=3)
    assert model.fc.out_features == 3
    assert models.lenet5(pretrained=False).fc3.out_features == 10
    with pytest.raises(TypeError, match="num_class"):
        models.resnet20(num_class=3)
    with pytest.raises(TypeError):
        models.resnet18(10)


@pytest.mark.parametrize(
    ("name", "least"),
    [("alexnet", 63), ("vgg11", 32), ("googlenet", 15), ("squeezenet1_0", 21), ("densenet121", 29)],
)
def test_least_image(unset, name, least):
    """As documented."""
    model = getattr(models, name)().eval()
    model.classifier = nn.Identity()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    model(tg.zeros(1, 3, least, least))
    with pytest.raises(RuntimeError):
        model(tg.zeros(1, 3, least - 1, least - 1))


def test_densenet_loads_names_of_old_files():
    options = {"growth_rate": 4, "block_config": (2, 2), "num_init_features": 8, "num_classes": 2}
    model, other = models.DenseNet(**options), models.DenseNet(**options)
    old = {}
    for name, value in other.state_dict().items():
        block, dot, layer = name.partition(".denselayer")
        for kind in ("norm", "conv"):
            layer = layer.replace(kind, f"{kind}.")
        if not name.endswith("num_batches_tracked"):  # newer than the names
            old[block + dot + layer] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert len(set(old) - set(model.state_dict())) == 4 * 10
    model.load_state_dict(old)
    for name, value in other.state_dict().items():
        assert model.state_dict()[name].equal(value), name
    part = nn.ModuleDict({"part": models.DenseNet(**options)})
    part.load_state_dict({f"part.{name}": value for name, value in old.items()})


def test_googlenet_has_side_heads_in_training_only():
    model = models.googlenet(num_classes=3, init_weights=False)
    images = tg.zeros(2, 3, 32, 32)
    scores = model(images)
    assert isinstance(scores, models.GoogLeNetOutputs)
    assert scores._fields == ("logits", "aux_logits2", "aux_logits1")
    assert [part.shape for part in scores] == [(2, 3)] * 3
    assert model.eval()(images).shape == (2, 3)
    model = models.googlenet(num_classes=3, aux_logits=False, init_weights=False)
    assert model.aux1 is model.aux2 is None
    assert model(images).shape == (2, 3)


def test_googlenet_normalises_as_its_weights_want():
    model = models.googlenet(num_classes=3, transform_input=True, init_weights=False).eval()
    images = tg.rand(1, 3, 32, 32)
    mean = tg.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = tg.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    scores = model((images - mean) / deviation)
    model.transform_input = False
    assert scores.allclose(model(2 * images - 1), rtol=1e-4)


def test_residual_blocks_may_start_as_identities():
    for name, last in (("resnet18", "bn2"), ("resnet50", "bn3")):
        model = getattr(models, name)(zero_init_residual=True)
        for layer in (model.layer1, model.layer4):
            assert [getattr(block, last).weight.any().item() for block in layer] == [False] * len(layer)
        assert model.layer1[0].bn1.weight.all()


def test_errors():
    with pytest.raises(ValueError, match=r"version must be .*, got '1\.0'"):
        models.SqueezeNet("1.0")
    with pytest.raises(ValueError, match="groups and width_per_group are for Bottleneck"):
        models.resnet18(groups=2)


@pytest.mark.parametrize(("width", "channels"), [(1.0, 32), (0.75, 24), (0.35, 16), (0.1, 8), (1.4, 48)])
def test_mobilenet_widths_are_multiples_of_8(unset, width, channels):
    model = models.mobilenet_v2(width_mult=width)
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert convolutions[0].out_channels == channels
    assert all(conv.out_channels % 8 == 0 for conv in convolutions)
    assert model.last_channel == max(1280, 1792 if width > 1 else 0)


def test_lenet_trains():
    tg.manual_seed(0)
    images, labels = tg.randn(20, 1, 28, 28), tg.arange(20) % 10
    model = models.lenet5()
    optimizer = tg.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
