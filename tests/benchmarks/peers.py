"""The other libraries: what each makes of a case, where it can be expressed in it at all.

A network is that of `cases`, made by this package and walked through layer by layer: so a peer
states no network again, but the eight functions that these are made of. Each computes what the
PyTorch of `cases` does, but for the running statistics of batch norm, which peers leave out.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

import tinygrad_cnn

from . import cases

Model = Callable[[ModuleType], Any]
Run = Callable[[], Any]

RATE, MOMENTUM, EPS = 0.01, 0.9, 1e-5


def load(name: str) -> Any:
    """Return a peer; None where it is not installed, or does not run here, and why is printed."""
    try:
        return PEERS[name]()
    except Exception as error:  # whatever it is that keeps it from running
        print(f"without {name}: {type(error).__name__}: {' '.join(str(error).split())[:100]}")
        return None


def build(peer: Any, case: cases.Case) -> Run:
    """Return what a peer has to run for a case.

    Where it cannot express one, this or its first run raises NotImplementedError.
    """
    maker = getattr(peer, case.build.__name__, None)
    if maker is None:
        raise NotImplementedError
    return maker(*case.args)


# -- networks, walked through ------------------------------------------------------------------


class Network:
    """A network of `cases`: its parameters as arrays, and its layers as calls of a peer's functions."""

    def __init__(self, model: Model) -> None:
        tinygrad_cnn.manual_seed(0)
        self.module = model(tinygrad_cnn)
        parameters = list(self.module.parameters())
        self.values = [p.detach().numpy().copy() for p in parameters]
        self.places = {id(p): i for i, p in enumerate(parameters)}

    def __call__(self, peer: Any, values: Sequence[Any], x: Any, training: bool) -> Any:
        """Return the scores of images `x`, with these values of the parameters."""

        def get(parameter: Any) -> Any:
            return None if parameter is None else values[self.places[id(parameter)]]

        def go(layer: Any, x: Any) -> Any:
            kind = type(layer).__name__
            if kind == "Sequential":
                for part in layer:
                    x = go(part, x)
                return x
            if kind == "Block":
                out = peer.relu(go(layer.bn1, go(layer.conv1, x)))
                return peer.relu(go(layer.bn2, go(layer.conv2, out)) + go(layer.shortcut, x))
            if kind == "Conv2d":
                stride, padding = layer.stride[0], layer.padding[0]
                return peer.conv(x, get(layer.weight), get(layer.bias), stride, padding, 1)
            if kind == "BatchNorm2d":
                statistics = None
                if not training:
                    statistics = layer.running_mean.numpy(), layer.running_var.numpy()
                return peer.batch_norm(x, get(layer.weight), get(layer.bias), statistics)
            if kind == "MaxPool2d":
                return peer.pool(x, "max", layer.kernel_size, layer.kernel_size, 0)
            if kind == "Linear":
                return x @ peer.transposed(get(layer.weight)) + get(layer.bias)
            if kind == "AdaptiveAvgPool2d":
                return x.mean((2, 3))
            if kind == "Flatten":
                return x.reshape((x.shape[0], -1))
            return peer.relu(x) if kind == "ReLU" else x

        return go(self.module, x)


