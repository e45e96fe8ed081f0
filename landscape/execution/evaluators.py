"""Which evaluator a run uses: the quickest that computes the same, and why it is not a quicker one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.evaluation import (
    Captured,
    Compiled,
    Evaluator,
    Fused,
    Graphs,
    Network,
    Plain,
    Recorder,
    Repetition,
    Statistics,
    Task,
    cannot_capture,
    cannot_fuse,
    check_determinism,
    is_compiled,
    moved,
    working_set,
)
from landscape.evaluation.arithmetic import DTYPES
from landscape.evaluation.captured import CAPTURED
from landscape.evaluation.memory import give_back
from landscape.execution.compiling import COMPILED, compared_in, compiled, must_compile
from landscape.execution.device import batch_size_for, batch_size_in_cache
from landscape.execution.placement import dtype_of, lay_out, refuse_another_function, refuse_loose_batches
from landscape.execution.preparation import Settings
from landscape.execution.sameness import TRIED, difference
from landscape.execution.setup import Setup

REPEATED = 16
EAGER, LOW_MEMORY = "--evaluator eager", "--low-memory"
OTHERS = "BatchNorm takes other statistics than the checkpoint's own"
TOKENS = "it takes whole numbers and has no 2-D convolutions to fuse"
# Twice the bytes that an operation on a CPU may read and write at a time, by what was measured on networks for small
# images; a network as it is has more operations than a fused one, and gains from smaller parts.
CPU_CACHE, CPU_CACHE_EAGER = 32 << 20, 12 << 20
FEWEST = 16


@dataclass(frozen=True)
class Chosen:
    """An evaluator, and why it is this one.

    Attributes:
        evaluator: The evaluator.
        task: What it measures, on the device.
        reason: Why nothing quicker is used; empty where the quickest is.
        difference: The largest difference between the outputs of the fused network and of the plain one on the
            first examples at the trained weights and at two corners of the grid, relative to the largest output.
        note: How well the loss repeats, where it does not to the bit.
        touched: Bytes that the largest operation reads and writes for an example in float32; 0 where the batch size
            does not depend on it.
        gain: How many times as quick a compiled network is as what would be used otherwise; 0 where not measured.
    """

    evaluator: Evaluator
    task: Task
    reason: str = ""
    difference: float = 0.0
    note: str = ""
    touched: int = 0
    gain: float = 0.0

    def suit(self, precision: str) -> None:
        """Take batches that suit a precision, where their size is ours to choose.

        Args:
            precision: Arithmetic of the products.
        """
        if self.touched:
            half = precision in DTYPES
            cache = CPU_CACHE_EAGER if isinstance(self.evaluator.network, Plain) else CPU_CACHE
            self.evaluator.batch_size = batch_size_in_cache(self.touched >> half, cache, least=FEWEST)


def evaluator_for(setup: Setup, say: Callable[[str], None] | None = None) -> Chosen:
    """Put the data on the device, try the network on two examples, and choose how to evaluate.

    Args:
        setup: The parts of the run.
        say: Told what takes time; None for a short run, which nothing is compiled for.

    Returns:
        The choice; a run that goes on keeps its evaluator and its batch size.

    Raises:
        LandscapeError: If model and data do not fit together, or the loss does not repeat.
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
    network: Network = Plain(model, setup.draws.subspace(0))
    # The plain network is asked: what is drawn at random in its forward pass would be drawn once for a fused copy.
    note = check_determinism(Evaluator(network, task, REPEATED, statistics), device)
    reason, apart = _nothing_fused(setup, statistics), 0.0
    if not reason:
        network, apart, reason = _fused_or_plain(network, setup, task)
        if not isinstance(network, Plain):
            setup.draws.let_go()
        give_back()
    evaluator = _on(network, setup, task, statistics)
    chooses = device.type == "cpu" and not _fixed(setup) and not isinstance(evaluator, Captured)
    touched = _touched(network, task) if chooses else 0
    chosen = Chosen(evaluator, task, reason, apart, note, touched)
    return chosen if say is None else _compiled_if_quicker(chosen, setup, statistics, say)


def _fixed(setup: Setup) -> int | None:
    """The batch size that is asked for, or that the file was begun with."""
    return setup.settings.batch_size or setup.before.get("batch_size")


def _on(network: Network, setup: Setup, task: Task, statistics: Statistics, known: int | None = None) -> Evaluator:
    """An evaluator that calls a network; on a GPU, one that records the pass over the data where that can be done."""
    device, precision = setup.device, setup.job.precision
    fixed = known or _fixed(setup)
    size = fixed or batch_size_for(device)
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
    if option := _plainly(setup.settings):
        return EAGER if option == EAGER else f"{LOW_MEMORY} draws the directions anew at every point"
    return cannot_capture(setup.model, statistics, task)


def _in_cache(network: Network, task: Task, precision: str, device: torch.device) -> int:
    """The batch size with which activations stay in the cache of a GPU."""
    touched = _touched(network, task)
    cache = getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 40 << 20)
    return batch_size_in_cache(touched >> (precision in DTYPES), cache)


