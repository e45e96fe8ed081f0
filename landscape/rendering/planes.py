"""Surfaces over two directions, as marks and panels: from above and in space, on a scale that all share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landscape.analysis.scales import Scale, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import caption
from landscape.rendering.names import Called, axis_label, plain, quantity_label, quantity_words, titles
from landscape.rendering.quantities import DRIFT, FLOOR, Measured, is_accuracy, measured, refining, sampled, split_of
from landscape.rendering.scene import ColourBar, Contour, Hatch, Heat, Kind, Mark, Mesh, Note, Panel, Points, Sites
from landscape.rendering.selection import selected
from landscape.types import Surface

Levels = int | Sequence[float] | None


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


def shared_scale(
    data: Sequence[Measured], log: bool | None = None, clip: float | None = None, levels: Levels = None
) -> Scale:
    """Choose the scale that several panels share.

    Args:
        data: The values of all.
        log: Whether it is logarithmic; None decides by the values.
        clip: Its upper end; None decides by the values.
        levels: About how many levels, or the levels themselves.

    Returns:
        The scale.
    """
    return choose_scale([each.finite for each in data], log, clip, levels, is_accuracy(data[0].name))


def from_above(surface: Surface, data: Measured, scale: Scale, points: bool = False) -> tuple[Mark, ...]:
    """A surface seen from above: filled levels, lines, gaps and the trained weights.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.
        points: Whether to mark the points that were measured, as is done in any case while a run refines.

    Returns:
        Marks from back to front.
    """
    x, y = (axis.array() for axis in surface.grid.axes)
    return (
        Heat(x, y, data.finite, scale, quantity_label(data.name)),
        Contour(x, y, data.finite, scale),
        *([Hatch(x, y, data.broken)] if data.broken.any() else []),
        *(_sites(surface, data) if points or refining(surface) else []),
        *trained(surface),
    )


def in_space(surface: Surface, data: Measured, scale: Scale) -> tuple[Mark, ...]:
    """A surface in space over its contour lines.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.

    Returns:
        Marks from back to front.
    """
    x, y = (axis.array() for axis in surface.grid.axes)
    return (
        Contour(x, y, data.finite, scale),
        *([Hatch(x, y, data.broken)] if data.broken.any() else []),
        *trained(surface),
        Mesh(x, y, data.finite, scale, quantity_label(data.name)),
        *_standing(surface, data, scale),
    )


def _sites(surface: Surface, data: Measured) -> list[Mark]:
    """A dot at every point that was measured, and at none that was interpolated."""
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


def _standing(surface: Surface, data: Measured, scale: Scale) -> list[Mark]:
    """The mark at the trained weights on the surface itself: that on the floor may be hidden by it."""
    index = surface.grid.centre()
    value = np.nan if index is None else data.finite.flat[index]
    on_show = np.isfinite(value) and value <= scale.upper
    return [Points(np.zeros(1), np.zeros(1), "trained weights", np.array([value]))] if on_show else []


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


def axis_ranges(surfaces: Sequence[Surface]) -> list[tuple[float, float]]:
    """For each axis, the range that holds the grids of all surfaces.

    Args:
        surfaces: Surfaces with equally many axes.

    Returns:
        Lower and upper end per axis.
    """
    columns = zip(*(surface.grid.axes for surface in surfaces), strict=True)
    return [(min(axis.values[0] for axis in axes), max(axis.values[-1] for axis in axes)) for axes in columns]


def proportion(surfaces: Sequence[Surface]) -> float:
    """Height over width of a panel in which both axes have one unit, as far as that can be drawn."""
    across, along = (high - low for low, high in axis_ranges(surfaces))
    return float(np.clip(along / across, 0.5, 1.4))


def panel(kind: Kind, surfaces: Sequence[Surface], index: int, marks: Sequence[Mark], scale: Scale) -> Panel:
    """One of several panels that share their ranges, without a title.

    Args:
        kind: `"2d"` or `"3d"`.
        surfaces: What all of them show.
        index: Which of the surfaces this one shows.
        marks: Its marks.
        scale: The scale.

    Returns:
        The panel.
    """
    x_range, y_range = axis_ranges(surfaces)
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


def colour_bar(data: Sequence[Measured], scale: Scale, banded: bool) -> ColourBar:
    """The colour bar that several panels share.

    Args:
        data: The values of all.
        scale: The scale.
        banded: Whether colours step at the levels.

    Returns:
        The bar.
    """
    clipped = any(bool((each.finite > scale.upper).any()) for each in data)
    return ColourBar(scale, quantity_label(data[0].name, scale, clipped), banded, clipped)


def legend_of(panels: Sequence[Panel]) -> str:
    """What the marks mean that need a word."""
    marks = [mark for panel in panels for mark in panel.marks]
    said = ["star: trained weights"] if any(isinstance(mark, Points) for mark in marks) else []
    said += ["dots: measured points"] if any(isinstance(mark, Sites) for mark in marks) else []
    return "; ".join(said)


def words_under(
    surfaces: Sequence[Surface],
    data: Sequence[Measured],
    scale: Scale,
    panels: Sequence[Panel],
    names: Sequence[Called] = (),
) -> str:
    """The caption of a figure of planes.

    Args:
        surfaces: What it shows.
        data: The values of each.
        scale: The scale.
        panels: Its panels.
        names: What to call the surfaces where they differ.

    Returns:
        The caption.
    """
    kinds = {panel.kind for panel in panels}
    hatched = {frozenset({"2d"}): "hatched", frozenset({"3d"}): "crosses on the floor"}
    how = hatched.get(frozenset(kinds), "hatched, and crosses on the floor")
    return caption(surfaces, [data[0].name], scale, legend_of(panels), names, hatched=how)
