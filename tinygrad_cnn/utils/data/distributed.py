"""The sampler for several processes that train together."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import numpy as np

from tinygrad_cnn import distributed
from tinygrad_cnn.random import Generator

from .sampler import Sampler


class DistributedSampler(Sampler[int]):
    """Gives each of several processes its own part of the indices, all parts of one length.

    Process `rank` gets the indices at `rank`, ``rank + num_replicas`` and so on of an order that
    is the same for all. So the batches that the processes have at the same time are together one
    batch of that order.

    Parameters
    ----------
    dataset : sized
    num_replicas : int, optional
        The number of processes; that of `tinygrad_cnn.distributed` where not given.
    rank : int, optional
        The number of this process; that of `tinygrad_cnn.distributed` where not given.
    shuffle : bool
        Whether the order is random, a new one for each epoch that `set_epoch` is told.
    seed : int
        Of the order; must be the same in all processes.
    drop_last : bool
        Whether the parts are made equally long by leaving out indices at the end, or by repeating
        some from the beginning.

    Raises
    ------
    ValueError
        If `rank` is none of the processes', or they are not given and there is no process group.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> [list(tg.utils.data.DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        self.dataset = dataset
        self.num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
        self.rank = distributed.get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must be from 0 to {self.num_replicas - 1}, got {rank}"
            )
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        self.epoch = 0
        rounded = len(dataset) if drop_last else len(dataset) + self.num_replicas - 1
        self.num_samples = rounded // self.num_replicas
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = np.arange(n)
        if self.shuffle:
            order = Generator(self.seed + self.epoch).numpy.permutation(n)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Tell the number of the epoch that begins, which must be the same in all processes."""
        self.epoch = epoch
