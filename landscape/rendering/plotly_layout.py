"""Everything of a plotly figure that is not data, as plain dictionaries: axes, colour bar, titles, caption."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from landscape.analysis.levels import steps
from landscape.analysis.scales import Scale
from landscape.rendering import style
from landscape.rendering.layout import SLANT, TOP_NOTE, Box, Layout, ticks_in_space
from landscape.rendering.lettering import fitted
from landscape.rendering.names import plain
from landscape.rendering.relief import floor
from landscape.rendering.scene import ColourBar, Note, Panel, RowLabel, Scene

PIXELS = 104
PIXELS_STACKED = 80
# The colour axes: filled levels step from colour to colour, surfaces in space pass through all of them.
BANDED, SMOOTH = "coloraxis", "coloraxis2"
FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
ROOMY = 3.1
_EYE = (0.95, -1.52, 0.98)


def encodable(text: str) -> str:
    """Text without the half letters that undecodable file names leave, which no file could hold."""
    return text.encode("utf-8", "replace").decode()


def text(words: str) -> str:
    """Text that plotly shows as it is: it would take tags for its own."""
    return html.escape(encodable(words), quote=False)


def page(scene: Scene, layout: Layout, density: int = PIXELS) -> dict[str, Any]:
    """The parts of a plotly layout that belong to the whole figure.

    Args:
        scene: The figure as data.
        layout: Where its parts go; its caption is shown.
        density: Pixels per inch.

    Returns:
        Settings of a plotly layout.
    """
    annotations = []
    if scene.title:
        top = 1 - 0.1 / layout.height
        annotations.append(annotation(f"<b>{text(scene.title)}</b>", 0.5, top, style.TITLE, yanchor="top"))
    annotations += [note for label, box in layout.rows for note in _row_label(label, box, layout)]
    if layout.caption:
        annotations.append(
            annotation(
                "<br>".join(text(line) for line in layout.caption),
                0.25 / layout.width,
                layout.caption_top / layout.height,
                style.SMALL,
                yanchor="top",
                xanchor="left",
                align="left",
                font_color=style.MUTED,
            )
        )
    return {
        "template": "none",
        "height": round(layout.height * density),
        "autosize": True,
        "margin": dict.fromkeys("lrtb", 0),
        "font": {"family": FONT, "size": style.TICK * 4 / 3, "color": style.INK},
        "annotations": annotations,
        "showlegend": layout.legend is not None,
        "legend": _legend(layout),
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": style.FAINT, "activecolor": style.MUTED},
        "hoverlabel": {"bgcolor": "white", "font": {"family": FONT, "color": style.INK}},
    }


def _legend(layout: Layout) -> dict[str, Any]:
    box = layout.legend
    if box is None:
        return {}
    x, y = box.left / layout.width, (box.top + 0.1) / layout.height
    return {"orientation": "h", "x": x, "y": y, "xanchor": "left", "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"}


def _row_label(label: RowLabel, box: Box, layout: Layout) -> list[dict[str, Any]]:
    """What a row has in common, written upwards beside it."""
    middle = (box.bottom + box.height / 2) / layout.height
    upwards: dict[str, Any] = {"textangle": -90, "xanchor": "left", "yanchor": "middle"}
    name = f"<b>{text(plain(label.name, int(box.height / 0.085)))}</b>"
    found = [annotation(name, box.left / layout.width, middle, style.TITLE, **upwards)]
    if label.detail:
        beside = (box.left + 0.19) / layout.width
        found.append(annotation(text(label.detail), beside, middle, style.SMALL, font_color=style.MUTED, **upwards))
    return found


def annotation(words: str, x: float, y: float, size: float, **more: Any) -> dict[str, Any]:
    """Text at a place of the figure.

    Args:
        words: The text, already escaped.
        x: The place, as a fraction of the figure's width.
        y: The place, as a fraction of the figure's height.
        size: Size of the letters, in points.
        more: Further settings of a plotly annotation, and `font_color`.

    Returns:
        A plotly annotation.
    """
    places = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    font = {"size": size * 4 / 3, "color": more.pop("font_color", style.INK)}
    return {"text": words, "x": x, "y": y, "showarrow": False, "font": font, **places, **more}


def title(panel: Panel, box: Box, layout: Layout) -> list[dict[str, Any]]:
    """A panel's title and notes, as annotations."""
    height = box.top + 0.03
    middle = (box.left + box.width / 2) / layout.width
    found = []
    for note in reversed([mark for mark in panel.marks if isinstance(mark, Note)]):
        found.append(annotation(text(note.text), middle, height / layout.height, style.SMALL, font_color=style.MUTED))
        height += TOP_NOTE
    if panel.title:
        found.append(annotation(f"<b>{text(panel.title)}</b>", middle, height / layout.height, style.TITLE))
    return found


