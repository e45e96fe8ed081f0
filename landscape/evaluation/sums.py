"""Sufficient statistics of per-example numbers: additive, so that parts merge exactly into wholes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sums:
    """What is kept of one split at one point.

    Attributes:
        count: Number of examples.
        totals: For each quantity, the sum and the sum of squares over examples, in float64; `loss_rise` is the
            difference between an example's loss here and at the centre.
    """

    count: int
    totals: Mapping[str, tuple[float, float]]

    def __add__(self, other: Sums) -> Sums:
        """Merge two sets of examples."""
        merged = {
            name: (total + other.totals[name][0], square + other.totals[name][1])
            for name, (total, square) in self.totals.items()
        }
        return Sums(self.count + other.count, merged)

    def mean(self, name: str) -> float:
        """Mean over examples."""
        return self.totals[name][0] / self.count

    def stderr(self, name: str) -> float:
        """Standard error of that mean: sqrt(var / n), var over n - 1; NaN for a single example."""
        total, square = self.totals[name]
        if self.count < 2:
            return math.nan
        variance = (square - total * (total / self.count)) / (self.count - 1)
        # Rounding may leave a tiny negative variance; max() alone would turn NaN into 0.
        return math.nan if math.isnan(variance) else math.sqrt(max(variance, 0.0) / self.count)

    def values(self) -> dict[str, float]:
        """What goes into the file: a mean and `_stderr` per quantity, of the rise the error alone, and the count."""
        found: dict[str, float] = {}
        for name in self.totals:
            if name != "loss_rise":
                found[name] = self.mean(name)
            found[f"{name}_stderr"] = self.stderr(name)
        return {**found, "count": self.count}
