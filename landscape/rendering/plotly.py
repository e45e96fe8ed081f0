"""Draw a Scene with plotly: pan, zoom, turn, and read the values under the pointer."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from landscape.analysis.scales import Scale
from landscape.rendering import style
from landscape.rendering.isolines import bands, isolines, labels, parted
from landscape.rendering.layout import Box, arrange
from landscape.rendering.plotly_layout import PIXELS, PIXELS_STACKED, annotation, axes, colour_axis, page, text, title
from landscape.rendering.relief import floor
from landscape.rendering.scene import (
    Band,
    Contour,
    Hatch,
    Heat,
    Line,
    Mark,
    Mesh,
    Panel,
    Points,
    Scene,
    cell_edges,
)
from landscape.types import FloatArray

_LIGHT = {"ambient": 0.62, "diffuse": 0.62, "specular": 0.06, "roughness": 0.9, "fresnel": 0.05}
ABOVE = 0.012
_BREAK = np.array([[np.nan, np.nan]])


def library() -> str:
    """The source of plotly.js, which comes with the package."""
    return str(get_plotlyjs())


def render(scene: Scene, stacked: bool = False, caption: bool = True) -> go.Figure:
    """Draw a scene.

    Args:
        scene: The figure as data.
        stacked: Whether panels stand one above another, for a narrow screen.
        caption: Whether the caption is part of the figure.

    Returns:
        A plotly figure.
    """
    shown = scene if caption else dataclasses.replace(scene, caption="")
    layout = arrange(shown, 1, _narrow(scene)) if stacked else arrange(shown)
    figure = go.Figure(layout=page(scene, layout, PIXELS_STACKED if stacked else PIXELS))
    for number, (panel, box) in enumerate(zip(scene.panels, layout.panels, strict=True), start=1):
        suffix = str(number) if number > 1 else ""
        figure.update_layout(axes(panel, box, layout, suffix, stacked))
        for note in title(panel, box, layout):
            figure.add_annotation(note)
        for mark in panel.marks:
            figure.add_traces(_space(mark, panel, suffix) if panel.kind == "3d" else _flat(mark, panel, suffix))
            if isinstance(mark, Contour) and panel.kind == "2d":
                _write_levels(figure, mark, panel, box, suffix)
    if scene.bar is not None and layout.bar is not None:
        figure.update_layout(coloraxis=colour_axis(scene.bar, layout.bar, layout))
    return figure


def _narrow(scene: Scene) -> tuple[float, float]:
    width = 3.1 if scene.panels[0].kind == "3d" else 2.75
    return width, max(2.0, width * scene.size[1] / scene.size[0])


def _flat(mark: Mark, panel: Panel, suffix: str) -> list[Any]:
    """The traces of a mark in a 1-D panel or one seen from above."""
    place = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    match mark:
        case Line():
            return [_line(mark, panel, place)]
        case Band():
            colour = style.SERIES[mark.series % len(style.SERIES)]
            whole = np.isfinite(mark.lower) & np.isfinite(mark.upper)
            return [_area(_rings(mark, whole, panel), colour, place, opacity=0.18)]
        case Heat():
            pairs = zip(style.colours(mark.scale.bands), bands(mark), strict=True)
            areas = [_area(rings, style.hexadecimal(colour), place) for colour, rings in pairs if rings]
            return [_cells(mark, place), *areas]
        case Contour():
            return _level_lines(mark, panel, place)
        case Points():
            star = {"symbol": "star", "size": 14, "color": style.MARK, "line": {"width": 1, "color": "white"}}
            return [_quiet(mark.x, mark.y, place, mode="markers", marker=star, hoverinfo="text", text=text(mark.label))]
        case Hatch():
            return [_hatch(mark, panel, place)]
        case _:
            return []


def _quiet(x: Any, y: Any, place: dict[str, str], **more: Any) -> go.Scatter:
    return go.Scatter(x=x, y=y, showlegend=False, **{"hoverinfo": "skip", **place, **more})


def _line(mark: Line, panel: Panel, place: dict[str, str]) -> go.Scatter:
    colour = style.SERIES[mark.series % len(style.SERIES)]
    return go.Scatter(
        x=mark.x,
        y=mark.y,
        mode="lines+markers" if mark.dots else "lines",
        line={"color": colour, "width": 2, "dash": "dash" if mark.dashed else "solid"},
        marker={"size": 5},
        name=text(mark.label),
        showlegend=panel.legend and bool(mark.label),
        hovertemplate="%{x:.4g}: %{y:.5g}<extra>" + text(mark.label) + "</extra>",
        **place,
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


def _columns(pieces: Any) -> tuple[FloatArray, FloatArray]:
    """The coordinates of several lines, with breaks between them."""
    parts = [part for piece in pieces for part in (piece, _BREAK)]
    joined = np.concatenate(parts[:-1] if parts else [_BREAK])
    return joined[:, 0], joined[:, 1]


def _area(rings: Any, colour: str, place: dict[str, str], opacity: float = 1.0) -> go.Scatter:
    outline = _columns(rings)
    return _quiet(*outline, place, mode="lines", line_width=0, fill="toself", fillcolor=colour, opacity=opacity)


def _cells(mark: Heat, place: dict[str, str]) -> go.Heatmap:
    """Cells in their band's colour: they show lone points, and carry the measured values for the pointer."""
    return go.Heatmap(
        x=mark.x,
        y=mark.y,
        z=mark.scale.position(mark.values).T,
        customdata=mark.values.T,
        coloraxis="coloraxis",
        hoverongaps=False,
        hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + text(mark.label) + " %{customdata:.5g}<extra></extra>",
        **place,
    )


