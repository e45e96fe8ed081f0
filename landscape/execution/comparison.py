"""How far a lower precision is off, measured at a few points against float32."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from landscape.data.samples import thinned
from landscape.evaluation import Evaluator, Sums
from landscape.evaluation.sums import EVERY
from landscape.types import Axis, Grid

Point = tuple[float, ...]

# Where probes lie on the way from the trained weights to the ends, and on which rays of a plane, in the order of their
# use. Relative errors are largest where the loss is small: beside the trained weights.
DIAGONALS, AXES = tuple(itertools.product((-1, 1), repeat=2)), ((-1, 0), (1, 0), (0, -1), (0, 1))
RINGS = (
    (1.0, DIAGONALS),
    (1 / 20, (*DIAGONALS, *AXES)),
    (1 / 4, AXES),
    (1 / 10, DIAGONALS),
    (1 / 2, DIAGONALS),
)
SHARE, FEWEST = 1 / 3, 5  # of the points of a grid, at most, and at least
# While a run goes on, one in so many points is compared, or fewer: that takes a twentieth of the time at most.
CHECKED, CHECKING = 50, 1 / 20


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
        exact: Time of a point in float32, median.
    """

    precision: str
    corrects: bool
    error: float
    centre: float
    seconds: float
    points: int
    exact: float

    def __str__(self) -> str:
        """The error in words."""
        corrected = " corrected from a tenth of the examples" if self.corrects else ""
        return (
            f"{self.precision}{corrected} errs by at most {self.error:.1e} of the loss at {self.points} probe points "
            f"({self.centre:.1e} at the trained weights)"
        )

    def record(self) -> dict[str, Any]:
        """What the file keeps."""
        return {
            "error": self.error,
            "error_at_centre": self.centre,
            "points": self.points,
            "seconds_per_point": self.seconds,
            "seconds_per_point_fp32": self.exact,
        }


class Comparison:
    """Losses in float32 at a few points, with which other precisions are compared.

    Args:
        evaluator: What evaluates.
        grid: The points of the run.

    Attributes:
        seconds: Time of a point in float32, median.
    """

    def __init__(self, evaluator: Evaluator, grid: Grid) -> None:
        self._evaluator, self._points = evaluator, probe_points(grid)
        timed = [self._losses(point, "fp32") for point in self._points]
        self._exact, self.seconds = [losses for losses, _ in timed], _median([seconds for _, seconds in timed])

    def error(self, precision: str, corrects: Sequence[bool], tolerance: float = math.inf) -> list[Error]:
        """Compare a precision.

        Args:
            precision: Its name.
            corrects: For each error that is asked for, whether it is that after the correction.
            tolerance: No further points are compared once every error is as large as this.

        Returns:
            The errors.
        """
        errors: dict[bool, list[float]] = {corrected: [] for corrected in corrects}
        times: list[float] = []
        for exact, point in zip(self._exact, self._points, strict=True):
            low, seconds = self._losses(point, precision)
            times.append(seconds)
            for corrected, found in errors.items():
                found.append(max(relative(exact[split], low[split], corrected) for split in exact))
            if all(max(found) >= tolerance for found in errors.values()):
                break
        return [self._error(precision, corrected, found, _median(times)) for corrected, found in errors.items()]

    def _error(self, precision: str, corrected: bool, errors: Sequence[float], seconds: float) -> Error:
        cost = seconds + self.seconds / EVERY if corrected else seconds
        return Error(precision, corrected, max(errors), errors[0], cost, len(errors), self.seconds)

    def _losses(self, point: Point, precision: str) -> tuple[dict[str, Tensor], float]:
        """Losses of the examples at a point, and how long that took."""
        begun = time.perf_counter()
        losses = {split: losses.cpu() for split, losses in self._evaluator.losses(point, precision).items()}
        return losses, time.perf_counter() - begun


