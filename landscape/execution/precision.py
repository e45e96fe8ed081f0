"""Which precision to take, by its measured error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from landscape.errors import LandscapeError
from landscape.evaluation import Evaluator
from landscape.evaluation.sums import EVERY
from landscape.execution.comparison import Comparison
from landscape.execution.preparation import Settings
from landscape.types import PRECISIONS, Grid, Job

# With fewer examples a tenth of them says too little of the rest.
FEWEST_CORRECTED = 300


@dataclass(frozen=True)
class Settled:
    """The precision of a run.

    Attributes:
        job: The job with that precision.
        record: What the file keeps of its error; empty for float32 that was asked for.
        note: What is said and kept.
        said: What is said only.
    """

    job: Job
    record: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    said: tuple[str, ...] = ()


def settle(
    evaluator: Evaluator, grid: Grid, job: Job, settings: Settings, device: torch.device, before: Mapping[str, Any]
) -> Settled:
    """Set an evaluator's precision: choose it where that is asked for, and measure its error where a file is begun.

    Args:
        evaluator: What evaluates.
        grid: The points.
        job: The job; its precision may be `"auto"`.
        settings: What was asked for.
        device: Where it computes.
        before: What the file says of an earlier run.

    Returns:
        What was settled.
    """
    found = Settled(job, before.get("precision", {}))
    if settings.precision != "fp32" and not found.record:
        comparison = Comparison(evaluator, grid)
        if settings.precision == "auto":
            found = _chosen(comparison, job, candidates_on(device), settings.tolerance, _corrections(evaluator))
        else:
            (error,) = comparison.error(settings.precision, [settings.correct])
            slower = error.seconds / max(error.exact, 1e-9)
            words = f"; a point takes {slower:.2g} times as long as in fp32" if slower > 1.05 else ""
            found = Settled(job, error.record(), f"{error}{words}")
    if found.job.precision in PRECISIONS:
        evaluator.network.precision = found.job.precision
    evaluator.corrects = found.job.correction > 0
    return found


def _corrections(evaluator: Evaluator) -> tuple[bool, ...]:
    return (False, True) if min(evaluator.sizes.values()) >= FEWEST_CORRECTED else (False,)


def _chosen(
    comparison: Comparison, job: Job, candidates: Sequence[str], tolerance: float, corrects: Sequence[bool]
) -> Settled:
    """The quickest precision that errs by less than the tolerance, with or without the correction; else float32."""
    measured = [error for precision in candidates for error in comparison.error(precision, corrects, tolerance)]
    good = [one for one in measured if one.error < tolerance and one.seconds < comparison.seconds]
    best = min(good, key=lambda one: one.seconds, default=None)
    said = tuple(
        f"{one}; {comparison.seconds / one.seconds:.2g} times as quick as fp32" if one.error < tolerance else str(one)
        for one in measured
    )
    if best is None:
        note = f"--precision auto: fp32, because nothing quicker errs by less than {tolerance:g}"
        return Settled(dataclasses.replace(job, precision="fp32"), {"tolerance": tolerance}, note, said)
    corrected = ", corrected" if best.corrects else ""
    note = f"--precision auto: {best.precision}{corrected}, the quickest that errs by less than {tolerance:g}: {best}"
    job = dataclasses.replace(job, precision=best.precision, correction=best.corrects / EVERY)
    return Settled(job, {"tolerance": tolerance, **best.record()}, note, said)


def candidates_on(device: torch.device) -> tuple[str, ...]:
    """The lower precisions that may be quicker on a device; float16 on a CPU never was.

    Args:
        device: The device.

    Returns:
        Their names.
    """
    return ("bf16", "fp16", "tf32") if device.type == "cuda" else ("bf16",)


def refuse_own_precision(dtype: torch.dtype, precision: str) -> None:
    """Refuse to choose an arithmetic for a network whose parameters are not float32.

    Args:
        dtype: That of the parameters.
        precision: What was asked for.

    Raises:
        LandscapeError: If so.
    """
    if precision != "fp32" and dtype != torch.float32:
        raise LandscapeError(
            f"the network's parameters are {str(dtype).removeprefix('torch.')}, which is the precision that it is "
            f"evaluated in: leave out --precision {precision}, or pass the network in float32"
        )


def refuse_few_examples(sizes: Mapping[str, int], correct: bool) -> None:
    """Refuse to correct a lower precision from too few examples.

    Args:
        sizes: How many examples each split has.
        correct: Whether that was asked for.

    Raises:
        LandscapeError: If a tenth of a split is too few.
    """
    split = min(sizes, key=lambda name: sizes[name])
    if correct and sizes[split] < FEWEST_CORRECTED:
        raise LandscapeError(
            f"--correct estimates the error from a tenth of the examples, and of the {sizes[split]} of {split!r} that "
            f"is too few: leave it out, or evaluate at least {FEWEST_CORRECTED}"
        )
