"""``python -m tests.benchmarks.compare``: this package beside PyTorch, in one run.

Bursts of both alternate, so that both meet the same state of a noisy machine. The best time of
each burst counts; the ratio is the median over pairs of bursts, above 1 where this package is
faster.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tinygrad_cnn

from .cases import CASES

PAIRS, BURST_SECONDS = 15, 0.1


def burst(run: Callable[[], Any]) -> float:
    """Return the best time of a run, in ms, of as many as fit into a burst."""
    best, end = float("inf"), time.perf_counter() + BURST_SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def main() -> None:
    """Print the table."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    core = os.environ.get("OPENBLAS_CORETYPE", "as detected")
    print(f"numpy {np.__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads, ")
    print(f"OpenBLAS core type {core}\n")
    print("| case | tinygrad_cnn, ms | PyTorch, ms | ratio |\n|---|---|---|---|")
    for name, case in CASES.items():
        ours, theirs = case(tinygrad_cnn), case(torch)
        burst(ours), burst(theirs)
        pairs = [(burst(ours), burst(theirs)) for _ in range(PAIRS)]
        a, b = (min(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        print(f"| {name} | {a:.2f} | {b:.2f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
