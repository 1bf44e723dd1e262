"""What the networks' constructors share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

M = TypeVar("M")


def build(
    network: Callable[..., M],
    *args: Any,
    weights: Any = None,
    pretrained: bool = False,
    progress: bool = True,
    **options: Any,
) -> M:
    """Return ``network(*args, **options)``, with random weights.

    torchvision's `weights`, `pretrained` and `progress` are accepted where they ask for nothing.

    Raises
    ------
    ValueError
        If trained weights are asked for: nothing is downloaded.
    """
    if weights is not None or pretrained:
        raise ValueError(
            f"{network.__name__}: weights are not downloaded; make the network without "
            "weights= and pretrained=, and load a file: model.load_state_dict(tg.load(path))"
        )
    return network(*args, **options)
