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
    >>> [ax.get_title(loc="left") for ax in figure.axes[:3]]
    ['input: 1 × 28 × 28', 'conv1: Conv2d, 6 × 28 × 28', 'conv2: Conv2d, 16 × 10 × 10']
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
    heading = ""
    if layers is None and len(outputs) > _LAYERS:
        heading = f"{_LAYERS} of {len(outputs)} convolutions"
        outputs = [outputs[i] for i in np.linspace(0, len(outputs) - 1, _LAYERS).astype(int)]

    blocks = [(f"input: {_sizes(image)}", image[0])]
    for path, output in outputs:
        maps = maps_of("feature_maps", path, output).detach().numpy()
        shown = f", the first {limit}" if maps.shape[1] > limit else ""
        blocks.append((f"{path or 'model'}: {kinds[path]}, {_sizes(maps)}{shown}", maps[0, :limit]))
    grids = [Tiles(len(maps), _PER_ROW, maps.shape[1:]) for _, maps in blocks]
    heights = [tiles.height + 0.35 for tiles in grids]
    figure = Picture(figsize or (0.8 * _PER_ROW + 1, 0.8 * sum(heights) + 0.3))
    if heading:
        figure.suptitle(heading, fontsize=10)
    all_axes = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, tiles, (title, maps) in zip(all_axes, grids, blocks, strict=True):
        ax.set_title(title, loc="left", fontsize=9)
        if ax is all_axes[0]:
            _draw_image(ax, tiles, maps)
            continue
        signed = maps.min() < 0
        scale = symmetric(maps) if signed else {"cmap": "viridis", "vmin": 0, "vmax": largest(maps)}
        shown = tiles.draw(ax, list(maps), [str(i) for i in range(len(maps))], **scale)
        figure.colorbar(shown, ax=ax, fraction=0.03, aspect=12).ax.tick_params(labelsize=7)
    return figure


def _draw_image(ax: Axes, tiles: Tiles, image: np.ndarray) -> None:
    """Draw three channels as colours, others side by side in grey."""
    low, high = image.min(), image.max()
    shades = (image - low) / ((high - low) or 1)
    images = [shades.transpose(1, 2, 0)] if len(image) == 3 else list(shades[: 2 * _PER_ROW])
    tiles.draw(ax, images, cmap="gray", vmin=0, vmax=1)


def _sizes(maps: np.ndarray) -> str:
    return " × ".join(map(str, maps.shape[1:]))
