"""What a run says before its points: where they lie, what they cost, and the numbers of the trained weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from landscape.evaluation import Measurement
from landscape.execution.calibration import cost_of
from landscape.execution.preparation import Settings
from landscape.inputs import Inputs
from landscape.types import Job


def announcement(job: Job, settings: Settings, inputs: Inputs) -> Iterator[str]:
    """Say what is about to be computed, where it goes and what recalibrating costs.

    Args:
        job: The job.
        settings: What was asked for.
        inputs: Model and data.

    Yields:
        Sentences.
    """
    axes = zip(job.grid.names, job.grid.axes, strict=True)
    ranges = ", ".join(
        f"{len(axis)} along {name} from {axis.values[0]:g} to {axis.values[-1]:g}" for name, axis in axes
    )
    again = f", for {job.repeats} draws of the directions" if job.repeats > 1 else ""
    saved = f"; saved every few seconds in {settings.out}" if settings.out else ""
    yield f"points: {ranges}{again}{saved}"
    if cost := cost_of(job, inputs):
        yield cost


def described(centre: Measurement, stated: Mapping[str, float], seconds: float) -> Iterator[str]:
    """Say the checkpoint's own numbers, and what it states of itself.

    Args:
        centre: What was measured of it.
        stated: The accuracies that it states, by name.
        seconds: How long the measurement took.

    Yields:
        Sentences.
    """
    for split, under in centre.sums.items():
        for policy, sums in under.items():
            which = f" under {policy} statistics" if len(under) > 1 else ""
            loss = f"loss {sums.mean('loss'):.5f} +- {sums.stderr('loss'):.5f}"
            accuracy = f", accuracy {sums.mean('accuracy'):.2%}" if "accuracy" in sums.totals else ""
            yield f"trained weights{which}: {split} {loss}{accuracy} on {sums.count:,} examples"
        for name, value in stated.items():
            if "accuracy" in next(iter(under.values())).totals:
                yield f"the checkpoint states {name} {value:.2%}"
    yield f"the trained weights took {seconds:.1f} s"
