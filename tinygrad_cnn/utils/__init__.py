"""What training programs need beside the model, and what is good to know of a model."""

from . import checkpoint as checkpoint, data as data
from .arithmetic import (
    ReceptiveField as ReceptiveField,
    conv_macs as conv_macs,
    conv_output_size as conv_output_size,
    receptive_field as receptive_field,
)
from .model_summary import Summary as Summary, summary as summary
