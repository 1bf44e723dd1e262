"""Models written as ONNX files compute the same in ONNX Runtime."""

from __future__ import annotations

import inspect
import os
import threading
from typing import Any

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.core.op import Op, registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw
from tinygrad_cnn.testing.draw import bind
from tests.nn.test_layers import IMAGES, LAYERS, SERIES, VOLUMES

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

NEWEST = 22


class Lambda(nn.Module):
    """A module of a function."""

    def __init__(self, function, names=("input",)) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


class Unpooled(nn.Module):
    """Pooling and back."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.pool = getattr(nn, f"MaxPool{dims}d")(2)
        self.back = getattr(nn, f"MaxUnpool{dims}d")(2)

    def forward(self, input, indices):
        return self.back(self.pool(input), indices)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def run(path: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    """Return what ONNX Runtime computes."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def same(model: nn.Module, path: Any, *inputs: np.ndarray) -> None:
    """Compare what the model and its file compute."""
    model.eval()
    with tg.no_grad():
        returned = model(*map(tg.tensor, inputs))
    expected = [returned] if isinstance(returned, Tensor) else list(returned)
    for out, other in zip(run(path, *inputs), expected, strict=True):
        assert out.dtype == other.dtype
        scale = np.abs(other.data).max(initial=0)
        np.testing.assert_allclose(out, other.data, rtol=1e-4, atol=1e-5 * max(scale, 0.1))


def check(model: nn.Module, path: Any, *inputs: np.ndarray, **options: Any) -> None:
    """Export, and compare at the example's batch size and, unless it is fixed, at another one."""
    tg.onnx.export(model, tuple(map(tg.tensor, inputs)), path, **options)
    same(model, path, *inputs)
    if options.get("dynamic_batch", True):
        same(model, path, *(np.concatenate([x, x * x.dtype.type(2), x]) for x in inputs))


def initialised(model: nn.Module) -> nn.Module:
    """Give each parameter and buffer, also those that start as 0 or 1, values of its own."""
    for seed, tensor in enumerate(model.state_dict().values()):
        if tensor.ndim:
            tensor.data[...] = np.abs(draw(*tensor.shape, seed=seed))
    return model


def counts(path: Any) -> dict[str, int]:
    """Return how many nodes of each type a file has."""
    types = [node.op_type for node in onnx.load(path).graph.node]
    return {kind: types.count(kind) for kind in types}


# -- every layer -------------------------------------------------------------------------------

# the cases of test_layers.py: a name, arguments, keyword arguments, and the input's shape
CASES = [case[:4] for case in LAYERS]
CASES += [
    ("Hardsigmoid", (), {}, (3, 4)),
    ("CosineSimilarity", (), {}, [(3, 4), (3, 4)]),
    ("PairwiseDistance", (), {}, [(3, 4), (3, 4)]),
    ("Bilinear", (3, 4, 2), {}, [(2, 5, 3), (2, 5, 4)]),
    ("Unflatten", (1, (2, -1)), {}, (3, 4)),
    ("ChannelShuffle", (2,), {}, IMAGES),
    ("PixelShuffle", (2,), {}, IMAGES),
    ("PixelUnshuffle", (2,), {}, (2, 3, 4, 6)),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, IMAGES),
    ("UpsamplingBilinear2d", ((5, 9),), {}, IMAGES),
    ("Upsample", (11,), {}, SERIES),
    ("Upsample", (None, 2.5), {}, IMAGES),
    ("Upsample", (None, 1.7), {"mode": "nearest-exact"}, IMAGES),
    ("Upsample", (10,), {"mode": "linear"}, SERIES),
    ("Upsample", ((9, 5),), {"mode": "bilinear"}, IMAGES),
    ("Upsample", (None, 1.6), {"mode": "bilinear"}, IMAGES),
    ("Upsample", (None, 2), {"mode": "bicubic"}, IMAGES),
    ("Upsample", (None, 2), {"mode": "bicubic", "align_corners": True}, IMAGES),
    ("Upsample", (None, 2), {"mode": "trilinear"}, VOLUMES),
    *((f"{kind}Pad{dims}d", (1,), {}, shape)
      for kind in ("Reflection", "Replication", "Zero", "Circular")
      for dims, shape in enumerate((SERIES, IMAGES, VOLUMES), 1)),
    *((f"ConstantPad{dims}d", ((2, 1) * dims, 3.5), {}, shape)
      for dims, shape in enumerate((SERIES, IMAGES, VOLUMES), 1)),
    ("ZeroPad2d", ((1, -2, -1, 3),), {}, IMAGES),
]  # fmt: skip
UNBATCHED = {(6,), (4, 9), (4, 2, 3, 2), SERIES[1:], IMAGES[1:], VOLUMES[1:]}
TOGETHER = {"Embedding", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}  # see the tests below
OTHERS = {f"tinygrad_cnn.nn.{name}" for name in ("loss", "container", "module")}


