"""Pooling over one, two and three dimensions, closed under differentiation.

An operation works on (..., *size): on a batch of images as on one. Those that differ only in the
number of dimensions are declared together, and their gradients are shared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, Op, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels import pool as kernel
from tinygrad_cnn.kernels.pool import Window

from ._windows import Size, check_images, ntuple
from .activation import relu
from .along_dim import gather, scatter_add
from .elementwise import abs, sign
from .shape import flatten, reshape

Regions = int | Sequence[int | None] | None
"""The output size of adaptive pooling; None keeps an axis as it is."""

# -- maxima ------------------------------------------------------------------------------------


def _declare_max_pool(dims: int) -> Op[..., Any]:
    @op(name=f"max_pool{dims}d", auxiliary=("taps",))
    def max_pool(input: Array, window: Window) -> Any:
        """Return the maxima of (..., *size), and which tap of its window each came from."""
        return kernel.max_pool(input, window)

    @max_pool.gradient("input", fresh=True)
    def _(g, taps, input_shape, window): return max_pool_input(g, taps, input_shape, window)

    @max_pool.onnx
    def _(onnx, input, window, out):
        attributes = _onnx_attributes(window, input.shape[-dims:])
        return onnx.on_images(
            "MaxPool", dims, input, out=out, dilations=window.dilation, **attributes
        )

    @max_pool.samples
    def _(draw):
        window, shape = _draw_case(draw, dims)
        return draw.array(shape, distinct=True), window

    return max_pool


_MAX_POOL = {dims: _declare_max_pool(dims) for dims in (1, 2, 3)}


@op(constant=("taps",))
def max_pool_input(
    cotangent: Array, taps: Array, input_shape: tuple[int, ...], window: Window
) -> Any:
    """Return the gradient of max pooling with respect to its input."""
    return kernel.max_pool_input(cotangent, taps, input_shape, window)


@max_pool_input.gradient("cotangent")
def _(g, taps, window): return max_pool_pick(g, taps, window)


@max_pool_input.samples
def _(draw):
    window, shape = _draw_case(draw, draw.integer(1, 3))
    _, taps = kernel.max_pool(draw.array(shape), window)
    return draw.array(taps.shape), taps, shape, window


@op(constant=("taps",))
def max_pool_pick(input: Array, taps: Array, window: Window) -> Any:
    """Return the element of `input` at each window's tap."""
    return kernel.max_pool_pick(input, taps, window)


@max_pool_pick.gradient("input")
def _(g, taps, input_shape, window): return max_pool_input(g, taps, input_shape, window)


@max_pool_pick.samples
def _(draw):
    window, shape = _draw_case(draw, draw.integer(1, 3))
    x = draw.array(shape)
    return x, kernel.max_pool(x, window)[1], window


