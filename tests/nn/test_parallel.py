"""Training with several processes."""

from pathlib import Path

import pytest
from mpi import mpiexec
from parallel_programs import PROGRAMS

from tinygrad_cnn import nn


@pytest.fixture(scope="module")
def run():
    """All programs, run in two processes."""
    return mpiexec(Path(__file__).with_name("parallel_programs.py"))


@pytest.mark.parametrize("name", [program.__name__ for program in PROGRAMS])
def test_in_two_processes(run, name):
    assert name in run.stdout.splitlines(), run.stderr


def test_no_process_group():
    with pytest.raises(ValueError, match="no process group"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
