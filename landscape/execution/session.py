"""From inputs and settings to a Surface: directions, centre, the loop, and the file that grows with it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.errors import Interrupted, LandscapeError
from landscape.evaluation import (
    Evaluator,
    Measurement,
    Task,
    check_determinism,
    layers_of_each_batch,
    make_task,
    refuse_precision,
    statistics_layers,
    strict_arithmetic,
)
from landscape.execution.adaptive import plan_of
from landscape.execution.calibration import cost_of, half_differences
from landscape.execution.device import device_for, failures_of_the_device
from landscape.execution.draws import Draws, draws_of
from landscape.execution.evaluators import Chosen, evaluator_for
from landscape.execution.placement import dtype_of, placed
from landscape.execution.plan import Plan
from landscape.execution.precision import refuse_own_precision, settle
from landscape.execution.preparation import Settings, job_of
from landscape.execution.progress import Progress
from landscape.execution.provenance import chance_accuracy, json_ready, machine, versions
from landscape.execution.results import Results
from landscape.execution.resume import (
    changed_since,
    earlier_run,
    refuse_another_centre,
    refuse_other_quantities,
    settled,
)
from landscape.execution.run import Evaluate, run
from landscape.inputs import Inputs
from landscape.parameters import ParameterSpace, parametrized, preserved
from landscape.storage import check_writable, direction_names, save, sole_writer, write_named_directions
from landscape.types import Grid, Job, Surface


def compute_surface(inputs: Inputs, grid: Grid, settings: Settings, progress: Progress) -> Surface:
    """Compute a surface, or go on with one that is on disk.

    Args:
        inputs: Model and data.
        grid: The points.
        settings: Everything else.
        progress: Told what goes on.

    Returns:
        The surface, complete.

    Raises:
        Interrupted: If Ctrl-C or SIGTERM arrives; `surface` of it is what was computed, and it is saved.
        LandscapeError: If an input is wrong, or another run is writing the file.
    """
    if settings.out is None:
        return _computed(inputs, grid, settings, progress)
    if settings.out.suffix != ".h5" and not settings.out.is_dir():
        raise LandscapeError(f"the surface is an HDF5 file: give it a name that ends in .h5, not {str(settings.out)!r}")
    check_writable(settings.out)
    with sole_writer(settings.out):
        return _computed(inputs, grid, settings, progress)


def _computed(inputs: Inputs, grid: Grid, settings: Settings, progress: Progress) -> Surface:
    asked, settings = settings.asked, settled(settings)
    device = device_for(settings.device, inputs.model)
    refuse_precision(settings.precision, device)
    refuse_own_precision(dtype_of(inputs.model), settings.precision)
    with failures_of_the_device(device):
        model, notes = placed(inputs.model, device, settings.parametrization, settings.fold_bn)
    space = ParameterSpace(model, settings.perturb, settings.roles)
    draws = draws_of(inputs, space, model, grid, settings)
    task = make_task(inputs.batches, settings.loss, settings.metrics)
    job = job_of(inputs, model, task, grid, settings)
    previous = earlier_run(settings.out, job, [record.digest for record in draws.records], settings.overwrite)
    inputs = dataclasses.replace(inputs, notes=(*inputs.notes, *notes, *draws.notes))
    session = _Session(inputs, grid, settings, progress, job, previous, device, asked)
    with failures_of_the_device(device), strict_arithmetic(session.threads), preserved(model):
        return session.run(model, space, draws, task)


class _Session:
    """One call of `compute_surface`: what its steps share."""

    def __init__(
        self,
        inputs: Inputs,
        grid: Grid,
        settings: Settings,
        progress: Progress,
        job: Job,
        previous: Surface | None,
        device: torch.device,
        asked: Mapping[str, str],
    ) -> None:
        self._inputs, self._grid, self._settings, self._progress = inputs, grid, settings, progress
        self._job, self._previous, self._device = job, previous, device
        self._before: Mapping[str, Any] = previous.provenance if previous else {}
        self.threads: int | None = self._before.get("threads")
        self._created = self._before.get("created", _now())
        self._notes = list(inputs.notes)
        self._asked = asked
        self._repeat = 0

    def run(self, model: nn.Module, space: ParameterSpace, draws: Draws, task: Task) -> Surface:
        """Evaluate the centre, then all that is not done."""
        for note in self._notes:
            self._progress.say(note)
        self._announce()
        self._begun = time.monotonic()
        self._note(changed_since(self._before, versions(), machine(self._device)))
        chosen = self._chosen(model, space, draws, task)
        evaluator, task = chosen.evaluator, chosen.task
        self._arithmetic = self._settled(chosen)
        before = time.monotonic()
        centre = evaluator.centre()
        seconds = time.monotonic() - before
        self._note(check_determinism(evaluator, self._device))
        refuse_another_centre(self._previous, centre)
        self._describe_centre(centre, seconds)
        results = self._results(centre)
        facts = self._facts(model, space, draws, evaluator)
        centre_values = self._centre_values(centre, task)
        plan = plan_of(self._grid, self._job.adaptive, self._before)

        def surface() -> Surface:
            return Surface(
                self._grid,
                results.quantities(),
                self._job,
                centre_values,
                draws.records,
                {**self._provenance(evaluator), **facts, **plan.record()},
                str(self._settings.out or ""),
            )

        self._keep_tensors(draws)
        self._loop(lambda repeat, point: self._at(evaluator, draws, repeat, point), plan, results, surface)
        return surface()

    def _at(self, evaluator: Evaluator, draws: Draws, repeat: int, point: Sequence[float]) -> dict[str, list[float]]:
        if repeat != self._repeat:
            evaluator.follow(draws.subspace(repeat))
            self._repeat = repeat
        return evaluator(point).values()

    def _announce(self) -> None:
        """Say what is about to be computed, where it goes and what recalibrating costs."""
        axes = zip(self._grid.names, self._grid.axes, strict=True)
        ranges = ", ".join(
            f"{len(axis)} along {name} from {axis.values[0]:g} to {axis.values[-1]:g}" for name, axis in axes
        )
        again = f", for {self._job.repeats} draws of the directions" if self._job.repeats > 1 else ""
        saved = f"; saved every few seconds in {self._settings.out}" if self._settings.out else ""
        self._progress.say(f"points: {ranges}{again}{saved}")
        if cost := cost_of(self._job, self._inputs):
            self._progress.say(cost)

    def _facts(self, model: nn.Module, space: ParameterSpace, draws: Draws, evaluator: Evaluator) -> dict[str, Any]:
        """What moves, how the directions lie and how sure the calibration is; said where it matters."""
        materialised = self._settings.parametrization == "effective" and parametrized(self._inputs.model)
        if materialised:
            self._note(
                "computed weights (weight norm and the like) are moved as they are: a point may lie outside "
                "of what the parametrization can express"
            )
        if len(self._grid.axes) > 1:
            listed = ", ".join(f"{cosine:+.4f}" for cosine in draws.cosines)
            self._progress.say(f"cosine between the two directions: {listed}")
        facts = {
            "statistics_layers": len(statistics_layers(model)) + len(layers_of_each_batch(model)),
            "parameters": space.table(draws.moved),
            "materialised": materialised,
            "cosine": draws.cosines[0],
            "gram": draws.gram,
            **({"cosines": draws.cosines} if len(draws.cosines) > 1 else {}),
            **({"calibration": self._calibrated(evaluator)} if evaluator.recalibrates else {}),
        }
        return json_ready(facts)

    def _chosen(self, model: nn.Module, space: ParameterSpace, draws: Draws, task: Task) -> Chosen:
        """The evaluator on the device, after a try on two examples."""
        chosen = evaluator_for(
            self._inputs,
            model,
            space,
            draws,
            task,
            self._grid,
            self._job,
            self._settings,
            self._device,
            self._before,
        )
        asked, recorded = self._settings.batch_size, self._before.get("batch_size")
        if asked and recorded and asked != recorded:
            self._note(f"the file was begun with batches of {recorded}: with {asked} the last bits may differ")
        if chosen.reason:
            self._progress.say(f"evaluated without the fused network: {chosen.reason}")
        return chosen

    def _settled(self, chosen: Chosen) -> dict[str, Any]:
        """Set the precision, and what is to be said of it and of the evaluator."""
        evaluator = chosen.evaluator
        found = settle(evaluator, self._grid, self._job, self._settings, self._device, self._before)
        self._job = found.job
        for text in found.said:
            self._progress.say(text)
        self._note(found.note)
        return json_ready(
            {
                "evaluator": evaluator.network.name,
                "evaluator_reason": chosen.reason,
                "evaluator_difference": chosen.difference,
                **({"precision": found.record} if found.record else {}),
            }
        )

    def _calibrated(self, evaluator: Evaluator) -> dict[str, Any]:
        """How much the choice of calibration images matters; measured when the file is begun."""
        if "calibration" in self._before:
            return dict(self._before["calibration"])
        found = half_differences(evaluator, self._grid)
        for split, apart in found.items():
            self._progress.say(
                f"statistics of the two halves of the calibration set give {split} losses that differ by "
                f"{abs(apart['centre']):.2g} at the trained weights and by up to {abs(apart['ends']):.2g} at the ends"
            )
        return {"half_difference": found}

    def _centre_values(self, centre: Measurement, task: Task) -> dict[str, dict[str, Any]]:
        """The numbers of the trained weights, one per policy where there are several."""
        found: dict[str, dict[str, Any]] = {}
        for split, under in centre.sums.items():
            rows = [sums.values() for sums in under.values()]
            chance = chance_accuracy(task.batches[split].targets)
            if "accuracy" in rows[0] and chance is not None:
                rows = [{**row, "chance_accuracy": chance} for row in rows]
            several = {name: [row.get(name, 0.0) for row in rows] for name in rows[-1]}
            found[split] = several if len(rows) > 1 else rows[0]
        return found

    def _results(self, centre: Measurement) -> Results:
        values = centre.values()
        names = [name for name in values if "loss_minus_frozen" not in name]
        results = Results(self._grid, names, len(self._job.policies), self._job.repeats)
        if self._previous:
            refuse_other_quantities(self._previous, names)
            results.take_over(self._previous)
            if not self._previous.complete:
                self._progress.say(f"going on with {self._settings.out}")
        index = self._grid.centre()
        if index is None:
            nearest = [min(axis.values, key=abs) for axis in self._grid.axes]
            self._note(f"the trained weights are not on the grid: the nearest point is {tuple(nearest)}")
        else:
            for repeat in range(self._job.repeats):
                results.record(repeat, index, values)
        return results

    def _describe_centre(self, centre: Measurement, seconds: float) -> None:
        """Print the checkpoint's own numbers, and compare them with what it states."""
        for split, under in centre.sums.items():
            for policy, sums in under.items():
                which = f" under {policy} statistics" if len(under) > 1 else ""
                loss = f"loss {sums.mean('loss'):.5f} +- {sums.stderr('loss'):.5f}"
                accuracy = f", accuracy {sums.mean('accuracy'):.2%}" if "accuracy" in sums.totals else ""
                self._progress.say(f"trained weights{which}: {split} {loss}{accuracy} on {sums.count:,} examples")
            for name, value in self._inputs.stated.items():
                if "accuracy" in next(iter(under.values())).totals:
                    self._progress.say(f"the checkpoint states {name} {value:.2%}")
        self._progress.say(f"the trained weights took {seconds:.1f} s")

    def _keep_tensors(self, draws: Draws) -> None:
        """Directions that no recipe rebuilds go into a file of their own, once."""
        out = self._settings.out
        if out is None or (self._settings.directions == "random" and not self._settings.save_directions):
            return
        path = directions_path(out)
        file = self._settings.direction_file
        given = file is not None and file.resolve() == path.resolve()
        if not given and not (self._previous and path.exists()):
            directions = [one for repeat in range(self._job.repeats) for one in draws.directions(repeat)]
            names = direction_names(len(self._grid.axes), self._job.repeats)
            tensors = {
                name: {key: tensor.float().numpy() for key, tensor in one.tensors.items()}
                for name, one in zip(names, directions, strict=True)
            }
            write_named_directions(path, tensors)

    def _loop(self, evaluate: Evaluate, plan: Plan, results: Results, surface: Callable[[], Surface]) -> None:
        out = self._settings.out
        if self._previous and self._previous.complete:
            self._progress.say(f"{out} is complete: nothing is left to compute")
            return
        try:
            run(evaluate, plan, results, lambda: save(surface(), out) if out else None, self._progress)
        except (Interrupted, KeyboardInterrupt) as error:
            again = "the same command, without --overwrite," if self._settings.overwrite else "the same command"
            how = f"; {out} is saved: {again} goes on from there" if out else ""
            raise Interrupted(f"{str(error) or 'stopped in the middle of a point'}{how}", surface()) from error

    def _note(self, text: str) -> None:
        if text:
            self._notes.append(text)
            self._progress.say(text)

    def _provenance(self, evaluator: Evaluator) -> dict[str, Any]:
        seconds = time.monotonic() - self._begun
        return {
            "created": self._created,
            "updated": _now(),
            "command": self._settings.command,
            "seconds": self._before.get("seconds", 0.0) + seconds,
            "resumed": self._before.get("resumed", -1) + 1,
            "versions": versions(),
            "machine": machine(self._device),
            "threads": torch.get_num_threads(),
            **self._arithmetic,
            **({"asked": dict(self._asked)} if self._asked else {}),
            "batch_size": evaluator.batch_size,
            "stated": dict(self._inputs.stated),
            "notes": list(dict.fromkeys([*self._before.get("notes", []), *self._notes])),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def directions_path(out: Path) -> Path:
    """Where the tensors of a run's directions lie, if they are kept: `<out>.directions.h5`."""
    return out.with_name(out.stem + ".directions.h5")
