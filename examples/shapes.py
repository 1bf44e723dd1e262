"""Draws coloured shapes: a data set for where there is no CIFAR-10, in its format."""

from __future__ import annotations

import numpy as np

CLASSES = (
    *("disc", "ring", "square", "frame", "diamond"),
    *("triangle", "triangle upside down", "plus", "cross", "bars"),
)
SIZE = 32


def draw_shapes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images, uint8 (count, 3, 32, 32), and the numbers of their classes (count,).

    Place, size and colours are random, and so is noise over all.
    """
    draw = np.random.default_rng(seed)
    labels = draw.integers(len(CLASSES), size=count)
    radius = draw.uniform(6, 12, (count, 1, 1))
    x0, y0 = draw.uniform(11, SIZE - 11, (2, count, 1, 1))
    y, x = np.mgrid[:SIZE, :SIZE]
    shapes = inside((x - x0) / radius, (y - y0) / radius)
    shape = shapes[labels, np.arange(count)][:, None]  # (count, 1, 32, 32)
    colour = draw.uniform(100, 255, (count, 3, 1, 1))
    background = draw.uniform(0, 155, (count, 3, 1, 1))
    noise = draw.normal(0, 20, (count, 3, SIZE, SIZE))
    images = np.where(shape, colour, background) + noise
    return images.clip(0, 255).astype(np.uint8), labels


def inside(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return for each class whether the points (u, v) are inside its shape, of radius 1."""
    distance = np.hypot(u, v)
    largest, least = np.maximum(abs(u), abs(v)), np.minimum(abs(u), abs(v))
    return np.array(
        [
            distance < 0.9,
            (distance > 0.5) & (distance < 0.9),
            largest < 0.8,
            (largest > 0.45) & (largest < 0.8),
            abs(u) + abs(v) < 1,
            (2 * abs(u) < v + 1) & (v < 0.8),
            (2 * abs(u) < 1 - v) & (v > -0.8),
            (least < 0.25) & (largest < 0.9),
            (abs(abs(u) - abs(v)) < 0.3) & (largest < 0.8),
            (largest < 0.8) & (np.floor(5 * v + 0.5) % 2 == 0),
        ]
    )
