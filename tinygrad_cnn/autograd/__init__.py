"""Differentiation: backward, gradients, grad modes and operations of one's own."""

from tinygrad_cnn.core.engine import backward as backward, grad as grad
from tinygrad_cnn.core.function import Function as Function, FunctionCtx as FunctionCtx
from tinygrad_cnn.core.modes import (
    detect_anomaly as detect_anomaly,
    enable_grad as enable_grad,
    inference_mode as inference_mode,
    no_grad as no_grad,
    set_grad_enabled as set_grad_enabled,
)
from tinygrad_cnn.core.tensor import Tensor as Variable  # its name in old programs  # noqa: F401

from . import function as function, functional as functional
