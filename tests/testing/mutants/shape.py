"""Faults in what moves elements: shapes, joining, padding, indices."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_cnn.core.op import registry
from tinygrad_cnn.ops.diagonals import triu
from tinygrad_cnn.ops.elementwise import where
from tinygrad_cnn.ops.reduce import sum
from tinygrad_cnn.ops.shape import broadcast_to, flip, permute, reshape

from .catalogue import detached, mutant


@mutant("reshape", "the columns first", rule="input")
def _(g, input_shape): return reshape(permute(g, tuple(reversed(range(g.ndim)))), input_shape)


@mutant("permute", "the permutation for its inverse", rule="input")
def _(g, dims): return permute(g, dims)


@mutant("permute", "negative dimensions are sorted as they are", rule="input")
def _(g, dims): return permute(g, tuple(int(i) for i in np.argsort(dims)))


@mutant("transpose", "the gradient is not transposed", rule="input")
def _(g, input_shape): return reshape(g, input_shape)


@mutant("transpose", "a copy instead of a view")
def _(input, dim0: int, dim1: int): return registry["transpose"].forward(input, dim0, dim1).copy()


@mutant("flip", "the gradient is not flipped", rule="input")
def _(g): return g * 1


@mutant("flip", "only the first dimension is flipped back", rule="input")
def _(g, dims): return flip(g, dims if isinstance(dims, int) else dims[:1])


@mutant("flip", "returns a view")
def _(input, dims: tuple[int, ...]): return np.flip(input, dims)


@mutant("broadcast_to", "the mean instead of the sum", rule="input")
def _(g, input_shape):
    share = math.prod(input_shape) / max(math.prod(g.shape), 1)
    return registry["sum_to_size"](g, input_shape) * share


@mutant("broadcast_to", "sums over new dimensions only", rule="input")
def _(g, input_shape):
    new = g.ndim - len(input_shape)
    return sum(g, tuple(range(new))) if new else g


@mutant("sum_to_size", "divides the gradient among them", rule="input")
def _(g, input_shape):
    share = math.prod(g.shape) / max(math.prod(input_shape), 1)
    return broadcast_to(g, input_shape) * share


@mutant("cat", "each piece has the first one's length", rule="tensors")
def _(g, tensors_shape, dim):
    n = tensors_shape[0][dim]
    before = (slice(None),) * (dim % g.ndim)
    return [g[(*before, slice(i * n, i * n + n))] for i in range(len(tensors_shape))]


@mutant("cat", "pieces are cut along the first dimension", rule="tensors")
def _(g, tensors_shape):
    stops = np.cumsum([shape[0] for shape in tensors_shape])
    return [g[stop - shape[0] : stop] for shape, stop in zip(tensors_shape, stops, strict=True)]


@mutant("cat", "the pieces go to the wrong inputs", rule="tensors")
def _(g, tensors_shape, dim):
    before, stop, pieces = (slice(None),) * (dim % g.ndim), 0, []
    for shape in reversed(tensors_shape):
        pieces.append(g[(*before, slice(stop, stop + shape[dim]))])
        stop += shape[dim]
    return pieces[::-1]


@mutant("stack", "along the first dimension always", rule="tensors")
def _(g, tensors_shape): return [g[i % len(g)] for i in range(len(tensors_shape))]


@mutant("pad", "the gradient is not cropped at the end", rule="input")
def _(g, pad): return registry["pad"](g, tuple(0 if i % 2 else -n for i, n in enumerate(pad)))


@mutant("pad", "before and after are swapped", rule="input")
def _(g, pad):
    return registry["pad"](g, tuple(-pad[i + 1 - 2 * (i % 2)] for i in range(len(pad))))


@mutant("pad", "the gradient is padded with the value, too", rule="input")
def _(g, pad, value): return registry["pad"](g, tuple(-n for n in pad), value)


@mutant("diagonal", "the offset is forgotten", rule="input")
def _(g, input_shape, dim1, dim2):
    return registry["diagonal_backward"](g, input_shape, 0, dim1, dim2)


@mutant("tril", "the gradient is not masked", rule="input")
def _(g): return g * 1


@mutant("tril", "the other triangle", rule="input")
def _(g, diagonal): return triu(g, diagonal)


@mutant("tril", "the diagonal is lost at the boundary")
def _(input, diagonal: int = 0): return registry["tril"].forward(input, diagonal - 1)


@mutant("getitem", "repeated indices overwrite each other", helper="ops.indexing:_may_repeat")
def _(index): return False


@mutant("getitem", "the gradient of a repeated index is shared", rule="input")
def _(g, index, input_shape):
    back = registry["getitem_backward"]
    counts = back(np.ones(g.shape, g.dtype), index, input_shape)
    return back(g, index, input_shape) / np.maximum(counts, 1)


@mutant("index_put", "the overwritten elements keep their gradient", rule="input")
def _(g): return g * 1


@mutant("index_put", "the value's gradient is detached", rule="value")
def _(g, index, value_shape):
    return registry["sum_to_size"](registry["getitem"](detached(g), index), value_shape)


@mutant("gather", "repeated indices overwrite each other", rule="input")
def _(g, dim, index, input_shape):
    return registry["scatter"](np.zeros(input_shape, g.dtype), dim, index, g)


@mutant("scatter", "the overwritten elements keep their gradient", rule="input")
def _(g): return g * 1


@mutant("scatter_add", "repeated indices overwrite each other")
def _(input, dim: int, index, src):
    result = np.array(input)
    if index.ndim:
        there = np.take_along_axis(result, index, dim)
        np.put_along_axis(result, index, there + src[tuple(map(slice, index.shape))], dim)
    return result


@mutant("scatter_add", "the input's elements are lost there", rule="input")
def _(g, dim, index): return registry["scatter"](g, dim, index, 0)


@mutant("to", "drops the gradient of a cast", rule="input")
def _(g): return where(True, 0, g)


@mutant(
    "flip",
    "the dimensions are flipped back in another order",
    rule="input",
    equivalent="flips along different dimensions commute",
)
def _(g, dims): return flip(g, dims if isinstance(dims, int) else dims[::-1])
