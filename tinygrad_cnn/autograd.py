"""Differentiation: backward, gradients, grad modes and operations of one's own."""

from .core import function as function
from .core.engine import backward as backward
from .core.engine import grad as grad
from .core.function import Function as Function
from .core.function import FunctionCtx as FunctionCtx
from .core.modes import detect_anomaly as detect_anomaly
from .core.modes import enable_grad as enable_grad
from .core.modes import inference_mode as inference_mode
from .core.modes import no_grad as no_grad
from .core.modes import set_grad_enabled as set_grad_enabled
