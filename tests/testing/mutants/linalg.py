"""Faults in products of matrices, decompositions, and what the engine does between rules."""

from __future__ import annotations

import numpy as np

from tinygrad_cnn.core.op import registry
from tinygrad_cnn.ops.decompositions import inv
from tinygrad_cnn.ops.diagonals import tril, triu
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.ops.linalg import matmul
from tinygrad_cnn.ops.reduce import mean, sum
from tinygrad_cnn.ops.shape import transpose

from .catalogue import detached, mutant, right_rule

solve = registry["solve"]
right_det = right_rule("det", "A")
right_eigh = right_rule("eigh", "A")
right_matmul = {name: right_rule("matmul", name) for name in ("input", "other")}


@mutant("matmul", "the operand is not transposed where it is square", rule="input")
def _(g, other, input_shape):
    square = other.ndim > 1 and other.shape[-1] == other.shape[-2] and len(input_shape) > 1
    return matmul(g, other) if square else right_matmul["input"](g, other, input_shape)


@mutant("matmul", "the product is not transposed where it is square", rule="other")
def _(g, input, other_shape):
    right = right_matmul["other"](g, input, other_shape)
    return right.mT if len(other_shape) > 1 and other_shape[-1] == other_shape[-2] else right


@mutant("matmul", "the batch's mean instead of its sum", rule="other")
def _(g, input, other_shape):
    right = right_matmul["other"](g, input, other_shape)
    return right / input.shape[0] if len(other_shape) == 2 < input.ndim else right


@mutant("matmul", "only the first of the batch", rule="other")
def _(g, input, other_shape):
    if len(other_shape) == 2 and input.ndim == 3:
        return input[0].mT @ g[0]
    return right_matmul["other"](g, input, other_shape)


@mutant("matmul", "the operand is detached", rule="input")
def _(g, other, input_shape): return right_matmul["input"](g, detached(other), input_shape)


@mutant("linear", "the weight's gradient is transposed where it is square", rule="weight")
def _(g, input):
    right = g.reshape(-1, g.shape[-1]).mT @ input.reshape(-1, input.shape[-1])
    return right.mT if right.shape[0] == right.shape[1] else right


@mutant("linear", "the weight is not transposed where it is square")
def _(input, weight, bias=None):
    right = registry["linear"].forward(input, weight, bias)
    return right + input @ (weight - weight.T) if weight.shape[0] == weight.shape[1] else right


@mutant("linear", "the bias gets the mean of the batch", rule="bias")
def _(g): return mean(g, tuple(range(g.ndim - 1))) if g.ndim > 1 else g * 1


@mutant("linear", "the bias gets the first row", rule="bias")
def _(g): return g[(0,) * (g.ndim - 1)] * 1


@mutant("linear", "the bias is forgotten")
def _(input, weight, bias=None): return registry["linear"].forward(input, weight)


@mutant("linear", "the bias is added in place")
def _(input, weight, bias=None):
    if bias is not None and input.shape == (*input.shape[:-1], *bias.shape):
        input += bias
    return registry["linear"].forward(input, weight, bias)


@mutant("inv", "the sign is forgotten", rule="A")
def _(g, out): return out.mT @ g @ out.mT


@mutant("inv", "the inverses are not transposed", rule="A")
def _(g, out): return -(out @ g @ out)


@mutant("solve", "A is not transposed", rule="A B")
def _(g, A, out):
    g = solve(A, g)
    return -(g @ out.mT), g


@mutant("solve", "A's gradient is transposed", rule="A B")
def _(g, A, out):
    g = solve(A.mT, g)
    return -(out @ g.mT), g


@mutant("det", "the inverse is not transposed", rule="A")
def _(g, A, out): return right_det(g, A, out).mT


@mutant("det", "the determinant is forgotten", rule="A")
def _(g, A): return g[..., None, None] * inv(A).mT


@mutant("slogdet", "the inverse is not transposed", rule="A")
def _(g, A):
    _, g = g
    return where(True, 0, A) if g is None else g[..., None, None] * inv(A)


@mutant("cholesky", "the diagonal is not halved", rule="A")
def _(g, out):
    inner = tril(out.mT @ g)
    half = solve(out.mT, solve(out.mT, inner).mT)
    return (half + half.mT) / 2


@mutant("cholesky", "not made symmetric", rule="A")
def _(g, out):
    inner = tril(out.mT @ g)
    inner = where(np.eye(inner.shape[-1], dtype=bool), inner / 2, inner)
    return solve(out.mT, solve(out.mT, inner).mT)


@mutant("cholesky", "the upper factor")
def _(A): return np.ascontiguousarray(registry["cholesky"].forward(A).mT)


@mutant("eigh", "the gaps have the wrong sign", helper="ops.decompositions:_differences")
def _(x):
    gaps = x[..., :, None] - x[..., None, :]
    return where(np.eye(x.shape[-1], dtype=bool), 1, gaps)


@mutant("eigh", "the vectors' gradient is forgotten", rule="A")
def _(g, L, V): return right_eigh((L * 0 if g[0] is None else g[0], None), L, V)


@mutant("qr", "the upper triangle is mirrored", rule="A")
def _(g, Q, R):
    gQ, gR = g
    inner = (0 if gR is None else R @ gR.mT) - (0 if gQ is None else gQ.mT @ Q)
    result = Q @ (triu(inner) + triu(inner, 1).mT)
    return solve(R, (result if gQ is None else gQ + result).mT).mT


# -- the engine ----------------------------------------------------------------------------------


@mutant("mul", "broadcast axes are not summed, but cut", helper="core.engine:_fit")
def _(node, gradient, parent):
    if gradient.shape == parent.shape:
        return gradient
    kept = gradient[(0,) * (len(gradient.shape) - len(parent.shape))]
    return kept[tuple(slice(n) for n in parent.shape)]


@mutant("mul", "broadcast axes are averaged", helper="core.engine:_fit")
def _(node, gradient, parent):
    if gradient.shape == parent.shape:
        return gradient
    share = np.prod(parent.shape) / np.prod(gradient.shape)
    return registry["sum_to_size"](gradient, parent.shape) * float(share)


@mutant("mul", "only new axes are summed", helper="core.engine:_fit")
def _(node, gradient, parent):
    new = len(gradient.shape) - len(parent.shape)
    return sum(gradient, tuple(range(new))) if new else gradient


@mutant("silu", "the last gradient replaces the sum", helper="core.engine:_deliver")
def _(pending, edge, gradient): pending[edge] = gradient


@mutant("to", "gradients are not cast to the input's dtype", helper="core.engine:_fit")
def _(node, gradient, parent):
    if gradient.shape != parent.shape:
        gradient = registry["sum_to_size"](gradient, parent.shape)
    return gradient


@mutant(
    "matmul",
    "the operand is transposed by permuting",
    rule="input",
    equivalent="mT is that permutation",
)
def _(g, other, input_shape):
    if other.ndim > 1 and len(input_shape) > 1:
        return matmul(g, transpose(other, -1, -2))
    return right_matmul["input"](g, other, input_shape)