def _touched(network: Network, task: Task) -> int:
    """Bytes that the largest operation reads and writes for an example; 0 where that cannot be seen."""
    if is_compiled(network.module):
        return 0
    inputs = next(iter(task.batches.values())).inputs[:2]
    with torch.inference_mode():
        return working_set(network.module, lambda: network(inputs)) // len(inputs)


def _nothing_fused(setup: Setup, statistics: Statistics) -> str:
    """Why the network is not fused, as far as that is known before it is tried."""
    begun, reason = setup.before.get("evaluator", Fused.name), str(setup.before.get("evaluator_reason", ""))
    option = _plainly(setup.settings)
    _refuse_mixing(setup, begun)
    if must_compile(setup):
        return "it is to be compiled"
    if not begun.startswith(Fused.name):
        then = next((one for one in (EAGER, LOW_MEMORY) if reason.startswith(one)), "")
        if then and not option:
            return f"the file was begun with {then} and goes on so; --overwrite begins anew, and is quicker"
        return reason or option or "the file was begun so"
    if option:
        return EAGER if option == EAGER else f"{LOW_MEMORY} keeps no second copy of the network"
    if _others(statistics):
        return OTHERS
    return TOKENS if _of_tokens(setup) else cannot_fuse(setup.model, setup.device)


def _refuse_mixing(setup: Setup, begun: str) -> None:
    """Refuse to go on with a file of a lower precision in another way, which rounds otherwise."""
    asked = COMPILED if setup.settings.evaluator == Compiled.name else _plainly(setup.settings)
    goes_on = begun.startswith(Compiled.name if asked == COMPILED else Plain.name)
    if setup.previous and asked and not goes_on and setup.job.precision in DTYPES:
        raise LandscapeError(
            f"{setup.settings.out} was begun in {setup.job.precision} without {asked}, and with it numbers are "
            "rounded otherwise: go on without it, or begin anew with --overwrite"
        )


def _others(statistics: Statistics) -> bool:
    """Whether BatchNorm's statistics change from point to point."""
    return bool(statistics.matter) and statistics.policies != ("frozen",)


def _plainly(settings: Settings) -> str:
    """The option by which the network itself is asked for."""
    return EAGER if settings.evaluator == "eager" else LOW_MEMORY if settings.low_memory else ""


def _fused_or_plain(plain: Network, setup: Setup, task: Task) -> tuple[Network, float, str]:
    """The fused network if it can be made and computes what the plain one does; its difference; or why not."""
    try:
        network = Fused(setup.model, setup.space, setup.draws.subspace(0), _extremes(task))
        apart, reason = difference(plain, network, setup.grid, task)
    except LandscapeError as error:
        return plain, 0.0, str(error)
    except RuntimeError as error:  # an operator that this torch, this device or these shapes do not have
        return plain, 0.0, f"the fused network fails: {next(iter(str(error).splitlines()), type(error).__name__)}"
    return (plain, 0.0, reason) if reason else (network, apart, "")


def _compiled_if_quicker(chosen: Chosen, setup: Setup, statistics: Statistics, say: Callable[[str], None]) -> Chosen:
    """The choice, or a compiled network in its place."""
    if _others(statistics):
        if setup.settings.evaluator == Compiled.name:
            raise LandscapeError(f"{COMPILED}: {OTHERS}; leave it out")
        return chosen
    evaluator, task = chosen.evaluator, chosen.task
    chosen.suit(compared_in(setup))
    size = _largest_part(evaluator.batch_size, task)
    trial = compiled(setup, task, evaluator.network, size, recorder_for(setup.device) or Repetition(), say)
    if trial.network is None:
        if not isinstance(evaluator.network, Plain):
            setup.draws.let_go()
        return replace(chosen, reason=trial.reason or chosen.reason, gain=trial.gain)
    return Chosen(
        _on(trial.network, setup, task, statistics, size), task, "", trial.difference, chosen.note, 0, trial.gain
    )


def _largest_part(size: int, task: Task) -> int:
    """How many examples the largest batch has where they are cut by a size: a compiled network takes a fixed number."""
    return max(math.ceil(len(one) / len(one.split(size))) for one in task.batches.values())


def _of_tokens(setup: Setup) -> bool:
    first = next(iter(setup.task.batches.values())).inputs[:2]
    return not first.is_floating_point() and not any(isinstance(one, nn.Conv2d) for one in setup.model.modules())


def _extremes(task: Task) -> Tensor:
    """Two examples, those with the largest numbers where all are in memory: others run out of range later."""
    found: list[Tensor] = []
    for batches in task.batches.values():
        chunks = batches.chunks() if isinstance(batches.inputs, Tensor) else [batches.inputs[:TRIED]]
        for inputs in chunks:
            both = torch.cat([*found, inputs])
            sizes = both.abs().flatten(1).amax(1) if both.is_floating_point() else torch.arange(len(both))
            found = [both[sizes.nan_to_num(torch.inf).topk(min(2, len(both))).indices]]
    return found[0] if len(found[0]) > 1 else found[0].repeat(2, *[1] * (found[0].ndim - 1))
