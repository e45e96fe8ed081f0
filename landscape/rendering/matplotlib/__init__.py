"""Draw a Scene with matplotlib: one figure object, no pyplot, no change to global settings."""

from __future__ import annotations

import io
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline
from matplotlib.patheffects import withStroke

from landscape.rendering.inks import inks
from landscape.rendering.isolines import bands, isolines, labels, parted
from landscape.rendering.layout import Box, Layout, arrange
from landscape.rendering.lettering import fitted, shortened
from landscape.rendering.lines import dotted
from landscape.rendering.matplotlib.latex import escape, failures
from landscape.rendering.matplotlib.marks import draw_mark
from landscape.rendering.matplotlib.settings import line_style, settings
from landscape.rendering.matplotlib.space import coordinate_ticks, draw_in_space
from landscape.rendering.matplotlib.words import draw_colour_bar, write_words
from landscape.rendering.scene import (
    Band,
    Cells,
    Contour,
    Dots,
    Hatch,
    Heat,
    Interval,
    Line,
    Lowest,
    Mark,
    Panel,
    Points,
    Scene,
    Sites,
    Trail,
    cell_edges,
)
from landscape.rendering.style import Style, stroke


def render(scene: Scene) -> Figure:
    """Draw a scene.

    Args:
        scene: The figure as data.

    Returns:
        A figure with its own Agg canvas, unknown to pyplot.
    """
    layout, style = arrange(scene), scene.style
    with settings(style):
        figure = Figure(figsize=(layout.width, layout.height), dpi=style.dpi)
        FigureCanvasAgg(figure)
        for panel, box in zip(scene.panels, layout.panels, strict=True):
            (draw_in_space if panel.kind == "3d" else _flat)(figure, panel, box, layout, style)
        if scene.bar is not None and layout.bar is not None:
            draw_colour_bar(figure, scene.bar, layout.bar, layout, style)
        write_words(figure, scene, layout)
        if style.tex:
            escape(figure)
    return figure


def save(scene: Scene, path: str | Path) -> None:
    """Draw a scene into a png, pdf or svg file; the same scene gives the same bytes.

    Args:
        scene: The figure as data.
        path: The file; its suffix chooses the format.
    """
    path = Path(path)
    path.write_bytes(encode(scene, path.suffix.lower().removeprefix(".")))


def encode(scene: Scene, suffix: str = "png") -> bytes:
    """Draw a scene in memory.

    Args:
        scene: The figure as data.
        suffix: `png`, `pdf` or `svg`.

    Returns:
        The content of such a file.
    """
    return written(render(scene), scene.style, suffix)


def written(figure: Figure, style: Style, suffix: str) -> bytes:
    """Write a figure in memory.

    Args:
        figure: The figure.
        style: How it looks.
        suffix: `png`, `pdf` or `svg`.

    Returns:
        The content of such a file.
    """
    undated = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    if style.tex:
        escape(figure)  # what was added since it was drawn
    with settings(style), failures() if style.tex else nullcontext(), warnings.catch_warnings():
        # A letter that the font lacks (a checkpoint's name may hold any) is drawn as a box; that is no failure.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(
            buffer, format=suffix, dpi=style.dpi, transparent=style.transparent, metadata=undated.get(suffix)
        )
    return buffer.getvalue()


def _flat(figure: Figure, panel: Panel, box: Box, layout: Layout, style: Style) -> None:
    draw_flat(figure.add_axes(box.within(layout.width, layout.height)), panel, box, layout.letters, style)


def draw_flat(axes: Axes, panel: Panel, box: Box, letters: float, style: Style) -> None:
    """Draw a panel of lines, or one seen from above.

    Args:
        axes: The axes to draw into.
        panel: The panel.
        box: Their size.
        letters: By how much letters are larger than usual.
        style: How it looks.
    """
    margin = 0.02 * (panel.x_range[1] - panel.x_range[0]) if panel.kind == "1d" else 0.0
    axes.set_xlim(panel.x_range[0] - margin, panel.x_range[1] + margin)
    axes.set_xlabel("" if panel.inner_x else shortened(panel.x_label, box.width, letters))
    label = shortened(panel.y_label, box.height, letters)
    if panel.kind == "1d":
        label = "\n".join(fitted(panel.y_label, box.height, letters))
    axes.set_ylabel("" if panel.inner_y else label)
    axes.tick_params(labelbottom=not panel.inner_x, labelleft=not panel.inner_y)
    coordinate_ticks(axes, panel)
    if panel.y_range is not None:
        axes.set_ylim(panel.y_range)
    elif panel.scale is not None:
        _value_axis(axes, panel)
    if panel.kind == "1d":
        axes.grid(axis="y" if panel.categories else "both", color=style.faint, linewidth=0.5 * style.lines)
        axes.spines[["top", "right"]].set_visible(False)
    for mark in panel.marks:
        _draw(axes, mark, panel, box, style)


