"""The surface files of the 2018 reference tool (tomgoldstein/loss-landscape), read.

Its flat index k enumerates `np.meshgrid(x, y)`: x[k % nx], y[k // nx], x fastest, whatever shape the array is declared
with. What is not done is -1, and whatever is 0 or less counts as not done; accuracies are in percent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.storage.opening import format_of, opened
from landscape.storage.schema import FORMAT
from landscape.types import Axis, FloatArray, Grid, Job, Surface
from landscape.types.job import UNKNOWN

AXES = ("xcoordinates", "ycoordinates")
SPLITS = ("train", "test")
NOT_DONE = -1.0
EIGENVALUES = {"max_eig": -1.0, "min_eig": 1.0}  # with what stands where they are not done
SPLIT = "split"  # attribute of the arrays that we write: the split's own name, if the tool has none for it
RESERVED = ("x", "y", "bn", "repeat", "directions", "statistics", "trajectory", "curvature")  # beside the splits
HINT = re.compile(r"(.+?)_(weights|states)(?=[_.]|$)")  # how the tool names its files after the network's


class Arrays(NamedTuple):
    """Of one split, arrays of our grid's shape: losses, fractions, and what is done."""

    loss: FloatArray
    accuracy: FloatArray | None
    done: NDArray[np.bool_]


def is_reference_surface(path: str | Path) -> bool:
    """Whether a file is a surface in the reference tool's layout.

    Args:
        path: The file.

    Returns:
        True if it is.

    Raises:
        LandscapeError: If it is missing or no HDF5 file.
    """
    with opened(path) as file:
        return AXES[0] in file and format_of(file) != FORMAT


def read_reference_surface(path: str | Path, samples: int | None = None) -> Surface:
    """Read a surface of the reference tool; what its file does not say stays unknown.

    Args:
        path: The file.
        samples: On how many examples each point was measured, for whoever knows; None where nobody does.

    Returns:
        The surface: losses and accuracies (as fractions) of each split, no standard errors. Coordinates within 1e-12 of
        the range from 0 are 0. The count is `samples` where a point is done, or 1 where that is unknown.

    Raises:
        LandscapeError: If the file holds no such surface, or is damaged.
    """
    try:
        with opened(path) as file:
            grid, order = _grid(file)
            splits = _splits(file, order)
            eigenvalues, notes = _eigenvalues(file, order, next(iter(splits.values())))
            hint = _hint(file)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        raise LandscapeError(
            f"{str(path)!r} is no surface of the 2018 tool, or a damaged one ({error}): copy it again"
        ) from error
    job = _job(Path(path), hint, grid, splits, samples)
    quantities: dict[str, NDArray[Any]] = {}
    for split, one in splits.items():
        quantities[f"{split}/loss"] = one.loss
        if one.accuracy is not None:
            quantities[f"{split}/accuracy"] = one.accuracy
        quantities[f"{split}/count"] = one.done.astype(np.int64) * (samples or 1)
    quantities.update({f"{next(iter(splits))}/{name}": values for name, values in eigenvalues.items()})
    return Surface(
        grid, quantities, job, _centre(grid, splits, samples), (), _provenance(Path(path), hint, notes), str(path)
    )


def _grid(file: h5py.File) -> tuple[Grid, tuple[NDArray[np.intp], ...]]:
    """The grid, and in which order its coordinates stand in the file: ours ascend."""
    found = [np.asarray(file[name][()], dtype=np.float64).reshape(-1) for name in AXES if name in file]
    order = tuple(np.argsort(values, kind="stable") for values in found)
    for values in found:
        values[np.abs(values) < 1e-12 * np.ptp(values)] = 0.0
    try:
        return Grid(tuple(Axis(tuple(values[index])) for values, index in zip(found, order, strict=True))), order
    except LandscapeError as error:
        raise ValueError(str(error)) from error


def _read(file: h5py.File, name: str, order: tuple[NDArray[np.intp], ...]) -> FloatArray | None:
    """An array, from the tool's order to `[i, j]` of (x[i], y[j])."""
    if name not in file:
        return None
    flat, shape = np.asarray(file[name][()], dtype=np.float64).reshape(-1), tuple(len(index) for index in order)
    if flat.size != np.prod(shape):
        raise ValueError(f"{name} has {flat.size} values for {' x '.join(map(str, shape))} points")
    return np.asarray(flat.reshape(shape[::-1]).T[np.ix_(*order)], dtype=np.float64)


