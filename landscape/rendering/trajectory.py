"""The path of a training over the plane that it is projected on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import PurePath
from typing import Unpack

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.scales import Scale, ScaleOptions
from landscape.errors import LandscapeError
from landscape.rendering.figures import arranged
from landscape.rendering.names import plain
from landscape.rendering.planes import axis_ranges, planes
from landscape.rendering.quantities import Measured
from landscape.rendering.scene import Lowest, Mark, Panel, Points, Scene, Trail
from landscape.rendering.views import VIEWS, view
from landscape.types import FloatArray, Surface
from landscape.types.trajectory import Trajectory

APART = 0.09  # of the width of a panel: how near to each other two points may be that are both written beside
MOST_WRITTEN = 12
BETWEEN = 12  # points of a path in space between two of its own, so that it follows the surface
LONGEST = 40


def trajectory(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    points: bool = False,
    *,
    path: Trajectory,
    kind: str = "2d",
    **options: Unpack[ScaleOptions],
) -> Scene:
    """Draw the path of a training over the plane that it was projected on.

    In space the path lies on the surface: its heights are those of the plane below it, not those of the networks that
    were saved, which lie beside the plane.

    Args:
        surfaces: Surfaces of that plane; one panel for each, and for each policy that they hold.
        quantity: As for `contour`.
        points: Whether to mark the points that were measured.
        path: The path, in the coordinates of the plane.
        kind: The view under it, one of `VIEWS`.
        options: What is asked of the scale, as for `choose_scale`.

    Returns:
        The figure.

    Raises:
        LandscapeError: If the path lies outside of the picture, the view is none of a plane, or as for `contour`.
    """
    if kind not in VIEWS:
        raise LandscapeError(f"a trajectory is drawn over a plane, {', '.join(VIEWS)}, and not over a {kind!r} figure")
    found = planes(surfaces, quantity, "trajectory")
    shown = view(kind, found, quantity, points, options)
    ranges = axis_ranges(found)
    inside = within(path, ranges)
    if not inside.any():
        raise LandscapeError(
            f"no point of the trajectory {path.source} lies inside the picture, {_range_words(ranges)}: it belongs to "
            "another plane, or the surface needs a larger --x and --y"
        )
    trails = [
        trail(path, ranges, *((surface, data, shown.scale) if shown.kind == "3d" else (None, None, None)))
        for surface, data in zip(found, shown.data, strict=True)
    ]
    marks = tuple(_below_places(marks, path) for marks, path in zip(shown.marks, trails, strict=True))
    scene = arranged(dataclasses.replace(shown, marks=marks, said=(*shown.said, *_words(path, inside))), found)
    return dataclasses.replace(scene, panels=tuple(_labelled(panel, path) for panel in scene.panels))


def _below_places(marks: Sequence[Mark], path: Trail) -> tuple[Mark, ...]:
    """The marks with a path over all but single places, such as the trained weights at its end."""
    places = [mark for mark in marks if isinstance(mark, Points | Lowest)]
    return (*(mark for mark in marks if mark not in places), path, *places)


def within(path: Trajectory, ranges: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    """Which points of a path lie inside a picture.

    Args:
        path: The path.
        ranges: Lower and upper end of both axes.

    Returns:
        Shape (n,).
    """
    sides = [(low <= along) & (along <= high) for along, (low, high) in zip((path.x, path.y), ranges, strict=True)]
    return np.asarray(sides[0] & sides[1])


def trail(
    path: Trajectory,
    ranges: Sequence[tuple[float, float]],
    surface: Surface | None = None,
    data: Measured | None = None,
    scale: Scale | None = None,
) -> Trail:
    """A path as a mark.

    Args:
        path: The path.
        ranges: Lower and upper end of both axes.
        surface: The surface that it lies on, in a picture in space.
        data: What is drawn of that surface.
        scale: Its scale.

    Returns:
        The mark; in space with more points, so that it follows the surface.
    """
    number = len(path)
    names = path.labels or tuple(f"point {index} of {number}" for index in range(1, number + 1))
    written = _written(path, ranges)
    if surface is None or data is None or scale is None:
        return Trail(path.x, path.y, np.ones(number, dtype=bool), written, names)
    places = np.linspace(0, number - 1, (number - 1) * BETWEEN + 1)
    x, y = (np.interp(places, np.arange(number), along) for along in (path.x, path.y))
    own = np.arange(len(places)) % BETWEEN == 0
    labels, called = (
        tuple(texts[index // BETWEEN] if there else "" for index, there in enumerate(own)) for texts in (written, names)
    )
    return Trail(x, y, own, labels, called, heights_below(surface, data, scale, x, y))


def heights_below(surface: Surface, data: Measured, scale: Scale, x: FloatArray, y: FloatArray) -> FloatArray:
    """The values of a surface, as it is drawn, below some places: bilinear in the heights of the scale.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second, shape (n,).

    Returns:
        Values, shape (n,); NaN outside of the grid, beside gaps, and where the surface is cut off.
    """
    heights = scale.heights(data.finite)
    (i, u), (j, v) = (_cell(axis.array(), places) for axis, places in zip(surface.grid.axes, (x, y), strict=True))
    below = np.zeros(len(x))
    for step, weight_x in ((0, 1 - u), (1, u)):
        for other, weight_y in ((0, 1 - v), (1, v)):
            weight = weight_x * weight_y
            # A weight of 0 must not carry the NaN of a neighbour over: 0 * NaN is NaN.
            below += np.where(weight == 0, 0.0, weight * heights[i + step, j + other])
    values = 10.0**below - scale.offset if scale.log else below
    return np.where(values > scale.upper + scale.tolerance, np.nan, values)


def _cell(axis: FloatArray, places: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """The grid interval of each place, and how far along it lies: in [0, 1], NaN outside of the grid."""
    index = np.clip(np.searchsorted(axis, places, side="right") - 1, 0, len(axis) - 2)
    share = (places - axis[index]) / (axis[index + 1] - axis[index])
    return index, np.where((places < axis[0]) | (places > axis[-1]), np.nan, share)


def _written(path: Trajectory, ranges: Sequence[tuple[float, float]]) -> tuple[str, ...]:
    """The labels that are written: the first, the last, and between them those that have room."""
    if not path.labels:
        return ("",) * len(path)
    inside = np.flatnonzero(within(path, ranges))
    unit = [(along - low) / (high - low) for along, (low, high) in zip((path.x, path.y), ranges, strict=True)]
    places = np.column_stack(unit)
    chosen: list[int] = []
    for index in dict.fromkeys([*inside[[0, -1]].tolist(), *_spread(inside)]):
        if len(chosen) < MOST_WRITTEN and all(np.hypot(*(places[index] - places[at])) >= APART for at in chosen):
            chosen.append(index)
    cut = len(_common(path.labels))
    return tuple(plain(label[cut:], LONGEST) if index in chosen else "" for index, label in enumerate(path.labels))


def _spread(indices: NDArray[np.intp]) -> list[int]:
    """Indices in an order in which every beginning is spread over all: halves first, then quarters, and so on."""
    found, parts = [], 2
    while parts < 2 * len(indices):
        found += [int(indices[round(part * (len(indices) - 1) / parts)]) for part in range(1, parts)]
        parts *= 2
    return found


def _common(labels: Sequence[str]) -> str:
    """The word that all labels begin with, such as `epoch `."""
    heads = {label.rpartition(" ")[0] for label in labels}
    return f"{heads.pop()} " if len(heads) == 1 and all(" " in label for label in labels) else ""


def _words(path: Trajectory, inside: NDArray[np.bool_]) -> tuple[str, ...]:
    name = plain(PurePath(path.source).name, LONGEST)
    said = [f"path of {len(path):,} points projected on the plane" + (f" ({name})" if name else "")]
    said += [f"numbers: {plain(common.strip(), LONGEST)}"] if (common := _common(path.labels)) else []
    if path.explained is not None:
        first, second = (100 * share for share in path.explained)
        said.append(f"{first:.1f} % and {second:.1f} % of its variance lie along the axes")
    outside = int((~inside).sum())
    said += [f"{outside:,} of {len(path):,} networks outside of the picture"] if outside else []
    return tuple(said)


def _labelled(panel: Panel, path: Trajectory) -> Panel:
    """The panel with the shares that the axes explain, in the labels of both."""
    if path.explained is None:
        return panel
    labels = [
        f"{label[:1]}  (direction {number}: {100 * share:.1f} % of the path's variance)"
        if panel.kind == "2d"
        else f"{label[:1]}  ({100 * share:.1f} %)"
        for number, (label, share) in enumerate(
            zip((panel.x_label, panel.y_label), path.explained, strict=True), start=1
        )
    ]
    return dataclasses.replace(panel, x_label=labels[0], y_label=labels[1])


def _range_words(ranges: Sequence[tuple[float, float]]) -> str:
    return " by ".join(f"{low:g} to {high:g}" for low, high in ranges)
