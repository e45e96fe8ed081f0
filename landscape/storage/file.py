"""A Surface in one HDF5 file, format 1 (docs/format.md), and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

import landscape
from landscape.errors import LandscapeError
from landscape.storage.opening import format_of, opened, replacing
from landscape.storage.schema import (
    AXIS_LABELS,
    FORMAT,
    FORMAT_VERSION,
    LEADING_LABELS,
    SIGNATURE,
    STATISTICS,
    TEXT,
    direction_names,
)
from landscape.types import Axis, DirectionRecord, Grid, Job, Surface

Read = TypeVar("Read")

UNITS = {"loss": "loss per example", "accuracy": "fraction", "count": "examples", "drift": "nats per channel"}


def save(surface: Surface, path: str | Path) -> None:
    """Write a surface, replacing the whole file at once.

    Args:
        surface: What to write.
        path: Where; missing folders are made.
    """
    with replacing(path) as file:
        file.attrs.create("format", FORMAT, dtype=TEXT)
        file.attrs.create("format_version", FORMAT_VERSION, dtype=np.int64)
        file.attrs.create("generated_by", f"landscape {landscape.__version__}", dtype=TEXT)
        file.attrs.create("created", surface.provenance.get("created", _now()), dtype=TEXT)
        file.attrs.create("job", surface.job.to_json(), dtype=TEXT)
        file.attrs.create("fingerprint", surface.job.fingerprint(), dtype=TEXT)
        file.attrs.create("provenance", json.dumps(surface.provenance), dtype=TEXT)
        _write_axes(file, surface)
        for split in surface.splits:
            _write_group(file, split, surface)
            centre = json.dumps(dict(surface.centre.get(split, {})))
            file[split].attrs.create("centre", centre, dtype=TEXT)
        if any(name.startswith(STATISTICS + "/") for name in surface):
            _write_group(file, STATISTICS, surface)
        names = direction_names(len(surface.grid.axes), surface.job.repeats)
        for name, record in zip(names, surface.directions, strict=False):
            group = file.create_group(f"directions/{name}")
            group.attrs.create("spec", record.spec, dtype=TEXT)
            group.attrs.create("digest", record.digest, dtype=TEXT)
            group.attrs.create("norms", json.dumps(dict(record.norms)), dtype=TEXT)


def load(path: str | Path) -> Surface:
    """Read a surface.

    Args:
        path: The file; it may belong to a run that is still going on.

    Returns:
        The surface.

    Raises:
        LandscapeError: If the file is missing, truncated, not ours, or of a newer format.
    """
    return _understood(path, lambda file: _read(file, path))


def load_origin(path: str | Path) -> tuple[Job, dict[str, Any]]:
    """Read what a surface was made from, without its numbers.

    Args:
        path: The file; it may belong to a run that is still going on.

    Returns:
        The job and the provenance.

    Raises:
        LandscapeError: If the file is missing, truncated, not ours, or of a newer format.
    """
    return _understood(path, _origin)


def _understood(path: str | Path, read: Callable[[h5py.File], Read]) -> Read:
    with opened(path) as file:
        _check_format(file, path)
        try:
            return read(file)
        except (LandscapeError, LookupError, ValueError, TypeError, AttributeError, OSError, RuntimeError) as error:
            raise LandscapeError(_damage(path, error)) from error


def is_surface(path: str | Path) -> bool:
    """Whether a file is a surface that this version reads."""
    try:
        with opened(path) as file:
            _check_format(file, path)
    except LandscapeError:
        return False
    return True


def may_be_ours(path: str | Path) -> bool:
    """Whether a file is a surface of any version, or an .h5 file too broken to tell."""
    try:
        with opened(path) as file:
            return format_of(file) == FORMAT
    except LandscapeError:
        with Path(path).open("rb") as broken:
            return Path(path).suffix == ".h5" and broken.read(len(SIGNATURE)) == SIGNATURE


def _check_format(file: h5py.File, path: str | Path) -> None:
    if format_of(file) != FORMAT:
        raise LandscapeError(
            f"{str(path)!r} is an HDF5 file, but not one of landscape's: its format attribute does not say so"
        )
    version = file.attrs.get("format_version", 0)
    if not isinstance(version, int | np.integer):
        raise LandscapeError(_damage(path, "its format_version is no whole number"))
    if version > FORMAT_VERSION:
        raise LandscapeError(
            f"{str(path)!r} has format version {version}, this landscape reads up to {FORMAT_VERSION}: "
            "install a newer one (pip install --upgrade landscape-viz)"
        )


def _damage(path: str | Path, reason: object) -> str:
    return f"{str(path)!r} is damaged ({reason}): compute it again with --overwrite"


def _origin(file: h5py.File) -> tuple[Job, dict[str, Any]]:
    return Job.from_json(file.attrs["job"]), dict(json.loads(file.attrs["provenance"]))


def _read(file: h5py.File, path: str | Path) -> Surface:
    job, provenance = _origin(file)
    grid = Grid(tuple(Axis(tuple(file[name][()].tolist())) for name in ("x", "y") if name in file))
    quantities: dict[str, NDArray[Any]] = {}
    centre: dict[str, Mapping[str, float]] = {}
    leading = _leading(job)
    for split in job.splits:
        group = file[split]
        for name in dict.fromkeys(("loss", "count", *group)):
            if name not in (*leading, *grid.names):
                quantities[f"{split}/{name}"] = _values(group[name], (*map(len, leading.values()), *grid.shape))
        centre[split] = json.loads(group.attrs["centre"])
    leading.pop("bn", None)
    for name, dataset in file.get(STATISTICS, {}).items():
        quantities[f"{STATISTICS}/{name}"] = _values(dataset, (*map(len, leading.values()), *grid.shape))
    names = direction_names(len(grid.axes), job.repeats)
    records = (file[f"directions/{name}"] for name in names if f"directions/{name}" in file)
    return Surface(
        grid=grid,
        quantities=quantities,
        job=job,
        centre=centre,
        directions=tuple(
            DirectionRecord(group.attrs["spec"], group.attrs["digest"], json.loads(group.attrs["norms"]))
            for group in records
        ),
        provenance=provenance,
        path=str(path),
    )


def _leading(job: Job) -> dict[str, Sequence[Any]]:
    """The dimensions before the axes, with their coordinates, where there are several of either."""
    several = {"repeat": range(job.repeats), "bn": job.policies}
    return {name: values for name, values in several.items() if len(values) > 1}


def _values(dataset: h5py.Dataset, shape: tuple[int, ...]) -> NDArray[Any]:
    if dataset.shape != shape:
        raise ValueError(f"{dataset.name} has shape {dataset.shape}, not {shape}")
    values: NDArray[Any] = dataset[()]
    return values


def _write_axes(file: h5py.File, surface: Surface) -> None:
    for name, values in _leading(surface.job).items():
        dtype = TEXT if name == "bn" else np.int64
        file.create_dataset(name, data=list(values), dtype=dtype).make_scale(name)
        file[name].attrs.create("long_name", LEADING_LABELS[name], dtype=TEXT)
    for name, axis in zip(surface.grid.names, surface.grid.axes, strict=True):
        dataset = file.create_dataset(name, data=axis.array(), dtype=np.float64)
        dataset.make_scale(name)
        dataset.attrs.create("long_name", AXIS_LABELS[name], dtype=TEXT)
        dataset.attrs.create("units", "multiples of the direction", dtype=TEXT)


def _write_group(file: h5py.File, name: str, surface: Surface) -> None:
    """Write the arrays of a split, or those of the statistics, which have no dimension `bn`."""
    group = file.create_group(name)
    dimensions = [one for one in surface.dimensions if name != STATISTICS or one != "bn"]
    for full, values in surface.quantities.items():
        if full.startswith(name + "/"):
            short = full.removeprefix(name + "/")
            dtype = np.int64 if short == "count" else np.float64
            dataset = group.create_dataset(short, data=values, dtype=dtype)
            dataset.attrs.create("units", UNITS.get(re.split("[_:]", short)[0], ""), dtype=TEXT)
            for position, dimension in enumerate(dimensions):
                dataset.dims[position].attach_scale(file[dimension])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
