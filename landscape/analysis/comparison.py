"""Several trained networks (or policies) compared: numbers with intervals, and what they are intervals over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from landscape.analysis.catalogue import CENSORED, STDERR, Measure, catalogue
from landscape.analysis.compatibility import cautions, common_splits, refuse_different_questions, to_common_range
from landscape.analysis.field import field_of
from landscape.analysis.geometry import measured_part
from landscape.analysis.measures import measures
from landscape.analysis.replication import Kind, bootstrap_interval, over_seeds, paired
from landscape.analysis.roughness import persistence_threshold, unavailable
from landscape.errors import LandscapeError, nearest
from landscape.types import Finding, FloatArray, Surface

Over = Literal["directions", "networks", "examples"]


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
        estimate: The median ratio or difference.
        low: Lower end of the 95 per cent interval; NaN where there is none.
        high: Upper end.
        p: Two-sided p value; NaN where nothing is tested.
        smallest_p: The smallest that p could be.
        number: How many directions, networks or examples.
        left_out: How many of them have no such number.
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


@dataclass(frozen=True)
class Comparison:
    """Everything that is said of several surfaces side by side.

    Attributes:
        contenders: What is compared; the first is what the others are compared with.
        measures: What is measured, with definitions.
        effects: Every contender against its reference.
        findings: What was cut, and what makes the comparison less than straight.
        split: The split whose losses are measured.
    """

    contenders: tuple[Contender, ...]
    measures: tuple[Measure, ...]
    effects: tuple[Effect, ...]
    findings: tuple[Finding, ...]
    split: str

    def distinct(self) -> Iterator[Contender]:
        """The contenders, those whose networks keep no statistics under one policy alone: they have but one surface."""
        shown = set()
        for contender in self.contenders:
            kept = [draws[0].provenance.get("statistics_layers") for draws in contender.surfaces]
            if contender.group in shown and not any(kept) and None not in kept:
                continue
            shown.add(contender.group)
            yield contender

    def effect(self, measure: str, contender: int) -> Effect | None:
        """How a contender differs in a number, or None for one that is a reference itself."""
        found = (one for one in self.effects if one.measure == measure and one.contender == contender)
        return next(found, None)

    def __str__(self) -> str:
        """The table as text."""
        from landscape.registry import load

        return str(load("landscape.reports.comparison:text")(self))

    def save(self, path: str | Path) -> Path:
        """Write the table into a .txt, .csv, .json or .tex file; the same as `reports.comparison.save_table`."""
        from landscape.registry import load

        return Path(load("landscape.reports.comparison:save_table")(self, path))

    def plot(self, out: str | Path | None = None, **options: Any) -> Any:
        """Draw what is compared on one scale; the same as `api.draw_comparison(comparison, out, ...)`."""
        from landscape.registry import load

        return load("landscape.api:draw_comparison")(self, out, **options)


def compared(
    groups: Sequence[Sequence[Surface]],
    names: Sequence[str] | None = None,
    split: str | None = None,
    policies: Sequence[str] = (),
    **settings: Any,
) -> Comparison:
    """Compare surfaces.

    Args:
        groups: For each kind of network, the surfaces of its networks: one, or one per training seed.
        names: What the groups are called; None for the names of their files.
        split: The split whose losses are measured; None for the first that all have.
        policies: Only these policies for BatchNorm's statistics; all that a group shares where none are given.
        settings: Of `catalogue`: thresholds, radii, neighbourhood, persistence.

    Returns:
        The comparison.

    Raises:
        LandscapeError: If they were measured on different examples or with different losses, share no range, or
            nothing of one is computed.
    """
    surfaces = [surface for group in groups for surface in group]
    if not surfaces:
        raise LandscapeError("there is nothing to compare: name at least one surface file")
    labels = _labels(groups, names)
    called = [
        Path(surface.path).name or label for group, label in zip(groups, labels, strict=True) for surface in group
    ]
    splits = common_splits(surfaces)
    if split is not None and split not in splits:
        raise LandscapeError(f"not all of these files have the split {split!r}; {nearest(split, splits)}")
    refuse_different_questions(surfaces, called, splits)
    findings = list(cautions(surfaces, called, splits))
    draws, unfinished = _usable_draws(surfaces, called)
    plain, cut = _cut(groups, draws, policies)
    settings = {"persistence": _common_persistence(plain, split or splits[0]), **settings}
    listing = catalogue(splits, len(surfaces[0].grid.axes), **settings)
    contenders = tuple(
        Contender(
            label,
            f"{label}, {policy}" if len(found) > 1 else label,
            group,
            policy,
            networks,
            _values(networks, [measure.name for measure in listing], split or splits[0], settings),
        )
        for group, (label, found) in enumerate(zip(labels, plain, strict=True))
        for policy, networks in found.items()
    )
    shown = tuple(m for m in listing if any(np.isfinite(c.values[m.name]).any() for c in contenders))
    effects = tuple(
        _effect(measure, contenders, index, _reference(contenders, index))
        for measure in shown
        if not measure.of
        for index in range(1, len(contenders))
    )
    absent = (Finding("COMPARE-ABSENT", "note", text) for text in unavailable().values())
    return Comparison(contenders, shown, effects, (*findings, *unfinished, *cut, *absent), split or splits[0])


def _labels(groups: Sequence[Sequence[Surface]], names: Sequence[str] | None) -> list[str]:
    """What the groups are called: as told, or after their files, with a number where two would be called the same."""
    if names is not None and len(names) != len(groups):
        raise LandscapeError(f"give one name for each of the {len(groups)} groups, not {len(names)}")
    found: list[str] = []
    for index, group in enumerate(groups):
        stems = [Path(surface.path).stem or surface.job.checkpoint for surface in group]
        name = names[index] if names is not None else ", ".join(stems)
        found.append(name if name not in found else f"{name} ({index + 1})")
    return found


def _usable_draws(surfaces: Sequence[Surface], called: Sequence[str]) -> tuple[list[int], list[Finding]]:
    """The draws of the directions that every surface has, whole; an unfinished first one serves as far as it is."""
    notes = []
    counts = [surface.repeats for surface in surfaces]
    if len(set(counts)) > 1:
        told = ", ".join(f"{count} in {name}" for count, name in zip(counts, called, strict=True))
        notes.append(
            Finding(
                "COMPARE-REPEATS", "note", f"the files hold different numbers of draws ({told}): the common are used"
            )
        )
    draws = []
    for repeat in range(min(counts)):
        missing = [
            name for surface, name in zip(surfaces, called, strict=True) if not surface.sel(repeat=repeat).complete
        ]
        if not missing or repeat == 0:
            draws.append(repeat)
        if missing:
            used = "as far as it goes" if repeat == 0 else "not used"
            text = f"draw {repeat} of the directions is not finished in {', '.join(missing)}: it is {used}"
            notes.append(Finding("COMPARE-INCOMPLETE", "warning", text))
    return draws, notes


def _cut(
    groups: Sequence[Sequence[Surface]], draws: Sequence[int], asked: Sequence[str]
) -> tuple[list[dict[str, tuple[tuple[Surface, ...], ...]]], list[Finding]]:
    """For each group and policy the plain surfaces of every network and draw, all over the same range."""
    keys, plain = [], []
    for index, group in enumerate(groups):
        shared = [policy for policy in group[0].policies if all(policy in one.policies for one in group)]
        policies = [policy for policy in shared if not asked or policy in asked]
        if not policies:
            wanted = f"with the BatchNorm statistics {' or '.join(asked)}" if asked else "under one policy"
            raise LandscapeError(
                f"{', '.join(one.path for one in group)}: there is no surface {wanted} in all of these files: compute "
                "them with the same --bn-stats"
            )
        for policy in policies:
            for network, surface in enumerate(group):
                for draw in draws:
                    keys.append((index, policy, network))
                    plain.append(measured_part(surface.sel(repeat=draw, bn=policy)))
    cut, findings = to_common_range(plain)
    found: list[dict[str, tuple[tuple[Surface, ...], ...]]] = [{} for _ in groups]
    for (index, policy, network), _ in dict.fromkeys((key, None) for key in keys):
        own = tuple(surface for key, surface in zip(keys, cut, strict=True) if key == (index, policy, network))
        found[index][policy] = (*found[index].get(policy, ()), own)
    return found, findings


def _common_persistence(plain: Sequence[Mapping[str, Sequence[Sequence[Surface]]]], split: str) -> float | None:
    """How deep a basin must be to count: the largest of the depths that suit each surface; None where there is none."""
    surfaces = (surface for found in plain for networks in found.values() for draws in networks for surface in draws)
    depths = [persistence_threshold(field_of(surface, split)) for surface in surfaces]
    return max((depth for depth in depths if math.isfinite(depth) and depth > 0), default=None)


def _values(
    networks: Sequence[Sequence[Surface]], names: Sequence[str], split: str, settings: Mapping[str, Any]
) -> dict[str, FloatArray]:
    """Each number of each network and draw, shape (networks, draws)."""
    taken = [[measures(surface, split, **settings) for surface in draws] for draws in networks]
    return {name: np.array([[one.get(name, math.nan) for one in draws] for draws in taken]) for name in names}


def _reference(contenders: Sequence[Contender], index: int) -> int:
    """What a contender is compared with: the first group's under the same policy, or the first of all."""
    own = contenders[index]
    if own.group == 0:
        return 0
    same = (i for i, other in enumerate(contenders) if other.group == 0 and other.policy == own.policy)
    return next(same, 0)


