"""Reading PyTorch's checkpoints."""

import contextlib
import os
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn
from tinygrad_cnn import nn
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.serialization import load, save
from tinygrad_cnn.serialization.pt import from_checkpoint

MADE_BY_PYTORCH = Path(__file__).with_name("pytorch.pt")

# -- a small assembler of pickles ------------------------------------------------------------------

NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*parts):
    return b"(" + b"".join(parts) + b"t"


def named(name):
    module, _, name = name.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def call(name, *arguments):
    return named(name) + tuple_of(*arguments) + b"R"


def storage(kind="torch.FloatStorage", key="0", count=6):
    return tuple_of(text("storage"), named(kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(storage, size, stride, offset=0):
    sizes = [tuple_of(*map(number, numbers)) for numbers in (size, stride)]
    hooks = call("collections.OrderedDict")
    rebuild = "torch._utils._rebuild_tensor_v2"
    return call(rebuild, storage, number(offset), *sizes, FALSE, hooks)


SIX = np.arange(6, dtype="<f4")
WHOLE = tensor(storage(), (2, 3), (3, 1))


@pytest.fixture
def file(tmp_path):
    """Write a checkpoint whose value is what the instructions make."""

    def write(*instructions, data=None, byteorder=b"little", root="archive"):
        path = tmp_path / "model.pt"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{root}/data.pkl", b"\x80\x02" + b"".join(instructions) + b".")
            archive.writestr(f"{root}/data/0", SIX.tobytes() if data is None else data)
            if byteorder:
                archive.writestr(f"{root}/byteorder", byteorder)
        return path

    return write


def refused(path, message):
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")


# -- what is read ----------------------------------------------------------------------------------


def test_reads_a_file_of_pytorch():
    state = load(MADE_BY_PYTORCH)
    model = state.pop("model")
    assert state == {"epoch": 3, "best": (0.5, None, True), "name": "é"}
    assert type(model) is OrderedDict
    assert {name: (array.tolist(), str(array.dtype)) for name, array in model.items()} == {
        "weight": ([[0, 1, 2], [3, 4, 5]], "float32"),
        "transposed": ([[0, 3], [1, 4], [2, 5]], "float32"),
        "half": ([0.5, -2.0], "float32"),
    }
    assert np.shares_memory(model["weight"].data, model["transposed"].data)
    assert model["weight"].data.flags.writeable


@pytest.mark.parametrize(
    ("size", "stride", "offset", "expected"),
    [
        ((2, 3), (3, 1), 0, [[0, 1, 2], [3, 4, 5]]),
        ((2, 2), (1, 2), 1, [[1, 3], [2, 4]]),
        ((), (), 5, 5),
        ((2, 2), (0, 0), 4, [[4, 4], [4, 4]]),
        ((3, 0), (1, 1), 0, [[], [], []]),
        ((0,), (1,), 6, []),
        ((1,), (2**60,), 2, [2]),
    ],
)
def test_layouts(file, size, stride, offset, expected):
    loaded = load(file(tensor(storage(), size, stride, offset)))
    assert loaded.tolist() == expected
    assert loaded.shape == size


@pytest.mark.parametrize("byteorder", ["little", "big", None])
@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("Bool", "?"),
        ("Byte", "u1"),
        ("Char", "i1"),
        ("Short", "i2"),
        ("Int", "i4"),
        ("Long", "i8"),
        ("Half", "f2"),
        ("Float", "f4"),
        ("Double", "f8"),
    ],
)
def test_dtypes(file, kind, dtype, byteorder):
    expected = np.array([0, 1, 3], dtype)
    stored = expected.astype(expected.dtype.newbyteorder(byteorder or "little"))
    value = tensor(storage(f"torch.{kind}Storage", count=3), (3,), (1,))
    path = file(value, data=stored.tobytes(), byteorder=byteorder and byteorder.encode())
    assert load(path).data.dtype == expected.dtype
    assert load(path).tolist() == expected.tolist()


