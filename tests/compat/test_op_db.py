"""Every operation against PyTorch, on the inputs that PyTorch publishes for its own tests.

What is compared is derived: an entry of PyTorch's `op_db` whose name is also one of ours. Each of
its samples goes through both, and value, gradient and double gradient must agree; each of its
error inputs must raise a clear exception. What differs on purpose stands in `differences.py`.
"""

from __future__ import annotations

import random
import re
import warnings
from collections import Counter

import hypothesis
import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.compat.differences import DIFFERS, ERRORS_DIFFER

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest")  # PyTorch's test helpers import it

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_methods_invocations import op_db

hypothesis.settings.load_profile("same")  # PyTorch's test helpers load one of theirs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # where PyTorch warns, we do

MOST = 25  # samples of one operation and dtype
CLEAR = (TypeError, ValueError, IndexError, RuntimeError)


class NoCounterpartError(Exception):
    """A sample asks for something that the package has no notion of."""


def ours(name):
    """Return what PyTorch calls `name`, if there is such a thing in the package."""
    if name == "nn.functional.embedding":  # its samples begin with the weight
        return lambda weight, input, **kwargs: tg.nn.functional.embedding(input, weight, **kwargs)
    for prefix, module in (("nn.functional.", tg.nn.functional), ("linalg.", tg.linalg)):
        if name.startswith(prefix):
            return getattr(module, name.removeprefix(prefix), None)
    if name == "where":  # its samples begin with the tensor, not with the condition
        return tg.Tensor.where
    if name == "einsum":  # its samples begin with the tensors, not with the equation
        return lambda tensors, equation: tg.einsum(equation, tensors)
    function = getattr(tg, name, None) or getattr(tg.Tensor, name, None)
    return function.fget if isinstance(function, property) else function


ENTRIES = {entry.full_name: entry for entry in op_db if callable(ours(entry.name))}


def is_random(entry):
    """Return whether the values are drawn, or memory as it was found."""
    names = getattr(getattr(entry.op, "__code__", None), "co_names", ())
    return entry.has_nondeterministic_output or "wrapper_set_seed" in names


def dtypes_of(entry):
    floats = [d for d in (torch.float64, torch.float32) if entry.supports_dtype(d, "cpu")]
    return floats or [d for d in (torch.int64, torch.bool) if entry.supports_dtype(d, "cpu")][:1]


