"""The evaluator: one point at a time, all batches in a row; how the network computes is the network's affair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor

from landscape.data import Batches
from landscape.data.samples import thinned
from landscape.errors import LandscapeError
from landscape.evaluation.batchnorm import Statistics
from landscape.evaluation.memory import fixed_batches, give_back, out_of_memory, too_little_memory
from landscape.evaluation.networks import Network
from landscape.evaluation.sums import EVERY, Measurement, Sums
from landscape.evaluation.task import Task
from landscape.parameters import Subspace

Result = TypeVar("Result")


class Evaluator:
    """Evaluates a task at points of a subspace, one at a time.

    Sums are kept on the device in float64; each point costs one transfer to the host per policy and split.

    Args:
        network: The network, on the device; a plain one where statistics other than frozen matter.
        task: What is measured, its data on the device.
        batch_size: The most examples in a batch; halved where memory runs out.
        statistics: The policies for BatchNorm's statistics.
        layers: Whether to measure the drift of the statistics layer by layer, too.

    Attributes:
        network: The network.
        batch_size: The present one.
        corrects: Whether a tenth of the examples is evaluated in float32, too, to correct a lower precision.
        name: What it is called in the file.
        reason: Why it is not a quicker one, where it tried to be.
    """

    reason = ""

    def __init__(
        self, network: Network, task: Task, batch_size: int, statistics: Statistics, layers: bool = False
    ) -> None:
        self.network = network
        self.batch_size = batch_size
        self.corrects = False
        self._task = task
        self._statistics = statistics
        self._layers = layers
        self._batches = {split: network.prepared(batches) for split, batches in task.batches.items()}
        self._thinned: dict[str, tuple[Tensor, Batches]] = {}
        self._centre_losses: dict[tuple[str, str], Tensor] = {}

    @property
    def name(self) -> str:
        """What it is called in the file."""
        return self.network.name

    @property
    def sizes(self) -> dict[str, int]:
        """How many examples each split has."""
        return {split: len(batches) for split, batches in self._batches.items()}

    @property
    def recalibrates(self) -> bool:
        """Whether statistics are estimated anew at every point."""
        return "recalibrate" in self._statistics.policies and bool(self._statistics.layers)

    def follow(self, subspace: Subspace) -> None:
        """Evaluate points of another subspace from now on.

        Args:
            subspace: The subspace, around the same trained weights.
        """
        self.network.follow(subspace)
        self._batches = {split: self.network.prepared(batches) for split, batches in self._task.batches.items()}
        self._thinned.clear()

    def losses(self, point: Sequence[float], precision: str) -> dict[str, Tensor]:
        """The loss of every example at a point, in a precision of choice, under the first policy.

        Args:
            point: Its coordinates.
            precision: Arithmetic of the products.

        Returns:
            For each split, shape (N,), float64.
        """
        policy = self._statistics.policies[0]
        with torch.inference_mode(), self._in(precision), self.network.at(point), self._statistics.under(policy):
            return {split: self._losses(split, policy) for split in self._batches}

    def exact(self, point: Sequence[float]) -> dict[str, float]:
        """The mean loss of each split at a point in float32, by the ordinary pass."""
        return {split: float(losses.mean()) for split, losses in Evaluator.losses(self, point, "fp32").items()}

    def _losses(self, split: str, policy: str) -> Tensor:
        return torch.cat(self._retrying(policy, lambda: [part[0] for part in self._values(split, policy)]))

    @contextmanager
    def _in(self, precision: str) -> Iterator[None]:
        """Compute in another precision for a while."""
        usual, self.network.precision = self.network.precision, precision
        try:
            yield
        finally:
            self.network.precision = usual

    def centre(self) -> Measurement:
        """Evaluate the checkpoint itself and keep its per-example losses, which the rise is measured from.

        Returns:
            What is measured; `loss_rise` is exactly 0, and under policies other than `frozen` there is
            `loss_minus_frozen`, the paired difference from the loss under the checkpoint's own statistics.
        """
        with torch.inference_mode():
            policies = dict.fromkeys(("frozen", *self._statistics.policies))
            measured = self._under_each(policies, self._centre_sums)
        asked = {
            split: {policy: sums[policy] for policy in self._statistics.policies}
            for split, sums in measured.sums.items()
        }
        return Measurement(asked, measured.drift)

    def __call__(self, point: Sequence[float]) -> Measurement:
        """Evaluate a point.

        Args:
            point: Its coordinates, in multiples of the directions.

        Returns:
            What is measured there.
        """
        policies = self._statistics.policies
        with torch.inference_mode(), self.network.at(point):
            if self._statistics.matter:
                return self._under_each(policies, self._point_sums)
            alone = self._under_each(policies[:1], self._point_sums)
        sums = {split: dict.fromkeys(policies, under[policies[0]]) for split, under in alone.sums.items()}
        return Measurement(sums, alone.drift)

    def half_difference(self, point: Sequence[float]) -> dict[str, float]:
        """How much the choice of calibration images matters at a point.

        Args:
            point: Its coordinates.

        Returns:
            For each split, the loss under the statistics of one half of the calibration set minus that under those
            of the other half.
        """
        with torch.inference_mode(), self.network.at(point):
            halves, losses = self._statistics.estimate(), []
            for moments in (halves.even, halves.odd):
                with self._statistics.placed(moments):
                    losses.append(
                        {split: self._point_sums(split, "recalibrate").mean("loss") for split in self._batches}
                    )
        return {split: losses[0][split] - losses[1][split] for split in losses[0]}

    def probe(self) -> tuple[float, float]:
        """Evaluate the first batch at the centre twice.

        Returns:
            The largest difference between the losses of an example, absolute and relative; NaN equals NaN.
        """
        with torch.inference_mode():
            # Read once: whether the data repeat is another question.
            inputs, targets = next(iter(next(iter(self._batches.values())).split(self.batch_size)))
            first, second = (self._task.per_example(self.network, inputs, targets)[0] for _ in range(2))
        same = (first == second) | (first.isnan() & second.isnan())
        apart = (first - second).abs().masked_fill(same, 0.0)
        scale = first.abs().clamp_min(torch.finfo(torch.float32).tiny)
        return float(apart.nan_to_num(torch.inf).max()), float((apart / scale).nan_to_num(torch.inf).max())

    def _under_each(self, policies: Iterable[str], measure: Callable[[str, str], Sums]) -> Measurement:
        """Measure every split at the model's present weights under each policy."""
        sums: dict[str, dict[str, Sums]] = {split: {} for split in self._batches}
        drift: dict[str, float] = {}
        for policy in policies:
            with self._statistics.under(policy) as halves:
                for split, measured in sums.items():
                    measured[policy] = measure(split, policy)
            if halves is not None:
                drift = self._statistics.drift(halves, self._layers)
        return Measurement(sums, drift)

    def _point_sums(self, split: str, policy: str) -> Sums:
        numbers = self._retrying(policy, lambda: self._numbers(split, policy, list(self._values(split, policy))))
        return self._decoded(split, numbers.tolist())

    def _centre_sums(self, split: str, policy: str) -> Sums:
        """The sums at the centre, keeping the losses of the examples; `frozen` comes first."""
        parts = self._retrying(policy, lambda: list(self._values(split, policy)))
        losses = self._centre_losses[policy, split] = torch.cat([part[0] for part in parts])
        sums = self._decoded(split, self._numbers(split, policy, parts).tolist())
        if policy == "frozen":
            return sums
        apart = losses - self._centre_losses["frozen", split]
        return replace(
            sums, totals={**sums.totals, "loss_minus_frozen": (float(apart.sum()), float(apart.square().sum()))}
        )

    def _values(self, split: str, policy: str) -> Iterator[Tensor]:
        """Per-example values of all quantities, batch by batch, each of shape (quantities, n)."""
        size = self._statistics.batch_size if self._statistics.own_batches(policy) else self.batch_size
        for inputs, targets in self._batches[split].split(size):
            yield self._task.per_example(self.network, inputs, targets)

    def _totals(self, split: str, policy: str, parts: Iterable[Tensor]) -> Tensor:
        """Sums and sums of squares on the device, shape (2, quantities + 1), the last one the rise of the loss."""
        start = 0
        total: Tensor | None = None
        for values in parts:
            stop = start + values.shape[1]
            rise = values[0] - self._centre_losses[policy, split][start:stop]
            extended = torch.cat([values, rise[None]])
            part = torch.stack([extended.sum(1), extended.square().sum(1)])
            total, start = (part if total is None else total + part), stop
        assert total is not None
        return total

    def _numbers(self, split: str, policy: str, parts: Sequence[Tensor]) -> Tensor:
        """What `_decoded` makes sums of, on the device, without an axis more than one."""
        totals = self._totals(split, policy, parts).flatten()
        return torch.cat([totals, self._differences(split, parts)]) if self.corrects else totals

    def _decoded(self, split: str, numbers: Sequence[float]) -> Sums:
        names = (*self._task.names, "loss_rise")
        sums, squares, apart = numbers[: len(names)], numbers[len(names) : 2 * len(names)], numbers[2 * len(names) :]
        pairs = {name: (total, square) for name, total, square in zip(names, sums, squares, strict=True)}
        number = len(self._batches[split])
        return Sums(number, pairs, (-(-number // EVERY), apart[0], apart[1]) if apart else ())

    def _differences(self, split: str, parts: Sequence[Tensor]) -> Tensor:
        """Sum and sum of squares of the differences in loss between float32 and the present precision, shape (2,)."""
        low = torch.cat([part[0] for part in parts])
        if split not in self._thinned:
            index = torch.from_numpy(thinned(len(low), EVERY)).to(low.device)
            self._thinned[split] = index, self._batches[split].every(EVERY)
        index, examples = self._thinned[split]
        with self._in("fp32"):
            exact = [self._task.per_example(self.network, *pair)[0] for pair in examples.split(self.batch_size)]
        apart = torch.cat(exact) - low[index]
        return torch.stack([apart.sum(), apart.square().sum()])

    def _retrying(self, policy: str, compute: Callable[[], Result]) -> Result:
        """Compute, halving the batch size for as long as memory runs out and the batches are ours to choose."""
        if self._statistics.own_batches(policy):
            with fixed_batches():
                return compute()
        while True:
            try:
                return compute()
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
                if self.batch_size <= 2:
                    raise too_little_memory() from error
                self.batch_size = max(2, self.batch_size // 2)
            give_back()


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