@pytest.mark.parametrize("opset", [18, NEWEST])
@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_layer(name: str, args, kwargs, shape, opset: int, tmp_path) -> None:
    layer = initialised(getattr(nn, name)(*args, **kwargs))
    shapes = shape if isinstance(shape, list) else [shape]
    inputs = [draw(*each, seed=20 + i) for i, each in enumerate(shapes)]
    fixed = not isinstance(shape, list) and shape in UNBATCHED
    check(layer, tmp_path / "f.onnx", *inputs, opset_version=opset, dynamic_batch=not fixed)


def test_every_layer_is_among_them() -> None:
    layers = {
        name
        for name, value in vars(nn).items()
        if isinstance(value, type) and issubclass(value, nn.Module)
        and value.__module__ not in OTHERS
    }  # fmt: skip
    assert layers - {case[0] for case in CASES} - TOGETHER == set()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling(dims: int, tmp_path) -> None:
    x = draw(2, 3, *(4,) * dims)
    _, indices = getattr(F, f"max_pool{dims}d")(tg.tensor(x), 2, return_indices=True)
    tg.onnx.export(Unpooled(dims), (tg.tensor(x), indices), tmp_path / "f.onnx")
    same(Unpooled(dims), tmp_path / "f.onnx", x, indices.data)


def test_embedding(tmp_path) -> None:
    model = nn.Sequential(nn.Embedding(7, 3, padding_idx=1), nn.Linear(3, 2))
    numbers = np.array([[0, 1, 6], [2, 2, 5]])
    tg.onnx.export(model, tg.tensor(numbers), tmp_path / "f.onnx")
    for batch in (numbers, numbers[:1]):
        same(model, tmp_path / "f.onnx", batch)


# -- functions ---------------------------------------------------------------------------------

FUNCTIONS = [
    lambda x: x[:, 1:, ::2, None, -1],
    lambda x: x[..., [3, 0, 0]],
    lambda x: x[:, [[2, 0], [1, 1]]],
    lambda x: x.flip(1, -1).permute(0, 3, 1, 2).transpose(-1, 1).contiguous(),
    lambda x: tg.cat([x, x * 2], dim=-1).chunk(3, 1)[1],
    lambda x: tg.stack([x, -x], dim=-1),
    lambda x: x.view(x.size(0), -1),
    lambda x: x.reshape(x.size(0) * 4, -1).sum(1),
    lambda x: x.view(x.size(0), 2, 2, *x.shape[2:]).transpose(1, 2).reshape(x.shape),
    lambda x: x.mean((2, 3), keepdim=True).expand(-1, -1, 2, 5),
    lambda x: x[:, :1].expand(x.size(0), 3, *x.shape[2:]),
    lambda x: x.max(1).values + x.amin(1) + x.min(1)[0],
    lambda x: (x.argmax(1), x.argmin(-1, keepdim=True), x.max(2)[1], x.flatten(1).argmax(1)),
    lambda x: (x.sum(1), x.prod(-1), (x > 0).sum(1), x.logsumexp((1, 2))),
    lambda x: (x.var(1), x.std((2, 3), unbiased=False, keepdim=True), x.norm(dim=1)),
    lambda x: (x.norm(1, dim=1), x.norm(3, dim=1), x.norm(float("inf"), dim=1)),
    lambda x: tg.where((x > 0) & ~(x >= 1) | (x != x), x, 0.5),
    lambda x: (x <= 0.25, x == x, x < 0, (x > 0).logical_not(), x.isnan(), x.isinf()),
    lambda x: ((x > 0).logical_and(x > 1), (x > 0).logical_or(x < -1)),
    lambda x: x.abs().sqrt() + x.exp() + x.sign() + x.square() + (x.abs() + 1).rsqrt(),
    lambda x: x.abs().log1p() + x.expm1() + (x.abs() + 1).log() + (x.abs() + 1).reciprocal(),
    lambda x: x.sin() + x.cos() + tg.tan(x / 9) + tg.atan(x) + tg.sinh(x) + tg.cosh(x),
    lambda x: tg.asin(x / 9) + tg.acos(x / 9) + tg.atanh(x / 9) + tg.asinh(x),
    lambda x: tg.acosh(x.abs() + 1) + tg.erf(x) + tg.erfc(x),
    lambda x: 2 / (x.abs() + 1) - x**3 + 2**x - 1,
    lambda x: tg.maximum(x, -x) + tg.minimum(x, tg.tensor(0.5)) + x.clamp(min=-1) + x.clamp(0, 1),
    lambda x: (x * 10).to(tg.int64) * 2,
    lambda x: (x.float() @ x.float().mT, x @ tg.ones(6, 2), x @ tg.ones(6)),
    lambda x: tg.gather(x, 1, (x > 0).to(tg.int64)[:, :2]),
    lambda x: F.softmax(x, 1) + F.log_softmax(x, -1) + F.softmin(x, 2),
    lambda x: F.layer_norm(x, x.shape[1:]) + F.group_norm(x, 2) + F.instance_norm(x),
    lambda x: F.normalize(x) + F.gelu(x, approximate="tanh") + F.tanhshrink(x),
    lambda x: F.adaptive_avg_pool2d(x, (7, 4)) + F.adaptive_max_pool2d(x, (7, 4)),
    lambda x: F.pixel_shuffle(x[:, None], 2),
    lambda x: F.scaled_dot_product_attention(x, x, x),
    lambda x: F.unfold(x, (2, 3), dilation=2, padding=1, stride=2),
    lambda x: F.linear(x, tg.ones(2, 6), tg.ones(2)),
    lambda x: ((x > 0).all(1), (x > 1).any((2, 3), keepdim=True), x.any(dim=1)),
]


