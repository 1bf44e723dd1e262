"""Switches of cuDNN, without effect.

Examples
--------
>>> import tinygrad_cnn as tg
>>> tg.backends.cudnn.benchmark = True
"""

enabled = False
benchmark = False
deterministic = True


def is_available() -> bool:
    """Return whether there is cuDNN: False."""
    return False
