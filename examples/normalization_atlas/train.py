"""Train matched networks that differ in their normalization alone.

They see the same images in the same order, and have the same first weights and epochs; the learning rate of each comes
from a small search.

    python examples/normalization_atlas/train.py                          everything (hours on two cores)
    python examples/normalization_atlas/train.py --nets resnet --norms batch none

A run is a folder `runs/NET/NORM/seed0/`: a line of metrics for each epoch, the state to go on from, and in the end
`model.pt`, which carries its own model and data. Whatever is finished is left alone, and what was interrupted goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from recipes import DATA, IMAGES, NETS, SEARCH_SEED, SEEDS, Net, Variant
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from landscape.data import Batches, load_data
from landscape.data.imageset import ImageSet
from landscape.models import build_model
from landscape.models.initialisation import generator, initialise

HERE = Path(__file__).parent
GLANCE = 2_000  # images of each split that are measured between epochs; after the last, all


@dataclass(frozen=True)
class Run:
    """One network to train, into one folder."""

    net: str
    variant: Variant
    seed: int
    rate: float
    epochs: int
    folder: Path

    def metrics(self) -> list[dict[str, float]]:
        """What was written of each epoch."""
        path = self.folder / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def finished(self) -> bool:
        """Whether its network is there, which is written last."""
        return (self.folder / "model.pt").exists()


@cache
def images(split: str, count: int | None = None) -> Batches:
    """A split in memory, or a fixed subset of it."""
    loaded = load_data(DATA, split)
    whole = loaded.batches() if isinstance(loaded, ImageSet) else loaded
    return whole if count is None else whole.subset(str(count))


def built(net: Net, variant: Variant, seed: int) -> nn.Module:
    """A network with its first weights; constants of frozen-batch are those of the first weights on 1,000 images."""
    model = build_model(variant.spec)
    initialise(model, seed, net.scheme)
    if "frozen-batch" in variant.spec:
        twin = build_model(variant.spec.replace("frozen-batch", "batch(momentum=1.0)"))
        twin.load_state_dict(model.state_dict())
        with torch.no_grad():
            twin.train()(images("train", IMAGES).inputs[:1000])
        model.load_state_dict(twin.state_dict())
    return model


def optimizer_of(model: nn.Module, net: Net, variant: Variant, rate: float) -> torch.optim.Optimizer:
    """The optimizer of a network; only weights decay, not vectors such as biases and gains."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": net.weight_decay * variant.decays},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if net.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9)
    return (torch.optim.AdamW if net.optimizer == "adamw" else torch.optim.Adam)(groups, lr=rate)


