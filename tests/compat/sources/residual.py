"""Groups, dilation, other norms, squeeze-and-excitation: the descendants of ResNet."""
from typing import Any, Callable, List, Optional, Type, Union

import torch
import torch.nn as nn
from torch import Tensor
from torch.hub import load_state_dict_from_url


class Excite(nn.Module):
    """Weights channels by what is in all of them."""

    def __init__(self, channels, reduction=4):
        super(Excite, self).__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid()
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        w = self.fc(self.pool(x).view(b, c)).view(b, c, 1, 1)
        return x * w.expand_as(x)


class Plain(nn.Module):
    growth: int = 1

    def __init__(self, channels: int, planes: int, stride: int = 1, around: Optional[nn.Module] = None,
                 norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d, **unused: Any) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, planes, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, kernel_size=3, padding=1, bias=False)
        self.bn2 = norm_layer(planes)
        self.excite = Excite(planes)
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.excite(self.bn2(self.conv2(out)))
        if self.around is not None:
            shortcut = self.around(x)
        out += shortcut
        out = self.relu(out)
        return out


class Narrow(nn.Module):
    growth: int = 2

    def __init__(self, channels: int, planes: int, stride: int = 1, around: Optional[nn.Module] = None,
                 norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d, groups: int = 1,
                 width: float = 1.0, dilation: int = 1) -> None:
        super().__init__()
        inner = int(planes * width) * groups
        self.body = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False), norm_layer(inner), nn.ReLU(True),
            nn.Conv2d(inner, inner, 3, stride, padding=dilation, groups=groups,
                      bias=False, dilation=dilation), norm_layer(inner), nn.ReLU(True),
            nn.Conv2d(inner, planes * self.growth, 1, bias=False), norm_layer(planes * self.growth),
        )
        self.around = around

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        out += x if self.around is None else self.around(x)
        return out.relu_()


class ResNet(nn.Module):
    def __init__(self, block: Type[Union[Plain, Narrow]], counts: List[int], classes: int = 5,
                 zero_last: bool = False, norm_layer: Optional[Callable[..., nn.Module]] = None,
                 **options: Any) -> None:
        super(ResNet, self).__init__()
        self._norm_layer = norm_layer if norm_layer is not None else nn.BatchNorm2d
        self.channels = 8
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3, bias=False),
            self._norm_layer(8), nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        for i, count in enumerate(counts):
            setattr(self, f'layer{i + 1}', self._stage(block, 8 << i, count, 1 + (i > 0), **options))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.channels, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='relu')
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)
            if zero_last and isinstance(m, Narrow):
                nn.init.constant_(m.body[-1].weight, 0)  # type: ignore[arg-type]

    def _stage(self, block, planes: int, count: int, stride: int, **options) -> nn.Sequential:
        out = planes * block.growth
        around = None
        if stride != 1 or self.channels != out:
            around = nn.Sequential(
                nn.Conv2d(self.channels, out, 1, stride=stride, bias=False), self._norm_layer(out))
        layers = []
        layers.append(block(self.channels, planes, stride, around, self._norm_layer, **options))
        self.channels = out
        for _ in range(1, count):
            layers.append(block(out, planes, norm_layer=self._norm_layer, **options))
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer2(self.layer1(self.stem(x)))
        x = torch.flatten(self.avgpool(x), 1)
        return self.fc(x)


def resnext(**kwargs: Any) -> ResNet:
    kwargs['groups'] = 4
    kwargs['width'] = 0.5
    return ResNet(Narrow, [1, 2], **kwargs)


def wide_resnet(pretrained: bool = False, progress: bool = True, **kwargs: Any) -> ResNet:
    model = ResNet(Narrow, [2, 1], zero_last=True, width=2, **kwargs)
    if pretrained:
        state_dict = load_state_dict_from_url('https://example.org/wide_resnet.pth', progress=progress)
        model.load_state_dict(state_dict)
    return model


def dilated() -> ResNet:
    return ResNet(Narrow, [1, 1], dilation=2, norm_layer=lambda planes: nn.GroupNorm(4, planes))


def se_resnet() -> ResNet:
    return ResNet(Plain, [2, 2])
