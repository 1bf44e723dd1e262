"""CIFAR-10: its files, and what is said of bad ones."""

import numpy as np
import pytest

from tinygrad_cnn.datasets import CIFAR10
from tinygrad_cnn.datasets.transforms import Normalize
from tinygrad_cnn.utils.data import DataLoader

COUNT = 4  # images in each file
NAMES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    monkeypatch.setattr(CIFAR10, "images_per_file", COUNT)


@pytest.fixture
def folder(tmp_path):
    """Files in which image k of all has the label k mod 10, and the colours k, k + 1 and k + 2."""
    k = 0
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name in NAMES:
        data = b""
        for _ in range(COUNT):
            data += bytes([k % 10]) + b"".join(bytes([k + c]) * 1024 for c in range(3))
            k += 1
        (tmp_path / "cifar-10-batches-bin" / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
def test_reads_all_files_in_order(folder, inside):
    train, test = CIFAR10(folder / inside), CIFAR10(folder / inside, train=False)
    assert train.data.shape == (20, 3, 32, 32)
    assert test.data.shape == (4, 3, 32, 32)
    assert train.data.dtype == np.uint8
    assert train.targets.dtype == np.int64
    assert [*train.targets.tolist(), *test.targets.tolist()] == [k % 10 for k in range(24)]
    assert (train.data.numpy().mean((2, 3)) == np.arange(20)[:, None] + np.arange(3)).all()
    assert test.classes[0] == "airplane"
    assert len(test.classes) == 10


def test_the_planes_are_rows_from_the_top(folder):
    path = folder / "cifar-10-batches-bin" / "test_batch.bin"
    data = bytearray(path.read_bytes())
    data[1 + 1024 + 32 * 3 + 5] = 200  # green, row 3, column 5 of the first image
    path.write_bytes(data)
    image, label = CIFAR10(folder, train=False)[0]
    assert (image.shape, image.dtype, label) == ((3, 32, 32), np.float32, 0)
    assert image[1, 3, 5].item() == np.float32(200 / 255)


def test_transforms(folder):
    dataset = CIFAR10(folder, True, Normalize([0.5] * 3, [0.5] * 3), lambda label: -label)
    [(images, labels)] = DataLoader(dataset, 20)
    np.testing.assert_allclose(images.numpy()[7, 0], (7 / 255 - 0.5) / 0.5, rtol=1e-6)
    assert labels[7].item() == -7


class TestErrors:
    def test_a_file_is_missing(self, folder):
        (folder / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
        with pytest.raises(
            FileNotFoundError, match=r"data_batch_3.bin is not in .*cifar-10-binary"
        ):
            CIFAR10(folder)
        CIFAR10(folder, train=False)

    @pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"])
    def test_a_wrong_size(self, folder, change):
        path = folder / "cifar-10-batches-bin" / "test_batch.bin"
        path.write_bytes(change(path.read_bytes()))
        with pytest.raises(
            ValueError, match=r"test_batch.bin: 12,29\d bytes, expected 12,292 for 4"
        ):
            CIFAR10(folder, train=False)

    def test_a_wrong_label(self, folder):
        path = folder / "cifar-10-batches-bin" / "test_batch.bin"
        data = bytearray(path.read_bytes())
        data[2 * 3073] = 10
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"image 2 has the label 10, expected 0 to 9"):
            CIFAR10(folder, train=False)
