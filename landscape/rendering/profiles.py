"""Profiles: values along lines through the trained weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Unpack

import numpy as np

from landscape.analysis.scales import Scale, ScaleOptions, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import caption
from landscape.rendering.curves import BAND_ERRORS, curve, has_errors, reaching, star
from landscape.rendering.names import Called, axis_label, called, headings, quantity_label
from landscape.rendering.planes import axis_ranges, centre_note
from landscape.rendering.quantities import full_name, is_accuracy, is_interpolated, split_of
from landscape.rendering.scene import Line, Mark, Panel, Points, Scene
from landscape.rendering.selection import names_of, selected
from landscape.types import Grid, Surface

MOST_THIN = 3


def profile(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    names: Sequence[str] | None = None,
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw values along lines through the trained weights, all surfaces in the same axes.

    A surface over two directions gives two lines: its row and its column nearest to the trained weights. Of several
    repeats the median is drawn, with the quartiles as a band and, for up to three surfaces, each repeat as a thin line.
    Under a loss stands the accuracy, if all surfaces have it. A quantity without a split shows every split.

    Args:
        surfaces: One or several, all over one direction or all over two; a curve for each policy that they hold.
        quantity: `loss`, `accuracy`, ..., `split/name`, or `drift` and what else is measured of BatchNorm's statistics.
        names: What to call the surfaces, one name each; those of their checkpoints if left out.
        points: Whether to mark the points that were measured, however many.
        options: What is asked of the value axis; its levels are the ticks. Offset and limit are for planes.

    Returns:
        The figure: a column per direction, a row per quantity.

    Raises:
        LandscapeError: If the quantity or the options do not fit, or surfaces of one and two directions mix.
    """
    names = names_of(surfaces, quantity, names)
    surfaces = selected(surfaces, quantity, repeats=True)
    ways = len(surfaces[0].grid.axes)
    if any(len(surface.grid.axes) != ways for surface in surfaces):
        raise LandscapeError("profiles need surfaces that all have one direction or all two; draw them apart")
    several = len({surface.job.bn_stats for surface in surfaces}) > 1
    own = called(surfaces, names, policies=several)
    common, titles = headings(own)
    cuts = [[cut(surface, axis) for surface in surfaces] for axis in range(ways)]
    rows = [_names(surfaces, quantity)]
    if rows[0][0].endswith("/loss"):
        accuracies = [name.removesuffix("loss") + "accuracy" for name in rows[0]]
        rows += [accuracies] if all(name in surface for surface in surfaces for name in accuracies) else []
    scales = [_row_scale(cuts, rows[0], options)]
    scales += [_row_scale(cuts, quantities, {}) for quantities in rows[1:]]
    panels = [
        _panel(surfaces, titles, group, axis, quantities, scale, quantities is rows[0], points)
        for quantities, scale in zip(rows, scales, strict=True)
        for axis, group in enumerate(cuts)
    ]
    return Scene(
        panels=_tidied(panels, ways),
        title=common or (titles[0] if len(surfaces) == 1 else ""),
        caption=_caption(surfaces, own, titles, cuts, rows[0], scales[0], panels),
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
    other = -1 - axis  # from behind: repeats come first
    quantities = {name: np.take(values, nearest, axis=other) for name, values in surface.quantities.items()}
    return dataclasses.replace(surface, grid=Grid((surface.grid.axes[axis],)), quantities=quantities)


def _beside(surface: Surface, axis: int) -> float:
    """How far beside the trained weights the cut lies, along the other axis."""
    return min(surface.grid.axes[1 - axis].values, key=abs) if len(surface.grid.axes) > 1 else 0.0


def _names(surfaces: Sequence[Surface], quantity: str) -> list[str]:
    """Full names of what to draw: the quantity itself, or that of every split that all surfaces have."""
    first = full_name(surfaces[0], quantity)
    if quantity == first or not split_of(first):
        return [first]
    names = [f"{split}/{quantity}" for split in surfaces[0].splits]
    return [name for name in names if all(name in surface for surface in surfaces)] or [first]


def _row_scale(cuts: Sequence[Sequence[Surface]], names: Sequence[str], options: ScaleOptions) -> Scale:
    thin = len(cuts[0]) <= MOST_THIN
    values = [array for group in cuts for line in group for name in names for array in reaching(line, name, thin)]
    scale = choose_scale(values, bounded=is_accuracy(names[0]), **(options | {"offset": 0.0, "limit": None}))
    given = options.get("levels") is not None
    return dataclasses.replace(scale, ticks=scale.levels if given else scale.ticks, levels=())


def _panel(
    surfaces: Sequence[Surface],
    titles: Sequence[str],
    group: Sequence[Surface],
    axis: int,
    names: Sequence[str],
    scale: Scale,
    noted: bool,
    points: bool,
) -> Panel:
    marks: list[Mark] = []
    for series, (surface, line, title) in enumerate(zip(surfaces, group, titles, strict=True)):
        for index, name in enumerate(names):
            parts = [title] * (len(group) > 1) + [name.split("/")[0]] * (len(names) > 1)
            marks += curve(line, name, ", ".join(parts), series, index > 0, len(group) <= MOST_THIN, points)
            marks += star(line, name) if _beside(surface, axis) == 0 else []
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
    own: Sequence[Called],
    titles: Sequence[str],
    cuts: Sequence[Sequence[Surface]],
    names: Sequence[str],
    scale: Scale,
    panels: Sequence[Panel],
) -> str:
    marks = [mark for panel in panels for mark in panel.marks]
    said = ["star: trained weights"] if any(isinstance(mark, Points) for mark in marks) else []
    said += _places(surfaces, titles)
    medians, thin = any(surface.repeats > 1 for surface in surfaces), len(surfaces) <= MOST_THIN
    if medians:
        said.append("line: median over repeats; band: quartiles" + ("; thin lines: single repeats" if thin else ""))
    if any(has_errors(line, name) for group in cuts for line in group for name in names):
        linear = ", linear between measured points" if any(map(is_interpolated, surfaces)) else ""
        said.append(f"band: ±{BAND_ERRORS:g} standard errors of the rise over the trained weights{linear}")
    if any(isinstance(mark, Line) and mark.dots is not None and not mark.dots.all() for mark in marks):
        said.append("dots: measured points")
    if len(names) > 1:
        said.append("dashed: " + ", ".join(name.split("/")[0] for name in names[1:]))
    ways = [f", direction {axis + 1}" if len(cuts) > 1 else "" for axis in range(len(cuts))]
    counted = [
        (title + way, line)
        for way, group in zip(ways, cuts, strict=True)
        for title, line in zip(titles, group, strict=True)
    ]
    return caption(surfaces, names, scale, "; ".join(said), own, counted, beyond=thin or not medians)


def _places(surfaces: Sequence[Surface], titles: Sequence[str]) -> list[str]:
    """Where the cuts lie that miss the trained weights, once if it is the same for all surfaces."""
    places = []
    for surface in surfaces:
        beside = {axis: _beside(surface, axis) for axis in range(len(surface.grid.axes))}
        said = [f"{axis_label(surface, 1 - axis)[0]} = {value:.3g}" for axis, value in beside.items() if value]
        places.append(f"cut at {', '.join(said)}" if said else "")
    if len(set(places)) == 1:
        return places[:1] if places[0] else []
    return [f"{title}: {place}" for title, place in zip(titles, places, strict=True) if place]
