"""Makes a batch of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.joining import stack


def default_collate(batch: Sequence[Any]) -> Any:
    """Make a batch of a list of samples.

    Tensors, arrays and numbers are stacked along a new first dimension (Python floats as
    float64, as in PyTorch), strings stay a list, and tuples, lists and dictionaries are collated
    entry by entry, a tuple into a list.

    Raises
    ------
    RuntimeError
        If the samples differ in shape or in their number of entries.
    TypeError
        If a sample is none of these.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.utils.data.default_collate([(tg.tensor([1.0, 2.0]), 0), (tg.tensor([3.0, 4.0]), 1)])
    [tensor([[1., 2.],
            [3., 4.]]), tensor([0, 1])]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(batch)
    if isinstance(first, (np.ndarray, np.generic)):
        return stack([Tensor(np.asarray(sample)) for sample in batch])
    if isinstance(first, (bool, int, float)):
        return Tensor(np.array(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in batch]) for key in first}
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "default_collate: every sample should have the same number of entries, got "
                f"{sorted({len(sample) for sample in batch})}"
            )
        entries = [default_collate(samples) for samples in zip(*batch, strict=True)]
        return type(first)(*entries) if hasattr(first, "_fields") else entries
    raise TypeError(
        "default_collate: expected tensors, arrays, numbers, strings, tuples, lists or "
        f"dictionaries, got {type(first).__name__}; pass a collate_fn for others"
    )


def default_convert(data: Any) -> Any:
    """Turn the arrays in a sample into Tensors, and leave the rest as it is.

    Examples
    --------
    >>> import numpy as np
    >>> import tinygrad_cnn as tg
    >>> tg.utils.data.default_convert({"image": np.zeros(2, np.float32), "label": 3})
    {'image': tensor([0., 0.]), 'label': 3}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return Tensor(np.asarray(data)) if data.dtype.kind in "biuf" else data
    if isinstance(data, Mapping):
        return {key: default_convert(value) for key, value in data.items()}
    if isinstance(data, (tuple, list)):
        entries = [default_convert(value) for value in data]
        return type(data)(*entries) if hasattr(data, "_fields") else type(data)(entries)
    return data
