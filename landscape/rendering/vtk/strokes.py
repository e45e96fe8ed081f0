"""Lines, stars and crosses for VTK, as flat pieces that face the eye: their width is one on paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from landscape.rendering.isolines import isolines, rim
from landscape.rendering.scene import Contour, Cut, Hatch, Mark, Mesh, Points
from landscape.rendering.style import DARK, Style
from landscape.rendering.vtk.room import Eye, Room, Sheet, in_bytes, rgb
from landscape.types import FloatArray


def strokes(mark: Mark, room: Room) -> Iterator[Sheet]:
    """Build what is drawn of a mark besides surfaces.

    Args:
        mark: The mark.
        room: The box of its panel.

    Yields:
        Sheets, none for a mark that has no place in space or stands over all.
    """
    style, eye = room.style, room.eye
    match mark:
        case Contour():
            for _, pieces, colour in _levels(mark, style):
                yield from _lines(pieces, room.z_range[0], colour, 1.1, room, 0.004)
        case Mesh():
            for level, pieces, colour in _levels(Contour(mark.x, mark.y, mark.values, mark.scale), style):
                yield from _lines(pieces, float(mark.scale.transform(level)), 0.55 * colour, 0.5, room)
        case Cut():
            yield from _lines(rim(mark), room.z_range[1], rgb(DARK), 1.1, room)
        case Points() if mark.z is None:
            for place in room.places(mark.x, mark.y, room.z_range[0]):
                size = 3.7 * style.letters
                yield _star(place, np.ones(3), size + 1.2, eye, 0.05)
                yield _star(place, rgb(style.mark), size, eye, 0.052)
        case Hatch():
            yield from _crosses(mark, room)


def _lines(
    pieces: Sequence[FloatArray], height: float, colour: FloatArray, width: float, room: Room, nearer: float = 0.006
) -> Iterator[Sheet]:
    """Lines at one height on the scale; the width is in points."""
    for piece in pieces:
        places = room.places(piece[:, 0], piece[:, 1], height)
        yield _ribbon(places, colour, width * room.style.lines, room.eye, nearer)


def _crosses(mark: Hatch, room: Room) -> Iterator[Sheet]:
    """A small cross on the floor for every cell."""
    assert mark.y is not None
    eye, size = room.eye, 1.5 * room.style.letters
    i, j = np.nonzero(mark.mask)
    for place in room.places(mark.x[i], mark.y[j], room.z_range[0]):
        for slant in (eye.right + eye.up, eye.right - eye.up):
            ends = place + np.outer([-size, size], slant) * eye.point * np.linalg.norm(eye.place - place)
            yield _ribbon(ends, rgb(room.style.muted), 0.7, eye, 0.02)


def _levels(mark: Contour, style: Style) -> Iterator[tuple[float, tuple[FloatArray, ...], FloatArray]]:
    for line in isolines(mark):
        yield line.level, line.pieces, style.colours(mark.scale.position(line.level), mark.scale.diverging)


def _ribbon(places: FloatArray, colour: FloatArray, width: float, eye: Eye, nearer: float) -> Sheet:
    """A line of this width in points that faces the eye, slightly before what it lies on."""
    along = np.gradient(places, axis=0)
    sight = eye.place - places
    across = np.cross(along, sight)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    half = 0.5 * width * eye.point * np.linalg.norm(sight, axis=1, keepdims=True) * across
    points = eye.nearer(np.stack([places - half, places + half], axis=1).reshape(-1, 3), nearer)
    start = 2 * np.arange(len(places) - 1)[:, None]
    return _flat(points, start + np.array([0, 1, 3, 2]), colour)


def _star(place: FloatArray, colour: FloatArray, radius: float, eye: Eye, nearer: float) -> Sheet:
    """A star with five rays that faces the eye; the radius is in points."""
    angles = np.pi / 2 + np.arange(10) * np.pi / 5
    reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.45) * radius * eye.point * np.linalg.norm(eye.place - place)
    rim = place + (reach * np.cos(angles))[:, None] * eye.right + (reach * np.sin(angles))[:, None] * eye.up
    next_ = np.arange(10) % 10 + 1
    faces = np.column_stack([np.zeros(10, int), next_, next_ % 10 + 1, next_ % 10 + 1])
    return _flat(eye.nearer(np.vstack([place, rim]), nearer), faces, colour)


def _flat(points: FloatArray, faces: FloatArray, colour: FloatArray) -> Sheet:
    return Sheet(points, faces, in_bytes(np.tile(colour, (len(points), 1))))


def joined(parts: Sequence[Sheet]) -> list[Sheet]:
    """Make one sheet of many.

    Args:
        parts: Sheets without normals.

    Returns:
        One sheet, or none.
    """
    if not parts:
        return []
    starts = np.cumsum([0, *(len(part.points) for part in parts[:-1])])
    faces = [part.faces + start for part, start in zip(parts, starts, strict=True)]
    points, colours = ([getattr(part, name) for part in parts] for name in ("points", "colours"))
    return [Sheet(np.concatenate(points), np.concatenate(faces), np.concatenate(colours))]