def test_a_dtype_without_a_storage_of_its_own(file):
    untyped = storage("torch.storage.UntypedStorage", count=24)
    rest = (FALSE, call("collections.OrderedDict"), named("torch.uint16"))
    value = call(
        "torch._utils._rebuild_tensor_v3",
        *(untyped, number(1), tuple_of(number(2)), tuple_of(number(5)), *rest),
    )
    loaded = load(file(value, data=np.arange(12, dtype="<u2").tobytes()))
    assert (loaded.tolist(), loaded.dtype) == ([1, 6], np.uint16)


def test_plain_data(file):
    parts = (
        NONE,
        TRUE,
        number(2**70),
        number(-1),
        text("é"),
        b"G?\xe0" + bytes(6),
        b"]",
        b"}",
        b")",
    )
    counter = call("collections.Counter", b"}" + number(30) + number(1) + b"s")
    size = call("torch.Size", tuple_of(number(2), number(3)))
    parameter = call(
        "torch._utils._rebuild_parameter", WHOLE, TRUE, call("collections.OrderedDict")
    )
    loaded = load(file(tuple_of(*parts, counter, size, named("torch.int64"), parameter)))
    *plain, parameter = loaded
    expected = [
        None,
        True,
        2**70,
        -1,
        "é",
        0.5,
        [],
        {},
        (),
        Counter({30: 1}),
        (2, 3),
        np.dtype("i8"),
    ]
    assert plain == expected
    assert list(map(type, plain[:-1])) == list(map(type, expected[:-1]))
    assert type(parameter) is Tensor
    assert not parameter.requires_grad


def test_versions_of_modules_stay(file):
    metadata = b"}" + text("_metadata") + b"}" + text("") + b"}" + b"s" * 2
    assert load(file(call("collections.OrderedDict"), metadata, b"b"))._metadata == {"": {}}


def test_what_holds_itself_and_what_is_deep(file):
    pytest.importorskip("safetensors")
    loaded = load(file(b"]q\x00h\x00a"))
    assert loaded[0] is loaded
    path = file(b"]" * 100_000, b"a" * 99_999)
    deep = load(path)
    for state in (loaded, deep):
        with pytest.raises(ValueError, match="nested too deeply, or holds itself"):
            save(state, path)


def test_a_module_loads_it(file):
    layer = nn.Linear(3, 2, bias=False)
    assert layer.load(file(b"}", text("weight"), WHOLE, b"s")) == ([], [])
    assert layer.weight.tolist() == SIX.reshape(2, 3).tolist()
    with pytest.raises(RuntimeError, match="missing: weight\n  unexpected: w"):
        layer.load(file(b"}", text("w"), WHOLE, b"s"))
    assert layer.load(file(b"}", text("w"), WHOLE, b"s"), strict=False) == (["weight"], ["w"])
    with pytest.raises(TypeError, match="expected a mapping"):
        layer.load(file(WHOLE))


# -- what is refused -------------------------------------------------------------------------------


