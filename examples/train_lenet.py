"""Train LeNet on Fashion-MNIST with and without BatchNorm: the lecture notes' recipe, or a matched pair.

The recipe (Adam, learning rate 0.001, batches of 256, 5 epochs; the notes do not normalise the images):

    python examples/train_lenet.py --data "fashion-mnist(mean='none')" --epochs 5

The matched pair (each net with the learning rate that first reaches the same training loss), which made the
checkpoints that come with the package:

    python examples/train_lenet.py --match-loss 0.4 --learning-rates 0.001 0.002 0.004 0.008 --epochs 100 \
        --out landscape/assets --figure docs/learning_curves.png

Every tensor is initialised from the seed and its own name, so the tensors that both nets have start equal,
and both see the images in the same order.
"""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from landscape.data import Batches, load_data
from landscape.data.imageset import ImageSet
from landscape.models import build_model
from landscape.models.initialisation import generator, initialise

Row = dict[str, float]
NAMES = {"batch": "with BatchNorm", "none": "without normalization"}


@dataclass(frozen=True)
class Run:
    """One trained net: its norm, learning rate, one row of numbers for each epoch, and whether it got there."""

    norm: str
    learning_rate: float
    model: nn.Module
    curve: list[Row]
    reached: bool


@torch.no_grad()
def measure(model: nn.Module, data: Batches) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over all the data, in eval mode."""
    model.eval()
    loss, correct = 0.0, 0
    for inputs, targets in data.split(1000):
        output = model(inputs)
        loss += cross_entropy(output, targets, reduction="sum").item()
        correct += int((output.argmax(1) == targets).sum())
    model.train()
    return loss / len(data), correct / len(data)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> tuple[float, int]:
    """One update; the summed loss and the number of correct answers before it."""
    optimizer.zero_grad()
    output = model(inputs)
    loss = cross_entropy(output, targets)
    torch.autograd.backward(loss)
    optimizer.step()
    return loss.item() * len(targets), int((output.argmax(1) == targets).sum())


def train(norm: str, learning_rate: float, data: tuple[Batches, Batches], options: argparse.Namespace) -> Run:
    """Train one net until the epochs are over, or its training loss is at most `--match-loss`.

    When the loss is near, it is measured after every update (where a sample of the images says that it may
    be low enough), so that the pair is matched closely. A run whose last update overshoots the goal by
    more than 1 % does not count as having reached it.
    """
    training, test = data
    model = build_model(f"lenet(norm={norm!r})")
    initialise(model, options.seed)
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    curve: list[Row] = []
    goal, last, ratio = options.match_loss or 0.0, math.inf, 1.0
    probe = training.subset(str(min(500, len(training))))
    for epoch in range(options.epochs):
        start = time.perf_counter()
        order = torch.from_numpy(generator(options.seed, "order", epoch).permutation(len(training)))
        parts = torch.split(order, options.batch_size)
        done, loss, correct, seen = 0, 0.0, 0, 0
        for index in parts:
            batch_loss, batch_correct = step(model, optimizer, training.inputs[index], training.targets[index])
            done, loss, correct, seen = done + 1, loss + batch_loss, correct + batch_correct, seen + len(index)
            near = last < 1.5 * goal and ratio * measure(model, probe)[0] <= 1.01 * goal
            if near and measure(model, training)[0] <= goal:
                break
        row: Row = {"epoch": epoch + done / len(parts), "running_loss": loss / seen, "running_accuracy": correct / seen}
        row["train_loss"], row["train_accuracy"] = measure(model, training)
        row["test_loss"], row["test_accuracy"] = measure(model, test)
        curve.append(row)
        print(line(norm, learning_rate, row), f"{time.perf_counter() - start:.1f} s", flush=True)
        last = row["train_loss"]
        if last <= goal:
            break
        ratio = last / measure(model, probe)[0]
    return Run(norm, learning_rate, model, curve, 0.99 * goal <= last <= goal)


def line(norm: str, learning_rate: float, row: Row) -> str:
    """The numbers of an epoch as text."""
    return (
        f"{norm:5s} lr {learning_rate:g} epoch {row['epoch']:.2f}  while training: loss {row['running_loss']:.4f} "
        f"acc {row['running_accuracy']:.4f}  after it: train loss {row['train_loss']:.4f} "
        f"acc {row['train_accuracy']:.4f}  test loss {row['test_loss']:.4f} acc {row['test_accuracy']:.4f} "
    )


def quickest(runs: Sequence[Run]) -> Run:
    """The run that reached the goal in the fewest epochs; without a goal, that with the lowest training loss."""
    return min(runs, key=lambda run: (not run.reached, run.curve[-1]["epoch" if run.reached else "train_loss"]))


def save(run: Run, options: argparse.Namespace, command: str) -> Path:
    """Write the checkpoint, with what it takes to use it and to make it again."""
    final = run.curve[-1]
    path = Path(options.out) / f"lenet_{run.norm}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state_dict": {name: tensor.clone() for name, tensor in run.model.state_dict().items()},
        "landscape": {"model": f"lenet(norm={run.norm!r})", "data": options.data},
        "accuracy": final["test_accuracy"],
        "train_loss": final["train_loss"],
        "epochs": final["epoch"],
        "learning_rate": run.learning_rate,
        "command": command,
        "curve": run.curve,
    }
    torch.save(content, path)
    return path


def draw(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """Training loss and test accuracy over the epochs, both nets."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for run, color, marker in zip(runs, ("#0072b2", "#d55e00"), ("o", "s"), strict=False):
        epochs = [row["epoch"] for row in run.curve]
        style = {"color": color, "marker": marker, "markersize": 2.5, "linewidth": 1.2}
        label = f"{NAMES[run.norm]}, learning rate {run.learning_rate:g}"
        left.plot(epochs, [row["train_loss"] for row in run.curve], label=label, **style)
        right.plot(epochs, [100 * row["test_accuracy"] for row in run.curve], label=label, **style)
    if options.match_loss:
        left.axhline(options.match_loss, color="0.4", linestyle=":", linewidth=1)
        left.annotate(
            f"goal {options.match_loss:g}", (1, options.match_loss), xycoords=("axes fraction", "data"),
            ha="right", va="top", color="0.3", fontsize=8, xytext=(-3, -3), textcoords="offset points",
        )  # fmt: skip
    left.set(xlabel="epochs", ylabel="training loss (eval mode)", ylim=(0, None))
    right.set(xlabel="epochs", ylabel="test accuracy (%)", ylim=(0, 100))
    left.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.set_xlim(0, None)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"LeNet with sigmoid on {options.data}, Adam, batches of {options.batch_size}", fontsize=10)
    Path(options.figure).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.figure, dpi=150)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion-mnist-mini", help="as for landscape compute")
    parser.add_argument("--norms", nargs="+", default=["batch", "none"])
    parser.add_argument("--epochs", type=int, default=5, help="the most epochs")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[0.001], help="several: a search")
    parser.add_argument("--match-loss", type=float, help="stop at this training loss (eval mode, whole train split)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", help="folder for the checkpoints lenet_NORM.pt")
    parser.add_argument("--figure", help="file for the learning curves")
    return parser.parse_args()


def batches(data: str, split: str) -> Batches:
    """A split in memory."""
    loaded = load_data(data, split)
    return loaded.batches() if isinstance(loaded, ImageSet) else loaded


def main() -> None:
    """Train, choose, save, draw."""
    options = arguments()
    torch.set_num_threads(options.threads)
    command = shlex.join(["python", "examples/train_lenet.py", *sys.argv[1:]])
    data = batches(options.data, "train"), batches(options.data, "test")
    print(command, f"{len(data[0])} training and {len(data[1])} test images; {data[0].preprocessing}", sep="\n")
    best = [quickest([train(norm, rate, data, options) for rate in options.learning_rates]) for norm in options.norms]
    print("chosen:", *(line(run.norm, run.learning_rate, run.curve[-1]) for run in best), sep="\n")
    if options.match_loss and not all(run.reached for run in best):
        sys.exit(f"not every net reached the training loss {options.match_loss:g}; nothing is saved")
    if options.out:
        print(*(save(run, options, command) for run in best), sep="\n")
    if options.figure:
        draw(best, options)
        print(options.figure)


if __name__ == "__main__":
    main()
