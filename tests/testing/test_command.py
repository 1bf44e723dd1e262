"""``python -m tinygrad_cnn.testing``."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.testing import Draw, check_op, session
from tinygrad_cnn.testing.__main__ import main

MODULE = """
import numpy as np
import tinygrad_cnn as tg

@tg.op
def half(x):
    return x / 2

@half.gradient("x")
def _(g): return g / {divisor}

@half.samples
def _(draw): return draw.array(draw.shape())
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that declares the operation `half`, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, divisor):
        (tmp_path / f"{name}.py").write_text(MODULE.format(divisor=divisor), encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def rows(text):
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_the_table(capsys):
    before = session.examples, session.seed
    check_op(tg.mul, Draw.from_seed(0))  # counts nothing here
    assert main(["mul", "argmax", "--examples", "5", "--seed", "3"]) == 0
    text = capsys.readouterr().out
    known = rows(text)
    assert text.startswith("seed 3\n")
    assert known["operation"] == ["draws", "first", "second", "error", "time"]
    assert known["mul"][:3] == ["5", "5", "5"]
    assert float(known["mul"][3]) < 1e-9
    assert known["argmax"][:4] == ["5", "-", "-", "-"]
    assert "2 operations, 10 draws in " in text
    assert ": none failed" in text
    table = [line for line in text.splitlines() if line.startswith(("operation", "mul", "argmax"))]
    assert len({line.index(line.split()[1]) + len(line.split()[1]) for line in table}) == 1
    assert (session.examples, session.seed) == before


def test_the_same_seed_draws_the_same(capsys):
    def error():
        main(["exp", "--examples", "3", "--seed", "5"])
        return rows(capsys.readouterr().out)["exp"][3]

    assert error() == error()


def test_an_imported_operation_passes(module, capsys):
    assert main(["--import", module("user_right", 2), "half", "--examples", "5"]) == 0
    assert rows(capsys.readouterr().out)["half"][:3] == ["5", "5", "5"]


def test_a_wrong_operation_fails_with_its_diagnosis(module, capsys):
    assert main(["--import", module("user_wrong", 3), "half", "mul", "--examples", "5"]) == 1
    text = capsys.readouterr().out
    assert "FAILED" in next(line for line in text.splitlines() if line.startswith("half "))
    assert "it is 2/3 times what it should be" in text
    assert "    import user_wrong  # where it is registered" in text
    assert "2 operations, " in text
    assert ": 1 failed" in text


@pytest.mark.usefixtures("_leaves_no_trace")
def test_an_operation_without_sampler_fails(capsys):
    tg.op(name="bare", differentiable=False)(lambda x: x > 0)
    assert main(["bare"]) == 1
    text = capsys.readouterr().out
    assert "bare\nIt has no sampler; declare one with @bare.samples." in text
    assert "0       -       -          -" in text


def test_an_error_in_the_operation_fails(capsys):
    @tg.op(name="raises", differentiable=False)
    def raises(x):
        raise np.linalg.LinAlgError("never converges")

    raises.samples(lambda draw: draw.array((2,)))
    assert main(["raises", "--examples", "2"]) == 1
    assert "LinAlgError: never converges" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sinus"], "no such operation: sinus"),
        (["--import", "no.such.module"], "cannot import no.such.module"),
        (["--examples", "0"], "--examples must be positive, got 0"),
        (["--examples", "many"], "invalid int value"),
    ],
)
def test_wrong_usage(arguments, words, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert words in capsys.readouterr().err


def test_help(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    assert "--import MODULE" in capsys.readouterr().out


def test_as_a_command():
    program = [sys.executable, "-m", "tinygrad_cnn.testing", "neg", "--examples", "2"]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    assert "1 operations, 2 draws" in done.stdout
