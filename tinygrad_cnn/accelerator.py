"""Accelerators, of which there are none here, so that programs which ask first run on the CPU."""


def is_available() -> bool:
    """Return whether there is an accelerator: False.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.accelerator.current_accelerator() if tg.accelerator.is_available() else tg.device("cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """Return how many accelerators there are: 0."""
    return 0


def current_accelerator() -> None:
    """Return the device of the accelerator: None."""
