"""Colours, fonts and sizes, the same for every drawing library."""

from __future__ import annotations

from typing import Any

import numpy as np

from landscape.types import FloatArray

# Viridis (van der Walt and Smith, 2015, CC0) at every sixteenth: even in perception, safe for colour-blind
# readers, and rising in lightness, so that it can be read in grey.
_VIRIDIS = (
    "440154",
    "48186a",
    "472d7b",
    "424086",
    "3b528b",
    "33638d",
    "2c728e",
    "26828e",
    "21918c",
    "1fa088",
    "28ae80",
    "3fbc73",
    "5ec962",
    "84d44b",
    "addc30",
    "d8e219",
    "fde725",
)
# ColorBrewer's RdBu (Brewer et al. 2003, Apache 2.0) at every sixteenth: blue below, red above, almost white between.
# Its two sides are equally light, so that neither looks larger, and colour-blind readers can tell them apart.
_RED_BLUE = (
    "053061",
    "175290",
    "2a71b2",
    "3f8ec0",
    "6bacd1",
    "9bc9e0",
    "c2ddec",
    "e0ecf3",
    "f7f6f6",
    "fbe5d8",
    "fbccb4",
    "f5aa89",
    "e48066",
    "d05548",
    "ba2832",
    "930e26",
    "67001f",
)
# Okabe and Ito (2008), ordered so that neighbours differ in lightness too.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")

INK = "#1f2328"
MUTED = "#57606a"
FAINT = "#d0d7de"
GROUND = "#eceef0"
MARK = "#e6194b"

FONTS = ("Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
TITLE = 10.5
LABEL = 9.0
TICK = 8.0
SMALL = 7.5
TINY = 6.8
RASTER_DPI = 200
SITE = 2.0  # points across a dot at a measured point

MATPLOTLIB: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "white",
    "axes.labelcolor": INK,
    "axes.labelsize": LABEL,
    "axes.linewidth": 0.7,
    "axes.titlesize": TITLE,
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
    "font.size": LABEL,
    "hatch.color": MUTED,
    "hatch.linewidth": 0.6,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "mathtext.default": "regular",
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.bbox": None,
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "landscape",
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": INK,
    "xtick.direction": "out",
    "xtick.labelsize": TICK,
    "xtick.major.size": 3,
    "xtick.major.width": 0.7,
    "ytick.color": INK,
    "ytick.direction": "out",
    "ytick.labelsize": TICK,
    "ytick.major.size": 3,
    "ytick.major.width": 0.7,
}


def colours(positions: FloatArray, diverging: bool = False) -> FloatArray:
    """Colours of the colour map.

    Args:
        positions: Positions in [0, 1], any shape.
        diverging: Whether they lie on both sides of a middle, at 0.5.

    Returns:
        Red, green and blue in [0, 1], with one more axis of length 3.
    """
    codes = _RED_BLUE if diverging else _VIRIDIS
    anchors = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in codes]) / 255
    places = np.linspace(0.0, 1.0, len(anchors))
    return np.stack([np.interp(positions, places, anchors[:, channel]) for channel in range(3)], axis=-1)


def hexadecimal(colour: FloatArray) -> str:
    """A colour of shape (3,) as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in colour)


def contrasting(colour: FloatArray) -> str:
    """Dark or white, whichever can be read on this colour."""
    return "#ffffff" if float(colour @ np.array([0.2126, 0.7152, 0.0722])) < 0.45 else INK


def stroke(level: float, diverging: bool) -> tuple[float, bool]:
    """How a contour line is drawn, beside its colour.

    Args:
        level: Its level.
        diverging: Whether values are signed.

    Returns:
        By how much it is wider than others, and whether it is dashed.
    """
    return (2.0 if level == 0 else 1.0, level < 0) if diverging else (1.0, False)
