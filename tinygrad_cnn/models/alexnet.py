"""AlexNet.

References
----------
.. [1] A. Krizhevsky, I. Sutskever and G. E. Hinton, "ImageNet classification with deep
   convolutional neural networks", NIPS 2012.
.. [2] A. Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
   arXiv:1404.5997 (2014).
"""

from __future__ import annotations

from typing import Any

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, nn

from ._build import build


class AlexNet(nn.Module):
    """AlexNet [1]_ for images from 63 x 63 pixels, made for 224 x 224.

    It is the later form for one GPU [2]_, without local response normalisation.

    Parameters
    ----------
    num_classes : int
    dropout : float

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.alexnet(num_classes=10)
    >>> model(tg.zeros(1, 3, 63, 63)).shape
    (1, 10)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # does nothing at 224 x 224
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 3, H, W)."""
        x = self.avgpool(self.features(x))
        return self.classifier(tg.flatten(x, 1))


def alexnet(**options: Any) -> AlexNet:
    """Return AlexNet; the options are `AlexNet`'s."""
    return build(AlexNet, **options)
