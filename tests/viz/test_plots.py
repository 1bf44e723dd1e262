"""Pictures of networks: what is drawn is what was computed, and the model is left as it was."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from matplotlib.figure import Figure
from PIL import Image

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import nn, viz


def images_in(ax) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for image in ax.get_images()]


def texts_in(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


@pytest.fixture
def model() -> nn.Module:
    """A model with all that could be changed by looking at it."""
    tg.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Conv2d(4, 2, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(72, 3),
    )


# -- nothing is changed ------------------------------------------------------------------------

LOOKS = {
    "kernels": lambda model, x: viz.kernels(model[0]),
    "feature_maps": lambda model, x: viz.feature_maps(model, x, [model[1], "5"]),
    "gradient": lambda model, x: viz.saliency(model, x),
    "smoothgrad": lambda model, x: viz.saliency(model, x, 1, "smoothgrad", samples=3),
    "grad_cam": lambda model, x: viz.saliency(model, x, method="grad_cam", layer="2"),
    "receptive_field": lambda model, x: viz.receptive_field(model, (1, 8, 8), samples=2),
    "gradient_flow": lambda model, x: viz.gradient_flow(model),
}


def state_of(model: nn.Module, x: tg.Tensor) -> list:
    tensors = [x, *model.parameters(), *model.buffers()]
    return [
        [module.training for module in model.modules()],
        [len(module._forward_hooks) for module in model.modules()],
        [(t.requires_grad, t.numpy(force=True).tobytes(), id(t.grad)) for t in tensors],
        [p.grad.numpy().tobytes() for p in model.parameters()],
        repr(tg.get_rng_state()),
        tg.is_grad_enabled(),
    ]


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
@pytest.mark.parametrize("record", [True, False])
def test_looking_changes_nothing(model, look, record):
    x = tg.rand(1, 8, 8, requires_grad=True)
    model[3].eval()  # modes that differ
    model(x[None]).sum().backward()
    before = state_of(model, x)
    with tg.set_grad_enabled(record):
        before[-1] = record
        look(model, x)
        assert state_of(model, x) == before


def test_the_model_is_left_as_it_was_after_an_error(model):
    with pytest.raises(RuntimeError, match="conv2d: input has 2 channels"):
        viz.feature_maps(model, tg.rand(2, 8, 8))
    assert all(module.training and not module._forward_hooks for module in model.modules())


def test_frozen_models_are_looked_at(model):
    x = tg.rand(1, 8, 8)
    maps = [viz.saliency(model, x, 0, m).map for m in ("gradient", "smoothgrad", "grad_cam")]
    model.requires_grad_(False)
    for method, expected in zip(("gradient", "smoothgrad", "grad_cam"), maps, strict=True):
        np.testing.assert_array_equal(viz.saliency(model, x, 0, method).map, expected)


def test_matplotlib_is_imported_only_for_these_and_pyplot_never():
    program = """