@torch.no_grad()
def measure(model: nn.Module, data: Batches) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over all the data, in eval mode."""
    model.eval()
    loss, correct = 0.0, 0
    for inputs, targets in data.split(500):
        output = model(inputs)
        loss += cross_entropy(output, targets, reduction="sum").item()
        correct += int((output.argmax(1) == targets).sum())
    model.train()
    return loss / len(data), correct / len(data)


def steps(run: Run, net: Net, epoch: int) -> Iterator[tuple[Tensor, Tensor, float]]:
    """The batches of an epoch, in an order that depends on the seed alone, each with its learning rate."""
    training = images("train", IMAGES)
    order = torch.from_numpy(generator(run.seed, "order", epoch).permutation(len(training)))
    parts = torch.split(order, net.batch_size)
    for number, index in enumerate(parts):
        done = (epoch + number / len(parts)) / run.epochs
        yield training.inputs[index], training.targets[index], run.rate * (1 + math.cos(math.pi * done)) / 2


def epoch_of(model: nn.Module, optimizer: torch.optim.Optimizer, run: Run, epoch: int) -> dict[str, float]:
    """Train for an epoch; its mean loss and accuracy while training, up to a loss that is not finite."""
    net, loss, correct, seen = NETS[run.net], 0.0, 0, 0
    for inputs, targets, rate in steps(run, net, epoch):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        output = model(inputs)
        batch_loss = cross_entropy(output, targets)
        torch.autograd.backward(batch_loss)
        if run.variant.clipping is not None:
            clip(model, run.variant.clipping)
        optimizer.step()
        loss, correct = loss + batch_loss.item() * len(targets), correct + int((output.argmax(1) == targets).sum())
        seen += len(targets)
        if not math.isfinite(loss):
            break
    return {"running_loss": loss / seen, "running_accuracy": correct / seen}


def clip(model: nn.Module, factor: float) -> None:
    """Adaptive gradient clipping of all but the last layer, as the normalizer-free nets do."""
    from timm.utils.agc import adaptive_clip_grad

    head = {id(parameter) for parameter in model.get_submodule("linear").parameters()}
    adaptive_clip_grad([p for p in model.parameters() if id(p) not in head], clip_factor=factor)


def train(run: Run) -> Run:
    """Train what is left of a run."""
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(run.seed)
    net, rows = NETS[run.net], list[dict[str, float]]()
    model = built(net, run.variant, run.seed).train()
    optimizer = optimizer_of(model, net, run.variant, run.rate)
    state = run.folder / "state.pt"
    run.folder.mkdir(parents=True, exist_ok=True)
    if state.exists():
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        rows = run.metrics()[: kept["epochs"]]
    while len(rows) < run.epochs:
        start = time.perf_counter()
        row = {"epoch": len(rows) + 1, **epoch_of(model, optimizer, run, len(rows))}
        row["seconds"] = time.perf_counter() - start
        last = row["epoch"] == run.epochs
        row["train_loss"], row["train_accuracy"] = measure(model, images("train", IMAGES if last else GLANCE))
        row["test_loss"], row["test_accuracy"] = measure(model, images("test", None if last else GLANCE))
        rows.append(row)
        replaced(run.folder / "metrics.jsonl", "".join(json.dumps(one) + "\n" for one in rows).encode())
        keep(state, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epochs": len(rows)})
        if not math.isfinite(row["running_loss"]):
            break
    save(run, model, rows[-1])
    state.unlink(missing_ok=True)
    return run


def save(run: Run, model: nn.Module, final: dict[str, float]) -> None:
    """Write the checkpoint, with what it takes to use it and to make it again."""
    content = {
        "state_dict": model.state_dict(),
        "landscape": {"model": run.variant.spec, "data": DATA},
        "accuracy": final["test_accuracy"],
        "train_loss": final["train_loss"],
        "learning_rate": run.rate,
        "epochs": final["epoch"],
        "seed": run.seed,
    }
    keep(run.folder / "model.pt", content)


def keep(path: Path, content: dict[str, Any]) -> None:
    """Save beside and replace, so that an interruption leaves the file before."""
    torch.save(content, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def replaced(path: Path, content: bytes) -> None:
    """Write beside and replace."""
    path.with_suffix(".part").write_bytes(content)
    os.replace(path.with_suffix(".part"), path)


def folder_of(root: Path, net: str, variant: Variant, name: str) -> Path:
    """Where a run lies: the name of its norm without what file names dislike."""
    return root / net / re.sub(r"[^\w.=-]+", "_", variant.name).strip("_") / name


def searches(root: Path, net: str, variant: Variant) -> list[Run]:
    """The runs of the search for a learning rate."""
    about = NETS[net]
    return [
        Run(net, variant, SEARCH_SEED, rate, about.search_epochs, folder_of(root, net, variant, f"search{rate:g}"))
        for rate in about.rates
    ]


def chosen_rate(runs: Sequence[Run]) -> float:
    """The rate with the lowest loss while training in the last epoch of the search."""
    last = {run.rate: run.metrics()[-1]["running_loss"] for run in runs}
    return min(last, key=lambda rate: last[rate] if math.isfinite(last[rate]) else math.inf)


def finals(root: Path, net: str, variant: Variant, rate: float) -> list[Run]:
    """The runs whose networks are shown."""
    seeds = SEEDS if variant.headline else SEEDS[:1]
    return [
        Run(net, variant, seed, rate, NETS[net].epochs, folder_of(root, net, variant, f"seed{seed}")) for seed in seeds
    ]


def carried_out(runs: Sequence[Run], pool: ProcessPoolExecutor) -> None:
    """Train what is not finished, each run in a process of its own thread."""
    left = [pool.submit(train, run) for run in runs if not run.finished()]
    for number, future in enumerate(as_completed(left), start=1):
        run = future.result()
        last = run.metrics()[-1]
        print(
            f"{number}/{len(left)} {run.net:14s} {run.variant.name:24s} {run.folder.name:12s} rate {run.rate:g}: "
            f"loss {last['train_loss']:.4f}, test accuracy {last['test_accuracy']:.4f}, "
            f"{sum(row['seconds'] for row in run.metrics()):.0f} s",
            flush=True,
        )


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--norms", nargs="+", help="names of rows; default: all")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    return parser.parse_args()


def main() -> None:
    """Search, then train."""
    options = arguments()
    rows = [(n, v) for n in options.nets for v in NETS[n].variants if not options.norms or v.name in options.norms]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        searched = {(net, variant): searches(options.runs, net, variant) for net, variant in rows}
        carried_out([run for runs in searched.values() for run in runs], pool)
        chosen = {row: chosen_rate(runs) for row, runs in searched.items()}
        carried_out([run for row, rate in chosen.items() for run in finals(options.runs, *row, rate)], pool)


if __name__ == "__main__":
    main()
