"""The box of a panel in space as VTK sees it: lengths, the eye, and flat pieces with colours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from landscape.analysis.scales import Scale
from landscape.rendering.style import Style
from landscape.types import FloatArray

NO_NORMALS = np.empty((0, 3))


@dataclass(frozen=True, eq=False)
class Eye:
    """Where a panel is looked at from, in units of its box.

    Attributes:
        box: Lengths of the box.
        place: The eye, shape (3,).
        right: Direction to the right in the picture, shape (3,).
        up: Direction upwards in the picture, shape (3,).
        half: Half the height of the picture over its distance.
        point: Length of a typographical point over the distance.
    """

    box: FloatArray
    place: FloatArray
    right: FloatArray
    up: FloatArray
    half: float
    point: float

    @property
    def focus(self) -> FloatArray:
        """The middle of the box, which it looks at."""
        return self.box / 2

    def nearer(self, places: FloatArray, by: float) -> FloatArray:
        """Places moved towards the eye, which shows them where they were."""
        way = self.place - places
        return np.asarray(places + by * way / np.linalg.norm(way, axis=-1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Sheet:
    """Flat pieces.

    Attributes:
        points: Shape (K, 3), in units of the box.
        faces: Indices of corners, shape (F, 3) or (F, 4), anticlockwise seen from the front.
        colours: Red, green and blue of every point, uint8 of shape (K, 3).
        side: 1 where only the front is seen, -1 where only the back is, 0 for both.
        normals: Shape (K, 3) if it is glossy, else none.
        top: Height at which it is cut off, or None.
    """

    points: FloatArray
    faces: FloatArray
    colours: FloatArray
    side: int = 0
    normals: FloatArray = field(default_factory=lambda: NO_NORMALS)
    top: float | None = None


@dataclass(frozen=True)
class Room:
    """The box of a panel: from values to lengths.

    Attributes:
        x_range: Ends of the first axis.
        y_range: Ends of the second axis.
        z_range: Height of the floor and of the top, on the scale.
        scale: The scale of the values.
        eye: Where it is looked at from.
        style: How it looks.
    """

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    z_range: tuple[float, float]
    scale: Scale
    eye: Eye
    style: Style

    def places(self, x: FloatArray | float, y: FloatArray | float, z: FloatArray | float) -> FloatArray:
        """Coordinates and heights on the scale as places in the box, shape (..., 3)."""
        ends = self.x_range, self.y_range, self.z_range
        parts = [
            (np.asarray(part) - low) / (high - low) * length
            for part, (low, high), length in zip((x, y, z), ends, self.eye.box, strict=True)
        ]
        return np.stack(np.broadcast_arrays(*parts), axis=-1)


def rgb(code: str) -> FloatArray:
    """A colour such as `#1f2328` as red, green and blue in [0, 1]."""
    return np.array([int(code[start : start + 2], 16) for start in (1, 3, 5)]) / 255


def in_bytes(colours: FloatArray) -> FloatArray:
    """Colours in [0, 1] as uint8."""
    return np.clip(np.round(255 * colours), 0, 255).astype(np.uint8)
