"""Figures: pure functions from Surfaces to a Scene. Several surfaces always share range, clip, colours and levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from landscape.rendering.names import LONGEST, Called, called, headings, plain
from landscape.rendering.planes import (
    Levels,
    centre_note,
    colour_bar,
    from_above,
    in_space,
    panel,
    planes,
    proportion,
    shared_scale,
    words_under,
)
from landscape.rendering.quantities import measured
from landscape.rendering.scene import Note, Panel, Scene
from landscape.types import Surface

MOST_COLUMNS = 3
_WIDTHS = {1: 4.4, 2: 3.6}


def contour(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
    points: bool = False,
) -> Scene:
    """Draw surfaces from above: labelled contour lines over filled levels, side by side.

    Args:
        surfaces: One or several, over two directions; a panel for each policy that they hold.
        quantity: `loss`, `accuracy`, ... of the first split, `split/name`, or `drift` and what else is measured of
            BatchNorm's statistics.
        log: Whether the scale is logarithmic; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels, or the levels themselves.
        points: Whether to mark the points that were measured.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity, clip or levels do not fit.
    """
    surfaces = planes(surfaces, quantity, "2d")
    data = [measured(surface, quantity) for surface in surfaces]
    scale = shared_scale(data, log, clip, levels)
    panels = []
    for index, (surface, each) in enumerate(zip(surfaces, data, strict=True)):
        marks = [*from_above(surface, each, scale, points), *centre_note(surface, each.name)]
        inner = dataclasses.replace(panel("2d", surfaces, index, marks, scale), inner_y=index % MOST_COLUMNS > 0)
        panels.append(inner)
    names = called(surfaces)
    title, panels = _headed(panels, names)
    width = _WIDTHS.get(len(panels), 3.0)
    return Scene(
        panels=tuple(panels),
        title=title,
        caption=words_under(surfaces, data, scale, panels, names),
        size=(width, width * proportion(surfaces)),
        columns=min(len(panels), MOST_COLUMNS),
        bar=colour_bar(data, scale, banded=True),
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
        surfaces: One or several, over two directions; a panel for each policy that they hold.
        quantity: As for `contour`.
        log: Whether heights go with the logarithm; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels on the floor, or the levels themselves.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity, clip or levels do not fit.
    """
    surfaces = planes(surfaces, quantity, "3d")
    data = [measured(surface, quantity) for surface in surfaces]
    scale = shared_scale(data, log, clip, levels)
    panels = [
        panel("3d", surfaces, index, [*in_space(surface, each, scale), *centre_note(surface, each.name)], scale)
        for index, (surface, each) in enumerate(zip(surfaces, data, strict=True))
    ]
    names = called(surfaces)
    title, panels = _headed(panels, names)
    width = 4.6 if len(panels) == 1 else 4.0
    return Scene(
        panels=tuple(panels),
        title=title,
        caption=words_under(surfaces, data, scale, panels, names),
        size=(width, width * 0.85),
        columns=min(len(panels), MOST_COLUMNS),
        bar=colour_bar(data, scale, banded=False),
    )


def _headed(panels: Sequence[Panel], names: Sequence[Called]) -> tuple[str, list[Panel]]:
    """The title of the figure and its panels with theirs: a name that all have in common stands once, above them."""
    common, titles = headings(names)
    if common:
        return common, [dataclasses.replace(one, title=title) for one, title in zip(panels, titles, strict=True)]
    headed = []
    for one, named in zip(panels, names, strict=True):
        notes = [Note(named.detail)] if named.details else []
        headed.append(dataclasses.replace(one, title=plain(named.name, LONGEST), marks=(*notes, *one.marks)))
    return "", headed
