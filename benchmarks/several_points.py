"""Whether several points are worth one forward pass: `python -m benchmarks.several_points`.

Small networks, whose passes are many short operations. One point after the other: the weights are placed in the
network, as `landscape` does it, and it is called. K points at once: their weights are computed in one go, stacked, and
the network is called by `torch.func.vmap` over `functional_call`. On a GPU both are replayed as CUDA graphs, too, which
is what `landscape` does there. All ways take turns; a call gives the mean losses of its points as numbers on the host.
What a whole point costs in `landscape.compute` stands beside.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

import landscape
from benchmarks.environment import environment, memory, write_results
from benchmarks.ours import Ticks
from benchmarks.planes import Evaluate, Small, at_once, build, one_after_the_other, replayed
from benchmarks.roofline import counted
from benchmarks.timing import Run
from landscape.evaluation import Graphs, Recorder, strict_arithmetic

ALONE, WHOLE = "one after the other", "a whole point of landscape"
IN_TURN = 16  # points of a timing, one after the other
LASTS = 0.1  # seconds of a timing, in which what is short is repeated
SHARE = 1 / 4  # of the memory, which activations take at most
SIDE = 11  # of the grid that `landscape.compute` evaluates

NETWORKS = {
    "MLP 2-32-32-2, 256 examples": ("mlp(inputs=2, hidden=(32, 32), classes=2)", (2,), 2, 256),
    "MLP 20-64-64-3, 1,000 examples": ("mlp(inputs=20, hidden=(64, 64), classes=3)", (20,), 3, 1000),
    "MLP 784-64-10, 500 images": ("mlp(hidden=64)", (784,), 10, 500),
    "LeNet, 100 images": ("lenet", (1, 28, 28), 10, 100),
    "LeNet, 500 images": ("lenet", (1, 28, 28), 10, 500),
}


def main() -> None:
    """Measure, and write `results/several_points.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--at-once", type=int, nargs="+", default=[4, 16, 64, 256])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=environment()["cores"])
    options = parser.parse_args()
    about = environment(options.threads)
    torch.set_num_threads(options.threads)
    name = ("cuda" if torch.cuda.is_available() else "cpu") if options.device == "auto" else options.device
    device = torch.device(name)
    settings = {"device": name, "at_once": options.at_once, "rounds": options.rounds, "threads": options.threads}
    found: dict[str, Any] = {}
    for words, (spec, shape, classes, examples) in NETWORKS.items():
        small = build(spec, shape, classes, examples, device)
        found[words] = measured(small, options.at_once, options.rounds, device)
        _tell(words, found[words])
        write_results("several_points", settings, found, about)


def contenders(
    small: Small, numbers: Sequence[int], recorder: Recorder | None
) -> tuple[dict[str, tuple[int, Evaluate]], dict[str, str]]:
    """All ways of evaluating points.

    Args:
        small: The network.
        numbers: How many points at once.
        recorder: Makes recordings; None to leave them out.

    Returns:
        For each name how many points a call takes, and what evaluates them; and why a recording cannot be made.
    """
    found = {ALONE: (IN_TURN, one_after_the_other(small))}
    found |= {f"{number} at once": (number, at_once(small, number)) for number in numbers}
    reasons: dict[str, str] = {}
    if recorder is not None:
        made = [(f"{ALONE}, replayed", IN_TURN, partial(replayed, small, recorder))]
        made += [(f"{one} at once, replayed", one, partial(at_once, small, one, recorder)) for one in numbers]
        for name, number, make in made:
            try:
                found[name] = number, make()
            except Exception as error:  # a driver may do anything
                reasons[name] = next(iter(str(error).splitlines()), type(error).__name__)
    return found, reasons


def measured(small: Small, numbers: Sequence[int], rounds: int, device: torch.device) -> dict[str, Any]:
    """Time all ways, round after round.

    Args:
        small: The network.
        numbers: How many points at once.
        rounds: How many rounds.
        device: Where.

    Returns:
        Seconds per point of each, by its name, and of a whole point of `landscape.compute`: median and minimum over the
        rounds; which numbers were left out, as too large for the memory; why there is no recording; and the largest
        relative difference of a loss.
    """
    fit = [number for number in numbers if _fits(small, number, device)]
    with strict_arithmetic(), torch.inference_mode():
        ways, reasons = contenders(small, fit, Graphs(device) if device.type == "cuda" else None)
        apart = difference(ways)
        times = {name: max(1, round(LASTS / _seconds(*way))) for name, way in ways.items()}
    found: dict[str, list[float]] = {name: [] for name in (*ways, WHOLE)}
    for _ in range(rounds):
        with strict_arithmetic(), torch.inference_mode():
            for name, (number, evaluate) in ways.items():
                found[name].append(_seconds(number, evaluate, times[name]) / number)
        found[WHOLE].append(_whole(small, device))
    rows = {name: {"median": statistics.median(one), "minimum": min(one)} for name, one in found.items()}
    left_out = [one for one in numbers if one not in fit]
    return {"rows": rows, "left_out": left_out, "reasons": reasons, "largest_difference": apart}


def _fits(small: Small, number: int, device: torch.device) -> bool:
    """Whether the activations of so many points take no more than a share of the memory."""
    work = counted(small.model, small.inputs.shape[1:])
    total = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else memory()
    return work.numbers * 4 * len(small.labels) * number <= SHARE * total


def difference(ways: dict[str, tuple[int, Evaluate]]) -> float:
    """The largest relative difference of a loss between the first way and the others, at the same points."""
    generator = torch.Generator().manual_seed(1)
    points = 2 * torch.rand(max(number for number, _ in ways.values()), 2, generator=generator, dtype=torch.float64) - 1
    expected = torch.tensor(ways[ALONE][1](points))
    found = [
        torch.tensor(evaluate(points[:number])).sub(expected[:number]).div(expected[:number]).abs().max()
        for number, evaluate in ways.values()
    ]
    return float(torch.stack(found).max())


def _seconds(number: int, evaluate: Evaluate, times: int = 1) -> float:
    """Seconds of a call; its answer is on the host, so that nothing is left to wait for."""
    points = torch.rand(number, 2, dtype=torch.float64)
    begun = time.perf_counter()
    for _ in range(times):
        evaluate(points)
    return (time.perf_counter() - begun) / times


def _whole(small: Small, device: torch.device) -> float:
    """Median seconds between the ends of two points of `landscape.compute`."""
    ticks, axis = Ticks(), (-1.0, 1.0, SIDE)
    data = small.inputs.cpu(), small.labels.cpu()
    landscape.compute(small.model, data, x=axis, y=axis, device=device.type, progress=ticks)
    return Run(0.0, ticks.clock.stamps).typical


def _tell(words: str, found: dict[str, Any]) -> None:
    print(f"{words} (largest difference {found['largest_difference']:.0e})", flush=True)
    for name, row in found["rows"].items():
        print(f"  {name:36s} {1e6 * row['median']:9.1f} us a point (minimum {1e6 * row['minimum']:.1f})", flush=True)


if __name__ == "__main__":
    main()
