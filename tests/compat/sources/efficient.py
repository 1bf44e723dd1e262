"""A nonlinearity with its own backward, "same" padding, stochastic depth, as in EfficientNet."""
import copy
import math
from collections import namedtuple

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils import model_zoo

Settings = namedtuple('Settings', ['momentum', 'epsilon', 'image_size', 'survival'])
Settings.__new__.__defaults__ = (None,) * len(Settings._fields)


class SwishFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, grad_output):
        x = ctx.saved_tensors[0]
        s = torch.sigmoid(x)
        return grad_output * (s * (1 + x * (1 - s)))


class FrugalSwish(nn.Module):
    def forward(self, x):
        return SwishFunction.apply(x)


def drop_sample(x, p, training):
    if not training:
        return x
    kept = 1 - p
    noise = kept
    noise += torch.rand([x.shape[0], 1, 1, 1], dtype=x.dtype, device=x.device)
    return x / kept * torch.floor(noise)


class StochasticDepth(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, input):
        if not self.training or self.p == 0.0:
            return input
        size = [input.shape[0]] + [1] * (input.ndim - 1)
        noise = torch.empty(size, dtype=input.dtype, device=input.device)
        noise = noise.bernoulli_(1 - self.p)
        noise.div_(1 - self.p)
        return input * noise

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(p={self.p})"


class SameConv2d(nn.Conv2d):
    """Pads as TensorFlow does: by the size of the input, more on the right."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, dilation=1, groups=1, bias=True):
        super().__init__(in_channels, out_channels, kernel_size, stride, 0, dilation, groups, bias)
        self.stride = self.stride if len(self.stride) == 2 else [self.stride[0]] * 2

    def _total(self, size, i):
        out = math.ceil(size / self.stride[i])
        reach = (self.weight.size()[-2:][i] - 1) * self.dilation[i] + 1
        return max((out - 1) * self.stride[i] + reach - size, 0)

    def forward(self, x):
        h, w = (self._total(size, i) for i, size in enumerate(x.size()[-2:]))
        if h > 0 or w > 0:
            x = F.pad(x, [w // 2, w - w // 2, h // 2, h - h // 2])
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class FixedSameConv2d(nn.Conv2d):
    """The same for one size of input."""

    def __init__(self, in_channels, out_channels, kernel_size, image_size=None, **kwargs):
        super().__init__(in_channels, out_channels, kernel_size, **kwargs)
        out = math.ceil(image_size / self.stride[0])
        p = max((out - 1) * self.stride[0] + self.weight.size()[-1] - image_size, 0)
        self.static_padding = nn.ZeroPad2d((p // 2, p - p // 2, p // 2, p - p // 2)) if p > 0 else nn.Identity()

    def forward(self, x):
        return super().forward(self.static_padding(x))


class MBConv(nn.Module):
    def __init__(self, inp, oup, kernel_size, stride, expand, settings, squeeze=0.25):
        super().__init__()
        mid = inp * expand
        norm = dict(momentum=1 - settings.momentum, eps=settings.epsilon)
        if expand != 1:
            self.expand_conv = nn.Conv2d(in_channels=inp, out_channels=mid, kernel_size=1, bias=False)
            self.bn0 = nn.BatchNorm2d(num_features=mid, **norm)
        self.depthwise = SameConv2d(mid, mid, groups=mid, kernel_size=kernel_size, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(num_features=mid, **norm)
        few = max(1, int(inp * squeeze))
        self.reduce, self.expand = nn.Conv2d(mid, few, 1), nn.Conv2d(few, mid, 1)
        self.project = nn.Conv2d(in_channels=mid, out_channels=oup, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(num_features=oup, **norm)
        self.swish = FrugalSwish()
        self.skip = stride == 1 and inp == oup

    def forward(self, inputs, drop=None):
        x = inputs
        if hasattr(self, 'expand_conv'):
            x = self.swish(self.bn0(self.expand_conv(x)))
        x = self.swish(self.bn1(self.depthwise(x)))
        gate = F.adaptive_avg_pool2d(x, 1)
        gate = self.expand(self.swish(self.reduce(gate)))
        x = self.bn2(self.project(torch.sigmoid(gate) * x))
        if self.skip:
            if drop:
                x = drop_sample(x, p=drop, training=self.training)
            x = x + inputs
        return x


def with_weights(model, url):
    model.load_state_dict(model_zoo.load_url(url))
    return model


class EfficientNet(nn.Module):
    def __init__(self, drop=0.0, classes=5):
        super().__init__()
        settings = Settings(momentum=0.99, epsilon=1e-3, image_size=16)
        assert settings.survival is None
        self.drop = drop
        self.stem = FixedSameConv2d(3, 8, 3, settings.image_size, stride=2, bias=False)
        self.bn0 = nn.BatchNorm2d(8)
        block = MBConv(8, 8, 3, 1, 4, settings)
        self.blocks = nn.ModuleList([MBConv(8, 8, 5, 1, 1, settings), block, copy.deepcopy(block)])
        self.blocks.append(MBConv(8, 12, 5, 2, 2, settings))
        self.blocks[-1].swish = nn.SiLU()
        self.depth = StochasticDepth(drop)
        self.fc = nn.Linear(12, classes)

    def forward(self, inputs):
        x = F.silu(self.bn0(self.stem(inputs)))
        for idx, block in enumerate(self.blocks):
            drop = self.drop
            if drop:
                drop *= float(idx) / len(self.blocks)
            x = block(x, drop=drop)
        x = F.adaptive_avg_pool2d(self.depth(x), 1)
        return self.fc(x.flatten(start_dim=1))
