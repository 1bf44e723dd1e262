"""Sums and products per channel: every memory order of every argument gives the same."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinygrad_cnn.kernels import norm

SHAPES = [(5, 3), (4, 2, 3), (2, 3, 4, 5), (1, 2, 3, 1), (2, 1, 2, 2), (0, 2, 3, 3), (2, 3, 2, 2, 2)]


def orders(x):
    """Return `x` with its memory in three orders."""
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    return x, last, np.asfortranarray(x)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_memory_orders(shape, dtype):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, *shape)).astype(dtype)
    wide = np.promote_types(dtype, np.float32)
    a, mean, b, c = rng.standard_normal((4, shape[1])).astype(wide)
    each = lambda values: values.reshape(-1, *[1] * (len(shape) - 2))
    axes = tuple(i for i in range(len(shape)) if i != 1)
    centred = y - each(mean)
    dots, sums = (np.sum(part, axis=axes, dtype=wide) for part in (x * centred, x))
    mix = x * each(a) + centred * each(b) + each(c)
    near = {"rtol": 1e-10, "atol": 1e-12} if dtype == np.float64 else {"rtol": 1e-4, "atol": 1e-4}
    for one, other in itertools.product(orders(x), orders(y)):
        for got, expected in [
            (norm.channel_sum(one), sums),
            (norm.channel_dot(one, other, mean), dots),
            (norm.channel_mix(one, a, other, mean, b, c), mix),
            (norm.normalise(other, mean, b, c), centred * each(b) + each(c)),
        ]:
            np.testing.assert_allclose(got, expected, **near)
            assert (got.shape, got.dtype) == (expected.shape, wide)


def test_channels_last_stays_channels_last():
    _, x, _ = orders(np.ones((2, 3, 4, 5), np.float32))
    ones = np.ones(3, np.float32)
    assert norm.normalise(x, ones, ones, None).strides == x.strides
    assert norm.channel_mix(x.copy("C"), ones, x, ones, ones, ones).strides == x.strides
