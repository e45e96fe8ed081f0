"""The small text under a figure: what was computed, and what the drawing does to it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from landscape.analysis.scales import Scale
from landscape.rendering.gaps import gaps
from landscape.rendering.names import Called, called, plain, policy_words
from landscape.rendering.quantities import DRIFT, FLOOR, Measured, measured, split_of
from landscape.types import Surface
from landscape.types.job import UNKNOWN
from landscape.types.surface import INTERPOLATED

_UNITS = {
    "filter": "every filter moves by its own norm",
    "layer": "every layer moves by its own norm",
    "weight": "every weight moves by a standard normal multiple of itself",
    "dfilter": "every filter moves by a vector of norm 1",
    "dlayer": "every layer moves by a vector of norm 1",
    "none": "every weight moves by a standard normal number",
}


def facts(surface: Surface, quantities: Sequence[str] = ("loss",)) -> tuple[str, ...]:
    """What was computed, in a few short phrases.

    Args:
        surface: The surface.
        quantities: The quantities drawn.

    Returns:
        Splits and numbers of examples, BatchNorm policy, directions, seed, repeats, and whatever is not the default.
    """
    job = surface.job
    names = [measured(surface, quantity).name for quantity in quantities]
    splits = dict.fromkeys(split for name in names if (split := split_of(name)))
    said = [f"{split} split, {_examples(surface, split)}" for split in splits]
    said += [phrase for name in names if name.startswith(DRIFT) for phrase in _drift(surface, name)]
    said.append(statistics_phrase(surface))
    if job.directions != "random":
        said.append(f"directions: {PurePath(job.directions).name}")
    else:
        normalised = "unnormalised" if job.normalize == "none" else f"{job.normalize}-normalised"
        said.append(f"{normalised} random directions, seed {job.seed}")
    said += unit_of_axes(surface)
    said += _repeats(surface)
    said += _interpolation(surface, quantities[0])
    if whole := surface.provenance.get("part_of"):
        said.append(f"unfinished run: the {surface.grid.size:,} points of a coarser grid out of {math.prod(whole):,}")
    said += [f"perturbed: {job.perturb}"] if job.perturb not in ("weights", "imported") else []
    said += ["BatchNorm folded into the weights"] if job.fold_bn else []
    said += ["weights moved outside of their parametrization"] if surface.provenance.get("materialised") else []
    said += [f"{job.parametrization} parametrization"] if job.parametrization != "effective" else []
    said += [f"precision {surface.arithmetic}"] if job.precision != "fp32" else []
    return tuple(plain(phrase) for phrase in said)


def unit_of_axes(surface: Surface) -> list[str]:
    """What the number 1 on an axis stands for, if that is known.

    Args:
        surface: The surface.

    Returns:
        A phrase or none.
    """
    job = surface.job
    if job.directions == UNKNOWN:
        return []
    if job.directions.endswith(")"):
        return ["1 on an axis: the other network"]
    if job.directions != "random":
        return ["1 on an axis: the direction as it is in that file"]
    return [f"1 on an axis: {_UNITS.get(job.normalize, f'the direction normalised by {job.normalize}')}"]


def _interpolation(surface: Surface, quantity: str) -> list[str]:
    """Where an adaptive run stops refining, how much of it was measured, and how good the rest is."""
    if not surface.job.adaptive:
        return []
    name = measured(surface, quantity).name
    split = split_of(name) or surface.splits[0]
    run = f"adaptive run, tolerance {surface.job.adaptive:g}"
    if split + INTERPOLATED not in surface:
        return [run]
    counts = surface[f"{split}/count"]
    points = f"{(counts > 0).sum():,} of {counts.size:,} points measured, the rest interpolated"
    if not surface.complete:
        return [f"unfinished {run}: {points} linearly"]
    told = [one["rms"] for one in surface.provenance["adaptive"]]
    largest = f", the largest of {len(told)} draws" if len(told) > 1 else ""
    error = f"RMS error about {100 * max(told):.2g} % of the range{largest}"
    return [f"{run}: {points} ({error if name.endswith('/loss') else 'refined where the loss needs it'})"]


def statistics_phrase(surface: Surface) -> str:
    """Where the statistics of BatchNorm come from at every point.

    Args:
        surface: A surface with one policy.

    Returns:
        For example `BatchNorm statistics recalibrated on 1,000 training images (crop4-flip)`.
    """
    job = surface.job
    if surface.provenance.get("statistics_layers") == 0:
        return "no BatchNorm statistics"
    size = f" of {job.bn_batch_size:,}" if job.bn_batch_size else ""
    said = {
        "frozen": "frozen (the checkpoint's)",
        "batch": f"of each batch{size}",
        "recalibrate": f"recalibrated on {_calibration(surface)}",
    }
    return f"BatchNorm statistics {said.get(job.bn_stats, job.bn_stats)}"


def _calibration(surface: Surface) -> str:
    """The calibration images: how many, which, how augmented."""
    job = surface.job
    first, _, digits = job.bn_samples.rpartition(":")
    number = f"{int(digits):,}" if digits.isdigit() else "all"
    number = f"the first {number}" if first else number
    source, evaluated = (spec.partition("(")[0] for spec in (job.bn_data, job.data))
    images = "training images" if source in {"", "object", evaluated} else f"images of {PurePath(source).name}"
    augmented = re.match(r"augment (.+?), (?:scaled|as stored)", job.bn_preprocessing)
    return f"{number} {images} ({augmented[1] if augmented else 'not augmented'})"


def _drift(surface: Surface, name: str) -> list[str]:
    """What the drift is, and the floor below which it tells nothing; that of a single layer is not known."""
    what = (
        "drift: Kullback-Leibler divergence between recalibrated and frozen statistics, mean of both ways over channels"
    )
    floor = measured(surface, FLOOR).finite if name == DRIFT and FLOOR in surface else np.empty(0)
    if not np.isfinite(floor).any():
        return [what]
    low, high = (f"{end(floor):.2g}" for end in (np.nanmin, np.nanmax))
    return [what, f"floor, that between halves of the calibration images: {low}" + f" to {high}" * (low != high)]


def _repeats(surface: Surface) -> list[str]:
    """How many draws of the directions there are, or which of them this is."""
    number = surface.provenance.get("repeats", surface.repeats)
    complete = surface.provenance.get("complete_repeats", number)
    so_far = f"{complete} of {number} repeats complete"
    if surface.repeats == 1 and "repeat" in surface.provenance:
        of = f" of {number}" if number > 1 else ""
        return [f"repeat {surface.provenance['repeat']}{of}", *([so_far] if complete < number else [])]
    if complete < number:
        return [so_far]
    return [f"{number} repeats"] if number > 1 else []


def _examples(surface: Surface, split: str) -> str:
    counts = surface[f"{split}/count"]
    counts = counts[counts > 0]
    if not counts.size:
        return "n = 0"
    if not surface.job.counted:
        return "number of examples unknown"
    low, high = int(counts.min()), int(counts.max())
    chosen = ", as many as the picture needs" if surface.provenance.get("asked", {}).get("samples") == "auto" else ""
    return (f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}") + chosen


def caption(
    surfaces: Surface | Sequence[Surface],
    quantities: Sequence[str] = ("loss",),
    scale: Scale | None = None,
    legend: str = "",
    names: Sequence[Called] = (),
    counted: Sequence[tuple[str, Surface | Measured]] | None = None,
    hatched: str = "hatched",
    beyond: bool = True,
) -> str:
    """The small text under a figure: what was computed, and what the drawing does to it.

    Args:
        surfaces: What is drawn, each with one policy.
        quantities: The quantities drawn; gaps are counted in the first.
        scale: The scale shared by all.
        legend: What the marks mean.
        names: What to call the surfaces where they differ; as `called` does if left out.
        counted: Where gaps are counted, surfaces or values, with a name for each, if not in the surfaces.
        hatched: How cells that are not finite are shown.
        beyond: Whether cells beyond the ends of the scale are counted.

    Returns:
        One line of what all surfaces share and one for each set of facts that some of them have; the renderer wraps
        them.
    """
    surfaces = [surfaces] if isinstance(surfaces, Surface) else list(surfaces)
    names = names or called(surfaces)
    titles = [one.title for one in names]
    each = [list(facts(surface, quantities)) for surface in surfaces]
    if policies := _policies(surfaces, names):
        each = [
            [policies if phrase == statistics_phrase(surface) else phrase for phrase in phrases]
            for surface, phrases in zip(surfaces, each, strict=True)
        ]
    shared = [phrase for phrase in each[0] if all(phrase in others for others in each)]
    where = counted if counted is not None else list(zip(titles, surfaces, strict=True))
    missing = gaps(where, quantities[0], scale if beyond else None, hatched)
    several = len(surfaces) > 1
    lines = [_sentence([*shared, *([] if several else missing), *_drawn(scale), *([legend] if legend else [])])]
    own = [tuple(phrase for phrase in phrases if phrase not in shared) for phrases in each]
    for phrases in dict.fromkeys(own):
        having = dict.fromkeys(title for title, others in zip(titles, own, strict=True) if others == phrases)
        lines += [f"{', '.join(having)}: {'; '.join(phrases)}."] if phrases else []
    lines += [_sentence(missing)] if several else []
    return "\n".join(line for line in lines if line)


def _policies(surfaces: Sequence[Surface], names: Sequence[Called]) -> str:
    """All policies in one phrase, if they differ and every name tells which is meant; empty otherwise."""
    phrases = [statistics_phrase(surface) for surface in surfaces]
    having = [
        (surface.job.bn_stats, one, phrase)
        for surface, one, phrase in zip(surfaces, names, phrases, strict=True)
        if phrase.startswith("BatchNorm")
    ]
    named = all(policy_words(policy) in one.details for policy, one, _ in having)
    meanings = dict.fromkeys(phrase for _, _, phrase in having)
    if not named or len(set(phrases)) == 1 or len(meanings) != len({policy for policy, _, _ in having}):
        return ""
    said = ", ".join(phrase.removeprefix("BatchNorm statistics ") for phrase in meanings)
    without = dict.fromkeys(
        one.name for one, phrase in zip(names, phrases, strict=True) if not phrase.startswith("BatchNorm")
    )
    return f"BatchNorm statistics as named: {said}" + (f"; none in {', '.join(without)}" if without else "")


def _sentence(phrases: Sequence[str]) -> str:
    text = "; ".join(phrases)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _drawn(scale: Scale | None) -> list[str]:
    if scale is None:
        return []
    said = [
        f"log scale of the value + {scale.offset:g}" if scale.offset else "log scale" if scale.log else "linear scale"
    ]
    return [*said, levels_phrase(scale)] if scale.levels else said


def levels_phrase(scale: Scale) -> str:
    """How many levels a scale has, and from where to where.

    Args:
        scale: A scale with levels.

    Returns:
        For example `14 contour levels, 0.5 to 3.75`.
    """
    ends = f"{scale.text(scale.levels[0])} to {scale.text(scale.levels[-1])}"
    between = np.diff(scale.levels)
    uneven = not scale.log and len(between) > 1 and between.max() > 1.01 * between.min()
    return f"{len(scale.levels)} contour levels, {ends}" + (", unevenly spaced" if uneven else "")
