"""No way to convolve makes a buffer for the whole batch."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from tinygrad_cnn.kernels import columns, windows
from tinygrad_cnn.kernels.geometry import TILE, Geometry


@pytest.mark.parametrize("way", [columns, windows])
def test_temporaries_are_as_large_as_tiles(way):
    x = np.ones((128, 16, 32, 32), np.float32)
    x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    weight = np.ones((16, 16, 3, 3), np.float32)
    geometry = Geometry((1, 1), ((1, 1), (1, 1)), (1, 1))
    assert 4 * 9 * x.size > 15 * TILE  # all columns, in bytes
    for product, result in [
        (lambda: way.conv(x, weight, geometry), x.nbytes),
        (lambda: way.conv_transpose(x, weight, x.shape, geometry), x.nbytes),
        (lambda: way.conv_weight(x, x, weight.shape, geometry), x.nbytes),  # a copy of x, or of g
    ]:
        tracemalloc.start()
        product()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1.3 * result + 3 * TILE
