"""The readable reference evaluator: every fast path must agree with it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.evaluation.memory import out_of_memory, too_little_memory
from landscape.evaluation.sums import Sums
from landscape.evaluation.task import Task
from landscape.parameters import Subspace

Result = TypeVar("Result")


class Evaluator:
    """Evaluates a task at points of a subspace: eager, one point at a time, all batches in a row.

    Sums are kept on the device in float64; each point costs one transfer to the host.

    Args:
        model: The network, in eval mode, on the device.
        subspace: Where the points lie.
        task: What is measured, its data on the device.
        batch_size: The most examples in a batch; halved where memory runs out.
    """

    name = "eager"

    def __init__(self, model: nn.Module, subspace: Subspace, task: Task, batch_size: int) -> None:
        self._model = model
        self._subspace = subspace
        self._task = task
        self.batch_size = batch_size
        self._centre_losses: dict[str, Tensor] = {}

    def centre(self) -> dict[str, Sums]:
        """Evaluate the checkpoint itself and keep its per-example losses, which the rise is measured from.

        Returns:
            Sums for each split; `loss_rise` is exactly 0.
        """
        with torch.inference_mode():
            parts = self._retrying(lambda: {split: list(self._values(split)) for split in self._task.batches})
            self._centre_losses = {split: torch.cat([part[0] for part in parts[split]]) for split in parts}
            return {split: self._sums(split, self._totals(split, parts[split])) for split in parts}

    def __call__(self, point: Sequence[float]) -> dict[str, Sums]:
        """Evaluate a point.

        Args:
            point: Its coordinates, in multiples of the directions.

        Returns:
            Sums for each split.
        """
        with torch.inference_mode(), self._subspace.at(point):
            totals = self._retrying(
                lambda: {split: self._totals(split, self._values(split)) for split in self._task.batches}
            )
            return {split: self._sums(split, total) for split, total in totals.items()}

    def probe(self) -> tuple[float, float]:
        """Evaluate the first batch at the centre twice.

        Returns:
            The largest difference between the losses of an example, absolute and relative; NaN equals NaN.
        """
        with torch.inference_mode():
            split = next(iter(self._task.batches))
            first, second = (self._retrying(lambda: self._first_losses(split)) for _ in range(2))
        same = (first == second) | (first.isnan() & second.isnan())
        apart = (first - second).abs().masked_fill(same, 0.0)
        scale = first.abs().clamp_min(torch.finfo(torch.float32).tiny)
        return float(apart.nan_to_num(torch.inf).max()), float((apart / scale).nan_to_num(torch.inf).max())

    def _first_losses(self, split: str) -> Tensor:
        inputs, targets = self._task.batches[split].split(self.batch_size)[0]
        return self._task.per_example(self._model, inputs, targets)[0]

    def _values(self, split: str) -> Iterator[Tensor]:
        """Per-example values of all quantities, batch by batch, each of shape (quantities, n)."""
        for inputs, targets in self._task.batches[split].split(self.batch_size):
            yield self._task.per_example(self._model, inputs, targets)

    def _totals(self, split: str, parts: Iterable[Tensor]) -> Tensor:
        """Sums and sums of squares on the device, shape (2, quantities + 1), the last one the rise of the loss."""
        start = 0
        total: Tensor | None = None
        for values in parts:
            stop = start + values.shape[1]
            rise = values[0] - self._centre_losses[split][start:stop]
            extended = torch.cat([values, rise[None]])
            part = torch.stack([extended.sum(1), extended.square().sum(1)])
            total, start = (part if total is None else total + part), stop
        assert total is not None
        return total

    def _sums(self, split: str, totals: Tensor) -> Sums:
        sums, squares = totals.tolist()
        names = (*self._task.names, "loss_rise")
        pairs = {name: (total, square) for name, total, square in zip(names, sums, squares, strict=True)}
        return Sums(len(self._task.batches[split]), pairs)

    def _retrying(self, compute: Callable[[], Result]) -> Result:
        """Compute, halving the batch size for as long as memory runs out."""
        while True:
            try:
                return compute()
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.batch_size <= 2:
                    raise too_little_memory() from error
                self.batch_size = max(2, self.batch_size // 2)
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def check_determinism(evaluator: Evaluator, device: torch.device) -> str:
    """Refuse networks whose loss at the centre changes from one evaluation to the next.

    Args:
        evaluator: The evaluator.
        device: Where it computes; bitwise equality is asked for on a CPU, 1e-6 relative elsewhere.

    Returns:
        A note where a difference was found and is small enough, else an empty string.

    Raises:
        LandscapeError: If it is not.
    """
    apart, relative = evaluator.probe()
    if apart == 0.0:
        return ""
    if relative > (0.0 if device.type == "cpu" else 1e-6):
        raise LandscapeError(
            f"the loss of the same example at the same weights differs by {apart:.2g} between two evaluations: the "
            "model draws random numbers or keeps a state in eval mode; make it deterministic"
        )
    return f"the loss at the centre repeats to {relative:.1g} relative only on this {device.type}"
