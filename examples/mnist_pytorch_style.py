"""Handwritten digits, as one writes it for PyTorch: only the imports differ.

    python examples/mnist_pytorch_style.py

trains on the digits that come with the package; ``--data DIR`` takes the whole of MNIST, and fetches
it there if it is missing.
"""

import argparse
from pathlib import Path

import tinygrad_cnn as torch
import tinygrad_cnn.nn as nn
import tinygrad_cnn.nn.functional as F
import tinygrad_cnn.optim as optim
from tinygrad_cnn import datasets
from tinygrad_cnn.datasets import transforms
from tinygrad_cnn.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(32 * 12 * 12, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout2(x)
        return F.log_softmax(self.fc2(x), dim=1)


def train(args, model, device, loader, optimizer, epoch):
    model.train()
    for i, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
        if i % args.log_interval == 0:
            done = i * len(data)
            print(f"epoch {epoch}  {done:6}/{len(loader.dataset)}  loss {loss.item():.4f}")


def test(model, device, loader):
    model.eval()
    loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            output = model(data)
            loss += F.nll_loss(output, target, reduction="sum").item()
            prediction = output.argmax(dim=1, keepdim=True)
            correct += prediction.eq(target.view_as(prediction)).sum().item()
    n = len(loader.dataset)
    print(f"held out: mean loss {loss / n:.4f}, accuracy {correct}/{n} ({correct / n:.1%})")


def main():
    parser = argparse.ArgumentParser(description="Handwritten digits, in PyTorch's style.")
    parser.add_argument("--batch-size", type=int, default=64, help="for training (default: 64)")
    parser.add_argument("--test-batch-size", type=int, default=500, help="(default: 500)")
    parser.add_argument("--epochs", type=int, default=5, help="(default: 5)")
    parser.add_argument("--lr", type=float, default=1.0, help="learning rate (default: 1.0)")
    parser.add_argument("--gamma", type=float, default=0.7, help="its decay (default: 0.7)")
    parser.add_argument("--no-cuda", action="store_true", help="stay on the CPU")
    parser.add_argument("--seed", type=int, default=1, help="(default: 1)")
    parser.add_argument("--log-interval", type=int, default=20, help="batches (default: 20)")
    parser.add_argument("--data", help="the folder of MNIST (default: the digits that come along)")
    parser.add_argument("--out", type=Path, default="runs/mnist", help="(default: runs/mnist)")
    args = parser.parse_args()
    use_cuda = not args.no_cuda and torch.cuda.is_available()
    device = torch.device("cuda" if use_cuda else "cpu")
    torch.manual_seed(args.seed)

    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    if args.data is None:
        train_set = datasets.MNIST10k(train=True, transform=transform)
        test_set = datasets.MNIST10k(train=False, transform=transform)
    else:
        train_set = datasets.MNIST(args.data, train=True, download=True, transform=transform)
        test_set = datasets.MNIST(args.data, train=False, transform=transform)
    train_loader = torch.utils.data.DataLoader(train_set, args.batch_size, shuffle=True)
    test_loader = torch.utils.data.DataLoader(test_set, args.test_batch_size)

    model = Net().to(device)
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(args, model, device, train_loader, optimizer, epoch)
        test(model, device, test_loader)
        scheduler.step()

    args.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), args.out / "mnist.safetensors")


if __name__ == "__main__":
    main()
