"""What surrounds the panels of a matplotlib figure: titles, notes, labels of rows, legend, colour bar and caption."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle

from landscape.rendering.layout import CAPTION_LINE, TOP_NOTE, Box, Layout, entries
from landscape.rendering.lettering import fitted, note_lines
from landscape.rendering.matplotlib.settings import line_style
from landscape.rendering.names import plain
from landscape.rendering.scene import ColourBar, Panel, RowLabel, Scene
from landscape.rendering.style import TITLE, Style


def write_words(figure: Figure, scene: Scene, layout: Layout) -> None:
    """Write all text of a figure that is not inside of a panel.

    Args:
        figure: The figure.
        scene: The figure as data.
        layout: Where things go.
    """
    style = scene.style
    for panel, box in zip(scene.panels, layout.panels, strict=True):
        _title(figure, panel, box, layout, style)
    for label, box in layout.rows:
        _row_label(figure, label, box, layout, style)
    if layout.legend is not None:
        _legend(figure, scene, layout.legend, layout)
    if scene.title:
        middle = (layout.panels[0].left + layout.panels[scene.columns - 1].right) / 2 / layout.width
        top = 1 - 0.13 * layout.letters / layout.height
        figure.text(middle, top, scene.title, size=style.title, weight=_weight(style), ha="center", va="top")
    for index, line in enumerate(layout.caption):
        height = (layout.caption_top - layout.letters * CAPTION_LINE * index) / layout.height
        figure.text(0.25 / layout.width, height, line, size=style.small, color=style.muted, va="top")


def _title(figure: Figure, panel: Panel, box: Box, layout: Layout, style: Style) -> None:
    """The title of a panel and the notes under it."""
    middle, height = (box.left + box.width / 2) / layout.width, box.top + 0.07 * layout.letters
    for note in reversed(note_lines(panel.notes, box.width, layout.letters)):
        place = middle, height / layout.height
        figure.text(*place, note, size=style.small, color=style.muted, ha="center")
        height += TOP_NOTE * layout.letters
    figure.text(middle, height / layout.height, panel.title, size=style.title, weight=_weight(style), ha="center")


def _row_label(figure: Figure, label: RowLabel, box: Box, layout: Layout, style: Style) -> None:
    middle = (box.bottom + box.height / 2) / layout.height
    upwards: dict[str, Any] = {"rotation": 90, "ha": "left", "va": "center"}
    name = plain(label.name, int(box.height / (0.085 * style.title / TITLE)))
    figure.text(box.left / layout.width, middle, name, size=style.title, weight=_weight(style), **upwards)
    detail = (box.left + 0.19 * layout.letters) / layout.width
    figure.text(detail, middle, label.detail, size=style.small, color=style.muted, **upwards)


def _legend(figure: Figure, scene: Scene, box: Box, layout: Layout) -> None:
    """The lines that have labels, above the panels: there they hide nothing."""
    handles = [Line2D([], [], label=label, **line_style(mark, scene.style)) for label, mark in entries(scene).items()]
    place = box.left / layout.width, box.bottom / layout.height
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=place,
        ncols=layout.legend_columns,
        borderpad=0.0,
        borderaxespad=0.0,
        handlelength=2.2,
        columnspacing=1.6,
        labelspacing=0.35,
    )


def draw_colour_bar(figure: Figure, bar: ColourBar, box: Box, layout: Layout, style: Style) -> None:
    """Draw the colour bar that the panels share.

    Args:
        figure: The figure.
        bar: The bar.
        box: Where it goes.
        layout: The figure's layout.
        style: How it looks.
    """
    fill_colour_bar(figure.add_axes(box.within(layout.width, layout.height)), bar, box, layout.letters, style)


def fill_colour_bar(axes: Axes, bar: ColourBar, box: Box, letters: float, style: Style) -> None:
    """Draw a colour bar into axes that are there.

    Args:
        axes: The axes.
        bar: The bar.
        box: Their size.
        letters: By how much letters are larger than usual.
        style: How it looks.
    """
    scale = bar.scale
    edges = scale.position(scale.boundaries) if bar.banded else np.linspace(0, 1, 257)
    middles = (edges[1:] + edges[:-1]) / 2
    for low, colour in zip(edges[:-1], style.colours(middles, scale.diverging), strict=True):
        # Each reaches to the top and the next covers it: no seams in vector files.
        axes.add_patch(Rectangle((0, low), 1, 1 - low, facecolor=tuple(colour), lw=0))
    point = 0.75 * box.width / box.height
    for end, tip, there in ((1.0, 1 + point, bar.clipped), (0.0, -point, bar.clipped_below)):
        if there:
            colour = tuple(style.colours(np.array(end), scale.diverging))
            corners = [(0, end), (0.5, tip), (1, end)]
            axes.add_patch(
                Polygon(corners, facecolor=colour, edgecolor=style.ink, lw=0.7 * style.lines, clip_on=False, zorder=0)
            )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_yticks(scale.position(scale.ticks), [scale.text(tick) for tick in scale.ticks])
    axes.set_ylabel("\n".join(fitted(bar.label, box.height, letters)))


def _weight(style: Style) -> str:
    return "bold" if style.bold else "normal"
