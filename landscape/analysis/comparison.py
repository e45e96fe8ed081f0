"""Several trained networks (or policies) compared: numbers with intervals, and what they are intervals over."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landscape.analysis.catalogue import Measure, catalogue
from landscape.analysis.compatibility import (
    adaptive_cautions,
    cautions,
    common_splits,
    policy_cautions,
    refuse_copies,
    refuse_different_questions,
    to_common_range,
)
from landscape.analysis.effects import Contender, Effect, effect_of, is_lower_bound
from landscape.analysis.field import field_of
from landscape.analysis.filling import filled
from landscape.analysis.geometry import measured_part
from landscape.analysis.measures import measures
from landscape.analysis.roughness import persistence_threshold, unavailable
from landscape.errors import LandscapeError, nearest
from landscape.types import POLICIES, Finding, FloatArray, Surface

__all__ = ["Comparison", "Contender", "Effect", "compared", "is_lower_bound"]

Networks = tuple[tuple[Surface, ...], ...]


@dataclass(frozen=True, repr=False)
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

    @property
    def replicated(self) -> bool:
        """Whether there are several draws of the directions, or several networks of a kind."""
        return any(len(one.surfaces) * len(one.surfaces[0]) > 1 for one in self.contenders)

    def effect(self, measure: str, contender: int) -> Effect | None:
        """How a contender differs in a number, or None for one that is a reference itself.

        Raises:
            LandscapeError: If there is no such number or contender.
        """
        names = [one.name for one in self.measures]
        if measure not in names:
            raise LandscapeError(f"there is no number {measure!r} in this comparison; {nearest(measure, names)}")
        if not 0 <= contender < len(self.contenders):
            raise LandscapeError(f"there are the contenders 0 to {len(self.contenders) - 1}, but not {contender!r}")
        found = (one for one in self.effects if one.measure == measure and one.contender == contender)
        return next(found, None)

    def __repr__(self) -> str:
        """One line: what is compared, and where the table is."""
        names = ", ".join(f"{one.name} ({one.policy})" for one in self.contenders)
        return f"Comparison({names}: {len(self.measures)} numbers of {self.split}/loss; print shows them)"

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

    def figure(self, renderer: str = "matplotlib", **options: Any) -> Any:
        """A figure of matplotlib, plotly or vtk, to edit further; the same as `landscape.api.figure`."""
        from landscape.registry import load

        return load("landscape.api:figure")(self, renderer, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """What a notebook shows: an interactive figure or a picture, and the table; it never raises."""
        from landscape.registry import load

        return load("landscape.api:bundle")(self, include, exclude)


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
        LandscapeError: If they were measured on different examples or with different losses, share no range, nothing of
            one is computed, or a group holds one checkpoint twice.
    """
    if not any(groups):
        raise LandscapeError("there is nothing to compare: name at least one surface file")
    labels = _labels(groups, names)
    called = [[Path(one.path).name or label for one in group] for group, label in zip(groups, labels, strict=True)]
    for group, own in zip(groups, called, strict=True):
        refuse_copies(group, own)
    surfaces, files = [one for group in groups for one in group], [name for names in called for name in names]
    splits = common_splits(surfaces)
    if split is not None and split not in splits:
        raise LandscapeError(f"not all of these files have the split {split!r}; {nearest(split, splits)}")
    refuse_different_questions(surfaces, files, splits)
    kept = _kept(groups, policies)
    draws, unfinished = _usable_draws(groups, kept, called)
    plain, findings = _cut(groups, kept, draws, called, splits)
    settings = {"persistence": _common_persistence(plain, split or splits[0]), **settings}
    interpolated = any(surface.job.adaptive for surface in surfaces)
    listing = catalogue(splits, len(surfaces[0].grid.axes), interpolated=interpolated, **settings)
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
        effect_of(measure, contenders, index, _reference(contenders, index))
        for measure in shown
        if not measure.of
        for index in range(1, len(contenders))
    )
    absent = (Finding("COMPARE-ABSENT", "note", text) for text in unavailable().values())
    return Comparison(contenders, shown, effects, (*findings, *unfinished, *absent), split or splits[0])


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


