"""An autograd framework on NumPy for learning, seeing and testing convolutional networks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from .core.modes import (
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    is_grad_enabled as is_grad_enabled,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from .core.op import (
    Array as Array,
    Arrays as Arrays,
    method as method,
    op as op,
)
from .core.tensor import (
    Tensor as Tensor,
)
from .dtypes import (
    bool_ as bool_,
    float16 as float16,
    float32 as float32,
    float64 as float64,
    get_default_dtype as get_default_dtype,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    result_type as result_type,
    set_default_dtype as set_default_dtype,
    uint8 as uint8,
)
from .kernels.threads import (
    get_num_threads as get_num_threads,
    set_num_threads as set_num_threads,
)
from .ops.activation import (
    hardshrink as hardshrink,
    log_softmax as log_softmax,
    prelu as prelu,
    relu as relu,
    sigmoid as sigmoid,
    softmax as softmax,
    tanh as tanh,
)
from .ops.aliases import (
    absolute as absolute,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    clip as clip,
    concat as concat,
    concatenate as concatenate,
    divide as divide,
    fix as fix,
    ger as ger,
    greater as greater,
    greater_equal as greater_equal,
    less as less,
    less_equal as less_equal,
    moveaxis as moveaxis,
    multiply as multiply,
    negative as negative,
    not_equal as not_equal,
    row_stack as row_stack,
    subtract as subtract,
)
from .ops.along_dim import (
    diagonal_scatter as diagonal_scatter,
    gather as gather,
    index_add as index_add,
    index_copy as index_copy,
    index_fill as index_fill,
    index_select as index_select,
    scatter as scatter,
    scatter_add as scatter_add,
    select_scatter as select_scatter,
    slice_scatter as slice_scatter,
    take_along_dim as take_along_dim,
)
from .ops.conv import (
    conv1d as conv1d,
    conv2d as conv2d,
    conv3d as conv3d,
    conv_transpose1d as conv_transpose1d,
    conv_transpose2d as conv_transpose2d,
    conv_transpose3d as conv_transpose3d,
)
from .ops.counting import (
    bincount as bincount,
    bucketize as bucketize,
    histc as histc,
    isin as isin,
    searchsorted as searchsorted,
    unique as unique,
    unique_consecutive as unique_consecutive,
)
from .ops.creation import (
    arange as arange,
    as_tensor as as_tensor,
    bernoulli as bernoulli,
    cartesian_prod as cartesian_prod,
    combinations as combinations,
    empty as empty,
    empty_like as empty_like,
    eye as eye,
    from_numpy as from_numpy,
    full as full,
    full_like as full_like,
    linspace as linspace,
    logspace as logspace,
    multinomial as multinomial,
    normal as normal,
    ones as ones,
    ones_like as ones_like,
    poisson as poisson,
    rand as rand,
    rand_like as rand_like,
    randint as randint,
    randint_like as randint_like,
    randn as randn,
    randn_like as randn_like,
    randperm as randperm,
    scalar_tensor as scalar_tensor,
    tensor as tensor,
    tril_indices as tril_indices,
    triu_indices as triu_indices,
    zeros as zeros,
    zeros_like as zeros_like,
)
from .ops.decompositions import (
    cholesky as cholesky,
    det as det,
    inverse as inverse,
    logdet as logdet,
    matrix_power as matrix_power,
    slogdet as slogdet,
)
from .ops.devices import (
    device as device,
    get_default_device as get_default_device,
)
from .ops.diagonals import (
    diag as diag,
    diag_embed as diag_embed,
    diagonal as diagonal,
    tril as tril,
    triu as triu,
)
from .ops.distance import (
    cdist as cdist,
    cosine_similarity as cosine_similarity,
    pairwise_distance as pairwise_distance,
)
from .ops.einsum import (
    bilinear as bilinear,
    einsum as einsum,
    inner as inner,
    kron as kron,
    tensordot as tensordot,
)
from .ops.elementwise import (
    abs as abs,
    add as add,
    bitwise_and as bitwise_and,
    bitwise_left_shift as bitwise_left_shift,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_right_shift as bitwise_right_shift,
    bitwise_xor as bitwise_xor,
    clamp as clamp,
    cos as cos,
    div as div,
    eq as eq,
    exp as exp,
    expm1 as expm1,
    floor_divide as floor_divide,
    ge as ge,
    gt as gt,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    le as le,
    log as log,
    log1p as log1p,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    lt as lt,
    maximum as maximum,
    minimum as minimum,
    mul as mul,
    ne as ne,
    neg as neg,
    positive as positive,
    pow as pow,
    reciprocal as reciprocal,
    remainder as remainder,
    rsqrt as rsqrt,
    sign as sign,
    sin as sin,
    sqrt as sqrt,
    square as square,
    sub as sub,
    true_divide as true_divide,
    where as where,
)
from .ops.extrema import (
    amax as amax,
    amin as amin,
    aminmax as aminmax,
    argmax as argmax,
    argmin as argmin,
    max as max,
    min as min,
)
from .ops.indexing import (
    argwhere as argwhere,
    index_put as index_put,
    masked_fill as masked_fill,
    masked_scatter as masked_scatter,
    masked_select as masked_select,
    nonzero as nonzero,
    put as put,
    select as select,
    take as take,
)
from .ops.interop import (
    from_dlpack as from_dlpack,
    is_floating_point as is_floating_point,
    is_nonzero as is_nonzero,
    is_tensor as is_tensor,
    numel as numel,
)
from .ops.interpolate import (
    channel_shuffle as channel_shuffle,
    pixel_shuffle as pixel_shuffle,
    pixel_unshuffle as pixel_unshuffle,
)
from .ops.joining import (
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    block_diag as block_diag,
    broadcast_tensors as broadcast_tensors,
    cat as cat,
    chunk as chunk,
    column_stack as column_stack,
    dsplit as dsplit,
    dstack as dstack,
    hsplit as hsplit,
    hstack as hstack,
    meshgrid as meshgrid,
    narrow as narrow,
    roll as roll,
    rot90 as rot90,
    split as split,
    stack as stack,
    tensor_split as tensor_split,
    unbind as unbind,
    vsplit as vsplit,
    vstack as vstack,
)
from .ops.linalg import (
    addmm as addmm,
    addmv as addmv,
    addr as addr,
    baddbmm as baddbmm,
    bmm as bmm,
    cross as cross,
    dot as dot,
    matmul as matmul,
    mm as mm,
    mv as mv,
    outer as outer,
    trace as trace,
    vdot as vdot,
)
from .ops.math import (
    acos as acos,
    acosh as acosh,
    addcdiv as addcdiv,
    addcmul as addcmul,
    allclose as allclose,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    ceil as ceil,
    clamp_max as clamp_max,
    clamp_min as clamp_min,
    cosh as cosh,
    equal as equal,
    erf as erf,
    erfc as erfc,
    exp2 as exp2,
    floor as floor,
    fmax as fmax,
    fmin as fmin,
    fmod as fmod,
    frac as frac,
    hypot as hypot,
    isclose as isclose,
    lerp as lerp,
    log2 as log2,
    log10 as log10,
    logaddexp as logaddexp,
    nan_to_num as nan_to_num,
    round as round,
    sgn as sgn,
    sinh as sinh,
    tan as tan,
    trunc as trunc,
    xlogy as xlogy,
)
from .ops.pool import (
    adaptive_avg_pool1d as adaptive_avg_pool1d,
    avg_pool1d as avg_pool1d,
)
from .ops.reduce import (
    all as all,
    any as any,
    count_nonzero as count_nonzero,
    logsumexp as logsumexp,
    mean as mean,
    nanmean as nanmean,
    nansum as nansum,
    norm as norm,
    prod as prod,
    std as std,
    std_mean as std_mean,
    sum as sum,
    var as var,
    var_mean as var_mean,
)
from .ops.scan import (
    argsort as argsort,
    cummax as cummax,
    cummin as cummin,
    cumprod as cumprod,
    cumsum as cumsum,
    diff as diff,
    kthvalue as kthvalue,
    logcumsumexp as logcumsumexp,
    median as median,
    mode as mode,
    msort as msort,
    sort as sort,
    topk as topk,
)
from .ops.shape import (
    broadcast_to as broadcast_to,
    clone as clone,
    flatten as flatten,
    flip as flip,
    fliplr as fliplr,
    flipud as flipud,
    movedim as movedim,
    permute as permute,
    ravel as ravel,
    repeat_interleave as repeat_interleave,
    reshape as reshape,
    squeeze as squeeze,
    swapaxes as swapaxes,
    swapdims as swapdims,
    t as t,
    tile as tile,
    transpose as transpose,
    unflatten as unflatten,
    unsqueeze as unsqueeze,
)
from .ops.special import (
    copysign as copysign,
    deg2rad as deg2rad,
    float_power as float_power,
    heaviside as heaviside,
    isneginf as isneginf,
    isposinf as isposinf,
    logical_xor as logical_xor,
    logit as logit,
    rad2deg as rad2deg,
    signbit as signbit,
)
from .random import (
    Generator as Generator,
    default_generator as default_generator,
    get_rng_state as get_rng_state,
    initial_seed as initial_seed,
    manual_seed as manual_seed,
    seed as seed,
    set_rng_state as set_rng_state,
)

if TYPE_CHECKING:
    from . import (
        accelerator as accelerator,
        autograd as autograd,
        backends as backends,
        cuda as cuda,
        datasets as datasets,
        distributed as distributed,
        func as func,
        hub as hub,
        jit as jit,
        linalg as linalg,
        models as models,
        nn as nn,
        onnx as onnx,
        optim as optim,
        testing as testing,
        utils as utils,
        viz as viz,
    )
    from .serialization import load as load, save as save
    from .utils import summary as summary

__version__ = "0.1.0"

Size = tuple  # of which shapes are
finfo, iinfo = np.finfo, np.iinfo
bool = bool_
float = float32
double = float64
half = float16
int = int32
long = int64

# an operation's result has the memory order that it is made in, whatever format is asked for
channels_last, contiguous_format, preserve_format = "channels_last", "contiguous", "preserve"

_SUBMODULES = (
    *("accelerator", "autograd", "backends", "cuda", "datasets", "distributed", "func", "hub"),
    *("jit", "linalg", "models", "nn", "onnx", "optim", "testing", "utils", "viz"),
)
_HOMES = {"save": "serialization", "load": "serialization", "summary": "utils"}


def __getattr__(name: str) -> Any:
    """Import a submodule when it is first asked for."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES, *_HOMES])
