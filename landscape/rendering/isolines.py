"""Contour lines, filled bands and places for labels, as plain polygons.

Lines are interpolated between neighbouring grid points only, in the heights of the scale (the logarithm
where it is logarithmic) before any clip; a square with a corner that is not finite is left open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from landscape.rendering.scene import Contour, Cut, Heat, Lowest, Panel, Points, Trail
from landscape.types import FloatArray

# Distances are parts of a panel this many inches wide; in a smaller one letters take more of it.
WIDTH = 3.6
EDGE, APART, FROM_MARK = 0.07, 0.13, 0.09
SHORTEST = 0.18
STRAIGHT = 0.96
STEP = 0.012
LETTER = 0.0145
LIMIT = 1e300


@dataclass(frozen=True)
class Isoline:
    """All pieces of the line at one level, each of shape (n, 2)."""

    level: float
    pieces: tuple[FloatArray, ...]


@dataclass(frozen=True)
class Label:
    """A level written along its line: where, and at which angle in degrees (-90 to 90)."""

    level: float
    x: float
    y: float
    angle: float


def isolines(mark: Contour) -> tuple[Isoline, ...]:
    """The lines at the levels of the mark's scale; levels that the values do not cross have no pieces."""
    generator = _generator(mark)
    heights = mark.scale.transform(mark.scale.levels)
    return tuple(
        Isoline(level, tuple(np.asarray(piece) for piece in generator.lines(float(height))))
        for level, height in zip(mark.scale.levels, heights, strict=True)
    )


def rim(mark: Cut) -> tuple[FloatArray, ...]:
    """The line along which a surface is cut off, in pieces of shape (n, 2); it lies at the upper end of the scale."""
    height = float(mark.scale.heights(mark.scale.upper))
    return tuple(np.asarray(piece) for piece in _generator(mark).lines(height))


def bands(mark: Heat) -> tuple[tuple[FloatArray, ...], ...]:
    """The outlines of the filled bands of the scale, to be painted in this order.

    Without gaps in the values each band reaches up to the top, and the next covers part of it, so that no
    seams show. Beside a gap such stacked edges would draw a false line: there bands end at the next level.

    Args:
        mark: The values and their scale.

    Returns:
        For each band, closed outlines of shape (n, 2); those of holes run the other way round.
    """
    generator = _generator(mark)
    heights = mark.scale.transform(mark.scale.boundaries)
    edges = np.concatenate([[-LIMIT], heights[1:-1], [LIMIT]])
    gaps = bool(np.isnan(mark.values).any())
    return tuple(
        tuple(_rings(*generator.filled(float(low), float(high if gaps else edges[-1]))))
        for low, high in pairwise(edges)
    )


def _rings(polygons: Sequence[Any], offsets: Sequence[Any]) -> list[FloatArray]:
    return [
        np.asarray(points)[start:stop]
        for points, ends in zip(polygons, offsets, strict=True)
        for start, stop in pairwise(ends)
    ]


def _generator(mark: Contour | Heat | Cut) -> Any:
    from contourpy import FillType, LineType, contour_generator

    heights = np.ma.masked_invalid(mark.scale.heights(mark.values)).T
    return contour_generator(
        mark.x, mark.y, heights, corner_mask=False, line_type=LineType.Separate, fill_type=FillType.OuterOffset
    )


def labels(panel: Panel, lines: Sequence[Isoline], width: float = WIDTH, most: int = 12) -> tuple[Label, ...]:
    """Choose where to write the levels: on straight pieces, apart from each other, the marks and the edges.

    Args:
        panel: The panel that the lines lie in; its ranges and the single places in it matter.
        lines: The lines.
        width: Width of the panel in inches: in a small one letters need more of its room.
        most: The most labels to place.

    Returns:
        At most one label per level.
    """
    assert panel.y_range is not None
    small = max(1.0, WIDTH / width)
    origin = np.array([panel.x_range[0], panel.y_range[0]])
    extent = np.array([panel.x_range[1], panel.y_range[1]]) - origin
    marks = [np.column_stack([mark.x, mark.y]) for mark in panel.marks if isinstance(mark, Points | Lowest | Trail)]
    avoid = (np.concatenate(marks) - origin) / extent if marks else np.empty((0, 2))
    walked = [(line.level, _walk([(piece - origin) / extent for piece in line.pieces], small)) for line in lines]
    placed: list[Label] = []
    taken = np.empty((0, 2))
    for index, (level, (points, angles)) in sorted(enumerate(walked), key=lambda each: len(each[1][1][0])):
        others = np.concatenate([other[1][0] for i, other in enumerate(walked) if i != index] or [points])
        chosen = _choose(points, others, taken, avoid, small)
        if chosen is not None and len(placed) < most:
            taken = np.vstack([taken, points[chosen]])
            x, y = points[chosen] * extent + origin
            placed.append(Label(level, float(x), float(y), float(angles[chosen])))
    return tuple(placed)


