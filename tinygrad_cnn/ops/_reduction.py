"""What all losses end with."""

from __future__ import annotations

from tinygrad_cnn.core.tensor import Tensor

from . import reduce


def check_reduction(name: str, reduction: str) -> None:
    """Raise ValueError where there is no such reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    """Return the mean of `loss`, its sum, or `loss` itself."""
    check_reduction(name, reduction)
    if reduction == "none":
        return loss
    return reduce.mean(loss) if reduction == "mean" else reduce.sum(loss)
