"""Profiles: values along lines through the trained weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from landscape.analysis.scales import Scale, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import axis_label, caption, is_accuracy, measured, quantity_label, titles
from landscape.rendering.figures import Levels, axis_ranges, centre_note, listed
from landscape.rendering.scene import Band, Hatch, Line, Mark, Panel, Points, Scene
from landscape.types import FloatArray, Grid, Surface

DOTTED = 25
BAND_ERRORS = 2.0


def profile(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
) -> Scene:
    """Draw values along lines through the trained weights, all surfaces in the same axes.

    A surface over two directions gives two lines: its row and its column nearest to the trained weights.
    Under a loss stands the accuracy, if all surfaces have it. A quantity without a split shows every split.

    Args:
        surfaces: One or several, all over one direction or all over two.
        quantity: `loss`, `accuracy`, ... or `split/name`.
        log: Whether the value axis is logarithmic; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many ticks on the value axis, or the ticks themselves.

    Returns:
        The figure: a column per direction, a row per quantity.

    Raises:
        LandscapeError: If the quantity, clip or levels do not fit, or surfaces of one and two directions mix.
    """
    surfaces = listed(surfaces)
    ways = len(surfaces[0].grid.axes)
    if any(len(surface.grid.axes) != ways for surface in surfaces):
        raise LandscapeError("profiles need surfaces that all have one direction or all two; draw them apart")
    cuts = [[cut(surface, axis) for surface in surfaces] for axis in range(ways)]
    rows = [_names(surfaces, quantity)]
    if rows[0][0].endswith("/loss"):
        accuracies = [name.removesuffix("loss") + "accuracy" for name in rows[0]]
        rows += [accuracies] if all(name in surface for surface in surfaces for name in accuracies) else []
    scales = [_row_scale(cuts, rows[0], log, clip, levels)]
    scales += [_row_scale(cuts, names, None, None, None) for names in rows[1:]]
    panels = [
        _panel(surfaces, group, axis, names, scale, noted=names is rows[0])
        for names, scale in zip(rows, scales, strict=True)
        for axis, group in enumerate(cuts)
    ]
    return Scene(
        panels=_tidied(panels, ways),
        title=titles(surfaces)[0] if len(surfaces) == 1 else "",
        caption=_caption(surfaces, cuts, rows[0], scales[0], panels),
        size=(5.4 if ways == 1 else 3.7, 2.5 if len(rows) > 1 else 3.3),
        columns=ways,
    )


def cut(surface: Surface, axis: int) -> Surface:
    """The line through a surface along one axis, where the other coordinate is nearest to 0.

    Args:
        surface: The surface, over one direction or two.
        axis: The axis to keep, 0 or 1.

    Returns:
        A surface over that axis alone.
    """
    if len(surface.grid.axes) == 1:
        return surface
    nearest = int(np.argmin(np.abs(surface.grid.axes[1 - axis].array())))
    quantities = {name: np.take(values, nearest, axis=1 - axis) for name, values in surface.quantities.items()}
    return dataclasses.replace(surface, grid=Grid((surface.grid.axes[axis],)), quantities=quantities)


def _beside(surface: Surface, axis: int) -> float:
    """How far beside the trained weights the cut lies, along the other axis."""
    return min(surface.grid.axes[1 - axis].values, key=abs) if len(surface.grid.axes) > 1 else 0.0


def _names(surfaces: Sequence[Surface], quantity: str) -> list[str]:
    """Full names of what to draw: the quantity itself, or that of every split that all surfaces have."""
    first = measured(surfaces[0], quantity).name
    if quantity == first:
        return [first]
    names = [f"{split}/{quantity}" for split in surfaces[0].splits]
    return [name for name in names if all(name in surface for surface in surfaces)] or [first]


def _row_scale(
    cuts: Sequence[Sequence[Surface]], names: Sequence[str], log: bool | None, clip: float | None, levels: Levels
) -> Scale:
    lines = [(each, name) for group in cuts for each in group for name in names]
    values = [measured(each, name).finite for each, name in lines]
    values += [values[i] + _reach(each, name) for i, (each, name) in enumerate(lines) if _error(name) in each]
    scale = choose_scale(values, log, clip, levels, is_accuracy(names[0]))
    return dataclasses.replace(scale, ticks=scale.levels if levels is not None else scale.ticks, levels=())


def _panel(
    surfaces: Sequence[Surface], group: Sequence[Surface], axis: int, names: Sequence[str], scale: Scale, noted: bool
) -> Panel:
    marks: list[Mark] = []
    for series, (surface, line, title) in enumerate(zip(surfaces, group, titles(surfaces), strict=True)):
        for index, name in enumerate(names):
            parts = [title] * (len(group) > 1) + [name.split("/")[0]] * (len(names) > 1)
            marks += _curve(line, name, ", ".join(parts), series, dashed=index > 0)
            marks += _star(line, name) if _beside(surface, axis) == 0 else []
    if noted and len(surfaces) == 1 and axis == 0:
        marks += centre_note(surfaces[0], names[0])
    label = quantity_label(names[0], scale) if len(names) == 1 else quantity_label(names[0].split("/")[1], scale)
    if names[0].endswith("accuracy") and len(names) > 1:
        label = "accuracy (%)"
    return Panel(
        kind="1d",
        marks=tuple(marks),
        x_label=axis_label(surfaces[0], axis),
        y_label=label,
        x_range=axis_ranges(group)[0],
        scale=scale,
    )


def _curve(line: Surface, name: str, label: str, series: int, dashed: bool) -> list[Mark]:
    """One quantity along one line: its band, its cells that are not finite, the curve."""
    data, x = measured(line, name), line.grid.axes[0].array()
    marks: list[Mark] = []
    if _error(name) in line:
        reach = _reach(line, name)
        marks.append(Band(x, data.finite - reach, data.finite + reach, series))
    if data.broken.any():
        marks.append(Hatch(x, None, data.broken))
    dots = len(x) <= DOTTED or _alone(data.finite)
    marks.append(Line(x, data.finite, label, series, dashed, dots))
    return marks


def _star(line: Surface, name: str) -> list[Mark]:
    """The mark at the trained weights, if the line reaches them and their value is known."""
    x, value = line.grid.axes[0].values, _value_at_centre(line, name)
    inside = x[0] <= 0 <= x[-1] and np.isfinite(value)
    return [Points(np.zeros(1), np.array([value]), "trained weights")] if inside else []


def _error(name: str) -> str:
    return f"{name}_rise_stderr"


def _reach(line: Surface, name: str) -> FloatArray:
    """Half the width of the band."""
    return BAND_ERRORS * measured(line, _error(name)).finite


def _alone(values: FloatArray) -> bool:
    """Whether a value stands between two that are missing, where a line alone would not show it."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    return bool((there[1:-1] & ~there[:-2] & ~there[2:]).any())


