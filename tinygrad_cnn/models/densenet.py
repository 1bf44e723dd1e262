"""DenseNet: each layer sees the output of all layers before it.

References
----------
.. [1] G. Huang, Z. Liu, L. van der Maaten and K. Q. Weinberger, "Densely connected convolutional
   networks", CVPR 2017.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import Tensor, nn

from ._build import build


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 1 x 1 convolution; the same with a 3 x 3 convolution; dropout."""

    def __init__(self, channels: int, growth_rate: int, bn_size: int, drop_rate: float) -> None:
        super().__init__()
        hidden = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, hidden, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = drop_rate

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, growth_rate, H, W)."""
        x = self.conv1(F.relu(self.norm1(x)))
        x = self.conv2(F.relu(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training)


class DenseBlock(nn.Sequential):
    """Adds the output of each layer to its input, as further channels."""

    def __init__(self, layers: int, channels: int, growth_rate: int, *options: Any) -> None:
        super().__init__()
        for i in range(layers):
            layer = DenseLayer(channels + i * growth_rate, growth_rate, *options)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C + layers * growth_rate, H, W)."""
        for layer in self:
            x = tg.cat([x, layer(x)], 1)
        return x


class Transition(nn.Sequential):
    """Batch norm, ReLU, a 1 x 1 convolution to fewer channels, and pooling."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(channels, out, 1, bias=False)
        self.pool = nn.AvgPool2d(2)


def _rename(module: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Bring names of old files up to date: ``denselayer1.norm.1.weight``."""
    for name in list(state_dict):
        if name.startswith(prefix):
            new = re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.(\d+\.)", r"\1\2", name)
            state_dict[new] = state_dict.pop(name)


class DenseNet(nn.Module):
    """DenseNet [1]_ for images from 29 x 29 pixels, made for 224 x 224.

    Parameters
    ----------
    growth_rate : int
        The channels that each layer adds.
    block_config : sequence of int
        The number of layers in each block.
    num_init_features : int
        The channels of the first convolution.
    bn_size : int
        The channels between the two convolutions of a layer, in growth rates.
    drop_rate : float
        Of the dropout after each layer.
    num_classes : int

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.DenseNet(growth_rate=4, block_config=(2, 2), num_classes=10)
    >>> model.eval()(tg.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        channels = num_init_features
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, channels, 7, 2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(channels))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        for i, layers in enumerate(block_config, start=1):
            block = DenseBlock(layers, channels, growth_rate, bn_size, drop_rate)
            self.features.add_module(f"denseblock{i}", block)
            channels += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
        nn.init.zeros_(self.classifier.bias)
        self.register_load_state_dict_pre_hook(_rename)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = F.adaptive_avg_pool2d(F.relu(self.features(x)), 1)
        return self.classifier(tg.flatten(x, 1))


def densenet121(**options: Any) -> DenseNet:
    """Return DenseNet-121; the options are `DenseNet`'s."""
    return build(DenseNet, 32, (6, 12, 24, 16), 64, **options)


def densenet161(**options: Any) -> DenseNet:
    """Return DenseNet-161; the options are `DenseNet`'s."""
    return build(DenseNet, 48, (6, 12, 36, 24), 96, **options)


def densenet169(**options: Any) -> DenseNet:
    """Return DenseNet-169; the options are `DenseNet`'s."""
    return build(DenseNet, 32, (6, 12, 32, 32), 64, **options)


def densenet201(**options: Any) -> DenseNet:
    """Return DenseNet-201; the options are `DenseNet`'s."""
    return build(DenseNet, 32, (6, 12, 48, 32), 64, **options)
