"""Takes weights trained in PyTorch, uses them here, and takes them on to ONNX.

    python examples/transfer_weights.py

Where PyTorch is installed, a small network is trained there, and its weights are saved as PyTorch
saves them. Elsewhere, ``pytorch_digits.pt`` beside this file is what the same lines have written.
Either way, the network here takes the weights, must recognise the digits held out, and goes to
``runs/transfer/``:

    digits.safetensors   the weights, which PyTorch programs can read too
    digits.onnx          the network with its weights, for ONNX Runtime, Netron and others
    kernels.png          the first layer's kernels, and what they see in one digit
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pictures

import tinygrad_cnn as tg
from tinygrad_cnn import datasets

TRAINED = Path(__file__).with_name("pytorch_digits.pt")


def network(nn: ModuleType) -> Any:
    """Return the network, of PyTorch's layers or of those here: the names are the same."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 4 * 4, 10),
    )


def train_in_pytorch(path: Path, epochs: int) -> None:
    """Train the network with PyTorch, and save its weights as PyTorch does."""
    import torch

    torch.manual_seed(0)
    digits = datasets.MNIST10k()
    images = torch.from_numpy(digits.data.numpy()).unsqueeze(1).float() / 255
    labels = torch.from_numpy(digits.targets.numpy())
    model = network(torch.nn)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(64):
            loss = torch.nn.functional.cross_entropy(model(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), path)


def scores_in_pytorch(weights: Path, images: np.ndarray) -> np.ndarray:
    """Return what PyTorch computes with the weights in a safetensors file."""
    import torch
    from safetensors.torch import load_file

    model = network(torch.nn)
    model.load_state_dict(load_file(weights))
    with torch.no_grad():
        return model(torch.from_numpy(images)).numpy()


def scores_in_onnx_runtime(exported: Path, images: np.ndarray) -> np.ndarray:
    """Return what ONNX Runtime computes with an exported network."""
    import onnxruntime

    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: images})
    return scores


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="PyTorch's weights, here and in ONNX.")
    parser.add_argument("--weights", type=Path, help="a state dict of this network from PyTorch")
    parser.add_argument("--epochs", type=int, default=3, help="to train in PyTorch (3)")
    parser.add_argument("--out", type=Path, default="runs/transfer", help="results (runs/transfer)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)

    weights = args.weights
    if weights is None:
        weights = args.out / "pytorch_digits.pt"
        try:
            train_in_pytorch(weights, args.epochs)
            print(f"Trained in PyTorch: {weights}")
        except ImportError:
            weights = TRAINED
            print(f"PyTorch is not installed; trained in PyTorch before: {weights}")

    model = network(tg.nn)
    model.load_state_dict(tg.load(weights))
    images, labels = datasets.MNIST10k(train=False).get_batch(range(1500))
    with tg.no_grad():
        scores = model(images)
        maps = model[:2](images[:1])[0]
    right = int((scores.argmax(1) == labels).sum())
    print(f"Here: {right:,} of {len(labels):,} held-out digits recognised")

    safetensors, onnx = args.out / "digits.safetensors", args.out / "digits.onnx"
    model.save(safetensors)
    tg.onnx.export(model, images[:1], onnx)  # other batch sizes work too
    for name, compute, path in (
        ("PyTorch", scores_in_pytorch, safetensors),
        ("ONNX Runtime", scores_in_onnx_runtime, onnx),
    ):
        try:
            difference = abs(compute(path, images.numpy()) - scores.numpy()).max()
            print(f"{name}: with {path} the scores differ by {difference:.1e} at most")
        except ImportError:
            print(f"{name} is not installed: {path} is not tried there")
    pictures.kernels(images[0, 0], model[0].weight.detach(), maps, args.out / "kernels.png")


if __name__ == "__main__":
    main()
