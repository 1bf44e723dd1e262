"""The small kernels against the plain NumPy that they stand for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tinygrad_cnn.kernels.mask import keep
from tinygrad_cnn.kernels.memory import keep_freed_memory
from tinygrad_cnn.kernels.reduce import sum_over


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum_over(order, keepdims):
    x = np.random.default_rng(0).standard_normal((4, 3, 5)).transpose(order)
    for count in range(4):
        for axes in itertools.combinations(range(3), count):
            expected = np.sum(x, axis=axes, keepdims=keepdims)
            np.testing.assert_allclose(sum_over(x, axes, keepdims), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_keep_is_exact_for_every_value(dtype):
    x = np.array([1.5, -2.0, np.inf, -np.inf, np.nan, 0.0], dtype)
    mask = np.array([True, False])
    got = keep(mask[:, None], x)
    np.testing.assert_array_equal(got, np.where(mask[:, None], x, dtype(0)))
    assert not np.signbit(got[1]).any()
    out = np.ones((2, 12), dtype)
    keep(mask[:, None], x, out=out[:, ::2])
    np.testing.assert_array_equal(out[:, ::2], got)
    assert (out[:, 1::2] == 1).all()


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"])
def test_memory_is_left_as_the_environment_sets_it(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert keep_freed_memory() is False


def test_memory_is_left_alone_on_other_systems(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    assert keep_freed_memory() is False
