"""`convolution`: the window that slides over an image, step by step."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from tinygrad_cnn.core.tensor import as_array
from tinygrad_cnn.ops._windows import Size, ntuple
from tinygrad_cnn.ops.conv import conv2d
from tinygrad_cnn.serialization.files import write_whole

from ._figure import GREY, ORANGE, Picture, png, symmetric

_STEPS = 256
_CELL, _CHARACTER = 0.46, 0.085
"""Widths in inches."""
_SIGNS = ("", "×", "=", "sum\n→")
"""What stands before input, kernel, products and output."""


class Convolution:
    """A convolution, one step for each number of its output; made by `convolution`.

    In a notebook it shows itself, to be played or stepped through.

    Attributes
    ----------
    x, kernel : numpy.ndarray
        (H, W) with the padding around it, and (KH, KW).
    windows, products : numpy.ndarray
        (OH, OW, KH, KW): what lies under the kernel at each step, and times the kernel.
    output : numpy.ndarray
        (OH, OW): the sums of the products.
    figure : matplotlib.figure.Figure
        The picture of the step drawn last.
    """

    def __init__(
        self,
        x: np.ndarray,
        kernel: np.ndarray,
        output: np.ndarray,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
        dilation: tuple[int, ...],
    ) -> None:
        self.x = np.pad(x, [(p, p) for p in padding])
        self.kernel = kernel
        self.output = output
        # places in x of the taps (KH, KW) at each step (OH, OW)
        self._rows, self._columns = (
            s * np.arange(n)[:, None] + d * np.arange(k)
            for s, n, d, k in zip(stride, self.output.shape, dilation, kernel.shape, strict=True)
        )
        self.windows = self.x[self._rows[:, None, :, None], self._columns[None, :, None, :]]
        self.products = self.windows * kernel + 0.0  # no -0
        self._sums = [
            f"{' + '.join(map(_product, window.flat, kernel.flat))} = {_text(total)}"
            for window, total in zip(self.windows.reshape(-1, *kernel.shape), output.flat, strict=True)
        ]
        self.figure = self._draw_panels(padding)
        self.draw(len(self) - 1)

    def __len__(self) -> int:
        """Return the number of steps."""
        return self.output.size

    def draw(self, step: int) -> Figure:
        """Draw a step, counted along the rows of the output, with the output up to there.

        Raises
        ------
        IndexError
            If there is no such step.
        """
        if not 0 <= step < len(self):
            raise IndexError(f"draw: step must be in 0 to {len(self) - 1}, got {step}")
        row, column = divmod(step, self.output.shape[1])
        places = [(r, c) for r in self._rows[row] for c in self._columns[column]]
        for tap, (r, c) in zip(self._taps, places, strict=True):
            tap.set_xy((c - 0.5, r - 0.5))
        self._products.show(self.products[row, column])
        done = np.arange(len(self)).reshape(self.output.shape) <= step
        self._output.show(np.where(done, self.output, np.nan))
        self._here.set_xy((column - 0.5, row - 0.5))
        self._sum.set_text(self._sums[step])
        return self.figure

    def save(self, path: str | os.PathLike[str], *, interval: int = 700) -> str:
        """Write the animation to a file, whole or not at all.

        Parameters
        ----------
        path : path
            ``.gif`` is an animated picture; ``.html`` a page that needs no network, to be played
            and stepped through.
        interval : int
            Milliseconds from step to step.

        Returns
        -------
        str
            The path.

        Raises
        ------
        ValueError
            If the name has another suffix, or `interval` is no positive integer.
        """
        path = Path(path)
        if not isinstance(interval, int) or interval < 1:
            raise ValueError(f"save: interval must be an int from 1 on, got {interval!r}")
        if path.suffix.lower() == ".gif":
            data = self._gif(interval)
        elif path.suffix.lower() == ".html":
            data = self._page(interval).encode()
        else:
            raise ValueError(f"save: cannot write {path.name!r}: the name must end in .gif or .html")
        write_whole(path, data)
        return str(path)

    def _repr_html_(self) -> str:
        width, height = self.figure.get_size_inches() * self.figure.dpi
        page = html.escape(self._page(700))
        return (
            f'<iframe srcdoc="{page}" width="{width + 40:.0f}" height="{height + 90:.0f}" '
            'style="border: 0; max-width: 100%"></iframe>'
        )

    def _frames(self) -> Iterator[bytes]:
        return (png(self.draw(step)) for step in range(len(self)))

    def _gif(self, interval: int) -> bytes:
        file = io.BytesIO()
        frames = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in self._frames()]
        durations = [interval] * (len(frames) - 1) + [3 * interval]  # a rest before it starts anew
        frames[0].save(
            file, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
        )
        return file.getvalue()

    def _page(self, interval: int) -> str:
        images = ",".join(f'"{base64.b64encode(frame).decode()}"' for frame in self._frames())
        return _PAGE.replace("INTERVAL", str(interval)).replace("IMAGES", images)

    def _draw_panels(self, padding: tuple[int, ...]) -> Picture:
        """Lay out the figure, in inches, and draw all that stays the same."""
        panels = {
            "input in its padding" if any(padding) else "input": (self.x, symmetric(self.x)),
            "kernel": (self.kernel, symmetric(self.kernel)),
            "products": (self.products[0, 0], symmetric(self.products)),
            "output": (self.output, symmetric(self.output)),
        }
        gap, edge = 0.55, 0.2
        across = sum(values.shape[1] for values, _ in panels.values()) * _CELL
        down = max(values.shape[0] for values, _ in panels.values()) * _CELL
        size = (max(across + 3 * gap + 2 * edge, 4.5), down + 1.1)
        figure = Picture(figsize=size)
        middle, left = (size[1] + 0.25) / 2, edge
        cells = []
        for sign, (title, (values, scale)) in zip(_SIGNS, panels.items(), strict=True):
            height, width = (n * _CELL for n in values.shape)
            ax = figure.axes_at(left, middle - height / 2, width, height, size)
            ax.set_title(title, fontsize=10)
            place = ((left - gap / 2) / size[0], middle / size[1])
            figure.text(*place, sign, fontsize=12, ha="center", va="center", color=GREY)
            cells.append(_Cells(ax, values, scale))
            left += width + gap
        source, _, self._products, self._output = cells
        self._taps = [_outline(source.ax) for _ in range(self.kernel.size)]
        self._here = _outline(self._output.ax)
        if any(padding):
            rows, columns = (n - 2 * p for n, p in zip(self.x.shape, padding, strict=True))
            source.ax.add_patch(
                Rectangle(
                    (padding[1] - 0.5, padding[0] - 0.5), columns, rows,
                    fill=False, color="black", lw=1.5, ls="--", zorder=3,
                )
            )  # fmt: skip
        self._sum = figure.text(0.5, 0.16 / size[1], "", ha="center", va="bottom", fontsize=10)
        if max(map(len, self._sums)) * _CHARACTER > size[0]:
            totals = map(_text, self.output.flat)
            self._sums = [f"the sum of {self.kernel.size} products = {total}" for total in totals]
        return figure


class _Cells:
    """A matrix of numbers on coloured cells."""

    def __init__(self, ax: Axes, values: np.ndarray, scale: dict[str, Any]) -> None:
        self.ax = ax
        self.most = scale["vmax"]
        self.image = ax.imshow(values, alpha=0.75, **scale)
        self.texts = [ax.text(c, r, "", ha="center", va="center") for r, c in np.ndindex(values.shape)]
        rows, columns = values.shape
        for edge in np.arange(1, rows) - 0.5:
            ax.axhline(edge, color="#cccccc", lw=0.6)
        for edge in np.arange(1, columns) - 0.5:
            ax.axvline(edge, color="#cccccc", lw=0.6)
        ax.set(xticks=[], yticks=[])
        self.show(values)

    def show(self, values: np.ndarray) -> None:
        """Show a matrix; NaN is a cell not filled yet."""
        self.image.set_data(values)
        for text, value in zip(self.texts, values.ravel(), strict=True):
            number = "" if np.isnan(value) else _text(value)
            text.set_text(number)
            text.set_fontsize(9 if len(number) <= 5 else 6.5)
            text.set_color("white" if abs(value) > 0.7 * self.most else "black")


def _outline(ax: Axes) -> Rectangle:
    outline = Rectangle((0, 0), 1, 1, fill=False, color=ORANGE, lw=2.5, zorder=4, clip_on=False)
    ax.add_patch(outline)
    return outline


def _text(value: float) -> str:
    whole = (value == round(value) or abs(value) >= 1e3) and abs(value) < 1e6
    text = f"{value:.0f}" if whole else f"{value:.3g}"
    return text.replace("-", "−").replace("e+0", "e").replace("e−0", "e−")


def _product(a: float, b: float) -> str:
    return "·".join(f"({_text(factor)})" if factor < 0 else _text(factor) for factor in (a, b))


def convolution(
    x: Any, kernel: Any, stride: Size = 1, padding: Size = 0, dilation: Size = 1
) -> Convolution:
    """Show how a convolution computes its output, number by number, as an animation.

    Parameters
    ----------
    x : Tensor, array or nested list
        (H, W), one channel of an image.
    kernel : Tensor, array or nested list
        (KH, KW).
    stride, padding, dilation : int or tuple of int
        As those of `nn.functional.conv2d`.

    Returns
    -------
    Convolution
        Shows itself in a notebook; ``save("convolution.gif")`` or ``.html`` writes it.

    Raises
    ------
    TypeError
        If something is not of numbers, or an option no integer.
    ValueError
        If `x` or `kernel` is no matrix of finite numbers, or there are more than 256 steps.
    RuntimeError
        If an option is too small, or the kernel is larger than the padded input.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> steps = tg.viz.convolution([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]])
    >>> len(steps), steps.products[0, 0].tolist(), steps.output.tolist()
    (4, [[1.0, 0.0], [0.0, -5.0]], [[-4.0, -4.0], [-4.0, -4.0]])
    """
    image, window = _matrix("x", x), _matrix("kernel", kernel)
    steps = ntuple("convolution", "stride", stride, 2, 1)
    pads = ntuple("convolution", "padding", padding, 2, 0)
    gaps = ntuple("convolution", "dilation", dilation, 2, 1)
    output: Any = conv2d(image[None, None], window[None, None], None, steps, pads, gaps)
    if output.size > _STEPS:
        raise ValueError(
            f"convolution: x must be small enough for {_STEPS} steps, got {image.shape}, "
            f"which takes {output.size:,}"
        )
    return Convolution(image, window, output[0, 0], steps, pads, gaps)


def _matrix(argument: str, value: Any) -> np.ndarray:
    array = as_array(value).astype(np.float64)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(
            f"convolution: {argument} must be a matrix of finite numbers, got shape {array.shape}"
        )
    return array


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>A convolution, step by step</title>
<style>
  body { margin: 1em auto; max-width: 60em; text-align: center; background: white;
    font: 16px system-ui, sans-serif }
  img { max-width: 100% }
  p { display: flex; flex-wrap: wrap; gap: .5em; justify-content: center; align-items: center }
  button { min-width: 2.6em; font-size: 1.1em }
  #play { min-width: 4em }
  #step { width: 14em }
</style>
<img id="image" alt="The step that is shown: input, kernel, products and output">
<p>
  <button id="back" aria-label="step back">◀</button>
  <button id="play">play</button>
  <button id="on" aria-label="step forward">▶</button>
  <input id="step" type="range" min="0" value="0" aria-label="step">
  <span id="number"></span>
</p>
<script>
  const images = [IMAGES];
  const [image, back, play, on, step, number] =
    ["image", "back", "play", "on", "step", "number"].map(id => document.getElementById(id));
  let timer = null;
  step.max = images.length - 1;
  function show(i) {
    step.value = (i + images.length) % images.length;
    image.src = "data:image/png;base64," + images[step.value];
    number.textContent = `${+step.value + 1} of ${images.length}`;
  }
  function stop() { clearInterval(timer); timer = null; play.textContent = "play"; }
  function toggle() {
    if (timer !== null) return stop();
    timer = setInterval(() => show(+step.value + 1), INTERVAL);
    play.textContent = "pause";
  }
  play.onclick = toggle;
  back.onclick = () => { stop(); show(+step.value - 1); };
  on.onclick = () => { stop(); show(+step.value + 1); };
  step.oninput = () => { stop(); show(+step.value); };
  document.onkeydown = event => {
    if (event.target !== document.body) return;
    if (event.key === "ArrowLeft") back.onclick();
    if (event.key === "ArrowRight") on.onclick();
    if (event.key === " ") { event.preventDefault(); toggle(); }
  };
  show(0);
</script>
"""
