"""Branches side by side, rows and columns apart, a side head, as in Inception v3."""
import warnings
from collections import namedtuple
from typing import Any, Callable, List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn, Tensor

Outputs = namedtuple('Outputs', ['logits', 'side'])
Outputs.__annotations__ = {'logits': Tensor, 'side': Optional[Tensor]}


class ConvNorm(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Wide(nn.Module):
    def __init__(self, in_channels: int, conv_block: Optional[Callable[..., nn.Module]] = None) -> None:
        super().__init__()
        conv_block = ConvNorm if conv_block is None else conv_block
        self.one = conv_block(in_channels, 6, kernel_size=1)
        self.five = nn.Sequential(conv_block(in_channels, 4, kernel_size=1),
                                  conv_block(4, 6, kernel_size=5, padding=2))
        self.pooled = conv_block(in_channels, 4, kernel_size=1)

    def _branches(self, x: Tensor) -> List[Tensor]:
        pooled = F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)
        return [self.one(x), self.five(x), self.pooled(pooled)]

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self._branches(x), 1)


class Factorised(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.row = ConvNorm(in_channels, 6, kernel_size=(1, 7), padding=(0, 3))
        self.column = ConvNorm(6, 8, kernel_size=(7, 1), padding=(3, 0), stride=(2, 2))
        self.strided = ConvNorm(in_channels, 6, kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [self.column(self.row(x)), self.strided(x)]
        outputs.append(F.max_pool2d(x, kernel_size=3, stride=2, padding=1, ceil_mode=False))
        return torch.cat(outputs, dim=1)


class Inception(nn.Module):
    def __init__(self, classes: int = 5, side_head: bool = True, scale_input: bool = True) -> None:
        super().__init__()
        self.side_head = side_head
        self.scale_input = scale_input
        self.Conv_1a = ConvNorm(3, 8, kernel_size=3, stride=2)
        self.Mixed_2a = Wide(8)
        self.Mixed_2b = Factorised(16)
        self.side: Optional[nn.Module] = None
        if side_head:
            self.side = nn.Linear(30, classes)
            self.side.stddev = 0.001  # type: ignore[assignment]
        self.dropout = nn.Dropout(p=0.5)
        self.fc = nn.Linear(30, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d) or isinstance(m, nn.Linear):
                std = float(m.stddev) if hasattr(m, 'stddev') else 0.1
                torch.nn.init.trunc_normal_(m.weight, mean=0.0, std=std, a=-2, b=2)

    def _scaled(self, x: Tensor) -> Tensor:
        if not self.scale_input:
            return x
        planes = [torch.unsqueeze(x[:, i], 1) * (s / 0.5) + (m - 0.5) / 0.5
                  for i, (m, s) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)])]
        return torch.cat(tuple(planes), 1)

    def _both(self, x: Tensor) -> Tuple[Tensor, Optional[Tensor]]:
        x = self.Mixed_2a(self.Conv_1a(x))  # N x 16 x 13 x 13
        x = F.adaptive_avg_pool2d(self.Mixed_2b(x), (1, 1))
        side: Optional[Tensor] = None
        if self.side is not None and self.training:
            side = self.side(torch.flatten(x, 1))
        x = self.dropout(x)
        return self.fc(x.view(x.size(0), -1)), side

    @torch.jit.unused
    def eager(self, x: Tensor, side: Optional[Tensor]) -> Outputs:
        if self.training and self.side_head:
            return Outputs(x, side)
        return x  # type: ignore[return-value]

    def forward(self, x: Tensor) -> Outputs:
        x, side = self._both(self._scaled(x))
        if torch.jit.is_scripting():
            warnings.warn("compiled, it always returns Outputs")
            return Outputs(x, side)
        return self.eager(x, side)
