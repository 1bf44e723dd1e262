"""What the pictures share: figures that show themselves, colours, and rows of small images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

# from the palette of M. Okabe and K. Ito, told apart by the colour-blind and on grey prints
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#767676"
_GAP, _LABEL = 0.12, 0.2
"""Between small images, and above them for a label, in widths of one."""


class Picture(Figure):
    """A matplotlib figure that shows itself in a notebook, whether or not pyplot is in use."""

    def axes_at(
        self, left: float, bottom: float, width: float, height: float, size: tuple[float, float]
    ) -> Axes:
        """Add axes at a place in inches, of a figure that is `size` large or scaled from that."""
        across, down = size
        return self.add_axes((left / across, bottom / down, width / across, height / down))

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


def symmetric(values: np.ndarray) -> dict[str, Any]:
    """Return the scale of colours for signed values: blue below 0, white at 0, red above."""
    most = largest(values)
    return {"cmap": "RdBu_r", "vmin": -most, "vmax": most}


def largest(values: np.ndarray) -> float:
    """Return the largest finite magnitude, or 1 where there is none but 0."""
    magnitudes = np.abs(values[np.isfinite(values)])
    return float(magnitudes.max(initial=0)) or 1.0


class Tiles:
    """Where images of one shape stand in rows, in widths of one image."""

    def __init__(self, count: int, columns: int, shape: Sequence[int], labelled: bool = True):
        self.columns = columns
        self.side = shape[0] / shape[1]
        """The height of one image."""
        self.top = _LABEL if labelled else 0.02
        self.step = self.side + _GAP + self.top
        self.width = columns * (1 + _GAP) - _GAP
        self.height = -(-count // columns) * self.step - _GAP

    def draw(
        self, ax: Axes, images: Sequence[np.ndarray], labels: Sequence[str] = (), **scale: Any
    ) -> AxesImage:
        """Draw the images, each under its label, into one pair of axes; return the last."""
        for i, image in enumerate(images):
            row, column = divmod(i, self.columns)
            x, y = column * (1 + _GAP), row * self.step
            shown = ax.imshow(
                image, extent=(x, x + 1, y + self.side, y), interpolation="nearest", **scale
            )
            ax.add_patch(Rectangle((x, y), 1, self.side, fill=False, color="#bbbbbb", lw=0.5))
            if labels:
                ax.text(x, y - 0.03, labels[i], fontsize=7, va="bottom", color=GREY)
        ax.set(xlim=(-0.02, self.width + 0.02), ylim=(self.height - self.top + 0.02, -self.top))
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        return shown

    def number(self, ax: Axes, rows: Sequence[int], columns: Sequence[int]) -> None:
        """Write numbers at rows and columns."""
        across = [i * (1 + _GAP) + 0.5 for i in range(len(columns))]
        down = [i * self.step + self.side / 2 for i in range(len(rows))]
        ax.set_xticks(across, list(map(str, columns)))
        ax.set_yticks(down, list(map(str, rows)))
        ax.xaxis.tick_top()
        ax.tick_params(length=0, labelsize=7, labelcolor=GREY)
