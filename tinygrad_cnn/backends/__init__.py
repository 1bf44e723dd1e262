"""The switches of PyTorch's backends, which are not there: programs may set them, without effect."""

from . import cudnn as cudnn, mps as mps
