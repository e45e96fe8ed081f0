"""How figures look: colours, fonts, sizes and viewpoint, the same for every drawing library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.rendering import colour_maps
from landscape.types import FloatArray

DARK = "#1f2328"
TITLE, LABEL, TICK, SMALL, TINY = 10.5, 9.0, 8.0, 7.5, 6.8  # points
SITE = 2.0  # points across a dot at a measured point
_SANS = ("Helvetica", "Arial", "Liberation Sans", "DejaVu Sans")
# Okabe and Ito (2008), ordered so that neighbours differ in lightness too; the second for a dark page.
_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_SERIES_ON_DARK = ("#56B4E9", "#E69F00", "#2FC59A", "#E39AC4", "#F0E442", "#F07B3F", "#FFFFFF")
_GREYS = ("#000000", "#858585", "#4d4d4d")


@dataclass(frozen=True)
class Style:
    """How a figure looks, and what is shown of losses where nothing else is asked for.

    Attributes:
        name: Its name.
        sequential: The colour map of values.
        diverging: The colour map of signed values.
        series: Colours of lines, in order.
        dashes: Lengths of dashes and gaps of the lines, in order, in points; those of an empty one are solid.
        markers: Shapes along the lines, in order, that tell them apart; none by default.
        ink: Colour of letters and axes.
        muted: Colour of what is less important.
        faint: Colour of grids.
        ground: Colour of what has no values.
        mark: Colour of the star at the trained weights.
        page: Colour of the page.
        fonts: Fonts, the first that is installed is taken.
        letters: By how much letters are larger than usual, and with them the room that they need.
        bold: Whether titles are bold, and larger than the labels of axes.
        lines: By how much lines are wider than usual.
        panels: By how much panels are larger than usual.
        marks: By how much stars and dots are larger than usual.
        lift: How much of the ink is mixed into level lines that lie on the page: dark ones are lost on a dark page.
        dpi: Pixels per inch.
        view: Height of the viewpoint over the floor and its direction around the vertical axis, in degrees.
        shade: Brightness of surfaces in the shade, and how much light adds to it.
        clip: Losses above this are shown as this where no clip is asked for; None to decide by the values.
        offset: Losses are shown as the logarithm of the loss plus this, where no scale is asked for; 0 for the choice
            by the values.
        transparent: Whether the page is left out.
        tex: Whether LaTeX sets the letters.
    """

    name: str = "default"
    sequential: str = "viridis"
    diverging: str = "RdBu"
    series: tuple[str, ...] = _SERIES
    dashes: tuple[tuple[float, ...], ...] = ()
    markers: tuple[str, ...] = ()
    ink: str = DARK
    muted: str = "#57606a"
    faint: str = "#d0d7de"
    ground: str = "#eceef0"
    mark: str = "#e6194b"
    page: str = "#ffffff"
    fonts: tuple[str, ...] = _SANS
    letters: float = 1.0
    bold: bool = True
    lines: float = 1.0
    panels: float = 1.0
    marks: float = 1.0
    lift: float = 0.0
    dpi: float = 200
    view: tuple[float, float] = (30.0, -58.0)
    shade: tuple[float, float] = (0.58, 0.56)
    clip: float | None = None
    offset: float = 0.0
    transparent: bool = False
    tex: bool = False

    @property
    def title(self) -> float:
        """Size of titles, in points."""
        return self.letters * (TITLE if self.bold else LABEL)

    @property
    def label(self) -> float:
        """Size of the labels of axes, in points."""
        return self.letters * LABEL

    @property
    def tick(self) -> float:
        """Size of the numbers along axes, in points."""
        return self.letters * TICK

    @property
    def small(self) -> float:
        """Size of notes and captions, in points."""
        return self.letters * SMALL

    @property
    def tiny(self) -> float:
        """Size of levels written on their lines, in points."""
        return self.letters * TINY

    @property
    def family(self) -> str:
        """The fonts as a browser takes them."""
        names = [f"'{name}'" if " " in name else name for name in self.fonts]
        return ", ".join([*names, "sans-serif"])

    def series_colour(self, series: int) -> str:
        """The colour of a line, by its number."""
        return self.series[series % len(self.series)]

    def dash(self, series: int) -> tuple[float, ...]:
        """Lengths of dashes and gaps of a line, by its number; none of a solid one."""
        return self.dashes[series % len(self.dashes)] if self.dashes else ()

    def marker(self, series: int) -> str:
        """The shape of the dots along a line, by its number."""
        return self.markers[series % len(self.markers)] if self.markers else "circle"

    def colours(self, positions: FloatArray, diverging: bool = False) -> FloatArray:
        """Colours of values.

        Args:
            positions: Positions in [0, 1], any shape.
            diverging: Whether they lie on both sides of a middle, at 0.5.

        Returns:
            Red, green and blue in [0, 1], with one more axis of length 3.
        """
        return colour_maps.colours(self.diverging if diverging else self.sequential, positions)

    def on_page(self, positions: FloatArray, diverging: bool = False) -> FloatArray:
        """Colours of level lines that lie on the page.

        Args:
            positions: Positions in [0, 1], any shape.
            diverging: Whether they lie on both sides of a middle, at 0.5.

        Returns:
            Red, green and blue in [0, 1], with one more axis of length 3.
        """
        own = self.colours(positions, diverging)
        return own + self.lift * (colour_of(self.ink) - own)


def colour_of(code: str) -> FloatArray:
    """`#rrggbb` as red, green and blue in [0, 1]."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255


DEFAULT = Style()
STYLES = {
    one.name: one
    for one in (
        DEFAULT,
        # The look of Li et al. (2018): losses up to 10, heights ln(loss + 0.1), lit; as wide as a column of a paper.
        Style(
            name="paper",
            sequential="plasma",
            letters=0.83,
            bold=False,
            lines=0.8,
            panels=0.48,
            marks=0.65,
            dpi=300,
            shade=(0.42, 0.76),
            clip=10.0,
            offset=0.1,
        ),
        Style(
            name="dark",
            diverging="berlin",
            series=_SERIES_ON_DARK,
            ink="#e6edf3",
            muted="#9da7b3",
            faint="#343b44",
            ground="#262c34",
            mark="#ff5d7a",
            page="#0d1117",
            lift=0.35,
        ),
        # In grey, also in print: lines differ in dashes and markers, signs in dashes of the contour lines.
        Style(
            name="mono",
            sequential="greys",
            diverging="greys",
            series=_GREYS,
            dashes=((), (6.0, 2.0), (1.2, 1.6), (6.0, 2.0, 1.2, 2.0), (3.0, 1.5)),
            markers=("circle", "square", "triangle", "diamond", "cross", "down", "plus"),
            ink="#000000",
            muted="#555555",
            faint="#d4d4d4",
            ground="#ececec",
            mark="#000000",
        ),
        Style(name="talk", letters=1.4, lines=1.6, marks=1.4),
    )
}


def hexadecimal(colour: FloatArray) -> str:
    """A colour of shape (3,) as `#rrggbb`."""
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in colour)


def contrasting(colour: FloatArray) -> str:
    """Dark or white, whichever can be read on this colour."""
    return "#ffffff" if float(colour @ np.array([0.2126, 0.7152, 0.0722])) < 0.45 else DARK


def stroke(level: float, diverging: bool) -> tuple[float, bool]:
    """How a contour line is drawn, beside its colour.

    Args:
        level: Its level.
        diverging: Whether values are signed.

    Returns:
        By how much it is wider than others, and whether it is dashed.
    """
    return (2.0 if level == 0 else 1.0, level < 0) if diverging else (1.0, False)
