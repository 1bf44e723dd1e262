"""Each layer: parameters, defaults, repr, errors, and that forward is the function of its name."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F

SERIES, IMAGES, VOLUMES = (2, 4, 7), (2, 4, 7, 6), (2, 4, 3, 4, 5)


def draw(shape, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


# name, arguments, keyword arguments, shape of the input, repr
LAYERS = [
    ("Linear", (6, 3), {}, (2, 5, 6), "Linear(in_features=6, out_features=3, bias=True)"),
    ("Linear", (6, 3, False), {}, (6,), "Linear(in_features=6, out_features=3, bias=False)"),
    ("Identity", (54,), {"unused": True}, (3,), "Identity()"),
    ("Conv2d", (4, 6, 3), {}, IMAGES, "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))"),
    ("Conv2d", (4, 6, 3), {}, IMAGES[1:], "Conv2d(4, 6, kernel_size=(3, 3), stride=(1, 1))"),
    (
        "Conv2d", (4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2, False), {}, IMAGES,
        "Conv2d(4, 6, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), "
        "groups=2, bias=False)",
    ),
    (
        "Conv2d", (4, 4, 3), {"groups": 4, "stride": 2}, IMAGES,
        "Conv2d(4, 4, kernel_size=(3, 3), stride=(2, 2), groups=4)",
    ),
    (
        "Conv2d", (4, 2, (2, 3)), {"padding": "same", "dilation": (1, 2)}, IMAGES,
        "Conv2d(4, 2, kernel_size=(2, 3), stride=(1, 1), padding=same, dilation=(1, 2))",
    ),
    (
        "Conv2d", (4, 2, 3), {"padding": "valid", "stride": 2}, IMAGES,
        "Conv2d(4, 2, kernel_size=(3, 3), stride=(2, 2), padding=valid)",
    ),
    *(
        (
            "Conv2d", (4, 2, 3), {"padding": (1, 2), "padding_mode": mode, "stride": (1, 2)}, IMAGES,
            "Conv2d(4, 2, kernel_size=(3, 3), stride=(1, 2), padding=(1, 2), "
            f"padding_mode={mode})",
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    *(
        (
            "Conv2d", (4, 2, (2, 3)), {"padding": padding, "padding_mode": mode}, IMAGES,
            "Conv2d(4, 2, kernel_size=(2, 3), stride=(1, 1), "
            f"padding={padding}, padding_mode={mode})",
        )
        for mode in ("reflect", "replicate", "circular")
        for padding in ("same", "valid")
    ),
    (
        "Conv1d", (4, 6, 3), {"stride": 2, "padding": 1, "groups": 2}, (2, 4, 9),
        "Conv1d(4, 6, kernel_size=(3,), stride=(2,), padding=(1,), groups=2)",
    ),
    (
        "Conv1d", (4, 2, 2), {"padding": "same", "padding_mode": "replicate"}, (4, 9),
        "Conv1d(4, 2, kernel_size=(2,), stride=(1,), padding=same, padding_mode=replicate)",
    ),
    (
        "Conv3d", (2, 3, (1, 2, 3)), {"padding": (0, 1, 2), "padding_mode": "circular"}, (1, 2, 3, 4, 5),
        "Conv3d(2, 3, kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=(0, 1, 2), "
        "padding_mode=circular)",
    ),
    (
        "ConvTranspose1d", (4, 6, 3), {"bias": False}, (2, 4, 9),
        "ConvTranspose1d(4, 6, kernel_size=(3,), stride=(1,), bias=False)",
    ),
    (
        "ConvTranspose2d", (4, 6, (3, 2), (2, 1), 1, (1, 0), 2, True, (1, 2)), {}, IMAGES,
        "ConvTranspose2d(4, 6, kernel_size=(3, 2), stride=(2, 1), padding=(1, 1), "
        "dilation=(1, 2), output_padding=(1, 0), groups=2)",
    ),
    (
        "ConvTranspose3d", (4, 2, 2), {"stride": 2}, (4, 2, 3, 2),
        "ConvTranspose3d(4, 2, kernel_size=(2, 2, 2), stride=(2, 2, 2))",
    ),
    (
        "Unfold", ((2, 3),), {"padding": 1}, IMAGES,
        "Unfold(kernel_size=(2, 3), dilation=1, padding=1, stride=1)",
    ),
    (
        "Fold", (4, 2), {"stride": 2}, (3, 8, 4),
        "Fold(output_size=4, kernel_size=2, dilation=1, padding=0, stride=2)",
    ),
    ("ReLU", (), {}, (3, 4), "ReLU()"),
    ("ReLU", (), {"inplace": True}, (3, 4), "ReLU(inplace=True)"),
    ("LeakyReLU", (), {}, (3, 4), "LeakyReLU(negative_slope=0.01)"),
    ("LeakyReLU", (0.2, True), {}, (3, 4), "LeakyReLU(negative_slope=0.2, inplace=True)"),
    ("Sigmoid", (), {}, (3, 4), "Sigmoid()"),
    ("Tanh", (), {}, (3, 4), "Tanh()"),
    ("Softmax", (1,), {}, (3, 4), "Softmax(dim=1)"),
    ("LogSoftmax", (), {"dim": 0}, (3, 4), "LogSoftmax(dim=0)"),
    ("ReLU6", (), {}, (3, 4), "ReLU6()"),
    ("ReLU6", (True,), {}, (3, 4), "ReLU6(inplace=True)"),
    ("Hardtanh", (-0.5, 0.25, True), {}, (3, 4), "Hardtanh(min_val=-0.5, max_val=0.25, inplace=True)"),
    ("Hardtanh", (), {}, (3, 4), "Hardtanh(min_val=-1.0, max_val=1.0)"),
    ("ELU", (), {}, (3, 4), "ELU(alpha=1.0)"),
    ("ELU", (0.5, True), {}, (3, 4), "ELU(alpha=0.5, inplace=True)"),
    ("CELU", (0.5,), {}, (3, 4), "CELU(alpha=0.5)"),
    ("SELU", (), {}, (3, 4), "SELU()"),
    ("SELU", (True,), {}, (3, 4), "SELU(inplace=True)"),
    ("GELU", (), {}, (3, 4), "GELU(approximate='none')"),
    ("GELU", ("tanh",), {}, (3, 4), "GELU(approximate='tanh')"),
    ("SiLU", (), {}, (3, 4), "SiLU()"),
    ("SiLU", (), {"inplace": True}, (3, 4), "SiLU(inplace=True)"),
    ("Mish", (True,), {}, (3, 4), "Mish(inplace=True)"),
    ("Hardswish", (True,), {}, (3, 4), "Hardswish()"),
    ("Softplus", (), {}, (3, 4), "Softplus(beta=1.0, threshold=20.0)"),
    ("Softplus", (2.0, 1.0), {}, (3, 4), "Softplus(beta=2.0, threshold=1.0)"),
    ("Softsign", (), {}, (3, 4), "Softsign()"),
    ("Tanhshrink", (), {}, (3, 4), "Tanhshrink()"),
    ("LogSigmoid", (), {}, (3, 4), "LogSigmoid()"),
    ("Threshold", (0.1, 7.0, True), {}, (3, 4), "Threshold(threshold=0.1, value=7.0, inplace=True)"),
    ("Hardshrink", (), {}, (3, 4), "Hardshrink(0.5)"),
    ("Softshrink", (0.25,), {}, (3, 4), "Softshrink(0.25)"),
    ("GLU", (), {}, (3, 4), "GLU(dim=-1)"),
    ("GLU", (1,), {}, IMAGES, "GLU(dim=1)"),
    ("Softmin", (1,), {}, (3, 4), "Softmin(dim=1)"),
    ("PReLU", (), {}, (3, 4), "PReLU(num_parameters=1)"),
    ("PReLU", (4, 0.1), {}, IMAGES, "PReLU(num_parameters=4)"),
    (
        "MaxPool2d", (2,), {}, IMAGES,
        "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ),
    (
        "MaxPool2d", ((3, 2), (2, 1), (1, 0), (1, 2), False, True), {}, IMAGES,
        "MaxPool2d(kernel_size=(3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), "
        "ceil_mode=True)",
    ),
    ("AvgPool2d", (2,), {}, IMAGES, "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
    (
        "AvgPool2d", ((3, 2), 2, 1, True, False), {}, IMAGES,
        "AvgPool2d(kernel_size=(3, 2), stride=2, padding=1)",
    ),
    (
        "AvgPool2d", (2,), {"divisor_override": 3}, IMAGES,
        "AvgPool2d(kernel_size=2, stride=2, padding=0)",
    ),
    (
        "MaxPool1d", (3, 1, 1, 2, False, True), {}, SERIES,
        "MaxPool1d(kernel_size=3, stride=1, padding=1, dilation=2, ceil_mode=True)",
    ),
    (
        "MaxPool3d", (2,), {}, VOLUMES,
        "MaxPool3d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
    ),
    (
        "AvgPool1d", (2, 1, 1, True, False), {}, SERIES,
        "AvgPool1d(kernel_size=(2,), stride=(1,), padding=(1,))",
    ),
    (
        "AvgPool3d", ((1, 2, 2), 2, 0, True), {"divisor_override": 3}, VOLUMES,
        "AvgPool3d(kernel_size=(1, 2, 2), stride=2, padding=0)",
    ),
    (
        "LPPool1d", (2, 3, 2, True), {}, SERIES,
        "LPPool1d(norm_type=2, kernel_size=3, stride=2, ceil_mode=True)",
    ),
    (
        "LPPool2d", (2, (2, 3)), {}, IMAGES,
        "LPPool2d(norm_type=2, kernel_size=(2, 3), stride=None, ceil_mode=False)",
    ),
    (
        "LPPool3d", (2.0, 2), {}, VOLUMES,
        "LPPool3d(norm_type=2.0, kernel_size=2, stride=None, ceil_mode=False)",
    ),
    ("AdaptiveAvgPool1d", (2,), {}, SERIES, "AdaptiveAvgPool1d(output_size=2)"),
    ("AdaptiveAvgPool3d", ((None, 2, 3),), {}, VOLUMES, "AdaptiveAvgPool3d(output_size=(None, 2, 3))"),
    ("AdaptiveMaxPool1d", (3,), {}, SERIES, "AdaptiveMaxPool1d(output_size=3)"),
    ("AdaptiveMaxPool2d", ((3, None),), {}, IMAGES, "AdaptiveMaxPool2d(output_size=(3, None))"),
    ("AdaptiveMaxPool3d", (2,), {}, VOLUMES, "AdaptiveMaxPool3d(output_size=2)"),
    ("AdaptiveAvgPool2d", ((3, None),), {}, IMAGES, "AdaptiveAvgPool2d(output_size=(3, None))"),
    ("AdaptiveAvgPool2d", (2,), {}, IMAGES, "AdaptiveAvgPool2d(output_size=2)"),
    ("Flatten", (), {}, IMAGES, "Flatten(start_dim=1, end_dim=-1)"),
    ("Flatten", (0, 2), {}, IMAGES, "Flatten(start_dim=0, end_dim=2)"),
    ("Dropout", (), {"p": 0.0}, (3, 4), "Dropout(p=0.0, inplace=False)"),
    (
        "BatchNorm2d", (4,), {}, IMAGES,
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
    ),
    (
        "BatchNorm2d", (4, 1e-3, None, False), {}, IMAGES,
        "BatchNorm2d(4, eps=0.001, momentum=None, affine=False, track_running_stats=True)",
    ),
    (
        "BatchNorm1d", (4,), {"track_running_stats": False}, (5, 4),
        "BatchNorm1d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=False)",
    ),
    (
        "BatchNorm1d", (4,), {"momentum": 0.5}, (5, 4, 3),
        "BatchNorm1d(4, eps=1e-05, momentum=0.5, affine=True, track_running_stats=True)",
    ),
    (
        "BatchNorm3d", (4,), {}, VOLUMES,
        "BatchNorm3d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
    ),
    (
        "BatchNorm2d", (4,), {"bias": False}, IMAGES,
        "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
    ),
    *(
        (
            f"InstanceNorm{len(shape) - 2}d", (4, 1e-3, 0.2, affine, tracked), {}, shape[unbatched:],
            f"InstanceNorm{len(shape) - 2}d(4, eps=0.001, momentum=0.2, affine={affine}, "
            f"track_running_stats={tracked})",
        )
        for shape in (SERIES, IMAGES, VOLUMES)
        for affine, tracked, unbatched in ((False, False, 0), (True, True, 0), (True, True, 1))
    ),
    ("LayerNorm", (6,), {}, IMAGES, "LayerNorm((6,), eps=1e-05, elementwise_affine=True)"),
    (
        "LayerNorm", ([7, 6], 1e-3), {"bias": False}, IMAGES,
        "LayerNorm((7, 6), eps=0.001, elementwise_affine=True)",
    ),
    ("LayerNorm", (7, 1e-5, False), {}, SERIES, "LayerNorm((7,), eps=1e-05, elementwise_affine=False)"),
    ("RMSNorm", ((7, 6),), {}, IMAGES, "RMSNorm((7, 6), eps=None, elementwise_affine=True)"),
    ("RMSNorm", (7, 0.1, False), {}, SERIES, "RMSNorm((7,), eps=0.1, elementwise_affine=False)"),
    ("GroupNorm", (2, 4), {}, IMAGES, "GroupNorm(2, 4, eps=1e-05, affine=True)"),
    ("GroupNorm", (4, 4, 1e-3, False), {}, SERIES, "GroupNorm(4, 4, eps=0.001, affine=False)"),
    ("GroupNorm", (1, 4), {"bias": False}, (5, 4), "GroupNorm(1, 4, eps=1e-05, affine=True)"),
    (
        "LocalResponseNorm", (3, 0.5, 0.75, 2.0), {}, IMAGES,
        "LocalResponseNorm(3, alpha=0.5, beta=0.75, k=2.0)",
    ),
    *(
        (f"{kind}", (0.0,), {}, IMAGES, f"{kind}(p=0.0, inplace=False)")
        for kind in ("Dropout2d", "AlphaDropout", "FeatureAlphaDropout")
    ),
    ("Dropout1d", (0.0, True), {}, SERIES, "Dropout1d(p=0.0, inplace=True)"),
    ("Dropout3d", (1.0,), {}, VOLUMES, "Dropout3d(p=1.0, inplace=False)"),
    ("Softmax2d", (), {}, IMAGES, "Softmax2d()"),
    ("Softmax2d", (), {}, IMAGES[1:], "Softmax2d()"),
    ("RReLU", (0.25, 0.25), {}, (3, 4), "RReLU(lower=0.25, upper=0.25)"),
    ("RReLU", (0.5, 0.5, True), {}, (3, 4), "RReLU(lower=0.5, upper=0.5, inplace=True)"),
]
IDS = [f"{i}-{layer[4].partition('(')[0]}" for i, layer in enumerate(LAYERS)]
each_layer = pytest.mark.parametrize(("name", "args", "kwargs", "shape", "text"), LAYERS, ids=IDS)


@each_layer
class TestEach:
    def test_repr(self, name, args, kwargs, shape, text) -> None:
        assert repr(getattr(nn, name)(*args, **kwargs)) == text

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
    @pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
    def test_as_pytorch(self, name, args, kwargs, shape, text, dtype, train) -> None:
        torch = pytest.importorskip("torch")
        mine = getattr(nn, name)(*args, **kwargs).to(dtype).train(train)
        other = getattr(torch.nn, name)(*args, **kwargs).to(getattr(torch, dtype)).train(train)
        shown = re.sub(r"(affine=\w+), bias=\w+", r"\1", repr(other))  # since PyTorch 2.12
        assert shown == text
        state = {
            key: np.abs(draw(value.shape, seed)).astype(dtype) if value.ndim else value.data
            for seed, (key, value) in enumerate(mine.state_dict().items())
        }
        mine.load_state_dict(state)
        other.load_state_dict({key: torch.tensor(value) for key, value in state.items()})
        tol = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-10, "atol": 1e-12}
        for step in range(2):
            x = draw(shape, 10 + step).astype(dtype)
            a = tg.tensor(x, requires_grad=True)
            b = torch.tensor(x, requires_grad=True)
            out, expected = mine(a), other(b * 1)  # PyTorch's inplace=True takes no leaf
            assert out.dtype == dtype
            np.testing.assert_allclose(out.data, expected.detach().numpy(), **tol)
            g = draw(out.shape, 20 + step).astype(dtype)
            out.backward(tg.tensor(g))
            expected.backward(torch.tensor(g))
            np.testing.assert_allclose(a.grad.data, b.grad.numpy(), **tol)
        theirs = dict(other.named_parameters())
        assert [key for key, _ in mine.named_parameters()] == list(theirs)
        for key, parameter in mine.named_parameters():
            np.testing.assert_allclose(parameter.grad.data, theirs[key].grad.numpy(), **tol)
        assert list(mine.state_dict()) == list(other.state_dict())
        for key, value in other.state_dict().items():
            np.testing.assert_allclose(mine.state_dict()[key].data, value.numpy(), **tol)


def same(a: tg.Tensor, b: tg.Tensor) -> None:
    np.testing.assert_array_equal(a.data, b.data)


class TestConv2d:
    @pytest.mark.parametrize(
        ("args", "kwargs", "shape"),
        [
            ((3, 8, 5), {}, (8, 3, 5, 5)),
            ((6, 4, (2, 3)), {"groups": 2}, (4, 3, 2, 3)),
            ((6, 12, [1, 2]), {"groups": 6}, (12, 1, 1, 2)),
        ],
    )
    def test_parameters(self, args, kwargs, shape) -> None:
        conv = nn.Conv2d(*args, **kwargs)
        assert [n for n, _ in conv.named_parameters()] == ["weight", "bias"]
        assert conv.weight.shape == shape
        assert conv.bias.shape == shape[:1]
        assert conv.weight.dtype == tg.float32
        assert nn.Conv2d(*args, **kwargs, bias=False).bias is None
        assert nn.Conv2d(*args, **kwargs, dtype=tg.float64).bias.dtype == tg.float64

    def test_is_the_function(self) -> None:
        x = tg.tensor(draw(IMAGES), dtype=tg.float32)
        conv = nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), (1, 2), 2)
        same(conv(x), F.conv2d(x, conv.weight, conv.bias, (2, 1), (1, 2), (1, 2), 2))

    @pytest.mark.parametrize(
        ("mode", "numpy_mode"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
    )
    def test_padding_modes(self, mode: str, numpy_mode: str) -> None:
        x = draw(IMAGES).astype(np.float32)
        conv = nn.Conv2d(4, 3, (2, 3), padding=(1, 2), padding_mode=mode)
        padded = tg.tensor(np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)], numpy_mode))
        same(conv(tg.tensor(x)), F.conv2d(padded, conv.weight, conv.bias))

    def test_same_pads_an_even_kernel_more_at_the_end(self) -> None:
        x = draw(IMAGES).astype(np.float32)
        conv = nn.Conv2d(4, 3, (2, 4), padding="same", padding_mode="replicate")
        padded = tg.tensor(np.pad(x, [(0, 0), (0, 0), (0, 1), (1, 2)], "edge"))
        same(conv(tg.tensor(x)), F.conv2d(padded, conv.weight, conv.bias))

    def test_valid_pads_nothing_in_any_mode(self) -> None:
        conv = nn.Conv2d(4, 3, 3, padding="valid", padding_mode="circular")
        assert conv(tg.zeros(IMAGES)).shape == (2, 3, 5, 4)

    @pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
    @pytest.mark.parametrize("kernel", [1, 2, (3, 4)])
    @pytest.mark.parametrize("dilation", [1, (2, 1)])
    def test_same_keeps_the_size(self, mode: str, kernel, dilation) -> None:
        conv = nn.Conv2d(4, 3, kernel, padding="same", dilation=dilation, padding_mode=mode)
        assert conv(tg.zeros(IMAGES)).shape == (2, 3, 7, 6)

    @pytest.mark.parametrize(
        ("kwargs", "message"),
        [
            ({"groups": 0}, "groups must be positive, got 0"),
            ({"groups": 3}, "in_channels 4 is not divisible by groups 3"),
            ({"groups": 4}, "out_channels 6 is not divisible by groups 4"),
            ({"padding_mode": "mirror"}, "padding_mode must be .*, got 'mirror'"),
            ({"padding": "full"}, "padding must be .*, got 'full'"),
            ({"padding": "same", "stride": 2}, 'padding="same" needs stride 1, got 2'),
        ],
    )
    def test_errors(self, kwargs, message: str) -> None:
        with pytest.raises(ValueError, match=f"Conv2d: {message}"):
            nn.Conv2d(4, 6, 3, **kwargs)

    def test_wrong_input(self) -> None:
        with pytest.raises(RuntimeError, match="3 channels"):
            nn.Conv2d(4, 6, 3)(tg.zeros(1, 3, 5, 5))


class TestLinear:
    def test_parameters(self) -> None:
        layer = nn.Linear(5, 3)
        assert layer.weight.shape == (3, 5)
        assert layer.bias.shape == (3,)
        assert nn.Linear(5, 3, bias=False).bias is None
        assert nn.Linear(5, 3, dtype=tg.float16).weight.dtype == tg.float16

    def test_default_dtype(self) -> None:
        tg.set_default_dtype(tg.float64)
        try:
            assert nn.Linear(2, 2).weight.dtype == tg.float64
        finally:
            tg.set_default_dtype(tg.float32)

    def test_is_the_function(self) -> None:
        layer, x = nn.Linear(5, 3), tg.tensor(draw((2, 5)), dtype=tg.float32)
        same(layer(x), F.linear(x, layer.weight, layer.bias))

    def test_without_inputs_or_outputs(self) -> None:
        assert nn.Linear(0, 3)(tg.zeros(2, 0)).tolist() == [nn.Linear(0, 3).bias.tolist()] * 2
        assert nn.Linear(3, 0)(tg.zeros(2, 3)).shape == (2, 0)

    def test_wrong_input(self) -> None:
        with pytest.raises(RuntimeError, match="linear"):
            nn.Linear(5, 3)(tg.zeros(2, 4))

    @pytest.mark.parametrize(
        "make", [lambda **k: nn.Linear(1, 1, **k), lambda **k: nn.Conv2d(1, 1, 1, **k)]
    )
    def test_factory_arguments(self, make) -> None:
        assert make(device="cpu").weight.dtype == tg.float32
        with pytest.raises(RuntimeError, match="cuda"):
            make(device="cuda")
        with pytest.raises(RuntimeError, match="float"):
            make(dtype=tg.int64)


class TestSimple:
    @pytest.mark.parametrize(
        ("layer", "function"),
        [
            (nn.ReLU(), F.relu),
            (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3)),
            (nn.Sigmoid(), F.sigmoid),
            (nn.Hardsigmoid(), F.hardsigmoid),
            (nn.Tanh(), F.tanh),
            (nn.Softmax(1), lambda x: F.softmax(x, 1)),
            (nn.LogSoftmax(-1), lambda x: F.log_softmax(x, -1)),
            (nn.MaxPool2d(2, 1), lambda x: F.max_pool2d(x, 2, 1)),
            (
                nn.MaxPool2d(3, 2, 1, 2, ceil_mode=True),
                lambda x: F.max_pool2d(x, 3, 2, 1, 2, ceil_mode=True),
            ),
            (nn.AvgPool2d(3, 2, 1), lambda x: F.avg_pool2d(x, 3, 2, 1)),
            (
                nn.AvgPool2d(2, 2, 1, True, False, 3),
                lambda x: F.avg_pool2d(x, 2, 2, 1, True, False, 3),
            ),
            (nn.AvgPool2d(2, 2, 1, True, False), lambda x: F.avg_pool2d(x, 2, 2, 1, True, False)),
            (nn.AdaptiveAvgPool2d(3), lambda x: F.adaptive_avg_pool2d(x, 3)),
            (nn.Flatten(1, 2), lambda x: x.flatten(1, 2)),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
    )
    def test_is_the_function(self, layer, function) -> None:
        x = tg.tensor(draw(IMAGES), dtype=tg.float32)
        same(layer(x), function(x))
        assert not list(layer.parameters())

    def test_nothing_is_done_in_place(self) -> None:
        x = tg.tensor([-1.0, 2.0])
        nn.ReLU(inplace=True)(x)
        nn.LeakyReLU(inplace=True)(x)
        nn.Dropout(inplace=True)(x)
        assert x.tolist() == [-1, 2]

    @pytest.mark.parametrize("shape", [SERIES, IMAGES, VOLUMES])
    @pytest.mark.parametrize("layer", ["MaxPool", "AdaptiveMaxPool"])
    def test_pooling_with_indices(self, layer, shape) -> None:
        x = tg.tensor(draw(shape), dtype=tg.float32)
        make = getattr(nn, f"{layer}{len(shape) - 2}d")
        out, indices = make(2, return_indices=True)(x)
        same(out, make(2)(x))
        same(out, x.flatten(2).gather(2, indices.flatten(2)).reshape(out.shape))

    @pytest.mark.parametrize("shape", [SERIES, IMAGES, VOLUMES])
    def test_unpooling(self, shape) -> None:
        torch = pytest.importorskip("torch")
        x = draw(shape)
        dims = len(shape) - 2
        options = (3, 2, 1)
        results = []
        for lib in (tg, torch):
            pool = getattr(lib.nn, f"MaxPool{dims}d")(*options, return_indices=True)
            unpool = getattr(lib.nn, f"MaxUnpool{dims}d")(*options)
            out, indices = pool(lib.tensor(x))
            results.append((repr(unpool), unpool(out, indices, shape).numpy()))
        (mine, values), (theirs, expected) = results
        assert mine == theirs
        np.testing.assert_array_equal(values, expected)

    def test_identity_returns_its_input(self) -> None:
        x = tg.ones(1)
        assert nn.Identity()(x) is x


class TestDropout:
    def test_in_training_only(self) -> None:
        layer, x = nn.Dropout(0.25), tg.ones(10_000)
        out = layer(x).data
        assert set(out.tolist()) == {0, np.float32(1 / 0.75)}
        assert abs((out == 0).mean() - 0.25) < 0.02
        assert layer.eval()(x) is x

    def test_seed(self) -> None:
        layer, x = nn.Dropout(), tg.ones(50)
        tg.manual_seed(1)
        first = layer(x)
        assert (layer(x) != first).any()
        tg.manual_seed(1)
        same(layer(x), first)

    @pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
    def test_errors(self, p: float) -> None:
        with pytest.raises(ValueError, match="Dropout: p must be a probability"):
            nn.Dropout(p)


class TestBatchNorm:
    def test_starts(self) -> None:
        bn = nn.BatchNorm2d(3)
        assert {name: value.tolist() for name, value in bn.state_dict().items()} == {
            "weight": [1, 1, 1],
            "bias": [0, 0, 0],
            "running_mean": [0, 0, 0],
            "running_var": [1, 1, 1],
            "num_batches_tracked": 0,
        }
        assert bn.num_batches_tracked.dtype == tg.int64
        assert nn.BatchNorm1d(3, dtype=tg.float64).running_var.dtype == tg.float64
        bare = nn.BatchNorm2d(3, affine=False, track_running_stats=False)
        assert not bare.state_dict()
        assert bare.weight is bare.bias is bare.running_mean is bare.num_batches_tracked is None

    def test_running_statistics(self) -> None:
        bn = nn.BatchNorm2d(4, momentum=0.3)
        x = draw(IMAGES).astype(np.float32) * 3 + 2
        out = bn(tg.tensor(x)).data
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        unbiased = x.var((0, 2, 3), ddof=1)
        expected = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(bn.running_mean.data, 0.3 * mean, rtol=1e-5)
        np.testing.assert_allclose(bn.running_var.data, 0.7 + 0.3 * unbiased, rtol=1e-5)
        assert bn.num_batches_tracked.item() == 1
        before = bn.state_dict()["running_mean"].tolist()
        bn.eval()(tg.tensor(x))
        assert bn.running_mean.tolist() == before
        bn.reset_running_stats()
        assert bn.running_mean.tolist() == [0] * 4
        assert bn.running_var.tolist() == [1] * 4
        assert bn.num_batches_tracked.item() == 0

    def test_momentum_none_is_the_mean_of_all_batches(self) -> None:
        bn = nn.BatchNorm1d(2, momentum=None)
        batches = [draw((5, 2), seed).astype(np.float32) for seed in range(4)]
        for batch in batches:
            bn(tg.tensor(batch))
        means = np.mean([batch.mean(0) for batch in batches], 0)
        variances = np.mean([batch.var(0, ddof=1) for batch in batches], 0)
        np.testing.assert_allclose(bn.running_mean.data, means, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(bn.running_var.data, variances, rtol=1e-5)
        assert bn.num_batches_tracked.item() == 4

    def test_evaluates_by_the_running_statistics(self) -> None:
        bn = nn.BatchNorm1d(1, eps=0.0).eval()
        state = {"running_mean": tg.tensor([3.0]), "running_var": tg.tensor([4.0])}
        bn.load_state_dict(state, strict=False)
        assert bn(tg.tensor([[7.0]])).item() == 2

    def test_loads_states_that_count_no_batches(self) -> None:
        """PyTorch's weights from before 2018."""
        bn = nn.BatchNorm2d(2)
        state = dict(nn.BatchNorm2d(2).state_dict(), weight=tg.tensor([3.0, 4.0]))
        del state["num_batches_tracked"]
        bn(tg.ones(2, 2, 1, 1))
        assert str(bn.load_state_dict(state)) == "<All keys matched successfully>"
        assert bn.weight.tolist() == [3, 4]
        assert bn.num_batches_tracked.item() == 1
        del state["running_mean"]
        with pytest.raises(RuntimeError, match=r"missing: running_mean$"):
            bn.load_state_dict(state)
        current = nn.BatchNorm2d(2).state_dict()
        del current["num_batches_tracked"]
        with pytest.raises(RuntimeError, match=r"missing: num_batches_tracked$"):
            bn.load_state_dict(current)

    def test_without_running_statistics_evaluates_by_the_batch(self) -> None:
        bn = nn.BatchNorm1d(1, track_running_stats=False)
        x = tg.tensor([[1.0], [3.0]])
        same(bn(x), bn.eval()(x))

    def test_tracking_switched_off_later(self) -> None:
        bn, x = nn.BatchNorm1d(1), tg.tensor([[1.0], [3.0]])
        bn.track_running_stats = False
        out = bn(x)
        assert out.mean().item() == pytest.approx(0, abs=1e-6)
        same(bn.eval()(x), x / (1 + 1e-5) ** 0.5)
        assert bn.running_mean.item() == 0
        assert bn.num_batches_tracked.item() == 0

    @pytest.mark.parametrize(
        ("layer", "shape", "expected"),
        [
            (nn.BatchNorm2d(3), (2, 3), "4 dimensions"),
            (nn.BatchNorm2d(3), (2, 3, 4), "4 dimensions"),
            (nn.BatchNorm1d(3), (3,), "2 or 3 dimensions"),
            (nn.BatchNorm1d(3), (2, 3, 4, 4), "2 or 3 dimensions"),
            (nn.BatchNorm1d(3), (1, 3), "more than 1 value per channel"),
        ],
    )
    def test_wrong_dimensions(self, layer, shape, expected: str) -> None:
        with pytest.raises(ValueError, match=expected):
            layer(tg.zeros(shape))

    def test_wrong_channels(self) -> None:
        with pytest.raises(RuntimeError, match="batch_norm"):
            nn.BatchNorm2d(3)(tg.zeros(2, 4, 5, 5))


