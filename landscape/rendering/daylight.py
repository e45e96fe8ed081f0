"""Where the light of a sun and of the whole sky reaches a surface of heights, and the floor under it.

The sun is wide, so that its shadows have soft edges; what keeps off the sky darkens hollows and the floor below
(ambient occlusion). Both follow from the horizons around every point (Max 1988): along each direction, the steepest
slope at which the surface stands in the way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.types import FloatArray

AZIMUTHS = 20  # directions in which horizons are looked for
SUN_WIDTH = 9.0  # degrees from the middle of the sun to its rim
GROWTH = 1.12  # of the steps from a point outwards
LATTICE = 192  # points along each side
BOUNCE = 0.35  # light from the floor on the lower side, as a part of that of the sky


@dataclass(frozen=True, eq=False)
class Light:
    """How much light arrives, in [0, 1], on a lattice of shape (n, n).

    Attributes:
        sun: Part of the sun that is seen.
        sky: Part of the light of the sky that arrives.
    """

    sun: FloatArray
    sky: FloatArray


@dataclass(frozen=True, eq=False)
class Daylight:
    """Light on the upper side of a surface, on its lower side, and on the floor."""

    above: Light
    below: Light
    ground: Light


def daylight(heights: FloatArray, spacing: tuple[float, float], floor: float, sun: FloatArray) -> Daylight:
    """Look for what stands in the way of the light.

    Args:
        heights: Heights over an even lattice, shape (n, m), in the unit of `spacing`; NaN where there is no surface.
        spacing: Distances between neighbours along both axes.
        floor: Height of the floor.
        sun: Direction towards the sun, shape (3,).

    Returns:
        The light; it is 1 where there is no surface.
    """
    azimuths = np.arange(AZIMUTHS) * 2 * np.pi / AZIMUTHS
    towards = np.arctan2(sun[1], sun[0])
    high = np.arctan2(sun[2], np.hypot(sun[0], sun[1]))
    over, under, low = _horizons(heights, spacing, floor, azimuths)
    spread = towards + np.radians(SUN_WIDTH) * np.array([-0.75, -0.25, 0.25, 0.75])
    shadows = _horizons(heights, spacing, floor, spread)
    suns = [_seen(sign * (high - np.arctan(each))) for sign, each in zip((1, -1, -1), shadows, strict=True)]
    # A horizon at elevation e leaves cos(e)^2 of the light that a level plate gets from an even sky.
    open_sky = (1 / (1 + np.maximum(over, 0) ** 2)).mean(axis=0)
    slit = [np.where(each > 0, 1 - 1 / (1 + np.maximum(each, 0) ** 2), 0).mean(axis=0) for each in (under, low)]
    return Daylight(Light(suns[0], open_sky), Light(suns[1], slit[0] + BOUNCE * (1 - slit[0])), Light(suns[2], slit[1]))


def _seen(angles: FloatArray) -> FloatArray:
    """The part of the sun's disc on this side of a horizon that is so many radians away from its middle."""
    place = np.clip(angles / np.radians(SUN_WIDTH) / 2 + 0.5, 0, 1)
    return np.asarray((place * place * (3 - 2 * place)).mean(axis=0), dtype=np.float64)


def _horizons(
    heights: FloatArray, spacing: tuple[float, float], floor: float, azimuths: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slopes, one array per direction: the steepest over the surface, the least under it, the least from the floor."""
    n, m = heights.shape
    padded = np.full((3 * n, 3 * m), np.nan, dtype=np.float32)
    padded[n : 2 * n, m : 2 * m] = heights
    here = heights.astype(np.float32)
    reach = np.hypot(n * spacing[0], m * spacing[1])
    step = float(np.mean(spacing))
    lengths = [3 * step]  # nearer by, the steps of the lattice would shade the surface itself
    while lengths[-1] < reach:
        lengths.append(max(lengths[-1] + step, lengths[-1] * GROWTH))
    shape = len(azimuths), n, m
    over, under, low = (np.full(shape, end) for end in (-np.inf, np.inf, np.inf))
    for index, azimuth in enumerate(azimuths):
        for length in lengths:
            offset = length * np.cos(azimuth) / spacing[0], length * np.sin(azimuth) / spacing[1]
            if abs(offset[0]) > n - 1 or abs(offset[1]) > m - 1:
                break
            there = _shifted(padded, (n, m), offset)
            slope = (there - here) / length
            np.fmax(over[index], slope, out=over[index])
            np.fmin(under[index], slope, out=under[index])
            np.fmin(low[index], (there - floor) / length, out=low[index])
    return over, under, low


def _shifted(padded: FloatArray, shape: tuple[int, int], offset: tuple[float, float]) -> FloatArray:
    """The field seen from every point at this offset, in steps of the lattice: linear between points."""
    (i, j), (n, m) = (int(np.floor(part)) for part in offset), shape
    a, b = offset[0] - i, offset[1] - j

    def view(down: int, right: int) -> FloatArray:
        return padded[n + i + down : 2 * n + i + down, m + j + right : 2 * m + j + right]

    parts = (
        ((0, 0), (1 - a) * (1 - b)),
        ((1, 0), a * (1 - b)),
        ((0, 1), (1 - a) * b),
        ((1, 1), a * b),
    )
    return np.asarray(sum(np.float32(weight) * view(*corner) for corner, weight in parts if weight > 1e-6))
