"""Directions with their tensors, in `<out>.directions.h5`: written once and referred to by sha256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.storage.opening import format_of, opened, replacing
from landscape.storage.schema import DIRECTION_NAMES, DIRECTIONS_FORMAT, TEXT

FloatTensor = NDArray[np.floating]


def write_named_directions(path: str | Path, directions: Mapping[str, Mapping[str, FloatTensor]]) -> None:
    """Write directions tensor by tensor, in their own dtypes.

    Args:
        path: Where the file will be.
        directions: `first` and, in two dimensions, `second`, each a tensor per parameter name.

    Raises:
        LandscapeError: If a file that is not ours stands there.
    """
    if Path(path).exists() and not _is_ours(path):
        raise LandscapeError(
            f"{str(path)!r} would hold the directions, but it is another file: move it, or give another --out"
        )
    with replacing(path) as file:
        file.attrs.create("format", DIRECTIONS_FORMAT, dtype=TEXT)
        for group, tensors in directions.items():
            for name, tensor in tensors.items():
                # A dot may stand in an HDF5 name, a slash may not: parameter names have dots only.
                file.create_dataset(f"{group}/{name}", data=tensor, dtype=tensor.dtype)


def _is_ours(path: str | Path) -> bool:
    try:
        with opened(path) as file:
            return format_of(file) == DIRECTIONS_FORMAT
    except LandscapeError:
        return False


def read_named_directions(path: str | Path) -> dict[str, dict[str, FloatTensor]]:
    """Read what `write_named_directions` wrote.

    Args:
        path: The file.

    Returns:
        A tensor per parameter name, for each direction in order.

    Raises:
        LandscapeError: If the file holds something else.
    """
    with opened(path) as file:
        if format_of(file) != DIRECTIONS_FORMAT:
            raise LandscapeError(
                f"{str(path)!r} holds no directions: give a file made with --save-directions, "
                "or a direction file of the 2018 tool (groups xdirection and ydirection)"
            )
        names = [name for name in DIRECTION_NAMES if name in file]
        return {group: {n: t[()] for n, t in file[group].items() if isinstance(t, h5py.Dataset)} for group in names}
