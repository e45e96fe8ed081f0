"""The installable peers, each used as its own documentation says."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.cases import Case
from benchmarks.contenders import BATCH
from benchmarks.ours import losses_at
from benchmarks.timing import Clock, Run

CHECKED_IMAGES = 200
CHECKED_SIDE = 3


class Recorder:
    """Notes losses and moments, and the weights where that is asked for."""

    def __init__(self, model: nn.Module | None = None) -> None:
        self.clock = Clock(time.perf_counter())
        self.losses: list[float] = []
        self.weights: list[Mapping[str, Tensor]] = []
        self._model = model

    def note(self, loss: float, model: nn.Module) -> float:
        """A point is finished."""
        self.clock.stamp(time.perf_counter())
        self.losses.append(loss)
        if self._model is not None:
            self.weights.append({name: parameter.detach().clone() for name, parameter in model.named_parameters()})
        return loss

    def run(self) -> Run:
        """The run that has just ended."""
        return Run(time.perf_counter() - self.clock.begun, self.clock.stamps)


def checked(case: Case, recorder: Recorder, note: str) -> dict[str, Any]:
    """Compare a peer's losses with ours at the very weights that it had set, at every other point.

    Args:
        case: The network, with the images that the peer had.
        recorder: Its losses and weights.
        note: What it computes differently.

    Returns:
        The largest relative difference, the cosine between its two directions, and how many losses were not finite.
    """
    theirs, weights = recorder.losses[::2], recorder.weights[::2]
    with tempfile.TemporaryDirectory() as folder:
        ours = losses_at(case, weights, Path(folder))
    finite = [(loss, own) for loss, own in zip(theirs, ours, strict=True) if math.isfinite(loss)]
    return {
        "checked_points": len(theirs),
        "checked_images": len(case.images),
        "largest_relative_difference": max((abs(loss - own) / abs(own) for loss, own in finite), default=None),
        "not_finite": len(theirs) - len(finite),
        "note": note,
    }


def cosine(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Cosine of the angle between two directions, in float64."""
    a, b = (torch.cat([tensor.double().flatten() for tensor in part.values()]) for part in (one, other))
    return float(a @ b / (a.norm() * b.norm()))


