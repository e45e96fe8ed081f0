"""Which points of a grid are worth measuring, given what is measured: coarse to fine, and finer only where it matters.

The local estimate of the error is how far a measured value is from what the coarser lattices let expect there
(`analysis.filling`), as a fraction of the range that a figure shows.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator as Draws
from numpy.random import Philox

from landscape.analysis.coverage import FEW
from landscape.analysis.filling import BoolArray, deviations
from landscape.analysis.geometry import lattice_levels, point_levels
from landscape.execution.plan import Batch, FullGrid, Plan, coarse_to_fine
from landscape.execution.results import Results
from landscape.types import Axis, FloatArray, Grid, IntArray

FEWEST = 9  # points along each axis that are measured in any case
CHECKS = 2  # times that points left out are measured, after which some that are off no longer count against the rest
BEGINNING = "first {} points over the whole range, and the time that these take; refining follows"
REFINING = "refining: {} more points"
CHECKING = "checking: {} points that were left out"


@dataclass(frozen=True, eq=False)
class Pass:
    """Points that are measured before the next decision.

    Attributes:
        points: Mask of the shape of the grid.
        reason: What is said of them, with `{}` for their number; empty where they go on with the pass before.
    """

    points: BoolArray
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """How the refinement of one draw of the directions stands.

    Attributes:
        points: Points of the grid.
        first: How many of them are measured in any case.
        measured: How many of them are measured.
        finished: Whether refining has ended.
        checked: How many that had been left out were measured to see how far off they are.
        rms: The root mean square error over the grid that follows from those, as a fraction of the plotted range.
        largest: The largest error among them.
    """

    points: int
    first: int = 0
    measured: int = 0
    finished: bool = False
    checked: int = 0
    rms: float = 0.0
    largest: float = 0.0

    def __str__(self) -> str:
        """One sentence."""
        if self.first == self.points:
            return f"every point was measured ({self.points:,}): the grid is too coarse to leave any out"
        if self.measured == self.points:
            return f"every point was measured ({self.points:,}): the surface is as rough as the grid"
        only = "only " if self.checked < FEW else ""
        return (
            f"{self.measured:,} of {self.points:,} points were measured ({self.measured / self.points:.1%}), the rest "
            f"is interpolated; estimated error {self.rms:.2%} of the plotted range (RMS), from {only}{self.checked:,} "
            f"points that were checked; the largest at the points checked was {self.largest:.2%}, elsewhere it may be "
            "two or three times that"
        )


@dataclass(frozen=True, eq=False)
class Adaptive:
    """A plan that leaves out what can be interpolated, draw by draw of the directions.

    Attributes:
        grid: The points, of which not all are computed.
        tolerance: The error that is put up with, as a fraction of the plotted range.
        told: For each draw what is told of it; at first what the file told.
        exact: That the number of points is but a bound.
    """

    grid: Grid
    tolerance: float
    told: list[dict[str, Any]]
    exact: bool = False

    def batches(self, results: Results) -> Iterator[Batch]:
        """What is not done of each pass of each draw; what had been done before decides again as it did then."""
        order = coarse_to_fine(self.grid)
        for repeat in range(results.repeats):
            which = f"draw {repeat} of the directions: " if results.repeats > 1 else ""
            refinement = Refinement(self.grid, self.tolerance, functools.partial(results.losses, repeat))
            for one in refinement.passes():
                points = [point for point in results.remaining(order[one.points.ravel()[order]]) if point[0] == repeat]
                if points:
                    said = self._said(len(points), one, refinement.outcome)
                    yield Batch(points, which + said if said else "")
                self._tell(repeat, refinement.outcome)
            self._tell(repeat, refinement.outcome)
            yield Batch([], which + str(refinement.outcome))

    def _said(self, number: int, one: Pass, outcome: Outcome) -> str:
        """What is said before the points of a pass."""
        if not one.reason:
            return ""
        so_far = f"{outcome.measured:,} measured, " if outcome.measured else ""
        return f"{one.reason.format(f'{number:,}')} ({so_far}at most {self.grid.size:,})"

    def _tell(self, repeat: int, outcome: Outcome) -> None:
        self.told[repeat : repeat + 1] = [{**dataclasses.asdict(outcome), "said": str(outcome)}]

    def record(self) -> Mapping[str, Any]:
        """How the refinement of each draw stands or ended, under `adaptive`."""
        return {"adaptive": list(self.told)}


def plan_of(grid: Grid, tolerance: float, before: Mapping[str, Any]) -> Plan:
    """Which points a run computes.

    Args:
        grid: All that there are.
        tolerance: Where refining stops, as a fraction of the plotted range; 0 for the full grid.
        before: Provenance of the file that is gone on with; empty for a new one.

    Returns:
        The plan.
    """
    return Adaptive(grid, tolerance, list(before.get("adaptive", ()))) if tolerance else FullGrid(grid)


class Refinement:
    """The decisions for one draw of the directions.

    A lattice of at least nine points along each axis is measured whole, and what lies close to the trained weights,
    where small widths and curvatures are taken. Of every finer one those points follow that lie
    beside a point of the lattice before at which the interpolation was off by more than the tolerance; then those
    beside points at which it turned out to be so, as long as that spreads. What is not finite is always off. In the end
    some points that were left out, spread over the grid, are measured: they estimate the error, and if they are off,
    what lies beside them is measured, too. Where the root mean square error is above the tolerance nevertheless (noise
    does that, of which any value may be near what is expected), all begins again with half the tolerance for a point.

    Every decision depends on the values of the points of earlier passes alone, so that an interrupted run that goes on
    comes to the same ones.

    Args:
        grid: The points.
        tolerance: The error that is put up with, as a fraction of the plotted range.
        losses: Gives what is measured by now: the loss of every split under every policy, shape (surfaces, *grid); NaN
            where it is not.
    """

    def __init__(self, grid: Grid, tolerance: float, losses: Callable[[], FloatArray]) -> None:
        self._grid, self._losses = grid, losses
        self._asked = self._tolerance = tolerance
        self._levels = point_levels(grid)
        self._known = np.zeros(grid.shape, dtype=bool)
        self._first = (self._levels <= first_level(grid)) | near_centre(grid)
        self.outcome = Outcome(grid.size, int(self._first.sum()))

    def passes(self) -> Iterator[Pass]:
        """Decide which points are measured next.

        Yields:
            Points, no point twice; all are to be measured when the next pass is asked for.
        """
        yield from self._measured(Pass(self._first, BEGINNING))
        for checks in itertools.count(1):
            for level in range(first_level(self._grid) + 1, int(self._levels.max()) + 1):
                yield from self._refining(level)
            off = yield from self._checking()
            enough = self.outcome.rms <= self._asked
            if enough and (checks >= CHECKS or not off):
                break
            if not enough:
                self._tolerance /= 2
        self.outcome = dataclasses.replace(self.outcome, finished=True)

    def _refining(self, level: int) -> Iterator[Pass]:
        """Points of a lattice beside those of the one before, and beside the first of its own, that were off."""
        looked_at = (self._levels == level - 1) | (self._first & (self._levels == level))
        rough = self._beside(looked_at & self._off(self._known), level) & (self._levels == level)
        yield from self._spreading(Pass(rough, REFINING), level)

    def _checking(self) -> Generator[Pass, None, bool]:
        """Some points that were left out, and what lies beside those that are off; whether there are any such."""
        checks, before = _sample(~self._known), self._known.copy()
        yield from self._measured(Pass(checks, CHECKING))
        self._judge(before, checks)
        finest = int(self._levels.max())
        beside = self._beside(checks & self._off(before), finest)
        yield from self._spreading(Pass(beside, REFINING), finest)
        return bool(beside.any())

    def _measured(self, one: Pass) -> Iterator[Pass]:
        if one.points.any():
            yield one
        self._known |= one.points
        self.outcome = dataclasses.replace(self.outcome, measured=int(self._known.sum()))

    def _spreading(self, one: Pass, level: int) -> Iterator[Pass]:
        """These points, and what lies beside those of them that are off, within a lattice."""
        begun = np.zeros_like(self._known)
        while one.points.any():
            yield from self._measured(one)
            begun |= one.points
            one = Pass(self._beside(begun & self._off(self._known), level))

    def _off(self, known: BoolArray) -> BoolArray:
        """Where what was measured differs from what the known points let expect."""
        return np.asarray(self._deviations(known) > self._tolerance)

    def _deviations(self, known: BoolArray) -> FloatArray:
        losses = np.where(self._known, self._losses(), np.nan)
        found = np.max([deviations(loss, known, self._grid) for loss in losses], axis=0)
        return np.where(self._known, found, 0.0)

    def _beside(self, points: BoolArray, level: int) -> BoolArray:
        """The neighbours of points within a lattice, across corners too, that are not measured."""
        rows = np.ix_(*(np.flatnonzero(lattice_levels(axis) <= level) for axis in self._grid.axes))
        padded = np.pad(points[rows], 1)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3,) * padded.ndim)
        found = np.zeros_like(points)
        found[rows] = windows.any(axis=tuple(range(-padded.ndim, 0)))
        return found & ~self._known

    def _judge(self, before: BoolArray, checks: BoolArray) -> None:
        """Estimate the error of what was interpolated by what was found at points that had been left out."""
        errors = np.minimum(self._deviations(before)[checks], 1.0)
        if self._known.all():
            errors = np.zeros(0)  # nothing is interpolated any more
        mean, largest = float((errors**2).sum() / max(len(errors), 1)), float(errors.max(initial=0.0))
        rms = float(np.sqrt(mean * (1 - self._known.mean())))
        self.outcome = dataclasses.replace(self.outcome, checked=len(errors), rms=rms, largest=largest)


def first_level(grid: Grid) -> int:
    """The coarsest lattice with at least nine points along each axis, or all there are."""
    levels = [lattice_levels(axis) for axis in grid.axes]
    level = 1
    while any((own <= level).sum() < min(FEWEST, len(own)) for own in levels):
        level += 1
    return level


def near_centre(grid: Grid) -> BoolArray:
    """Points about the trained weights that are measured in any case, on ever finer lattices.

    Of the lattice that follows the first one, the two nearest coordinates on every side of that nearest to 0; of every
    finer one, the nearest: 16 points of a plane of 21 x 21, 24 of one of 51 x 51.

    Args:
        grid: The grid.

    Returns:
        Mask of the shape of the grid; points of the first lattice are among them.
    """
    found, first = np.zeros(grid.shape, dtype=bool), first_level(grid)
    for level in range(first + 1, int(point_levels(grid).max()) + 1):
        found[np.ix_(*(_nearest(axis, level, 2 if level == first + 1 else 1) for axis in grid.axes))] = True
    return found


def _nearest(axis: Axis, level: int, number: int) -> IntArray:
    """Indices of the coordinates of a lattice that are nearest to that nearest to 0, so many on each side, and its."""
    levels = lattice_levels(axis)
    lattice = np.flatnonzero(levels <= level)
    centre = int(np.searchsorted(lattice, int(np.argmin(levels))))
    return lattice[max(centre - number, 0) : centre + number + 1]


def _sample(points: BoolArray) -> BoolArray:
    """As many of some points as the root of their number, one at random in each of equal stretches."""
    places = np.flatnonzero(points)
    number = int(np.ceil(np.sqrt(len(places))))
    starts = np.arange(number) + Draws(Philox(number)).random(number)
    chosen = np.zeros(points.size, dtype=bool)
    chosen[places[(starts * len(places) / max(number, 1)).astype(np.int64)]] = True
    return chosen.reshape(points.shape)
