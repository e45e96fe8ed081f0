"""Surfaces as files of the 2018 reference tool, which its scripts draw and its program goes on with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

import landscape
from landscape.errors import LandscapeError, nearest
from landscape.storage.opening import replacing
from landscape.storage.reference_surface import AXES, EIGENVALUES, NOT_DONE, SPLIT
from landscape.storage.schema import TEXT
from landscape.types import FloatArray, Surface
from landscape.types.job import UNKNOWN


def write_reference_surface(
    surface: Surface, path: str | Path, *, split: str | None = None, dir_file: str = ""
) -> tuple[str, ...]:
    """Write a surface as the reference tool does, so that its scripts read it and its program goes on with it.

    Args:
        surface: A plain surface.
        path: Where the file will be.
        split: The split that becomes `train_loss` and `train_acc`, the only ones that the tool draws; None for `train`,
            or the first where there is none. The split `test` becomes `test_loss` and `test_acc` unless it is chosen.
        dir_file: The path of the direction file that the tool is to be told.

    Returns:
        What is said of the file otherwise than in the surface, a sentence each.

    Raises:
        LandscapeError: If there is no such split, or the surface holds several.
    """
    _refuse_several(surface)
    if split is not None and split not in surface.splits:
        raise LandscapeError(
            f"{surface.path or 'this surface'} has no split {split!r}; {nearest(split, surface.splits)}"
        )
    chosen = split or ("train" if "train" in surface.splits else surface.splits[0])
    names = {"train": chosen, **({"test": "test"} if "test" in surface.splits and chosen != "test" else {})}
    with replacing(path) as file:
        file.attrs.create("generated_by", f"landscape {landscape.__version__}", dtype=TEXT)
        file.attrs.create("fingerprint", surface.job.fingerprint(), dtype=TEXT)
        file.create_dataset("dir_file", data=dir_file or _directions_file(surface), dtype=TEXT)
        for name, axis in zip(AXES, surface.grid.axes, strict=False):
            file.create_dataset(name, data=axis.array(), dtype=np.float64)
        for name, own in names.items():
            _write_split(file, name, surface, own)
        _write_eigenvalues(file, surface, chosen)
    return _remarks(surface, names)


def _directions_file(surface: Surface) -> str:
    """The file that the directions came from, as far as the surface says; empty where they were drawn."""
    return "" if surface.job.directions in ("random", UNKNOWN) else surface.job.directions


def _refuse_several(surface: Surface) -> None:
    if len(surface.dimensions) > len(surface.grid.axes):
        raise LandscapeError(
            f"{surface.path or 'this surface'} holds several surfaces, and a file of the 2018 tool one: select it with "
            "--bn and --repeat"
        )


def _flat(values: FloatArray) -> FloatArray:
    """An array in the tool's order, declared with its shape (nx, ny)."""
    return values.T.reshape(values.shape)


def _write_split(file: h5py.File, name: str, surface: Surface, split: str) -> None:
    done = surface[f"{split}/count"] > 0
    arrays = {"loss": surface[f"{split}/loss"]}
    if f"{split}/accuracy" in surface:
        arrays["acc"] = surface[f"{split}/accuracy"] * 100.0
    for what, values in arrays.items():
        stored = _flat(np.where(done, values, NOT_DONE))
        dataset = file.create_dataset(f"{name}_{what}", data=stored, dtype=np.float64)
        if split != name:
            dataset.attrs.create(SPLIT, split, dtype=TEXT)


def _write_eigenvalues(file: h5py.File, surface: Surface, split: str) -> None:
    done = surface[f"{split}/count"] > 0
    for name, blank in EIGENVALUES.items():
        if f"{split}/{name}" in surface:
            file.create_dataset(name, data=_flat(np.where(done, surface[f"{split}/{name}"], blank)), dtype=np.float64)


def _remarks(surface: Surface, names: Mapping[str, str]) -> tuple[str, ...]:
    said = [f"the split {own} stands under {name}_loss" for name, own in names.items() if own != name]
    left = [split for split in surface.splits if split not in names.values()]
    said += [f"the split {split} has no place in that layout and is left out" for split in left]
    if f"{names['train']}/accuracy" not in surface:
        said.append("there is no accuracy, without which that tool's plot_1D stops")
    for own in names.values():
        loss, done = surface[f"{own}/loss"], surface[f"{own}/count"] > 0
        low = int((done & (loss <= 0)).sum())
        said += [f"{low:,} of its {own} losses are 0 or less, which that tool takes for not done"] if low else []
    return tuple(said)
