"""Saving and loading state."""

import math
import os
from collections import OrderedDict

import numpy as np
import pytest

from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import Generator
from tinygrad_cnn.serialization import load, save

safetensors_numpy = pytest.importorskip("safetensors.numpy")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


def same(a, b):
    """Whether two trees are the same in structure, types, dtypes and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Tensor):
        return same(a.data, b.data)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return repr(a) == repr(b)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        [],
        (),
        "text é ☃",
        -0.0,
        0.1,
        math.inf,
        math.nan,
        2**127,
        True,
        Tensor(2.0),
        np.zeros((0, 3), np.float32),
        [1, (2, [3.5, None]), {"a": {"b": ()}}],
        {0: {"exp_avg": Tensor([1.0, 2.0])}, "0": 1, -3: "x"},
        {"a.b": Tensor(1), "a": {"b": Tensor(2)}},  # one path, two tensors
        {"__metadata__": Tensor(1), "tensor": 2},
        {"tensor": "name"},
        [Tensor(np.ones(2, dtype)) for dtype in ("?", "u1", "i1", "i2", "i4", "f2", "f4", "f8")],
    ],
)
def test_comes_back_the_same(path, state):
    save(state, path)
    assert same(load(path), state)


def test_memory_layouts(path):
    array = np.arange(24.0).reshape(2, 3, 4)
    state = [array.transpose(2, 0, 1), array[:, ::-1, ::2], array.astype(">f8")]
    save(state, path)
    for loaded, wanted in zip(load(path), state, strict=True):
        assert (loaded == wanted).all()
        assert loaded.dtype == np.float64
        assert loaded.flags.writeable


def test_what_changes_its_type(path):
    save([OrderedDict(a=1), np.float32(0.1), Tensor(1.0, requires_grad=True)], path)
    ordered, number, tensor = load(path)
    assert type(ordered) is dict
    assert type(number) is float
    assert number == np.float32(0.1)
    assert tensor.requires_grad is False


def test_generator_state(path):
    generator = Generator(3)
    generator.numpy.integers(5, size=3)
    save(generator.get_state(), path)
    expected = generator.numpy.random(8).tolist()
    generator.set_state(load(path))
    assert generator.numpy.random(8).tolist() == expected


def test_names_are_the_paths(path):
    save({"model": {"conv1.weight": Tensor(1.0)}, "rest": [0, np.ones(2)]}, path)
    assert sorted(safetensors_numpy.load_file(path)) == ["model.conv1.weight", "rest.1"]


def test_reads_files_of_other_programs(path):
    safetensors_numpy.save_file({"w": np.ones(2)}, path)
    assert same(load(path), {"w": Tensor(np.ones(2))})


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (object(), "obj: expected tensors, arrays.* got object"),
        ({"a": [1, {"b": {2}}]}, "a.1.b: expected tensors.* got set"),
        ({(1, 2): 3}, "obj: expected keys str or int"),
        ({"a": np.array(["x"])}, "a: cannot store an array of <U1"),
        ([np.array([1j])], "0: cannot store an array of complex128"),
        (1j, "got complex"),
    ],
)
def test_refuses_everything_else_and_writes_nothing(path, state, message):
    with pytest.raises(TypeError, match=message):
        save(state, path)
    assert os.listdir(path.parent) == []


def test_every_truncation_is_told(path):
    save({"a": Tensor(np.ones(5)), "b": [1, 2]}, path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"state.safetensors: not a whole safetensors file"):
            load(path)


@pytest.mark.parametrize(
    "tree",
    ["{", '{"tensor": "b"}', '{"set": []}', '{"dict": 3}', '{"a": 1, "b": 2}', "{}"],
)
def test_a_header_that_is_no_tree_is_told(path, tree):
    safetensors_numpy.save_file({"a": np.ones(1)}, path, {"tinygrad_cnn": tree})
    with pytest.raises(ValueError, match=r"state.safetensors: not a whole safetensors file"):
        load(path)


def test_other_files(path):
    path.write_bytes(b"this is no checkpoint" * 10)
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(path.parent / "nowhere")
