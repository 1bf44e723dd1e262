"""Linear algebra under PyTorch's names, as in ``torch.linalg``."""

from __future__ import annotations

from .ops.decompositions import (
    LinAlgError as LinAlgError,
    cholesky as cholesky,
    det as det,
    eigh as eigh,
    eigvalsh as eigvalsh,
    inv as inv,
    matrix_norm as matrix_norm,
    matrix_power as matrix_power,
    matrix_rank as matrix_rank,
    norm as norm,
    pinv as pinv,
    qr as qr,
    slogdet as slogdet,
    solve as solve,
    solve_triangular as solve_triangular,
    svd as svd,
    svdvals as svdvals,
)
from .ops.linalg import (
    linalg_cross,
    linalg_diagonal,
    matmul as matmul,
    multi_dot as multi_dot,
    vecdot as vecdot,
)
from .ops.reduce import (
    vector_norm as vector_norm,
)

cross = linalg_cross  # these two have other defaults here than at the top level
diagonal = linalg_diagonal
