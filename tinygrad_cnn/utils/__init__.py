"""What training programs need beside the model."""

from . import checkpoint as checkpoint, data as data
