"""The DataLoader, and how samples become a batch."""

from collections import namedtuple

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import Generator, manual_seed
from tinygrad_cnn.utils.data import (
    DataLoader,
    IterableDataset,
    TensorDataset,
    default_collate,
    default_convert,
    get_worker_info,
)

Pair = namedtuple("Pair", "image label")


class Stream(IterableDataset):
    def __iter__(self):
        assert get_worker_info() is None
        return iter(range(7))


@pytest.fixture
def dataset():
    return TensorDataset(Tensor(np.arange(10.0)), Tensor(np.arange(10)))


class TestDataLoader:
    def test_batches_in_order(self, dataset):
        loader = DataLoader(dataset, batch_size=4)
        batches = list(loader)
        assert len(loader) == len(batches) == 3
        assert [labels.tolist() for _, labels in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert batches[0][0].dtype == np.float64

    def test_default_is_one_sample_a_batch(self, dataset):
        assert [labels.tolist() for _, labels in DataLoader(dataset)] == [[i] for i in range(10)]

    def test_drop_last(self, dataset):
        loader = DataLoader(dataset, 4, drop_last=True)
        assert len(loader) == len(list(loader)) == 2

    def test_shuffle_is_governed_by_the_seed(self, dataset):
        loader = DataLoader(dataset, 10, shuffle=True)
        orders = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            [(_, labels)] = loader
            orders.append(labels.tolist())
        assert orders[0] == orders[1] != orders[2]
        assert sorted(orders[0]) == list(range(10))

    def test_a_new_order_each_epoch(self, dataset):
        loader = DataLoader(dataset, 10, shuffle=True, generator=Generator(0))
        [(_, first)], [(_, second)] = loader, loader
        assert first.tolist() != second.tolist()

    def test_sampler(self, dataset):
        loader = DataLoader(dataset, 2, sampler=[3, 1, 2])
        assert [labels.tolist() for _, labels in loader] == [[3, 1], [2]]
        assert len(loader) == 2

    def test_batch_sampler(self, dataset):
        loader = DataLoader(dataset, batch_sampler=[[3], [1, 2]])
        assert [labels.tolist() for _, labels in loader] == [[3], [1, 2]]
        assert len(loader) == 2

    def test_no_batches(self):
        samples = [(np.ones(2), "a"), (np.zeros(2), "b")]
        loader = DataLoader(samples, batch_size=None)
        image, name = list(loader)[1]
        assert isinstance(image, Tensor)
        assert name == "b"
        assert len(loader) == 2

    def test_collate_fn_gets_the_samples(self, dataset):
        [batch] = DataLoader(dataset, 10, collate_fn=lambda samples: samples)
        assert isinstance(batch, list)
        assert batch[3][0].item() == 3.0

    def test_a_list_is_a_dataset(self):
        [(x, y)] = DataLoader([(1.5, 2), (2.5, 3)], 2)
        assert x.tolist() == [1.5, 2.5]
        assert y.tolist() == [2, 3]

    def test_workers_are_accepted(self, dataset):
        loader = DataLoader(
            dataset,
            10,
            num_workers=2,
            pin_memory=True,
            persistent_workers=True,
            prefetch_factor=2,
            pin_memory_device="cpu",
            in_order=False,
        )
        assert len(list(loader)) == 1

    def test_an_empty_dataset(self):
        assert list(DataLoader([], 4)) == []

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"num_workers": -1}, "num_workers must not be negative, got -1"),
            ({"sampler": [1], "shuffle": True}, "sampler and shuffle exclude"),
            ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler excludes"),
            ({"batch_sampler": [[1]], "shuffle": True}, "batch_sampler excludes"),
            ({"batch_sampler": [[1]], "sampler": [1]}, "batch_sampler excludes"),
            ({"batch_sampler": [[1]], "drop_last": True}, "batch_sampler excludes"),
            ({"batch_size": None, "drop_last": True}, "makes no batches"),
            ({"batch_size": 0}, "batch_size must be a positive int"),
        ],
    )
    def test_arguments_that_exclude_each_other(self, dataset, options, message):
        with pytest.raises(ValueError, match=message):
            DataLoader(dataset, **options)


