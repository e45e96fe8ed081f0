"""Whether a quicker network computes the same function as the plain one, up to rounding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from landscape.data import Batches
from landscape.evaluation import Network, Task
from landscape.types import Grid

# Beyond them a network is not taken to compute what the plain one does. Rounding is below 1e-6 at the trained weights;
# far from them outputs are large differences of larger numbers.
AT_CENTRE, AT_CORNERS = 1e-5, 1e-4
TRIED = 64


def difference(plain: Network, other: Network, grid: Grid, task: Task) -> tuple[float, str]:
    """Compare the outputs of two networks on the first examples of each split, at three points of the grid.

    Args:
        plain: The network itself.
        other: The quicker one.
        grid: The points.
        task: What is measured, its data on the device.

    Returns:
        The largest difference, relative to the largest output; and why that is too much, or nothing.
    """
    found = []
    with torch.inference_mode():
        for batches in task.batches.values():
            few = first_of(batches, TRIED)
            found += [_apart(plain, other, few, point) for point in _three_points(grid)]
    same = max(found[::3]) <= AT_CENTRE and max(found) <= AT_CORNERS
    return max(found), "" if same else f"the {other.name} network differs by {max(found):.1e} relative"


def first_of(batches: Batches, number: int) -> Batches:
    """The first examples, read once.

    Args:
        batches: The examples.
        number: How many of them.

    Returns:
        The few.
    """
    inputs, targets = next(iter(batches.split(number)))
    return Batches(inputs, targets, batches.name, batches.digest, batches.preprocessing)


def _three_points(grid: Grid) -> Sequence[Sequence[float]]:
    """The trained weights, the corner that is farthest from them, and the one across."""
    ends = [sorted((axis.values[0], axis.values[-1]), key=abs) for axis in grid.axes]
    return [0.0] * len(ends), [end[1] for end in ends], [end[0] for end in ends]


def _apart(one: Network, other: Network, few: Batches, point: Sequence[float]) -> float:
    """The largest difference between outputs, relative to the largest; what is not finite has to be so in both."""
    outputs: list[Tensor] = []
    for network in (one, other):
        prepared = network.prepared(few).inputs[:]
        with network.at(point):
            outputs.append(network(prepared).double())
    first, second = outputs
    same = (first == second) | (first.isnan() & second.isnan())
    apart = (first - second).abs().masked_fill(same, 0.0).max()
    largest = first.abs().nan_to_num(0.0, 0.0, 0.0).max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((apart / largest).nan_to_num(torch.inf))
