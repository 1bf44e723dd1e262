"""The main example, on a few digits."""

import functools
import os
import re
import shutil
import signal
import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from mpi import mpiexec

import tinygrad_cnn as tg
from tinygrad_cnn import datasets

pytest.importorskip("matplotlib")
pytest.importorskip("safetensors")
pytest.importorskip("tqdm")

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURES = ["curves.png", "kernels.png", "mistakes.png"]


@pytest.fixture
def lenet(monkeypatch):
    """The example as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import train_lenet

    return train_lenet


@pytest.fixture
def run(lenet, data, tmp_path, monkeypatch):
    """Run the example's command line, and return its exit code or message."""

    def run(*options, out=tmp_path / "out", settings=("--epochs", "2", "--data", data)):
        arguments = [*settings, "--out", out, *options]
        monkeypatch.setattr(sys, "argv", ["train_lenet.py", *map(str, arguments)])
        try:
            lenet.main()
        except SystemExit as end:
            return end.code
        return 0

    return run


@pytest.fixture
def undrawn(lenet, monkeypatch):
    """Leave out the pictures of the results, which take longer than training."""
    monkeypatch.setattr(lenet, "draw_results", lambda *_: None)


@pytest.fixture
def ctrl_c(lenet, monkeypatch):
    """Have Ctrl-C pressed in a forward of training, counted from 1 on."""

    def press(at, times=1):
        forward, calls = lenet.LeNet5.forward, []

        def counted(model, x):
            if tg.is_grad_enabled():
                calls.append(len(calls))  # the first call is for the drawing of the graph
                if calls[-1] == at:
                    for _ in range(times):
                        signal.raise_signal(signal.SIGINT)
            return forward(model, x)

        monkeypatch.setattr(lenet.LeNet5, "forward", counted)
        return lambda: monkeypatch.setattr(lenet.LeNet5, "forward", forward)

    return press


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, tg.Tensor):
        return a.numpy().tobytes() == b.numpy().tobytes()
    return a == b


def test_parameters(lenet):
    assert sum(parameter.numel() for parameter in lenet.LeNet5().parameters()) == 61_706


