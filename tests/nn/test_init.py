"""Initialisers: fans, gains, moments and bounds, and the layers' defaults."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import init

SHAPE = (50, 40, 3, 5)  # 30,000 values
FAN_IN, FAN_OUT = 40 * 15, 50 * 15


def assert_uniform(values: np.ndarray, bound: float) -> None:
    """Check by a Kolmogorov-Smirnov statistic that values are uniform in [-bound, bound]."""
    values = np.sort(values.ravel().astype(np.float64))
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    expected = (values / bound + 1) / 2
    steps = np.arange(len(values) + 1) / len(values)
    gap = max(np.abs(expected - steps[:-1]).max(), np.abs(expected - steps[1:]).max())
    assert gap < 1.95 / math.sqrt(len(values))  # 0.1 % of true samples are farther off


def assert_normal(values: np.ndarray, mean: float, std: float) -> None:
    z = (values.ravel().astype(np.float64) - mean) / std
    n = len(z)
    assert abs(z.mean()) < 4 / math.sqrt(n)
    assert abs(z.std() - 1) < 4 / math.sqrt(2 * n)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / n)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / n)


@pytest.mark.parametrize("dtype", [tg.float32, tg.float64])
class TestDistributions:
    def test_uniform(self, dtype: np.dtype) -> None:
        t = tg.empty(SHAPE, dtype=dtype)
        assert init.uniform_(t, -3, 3) is t
        assert_uniform(t.data, 3)
        assert t.dtype == dtype
        init.uniform_(t)
        assert_uniform(t.data * 2 - 1, 1)

    def test_normal(self, dtype: np.dtype) -> None:
        t = tg.empty(SHAPE, dtype=dtype)
        assert init.normal_(t, 5, 2) is t
        assert_normal(t.data, 5, 2)
        init.normal_(t)
        assert_normal(t.data, 0, 1)

    @pytest.mark.parametrize("gain", [1.0, 3.0])
    def test_xavier(self, dtype: np.dtype, gain: float) -> None:
        t = tg.empty(SHAPE, dtype=dtype)
        std = gain * math.sqrt(2 / (FAN_IN + FAN_OUT))
        assert init.xavier_uniform_(t, gain) is t
        assert_uniform(t.data, std * math.sqrt(3))
        assert init.xavier_normal_(t, gain) is t
        assert_normal(t.data, 0, std)

    @pytest.mark.parametrize(("mode", "fan"), [("fan_in", FAN_IN), ("fan_out", FAN_OUT)])
    @pytest.mark.parametrize(
        ("nonlinearity", "a", "gain"),
        [
            ("leaky_relu", 0, math.sqrt(2)),
            ("leaky_relu", 2.0, math.sqrt(2 / 5)),
            ("relu", 0, math.sqrt(2)),
            ("tanh", 0, 5 / 3),
        ],
    )
    def test_kaiming(
        self, dtype: np.dtype, mode: str, fan: int, nonlinearity: str, a: float, gain: float
    ) -> None:
        t = tg.empty(SHAPE, dtype=dtype)
        std = gain / math.sqrt(fan)
        assert init.kaiming_uniform_(t, a, mode, nonlinearity) is t
        assert_uniform(t.data, std * math.sqrt(3))
        assert init.kaiming_normal_(t, a, mode, nonlinearity) is t
        assert_normal(t.data, 0, std)


def test_constants() -> None:
    t = nn.Parameter(tg.empty(2, 3))
    assert init.constant_(t, 0.5) is t
    assert (t.data == 0.5).all()
    init.ones_(t)
    assert (t.data == 1).all()
    init.zeros_(t)
    assert (t.data == 0).all()


@pytest.mark.parametrize(
    "fill",
    [
        *(init.uniform_, init.normal_, init.xavier_uniform_, init.xavier_normal_),
        *(init.kaiming_uniform_, init.kaiming_normal_),
        *(init.trunc_normal_, init.orthogonal_),
        lambda t, **kwargs: init.sparse_(t, 0.5, **kwargs),
    ],
)
class TestEach:
    def test_seeds(self, fill) -> None:
        def filled(**kwargs) -> list:
            return fill(tg.empty(3, 4), **kwargs).tolist()

        tg.manual_seed(3)
        first, second = filled(), filled()
        assert first != second
        tg.manual_seed(3)
        assert filled() == first
        assert filled(generator=tg.Generator(3)) == first
        assert filled() == second

    def test_a_parameter_stays_a_leaf(self, fill) -> None:
        p = nn.Parameter(tg.empty(3, 4))
        fill(p)
        assert p.is_leaf
        assert p.requires_grad

    def test_no_elements(self, fill) -> None:
        for shape in ((0, 3), (3, 0), (0, 0)):
            assert fill(tg.empty(shape)).shape == shape


@pytest.mark.parametrize(
    ("nonlinearity", "param", "gain"),
    [
        *((name, None, 1) for name in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid")),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("selu", None, 0.75),
        ("leaky_relu", None, math.sqrt(2 / (1 + 0.0001))),
        ("leaky_relu", 0, math.sqrt(2)),
        ("leaky_relu", 3, math.sqrt(0.2)),
    ],
)
def test_gains(nonlinearity: str, param: float | None, gain: float) -> None:
    assert init.calculate_gain(nonlinearity, param) == pytest.approx(gain, rel=1e-12)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"nonlinearity must be one of .*'relu'.*, got 'gelu'"):
        init.calculate_gain("gelu")
    for fill in (init.xavier_uniform_, init.xavier_normal_, init.kaiming_normal_):
        with pytest.raises(ValueError, match=r"at least 2 dimensions, got \(3,\)"):
            fill(tg.empty(3))
    with pytest.raises(ValueError, match=r"mode must be .*, got 'fan_avg'"):
        init.kaiming_uniform_(tg.empty(2, 2), mode="fan_avg")
    with pytest.raises(RuntimeError):
        init.uniform_(tg.empty(2), 1, 0)
    with pytest.raises(RuntimeError):
        init.normal_(tg.empty(2), 0, -1)


@pytest.mark.parametrize(
    ("make", "fan_in"),
    [
        (lambda: nn.Linear(100, 300), 100),
        (lambda: nn.Conv2d(20, 300, (3, 5)), 300),
        (lambda: nn.Conv2d(20, 300, (3, 5), groups=4), 75),
    ],
)
def test_defaults_of_layers(make, fan_in: int) -> None:
    layer = make()
    for values in (layer.weight.data, layer.bias.data):
        assert_uniform(values, 1 / math.sqrt(fan_in))
        assert values.dtype == np.float32
    before = layer.weight.tolist(), layer.bias.tolist()
    layer.reset_parameters()
    assert layer.weight.tolist() != before[0]
    assert layer.bias.tolist() != before[1]
    assert layer.weight.is_leaf


def normal_cdf(z):
    return (1 + np.vectorize(math.erf)(np.asarray(z) / math.sqrt(2))) / 2


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"), [(0, 1, -2, 2), (1, 0.5, 0, 1.2), (0, 0.02, -2, 2), (0, 1, 4, 9), (3, 1, -5, 1)]
)
def test_trunc_normal(mean: float, std: float, a: float, b: float) -> None:
    t = tg.empty(20_000, dtype=tg.float64)
    assert init.trunc_normal_(t, mean, std, a, b) is t
    assert t.min() >= a
    assert t.max() <= b
    low, high = normal_cdf([(a - mean) / std, (b - mean) / std])
    share = (normal_cdf((t.data - mean) / std) - low) / (high - low)
    assert_uniform(2 * share - 1, 1)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3), (40, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    t = tg.empty(shape)
    assert init.orthogonal_(t, gain=2.0) is t
    matrix = t.data.reshape(shape[0], -1)
    rows, columns = matrix.shape
    product = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_sparse() -> None:
    t = init.sparse_(tg.empty(50, 400), 0.3, std=2.0)
    assert ((t.data == 0).sum(axis=0) == 15).all()
    assert len(np.unique((t.data == 0).argmax(axis=0))) > 5
    assert_normal(t.data[t.data != 0], 0, 2)


def test_identities() -> None:
    np.testing.assert_array_equal(init.eye_(tg.empty(2, 3)).data, np.eye(2, 3))
    for kind, size in ((nn.Conv1d, (5,)), (nn.Conv2d, (5, 4)), (nn.Conv3d, (3, 4, 5))):
        layer = kind(4, 6, 3, padding=1, groups=2, bias=False)
        init.dirac_(layer.weight, groups=2)
        x = tg.randn(2, 4, *size)
        out = layer(x)
        np.testing.assert_array_equal(out[:, [0, 1, 3, 4]].data, x.data)
        assert not out[:, [2, 5]].any()


@pytest.mark.parametrize(
    ("fill", "shape", "options", "message"),
    [
        (init.trunc_normal_, (2,), {"a": 1, "b": 1}, "expected a < b and std > 0, got a=1, b=1"),
        (init.orthogonal_, (2,), {}, r"expected at least 2 dimensions, got \(2,\)"),
        (init.sparse_, (2,), {"sparsity": 0.1}, r"expected 2 dimensions, got \(2,\)"),
        (init.eye_, (2, 2, 2), {}, r"expected 2 dimensions, got \(2, 2, 2\)"),
        (init.dirac_, (2, 2), {}, r"expected 3, 4 or 5 dimensions, got \(2, 2\)"),
        (init.dirac_, (3, 2, 1), {"groups": 2}, "3 output channels do not divide by groups=2"),
    ],
)
def test_what_cannot_be_filled(fill, shape, options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fill(tg.empty(shape), **options)


def test_gains_as_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