def _kept(groups: Sequence[Sequence[Surface]], asked: Sequence[str]) -> list[tuple[str, ...]]:
    """The policies of each group; networks without statistics, the same under all, serve under those of the others."""
    without = [all(one.provenance.get("statistics_layers") == 0 for one in group) for group in groups]
    own = [() if none else _policies(group, asked) for group, none in zip(groups, without, strict=True)]
    others = tuple(policy for policy in POLICIES if any(policy in policies for policies in own))
    return [policies or others or _policies(group, asked) for group, policies in zip(groups, own, strict=True)]


def _under(surface: Surface, policy: str) -> Surface:
    """A surface under a policy, or the only one that a network without statistics was computed under."""
    return surface.sel(bn=policy if policy in surface.policies else surface.policies[0])


def _policies(group: Sequence[Surface], asked: Sequence[str]) -> tuple[str, ...]:
    """The policies under which a group is compared: those that all its files have, and that are asked for."""
    shared = [policy for policy in group[0].policies if all(policy in one.policies for one in group)]
    found = tuple(policy for policy in shared if not asked or policy in asked)
    if not found:
        wanted = f"with the BatchNorm statistics {' or '.join(asked)}" if asked else "under one policy"
        raise LandscapeError(
            f"{', '.join(one.path for one in group)}: there is no surface {wanted} in all of these files: compute "
            "them with the same --bn-stats"
        )
    return found


def _usable_draws(
    groups: Sequence[Sequence[Surface]], kept: Sequence[Sequence[str]], called: Sequence[Sequence[str]]
) -> tuple[list[int], list[Finding]]:
    """The draws of the directions that every surface has, whole; an unfinished first one serves as far as it is."""
    notes = []
    every = [
        (surface, policies, name)
        for group, policies, names in zip(groups, kept, called, strict=True)
        for surface, name in zip(group, names, strict=True)
    ]
    counts = [surface.repeats for surface, _, _ in every]
    if len(set(counts)) > 1:
        told = ", ".join(f"{surface.repeats} in {name}" for surface, _, name in every)
        text = f"the files hold different numbers of draws ({told}): the common are used"
        notes.append(Finding("COMPARE-REPEATS", "note", text))
    draws = []
    for repeat in range(min(counts)):
        missing = [
            name
            for surface, policies, name in every
            if not all(_under(surface.sel(repeat=repeat), policy).complete for policy in policies)
        ]
        if not missing or repeat == 0:
            draws.append(repeat)
        if missing:
            used = "as far as it goes" if repeat == 0 else "not used"
            text = f"draw {repeat} of the directions is not finished in {', '.join(missing)}: it is {used}"
            notes.append(Finding("COMPARE-INCOMPLETE", "warning", text))
    return draws, notes


def _cut(
    groups: Sequence[Sequence[Surface]],
    kept: Sequence[Sequence[str]],
    draws: Sequence[int],
    called: Sequence[Sequence[str]],
    splits: Sequence[str],
) -> tuple[list[dict[str, Networks]], list[Finding]]:
    """For each group and policy the plain surfaces of every network and draw over one range; what is to be said."""
    plain, files = [], []
    for group, policies, names in zip(groups, kept, called, strict=True):
        for policy, (surface, name), draw in itertools.product(policies, zip(group, names, strict=True), draws):
            plain.append(measured_part(filled(_under(surface.sel(repeat=draw), policy))))
            files.append(name)
    cut, notes = to_common_range(plain)
    rest = iter(cut)
    found: list[dict[str, Networks]] = [
        {policy: tuple(tuple(itertools.islice(rest, len(draws))) for _ in group) for policy in policies}
        for group, policies in zip(groups, kept, strict=True)
    ]
    differing = policy_cautions(kept, [", ".join(names) for names in called])
    return found, [*differing, *cautions(cut, files, splits), *adaptive_cautions(cut, files), *notes]


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
