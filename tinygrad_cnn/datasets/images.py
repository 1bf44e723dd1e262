"""Data sets of images in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.utils.data import Dataset

Transform = Callable[[Any], Any]


class Images(Dataset[tuple[Any, Any]]):
    """Images and their labels.

    Parameters
    ----------
    images : ndarray of uint8, shape (N, H, W) or (N, C, H, W)
    labels : ndarray of integers, shape (N,)
    transform : callable, optional
        Applied to the image; it may be called with a batch, see `get_batch`.
    target_transform : callable, optional
        Applied to the label.

    Attributes
    ----------
    data : Tensor of uint8
    targets : Tensor of int64

    Notes
    -----
    A sample is the image, float32 (C, H, W) in 0..1, and the label, an int. (torchvision's data
    sets give a PIL image, which its ``ToTensor`` turns into the same.)

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_cnn import datasets
    >>> black = datasets.Images(np.zeros((5, 3, 8, 8), np.uint8), np.arange(5))
    >>> image, label = black[4]
    >>> len(black), image.shape, label
    (5, (3, 8, 8), 4)
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.data = Tensor(images)
        self.targets = Tensor(labels.astype(np.int64))
        self.transform = transform
        self.target_transform = target_transform

    def __len__(self) -> int:
        return len(self.data)

    def _image(self, index: Any) -> Any:
        """Return the image at an index, or the batch of images at several, transformed."""
        image = np.divide(self.data.numpy()[index], 255, dtype=np.float32)
        if self.data.ndim == 3:
            image = image[..., None, :, :]
        return Tensor(image) if self.transform is None else self.transform(Tensor(image))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        label = int(self.targets.numpy()[index])
        if self.target_transform is not None:
            label = self.target_transform(label)
        return self._image(index), label

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Return the images (N, C, H, W) and labels (N,) at `indices`, gathered at once.

        A transform is called once for the batch if it says by an attribute ``batched`` that it
        takes batches, as those in `tinygrad_cnn.datasets.transforms` do, else image by image.
        """
        batched = self.transform is None or getattr(self.transform, "batched", False)
        if not batched or self.target_transform is not None:
            return super().get_batch(indices)
        return [self._image(indices), Tensor(self.targets.numpy()[indices])]
