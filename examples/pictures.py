"""The pictures of the training programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import LogLocator, MaxNLocator

import tinygrad_cnn as tg

matplotlib.use("Agg")
plt.rcParams.update(
    {
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#888888",
        "xtick.color": "#555555",
        "ytick.color": "#555555",
        "savefig.dpi": 150,
    }
)
BLUE, ORANGE, GREY = "#2f6db3", "#d9772b", "#9aa5b1"


def curves(losses: Sequence[float], accuracies: Sequence[Sequence[float]], path: Path) -> None:
    """Draw the loss of every batch and the accuracies (in training, held out) of every epoch."""
    count = len(accuracies)
    per_epoch = len(losses) // count
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")

    left.plot(np.arange(len(losses)) / per_epoch, losses, color=GREY, lw=0.5, alpha=0.7)
    means = np.reshape(losses, (count, per_epoch)).mean(1)
    left.plot(np.arange(count) + 0.5, means, color=BLUE, lw=1.8, marker="o", ms=3)
    left.set(title="Loss of each batch, and mean of each epoch", yscale="log")
    left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    left.yaxis.set_major_formatter("{x:g}")

    # The closer to 100 %, the more a difference means: the axis is logarithmic in the errors.
    errors = np.maximum(1 - np.array(accuracies), 1e-4)
    epochs = np.arange(1, count + 1)
    for values, colour, name in zip(
        errors.T, (BLUE, ORANGE), ("in training, augmented", "held out"), strict=True
    ):
        right.plot(epochs, values, color=colour, lw=1.8, marker="o", ms=3, label=name)
    right.set(title="Accuracy", yscale="log", ylim=(errors.max() * 1.2, errors.min() / 1.4))
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.yaxis.set_major_formatter(lambda error, _: f"{100 - 100 * error:g}%")
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_minor_formatter("")
        axes.minorticks_off()
        axes.grid(axis="y", color="#e6e6e6", lw=0.7)
    _write(figure, path)


def kernels(digit: tg.Tensor, weight: tg.Tensor, maps: tg.Tensor, path: Path) -> None:
    """Draw the kernels (C, 1, H, W), and below each its feature map (H, W) of the digit."""
    count = len(weight)
    figure = plt.figure(figsize=(1.3 * (count + 1.6), 2.9), layout="constrained")
    grid = figure.add_gridspec(2, count + 1, width_ratios=[1.5] + [1] * count)
    _show(figure.add_subplot(grid[:, 0]), digit, "digit", cmap="gray_r")
    limit = float(weight.abs().max())
    tops = [figure.add_subplot(grid[0, k + 1]) for k in range(count)]
    for k, axes in enumerate(tops):
        scale = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        shown = _show(axes, weight[k, 0], f"kernel {k}", **scale)
        below = figure.add_subplot(grid[1, k + 1])
        _show(below, maps[k], "", cmap="Blues", vmin=0, vmax=float(maps.max()))
        if k == 0:
            axes.set_ylabel("weights")
            below.set_ylabel("after ReLU")
    bar = figure.colorbar(shown, ax=tops, shrink=0.9, aspect=12, pad=0.01)
    bar.outline.set_visible(False)
    _write(figure, path)


def mistakes(images: tg.Tensor, labels: tg.Tensor, probabilities: tg.Tensor, path: Path) -> None:
    """Draw up to 40 digits that get the wrong class, the surest mistakes first."""
    surest, predicted = probabilities.max(1)
    wrong = np.flatnonzero((predicted != labels).numpy())
    wrong = wrong[np.argsort(-surest.numpy()[wrong])]
    shown = wrong[:40].tolist()
    rows = max(1, -(-len(shown) // 8))
    figure, grid = plt.subplots(
        rows, 8, figsize=(9, 1.4 * rows + 0.4), layout="constrained", squeeze=False
    )
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, i in zip(grid.flat, shown, strict=False):
        title = f"{int(labels[i])} taken for {int(predicted[i])}\n{float(surest[i]):.0%} sure"
        _show(axes, images[i], title, cmap="gray_r")
    most = f", the {len(shown)} surest:" if len(shown) < len(wrong) else ""
    figure.suptitle(f"{len(wrong):,} of {len(images):,} held-out digits mistaken{most}")
    _write(figure, path)


def row(images: Mapping[str, tg.Tensor], path: Path) -> None:
    """Draw grey images (H, W) side by side, with their titles."""
    figure, grid = plt.subplots(
        1, len(images), figsize=(2 * len(images), 2.2), layout="constrained", squeeze=False
    )
    for axes, (title, image) in zip(grid.flat, images.items(), strict=True):
        _show(axes, image, title, cmap="gray_r")
    _write(figure, path)


def _show(axes: Axes, image: tg.Tensor, title: str, **options: Any) -> AxesImage:
    axes.set_title(title, fontsize=8, pad=3)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#d5d9de")
    return axes.imshow(image.numpy(), **options)


def _write(figure: Figure, path: Path) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    figure.savefig(unfinished, format="png")
    plt.close(figure)
    os.replace(unfinished, path)
