"""A table of a model's layers, after torchinfo."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_cnn import dtypes, nn
from tinygrad_cnn.autograd._transform import tensors_of
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.ops.creation import zeros

from .arithmetic import conv_macs

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_COLUMNS = ("Layer", "Output shape", "Params", "Mult-adds", "Output")
_NONE = "--"


@dataclass(eq=False)
class Row:
    """A module in a `Summary`.

    Attributes
    ----------
    path : str
        As in ``named_modules()``; empty for the model itself.
    module : Module
    calls : int
        How often it ran.
    output_shape : tuple of int or None
        Of the (first) Tensor that it returned last.
    params, shared_params : int
        How many parameters it has itself, not the modules in it; and how many of a row above.
    mult_adds : int
        How often it multiplied and added, in all calls, not counting the modules in it.
    output_bytes : int
        The size of what it returned, in all calls.
    """

    path: str
    module: nn.Module
    calls: int = 0
    output_shape: tuple[int, ...] | None = None
    params: int = 0
    shared_params: int = 0
    mult_adds: int = 0
    output_bytes: int = 0

    @property
    def depth(self) -> int:
        """How many modules it is nested in."""
        return self.path.count(".") + 1 if self.path else 0

    def note(self, module: nn.Module, args: Any, output: Any) -> None:
        """Note a call: a forward hook."""
        tensors = tensors_of(output)
        self.calls += 1
        if tensors:
            self.output_shape = tensors[0].shape
            self.output_bytes += sum(tensor.data.nbytes for tensor in tensors)
            self.mult_adds += _mult_adds(module, tensors[0].shape)


class Summary:
    """What `summary` returns; ``str`` of it is the table.

    Attributes
    ----------
    rows : list of Row
        One for each module.
    total_params, trainable_params : int
        A parameter that several modules share counts once.
    total_mult_adds : int
    total_input, total_output_bytes, total_param_bytes : int
        In bytes: the inputs; twice the outputs of the layers that have parameters, as they are
        kept for backward and get a gradient; the parameters.
    """

    def __init__(self, model: nn.Module, depth: int) -> None:
        self.rows = [Row(path, module) for path, module in model.named_modules()]
        self.depth = depth
        self.total_input = 0
        parameters = list(model.parameters())
        self.total_params = sum(p.numel() for p in parameters)
        self.trainable_params = sum(p.numel() for p in parameters if p.requires_grad)
        self.total_param_bytes = sum(p.data.nbytes for p in parameters)
        seen: set[int] = set()
        for row in self.rows:
            for parameter in row.module.parameters(recurse=False):
                if id(parameter) in seen:
                    row.shared_params += parameter.numel()
                else:
                    row.params += parameter.numel()
                seen.add(id(parameter))

    @property
    def total_mult_adds(self) -> int:
        """How often the model multiplies and adds."""
        return sum(row.mult_adds for row in self.rows)

    @property
    def total_output_bytes(self) -> int:
        """The size of what backward needs, and of the gradients that it makes."""
        return 2 * sum(row.output_bytes for row in self.rows if row.params or row.shared_params)

    def __str__(self) -> str:
        lines = [_COLUMNS, *self._lines()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        table = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        ]
        rule = "=" * len(table[0])
        return "\n".join([rule, table[0], rule, *table[1:], rule, *self._totals(), rule])

    __repr__ = __str__

    def _totals(self) -> Iterator[str]:
        yield f"Total params: {self.total_params:,}"
        yield f"Trainable params: {self.trainable_params:,}"
        yield f"Non-trainable params: {self.total_params - self.trainable_params:,}"
        if self.total_input:
            sizes = self.total_input, self.total_output_bytes, self.total_param_bytes
            yield f"Total mult-adds: {self.total_mult_adds:,}"
            yield f"Input: {_size(sizes[0])}"
            yield f"Forward and backward pass: {_size(sizes[1])}"
            yield f"Params: {_size(sizes[2])}"
            yield f"Estimated total: {_size(sum(sizes))}"

    def _lines(self) -> Iterator[tuple[str, ...]]:
        """Yield the cells of each row; what lies deeper counts to the module that holds it."""
        shown = [row for row in self.rows if row.depth <= self.depth]
        for i, row in enumerate(shown):
            inner = [row]
            if row.depth == self.depth:
                start = f"{row.path}." if row.path else ""
                inner = [r for r in self.rows if r is row or r.path.startswith(start)]
            params = _count(sum(r.params for r in inner))
            if any(r.shared_params for r in inner):
                params = "(shared)" if params == _NONE else f"{params} (+ shared)"
            kind, name = type(row.module).__name__, row.path.rpartition(".")[2]
            label = f"{name} ({kind})" if name else kind
            yield (
                _branch(shown, i) + label + (f" x{row.calls}" if row.calls > 1 else ""),
                str(row.output_shape or _NONE),
                params,
                _count(sum(r.mult_adds for r in inner)),
                _size(row.output_bytes) if row.calls else _NONE,
            )


def _branch(rows: Sequence[Row], i: int) -> str:
    """Return the lines of the tree before the name of row `i`."""
    parts: list[str] = []
    for depth in range(1, rows[i].depth + 1):
        after = next((row.depth for row in rows[i + 1 :] if row.depth <= depth), 0)
        more = after == depth
        if depth < rows[i].depth:
            parts.append("│  " if more else "   ")
        else:
            parts.append("├─ " if more else "└─ ")
    return "".join(parts)


def _count(number: int) -> str:
    return f"{number:,}" if number else _NONE


def _size(count: int) -> str:
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.2f} {unit}"
    return f"{count} B"


def _mult_adds(module: nn.Module, shape: tuple[int, ...]) -> int:
    """Return the multiplications and additions of one call, for an output of this shape."""
    own = list(module.parameters(recurse=False))
    if isinstance(module, _CONVOLUTIONS):
        axes = len(module.kernel_size)
        cost = conv_macs(
            module.in_channels,
            module.out_channels,
            module.kernel_size,
            shape[-axes:],
            module.groups,
            module.bias is not None,
        )
        return cost * math.prod(shape[: -axes - 1])
    if isinstance(module, nn.Linear):
        return sum(p.numel() for p in own) * math.prod(shape[:-1])
    return sum(p.numel() for p in own) * (shape[0] if shape else 1)


def summary(
    model: nn.Module,
    input_size: Sequence[Any] | None = None,
    input_data: Any = None,
    *,
    depth: int = 3,
) -> Summary:
    """Return a table of a model's layers, from a run in evaluation mode.

    Parameters
    ----------
    model : Module
    input_size : sequence of int, or sequence of those, optional
        The shape of the input, or shapes of several, with the batch's size. It is filled with 0.
    input_data : Tensor or sequence of Tensor, optional
        The input itself, instead. Without either, the model does not run, and the table has the
        parameters only.
    depth : int
        How deep nested modules are shown; those below count to the one that holds them.

    Returns
    -------
    Summary
        ``print`` it.

    Notes
    -----
    Multiplications and additions are counted as torchinfo [1]_ does: those of convolutions
    (`conv_macs`) and of linear layers in full, and otherwise one for each parameter and sample.

    References
    ----------
    .. [1] https://github.com/TylerYep/torchinfo

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> print(tg.summary(tg.models.lenet5(), (1, 1, 28, 28)))
    ===============================================================
    Layer              Output shape     Params  Mult-adds    Output
    ===============================================================
    LeNet5             (1, 10)              --         --      40 B
    ├─ conv1 (Conv2d)  (1, 6, 28, 28)      156    122,304  18.82 kB
    ├─ conv2 (Conv2d)  (1, 16, 10, 10)   2,416    241,600   6.40 kB
    ├─ fc1 (Linear)    (1, 120)         48,120     48,120     480 B
    ├─ fc2 (Linear)    (1, 84)          10,164     10,164     336 B
    └─ fc3 (Linear)    (1, 10)             850        850      40 B
    ===============================================================
    Total params: 61,706
    Trainable params: 61,706
    Non-trainable params: 0
    Total mult-adds: 423,038
    Input: 3.14 kB
    Forward and backward pass: 52.14 kB
    Params: 246.82 kB
    Estimated total: 302.10 kB
    ===============================================================
    """
    table = Summary(model, depth)
    inputs = _inputs(model, input_size, input_data)
    if inputs is None:
        return table
    table.total_input = sum(x.data.nbytes for x in inputs)
    training = {row.module: row.module.training for row in table.rows}
    hooks = [row.module.register_forward_hook(row.note) for row in table.rows]
    try:
        model.eval()
        with no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in training.items():
            module.training = mode
    return table


def _inputs(model: nn.Module, input_size: Any, input_data: Any) -> list[Tensor] | None:
    if input_data is not None:
        return tensors_of(input_data)
    if input_size is None:
        return None
    sizes = [input_size] if isinstance(input_size[0], int) else input_size
    first = next(model.parameters(), None)
    dtype = dtypes.get_default_dtype() if first is None else first.dtype
    return [zeros(*size, dtype=dtype) for size in sizes]
