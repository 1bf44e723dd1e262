"""The product of two matrices, beside compiled kernels.

It is BLAS's as well. But once OpenBLAS's threads have worked, they wait actively for the next product
for a tenth of a second, and each takes a core from the kernels meanwhile: a training step of
LeNet-5 with 256 images takes 9 ms then, and 6 otherwise. So while kernels share their work among
threads, products are left to one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.kernels.threads import get_num_threads, linked_blas

from .workers import shared_lately

SINGLE = range(1 << 18, 1 << 25)
"""The numbers of multiplications that are left to one thread.

With fewer OpenBLAS takes one anyway; more take so long that two pay.
"""

_blas = linked_blas()


def product(x: np.ndarray, y: np.ndarray) -> Any:
    return product_beside(x, y) if shared_lately() else np.dot(x, y)


def product_beside(x: np.ndarray, y: np.ndarray) -> Any:
    """Return the product, beside a kernel that shares its work."""
    if _blas is None or x.size * y.shape[-1] not in SINGLE or get_num_threads() == 1:
        return np.dot(x, y)
    _blas.set(1)
    try:
        return np.dot(x, y)
    finally:
        _blas.set(get_num_threads())
