"""From inputs and settings to a Surface: directions, centre, the loop, and the file that grows with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from landscape.errors import Interrupted, LandscapeError
from landscape.evaluation import Evaluator, Sums, Task, check_determinism, make_task, strict_arithmetic
from landscape.execution.device import batch_size_for, device_for, failures_of_the_device
from landscape.execution.preparation import Settings, directions_of, dtype_of, job_of, placed
from landscape.execution.progress import Progress
from landscape.execution.provenance import json_ready, machine, statistics_layers, versions, with_chance
from landscape.execution.results import Results
from landscape.execution.resume import changed_since, earlier_run, refuse_another_centre
from landscape.execution.run import run
from landscape.inputs import Inputs
from landscape.parameters import Direction, ParameterSpace, Subspace, parametrized, preserved
from landscape.storage import check_writable, save, sole_writer, write_named_directions
from landscape.types import DirectionRecord, Grid, Job, Surface


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
    device = device_for(settings.device, inputs.model)
    with failures_of_the_device(device):
        model = placed(inputs.model, device, settings.parametrization)
    space = ParameterSpace(model, settings.perturb, settings.roles)
    directions = directions_of(space, model, grid, settings)
    task = make_task(inputs.batches, settings.loss, settings.metrics)
    job = job_of(inputs, model, task, grid, settings)
    records = tuple(DirectionRecord(one.spec, one.digest(), one.norms(space)) for one in directions)
    previous = earlier_run(settings.out, job, [record.digest for record in records], settings.overwrite)
    session = _Session(inputs, grid, settings, progress, job, previous, device)
    with failures_of_the_device(device), strict_arithmetic(session.threads), preserved(model):
        return session.run(model, space, directions, records, task)


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
    ) -> None:
        self._inputs, self._grid, self._settings, self._progress = inputs, grid, settings, progress
        self._job, self._previous, self._device = job, previous, device
        self._before: Mapping[str, Any] = previous.provenance if previous else {}
        self.threads: int | None = self._before.get("threads")
        self._notes = list(inputs.notes)

    def run(
        self,
        model: nn.Module,
        space: ParameterSpace,
        directions: tuple[Direction, ...],
        records: tuple[DirectionRecord, ...],
        task: Task,
    ) -> Surface:
        """Evaluate the centre, then all that is not done."""
        for note in self._notes:
            self._progress.say(note)
        axes = zip(self._grid.names, self._grid.axes, strict=True)
        ranges = ", ".join(
            f"{len(axis)} along {name} from {axis.values[0]:g} to {axis.values[-1]:g}" for name, axis in axes
        )
        saved = f"; saved every few seconds in {self._settings.out}" if self._settings.out else ""
        self._progress.say(f"points: {ranges}{saved}")
        subspace = Subspace(space, directions)
        self._begun = time.monotonic()
        evaluator = self._evaluator(model, subspace, task)
        centre = evaluator.centre()
        self._note(check_determinism(evaluator, self._device))
        refuse_another_centre(self._previous, centre)
        self._describe_centre(centre, time.monotonic() - self._begun)
        results = self._results(centre, task)
        geometry = self._geometry(model, space, subspace, directions)
        centre_values = {
            split: with_chance(sums.values(), task.batches[split].targets) for split, sums in centre.items()
        }

        def surface() -> Surface:
            return Surface(
                self._grid,
                results.quantities(),
                self._job,
                centre_values,
                records,
                {**self._provenance(evaluator), **geometry},
                str(self._settings.out or ""),
            )

        self._keep_tensors(directions)
        self._loop(evaluator, results, surface)
        return surface()

    def _geometry(
        self, model: nn.Module, space: ParameterSpace, subspace: Subspace, directions: tuple[Direction, ...]
    ) -> dict[str, Any]:
        """What moves and how the directions lie, for the provenance; said where it matters."""
        materialised = self._settings.parametrization == "effective" and parametrized(self._inputs.model)
        if materialised:
            self._note(
                "computed weights (weight norm and the like) are moved as they are: a point may lie outside "
                "of what the parametrization can express"
            )
        if len(directions) > 1:
            self._progress.say(f"cosine between the two directions: {subspace.cosine:+.4f}")
        facts = {
            "statistics_layers": statistics_layers(model),
            "parameters": space.table({name for one in directions for name in one.tensors}),
            "materialised": materialised,
            "cosine": subspace.cosine,
            "gram": subspace.gram,
        }
        return json_ready(facts)

    def _evaluator(self, model: nn.Module, subspace: Subspace, task: Task) -> Evaluator:
        """The evaluator on the device, after a try on two examples."""
        task = task.to(self._device, dtype_of(model))
        with torch.inference_mode():
            task.check(model)
        self._note(changed_since(self._before, versions(), machine(self._device)))
        asked, recorded = self._settings.batch_size, self._before.get("batch_size")
        if asked and recorded and asked != recorded:
            self._note(f"the file was begun with batches of {recorded}: with {asked} the last bits may differ")
        return Evaluator(model, subspace, task, asked or recorded or batch_size_for(self._device))

    def _results(self, centre: Mapping[str, Sums], task: Task) -> Results:
        values = {split: sums.values() for split, sums in centre.items()}
        names = [name for name in next(iter(values.values())) if name != "count"]
        results = Results(self._grid, tuple(task.batches), names)
        if self._previous:
            results.take_over(self._previous)
            if not self._previous.complete:
                self._progress.say(f"going on with {self._settings.out}")
        index = self._grid.centre()
        if index is None:
            nearest = [min(axis.values, key=abs) for axis in self._grid.axes]
            self._note(f"the trained weights are not on the grid: the nearest point is {tuple(nearest)}")
        else:
            results.record(index, values)
        return results

    def _describe_centre(self, centre: Mapping[str, Sums], seconds: float) -> None:
        """Print the checkpoint's own numbers, and compare them with what it states."""
        for split, sums in centre.items():
            loss = f"loss {sums.mean('loss'):.5f} +- {sums.stderr('loss'):.5f}"
            accuracy = f", accuracy {sums.mean('accuracy'):.2%}" if "accuracy" in sums.totals else ""
            self._progress.say(
                f"trained weights: {split} {loss}{accuracy} on {sums.count:,} examples ({seconds:.1f} s)"
            )
            for name, value in self._inputs.stated.items():
                if accuracy:
                    self._progress.say(f"the checkpoint states {name} {value:.2%}")

    def _keep_tensors(self, directions: tuple[Direction, ...]) -> None:
        """Directions that no recipe rebuilds go into a file of their own, once."""
        out = self._settings.out
        if out is None or (self._settings.directions == "random" and not self._settings.save_directions):
            return
        path = directions_path(out)
        if path.resolve() != Path(self._settings.directions).resolve() and not (self._previous and path.exists()):
            names = ("first", "second")
            tensors = {
                name: {key: tensor.float().numpy() for key, tensor in one.tensors.items()}
                for name, one in zip(names, directions, strict=False)
            }
            write_named_directions(path, tensors)

    def _loop(self, evaluator: Evaluator, results: Results, surface: Callable[[], Surface]) -> None:
        out = self._settings.out
        if self._previous and self._previous.complete:
            self._progress.say(f"{out} is complete: nothing is left to compute")
            return
        try:
            run(evaluator, self._grid, results, lambda: save(surface(), out) if out else None, self._progress)
        except (Interrupted, KeyboardInterrupt) as error:
            again = "the same command, without --overwrite," if self._settings.overwrite else "the same command"
            how = f"; {out} is saved: {again} goes on from there" if out else ""
            raise Interrupted(f"{str(error) or 'stopped in the middle of a point'}{how}", surface()) from error

    def _note(self, text: str) -> None:
        if text:
            self._notes.append(text)
            self._progress.say(text)

    def _provenance(self, evaluator: Evaluator) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        seconds = time.monotonic() - self._begun
        return {
            "created": self._before.get("created", now),
            "updated": now,
            "command": self._settings.command,
            "seconds": self._before.get("seconds", 0.0) + seconds,
            "resumed": self._before.get("resumed", -1) + 1,
            "versions": versions(),
            "machine": machine(self._device),
            "threads": torch.get_num_threads(),
            "evaluator": evaluator.name,
            "batch_size": evaluator.batch_size,
            "stated": dict(self._inputs.stated),
            "notes": list(dict.fromkeys([*self._before.get("notes", []), *self._notes])),
        }


def directions_path(out: Path) -> Path:
    """Where the tensors of a run's directions lie, if they are kept: `<out>.directions.h5`."""
    return out.with_name(out.stem + ".directions.h5")