class Malicious:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_executed(tmp_path, protocol):
    program = pickle.dumps({"a": [Malicious(tmp_path / "executed")]}, protocol)
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    refused(path, rf"there is a {os.name}.mkdir in it|the instruction \w+ is not for data")
    assert os.listdir(tmp_path) == ["model.pt"]
    pickle.loads(program)
    assert (tmp_path / "executed").exists()  # it would have been


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        (named("os.system"), "there is a os.system in it"),
        (named("builtins.eval"), "there is a builtins.eval in it"),
        (text("os") + text("system") + b"\x93", "there is a os.system in it"),
        (number(1) + b"]\x93", "not a whole pickle"),
        (named("torch._utils._rebuild_tensor_v2.__globals__"), "__globals__ in it"),
        (named("numpy._core.multiarray.scalar"), "numpy._core.multiarray.scalar in it"),
        (named("torch.nn.modules.linear.Linear"), r"Linear in it.*state_dict"),
        (named("torch.ComplexFloatStorage"), "torch.ComplexFloatStorage in it"),
        (b"(ios\nsystem\n", "instruction INST"),
        (b"(" + named("collections.OrderedDict") + b"o", "instruction OBJ"),
        (named("collections.OrderedDict") + b")\x81", "instruction NEWOBJ"),
        (named("collections.OrderedDict") + b")}\x92", "instruction NEWOBJ_EX"),
        (b"\x82\x01", "instruction EXT1"),
        (b"P0\n", "instruction PERSID"),
        (b"}}b", "a OrderedDict is not where"),
        (WHOLE + b"}b", "a OrderedDict is not where"),
        (call("collections.OrderedDict") + b"}b", "unknown attributes"),
        (call("collections.OrderedDict") + b"}" + text("x") + NONE + b"sb", "unknown attributes"),
        (b"N)R", "NoneType is called"),
        (WHOLE + b")R", "Tensor is called"),
        (named("torch.float32") + b")R", "Float32DType is called"),
        (call("collections.OrderedDict", b"]"), "collections.OrderedDict is called"),
        (call("torch.Size", number(3)), "torch.Size is called"),
        (call("torch._utils._rebuild_parameter", number(3)), ".*_rebuild_parameter is called"),
        (call("torch._utils._rebuild_tensor_v2", storage()), ".*_rebuild_tensor_v2 is called"),
    ],
)
def test_other_instructions(file, instructions, message):
    refused(file(instructions), message)


DEEP = b"]" + 100_000 * b"\x85"


@pytest.mark.parametrize(
    "program",
    [
        b"}" + DEEP + NONE + b"s",
        DEEP + b")R",
        DEEP + DEEP + b"\x93",
        DEEP + b"}b",
        DEEP + b"Q",
        tuple_of(text("storage"), named("torch.FloatStorage"), DEEP, text("cpu"), DEEP) + b"Q",
        call("torch.Size", DEEP) + b")R",
        call("torch._utils._rebuild_tensor_v2", storage(), *[DEEP] * 5),
        tuple_of(*[WHOLE] * 5) + b"Q",
        b"}" + WHOLE + NONE + b"s",
        call("torch._utils._rebuild_tensor_v2", storage(), *[WHOLE] * 5),
    ],
)
def test_values_where_others_are_expected(file, program):
    """Neither what is nested deeply nor a tensor does harm where it is compared or reported."""
    refused(file(program), "model.pt: data.pkl: ")


@pytest.mark.parametrize(
    "part",
    [
        storage(),
        named("torch.Size"),
        tuple_of(storage()),
        b"}" + text("a") + storage() + b"s",
        call("collections.OrderedDict") + b"}" + text("_metadata") + b"}N" + storage() + b"ssb",
    ],
)
def test_parts_of_tensors_outside_of_tensors(file, part):
    refused(file(b"]", part, b"a"), "outside of a tensor")


@pytest.mark.parametrize(
    ("size", "stride", "offset", "message"),
    [
        ((2, 3), (3, 1), 1, "reaches past the end of data/0"),
        ((2, 3), (4, 1), 0, "reaches past"),
        ((2**62, 2**62), (1, 1), 0, "reaches past"),
        ((), (), 6, "reaches past"),
        ((-1,), (1,), 0, "no proper offset, size and stride"),
        ((2,), (-1,), 3, "no proper offset, size and stride"),
        ((2,), (1,), -1, "no proper offset, size and stride"),
        ((2,), (), 0, "zip"),
        ((1,) * 65, (1,) * 65, 0, "dimension"),
        ((2**40, 2**40), (0, 0), 0, "too big"),
    ],
)
def test_layouts_that_cannot_be(file, size, stride, offset, message):
    refused(file(tensor(storage(), size, stride, offset)), message)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (storage(count=7), "there is no data/0 with 7 elements"),
        (storage("torch.DoubleStorage"), "there is no data/0 with"),
        (storage(count=-6), "there is no data/0 with"),
        (storage(key="1"), "there is no data/1 with"),
        (storage(key="../data.pkl"), "there is no data/../data.pkl"),
        (storage("torch.Size"), "is described in an unknown way"),
        (text("0") + b"Q", "is described in an unknown way"),
    ],
)
def test_storages_that_cannot_be(file, stored, message):
    refused(file(tensor(stored, (2,), (1,))), message)


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"t",
        b"\x85",
        b"R",
        b"e",
        b"h\x00",
        b"q\x00",
        b"Na",
        b"Ns",
        b"(u",
        b"}(Nu",
        b"}]Ns",
        b"]]b",
    ],
)
def test_programs_that_go_wrong(file, program):
    refused(file(program), "model.pt: ")


