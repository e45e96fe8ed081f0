"""A figure as data: a Scene of panels of marks, which a renderer draws with one library.

Everywhere, `values[i, j]` belongs to `(x[i], y[j])`; renderers transpose where their library wants `[y, x]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.scales import Scale
from landscape.rendering.style import DEFAULT, Style
from landscape.types import FloatArray

Kind = Literal["1d", "2d", "3d"]


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
class Contour:
    """Lines at the levels of the scale: labelled in a flat panel, on the floor of a 3-D one.

    On a diverging scale those below 0 are dashed and that at 0 is bold, so that signs can be told without colour.
    """

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface in space, cut off above the scale; open where a value is NaN."""

    x: FloatArray
    y: FloatArray
    values: FloatArray
    scale: Scale
    label: str = ""


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


Mark = Line | Band | Heat | Contour | Mesh | Points | Sites | Hatch | Note | Dots | Interval


@dataclass(frozen=True)
class Panel:
    """One pair (or triple) of axes.

    Attributes:
        kind: `"1d"` (values over one coordinate), `"2d"` (seen from above) or `"3d"`.
        marks: What is drawn, from back to front.
        x_label: Label of the first axis.
        y_label: Label of the second axis.
        inner_x: Whether the panel below shows the labels of the first axis.
        inner_y: Whether the panel to the left shows the labels of the second axis.
        title: Title above the panel.
        x_range: Ends of the first axis.
        y_range: Ends of the second axis; None in a 1-D panel, where the scale gives them.
        scale: The scale of the values of a 1-D or 3-D panel.
        legend: Whether the labels of the lines are listed.
        categories: What stands at the places 0, 1, 2, ... of the first axis, instead of numbers.
        slanted: Whether the categories are written aslant.
    """

    kind: Kind
    marks: tuple[Mark, ...]
    x_label: str = ""
    y_label: str = ""
    inner_x: bool = False
    inner_y: bool = False
    title: str = ""
    x_range: tuple[float, float] = (-1.0, 1.0)
    y_range: tuple[float, float] | None = None
    scale: Scale | None = None
    legend: bool = False
    categories: tuple[str, ...] = ()
    slanted: bool = False


@dataclass(frozen=True)
class ColourBar:
    """The colour bar that all panels share.

    Attributes:
        scale: Range, levels and ticks.
        label: Name of the quantity.
        banded: Whether colours step at the levels.
        clipped: Whether values lie above the scale: the bar then ends in a point.
        clipped_below: Whether values lie below the scale: the bar then ends in a point there, too.
    """

    scale: Scale
    label: str
    banded: bool = True
    clipped: bool = False
    clipped_below: bool = False


@dataclass(frozen=True)
class RowLabel:
    """What a row of panels has in common, written along its left side.

    Attributes:
        name: In bold letters.
        detail: Beside it, in small ones; may be empty.
    """

    name: str
    detail: str = ""


@dataclass(frozen=True)
class Scene:
    """A whole figure.

    Attributes:
        panels: The panels, row by row.
        title: Title of the figure; may be empty.
        caption: Small text under the figure; lines are wrapped by the renderer.
        size: Width and height of one panel's box, in inches.
        columns: Panels in a row.
        bar: The colour bar, if any.
        widths: Width of each column's boxes in inches, where they differ.
        rows: One label per row, or none.
        style: How it looks.
        canvas: Width and height of the whole figure in inches; None for what the parts need.
    """

    panels: tuple[Panel, ...]
    title: str = ""
    caption: str = ""
    size: tuple[float, float] = (3.6, 3.6)
    columns: int = 1
    bar: ColourBar | None = None
    widths: tuple[float, ...] = ()
    rows: tuple[RowLabel, ...] = ()
    style: Style = DEFAULT
    canvas: tuple[float, float] | None = None

    def name_of(self, index: int) -> str:
        """What a panel is called where it stands alone: the label of its row, then its title or that of its column.

        Args:
            index: Which panel.

        Returns:
            One line, empty if it has neither.
        """
        title = self.panels[index].title
        if not self.rows:
            return title
        row, head = self.rows[index // self.columns], self.panels[index % self.columns]
        return ", ".join(part for part in (row.name, row.detail, title or head.title) if part)

    @property
    def summary(self) -> str:
        """The title and the names of all panels, for readers who do not see them."""
        names = dict.fromkeys(self.name_of(index) for index in range(len(self.panels)))
        return "; ".join(part for part in (self.title, *names) if part)


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
