"""`Sequential`, `ModuleList`, `ModuleDict`, `ParameterList` and `ParameterDict`."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn


class Plus(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def forward(self, x):
        return 10 * x + self.n

    def extra_repr(self) -> str:
        return str(self.n)


def numbers(container) -> list[int]:
    return [module.n for module in container]


def names(container) -> list[str]:
    return [name for name, _ in container.named_children()]


class TestSequential:
    def test_calls_in_order(self) -> None:
        assert nn.Sequential(Plus(1), Plus(2), Plus(3))(0) == 123
        assert nn.Sequential()(5) == 5

    @pytest.mark.parametrize("mapping", [dict, OrderedDict])
    def test_named(self, mapping) -> None:
        model = nn.Sequential(mapping([("one", Plus(1)), ("two", Plus(2))]))
        assert model(0) == 12
        assert names(model) == ["one", "two"]
        assert model.two is model[1]
        model[0] = Plus(5)
        assert model(0) == 52
        assert names(model) == ["one", "two"]

    def test_is_no_list_of_modules(self) -> None:
        with pytest.raises(TypeError, match="expected a Module or None, got list"):
            nn.Sequential([Plus(1)])

    def test_slices_share_modules_and_keep_names(self) -> None:
        model = nn.Sequential(Plus(0), Plus(1), Plus(2), Plus(3))
        tail = model[2:]
        assert type(tail) is nn.Sequential
        assert names(tail) == ["2", "3"]
        assert tail[0] is model[2]
        assert model[::-2](0) == 31
        tail.append(Plus(4)).append(Plus(5))
        assert numbers(tail) == [2, 3, 4, 5]
        assert numbers(model) == [0, 1, 2, 3]

    def test_slice_of_a_subclass_is_a_sequential(self) -> None:
        class Model(nn.Sequential):
            def __init__(self) -> None:
                super().__init__(Plus(1), Plus(2))

        assert Model()[1:](0) == 2


@pytest.mark.parametrize("make", [nn.Sequential, lambda *m: nn.ModuleList(m)], ids=["seq", "list"])
class TestNumbered:
    def test_indexing(self, make) -> None:
        c = make(Plus(0), Plus(1), Plus(2))
        assert len(c) == 3
        assert numbers(c) == [0, 1, 2]
        assert c[0].n == 0
        assert c[-1].n == 2
        assert c[1] in c
        assert numbers(c[1:]) == [1, 2]
        for index in (3, -4):
            with pytest.raises(IndexError, match=f"index {index} is out of range for 3 modules"):
                c[index]
            with pytest.raises(IndexError):
                c[index] = Plus(9)
            with pytest.raises(IndexError):
                del c[index]

    def test_setting(self, make) -> None:
        c = make(Plus(0), Plus(1), Plus(2))
        c[0], c[-1] = Plus(7), Plus(9)
        assert numbers(c) == [7, 1, 9]
        assert names(c) == ["0", "1", "2"]
        with pytest.raises(TypeError):
            c[0] = 3

    def test_deleting_numbers_anew(self, make) -> None:
        c = make(*map(Plus, range(6)))
        del c[1]
        assert numbers(c) == [0, 2, 3, 4, 5]
        assert names(c) == ["0", "1", "2", "3", "4"]
        del c[-1]
        del c[::2]
        assert numbers(c) == [2, 4]
        assert names(c) == ["0", "1"]
        assert c.pop(0).n == 2
        assert c.pop().n == 4
        assert len(c) == 0

    def test_adding(self, make) -> None:
        c = make(Plus(0))
        assert c.append(Plus(3)) is c
        assert c.extend([Plus(4), Plus(5)]) is c
        assert c.insert(1, Plus(1)) is c
        c.insert(-1, Plus(8))
        c.insert(100, Plus(9))
        assert numbers(c) == [0, 1, 3, 4, 8, 5, 9]
        assert names(c) == [str(i) for i in range(7)]
        with pytest.raises(TypeError):
            c.insert(0, "no module")
        assert len(c) == 7

    def test_a_module_twice(self, make) -> None:
        layer = nn.Linear(1, 1)
        c = make(layer, nn.ReLU(), layer)
        assert len(list(c)) == 3
        assert len(list(c.parameters())) == 2
        assert list(c.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


class TestModuleList:
    def test_from_any_iterable(self) -> None:
        assert numbers(nn.ModuleList(Plus(i) for i in range(3))) == [0, 1, 2]
        assert len(nn.ModuleList()) == len(nn.ModuleList(None)) == 0

    def test_slices_are_numbered_anew(self) -> None:
        part = nn.ModuleList(map(Plus, range(4)))[2:]
        assert type(part) is nn.ModuleList
        assert names(part) == ["0", "1"]

    def test_is_not_called(self) -> None:
        with pytest.raises(NotImplementedError, match="ModuleList"):
            nn.ModuleList()(1)

    def test_repr_counts_equal_neighbours(self) -> None:
        layers = [Plus(1), Plus(1), Plus(1), Plus(2), Plus(1), nn.Sequential(Plus(3)), nn.Sequential(Plus(3))]
        assert repr(nn.ModuleList(layers)) == (
            "ModuleList(\n"
            "  (0-2): 3 x Plus(1)\n"
            "  (3): Plus(2)\n"
            "  (4): Plus(1)\n"
            "  (5-6): 2 x Sequential(\n"
            "    (0): Plus(3)\n"
            "  )\n"
            ")"
        )
        assert repr(nn.ModuleList()) == "ModuleList()"
        assert repr(nn.Sequential(Plus(1), Plus(1))) == (
            "Sequential(\n  (0): Plus(1)\n  (1): Plus(1)\n)"
        )


class TestModuleDict:
    def test_mapping(self) -> None:
        d = nn.ModuleDict({"a": Plus(1), "b": Plus(2)})
        d["c"] = Plus(3)
        assert list(d) == list(d.keys()) == names(d) == ["a", "b", "c"]
        assert numbers(d.values()) == [1, 2, 3]
        assert [name for name, _ in d.items()] == ["a", "b", "c"]
        assert "a" in d
        assert "z" not in d
        assert d["b"](0) == 2
        d["a"] = Plus(5)
        del d["b"]
        assert list(d) == ["a", "c"]
        assert d["a"].n == 5
        assert len(d) == 2
        assert len(nn.ModuleDict()) == 0
        assert repr(d) == "ModuleDict(\n  (a): Plus(5)\n  (c): Plus(3)\n)"

    def test_errors(self) -> None:
        d = nn.ModuleDict({"a": Plus(1)})
        for name in ("z", "training"):
            with pytest.raises(KeyError):
                d[name]
            with pytest.raises(KeyError):
                del d[name]
        for name in ("keys", "x.y", ""):
            with pytest.raises(KeyError):
                d[name] = Plus(1)
        with pytest.raises(TypeError):
            d["b"] = 3

    def test_its_modules_learn(self) -> None:
        d = nn.ModuleDict({"a": nn.Linear(2, 1)})
        d["a"](tg.ones(1, 2)).backward()
        assert [p.grad.shape for p in d.parameters()] == [(1, 2), (1,)]

    def test_pairs_update_pop_and_clear(self) -> None:
        d = nn.ModuleDict([("a", Plus(1)), ("b", Plus(2))])
        d.update({"b": Plus(3), "c": Plus(4)})
        d.update([("d", Plus(5))])
        assert numbers(d.values()) == [1, 3, 4, 5]
        assert d.pop("b").n == 3
        assert list(d) == ["a", "c", "d"]
        with pytest.raises(KeyError):
            d.pop("b")
        d.clear()
        assert len(d) == len(names(d)) == 0


class TestParameterList:
    def test_registers_parameters(self) -> None:
        scale = nn.Parameter(tg.ones(2))
        c = nn.ParameterList([scale, tg.zeros(3)])
        c += [tg.zeros(4)]
        c.append(nn.Parameter(tg.zeros(5), requires_grad=False))
        assert type(c) is nn.ParameterList
        assert c[0] is scale
        assert all(isinstance(value, nn.Parameter) for value in c)
        assert [(name, p.numel()) for name, p in c.named_parameters()] == [
            ("0", 2), ("1", 3), ("2", 4), ("3", 5),
        ]  # fmt: skip
        assert list(c.state_dict()) == ["0", "1", "2", "3"]
        assert [p.requires_grad for p in c] == [True, True, True, False]
        assert [p.numel() for p in c[1:]] == [3, 4, 5]
        c[-1] = tg.zeros(6)
        assert c.pop().numel() == 6

    def test_errors(self) -> None:
        c = nn.ParameterList([tg.ones(2)])
        with pytest.raises(TypeError, match="expected a Parameter or None, got int"):
            c.append(3)
        with pytest.raises(IndexError, match="index 1 is out of range for 1 parameters"):
            c[1]
        with pytest.raises(RuntimeError, match="only floating tensors"):
            c.append(tg.tensor([1]))


class TestParameterDict:
    def test_registers_parameters(self) -> None:
        d = nn.ParameterDict({"a": tg.ones(2)})
        d["b"] = nn.Parameter(tg.zeros(3))
        d.update([("c", tg.ones(4))])
        assert [(name, p.numel()) for name, p in d.named_parameters()] == [("a", 2), ("b", 3), ("c", 4)]
        assert [p.requires_grad for _, p in d.items()] == [True] * 3
        assert repr(d) == (
            "ParameterDict(\n  (a): Parameter of shape (2,)\n  (b): Parameter of shape (3,)\n"
            "  (c): Parameter of shape (4,)\n)"
        )
        del d["a"]
        assert "a" not in d
        assert d.pop("b").numel() == 3
        assert len(d) == 1
        with pytest.raises(TypeError, match="expected a Parameter or None, got str"):
            d["z"] = "no parameter"
