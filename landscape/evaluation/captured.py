"""The whole pass over the data as one recording: a point costs its coordinates on the way in, and one answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from landscape.data.deferred import Deferred
from landscape.evaluation.agreement import differing
from landscape.evaluation.batchnorm import Statistics
from landscape.evaluation.evaluator import Evaluator
from landscape.evaluation.memory import give_back, out_of_memory
from landscape.evaluation.networks import Network
from landscape.evaluation.recording import Computation, Recorder
from landscape.evaluation.sums import Measurement, Sums
from landscape.evaluation.task import Task
from landscape.parameters import Subspace

# With more batches than this, launching them costs little beside computing them, and the recording would be large.
MOST_BATCHES = 512
# Outputs of the network are gathered up to so many bytes.
MOST_OUTPUTS = 1 << 26
# Behind the name of the network, in the file.
CAPTURED = ", captured"
EXACT = {torch.float32, torch.float64}

Kind = Literal["sums", "losses"]


@dataclass(frozen=True)
class _Recording:
    """A recording, and what it holds for.

    Attributes:
        key: What is computed, in which precision and batches.
        again: Computes it at the present coordinates.
    """

    key: tuple[object, ...]
    again: Computation


class Captured(Evaluator):
    """An evaluator that records the pass over the data of all splits once for all points of a subspace.

    The coordinates lie in a small tensor on the device. The recording places the weights from them, computes the losses
    and metrics of all batches and their sums, and puts the weights back, bit for bit. It is made anew for another
    subspace, precision or batch size. The pass at the trained weights, which the rises are measured from, is that of
    `Evaluator`.

    Every recording is compared with `Evaluator` at a corner of the grid, half-way to it and at the trained weights.
    Where one cannot be made, or gives something else, this is an `Evaluator` from then on, and says why.

    Args:
        network: The network, on the device.
        task: What is measured, its data on the device.
        batch_size: The most examples in a batch; halved where memory runs out.
        statistics: The policies for BatchNorm's statistics; `cannot_capture` has nothing against them.
        recorder: Makes recordings.
        corner: Coordinates of a point at the edge of the grid.
        otherwise: The batch size from the moment on where there is no recording; None for the present one.

    Attributes:
        reason: Why there is no recording; empty where there is, or may be one.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        batch_size: int,
        statistics: Statistics,
        recorder: Recorder,
        corner: Sequence[float],
        otherwise: int | None = None,
    ) -> None:
        super().__init__(network, task, batch_size, statistics)
        self.reason = ""
        self._recorder, self._corner, self._otherwise = recorder, tuple(corner), otherwise or batch_size
        self._policy = statistics.policies[0]
        self._recording: _Recording | None = None
        self._home: Mapping[str, Tensor] = {}
        self._keeps_nan = False
        device = next(iter(task.batches.values())).targets.device
        self._coordinates = torch.zeros(len(self._corner), dtype=torch.float64, device=device)
        self._sent = torch.zeros(len(self._corner), dtype=torch.float64, pin_memory=device.type == "cuda")

    @property
    def name(self) -> str:
        """What it is called in the file."""
        return self.network.name if self.reason else self.network.name + CAPTURED

    def follow(self, subspace: Subspace) -> None:
        """Evaluate points of another subspace from now on; see `Evaluator.follow`."""
        self._recording = None
        super().follow(subspace)

    def centre(self) -> Measurement:
        """Evaluate the checkpoint itself; see `Evaluator.centre`."""
        self._recording = None
        return super().centre()

    def __call__(self, point: Sequence[float]) -> Measurement:
        """Evaluate a point; see `Evaluator.__call__`."""
        with torch.inference_mode():
            sums = self._sums_of(self._repeated(point)) if self._ready("sums") else None
        if sums is None:
            return super().__call__(point)
        policies = self._statistics.policies
        return Measurement({split: dict.fromkeys(policies, one) for split, one in sums.items()}, {})

    def losses(self, point: Sequence[float], precision: str) -> dict[str, Tensor]:
        """The loss of every example at a point; see `Evaluator.losses`."""
        with torch.inference_mode(), self._in(precision):
            losses = self._losses_of(self._repeated(point)) if self._ready("losses") else None
        return super().losses(point, precision) if losses is None else losses

    def _ready(self, kind: Kind) -> bool:
        """Have a recording for the present precision and batches, unless there is none to be had."""
        if not self.reason and (self._recording is None or self._recording.key != self._key(kind)):
            self._recording = None
            self.reason = self._record(kind)
            if self.reason:
                self._give_up()
        return not self.reason

    def _key(self, kind: Kind) -> tuple[object, ...]:
        return kind, self.network.precision, self.batch_size, self.corrects

    def _give_up(self) -> None:
        self._recording, self.batch_size = None, self._otherwise
        with self.network.at([0.0] * len(self._corner)):  # whatever was left half-way, the weights are put back
            pass
        give_back()

    def _record(self, kind: Kind) -> str:
        """Make a recording and try it.

        Returns:
            Why there is none, or nothing.
        """
        while True:
            number = sum(len(batches.split(self.batch_size)) for batches in self._batches.values())
            if number > MOST_BATCHES:
                return f"{number} batches are too many for one recording"
            try:
                before = self._ordinary(kind, [0.0] * len(self._corner))
                self._keeps_nan = not (self._in_range([0.0] * len(self._corner)) and self._in_range(self._corner))
                self._recording = _Recording(self._key(kind), self._recorder.record(lambda: self._pass(kind)))
                return self._tried(kind, before)
            except Exception as error:  # the network and the metrics may do anything, and so may a driver
                if not _ran_out(error) or self.batch_size <= 2:
                    return f"recording the pass fails: {next(iter(str(error).splitlines()), type(error).__name__)}"
                self._recording = None
            self.batch_size = max(2, self.batch_size // 2)
            give_back()

    def _pass(self, kind: Kind) -> Tensor:
        """What is recorded: all numbers of a point, and how large those on the way were; shape (numbers,)."""
        with self.network.at(self._coordinates.unbind()):
            self.network.keeps_nan = self._keeps_nan
            parts = {split: self._gathered(split) for split in self._batches}
            if kind == "sums":
                numbers = [self._numbers(split, self._policy, one) for split, one in parts.items()]
            else:
                numbers = [values[0] for one in parts.values() for values in one]
            largest = None if self._keeps_nan else self.network.largest()
            return torch.cat([*numbers, numbers[0].new_zeros(1) if largest is None else largest[None]])

    def _in_range(self, point: Sequence[float]) -> bool:
        """Whether numbers are far from the end of their range at a point."""
        with self.network.at(point):
            largest = self.network.largest()
        return largest is None or self.network.in_range(float(largest))

    def _gathered(self, split: str) -> list[Tensor]:
        """As `_values`, with losses and metrics of many batches in one go: they are short kernels."""
        parts, outputs, targets = [], list[Tensor](), list[Tensor]()
        for inputs, answers in self._batches[split].split(self.batch_size):
            outputs.append(self.network(inputs))
            targets.append(answers)
            if sum(one.nbytes for one in outputs) > MOST_OUTPUTS:
                parts.append(self._task.per_example(_itself, torch.cat(outputs), torch.cat(targets)))
                outputs, targets = [], []
        if outputs:
            parts.append(self._task.per_example(_itself, torch.cat(outputs), torch.cat(targets)))
        return parts

    def _repeated(self, point: Sequence[float]) -> Tensor:
        """The numbers of a point, on the device, in a tensor that the next point overwrites."""
        assert self._recording is not None
        self._sent.copy_(torch.tensor(point, dtype=torch.float64))
        self._coordinates.copy_(self._sent, non_blocking=True)
        return self._recording.again()

    def _sums_of(self, numbers: Tensor) -> dict[str, Sums] | None:
        """The sums of each split, after the only transfer of a point; None where the recording does not hold."""
        *values, largest = numbers.tolist()
        if not self.network.in_range(largest):
            return None
        size = len(values) // len(self._batches)
        parts = (values[start : start + size] for start in range(0, len(values), size))
        return {split: self._decoded(split, part) for split, part in zip(self._batches, parts, strict=True)}

    def _losses_of(self, numbers: Tensor) -> dict[str, Tensor] | None:
        if not self.network.in_range(float(numbers[-1])):
            return None
        parts = torch.split(numbers[:-1].clone(), [len(batches) for batches in self._batches.values()])
        return dict(zip(self._batches, parts, strict=True))

    def _tried(self, kind: Kind, before: Mapping[str, Sums]) -> str:
        """Compare the recording with what it stands for.

        Returns:
            What is wrong with it, or nothing.
        """
        half, home = [one / 2 for one in self._corner], [0.0] * len(self._corner)
        for point in (self._corner, half, home):
            numbers = self._repeated(point)
            found = self._sums_of(numbers) if kind == "sums" else _summed(self._losses_of(numbers), self._home)
            what = "" if found is None else differing(found, self._ordinary(kind, point), self.network.precision)
            if what:
                return f"the recorded pass gives another {what} at {tuple(point)}"
        after = self._ordinary(kind, home)
        return (
            "the recorded pass leaves other weights behind" if differing(after, before, self.network.precision) else ""
        )

    def _ordinary(self, kind: Kind, point: Sequence[float]) -> dict[str, Sums]:
        """What `Evaluator` gives."""
        if kind == "sums":
            return {split: under[self._policy] for split, under in super().__call__(point).sums.items()}
        losses = super().losses(point, self.network.precision)
        if not any(point):
            self._home = losses
        found = _summed(losses, self._home)
        assert found is not None
        return found


def cannot_capture(model: nn.Module, statistics: Statistics, task: Task) -> str:
    """Why there can be no recording of a pass, as far as is known before it is tried.

    Args:
        model: The network.
        statistics: The policies for BatchNorm's statistics.
        task: What is measured, its data where they are evaluated.

    Returns:
        The reason, or nothing.
    """
    if statistics.matter and statistics.policies != ("frozen",):
        return "BatchNorm takes other statistics than the checkpoint's own"
    if any(isinstance(one.inputs, Deferred) and not one.inputs.resident for one in task.batches.values()):
        return "the data are not in the memory of the GPU"
    other = {one.dtype for one in model.parameters() if one.is_floating_point()} - EXACT
    return f"its parameters are {next(iter(other))}".replace("torch.", "") if other else ""


def _itself(outputs: Tensor) -> Tensor:
    return outputs


def _summed(losses: Mapping[str, Tensor] | None, home: Mapping[str, Tensor]) -> dict[str, Sums] | None:
    """Losses and their rises from those at the trained weights, as sums."""
    if losses is None:
        return None
    pairs = {split: {"loss": one, "loss_rise": one - home[split]} for split, one in losses.items()}
    return {
        split: Sums(
            len(both["loss"]), {name: (float(one.sum()), float(one.square().sum())) for name, one in both.items()}
        )
        for split, both in pairs.items()
    }


def _ran_out(error: BaseException | None) -> bool:
    """Whether memory ran out, perhaps before the error that came of it: a recording is then ended by force."""
    while error is not None and not out_of_memory(error):
        error = error.__context__
    return error is not None
