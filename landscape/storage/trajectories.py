"""Paths of trainings through a plane, in files: the 2018 tool's projections, and plain tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from landscape.errors import LandscapeError
from landscape.storage.opening import replaced
from landscape.storage.reference import read_reference_trajectory, write_reference_trajectory
from landscape.types import Trajectory

COLUMNS = ("x", "y", "label")


def read_trajectory(path: str | Path) -> Trajectory:
    """Read a path: a projection file of the 2018 tool, or a .csv file with the columns x and y, and label if any.

    Args:
        path: The file.

    Returns:
        The path.

    Raises:
        LandscapeError: If it is missing or neither of these.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        return read_reference_trajectory(path)
    if not path.is_file():
        raise LandscapeError(f"there is no file {str(path)!r}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        x, y = (np.array([float(row[name]) for row in rows]) for name in COLUMNS[:2])
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise LandscapeError(
            f"{str(path)!r} is no path: it needs columns named x and y with a number in every row ({error})"
        ) from error
    labels = tuple(row["label"] or "" for row in rows) if rows and "label" in rows[0] else ()
    return Trajectory(x, y, labels, source=str(path))


def write_trajectory(trajectory: Trajectory, path: str | Path) -> None:
    """Write a path; the suffix says how.

    Args:
        trajectory: The path.
        path: `.h5` for a projection file of the 2018 tool, `.csv` for a table, `.npz` for NumPy arrays.

    Raises:
        LandscapeError: If the suffix is another.
    """
    path = Path(path)
    writers = {".h5": _as_projection, ".csv": _as_table, ".npz": _as_arrays}
    if path.suffix.lower() not in writers:
        raise LandscapeError(f"a path through a plane is written as {', '.join(writers)}, and {path.name!r} is none")
    writers[path.suffix.lower()](trajectory, path)


def _as_projection(trajectory: Trajectory, path: Path) -> None:
    write_reference_trajectory(path, trajectory)


def _as_table(trajectory: Trajectory, path: Path) -> None:
    columns = [trajectory.x.tolist(), trajectory.y.tolist(), *([trajectory.labels] if trajectory.labels else [])]
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS[: len(columns)])
        writer.writerows(zip(*columns, strict=True))


def _as_arrays(trajectory: Trajectory, path: Path) -> None:
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            x=trajectory.x,
            y=trajectory.y,
            labels=np.array(trajectory.labels, dtype=str),
            explained=np.array(trajectory.explained or (), dtype=np.float64),
        )
