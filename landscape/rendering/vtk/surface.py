"""Surfaces for VTK: fine squares with colours that hold the light, and the floor with their shadow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from landscape.rendering.daylight import LATTICE, Light, daylight
from landscape.rendering.relief import lit
from landscape.rendering.scene import Mesh
from landscape.rendering.style import Style
from landscape.rendering.vtk.room import NO_NORMALS, Room, Sheet, in_bytes, rgb
from landscape.types import FloatArray

PIECES = 420  # squares along each side of a surface
SUN = (-0.55, -0.5, 0.95)
STEEPEST = 3.0  # heights of the box: what stands far above the clip is cut off anyway


def lit_surface(mark: Mesh, room: Room, floor: bool) -> Iterator[Sheet]:
    """Build the upper and the lower side of a surface.

    Args:
        mark: The surface.
        room: The box of its panel.
        floor: Whether to build the floor, too, with the shadow of the surface.

    Yields:
        Sheets.
    """
    x, y, high = _heights(mark, room)
    top, sun = float(room.eye.box[2]), np.array(SUN) / np.linalg.norm(SUN)
    even = [np.linspace(0, 1, LATTICE) * np.ptp(axis) + axis[0] for axis in (x, y)]
    lattice = _field(high, _positions(x, even[0]), _positions(y, even[1]))
    spacing = tuple(float(axis[1] - axis[0]) for axis in even)
    light = daylight(np.where(lattice > top, np.nan, lattice), (spacing[0], spacing[1]), 0.0, sun)
    indices = [_fine(len(axis)) for axis in (x, y)]
    fine = [np.interp(index, np.arange(len(axis)), axis) for index, axis in zip(indices, (x, y), strict=True)]
    surface = _field(high, *indices)
    slopes = [_field(slope, *indices) for slope in np.gradient(np.minimum(high, 1.3 * top), x, y)]
    normals = _normals(*slopes)
    points = np.stack([*np.meshgrid(*fine, indexing="ij"), surface], axis=-1).reshape(-1, 3)
    base = room.style.colours(_shares(mark, room, surface).ravel(), mark.scale.diverging)
    across = [_positions(axis, place) for axis, place in zip(even, fine, strict=True)]
    faces = _squares(surface)
    for side, arriving in ((1, light.above), (-1, light.below)):
        sun_seen, sky_seen = (_field(part, *across).ravel() for part in (arriving.sun, arriving.sky))
        shade = _brightness(side * normals @ sun, sun_seen, sky_seen, room.style)
        colours = in_bytes(lit(base, shade))
        yield Sheet(np.nan_to_num(points), faces, colours, side, normals if side > 0 else NO_NORMALS, top)
    if floor and not room.style.transparent:
        yield _floor(even, light.ground, room)


def _heights(mark: Mesh, room: Room) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Coordinates and heights of a surface in units of the box, NaN where a value is not finite."""
    box = room.eye.box
    x, y = room.places(mark.x, room.y_range[0], 0.0)[:, 0], room.places(room.x_range[0], mark.y, 0.0)[:, 1]
    high = room.places(room.x_range[0], room.y_range[0], mark.scale.heights(mark.values))[..., 2]
    return x, y, np.clip(high, -STEEPEST * box[2], STEEPEST * box[2])


def _shares(mark: Mesh, room: Room, surface: FloatArray) -> FloatArray:
    """Positions on the scale, in [0, 1], of heights in units of the box."""
    ends = room.places(0.0, 0.0, mark.scale.transform([mark.scale.lower, mark.scale.upper]))[:, 2]
    return np.asarray(np.nan_to_num(np.clip((surface - ends[0]) / (ends[1] - ends[0]), 0, 1)))


def _brightness(facing: FloatArray, sun: FloatArray, sky: FloatArray, style: Style) -> FloatArray:
    """By how much colours are darkened or lightened: the shade of the style where the sky is free, less in hollows."""
    dark, gain = style.shade
    direct = np.clip(facing, 0, 1) * sun
    return np.nan_to_num(dark * (0.35 + 0.65 * sky) + gain * (0.12 * sky + 0.8 * direct), nan=1.0)


def _floor(even: Sequence[FloatArray], light: Light, room: Room) -> Sheet:
    """The floor, darker where the surface keeps the light off."""
    points = np.stack([*np.meshgrid(*even, indexing="ij"), np.zeros((LATTICE, LATTICE))], axis=-1)
    shade = 1 - 0.20 * (1 - light.sun) - 0.16 * (1 - light.sky)
    colours = lit(np.tile(rgb(room.style.page), (LATTICE**2, 1)), shade.ravel())
    return Sheet(points.reshape(-1, 3), _squares(points[..., 2]), in_bytes(colours))


def _squares(surface: FloatArray) -> FloatArray:
    """Corners of the squares of a grid of points, shape (F, 4), without those with a corner that is not finite."""
    n, m = surface.shape
    index = np.arange(n * m).reshape(n, m)
    corners = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    return np.asarray(corners[np.isfinite(surface.ravel()[corners]).all(axis=1)])


def _normals(slope_x: FloatArray, slope_y: FloatArray) -> FloatArray:
    slope_x, slope_y = (np.nan_to_num(slope).ravel() for slope in (slope_x, slope_y))
    upright = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], axis=-1)
    return np.asarray(upright / np.linalg.norm(upright, axis=-1, keepdims=True))


def _fine(number: int) -> FloatArray:
    """Fractional indices along an axis, whole ones among them."""
    factor = max(1, round(PIECES / max(1, number - 1)))
    return np.arange((number - 1) * factor + 1) / factor


def _positions(axis: FloatArray, places: FloatArray) -> FloatArray:
    """Fractional indices of places along an axis."""
    return np.interp(places, axis, np.arange(len(axis)))


def _field(values: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Bilinear interpolation at fractional indices, NaN where a neighbour is."""
    return _along(_along(values, rows).T, columns).T


def _along(values: FloatArray, rows: FloatArray) -> FloatArray:
    start = np.minimum(np.floor(rows).astype(int), len(values) - 1)
    stop, weight = np.minimum(start + 1, len(values) - 1), (rows - start)[:, None]
    # A weight of 0 must not carry the NaN of the neighbour over: 0 * NaN is NaN.
    between = values[start] * (1 - weight) + values[stop] * weight
    return np.asarray(np.where(weight < 1e-9, values[start], between))