def parted(line: Isoline, written: Sequence[Label], panel: Panel, text: str, width: float = WIDTH) -> Isoline:
    """The line without the pieces that its own labels cover.

    Args:
        line: The line.
        written: The labels of the panel; those of other levels are passed over.
        panel: The panel, for its ranges.
        text: What is written on the line.
        width: Width of the panel in inches.

    Returns:
        The line, in more pieces.
    """
    assert panel.y_range is not None
    extent = np.array([panel.x_range[1] - panel.x_range[0], panel.y_range[1] - panel.y_range[0]])
    places = [np.array([label.x, label.y]) / extent for label in written if label.level == line.level]
    pieces = [piece / extent for piece in line.pieces]
    radius = max(1.0, WIDTH / width) * LETTER * (len(text) + 1.2) / 2
    for place in places:
        pieces = [part for piece in pieces for part in _without(piece, place, radius)]
    return Isoline(line.level, tuple(piece * extent for piece in pieces))


def _without(piece: FloatArray, place: FloatArray, radius: float) -> list[FloatArray]:
    """The parts of a line outside a circle."""
    if not (np.hypot(*(piece - place).T) < radius + np.hypot(*np.diff(piece, axis=0).T).max(initial=0)).any():
        return [piece]
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(piece, axis=0).T))])
    places = np.unique(np.concatenate([lengths, np.arange(0.0, lengths[-1], radius / 10)]))
    fine = np.column_stack([np.interp(places, lengths, piece[:, axis]) for axis in (0, 1)])
    outside = np.hypot(*(fine - place).T) >= radius
    ends = np.flatnonzero(np.diff(outside)) + 1
    runs = zip(np.split(fine, ends), np.split(outside, ends), strict=True)
    return [run for run, free in runs if free[0] and len(run) > 1]


def _walk(pieces: Sequence[FloatArray], small: float) -> tuple[FloatArray, FloatArray]:
    """Evenly spaced points on the straight parts of long pieces, and the angle of the line there."""
    points, angles = [np.empty((0, 2))], [np.empty(0)]
    for piece in pieces:
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(piece, axis=0).T))])
        if lengths[-1] < SHORTEST * small:
            continue
        places = np.arange(0.0, lengths[-1], STEP)
        walk = np.column_stack([np.interp(places, lengths, piece[:, axis]) for axis in (0, 1)])
        reach = round(3 * small)
        chord = walk[2 * reach :] - walk[: -2 * reach]
        straight = np.hypot(*chord.T) >= STRAIGHT * 2 * reach * STEP
        points.append(walk[reach:-reach][straight])
        angles.append(np.degrees(np.arctan2(chord[:, 1], chord[:, 0]))[straight])
    every = np.concatenate(angles)
    return np.concatenate(points), (every + 90) % 180 - 90


def _choose(points: FloatArray, others: FloatArray, taken: FloatArray, avoid: FloatArray, small: float) -> int | None:
    """The point with most room around it, or None if every one is too close to something."""
    if not len(points):
        return None
    room = _nearest(points, taken)
    allowed = (room > APART * small) & (_nearest(points, avoid) > FROM_MARK * small)
    allowed &= ((points > EDGE * small) & (points < 1 - EDGE * small)).all(axis=1)
    if not allowed.any():
        return None
    score = 2 * np.minimum(_nearest(points, others), 0.06) + 0.3 * np.minimum(room, 0.3)
    return int(np.argmax(np.where(allowed, score, -math.inf)))


def _nearest(points: FloatArray, others: FloatArray) -> FloatArray:
    """The distance of each point from the nearest of the others."""
    if not len(others):
        return np.full(len(points), 1.0)
    distances = np.hypot(points[:, None, 0] - others[None, :, 0], points[:, None, 1] - others[None, :, 1])
    return np.asarray(distances.min(axis=1), dtype=np.float64)