def _max_pool(
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    window = _window(
        f"max_pool{dims}d", dims, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    out, taps = _MAX_POOL[dims](input, window)
    if not return_indices:
        return out
    numbers = taps.data if isinstance(taps, Tensor) else taps
    return out, Tensor(kernel.max_pool_indices(numbers, input.shape[-dims:], window))


def max_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of (N, C, L) or (C, L); see `max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.max_pool1d(tg.tensor([[1.0, 4.0, 3.0, 2.0]]), 2)
    tensor([[4., 3.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window; of equal elements the first gets the gradient.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    kernel_size, stride, padding, dilation : int or pair of int
        `stride` is `kernel_size` where not given. The padding is -inf, at most half the kernel.
    ceil_mode : bool
        Round the output size up: a last window may stick out.
    return_indices : bool
        Also return the place of each maximum in its flattened H * W plane.

    Returns
    -------
    Tensor, or (Tensor, Tensor)
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the padding is more than half the kernel, or the output would be empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(16.0).reshape(1, 1, 4, 4)
    >>> tg.nn.functional.max_pool2d(x, 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of (N, C, D, H, W) or (C, D, H, W); see `max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _declare_adaptive_max_pool(dims: int) -> Op[..., Any]:
    @op(name=f"adaptive_max_pool{dims}d", auxiliary=("indices",))
    def adaptive_max_pool(input: Array, output_size: tuple[int, ...]) -> Any:
        """Return the maximum of each region, and its place in the flattened image."""
        return kernel.adaptive_max_pool(input, output_size)

    @adaptive_max_pool.gradient("input")
    def _(g, indices, input_shape):
        flat: Any = np.zeros((*input_shape[:-dims], math.prod(input_shape[-dims:])), g.dtype)
        flat = scatter_add(flat, -1, flatten(indices, -dims), flatten(g, -dims))
        return reshape(flat, input_shape)

    @adaptive_max_pool.onnx
    def _(onnx, input, out): return _onnx_regions(onnx, "Max", dims, input, out)

    @adaptive_max_pool.samples
    def _(draw):
        output_size, shape = _draw_regions(draw, dims)
        return draw.array(shape, distinct=True), output_size

    return adaptive_max_pool


_ADAPTIVE_MAX_POOL = {dims: _declare_adaptive_max_pool(dims) for dims in (1, 2, 3)}


def _adaptive_max_pool(dims: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{dims}d"
    out, indices = _ADAPTIVE_MAX_POOL[dims](input, _output_size(name, dims, input, output_size))
    return (out, indices) if return_indices else out


def adaptive_max_pool1d(input: Array, output_size: Regions, return_indices: bool = False) -> Any:
    """Return the maxima of regions of (N, C, L) or (C, L); see `adaptive_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.adaptive_max_pool1d(tg.tensor([[1.0, 4.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[4., 3.]])
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Array, output_size: Regions, return_indices: bool = False) -> Any:
    """Return the maxima of OH x OW regions of nearly equal size that cover the image.

    The regions are those of `adaptive_avg_pool2d`; of equal elements the first gets the gradient.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    output_size : int, or pair of int or None
        None keeps that axis as it is.
    return_indices : bool
        Also return the place of each maximum in its flattened H * W plane.

    Returns
    -------
    Tensor, or (Tensor, Tensor)
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the input has another number of dimensions, or an empty image, or is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(25.0).reshape(1, 1, 5, 5)
    >>> tg.nn.functional.adaptive_max_pool2d(x, 2)
    tensor([[[[12., 14.],
              [22., 24.]]]])
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Array, output_size: Regions, return_indices: bool = False) -> Any:
    """Return the maxima of regions of (N, C, D, H, W) or (C, D, H, W); see `adaptive_max_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.adaptive_max_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), (2, 1, 1))
    tensor([[[[3.]],
    <BLANKLINE>
             [[7.]]]])
    """
    return _adaptive_max_pool(3, input, output_size, return_indices)


# -- and back ----------------------------------------------------------------------------------


def _declare_max_unpool(dims: int) -> Op[..., Any]:
    name = f"max_unpool{dims}d"

    @op(name=name, constant=("indices",))
    def max_unpool(input: Array, indices: Array, output_size: tuple[int, ...]) -> Any:
        """Return zeros of (..., *output_size) with each element of `input` at its index."""
        if np.shape(indices) != input.shape or indices.dtype != np.int64:
            raise RuntimeError(
                f"{name}: indices must be int64 of the input's shape {input.shape}, "
                f"got {np.result_type(indices)} of {np.shape(indices)}"
            )
        batch, count = input.shape[:-dims], math.prod(output_size)
        outside = (indices < 0) | (indices >= count)
        if outside.any():
            raise RuntimeError(
                f"{name}: index {indices[outside][0]} is out of range for the output {output_size}"
            )
        out = np.zeros((*batch, count), input.dtype)
        flat = (*batch, math.prod(input.shape[-dims:]))
        np.put_along_axis(out, indices.reshape(flat), input.reshape(flat), -1)
        return out.reshape(*batch, *output_size)

    @max_unpool.gradient("input")
    def _(g, indices):
        return reshape(gather(flatten(g, -dims), -1, flatten(indices, -dims)), indices.shape)

    @max_unpool.onnx
    def _(onnx, input, indices, out):
        batch = out.shape[:-dims]
        flat = (*batch, math.prod(input.shape[-dims:]))
        zeros = onnx.node("Expand", 0, (*batch, math.prod(out.shape[-dims:])))
        places, values = onnx.reshape(indices, flat), onnx.reshape(input, flat)
        return onnx.reshape(onnx.node("ScatterElements", zeros, places, values, axis=-1), out.shape)

    @max_unpool.samples
    def _(draw):
        batch = draw.shape(1, 2)
        size = tuple(draw.integer(1, 2) for _ in range(dims))
        output_size = tuple(n * draw.integer(1, 2) for n in size)
        places = draw.array((*batch, math.prod(output_size))).argsort(-1)
        indices = places[..., : math.prod(size)].reshape(*batch, *size)
        return draw.array(indices.shape), indices, output_size

    return max_unpool


_MAX_UNPOOL = {dims: _declare_max_unpool(dims) for dims in (1, 2, 3)}


def _max_unpool(
    dims: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    name = f"max_unpool{dims}d"
    check_images(name, input, dims)
    _check_floating(name, input)
    sides = ntuple(name, "kernel_size", kernel_size, dims, 1)
    steps = sides if stride is None else ntuple(name, "stride", stride, dims, 1)
    pads = ntuple(name, "padding", padding, dims, 0)
    size = tuple(
        (n - 1) * s + k - 2 * p
        for n, k, s, p in zip(input.shape[-dims:], sides, steps, pads, strict=True)
    )
    if output_size is not None:
        given = tuple(output_size)
        if len(given) not in (dims, dims + 2):
            raise ValueError(f"{name}: output_size must be {dims} or {dims + 2} ints, got {given}")
        given = given[-dims:]
        if not all(-s < m - n < s for m, n, s in zip(given, size, steps, strict=True)):
            raise ValueError(
                f"{name}: output_size {given} must be less than the stride {steps} away from {size}"
            )
        size = given
    if min(size) < 1:
        raise RuntimeError(f"{name}: the output would have size {size}")
    return _MAX_UNPOOL[dims](input, indices, size)


def max_unpool1d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima of `max_pool1d` back at their places; see `max_unpool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> maxima = tg.tensor([[5.0, 6.0]])
    >>> tg.nn.functional.max_unpool1d(maxima, tg.tensor([[1, 2]]), 2)
    tensor([[0., 5., 6., 0.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima of `max_pool2d` back at their places, and zeros elsewhere.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    indices : Tensor of int64
        As `max_pool2d` returns them. Where one comes twice, the last element stays.
    kernel_size, stride, padding : int or pair of int
        Those of the pooling.
    output_size : sequence of int, optional
        The size of the pooling's input, or its shape, where pooling did not keep the last rows
        and columns: ``(H - 1) * stride + kernel_size - 2 * padding`` where not given.

    Returns
    -------
    Tensor
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the indices are not int64, have another shape than `input`, or are out of range.
    ValueError
        If no pooling with this window leads from `output_size` to the input's size.

    References
    ----------
    .. [1] M. D. Zeiler and R. Fergus, "Visualizing and understanding convolutional networks",
       arXiv:1311.2901, 2013.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> import tinygrad_cnn.nn.functional as F
    >>> x = tg.arange(16.0).reshape(1, 4, 4)
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[ 0.,  0.,  0.,  0.],
             [ 0.,  5.,  0.,  7.],
             [ 0.,  0.,  0.,  0.],
             [ 0., 13.,  0., 15.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Array,
    indices: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put maxima of `max_pool3d` back at their places; see `max_unpool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> maxima, indices = tg.tensor([[[[7.0]]]]), tg.tensor([[[[1]]]])
    >>> tg.nn.functional.max_unpool3d(maxima, indices, (1, 1, 2))
    tensor([[[[0., 7.]]]])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


# -- means -------------------------------------------------------------------------------------


def _declare_avg_pool(dims: int) -> Op[..., Any]:
    @op(name=f"avg_pool{dims}d")
    def avg_pool(
        input: Array, window: Window, count_include_pad: bool, divisor_override: int | None
    ) -> Any:
        """Return the mean of each window of (..., *size)."""
        size = input.shape[-dims:]
        divisor = kernel.avg_divisor(size, window, count_include_pad, divisor_override)
        return kernel.avg_pool(input, window, divisor)

    @avg_pool.gradient("input", fresh=True)
    def _(g, input_shape, window, count_include_pad, divisor_override):
        return avg_pool_input(g, input_shape, window, count_include_pad, divisor_override)

    @avg_pool.onnx
    def _(onnx, input, window, count_include_pad, divisor_override, out):
        size = input.shape[-dims:]
        divisor = kernel.avg_divisor(size, window, count_include_pad, divisor_override)
        mean = onnx.on_images(
            "AveragePool", dims, input, out=out, count_include_pad=1, **_onnx_attributes(window, size)
        )
        factors = math.prod(window.kernel) / divisor
        return mean if (factors == 1).all() else onnx.node("Mul", mean, factors.astype(out.dtype))

    @avg_pool.samples
    def _(draw):
        window, shape = _draw_case(draw, dims, dilated=False)
        return draw.array(shape), window, draw.boolean(), draw.choice([None, 3])

    return avg_pool


_AVG_POOL = {dims: _declare_avg_pool(dims) for dims in (1, 2, 3)}


@op
def avg_pool_input(
    cotangent: Array,
    input_shape: tuple[int, ...],
    window: Window,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """Return the gradient of average pooling with respect to its input."""
    size = window.size_of(input_shape)
    divisor = kernel.avg_divisor(size, window, count_include_pad, divisor_override)
    return kernel.avg_pool_input(cotangent, input_shape, window, divisor)


@avg_pool_input.gradient("cotangent")
def _(g, window, count_include_pad, divisor_override):
    return _AVG_POOL[len(window.kernel)](g, window, count_include_pad, divisor_override)


@avg_pool_input.samples
def _(draw):
    window, shape = _draw_case(draw, draw.integer(1, 3), dilated=False)
    cotangent = draw.array(window.output_shape(shape))
    return cotangent, shape, window, draw.boolean(), draw.choice([None, 3])


def _avg_pool(
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None = None,
) -> Tensor:
    name = f"avg_pool{dims}d"
    window = _window(name, dims, input, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError(f"{name}: divisor_override must not be 0")
    return _AVG_POOL[dims](input, window, count_include_pad, divisor_override)


def avg_pool1d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of (N, C, L) or (C, L); see `avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.avg_pool1d(tg.tensor([[1.0, 4.0, 3.0, 2.0]]), 2)
    tensor([[2.5, 2.5]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W). Means of integers are rounded towards zero.
    kernel_size, stride, padding : int or pair of int
        `stride` is `kernel_size` where not given. The padding is 0, at most half the kernel.
    ceil_mode : bool
        Round the output size up: a last window may stick out.
    count_include_pad : bool
        Whether the zeros of the padding count in the mean.
    divisor_override : int, optional
        Divide each window's sum by this instead.

    Returns
    -------
    Tensor
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the padding is more than half the kernel, or the output would be empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(16.0).reshape(1, 1, 4, 4)
    >>> tg.nn.functional.avg_pool2d(x, 2)
    tensor([[[[ 2.5,  4.5],
              [10.5, 12.5]]]])
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Array,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of (N, C, D, H, W) or (C, D, H, W); see `avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.avg_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5]]]])
    """
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _lp_pool(
    dims: int, input: Any, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    window = _window(f"lp_pool{dims}d", dims, input, kernel_size, stride, 0, 1, ceil_mode)
    if math.isinf(norm_type):
        side = math.copysign(1, norm_type)
        return side * _MAX_POOL[dims](side * abs(input), window)[0]
    mean = _AVG_POOL[dims](input**norm_type, window, True, None)
    # sign(x) * relu(abs(x)) is x, but lets no gradient through where that is 0
    return (sign(mean) * relu(abs(mean)) * math.prod(window.kernel)) ** (1 / norm_type)


def lp_pool1d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the p-norm of each window of (N, C, L) or (C, L); see `lp_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.lp_pool1d(tg.tensor([[3.0, 4.0, 0.0, 2.0]]), 2, 2)
    tensor([[5., 2.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return ``sum(x ** p) ** (1 / p)`` of each window: the p-norm, for an even p.

    With ceil_mode, what sticks out counts as the mean of the rest. Where the sum is 0, so is the
    gradient. For an infinite p it is the largest absolute value (the smallest, for -inf).

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    norm_type : float
        p.
    kernel_size, stride : int or pair of int
        `stride` is `kernel_size` where not given.
    ceil_mode : bool
        Round the output size up: a last window may stick out.

    Returns
    -------
    Tensor
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the output would be empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.lp_pool2d(tg.tensor([[[3.0, 4.0], [0.0, 0.0]]]), 2, 2)
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Array,
    norm_type: float,
    kernel_size: Size,
    stride: Size | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the p-norm of each window of (N, C, D, H, W) or (C, D, H, W); see `lp_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.lp_pool3d(tg.ones(1, 4, 2, 2), 2, 2).flatten()
    tensor([2.8284, 2.8284])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def _declare_adaptive_avg_pool(dims: int) -> Op[..., Any]:
    @op(name=f"adaptive_avg_pool{dims}d")
    def adaptive_avg_pool(input: Array, output_size: tuple[int, ...]) -> Any:
        """Return the mean of each region of (..., *size)."""
        return kernel.adaptive_avg_pool(input, output_size)

    @adaptive_avg_pool.gradient("input")
    def _(g, input_shape): return adaptive_avg_pool_input(g, input_shape[-dims:])

    @adaptive_avg_pool.onnx
    def _(onnx, input, out): return _onnx_regions(onnx, "Average", dims, input, out)

    @adaptive_avg_pool.samples
    def _(draw):
        output_size, shape = _draw_regions(draw, dims)
        return draw.array(shape), output_size

    return adaptive_avg_pool


_ADAPTIVE_AVG_POOL = {dims: _declare_adaptive_avg_pool(dims) for dims in (1, 2, 3)}


@op
def adaptive_avg_pool_input(cotangent: Array, size: tuple[int, ...]) -> Any:
    """Return the gradient of adaptive average pooling with respect to its input (..., *size)."""
    return kernel.adaptive_avg_pool_input(cotangent, size)


@adaptive_avg_pool_input.gradient("cotangent")
def _(g, cotangent_shape, size):
    return _ADAPTIVE_AVG_POOL[len(size)](g, cotangent_shape[-len(size) :])


@adaptive_avg_pool_input.samples
def _(draw):
    dims = draw.integer(1, 3)
    output_size, shape = _draw_regions(draw, dims)
    return draw.array((*shape[:-dims], *output_size)), shape[-dims:]


def _adaptive_avg_pool(dims: int, input: Any, output_size: Any) -> Tensor:
    size = _output_size(f"adaptive_avg_pool{dims}d", dims, input, output_size)
    return _ADAPTIVE_AVG_POOL[dims](input, size)


def adaptive_avg_pool1d(input: Array, output_size: Regions) -> Tensor:
    """Return the means of regions of (N, C, L) or (C, L); see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.adaptive_avg_pool1d(tg.tensor([[1.0, 4.0, 3.0, 2.0]]), 2)
    tensor([[2.5, 2.5]])
    """
    return _adaptive_avg_pool(1, input, output_size)


def adaptive_avg_pool2d(input: Array, output_size: Regions) -> Tensor:
    """Return the means of OH x OW regions of nearly equal size that cover the image.

    Region i of n along an axis of length L goes from ``floor(i L / n)`` to ``ceil((i + 1) L / n)``.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
    output_size : int, or pair of int or None
        None keeps that axis as it is.

    Returns
    -------
    Tensor
        (N, C, OH, OW).

    Raises
    ------
    RuntimeError
        If the input has another number of dimensions, or an empty image, or is not floating.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(16.0).reshape(1, 1, 4, 4)
    >>> tg.nn.functional.adaptive_avg_pool2d(x, 1)
    tensor([[[[7.5]]]])
    """
    return _adaptive_avg_pool(2, input, output_size)


def adaptive_avg_pool3d(input: Array, output_size: Regions) -> Tensor:
    """Return the means of regions of (N, C, D, H, W) or (C, D, H, W); see `adaptive_avg_pool2d`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.functional.adaptive_avg_pool3d(tg.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5]]]])
    """
    return _adaptive_avg_pool(3, input, output_size)


# -- in ONNX -----------------------------------------------------------------------------------


def _onnx_attributes(window: Window, size: tuple[int, ...]) -> dict[str, Any]:
    """Return the attributes of ONNX's pooling nodes, for an input of `size`."""
    # the padding after goes to the end of the last window, which with ceil_mode may stick out
    ends = [
        max((m - 1) * s + d * (k - 1) + 1 - n - p, 0)
        for m, n, k, s, p, d in zip(window.output_size(size), size, *window[:4], strict=True)
    ]
    return {
        "kernel_shape": window.kernel,
        "strides": window.stride,
        "pads": [*window.padding, *ends],
    }


