"""Two-dimensional convolution, closed under differentiation.

The gradients of `conv2d` are `conv2d_input` and `conv2d_weight`: its transposes in the input and
in the weight. All three are bilinear, so each one's gradients are the other two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.kernels import conv as kernel
from tinygrad_cnn.kernels.conv import Geometry, same_padding

from . import reduce

Pair = int | tuple[int, int]


@op
def conv2d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Convolve a batch of images with a set of kernels (a cross-correlation, as everywhere).

    ``out[n, o, y, x] = bias[o] + sum(weight[o] * window of input[n] at y * stride, x * stride)``

    Parameters
    ----------
    input : Tensor
        (N, C, H, W), or (C, H, W) for a single image.
    weight : Tensor
        (O, C / groups, KH, KW).
    bias : Tensor, optional
        (O,).
    stride, dilation : int or pair of int
        Steps of the window, and between its taps.
    padding : int, pair of int, "valid" or "same"
        Zeros around the input. With "same" (stride 1 only) the output has the input's size; an
        odd zero goes to the right and the bottom.
    groups : int
        Input and output channels are cut into so many groups, each convolved by itself.

    Returns
    -------
    Tensor
        (N, O, OH, OW) with ``OH = floor((H + 2 padding - dilation (KH - 1) - 1) / stride) + 1``.

    Raises
    ------
    RuntimeError
        If shapes, dtypes or groups do not fit, or the window is larger than the padded input.
    ValueError
        If an option has no meaning.

    References
    ----------
    .. [1] V. Dumoulin and F. Visin, "A guide to convolution arithmetic for deep learning",
       arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> image = tg.tensor([[1.0, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]])
    >>> kernel = tg.tensor([[2.0, 0, 1], [0, 1, 2], [1, 0, 2]])
    >>> tg.nn.functional.conv2d(image.reshape(1, 1, 4, 4), kernel.reshape(1, 1, 3, 3))
    tensor([[[[15., 16.],
              [ 6., 15.]]]])
    """
    geometry = _geometry("conv2d", np.shape(input), np.shape(weight), stride, padding, dilation, groups)
    if not input.dtype == weight.dtype == (weight if bias is None else bias).dtype:
        found = ", ".join(str(a.dtype) for a in (input, weight, bias) if a is not None)
        raise RuntimeError(f"conv2d: input, weight and bias must have one dtype, got {found}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(
            f"conv2d: bias has shape {bias.shape}, weight {weight.shape} expects {weight.shape[:1]}"
        )
    out = kernel.conv2d(batched(input), weight, bias, geometry)
    return out[0] if input.ndim == 3 else out


@conv2d.gradient("input")
def _(g, weight, input_shape, stride, padding, dilation, groups):
    return conv2d_input(g, weight, input_shape, stride, padding, dilation, groups)


@conv2d.gradient("weight")
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return conv2d_weight(g, input, weight_shape, stride, padding, dilation, groups)


@conv2d.gradient("bias")
def _(g): return reduce.sum(g, (-1, -2) if g.ndim == 3 else (0, 2, 3))


@conv2d.samples
def _(draw):
    image, weight, options = _draw_case(draw)
    bias = draw.array(weight[:1]) if draw.boolean() else None
    return draw.array(image), draw.array(weight), bias, options


@op
def conv2d_input(
    cotangent: Array,
    weight: Array,
    input_shape: tuple[int, ...],
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Return the gradient of `conv2d` with respect to its input, of shape `input_shape`."""
    geometry = _geometry("conv2d_input", input_shape, weight.shape, stride, padding, dilation, groups)
    batch_shape = input_shape if len(input_shape) == 4 else (1, *input_shape)
    out = kernel.conv2d_input(batched(cotangent), weight, batch_shape, geometry)
    return out[0] if len(input_shape) == 3 else out


@conv2d_input.gradient("cotangent")
def _(g, weight, stride, padding, dilation, groups):
    return conv2d(g, weight, None, stride, padding, dilation, groups)


@conv2d_input.gradient("weight")
def _(g, cotangent, weight_shape, stride, padding, dilation, groups):
    return conv2d_weight(cotangent, g, weight_shape, stride, padding, dilation, groups)


@conv2d_input.samples
def _(draw):
    image, weight, options = _draw_case(draw)
    return draw.array(_output_shape(image, weight, options)), draw.array(weight), image, options


@op
def conv2d_weight(
    cotangent: Array,
    input: Array,
    weight_shape: tuple[int, ...],
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Any:
    """Return the gradient of `conv2d` with respect to its weight, of shape `weight_shape`."""
    geometry = _geometry("conv2d_weight", input.shape, weight_shape, stride, padding, dilation, groups)
    return kernel.conv2d_weight(batched(cotangent), batched(input), weight_shape, geometry)


@conv2d_weight.gradient("cotangent")
def _(g, input, stride, padding, dilation, groups):
    return conv2d(input, g, None, stride, padding, dilation, groups)


@conv2d_weight.gradient("input")
def _(g, cotangent, input_shape, stride, padding, dilation, groups):
    return conv2d_input(cotangent, g, input_shape, stride, padding, dilation, groups)


@conv2d_weight.samples
def _(draw):
    image, weight, options = _draw_case(draw)
    return draw.array(_output_shape(image, weight, options)), draw.array(image), weight, options


def batched(x: Any) -> Any:
    """Return a single image (C, H, W) as a batch of one."""
    return x[None] if x.ndim == 3 else x


def pair(name: str, argument: str, value: Any, least: int) -> tuple[int, int]:
    """Return an option as a pair of integers, each at least `least`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) == 1:
        values *= 2
    if len(values) != 2 or not all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) for v in values
    ):
        raise TypeError(f"{name}: {argument} must be an int or a pair of ints, got {value!r}")
    if min(values) < least:
        raise ValueError(f"{name}: {argument} must be at least {least}, got {value!r}")
    return int(values[0]), int(values[1])


