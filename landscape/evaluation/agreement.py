"""Whether two evaluations of the same point agree up to rounding."""

from __future__ import annotations

import math
from collections.abc import Mapping

from landscape.evaluation.sums import Sums

# What the mean loss may differ by: a part of its root mean square, and of that of its rise. Weights that are placed in
# another order of rounding differ in their last bits; in half precision some of them round the other way.
ROUNDING = {"fp32": 1e-5}
LOWER_ROUNDING = 1e-3
RISE = 1e-2


def differing(found: Mapping[str, Sums], expected: Mapping[str, Sums], precision: str) -> str:
    """Name what two evaluations of the same point do not agree in.

    The mean loss and its rise have to be the same up to rounding, other quantities within the error of their sampling:
    an accuracy may change by an example. What is not finite has to be so in both.

    Args:
        found: Sums of each split.
        expected: What they should be.
        precision: Arithmetic of both.

    Returns:
        The split and the quantity, or nothing.
    """
    for split, sums in expected.items():
        for name, (total, square) in sums.totals.items():
            allowed = sums.count * _allowed(sums, name, square, precision)
            if not _same(found[split].totals[name][0], total, allowed):
                return f"{split} {name.replace('_', ' ')}"
    return ""


def _allowed(sums: Sums, name: str, square: float, precision: str) -> float:
    if name not in ("loss", "loss_rise"):
        return math.sqrt(square) / sums.count
    loss, rise = (math.sqrt(sums.totals[one][1] / sums.count) for one in ("loss", "loss_rise"))
    return ROUNDING.get(precision, LOWER_ROUNDING) * loss + RISE * rise


def _same(found: float, expected: float, allowed: float) -> bool:
    if math.isfinite(expected):
        return abs(found - expected) <= allowed
    return found == expected or (math.isnan(found) and math.isnan(expected))
