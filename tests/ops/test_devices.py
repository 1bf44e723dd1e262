"""Devices: their names, and that there is only the CPU."""

from __future__ import annotations

import pytest

import tinygrad_cnn as tg


def test_names():
    assert tg.device("cpu") == tg.device(tg.device("cpu")) != tg.device("cuda")
    assert {tg.device("cpu"), tg.device("cpu")} == {tg.device("cpu")}
    one, other = tg.device("cuda:1"), tg.device("cuda", 1)
    assert one == other
    assert (one.type, one.index, str(one), repr(one)) == (
        "cuda", 1, "cuda:1", "device(type='cuda', index=1)",
    )  # fmt: skip
    assert (str(tg.device("cpu")), tg.device("cpu").index) == ("cpu", None)
    assert tg.device("cpu") != "cpu"


@pytest.mark.parametrize("wrong", ["toaster", "cpu:", "cpu:x", "", 3, None])
def test_wrong_names(wrong):
    with pytest.raises(RuntimeError, match="device: expected one of cpu"):
        tg.device(wrong)
    with pytest.raises(RuntimeError, match="got 'cuda:1'"):
        tg.device("cuda:1", 1)


def test_tensors_are_on_the_cpu():
    x = tg.ones(2)
    assert x.device == tg.get_default_device() == tg.device("cpu")
    assert not x.is_cuda
    for device in ("cpu", "cpu:0", tg.device("cpu")):
        assert x.to(device) is x.to(device=device, non_blocking=True) is x
        assert x.to(device, tg.float64).dtype == tg.float64
    for device in ("cuda", tg.device("cuda:0")):
        with pytest.raises(RuntimeError, match="to: every tensor is on the CPU, got device 'cuda"):
            x.to(device)
    with pytest.raises(RuntimeError, match="there is no GPU support"):
        x.cuda()
    assert not tg.cuda.is_available()
    assert tg.cuda.device_count() == 0


def test_memory_formats_and_limits_of_dtypes_are_known():
    x = tg.randn(1, 2, 3, 3).to(memory_format=tg.channels_last)
    assert x.contiguous(memory_format=tg.contiguous_format).shape == (1, 2, 3, 3)
    assert tg.nn.Conv2d(2, 1, 1).to(memory_format=tg.channels_last)(x).shape == (1, 1, 3, 3)
    assert tg.finfo(tg.float32).eps == 2**-23
    assert tg.iinfo(tg.int8).max == 127
    with pytest.raises(RuntimeError, match="cuda"):
        tg.nn.Linear(1, 1).cuda()
