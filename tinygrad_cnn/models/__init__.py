"""The classic convolutional networks, under torchvision's names, so that published weights fit.

Each function takes the keyword arguments of the class that it returns. The source uses only names
that PyTorch has, too.
"""

from .alexnet import AlexNet as AlexNet, alexnet as alexnet
from .densenet import (
    DenseNet as DenseNet,
    densenet121 as densenet121,
    densenet161 as densenet161,
    densenet169 as densenet169,
    densenet201 as densenet201,
)
from .googlenet import (
    GoogLeNet as GoogLeNet,
    GoogLeNetOutputs as GoogLeNetOutputs,
    googlenet as googlenet,
)
from .lenet import LeNet5 as LeNet5, lenet5 as lenet5
from .mobilenet import MobileNetV2 as MobileNetV2, mobilenet_v2 as mobilenet_v2
from .resnet import (
    CifarResNet as CifarResNet,
    ResNet as ResNet,
    resnet18 as resnet18,
    resnet20 as resnet20,
    resnet32 as resnet32,
    resnet34 as resnet34,
    resnet44 as resnet44,
    resnet50 as resnet50,
    resnet56 as resnet56,
    resnet101 as resnet101,
    resnet152 as resnet152,
    resnext50_32x4d as resnext50_32x4d,
    resnext101_32x8d as resnext101_32x8d,
    resnext101_64x4d as resnext101_64x4d,
    wide_resnet50_2 as wide_resnet50_2,
    wide_resnet101_2 as wide_resnet101_2,
)
from .squeezenet import (
    SqueezeNet as SqueezeNet,
    squeezenet1_0 as squeezenet1_0,
    squeezenet1_1 as squeezenet1_1,
)
from .vgg import (
    VGG as VGG,
    vgg11 as vgg11,
    vgg11_bn as vgg11_bn,
    vgg13 as vgg13,
    vgg13_bn as vgg13_bn,
    vgg16 as vgg16,
    vgg16_bn as vgg16_bn,
    vgg19 as vgg19,
    vgg19_bn as vgg19_bn,
)
