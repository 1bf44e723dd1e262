"""The operations, one file per family: forward, gradient rules and Tensor methods side by side."""

from tinygrad_cnn.core.op import incomplete

from . import (
    activation as activation,
    aliases as aliases,
    along_dim as along_dim,
    attention as attention,
    conv as conv,
    counting as counting,
    creation as creation,
    decompositions as decompositions,
    devices as devices,
    diagonals as diagonals,
    distance as distance,
    dropout as dropout,
    einsum as einsum,
    elementwise as elementwise,
    embedding as embedding,
    extrema as extrema,
    grid as grid,
    indexing as indexing,
    interop as interop,
    interpolate as interpolate,
    joining as joining,
    linalg as linalg,
    loss as loss,
    math as math,
    norm as norm,
    padding as padding,
    pool as pool,
    reduce as reduce,
    regression_loss as regression_loss,
    scan as scan,
    shape as shape,
    special as special,
)

if _missing := list(incomplete()):
    raise TypeError("operations without gradient rules: " + "; ".join(_missing))
