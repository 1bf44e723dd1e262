"""Pictures: of recorded graphs, and of convolutional networks at work."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .diff import diff as diff
from .findings import Finding as Finding, check as check, why_no_grad as why_no_grad
from .graph import Graph as Graph, draw as draw
from .recording import Recording as Recording, record as record
from .snapshot import Snapshot as Snapshot
from .tracing import trace as trace
from .view import View as View

if TYPE_CHECKING:
    from .plots.convolution import convolution as convolution
    from .plots.feature_maps import feature_maps as feature_maps
    from .plots.kernels import kernels as kernels
    from .plots.receptive_field import receptive_field as receptive_field
    from .plots.saliency import saliency as saliency
    from .plots.training import gradient_flow as gradient_flow, training_curves as training_curves

_PLOTS = {
    "convolution": "convolution",
    "feature_maps": "feature_maps",
    "gradient_flow": "training",
    "kernels": "kernels",
    "receptive_field": "receptive_field",
    "saliency": "saliency",
    "training_curves": "training",
}
"""The modules of what needs matplotlib, which is imported when it is first asked for."""

__all__ = [
    "Finding",
    "Graph",
    "Recording",
    "Snapshot",
    "View",
    "check",
    "diff",
    "draw",
    "record",
    "trace",
    "why_no_grad",
    *_PLOTS,
]


def __getattr__(name: str) -> Any:
    if name not in _PLOTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.plots.{_PLOTS[name]}")
    except ModuleNotFoundError as error:
        if error.name not in ("matplotlib", "PIL"):
            raise
        raise ImportError(f"viz.{name} needs matplotlib: pip install 'tinygrad_cnn[plot]'") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLOTS])
