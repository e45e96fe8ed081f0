"""Lattices of a grid: which points make a coarser picture of the whole range."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from landscape.types import Axis, Grid, IntArray, Surface


def lattice_levels(axis: Axis) -> IntArray:
    """How fine a lattice each coordinate of an axis belongs to.

    The coordinate nearest to 0 has level 0, the two ends have level 1, and each further level halves what lies
    between the coordinates of the levels before.

    Args:
        axis: The axis.

    Returns:
        Shape (n,), the level of each coordinate.
    """
    centre, last = int(np.argmin(np.abs(axis.array()))), len(axis) - 1
    levels = np.full(len(axis), -1, dtype=np.int64)
    levels[[0, last]] = 1
    levels[centre] = 0
    for level in itertools.count(2):
        known = np.flatnonzero(levels >= 0).tolist()
        # Halves are rounded towards the centre, so that a symmetric axis has symmetric lattices.
        middles = [(a + b + (b <= centre)) // 2 for a, b in itertools.pairwise(known) if b - a > 1]
        if not middles:
            break
        levels[middles] = level
    return levels


def point_levels(grid: Grid) -> IntArray:
    """How fine a lattice each point of a grid belongs to: the larger of the levels of its coordinates.

    Args:
        grid: The grid.

    Returns:
        Shape of the grid.
    """
    levels = np.meshgrid(*(lattice_levels(axis) for axis in grid.axes), indexing="ij")
    return np.asarray(np.maximum.reduce(levels), dtype=np.int64)


def measured_part(surface: Surface) -> Surface:
    """The finest lattice of an unfinished surface that is done, for a first picture of a run.

    The points of a run go coarse to fine, so that such a lattice over the whole range exists early on.

    Args:
        surface: Any surface.

    Returns:
        The surface itself if it is complete, has a value everywhere (interpolated ones included), or has no lattice of
        at least three points along each axis that is done; else the surface restricted to the lattice.
    """
    done = np.logical_and.reduce([surface.done(split) for split in surface.splits])
    if surface.complete or done.all():
        return surface
    levels = [lattice_levels(axis) for axis in surface.grid.axes]
    for finest in range(max(int(level.max()) for level in levels) - 1, 0, -1):
        rows = [np.flatnonzero(level <= finest) for level in levels]
        if min(map(len, rows)) >= 3 and done[np.ix_(*rows)].all():
            part = restricted(surface, rows)
            provenance = {**surface.provenance, "part_of": list(surface.grid.shape)}
            return dataclasses.replace(part, provenance=provenance)
    return surface


def stacked(draws: Sequence[Surface]) -> Surface:
    """Put the draws of the directions of one network together again.

    Args:
        draws: Plain surfaces of one job over one grid, which differ in their directions.

    Returns:
        A surface with the dimension `repeat`, or the only draw itself.
    """
    first = draws[0]
    if len(draws) == 1:
        return first
    return dataclasses.replace(
        first,
        quantities={name: np.stack([draw[name] for draw in draws]) for name in first.quantities},
        job=dataclasses.replace(first.job, repeats=len(draws)),
        directions=tuple(record for draw in draws for record in draw.directions),
        provenance={
            **first.provenance,
            "cosines": [draw.provenance.get("cosine") for draw in draws],
            **(
                {"adaptive": [one for draw in draws for one in draw.provenance["adaptive"]]}
                if "adaptive" in first.provenance
                else {}
            ),
        },
    )


def restricted(surface: Surface, rows: Sequence[IntArray]) -> Surface:
    """A plain surface on a part of its grid.

    Args:
        surface: The surface.
        rows: For each axis, the indices to keep.

    Returns:
        The surface there.
    """
    axes = (Axis(tuple(axis.array()[index].tolist())) for axis, index in zip(surface.grid.axes, rows, strict=True))
    return dataclasses.replace(
        surface,
        grid=Grid(tuple(axes)),
        quantities={name: values[np.ix_(*rows)] for name, values in surface.quantities.items()},
    )
