"""Datasets: collections of samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from tinygrad_cnn import random
from tinygrad_cnn.core.tensor import Tensor

from .collate import default_collate

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A collection of samples; subclasses define ``__getitem__`` and ``__len__``.

    A dataset that can gather many samples at once also defines `get_batch`, and `DataLoader`
    uses it.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # An inherited `get_batch` knows nothing of a new way to get one sample.
        if vars(cls).keys() & {"__getitem__", "__getitems__"} and "get_batch" not in vars(cls):
            cls.get_batch = Dataset.get_batch  # type: ignore[method-assign]

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__}.__getitem__ is not defined")

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Return ``default_collate([self[i] for i in indices])``."""
        return default_collate(get_samples(self, indices))


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors whose first dimension counts the samples.

    Parameters
    ----------
    *tensors : Tensor
        All of the same length. A sample is the tuple of their entries.

    Raises
    ------
    ValueError
        If their lengths differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> dataset = tg.utils.data.TensorDataset(tg.arange(3), tg.arange(3) * 10)
    >>> dataset[1]
    (tensor(1), tensor(10))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors or len({len(tensor) for tensor in tensors}) > 1:
            raise ValueError(
                "TensorDataset: expected tensors of one length, got shapes "
                f"{[tensor.shape for tensor in tensors]}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def get_batch(self, indices: Sequence[int]) -> list[Tensor]:
        """Return the samples at `indices`, gathered at once."""
        return [tensor[list(indices)] for tensor in self.tensors]


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`.

    Parameters
    ----------
    dataset : Dataset
    indices : sequence of int
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Return the batch of the samples at `indices`, as the whole dataset gathers it."""
        return get_batch(self.dataset, [self.indices[i] for i in indices])


def get_samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """Return the list of samples, by PyTorch's ``__getitems__`` where the dataset has it."""
    getitems = getattr(dataset, "__getitems__", None)
    return getitems(indices) if getitems else [dataset[i] for i in indices]


def get_batch(dataset: Any, indices: Sequence[int]) -> Any:
    """Return the collated batch, by the dataset's own ``get_batch`` where it has one."""
    if isinstance(dataset, Dataset):
        return dataset.get_batch(indices)
    return default_collate(get_samples(dataset, indices))


def random_split(
    dataset: Any,
    lengths: Sequence[int | float],
    generator: random.Generator | None = None,
) -> list[Subset[Any]]:
    """Split a dataset at random into parts that do not overlap.

    Parameters
    ----------
    dataset : Dataset
    lengths : sequence of int or of float
        The length of each part; or fractions that sum up to 1, which are rounded down, and what
        is left goes to the parts one by one from the first on.
    generator : Generator, optional
        The default one, which `manual_seed` seeds, where not given.

    Raises
    ------
    ValueError
        If a length is negative, or they do not sum up to the dataset's.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [len(part) for part in tg.utils.data.random_split(range(10), [0.75, 0.25])]
    [8, 2]
    """
    n = len(dataset)
    if min(lengths, default=0) < 0:
        raise ValueError(f"random_split: lengths must not be negative, got {list(lengths)}")
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(length) for length in lengths]
        if sizes != list(lengths) or sum(sizes) != n:
            raise ValueError(
                f"random_split: lengths {list(lengths)} are neither integers that sum up to the "
                f"dataset's {n} samples nor fractions that sum up to 1"
            )
    indices = (generator or random.default_generator).numpy.permutation(n).tolist()
    return [
        Subset(dataset, indices[stop - size : stop])
        for size, stop in zip(sizes, itertools.accumulate(sizes), strict=True)
    ]
