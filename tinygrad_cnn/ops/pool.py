"""Two-dimensional pooling, closed under differentiation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels import pool as kernel
from tinygrad_cnn.kernels.pool import Window

from .conv import Pair, batched, pair

# -- maxima ------------------------------------------------------------------------------------


@op(name="max_pool2d", auxiliary=("taps",))
def max_pool2d_with_taps(input: Array, window: Window) -> Any:
    """Return the maxima of (N, C, H, W), and which tap of its window each came from."""
    return kernel.max_pool2d(input, window)


@max_pool2d_with_taps.gradient("input")
def _(g, taps, input_shape, window): return max_pool2d_input(g, taps, input_shape, window)


@max_pool2d_with_taps.samples
def _(draw):
    window, shape = _draw_case(draw)
    return draw.array(shape, distinct=True), window


@op(constant=("taps",))
def max_pool2d_input(
    cotangent: Array, taps: Array, input_shape: tuple[int, ...], window: Window
) -> Any:
    """Return the gradient of max pooling with respect to its input."""
    return kernel.max_pool2d_input(cotangent, taps, input_shape, window)


@max_pool2d_input.gradient("cotangent")
def _(g, taps, window): return max_pool2d_pick(g, taps, window)


@max_pool2d_input.samples
def _(draw):
    window, shape = _draw_case(draw)
    _, taps = kernel.max_pool2d(draw.array(shape), window)
    return draw.array(taps.shape), taps, shape, window


@op(constant=("taps",))
def max_pool2d_pick(input: Array, taps: Array, window: Window) -> Any:
    """Return the element of `input` at each window's tap."""
    return kernel.max_pool2d_pick(input, taps, window)


@max_pool2d_pick.gradient("input")
def _(g, taps, input_shape, window): return max_pool2d_input(g, taps, input_shape, window)


@max_pool2d_pick.samples
def _(draw):
    window, shape = _draw_case(draw)
    x = draw.array(shape)
    return x, kernel.max_pool2d(x, window)[1], window


class MaxPool(NamedTuple):
    """What `max_pool2d` returns with ``return_indices=True``."""

    out: Tensor
    indices: Tensor


