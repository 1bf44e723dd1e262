"""Source written for PyTorch runs when its imports, and nothing else, name this package.

The files in ``sources/`` are written in the idioms of the well-known networks and training
programs. Where PyTorch is installed, both must give the same.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from as_torch import compare, load, same_state, set_mode

import tinygrad_cnn as tg

SOURCES = Path(__file__).parent / "sources"

MODELS = [  # the file, how to make the model, the shape of its input
    ("by_hand", "Net()", (2, 1, 16, 16)),
    ("by_hand", "Containers()", (2, 2, 4, 4)),
    ("inception", "Inception()", (2, 3, 27, 27)),
    ("residual", "resnext()", (2, 3, 32, 32)),
    ("residual", "wide_resnet()", (2, 3, 32, 32)),
    ("residual", "dilated()", (2, 3, 32, 32)),
    ("residual", "se_resnet()", (2, 3, 32, 32)),
    ("mobile", "V1()", (2, 3, 32, 32)),
    ("mobile", "v3()", (2, 3, 32, 32)),
    ("mobile", "shufflenet()", (2, 3, 32, 32)),
    ("efficient", "EfficientNet()", (2, 3, 16, 16)),
    ("versions", "Versioned()", (2, 3, 16, 16)),
    ("versions", "Dense()", (2, 3, 16, 16)),
    ("versions", "Dense(frugal=False)", (2, 3, 16, 16)),
    ("segmentation", "UNet()", (2, 3, 19, 18)),
    ("segmentation", "UNet(bilinear=True)", (2, 3, 18, 19)),
    ("segmentation", "MaskLoss(UNet())", (2, 3, 16, 16)),
    ("segmentation", "SegNet()", (2, 3, 8, 12)),
]


def ours(file):
    return load(SOURCES / f"{file}.py", "tinygrad_cnn")


def both(file, make):
    """Return a model of ours and PyTorch's with the same random state, and their modules."""
    pytest.importorskip("torch")
    modules = ours(file), load(SOURCES / f"{file}.py", "torch")
    models = [eval(make, vars(module)) for module in modules]
    same_state(*models)
    return modules, models


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("file", "make", "shape"), MODELS)
def test_models_agree(file, make, shape, training):
    _, models = both(file, make)
    images = np.random.default_rng(0).standard_normal(shape, np.float32)
    for model in models:
        set_mode(model, training)
    compare(*models, images)


@pytest.mark.parametrize(("file", "make", "shape"), MODELS)
def test_models_learn(file, make, shape):
    model = eval(make, vars(ours(file)))
    output = model(tg.randn(shape))
    parts = output if isinstance(output, tuple) else [output]
    sum((part**2).sum() for part in parts).backward()
    tg.optim.SGD(model.parameters(), lr=0.01).step()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.isfinite().all(), name


def test_training_program_agrees(capsys, monkeypatch):
    torch = pytest.importorskip("torch")
    # PyTorch's test helpers, where another test imports them, forbid a program to set flags
    flags = torch.backends.flags_frozen.__globals__
    monkeypatch.setitem(flags, "__allow_nonbracketed_mutation_flag", True)
    modules, models = both("training", "Net(dropout=0.0)")
    losses, printed = [], []
    for module, model in zip(modules, models, strict=True):
        args = module.parse(["--dropout", "0", "--lr", "0.3", "--no-accel"])
        losses.append(module.run(args, model, shuffle=False)[0])
        printed.append(capsys.readouterr().out)
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert printed[0] == printed[1]


def test_training_program_learns(capsys, tmp_path):
    pytest.importorskip("safetensors")
    module = ours("training")
    losses, accuracy = module.main(["--save-model", str(tmp_path / "corners.safetensors")])
    assert losses[-1] < 0.5 * losses[0]
    assert accuracy > 0.9
    assert "epoch 3: [ 96/128 (75%)]\tloss: 0." in capsys.readouterr().out
    model = module.Net(dropout=0.1)
    model.load_state_dict(tg.load(tmp_path / "corners.safetensors"))
    held_out = module.DataLoader(module.Corners(40, seed=1), batch_size=40)
    assert module.evaluate(model, tg.device("cpu"), held_out) == accuracy


@pytest.mark.parametrize("loop", ["descend", "fit", "fine_tune"])
def test_loops_by_hand_agree(loop):
    modules, models = both("by_hand", "Net()")
    got, expected = (
        getattr(module, loop)(model) for module, model in zip(modules, models, strict=True)
    )
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_states_of_old_versions():
    module = ours("versions")
    old = module.Versioned(alpha=1.0).state_dict()
    old._metadata[""]["version"] = 1
    model = module.Versioned(alpha=2.0)
    with pytest.warns(UserWarning, match="made narrower"):
        model.load_state_dict(old)
    assert model.layers[0].weight.shape == (8, 3, 3, 3)
    old._metadata[""]["version"] = 3
    with pytest.raises(ValueError, match="version should be 1 or 2, not 3"):
        model.load_state_dict(old)

    state = module.Dense().state_dict()
    dotted = {key.replace("norm1", "norm.1").replace("conv2", "conv.2"): v for key, v in state.items()}
    assert len(set(dotted) - set(state)) == 18
    assert str(module.load_with_dots(module.Dense(), dotted)) == "<All keys matched successfully>"


def test_stochastic_depth():
    model = ours("efficient").EfficientNet(drop=0.5)
    images = tg.randn(8, 3, 16, 16)
    first, second = model(images), model(images)
    assert not first.equal(second)
    model.eval()
    assert model(images).equal(model(images))
    assert repr(model.depth) == "StochasticDepth(p=0.5)"


def test_what_would_download_says_so():
    with pytest.raises(RuntimeError, match=r"fetch https://example.org/wide_resnet\.pth yourself"):
        ours("residual").wide_resnet(pretrained=True)
    with pytest.raises(RuntimeError, match="fetch some://where yourself"):
        ours("efficient").with_weights(tg.nn.Identity(), "some://where")
