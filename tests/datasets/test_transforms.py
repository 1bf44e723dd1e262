"""Transforms of single images and of batches."""

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.datasets.transforms import (
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    RandomShift,
    ToTensor,
)
from tinygrad_cnn.random import manual_seed


def shifted(image, down, right):
    """Move (C, H, W) by loops over pixels."""
    result = np.zeros_like(image)
    _, height, width = image.shape
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                result[:, y, x] = image[:, y - down, x - right]
    return result


class TestRandomShift:
    def test_each_image_is_one_of_the_shifts_and_all_come(self):
        most = 2
        image = np.arange(1, 2 * 5 * 6 + 1, dtype=np.float32).reshape(2, 5, 6)
        moves = [(y, x) for y in range(-most, most + 1) for x in range(-most, most + 1)]
        wanted = {shifted(image, *move).tobytes(): move for move in moves}
        assert len(wanted) == 25
        result = RandomShift(most)(Tensor(np.stack([image] * 1000))).numpy()
        got = [wanted[one.tobytes()] for one in result]
        counts = [got.count(move) for move in moves]
        assert min(counts) > 15  # 40 expected of each
        assert max(counts) < 80

    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    def test_shape_and_dtype_stay(self, dtype):
        batch = Tensor(np.ones((4, 3, 6, 5), dtype))
        result = RandomShift(1)(batch)
        assert result.shape == batch.shape
        assert result.dtype == dtype
        assert (batch.numpy() == 1).all()

    def test_one_image(self):
        image = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3)
        wanted = [shifted(image, y, x).tolist() for y in (-1, 0, 1) for x in (-1, 0, 1)]
        assert RandomShift(1)(Tensor(image)).tolist() in wanted

    def test_a_shift_of_zero_changes_nothing(self):
        batch = np.random.default_rng(0).random((3, 1, 4, 4))
        assert (RandomShift(0)(Tensor(batch)).numpy() == batch).all()

    def test_the_seed_governs_it(self):
        batch = Tensor(np.random.default_rng(0).random((32, 1, 8, 8)))
        results = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            results.append(RandomShift(2)(batch).tolist())
        assert results[0] == results[1]
        assert results[0] != results[2]

    def test_an_empty_batch(self):
        assert RandomShift(2)(Tensor(np.zeros((0, 1, 4, 4)))).shape == (0, 1, 4, 4)

    def test_errors(self):
        with pytest.raises(ValueError, match="must not be negative, got -1"):
            RandomShift(-1)
        with pytest.raises(ValueError, match=r"got shape \(4, 4\)"):
            RandomShift(1)(Tensor(np.zeros((4, 4))))


class TestRandomCrop:
    def test_each_part_comes_and_no_other(self):
        image = np.arange(1, 2 * 4 * 5 + 1, dtype=np.float32).reshape(2, 4, 5)
        padded = np.zeros((2, 6, 7), np.float32)
        padded[:, 1:5, 1:6] = image
        wanted = {padded[:, y : y + 3, x : x + 4].tobytes() for y in range(4) for x in range(4)}
        parts = RandomCrop((3, 4), padding=1)(Tensor(np.stack([image] * 500))).numpy()
        assert {part.tobytes() for part in parts} == wanted

    def test_one_image(self):
        image = Tensor(np.arange(16, dtype=np.uint8).reshape(1, 4, 4))
        part = RandomCrop(2)(image)
        assert (part.shape, part.dtype) == ((1, 2, 2), np.uint8)
        assert RandomCrop(4)(image).tolist() == image.tolist()

    def test_errors(self):
        with pytest.raises(ValueError, match="must not be negative, got -1"):
            RandomCrop(4, padding=-1)
        with pytest.raises(ValueError, match=r"size \(7, 7\) is larger .* \(6, 8\)"):
            RandomCrop(7, padding=1)(Tensor(np.zeros((1, 4, 6))))
        with pytest.raises(ValueError, match=r"RandomCrop: .* got shape \(4, 4\)"):
            RandomCrop(2)(Tensor(np.zeros((4, 4))))


class TestRandomHorizontalFlip:
    def test_some_are_mirrored(self):
        image = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
        batch = Tensor(np.stack([image] * 400))
        got = [one.tolist() for one in RandomHorizontalFlip(0.25)(batch).numpy()]
        mirrored = got.count(image[..., ::-1].tolist())
        assert got.count(image.tolist()) == 400 - mirrored
        assert 60 < mirrored < 140
        assert RandomHorizontalFlip(0)(batch).tolist() == batch.tolist()
        assert RandomHorizontalFlip(1)(Tensor(image)).tolist() == image[..., ::-1].tolist()

    def test_bad_probability(self):
        with pytest.raises(ValueError, match=r"from 0 to 1, got 1.5"):
            RandomHorizontalFlip(1.5)


class TestNormalize:
    def test_channel_by_channel(self):
        image = np.random.default_rng(0).random((2, 4, 5)).astype(np.float32)
        result = Normalize([0.5, 0.25], [0.5, 2.0])(Tensor(image)).numpy()
        assert result.dtype == np.float32
        assert (result[0] == (image[0] - 0.5) / 0.5).all()
        assert (result[1] == (image[1] - 0.25) / 2).all()

    def test_a_batch_is_its_images(self):
        batch = np.random.default_rng(0).random((3, 1, 4, 5))
        normalize = Normalize((0.1307,), (0.3081,))
        result = normalize(Tensor(batch)).numpy()
        for one, image in zip(result, batch, strict=True):
            assert (one == normalize(Tensor(image)).numpy()).all()

    def test_errors(self):
        with pytest.raises(ValueError, match="std must not be 0"):
            Normalize([0.0], [0.0])
        with pytest.raises(TypeError, match="expected a floating image, got uint8"):
            Normalize([0.0], [1.0])(Tensor(np.zeros((1, 2, 2), np.uint8)))
        with pytest.raises(ValueError, match=r"image \(3, 2, 2\), mean of 2 and std of 2"):
            Normalize([0.0, 0.0], [1.0, 1.0])(Tensor(np.zeros((3, 2, 2))))
        with pytest.raises(ValueError, match=r"image \(2, 2\)"):
            Normalize([0.0], [1.0])(Tensor(np.zeros((2, 2))))


class TestToTensor:
    @pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
    def test_bytes_become_0_to_1_with_channels_first(self, shape):
        image = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
        result = ToTensor()(image)
        assert result.shape == ((1, 4, 5) if len(shape) == 2 else (3, 4, 5))
        assert result.dtype == np.float32
        assert result.is_contiguous()
        wanted = image.reshape(4, 5, -1) / np.float32(255)
        assert all((result.numpy()[c] == wanted[..., c]).all() for c in range(len(result)))

    def test_floats_are_only_rearranged(self):
        image = np.random.default_rng(0).random((2, 3))
        assert (ToTensor()(image).numpy() == image[None]).all()

    def test_tensors_pass(self):
        image = Tensor(np.zeros((1, 2, 2)))
        assert ToTensor()(image) is image

    @pytest.mark.parametrize(
        ("image", "said"), [([[1.0]], "got list"), (np.zeros(3), r"got \(3,\)")]
    )
    def test_errors(self, image, said):
        with pytest.raises(TypeError, match=said):
            ToTensor()(image)


class TestCompose:
    def test_in_order(self):
        assert Compose([lambda x: x + 1, lambda x: x * 10])(1) == 20

    def test_takes_batches_if_all_do(self):
        assert Compose([ToTensor(), RandomShift(1), Normalize([0.0], [1.0])]).batched
        assert not Compose([RandomShift(1), lambda x: x]).batched