def _onnx_regions(onnx: Any, kind: str, dims: int, input: Any, out: Any) -> Any:
    """Add the nodes of adaptive pooling; `kind` is "Max" or "Average"."""
    size, parts = input.shape[-dims:], out.shape[-dims:]
    if size == parts:
        return input
    if parts == (1,) * dims:
        return onnx.on_images(f"Global{kind}Pool", dims, input, out=out)
    if not any(n % m for n, m in zip(size, parts, strict=True)):
        sides = [n // m for n, m in zip(size, parts, strict=True)]
        return onnx.on_images(
            f"{kind}Pool", dims, input, out=out, kernel_shape=sides, strides=sides
        )
    for axis, (n, m) in enumerate(zip(size, parts, strict=True), -dims):
        regions = [
            onnx.node("Slice", input, [region.start], [region.stop], [axis])
            for region in kernel.adaptive_regions(n, m)
        ]
        reduction = "ReduceMax" if kind == "Max" else "ReduceMean"
        rows = [onnx.node(reduction, region, [axis], keepdims=1) for region in regions]
        input = onnx.node("Concat", *rows, axis=axis)
    return input


# -- arguments ---------------------------------------------------------------------------------


def _window(
    name: str,
    dims: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Window:
    check_images(name, input, dims)
    if input.dtype == bool:
        raise RuntimeError(f"{name}: input must be of numbers, got bool")
    size = ntuple(name, "kernel_size", kernel_size, dims, 1)
    window = Window(
        size,
        size if stride is None or stride == () else ntuple(name, "stride", stride, dims, 1),
        ntuple(name, "padding", padding, dims, 0),
        ntuple(name, "dilation", dilation, dims, 1),
        bool(ceil_mode),
    )
    if any(2 * p > k for p, k in zip(window.padding, size, strict=True)):
        raise RuntimeError(
            f"{name}: padding {window.padding} is more than half of kernel_size {size}"
        )
    out = window.output_size(input.shape[-dims:])
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: the window {size} is larger than the padded input: "
            f"{input.shape[-dims:]} with padding {window.padding} gives output size {out}"
        )
    return window


def _output_size(name: str, dims: int, input: Any, output_size: Any) -> tuple[int, ...]:
    """Return the sizes that adaptive pooling leads to: the input's where None is given."""
    check_images(name, input, dims)
    _check_floating(name, input)
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(given) != dims:
        raise RuntimeError(f"{name}: output_size must be an int or {dims} ints, got {output_size!r}")
    size = zip(given, input.shape[-dims:], strict=True)
    return ntuple(name, "output_size", [n if m is None else m for m, n in size], dims, 0)


def _check_floating(name: str, input: Any) -> None:
    if input.dtype.kind != "f":
        raise RuntimeError(f"{name}: input must be floating, got {input.dtype}")


def _draw_images(draw: Any, size: tuple[int, ...]) -> tuple[int, ...]:
    """Draw the shape of images of `size`: of one, or of a batch."""
    return (*draw.shape(1, 2, max_side=2), *size)


def _draw_case(draw: Any, dims: int, dilated: bool = True) -> tuple[Window, tuple[int, ...]]:
    """Draw a window and the shape of images that it fits into."""
    most = 3 if dims < 3 else 2

    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw.integer(low, high) for _ in range(dims))

    size = each(1, most)
    window = Window(
        size,
        each(1, 3),
        tuple(draw.integer(0, k // 2) for k in size),
        each(1, 2 if dilated else 1),
        draw.boolean(),
    )
    image = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + draw.integer(0, most)
        for k, p, d in zip(size, window.padding, window.dilation, strict=True)
    )
    return window, _draw_images(draw, image)


def _draw_regions(draw: Any, dims: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw an output size and the shape of images for adaptive pooling."""
    most = 5 if dims < 3 else 3
    output_size = tuple(draw.integer(1, most - 1) for _ in range(dims))
    return output_size, _draw_images(draw, draw.shape(dims, dims, max_side=most))
