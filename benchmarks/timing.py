"""From the moments at which points were finished to seconds per point."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run over a grid.

    Attributes:
        seconds: All of it, imports excluded.
        stamps: When each point was finished, in seconds from the beginning.
        losses: `losses[i][j]` at (x[i], y[j]), where the grid is the common one; else None.
        accuracies: The same for the accuracy.
        ran: What did the work, in a word or two.
    """

    seconds: float
    stamps: Sequence[float]
    losses: list[list[float]] | None = None
    accuracies: list[list[float]] | None = None
    ran: str = ""

    @property
    def per_point(self) -> float:
        """Seconds per point: from the end of the first to the end of the last, by the number between.

        What comes before the first point is set-up, and the first point itself warms up: neither counts.
        """
        return (self.stamps[-1] - self.stamps[0]) / (len(self.stamps) - 1)

    @property
    def typical(self) -> float:
        """The median of the seconds between the ends of two points: what a short trial is judged by."""
        return statistics.median(after - before for before, after in itertools.pairwise(self.stamps))

    @property
    def setup(self) -> float:
        """All seconds but those that the points account for."""
        return max(0.0, self.seconds - self.per_point * len(self.stamps))


@dataclass
class Clock:
    """Collects the moments at which points are finished."""

    begun: float
    stamps: list[float] = field(default_factory=list)

    def stamp(self, now: float) -> None:
        """A point is finished."""
        self.stamps.append(now - self.begun)


def summary(runs: Sequence[Run]) -> dict[str, Any]:
    """Medians, minima and spread of several runs.

    Args:
        runs: One for each round.

    Returns:
        Seconds per point of each run in their order, their median and minimum, the spread (largest minus smallest, by
        the median), and the median of the set-up.
    """
    each = [run.per_point for run in runs]
    median = statistics.median(each)
    return {
        "seconds_per_point": each,
        "median": median,
        "minimum": min(each),
        "spread": (max(each) - min(each)) / median,
        "setup": statistics.median(run.setup for run in runs),
        "ran": runs[-1].ran,
    }


def largest_relative(found: Sequence[float], expected: Sequence[float]) -> float | None:
    """The largest relative difference over the points where both are finite; None where there is none."""
    pairs = [(f, e) for f, e in zip(found, expected, strict=True) if abs(f) < float("inf") and abs(e) < float("inf")]
    return max((abs(f - e) / abs(e) for f, e in pairs if e), default=None)
