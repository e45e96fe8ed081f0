"""How one side of a comparison differs from another in one number, and what its interval is over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from landscape.analysis.catalogue import CENSORED, STDERR, Measure
from landscape.analysis.compatibility import draw_of, reads
from landscape.analysis.groups import over_seeds
from landscape.analysis.replication import Kind, bootstrap_interval, is_rounding, paired
from landscape.types import FloatArray, Job, Surface

Over = Literal["directions", "networks", "examples"]

REACH = 1.96
PAIRED_ERROR = "loss_minus_frozen_stderr"
STATISTICS_FIELDS = ("bn_batch_size", "bn_data", "bn_digest", "bn_preprocessing", "bn_samples")


@dataclass(frozen=True)
class Contender:
    """One side of a comparison: a trained network, or several of one kind, under one policy.

    Attributes:
        name: What its networks are called.
        title: The same, with the policy where one network has several.
        group: Which of the groups that were given it belongs to.
        policy: The policy for BatchNorm's statistics.
        surfaces: For each network, a plain surface for each draw of the directions.
        values: For each measure, shape (networks, draws).
    """

    name: str
    title: str
    group: int
    policy: str
    surfaces: tuple[tuple[Surface, ...], ...]
    values: Mapping[str, FloatArray]

    def per_network(self, name: str) -> FloatArray:
        """The median over the draws of each network, shape (networks,)."""
        return np.asarray(np.median(self.values[name], axis=1), dtype=np.float64)

    def summary(self, name: str) -> tuple[float, float, float]:
        """The median of a number over what was drawn anew (networks, or directions), with its bootstrap interval."""
        values = self.per_network(name) if len(self.surfaces) > 1 else self.values[name][0]
        return (float(np.median(values)), *bootstrap_interval(values))


@dataclass(frozen=True)
class Effect:
    """How one contender differs from another in one number.

    Attributes:
        measure: Name of the number.
        contender: Index of the one.
        reference: Index of the other.
        kind: Whether `estimate` is the ratio contender / reference, or the difference contender - reference.
        over: What was drawn anew: directions of the same networks, networks, or (for the numbers of the trained
            weights, which have no direction) the examples.
        estimate: Of pairs (`paired`), the median ratio or difference. Of two groups of networks, or of draws that are
            not paired, the ratio of their geometric means or the difference of their means. Over the examples, the
            difference of the two numbers.
        low: Lower end of the 95 per cent interval; NaN where there is none: two unpaired groups have none.
        high: Upper end.
        p: Two-sided p value, of the sign-flip test on pairs or of the permutation test of two groups; NaN where
            nothing is tested.
        smallest_p: The smallest that p could be.
        number: How many directions, networks or examples; of two groups, of both together.
        left_out: How many of them have no such number.
        paired: Whether the numbers were compared in pairs: the same draws of the directions, the same networks, or
            (over the examples) a difference taken example by example.
    """

    measure: str
    contender: int
    reference: int
    kind: Kind
    over: Over
    estimate: float
    low: float
    high: float
    p: float
    smallest_p: float
    number: int
    left_out: int = 0
    paired: bool = True


def effect_of(measure: Measure, contenders: Sequence[Contender], index: int, reference: int) -> Effect:
    """Compare a contender with its reference in one number.

    Draws of the directions are paired where both networks were measured along the same ones, networks where they are
    the same under two policies: `replication.paired`. All else is two groups: `groups.over_seeds`.

    Args:
        measure: The number.
        contenders: All of them.
        index: Which is compared.
        reference: With which.

    Returns:
        The effect.
    """
    own, other = contenders[index], contenders[reference]
    kind: Kind = "ratio" if measure.positive else "difference"
    alone = len(own.surfaces) == len(other.surfaces) == 1
    if alone and not measure.replicated:
        return _at_the_centre(measure, own, other, index, reference)
    one, two = ((each.values[measure.name][0] if alone else each.per_network(measure.name)) for each in (other, own))
    over: Over = "directions" if alone else "networks"
    if are_paired(own, other):
        pairs = paired(one, two, kind)
        interval = (pairs.estimate, pairs.low, pairs.high, pairs.p, pairs.smallest_p)
        return Effect(measure.name, index, reference, kind, over, *interval, pairs.number, pairs.left_out)
    groups = over_seeds(one, two, kind)
    interval = (groups.estimate, math.nan, math.nan, groups.p, groups.smallest_p)
    counts = (sum(groups.numbers), sum(groups.left_out))
    return Effect(measure.name, index, reference, kind, over, *interval, *counts, paired=False)


def are_paired(one: Contender, other: Contender) -> bool:
    """Whether each value of one contender belongs to one of the other.

    Args:
        one: A contender.
        other: Another.

    Returns:
        True for two policies of the same networks, and for two single networks along the same draws of the directions.
    """
    if one.group == other.group:
        return True
    alone = len(one.surfaces) == len(other.surfaces) == 1
    return alone and [*map(draw_of, one.surfaces[0])] == [*map(draw_of, other.surfaces[0])]


def is_lower_bound(contender: Contender, measure: str) -> bool:
    """Whether a number is only a lower bound in one of the draws: the set that it measures reaches the border.

    Args:
        contender: The contender.
        measure: Name of the number.

    Returns:
        Whether its `_censored` companion is set anywhere.
    """
    values = contender.values.get(measure + CENSORED)
    return values is not None and bool((values > 0).any())


def _at_the_centre(measure: Measure, own: Contender, other: Contender, index: int, reference: int) -> Effect:
    """The trained weights have no direction: what is known is the sampling error over the examples.

    The same examples serve both. Of one checkpoint the difference is exactly 0 where both measured the same, and that
    between the loss under a policy and the loss with frozen statistics was taken example by example. Else the errors
    are added as if independent, which errs on the wide side; so for the accuracy.
    """
    split, _, name = measure.name.partition("/centre_")
    one, two = (float(each.values[measure.name][0, 0]) for each in (other, own))
    error = _paired_error(own.surfaces[0][0], other.surfaces[0][0], split, name, is_rounding(one, two))
    apart = 0.0 if error == 0 and is_rounding(one, two) else two - one
    known = error is not None
    if error is None:
        errors = (each.values.get(measure.name + STDERR, np.full((1, 1), math.nan)) for each in (own, other))
        error = math.hypot(*(float(each[0, 0]) for each in errors))
    count = _centre(own.surfaces[0][0], split).get("count", 0)
    ends = (apart - REACH * error, apart + REACH * error)
    numbers = (apart, *ends, math.nan, math.nan, int(count))
    return Effect(measure.name, index, reference, "difference", "examples", *numbers, paired=known)


def _paired_error(own: Surface, other: Surface, split: str, name: str, alike: bool) -> float | None:
    """Standard error of a difference that was taken example by example; None where there is none."""
    if not _same_network(own.job, other.job, split):
        return None
    if alike and _same_statistics(own, other):
        return 0.0
    policies = (own.job.bn_stats, other.job.bn_stats)
    if name != "loss" or policies.count("frozen") != 1:
        return None
    found = _centre(other if policies[0] == "frozen" else own, split).get(PAIRED_ERROR)
    return None if found is None else float(found)


def _same_network(one: Job, other: Job, split: str) -> bool:
    """Whether two jobs send the same examples through the same trained weights."""
    fields = ("checkpoint_sha256", "weights", "fold_bn", "precision")
    same = all(getattr(one, name) == getattr(other, name) for name in fields)
    return same and one.preprocessing.get(split) == other.preprocessing.get(split)


def _same_statistics(one: Surface, other: Surface) -> bool:
    """Whether the trained weights of one network are measured with the same statistics of BatchNorm."""
    if one.provenance.get("statistics_layers") == other.provenance.get("statistics_layers") == 0:
        return True
    read = [{name: getattr(each.job, name) for name in STATISTICS_FIELDS if reads(each, name)} for each in (one, other)]
    return one.job.bn_stats == other.job.bn_stats and read[0] == read[1]


def _centre(surface: Surface, split: str) -> Mapping[str, Any]:
    return surface.centre.get(split, {})
