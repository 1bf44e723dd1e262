"""What tutorials do: loops without an optimizer, parameters of one's own, every container."""
import copy
from collections import OrderedDict

import torch
from torch import nn, optim
from torch.autograd import Variable
from torch.nn import functional as F, init
from torch.nn.parameter import Parameter

device = torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 5)
        self.fc1 = nn.Linear(4 * 6 * 6, 12)
        self.fc2 = nn.Linear(12, 10)

    def features_of(self, x):
        number = 1
        for s in x.size()[1:]:  # all dimensions but the batch
            number *= s
        return number

    def forward(self, x):
        x = F.max_pool2d(torch.tanh(self.conv(x)), (2, 2))
        x = x.view(-1, self.features_of(x))
        return self.fc2(torch.sigmoid(self.fc1(x)))


class Containers(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.stem = nn.Sequential(OrderedDict([
            ('conv', nn.Conv2d(2, width, kernel_size=3, padding=1)),
            ('norm', nn.GroupNorm(2, width)),
        ]))
        self.mixes = nn.ParameterList([nn.Parameter(torch.randn(width, width)) for _ in range(3)])
        self.shifts = nn.ParameterDict({'left': nn.Parameter(torch.zeros(width))})
        self.shifts['right'] = Parameter(torch.ones(width))
        self.acts = nn.ModuleDict([['leaky', nn.LeakyReLU(0.1)], ['prelu', nn.PReLU()]])
        self.acts.update({'elu': nn.ELU(inplace=True)})
        self.layers = nn.ModuleList()
        for i in range(2):
            self.layers.append(nn.Linear(width, width, bias=i > 0))
        self.layers += [nn.LayerNorm(width)]
        self.add_module('last', nn.Conv1d(width, 3, 1))
        self.register_buffer('offset', torch.linspace(-1, 1, width).view(1, -1))
        self.register_buffer('scratch', torch.zeros(1), persistent=False)
        self.register_parameter('absent', None)
        self.scale = nn.Parameter(torch.empty(1, width))
        self.reset_parameters()

    def reset_parameters(self):
        init.xavier_uniform_(self.scale, gain=nn.init.calculate_gain('relu'))
        for p in self.mixes.parameters():
            init.orthogonal_(p)
        self.layers[1].bias.data.zero_()
        self.layers[0].weight.data.normal_(0, 0.1).clamp_(-0.2, 0.2)
        with torch.no_grad():
            self.shifts['left'].fill_(0.5)

    def forward(self, x, act='prelu'):
        n, c = x.size(0), self.stem.conv.out_channels
        x = self.acts[act](self.stem(x))
        assert isinstance(x.shape, torch.Size) and len(x.shape) == x.dim()
        assert x.size() == torch.Size([n, c, x.size(-2), x.size(-1)])
        x = x.view(n, c, -1).permute(0, 2, 1).contiguous()
        for mix in self.mixes:
            x = mix.mm(x.reshape(-1, c).t()).t().view_as(x) + x.matmul(mix)
        for layer in self.layers:
            x = layer(x)
        x = x * self.scale + self.offset.expand_as(x)
        x = x * self.shifts['left'] - self.shifts['right'].unsqueeze(0).unsqueeze(1)
        for name in self.acts.keys():
            x = self.acts[name](x)
        return self.last(x.transpose(1, 2)).mean(-1)


def descend(net, steps=3, learning_rate=0.01):
    """Gradient descent without an optimizer, twice: by the data, and under no_grad."""
    criterion = nn.MSELoss()
    x = torch.linspace(-1, 1, 2 * 16 * 16, device=device).view(2, 1, 16, 16)
    target = torch.arange(20, dtype=torch.float32).view(2, -1) / 10
    losses = []
    for i in range(steps):
        loss = criterion(net(Variable(x)), target)
        net.zero_grad()
        loss.backward()
        if i % 2 == 0:
            for p in net.parameters():
                p.data.sub_(p.grad.data * learning_rate)
        else:
            with torch.no_grad():
                for p in net.parameters():
                    p -= learning_rate * p.grad
        losses.append(loss.item())
    return losses


def fit(net, epochs=2):
    """Running averages, groups of parameters, clipped gradients, learning rates read back."""
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    biases = [p for name, p in net.named_parameters() if name.endswith('bias')]
    others = [p for name, p in net.named_parameters() if not name.endswith('bias')]
    optimizer = optim.SGD([{'params': others}, {'params': biases, 'weight_decay': 0}],
                          lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1], gamma=0.1)
    inputs = torch.linspace(-9, 9, 4 * 16 * 16).sin().view(4, 1, 16, 16)
    labels = torch.tensor([1, 0, 3, 2], dtype=torch.long)
    log = []
    for epoch in range(epochs):
        running, correct = 0.0, 0
        for batch, wanted in zip(inputs.split(2), labels.split(2)):
            batch, wanted = batch.to(device, non_blocking=True), wanted.to(device)
            outputs = net(batch)
            loss = criterion(outputs, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm=1.0)
            optimizer.step()
            running += loss.item() * batch.size(0)
            correct += outputs.topk(2, 1)[1].eq(wanted.view(-1, 1)).float().sum().item()
        scheduler.step()
        log.append([running, correct, float(norm), *(g['lr'] for g in optimizer.param_groups)])
    return log


def fine_tune(net, epochs=3):
    """A frozen network with a new last layer, the best state kept, features caught by a hook."""
    for param in net.parameters():
        param.requires_grad = False
    num_ftrs = net.fc2.in_features
    net.fc2 = nn.Linear(num_ftrs, 2)
    nn.init.constant_(net.fc2.weight, 0.1)
    nn.init.constant_(net.fc2.bias, 0.)
    features = {}
    handle = net.fc1.register_forward_hook(lambda module, input, output: features.update(fc1=output.detach()))
    optimizer = optim.Adam(filter(lambda p: p.requires_grad, net.parameters()), lr=0.05, betas=(0.9, 0.99))
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lambda epoch: 0.9 ** epoch)
    x = torch.linspace(-5, 5, 6 * 16 * 16).cos().reshape(6, 1, 16, 16)
    y = torch.arange(6).remainder(2)
    best, best_loss, log = copy.deepcopy(net.state_dict()), float('inf'), []
    for epoch in range(epochs):
        for phase in ['train', 'val']:
            net.train(phase == 'train')
            with torch.set_grad_enabled(phase == 'train'):
                outputs = net(x)
                loss = F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 2.0]))
            if phase == 'train':
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
            elif loss.item() < best_loss:
                best_loss, best = loss.item(), copy.deepcopy(net.state_dict())
            log.append([loss.item(), features['fc1'].norm().item(), int(loss.requires_grad)])
    handle.remove()
    net.load_state_dict(best)
    assert not any(p.grad is not None for name, p in net.named_parameters() if 'fc2' not in name)
    return log
