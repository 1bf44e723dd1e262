"""`Module`: what it registers, how it is called, its state, and the paths in the graph."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.nn import functional as F


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(Block(), nn.MaxPool2d(2))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def empty_module() -> nn.Module:
    return nn.Module()


def names(pairs) -> list[str]:
    return [name for name, _ in pairs]


NET_STATE = [
    "features.0.conv.weight",
    "features.0.conv.bias",
    "features.0.bn.weight",
    "features.0.bn.bias",
    "features.0.bn.running_mean",
    "features.0.bn.running_var",
    "features.0.bn.num_batches_tracked",
    "head.weight",
    "head.bias",
]


class TestRegistering:
    def test_attributes_by_kind(self) -> None:
        m = empty_module()
        m.w = nn.Parameter(tg.ones(2))
        m.child = nn.ReLU()
        m.plain = tg.ones(3)
        m.number = 4
        m.register_buffer("b", tg.zeros(1))
        assert names(m.named_parameters()) == ["w"]
        assert names(m.named_children()) == ["child"]
        assert names(m.named_buffers()) == ["b"]
        assert m.number == 4
        assert m.plain.shape == (3,)
        assert {"w", "child", "plain", "number", "b", "forward"} <= set(dir(m))

    @pytest.mark.parametrize("kind", ["plain", "parameter", "buffer", "module"])
    @pytest.mark.parametrize("then", ["parameter", "module"])
    def test_a_new_kind_takes_the_place_of_the_old(self, kind: str, then: str) -> None:
        def make(what: str):
            return {
                "plain": 1,
                "parameter": nn.Parameter(tg.ones(1)),
                "buffer": tg.ones(1),
                "module": nn.ReLU(),
            }[what]

        m = empty_module()
        if kind == "buffer":
            m.register_buffer("x", make(kind))
        else:
            m.x = make(kind)
        new = make(then)
        m.x = new
        assert m.x is new
        assert "x" not in vars(m)
        assert names(m.named_parameters()) == (["x"] if then == "parameter" else [])
        assert names(m.named_children()) == (["x"] if then == "module" else [])
        assert names(m.named_buffers()) == []
        assert list(m.state_dict()) == names(m.named_parameters())

    def test_replacing_keeps_the_order(self) -> None:
        m = empty_module()
        m.a, m.b = nn.Parameter(tg.ones(1)), nn.Parameter(tg.ones(1))
        m.c, m.d = nn.ReLU(), nn.Tanh()
        m.a = nn.Parameter(tg.zeros(1))
        m.c = nn.Sigmoid()
        assert names(m.named_parameters()) == ["a", "b"]
        assert names(m.named_children()) == ["c", "d"]

    def test_none_leaves_the_name(self) -> None:
        m = nn.Linear(2, 2)
        m.sub = nn.ReLU()
        m.register_buffer("buf", tg.ones(1))
        m.bias = m.sub = m.buf = None
        assert m.bias is None
        assert m.sub is None
        assert m.buf is None
        assert list(m.state_dict()) == ["weight"]
        assert list(m.modules()) == [m]
        m.bias = nn.Parameter(tg.ones(2))
        m.buf = tg.zeros(1)
        assert list(m.state_dict()) == ["weight", "bias", "buf"]

    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [("weight", tg.ones(2), "Parameter"), ("sub", 3, "Module"), ("buf", 3, "Tensor")],
    )
    def test_wrong_kind_for_a_registered_name(self, name: str, value, expected: str) -> None:
        m = nn.Linear(2, 2)
        m.sub = nn.ReLU()
        m.register_buffer("buf", tg.ones(1))
        with pytest.raises(TypeError, match=f"Linear: '{name}' can be set to a {expected} or None"):
            setattr(m, name, value)

    def test_deleting(self) -> None:
        m = nn.Linear(2, 2)
        m.sub, m.plain = nn.ReLU(), 1
        m.register_buffer("buf", tg.ones(1), persistent=False)
        for name in ("weight", "sub", "plain", "buf"):
            delattr(m, name)
            assert not hasattr(m, name)
        assert list(m.state_dict()) == ["bias"]
        with pytest.raises(AttributeError, match="weight"):
            del m.weight
        m.register_buffer("buf", tg.ones(1))
        assert list(m.state_dict()) == ["bias", "buf"]

    @pytest.mark.parametrize("value", [nn.Parameter(tg.ones(1)), nn.ReLU()])
    def test_before_super_init(self, value) -> None:
        class Early(nn.Module):
            def __init__(self) -> None:
                self.plain = 1
                self.tensor = tg.ones(1)
                self.early = value
                super().__init__()

        with pytest.raises(AttributeError, match=r"Early: call super\(\).__init__\(\) before"):
            Early()

    def test_plain_attributes_before_super_init_stay(self) -> None:
        class Early(nn.Module):
            def __init__(self) -> None:
                self.size = 3
                super().__init__()

        assert Early().size == 3

    def test_missing_attribute(self) -> None:
        with pytest.raises(AttributeError, match="'Linear' object has no attribute 'wieght'"):
            nn.Linear(1, 1).wieght  # noqa: B018

    @pytest.mark.parametrize("what", ["parameter", "buffer", "module"])
    def test_register_errors(self, what: str) -> None:
        m = empty_module()
        m.taken = 1
        register = getattr(m, f"register_{what}")
        for name in ("a.b", "", "taken", "forward"):
            with pytest.raises(KeyError, match=f"register_{what}"):
                register(name, None)
        with pytest.raises(TypeError, match="name must be a str, got int"):
            register(3, None)
        with pytest.raises(TypeError, match="or None, got list"):
            register("fresh", [1])
        register("fresh", None)
        assert m.fresh is None
        assert m.add_module == m.register_module

    def test_a_name_of_the_class_cannot_be_hidden(self) -> None:
        with pytest.raises(KeyError, match="'forward' exists already"):
            empty_module().forward = nn.ReLU()

    def test_persistence_can_change(self) -> None:
        m = empty_module()
        m.register_buffer("b", tg.ones(1), persistent=False)
        assert list(m.state_dict()) == []
        assert names(m.named_buffers()) == ["b"]
        m.register_buffer("b", tg.ones(1))
        assert list(m.state_dict()) == ["b"]

    def test_forward_must_be_defined(self) -> None:
        with pytest.raises(NotImplementedError, match=r"Module: define forward\(\)"):
            empty_module()(1)


class TestWhatItHolds:
    def test_orders(self) -> None:
        net = Net()
        assert names(net.named_modules()) == [
            *("", "features", "features.0", "features.0.conv", "features.0.bn"),
            *("features.1", "head"),
        ]
        assert names(net.named_modules(prefix="net"))[:2] == ["net", "net.features"]
        assert names(net.named_children()) == ["features", "head"]
        assert list(net.children()) == [net.features, net.head]
        parameters = [name for name in NET_STATE if "running" not in name and "num" not in name]
        assert names(net.named_parameters()) == parameters
        assert [id(p) for p in net.parameters()] == [id(p) for _, p in net.named_parameters()]
        assert names(net.named_parameters(recurse=False)) == []
        assert names(net.head.named_parameters(prefix="h")) == ["h.weight", "h.bias"]
        assert names(net.named_buffers()) == [name for name in NET_STATE if name not in parameters]
        assert len(list(net.buffers())) == 3
        assert list(net.buffers(recurse=False)) == []

    def test_shared_things_come_once_but_all_names_are_state(self) -> None:
        m = empty_module()
        m.a = nn.Linear(2, 2)
        m.b = m.a
        m.c = nn.Linear(2, 2)
        m.c.weight = m.a.weight
        assert names(m.named_modules()) == ["", "a", "c"]
        assert names(m.named_children()) == ["a", "c"]
        assert names(m.named_parameters()) == ["a.weight", "a.bias", "c.bias"]
        assert list(m.state_dict()) == [
            *("a.weight", "a.bias", "b.weight", "b.bias", "c.weight", "c.bias"),
        ]

    def test_by_path(self) -> None:
        net = Net()
        assert net.get_submodule("") is net
        assert net.get_submodule("features.0.bn") is net.features[0].bn
        assert net.get_parameter("features.0.conv.bias") is net.features[0].conv.bias
        assert net.get_parameter("head.weight") is net.head.weight
        assert net.get_buffer("features.0.bn.running_var") is net.features[0].bn.running_var
        for get in (net.get_submodule, net.get_parameter, net.get_buffer):
            for path in ("nowhere", "features.7.x", "head.training"):
                with pytest.raises(AttributeError):
                    get(path)
        with pytest.raises(AttributeError, match=r"Sequential has no module '7' \(of 'features.7'"):
            net.get_submodule("features.7")
        with pytest.raises(AttributeError):
            net.get_parameter("features.0.bn.running_var")


class TestChanging:
    def test_apply_is_bottom_up(self) -> None:
        net, order = Net(), []
        assert net.apply(lambda m: order.append(type(m).__name__)) is net
        expected = ["Conv2d", "BatchNorm2d", "Block", "MaxPool2d", "Sequential", "Linear", "Net"]
        assert order == expected

    def test_train_and_eval(self) -> None:
        net = Net()
        assert all(m.training for m in net.modules())
        assert net.eval() is net
        assert not any(m.training for m in net.modules())
        assert net.train() is net
        assert all(m.training for m in net.modules())
        with pytest.raises(ValueError, match="mode must be a bool"):
            net.train("yes")  # type: ignore[arg-type]

    def test_a_child_may_define_its_own_train(self) -> None:
        class Frozen(nn.BatchNorm2d):
            def train(self, mode: bool = True):
                return super().train(False)

        model = nn.Sequential(Frozen(2), nn.ReLU()).train()
        assert [m.training for m in model.modules()] == [True, False, True]

    def test_requires_grad_and_zero_grad(self) -> None:
        net = Net()
        net(tg.randn(2, 1, 4, 4)).sum().backward()
        assert all(p.grad is not None for p in net.parameters())
        held = net.head.weight.grad
        net.zero_grad(set_to_none=False)
        assert net.head.weight.grad is held
        assert all((p.grad == 0).all() for p in net.parameters())
        net.zero_grad()
        net.zero_grad(set_to_none=False)
        assert all(p.grad is None for p in net.parameters())
        assert net.requires_grad_(False) is net
        assert not any(p.requires_grad for p in net.parameters())
        assert not net(tg.zeros(2, 1, 4, 4)).requires_grad
        net.requires_grad_()
        assert all(p.requires_grad for p in net.parameters())

    def test_zero_grad_takes_a_gradient_off_its_graph(self) -> None:
        m = nn.Linear(1, 1, bias=False)
        (m(tg.ones(1, 1)) ** 2).sum().backward(create_graph=True)
        m.zero_grad(set_to_none=False)
        assert m.weight.grad.grad_fn is None
        assert not m.weight.grad.requires_grad
        assert m.weight.grad.item() == 0
        m.weight.grad = tg.ones(1, 1, requires_grad=True)
        m.zero_grad(set_to_none=False)
        assert not m.weight.grad.requires_grad
        assert m.weight.grad.item() == 0

    @pytest.mark.parametrize(
        ("change", "dtype"),
        [
            (lambda m: m.double(), tg.float64),
            (lambda m: m.half(), tg.float16),
            (lambda m: m.float(), tg.float32),
            (lambda m: m.to(tg.float64), tg.float64),
            (lambda m: m.to("cpu", tg.float64), tg.float64),
            (lambda m: m.to(dtype=np.float64), tg.float64),
            (lambda m: m.to(tg.zeros(1, dtype=tg.float16)), tg.float16),
            (lambda m: m.to("cpu"), tg.float32),
            (lambda m: m.to(device="cpu"), tg.float32),
            (lambda m: m.cpu(), tg.float32),
        ],
    )
    def test_dtypes(self, change, dtype: np.dtype) -> None:
        net = Net()
        net(tg.randn(2, 1, 4, 4)).sum().backward()
        before = dict(net.named_parameters())
        assert change(net) is net
        for name, parameter in net.named_parameters():
            assert parameter is before[name]
            assert parameter.dtype == dtype
            assert parameter.grad.dtype == dtype
        bn = net.features[0].bn
        assert bn.running_mean.dtype == dtype
        assert bn.num_batches_tracked.dtype == tg.int64
        net.zero_grad()
        out = net(tg.randn(2, 1, 4, 4).to(dtype))
        assert out.dtype == dtype
        out.sum().backward()
        assert net.head.weight.grad.dtype == dtype

    def test_dtype_errors(self) -> None:
        for model in (nn.Linear(1, 1), nn.ReLU()):
            with pytest.raises(TypeError, match="floating"):
                model.to(tg.int64)
            with pytest.raises(RuntimeError, match="cuda"):
                model.to("cuda")
        assert nn.Linear(1, 1).to("cpu").weight.dtype == tg.float32


class TestState:
    def test_names_order_and_memory(self) -> None:
        net = Net()
        state = net.state_dict()
        assert list(state) == NET_STATE
        assert list(net.head.state_dict(prefix="x.")) == ["x.weight", "x.bias"]
        weight = state["head.weight"]
        assert not weight.requires_grad
        assert type(weight) is tg.Tensor
        weight.fill_(7)
        assert (net.head.weight.data == 7).all()
        assert net.state_dict(keep_vars=True)["head.weight"] is net.head.weight

    def test_round_trip_copies(self) -> None:
        a, b = Net(), Net()
        a(tg.randn(3, 1, 4, 4))
        kept = dict(b.named_parameters())
        assert b.load_state_dict(a.state_dict()) == ([], [])
        for name, value in b.state_dict().items():
            np.testing.assert_array_equal(value.data, a.state_dict()[name].data)
            assert not np.shares_memory(value.data, a.state_dict()[name].data)
        assert dict(b.named_parameters()) == kept
        x = tg.randn(2, 1, 4, 4)
        np.testing.assert_array_equal(a.eval()(x).data, b.eval()(x).data)

    def test_loads_arrays_and_casts(self) -> None:
        m = nn.Linear(2, 1)
        m.load_state_dict({"weight": np.array([[1.0, 2.0]]), "bias": tg.tensor([3])})
        assert m.weight.dtype == tg.float32
        assert m.weight.tolist() == [[1, 2]]
        assert m.bias.tolist() == [3]

    def test_every_problem_in_one_error_and_nothing_changed(self) -> None:
        net = Net()
        before = {name: value.data.copy() for name, value in net.state_dict().items()}
        state = {name: value + 1 for name, value in net.state_dict().items()}
        del state["head.bias"], state["features.0.conv.bias"]
        state["head.extra"] = state["extra"] = tg.ones(1)
        state["head.weight"] = tg.ones(8, 3)
        state["features.0.bn.weight"] = tg.ones(1)
        with pytest.raises(RuntimeError) as error:
            net.load_state_dict(state)
        assert str(error.value).split("\n") == [
            "load_state_dict: cannot load into Net:",
            "  missing: features.0.conv.bias, head.bias",
            "  unexpected: extra, head.extra",
            "  features.0.bn.weight: the shape is (1,), the module has (2,)",
            "  head.weight: the shape is (8, 3), the module has (3, 8)",
        ]
        with pytest.raises(RuntimeError, match=r"head\.weight"):
            net.load_state_dict(state, strict=False)
        for name, value in net.state_dict().items():
            np.testing.assert_array_equal(value.data, before[name])

    def test_not_strict(self) -> None:
        m = nn.Linear(2, 1)
        result = m.load_state_dict({"bias": tg.ones(1), "more": tg.ones(1)}, strict=False)
        assert result.missing_keys == ["weight"]
        assert result.unexpected_keys == ["more"]
        assert m.bias.item() == 1

    def test_a_value_that_is_no_array_changes_nothing(self) -> None:
        m = nn.Linear(2, 1)
        before = m.weight.tolist()
        with pytest.raises(TypeError, match="expected numbers"):
            m.load_state_dict({"weight": tg.ones(1, 2), "bias": "text"})
        assert m.weight.tolist() == before
        with pytest.raises(TypeError, match="expected a mapping, got str"):
            m.load_state_dict("model.pt")

    def test_assign(self) -> None:
        m = nn.Linear(2, 1)
        parameter = m.weight
        given = {"weight": tg.ones(1, 2, dtype=tg.float64), "bias": tg.zeros(1)}
        m.load_state_dict(given, assign=True)
        assert m.weight is parameter
        assert m.weight.requires_grad
        assert np.shares_memory(m.weight.data, given["weight"].data)
        assert m.weight.dtype == tg.float64

    def test_assign_wants_the_kind_of_dtype(self) -> None:
        m = nn.Linear(2, 1)
        with pytest.raises(RuntimeError, match="weight: the dtype is int64, the module has float32"):
            m.load_state_dict({"weight": tg.ones(1, 2).to(tg.int64), "bias": tg.zeros(1)}, assign=True)
        assert m.weight.dtype == tg.float32

    def test_loading_counts_as_a_change_in_place(self) -> None:
        m = nn.Linear(2, 2)
        x = tg.ones(1, 2, requires_grad=True)
        out = m(x).sum()
        m.load_state_dict(m.state_dict())
        with pytest.raises(RuntimeError, match="changed"):
            out.backward()


class TestHooks:
    def test_order_arguments_and_replacement(self) -> None:
        m, calls = nn.Identity(), []

        def pre(label, result):
            def hook(module, args):
                calls.append((label, module is m, args))
                return result

            return hook

        def post(label, result):
            def hook(module, args, output):
                calls.append((label, module is m, args, output))
                return result

            return hook

        m.register_forward_pre_hook(pre("a", None))
        m.register_forward_pre_hook(pre("b", 2))
        m.register_forward_pre_hook(pre("c", (3,)))
        m.register_forward_hook(post("d", None))
        m.register_forward_hook(post("e", 4))
        m.register_forward_hook(post("f", None))
        assert m(1) == 4
        assert calls == [
            *(("a", True, (1,)), ("b", True, (1,)), ("c", True, (2,))),
            *(("d", True, (3,), 3), ("e", True, (3,), 3), ("f", True, (3,), 4)),
        ]

    def test_removal(self) -> None:
        m = nn.Identity()
        double = m.register_forward_hook(lambda module, args, out: 2 * out)
        plus = m.register_forward_hook(lambda module, args, out: out + 1)
        with m.register_forward_pre_hook(lambda module, args: (args[0] + 10,)):
            assert m(1) == 23
        assert m(1) == 3
        double.remove()
        double.remove()
        assert m(1) == 2
        plus.remove()
        assert m(1) == 1

    def test_a_hook_may_remove_itself(self) -> None:
        m, seen = nn.Identity(), []

        def once(module, args, out):
            seen.append(out)
            handle.remove()

        handle = m.register_forward_hook(once)
        m(1)
        m(2)
        assert seen == [1]

    def test_the_same_hook_twice(self) -> None:
        m = nn.Identity()

        def plus(module, args, out):
            return out + 1

        first = m.register_forward_hook(plus)
        m.register_forward_hook(plus)
        assert m(0) == 2
        first.remove()
        assert m(0) == 1


class TestCopies:
    @pytest.mark.parametrize(
        "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
    )
    def test_independent_and_equal(self, copied) -> None:
        net = Net()
        x = tg.randn(2, 1, 4, 4)
        net(x)
        net.head.bias.requires_grad_(False)
        net.eval()
        twin = copied(net)
        assert repr(twin) == repr(net)
        assert not any(m.training for m in twin.modules())
        assert list(twin.state_dict()) == NET_STATE
        for mine, its in zip(net.state_dict().values(), twin.state_dict().values(), strict=True):
            np.testing.assert_array_equal(mine.data, its.data)
            assert not np.shares_memory(mine.data, its.data)
        assert all(type(p) is nn.Parameter for p in twin.parameters())
        assert twin.head.weight.requires_grad
        assert not twin.head.bias.requires_grad
        np.testing.assert_array_equal(net(x).data, twin(x).data)
        assert twin(x).grad_fn.scope == "head"
        twin.head.weight.data += 1
        assert not (net.head.weight.data == twin.head.weight.data).any()

    @pytest.mark.parametrize(
        "copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"]
    )
    def test_what_was_shared_stays_shared(self, copied) -> None:
        m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU())
        m[1].weight = m[0].weight
        m.append(m[2])
        twin = copied(m)
        assert twin[0].weight is twin[1].weight
        assert twin[2] is twin[3]
        assert twin[0].weight is not m[0].weight

    def test_buffers_that_are_not_persistent_are_copied(self) -> None:
        m = empty_module()
        m.register_buffer("b", tg.ones(1), persistent=False)
        twin = pickle.loads(pickle.dumps(m))
        assert twin.b.item() == 1
        assert list(twin.state_dict()) == []
        del twin.b
        assert m.b.item() == 1

    def test_gradients_are_deepcopied(self) -> None:
        m = nn.Linear(1, 1)
        m(tg.ones(1, 1)).backward()
        twin = copy.deepcopy(m)
        twin.zero_grad(set_to_none=False)
        assert m.weight.grad.item() == 1
        assert twin.weight.grad.item() == 0

    def test_hooks_of_the_copy_are_its_own(self) -> None:
        m = nn.Identity()
        handle = m.register_forward_hook(lambda module, args, out: out + 1)
        twin = copy.deepcopy(m)
        handle.remove()
        assert (m(0), twin(0)) == (0, 1)


def scopes(output: tg.Tensor) -> list[tuple[str, str]]:
    """Return operation and scope of every node behind `output`, in the order they were made."""
    nodes, todo = {}, [output.grad_fn]
    while todo:
        node = todo.pop()
        if hasattr(node, "seq") and node.seq not in nodes:
            nodes[node.seq] = node
            todo += [parent for parent, _ in node.next_functions if parent is not None]
    return [(node.name(), node.scope) for _, node in sorted(nodes.items())]


class Scale(nn.Module):
    """One operation in its own scope, and whatever `inside` does before it."""

    def __init__(self, inside=lambda x: x) -> None:
        super().__init__()
        self.factor = nn.Parameter(tg.ones(1))
        self.inside = inside

    def forward(self, x):
        return self.inside(x) * self.factor


class TestScope:
    def test_path_from_the_outermost_module(self) -> None:
        net = Net()
        x = tg.randn(2, 1, 4, 4)
        found = dict.fromkeys(scope for _, scope in scopes(net(x)))
        assert list(found) == [
            *("features.0.conv", "features.0.bn", "features.0", "features.1", "", "head"),
        ]
        found = dict.fromkeys(scope for _, scope in scopes(net.features(x)))
        assert list(found) == ["0.conv", "0.bn", "0", "1"]
        assert {scope for _, scope in scopes(net.features[0].conv(x))} == {""}

    def test_what_follows_the_model_has_none(self) -> None:
        net = nn.Sequential(Scale())
        out = net(tg.ones(2, 3))
        loss = nn.CrossEntropyLoss()(out, tg.tensor([0, 1])) * 2
        assert scopes(loss)[0] == ("mul", "0")
        assert {scope for _, scope in scopes(loss)[1:]} == {""}

    def test_shared_module_has_its_first_path(self) -> None:
        shared = Scale()
        net = nn.Sequential(shared, nn.Sequential(shared), Scale())
        assert scopes(net(tg.ones(1))) == [("mul", "0"), ("mul", "0"), ("mul", "2")]

    def test_grandchild_called_by_its_grandparent(self) -> None:
        class Skips(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.blocks = nn.ModuleList([nn.ModuleDict({"a": Scale()})])

            def forward(self, x):
                return self.blocks[0]["a"](x) + 1

        out = nn.Sequential(Skips())(tg.ones(1))
        assert scopes(out) == [("mul", "0.blocks.0.a"), ("add", "0")]

    def test_module_that_is_held_elsewhere_counts_as_its_caller(self) -> None:
        outside = nn.Sequential(Scale())
        net = nn.Sequential(nn.Identity(), Scale(inside=lambda x: outside(x)))
        assert scopes(net(tg.ones(1))) == [("mul", "1"), ("mul", "1")]
        assert scopes(outside(tg.ones(1))) == [("mul", "0")]

    def test_two_parents(self) -> None:
        shared = Scale()
        a, b = nn.Sequential(shared), nn.Sequential(nn.Identity(), shared)
        assert scopes(a(tg.ones(1))) == [("mul", "0")]
        assert scopes(b(tg.ones(1))) == [("mul", "1")]
        assert scopes(a(tg.ones(1))) == [("mul", "0")]

    def test_after_changes_of_structure(self) -> None:
        net = nn.Sequential(Scale(), nn.Sequential(Scale()))
        net(tg.ones(1))
        net.insert(0, nn.Identity())
        assert scopes(net(tg.ones(1))) == [("mul", "1"), ("mul", "2.0")]
        net[2].append(Scale())
        del net[0]
        assert scopes(net(tg.ones(1))) == [("mul", "0"), ("mul", "1.0"), ("mul", "1.1")]
        net[0], net[1][0] = nn.Identity(), net[0]
        assert scopes(net(tg.ones(1))) == [("mul", "1.0"), ("mul", "1.1")]

    def test_error_in_forward_resets_it(self) -> None:
        def fail(x):
            raise ArithmeticError

        net = nn.Sequential(nn.Sequential(Scale(fail)))
        for model in (net, net[0], net[0][0]):
            with pytest.raises(ArithmeticError):
                model(tg.ones(1))
            assert scopes(tg.ones(1, requires_grad=True) * 2) == [("mul", "")]
        net[0][0].inside = lambda x: x
        assert scopes(net(tg.ones(1))) == [("mul", "0.0")]

    def test_error_caught_inside_a_module(self) -> None:
        def fail(x):
            raise ArithmeticError

        class Careful(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner = Scale(fail)

            def forward(self, x):
                try:
                    return self.inner(x)
                except ArithmeticError:
                    return x * self.inner.factor

        assert scopes(nn.Sequential(Careful())(tg.ones(1))) == [("mul", "0")]

    def test_another_thread_starts_its_own_path(self) -> None:
        other, found = nn.Sequential(nn.Identity(), Scale()), []

        def in_thread(x):
            thread = threading.Thread(target=lambda: found.append(scopes(other(tg.ones(1)))))
            thread.start()
            thread.join()
            return x

        net = nn.Sequential(Scale(in_thread))
        assert scopes(net(tg.ones(1))) == [("mul", "0")]
        assert found == [[("mul", "1")]]

    def test_hooks_run_in_the_scope_of_their_module(self) -> None:
        net = nn.Sequential(Scale())
        net[0].register_forward_hook(lambda module, args, out: out + 1)
        net[0].register_forward_pre_hook(lambda module, args: (module.factor - args[0],))
        assert scopes(net(tg.ones(1))) == [("sub", "0"), ("mul", "0"), ("add", "0")]


class TestRepr:
    def test_nested_as_in_pytorch(self) -> None:
        assert repr(Net()) == (
            "Net(\n"
            "  (features): Sequential(\n"
            "    (0): Block(\n"
            "      (conv): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))\n"
            "      (bn): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True, "
            "track_running_stats=True)\n"
            "    )\n"
            "    (1): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)\n"
            "  )\n"
            "  (head): Linear(in_features=8, out_features=3, bias=True)\n"
            ")"
        )

    def test_extra_lines_and_absent_children(self) -> None:
        class Told(nn.Module):
            def __init__(self, told: str) -> None:
                super().__init__()
                self.told = told

            def extra_repr(self) -> str:
                return self.told

        m = Told("a=1")
        assert repr(m) == "Told(a=1)"
        m.child = None
        m.child = nn.ReLU()
        m.child = None
        assert repr(m) == "Told(\n  a=1\n  (child): None\n)"
        assert repr(Told("a=1\nb=2")) == "Told(\n  a=1\n  b=2\n)"
        assert repr(Told("")) == "Told()"
