"""What a run needs before its first point: the model in its place, the directions, the job in plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.directions import Gaussian, read_directions
from landscape.errors import LandscapeError
from landscape.evaluation import Task
from landscape.inputs import Inputs
from landscape.models.folding import folded
from landscape.parameters import Direction, ParameterSpace, copied, effective
from landscape.types import Grid, Job

PRECISIONS = {torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}


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
    device: str = "auto"
    batch_size: int | None = None
    out: Path | None = None
    overwrite: bool = False
    save_directions: bool = False
    command: str = ""


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating-point parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def placed(
    model: nn.Module, device: torch.device, parametrization: str, fold: bool = False
) -> tuple[nn.Module, list[str]]:
    """The caller's own model where it already is, or a copy where it has to move or to be rewritten.

    Args:
        model: The network.
        device: Where it has to be.
        parametrization: `"effective"` to replace computed weights by their values.
        fold: Whether to fold BatchNorm into the weights.

    Returns:
        The model itself, or a copy; and what was folded, a sentence each.

    Raises:
        LandscapeError: If there is nothing to fold.
    """
    working = effective(model) if parametrization == "effective" else model
    working, notes = folded(working) if fold else (working, [])
    parameter = next(model.parameters(), None)
    if working is model and parameter is not None and parameter.device != device:
        working = copied(model)
    return (working.to(device) if working is not model else model), notes


def directions_of(
    space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings, repeat: int = 0
) -> tuple[Direction, ...]:
    """Draw the directions, or read them from their file.

    Args:
        space: The parameters that they move.
        model: The network, for the order of its state dict.
        grid: How many are needed.
        settings: Where they come from.
        repeat: Which of the independent draws.

    Returns:
        One direction per axis.

    Raises:
        LandscapeError: If the file has too few, or they do not fit the model.
    """
    number = len(grid.axes)
    ignored = [
        f"--{name} {getattr(settings, name)}"
        for name in ("normalize", "perturb", "seed")
        if getattr(settings, name) != getattr(Settings, name)
    ]
    if settings.directions != "random" and ignored:
        raise LandscapeError(f"the directions of a file are taken as they are: leave out {' and '.join(ignored)}")
    if settings.directions == "random":
        draws = (Gaussian(settings.seed, axis, repeat, settings.normalize) for axis in range(number))
        return tuple(draw(space) for draw in draws)
    if settings.repeats > 1:
        raise LandscapeError(
            f"--repeats {settings.repeats} draws random directions anew, and those of a file are fixed: leave it out"
        )
    found = read_directions(settings.directions, space, model.state_dict())
    if len(found) < number:
        raise LandscapeError(f"{settings.directions} holds {len(found)} direction: draw a line with --y none")
    return found[:number]


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
    imported = settings.directions != "random"
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
        directions=Path(settings.directions).name,
        directions_sha256=hashlib.sha256(Path(settings.directions).read_bytes()).hexdigest() if imported else "",
        normalize="imported" if imported else settings.normalize,
        perturb="imported" if imported else settings.perturb,
        parametrization=settings.parametrization,
        roles=settings.roles,
        seed=0 if imported else settings.seed,
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
        precision=PRECISIONS.get(dtype_of(model), settings.precision),
    )
