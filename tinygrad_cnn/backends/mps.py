"""Apple's GPUs, of which there are none here."""


def is_available() -> bool:
    """Return whether there is one: False."""
    return False
