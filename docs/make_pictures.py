"""Makes every picture of the documentation, from the code that stands beside it in the pages.

    python docs/make_pictures.py

needs the program ``dot`` of graphviz, graphviz-pure, Chromium, and matplotlib. Each page is run as a doctest
first, so no picture can come from a page that is wrong. Graphs are drawn by each of the three
renderers: by dot into ``images/``, by the others into folders of their own.
"""

from __future__ import annotations

import doctest
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import graphviz
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from tinygrad_cnn import viz

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests" / "viz"))
from browser import Browser  # noqa: E402

IMAGES = DOCS / "images"


def main() -> None:
    """Write all pictures."""
    draw_graph(run(DOCS.parent / "README.md")["graph"], "lenet.svg")
    names = run(DOCS / "pictures.md")
    graphs = ("expression", "modules", "inception", "resnet50", "block", "dark", "second_order")
    for name in (*graphs, "gradients", "nan"):
        draw_graph(names[name], f"{name.replace('_', '-')}.svg")
    draw_layers(IMAGES / "layers.svg")
    names = run(DOCS / "convolution.md")
    draw_edges(names["digit"], names["edges"], IMAGES / "edges.png")
    names = run(DOCS / "cnn-pictures.md")
    for figure, name in (
        (names["curves"], "curves"),
        (names["flow"], "gradients"),
        (names["first"], "kernels"),
        (names["maps"], "maps"),
        (names["looks"], "saliency"),
        (names["field"].figure, "field"),
    ):
        figure.savefig(IMAGES / f"cnn-{name}.png", dpi=110, metadata={"Software": None})
    names["steps"].save(IMAGES / "cnn-convolution.gif")
    photograph(run(DOCS / "backprop.md")["recording"], 32, IMAGES / "backprop.png")


def photograph(recording: viz.Recording, step: int, path: Path) -> None:
    """Save how a page looks at one of its steps."""
    with tempfile.TemporaryDirectory() as folder, Browser(1240, 760) as browser:
        browser.open(Path(recording.save(Path(folder, "page.html"))), f"#step={step}")
        browser.wait("!document.getAnimations().some(one => one instanceof CSSTransition)")
        browser.screenshot(path)


def run(page: Path) -> dict[str, Any]:
    """Run a page as a doctest, and return the names that it defines."""
    test = doctest.DocTestParser().get_doctest(
        page.read_text("utf-8"), {"__name__": "__main__"}, page.name, str(page), 0
    )
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    if runner.run(test, clear_globs=False).failed:
        sys.exit(f"{page}: an example failed; no picture is made from it")
    return test.globs


def draw_graph(graph: Any, name: str) -> None:
    """Save a drawing by each renderer, as where no better one is installed."""
    graph.save(IMAGES / name)
    program = viz.graph._graphviz_pure()
    if program is None:
        sys.exit("graphviz-pure is not installed: pip install graphviz-pure")
    for folder, found in (("graphviz-pure", program), ("built-in", None)):
        with (
            mock.patch.dict(os.environ, PATH=""),
            mock.patch.object(viz.graph, "_graphviz_pure", lambda found=found: found),
        ):
            graph.save(IMAGES / folder / name)


def draw_layers(path: Path) -> None:
    """Draw the layers of the package: each imports only from those under it."""
    layers = [
        {"viz": "draws recorded graphs", "testing": "checks gradients"},
        {"datasets": "MNIST, transforms", "utils.data": "Dataset, DataLoader"},
        {"nn": "modules, losses, initialisation", "optim": "optimizers, schedules"},
        {"autograd": "backward, grad, Function, under PyTorch's names"},
        {"ops": "forward and gradient rules, family by family"},
        {"core": "Tensor, Op, Node, the backward engine"},
        {"kernels": "arrays in, arrays out: convolution, pooling"},
    ]
    rows = ""
    for layer in layers:
        cells = (
            f'<td colspan="{2 // len(layer)}" width="{440 // len(layer)}" bgcolor="#dcebf7">'
            f"<b>{name}</b><br/>{text}</td>"
            for name, text in layer.items()
        )
        rows += f"<tr>{''.join(cells)}</tr>"
    graph = graphviz.Digraph(
        node_attr={
            "shape": "plain",
            "fontname": "Helvetica,Arial,sans-serif",
            "fontsize": "11",
            "color": "#0072b2",
        }
    )
    graph.node(
        "layers",
        f'<<table border="0" cellspacing="4" cellpadding="5" cellborder="1">{rows}</table>>',
    )
    path.write_bytes(graph.pipe("svg"))


def draw_edges(digit: Any, edges: Any, path: Path) -> None:
    """Show a digit beside its vertical and its horizontal edges."""
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.6), layout="constrained")
    titles = ["the digit", "right minus left", "below minus above"]
    for axis, title, image in zip(axes, titles, [digit[0, 0], *edges[0]], strict=True):
        pixels = image.numpy()
        most = abs(pixels).max()
        if image is not digit[0, 0] and pixels.min() < 0:
            shown = axis.imshow(pixels, cmap="RdBu_r", vmin=-most, vmax=most)
        else:
            shown = axis.imshow(pixels, cmap="gray")
        axis.set_title(title, fontsize=10)
        axis.axis("off")
        figure.colorbar(shown, ax=axis, shrink=0.8)
    figure.savefig(path, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