def max_pool2d(
    input: Array,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
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
    window = _window("max_pool2d", input, kernel_size, stride, padding, dilation, ceil_mode)
    out, taps = max_pool2d_with_taps(batched(input), window)
    if input.ndim == 3:
        out, taps = out[0], taps[0]
    if not return_indices:
        return out
    numbers = (taps.data if isinstance(taps, Tensor) else taps).astype(np.int64)
    oh, ow = numbers.shape[-2:]
    rows = numbers // window.kernel[1] * window.dilation[0] - window.padding[0]
    columns = numbers % window.kernel[1] * window.dilation[1] - window.padding[1]
    rows += np.arange(oh)[:, None] * window.stride[0]
    columns += np.arange(ow) * window.stride[1]
    return MaxPool(out, Tensor(rows * input.shape[-1] + columns))


# -- means -------------------------------------------------------------------------------------


@op(name="avg_pool2d")
def _avg_pool2d(
    input: Array, window: Window, count_include_pad: bool, divisor_override: int | None
) -> Any:
    size = input.shape[2:]
    divisor = kernel.avg_divisor(size, window, count_include_pad, divisor_override)
    return kernel.avg_pool2d(input, window, divisor)


@_avg_pool2d.gradient("input")
def _(g, input_shape, window, count_include_pad, divisor_override):
    return avg_pool2d_input(g, input_shape, window, count_include_pad, divisor_override)


@_avg_pool2d.samples
def _(draw):
    window, shape = _draw_case(draw, dilated=False)
    return draw.array(shape), window, draw.boolean(), draw.choice([None, 3])


@op
def avg_pool2d_input(
    cotangent: Array,
    input_shape: tuple[int, ...],
    window: Window,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    """Return the gradient of average pooling with respect to its input."""
    divisor = kernel.avg_divisor(input_shape[2:], window, count_include_pad, divisor_override)
    return kernel.avg_pool2d_input(cotangent, input_shape, window, divisor)


@avg_pool2d_input.gradient("cotangent")
def _(g, window, count_include_pad, divisor_override):
    return _avg_pool2d(g, window, count_include_pad, divisor_override)


@avg_pool2d_input.samples
def _(draw):
    window, shape = _draw_case(draw, dilated=False)
    out = (*shape[:2], *window.output_size(shape[2:]))
    return draw.array(out), shape, window, draw.boolean(), draw.choice([None, 3])


def avg_pool2d(
    input: Array,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W) or (C, H, W).
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
    if divisor_override is not None and divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor_override must not be 0")
    window = _window("avg_pool2d", input, kernel_size, stride, padding, 1, ceil_mode)
    out = _avg_pool2d(batched(input), window, count_include_pad, divisor_override)
    return out[0] if input.ndim == 3 else out


@op(name="adaptive_avg_pool2d")
def _adaptive_avg_pool2d(input: Array, output_size: tuple[int, int]) -> Any:
    return kernel.adaptive_avg_pool2d(input, output_size)


@_adaptive_avg_pool2d.gradient("input")
def _(g, input_shape): return adaptive_avg_pool2d_input(g, input_shape)


@_adaptive_avg_pool2d.samples
def _(draw):
    shape = draw.shape(4, 4, max_side=5)
    return draw.array(shape), (draw.integer(1, 4), draw.integer(1, 4))


@op
def adaptive_avg_pool2d_input(cotangent: Array, input_shape: tuple[int, ...]) -> Any:
    """Return the gradient of adaptive average pooling with respect to its input."""
    return kernel.adaptive_avg_pool2d_input(cotangent, input_shape)


@adaptive_avg_pool2d_input.gradient("cotangent")
def _(g, cotangent_shape): return _adaptive_avg_pool2d(g, cotangent_shape[2:])


@adaptive_avg_pool2d_input.samples
def _(draw):
    shape = draw.shape(4, 4, max_side=5)
    return draw.array((*shape[:2], draw.integer(1, 4), draw.integer(1, 4))), shape


def adaptive_avg_pool2d(
    input: Array, output_size: int | tuple[int | None, int | None] | None
) -> Tensor:
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
        If the input has another number of dimensions, or an empty image.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.arange(16.0).reshape(1, 1, 4, 4)
    >>> tg.nn.functional.adaptive_avg_pool2d(x, 1)
    tensor([[[[7.5]]]])
    """
    _check_image("adaptive_avg_pool2d", input)
    sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size, output_size)
    if len(sizes) != 2:
        raise TypeError(f"adaptive_avg_pool2d: output_size must be an int or a pair, got {output_size!r}")
    kept = [n if size is None else size for n, size in zip(input.shape[-2:], sizes, strict=True)]
    out = _adaptive_avg_pool2d(batched(input), pair("adaptive_avg_pool2d", "output_size", kept, 0))
    return out[0] if input.ndim == 3 else out


def _check_image(name: str, input: Any) -> None:
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            f"{name}: input must be (N, C, H, W) or (C, H, W), with C, H, W > 0, got {input.shape}"
        )


def _window(
    name: str, input: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    _check_image(name, input)
    size = pair(name, "kernel_size", kernel_size, 1)
    window = Window(
        size,
        size if stride is None else pair(name, "stride", stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
        bool(ceil_mode),
    )
    if any(2 * p > k for p, k in zip(window.padding, size, strict=True)):
        raise RuntimeError(
            f"{name}: padding {window.padding} is more than half of kernel_size {size}"
        )
    out = window.output_size(input.shape[-2:])
    if min(out) < 1:
        raise RuntimeError(
            f"{name}: the window {size} is larger than the padded input: "
            f"{input.shape[-2:]} with padding {window.padding} gives output size {out}"
        )
    return window


def _draw_case(draw: Any, dilated: bool = True) -> tuple[Window, tuple[int, ...]]:
    """Draw a window and the shape of a batch of images that it fits into."""
    size = (draw.integer(1, 3), draw.integer(1, 3))
    window = Window(
        size,
        (draw.integer(1, 3), draw.integer(1, 3)),
        (draw.integer(0, size[0] // 2), draw.integer(0, size[1] // 2)),
        (draw.integer(1, 2), draw.integer(1, 2)) if dilated else (1, 1),
        draw.boolean(),
    )
    image = tuple(
        max(1, d * (k - 1) + 1 - 2 * p) + draw.integer(0, 3)
        for k, p, d in zip(size, window.padding, window.dilation, strict=True)
    )
    return window, (draw.integer(1, 2), draw.integer(1, 2), *image)
