"""The numbers of a comparison: every single value, the medians, and what these are known to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.catalogue import CENSORED, STDERR, Measure
from landscape.analysis.comparison import Comparison
from landscape.analysis.effects import Contender, are_paired
from landscape.analysis.geometry import stacked
from landscape.analysis.scales import Scale, choose_scale
from landscape.errors import LandscapeError, nearest
from landscape.rendering.captions import caption
from landscape.rendering.lettering import written
from landscape.rendering.names import Called, headings, plain, statistics_words
from landscape.rendering.scene import Dots, Interval, Line, Mark, Panel, Scene
from landscape.types import FloatArray

MOST = 6
# An axis is logarithmic beyond the one ratio of the largest value to the smallest, and starts at 0 beyond the other.
SPAN, FROM_ZERO = 5.0, 2.0
BESIDE, SHIFT, APART, CLOSE = 0.27, 0.09, 0.17, 0.3
LETTERS = 20
ERRORS = 1.96
FEW = 5
LEVEL = "95\N{NO-BREAK SPACE}%"
JOINED = 6  # the series of the lines between columns: black, and so faint that they are grey
_WIDTHS = {1: 2.0, 2: 2.0, 3: 2.4, 4: 2.5}
_WIDEST, _HEIGHT = 3.6, 1.75


@dataclasses.dataclass(frozen=True, eq=False)
class Values:
    """What a column shows of one number.

    Attributes:
        units: What was drawn anew, networks or directions: a value each, shape (units,).
        names: What each unit is called.
        bounds: Which of them are only lower bounds, shape (units,).
        draws: Behind the networks the draws of their directions, shape (units, draws); none behind directions.
        bounded: Which of those are only lower bounds.
        summary: The median and the ends of its interval, NaN where it has none.
    """

    units: FloatArray
    names: tuple[str, ...]
    bounds: NDArray[np.bool_]
    draws: FloatArray
    bounded: NDArray[np.bool_]
    summary: tuple[float, float, float]

    @property
    def single(self) -> FloatArray:
        """The values that are medians of nothing: the draws where there are any, else the units."""
        return self.draws if self.draws.size else self.units


def numbers(comparison: Comparison, measures: Sequence[str] | None = None) -> Scene:
    """Draw the numbers of a comparison: a panel for each, with a column for each contender.

    Every draw of the directions is a dot; where a contender has several trained networks every network is one, its
    median over the draws, and the draws are small dots behind it. Beside them stand their median and its 95 per cent
    bootstrap interval. Of two contenders the values that belong together are joined.

    Args:
        comparison: The comparison.
        measures: Names of the numbers; None for up to six that tell of width, rise, curvature and shape.

    Returns:
        The figure.

    Raises:
        LandscapeError: If the comparison has no such number.
    """
    shown, contenders = _chosen(comparison, measures), list(comparison.distinct())
    own = _called(contenders)
    common, titles = headings(own)
    labels = tuple(_label(one, bool(common)) for one in own)
    width = _WIDTHS.get(len(own), _WIDEST)
    slanted = max(written(line) for label in labels for line in label.splitlines()) > width / len(own)
    columns = min(len(shown), 3 if len(own) in _WIDTHS and len(shown) != 4 else 2)
    table = [[values(contender, measure) for contender in contenders] for measure in shown]
    panels = [
        Panel(
            kind="1d",
            marks=tuple(_marks(row, titles, _paired(contenders))),
            y_label=_axis(measure, scale := _scale(measure, row)),
            inner_x=index + columns < len(shown),
            title=measure.label,
            x_range=(-0.5, len(own) - 0.5),
            scale=scale,
            categories=labels,
            slanted=slanted,
        )
        for index, (measure, row) in enumerate(zip(shown, table, strict=True))
    ]
    words = "; ".join(_legend(contenders, shown, table, [mark for panel in panels for mark in panel.marks]))
    surfaces = [stacked(contender.surfaces[0]) for contender in contenders]
    return Scene(
        panels=tuple(panels),
        title=common,
        caption=caption(surfaces, [f"{comparison.split}/loss"], None, words, own, hatched="in the surfaces"),
        size=(width, _HEIGHT),
        columns=columns,
    )


def _chosen(comparison: Comparison, names: Sequence[str] | None) -> list[Measure]:
    """The numbers that are asked for, or a choice of those that exist and are not lower bounds everywhere."""
    known = {measure.name: measure for measure in comparison.measures if not measure.of}
    if unknown := [name for name in names or () if name not in known]:
        raise LandscapeError(f"this comparison has no number {unknown[0]!r}; {nearest(unknown[0], known)}")
    if names is not None and not names:
        raise LandscapeError(f"name at least one number to draw; {nearest('', known)}")
    if names is not None:
        return [known[name] for name in names]
    shape = [name for name in ("roughness", "nonconvex_share") if name in known][:1]
    wanted = [name for start in ("width_", "mean_rise_") for name in known if name.startswith(start)]
    told = [name for name in (*wanted, "curvature_mean", *shape) if name in known and not _bounded(comparison, name)]
    return [known[name] for name in (told or known)][:MOST]


def _bounded(comparison: Comparison, name: str) -> bool:
    """Whether all values of a number are only lower bounds: those of the range, not of the surfaces."""
    values = (contender.values.get(name + CENSORED, np.zeros(1)) for contender in comparison.contenders)
    return all(bool((each > 0).all()) for each in values)


def _called(contenders: Sequence[Contender]) -> tuple[Called, ...]:
    policies = len({contender.policy for contender in contenders}) > 1
    firsts = [contender.surfaces[0][0] for contender in contenders]
    return tuple(
        Called(plain(contender.name), (statistics_words(first),) if policies else ())
        for contender, first in zip(contenders, firsts, strict=True)
    )


def _label(one: Called, common: bool) -> str:
    """What stands under a column: a short name, and below it the policy."""
    parts = [*([] if common else [one.name]), *(detail.replace("BatchNorm ", "") for detail in one.details)]
    return "\n".join(plain(part, LETTERS) for part in parts)


def values(contender: Contender, measure: Measure) -> Values:
    """Take from a contender what its column shows of one number.

    Args:
        contender: The contender.
        measure: The number.

    Returns:
        Its values; the interval of a number of the trained weights of one network, which has no draws, is that of
        1.96 standard errors over the examples.
    """
    name, networks = measure.name, contender.surfaces
    found = contender.values[name]
    bounded = np.asarray(contender.values.get(name + CENSORED, np.zeros(found.shape)) > 0)
    none: tuple[FloatArray, NDArray[np.bool_]] = (np.empty((0, 0)), np.empty((0, 0), dtype=bool))
    if len(networks) > 1:
        files = tuple(plain(PurePath(own[0].path).stem) or f"network {i}" for i, own in enumerate(networks, 1))
        behind = (found, bounded) if measure.replicated and found.shape[1] > 1 else none
        any_bound = np.asarray(bounded.any(axis=1))
        return Values(contender.per_network(name), files, any_bound, *behind, contender.summary(name))
    if measure.replicated:
        repeats = tuple(f"repeat {surface.provenance.get('repeat', i)}" for i, surface in enumerate(networks[0]))
        return Values(found[0], repeats, bounded[0], *none, contender.summary(name))
    value, error = found[0, 0], contender.values.get(name + STDERR, np.full((1, 1), math.nan))[0, 0]
    ends = (float(value - ERRORS * error), float(value + ERRORS * error))
    return Values(found[0, :1], ("trained weights",), bounded[0, :1], *none, (float(value), *ends))


def _marks(row: Sequence[Values], titles: Sequence[str], joined: bool) -> Iterator[Mark]:
    """The marks of a panel: lines between what belongs together, dots, and beside them median and interval."""
    # Between two columns whose dots are joined stand no intervals.
    sides = [-1 if joined and column == 0 else 1 for column in range(len(row))]
    places = [
        column - side * SHIFT + _spread(len(own.units), APART, crowded=own.draws.size > 0)
        for column, (side, own) in enumerate(zip(sides, row, strict=True))
    ]
    if joined and len(places[0]) > 1:
        yield _joining(row, places)
    for column, (own, x, side, title) in enumerate(zip(row, places, sides, titles, strict=True)):
        step = CLOSE * float(np.diff(x).min(initial=APART))
        small = x[: len(own.draws), None] + _spread(own.draws.shape[1], step, crowded=True)
        names = [name for name in own.names for _ in range(own.draws.shape[1])]
        behind = _dots(small.ravel(), own.draws.ravel(), names, own.bounded.ravel(), column, title)
        if len(behind.y):
            yield dataclasses.replace(behind, faint=True)
        yield _dots(x, own.units, own.names, own.bounds, column, title)
        middle, low, high = (end if math.isfinite(end) else math.nan for end in own.summary)
        if math.isfinite(middle):
            known = f", {LEVEL} interval {low:.4g} to {high:.4g}" if math.isfinite(high - low) else ""
            yield Interval(column + side * BESIDE, middle, low, high, f"{title}: {middle:.4g}{known}", column)


def _spread(number: int, most: float, crowded: bool) -> FloatArray:
    """Places around 0, in their order, so that equal values are seen apart; shape (number,)."""
    reach = most if crowded else min(most, 0.3 * most * (number - 1))
    return np.linspace(-reach, reach, number) if number > 1 else np.zeros(number)


def _joining(row: Sequence[Values], places: Sequence[FloatArray]) -> Line:
    """One broken line with a stretch for each pair."""
    x, y = (np.stack([*pair, np.full(len(pair[0]), np.nan)], axis=1) for pair in (places, [own.units for own in row]))
    return Line(x.ravel(), y.ravel(), series=JOINED, faint=True)


def _dots(
    x: FloatArray, y: FloatArray, names: Sequence[str], bounds: NDArray[np.bool_], column: int, title: str
) -> Dots:
    there = np.isfinite(y)
    labels = tuple(
        f"{title}, {name}: {value:.4g}{' or more' if bound else ''}"
        for name, value, bound in zip(names, y, bounds, strict=True)
        if math.isfinite(value)
    )
    return Dots(x[there], y[there], labels, column, bounds[there])


def _scale(measure: Measure, row: Sequence[Values]) -> Scale:
    """The scale of a panel: logarithmic where positive values span a factor of more than 5."""
    pooled = np.concatenate([part for own in row for part in (own.units, own.draws.ravel(), own.summary)])
    pooled = pooled[np.isfinite(pooled)]
    low, high = (pooled.min(), pooled.max()) if pooled.size else (0.0, 1.0)
    log = bool(measure.positive and low > 0 and high > SPAN * low)
    ends = [0.0] if not log and (0 <= low <= high / FROM_ZERO or low == high) else []
    ends += [1.0] if low == high == 0 else []
    return choose_scale([pooled, np.array(ends)], log, bounded=True)


def _axis(measure: Measure, scale: Scale) -> str:
    return ", ".join([*([measure.unit.replace("^2", "²")] if measure.unit else []), *["log scale"] * scale.log])


def _paired(contenders: Sequence[Contender]) -> bool:
    """Whether there are two columns, each value of one with its own in the other: the same draws, or networks."""
    return len(contenders) == 2 and are_paired(*contenders)


def _legend(
    contenders: Sequence[Contender],
    shown: Sequence[Measure],
    table: Sequence[Sequence[Values]],
    marks: Sequence[Mark],
) -> Iterator[str]:
    """What the marks mean, and what the intervals are over."""
    sizes, draws = [len(contender.surfaces) for contender in contenders], len(contenders[0].surfaces[0])
    drawn, replicated = [own for row in table for own in row], any(measure.replicated for measure in shown)
    several = "one repeat, a draw of the directions" if draws > 1 else "the only draw of the directions"
    draw = several if replicated else "the trained weights"
    if max(sizes) == 1:
        yield f"dot: {draw}"
    else:
        own = ", its median over the repeats (small dots)" * (draws > 1 and replicated)
        yield f"dot: a trained network{own}" + f"; in columns of one network: {draw}" * (min(sizes) == 1)
    if any(math.isfinite(own.summary[1]) for own in drawn) and (over := _over(sizes, draws if replicated else 1)):
        yield f"bar: median; line: its {LEVEL} bootstrap interval over {over}"
    if any(isinstance(mark, Line) for mark in marks):
        yield f"thin lines join the same {'network' if sizes[0] > 1 else 'repeat'}"
    if any(own.bounds.any() for own in drawn):
        yield "triangles: lower bounds, as the region reaches the border of the range; the median is then one, too"
    if min(sizes) == 1 and not all(measure.replicated for measure in shown):
        yield f"of the trained weights of one network the line shows ±{ERRORS} standard errors over the examples"
    for measure, row in zip(shown, table, strict=True):
        if missing := sum(int((~np.isfinite(own.single)).sum()) for own in row):
            yield f"{measure.label}: {missing} of {sum(own.single.size for own in row)} values are not finite"
    units = ["the trained network"] * (max(sizes) > 1) + [
        "the draw of the directions of one training run, which says nothing of other runs"
    ] * (min(sizes) == 1)
    yield f"the unit of replication is {', or '.join(units)}"


def _over(sizes: Sequence[int], draws: int) -> str:
    """What the intervals are over, with a caution where that are few."""
    groups = [size for size in sizes if size > 1]
    number = f"{groups[0]} networks" if len(set(groups)) == 1 else f"networks ({', '.join(map(str, groups))})"
    over = [*[number] * bool(groups), *["the repeats" + " of one" * bool(groups)] * (min(sizes) == 1 and draws > 1)]
    few = any(1 < (size if size > 1 else draws) < FEW for size in sizes)
    return ", or over ".join(over) + f", which covers less than {LEVEL} with so few" * few
