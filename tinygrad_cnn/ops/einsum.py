"""Sums of products over named dimensions, and what is one of them: contractions of two tensors."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from tinygrad_cnn.core.op import method
from tinygrad_cnn.core.tensor import Tensor

from ._dims import check_tensor, normalize_dims
from .diagonals import diagonal
from .elementwise import mul
from .linalg import matmul
from .reduce import sum
from .shape import permute, reshape

Labels = list[Hashable]
"""The names of a tensor's dimensions: letters; for those of "...", -1, -2, ... from its end."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Return the sum of products of the operands' elements that an equation describes.

    Each letter names a dimension. Dimensions of one name are run through together; those that
    the result does not name are summed over. The operands are contracted from left to right,
    two at a time, each time by one batched matrix product.

    Parameters
    ----------
    equation : str
        One term of letters for each operand, between commas; then, optionally, ``->`` and the
        letters of the result. Without those, it has the letters that occur once, in alphabetical
        order. ``...`` stands for dimensions without a name, which broadcast, and come first in
        the result where it is not given. A letter that occurs twice in a term takes the
        diagonal. A dimension of size 1 broadcasts.
    operands : Tensor, or one list of them
        Of one dtype. The call ``einsum(x, [0, 1], y, [1, 2], [0, 2])``, with lists of numbers
        (0 to 51) and Ellipsis for the terms, is understood as well.

    Returns
    -------
    Tensor

    Raises
    ------
    RuntimeError
        If the equation is malformed, or does not fit the operands.
    ValueError
        If there is no operand.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x = tg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> tg.einsum("ij->ji", x)
    tensor([[1., 3.],
            [2., 4.]])
    >>> tg.einsum("ii", x), tg.einsum("ij,j->i", x, tg.tensor([1.0, 10.0]))
    (tensor(5.), tensor([21., 43.]))
    """
    if not isinstance(equation, str):
        equation, operands = _from_lists(equation, *operands)
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    if not operands:
        raise ValueError("einsum: expected at least one operand")
    for i, x in enumerate(operands):
        check_tensor("einsum", x, f"operand {i}")
    terms, arrow, result = equation.replace(" ", "").partition("->")
    parts = terms.split(",")
    if len(parts) != len(operands):
        raise RuntimeError(f"einsum: {equation!r} is for {len(parts)} operands, got {len(operands)}")
    named = [_labels(equation, part, x.ndim) for part, x in zip(parts, operands, strict=True)]
    _check_sizes(equation, named, operands)
    free = sorted({name for labels in named for name in labels if isinstance(name, int)})
    letters = terms.replace(",", "").replace(".", "")
    if arrow:
        before, dots, after = _split(equation, result)
        wanted = [*before, *(free if dots else ()), *after]
        if len(set(wanted)) < len(wanted) or not {*letters, *free}.issuperset(wanted):
            raise RuntimeError(
                f"einsum: {equation!r} must name each dimension of the result once, "
                "and an operand must have it"
            )
    else:
        wanted = [*free, *(name for name in sorted(set(letters)) if letters.count(name) == 1)]

    total, labels = _diagonals(equation, operands[0], named[0])
    for i, x in enumerate(operands[1:], 1):
        kept = {*wanted, *(name for later in named[i + 1 :] for name in later)}
        total, labels = _contract(total, labels, *_diagonals(equation, x, named[i]), kept)
    total, labels = _summed(total, labels, wanted)
    return permute(total, tuple(labels.index(name) for name in wanted))


def _from_lists(*arguments: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the equation for ``x, [0, 1], y, [1, 2], [0, 2]``, and the operands."""

    def term(numbers: Any) -> str:
        try:
            return "".join("..." if i is ... else _LETTERS[range(52).index(i)] for i in numbers)
        except (TypeError, ValueError):
            raise RuntimeError(
                f"einsum: expected a list of numbers from 0 to 51 and Ellipsis, got {numbers!r}"
            ) from None

    count = len(arguments) // 2 * 2
    if not count:
        raise ValueError("einsum: expected an equation, or an operand and the list of its dims")
    equation = ",".join(term(numbers) for numbers in arguments[1:count:2])
    if len(arguments) > count:
        equation += "->" + term(arguments[-1])
    return equation, arguments[:count:2]


def _split(equation: str, term: str) -> tuple[str, str, str]:
    """Return the letters before "...", that if it is there, and those after it."""
    before, dots, after = term.partition("...")
    if not all(name in _LETTERS for name in before + after):
        raise RuntimeError(f"einsum: {equation!r} has more than letters and one '...' in {term!r}")
    return before, dots, after


