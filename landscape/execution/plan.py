"""The order of the points: coarse to fine, so that an unfinished run already shows the whole picture."""

from __future__ import annotations

import numpy as np

from landscape.analysis.geometry import lattice_levels
from landscape.types import Grid, IntArray


def coarse_to_fine(grid: Grid) -> IntArray:
    """Order the points of a grid by how coarse a lattice they belong to.

    The centre comes first, then the ends of the range, then every finer lattice that contains those before.

    Args:
        grid: The grid.

    Returns:
        All flat indices, each once.
    """
    levels = np.meshgrid(*(lattice_levels(axis) for axis in grid.axes), indexing="ij")
    return np.argsort(np.maximum.reduce(levels).ravel(), kind="stable").astype(np.int64)