def _effect(measure: Measure, contenders: Sequence[Contender], index: int, reference: int) -> Effect:
    own, other = contenders[index], contenders[reference]
    kind: Kind = "ratio" if measure.positive else "difference"
    alone = len(own.surfaces) == len(other.surfaces) == 1
    if alone and not measure.replicated:
        return _at_the_centre(measure, own, other, index, reference)
    if alone or own.group == other.group:
        one, two = (
            (each.values[measure.name][0] if alone else each.per_network(measure.name)) for each in (other, own)
        )
        found = paired(one, two, kind)
        over: Over = "directions" if alone else "networks"
        interval = (found.estimate, found.low, found.high, found.p, found.smallest_p)
        return Effect(measure.name, index, reference, kind, over, *interval, found.number, found.left_out)
    seeds = over_seeds(other.per_network(measure.name), own.per_network(measure.name), kind)
    interval = (seeds.estimate, math.nan, math.nan, seeds.p, seeds.smallest_p)
    return Effect(measure.name, index, reference, kind, "networks", *interval, sum(seeds.numbers), sum(seeds.left_out))


def _at_the_centre(measure: Measure, own: Contender, other: Contender, index: int, reference: int) -> Effect:
    """The trained weights have no direction: what is known is the sampling error over the examples.

    The same examples serve both, but only between the policies of one network was the difference taken example by
    example; between networks the errors are added as if independent, which errs on the wide side.
    """
    split, _, name = measure.name.partition("/centre_")
    one, two = (float(each.values[measure.name][0, 0]) for each in (other, own))
    centre = own.surfaces[0][0].centre[split]
    same = own.surfaces[0][0].job.checkpoint_sha256 == other.surfaces[0][0].job.checkpoint_sha256
    if same and own.policy == other.policy and one == two:
        error = 0.0
    elif own.group == other.group and other.policy == "frozen" and name == "loss":
        error = float(centre["loss_minus_frozen_stderr"])
    else:
        error = math.hypot(*(float(each.values[measure.name + STDERR][0, 0]) for each in (own, other)))
    reach = 1.96 * error
    apart = two - one
    return Effect(
        measure.name,
        index,
        reference,
        "difference",
        "examples",
        apart,
        apart - reach,
        apart + reach,
        math.nan,
        math.nan,
        int(centre["count"]),
    )


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
