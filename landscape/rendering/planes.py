"""Surfaces over two directions: what panels that stand side by side share, and the single places that are marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Unpack

import numpy as np

from landscape.analysis.scales import Scale, ScaleOptions, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import caption
from landscape.rendering.names import Called, axis_label, called, plain, quantity_label, quantity_words, titles
from landscape.rendering.quantities import DRIFT, FLOOR, Measured, is_accuracy, measured, sampled, split_of
from landscape.rendering.scene import (
    ColourBar,
    Contour,
    Cut,
    Heat,
    Kind,
    Lowest,
    Mark,
    Note,
    Panel,
    Points,
    Sites,
    Trail,
    cell_edges,
)
from landscape.rendering.selection import selected
from landscape.types import Surface


def planes(surfaces: Surface | Sequence[Surface], quantity: str, figure: str) -> list[Surface]:
    """Take from surfaces what a figure of planes draws: one for each policy, of one repeat.

    Args:
        surfaces: One or several.
        quantity: What is drawn of them.
        figure: What is drawn, for the message.

    Returns:
        At least one surface.

    Raises:
        LandscapeError: If there is none, or one has a single direction.
    """
    found = selected(surfaces, quantity)
    for surface, title in zip(found, titles(found), strict=True):
        if len(surface.grid.axes) != 2 or min(surface.grid.shape) < 2:
            raise LandscapeError(
                f"a {figure} figure needs at least two points along each of two directions, and {title} has "
                f"{' x '.join(map(str, surface.grid.shape))}; draw it with --1d"
            )
    return found


def shared_scale(data: Sequence[Measured], **options: Unpack[ScaleOptions]) -> Scale:
    """Choose the scale that several panels share.

    Args:
        data: The values of all.
        options: What is asked of the scale.

    Returns:
        The scale.
    """
    return choose_scale([each.finite for each in data], bounded=is_accuracy(data[0].name), **options)


def sites(surface: Surface, data: Measured) -> list[Mark]:
    """A dot at every point that was measured, and at none that was interpolated.

    Args:
        surface: The surface.
        data: What is drawn of it.

    Returns:
        One mark.
    """
    x, y = (axis.array() for axis in surface.grid.axes)
    i, j = np.nonzero(sampled(surface, data.name))
    return [Sites(x[i], y[j])]


def trained(surface: Surface) -> list[Mark]:
    """The mark at the trained weights, if they lie inside the grid's range.

    Args:
        surface: A surface over two directions.

    Returns:
        One mark or none.
    """
    inside = all(axis.values[0] <= 0 <= axis.values[-1] for axis in surface.grid.axes)
    return [Points(np.zeros(1), np.zeros(1), "trained weights")] if inside else []


def standing(surface: Surface, data: Measured, scale: Scale) -> list[Mark]:
    """The mark at the trained weights on the surface itself: that on the floor may be hidden by it.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.

    Returns:
        One mark, or none where the surface is cut off or the grid has no point there.
    """
    index = surface.grid.centre()
    value = np.nan if index is None else data.finite.flat[index]
    on_show = np.isfinite(value) and value <= scale.upper
    return [Points(np.zeros(1), np.zeros(1), "trained weights", np.array([value]))] if on_show else []


def lowest(surface: Surface, data: Measured, scale: Scale | None = None) -> list[Mark]:
    """The mark at the smallest measured loss of the grid, if that is smaller than the loss of the trained weights.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale of a picture in space.

    Returns:
        One mark or none; none for what is no loss.
    """
    values = np.where(sampled(surface, data.name), data.finite, np.nan)
    if not data.name.endswith("/loss") or not np.isfinite(values).any():
        return []
    i, j = np.unravel_index(np.nanargmin(values), values.shape)
    least, index = float(values[i, j]), surface.grid.centre()
    known = surface.centre.get(split_of(data.name), {}).get("loss", np.nan)
    if least >= np.fmin(known, np.nan if index is None else values.flat[index]):
        return []
    x, y = (axis.array()[[place]] for axis, place in zip(surface.grid.axes, (i, j), strict=True))
    where = ", ".join(f"{float(place[0]):.3g}".replace("-", "\N{MINUS SIGN}") for place in (x, y))
    label = f"smallest {quantity_words(data.name)} on the grid, {least:.4g} at ({where})"
    return [Lowest(x, y, label, None if scale is None else np.array([least]))]


def centre_note(surface: Surface, name: str) -> list[Mark]:
    """What the trained weights themselves measure, as a note.

    Args:
        surface: The surface.
        name: Full name of what is drawn; of a quantity of a split, only the split matters.

    Returns:
        One note, or none if the surface does not say.
    """
    split = split_of(name)
    centre = surface.centre.get(split, {})
    said = [f"loss {centre['loss']:.4g}"] if "loss" in centre else []
    said += [f"accuracy {100 * centre['accuracy']:.2f} %"] if "accuracy" in centre else []
    index = surface.grid.centre()
    if not split and index is not None and surface.repeats == 1:
        said += [f"{quantity_words(name).split(' of ')[0]} {measured(surface, name).values.flat[index]:.2g}"]
        said += (
            [f"floor {measured(surface, FLOOR).values.flat[index]:.2g}"] if name == DRIFT and FLOOR in surface else []
        )
    return [Note(plain(f"trained weights: {', '.join(said)}"))] if said else []


def axis_ranges(surfaces: Sequence[Surface], whole: bool = False) -> list[tuple[float, float]]:
    """For each axis, the range that holds the grids of all surfaces.

    Args:
        surfaces: Surfaces with equally many axes.
        whole: Whether it holds the whole cells around the outermost grid points.

    Returns:
        Lower and upper end per axis.
    """
    columns = zip(*(surface.grid.axes for surface in surfaces), strict=True)
    places = [[cell_edges(axis.array()) if whole else axis.array() for axis in axes] for axes in columns]
    return [(min(float(each[0]) for each in some), max(float(each[-1]) for each in some)) for some in places]


def proportion(surfaces: Sequence[Surface], whole: bool = False) -> float:
    """Height over width of a panel in which both axes have one unit, as far as that can be drawn."""
    across, along = (high - low for low, high in axis_ranges(surfaces, whole))
    return float(np.clip(along / across, 0.5, 1.4))


def panel(
    kind: Kind, surfaces: Sequence[Surface], index: int, marks: Sequence[Mark], scale: Scale, whole: bool = False
) -> Panel:
    """One of several panels that share their ranges, without a title.

    Args:
        kind: `"2d"` or `"3d"`.
        surfaces: What all of them show.
        index: Which of the surfaces this one shows.
        marks: Its marks.
        scale: The scale.
        whole: Whether cells at the edge are shown whole.

    Returns:
        The panel.
    """
    x_range, y_range = axis_ranges(surfaces, whole)
    in_perspective = kind == "3d"
    return Panel(
        kind=kind,
        marks=tuple(marks),
        x_label=axis_label(surfaces[index], 0, short=in_perspective),
        y_label=axis_label(surfaces[index], 1, short=in_perspective),
        x_range=x_range,
        y_range=y_range,
        scale=scale if in_perspective else None,
    )


def colour_bar(data: Sequence[Measured], scale: Scale, banded: bool, unit: str = "") -> ColourBar:
    """The colour bar that several panels share.

    Args:
        data: The values of all.
        scale: The scale.
        banded: Whether colours step at the levels.
        unit: The unit, if that is not the usual one of the quantity.

    Returns:
        The bar.
    """
    above = any(bool((each.finite > scale.upper + scale.tolerance).any()) for each in data)
    below = any(bool((each.finite < scale.lower - scale.tolerance).any()) for each in data)
    return ColourBar(scale, quantity_label(data[0].name, scale, above, below, unit), banded, above, below)


def legend_of(panels: Sequence[Panel]) -> str:
    """What the marks mean that need a word."""
    marks = [mark for panel in panels for mark in panel.marks]
    said = ["star: trained weights"] if any(isinstance(mark, Points) for mark in marks) else []
    least = list(dict.fromkeys(mark.label for mark in marks if isinstance(mark, Lowest)))
    said += [f"plus: {least[0] if len(least) == 1 else 'smallest loss on each grid'}"] if least else []
    said += ["dark rim: where a surface is cut off"] if any(isinstance(mark, Cut) for mark in marks) else []
    said += ["dots: measured points"] if any(isinstance(mark, Sites) for mark in marks) else []
    said += (
        ["ring and square: first and last point of the path"] if any(isinstance(mark, Trail) for mark in marks) else []
    )
    return "; ".join(said)


def words_under(
    surfaces: Sequence[Surface],
    data: Sequence[Measured],
    scale: Scale,
    panels: Sequence[Panel],
    names: Sequence[Called] = (),
    said: Sequence[str] = (),
) -> str:
    """The caption of a figure of planes.

    Args:
        surfaces: What it shows.
        data: The values of each.
        scale: The scale.
        panels: Its panels.
        names: What to call the surfaces where they differ.
        said: What else there is to say.

    Returns:
        The caption.
    """
    kinds = {panel.kind for panel in panels}
    hatched = {frozenset({"2d"}): "hatched", frozenset({"3d"}): "crosses on the floor"}
    how = hatched.get(frozenset(kinds), "hatched, and crosses on the floor")
    legend = "; ".join([*said, *([marks] if (marks := legend_of(panels)) else [])])
    counted = [
        (title, each) for title, each in zip([one.title for one in names or called(surfaces)], data, strict=True)
    ]
    drawn = any(isinstance(mark, Heat | Contour) and mark.scale is scale for one in panels for mark in one.marks)
    shown = scale if drawn else dataclasses.replace(scale, levels=())
    return caption(surfaces, [data[0].name], shown, legend, names, counted, hatched=how)
