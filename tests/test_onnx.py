"""Models written as ONNX files compute the same in ONNX Runtime."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from as_torch import load
from models.test_models import SMALL
from nn.test_layers import IMAGES, LAYERS, SERIES, VOLUMES

import tinygrad_cnn as tg
from tinygrad_cnn import models, nn
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.testing import Draw
from tinygrad_cnn.testing.draw import bind

onnx = pytest.importorskip("onnx")
reference = pytest.importorskip("onnx.reference")
runtime = pytest.importorskip("onnxruntime")

NEWEST = 22


class Lambda(nn.Module):
    """A module of a function."""

    def __init__(self, function) -> None:
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
    if first.ndim == 0 and len(arguments) > len(arrays):
        return True  # a dimension of a number
    if "window" in arguments:  # one that sees nothing but padding
        window = arguments["window"]
        return any(2 * p >= k > 1 for p, k in zip(window.padding, window.kernel, strict=True))
    return arguments.get("mode") == "cubic" and first.ndim != 4


@pytest.mark.parametrize("name", TRANSLATED)
@pytest.mark.filterwarnings("ignore")
def test_operation(name: str, tmp_path) -> None:
    """At arguments from the operation's own sampler."""
    op = registry[name]
    for seed in range(5):
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

        # indices of several arrays, and the like, say that they cannot be written
        with contextlib.suppress(NotImplementedError):
            check(Lambda(call), tmp_path / "f.onnx", *arrays, dynamic_batch=False)


# -- networks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_zoo(name: str, tmp_path) -> None:
    channels, side, narrower = SMALL[name]
    source = Path(inspect.getfile(getattr(models, name)))
    tg.manual_seed(0)
    network = load(source, "tinygrad_cnn", "tinygrad_cnn.models", narrower)
    model = getattr(network, name)(num_classes=5)
    for seed, (path, buffer) in enumerate(model.named_buffers()):
        if "running" in path:
            buffer.data[...] = np.abs(draw(*buffer.shape, seed=seed)) + 0.5
    check(model, tmp_path / "f.onnx", draw(2, channels, side, side))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, image):
        x = F.relu(self.norm(self.conv(image)), inplace=True)
        return self.head(F.dropout(x.mean((2, 3)), training=self.training))


