"""`Function`, under the name that PyTorch has it."""

from tinygrad_cnn.core.function import (
    Function as Function,
    FunctionCtx as FunctionCtx,
    once_differentiable as once_differentiable,
)