def _labels(equation: str, term: str, ndim: int) -> Labels:
    """Return the label of each dimension of the operand that `term` describes."""
    before, dots, after = _split(equation, term)
    count = len(before) + len(after)
    if count > ndim or (count < ndim and not dots):
        raise RuntimeError(
            f"einsum: {equation!r} names {count} dimensions in {term!r}, the operand has {ndim}"
        )
    return [*before, *range(count - ndim, 0), *after]


def _check_sizes(equation: str, named: Sequence[Labels], operands: Sequence[Tensor]) -> None:
    sizes: dict[Hashable, int] = {}
    for labels, x in zip(named, operands, strict=True):
        for name, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(name, size)
            if size != known and 1 not in (size, known):
                what = f"dimension {name!r}" if isinstance(name, str) else "a dimension of '...'"
                raise RuntimeError(f"einsum: {equation!r}: {what} has sizes {known} and {size}")
            sizes[name] = size if known == 1 else known


def _diagonals(equation: str, x: Any, labels: Labels) -> tuple[Any, Labels]:
    """Return `x` with each label once: of two dimensions of one name, the diagonal."""
    labels = list(labels)
    for name in dict.fromkeys(labels):
        while labels.count(name) > 1:
            first = labels.index(name)
            second = labels.index(name, first + 1)
            if x.shape[first] != x.shape[second]:
                raise RuntimeError(
                    f"einsum: {equation!r} wants the diagonal where {name!r} occurs twice, "
                    f"of sizes {x.shape[first]} and {x.shape[second]}"
                )
            x = diagonal(x, 0, first, second)
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], name]
    return x, labels


def _summed(x: Any, labels: Labels, kept: Iterable[Hashable]) -> tuple[Any, Labels]:
    """Return `x` summed over the dimensions that are not in `kept`."""
    kept = set(kept)
    if dims := tuple(i for i, name in enumerate(labels) if name not in kept):
        x = sum(x, dims)
    return x, [name for name in labels if name in kept]


def _contract(
    x: Any, x_labels: Labels, y: Any, y_labels: Labels, kept: set[Hashable]
) -> tuple[Any, Labels]:
    """Return the product of two tensors, summed over the dimensions that are not in `kept`."""
    x_sizes, y_sizes = _sizes(x, x_labels), _sizes(y, y_labels)
    # without a dimension of size 1 that broadcasts, the other's is not shared
    x, x_labels = _summed(x, x_labels, [n for n in x_labels if x_sizes[n] != 1 or y_sizes.get(n, 1) == 1])
    y, y_labels = _summed(y, y_labels, [n for n in y_labels if y_sizes[n] != 1 or x_sizes.get(n, 1) == 1])
    x, x_labels = _summed(x, x_labels, kept.union(y_labels))
    y, y_labels = _summed(y, y_labels, kept.union(x_labels))
    batch = [name for name in x_labels if name in y_labels and name in kept]
    summed = [name for name in x_labels if name in y_labels and name not in kept]
    rows = [name for name in x_labels if name not in y_labels]
    columns = [name for name in y_labels if name not in x_labels]
    # [batch, rows, summed] x [batch, summed, columns] -> [batch, rows, columns]
    product = (matmul if summed else mul)(
        _grouped(x, x_labels, batch, rows, summed), _grouped(y, y_labels, batch, summed, columns)
    )
    labels = [*batch, *rows, *columns]
    sizes = _sizes(x, x_labels) | _sizes(y, y_labels)
    return reshape(product, tuple(sizes[name] for name in labels)), labels


def _sizes(x: Any, labels: Labels) -> dict[Hashable, int]:
    return dict(zip(labels, x.shape, strict=True))


def _grouped(x: Any, labels: Labels, batch: Labels, rows: Labels, columns: Labels) -> Any:
    """Return `x` as one matrix for each element of the batch."""
    order = [labels.index(name) for name in (*batch, *rows, *columns)]
    sizes = [x.shape[i] for i in order]
    middle = len(batch) + len(rows)
    matrix = (math.prod(sizes[len(batch) : middle]), math.prod(sizes[middle:]))
    return reshape(permute(x, tuple(order)), (*sizes[: len(batch)], *matrix))


