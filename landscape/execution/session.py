"""From inputs and settings to a Surface: directions, centre, the loop, and the file that grows with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch

from landscape.errors import Interrupted, LandscapeError
from landscape.evaluation import (
    Evaluator,
    Measurement,
    Task,
    layers_of_each_batch,
    statistics_layers,
    strict_arithmetic,
)
from landscape.evaluation.memory import keep_what_is_freed
from landscape.execution.adaptive import plan_of
from landscape.execution.calibration import half_differences
from landscape.execution.comparison import Watch
from landscape.execution.device import failures_at, failures_of_the_device
from landscape.execution.draws import keep_tensors
from landscape.execution.evaluators import Chosen, evaluator_for
from landscape.execution.plan import Plan
from landscape.execution.precision import settle
from landscape.execution.preparation import Settings
from landscape.execution.progress import Progress
from landscape.execution.provenance import chance_accuracy, json_ready, machine, versions
from landscape.execution.results import Results
from landscape.execution.resume import (
    changed_since,
    refuse_another_centre,
    refuse_other_quantities,
    settled,
)
from landscape.execution.run import Evaluate, run
from landscape.execution.setup import Setup, set_up
from landscape.execution.telling import announcement, described
from landscape.inputs import Inputs
from landscape.parameters import parametrized, preserved
from landscape.storage import check_writable, save, sole_writer
from landscape.types import Grid, Surface


def compute_surface(
    inputs: Inputs, grid: Grid, settings: Settings, progress: Progress, asked: Mapping[str, str] | None = None
) -> Surface:
    """Compute a surface, or go on with one that is on disk.

    Args:
        inputs: Model and data.
        grid: The points.
        settings: Everything else.
        progress: Told what goes on.
        asked: What the run was left to settle by itself; None for what the settings still leave open.

    Returns:
        The surface, complete.

    Raises:
        Interrupted: If Ctrl-C or SIGTERM arrives; `surface` of it is what was computed, and it is saved.
        LandscapeError: If an input is wrong, or another run is writing the file.
    """
    asked = settings.asked if asked is None else asked
    if settings.out is None:
        return _computed(inputs, grid, settings, progress, asked)
    if settings.out.suffix != ".h5" and not settings.out.is_dir():
        raise LandscapeError(f"the surface is an HDF5 file: give it a name that ends in .h5, not {str(settings.out)!r}")
    check_writable(settings.out)
    with sole_writer(settings.out):
        return _computed(inputs, grid, settings, progress, asked)


def _computed(inputs: Inputs, grid: Grid, settings: Settings, progress: Progress, asked: Mapping[str, str]) -> Surface:
    setup = set_up(inputs, grid, settled(settings))
    if not settings.low_memory:
        keep_what_is_freed()
    threads = setup.before.get("threads")
    with failures_of_the_device(setup.device), strict_arithmetic(threads), preserved(setup.model):
        return _Session(setup, asked, progress).run()


class _Session:
    """One call of `compute_surface`: what its steps share."""

    def __init__(self, setup: Setup, asked: Mapping[str, str], progress: Progress) -> None:
        self._setup, self._asked, self._progress = setup, asked, progress
        self._grid, self._settings, self._job = setup.grid, setup.settings, setup.job
        self._previous, self._before = setup.previous, setup.before
        self._created = self._before.get("created", _now())
        self._notes = list(setup.inputs.notes)
        self._repeat = 0
        self._uncaptured = ""

    def run(self) -> Surface:
        """Evaluate the centre, then all that is not done."""
        for text in (*self._notes, *announcement(self._job, self._settings, self._setup.inputs)):
            self._progress.say(text)
        self._begun = time.monotonic()
        self._note(changed_since(self._before, versions(), machine(self._setup.device)))
        chosen = self._chosen()
        evaluator = chosen.evaluator
        self._arithmetic = self._settled(chosen)
        before = time.monotonic()
        with failures_at([], evaluator.name, None):
            centre = evaluator.centre()
        seconds = time.monotonic() - before
        self._note(chosen.note)
        refuse_another_centre(self._previous, centre)
        for text in described(centre, self._setup.inputs.stated, seconds):
            self._progress.say(text)
        results = self._results(centre)
        facts = self._facts(evaluator)
        centre_values = self._centre_values(centre, chosen.task)
        plan = plan_of(self._grid, self._job.adaptive, self._before)

        def surface() -> Surface:
            return Surface(
                self._grid,
                results.quantities(),
                self._job,
                centre_values,
                self._setup.draws.records,
                {**self._provenance(evaluator), **facts, **plan.record()},
                str(self._settings.out or ""),
            )

        keep_tensors(self._setup.draws, self._job, self._settings, begun=self._previous is not None)
        self._loop(lambda repeat, point: self._at(evaluator, repeat, point), plan, results, surface)
        return surface()

    def _at(self, evaluator: Evaluator, repeat: int, point: Sequence[float]) -> dict[str, list[float]]:
        if repeat != self._repeat:
            evaluator.follow(self._setup.draws.subspace(repeat))
            self._repeat = repeat
        with failures_at(point, evaluator.name, self._settings.out):
            values = evaluator(point).values()
        self._tell(evaluator)
        self._note(self._watch(point, values))
        return values

    def _tell(self, evaluator: Evaluator) -> None:
        """Say why passes are not captured, once that is known."""
        if evaluator.reason != self._uncaptured:
            self._uncaptured = evaluator.reason
            self._progress.say(f"the pass over the data is not captured in a CUDA graph: {evaluator.reason}")
            self._note_another(evaluator.name)

    def _note_another(self, name: str) -> None:
        begun = self._before.get("evaluator")
        if begun and begun != name:
            self._note(f"the file was begun with the {begun} network: with the {name} one the last bits may differ")

    def _facts(self, evaluator: Evaluator) -> dict[str, Any]:
        """What moves, how the directions lie and how sure the calibration is; said where it matters."""
        model, draws = self._setup.model, self._setup.draws
        materialised = self._settings.parametrization == "effective" and parametrized(self._setup.inputs.model)
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
            "parameters": self._setup.space.table(draws.moved),
            "materialised": materialised,
            "cosine": draws.cosines[0],
            "gram": draws.gram,
            **({"cosines": draws.cosines} if len(draws.cosines) > 1 else {}),
            **({"calibration": self._calibrated(evaluator)} if evaluator.recalibrates else {}),
        }
        return json_ready(facts)

    def _chosen(self) -> Chosen:
        """The evaluator on the device, after a try on two examples."""
        chosen = evaluator_for(self._setup, self._progress.say)
        asked, recorded = self._settings.batch_size, self._before.get("batch_size")
        if asked and recorded and recorded not in (asked, chosen.evaluator.batch_size):
            self._note(f"the file was begun with batches of {recorded}: with {asked} the last bits may differ")
        self._note_another(chosen.evaluator.name)
        if chosen.reason:
            self._progress.say(f"evaluated without the fused network: {chosen.reason}")
        return chosen

    def _settled(self, chosen: Chosen) -> dict[str, Any]:
        """Set the precision, and what is to be said of it and of the evaluator."""
        evaluator = chosen.evaluator
        chosen.suit(self._job.precision)
        with failures_at([], evaluator.name, None):
            found = settle(evaluator, self._grid, self._job, self._settings, self._setup.device, self._before)
        self._job = found.job
        self._watch = Watch(evaluator, found.job.precision, found.record)
        chosen.suit(found.job.precision)
        for text in found.said:
            self._progress.say(text)
        self._note(found.note)
        return json_ready(
            {
                "evaluator_reason": chosen.reason,
                "evaluator_difference": chosen.difference,
                **({"evaluator_gain": gain} if (gain := chosen.gain or self._before.get("evaluator_gain")) else {}),
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
            "machine": machine(self._setup.device),
            "threads": torch.get_num_threads(),
            **self._arithmetic,
            **({"precision": json_ready(self._watch.record)} if self._watch.record else {}),
            "evaluator": evaluator.name,
            **({"capture_reason": evaluator.reason} if evaluator.reason else {}),
            **({"asked": asked} if (asked := {**self._before.get("asked", {}), **self._asked}) else {}),
            "batch_size": evaluator.batch_size,
            "stated": dict(self._setup.inputs.stated),
            "notes": list(dict.fromkeys([*self._before.get("notes", []), *self._notes])),
        }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
