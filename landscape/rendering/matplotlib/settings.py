"""What a style means to matplotlib: its settings while one figure is drawn, lines, and letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as library
from matplotlib import font_manager

from landscape.rendering.lines import dotted
from landscape.rendering.scene import Line
from landscape.rendering.style import Style

MARKERS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "cross": "X", "down": "v", "plus": "P"}


@contextmanager
def settings(style: Style) -> Iterator[None]:
    """Use matplotlib with the settings of a style, and give it back as it was.

    Args:
        style: The style.

    Yields:
        Nothing.
    """
    fonts: Any = {"font.family": ["serif"], "text.usetex": True} if style.tex else {"font.family": [_font(style.fonts)]}
    table: Any = {**_table(style), **fonts}
    with library.rc_context(table):
        yield


def _table(style: Style) -> dict[str, Any]:
    axes = {
        f"{axis}tick.{name}": value
        for axis in "xy"
        for name, value in {
            "color": style.ink,
            "direction": "out",
            "labelsize": style.tick,
            "major.size": 3 * style.letters,
            "major.width": 0.7 * style.lines,
        }.items()
    }
    return axes | {
        "axes.axisbelow": True,
        "axes.edgecolor": style.ink,
        "axes.facecolor": style.page,
        "axes.labelcolor": style.ink,
        "axes.labelpad": 4.0 * style.letters,
        "axes.labelsize": style.label,
        "axes.linewidth": 0.7 * style.lines,
        "axes.titlesize": style.title,
        "axes.unicode_minus": True,
        "figure.facecolor": style.page,
        "font.size": style.label,
        "hatch.color": style.muted,
        "hatch.linewidth": 0.6,
        "legend.fontsize": style.small,
        "legend.frameon": False,
        "mathtext.default": "regular",
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "savefig.bbox": None,
        "savefig.facecolor": style.page,
        "svg.fonttype": "none",
        "svg.hashsalt": "landscape",
        "text.color": style.ink,
        "text.parse_math": False,
        "text.usetex": False,
    }


@cache
def _font(fonts: tuple[str, ...]) -> str:
    """The first of the fonts that is installed; DejaVu Sans comes with matplotlib."""
    installed = set(font_manager.get_font_names())
    return next((name for name in fonts if name in installed), "DejaVu Sans")


def line_style(mark: Line, style: Style) -> dict[str, Any]:
    """How a line is drawn.

    Args:
        mark: The line.
        style: The style.

    Returns:
        Settings of a matplotlib line.
    """
    thin: dict[str, Any] = {"linewidth": 0.6, "alpha": 0.35} if mark.faint else {"linewidth": 1.5}
    thin["linewidth"] *= style.lines
    shape = style.marker(mark.series)
    size = 4.0 if style.markers else 2.6
    dots: dict[str, Any] = {}
    if dotted(mark, style) is not None:
        dots = {"marker": MARKERS[shape], "markersize": size * style.lines}
    dashes = style.dash(mark.series) if not mark.faint else ()
    pattern: Any = (0, (4, 2)) if mark.dashed else (0, dashes) if dashes else "-"
    return {"color": style.series_colour(mark.series), "linestyle": pattern, **dots, **thin}
