"""Layers that take batch normalisation into themselves, for evaluation.

Normalising a layer's output, ``(y - mean) / sqrt(var + eps) * gamma + beta``, is another layer:
weights times ``gamma / sqrt(var + eps)``, and a bias.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from tinygrad_cnn.core.tensor import Tensor

from ..parameter import Parameter

M = TypeVar("M", bound=Any)


def fuse_conv_bn_eval(conv: M, bn: Any, transpose: bool = False) -> M:
    """Return a convolution that does what `conv` and then `bn` do, both in evaluation.

    Parameters
    ----------
    conv : Conv1d, Conv2d, Conv3d, or a transposed one
    bn : BatchNorm1d, BatchNorm2d or BatchNorm3d
        With running statistics.
    transpose : bool
        Whether the weights' output channels are their second dimension.

    Returns
    -------
    Module
        Of the same kind as `conv`, which is not changed.

    Raises
    ------
    RuntimeError
        If one of them is in training mode, or `bn` has no running statistics.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> conv, bn = tg.nn.Conv2d(1, 2, 3).eval(), tg.nn.BatchNorm2d(2).eval()
    >>> fused = tg.nn.utils.fuse_conv_bn_eval(conv, bn)
    >>> image = tg.ones(1, 1, 5, 5)
    >>> tg.allclose(fused(image), bn(conv(image)), atol=1e-6)
    True
    """
    _check("fuse_conv_bn_eval", conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Return the weight and the bias of the fused convolution; see `fuse_conv_bn_eval`."""
    scale = (bn_rv.data + bn_eps) ** -0.5
    if bn_w is not None:
        scale = scale * bn_w.data
    shape = [1] * conv_w.ndim
    shape[1 if transpose else 0] = -1
    bias = (0 if conv_b is None else conv_b.data) - bn_rm.data
    bias = bias * scale + (0 if bn_b is None else bn_b.data)
    weight = (conv_w.data * scale.reshape(shape)).astype(conv_w.dtype, copy=False)
    return (
        Parameter(weight, conv_w.requires_grad),
        Parameter(bias.astype(conv_w.dtype, copy=False), conv_w.requires_grad),
    )


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """Return a linear layer that does what `linear` and then `bn` do, both in evaluation.

    Otherwise as `fuse_conv_bn_eval`.
    """
    _check("fuse_linear_bn_eval", linear, bn)
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        fused.weight, fused.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Return the weight and the bias of the fused linear layer; see `fuse_linear_bn_eval`."""
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _check(name: str, layer: Any, bn: Any) -> None:
    if layer.training or bn.training:
        raise RuntimeError(f"{name}: both layers must be in evaluation mode; call eval() first")
    if bn.running_mean is None or bn.running_var is None:
        raise RuntimeError(f"{name}: {type(bn).__name__} has no running statistics")
