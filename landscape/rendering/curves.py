"""One quantity along one line, as marks: the curve with its error, or the median over repeats with its quartiles."""

from __future__ import annotations

import math

import numpy as np

from landscape.rendering.quantities import DRIFT, FLOOR, is_accuracy, measured, refining, sampled
from landscape.rendering.scene import Band, Hatch, Line, Mark, Points
from landscape.types import FloatArray, Surface

DOTTED = 25
BAND_ERRORS = 2.0
QUARTILES = (0.25, 0.5, 0.75)


def curve(
    line: Surface,
    name: str,
    label: str,
    series: int,
    dashed: bool = False,
    thin: bool = True,
    points: bool = False,
) -> list[Mark]:
    """Draw one quantity along one line.

    Args:
        line: A surface over one direction, with one repeat or several.
        name: Full name of the quantity.
        label: What the legend calls it; empty for none.
        series: Which of the line colours it takes.
        dashed: Whether it is dashed.
        thin: Whether the single repeats are drawn, too.
        points: Whether to mark the points that were measured, as is done in any case where they are few.

    Returns:
        From back to front: the band, the cells that are not finite, the single repeats, the curve; under a drift its
        floor.
    """
    data, x = measured(line, name), line.grid.axes[0].array()
    floor = _floor(line, name, label, series)
    label = label or ("drift" if floor else "")
    marks: list[Mark] = []
    broken = np.atleast_2d(data.broken).max(axis=0)
    if line.repeats > 1:
        low, middle, high = over_repeats(data.values)
        marks.append(Band(x, low, high, series))
        marks += [Line(x, single, series=series, faint=True) for single in data.finite] if thin else []
    else:
        middle, low, high = data.finite, *_errors(line, name)
        marks += [Band(x, low, high, series)] if has_errors(line, name) else []
    if broken.any():
        marks.append(Hatch(x, None, broken))
    there = sampled(line, name)
    marked = points or there.sum() <= DOTTED or refining(line) or _alone(middle)
    marks.append(Line(x, middle, label, series, dashed, there if marked else None))
    return [*marks, *floor]


def over_repeats(values: FloatArray) -> FloatArray:
    """The quartiles over repeats, point by point.

    An infinite value counts as the largest or smallest of all; a quartile that is itself infinite, or a point at which
    a value is no number, has none.

    Args:
        values: Shape (repeats, points).

    Returns:
        Lower quartile, median and upper quartile, shape (3, points), NaN where there is none.
    """
    ordered = np.sort(values, axis=0)
    found = np.empty((len(QUARTILES), *values.shape[1:]))
    with np.errstate(invalid="ignore"):
        for index, share in enumerate(QUARTILES):
            place = share * (len(values) - 1)
            weight, low, high = place % 1, ordered[math.floor(place)], ordered[math.ceil(place)]
            # A weight of 0 must not carry the infinity of the neighbour over: 0 * inf is NaN.
            found[index] = low * (1 - weight) + high * weight if weight else low
    return np.where(np.isfinite(found) & ~np.isnan(values).any(axis=0), found, np.nan)


def reaching(line: Surface, name: str, thin: bool = True) -> list[FloatArray]:
    """All values that the marks of a curve reach, for the choice of a scale.

    Args:
        line: A surface over one direction.
        name: Full name of the quantity.
        thin: Whether the single repeats are drawn, too.

    Returns:
        Arrays of values.
    """
    data = measured(line, name)
    found = [over_repeats(data.values) if line.repeats > 1 and not thin else data.finite]
    found += [_errors(line, name)[1]] if has_errors(line, name) else []
    found += [measured(line, FLOOR).finite] if name == DRIFT and FLOOR in line else []
    return found


def has_errors(line: Surface, name: str) -> bool:
    """Whether the rise of a quantity along a single line has a standard error."""
    return line.repeats == 1 and f"{name}_rise_stderr" in line


def _errors(line: Surface, name: str) -> tuple[FloatArray, FloatArray]:
    """The ends of the band of standard errors; the values themselves where there are none."""
    values = measured(line, name).finite
    if not has_errors(line, name):
        return values, values
    reach = BAND_ERRORS * measured(line, f"{name}_rise_stderr").finite
    return values - reach, values + reach


def _floor(line: Surface, name: str, label: str, series: int) -> list[Mark]:
    """Under the drift of the statistics, the drift between estimates of the same: below it nothing is told."""
    if name != DRIFT or FLOOR not in line:
        return []
    values = measured(line, FLOOR).values
    middle = over_repeats(values)[1] if line.repeats > 1 else np.where(np.isfinite(values), values, np.nan)
    words = f"{label}, floor" if label else "floor"
    return [Line(line.grid.axes[0].array(), middle, words, series, dashed=True)]


def _alone(values: FloatArray) -> bool:
    """Whether a value stands between two that are missing, where a line alone would not show it."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return bool((there[1:-1] & ~there[:-2] & ~there[2:]).any())


def star(line: Surface, name: str) -> list[Mark]:
    """The mark at the trained weights, if the line reaches them and their value is known.

    Args:
        line: A surface over one direction.
        name: Full name of the quantity.

    Returns:
        One mark or none.
    """
    x, value = line.grid.axes[0].values, _value_at_centre(line, name)
    inside = x[0] <= 0 <= x[-1] and np.isfinite(value)
    return [Points(np.zeros(1), np.array([value]), "trained weights")] if inside else []


def _value_at_centre(line: Surface, name: str) -> float:
    split, _, quantity = name.partition("/")
    if quantity in line.centre.get(split, {}):
        return float(line.centre[split][quantity]) * (100.0 if is_accuracy(name) else 1.0)
    values = line.grid.axes[0].values
    return float(np.median(measured(line, name).finite[..., values.index(0.0)])) if 0.0 in values else float("nan")