class Watch:
    """Compares one point in fifty with float32 while a run goes on.

    Args:
        evaluator: What evaluates.
        precision: The precision of the run.
        record: What the file keeps of its error; empty where there is nothing to watch.
    """

    def __init__(self, evaluator: Evaluator, precision: str, record: Mapping[str, Any]) -> None:
        self._evaluator, self._precision = evaluator, precision
        self._record, self._passed = dict(record), 0
        slower = record.get("seconds_per_point_fp32", 0.0) / max(record.get("seconds_per_point", 1.0), 1e-9)
        self._step = max(CHECKED, math.ceil(slower / CHECKING))

    @property
    def record(self) -> dict[str, Any]:
        """What the file keeps: the largest error so far, and at how many points it was looked for."""
        return dict(self._record)

    def __call__(self, point: Sequence[float], values: Mapping[str, Sequence[float]]) -> str:
        """See a point that was evaluated.

        Args:
            point: Its coordinates.
            values: What was measured, one number per policy; the first one is compared.

        Returns:
            What is to be said where its error is the first above the tolerance that the precision was chosen by.
        """
        self._passed += 1
        if "error" not in self._record or self._passed % self._step:
            return ""
        exact = self._evaluator.exact(point)
        error = max(_apart(loss, values[f"{split}/loss"][0]) for split, loss in exact.items())
        before, tolerance = self._record["error"], self._record.get("tolerance", math.inf)
        self._record.update(error=max(before, error), points=self._record["points"] + 1)
        if not before < tolerance <= error:
            return ""
        where = ", ".join(f"{one:g}" for one in point)
        return (
            f"{self._precision} errs by {error:.1e} of the loss at ({where}), which is more than the tolerance of "
            f"{tolerance:g} that it was chosen by: give a smaller one, or --precision fp32, for an exact surface"
        )


def probe_points(grid: Grid) -> list[Point]:
    """Points of a grid where precisions are compared: close to the trained weights, out to the ends and between.

    Args:
        grid: The grid.

    Returns:
        The origin, whether or not it is on the grid, then points of the grid; at most a third of them, but five of a
        small one. Those of a plane lie on its diagonals and axes.
    """
    origin = (0.0,) * len(grid.axes)
    rays = ((fraction, ray) for fraction, rays in RINGS for ray in dict.fromkeys(one[: len(origin)] for one in rays))
    probes = (
        tuple(_snapped(axis, sign, fraction) for axis, sign in zip(grid.axes, ray, strict=True))
        for fraction, ray in rays
        if any(ray)
    )
    return list(dict.fromkeys([origin, *probes]))[: max(FEWEST, int(SHARE * grid.size))]


def _snapped(axis: Axis, sign: int, fraction: float) -> float:
    """The coordinate nearest to a fraction of the way to an end; beside the trained weights never those themselves."""
    if not sign:
        return min(axis.values, key=abs)
    target = fraction * axis.values[0 if sign < 0 else -1]
    others = [value for value in axis.values if value] or axis.values
    return min(others, key=lambda value: abs(value - target))


def relative(exact: Tensor, low: Tensor, corrected: bool) -> float:
    """The relative error of a mean loss.

    Args:
        exact: Losses of the examples in float32, shape (N,).
        low: Those in a lower precision.
        corrected: Whether their mean is corrected from a tenth of them.

    Returns:
        The error; infinite where only one of them is finite.
    """
    found = float(low.mean())
    if corrected:
        apart = (exact - low)[torch.from_numpy(thinned(len(low), EVERY))]
        sums = Sums(len(low), {}, (len(apart), float(apart.sum()), float(apart.square().sum())))
        found += sums.correction()[0]
    return _apart(float(exact.mean()), found)


def _apart(target: float, found: float) -> float:
    if found == target or (math.isnan(found) and math.isnan(target)):
        return 0.0
    error = abs(found - target) / abs(target) if target else math.inf
    return error if math.isfinite(error) else math.inf


def _median(numbers: Sequence[float]) -> float:
    return sorted(numbers)[len(numbers) // 2]
