"""Data sets of images, after ``torchvision.datasets``."""

from . import transforms as transforms
from .cifar import CIFAR10 as CIFAR10
from .images import Images as Images
from .mnist import MNIST as MNIST, MNIST10k as MNIST10k