def _value_at_centre(line: Surface, name: str) -> float:
    split, _, quantity = name.partition("/")
    if quantity in line.centre.get(split, {}):
        return float(line.centre[split][quantity]) * (100.0 if is_accuracy(name) else 1.0)
    values = line.grid.axes[0].values
    return float(measured(line, name).finite[values.index(0.0)]) if 0.0 in values else float("nan")


def _tidied(panels: Sequence[Panel], ways: int) -> tuple[Panel, ...]:
    """Labels only on the outer panels."""
    return tuple(
        dataclasses.replace(
            panel,
            inner_x=index < len(panels) - ways,
            inner_y=index % ways > 0,
            legend=index == 0 and any(isinstance(mark, Line) and mark.label for mark in panel.marks),
        )
        for index, panel in enumerate(panels)
    )


def _caption(
    surfaces: Sequence[Surface],
    cuts: Sequence[Sequence[Surface]],
    names: Sequence[str],
    scale: Scale,
    panels: Sequence[Panel],
) -> str:
    marks = [mark for panel in panels for mark in panel.marks]
    said = ["star: trained weights"] if any(isinstance(mark, Points) for mark in marks) else []
    said += _places(surfaces)
    if any(isinstance(mark, Band) for mark in marks):
        said.append(f"band: ±{BAND_ERRORS:g} standard errors of the rise over the trained weights")
    if len(names) > 1:
        said.append("dashed: " + ", ".join(name.split("/")[0] for name in names[1:]))
    lines = [line for group in cuts for line in group]
    ways = [f", direction {axis + 1}" if len(cuts) > 1 else "" for axis in range(len(cuts))]
    called = [title + way for way in ways for title in titles(surfaces)]
    return caption(lines, names, scale, "; ".join(said), called)


def _places(surfaces: Sequence[Surface]) -> list[str]:
    """Where the cuts lie that miss the trained weights, once if it is the same for all surfaces."""
    places = []
    for surface in surfaces:
        beside = {axis: _beside(surface, axis) for axis in range(len(surface.grid.axes))}
        said = [f"{axis_label(surface, 1 - axis)[0]} = {value:.3g}" for axis, value in beside.items() if value]
        places.append(f"cut at {', '.join(said)}" if said else "")
    if len(set(places)) == 1:
        return places[:1] if places[0] else []
    return [f"{title}: {place}" for title, place in zip(titles(surfaces), places, strict=True) if place]
