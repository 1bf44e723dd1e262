"""An operation of one's own: declared with its gradient rules, fuzzed, drawn and put to use.

    python examples/custom_op.py

The operation is the strength of an edge, from the slopes to the right and down. A convolution that
feeds it learns its two kernels from how strong the edges should be. In ``runs/custom_op/``:

    graph.svg    the graph that backward runs through, with the operation in it
    edges.png    a digit, and its edges as they should be and as learned
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pictures

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import datasets, nn, optim
from tinygrad_cnn.testing import fuzz_op

# -- the operation -------------------------------------------------------------------------------


@tg.op(promote="float")
def edge_strength(dx, dy):
    """Return the length of (dx, dy), rounded off at 0."""
    return np.sqrt(dx * dx + dy * dy + 0.01)


@edge_strength.gradient("dx")
def _(g, dx, out):  # backward keeps what a rule names: here the input and the result
    return g * dx / out


@edge_strength.gradient("dy")
def _(g, dy, out):
    return g * dy / out


@edge_strength.samples
def _(draw):  # valid inputs for the fuzz test
    shape = draw.shape()
    return draw.array(shape), draw.array(shape)


# -- its use -------------------------------------------------------------------------------------


class Edges(nn.Module):
    """The strengths of the edges in images (N, 1, H, W), by two kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = nn.Conv2d(1, 2, kernel_size=3, padding=1, bias=False)

    def forward(self, images: tg.Tensor) -> tg.Tensor:
        dx, dy = self.slopes(images).split(1, dim=1)
        return edge_strength(dx, dy)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="An operation of one's own.")
    parser.add_argument("--examples", type=int, default=50, help="draws of the fuzz test (50)")
    parser.add_argument("--steps", type=int, default=300, help="of training (300)")
    parser.add_argument("--out", type=Path, default="runs/custom_op", help="(runs/custom_op)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tg.manual_seed(0)

    fuzz_op(edge_strength, examples=args.examples)
    print(f"edge_strength: its rules agree with differences, at {args.examples} drawn inputs")

    images, _ = datasets.MNIST10k().get_batch(range(64))
    sobel = tg.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]) / 4
    wanted = Edges()
    wanted.load_state_dict({"slopes.weight": tg.stack([sobel, sobel.T]).unsqueeze(1)})
    target = wanted(images).detach()

    model = Edges()
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    for step in range(args.steps):
        loss = F.mse_loss(model(images), target)
        if step == 0:
            print(f"mean squared difference from Sobel's edges: {loss.item():.1e} at first")
            tg.viz.draw(loss, model=model).save(args.out / "graph.svg")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"mean squared difference from Sobel's edges: {loss.item():.1e} at last")

    shown = {"digit": images, "Sobel's edges": target, "learned edges": model(images).detach()}
    pictures.row({name: values[0, 0] for name, values in shown.items()}, args.out / "edges.png")
    print(f"In {args.out}: " + ", ".join(sorted(path.name for path in args.out.iterdir())))


if __name__ == "__main__":
    main()
