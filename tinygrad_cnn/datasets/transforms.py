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
        images = _batch("RandomShift", image)
        return Tensor(_crop(images, self.max_shift, images.shape[2:]).reshape(image.shape))


class RandomCrop:
    """Cuts out of each image a part at random.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the part; one int for both.
    padding : int
        So many zeros are put around the image first.

    Raises
    ------
    ValueError
        If `padding` is negative, or the part larger than the image with its padding.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.datasets.transforms.RandomCrop(32, padding=4)(tg.rand(64, 3, 32, 32)).shape
    (64, 3, 32, 32)
    """

    batched = True

    def __init__(self, size: int | tuple[int, int], padding: int = 0) -> None:
        if padding < 0:
            raise ValueError(f"RandomCrop: padding must not be negative, got {padding}")
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.padding = padding

    def __call__(self, image: Tensor) -> Tensor:
        images = _batch("RandomCrop", image)
        whole = tuple(length + 2 * self.padding for length in images.shape[2:])
        if self.size[0] > whole[0] or self.size[1] > whole[1]:
            raise ValueError(
                f"RandomCrop: size {self.size} is larger than the image with its padding, {whole}"
            )
        parts = _crop(images, self.padding, self.size)
        return Tensor(parts.reshape(*image.shape[:-2], *self.size))


class RandomHorizontalFlip:
    """Mirrors each image, left to right, or not.

    Parameters
    ----------
    p : float
        How probably.

    Raises
    ------
    ValueError
        If `p` is no probability.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.datasets.transforms.RandomHorizontalFlip(p=1)(tg.tensor([[[1, 2, 3]]]))
    tensor([[[3, 2, 1]]])
    """

    batched = True

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p must be from 0 to 1, got {p}")
        self.p = p

    def __call__(self, image: Tensor) -> Tensor:
        images = _batch("RandomHorizontalFlip", image)
        mirrored = random.default_generator.numpy.random((len(images), 1, 1, 1)) < self.p
        return Tensor(np.where(mirrored, images[..., ::-1], images).reshape(image.shape))


def _batch(name: str, image: Tensor) -> np.ndarray:
    if image.ndim not in (3, 4):
        raise ValueError(f"{name}: expected (C, H, W) or (N, C, H, W), got shape {image.shape}")
    return image.numpy().reshape(-1, *image.shape[-3:])


def _crop(images: np.ndarray, padding: int, size: tuple[int, ...]) -> np.ndarray:
    """Return of each image (N, C, H, W), in zeros as wide as `padding`, a part at random."""
    around = ((0, 0), (0, 0), (padding, padding), (padding, padding))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, around), size, (2, 3))
    n, _, rows, columns, *_ = windows.shape
    draw = random.default_generator.numpy.integers
    top, left = draw(rows, size=n), draw(columns, size=n)
    return windows[np.arange(n), :, top, left]
