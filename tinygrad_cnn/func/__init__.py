"""Derivatives as functions of functions, and modules as functions; after ``torch.func``."""

from tinygrad_cnn.autograd.functional import hvp as hvp, vhp as vhp

from .call import functional_call as functional_call
from .transforms import (
    grad as grad,
    grad_and_value as grad_and_value,
    hessian as hessian,
    jacfwd as jacfwd,
    jacrev as jacrev,
    jvp as jvp,
    linearize as linearize,
    value_and_grad as value_and_grad,
    vjp as vjp,
)