def test_writes_everything_and_plain_lines(run, tmp_path, capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert "61,706 parameters; 200 digits for training, 60 held out" in lines[0]
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == 2
    assert re.fullmatch(
        r"epoch  2/2   loss \d\.\d{4}   accuracy \d+\.\d\d% in training, "
        r"\d+\.\d\d% held out   [\d,]+ images/s",
        epochs[1],
    )
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"backprop.html", "checkpoint.safetensors", "graph.svg", *PICTURES}
    for name in PICTURES:
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_the_graph_is_drawn_also_without_dot(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert run() == 0
    drawing = (tmp_path / "out" / "graph.svg").read_text()
    assert all(name in drawing for name in ("conv1", "conv2", "fc1", "fc2", "fc3"))


def test_a_bar_in_a_terminal(lenet, run, monkeypatch):
    terminal = StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    # drawn after every batch, however fast they are
    monkeypatch.setattr(lenet, "tqdm", functools.partial(lenet.tqdm, mininterval=0, miniters=1))
    assert run() == 0
    assert re.search(
        r"epoch  1/2:.*images/s, accuracy=\d+\.\d\d%, loss=\d\.\d{3}", terminal.getvalue()
    )


@pytest.mark.parametrize("at", [2, 4, 5])  # of 4 batches an epoch
def test_interrupted_and_resumed_is_the_same_to_the_bit(run, ctrl_c, tmp_path, capsys, at):
    assert run(out=tmp_path / "whole") == 0
    release = ctrl_c(at)
    assert run() == 130
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == (
        f"Stopped and saved. To go on: python train_lenet.py --resume --out {tmp_path / 'out'}"
    )
    release()
    stopped = tg.load(tmp_path / "out" / "checkpoint.safetensors")
    assert len(stopped["progress"]["losses"]) == at

    tg.manual_seed(99)
    assert run("--resume", settings=()) == 0
    whole = tg.load(tmp_path / "whole" / "checkpoint.safetensors")
    resumed = tg.load(tmp_path / "out" / "checkpoint.safetensors")
    assert same(resumed, whole)
    assert len(whole["progress"]["losses"]) == 8
    for name in PICTURES:
        pictures = [(tmp_path / folder / name).read_bytes() for folder in ("whole", "out")]
        assert pictures[0] == pictures[1]


def test_a_second_ctrl_c_stops_at_once(run, ctrl_c, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    ctrl_c(2, times=2)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "out" / "checkpoint.safetensors").exists()


def test_the_seed_governs_the_run(run, undrawn, tmp_path):
    checkpoints = []
    for i, seed in enumerate((1, 1, 2)):
        assert run("--epochs", "1", "--seed", seed, out=tmp_path / str(i)) == 0
        checkpoints.append(tg.load(tmp_path / str(i) / "checkpoint.safetensors"))
    assert same(checkpoints[0], checkpoints[1])
    assert not same(checkpoints[0]["model"], checkpoints[2]["model"])


class TestDistributed:
    def command(self, data, out, *options):
        start = (EXAMPLES / "train_lenet.py", "--distributed", "--epochs", "2")
        return mpiexec(*start, "--data", data, "--out", out, *options)

    def test_two_processes_learn_what_one_does(self, run, undrawn, data, tmp_path):
        both = self.command(data, tmp_path / "both")
        assert both.returncode == 0, both.stderr
        assert both.stdout.count("epoch  2/2") == 1
        run()
        one = tg.load(tmp_path / "out" / "checkpoint.safetensors")
        two = tg.load(tmp_path / "both" / "checkpoint.safetensors")
        for name, value in one["model"].items():
            np.testing.assert_allclose(two["model"][name].numpy(), value.numpy(), atol=1e-5)
        assert two["progress"]["losses"] == pytest.approx(one["progress"]["losses"], rel=1e-5)
        assert two["progress"]["accuracies"] == one["progress"]["accuracies"]
        assert two["rng"] == one["rng"]
        assert {path.name for path in (tmp_path / "both").iterdir()} >= set(PICTURES)

    def test_a_batch_that_cannot_be_shared(self, data, tmp_path):
        run = self.command(data, tmp_path / "out", "--batch-size", "5")
        assert run.returncode == 1
        assert "error: --batch-size 5 cannot be shared by 2 processes" in run.stderr


class TestErrors:
    def test_no_checkpoint(self, run, tmp_path):
        said = run("--resume")
        assert said.startswith(f"error: {tmp_path / 'out' / 'checkpoint.safetensors'}: there is")
        assert not (tmp_path / "out").exists()

    def test_damaged_checkpoint(self, run, tmp_path):
        (tmp_path / "out").mkdir()
        path = tmp_path / "out" / "checkpoint.safetensors"
        path.write_bytes(b"damaged" * 10)
        assert run("--resume").startswith(f"error: {path}: not a whole safetensors file")

    def test_another_file(self, run, tmp_path):
        (tmp_path / "out").mkdir()
        path = tmp_path / "out" / "checkpoint.safetensors"
        tg.save({"weights": tg.ones(2)}, path)
        assert run("--resume") == f"error: {path}: not a checkpoint of this program"

    def test_other_settings(self, run, undrawn):
        run()
        assert "the run had --epochs 2, not 3; leave --epochs out" in run(
            "--resume", settings=("--epochs", "3")
        )
        assert "the run had --batch-size 64, not 32" in run("--resume", "--batch-size", "32")

    def test_another_model(self, run, undrawn, tmp_path):
        run()
        path = tmp_path / "out" / "checkpoint.safetensors"
        checkpoint = tg.load(path)
        checkpoint["model"]["conv1.weight"] = tg.zeros(8, 1, 5, 5)
        tg.save(checkpoint, path)
        assert "conv1.weight" in run("--resume")

    def test_damaged_data(self, run, data, tmp_path):
        shutil.copytree(data, tmp_path / "data")
        path = tmp_path / "data" / "train-labels-idx1-ubyte"
        path.write_bytes(path.read_bytes()[:-1])
        said = run("--data", tmp_path / "data")
        assert said.startswith(f"error: {path}: truncated: 207 bytes, expected 208")

    def test_missing_data_that_cannot_be_fetched(self, run, tmp_path, monkeypatch):
        monkeypatch.setattr(datasets.MNIST, "mirrors", ((tmp_path / "none").as_uri() + "/",))
        said = run("--data", tmp_path / "nothing")
        assert said.startswith("error: MNIST: cannot download")

    @pytest.mark.parametrize("options", [("--epochs", "0"), ("--batch-size", "x")])
    def test_numbers_that_make_no_sense(self, run, options, capsys):
        assert run(*options) == 2
        assert f"argument {options[0]}: invalid positive value" in capsys.readouterr().err

    def test_an_out_that_is_no_folder(self, run, tmp_path):
        (tmp_path / "out").write_text("")
        assert os.fspath(tmp_path / "out") in run()
