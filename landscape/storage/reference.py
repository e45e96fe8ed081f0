"""The files of the 2018 reference tool (tomgoldstein/loss-landscape), as it reads and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.storage.opening import opened, replacing
from landscape.types import Trajectory

GROUPS = ("xdirection", "ydirection")
PROJECTIONS = ("proj_xcoord", "proj_ycoord")
SHARES = "explained_variance_ratio_"


def is_reference_directions(path: str | Path) -> bool:
    """Whether a file holds directions in the reference tool's layout: a group `xdirection`.

    Args:
        path: The file.

    Returns:
        True if it does.

    Raises:
        LandscapeError: If it is missing or no HDF5 file.
    """
    with opened(path) as file:
        return GROUPS[0] in file


def read_reference_directions(path: str | Path) -> dict[str, list[NDArray[np.float32]]]:
    """Read `xdirection` and, if there, `ydirection`: datasets named "0", "1", ... in numerical order.

    Args:
        path: The file.

    Returns:
        For each group the list of its arrays, float32.

    Raises:
        LandscapeError: If a group is not what the reference tool writes.
    """
    found = {}
    with opened(path) as file:
        for group in (name for name in GROUPS if name in file):
            members = file[group]
            names = [str(index) for index in range(len(members))]
            if not names or any(not isinstance(members.get(name), h5py.Dataset) for name in names):
                raise LandscapeError(f'{path}::{group} does not hold datasets "0", "1", ...: it is no direction file')
            found[group] = [np.asarray(members[name][()], dtype=np.float32) for name in names]
    return found


def write_reference_directions(path: str | Path, directions: Sequence[Sequence[NDArray[np.floating]]]) -> None:
    """Write one or two directions as the reference tool does: one dataset per entry of the model's parameters.

    Args:
        path: Where the file will be.
        directions: For each direction its tensors, in the order of `net.parameters()`.
    """
    with replacing(path) as file:
        for group, tensors in zip(GROUPS, directions, strict=False):
            for index, tensor in enumerate(tensors):
                file.create_dataset(f"{group}/{index}", data=tensor, dtype=np.float32)


def is_reference_trajectory(path: str | Path) -> bool:
    """Whether a file holds the projection of a training's path in the reference tool's layout.

    Args:
        path: The file.

    Returns:
        True if it does.

    Raises:
        LandscapeError: If it is missing or no HDF5 file.
    """
    with opened(path) as file:
        return all(name in file for name in PROJECTIONS)


def read_reference_trajectory(path: str | Path) -> Trajectory:
    """Read the path of a training through a plane: `proj_xcoord` and `proj_ycoord`.

    The file of the principal components beside it, which the projection is named after, has the shares of the variance.

    Args:
        path: The projection file, for example `directions.h5_proj_cos.h5`.

    Returns:
        The path. It has no labels: the file does not say which epochs its points are.

    Raises:
        LandscapeError: If the file is no projection file.
    """
    with opened(path) as file:
        found = [file.get(name) for name in PROJECTIONS]
        if not all(isinstance(one, h5py.Dataset) for one in found):
            raise LandscapeError(
                f"{str(path)!r} has no {' and '.join(PROJECTIONS)}: it is no projection file of the 2018 tool"
            )
        try:
            x, y = (np.asarray(one[()], dtype=np.float64).reshape(-1) for one in found)
        except (ValueError, TypeError, OSError) as error:
            raise LandscapeError(f"{str(path)!r} is damaged ({error}): project the path again") from error
    return Trajectory(x, y, explained=_shares(Path(path)), source=str(path))


def write_reference_trajectory(path: str | Path, trajectory: Trajectory) -> None:
    """Write a path as the reference tool's projection file; labels and shares have no place in it.

    Args:
        path: Where the file will be.
        trajectory: The path.
    """
    with replacing(path) as file:
        for name, values in zip(PROJECTIONS, (trajectory.x, trajectory.y), strict=True):
            file.create_dataset(name, data=values, dtype=np.float64)


def _shares(path: Path) -> tuple[float, float] | None:
    """The shares of variance out of `directions.h5`, of which `directions.h5_proj_cos.h5` is the projection."""
    name = path.name.rpartition("_proj_")[0]
    if not name or not (directions := path.with_name(name)).is_file():
        return None
    try:
        with opened(directions) as file:
            values = np.asarray(file[SHARES][()], dtype=np.float64).reshape(-1) if SHARES in file else np.empty(0)
    except (LandscapeError, ValueError, TypeError, OSError):
        return None
    whole = len(values) >= 2 and np.isfinite(values[:2]).all() and (values[:2] >= 0).all()
    return (float(values[0]), float(values[1])) if whole else None
