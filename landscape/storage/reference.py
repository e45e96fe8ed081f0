"""The files of the 2018 reference tool (tomgoldstein/loss-landscape), as it reads and writes them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.storage.opening import opened

GROUPS = ("xdirection", "ydirection")


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