PROGRAM = b"\x80\x02}" + text("weight") + WHOLE + b"s."


def test_every_truncation_of_the_program():
    for length in range(len(PROGRAM)):
        with pytest.raises(ValueError, match=r"data\.pkl: "):
            from_checkpoint({"a/data.pkl": PROGRAM[:length], "a/data/0": SIX.tobytes()})


def test_every_byte_of_the_program_changed():
    """No other error than ValueError, whatever it says then."""
    random = np.random.default_rng(0)
    for i in range(len(PROGRAM)):
        for new in random.integers(0, 256, 8, np.uint8):
            changed = PROGRAM[:i] + bytes([new]) + PROGRAM[i + 1 :]
            with contextlib.suppress(ValueError):
                from_checkpoint({"a/data.pkl": changed, "a/data/0": SIX.tobytes()})


# -- the zip file ----------------------------------------------------------------------------------


def test_names_in_the_zip_file_lead_nowhere(file, tmp_path):
    path = file(WHOLE, root="../../outside")
    assert load(path).shape == (2, 3)
    assert os.listdir(tmp_path) == ["model.pt"]


def test_names_that_stand_twice(file):
    path = file(WHOLE)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("archive/data/0", SIX.tobytes())
    refused(path, "a name stands twice")


def test_several_checkpoints(file):
    path = file(WHOLE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("second/data.pkl", b"N.")
    refused(path, "2 checkpoints")


def test_bytes_before_and_after(file):
    whole = file(WHOLE).read_bytes()
    for data in (whole + b"more", whole[:-2] + b"\4\0more", whole + whole):
        path = file()
        path.write_bytes(data)
        refused(path, "not a whole zip file")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_that_cannot_be(file, method):
    """A member that declares to become more than it can is refused before it is read."""
    path = file()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", bytes(100_000))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\1\2")
    data[entry + 24 : entry + 28] = struct.pack("<I", 2**32 - 2)
    path.write_bytes(data)
    refused(path, "archive/data.pkl: declares more bytes than it can hold")


def test_members_that_overlap(file):
    """A hundred names for the same bytes."""
    path = file()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(10_000))
        entry = archive.infolist()[0]
        for i in range(100):
            copy = zipfile.ZipInfo(f"archive/data/{i}")
            copy.header_offset, copy.CRC = entry.header_offset, entry.CRC
            copy.compress_size, copy.file_size = entry.compress_size, entry.file_size
            archive.filelist.append(copy)
    refused(path, "its parts overlap")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(file, method):
    path = file()
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("archive/data.pkl", b"N.")
    refused(path, "archive/data.pkl: unknown compression")


def test_older_formats_are_refused_with_advice(tmp_path):
    path = tmp_path / "old.pth"
    for data in (pickle.dumps(0x1950A86A20F9469CFC6C, 2), bytes(257) + b"ustar" + bytes(250)):
        path.write_bytes(data)
        refused(path, "old.pth: a pickle.*convert it with PyTorch")


def test_arguments_of_torch_load():
    for location in (None, "cpu", {"cuda:0": "cpu"}, lambda storage, location: storage):
        assert load(MADE_BY_PYTORCH, location, weights_only=True, mmap=True)["epoch"] == 3
    for location in ("cuda", {"cpu": "cuda:0"}):
        with pytest.raises(RuntimeError, match="load: every tensor is on the CPU"):
            load(MADE_BY_PYTORCH, map_location=location)
    for arguments in ({"weights_only": False}, {"pickle_module": pickle}):
        with pytest.raises(ValueError, match="load: nothing is unpickled"):
            load(MADE_BY_PYTORCH, **arguments)


