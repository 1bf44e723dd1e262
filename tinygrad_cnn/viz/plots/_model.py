"""Running a model to look at it, without leaving a trace in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_cnn.core.modes import enable_grad
from tinygrad_cnn.core.tensor import Tensor, as_array
from tinygrad_cnn.nn.conv import Conv2d
from tinygrad_cnn.nn.module import Module


def check_model(name: str, model: Any) -> None:
    """Refuse what is no module."""
    if not isinstance(model, Module):
        raise TypeError(f"{name}: model must be a Module, got {type(model).__name__}")


def one_image(name: str, x: Any) -> np.ndarray:
    """Return one image as an array (1, C, H, W).

    Raises
    ------
    TypeError
        If it is not of floating numbers.
    ValueError
        If it has another shape.
    """
    image = as_array(x)
    if image.dtype.kind != "f":
        raise TypeError(f"{name}: x must be of a floating dtype, got {image.dtype}")
    if image.ndim == 3:
        image = image[None]
    if image.ndim != 4 or len(image) != 1 or image.size == 0:
        raise ValueError(
            f"{name}: x must be one image, (C, H, W) or (1, C, H, W), got {as_array(x).shape}"
        )
    return image


def find_layer(name: str, model: Module, layer: Any) -> tuple[str, Module]:
    """Return the path, for showing, and the module that `layer` names, or is.

    Raises
    ------
    ValueError
        If the model has none such.
    """
    for path, module in model.named_modules():
        if layer is module or layer == path:
            return path or "model", module
    got = repr(layer) if isinstance(layer, str) else type(layer).__name__
    known = ", ".join(path for path, _ in model.named_modules() if path)
    raise ValueError(f"{name}: layer must be a module of the model or its path ({known}), got {got}")


def convolutions(name: str, model: Module) -> dict[Module, str]:
    """Return the two-dimensional convolutions of a model, and their paths, for showing.

    Raises
    ------
    ValueError
        If there are none.
    """
    found: dict[Module, str] = {
        module: path or "model"
        for path, module in model.named_modules()
        if isinstance(module, Conv2d)
    }
    if not found:
        raise ValueError(f"{name}: the model has no Conv2d; say which layer to look at")
    return found


def run(model: Module, x: Tensor, layers: Mapping[Module, str]) -> tuple[Any, list[tuple[str, Any]]]:
    """Return the model's output in evaluation mode, recorded, and those of the layers in order."""
    outputs: list[tuple[str, Any]] = []

    def note(module: Module, args: Any, output: Any) -> Any:
        outputs.append((layers[module], output))
        # what comes next may work in place
        return output.clone() if isinstance(output, Tensor) else None

    handles = [module.register_forward_hook(note) for module in layers]
    try:
        with _evaluating(model), enable_grad():
            return model(x.clone()), outputs
    finally:
        for handle in handles:
            handle.remove()


def last_map(
    name: str, model: Module, x: Tensor, layer: str | Module | None
) -> tuple[Any, str, Tensor]:
    """Return the model's output, and the path and output of a layer: the last convolution run.

    Raises
    ------
    ValueError
        If the layer does not give feature maps (N, C, H, W), or did not run.
    """
    if layer is None:
        layers = convolutions(name, model)
    else:
        path, module = find_layer(name, model, layer)
        layers = {module: path}
    out, outputs = run(model, x, layers)
    if not outputs:
        raise ValueError(f"{name}: layer {', '.join(layers.values())} did not run in model(x)")
    path, activation = outputs[-1]
    return out, path, maps_of(name, path, activation)


def maps_of(name: str, path: str, output: Any) -> Tensor:
    """Return the output of the layer at `path`.

    Raises
    ------
    ValueError
        If it is no feature maps.
    """
    if not isinstance(output, Tensor) or output.ndim != 4:
        got = getattr(output, "shape", type(output).__name__)
        raise ValueError(f"{name}: layer {path!r} must give maps (N, C, H, W), got {got}")
    return output


@contextmanager
def _evaluating(model: Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
