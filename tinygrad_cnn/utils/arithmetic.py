"""The arithmetic of convolutional networks: sizes, costs, and what an output sees."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from tinygrad_cnn import nn
from tinygrad_cnn.kernels.conv import Geometry, same_padding
from tinygrad_cnn.ops._windows import Size, ntuple

S = TypeVar("S", int, Sequence[int])


def conv_output_size(
    input_size: S,
    kernel_size: Size,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
) -> S:
    """Return the size of what a convolution or pooling makes of an input of `input_size`.

    ``floor((input + 2 padding - dilation (kernel - 1) - 1) / stride) + 1`` along each axis [1]_.

    Parameters
    ----------
    input_size : int, or sequence of int
        Along one axis, or along each.
    kernel_size, stride, dilation : int or sequence of int
    padding : int, sequence of int, "valid" or "same"
        As in `nn.Conv2d`.

    Returns
    -------
    int or tuple of int
        As `input_size`.

    Raises
    ------
    RuntimeError
        If the window is larger than the padded input, or an option has no meaning.

    References
    ----------
    .. [1] V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning",
       arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.utils.conv_output_size((224, 224), 7, stride=2, padding=3)
    (112, 112)
    >>> tg.utils.conv_output_size(28, 5)
    24
    """
    single = isinstance(input_size, int)
    size = (input_size,) if isinstance(input_size, int) else tuple(input_size)
    kernel, geometry = _window(len(size), kernel_size, stride, padding, dilation)
    out = geometry.output_size(size, kernel)
    if min(out, default=1) < 1:
        raise RuntimeError(
            f"conv_output_size: the window {geometry.window(kernel)} is larger than the padded "
            f"input {geometry.padded(size)}"
        )
    return out[0] if single else out  # type: ignore[return-value]


def conv_macs(
    in_channels: int,
    out_channels: int,
    kernel_size: Sequence[int],
    output_size: Sequence[int],
    groups: int = 1,
    bias: bool = False,
) -> int:
    """Return how often a convolution multiplies and adds, for one image.

    ``out_channels * (in_channels / groups * kernel + bias) * output``: each output element is a
    sum of so many products. Adding the bias counts as one more, as in torchinfo.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, output_size : sequence of int
        Along each axis.
    groups : int
    bias : bool
        Whether there is one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.utils.conv_macs(3, 64, (7, 7), (112, 112))         # the first layer of a ResNet
    118013952
    >>> tg.utils.conv_macs(32, 32, (3, 3), (112, 112), groups=32)            # and depthwise
    3612672
    """
    products = in_channels // groups * math.prod(kernel_size) + bool(bias)
    return out_channels * products * math.prod(output_size)


class ReceptiveField(NamedTuple):
    """What part of the input an output element sees, along each axis.

    Output i sees the `size` inputs from ``i * stride - padding`` on.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]


def receptive_field(layers: nn.Module | Iterable[nn.Module]) -> ReceptiveField:
    """Return what an output of a chain of layers sees of the input [1]_.

    ::

        size    = 1 + Σ dilation (kernel - 1) jump      jump: the product of the strides before
        stride  =     Π stride
        padding =     Σ padding jump

    Parameters
    ----------
    layers : Module, or iterable of Module
        Convolutions and poolings, layers that work on each element by itself, batch norm, dropout,
        and `nn.Sequential` of these.

    Raises
    ------
    TypeError
        If there is another layer: one that sees the whole input, or that is not a chain.
    ValueError
        If no layer has a window.

    References
    ----------
    .. [1] A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural
       networks", Distill, 2019.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> nn = tg.nn
    >>> tg.utils.receptive_field([nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5)])
    ReceptiveField(size=(14, 14), stride=(2, 2), padding=(0, 0))
    >>> blocks = [[nn.Conv2d(1, 1, 3, padding=1)] * n + [nn.MaxPool2d(2)] for n in (2, 2, 3, 3, 3)]
    >>> tg.utils.receptive_field(sum(blocks, []))                                    # VGG-16
    ReceptiveField(size=(212, 212), stride=(32, 32), padding=(90, 90))
    """
    chain = list(_chain([layers] if isinstance(layers, nn.Module) else layers))
    dims = max((_axes(layer) for layer in chain), default=0)
    if not dims:
        raise ValueError("receptive_field: no layer has a window")
    size, jump, offset = [1] * dims, [1] * dims, [0] * dims
    for layer in chain:
        options = layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1)
        kernel, geometry = _window(dims, *options)
        for i, extent in enumerate(geometry.window(kernel)):
            size[i] += (extent - 1) * jump[i]
            offset[i] += geometry.padding[i][0] * jump[i]
            jump[i] *= geometry.stride[i]
    return ReceptiveField(tuple(size), tuple(jump), tuple(offset))


_WINDOWED = {
    1: (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d),
    2: (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d),
    3: (nn.Conv3d, nn.MaxPool3d, nn.AvgPool3d),
}
_POINTWISE = (
    *(nn.Identity, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LocalResponseNorm),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
)


def _chain(layers: Iterable[nn.Module]) -> Iterable[nn.Module]:
    """Yield the layers that have a window."""
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            yield from _chain(layer)
        elif _axes(layer):
            yield layer
        elif not isinstance(layer, _POINTWISE) and type(layer).__module__ != nn.ReLU.__module__:
            raise TypeError(
                f"receptive_field: {type(layer).__name__} is not a convolution, a pooling, a "
                "function of each element, or a Sequential of these"
            )


def _axes(layer: nn.Module) -> int:
    """Return how many axes the layer's window has, 0 if it has none."""
    return next((dims for dims, kinds in _WINDOWED.items() if isinstance(layer, kinds)), 0)


def _window(
    dims: int, kernel_size: Size, stride: Size, padding: Size | str, dilation: Size
) -> tuple[tuple[int, ...], Geometry]:
    name = "conv_output_size"
    kernel = ntuple(name, "kernel_size", kernel_size, dims, 1)
    strides = ntuple(name, "stride", stride, dims, 1)
    dilations = ntuple(name, "dilation", dilation, dims, 1)
    if padding == "same":
        sides = same_padding(kernel, dilations)
    else:
        widths = ntuple(name, "padding", 0 if padding == "valid" else padding, dims, 0)
        sides = tuple((width, width) for width in widths)
    return kernel, Geometry(strides, sides, dilations)
