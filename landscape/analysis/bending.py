"""How a surface bends: the paraboloid at its centre, and the discrete Hessian at every inner point."""

from __future__ import annotations

import itertools

import numpy as np

from landscape.analysis.field import ROUNDING, Field
from landscape.types import FloatArray

RELATIVE_TOLERANCE = 0.01
ROUNDING_TOLERANCE = 1e-6


def curvatures(field: Field, radius: float) -> FloatArray:
    """Fit a paraboloid at the centre, and take the eigenvalues of its Hessian.

    c, b and H of c + b x + x^T H x / 2 are fitted by least squares to the losses at the points with |x| <= r, all of
    equal weight; c is free, so that one noisy value at the centre does not bend the fit. On a grid so coarse that
    fewer than three coordinates of an axis lie within r, r is the smallest radius that holds the nearest 3 x 3
    points (3 on a line): it depends on the grid alone. Exact for quadratics.

    Args:
        field: The field.
        radius: r, in multiples of the direction.

    Returns:
        Eigenvalues, ascending, shape (number of axes,), in loss per squared multiple of the direction. NaN where the
        grid does not surround the centre on any side, too few points are measured, or one of them is inf.
    """
    unknown = np.full(len(field.axes), np.nan)
    if any(len(axis) < 3 or axis[0] > 0 or axis[-1] < 0 for axis in field.axes):
        return unknown
    radius = max(radius, float(np.linalg.norm([np.sort(np.abs(axis))[2] for axis in field.axes])))
    points = field.coordinates()
    used = (np.linalg.norm(points, axis=0) <= radius * (1 + ROUNDING)) & ~np.isnan(field.loss)
    hessian = _fitted_hessian(points[:, used] / radius, field.loss[used])
    return unknown if hessian is None else np.asarray(np.linalg.eigvalsh(hessian) / radius**2, dtype=np.float64)


def _fitted_hessian(points: FloatArray, values: FloatArray) -> FloatArray | None:
    """H of the least-squares quadratic through values at points, shape (axes, n); None where they do not fix it."""
    if not len(values) or np.isinf(values).any():
        return None
    pairs = list(itertools.combinations_with_replacement(range(len(points)), 2))
    products = [points[i] * points[j] / (1 + (i == j)) for i, j in pairs]
    columns = np.stack([np.ones_like(values), *points, *products], axis=1)
    solution, _, rank, _ = np.linalg.lstsq(columns, values - values.mean(), rcond=None)
    if rank < columns.shape[1]:
        return None
    hessian = np.empty((len(points), len(points)))
    for (i, j), entry in zip(pairs, solution[1 + len(points) :], strict=True):
        hessian[i, j] = hessian[j, i] = entry
    return hessian


def nonconvex_share(field: Field) -> float:
    """Take the share of the inner points at which the surface bends down along some direction within the grid.

    The Hessian is that of central differences over the point and its 2 or 8 neighbours, exact for quadratics on
    unevenly spaced axes, too. An eigenvalue counts as negative below -max(0.01 m, 1e-6 R / h^2), with m the largest
    absolute eigenvalue at the point (Li et al. 2018, arXiv:1712.09913, map this ratio), R the range of the
    losses there and h the smallest step: the first leaves out what is flat beside how it bends otherwise, the second
    what is rounding. The sampling error is left out on purpose: neighbouring points are evaluated on the
    same examples and err alike, so that the standard error of a point says next to nothing about that of a second
    difference; it shows in the spread over other samples. A share of 0 makes nothing convex: two directions say
    nothing of the others.

    Args:
        field: The field.

    Returns:
        A number in [0, 1], of the inner points at which all losses are finite; NaN where there are none.
    """
    if min(field.loss.shape) < 3:
        return float("nan")
    eigenvalues = _eigenvalues(field)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.where(field.finite, field.loss, np.nan), (3,) * field.loss.ndim
    )
    within = tuple(range(-field.loss.ndim, 0))
    spread = windows.max(axis=within) - windows.min(axis=within)
    known = np.isfinite(spread)
    largest = np.abs(eigenvalues).max(axis=0)
    tolerance = np.maximum(RELATIVE_TOLERANCE * largest, ROUNDING_TOLERANCE * spread / _smallest_steps(field) ** 2)
    return float((eigenvalues[0] < -tolerance)[known].mean()) if known.any() else float("nan")


def _eigenvalues(field: Field) -> FloatArray:
    """Eigenvalues of the discrete Hessian, ascending, shape (axes, *inner points); NaN where it is not finite."""
    loss = np.where(field.finite, field.loss, np.nan)
    if loss.ndim == 1:
        return _second(loss, field.axes[0])[None]
    x, y = field.axes
    along_x = _second(loss, x)[:, 1:-1]
    along_y = _second(loss.T, y)[:, 1:-1].T
    mixed = _first(_first(loss, x).T, y).T
    middle, half = (along_x + along_y) / 2, np.hypot((along_x - along_y) / 2, mixed)
    return np.stack([middle - half, middle + half])


def _second(values: FloatArray, axis: FloatArray) -> FloatArray:
    """Second derivative along the first dimension at its inner points: 2 (slope after - slope before) / (h1 + h2)."""
    slopes = (np.diff(values, axis=0).T / np.diff(axis)).T
    return (2 * np.diff(slopes, axis=0).T / (axis[2:] - axis[:-2])).T


def _first(values: FloatArray, axis: FloatArray) -> FloatArray:
    """First derivative along the first dimension at its inner points: both slopes, the nearer the heavier."""
    steps = np.diff(axis)
    slopes = np.diff(values, axis=0).T / steps
    return ((slopes[..., :-1] * steps[1:] + slopes[..., 1:] * steps[:-1]) / (steps[1:] + steps[:-1])).T


def _smallest_steps(field: Field) -> FloatArray:
    """The smallest step beside every inner point, shape of the inner points."""
    steps = [np.minimum(np.diff(axis)[:-1], np.diff(axis)[1:]) for axis in field.axes]
    return steps[0] if len(steps) == 1 else np.minimum.outer(*steps)
