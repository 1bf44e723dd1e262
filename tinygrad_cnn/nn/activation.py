"""Activation layers."""

from __future__ import annotations

from typing import Any

from tinygrad_cnn.core.tensor import Tensor

from . import functional as F
from .init import constant_
from .module import Module
from .parameter import uninitialised


class _InPlace(Module):
    """An activation whose only option is `inplace`: accepted, and nothing is done in place."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the option if it is not the default."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """``max(input, 0)``; `inplace` is accepted, and nothing is done in place.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReLU()(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.relu(input)


class LeakyReLU(Module):
    """`input` where it is positive, ``negative_slope * input`` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LeakyReLU(0.5)(tg.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class Sigmoid(Module):
    """``1 / (1 + exp(-input))``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Sigmoid()(tg.tensor([0.0]))
    tensor([0.5])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Tanh()(tg.tensor([0.0]))
    tensor([0.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanh(input)


class Softmax(Module):
    """Exponentials that sum to 1 along `dim`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softmax(dim=1)(tg.zeros(1, 4))
    tensor([[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the dimension."""
        return F.softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dimension."""
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of `Softmax`, without forming it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LogSoftmax(dim=0)(tg.zeros(2))
    tensor([-0.6931, -0.6931])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the dimension."""
        return F.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dimension."""
        return f"dim={self.dim}"


class ReLU6(_InPlace):
    """``min(max(input, 0), 6)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ReLU6()(tg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.relu6(input)


class Hardtanh(Module):
    """`input`, at least `min_val` and at most `max_val`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Hardtanh()(tg.tensor([-1.0, 2.0]))
    tensor([-1.,  1.])
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """`input` where it is positive, ``alpha * (exp(input) - 1)`` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.ELU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class CELU(Module):
    """`input` where it is positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.CELU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.    ])
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.celu(input, self.alpha)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(_InPlace):
    """`ELU`, so scaled that normal inputs stay normal through many layers.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.SELU()(tg.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.selu(input)


class GELU(Module):
    """`input` times the normal distribution function of it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.GELU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"approximate={self.approximate!r}"


class SiLU(_InPlace):
    """``input * sigmoid(input)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.SiLU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.silu(input)


class Mish(_InPlace):
    """``input * tanh(softplus(input))``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Mish()(tg.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.944 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.mish(input)


class Hardswish(Module):
    """``input * relu6(input + 3) / 6``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Hardswish()(tg.tensor([-1.0, 2.0]))
    tensor([-0.3333,  1.6667])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardswish(input)


class Hardsigmoid(Module):
    """``relu6(input + 3) / 6``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Hardsigmoid()(tg.tensor([-1.0, 2.0]))
    tensor([0.3333, 0.8333])
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardsigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta * input)) / beta``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softplus()(tg.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Softsign(Module):
    """``input / (1 + |input|)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softsign()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5   ,  0.6667])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``input - tanh(input)``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Tanhshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-0.2384,  1.036 ])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.tanhshrink(input)


class LogSigmoid(Module):
    """``log(sigmoid(input))``, exact also far from 0.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.LogSigmoid()(tg.tensor([-1.0, 2.0]))
    tensor([-1.3133, -0.1269])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.logsigmoid(input)


class Threshold(Module):
    """`input` where it is greater than `threshold`, `value` elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Threshold(0.5, 7.0)(tg.tensor([-1.0, 2.0]))
    tensor([7., 2.])
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class Hardshrink(Module):
    """`input` where it is outside [-lambd, lambd], 0 elsewhere.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Hardshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-1.,  2.])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.lambd}"


class Softshrink(Module):
    """`input` brought nearer to 0 by `lambd`, 0 where it is nearer than that.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softshrink()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5,  1.5])
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.lambd}"


class GLU(Module):
    """The first half along `dim`, times the sigmoid of the second.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.GLU()(tg.tensor([-1.0, 2.0]))
    tensor([-0.8808])
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the dimension."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"dim={self.dim}"


class Softmin(Module):
    """`Softmax` of ``-input``.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softmin(dim=0)(tg.tensor([-1.0, 2.0]))
    tensor([0.9526, 0.0474])
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Apply along the dimension."""
        return F.softmin(input, self.dim)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"dim={self.dim}"


class PReLU(Module):
    """`input` where it is positive, ``weight * input`` elsewhere, with a learnt weight.

    Parameters
    ----------
    num_parameters : int
        1, or the number of channels: each has its weight then.
    init : float
        What the weights start from.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.PReLU()(tg.tensor([-1.0, 2.0])).detach()
    tensor([-0.25,  2.  ])
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = uninitialised(num_parameters, device=device, dtype=dtype)
        constant_(self.weight, init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of weights."""
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """`input` where it is positive, elsewhere a share of it, in training a random one.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.RReLU(0.25, 0.75).eval()(tg.tensor([-1.0, 2.0]))
    tensor([-0.5,  2. ])
    """

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower = lower
        self.upper = upper
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Apply elementwise."""
        return F.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class Softmax2d(Module):
    """`Softmax` over the channels of (N, C, H, W) or (C, H, W).

    Raises
    ------
    ValueError
        If the input has another number of dimensions.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.nn.Softmax2d()(tg.zeros(4, 1, 1)).flatten()
    tensor([0.25, 0.25, 0.25, 0.25])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply over the channels."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected (N, C, H, W) or (C, H, W), got {input.shape}")
        return F.softmax(input, -3)
