"""Depthwise convolutions, hard nonlinearities, shuffled channels: networks for telephones."""
from functools import partial
from typing import Any, Callable, List, NamedTuple, Optional, Sequence

import torch
from torch import nn, Tensor
from torch.nn import functional as F


class V1(nn.Module):
    def __init__(self, classes=5):
        super(V1, self).__init__()

        def full(inp, oup, stride):
            return nn.Sequential(
                nn.Conv2d(inp, oup, 3, stride, 1, bias=False),
                nn.BatchNorm2d(oup),
                nn.ReLU(inplace=True)
            )

        def separable(inp, oup, stride):
            return nn.Sequential(
                nn.Conv2d(inp, inp, 3, stride, 1, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.ReLU6(inplace=True),
                *full(inp, oup, 1)
            )

        self.model = nn.Sequential(full(3, 8, 2), separable(8, 12, 1), separable(12, 16, 2), nn.AvgPool2d(8))
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        x = self.model(x)
        x = x.view(-1, 16)
        return self.fc(x)


def round_to(v: float, divisor: int = 8, least: Optional[int] = None) -> int:
    rounded = max(least or divisor, int(v + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * v else rounded


class ConvNormAct(nn.Sequential):
    def __init__(self, inp: int, oup: int, kernel_size: int = 3, stride: int = 1, groups: int = 1,
                 norm_layer: Optional[Callable[..., nn.Module]] = None,
                 activation_layer: Optional[Callable[..., nn.Module]] = nn.ReLU6) -> None:
        norm_layer = norm_layer or nn.BatchNorm2d
        layers: List[nn.Module] = [
            nn.Conv2d(inp, oup, kernel_size, stride, (kernel_size - 1) // 2, groups=groups, bias=False),
            norm_layer(oup)]
        if activation_layer is not None:
            layers.append(activation_layer(inplace=True))
        super().__init__(*layers)
        self.out_channels = oup


class Gate(nn.Module):
    def __init__(self, channels: int, factor: int = 4):
        super().__init__()
        inner = round_to(channels // factor)
        self.fc1 = nn.Conv2d(channels, inner, 1)
        self.fc2 = nn.Conv2d(inner, channels, 1)

    def _scale(self, input: Tensor, inplace: bool) -> Tensor:
        scale = F.adaptive_avg_pool2d(input, 1)
        scale = F.relu(self.fc1(scale), inplace=inplace)
        return F.hardsigmoid(self.fc2(scale), inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        return self._scale(input, True) * input


class OldSwish(nn.Module):
    """As it was written when PyTorch had no Hardswish."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        self.inner = nn.ReLU6(inplace)

    def forward(self, x):
        return x * (self.inner(x + 3.) / 6.)


class Row(NamedTuple):
    inp: int
    kernel: int
    expanded: int
    out: int
    gated: bool
    act: str
    stride: int


class Inverted(nn.Module):
    def __init__(self, row: Row, norm_layer: Callable[..., nn.Module], gate: Callable[..., nn.Module] = Gate):
        super().__init__()
        if row.stride not in (1, 2):
            raise ValueError('illegal stride value')
        self.shortcut = row.stride == 1 and row.inp == row.out
        make = partial(ConvNormAct, norm_layer=norm_layer,
                       activation_layer=nn.Hardswish if row.act == 'HS' else nn.ReLU)
        layers: List[nn.Module] = []
        if row.expanded != row.inp:
            layers.append(make(row.inp, row.expanded, kernel_size=1))
        layers += [make(row.expanded, row.expanded, row.kernel, row.stride, groups=row.expanded)]
        if row.gated:
            layers.append(gate(row.expanded))
        layers.append(make(row.expanded, row.out, kernel_size=1, activation_layer=nn.Identity))
        self.block = nn.Sequential(*layers)

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        if self.shortcut:
            result += input
        return result


class V3(nn.Module):
    def __init__(self, rows: Sequence[Row], classes: int = 5, **kwargs: Any) -> None:
        super().__init__()
        if not (isinstance(rows, Sequence) and all([isinstance(r, Row) for r in rows])):
            raise TypeError('expected rows')
        norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        make = partial(ConvNormAct, norm_layer=norm_layer)
        self.features = nn.Sequential(
            make(3, rows[0].inp, stride=2, activation_layer=nn.Hardswish),
            *[Inverted(row, norm_layer) for row in rows],
            make(rows[-1].out, 3 * rows[-1].out, 1, activation_layer=OldSwish))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(self.features[-1].out_channels, 16),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=0.2, inplace=True),
            nn.Linear(16, classes),
        )
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode='fan_out')
                if m.bias is not None:
                    nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, 0, 0.01)
                nn.init.zeros_(m.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def v3() -> V3:
    return V3([Row(8, 3, 8, 8, True, 'RE', 2), Row(8, 3, 24, 16, False, 'RE', 1),
               Row(16, 5, 40, 16, True, 'HS', 1), Row(16, 5, 24, 24, True, 'HS', 2)])


def shuffle(x: Tensor, groups: int) -> Tensor:
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w)
    x = torch.transpose(x, 1, 2).contiguous()
    return x.view(n, -1, h, w)


class Split(nn.Module):
    """A unit of ShuffleNet v2."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        half = oup // 2
        assert stride > 1 or inp == half << 1
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise(inp, 3, stride), nn.BatchNorm2d(inp),
                nn.Conv2d(inp, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU(inplace=True))
        self.branch2 = nn.Sequential(
            nn.Conv2d(inp if stride > 1 else half, half, 1, bias=False), nn.BatchNorm2d(half),
            nn.ReLU(inplace=True),
            self.depthwise(half, kernel_size=3, stride=stride), nn.BatchNorm2d(half))

    @staticmethod
    def depthwise(channels: int, kernel_size: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
        return nn.Conv2d(channels, channels, kernel_size, stride, kernel_size // 2, bias=bias, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            x1, x2 = x.chunk(2, dim=1)
            out = torch.cat((x1, self.branch2(x2)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return shuffle(out, 2)


class ShuffleNet(nn.Module):
    def __init__(self, repeats: List[int], channels: List[int], classes: int = 5) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, channels[0], 3, 2, 1, bias=False)
        self.stage2: nn.Sequential
        self.stage3: nn.Sequential
        inp = channels[0]
        for name, count, out in zip(['stage{}'.format(i) for i in (2, 3)], repeats, channels[1:]):
            seq = [Split(inp, out, 2)]
            seq.extend(Split(out, out, 1) for _ in range(count - 1))
            setattr(self, name, nn.Sequential(*seq))
            inp = out
        self.fc = nn.Linear(inp, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage3(self.stage2(self.conv1(x)))
        x = x.mean([2, 3])
        return self.fc(x)


def shufflenet(**kwargs: Any) -> ShuffleNet:
    return ShuffleNet([2, 3], [8, 12, 16], **kwargs)
