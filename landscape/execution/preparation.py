"""What a run needs before its first point: the model in its place, the directions, the job in plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.directions import (
    Gaussian,
    Interpolation,
    difference,
    network_of,
    read_directions,
    staying_buffers,
)
from landscape.errors import LandscapeError
from landscape.evaluation import Task
from landscape.evaluation.sums import EVERY
from landscape.execution.placement import dtype_of, rewritten
from landscape.inputs import Inputs
from landscape.parameters import Direction, ParameterSpace
from landscape.types import Grid, Job

OWN_PRECISIONS = {torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True)
class Settings:
    """What to compute and how, beyond the inputs and the grid; see `landscape.compute` for each."""

    loss: Any = "cross-entropy"
    metrics: tuple[Any, ...] = ()
    directions: str = "random"
    normalize: str = "filter"
    perturb: str = "weights"
    parametrization: str = "effective"
    roles: tuple[str, ...] = ()
    seed: int = 0
    samples: str = "all"
    bn_stats: str = "frozen"
    bn_samples: str = "1000"
    bn_batch_size: int = 128
    bn_layers: bool = False
    fold_bn: bool = False
    repeats: int = 1
    precision: str = "fp32"
    tolerance: float = 0.01
    correct: bool = False
    adaptive: float = 0.0
    low_memory: bool = False
    evaluator: str = "auto"
    device: str = "auto"
    batch_size: int | None = None
    out: Path | None = None
    overwrite: bool = False
    save_directions: bool = False
    command: str = ""

    @property
    def asked(self) -> dict[str, str]:
        """What is left to be settled by the run itself: the options that are `auto`, and what they depend on."""
        options = {"precision": f"auto, tolerance {self.tolerance:g}", "samples": "auto"}
        return {name: text for name, text in options.items() if getattr(self, name) == "auto"}

    @property
    def direction_file(self) -> Path | None:
        """The file that the directions are read from; None if they are drawn, or lead to other checkpoints."""
        drawn = self.directions == "random" or Interpolation.parse(self.directions) is not None
        return None if drawn else Path(self.directions)


def directions_of(
    inputs: Inputs, space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings, repeat: int = 0
) -> tuple[tuple[Direction, ...], list[str]]:
    """Draw the directions, read them from their file, or take them from other checkpoints.

    Args:
        inputs: The network as it was given, for the weights of other checkpoints.
        space: The parameters that they move.
        model: The network as it is evaluated, for the order of its state dict and its buffers.
        grid: How many are needed.
        settings: Where they come from.
        repeat: Which of the independent draws.

    Returns:
        One direction per axis; and what was assumed of other checkpoints, a sentence each.

    Raises:
        LandscapeError: If there are too few or too many for the grid, they do not fit the model, or options for
            random directions come with directions that are fixed.
    """
    number = len(grid.axes)
    if settings.directions == "random":
        return tuple(recipe(space) for recipe in recipes_of(grid, settings, repeat)), []
    interpolation = Interpolation.parse(settings.directions)
    _refuse_ignored(settings, "of a file" if interpolation is None else "to other checkpoints")
    if interpolation is not None:
        return _to_checkpoints(interpolation, inputs, space, model, grid, settings)
    found = read_directions(settings.directions, space, model.state_dict())
    if len(found) < number:
        raise LandscapeError(f"{settings.directions} holds {len(found)} direction: draw a line with --y none")
    return found[:number], []


def recipes_of(grid: Grid, settings: Settings, repeat: int) -> list[Gaussian]:
    """The recipes of the random directions of a repeat, one per axis."""
    return [Gaussian(settings.seed, axis, repeat, settings.normalize) for axis in range(len(grid.axes))]


def _refuse_ignored(settings: Settings, which: str) -> None:
    """Options for random directions have no effect on those that are fixed."""
    ignored = [
        f"--{name} {getattr(settings, name)}"
        for name in ("normalize", "perturb", "seed")
        if getattr(settings, name) != getattr(Settings, name)
    ]
    ignored += [f"--role {role!r}" for role in settings.roles]
    if ignored:
        raise LandscapeError(f"the directions {which} are taken as they are: leave out {' and '.join(ignored)}")
    if settings.repeats > 1:
        raise LandscapeError(
            f"--repeats {settings.repeats} draws random directions anew, and those {which} are fixed: leave it out"
        )


def _to_checkpoints(
    interpolation: Interpolation,
    inputs: Inputs,
    space: ParameterSpace,
    model: nn.Module,
    grid: Grid,
    settings: Settings,
) -> tuple[tuple[Direction, ...], list[str]]:
    """The difference to each checkpoint, rewritten as the network itself was."""
    _check_axes(interpolation, grid)
    found, notes = [], []
    for path in interpolation.files:
        other, said = network_of(path, inputs.model, inputs.weights)
        other, folds = rewritten(other, settings.parametrization, settings.fold_bn)
        found.append(difference(space, other, path))
        notes += [*said, *(f"{path.name}: {fold}" for fold in folds), *staying_buffers(model, other, path)]
    if len({direction.digest() for direction in found}) < len(found):
        first, second = interpolation.files
        raise LandscapeError(
            f"{first} and {second} hold the same parameters, and one direction spans no plane: draw the line "
            f"to({first}) with --y none"
        )
    return tuple(found), notes


def _check_axes(interpolation: Interpolation, grid: Grid) -> None:
    if len(grid.axes) > len(interpolation.files):
        raise LandscapeError(
            f"{interpolation.spec} spans a line: leave out the second axis with --y none, or name two checkpoints, "
            f"plane({interpolation.files[0].name}, c.pt)"
        )
    if len(grid.axes) < len(interpolation.files):
        raise LandscapeError(
            f"{interpolation.spec} spans a plane: give the second axis, for example --y -0.5:1.5:51, or name one "
            f"checkpoint, to({interpolation.files[0].name})"
        )


def job_of(inputs: Inputs, model: nn.Module, task: Task, grid: Grid, settings: Settings) -> Job:
    """All that may change the answer, as plain data.

    Args:
        inputs: Model and data.
        model: The network as it is evaluated.
        task: What is measured.
        grid: The points.
        settings: Everything else.

    Returns:
        The job.
    """
    policies = Job.policies_of(settings.bn_stats)
    calibration = inputs.calibration if "recalibrate" in policies else None
    axes = [str(axis) for axis in grid.axes]
    return Job(
        checkpoint=inputs.name,
        checkpoint_sha256=inputs.sha256,
        model=inputs.model_spec,
        weights=inputs.weights,
        data=inputs.data_spec,
        data_digest={split: one.digest for split, one in inputs.batches.items()},
        preprocessing={split: one.preprocessing for split, one in inputs.batches.items()},
        samples=settings.samples,
        loss=task.quantities[0].spec,
        metrics=tuple(quantity.spec for quantity in task.quantities[1:]),
        **_origin(settings),
        parametrization=settings.parametrization,
        roles=settings.roles,
        seed=settings.seed,
        x=axes[0],
        y=axes[1] if len(axes) > 1 else "none",
        bn_stats=settings.bn_stats,
        bn_data=inputs.calibration_spec if calibration else "",
        bn_digest=calibration.digest if calibration else "",
        bn_preprocessing=calibration.preprocessing if calibration else "",
        bn_samples=settings.bn_samples if calibration else "",
        bn_batch_size=0 if policies == ("frozen",) else settings.bn_batch_size,
        fold_bn=settings.fold_bn,
        repeats=settings.repeats,
        repeat=0,
        precision=OWN_PRECISIONS.get(dtype_of(model), settings.precision),
        correction=1 / EVERY if settings.correct and settings.precision != "auto" else 0.0,
        adaptive=settings.adaptive,
    )


def _origin(settings: Settings) -> dict[str, Any]:
    """Where the directions come from and what they move; those to other checkpoints move all, unnormalised."""
    if interpolation := Interpolation.parse(settings.directions):
        name, sha256 = interpolation.spec, interpolation.digest()
        return {"directions": name, "directions_sha256": sha256, "normalize": "none", "perturb": "all"}
    if file := settings.direction_file:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        return {"directions": file.name, "directions_sha256": sha256, "normalize": "imported", "perturb": "imported"}
    return {"directions": settings.directions, "normalize": settings.normalize, "perturb": settings.perturb}
