"""The panels in space of a matplotlib figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection  # type: ignore[import-untyped]

from landscape.analysis.levels import steps
from landscape.analysis.scales import Scale
from landscape.rendering.isolines import isolines
from landscape.rendering.layout import SLANT, Box, Layout, ticks_in_space
from landscape.rendering.matplotlib.marks import draw_mark, star
from landscape.rendering.relief import floor, relief
from landscape.rendering.scene import Contour, Cut, Hatch, Lowest, Mark, Mesh, Panel, Points, Trail
from landscape.rendering.style import Style

ROOM, ROOMY = 0.45, 2.3  # inches that labels take beside a cube, and the width of a panel that has them to spare


def draw_in_space(figure: Figure, panel: Panel, box: Box, layout: Layout, style: Style) -> None:
    """Draw a panel in space.

    Args:
        figure: The figure to draw into.
        panel: The panel.
        box: Where it goes.
        layout: The figure's layout.
        style: How it looks.
    """
    axes = figure.add_axes(box.within(layout.width, layout.height), projection="3d")
    fill_space(axes, panel, box, layout.letters, style)


def fill_space(axes: Any, panel: Panel, box: Box, letters: float, style: Style) -> None:
    """Draw a panel in space into axes that are there.

    Args:
        axes: Axes with the projection 3d.
        panel: The panel.
        box: Their size.
        letters: By how much letters are larger than usual.
        style: How it looks.
    """
    axes.computed_zorder = False
    assert panel.scale is not None
    assert panel.y_range is not None
    ground, top = floor(panel.scale), float(panel.scale.transform(panel.scale.upper))
    axes.set(xlim=panel.x_range, ylim=panel.y_range, zlim=(ground, top))
    axes.set_box_aspect((1, 1, 0.82), zoom=1.12 * min(1.0, (box.width / letters - ROOM) / (ROOMY - ROOM)))
    axes.view_init(elev=style.view[0], azim=style.view[1])
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.set_pane_color(to_rgba(style.page, 0.0 if style.transparent else 1.0))
        axis.pane.set_edgecolor(style.faint)
        axis.line.set_color(style.muted)
    axes.patch.set_visible(False)  # it would cover labels of the panel above
    ticks, number = ticks_in_space(panel, box, letters)
    axes.set_zticks(panel.scale.transform(ticks), [panel.scale.text(tick) for tick in ticks])
    axes.tick_params(pad=0, labelsize=style.small)
    axes.set_xlabel(panel.x_label, size=style.small, labelpad=0)
    axes.set_ylabel(panel.y_label, size=style.small, labelpad=0)
    coordinate_ticks(axes, panel, number)
    for mark in panel.marks:
        _draw(axes, mark, ground, panel.scale, style)


def _draw(axes: Any, mark: Mark, ground: float, scale: Scale, style: Style) -> None:
    match mark:
        case Contour():
            for line in isolines(mark):
                colour = tuple(style.on_page(mark.scale.position(line.level), mark.scale.diverging))
                pieces = [np.column_stack([piece, np.full(len(piece), ground)]) for piece in line.pieces]
                if pieces:
                    axes.add_collection3d(
                        Line3DCollection(pieces, colors=colour, linewidths=1.0 * style.lines, zorder=1)
                    )
        case Mesh():
            axes.add_collection3d(_surface(mark, style))
        case Points():
            height = np.full(len(mark.x), ground) if mark.z is None else scale.transform(mark.z)
            axes.scatter(
                mark.x,
                mark.y,
                height,
                s=62 * style.marks**2,
                depthshade=False,
                zorder=2 if mark.z is None else 4,
                **star(style),
            )
        case Cut() | Lowest() | Trail():
            draw_mark(axes, mark, style, scale)
        case Hatch():
            assert mark.y is not None
            i, j = np.nonzero(mark.mask)
            axes.scatter(
                mark.x[i], mark.y[j], ground, s=9, marker="x", c=style.muted, linewidths=0.7, depthshade=False, zorder=2
            )


def _surface(mark: Mesh, style: Style) -> Poly3DCollection:
    """Surface and level lines in one collection, so that they hide each other where they should."""
    built = relief(mark, style)
    faces = np.column_stack([built.colours, np.ones(len(built.colours))])
    strokes = np.tile([0.0, 0.0, 0.0, 0.38], (len(built.strokes), 1))
    surface = Poly3DCollection(
        np.concatenate([built.corners, built.strokes]),
        facecolors=np.concatenate([faces, strokes]),
        edgecolors=np.concatenate([faces, strokes]),
        linewidths=np.repeat([0.3, 0.5], [len(faces), len(strokes)]),
    )
    # Tens of thousands of pieces: as vectors they would make a file of megabytes.
    surface.set_rasterized(True)
    surface.set_zorder(3)
    return surface


def coordinate_ticks(axes: Any, panel: Panel, number: int = 5) -> None:
    """Round ticks along the coordinates of a panel, of any kind, or the names of its categories.

    Args:
        axes: The axes.
        panel: What they show.
        number: About how many.
    """
    ticks = steps(*panel.x_range, number)
    aslant = {"rotation": SLANT, "ha": "right", "rotation_mode": "anchor"} if panel.slanted else {}
    if panel.categories:
        axes.set_xticks(range(len(panel.categories)), panel.categories, **aslant)
    else:
        axes.set_xticks(ticks, [_number(tick) for tick in ticks])
    if panel.y_range is not None:
        ticks = steps(*panel.y_range, number)
        axes.set_yticks(ticks, [_number(tick) for tick in ticks])


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
