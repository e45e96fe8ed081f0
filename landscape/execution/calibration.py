"""What recalibrating BatchNorm's statistics costs, and how sure it is."""

from __future__ import annotations

import itertools

from landscape.evaluation import Evaluator
from landscape.inputs import Inputs
from landscape.types import Grid, Job


def cost_of(job: Job, inputs: Inputs) -> str:
    """Say how many examples go through the network at every point.

    Args:
        job: The policies.
        inputs: The data.

    Returns:
        A sentence, or nothing where it costs what frozen statistics do.
    """
    evaluated, number = sum(map(len, inputs.batches.values())), len(job.policies)
    if "recalibrate" in job.policies and inputs.calibration is None:
        return _without_calibration(evaluated, number)
    if job.policies == ("frozen",):
        return ""
    calibration = 0 if inputs.calibration is None else len(inputs.calibration)
    costs = {"frozen": evaluated, "batch": evaluated, "recalibrate": evaluated + calibration}
    parts = [f"{policy} {costs[policy]:,}" for policy in job.policies]
    total = sum(costs[policy] for policy in job.policies)
    return (
        f"examples through the network at every point: {', '.join(parts)}; "
        f"{total / evaluated:.2g} times the cost of frozen statistics alone"
    )


def _without_calibration(evaluated: int, number: int) -> str:
    """In a network that keeps no statistics each policy costs the same."""
    if number == 1:
        return ""
    return (
        f"examples through the network at every point: {evaluated:,} for each of {number} policies; "
        f"{number} times the cost of frozen statistics alone"
    )


def half_differences(evaluator: Evaluator, grid: Grid) -> dict[str, dict[str, float]]:
    """How much the choice of calibration images matters, at the trained weights and at the ends of the range.

    Args:
        evaluator: What evaluates, with a calibration set.
        grid: The points.

    Returns:
        For each split, the loss under the statistics of one half of the calibration set minus that under the other
        half's: at the `centre`, and the largest in absolute value over the `ends`.
    """
    centre = evaluator.half_difference([0.0] * len(grid.axes))
    corners = itertools.product(*((axis.values[0], axis.values[-1]) for axis in grid.axes))
    ends = [evaluator.half_difference(corner) for corner in dict.fromkeys(corners)]
    return {
        split: {"centre": value, "ends": max((end[split] for end in ends), key=abs)} for split, value in centre.items()
    }
