"""Compiling the network where a run is long enough, and keeping to it where that made it quicker."""

from __future__ import annotations

import hashlib
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from landscape.data import Batches
from landscape.errors import LandscapeError
from landscape.evaluation import Compiled, Computation, Network, Plain, Recorder, Task, cannot_compile
from landscape.evaluation.arithmetic import DTYPES
from landscape.execution.memories import Memories
from landscape.execution.provenance import machine
from landscape.execution.sameness import difference, first_of
from landscape.execution.setup import Setup

COMPILED = "--evaluator compiled"
# So many times as quick it has to be: less is noise, and would make the choice one of chance.
GAIN = 1.15
# So many times as long as compiling takes, by what was seen on a CPU, a run has to last.
WORTH = 10
NEAR = 0.2  # of that time; who is below will not be above another day
SECONDS, SECONDS_A_LAYER = 5.0, 0.15
ADAPTIVE = 0.2  # of the points, by what was seen of adaptive runs
ROUNDS = 5


@dataclass(frozen=True)
class Trial:
    """What came of compiling.

    Attributes:
        network: The compiled network, where it is to be used.
        difference: Its largest difference from the plain one, relative to the largest output.
        gain: How many times as quick it is as what would be used otherwise; 0 where that was not measured.
        reason: Why it is not used, where it was tried or had to be.
    """

    network: Compiled | None = None
    difference: float = 0.0
    gain: float = 0.0
    reason: str = ""


def must_compile(setup: Setup) -> bool:
    """Whether a run is to use a compiled network whatever that gains: it was asked for, or the file was begun so."""
    if setup.settings.evaluator == "auto":
        return str(setup.before.get("evaluator", "")).startswith(Compiled.name)
    return setup.settings.evaluator == Compiled.name


def compared_in(setup: Setup) -> str:
    """The precision in which paces are compared: float32 for `auto`, which is settled later."""
    return "fp32" if setup.settings.precision == "auto" else setup.settings.precision


def compiled(
    setup: Setup, task: Task, otherwise: Network, size: int, recorder: Recorder, say: Callable[[str], None]
) -> Trial:
    """Compile the network where that is asked for, or promises to pay.

    A compiled network has to compute what the plain one does, and to be quicker than what would be used otherwise. The
    ratio is remembered for later runs of such a network on the same machine.

    Args:
        setup: The parts of the run.
        task: What is measured, its data on the device.
        otherwise: The network that is used otherwise.
        size: The number of examples in a batch.
        recorder: Repeats a computation as the run will.
        say: Told what takes time, and what came of it.

    Returns:
        What came of it.

    Raises:
        LandscapeError: If it was asked for and cannot be done.
    """
    asked = setup.settings.evaluator == Compiled.name
    try:
        if must_compile(setup):
            return Trial(*_made(setup, task, size, say))
        return _tried(setup, task, otherwise, size, recorder, say)
    except LandscapeError as error:
        if asked:
            raise LandscapeError(f"{COMPILED}: {error}; leave it out") from error
        if must_compile(setup) and setup.job.precision in DTYPES:
            raise LandscapeError(
                f"{setup.settings.out} was begun in {setup.job.precision} with a compiled network, which rounds "
                f"otherwise than the network itself, and here {error}: go on where it was begun, or begin anew with "
                "--overwrite"
            ) from error
        say(f"not compiled: {error}")
        return Trial(reason=f"it cannot be compiled here: {error}" if must_compile(setup) else "")


def _tried(
    setup: Setup, task: Task, otherwise: Network, size: int, recorder: Recorder, say: Callable[[str], None]
) -> Trial:
    """Compile the network if the run is long, and keep to it if that made it quicker."""
    if _ruled_out(setup):
        return Trial()
    memories, key = Memories("compiled"), _key(setup, otherwise, task, size)
    if not _lasts(setup, task, otherwise, size, memories, key):
        return Trial()
    gain = memories.recall(key)
    if gain is not None and gain < GAIN:
        return Trial(gain=gain)
    network, apart = _made(setup, task, size, say)
    if gain is None:
        with _failures_of_the_compiler():
            gain = _gain(setup, task, otherwise, network, size, recorder)
        memories.keep(key, gain)
    if gain < GAIN:
        say(f"compiled, the network is {gain:.2g} times as quick, which is too little: it stays as it is")
        return Trial(gain=gain)
    say(f"compiled, the network is {gain:.2g} times as quick")
    return Trial(network, apart, gain)


def _ruled_out(setup: Setup) -> bool:
    """Whether a run that leaves it open cannot do with a compiled network; no reason that anybody asks for."""
    plainly = setup.settings.low_memory or setup.settings.evaluator == Plain.name
    begun_otherwise = "evaluator" in setup.before
    return plainly or begun_otherwise or bool(cannot_compile(setup.model, setup.device))


