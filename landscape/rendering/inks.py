"""The colours of level lines and of the numbers on them."""

from __future__ import annotations

from dataclasses import dataclass

from landscape.rendering.scene import Contour
from landscape.rendering.style import DARK, Style, contrasting, hexadecimal

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
            return Inks(hexadecimal(shown), style.ink, style.page, 1.2)
        case "plain":
            return Inks(DARK, DARK, PALE, 0.7, edged=True)
