"""VGG: nothing but 3 x 3 convolutions and 2 x 2 pooling, in depth.

References
----------
.. [1] K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
   recognition", ICLR 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn

from ._build import build

BLOCKS = {  # convolutions in each of the five blocks
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


def make_layers(blocks: Sequence[int], batch_norm: bool = False) -> nn.Sequential:
    """Return blocks of convolutions with 64, 128, 256, 512, 512 channels, a pooling after each.

    Parameters
    ----------
    blocks : sequence of int
        The number of convolutions in each block.
    batch_norm : bool
        Whether batch norm follows each.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> features = tg.models.vgg.make_layers(tg.models.vgg.BLOCKS[11])
    >>> features(tg.zeros(1, 3, 32, 32)).shape
    (1, 512, 1, 1)
    """
    layers: list[nn.Module] = []
    channels = 3
    for count, out in zip(blocks, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, out, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.ReLU(inplace=True))
            channels = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """VGG [1]_ for images from 32 x 32 pixels, made for 224 x 224.

    Parameters
    ----------
    features : Module
        What `make_layers` returns.
    num_classes : int
    init_weights : bool
        Whether to start convolutions from He's distribution, and the rest from a normal one of
        deviation 0.01; else from the layers' own.
    dropout : float
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(7)  # does nothing at 224 x 224
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(module.bias)
                elif isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, 0, 0.01)
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = self.avgpool(self.features(x))
        return self.classifier(tg.flatten(x, 1))


def _vgg(depth: int, batch_norm: bool, options: dict[str, Any]) -> VGG:
    return build(VGG, make_layers(BLOCKS[depth], batch_norm), **options)


def vgg11(**options: Any) -> VGG:
    """Return VGG-11, the paper's A; the options are `VGG`'s."""
    return _vgg(11, False, options)


def vgg11_bn(**options: Any) -> VGG:
    """Return VGG-11 with batch norm; the options are `VGG`'s."""
    return _vgg(11, True, options)


def vgg13(**options: Any) -> VGG:
    """Return VGG-13, the paper's B; the options are `VGG`'s."""
    return _vgg(13, False, options)


def vgg13_bn(**options: Any) -> VGG:
    """Return VGG-13 with batch norm; the options are `VGG`'s."""
    return _vgg(13, True, options)


def vgg16(**options: Any) -> VGG:
    """Return VGG-16, the paper's D; the options are `VGG`'s."""
    return _vgg(16, False, options)


def vgg16_bn(**options: Any) -> VGG:
    """Return VGG-16 with batch norm; the options are `VGG`'s."""
    return _vgg(16, True, options)


def vgg19(**options: Any) -> VGG:
    """Return VGG-19, the paper's E; the options are `VGG`'s."""
    return _vgg(19, False, options)


def vgg19_bn(**options: Any) -> VGG:
    """Return VGG-19 with batch norm; the options are `VGG`'s."""
    return _vgg(19, True, options)
