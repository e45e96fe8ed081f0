"""How far a lower precision is off, measured at a few points, and which one to take."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from landscape.errors import LandscapeError
from landscape.evaluation import Evaluator, Sums
from landscape.evaluation.evaluator import EVERY
from landscape.types import Grid

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
        corrected = f" corrected from every {EVERY}th example" if self.corrects else ""
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


def choose(comparison: Comparison, candidates: Sequence[str], tolerance: float) -> tuple[Error | None, list[Error]]:
    """Take the quickest precision that errs by less than a tolerance.

    Args:
        comparison: What measures.
        candidates: Precisions lower than float32.
        tolerance: The largest relative error of the loss.

    Returns:
        The choice, or None for float32; and all that was measured.
    """
    measured = [error for precision in candidates for error in comparison.error(precision, (False, True))]
    good = [one for one in measured if one.error < tolerance and one.seconds < comparison.seconds]
    return min(good, key=lambda one: one.seconds, default=None), measured


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
        apart = exact[::EVERY] - low[::EVERY]
        sums = Sums(len(low), {}, (len(apart), float(apart.sum()), float(apart.square().sum())))
        found += sums.correction()[0]
    if found == target or (math.isnan(found) and math.isnan(target)):
        return 0.0
    error = abs(found - target) / abs(target) if target else math.inf
    return error if math.isfinite(error) else math.inf
