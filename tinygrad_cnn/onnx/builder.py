"""What the operations' translations write to: an ONNX graph in the making."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_GROWS = "depends on the batch size; dynamic_batch=False lets it be a constant"


class Dim(int):
    """A size that grows with the batch: `factor` times the batch size.

    Arithmetic with it is refused: the result would be a number for the example's batch only.
    """

    factor: int

    def __new__(cls, size: int, factor: int) -> Dim:
        result = super().__new__(cls, size)
        result.factor = factor
        return result

    def _refuse(self, *_: Any) -> Any:
        raise RuntimeError(f"{self} {_GROWS}")

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _refuse
    __floordiv__ = __rfloordiv__ = __truediv__ = __rtruediv__ = __mod__ = __rmod__ = _refuse


class Value:
    """A tensor of the ONNX graph.

    Attributes
    ----------
    name : str
    shape : tuple of int
        With a `Dim` for each size that grows with the batch; None where a translation made the
        value on the way to its result.
    dtype : numpy.dtype
        None as well.
    """

    def __init__(self, name: str, shape: Any = None, dtype: Any = None) -> None:
        self.name = name
        self.shape = shape
        self.dtype = dtype


class Builder:
    """Collects nodes and initializers.

    A translation gets one as its first parameter, see `tinygrad_cnn.core.op.Op.onnx`. Wherever a
    method takes a `Value`, it also takes

    - a number: a constant of the dtype in which the operation computes,
    - a tuple or list of integers: a constant vector of int64, or what computes it, if some of them
      grow with the batch,
    - an ndarray: a constant,
    - None: an optional input that is not given.
    """

    def __init__(self, batch: Value) -> None:
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray] = {}
        self.scope = ""
        """The path of the module that called the operation which is being translated."""
        self.dtype = np.dtype(np.float32)
        """The dtype in which it computes."""
        self._batch = batch
        self._names: set[str] = {batch.name}

    def name(self, wish: str) -> str:
        """Return a name that nothing else in the graph has."""
        name, count = wish, 0
        while name in self._names:
            count += 1
            name = f"{wish}_{count}"
        self._names.add(name)
        return name

    def node(self, op_type: str, *inputs: Any, **attributes: Any) -> Value:
        """Add a node, and return its output.

        Parameters
        ----------
        op_type : str
            Of the default domain, as in https://onnx.ai/onnx/operators.
        *inputs : Value, number, sequence of int, ndarray or None
        **attributes
            None leaves an attribute out.

        Raises
        ------
        RuntimeError
            If an attribute depends on the batch size, which ONNX has no way to say.
        """
        from onnx import helper

        for key, value in attributes.items():
            parts = value if isinstance(value, (tuple, list)) else [value]
            if any(isinstance(part, Dim) for part in parts):
                raise RuntimeError(f"{key} {value} of {op_type} {_GROWS}")
        names = [self.value(x).name if x is not None else "" for x in inputs]
        while names and not names[-1]:
            names.pop()
        name = self.name(f"{self.scope}.{op_type}" if self.scope else op_type)
        self.nodes.append(helper.make_node(op_type, names, [name], name=name, **attributes))
        return Value(name)

    def value(self, x: Any, name: str = "constant") -> Value:
        """Return `x` as a `Value`; a constant gets the name, or one like it."""
        if isinstance(x, Value):
            return x
        if isinstance(x, (tuple, list)):
            if any(isinstance(n, Dim) for n in x):
                return self.node("Concat", *[self._size(n) for n in x], axis=0)
            return self.value(np.array(x, np.int64))
        if isinstance(x, Dim):
            raise RuntimeError(f"{x} {_GROWS}")
        array = x if isinstance(x, np.ndarray) else np.asarray(x, self.dtype)
        if name == "constant":  # equal ones are one
            for known, other in self.initializers.items():
                if known.startswith(name) and _same(array, other):
                    return Value(known, array.shape, array.dtype)
        name = self.name(name)
        self.initializers[name] = array
        return Value(name, array.shape, array.dtype)

    def _size(self, n: int) -> Value:
        if not isinstance(n, Dim):
            return self.value([n])
        size = self.node("Shape", self._batch, start=0, end=1)
        return size if n.factor == 1 else self.node("Mul", size, self.value([n.factor]))

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Return `x` in another shape, of which sizes may grow with the batch."""
        if x.shape is not None and tuple(x.shape) == tuple(shape):
            return x
        growing = [isinstance(n, Dim) for n in shape]
        if sum(growing) == 1 and 0 not in shape:  # it follows from the others
            shape = [-1 if grows else n for n, grows in zip(shape, growing, strict=True)]
        return self.node("Reshape", x, list(shape), allowzero=int(0 in shape) or None)

    def cast(self, x: Value, dtype: Any) -> Value:
        """Return `x` in another dtype."""
        from onnx import helper

        if x.dtype == dtype:
            return x
        return self.node("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def on_images(
        self, op_type: str, dims: int, image: Value, *inputs: Any, out: Value, **attributes: Any
    ) -> Value:
        """Add a node that takes (N, C, ...) with `dims` axes after C; (C, ...) is a batch of one."""
        lead = image.shape[: len(image.shape) - dims - 1]
        batch = image if len(lead) == 1 else self.reshape(image, (1, *image.shape))
        result = self.node(op_type, batch, *inputs, **attributes)
        return result if len(lead) == 1 else self.reshape(result, out.shape)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
