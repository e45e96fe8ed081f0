"""Comparisons: models and policies in one figure, on one range, one colour scale, one level set, from one viewpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import product
from typing import Literal

from landscape.errors import LandscapeError
from landscape.rendering.names import Called, called, policy_words
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
from landscape.rendering.profiles import profile
from landscape.rendering.quantities import full_name, measured
from landscape.rendering.scene import Panel, RowLabel, Scene
from landscape.rendering.selection import names_of, selected
from landscape.types import Surface

SPACE_TO_PLANE = 1.15
_HEIGHTS = {1: 3.3, 2: 2.8, 3: 2.5, 4: 2.3}
_SMALLEST = 2.0
_CELLS = {1: 3.6, 2: 3.2, 3: 2.7}


def comparison(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
    names: Sequence[str] | None = None,
) -> Scene:
    """Draw models side by side: a row for each model and policy, from above and in space; lines in the same axes.

    Everything is shared: range, clip, colours, levels, viewpoint. Surfaces over one direction become profiles, with the
    median and the quartiles of their repeats; of planes with several repeats the first is drawn.

    Args:
        surfaces: Several, all over one direction or all over two; those that hold several policies give one row each.
        quantity: `loss`, `accuracy`, ... of the first split, `split/name`, or `drift` and what else is measured of
            BatchNorm's statistics.
        log: Whether the scale is logarithmic; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels, or the levels themselves.
        names: What to call the models, one name per surface given; those of their checkpoints if left out.

    Returns:
        The figure.

    Raises:
        LandscapeError: If there is nothing to draw, lines and planes mix, names are missing, or the quantity, clip or
            levels do not fit.
    """
    lines = selected(surfaces, quantity, repeats=True)
    if len({len(surface.grid.axes) for surface in lines}) > 1:
        raise LandscapeError("a comparison needs surfaces that all have one direction or all two; compare them apart")
    if len(lines[0].grid.axes) == 1:
        return profile(surfaces, full_name(lines[0], quantity), log, clip, levels, names)
    found = planes(surfaces, quantity, "comparison")
    data = [measured(surface, quantity) for surface in found]
    scale = shared_scale(data, log, clip, levels)
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
    log: bool | None = None,
    clip: float | None = None,
    levels: Levels = None,
    names: Sequence[str] | None = None,
    kind: Literal["2d", "3d"] = "2d",
) -> Scene:
    """Draw a grid of pictures with a row for each model and a column for each policy for BatchNorm's statistics.

    Everything is shared, as in `comparison`.

    Args:
        surfaces: Planes, each model under every policy: in files with several policies, or in one file each.
        quantity: As for `comparison`.
        log: Whether the scale is logarithmic; None decides by the values.
        clip: The largest value shown; None decides by the values.
        levels: About how many levels, or the levels themselves.
        names: What to call the models, one name per surface given: what has the same name stands in the same row. Those
            of their checkpoints if left out.
        kind: `"2d"` from above, or `"3d"` in space.

    Returns:
        The figure.

    Raises:
        LandscapeError: If not every model is there once under every policy, or as for `comparison`.
    """
    if kind not in {"2d", "3d"}:
        raise LandscapeError(f"the pictures of a comparison are '2d' or '3d', not {kind!r}")
    found = planes(surfaces, quantity, "comparison")
    own = [one.name for one in called(found, names_of(surfaces, quantity, names), policies=True)]
    models, policies = dict.fromkeys(own), dict.fromkeys(surface.job.bn_stats for surface in found)
    ordered = [_only(found, own, model, policy) for model, policy in product(models, policies)]
    data = [measured(surface, quantity) for surface in ordered]
    scale = shared_scale(data, log, clip, levels)
    panels = []
    for index, (surface, each) in enumerate(zip(ordered, data, strict=True)):
        marks = (from_above if kind == "2d" else in_space)(surface, each, scale)
        bare = panel(kind, ordered, index, [*marks, *centre_note(surface, each.name)], scale)
        panels.append(_placed(bare, index, len(policies), len(models), policy_words(surface.job.bn_stats)))
    width = _CELLS.get(len(policies), 2.4) * (1.15 if kind == "3d" else 1.0)
    titles = [Called(model, (policy_words(policy),)) for model, policy in product(models, policies)]
    return Scene(
        panels=tuple(panels),
        caption=words_under(ordered, data, scale, panels, titles),
        size=(width, width * (proportion(ordered) if kind == "2d" else 0.85)),
        columns=len(policies),
        bar=colour_bar(data, scale, banded=kind == "2d"),
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
