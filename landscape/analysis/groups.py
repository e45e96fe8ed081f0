"""Two independent groups of numbers compared by an exact test: trained networks, or draws that are not paired."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from landscape.analysis.replication import BLOCK, BLOCKS, DRAWS, ROUNDING, TIE, Kind, exponential, is_rounding
from landscape.types import FloatArray

MOST_LABELLINGS = 20_000


@dataclass(frozen=True)
class OverSeeds:
    """How two independent groups compare: trained networks, or draws of the directions that are not paired.

    Attributes:
        kind: `"ratio"` or `"difference"`.
        estimate: The ratio of the geometric means b / a, or the difference of the means b - a.
        p: Two-sided p value of the permutation test.
        smallest_p: The smallest value that p could take with groups of these sizes.
        exact: Whether every labelling was tried.
        numbers: How many values are used, in a and in b.
        left_out: How many are left out.
    """

    kind: Kind
    estimate: float
    p: float
    smallest_p: float
    exact: bool
    numbers: tuple[int, int]
    left_out: tuple[int, int]


def over_seeds(a_values: ArrayLike, b_values: ArrayLike, kind: Kind = "ratio", seed: int = 0) -> OverSeeds:
    """Compare two independent groups: trained networks, or draws that are not paired; one number for each.

    For a ratio the statistic is |mean log b - mean log a|, for a difference |mean b - mean a|; p is the share of
    the C(n + m, n) ways to divide all numbers into groups of the same sizes whose statistic is at least the observed
    one, which is among them (Fisher's randomisation test, 1935). All are tried if they are at most 20,000; beyond,
    N = 99,999 random ones with a fixed seed, and p = (1 + count) / (1 + N). Ties, up to rounding, count. A statistic
    that is rounding is exactly 0, with p = 1: below `ROUNDING` (1e-6) for a ratio, below 1e-6 of the larger absolute
    mean for a difference. Where a network has several repeats, its number is their median: directions do not replicate
    training runs.

    Args:
        a_values: Shape (n,), one number for each member of the first group.
        b_values: Shape (m,), the same for the second.
        kind: Whether to compare by ratio or by difference.
        seed: Seed of the random labellings.

    Returns:
        The comparison. Numbers that are not finite, and for a ratio those that are not positive, are left out and
        counted; estimate and p are NaN where a group is then empty.
    """
    groups = [_seeds(values, kind) for values in (a_values, b_values)]
    used = [group[~np.isnan(group)] for group in groups]
    n, m = (group.size for group in used)
    left_out = (groups[0].size - n, groups[1].size - m)
    if not n or not m:
        return OverSeeds(kind, math.nan, math.nan, math.nan, True, (n, m), left_out)
    means = [float(group.mean()) for group in used]
    nothing = abs(means[1] - means[0]) < ROUNDING if kind == "ratio" else is_rounding(*means)
    effect = 0.0 if nothing else means[1] - means[0]
    exact = math.comb(n + m, n) <= MOST_LABELLINGS
    return OverSeeds(
        kind,
        exponential(effect) if kind == "ratio" else effect,
        1.0 if nothing else _permutation_p(used[0], used[1], seed),
        max((1 + (n == m)) / math.comb(n + m, n), 0 if exact else 1 / (1 + DRAWS)),
        exact,
        (n, m),
        left_out,
    )


def _seeds(values: ArrayLike, kind: Kind) -> FloatArray:
    """The numbers, or their logarithms; NaN where there is none."""
    array = np.asarray(values, dtype=np.float64).ravel()
    array = np.where(np.isfinite(array), array, np.nan)
    if kind == "difference":
        return array
    return np.log(np.where(array > 0, array, np.nan))


def _permutation_p(first: FloatArray, second: FloatArray, seed: int) -> float:
    n, m = first.size, second.size
    pooled = np.sort(np.concatenate([first, second]))
    # The total is fixed, so that the sum over the first group decides the difference of the means.
    mean = pooled.mean()
    pooled = pooled - mean
    bound = abs(float((first - mean).sum())) - TIE * float(np.abs(pooled).sum())
    if math.comb(n + m, n) <= MOST_LABELLINGS:
        sums = pooled[np.array(list(itertools.combinations(range(n + m), n)))].sum(axis=1)
        return float((np.abs(sums) >= bound).mean())
    generator = np.random.default_rng(seed)
    order = np.tile(pooled, (BLOCK, 1))
    blocks = (generator.permuted(order, axis=1)[:, :n].sum(axis=1) for _ in range(BLOCKS))
    return (1 + sum(int((np.abs(sums) >= bound).sum()) for sums in blocks)) / (1 + DRAWS)
