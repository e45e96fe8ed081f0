"""Figures: pure functions from Surfaces to a Scene. Several surfaces always share range, clip, colours and levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landscape.analysis.scales import Scale, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import (
    Measured,
    axis_label,
    caption,
    is_accuracy,
    measured,
    plain,
    quantity_label,
    titles,
)
from landscape.rendering.scene import ColourBar, Contour, Hatch, Heat, Kind, Mark, Mesh, Note, Panel, Points, Scene
from landscape.types import Surface

Levels = int | Sequence[float] | None
MOST_COLUMNS = 3
_WIDTHS = {1: 4.4, 2: 3.6}


def contour(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
) -> Scene:
    """Draw surfaces from above: labelled contour lines over filled levels, side by side.

    Args:
        surfaces: One or several, over two directions.
        quantity: `loss`, `accuracy`, ... of the first split, or `split/name`.
        log: Whether the scale is logarithmic; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels, or the levels themselves.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity, clip or levels do not fit.
    """
    surfaces = _planes(surfaces, "2d")
    data = [measured(surface, quantity) for surface in surfaces]
    scale = choose_scale([each.finite for each in data], log, clip, levels, is_accuracy(data[0].name))
    panels = []
    for index, (surface, each) in enumerate(zip(surfaces, data, strict=True)):
        x, y = (axis.array() for axis in surface.grid.axes)
        marks: list[Mark] = [
            Heat(x, y, each.finite, scale, quantity_label(each.name)),
            Contour(x, y, each.finite, scale),
            *([Hatch(x, y, each.broken)] if each.broken.any() else []),
            *trained(surface),
            *centre_note(surface, each.name),
        ]
        panels.append(_panel("2d", surfaces, index, marks))
    across, along = (high - low for low, high in axis_ranges(surfaces))
    width = _WIDTHS.get(len(panels), 3.0)
    return Scene(
        panels=tuple(panels),
        caption=caption(surfaces, [quantity], scale, _legend(panels)),
        size=(width, width * float(np.clip(along / across, 0.5, 1.4))),
        columns=min(len(panels), MOST_COLUMNS),
        bar=_bar(data, scale, banded=True),
    )


def surface3d(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
) -> Scene:
    """Draw surfaces in space, clipped, lit, with contour lines on the floor, side by side.

    Args:
        surfaces: One or several, over two directions.
        quantity: `loss`, `accuracy`, ... of the first split, or `split/name`.
        log: Whether heights go with the logarithm; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels on the floor, or the levels themselves.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity, clip or levels do not fit.
    """
    surfaces = _planes(surfaces, "3d")
    data = [measured(surface, quantity) for surface in surfaces]
    scale = choose_scale([each.finite for each in data], log, clip, levels, is_accuracy(data[0].name))
    panels = []
    for index, (surface, each) in enumerate(zip(surfaces, data, strict=True)):
        x, y = (axis.array() for axis in surface.grid.axes)
        marks: list[Mark] = [
            Contour(x, y, each.finite, scale),
            *([Hatch(x, y, each.broken)] if each.broken.any() else []),
            *trained(surface),
            Mesh(x, y, each.finite, scale, quantity_label(each.name)),
            *_standing(surface, each, scale),
            *centre_note(surface, each.name),
        ]
        panels.append(_panel("3d", surfaces, index, marks, scale))
    width = 4.6 if len(panels) == 1 else 4.0
    return Scene(
        panels=tuple(panels),
        caption=caption(surfaces, [quantity], scale, _legend(panels)).replace("hatched:", "crosses on the floor:"),
        size=(width, width * 0.85),
        columns=min(len(panels), MOST_COLUMNS),
        bar=_bar(data, scale, banded=False),
    )


def listed(surfaces: Surface | Sequence[Surface]) -> list[Surface]:
    """One surface or several, as a list.

    Args:
        surfaces: What to draw.

    Returns:
        At least one surface.

    Raises:
        LandscapeError: If there is none.
    """
    surfaces = [surfaces] if isinstance(surfaces, Surface) else list(surfaces)
    if not surfaces:
        raise LandscapeError("there is no surface to draw; name at least one file")
    return surfaces


def _planes(surfaces: Surface | Sequence[Surface], kind: str) -> list[Surface]:
    surfaces = listed(surfaces)
    for surface, title in zip(surfaces, titles(surfaces), strict=True):
        if len(surface.grid.axes) != 2 or min(surface.grid.shape) < 2:
            raise LandscapeError(
                f"a {kind} figure needs at least two points along each of two directions, and {title} has "
                f"{' x '.join(map(str, surface.grid.shape))}; draw it with --1d"
            )
    return surfaces


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
        name: `split/quantity` that is drawn; only its split matters.

    Returns:
        One note, or none if the surface does not say.
    """
    split = name.split("/")[0]
    centre = surface.centre.get(split, {})
    said = [f"loss {centre['loss']:.4g}"] if "loss" in centre else []
    said += [f"accuracy {100 * centre['accuracy']:.2f} %"] if "accuracy" in centre else []
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


def _panel(
    kind: Kind,
    surfaces: Sequence[Surface],
    index: int,
    marks: Sequence[Mark],
    scale: Scale | None = None,
) -> Panel:
    """One of several panels that share their ranges; in a row of flat ones, only the first labels its second axis."""
    x_range, y_range = axis_ranges(surfaces)
    return Panel(
        kind=kind,
        marks=tuple(marks),
        x_label=axis_label(surfaces[index], 0, short=kind == "3d"),
        y_label=axis_label(surfaces[index], 1, short=kind == "3d"),
        inner_y=kind == "2d" and index % MOST_COLUMNS > 0,
        title=titles(surfaces)[index],
        x_range=x_range,
        y_range=y_range,
        scale=scale,
    )


def _bar(data: Sequence[Measured], scale: Scale, banded: bool) -> ColourBar:
    clipped = any(bool((each.finite > scale.upper).any()) for each in data)
    return ColourBar(scale, quantity_label(data[0].name, scale, clipped), banded, clipped)


def _legend(panels: Sequence[Panel]) -> str:
    marked = any(isinstance(mark, Points) for panel in panels for mark in panel.marks)
    return "star: trained weights" if marked else ""
