"""Marks: what is drawn in a panel, as data.

Everywhere, `values[i, j]` belongs to `(x[i], y[j])`; renderers transpose where their library wants `[y, x]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.scales import Scale
from landscape.types import FloatArray


@dataclass(frozen=True, eq=False)
class Line:
    """A curve; it breaks where a value is not finite.

    Attributes:
        x: Coordinates, shape (n,).
        y: Values, shape (n,).
        label: Its name in the legend; empty for none.
        series: Which of the distinct line colours it takes, from 0.
        dashed: Whether it is dashed.
        dots: Which points carry a dot, shape (n,); None for none.
        faint: Whether it is thin and pale, as one of many.
    """

    x: FloatArray
    y: FloatArray
    label: str = ""
    series: int = 0
    dashed: bool = False
    dots: NDArray[np.bool_] | None = None
    faint: bool = False


@dataclass(frozen=True, eq=False)
class Band:
    """The area between two curves, in the colour of the line of the same series."""

    x: FloatArray
    lower: FloatArray
    upper: FloatArray
    series: int = 0


@dataclass(frozen=True, eq=False)
class Heat:
    """Filled contour levels; where a value is NaN nothing is painted.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (m,).
        values: Values, shape (n, m).
        scale: Range and levels.
        label: Name of the quantity, shown when pointed at.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale
    label: str = ""


@dataclass(frozen=True, eq=False)
class Cells:
    """A cell around each grid point in the exact colour of its value, nothing interpolated; none where it is NaN.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (m,).
        values: Values, shape (n, m).
        scale: The range of the colours.
        label: Name of the quantity, shown when pointed at.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale
    label: str = ""


@dataclass(frozen=True, eq=False)
class Contour:
    """Lines at the levels of the scale: labelled in a flat panel, on the floor of a 3-D one.

    On a diverging scale those below 0 are dashed and that at 0 is bold, so that signs can be told without colour.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (m,).
        values: Values, shape (n, m).
        scale: Range and levels.
        look: In a flat panel, `over` filled levels of the same scale, in ink that can be read on them; `coloured`, each
            in the colour of its level; or `plain`, dark with a pale edge, over colours of something else.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale
    look: Literal["over", "coloured", "plain"] = "over"


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface in space, cut off above the scale; open where a value is NaN."""

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale
    label: str = ""


@dataclass(frozen=True, eq=False)
class Cut:
    """The rim of a surface in space where it is cut off, at the upper end of its scale."""

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale


@dataclass(frozen=True, eq=False)
class Points:
    """Single places, such as the trained weights.

    Attributes:
        x: Coordinates, shape (n,).
        y: In a 1-D panel values, otherwise coordinates; shape (n,).
        label: What they are.
        z: Values, shape (n,), at which they stand in a 3-D panel; None for its floor.
    """

    x: FloatArray
    y: FloatArray
    label: str = ""
    z: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Lowest:
    """The grid point with the smallest value, where that is not at the trained weights.

    Attributes:
        x: Its coordinate along the first axis, shape (1,).
        y: That along the second, shape (1,).
        label: What it is.
        z: Its value in a 3-D panel, shape (1,); None in a flat one.
    """

    x: FloatArray
    y: FloatArray
    label: str = ""
    z: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Trail:
    """A path: a line with dots, a ring around the first and a square around the last.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (n,).
        dots: Which of the points carry a dot, shape (n,); the others only lead the line.
        labels: What is written beside each point, n texts, empty for nothing.
        names: What each point is called where it is pointed at, n texts.
        z: Values, shape (n,), at which the points stand in a 3-D panel, NaN where the path is not drawn; None in a flat
            one.
    """

    x: FloatArray
    y: FloatArray
    dots: NDArray[np.bool_]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    z: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Sites:
    """Where a surface was measured, as small dots in a panel seen from above.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (n,).
    """

    x: FloatArray
    y: FloatArray


@dataclass(frozen=True, eq=False)
class Hatch:
    """Cells of the grid where the measured value is not finite.

    Attributes:
        x: Coordinates along the first axis, shape (n,).
        y: Coordinates along the second axis, shape (m,); None in a 1-D panel.
        mask: True where to hatch, shape (n, m) or (n,).
    """

    x: FloatArray
    y: FloatArray | None
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Note:
    """A short line of text under the panel's title."""

    text: str


@dataclass(frozen=True, eq=False)
class Dots:
    """Single values of a category.

    Attributes:
        x: Where they stand around the place of their category, shape (n,).
        y: Values, shape (n,).
        labels: What each is called where it is pointed at.
        series: Which of the distinct colours they take, from 0.
        bounds: True where a value is only a lower bound, shown as a triangle; shape (n,).
        faint: Whether they are small and pale, behind others.
    """

    x: FloatArray
    y: FloatArray
    labels: tuple[str, ...]
    series: int
    bounds: NDArray[np.bool_]
    faint: bool = False


@dataclass(frozen=True)
class Interval:
    """A value as a short bar, and the interval that it is known to as a line through it, if its ends are finite."""

    x: float
    middle: float
    low: float
    high: float
    label: str
    series: int = 0
    reach: float = 0.08


Mark = (
    Line | Band | Heat | Cells | Contour | Mesh | Cut | Points | Lowest | Trail | Sites | Hatch | Note | Dots | Interval
)


def cell_edges(coordinates: FloatArray) -> FloatArray:
    """Edges of the cells around grid points: midway between neighbours, half a step beyond the ends.

    Args:
        coordinates: Strictly increasing, shape (n,).

    Returns:
        Edges, shape (n + 1,); a single point gets a cell of width 1.
    """
    if len(coordinates) == 1:
        return np.array([coordinates[0] - 0.5, coordinates[0] + 0.5])
    middles = (coordinates[1:] + coordinates[:-1]) / 2
    first, last = 2 * coordinates[0] - middles[0], 2 * coordinates[-1] - middles[-1]
    return np.asarray(np.concatenate([[first], middles, [last]]), dtype=np.float64)
