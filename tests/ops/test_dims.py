"""What is no tensor is refused by each function, in its own name."""

from __future__ import annotations

import inspect

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn.nn import functional

FILES = ["reduce", "extrema", "scan", "counting", "indexing", "along_dim", "shape", "joining", "diagonals", "padding"]
FUNCTIONS = {
    name: function
    for module in (functional, tg)
    for name, function in vars(module).items()
    if inspect.isfunction(function)
    and function.__module__ in [f"tinygrad_cnn.ops.{file}" for file in FILES]
}
"""Those that are no operation themselves, which would check its inputs."""


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("bad", ["text", None, [1.0]], ids=lambda bad: type(bad).__name__)
def test_what_is_no_tensor_is_refused(name, bad):
    _, *rest = inspect.signature(FUNCTIONS[name]).parameters.values()
    needed = [0 for p in rest if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    with pytest.raises(TypeError, match=r"^\w+: [\w\[\]]+ must be a (sequence of )?Tensor"):
        FUNCTIONS[name](bad, *needed)


@pytest.mark.parametrize("call", [tg.sum, tg.prod, tg.cumsum, tg.flip])
@pytest.mark.parametrize("bad", [None, 3])
def test_so_does_an_operation_that_needs_an_array(call, bad):
    with pytest.raises(TypeError, match=f"^{call.__name__}: input must be a Tensor, got {type(bad).__name__}"):
        call(bad, 0)


def test_the_message_names_function_argument_and_type():
    for call, message in (
        (lambda: tg.max("x"), "max: input must be a Tensor, got str"),
        (lambda: tg.hstack([tg.ones(2), 3]), r"hstack: tensors\[1\] must be a Tensor, got int"),
        (lambda: tg.masked_fill(tg.ones(2), [True, False], 1), "masked_fill: mask must be a Tensor, got list"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_the_functions_are_found():
    assert {"sum", "max", "flatten", "hstack", "scatter", "one_hot", "pad"} <= FUNCTIONS.keys()
