"""From inputs and settings to a Surface: directions, centre, the loop, and the file that grows with it."""

from __future__ import annotations

import copy
import hashlib
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import landscape
from landscape.directions import Gaussian, read_directions
from landscape.errors import Interrupted, LandscapeError
from landscape.evaluation import Evaluator, Sums, Task, check_determinism, make_task, strict_arithmetic
from landscape.execution.device import batch_size_for, device_for
from landscape.execution.progress import Progress
from landscape.execution.results import Results
from landscape.execution.resume import changed_since, earlier_run
from landscape.execution.run import run
from landscape.inputs import Inputs
from landscape.parameters import Direction, ParameterSpace, Subspace, effective, preserved
from landscape.storage import check_writable, save, write_named_directions
from landscape.types import DirectionRecord, Grid, Job, Surface


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
    precision: str = "fp32"
    device: str = "auto"
    batch_size: int | None = None
    out: Path | None = None
    overwrite: bool = False
    save_directions: bool = False
    command: str = ""


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
    """
    if settings.out is not None:
        check_writable(settings.out)
    device = device_for(settings.device, inputs.model)
    model = _placed(inputs.model, device, settings.parametrization)
    space = ParameterSpace(model, settings.perturb, settings.roles)
    directions = _directions(space, model, grid, settings)
    task = make_task(inputs.batches, settings.loss, settings.metrics)
    job = _job(inputs, model, task, grid, settings)
    previous = earlier_run(settings.out, job, [one.digest() for one in directions], settings.overwrite)
    session = _Session(inputs, grid, settings, progress, job, previous, device)
    with strict_arithmetic(session.threads), preserved(model):
        return session.run(model, space, directions, task)


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

    def run(self, model: nn.Module, space: ParameterSpace, directions: tuple[Direction, ...], task: Task) -> Surface:
        """Evaluate the centre, then all that is not done."""
        for note in self._notes:
            self._progress.say(note)
        if self._settings.out:
            self._progress.say(f"the surface goes into {self._settings.out}, saved every few seconds")
        subspace = Subspace(space, directions)
        self._begun = time.monotonic()
        evaluator = self._evaluator(model, subspace, task)
        centre = evaluator.centre()
        self._note(check_determinism(evaluator, self._device))
        self._describe_centre(centre, time.monotonic() - self._begun)
        results = self._results(centre, task)
        records = tuple(DirectionRecord(one.spec, one.digest(), one.norms(space)) for one in directions)
        if len(directions) > 1:
            self._progress.say(f"cosine between the two directions: {subspace.cosine:+.4f}")
        fixed = {
            "statistics_layers": statistics_layers(model),
            "parameters": space.table(),
            "cosine": subspace.cosine,
            "gram": subspace.gram,
        }

        def surface() -> Surface:
            return Surface(
                self._grid,
                results.quantities(),
                self._job,
                {split: _with_chance(sums.values(), task, split) for split, sums in centre.items()},
                records,
                {**self._provenance(evaluator), **_json_ready(fixed)},
                str(self._settings.out or ""),
            )

        self._keep_tensors(directions)
        self._loop(evaluator, results, surface)
        return surface()

    def _evaluator(self, model: nn.Module, subspace: Subspace, task: Task) -> Evaluator:
        """The evaluator on the device, after a try on two examples."""
        task = task.to(self._device, dtype_of(model))
        with torch.inference_mode():
            task.check(model)
        self._note(changed_since(self._before, _versions(), _machine(self._device)))
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
        if path.resolve() != Path(self._settings.directions).resolve():
            names = ("first", "second")
            tensors = {
                name: {key: tensor.float().numpy() for key, tensor in one.tensors.items()}
                for name, one in zip(names, directions, strict=False)
            }
            write_named_directions(path, tensors)

    def _loop(self, evaluator: Evaluator, results: Results, surface: Any) -> None:
        out = self._settings.out
        try:
            run(evaluator, self._grid, results, lambda: save(surface(), out) if out else None, self._progress)
        except Interrupted as error:
            how = f"; {out} is saved: the same command goes on from there" if out else ""
            raise Interrupted(f"{error}{how}", surface()) from error

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
            "resumed": self._before.get("resumed", 0) + (self._previous is not None) if self._before else 0,
            "versions": _versions(),
            "machine": _machine(self._device),
            "threads": torch.get_num_threads(),
            "evaluator": evaluator.name,
            "batch_size": evaluator.batch_size,
            "stated": dict(self._inputs.stated),
            "notes": list(dict.fromkeys([*self._before.get("notes", []), *self._notes])),
        }


def directions_path(out: Path) -> Path:
    """Where the tensors of a run's directions lie, if they are kept: `<out>.directions.h5`."""
    return out.with_name(out.stem + ".directions.h5")


PRECISIONS = {torch.float64: "fp64", torch.bfloat16: "bf16", torch.float16: "fp16"}


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating-point parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def statistics_layers(model: nn.Module) -> int:
    """How many layers keep running statistics."""
    return sum(getattr(module, "running_mean", None) is not None for module in model.modules())


def _placed(model: nn.Module, device: torch.device, parametrization: str) -> nn.Module:
    """The caller's own model where it already is, or a copy where it has to move or to be rewritten."""
    working = effective(model) if parametrization == "effective" else model
    parameter = next(model.parameters(), None)
    if working is model and parameter is not None and parameter.device != device:
        working = copy.deepcopy(model)
    return working.to(device) if working is not model else model


def _directions(space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings) -> tuple[Direction, ...]:
    number = len(grid.axes)
    if settings.directions == "random":
        return tuple(Gaussian(settings.seed, axis, normalize=settings.normalize)(space) for axis in range(number))
    found = read_directions(settings.directions, space, model.state_dict())
    if len(found) < number:
        raise LandscapeError(f"{settings.directions} holds {len(found)} direction: draw a line with --y none")
    return found[:number]


def _job(inputs: Inputs, model: nn.Module, task: Task, grid: Grid, settings: Settings) -> Job:
    imported = settings.directions != "random"
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
        normalize="none" if imported else settings.normalize,
        perturb=settings.perturb,
        parametrization=settings.parametrization,
        roles=settings.roles,
        seed=0 if imported else settings.seed,
        x=axes[0],
        y=axes[1] if len(axes) > 1 else "none",
        bn_stats=settings.bn_stats,
        precision=PRECISIONS.get(dtype_of(model), settings.precision),
    )


def _with_chance(values: dict[str, float], task: Task, split: str) -> dict[str, float]:
    """Beside an accuracy, the one that always answering the commonest class would reach."""
    targets = task.batches[split].targets
    if "accuracy" in values and targets.ndim == 1 and not targets.is_floating_point():
        values["chance_accuracy"] = float(torch.bincount(targets).max()) / len(targets)
    return values


def _versions() -> dict[str, str]:
    return {
        "landscape": landscape.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": str(torch.version.cuda or ""),
    }


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {platform.machine()}, {sys.platform}"


def _json_ready(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN, which JSON has not, as None."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}