class TestIterableDataset:
    def test_batches(self):
        batches = list(DataLoader(Stream(), 3))
        assert all(isinstance(batch, Tensor) for batch in batches)
        assert [batch.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
        assert len(list(DataLoader(Stream(), 3, drop_last=True, shuffle=False))) == 2
        assert list(DataLoader(Stream(), 4, collate_fn=sum)) == [0 + 1 + 2 + 3, 4 + 5 + 6]

    def test_no_batches(self):
        assert list(DataLoader(Stream(), None)) == list(range(7))

    def test_its_length_counts_if_it_has_one(self):
        class Sized(Stream):
            def __len__(self):
                return 7

        assert len(DataLoader(Sized(), 3)) == 3
        assert len(DataLoader(Sized(), 3, drop_last=True)) == 2
        assert len(DataLoader(Sized(), None)) == 7
        with pytest.raises(TypeError):
            len(DataLoader(Stream(), 3))

    @pytest.mark.parametrize(
        "options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}]
    )
    def test_it_has_its_own_order(self, options):
        with pytest.raises(ValueError, match="an IterableDataset excludes shuffle"):
            DataLoader(Stream(), **options)


class TestCollate:
    @pytest.mark.parametrize(
        ("samples", "dtype"),
        [
            ([1.0, 2.0], np.float64),
            ([1, 2], np.int64),
            ([True, False], np.bool_),
            ([np.float32(1), np.float32(2)], np.float32),
            ([np.ones(3, np.uint8), np.zeros(3, np.uint8)], np.uint8),
            ([Tensor(np.ones(3, np.float32)), Tensor(np.zeros(3, np.float32))], np.float32),
        ],
    )
    def test_dtypes(self, samples, dtype):
        batch = default_collate(samples)
        assert isinstance(batch, Tensor)
        assert batch.dtype == dtype
        assert batch.shape[0] == 2
        assert (batch.numpy() == np.stack([np.asarray(sample) for sample in samples])).all()

    def test_strings_stay(self):
        assert default_collate(["a", "b"]) == ["a", "b"]

    def test_nested(self):
        batch = default_collate([{"x": [1, (2, "a")]}, {"x": [3, (4, "b")]}])
        [first, [second, names]] = batch["x"]
        assert first.tolist() == [1, 3]
        assert second.tolist() == [2, 4]
        assert list(names) == ["a", "b"]

    def test_named_tuples(self):
        batch = default_collate([Pair(1.0, 2), Pair(3.0, 4)])
        assert isinstance(batch, Pair)
        assert batch.label.tolist() == [2, 4]

    def test_gradients_go_through(self):
        samples = [Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)]
        default_collate(samples).backward(Tensor(np.array([3.0, 4.0], np.float32)))
        assert [sample.grad.item() for sample in samples] == [3.0, 4.0]

    def test_errors(self):
        with pytest.raises(RuntimeError, match=r"same number of entries, got \[1, 2\]"):
            default_collate([(1, 2), (1,)])
        with pytest.raises(TypeError, match="got NoneType; pass a collate_fn"):
            default_collate([None, None])
        with pytest.raises(RuntimeError, match="stack"):
            default_collate([Tensor(np.ones(2)), Tensor(np.ones(3))])


def test_convert():
    converted = default_convert({"a": [np.ones(2)], "b": Pair(np.float32(1), "x"), "c": None})
    assert converted["a"][0].tolist() == [1.0, 1.0]
    assert converted["b"].image.dtype == np.float32
    assert converted["b"].label == "x"
    assert converted["c"] is None
    names = np.array(["a"])
    assert default_convert(names) is names
