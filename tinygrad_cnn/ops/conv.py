"""Convolution in one, two and three dimensions, closed under differentiation.

The gradients of a convolution are its transposes in the input and in the weight: `conv_transpose`
and `conv_weight`. All of them are bilinear, so each one's gradients are the others.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_cnn.core.op import Array, op
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels import conv as kernel
from tinygrad_cnn.kernels.conv import Geometry, same_padding

from . import reduce
from ._windows import Size, check_images, ntuple
from .padding import pad

# -- convolution -------------------------------------------------------------------------------


@op
def conv1d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Convolve a batch of signals with a set of kernels; `conv2d` in one dimension.

    Parameters
    ----------
    input : Tensor
        (N, C, W), or (C, W) for a single signal.
    weight : Tensor
        (O, C / groups, KW).
    bias : Tensor, optional
        (O,).
    stride, padding, dilation, groups
        As `conv2d`'s.

    Returns
    -------
    Tensor
        (N, O, OW).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> signal = tg.tensor([[[1.0, 2, 4, 8]]])
    >>> tg.nn.functional.conv1d(signal, tg.tensor([[[-1.0, 1]]]))
    tensor([[[1., 2., 4.]]])
    """
    return _convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@op
def conv2d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
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
    stride, dilation : int or tuple of int
        Steps of the window, and between its taps.
    padding : int, tuple of int, "valid" or "same"
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
    TypeError
        If an input is no tensor, or an option no number.
    RuntimeError
        If shapes, dtypes, groups or options do not fit, or the window is larger than the padded
        input.
    ValueError
        If `padding` or `groups` has no meaning.

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
    return _convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@op
def conv3d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Convolve a batch of volumes with a set of kernels; `conv2d` in three dimensions.

    Parameters
    ----------
    input : Tensor
        (N, C, D, H, W), or (C, D, H, W) for a single volume.
    weight : Tensor
        (O, C / groups, KD, KH, KW).
    bias : Tensor, optional
        (O,).
    stride, padding, dilation, groups
        As `conv2d`'s.

    Returns
    -------
    Tensor
        (N, O, OD, OH, OW).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> video = tg.zeros(1, 3, 8, 32, 32)
    >>> tg.nn.functional.conv3d(video, tg.zeros(16, 3, 3, 5, 5), padding=(1, 2, 2)).shape
    (1, 16, 8, 32, 32)
    """
    return _convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


def _convolve(
    name: str,
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    _check(name, dims, input, weight, bias, groups)
    geometry = _geometry(name, weight.shape[2:], stride, padding, dilation, groups)
    _check_window(name, input.shape[-dims:], weight.shape[2:], geometry)
    out = kernel.conv(_batched(input, dims), weight, bias, geometry)
    return out[0] if input.ndim == dims + 1 else out


_CONV = {3: conv1d, 4: conv2d, 5: conv3d}  # by the weight's number of dimensions

for conv in _CONV.values():

    @conv.gradient("input", fresh=True)
    def _(g, weight, input_shape, stride, padding, dilation, groups):
        return conv_transpose(g, weight, None, input_shape, stride, padding, dilation, groups)

    @conv.gradient("weight", fresh=True)
    def _(g, input, weight_shape, stride, padding, dilation, groups):
        return conv_weight(g, input, weight_shape, stride, padding, dilation, groups)

    @conv.gradient("bias")
    def _(g, weight_shape): return _sum_places(g, len(weight_shape) - 2)

    @conv.onnx
    def _(onnx, input, weight, bias, stride, padding, dilation, groups, out):
        geometry = _geometry("conv", weight.shape[2:], stride, padding, dilation, groups)
        attributes = _onnx_attributes(geometry, weight.shape[2:])
        dims = len(weight.shape) - 2
        return onnx.on_images("Conv", dims, input, weight, bias, out=out, **attributes)


def _onnx_attributes(geometry: Geometry, kernel_size: tuple[int, ...]) -> dict[str, Any]:
    """Return the attributes of ONNX's nodes Conv and ConvTranspose."""
    return {
        "kernel_shape": kernel_size,
        "strides": geometry.stride,
        "pads": [side for sides in zip(*geometry.padding, strict=True) for side in sides],
        "dilations": geometry.dilation,
        "group": geometry.groups,
    }


def _sum_places(g: Any, dims: int) -> Any:
    """Sum over all but the channels."""
    return reduce.sum(g, tuple(dim for dim in range(g.ndim) if dim != g.ndim - dims - 1))


@conv1d.samples
def _(draw): return _draw_conv(draw, 1)


@conv2d.samples
def _(draw): return _draw_conv(draw, 2)