def _lasts(setup: Setup, task: Task, network: Network, size: int, memories: Memories, key: str) -> bool:
    """Whether a run is long beside the time that compiling takes.

    The time of a batch is remembered where the answer is not far from the other one: the same run has to give the same.
    """
    batches = sum(len(one.split(size)) for one in task.batches.values())
    points = setup.grid.size * setup.job.repeats * (ADAPTIVE if setup.job.adaptive else 1.0)
    known = memories.recall(f"{key}, seconds")
    seconds = _seconds_of_a_batch(network, _a_batch(task, size), setup.device) if known is None else known
    share = points * batches * seconds / (WORTH * _seconds_to_compile(setup.model))
    if known is None and share > NEAR:
        memories.keep(f"{key}, seconds", seconds)
    return share >= 1.0


def _a_batch(task: Task, size: int) -> Batches:
    return first_of(next(iter(task.batches.values())), size)


def _seconds_of_a_batch(network: Network, few: Batches, device: torch.device) -> float:
    call = _on(network, few)
    return min(_seconds(call, device) for _ in range(2))


def _on(network: Network, few: Batches) -> Computation:
    """What evaluates a network on a batch, which is prepared once."""
    with torch.inference_mode():
        return partial(network, network.prepared(few).inputs[:])


def _seconds_to_compile(model: nn.Module) -> float:
    return SECONDS + SECONDS_A_LAYER * sum(1 for one in model.modules() if not list(one.children()))


def _made(setup: Setup, task: Task, size: int, say: Callable[[str], None]) -> tuple[Compiled, float]:
    """The compiled network, and its largest difference from the plain one.

    Raises:
        LandscapeError: If it cannot be made, or computes something else.
    """
    reason = cannot_compile(setup.model, setup.device)
    if reason:
        raise LandscapeError(reason)
    say(f"compiling the network with torch.compile (about {_seconds_to_compile(setup.model):.0f} s)")
    subspace = setup.draws.subspace(0)
    with _failures_of_the_compiler():
        network = Compiled(setup.model, subspace, size)
        apart, reason = difference(Plain(setup.model, subspace), network, setup.grid, task)
    if reason:
        raise LandscapeError(reason)
    return network, apart


@contextmanager
def _failures_of_the_compiler() -> Iterator[None]:
    """Turn what compilers raise, torch's and the one that it calls, into one sentence; it may be anything."""
    try:
        yield
    except LandscapeError:
        raise
    except Exception as error:
        raise LandscapeError(f"torch.compile fails: {_in_short(error)}") from error


def _gain(setup: Setup, task: Task, otherwise: Network, network: Compiled, size: int, recorder: Recorder) -> float:
    """How many times as quick a compiled network is as another, in the precision that is asked for."""
    few, calls = _a_batch(task, size), []
    for one in (otherwise, network):
        one.precision = compared_in(setup)
        call = _on(one, few)
        with torch.inference_mode():
            calls.append(_repeating(recorder, call))
    before, after = _paces(calls, setup.device)
    for one in (otherwise, network):
        one.precision = "fp32"
    return before / after


def _repeating(recorder: Recorder, compute: Computation) -> Computation:
    """Repeat a computation as the run will; what cannot be recorded is called again."""
    try:
        return recorder.record(compute)
    except Exception:  # the network may do anything, and so may a driver; the run itself says what
        return compute


def _paces(calls: Sequence[Computation], device: torch.device) -> list[float]:
    """Medians of the seconds that each call takes, one after the other, round after round, after a first one."""
    rounds = [[_seconds(call, device) for call in calls] for _ in range(ROUNDS + 1)]
    return [statistics.median(found) for found in zip(*rounds[1:], strict=True)]


def _seconds(call: Computation, device: torch.device) -> float:
    begun = time.perf_counter()
    with torch.inference_mode():
        call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def _key(setup: Setup, otherwise: Network, task: Task, size: int) -> str:
    """What the ratio depends on, in short."""
    parameters = [(name, tuple(one.shape), one.stride(), one.dtype) for name, one in setup.model.named_parameters()]
    layers = re.sub(r" at 0x[0-9a-f]+", "", str(setup.model))
    shape = tuple(next(iter(task.batches.values())).inputs.shape[1:])
    network = (type(setup.model).__qualname__, layers, parameters, otherwise.name, shape, size)
    processor = machine(setup.device), torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()
    surroundings = (torch.__version__, processor, compared_in(setup))
    return hashlib.sha256(repr((network, surroundings)).encode()).hexdigest()


def _in_short(error: BaseException) -> str:
    """The sentence of a long message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "Error" in line or "No working" in line), lines[0] if lines else "no reason")
