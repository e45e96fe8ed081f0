"""The colours of level lines and of the numbers on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.rendering.scene import Contour
from landscape.rendering.style import DARK, Style, colour_of, contrasting, hexadecimal
from landscape.types import FloatArray

LEAST = 1.7  # contrast of a coloured line with the page
PALE = "#ffffff"  # around what lies over colours of any lightness


@dataclass(frozen=True)
class Inks:
    """How the line at a level is drawn.

    Attributes:
        line: Its colour.
        words: The colour of the number on it.
        ground: What lies behind, or is put behind to be read on.
        width: Its width in points.
        opacity: How much it covers.
        edged: Whether the line has an edge in the colour of the ground.
    """

    line: str
    words: str
    ground: str
    width: float
    opacity: float = 1.0
    edged: bool = False


def inks(mark: Contour, level: float, style: Style) -> Inks:
    """How the line at a level is drawn in a flat panel.

    Args:
        mark: The lines.
        level: The level.
        style: How the figure looks.

    Returns:
        Colours and width.
    """
    own = style.colours(mark.scale.position(level), mark.scale.diverging)
    match mark.look:
        case "over":
            return Inks(contrasting(own), contrasting(own), hexadecimal(own), 0.6, 0.75)
        case "coloured":
            shown = style.on_page(mark.scale.position(level), mark.scale.diverging)
            return Inks(hexadecimal(legible(shown, style)), style.ink, style.page, 1.2)
        case "plain":
            return Inks(DARK, DARK, PALE, 0.7, edged=True)


def legible(colour: FloatArray, style: Style) -> FloatArray:
    """A colour moved towards that of letters, as little as makes a thin line seen on the page.

    Args:
        colour: Red, green and blue in [0, 1].
        style: How the figure looks.

    Returns:
        The colour, or one whose contrast with the page (WCAG 2.2) is `LEAST`, to a fiftieth of the way.
    """
    ink, page = colour_of(style.ink), colour_of(style.page)
    ways = (colour + share * (ink - colour) for share in np.linspace(0.0, 1.0, 51))
    return next(way for way in ways if contrast(way, page) >= LEAST)


def contrast(one: FloatArray, other: FloatArray) -> float:
    """The contrast of two colours after WCAG 2.2: 1 for equal ones, 21 for black and white."""
    bright, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: FloatArray) -> float:
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))