@pytest.mark.parametrize("i", range(len(FUNCTIONS)))
@pytest.mark.filterwarnings("ignore")
def test_function(i: int, tmp_path) -> None:
    check(Lambda(FUNCTIONS[i]), tmp_path / "f.onnx", draw(2, 4, 7, 6))


# -- operations --------------------------------------------------------------------------------

TRANSLATED = [name for name, op in registry.items() if op.translation is not None]


@pytest.mark.parametrize("name", TRANSLATED)
def test_parameters_of_translations(name: str) -> None:
    op = registry[name]
    if isinstance(op.translation, str):
        assert onnx.defs.get_schema(op.translation, 18)
        assert not op.option_names
    else:
        first, *names = inspect.signature(op.translation).parameters
        assert first == "onnx"
        assert {*op.parameters, "out"}.issuperset(names)


def beyond(arguments: dict[str, Any], arrays: list[np.ndarray]) -> bool:
    """Return whether ONNX, or its runtime, has no such thing."""
    first = arrays[0]
    window = arguments.get("window")
    return (
        (first.ndim == 0 and len(arguments) > len(arrays))  # a dimension of a number
        or (arguments.get("mode") == "cubic" and first.ndim != 4)
        # a window of nothing but padding
        or (window is not None and any(2 * p >= k > 1 for p, k in zip(window.padding, window.kernel)))
    )  # fmt: skip


@pytest.mark.parametrize("name", TRANSLATED)
@pytest.mark.filterwarnings("ignore")
def test_operation(name: str, tmp_path) -> None:
    """At arguments from the operation's own sampler."""
    op = registry[name]
    for seed in range(6):
        arguments = bind(op, op.sampler(Draw.from_seed(seed))).arguments
        values = [arguments[op.parameters[i]] for i in op.inputs]
        values = list(values[0]) if op.variadic else values
        arrays = [
            value.astype(np.float32) if value.dtype == np.float64 else value
            for value in values
            if isinstance(value, np.ndarray)
        ]
        if beyond(arguments, arrays):
            continue

        def call(*tensors, op=op, arguments=arguments):
            left = iter(tensors)

            def given(value):
                return next(left) if isinstance(value, np.ndarray) else value

            for i in op.inputs:
                name = op.parameters[i]
                value = arguments[name]
                new = [given(v) for v in value] if op.variadic else given(value)
                arguments = {**arguments, name: new}
            outs = op(**arguments)
            return outs[: len(op.outputs)] if isinstance(outs, tuple) else outs

        try:
            check(Lambda(call), tmp_path / "f.onnx", *arrays, dynamic_batch=False)
        except NotImplementedError as error:
            assert "index" in str(error) or "keepdim" in str(error) or "nonzero" in str(error)
