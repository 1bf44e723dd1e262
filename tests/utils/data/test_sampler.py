"""Samplers."""

import pytest

from tinygrad_cnn.random import Generator, manual_seed
from tinygrad_cnn.utils import data
from tinygrad_cnn.utils.data import (
    BatchSampler,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)


def test_sequential():
    sampler = SequentialSampler("abc")
    assert list(sampler) == [0, 1, 2]
    assert len(sampler) == 3


class TestRandom:
    def test_a_new_permutation_each_time(self):
        sampler = RandomSampler(range(50))
        first, second = list(sampler), list(sampler)
        assert sorted(first) == sorted(second) == list(range(50))
        assert first != second
        assert type(first[0]) is int
        assert len(sampler) == 50

    def test_the_seed_governs_it(self):
        orders = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            orders.append(list(RandomSampler(range(50))))
        assert orders[0] == orders[1] != orders[2]

    def test_a_generator_of_its_own(self):
        orders = [list(RandomSampler(range(50), generator=Generator(3))) for _ in range(2)]
        assert orders[0] == orders[1]

    def test_more_and_fewer_samples(self):
        assert len(set(RandomSampler(range(50), num_samples=20))) == 20
        indices = list(RandomSampler(range(5), num_samples=12))
        assert sorted(indices[:5]) == sorted(indices[5:10]) == [0, 1, 2, 3, 4]
        assert len(indices) == 12

    def test_replacement(self):
        sampler = RandomSampler(range(5), replacement=True, num_samples=100)
        indices = list(sampler)
        assert len(sampler) == len(indices) == 100
        assert set(indices) == {0, 1, 2, 3, 4}
        assert len(set(RandomSampler(range(50), replacement=True))) < 50

    def test_nothing_to_draw(self):
        with pytest.raises(ValueError, match="got 0"):
            RandomSampler([1], num_samples=0)
        with pytest.raises(ValueError, match=r"got 0 \(the dataset is empty\)"):
            RandomSampler([])


class TestSubsetRandom:
    def test_a_new_permutation_each_time(self):
        sampler = SubsetRandomSampler(range(10, 60))
        first, second = list(sampler), list(sampler)
        assert sorted(first) == sorted(second) == list(range(10, 60))
        assert first != second
        assert len(sampler) == 50

    def test_a_generator_of_its_own(self):
        one, two = (list(SubsetRandomSampler("abcdefgh", Generator(3))) for _ in range(2))
        assert one == two


class TestWeighted:
    def test_frequencies(self):
        sampler = WeightedRandomSampler([1, 0, 3], 4000, generator=Generator(0))
        indices = list(sampler)
        assert len(sampler) == len(indices) == 4000
        assert indices.count(1) == 0
        assert 2900 < indices.count(2) < 3100

    def test_without_replacement(self):
        assert sorted(WeightedRandomSampler([1.0, 0.0, 9.0, 5.0], 3, False)) == [0, 2, 3]
        with pytest.raises(RuntimeError, match="multinomial"):
            list(WeightedRandomSampler([1.0, 0.0], 2, replacement=False))

    @pytest.mark.parametrize("num_samples", [0, -1, 1.0, True])
    def test_bad_num_samples(self, num_samples):
        with pytest.raises(ValueError, match="num_samples must be a positive int"):
            WeightedRandomSampler([1.0], num_samples)

    def test_bad_arguments(self):
        with pytest.raises(ValueError, match="replacement must be a bool, got 1"):
            WeightedRandomSampler([1.0], 1, 1)
        with pytest.raises(ValueError, match=r"must be 1-d, got shape \(1, 1\)"):
            WeightedRandomSampler([[1.0]], 1)


class TestDistributed:
    def test_the_batches_of_all_are_a_batch_of_one(self):
        """The batches at the same step, interleaved, are what one process has."""
        [whole] = parts_of(range(12), 1)
        parts = parts_of(range(12), 3)
        for step in range(2):
            mine = [part[2 * step : 2 * step + 2] for part in parts]
            assert [i for row in zip(*mine, strict=True) for i in row] == whole[6 * step :][:6]

    def test_an_order_for_each_epoch_and_seed(self):
        sampler = DistributedSampler(range(50), 1, 0)
        first = list(sampler)
        assert list(sampler) == first  # until it is told otherwise
        sampler.set_epoch(1)
        assert list(sampler) != first
        assert sorted(sampler) == list(range(50))
        assert list(DistributedSampler(range(50), 1, 0, seed=1)) == list(sampler)

    @pytest.mark.parametrize("rank", [-1, 2])
    def test_bad_rank(self, rank):
        with pytest.raises(ValueError, match=f"rank must be from 0 to 1, got {rank}"):
            DistributedSampler(range(5), 2, rank)

    def test_no_process_group(self):
        with pytest.raises(ValueError, match="no process group"):
            DistributedSampler(range(5))
        with pytest.raises(ValueError, match="no process group"):
            DistributedSampler(range(5), 2)


def parts_of(dataset, count, space=data, **options):
    return [
        list(space.DistributedSampler(dataset, count, rank, **options)) for rank in range(count)
    ]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 6, 7, 12])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("drop_last", [True, False])
def test_distributed_against_pytorch(n, count, drop_last):
    theirs = pytest.importorskip("torch.utils.data")
    ours = parts_of(range(n), count, shuffle=False, drop_last=drop_last)
    if n:  # PyTorch fails where there is nothing to repeat
        assert ours == parts_of(range(n), count, theirs, shuffle=False, drop_last=drop_last)
    shuffled = parts_of(range(n), count, drop_last=drop_last)
    assert list(map(len, shuffled)) == list(map(len, ours))
    assert len(DistributedSampler(range(n), count, 0, drop_last=drop_last)) == len(ours[0])
    # before any comes twice, every index that is not dropped comes once
    flat = [i for part in shuffled for i in part]
    assert len(set(flat)) == min(n, len(flat))


class TestBatch:
    @pytest.mark.parametrize("n", range(9))
    @pytest.mark.parametrize("drop_last", [True, False])
    def test_batches(self, n, drop_last):
        sampler = BatchSampler(range(n), 3, drop_last)
        wanted = [list(range(n))[i : i + 3] for i in range(0, n, 3)]
        if drop_last:
            wanted = [batch for batch in wanted if len(batch) == 3]
        assert list(sampler) == wanted
        assert len(sampler) == len(wanted)

    @pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
    def test_bad_batch_size(self, batch_size):
        with pytest.raises(ValueError, match="batch_size must be a positive int"):
            BatchSampler(range(3), batch_size, False)


def test_iter_must_be_defined():
    with pytest.raises(NotImplementedError, match=r"Sampler.__iter__"):
        iter(Sampler())
