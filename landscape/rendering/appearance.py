"""What a user asks of a figure's looks, applied to a finished Scene; its values are the figure's own affair."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shutil import which
from typing import Any

from landscape.errors import LandscapeError, nearest, require_switches
from landscape.rendering.colour_maps import check_map, is_diverging
from landscape.rendering.scene import Heat, Line, Mesh, Scene
from landscape.rendering.style import STYLES, Style

MOST_PIXELS = 20_000
LARGEST = 200.0
_LATEX = ("latex", "dvipng")


@dataclass(frozen=True)
class Appearance:
    """The looks that were asked for; None leaves a choice to the style.

    Attributes:
        style: A name of `STYLES`.
        cmap: A colour map; that of signed values, if it is one for these.
        view: Height of the viewpoint over the floor and its direction around the vertical axis, in degrees.
        size: Width and height of the whole figure in inches.
        dpi: Pixels per inch.
        title: Title of the figure; empty for none.
        caption: Whether there is a caption.
        transparent: Whether the page is left out.
        tex: Whether LaTeX sets the letters.

    Raises:
        LandscapeError: If one of them is nothing that can be drawn.
    """

    style: str = "default"
    cmap: str | None = None
    view: tuple[float, float] | None = None
    size: tuple[float, float] | None = None
    dpi: float | None = None
    title: str | None = None
    caption: bool = True
    transparent: bool = False
    tex: bool = False

    def __post_init__(self) -> None:
        require_switches(caption=self.caption, transparent=self.transparent, tex=self.tex)
        if self.style not in tuple(STYLES):
            raise LandscapeError(f"unknown style {self.style!r}; {nearest(str(self.style), STYLES)}")
        if self.cmap is not None:
            check_map(str(self.cmap))
        _check_view(self.view)
        _check_size(self.size, self.look.dpi if self.dpi is None else self.dpi)
        missing = [name for name in _LATEX if which(name) is None] if self.tex else []
        if missing:
            raise LandscapeError(
                f"letters set by LaTeX need {' and '.join(missing)}, which this machine lacks: install LaTeX, or leave "
                "out --tex"
            )

    @property
    def look(self) -> Style:
        """The style that was named, as it is."""
        return STYLES[self.style]

    def applied(self, scene: Scene) -> Scene:
        """Give a figure these looks.

        Args:
            scene: The figure.

        Returns:
            The same figure with another style, and with the title, caption and size that were asked for.
        """
        titled = scene if self.title is None else _titled(scene, self.title)
        return dataclasses.replace(
            titled,
            style=self._style(scene),
            caption=scene.caption if self.caption else "",
            canvas=scene.canvas if self.size is None else self.size,
        )

    def values(self, quantity: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Complete what is asked of a scale by what the style shows of losses.

        Args:
            quantity: What is drawn.
            asked: Settings of the scale; None, or nothing, for what is not asked for.

        Returns:
            The settings, with the style's limit and offset for a loss whose end and scale are not asked for.
        """
        if quantity.split("/")[-1] != "loss":
            return dict(asked)
        free = all(asked.get(name) is None for name in ("clip", "vmax"))
        own = {"limit": self.look.clip} if free else {}
        return dict(asked) | own | ({"offset": self.look.offset} if asked.get("log") is None else {})

    def check_file(self, suffix: str) -> None:
        """Refuse looks that a kind of file cannot have.

        Args:
            suffix: `png`, `pdf`, `svg` or `html`.

        Raises:
            LandscapeError: If LaTeX is to set the letters of a page.
        """
        if self.tex and suffix == "html":
            raise LandscapeError("--tex sets the letters of png, pdf and svg files; a browser sets those of html")

    def check(self, scene: Scene) -> None:
        """Refuse looks that this figure has no use for.

        Args:
            scene: The figure.

        Raises:
            LandscapeError: If a viewpoint is asked for and nothing stands in space, or a colour map that does not suit
                the values.
        """
        if self.view is not None and all(panel.kind != "3d" for panel in scene.panels):
            raise LandscapeError("--view turns a picture in space, --3d, and in this one nothing stands in space")
        if self.cmap is None:
            return
        scales = [mark.scale for panel in scene.panels for mark in panel.marks if isinstance(mark, Heat | Mesh)]
        if not scales:
            raise LandscapeError("--cmap colours values seen from above or in space, and this figure has lines alone")
        if is_diverging(self.cmap) and not any(scale.diverging for scale in scales):
            raise LandscapeError(
                f"the colour map {self.cmap} parts at a middle, which these values do not have; it is for differences"
            )
        if not is_diverging(self.cmap) and all(scale.diverging for scale in scales):
            raise LandscapeError(f"a difference needs a colour map with a middle, such as RdBu or vik, not {self.cmap}")

    def _style(self, scene: Scene) -> Style:
        look = self.look
        changed: dict[str, object] = {"transparent": self.transparent, "tex": self.tex}
        if self.cmap is not None:
            changed["diverging" if is_diverging(self.cmap) else "sequential"] = self.cmap
        if self.view is not None:
            changed["view"] = self.view
        if self.dpi is not None:
            changed["dpi"] = self.dpi
        if any(isinstance(mark, Line) and mark.dashed for panel in scene.panels for mark in panel.marks):
            changed["dashes"] = ()  # there dashes mean something; markers are left to tell lines apart
        return dataclasses.replace(look, **changed)  # type: ignore[arg-type]


def _titled(scene: Scene, title: str) -> Scene:
    """The figure with another title; that of a single panel stands above the panel."""
    if len(scene.panels) > 1:
        return dataclasses.replace(scene, title=title)
    return dataclasses.replace(scene, title="", panels=(dataclasses.replace(scene.panels[0], title=title),))


def _check_view(view: tuple[float, float] | None) -> None:
    if view is None:
        return
    if not _two_numbers(view) or abs(view[0]) > 90 or abs(view[1]) > 360:
        raise LandscapeError(
            "a view is the height over the floor, -90 to 90 degrees, and the direction around, -360 to 360, such as "
            f"30,-58, not {_said(view, ',')}"
        )


def _check_size(size: tuple[float, float] | None, dpi: float) -> None:
    if not (_is_number(dpi) and dpi > 0):
        raise LandscapeError(f"the number of pixels per inch (dpi) is positive, for example 300, not {dpi}")
    if size is not None and (not _two_numbers(size) or not all(0 < side <= LARGEST for side in size)):
        raise LandscapeError(
            f"a size is width x height in inches, each above 0 and up to {LARGEST:g}, not {_said(size, 'x')}"
        )
    if max(size or (10.0,)) * dpi > MOST_PIXELS:
        raise LandscapeError(
            f"a picture of {max(size or (10.0,)):g} inches at {dpi:g} pixels per inch would have more than "
            f"{MOST_PIXELS:,} pixels along a side; take fewer (dpi)"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _two_numbers(pair: Any) -> bool:
    return isinstance(pair, Sequence) and len(pair) == 2 and all(map(_is_number, pair))


def _said(pair: Any, separator: str) -> str:
    numbers = isinstance(pair, Sequence) and all(isinstance(one, int | float) for one in pair)
    return separator.join(f"{one:g}" for one in pair) if numbers else repr(pair)
