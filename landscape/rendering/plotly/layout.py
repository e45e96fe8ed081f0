"""Everything of a plotly figure that is not data, as plain dictionaries: axes, colour bar, titles, caption."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from landscape.analysis.levels import steps
from landscape.analysis.scales import Scale
from landscape.rendering.layout import SLANT, TOP_NOTE, Box, Layout, ticks_in_space
from landscape.rendering.lettering import fitted, note_lines, shortened
from landscape.rendering.names import plain
from landscape.rendering.relief import floor
from landscape.rendering.scene import ColourBar, Panel, RowLabel, Scene
from landscape.rendering.style import DEFAULT, TITLE, Style, hexadecimal

PIXELS = 104
PIXELS_STACKED = 80
# The colour axes: filled levels step from colour to colour, surfaces in space pass through all of them.
BANDED, SMOOTH = "coloraxis", "coloraxis2"
FONT = DEFAULT.family
ROOMY = 3.1
_FAR = 2.0429  # from the middle of a panel in space to the eye
_LOWER = 1.33  # degrees: near things look larger, and so does the top


def encodable(text: str) -> str:
    """Text without the half letters that undecodable file names leave, which no file could hold."""
    return text.encode("utf-8", "replace").decode()


def text(words: str) -> str:
    """Text that plotly shows as it is: it would take tags for its own."""
    return html.escape(encodable(words), quote=False)


def on_screen(scene: Scene) -> Scene:
    """The figure for a screen: small letters and panels, made for a column of a paper, get the usual size there.

    Args:
        scene: The figure.

    Returns:
        The same figure, or one with another size and style.
    """
    style = scene.style
    if style.letters >= 1:
        return scene
    usual = {name: max(1.0, getattr(style, name)) for name in ("letters", "panels", "lines", "marks")}
    canvas = scene.canvas and (scene.canvas[0] / style.letters, scene.canvas[1] / style.letters)
    return dataclasses.replace(scene, style=dataclasses.replace(style, **usual), canvas=canvas)


def page(scene: Scene, layout: Layout, density: int = PIXELS) -> dict[str, Any]:
    """The parts of a plotly layout that belong to the whole figure.

    Args:
        scene: The figure as data.
        layout: Where its parts go; its caption is shown.
        density: Pixels per inch.

    Returns:
        Settings of a plotly layout.
    """
    annotations, style = [], scene.style
    if scene.title:
        top = 1 - 0.1 * layout.letters / layout.height
        annotations.append(annotation(heading(scene.title, style), 0.5, top, style.title, yanchor="top"))
    annotations += [note for label, box in layout.rows for note in _row_label(label, box, layout, style)]
    if layout.caption:
        annotations.append(
            annotation(
                "<br>".join(text(line) for line in layout.caption),
                0.25 / layout.width,
                layout.caption_top / layout.height,
                style.small,
                yanchor="top",
                xanchor="left",
                align="left",
                font_color=style.muted,
            )
        )
    return {
        "template": "none",
        "height": round(layout.height * density),
        "autosize": True,
        "margin": dict.fromkeys("lrtb", 0),
        "font": {"family": style.family, "size": style.tick * 4 / 3, "color": style.ink},
        "annotations": annotations,
        "paper_bgcolor": background(style),
        "plot_bgcolor": background(style),
        "showlegend": layout.legend is not None,
        "legend": _legend(layout),
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": style.faint, "activecolor": style.muted},
        "hoverlabel": {"bgcolor": style.page, "font": {"family": style.family, "color": style.ink}},
    }


def _legend(layout: Layout) -> dict[str, Any]:
    box = layout.legend
    if box is None:
        return {}
    x, y = box.left / layout.width, (box.top + 0.1) / layout.height
    return {"orientation": "h", "x": x, "y": y, "xanchor": "left", "yanchor": "top", "bgcolor": "rgba(0,0,0,0)"}


def _row_label(label: RowLabel, box: Box, layout: Layout, style: Style) -> list[dict[str, Any]]:
    """What a row has in common, written upwards beside it."""
    middle = (box.bottom + box.height / 2) / layout.height
    upwards: dict[str, Any] = {"textangle": -90, "xanchor": "left", "yanchor": "middle"}
    name = heading(plain(label.name, int(box.height / (0.085 * style.title / TITLE))), style)
    found = [annotation(name, box.left / layout.width, middle, style.title, **upwards)]
    if label.detail:
        beside = (box.left + 0.19 * layout.letters) / layout.width
        found.append(annotation(text(label.detail), beside, middle, style.small, font_color=style.muted, **upwards))
    return found


def annotation(words: str, x: float, y: float, size: float, **more: Any) -> dict[str, Any]:
    """Text at a place of the figure.

    Args:
        words: The text, already escaped.
        x: The place, as a fraction of the figure's width.
        y: The place, as a fraction of the figure's height.
        size: Size of the letters, in points.
        more: Further settings of a plotly annotation, and `font_color`, if it is not that of all letters.

    Returns:
        A plotly annotation.
    """
    places = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    font = {"size": size * 4 / 3, **({"color": more.pop("font_color")} if "font_color" in more else {})}
    return {"text": words, "x": x, "y": y, "showarrow": False, "font": font, **places, **more}


def heading(words: str, style: Style) -> str:
    """A title as plotly takes it."""
    return f"<b>{text(words)}</b>" if style.bold else text(words)


def background(style: Style) -> str:
    """The colour behind a figure."""
    return "rgba(0,0,0,0)" if style.transparent else style.page


def title(panel: Panel, box: Box, layout: Layout, style: Style) -> list[dict[str, Any]]:
    """A panel's title and notes, as annotations."""
    height = box.top + 0.03 * layout.letters
    middle = (box.left + box.width / 2) / layout.width
    found = []
    for note in reversed(note_lines(panel.notes, box.width, layout.letters)):
        found.append(annotation(text(note), middle, height / layout.height, style.small, font_color=style.muted))
        height += TOP_NOTE * layout.letters
    if panel.title:
        found.append(annotation(heading(panel.title, style), middle, height / layout.height, style.title))
    return found


