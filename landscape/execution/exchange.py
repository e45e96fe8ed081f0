"""Directions between landscape's files, by name, and those of the 2018 tool, by position: the model has the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from landscape.directions import Gaussian, read_directions
from landscape.errors import LandscapeError
from landscape.execution.placement import rewritten
from landscape.models import build_model
from landscape.models.checkpoint import read_checkpoint
from landscape.models.loading import load_weights
from landscape.models.recognition import recognise
from landscape.parameters import Direction, ParameterSpace
from landscape.storage import direction_names, load, write_named_directions
from landscape.storage.kinds import kind_of
from landscape.storage.opening import make_folder
from landscape.storage.reference import is_reference_directions, write_reference_directions
from landscape.types import Surface
from landscape.types.job import UNKNOWN


def convert_directions(
    source: Any,
    out: Path,
    ckpt: str | Path | None,
    model: Any,
    repeat: int | None,
    trust: bool,
    tell: Callable[[str], None],
) -> None:
    """Write directions: those of a surface drawn again, or those of a file in the other layout.

    A direction file of the 2018 tool becomes one of ours; all else becomes a file of the tool, which has a tensor for
    every parameter, zeros for those that stay.

    Args:
        source: A surface, its file, or a file of directions.
        out: The file that is written; its name ends in .h5.
        ckpt: The checkpoint that the directions belong to; None where the model is a network with its weights.
        model: The model; None to take what the surface says, or to recognise the weights.
        repeat: Which draw of a surface's directions; None for the first.
        trust: Whether the checkpoint may run code when it is loaded.
        tell: Who is told what was assumed.

    Raises:
        LandscapeError: If the model is missing or another, or the directions cannot be drawn again.
    """
    if out.suffix.lower() != ".h5":
        raise LandscapeError(f"directions are written as .h5, and {out.name!r} is none")

    if isinstance(source, Surface) or kind_of(Path(source)) == "surface":
        surface = _surface(source).sel(repeat=repeat or 0)
        network = _network(ckpt, model, surface.job.model, trust, tell, surface.job.weights or None)
        space, directions = _drawn_again(surface, network)
    else:
        network = _network(ckpt, model, None, trust, tell)
        space, directions = _read(Path(source), network)
    make_folder(out)
    if not isinstance(source, Surface) and is_reference_directions(source):
        _write_named(out, directions)
    else:
        write_reference_directions(out, [_listed(direction, space) for direction in directions])
        tell(f"{len(space.entries)} tensors each, in the order of the model's parameters")


def _surface(source: Any) -> Surface:
    return source if isinstance(source, Surface) else load(source)


def _network(
    ckpt: str | Path | None,
    model: Any,
    recorded: str | None,
    trust: bool,
    tell: Callable[[str], None],
    key: str | None = None,
) -> nn.Module:
    """The network with its weights."""
    if ckpt is None and isinstance(model, nn.Module):
        return model
    if ckpt is None:
        raise LandscapeError(
            "directions belong to a network, which has the names and the order of their tensors: give its checkpoint "
            "with --ckpt FILE (and --model SPEC, where it is not recognised)"
        )
    checkpoint = read_checkpoint(ckpt, trust=trust, key=key)
    if model is None and checkpoint.module is not None:
        return checkpoint.module
    spec = model if model is not None else _spec(recorded, checkpoint.state, checkpoint.name)
    network = spec if isinstance(spec, nn.Module) else build_model(str(spec))
    tell(f"the model is {spec if isinstance(spec, str) else type(spec).__name__}")
    load_weights(network, checkpoint)
    return network


def _spec(recorded: str | None, state: Mapping[str, Tensor], name: str) -> str:
    """The model that a surface names, or that the weights are recognised as."""
    if recorded and recorded not in ("object", "pickled", UNKNOWN) and "#" not in recorded:
        return recorded
    if found := recognise(state):
        return str(found[0])  # those that fit as well have the same parameters
    raise LandscapeError(f"cannot tell which model {name} belongs to: pass it with --model SPEC")


def _drawn_again(surface: Surface, network: nn.Module) -> tuple[ParameterSpace, Sequence[Direction]]:
    """The directions of a plain surface by their recipes, checked against its digests."""
    job, where = surface.job, surface.path or "this surface"
    if job.directions != "random":
        raise LandscapeError(
            f"the directions of {where} are not random ({job.directions}), so that no recipe draws them: convert the "
            "file that they came from, or <run>.directions.h5"
        )
    if rewritten(network, job.parametrization, job.fold_bn)[0] is not network:
        raise LandscapeError(
            f"the directions of {where} move weights that the network computes or that BatchNorm was folded into, and "
            "a file of the 2018 tool can only hold those of its own parameters"
        )
    space = ParameterSpace(network, job.perturb, job.roles)
    number = len(surface.grid.axes)
    recipes = [Gaussian(job.seed, axis, job.repeat, job.normalize) for axis in range(number)]
    directions = [recipe(space) for recipe in recipes]
    for direction, record in zip(directions, surface.directions, strict=False):
        if direction.digest() != record.digest:
            raise LandscapeError(
                f"the directions that {record.spec} draws for this network are not those of {where}: give the "
                "checkpoint and the model that the surface was computed of"
            )
    return space, directions


def _read(path: Path, network: nn.Module) -> tuple[ParameterSpace, Sequence[Direction]]:

    space = ParameterSpace(network, "all")
    directions = read_directions(path, space, network.state_dict())
    shapes = {entry.name: tuple(entry.parameter.shape) for entry in space.entries}
    for direction in directions:
        for name, tensor in direction.tensors.items():
            if shapes.get(name) != tuple(tensor.shape):
                raise LandscapeError(
                    f"{str(path)!r} has a tensor {name} of shape {tuple(tensor.shape)}, which the model lacks: the "
                    "directions belong to another model"
                )
    return space, directions


def _listed(direction: Direction, space: ParameterSpace) -> list[NDArray[np.floating]]:
    """A tensor for every parameter, in the order of `net.parameters()`."""
    tensors = direction.tensors
    return [
        tensors[entry.name].detach().float().cpu().numpy()
        if entry.name in tensors
        else np.zeros(tuple(entry.parameter.shape), dtype=np.float32)
        for entry in space.entries
    ]


def _write_named(out: Path, directions: Sequence[Direction]) -> None:

    names = direction_names(len(directions))
    tensors = [{name: tensor.numpy() for name, tensor in one.tensors.items()} for one in directions]
    write_named_directions(out, dict(zip(names, tensors, strict=True)))
