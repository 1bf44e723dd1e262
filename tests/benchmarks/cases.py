"""What is measured: each case builds a function to time, for one library.

The libraries share PyTorch's names, so a case is written once and takes the library as an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

Case = Callable[[ModuleType], Callable[[], Any]]


def lenet(lib: ModuleType) -> Any:
    """Return LeNet-5 with 61,706 parameters."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def lenet_step(lib: ModuleType, batch: int = 64) -> Callable[[], None]:
    """One training step: forward, loss, backward, SGD with momentum."""
    lib.manual_seed(0)
    model = lenet(lib)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = lib.randn(batch, 1, 28, 28)
    labels = lib.randint(0, 10, (batch,))

    def step() -> None:
        optimizer.zero_grad()
        lib.nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    return step


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
    lib: ModuleType, batch: int, c: int, o: int, size: int, k: int
) -> Callable[[], None]:
    """A convolution with all three gradients."""
    lib.manual_seed(0)
    x = lib.randn(batch, c, size, size, requires_grad=True)
    weight = lib.randn(o, c, k, k, requires_grad=True)
    bias = lib.randn(o, requires_grad=True)
    g = lib.randn(batch, o, size, size)

    def run() -> None:
        lib.nn.functional.conv2d(x, weight, bias, padding=k // 2).backward(g)
        x.grad = weight.grad = bias.grad = None

    return run


def max_pool2d(lib: ModuleType) -> Callable[[], None]:
    """2 x 2 max pooling of 64 x 6 x 28 x 28, forward and backward."""
    lib.manual_seed(0)
    x = lib.randn(64, 6, 28, 28, requires_grad=True)
    g = lib.randn(64, 6, 14, 14)

    def run() -> None:
        lib.nn.functional.max_pool2d(x, 2).backward(g)
        x.grad = None

    return run


CASES: dict[str, Case] = {
    "LeNet-5 step, batch 64": lenet_step,
    "400 tiny operations": tiny_operations,
    "conv2d 64x6x14x14 -> 16, 5x5": lambda lib: conv2d(lib, 64, 6, 16, 14, 5),
    "conv2d 32x16x32x32 -> 32, 3x3": lambda lib: conv2d(lib, 32, 16, 32, 32, 3),
    "conv2d 16x64x16x16 -> 64, 3x3": lambda lib: conv2d(lib, 16, 64, 64, 16, 3),
    "max_pool2d 64x6x28x28, 2x2": max_pool2d,
}
