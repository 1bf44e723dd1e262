"""MNIST and MNIST10k: the digits, the split, and what is said of bad folders."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn import datasets
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.datasets import transforms
from tinygrad_cnn.random import manual_seed
from tinygrad_cnn.utils.data import DataLoader, default_collate

FOLDER = Path(datasets.__file__).parent


@pytest.fixture(scope="module")
def digits():
    return datasets.MNIST10k()


@pytest.fixture(scope="module")
def held_out():
    return datasets.MNIST10k(train=False)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class TestMNIST10k:
    def test_shapes_and_dtypes(self, digits, held_out):
        assert len(digits) == 8500
        assert len(held_out) == 1500
        assert digits.data.shape == (8500, 28, 28)
        assert digits.data.dtype == np.uint8
        assert digits.targets.shape == (8500,)
        assert digits.targets.dtype == np.int64
        assert digits.classes[7] == "7 - seven"

    def test_the_split_stays_the_same_for_ever(self, digits, held_out):
        assert sha256(digits.targets.numpy().astype(np.uint8)) == (
            "77166b3fcd09a55ea9bbd1b133a80acf0f825711b04f4d7168e1b299a245d091"
        )
        assert sha256(held_out.targets.numpy().astype(np.uint8)) == (
            "8c202b303f68cbd52b360dd7dd3cf567ede6b7ab19ae7dffffa22567f83a1802"
        )
        assert sha256(held_out.data.numpy()) == (
            "28124742523404ffd3e3e270d274471dcb2833099d2897e5f052a9ec96de473b"
        )

    def test_classes_are_balanced(self, digits, held_out):
        assert (np.bincount(held_out.targets.numpy()) == 150).all()
        counts = np.bincount(digits.targets.numpy())
        assert counts.min() == 713
        assert counts.max() == 977

    def test_no_digit_is_in_both_parts(self, digits, held_out):
        images = np.concatenate([digits.data.numpy(), held_out.data.numpy()])
        assert len({image.tobytes() for image in images}) == 10_000

    def test_sample(self, digits):
        image, label = digits[0]
        assert image.shape == (1, 28, 28)
        assert image.dtype == np.float32
        assert type(label) is int
        assert (image.numpy() == digits.data.numpy()[:1] / np.float32(255)).all()
        assert image.numpy().max() == 1.0
        assert digits[-1][1] == digits.targets.numpy()[-1]
        with pytest.raises(IndexError):
            digits[8500]

    def test_transforms_are_applied(self):
        digits = datasets.MNIST10k(
            train=False, transform=lambda x: x * 2, target_transform=lambda y: y == 3
        )
        plain = datasets.MNIST10k(train=False)
        image, label = digits[4]
        assert (image.numpy() == plain[4][0].numpy() * 2).all()
        assert label is (plain[4][1] == 3)

    def test_licence_file_tells_the_checksums(self):
        text = (FOLDER / "MNIST10k.LICENSE.txt").read_text()
        packed = FOLDER / "mnist10k.npz"
        with np.load(packed, allow_pickle=False) as arrays:
            assert sha256(arrays["images"]) in text
            assert sha256(arrays["labels"]) in text
        assert sha256(packed.read_bytes()) in text
        assert packed.stat().st_size < 2_000_000
        assert "Copyright (c) 2015 Juan Cazala" in text
        assert "Creative Commons Attribution-Share Alike 3.0" in text


class TestBatches:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"transform": transforms.Normalize([0.1307], [0.3081])},
            {"transform": lambda image: image.numpy().ravel()},
            {"target_transform": lambda label: label % 2},
        ],
        ids=["plain", "batched", "image by image", "target"],
    )
    def test_a_batch_is_what_collating_its_samples_gives(self, options):
        digits = datasets.MNIST10k(train=False, **options)
        indices = [3, 1000, 3, 0]
        expected = default_collate([digits[i] for i in indices])
        for got, wanted in zip(digits.get_batch(indices), expected, strict=True):
            assert got.dtype == wanted.dtype
            assert got.shape == wanted.shape
            assert (got.numpy() == wanted.numpy()).all()

    def test_a_batched_transform_is_called_once_for_a_batch(self):
        shapes = []

        class Note:
            batched = True

            def __call__(self, image):
                shapes.append(image.shape)
                return image

        digits = datasets.MNIST10k(train=False, transform=transforms.Compose([Note()]))
        assert len(list(DataLoader(digits, batch_size=1000))) == 2
        assert shapes == [(1000, 1, 28, 28), (500, 1, 28, 28)]

    def test_a_subclass_with_its_own_samples_is_not_bypassed(self):
        class Inverted(datasets.MNIST10k):
            def __getitem__(self, index):
                image, label = super().__getitem__(index)
                return 1 - image, label

        [images, _] = next(iter(DataLoader(Inverted(train=False), batch_size=2)))
        assert images.numpy()[0, 0, 0, 0] == 1.0

    def test_the_seed_governs_order_and_shifts(self, digits):
        shifted = datasets.MNIST10k(transform=transforms.RandomShift(2))
        runs = []
        for seed in (5, 5, 6):
            manual_seed(seed)
            images, labels = next(iter(DataLoader(shifted, 64, shuffle=True)))
            runs.append((images.numpy(), labels.numpy()))
        assert (runs[0][0] == runs[1][0]).all()
        assert (runs[0][1] == runs[1][1]).all()
        assert (runs[0][1] != runs[2][1]).any()


def write_idx(path, array, pack=bytes):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack(header + array.astype(np.uint8).tobytes()))


IMAGES = (np.arange(3 * 784) % 251).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], np.uint8)


def write_split(folder, split="train", suffix="", images=IMAGES, labels=LABELS):
    pack = gzip.compress if suffix else bytes
    write_idx(folder / f"{split}-images-idx3-ubyte{suffix}", images, pack)
    write_idx(folder / f"{split}-labels-idx1-ubyte{suffix}", labels, pack)


class TestMNIST:
    @pytest.mark.parametrize("folder", [".", "MNIST/raw", "raw"])
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    @pytest.mark.parametrize("train", [True, False])
    def test_reads_the_files_where_they_may_be(self, tmp_path, folder, suffix, train):
        write_split(tmp_path / folder, "train" if train else "t10k", suffix)
        digits = datasets.MNIST(str(tmp_path), train=train)
        assert (digits.data.numpy() == IMAGES).all()
        assert digits.targets.tolist() == [7, 0, 9]
        image, label = digits[2]
        assert label == 9
        assert (image.numpy()[0] == IMAGES[2] / np.float32(255)).all()

    def test_transforms_and_batches(self, tmp_path):
        write_split(tmp_path)
        digits = datasets.MNIST(
            tmp_path, transform=lambda image: Tensor(image.numpy() + 1), target_transform=str
        )
        images, labels = next(iter(DataLoader(digits, 3)))
        assert images.shape == (3, 1, 28, 28)
        assert images.numpy().min() == 1.0
        assert labels == ("7", "0", "9")

    @pytest.mark.parametrize("missing", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
    def test_missing_files(self, tmp_path, missing):
        write_split(tmp_path)
        (tmp_path / missing).unlink()
        with pytest.raises(RuntimeError, match=r"train-images.*are not in .*download=True"):
            datasets.MNIST(tmp_path)

    @pytest.mark.parametrize(
        ("images", "labels", "message"),
        [
            (IMAGES[:2], LABELS, "labels-idx1-ubyte: 3 labels for the 2 images"),
            (IMAGES, LABELS + 1, "labels-idx1-ubyte: expected labels from 0 to 9, got 10"),
            (IMAGES[:, :27], LABELS, r"images-idx3-ubyte: expected images, uint8 \(N, 28, 28\)"),
            (IMAGES, LABELS[None], r"labels-idx1-ubyte: expected labels, uint8 \(N,\)"),
            (LABELS, LABELS, "images-idx3-ubyte: expected images"),
        ],
    )
    def test_files_that_do_not_fit(self, tmp_path, images, labels, message):
        write_split(tmp_path, images=images, labels=labels)
        with pytest.raises(ValueError, match=message):
            datasets.MNIST(tmp_path)

    def test_a_truncated_file_is_told_by_name(self, tmp_path):
        write_split(tmp_path)
        path = tmp_path / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match="train-images-idx3-ubyte: truncated"):
            datasets.MNIST(tmp_path)


class TestDownload:
    @pytest.fixture
    def mirror(self, tmp_path, monkeypatch):
        """A mirror on the file system, after one where nothing is."""
        mirror = tmp_path / "mirror"
        write_split(mirror, "train", ".gz")
        write_split(mirror, "t10k", ".gz", IMAGES[:1], LABELS[:1])
        resources = tuple(
            (path.name, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest())
            for path in sorted(mirror.iterdir())
        )
        empty = (tmp_path / "empty").as_uri() + "/"
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
        monkeypatch.setattr(datasets.MNIST, "mirrors", (empty, mirror.as_uri() + "/"))
        return mirror

    def test_fetches_checks_and_reads(self, tmp_path, mirror):
        root = tmp_path / "root"
        assert len(datasets.MNIST(root, download=True)) == 3
        assert len(datasets.MNIST(root, train=False)) == 1
        written = sorted((root / "MNIST" / "raw").iterdir())
        assert [path.name for path in written] == [path.name for path in sorted(mirror.iterdir())]

    def test_fetches_only_what_is_missing(self, tmp_path, mirror):
        root = tmp_path / "root"
        write_split(root, "train", images=IMAGES[:2], labels=LABELS[:2])
        assert len(datasets.MNIST(root, download=True)) == 2
        names = [path.name for path in (root / "MNIST" / "raw").iterdir()]
        assert sorted(names) == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]

    def test_a_wrong_checksum_writes_nothing(self, tmp_path, mirror):
        path = mirror / "t10k-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes() + b"x")
        root = tmp_path / "root"
        with pytest.raises(RuntimeError, match=r"t10k-images.*No such file.*MD5 \w+, expected"):
            datasets.MNIST(root, download=True)
        assert not root.exists()

    def test_the_published_addresses_are_https(self):
        assert all(mirror.startswith("https://") for mirror in datasets.MNIST.mirrors)
        assert all(len(md5) == 32 for _, md5 in datasets.MNIST.resources)
