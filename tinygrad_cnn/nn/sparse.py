"""Embedding: a table of vectors, looked up by number."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor

from . import functional as F, init
from .module import Module
from .parameter import Parameter, uninitialised


class Embedding(Module):
    """Looks up a vector for each number of its input; see `functional.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many vectors, and how long.
    padding_idx : int, optional
        The number of a vector that starts as 0 and is not learnt.
    max_norm, norm_type, scale_grad_by_freq
        As in `functional.embedding`.
    sparse : bool
        Must be False: gradients are dense.

    Attributes
    ----------
    weight : Parameter
        (num_embeddings, embedding_dim).

    Raises
    ------
    ValueError
        If `padding_idx` is out of range.
    NotImplementedError
        If `sparse` is asked for.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Embedding(10, 3)(tg.tensor([[1, 2], [4, 5]])).shape
    (2, 2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if sparse:
            raise NotImplementedError("Embedding: gradients are dense; sparse must be False")
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx {padding_idx} is none of {num_embeddings} rows"
                )
            padding_idx %= num_embeddings
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        if _weight is not None:
            self.weight = Parameter(_weight, requires_grad=not _freeze)
        else:
            self.weight = uninitialised(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the vectors from the normal distribution; that of `padding_idx` becomes 0."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """Return a layer with these vectors, which share their memory.

        Parameters
        ----------
        embeddings : Tensor
            (num_embeddings, embedding_dim).
        freeze : bool
            Do not learn them.
        padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
            As in the constructor.

        Raises
        ------
        ValueError
            If it is no matrix.
        """
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: expected a matrix, got shape {embeddings.shape}")
        rows, columns = embeddings.shape
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, columns, *options, _weight=embeddings, _freeze=freeze)

    def forward(self, input: Tensor) -> Tensor:
        """Return the vectors of integers of any shape."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        """Return the sizes, and the options that are not the default."""
        defaults = {
            "padding_idx": None, "max_norm": None, "norm_type": 2, "scale_grad_by_freq": False
        }
        options = [
            f", {name}={getattr(self, name)}"
            for name, default in defaults.items()
            if getattr(self, name) != default
        ]
        return f"{self.num_embeddings}, {self.embedding_dim}" + "".join(options)