class TestParameter:
    def test_is_a_leaf_that_shares_its_data(self) -> None:
        t = tg.ones(2)
        p = nn.Parameter(t)
        assert isinstance(p, tg.Tensor)
        assert np.shares_memory(p.data, t.data)
        assert p.is_leaf
        assert p.requires_grad
        assert not nn.Parameter(t, requires_grad=False).requires_grad
        assert type(p * 2) is tg.Tensor
        assert nn.Parameter([1.0, 2.0]).dtype == tg.float32

    def test_of_a_computed_tensor(self) -> None:
        x = tg.ones(2, requires_grad=True)
        p = nn.Parameter(x * 2)
        assert p.is_leaf
        (p * 3).sum().backward()
        assert x.grad is None
        assert p.grad.tolist() == [3, 3]

    def test_integers_cannot_learn(self) -> None:
        with pytest.raises(RuntimeError, match="floating"):
            nn.Parameter(tg.tensor([1, 2]))
        assert not nn.Parameter(tg.tensor([1, 2]), requires_grad=False).requires_grad

    def test_repr(self) -> None:
        text = "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
        assert repr(nn.Parameter(tg.ones(2))) == text
        frozen = nn.Parameter(tg.ones(1), requires_grad=False)
        assert repr(frozen) == "Parameter containing:\ntensor([1.])"


