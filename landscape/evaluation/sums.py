"""Sufficient statistics of per-example numbers: additive, so that parts merge exactly into wholes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

# One in so many examples is evaluated in float32, too, where a lower precision is corrected.
EVERY = 10


@dataclass(frozen=True)
class Sums:
    """What is kept of one split at one point.

    Attributes:
        count: Number of examples.
        totals: For each quantity, the sum and the sum of squares over examples, in float64; `loss_rise` is the
            difference between an example's loss here and at the centre.
        differences: Of the loss in float32 minus that in the precision of the rest, on a part of the examples: their
            number, sum and sum of squares; empty where all is in one precision.
    """

    count: int
    totals: Mapping[str, tuple[float, float]]
    differences: tuple[int, float, float] | tuple[()] = ()

    def __add__(self, other: Sums) -> Sums:
        """Merge two sets of examples."""
        merged = {
            name: (total + other.totals[name][0], square + other.totals[name][1])
            for name, (total, square) in self.totals.items()
        }
        if not self.differences or not other.differences:
            return Sums(self.count + other.count, merged)
        (number, total, square), (more, others, squares) = self.differences, other.differences
        return Sums(self.count + other.count, merged, (number + more, total + others, square + squares))

    def mean(self, name: str) -> float:
        """Mean over examples; that of the loss is corrected where `correction` says so."""
        mean = self.totals[name][0] / self.count
        return mean + self.correction()[0] if name == "loss" and self.differences else mean

    def correction(self) -> tuple[float, float]:
        """What is added to the mean loss for the error of a lower precision, and the standard error of that estimate.

        The mean difference m on a part of the examples, drawn without replacement, is a control variate with the
        standard error s. It is added shrunken, w m with w = max(0, m^2 - s^2) / m^2, the share of m^2 that is not
        noise: 0 where m says nothing, 1 where it is sure.
        """
        mean, error, weight = self._apart()
        return (weight * mean if weight else 0.0), error

    def _apart(self) -> tuple[float, float, float]:
        """The mean difference m, its standard error s and its weight w; NaN, NaN and 0 where there are too few."""
        if not self.differences or self.differences[0] < 2:
            return math.nan, math.nan, 0.0
        number, total, square = self.differences
        mean = total / number
        variance = max(square - total * mean, 0.0) / (number - 1)
        error = math.sqrt(variance / number * (1 - number / self.count))
        return mean, error, (1 - (error / mean) ** 2 if abs(mean) > error else 0.0)

    def stderr(self, name: str) -> float:
        """Standard error of that mean: sqrt(var / n), var over n - 1; NaN for a single example.

        That of the loss has the variance of its correction in it, w s^2: what is left of s^2 after shrinking.
        """
        total, square = self.totals[name]
        if self.count < 2:
            return math.nan
        variance = (square - total * (total / self.count)) / (self.count - 1)
        if math.isnan(variance):
            return math.nan  # max() alone would turn it into 0
        _, error, weight = self._apart()
        left = weight * error**2 if weight and name == "loss" else 0.0
        # Rounding may leave a tiny negative variance.
        return math.sqrt(max(variance, 0.0) / self.count + left)

    def values(self) -> dict[str, float]:
        """What goes into the file: a mean and `_stderr` per quantity, of the rise the error alone, and the count."""
        found: dict[str, float] = {}
        for name in self.totals:
            if name != "loss_rise":
                found[name] = self.mean(name)
            found[f"{name}_stderr"] = self.stderr(name)
        if self.differences:
            found["loss_correction"], found["loss_correction_stderr"] = self.correction()
        return {**found, "count": self.count}


@dataclass(frozen=True)
class Measurement:
    """What is measured at a point.

    Attributes:
        sums: For each split, the sums under each policy for BatchNorm's statistics.
        drift: Of the recalibrated statistics from the frozen ones, as `Statistics.drift` names it.
    """

    sums: Mapping[str, Mapping[str, Sums]]
    drift: Mapping[str, float]

    def values(self) -> dict[str, list[float]]:
        """All numbers under their names in the file: one per policy, or a single one of the statistics."""
        found: dict[str, list[float]] = {}
        for split, measured in self.sums.items():
            per_policy = [sums.values() for sums in measured.values()]
            for name in per_policy[-1]:
                found[f"{split}/{name}"] = [values.get(name, 0.0) for values in per_policy]
        return {**found, **{f"statistics/{name}": [value] for name, value in self.drift.items()}}
