"""An autograd framework on NumPy for learning, seeing and testing convolutional networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .core.dtypes import (
    bool_ as bool,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    result_type,
    set_default_dtype,
    uint8,
)
from .core.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.op import Array, Arrays, method, op
from .core.random import Generator, get_rng_state, manual_seed, set_rng_state
from .core.tensor import Tensor
from .ops.activation import log_softmax, relu, sigmoid, softmax, tanh
from .ops.conv import conv2d
from .ops.creation import (
    arange,
    as_tensor,
    bernoulli,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    multinomial,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from .ops.elementwise import (
    abs,
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    clamp,
    cos,
    div,
    eq,
    exp,
    expm1,
    floor_divide,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    positive,
    pow,
    reciprocal,
    remainder,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
    sub,
    where,
)
from .ops.indexing import (
    gather,
    index_select,
    masked_fill,
    masked_select,
    scatter_add,
    take_along_dim,
)
from .ops.linalg import bmm, dot, matmul, mm, mv, outer
from .ops.reduce import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from .ops.shape import (
    broadcast_to,
    cat,
    chunk,
    clone,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    reshape,
    split,
    squeeze,
    stack,
    t,
    transpose,
    tril,
    triu,
    unbind,
    unflatten,
    unsqueeze,
)

if TYPE_CHECKING:
    from . import autograd, datasets, nn, optim, testing, utils, viz
    from .serialization import load, save

__version__ = "0.1.0"

float = float32
double = float64
half = float16
int = int32
long = int64

_SUBMODULES = ("autograd", "datasets", "nn", "optim", "testing", "utils", "viz")


def __getattr__(name: str) -> Any:
    """Import a submodule when it is first asked for."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in ("save", "load"):
        return getattr(importlib.import_module(f"{__name__}.serialization"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES, "save", "load"])
