"""Trains LeNet-5 on handwritten digits, and draws what it learned.

    python examples/train_lenet.py

takes less than a minute and fills ``runs/lenet/``:

    graph.svg                the graph that backward runs through
    curves.png               loss and accuracy over the epochs
    kernels.png              the first layer's kernels, and what they see in one digit
    mistakes.png             the held-out digits that are taken for another
    checkpoint.safetensors   the state of the run; Ctrl-C saves it, --resume goes on from it

Several processes share the work, and learn the same, with

    mpiexec -n 2 python examples/train_lenet.py --distributed
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pictures
from tqdm import tqdm

import tinygrad_cnn as tg
import tinygrad_cnn.nn.functional as F
from tinygrad_cnn import datasets, distributed, nn, optim
from tinygrad_cnn.datasets import transforms
from tinygrad_cnn.nn.parallel import DistributedDataParallel
from tinygrad_cnn.utils.data import DataLoader, Dataset, DistributedSampler

DEFAULTS = {"epochs": 30, "batch_size": 64, "lr": 3e-3, "seed": 0, "data": None}
OUT = Path("runs/lenet")


class LeNet5(nn.Module):
    """LeNet-5 (LeCun et al., 1998) with ReLU and max-pooling: 61,706 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: tg.Tensor) -> tg.Tensor:  # (N, 1, 28, 28)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)  # (N, 10), a score for each digit


def load_digits(data: str | None) -> tuple[Dataset, Dataset]:
    """Return the digits to train on, shifted at random each time, and those held out."""
    normalize = transforms.Normalize(mean=(0.1307,), std=(0.3081,))
    augment = transforms.Compose([OwnPart(transforms.RandomShift(2)), normalize])
    if data is None:
        digits = datasets.MNIST10k
    else:
        digits = partial(datasets.MNIST, data, download=True)
    return digits(train=True, transform=augment), digits(train=False, transform=normalize)


class OwnPart:
    """Transforms the part of a batch that this process has as one process would the whole batch.

    That is, with the same random numbers.
    """

    batched = True

    def __init__(self, transform: Any) -> None:
        self.transform = transform

    def __call__(self, images: tg.Tensor) -> tg.Tensor:
        rank, count = rank_and_count()
        return self.transform(images.repeat_interleave(count, 0))[rank::count]


def rank_and_count() -> tuple[int, int]:
    """Return the number of this process, from 0 on, and how many there are."""
    if distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def over_all_processes(*values: float) -> list[float]:
    """Return the sum of each value over all processes."""
    sums = tg.tensor(values, dtype=tg.float64)
    if distributed.is_initialized():
        distributed.all_reduce(sums)
    return sums.tolist()


def train(run: Run, test_set: Dataset, checkpoint: Path) -> bool:
    """Train until all epochs are done, or until Ctrl-C; return whether all are done."""
    settings, progress = run.settings, run.progress
    with StopOnCtrlC() as stop:
        while progress["epoch"] < settings["epochs"]:
            title = f"epoch {progress['epoch'] + 1:2}/{settings['epochs']}"
            seen_before, start = run.digits_seen(), time.perf_counter()
            batches = tqdm(
                run.remaining_batches(),
                title,
                total=len(run.loader),
                initial=progress["batch"],
                unit=" images",
                unit_scale=settings["batch_size"],
                leave=False,
                file=sys.stdout,
                disable=None,  # where the output is no terminal
            )
            for images, labels in batches:
                scores = run.learner(images)
                loss = run.criterion(scores, labels)
                run.optimizer.zero_grad()
                loss.backward()
                run.optimizer.step()
                run.scheduler.step()

                losses, correct, asked = over_all_processes(
                    loss.item(), int((scores.argmax(1) == labels).sum()), stop.asked
                )
                progress["batch"] += 1
                progress["correct"] += int(correct)
                progress["losses"].append(losses / run.processes)
                batches.set_postfix(
                    loss=f"{progress['losses'][-1]:.3f}",
                    accuracy=f"{progress['correct'] / run.digits_seen():.2%}",
                    refresh=False,
                )
                if asked:
                    batches.close()
                    run.save(checkpoint)
                    return False

            rate = (run.digits_seen() - seen_before) / (time.perf_counter() - start)
            run.end_epoch(held_out=accuracy(predict(run.model, test_set), test_set))
            run.save(checkpoint)
            mean_loss = sum(progress["losses"][-len(run.loader) :]) / len(run.loader)
            training, held_out = progress["accuracies"][-1]
            print(
                f"{title}   loss {mean_loss:.4f}   accuracy {training:.2%} in training, "
                f"{held_out:.2%} held out   {rate:,.0f} images/s",
                flush=True,
            )
    return True


