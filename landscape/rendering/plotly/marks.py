"""Single places, paths and cells in the panels of a plotly figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from landscape.analysis.scales import Scale
from landscape.rendering.decimation import packed
from landscape.rendering.inks import PALE
from landscape.rendering.isolines import rim
from landscape.rendering.layout import Box, Layout
from landscape.rendering.plotly.layout import PIXELS, SMOOTH, text
from landscape.rendering.scene import Cells, ColourBar, Cut, Heat, Lowest, Points, Sites, Trail
from landscape.rendering.style import DARK, SITE, Style, contrasting, hexadecimal
from landscape.types import FloatArray

LIFT = 0.012
PAD = 2 * "\N{NO-BREAK SPACE}"


def flat_traces(mark: Cells | Points | Lowest | Trail | Sites, style: Style, place: dict[str, str]) -> list[Any]:
    """The traces of one of these marks in a panel seen from above.

    Args:
        mark: The mark.
        style: How it looks.
        place: Names of the panel's axes.

    Returns:
        Traces from back to front.
    """
    match mark:
        case Cells():
            return [cells(mark, SMOOTH, place)]
        case Points():
            star = {"symbol": "star", "size": 14 * style.marks, "color": style.mark}
            star |= {"line": {"width": 1, "color": "white"}}
            named = {"hoverinfo": "text", "text": text(mark.label), "showlegend": False}
            return [go.Scatter(x=mark.x, y=mark.y, mode="markers", marker=star, **named, **place)]
        case Sites():
            dot = {"size": 1.5 * SITE, "color": DARK, "line": {"width": 0.5, "color": "white"}}
            quiet: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False, "cliponaxis": False}
            return [go.Scatter(x=mark.x, y=mark.y, mode="markers", marker=dot, **quiet, **place)]
        case Lowest():
            plus = {"symbol": "cross", "size": 10 * style.marks, "color": PALE, "line": {"width": 1.2, "color": DARK}}
            said = {"hoverinfo": "text", "text": text(mark.label), "showlegend": False}
            return [go.Scatter(x=mark.x, y=mark.y, mode="markers", marker=plus, **said, **place)]
        case Trail():
            return _trail(mark, style, place)


def traces_in_space(mark: Cut | Lowest | Trail, scale: Scale, style: Style, place: dict[str, str]) -> list[Any]:
    """The traces of one of these marks in a panel in space.

    Args:
        mark: The mark.
        scale: The scale of the heights; the axis itself takes the logarithm, of values plus the offset.
        style: How it looks.
        place: Name of the panel's scene.

    Returns:
        Traces from back to front.
    """
    match mark:
        case Cut():
            pieces = [part for piece in rim(mark) for part in (piece, np.full((1, 2), np.nan))] or [np.empty((0, 2))]
            x, y = packed(np.concatenate(pieces)).T
            line = {"color": DARK, "width": 4 * style.lines}
            return [_in_space(x, y, np.full(len(x), scale.upper + scale.offset), place, mode="lines", line=line)]
        case Lowest():
            assert mark.z is not None
            plus = {"symbol": "cross", "size": 5 * style.marks, "color": PALE, "line": {"width": 1, "color": DARK}}
            said = {"mode": "markers", "marker": plus, "hoverinfo": "text", "text": text(mark.label)}
            return [_in_space(mark.x, mark.y, _lifted(mark.z, scale), place, **said)]
        case Trail():
            return _trail_in_space(mark, scale, style, place)


def pointed_ends(bar: ColourBar, box: Box, layout: Layout, style: Style) -> list[dict[str, Any]]:
    """The points in which a colour bar ends where values lie beyond its scale; plotly's own bars have none.

    Args:
        bar: The colour bar.
        box: Where it is.
        layout: The figure's layout.
        style: How it looks.

    Returns:
        Shapes of a plotly layout, in pixels from the ends of the bar.
    """
    left, bottom, _, height = box.within(layout.width, layout.height)
    wide = box.width * PIXELS
    ends = ((bar.clipped, 1.0, bottom + height, 1), (bar.clipped_below, 0.0, bottom, -1))
    return [
        {
            "type": "path",
            "path": f"M0,0 L{wide / 2:.1f},{0.75 * way * wide:.1f} L{wide:.1f},0 Z",
            **{"xref": "paper", "yref": "paper", "xsizemode": "pixel", "ysizemode": "pixel"},
            **{"xanchor": left, "yanchor": level},
            "fillcolor": hexadecimal(style.colours(np.array(end), bar.scale.diverging)),
            "line": {"width": 1, "color": style.ink},
        }
        for there, end, level, way in ends
        if there
    ]


def cells(mark: Cells | Heat, colours: str, place: dict[str, str]) -> go.Heatmap:
    """A cell around each grid point, ending midway to the next and half a step beyond the last; lone points are seen.

    Args:
        mark: The values, which are told where they are pointed at.
        colours: Name of the axis of colours.
        place: Names of the panel's axes.

    Returns:
        The trace.
    """
    return go.Heatmap(
        x=mark.x,
        y=mark.y,
        z=packed(mark.scale.position(mark.values).T),
        customdata=packed(mark.values.T),
        coloraxis=colours,
        hoverongaps=False,
        hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + text(mark.label) + " %{customdata:.5g}<extra></extra>",
        **place,
    )


def _trail(mark: Trail, style: Style, place: dict[str, str]) -> list[go.Scatter]:
    """The line twice, pale and dark, so that it is seen on every colour; then the dots, and what is written."""
    quiet: dict[str, Any] = {"hoverinfo": "skip", "showlegend": False, **place}
    lines = [
        go.Scatter(x=mark.x, y=mark.y, mode="lines", line={"color": colour, "width": width * style.lines}, **quiet)
        for colour, width in ((PALE, 5), (DARK, 2))
    ]
    number = int(mark.dots.sum())
    shapes = ["circle", *["circle"] * (number - 2), *["square"] * (number > 1)]
    ends = np.isin(np.arange(number), (0, number - 1))
    marker = {
        "symbol": shapes,
        "size": np.where(ends, 10, 5) * style.marks,
        "color": np.where(ends, PALE, DARK),
        "line": {"width": np.where(ends, 2, 0.7), "color": np.where(ends, DARK, PALE)},
    }
    names = [text(name) for name, there in zip(mark.names, mark.dots, strict=True) if there]
    x, y = mark.x[mark.dots], mark.y[mark.dots]
    dots = go.Scatter(x=x, y=y, mode="markers", marker=marker, hoverinfo="text", text=names, showlegend=False, **place)
    return [*lines, dots, _written(mark, style, place)]


def _written(mark: Trail, style: Style, place: dict[str, str]) -> go.Scatter:
    there = [index for index, label in enumerate(mark.labels) if label]
    left = mark.x[there] > np.mean(mark.x)
    return go.Scatter(
        x=mark.x[there],
        y=mark.y[there],
        mode="text",
        text=[f"{PAD}{text(mark.labels[index])}{PAD}" for index in there],  # beside the dot
        textposition=np.where(left, "top left", "top right"),
        textfont={"size": style.small * 4 / 3, "color": DARK, "shadow": shadow(PALE)},
        hoverinfo="skip",
        showlegend=False,
        **place,
    )


def shadow(colour: str) -> str:
    """A shadow of letters, as CSS, that edges them in a colour."""
    return ", ".join(f"{x}px {y}px 0.5px {colour}" for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1)))


def _trail_in_space(mark: Trail, scale: Scale, style: Style, place: dict[str, str]) -> list[go.Scatter3d]:
    """The path in ink that can be read on the surface below each point: lines in space have no edges."""
    assert mark.z is not None
    height, below = _lifted(mark.z, scale), np.nan_to_num(scale.position(mark.z))
    ink = np.array([contrasting(colour) for colour in style.colours(below, scale.diverging)])
    dots, number = mark.dots, int(mark.dots.sum())
    ends = np.isin(np.arange(number), (0, number - 1))
    marker = {
        "symbol": ["circle", *["circle"] * (number - 2), *["square"] * (number > 1)],
        "size": (np.where(ends, 9, 5.5) * style.letters).tolist(),
        "color": ink[dots].tolist(),
    }
    names, labels = (
        [text(word) for word, there in zip(words, dots, strict=True) if there] for words in (mark.names, mark.labels)
    )
    x, y, z = (along[dots] for along in (mark.x, mark.y, height))
    line = {"color": ink.tolist(), "width": 4 * style.lines}
    letters = {"size": style.small * 4 / 3, "color": ink[dots].tolist()}
    return [
        _in_space(mark.x, mark.y, height, place, mode="lines", line=line),
        _in_space(x, y, z, place, mode="markers", marker=marker, hoverinfo="text", text=names),
        _in_space(x, y, z, place, mode="text", text=labels, textposition="top right", textfont=letters),
    ]


def _in_space(x: FloatArray, y: FloatArray, z: FloatArray, place: dict[str, str], **more: Any) -> go.Scatter3d:
    return go.Scatter3d(x=x, y=y, z=z, showlegend=False, **{"hoverinfo": "skip", **place, **more})


def _lifted(values: FloatArray, scale: Scale) -> FloatArray:
    """Values as the axis shows them, just above the surface."""
    low, high = scale.heights([scale.lower, scale.upper])
    heights = scale.heights(values) + LIFT * (high - low)
    return np.asarray(10.0**heights if scale.log else heights)
