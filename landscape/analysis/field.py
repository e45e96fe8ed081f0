"""A loss over a grid, ready to be measured: what lies between the points, and what was not measured at all.

Between the points the loss is linear. Along a line that is from point to point; in a plane it is so in each of the
four triangles into which a cell is cut from its centre, where the loss is the mean of the four corners. Unlike a cut
along one diagonal this favours no direction: mirroring the plane or exchanging its axes changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.filling import filled
from landscape.errors import LandscapeError, nearest
from landscape.types import FloatArray, Surface

ROUNDING = 1e-9
ANGLES = 720


@dataclass(frozen=True)
class Field:
    """The loss of one split over a grid.

    Attributes:
        axes: Coordinates along each axis, in multiples of the direction.
        loss: Shape of the grid. NaN where it was not measured; inf is a measurement, above every level.
        origin: L0, the loss of the trained weights; NaN where it is not finite.
        error: Standard error of loss - L0, shape of the grid; NaN where it is not known.
        centre: For each split, what was measured at the trained weights, as in `Surface`.
    """

    axes: tuple[FloatArray, ...]
    loss: FloatArray
    origin: float
    error: FloatArray
    centre: Mapping[str, Mapping[str, Any]]

    @property
    def rise(self) -> FloatArray:
        """Height above the trained weights: loss - L0, shape of the grid."""
        return self.loss - self.origin

    @property
    def finite(self) -> NDArray[np.bool_]:
        """Where the loss is a finite number, shape of the grid."""
        return np.isfinite(self.loss)

    def coordinates(self) -> FloatArray:
        """Coordinates of every point, shape (number of axes, *shape of the grid)."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"))


def field_of(surface: Surface, split: str | None = None) -> Field:
    """Take what is to be measured out of a surface.

    L0 is the stored loss of the trained weights; where a file has none, that of the grid's centre. Points that are
    not done, and losses of NaN or -inf, count as not measured; what an adaptive run left out is interpolated.

    Args:
        surface: A plain surface: one repeat, one policy.
        split: Name of the split; None for the first.

    Returns:
        The field.

    Raises:
        LandscapeError: If the surface has several repeats or policies, or no such split.
    """
    if len(surface.dimensions) > len(surface.grid.axes):
        raise LandscapeError(
            f"numbers are taken of one surface at a time, and {surface.path or 'this one'} holds {surface.repeats} "
            f"repeats and {len(surface.policies)} policies: choose with surface.sel(repeat=..., bn=...), "
            "or go through surface.each()"
        )
    split = surface.splits[0] if split is None else split
    if split not in surface.splits:
        raise LandscapeError(
            f"{surface.path or 'this surface'} has no split {split!r}; {nearest(split, surface.splits)}"
        )
    surface = filled(surface)
    stored = np.asarray(surface[f"{split}/loss"], dtype=np.float64)
    loss = np.where(surface.done(split) & (stored > -np.inf), stored, np.nan)
    error = f"{split}/loss_rise_stderr"
    return Field(
        tuple(axis.array() for axis in surface.grid.axes),
        loss,
        _origin(surface, split, loss),
        np.asarray(surface[error], dtype=np.float64) if error in surface else np.full(loss.shape, np.nan),
        surface.centre,
    )


def _origin(surface: Surface, split: str, loss: FloatArray) -> float:
    index = surface.grid.centre()
    fallback = np.nan if index is None else loss.flat[index]
    origin = float(surface.centre.get(split, {}).get("loss", fallback))
    return origin if np.isfinite(origin) else float("nan")


def sublevel_size(field: Field, level: float) -> float:
    """Measure {loss <= level}: its length on a line, its area in a plane, exact for the linear interpolation.

    A cell with a corner of inf contributes nothing: that is the limit as the loss of the corner grows. A set of about
    a cell or less is smaller than that of the loss itself, which is below its chords where it is convex.

    Args:
        field: The field.
        level: The level.

    Returns:
        Length or area in multiples of the directions, over the cells of which every corner was measured; NaN where
        there are none, or the level is NaN.
    """
    shares = _shares_below(field.loss, level)
    measured = ~np.isnan(shares)
    if np.isnan(level) or not measured.any():
        return float("nan")
    return float((shares * _cell_sizes(field))[measured].sum())


def measured_share(field: Field) -> float:
    """Take the share of the length or area whose cells have all corners measured.

    Args:
        field: The field.

    Returns:
        A number in [0, 1]; NaN where the grid has no cell.
    """
    sizes = _cell_sizes(field)
    measured = ~np.isnan(_shares_below(field.loss, 0.0))
    return float(sizes[measured].sum() / sizes.sum()) if sizes.size else float("nan")


def reaches_border(field: Field, level: float) -> bool:
    """Say whether {loss <= level} touches the border of what was measured, so that its size is only a lower bound.

    Args:
        field: The field.
        level: The level.

    Returns:
        Whether a point at or below the level lies at the border of the grid or at a cell that was not measured.
    """
    outside = np.pad(np.isnan(field.loss), 1, constant_values=True)
    windows = np.lib.stride_tricks.sliding_window_view(outside, (3,) * field.loss.ndim)
    beside = windows.any(axis=tuple(range(-field.loss.ndim, 0)))
    return bool((field.loss[beside] <= level).any())


