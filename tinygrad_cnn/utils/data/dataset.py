"""Datasets: collections of samples."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
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

    def __add__(self, other: Any) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Return ``default_collate([self[i] for i in indices])``."""
        return default_collate(get_samples(self, indices))


class IterableDataset(Dataset[T_co]):
    """Samples that come one after the other, such as from a stream; define ``__iter__``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> class Countdown(tg.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         return iter([3, 2, 1])
    >>> [batch.tolist() for batch in tg.utils.data.DataLoader(Countdown(), batch_size=2)]
    [[3, 2], [1]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__ is not defined")

    def __add__(self, other: Any) -> ChainDataset[Any]:  # type: ignore[override]
        return ChainDataset([self, other])


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


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one after the other; ``a + b`` makes one too.

    Parameters
    ----------
    datasets : iterable of Dataset

    Raises
    ------
    ValueError
        If there are none.
    TypeError
        If one is an `IterableDataset`; `ChainDataset` takes those.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> both = tg.utils.data.ConcatDataset(["ab", "cde"])
    >>> len(both), both[1], both[2], both[-1]
    (5, 'b', 'c', 'e')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise ValueError("ConcatDataset: expected one dataset or more, got none")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise TypeError("ConcatDataset: an IterableDataset has no indices; use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> T_co:
        if index < -len(self):
            raise ValueError(f"ConcatDataset: index {index} for {len(self)} samples")
        if index < 0:
            index += len(self)
        part = bisect.bisect_right(self.cumulative_sizes, index)
        if part == len(self.datasets):
            raise IndexError(f"ConcatDataset: index {index} for {len(self)} samples")
        return self.datasets[part][index - self.cumulative_sizes[part] + len(self.datasets[part])]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """The samples of several `IterableDataset`, one after the other; ``a + b`` makes one too.

    Parameters
    ----------
    datasets : iterable of IterableDataset

    Raises
    ------
    TypeError
        When it comes to one that is none.
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: expected an IterableDataset, got {type(dataset).__name__}"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self._checked())

    def __len__(self) -> int:
        return sum(map(len, self._checked()))


class StackDataset(Dataset[Any]):
    """Datasets of equal lengths side by side.

    Parameters
    ----------
    *args : Dataset
        A sample is the tuple of theirs.
    **kwargs : Dataset
        A sample is the dictionary of theirs.

    Raises
    ------
    ValueError
        If there are none, datasets with and without names, or their lengths differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.utils.data.StackDataset(letter="abc", number=range(3))[1]
    {'letter': 'b', 'number': 1}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "StackDataset: expected datasets, either all with names or all without"
            )
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: expected datasets of one length, got {lengths}")
        self.datasets: Any = args or kwargs
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def get_batch(self, indices: Sequence[int]) -> Any:
        """Return the batch of the samples at `indices`, as each dataset gathers its own."""
        if isinstance(self.datasets, dict):
            return {name: get_batch(dataset, indices) for name, dataset in self.datasets.items()}
        return [get_batch(dataset, indices) for dataset in self.datasets]

    def __len__(self) -> int:
        return self._length


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
