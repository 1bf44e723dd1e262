"""Weights are not downloaded; source that could download them runs as long as it does not ask."""

from __future__ import annotations

from typing import Any, NoReturn


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Say how to load weights otherwise.

    Raises
    ------
    RuntimeError
        Always.
    """
    raise RuntimeError(
        f"load_state_dict_from_url: nothing is downloaded; fetch {url} yourself, and use tg.load(path)"
    )
