"""Where things go in a figure: panels, colour bar, title and caption, the same for every drawing library."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from landscape.rendering import style
from landscape.rendering.scene import Note, Panel, Scene

LEFT, RIGHT = 0.72, 0.18
TOP, TOP_BARE, TOP_TITLE, TOP_NOTE = 0.12, 0.3, 0.24, 0.19
GAP, GAP_LABELLED, ROW_GAP = 0.3, 0.78, 0.18
BOTTOM = 0.5
BAR_GAP, BAR_WIDTH, BAR_TEXT = 0.16, 0.14, 0.62
CAPTION_LINE = 0.15


@dataclass(frozen=True)
class Box:
    """A rectangle, in inches from the figure's lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """The top edge."""
        return self.bottom + self.height

    def within(self, width: float, height: float) -> tuple[float, float, float, float]:
        """Left, bottom, width and height as fractions of a figure of this size."""
        return self.left / width, self.bottom / height, self.width / width, self.height / height


@dataclass(frozen=True)
class Layout:
    """The places of everything in a figure, in inches.

    Attributes:
        width: Width of the figure.
        height: Height of the figure.
        panels: One box per panel.
        bar: The box of the colour bar, if there is one.
        caption: The lines of the caption.
        caption_top: Height at which its first line starts.
    """

    width: float
    height: float
    panels: tuple[Box, ...]
    bar: Box | None
    caption: tuple[str, ...]
    caption_top: float


def arrange(scene: Scene, columns: int | None = None, size: tuple[float, float] | None = None) -> Layout:
    """Place the parts of a scene.

    Args:
        scene: The scene.
        columns: Panels in a row, if not as the scene says.
        size: Width and height of a panel's box in inches, if not as the scene says.

    Returns:
        The layout.
    """
    columns = columns or scene.columns
    width, height = size or scene.size
    rows = [scene.panels[start : start + columns] for start in range(0, len(scene.panels), columns)]
    lefts = _lefts(rows, width)
    total = lefts[-1] + width + RIGHT + (BAR_GAP + BAR_WIDTH + BAR_TEXT - RIGHT if scene.bar else 0.0)
    caption = wrapped(scene.caption, total - 0.5)
    bottom = 0.14 + CAPTION_LINE * len(caption) + (0.1 if caption else 0.0)
    boxes: list[Box] = []
    level = bottom
    for row in reversed(rows):
        level += ROW_GAP if scene.columns == columns and all(panel.inner_x for panel in row) else BOTTOM
        boxes = [Box(left, level, width, height) for left in lefts[: len(row)]] + boxes
        level += height + head(row)
    titled = bool(scene.title) or head(rows[0]) > 0
    full = level + (TOP if titled else TOP_BARE) + (TOP_TITLE + 0.06 if scene.title else 0.0)
    low, high = boxes[-1].bottom, boxes[0].top
    bar = Box(lefts[-1] + width + BAR_GAP, low, BAR_WIDTH, high - low) if scene.bar else None
    return Layout(total, full, tuple(boxes), bar, caption, bottom - 0.1)


def head(row: tuple[Panel, ...]) -> float:
    """The height that titles and notes take above a row of panels, in inches."""
    notes = max(sum(isinstance(mark, Note) for mark in panel.marks) for panel in row)
    return (TOP_TITLE if any(panel.title for panel in row) else 0.0) + TOP_NOTE * notes


def _lefts(rows: list[tuple[Panel, ...]], width: float) -> list[float]:
    lefts = [LEFT if rows[0][0].kind != "3d" else 0.3]
    for column in range(1, max(len(row) for row in rows)):
        labelled = any(len(row) > column and row[column].kind != "3d" and not row[column].inner_y for row in rows)
        lefts.append(lefts[-1] + width + (GAP_LABELLED if labelled else GAP))
    return lefts


def wrapped(text: str, width: float, size: float = style.SMALL) -> tuple[str, ...]:
    """Break text into lines.

    Args:
        text: The text; its own line breaks are kept.
        width: Width of a line in inches.
        size: Size of the letters in points.

    Returns:
        The lines.
    """
    letters = max(20, math.floor(width * 72 / (0.495 * size)))
    return tuple(line for part in text.splitlines() for line in textwrap.wrap(part, letters, break_on_hyphens=False))
