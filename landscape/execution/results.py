"""The values of a run while it goes on: arrays filled in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.types import FloatArray, Grid, IntArray, Surface


class Results:
    """Arrays to fill; a point is done once its counts are positive.

    Args:
        grid: The points.
        names: Full names of the quantities, such as `test/loss`, `test/count`, `statistics/drift`.
        policies: How many policies for BatchNorm's statistics there are.
        repeats: How many draws of the directions.
    """

    def __init__(self, grid: Grid, names: Iterable[str], policies: int = 1, repeats: int = 1) -> None:
        self._grid, self._policies, self._repeats = grid, policies, repeats
        # (repeat, policy, point); what is measured of the statistics themselves has one "policy" only.
        self._arrays: dict[str, NDArray[Any]] = {}
        for name in names:
            shape = (repeats, self._wide(name), grid.size)
            count = name.endswith("/count")
            self._arrays[name] = np.zeros(shape, dtype=np.int64) if count else np.full(shape, np.nan)

    def take_over(self, surface: Surface) -> None:
        """Take over the values of an earlier run of the same job."""
        for name, values in surface.quantities.items():
            self._arrays[name] = values.reshape(self._repeats, self._wide(name), self._grid.size).copy()

    def record(self, repeat: int, index: int, values: Mapping[str, Sequence[float]]) -> None:
        """Enter the values of a point; the same point may arrive again.

        Args:
            repeat: Number of the repeat.
            index: Flat index of the point.
            values: For each quantity, one number per policy; those that are not kept are left out.
        """
        for name, found in values.items():
            if name in self._arrays:
                self._arrays[name][repeat, :, index] = found

    def remaining(self, order: IntArray) -> list[tuple[int, int]]:
        """What is not done yet, as (repeat, flat index): repeat by repeat, each in the given order."""
        there = self._there()
        return [(repeat, index) for repeat in range(self._repeats) for index in order[~there[repeat, order]].tolist()]

    def _there(self) -> NDArray[np.bool_]:
        """Which points are done, shape (repeats, points)."""
        counts = [values for name, values in self._arrays.items() if name.endswith("/count")]
        return np.asarray(np.logical_and.reduce([(values > 0).all(axis=1) for values in counts]))

    @property
    def repeats(self) -> int:
        """How many draws of the directions."""
        return self._repeats

    @property
    def size(self) -> int:
        """Points of all repeats."""
        return self._repeats * self._grid.size

    @property
    def done(self) -> int:
        """How many of them are done."""
        return int(self._there().sum())

    def losses(self, repeat: int) -> FloatArray:
        """The loss of every split under every policy, shape (splits x policies, *shape of the grid)."""
        found = [values[repeat] for name, values in self._arrays.items() if name.endswith("/loss")]
        return np.concatenate(found).reshape(-1, *self._grid.shape)

    def quantities(self) -> dict[str, NDArray[Any]]:
        """Copies of the arrays, without the dimensions of which there is one only."""
        found = {}
        for name, values in self._arrays.items():
            leading = [number for number in (self._repeats, self._wide(name)) if number > 1]
            assert math.prod(leading) * self._grid.size == values.size
            found[name] = values.reshape(*leading, *self._grid.shape).copy()
        return found

    def _wide(self, name: str) -> int:
        return 1 if name.startswith("statistics/") else self._policies
