"""MNIST: handwritten digits (Y. LeCun, C. Cortes, C. Burges)."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.request
from pathlib import Path

import numpy as np

from tinygrad_cnn.serialization.files import write_whole

from .idx import read_idx
from .images import Images, Transform


class _Digits(Images):
    classes = (
        *("0 - zero", "1 - one", "2 - two", "3 - three", "4 - four"),
        *("5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine"),
    )


class MNIST10k(_Digits):
    """10,000 digits of the MNIST training set, shipped with this package.

    8,500 of them are for training, 1,500 (150 of each class) are held out. The split is always
    the same one.

    Parameters
    ----------
    train : bool
        The digits for training, or those held out.
    transform : callable, optional
        Applied to the image; it may be called with a batch, see `get_batch`.
    target_transform : callable, optional
        Applied to the label.

    Attributes
    ----------
    data : Tensor of uint8 (N, 28, 28)
    targets : Tensor of int64 (N,)
    classes : tuple of str

    Notes
    -----
    A sample is the image, float32 (1, 28, 28) in 0..1, and the label, an int. (torchvision gives
    a PIL image, which its ``ToTensor`` turns into the same.) Where the digits come from and under
    which licences they stand is told in ``MNIST10k.LICENSE.txt`` beside this file.

    Examples
    --------
    >>> from tinygrad_cnn import datasets
    >>> digits = datasets.MNIST10k()
    >>> image, label = digits[0]
    >>> len(digits), image.shape, label
    (8500, (1, 28, 28), 4)
    """

    def __init__(
        self,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.train = train
        part = slice(8500) if train else slice(8500, None)
        with np.load(Path(__file__).with_name("mnist10k.npz"), allow_pickle=False) as arrays:
            images, labels = arrays["images"][part], arrays["labels"][part]
        super().__init__(images, labels, transform, target_transform)


class MNIST(_Digits):
    """The MNIST data set: 60,000 digits for training and 10,000 for testing.

    Parameters
    ----------
    root : path
        The folder that holds the four files, plain or gzipped: here, in ``MNIST/raw`` (where
        torchvision puts them) or in ``raw``.
    train : bool
        The digits for training, or those for testing.
    transform : callable, optional
        Applied to the image; it may be called with a batch, see `get_batch`.
    target_transform : callable, optional
        Applied to the label.
    download : bool
        Fetch the files that are missing into ``root/MNIST/raw``.

    Attributes
    ----------
    data : Tensor of uint8 (N, 28, 28)
    targets : Tensor of int64 (N,)
    classes : tuple of str

    Raises
    ------
    RuntimeError
        If files are missing, or cannot be downloaded.
    ValueError
        If a file is damaged, or is not what its name says.

    Notes
    -----
    A sample is the image, float32 (1, 28, 28) in 0..1, and the label, an int. (torchvision gives
    a PIL image, which its ``ToTensor`` turns into the same.)
    """

    mirrors = (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
    resources = (
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    )

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        self.root = Path(root)
        self.train = train
        if download:
            self.download()
        split = "train" if train else "t10k"
        images_path = self._find(f"{split}-images-idx3-ubyte")
        labels_path = self._find(f"{split}-labels-idx1-ubyte")
        if images_path is None or labels_path is None:
            raise RuntimeError(
                f"MNIST: {split}-images-idx3-ubyte and {split}-labels-idx1-ubyte (or both with "
                f".gz) are not in {self.root}, nor in MNIST/raw or raw in it; "
                "download=True fetches them"
            )
        images, labels = read_idx(images_path), read_idx(labels_path)
        if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
            raise ValueError(
                f"{images_path}: expected images, uint8 (N, 28, 28), "
                f"got {images.dtype} {images.shape}"
            )
        if labels.dtype != np.uint8 or labels.ndim != 1:
            raise ValueError(
                f"{labels_path}: expected labels, uint8 (N,), got {labels.dtype} {labels.shape}"
            )
        if len(images) != len(labels):
            raise ValueError(
                f"{labels_path}: {len(labels)} labels for the {len(images)} images in {images_path}"
            )
        if labels.max(initial=0) > 9:
            raise ValueError(f"{labels_path}: expected labels from 0 to 9, got {labels.max()}")
        super().__init__(images, labels, transform, target_transform)

    def _find(self, name: str) -> Path | None:
        for folder in (self.root, self.root / "MNIST" / "raw", self.root / "raw"):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    def download(self) -> None:
        """Fetch the files that are missing, and check them; write each whole or not at all.

        Raises
        ------
        RuntimeError
            If no mirror gives a file with the right checksum.
        """
        for name, md5 in self.resources:
            if self._find(name.removesuffix(".gz")) is None:
                data = self._fetch(name, md5)
                folder = self.root / "MNIST" / "raw"
                folder.mkdir(parents=True, exist_ok=True)
                write_whole(folder / name, data)

    def _fetch(self, name: str, md5: str) -> bytes:
        failures = []
        for mirror in self.mirrors:
            try:
                with urllib.request.urlopen(mirror + name, timeout=30) as response:
                    data = response.read()
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{mirror + name}: {error}")
                continue
            if (got := hashlib.md5(data, usedforsecurity=False).hexdigest()) == md5:
                return data
            failures.append(f"{mirror + name}: MD5 {got}, expected {md5}")
        raise RuntimeError("MNIST: cannot download " + "; ".join(failures))
