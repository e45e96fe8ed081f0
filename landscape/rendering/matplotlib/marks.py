"""Single places, paths and cells in the panels of a matplotlib figure."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from mpl_toolkits.mplot3d.art3d import Line3DCollection  # type: ignore[import-untyped]

from landscape.analysis.scales import Scale
from landscape.rendering.inks import PALE
from landscape.rendering.isolines import rim
from landscape.rendering.scene import Cells, Cut, Lowest, Points, Sites, Trail, cell_edges
from landscape.rendering.style import DARK, SITE, Style


def draw_mark(
    axes: Any, mark: Cells | Cut | Points | Lowest | Trail | Sites, style: Style, scale: Scale | None = None
) -> None:
    """Draw one of these marks.

    Args:
        axes: The axes, flat or in space.
        mark: The mark.
        style: How it looks.
        scale: The scale of the heights, in space.
    """
    match mark:
        case Cells():
            _cells(axes, mark, style)
        case Cut():
            _cut(axes, mark, style)
        case Points():
            axes.scatter(mark.x, mark.y, s=80 * style.marks**2, zorder=6, **star(style))
        case Sites():
            dots: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.35, "zorder": 4, "clip_on": False}
            axes.scatter(mark.x, mark.y, s=(SITE * style.marks) ** 2, c=DARK, rasterized=True, **dots)
        case Lowest():
            height = [] if mark.z is None or scale is None else [scale.transform(mark.z)]
            deep: dict[str, Any] = {"depthshade": False} if height else {}
            look: dict[str, Any] = {"marker": "P", "c": PALE, "edgecolors": DARK, "linewidths": 0.8, "zorder": 5.5}
            axes.scatter(mark.x, mark.y, *height, s=46 * style.marks**2, **look, **deep)
        case Trail():
            _trail(axes, mark, style, scale)


def star(style: Style) -> dict[str, Any]:
    """How a star is drawn: in its colour all over, with a pale edge outside of it.

    Args:
        style: How it looks.

    Returns:
        Settings of matplotlib's `scatter`.
    """
    edge = withStroke(linewidth=1.9 * style.marks, foreground=PALE)
    return {"marker": "*", "c": style.mark, "linewidths": 0, "path_effects": [edge]}


def _cells(axes: Axes, mark: Cells, style: Style) -> None:
    """A rectangle around each grid point; none where there is no value."""
    positions = mark.scale.position(mark.values)
    colours = style.colours(np.nan_to_num(positions), mark.scale.diverging)
    seen = np.isfinite(positions)[..., None].astype(np.float64)
    shown = np.concatenate([colours, seen], axis=-1).transpose(1, 0, 2)
    axes.pcolormesh(cell_edges(mark.x), cell_edges(mark.y), shown, rasterized=True, zorder=1)


def _cut(axes: Any, mark: Cut, style: Style) -> None:
    """The rim along which a surface is cut off; from above nothing of the surface hides it."""
    top = float(mark.scale.transform(mark.scale.upper))
    pieces = [np.column_stack([piece, np.full(len(piece), top)]) for piece in rim(mark)]
    if pieces:
        axes.add_collection3d(Line3DCollection(pieces, colors=DARK, linewidths=1.1 * style.lines, zorder=3.5))


def _trail(axes: Any, mark: Trail, style: Style, scale: Scale | None) -> None:
    """A path, dark with a pale edge, so that it is seen on every colour."""
    height = [] if mark.z is None or scale is None else [scale.transform(mark.z)]
    places = np.stack([mark.x, mark.y, *height])
    thick = 1.2 * style.lines
    edge = [withStroke(linewidth=2.6 * thick, foreground=PALE)]
    over = 3.6 if height else 5.0  # below the stars
    axes.plot(*places, color=DARK, linewidth=thick, zorder=over, path_effects=edge)
    deep: dict[str, Any] = {"depthshade": False} if height else {}
    dotted, size = places[:, mark.dots], style.marks**2
    axes.scatter(*dotted, s=9 * size, c=DARK, edgecolors=PALE, linewidths=0.5, zorder=over + 0.1, **deep)
    for shape, place, area in (("o", dotted[:, :1], 42), ("s", dotted[:, -1:], 120)):
        look: dict[str, Any] = {"marker": shape, "c": PALE, "edgecolors": DARK, "linewidths": 1.2 * style.lines}
        axes.scatter(*place, s=area * size, zorder=over + 0.2, **look, **deep)
    _write(axes, mark, places, style, over + 0.3)


def _write(axes: Any, mark: Trail, places: Any, style: Style, over: float) -> None:
    """What is written beside the points of a path, on the side away from the edge."""
    middle = np.mean(axes.get_xlim())
    for place, label in zip(places.T, mark.labels, strict=True):
        if not label or not np.isfinite(place).all():
            continue
        left = place[0] > middle
        look: dict[str, Any] = {"size": style.tiny, "color": DARK, "ha": "right" if left else "left", "va": "bottom"}
        edge = [withStroke(linewidth=1.8 * style.letters, foreground=PALE)]
        pad = "  "  # beside the dot, in the text itself: annotations have no place in space
        axes.text(*place, label + pad if left else pad + label, zorder=over, path_effects=edge, **look)