def colour_axes(bar: ColourBar, box: Box, layout: Layout) -> dict[str, Any]:
    """The colours of positions between 0 and 1: in steps and without, of which the one that is asked for has the bar.

    Args:
        bar: The colour bar.
        box: Where it goes.
        layout: The figure's layout.

    Returns:
        Two plotly colour axes; the ticks of the bar bear the values.
    """
    left, bottom, width, height = box.within(layout.width, layout.height)
    words = "<br>".join(text(line) for line in fitted(bar.label, box.height))
    shown = {
        "x": left,
        "xanchor": "left",
        "y": bottom,
        "yanchor": "bottom",
        "len": height,
        "thickness": width * layout.width * PIXELS,
        "xpad": 0,
        "ypad": 0,
        "outlinewidth": 1,
        "outlinecolor": style.INK,
        "ticks": "outside",
        "ticklen": 4,
        "tickvals": bar.scale.position(bar.scale.ticks).tolist(),
        "ticktext": [bar.scale.text(tick) for tick in bar.scale.ticks],
        "title": {"text": words, "side": "right", "font": {"size": style.LABEL * 4 / 3}},
    }
    ends = {"cmin": 0, "cmax": 1, "colorbar": shown}
    return {
        BANDED: {**ends, "colorscale": _steps(bar.scale), "showscale": bar.banded},
        SMOOTH: {**ends, "colorscale": _smooth(bar.scale), "showscale": not bar.banded},
    }


def _smooth(scale: Scale) -> list[list[Any]]:
    places = np.linspace(0, 1, 33)
    colours = style.colours(places, scale.diverging)
    return [[float(place), style.hexadecimal(colour)] for place, colour in zip(places, colours, strict=True)]


def _steps(scale: Scale) -> list[list[Any]]:
    edges = scale.position(scale.boundaries)
    codes = [style.hexadecimal(colour) for colour in style.colours(scale.bands, scale.diverging)]
    pairs = zip(edges[:-1], edges[1:], codes, strict=True)
    return [[float(edge), code] for low, high, code in pairs for edge in (low, high)]


