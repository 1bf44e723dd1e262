"""Fuzzes the gradients of all registered operations: ``python -m tinygrad_cnn.testing``."""

from __future__ import annotations

import argparse
import importlib
import random
import sys
import traceback
from collections.abc import Sequence

import hypothesis  # noqa: F401  (without it, nothing that follows has a meaning)

import tinygrad_cnn.nn  # noqa: F401  (registers the operations)
from tinygrad_cnn.core.op import registry

from . import session
from .fuzz import fuzz_op
from .numeric import GradcheckError

COLUMNS = "{:{width}}  {:>6}  {:>6}  {:>6}  {:>9}  {:>8}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0 if all is right, 1 if an operation fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tinygrad_cnn.testing",
        description="Fuzz the gradients of registered operations at drawn arguments, and show "
        "how many derivatives of first and second order were compared with differences, "
        "and their largest relative error.",
        epilog="Exit status: 0 if all operations pass, 1 if one fails or has no sampler, "
        "2 if the command is wrong.",
    )
    parser.add_argument("operation", nargs="*", help="its name in the registry (default: all)")
    parser.add_argument(
        "--import",
        dest="modules",
        action="append",
        default=[],
        metavar="MODULE",
        help="first import a module that registers operations; may be given several times",
    )
    parser.add_argument(
        "--examples", type=int, default=50, metavar="N", help="how many to draw (default: 50)"
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="draw the same again (default: others each time)"
    )
    options = parser.parse_args(arguments)
    if options.examples < 1:
        parser.error(f"--examples must be positive, got {options.examples}")
    for module in options.modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            parser.error(f"cannot import {module}: {error}")
    names = options.operation or sorted(registry)
    if unknown := [name for name in names if name not in registry]:
        parser.error(f"no such operation: {', '.join(unknown)}")
    before = session.examples, session.seed
    session.examples = options.examples
    session.seed = random.randrange(2**32) if options.seed is None else options.seed
    try:
        return _run(names)
    finally:
        session.examples, session.seed = before


def _run(names: Sequence[str]) -> int:
    print(f"seed {session.seed}")
    width = max(map(len, ["operation", *names]))
    print(COLUMNS.format("operation", "draws", "first", "second", "error", "time", width=width))
    failures: dict[str, str] = {}
    session.take()  # of other checks in this process
    total = session.Record()
    for name in names:
        try:
            if registry[name].sampler is None:
                failures[name] = f"It has no sampler; declare one with @{name}.samples."
            else:
                fuzz_op(registry[name])
        except GradcheckError as error:
            failures[name] = str(error)
        except Exception as error:  # of the operation itself
            failures[name] = "".join(traceback.format_exception(error))
        record = session.take().get(name, session.Record())
        row = COLUMNS.format(
            name,
            record.draws,
            record.first or "-",
            record.second or "-",
            f"{record.worst:.0e}" if record.first else "-",
            f"{record.seconds:.2f} s",
            width=width,
        )
        print(f"{row}  FAILED" if name in failures else row, flush=True)
        total.draws += record.draws
        total.seconds += record.seconds
    for name, text in failures.items():
        print(f"\n{name}\n{text.strip()}")
    print(
        f"\n{len(names)} operations, {total.draws} draws in {total.seconds:.1f} s: "
        f"{len(failures) or 'none'} failed"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