# -- contractions of two -----------------------------------------------------------------------


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Return the products of `a` and `b`, summed over pairs of dimensions.

    Parameters
    ----------
    a, b : Tensor
    dims : int or two sequences of int
        How many of the last dimensions of `a` and the first of `b`; or those of `a`, and those
        of `b` that go with them. A size of 1 broadcasts.

    Returns
    -------
    Tensor
        Its dimensions are the others of `a`, then the others of `b`.

    Raises
    ------
    RuntimeError
        If sizes do not match, or a dimension is named twice.
    IndexError
        If there is no such dimension.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.tensordot(tg.ones(2, 3, 4), tg.ones(3, 4, 5), dims=2).shape
    (2, 5)
    >>> tg.tensordot(tg.ones(2, 3), tg.ones(4, 2), dims=([0], [1])).shape
    (3, 4)
    """
    check_tensor("tensordot", a, "a")
    check_tensor("tensordot", b, "b")
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot: no {dims} dimensions to sum over in {a.shape}, {b.shape}")
        dims = range(a.ndim - dims, a.ndim), range(dims)
    try:
        of_a, of_b = map(tuple, dims)
    except (TypeError, ValueError):
        raise RuntimeError(
            f"tensordot: dims must be an int or two sequences of int, got {dims!r}"
        ) from None
    of_a = normalize_dims("tensordot", of_a, a.ndim) if of_a else ()
    of_b = normalize_dims("tensordot", of_b, b.ndim) if of_b else ()
    if len(of_a) != len(of_b):
        raise RuntimeError(f"tensordot: dims names {len(of_a)} dimensions of a, {len(of_b)} of b")
    for i, j in zip(of_a, of_b, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                f"tensordot: a has size {a.shape[i]} in dim {i}, b {b.shape[j]} in dim {j}; "
                f"shapes {a.shape}, {b.shape}"
            )
    a_labels: Labels = list(range(a.ndim))
    b_labels: Labels = [(j,) for j in range(b.ndim)]
    for i, j in zip(of_a, of_b, strict=True):
        b_labels[j] = i
    kept = set(a_labels) ^ set(b_labels)
    return _contract(a, a_labels, b, b_labels, kept)[0]


@method("inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Return the inner products along the last dimensions of both; with a 0-d tensor, `mul`.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.inner(tg.ones(2, 3), tg.ones(4, 3)).shape
    (2, 4)
    """
    check_tensor("inner", input)
    check_tensor("inner", other, "other")
    if not input.ndim or not other.ndim:
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: the last sizes differ: {input.shape} and {other.shape}")
    return tensordot(input, other, ([-1], [-1]))


@method("kron")
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Return the Kronecker product: `input` with each element replaced by its multiple of `other`.

    The one with fewer dimensions gets some of size 1 in front.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.kron(tg.eye(2), tg.tensor([[1.0, 2.0]]))
    tensor([[1., 2., 0., 0.],
            [0., 0., 1., 2.]])
    """
    check_tensor("kron", input)
    check_tensor("kron", other, "other")
    ndim = max(input.ndim, other.ndim)
    first = (1,) * (ndim - input.ndim) + tuple(input.shape)
    second = (1,) * (ndim - other.ndim) + tuple(other.shape)
    # [n, 1, m, 1] x [1, k, 1, l] -> [n, k, m, l] -> [n k, m l]
    outer = mul(
        reshape(input, tuple(size for n in first for size in (n, 1))),
        reshape(other, tuple(size for n in second for size in (1, n))),
    )
    return reshape(outer, tuple(n * m for n, m in zip(first, second, strict=True)))


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input1 @ weight[o] @ input2 + bias[o]``, for each output feature ``o``.

    Parameters
    ----------
    input1 : Tensor, shape (..., n)
    input2 : Tensor, shape (..., m)
    weight : Tensor, shape (o, n, m)
    bias : Tensor, shape (o,), optional

    Returns
    -------
    Tensor, shape (..., o)

    Raises
    ------
    RuntimeError
        If shapes do not match or dtypes differ.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> x, y = tg.ones(2, 3), tg.ones(2, 4)
    >>> tg.nn.functional.bilinear(x, y, tg.ones(5, 3, 4)).shape
    (2, 5)
    """
    for key, x in {"input1": input1, "input2": input2, "weight": weight}.items():
        check_tensor("bilinear", x, key)
    shapes = input1.shape, input2.shape, weight.shape
    if (
        weight.ndim != 3
        or not input1.ndim
        or input1.shape[:-1] != input2.shape[:-1]
        or (input1.shape[-1], input2.shape[-1]) != weight.shape[1:]
    ):
        raise RuntimeError(
            "bilinear: input1 {}, input2 {} and weight {} do not match: expected (..., n), "
            "(..., m) and (o, n, m)".format(*shapes)
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise RuntimeError(f"bilinear: bias {bias.shape} does not match weight {weight.shape}")
    result = einsum("...n,onm,...m->...o", input1, weight, input2)
    return result if bias is None else result + bias
