"""What stands before the first point is evaluated: the network in its place, the directions, the job, the file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from landscape.evaluation import Task, make_task, refuse_precision
from landscape.execution.device import device_for, failures_of_the_device
from landscape.execution.draws import Draws, draws_of
from landscape.execution.placement import dtype_of, placed
from landscape.execution.precision import refuse_few_examples, refuse_own_precision
from landscape.execution.preparation import Settings, job_of
from landscape.execution.resume import earlier_run
from landscape.inputs import Inputs
from landscape.parameters import ParameterSpace
from landscape.types import Grid, Job, Surface


@dataclass(frozen=True)
class Setup:
    """The parts of a run.

    Attributes:
        inputs: Model and data as they were given.
        settings: What was asked for.
        grid: The points.
        device: Where it computes.
        model: The network as it is evaluated, on the device.
        space: Its parameters.
        draws: The directions.
        task: What is measured.
        job: All that may change the answer.
        previous: What an earlier run left in the file.
    """

    inputs: Inputs
    settings: Settings
    grid: Grid
    device: torch.device
    model: nn.Module
    space: ParameterSpace
    draws: Draws
    task: Task
    job: Job
    previous: Surface | None

    @property
    def before(self) -> Mapping[str, Any]:
        """The provenance of the earlier run; empty for a new one."""
        return self.previous.provenance if self.previous else {}


def set_up(inputs: Inputs, grid: Grid, settings: Settings) -> Setup:
    """Put the parts of a run together.

    Args:
        inputs: Model and data.
        grid: The points.
        settings: Everything else.

    Returns:
        The parts; what was folded or assumed of directions is among the notes of the inputs.

    Raises:
        LandscapeError: If they do not fit together, or the file holds another run.
    """
    device = device_for(settings.device, inputs.model)
    refuse_precision(settings.precision, device)
    refuse_own_precision(dtype_of(inputs.model), settings.precision)
    refuse_few_examples({split: len(one) for split, one in inputs.batches.items()}, settings.correct)
    with failures_of_the_device(device):
        model, notes = placed(inputs.model, device, settings.parametrization, settings.fold_bn)
    space = ParameterSpace(model, settings.perturb, settings.roles)
    draws = draws_of(inputs, space, model, grid, settings)
    task = make_task(inputs.batches, settings.loss, settings.metrics)
    job = job_of(inputs, model, task, grid, settings)
    digests = [record.digest for record in draws.records]
    previous = earlier_run(settings.out, job, digests, settings.overwrite, settings.asked)
    inputs = dataclasses.replace(inputs, notes=(*inputs.notes, *notes, *draws.notes))
    return Setup(inputs, settings, grid, device, model, space, draws, task, job, previous)
