"""Processes that compute together, and how they end."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mpi import mpiexec

import tinygrad_cnn as tg
from tinygrad_cnn import distributed

START = """
import os, sys
import tinygrad_cnn as tg
from tinygrad_cnn import distributed
from tinygrad_cnn.distributed import ReduceOp
distributed.init_process_group("mpi")
rank = distributed.get_rank()
"""


def test_collectives():
    program = """
assert distributed.is_initialized() and distributed.is_available()
assert distributed.get_world_size() == 3

def reduced(*op):
    x = tg.tensor([rank + 1.0, 2.0])
    assert distributed.all_reduce(x, *op) is None
    return x.tolist()

assert reduced() == [6, 6]
assert reduced(ReduceOp.PRODUCT) == [6, 8]
assert reduced(ReduceOp.MIN) == [1, 2]
assert reduced(ReduceOp.MAX) == [3, 2]

x = tg.ones(4, dtype=tg.int64)
work = distributed.all_reduce(x, async_op=True)
assert work.wait() and work.is_completed()
assert x.tolist() == [3] * 4

x = tg.tensor(float(rank), requires_grad=True)
square = x * x
distributed.broadcast(x, 2)
assert x.item() == 2
try:
    square.backward()
except RuntimeError as error:
    assert "in place" in str(error), error
else:
    raise AssertionError("the change went unseen")

distributed.barrier()
for call in (lambda: distributed.init_process_group(), lambda: distributed.init_process_group("nccl")):
    try:
        call()
    except ValueError as error:
        assert "init_process_group" in str(error)
    else:
        raise AssertionError
distributed.destroy_process_group()
assert not distributed.is_initialized()
sys.exit(4 if rank == 0 else 0)  # as it likes
"""
    run = mpiexec("-c", START + program, n=3)
    assert run.stderr.count("Traceback") == 0, run.stderr
    assert run.returncode == 4


@pytest.mark.parametrize(
    ("death", "code", "shown"),
    [
        ("raise KeyError('lost')", 1, "KeyError: 'lost'"),
        ("sys.exit('lost')", 1, "lost"),
        ("sys.exit(3)", 3, ""),
        ("os._exit(3)", 3, ""),
        ("os.kill(os.getpid(), 9)", 9, ""),
    ],
)
def test_a_process_that_dies_ends_all(death, code, shown):
    program = f"if rank == 1: {death}\ndistributed.barrier()"
    start = time.monotonic()
    run = mpiexec("-c", START + program)
    assert time.monotonic() - start < 20
    assert run.returncode == code
    assert shown in run.stderr
    assert ("Traceback" in run.stderr) == death.startswith("raise")


def test_the_program_of_the_documentation():
    page = Path(__file__).parents[1] / "docs" / "distributed.md"
    [program] = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    run = mpiexec("-c", program)
    assert re.fullmatch(r"(epoch [01]: loss of the last batch \d\.\d{4}\n){2}", run.stdout), (
        run.stderr
    )
    assert run.returncode == 0


def test_all_may_end_well_without_leaving_the_group():
    assert mpiexec("-c", START + "sys.exit()").returncode == 0


def test_one_process_without_mpiexec():
    pytest.importorskip("mpi4py")
    program = START + "print(distributed.get_world_size(), rank)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert run.stdout.split() == [b"1", b"0"], run.stderr


@pytest.mark.parametrize(
    "call",
    [
        distributed.get_rank,
        distributed.get_world_size,
        distributed.barrier,
        distributed.destroy_process_group,
        lambda: distributed.broadcast(tg.ones(1), 0),
        lambda: distributed.all_reduce(tg.ones(1)),
    ],
)
def test_without_a_process_group(call):
    assert not distributed.is_initialized()
    with pytest.raises(ValueError, match="there is no process group"):
        call()


def test_another_backend():
    with pytest.raises(ValueError, match="backend must be 'mpi', got 'gloo'"):
        distributed.init_process_group("gloo")
