"""Arrays in, arrays out: the few operations worth more than one line of NumPy."""

from .dispatch import active as active, use as use
from .memory import keep_freed_memory

keep_freed_memory()
