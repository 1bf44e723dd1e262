"""GoogLeNet, also called Inception v1.

References
----------
.. [1] C. Szegedy et al., "Going deeper with convolutions", CVPR 2015.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import Tensor, nn

from ._build import build


class GoogLeNetOutputs(NamedTuple):
    """What `GoogLeNet` returns in training: the scores of the network and of its two side heads."""

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class BasicConv2d(nn.Module):
    """A convolution without bias, batch norm and ReLU; the options are `Conv2d`'s."""

    def __init__(self, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **options)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, out_channels, H', W')."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Inception(nn.Module):
    """Looks at its input in four ways, and returns what each sees as channels side by side.

    Parameters
    ----------
    in_channels : int
    ch1x1 : int
        Channels of the 1 x 1 convolution.
    ch3x3red, ch3x3 : int
        Channels of a 3 x 3 convolution, and of the 1 x 1 convolution before it.
    ch5x5red, ch5x5 : int
        The same for the third branch. In the paper its convolution is 5 x 5; it is 3 x 3 in the
        network that was trained for TensorFlow, whose weights everyone uses.
    pool_proj : int
        Channels of the 1 x 1 convolution after a pooling.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3red, kernel_size=1),
            BasicConv2d(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5red, kernel_size=1),
            BasicConv2d(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1),
            BasicConv2d(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W)."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return tg.cat([branch(x) for branch in branches], 1)


class InceptionAux(nn.Module):
    """A side head: classifies from half-way, so that the early layers learn sooner."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float = 0.7) -> None:
        super().__init__()
        self.conv = BasicConv2d(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores (N, num_classes)."""
        x = self.conv(F.adaptive_avg_pool2d(x, 4))
        x = F.relu(self.fc1(tg.flatten(x, 1)), inplace=True)
        return self.fc2(self.dropout(x))


class GoogLeNet(nn.Module):
    """GoogLeNet [1]_ with batch norm, for images from 15 x 15 pixels, made for 224 x 224.

    Parameters
    ----------
    num_classes : int
    aux_logits : bool
        Whether to have the side heads, which work in training only.
    transform_input : bool
        Whether images come normalised by ImageNet's mean and deviation, though the weights are
        TensorFlow's, which expect values from -1 to 1. The weights that torchvision publishes are.
    init_weights : bool
        Whether to start from a truncated normal distribution of deviation 0.01; else from the
        layers' own.
    dropout, dropout_aux : float
        Before the last layer, and before that of each side head.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.models.googlenet(num_classes=10)
    >>> scores, side2, side1 = model(tg.zeros(2, 3, 32, 32))
    >>> scores.shape, side2.shape, side1.shape
    ((2, 10), (2, 10), (2, 10))
    >>> model.eval()(tg.zeros(2, 3, 32, 32)).shape
    (2, 10)
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool = True,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        self.aux_logits = aux_logits
        self.transform_input = transform_input

        self.conv1 = BasicConv2d(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = BasicConv2d(64, 64, kernel_size=1)
        self.conv3 = BasicConv2d(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = Inception(192, 64, 96, 128, 16, 32, 32)
        self.inception3b = Inception(256, 128, 128, 192, 32, 96, 64)
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = Inception(480, 192, 96, 208, 16, 48, 64)
        self.inception4b = Inception(512, 160, 112, 224, 24, 64, 64)
        self.inception4c = Inception(512, 128, 128, 256, 24, 64, 64)
        self.inception4d = Inception(512, 112, 144, 288, 32, 64, 64)
        self.inception4e = Inception(528, 256, 160, 320, 32, 128, 128)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = Inception(832, 256, 160, 320, 32, 128, 128)
        self.inception5b = Inception(832, 384, 192, 384, 48, 128, 128)
        self.aux1 = InceptionAux(512, num_classes, dropout_aux) if aux_logits else None
        self.aux2 = InceptionAux(528, num_classes, dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            for module in self.modules():
                if isinstance(module, (nn.Conv2d, nn.Linear)):
                    nn.init.trunc_normal_(module.weight, 0.0, 0.01, -2, 2)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        """Return scores (N, num_classes) of images (N, 3, H, W); three of them in training."""
        if self.transform_input:
            mean = x.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
            deviation = x.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
            x = (x * deviation + mean - 0.5) / 0.5
        aux1 = aux2 = None

        x = self.maxpool1(self.conv1(x))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.inception3b(self.inception3a(x))
        x = self.inception4a(self.maxpool3(x))
        if self.training and self.aux1 is not None:
            aux1 = self.aux1(x)
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        if self.training and self.aux2 is not None:
            aux2 = self.aux2(x)
        x = self.inception4e(x)
        x = self.inception5b(self.inception5a(self.maxpool4(x)))
        x = tg.flatten(self.avgpool(x), 1)
        x = self.fc(self.dropout(x))
        return GoogLeNetOutputs(x, aux2, aux1) if self.training and self.aux_logits else x


def googlenet(**options: Any) -> GoogLeNet:
    """Return GoogLeNet; the options are `GoogLeNet`'s."""
    return build(GoogLeNet, **options)
