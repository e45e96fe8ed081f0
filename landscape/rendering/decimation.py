"""What a screen can show of a large grid: fewer lines of it, chosen so that nothing that matters is lost.

A grid of 501 x 501 points has more of them than a panel has pixels, and an interactive page carries every one. The
points that stay are measured ones at their own places; contour lines come from all points, and only then lose
vertices that nobody could see.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscape.rendering.isolines import Isoline
from landscape.rendering.scene import Cells, Heat, Mark, Mesh, Panel, Scene
from landscape.types import FloatArray

LINES = 251  # along each axis of a surface in space
POINTS = 500_000  # in all panels of a figure together
EVEN = 0.75  # part of the lines that are spread evenly; the rest go where the surface bends most
TOLERANCE = 1 / 3000  # of a panel, half a pixel on a large screen
VERTICES, MOST_VERTICES = 20_000, 60_000  # with fewer lines and grids stay as they are; more no panel gets
COARSEST = 1 / 100


@dataclass(frozen=True, eq=False)
class Thinned:
    """Which lines of a grid stay.

    Attributes:
        rows: Indices along the first axis, strictly increasing, shape (k,).
        columns: Indices along the second axis, strictly increasing, shape (l,).
        open: Points of the thinned grid that stand for one that is not finite, shape (k, l).
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    open: NDArray[np.bool_]

    def of(self, values: FloatArray) -> FloatArray:
        """Take the lines that stay.

        Args:
            values: Any quantity on the full grid, shape (n, m).

        Returns:
            Its values on the thinned grid, shape (k, l), NaN where a gap must stay open.
        """
        return np.where(self.open, np.nan, values[np.ix_(self.rows, self.columns)])


def thinned(heights: FloatArray, lines: int = LINES, keep: Sequence[tuple[int, int]] = ()) -> Thinned:
    """Choose lines of a grid, evenly and where the surface bends most.

    The lowest and the highest point, the ends of both axes and the points in `keep` always stay, with their neighbours.
    Every point that is not finite opens the nearest point that stays, so that a gap may look wider by less than a cell
    of the thinned grid but is never bridged.

    Args:
        heights: Heights as they are drawn, shape (n, m).
        lines: About how many lines stay along each axis; an axis with fewer keeps all.
        keep: Indices of further points that must stay, such as the trained weights.

    Returns:
        What stays.
    """
    finite = np.isfinite(heights)
    heights = np.where(finite, heights, np.nan)
    special = list(keep)
    if finite.any():
        ends = np.nanargmin(heights), np.nanargmax(heights)
        special += [(int(i), int(j)) for i, j in (np.unravel_index(end, heights.shape) for end in ends)]
    rows = _chosen(heights, lines, [place[0] for place in special])
    columns = _chosen(heights.T, lines, [place[1] for place in special])
    open_ = np.zeros((len(rows), len(columns)), dtype=bool)
    i, j = np.nonzero(~finite)
    open_[_nearest(rows, i), _nearest(columns, j)] = True
    return Thinned(rows, columns, open_)


def _chosen(heights: FloatArray, lines: int, special: Iterable[int]) -> NDArray[np.intp]:
    """Indices along the first axis: evenly spaced ones, special ones, and those that lie farthest off between them."""
    number = len(heights)
    if number <= lines:
        return np.arange(number)
    near = {index + step for index in special for step in (-1, 0, 1)}
    even = np.linspace(0, number - 1, max(2, round(EVEN * lines))).round().astype(int)
    first = np.array(sorted({*even.tolist(), *(index for index in near if 0 <= index < number)}))
    after = np.clip(np.searchsorted(first, np.arange(number), side="right"), 1, len(first) - 1)
    before, behind = first[after - 1], first[after]
    weight = ((np.arange(number) - before) / (behind - before))[:, None]
    between = heights[before] * (1 - weight) + heights[behind] * weight
    off = np.nan_to_num(np.abs(heights - between), nan=0.0).max(axis=1)
    off[first] = -1.0
    more = np.argsort(off)[::-1][: max(0, lines - len(first))]
    return np.union1d(first, more[off[more] >= 0])


