"""How rough a surface is: what a smooth fit leaves over, and how many basins it has."""

from __future__ import annotations

import importlib.util

import numpy as np
from numpy.polynomial import chebyshev

from landscape.analysis.field import Field
from landscape.types import FloatArray

DEGREE = 6
RISE_SHARE = 0.05
ERRORS = 2.0
NOISE_FLOOR = 1e-9


def roughness(field: Field) -> float:
    """Compare a surface with the smooth one that fits it best.

    A polynomial p of total degree 6 is fitted by least squares with the weights w = 1 / (s + |loss - L0|), where s
    is the median of |loss - L0|, and

        roughness = sqrt(sum (w (loss - p))^2 / (n - k))

    with n finite points and k coefficients (7 on a line, 28 in a plane): the root mean square deviation as a
    share of the height. Weights rather than logarithms of the loss tame the tails: losses that grow a
    thousandfold towards the corners would decide an unweighted fit alone, and logarithms would call a paraboloid
    rough and depend on L0. So polynomials up to degree 6 have roughness 0, and c loss + d has that of the loss.
    Other smooth shapes leave something: 0.01 for a cone, 0.03 for the plateau 1 - exp(-4 r^2), 0.05 for one with
    walls as steep as 1 - exp(-30 r^2) has; differences below that are none of roughness.

    Args:
        field: The field.

    Returns:
        The roughness; what rounding leaves (below 1e-9) is 0. NaN where the finite points do not fix the polynomial
        (fewer than 7 coordinates along an axis, for one), or half of the losses equal L0.
    """
    points, rise = field.coordinates()[:, field.finite], field.rise[field.finite]
    if not rise.size or not (scale := float(np.median(np.abs(rise)))) > 0:
        return float("nan")
    weights = 1 / (scale + np.abs(rise))
    columns = _polynomials(field, points) * weights[:, None]
    solution, _, rank, _ = np.linalg.lstsq(columns, weights * rise, rcond=None)
    freedom = rise.size - columns.shape[1]
    if rank < columns.shape[1] or freedom < 1:
        return float("nan")
    residual = weights * rise - columns @ solution
    value = float(np.sqrt(residual @ residual / freedom))
    return value if value > NOISE_FLOOR else 0.0


def _polynomials(field: Field, points: FloatArray) -> FloatArray:
    """Chebyshev polynomials of total degree <= 6 at points, shape (n, coefficients)."""
    scaled = [
        (2 * values - axis[0] - axis[-1]) / max(axis[-1] - axis[0], np.finfo(float).tiny)
        for axis, values in zip(field.axes, points, strict=True)
    ]
    tables = [chebyshev.chebvander(values, DEGREE) for values in scaled]
    if len(tables) == 1:
        return np.asarray(tables[0])
    degrees = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    return np.stack([tables[0][:, i] * tables[1][:, j] for i, j in degrees], axis=1)


def persistence_threshold(field: Field) -> float:
    """How deep a basin must be to count, unless it is said: max(0.05 median |loss - L0|, 2 median stderr).

    The standard error is that of loss - L0; the first term keeps ripples of a well known surface out, the second
    those of few examples. Surfaces that are compared should get one threshold, the largest of theirs.

    Args:
        field: The field.

    Returns:
        The threshold, in units of the loss; NaN where no loss or no L0 is finite.
    """
    if not field.finite.any():
        return float("nan")
    errors = field.error[np.isfinite(field.error)]
    noise = ERRORS * float(np.median(errors)) if errors.size else 0.0
    return max(RISE_SHARE * float(np.median(np.abs(field.rise[field.finite]))), noise)


def basins(field: Field, persistence: float | None = None) -> float:
    """Count the basins of a surface, by 0-dimensional persistence of its sublevel sets.

    As the level rises, a component of {loss <= level} is born at every local minimum and dies where it meets an
    older, that is deeper, one; its persistence is the height between the two (Edelsbrunner, Letscher & Zomorodian
    2002). Components whose persistence exceeds the threshold count; the deepest one never dies and always counts.
    Neighbours across corners of a cell are neighbours, so that a narrow oblique valley is one basin. Points that
    are not measured are left out like a wall, inf is an infinitely high one.

    Args:
        field: The field.
        persistence: The threshold, in units of the loss; None for `persistence_threshold`.

    Returns:
        The number of basins; NaN where no loss is finite, the threshold is NaN, or gudhi is not installed.
    """
    threshold = persistence_threshold(field) if persistence is None else persistence
    if np.isnan(threshold) or not field.finite.any() or unavailable():
        return float("nan")
    import gudhi

    heights = np.where(field.finite, field.loss, np.inf)
    cells = gudhi.CubicalComplex(top_dimensional_cells=heights)
    cells.compute_persistence()
    births, deaths = cells.persistence_intervals_in_dimension(0).reshape(-1, 2).T
    finite = np.isfinite(births)
    return float((deaths[finite] - births[finite] > threshold).sum())


def unavailable() -> dict[str, str]:
    """Name the numbers that cannot be taken here, each with what would mend it."""
    if importlib.util.find_spec("gudhi") is not None:
        return {}
    return {"basins": "the number of basins needs the package gudhi: pip install 'landscape-viz[analysis]'"}
