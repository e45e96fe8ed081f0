"""What lies at points that an adaptive run left out: interpolated, lattice by lattice, from what was measured.

The same interpolation decides where such a run refines (`execution/adaptive.py`) and what is drawn, so that the picture
is the one whose error was estimated. Nothing else is ever interpolated: a measured value stays, NaN and inf included.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.geometry import lattice_levels, point_levels
from landscape.analysis.scales import choose_scale
from landscape.types import Axis, FloatArray, Grid, IntArray, Surface
from landscape.types.surface import INTERPOLATED, STATISTICS

LARGEST_GAIN = 4.0  # of errors, by the weights of a cubic; 3 where a step is twice the next, beside the border
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Stencil:
    """How the coordinates of a lattice are interpolated from those of the next coarser one.

    Attributes:
        coarse: Indices of the coordinates of the coarser lattice, shape (m,).
        fine: Indices of those of the lattice itself, shape (n,).
        cubic: For each of these four places in the coarser lattice (two if it has fewer than four), and their weights.
        linear: The two on either side, and their weights.
    """

    coarse: IntArray
    fine: IntArray
    cubic: tuple[IntArray, FloatArray]
    linear: tuple[IntArray, FloatArray]


def _stencil(axis: Axis, levels: IntArray, level: int) -> _Stencil:
    values = axis.array()
    coarse, fine = np.flatnonzero(levels < level), np.flatnonzero(levels <= level)
    known, asked = values[coarse], values[fine]
    before = np.clip(np.searchsorted(known, asked, side="right") - 1, 0, max(len(known) - 2, 0))
    pair = before[:, None] + np.arange(min(2, len(known)))
    linear = pair, _lagrange(asked, known[pair])
    if len(known) < 4:
        return _Stencil(coarse, fine, linear, linear)
    four = np.clip(before - 1, 0, len(known) - 4)[:, None] + np.arange(4)
    return _Stencil(coarse, fine, (four, _lagrange(asked, known[four])), linear)


def _lagrange(asked: FloatArray, nodes: FloatArray) -> FloatArray:
    """Weights of the polynomial through nodes, shape (n, k), at coordinates, shape (n,)."""
    weights = np.ones_like(nodes)
    for own in range(nodes.shape[1]):
        for other in range(nodes.shape[1]):
            if other != own:
                weights[:, own] *= (asked - nodes[:, other]) / (nodes[:, own] - nodes[:, other])
    return weights


def _along(values: FloatArray, stencil: _Stencil, cubic: bool) -> FloatArray:
    """Interpolate along the first dimension: cubic, linear beside what is not finite or where cubics would swing."""
    if not cubic:
        return _weighted(values, *stencil.linear)
    smooth, linear = (_weighted(values, *how) for how in (stencil.cubic, stencil.linear))
    swings = np.abs(stencil.cubic[1]).sum(axis=1) > LARGEST_GAIN  # on very uneven axes
    swings = swings.reshape(-1, *[1] * (values.ndim - 1))
    return np.where(np.isfinite(smooth) & ~swings, smooth, linear)


def _weighted(values: FloatArray, places: IntArray, weights: FloatArray) -> FloatArray:
    total = np.zeros((len(places), *values.shape[1:]))
    for place, weight in zip(places.T, weights.T, strict=True):
        column = weight.reshape(-1, *[1] * (values.ndim - 1))
        # A weight of 0 must not carry the NaN of the neighbour over: 0 * NaN is NaN.
        total += np.multiply(column, values[place], out=np.zeros_like(total), where=column != 0)
    return total


def interpolated(
    heights: FloatArray, known: BoolArray, grid: Grid, cubic: bool = True
) -> tuple[FloatArray, FloatArray]:
    """Interpolate every point from the lattices that are coarser than its own.

    Level by level, along one axis after the other: through the four nearest coordinates of the next coarser lattice (a
    polynomial of third degree), or the nearest two. What is not known there was interpolated before.

    Args:
        heights: Values as they are plotted, shape of the grid.
        known: Where they count, same shape; elsewhere they are not looked at.
        grid: The points.
        cubic: False for the nearest two everywhere: what is filled in is then between values that are known.

    Returns:
        The heights with what is not known filled in; and what each point is interpolated as, known or not. NaN at the
        points of the two coarsest lattices, which nothing precedes, and beside what is not finite.
    """
    filled = np.where(known, heights, np.nan)
    expected = np.full(grid.shape, np.nan)
    levels = [lattice_levels(axis) for axis in grid.axes]
    own = point_levels(grid)
    for level in range(2, int(own.max()) + 1):
        stencils = [_stencil(axis, each, level) for axis, each in zip(grid.axes, levels, strict=True)]
        values = filled[np.ix_(*(one.coarse for one in stencils))]
        for one in stencils:  # after as many turns as there are axes, each is where it was
            values = np.moveaxis(_along(values, one, cubic), 0, -1)
        lattice = np.ix_(*(one.fine for one in stencils))
        new = own[lattice] == level
        expected[lattice] = np.where(new, values, expected[lattice])
        filled[lattice] = np.where(new & ~known[lattice], values, filled[lattice])
    return filled, expected


def deviations(values: FloatArray, known: BoolArray, grid: Grid) -> FloatArray:
    """How far values are from what the known ones let expect, as a fraction of the range that figures show.

    Args:
        values: Of one quantity, shape of the grid.
        known: Which of them count for the expectation and for the range.
        grid: The points.

    Returns:
        Shape of the grid, in [0, 1]; inf where the value or the expectation is not finite, 0 in the two coarsest
        lattices.
    """
    scale = choose_scale([np.where(known, values, np.nan)])
    heights = scale.heights(values)
    low, high = scale.transform([scale.lower, scale.upper])
    expected = interpolated(heights, known, grid)[1]
    apart = np.abs(np.clip(heights, low, high) - np.clip(expected, low, high)) / (high - low)
    return np.where(point_levels(grid) > 1, np.where(np.isfinite(apart), apart, np.inf), 0.0)


def filled(surface: Surface) -> Surface:
    """Fill the points that an adaptive run left out, for whoever draws or measures the whole surface.

    Every quantity is interpolated on the scale that is chosen for its measured values, a logarithmic one where figures
    would take that. Where none of these is negative none of the interpolated is, and accuracies stay between those
    measured. What a run that has not ended would still measure is interpolated linearly, so that nothing swings for
    want of points, and so are standard errors at any time, which must not swing either.

    Args:
        surface: Any surface; of an adaptive run that is not finished, at least the coarsest lattices are needed.

    Returns:
        The surface with a further quantity `interpolated` for each split, true where its values are; the surface itself
        if it is of no adaptive run, filled already, or has nothing to fill.
    """
    if not surface.job.adaptive or any(name.endswith(INTERPOLATED) for name in surface) or surface.done().all():
        return surface
    quantities = {
        name: values if name.endswith("/count") else _filled(surface, name, _measured(surface, name))
        for name, values in surface.quantities.items()
    }
    for split in surface.splits:
        added = ~surface.done(split) & np.isfinite(quantities[f"{split}/loss"])
        quantities[split + INTERPOLATED] = added
    return dataclasses.replace(surface, quantities=quantities)


def _measured(surface: Surface, name: str) -> BoolArray:
    """Where a quantity was measured; what is measured of the statistics has no dimension for policies."""
    if not name.startswith(STATISTICS):
        return surface.done(name.split("/")[0])
    done = surface.done()
    return np.asarray(done.all(axis=surface.dimensions.index("bn"))) if "bn" in surface.dimensions else done


def _filled(surface: Surface, name: str, measured: BoolArray) -> FloatArray:
    """One quantity of every repeat and policy, each on its own."""
    values, grid, told = surface[name], surface.grid, surface.provenance.get("adaptive", ())
    coarsest = point_levels(grid) <= 1
    found = np.array(values, dtype=np.float64)
    for index in np.ndindex(values.shape[: -len(grid.axes)]):
        own = measured[index]
        repeat = index[0] if surface.repeats > 1 else 0
        ended = repeat < len(told) and bool(told[repeat]["finished"])
        if own[coarsest].all():
            found[index] = np.where(own, values[index], _restored(name, values[index], own, grid, ended))
    return found


def _restored(name: str, values: FloatArray, measured: BoolArray, grid: Grid, ended: bool) -> FloatArray:
    accuracy = name.endswith("/accuracy")
    known = np.where(measured, values, np.nan)
    if name.endswith("_stderr"):
        return interpolated(known, measured, grid, cubic=False)[0]
    scale = choose_scale([known], bounded=accuracy)
    heights = interpolated(scale.heights(known), measured, grid, cubic=ended)[0]
    with np.errstate(over="ignore"):
        found = np.power(10.0, heights) if scale.log else heights
    if accuracy:  # on plateaus at chance or at 1 cubics swing beyond what there is
        return np.clip(found, np.nanmin(known), np.nanmax(known))
    return found if (known < 0).any() else np.maximum(found, 0.0)
