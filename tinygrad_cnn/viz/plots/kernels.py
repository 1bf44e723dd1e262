"""`kernels`: what a convolution has learnt to look for."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module

from ._figure import Picture, Tiles, largest, symmetric


def kernels(
    layer: Module | Tensor,
    *,
    outputs: Sequence[int] | None = None,
    inputs: Sequence[int] | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the kernels of a convolution, in one scale of colours with 0 in its middle.

    Kernels of one channel are drawn side by side, kernels of three channels as colour pictures
    (grey is 0, and the largest weight in the layer is a full colour). Of others, a row shows one
    kernel, and each column what it does with one input channel.

    Parameters
    ----------
    layer : Module or Tensor
        Such as a `nn.Conv2d`: something with a ``weight`` (O, C, H, W), or the weight itself.
    outputs : sequence of int, optional
        Which kernels to draw, such as ``range(64, 128)``; by default the first 64, or the first
        16 of those drawn as rows. The picture's title says how many there are.
    inputs : sequence of int, optional
        Which channels of each; by default the first 16. If given, three channels are not taken
        for colours.
    figsize : tuple of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If `layer` has no weight.
    ValueError
        If the weight has not four dimensions.
    IndexError
        If a kernel or channel does not exist.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> figure = tg.viz.kernels(tg.nn.Conv2d(6, 32, 5))
    >>> print(figure.axes[0].get_title(loc="left"))
    rows: kernels 0 to 15 of 32, 5 × 5
    columns: input channels 0 to 5 of 6
    """
    weight = getattr(layer, "weight", layer)
    if not isinstance(weight, Tensor):
        raise TypeError(
            f"kernels: layer must be a Tensor or have a weight, got {type(layer).__name__}"
        )
    if weight.ndim != 4:
        raise ValueError(f"kernels: the weight must be (O, C, H, W), got {weight.shape}")
    values = weight.detach().numpy()
    count, channels, *shape = values.shape
    colour = channels == 3 and inputs is None
    flat = colour or channels == 1
    rows = _chosen("outputs", outputs, count, 64 if flat else 16)
    columns = range(channels) if colour else _chosen("inputs", inputs, channels, 16)
    title = f"{_span('kernel', rows, count)}, {shape[0]} × {shape[1]}"
    scale = symmetric(values)
    if colour:
        most = largest(values)
        images = [(0.5 + 0.5 * values[o] / most).clip(0, 1).transpose(1, 2, 0) for o in rows]
        title += f", full colour is ±{most:.2g}"
        scale = {}
    else:
        images = [values[o, c] for o in rows for c in columns]
    if not flat:
        title = f"rows: {title}\ncolumns: {_span('input channel', columns, channels)}"
    per_row = min(len(rows), 8) if flat else len(columns)
    tiles = Tiles(len(images), per_row, shape, labelled=flat)
    side, left, top = (0.7, 0.1, 0.35) if flat else (0.45, 0.3, 0.7)
    width, height = side * tiles.width, max(side * tiles.height, 0.6)
    right = 0.1 if colour else 0.95
    size = (max(left + width + right, 4), height + top + 0.15)
    figure = Picture(figsize or size)
    ax = figure.axes_at(left, 0.15, width, height, size)
    shown = tiles.draw(ax, images, [str(o) for o in rows] if flat else [], **scale)
    if not flat:
        tiles.number(ax, rows, columns)
    ax.set_title(title, fontsize=10, loc="left")
    ax.set_anchor("NW")
    if not colour:
        above = 0.15 + height - side * tiles.top
        long = min(above - 0.15, 2.5)
        bar = figure.axes_at(left + width + 0.15, above - long, 0.12, long, size)
        figure.colorbar(shown, cax=bar).ax.tick_params(labelsize=8)
    return figure


def _chosen(argument: str, chosen: Sequence[int] | None, count: int, most: int) -> Sequence[int]:
    """Return the numbers that were asked for, or the first ones."""
    if chosen is None:
        return range(min(count, most))
    if not len(chosen):
        raise IndexError(f"kernels: {argument} must name at least one of {count}, got {chosen!r}")
    for number in chosen:
        if not 0 <= number < count:
            raise IndexError(f"kernels: {argument} must be in 0 to {count - 1}, got {number}")
    return chosen


def _span(noun: str, chosen: Sequence[int], count: int) -> str:
    """Return which of how many are drawn, in words."""
    if len(chosen) == 1:
        return f"{noun} {chosen[0]} of {count}"
    if list(chosen) == list(range(chosen[0], chosen[-1] + 1)):
        return f"{noun}s {chosen[0]} to {chosen[-1]} of {count}"
    return f"{len(chosen)} of {count} {noun}s"
