"""A figure as data: a Scene of panels of marks, which a renderer draws with one library.

Everywhere, `values[i, j]` belongs to `(x[i], y[j])`; renderers transpose where their library wants `[y, x]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from landscape.analysis.scales import Scale
from landscape.rendering.marks import (
    Band,
    Cells,
    Contour,
    Cut,
    Dots,
    Hatch,
    Heat,
    Interval,
    Line,
    Lowest,
    Mark,
    Mesh,
    Note,
    Points,
    Sites,
    Trail,
    cell_edges,
)
from landscape.rendering.style import DEFAULT, Style

__all__ = [
    "Band",
    "Cells",
    "ColourBar",
    "Contour",
    "Cut",
    "Dots",
    "Hatch",
    "Heat",
    "Interval",
    "Kind",
    "Line",
    "Lowest",
    "Mark",
    "Mesh",
    "Note",
    "Panel",
    "Points",
    "RowLabel",
    "Scene",
    "Sites",
    "Trail",
    "cell_edges",
]

Kind = Literal["1d", "2d", "3d"]


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

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands under the title."""
        return tuple(mark.text for mark in self.marks if isinstance(mark, Note))


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
