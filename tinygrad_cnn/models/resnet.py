"""ResNets, for ImageNet and for CIFAR.

References
----------
.. [1] K. He, X. Zhang, S. Ren and J. Sun, "Deep residual learning for image recognition",
   CVPR 2016.
.. [2] S. Xie, R. Girshick, P. Dollár, Z. Tu and K. He, "Aggregated residual transformations for
   deep neural networks", CVPR 2017.
.. [3] S. Zagoruyko and N. Komodakis, "Wide residual networks", BMVC 2016.
.. [4] P. Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour",
   arXiv:1706.02677 (2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import Tensor, nn

from ._build import build


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions, and a shortcut around them.

    Parameters
    ----------
    inplanes, planes : int
        Channels of input and output.
    stride : int
    downsample : Module, optional
        What the shortcut does to the input, where its shape is not the output's.
    """

    expansion = 1

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 3 x 3 convolution between two of 1 x 1 that make it cheaper, and a shortcut around them.

    The stride is in the 3 x 3 convolution, unlike in the paper, where it is in the first one.

    Parameters
    ----------
    inplanes : int
        Channels of the input.
    planes : int
        A quarter of the channels of the output.
    stride : int
    downsample : Module, optional
        What the shortcut does to the input, where its shape is not the output's.
    groups, base_width : int
        Groups of the 3 x 3 convolution, and the channels of each per 64 `planes`.
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
    ) -> None:
        super().__init__()
        width = planes * base_width // 64 * groups
        self.conv1 = nn.Conv2d(inplanes, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 4 * planes, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class Subsample(nn.Module):
    """The shortcut without parameters: every second pixel, and channels of zeros added."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + extra, H / 2, W / 2)."""
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.extra))


def _projection(inplanes: int, outplanes: int, stride: int) -> nn.Module | None:
    if inplanes == outplanes and stride == 1:
        return None
    conv = nn.Conv2d(inplanes, outplanes, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outplanes))


def _subsampling(inplanes: int, outplanes: int, stride: int) -> nn.Module | None:
    return None if stride == 1 else Subsample(outplanes - inplanes)


def _stage(
    block: Any,
    inplanes: int,
    planes: int,
    count: int,
    stride: int,
    shortcut: Callable[[int, int, int], nn.Module | None],
    **options: Any,
) -> nn.Sequential:
    """Return `count` blocks, the first of which has the stride."""
    out = planes * block.expansion
    first = block(inplanes, planes, stride, shortcut(inplanes, out, stride), **options)
    return nn.Sequential(first, *(block(out, planes, **options) for _ in range(count - 1)))


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet(nn.Module):
    """A ResNet [1]_, ResNeXt [2]_ or wide ResNet [3]_ for images of any size, made for 224 x 224.

    Parameters
    ----------
    block : BasicBlock or Bottleneck
        The class.
    layers : sequence of int
        The number of blocks in each of the four stages.
    num_classes : int
    zero_init_residual : bool
        Whether each block starts as the identity, its last batch norm's weight being 0 [4]_.
    groups, width_per_group : int
        `Bottleneck`'s groups and base_width.

    Raises
    ------
    ValueError
        If groups or width are asked of `BasicBlock`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.resnet18(num_classes=10)
    >>> model.eval()(tg.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        options = {}
        if block is Bottleneck:
            options = {"groups": groups, "base_width": width_per_group}
        elif (groups, width_per_group) != (1, 64):
            raise ValueError("ResNet: groups and width_per_group are for Bottleneck blocks")
        e = block.expansion
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, 64, 64, layers[0], 1, _projection, **options)
        self.layer2 = _stage(block, 64 * e, 128, layers[1], 2, _projection, **options)
        self.layer3 = _stage(block, 128 * e, 256, layers[2], 2, _projection, **options)
        self.layer4 = _stage(block, 256 * e, 512, layers[3], 2, _projection, **options)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * e, num_classes)
        _initialise(self)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, (BasicBlock, Bottleneck)):
                    last = module.bn3 if isinstance(module, Bottleneck) else module.bn2
                    nn.init.zeros_(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(tg.flatten(self.avgpool(x), 1))


class CifarResNet(nn.Module):
    """The ResNet of the paper's section 4.2 [1]_ for images of 32 x 32 pixels.

    It has ``6 * blocks + 2`` layers, and shortcuts without parameters.

    Parameters
    ----------
    blocks : int
        The number of blocks in each of the three stages.
    num_classes : int

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.resnet20()
    >>> model.eval()(tg.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(self, blocks: int, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(BasicBlock, 16, 16, blocks, 1, _subsampling)
        self.layer2 = _stage(BasicBlock, 16, 32, blocks, 2, _subsampling)
        self.layer3 = _stage(BasicBlock, 32, 64, blocks, 2, _subsampling)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(tg.flatten(self.avgpool(x), 1))


def resnet18(**options: Any) -> ResNet:
    """Return ResNet-18; the options are `ResNet`'s."""
    return build(ResNet, BasicBlock, (2, 2, 2, 2), **options)


def resnet34(**options: Any) -> ResNet:
    """Return ResNet-34; the options are `ResNet`'s."""
    return build(ResNet, BasicBlock, (3, 4, 6, 3), **options)


def resnet50(**options: Any) -> ResNet:
    """Return ResNet-50; the options are `ResNet`'s."""
    return build(ResNet, Bottleneck, (3, 4, 6, 3), **options)


def resnet101(**options: Any) -> ResNet:
    """Return ResNet-101; the options are `ResNet`'s."""
    return build(ResNet, Bottleneck, (3, 4, 23, 3), **options)


def resnet152(**options: Any) -> ResNet:
    """Return ResNet-152; the options are `ResNet`'s."""
    return build(ResNet, Bottleneck, (3, 8, 36, 3), **options)


def resnext50_32x4d(**options: Any) -> ResNet:
    """Return ResNeXt-50 with 32 groups of width 4; the options are `ResNet`'s."""
    return resnet50(groups=32, width_per_group=4, **options)


def resnext101_32x8d(**options: Any) -> ResNet:
    """Return ResNeXt-101 with 32 groups of width 8; the options are `ResNet`'s."""
    return resnet101(groups=32, width_per_group=8, **options)


def resnext101_64x4d(**options: Any) -> ResNet:
    """Return ResNeXt-101 with 64 groups of width 4; the options are `ResNet`'s."""
    return resnet101(groups=64, width_per_group=4, **options)


def wide_resnet50_2(**options: Any) -> ResNet:
    """Return ResNet-50 with twice the width inside its blocks; the options are `ResNet`'s."""
    return resnet50(width_per_group=128, **options)


def wide_resnet101_2(**options: Any) -> ResNet:
    """Return ResNet-101 with twice the width inside its blocks; the options are `ResNet`'s."""
    return resnet101(width_per_group=128, **options)


def resnet20(**options: Any) -> CifarResNet:
    """Return ResNet-20 for CIFAR; the options are `CifarResNet`'s."""
    return build(CifarResNet, 3, **options)


def resnet32(**options: Any) -> CifarResNet:
    """Return ResNet-32 for CIFAR; the options are `CifarResNet`'s."""
    return build(CifarResNet, 5, **options)


def resnet44(**options: Any) -> CifarResNet:
    """Return ResNet-44 for CIFAR; the options are `CifarResNet`'s."""
    return build(CifarResNet, 7, **options)


def resnet56(**options: Any) -> CifarResNet:
    """Return ResNet-56 for CIFAR; the options are `CifarResNet`'s."""
    return build(CifarResNet, 9, **options)