def images_and_labels(batch: int, image: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return random ones."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((batch, *image), np.float32)
    return images, rng.integers(0, 10, batch)


def convolution_arrays(batch: int, c: int, o: int, size: int, k: int, groups: int) -> Any:
    """Return the input, the weight and the bias of a convolution."""
    rng = np.random.default_rng(0)
    shapes = (batch, c, size, size), (o, c // groups, k, k), (o,)
    return [rng.standard_normal(shape, np.float32) for shape in shapes]


def like(shape: Sequence[int]) -> np.ndarray:
    """Return a random gradient."""
    return np.random.default_rng(1).standard_normal(shape, np.float32)


class Peer:
    """The cases of single operations, from a peer's own."""

    def conv2d(
        self, batch: int, c: int, o: int, size: int, k: int, stride: int = 1, groups: int = 1
    ) -> Run:
        arrays = convolution_arrays(batch, c, o, size, k, groups)
        return self.pulled(lambda x, w, b: self.conv(x, w, b, stride, k // 2, groups), *arrays)

    def pool2d(self, kind: str, batch: int, c: int, size: int, k: int, *options: int) -> Run:
        stride, padding = options or (k, 0)
        x = like((batch, c, size, size))
        return self.pulled(lambda x: self.pool(x, kind, k, stride, padding), x)

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int, groups: int) -> Any:
        raise NotImplementedError

    def pool(self, x: Any, kind: str, k: int, stride: int, padding: int) -> Any:
        raise NotImplementedError

    def pulled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Run:
        """Return what calls `function`, and pulls a gradient back to `arrays`."""
        raise NotImplementedError


# -- PyTorch -----------------------------------------------------------------------------------


class TorchCompile:
    """The networks by ``torch.compile``; the loss and the optimizer are as they are."""

    def __init__(self) -> None:
        self.torch = importlib.import_module("torch")
        self.version = self.torch.__version__
        self.torch.compile(lambda x: x * 2 + 1)(self.torch.ones(4))  # needs a compiler of C++

    def training(self, model: Model, *args: Any) -> Run:
        return cases.training(self.torch, lambda lib: lib.compile(model(lib)), *args)

    def inference(self, model: Model, *args: Any) -> Run:
        return cases.inference(self.torch, lambda lib: lib.compile(model(lib)), *args)


# -- JAX ---------------------------------------------------------------------------------------


class Jax(Peer):
    """A whole step is compiled by ``jax.jit``."""

    def __init__(self) -> None:
        self.jax = importlib.import_module("jax")
        self.np = importlib.import_module("jax.numpy")
        self.version = self.jax.__version__

    def relu(self, x: Any) -> Any:
        return self.np.maximum(x, 0)

    def transposed(self, x: Any) -> Any:
        return x.T

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int, groups: int) -> Any:
        out = self.jax.lax.conv_general_dilated(
            x, w, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NCHW", "OIHW", "NCHW"), feature_group_count=groups,
        )  # fmt: skip
        return out if b is None else out + b[:, None, None]

    def pool(self, x: Any, kind: str, k: int, stride: int, padding: int) -> Any:
        lax = self.jax.lax
        start, function = (-np.inf, lax.max) if kind == "max" else (0.0, lax.add)
        sides = ((0, 0), (0, 0), (padding, padding), (padding, padding))
        out = lax.reduce_window(x, start, function, (1, 1, k, k), (1, 1, stride, stride), sides)
        return out if kind == "max" else out / k**2

    def batch_norm(self, x: Any, w: Any, b: Any, statistics: Any) -> Any:
        mean, var = statistics or (x.mean((0, 2, 3)), x.var((0, 2, 3)))
        scale = w / self.np.sqrt(var + EPS)
        return x * scale[:, None, None] + (b - mean * scale)[:, None, None]

    def training(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        images, labels = map(self.np.asarray, images_and_labels(batch, image))

        def loss(values: Any) -> Any:
            scores = self.jax.nn.log_softmax(network(self, values, images, True))
            return -scores[self.np.arange(batch), labels].mean()

        @self.jax.jit
        def step(values: Any, momenta: Any) -> Any:
            value, gradients = self.jax.value_and_grad(loss)(values)
            momenta = [MOMENTUM * m + g for m, g in zip(momenta, gradients, strict=True)]
            return [v - RATE * m for v, m in zip(values, momenta, strict=True)], momenta, value

        values = list(map(self.np.asarray, network.values))
        state = [values, [v * 0 for v in values]]

        def run() -> Any:
            nonlocal state
            *state, value = self.jax.block_until_ready(step(*state))
            return value

        return run

    def inference(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = list(map(self.np.asarray, network.values))
        images = self.np.asarray(images_and_labels(batch, image)[0])
        forward = self.jax.jit(lambda values, x: network(self, values, x, False))
        return lambda: forward(values, images).block_until_ready()

    def pulled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Run:
        given = list(map(self.np.asarray, arrays))
        g = self.np.asarray(like(self.jax.eval_shape(function, *given).shape))

        @self.jax.jit
        def both(g: Any, *arrays: Any) -> Any:
            out, pull = self.jax.vjp(function, *arrays)
            return out, pull(g)

        return lambda: self.jax.block_until_ready(both(g, *given))


# -- tinygrad ----------------------------------------------------------------------------------


class Tinygrad(Peer):
    """A whole step is compiled by its ``TinyJit``; on a CPU it needs the program clang."""

    def __init__(self) -> None:
        os.environ.setdefault("DEV", "CPU")
        self.lib = importlib.import_module("tinygrad")
        self.version = importlib.metadata.version("tinygrad")
        (self.lib.Tensor.ones(4).contiguous() + 1).realize()

    def relu(self, x: Any) -> Any:
        return x.relu()

    def transposed(self, x: Any) -> Any:
        return x.T

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int, groups: int) -> Any:
        return x.conv2d(w, b, groups=groups, stride=stride, padding=padding)

    def pool(self, x: Any, kind: str, k: int, stride: int, padding: int) -> Any:
        pool = x.max_pool2d if kind == "max" else x.avg_pool2d
        return pool((k, k), stride=stride, padding=padding)

    def batch_norm(self, x: Any, w: Any, b: Any, statistics: Any) -> Any:
        if statistics is None:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        else:
            mean, var = map(self.lib.Tensor, statistics)
        return x.batchnorm(w, b, mean, (var + EPS).rsqrt())

    def training(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = [self._tensor(v) for v in network.values]
        images, labels = map(self._tensor, images_and_labels(batch, image))
        optim = importlib.import_module("tinygrad.nn.optim")
        optimizer = optim.SGD(values, lr=RATE, momentum=MOMENTUM)

        @self.lib.TinyJit
        def step() -> Any:
            loss = network(self, values, images, True).sparse_categorical_crossentropy(labels)
            for value, g in zip(values, loss.gradient(*values), strict=True):
                value.grad = g  # `backward` would make the images' gradient, too
            return loss.realize(*optimizer.schedule_step())

        def run() -> float:
            with self.lib.Context(TRAINING=1):
                return step().item()

        return run

    def inference(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = [self._tensor(v) for v in network.values]
        images = self._tensor(images_and_labels(batch, image)[0])
        forward = self.lib.TinyJit(lambda: network(self, values, images, False).realize())
        return lambda: forward().numpy()

    def _tensor(self, x: np.ndarray) -> Any:
        return self.lib.Tensor(x).realize()

    def pulled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Run:
        variables = [self._tensor(x) for x in arrays]
        g = self._tensor(like(function(*variables).shape))

        @self.lib.TinyJit
        def both() -> Any:
            out = function(*variables)
            return out.realize(*out.gradient(*variables, gradient=g))

        return lambda: both().numpy()


# -- MyGrad and HIPS autograd, on NumPy --------------------------------------------------------


class MyGrad(Peer):
    """On NumPy, like this package."""

    def __init__(self) -> None:
        self.lib = importlib.import_module("mygrad")
        self.nnet = importlib.import_module("mygrad.nnet")
        self.version = self.lib.__version__

    def relu(self, x: Any) -> Any:
        return self.nnet.relu(x)

    def transposed(self, x: Any) -> Any:
        return x.T

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int, groups: int) -> Any:
        if groups > 1 or (x.shape[2] + 2 * padding - w.shape[2]) % stride:
            raise NotImplementedError
        out = self.nnet.conv_nd(x, w, stride=stride, padding=padding)
        return out if b is None else out + b.reshape((1, -1, 1, 1))

    def pool(self, x: Any, kind: str, k: int, stride: int, padding: int) -> Any:
        if kind != "max" or padding:
            raise NotImplementedError
        return self.nnet.max_pool(x, (k, k), stride)

    def batch_norm(self, x: Any, w: Any, b: Any, statistics: Any) -> Any:
        if statistics is None:
            return self.nnet.batchnorm(x, gamma=w, beta=b, eps=EPS)
        mean, var = statistics
        scale = (w.data / np.sqrt(var + EPS))[:, None, None]
        return x * scale + (b.data - mean * scale[:, 0, 0])[:, None, None]

    def training(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = [self.lib.tensor(v) for v in network.values]
        momenta = [np.zeros_like(v) for v in network.values]
        images, labels = images_and_labels(batch, image)

        def step() -> Any:
            loss = self.nnet.softmax_crossentropy(network(self, values, images, True), labels)
            loss.backward()
            for value, momentum in zip(values, momenta, strict=True):
                momentum *= MOMENTUM
                momentum += value.grad
                value.data -= RATE * momentum
                value.null_grad()
            return loss

        return step

    def inference(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = [self.lib.tensor(v) for v in network.values]
        images = images_and_labels(batch, image)[0]

        def run() -> Any:
            with self.lib.no_autodiff:
                return network(self, values, images, False)

        return run

    def pulled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Run:
        variables = [self.lib.tensor(x) for x in arrays]
        g = like(function(*variables).shape)

        def run() -> None:
            function(*variables).backward(g)
            for x in variables:
                x.null_grad()

        return run

    def tiny_operations(self, count: int = 400) -> Run:
        x = self.lib.tensor(np.ones(4, np.float32))

        def run() -> None:
            y = x
            for _ in range(count // 2):
                y = y * 1.001
                y = y + 0.5
            y.sum().backward()

        return run


class Autograd(Peer):
    """On NumPy. It has no convolution: here it is a sum of products of matrices, one for each tap."""

    def __init__(self) -> None:
        self.lib = importlib.import_module("autograd")
        self.np = importlib.import_module("autograd.numpy")
        self.version = importlib.metadata.version("autograd")

    def relu(self, x: Any) -> Any:
        return self.np.maximum(x, 0)

    def transposed(self, x: Any) -> Any:
        return x.T

    def conv(self, x: Any, w: Any, b: Any, stride: int, padding: int, groups: int) -> Any:
        if groups > 1:
            raise NotImplementedError
        (n, c, *_), (*_, kh, kw) = x.shape, w.shape
        sides = (padding, padding)
        x = self.np.pad(x, ((0, 0), (0, 0), sides, sides), "constant")
        oh, ow = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
        out = 0 if b is None else self.np.reshape(b, (-1, 1))
        for i in range(kh):
            for j in range(kw):
                rows = slice(i, i + stride * (oh - 1) + 1, stride)
                tap = x[:, :, rows, j : j + stride * (ow - 1) + 1 : stride]
                out = out + self.np.matmul(w[:, :, i, j], self.np.reshape(tap, (n, c, oh * ow)))
        return self.np.reshape(out, (n, -1, oh, ow))

    def pool(self, x: Any, kind: str, k: int, stride: int, padding: int) -> Any:
        if stride != k or padding:
            raise NotImplementedError
        n, c, h, w = x.shape
        split = self.np.reshape(x[:, :, : h // k * k, : w // k * k], (n, c, h // k, k, w // k, k))
        return (self.np.max if kind == "max" else self.np.mean)(split, (3, 5))

    def batch_norm(self, x: Any, w: Any, b: Any, statistics: Any) -> Any:
        if statistics is None:
            mean = self.np.mean(x, (0, 2, 3), keepdims=True)
            centred = x - mean
            var = self.np.mean(centred * centred, (0, 2, 3), keepdims=True)
        else:
            mean, var = (s[:, None, None] for s in statistics)
            centred = x - mean
        return centred / self.np.sqrt(var + EPS) * w[:, None, None] + b[:, None, None]

    def training(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        values = network.values
        momenta = [np.zeros_like(v) for v in values]
        images, labels = images_and_labels(batch, image)

        def loss(values: Any) -> Any:
            scores = network(self, values, images, True)
            scores = scores - self.np.max(scores, 1, keepdims=True)
            logs = self.np.log(self.np.sum(self.np.exp(scores), 1))
            return self.np.mean(logs - scores[self.np.arange(batch), labels])

        both = self.lib.value_and_grad(loss)

        def step() -> Any:
            found, gradients = both(values)
            for value, momentum, g in zip(values, momenta, gradients, strict=True):
                momentum *= MOMENTUM
                momentum += g
                value -= RATE * momentum
            return found

        return step

    def inference(self, model: Model, batch: int, image: tuple[int, ...]) -> Run:
        network = Network(model)
        images = images_and_labels(batch, image)[0]
        return lambda: network(self, network.values, images, False)

    def pulled(self, function: Callable[..., Any], *arrays: np.ndarray) -> Run:
        g = like(function(*arrays).shape)
        make = self.lib.make_vjp(lambda arrays: function(*arrays))
        pull = lambda: make(list(arrays))
        return lambda: pull()[0](g)

    def tiny_operations(self, count: int = 400) -> Run:
        x = np.ones(4, np.float32)

        def total(x: Any) -> Any:
            y = x
            for _ in range(count // 2):
                y = y * 1.001
                y = y + 0.5
            return self.np.sum(y)

        gradient = self.lib.grad(total)
        return lambda: gradient(x)


PEERS: dict[str, Callable[[], Any]] = {
    "PyTorch compile": TorchCompile,
    "JAX jit": Jax,
    "tinygrad": Tinygrad,
    "MyGrad": MyGrad,
    "HIPS autograd": Autograd,
}
