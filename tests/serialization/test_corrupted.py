"""A damaged file is told, or does no harm: each load raises ValueError or returns the exact data."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.serialization import load, save


def of_pytorch(path):
    path.write_bytes(Path(__file__).with_name("pytorch.pt").read_bytes())


def of_numpy(write):
    def make(path):
        buffer = io.BytesIO()  # so that the name stays
        write(buffer, weight=np.arange(12.0).reshape(3, 4), step=np.array(7), none=np.zeros((0, 2)))
        path.write_bytes(buffer.getvalue())

    return make


def of_ours(path):
    pytest.importorskip("safetensors")
    state = {"weight": Tensor(np.arange(12.0).reshape(3, 4)), "bias": Tensor(np.ones(2, "f4"))}
    save({"model": state, "epoch": 3, "betas": (0.9, 0.999), "none": None, "name": "é"}, path)


@pytest.fixture(
    params=[of_ours, of_pytorch, of_numpy(np.savez), of_numpy(np.savez_compressed)],
    ids=["safetensors", "pt", "npz", "compressed npz"],
)
def checkpoint(request, tmp_path):
    """Return a sound file's bytes, and a function that says whether others are loaded."""
    path = tmp_path / "checkpoint"
    request.param(path)
    expected = everything(load(path))

    with open(path, "r+b", buffering=0) as file:  # one for all: to make files takes long

        def loads(data):
            file.seek(0)
            file.write(data)
            file.truncate()
            try:
                state = load(path)
            except ValueError as error:
                message = str(error)
            else:
                assert everything(state) == expected
                return True
            assert message.startswith(f"{path}: ")
            return False

        yield file.read(), loads


def everything(state):
    """Return all that a state says as one value that can be compared."""
    return pickle.dumps(state)


def test_every_truncation(checkpoint):
    whole, loads = checkpoint
    assert loads(whole)
    assert not any(loads(whole[:length]) for length in range(len(whole)))


@pytest.mark.parametrize("one_bit", [True, False])
def test_every_byte_changed(checkpoint, one_bit):
    whole, loads = checkpoint
    random = np.random.default_rng(0)
    size = len(whole)
    masks = 2 ** random.integers(0, 8, size) if one_bit else random.integers(1, 256, size)
    for i, mask in enumerate(masks.tolist()):
        loads(whole[:i] + bytes([whole[i] ^ mask]) + whole[i + 1 :])


def test_blocks_lost(checkpoint):
    """Zeros in place of a part, as a broken disk leaves them."""
    whole, loads = checkpoint
    for start in range(0, len(whole), 8):
        for stop in (start + 8, start + 64, len(whole)):
            loads(whole[:start] + bytes(len(whole[start:stop])) + whole[stop:])


def test_parts_exchanged_or_twice(checkpoint):
    whole, loads = checkpoint
    for i in range(0, len(whole), 8):
        loads(whole[i:] + whole[:i])
        loads(whole[:i] + whole)


def test_too_long(checkpoint):
    whole, loads = checkpoint
    assert not any(loads(whole + more) for more in (b"\0", bytes(100), whole))