@tg.no_grad()
def predict(model: nn.Module, dataset: Dataset) -> tg.Tensor:
    """Return the model's scores for all digits of a data set, (N, 10)."""
    model.eval()
    scores = tg.cat([model(images) for images, _ in DataLoader(dataset, batch_size=500)])
    model.train()
    return scores


def accuracy(scores: tg.Tensor, dataset: Dataset) -> float:
    """Return the part of the digits that have their highest score for the right class."""
    return int((scores.argmax(1) == dataset.targets).sum()) / len(dataset)


class Run:
    """All that training changes, and so all that a checkpoint holds."""

    def __init__(self, settings: dict[str, Any], train_set: Dataset) -> None:
        tg.manual_seed(settings["seed"])
        self.settings = settings
        self.rank, self.processes = rank_and_count()
        if settings["batch_size"] % self.processes:
            raise ValueError(
                f"--batch-size {settings['batch_size']} cannot be shared by {self.processes} processes"
            )
        self.sampler = DistributedSampler(
            train_set, self.processes, self.rank, seed=settings["seed"]
        )
        self.loader = DataLoader(
            train_set, settings["batch_size"] // self.processes, sampler=self.sampler
        )
        self.model = LeNet5()
        self.learner: nn.Module = self.model
        if distributed.is_initialized():
            self.learner = DistributedDataParallel(self.model)
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
        self.optimizer = optim.AdamW(self.model.parameters(), lr=settings["lr"])
        self.scheduler = optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=settings["lr"],
            epochs=settings["epochs"],
            steps_per_epoch=len(self.loader),
        )
        self.progress: dict[str, Any] = {
            "epoch": 0,  # epochs done
            "batch": 0,  # batches done of the epoch under way
            "correct": 0,  # digits recognised in them
            "losses": [],  # of every batch from the start
            "accuracies": [],  # of every epoch: in training, held out
        }

    def digits_seen(self) -> int:
        """Return how many digits of the epoch under way are done."""
        return min(self.progress["batch"] * self.settings["batch_size"], self.sampler.total_size)

    def remaining_batches(self) -> Iterator[Any]:
        """Return the batches of the epoch under way, without those that are done."""
        now = tg.get_rng_state()
        self.sampler.set_epoch(self.progress["epoch"])
        batches = iter(self.loader)
        for _ in range(self.progress["batch"]):
            next(batches)
        tg.set_rng_state(now)
        return batches

    def end_epoch(self, held_out: float) -> None:
        """Note the epoch's accuracies, and begin the next one."""
        training = self.progress["correct"] / self.digits_seen()
        self.progress["accuracies"].append([training, held_out])
        self.progress["epoch"] += 1
        self.progress.update(batch=0, correct=0)

    def state_dict(self) -> dict[str, Any]:
        """Return everything, for `tg.save`."""
        return {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "progress": self.progress,
            "rng": tg.get_rng_state(),
        }

    def save(self, path: Path) -> None:
        """Write a checkpoint: in one process, as all have the same."""
        if self.rank == 0:
            tg.save(self.state_dict(), path)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.progress.update(state["progress"])
        tg.set_rng_state(state["rng"])


class StopOnCtrlC:
    """Notes Ctrl-C, so that training stops between two batches; a second one stops at once."""

    asked = False

    def __enter__(self) -> StopOnCtrlC:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, signum: int, frame: Any) -> None:
        self.asked = True
        signal.signal(signal.SIGINT, self._before)

    def __exit__(self, *exception: object) -> None:
        signal.signal(signal.SIGINT, self._before)


