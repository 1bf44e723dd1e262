"""The DataLoader: goes through a dataset in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tinygrad_cnn.random import Generator

from .collate import default_collate, default_convert
from .dataset import IterableDataset, get_batch, get_samples
from .sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Goes through a dataset in batches.

    A `Dataset` with a `get_batch` of its own, such as `TensorDataset` and
    `tinygrad_cnn.datasets.MNIST`, gathers a batch at once unless a `collate_fn` is given.

    Parameters
    ----------
    dataset : Dataset
        Anything with ``__getitem__`` and ``__len__``, or an `IterableDataset`, whose samples
        come in its own order: it takes no `shuffle`, `sampler` or `batch_sampler`.
    batch_size : int or None
        None gives single samples, or whatever the dataset returns for an entry of `sampler`.
    shuffle : bool
        Go through the dataset in a new random order each time.
    sampler : iterable of int, optional
        In which order to go instead.
    batch_sampler : iterable of lists of int, optional
        Which batches to make instead.
    num_workers : int
        Accepted as in PyTorch. Batches are always loaded in the process, so `num_workers`,
        `pin_memory`, `timeout`, `worker_init_fn`, `multiprocessing_context`, `prefetch_factor`,
        `persistent_workers`, `pin_memory_device` and `in_order` change nothing.
    collate_fn : callable, optional
        Makes a batch of a list of samples; `default_collate` where not given.
    drop_last : bool
        Leave out the last batch if it is smaller.
    generator : Generator, optional
        For shuffling; the default one, which `manual_seed` seeds, where not given.

    Raises
    ------
    ValueError
        If arguments exclude each other, or a number is out of its range.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> dataset = tg.utils.data.TensorDataset(tg.arange(5))
    >>> [batch.tolist() for (batch,) in tg.utils.data.DataLoader(dataset, batch_size=2)]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        if num_workers < 0:
            raise ValueError(f"DataLoader: num_workers must not be negative, got {num_workers}")
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            if shuffle or sampler is not None or batch_sampler is not None:
                raise ValueError(
                    "DataLoader: an IterableDataset excludes shuffle, sampler and batch_sampler"
                )
            sampler = dataset  # gives samples instead of indices
        if sampler is not None and shuffle:
            raise ValueError("DataLoader: sampler and shuffle exclude each other")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError("DataLoader: batch_size=None makes no batches, so drop_last has none")
        if sampler is None:
            sampler = (
                RandomSampler(dataset, generator=generator)
                if shuffle
                else SequentialSampler(dataset)
            )
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator

    def __iter__(self) -> Iterator[Any]:
        if self._iterable:
            samples: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
            yield from map(self.collate_fn, samples)
        elif self.batch_sampler is None:
            for index in self.sampler:
                yield self.collate_fn(self.dataset[index])
        elif self.collate_fn is default_collate:
            for indices in self.batch_sampler:
                yield get_batch(self.dataset, indices)
        else:
            for indices in self.batch_sampler:
                yield self.collate_fn(get_samples(self.dataset, indices))

    def __len__(self) -> int:
        batches: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
        return len(batches)


def get_worker_info() -> None:
    """Return None, as in PyTorch's main process: batches are always loaded in the process."""
