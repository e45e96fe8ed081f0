"""Surfaces as tables and arrays for other programs: .csv, .npz and netCDF."""

from __future__ import annotations

import csv as comma_separated
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import landscape
from landscape.storage.opening import replaced
from landscape.storage.schema import AXIS_LABELS, LEADING_LABELS, STATISTICS, TEXT
from landscape.storage.text import described_json
from landscape.types import Surface

NETCDF_UNITS = {"count": "1", "accuracy": "1", "accuracy_stderr": "1", "drift": "nats per channel"}


def csv(surface: Surface, path: Path) -> Sequence[str]:
    """Write a tidy table: one row for each point of each draw and policy, one column for each quantity.

    The file is plain, so that every program reads it without options. What belongs to it, the job and the provenance,
    stands beside it in `<path>.json`. A value that was not measured is empty; NaN and Inf were measured so.

    Args:
        surface: The surface.
        path: Where the file will be.

    Returns:
        What is said of the file, a sentence each.
    """
    head = [*surface.dimensions, *surface]
    with replaced(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = comma_separated.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(zip(*_columns(surface), strict=True))
    beside = sidecar(path)
    with replaced(beside) as temporary:
        temporary.write_text(json.dumps(described_json(surface), indent=2) + "\n", encoding="utf-8")
    return [f"job and provenance are in {beside}"]


def sidecar(path: Path) -> Path:
    """Where the metadata of a .csv file stand: `run.csv.json` for `run.csv`."""
    return path.with_name(path.name + ".json")


def npz(surface: Surface, path: Path) -> Sequence[str]:
    """Write NumPy arrays by the names that the surface has for them, with coordinates and, as JSON text, the rest.

    Args:
        surface: The surface.
        path: Where the file will be.

    Returns:
        Nothing to be said.
    """
    arrays = {**_coordinates(surface), **{name: surface[name] for name in surface}}
    texts = {name: np.array(json.dumps(value)) for name, value in described_json(surface).items() if name != "file"}
    with replaced(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **{**texts, **arrays})  # type: ignore[arg-type]
    return []


def netcdf(surface: Surface, path: Path) -> Sequence[str]:
    """Write netCDF-4: every quantity a variable over named dimensions, `test/loss` as `test_loss`.

    Args:
        surface: The surface.
        path: Where the file will be.

    Returns:
        Nothing to be said.
    """
    # netCDF's own library wants to know in which order things were made.
    with replaced(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        for name, value in _global_attributes(surface).items():
            file.attrs.create(name, value, dtype=TEXT)
        for name, values in _coordinates(surface).items():
            text = values.dtype.kind == "U"
            scale = file.create_dataset(
                name, data=values.tolist() if text else values, dtype=TEXT if text else values.dtype
            )
            scale.make_scale(name)
            scale.attrs.create("long_name", {**AXIS_LABELS, **LEADING_LABELS}[name], dtype=TEXT)
        for name in surface:
            _write_variable(file, name, surface)
    return []


def _coordinates(surface: Surface) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {
        "repeat": np.arange(surface.repeats, dtype=np.int64),
        "bn": np.array(surface.policies, dtype=str),
        **{name: axis.array() for name, axis in zip(surface.grid.names, surface.grid.axes, strict=True)},
    }
    return {name: found[name] for name in surface.dimensions}


def _dimensions(surface: Surface, name: str) -> list[str]:
    """The dimensions of a quantity: what is measured of the statistics themselves has no policy."""
    return [one for one in surface.dimensions if one != "bn" or not name.startswith(STATISTICS + "/")]


def _columns(surface: Surface) -> Iterator[list[Any]]:
    coordinates = _coordinates(surface)
    shape = tuple(len(values) for values in coordinates.values())
    for values in np.meshgrid(*coordinates.values(), indexing="ij"):
        yield values.ravel().tolist()
    for name in surface:
        values = surface[name]
        if values.ndim < len(shape):
            values = np.expand_dims(values, surface.dimensions.index("bn"))
        yield _column(np.broadcast_to(values, shape).ravel(), _done(surface, name, shape))


def _done(surface: Surface, name: str, shape: tuple[int, ...]) -> list[bool]:
    """Where a quantity has a value; the counts have one everywhere."""
    split, _, short = name.rpartition("/")
    if short in ("count", "interpolated"):
        return [True] * math.prod(shape)
    return surface.done(split if split in surface.splits else None).ravel().tolist()


def _column(values: NDArray[Any], done: Sequence[bool]) -> list[Any]:
    if values.dtype.kind != "f":
        return list(values.astype(np.int64).tolist())
    return [_number(value) if there else "" for value, there in zip(values.tolist(), done, strict=True)]


def _number(value: float) -> str:
    """As few digits as read back to the same number; words for the rest that R and pandas know, too."""
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("Inf" if value > 0 else "-Inf")


def _global_attributes(surface: Surface) -> Mapping[str, str]:
    job = surface.job
    return {
        "_NCProperties": f"version=2,landscape={landscape.__version__},hdf5={h5py.version.hdf5_version}",
        "Conventions": "CF-1.8",
        "title": f"loss landscape of {job.checkpoint}",
        "source": f"landscape {landscape.__version__}",
        "history": str(surface.provenance.get("command", "")),
        "fingerprint": job.fingerprint(),
        "job": job.to_json(),
        "centre": json.dumps({split: dict(values) for split, values in surface.centre.items()}),
        "provenance": json.dumps(surface.provenance),
    }


def _write_variable(file: h5py.File, name: str, surface: Surface) -> None:
    values = surface[name]
    dtype = np.float64 if values.dtype.kind == "f" else np.int64
    variable = file.create_dataset(re.sub(r"\W", "_", name), data=values, dtype=dtype)
    variable.attrs.create("long_name", name, dtype=TEXT)
    variable.attrs.create("units", NETCDF_UNITS.get(name.rpartition("/")[2], ""), dtype=TEXT)
    for position, dimension in enumerate(_dimensions(surface, name)):
        variable.dims[position].attach_scale(file[dimension])
