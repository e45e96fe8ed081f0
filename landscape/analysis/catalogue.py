"""Which numbers a surface has, and what each of them means.

Every number is a function of the losses over the grid and of L0, the loss of the trained weights. Coordinates are
multiples of the directions: with filter-normalised ones a distance of 1 is a change as large as the filters.
No number is ever taken from values that were not measured (or, at points that an adaptive run left out, interpolated
with an error that was estimated); where one does not exist it is NaN.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from landscape.analysis.bending import curvatures, nonconvex_share
from landscape.analysis.field import (
    Field,
    mean_rise,
    measured_share,
    reaches_border,
    sublevel_size,
)
from landscape.analysis.roughness import basins, roughness
from landscape.analysis.symmetry import asymmetry, largest_asymmetry
from landscape.errors import LandscapeError
from landscape.types import FloatArray

# Absolute steps of the loss, not shares of L0: a train loss near 0 would make any share of it a width of nothing.
THRESHOLDS = (0.1, 1.0)
RADII = (0.5, 1.0)
NEIGHBOURHOOD = 0.25
CENSORED = "_censored"
STDERR = "_stderr"


@dataclass(frozen=True)
class Measure:
    """A number that a surface has.

    Attributes:
        name: Key of the number, for example `width_0.1`.
        label: What a table says.
        unit: Its unit; empty for a pure number. `r` is a multiple of the direction.
        definition: One sentence with the formula and its settings.
        function: Takes it of a field.
        positive: Whether it is positive by nature, so that two are compared by their ratio, not their difference.
        of: Name of the number that this one qualifies (as its standard error, `_stderr`, or by saying with 1 that it
            is only a lower bound, `_censored`); empty for a number in its own right.
        replicated: Whether other directions give another number; those of the trained weights alone stay the same,
            so that repeats are no ground to test them.
    """

    name: str
    label: str
    unit: str
    definition: str
    function: Callable[[Field], float] = field(repr=False, compare=False)
    positive: bool = False
    of: str = ""
    replicated: bool = True


def catalogue(
    splits: Sequence[str] = ("test",),
    axes: int = 2,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    radii: Sequence[float] = RADII,
    neighbourhood: float = NEIGHBOURHOOD,
    persistence: float | None = None,
    interpolated: bool = False,
) -> tuple[Measure, ...]:
    """List the numbers that `measures.measures` takes, with the settings in their definitions.

    Args:
        splits: Names of the splits.
        axes: Number of axes of the grid: 1 for a line, 2 for a plane.
        thresholds: tau of the widths, in units of the loss.
        radii: Distances of the mean rises, in multiples of the direction.
        neighbourhood: Radius within which the paraboloid is fitted, in multiples of the direction.
        persistence: Depth above which a basin counts; None for that of `roughness.persistence_threshold`.
        interpolated: Whether an adaptive run is among what is measured, for the definitions.

    Returns:
        The measures; their names depend on the splits, thresholds and radii alone.

    Raises:
        LandscapeError: If a setting is not a positive finite number.
    """
    _positive("a threshold of the width", *thresholds)
    _positive("the radius of a mean rise", *radii)
    _positive("the radius of the paraboloid", neighbourhood)
    _positive("the persistence of a basin", *([] if persistence is None else [persistence]))
    known, missing = "measured", "not measured"
    if interpolated:
        known, missing = "measured or interpolated", "neither measured nor interpolated"
    return (
        *(measure for split in splits for measure in _at_the_centre(split)),
        _measured(axes, known),
        *(measure for tau in thresholds for measure in _width(tau, axes, missing)),
        *(_mean_rise(radius, axes) for radius in radii),
        _largest_rise(known),
        *_curvatures(neighbourhood, axes),
        _nonconvex(axes),
        _roughness(axes),
        _basins(persistence),
        *_asymmetry(),
    )


def _positive(what: str, *values: float) -> None:
    for value in values:
        if not (math.isfinite(value) and value > 0):
            raise LandscapeError(f"{what} must be a positive number, for example 0.5, not {value!r}")


def _at_the_centre(split: str) -> list[Measure]:
    listing = []
    for name, unit in (("loss", "loss"), ("accuracy", "")):
        own, label = f"{split}/centre_{name}", f"{split} {name}"
        measured = f"{name} of the trained weights on the {split} split"
        error = f"Sampling error of the mean {measured}: the standard deviation over examples / sqrt(n)."
        value, spread = (functools.partial(_centre, split, which) for which in (name, name + STDERR))
        listing += [
            Measure(own, label, unit, f"Mean {measured}.", value, replicated=False),
            Measure(own + STDERR, f"{label}, standard error", unit, error, spread, of=own, replicated=False),
        ]
    return listing


def _centre(split: str, name: str, taken: Field) -> float:
    return float(taken.centre.get(split, {}).get(name, math.nan))


def _measured(axes: int, known: str) -> Measure:
    return Measure(
        "measured_share",
        "share measured",
        "",
        f"Share of the {_size(axes)} of the range in cells of which every corner was {known} (inf is a measurement, "
        "NaN is none).",
        measured_share,
    )


def _width(tau: float, axes: int, missing: str) -> tuple[Measure, Measure]:
    name, what, unit = f"width_{tau:g}", _size(axes), "r" if axes == 1 else "r^2"
    pieces = "between neighbouring points" if axes == 1 else "in the four triangles between a cell's centre and sides"
    return (
        Measure(
            name,
            f"width at +{tau:g}",
            unit,
            f"{what.capitalize()} of {{loss <= L0 + {tau:g}}}, the loss being linear {pieces}; cells with a corner "
            f"that was {missing} are left out, and inf is above every level.",
            lambda taken: sublevel_size(taken, taken.origin + tau),
            positive=True,
        ),
        Measure(
            name + CENSORED,
            f"width at +{tau:g} is a lower bound",
            "",
            f"1 where {{loss <= L0 + {tau:g}}} touches the border of the range or a cell that was {missing}, so "
            "that the width is only a lower bound; else 0.",
            lambda taken: _censored(taken, taken.origin + tau),
            of=name,
        ),
    )


def _size(axes: int) -> str:
    return "length" if axes == 1 else "area"


def _censored(taken: Field, level: float) -> float:
    return math.nan if math.isnan(sublevel_size(taken, level)) else float(reaches_border(taken, level))


def _mean_rise(radius: float, axes: int) -> Measure:
    where = f"x = -{radius:g} and x = {radius:g}" if axes == 1 else f"the circle |(x, y)| = {radius:g}"
    return Measure(
        f"mean_rise_{radius:g}",
        f"mean rise at r = {radius:g}",
        "loss",
        f"Mean of loss - L0 over {where}, interpolated as for the width.",
        functools.partial(mean_rise, radius=radius),
        positive=True,
    )


def _largest_rise(known: str) -> Measure:
    return Measure(
        "largest_rise",
        "largest rise",
        "loss",
        f"Largest loss - L0 over the {known} points; inf where a loss was measured as inf.",
        _largest,
        positive=True,
    )


def _largest(taken: Field) -> float:
    measured = taken.rise[~np.isnan(taken.rise)]
    return float(measured.max()) if measured.size else math.nan


def _curvatures(radius: float, axes: int) -> list[Measure]:
    nearest = "3 points" if axes == 1 else "3 x 3 points"
    fit = (
        f"H of the paraboloid c + b x + x^T H x / 2 fitted by least squares to the points with |x| <= {radius:g} (on a "
        f"coarse grid, up to the nearest {nearest})"
    )
    extreme = f"eigenvalue of the {fit}: of this plane, not of the Hessian of all weights."
    rows = (
        ("mean", f"tr(H) / {axes} with the {fit}.", True, lambda values: values.mean()),
        ("largest", f"Largest {extreme}", True, lambda values: values[-1] if len(values) > 1 else math.nan),
        ("smallest", f"Smallest {extreme}", False, lambda values: values[0] if len(values) > 1 else math.nan),
    )
    return [
        Measure(
            f"curvature_{which}",
            f"{which} curvature",
            "loss / r^2",
            definition,
            functools.partial(_curvature, radius=radius, of=of),
            positive,
        )
        for which, definition, positive, of in rows
    ]


def _curvature(taken: Field, radius: float, of: Callable[[FloatArray], float]) -> float:
    return float(of(curvatures(taken, radius)))


def _nonconvex(axes: int) -> Measure:
    return Measure(
        "nonconvex_share",
        "share of non-convex inner points",
        "",
        "Share of the inner points (those with neighbours on every side) at which the Hessian of central differences "
        f"over {'3' if axes == 1 else '3 x 3'} points has an eigenvalue below -max(0.01 m, 1e-6 R / h^2), with m its "
        "largest absolute eigenvalue, R the range of those losses and h the smallest step; sampling errors, shared by "
        "neighbours, are left out.",
        nonconvex_share,
    )


def _roughness(axes: int) -> Measure:
    return Measure(
        "roughness",
        "roughness",
        "",
        f"sqrt(sum (w (loss - p))^2 / (n - {7 if axes == 1 else 28})) over the n finite points, with p the polynomial "
        "of total degree 6 that makes it smallest, w = 1 / (s + |loss - L0|) and s the median of |loss - L0|: the "
        "root mean square deviation from a smooth surface as a share of the height; smooth shapes that are no such "
        "polynomials leave up to about 0.05.",
        roughness,
        positive=True,
    )


def _basins(persistence: float | None) -> Measure:
    suited = "max(0.05 median |loss - L0|, 2 median stderr of loss - L0)"
    threshold = suited if persistence is None else f"{persistence:.3g}"
    return Measure(
        "basins",
        "number of basins",
        "",
        f"Number of components of the sublevel sets with a persistence above {threshold}, the deepest one included "
        "(0-dimensional persistent homology; neighbours across corners are neighbours).",
        functools.partial(basins, persistence=persistence),
    )


def _asymmetry() -> tuple[Measure, Measure]:
    pairs = "the mirrored pairs of points of finite loss f, on axes that are symmetric about 0"
    return (
        Measure(
            "asymmetry",
            "asymmetry",
            "",
            f"Mean of |f(x) - f(-x)| / (mean of (f(x) + f(-x)) / 2 - L0), over {pairs}: 0 for an even surface, 2 for "
            "one that rises on one side only.",
            asymmetry,
        ),
        Measure(
            "asymmetry_largest",
            "largest asymmetry",
            "loss",
            f"The f(x) - f(-x) of largest absolute value over {pairs}; the first non-zero coordinate of x is positive.",
            largest_asymmetry,
        ),
    )
