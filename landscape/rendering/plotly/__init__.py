"""Draw a Scene with plotly: pan, zoom, turn, and read the values under the pointer."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from landscape.rendering.decimation import LINES, decimated, packed, simplified
from landscape.rendering.inks import Inks, inks
from landscape.rendering.isolines import bands, isolines, labels, parted
from landscape.rendering.layout import Box, arrange
from landscape.rendering.lines import dotted
from landscape.rendering.plotly.layout import (
    BANDED,
    PIXELS,
    PIXELS_STACKED,
    annotation,
    axes,
    colour_axes,
    on_screen,
    page,
    text,
    title,
)
from landscape.rendering.plotly.marks import cells, flat_traces, pointed_ends, shadow
from landscape.rendering.plotly.space import draw_in_space
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
from landscape.rendering.style import Style, hexadecimal, stroke
from landscape.types import FloatArray

SYMBOLS = {
    "circle": "circle",
    "square": "square",
    "triangle": "triangle-up",
    "diamond": "diamond",
    "cross": "x",
    "down": "triangle-down",
    "plus": "cross",
}
THIN = 0.6  # points of a line that is one pixel wide on a page
_BREAK = np.array([[np.nan, np.nan]])


def library() -> str:
    """The source of plotly.js, which comes with the package."""
    return str(get_plotlyjs())


def render(scene: Scene, stacked: bool = False, caption: bool = True) -> go.Figure:
    """Draw a scene; large grids are thinned for the screen.

    Args:
        scene: The figure as data.
        stacked: Whether panels stand one above another, for a narrow screen.
        caption: Whether the caption is part of the figure.

    Returns:
        A plotly figure.
    """
    scene = on_screen(decimated(scene))
    shown = _alone(scene) if stacked else scene
    shown = shown if caption else dataclasses.replace(shown, caption="")
    wide = arrange(shown)
    layout = arrange(shown, _narrow(shown)) if stacked else wide
    style = scene.style
    figure = go.Figure(layout=page(shown, layout, PIXELS_STACKED if stacked else PIXELS))
    for number, (panel, box) in enumerate(zip(shown.panels, layout.panels, strict=True), start=1):
        suffix = str(number) if number > 1 else ""
        figure.update_layout(axes(panel, box, layout, style, suffix, stacked))
        for note in title(panel, box, layout, style):
            figure.add_annotation(note)
        # Lines make room for their labels; both layouts share the lines, and so the places of the labels.
        width = wide.panels[number - 1].width / style.letters
        for mark in panel.marks:
            in_space = panel.kind == "3d"
            figure.add_traces(
                draw_in_space(mark, panel, style, suffix) if in_space else _flat(mark, panel, style, suffix, width)
            )
            if isinstance(mark, Contour) and panel.kind == "2d":
                _write_levels(figure, mark, panel, box, style, suffix, width)
    if scene.bar is not None and layout.bar is not None:
        figure.update_layout(colour_axes(scene.bar, layout.bar, layout, style))
        figure.update_layout(shapes=pointed_ends(scene.bar, layout.bar, layout, style))
    return figure


def _alone(scene: Scene) -> Scene:
    """The scene with panels that tell by themselves what they show: labels of rows have no place in one column."""
    panels = [dataclasses.replace(panel, title=scene.name_of(index)) for index, panel in enumerate(scene.panels)]
    return dataclasses.replace(scene, panels=tuple(panels), rows=(), columns=1)


def _narrow(scene: Scene) -> tuple[float, float]:
    width = 3.1 if scene.panels[0].kind == "3d" else 2.75
    return width, max(2.0, width * scene.size[1] / scene.size[0])


def _flat(mark: Mark, panel: Panel, style: Style, suffix: str, width: float) -> list[Any]:
    """The traces of a mark in a 1-D panel or one seen from above."""
    place = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    match mark:
        case Line():
            return [_line(mark, panel, style, place)]
        case Band():
            colour = style.series_colour(mark.series)
            whole = np.isfinite(mark.lower) & np.isfinite(mark.upper)
            return [_area(_rings(mark, whole, panel), colour, place, opacity=0.18)]
        case Heat():
            colours = style.colours(mark.scale.bands, mark.scale.diverging)
            # Cells of a fine grid are hardly larger than a pixel: outlines between them would only add megabytes.
            found = [] if min(mark.values.shape) >= LINES else bands(mark)
            pairs = zip(colours, found, strict=False)
            areas = [_area(rings, hexadecimal(colour), place) for colour, rings in pairs if rings]
            return [cells(mark, BANDED, place), *areas]
        case Cells() | Points() | Lowest() | Trail() | Sites():
            return flat_traces(mark, style, place)
        case Contour():
            return _level_lines(mark, panel, style, place, width)
        case Hatch():
            return [_hatch(mark, panel, style, place)]
        case Dots():
            return [_dots(mark, style, place)]
        case Interval():
            return [_interval(mark, style, place)]
        case _:
            return []


def _quiet(x: Any, y: Any, place: dict[str, str], **more: Any) -> go.Scatter:
    return go.Scatter(x=x, y=y, showlegend=False, **{"hoverinfo": "skip", **place, **more})


def _line(mark: Line, panel: Panel, style: Style, place: dict[str, str]) -> go.Scatter:
    dots, width = dotted(mark, style), (1 if mark.faint else 2) * style.lines
    size = (7 if style.markers else 5) * style.lines
    return go.Scatter(
        x=mark.x,
        y=mark.y,
        mode="lines" if dots is None else "lines+markers",
        line={"color": style.series_colour(mark.series), "width": width, "dash": _dash(mark, style, width)},
        opacity=0.35 if mark.faint else 1.0,
        marker={
            "size": 5 if dots is None else np.where(dots, size, 0).astype("f4"),
            "symbol": SYMBOLS[style.marker(mark.series)],
        },
        name=text(mark.label),
        legendgroup=text(mark.label),
        showlegend=panel.legend and bool(mark.label),
        hoverinfo="skip" if mark.faint else None,
        hovertemplate=None if mark.faint else "%{x:.4g}: %{y:.5g}<extra>" + text(mark.label) + "</extra>",
        **place,
    )


def _dash(mark: Line, style: Style, width: float) -> str:
    """The dashes of a line, by what it means or by its number."""
    if mark.dashed:
        return "dash"
    lengths = () if mark.faint else style.dash(mark.series)
    return ",".join(f"{width * length:g}px" for length in lengths) or "solid"


def _dots(mark: Dots, style: Style, place: dict[str, str]) -> go.Scatter:
    colour = style.series_colour(mark.series)
    shapes = np.where(mark.bounds, "triangle-up", "circle").tolist()
    marker = {
        "symbol": shapes,
        "size": (4 if mark.faint else 7) * style.letters,
        "color": colour,
        "opacity": 0.4 if mark.faint else 0.75,
    }
    said = [text(label) for label in mark.labels]
    return _quiet(mark.x, mark.y, place, mode="markers", marker=marker, hoverinfo="text", text=said)


def _interval(mark: Interval, style: Style, place: dict[str, str]) -> go.Scatter:
    bar = [mark.x - mark.reach, mark.x, mark.x + mark.reach]
    return _quiet(
        [*bar, None, mark.x, mark.x],
        [*[mark.middle] * 3, None, mark.low, mark.high],
        place,
        mode="lines",
        line={"color": style.series_colour(mark.series), "width": 2.5 * style.lines},
        hoverinfo="text",
        text=text(mark.label),
    )


def _rings(mark: Band, whole: Any, panel: Panel) -> list[FloatArray]:
    """The outline of a band, one ring for each stretch without gaps."""
    low = panel.scale.lower / 10 if panel.scale and panel.scale.log else -np.inf
    ends = np.flatnonzero(np.diff(whole)) + 1
    stretches = [each for each in np.split(np.arange(len(mark.x)), ends) if whole[each[0]]]
    return [
        np.column_stack(
            [
                np.concatenate([mark.x[each], mark.x[each][::-1]]),
                np.concatenate([mark.upper[each], np.maximum(mark.lower[each], low)[::-1]]),
            ]
        )
        for each in stretches
    ]


def _columns(pieces: Any) -> tuple[Any, Any]:
    """The coordinates of several lines, with breaks between them."""
    parts = [part for piece in pieces for part in (piece, _BREAK)]
    joined = packed(np.concatenate(parts[:-1] if parts else [_BREAK]))
    return joined[:, 0], joined[:, 1]


def _area(rings: Any, colour: str, place: dict[str, str], opacity: float = 1.0) -> go.Scatter:
    outline = _columns(rings)
    return _quiet(*outline, place, mode="lines", line_width=0, fill="toself", fillcolor=colour, opacity=opacity)


def _level_lines(mark: Contour, panel: Panel, style: Style, place: dict[str, str], width: float) -> list[go.Scatter]:
    lines, scale = simplified(isolines(mark), (float(np.ptp(mark.x)), float(np.ptp(mark.y)))), mark.scale
    written = labels(panel, lines, width)
    looks: dict[tuple[Inks, float, bool], list[FloatArray]] = {}
    for line in lines:
        look = (inks(mark, line.level, style), *stroke(line.level, scale.diverging))
        looks.setdefault(look, []).extend(parted(line, written, panel, scale.text(line.level), width).pieces)
    return [
        trace
        for (ink, wider, dashed), found in looks.items()
        if found
        for trace in _strokes(found, ink, wider * style.lines, "dash" if dashed else "solid", place)
    ]


def _strokes(pieces: list[FloatArray], ink: Inks, wider: float, dash: str, place: dict[str, str]) -> list[go.Scatter]:
    """The lines at levels of one look, over a wider one where they have an edge."""
    outline, width = _columns(pieces), ink.width / THIN * wider
    colours = [(ink.ground, 2.5 * width)] * ink.edged + [(ink.line, width)]
    return [
        _quiet(
            *outline,
            place,
            mode="lines",
            line={"color": colour, "width": thick, "dash": dash},
            opacity=ink.opacity,
        )
        for colour, thick in colours
    ]


def _write_levels(
    figure: go.Figure, mark: Contour, panel: Panel, box: Box, style: Style, suffix: str, width: float
) -> None:
    assert panel.y_range is not None
    spans = [high - low for low, high in (panel.x_range, panel.y_range)]
    stretch = (box.height / spans[1]) / (box.width / spans[0])
    for label in labels(panel, isolines(mark), width):
        ink = inks(mark, label.level, style)
        halo = {"font_shadow": shadow(ink.ground)} if ink.edged else {}
        slope = math.radians(label.angle)
        angle = math.degrees(math.atan2(math.sin(slope) * stretch, math.cos(slope)))
        figure.add_annotation(
            annotation(mark.scale.text(label.level), label.x, label.y, style.tiny, font_color=ink.words, **halo)
            | {"xref": f"x{suffix}", "yref": f"y{suffix}", "yanchor": "middle", "textangle": -angle}
        )


def _hatch(mark: Hatch, panel: Panel, style: Style, place: dict[str, str]) -> go.Scatter:
    x = cell_edges(mark.x)
    if mark.y is not None:
        y, mask = cell_edges(mark.y), mark.mask
    else:
        assert panel.scale is not None
        y, mask = np.array([panel.scale.lower, panel.scale.upper]), mark.mask[:, None]
    cells = [
        np.array([[x[i], y[j]], [x[i + 1], y[j]], [x[i + 1], y[j + 1]], [x[i], y[j + 1]], [x[i], y[j]]])
        for i, j in np.argwhere(mask)
    ]
    pattern = {"shape": "/", "fgcolor": style.muted, "bgcolor": style.ground, "size": 5, "solidity": 0.2}
    said: dict[str, Any] = {"hoverinfo": "text", "text": "not finite", "hoveron": "fills"}
    return _quiet(*_columns(cells), place, mode="lines", line_width=0, fill="toself", fillpattern=pattern, **said)
