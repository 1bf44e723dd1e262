"""Tensors made from data, from a rule, or at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import method
from tinygrad_cnn.core.tensor import Tensor, as_array, tensor_from
from tinygrad_cnn.dtypes import get_default_dtype, int64
from tinygrad_cnn.random import Generator, default_generator

from .devices import require_cpu
from .elementwise import where
from .joining import meshgrid, stack
from .shape import as_dtype, sizes_of

# -- from data ---------------------------------------------------------------------------------


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of a copy of `data`.

    Parameters
    ----------
    data : array_like
        A number, an array, a tensor, or nested sequences of them.
    dtype : dtype, optional
        Where not given: an array's own; for Python numbers bool, int64 or the default floating
        dtype.
    device : device or str, optional
        The CPU, if anything, here and in all functions below.
    requires_grad : bool
        Whether operations on it are recorded.

    Raises
    ------
    TypeError
        If `data` is not made of real numbers.
    RuntimeError
        If it is asked for another device.
    ValueError
        If nested sequences differ in length.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensor([[1, 2], [3, 4]]), tg.tensor(0.5, dtype=tg.float64)
    (tensor([[1, 2],
            [3, 4]]), tensor(0.5, dtype=float64))
    """
    return _leaf(np.array(_array("tensor", data, dtype), order="C"), device, requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor: itself, or sharing an array's memory, where that is possible.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.ones(2)
    >>> tg.as_tensor(x) is x
    True
    """
    require_cpu("as_tensor", device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return tensor_from(_array("as_tensor", data, dtype))


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor that shares the memory of an array.

    Raises
    ------
    TypeError
        If it is not an array of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> a = np.zeros(2)
    >>> x = tg.from_numpy(a)
    >>> a[0] = 1
    >>> x
    tensor([1., 0.], dtype=float64)
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected an ndarray, got {type(ndarray).__name__}")
    return tensor_from(as_array(ndarray))


def _array(name: str, data: Any, dtype: Any) -> np.ndarray:
    if data is None or isinstance(data, (str, bytes)):  # NumPy makes numbers of them
        raise TypeError(f"{name}: expected numbers, got {type(data).__name__}")
    return as_array(data, None if dtype is None else as_dtype(name, dtype))


def _leaf(data: Any, device: Any, requires_grad: bool) -> Tensor:
    require_cpu("tensor", device)
    result = tensor_from(np.asarray(data))
    return result.requires_grad_() if requires_grad else result


# -- filled ------------------------------------------------------------------------------------


def _sizes(name: str, sizes: Any, size: Any = None) -> tuple[int, ...]:
    """Return the sizes given as ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``, checked."""
    if size is not None and sizes:
        raise TypeError(f"{name}: got sizes {sizes} and size={size}")
    shape = sizes_of(sizes if size is None else (size,))
    for n in shape:
        if not hasattr(n, "__index__"):
            raise TypeError(f"{name}: sizes must be ints, got {type(n).__name__}")
        if n < 0:
            raise RuntimeError(f"{name}: sizes must not be negative, got {tuple(shape)}")
    return tuple(int(n) for n in shape)


def _dtype(name: str, dtype: Any, default: np.dtype | None = None) -> np.dtype:
    return (default or get_default_dtype()) if dtype is None else as_dtype(name, dtype)


def zeros(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of zeros.

    Parameters
    ----------
    *sizes : int
        Or one tuple of them, which may be given as ``size=``.
    dtype : dtype, optional
        The default floating dtype where not given.
    requires_grad : bool

    Raises
    ------
    RuntimeError
        If a size is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _leaf(
        np.zeros(_sizes("zeros", sizes, size), _dtype("zeros", dtype)), device, requires_grad
    )


def ones(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of ones; see `zeros`."""
    return _leaf(np.ones(_sizes("ones", sizes, size), _dtype("ones", dtype)), device, requires_grad)


def empty(
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor whose values are whatever the memory held; see `zeros`."""
    return _leaf(
        np.empty(_sizes("empty", sizes, size), _dtype("empty", dtype)), device, requires_grad
    )


def full(
    size: Any, fill_value: float, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor filled with a number, whose kind decides the dtype where none is given.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.full((2,), 7), tg.full((2,), 0.5)
    (tensor([7, 7]), tensor([0.5, 0.5]))
    """
    value = _array("full", fill_value, dtype)
    if value.ndim:
        raise TypeError(f"full: fill_value must be a number, got shape {value.shape}")
    return _leaf(np.full(_sizes("full", (size,)), value), device, requires_grad)


def zeros_like(
    input: Tensor, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return zeros of the shape, and where not given the dtype, of `input`."""
    return zeros(
        input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def ones_like(
    input: Tensor, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return ones of the shape, and where not given the dtype, of `input`."""
    return ones(input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return an unfilled tensor of the shape, and where not given the dtype, of `input`."""
    return empty(
        input.shape, dtype=dtype or input.dtype, device=device, requires_grad=requires_grad
    )


def full_like(
    input: Tensor,
    fill_value: float,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a number in the shape, and where not given the dtype, of `input`."""
    return full(input.shape, fill_value, dtype or input.dtype, device, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ``start, start + step, ...`` below `end`; with one number, from 0 up to it.

    The dtype, where not given, is int64 if all numbers are integers, else the default one.

    Raises
    ------
    RuntimeError
        If `step` is 0 or leads away from `end`, or the range is infinite.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.arange(3), tg.arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1. , 1.5]))
    """
    if end is None:
        start, end = 0, start
    if step == 0 or (end - start) * step < 0:
        raise RuntimeError(f"arange: step {step} does not lead from {start} to {end}")
    if not math.isfinite(start) or not math.isfinite(end):
        raise RuntimeError(f"arange: the range from {start} to {end} is not finite")
    whole = not any(isinstance(n, (float, np.floating)) for n in (start, end, step))
    target = _dtype("arange", dtype, int64 if whole else None)
    count = -(-(end - start) // step) if whole else math.ceil((end - start) / step)
    counted: Any = np.arange(int(count), dtype=int64 if whole else np.float64)
    values = start + step * counted
    return _leaf(values.astype(target), device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` values at equal distances from `start` to `end`, both included.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.linspace(0, 1, 5)
    tensor([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if steps < 0:
        raise RuntimeError(f"linspace: steps must not be negative, got {steps}")
    if np.ndim(start) or np.ndim(end):
        raise RuntimeError(
            f"linspace: start and end must be numbers, got shapes {np.shape(start)} and {np.shape(end)}"
        )
    values = np.linspace(start, end, steps)
    return _leaf(values.astype(_dtype("linspace", dtype)), device, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `base` to the powers of `linspace`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    powers = linspace(start, end, steps, dtype=np.float64).data
    with np.errstate(all="ignore"):
        values = np.power(float(base), powers).astype(_dtype("logspace", dtype))
    return _leaf(values, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a matrix with ones on the diagonal and zeros elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    rows, columns = _sizes("eye", (n, n if m is None else m))
    return _leaf(np.eye(rows, columns, dtype=_dtype("eye", dtype)), device, requires_grad)


def scalar_tensor(
    s: float, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a 0-d tensor of a number, in the default floating dtype where none is given."""
    return full((), s, dtype or get_default_dtype(), device, requires_grad)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Return the row and column numbers, shape ``(2, n)``, of a matrix's lower triangle.

    Parameters
    ----------
    row, col : int
        The shape of the matrix.
    offset : int
        The diagonal up to which it goes: above the main one where positive.
    dtype : dtype, optional
        int64 where not given.
    device : device or str, optional

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tril_indices(2, 2)
    tensor([[0, 1, 1],
            [0, 0, 1]])
    """
    rows, columns = _sizes("tril_indices", (row, col))
    return _places("tril_indices", np.tri(rows, columns, offset) == 1, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None
) -> Tensor:
    """Return the row and column numbers of a matrix's upper triangle, from `offset` on."""
    rows, columns = _sizes("triu_indices", (row, col))
    return _places("triu_indices", np.tri(rows, columns, offset - 1) == 0, dtype, device)


def _places(name: str, mask: np.ndarray, dtype: Any, device: Any) -> Tensor:
    return _leaf(np.stack(np.nonzero(mask)).astype(_dtype(name, dtype, int64)), device, False)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Return all combinations of an element of each 1-d tensor, as rows; of one, its elements.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.cartesian_prod(tg.tensor([1, 2]), tg.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    for tensor in tensors:
        if tensor.ndim != 1:
            raise RuntimeError(f"cartesian_prod: expected 1-d tensors, got shape {tensor.shape}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([grid.reshape(-1) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Return the combinations of `r` elements of a 1-d tensor, as rows, in order of position.

    Raises
    ------
    RuntimeError
        If `input` is not 1-d, or `r` is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.combinations(tg.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1 or r < 0:
        raise RuntimeError(
            f"combinations: expected a 1-d tensor and r >= 0, got shape {input.shape} and r={r}"
        )
    if r == 0:
        return input[:0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = list(choose(range(len(input)), r))
    return input[np.array(chosen, int64).reshape(-1, r)]


# -- like a tensor -----------------------------------------------------------------------------


def _new(name: str, make: Callable[..., Tensor]) -> None:
    """Make a function that takes sizes a method whose dtype is, where not given, the tensor's."""

    def call(input: Tensor, *args: Any, dtype: Any = None, **options: Any) -> Tensor:
        return make(*args, dtype=dtype or input.dtype, **options)

    call.__doc__ = f"Return `{make.__name__}`, where not given in the dtype of the tensor."
    method(name)(call)


_new("new_zeros", zeros)
_new("new_ones", ones)
_new("new_empty", empty)
_new("new_full", full)
_new("new_tensor", tensor)


# -- random ------------------------------------------------------------------------------------


def _stream(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy


def _floating(name: str, dtype: Any, default: np.dtype | None = None) -> np.dtype:
    result = _dtype(name, dtype, default)
    if result.kind != "f":
        raise RuntimeError(f"{name}: expected a floating dtype, got {result}")
    return result


def _uniform(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> Any:
    drawn = np.float64 if dtype == np.float64 else np.float32
    values = _stream(generator).random(shape, dtype=drawn)
    return np.asarray(values).astype(dtype, copy=False)


def _gaussian(shape: tuple[int, ...], dtype: np.dtype, generator: Generator | None) -> Any:
    drawn = np.float64 if dtype == np.float64 else np.float32
    values = _stream(generator).standard_normal(shape, dtype=drawn)
    return np.asarray(values).astype(dtype, copy=False)


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return random numbers, uniform in [0, 1).

    Parameters
    ----------
    *sizes : int
        Or one tuple of them, which may be given as ``size=``.
    generator : Generator, optional
        The default one where not given; see `manual_seed`.
    dtype : floating dtype, optional
        The default one where not given.
    requires_grad : bool

    Raises
    ------
    RuntimeError
        If a size is negative, or `dtype` is not a floating one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.rand(2, 3).shape
    (2, 3)
    """
    values = _uniform(_sizes("rand", sizes, size), _floating("rand", dtype), generator)
    return _leaf(values, device, requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return random numbers of the standard normal distribution; see `rand`."""
    values = _gaussian(_sizes("randn", sizes, size), _floating("randn", dtype), generator)
    return _leaf(values, device, requires_grad)


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `rand` of the shape, and where not given the dtype, of `input`."""
    return rand(
        input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `randn` of the shape, and where not given the dtype, of `input`."""
    return randn(
        input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


def randint(
    *bounds_and_size: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return random integers; ``randint(high, size)`` or ``randint(low, high, size)``.

    Parameters
    ----------
    low, high : int
        From `low` (0) on, below `high`.
    size : tuple of int
    generator : Generator, optional
    dtype : dtype, optional
        int64 where not given.
    requires_grad : bool

    Raises
    ------
    RuntimeError
        If there is no integer between, or a size is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.randint(3, 4, (2,))
    tensor([3, 3])
    """
    given = list(bounds_and_size)
    if given and isinstance(given[-1], (tuple, list)) and size is None:
        size = given.pop()
    if given and high is None:
        high = given.pop()
    if given:
        low = given.pop()
    if given or high is None or size is None:
        raise TypeError("randint: expected (high, size) or (low, high, size)")
    if low >= high:
        raise RuntimeError(f"randint: low must be less than high, got {low} and {high}")
    values = _stream(generator).integers(low, high, _sizes("randint", (size,)))
    return _leaf(np.asarray(values).astype(_dtype("randint", dtype, int64)), device, requires_grad)


def randint_like(
    input: Tensor,
    low: int,
    high: int | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `randint` of the shape, and where not given the dtype, of `input`."""
    bounds = (low,) if high is None else (low, high)
    return randint(
        *bounds,
        input.shape,
        generator=generator,
        dtype=dtype or input.dtype,
        device=device,
        requires_grad=requires_grad,
    )


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the integers from 0 to ``n - 1`` in random order.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> sorted(tg.randperm(4).tolist())
    [0, 1, 2, 3]
    """
    _sizes("randperm", (n,))
    values = _stream(generator).permutation(n)
    return _leaf(values.astype(_dtype("randperm", dtype, int64)), device, requires_grad)


@method("bernoulli")
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Return 1 with the probabilities `input` (or all `p`), else 0, in the dtype of `input`.

    Raises
    ------
    RuntimeError
        If a probability is not in [0, 1].

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.bernoulli(tg.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    chance = input.data if p is None else np.asarray(p)
    if not np.all((chance >= 0) & (chance <= 1)):
        raise RuntimeError("bernoulli: probabilities must be in [0, 1]")
    uniform = _stream(generator).random(input.shape)
    return tensor_from(np.asarray(uniform < chance).astype(input.dtype))


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return random numbers of normal distributions.

    Parameters
    ----------
    mean, std : float or Tensor
        Broadcast together.
    size : tuple of int, optional
        Where both are numbers, the shape of the result.
    generator : Generator, optional
    dtype : dtype, optional
        Where not given, that of `mean` and `std`.
    requires_grad : bool

    Raises
    ------
    RuntimeError
        If a standard deviation is negative.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.normal(tg.tensor([1.0, 2.0]), 0.0)
    tensor([1., 2.])
    """
    means, stds = as_array(mean), as_array(std)
    if (stds < 0).any():
        raise RuntimeError(f"normal: std must not be negative, got {stds.min()}")
    if size is None:
        shape = np.broadcast_shapes(means.shape, stds.shape)
    else:
        shape = _sizes("normal", (size,))
    given = np.result_type(means, stds)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        given = get_default_dtype()
    dtype = _floating("normal", dtype, given)
    values = np.asarray(means + stds * _gaussian(shape, dtype, generator))
    return _leaf(values.astype(dtype), device, requires_grad)


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return random numbers of Poisson distributions with the rates `input`, in its dtype.

    Raises
    ------
    RuntimeError
        If a rate is negative, or the dtype not a floating one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.poisson(tg.zeros(2))
    tensor([0., 0.])
    """
    dtype = _floating("poisson", input.dtype)
    if not np.all(input.data >= 0):
        raise RuntimeError("poisson: rates must not be negative")
    return tensor_from(np.asarray(_stream(generator).poisson(input.data)).astype(dtype))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Return indices, int64, drawn by the weights in the rows of `input`.

    Parameters
    ----------
    input : Tensor, shape (n,) or (rows, n)
        Weights, which need not sum to 1.
    num_samples : int
        How many indices for each row.
    replacement : bool
        Whether an index may be drawn again.
    generator : Generator, optional

    Raises
    ------
    RuntimeError
        If weights are not floating, negative, not finite or all 0, or fewer than are to be drawn.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.multinomial(tg.tensor([0.0, 3.0]), 4, replacement=True)
    tensor([1, 1, 1, 1])
    """
    if input.ndim not in (1, 2) or num_samples < 1:
        raise RuntimeError(
            f"multinomial: expected 1 or 2 dimensions and num_samples > 0, "
            f"got {input.shape} and {num_samples}"
        )
    _floating("multinomial", input.dtype)
    stream = _stream(generator)
    drawn = []
    for row in np.atleast_2d(input.data).astype(np.float64):
        total = row.sum()
        if (row < 0).any() or not np.isfinite(total) or total == 0:
            raise RuntimeError("multinomial: weights must be finite, not negative, and not all 0")
        if not replacement and np.count_nonzero(row) < num_samples:
            raise RuntimeError(
                f"multinomial: cannot draw {num_samples} different of "
                f"{np.count_nonzero(row)} indices with a weight"
            )
        drawn.append(stream.choice(row.size, num_samples, replacement, row / total))
    return tensor_from(np.reshape(drawn, (*input.shape[:-1], num_samples)).astype(int64))


# -- in place ----------------------------------------------------------------------------------


def _set(name: str, input: Tensor, value: Any) -> Tensor:
    """Set all elements, so that gradients go to `value` and not to what was before."""
    if not isinstance(value, Tensor):
        with np.errstate(all="ignore"):
            value = tensor_from(_array(name, value, input.dtype))
    value = value.to(input.dtype).expand(input.shape)
    return input._assign(where(np.array(True), value, input), name)


@method("fill_")
def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element to `value`, a number or 0-d tensor, and return the tensor."""
    if np.ndim(value):
        raise RuntimeError(f"fill_: expected a number or a 0-d tensor, got shape {np.shape(value)}")
    return _set("fill_", input, value)


@method("zero_")
def zero_(input: Tensor) -> Tensor:
    """Set every element to 0, and return the tensor."""
    return _set("zero_", input, 0)


@method("copy_")
def copy_(input: Tensor, source: Any, non_blocking: bool = False) -> Tensor:
    """Set the elements to those of `source`, broadcast, and return the tensor."""
    return _set("copy_", input, source)


@method("uniform_")
def uniform_(
    input: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill the tensor with random numbers, uniform in [a, b), and return it."""
    if a > b:
        raise RuntimeError(f"uniform_: from must not be more than to, got {a} and {b}")
    dtype = _floating("uniform_", input.dtype)
    return _drawn("uniform_", input, a + (b - a) * _uniform(input.shape, dtype, generator))


@method("normal_")
def normal_(
    input: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill the tensor with random numbers of a normal distribution, and return it."""
    if std < 0:
        raise RuntimeError(f"normal_: std must not be negative, got {std}")
    dtype = _floating("normal_", input.dtype)
    return _drawn("normal_", input, mean + std * _gaussian(input.shape, dtype, generator))


@method("bernoulli_")
def bernoulli_(input: Tensor, p: float = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with 1, by the probability `p`, and 0, and return it."""
    return input._assign(bernoulli(input, p, generator=generator), "bernoulli_")


@method("random_")
def random_(
    input: Tensor,
    low: int | None = None,
    high: int | None = None,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Fill the tensor with random integers, and return it.

    ``random_(high)`` draws from 0 on, below `high`; ``random_(low, high)`` from `low` on; without
    bounds, of all from 0 to the largest up to which the dtype holds every integer.
    """
    if high is None:
        low, high = 0, _most(input.dtype) + 1 if low is None else low
    if low is None or low >= high:
        raise RuntimeError(f"random_: low must be less than high, got {low} and {high}")
    return _drawn("random_", input, _stream(generator).integers(low, high, input.shape))


def _most(dtype: np.dtype) -> int:
    if dtype.kind == "f":
        return 2 ** (np.finfo(dtype).nmant + 1)
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


@method("exponential_")
def exponential_(
    input: Tensor, lambd: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill the tensor with random numbers of density ``lambd * exp(-lambd * x)``, and return it."""
    _floating("exponential_", input.dtype)
    if lambd <= 0:
        raise RuntimeError(f"exponential_: lambd must be positive, got {lambd}")
    values = _stream(generator).standard_exponential(input.shape) / lambd
    return _drawn("exponential_", input, values)


@method("geometric_")
def geometric_(input: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Fill the tensor with how many trials of probability `p` one success takes, and return it."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_: p must be between 0 and 1, got {p}")
    return _drawn("geometric_", input, _stream(generator).geometric(p, input.shape))


@method("log_normal_")
def log_normal_(
    input: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Tensor:
    """Fill the tensor with random numbers whose logarithms `normal_` would draw, and return it."""
    _floating("log_normal_", input.dtype)
    if std <= 0:
        raise RuntimeError(f"log_normal_: std must be positive, got {std}")
    return _drawn("log_normal_", input, _stream(generator).lognormal(mean, std, input.shape))


def _drawn(name: str, input: Tensor, values: Any) -> Tensor:
    return input._assign(tensor_from(np.asarray(values).astype(input.dtype)), name)
