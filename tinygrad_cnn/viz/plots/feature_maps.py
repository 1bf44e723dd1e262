"""`feature_maps`: what each layer makes of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module

from ._figure import Picture, Tiles, largest, symmetric
from ._model import check_model, convolutions, find_layer, maps_of, one_image, run

_PER_ROW = 8
_LAYERS = 8
_SIDE, _TITLE = 0.75, 0.3
"""Width of a map and height of a layer's title, in inches."""


def feature_maps(
    model: Module,
    x: Any,
    layers: Sequence[str | Module] | None = None,
    *,
    limit: int = 16,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw what layers of a model give for an image, in the order in which they run.

    The model runs in evaluation mode, and is left as it was. Each layer has a scale of colours
    of its own: from blue over white at 0 to red, or, where nothing is negative, from 0 on.

    Parameters
    ----------
    model : Module
    x : Tensor or array
        One image, (C, H, W) or (1, C, H, W).
    layers : sequence of str or Module, optional
        Paths such as ``"features.0"``, or modules of the model, which give (1, C, H, W). By
        default its convolutions; where there are more than eight, eight spread evenly.
    limit : int
        At most so many maps are drawn of each layer. Its title says how many there are.
    figsize : tuple of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If `model` is no Module, or `x` is not of a floating dtype.
    ValueError
        If a layer is none of the model's, or does not give maps, or none ran.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> figure = tg.viz.feature_maps(tg.models.lenet5(), tg.rand(1, 28, 28))
    >>> [ax.get_title(loc="left") for ax in figure.axes[1::2]]
    ['conv1: Conv2d, 6 × 28 × 28', 'conv2: Conv2d, 16 × 10 × 10']
    """
    check_model("feature_maps", model)
    image = one_image("feature_maps", x)
    if not isinstance(limit, int) or limit < 1:
        raise ValueError(f"feature_maps: limit must be an int from 1 on, got {limit!r}")
    if layers is None:
        watched = convolutions("feature_maps", model)
    else:
        found = [find_layer("feature_maps", model, layer) for layer in layers]
        watched = {module: path for path, module in found}
    kinds = {path: type(module).__name__ for module, path in watched.items()}
    _, outputs = run(model, Tensor(image), watched)
    if not outputs:
        raise ValueError("feature_maps: none of the layers ran in model(x)")
    heading = f"input: {_sizes(image)}"
    if layers is None and len(outputs) > _LAYERS:
        heading += f"; below it, {_LAYERS} of {len(outputs)} convolutions"
        outputs = [outputs[i] for i in np.linspace(0, len(outputs) - 1, _LAYERS).astype(int)]

    blocks = [(heading, image[0, :limit])]
    for path, output in outputs:
        maps = maps_of("feature_maps", path, output).detach().numpy()
        shown = f", the first {limit}" if maps.shape[1] > limit else ""
        blocks.append((f"{path}: {kinds[path]}, {_sizes(maps)}{shown}", maps[0, :limit]))
    grids = [Tiles(len(maps), _PER_ROW, maps.shape[1:]) for _, maps in blocks]
    heights = [_TITLE + _SIDE * tiles.height + 0.15 for tiles in grids]
    size = (_SIDE * grids[0].width + 0.85, sum(heights))
    figure = Picture(figsize or size)
    bottom = sum(heights)
    for i, (tiles, (title, maps)) in enumerate(zip(grids, blocks, strict=True)):
        bottom -= heights[i]
        width, height = _SIDE * tiles.width, _SIDE * tiles.height
        ax = figure.axes_at(0.1, bottom + 0.1, width, height, size)
        ax.set_title(title, loc="left", fontsize=9)
        if i == 0:
            _draw_image(ax, tiles, maps)
            continue
        signed = maps.min() < 0
        scale = symmetric(maps) if signed else {"cmap": "viridis", "vmin": 0, "vmax": largest(maps)}
        drawn = tiles.draw(ax, list(maps), [str(i) for i in range(len(maps))], **scale)
        bar = figure.axes_at(0.2 + width, bottom + 0.1, 0.1, height - _SIDE * tiles.top, size)
        figure.colorbar(drawn, cax=bar).ax.tick_params(labelsize=7)
    return figure


def _draw_image(ax: Axes, tiles: Tiles, image: np.ndarray) -> None:
    """Draw three channels as colours, others side by side in grey."""
    low, high = image.min(), image.max()
    shades = (image - low) / ((high - low) or 1)
    images = [shades.transpose(1, 2, 0)] if len(image) == 3 else list(shades)
    tiles.draw(ax, images, cmap="gray", vmin=0, vmax=1)


def _sizes(maps: np.ndarray) -> str:
    return " × ".join(map(str, maps.shape[1:]))
