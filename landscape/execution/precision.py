"""How far a lower precision is off, measured at a few points, and which one to take."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from landscape.data.samples import thinned
from landscape.errors import LandscapeError
from landscape.evaluation import Evaluator, Sums
from landscape.evaluation.evaluator import EVERY
from landscape.execution.preparation import Settings
from landscape.types import PRECISIONS, Grid, Job

Point = tuple[float, ...]


@dataclass(frozen=True)
class Error:
    """The error of a precision at the points where it was compared with float32.

    Attributes:
        precision: Its name.
        corrects: Whether the loss is corrected from a tenth of the examples.
        error: The largest relative error of a loss over the points and splits.
        centre: That at the trained weights.
        seconds: Time of a point, median.
        points: How many points.
    """

    precision: str
    corrects: bool
    error: float
    centre: float
    seconds: float
    points: int

    def __str__(self) -> str:
        """The error in words."""
        corrected = " corrected from a tenth of the examples" if self.corrects else ""
        return (
            f"{self.precision}{corrected} errs by at most {self.error:.1e} of the loss over {self.points} points "
            f"({self.centre:.1e} at the trained weights)"
        )

    def record(self) -> dict[str, Any]:
        """What the file keeps."""
        return {
            "error": self.error,
            "error_at_centre": self.centre,
            "points": self.points,
            "seconds_per_point": self.seconds,
        }


class Comparison:
    """Losses in float32 at a few points, with which other precisions are compared.

    Args:
        evaluator: What evaluates.
        grid: The points of the run.
    """

    def __init__(self, evaluator: Evaluator, grid: Grid) -> None:
        self._evaluator, self._points = evaluator, probe_points(grid)
        self._exact, self.seconds = self._losses("fp32")

    def error(self, precision: str, corrects: Sequence[bool]) -> list[Error]:
        """Compare a precision.

        Args:
            precision: Its name.
            corrects: For each error that is asked for, whether it is that after the correction.

        Returns:
            The errors.
        """
        low, seconds = self._losses(precision)
        found = []
        for corrected in corrects:
            errors = [_error(exact, other, corrected) for exact, other in zip(self._exact, low, strict=True)]
            cost = seconds + self.seconds / EVERY if corrected else seconds
            found.append(Error(precision, corrected, max(errors), errors[0], cost, len(errors)))
        return found

    def _losses(self, precision: str) -> tuple[list[dict[str, Tensor]], float]:
        """Losses of the examples at each point, and the median time of a point."""
        found, seconds = [], []
        for point in self._points:
            begun = time.perf_counter()
            found.append({split: losses.cpu() for split, losses in self._evaluator.losses(point, precision).items()})
            seconds.append(time.perf_counter() - begun)
        return found, sorted(seconds)[len(seconds) // 2]


def probe_points(grid: Grid) -> list[tuple[float, ...]]:
    """Points spread over a grid: on each axis the trained weights, the ends and what lies half-way, fewest first.

    Args:
        grid: The grid.

    Returns:
        The origin first; then, of a plane, the four corners and the four middles of the quadrants' diagonals, and of
        a line its ends and the middles of its halves.
    """
    ends = [(axis.values[0], axis.values[-1]) for axis in grid.axes]
    corners = list(itertools.product(*ends))
    halves = [tuple(value / 2 for value in corner) for corner in corners]
    return list(dict.fromkeys([(0.0,) * len(grid.axes), *corners, *halves]))


@dataclass(frozen=True)
class Settled:
    """The precision of a run.

    Attributes:
        job: The job with that precision.
        record: What the file keeps of its error; empty for float32 that was asked for.
        note: What is said and kept.
        said: What is said only.
    """

    job: Job
    record: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    said: tuple[str, ...] = ()


def settle(
    evaluator: Evaluator, grid: Grid, job: Job, settings: Settings, device: torch.device, before: Mapping[str, Any]
) -> Settled:
    """Set an evaluator's precision: choose it where that is asked for, and measure its error where a file is begun.

    Args:
        evaluator: What evaluates.
        grid: The points.
        job: The job; its precision may be `"auto"`.
        settings: What was asked for.
        device: Where it computes.
        before: What the file says of an earlier run.

    Returns:
        What was settled.
    """
    found = Settled(job, before.get("precision", {}))
    if settings.precision != "fp32" and not found.record:
        comparison = Comparison(evaluator, grid)
        if settings.precision == "auto":
            found = _chosen(comparison, job, candidates_on(device), settings.tolerance)
        else:
            (error,) = comparison.error(settings.precision, [settings.correct])
            found = Settled(job, error.record(), str(error))
    if found.job.precision in PRECISIONS:
        evaluator.network.precision = found.job.precision
    evaluator.corrects = found.job.correction > 0
    return found


def _chosen(comparison: Comparison, job: Job, candidates: Sequence[str], tolerance: float) -> Settled:
    """The quickest precision that errs by less than the tolerance, with or without the correction; else float32."""
    measured = [error for precision in candidates for error in comparison.error(precision, (False, True))]
    good = [one for one in measured if one.error < tolerance and one.seconds < comparison.seconds]
    best = min(good, key=lambda one: one.seconds, default=None)
    said = tuple(f"{one}; {comparison.seconds / one.seconds:.2g} times as quick as fp32" for one in measured)
    if best is None:
        note = f"--precision auto: fp32, because nothing quicker errs by less than {tolerance:g}"
        return Settled(dataclasses.replace(job, precision="fp32"), {"tolerance": tolerance}, note, said)
    corrected = ", corrected" if best.corrects else ""
    note = f"--precision auto: {best.precision}{corrected}, the quickest that errs by less than {tolerance:g}: {best}"
    job = dataclasses.replace(job, precision=best.precision, correction=best.corrects / EVERY)
    return Settled(job, {"tolerance": tolerance, **best.record()}, note, said)


def candidates_on(device: torch.device) -> tuple[str, ...]:
    """The lower precisions that may be quicker on a device; float16 on a CPU never was.

    Args:
        device: The device.

    Returns:
        Their names.
    """
    return ("bf16", "fp16", "tf32") if device.type == "cuda" else ("bf16",)


def refuse_own_precision(dtype: torch.dtype, precision: str) -> None:
    """Refuse to choose an arithmetic for a network whose parameters are not float32.

    Args:
        dtype: That of the parameters.
        precision: What was asked for.

    Raises:
        LandscapeError: If so.
    """
    if precision != "fp32" and dtype != torch.float32:
        raise LandscapeError(
            f"the network's parameters are {str(dtype).removeprefix('torch.')}, which is the precision that it is "
            f"evaluated in: leave out --precision {precision}, or pass the network in float32"
        )


def _error(exact: dict[str, Tensor], low: dict[str, Tensor], corrected: bool) -> float:
    """The largest relative error of a split's mean loss."""
    return max(_relative(exact[split], low[split], corrected) for split in exact)


def _relative(exact: Tensor, low: Tensor, corrected: bool) -> float:
    target, found = float(exact.mean()), float(low.mean())
    if corrected:
        apart = (exact - low)[torch.from_numpy(thinned(len(low), EVERY))]
        sums = Sums(len(low), {}, (len(apart), float(apart.sum()), float(apart.square().sum())))
        found += sums.correction()[0]
    if found == target or (math.isnan(found) and math.isnan(target)):
        return 0.0
    error = abs(found - target) / abs(target) if target else math.inf
    return error if math.isfinite(error) else math.inf