def test_data_of_a_parameter_has_the_methods_of_tensors() -> None:
    """As programs written for PyTorch initialise their layers."""
    layer = nn.Linear(3, 2)
    layer.weight.data.normal_(5, 0.1)
    layer.bias.data.zero_().add_(tg.tensor([1.0, 2.0]))
    assert 4 < layer.weight.mean() < 6
    assert layer.bias.tolist() == [1, 2]
    layer.bias.data -= 0.5
    layer.bias.data[1:] = 7
    assert layer.bias.tolist() == [0.5, 7]
    layer.weight.data = tg.ones(2, 3)
    assert layer.weight.data.sum() == 6
    out = layer(tg.ones(1, 3))
    for tensor in (out, layer.weight.detach(), layer.weight * 1, layer.bias[:1]):
        assert type(tensor.data) is np.ndarray
    with pytest.raises(AttributeError, match="no_such"):
        _ = layer.weight.data.no_such


def test_bilinear() -> None:
    layer = nn.Bilinear(3, 2, 4)
    x, y = tg.randn(5, 3), tg.randn(5, 2)
    expected = np.einsum("oij,ni,nj->no", layer.weight.data, x.data, y.data) + layer.bias.data
    np.testing.assert_allclose(layer(x, y).data, expected, rtol=1e-5, atol=1e-6)
    assert repr(layer) == "Bilinear(in1_features=3, in2_features=2, out_features=4, bias=True)"
    for parameter in layer.parameters():
        assert np.abs(parameter.data).max() <= 1 / np.sqrt(3)
    assert nn.Bilinear(3, 2, 4, bias=False).bias is None
