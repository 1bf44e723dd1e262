"""Runs programs in several processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def mpiexec(*command: object, n: int = 2) -> subprocess.CompletedProcess[str]:
    """Run ``python *command`` in `n` processes; skip the test where MPI is missing."""
    pytest.importorskip("mpi4py")
    beside = os.fspath(Path(sys.executable).parent)  # where the package mpich puts it
    program = shutil.which("mpiexec", path=os.pathsep.join((beside, os.environ.get("PATH", ""))))
    if program is None:
        pytest.skip("mpiexec is missing")
    return subprocess.run(
        [program, "-n", str(n), sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