def axes(panel: Panel, box: Box, layout: Layout, suffix: str, stacked: bool = False) -> dict[str, Any]:
    """The axes of one panel.

    Args:
        panel: The panel.
        box: Where it goes.
        layout: The figure's layout.
        suffix: What plotly appends to `xaxis`, `yaxis` and `scene` for this panel.
        stacked: Whether panels stand one above another, so that each needs its own labels.

    Returns:
        Settings of a plotly layout.
    """
    left, bottom, width, height = box.within(layout.width, layout.height)
    domains = {"x": [left, left + width], "y": [bottom, bottom + height]}
    if panel.kind == "3d":
        # Labels of axes in space are drawn inside their domain.
        domains["y"][0] = max(0.0, (box.bottom - 0.42) / layout.height)
        domains["x"][0] = max(0.0, (box.left - 0.28) / layout.width)
        return {f"scene{suffix}": {"domain": domains, **_space_axes(panel, box, stacked)}}
    margin = 0.02 * (panel.x_range[1] - panel.x_range[0]) if panel.kind == "1d" else 0.0
    x = _plain(panel, panel.x_label, stacked or not panel.inner_x) | {"domain": domains["x"], "anchor": f"y{suffix}"}
    x |= {"range": [panel.x_range[0] - margin, panel.x_range[1] + margin], **_coordinates(panel)}
    lines = "\n".join(fitted(panel.y_label, box.height)) if panel.kind == "1d" else panel.y_label
    y = _plain(panel, lines, stacked or not panel.inner_y) | {"domain": domains["y"], "anchor": f"x{suffix}"}
    if panel.y_range is None:
        y |= _value_axis(panel.scale)
    else:
        y |= {"range": list(panel.y_range), "tickvals": steps(*panel.y_range, 5)}
        spans = [high - low for low, high in (panel.x_range, panel.y_range)]
        if math.isclose(box.height / box.width, spans[1] / spans[0], rel_tol=1e-6):
            y |= {"scaleanchor": f"x{suffix}", "constrain": "domain"}
            x |= {"constrain": "domain"}
    return {f"xaxis{suffix}": x, f"yaxis{suffix}": y}


def _coordinates(panel: Panel) -> dict[str, Any]:
    """Ticks along the first axis: round numbers, or the names of categories."""
    if not panel.categories:
        return {"tickvals": steps(*panel.x_range, 5)}
    names = [text(name).replace("\n", "<br>") for name in panel.categories]
    angle = -SLANT if panel.slanted else 0
    return {"tickvals": list(range(len(names))), "ticktext": names, "tickangle": angle, "showgrid": False}


def _plain(panel: Panel, label: str, shown: bool) -> dict[str, Any]:
    line = panel.kind == "1d"
    return {
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
        "linecolor": style.INK,
        "mirror": not line,
        "showgrid": line,
        "gridcolor": style.FAINT,
        "zeroline": False,
        "showticklabels": shown,
        "title": {
            "text": text(label).replace("\n", "<br>") if shown else "",
            "font": {"size": style.LABEL * 4 / 3},
            "standoff": 6,
        },
    }


def _value_axis(scale: Scale | None, ticks: Sequence[float] = ()) -> dict[str, Any]:
    assert scale is not None
    ticks = ticks or scale.ticks
    low, high = (float(end) for end in scale.transform([scale.lower, scale.upper]))
    margin = 0.05 * (high - low)
    return {
        "type": "log" if scale.log else "linear",
        "range": [low - margin, high + margin],
        "tickvals": [tick + scale.offset for tick in ticks],
        "ticktext": [scale.text(tick) for tick in ticks],
    }


def _space_axes(panel: Panel, box: Box, stacked: bool) -> dict[str, Any]:
    assert panel.scale is not None
    assert panel.y_range is not None
    ticks, number = ticks_in_space(panel, box)
    distance = 1.22 if stacked else max(1.0, ROOMY / box.width)  # labels do not shrink with the panel
    small = {"size": style.SMALL * 4 / 3}
    plain = {"showbackground": False, "gridcolor": style.FAINT, "zeroline": False, "showspikes": False}
    plain |= {"linecolor": style.MUTED, "tickfont": small}
    named = (("xaxis", panel.x_range, panel.x_label), ("yaxis", panel.y_range, panel.y_label))
    flat = {
        axis: {
            **plain,
            "range": list(ends),
            "tickvals": steps(*ends, number),
            "title": {"text": text(label), "font": small},
        }
        for axis, ends, label in named
    }
    heights = [floor(panel.scale), float(panel.scale.transform(panel.scale.upper))]
    return {
        **flat,
        "zaxis": {**plain, **_value_axis(panel.scale, ticks), "range": heights, "title": {"text": ""}},
        "aspectmode": "manual",
        "aspectratio": {"x": 1, "y": 1, "z": 0.8},
        "camera": {
            "eye": {axis: distance * place for axis, place in zip("xyz", _EYE, strict=True)},
            "center": {"x": 0, "y": 0, "z": -0.15},
        },
    }
