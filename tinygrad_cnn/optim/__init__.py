"""Optimizers and learning-rate schedules, under PyTorch's names."""

from . import lr_scheduler as lr_scheduler
from .adam import Adam as Adam, AdamW as AdamW
from .adaptive import (
    Adadelta as Adadelta,
    Adagrad as Adagrad,
    Adamax as Adamax,
    NAdam as NAdam,
    RAdam as RAdam,
    RMSprop as RMSprop,
)
from .lbfgs import LBFGS as LBFGS
from .optimizer import Optimizer as Optimizer
from .sgd import SGD as SGD
