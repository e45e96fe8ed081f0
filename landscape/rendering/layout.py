"""Where things go in a figure: panels, labels, colour bar, legend and caption, the same for every drawing library."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from landscape.analysis.levels import steps
from landscape.analysis.scales import Scale
from landscape.errors import LandscapeError
from landscape.rendering.lettering import line_count, note_lines, wrapped, written
from landscape.rendering.scene import Line, Panel, RowLabel, Scene
from landscape.rendering.style import SMALL

LEFT, RIGHT = 0.72, 0.18
LEFT_IN_SPACE, ROW_LABEL, LABEL_LINE = 0.3, 0.44, 0.16
TOP, TOP_BARE, TOP_TITLE, TOP_NOTE = 0.12, 0.3, 0.24, 0.19
GAP, GAP_LABELLED, GAP_IN_SPACE = 0.3, 0.78, 0.42
ROW_GAP, ROW_GAP_IN_SPACE = 0.18, 0.34  # labels in space hang below their box
BOTTOM = 0.5
BAR_GAP, BAR_WIDTH, BAR_TEXT = 0.16, 0.14, 0.62
LEGEND_LINE, LEGEND_SAMPLE = 0.22, 0.52
TICK_ROOM, FEW_TICKS = 0.33, 2.7
NUMBER = 0.35  # height of a number in space, over the part of a box that the heights take
CAPTION_LINE = 0.15
CATEGORY_LINE, CATEGORY_PAD, SLANT = 0.145, 0.2, 45.0
SMALLEST, WIDER = 1.3, 1.15  # inches of a panel; small letters of LaTeX
LEAST, ROUNDS, CLOSE = 0.5, 8, 1e-6


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

    def moved(self, across: float, up: float) -> Box:
        """The same box elsewhere."""
        return Box(self.left + across, self.bottom + up, self.width, self.height)

    def enlarged(self, factor: float) -> Box:
        """All lengths this many times as long."""
        return Box(factor * self.left, factor * self.bottom, factor * self.width, factor * self.height)


@dataclass(frozen=True)
class Room:
    """The sizes of the panels' boxes, in inches: the width of each column, and the height of all."""

    widths: tuple[float, ...]
    height: float


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
        rows: The label of each row and the box beside its panels that it is written in, upwards.
        legend: The box of the legend, if there is one.
        legend_columns: How many entries of the legend stand side by side.
        letters: By how much letters are larger than usual.
    """

    width: float
    height: float
    panels: tuple[Box, ...]
    bar: Box | None
    caption: tuple[str, ...]
    caption_top: float
    rows: tuple[tuple[RowLabel, Box], ...] = ()
    legend: Box | None = None
    legend_columns: int = 1
    letters: float = 1.0

    def enlarged(self, factor: float) -> Layout:
        """All lengths this many times as long, and the letters."""
        return dataclasses.replace(
            self._with_boxes(lambda box: box.enlarged(factor)),
            width=factor * self.width,
            height=factor * self.height,
            caption_top=factor * self.caption_top,
            letters=factor * self.letters,
        )

    def centred(self, width: float, height: float) -> Layout:
        """The same parts in the middle of a figure of this size; the caption stays below."""
        across, up = (width - self.width) / 2, (height - self.height) / 2
        return dataclasses.replace(self._with_boxes(lambda box: box.moved(across, up)), width=width, height=height)

    def _with_boxes(self, change: Callable[[Box], Box]) -> Layout:
        return dataclasses.replace(
            self,
            panels=tuple(map(change, self.panels)),
            bar=change(self.bar) if self.bar else None,
            rows=tuple((label, change(box)) for label, box in self.rows),
            legend=change(self.legend) if self.legend else None,
        )


def arrange(scene: Scene, stacked: tuple[float, float] | None = None) -> Layout:
    """Place the parts of a scene.

    Args:
        scene: The scene.
        stacked: Width and height of each panel's box in inches, if all are to stand one above another in a single
            column, as on a narrow screen; rows have no labels then, and the size of the whole is not kept to.

    Returns:
        The layout; its size is the scene's canvas, if that is given.

    Raises:
        LandscapeError: If the canvas leaves no room for the panels.
    """
    # All is placed with letters of the usual size, and then made as much larger as the letters are.
    letters = scene.style.letters
    if stacked:
        return _placed(scene, Room((stacked[0] / letters,), stacked[1] / letters), stacked=True).enlarged(letters)
    widths = scene.widths or (scene.size[0],) * scene.columns
    # Panels that were small in any case do not become smaller than can be read.
    factor = max(scene.style.panels, min(1.0, SMALLEST / min(*widths, scene.size[1]))) / letters
    room = Room(tuple(factor * width for width in widths), factor * scene.size[1])
    if scene.canvas is None:
        return _placed(scene, room).enlarged(letters)
    return _filled(scene, room, scene.canvas[0] / letters, scene.canvas[1] / letters).enlarged(letters)


def _filled(scene: Scene, room: Room, width: float, height: float) -> Layout:
    """A layout of this size: panels of planes keep their proportions, those of lines fill it."""
    rows = math.ceil(len(scene.panels) / scene.columns)
    keep = any(panel.kind != "1d" for panel in scene.panels)
    placed = _placed(scene, room, least=width)
    for _ in range(ROUNDS):  # labels break into lines by the size of their panel, which depends on theirs
        across = 1 + (width - placed.width) / sum(room.widths)
        along = 1 + (height - placed.height) / (rows * room.height)
        across, along = (min(across, along),) * 2 if keep else (across, along)
        room = Room(tuple(max(LEAST, across * side) for side in room.widths), max(LEAST, along * room.height))
        placed = _placed(scene, room, least=width)
    beside = placed.width - sum(room.widths), placed.height - rows * room.height
    if placed.width > width + CLOSE or placed.height > height + CLOSE:
        letters = scene.style.letters
        raise LandscapeError(
            f"a figure of {letters * width:g}x{letters * height:g} inches has no room for its panels: labels and "
            f"caption take {letters * beside[0]:.1f}x{letters * beside[1]:.1f}; make it larger or leave out the caption"
        )
    return placed.centred(width, height)


def _placed(scene: Scene, room: Room, stacked: bool = False, least: float = 0.0) -> Layout:
    """Place the parts around panels of these sizes; the caption is at least so wide."""
    columns = 1 if stacked else scene.columns
    height = room.height
    rows = [scene.panels[start : start + columns] for start in range(0, len(scene.panels), columns)]
    labels = () if stacked else scene.rows
    lefts, widths = _columns(rows, room.widths, bool(labels))
    bar_text = BAR_TEXT + LABEL_LINE * (line_count(scene.bar.label, len(rows) * height) - 1) if scene.bar else 0.0
    total = lefts[-1] + widths[-1] + (BAR_GAP + BAR_WIDTH + bar_text if scene.bar else RIGHT)
    caption = wrapped(scene.caption, (max(total, least) - 0.5) / (WIDER if scene.style.tex else 1.0))
    bottom = 0.14 + CAPTION_LINE * len(caption) + (0.1 if caption else 0.0)
    boxes: list[Box] = []
    level = bottom
    for row in reversed(rows):
        level += _below(row, labelled=stacked)
        places = zip(lefts[: len(row)], widths, strict=False)
        boxes = [Box(left, level, across, height) for left, across in places] + boxes
        level += height + head(row, widths, bool(stacked and scene.rows))
    legend, across = _legend(scene, Box(lefts[0], level + 0.04, total - lefts[0] - RIGHT, 0.0))
    level = legend.top if legend else level
    titled = bool(scene.title) or legend is not None or head(rows[0], widths, bool(stacked and scene.rows)) > 0
    full = level + (TOP if titled else TOP_BARE) + (TOP_TITLE + 0.06 if scene.title else 0.0)
    low, high = boxes[-1].bottom, boxes[0].top
    bar = Box(lefts[-1] + widths[-1] + BAR_GAP, low, BAR_WIDTH, high - low) if scene.bar else None
    beside = tuple(
        (label, Box(0.14, boxes[index * columns].bottom, ROW_LABEL - 0.14, height))
        for index, label in enumerate(labels)
    )
    return Layout(total, full, tuple(boxes), bar, caption, bottom - 0.1, beside, legend, across)


def _below(row: tuple[Panel, ...], labelled: bool) -> float:
    """The room below the boxes of a row, in inches."""
    if labelled or not all(panel.inner_x for panel in row):
        return max(_below_categories(panel) if panel.categories else BOTTOM for panel in row)
    return ROW_GAP_IN_SPACE if any(panel.kind == "3d" for panel in row) else ROW_GAP


def _below_categories(panel: Panel) -> float:
    """The room that the names of categories take, in inches."""
    lines = [name.splitlines() for name in panel.categories]
    high = CATEGORY_PAD + CATEGORY_LINE * max(map(len, lines))
    longest = max(written(line) for name in lines for line in name)
    return high + longest * math.sin(math.radians(SLANT)) if panel.slanted else high


def head(row: tuple[Panel, ...], widths: Sequence[float], named: bool = False) -> float:
    """The height that titles and notes take above a row of panels, in inches.

    Args:
        row: The panels.
        widths: Widths of their boxes in inches, with letters of the usual size.
        named: Whether each has a title in any case.

    Returns:
        The height.
    """
    notes = max(len(note_lines(panel.notes, width)) for panel, width in zip(row, widths, strict=False))
    return (TOP_TITLE if named or any(panel.title for panel in row) else 0.0) + TOP_NOTE * notes


def _columns(
    rows: list[tuple[Panel, ...]], widths: tuple[float, ...], labelled: bool
) -> tuple[list[float], list[float]]:
    """The left edges and the widths of the columns."""
    first = [row[0] for row in rows]
    lines = max(line_count(panel.y_label, 2.5) if panel.kind == "1d" else 1 for panel in first)
    left = LEFT_IN_SPACE if all(panel.kind == "3d" for panel in first) else LEFT + LABEL_LINE * (lines - 1)
    lefts = [left + (ROW_LABEL if labelled else 0.0)]
    number = max(len(row) for row in rows)
    for column in range(1, number):
        beside = [(row[column - 1], row[column]) for row in rows if len(row) > column]
        own = any(right.kind != "3d" and not right.inner_y for _, right in beside)
        mixed = any(right.kind == "3d" != left.kind for left, right in beside)
        lefts.append(lefts[-1] + widths[column - 1] + (GAP_LABELLED if own else GAP_IN_SPACE if mixed else GAP))
    return lefts, list(widths[:number])


def _legend(scene: Scene, place: Box) -> tuple[Box | None, int]:
    """The place of the legend on top of this one, and its columns."""
    labels = entries(scene)
    if not labels:
        return None, 1
    widest = LEGEND_SAMPLE + max(map(len, labels)) * 0.5 * SMALL / 72
    columns = min(len(labels), max(1, math.floor(place.width / widest)))
    height = LEGEND_LINE * math.ceil(len(labels) / columns)
    return Box(place.left, place.bottom, place.width, height), columns


def entries(scene: Scene) -> dict[str, Line]:
    """The entries of the legend: the first line with each label, from all panels that ask for a legend."""
    marks = (mark for panel in scene.panels if panel.legend for mark in panel.marks)
    found: dict[str, Line] = {}
    for mark in marks:
        if isinstance(mark, Line) and mark.label:
            found.setdefault(mark.label, mark)
    return found


def _apart(ticks: tuple[float, ...], scale: Scale, least: float) -> tuple[float, ...]:
    """The ticks from the highest down, without those whose numbers would touch the one above."""
    kept: list[float] = []
    for tick, place in zip(ticks[::-1], scale.position(ticks)[::-1], strict=True):
        if not kept or float(scale.position(kept[-1])) - place >= least:
            kept.append(tick)
    return tuple(kept[::-1])


def ticks_in_space(panel: Panel, box: Box, letters: float = 1.0) -> tuple[tuple[float, ...], int]:
    """As many ticks as a panel in space has room for.

    Args:
        panel: The panel.
        box: Its place.
        letters: By how much letters are larger than usual.

    Returns:
        The ticks of the values, and about how many each coordinate gets.
    """
    assert panel.scale is not None
    scale, most = panel.scale, round(box.height / letters / TICK_ROOM)
    fewer = len(scale.ticks) > most
    ticks = steps(scale.lower, scale.upper, most // 2 + 1, scale.log, scale.offset) if fewer else scale.ticks
    return _apart(ticks, scale, letters * NUMBER / box.height), 5 if box.width / letters > FEW_TICKS else 3
