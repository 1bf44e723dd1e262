"""Trains ResNet-20 on CIFAR-10, and draws the curves of the training.

    python examples/train_cifar_resnet.py --data DIR

CIFAR-10 is read from its binary files: unpack ``cifar-10-binary.tar.gz`` in DIR. Without them, the
program says so and goes on with a stand-in, coloured shapes that it draws itself. They show that
training works; how well it works on CIFAR-10 they do not. The results are in ``runs/cifar/``:

    curves.png             loss and accuracy over the epochs
    resnet20.safetensors   the parameters
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import pictures
from shapes import draw_shapes

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import datasets, nn, optim
from tinygrad_cnn.datasets import transforms
from tinygrad_cnn.models import resnet20
from tinygrad_cnn.utils.data import DataLoader, Dataset, Subset


def load_images(data: Path, seed: int) -> tuple[Dataset, Dataset]:
    """Return the images to train on, changed at random each time, and those held out."""
    normalize = transforms.Normalize(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
    augment = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), normalize]
    )
    try:
        train_set: Dataset = datasets.CIFAR10(data, train=True, transform=augment)
        test_set: Dataset = datasets.CIFAR10(data, train=False, transform=normalize)
    except FileNotFoundError as error:
        print(
            f"{error}\nThis is NOT CIFAR-10, but a stand-in: coloured shapes drawn with seed {seed}"
        )
        train_set = datasets.Images(*draw_shapes(3000, seed), augment)
        test_set = datasets.Images(*draw_shapes(500, seed + 1), normalize)
    return train_set, test_set


def train_epoch(
    model: nn.Module,
    loader: DataLoader,
    optimizer: optim.Optimizer,
    scheduler: optim.lr_scheduler.LRScheduler,
) -> tuple[list[float], float]:
    """Go through the images once; return the loss of each batch, and the accuracy."""
    model.train()
    losses, correct = [], 0
    for images, labels in loader:
        scores = model(images)
        loss = F.cross_entropy(scores, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        correct += int((scores.argmax(1) == labels).sum())
    return losses, correct / len(loader.dataset)


@tg.no_grad()
def evaluate(model: nn.Module, loader: DataLoader) -> float:
    """Return the part of the images that get the right class."""
    model.eval()
    correct = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in loader)
    return correct / len(loader.dataset)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Train ResNet-20 on CIFAR-10, or on a stand-in.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default="data", help="where CIFAR-10 may be")
    parser.add_argument("--epochs", type=int, default=10, help="times to go through the images")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a training step")
    parser.add_argument("--images", type=int, help="of each set, the first so many only")
    parser.add_argument("--lr", type=float, default=0.05, help="highest learning rate of the cycle")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument("--out", type=Path, default="runs/cifar", help="results")
    args = parser.parse_args()

    tg.manual_seed(args.seed)
    try:
        train_set, test_set = load_images(args.data, args.seed)
    except ValueError as error:  # a damaged file
        sys.exit(f"error: {error}")
    train_set, test_set = (
        Subset(dataset, range(len(dataset))[: args.images]) for dataset in (train_set, test_set)
    )
    train_loader = DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=500)
    model = resnet20()
    optimizer = optim.SGD(
        model.parameters(), lr=args.lr, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    scheduler = optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=args.lr, epochs=args.epochs, steps_per_epoch=len(train_loader)
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"ResNet-20 with {parameters:,} parameters; {len(train_set):,} images for training, "
        f"{len(test_set):,} held out",
        flush=True,
    )

    losses: list[float] = []
    accuracies: list[list[float]] = []
    for epoch in range(args.epochs):
        start = time.perf_counter()
        batch_losses, training = train_epoch(model, train_loader, optimizer, scheduler)
        rate = len(train_set) / (time.perf_counter() - start)
        losses += batch_losses
        accuracies.append([training, evaluate(model, test_loader)])
        print(
            f"epoch {epoch + 1:2}/{args.epochs}   "
            f"loss {sum(batch_losses) / len(batch_losses):.4f}   "
            f"accuracy {training:.2%} in training, {accuracies[-1][1]:.2%} held out   "
            f"{rate:,.0f} images/s",
            flush=True,
        )

    args.out.mkdir(parents=True, exist_ok=True)
    model.save(args.out / "resnet20.safetensors")
    pictures.curves(losses, accuracies, args.out / "curves.png")
    print(f"In {args.out}: curves.png, resnet20.safetensors")


if __name__ == "__main__":
    main()
