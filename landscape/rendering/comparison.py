"""Comparisons: models and policies in one figure, on one range, one colour scale, one level set, from one viewpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import product
from typing import Unpack

from landscape.analysis.scales import ScaleOptions
from landscape.errors import LandscapeError
from landscape.rendering.names import Called, called, policy_words
from landscape.rendering.planes import (
    centre_note,
    colour_bar,
    panel,
    planes,
    proportion,
    shared_scale,
    words_under,
)
from landscape.rendering.profiles import profile
from landscape.rendering.quantities import full_name, measured
from landscape.rendering.scene import Panel, RowLabel, Scene
from landscape.rendering.selection import names_of, selected
from landscape.rendering.views import from_above, in_space, view
from landscape.types import Surface

SPACE_TO_PLANE = 1.15
_HEIGHTS = {1: 3.3, 2: 2.8, 3: 2.5, 4: 2.3}
_SMALLEST = 2.0
_CELLS = {1: 3.6, 2: 3.2, 3: 2.7}


def comparison(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    names: Sequence[str] | None = None,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw models side by side: a row for each model and policy, from above and in space; lines in the same axes.

    Everything is shared: range, clip, colours, levels, viewpoint. Surfaces over one direction become profiles, with the
    median and the quartiles of their repeats; of planes with several repeats the first is drawn.

    Args:
        surfaces: Several, all over one direction or all over two; those that hold several policies give one row each.
        quantity: `loss`, `accuracy`, ... of the first split, `split/name`, or `drift` and what else is measured of
            BatchNorm's statistics.
        names: What to call the models, one name per surface given; those of their checkpoints if left out.
        options: What is asked of the scale.

    Returns:
        The figure.

    Raises:
        LandscapeError: If there is nothing to draw, lines and planes mix, names are missing, or the quantity or the
            options do not fit.
    """
    lines = selected(surfaces, quantity, repeats=True)
    if len({len(surface.grid.axes) for surface in lines}) > 1:
        raise LandscapeError("a comparison needs surfaces that all have one direction or all two; compare them apart")
    if len(lines[0].grid.axes) == 1:
        return profile(surfaces, full_name(lines[0], quantity), names, **options)
    found = planes(surfaces, quantity, "comparison")
    data = [measured(surface, quantity) for surface in found]
    scale = shared_scale(data, **options)
    rows = called(found, names_of(surfaces, quantity, names), policies=True)
    panels = []
    for index, (surface, each) in enumerate(zip(found, data, strict=True)):
        last = index == len(found) - 1
        flat = [*from_above(surface, each, scale), *centre_note(surface, each.name)]
        above = panel("2d", found, index, flat, scale)
        space = panel("3d", found, index, in_space(surface, each, scale), scale)
        space = dataclasses.replace(space, x_label=above.x_label[0], y_label=above.y_label[0])
        panels += [dataclasses.replace(one, inner_x=not last) for one in (above, space)]
    height = _HEIGHTS.get(len(found), _SMALLEST)
    width = height / proportion(found)
    return Scene(
        panels=tuple(panels),
        caption=words_under(found, data, scale, panels, rows),
        size=(width, height),
        columns=2,
        bar=colour_bar(data, scale, banded=True),
        widths=(width, SPACE_TO_PLANE * height),
        rows=tuple(RowLabel(one.name, one.detail) for one in rows),
    )


def comparison_grid(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    names: Sequence[str] | None = None,
    kind: str = "2d",
    points: bool = False,
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw a grid of pictures with a row for each model and a column for each policy for BatchNorm's statistics.

    Everything is shared, as in `comparison`.

    Args:
        surfaces: Planes, each model under every policy: in files with several policies, or in one file each.
        quantity: As for `comparison`.
        names: What to call the models, one name per surface given: what has the same name stands in the same row. Those
            of their checkpoints if left out.
        kind: Which view each picture is, one of `VIEWS`: `"2d"`, `"heat"`, `"3d"`, ...
        points: Whether to mark the points that were measured.
        options: What is asked of the scale.

    Returns:
        The figure.

    Raises:
        LandscapeError: If not every model is there once under every policy, or as for `comparison`.
    """
    found = planes(surfaces, quantity, "comparison")
    own = [one.name for one in called(found, names_of(surfaces, quantity, names), policies=True)]
    models, policies = dict.fromkeys(own), dict.fromkeys(surface.job.bn_stats for surface in found)
    ordered = [_only(found, own, model, policy) for model, policy in product(models, policies)]
    shown = view(kind, ordered, quantity, points, options)
    panels = []
    for index, (surface, marks) in enumerate(zip(ordered, shown.marks, strict=True)):
        noted = [*marks, *centre_note(surface, shown.data[index].name)]
        bare = panel(shown.kind, ordered, index, noted, shown.scale, shown.whole)
        panels.append(_placed(bare, index, len(policies), len(models), policy_words(surface.job.bn_stats)))
    flat = shown.kind == "2d"
    width = _CELLS.get(len(policies), 2.4) * (1.0 if flat else SPACE_TO_PLANE)
    titles = [Called(model, (policy_words(policy),)) for model, policy in product(models, policies)]
    return Scene(
        panels=tuple(panels),
        caption=words_under(ordered, shown.data, shown.scale, panels, titles, shown.said),
        size=(width, width * (proportion(ordered, shown.whole) if flat else 0.85)),
        columns=len(policies),
        bar=colour_bar(shown.data, shown.scale, shown.banded, shown.unit),
        rows=tuple(RowLabel(model) for model in models),
    )


def _only(surfaces: Sequence[Surface], names: Sequence[str], model: str, policy: str) -> Surface:
    """The one surface of this model under this policy."""
    found = [
        surface
        for surface, name in zip(surfaces, names, strict=True)
        if name == model and surface.job.bn_stats == policy
    ]
    if len(found) != 1:
        raise LandscapeError(
            f"a grid needs every model once under every policy for BatchNorm's statistics, and of {model} there are "
            f"{len(found)} with {policy}; leave some out, or tell them apart with names"
        )
    return found[0]


def _placed(one: Panel, index: int, columns: int, rows: int, head: str) -> Panel:
    """A panel of a grid: heads above the first row, labels of axes at the left and the bottom."""
    row, column = divmod(index, columns)
    return dataclasses.replace(one, title="" if row else head, inner_x=row < rows - 1, inner_y=column > 0)
