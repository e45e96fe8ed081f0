"""Films as data: the panels of one figure, one after another, or from all sides.

A figure of several surfaces already shares range, clip, colours and levels; a film shows the same panels in turn, in
one place, so that only what was measured changes.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from landscape.errors import LandscapeError
from landscape.rendering.scene import Note, Panel, Scene

WIDTHS = {"2d": 4.4, "3d": 4.6}
TURN = 36  # frames for the way around, at least
FPS, FPS_TURNING = 3.0, 12.0
FASTEST = 60.0


@dataclass(frozen=True)
class Frame:
    """One picture of a film.

    Attributes:
        scene: Which of the scenes it shows.
        turn: By how many degrees the viewpoint has gone around.
    """

    scene: int
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class Film:
    """Pictures that differ in what they show, or from where, and in nothing else.

    Attributes:
        scenes: What is shown, one panel each, on one scale and with one layout.
        frames: In which order and from where.
        fps: Frames per second.
    """

    scenes: tuple[Scene, ...]
    frames: tuple[Frame, ...]
    fps: float

    @property
    def titles(self) -> tuple[str, ...]:
        """What each scene is called."""
        return tuple(scene.panels[0].title or scene.title for scene in self.scenes)

    @property
    def turns(self) -> bool:
        """Whether the viewpoint goes around."""
        return any(frame.turn for frame in self.frames)

    def picture(self, frame: Frame) -> Scene:
        """The scene that a frame shows, from where it shows it."""
        scene = self.scenes[frame.scene]
        elevation, azimuth = scene.style.view
        return dataclasses.replace(
            scene, style=dataclasses.replace(scene.style, view=(elevation, azimuth + frame.turn))
        )


def film(scene: Scene, rotate: bool = False, fps: float | None = None) -> Film:
    """Show the panels of a figure one after another.

    Args:
        scene: A figure whose panels share one scale, seen from above or in space.
        rotate: Whether the viewpoint goes around once.
        fps: Frames per second; None for 3, or 12 where the viewpoint goes around.

    Returns:
        The film: a frame for each panel, or so many that going around takes at least 36 frames.

    Raises:
        LandscapeError: If there is only one picture to show, the speed is none, or what is seen from above is to turn.
    """
    kinds = {panel.kind for panel in scene.panels}
    if not kinds <= set(WIDTHS):
        raise LandscapeError(
            "a film shows planes, and these are lines: landscape compare draws all lines in one picture"
        )
    if rotate and kinds != {"3d"}:
        raise LandscapeError("only a surface in space can be seen from all sides: --rotate goes with --kind 3d")
    if not rotate and len(scene.panels) < 2:
        raise LandscapeError(
            "a film needs several surfaces, and there is one: name several files, a file with several policies for "
            "BatchNorm's statistics, or --rotate to see the one from all sides"
        )
    speed = fps if fps is not None else FPS_TURNING if rotate else FPS
    if not 0 < speed <= FASTEST:
        raise LandscapeError(f"a film has more than 0 and at most {FASTEST:g} frames per second, not {speed:g}")
    titles = numbered([panel.title for panel in scene.panels])
    notes = max(len(_notes(panel)) for panel in scene.panels)
    scenes = tuple(_alone(scene, panel, title, notes) for panel, title in zip(scene.panels, titles, strict=True))
    held = math.ceil(TURN / len(scenes)) if rotate else 1
    step = 360 / (held * len(scenes)) if rotate else 0.0
    frames = tuple(Frame(number // held, number * step) for number in range(held * len(scenes)))
    return Film(scenes, frames, float(speed))


def _notes(panel: Panel) -> list[Note]:
    return [mark for mark in panel.marks if isinstance(mark, Note)]


def _alone(scene: Scene, panel: Panel, title: str, notes: int) -> Scene:
    """One panel as a figure, with room for as many notes as any of them has: nothing moves between frames."""
    width = WIDTHS[panel.kind]
    room = (Note(""),) * (notes - len(_notes(panel)))
    only = dataclasses.replace(panel, title=title, marks=(*panel.marks, *room), inner_x=False, inner_y=False)
    size = width, width * scene.size[1] / scene.size[0]
    return dataclasses.replace(scene, panels=(only,), columns=1, size=size, widths=(), rows=())


def numbered(names: Sequence[str]) -> list[str]:
    """Say what changes, where names differ in one number alone.

    Args:
        names: For example `lenet_epoch_01` and `lenet_epoch_20`.

    Returns:
        For example `lenet, epoch 1` and `lenet, epoch 20`; other names as they are.
    """
    split = [re.split(r"(\d+)", name) for name in names]
    if len(names) < 2 or len({tuple(parts[::2]) for parts in split}) > 1:
        return list(names)
    varying = [place for place in range(1, len(split[0]), 2) if len({int(parts[place]) for parts in split}) > 1]
    if len(varying) != 1 or "." in (split[0][varying[0] - 1][-1:], split[0][varying[0] + 1][:1]):  # 0.1 is one number
        return list(names)
    return [_said(parts, varying[0]) for parts in split]


def _said(parts: Sequence[str], place: int) -> str:
    before, number, behind = ("".join(parts[:place]), int(parts[place]), "".join(parts[place + 1 :]))
    words = [word for word in re.split(r"[\s_-]+", before) if word]
    first, last = " ".join(words[:-1]), " ".join(words[-1:])
    counted = " ".join(part for part in (last, str(number)) if part)
    rest = " ".join(word for word in re.split(r"[\s_-]+", behind) if word)
    return ", ".join(part for part in (first, counted, rest) if part)


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort names by in which epoch 2 comes before epoch 10.

    Args:
        name: The name.

    Returns:
        Its parts, numbers as numbers.
    """
    parts = re.split(r"(\d+)", name)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts if part)
