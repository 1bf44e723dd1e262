"""An array in little: enough of it to be shown, and what it is like."""

from __future__ import annotations

import base64
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .snapshot import Statistics, statistics

BINS = 16


@dataclass(frozen=True)
class Preview:
    """A part of an array, with what is known of the whole.

    Attributes
    ----------
    shape : tuple of int
    dtype : str
    statistics : Statistics
    histogram : tuple of int
        How many finite elements there are in each of `BINS` parts from the least to the largest.
    sample : numpy.ndarray
        float32, four axes: rows and columns of tiles, each a matrix. A vector is a tile of one
        row, a matrix a tile; (N, C, H, W) are N rows of C tiles.
    tiles : tuple of int
        How many rows and columns of tiles the whole has, of which the sample has the first.
    steps : tuple of int
        Each element of the sample is the largest (by its absolute value) of so many rows and
        columns of a tile.
    """

    shape: tuple[int, ...]
    dtype: str
    statistics: Statistics
    histogram: tuple[int, ...]
    sample: np.ndarray
    tiles: tuple[int, int]
    steps: tuple[int, int]

    def plain(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        stats = self.statistics
        numbers = {name: getattr(stats, name) for name in ("norm", "mean", "std", "low", "high")}
        return {
            "shape": self.shape,
            "dtype": self.dtype,
            "size": stats.size,
            "nan": stats.nan,
            "inf": stats.inf,
            **{name: as_json(number) for name, number in numbers.items()},
            "histogram": self.histogram,
            "shown": self.sample.shape,
            "tiles": self.tiles,
            "steps": self.steps,
            "data": base64.b64encode(self.sample.tobytes()).decode(),
        }


def preview(array: np.ndarray, limit: int) -> Preview:
    """Return what to show of an array, with at most `limit` of its elements (or one tile's row)."""
    stats = statistics(array)
    tiles = array.reshape(_tiled(array.shape))
    rows, columns, height, width = tiles.shape
    down = across = 1
    while math.ceil(height / down) * math.ceil(width / across) > limit:
        if height / down > width / across:
            down += 1
        else:
            across += 1
    area = max(1, math.ceil(height / down) * math.ceil(width / across))
    shown = max(1, min(columns, limit // area))
    some = tiles[: max(1, limit // (area * shown)), :shown]
    with np.errstate(over="ignore"):
        sample = np.array(_largest(some, down, across), "<f4", order="C")
    counts = _histogram(array)
    return Preview(
        array.shape, array.dtype.name, stats, counts, sample, (rows, columns), (down, across)  # type: ignore[arg-type]
    )


def as_json(number: Any) -> Any:
    """Return a number to seven digits; as text where JSON has no word for it."""
    if isinstance(number, float):
        return float(f"{number:.7g}") if math.isfinite(number) else str(number)
    return number


def _tiled(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    *outer, columns, height, width = (1, 1, 1, *shape)
    return math.prod(outer), columns, height, width


def _largest(tiles: np.ndarray, down: int, across: int) -> np.ndarray:
    """Return of each block of `down` rows and `across` columns the largest element, or a NaN."""
    best = tiles[..., ::down, ::across].astype(np.float64)
    for i, j in itertools.product(range(down), range(across)):
        part = tiles[..., i::down, j::across].astype(np.float64)
        kept = best[..., : part.shape[-2], : part.shape[-1]]
        np.copyto(kept, part, where=np.isnan(part) | (abs(part) > abs(kept)))
    return best


def _histogram(array: np.ndarray) -> tuple[int, ...]:
    flat = array.ravel("K").astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return (0,) * BINS
    low, high = flat.min(), flat.max()
    scale = max(abs(low), abs(high)) or 1.0  # so that the range itself is finite
    counts, _ = np.histogram(flat / scale, BINS)
    return tuple(counts.tolist())