import sys
import tinygrad_cnn as tg
tg.viz.draw
assert "matplotlib" not in sys.modules
tg.viz.kernels(tg.nn.Conv2d(1, 2, 3)), tg.viz.training_curves({"loss": [1, 2]})
tg.viz.convolution([[1, 2]], [[1]]), tg.viz.gradient_flow(tg.nn.Linear(1, 1))
tg.viz.receptive_field(tg.nn.Conv2d(1, 2, 3), (1, 5, 5))
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_without_matplotlib_an_error_says_what_to_install():
    program = """
import sys
import tinygrad_cnn as tg
class Missing:
    def find_spec(name, path=None, target=None):
        if name == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing)
tg.viz.kernels
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.endswith(
        "ImportError: viz.kernels needs matplotlib: pip install 'tinygrad_cnn[plot]'\n"
    )


def test_names():
    assert {"draw", "convolution", "saliency", "training_curves"} <= set(dir(viz))
    with pytest.raises(AttributeError, match="has no attribute 'kernel'"):
        viz.kernel  # noqa: B018


@pytest.mark.parametrize("name", ["feature_maps", "saliency", "receptive_field", "gradient_flow"])
def test_a_model_must_be_a_module(name):
    arguments = () if name == "gradient_flow" else ((1, 8, 8),)
    with pytest.raises(TypeError, match=f"{name}: model must be a Module, got list"):
        getattr(viz, name)([nn.Conv2d(1, 1, 3)], *arguments)


def test_pictures_show_themselves(model):
    for picture in (
        viz.kernels(model[0]),
        viz.saliency(model, tg.rand(1, 8, 8)),
        viz.receptive_field(model, (1, 8, 8), samples=1),
    ):
        assert Image.open(io.BytesIO(picture._repr_png_())).format == "PNG"


# -- kernels -----------------------------------------------------------------------------------


def test_kernels_of_one_channel_share_a_scale():
    layer = nn.Conv2d(1, 6, 5)
    ax, bar = viz.kernels(layer).axes
    weight = layer.weight.detach().numpy()
    np.testing.assert_array_equal(images_in(ax), weight[:, 0])
    most = abs(weight).max()
    assert {image.get_clim() for image in ax.get_images()} == {(-most, most)}
    assert texts_in(ax) == list("012345")
    assert bar.get_ylim() == (-most, most)


def test_kernels_of_three_channels_are_colours():
    weight = tg.zeros(2, 3, 1, 1)
    weight[1, :, 0, 0] = tg.tensor([0.5, -0.5, 0.25])
    (ax,) = viz.kernels(weight).axes
    assert [image.tolist() for image in images_in(ax)] == [[[[0.5] * 3]], [[[1, 0, 0.75]]]]
    assert ax.get_title(loc="left") == "kernels 0 to 1 of 2, 1 × 1, full colour is ±0.5"


def test_kernels_of_many_channels_are_a_matrix_that_can_be_paged():
    weight = tg.arange(20 * 18 * 4.0).reshape(20, 18, 2, 2)
    ax, _ = viz.kernels(weight).axes
    np.testing.assert_array_equal(images_in(ax), weight[:16, :16].numpy().reshape(-1, 2, 2))
    ax, _ = viz.kernels(weight, outputs=range(16, 20), inputs=[0, 17]).axes
    np.testing.assert_array_equal(images_in(ax), weight[16:, [0, 17]].numpy().reshape(-1, 2, 2))
    assert ax.get_title(loc="left") == (
        "rows: kernels 16 to 19 of 20, 2 × 2\ncolumns: 2 of 18 input channels"
    )
    assert [label.get_text() for label in ax.get_yticklabels()] == ["16", "17", "18", "19"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "17"]


def test_kernels_errors():
    with pytest.raises(TypeError, match="kernels: layer must be a Tensor or have a weight, got ReLU"):
        viz.kernels(nn.ReLU())
    with pytest.raises(ValueError, match=r"kernels: the weight must be \(O, C, H, W\), got \(2, 3\)"):
        viz.kernels(nn.Linear(3, 2))
    layer = nn.Conv2d(2, 4, 3)
    with pytest.raises(IndexError, match="kernels: outputs must be in 0 to 3, got 4"):
        viz.kernels(layer, outputs=range(5))
    with pytest.raises(IndexError, match="kernels: inputs must name at least one of 2"):
        viz.kernels(layer, inputs=[])


# -- feature maps ------------------------------------------------------------------------------


def test_feature_maps_are_the_layers_outputs(model):
    model.eval()
    x = tg.rand(1, 8, 8)
    figure = viz.feature_maps(model, x, ["0", model[2], "4"])
    first, second, third = figure.axes[1::2]
    with tg.no_grad():
        conv = model[0](x[None])
        norm = model[1](conv)
        relu = norm.relu()
    assert first.get_title(loc="left") == "0: Conv2d, 4 × 8 × 8"
    assert second.get_title(loc="left") == "2: ReLU, 4 × 8 × 8"
    assert third.get_title(loc="left") == "4: Conv2d, 2 × 6 × 6"
    np.testing.assert_allclose(images_in(first), conv[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(images_in(second), relu[0].numpy(), rtol=1e-5)
    assert second.get_images()[0].get_clim() == (0, pytest.approx(float(relu.max())))
    most = float(conv.abs().max())
    assert first.get_images()[0].get_clim() == (pytest.approx(-most), pytest.approx(most))


def test_feature_maps_says_what_it_leaves_out():
    deep = nn.Sequential(*[nn.Conv2d(3, 3, 1) for _ in range(12)])
    figure = viz.feature_maps(deep, tg.rand(1, 3, 4, 4), limit=2)
    titles = [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")]
    assert titles[0] == "input: 3 × 4 × 4; below it, 8 of 12 convolutions"
    assert titles[1] == "0: Conv2d, 3 × 4 × 4, the first 2"
    assert titles[-1] == "11: Conv2d, 3 × 4 × 4, the first 2"
    assert len(titles) == 9


def test_a_layer_that_runs_twice_is_drawn_twice():
    relu = nn.ReLU()
    figure = viz.feature_maps(nn.Sequential(relu, nn.Conv2d(1, 1, 1), relu), tg.rand(1, 4, 4), [relu])
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles.count("0: ReLU, 1 × 4 × 4") == 2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": tg.zeros(8, 8)}, ValueError, r"x must be one image, .* got \(8, 8\)"),
        ({"x": tg.zeros(2, 1, 8, 8)}, ValueError, r"x must be one image, .* got \(2, 1, 8, 8\)"),
        ({"x": np.zeros((1, 8, 8), int)}, TypeError, "x must be of a floating dtype, got int64"),
        ({"layers": ["9"]}, ValueError, r"layer must be a module .* \(0, 1, 2, .*\), got '9'"),
        ({"layers": [nn.ReLU()]}, ValueError, "layer must be a module of the model .* got ReLU"),
        ({"layers": ["7"]}, ValueError, r"layer '7' must give maps \(N, C, H, W\), got \(1, 3\)"),
        ({"limit": 0}, ValueError, "limit must be an int from 1 on, got 0"),
    ],
)
def test_feature_maps_errors(model, arguments, error, message):
    with pytest.raises(error, match=f"feature_maps: {message}"):
        viz.feature_maps(model, **{"x": tg.zeros(1, 8, 8), **arguments})


def test_a_model_without_convolutions():
    with pytest.raises(ValueError, match="feature_maps: the model has no Conv2d; say which layer"):
        viz.feature_maps(nn.Flatten(), tg.zeros(1, 2, 2))


# -- saliency ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
def test_the_saliency_of_a_linear_model_is_its_weights(method):
    model = nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 4, 5))
    found = viz.saliency(model, tg.rand(2, 3, 4), target=3, method=method)
    weight = model[1].weight.detach().numpy()[3].reshape(2, 3, 4)
    np.testing.assert_allclose(found.map, abs(weight).max(0), rtol=1e-5)
    image, overlay = found.figure.axes[0].get_images()
    np.testing.assert_array_equal(overlay.get_array(), found.map)
    assert image.get_array().shape == found.map.shape


def test_smoothgrad_is_the_mean_over_noisy_copies():
    class Cubes(nn.Module):
        def forward(self, x):
            return (x**3).sum((1, 2, 3)).reshape(1, 1)

    x = np.linspace(-1, 1, 6).reshape(1, 2, 3)
    found = viz.saliency(Cubes(), x, method="smoothgrad", samples=20, noise=0.1, seed=7)
    random = np.random.default_rng(7)
    noisy = [x + 0.2 * random.standard_normal((1, 1, 2, 3))[0] for _ in range(20)]
    np.testing.assert_allclose(found.map, np.mean([3 * n**2 for n in noisy], axis=0)[0])
    still = viz.saliency(Cubes(), x, method="smoothgrad", samples=2, noise=0)
    np.testing.assert_allclose(still.map, 3 * x[0] ** 2)


def test_grad_cam_by_hand():
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 1))
    with tg.no_grad():
        model[0].weight[:] = tg.tensor([2.0, -1.0]).reshape(2, 1, 1, 1)
        model[3].weight[:] = tg.tensor([[0.5, 3.0]])
    x = tg.tensor([[[1.0, -2.0], [3.0, 4.0]]])
    found = viz.saliency(model, x, method="grad_cam")
    # the maps are 2x and -x, their weights 0.5 / 4 and 3 / 4: ReLU(x / 4 - 3x / 4) = ReLU(-x / 2)
    np.testing.assert_allclose(found.map, [[0, 1], [0, 0]])
    assert found.target == 0
    assert found.figure.axes[0].get_title() == "class 0, Grad-CAM of 0"


def test_grad_cam_is_resized_to_the_image(model):
    x = tg.rand(1, 8, 8)
    found = viz.saliency(model, x, 2, "grad_cam", layer=model[5])
    model.eval()
    maps = model[:6](x[None])
    (gradient,) = tg.autograd.grad(model[6:](maps)[0, 2], maps)
    cam = (gradient.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    expected = F.interpolate(cam, size=(8, 8), mode="bilinear")
    np.testing.assert_allclose(found.map, expected.detach().numpy()[0, 0], rtol=1e-5, atol=1e-7)
    assert found.map.max() > 0


def test_the_class_is_the_one_with_the_highest_score(model):
    x = tg.rand(1, 8, 8)
    found = viz.saliency(model, x)
    assert found.target == int(model.eval()(x[None]).argmax(1))
    np.testing.assert_array_equal(found.map, viz.saliency(model, x, found.target).map)


def test_saliency_draws_where_it_is_told(model):
    ax = Figure().add_subplot()
    assert viz.saliency(model, tg.rand(1, 8, 8), ax=ax).figure is ax.figure


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "lime"}, ValueError, r"method must be one of \('gradient', .*\), got 'lime'"),
        ({"layer": "0"}, ValueError, "layer is for method 'grad_cam', got method 'gradient'"),
        ({"target": 3}, IndexError, "target must be in 0 to 2, got 3"),
        ({"target": -1}, IndexError, "target must be in 0 to 2, got -1"),
        ({"samples": 0}, ValueError, "samples must be an int from 1 on .* got 0 and 0.15"),
        ({"noise": -1}, ValueError, "noise not negative, got 50 and -1"),
        (
            {"method": "grad_cam", "layer": "6"},
            ValueError,
            r"layer '6' must give maps \(N, C, H, W\), got \(1, 72\)",
        ),
    ],
)
def test_saliency_errors(model, arguments, error, message):
    with pytest.raises(error, match=f"saliency: .*{message}"):
        viz.saliency(model, tg.rand(1, 8, 8), **arguments)


def test_saliency_needs_scores():
    message = r"saliency: the model must return scores \(1, K\), got \(1, 2, 8, 8\)"
    with pytest.raises(ValueError, match=message):
        viz.saliency(nn.Conv2d(1, 2, 1), tg.rand(1, 8, 8))


# -- training ----------------------------------------------------------------------------------


def legend_of(ax) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize(
    "names",
    [("train_loss", "val_loss"), ("loss", "val_loss"), ("loss/train", "loss/valid"), ("Training loss", "Validation loss")],
)  # fmt: skip
def test_curves_are_paired_by_name(names):
    (ax,) = viz.training_curves({names[0]: [3, 2, 1], names[1]: [3, 1, tg.tensor(2.0)]}).axes
    assert ax.get_title() == "loss"
    assert [line.get_ydata().tolist() for line in ax.lines] == [[3, 2, 1], [3, 1, 2], [1]]
    assert [line.get_xdata().tolist() for line in ax.lines[1:]] == [[1, 2, 3], [2]]
    assert legend_of(ax) == ["training", "validation", "best: 1, epoch 2"]


def test_curves_of_a_list_of_epochs():
    history = [{"loss": 2.0, "lr": 0.1}, {"loss": 1.0}, {"loss": 3.0, "lr": 0.2, "val_acc": 0.5}]
    loss, lr, accuracy = viz.training_curves(history).axes
    assert legend_of(loss) == ["training", "best: 1, epoch 2"]
    assert legend_of(lr) == []
    assert lr.lines[0].get_xydata().tolist() == [[1, 0.1], [3, 0.2]]
    assert legend_of(accuracy) == ["validation", "best: 0.5, epoch 3"]


def test_more_is_better_of_accuracies_and_what_is_not_finite_is_marked():
    (ax,) = viz.training_curves({"accuracy": [0.1, 0.7, np.nan, 0.3, np.inf]}).axes
    assert legend_of(ax) == ["training", "training: not finite", "best: 0.7, epoch 2"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.1, 0.7, np.nan, 0.3, np.nan])
    assert ax.lines[1].get_xdata().tolist() == [3, 5]


def test_names_that_would_collide_have_axes_of_their_own():
    history = {"val_loss": [1], "valid_loss": [2], "train": [3], "a": [1], "b": [1]}
    figure = viz.training_curves(history)
    assert [ax.get_title() for ax in figure.axes] == ["loss", "valid_loss", "train", "a", "b"]


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        ({}, ValueError, "history is empty"),
        ([], ValueError, "history is empty"),
        ({"loss": []}, ValueError, "history is empty"),
        (3, TypeError, "history must be a mapping .* or a sequence of mappings .* got int"),
        ([1.0], TypeError, "history must be a mapping .* got list"),
        ({"loss": 1.0}, TypeError, r"history\['loss'\] must be a sequence of numbers, got float"),
        ({"loss": ["a"]}, TypeError, r"history\['loss'\] must be of numbers, got 'a'"),
        ([{"loss": None}], TypeError, r"history\['loss'\] must be of numbers, got None"),
    ],
)
def test_training_curves_errors(history, error, message):
    with pytest.raises(error, match=f"training_curves: {message}"):
        viz.training_curves(history)


def test_gradient_flow_draws_norms_and_says_what_cannot_be_drawn():
    class Values(nn.Module):
        def __init__(self):
            super().__init__()
            for name, value, grad in (
                ("plain", [3.0, 4.0], [0.0, 0.5]),
                ("unreached", [1.0, 0.0], None),
                ("frozen", [1.0, 0.0], None),
                ("zero", [1.0, 0.0], [0.0, 0.0]),
                ("nan", [1.0, 0.0], [np.nan, np.inf]),
                ("inf", [1.0, 0.0], [np.inf, 0.0]),
                ("new", [0.0, 0.0], [1.0, 0.0]),
                ("broken", [np.nan, 0.0], [1.0, 0.0]),
                ("tiny", [1e-30, 0.0], [1e-30, 0.0]),  # whose squares are zero
            ):
                parameter = nn.Parameter(tg.tensor(value), requires_grad=name != "frozen")
                parameter.grad = None if grad is None else tg.tensor(grad)
                setattr(self, name, parameter)

    norms, ratio = viz.gradient_flow(Values()).axes
    assert texts_in(ratio) == [
        *("", "no gradient", "frozen", "zero gradient", "gradient has NaN"),
        *("gradient is infinite", "weight is zero", "weight has NaN", ""),
    ]
    nan = np.nan
    weight, gradient = (line.get_xdata() for line in norms.lines)
    np.testing.assert_allclose(weight, [5, 1, 1, 1, 1, 1, nan, nan, 1e-30])
    np.testing.assert_allclose(gradient, [0.5, nan, nan, nan, nan, nan, 1, 1, 1e-30])
    np.testing.assert_allclose(ratio.lines[0].get_xdata(), [0.1, *[nan] * 7, 1])
    assert norms.get_xscale() == ratio.get_xscale() == "log"
    assert [label.get_text() for label in norms.get_yticklabels()][:2] == ["plain", "unreached"]


def test_gradient_flow_before_backward(model):
    figure = viz.gradient_flow(model)
    assert set(texts_in(figure.axes[1])) == {"no gradient"}
    figure._repr_png_()
    with pytest.raises(ValueError, match="gradient_flow: the model has no parameters"):
        viz.gradient_flow(nn.ReLU())


# -- convolution -------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_numbers_of_the_animation_are_those_of_conv2d(data):
    sides = st.tuples(st.integers(1, 3), st.integers(1, 3))
    size, window, stride, dilation = (data.draw(sides) for _ in range(4))
    padding = data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2)))
    shape = [n + d * (k - 1) for n, d, k in zip(size, dilation, window, strict=True)]
    x, kernel = tg.randn(*shape), tg.randn(*window)
    steps = viz.convolution(x, kernel, stride, padding, dilation)
    expected = F.conv2d(
        x.double()[None, None], kernel.double()[None, None], None, stride, padding, dilation
    )[0, 0].numpy()
    np.testing.assert_array_equal(steps.output, expected)
    np.testing.assert_allclose(steps.products.sum((2, 3)), expected, atol=1e-12)
    np.testing.assert_array_equal(steps.windows * kernel.double().numpy(), steps.products)
    assert len(steps) == expected.size
    step = data.draw(st.integers(0, len(steps) - 1))
    steps.draw(step)
    row, column = divmod(step, expected.shape[1])
    source, _, products, output = steps.figure.axes
    drawn = np.ma.filled(output.get_images()[0].get_array(), np.nan)
    np.testing.assert_array_equal(drawn.ravel()[: step + 1], expected.ravel()[: step + 1])
    assert np.isnan(drawn.ravel()[step + 1 :]).all()
    np.testing.assert_array_equal(images_in(products)[0], steps.products[row, column])
    # the cells outlined are those whose numbers are in the window
    outlined = [p for p in source.patches if p.get_width() == 1 and p.get_linewidth() == 2.5]
    places = [(int(p.get_y() + 0.5), int(p.get_x() + 0.5)) for p in outlined]
    padded = np.pad(x.double().numpy(), [(p, p) for p in padding])
    assert [padded[place] for place in places] == steps.windows[row, column].ravel().tolist()


def test_the_sum_is_written_out():
    steps = viz.convolution([[1, -2], [3, 1665]], [[2, 0], [0, 1]])
    assert texts_in(steps.figure)[-1] == "1·2 + (−2)·0 + 3·0 + 1665·1 = 1667"
    steps = viz.convolution([[-12345.6, 2e-7]], [[1, -1e9]])
    assert texts_in(steps.figure)[-1] == "(−12346)·1 + 2e−7·(−1e9) = −12546"
    large = viz.convolution(np.ones((4, 4)), np.ones((4, 4)) / 8)
    assert texts_in(large.figure)[-1] == "the sum of 16 products = 2"  # there is no room for it


def test_the_animation_as_a_gif(tmp_path):
    steps = viz.convolution(np.arange(9.0).reshape(3, 3), [[1, 0], [0, -1]])
    path = tmp_path / "steps.gif"
    assert steps.save(path, interval=300) == str(path)
    with Image.open(path) as image:
        assert image.n_frames == 4
        assert image.info["duration"] == 300
        assert image.info["loop"] == 0
    assert list(tmp_path.iterdir()) == [path]


def test_the_animation_as_a_page_needs_no_network(tmp_path):
    steps = viz.convolution(np.arange(9.0).reshape(3, 3), [[1, 0], [0, -1]])
    page = (tmp_path / "steps.html")
    steps.save(page)
    text = page.read_text("utf-8")
    assert "http" not in text
    assert "src=" not in text
    (images,) = re.findall(r"const images = \[(.*?)\]", text)
    assert len(images.split(",")) == 4
    shown = steps._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1, 2], [[1]]), ValueError, r"convolution: x must be a matrix .* got shape \(2,\)"),
        (([[1]], [[[1]]]), ValueError, r"convolution: kernel must be a matrix .* \(1, 1, 1\)"),
        (([[np.nan]], [[1]]), ValueError, "convolution: x must be a matrix of finite numbers"),
        (([[1]], [[1, 2]]), RuntimeError, r"the window \(1, 2\) is larger than the padded input"),
        (([[1]], [[1]], 0), RuntimeError, "convolution: stride must be at least 1, got 0"),
        (([[1]], [[1]], 1, "same"), TypeError, "convolution: padding must be an int or 2 ints"),
        ((np.ones((17, 16)), [[1]]), ValueError, r"256 steps, got \(17, 16\), which takes 272"),
    ],
)
def test_convolution_errors(arguments, error, message):
    with pytest.raises(error, match=message):
        viz.convolution(*arguments)


def test_errors_of_an_animation(tmp_path):
    steps = viz.convolution([[1, 2]], [[1]])
    with pytest.raises(IndexError, match="draw: step must be in 0 to 1, got 2"):
        steps.draw(2)
    with pytest.raises(ValueError, match=r"save: cannot write 'a.mp4': the name must end in .gif or"):
        steps.save(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="save: interval must be an int from 1 on, got 0"):
        steps.save(tmp_path / "a.gif", interval=0)
    assert not list(tmp_path.iterdir())


# -- receptive fields --------------------------------------------------------------------------


def vgg(plan: str) -> list[nn.Module]:
    return [nn.MaxPool2d(2) if c == "M" else nn.Conv2d(1, 1, 3, padding=1) for c in plan]


@pytest.mark.parametrize(
    ("layers", "side", "published"),
    [
        # A. Araujo, W. Norris and J. Sim, "Computing receptive fields of convolutional neural
        # networks", Distill 2019
        (vgg("CCMCCMCCCMCCCMCCCM"), 64, 212),
        (
            [
                *(nn.Conv2d(1, 1, 11, 4, 2), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 5, 1, 2)),
                *(nn.MaxPool2d(3, 2), *[nn.Conv2d(1, 1, 3, 1, 1) for _ in range(3)]),
                nn.MaxPool2d(3, 2),
            ],
            100,
            195,
        ),
        # LeNet-5: 5 + 1 + 4 · 2 + 1 · 2
        ([nn.Conv2d(1, 1, 5), nn.AvgPool2d(2), nn.Conv2d(1, 1, 5), nn.AvgPool2d(2)], 28, 16),
        # F. Yu and V. Koltun, "Multi-scale context aggregation by dilated convolutions", ICLR
        # 2016: layers of 3 × 3 with dilation 1, 2 and 4 see 15 × 15
        ([nn.Conv2d(1, 1, 3, dilation=d, padding="same") for d in (1, 2, 4)], 20, 15),
    ],
    ids=["VGG-16", "AlexNet", "LeNet-5", "dilated"],
)
def test_fields_are_the_published_ones(layers, side, published):
    model = nn.Sequential(*layers)
    size = viz.receptive_field(model, (1, side, side), model[-1], samples=1).size
    assert size == tg.utils.receptive_field(model).size == (published, published)


def test_the_field_of_resnet():
    # 7 and 11 of the stem; then 4 convolutions each, 8 · 4, 2 · 4 + 6 · 8, and so on: 435
    field = viz.receptive_field(tg.models.resnet18(), (3, 32, 32), "layer4", samples=1)
    assert field.size == (435, 435)


class Branches(nn.Module):
    """What networks do beside windows."""

    def forward(self, x):
        left = F.max_pool2d(F.pad(x, (2, 0, 1, 0)), 3, 1)  # rows -1, 0, 1; columns -2, -1, 0
        right = F.conv2d(x, tg.ones(1, 1, 1, 5), padding=(0, 2))
        left = F.pad(left, (0, 0, 0, 1))
        return tg.cat([left.relu() + x * 2, right], dim=1)


def test_fields_of_paths_that_meet():
    field = viz.receptive_field(Branches(), (1, 9, 9), "", unit=(4, 4), samples=1)
    assert (field.rows, field.columns) == ((3, 5), (2, 6))


def test_what_sees_everything():
    squeeze = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1))
    field = viz.receptive_field(squeeze, (1, 6, 8), squeeze[1], samples=1)
    assert (field.rows, field.columns) == ((0, 5), (0, 7))
    norm = nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2))
    assert viz.receptive_field(norm, (1, 6, 8), norm[1], samples=1).size == (6, 8)
    assert viz.receptive_field(norm, (1, 6, 8), norm[0], samples=1).size == (3, 3)


LAYERS = {
    "conv": lambda k, s, p, d: nn.Conv2d(1, 1, k, s, p, d, bias=False),
    "average": lambda k, s, p, d: nn.AvgPool2d(k, s, min(p, k // 2)),
    "transposed": lambda k, s, p, d: nn.ConvTranspose2d(1, 1, k, s, min(p, (k - 1) // 2), bias=False, dilation=d),
    "regions": lambda k, s, p, d: nn.AdaptiveAvgPool2d(k + s),
    "pad": lambda k, s, p, d: nn.ZeroPad2d((p, s, k - 1, p)),
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_with_positive_weights_the_whole_field_has_a_gradient(data):
    numbers = st.tuples(*(st.integers(*ends) for ends in ((1, 3), (1, 2), (0, 2), (1, 2))))
    plan = data.draw(st.lists(st.tuples(st.sampled_from(sorted(LAYERS)), numbers), min_size=1, max_size=4))
    model = nn.Sequential(*[LAYERS[name](*options) for name, options in plan])
    for parameter in model.parameters():
        parameter.data.fill_(1)
    with tg.no_grad():
        shape = model(tg.zeros(1, 1, 20, 20)).shape[2:]
    unit = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    x = tg.ones(1, 1, 20, 20, requires_grad=True)
    model(x)[0, 0, unit[0], unit[1]].backward()
    support = np.argwhere(x.grad.numpy()[0, 0])
    if not len(support):  # it sees nothing but padding
        return
    field = viz.receptive_field(model, (1, 20, 20), model[len(model) - 1], unit, samples=1)
    for axis, (first, last) in enumerate((field.rows, field.columns)):
        seen = support[:, axis]
        assert first <= seen.min() <= seen.max() <= last
        if not any(name == "transposed" or options[3] > 1 or options[1] > options[0] for name, options in plan):
            # no gaps, and so the ends are seen, but for padding
            assert (max(first, 0), min(last, 19)) == (seen.min(), seen.max())


def test_the_effective_field_is_the_mean_gradient():
    layer = nn.Conv2d(2, 3, 3, padding=1)
    field = viz.receptive_field(layer, (2, 7, 7), unit=(3, 2), samples=2)
    expected = abs(layer.weight.detach().numpy().sum(0)).mean(0)
    effective = np.zeros((7, 7))
    effective[2:5, 1:4] = expected / expected.max()
    np.testing.assert_allclose(field.effective, effective, rtol=1e-5)
    assert (field.size, field.rows, field.columns) == ((3, 3), (2, 4), (1, 3))
    np.testing.assert_array_equal(images_in(field.figure.axes[0])[0], field.effective)
    labels = [patch.get_label() for patch in field.figure.axes[0].patches]
    assert labels[0] == "in theory: 3 × 3"


def test_a_unit_without_gradient_has_no_effective_field():
    layer = nn.Conv2d(1, 1, 3)
    nn.init.zeros_(layer.weight)
    field = viz.receptive_field(layer, (1, 5, 5), samples=1)
    assert (field.size, field.effective.any()) == ((3, 3), False)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"input_size": (8, 8)}, RuntimeError, "input_size must be an int or 3 ints"),
        ({"unit": (6, 0)}, IndexError, r"the layer has \(6, 6\) units, got unit \(6, 0\)"),
        ({"unit": (-1, 0)}, RuntimeError, "unit must be at least 0"),
        ({"samples": 0}, ValueError, "samples must be an int from 1 on, got 0"),
        ({"layer": "7"}, ValueError, r"layer '7' must give maps \(N, C, H, W\), got \(1, 3\)"),
        ({"layer": "8"}, ValueError, "layer must be a module of the model or its path"),
    ],
)
def test_receptive_field_errors(model, arguments, error, message):
    with pytest.raises(error, match=f"receptive_field: {message}"):
        viz.receptive_field(model, **{"input_size": (1, 8, 8), **arguments})


def test_a_layer_that_does_not_run():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match="receptive_field: layer unused did not run in model"):
        viz.receptive_field(Unused(), (1, 4, 4), "unused")
