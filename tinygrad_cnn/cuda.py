"""GPUs, of which there are none here, so that programs which ask first run on the CPU."""


def is_available() -> bool:
    """Return whether there is a GPU: False.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> tg.device("cuda" if tg.cuda.is_available() else "cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """Return how many GPUs there are: 0."""
    return 0
