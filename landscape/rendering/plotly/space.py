"""The panels in space of a plotly figure."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from landscape.analysis.scales import Scale
from landscape.rendering.decimation import packed, simplified
from landscape.rendering.isolines import isolines
from landscape.rendering.plotly.layout import SMOOTH, text
from landscape.rendering.plotly.marks import traces_in_space
from landscape.rendering.relief import floor
from landscape.rendering.scene import Contour, Cut, Hatch, Lowest, Mark, Mesh, Panel, Points, Trail
from landscape.rendering.style import DARK, Style, hexadecimal
from landscape.types import FloatArray

ABOVE = 0.012


def draw_in_space(mark: Mark, panel: Panel, style: Style, suffix: str) -> list[Any]:
    """The traces of a mark in a panel in space.

    Args:
        mark: The mark.
        panel: The panel.
        style: How it looks.
        suffix: What plotly appends to `scene` for this panel.

    Returns:
        Traces, none for a mark that has no place in space.
    """
    assert panel.scale is not None
    place = {"scene": f"scene{suffix}"}
    ground = _raised(floor(panel.scale, ABOVE), panel.scale)
    match mark:
        case Contour():
            return [_lines_in_space(mark, style, place, ground)]
        case Mesh():
            return [_surface(mark, style, place), _lines_in_space(mark, style, place)]
        case Points():
            height = ground if mark.z is None else mark.z + panel.scale.offset
            where = "middle center" if mark.z is None else "top center"  # above the surface, not half sunk into it
            return [_words_in_space("\N{BLACK STAR}", 18, style.mark, mark.x, mark.y, height, place, where)]
        case Cut() | Lowest() | Trail():
            return traces_in_space(mark, panel.scale, style, place)
        case Hatch():
            assert mark.y is not None
            i, j = np.nonzero(mark.mask)
            return [_words_in_space("\N{MULTIPLICATION SIGN}", 11, style.muted, mark.x[i], mark.y[j], ground, place)]
        case _:
            return []


def _raised(height: Any, scale: Scale) -> Any:
    """A height on the scale as a value, plus its offset: the axis itself takes the logarithm."""
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


def _surface(mark: Mesh, style: Style, place: dict[str, str]) -> go.Surface:
    """The measured values as heights; the axis cuts them off at the clip.

    Hover reads `z` itself: plotly.js shows `customdata` and `text` of a surface transposed.
    """
    offset = mark.scale.offset
    label = f"{mark.label} + {offset:g}:" if offset else mark.label
    return go.Surface(
        x=mark.x,
        y=mark.y,
        z=packed(np.maximum(mark.values, mark.scale.lower).T + offset),
        surfacecolor=packed(mark.scale.position(mark.values).T),
        coloraxis=SMOOTH,
        lighting=_light(style),
        lightposition={"x": -600, "y": -900, "z": 2000},
        connectgaps=False,
        hovertemplate="(%{x:.4g}, %{y:.4g})<br>" + text(label) + " %{z:.5g}<extra></extra>",
        **place,
    )


def _lines_in_space(
    mark: Contour | Mesh, style: Style, place: dict[str, str], ground: float | None = None
) -> go.Scatter3d:
    """The level lines, coloured on the floor or dark on the surface itself."""
    lift = 0.012 * float(np.diff(mark.scale.transform([mark.scale.lower, mark.scale.upper]))[0])
    pieces, colours = [], []
    extent = float(np.ptp(mark.x)), float(np.ptp(mark.y))
    for line in simplified(isolines(Contour(mark.x, mark.y, mark.values, mark.scale)), extent):
        height = _raised(mark.scale.transform(line.level) + lift, mark.scale) if ground is None else ground
        colour = style.on_page(mark.scale.position(line.level), mark.scale.diverging)
        code = hexadecimal(colour) if ground is not None else DARK
        for piece in line.pieces:
            pieces.append(np.column_stack([piece, np.full(len(piece), height)]))
            colours += [code] * (len(piece) + 1)
    joined = packed(
        np.concatenate([part for piece in pieces for part in (piece, np.full((1, 3), np.nan))] or [np.empty((0, 3))])
    )
    look = {"color": colours, "width": 3 * style.lines} if ground is not None else {"color": DARK, "width": style.lines}
    return go.Scatter3d(
        **dict(zip("xyz", joined.T, strict=True)),
        mode="lines",
        line=look,
        opacity=1.0 if ground is not None else 0.4,
        showlegend=False,
        hoverinfo="skip",
        **place,
    )


def _light(style: Style) -> dict[str, float]:
    """Light that comes from everywhere, and from one side."""
    shade, lit = style.shade
    return {"ambient": shade + 0.04, "diffuse": lit + 0.06, "specular": 0.06, "roughness": 0.9, "fresnel": 0.05}