def test_file(tmp_path) -> None:
    path = tmp_path / "f.onnx"
    model = Net()
    model.norm.eval()
    check(model, path, draw(1, 1, 5, 5))
    file = onnx.load(path)
    assert (file.producer_name, file.producer_version) == ("tinygrad_cnn", tg.__version__)
    assert (file.opset_import[0].version, file.ir_version) == (18, 8)
    (given,), (out,) = file.graph.input, file.graph.output
    assert (given.name, out.name) == ("image", "output")
    sizes = [dim.dim_param or dim.dim_value for dim in given.type.tensor_type.shape.dim]
    assert sizes == ["batch", 1, 5, 5]
    assert [dim.dim_param or dim.dim_value for dim in out.type.tensor_type.shape.dim] == ["batch", 2]
    names = {each.name for each in file.graph.initializer}
    state = set(model.state_dict()) - {"norm.num_batches_tracked"}
    assert names == state | {"constant"}  # the axes of the mean
    assert [node.name for node in file.graph.node] == [
        *("conv.Conv", "norm.BatchNormalization", "Relu", "ReduceMean", "head.Gemm")
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["f.onnx"]


def test_the_model_stays_as_it_was(tmp_path) -> None:
    model = Net().train()
    model.norm.eval()
    x = tg.tensor(draw(2, 1, 5, 5), requires_grad=True)
    state = {key: value.data.copy() for key, value in model.state_dict().items()}
    tg.onnx.export(model, x, tmp_path / "f.onnx")
    assert model.training
    assert not model.norm.training
    assert x.grad is None
    np.testing.assert_array_equal(x.data, draw(2, 1, 5, 5))
    for key, value in model.state_dict().items():
        np.testing.assert_array_equal(value.data, state[key])
    assert "_forward" not in vars(type(tg.relu))


def test_a_shared_parameter_is_written_once(tmp_path) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    check(model, tmp_path / "f.onnx", draw(2, 3))
    names = [each.name for each in onnx.load(tmp_path / "f.onnx").graph.initializer]
    assert names == ["0.weight", "0.bias", "1.bias"]


def test_names(tmp_path) -> None:
    path = tmp_path / "f.onnx"
    model = Lambda(lambda a, b: {"sum": a + b, "again": (a + b).reshape(a.shape), "a": a})
    inputs = (tg.tensor(draw(2, 3)), tg.tensor(draw(2, 3)))
    tg.onnx.export(model, inputs, path)
    graph = onnx.load(path).graph
    assert [each.name for each in graph.input] == ["inputs_0", "inputs_1"]
    assert [each.name for each in graph.output] == ["sum", "again", "a"]
    a, b = draw(4, 3), draw(4, 3, seed=1)
    for out, expected in zip(run(path, a, b), (a + b, a + b, a), strict=True):
        np.testing.assert_array_equal(out, expected)
    tg.onnx.export(model, inputs, path, input_names=["x", "y"], output_names=["p", "q", "r"])
    graph = onnx.load(path).graph
    assert [each.name for each in [*graph.input, *graph.output]] == ["x", "y", "p", "q", "r"]
    with pytest.raises(ValueError, match=r"\['a'\] name an input and an output"):
        tg.onnx.export(model, inputs, path, input_names=["a", "b"])
    with pytest.raises(ValueError, match="input_names must be 2 different names"):
        tg.onnx.export(model, inputs, path, input_names=["x", "x"])
    with pytest.raises(ValueError, match="output_names must be 3"):
        tg.onnx.export(model, inputs, path, output_names=["x"])


def test_nested_outputs(tmp_path) -> None:
    model = Lambda(lambda x: (x + 1, [x + 2, {"three": x + 3}], "no tensor"))
    tg.onnx.export(model, tg.tensor(draw(2, 3)), tmp_path / "f.onnx")
    names = [each.name for each in onnx.load(tmp_path / "f.onnx").graph.output]
    assert names == ["output_0", "output_1_0", "output_1_1_three"]


def test_an_input_with_another_first_size_keeps_it(tmp_path) -> None:
    model = Lambda(lambda x, weight: x @ weight)
    weight = draw(3, 5)
    tg.onnx.export(model, (tg.tensor(draw(2, 3)), tg.tensor(weight)), tmp_path / "f.onnx")
    same(model, tmp_path / "f.onnx", draw(7, 3), weight)


def test_double(tmp_path) -> None:
    path = tmp_path / "f.onnx"
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double(), draw(2, 3)
    check(model, path, x.astype(np.float64))
    model, x = nn.Conv2d(2, 3, 3).double(), draw(2, 2, 5, 5).astype(np.float64)
    tg.onnx.export(model, tg.tensor(x), path)  # ONNX Runtime's convolutions are float32 only
    (out,) = reference.ReferenceEvaluator(str(path)).run(None, {"input": x})
    np.testing.assert_allclose(out, model(tg.tensor(x)).data, rtol=1e-12)


def test_what_is_computed_from_parameters_alone_is_a_constant(tmp_path) -> None:
    model = nn.utils.weight_norm(nn.Linear(3, 2))
    check(model, tmp_path / "f.onnx", draw(2, 3))
    assert counts(tmp_path / "f.onnx") == {"Gemm": 1}


def test_a_parameter_expanded_to_the_batch(tmp_path) -> None:
    model = nn.Linear(3, 3)
    token = Lambda(lambda x: tg.cat([model.weight.expand(x.size(0), -1, -1), x], 1))
    token.model = model
    check(token, tmp_path / "f.onnx", draw(2, 4, 3))


def test_in_place(tmp_path) -> None:
    def function(x):
        y = x * 2
        y += 1
        z = y * 3
        y.relu_().mul_(z)
        return y, z

    check(Lambda(function), tmp_path / "f.onnx", draw(2, 3))


def test_what_nothing_depends_on_is_left_out(tmp_path) -> None:
    def function(x):
        assert not tg.signbit(x.abs()).any()  # which has no translation
        return x + 1

    check(Lambda(function), tmp_path / "f.onnx", draw(2, 3))
    assert counts(tmp_path / "f.onnx") == {"Add": 1}


def test_other_threads_are_not_traced(tmp_path) -> None:
    def function(x):
        thread = threading.Thread(target=lambda: x.sin())
        thread.start()
        thread.join()
        return x + 1

    check(Lambda(function), tmp_path / "f.onnx", draw(2, 3))


def test_a_users_operation(tmp_path) -> None:
    @tg.op(name="test_onnx_cube")
    def cube(x, scale: float = 1.0):
        return scale * x**3

    @cube.gradient("x")
    def _(g, x, scale):
        return g * 3 * scale * x**2

    try:
        model = nn.Sequential(nn.Flatten(), Lambda(lambda x: cube(x, 2.0)))
        message = r"test_onnx_cube in 1: has no ONNX translation; declare one by @test_onnx_cube\.onnx"
        with pytest.raises(NotImplementedError, match=message):
            tg.onnx.export(model, tg.tensor(draw(2, 3)), tmp_path / "f.onnx")
        assert not list(tmp_path.iterdir())

        @cube.onnx
        def _(onnx, x, scale):
            return onnx.node("Mul", onnx.node("Pow", x, 3), scale)

        check(model, tmp_path / "f.onnx", draw(2, 3))

        @cube.onnx
        def _(onnx, x, factor):
            return onnx.node("Mul", onnx.node("Pow", x, 3), factor)

        with pytest.raises(RuntimeError, match=r"cube in 1: its translation asks for \['factor'\]"):
            tg.onnx.export(model, tg.tensor(draw(2, 3)), tmp_path / "f.onnx")
    finally:
        del registry["test_onnx_cube"]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x + tg.tensor(np.sin(x.data)), "add: what it is given depends on"),
        (lambda x: x + x.abs().max().item(), "add: what it is given depends on"),
        (lambda x: F.rrelu(x - 2, training=True), "prelu: what it is given depends on"),
        (lambda x: x * x.size(0), "mul: 2 depends on the batch size; dynamic_batch=False"),
        (lambda x: x.var(0), "var: 2 depends on the batch size"),
        (lambda x: x[: x.size(0) // 2], "getitem: what it is given depends on"),
        (lambda x: x.flip(0).permute(*range(x.size(0) + 1)), "but not on .*permute"),
        (lambda x: sum(x[i] for i in range(x.size(0))), "runs other operations on .*dynamic_batch"),
        (lambda x: x.sin() if x.data[0, 0, 0] == 1 else x.cos(), "sin: is cos in another run"),
        (lambda x: _other(x)[0] + 1 if x.size(0) == 2 else _other(x)[1] + 1, "add: what it is given"),
        (lambda x: _other(x)[x.size(0) == 2], "runs other operations"),
        (lambda x: tg.tensor(x.data + 1), "output was not made by operations"),
        (lambda x: F.max_pool1d(x, 2, return_indices=True)[1], "output was not made by operations"),
        (lambda x: registry["max_pool1d"](x, _window(x))[1], "an output .* leaves out"),
        (lambda x: x[x > 0], "an index of booleans has no translation|what it is given depends"),
        (lambda x: _set(x * 2), "index_put: has no ONNX translation"),
        (lambda x: None, "returns no Tensor"),
    ],
)
def test_what_cannot_be_written(function, message: str, tmp_path) -> None:
    x = tg.tensor(np.ones((2, 3, 4), np.float32))
    with pytest.raises((RuntimeError, TypeError), match=message):
        tg.onnx.export(Lambda(function), x, tmp_path / "f.onnx")
    assert not list(tmp_path.iterdir())


