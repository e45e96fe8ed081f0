"""Ours, by `landscape.compute` with whatever options, and float64."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

import landscape
from benchmarks.cases import Case
from benchmarks.contenders import BATCH, Photographs, points
from benchmarks.timing import Clock, Run


class Ours:
    """`landscape.compute` on a model and a loader, with whatever evaluator it chooses."""

    variants = ("",)

    def __init__(self, device: str = "cpu", **options: Any) -> None:
        self._device, self._options = device, options

    def prepare(self, case: Case, variant: str) -> None:
        """Build the model and the same loader as the user's."""
        self._model, self._loader = case.model(), DataLoader(Photographs(case), BATCH)

    def run(self, side: int) -> Run:
        """Compute the surface in memory; the progress tells when points are finished."""
        ticks = Ticks()
        axis = (-1.0, 1.0, side)
        begun = ticks.clock.begun
        surface = landscape.compute(
            self._model, self._loader, x=axis, y=axis, device=self._device, progress=ticks, **self._options
        )
        seconds = time.perf_counter() - begun
        losses, accuracies = surface["test/loss"].tolist(), surface["test/accuracy"].tolist()
        return Run(seconds, ticks.clock.stamps, losses, accuracies, _ran(surface))

    def check(self) -> dict[str, Any]:
        """Nothing: the points are the common ones."""
        return {}


class Exact:
    """The same in float64, whose losses stand for the true ones; never timed."""

    variants = ("",)

    def __init__(self, device: str = "cpu") -> None:
        self._device = torch.device(device)

    def prepare(self, case: Case, variant: str) -> None:
        """Build the network, the data and the directions in float64."""
        self._net = case.model().double().to(self._device)
        inputs, labels = case.tensors()
        self._batches = list(zip(inputs.double().split(BATCH), labels.split(BATCH), strict=True))
        named = dict(self._net.named_parameters())
        self._origin = {name: parameter.detach().clone() for name, parameter in named.items()}
        self._steps = [
            {name: step.double().to(self._device) for name, step in one.items()} for one in (case.first, case.second)
        ]

    @torch.no_grad()
    def run(self, side: int) -> Run:
        """Evaluate the grid."""
        clock = Clock(time.perf_counter())
        losses = np.full((side, side), np.nan)
        for (i, a), (j, b) in points(side):
            for name, parameter in self._net.named_parameters():
                steps = (c * step[name] for c, step in zip((a, b), self._steps, strict=True) if name in step)
                parameter.copy_(self._origin[name] + sum(steps))
            losses[i, j] = sum(
                float(nn.functional.cross_entropy(self._net(x.to(self._device)), y.to(self._device), reduction="sum"))
                for x, y in self._batches
            )
            clock.stamp(time.perf_counter())
        losses /= sum(len(y) for _, y in self._batches)
        return Run(time.perf_counter() - clock.begun, clock.stamps, losses.tolist(), None, "float64")

    def check(self) -> dict[str, Any]:
        """Nothing: it is what others are compared with."""
        return {}


class Ticks:
    """A progress that notes when each point is finished."""

    def __init__(self) -> None:
        self.clock = Clock(time.perf_counter())

    def say(self, text: str) -> None:
        """Say nothing."""

    def start(self, done: int, total: int) -> None:
        """Say nothing."""

    def extend(self, total: int) -> None:
        """Say nothing."""

    def advance(self, seconds: float) -> None:
        """Note the moment."""
        self.clock.stamp(time.perf_counter())

    def stop(self) -> None:
        """Say nothing."""


def _ran(surface: landscape.Surface) -> str:
    """Which evaluator, in which arithmetic."""
    corrected = ", corrected" if getattr(surface.job, "correction", 0) else ""
    return f"{surface.provenance.get('evaluator', '')} {surface.job.precision}{corrected}"


def losses_at(case: Case, weights: list[Mapping[str, Tensor]], folder: Path) -> list[float]:
    """Our losses of a network at other weights, through a direction file of the 2018 tool's format.

    Args:
        case: The network and its data.
        weights: Values of all parameters, by name, one mapping for each point.
        folder: Where the file may be written.

    Returns:
        One loss for each.
    """
    import h5py

    model, found = case.model(), []
    options: dict[str, Any] = {"device": "cpu", "x": (0.0, 1.0, 2), "y": None, "progress": False}
    for index, there in enumerate(weights):
        steps = [there[name] - parameter.detach() for name, parameter in model.named_parameters()]
        path = folder / f"to_{index}.h5"
        with h5py.File(path, "w") as file:
            for number, step in enumerate(steps):
                file[f"xdirection/{number}"] = step.numpy()
        moves = any(bool(step.any()) for step in steps)
        surface = landscape.compute(model, case.tensors(), **options, **({"directions": path} if moves else {}))
        found.append(float(surface["test/loss"][1 if moves else 0]))
    return found
