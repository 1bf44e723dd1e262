"""Reading NumPy's files."""

import io
import os
import zipfile

import numpy as np
import pytest

from tinygrad_cnn.serialization import load

DTYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arrays"


def same(tensor, array):
    native = array.astype(array.dtype.newbyteorder("="))
    assert (tensor.dtype, tensor.shape) == (native.dtype, native.shape)
    assert tensor.data.tobytes() == native.tobytes()
    assert tensor.data.flags.writeable


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", DTYPES)
def test_npz(path, write, dtype):
    whole = np.arange(12).reshape(3, 4).astype(dtype)
    arrays = {"a": whole, "model.b": whole.T, "c": whole[0, 0], "d": whole[:, :0], "e": whole[0]}
    arrays["big"] = whole.astype(whole.dtype.newbyteorder(">"))
    with open(path, "wb") as file:
        write(file, **arrays)
    loaded = load(path)
    assert list(loaded) == list(arrays)
    for name, array in arrays.items():
        same(loaded[name], array)


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy(path, version):
    array = np.arange(6.0).reshape(2, 3)
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, version)
    same(load(path), array)


def test_an_npz_of_nothing(path):
    with open(path, "wb") as file:
        np.savez(file)
    assert load(path) == {}


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([Malicious()]), r"no tensors of the dtype \|O"),
        (np.array(["text"]), "no tensors of the dtype <U4"),
        (np.array([1j]), "no tensors of the dtype <c16"),
        (np.array([1], "m8[s]"), "records or Python objects"),
        (np.zeros(1, [("a", "f4")]), "records or Python objects"),
    ],
)
def test_other_arrays_are_refused(path, array, message, monkeypatch):
    monkeypatch.chdir(path.parent)
    with open(path, "wb") as file:
        np.savez(file, good=np.ones(2), bad=array)
    with pytest.raises(ValueError, match=rf"arrays: bad.npy: .*{message}"):
        load(path)
    assert os.listdir() == ["arrays"]


def npy(header, values=bytes(8)):
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + values


def header(descr="'<f4'", fortran="False", shape="(2,)"):
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "data",
    [
        npy(header(), bytes(7)),
        npy(header(), bytes(9)),
        npy(header(shape="(3,)")),
        npy(header(shape="(-2,)")),
        npy(header(shape=f"({2**62}, {2**62}, {2**62})")),
        npy(header(shape=f"({2**62}, 0)"), b"").replace(b"f4", b"f8") + b"x",
        npy(header(shape="(2 1)")),
        npy(header(shape="[2]")),
        npy(header(shape="(2L,)")),
        npy(header(fortran="1")),
        npy(header(descr="__import__('os').mkdir('executed')")),
        npy(header(descr="'<f4")),
        npy(header()[:-3]),
        npy("[" * 60_000),
        npy(header())[:9],
        b"\x93NUMPY",
        b"\x93NUMPY\2\0\xff\xff\xff\xff{}",
    ],
)
def test_headers_that_cannot_be(path, data):
    path.write_bytes(data)
    with pytest.raises(ValueError, match="arrays: "):
        load(path)


def test_every_truncation(path):
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3.0))
    whole = buffer.getvalue()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="arrays: not a whole"):
            load(path)


def test_other_zip_files(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "text")
    with pytest.raises(ValueError, match=r"arrays: notes.txt: not a whole npy file"):
        load(path)
