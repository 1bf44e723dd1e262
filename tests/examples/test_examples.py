"""The smaller examples, each run small."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from as_torch import load

import tinygrad_cnn as tg
from tinygrad_cnn import datasets

pytest.importorskip("matplotlib")
pytest.importorskip("safetensors")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run an example's command line with results in ``out``; return what it printed."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def run(name, *options):
        arguments = [name, "--out", tmp_path / "out", *options]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        importlib.import_module(name).main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def made(tmp_path):
    """The names of the files in ``out``; the pictures are PNG files."""

    def made():
        paths = list((tmp_path / "out").iterdir())
        assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths if p.suffix == ".png")
        return {path.name for path in paths}

    return made


class TestCifarResNet:
    SMALL = ("--epochs", 2, "--images", 16, "--batch-size", 8)
    EPOCH = r"epoch  2/2   loss \d\.\d+   accuracy \S+% in training, \S+% held out   \d+ images/s"

    def test_the_stand_in(self, run, made, tmp_path):
        said = run("train_cifar_resnet", *self.SMALL, "--data", tmp_path)
        assert f"data_batch_1.bin is not in {tmp_path}" in said
        assert "This is NOT CIFAR-10, but a stand-in: coloured shapes drawn with seed 0" in said
        assert "269,722 parameters; 16 images for training, 16 held out" in said
        assert re.search(self.EPOCH, said)
        assert made() == {"curves.png", "resnet20.safetensors"}
        tg.models.resnet20().load(tmp_path / "out" / "resnet20.safetensors")

    def test_cifar10_where_it_is(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(datasets.CIFAR10, "images_per_file", 5)
        draw = np.random.default_rng(0)
        for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
            records = draw.integers(256, size=(5, 3073), dtype=np.uint8)
            records[:, 0] %= 10
            records.tofile(tmp_path / name)
        said = run("train_cifar_resnet", *self.SMALL, "--data", tmp_path)
        assert "stand-in" not in said
        assert "16 images for training, 5 held out" in said

    def test_a_damaged_file(self, run, tmp_path):
        for i in range(1, 6):
            (tmp_path / f"data_batch_{i}.bin").write_bytes(b"damaged")
        with pytest.raises(SystemExit, match=r"error: .*data_batch_1.bin: 7 bytes, expected"):
            run("train_cifar_resnet", *self.SMALL, "--data", tmp_path)

    def test_the_shapes(self, monkeypatch):
        monkeypatch.syspath_prepend(str(EXAMPLES))
        from shapes import CLASSES, draw_shapes

        images, labels = draw_shapes(300, seed=1)
        again, _ = draw_shapes(300, seed=1)
        other, _ = draw_shapes(300, seed=2)
        assert (images.shape, images.dtype) == ((300, 3, 32, 32), np.uint8)
        assert set(labels.tolist()) == set(range(len(CLASSES)))
        assert (images == again).all()
        assert (images != other).any()


class TestMnistPytorchStyle:
    SMALL = ("--epochs", 1, "--batch-size", 100, "--log-interval", 1)

    def test_runs(self, run, made, data):
        said = run("mnist_pytorch_style", *self.SMALL, "--data", data)
        assert re.fullmatch(
            r"epoch 1       0/200  loss \d\.\d{4}\n"
            r"epoch 1     100/200  loss \d\.\d{4}\n"
            r"held out: mean loss \d\.\d{4}, accuracy \d+/60 \(\d+\.\d%\)\n",
            said,
        )
        assert made() == {"mnist.safetensors"}

    def test_runs_in_pytorch_with_other_imports(self, monkeypatch, capsys, tmp_path):
        torch = pytest.importorskip("torch")

        def digits(train, transform):
            taken = datasets.MNIST10k(train)
            images = torch.tensor(taken.data.numpy()[:40, None] / 255).float()
            return torch.utils.data.TensorDataset(
                transform(images), torch.tensor(taken.targets.numpy()[:40])
            )

        stand_in = ModuleType("stand_in")  # for torchvision
        stand_in.MNIST10k = digits
        stand_in.transforms = ModuleType("transforms")
        stand_in.transforms.Compose = lambda transforms: transforms[-1]
        stand_in.transforms.ToTensor = lambda: None
        stand_in.transforms.Normalize = lambda mean, std: lambda x: (x - mean[0]) / std[0]
        monkeypatch.setitem(sys.modules, "stand_in", stand_in)
        source = EXAMPLES / "mnist_pytorch_style.py"
        imports = {
            "from tinygrad_cnn import datasets": "import stand_in as datasets",
            "from tinygrad_cnn.datasets import": "from stand_in import",
        }
        example = load(source, "torch", replace=imports)
        monkeypatch.setattr(
            sys, "argv", ["", *map(str, self.SMALL), "--out", str(tmp_path / "out")]
        )
        example.main()
        assert "held out: mean loss" in capsys.readouterr().out
        weights = tg.load(tmp_path / "out" / "mnist.safetensors")
        monkeypatch.syspath_prepend(str(EXAMPLES))
        from mnist_pytorch_style import Net

        Net().load_state_dict(weights)


class TestTransferWeights:
    FILES = frozenset({"digits.safetensors", "digits.onnx", "kernels.png"})

    def test_from_pytorch(self, run, made):
        torch = pytest.importorskip("torch")
        pytest.importorskip("onnxruntime")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            said = run("transfer_weights", "--epochs", 1)
        finally:
            torch.set_num_threads(threads)
        assert made() == {*self.FILES, "pytorch_digits.pt"}
        assert "Trained in PyTorch" in said
        assert self.recognised(said) > 1200
        for name in ("PyTorch", "ONNX Runtime"):
            difference = re.search(rf"^{name}: .* differ by (\S+) at most$", said, re.M)
            assert float(difference[1]) < 1e-3

    def test_without_pytorch(self, run, made, monkeypatch):
        pytest.importorskip("onnx")
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        said = run("transfer_weights")
        assert made() == self.FILES
        assert "PyTorch is not installed; trained in PyTorch before" in said
        assert self.recognised(said) > 1400
        assert "PyTorch is not installed: " in said
        assert "ONNX Runtime is not installed: " in said

    def recognised(self, said):
        return int(re.search(r"Here: ([\d,]+) of 1,500", said)[1].replace(",", ""))


def test_custom_op(run, made):
    said = run("custom_op", "--examples", 5, "--steps", 50)
    first, last = (float(value) for value in re.findall(r"edges: (\S+) at", said))
    assert last < first / 10
    assert "its rules agree with differences, at 5 drawn inputs" in said
    assert made() <= {"edges.png", "graph.svg"}
    assert len(made()) == 2