def _geometry(
    name: str,
    input_shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Geometry:
    """Return the geometry of a convolution, after checking that its parts fit together."""
    if len(weight_shape) != 4:
        raise RuntimeError(f"{name}: weight must have 4 dimensions (O, C, KH, KW), got {weight_shape}")
    if len(input_shape) not in (3, 4):
        raise RuntimeError(
            f"{name}: input must have 4 dimensions (N, C, H, W) or 3 (C, H, W), got {input_shape}"
        )
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"{name}: groups must be a positive int, got {groups!r}")
    channels, size, kernel_size = input_shape[-3], input_shape[-2:], weight_shape[2:]
    if channels != weight_shape[1] * groups:
        raise RuntimeError(
            f"{name}: input has {channels} channels, weight {weight_shape} expects "
            f"{weight_shape[1] * groups} (groups={groups})"
        )
    if weight_shape[0] % groups:
        raise RuntimeError(
            f"{name}: weight {weight_shape} has {weight_shape[0]} output channels, "
            f"which {groups} groups do not divide"
        )
    if min(kernel_size) < 1:
        raise RuntimeError(f"{name}: weight {weight_shape} has an empty kernel")
    strides = pair(name, "stride", stride, 1)
    dilations = pair(name, "dilation", dilation, 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'{name}: padding must be "same", "valid" or ints, got {padding!r}')
        if padding == "same" and strides != (1, 1):
            raise ValueError(f'{name}: padding="same" needs stride 1, got {stride!r}')
        same = same_padding(kernel_size, dilations)
        (top, bottom), (left, right) = same if padding == "same" else ((0, 0), (0, 0))
    else:
        top, left = pair(name, "padding", padding, 0)
        bottom, right = top, left
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        if size[axis] + before + after < dilations[axis] * (kernel_size[axis] - 1) + 1:
            padded = (size[0] + top + bottom, size[1] + left + right)
            window = tuple(d * (k - 1) + 1 for d, k in zip(dilations, kernel_size, strict=True))
            raise RuntimeError(f"{name}: the window {window} is larger than the padded input {padded}")
    return Geometry(strides, ((top, bottom), (left, right)), dilations, int(groups))


def _draw_case(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Draw the shapes of an image and a weight, and options that fit them."""
    groups = draw.choice([1, 1, 2, 3])
    kernel_size = (draw.integer(1, 3), draw.integer(1, 3))
    dilation = (draw.integer(1, 2), draw.integer(1, 2))
    padding: Any = draw.choice([0, 1, (2, 1), "valid", "same"])
    stride: Any = 1 if padding == "same" else draw.choice([1, 2, (1, 3)])
    weight = (groups * draw.integer(1, 2), draw.integer(1, 2), *kernel_size)
    size = tuple(
        d * (k - 1) + 1 + draw.integer(0, 3) for d, k in zip(dilation, kernel_size, strict=True)
    )
    batch = () if draw.integer(0, 4) == 4 else (draw.integer(1, 2),)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return (*batch, weight[1] * groups, *size), weight, options


def _output_shape(
    image: tuple[int, ...], weight: tuple[int, ...], options: dict[str, Any]
) -> tuple[int, ...]:
    size = _geometry("conv2d", image, weight, **options).output_size(image[-2:], weight[2:])
    return (*image[:-3], weight[0], *size)
