"""Figures: pure functions from Surfaces to a Scene. Several surfaces always share range, clip, colours and levels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Unpack

from landscape.analysis.scales import ScaleOptions
from landscape.rendering.names import LONGEST, Called, called, headings, plain
from landscape.rendering.planes import centre_note, colour_bar, panel, planes, proportion, words_under
from landscape.rendering.scene import Note, Panel, Scene
from landscape.rendering.views import View, view
from landscape.types import Surface

MOST_COLUMNS = 3
_WIDTHS = {1: 4.4, 2: 3.6}


def contour(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw surfaces from above: labelled contour lines over filled levels, side by side.

    Args:
        surfaces: One or several, over two directions; a panel for each policy that they hold.
        quantity: `loss`, `accuracy`, ... of the first split, `split/name`, or `drift` and what else is measured of
            BatchNorm's statistics.
        points: Whether to mark the points that were measured.
        options: What is asked of the scale, as for `choose_scale`; what is left out is chosen from the values.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity or the options do not fit.
    """
    return side_by_side("2d", surfaces, quantity, points, options)


def lines(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw surfaces from above as labelled contour lines alone, each in the colour of its level; as `contour` else."""
    return side_by_side("lines", surfaces, quantity, points, options)


def filled(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw surfaces from above as filled levels alone; as `contour` else."""
    return side_by_side("filled", surfaces, quantity, points, options)


def heat(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw surfaces as heat maps: a cell around each grid point in the exact colour of its value, side by side.

    Nothing is interpolated, but what an adaptive run left out; cells reach halfway to the next grid point, whatever the
    distance. Those that are not measured are empty, and those that are not finite are hatched. Else as `contour`.
    """
    return side_by_side("heat", surfaces, quantity, points, options)


def surface3d(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw surfaces in space, clipped, lit, with contour lines on the floor, side by side.

    Args:
        surfaces: One or several, over two directions; a panel for each policy that they hold.
        quantity: As for `contour`.
        options: What is asked of the scale, as for `choose_scale`.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity or the options do not fit.
    """
    return side_by_side("3d", surfaces, quantity, False, options)


def uncertainty(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw how well surfaces are known: standard errors as shares of the value, a heat map under lines of the mean.

    Args:
        surfaces: One or several, over two directions; a panel for each policy that they hold.
        quantity: `loss`, `accuracy` or another metric with a standard error.
        points: Whether to mark the points that were measured.
        options: What is asked of the scale of the errors; `levels` are those of the mean.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only or no standard error, or the options do not fit.
    """
    return side_by_side("uncertainty", surfaces, quantity, points, options)


def uncertainty_of_rise(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw standard errors as shares of the rise over the trained weights; else as `uncertainty`."""
    return side_by_side("uncertainty-rise", surfaces, quantity, points, options)


def drift(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "drift",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw how far the statistics of BatchNorm drift (`drift:LAYER`: of a layer); else as `contour`."""
    return side_by_side("2d", surfaces, quantity, points, options)


def side_by_side(
    name: str, surfaces: Surface | Sequence[Surface], quantity: str, points: bool, options: ScaleOptions
) -> Scene:
    """Draw a view of surfaces, a panel for each.

    Args:
        name: The view, one of `VIEWS`.
        surfaces: One or several, over two directions.
        quantity: What is drawn of them.
        points: Whether to mark the points that were measured.
        options: What is asked of the scale.

    Returns:
        The figure.

    Raises:
        LandscapeError: If a surface has one direction only, or the quantity or the options do not fit.
    """
    found = planes(surfaces, quantity, name)
    return arranged(view(name, found, quantity, points, options), found)


def arranged(shown: View, found: Sequence[Surface]) -> Scene:
    """Arrange a view of surfaces as a figure, a panel for each.

    Args:
        shown: The view.
        found: The surfaces.

    Returns:
        The figure.
    """
    names = called(found)
    title, panels = _headed([_panel(shown, found, index) for index in range(len(found))], names)
    return Scene(
        panels=tuple(panels),
        title=title,
        caption=words_under(found, shown.data, shown.scale, panels, names, shown.said),
        size=_size(shown, found),
        columns=min(len(panels), MOST_COLUMNS),
        bar=colour_bar(shown.data, shown.scale, shown.banded, shown.unit),
    )


def _panel(shown: View, surfaces: Sequence[Surface], index: int) -> Panel:
    marks = [*shown.marks[index], *centre_note(surfaces[index], shown.data[index].name)]
    bare = panel(shown.kind, surfaces, index, marks, shown.scale, shown.whole)
    return dataclasses.replace(bare, inner_y=shown.kind == "2d" and index % MOST_COLUMNS > 0)


def _size(shown: View, surfaces: Sequence[Surface]) -> tuple[float, float]:
    if shown.kind == "3d":
        width = 4.6 if len(surfaces) == 1 else 4.0
        return width, width * 0.85
    width = _WIDTHS.get(len(surfaces), 3.0)
    return width, width * proportion(surfaces, shown.whole)


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
