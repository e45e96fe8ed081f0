"""Which evaluator a run uses: the quickest that computes the same, and why it is not a quicker one."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landscape.data import Batches
from landscape.errors import LandscapeError
from landscape.evaluation import (
    Captured,
    Evaluator,
    Fused,
    Graphs,
    Network,
    Plain,
    Recorder,
    Statistics,
    Task,
    cannot_capture,
    cannot_fuse,
    moved,
    working_set,
)
from landscape.evaluation.captured import CAPTURED
from landscape.execution.device import batch_size_for, batch_size_in_cache
from landscape.execution.placement import dtype_of, lay_out, refuse_another_function, refuse_loose_batches
from landscape.execution.setup import Setup
from landscape.types import Grid

# Beyond it the fused network is not taken to compute what the plain one does: rounding is a thousand times smaller.
FUSED_ERROR = 1e-3
TRIED = 64


@dataclass(frozen=True)
class Chosen:
    """An evaluator, and why it is this one.

    Attributes:
        evaluator: The evaluator.
        task: What it measures, on the device.
        reason: Why nothing quicker is used; empty where the quickest is.
        difference: The largest difference between the outputs of the fused network and of the plain one on the
            first examples at the trained weights and at a corner of the grid, relative to the largest output.
    """

    evaluator: Evaluator
    task: Task
    reason: str = ""
    difference: float = 0.0


def evaluator_for(setup: Setup) -> Chosen:
    """Put the data on the device, try the network on two examples, and choose how to evaluate.

    Args:
        setup: The parts of the run.

    Returns:
        The choice; a run that goes on keeps its evaluator and its batch size.

    Raises:
        LandscapeError: If model and data do not fit together.
    """
    inputs, model, settings, device, job = setup.inputs, setup.model, setup.settings, setup.device, setup.job
    dtype = dtype_of(model)
    refuse_loose_batches(model, job.policies)
    task = setup.task.to(device, dtype)
    if inputs.name != "object":
        lay_out(model, task, device)
    with torch.inference_mode():
        task.check(model)
        if settings.fold_bn:
            refuse_another_function(inputs.model, model, task)
    there = None if inputs.calibration is None else moved(inputs.calibration, device, dtype)
    statistics = Statistics(model, job.policies, there, settings.bn_batch_size)
    reason = _nothing_quicker(setup, statistics)
    network: Network = Plain(model, setup.draws.subspace(0))
    difference = 0.0
    if not reason:
        network, difference, reason = _fused_or_plain(network, setup, task)
    return Chosen(_on(network, setup, task, statistics), task, reason, difference)


def _on(network: Network, setup: Setup, task: Task, statistics: Statistics) -> Evaluator:
    """An evaluator that calls a network; on a GPU, one that records the pass over the data where that can be done."""
    device, precision = setup.device, setup.job.precision
    fixed = setup.settings.batch_size or setup.before.get("batch_size")
    size = fixed or batch_size_for(device, network.name, precision)
    recorder = recorder_for(device)
    reason = "" if recorder is None else _nothing_recorded(setup, statistics, task)
    if recorder is None or reason:
        evaluator = Evaluator(network, task, size, statistics, setup.settings.bn_layers)
        evaluator.reason = reason
        return evaluator
    corner = [max(axis.values, key=abs) for axis in setup.grid.axes]
    small = fixed or _in_cache(network, task, precision, device)
    return Captured(network, task, small, statistics, recorder, corner, size)


def recorder_for(device: torch.device) -> Recorder | None:
    """What records passes on a device, if anything does."""
    return Graphs(device) if device.type == "cuda" else None


def _nothing_recorded(setup: Setup, statistics: Statistics, task: Task) -> str:
    begun = setup.before.get("evaluator", CAPTURED)
    if not begun.endswith(CAPTURED):
        return str(setup.before.get("capture_reason") or "the file was begun so")
    if setup.settings.low_memory:
        return "--low-memory draws the directions anew at every point"
    return cannot_capture(setup.model, statistics, task)


def _in_cache(network: Network, task: Task, precision: str, device: torch.device) -> int:
    """The batch size with which activations stay in the cache of a GPU."""
    inputs = next(iter(task.batches.values())).inputs[:2]
    with torch.inference_mode():
        touched = working_set(network.module, lambda: network(inputs)) // len(inputs)
    cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 40 << 20)
    return batch_size_in_cache(touched // 2 if precision in ("bf16", "fp16") else touched, cache)


def _nothing_quicker(setup: Setup, statistics: Statistics) -> str:
    if not setup.before.get("evaluator", Fused.name).startswith(Fused.name):
        return str(setup.before.get("evaluator_reason") or "the file was begun so")
    if setup.settings.low_memory:
        return "--low-memory keeps no second copy of the network"
    if statistics.matter and statistics.policies != ("frozen",):
        return "BatchNorm takes other statistics than the checkpoint's own"
    return cannot_fuse(setup.model, setup.device)


def _fused_or_plain(plain: Network, setup: Setup, task: Task) -> tuple[Network, float, str]:
    """The fused network if it can be made and computes what the plain one does; its difference; or why not."""
    first = next(iter(task.batches.values())).inputs[:2]
    if not first.is_floating_point() and not any(isinstance(one, nn.Conv2d) for one in setup.model.modules()):
        return plain, 0.0, "it takes whole numbers and has no 2-D convolutions to fuse"
    try:
        network = Fused(setup.model, setup.space, setup.draws.subspace(0), first)
        with torch.inference_mode():
            difference = max(
                _apart(plain, network, batches, point)
                for batches in task.batches.values()
                for point in _two_points(setup.grid)
            )
    except LandscapeError as error:
        return plain, 0.0, str(error)
    except Exception as error:  # an operator that this torch, this device or these shapes do not have
        return plain, 0.0, f"the fused network fails: {next(iter(str(error).splitlines()), type(error).__name__)}"
    finally:
        gc.collect()  # traced networks refer to themselves
    if not difference <= FUSED_ERROR:
        return plain, 0.0, f"the fused network differs by {difference:.1e} relative"
    return network, difference, ""


def _two_points(grid: Grid) -> Sequence[Sequence[float]]:
    """The trained weights and the corner of least coordinates."""
    return [0.0] * len(grid.axes), [axis.values[0] for axis in grid.axes]


def _apart(one: Network, other: Network, batches: Batches, point: Sequence[float]) -> float:
    """The largest difference between outputs, relative to the largest; what is not finite has to be so in both."""
    inputs, targets = next(iter(batches.split(TRIED)))
    few = Batches(inputs, targets, batches.name, batches.digest, batches.preprocessing)
    outputs: list[Tensor] = []
    for network in (one, other):
        prepared = network.prepared(few).inputs[:]
        with network.at(point):
            outputs.append(network(prepared).double())
    first, second = outputs
    same = (first == second) | (first.isnan() & second.isnan())
    apart = (first - second).abs().masked_fill(same, 0.0).max()
    largest = first.abs().nan_to_num(0.0, 0.0, 0.0).max().clamp_min(torch.finfo(torch.float32).tiny)
    return float((apart / largest).nan_to_num(torch.inf))
