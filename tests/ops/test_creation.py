"""Tensors made from data, from a rule and at random."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.dtypes import (
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
    set_default_dtype,
)
from tinygrad_cnn.ops import creation as ops
from tinygrad_cnn.ops.devices import device as Device
from tinygrad_cnn.random import Generator, initial_seed, manual_seed, seed

# -- from data ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1, int64), (1.0, float32), (True, bool_), ([], float32), ([1, 2.0], float32), ([[1], [2]], int64),
        (np.float64(1), float64), (np.ones(2), float64), (np.ones(2, "i4"), int32), (Tensor(np.ones(2, "f2")), float16),
        ([Tensor(np.ones(2)), Tensor(np.ones(2))], float32), (range(2), int64),
    ],
)  # fmt: skip
def test_dtype_of_a_tensor(data, dtype):
    assert ops.tensor(data).dtype == dtype
    assert ops.as_tensor(data).dtype == dtype
    assert ops.tensor(data, dtype=float16).dtype == float16


def test_tensor_copies_and_as_tensor_shares():
    a = np.zeros(2)
    copied, shared, alike = ops.tensor(a), ops.as_tensor(a), ops.from_numpy(a)
    a[0] = 1
    assert copied.tolist() == [0, 0]
    assert shared.tolist() == alike.tolist() == [1, 0]
    x = ops.tensor(a, requires_grad=True)
    assert x.is_leaf
    assert x.requires_grad
    assert ops.as_tensor(x) is x
    assert ops.as_tensor(x, float64) is x
    assert ops.as_tensor(x, float32).requires_grad
    assert not ops.tensor(x).requires_grad
    assert ops.tensor(np.ones((2, 3)).T).is_contiguous()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ops.tensor("a"), TypeError, "tensor: expected numbers"),
        (lambda: ops.tensor(None), TypeError, "tensor: expected numbers"),
        (lambda: ops.tensor(None, dtype=float32), TypeError, "tensor: expected numbers, got NoneType"),
        (lambda: ops.tensor("3", dtype=float32), TypeError, "tensor: expected numbers, got str"),
        (lambda: ops.zeros(2).fill_(None), TypeError, "fill_: expected numbers, got NoneType"),
        (lambda: ops.tensor(1j), TypeError, "tensor: expected numbers"),
        (lambda: ops.tensor([[1], [2, 3]]), ValueError, "inhomogeneous"),
        (lambda: ops.tensor(1, dtype="nonsense"), TypeError, "tensor: expected a dtype of numbers"),
        (lambda: ops.tensor(1, requires_grad=True), RuntimeError, "only floating tensors can require grad"),
        (lambda: ops.from_numpy([1]), TypeError, "from_numpy: expected an ndarray, got list"),
    ],
)  # fmt: skip
def test_errors_from_data(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


# -- filled ------------------------------------------------------------------------------------

FILLED = {"zeros": ops.zeros, "ones": ops.ones, "empty": ops.empty, "rand": ops.rand, "randn": ops.randn}


@pytest.mark.parametrize("name", FILLED)
def test_sizes(name):
    make = FILLED[name]
    for made in (make(2, 3), make((2, 3)), make([2, 3]), make(np.int64(2), 3), make(size=(2, 3))):
        assert made.shape == (2, 3)
        assert made.dtype == float32
    assert make().shape == make(()).shape == ()
    assert make(0, 2).shape == (0, 2)
    assert make(2, dtype=float64, requires_grad=True).requires_grad
    for dtype in (float16, float64):
        assert make(2, dtype=dtype).dtype == dtype
    with pytest.raises(RuntimeError, match=rf"{name}: sizes must not be negative, got \(2, -1\)"):
        make(2, -1)
    with pytest.raises(TypeError, match=rf"{name}: got sizes \(2,\) and size=\(3,\)"):
        make(2, size=(3,))
    with pytest.raises(TypeError, match=f"{name}: sizes must be ints, got float"):
        make(2.0)
    with pytest.raises(TypeError, match=f"{name}: expected a dtype of numbers"):
        make(2, dtype="nonsense")


def test_values():
    assert ops.zeros(2).tolist() == [0, 0]
    assert ops.ones(2, dtype=int32).tolist() == [1, 1]
    assert ops.full((2,), 7).tolist() == [7, 7]
    assert [ops.full((1,), v).dtype for v in (7, 0.5, True)] == [int64, float32, bool_]
    assert ops.full((), 7, dtype=float16, requires_grad=True).item() == 7
    assert ops.full((2,), ops.tensor(3.0)).tolist() == [3, 3]
    with pytest.raises(TypeError, match="full: fill_value must be a number"):
        ops.full((2,), [1, 2])


def test_like():
    x = ops.ones(2, 3, dtype=int32)
    assert ops.zeros_like(x).dtype == ops.ones_like(x).dtype == ops.empty_like(x).dtype == int32
    assert ops.zeros_like(x).shape == ops.empty_like(x).shape == (2, 3)
    assert ops.ones_like(x, dtype=float64).tolist() == [[1] * 3] * 2
    assert ops.full_like(x, 7.0).dtype == int32
    assert ops.full_like(x, 7, dtype=float32, requires_grad=True).requires_grad
    y = ops.zeros(2, dtype=float64)
    assert ops.rand_like(y).dtype == ops.randn_like(y).dtype == float64
    assert ops.rand_like(y, dtype=float32).dtype == float32


@pytest.mark.parametrize(
    ("args", "values"),
    [
        ((3,), [0, 1, 2]), ((1, 4), [1, 2, 3]), ((1, 8, 3), [1, 4, 7]), ((3, 0, -1), [3, 2, 1]), ((0,), []),
        ((2, 2), []), ((1.0, 2.0, 0.5), [1, 1.5]), ((0, 1, 0.1), [i / 10 for i in range(10)]), ((2.5,), [0, 1, 2]),
        ((5, 0, -2), [5, 3, 1]),
    ],
)  # fmt: skip
def test_arange(args, values):
    x = ops.arange(*args)
    assert x.dtype == (float32 if any(isinstance(a, float) for a in args) else int64)
    np.testing.assert_allclose(x.data, values, rtol=1e-6)
    assert ops.arange(*args, dtype=float64).dtype == float64


def test_arange_linspace_and_eye_errors():
    for args in ((3, 1), (0, 3, 0), (0, 3, -1), (-1,)):
        with pytest.raises(RuntimeError, match="arange: step"):
            ops.arange(*args)
    with pytest.raises(RuntimeError, match="linspace: steps must not be negative, got -1"):
        ops.linspace(0, 1, -1)
    with pytest.raises(RuntimeError, match="eye: sizes must not be negative"):
        ops.eye(-1)


def test_linspace_and_eye():
    assert ops.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert ops.linspace(3, 7, 1).tolist() == [3]
    assert ops.linspace(3, 7, 0).shape == (0,)
    assert ops.linspace(0, 1, 3, dtype=float64, requires_grad=True).dtype == float64
    assert ops.eye(2).tolist() == [[1, 0], [0, 1]]
    assert ops.eye(1, 2, dtype=int64).tolist() == [[1, 0]]


def test_the_default_dtype_decides():
    try:
        set_default_dtype(float64)
        for made in (ops.zeros(1), ops.rand(1), ops.tensor(1.0), ops.linspace(0, 1, 2), ops.arange(1.0)):
            assert made.dtype == float64
    finally:
        set_default_dtype(float32)


# -- random ------------------------------------------------------------------------------------

RANDOM = {
    "rand": lambda **k: ops.rand(50, **k),
    "randn": lambda **k: ops.randn(50, **k),
    "randint": lambda **k: ops.randint(100, (50,), **k),
    "randperm": lambda **k: ops.randperm(50, **k),
    "bernoulli": lambda **k: ops.bernoulli(ops.full((50,), 0.5), **k),
    "normal": lambda **k: ops.normal(1.0, 2.0, (50,), **k),
    "multinomial": lambda **k: ops.multinomial(ops.ones(50), 20, **k),
    "uniform_": lambda **k: ops.zeros(50).uniform_(2, 3, **k),
    "normal_": lambda **k: ops.zeros(50).normal_(**k),
    "bernoulli_": lambda **k: ops.zeros(50).bernoulli_(**k),
    "poisson": lambda **k: ops.poisson(ops.full((50,), 3.0), **k),
    "random_": lambda **k: ops.zeros(50).random_(99, **k),
    "exponential_": lambda **k: ops.zeros(50).exponential_(**k),
    "geometric_": lambda **k: ops.zeros(50).geometric_(0.1, **k),
    "log_normal_": lambda **k: ops.zeros(50).log_normal_(**k),
}


@pytest.mark.parametrize("name", RANDOM)
def test_the_seed_decides(name):
    draw = RANDOM[name]
    manual_seed(1)
    first, second = draw().tolist(), draw().tolist()
    manual_seed(1)
    assert draw().tolist() == first != second
    state = Generator(0).numpy.bit_generator.state
    generator = Generator(0)
    own = draw(generator=generator).tolist()
    assert generator.numpy.bit_generator.state != state
    assert draw(generator=Generator(0)).tolist() == own
    assert draw().tolist() == second  # the default stream was not touched


def test_moments():
    n = 20_000
    for values, low, high, mean, std in (
        (ops.rand(n), 0, 1, 0.5, 12**-0.5),
        (ops.randn(n), -8, 8, 0, 1),
        (ops.zeros(n).uniform_(-3, 1), -3, 1, -1, 4 * 12**-0.5),
        (ops.zeros(n, dtype=float64).normal_(5, 2), -11, 21, 5, 2),
        (ops.normal(5.0, 2.0, (n,)), -11, 21, 5, 2),
        (ops.bernoulli(ops.full((n,), 0.3)), 0, 1, 0.3, 0.21**0.5),
        (ops.zeros(n).bernoulli_(0.3), 0, 1, 0.3, 0.21**0.5),
        (ops.randint(-2, 3, (n,)).float(), -2, 2, 0, 2**0.5),
    ):
        data = values.data.astype("f8")
        assert low <= data.min() <= data.max() <= high
        assert abs(data.mean() - mean) < 5 * std / math.sqrt(n)
        assert abs(data.std() - std) < 0.05 * std


def test_randint_and_randperm():
    assert set(ops.randint(3, (200,)).tolist()) == {0, 1, 2}
    assert set(ops.randint(-1, 1, size=(200,)).tolist()) == {-1, 0}
    assert ops.randint(low=4, high=5, size=(2, 3), dtype=int32).tolist() == [[4] * 3] * 2
    assert ops.randint(2, (2,)).dtype == int64
    assert ops.randint_like(ops.zeros(2), 4, 5).tolist() == [4.0, 4.0]
    assert ops.randint_like(ops.zeros(200), 3, dtype=int32).data.max() == 2
    assert sorted(ops.randperm(9, dtype=int32).tolist()) == list(range(9))
    assert ops.randperm(0).shape == (0,)
    for args in ((), (3,), (1, 2, 3, (4,)), ((4,),)):
        with pytest.raises(TypeError, match="randint: expected"):
            ops.randint(*args)


def test_bernoulli_keeps_the_dtype():
    p = ops.tensor([0.0, 1.0], dtype=float64)
    assert ops.bernoulli(p).tolist() == [0, 1]
    assert ops.bernoulli(p).dtype == float64
    assert p.bernoulli(1.0).tolist() == [1, 1]


def test_normal_of_tensors():
    mean = ops.tensor([[1.0], [2.0]])
    assert ops.normal(mean, 0.0).tolist() == [[1], [2]]
    assert ops.normal(mean, ops.zeros(3)).shape == (2, 3)
    assert ops.normal(mean.double(), 1.0).dtype == float64
    assert ops.normal(0.0, ops.ones(2)).dtype == float32


def test_multinomial():
    weights = ops.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 0.0]])
    drawn = ops.multinomial(weights, 4000, replacement=True).data
    assert drawn.dtype == int64
    assert set(drawn[1]) == {1}
    assert abs(np.mean(drawn[0] == 2) - 0.75) < 0.04
    assert sorted(ops.multinomial(weights[0], 2).tolist()) == [0, 2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.rand(2, dtype=int64), "rand: expected a floating dtype, got int64"),
        (lambda: ops.randint(3, 3, (2,)), "randint: low must be less than high, got 3 and 3"),
        (lambda: ops.randint(3, (-1,)), "randint: sizes must not be negative"),
        (lambda: ops.randperm(-1), "randperm: sizes must not be negative"),
        (lambda: ops.bernoulli(ops.tensor([2.0])), "bernoulli: probabilities"),
        (lambda: ops.bernoulli(ops.tensor([np.nan])), "bernoulli: probabilities"),
        (lambda: ops.zeros(2).bernoulli_(-1), "bernoulli: probabilities"),
        (lambda: ops.normal(0.0, -1.0, (2,)), "normal: std must not be negative"),
        (lambda: ops.zeros(2).normal_(0, -1), "normal_: std must not be negative"),
        (lambda: ops.zeros(2).uniform_(2, 1), "uniform_: from must not be more than to"),
        (lambda: ops.zeros(2, dtype=int64).uniform_(), "uniform_: expected a floating dtype"),
        (lambda: ops.multinomial(ops.tensor([1.0, 0.0]), 2), "multinomial: cannot draw 2 different"),
        (lambda: ops.multinomial(ops.tensor([1.0, -1.0]), 1), "multinomial: weights must be"),
        (lambda: ops.multinomial(ops.zeros(2), 1), "multinomial: weights must be"),
        (lambda: ops.multinomial(ops.ones(2), 0), "multinomial: expected 1 or 2 dimensions"),
        (lambda: ops.multinomial(ops.arange(1, 3), 1), "multinomial: expected a floating dtype"),
        (lambda: ops.arange(float("inf")), "arange: the range from 0 to inf is not finite"),
        (lambda: ops.linspace(ops.ones(2), 3, 4), "linspace: start and end must be numbers"),
    ],
)  # fmt: skip
def test_random_errors(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_initialisers_keep_memory_and_dtype_and_are_in_place():
    x = ops.zeros(3, dtype=float64)
    data = x.data
    for returned in (x.uniform_(), x.normal_(), x.bernoulli_()):
        assert returned is x
        assert x.data is data
    assert x._version == 3
    leaf = ops.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="normal_: a leaf that requires grad"):
        leaf.normal_()
    with no_grad():
        leaf.normal_()
    assert leaf.requires_grad


def test_normal_takes_a_dtype():
    drawn = ops.normal(1.0, 0.5, (2, 3), dtype=np.float64, requires_grad=True)
    assert (drawn.shape, drawn.dtype, drawn.requires_grad) == ((2, 3), np.float64, True)


# -- after a tensor, and indices ---------------------------------------------------------------


def test_new_tensors_take_the_dtype():
    x = ops.zeros(2, dtype=float64)
    for made in (x.new_zeros(3), x.new_ones((3,)), x.new_empty(3), x.new_full((3,), 7), x.new_tensor([1, 2, 3])):
        assert (made.shape, made.dtype) == ((3,), float64)
    assert x.new_full((1,), 7).tolist() == [7]
    assert x.new_ones(2, dtype=int32, device="cpu").tolist() == [1, 1]
    assert x.new_zeros(2, requires_grad=True).requires_grad
    assert ops.scalar_tensor(2).dtype == float32
    assert ops.scalar_tensor(2, dtype=int64).item() == 2


def test_logspace():
    np.testing.assert_allclose(ops.logspace(-1, 2, 4, dtype=float64).data, [0.1, 1, 10, 100])
    assert ops.logspace(0, 3, 4, 2).tolist() == [1, 2, 4, 8]
    assert ops.logspace(0, 3, 4, base=2, dtype=int64).dtype == int64
    assert ops.logspace(0, 1, 0).shape == (0,)


@pytest.mark.parametrize("offset", [-5, -1, 0, 1, 2, 5])
@pytest.mark.parametrize(("row", "col"), [(3, 3), (2, 4), (4, 2), (0, 2)])
def test_triangles(row, col, offset):
    places = [(i, j) for i in range(row) for j in range(col)]
    lower, upper = ops.tril_indices(row, col, offset), ops.triu_indices(row, col, offset, dtype=int32)
    assert [tuple(p) for p in lower.data.T] == [(i, j) for i, j in places if j - i <= offset]
    assert [tuple(p) for p in upper.data.T] == [(i, j) for i, j in places if j - i >= offset]
    assert (lower.dtype, upper.dtype, lower.shape[0]) == (int64, int32, 2)


def test_products_and_combinations():
    x = ops.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = ops.tensor([4.0, 5.0])
    assert ops.cartesian_prod(x, y).tolist() == [list(p) for p in itertools.product([1, 2, 3], [4, 5])]
    assert ops.cartesian_prod(y) is y
    assert ops.combinations(y, 3).shape == (0, 3)
    assert ops.combinations(y, 0).shape == (0,)
    for r in (1, 2, 3):
        for again, choose in enumerate((itertools.combinations, itertools.combinations_with_replacement)):
            made = ops.combinations(x, r, with_replacement=bool(again))
            assert made.tolist() == [list(c) for c in choose([1, 2, 3], r)]
    ops.combinations(x).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="cartesian_prod: expected 1-d tensors"):
        ops.cartesian_prod(y, ops.eye(2))
    for args in ((ops.eye(2),), (y, -1)):
        with pytest.raises(RuntimeError, match="combinations: expected a 1-d tensor and r >= 0"):
            ops.combinations(*args)


# -- devices -----------------------------------------------------------------------------------


@pytest.mark.parametrize("device", [None, "cpu", "cpu:0", Device("cpu")])
def test_tensors_are_made_on_the_cpu(device):
    x = ops.ones(2)
    for made in (
        ops.tensor([1], device=device), ops.as_tensor([1.0], device=device), ops.zeros(2, device=device),
        ops.full((2,), 1, device=device), ops.ones_like(x, device=device), ops.arange(2, device=device),
        ops.rand(2, device=device), ops.randint(3, (2,), device=device), ops.randperm(3, device=device),
        ops.normal(0, 1, (2,), device=device), ops.eye(2, device=device), ops.linspace(0, 1, 2, device=device),
    ):  # fmt: skip
        assert made.device == Device("cpu")


@pytest.mark.parametrize("make", [ops.zeros, ops.rand, ops.tensor, ops.as_tensor, ops.randperm])
def test_other_devices_are_refused(make):
    for device in ("cuda", "cuda:1", Device("mps")):
        with pytest.raises(RuntimeError, match="every tensor is on the CPU, got device"):
            make(2, device=device)
    with pytest.raises(RuntimeError, match="device: expected one of cpu"):
        make(2, device="toaster")


# -- filling in place --------------------------------------------------------------------------


def test_filling_takes_the_gradient_from_what_was_before():
    x = ops.tensor([1.0, 2.0], requires_grad=True)
    for fill in (lambda y: y.zero_(), lambda y: y.fill_(3), lambda y: y.copy_(ops.ones(2))):
        y = x * x
        assert fill(y) is y
        assert y.requires_grad
        (y * x).sum().backward()
        np.testing.assert_array_equal(x.grad.data, y.data)
        x.grad = None

    value, source = ops.tensor(3.0, requires_grad=True), ops.tensor([2.0], requires_grad=True)
    y = ops.zeros(2).fill_(value) * ops.zeros(2).copy_(source)
    y.sum().backward()
    assert (y.tolist(), value.grad.item(), source.grad.tolist()) == ([6, 6], 4, [6])
    assert ops.arange(2).fill_(3.7).tolist() == [3, 3]
    assert ops.zeros(2, 2).copy_(np.array([1, 2])).tolist() == [[1, 2], [1, 2]]
    assert ops.zeros(1, dtype=float64).fill_(0.1).item() == 0.1
    assert ops.zeros(1, dtype=float16).fill_(1e6).item() == math.inf
    for wrong in (ops.ones(2), [1, 2]):
        with pytest.raises(RuntimeError, match="fill_: expected a number or a 0-d tensor"):
            ops.zeros(2).fill_(wrong)


def test_random_fillers():
    n = 20_000
    for values, mean, std in (
        (ops.zeros(n).exponential_(2.0), 0.5, 0.5),
        (ops.zeros(n, dtype=int64).geometric_(0.25), 4, 12**0.5),
        (ops.zeros(n).log_normal_(0.5, 0.25).log(), 0.5, 0.25),
        (ops.zeros(n).random_(-2, 3), 0, 2**0.5),
        (ops.poisson(ops.full((n,), 3.0)), 3, 3**0.5),
    ):
        data = values.data.astype("f8")
        assert abs(data.mean() - mean) < 5 * std / math.sqrt(n)
        assert abs(data.std() - std) < 0.05 * std
    assert set(ops.zeros(200).random_(3).tolist()) == {0, 1, 2}
    assert set(ops.zeros(99, dtype=bool_).random_().tolist()) == {False, True}
    assert ops.zeros(99, dtype=int64).random_().data.min() >= 0
    assert 2**20 < ops.zeros(99).random_().data.max() <= 2**24
    for call, message in (
        (lambda x: x.random_(0), "random_: low must be less than high"),
        (lambda x: x.exponential_(0.0), "exponential_: lambd must be positive"),
        (lambda x: x.geometric_(1.0), "geometric_: p must be between 0 and 1"),
        (lambda x: x.log_normal_(0.0, 0.0), "log_normal_: std must be positive"),
        (lambda x: x.long().exponential_(), "exponential_: expected a floating dtype"),
        (lambda x: ops.poisson(x - 1), "poisson: rates must not be negative"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call(ops.zeros(2))


def test_seeds():
    assert manual_seed(3).initial_seed() == initial_seed() == 3
    drawn = ops.rand(2).tolist()
    again = seed()
    assert again == initial_seed() != 3
    assert ops.rand(2).tolist() != drawn
    assert Generator(again).initial_seed() == again
    assert Generator().seed() != Generator().seed()
    assert Generator(device="cpu").manual_seed(3).initial_seed() == 3
    with pytest.raises(RuntimeError, match="Generator: it draws on the CPU, got device 'cuda'"):
        Generator(device=Device("cuda"))
