"""`training_curves` and `gradient_flow`: how training goes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from tinygrad_cnn.nn.module import Module

from ._figure import BLUE, GREY, ORANGE, Picture
from ._model import check_model

_PARTS = {
    **dict.fromkeys(("train", "training"), "training"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
    "test": "test",
}
_STYLES: dict[str, dict[str, Any]] = {
    "training": {"color": BLUE, "marker": "o"},
    "validation": {"color": ORANGE, "marker": "s", "ls": "--"},
    "test": {"color": GREY, "marker": "^", "ls": ":"},
}
_LESS_IS_BETTER = {"loss", "error", "mse", "mae", "rmse", "nll", "perplexity"}
_MORE_IS_BETTER = {"accuracy", "acc", "top1", "top5", "precision", "recall", "f1", "auc", "iou", "dice"}


def training_curves(
    history: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]],
    *,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw what was noted in each epoch: losses, accuracies, learning rates.

    Names such as ``train_loss`` and ``val_loss`` (or ``loss`` and ``val_loss``, ``loss/train``
    and ``loss/valid``) share a pair of axes. The best epoch of losses, errors, accuracies and the
    like is marked: in the validation curve where there is one. So are numbers that are not finite.

    Parameters
    ----------
    history : mapping of str to sequence of number, or sequence of mapping of str to number
        The numbers of all epochs by name, or the named numbers of each epoch. In the latter, an
        epoch may have none of some name.
    figsize : tuple of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If it is neither, or something in it is no number.
    ValueError
        If it is empty.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> history = {"loss": [1.2, 0.5, 0.3], "val_loss": [1.0, 0.6, 0.7], "lr": [0.1, 0.1, 0.01]}
    >>> left, right = tg.viz.training_curves(history).axes
    >>> [text.get_text() for text in left.get_legend().get_texts()]
    ['training', 'validation', 'best: 0.6, epoch 2']
    """
    panels: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for name, curve in _series(history).items():
        words = re.split(r"[\s_/.\-]+", name.lower())
        part = next((_PARTS[word] for word in words if word in _PARTS), "training")
        metric = "_".join(word for word in words if word not in _PARTS) or name
        panel = panels.setdefault(metric if part not in panels.get(metric, {}) else name, {})
        panel[part] = curve
    figure = Picture(
        figsize or (4.2 * min(len(panels), 3), 3.2 * -(-len(panels) // 3)), layout="constrained"
    )
    all_axes = figure.subplots(-(-len(panels) // 3), min(len(panels), 3), squeeze=False)
    for ax, (metric, panel) in zip(all_axes.flat, panels.items(), strict=False):
        for part, (epochs, values) in panel.items():
            line = {"ms": 3, "lw": 1.6, **_STYLES[part]}
            ax.plot(epochs, np.where(np.isfinite(values), values, np.nan), label=part, **line)
            if not (finite := np.isfinite(values)).all():
                at = epochs[~finite]
                ax.plot(
                    at, np.full(len(at), 0.03), "x", color=line["color"], clip_on=False,
                    transform=ax.get_xaxis_transform(), label=f"{part}: not finite",
                )  # fmt: skip
        _mark_best(ax, metric, panel)
        ax.set_title(metric, fontsize=10)
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.grid(axis="y", color="#e6e6e6", lw=0.7)
        ax.spines[["top", "right"]].set_visible(False)
        if len(ax.lines) > 1:
            ax.legend(fontsize=8, frameon=False)
    for ax in all_axes.flat[len(panels) :]:
        ax.remove()
    return figure


def _series(history: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by name the epochs, counted from 1, for which there are numbers, and the numbers."""
    noted: dict[str, dict[int, float]] = {}
    if isinstance(history, Mapping):
        for name, values in history.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise TypeError(
                    f"training_curves: history[{name!r}] must be a sequence of numbers, "
                    f"got {type(values).__name__}"
                )
            noted[name] = {i: _number(name, value) for i, value in enumerate(values, 1)}
    elif isinstance(history, Sequence) and all(isinstance(epoch, Mapping) for epoch in history):
        for i, epoch in enumerate(history, 1):
            for name, value in epoch.items():
                noted.setdefault(name, {})[i] = _number(name, value)
    else:
        raise TypeError(
            "training_curves: history must be a mapping of names to sequences or a sequence of "
            f"mappings of names to numbers, got {type(history).__name__}"
        )
    if not any(noted.values()):
        raise ValueError("training_curves: history is empty")
    return {
        name: (np.array([*values]), np.array([*values.values()]))
        for name, values in noted.items()
        if values
    }


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"training_curves: history[{name!r}] must be of numbers, got {value!r}"
        ) from None


def _mark_best(ax: Any, metric: str, panel: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Mark the best epoch, where it is known whether more is better."""
    words = set(metric.split("_"))
    sign = bool(words & _MORE_IS_BETTER) - bool(words & _LESS_IS_BETTER)
    epochs, values = panel.get("validation", next(iter(panel.values())))
    if not sign or not np.isfinite(values).any():
        return
    best = int(np.argmax(np.where(np.isfinite(values), sign * values, -np.inf)))
    ax.plot(
        epochs[best], values[best], "o", ms=10, mfc="none", mec="black",
        label=f"best: {values[best]:.4g}, epoch {epochs[best]}",
    )  # fmt: skip


def gradient_flow(model: Module, *, figsize: tuple[float, float] | None = None) -> Figure:
    """Draw the norm of each parameter and of its gradient, and their ratio, on log scales.

    Call it after ``backward()``. A ratio far below the others is a layer that learns slowly, or
    not at all; one near 1, a step that throws away what was learnt. What has no place on a log
    scale is said in words: *no gradient*, *frozen* (it does not require any), *zero gradient*,
    *gradient has NaN*, *weight is zero*, and so on.

    Parameters
    ----------
    model : Module
    figsize : tuple of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If `model` is no Module.
    ValueError
        If it has no parameters.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> model = tg.nn.Sequential(tg.nn.Conv2d(1, 4, 3), tg.nn.ReLU(), tg.nn.Conv2d(4, 2, 3))
    >>> model(tg.rand(1, 1, 8, 8)).sum().backward()
    >>> norms, ratio = tg.viz.gradient_flow(model).axes
    >>> [label.get_text() for label in norms.get_yticklabels()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """
    check_model("gradient_flow", model)
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError("gradient_flow: the model has no parameters")
    rows = np.arange(len(parameters))
    weights = np.array([_norm(p.detach().numpy()) for p in parameters.values()])
    grads = np.array(
        [math.nan if p.grad is None else _norm(p.grad.detach().numpy()) for p in parameters.values()]
    )
    figure = Picture(figsize or (8, 0.22 * len(rows) + 1.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    left.plot(_positive(weights), rows, "s", color=GREY, ms=5, mfc="none", label="weight")
    left.plot(_positive(grads), rows, "o", color=BLUE, ms=5, label="gradient")
    with np.errstate(divide="ignore", invalid="ignore"):
        right.plot(_positive(grads / weights), rows, "D", color=ORANGE, ms=5)
    for row, parameter in enumerate(parameters.values()):
        words = _in_words(parameter, weights[row], grads[row])
        right.text(
            0.02, row, words, transform=right.get_yaxis_transform(),
            va="center", color=ORANGE, fontsize=8, fontweight="bold",
        )  # fmt: skip
    left.set(yticks=rows, yticklabels=list(parameters), ylim=(len(rows) - 0.5, -0.5))
    left.set_title("norms", fontsize=10)
    right.set_title("norm of gradient / norm of weight", fontsize=10)
    left.tick_params(axis="y", labelsize=8)
    for ax in (left, right):
        _set_log_scale(ax)
        ax.grid(color="#e6e6e6", lw=0.7)
        ax.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def _set_log_scale(ax: Any) -> None:
    """Make the x-axis logarithmic, over whole powers of ten."""
    drawn = np.concatenate([line.get_xdata() for line in ax.lines])
    powers = np.log10(drawn[np.isfinite(drawn)])
    ax.set_xscale("log")
    low, high = (powers.min(), powers.max()) if powers.size else (-1, 0)
    ax.set_xlim(10.0 ** math.floor(low) / 1.3, 10.0 ** (math.floor(high) + 1) * 1.3)
    ax.xaxis.set_minor_formatter(NullFormatter())


def _norm(values: np.ndarray) -> float:
    """Return the 2-norm, in double precision so that no square is lost."""
    return float(np.linalg.norm(values.astype(np.float64).ravel()))


def _positive(norms: np.ndarray) -> np.ndarray:
    """Return the norms that have a place on a log scale, and NaN for the others."""
    return np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)


def _in_words(parameter: Any, weight: float, gradient: float) -> str:
    """Return what is the matter with a parameter; nothing if its ratio can be drawn."""
    if parameter.grad is None:
        return "no gradient" if parameter.requires_grad else "frozen"
    for what, norm in (("gradient", gradient), ("weight", weight)):
        if math.isnan(norm):
            return f"{what} has NaN"
        if math.isinf(norm):
            return f"{what} is infinite"
        if norm == 0:
            return "zero gradient" if what == "gradient" else "weight is zero"
    return ""
