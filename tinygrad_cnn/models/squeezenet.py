"""SqueezeNet: AlexNet's accuracy with fifty times fewer parameters.

References
----------
.. [1] F. N. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
   <0.5MB model size", arXiv:1602.07360 (2016).
"""

from __future__ import annotations

from typing import Any

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn

from ._build import build


class Fire(nn.Module):
    """A 1 x 1 convolution to few channels, then one of 1 x 1 and one of 3 x 3 side by side.

    Parameters
    ----------
    inplanes, squeeze_planes : int
        Channels of the input, and of the first convolution.
    expand1x1_planes, expand3x3_planes : int
        Channels of the other two.
    """

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, expand1x1_planes + expand3x3_planes, H, W)."""
        x = self.squeeze_activation(self.squeeze(x))
        return tg.cat(
            [
                self.expand1x1_activation(self.expand1x1(x)),
                self.expand3x3_activation(self.expand3x3(x)),
            ],
            1,
        )


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, ceil_mode=True)


def _features_1_0() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 96, 7, stride=2),
        nn.ReLU(inplace=True),
        _pool(),
        Fire(96, 16, 64, 64),
        Fire(128, 16, 64, 64),
        Fire(128, 32, 128, 128),
        _pool(),
        Fire(256, 32, 128, 128),
        Fire(256, 48, 192, 192),
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        _pool(),
        Fire(512, 64, 256, 256),
    )


def _features_1_1() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        _pool(),
        Fire(64, 16, 64, 64),
        Fire(128, 16, 64, 64),
        _pool(),
        Fire(128, 32, 128, 128),
        Fire(256, 32, 128, 128),
        _pool(),
        Fire(256, 48, 192, 192),
        Fire(384, 48, 192, 192),
        Fire(384, 64, 256, 256),
        Fire(512, 64, 256, 256),
    )


class SqueezeNet(nn.Module):
    """SqueezeNet [1]_ for images from 21 x 21 pixels, made for 224 x 224.

    Parameters
    ----------
    version : str
        "1_0", the paper's, or "1_1", which its authors published later and takes 2.4 times fewer
        operations.
    num_classes : int
    dropout : float

    Raises
    ------
    ValueError
        If the version is another.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.squeezenet1_1(num_classes=10)
    >>> model(tg.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """

    def __init__(
        self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5
    ) -> None:
        super().__init__()
        features = {"1_0": _features_1_0, "1_1": _features_1_1}
        if version not in features:
            raise ValueError(f'SqueezeNet: version must be "1_0" or "1_1", got {version!r}')
        self.features = features[version]()
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is last:
                    nn.init.normal_(module.weight, 0, 0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        return tg.flatten(self.classifier(self.features(x)), 1)


def squeezenet1_0(**options: Any) -> SqueezeNet:
    """Return SqueezeNet 1.0; the options are `SqueezeNet`'s."""
    return build(SqueezeNet, "1_0", **options)


def squeezenet1_1(**options: Any) -> SqueezeNet:
    """Return SqueezeNet 1.1; the options are `SqueezeNet`'s."""
    return build(SqueezeNet, "1_1", **options)
