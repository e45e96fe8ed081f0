"""The values of a run while it goes on: arrays of the grid's shape, filled in any order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.types import Grid, IntArray, Surface


class Results:
    """Arrays to fill; a point is done once its count is positive.

    Args:
        grid: The points.
        splits: Names of the splits.
        names: Names of the quantities of each split.
    """

    def __init__(self, grid: Grid, splits: Sequence[str], names: Sequence[str]) -> None:
        self._grid = grid
        self._splits = tuple(splits)
        self._arrays: dict[str, NDArray[Any]] = {}
        for split in splits:
            for name in names:
                self._arrays[f"{split}/{name}"] = np.full(grid.shape, np.nan)
            self._arrays[f"{split}/count"] = np.zeros(grid.shape, dtype=np.int64)

    def take_over(self, surface: Surface) -> None:
        """Take over the values of an earlier run of the same job."""
        for name, values in surface.quantities.items():
            self._arrays[name] = values.copy()

    def record(self, index: int, values: Mapping[str, Mapping[str, float]]) -> None:
        """Enter the values of a point; the same point may arrive again.

        Args:
            index: Its flat index.
            values: For each split, the value of each quantity, `count` included.
        """
        for split, found in values.items():
            for name, value in found.items():
                self._arrays[f"{split}/{name}"].flat[index] = value

    def remaining(self, order: IntArray) -> list[int]:
        """Flat indices that are not done yet, in the given order."""
        done = np.logical_and.reduce([self._arrays[f"{split}/count"] > 0 for split in self._splits]).ravel()
        return [int(index) for index in order if not done[index]]

    def quantities(self) -> dict[str, NDArray[Any]]:
        """Copies of the arrays."""
        return {name: values.copy() for name, values in self._arrays.items()}
