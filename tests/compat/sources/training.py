"""A training program: arguments, loaders, device, loop, schedule, evaluation, saving."""
from __future__ import print_function
import argparse

import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.nn.functional as F
from torch import optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import Dataset, DataLoader


class Corners(Dataset):
    """Noise with a bright square in one of four corners, which is the class."""

    def __init__(self, count, seed=0):
        noise = (torch.arange(count * 144) * 7919 + seed) % 1009
        self.images = noise.view(count, 1, 12, 12).float() / 1009
        self.targets = torch.arange(count) % 4
        for image, target in zip(self.images, self.targets):
            top, left = 6 * (target.item() // 2), 6 * (target.item() % 2)
            image[0, top:top + 6, left:left + 6] += 1.0

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, index):
        return self.images[index], int(self.targets[index])


class Net(nn.Module):
    def __init__(self, dropout):
        super(Net, self).__init__()
        self.first = nn.Conv2d(1, 6, 3, 1)
        self.second = nn.Conv2d(6, 8, kernel_size=3)
        self.drop = nn.Dropout2d(dropout)
        self.hidden = nn.Linear(8 * 4 * 4, 24)
        self.last = nn.Linear(24, 4)

    def forward(self, x):
        x = F.relu(self.first(x))
        x = self.drop(F.max_pool2d(F.relu(self.second(x)), 2))
        x = x.view(-1, 8 * 4 * 4)
        x = F.dropout(F.relu(self.hidden(x)), p=self.drop.p, training=self.training)
        return F.log_softmax(self.last(x), dim=1)


def train(args, model, device, loader, optimizer, epoch):
    model.train()
    losses = []
    for i, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if i % args.log_interval == 0:
            print('epoch {}: [{:3d}/{} ({:.0f}%)]\tloss: {:.3f}'.format(
                epoch, i * len(data), len(loader.dataset), 100. * i / len(loader), loss.item()))
    return losses


def evaluate(model, device, loader):
    model.eval()
    total, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            total += F.nll_loss(output, target, reduction='sum').item()
            pred = output.argmax(dim=1, keepdim=True)
            correct += pred.eq(target.view_as(pred)).sum().item()
            _, again = torch.max(output.data, 1)
            assert (again == pred.squeeze(1)).all()
    print('mean loss {:.3f}, {}/{} right'.format(total / len(loader.dataset), correct, len(loader.dataset)))
    return correct / len(loader.dataset)


def parse(argv=None):
    parser = argparse.ArgumentParser(description='Finds corners')
    parser.add_argument('--batch-size', type=int, default=16, metavar='N')
    parser.add_argument('--epochs', type=int, default=3, metavar='N')
    parser.add_argument('--lr', type=float, default=1.0)
    parser.add_argument('--gamma', type=float, default=0.7)
    parser.add_argument('--dropout', type=float, default=0.1)
    parser.add_argument('--no-accel', action='store_true', default=False)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--log-interval', type=int, default=2, metavar='N')
    parser.add_argument('--save-model', metavar='FILE')
    return parser.parse_args(argv)


def run(args, model, shuffle=True):
    use_accel = not args.no_accel and torch.accelerator.is_available()
    use_mps = not args.no_accel and torch.backends.mps.is_available()
    if use_accel:
        device = torch.accelerator.current_accelerator()
    else:
        device = torch.device('cuda' if torch.cuda.is_available() and not args.no_accel else 'cpu')
    kwargs = {'num_workers': 1, 'pin_memory': True} if use_accel and not use_mps else {}
    cudnn.benchmark = False
    loader = DataLoader(Corners(128), batch_size=args.batch_size, shuffle=shuffle, **kwargs)
    held_out = torch.utils.data.DataLoader(Corners(40, seed=1), batch_size=25, **kwargs)

    model = model.to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    losses = []
    for epoch in range(1, args.epochs + 1):
        losses += train(args, model, device, loader, optimizer, epoch)
        accuracy = evaluate(model, device, held_out)
        scheduler.step()
    if args.save_model:
        torch.save(model.state_dict(), args.save_model)
    return losses, accuracy


def main(argv=None):
    args = parse(argv)
    torch.manual_seed(args.seed)
    return run(args, Net(args.dropout))


if __name__ == '__main__':
    main()
