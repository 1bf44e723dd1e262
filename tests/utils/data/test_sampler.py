"""Samplers."""

import pytest

from tinygrad_cnn.random import Generator, manual_seed
from tinygrad_cnn.utils.data import BatchSampler, RandomSampler, Sampler, SequentialSampler


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
