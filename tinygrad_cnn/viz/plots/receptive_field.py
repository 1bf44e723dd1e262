"""`receptive_field`: what of the input a unit can see, and what of it counts."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.node import Node, Slot
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.kernels.conv import same_padding
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.ops._windows import ntuple

from ._figure import ORANGE, Picture, png
from ._model import check_model, last_map

Span = tuple[int, int]
"""The first and the last index along an axis; in padding, they lie outside of the array."""

_SEEN = 1 - 0.9545
"""What Luo et al. count as seen: pixels with more than this part of the largest gradient."""
_POINTWISE = {
    *("add", "sub", "mul", "true_divide", "pow", "neg", "abs", "square", "sqrt", "rsqrt", "exp", "log"),
    *("maximum", "minimum", "where", "clamp", "relu", "leaky_relu", "elu", "gelu", "silu", "mish"),
    *("hardtanh", "hardswish", "sigmoid", "logsigmoid", "tanh", "softplus", "prelu", "clone"),
    *("contiguous", "to", "dropout", "batch_norm_eval"),
}
"""Operations that take each number of the output from the same place in the inputs."""


class ReceptiveField(NamedTuple):
    """What `receptive_field` found.

    Attributes
    ----------
    size : tuple of int
        Height and width of the theoretical field.
    rows, columns : tuple of int
        The first and the last that the unit can see. Those outside of the input are padding.
    effective : numpy.ndarray
        (H, W): the mean magnitude of the unit's gradient in each pixel, the largest being 1.
    figure : matplotlib.figure.Figure
    """

    size: tuple[int, int]
    rows: Span
    columns: Span
    effective: np.ndarray
    figure: Figure

    def _repr_png_(self) -> bytes:
        return png(self.figure)


def receptive_field(
    model: Module,
    input_size: Sequence[int],
    layer: str | Module | None = None,
    unit: tuple[int, int] | None = None,
    *,
    samples: int = 16,
    seed: int = 0,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> ReceptiveField:
    """Find what a unit of a layer sees of the input, in theory and in effect, and draw it.

    In theory it sees what the windows of all layers before it span. They are read off the graph
    recorded while the model runs, so functions count as modules do, and of paths that meet, all
    that they see. An operation that is neither a window nor acts on each place by itself (such as
    a normalisation with the image's own statistics) is taken to see everything.

    How much each pixel counts is measured [1]_: the gradient of the unit (the sum over its
    layer's channels) in the input, its magnitude averaged over random inputs and over their
    channels. The model runs in evaluation mode, and is left as it was.

    Parameters
    ----------
    model : Module
    input_size : tuple of int
        (C, H, W).
    layer : str or Module, optional
        Path, such as ``"features.0"``, or module, of a layer that gives (N, C, H, W); by default
        the last convolution.
    unit : tuple of int, optional
        Row and column in the layer's output; by default its middle.
    samples : int
        Number of inputs, drawn from the standard normal distribution.
    seed : int
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.
    figsize : tuple of float, optional
        Width and height in inches of a new figure.

    Returns
    -------
    ReceptiveField

    Raises
    ------
    TypeError
        If `model` is no Module.
    RuntimeError
        If `input_size` or `unit` is not of so many numbers, or one is too small.
    ValueError
        If there are no samples, or the layer is none of the model's, does not run, or gives no
        maps.
    IndexError
        If the layer has no such unit.

    See Also
    --------
    tinygrad_cnn.utils.receptive_field : the theory alone, of a chain of layers

    References
    ----------
    .. [1] W. Luo, Y. Li, R. Urtasun and R. Zemel, "Understanding the effective receptive field in
       deep convolutional neural networks", NeurIPS 2016.

    Examples
    --------
    A 5 × 5 convolution, pooling by 2 and another 5 × 5: 5 + 1 + 4 · 2 = 14.

    >>> import tinygrad_cnn as tg
    >>> field = tg.viz.receptive_field(tg.models.lenet5(), (1, 28, 28))
    >>> field.size, field.rows, field.effective.shape
    ((14, 14), (8, 21), (28, 28))
    """
    check_model("receptive_field", model)
    size = ntuple("receptive_field", "input_size", input_size, 3, 1)
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(f"receptive_field: samples must be an int from 1 on, got {samples!r}")
    dtype = next((p.dtype for p in model.parameters()), np.dtype(np.float32))
    random = np.random.default_rng(seed)
    total = np.zeros(size[1:])
    for _ in range(samples):
        x = Tensor(random.standard_normal((1, *size)).astype(dtype), requires_grad=True)
        _, path, activation = last_map("receptive_field", model, x, layer)
        place = _place(unit, activation.shape[2:])
        ones = np.zeros(activation.shape, activation.dtype)
        ones[:, :, place[0], place[1]] = 1
        gradient: Any = grad(activation, x, Tensor(ones), retain_graph=True)[0]
        total += np.abs(gradient.numpy()[0]).mean(0)
    rows, columns = _field(activation, place, x)
    effective = total / (total.max() or 1)

    if ax is None:
        figsize = figsize or (4.6, 3.2 * size[1] / size[2] + 1.2)
        ax = Picture(figsize, layout="constrained").add_subplot()
    height, width = activation.shape[2:]
    ax.set_title(f"{path}: unit {place} of {height} × {width}", fontsize=10)
    _draw(ax, effective, rows, columns)
    field = (rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)
    figure: Any = ax.figure
    return ReceptiveField(field, rows, columns, effective, figure)


def _place(unit: Any, shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the unit's row and column."""
    if unit is None:
        return shape[0] // 2, shape[1] // 2
    row, column = ntuple("receptive_field", "unit", unit, 2, 0)
    if row >= shape[0] or column >= shape[1]:
        raise IndexError(f"receptive_field: the layer has {shape} units, got unit {unit!r}")
    return row, column


def _draw(ax: Axes, effective: np.ndarray, rows: Span, columns: Span) -> None:
    height, width = effective.shape
    shown = ax.imshow(effective, cmap="Blues", vmin=0, vmax=1)
    bar = ax.inset_axes((1.03, 0, 0.05, 1))
    ax.figure.colorbar(shown, cax=bar, label="gradient / largest gradient")
    _outline(ax, "in theory", rows, columns, color=ORANGE, lw=2)
    seen = np.argwhere(effective > _SEEN)
    if len(seen):
        (top, left), (bottom, right) = seen.min(0).tolist(), seen.max(0).tolist()
        name = f"above {100 * _SEEN:.2f} % of the largest"
        _outline(ax, name, (top, bottom), (left, right), color="black", ls="--")
    edge = 0.04 * max(height, width)
    ax.set(
        xlim=(min(0, columns[0]) - edge, max(width - 1, columns[1]) + edge),
        ylim=(max(height - 1, rows[1]) + edge, min(0, rows[0]) - edge),
        xlabel="column of the input",
        ylabel="row of the input",
    )
    ax.add_patch(Rectangle((-0.5, -0.5), width, height, fill=False, color="#bbbbbb", lw=0.8))
    ax.legend(loc="upper left", bbox_to_anchor=(0, 0), borderaxespad=4.5, fontsize=8, frameon=False)


def _outline(ax: Axes, name: str, rows: Span, columns: Span, **line: Any) -> None:
    across, down = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
    corner = (columns[0] - 0.5, rows[0] - 0.5)
    label = f"{name}: {down} × {across}"
    ax.add_patch(Rectangle(corner, across, down, fill=False, label=label, **line))


# -- theory ------------------------------------------------------------------------------------


def _field(output: Tensor, place: tuple[int, int], x: Tensor) -> tuple[Span, Span]:
    """Return the rows and columns of `x` that one place of `output` was computed from."""
    start: Any = output.grad_fn
    places = ((0, 0), (0, output.shape[1] - 1), *((i, i) for i in place))
    spans: dict[Any, tuple[Span, ...]] = {start: places}
    waiting = [(-start.seq, start)]
    while waiting:  # from the last node to the first, so that each is complete when it is visited
        _, node = heapq.heappop(waiting)
        for parent, read in _reads(node, spans[node]):
            source = parent.node if isinstance(parent, Slot) else parent
            if source not in spans:
                spans[source] = read
                if isinstance(source, Node):
                    heapq.heappush(waiting, (-source.seq, source))
            else:
                both = zip(spans[source], read, strict=True)
                spans[source] = tuple((min(a[0], b[0]), max(a[1], b[1])) for a, b in both)
    return spans[x][2], spans[x][3]


def _reads(node: Node, out: tuple[Span, ...]) -> Iterator[tuple[Any, tuple[Span, ...]]]:
    """Yield each input of an operation, and what of it the part `out` of the output needs."""
    name = node.name()
    for parent in node.parents:
        if parent is None:
            continue
        shape = parent.shape
        everything = tuple((0, n - 1) for n in shape)
        read: Any = everything
        if parent is node.parents[0] and name in _WINDOWS:
            window = _WINDOWS[name](node)
            sides = zip(out[-len(window[0]) :], *window, strict=True)
            if name == "conv_transpose":  # out = in * s - p + d * tap
                read = [(-((d * (k - 1) - a - p) // s), (b + p) // s) for (a, b), k, s, p, d in sides]
            else:  # in = out * s - p + d * tap
                read = [(a * s - p, b * s - p + d * (k - 1)) for (a, b), k, s, p, d in sides]
            read = (*everything[: -len(read)], *read)
        elif name.startswith("adaptive"):
            sides = zip(out, shape, node.shape, strict=True)
            read = [(a * n // m, -(-(b + 1) * n // m) - 1) for (a, b), n, m in sides]
        elif name == "pad":
            pad = node.options["pad"]
            before = [*[0] * (len(shape) - len(pad) // 2), *pad[-2::-2]]
            read = [(a - n, b - n) for (a, b), n in zip(out, before, strict=True)]
        elif name in _POINTWISE:
            last = slice(len(out) - len(shape), None)
            sides = zip(out[last], shape, node.shape[last], strict=True)
            read = [(0, 0) if n < m else span for span, n, m in sides]  # broadcast or not
        elif name == "cat":
            joined = node.options["dim"] % len(shape)
            read = (*out[:joined], everything[joined], *out[joined + 1 :])
        yield parent, tuple(read)


def _convolution(node: Node) -> tuple[Sequence[int], ...]:
    kernel = node.saved["weight"].shape[2:]
    dims, name = len(kernel), node.name()
    options = node.options
    stride = ntuple(name, "stride", options["stride"], dims, 1)
    dilation = ntuple(name, "dilation", options["dilation"], dims, 1)
    padding = options["padding"]
    if padding == "same":
        padding = [before for before, _ in same_padding(kernel, dilation)]
    elif padding == "valid":
        padding = 0
    return kernel, stride, ntuple(name, "padding", padding, dims, 0), dilation


def _pooling(node: Node) -> tuple[Sequence[int], ...]:
    window = node.options["window"]
    return window.kernel, window.stride, window.padding, window.dilation


_WINDOWS = {
    **{f"conv{dims}d": _convolution for dims in (1, 2, 3)},
    **{f"{kind}_pool{dims}d": _pooling for kind in ("max", "avg") for dims in (1, 2, 3)},
    "conv_transpose": _convolution,
}
"""Kernel, stride, padding and dilation of the operations that slide a window, or its transpose."""
