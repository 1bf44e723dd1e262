"""What is measured: each case builds a function to time, for one library.

A case takes the library as an argument: this package and PyTorch share their names. For what other
libraries make of it see `peers`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A function that takes a library and these arguments, and returns what is timed."""

    build: Callable[..., Callable[[], Any]]
    args: tuple[Any, ...] = ()

    def __call__(self, lib: ModuleType) -> Callable[[], Any]:
        return self.build(lib, *self.args)


# -- networks ----------------------------------------------------------------------------------


def lenet(lib: ModuleType) -> Any:
    """Return LeNet-5 with 61,706 parameters."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def mlp(lib: ModuleType) -> Any:
    """Return a perceptron with two hidden layers for images of 28 x 28."""
    nn = lib.nn
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip


def vgg(lib: ModuleType) -> Any:
    """Return six convolutions with batch norm, and a linear layer, for images of 3 x 32 x 32."""
    nn = lib.nn
    layers: list[Any] = []
    channels = 3
    for planes in (32, 64, 128):
        for _ in range(2):
            conv = nn.Conv2d(channels, planes, 3, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(planes), nn.ReLU()]
            channels = planes
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4 * 4, 10))


def resnet20(lib: ModuleType) -> Any:
    """Return the ResNet with 20 layers for images of 3 x 32 x 32 (He et al., 2016)."""
    nn = lib.nn

    class Block(nn.Module):  # type: ignore[name-defined]
        def __init__(self, channels: int, planes: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, planes, 3, stride, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(planes)
            self.shortcut = nn.Identity()
            if stride > 1:
                conv = nn.Conv2d(channels, planes, 1, stride, bias=False)
                self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(planes))

        def forward(self, x: Any) -> Any:
            out = lib.relu(self.bn1(self.conv1(x)))
            return lib.relu(self.bn2(self.conv2(out)) + self.shortcut(x))

    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    channels = 16
    for planes in (16, 32, 64):
        for _ in range(3):
            layers.append(Block(channels, planes, planes // channels))
            channels = planes
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


GRAY, COLOUR = (1, 28, 28), (3, 32, 32)
"""The shapes of images."""


def training(
    lib: ModuleType, model: Callable[[ModuleType], Any], batch: int, image: tuple[int, ...]
) -> Callable[[], None]:
    """One training step: forward, loss, backward, SGD with momentum."""
    lib.manual_seed(0)
    network = model(lib)
    optimizer = lib.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images = lib.randn(batch, *image)
    labels = lib.randint(0, 10, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    return step


def inference(
    lib: ModuleType, model: Callable[[ModuleType], Any], batch: int, image: tuple[int, ...]
) -> Callable[[], Any]:
    """One forward pass in evaluation, without a graph."""
    lib.manual_seed(0)
    network = model(lib).eval()
    images = lib.randn(batch, *image)

    def run() -> Any:
        with lib.no_grad():
            return network(images)

    return run


# -- single operations -------------------------------------------------------------------------


def tiny_operations(lib: ModuleType, count: int = 400) -> Callable[[], None]:
    """A chain of operations on four numbers, forward and backward: the engine's own cost."""
    x = lib.ones(4, requires_grad=True)

    def run() -> None:
        y = x
        for _ in range(count // 2):
            y = y * 1.001
            y = y + 0.5
        y.sum().backward()

    return run


def conv2d(
    lib: ModuleType, batch: int, c: int, o: int, size: int, k: int, stride: int = 1, groups: int = 1
) -> Callable[[], None]:
    """A convolution with all three gradients."""
    lib.manual_seed(0)
    x = lib.randn(batch, c, size, size, requires_grad=True)
    weight = lib.randn(o, c // groups, k, k, requires_grad=True)
    bias = lib.randn(o, requires_grad=True)
    options: dict[str, Any] = {"stride": stride, "padding": k // 2, "groups": groups}
    g = lib.randn(*lib.nn.functional.conv2d(x, weight, bias, **options).shape)

    def run() -> None:
        lib.nn.functional.conv2d(x, weight, bias, **options).backward(g)
        x.grad = weight.grad = bias.grad = None

    return run


def pool2d(
    lib: ModuleType, kind: str, batch: int, c: int, size: int, k: int, *options: int
) -> Callable[[], None]:
    """Pooling, forward and backward; `kind` is "max" or "avg", `options` stride and padding."""
    lib.manual_seed(0)
    function = getattr(lib.nn.functional, f"{kind}_pool2d")
    x = lib.randn(batch, c, size, size, requires_grad=True)
    g = lib.randn(*function(x, k, *options).shape)

    def run() -> None:
        function(x, k, *options).backward(g)
        x.grad = None

    return run


# -- the tables --------------------------------------------------------------------------------

NETWORKS: dict[str, tuple[Callable[[ModuleType], Any], int, tuple[int, ...]]] = {
    "LeNet-5, batch 1": (lenet, 1, GRAY),
    "LeNet-5, batch 16": (lenet, 16, GRAY),
    "LeNet-5, batch 64": (lenet, 64, GRAY),
    "LeNet-5, batch 256": (lenet, 256, GRAY),
    "MLP, batch 64": (mlp, 64, GRAY),
    "small VGG, batch 32": (vgg, 32, COLOUR),
    "small VGG, batch 128": (vgg, 128, COLOUR),
    "ResNet-20, batch 32": (resnet20, 32, COLOUR),
    "ResNet-20, batch 128": (resnet20, 128, COLOUR),
}
"""A network, a batch size and the shape of an image, by name."""

CONVOLUTIONS: dict[str, tuple[int, ...]] = {
    "64x1x28x28 -> 6, 5x5": (64, 1, 6, 28, 5),
    "64x6x14x14 -> 16, 5x5": (64, 6, 16, 14, 5),
    "32x3x32x32 -> 16, 3x3": (32, 3, 16, 32, 3),
    "32x16x32x32 -> 16, 3x3": (32, 16, 16, 32, 3),
    "32x16x32x32 -> 32, 3x3": (32, 16, 32, 32, 3),
    "32x32x16x16 -> 32, 3x3": (32, 32, 32, 16, 3),
    "16x64x16x16 -> 64, 3x3": (16, 64, 64, 16, 3),
    "32x64x8x8 -> 64, 3x3": (32, 64, 64, 8, 3),
    "16x128x16x16 -> 128, 3x3": (16, 128, 128, 16, 3),
    "32x16x32x32 -> 32, 3x3, stride 2": (32, 16, 32, 32, 3, 2),
    "16x64x16x16 -> 128, 3x3, stride 2": (16, 64, 128, 16, 3, 2),
    "4x3x224x224 -> 64, 7x7, stride 2": (4, 3, 64, 224, 7, 2),
    "32x64x16x16 -> 64, 1x1": (32, 64, 64, 16, 1),
    "16x64x16x16 -> 64, 3x3, groups 4": (16, 64, 64, 16, 3, 1, 4),
    "16x64x32x32 -> 64, 3x3, depthwise": (16, 64, 64, 32, 3, 1, 64),
}
"""The arguments of `conv2d`, by name."""

POOLS: dict[str, tuple[Any, ...]] = {
    "max_pool2d 64x6x28x28, 2x2": ("max", 64, 6, 28, 2),
    "max_pool2d 32x64x32x32, 2x2": ("max", 32, 64, 32, 2),
    "max_pool2d 16x64x56x56, 3x3, stride 2": ("max", 16, 64, 56, 3, 2, 1),
    "avg_pool2d 32x64x32x32, 2x2": ("avg", 32, 64, 32, 2),
}
"""The arguments of `pool2d`, by name."""


CASES: dict[str, Case] = {
    **{f"{name}, training": Case(training, args) for name, args in NETWORKS.items()},
    **{f"{name}, inference": Case(inference, args) for name, args in NETWORKS.items()},
    **{f"conv2d {name}": Case(conv2d, args) for name, args in CONVOLUTIONS.items()},
    **{name: Case(pool2d, args) for name, args in POOLS.items()},
    "400 tiny operations": Case(tiny_operations),
}
