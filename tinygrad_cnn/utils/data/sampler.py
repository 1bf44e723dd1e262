"""Samplers: in which order, and in which batches, the samples of a dataset come."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Generic, TypeVar

import numpy as np

from tinygrad_cnn import random
from tinygrad_cnn.core.tensor import Tensor, as_array
from tinygrad_cnn.ops.creation import multinomial

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """What gives indices of a dataset, or lists of them; subclasses define ``__iter__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__}.__iter__ is not defined")


class SequentialSampler(Sampler[int]):
    """Gives the indices in order.

    Parameters
    ----------
    data_source : sized
        The dataset.
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Gives the indices in a random order, a new one each time.

    Parameters
    ----------
    data_source : sized
        The dataset.
    replacement : bool
        Draw each index anew, so that some come more than once.
    num_samples : int, optional
        How many to give; as many as the dataset has where not given. If more are asked for
        without replacement, every sample comes once before one comes again.
    generator : Generator, optional
        The default one, which `manual_seed` seeds, where not given.

    Raises
    ------
    ValueError
        If `num_samples` is not positive.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> sorted(tg.utils.data.RandomSampler("abcd"))
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: random.Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self.num_samples = len(data_source) if num_samples is None else num_samples
        self.generator = generator
        if self.num_samples <= 0:
            raise ValueError(
                f"RandomSampler: num_samples must be positive, got {self.num_samples}"
                + (" (the dataset is empty)" if num_samples is None else "")
            )

    def __iter__(self) -> Iterator[int]:
        draw = (self.generator or random.default_generator).numpy
        n = len(self.data_source)
        if self.replacement:
            yield from draw.integers(n, size=self.num_samples).tolist()
            return
        for start in range(0, self.num_samples, n):
            yield from draw.permutation(n)[: self.num_samples - start].tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Gives the indices that it is given, in a new random order each time.

    Parameters
    ----------
    indices : sequence of int
    generator : Generator, optional
        The default one, which `manual_seed` seeds, where not given.
    """

    def __init__(self, indices: Sequence[int], generator: random.Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        draw = (self.generator or random.default_generator).numpy
        return (self.indices[i] for i in draw.permutation(len(self.indices)).tolist())

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Gives indices with probabilities in proportion to their weights.

    Parameters
    ----------
    weights : sequence of float
        One for each index; they need not sum up to 1.
    num_samples : int
        How many to give.
    replacement : bool
        Whether an index may come more than once.
    generator : Generator, optional
        The default one, which `manual_seed` seeds, where not given.

    Raises
    ------
    ValueError
        If `num_samples` is not a positive integer, `replacement` no bool, or `weights` not 1-d.
    RuntimeError
        When it draws: if the weights are no weights, or too few are not 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> list(tg.utils.data.WeightedRandomSampler([0.0, 0.0, 1.0], 4))
    [2, 2, 2, 2]
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: random.Generator | None = None,
    ) -> None:
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            raise ValueError(
                f"WeightedRandomSampler: num_samples must be a positive int, got {num_samples!r}"
            )
        if not isinstance(replacement, bool):
            raise ValueError(
                f"WeightedRandomSampler: replacement must be a bool, got {replacement!r}"
            )
        self.weights = Tensor(as_array(weights, np.float64))
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator
        if self.weights.ndim != 1:
            raise ValueError(
                f"WeightedRandomSampler: weights must be 1-d, got shape {self.weights.shape}"
            )

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Gives lists of `batch_size` indices each.

    Parameters
    ----------
    sampler : iterable of int
        Where the indices come from.
    batch_size : int
    drop_last : bool
        Leave out the last list if it is shorter.

    Raises
    ------
    ValueError
        If `batch_size` is not a positive integer.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> list(tg.utils.data.BatchSampler(range(5), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"BatchSampler: batch_size must be a positive int, got {batch_size}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        sampler: Any = self.sampler
        whole, rest = divmod(len(sampler), self.batch_size)
        return whole + (rest > 0 and not self.drop_last)
