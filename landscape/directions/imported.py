"""Directions out of a file: our own `.directions.h5`, or the 2018 tool's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError, listed
from landscape.parameters import Direction, ParameterSpace, canonical
from landscape.storage.directions import FloatTensor, read_named_directions
from landscape.storage.reference import is_reference_directions, read_reference_directions


def read_directions(path: str | Path, space: ParameterSpace, state: Mapping[str, Tensor]) -> tuple[Direction, ...]:
    """Read one or two directions for a model.

    Args:
        path: The file.
        space: The model's parameters.
        state: The model's state dict, parameters and buffers in its order: files
            of the 2018 tool with `dir_type=states` cover them too.

    Returns:
        The directions, taken as they are: no normalization, no role is excluded.

    Raises:
        LandscapeError: If the file holds no directions, or they belong to another model.
    """
    if is_reference_directions(path):
        lists = read_reference_directions(path).items()
        named = {name: _by_position(path, name, arrays, space, state) for name, arrays in lists}
    else:
        named = {name: _tensors(tensors) for name, tensors in read_named_directions(path).items()}
    for name, tensors in named.items():
        if not tensors:
            raise LandscapeError(f"{path}::{name} moves nothing: all its tensors are zero")
        if bad := [key for key, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise LandscapeError(f"{path}::{name} holds NaN or infinity in {listed(bad)}: it is no direction")
    return tuple(Direction(tensors, f"{Path(path).name}:{name}") for name, tensors in named.items())


def _tensors(arrays: Mapping[str, FloatTensor]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _by_position(
    path: str | Path,
    group: str,
    arrays: Sequence[FloatTensor],
    space: ParameterSpace,
    state: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Names for a list without names: the order of the parameters, or of the whole state dict."""
    shapes = {entry.name: tuple(entry.parameter.shape) for entry in space.entries}
    states = {canonical(name): tuple(tensor.shape) for name, tensor in state.items()}
    counters = [name for name in states if name.endswith("num_batches_tracked")]
    without_counters = [name for name in states if name not in counters]
    names = {len(shapes): list(shapes), len(states): list(states), len(without_counters): without_counters}.get(
        len(arrays)
    )
    if names is None:
        raise LandscapeError(
            f"{path}::{group} holds {len(arrays)} tensors, the model has {len(shapes)} parameters "
            f"({len(states)} entries in its state dict): the directions belong to another model"
        )
    known = {**states, **shapes}
    for index, (name, array) in enumerate(zip(names, arrays, strict=True)):
        if known[name] != array.shape:
            raise LandscapeError(
                f"{path}::{group}/{index} has shape {array.shape}, but {name} of the model has {known[name]}: "
                "the directions belong to another model"
            )
    moved = {name: array for name, array in zip(names, arrays, strict=True) if np.any(array)}
    if moving := [name for name in moved if name not in shapes]:
        raise LandscapeError(
            f"{path}::{group} moves the buffer {moving[0]}: running statistics are no weights (a variance would "
            "turn negative); make the file with --xignore biasbn, or with --dir_type weights"
        )
    return _tensors(moved)
