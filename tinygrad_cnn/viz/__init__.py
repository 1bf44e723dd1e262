"""Pictures of recorded graphs."""

from .graph import Graph, draw

__all__ = ["Graph", "draw"]