def _level_lines(mark: Contour, panel: Panel, place: dict[str, str]) -> list[go.Scatter]:
    lines = isolines(mark)
    written = labels(panel, lines)
    inks: dict[str, list[FloatArray]] = {}
    for line in lines:
        ink = style.contrasting(style.colours(mark.scale.position(line.level)))
        inks.setdefault(ink, []).extend(parted(line, written, panel, mark.scale.text(line.level)).pieces)
    pieces = ((ink, _columns(found)) for ink, found in inks.items() if found)
    return [
        _quiet(*outline, place, mode="lines", line={"color": ink, "width": 1}, opacity=0.75) for ink, outline in pieces
    ]


def _write_levels(figure: go.Figure, mark: Contour, panel: Panel, box: Box, suffix: str) -> None:
    assert panel.y_range is not None
    spans = [high - low for low, high in (panel.x_range, panel.y_range)]
    stretch = (box.height / spans[1]) / (box.width / spans[0])
    for label in labels(panel, isolines(mark)):
        ink = style.contrasting(style.colours(mark.scale.position(label.level)))
        slope = math.radians(label.angle)
        angle = math.degrees(math.atan2(math.sin(slope) * stretch, math.cos(slope)))
        figure.add_annotation(
            annotation(mark.scale.text(label.level), label.x, label.y, style.TINY, font_color=ink)
            | {"xref": f"x{suffix}", "yref": f"y{suffix}", "yanchor": "middle", "textangle": -angle}
        )


def _hatch(mark: Hatch, panel: Panel, place: dict[str, str]) -> go.Scatter:
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
    pattern = {"shape": "/", "fgcolor": style.MUTED, "bgcolor": style.GROUND, "size": 5, "solidity": 0.2}
    said: dict[str, Any] = {"hoverinfo": "text", "text": "not finite", "hoveron": "fills"}
    return _quiet(*_columns(cells), place, mode="lines", line_width=0, fill="toself", fillpattern=pattern, **said)


def _space(mark: Mark, panel: Panel, suffix: str) -> list[Any]:
    """The traces of a mark in a panel in space."""
    assert panel.scale is not None
    place = {"scene": f"scene{suffix}"}
    ground = _raised(floor(panel.scale, ABOVE), panel.scale)
    match mark:
        case Contour():
            return [_lines_in_space(mark, place, ground)]
        case Mesh():
            return [_surface(mark, place), _lines_in_space(mark, place)]
        case Points():
            height = ground if mark.z is None else mark.z
            where = "middle center" if mark.z is None else "top center"  # above the surface, not half sunk into it
            return [_words_in_space("\N{BLACK STAR}", 18, style.MARK, mark.x, mark.y, height, place, where)]
        case Hatch():
            assert mark.y is not None
            i, j = np.nonzero(mark.mask)
            return [_words_in_space("\N{MULTIPLICATION SIGN}", 11, style.MUTED, mark.x[i], mark.y[j], ground, place)]
        case _:
            return []


def _raised(height: Any, scale: Scale) -> Any:
    """A height on the scale as a value: the axis itself takes the logarithm."""
    return 10.0**height if scale.log else height


def _words_in_space(
    letter: str,
    size: int,
    colour: str,
    x: FloatArray,
    y: FloatArray,
    z: float | FloatArray,
    place: dict[str, str],
    where: str = "middle center",
) -> go.Scatter3d:
    """A letter at every place: markers in space have no stars, and their crosses are blots."""
    return go.Scatter3d(
        x=x,
        y=y,
        z=np.broadcast_to(z, len(x)),
        mode="text",
        text=[letter] * len(x),
        textposition=where,
        textfont={"size": size, "color": colour},
        showlegend=False,
        hoverinfo="skip",
        **place,
    )


def _surface(mark: Mesh, place: dict[str, str]) -> go.Surface:
    """The measured values as heights; the axis cuts them off at the clip.

    Hover reads `z` itself: plotly.js shows `customdata` and `text` of a surface transposed.
    """
    return go.Surface(
        x=mark.x,
        y=mark.y,
        z=np.maximum(mark.values, mark.scale.lower).T,
        surfacecolor=mark.scale.position(mark.values).T,
        coloraxis="coloraxis",
        lighting=_LIGHT,
        lightposition={"x": -600, "y": -900, "z": 2000},
        connectgaps=False,
        hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + text(mark.label) + " %{z:.5g}<extra></extra>",
        **place,
    )


def _lines_in_space(mark: Contour | Mesh, place: dict[str, str], ground: float | None = None) -> go.Scatter3d:
    """The level lines, coloured on the floor or dark on the surface itself."""
    lift = 0.012 * float(np.diff(mark.scale.transform([mark.scale.lower, mark.scale.upper]))[0])
    pieces, colours = [], []
    for line in isolines(Contour(mark.x, mark.y, mark.values, mark.scale)):
        height = _raised(mark.scale.transform(line.level) + lift, mark.scale) if ground is None else ground
        code = style.hexadecimal(style.colours(mark.scale.position(line.level))) if ground is not None else style.INK
        for piece in line.pieces:
            pieces.append(np.column_stack([piece, np.full(len(piece), height)]))
            colours += [code] * (len(piece) + 1)
    joined = np.concatenate(
        [part for piece in pieces for part in (piece, np.full((1, 3), np.nan))] or [np.empty((0, 3))]
    )
    look = {"color": colours, "width": 3} if ground is not None else {"color": style.INK, "width": 1}
    return go.Scatter3d(
        **dict(zip("xyz", joined.T, strict=True)),
        mode="lines",
        line=look,
        opacity=1.0 if ground is not None else 0.4,
        showlegend=False,
        hoverinfo="skip",
        **place,
    )
