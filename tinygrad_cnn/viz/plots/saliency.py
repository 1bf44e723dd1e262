"""`saliency`: which pixels speak for a class."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tinygrad_cnn.core.engine import grad
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.nn.module import Module
from tinygrad_cnn.ops.interpolate import interpolate

from ._figure import Picture, largest, png
from ._model import check_model, last_map, one_image, run

_METHODS = ("gradient", "smoothgrad", "grad_cam")


class Saliency(NamedTuple):
    """What `saliency` found.

    Attributes
    ----------
    map : numpy.ndarray
        (H, W), not negative: how much each pixel counts.
    target : int
        The class.
    figure : matplotlib.figure.Figure
    """

    map: np.ndarray
    target: int
    figure: Figure

    def _repr_png_(self) -> bytes:
        return png(self.figure)


def saliency(
    model: Module,
    x: Any,
    target: int | None = None,
    method: Literal["gradient", "smoothgrad", "grad_cam"] = "gradient",
    layer: str | Module | None = None,
    *,
    samples: int = 50,
    noise: float = 0.15,
    seed: int = 0,
    ax: Axes | None = None,
    figsize: tuple[float, float] | None = None,
) -> Saliency:
    """Compute which pixels of an image count for the score of a class, and draw it over the image.

    The model runs in evaluation mode; its modes, gradients and buffers are left as they were.

    Parameters
    ----------
    model : Module
        Returns scores (1, K), before softmax.
    x : Tensor or array
        One image, (C, H, W) or (1, C, H, W).
    target : int, optional
        The class; by default the one with the highest score.
    method : str
        ``"gradient"``: the magnitude of the score's gradient in each pixel, the largest among
        its channels [1]_. ``"smoothgrad"``: that of the mean of the gradients in noisy copies of
        the image [2]_. ``"grad_cam"``: the maps of a layer, each weighted with the mean of its
        gradient, summed; what is positive of that, resized to the image [3]_.
    layer : str or Module, optional
        For Grad-CAM: path, such as ``"features.0"``, or module, of a layer that gives maps; by
        default the last convolution. (The paper takes maps after their ReLU.)
    samples : int
        For SmoothGrad: the number of copies.
    noise : float
        For SmoothGrad: the standard deviation of the noise, as a part of the range of `x`.
    seed : int
        For SmoothGrad: of the noise.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.
    figsize : tuple of float, optional
        Width and height in inches of a new figure.

    Returns
    -------
    Saliency

    Raises
    ------
    TypeError
        If `model` is no Module, or `x` is not of a floating dtype.
    ValueError
        If the shape of `x` or of the model's output does not fit, an option has no meaning, or
        `layer` is none of the model's, or gives no maps.
    IndexError
        If there is no such class.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi and A. Zisserman, "Deep inside convolutional networks:
       visualising image classification models and saliency maps", ICLR workshop 2014.
    .. [2] D. Smilkov, N. Thorat, B. Kim, F. Viégas and M. Wattenberg, "SmoothGrad: removing noise
       by adding noise", arXiv:1706.03825, 2017.
    .. [3] R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh and D. Batra, "Grad-CAM:
       visual explanations from deep networks via gradient-based localization", ICCV 2017.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> image = tg.rand(1, 28, 28)
    >>> found = tg.viz.saliency(tg.models.lenet5(), image, target=3, method="grad_cam")
    >>> found.map.shape, found.figure.axes[0].get_title()
    ((28, 28), 'class 3, Grad-CAM of conv2')
    """
    check_model("saliency", model)
    image = one_image("saliency", x)
    if method not in _METHODS:
        raise ValueError(f"saliency: method must be one of {_METHODS}, got {method!r}")
    if layer is not None and method != "grad_cam":
        raise ValueError(f"saliency: layer is for method 'grad_cam', got method {method!r}")
    if not isinstance(samples, int) or samples < 1 or noise < 0:
        raise ValueError(
            "saliency: samples must be an int from 1 on and noise not negative, "
            f"got {samples!r} and {noise!r}"
        )
    if method == "grad_cam":
        target, found, path = _grad_cam(model, image, target, layer)
        name = f"Grad-CAM of {path}"
    elif method == "gradient":
        target, gradient = _gradient(model, image, target)
        found, name = np.abs(gradient).max(0), "gradient"
    else:
        random = np.random.default_rng(seed)
        deviation = noise * float(image.max() - image.min())
        target, gradient = _gradient(model, image, target)
        total = np.zeros_like(gradient)
        for _ in range(samples):
            noisy = image + deviation * random.standard_normal(image.shape)
            total += _gradient(model, noisy.astype(image.dtype), target)[1]
        found, name = np.abs(total / samples).max(0), "SmoothGrad"
    if ax is None:
        height, width = found.shape
        figsize = figsize or (4, 3.2 * height / width + 0.4)
        ax = Picture(figsize, layout="constrained").add_subplot()
    ax.set_title(f"class {target}, {name}", fontsize=10)
    _draw(ax, image[0], found)
    figure: Any = ax.figure
    return Saliency(found, target, figure)


def _gradient(model: Module, image: np.ndarray, target: int | None) -> tuple[int, np.ndarray]:
    """Return the class and its score's gradient in the image, (C, H, W)."""
    x = Tensor(image, requires_grad=True)
    out, _ = run(model, x, {})
    target, one = _one_hot(out, target)
    gradient: Any = grad(out, x, one)[0]
    return target, gradient.numpy()[0]


def _grad_cam(
    model: Module, image: np.ndarray, target: int | None, layer: str | Module | None
) -> tuple[int, np.ndarray, str]:
    """Return the class, its map (H, W), and the layer's path."""
    out, path, activation = last_map("saliency", model, Tensor(image, requires_grad=True), layer)
    target, one = _one_hot(out, target)
    gradient: Any = grad(out, activation, one)[0]
    with no_grad():
        weights = gradient.mean((2, 3), keepdim=True)
        coarse = (weights * activation).sum(1, keepdim=True).relu()
        fine = interpolate(coarse, size=image.shape[2:], mode="bilinear", align_corners=False)
    return target, fine.numpy()[0, 0], path


def _one_hot(out: Any, target: int | None) -> tuple[int, Tensor]:
    """Return the class, and 1 at its place among the scores."""
    if not isinstance(out, Tensor) or out.ndim != 2 or len(out) != 1:
        got = getattr(out, "shape", type(out).__name__)
        raise ValueError(f"saliency: the model must return scores (1, K), got {got}")
    if target is None:
        target = int(out.argmax(1))
    elif not isinstance(target, (int, np.integer)) or not 0 <= target < out.shape[1]:
        raise IndexError(f"saliency: target must be in 0 to {out.shape[1] - 1}, got {target!r}")
    one = np.zeros(out.shape, out.dtype)
    one[0, target] = 1
    return int(target), Tensor(one)


def _draw(ax: Axes, image: np.ndarray, found: np.ndarray) -> None:
    """Draw the map, clear where it is 0, over the image in light grey."""
    grey = image.mean(0)
    low, high = grey.min(), grey.max()
    ax.imshow(grey, cmap="gray", vmin=low - 3 * ((high - low) or 1), vmax=high)
    most = largest(found)
    clear = np.clip(found / most, 0, 1) ** 0.5
    shown = ax.imshow(found, cmap="YlOrRd", vmin=0, vmax=most, alpha=clear)
    bar = ax.inset_axes((1.03, 0, 0.05, 1))
    ax.figure.colorbar(shown, cax=bar).ax.tick_params(labelsize=8)
    ax.set(xticks=[], yticks=[])
