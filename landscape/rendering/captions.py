"""The words on a figure: names of surfaces and quantities, and the small text that says what is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.scales import Scale
from landscape.types import FloatArray, Surface

LONGEST = 40
_GREEK = ("α", "β")


@dataclass(frozen=True, eq=False)
class Measured:
    """One quantity of one surface, ready to draw.

    Attributes:
        name: Its full name, `split/quantity`.
        values: Shape of the grid, accuracies in percent; NaN where not done, inf and NaN where measured so.
        done: Which points are done.
    """

    name: str
    values: FloatArray
    done: NDArray[np.bool_]

    @property
    def finite(self) -> FloatArray:
        """The values, NaN wherever there is none to draw."""
        return np.where(self.done & np.isfinite(self.values), self.values, np.nan)

    @property
    def broken(self) -> NDArray[np.bool_]:
        """Where a measured value is not finite."""
        return self.done & ~np.isfinite(self.values)


def measured(surface: Surface, quantity: str) -> Measured:
    """Take one quantity out of a surface.

    Args:
        surface: The surface.
        quantity: `split/quantity`, or the quantity alone for the first split.

    Returns:
        Its values; accuracies in percent.

    Raises:
        LandscapeError: If there is none of this name.
    """
    array = np.asarray(surface[quantity], dtype=np.float64)
    name = quantity if quantity in surface else f"{surface.splits[0]}/{quantity}"
    done = surface.done(name.split("/")[0])
    percent = 100.0 if is_accuracy(name) else 1.0
    return Measured(name, np.where(done, array * percent, np.nan), done)


def is_accuracy(name: str) -> bool:
    """Whether a quantity is a fraction that is written in percent."""
    return name.rpartition("/")[2] in {"accuracy", "accuracy_stderr"}


def quantity_label(name: str, scale: Scale | None = None, clipped: bool = False) -> str:
    """A quantity as an axis label, with what its scale does to it.

    Args:
        name: `split/quantity`.
        scale: Its scale, if that is to be said.
        clipped: Whether values lie above the scale.

    Returns:
        For example `test loss (log scale)` or `test accuracy (%)`.
    """
    split, _, quantity = name.rpartition("/")
    for ending, words in (("_rise_stderr", " rise, standard error"), ("_stderr", ", standard error")):
        if quantity.endswith(ending):
            quantity = quantity.removesuffix(ending) + words
            break
    remarks = ["%"] if is_accuracy(name) else []
    remarks += ["log scale"] if scale and scale.log else []
    remarks += [f"clipped at {scale.text(scale.upper)}"] if scale and clipped else []
    return plain(f"{split} {quantity}".strip()) + (f" ({', '.join(remarks)})" if remarks else "")


def axis_label(surface: Surface, axis: int, short: bool = False) -> str:
    """The label of a grid axis: its letter, and the direction whose multiples it counts.

    Args:
        surface: The surface.
        axis: 0 or 1.
        short: Whether there is no room to say how the direction is normalised.

    Returns:
        For example `α  (filter-normalised direction 1)`.
    """
    job = surface.job
    what = f"direction {axis + 1}"
    if short:
        pass
    elif job.directions != "random":
        what = f"imported {what}"
    elif job.normalize == "none":
        what = f"random {what}"
    else:
        what = f"{job.normalize}-normalised {what}"
    return plain(f"{_GREEK[axis]}  ({what})")


def plain(text: str, longest: int = 200) -> str:
    """Text from a file as one printable line, shortened in the middle."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(line) <= longest:
        return line
    half = (longest - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def titles(surfaces: Sequence[Surface]) -> tuple[str, ...]:
    """A distinct name for every surface: its checkpoint or model, and what else tells it apart.

    Args:
        surfaces: What is drawn side by side.

    Returns:
        One short line each.
    """
    names = [_name(surface) for surface in surfaces]
    if len(set(names)) == len(names):
        return tuple(plain(name, LONGEST) for name in names)
    for field in ("bn_stats", "seed", "normalize", "directions", "perturb", "samples", "data", "model", "precision"):
        longer = [f"{name} ({_said(field, surface)})" for name, surface in zip(names, surfaces, strict=True)]
        if len(set(longer)) == len(longer):
            return tuple(plain(name, LONGEST) for name in longer)
    return tuple(plain(f"{name} ({number})", LONGEST) for number, name in enumerate(names, start=1))


def _name(surface: Surface) -> str:
    named = surface.job.checkpoint not in {"", "object"}
    return PurePath(surface.job.checkpoint).stem if named else surface.job.model


def _said(field: str, surface: Surface) -> str:
    value = getattr(surface.job, field)
    return {"bn_stats": f"BatchNorm {value}", "normalize": f"{value} normalization"}.get(field, f"{field} {value}")


def facts(surface: Surface, quantities: Sequence[str] = ("loss",)) -> tuple[str, ...]:
    """What was computed, in a few short phrases.

    Args:
        surface: The surface.
        quantities: The quantities drawn.

    Returns:
        Splits and numbers of examples, BatchNorm policy, directions, seed, and whatever is not the default.
    """
    job = surface.job
    splits = dict.fromkeys(measured(surface, quantity).name.split("/")[0] for quantity in quantities)
    said = [f"{split} split, {_examples(surface, split)}" for split in splits]
    without = surface.provenance.get("statistics_layers") == 0
    said.append("no BatchNorm statistics" if without else f"BatchNorm statistics: {job.bn_stats}")
    if job.directions != "random":
        said.append(f"directions: {PurePath(job.directions).name}")
    else:
        normalised = "unnormalised" if job.normalize == "none" else f"{job.normalize}-normalised"
        said.append(f"{normalised} random directions, seed {job.seed}")
    if whole := surface.provenance.get("part_of"):
        said.append(f"unfinished run: the {surface.grid.size:,} points of a coarser grid out of {math.prod(whole):,}")
    said += [f"perturbed: {job.perturb}"] if job.perturb not in ("weights", "imported") else []
    said += ["weights moved outside of their parametrization"] if surface.provenance.get("materialised") else []
    said += [f"{job.parametrization} parametrization"] if job.parametrization != "effective" else []
    said += [f"precision {job.precision}"] if job.precision != "fp32" else []
    return tuple(plain(phrase) for phrase in said)


def _examples(surface: Surface, split: str) -> str:
    counts = surface[f"{split}/count"]
    counts = counts[counts > 0]
    if not counts.size:
        return "n = 0"
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low:,}" if low == high else f"n = {low:,} to {high:,}"