def _value_axis(axes: Axes, panel: Panel) -> None:
    assert panel.scale is not None
    scale = panel.scale
    if scale.log:
        axes.set_yscale("log")
        margin = (scale.upper / scale.lower) ** 0.05
        axes.set_ylim(scale.lower / margin, scale.upper * margin)
    else:
        margin = 0.05 * (scale.upper - scale.lower)
        axes.set_ylim(scale.lower - margin, scale.upper + margin)
    axes.set_yticks(scale.ticks, [scale.text(tick) for tick in scale.ticks])
    axes.set_yticks([], minor=True)


def _draw(axes: Axes, mark: Mark, panel: Panel, box: Box, style: Style) -> None:
    match mark:
        case Line():
            axes.plot(mark.x, mark.y, markevery=dotted(mark, style), **line_style(mark, style))
        case Band():
            colour = style.series_colour(mark.series)
            floor = axes.get_ylim()[0]
            lower = np.maximum(mark.lower, floor) if panel.scale and panel.scale.log else mark.lower
            axes.fill_between(mark.x, lower, mark.upper, color=colour, alpha=0.18, linewidth=0)
        case Heat():
            _heat(axes, mark, style)
        case Cells() | Points() | Lowest() | Trail() | Sites():
            draw_mark(axes, mark, style)
        case Contour():
            _contour(axes, mark, panel, box, style)
        case Hatch():
            _hatch(axes, mark, panel, style)
        case Dots():
            _dots(axes, mark, style)
        case Interval():
            colour = style.series_colour(mark.series)
            axes.vlines(mark.x, mark.low, mark.high, colors=colour, linewidths=1.3 * style.lines, zorder=4)
            axes.hlines(
                mark.middle,
                mark.x - mark.reach,
                mark.x + mark.reach,
                colors=colour,
                linewidths=2.0 * style.lines,
                zorder=4,
            )


def _dots(axes: Axes, mark: Dots, style: Style) -> None:
    """Dots, and triangles for what is only a lower bound."""
    look: dict[str, Any] = (
        {"s": 5 * style.letters**2, "alpha": 0.4, "zorder": 2.5}
        if mark.faint
        else {"s": 17 * style.letters**2, "alpha": 0.75, "zorder": 3}
    )
    colour = style.series_colour(mark.series)
    for shape, chosen in (("o", ~mark.bounds), ("^", mark.bounds)):
        axes.scatter(mark.x[chosen], mark.y[chosen], marker=shape, color=colour, linewidths=0, **look)


def _heat(axes: Axes, mark: Heat, style: Style) -> None:
    """Cells in their band's colour, so that lone points are seen, and over them the bands between points."""
    colours = style.colours(mark.scale.bands, mark.scale.diverging)
    edges = mark.scale.position(mark.scale.boundaries)
    if np.isnan(mark.values).any():
        cells = np.searchsorted(edges[1:-1], mark.scale.position(mark.values).T, side="right")
        shown = np.ma.masked_where(~np.isfinite(mark.values).T, cells)
        corners = cell_edges(mark.x), cell_edges(mark.y)
        map_ = ListedColormap(list(colours))
        axes.pcolormesh(*corners, shown, cmap=map_, vmin=-0.5, vmax=len(colours) - 0.5, rasterized=True, zorder=1)
    for colour, rings in zip(colours, bands(mark), strict=True):
        if rings:
            outline = Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings))
            axes.add_patch(PathPatch(outline, fc=tuple(colour), lw=0, zorder=1.5))


def _contour(axes: Axes, mark: Contour, panel: Panel, box: Box, style: Style) -> None:
    lines, scale = isolines(mark), mark.scale
    written = labels(panel, lines, box.width / style.letters)
    for line in lines:
        ink = inks(mark, line.level, style)
        wider, dashed = stroke(line.level, scale.diverging)
        pieces = parted(line, written, panel, scale.text(line.level), box.width / style.letters).pieces
        width = ink.width * style.lines * wider
        look: dict[str, Any] = {"linewidths": width, "linestyles": (0, (5, 2.5)) if dashed else "-"}
        edge = [withStroke(linewidth=2.5 * width, foreground=ink.ground, alpha=0.8)] if ink.edged else []
        look |= {"alpha": ink.opacity, "path_effects": edge, "zorder": 2}
        axes.add_collection(LineCollection(pieces, colors=ink.line, **look))
    for label in written:
        ink = inks(mark, label.level, style)
        axes.text(
            label.x,
            label.y,
            scale.text(label.level),
            size=style.tiny,
            color=ink.words,
            rotation=label.angle,
            rotation_mode="anchor",
            transform_rotates_text=True,
            ha="center",
            va="center_baseline",
            path_effects=[withStroke(linewidth=1.5 * style.letters, foreground=ink.ground)],
            zorder=3,
            clip_on=True,
        )


def _hatch(axes: Axes, mark: Hatch, panel: Panel, style: Style) -> None:
    x = cell_edges(mark.x)
    low, high = axes.get_ylim()
    y = cell_edges(mark.y) if mark.y is not None else np.array([low, high])
    mask = mark.mask if mark.y is not None else mark.mask[:, None]
    for i, j in np.argwhere(mask):
        size = x[i + 1] - x[i], y[j + 1] - y[j]
        axes.add_patch(
            Rectangle(
                (x[i], y[j]), *size, facecolor=style.ground, edgecolor=style.muted, hatch="//////", lw=0, zorder=2.5
            )
        )
