"""The conversion that made mnist10k.npz."""

import json
import sys

import numpy as np
import pytest

from tinygrad_cnn import datasets
from tinygrad_cnn.datasets import convert_mnist10k


@pytest.fixture(scope="module")
def shipped():
    parts = [datasets.MNIST10k(train) for train in (True, False)]
    images = np.concatenate([part.data.numpy() for part in parts])
    labels = np.concatenate([part.targets.numpy() for part in parts])
    return images, labels


def test_the_order_depends_on_the_digits_alone(shipped):
    images, labels = shipped
    shuffle = np.random.default_rng(0).permutation(len(images))
    order = convert_mnist10k.order(images[shuffle], labels[shuffle])
    assert (shuffle[order] == np.arange(len(images))).all()


@pytest.fixture
def package(shipped, tmp_path, monkeypatch):
    """A small package of the same form: 20 digits of each class, 3 held out."""
    images, labels = shipped
    folder = tmp_path / "package" / "src" / "digits"
    folder.mkdir(parents=True)
    for label in range(10):
        values = images[labels == label][:20].ravel() / 255
        (folder / f"{label}.json").write_text(json.dumps({"data": values.round(3).tolist()}))
    monkeypatch.setattr(convert_mnist10k, "COUNTS", (20,) * 10)
    monkeypatch.setattr(convert_mnist10k, "HELD_OUT_PER_CLASS", 3)
    return tmp_path / "package"


def test_writes_the_same_bytes_each_time(package, shipped, monkeypatch, capsys):
    files = [package / "a.npz", package / "b.npz"]
    for file in files:
        monkeypatch.setattr(sys, "argv", ["convert", str(package), "--out", str(file)])
        convert_mnist10k.main()
    assert "SHA-256" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()
    images, labels = shipped
    wanted = {image.tobytes() for k in range(10) for image in images[labels == k][:20]}
    with np.load(files[0], allow_pickle=False) as arrays:
        assert {image.tobytes() for image in arrays["images"]} == wanted
        assert (np.bincount(arrays["labels"][-30:]) == 3).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values[:-1], "expected 20 digits of 784 values"),
        (lambda values: [0.5555, *values[1:]], "not a byte divided by 255"),
        (lambda values: [1.5, *values[1:]], "not a byte divided by 255"),
    ],
)
def test_refuses_other_digits(package, change, message):
    path = package / "src" / "digits" / "4.json"
    values = change(json.loads(path.read_text())["data"])
    path.write_text(json.dumps({"data": values}))
    with pytest.raises(ValueError, match=message):
        convert_mnist10k.convert(package, package / "out.npz")
    assert not (package / "out.npz").exists()
