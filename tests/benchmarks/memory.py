"""``python -m tests.benchmarks.memory LIBRARY NETWORK``: how much memory a training step takes.

Prints by how many MiB a few steps raise the process's memory at its peak, above what it is with the
library loaded and the network and its batch made. A step of two images before that loads what
libraries load when it is first needed.
"""

from __future__ import annotations

import importlib
import resource
import sys
from pathlib import Path

from .cases import NETWORKS, training

PROC = Path("/proc/self")


def forget_peak() -> None:
    """Set the peak to what is used now, where the system is Linux (see ``man proc``)."""
    if PROC.exists():
        (PROC / "clear_refs").write_text("5", "ascii")


def peak() -> float:
    """Return the largest memory that this process has had, in MiB."""
    if PROC.exists():  # what `getrusage` returns counts the parent's memory, too
        (line,) = [x for x in (PROC / "status").read_text().splitlines() if x.startswith("VmHWM")]
        return int(line.split()[1]) / 2**10
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found / (2**20 if sys.platform == "darwin" else 2**10)


def main(library: str, network: str) -> None:
    """Print the memory that a step takes."""
    lib = importlib.import_module(library)
    model, batch, image = NETWORKS[network]
    training(lib, model, 2, image)()
    step = training(lib, model, batch, image)
    forget_peak()
    before = peak()
    for _ in range(3):
        step()
    print(peak() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
