"""``python -m tests.benchmarks.compare``: this package beside others, in one run, as one table.

Bursts of all alternate, so that all meet the same state of a noisy machine. The best time of each
burst counts. The table has the best of all bursts in ms, and the median over pairs of neighbouring
bursts of PyTorch's time to ours: above 1 this package is faster. What is not installed, or cannot
express a case, has a dash.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import tinygrad_cnn

from . import peers
from .cases import CASES, Case

ENOUGH_SECONDS = 3.0
"""After so much time in a case a contestant has no more runs."""

IMPORTS = {
    "NumPy": "tinygrad_cnn",
    "PyTorch": "torch",
    "JAX jit": "jax",
    "tinygrad": "tinygrad",
    "MyGrad": "mygrad",
    "HIPS autograd": "autograd.numpy",
}
MEMORY = ("LeNet-5, batch 256", "ResNet-20, batch 128")

PAUSE_SECONDS = 0.15
"""Before each burst: OpenBLAS's threads keep a core busy for 2^28 cycles after their last work."""

BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"


class Effort(NamedTuple):
    """How often and how long is measured."""

    warm: int  # runs before; libraries that compile do so in the first and second
    rounds: int
    seconds: float  # of a burst


FULL, QUICK = Effort(3, 15, 0.1), Effort(1, 3, 0.05)


class Contestant(NamedTuple):
    """A column of the table: what it runs for a case, and what is called before that is timed."""

    version: str
    build: Callable[[Case], peers.Run]
    prepare: Callable[[], object] = lambda: None


Row = dict[str, float]
"""A number for each column that has one."""


def contestants(quick: bool) -> dict[str, Contestant]:
    """Return those that run here."""
    found = {}
    for name, kernels in (("NumPy", "numpy"), ("compiled", "numba")):
        if importlib.util.find_spec(kernels):
            version = importlib.import_module(kernels).__version__
            use = lambda kernels=kernels: tinygrad_cnn.kernels.use(kernels)
            found[name] = Contestant(f"{kernels} {version}", lambda case: case(tinygrad_cnn), use)
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(tinygrad_cnn.get_num_threads())
        found["PyTorch"] = Contestant(f"torch {torch.__version__}", lambda case: case(torch))
    for name in () if quick else peers.PEERS:
        if peer := peers.load(name):
            build = lambda case, peer=peer: peers.build(peer, case)
            found[name] = Contestant(f"{name} {peer.version}", build)
    return found


def burst(run: Callable[[], Any], seconds: float) -> float:
    """Return the best time of a run, in ms, of as many as fit into a burst."""
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def timed(case: Case, entered: dict[str, Contestant], effort: Effort) -> Row:
    """Return each contestant's best time, and the ratios of PyTorch's time to ours."""
    runs = {}
    for name, one in entered.items():
        one.prepare()
        try:
            run = one.build(case)
            start = time.perf_counter()
            for _ in range(effort.warm):
                if time.perf_counter() - start < ENOUGH_SECONDS:
                    run()
        except Exception as error:  # one of a peer ends its column here, not the table
            if name not in peers.PEERS:
                raise
            if not isinstance(error, NotImplementedError):
                print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        runs[name] = run
    times: dict[str, list[float]] = {name: [] for name in runs}
    spent = dict.fromkeys(runs, 0.0)
    for _ in range(effort.rounds):
        for name, run in runs.items():
            if spent[name] > ENOUGH_SECONDS:
                continue
            entered[name].prepare()
            time.sleep(PAUSE_SECONDS)
            start = time.perf_counter()
            times[name].append(burst(run, effort.seconds))
            spent[name] += time.perf_counter() - start
    return with_ratios({name: min(found) for name, found in times.items()}, times)


def with_ratios(row: Row, each: dict[str, list[float]]) -> Row:
    """Add the median ratios of PyTorch's numbers to ours, pair by pair."""
    for name in ("NumPy", "compiled"):
        pairs = list(zip(each.get("PyTorch", ()), each.get(name, ()), strict=False))
        if pairs:
            row[f"PyTorch / {name}"] = statistics.median(theirs / ours for theirs, ours in pairs)
    return row


