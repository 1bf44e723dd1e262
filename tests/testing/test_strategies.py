"""Strategies draw what they say, and nothing that must be thrown away."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings, strategies as st

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn.core.op import registry
from tinygrad_cnn.testing import (
    Draw,
    GradcheckError,
    fuzz_gradients,
    gradcheck,
    gradgradcheck,
    strategies,
)

LAYOUTS = ["C", "F", "sliced", "reversed", "readonly", "broadcast"]


# -- arrays ------------------------------------------------------------------------------------


@given(strategies.arrays(strategies.shapes(0, 4, min_side=0)))
def test_arrays_of_all_shapes(x):
    assert x.ndim <= 4
    assert all(side <= 3 for side in x.shape)
    assert x.dtype == np.float64
    assert (abs(x) <= 2).all()


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 1, 3)])
def test_each_of_these_shapes_is_found(shape):
    assert find(strategies.shapes(min_side=0), lambda s: s == shape) == shape


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_layouts(layout, data):
    drawn = data.draw(strategies.arrays((3, 2), layouts=[layout]))
    assert drawn.shape == (3, 2)
    assert drawn.flags.c_contiguous == (layout in ("C", "readonly"))
    assert drawn.flags.f_contiguous == (layout == "F")
    assert drawn.flags.writeable == (layout not in ("readonly", "broadcast"))
    assert all(stride < 0 for stride in drawn.strides) == (layout == "reversed")
    assert (0 in drawn.strides) == (layout == "broadcast")


@given(strategies.arrays(strategies.shapes(min_side=0), layouts=LAYOUTS))
def test_every_shape_comes_in_every_layout(x):
    assert x.shape == (x * 1).shape


@given(strategies.arrays(dtype=st.sampled_from(["float32", "int8", "uint8", "bool"]), low=0.5))
def test_dtypes(x):
    assert x.dtype in ("float32", "int8", "uint8", "bool")
    if x.dtype != bool:
        assert ((x >= 0.5) & (x <= 2)).all()


@given(
    kinks=st.lists(st.floats(-3, 3), max_size=3), distinct=st.booleans(), seed=st.integers(0, 2**32)
)
def test_kinks_are_avoided_within_the_range(kinks, distinct, seed):
    x = Draw.from_seed(seed).array((3, 4), -2, 2, avoid=kinks, distinct=distinct)
    assert ((x >= -2) & (x <= 2)).all()
    assert all((abs(x - kink) > 0.05 - 1e-12).all() for kink in kinks)
    if distinct:
        assert np.diff(np.sort(x, axis=None)).min() > 0.2


@given(seed=st.integers(0, 2**32))
def test_values_on_both_sides_of_a_kink(seed):
    x = Draw.from_seed(seed).array((100,), avoid=[0])
    assert 20 < (x > 0).sum() < 80
    assert abs(abs(x).mean() - 1.025) < 0.3


def test_a_range_that_is_nothing_but_kink():
    with pytest.raises(ValueError, match=r"values in \[0.0, 0.1\] cannot avoid \[0.05\]"):
        Draw.from_seed(0).array((2,), 0.0, 0.1, avoid=[0.05])


@given(seed=st.integers(0, 2**32))
def test_distinct_integers(seed):
    x = Draw.from_seed(seed).array((5,), -2, 2, dtype=np.int16, distinct=True)
    assert sorted(x.tolist()) == [-2, -1, 0, 1, 2]
    assert x.dtype == np.int16


@given(strategies.tensors(dtype=st.sampled_from(["float32", "int64"])), strategies.tensors(low=1))
def test_tensors(x, y):
    assert x.requires_grad == (x.dtype == tg.float32)
    assert y.dtype == tg.float64
    assert (y >= 1).all()


def test_tensors_that_need_no_gradient():
    find(strategies.tensors(requires_grad=False), lambda x: not x.requires_grad)


@given(strategies.broadcastable("x", "y", "z", distinct=True, dtype=np.float32))
def test_broadcastable(group):
    assert list(group) == ["x", "y", "z"]
    np.broadcast_shapes(*(x.shape for x in group.values()))
    assert all(x.dtype == np.float32 and len(np.unique(x)) == x.size for x in group.values())


@given(strategies.probabilities())
def test_probabilities(p):
    assert (p > 0).all()
    np.testing.assert_allclose(p.sum(-1), 1)


@given(strategies.labels(st.integers(1, 4)), strategies.labels(3, (2, 2), one_hot=True))
def test_labels(numbers, one_hot):
    assert numbers.dtype == np.int64
    assert ((numbers >= 0) & (numbers < 4)).all()
    assert one_hot.shape == (2, 2, 3)
    assert (np.sort(one_hot) == [0, 0, 1]).all()


@given(strategies.permutations(st.integers(0, 5)))
def test_permutations(order):
    assert sorted(order) == list(range(len(order)))


@given(strategies.orthogonal(strategies.shapes(2, 4)))
def test_orthogonal(q):
    tall = q if q.shape[-2] >= q.shape[-1] else q.mT
    expected = np.broadcast_to(np.eye(tall.shape[-1]), (tall.mT @ tall).shape)
    np.testing.assert_allclose(tall.mT @ tall, expected, atol=1e-12)


@given(strategies.positive_definite())
def test_positive_definite(a):
    assert (a == a.mT).all()
    values = np.linalg.eigvalsh(a)
    assert (values > 0.69).all()
    assert (np.diff(values) > 0.39).all()


def test_the_simplest_example_is_small():
    assert find(strategies.arrays(), lambda x: True).shape == ()
    assert find(strategies.arrays(), lambda x: x.ndim == 2).shape == (1, 1)
    assert find(strategies.arrays(layouts=LAYOUTS), lambda x: x.size > 3).flags.c_contiguous


# -- arguments that belong together ------------------------------------------------------------


def options_of(strategy, names, count=300):
    """Return the values of each option, the largest of a tuple; none may be thrown away."""
    drawn = []

    @settings(max_examples=count)
    @given(strategy)
    def look(arguments):
        drawn.append(arguments)

    look()
    assert len(drawn) == count
    return {
        name: {x if name == "padding" else int(np.max(x)) for x in (a[name] for a in drawn)}
        for name in names
    }


@pytest.mark.parametrize("dims", [1, 2, 3])
@given(data=st.data())
def test_convolutions_are_valid(dims, data):
    arguments = data.draw(strategies.convolutions(dims))
    assert getattr(F, f"conv{dims}d")(**arguments).size > 0


@pytest.mark.parametrize("dims", [1, 2, 3])
@given(data=st.data())
def test_transposed_convolutions_are_valid(dims, data):
    arguments = data.draw(strategies.transposed_convolutions(dims))
    assert getattr(F, f"conv_transpose{dims}d")(**arguments).size > 0


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
@given(data=st.data())
def test_poolings_are_valid(kind, dims, data):
    arguments = data.draw(strategies.poolings(kind, dims))
    assert getattr(F, f"{kind}_pool{dims}d")(**arguments).size > 0


def test_convolutions_have_all_options():
    seen = options_of(strategies.convolutions(), ["stride", "padding", "dilation", "groups"])
    assert len(seen["padding"]) == 5
    assert {1, 2} <= seen["stride"]
    assert seen["dilation"] == {1, 2}
    assert seen["groups"] == {1, 2, 3}


def test_transposed_convolutions_have_all_options():
    names = ["stride", "dilation", "output_padding", "groups"]
    seen = options_of(strategies.transposed_convolutions(), names)
    assert seen["stride"] == seen["dilation"] == {1, 2, 3}
    assert seen["output_padding"] == {0, 1, 2}
    assert seen["groups"] == {1, 2}


def test_poolings_have_all_options():
    names = ["kernel_size", "stride", "dilation", "ceil_mode"]
    seen = options_of(strategies.poolings(), names)
    assert all(len(values) >= 2 for values in seen.values())


@given(strategies.poolings())
def test_maxima_have_no_ties(arguments):
    x = arguments["input"]
    assert len(np.unique(x)) == x.size


@fuzz_gradients(strategies.transposed_convolutions(1), examples=20)
def test_conv_transpose1d(input, weight, bias, **options):
    return F.conv_transpose1d(input, weight, bias, **options)


@pytest.mark.parametrize("name", ["mul", "cat", "max_pool2d", "nll_loss"])
@given(data=st.data())
def test_arguments_of_an_operation(name, data):
    arguments = data.draw(strategies.arguments(registry[name]))
    assert tuple(arguments) == registry[name].parameters
    registry[name](**arguments)


def test_arguments_of_an_operation_without_sampler():
    @tg.op(name="under_test")
    def twice(x):
        return x * 2

    with pytest.raises(LookupError, match="under_test: no sampler"):
        find(strategies.arguments(twice), lambda _: True)


# -- networks ----------------------------------------------------------------------------------


@settings(max_examples=25)
@given(strategies.networks())
def test_networks_agree_with_differences_to_second_order(network):
    module, x = network

    def run(x, *_):
        return module(x)

    assert gradcheck(run, (x, *module.parameters()), fast_mode=True)
    assert gradgradcheck(run, (x, *module.parameters()), fast_mode=True)


def test_networks_have_many_kinds_of_layers():
    kinds = Counter()

    @settings(max_examples=100)
    @given(strategies.networks())
    def look(network):
        module, x = network
        assert x.requires_grad
        assert x.dtype == module(x).dtype == tg.float64
        kinds.update({type(layer).__name__ for layer in module})

    look()
    assert len(kinds) >= 12


def test_a_broken_layer_is_noticed(monkeypatch):
    conv = registry["conv2d"]
    (rule,) = [rule for rule in conv.rules if "bias" in rule.inputs]
    right = rule.function
    monkeypatch.setattr(rule, "function", lambda *kept: right(*kept) * 2)
    monkeypatch.setattr(conv, "_plans", {})

    @settings(phases=[Phase.generate], report_multiple_bugs=False)
    @given(strategies.networks())
    def look(network):
        module, x = network
        assert gradcheck(lambda x, *_: module(x), (x, *module.parameters()), fast_mode=True)

    with pytest.raises(GradcheckError, match="it is 2 times what it should be"):
        look()
