"""The base class of Tensor, which `@op` fills with the operations' methods and operators."""

from __future__ import annotations


class TensorMethods:
    """Methods made from the registry of operations; `methods.pyi` lists them for editors."""

    __slots__ = ()