def colour_axes(bar: ColourBar, box: Box, layout: Layout, style: Style) -> dict[str, Any]:
    """The colours of positions between 0 and 1: in steps and without, of which the one that is asked for has the bar.

    Args:
        bar: The colour bar.
        box: Where it goes.
        layout: The figure's layout.
        style: How it looks.

    Returns:
        Two plotly colour axes; the ticks of the bar bear the values.
    """
    left, bottom, width, height = box.within(layout.width, layout.height)
    words = "<br>".join(text(line) for line in fitted(bar.label, box.height, layout.letters))
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
        "outlinecolor": style.ink,
        "ticks": "outside",
        "ticklen": 4,
        "tickvals": bar.scale.position(bar.scale.ticks).tolist(),
        "ticktext": [bar.scale.text(tick) for tick in bar.scale.ticks],
        "title": {"text": words, "side": "right", "font": {"size": style.label * 4 / 3}},
    }
    ends = {"cmin": 0, "cmax": 1, "colorbar": shown}
    return {
        BANDED: {**ends, "colorscale": _steps(bar.scale, style), "showscale": bar.banded},
        SMOOTH: {**ends, "colorscale": _smooth(bar.scale, style), "showscale": not bar.banded},
    }


def _smooth(scale: Scale, style: Style) -> list[list[Any]]:
    places = np.linspace(0, 1, 33)
    colours = style.colours(places, scale.diverging)
    return [[float(place), hexadecimal(colour)] for place, colour in zip(places, colours, strict=True)]