def minus(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The difference of two points, in float64."""
    return {name: tensor.double() - other[name].double() for name, tensor in one.items()}


class LossLandscapes:
    """`loss-landscapes`: `random_plane(model, Loss(criterion, X, y))`."""

    variants = ("all images in one batch (its Loss)", f"batches of {BATCH} (a Metric of one's own)")

    def prepare(self, case: Case, variant: str) -> None:
        """Build the model, and one tensor with all images."""
        import loss_landscapes.metrics

        self._case, self._batched = case, variant == self.variants[1]
        self._model = case.model()
        self._base = loss_landscapes.metrics.Loss

    def run(self, side: int) -> Run:
        """`random_plane` with its default distance."""
        recorder = Recorder()
        self._plane(self._case, side, recorder)
        return recorder.run()

    def _plane(self, case: Case, side: int, recorder: Recorder) -> None:
        import loss_landscapes

        metric = self._metric(case, recorder)
        loss_landscapes.random_plane(self._model, metric, steps=side, normalization="filter", deepcopy_model=True)

    def _metric(self, case: Case, recorder: Recorder) -> Any:
        """The documented metric, or one in batches; it notes when points are finished."""
        inputs, labels = case.tensors()
        criterion = nn.CrossEntropyLoss()
        parts = list(zip(inputs.split(BATCH), labels.split(BATCH), strict=True))
        batched = self._batched

        class Noted(self._base):  # type: ignore[misc, name-defined]
            """`Loss`, with a note of the moment."""

            def __call__(self, model_wrapper: Any) -> float:
                """The loss at the present weights."""
                if batched:
                    losses = [self.loss_fn(model_wrapper.forward(x), y).item() * len(y) for x, y in parts]
                    return recorder.note(sum(losses) / len(self.target), model_wrapper.modules[0])
                return recorder.note(super().__call__(model_wrapper), model_wrapper.modules[0])

        return Noted(criterion, inputs, labels)

    def check(self) -> dict[str, Any]:
        """Its losses against ours at the weights that it had set, and the angle between its directions."""
        few = self._case.first_images(CHECKED_IMAGES)
        recorder = Recorder(self._model)
        torch.manual_seed(0)
        self._plane(few, CHECKED_SIDE, recorder)
        at = recorder.weights
        along_y = minus(at[1], at[0])
        along_x = minus(at[CHECKED_SIDE], at[CHECKED_SIDE - 2])  # the second row is walked backwards, one step short
        note = (
            "directions are drawn from [0, 1) instead of a Gaussian, biases and norms move too (by the absolute value "
            "of the weight, element by element), and the plane is walked in a serpentine whose labels are off by one "
            "column in every second row"
        )
        return {**checked(few, recorder, note), "cosine": cosine(along_x, along_y)}


class LossLandscape3D:
    """`loss-landscape-3d`: `LossLandscapeCalculator(model, loader, criterion).calculate(...)`."""

    variants = ("batches of 32 (its example)", f"batches of {BATCH}")

    def prepare(self, case: Case, variant: str) -> None:
        """Build the model, a loader of tensors that were normalised once, and its own random directions."""
        from loss_landscape_3d import generate_random_directions

        self._case, self._batch = case, BATCH if variant == self.variants[1] else 32
        self._model = case.model()
        torch.manual_seed(0)
        self._directions = generate_random_directions(self._model, normalize=True)

    def run(self, side: int) -> Run:
        """The grid over [-1, 1] along its own directions."""
        recorder = Recorder()
        self._calculate(self._case, self._directions, side, recorder)
        return recorder.run()

    def _calculate(self, case: Case, directions: Sequence[Mapping[str, Tensor]], side: int, recorder: Recorder) -> Any:
        from loss_landscape_3d import LossLandscapeCalculator

        loader = DataLoader(TensorDataset(*case.tensors()), batch_size=self._batch)
        criterion = _last_batch(nn.CrossEntropyLoss(), len(loader), recorder, self._model)
        axis, centre = np.linspace(-1, 1, side), {k: v.clone() for k, v in self._model.state_dict().items()}
        return LossLandscapeCalculator(self._model, loader, criterion).calculate(axis, axis, *directions, centre)

    def check(self) -> dict[str, Any]:
        """Its surface along our directions against ours, and what its own directions give."""
        import landscape

        few = self._case.first_images(CHECKED_IMAGES)
        theirs = self._calculate(few, (few.first, few.second), CHECKED_SIDE, Recorder())
        axis = (-1.0, 1.0, CHECKED_SIDE)
        options = {"x": axis, "y": axis, "device": "cpu", "progress": False}
        ours = landscape.compute(few.model(), few.tensors(), **options)["test/loss"]
        own = self._calculate(few, self._directions, CHECKED_SIDE, Recorder())
        note = (
            "on our directions, which it takes, the same surface; its own also move biases, norms and BatchNorm's "
            "running mean and variance, which turns negative: those losses are not finite"
        )
        return {
            "checked_points": theirs.size,
            "checked_images": len(few.images),
            "largest_relative_difference": float(np.abs(theirs / ours - 1).max()),
            "not_finite_along_its_own_directions": int((~np.isfinite(own)).sum()),
            "note": note,
        }


def _last_batch(
    criterion: nn.Module, batches: int, recorder: Recorder, model: nn.Module
) -> Callable[[Tensor, Tensor], Tensor]:
    """The criterion, noting every call that belongs to the last batch of a point."""
    calls = 0

    def noting(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal calls
        loss = criterion(outputs, targets)
        calls += 1
        if calls % batches == 0:
            recorder.note(float(loss), model)
        return loss

    return noting


class Landscaper:
    """`landscaper`: `LossLandscape.compute(model, data, directions, scalar_fn, dim=2)`."""

    variants = ("",)

    def prepare(self, case: Case, variant: str) -> None:
        """Build the model in eval mode, batches that were normalised once, and its own random directions."""
        from landscaper.utils import generate_random_orthogonal_directions

        self._case, self._model = case, case.model()
        torch.manual_seed(0)
        self._directions = generate_random_orthogonal_directions(self._model, n=2)

    def run(self, side: int) -> Run:
        """The plane with its default distance."""
        recorder = Recorder()
        self._compute(self._case, side, recorder)
        return recorder.run()

    def _compute(self, case: Case, side: int, recorder: Recorder, distance: float = 0.01) -> Any:
        from landscaper import LossLandscape

        criterion, parts = nn.CrossEntropyLoss(), -(-len(case.images) // BATCH)
        inputs, labels = (torch.tensor_split(tensor, parts) for tensor in case.tensors())
        batches = list(zip(inputs, labels, strict=True))

        def average_loss(model: nn.Module, data: Sequence[tuple[Tensor, Tensor]]) -> float:
            """The function of its quick start: the mean over batches, here of (nearly) one size."""
            total = sum(criterion(model.forward(sample), label) for sample, label in data)
            return recorder.note(float(total / len(data)), model)

        options = {"steps": side, "distance": distance, "dim": 2, "device": "cpu"}
        return LossLandscape.compute(self._model, batches, self._directions, average_loss, **options)

    def check(self) -> dict[str, Any]:
        """Its losses against ours at the weights that it had set, and the angle between its directions."""
        few = self._case.first_images(CHECKED_IMAGES)
        recorder = Recorder(self._model)
        self._compute(few, CHECKED_SIDE, recorder, distance=0.1)
        middle = CHECKED_SIDE * CHECKED_SIDE // 2
        along_y = minus(recorder.weights[middle + 1], recorder.weights[middle])
        along_x = minus(recorder.weights[middle + CHECKED_SIDE], recorder.weights[middle])
        note = (
            "each tensor is normalised by its number of elements and not by filters, biases and norms move too, losses "
            "that are not finite are replaced by the mean and the largest gets noise added, and evaluation mode is the "
            "caller's business"
        )
        return {**checked(few, recorder, note), "cosine": cosine(along_x, along_y)}
