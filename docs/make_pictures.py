"""Makes every picture of the documentation, from the code that stands beside it in the pages.

    python docs/make_pictures.py

needs the program ``dot`` of graphviz, and matplotlib. Each page is run as a doctest first, so no
picture can come from a page that is wrong.
"""

from __future__ import annotations

import doctest
import itertools
import sys
from pathlib import Path
from typing import Any

import graphviz
import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

DOCS = Path(__file__).parent
IMAGES = DOCS / "images"


def main() -> None:
    """Write all pictures."""
    IMAGES.mkdir(exist_ok=True)
    run(DOCS.parent / "README.md")["graph"].save(IMAGES / "lenet.svg")
    names = run(DOCS / "pictures.md")
    for name in ("expression", "modules", "second_order"):
        names[name].save(IMAGES / f"{name.replace('_', '-')}.svg")
    draw_layers(IMAGES / "layers.svg")
    names = run(DOCS / "convolution.md")
    draw_edges(names["digit"], names["edges"], IMAGES / "edges.png")


def run(page: Path) -> dict[str, Any]:
    """Run a page as a doctest, and return the names that it defines."""
    test = doctest.DocTestParser().get_doctest(
        page.read_text("utf-8"), {"__name__": "__main__"}, page.name, str(page), 0
    )
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    if runner.run(test, clear_globs=False).failed:
        sys.exit(f"{page}: an example failed; no picture is made from it")
    return test.globs


def draw_layers(path: Path) -> None:
    """Draw the layers of the package: each imports only from those under it."""
    layers = [
        ("viz", "testing"),
        ("datasets", "utils.data"),
        ("nn", "optim"),
        ("autograd",),
        ("ops",),
        ("core",),
        ("kernels",),
    ]
    says = {
        "viz": "draws recorded graphs",
        "testing": "checks gradients",
        "datasets": "MNIST, transforms",
        "utils.data": "Dataset, DataLoader",
        "nn": "modules, losses",
        "optim": "optimizers, schedules",
        "autograd": "backward, grad, Function",
        "ops": "forward and gradient rules, family by family",
        "core": "Tensor, Op, Node, the backward engine",
        "kernels": "arrays in, arrays out: convolution, pooling",
    }
    font = "Helvetica,Arial,sans-serif"
    graph = graphviz.Digraph(
        graph_attr={"nodesep": "0.15", "ranksep": "0.3", "fontname": font},
        node_attr={
            "shape": "box",
            "style": "filled",
            "fillcolor": "#dcebf7",
            "color": "#0072b2",
            "fontname": font,
            "fontsize": "11",
        },
        edge_attr={"color": "#666666", "arrowsize": "0.6"},
    )
    for layer in layers:
        with graph.subgraph() as row:
            row.attr(rank="same")
            for name in layer:
                row.node(name, f"{name}\n{says[name]}", width=str(5.4 / len(layer)))
    for upper, lower in itertools.pairwise(layers):
        for name in upper:
            for other in lower if len(lower) == 1 or len(upper) == 1 else lower[:1]:
                graph.edge(name, other)
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
