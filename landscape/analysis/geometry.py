"""Parts of a grid."""

from __future__ import annotations

import dataclasses

import numpy as np

from landscape.types import Axis, Grid, IntArray, Surface


def measured_part(surface: Surface) -> Surface:
    """The finest regular lattice of an unfinished surface that is done, for a first picture of a run.

    The points of a run go coarse to fine, so that such a lattice through the centre exists early on.

    Args:
        surface: Any surface.

    Returns:
        The surface itself if it is complete or has no lattice of at least three points along each axis that is,
        else the surface restricted to the lattice.
    """
    if surface.complete:
        return surface
    done = np.logical_and.reduce([surface.done(split) for split in surface.splits])
    step = 2
    while all(len(_lattice(axis, step)) >= 3 for axis in surface.grid.axes):
        rows = [_lattice(axis, step) for axis in surface.grid.axes]
        if done[np.ix_(*rows)].all():
            return _restricted(surface, rows)
        step *= 2
    return surface


def _lattice(axis: Axis, step: int) -> IntArray:
    """Indices whose offset from the centre's is a multiple of the step."""
    centre = int(np.argmin(np.abs(axis.array())))
    return np.arange(centre % step, len(axis), step)


def _restricted(surface: Surface, rows: list[IntArray]) -> Surface:
    axes = (Axis(tuple(axis.array()[index].tolist())) for axis, index in zip(surface.grid.axes, rows, strict=True))
    return dataclasses.replace(
        surface,
        grid=Grid(tuple(axes)),
        quantities={name: values[np.ix_(*rows)] for name, values in surface.quantities.items()},
        provenance={**surface.provenance, "part_of": list(surface.grid.shape)},
    )