def caption(
    surfaces: Surface | Sequence[Surface],
    quantities: Sequence[str] = ("loss",),
    scale: Scale | None = None,
    legend: str = "",
    names: Sequence[str] = (),
) -> str:
    """The small text under a figure: what was computed, and what the drawing does to it.

    Args:
        surfaces: What is drawn.
        quantities: The quantities drawn; gaps are counted in the first.
        scale: The scale shared by all.
        legend: What the marks mean.
        names: What to call the surfaces where they differ; their titles if left out.

    Returns:
        One line of what all surfaces share and one for each that differs; the renderer wraps them.
    """
    surfaces = [surfaces] if isinstance(surfaces, Surface) else list(surfaces)
    each = [[*facts(surface, quantities), *gaps(surface, quantities[0], scale)] for surface in surfaces]
    shared = [phrase for phrase in each[0] if all(phrase in others for others in each)]
    lines = ["; ".join([*shared, *_drawn(scale), *([legend] if legend else [])])]
    lines[0] = lines[0][:1].upper() + lines[0][1:] + "."
    for name, phrases in zip(names or titles(surfaces), each, strict=True):
        own = [phrase for phrase in phrases if phrase not in shared]
        lines += [f"{name}: {'; '.join(own)}."] if own else []
    return "\n".join(line for line in lines if line != ".")


def _drawn(scale: Scale | None) -> list[str]:
    if scale is None:
        return []
    said = ["log scale" if scale.log else "linear scale"]
    if scale.levels:
        ends = f"{scale.text(scale.levels[0])} to {scale.text(scale.levels[-1])}"
        gaps_between = np.diff(scale.levels)
        uneven = not scale.log and len(gaps_between) > 1 and gaps_between.max() > 1.01 * gaps_between.min()
        said.append(f"{len(scale.levels)} contour levels, {ends}" + (", unevenly spaced" if uneven else ""))
    return said


def gaps(surface: Surface, quantity: str, scale: Scale | None = None) -> list[str]:
    """What of a surface is not drawn as measured, counted.

    Args:
        surface: The surface.
        quantity: The quantity drawn.
        scale: Its scale, for the values beyond its ends.

    Returns:
        Phrases, none if all is drawn.
    """
    data: Any = measured(surface, quantity)
    size, said = data.values.size, []
    if scale is not None:
        tolerance = 1e-12 * max(abs(scale.lower), abs(scale.upper))
        above = int((data.finite > scale.upper + tolerance).sum())
        below = int((data.finite < scale.lower - tolerance).sum())
        said += [f"clipped at {scale.text(scale.upper)}: {above:,} of {size:,} cells lie above"] if above else []
        said += [f"{below:,} of {size:,} cells lie below {scale.text(scale.lower)}"] if below else []
    broken, missing = int(data.broken.sum()), int((~data.done).sum())
    said += [f"hatched: {broken:,} of {size:,} cells not finite"] if broken else []
    said += [f"blank: {missing:,} of {size:,} cells not yet computed"] if missing else []
    return said
