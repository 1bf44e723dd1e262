"""One number of threads, for BLAS and the compiled kernels."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.kernels import threads


@pytest.fixture(autouse=True)
def _as_before():
    count = tg.get_num_threads()
    yield
    tg.set_num_threads(count)


def run(code: str, **environment: str) -> str:
    """Return what a new process prints."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    environment = {**clean, **environment}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def test_blas_is_told():
    blas = threads.linked_blas()
    if blas is None:
        pytest.skip("this NumPy's BLAS has no such function")
    for count in (1, 2):
        tg.set_num_threads(count)
        assert tg.get_num_threads() == count
        assert blas.get() == min(count, os.cpu_count())


@pytest.mark.parametrize("count", [0, -1, 1.0, True, "2", None])
def test_only_positive_integers(count):
    before = tg.get_num_threads()
    with pytest.raises(RuntimeError, match=r"set_num_threads: expected a positive integer, got "):
        tg.set_num_threads(count)
    assert tg.get_num_threads() == before


def test_by_threadpoolctl(monkeypatch):
    pytest.importorskip("threadpoolctl")
    linked = threads.linked_blas()
    monkeypatch.setattr(threads, "linked_blas", lambda: None)
    tg.set_num_threads(1)
    assert threads._another_blas().get() == 1
    assert linked is None or linked.get() == 1


def test_a_blas_that_cannot_be_told(monkeypatch):
    monkeypatch.setattr(threads, "linked_blas", lambda: None)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.warns(UserWarning, match=r"set_num_threads: no way .*tinygrad_cnn\[fast\]"):
        tg.set_num_threads(3)
    assert tg.get_num_threads() == 3  # of compiled kernels
    monkeypatch.undo()


def test_the_default_is_all_cores_or_what_the_environment_says():
    code = "import tinygrad_cnn as tg; print(tg.get_num_threads())"
    assert int(run(code)) == threads.cores()
    assert int(run(code, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")) == 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not on this system")
def test_the_default_is_what_affinity_allows():
    one = min(os.sched_getaffinity(0))
    first = f"import os; os.sched_setaffinity(0, [{one}]); import tinygrad_cnn as tg; "
    assert int(run(f"{first}print(tg.get_num_threads())")) == 1


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0),
        ({}, None),
    ],
)
def test_the_quota_of_a_container(monkeypatch, tmp_path, files, expected):
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert threads._quota() == expected
    assert 1 <= threads.cores() <= (os.cpu_count() or 1)


def test_a_quota_is_told_to_blas_at_the_start(monkeypatch):
    told = []
    blas = threads.Blas(told.append, lambda: told[-1] if told else 8)
    monkeypatch.setattr(threads, "linked_blas", lambda: blas)
    monkeypatch.setattr(threads, "cores", lambda: 2)
    assert threads._default() == 2
    assert told == [2]
