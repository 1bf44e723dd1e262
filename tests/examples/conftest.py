"""What the tests of several examples need."""

import struct

import numpy as np
import pytest

from tinygrad_cnn import datasets


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with 200 digits for training and 60 for testing, as IDX files."""
    folder = tmp_path_factory.mktemp("data")
    for train, name, count in ((True, "train", 200), (False, "t10k", 60)):
        digits = datasets.MNIST10k(train)
        for kind, array in (("images-idx3", digits.data), ("labels-idx1", digits.targets)):
            values = array.numpy()[:count].astype(np.uint8)
            header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return folder