def _other(x):
    return x.sin(), x.sin()


def _set(x):
    x[0] = 1
    return x


def _window(x):
    from tinygrad_cnn.kernels.pool import Window

    return Window((2,), (2,), (0,), (1,), False)


def test_an_example_of_zeros_is_changed_too(tmp_path) -> None:
    model, x = Lambda(lambda x: tg.where(tg.tensor(x.data > 0), x, 0)), tg.zeros(2, 3)
    with pytest.raises(RuntimeError, match="where: what it is given"):
        tg.onnx.export(model, x, tmp_path / "f.onnx", dynamic_batch=False)


def test_a_fixed_batch(tmp_path) -> None:
    model = Lambda(lambda x: sum(x[i] * x.size(0) for i in range(x.size(0))))
    check(model, tmp_path / "f.onnx", draw(3, 2), dynamic_batch=False)


def test_wrong_arguments(tmp_path, monkeypatch) -> None:
    path, x = tmp_path / "f.onnx", tg.zeros(1, 3)
    with pytest.raises(TypeError, match="model must be a Module, got function"):
        tg.onnx.export(lambda x: x, x, path)
    with pytest.raises(TypeError, match="args must be a Tensor or a tuple"):
        tg.onnx.export(nn.ReLU(), (np.zeros(3),), path)
    with pytest.raises(ValueError, match=r"opset_version must be 18 to .*, got 17"):
        tg.onnx.export(nn.ReLU(), x, path, opset_version=17)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="pip install 'tinygrad_cnn\\[onnx\\]'"):
        tg.onnx.export(nn.ReLU(), x, path)