def mean_rise(field: Field, radius: float) -> float:
    """Average the interpolated loss at one distance from the centre, and subtract L0.

    In a plane that is the mean over 720 equally spaced angles of the circle |(x, y)| = r; on a line over x = -r and
    x = r.

    Args:
        field: The field.
        radius: r, in multiples of the direction.

    Returns:
        The mean rise; inf where the circle passes through a measured inf, NaN where it leaves what was measured.
    """
    angles = 2 * np.pi * np.arange(ANGLES) / ANGLES
    circle = np.array([[-1.0, 1.0]]) if field.loss.ndim == 1 else np.stack([np.cos(angles), np.sin(angles)])
    return float(interpolated(field, radius * circle).mean() - field.origin)


def interpolated(field: Field, points: FloatArray) -> FloatArray:
    """Interpolate the loss at points.

    Args:
        field: The field.
        points: Shape (number of axes, n).

    Returns:
        Shape (n,); NaN outside the grid and where a corner with weight was not measured.
    """
    if min(field.loss.shape) < 2:
        return np.full(points.shape[1], np.nan)
    places = [_place(axis, values) for axis, values in zip(field.axes, points, strict=True)]
    cells, shares = [cell for cell, _ in places], [share for _, share in places]
    weights = _line_weights(shares[0]) if len(shares) == 1 else _plane_weights(*shares)
    total = np.zeros(points.shape[1])
    for corner, weight in weights.items():
        value = field.loss[tuple(cell + one for cell, one in zip(cells, corner, strict=True))]
        # A corner without weight has no say, even where its loss is inf or NaN.
        total += np.multiply(weight, value, out=np.zeros_like(total), where=weight != 0)
    return total


def _place(axis: FloatArray, values: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """The cell in which values lie, and where in it: 0 to 1, NaN outside the axis."""
    cell = np.clip(np.searchsorted(axis, values, side="right") - 1, 0, len(axis) - 2)
    share = (values - axis[cell]) / (axis[cell + 1] - axis[cell])
    nearest_end = np.round(share)
    share = np.where(np.abs(share - nearest_end) < ROUNDING, nearest_end, share)
    return cell, np.where((share >= 0) & (share <= 1), share, np.nan)


def _line_weights(share: FloatArray) -> dict[tuple[int, ...], FloatArray]:
    return {(0,): 1 - share, (1,): share}


def _plane_weights(across: FloatArray, along: FloatArray) -> dict[tuple[int, ...], FloatArray]:
    """Barycentric weights of a cell's corners, a quarter of the weight of its centre included."""
    s, t = across - 0.5, along - 0.5
    reach = np.maximum(np.abs(s), np.abs(t))
    sideways = np.abs(s) >= np.abs(t)
    weights: dict[tuple[int, ...], FloatArray] = {}
    for i, j in itertools.product((0, 1), repeat=2):
        side, end = 2 * i - 1, 2 * j - 1
        own = np.where(sideways, (side * s > 0) * (reach + end * t), (end * t > 0) * (reach + side * s))
        weights[i, j] = own + (1 - 2 * reach) / 4
    return weights


def _cell_sizes(field: Field) -> FloatArray:
    sizes = [np.diff(axis) for axis in field.axes]
    return np.asarray(sizes[0] if len(sizes) == 1 else np.multiply.outer(*sizes), dtype=np.float64)


def _shares_below(loss: FloatArray, level: float) -> FloatArray:
    """The share of every cell in which the interpolated loss is at most the level; NaN where it was not measured."""
    if loss.ndim == 1:
        return _interval_share(np.stack([loss[:-1], loss[1:]]), level)
    corners = np.stack([loss[:-1, :-1], loss[1:, :-1], loss[1:, 1:], loss[:-1, 1:]])
    centre = (corners / 4).sum(axis=0)
    triangles = [np.stack([corners[k], corners[k - 1], centre]) for k in range(4)]
    return np.asarray(np.mean([_triangle_share(triangle, level) for triangle in triangles], axis=0), dtype=np.float64)


def _interval_share(ends: FloatArray, level: float) -> FloatArray:
    low, high = np.sort(ends, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.select([low > level, high <= level], [0.0, 1.0], (level - low) / (high - low))
    return np.where(np.isnan(ends).any(axis=0), np.nan, share)


def _triangle_share(values: FloatArray, level: float) -> FloatArray:
    """The share of a triangle's area where the linear function with these values at its corners is <= level."""
    a, b, c = np.sort(values, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tip = (level - a) / (b - a) * ((level - a) / (c - a))
        rest = 1 - (c - level) / (c - a) * ((c - level) / (c - b))
        share = np.select([level >= c, (level <= a) | np.isinf(c), level <= b], [1.0, 0.0, tip], rest)
    return np.where(np.isnan(values).any(axis=0), np.nan, share)