@conv3d.samples
def _(draw): return _draw_conv(draw, 3)


@op
def conv_transpose(
    input: Array,
    weight: Array,
    bias: Array,
    output_shape: tuple[int, ...],
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Return the transpose of a convolution in its input, of shape `output_shape`, plus `bias`."""
    dims = weight.ndim - 2
    geometry = _geometry("conv_transpose", weight.shape[2:], stride, padding, dilation, groups)
    shape = output_shape if input.ndim == dims + 2 else (1, *output_shape)
    out = kernel.conv_transpose(_batched(input, dims), weight, bias, shape, geometry)
    return out[0] if input.ndim == dims + 1 else out


@conv_transpose.gradient("input", fresh=True)
def _(g, weight, stride, padding, dilation, groups):
    return _CONV[weight.ndim](g, weight, None, stride, padding, dilation, groups)


@conv_transpose.gradient("weight", fresh=True)
def _(g, input, weight_shape, stride, padding, dilation, groups):
    return conv_weight(input, g, weight_shape, stride, padding, dilation, groups)


@conv_transpose.gradient("bias")
def _(g, weight_shape): return _sum_places(g, len(weight_shape) - 2)


@conv_transpose.onnx
def _(onnx, input, weight, bias, stride, padding, dilation, groups, out):
    kernel_size = weight.shape[2:]
    dims = len(kernel_size)
    geometry = _geometry("conv_transpose", kernel_size, stride, padding, dilation, groups)
    least = geometry.input_size(input.shape[-dims:], kernel_size)
    extra = [n - m for n, m in zip(out.shape[-dims:], least, strict=True)]
    attributes = _onnx_attributes(geometry, kernel_size)
    return onnx.on_images(
        "ConvTranspose", dims, input, weight, bias, out=out, output_padding=extra, **attributes
    )


@conv_transpose.samples
def _(draw):
    dims = draw.integer(1, 3)
    image, weight, out, options = _draw_case(draw, dims)
    bias = draw.array(image[-dims - 1 : -dims]) if draw.boolean() else None
    return draw.array(out), draw.array(weight), bias, image, options


@op
def conv_weight(
    cotangent: Array,
    input: Array,
    weight_shape: tuple[int, ...],
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Return the transpose of a convolution in its weight, which had the shape `weight_shape`."""
    dims = len(weight_shape) - 2
    geometry = _geometry("conv_weight", weight_shape[2:], stride, padding, dilation, groups)
    cotangent, input = _batched(cotangent, dims), _batched(input, dims)
    return kernel.conv_weight(cotangent, input, weight_shape, geometry)


@conv_weight.gradient("cotangent")
def _(g, input, stride, padding, dilation, groups):
    return _CONV[g.ndim](input, g, None, stride, padding, dilation, groups)


@conv_weight.gradient("input")
def _(g, cotangent, input_shape, stride, padding, dilation, groups):
    return conv_transpose(cotangent, g, None, input_shape, stride, padding, dilation, groups)


@conv_weight.samples
def _(draw):
    image, weight, out, options = _draw_case(draw, draw.integer(1, 3))
    return draw.array(out), draw.array(image), weight, options


# -- transposed convolution --------------------------------------------------------------------


def conv_transpose1d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each element of a signal over a window; `conv_transpose2d` in one dimension.

    Parameters
    ----------
    input : Tensor
        (N, C, W), or (C, W) for a single signal.
    weight : Tensor
        (C, O / groups, KW).
    bias : Tensor, optional
        (O,).
    stride, padding, output_padding, groups, dilation
        As `conv_transpose2d`'s.

    Returns
    -------
    Tensor
        (N, O, OW).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> signal, kernel = tg.tensor([[[1.0, 10, 100]]]), tg.tensor([[[1.0, 2]]])
    >>> tg.nn.functional.conv_transpose1d(signal, kernel, stride=2)
    tensor([[[  1.,   2.,  10.,  20., 100., 200.]]])
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose1d", 1, input, weight, bias, *options)


def conv_transpose2d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each pixel over a window of the output, weighted by a kernel; windows add up.

    It is the transpose of `conv2d` with the same weight and options: what takes the gradient of
    that one's output to the gradient of its input.

    Parameters
    ----------
    input : Tensor
        (N, C, H, W), or (C, H, W) for a single image.
    weight : Tensor
        (C, O / groups, KH, KW).
    bias : Tensor, optional
        (O,).
    stride, dilation : int or tuple of int
        Steps of the window, and between its taps.
    padding : int or tuple of int
        So much is cut off from each side of the output.
    output_padding : int or tuple of int
        So much is the output larger at the right and the bottom; less than stride or dilation.
    groups : int
        Input and output channels are cut into so many groups, each treated by itself.

    Returns
    -------
    Tensor
        (N, O, OH, OW) with
        ``OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1``.

    Raises
    ------
    TypeError
        If an input is no tensor, or an option no number.
    RuntimeError
        If shapes, dtypes, groups or options do not fit, or nothing of the output is left.
    ValueError
        If `groups` has no meaning.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> image, kernel = tg.tensor([[[[1.0, 2], [3, 4]]]]), tg.ones(1, 1, 3, 3)
    >>> tg.nn.functional.conv_transpose2d(image, kernel, stride=2, padding=1)
    tensor([[[[ 1.,  3.,  2.],
              [ 4., 10.,  6.],
              [ 3.,  7.,  4.]]]])
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose2d", 2, input, weight, bias, *options)


def conv_transpose3d(
    input: Array,
    weight: Array,
    bias: Array = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Tensor:
    """Spread each voxel over a window of the output; `conv_transpose2d` in three dimensions.

    Parameters
    ----------
    input : Tensor
        (N, C, D, H, W), or (C, D, H, W) for a single volume.
    weight : Tensor
        (C, O / groups, KD, KH, KW).
    bias : Tensor, optional
        (O,).
    stride, padding, output_padding, groups, dilation
        As `conv_transpose2d`'s.

    Returns
    -------
    Tensor
        (N, O, OD, OH, OW).

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> volume = tg.zeros(1, 16, 4, 7, 7)
    >>> tg.nn.functional.conv_transpose3d(volume, tg.zeros(16, 8, 2, 2, 2), stride=2).shape
    (1, 8, 8, 14, 14)
    """
    options = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose3d", 3, input, weight, bias, *options)


def _transposed(
    name: str,
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    _check(name, dims, input, weight, bias, groups, transposed=True)
    padding = ntuple(name, "padding", padding, dims, 0)
    extra = ntuple(name, "output_padding", output_padding, dims, 0)
    geometry = _geometry(name, weight.shape[2:], stride, padding, dilation, groups)
    steps = tuple(map(max, geometry.stride, geometry.dilation))
    if any(e >= step for e, step in zip(extra, steps, strict=True)):
        raise RuntimeError(
            f"{name}: output_padding must be smaller than stride or dilation {steps}, got {extra}"
        )
    places = input.shape[-dims:]
    size = geometry.input_size(places, weight.shape[2:])
    size = tuple(n + e for n, e in zip(size, extra, strict=True))
    if min(places + size) < 1:
        raise RuntimeError(f"{name}: an input of size {places} gives an output of size {size}")
    more = [e // s for e, s in zip(extra, geometry.stride, strict=True)]
    if any(more):  # so large is the output that the convolution has places beyond the input's
        input = pad(input, [width for count in reversed(more) for width in (0, count)])
    shape = (*input.shape[: -dims - 1], weight.shape[1] * groups, *size)
    return conv_transpose(input, weight, bias, shape, stride, padding, dilation, groups)


# -- columns of an image -----------------------------------------------------------------------


@op
def unfold(
    input: Array, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Any:
    """Return the windows of an image that a convolution sees, as columns (im2col).

    Parameters
    ----------
    input : Tensor
        (N, C, H, W), or (C, H, W) for a single image.
    kernel_size, dilation, padding, stride : int or tuple of int
        As `conv2d`'s.

    Returns
    -------
    Tensor
        (N, C * KH * KW, places), where places is how many windows there are.

    Raises
    ------
    TypeError
        If the input is no tensor, or an option no number.
    RuntimeError
        If the window is larger than the padded input, or an option has no meaning.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> F = tg.nn.functional
    >>> x, weight = tg.randn(2, 3, 8, 8), tg.randn(5, 3, 4, 4)
    >>> columns = F.unfold(x, 4)                  # each column is a window
    >>> out = weight.reshape(5, 48) @ columns     # and each row of the weight a kernel
    >>> tg.allclose(out.reshape(2, 5, 5, 5), F.conv2d(x, weight), atol=1e-4)
    True
    """
    check_images("unfold", input, 2)
    size = input.shape[-2:]
    window, geometry = _blocks("unfold", size, kernel_size, dilation, padding, stride)
    out = kernel.unfold(_batched(input, 2), window, geometry)
    return out[0] if input.ndim == 3 else out


@unfold.gradient("input")
def _(g, input_shape, kernel_size, dilation, padding, stride):
    return fold(g, input_shape[-2:], kernel_size, dilation, padding, stride)


@unfold.onnx
def _(onnx, input, kernel_size, dilation, padding, stride, out):
    # a convolution with a kernel for each tap, which is 1 there and 0 elsewhere
    window, geometry = _blocks("unfold", input.shape[-2:], kernel_size, dilation, padding, stride)
    count, channels = math.prod(window), input.shape[-3]
    kernels = np.tile(np.eye(count, dtype=input.dtype), (channels, 1))
    attributes = _onnx_attributes(geometry._replace(groups=channels), window)
    image = onnx.reshape(input, (*out.shape[:-2], *input.shape[-3:]))
    columns = onnx.on_images(
        "Conv", 2, image, kernels.reshape(-1, 1, *window), out=out, **attributes
    )
    return onnx.reshape(columns, out.shape)


@unfold.samples
def _(draw):
    image, _, options = _draw_blocks(draw)
    return draw.array(image), options


@op
def fold(
    input: Array,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Any:
    """Put the columns that `unfold` makes back, and add where windows overlap (col2im).

    Parameters
    ----------
    input : Tensor
        (N, C * KH * KW, places), or without N for a single image.
    output_size : int or tuple of int
        H, W.
    kernel_size, dilation, padding, stride : int or tuple of int
        As `unfold`'s.

    Returns
    -------
    Tensor
        (N, C, H, W).

    Raises
    ------
    TypeError
        If an option is no number.
    RuntimeError
        If the number or length of the columns does not fit, or an option has no meaning.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> F = tg.nn.functional
    >>> F.fold(F.unfold(tg.ones(1, 1, 3, 3), 2), 3, 2)        # how many windows see a pixel
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    size = ntuple("fold", "output_size", output_size, 2, 1)
    window, geometry = _blocks("fold", size, kernel_size, dilation, padding, stride)
    depth, places = math.prod(window), math.prod(geometry.output_size(size, window))
    shape = np.shape(input)
    if len(shape) not in (2, 3) or not shape[-2] or shape[-2] % depth or shape[-1] != places:
        raise RuntimeError(
            f"fold: input must be (N, a multiple of {depth}, {places}) or without N, for output_size "
            f"{size} and kernel_size {window}, got {shape}"
        )
    out = kernel.fold(_batched(input, 1), window, size, geometry)
    return out[0] if input.ndim == 2 else out


@fold.onnx
def _(onnx, input, kernel_size, dilation, padding, stride, out):
    size = out.shape[-2:]
    window, geometry = _blocks("fold", size, kernel_size, dilation, padding, stride)
    attributes = _onnx_attributes(geometry, window)
    return onnx.on_images(
        "Col2Im", 1, input, list(size), list(window), out=out,
        **{key: attributes[key] for key in ("strides", "pads", "dilations")},
    )


@fold.gradient("input")
def _(g, kernel_size, dilation, padding, stride):
    return unfold(g, kernel_size, dilation, padding, stride)


@fold.samples
def _(draw):
    image, columns, options = _draw_blocks(draw)
    return draw.array(columns), image[-2:], options


# -- checks ------------------------------------------------------------------------------------


def _batched(x: Any, dims: int) -> Any:
    """Return a single image as a batch of one; an image has `dims` dimensions, and channels."""
    return x[None] if x.ndim == dims + 1 else x


def _check(
    name: str,
    dims: int,
    input: Any,
    weight: Any,
    bias: Any,
    groups: int,
    transposed: bool = False,
) -> None:
    """Check that the inputs of a convolution fit together."""
    arrays = (input, weight) if bias is None else (input, weight, bias)
    for i, array in enumerate(arrays):
        if not isinstance(array, (np.ndarray, Tensor)):
            argument = ("input", "weight", "bias")[i]
            raise TypeError(f"{name}: {argument} must be a Tensor, got {type(array).__name__}")
    if weight.ndim != dims + 2:
        axes = ", ".join(("C, O" if transposed else "O, C", *(f"K{axis}" for axis in "DHW"[-dims:])))
        raise RuntimeError(
            f"{name}: weight must have {dims + 2} dimensions ({axes}), got {weight.shape}"
        )
    if input.ndim not in (dims + 1, dims + 2):
        axes = ", ".join(("C", *"DHW"[-dims:]))
        raise RuntimeError(
            f"{name}: input must have {dims + 2} dimensions (N, {axes}) or {dims + 1} ({axes}), "
            f"got {input.shape}"
        )
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"{name}: groups must be a positive int, got {groups!r}")
    first, second = weight.shape[0], weight.shape[1] * groups
    expected, outputs = (first, second) if transposed else (second, first)
    channels = input.shape[-dims - 1]
    if channels != expected:
        raise RuntimeError(
            f"{name}: input has {channels} channels, weight {weight.shape} expects "
            f"{expected} (groups={groups})"
        )
    if first % groups:
        raise RuntimeError(
            f"{name}: weight {weight.shape} has {first} channels, which {groups} groups do not divide"
        )
    if 0 in (first, outputs, *weight.shape[2:]):
        raise RuntimeError(f"{name}: weight {weight.shape} is empty")
    if not input.dtype == weight.dtype == arrays[-1].dtype:
        found = ", ".join(str(array.dtype) for array in arrays)
        raise RuntimeError(f"{name}: input, weight and bias must have one dtype, got {found}")
    if bias is not None and bias.shape != (outputs,):
        raise RuntimeError(
            f"{name}: bias has shape {bias.shape}, weight {weight.shape} expects ({outputs},)"
        )


def _geometry(
    name: str,
    kernel_size: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int = 1,
) -> Geometry:
    """Return the options of a convolution, checked."""
    dims = len(kernel_size)
    strides = ntuple(name, "stride", stride, dims, 1)
    dilations = ntuple(name, "dilation", dilation, dims, 1)
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f'{name}: padding must be "same", "valid" or ints, got {padding!r}')
        if padding == "same" and max(strides) > 1:
            raise ValueError(f'{name}: padding="same" needs stride 1, got {stride!r}')
        sides = same_padding(kernel_size, dilations) if padding == "same" else ((0, 0),) * dims
    else:
        sides = tuple([(side, side) for side in ntuple(name, "padding", padding, dims, 0)])
    return Geometry(strides, sides, dilations, groups)


def _check_window(
    name: str, size: tuple[int, ...], kernel_size: tuple[int, ...], geometry: Geometry
) -> None:
    if min(geometry.output_size(size, kernel_size)) < 1:
        raise RuntimeError(
            f"{name}: the window {geometry.window(kernel_size)} is larger than the padded input "
            f"{geometry.padded(size)}"
        )


def _blocks(
    name: str, size: tuple[int, ...], kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[int, ...], Geometry]:
    """Return the options of `unfold`, checked for an image of this size."""
    window = ntuple(name, "kernel_size", kernel_size, 2, 1)
    sides = ntuple(name, "padding", padding, 2, 0)
    geometry = _geometry(name, window, stride, sides, dilation)
    _check_window(name, size, window, geometry)
    return window, geometry


# -- sampling ----------------------------------------------------------------------------------

Shape = tuple[int, ...]


def _draw_case(draw: Any, dims: int) -> tuple[Shape, Shape, Shape, dict[str, Any]]:
    """Draw the shapes of an image, a weight, and their convolution, and the options of that."""
    most = 2 if dims == 3 else 3
    groups = draw.choice([1, 1, 2, 3])
    kernel_size = tuple(draw.integer(1, most) for _ in range(dims))
    dilation = tuple(draw.integer(1, 2) for _ in range(dims))
    padding: Any = draw.choice([0, 1, (2, 1, 0)[-dims:], "valid", "same"])
    stride: Any = 1 if padding == "same" else draw.choice([1, 2, (2, 1, 3)[-dims:]])
    weight = (groups * draw.integer(1, 2), draw.integer(1, 2), *kernel_size)
    size = tuple(
        d * (k - 1) + 1 + draw.integer(0, most) for d, k in zip(dilation, kernel_size, strict=True)
    )
    batch = () if draw.integer(0, 4) == 4 else (draw.integer(1, 2),)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    geometry = _geometry("draw", kernel_size, **options)
    out = (*batch, weight[0], *geometry.output_size(size, kernel_size))
    return (*batch, weight[1] * groups, *size), weight, out, options


def _draw_conv(draw: Any, dims: int) -> tuple[Any, ...]:
    image, weight, _, options = _draw_case(draw, dims)
    bias = draw.array(weight[:1]) if draw.boolean() else None
    return draw.array(image), draw.array(weight), bias, options


def _draw_blocks(draw: Any) -> tuple[Shape, Shape, dict[str, Any]]:
    """Draw the shapes of an image and of its columns, and options of `unfold`."""
    image, weight, _, options = _draw_case(draw, 2)
    options["kernel_size"] = weight[2:]
    options["padding"] = draw.choice([0, 1, (0, 2)])
    options["stride"] = draw.choice([1, 2, (1, 3)])
    del options["groups"]
    window, geometry = _blocks("draw", image[-2:], **options)
    places = math.prod(geometry.output_size(image[-2:], window))
    return image, (*image[:-3], image[-3] * math.prod(window), places), options