def draw_graph(run: Run, test_set: Dataset, out: Path) -> None:
    """Draw the graph of the loss of one batch, and record its backward."""
    images, labels = next(iter(DataLoader(test_set, run.settings["batch_size"])))
    loss = run.criterion(run.model(images), labels)
    tg.viz.draw(loss, model=run.model).save(out / "graph.svg")
    with tg.viz.record(run.model) as recording:
        loss.backward()
    recording.save(out / "backprop.html")
    run.model.zero_grad()


def draw_results(run: Run, test_set: Dataset, out: Path) -> None:
    """Draw the curves, the kernels and the mistakes, and tell the result."""
    scores = predict(run.model, test_set)
    wrong = int((scores.argmax(1) != test_set.targets).sum())
    pictures.curves(run.progress["losses"], run.progress["accuracies"], out / "curves.png")
    image, _ = test_set[0]
    with tg.no_grad():
        maps = F.relu(run.model.conv1(image.unsqueeze(0)))[0]
    pictures.kernels(test_set.data[0], run.model.conv1.weight.detach(), maps, out / "kernels.png")
    pictures.mistakes(test_set.data, test_set.targets, scores.softmax(1), out / "mistakes.png")
    print(
        f"{accuracy(scores, test_set):.2%} of the held-out digits recognised, "
        f"{wrong:,} of {len(test_set):,} mistaken"
    )
    print(f"In {out}: " + ", ".join(sorted(path.name for path in out.iterdir())))


def load_checkpoint(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an interrupted run, if it had the settings that are given now."""
    if not path.exists():
        raise ValueError(f"{path}: there is no checkpoint to resume; start without --resume")
    state = tg.load(path)
    if not isinstance(state, dict) or "settings" not in state:
        raise ValueError(f"{path}: not a checkpoint of this program")
    for name, value in given.items():
        if value != (saved := state["settings"][name]):
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"{path}: the run had {option} {saved}, not {value}; "
                f"leave {option} out, or start without --resume"
            )
    return state


def positive(text: str) -> int:
    """Return a whole number from 1 on."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Train LeNet-5 on handwritten digits, and draw what it learned.",
        argument_default=argparse.SUPPRESS,
    )
    for name, kind, text in (
        ("--epochs", positive, "times to go through the digits"),
        ("--batch-size", positive, "digits in a training step"),
        ("--lr", float, "highest learning rate of the cycle"),
        ("--seed", int, "seed of all random numbers"),
    ):
        default = DEFAULTS[name[2:].replace("-", "_")]
        parser.add_argument(name, metavar="N", type=kind, help=f"{text} ({default})")
    parser.add_argument("--data", metavar="DIR", help="full MNIST here, downloaded if missing")
    parser.add_argument("--out", metavar="DIR", type=Path, default=OUT, help=f"results ({OUT})")
    parser.add_argument("--resume", action="store_true", default=False, help="go on after Ctrl-C")
    parser.add_argument(
        "--distributed", action="store_true", default=False, help="be one of mpiexec's processes"
    )
    given = vars(parser.parse_args())
    out, resume = given.pop("out"), given.pop("resume")
    checkpoint = out / "checkpoint.safetensors"

    try:
        if given.pop("distributed"):
            distributed.init_process_group("mpi")
        saved = load_checkpoint(checkpoint, given) if resume else None
        settings = saved["settings"] if saved else DEFAULTS | given
        train_set, test_set = load_digits(settings["data"])
        run = Run(settings, train_set)
        if saved:
            run.load_state_dict(saved)
        out.mkdir(parents=True, exist_ok=True)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        sys.exit(f"error: {error}")
    if run.rank:  # only the first process talks and draws
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115

    parameters = sum(parameter.numel() for parameter in run.model.parameters())
    print(
        f"LeNet-5 with {parameters:,} parameters; {len(train_set):,} digits for training, "
        f"{len(test_set):,} held out",
        flush=True,
    )
    if run.rank == 0:
        draw_graph(run, test_set, out)
    finished = train(run, test_set, checkpoint)
    if finished and run.rank == 0:
        draw_results(run, test_set, out)
    if distributed.is_initialized():
        distributed.destroy_process_group()
    if not finished:
        print(f"\nStopped and saved. To go on: python {sys.argv[0]} --resume --out {out}")
        sys.exit(130)


if __name__ == "__main__":
    main()