def _splits(file: h5py.File, order: tuple[NDArray[np.intp], ...]) -> dict[str, Arrays]:
    found: dict[str, Arrays] = {}
    for name in SPLITS:
        loss, accuracy = (_read(file, f"{name}_{what}", order) for what in ("loss", "acc"))
        if loss is None:
            continue
        done = (loss > 0) | np.isnan(loss)
        if accuracy is not None:
            accuracy = np.where(done & ~(accuracy < 0), accuracy / 100.0, np.nan)
        found[_own_name(file, name, found)] = Arrays(np.where(done, loss, np.nan), accuracy, done)
    if not found:
        raise ValueError("it has neither train_loss nor test_loss")
    return found


def _own_name(file: h5py.File, name: str, taken: Mapping[str, Arrays]) -> str:
    """What the split was called where we wrote the file; the tool's name anywhere else."""
    own = str(file[f"{name}_loss"].attrs.get(SPLIT, name))
    return own if re.fullmatch(r"[A-Za-z][\w.-]*", own) and own not in (*taken, *RESERVED) else name


def _eigenvalues(
    file: h5py.File, order: tuple[NDArray[np.intp], ...], first: Arrays
) -> tuple[dict[str, FloatArray], list[str]]:
    """The largest and smallest eigenvalues, where both are there for every point that is done."""
    found = {name: values for name in EIGENVALUES if (values := _read(file, name, order)) is not None}
    if len(found) < len(EIGENVALUES):
        return {}, []
    begun = ~np.logical_and.reduce([found[name] == blank for name, blank in EIGENVALUES.items()])
    if (first.done & ~begun).any():
        return {}, ["min_eig and max_eig are not there for every point that is done, and were left out"]
    kept = {name: np.where(first.done, values, np.nan) for name, values in found.items()}
    return kept, ["min_eig and max_eig are those of the sum over the batches of their mean losses, not of the mean"]


def _hint(file: h5py.File) -> str:
    """The path of the direction file, as it was where the tool ran; empty where there is none."""
    value = file["dir_file"][()] if "dir_file" in file else b""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _job(path: Path, hint: str, grid: Grid, splits: Mapping[str, Arrays], samples: int | None) -> Job:
    digest = hashlib.sha256()
    for axis in grid.axes:
        digest.update(axis.array().tobytes())
    for split, one in splits.items():
        digest.update(split.encode() + one.loss.tobytes())
    unlike_others = f"{UNKNOWN}:{digest.hexdigest()[:16]}"
    directions = PurePosixPath(hint).name
    named = HINT.match(directions) or HINT.match(path.name)
    return Job(
        checkpoint=named[1] if named else path.stem,
        checkpoint_sha256=unlike_others,
        model=UNKNOWN,
        data=UNKNOWN,
        data_digest=dict.fromkeys(splits, unlike_others),
        loss=UNKNOWN,
        x=str(grid.axes[0]),
        y=str(grid.axes[1]) if len(grid.axes) > 1 else "none",
        samples=UNKNOWN if samples is None else f"{UNKNOWN}:{samples}",  # how many, but not which
        directions=UNKNOWN if directions in ("", "random") else directions,
        directions_sha256=unlike_others,
        normalize="imported",
        perturb="imported",
        parametrization="raw",
        precision=UNKNOWN,
    )


def _centre(grid: Grid, splits: Mapping[str, Arrays], samples: int | None) -> dict[str, dict[str, float]]:
    """What was measured at the trained weights themselves, where they are a point of the grid that is done."""
    index = grid.centre()
    found: dict[str, dict[str, float]] = {split: {} for split in splits}
    for split, one in splits.items():
        if index is None or not one.done.flat[index]:
            continue
        found[split]["loss"] = float(one.loss.flat[index])
        if one.accuracy is not None:
            found[split]["accuracy"] = float(one.accuracy.flat[index])
        if samples is not None:
            found[split]["count"] = float(samples)
    return found


def _provenance(path: Path, hint: str, notes: list[str]) -> dict[str, Any]:
    said = "a surface file of the 2018 tool says nothing of the network, the examples, the loss, the seed and the norm"
    if (named := HINT.match(PurePosixPath(hint).name or path.name)) and named[2] == "states":
        notes = [*notes, "by its name the direction moves running statistics, too, which are then not frozen"]
    return {
        "imported": {
            "from": "loss-landscape, 2018",
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "dir_file": hint,
        },
        "notes": [said, *notes],
    }