def _nearest(kept: NDArray[np.intp], indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """The place in `kept` of the entry nearest to each index."""
    edges = (kept[1:] + kept[:-1]) / 2
    return np.searchsorted(edges, indices)


def decimated(scene: Scene) -> Scene:
    """Thin the grids of a figure for an interactive page, and say so in its caption.

    Surfaces in space keep 251 lines along each axis, and all panels together half a million points. Contours are left
    alone: their lines come from all points.

    Args:
        scene: The figure.

    Returns:
        The same scene if it is small, else one with fewer points.
    """
    planes = [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, Cells | Heat | Mesh)]
    share = math.isqrt(POINTS // max(1, len(planes)))
    cut: list[str] = []
    panels = tuple(dataclasses.replace(one, marks=_thin_marks(one, share, cut)) for one in scene.panels)
    if not cut:
        return scene
    said = f"drawn for the screen with {', '.join(dict.fromkeys(cut))} grid lines, extremes, centre and gaps kept"
    return dataclasses.replace(scene, panels=panels, caption="\n".join([*scene.caption.splitlines(), said]))


def _thin_marks(panel: Panel, share: int, cut: list[str]) -> tuple[Mark, ...]:
    """The marks of a panel with thinned grids; what was cut is noted."""
    marks: list[Mark] = []
    for mark in panel.marks:
        lines = min(LINES, share) if isinstance(mark, Mesh) else share
        if isinstance(mark, Cells | Heat | Mesh) and max(mark.values.shape) > lines:
            centre = tuple(int(np.abs(axis).argmin()) for axis in (mark.x, mark.y))
            kept = thinned(mark.scale.heights(mark.values), lines, [(centre[0], centre[1])])
            sizes = zip((kept.rows, kept.columns), mark.values.shape, strict=True)
            where = "in space" if isinstance(mark, Mesh) else "from above"
            cut.append(" x ".join(f"{len(stay)} of {number}" for stay, number in sizes) + f" {where}")
            x, y = mark.x[kept.rows], mark.y[kept.columns]
            mark = dataclasses.replace(mark, x=x, y=y, values=kept.of(mark.values))
        marks.append(mark)
    return tuple(marks)


def packed(numbers: NDArray[np.float64]) -> NDArray[np.floating]:
    """Take single precision for more numbers than a small figure has: seven digits are more than a screen shows."""
    return numbers.astype(np.float32) if numbers.size > VERTICES else numbers


def simplified(lines: Sequence[Isoline], extent: tuple[float, float]) -> tuple[Isoline, ...]:
    """Leave out vertices that lie on the line between others, as far as a screen can show.

    The rule is that of Douglas and Peucker (1973): what is left out lies within the tolerance of the line that stays, a
    third of a thousandth of the panel; where noise leaves too many vertices even so, the tolerance is doubled until
    they are few enough, at most to a hundredth. Rings smaller than that go altogether.

    Args:
        lines: Contour lines.
        extent: Width and height of the panel in the units of the lines.

    Returns:
        The lines; the same ones if they have few vertices in all.
    """
    if _vertices(lines) <= VERTICES:
        return tuple(lines)
    tolerance = TOLERANCE
    found = tuple(_shorter(line, extent, tolerance) for line in lines)
    while _vertices(found) > MOST_VERTICES and tolerance < COARSEST:
        tolerance *= 2
        found = tuple(_shorter(line, extent, tolerance) for line in found)
    return found


def _vertices(lines: Sequence[Isoline]) -> int:
    return sum(len(piece) for line in lines for piece in line.pieces)


def _shorter(line: Isoline, extent: tuple[float, float], tolerance: float) -> Isoline:
    kept = []
    for piece in line.pieces:
        places = piece / np.asarray(extent)
        if np.ptp(places, axis=0).max() > tolerance:
            kept.append(piece[_kept(places, tolerance)])
    return Isoline(line.level, tuple(piece for piece in kept if len(piece) > 2 or (piece[0] != piece[-1]).any()))


def _kept(line: FloatArray, tolerance: float) -> NDArray[np.bool_]:
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    stack = [(0, len(line) - 1)]
    while stack:
        start, stop = stack.pop()
        if stop - start < 2:
            continue
        off = _distances(line[start + 1 : stop], line[start], line[stop])
        farthest = int(off.argmax())
        if off[farthest] > tolerance:
            middle = start + 1 + farthest
            keep[middle] = True
            stack += [(start, middle), (middle, stop)]
    return keep


def _distances(points: FloatArray, start: FloatArray, stop: FloatArray) -> FloatArray:
    """Distances of points, shape (n, 2), from the stretch between two others."""
    along = stop - start
    length = float(along @ along)
    share = np.clip((points - start) @ along / length, 0, 1) if length else np.zeros(len(points))
    off = points - start - share[:, None] * along
    return np.asarray(np.hypot(off[:, 0], off[:, 1]), dtype=np.float64)
