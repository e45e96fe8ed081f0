"""The order of the points: coarse to fine, so that an unfinished run already shows the whole picture."""

from __future__ import annotations

import numpy as np

from landscape.types import FloatArray, Grid, IntArray


def coarse_to_fine(grid: Grid) -> IntArray:
    """Order the points of a grid by how coarse a lattice through the centre they belong to.

    A point whose offsets from the centre are all multiples of 2^k lies on the lattice of level k; the centre comes
    first, then the coarsest lattice, then every finer one that contains it.

    Args:
        grid: The grid.

    Returns:
        All flat indices, each once.
    """
    levels = np.meshgrid(*(_levels(axis.array()) for axis in grid.axes), indexing="ij")
    coarsest = np.minimum.reduce(levels).ravel()
    return np.argsort(-coarsest, kind="stable").astype(np.int64)


def _levels(coordinates: FloatArray) -> IntArray:
    """For each coordinate of an axis, the largest k such that 2^k divides its index's offset from the centre's."""
    offsets = np.abs(np.arange(len(coordinates)) - int(np.argmin(np.abs(coordinates))))
    lowest_bit = offsets & -offsets
    return np.where(offsets == 0, 62, np.log2(np.maximum(lowest_bit, 1))).astype(np.int64)
