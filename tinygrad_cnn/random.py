"""The random numbers behind dropout, initialisation and shuffling."""

from __future__ import annotations

import os
from typing import Any

import numpy as np


class Generator:
    """A stream of random numbers.

    Parameters
    ----------
    seed : int, optional
        Without it, the stream starts from the operating system's entropy.
    device : device or str
        The CPU.

    Attributes
    ----------
    numpy : numpy.random.Generator
        The NumPy generator (PCG64) that draws them.
    """

    def __init__(self, seed: int | None = None, *, device: Any = "cpu") -> None:
        if str(device).partition(":")[0] != "cpu":
            raise RuntimeError(f"Generator: it draws on the CPU, got device {str(device)!r}")
        self.numpy = np.random.Generator(np.random.PCG64())
        if seed is None:
            self.seed()
        else:
            self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream anew from `seed`, and return the generator."""
        self._seed = int(seed) % 2**64
        self.numpy.bit_generator.state = np.random.PCG64(self._seed).state
        return self

    def seed(self) -> int:
        """Start the stream anew from a seed that the operating system draws, and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """Return the seed that the stream started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """Return the state, a dictionary that JSON can hold."""
        return dict(self.numpy.bit_generator.state)

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state` that `get_state` gave."""
        self.numpy.bit_generator.state = state


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator and return it.

    Examples
    --------
    >>> import tinygrad_cnn as tg
    >>> _ = tg.manual_seed(0); a = tg.rand(3)
    >>> _ = tg.manual_seed(0); b = tg.rand(3)
    >>> bool((a == b).all())
    True
    """
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system, and return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed that the default generator started from."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, Any]:
    """Return the state of the default generator."""
    return default_generator.get_state()


def set_rng_state(state: dict[str, Any]) -> None:
    """Set the state of the default generator to one that `get_rng_state` gave."""
    default_generator.set_state(state)
