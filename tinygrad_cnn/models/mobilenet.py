"""MobileNet v2: depthwise convolutions between few channels.

References
----------
.. [1] M. Sandler, A. Howard, M. Zhu, A. Zhmoginov and L.-C. Chen, "MobileNetV2: inverted residuals
   and linear bottlenecks", CVPR 2018.
"""

from __future__ import annotations

from typing import Any

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn

from ._build import build

SETTINGS = (  # the paper's table 2: expansion, channels, blocks, stride of the first one
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv(inp: int, oup: int, kernel_size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    padding = kernel_size // 2
    return nn.Sequential(
        nn.Conv2d(inp, oup, kernel_size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(oup),
        nn.ReLU6(inplace=True),
    )


def _divisible(channels: float, divisor: int) -> int:
    """Return the multiple of `divisor` that is nearest, but not more than a tenth less."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest if nearest >= 0.9 * channels else nearest + divisor


class InvertedResidual(nn.Module):
    """Widens its input, filters each channel for itself, narrows it again, without ReLU.

    A shortcut goes around where the shape does not change.

    Parameters
    ----------
    inp, oup : int
        Channels of input and output.
    stride : int
    expand_ratio : int
        By how much it widens.
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        self.use_res_connect = stride == 1 and inp == oup
        hidden = inp * expand_ratio
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(_conv(inp, hidden, 1))
        layers += [
            _conv(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, oup, H / stride, W / stride)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """MobileNet v2 [1]_ for images of any size, made for 224 x 224.

    Parameters
    ----------
    num_classes : int
    width_mult : float
        By how much to multiply all channels, which stay multiples of 8.
    dropout : float

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.mobilenet_v2(num_classes=10, width_mult=0.25)
    >>> model.eval()(tg.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0, dropout: float = 0.2
    ) -> None:
        super().__init__()
        channels = _divisible(32 * width_mult, 8)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), 8)
        layers: list[nn.Module] = [_conv(3, channels, 3, stride=2)]
        for expansion, base, blocks, first in SETTINGS:
            out = _divisible(base * width_mult, 8)
            for i in range(blocks):
                layers.append(InvertedResidual(channels, out, 1 if i else first, expansion))
                channels = out
        layers.append(_conv(channels, self.last_channel, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(tg.flatten(x, 1))


def mobilenet_v2(**options: Any) -> MobileNetV2:
    """Return MobileNet v2; the options are `MobileNetV2`'s."""
    return build(MobileNetV2, **options)
