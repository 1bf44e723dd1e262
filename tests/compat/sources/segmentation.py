"""Down and up again: U-Net, SegNet, and a loss on masks."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def double(inp, oup, mid=None):
    if not mid:
        mid = oup
    return nn.Sequential(
        nn.Conv2d(inp, mid, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(mid), nn.ReLU(inplace=True),
        nn.Conv2d(mid, oup, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(oup), nn.ReLU(inplace=True))


class Up(nn.Module):
    def __init__(self, inp, oup, bilinear=True):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=True)
            self.conv = double(inp, oup, inp // 2)
        else:
            self.up = nn.ConvTranspose2d(inp, inp // 2, kernel_size=2, stride=2)
            self.conv = double(inp, oup)

    def forward(self, below, beside):
        below = self.up(below)
        dy = beside.size()[2] - below.size()[2]
        dx = beside.size()[3] - below.size()[3]
        below = F.pad(below, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([beside, below], dim=1))


class UNet(nn.Module):
    def __init__(self, channels=3, classes=2, bilinear=False):
        super(UNet, self).__init__()
        self.classes = classes
        factor = 2 if bilinear else 1
        self.inc = double(channels, 4)
        self.down1 = nn.Sequential(nn.MaxPool2d(2), double(4, 8))
        self.down2 = nn.Sequential(nn.MaxPool2d(2), double(8, 16 // factor))
        self.up1 = Up(16, 8 // factor, bilinear)
        self.up2 = Up(8, 4, bilinear)
        self.outc = nn.Conv2d(4, classes, kernel_size=1)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x = self.up1(self.down2(x2), x2)
        return self.outc(self.up2(x, x1))


class SegNet(nn.Module):
    """Puts back where pooling took from."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2, 2)
        self.enc = nn.Conv2d(3, 6, 3, padding=1)
        self.dec = nn.Conv2d(6, 2, 3, padding=1, padding_mode='reflect')
        self.norm = nn.InstanceNorm2d(6, affine=True)

    def forward(self, x):
        h = F.leaky_relu(self.norm(self.enc(x)), 0.2)
        h, indices = self.pool(h)
        h = self.unpool(h, indices, output_size=x.shape[-2:])
        h = self.dec(F.interpolate(h, scale_factor=0.5, mode='nearest'))
        h = F.interpolate(h, size=x.shape[-2:], mode='bilinear', align_corners=False)
        return h.softmax(dim=1)


def dice(input, target, epsilon=1e-6):
    assert input.size() == target.size()
    both = 2 * (input * target).sum(dim=(-1, -2))
    sums = input.sum(dim=(-1, -2)) + target.sum(dim=(-1, -2))
    sums = torch.where(sums == 0, both, sums)
    return ((both + epsilon) / (sums + epsilon)).mean()


class MaskLoss(nn.Module):
    """The loss of a network on masks that are made of its input."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        self.criterion = nn.CrossEntropyLoss()

    def forward(self, images):
        masks = (images.detach().sum(1) > 0).long()
        scores = self.net(images)
        loss = self.criterion(scores, masks)
        wanted = F.one_hot(masks, self.net.classes).permute(0, 3, 1, 2).float()
        loss += 1 - dice(F.softmax(scores, dim=1).float().flatten(0, 1), wanted.flatten(0, 1))
        return loss
