"""The old name of `tinygrad_cnn.hub`."""

from tinygrad_cnn.hub import load_state_dict_from_url as load_url  # noqa: F401
