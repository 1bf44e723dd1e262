"""States that older versions of a module saved, as in MNASNet and DenseNet; checkpoints."""
import re
import warnings
from typing import Any, Dict, List

import torch
import torch.nn as nn
import torch.utils.checkpoint as cp
from torch import Tensor
from torch.jit import Final


class Versioned(torch.nn.Module):
    _version = 2  # the stem of version 1 was narrower, whatever alpha

    def __init__(self, alpha: float = 1.0, classes: int = 5, dropout: float = 0.2) -> None:
        super(Versioned, self).__init__()
        self.alpha = alpha
        self.layers = nn.Sequential(*self._layers(int(8 * alpha)))
        self.classifier = nn.Sequential(nn.Dropout(p=dropout, inplace=True), nn.Linear(12, classes))
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                nn.init.ones_(m.weight)
                nn.init.zeros_(m.bias)
            elif isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, mode="fan_out", nonlinearity="sigmoid")

    def _layers(self, width: int) -> List[nn.Module]:
        return [nn.Conv2d(3, width, 3, padding=1, stride=2, bias=False),
                nn.BatchNorm2d(width, momentum=1 - 0.9997), nn.ReLU(inplace=True),
                nn.Conv2d(width, 12, 1)]

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(self, state_dict: Dict, prefix: str, local_metadata: Dict, strict: bool,
                              missing_keys: List[str], unexpected_keys: List[str],
                              error_msgs: List[str]) -> None:
        version = local_metadata.get("version", None)
        if version not in [1, 2]:
            raise ValueError("version should be 1 or 2, not {}".format(version))
        if version == 1 and not self.alpha == 1.0:
            for idx, layer in enumerate(self._layers(8)):
                self.layers[idx] = layer
            self._version = 1
            warnings.warn("made narrower, as in version 1", UserWarning)
        super(Versioned, self)._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class Layer(nn.Module):
    slope: Final[float]

    def __init__(self, channels: int, growth: int, frugal: bool) -> None:
        super().__init__()
        self.norm1: nn.BatchNorm2d
        self.add_module('norm1', nn.BatchNorm2d(channels))
        self.add_module('conv1', nn.Conv2d(channels, 2 * growth, kernel_size=1, bias=False))
        self.add_module('norm2', nn.BatchNorm2d(2 * growth))
        self.add_module('conv2', nn.Conv2d(2 * growth, growth, kernel_size=3, padding=1, bias=False))
        self.slope = float(0.01)
        self.frugal = frugal

    def squeeze(self, *inputs: Tensor) -> Tensor:
        x = torch.cat(inputs, 1)
        return self.conv1(nn.functional.leaky_relu(self.norm1(x), self.slope))  # noqa: T484

    @torch.jit._overload_method  # noqa: F811
    def forward(self, input: List[Tensor]) -> Tensor:
        pass

    @torch.jit._overload_method  # noqa: F811
    def forward(self, input: Tensor) -> Tensor:
        pass

    def forward(self, input: Tensor) -> Tensor:  # noqa: F811
        inputs = [input] if isinstance(input, Tensor) else input
        if self.frugal and any(x.requires_grad for x in inputs):
            x = cp.checkpoint(self.squeeze, *inputs, use_reentrant=False)
        else:
            x = self.squeeze(*inputs)
        return self.conv2(torch.relu(self.norm2(x)))


class Block(nn.ModuleDict):
    def __init__(self, count: int, channels: int, growth: int, frugal: bool) -> None:
        super().__init__()
        for i in range(count):
            self.add_module('denselayer%d' % (i + 1), Layer(channels + i * growth, growth, frugal))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for name, layer in self.items():
            features.append(layer(features))
        return torch.cat(features, 1)


class Dense(nn.Module):
    __constants__ = ['features']

    def __init__(self, frugal: bool = True) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module('conv0', nn.Conv2d(3, 8, kernel_size=7, stride=2, padding=3))
        self.features.add_module('denseblock1', Block(3, 8, 4, frugal))
        self.features.add_module('norm5', nn.BatchNorm2d(20))
        self.classifier = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.nn.functional.adaptive_avg_pool2d(self.features(x).relu_(), (1, 1))
        return self.classifier(torch.flatten(x, 1))


def load_with_dots(model: nn.Module, state_dict: Any) -> Any:
    """Names such as ``norm.1`` were allowed once."""
    pattern = re.compile(r'^(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)$')
    for key in list(state_dict.keys()):
        old = pattern.match(key)
        if old:
            state_dict[old.group(1) + old.group(2)] = state_dict[key]
            del state_dict[key]
    return model.load_state_dict(state_dict)
