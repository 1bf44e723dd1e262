"""LeNet-5.

References
----------
.. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to document
   recognition", Proceedings of the IEEE 86 (1998).
"""

from __future__ import annotations

from typing import Any

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import Tensor, nn

from ._build import build


class LeNet5(nn.Module):
    """LeNet-5 [1]_ for digits of 28 x 28 pixels.

    The layers have the paper's sizes, with tanh and average pooling. Left out is what few have
    used since: coefficients in the pooling, feature maps that see only some of the maps before
    them, and outputs that are distances to drawn characters.

    Parameters
    ----------
    num_classes : int

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.lenet5()
    >>> model(tg.zeros(2, 1, 28, 28)).shape
    (2, 10)
    >>> sum(p.numel() for p in model.parameters())
    61706
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)  # the paper's C5: 5 x 5 convolutions of 5 x 5 pixels
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes) of images (N, 1, 28, 28)."""
        x = F.avg_pool2d(tg.tanh(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.avg_pool2d(tg.tanh(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = tg.tanh(self.fc1(tg.flatten(x, 1)))
        x = tg.tanh(self.fc2(x))
        return self.fc3(x)


def lenet5(**options: Any) -> LeNet5:
    """Return LeNet-5; the options are `LeNet5`'s."""
    return build(LeNet5, **options)
