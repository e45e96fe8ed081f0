"""A lit surface in space as plain polygons: bilinear refinement, normals and shading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.analysis.scales import Scale
from landscape.rendering.isolines import isolines
from landscape.rendering.scene import Contour, Mesh
from landscape.rendering.style import DEFAULT, Style
from landscape.types import FloatArray

FLOOR = 0.42
PIECES = 160
LIGHT = (-0.55, -0.45, 0.70)
STEEPNESS = 0.6


@dataclass(frozen=True, eq=False)
class Relief:
    """Small quadrilaterals and their colours.

    Attributes:
        corners: Shape (K, 4, 3): x, y and height on the scale.
        colours: Shape (K, 3): red, green and blue in [0, 1].
        strokes: Shape (M, 4, 3): short pieces of the level lines, to be sorted by depth among the rest.
    """

    corners: FloatArray
    colours: FloatArray
    strokes: FloatArray


def floor(scale: Scale, above: float = 0.0) -> float:
    """The height, on the scale, of the floor that the contour lines lie on.

    Args:
        scale: The scale of the surface.
        above: How far above the floor, as a part of the surface's range.

    Returns:
        The height.
    """
    low, high = scale.transform([scale.lower, scale.upper])
    return float(low - (FLOOR - above) * (high - low))


def relief(mark: Mesh, style: Style = DEFAULT) -> Relief:
    """Cut a surface into small lit pieces.

    Heights between grid points are bilinear, so that the surface passes through the values and nothing is
    smoothed; only its normals are interpolated. It is open above the clip, and in squares with a corner that
    is not finite.

    Args:
        mark: The surface.
        style: Its colours and how dark its shade is.

    Returns:
        Its pieces.
    """
    heights = mark.scale.heights(mark.values)
    low, high = mark.scale.transform([mark.scale.lower, mark.scale.upper])
    factors = [max(1, round(PIECES / max(1, len(axis) - 1))) for axis in (mark.x, mark.y)]
    unit = (heights - low) / (high - low)
    slopes = _slopes(unit)
    fine, slope_x, slope_y = (_refined(field, *factors) for field in (unit, *slopes))
    x, y = (_between(axis, factor) for axis, factor in zip((mark.x, mark.y), factors, strict=True))
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), low + np.minimum(fine, 1) * (high - low)], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    light = _lit(slope_x, slope_y)
    shade = (light[:-1, :-1] + light[1:, :-1] + light[1:, 1:] + light[:-1, 1:]) / 4
    middle = (fine[:-1, :-1] + fine[1:, :-1] + fine[1:, 1:] + fine[:-1, 1:]) / 4
    lowest = np.minimum.reduce([fine[:-1, :-1], fine[1:, :-1], fine[1:, 1:], fine[:-1, 1:]])
    whole = np.isfinite(corners).all(axis=(2, 3)) & (lowest <= 1 + 1e-9)
    factor = style.shade[0] + style.shade[1] * np.nan_to_num(shade[whole], nan=0.5)
    colours = lit(style.colours(middle[whole], mark.scale.diverging), factor)
    return Relief(corners[whole], colours, _strokes(mark, 0.004 * (high - low)))


def _strokes(mark: Mesh, lift: float) -> FloatArray:
    """Level lines just above the surface, cut short, as quadrilaterals without area."""
    extent = np.array([np.ptp(mark.x), np.ptp(mark.y)])
    found = [np.empty((0, 4, 3))]
    for line in isolines(Contour(mark.x, mark.y, mark.values, mark.scale)):
        height = float(mark.scale.transform(line.level)) + lift
        for piece in line.pieces:
            steps = np.hypot(*(np.diff(piece, axis=0) / extent).T)
            lengths = np.concatenate([[0.0], np.cumsum(steps)])
            places = np.linspace(0, lengths[-1], max(2, round(lengths[-1] * PIECES)))
            flat = [np.interp(places, lengths, piece[:, axis]) for axis in (0, 1)]
            walk = np.column_stack([*flat, np.full(len(places), height)])
            found.append(np.stack([walk[:-1], walk[1:], walk[1:], walk[:-1]], axis=1))
    return np.concatenate(found)


def _slopes(unit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes along both axes when the surface is seen as a unit cube; 0 beside what is not finite."""
    steps = [STEEPNESS * (size - 1) / 2 for size in unit.shape]
    slope_x, slope_y = np.gradient(unit)
    return np.nan_to_num(slope_x) * steps[0], np.nan_to_num(slope_y) * steps[1]


def _lit(slope_x: FloatArray, slope_y: FloatArray) -> FloatArray:
    """Brightness in [0, 1] under one distant light (Lambert)."""
    light = np.array(LIGHT) / np.linalg.norm(LIGHT)
    length = np.sqrt(slope_x**2 + slope_y**2 + 1)
    return np.asarray(np.clip((-slope_x * light[0] - slope_y * light[1] + light[2]) / length, 0, 1))


def lit(base: FloatArray, factor: FloatArray) -> FloatArray:
    """Darken or lighten colours without changing their hue, so that a colour bar still holds.

    Args:
        base: Colours, shape (K, 3), in [0, 1].
        factor: Below 1 to darken, above 1 to lighten, shape (K,).

    Returns:
        Colours, shape (K, 3).
    """
    factor = factor[:, None]
    return np.where(factor <= 1, base * factor, base + (1 - base) * (factor - 1))


def _between(coordinates: FloatArray, factor: int) -> FloatArray:
    """Coordinates with `factor - 1` more, evenly, between neighbours."""
    number = (len(coordinates) - 1) * factor + 1
    return np.asarray(np.interp(np.arange(number) / factor, np.arange(len(coordinates)), coordinates))


def _refined(field: FloatArray, factor_x: int, factor_y: int) -> FloatArray:
    """Bilinear interpolation between neighbours, NaN where one of them is."""
    along = _linear(field, factor_x)
    return _linear(along.T, factor_y).T


def _linear(field: FloatArray, factor: int) -> FloatArray:
    number = (len(field) - 1) * factor + 1
    start, rest = np.divmod(np.arange(number), factor)
    stop = np.minimum(start + 1, len(field) - 1)
    weight = (rest / factor)[:, None]
    # A weight of 0 must not carry the NaN of the neighbour over: 0 * NaN is NaN.
    return np.where(weight == 0, field[start], field[start] * (1 - weight) + field[stop] * weight)