def samples_of(entry, dtype):
    """Yield at most `MOST` samples, spaced evenly."""
    seed()
    wants_grad = entry.supports_autograd and dtype.is_floating_point
    samples = list(entry.sample_inputs("cpu", dtype, requires_grad=wants_grad))
    count = min(len(samples), MOST)
    for i in range(count):
        yield samples[i * len(samples) // count]


def seed():
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002  (PyTorch's samples draw from it)
    torch.manual_seed(0)


def convert(value, leaves):
    """Return the counterpart of an argument; tensors that require grad join `leaves`."""
    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_complex() or value.dtype == torch.bfloat16:
            raise NoCounterpartError(f"{value.layout} of {value.dtype}")
        if value.ndim > 64:
            raise NoCounterpartError("more dimensions than NumPy has")
        tensor = tg.Tensor(value.detach().numpy(), requires_grad=value.requires_grad)
        if value.requires_grad:
            leaves.append((value, tensor))
        return tensor
    if isinstance(value, torch.dtype):
        if value.is_complex or value == torch.bfloat16:
            raise NoCounterpartError(str(value))
        return torch.empty(0, dtype=value).numpy().dtype
    if isinstance(value, torch.memory_format):
        return str(value)  # taken, and without effect
    if isinstance(value, torch.nn.PairwiseDistance):
        return tg.nn.PairwiseDistance(value.norm, value.eps, value.keepdim)
    foreign = (torch.layout, torch.device, torch.Generator, torch.nn.Module, complex)
    if isinstance(value, foreign):
        raise NoCounterpartError(type(value).__name__)
    if isinstance(value, torch.Size):
        return tuple(value)
    if isinstance(value, (list, tuple)):
        return type(value)([convert(item, leaves) for item in value])
    if isinstance(value, dict):
        return {key: convert(item, leaves) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*convert((value.start, value.stop, value.step), leaves))
    return value


def arguments_of(sample):
    """Return (args, kwargs, pairs of leaves) for ours. That all is on the CPU goes without saying."""
    leaves: list = []
    kwargs = dict(sample.kwargs)
    if str(kwargs.pop("device", "cpu")) != "cpu":
        raise NoCounterpartError("device")
    if kwargs.pop("layout", torch.strided) is not torch.strided:
        raise NoCounterpartError("layout")
    if kwargs.pop("pin_memory", False):
        raise NoCounterpartError("pin_memory")
    args = convert([sample.input, *sample.args], leaves)
    return args, convert(kwargs, leaves), leaves


def flat(value):
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flat(item)]
    return [value]


def array_of(value):
    if isinstance(value, torch.Tensor):
        return value.numpy(force=True)
    return value.detach().numpy() if isinstance(value, tg.Tensor) else np.asarray(value)


def difference(what, got, expected, only_kind=False):
    """Say how two lists of results differ; None where they do not."""
    got, expected = flat(got), flat(expected)
    if len(got) != len(expected):
        return f"{what}: {len(got)} results, expected {len(expected)}"
    for a, b in zip(got, expected, strict=True):
        if isinstance(a, tg.Tensor) is not isinstance(b, torch.Tensor):
            return f"{what}: a {type(a).__name__}, expected a {type(b).__name__}"
        a, b = array_of(a), array_of(b)
        if a.dtype != b.dtype:
            return f"{what}: {a.dtype}, expected {b.dtype}"
        if a.shape != b.shape:
            return f"{what}: shape {a.shape}, expected {b.shape}"
        if only_kind or not b.size:
            continue
        if b.dtype.kind != "f":
            if (a != b).any():
                return f"{what}: other values"
            continue
        tolerance = 1e-7 if b.dtype == np.float64 else 2e-4
        scale = max(1.0, np.max(np.abs(b), where=np.isfinite(b), initial=0))
        if not np.allclose(a, b, tolerance, tolerance * scale, equal_nan=True):
            return f"{what}: other values"
    return None


def differentiable(results):
    return [r for r in flat(results) if getattr(r, "requires_grad", False)]


def gradients(theirs, mine, leaves):
    """Return (PyTorch's, ours): the gradients of `leaves`, and the cotangents, as pairs."""
    theirs, mine = differentiable(theirs), differentiable(mine)
    draw = np.random.default_rng(0)
    cotangents = []
    for result in theirs:
        values = np.asarray(draw.standard_normal(tuple(result.shape)), dtype=array_of(result).dtype)
        cotangents.append(
            (torch.tensor(values, requires_grad=True), tg.Tensor(values, requires_grad=True))
        )
    options = {"create_graph": True, "allow_unused": True}
    expected = torch.autograd.grad(
        theirs, [leaf for leaf, _ in leaves], [c for c, _ in cotangents], **options
    )
    got = tg.autograd.grad(mine, [leaf for _, leaf in leaves], [c for _, c in cotangents], **options)
    pairs = [
        (torch.zeros_like(leaf) if g is None else g, tg.zeros_like(other) if h is None else h)
        for (leaf, other), g, h in zip(leaves, expected, got, strict=True)
    ]
    return pairs, cotangents


def compare(entry, sample):
    """Run one sample through both and say how they differ; None where they do not."""
    args, kwargs, leaves = arguments_of(sample)
    # as in PyTorch's own gradient tests: of inputs made symmetric, of vectors up to their signs
    call, made = entry.gradcheck_wrapper, sample.output_process_fn_grad
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = made(call(entry.op, sample.input, *sample.args, **sample.kwargs))
    if entry.name.endswith("_"):
        args[0] = args[0].clone()
    try:
        mine = made(call(ours(entry.name), *args, **kwargs))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    drawn = is_random(entry)
    if (found := difference("value", mine, theirs, only_kind=drawn)) or drawn:
        return found
    if len(differentiable(theirs)) != len(differentiable(mine)):
        return "gradient: other outputs carry one"
    if not leaves or not differentiable(theirs):
        return None
    try:
        pairs, cotangents = gradients(theirs, mine, leaves)
        expected, got = zip(*pairs, strict=True)
        if found := difference("gradient", got, expected):
            return found
        if not entry.supports_gradgrad or not differentiable(expected):
            return None
        if not differentiable(got):
            got = [g + 0 * leaf for g, (_, leaf) in zip(got, leaves, strict=True)]
        both = [(g, h) for g, h in zip(expected, got, strict=True) if g.requires_grad]
        got = [h if h.requires_grad else h + 0 * cotangents[0][1].sum() for _, h in both]
        pairs, _ = gradients([g for g, _ in both], got, leaves + cotangents)
        expected, got = zip(*pairs, strict=True)
        return difference("double gradient", got, expected)
    except Exception as error:
        return f"gradient: {type(error).__name__}: {error}"


def unexplained(failures, table, name):
    """Check `failures` against the entries for `name`: each explained, and no entry stale."""
    patterns = [pattern for known, pattern, _ in table if known == name]
    for pattern in patterns:
        assert any(re.search(pattern, failure) for failure in failures), f"stale: {pattern}"
    return [f for f in failures if not any(re.search(pattern, f) for pattern in patterns)]


@pytest.mark.parametrize("name", ENTRIES)
def test_samples_agree(name):
    failures, skipped, total = [], Counter(), 0
    for dtype in dtypes_of(ENTRIES[name]):
        for sample in samples_of(ENTRIES[name], dtype):
            total += 1
            try:
                found = compare(ENTRIES[name], sample)
            except NoCounterpartError as reason:
                skipped[str(reason)] += 1
                continue
            if found is not None:
                failures.append(f"{found}\n    for {sample.summary()}")
    assert unexplained(failures, DIFFERS, name) == []
    assert skipped.total() <= 0.7 * total, skipped


@pytest.mark.parametrize("name", [name for name in ENTRIES if ENTRIES[name].error_inputs_func])
def test_error_inputs_raise_a_clear_exception(name):
    failures = []
    for case in ENTRIES[name].error_inputs("cpu"):
        try:
            args, kwargs, _ = arguments_of(case.sample_input)
        except NoCounterpartError:
            continue
        try:
            ours(ENTRIES[name].name)(*args, **kwargs)
        except CLEAR:
            continue
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        else:
            if case.error_type is Exception and int in map(type, args[:2]):
                continue  # a number is taken wherever a tensor is
            found = "no exception"
        failures.append(f"{found}\n    for {case.sample_input.summary()}\n    {case.error_regex}")
    assert unexplained(failures, ERRORS_DIFFER, name) == []


def test_what_differs_is_about_known_entries():
    named = {name for name, _, _ in DIFFERS + ERRORS_DIFFER}
    assert named <= {entry.full_name for entry in op_db}
