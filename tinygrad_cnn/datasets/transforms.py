"""Transforms of images. Each takes one image (C, H, W) or a batch of them (N, C, H, W).

That they take batches they say by the attribute ``batched``, so the data sets of
`tinygrad_cnn.datasets` call them once for each batch that a `DataLoader` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn import random
from tinygrad_cnn.core.tensor import Tensor


class Compose:
    """Applies transforms one after the other.

    Parameters
    ----------
    transforms : sequence of callable
        It takes batches if all of them do.

    Examples
    --------
    >>> from tinygrad_cnn.datasets import transforms
    >>> transform = transforms.Compose(
    ...     [transforms.RandomShift(2), transforms.Normalize((0.1307,), (0.3081,))]
    ... )
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms
        self.batched = all(getattr(transform, "batched", False) for transform in transforms)

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """Returns an image as a float32 Tensor (C, H, W) in 0..1.

    An array of uint8 (H, W) or (H, W, C) is rearranged and divided by 255. The data sets here
    give Tensors already; those pass unchanged, so that programs written for torchvision run.
    """

    batched = True

    def __call__(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        if not isinstance(image, np.ndarray) or image.ndim not in (2, 3):
            raise TypeError(
                "ToTensor: expected a Tensor or an array (H, W) or (H, W, C), "
                f"got {getattr(image, 'shape', type(image).__name__)}"
            )
        image = np.moveaxis(np.atleast_3d(image), -1, 0)
        if image.dtype == np.uint8:
            image = np.divide(image, 255, dtype=np.float32)
        return Tensor(np.ascontiguousarray(image))


class Normalize:
    """Subtracts a mean and divides by a standard deviation, channel by channel.

    Parameters
    ----------
    mean, std : sequence of float
        One for each channel.

    Raises
    ------
    ValueError
        If a standard deviation is 0, or an image has another number of channels.
    TypeError
        If an image is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.datasets.transforms.Normalize([0.5], [0.25])(tg.tensor([[[0.5, 1.0]]]))
    tensor([[[0., 2.]]])
    """

    batched = True

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if 0 in std:
            raise ValueError(f"Normalize: std must not be 0, got {std}")
        self.mean = mean
        self.std = std

    def __call__(self, image: Tensor) -> Tensor:
        if not image.is_floating_point():
            raise TypeError(f"Normalize: expected a floating image, got {image.dtype}")
        mean, std = (
            np.array(value, image.dtype).reshape(-1, 1, 1) for value in (self.mean, self.std)
        )
        if image.ndim < 3 or any(len(value) not in (1, image.shape[-3]) for value in (mean, std)):
            raise ValueError(
                f"Normalize: image {image.shape}, mean of {len(mean)} and std of {len(std)} "
                "channels do not fit"
            )
        return (image - mean) / std


class RandomShift:
    """Moves each image at random, zeros coming in where it leaves.

    Parameters
    ----------
    max_shift : int
        The most pixels that an image moves up, down, left or right. All shifts up to it, the
        diagonal ones too, are equally likely, and each image of a batch has its own.

    Raises
    ------
    ValueError
        If `max_shift` is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.datasets.transforms.RandomShift(2)(tg.rand(64, 1, 28, 28)).shape
    (64, 1, 28, 28)
    """

    batched = True

    def __init__(self, max_shift: int) -> None:
        if max_shift < 0:
            raise ValueError(f"RandomShift: max_shift must not be negative, got {max_shift}")
        self.max_shift = max_shift

    def __call__(self, image: Tensor) -> Tensor:
        if image.ndim == 3:
            return Tensor(self._shift(image.numpy()[None])[0])
        if image.ndim != 4:
            raise ValueError(
                f"RandomShift: expected (C, H, W) or (N, C, H, W), got shape {image.shape}"
            )
        return Tensor(self._shift(image.numpy()))

    def _shift(self, images: np.ndarray) -> np.ndarray:
        most = self.max_shift
        n, _, height, width = images.shape
        top, left = random.default_generator.numpy.integers(2 * most + 1, size=(2, n))
        padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (2, 3))
        return windows[np.arange(n), :, top, left]
