"""CIFAR-10: small colour images of ten kinds of things."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .images import Images, Transform


class CIFAR10(Images):
    """The CIFAR-10 data set: 50,000 images for training and 10,000 for testing.

    It is read from the files of its binary version, and never downloaded: get
    ``cifar-10-binary.tar.gz`` from https://www.cs.toronto.edu/~kriz/cifar.html, and unpack it in
    `root`.

    Parameters
    ----------
    root : path
        The folder that holds ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``,
        or the folder ``cifar-10-batches-bin`` with them.
    train : bool
        The images for training, or those for testing.
    transform : callable, optional
        Applied to the image; it may be called with a batch, see `get_batch`.
    target_transform : callable, optional
        Applied to the label.

    Attributes
    ----------
    data : Tensor of uint8 (N, 3, 32, 32)
    targets : Tensor of int64 (N,)
    classes : tuple of str

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    ValueError
        If a file is damaged.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
    """

    classes = (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )
    images_per_file = 10_000

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.root = Path(root)
        self.train = train
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] if train else ["test_batch.bin"]
        parts = [self._read(self._find(name)) for name in names]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        super().__init__(images, labels, transform, target_transform)

    def _find(self, name: str) -> Path:
        for folder in (self.root, self.root / "cifar-10-batches-bin"):
            if (folder / name).is_file():
                return folder / name
        raise FileNotFoundError(
            f"CIFAR10: {name} is not in {self.root}, nor in cifar-10-batches-bin in it; unpack "
            "cifar-10-binary.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html there"
        )

    def _read(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and labels in a file: each a label, then the colours' planes."""
        size = 1 + 3 * 32 * 32
        data = np.fromfile(path, np.uint8)
        if len(data) != size * self.images_per_file:
            raise ValueError(
                f"{path}: {len(data):,} bytes, expected {size * self.images_per_file:,} "
                f"for {self.images_per_file:,} images"
            )
        records = data.reshape(-1, size)
        images, labels = records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0]
        if labels.max() > 9:
            raise ValueError(
                f"{path}: image {labels.argmax()} has the label {labels.max()}, expected 0 to 9"
            )
        return images, labels
