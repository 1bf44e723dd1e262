"""Hooks of modules: on forward, on backward, and on the state."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class Both(nn.Module):
    """Two inputs, two outputs."""

    def forward(self, x, y, scale=1.0):
        return x * y * scale, x + y


def test_forward_hooks_with_keyword_arguments_and_at_the_front():
    seen = []
    module = Both()
    module.register_forward_hook(lambda m, args, out: seen.append("second"))
    module.register_forward_hook(lambda m, args, out: seen.append("first"), prepend=True)
    module.register_forward_hook(
        lambda m, args, kwargs, out: seen.append((len(args), kwargs)), with_kwargs=True
    )
    module.register_forward_pre_hook(
        lambda m, args, kwargs: (args[::-1], {"scale": 3.0}), with_kwargs=True
    )
    product, _ = module(tg.tensor(2.0), tg.tensor(5.0), scale=1.0)
    assert product.item() == 30
    assert seen == ["first", "second", (2, {"scale": 3.0})]


def run_backward_hooks(lib):
    """Return what the hooks saw, and the gradients; for this package or for PyTorch."""
    seen = []
    layer = lib.nn.Linear(2, 2, bias=False)
    with lib.no_grad():
        layer.weight.copy_(lib.tensor([[1.0, 2.0], [3.0, 4.0]]))

    def note(name, *gradients):
        seen.append((name, [None if g is None else g.tolist() for g in gradients]))

    layer.register_full_backward_hook(lambda m, gi, go: note("hook", *gi, *go))
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10,))
    layer.register_full_backward_hook(lambda m, gi, go: note("after", *gi, *go))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 2,))
    x = lib.tensor([[1.0, 1.0]], requires_grad=True)
    h = x * 1
    (layer(h).sum() + h.sum()).backward()  # h is used outside of the layer, too
    return seen, x.grad.tolist(), layer.weight.grad.tolist()


def test_backward_hooks_see_and_replace_what_passes_through_the_module():
    assert run_backward_hooks(tg) == (
        [("hook", [[[8, 12]], [[2, 2]]]), ("after", [[[80, 120]], [[2, 2]]])],
        [[81, 121]],
        [[2, 2], [2, 2]],
    )


def test_backward_hooks_agree_with_pytorch():
    torch = pytest.importorskip("torch")
    assert run_backward_hooks(tg) == run_backward_hooks(torch)


def test_backward_hooks_of_several_inputs_and_outputs():
    seen = []
    module = Both()
    handle = module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    x = tg.tensor(2.0, requires_grad=True)
    module(x, tg.tensor(5.0))[0].backward()
    ((gx, gy), (first, second)) = seen.pop()
    assert (gx.item(), gy, first.item(), second) == (5, None, 1, None)
    handle.remove()
    module(x, tg.tensor(5.0))[0].backward()
    assert seen == []


def test_without_a_gradient_of_the_inputs_the_hook_still_sees_the_outputs():
    seen = []
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].tolist())))
    layer(tg.ones(3, 2)).sum().backward()
    assert seen == [((None,), [[1], [1], [1]])]
    with tg.no_grad():
        layer(tg.ones(3, 2))


def test_backward_hooks_in_the_second_order():
    """The hook is called for the first derivative only, though the second passes the inputs, too."""
    layer = nn.Tanh()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0] * 3,))
    x = tg.tensor(0.5, requires_grad=True, dtype=tg.float64)
    (first,) = tg.autograd.grad(layer(x), x, create_graph=True)
    (second,) = tg.autograd.grad(first, x)
    t = np.tanh(0.5)
    assert first.item() == pytest.approx(3 * (1 - t * t))
    assert second.item() == pytest.approx(3 * -2 * t * (1 - t * t))


def test_what_backward_hooks_cannot_do():
    class Named(nn.Module):
        def forward(self, x):
            return {"out": x}

    module = Named()
    module.register_full_backward_hook(lambda m, gi, go: None)
    with pytest.raises(TypeError, match="Named: full backward hooks need a forward that returns a"):
        module(tg.ones(1, requires_grad=True))
    layer = nn.ReLU()
    layer.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]))
    with pytest.raises(RuntimeError, match="backward hook: returned 2 gradients, expected 1"):
        layer(tg.ones(1, requires_grad=True)).backward()


def test_state_dict_hooks():
    seen = []
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    net[0].register_state_dict_pre_hook(lambda m, prefix, keep: seen.append((prefix, keep)))
    net[0].register_state_dict_post_hook(
        lambda m, state, prefix, metadata: state.update({prefix + "extra": tg.ones(1)})
    )
    assert list(net.state_dict()) == ["0.weight", "0.extra"]
    assert seen == [("0.", False)]


def test_load_state_dict_hooks_rename_and_forgive():
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    given = {"0.old": tg.tensor([[7.0]]), "0.junk": tg.ones(1)}

    def rename(module, state, prefix, *rest):
        state[prefix + "weight"] = state.pop(prefix + "old")

    net[0].register_load_state_dict_pre_hook(rename)
    net.register_load_state_dict_post_hook(lambda module, keys: keys.unexpected_keys.clear())
    net.load_state_dict(given)
    assert net[0].weight.item() == 7
    assert list(given) == ["0.old", "0.junk"]


class Renamed(nn.Linear):
    """Written for PyTorch: a second version, whose first had another name."""

    _version = 2

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        if local_metadata.get("version", 1) < 2:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


def test_a_module_that_loads_an_older_version():
    net = nn.Sequential(Renamed(1, 1, bias=False), nn.Linear(1, 2))
    state = dict(net.state_dict())
    old = {"0.kernel": tg.tensor([[3.0]]), **{k: v for k, v in state.items() if k[0] == "1"}}
    net.load_state_dict(old)
    assert net[0].weight.item() == 3
    net.load_state_dict(net.state_dict())  # knows its version
    old["1.weight"] = tg.ones(3, 3)
    old["0.kernel"] = tg.tensor([[9.0]])
    with pytest.raises(RuntimeError, match=r"1\.weight: the shape is \(3, 3\)"):
        net.load_state_dict(old)
    assert net[0].weight.item() == 3


def test_a_module_that_saves_otherwise():
    class Counted(nn.Linear):
        def _save_to_state_dict(self, destination, prefix, keep_vars):
            super()._save_to_state_dict(destination, prefix, keep_vars)
            destination[prefix + "count"] = tg.tensor(1)

    assert list(nn.Sequential(Counted(1, 1)).state_dict()) == ["0.weight", "0.bias", "0.count"]
