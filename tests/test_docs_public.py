"""Every public function and class says what it does."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import types

import pytest

import tinygrad_cnn

MODULES = ["tinygrad_cnn"] + [
    module.name
    for module in pkgutil.walk_packages(tinygrad_cnn.__path__, "tinygrad_cnn.")
    if not any(part.startswith("_") for part in module.name.split("."))
]


def public() -> dict[str, object]:
    """Return what the package defines under names without underscore: functions and classes."""
    found: dict[str, object] = {}
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name, value in vars(module).items():
            home = getattr(value, "__module__", None)
            if name.startswith("_") or home != module_name or not callable(value):
                continue
            if isinstance(value, types.ModuleType) or not hasattr(value, "__qualname__"):
                continue
            found[f"{module_name}.{name}"] = value
            if inspect.isclass(value):
                for member, function in vars(value).items():
                    if not member.startswith("_") and inspect.isfunction(function):
                        found[f"{module_name}.{name}.{member}"] = function
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_docstring(module):
    assert importlib.import_module(module).__doc__


def test_every_public_name_has_a_docstring():
    missing = [name for name, value in public().items() if not inspect.getdoc(value)]
    assert missing == []
