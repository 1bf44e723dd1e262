"""Datasets and how they are split."""

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import Generator, manual_seed
from tinygrad_cnn.utils.data import (
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Squares(Dataset):
    def __getitem__(self, index):
        return index * index

    def __len__(self):
        return 10


class TestDataset:
    def test_the_plain_batch_is_collated(self):
        assert Squares().get_batch([1, 3]).tolist() == [1, 9]

    def test_getitem_must_be_defined(self):
        with pytest.raises(NotImplementedError, match=r"Dataset.__getitem__"):
            Dataset()[0]

    def test_pytorchs_getitems_is_used(self):
        class Listed(Squares):
            def __getitems__(self, indices):
                return [-i for i in indices]

        assert Listed().get_batch([1, 2]).tolist() == [-1, -2]
        [batch] = DataLoader(Listed(), 10, collate_fn=list)
        assert batch == [-i for i in range(10)]

    def test_a_new_getitem_is_not_bypassed_by_an_inherited_get_batch(self):
        class Doubled(TensorDataset):
            def __getitem__(self, index):
                return super().__getitem__(index)[0] * 2

        class Own(Doubled):
            def get_batch(self, indices):
                return "own"

        tensor = Tensor(np.arange(4))
        assert Doubled(tensor).get_batch([1, 2]).tolist() == [2, 4]
        assert Own(tensor).get_batch([1, 2]) == "own"


class TestTensorDataset:
    def test_samples_and_batches(self):
        x, y = Tensor(np.arange(6.0).reshape(3, 2)), Tensor(np.array([5, 6, 7]))
        dataset = TensorDataset(x, y)
        assert len(dataset) == 3
        assert [entry.tolist() for entry in dataset[1]] == [[2.0, 3.0], 6]
        images, labels = dataset.get_batch([2, 0])
        assert images.tolist() == [[4.0, 5.0], [0.0, 1.0]]
        assert labels.tolist() == [7, 5]

    def test_errors(self):
        with pytest.raises(ValueError, match=r"one length, got shapes \[\(2,\), \(3,\)\]"):
            TensorDataset(Tensor(np.zeros(2)), Tensor(np.zeros(3)))
        with pytest.raises(ValueError, match=r"got shapes \[\]"):
            TensorDataset()


class TestSubset:
    def test_samples_and_batches(self):
        subset = Subset(TensorDataset(Tensor(np.arange(10) * 10)), [7, 2, 4])
        assert len(subset) == 3
        assert subset[1][0].item() == 20
        assert subset[-1][0].item() == 40
        assert subset[[0, 2]][0].tolist() == [70, 40]
        assert subset.get_batch([2, 0])[0].tolist() == [40, 70]

    def test_of_anything_with_getitem(self):
        assert Subset("abcdef", [5, 0]).get_batch([0, 1]) == ["f", "a"]

    def test_of_a_subset(self):
        subset = Subset(Subset(Squares(), [5, 6, 7]), [2, 0])
        assert subset.get_batch([0, 1]).tolist() == [49, 25]


class Stream(IterableDataset):
    def __init__(self, *samples):
        self.samples = samples

    def __iter__(self):
        return iter(self.samples)

    def __len__(self):
        return len(self.samples)


class TestConcat:
    def test_samples(self):
        both = ConcatDataset(iter([Squares(), "", "ab"]))
        wanted = [*(i * i for i in range(10)), "a", "b"]
        assert list(both) == wanted  # ends by IndexError
        assert [both[i - 12] for i in range(12)] == wanted
        assert len(both) == 12
        assert both.cumulative_sizes == [10, 10, 12]

    def test_a_sum(self):
        both = Squares() + Squares()
        assert isinstance(both, ConcatDataset)
        assert both.get_batch([3, 13]).tolist() == [9, 9]

    def test_errors(self):
        with pytest.raises(ValueError, match="got none"):
            ConcatDataset([])
        with pytest.raises(TypeError, match="use ChainDataset"):
            ConcatDataset([Squares(), Stream()])
        with pytest.raises(IndexError, match="index 3 for 3 samples"):
            ConcatDataset(["abc"])[3]
        with pytest.raises(ValueError, match="index -4 for 3 samples"):
            ConcatDataset(["abc"])[-4]


class TestIterable:
    def test_iter_must_be_defined(self):
        with pytest.raises(NotImplementedError, match=r"IterableDataset.__iter__"):
            iter(IterableDataset())

    def test_a_chain(self):
        chain = Stream(1, 2) + Stream(3)
        assert isinstance(chain, ChainDataset)
        assert list(chain) == list(chain) == [1, 2, 3]
        assert len(chain) == 3

    def test_a_chain_of_something_else(self):
        chain = ChainDataset([Stream(1), "ab"])
        samples = iter(chain)
        assert next(samples) == 1
        with pytest.raises(TypeError, match="expected an IterableDataset, got str"):
            next(samples)
        with pytest.raises(TypeError, match="got str"):
            len(chain)


class TestStack:
    def test_tuples(self):
        stack = StackDataset(Squares(), range(10))
        assert stack[3] == (9, 3)
        assert len(stack) == 10
        squares, numbers = stack.get_batch([1, 3])
        assert (squares.tolist(), numbers.tolist()) == ([1, 9], [1, 3])

    def test_dictionaries(self):
        stack = StackDataset(x=TensorDataset(Tensor(np.arange(4))), y="abcd")
        assert stack[1]["y"] == "b"
        [batch] = DataLoader(stack, 4)
        assert batch["x"][0].tolist() == [0, 1, 2, 3]
        assert batch["y"] == ["a", "b", "c", "d"]

    def test_errors(self):
        with pytest.raises(ValueError, match=r"one length, got \[10, 2\]"):
            StackDataset(Squares(), "ab")
        for args, kwargs in (((), {}), (("ab",), {"x": "ab"})):
            with pytest.raises(ValueError, match="all with names or all without"):
                StackDataset(*args, **kwargs)


class TestRandomSplit:
    def test_parts_do_not_overlap_and_cover_all(self):
        parts = random_split(Squares(), [5, 3, 2])
        assert [len(part) for part in parts] == [5, 3, 2]
        assert sorted(x for part in parts for x in part) == [i * i for i in range(10)]

    @pytest.mark.parametrize(
        ("n", "fractions", "lengths"),
        [
            (10, [0.5, 0.5], [5, 5]),
            (10, [0.75, 0.25], [8, 2]),
            (10, [0.33, 0.33, 0.34], [4, 3, 3]),
            (11, [0.1] * 10, [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
            (1, [1], [1]),
            (10, [1, 0], [10, 0]),
        ],
    )
    def test_fractions(self, n, fractions, lengths):
        assert [len(part) for part in random_split(range(n), fractions)] == lengths

    def test_the_seed_governs_it(self):
        splits = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            splits.append(random_split(range(20), [10, 10])[0].indices)
        assert splits[0] == splits[1] != splits[2]

    def test_a_generator_of_its_own(self):
        one, two = (random_split(range(20), [20], Generator(3))[0].indices for _ in range(2))
        assert one == two

    @pytest.mark.parametrize("lengths", [[5, 4], [11], [0.5, 0.4], [5.5, 4.5], []])
    def test_lengths_that_do_not_fit(self, lengths):
        with pytest.raises(ValueError, match="sum up to"):
            random_split(range(10), lengths)

    def test_negative_lengths(self):
        with pytest.raises(ValueError, match="must not be negative"):
            random_split(range(10), [11, -1])