def new_process(*arguments: str, kernels: str = "numpy") -> float:
    """Return the number that a new Python process prints."""
    # as usual, compiled modules are kept for the next process
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["TINYGRAD_CNN_KERNELS"] = kernels
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def import_times(entered: Iterable[str], rounds: int = 5) -> Row:
    """Return how long an import takes in a new process: the median, in ms."""
    times: dict[str, list[float]] = {name: [] for name in IMPORTS if name in entered}
    for number in range(rounds + 1):
        for name, found in times.items():
            code = f"import time; t = time.perf_counter(); import {IMPORTS[name]}; "
            one = new_process("-c", f"{code}print((time.perf_counter() - t) * 1e3)")
            if number:  # the first reads files from the disk
                found.append(one)
    return with_ratios({name: statistics.median(found) for name, found in times.items()}, times)


def memory(network: str, entered: Iterable[str]) -> Row:
    """Return the memory that training steps take at their peak, in MiB."""
    row = {}
    ours = "tinygrad_cnn"
    for name, library, kernels in (
        *(("NumPy", ours, "numpy"), ("compiled", ours, "numba")),
        ("PyTorch", "torch", "numpy"),
    ):
        if name in entered:
            module = ("-m", "tests.benchmarks.memory", library, network)
            row[name] = new_process(*module, kernels=kernels)
    return with_ratios(row, {name: [value] for name, value in row.items()})


def machine() -> str:
    """Return the processor's name, its cores, and the core type that OpenBLAS takes it for."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text("utf-8").splitlines()
        name = next((x.partition(": ")[2] for x in lines if x.startswith("model name")), name)
    library = ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    core = "not known"
    for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
        tell = getattr(library, f"{prefix}openblas_get_corename{suffix}", None)
        if tell is not None:
            tell.restype = ctypes.c_char_p
            core = tell().decode()
            break
    set_by = " (by OPENBLAS_CORETYPE)" if "OPENBLAS_CORETYPE" in os.environ else ""
    threads = tinygrad_cnn.get_num_threads()
    return f"{name}; {threads} threads for each; OpenBLAS core type {core}{set_by}"


def main(argv: list[str] | None = None) -> None:
    """Print the table, and write it to a file."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compare", description=__doc__)
    parser.add_argument("--only", metavar="SUBSTRING", default="", help="rows with this in their name")
    parser.add_argument("--quick", action="store_true", help="PyTorch only, few bursts: a minute")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="put the table there")
    options = parser.parse_args(argv)

    entered = contestants(options.quick)
    effort = QUICK if options.quick else FULL
    columns = ["NumPy", "compiled", "PyTorch", "PyTorch / NumPy", "PyTorch / compiled"]
    columns += [] if options.quick else peers.PEERS
    rows: dict[str, Callable[[], Row]] = {
        name: lambda case=case: timed(case, entered, effort) for name, case in CASES.items()
    }
    rows["import"] = lambda: import_times(entered)
    for network in MEMORY:
        rows[f"peak memory, MiB: {network}, training"] = lambda n=network: memory(n, entered)

    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    say(f"{machine()}.")
    say(f"Python {platform.python_version()}, {', '.join(c.version for c in entered.values())}.\n")
    say(f"| ms | {' | '.join(columns)} |")
    say("|---|" + "--:|" * len(columns))
    before = tinygrad_cnn.kernels.active()
    for name, measure in rows.items():
        if options.only in name:
            row = measure()
            say(f"| {name} | {' | '.join(number(row.get(column)) for column in columns)} |")
    tinygrad_cnn.kernels.use(before)
    if options.markdown:
        put(options.markdown, "\n".join(lines))


def put(file: Path, table: str) -> None:
    """Put a table between the marks in a file, which is made if there is none."""
    text = file.read_text("utf-8") if file.exists() else f"{BEGIN}\n{END}\n"
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file}: expected the lines {BEGIN} and {END}")
    file.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", "utf-8")


def number(value: float | None) -> str:
    """Write three digits; a dash for what there is not."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