def _steps(scale: Scale, style: Style) -> list[list[Any]]:
    edges = scale.position(scale.boundaries)
    codes = [hexadecimal(colour) for colour in style.colours(scale.bands, scale.diverging)]
    pairs = zip(edges[:-1], edges[1:], codes, strict=True)
    return [[float(edge), code] for low, high, code in pairs for edge in (low, high)]


def axes(panel: Panel, box: Box, layout: Layout, style: Style, suffix: str, stacked: bool = False) -> dict[str, Any]:
    """The axes of one panel.

    Args:
        panel: The panel.
        box: Where it goes.
        layout: The figure's layout.
        style: How it looks.
        suffix: What plotly appends to `xaxis`, `yaxis` and `scene` for this panel.
        stacked: Whether panels stand one above another, so that each needs its own labels.

    Returns:
        Settings of a plotly layout.
    """
    left, bottom, width, height = box.within(layout.width, layout.height)
    domains = {"x": [left, left + width], "y": [bottom, bottom + height]}
    if panel.kind == "3d":
        # Labels of axes in space are drawn inside their domain.
        domains["y"][0] = max(0.0, (box.bottom - 0.42 * layout.letters) / layout.height)
        domains["x"][0] = max(0.0, (box.left - 0.28 * layout.letters) / layout.width)
        return {f"scene{suffix}": {"domain": domains, **_space_axes(panel, box, style, stacked)}}
    margin = 0.02 * (panel.x_range[1] - panel.x_range[0]) if panel.kind == "1d" else 0.0
    x = _plain(panel, style, shortened(panel.x_label, box.width, layout.letters), stacked or not panel.inner_x) | {
        "domain": domains["x"],
        "anchor": f"y{suffix}",
    }
    x |= {"range": [panel.x_range[0] - margin, panel.x_range[1] + margin], **_coordinates(panel)}
    lines = shortened(panel.y_label, box.height, layout.letters)
    if panel.kind == "1d":
        lines = "\n".join(fitted(panel.y_label, box.height, layout.letters))
    y = _plain(panel, style, lines, stacked or not panel.inner_y) | {"domain": domains["y"], "anchor": f"x{suffix}"}
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


def _plain(panel: Panel, style: Style, label: str, shown: bool) -> dict[str, Any]:
    line = panel.kind == "1d"
    return {
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
        "linecolor": style.ink,
        "mirror": not line,
        "showgrid": line,
        "gridcolor": style.faint,
        "zeroline": False,
        "showticklabels": shown,
        "title": {
            "text": text(label).replace("\n", "<br>") if shown else "",
            "font": {"size": style.label * 4 / 3},
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


def _space_axes(panel: Panel, box: Box, style: Style, stacked: bool) -> dict[str, Any]:
    assert panel.scale is not None
    assert panel.y_range is not None
    ticks, number = ticks_in_space(panel, box, style.letters)
    distance = 1.22 if stacked else max(1.0, ROOMY * style.letters / box.width)  # labels do not shrink with the panel
    small = {"size": style.small * 4 / 3}
    plain = {"showbackground": False, "gridcolor": style.faint, "zeroline": False, "showspikes": False}
    plain |= {"linecolor": style.muted, "tickfont": small}
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
        "camera": camera(style.view, distance),
    }


def camera(view: tuple[float, float], distance: float = 1.0) -> dict[str, Any]:
    """The viewpoint of a panel in space.

    Args:
        view: Its height over the floor and its direction around the vertical axis, in degrees.
        distance: How far away, as a multiple of the usual distance.

    Returns:
        A plotly camera.
    """
    elevation, azimuth = math.radians(view[0] - _LOWER), math.radians(view[1])
    far = _FAR * distance
    eye = {
        "x": far * math.cos(elevation) * math.cos(azimuth),
        "y": far * math.cos(elevation) * math.sin(azimuth),
        "z": far * math.sin(elevation),
    }
    return {"eye": eye, "center": {"x": 0, "y": 0, "z": -0.15}}
