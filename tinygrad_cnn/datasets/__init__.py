"""Data sets of images, after ``torchvision.datasets``."""

from . import transforms as transforms
from .mnist import MNIST as MNIST, MNIST10k as MNIST10k
