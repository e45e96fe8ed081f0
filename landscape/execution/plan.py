"""Which points are computed, and in which order: coarse to fine, so that an unfinished run already shows the whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from landscape.analysis.geometry import point_levels
from landscape.execution.results import Results
from landscape.types import Grid, IntArray


@dataclass(frozen=True)
class Batch:
    """Points that are computed one after the other.

    Attributes:
        points: (repeat, flat index) of each.
        said: What is said before; empty for nothing.
    """

    points: Sequence[tuple[int, int]]
    said: str = ""


class Plan(Protocol):
    """Which points are computed."""

    @property
    def grid(self) -> Grid:
        """All points that there are."""

    @property
    def exact(self) -> bool:
        """Whether all of them are computed; else that is but a bound."""

    def batches(self, results: Results) -> Iterator[Batch]:
        """What is computed next; a batch may depend on the results of those before."""

    def record(self) -> Mapping[str, Any]:
        """What the provenance tells of it."""


@dataclass(frozen=True)
class FullGrid:
    """Every point, repeat by repeat, each coarse to fine."""

    grid: Grid
    exact: bool = True

    def batches(self, results: Results) -> Iterator[Batch]:
        """All that is not done."""
        yield Batch(results.remaining(coarse_to_fine(self.grid)))

    def record(self) -> Mapping[str, Any]:
        """Nothing: the counts say all."""
        return {}


def coarse_to_fine(grid: Grid) -> IntArray:
    """Order the points of a grid by how coarse a lattice they belong to.

    The centre comes first, then the ends of the range, then every finer lattice that contains those before.

    Args:
        grid: The grid.

    Returns:
        All flat indices, each once.
    """
    return np.argsort(point_levels(grid).ravel(), kind="stable").astype(np.int64)
