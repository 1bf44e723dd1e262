"""Hypothesis strategies for the arguments of differentiable functions.

Shapes and options come from Hypothesis, which shrinks them; values from a generator that it seeds.
Each strategy is a method of `Draw`, or a function of one, made a strategy by `drawn`. What they
draw is valid as it is: nothing is filtered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_cnn.core.op import Op, registry
from tinygrad_cnn.core.tensor import Tensor

from .draw import Draw, bind

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    Strategy = SearchStrategy[Any]
    Shape = Sequence[int] | SearchStrategy[tuple[int, ...]]


def drawn(function: Callable[..., Any], *parts: Any) -> Strategy:
    """Return a strategy of what `function` makes of a `Draw`.

    Parameters
    ----------
    function : callable
        ``function(draw, *parts)``
    parts : any value or strategy
        Strategies are drawn first.

    Examples
    --------
    >>> from tinygrad_cnn.testing import strategies
    >>> images = strategies.drawn(lambda draw: draw.array((1, 1, draw.integer(3, 5), 3)))
    """
    from hypothesis import strategies as st

    def make(draw: Any) -> Any:
        known = [draw(p) if isinstance(p, st.SearchStrategy) else p for p in parts]
        return function(Draw(lambda low, high: draw(st.integers(low, high))), *known)

    return st.composite(make)()


# -- arrays ------------------------------------------------------------------------------------


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> SearchStrategy[tuple[int, ...]]:
    """Return a strategy of shapes; `min_side=0` draws empty ones, too.

    Examples
    --------
    >>> from tinygrad_cnn.testing import strategies
    >>> batches = strategies.arrays(strategies.shapes(2, 4, min_side=0))
    """
    return drawn(lambda draw: draw.shape(min_dims, max_dims, min_side, max_side))


def arrays(
    shape: Shape | None = None,
    low: float = -2.0,
    high: float = 2.0,
    *,
    dtype: Any = np.float64,
    layouts: Sequence[str] = ("C",),
    avoid: Sequence[float] = (),
    distinct: bool = False,
) -> Strategy:
    """Return a strategy of arrays with values in [low, high]; `low=0.1` makes them positive.

    Parameters
    ----------
    shape : sequence of int, or strategy of them; optional
        By default `shapes()`.
    dtype : numpy dtype, or strategy of them
        Of floats, integers or booleans.
    layouts : sequence of str
        One is chosen: "C", "F" (the first axis fastest), "sliced" (each second element of a wider
        array), "reversed" (negative strides), "readonly", "broadcast" (a stride of zero: equal
        values along an axis).
    avoid : sequence of float
        Kinks: every value stays at least 0.05 from each.
    distinct : bool
        All values differ: no ties. Floats are equally spaced.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import given, strategies as st
    >>> from tinygrad_cnn.testing.strategies import arrays
    >>> @given(arrays((2, 3), avoid=[0], dtype=st.sampled_from([np.float32, np.float64])))
    ... def test_sign(x):
    ...     assert x.shape == (2, 3) and (abs(np.sign(x)) == 1).all()
    >>> test_sign()
    """

    def make(draw: Draw, shape: Sequence[int], dtype: Any) -> np.ndarray:
        return draw.array(
            shape, low, high, dtype=dtype, layouts=layouts, avoid=avoid, distinct=distinct
        )

    return drawn(make, shapes() if shape is None else shape, dtype)


def tensors(
    shape: Shape | None = None,
    low: float = -2.0,
    high: float = 2.0,
    *,
    requires_grad: bool = True,
    **settings: Any,
) -> Strategy:
    """Return a strategy of tensors; of floats, they require grad.

    Parameters
    ----------
    shape, low, high, settings
        As for `arrays`.
    requires_grad : bool
        Whether tensors of floats do.

    Examples
    --------
    >>> from hypothesis import given
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import gradcheck, strategies
    >>> @given(strategies.tensors(low=0.5, layouts=["F", "reversed"]))
    ... def test_log(x):
    ...     assert gradcheck(tg.log, x)
    >>> test_log()
    """
    return arrays(shape, low, high, **settings).map(
        lambda x: Tensor(x, requires_grad=requires_grad and x.dtype.kind == "f")
    )


def broadcastable(*names: str, low: float = -2.0, high: float = 2.0, **settings: Any) -> Strategy:
    """Return a strategy of dictionaries: arrays with these names that broadcast together.

    Parameters
    ----------
    low, high, settings
        As for `arrays`.

    Examples
    --------
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.broadcastable("x", "y"), examples=5)
    ... def test_product(x, y):
    ...     return x * y
    >>> test_product()
    """

    def make(draw: Draw) -> dict[str, np.ndarray]:
        shapes = draw.broadcastable(len(names))
        return {
            name: draw.array(shape, low, high, **settings)
            for name, shape in zip(names, shapes, strict=True)
        }

    return drawn(make)


def probabilities(shape: Shape | None = None) -> Strategy:
    """Return a strategy of positive arrays whose sum along the last dimension is 1.

    Examples
    --------
    >>> from hypothesis import given
    >>> from tinygrad_cnn.testing import strategies
    >>> @given(strategies.probabilities())
    ... def test_entropy(p):
    ...     assert -(p * np.log(p)).sum() >= 0
    >>> test_entropy()
    """
    return drawn(Draw.probabilities, shapes(min_dims=1) if shape is None else shape)


def labels(
    classes: int | Strategy, shape: Shape | None = None, *, one_hot: bool = False
) -> Strategy:
    """Return a strategy of class numbers below `classes`.

    Parameters
    ----------
    shape : sequence of int, or strategy of them; optional
        By default one dimension of up to three.
    one_hot : bool
        Instead of each number, along another dimension, a 1.0 at its place among zeros.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(x=strategies.arrays((3, 4)), y=strategies.labels(4, (3,)), examples=5)
    ... def test_loss(x, y):
    ...     return tg.nn.functional.cross_entropy(x, tg.tensor(y))
    >>> test_loss()
    """
    return drawn(
        lambda draw, shape, classes: draw.labels(shape, classes, one_hot),
        shapes(1, 1) if shape is None else shape,
        classes,
    )


def permutations(count: int | Strategy) -> Strategy:
    """Return a strategy of the integers below `count` in any order, as arrays.

    Examples
    --------
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(x=strategies.arrays((4,)), index=strategies.permutations(4), examples=5)
    ... def test_shuffled(x, index):
    ...     return x[index]
    >>> test_shuffled()
    """
    return drawn(Draw.permutation, count)


def orthogonal(shape: Shape | None = None) -> Strategy:
    """Return a strategy of matrices (..., m, n) with orthonormal columns; where m < n, rows.

    Examples
    --------
    >>> import numpy as np
    >>> from hypothesis import given
    >>> from tinygrad_cnn.testing import strategies
    >>> @given(strategies.orthogonal((2, 3, 3)))
    ... def test_inverse(q):
    ...     np.testing.assert_allclose(np.linalg.inv(q), q.mT, atol=1e-12)
    >>> test_inverse()
    """
    return drawn(Draw.orthogonal, shapes(2) if shape is None else shape)


def positive_definite(shape: Shape | None = None) -> Strategy:
    """Return a strategy of symmetric matrices (..., n, n) with positive eigenvalues, which differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(a=strategies.positive_definite(), examples=5)
    ... def test_logdet(a):
    ...     return tg.linalg.slogdet(a).logabsdet
    >>> test_logdet()
    """

    def square(draw: Draw) -> tuple[int, ...]:
        return (*draw.shape(max_dims=1), *[draw.integer(1, 3)] * 2)

    return drawn(Draw.positive_definite, drawn(square) if shape is None else shape)


# -- arguments that belong together ------------------------------------------------------------


def arguments(operation: Op[Any, Any]) -> Strategy:
    """Return a strategy of the arguments of an operation, by name, from its own sampler.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.arguments(tg.hypot), examples=5)
    ... def test_length(input, other):
    ...     return (input * input + other * other).sqrt()
    >>> test_length()
    """
    return drawn(lambda draw: dict(bind(operation, draw.sample(operation)).arguments))


def convolutions(dims: int = 2) -> Strategy:
    """Return a strategy of the arguments of a convolution, by name: `conv1d`, `conv2d`, `conv3d`.

    Single images and batches, with and without bias; any stride, padding (a number, one for each
    dimension, or a word), dilation and groups.

    Examples
    --------
    >>> import tinygrad_cnn.nn.functional as F
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.convolutions(1), examples=5)
    ... def test_conv1d(input, weight, bias, **options):
    ...     return F.conv1d(input, weight, bias, **options)
    >>> test_conv1d()
    """
    return arguments(registry[f"conv{dims}d"])


def transposed_convolutions(dims: int = 2) -> Strategy:
    """Return a strategy of the arguments of a transposed convolution, by name.

    As `convolutions`, with any `output_padding`: less than stride or dilation.

    Examples
    --------
    >>> import tinygrad_cnn.nn.functional as F
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.transposed_convolutions(), examples=5)
    ... def test_conv_transpose2d(input, weight, bias, **options):
    ...     return F.conv_transpose2d(input, weight, bias, **options)
    >>> test_conv_transpose2d()
    """
    return drawn(lambda draw: draw.transposed_convolution(dims))


def poolings(kind: str = "max", dims: int = 2) -> Strategy:
    """Return a strategy of the arguments of a pooling, by name: of `max_pool2d` or `avg_pool2d`.

    Windows of any size, stride, padding and, for maxima, dilation, with and without `ceil_mode`;
    for maxima, values without ties.

    Parameters
    ----------
    kind : {"max", "avg"}
    dims : {1, 2, 3}

    Examples
    --------
    >>> import tinygrad_cnn.nn.functional as F
    >>> from tinygrad_cnn.testing import fuzz_gradients, strategies
    >>> @fuzz_gradients(strategies.poolings(), examples=5)
    ... def test_max_pool2d(input, **options):
    ...     return F.max_pool2d(input, **options)
    >>> test_max_pool2d()
    """

    def public(known: dict[str, Any]) -> dict[str, Any]:
        window = known.pop("window")._asdict()
        known |= {"kernel_size": window.pop("kernel"), **window}
        if kind == "avg":
            del known["dilation"]
        if dims == 1:
            known.pop("divisor_override", None)
        return known

    return arguments(registry[f"{kind}_pool{dims}d"]).map(public)


def networks() -> Strategy:
    """Return a strategy of small convolutional networks: a `Module`, and an input for it.

    One or two dimensions, grouped and dilated convolutions, normalization, average pooling, and a
    linear layer at the end. All is smooth, in float64, and needs the input to require grad.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from tinygrad_cnn.testing import gradcheck, strategies
    >>> @settings(max_examples=5)
    ... @given(strategies.networks())
    ... def test_gradients(network):
    ...     module, x = network
    ...     assert gradcheck(lambda x, *_: module(x), (x, *module.parameters()), fast_mode=True)
    >>> test_gradients()
    """
    return drawn(_network)


def _network(draw: Draw) -> tuple[Any, Tensor]:
    from tinygrad_cnn import nn, no_grad

    dims = draw.integer(1, 2)
    side, channels = draw.integer(3, 5), draw.integer(1, 2)
    start = x = Tensor(draw.array((draw.integer(2, 3), channels, *[side] * dims)))
    module = nn.Sequential()

    def add(kind: str, *args: Any, **options: Any) -> Tensor:
        layer = getattr(nn, kind)(*args, **options).double()
        module.append(layer)
        return layer(x)

    with no_grad():
        for _ in range(draw.integer(1, 2)):
            channels, side = x.shape[1], x.shape[2]
            groups, padding = draw.choice([1, channels]), draw.integer(0, 1)
            dilation = draw.integer(1, 2)
            kernel_size = draw.integer(1, min(3, (side + 2 * padding - 1) // dilation + 1))
            x = add(
                f"Conv{dims}d",
                channels,
                groups * draw.integer(1, 2),
                kernel_size,
                stride=draw.integer(1, 2),
                padding=padding,
                dilation=dilation,
                groups=groups,
                bias=draw.boolean(),
            )
            norm = draw.choice(["Identity", f"BatchNorm{dims}d", "GroupNorm"])
            x = add(norm, *{"Identity": (), "GroupNorm": (1, x.shape[1])}.get(norm, (x.shape[1],)))
            x = add(draw.choice(["Tanh", "Sigmoid", "SiLU", "Softplus"]))
            if x.shape[2] > 1 and draw.boolean():
                x = add(f"AvgPool{dims}d", 2, draw.integer(1, 2), padding=1, ceil_mode=True)
        if draw.boolean():
            x = add(f"AdaptiveAvgPool{dims}d", 1)
        x = add("Flatten")
        x = add("Linear", x.shape[1], draw.integer(1, 3))
        for parameter in module.parameters():
            parameter.copy_(Tensor(draw.array(parameter.shape, -1, 1)))
    start.requires_grad = True
    return module, start
