"""Diagonals and triangles against loops."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.creation import arange, zeros


@pytest.mark.oracle("diagonal", "diagonal_backward")
@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 5])
def test_diagonals_against_loops(offset):
    rows, columns = 3, 4
    x = np.arange(12.0).reshape(rows, columns)
    expected = [x[i, i + offset] for i in range(rows) if 0 <= i + offset < columns]
    leaf = Tensor(x, requires_grad=True)
    out = tg.diagonal(leaf, offset)
    assert out.tolist() == expected
    (found,) = grad(out.sum(), leaf)
    for i, j in np.ndindex(rows, columns):
        assert found.data[i, j] == (j - i == offset)


def test_diagonal_is_a_view_and_diag_a_copy():
    x = tg.reshape(arange(9), (3, 3))
    tg.diagonal(x)[0] = 7
    assert x.data[0, 0] == 7
    tg.diag(x)[0] = 0
    assert x.data[0, 0] == 7


@pytest.mark.parametrize("dims", [(-2, -1), (0, 1), (2, 0), (-1, 0)])
def test_diag_embed(dims):
    x = np.arange(1.0, 7).reshape(2, 3)
    for offset in (-1, 0, 2):
        out = tg.diag_embed(Tensor(x), offset, *dims)
        assert out.ndim == 3
        np.testing.assert_array_equal(out.diagonal(offset, *dims).data, x)
        assert out.data.sum() == x.sum()


def test_triangles_need_matrices():
    with pytest.raises(RuntimeError, match="tril: expected at least 2 dimensions"):
        tg.tril(zeros(3))
