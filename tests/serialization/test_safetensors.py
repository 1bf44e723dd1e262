"""Saving and loading state."""

import json
import math
import os
import struct
from collections import OrderedDict

import numpy as np
import pytest

from tinygrad_cnn import nn
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.random import Generator
from tinygrad_cnn.serialization import load, save

safetensors = pytest.importorskip("safetensors")
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


@pytest.mark.parametrize(
    "tree",
    [
        *("{", '{"tensor": "b"}', '{"set": []}', '{"dict": 3}', '{"a": 1, "b": 2}', "{}"),
        '{"dict": [[[], 1]]}',
        "[" * 100_000,
        "[" * 5000 + "]" * 5000,
    ],
)
def test_a_header_that_is_no_tree_is_told(path, tree):
    safetensors_numpy.save_file({"a": np.ones(1)}, path, {"tinygrad_cnn": tree})
    with pytest.raises(ValueError, match=r"state.safetensors: not a whole safetensors file"):
        load(path)


def packed(header, values=bytes(8), length=None):
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data + values


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header too small"),
        (b"{}", "header too small"),
        (packed({"a": entry()}, length=2**63), "header too large"),
        (packed({"a": entry()}, length=2**20), ""),
        (packed({"a": entry(shape=(-2,))}), "-2"),
        (packed({"a": entry(shape=(2**63, 2**63))}), "overflow"),
        (packed({"a": entry(shape=(3,))}), "shape"),
        (packed({"a": entry(dtype="F33")}), "F33"),
        (packed({"a": entry(dtype="F8_E4M3", shape=(8,))}), "a: there are no tensors of F8_E4M3"),
        (packed({"a": entry(offsets=(8, 16))}), "offset"),
        (packed({"a": entry(offsets=(8, 0))}), "offset"),
        (packed({"a": entry(), "b": entry()}), "offset"),
        (packed({"a": entry()}, bytes(9)), "not fully covered"),
        (packed({"a": 3}), "integer"),
        (packed({"__metadata__": {"a": 3}}, b""), "expected a string"),
        (packed(b'{"\xff": 1}'), "UTF-8"),
        (packed(b'{"a": ' + b"[" * 100_000), "recursion limit"),
        (
            packed(b'{"a": %b, "a": %b}' % ((json.dumps(entry()).encode(),) * 2)),
            "a name stands twice",
        ),
    ],
)
def test_headers_that_cannot_be(path, data, message):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"state.safetensors: not a whole .*{message}"):
        load(path)


def test_bfloat16(path):
    values = (np.array([1.5, -2.0, np.inf, 0], "<f4").view("<u4") >> 16).astype("<u2")
    path.write_bytes(packed({"a": entry("BF16", (4,))}, values.tobytes()))
    assert same(load(path), {"a": Tensor(np.array([1.5, -2.0, np.inf, 0], np.float32))})


def test_the_length_of_the_header_is_not_taken_for_a_pickle(path):
    """Both can begin with the byte 80."""
    first = set()
    for size in range(0, 256, 8):
        save("x" * size, path)
        first.add(path.read_bytes()[0])
        assert load(path) == "x" * size
    assert 0x80 in first


def test_a_changed_tensor_does_not_fit_the_checksum(path):
    save({"a": Tensor(np.ones(3)), "b": 1}, path)
    with safetensors.safe_open(path, "numpy") as file:
        arrays, metadata = {"a": file.get_tensor("a")}, file.metadata()
    safetensors_numpy.save_file(arrays, path, metadata | {"format": "np"})
    assert same(load(path), {"a": Tensor(np.ones(3)), "b": 1})
    for changed in (arrays["a"] + 1, arrays["a"].astype(np.float32), arrays["a"][:, None]):
        safetensors_numpy.save_file({"a": changed}, path, metadata)
        with pytest.raises(ValueError, match="the checksum does not fit"):
            load(path)
    del metadata["tinygrad_cnn.sha256"]
    safetensors_numpy.save_file({"a": changed}, path, metadata)
    assert load(path)["a"].shape == (3, 1)


def test_with_pytorch(path):
    """A state dict is read by PyTorch's own reader, and the other way round."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    there = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    model.save(path)
    assert repr(there.load_state_dict(load_file(path))) == repr(model.load(path))
    save_file({name: 2 * value for name, value in there.state_dict().items()}, path)
    before = {name: value.data.copy() for name, value in model.state_dict().items()}
    model.load(path)
    for name, value in model.state_dict().items():
        assert (value.data == 2 * before[name]).all()


def test_other_files(path):
    path.write_bytes(b"this is no checkpoint" * 10)
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load(path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load(path.parent / "nowhere")
