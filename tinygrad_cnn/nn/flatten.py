"""Layers that change the shape."""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_cnn.core.tensor import Tensor

from .module import Module


class Flatten(Module):
    """Makes one dimension of `start_dim` to `end_dim`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Flatten()(tg.zeros(2, 16, 5, 5)).shape
    (2, 400)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Tensor) -> Tensor:
        """Flatten the dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        """Return the dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Makes several dimensions of one.

    Parameters
    ----------
    dim : int
    unflattened_size : tuple of int
        One may be -1.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Unflatten(1, (16, 5, 5))(tg.zeros(2, 400)).shape
    (2, 16, 5, 5)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """Unflatten the dimension."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        """Return the dimension and its sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