# -- PyTorch itself --------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_from_pytorch_and_back(tmp_path, protocol):
    """.pt -> here -> safetensors -> PyTorch: the same bits, for all dtypes and layouts."""
    torch = pytest.importorskip("torch")
    torch_files = pytest.importorskip("safetensors.torch")
    bits = torch.from_numpy(np.random.default_rng(0).integers(0, 256, 120, np.uint8))
    state = {"bool": (bits[:15] % 2).bool().reshape(5, 3)}
    for name in ("uint", "int", "float"):
        for width in {"uint": (8, 16, 32, 64), "int": (8, 16, 32, 64), "float": (16, 32, 64)}[name]:
            state[f"{name}{width}"] = (
                bits.clone().view(getattr(torch, f"{name}{width}"))[:15].reshape(5, 3)
            )
    state["bfloat16"] = bits.clone().view(torch.bfloat16)[:15].reshape(5, 3)
    for name, whole in list(state.items()):
        state |= {
            f"{name}.t": whole.t(),
            f"{name}.slice": whole[1::2, 1:],
            f"{name}.0": whole[0, 0],
        }
        state |= {f"{name}.empty": whole[:0], f"{name}.expanded": whole[:1].expand(4, 3)}
    torch.save(state, tmp_path / "a.pt", pickle_protocol=protocol)
    save(load(tmp_path / "a.pt"), tmp_path / "a.safetensors")
    back = torch_files.load_file(tmp_path / "a.safetensors")
    assert set(back) == set(state)
    for name, expected in state.items():
        if expected.dtype == torch.bfloat16:
            expected = expected.float()
        assert (back[name].dtype, back[name].shape) == (expected.dtype, expected.shape)
        assert back[name].numpy().tobytes() == expected.numpy().tobytes()


OPTIMIZERS = ("SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adadelta", "Adamax")
SCHEDULES = [
    ("StepLR", {"step_size": 2}),
    ("MultiStepLR", {"milestones": [2, 4, 4]}),
    ("LambdaLR", {"lr_lambda": lambda step: 0.9**step}),
    ("LinearLR", {"total_iters": 5}),
    ("CosineAnnealingLR", {"T_max": 9}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}),
]


@pytest.mark.parametrize(
    ("optimizer", "schedule", "options"),
    [(optimizer, "ExponentialLR", {"gamma": 0.9}) for optimizer in OPTIMIZERS]
    + [("SGD", *schedule) for schedule in SCHEDULES],
)
def test_training_goes_on_from_a_checkpoint_of_pytorch(tmp_path, optimizer, schedule, options):
    torch = pytest.importorskip("torch")

    def start(framework):
        model = framework.nn.Linear(3, 1)
        rule = getattr(framework.optim, optimizer)(model.parameters(), lr=0.1)
        rule.param_groups[0]["momentum"] = 0.9  # where there is one
        return [model, rule, getattr(framework.optim.lr_scheduler, schedule)(rule, **options)]

    def train(framework, parts):
        model, rule, plan = parts
        for number in range(3):
            rule.zero_grad()
            model(framework.tensor([[1.0, -2.0, number]])).square().sum().backward()
            rule.step()
            plan.step()
        return [*model.weight.detach().flatten().tolist(), *plan.get_last_lr()]

    there, here = start(torch), start(tinygrad_cnn)
    train(torch, there)
    torch.save({"parts": [part.state_dict() for part in there]}, tmp_path / "run.pt")
    for part, state in zip(here, load(tmp_path / "run.pt")["parts"], strict=True):
        part.load_state_dict(state)
    assert train(tinygrad_cnn, here) == pytest.approx(train(torch, there), rel=1e-4)


def test_a_pickled_module_of_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "torch.nn.modules.linear.Linear")
    torch.save({}, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    refused(tmp_path / "model.pt", "convert it with PyTorch")
